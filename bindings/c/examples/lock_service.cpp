/* A lock service: leases, fencing tokens, and a restart after a crash that breaks nothing.
 *
 * Workers (threads) take turns on one lock, and under it count up in a ledger: read the last line,
 * write the next. A lease ends by itself when its holder sleeps too long or dies, so holding a lock
 * is not enough to be safe: a worker may believe in a lease that is long gone. So each write shows
 * the lease's fencing token, and the ledger refuses a token below the greatest one it has seen. One
 * worker here, the sleeper, does just that: takes the lock, sleeps until somebody else has it, and
 * writes. It must be refused.
 *
 *     c++ -std=c++17 lock_service.cpp -o lock_service $(pkg-config --cflags --libs allocdb) \
 *         -pthread
 *     ./lock_service locks.db ledger.txt 200 120   # until 200 lines; killed at line 120
 *     ./lock_service locks.db ledger.txt 200       # goes on from there
 *
 * At the end the ledger is read back: 1, 2, 3, ... without a gap, and tokens that never fall. Two
 * workers in the lock at once would have written the same number twice.
 */
#include <allocdb.hpp>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

using namespace allocdb::literals;
using namespace std::chrono_literals;

constexpr allocdb::id ledger_lock = "ledger"_id;
constexpr int workers = 4;
constexpr auto lease_ttl = 300ms;

/* Prints the story that a failure carries, and ends the program. After an indefinite one too: what
 * was committed is on the disk, and the next start sees it. */
[[noreturn]] static void give_up(const allocdb::failure &story)
{
    std::fprintf(stderr, "%s\n", story.to_string().c_str());
    std::exit(story.is_indefinite() ? 3 : 1);
}

/* ---- the service ---- */

/* A lock that is held for a while. Gives itself back; a holder that dies loses it by time. */
class lease
{
    allocdb::reservation held_;

  public:
    explicit lease(const allocdb::reservation &held) : held_(held) {}
    lease(lease &&other) noexcept : held_(std::exchange(other.held_, {})) {}
    lease &operator=(lease &&) = delete;
    ~lease() { release(); }

    /* Grows with every lease of this database, over restarts too. */
    std::uint64_t token() const { return held_.token().lo; }

    /* Another lease_ttl from now. False: it is lost. */
    bool renew()
    {
        const auto told = held_.extend(lease_ttl);
        if (!told)
            give_up(told.error());
        return told->ok();
    }

    /* A lease that is lost already has nothing to give back: its code says so, and nobody minds. */
    void release()
    {
        if (!held_.granted())
            return;
        const auto told = held_.release();
        if (!told)
            give_up(told.error());
        held_ = {};
    }
};

class lock_service
{
    allocdb::database db_;

    /* Available; or held beyond its deadline, by one who forgot it or died: the next commit that
     * asks for it frees it first. */
    bool looks_free() const
    {
        const auto lock = db_.get_resource(ledger_lock);
        if (!lock)
            give_up(lock.error());
        if (!lock->reservation_id)
            return true;
        const auto held = db_.get_reservation(lock->reservation_id);
        return !held || held->deadline_slot <= db_.slot();
    }

  public:
    explicit lock_service(const char *directory)
    {
        allocdb::options options;

        options.slot_duration_ms = 10; // a lease may end this much later than asked, never earlier
        auto opened = allocdb::database::open(directory, options);
        if (!opened)
            give_up(opened.error());
        db_ = std::move(*opened);
        // resource_exists, if this is not the first start: as good as done.
        if (const auto made = db_.create(ledger_lock); !made)
            give_up(made.error());
    }

    /* Waits for the lock: by reading, which costs little, until to ask for it may succeed. */
    lease acquire(const allocdb::id &owner)
    {
        for (;; std::this_thread::sleep_for(2ms)) {
            if (!looks_free())
                continue;
            const auto told = db_.reserve(ledger_lock, owner, lease_ttl);
            if (!told && told.error().status() != allocdb::status::overloaded)
                give_up(told.error());
            if (told && told->granted())
                return lease(*told);
        }
    }

    /* Who holds a lock now: after a crash, somebody who is dead. */
    void show_holders() const
    {
        const auto held = allocdb::filter().in(allocdb::reservation_state::reserved);
        auto rows = db_.list_reservations(held);
        for (const auto &row : rows)
            std::printf("%s is held by %s of an earlier life, with token %llu\n",
                        row.first_resource_id.text().c_str(), row.holder_id.text().c_str(),
                        static_cast<unsigned long long>(row.reservation_id.lo));
        if (!rows.ok())
            give_up(rows.error());
    }
};

/* ---- what the lock protects ---- */

/* A file of lines "value token". Like a store elsewhere it knows nothing of leases: it compares
 * tokens, at the moment of the write. */
class ledger
{
    std::mutex mutex_;
    std::FILE *file_;
    unsigned long long value_ = 0;
    unsigned long long token_ = 0;

  public:
    /* Reads what is there; ends the program if it is not as it must be. */
    explicit ledger(const char *path) : file_(std::fopen(path, "a+"))
    {
        unsigned long long value;
        unsigned long long token;

        if (file_ == nullptr) {
            std::perror(path);
            std::exit(1);
        }
        std::rewind(file_);
        while (std::fscanf(file_, "%llu %llu\n", &value, &token) == 2) {
            if (value != value_ + 1 || token < token_) {
                std::fprintf(stderr, "%s: line %llu follows line %llu, token %llu token %llu\n",
                             path, value, value_, token, token_);
                std::exit(1);
            }
            value_ = value;
            token_ = token;
        }
    }
    ledger(const ledger &) = delete;
    ledger &operator=(const ledger &) = delete;
    ~ledger() { std::fclose(file_); }

    unsigned long long read()
    {
        const std::lock_guard<std::mutex> guard(mutex_);
        return value_;
    }
    unsigned long long token_seen()
    {
        const std::lock_guard<std::mutex> guard(mutex_);
        return token_;
    }
    /* False: the token is older than one that has written, and nothing is. */
    bool write(unsigned long long value, unsigned long long token)
    {
        const std::lock_guard<std::mutex> guard(mutex_);

        if (token < token_)
            return false;
        std::fprintf(file_, "%llu %llu\n", value, token);
        std::fflush(file_);
        value_ = value;
        token_ = token;
        return true;
    }
};

/* ---- the workers ---- */

/* Counts up to `last`; dies at `crash_at` with the lock in its hands. */
static void work(lock_service &locks, ledger &book, int number, unsigned long long last,
                 unsigned long long crash_at)
{
    const auto owner = *allocdb::id::from_name("worker_" + std::to_string(number));

    for (;;) {
        lease mine = locks.acquire(owner);
        const auto value = book.read();

        if (value >= last)
            return;
        if (value % 8 == 0 && !mine.renew()) // as one does amid longer work
            continue;
        (void)book.write(value + 1, mine.token());
        if (value + 1 == crash_at)
            std::raise(SIGKILL);
    }
}

/* Believes in a lease that is gone. */
static bool oversleep(ledger &book, lease mine)
{
    const auto value = book.read();

    while (book.token_seen() <= mine.token())
        std::this_thread::sleep_for(5ms);
    return book.write(value + 1, mine.token());
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        std::fprintf(stderr, "usage: %s DATABASE LEDGER LINES [CRASH-AT-LINE]\n", argv[0]);
        return 2;
    }
    const auto last = std::strtoull(argv[3], nullptr, 10);
    const auto crash_at = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 0;
    lock_service locks(argv[1]);
    ledger book(argv[2]);
    std::vector<std::thread> threads;

    locks.show_holders();
    std::printf("the ledger has %llu lines\n", book.read());
    std::fflush(stdout);
    // Before the others begin, so that it surely has had the lock.
    std::optional<lease> early;
    if (book.read() < last)
        early.emplace(locks.acquire("sleeper"_id));
    for (int number = 1; number <= workers; number++)
        threads.emplace_back(work, std::ref(locks), std::ref(book), number, last, crash_at);
    const bool is_broken = early.has_value() && oversleep(book, std::move(*early));
    for (auto &thread : threads)
        thread.join();
    std::printf("the sleeper's late write was %s\n", is_broken ? "TAKEN" : "refused");
    ledger again(argv[2]); // checks every line
    std::printf("%llu lines, in order\n", again.read());
    return is_broken || again.read() != last;
}
