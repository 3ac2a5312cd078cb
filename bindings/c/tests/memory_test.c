/*
 * memory_test.c - what allocdb_memory_bound promises, against the process's resident size: opening
 * a database of more than 256 MB and 10,000,000 commands that fill its tables grow it by no more
 * than the bound, and by no less than 80 % of it: a bound that promises much more than is used
 * is no help either.
 */
#define _GNU_SOURCE
#include "check.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 5000 };

static uint64_t resident_bytes(void)
{
    char text[128];
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL && fgets(text, sizeof text, file) != NULL);
    CHECK(sscanf(text, "%*s %llu", &pages) == 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static allocdb *db;
static allocdb_command commands[BATCH];
static allocdb_outcome outcomes[BATCH];
static uint64_t slot = 1, submitted;

static void submit(void)
{
    for (int i = 0; i < BATCH; i++)
        commands[i].operation_id = next_operation().id;
    CHECK_STATUS(ALLOCDB_OK, allocdb_submit(db, slot, commands, BATCH, outcomes, NULL));
    for (int i = 0; i < BATCH; i++)
        CHECK(outcomes[i].status == ALLOCDB_OK && outcomes[i].code == ALLOCDB_DONE);
    submitted += BATCH;
}

/* Reserves each resource in turn and gives it back, so that resources, reservations, operations and
 * the wheel are all in use, each to its bound. */
static void cycle(uint64_t resources, uint64_t commands_max)
{
    static allocdb_id held[BATCH];

    for (uint64_t first = 1; submitted < commands_max; first += BATCH) {
        if (first > resources)
            first = 1;
        memset(commands, 0, sizeof commands);
        for (uint64_t i = 0; i < BATCH; i++) {
            commands[i].kind = ALLOCDB_COMMAND_RESERVE;
            commands[i].target_id = id_of(first + i);
            commands[i].holder_id = id_of(first + i);
            commands[i].ttl_slots = 1 + i % 1000;
        }
        submit();
        for (uint64_t i = 0; i < BATCH; i++) {
            held[i] = outcomes[i].reservation_id;
            commands[i].kind = ALLOCDB_COMMAND_RELEASE;
            commands[i].target_id = held[i];
            commands[i].ttl_slots = 0;
        }
        submit();
        slot++;
    }
}

static void memory_stays_within_its_bound_and_uses_it(void)
{
    allocdb_options options;
    uint64_t bound, before, after, commands_max = 10000000;
    const char *given = getenv("ALLOCDB_TEST_COMMANDS");

    if (given != NULL)
        commands_max = strtoull(given, NULL, 10);
    allocdb_options_init(&options, sizeof options);
    options.clock = ALLOCDB_CLOCK_HOST;
    options.sync = ALLOCDB_SYNC_OS;
    options.max_resources = 500000;
    options.max_reservations = 1000000;
    options.max_operations = 2000000;
    options.max_ttl_slots = 1000;
    options.operation_window_slots = 190;
    options.history_window_slots = 190;
    options.max_batch_commands = BATCH;
    CHECK_STATUS(ALLOCDB_OK, allocdb_memory_bound(&options, &bound, NULL));
    CHECK(bound >= UINT64_C(256) << 20);

    const char *directory = new_directory();
    malloc_trim(0);
    memset(outcomes, 1, sizeof outcomes);
    before = resident_bytes();
    db = open_database(directory, &options);
    memset(commands, 0, sizeof commands);
    for (uint64_t first = 1; first <= options.max_resources; first += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++) {
            commands[i].kind = ALLOCDB_COMMAND_CREATE_RESOURCE;
            commands[i].target_id = id_of(first + i);
        }
        submit();
        slot++;
    }
    cycle(options.max_resources, commands_max);
    after = resident_bytes();
    printf("    bound %llu MB, grew %llu MB (%llu %%) over %llu commands\n",
           (unsigned long long)(bound >> 20), (unsigned long long)((after - before) >> 20),
           (unsigned long long)((after - before) * 100 / bound), (unsigned long long)submitted);
    CHECK(after - before <= bound);
    CHECK((after - before) * 10 >= bound * 8);
    allocdb_close(&db);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(memory_stays_within_its_bound_and_uses_it),
    };

    return RUN_TESTS(tests);
}
