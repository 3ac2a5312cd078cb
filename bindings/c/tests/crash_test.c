/*
 * crash_test.c - kill -9 in the middle of commits, and open again: what was acknowledged is there,
 * exactly once, and a retry of what was not is answered.
 */
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 30 };

/* What the child has been told, in memory that outlives it. */
static volatile uint64_t *acknowledged;

static allocdb *open_large(const char *directory)
{
    allocdb_options options = small_options();

    options.max_resources = 100000;
    options.max_operations = 200000;
    options.checkpoint_wal_bytes = 256 << 10;
    return open_database(directory, &options);
}

static void commits_until_killed(const char *directory, uint64_t first)
{
    allocdb *db = open_large(directory);

    for (uint64_t i = first;; i++) {
        allocdb_outcome outcome;

        if (allocdb_create_resource(db, 1, operation_of(i), id_of(i), &outcome, NULL) !=
                ALLOCDB_OK ||
            (outcome.code != ALLOCDB_DONE && outcome.from_retry_cache == 0))
            _exit(1);
        *acknowledged = i;
    }
}

static void what_was_acknowledged_survives_kill_9(void)
{
    const char *directory = new_directory();
    uint64_t torn = 0;

    acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t first = *acknowledged + 1;
        uint64_t enough = first + (uint64_t)(rand() % 300),
                 patience = now_ns() + UINT64_C(10000000000);
        struct timespec pause = {0, rand() % 300000};
        int state;
        pid_t child = fork();

        if (child == 0)
            commits_until_killed(directory, first);
        do
            nanosleep(&pause, NULL);
        while (*acknowledged < enough && now_ns() < patience);
        kill(child, SIGKILL);
        waitpid(child, &state, 0);
        CHECK(WIFSIGNALED(state));

        allocdb *db = open_large(directory);
        allocdb_health health = {.struct_size = sizeof health};
        allocdb_recovery_report report = {.struct_size = sizeof report};
        allocdb_resource row;
        uint64_t told = *acknowledged;

        CHECK_STATUS(ALLOCDB_OK, allocdb_recovery_report_get(db, &report, NULL));
        torn += report.torn_bytes != 0;
        for (uint64_t i = first; i <= told; i++)
            CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(i), &row, NULL));
        CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &health, NULL));
        /* At most the one that was under way is there beyond what was told. */
        CHECK(health.resources.used_count == told || health.resources.used_count == told + 1);
        CHECK_EQUAL(health.last_lsn, health.resources.used_count);
        allocdb_close(&db);
    }
    printf("    %llu commits in %d lives, %llu torn tails\n", (unsigned long long)*acknowledged,
           ROUNDS, (unsigned long long)torn);
    CHECK(*acknowledged > ROUNDS);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(what_was_acknowledged_survives_kill_9),
    };

    return RUN_TESTS(tests);
}
