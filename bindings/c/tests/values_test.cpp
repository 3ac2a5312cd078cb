/*
 * values_test.cpp - the values of allocdb.hpp: ids and names against the vectors that all languages
 * share, literals, TTLs in slots, spans, results, numbers. But for the last test no database.
 *
 * ALLOCDB_VECTORS is the directory of names.json. Its layout is one "key": value a line, which is
 * all that the reader here understands.
 */
#include "check.hpp"

#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <unordered_set>

using namespace allocdb::literals;
using namespace std::chrono_literals;

/* ---- names ---- */

static std::string from_hex(const std::string &digits)
{
    std::string bytes;

    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        bytes.push_back(static_cast<char>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16)));
    return bytes;
}

/* Runs a check on every vector of a list; how many there were. */
static std::size_t each(const std::string &list,
                        void (*check)(std::map<std::string, std::string> &vector))
{
    std::ifstream file(ALLOCDB_VECTORS "/names.json");
    std::map<std::string, std::string> vector;
    std::string line;
    bool is_in = false;
    std::size_t count = 0;

    while (std::getline(file, line)) {
        const auto key_begin = line.find('"');
        const auto key_end = line.find("\": ", key_begin + 1);

        if (line.rfind("    }", 0) == 0 && is_in) {
            check(vector);
            vector.clear();
            count++;
        } else if (key_end != std::string::npos && line.back() == '[') {
            is_in = line.substr(key_begin + 1, key_end - key_begin - 1) == list;
        } else if (key_end != std::string::npos && is_in) {
            std::string value = line.substr(key_end + 3);
            value.erase(value.find_last_not_of(',') + 1);
            if (value.size() >= 2 && value.front() == '"')
                value = value.substr(1, value.size() - 2);
            vector[line.substr(key_begin + 1, key_end - key_begin - 1)] = value;
        }
    }
    return count;
}

static allocdb::id id_of(std::map<std::string, std::string> &vector)
{
    return allocdb::id(std::strtoull(vector["lo"].c_str(), nullptr, 16),
                       std::strtoull(vector["hi"].c_str(), nullptr, 16));
}

static void is_shown_and_read_back(std::map<std::string, std::string> &vector)
{
    const auto shown = from_hex(vector["shown_utf8"]);

    CHECK_EQUAL(shown, id_of(vector).to_string());
    CHECK_EQUAL(shown, std::string(id_of(vector).text().c_str()));
    CHECK_EQUAL(id_of(vector), *allocdb::id::parse(shown));
}

static void gives_its_id(std::map<std::string, std::string> &vector)
{
    const auto text = from_hex(vector["utf8"]);

    CHECK(allocdb::id::from_name(text).has_value());
    CHECK_EQUAL(id_of(vector), *allocdb::id::from_name(text));
    // What the compiler makes of a literal.
    CHECK_EQUAL(id_of(vector), operator""_id(text.data(), text.size()));
    CHECK_EQUAL(text.size() <= 15, allocdb::detail::is_packable(text.data(), text.size()));
    is_shown_and_read_back(vector);
}

static void is_refused_as_a_name(std::map<std::string, std::string> &vector)
{
    const auto text = from_hex(vector["utf8"]);
    const auto made = allocdb::id::from_name(text);

    CHECK_STATUS(invalid, made);
    CHECK_EQUAL(vector["message"], std::string(made.error().message()));
    CHECK(!*made);
    CHECK(!operator""_id(text.data(), text.size()));
    CHECK(!allocdb::detail::is_packable(text.data(), text.size()));
}

static void reads_as_its_id(std::map<std::string, std::string> &vector)
{
    CHECK_EQUAL(id_of(vector), *allocdb::id::parse(from_hex(vector["utf8"])));
    is_shown_and_read_back(vector);
}

static void is_refused_as_a_text(std::map<std::string, std::string> &vector)
{
    const auto read = allocdb::id::parse(from_hex(vector["utf8"]));

    CHECK_STATUS(invalid, read);
    CHECK_EQUAL(vector["message"], std::string(read.error().message()));
    CHECK(!*read);
}

static void names_give_the_ids_of_every_language() // R103 to R107
{
    CHECK(each("names", gives_its_id) >= 60);
    CHECK(each("ids", is_shown_and_read_back) >= 30);
    CHECK(each("texts", reads_as_its_id) >= 15);
    CHECK(each("refused_names", is_refused_as_a_name) >= 15);
    CHECK(each("refused_texts", is_refused_as_a_text) >= 40);
}

static void literals_are_packed_while_compiling()
{
    static_assert("a"_id.hi == 0x6100000000008000 && "a"_id.lo == 0x8000000000000000);
    static_assert("seat_21A"_id == allocdb::id(0x8100000000000000, 0x736561745F328314));
    static_assert("abcdefghijklmno"_id.lo == 0x88696A6B6C6D6E6F);
    static_assert(!allocdb::id() && "a"_id != "b"_id && "a"_id < "b"_id);
    CHECK_EQUAL(*allocdb::id::from_name("a name of more than 15 bytes"),
                "a name of more than 15 bytes"_id);
    CHECK(!""_id);
    CHECK(!"a\0b"_id);
    CHECK(!"\xff"_id);
}

static void ids_compare_hash_and_convert()
{
    const allocdb::id low(9, 1);
    const allocdb::id high(1, 2);
    const allocdb::id drawn = allocdb::id::random();
    std::uint8_t bytes[16];
    std::unordered_set<allocdb::id> seen;
    std::ostringstream stream;

    CHECK(low < high && low <= high && high > low && high >= low && low != high);
    CHECK(low <= low && low >= low && !(low < low) && !(low > low));
    low.to_bytes(bytes);
    CHECK(bytes[7] == 1 && bytes[15] == 9 && bytes[0] == 0);
    CHECK_EQUAL(low, allocdb::id::from_bytes(bytes));
    CHECK(static_cast<bool>(drawn) && drawn != allocdb::id::random());
    CHECK_EQUAL(drawn, *allocdb::id::parse(drawn.to_string()));
    for (std::uint64_t i = 0; i < 100; i++)
        seen.insert(allocdb::id(i % 10, i / 10));
    CHECK_EQUAL(100u, seen.size());
    stream << "seat_21A"_id;
    CHECK_EQUAL(std::string("seat_21A"), stream.str());
    const allocdb_id raw = low;
    CHECK_EQUAL(low, allocdb::id(raw));
}

/* ---- time ---- */

template <class T>
static std::uint64_t slots_of(T duration, std::uint64_t slot_duration_ms = 100)
{
    return allocdb::ttl(duration).to_slots(slot_duration_ms);
}

static void a_ttl_is_never_shorter_than_asked()
{
    static_assert(allocdb::ttl(1s).to_slots(100) == 11);
    CHECK_EQUAL(2u, slots_of(1ns));
    CHECK_EQUAL(2u, slots_of(100ms));
    CHECK_EQUAL(3u, slots_of(100ms + 1ns));
    CHECK_EQUAL(601u, slots_of(1min));
    CHECK_EQUAL(2u, slots_of(24h, 86400000));
    CHECK_EQUAL(3u, slots_of(24h + 1ms, 86400000));
    CHECK_EQUAL(6u, slots_of(std::chrono::duration<double>(0.5)));
    CHECK_EQUAL(2u, slots_of(std::chrono::duration<float>(1e-9f)));
    CHECK_EQUAL(2u, slots_of(std::chrono::duration<std::int64_t, std::pico>(1)));
    // Thirds of a second are rounded up too: 1/3 s is 333.3 ms, and 4 slots.
    CHECK_EQUAL(5u, slots_of(std::chrono::duration<int, std::ratio<1, 3>>(1)));
    CHECK_EQUAL(31u, slots_of(std::chrono::duration<unsigned, std::ratio<1, 3>>(9)));
    CHECK_EQUAL(7u, slots_of(allocdb::slots(7)));
    CHECK_EQUAL(0u, slots_of(allocdb::slots(0)));
}

static void a_ttl_out_of_range_stays_so()
{
    constexpr std::uint64_t most = UINT64_MAX;

    CHECK_EQUAL(0u, slots_of(0s));
    CHECK_EQUAL(0u, slots_of(-1s));
    CHECK_EQUAL(0u, slots_of(std::chrono::duration<double>(-1.0)));
    CHECK_EQUAL(0u, slots_of(std::chrono::duration<double>(std::nan(""))));
    CHECK_EQUAL(most, slots_of(std::chrono::hours::max()));
    CHECK_EQUAL(most, slots_of(std::chrono::duration<double>(1e300)));
    CHECK_EQUAL(most,
                slots_of(std::chrono::duration<double>(std::numeric_limits<double>::infinity())));
    CHECK(slots_of(std::chrono::nanoseconds::max()) > 92000000000u);
}

/* ---- views, results, numbers ---- */

static std::size_t count_of(allocdb::span<const allocdb::id> ids) { return ids.size(); }

static void spans_are_made_of_what_holds_ids()
{
    allocdb::id array[2] = {"a"_id, "b"_id};
    const std::array<allocdb::id, 3> fixed = {};
    const std::vector<allocdb::id> many(4);
    const allocdb::span<allocdb::id> writable(array);

    CHECK_EQUAL(2u, count_of(array));
    CHECK_EQUAL(3u, count_of(fixed));
    CHECK_EQUAL(4u, count_of(many));
    CHECK_EQUAL(2u, count_of(writable));
    CHECK_EQUAL(1u, count_of({"a"_id}));
    CHECK_EQUAL(0u, count_of({}));
    writable[1] = "c"_id;
    CHECK_EQUAL("c"_id, array[1]);
    CHECK_EQUAL(2, writable.end() - writable.begin());
    CHECK(!writable.empty() && writable.data() == array);
}

static void a_failed_result_is_empty_and_says_why()
{
    const allocdb::result<allocdb::id> failed = allocdb::failure(allocdb::status::locked, "story");
    const allocdb::result<allocdb::id> good = "a"_id;
    const allocdb::result<void> nothing;
    const std::string endless(5000, 'x');

    CHECK(!failed && !failed.has_value() && !*failed);
    CHECK_EQUAL("b"_id, failed.value_or("b"_id));
    CHECK_EQUAL("a"_id, good.value_or("b"_id));
    CHECK_EQUAL(std::string("ALLOCDB_E_LOCKED: story"), failed.error().to_string());
    CHECK_STATUS(ok, good);
    CHECK(nothing.has_value());
    CHECK(!allocdb::result<void>(allocdb::failure(allocdb::status::io, "x")));
    CHECK_EQUAL(215u, std::string(allocdb::failure(allocdb::status::io, endless.c_str()).message())
                          .size());
    // What was never answered does not read as done.
    CHECK(!allocdb::outcome().ok());
    CHECK(!allocdb::reservation().granted());
}

static void statuses_have_names_and_categories()
{
    using allocdb::category;
    using allocdb::status;

    CHECK_EQUAL(std::string("ALLOCDB_OK"), std::string(allocdb::name(status::ok)));
    CHECK_EQUAL(std::string("resource_busy"),
                std::string(allocdb::name(allocdb::result_code::resource_busy)));
    CHECK_EQUAL(category::ok, allocdb::category_of(status::ok));
    CHECK_EQUAL(category::misuse, allocdb::category_of(status::closed));
    CHECK_EQUAL(category::definite, allocdb::category_of(status::overloaded));
    CHECK_EQUAL(category::open, allocdb::category_of(status::locked));
    CHECK_EQUAL(category::indefinite, allocdb::category_of(status::panic));
    CHECK_EQUAL(category::read, allocdb::category_of(status::retired));
    // One of a later version goes by its band; one that is no band is unknown.
    CHECK_EQUAL(category::definite, allocdb::category_of(static_cast<status>(199)));
    CHECK_EQUAL(category::unknown, allocdb::category_of(static_cast<status>(-5)));
    CHECK(allocdb::failure(status::halted, "").is_indefinite());
    CHECK(!allocdb::failure(status::halted, "").is_definite());
    CHECK(allocdb::failure(status::overloaded, "").is_definite());
    CHECK(allocdb::failure(status::closed, "").is_definite());
    CHECK(!allocdb::failure(status::locked, "").is_definite());
}

static void the_memory_bound_names_a_bad_option()
{
    allocdb::options options;

    CHECK(*allocdb::memory_bound() > 10000000u);
    options.max_bundle_len = 1025;
    CHECK_STATUS(invalid, allocdb::memory_bound(options));
    CHECK_SAYS(allocdb::memory_bound(options), "max_bundle_len is 1025, must be 1 to 1024");
    options = {};
    options.struct_size = 3;
    CHECK_STATUS(struct_size, allocdb::memory_bound(options));
}

static void names_are_shown_by_reads()
{
    const auto db = check::open_small();

    CHECK_CODE(done, db.create("seat_21A"_id));
    CHECK_CODE(done, db.reserve("seat_21A"_id, "alice"_id, allocdb::slots(5)));
    CHECK_EQUAL(std::string("alice"), db.get_resource("seat_21A"_id)->holder_id.to_string());
}

int main()
{
    static const check::test tests[] = {
        TEST(names_give_the_ids_of_every_language),
        TEST(literals_are_packed_while_compiling),
        TEST(ids_compare_hash_and_convert),
        TEST(a_ttl_is_never_shorter_than_asked),
        TEST(a_ttl_out_of_range_stays_so),
        TEST(spans_are_made_of_what_holds_ids),
        TEST(a_failed_result_is_empty_and_says_why),
        TEST(statuses_have_names_and_categories),
        TEST(the_memory_bound_names_a_bad_option),
        TEST(names_are_shown_by_reads),
    };

    return check::run_tests(tests);
}
