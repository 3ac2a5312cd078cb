/*
 * misuse_test.c - what a calling program can do wrong: each is told apart, names what is wrong, and
 * changes nothing.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static allocdb *db;
static allocdb_outcome outcome;
static allocdb_error error;

static void null_is_named_with_its_position(void)
{
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_create_resource(NULL, 1, next_operation(), id_of(1), &outcome, &error));
    CHECK_EQUAL(1, error.detail[0]);
    CHECK_SAYS(error, "db is NULL");
    CHECK_ZERO(outcome);
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_create_resource(db, 1, next_operation(), id_of(1), NULL, &error));
    CHECK_EQUAL(5, error.detail[0]);
    CHECK_SAYS(error, "outcome is NULL");
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_reserve(db, 1, next_operation(), id_of(1), id_of(1), 1, NULL, &error));
    CHECK_EQUAL(7, error.detail[0]);
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_confirm(db, 1, next_operation(), id_of(1), id_of(1), NULL, &error));
    CHECK_EQUAL(6, error.detail[0]);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_reserve_bundle(db, 1, next_operation(), NULL, 2,
                                                           id_of(1), 1, &outcome, &error));
    CHECK_EQUAL(4, error.detail[0]);
    CHECK_SAYS(error, "resource_ids is NULL");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_submit(db, 1, NULL, 1, &outcome, &error));
    CHECK_SAYS(error, "commands is NULL");
}

static void null_is_named_in_reads_too(void)
{
    allocdb_resource row;
    allocdb_reservation reservation;
    allocdb_id ids[2];
    allocdb_tick_result tick;
    uint64_t cursor = 0, dropped;
    size_t count = 7;
    char text[1024];
    uint8_t bytes[64];

    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_tick(db, 1, 1, NULL, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_tick(NULL, 1, 1, &tick, NULL));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_get_resource(db, 0, id_of(1), NULL, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_get_operation(db, 0, id_of(1), NULL, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_get_reservation(db, 0, id_of(1), &reservation, NULL, 2, &count, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_get_reservation(db, 0, id_of(1), &reservation, ids, 2, NULL, &error));
    CHECK_SAYS(error, "count is NULL");
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_list_resources(db, NULL, NULL, &row, 1, &count, &error));
    CHECK_SAYS(error, "cursor is NULL");
    count = 7;
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_list_resources(db, NULL, &cursor, NULL, 1, &count, &error));
    CHECK_EQUAL(0, count);
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_list_resources(db, NULL, &cursor, &row, 0, &count, &error));
    CHECK_SAYS(error, "capacity is 0");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_call(db, NULL, 5, bytes, 64, &count, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_call(db, bytes, 5, NULL, 64, &count, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_call(db, bytes, 5, bytes, 0, NULL, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_response_bound(db, bytes, 5, NULL, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_health_get(db, 0, NULL, &error));
    CHECK_SAYS(error, "health is NULL");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_configuration(db, NULL, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_recovery_report_get(db, NULL, NULL));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_log_read(db, NULL, 1024, &count, &dropped, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_log_read(db, text, 1024, NULL, &dropped, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_checkpoint(NULL, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_memory_bound(NULL, NULL, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_open(NULL, NULL, (allocdb *[1]){NULL}, &error));
    CHECK_SAYS(error, "directory is NULL");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_open("x", NULL, NULL, &error));
    CHECK_SAYS(error, "out is NULL");
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(NULL));
    CHECK_ZERO((allocdb_operation[1]){allocdb_operation_new(NULL)});
    allocdb_options_init(NULL, sizeof(allocdb_options));
    /* Nothing of all that reached the log. */
    allocdb_health health = {.struct_size = sizeof health};
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &health, NULL));
    CHECK_EQUAL(0, health.last_lsn);
}

static void what_is_no_handle_is_told_so(void)
{
    uint64_t words[16] = {1, 2, 3};
    allocdb *bogus = (allocdb *)(void *)words;

    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_create_resource(bogus, 1, next_operation(), id_of(1), &outcome, &error));
    CHECK_SAYS(error, "not a handle");
    bogus = (allocdb *)((char *)words + 1);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_checkpoint(bogus, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_close(&bogus));
}

static void a_pointer_that_is_not_aligned_is_refused(void)
{
    _Alignas(16) char memory[256] = {0};
    allocdb_outcome *odd = (allocdb_outcome *)(void *)(memory + 4);
    allocdb_error *odd_error = (allocdb_error *)(void *)(memory + 1);

    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_create_resource(db, 1, next_operation(), id_of(1), odd, &error));
    CHECK_SAYS(error, "outcome is not aligned to 8");
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, odd_error));
    CHECK_ZERO(memory);
}

static void a_struct_size_that_is_none_is_refused(void)
{
    uint64_t bytes = 5;
    allocdb_options options;
    struct {
        allocdb_options options;
        uint64_t tail[4];
    } newer;
    struct {
        allocdb_health health;
        uint64_t tail[4];
    } newer_health;
    allocdb *other = (allocdb *)(void *)&options;

    memset(&options, 0, sizeof options);
    CHECK_STATUS(ALLOCDB_E_STRUCT_SIZE, allocdb_open(new_directory(), &options, &other, &error));
    CHECK(other == NULL);
    CHECK_SAYS(error, "allocdb_options.struct_size is 0");
    CHECK_EQUAL(2, error.detail[0]);
    CHECK_EQUAL(0, error.detail[1]);
    CHECK_EQUAL(sizeof options, error.detail[2]);
    for (uint32_t size = 1; size < 8; size++) {
        options.struct_size = size;
        CHECK_STATUS(ALLOCDB_E_STRUCT_SIZE, allocdb_memory_bound(&options, &bytes, &error));
        CHECK_EQUAL(0, bytes);
    }
    options.struct_size = 12;
    CHECK_STATUS(ALLOCDB_E_STRUCT_SIZE, allocdb_memory_bound(&options, &bytes, &error));
    options.struct_size = 0xFFFFFFF8;
    CHECK_STATUS(ALLOCDB_E_STRUCT_SIZE, allocdb_memory_bound(&options, &bytes, &error));

    /* An older program's struct is shorter: the rest has its default. */
    memset(&options, 0xFF, sizeof options);
    options.struct_size = 8;
    options.flags = 0;
    CHECK_STATUS(ALLOCDB_OK, allocdb_memory_bound(&options, &bytes, &error));
    /* A newer program's is longer: fine as long as it asks for nothing that is unknown here. */
    memset(&newer, 0, sizeof newer);
    newer.options.struct_size = sizeof newer;
    CHECK_STATUS(ALLOCDB_OK, allocdb_memory_bound(&newer.options, &bytes, &error));
    newer.tail[3] = UINT64_C(1) << 56;
    CHECK_STATUS(ALLOCDB_E_STRUCT_SIZE, allocdb_memory_bound(&newer.options, &bytes, &error));
    CHECK_SAYS(error, "asks at offset");

    memset(&newer_health, 0xEE, sizeof newer_health);
    newer_health.health.struct_size = sizeof newer_health;
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &newer_health.health, &error));
    CHECK_ZERO(newer_health.tail);
    CHECK_EQUAL(sizeof newer_health, newer_health.health.struct_size);
    memset(&newer_health, 0xEE, sizeof newer_health);
    newer_health.health.struct_size = 32;
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &newer_health.health, &error));
    CHECK_EQUAL(UINT64_C(0xEEEEEEEEEEEEEEEE), newer_health.health.last_slot);
    newer_health.health.struct_size = 0;
    CHECK_STATUS(ALLOCDB_E_STRUCT_SIZE, allocdb_health_get(db, 0, &newer_health.health, &error));

    allocdb_options_init(&newer.options, sizeof newer);
    CHECK_EQUAL(sizeof newer, newer.options.struct_size);
    CHECK_ZERO(newer.tail);
}

static void memory_that_overlaps_is_refused(void)
{
    union {
        allocdb_outcome outcome;
        allocdb_error error;
        allocdb_id ids[4];
        allocdb_command command;
        uint8_t bytes[256];
        uint64_t words[32];
    } shared;
    size_t len;

    memset(&shared, 0, sizeof shared);
    CHECK_STATUS(ALLOCDB_E_OVERLAP, allocdb_create_resource(db, 1, next_operation(), id_of(1),
                                                            &shared.outcome, &shared.error));
    CHECK_EQUAL(5, shared.error.detail[0]);
    CHECK_EQUAL(6, shared.error.detail[1]);
    CHECK_STATUS(ALLOCDB_E_OVERLAP, allocdb_reserve_bundle(db, 1, next_operation(), shared.ids, 4,
                                                           id_of(1), 1, &shared.outcome, &error));
    CHECK_SAYS(error, "outcome and resource_ids overlap");
    CHECK_STATUS(ALLOCDB_E_OVERLAP,
                 allocdb_submit(db, 1, &shared.command, 1, &shared.outcome, &error));
    CHECK_STATUS(ALLOCDB_E_OVERLAP,
                 allocdb_call(db, shared.bytes, 100, shared.bytes + 99, 100, &len, &error));
    CHECK_STATUS(ALLOCDB_E_OVERLAP, allocdb_call(db, shared.bytes, 8, shared.bytes + 16, 100,
                                                 (size_t *)(void *)(shared.bytes + 104), &error));
    allocdb_command command = {.kind = ALLOCDB_COMMAND_RESERVE, .id_count = 2, .ids = shared.ids};
    CHECK_STATUS(ALLOCDB_E_OVERLAP, allocdb_submit(db, 1, &command, 1, &shared.outcome, &error));
    CHECK_SAYS(error, "a command's ids");
}

static void a_length_beyond_memory_is_refused(void)
{
    /*
     * The output before and behind the input: an input that covers all of memory from its place on
     * passed for one that overlaps the output behind it, which was then not zeroed. Which of two
     * variables comes first on a stack is the compiler's choice: a sanitizer's made the other one.
     */
    struct {
        size_t before;
        uint8_t byte;
        size_t behind;
    } at = {5, 0, 5};

    for (int i = 0; i < 2; i++) {
        size_t *len = i == 0 ? &at.before : &at.behind;

        CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_call(db, &at.byte, SIZE_MAX, NULL, 0, len, &error));
        CHECK_SAYS(error, "longer than memory");
        CHECK_EQUAL(0, *len);
    }
    allocdb_command command = {0};
    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_submit(db, 1, &command, SIZE_MAX / 2, &outcome, &error));
}

static void a_filter_with_reserved_fields_is_refused(void)
{
    allocdb_filter filter = {.reserved = {0, 0, 1}};
    allocdb_resource row;
    uint64_t cursor = 3;
    size_t count = 4;

    CHECK_STATUS(ALLOCDB_E_INVALID,
                 allocdb_list_resources(db, &filter, &cursor, &row, 1, &count, &error));
    CHECK_EQUAL(3, cursor);
    CHECK_EQUAL(0, count);
}

static void zero_is_never_an_id(void)
{
    allocdb_resource row;
    allocdb_reservation reservation;
    allocdb_operation no_operation = {{0, 0}, 0};
    allocdb_id zero = {0, 0}, pair[2] = {{1, 0}, {0, 0}};

    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_create_resource(db, 1, no_operation, id_of(1), &outcome, &error));
    CHECK_SAYS(error, "operation_id");
    CHECK_ZERO(outcome);
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_create_resource(db, 1, next_operation(), zero, &outcome, &error));
    CHECK_SAYS(error, "resource_id");
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_reserve(db, 1, next_operation(), id_of(1), zero, 5, &outcome, &error));
    CHECK_SAYS(error, "holder_id");
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_reserve(db, 1, next_operation(), zero, id_of(1), 5, &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_confirm(db, 1, next_operation(), zero, id_of(1), &outcome, &error));
    CHECK_SAYS(error, "reservation_id");
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_release(db, 1, next_operation(), id_of(1), zero, &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_revoke(db, 1, next_operation(), zero, &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_reclaim(db, 1, next_operation(), zero, &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_delete_resource(db, 1, next_operation(), zero, &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_MALFORMED, allocdb_reserve_bundle(db, 1, next_operation(), pair, 2,
                                                             id_of(1), 5, &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_MALFORMED, allocdb_reserve_bundle(db, 1, next_operation(), NULL, 0,
                                                             id_of(1), 5, &outcome, &error));
    CHECK_SAYS(error, "resource_ids");
    CHECK_STATUS(ALLOCDB_E_MALFORMED, allocdb_get_resource(db, 0, zero, &row, &error));
    CHECK_SAYS(error, "resource_id");
    CHECK_STATUS(ALLOCDB_E_MALFORMED,
                 allocdb_get_reservation(db, 0, zero, &reservation, NULL, 0, NULL, &error));
    CHECK_STATUS(ALLOCDB_E_MALFORMED, allocdb_get_operation(db, 0, zero, &outcome, &error));
}

/* Each field that a kind does not use must be zero, in every command of a batch. */
static void a_malformed_command_refuses_its_batch(void)
{
    allocdb_id ids[2] = {{1, 0}, {2, 0}};
    allocdb_command good = {.kind = ALLOCDB_COMMAND_CREATE_RESOURCE, .target_id = {9, 0}};
    const struct {
        allocdb_command command;
        const char *field;
    } bad[] = {
        {{.kind = 0}, "kind"},
        {{.kind = ALLOCDB_COMMAND_EXPIRE_DUE}, "kind"},
        {{.kind = 77}, "kind"},
        {{.kind = ALLOCDB_COMMAND_CREATE_RESOURCE, .target_id = {1, 0}, .ttl_slots = 1},
         "ttl_slots"},
        {{.kind = ALLOCDB_COMMAND_CREATE_RESOURCE, .target_id = {1, 0}, .holder_id = {1, 0}},
         "holder_id"},
        {{.kind = ALLOCDB_COMMAND_CREATE_RESOURCE, .target_id = {1, 0}, .reserved = {0, 1}},
         "reserved"},
        {{.kind = ALLOCDB_COMMAND_CONFIRM,
          .target_id = {1, 0},
          .holder_id = {1, 0},
          .ids = ids,
          .id_count = 2},
         "id_count"},
        {{.kind = ALLOCDB_COMMAND_CREATE_RESOURCE, .target_id = {1, 0}, .ids = ids}, "ids"},
        {{.kind = ALLOCDB_COMMAND_RESERVE,
          .target_id = {1, 0},
          .holder_id = {1, 0},
          .ttl_slots = 1,
          .ids = ids,
          .id_count = 2},
         "target_id"},
        {{.kind = ALLOCDB_COMMAND_RESERVE, .holder_id = {1, 0}, .ttl_slots = 1}, "resource_id"},
    };

    good.operation_id = next_operation().id;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        allocdb_command batch[2] = {good, bad[i].command};
        allocdb_outcome outcomes[2];

        memset(outcomes, 0xAA, sizeof outcomes);
        batch[1].operation_id = next_operation().id;
        CHECK_STATUS(ALLOCDB_E_MALFORMED, allocdb_submit(db, 1, batch, 2, outcomes, &error));
        CHECK_EQUAL(1, error.detail[0]);
        CHECK_SAYS(error, bad[i].field);
        CHECK_ZERO(outcomes);
    }
    allocdb_resource row;
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, allocdb_get_resource(db, 0, id_of(9), &row, NULL));
}

static void a_closed_handle_says_so_for_ever(void)
{
    allocdb *first = open_small(), *copy = first;
    allocdb_health health = {.struct_size = sizeof health};
    allocdb_resource row;

    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&first));
    CHECK(first == NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&first));
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(ALLOCDB_E_CLOSED, allocdb_create_resource(copy, 1, next_operation(), id_of(1),
                                                               &outcome, &error));
        CHECK_SAYS(error, "closed");
        CHECK_STATUS(ALLOCDB_E_CLOSED, allocdb_get_resource(copy, 0, id_of(1), &row, &error));
        CHECK_STATUS(ALLOCDB_E_CLOSED, allocdb_health_get(copy, 0, &health, &error));
        CHECK_ZERO((allocdb_operation[1]){allocdb_operation_new(copy)});
        CHECK_EQUAL(0, allocdb_slot_now(copy));
        allocdb *another = open_small();
        CHECK(another != copy);
        allocdb_close(&another);
    }
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&copy));
}

/* ---- from inside the log callback ---- */

static allocdb *in_callback;
static int callbacks;

static void calls_back(void *context, uint32_t level, const char *text, size_t text_len)
{
    allocdb *other = in_callback, *opened;
    allocdb_outcome answer;
    allocdb_error story;
    uint64_t bytes;

    (void)context, (void)level, (void)text, (void)text_len;
    callbacks++;
    CHECK_STATUS(ALLOCDB_E_REENTRANT, allocdb_open(new_directory(), NULL, &opened, &story));
    CHECK_STATUS(ALLOCDB_OK, allocdb_memory_bound(NULL, &bytes, &story));
    if (other == NULL)
        return;
    CHECK_STATUS(ALLOCDB_E_REENTRANT,
                 allocdb_create_resource(other, 1, next_operation(), id_of(1), &answer, &story));
    CHECK_SAYS(story, "callback");
    CHECK_STATUS(ALLOCDB_E_REENTRANT, allocdb_checkpoint(other, &story));
    CHECK_STATUS(ALLOCDB_E_REENTRANT, allocdb_close(&other));
    CHECK(other == in_callback);
    CHECK_ZERO((allocdb_operation[1]){allocdb_operation_new(other)});
}

static void the_log_callback_must_not_call(void)
{
    allocdb_options options = small_options();

    options.log_function = calls_back;
    options.log_level = ALLOCDB_LOG_INFO;
    in_callback = db;
    allocdb *other = open_database(new_directory(), &options);
    in_callback = other;
    (void)!allocdb_create_resource(other, 1, next_operation(), id_of(1), &outcome, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(other, NULL));
    in_callback = db;
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&other));
    CHECK(callbacks >= 2);
    /* Afterwards this thread may call again. */
    CHECK_STATUS(ALLOCDB_OK, allocdb_tick(db, 1, 1, (allocdb_tick_result[1]){{0}}, NULL));
}

/* ---- in a forked child ---- */

static void in_forked_child(void *argument)
{
    const char *directory = argument;
    allocdb_resource row;
    allocdb_health health = {.struct_size = sizeof health};
    allocdb_options options = small_options();
    allocdb *mine;

    CHECK_STATUS(ALLOCDB_E_FORKED,
                 allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, &error));
    CHECK_SAYS(error, "parent");
    CHECK_STATUS(ALLOCDB_E_FORKED, allocdb_get_resource(db, 0, id_of(1), &row, &error));
    CHECK_STATUS(ALLOCDB_E_FORKED, allocdb_health_get(db, 0, &health, &error));
    CHECK_ZERO((allocdb_operation[1]){allocdb_operation_new(db)});
    CHECK_STATUS(ALLOCDB_E_LOCKED, allocdb_open(directory, &options, &mine, &error));
    mine = open_small();
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(mine, 1, next_operation(), id_of(1), &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&mine));
    allocdb *copy = db;
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    CHECK(db == NULL);
    CHECK_STATUS(ALLOCDB_E_CLOSED,
                 allocdb_create_resource(copy, 1, next_operation(), id_of(1), &outcome, &error));
}

static void a_forked_child_is_refused_and_harms_nothing(void)
{
    allocdb *before = db;
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb_resource row;

    db = open_database(directory, &options);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, NULL));
    in_child(in_forked_child, (void *)directory);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 1, next_operation(), id_of(2), &outcome, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    db = open_database(directory, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(1), &row, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(2), &row, NULL));
    allocdb_close(&db);
    db = before;
}

static bool stop;

static void *keeps_committing(void *argument)
{
    allocdb *busy = argument;
    allocdb_outcome answer;

    for (uint64_t i = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++)
        (void)!allocdb_create_resource(busy, i, next_operation(), id_of(1), &answer, NULL);
    return NULL;
}

static void closes_and_leaves(void *argument)
{
    allocdb *inherited = argument;

    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&inherited));
}

/* The child's copies of the other threads' calls never end: closing there must not wait for them.
 */
static void a_child_forked_amid_calls_can_close(void)
{
    allocdb *busy = open_small();
    pthread_t threads[4];

    stop = false;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, keeps_committing, busy);
    for (int i = 0; i < 20; i++)
        in_child(closes_and_leaves, busy);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&busy));
}

static void closing_waits_for_the_calls_under_way(void)
{
    for (int round = 0; round < 20; round++) {
        allocdb *busy = open_small(), *copies[4] = {busy, busy, busy, busy};
        pthread_t threads[4];

        stop = false;
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, keeps_committing, copies[i]);
        usleep(2000);
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&busy));
        CHECK_STATUS(ALLOCDB_E_CLOSED, allocdb_create_resource(copies[0], 1, next_operation(),
                                                               id_of(1), &outcome, &error));
        __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(null_is_named_with_its_position),
        TEST(null_is_named_in_reads_too),
        TEST(what_is_no_handle_is_told_so),
        TEST(a_pointer_that_is_not_aligned_is_refused),
        TEST(a_struct_size_that_is_none_is_refused),
        TEST(memory_that_overlaps_is_refused),
        TEST(a_length_beyond_memory_is_refused),
        TEST(a_filter_with_reserved_fields_is_refused),
        TEST(zero_is_never_an_id),
        TEST(a_malformed_command_refuses_its_batch),
        TEST(a_closed_handle_says_so_for_ever),
        TEST(the_log_callback_must_not_call),
        TEST(a_forked_child_is_refused_and_harms_nothing),
        TEST(a_child_forked_amid_calls_can_close),
        TEST(closing_waits_for_the_calls_under_way),
    };

    db = open_small();
    int failed = RUN_TESTS(tests);
    allocdb_close(&db);
    return failed;
}
