/*
 * failures_test.cpp - every status that allocdb.hpp can answer, with its message, and the exception
 * that each becomes. Out of a test's reach are lsn_exhausted, unsupported_fs and panic, which the
 * engine's own tests reach; overlap, because this layer owns all outputs.
 */
#include "check.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <thread>

using namespace allocdb::literals;
using allocdb::slots;

constexpr allocdb::id alice = "alice"_id;
constexpr allocdb::id seat = "seat_21A"_id;
constexpr allocdb::operation fresh = {};

/* ---- what a command is refused for ---- */

static void ids_are_never_zero()
{
    const auto db = check::open_small();

    CHECK_STATUS(malformed, db.create({}));
    CHECK_SAYS(db.create({}), "resource_id");
    CHECK_SAYS(db.reserve(seat, {}, slots(5)), "holder_id");
    CHECK_SAYS(db.confirm({}, alice), "reservation_id");
    CHECK_STATUS(malformed, db.extend({}, alice, slots(5)));
    CHECK_STATUS(malformed, db.release({}, alice));
    CHECK_STATUS(malformed, db.revoke({}));
    CHECK_STATUS(malformed, db.reclaim({}));
    CHECK_STATUS(malformed, db.remove({}));
    CHECK_STATUS(malformed, db.reserve_bundle({}, alice, slots(5)));
    CHECK_STATUS(malformed, db.get_resource({}));
    CHECK_STATUS(malformed, db.get_reservation({}));
    CHECK_STATUS(malformed, db.get_operation({}));
}

static void ttls_and_bundles_have_bounds()
{
    using namespace std::chrono_literals;
    const auto db = check::open_small();
    std::vector<allocdb::id> ids;

    CHECK_STATUS(ttl_out_of_range, db.reserve(seat, alice, 0s));
    CHECK_SAYS(db.reserve(seat, alice, -5s), "ttl_slots is 0, must be 1 to max_ttl_slots = 1000");
    CHECK_SAYS(db.reserve(seat, alice, 24h), "ttl_slots is 864001");
    CHECK_STATUS(ttl_out_of_range, db.extend(seat, alice, slots(1001)));
    for (std::uint64_t i = 1; i <= 9; i++)
        ids.push_back(allocdb::id(i));
    CHECK_STATUS(bundle_too_large, db.reserve_bundle(ids, alice, slots(5)));
    CHECK_SAYS(db.reserve_bundle(ids, alice, slots(5)), "max_bundle_len is 8");
    CHECK_STATUS(duplicate_resource, db.reserve_bundle({seat, seat}, alice, slots(5)));
    CHECK_SAYS(db.reserve_bundle({seat, seat}, alice, slots(5)), "twice");
    CHECK_EQUAL(0u, db.health()->last_lsn);
}

static void a_batch_has_bounds_and_is_refused_whole()
{
    auto options = check::small_options();

    options.max_batch_commands = 3;
    const auto db = check::open(check::new_directory(), options);
    auto batch = db.batch(2);
    for (std::uint64_t i = 1; i <= 4; i++)
        batch.create(allocdb::id(i));
    const auto large = db.submit(batch);
    CHECK_STATUS(command_too_large, large);
    CHECK_SAYS(large, "max_batch_commands");
    CHECK(!batch[0].ok());
    CHECK_EQUAL(allocdb::status::command_too_large, batch[3].status);
    batch.clear();
    batch.create("a"_id);
    batch.create({});
    CHECK(!batch[0].ok());
    const auto refused = db.submit(batch);
    CHECK_STATUS(malformed, refused);
    CHECK_EQUAL(1u, refused.error().detail(0));
    CHECK_STATUS(id_not_found, db.get_resource("a"_id));
}

static void slots_have_bounds()
{
    auto options = check::small_options();

    options.max_slot_leap = 1000;
    const auto db = check::open(check::new_directory(), options);
    CHECK_STATUS(slot_overflow, db.create(seat, fresh, UINT64_MAX));
    CHECK_SAYS(db.tick(0, UINT64_MAX), "slot is 18446744073709551615");
    CHECK_CODE(done, db.create(seat, fresh, 5000));
    CHECK_STATUS(slot_leap, db.create(seat, fresh, 50000));
    CHECK_SAYS(db.tick(0, 50000), "max_slot_leap");
}

static void operations_have_limits_and_bounds()
{
    auto options = check::small_options();

    options.max_operations = 4;
    const auto db = check::open(check::new_directory(), options);
    const auto late = db.create(seat, {"op"_id, 9}, 10);
    CHECK_STATUS(operation_expired, late);
    CHECK_EQUAL("op"_id, late.error().operation().id);
    CHECK_STATUS(valid_until_out_of_range, db.create(seat, {"op"_id, 111}, 10));
    CHECK_CODE(done, db.create("a"_id, {"op"_id, 110}, 10));
    const auto other = db.create("b"_id, {"op"_id, 110}, 10);
    CHECK_STATUS(operation_conflict, other);
    CHECK_SAYS(other, "LSN 1");
    CHECK(!other->ok());
    for (std::uint64_t i = 0; i < 3; i++)
        CHECK_CODE(resource_exists, db.create("a"_id));
    const auto full = db.create("a"_id);
    CHECK_STATUS(operation_table_full, full);
    CHECK_SAYS(full, "raise max_operations");
    CHECK(full.error().is_definite() && !full.error().is_indefinite());
    // What was made for it is shown, and can be repeated when there is room.
    CHECK(static_cast<bool>(full.error().operation()));
    CHECK_CODE(resource_exists, db.create("a"_id, full.error().operation(), 300));
}

static void a_full_queue_is_told_at_once()
{
    auto options = check::small_options();
    std::atomic<bool> is_seen{false};
    std::vector<std::thread> threads;

    options.max_queue = 2;
    const auto db = check::open(check::new_directory(), options);
    for (int i = 0; i < 16; i++)
        threads.emplace_back([&] {
            const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);

            while (!is_seen && std::chrono::steady_clock::now() < end) {
                const auto told = db.create(seat);
                if (told.error().status() == allocdb::status::overloaded) {
                    CHECK_SAYS(told, "max_queue is 2");
                    is_seen = true;
                }
            }
        });
    for (auto &thread : threads)
        thread.join();
    CHECK(is_seen);
}

static void reads_tell_absent_and_too_small()
{
    const auto db = check::open_small();
    allocdb::id one[1];
    char few[10];

    CHECK_STATUS(id_not_found, db.get_resource(seat));
    CHECK_STATUS(id_not_found, db.get_reservation(seat));
    CHECK_CODE(done, db.create("a"_id));
    CHECK_CODE(done, db.create("b"_id));
    const auto held = db.reserve_bundle({"a"_id, "b"_id}, alice, slots(5));
    const auto narrow = db.get_reservation(held->reservation_id(), one);
    CHECK_STATUS(buffer_too_small, narrow);
    CHECK_EQUAL(2u, narrow.error().detail(2));
    CHECK_STATUS(buffer_too_small, db.log_read(few));
    CHECK(db.log_read(few)->text.empty());
}

static void a_reservation_that_was_not_granted_is_no_use()
{
    const auto db = check::open_small();

    const auto refused = db.reserve(seat, alice, slots(5));
    CHECK_CODE(resource_not_found, refused);
    CHECK_STATUS(invalid, refused->confirm());
    CHECK_SAYS(refused->extend(slots(5)), "not granted: resource_not_found");
    CHECK_STATUS(invalid, refused->release());
    const auto failed = db.reserve({}, alice, slots(5));
    CHECK_SAYS(failed->release(), "not granted: ALLOCDB_E_MALFORMED");
    CHECK_STATUS(closed, allocdb::reservation().confirm());
}

/* ---- what an open is refused for ---- */

static allocdb::result<allocdb::database> open_with(const std::string &directory,
                                                    const allocdb::options &options = {})
{
    auto db = allocdb::database::open(directory, options);

    if (!db) {
        CHECK(!db->is_open());
        CHECK_STATUS(closed, db->create(seat));
    }
    return db;
}

static void an_open_names_what_is_wrong()
{
    const auto directory = check::new_directory();
    auto options = check::small_options();

    options.max_bundle_len = 1025;
    CHECK_SAYS(open_with(directory, options), "max_bundle_len is 1025, must be 1 to 1024");
    options.struct_size = 3;
    CHECK_STATUS(struct_size, open_with(directory, options));
    CHECK_STATUS(directory_not_found, open_with(directory + "/a/b"));
    CHECK_EQUAL(ENOENT, open_with(directory + "/a/b").error().os_errno());
    std::ofstream(directory + "/file") << "text";
    CHECK_STATUS(not_a_database, open_with(directory + "/file"));
    CHECK_STATUS(invalid, open_with(""));
    {
        const auto db = check::open(directory + "/db");
        const auto second = open_with(directory + "/db");
        CHECK_STATUS(locked, second);
        CHECK_EQUAL(static_cast<std::uint64_t>(getpid()), second.error().detail(0));
        CHECK_SAYS(second, std::to_string(getpid()).c_str());
    }
    options = check::small_options();
    options.max_ttl_slots = 999;
    CHECK_STATUS(config_mismatch, open_with(directory + "/db", options));
    CHECK_SAYS(open_with(directory + "/db", options), "max_ttl_slots");
    options = check::small_options();
    options.flags = ALLOCDB_OPEN_NEW;
    CHECK_STATUS(exists, open_with(directory + "/db", options));
    CHECK(open_with(std::filesystem::path(directory) / "db").has_value());
}

static void flip(const std::string &path, std::streamoff offset)
{
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);

    if (offset < 0)
        file.seekg(offset, std::ios::end);
    else
        file.seekg(offset);
    const auto where = file.tellg();
    const int byte = file.get();
    file.seekp(where);
    file.put(static_cast<char>(byte ^ 0x10));
}

static void damage_and_other_versions_are_told_apart()
{
    const auto directory = check::new_directory();
    const auto wal = directory + "/wal.adb";

    {
        const auto db = check::open(directory);
        for (std::uint64_t i = 1; i <= 20; i++)
            CHECK_CODE(done, db.create(allocdb::id(i)));
    }
    flip(wal, 4096 + 512 * 5 + 70);
    CHECK_STATUS(corrupt, open_with(directory));
    CHECK_SAYS(open_with(directory), "wal.adb");
    flip(wal, 4096 + 512 * 5 + 70);
    flip(wal, 8);
    flip(wal, 4095);
    CHECK_STATUS(version, open_with(directory));
    flip(wal, 8);
    flip(wal, 4095);
    CHECK(open_with(directory).has_value());
}

static void what_the_machine_does_not_give_is_told()
{
    const auto directory = check::new_directory();

    check::in_child([&] {
        const int lowest = dup(0);
        rlimit limit = {static_cast<rlim_t>(lowest), 1024};

        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        close(lowest);
        const auto db = open_with(directory);
        CHECK_STATUS(io, db);
        CHECK_EQUAL(EMFILE, db.error().os_errno());
        CHECK_SAYS(db, "errno 24");
    });
    if (IS_SANITIZED)
        return check::skip("a sanitizer needs all memory");
    check::in_child([&] {
        allocdb::options options;
        rlimit limit = {300u << 20, 300u << 20};

        options.max_resources = options.max_reservations = options.max_operations = 1 << 24;
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        CHECK_STATUS(no_memory, open_with(directory, options));
        CHECK_SAYS(open_with(directory, options), "memory");
    });
}

/* ---- what a disk does ---- */

static void a_full_disk_refuses_and_reads_go_on()
{
    check::in_child([] {
        auto options = check::small_options();
        rlimit limit = {4 << 20, 4 << 20};
        std::uint64_t slot = 1;

        std::signal(SIGXFSZ, SIG_IGN);
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        options.checkpoint_wal_bytes = 1 << 30;
        options.sync = ALLOCDB_SYNC_OS;
        const auto db = check::open(check::new_directory(), options);
        allocdb::result<allocdb::outcome> told;
        do
            told = db.create(seat, fresh, ++slot);
        while (told && slot < 100000);
        CHECK_STATUS(storage_full, told);
        CHECK_SAYS(told, "nothing was accepted");
        CHECK(told.error().is_definite());
        CHECK(db.get_resource(seat).has_value());
    });
}

static void a_failing_disk_is_indefinite_and_the_retry_tells()
{
    const auto directory = check::new_directory();
    const std::string wal = std::filesystem::canonical(directory).string() + "/wal.adb";
    auto db = check::open(directory);

    CHECK_CODE(done, db.create("a"_id));
    // The log's descriptor is replaced by one that cannot be written.
    const int unwritable = open("/dev/null", O_RDONLY);
    for (int fd = 3; fd < 256; fd++) {
        std::error_code none;
        const std::filesystem::path link = "/proc/self/fd/" + std::to_string(fd);
        if (std::filesystem::read_symlink(link, none) == wal)
            CHECK(dup2(unwritable, fd) == fd);
    }
    close(unwritable);
    const auto lost = db.create("b"_id, db.operation_new(1), 1);
    CHECK_STATUS(storage_failure, lost);
    CHECK_SAYS(lost, "wal.adb");
    CHECK(lost.error().is_indefinite());
    CHECK(!lost->ok());
    CHECK_EQUAL(EBADF, lost.error().os_errno());
    CHECK_STATUS(halted, db.create("c"_id));
    CHECK_STATUS(halted, db.get_resource("a"_id));
    CHECK_STATUS(halted, db.checkpoint());
    auto rows = db.list_resources();
    for (const auto &row : rows)
        CHECK(!row.resource_id);
    CHECK(!rows.ok());
    CHECK_STATUS(halted, rows.error());
    CHECK_EQUAL(ALLOCDB_HALT_STORAGE, db.health()->halt_reason);
    CHECK(db.log_text()->find("error: ") == 0);

    db = allocdb::database();
    db = check::open(directory);
    CHECK_CODE(done, db.create("b"_id, lost.error().operation(), 1));
}

static void the_log_callback_must_not_call()
{
    static const allocdb::database *called = nullptr;
    static int calls = 0;
    const auto db = check::open_small();
    auto options = check::small_options();

    called = &db;
    options.log_level = ALLOCDB_LOG_INFO;
    options.log_function = [](void *, std::uint32_t, const char *, std::size_t) {
        calls++;
        CHECK_STATUS(reentrant, called->create(seat));
        CHECK_SAYS(called->checkpoint(), "callback");
    };
    const auto loud = check::open(check::new_directory(), options);
    CHECK_CODE(done, loud.create(seat));
    CHECK(loud.checkpoint().has_value());
    CHECK(calls > 0);
}

#if ALLOCDB_HAS_EXCEPTIONS

/* ---- exceptions ---- */

template <class Thrown>
static bool throws(allocdb::status status)
{
    const allocdb::result<void> failed = allocdb::failure(status, "story");

    try {
        failed.value();
    } catch (const allocdb::error &caught) {
        CHECK_EQUAL(status, caught.status());
        CHECK_EQUAL(std::string(allocdb::name(status)) + ": story", std::string(caught.what()));
        CHECK_EQUAL(failed.error().is_indefinite(), caught.is_indefinite());
        return typeid(caught) == typeid(Thrown);
    }
    return false;
}

static void each_status_becomes_its_exception()
{
    using allocdb::status;

    CHECK(throws<allocdb::usage_error>(status::invalid));
    CHECK(throws<allocdb::closed_error>(status::closed));
    CHECK(throws<allocdb::forked_error>(status::forked));
    CHECK(throws<allocdb::rejected_error>(status::operation_conflict));
    CHECK(throws<allocdb::overloaded_error>(status::overloaded));
    CHECK(throws<allocdb::open_error>(status::io));
    CHECK(throws<allocdb::locked_error>(status::locked));
    CHECK(throws<allocdb::corrupt_error>(status::corrupt));
    CHECK(throws<allocdb::indefinite_error>(status::storage_failure));
    CHECK(throws<allocdb::indefinite_error>(status::halted));
    CHECK(throws<allocdb::indefinite_error>(status::panic));
    CHECK(throws<allocdb::read_error>(status::id_not_found));
    CHECK(throws<allocdb::fence_error>(status::fence_not_applied));
    CHECK(throws<allocdb::error>(static_cast<status>(-7)));
    CHECK(throws<allocdb::indefinite_error>(static_cast<status>(399)));
}

static void the_throwing_database_returns_values_or_throws()
{
    const auto directory = check::new_directory();
    allocdb::throwing::database db(directory, check::small_options());
    allocdb::operation lost;

    CHECK(db.create(seat).ok());
    const auto held = db.reserve(seat, alice, slots(5));
    CHECK_EQUAL(6u, held.extend(slots(6)).deadline_slot);
    CHECK(held.confirm().ok() && held.release().ok());
    try {
        db.reserve("x"_id, alice, slots(5)).outcome().raise_for_code();
        CHECK(false);
    } catch (const allocdb::result_error &caught) {
        CHECK_EQUAL(allocdb::result_code::resource_not_found, caught.code());
        CHECK(std::string(caught.what()).find("resource_not_found") != std::string::npos);
    }
    CHECK(db.reserve(seat, alice, slots(5)).granted());
    try {
        db.reserve(seat, alice, slots(5)).outcome().raise_for_code();
        CHECK(false);
    } catch (const allocdb::busy_error &caught) {
        lost = caught.outcome().operation;
    }
    CHECK(static_cast<bool>(lost));
    try {
        allocdb::throwing::database second(directory);
        CHECK(false);
    } catch (const allocdb::locked_error &caught) {
        CHECK_EQUAL(static_cast<std::uint64_t>(getpid()), caught.pid());
    }
    std::size_t count = 0;
    for (const auto &row : db.list_resources())
        count += row.resource_id == seat;
    CHECK_EQUAL(1u, count);
    auto batch = db.batch(1);
    batch.create("b"_id);
    db.submit(batch);
    CHECK(batch[0].ok());
    db.close();
    try {
        for (const auto &row : db.list_reservations())
            CHECK(!row.reservation_id);
        CHECK(false);
    } catch (const allocdb::closed_error &caught) {
        CHECK(std::string(caught.what()).find("ALLOCDB_E_CLOSED: ") == 0);
    }
}

static void every_throwing_call_throws_its_own_failure()
{
    allocdb::throwing::database db(check::new_directory(), check::small_options());
    auto batch = db.batch(1);
    allocdb::id ids[1];
    int thrown = 0;
    const auto expect = [&thrown](auto call) {
        try {
            call();
            CHECK(false);
        } catch (const allocdb::closed_error &) {
            thrown++;
        }
    };

    db.close();
    expect([&] { db.create(seat); });
    expect([&] { db.remove(seat); });
    expect([&] { db.reserve(seat, alice, slots(5)); });
    expect([&] { db.reserve_bundle({seat}, alice, slots(5)); });
    expect([&] { db.confirm(seat, alice); });
    expect([&] { db.extend(seat, alice, slots(5)); });
    expect([&] { db.release(seat, alice); });
    expect([&] { db.revoke(seat); });
    expect([&] { db.reclaim(seat); });
    expect([&] { db.adopt(seat, alice).confirm(); });
    expect([&] { db.submit(batch); });
    expect([&] { db.tick(); });
    expect([&] { db.get_resource(seat); });
    expect([&] { db.get_reservation(seat); });
    expect([&] { db.get_reservation(seat, ids); });
    expect([&] { db.get_operation(seat); });
    expect([&] { db.refresh(); });
    expect([&] { db.checkpoint(); });
    expect([&] { db.backup("nowhere"); });
    expect([&] { db.health(); });
    expect([&] { db.metrics_text(); });
    expect([&] { db.configuration(); });
    expect([&] { db.recovery_report(); });
    expect([&] { db.log_text(); });
    CHECK_EQUAL(24, thrown);
}

#endif

int main()
{
    static const check::test tests[] = {
        TEST(ids_are_never_zero),
        TEST(ttls_and_bundles_have_bounds),
        TEST(a_batch_has_bounds_and_is_refused_whole),
        TEST(slots_have_bounds),
        TEST(operations_have_limits_and_bounds),
        TEST(a_full_queue_is_told_at_once),
        TEST(reads_tell_absent_and_too_small),
        TEST(a_reservation_that_was_not_granted_is_no_use),
        TEST(an_open_names_what_is_wrong),
        TEST(damage_and_other_versions_are_told_apart),
        TEST(what_the_machine_does_not_give_is_told),
        TEST(a_full_disk_refuses_and_reads_go_on),
        TEST(a_failing_disk_is_indefinite_and_the_retry_tells),
        TEST(the_log_callback_must_not_call),
#if ALLOCDB_HAS_EXCEPTIONS
        TEST(each_status_becomes_its_exception),
        TEST(the_throwing_database_returns_values_or_throws),
        TEST(every_throwing_call_throws_its_own_failure),
#endif
    };

    return check::run_tests(tests);
}
