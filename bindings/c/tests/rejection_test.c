/*
 * rejection_test.c - every definite status that a command can get: named, with the value and the
 * bound, and with nothing changed. What cannot be reached in a test's time is the last log position
 * (ALLOCDB_E_LSN_EXHAUSTED), which the core's own tests reach.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static allocdb_outcome outcome;
static allocdb_error error;

static uint64_t last_lsn(allocdb *db)
{
    allocdb_health health = {.struct_size = sizeof health};

    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &health, NULL));
    return health.last_lsn;
}

static void ttl_has_bounds(void)
{
    allocdb *db = open_small();
    allocdb_command command = {.kind = ALLOCDB_COMMAND_RESERVE,
                               .target_id = {1, 0},
                               .holder_id = {1, 0},
                               .ttl_slots = 1001};

    CHECK_STATUS(ALLOCDB_E_TTL_OUT_OF_RANGE,
                 allocdb_reserve(db, 1, next_operation(), id_of(1), id_of(1), 0, &outcome, &error));
    CHECK_SAYS(error, "ttl_slots is 0, must be 1 to max_ttl_slots = 1000");
    CHECK_STATUS(ALLOCDB_E_TTL_OUT_OF_RANGE, allocdb_extend(db, 1, next_operation(), id_of(1),
                                                            id_of(1), 1001, &outcome, &error));
    CHECK_EQUAL(0, error.detail[0]);
    CHECK_EQUAL(1001, error.detail[1]);
    CHECK_EQUAL(1000, error.detail[2]);
    CHECK_ZERO(outcome);
    command.operation_id = next_operation().id;
    CHECK_STATUS(ALLOCDB_E_TTL_OUT_OF_RANGE, allocdb_submit(db, 1, &command, 1, &outcome, &error));
    CHECK_EQUAL(0, last_lsn(db));
    allocdb_close(&db);
}

static void bundles_have_bounds(void)
{
    allocdb *db = open_small();
    allocdb_id ids[9], *many = ids;

    for (uint64_t i = 0; i < 9; i++)
        ids[i] = id_of(i + 1);
    CHECK_STATUS(ALLOCDB_E_BUNDLE_TOO_LARGE, allocdb_reserve_bundle(db, 1, next_operation(), ids, 9,
                                                                    id_of(1), 5, &outcome, &error));
    CHECK_EQUAL(9, error.detail[1]);
    CHECK_EQUAL(8, error.detail[2]);
    CHECK_SAYS(error, "max_bundle_len is 8");
    /* A count that cannot be true is refused before an id is read. */
    CHECK_STATUS(ALLOCDB_E_BUNDLE_TOO_LARGE,
                 allocdb_reserve_bundle(db, 1, next_operation(), many, (size_t)1 << 40, id_of(1), 5,
                                        (allocdb_outcome[1]){{0}}, &error));
    ids[4] = ids[2];
    CHECK_STATUS(
        ALLOCDB_E_DUPLICATE_RESOURCE,
        allocdb_reserve_bundle(db, 1, next_operation(), ids, 8, id_of(1), 5, &outcome, &error));
    CHECK_EQUAL(3, error.detail[1]);
    CHECK_SAYS(error, "twice");
    CHECK_EQUAL(0, last_lsn(db));
    allocdb_close(&db);
}

static void batches_have_bounds(void)
{
    enum { COUNT = 40 };
    static allocdb_command commands[COUNT];
    static allocdb_outcome outcomes[COUNT];
    static allocdb_id ids[1024];
    allocdb_options options = small_options();

    options.max_batch_commands = COUNT - 1;
    options.max_bundle_len = 1024;
    options.max_batch_bytes = 32 << 10;
    allocdb *db = open_database(new_directory(), &options);
    for (uint64_t i = 0; i < 1024; i++)
        ids[i] = id_of(i + 1);
    for (uint64_t i = 0; i < COUNT; i++)
        commands[i] = (allocdb_command){.kind = ALLOCDB_COMMAND_CREATE_RESOURCE,
                                        .operation_id = next_operation().id,
                                        .target_id = id_of(i + 1)};
    CHECK_STATUS(ALLOCDB_E_COMMAND_TOO_LARGE,
                 allocdb_submit(db, 1, commands, COUNT, outcomes, &error));
    CHECK_EQUAL(COUNT, error.detail[0]);
    CHECK_EQUAL(COUNT - 1, error.detail[1]);
    CHECK_SAYS(error, "max_batch_commands");
    CHECK_STATUS(ALLOCDB_OK, allocdb_submit(db, 1, commands, COUNT - 1, outcomes, &error));
    for (int i = 0; i < 3; i++)
        commands[i] = (allocdb_command){.kind = ALLOCDB_COMMAND_RESERVE,
                                        .operation_id = next_operation().id,
                                        .ids = ids,
                                        .id_count = 1024,
                                        .holder_id = {1, 0},
                                        .ttl_slots = 5};
    CHECK_STATUS(ALLOCDB_E_COMMAND_TOO_LARGE, allocdb_submit(db, 1, commands, 3, outcomes, &error));
    CHECK_SAYS(error, "max_batch_bytes");
    CHECK_EQUAL(32 << 10, error.detail[1]);
    CHECK_STATUS(ALLOCDB_OK, allocdb_submit(db, 1, commands, 1, outcomes, &error));
    CHECK_EQUAL(COUNT, last_lsn(db));
    allocdb_close(&db);
}

static void slots_have_bounds(void)
{
    allocdb_options options = small_options();
    allocdb_tick_result tick;

    options.max_slot_leap = 1000;
    allocdb *db = open_database(new_directory(), &options);
    CHECK_STATUS(ALLOCDB_E_SLOT_OVERFLOW, allocdb_create_resource(db, UINT64_MAX, next_operation(),
                                                                  id_of(1), &outcome, &error));
    CHECK_EQUAL(UINT64_MAX, error.detail[0]);
    CHECK_EQUAL(UINT64_MAX - 1000, error.detail[1]);
    CHECK_SAYS(error, "slot is 18446744073709551615");
    CHECK_STATUS(ALLOCDB_E_SLOT_OVERFLOW, allocdb_tick(db, UINT64_MAX, 0, &tick, &error));
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 5000, next_operation(), id_of(1), &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_SLOT_LEAP,
                 allocdb_create_resource(db, 50000, next_operation(), id_of(2), &outcome, &error));
    CHECK_EQUAL(50000, error.detail[0]);
    CHECK(error.detail[1] >= 6000 && error.detail[1] < 7000);
    CHECK_SAYS(error, "max_slot_leap");
    CHECK_STATUS(ALLOCDB_E_SLOT_LEAP, allocdb_tick(db, 50000, 0, &tick, &error));
    CHECK_EQUAL(1, last_lsn(db));
    allocdb_close(&db);
}

static void an_operation_runs_out(void)
{
    allocdb *db = open_small();
    allocdb_operation operation = next_operation();

    operation.valid_until_slot = 9;
    CHECK_STATUS(ALLOCDB_E_OPERATION_EXPIRED,
                 allocdb_create_resource(db, 10, operation, id_of(1), &outcome, &error));
    CHECK_EQUAL(9, error.detail[1]);
    CHECK_EQUAL(10, error.detail[2]);
    CHECK_STATUS(ALLOCDB_E_OPERATION_EXPIRED, outcome.status);
    outcome.status = 0;
    CHECK_ZERO(outcome);
    operation.valid_until_slot = 111;
    CHECK_STATUS(ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE,
                 allocdb_create_resource(db, 10, operation, id_of(1), &outcome, &error));
    CHECK_EQUAL(111, error.detail[1]);
    CHECK_EQUAL(110, error.detail[2]);
    operation.valid_until_slot = 110;
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 10, operation, id_of(1), &outcome, &error));
    /* Remembered: the retry past its limit gets its answer. Forgotten: never executed again. */
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 110, operation, id_of(1), &outcome, NULL));
    CHECK_EQUAL(1, outcome.from_retry_cache);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_delete_resource(db, 300, next_operation(), id_of(1), &outcome, NULL));
    CHECK_STATUS(ALLOCDB_E_OPERATION_EXPIRED,
                 allocdb_create_resource(db, 300, operation, id_of(1), &outcome, NULL));
    allocdb_close(&db);
}

static void an_operation_belongs_to_one_command(void)
{
    allocdb *db = open_small();
    allocdb_operation operation = next_operation();

    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 1, operation, id_of(1), &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_OPERATION_CONFLICT,
                 allocdb_create_resource(db, 1, operation, id_of(2), &outcome, &error));
    CHECK_EQUAL(1, error.detail[1]);
    CHECK_SAYS(error, "LSN 1");
    CHECK_STATUS(ALLOCDB_E_OPERATION_CONFLICT, outcome.status);
    CHECK_EQUAL(0, outcome.lsn);
    CHECK_EQUAL(1, last_lsn(db));
    allocdb_close(&db);
}

static void operations_have_bounds(void)
{
    allocdb_options options = small_options();

    options.max_operations = 4;
    allocdb *db = open_database(new_directory(), &options);
    for (uint64_t i = 1; i <= 4; i++)
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_create_resource(db, 1, next_operation(), id_of(i), &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_OPERATION_TABLE_FULL,
                 allocdb_create_resource(db, 1, next_operation(), id_of(5), &outcome, &error));
    CHECK_EQUAL(4, error.detail[1]);
    CHECK_EQUAL(100, error.detail[2]);
    CHECK_SAYS(error, "raise max_operations");
    CHECK_EQUAL(4, last_lsn(db));
    /* The window passes, and there is room again. */
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 102, next_operation(), id_of(5), &outcome, &error));
    allocdb_close(&db);
}

static void tables_have_bounds(void)
{
    allocdb_options options = small_options();

    options.max_resources = 2;
    options.max_reservations = 1;
    allocdb *db = open_database(new_directory(), &options);
    for (uint64_t i = 1; i <= 3; i++)
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_create_resource(db, 1, next_operation(), id_of(i), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_RESOURCE_TABLE_FULL, outcome.code);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_RESOURCE_EXISTS, outcome.code);
    for (uint64_t i = 1; i <= 2; i++)
        CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, 1, next_operation(), id_of(i), id_of(1), 5,
                                                 &outcome, &error));
    CHECK_EQUAL(ALLOCDB_RESERVATION_TABLE_FULL, outcome.code);
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, 1, next_operation(), id_of(77), id_of(1), 5,
                                             &outcome, &error));
    CHECK_EQUAL(ALLOCDB_RESOURCE_NOT_FOUND, outcome.code);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_confirm(db, 1, next_operation(), id_of(99), id_of(1), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_RESERVATION_NOT_FOUND, outcome.code);
    allocdb_close(&db);

    options.max_reservations = 8;
    options.max_resources = 8;
    options.max_expiration_bucket_len = 1;
    db = open_database(new_directory(), &options);
    for (uint64_t i = 1; i <= 2; i++) {
        (void)!allocdb_create_resource(db, 1, next_operation(), id_of(i), &outcome, NULL);
        CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, 1, next_operation(), id_of(i), id_of(1), 5,
                                                 &outcome, &error));
    }
    CHECK_EQUAL(ALLOCDB_EXPIRATION_INDEX_FULL, outcome.code);
    allocdb_close(&db);
}

static void reads_tell_absent_from_forgotten_from_not_yet(void)
{
    allocdb *db = open_small();
    allocdb_resource row;
    allocdb_reservation reservation;

    (void)!allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, NULL);
    (void)!allocdb_reserve(db, 1, next_operation(), id_of(1), id_of(1), 5, &outcome, NULL);
    allocdb_id id = outcome.reservation_id;
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, allocdb_get_resource(db, 0, id_of(2), &row, &error));
    CHECK_STATUS(ALLOCDB_FENCE_NOT_APPLIED, allocdb_get_resource(db, 9, id_of(1), &row, &error));
    CHECK_EQUAL(9, error.detail[0]);
    CHECK_EQUAL(2, error.detail[1]);
    CHECK_SAYS(error, "required_lsn is 9");
    CHECK_STATUS(ALLOCDB_FENCE_NOT_APPLIED,
                 allocdb_get_reservation(db, 3, id, &reservation, NULL, 0, NULL, &error));
    CHECK_STATUS(ALLOCDB_FENCE_NOT_APPLIED, allocdb_get_operation(db, 3, id, &outcome, &error));
    (void)!allocdb_release(db, 1, next_operation(), id, id_of(1), &outcome, NULL);
    for (uint64_t slot = 60; slot < 70; slot++)
        (void)!allocdb_create_resource(db, slot, next_operation(), id_of(slot), &outcome, NULL);
    CHECK_STATUS(ALLOCDB_RETIRED,
                 allocdb_get_reservation(db, 0, id, &reservation, NULL, 0, NULL, &error));
    CHECK_SAYS(error, "no longer remembered");
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND,
                 allocdb_get_reservation(db, 0, id_of(500), &reservation, NULL, 0, NULL, &error));
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_confirm(db, 70, next_operation(), id, id_of(1), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_RESERVATION_RETIRED, outcome.code);
    allocdb_close(&db);
}

/* ---- a queue that is full ---- */

static allocdb *crowded;
static bool seen, all_definite = true;
static allocdb_error seen_error;

static void *pushes(void *argument)
{
    uint64_t end = now_ns() + UINT64_C(10000000000);

    (void)argument;
    while (!__atomic_load_n(&seen, __ATOMIC_ACQUIRE) && now_ns() < end) {
        allocdb_outcome answer;
        allocdb_error story;
        allocdb_status status =
            allocdb_create_resource(crowded, 1, next_operation(), id_of(1), &answer, &story);

        if (status == ALLOCDB_E_OVERLOADED) {
            seen_error = story;
            __atomic_store_n(&seen, true, __ATOMIC_RELEASE);
        } else if (status != ALLOCDB_OK && status != ALLOCDB_E_OPERATION_TABLE_FULL) {
            __atomic_store_n(&all_definite, false, __ATOMIC_RELEASE);
        }
    }
    return NULL;
}

static void a_full_queue_is_told_at_once(void)
{
    allocdb_options options = small_options();
    pthread_t threads[16];

    options.max_queue = 2;
    crowded = open_database(new_directory(), &options);
    for (int i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL, pushes, NULL);
    for (int i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    CHECK(seen && all_definite);
    CHECK_EQUAL(2, seen_error.detail[0]);
    CHECK_SAYS(seen_error, "max_queue is 2");
    allocdb_close(&crowded);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(ttl_has_bounds),
        TEST(bundles_have_bounds),
        TEST(batches_have_bounds),
        TEST(slots_have_bounds),
        TEST(an_operation_runs_out),
        TEST(an_operation_belongs_to_one_command),
        TEST(operations_have_bounds),
        TEST(tables_have_bounds),
        TEST(reads_tell_absent_from_forgotten_from_not_yet),
        TEST(a_full_queue_is_told_at_once),
    };

    return RUN_TESTS(tests);
}
