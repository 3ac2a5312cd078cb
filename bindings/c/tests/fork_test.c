/*
 * fork_test.c - a host that forks, at any moment, as often as it likes.
 *
 * Laws: every call on an inherited handle answers E_FORKED, and after closing it there E_CLOSED;
 * the child's closing touches no file and no lock, neither the parent's nor one of the child's
 * own; the lock ends with the parent, whoever of its children is left; the parent goes on as if
 * nothing had been. None of it depends on what other threads were doing at the fork.
 *
 * ALLOCDB_ROUNDS repeats what has to be met by chance.
 */
#define _GNU_SOURCE
#include "every_call.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static allocdb_error error;
static bool stop;

static void every_call_is_forked_then_closed(void *argument)
{
    allocdb *db = argument, *copy = db;

    check_every_call(db, ALLOCDB_E_FORKED);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    check_every_call(copy, ALLOCDB_E_CLOSED);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&copy));
}

static void every_call_in_a_child_is_refused(void)
{
    allocdb *db = open_small();

    in_child(every_call_is_forked_then_closed, db);
    for (int i = 0; i < CALL_COUNT; i++)
        CHECK(is_sound(every_call[i].run(db, &error)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

static void in_a_grandchild(void *argument)
{
    in_child(every_call_is_forked_then_closed, argument);
    check_every_call(argument, ALLOCDB_E_FORKED);
}

static void a_grandchild_is_refused_too(void)
{
    allocdb *db = open_small();

    in_child(in_a_grandchild, db);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

/*
 * Regression: the registry of locks knew a descriptor by its number alone. A child closes its copy
 * of the parent's lock; its own database's lock may then get the very number, in the very place,
 * and closing the inherited handle closed it: the child's database stood open without a lock.
 */
static void owns_another(void *argument)
{
    allocdb *inherited = argument, *mine, *second;
    const char *directory = new_directory();
    allocdb_options options = small_options();

    /* As a daemon does; the directory's descriptor goes here, and the lock's where it was. */
    close(0);
    mine = open_database(directory, &options);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&inherited));
    CHECK_STATUS(ALLOCDB_E_LOCKED, allocdb_open(directory, &options, &second, &error));
    CHECK(is_sound(call_create_resource(mine, &error)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&mine));
}

static void closing_an_inherited_handle_leaves_the_child_s_own_lock(void)
{
    allocdb *db = open_small();

    in_child(owns_another, db);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

/* ---- whose lock it is ---- */

static void opens_and_leaves_a_child_behind(const char *directory, int said)
{
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options);
    pid_t child = fork();

    if (child == 0) {
        /* Told by the child itself: before it has run, its copy of the lock is as it was. */
        child = getpid();
        CHECK(write(said, &child, sizeof child) == sizeof child);
        /* Holds every descriptor that it has inherited until it is killed. */
        for (;;)
            pause();
    }
    /* Dies without closing. */
    kill(getpid(), SIGKILL);
    (void)db;
}

static void a_child_that_lives_on_does_not_keep_a_dead_parent_s_lock(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *db;
    pid_t parent, child = 0;
    int said[2];

    CHECK(pipe(said) == 0);
    parent = fork();
    if (parent == 0)
        opens_and_leaves_a_child_behind(directory, said[1]);
    CHECK(read(said[0], &child, sizeof child) == sizeof child);
    CHECK(waitpid(parent, NULL, 0) == parent);
    CHECK(kill(child, 0) == 0);
    CHECK_STATUS(ALLOCDB_OK, allocdb_open(directory, &options, &db, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    kill(child, SIGKILL);
    close(said[0]);
    close(said[1]);
}

static void is_locked_for(void *argument)
{
    allocdb_options options = small_options();
    allocdb *db;

    CHECK_STATUS(ALLOCDB_E_LOCKED, allocdb_open(argument, &options, &db, &error));
}

/* A child that exits, closes, or runs another program leaves the parent's lock where it is. */
static void leaves_by_exec(void *argument)
{
    (void)argument;
    execl("/bin/true", "true", (char *)NULL);
    CHECK(!"exec works");
}

static void does_nothing(void *argument)
{
    (void)argument;
}

static void closes(void *argument)
{
    allocdb *db = argument;

    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

static void a_child_s_end_leaves_the_parent_s_lock(void)
{
    void (*const ways[])(void *) = {does_nothing, closes, leaves_by_exec};
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options);

    for (int i = 0; i < 3; i++) {
        in_child(ways[i], db);
        in_child(is_locked_for, (void *)directory);
        CHECK(is_sound(call_create_resource(db, &error)));
    }
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

/* ---- at any moment ---- */

static allocdb *shared;

static void *commits(void *argument)
{
    uint64_t *count = argument;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        if (is_sound(every_call[*count % 2 ? 11 : 2].run(shared, NULL)))
            ++*count;
    return NULL;
}

static void *takes_checkpoints(void *argument)
{
    (void)argument;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        (void)!call_create_resource(shared, NULL);
        CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(shared, NULL));
    }
    return NULL;
}

static void *opens_and_closes(void *argument)
{
    allocdb_options options = small_options();

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        allocdb *db = open_database(argument, &options);

        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    }
    return NULL;
}

/* Closes handles that many threads are in: where closers wait, and callers wake them. */
static void *closes_among_callers(void *argument)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        allocdb *db = open_database(argument, &(allocdb_options[1]){small_options()}[0]);

        for (int i = 0; i < 50; i++)
            (void)!call_get_resource(db, NULL);
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    }
    return NULL;
}

/* In the child: the whole life of a database of its own, then the inherited handle. */
static void lives_on(void *argument)
{
    allocdb *mine;

    /* A child that waits for a thread that it does not have would wait for ever. */
    alarm(20);
    CHECK_STATUS(ALLOCDB_E_FORKED, call_create_resource(shared, &error));
    mine = open_database(argument, &(allocdb_options[1]){small_options()}[0]);
    CHECK(is_sound(call_create_resource(mine, &error)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&mine));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&shared));
}

static void a_fork_at_any_moment_harms_neither(void)
{
    allocdb_options options = small_options();
    const char *directory = new_directory(), *childs = new_directory();
    uint64_t counts[2] = {0, 1}, forks = 0;
    int before = failed_checks();
    pthread_t threads[5];

    options.max_operations = 1 << 18;
    shared = open_database(directory, &options);
    stop = false;
    pthread_create(&threads[0], NULL, commits, &counts[0]);
    pthread_create(&threads[1], NULL, commits, &counts[1]);
    pthread_create(&threads[2], NULL, takes_checkpoints, NULL);
    pthread_create(&threads[3], NULL, opens_and_closes, (void *)new_directory());
    pthread_create(&threads[4], NULL, closes_among_callers, (void *)new_directory());
    for (int i = rounds(60); i > 0 && failed_checks() == before; i--, forks++)
        in_child(lives_on, (void *)childs);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    CHECK(counts[0] > 0 && counts[1] > 1);
    CHECK(is_sound(call_create_resource(shared, &error)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&shared));
    printf("    %llu forks beside %llu commits\n", (unsigned long long)forks,
           (unsigned long long)(counts[0] + counts[1] - 1));
}

/* ---- from the log callback ---- */

static int forked_in_callback;

static void forks_in_callback(void *context, uint32_t level, const char *text, size_t text_len)
{
    int state = -1;
    pid_t child;

    (void)level, (void)text, (void)text_len;
    child = fork();
    if (child == 0)
        _exit(context != NULL ? 0 : 1);
    CHECK(waitpid(child, &state, 0) == child && state == 0);
    forked_in_callback++;
}

static void the_log_callback_may_fork(void)
{
    allocdb_options options = small_options();
    allocdb *db;

    options.log_function = forks_in_callback;
    options.log_context = &options;
    options.log_level = ALLOCDB_LOG_INFO;
    db = open_database(new_directory(), &options);
    CHECK(is_sound(call_create_resource(db, &error)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(db, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    CHECK(forked_in_callback >= 3);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(every_call_in_a_child_is_refused),
        TEST(a_grandchild_is_refused_too),
        TEST(closing_an_inherited_handle_leaves_the_child_s_own_lock),
        TEST(a_child_that_lives_on_does_not_keep_a_dead_parent_s_lock),
        TEST(a_child_s_end_leaves_the_parent_s_lock),
        TEST(a_fork_at_any_moment_harms_neither),
        TEST(the_log_callback_may_fork),
    };

    return RUN_TESTS(tests);
}
