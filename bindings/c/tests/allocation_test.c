/*
 * allocation_test.c - no call allocates after open: the program's own malloc counts, and the
 * library is bound to it like everything else in the process.
 */
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- malloc and its kin, counted ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *old);

static uint64_t allocations, frees;

static void count_one(uint64_t *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
    count_one(&allocations);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    count_one(&allocations);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    count_one(&allocations);
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    count_one(&allocations);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count_one(&allocations);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count_one(&allocations);
    *out = __libc_memalign(alignment, size);
    return *out == NULL ? 12 : 0;
}

void free(void *old)
{
    if (old != NULL)
        count_one(&frees);
    __libc_free(old);
}

static uint64_t counted(void)
{
    return __atomic_load_n(&allocations, __ATOMIC_RELAXED) +
           __atomic_load_n(&frees, __ATOMIC_RELAXED);
}

/* ---- the calls ---- */

static allocdb *db;

/* Each command, singly and in a batch; returns the batch's first operation. */
static allocdb_id every_command(uint64_t slot)
{
    enum { BATCH = 50 };
    allocdb_command commands[BATCH];
    allocdb_outcome outcomes[BATCH], outcome;
    allocdb_error error;
    allocdb_id pair[2] = {{1, 0}, {2, 0}}, id;
    allocdb_tick_result tick;

    for (uint64_t i = 1; i <= 2; i++)
        CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, slot, allocdb_operation_new(db),
                                                         id_of(i), &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve_bundle(db, slot, allocdb_operation_new(db), pair, 2,
                                                    id_of(7), 5, &outcome, &error));
    id = outcome.reservation_id;
    CHECK_STATUS(ALLOCDB_OK, allocdb_extend(db, slot, allocdb_operation_new(db), id, id_of(7), 8,
                                            &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_confirm(db, slot, allocdb_operation_new(db), id, id_of(7),
                                             &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_revoke(db, slot, allocdb_operation_new(db), id, &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_reclaim(db, slot, allocdb_operation_new(db), id, &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, slot, allocdb_operation_new(db), id_of(1),
                                             id_of(7), 2, &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_release(db, slot, allocdb_operation_new(db),
                                             outcome.reservation_id, id_of(7), &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, slot, allocdb_operation_new(db), id_of(2),
                                             id_of(7), 1, &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_tick(db, slot + 1, 0, &tick, &error));
    memset(commands, 0, sizeof commands);
    for (int i = 0; i < BATCH; i++) {
        commands[i].kind =
            i % 2 ? ALLOCDB_COMMAND_DELETE_RESOURCE : ALLOCDB_COMMAND_CREATE_RESOURCE;
        commands[i].operation_id = allocdb_operation_new(db).id;
        commands[i].target_id = id_of(100 + (uint64_t)i / 2);
    }
    CHECK_STATUS(ALLOCDB_OK, allocdb_submit(db, slot, commands, BATCH, outcomes, &error));
    for (uint64_t i = 1; i <= 2; i++)
        CHECK_STATUS(ALLOCDB_OK, allocdb_delete_resource(db, slot + 1, allocdb_operation_new(db),
                                                         id_of(i), &outcome, &error));
    return commands[0].operation_id;
}

static void every_read(uint64_t slot, allocdb_id operation_id)
{
    allocdb_outcome outcome;
    allocdb_error error;
    allocdb_resource row, rows[8];
    allocdb_reservation reservation, reservations[8];
    uint64_t cursor = 0;
    size_t count;
    allocdb_health health = {.struct_size = sizeof health};
    allocdb_recovery_report report = {.struct_size = sizeof report};
    allocdb_options options = {.struct_size = sizeof options};
    char text[1024];

    CHECK_STATUS(ALLOCDB_OK, allocdb_get_operation(db, 0, operation_id, &outcome, &error));
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, allocdb_get_resource(db, 0, id_of(1), &row, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_list_resources(db, NULL, &cursor, rows, 8, &count, &error));
    cursor = 0;
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_list_reservations(db, NULL, &cursor, reservations, 8, &count, &error));
    CHECK(count > 0);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_reservation(db, 0, reservations[0].reservation_id,
                                                     &reservation, NULL, 0, NULL, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, slot, &health, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_recovery_report_get(db, &report, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_configuration(db, &options, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_log_read(db, text, sizeof text, &count, NULL, &error));
}

static void bytes_and_failures(uint64_t slot, allocdb_id operation_id)
{
    /* A create_resource: length, version, kind; the rest is filled in below. */
    uint8_t request[64] = {64, 0, 0, 0, 1, 1}, response[128];
    allocdb_id target = id_of(100);
    allocdb_outcome outcome;
    allocdb_error error;
    allocdb_resource row;
    uint64_t bytes;
    size_t count;

    memcpy(request + 24, &operation_id, 16);
    memcpy(request + 48, &target, 16);
    CHECK_STATUS(ALLOCDB_OK, allocdb_response_bound(db, request, 64, &count, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_call(db, request, 64, response, 128, &count, &error));
    CHECK_EQUAL(72, count);
    CHECK_STATUS(ALLOCDB_OK, allocdb_memory_bound(NULL, &bytes, &error));
    /* Failures allocate no more than successes. */
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_get_resource(db, 0, id_of(1), NULL, &error));
    CHECK_STATUS(ALLOCDB_E_MALFORMED, allocdb_create_resource(db, slot, allocdb_operation_new(db),
                                                              id_of(0), &outcome, &error));
    CHECK_STATUS(ALLOCDB_FENCE_NOT_APPLIED,
                 allocdb_get_resource(db, UINT64_MAX, id_of(1), &row, &error));
    CHECK(allocdb_id_random().lo != 0 && allocdb_slot_now(db) != 0);
}

static void no_call_allocates(void)
{
    uint64_t before = counted();

    for (uint64_t slot = 1; slot < 2000; slot += 10) {
        allocdb_id operation_id = every_command(slot);

        every_read(slot, operation_id);
        bytes_and_failures(slot, operation_id);
    }
    CHECK_EQUAL(before, counted());
}

/* Nor does a backup: into a directory that is there, and into one that is made. */
static void a_backup_allocates_nothing(void)
{
    const char *there = new_directory();
    const char *made = path_in(new_directory(), "copy");
    allocdb_error error;
    uint64_t before = counted();

    CHECK_STATUS(ALLOCDB_OK, allocdb_backup(db, there, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_backup(db, made, &error));
    CHECK_STATUS(ALLOCDB_E_EXISTS, allocdb_backup(db, made, &error));
    CHECK_EQUAL(before, counted());
}

static pthread_barrier_t barrier;
static uint64_t at_start, at_end;

/* What a thread's own making allocates is before the first barrier and after the last. */
static void *calls_for_the_first_time(void *argument)
{
    allocdb_outcome outcome;
    allocdb_error error;
    allocdb_resource row;
    uint64_t number = 1000 + (uint64_t)(uintptr_t)argument;

    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
        at_start = counted();
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 5; i++) {
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_create_resource(db, ALLOCDB_SLOT_NOW, allocdb_operation_new(db),
                                             id_of(number), &outcome, &error));
        CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, outcome.lsn, id_of(number), &row, NULL));
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_delete_resource(db, ALLOCDB_SLOT_NOW, allocdb_operation_new(db),
                                             id_of(number), &outcome, &error));
    }
    pthread_barrier_wait(&barrier);
    at_end = counted();
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void the_first_call_of_a_thread_allocates_nothing(void)
{
    enum { THREADS = 32 };
    pthread_t threads[THREADS];

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, calls_for_the_first_time, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(at_start, at_end);
}

static void the_counter_counts_what_the_library_allocates(void)
{
    uint64_t before = allocations;
    allocdb *another = open_small();

    CHECK(allocations > before);
    allocdb_close(&another);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(the_counter_counts_what_the_library_allocates),
        TEST(no_call_allocates),
        TEST(a_backup_allocates_nothing),
        TEST(the_first_call_of_a_thread_allocates_nothing),
    };
    allocdb_options options = small_options();

    options.max_operations = 100000;
    options.checkpoint_wal_bytes = 128 << 10;
    options.max_resources = 4096;
    db = open_database(new_directory(), &options);
    /* The first prints make the C library's own buffers. */
    printf("    counting\n");
    int failed = RUN_TESTS(tests);
    allocdb_close(&db);
    return failed;
}
