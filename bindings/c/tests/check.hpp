/*
 * check.hpp - assertions of the C++ tests, and what they share: a directory of their own, a small
 * database with a clock that the test drives, a forked child. Works without exceptions.
 *
 * A test is a function without arguments; a failed check is printed and the test goes on. main
 * calls run_tests, which prints "N passed, N failed". The C tests' check.h cannot be used here: it
 * names the handle's type, which is the name of the namespace.
 */
#ifndef CHECK_HPP
#define CHECK_HPP

#include <allocdb.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(expected, actual)                                                              \
    check::equal((expected), (actual), #actual, __FILE__, __LINE__)
/* A result or failure has this status. */
#define CHECK_STATUS(expected, what)                                                               \
    check::has_status(allocdb::status::expected, check::failure_of(what), #what, __FILE__, __LINE__)
/* A command was committed and decided so. */
#define CHECK_CODE(expected, what)                                                                 \
    check::has_code(allocdb::result_code::expected, (what), #what, __FILE__, __LINE__)
/* A result's or failure's message names something. */
#define CHECK_SAYS(what, text) check::says(check::failure_of(what), (text), __FILE__, __LINE__)
#define TEST(function)                                                                             \
    {                                                                                              \
        #function, function                                                                        \
    }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

namespace check
{

struct test {
    const char *name;
    void (*run)();
};

/* Failed checks so far; a few of them are shown. */
inline std::atomic<int> failures{0};

inline void fail(const char *file, int line, const std::string &what)
{
    if (failures.fetch_add(1) < 40)
        std::printf("    %s:%d: %s\n", file, line, what.c_str());
}

inline bool that(bool condition, const char *what, const char *file, int line)
{
    if (!condition)
        fail(file, line, std::string("not so: ") + what);
    return condition;
}

inline std::string text_of(const allocdb::id &value) { return value.to_string(); }
inline std::string text_of(const std::string &value) { return value; }
inline std::string text_of(std::string_view value) { return std::string(value); }
template <class T>
std::string text_of(T value)
{
    if constexpr (std::is_enum_v<T>)
        return std::to_string(static_cast<long long>(value));
    else
        return std::to_string(value);
}

template <class Expected, class Actual>
bool equal(const Expected &expected, const Actual &actual, const char *what, const char *file,
           int line)
{
    const auto wanted = static_cast<Actual>(expected);

    if (!(wanted == actual))
        fail(file, line,
             std::string(what) + " is " + text_of(actual) + ", expected " + text_of(wanted));
    return wanted == actual;
}

inline const allocdb::failure &failure_of(const allocdb::failure &value) { return value; }
template <class T>
const allocdb::failure &failure_of(const allocdb::result<T> &value)
{
    return value.error();
}

inline bool has_status(allocdb::status expected, const allocdb::failure &actual, const char *what,
                       const char *file, int line)
{
    if (expected != actual.status())
        fail(file, line, std::string(what) + " is " + actual.to_string() + ", expected " +
                             allocdb::name(expected));
    return expected == actual.status();
}

inline allocdb::result_code code_of(const allocdb::outcome &value) { return value.code; }
inline allocdb::result_code code_of(const allocdb::reservation &value) { return value.code(); }

template <class T>
bool has_code(allocdb::result_code expected, const allocdb::result<T> &actual, const char *what,
              const char *file, int line)
{
    if (!has_status(allocdb::status::ok, actual.error(), what, file, line))
        return false;
    if (expected != code_of(*actual))
        fail(file, line, std::string(what) + " is " + allocdb::name(code_of(*actual)) +
                             ", expected " + allocdb::name(expected));
    return expected == code_of(*actual);
}

inline bool says(const allocdb::failure &what, const char *text, const char *file, int line)
{
    const bool found = std::string_view(what.message()).find(text) != std::string_view::npos;

    if (!found)
        fail(file, line, "\"" + what.to_string() + "\" does not name \"" + text + "\"");
    return found;
}

inline void skip(const char *why) { std::printf("    skipped: %s\n", why); }

/* A new empty directory; all are removed when the program ends. */
inline std::string new_directory()
{
    static std::atomic<int> count{0};
    static const struct base_directory {
        std::string path;
        pid_t owner = getpid();

        base_directory()
        {
            const char *where = std::getenv("ALLOCDB_TEST_DIRECTORY");
            path = std::string(where != nullptr ? where : "/tmp") + "/allocdb-cpp-XXXXXX";
            if (mkdtemp(&path[0]) == nullptr) {
                std::perror(path.c_str());
                std::exit(2);
            }
        }
        ~base_directory()
        {
            std::error_code ignored;
            if (getpid() == owner)
                std::filesystem::remove_all(path, ignored);
        }
    } base;
    std::error_code ignored;
    std::string made = base.path + "/" + std::to_string(getpid()) + "-" + std::to_string(count++);
    std::filesystem::create_directory(made, ignored);
    return made;
}

/* Small options with a clock that the test drives: quick to open, every bound within reach. */
inline allocdb::options small_options()
{
    allocdb::options options;

    options.max_resources = 64;
    options.max_reservations = 64;
    options.max_operations = 1024;
    options.max_bundle_len = 8;
    options.max_ttl_slots = 1000;
    options.operation_window_slots = 100;
    options.history_window_slots = 50;
    options.wal_prealloc_bytes = 64 << 10;
    options.clock = ALLOCDB_CLOCK_HOST;
    return options;
}

/* Opens, or ends the program with the story. */
inline allocdb::database open(const std::string &directory,
                              const allocdb::options &options = small_options())
{
    auto db = allocdb::database::open(directory, options);

    if (!db) {
        std::printf("cannot open %s: %s\n", directory.c_str(), db.error().to_string().c_str());
        std::exit(2);
    }
    return std::move(*db);
}

/* A small database in a new directory. */
inline allocdb::database open_small() { return open(new_directory()); }

/* Runs something in a forked child; its failed checks count here. */
template <class Function>
void in_child(Function function)
{
    int state = 0;

    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        failures = 0;
        function();
        std::fflush(stdout);
        _exit(failures > 100 ? 100 : failures.load());
    }
    CHECK(child > 0 && waitpid(child, &state, 0) == child);
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0)
        fail(__FILE__, __LINE__, "the child ended with state " + std::to_string(state));
}

template <std::size_t N>
int run_tests(const test (&tests)[N])
{
    int failed = 0;

    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    for (const test &each : tests) {
        const int before = failures;

        each.run();
        failed += failures != before;
        std::printf("%s %s\n", failures == before ? "ok    " : "FAILED", each.name);
    }
    std::printf("%d passed, %d failed\n", static_cast<int>(N) - failed, failed);
    return failed != 0;
}

} // namespace check

#endif
