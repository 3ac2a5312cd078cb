/*
 * commands_test.cpp - allocdb.hpp in use: every command with every result code, batches, reads,
 * listings, upkeep. What is refused is in failures_test.cpp.
 */
#include "check.hpp"

#include <fcntl.h>

#include <set>

#if __cplusplus >= 202002L
#include <ranges>
#include <span>
static_assert(std::ranges::input_range<allocdb::resource_listing>);
static_assert(std::ranges::input_range<allocdb::reservation_listing>);
static_assert(std::is_convertible_v<std::span<allocdb::id>, allocdb::span<const allocdb::id>>);
#endif

using namespace allocdb::literals;
using namespace std::chrono_literals;
using allocdb::slots;

constexpr allocdb::id alice = "alice"_id;
constexpr allocdb::id bob = "bob"_id;
constexpr allocdb::id seat = "seat_21A"_id;
constexpr allocdb::operation fresh = {};

static void a_resource_is_created_and_removed()
{
    const auto db = check::open_small();

    CHECK_CODE(done, db.create(seat));
    CHECK_CODE(resource_exists, db.create(seat));
    CHECK_CODE(resource_not_found, db.remove("nothing"_id));
    const auto held = db.reserve(seat, alice, slots(5), fresh, 1);
    CHECK_CODE(done, held);
    CHECK_CODE(resource_busy, db.remove(seat));
    CHECK_CODE(done, held->release());
    CHECK_CODE(done, db.remove(seat));
    CHECK_STATUS(id_not_found, db.get_resource(seat));
}

static void tables_have_bounds()
{
    auto options = check::small_options();

    options.max_resources = 2;
    options.max_reservations = 1;
    const auto db = check::open(check::new_directory(), options);
    CHECK_CODE(done, db.create("a"_id));
    CHECK_CODE(done, db.create("b"_id));
    CHECK_CODE(resource_table_full, db.create("c"_id));
    CHECK_CODE(done, db.reserve("a"_id, alice, slots(5)));
    CHECK_CODE(reservation_table_full, db.reserve("b"_id, alice, slots(5)));

    options.max_resources = options.max_reservations = 8;
    options.max_expiration_bucket_len = 1;
    const auto narrow = check::open(check::new_directory(), options);
    CHECK_CODE(done, narrow.create("a"_id));
    CHECK_CODE(done, narrow.create("b"_id));
    CHECK_CODE(done, narrow.reserve("a"_id, alice, slots(5)));
    CHECK_CODE(expiration_index_full, narrow.reserve("b"_id, alice, slots(5)));
}

static void one_of_two_holders_gets_it()
{
    const auto db = check::open_small();

    CHECK_CODE(done, db.create(seat));
    CHECK_CODE(resource_not_found, db.reserve("nothing"_id, alice, slots(5)));
    const auto hers = db.reserve(seat, alice, slots(5), fresh, 10);
    const auto his = db.reserve(seat, bob, slots(5), fresh, 10);
    CHECK_CODE(done, hers);
    CHECK(hers->granted());
    CHECK_EQUAL(15u, hers->outcome().deadline_slot);
    CHECK_EQUAL(alice, hers->holder_id());
    CHECK_EQUAL(hers->reservation_id(), hers->token());
    CHECK_CODE(resource_busy, his);
    CHECK(!his->granted());
    CHECK(!his->token());
    CHECK_CODE(holder_mismatch, db.confirm(hers->reservation_id(), bob));
    CHECK_CODE(reservation_not_found, db.confirm("never"_id, alice));
    CHECK_CODE(done, hers->confirm());
    CHECK_CODE(invalid_state, hers->confirm());
    CHECK_CODE(invalid_state, hers->extend(slots(9)));
    CHECK_EQUAL(allocdb::resource_state::confirmed, db.get_resource(seat)->state);
    CHECK_CODE(done, hers->release());
    const auto again = db.reserve(seat, bob, slots(5));
    CHECK(again->granted());
    CHECK(hers->token() < again->token());
}

static void a_hold_is_extended_and_ends_in_time()
{
    const auto db = check::open_small();

    CHECK_CODE(done, db.create(seat));
    const auto held = db.reserve(seat, alice, slots(5), fresh, 10);
    const auto longer = held->extend(slots(20), fresh, 12);
    CHECK_CODE(done, longer);
    CHECK_EQUAL(32u, longer->deadline_slot);
    CHECK_EQUAL(32u, held->extend(slots(1), fresh, 13)->deadline_slot);
    CHECK_EQUAL(0u, db.tick(0, 31)->expired_count);
    const auto tick = db.tick(0, 32);
    CHECK_EQUAL(1u, tick->expired_count);
    CHECK_EQUAL(32u, tick->slot);
    CHECK_EQUAL(0u, tick->due_count);
    CHECK(tick->lsn > longer->lsn);
    CHECK_EQUAL(allocdb::reservation_state::expired,
                db.get_reservation(held->reservation_id())->state);
    CHECK_CODE(invalid_state, held->confirm());
    // The history window passes.
    CHECK_CODE(done, db.create("later"_id, fresh, 200));
    CHECK_CODE(reservation_retired, held->confirm());
    CHECK_STATUS(retired, db.get_reservation(held->reservation_id()));
}

static void an_operator_revokes_and_reclaims()
{
    const auto db = check::open_small();

    CHECK_CODE(done, db.create(seat));
    const auto held = db.reserve(seat, alice, slots(5));
    CHECK_CODE(invalid_state, db.revoke(held->reservation_id()));
    CHECK_CODE(done, held->confirm());
    CHECK_CODE(invalid_state, db.reclaim(held->reservation_id()));
    CHECK_CODE(done, db.revoke(held->reservation_id()));
    CHECK_EQUAL(allocdb::resource_state::revoking, db.get_resource(seat)->state);
    CHECK_CODE(resource_busy, db.reserve(seat, bob, slots(5)));
    CHECK_CODE(done, db.reclaim(held->reservation_id()));
    CHECK_CODE(done, db.reserve(seat, bob, slots(5)));
}

static void a_bundle_is_reserved_whole_or_not_at_all()
{
    const auto db = check::open_small();
    const std::vector<allocdb::id> row = {"a"_id, "b"_id, "c"_id};
    allocdb::id found[3];

    for (const auto &each : row)
        CHECK_CODE(done, db.create(each));
    const auto one = db.reserve("b"_id, bob, slots(5));
    const auto none = db.reserve_bundle(row, alice, slots(5));
    CHECK_CODE(resource_busy, none);
    CHECK_EQUAL(1u, none->outcome().failed_index);
    CHECK_EQUAL(allocdb::resource_state::available, db.get_resource("a"_id)->state);
    CHECK_CODE(done, one->release());
    const auto all = db.reserve_bundle({"a"_id, "b"_id, "c"_id}, alice, slots(5));
    CHECK_CODE(done, all);
    CHECK_EQUAL(ALLOCDB_NO_INDEX, all->outcome().failed_index);
    const auto info = db.get_reservation(all->reservation_id(), found);
    CHECK_EQUAL(3u, info->resource_count);
    CHECK_EQUAL(3u, info->resources.size());
    CHECK_EQUAL("c"_id, info->resources[2]);
    CHECK_EQUAL("a"_id, info->first_resource_id);
    CHECK_EQUAL(all->outcome().lsn, info->created_lsn);
    CHECK(db.get_reservation(all->reservation_id())->resources.empty());
    CHECK_CODE(done, all->release());
}

static void a_batch_is_one_commit_with_an_outcome_each()
{
    const auto db = check::open_small();
    auto batch = db.batch(4);

    CHECK(batch.empty());
    CHECK_EQUAL(0u, batch.create("a"_id));
    CHECK_EQUAL(1u, batch.create("b"_id));
    CHECK_EQUAL(2u, batch.create("a"_id));
    CHECK_EQUAL(3u, batch.reserve_bundle({"a"_id, "b"_id}, alice, slots(9)));
    // Beyond its capacity it grows; and the bundles' ids stay with their commands.
    CHECK_EQUAL(4u, batch.create("c"_id));
    CHECK_EQUAL(5u, batch.reserve_bundle({"c"_id}, bob, slots(9)));
    CHECK_EQUAL(6u, batch.reserve("a"_id, bob, slots(9)));
    CHECK(!batch.operation_at(0));
    CHECK(db.submit(batch, 7).has_value());
    CHECK_EQUAL(7u, batch.size());
    CHECK(batch[0].ok() && batch[1].ok() && batch[3].ok() && batch[4].ok() && batch[5].ok());
    CHECK_EQUAL(allocdb::result_code::resource_exists, batch[2].code);
    CHECK_EQUAL(allocdb::result_code::resource_busy, batch[6].code);
    CHECK_EQUAL(16u, batch[3].deadline_slot);
    CHECK_EQUAL(batch[0].lsn + 6, batch[6].lsn);
    CHECK_EQUAL(1u, db.health()->commit_count);
    // Submitted again it is a retry, and gets the first answers.
    const auto first = batch[3];
    CHECK(db.submit(batch).has_value());
    CHECK(batch[3].from_retry_cache);
    CHECK_EQUAL(first.reservation_id, batch[3].reservation_id);
    CHECK_EQUAL(first.operation.id, batch[3].operation.id);
    CHECK_EQUAL(1u, db.health()->commit_count);

    const allocdb::id held = batch[3].reservation_id;
    batch.clear();
    CHECK_EQUAL(0u, batch.extend(held, alice, slots(20)));
    batch.confirm(held, alice);
    batch.revoke(held);
    batch.reclaim(held);
    batch.release(held, alice);
    batch.remove("a"_id);
    CHECK(db.submit(batch).has_value());
    for (std::size_t i = 0; i < 4; i++)
        CHECK(batch[i].ok());
    CHECK_EQUAL(allocdb::result_code::invalid_state, batch[4].code);
    CHECK(batch[5].ok());
    batch.clear();
    CHECK(db.submit(batch).has_value());
}

static void one_conflict_in_a_batch_is_that_command_s_alone()
{
    const auto db = check::open_small();
    const auto op = db.operation_new();
    auto batch = db.batch(2);

    CHECK_CODE(done, db.create("a"_id, op));
    batch.create("b"_id, op);
    batch.create("c"_id);
    CHECK(db.submit(batch).has_value());
    CHECK_EQUAL(allocdb::status::operation_conflict, batch[0].status);
    CHECK(!batch[0].ok());
    CHECK(batch[1].ok());
}

static void a_retry_gets_the_first_answer()
{
    const auto db = check::open_small();
    const auto op = db.operation_new(10);

    CHECK(static_cast<bool>(op));
    CHECK_EQUAL(110u, op.valid_until_slot);
    CHECK_CODE(done, db.create(seat));
    const auto first = db.reserve(seat, alice, slots(5), op, 10);
    const auto second = db.reserve(seat, alice, slots(5), op, 11);
    CHECK(!first->outcome().from_retry_cache);
    CHECK(second->outcome().from_retry_cache);
    CHECK_EQUAL(first->token(), second->token());
    CHECK_EQUAL(first->outcome().lsn, second->outcome().lsn);
    CHECK_EQUAL(first->outcome().lsn, db.get_operation(op.id)->lsn);
    CHECK_STATUS(id_not_found, db.get_operation("never"_id));
    // An operation that was made is shown, and repeats as well.
    const auto made = db.create("b"_id);
    CHECK(static_cast<bool>(made->operation));
    CHECK(db.create("b"_id, made->operation)->from_retry_cache);
    CHECK_CODE(done, db.adopt(first->reservation_id(), alice).confirm());
}

static void operations_are_made_for_every_clock()
{
    auto options = check::small_options();
    const auto host = check::open_small();

    // A host's last slot is not known beforehand: no limit, unless the slot is given.
    CHECK_EQUAL(0u, host.create("a"_id)->operation.valid_until_slot);
    CHECK_EQUAL(150u, host.create("b"_id, fresh, 50)->operation.valid_until_slot);
    options.clock = ALLOCDB_CLOCK_SYSTEM;
    const auto system = check::open(check::new_directory(), options);
    const auto before = system.slot();
    const auto limit = system.create("a"_id)->operation.valid_until_slot;
    CHECK(limit >= before + 100 && limit <= system.slot() + 100);
    CHECK(system.create("a"_id)->operation.id != system.create("a"_id)->operation.id);
}

static void durations_become_slots_that_are_never_too_few()
{
    const auto db = check::open_small();

    CHECK_EQUAL(100, db.slot_duration().count());
    CHECK_CODE(done, db.create(seat));
    const auto held = db.reserve(seat, alice, 1s, fresh, 10);
    CHECK_EQUAL(21u, held->outcome().deadline_slot);
    CHECK_EQUAL(10u + 18, held->extend(1650ms, fresh, 10)->deadline_slot);
    CHECK_EQUAL(12u, db.to_slots(1001ms));
}

static void listings_show_every_row_once()
{
    auto options = check::small_options();

    options.max_resources = options.max_reservations = 1000;
    const auto db = check::open(check::new_directory(), options);
    for (std::uint64_t i = 1; i <= 300; i++)
        CHECK_CODE(done, db.create(allocdb::id(i)));
    for (std::uint64_t i = 1; i <= 150; i++)
        CHECK_CODE(done, db.reserve(allocdb::id(i), i % 3 == 0 ? alice : bob, slots(50)));
    std::set<allocdb::id> seen;
    auto rows = db.list_resources();
    for (const allocdb::resource_info &row : rows)
        CHECK(seen.insert(row.resource_id).second);
    CHECK(rows.ok());
    CHECK_EQUAL(300u, seen.size());
    std::size_t count = 0;
    for (const auto &row : rows) // again, from the beginning
        count += row.state == allocdb::resource_state::reserved;
    CHECK_EQUAL(150u, count);
    count = 0;
    for (const auto &row :
         db.list_resources(allocdb::filter().in(allocdb::resource_state::reserved).of(alice))) {
        CHECK_EQUAL(alice, row.holder_id);
        CHECK(static_cast<bool>(row.reservation_id));
        count++;
    }
    CHECK_EQUAL(50u, count);
    count = 0;
    for (const allocdb::reservation_info &row : db.list_reservations()) {
        CHECK_EQUAL(1u, row.resource_count);
        count++;
    }
    CHECK_EQUAL(150u, count);
    for (const auto &row :
         db.list_reservations(allocdb::filter().in(allocdb::reservation_state::confirmed)))
        CHECK(!row.reservation_id);
    const auto empty = check::open_small();
    for (const auto &row : empty.list_resources())
        CHECK(!row.resource_id);
}

static void reads_are_fenced_by_log_positions()
{
    const auto db = check::open_small();
    const auto made = db.create(seat);

    CHECK_EQUAL(0u, db.get_resource(seat, made->lsn)->version);
    const auto early = db.get_resource(seat, made->lsn + 1);
    CHECK_STATUS(fence_not_applied, early);
    CHECK_SAYS(early, "required_lsn is 2");
    CHECK_EQUAL(2u, early.error().detail(0));
    CHECK_EQUAL(1u, early.error().detail(1));
    CHECK_EQUAL(0u, early.error().detail(99));
    CHECK_STATUS(fence_not_applied, db.get_reservation("x"_id, 9));
    CHECK_STATUS(fence_not_applied, db.get_operation("x"_id, 9));
}

static void figures_configuration_and_recovery_are_shown()
{
    const auto directory = check::new_directory();

    {
        const auto db = check::open(directory);
        CHECK_CODE(done, db.create(seat));
        CHECK_CODE(resource_exists, db.create(seat));
        CHECK_EQUAL(ALLOCDB_START_FRESH, db.recovery_report()->start_kind);
        const auto health = db.health(5);
        CHECK_EQUAL(1u, health->is_accepting_writes);
        CHECK_EQUAL(2u, health->last_lsn);
        CHECK_EQUAL(2u, health->command_counts[ALLOCDB_COMMAND_CREATE_RESOURCE]);
        CHECK_EQUAL(1u, health->result_counts[ALLOCDB_RESOURCE_EXISTS]);
        CHECK(db.checkpoint().has_value());
        CHECK_EQUAL(1u, db.health()->checkpoint_count);
    }
    const auto db = check::open(directory, allocdb::options());
    CHECK_EQUAL(ALLOCDB_START_SNAPSHOT_ONLY, db.recovery_report()->start_kind);
    CHECK_EQUAL(2u, db.recovery_report()->last_lsn);
    const auto options = db.configuration();
    CHECK_EQUAL(64u, options->max_resources);
    CHECK_EQUAL(ALLOCDB_CLOCK_SYSTEM, options->clock);
    CHECK_EQUAL(8192u, options->max_queue);
    CHECK(*allocdb::memory_bound(*options) > 1000000u);
    CHECK_EQUAL(std::string_view(allocdb_version_string()), std::string_view(allocdb::version()));
}

static void log_lines_are_read_from_the_ring()
{
    auto options = check::small_options();
    char buffer[ALLOCDB_LOG_TEXT_MIN];

    options.log_level = ALLOCDB_LOG_INFO;
    const auto db = check::open(check::new_directory(), options);
    CHECK_CODE(done, db.create(seat));
    CHECK(db.checkpoint().has_value());
    const auto lines = db.log_read(buffer);
    CHECK(lines.has_value());
    CHECK(lines->text.find("info: ") == 0 && lines->text.back() == '\n');
    CHECK_EQUAL(0u, lines->dropped);
    CHECK(db.checkpoint().has_value());
    const auto text = db.log_text();
    CHECK(text.has_value());
    CHECK_EQUAL(std::string(), *db.log_text());
}

static void metrics_are_text()
{
    const auto db = check::open_small();
    char buffer[65536];

    CHECK_CODE(done, db.create(seat));
    const auto text = db.metrics_text();
    CHECK(text.has_value());
    CHECK(text->find("\nallocdb_") != std::string::npos && text->back() == '\n');
    const auto view = db.metrics_text(buffer);
    CHECK(view.has_value());
    CHECK_EQUAL(text->size(), view->size());
    const auto small = db.metrics_text(allocdb::span<char>(buffer, 10));
    CHECK_STATUS(buffer_too_small, small);
    CHECK(small.error().detail(2) > 100);
}

static void a_backup_opens_as_a_database_of_its_own()
{
    const auto directory = check::new_directory() + "/copy";
    const auto db = check::open_small();

    CHECK_CODE(done, db.create(seat));
    const auto held = db.reserve(seat, alice, slots(5));
    CHECK_STATUS(ok, db.backup(directory));
    CHECK_STATUS(exists, db.backup(directory));
    const auto copy = check::open(directory);
    CHECK_EQUAL(alice, copy.get_resource(seat)->holder_id);
    CHECK(copy.configuration()->database_id.lo != db.configuration()->database_id.lo);
    CHECK_CODE(done, copy.adopt(held->reservation_id(), alice).release());
    CHECK(copy.reserve(seat, bob, slots(5))->token() > held->token());
}

static void a_reader_catches_up_with_the_writer()
{
    const auto directory = check::new_directory();
    const auto db = check::open(directory);
    allocdb::options reading;

    CHECK_CODE(done, db.create(seat));
    CHECK_EQUAL(1u, *db.refresh());
    reading.flags = ALLOCDB_OPEN_READ_ONLY;
    const auto reader = check::open(directory, reading);
    CHECK_EQUAL(allocdb::resource_state::available, reader.get_resource(seat)->state);
    const auto held = db.reserve(seat, alice, slots(5));
    CHECK_STATUS(fence_not_applied, reader.get_resource(seat, held->outcome().lsn));
    CHECK_EQUAL(held->outcome().lsn, *reader.refresh());
    CHECK_EQUAL(alice, reader.get_resource(seat, held->outcome().lsn)->holder_id);
    CHECK_STATUS(read_only, reader.create("b"_id));
    CHECK_STATUS(read_only, reader.checkpoint());
    CHECK_STATUS(read_only, reader.tick());
    CHECK_EQUAL(1u, reader.health()->is_accepting_writes);
    CHECK_STATUS(ok, reader.backup(check::new_directory() + "/copy"));
}

int main()
{
    static const check::test tests[] = {
        TEST(a_resource_is_created_and_removed),
        TEST(tables_have_bounds),
        TEST(one_of_two_holders_gets_it),
        TEST(a_hold_is_extended_and_ends_in_time),
        TEST(an_operator_revokes_and_reclaims),
        TEST(a_bundle_is_reserved_whole_or_not_at_all),
        TEST(a_batch_is_one_commit_with_an_outcome_each),
        TEST(one_conflict_in_a_batch_is_that_command_s_alone),
        TEST(a_retry_gets_the_first_answer),
        TEST(operations_are_made_for_every_clock),
        TEST(durations_become_slots_that_are_never_too_few),
        TEST(listings_show_every_row_once),
        TEST(reads_are_fenced_by_log_positions),
        TEST(figures_configuration_and_recovery_are_shown),
        TEST(log_lines_are_read_from_the_ring),
        TEST(metrics_are_text),
        TEST(a_backup_opens_as_a_database_of_its_own),
        TEST(a_reader_catches_up_with_the_writer),
    };

    return check::run_tests(tests);
}
