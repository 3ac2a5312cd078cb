/*
 * exit_test.c - before main and after it: constructors, exit handlers, and threads that are still
 * inside when the process ends.
 *
 * Laws: the library has neither constructors nor destructors that a call would depend on, so it
 * works in those of the host; exit, quick_exit and _exit end a process whatever its threads are
 * in, and lose nothing that was acknowledged; a handle that nobody closes harms nobody.
 *
 * ALLOCDB_ROUNDS repeats what has to be met by chance.
 */
#define _GNU_SOURCE
#include "every_call.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static allocdb_error error;
static allocdb *early, *late, *left_open;
static allocdb_status early_status = -1;

__attribute__((constructor)) static void opens_before_main(void)
{
    early = open_small();
    early_status = call_create_resource(early, NULL);
}

static void create(allocdb *db, uint64_t number)
{
    allocdb_outcome outcome;

    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 1, operation_of(number), id_of(number),
                                                     &outcome, &error));
}

/* Not in the programs that are tried here, where nothing is left open for it. */
__attribute__((destructor)) static void commits_after_everything(void)
{
    if (left_open != NULL)
        create(left_open, 3);
}

static void what_a_constructor_opens_is_open_in_main(void)
{
    CHECK_STATUS(ALLOCDB_OK, early_status);
    CHECK(is_sound(call_get_resource(early, &error)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&early));
}

static void commits_and_closes_at_exit(void)
{
    create(late, 2);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&late));
    if (failed_checks() != 0)
        _exit(9);
}

/* Runs in a child that ends by its own way of leaving. */
static int state_of(void (*run)(const char *), const char *directory)
{
    int state = -1;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(30);
        run(directory);
        _exit(8);
    }
    CHECK(waitpid(child, &state, 0) == child);
    return state;
}

static void leaves_work_for_the_end(const char *directory)
{
    atexit(commits_and_closes_at_exit);
    allocdb_options options = small_options();
    late = open_database(path_in(directory, "late"), &options);
    left_open = open_database(path_in(directory, "left"), &options);
    create(late, 1);
    create(left_open, 1);
    exit(0);
}

static void exit_handlers_may_commit_and_close(void)
{
    const char *directory = new_directory();
    allocdb_resource row;
    allocdb *db;

    CHECK_EQUAL(0, state_of(leaves_work_for_the_end, directory));
    db = open_database(path_in(directory, "late"), NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(1), &row, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(2), &row, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    db = open_database(path_in(directory, "left"), NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(1), &row, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(3), &row, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

/* ---- with threads inside ---- */

static volatile uint64_t *acknowledged;
static allocdb *busy;
static int way;

static void *commits_to_the_end(void *argument)
{
    const uint64_t me = (uint64_t)(uintptr_t)argument;

    for (uint64_t i = 1;; i++) {
        allocdb_outcome outcome;
        const uint64_t number = i * 4 + me;

        if (allocdb_create_resource(busy, 1, operation_of(number), id_of(number), &outcome, NULL))
            return NULL;
        acknowledged[me] = number;
    }
}

static void leaves_in_the_middle(const char *directory)
{
    allocdb_options options = small_options();
    pthread_t threads[4];

    options.max_resources = options.max_operations = 1 << 16;
    busy = open_database(directory, &options);
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, commits_to_the_end, (void *)i);
    for (int i = 0; i < 4; i++)
        while (acknowledged[i] < 20)
            usleep(50);
    if (way == 0)
        exit(0);
    if (way == 1)
        quick_exit(0);
    _exit(0);
}

static void a_process_may_end_with_threads_inside(void)
{
    acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int round = rounds(4); round > 0; round--)
        for (way = 0; way < 3; way++) {
            const char *directory = new_directory();

            for (int i = 0; i < 4; i++)
                acknowledged[i] = 0;
            CHECK_EQUAL(0, state_of(leaves_in_the_middle, directory));
            allocdb *db = open_database(directory, NULL);
            for (uint64_t me = 0; me < 4; me++)
                for (uint64_t number = 4 + me; number <= acknowledged[me]; number += 4) {
                    allocdb_resource row;

                    CHECK_STATUS(ALLOCDB_OK,
                                 allocdb_get_resource(db, 0, id_of(number), &row, NULL));
                }
            CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
        }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(what_a_constructor_opens_is_open_in_main),
        TEST(exit_handlers_may_commit_and_close),
        TEST(a_process_may_end_with_threads_inside),
    };

    return RUN_TESTS(tests);
}
