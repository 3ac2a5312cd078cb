/*
 * threads_test.c - 64 threads on one handle: one resource, one winner a round, and commits shared.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 64, ROUNDS = 100 };

static allocdb *db;
static pthread_barrier_t barrier;
static allocdb_id winner;
static int winners, losers, others;

static void *races(void *argument)
{
    uint64_t me = (uint64_t)(uintptr_t)argument + 1;

    (void)plant_here();
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        allocdb_outcome outcome;

        pthread_barrier_wait(&barrier);
        allocdb_status status =
            allocdb_reserve(db, round, next_operation(), id_of(1), id_of(me), 1000, &outcome, NULL);
        if (status == ALLOCDB_OK && outcome.code == ALLOCDB_DONE) {
            __atomic_add_fetch(&winners, 1, __ATOMIC_RELAXED);
            winner = outcome.reservation_id;
        } else if (status == ALLOCDB_OK && outcome.code == ALLOCDB_RESOURCE_BUSY) {
            __atomic_add_fetch(&losers, 1, __ATOMIC_RELAXED);
        } else {
            __atomic_add_fetch(&others, 1, __ATOMIC_RELAXED);
        }
        pthread_barrier_wait(&barrier);
        if (me == 1) {
            allocdb_reservation reservation;

            CHECK_EQUAL(round, (uint64_t)winners);
            CHECK_STATUS(ALLOCDB_OK,
                         allocdb_get_reservation(db, 0, winner, &reservation, NULL, 0, NULL, NULL));
            CHECK_STATUS(ALLOCDB_OK, allocdb_release(db, round, next_operation(), winner,
                                                     reservation.holder_id, &outcome, NULL));
            CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
        }
    }
    return NULL;
}

static void one_of_64_wins_each_round(void)
{
    allocdb_options options = small_options();
    pthread_t threads[THREADS];
    allocdb_outcome outcome;
    allocdb_health health = {.struct_size = sizeof health};

    options.max_operations = 16384;
    options.max_reservations = 1024;
    db = open_database(new_directory(), &options);
    pthread_barrier_init(&barrier, NULL, THREADS);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, NULL));
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, races, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(ROUNDS, winners);
    CHECK_EQUAL(ROUNDS * (THREADS - 1), losers);
    CHECK_EQUAL(0, others);
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 1, &health, NULL));
    CHECK_EQUAL(1 + ROUNDS * (THREADS + 1), health.record_count);
    CHECK(health.commit_count < health.record_count / 2);
    CHECK_EQUAL(health.commit_count, health.sync_count);
    printf("    %llu commands in %llu commits\n", (unsigned long long)health.record_count,
           (unsigned long long)health.commit_count);
    allocdb_close(&db);
}

/* ---- readers beside writers ---- */

static bool stop;
static uint64_t reads;

static void *reads_on(void *argument)
{
    uint64_t seen = 0;

    (void)argument;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        allocdb_resource row;
        allocdb_health health = {.struct_size = sizeof health};

        CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, seen, id_of(1), &row, NULL));
        CHECK((row.state == ALLOCDB_RESOURCE_STATE_AVAILABLE) == (row.holder_id.lo == 0));
        CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &health, NULL));
        CHECK(health.last_lsn >= seen);
        seen = health.last_lsn;
        __atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *holds_and_releases(void *argument)
{
    allocdb_outcome outcome;

    for (uint64_t i = 0; i < 200; i++) {
        allocdb_id holder = id_of((uint64_t)(uintptr_t)argument + 1);

        if (allocdb_reserve(db, 1 + i, next_operation(), id_of(1), holder, 1000, &outcome, NULL) ||
            outcome.code != ALLOCDB_DONE)
            continue;
        CHECK_STATUS(ALLOCDB_OK, allocdb_release(db, 1 + i, next_operation(),
                                                 outcome.reservation_id, holder, &outcome, NULL));
    }
    return NULL;
}

static void reads_go_on_beside_commits_and_checkpoints(void)
{
    allocdb_options options = small_options();
    pthread_t readers[4], writers[8];
    allocdb_outcome outcome;

    options.max_operations = 16384;
    options.max_reservations = 4096;
    db = open_database(new_directory(), &options);
    (void)!allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, NULL);
    stop = false;
    for (int i = 0; i < 4; i++)
        pthread_create(&readers[i], NULL, reads_on, NULL);
    for (uintptr_t i = 0; i < 8; i++)
        pthread_create(&writers[i], NULL, holds_and_releases, (void *)i);
    for (int i = 0; i < 10; i++)
        CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(db, NULL));
    for (int i = 0; i < 8; i++)
        pthread_join(writers[i], NULL);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        pthread_join(readers[i], NULL);
    CHECK(reads > 0);
    allocdb_close(&db);
}

/* A thread that is cancelled inside a call finishes the call first. */
static void *commits_for_ever(void *argument)
{
    allocdb_outcome outcome;

    (void)argument;
    for (uint64_t i = 1;; i++) {
        (void)!allocdb_delete_resource(db, i, next_operation(), id_of(i), &outcome, NULL);
        pthread_testcancel();
    }
    return NULL;
}

static void cancelling_a_thread_harms_no_commit(void)
{
    allocdb_outcome outcome;

    db = open_small();
    for (int round = 0; round < 20; round++) {
        pthread_t threads[4];

        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, commits_for_ever, NULL);
        for (volatile int i = 0; i < 1000000; i++)
            ;
        for (int i = 0; i < 4; i++)
            pthread_cancel(threads[i]);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
    allocdb_health health = {.struct_size = sizeof health};
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &health, NULL));
    CHECK_EQUAL(1, health.is_accepting_writes);
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, health.last_slot + 200, next_operation(),
                                                     id_of(1), &outcome, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(one_of_64_wins_each_round),
        TEST(reads_go_on_beside_commits_and_checkpoints),
        TEST(cancelling_a_thread_harms_no_commit),
    };

    return RUN_TESTS(tests);
}
