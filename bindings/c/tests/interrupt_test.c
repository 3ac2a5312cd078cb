/*
 * interrupt_test.c - what a host does to its threads while they are inside: cancels them, sends
 * them signals without end, gives them hardly any stack, ends them.
 *
 * Laws: a call on a cancelled thread finishes and answers, and the thread ends at the host's own
 * next cancellation point; a call that handlers interrupt goes on, as if nothing had been; every
 * call but opening fits a thread of 64 KiB, and opening one of 128 KiB; a thread's destructors
 * may call. Where a call is out of contract it is said here: asynchronous cancellation (a library
 * cannot be written for it), siglongjmp out of a handler or longjmp out of a callback that
 * interrupted a call, and calls from signal handlers.
 *
 * ALLOCDB_ROUNDS repeats what has to be met by chance.
 */
#define _GNU_SOURCE
#include "every_call.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

static allocdb_error error;
static allocdb *db;

/* What is not in the table: opening, closing, and what needs no handle. */
static allocdb_status opens_and_closes(allocdb *unused, allocdb_error *story)
{
    allocdb_options options = small_options();
    allocdb *mine;
    allocdb_status status = allocdb_open(new_directory(), &options, &mine, story);

    (void)unused;
    return status != ALLOCDB_OK ? status : allocdb_close(&mine);
}

static allocdb_status opens_what_is_there(allocdb *unused, allocdb_error *story)
{
    static const char *directory;
    allocdb_options options = small_options();
    allocdb *mine;
    allocdb_status status;

    (void)unused;
    if (directory == NULL)
        directory = new_directory();
    status = allocdb_open(directory, &options, &mine, story);
    for (int i = 0; status == ALLOCDB_OK && i < 3; i++) {
        status = call_create_resource(mine, story);
        if (status == ALLOCDB_OK)
            status = allocdb_checkpoint(mine, story);
    }
    if (status != ALLOCDB_OK)
        return status;
    status = allocdb_close(&mine);
    if (status != ALLOCDB_OK)
        return status;
    options.flags = ALLOCDB_OPEN_READ_ONLY;
    status = allocdb_open(directory, &options, &mine, story);
    return status != ALLOCDB_OK ? status : allocdb_close(&mine);
}

static allocdb_status fails_to_open(allocdb *unused, allocdb_error *story)
{
    allocdb_options options = small_options();
    allocdb *mine;
    const char *directory = new_directory();
    const char *file = path_in(directory, "wal.adb");
    FILE *out = fopen(file, "w");

    (void)unused;
    fputs("not a log", out);
    fclose(out);
    return allocdb_open(directory, &options, &mine, story) == ALLOCDB_OK;
}

static const struct call others[] = {
    {"open", opens_and_closes},
    {"open again", opens_what_is_there},
    {"open damaged", fails_to_open},
};
enum { OTHER_COUNT = sizeof others / sizeof others[0], ALL_COUNT = CALL_COUNT + OTHER_COUNT };

static const struct call *call_at(int index)
{
    return index < CALL_COUNT ? &every_call[index] : &others[index - CALL_COUNT];
}

/* ---- cancellation ---- */

struct trial {
    const struct call *call;
    allocdb_status status;
    bool has_returned, is_past_the_end;
};

static void *calls_cancelled(void *argument)
{
    struct trial *trial = argument;
    int before;
    allocdb_error story;

    (void)plant_here();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_cancel(pthread_self());
    /* What the test itself does in there, making directories, must not be where it ends. */
    const char *directory = new_directory();
    (void)directory;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    trial->status = trial->call->run(db, &story);
    trial->has_returned = true;
    pthread_testcancel();
    trial->is_past_the_end = true;
    return NULL;
}

/*
 * Regression: descriptors that opening, failing to open and closing let go of were closed with
 * cancellation on; close(2) is a cancellation point, and the thread was unwound out of the library.
 */
static void a_cancelled_thread_finishes_whatever_call_it_is_in(void)
{
    for (int i = 0; i < CALL_COUNT; i++) {
        struct trial trial = {.call = &every_call[i], .status = -1};
        pthread_t thread;
        void *result;

        /* backup makes a directory first, which is the test's own cancellation point. */
        if (trial.call->run == call_backup)
            continue;
        pthread_create(&thread, NULL, calls_cancelled, &trial);
        pthread_join(thread, &result);
        if (!CHECK(trial.has_returned))
            printf("    cancelled inside of %s\n", trial.call->name);
        CHECK(is_sound(trial.status));
        CHECK(!trial.is_past_the_end && result == PTHREAD_CANCELED);
    }
}

static const char *path_for_cancelled;
static unsigned flags_for_cancelled;
static allocdb_status expected_of_cancelled;

static void *opens_cancelled(void *argument)
{
    bool *has_returned = argument;
    allocdb_options options = small_options();
    allocdb *mine = NULL;
    allocdb_status status;
    int before;

    options.flags = flags_for_cancelled;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    status = allocdb_open(path_for_cancelled, &options, &mine, NULL);
    if (status == ALLOCDB_OK)
        status = allocdb_close(&mine);
    *has_returned = status == expected_of_cancelled;
    pthread_testcancel();
    return NULL;
}

static void check_open_cancelled(const char *path, unsigned flags, allocdb_status expected)
{
    bool has_returned = false;
    pthread_t thread;
    void *result;

    path_for_cancelled = path;
    flags_for_cancelled = flags;
    expected_of_cancelled = expected;
    pthread_create(&thread, NULL, opens_cancelled, &has_returned);
    pthread_join(thread, &result);
    if (!CHECK(has_returned && result == PTHREAD_CANCELED))
        printf("    open with flags %x, to be %s\n", flags, allocdb_status_name(expected));
}

static void *backs_up_cancelled(void *argument)
{
    int before;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    *(bool *)argument = allocdb_backup(db, path_for_cancelled, NULL) == ALLOCDB_OK;
    pthread_testcancel();
    return NULL;
}

static void a_cancelled_thread_finishes_opening_and_closing(void)
{
    const char *directory = new_directory(), *copy = path_in(new_directory(), "copy");
    allocdb_options options = small_options();
    bool has_returned = false;
    pthread_t thread;
    void *result;

    check_open_cancelled(directory, 0, ALLOCDB_OK);
    allocdb *mine = open_database(directory, &options);
    for (int i = 0; i < 3; i++) {
        CHECK(is_sound(call_create_resource(mine, &error)));
        CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(mine, &error));
    }
    check_open_cancelled(directory, 0, ALLOCDB_E_LOCKED);
    check_open_cancelled(directory, ALLOCDB_OPEN_READ_ONLY, ALLOCDB_OK);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&mine));
    check_open_cancelled(directory, 0, ALLOCDB_OK);
    check_open_cancelled(directory, ALLOCDB_OPEN_NEW, ALLOCDB_E_EXISTS);
    flip_byte(path_in(directory, "wal.adb"), 20);
    check_open_cancelled(directory, 0, ALLOCDB_E_CORRUPT);
    check_open_cancelled(directory, ALLOCDB_OPEN_READ_ONLY, ALLOCDB_E_CORRUPT);
    path_for_cancelled = copy;
    pthread_create(&thread, NULL, backs_up_cancelled, &has_returned);
    pthread_join(thread, &result);
    CHECK(has_returned && result == PTHREAD_CANCELED);
}

/* ---- signals ---- */

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms = alarms + 1;
}

/* Whatever can be interrupted is, over and over: no handler restarts a system call. */
static void storm(bool is_on)
{
    const char *text = getenv("ALLOCDB_PAUSE_US");
    const suseconds_t pause_us = !is_on ? 0 : text != NULL ? atoi(text) : 50;
    const struct itimerval pause = {{0, pause_us}, {0, pause_us}};
    struct sigaction action = {.sa_handler = on_alarm};

    sigaction(SIGALRM, &action, NULL);
    CHECK(setitimer(ITIMER_REAL, &pause, NULL) == 0);
}

static void *calls_all(void *argument)
{
    for (int i = 0; i < CALL_COUNT; i++)
        if (every_call[i].run != call_backup &&
            !CHECK(is_sound(every_call[i].run(argument, &error))))
            printf("    %s: %s\n", every_call[i].name, error.message);
    return NULL;
}

static void a_storm_of_signals_changes_no_answer(void)
{
    pthread_t threads[4];
    int before = alarms;

    storm(true);
    for (int i = rounds(8); i > 0; i--) {
        allocdb_options options = small_options();

        /* Anew: the test's directories are used again after a while, whoever is still in one. */
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
        options.max_operations = 1 << 17;
        db = open_database(new_directory(), &options);
        for (int t = 0; t < 4; t++)
            pthread_create(&threads[t], NULL, calls_all, db);
        for (int o = 0; o < OTHER_COUNT; o++)
            CHECK(is_sound(others[o].run(NULL, &error)));
        CHECK(is_sound(call_backup(db, &error)));
        for (int t = 0; t < 4; t++)
            pthread_join(threads[t], NULL);
    }
    storm(false);
    CHECK(alarms > before + (getenv("ALLOCDB_PAUSE_US") != NULL ? 0 : 100));
    printf("    %d signals\n", (int)alarms - before);
}

/* ---- small stacks ---- */

enum { STACK_BYTES = 256 << 10 };

struct depth {
    const struct call *call;
    unsigned char *bottom;
    size_t used;
};

static void *calls_on_painted_stack(void *argument)
{
    struct depth *depth = argument;
    allocdb_error story;
    unsigned char *here = (unsigned char *)__builtin_frame_address(0);

    memset(depth->bottom, 0xA5, (size_t)(here - depth->bottom) - 512);
    CHECK(is_sound(depth->call->run(db, &story)));
    size_t untouched = 0;
    while (depth->bottom[untouched] == 0xA5)
        untouched++;
    depth->used = (size_t)(here - depth->bottom) - untouched;
    return NULL;
}

static size_t depth_of(const struct call *call)
{
    struct depth depth = {.call = call};
    pthread_attr_t attributes;
    pthread_t thread;

    depth.bottom = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstack(&attributes, depth.bottom, STACK_BYTES) == 0);
    CHECK(pthread_create(&thread, &attributes, calls_on_painted_stack, &depth) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    munmap(depth.bottom, STACK_BYTES);
    return depth.used;
}

static void calls_need_little_stack(void)
{
    if (IS_SANITIZED || getenv("ALLOCDB_PAUSE_US") != NULL) {
        skip("a tool's frames are larger, or it minds the paint below the stack");
        return;
    }
    size_t deepest[2] = {0, 0};
    const char *names[2] = {"", ""};

    for (int i = 0; i < ALL_COUNT; i++) {
        const struct call *call = call_at(i);
        /* Opening allocates everything and may replay: it is measured by itself. */
        const int kind = i >= CALL_COUNT;
        /* The second time: the first one is the dynamic linker's. */
        (void)depth_of(call);
        /* Something new, or a checkpoint would have nothing to write. */
        if (kind == 0)
            CHECK(is_sound(call_create_resource(db, &error)));
        size_t used = depth_of(call);

        if (getenv("ALLOCDB_VERBOSE") != NULL)
            printf("    %-20s %zu\n", call->name, used);
        if (used > deepest[kind]) {
            deepest[kind] = used;
            names[kind] = call->name;
        }
    }
    printf("    deepest stack: %s %zu, %s %zu bytes\n", names[0], deepest[0], names[1], deepest[1]);
    CHECK(deepest[0] > 100 && deepest[1] > 100);
    /* Room is left for the thread's own and for what other compilers make of it. */
    CHECK(deepest[0] < 56 << 10);
    CHECK(deepest[1] < 112 << 10);
}

static void *calls_each(void *argument)
{
    const bool opens = argument != NULL;

    for (int i = opens ? CALL_COUNT : 0; i < (opens ? ALL_COUNT : CALL_COUNT); i++)
        CHECK(is_sound(call_at(i)->run(db, &error)));
    return NULL;
}

static void small_threads_can_do_everything(void)
{
    if (IS_SANITIZED) {
        skip("a sanitizer's frames are larger");
        return;
    }
    for (int opens = 0; opens <= 1; opens++) {
        pthread_attr_t attributes;
        pthread_t thread;

        pthread_attr_init(&attributes);
        CHECK(pthread_attr_setstacksize(&attributes, (size_t)(64 << opens) << 10) == 0);
        CHECK(pthread_create(&thread, &attributes, calls_each, opens ? &opens : NULL) == 0);
        pthread_join(thread, NULL);
        pthread_attr_destroy(&attributes);
    }
}

/* ---- the end of a thread ---- */

static pthread_key_t key;
static int destroyed;

static void calls_at_the_end(void *value)
{
    CHECK(is_sound(call_create_resource(value, NULL)));
    CHECK(is_sound(call_get_resource(value, NULL)));
    destroyed++;
}

static void *leaves_it_to_the_end(void *argument)
{
    pthread_setspecific(key, argument);
    return NULL;
}

static void a_thread_s_destructors_may_call(void)
{
    pthread_t thread;

    pthread_key_create(&key, calls_at_the_end);
    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, leaves_it_to_the_end, db);
        pthread_join(thread, NULL);
    }
    CHECK_EQUAL(3, destroyed);
    pthread_key_delete(key);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_cancelled_thread_finishes_whatever_call_it_is_in),
        TEST(a_cancelled_thread_finishes_opening_and_closing),
        TEST(a_storm_of_signals_changes_no_answer),
        TEST(calls_need_little_stack),
        TEST(small_threads_can_do_everything),
        TEST(a_thread_s_destructors_may_call),
    };
    allocdb_options options = small_options();

    options.max_operations = 1 << 17;
    db = open_database(new_directory(), &options);
    int failed = RUN_TESTS(tests);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    return failed;
}
