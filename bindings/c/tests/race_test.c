/*
 * race_test.c - closing while everybody is inside, from several threads, and calling afterwards.
 *
 * Laws: of several that close, through one variable or through copies, each hears OK and one does
 * it; the first to return knows that no call is under way, or that another is still closing;
 * every call that was let in has its answer, every later one, through whatever copy, E_CLOSED;
 * nobody waits for ever. What was acknowledged is there at the next opening. The log callback may
 * be slow, and calls of other threads that do not commit go on meanwhile.
 *
 * ALLOCDB_ROUNDS repeats what has to be met by chance.
 */
#define _GNU_SOURCE
#include "every_call.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { CALLERS = 16, CLOSERS = 3 };

static allocdb_error error;

/* ---- sixteen callers, three closers ---- */

static allocdb *volatile shared;
static allocdb *variable;
static pthread_barrier_t start;
static uint64_t calls_done[CALL_COUNT];
static uint64_t created, answered;

static void *calls_until_closed(void *argument)
{
    const uint64_t me = (uint64_t)(uintptr_t)argument;
    allocdb_status status;

    pthread_barrier_wait(&start);
    for (uint64_t i = me;; i += 7) {
        const int which = (int)(i % CALL_COUNT);

        /* A backup is slow, and tried elsewhere. */
        if (every_call[which].run == call_backup)
            continue;
        status = every_call[which].run(shared, NULL);
        if (status == ALLOCDB_E_CLOSED)
            break;
        if (!CHECK(is_sound(status)))
            break;
        __atomic_add_fetch(&calls_done[which], 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&answered, 1, __ATOMIC_RELAXED);
        if (me == 0 && every_call[which].run == call_create_resource)
            __atomic_store_n(&created, 1, __ATOMIC_RELAXED);
    }
    /* Once closed, closed for every call. */
    check_every_call(shared, ALLOCDB_E_CLOSED);
    return NULL;
}

/* Lets each caller in twice, so that every function is under way, and then a little more. */
static void wait_for_callers(useconds_t more)
{
    pthread_barrier_wait(&start);
    while (__atomic_load_n(&answered, __ATOMIC_RELAXED) < 2 * CALLERS)
        usleep(50);
    usleep(more);
}

static void *closes_a_copy(void *argument)
{
    allocdb *copy = shared;

    wait_for_callers((useconds_t)(uintptr_t)argument);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&copy));
    CHECK(copy == NULL);
    /* Whoever has closed, or has come too late to, finds it closed. */
    check_every_call(shared, ALLOCDB_E_CLOSED);
    return NULL;
}

static void *closes_the_variable(void *argument)
{
    (void)argument;
    wait_for_callers(300);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&variable));
    return NULL;
}

static void closing_among_callers_leaves_nobody_without_an_answer(void)
{
    for (int round = rounds(15); round > 0; round--) {
        allocdb_options options = small_options();
        const char *directory = new_directory();
        pthread_t threads[CALLERS + CLOSERS + 2];
        int count = 0;

        options.max_operations = 1 << 16;
        shared = variable = open_database(directory, &options);
        pthread_barrier_init(&start, NULL, CALLERS + CLOSERS + 2);
        for (uintptr_t i = 0; i < CALLERS; i++)
            pthread_create(&threads[count++], NULL, calls_until_closed, (void *)i);
        for (uintptr_t i = 0; i < CLOSERS; i++)
            pthread_create(&threads[count++], NULL, closes_a_copy, (void *)(i * 200));
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[count++], NULL, closes_the_variable, NULL);
        while (count > 0)
            pthread_join(threads[--count], NULL);
        CHECK(variable == NULL);
        pthread_barrier_destroy(&start);
        /* The closer that did it is back by now: the lock is free. */
        shared = open_database(directory, NULL);
        if (created)
            CHECK_STATUS(ALLOCDB_OK, call_get_resource(shared, &error));
        created = answered = 0;
        allocdb *last = shared;
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&last));
    }
    for (int i = 0; i < CALL_COUNT; i++)
        if (every_call[i].run != call_backup && !CHECK(calls_done[i] > 0))
            printf("    %s was never under way\n", every_call[i].name);
}

/* ---- a call that is inside for as long as the test likes ---- */

static bool is_inside, may_leave, has_closed;

static void stays_inside(void *context, uint32_t level, const char *text, size_t text_len)
{
    (void)context, (void)level, (void)text_len;
    if (strstr(text, "checkpoint") == NULL)
        return;
    __atomic_store_n(&is_inside, true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&may_leave, __ATOMIC_SEQ_CST))
        usleep(100);
}

static allocdb *open_that_stays(void)
{
    allocdb_options options = small_options();

    is_inside = may_leave = has_closed = false;
    options.log_function = stays_inside;
    options.log_level = ALLOCDB_LOG_INFO;
    return open_database(new_directory(), &options);
}

static void *takes_a_checkpoint(void *argument)
{
    CHECK(is_sound(call_create_resource(argument, NULL)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(argument, NULL));
    return NULL;
}

static void *closes(void *argument)
{
    allocdb *copy = argument;

    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&copy));
    __atomic_store_n(&has_closed, true, __ATOMIC_SEQ_CST);
    return NULL;
}

static void closing_waits_for_the_call_that_is_inside(void)
{
    allocdb *db = open_that_stays();
    pthread_t inside, closer;

    /* The bug that this is to notice may leave somebody waiting for ever. */
    alarm(60);
    pthread_create(&inside, NULL, takes_a_checkpoint, db);
    while (!__atomic_load_n(&is_inside, __ATOMIC_SEQ_CST))
        usleep(100);
    if (plant_here()) {
        closes(db);
    } else {
        pthread_create(&closer, NULL, closes, db);
        /* The closer has closed the door, and waits. */
        while (call_get_resource(db, NULL) != ALLOCDB_E_CLOSED)
            usleep(100);
        CHECK(!__atomic_load_n(&has_closed, __ATOMIC_SEQ_CST));
        /* A second closer does not wait: it has nothing to close. */
        allocdb *copy = db;
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&copy));
        CHECK(!__atomic_load_n(&has_closed, __ATOMIC_SEQ_CST));
    }
    __atomic_store_n(&may_leave, true, __ATOMIC_SEQ_CST);
    pthread_join(inside, NULL);
    pthread_join(closer, NULL);
    CHECK(has_closed);
    alarm(0);
}

/* What needs no commit goes on while a callback does not return. */
static void a_slow_callback_holds_up_no_read(void)
{
    allocdb *db = open_that_stays();
    pthread_t inside;

    alarm(60);
    pthread_create(&inside, NULL, takes_a_checkpoint, db);
    while (!__atomic_load_n(&is_inside, __ATOMIC_SEQ_CST))
        usleep(100);
    for (int i = 0; i < CALL_COUNT; i++) {
        static allocdb_status (*const free_of_commits[])(allocdb *, allocdb_error *) = {
            call_configuration, call_recovery_report_get, call_get_resource, call_get_reservation,
            call_get_operation, call_list_resources, call_list_reservations, call_refresh,
            call_health_get, call_metrics_text, call_log_read, call_response_bound,
        };

        for (size_t f = 0; f < sizeof free_of_commits / sizeof free_of_commits[0]; f++)
            if (free_of_commits[f] == every_call[i].run)
                CHECK(is_sound(every_call[i].run(db, &error)));
    }
    CHECK(is_inside);
    __atomic_store_n(&may_leave, true, __ATOMIC_SEQ_CST);
    pthread_join(inside, NULL);
    alarm(0);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

/* ---- from inside the callback ---- */

static int called_back;

static void calls_everything(void *context, uint32_t level, const char *text, size_t text_len)
{
    allocdb *db = *(allocdb **)context, *copy = db;
    allocdb_id id;
    char uuid[37];

    (void)level, (void)text, (void)text_len;
    if (db == NULL)
        return;
    check_every_call(db, ALLOCDB_E_REENTRANT);
    CHECK_STATUS(ALLOCDB_E_REENTRANT, allocdb_close(&copy));
    CHECK(copy == db);
    /* But for what is callable from anywhere. */
    CHECK_STATUS(ALLOCDB_OK, allocdb_id_from_name("seat", 4, &id, NULL));
    allocdb_id_format(id, uuid);
    CHECK(allocdb_version_number() > 0);
    called_back++;
}

static void every_call_from_the_callback_is_refused(void)
{
    allocdb *db = NULL, *other = open_small();
    allocdb_options options = small_options();

    options.log_function = calls_everything;
    options.log_context = &db;
    options.log_level = ALLOCDB_LOG_INFO;
    /* On its own handle, and on another one's. */
    for (int turn = 0; turn < 2; turn++) {
        db = NULL;
        allocdb *own = open_database(new_directory(), &options);

        db = turn == 0 ? own : other;
        CHECK(is_sound(call_create_resource(own, &error)));
        CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(own, &error));
        CHECK(is_sound(call_backup(own, &error)));
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&own));
    }
    CHECK(called_back >= 5);
    CHECK(is_sound(call_create_resource(other, &error)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&other));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(closing_waits_for_the_call_that_is_inside),
        TEST(a_slow_callback_holds_up_no_read),
        TEST(every_call_from_the_callback_is_refused),
        TEST(closing_among_callers_leaves_nobody_without_an_answer),
    };

    return RUN_TESTS(tests);
}
