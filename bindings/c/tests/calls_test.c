/*
 * calls_test.c - every function doing what it is for.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

static void versions_and_names_are_told(void)
{
    CHECK_EQUAL(ALLOCDB_VERSION_NUMBER, allocdb_version_number());
    CHECK(strcmp(allocdb_version_string(), "0.3.0") == 0);
    CHECK(strcmp(allocdb_status_name(ALLOCDB_E_OVERLOADED), "ALLOCDB_E_OVERLOADED") == 0);
    CHECK(strcmp(allocdb_status_name(ALLOCDB_OK), "ALLOCDB_OK") == 0);
    CHECK(strcmp(allocdb_status_name(99999), "ALLOCDB_UNKNOWN") == 0);
    CHECK(strcmp(allocdb_status_name(-1), "ALLOCDB_UNKNOWN") == 0);
    CHECK(strlen(allocdb_status_message(ALLOCDB_E_CORRUPT)) > 10);
    CHECK(strlen(allocdb_status_message(12345)) > 10);
    CHECK(strcmp(allocdb_result_name(ALLOCDB_RESOURCE_BUSY), "resource_busy") == 0);
    CHECK(strcmp(allocdb_result_name(4242), "unknown") == 0);
    CHECK_EQUAL(ALLOCDB_CATEGORY_OK, allocdb_status_category(ALLOCDB_OK));
    CHECK_EQUAL(ALLOCDB_CATEGORY_MISUSE, allocdb_status_category(ALLOCDB_E_OVERLAP));
    CHECK_EQUAL(ALLOCDB_CATEGORY_DEFINITE, allocdb_status_category(ALLOCDB_E_READ_ONLY));
    CHECK_EQUAL(ALLOCDB_CATEGORY_OPEN, allocdb_status_category(ALLOCDB_E_LOCKED));
    CHECK_EQUAL(ALLOCDB_CATEGORY_INDEFINITE, allocdb_status_category(ALLOCDB_E_PANIC));
    CHECK_EQUAL(ALLOCDB_CATEGORY_READ, allocdb_status_category(ALLOCDB_RETIRED));
    CHECK_EQUAL(ALLOCDB_CATEGORY_DEFINITE, allocdb_status_category(199));
    CHECK_EQUAL(ALLOCDB_CATEGORY_UNKNOWN, allocdb_status_category(-5));
    CHECK_EQUAL(ALLOCDB_CATEGORY_UNKNOWN, allocdb_status_category(500));
}

static void ids_are_uuids_to_look_at(void)
{
    uint8_t bytes[17];
    allocdb_id id = {0x8899AABBCCDDEEFFu, 0x0011223344556677u};

    memset(bytes, 0x5A, sizeof bytes);
    allocdb_id_to_bytes(id, bytes + 1);
    CHECK(bytes[0] == 0x5A && bytes[1] == 0x00 && bytes[2] == 0x11 && bytes[16] == 0xFF);
    allocdb_id back = allocdb_id_from_bytes(bytes + 1);
    CHECK(back.lo == id.lo && back.hi == id.hi);
    CHECK_ZERO((allocdb_id[1]){allocdb_id_from_bytes(NULL)});
    allocdb_id_to_bytes(id, NULL);

    allocdb_id one = allocdb_id_random(), two = allocdb_id_random();
    CHECK(one.lo != two.lo && one.hi != two.hi);
    CHECK_EQUAL(4, one.hi >> 12 & 0xF);
    CHECK_EQUAL(2, one.lo >> 62);
}

static void a_seat_is_reserved_confirmed_and_released(void)
{
    allocdb *db = open_small();
    allocdb_outcome outcome;
    allocdb_error error;
    allocdb_resource seat;
    allocdb_reservation reservation;
    allocdb_id ids[8], id;
    size_t count = 99;

    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 10, next_operation(), id_of(1), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    CHECK_EQUAL(1, outcome.lsn);
    CHECK_EQUAL(ALLOCDB_NO_INDEX, outcome.failed_index);
    CHECK_ZERO(error);
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, 11, next_operation(), id_of(1), id_of(7), 5,
                                             &outcome, &error));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    CHECK_EQUAL(16, outcome.deadline_slot);
    CHECK_EQUAL(2, outcome.reservation_id.lo);
    CHECK_EQUAL(0, outcome.from_retry_cache);
    id = outcome.reservation_id;
    /* The loser's answer is as definite as the winner's. */
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, 11, next_operation(), id_of(1), id_of(8), 5,
                                             &outcome, &error));
    CHECK_EQUAL(ALLOCDB_RESOURCE_BUSY, outcome.code);
    CHECK_EQUAL(0, outcome.failed_index);

    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, outcome.lsn, id_of(1), &seat, &error));
    CHECK_EQUAL(ALLOCDB_RESOURCE_STATE_RESERVED, seat.state);
    CHECK_EQUAL(7, seat.holder_id.lo);
    CHECK_EQUAL(id.lo, seat.reservation_id.lo);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_extend(db, 12, next_operation(), id, id_of(7), 20, &outcome, &error));
    CHECK_EQUAL(32, outcome.deadline_slot);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_confirm(db, 13, next_operation(), id, id_of(8), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_HOLDER_MISMATCH, outcome.code);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_confirm(db, 13, next_operation(), id, id_of(7), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_get_reservation(db, 0, id, &reservation, ids, 8, &count, &error));
    CHECK_EQUAL(ALLOCDB_RESERVATION_STATE_CONFIRMED, reservation.state);
    CHECK_EQUAL(1, count);
    CHECK_EQUAL(1, ids[0].lo);
    CHECK_EQUAL(1, reservation.first_resource_id.lo);
    CHECK_EQUAL(2, reservation.created_lsn);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_release(db, 14, next_operation(), id, id_of(7), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_get_reservation(db, 0, id, &reservation, NULL, 0, NULL, &error));
    CHECK_EQUAL(ALLOCDB_RESERVATION_STATE_RELEASED, reservation.state);
    CHECK_EQUAL(outcome.lsn, reservation.ended_lsn);
    CHECK(reservation.retire_after_slot > 14);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_delete_resource(db, 15, next_operation(), id_of(1), &outcome, NULL));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, allocdb_get_resource(db, 0, id_of(1), &seat, NULL));
    CHECK_ZERO(seat);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    CHECK(db == NULL);
}

static void a_bundle_is_taken_whole_or_not_at_all(void)
{
    allocdb *db = open_small();
    allocdb_outcome outcome;
    allocdb_reservation reservation;
    allocdb_id wanted[3] = {{3, 0}, {1, 0}, {2, 0}}, ids[3], few[2];
    size_t count;

    for (uint64_t i = 1; i <= 3; i++)
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_create_resource(db, 1, next_operation(), id_of(i), &outcome, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve_bundle(db, 1, next_operation(), wanted, 3, id_of(9),
                                                    10, &outcome, NULL));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    allocdb_id id = outcome.reservation_id;
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_get_reservation(db, 0, id, &reservation, ids, 3, &count, NULL));
    CHECK_EQUAL(3, count);
    CHECK(ids[0].lo == 3 && ids[1].lo == 1 && ids[2].lo == 2);
    CHECK_STATUS(ALLOCDB_E_BUFFER_TOO_SMALL,
                 allocdb_get_reservation(db, 0, id, &reservation, few, 2, &count, NULL));
    CHECK_EQUAL(3, count);
    CHECK_ZERO(few);
    CHECK_ZERO(reservation);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_release(db, 2, next_operation(), id, id_of(9), &outcome, NULL));
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_reserve(db, 2, next_operation(), id_of(2), id_of(9), 10, &outcome, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve_bundle(db, 2, next_operation(), wanted, 3, id_of(9),
                                                    10, &outcome, NULL));
    CHECK_EQUAL(ALLOCDB_RESOURCE_BUSY, outcome.code);
    CHECK_EQUAL(2, outcome.failed_index);
    allocdb_close(&db);
}

static void an_operator_revokes_and_reclaims(void)
{
    allocdb *db = open_small();
    allocdb_outcome outcome;
    allocdb_resource seat;

    (void)!allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, NULL);
    (void)!allocdb_reserve(db, 1, next_operation(), id_of(1), id_of(9), 10, &outcome, NULL);
    allocdb_id id = outcome.reservation_id;
    CHECK_STATUS(ALLOCDB_OK, allocdb_revoke(db, 1, next_operation(), id, &outcome, NULL));
    CHECK_EQUAL(ALLOCDB_INVALID_STATE, outcome.code);
    (void)!allocdb_confirm(db, 1, next_operation(), id, id_of(9), &outcome, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_revoke(db, 1, next_operation(), id, &outcome, NULL));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(1), &seat, NULL));
    CHECK_EQUAL(ALLOCDB_RESOURCE_STATE_REVOKING, seat.state);
    CHECK_STATUS(ALLOCDB_OK, allocdb_reclaim(db, 1, next_operation(), id, &outcome, NULL));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(1), &seat, NULL));
    CHECK_EQUAL(ALLOCDB_RESOURCE_STATE_AVAILABLE, seat.state);
    CHECK_ZERO(seat.holder_id);
    CHECK_EQUAL(4, seat.version);
    allocdb_close(&db);
}

static void a_retry_gets_the_first_answer(void)
{
    allocdb *db = open_small();
    allocdb_outcome first, again, asked;
    allocdb_operation operation = allocdb_operation_new(db);
    allocdb_operation other = allocdb_operation_new(db);

    CHECK_EQUAL(100, operation.valid_until_slot);
    CHECK(operation.id.lo != other.id.lo);
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 1, operation, id_of(1), &first, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 5, operation, id_of(1), &again, NULL));
    CHECK_EQUAL(1, again.from_retry_cache);
    CHECK_EQUAL(first.lsn, again.lsn);
    CHECK_EQUAL(ALLOCDB_DONE, again.code);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_operation(db, first.lsn, operation.id, &asked, NULL));
    CHECK_EQUAL(first.lsn, asked.lsn);
    CHECK_EQUAL(1, asked.from_retry_cache);
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, allocdb_get_operation(db, 0, other.id, &asked, NULL));
    allocdb_close(&db);
}

static void a_batch_is_one_commit_with_an_outcome_each(void)
{
    allocdb *db = open_small();
    allocdb_command commands[4];
    allocdb_outcome outcomes[4];
    allocdb_id pair[2] = {{1, 0}, {2, 0}};
    allocdb_health health = {.struct_size = sizeof health};
    allocdb_error error;

    memset(commands, 0, sizeof commands);
    for (int i = 0; i < 2; i++) {
        commands[i].kind = ALLOCDB_COMMAND_CREATE_RESOURCE;
        commands[i].operation_id = next_operation().id;
        commands[i].target_id = id_of((uint64_t)i + 1);
    }
    commands[2].kind = ALLOCDB_COMMAND_RESERVE;
    commands[2].operation_id = next_operation().id;
    commands[2].ids = pair;
    commands[2].id_count = 2;
    commands[2].holder_id = id_of(5);
    commands[2].ttl_slots = 3;
    /* The same operation as the first, another command: state rejects this one alone. */
    commands[3] = commands[0];
    commands[3].target_id = id_of(3);
    CHECK_STATUS(ALLOCDB_OK, allocdb_submit(db, 1, commands, 4, outcomes, &error));
    CHECK_EQUAL(1, outcomes[0].lsn);
    CHECK_EQUAL(3, outcomes[2].lsn);
    CHECK_EQUAL(ALLOCDB_DONE, outcomes[2].code);
    CHECK_STATUS(ALLOCDB_E_OPERATION_CONFLICT, outcomes[3].status);
    CHECK_EQUAL(0, outcomes[3].lsn);
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 4, &health, NULL));
    CHECK_EQUAL(1, health.commit_count);
    CHECK_EQUAL(3, health.record_count);
    CHECK_EQUAL(3, health.records_per_commit_max);
    CHECK_EQUAL(2, health.resources.used_count);
    CHECK_EQUAL(64, health.resources.capacity);
    CHECK_EQUAL(2, health.command_counts[ALLOCDB_COMMAND_CREATE_RESOURCE]);
    CHECK_EQUAL(3, health.result_counts[ALLOCDB_DONE]);
    CHECK_EQUAL(3, health.logical_slot_lag);
    CHECK_EQUAL(1, health.is_accepting_writes);
    CHECK_EQUAL(ALLOCDB_START_FRESH, health.start_kind);
    CHECK_STATUS(ALLOCDB_OK, allocdb_submit(db, 1, NULL, 0, NULL, &error));
    allocdb_close(&db);
}

static void time_frees_only_what_tick_or_traffic_expires(void)
{
    allocdb *db = open_small();
    allocdb_outcome outcome;
    allocdb_tick_result tick;

    for (uint64_t i = 1; i <= 3; i++) {
        (void)!allocdb_create_resource(db, 1, next_operation(), id_of(i), &outcome, NULL);
        (void)!allocdb_reserve(db, 1, next_operation(), id_of(i), id_of(9), 4, &outcome, NULL);
    }
    CHECK_STATUS(ALLOCDB_OK, allocdb_tick(db, 4, 0, &tick, NULL));
    CHECK_EQUAL(0, tick.expired_count);
    CHECK_EQUAL(0, tick.lsn);
    CHECK_STATUS(ALLOCDB_OK, allocdb_tick(db, 5, 2, &tick, NULL));
    CHECK_EQUAL(2, tick.expired_count);
    CHECK_EQUAL(1, tick.due_count);
    CHECK_EQUAL(5, tick.slot);
    CHECK_EQUAL(7, tick.lsn);
    /* A commit expires the rest by itself. */
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_reserve(db, 5, next_operation(), id_of(3), id_of(8), 4, &outcome, NULL));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    allocdb_close(&db);
}

static void listings_show_each_row_once(void)
{
    allocdb *db = open_small();
    allocdb_outcome outcome;
    allocdb_resource rows[4];
    allocdb_reservation held[8];
    allocdb_filter filter = {.states = 1u << ALLOCDB_RESOURCE_STATE_RESERVED};
    uint64_t cursor = 0, seen = 0;
    size_t count, total = 0;

    for (uint64_t i = 1; i <= 10; i++) {
        (void)!allocdb_create_resource(db, 1, next_operation(), id_of(i), &outcome, NULL);
        if (i > 7)
            (void)!allocdb_reserve(db, 1, next_operation(), id_of(i), id_of(i % 2 + 1), 4, &outcome,
                                   NULL);
    }
    do {
        CHECK_STATUS(ALLOCDB_OK, allocdb_list_resources(db, NULL, &cursor, rows, 4, &count, NULL));
        for (size_t i = 0; i < count; i++)
            seen |= 1u << rows[i].resource_id.lo;
        total += count;
    } while (cursor != 0);
    CHECK_EQUAL(10, total);
    CHECK_EQUAL(0x7FE, seen);
    total = 0;
    do {
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_list_resources(db, &filter, &cursor, rows, 4, &count, NULL));
        total += count;
    } while (cursor != 0);
    CHECK_EQUAL(3, total);
    filter.states = 0;
    filter.holder_id = id_of(2);
    total = 0;
    do {
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_list_reservations(db, &filter, &cursor, held, 8, &count, NULL));
        total += count;
    } while (cursor != 0);
    CHECK_EQUAL(1, total);
    CHECK_EQUAL(2, held[0].holder_id.lo);
    allocdb_close(&db);
}

static void a_checkpoint_and_a_reopening_keep_everything(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options(), effective = {.struct_size = sizeof effective};
    allocdb *db = open_database(directory, &options);
    allocdb_recovery_report report = {.struct_size = sizeof report};
    allocdb_health health = {.struct_size = sizeof health};
    allocdb_outcome outcome;
    allocdb_resource seat;

    (void)!allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(db, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(db, NULL));
    (void)!allocdb_create_resource(db, 2, next_operation(), id_of(2), &outcome, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 2, &health, NULL));
    CHECK_EQUAL(1, health.snapshot_lsn);
    CHECK_EQUAL(1, health.checkpoint_count);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));

    db = open_database(directory, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_recovery_report_get(db, &report, NULL));
    CHECK_EQUAL(sizeof report, report.struct_size);
    CHECK_EQUAL(ALLOCDB_START_SNAPSHOT_AND_WAL, report.start_kind);
    CHECK_EQUAL(1, report.snapshot_lsn);
    CHECK_EQUAL(1, report.records_replayed);
    CHECK_EQUAL(2, report.last_lsn);
    CHECK_EQUAL(2, report.last_slot);
    CHECK_EQUAL(0, report.torn_bytes);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 2, id_of(1), &seat, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 2, id_of(2), &seat, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_configuration(db, &effective, NULL));
    CHECK_EQUAL(64, effective.max_resources);
    CHECK_EQUAL(1000, effective.max_ttl_slots);
    CHECK_EQUAL(64, effective.max_expiration_bucket_len);
    CHECK(effective.hash_seed != 0 && effective.database_id.lo != 0);
    CHECK_EQUAL(ALLOCDB_CLOCK_SYSTEM, effective.clock);
    CHECK_EQUAL(8192, effective.max_queue);
    CHECK_EQUAL(sizeof effective, effective.struct_size);
    allocdb_close(&db);
}

static void slots_are_those_of_the_system_clock(void)
{
    allocdb *db = open_database(new_directory(), NULL);
    allocdb_outcome outcome;
    allocdb_operation operation = allocdb_operation_new(db);
    uint64_t now = allocdb_slot_now(db);

    CHECK(now > UINT64_C(17000000000));
    CHECK(operation.valid_until_slot >= now + 299 && operation.valid_until_slot <= now + 301);
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, ALLOCDB_SLOT_NOW, operation, id_of(1),
                                                     &outcome, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, ALLOCDB_SLOT_NOW, allocdb_operation_new(db),
                                             id_of(1), id_of(2), 600, &outcome, NULL));
    CHECK(outcome.deadline_slot >= now + 600 && outcome.deadline_slot <= now + 610);
    CHECK_EQUAL(0, allocdb_slot_now(NULL));
    allocdb_close(&db);
}

static void the_memory_is_known_beforehand(void)
{
    allocdb_options options;
    uint64_t small = 0, large = 0;

    CHECK_STATUS(ALLOCDB_OK, allocdb_memory_bound(NULL, &large, NULL));
    options = small_options();
    CHECK_STATUS(ALLOCDB_OK, allocdb_memory_bound(&options, &small, NULL));
    CHECK(small > 1000000 && small < large);
    CHECK(large > 50000000 && large < 1000000000);
}

/* ---- bytes ---- */

static void put(uint8_t **at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*at)++ = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static size_t create_message(uint8_t *message, uint64_t tag, uint64_t operation, uint64_t resource)
{
    uint8_t *at = message;

    put(&at, 64, 4);
    put(&at, 1, 1);
    put(&at, ALLOCDB_COMMAND_CREATE_RESOURCE, 1);
    put(&at, 0, 2);
    put(&at, tag, 8);
    put(&at, 1, 8);
    put(&at, operation, 8);
    put(&at, 1, 8);
    put(&at, 0, 8);
    put(&at, resource, 8);
    put(&at, 0, 8);
    return (size_t)(at - message);
}

static void bytes_are_answered_with_bytes(void)
{
    allocdb *db = open_small();
    uint8_t request[128], response[256];
    size_t bound = 0, len = 0;
    allocdb_error error;

    CHECK_EQUAL(64, create_message(request, 0xABCD, 1, 1));
    CHECK_EQUAL(64, create_message(request + 64, 0xABCE, 2, 1));
    CHECK_STATUS(ALLOCDB_OK, allocdb_response_bound(db, request, 128, &bound, &error));
    CHECK_EQUAL(144, bound);
    /* A byte too few: nothing is carried out, and the need is told. */
    CHECK_STATUS(ALLOCDB_E_BUFFER_TOO_SMALL,
                 allocdb_call(db, request, 128, response, bound - 1, &len, &error));
    CHECK_EQUAL(144, len);
    CHECK_EQUAL(143, error.detail[1]);
    CHECK_EQUAL(144, error.detail[2]);
    CHECK_STATUS(ALLOCDB_OK, allocdb_call(db, request, 128, response, bound, &len, &error));
    CHECK_EQUAL(144, len);
    CHECK_EQUAL(0x81, response[5]);
    CHECK_EQUAL(0xABCD, get(response + 8, 8));
    CHECK_EQUAL(ALLOCDB_OK, get(response + 16, 4));
    CHECK_EQUAL(1, get(response + 24, 8));
    CHECK_EQUAL(0xABCE, get(response + 72 + 8, 8));
    CHECK_EQUAL(ALLOCDB_RESOURCE_EXISTS, get(response + 72 + 56, 4));
    CHECK_STATUS(ALLOCDB_OK, allocdb_call(db, NULL, 0, NULL, 0, &len, &error));
    CHECK_EQUAL(0, len);
    request[64 + 7] = 1;
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_call(db, request, 128, response, sizeof response, &len, &error));
    CHECK_EQUAL(1, error.detail[0]);
    CHECK_EQUAL(64 + 6, error.detail[1]);
    CHECK_EQUAL(0, len);
    CHECK_ZERO(response);
    CHECK_STATUS(ALLOCDB_E_MALFORMED, allocdb_response_bound(db, request, 128, &bound, &error));
    CHECK_EQUAL(0, bound);
    allocdb_close(&db);
}

/* ---- logs ---- */

static int lines;
static char line_seen[600];

static void on_line(void *context, uint32_t level, const char *text, size_t text_len)
{
    CHECK(context == &lines);
    CHECK(level >= ALLOCDB_LOG_ERROR && level <= ALLOCDB_LOG_INFO);
    CHECK_EQUAL(strlen(text), text_len);
    snprintf(line_seen, sizeof line_seen, "%s", text);
    lines++;
}

static void log_lines_are_pushed_and_pulled(void)
{
    allocdb_options options = small_options();
    allocdb *db;
    allocdb_error error;
    char text[1024];
    size_t len;
    uint64_t dropped = 99;

    options.log_function = on_line;
    options.log_context = &lines;
    options.log_level = ALLOCDB_LOG_INFO;
    db = open_database(new_directory(), &options);
    CHECK(lines > 0);
    CHECK(strstr(line_seen, "opened") != NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_log_read(db, text, sizeof text, &len, &dropped, &error));
    CHECK_EQUAL(strlen(text), len);
    CHECK(len > 0 && text[len - 1] == '\n');
    CHECK(strstr(text, "info: opened") != NULL);
    CHECK_EQUAL(0, dropped);
    CHECK_STATUS(ALLOCDB_OK, allocdb_log_read(db, text, sizeof text, &len, NULL, NULL));
    CHECK_EQUAL(0, len);
    CHECK_STATUS(ALLOCDB_E_BUFFER_TOO_SMALL,
                 allocdb_log_read(db, text, 100, &len, &dropped, &error));
    CHECK_EQUAL(ALLOCDB_LOG_TEXT_MIN, len);
    allocdb_close(&db);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(versions_and_names_are_told),
        TEST(ids_are_uuids_to_look_at),
        TEST(a_seat_is_reserved_confirmed_and_released),
        TEST(a_bundle_is_taken_whole_or_not_at_all),
        TEST(an_operator_revokes_and_reclaims),
        TEST(a_retry_gets_the_first_answer),
        TEST(a_batch_is_one_commit_with_an_outcome_each),
        TEST(time_frees_only_what_tick_or_traffic_expires),
        TEST(listings_show_each_row_once),
        TEST(a_checkpoint_and_a_reopening_keep_everything),
        TEST(slots_are_those_of_the_system_clock),
        TEST(the_memory_is_known_beforehand),
        TEST(bytes_are_answered_with_bytes),
        TEST(log_lines_are_pushed_and_pulled),
    };

    return RUN_TESTS(tests);
}
