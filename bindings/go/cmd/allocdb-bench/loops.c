/* loops.c - what a call costs without Go: the benchmark's loops in C.
 *
 * Each is entered once for the whole loop, so that no crossing between the languages is in its
 * figure. The clock is read outside of it.
 */
#include "loops.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 1000 };

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

allocdb_status bench_open(const char *directory, uint32_t sync, uint32_t clock,
                          uint64_t window, allocdb **db, allocdb_error *error)
{
    allocdb_options options;

    allocdb_options_init(&options, sizeof options);
    options.sync = sync;
    options.clock = clock;
    options.max_ttl_slots = 1000;
    options.operation_window_slots = window;
    options.history_window_slots = window;
    options.checkpoint_wal_bytes = UINT64_C(1) << 30;
    options.wal_prealloc_bytes = 64 << 20;
    return allocdb_open(directory, &options, db, error);
}

allocdb_status bench_create(allocdb *db, uint64_t slot, uint64_t first, uint64_t count,
                            allocdb_error *error)
{
    allocdb_outcome outcome;
    allocdb_status status = ALLOCDB_OK;

    for (uint64_t i = 0; i < count && status == ALLOCDB_OK; i++) {
        allocdb_id id = {.lo = first + i, .hi = 0};
        /* No limit: the slot given here is far ahead of the new database's. */
        allocdb_operation operation = {.id = allocdb_operation_new(db).id, .valid_until_slot = 0};
        status = allocdb_create_resource(db, slot, operation, id, &outcome, error);
    }
    return status;
}

allocdb_status bench_read(allocdb *db, uint64_t count, uint64_t *ns, allocdb_error *error)
{
    allocdb_id id = {.lo = 1, .hi = 0};
    allocdb_resource row;
    allocdb_status status = ALLOCDB_OK;
    uint64_t begin = now_ns();

    for (uint64_t i = 0; i < count && status == ALLOCDB_OK; i++)
        status = allocdb_get_resource(db, 0, id, &row, error);
    *ns = now_ns() - begin;
    return status;
}

allocdb_status bench_reserve(allocdb *db, uint64_t count, uint64_t *ns,
                             allocdb_error *error)
{
    allocdb_id id = {.lo = 1, .hi = 0};
    allocdb_outcome outcome;
    allocdb_status status = ALLOCDB_OK;
    uint64_t begin = now_ns();

    for (uint64_t i = 0; i < count && status == ALLOCDB_OK; i++)
        status = allocdb_reserve(db, ALLOCDB_SLOT_NOW, allocdb_operation_new(db), id, id, 100,
                                 &outcome, error);
    *ns = now_ns() - begin;
    return status;
}

static allocdb_command commands[BATCH];
static allocdb_outcome outcomes[BATCH];

static void fill(allocdb *db, uint32_t kind)
{
    for (uint64_t i = 0; i < BATCH; i++) {
        allocdb_id resource = {.lo = 1000 + i, .hi = 0};

        memset(&commands[i], 0, sizeof commands[i]);
        commands[i].kind = kind;
        commands[i].operation_id = allocdb_operation_new(db).id;
        commands[i].target_id = kind == ALLOCDB_COMMAND_RESERVE ? resource
                                                                : outcomes[i].reservation_id;
        commands[i].holder_id.lo = 1;
        commands[i].ttl_slots = kind == ALLOCDB_COMMAND_RESERVE ? 1000 : 0;
    }
}

allocdb_status bench_batches(allocdb *db, uint64_t count, uint64_t *slot, uint64_t *ns,
                             allocdb_error *error)
{
    allocdb_status status = ALLOCDB_OK;
    uint64_t begin = now_ns();

    for (uint64_t i = 0; i < count && status == ALLOCDB_OK; i++) {
        fill(db, i % 2 == 0 ? ALLOCDB_COMMAND_RESERVE : ALLOCDB_COMMAND_RELEASE);
        *slot += i % 10 == 0;
        status = allocdb_submit(db, *slot, commands, BATCH, outcomes, error);
        for (int j = 0; j < BATCH && status == ALLOCDB_OK; j++)
            status = outcomes[j].code == ALLOCDB_DONE ? outcomes[j].status : ALLOCDB_E_PANIC;
    }
    *ns = now_ns() - begin;
    return status;
}
