/*
 * panic_test.c - a bug inside the engine, at every place where one hurts, seen from the host.
 *
 * Laws: a panic is answered with E_PANIC, which is indefinite, and with its text; it halts the
 * engine, and whoever waits is answered so too; the host lives, and nothing is printed to it; the
 * log tells; closing works, and the next opening finds what was acknowledged, once, and of what
 * was not either all or nothing. A panic while opening leaves no lock behind. Behind the last log
 * position, to which a planted backup comes close, every command is refused, and the rest goes
 * on.
 *
 * Needs a library built with the feature `torture`; against any other it says so and tries
 * nothing. A bug is planted in one thread: in the others everything is as it should be.
 */
#define _GNU_SOURCE
#include "every_call.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static allocdb_error error;
static allocdb_outcome outcome;

static allocdb_options roomy_options(void)
{
    allocdb_options options = small_options();

    options.max_resources = 1 << 16;
    options.max_operations = 1 << 17;
    return options;
}

static allocdb *open_roomy(const char *directory)
{
    allocdb_options options = roomy_options();

    return open_database(directory, &options);
}

/* The resource, its operation, and the id of both are one number. */
static allocdb_status create(allocdb *db, uint64_t number)
{
    return allocdb_create_resource(db, 1, operation_of(number), id_of(number), &outcome, &error);
}

static bool is_there(allocdb *db, uint64_t number)
{
    allocdb_resource row;

    return allocdb_get_resource(db, 0, id_of(number), &row, NULL) == ALLOCDB_OK;
}

/* A halted database: every call says so, the figures and the log can still be had. */
static void check_halted(allocdb *db, const char *text)
{
    allocdb_health health = {.struct_size = sizeof health};
    char log[4096] = "";
    size_t len;

    CHECK_STATUS(ALLOCDB_E_HALTED, create(db, 999));
    CHECK_STATUS(ALLOCDB_E_HALTED, call_get_resource(db, &error));
    CHECK_STATUS(ALLOCDB_E_HALTED, call_list_reservations(db, &error));
    CHECK_STATUS(ALLOCDB_E_HALTED, call_tick(db, &error));
    CHECK_STATUS(ALLOCDB_E_HALTED, call_checkpoint(db, &error));
    CHECK_STATUS(ALLOCDB_E_HALTED, call_backup(db, &error));
    CHECK_STATUS(ALLOCDB_E_HALTED, call_refresh(db, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &health, &error));
    CHECK_EQUAL(0, health.is_accepting_writes);
    CHECK_EQUAL(ALLOCDB_HALT_PANIC, health.halt_reason);
    CHECK_STATUS(ALLOCDB_OK, allocdb_log_read(db, log, sizeof log - 1, &len, NULL, &error));
    CHECK(strstr(log, "error: internal error: ") != NULL && strstr(log, text) != NULL);
}

/* ---- what the host's stderr gets ---- */

static int stderr_kept, stderr_file;

static void listen_to_stderr(void)
{
    FILE *file = tmpfile();

    stderr_kept = dup(2);
    stderr_file = dup(fileno(file));
    fclose(file);
    dup2(stderr_file, 2);
}

static void check_nothing_was_printed(void)
{
    char text[512];
    ssize_t len = pread(stderr_file, text, sizeof text - 1, 0);

    dup2(stderr_kept, 2);
    close(stderr_kept);
    close(stderr_file);
    text[len > 0 ? len : 0] = 0;
    if (!CHECK_EQUAL(0, len))
        printf("    stderr: %s\n", text);
}

/* ---- one thread ---- */

struct place {
    const char *name, *text;
    bool is_written;
};

static const struct place places[] = {
    {"panic before write", "planted: PanicBeforeWrite", false},
    {"panic after write", "planted: PanicAfterWrite", true},
    {"panic in apply", "planted: PanicInApply", true},
};

static void a_panic_in_a_commit_ends_at_the_boundary(void)
{
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        const char *directory = new_directory();
        allocdb *db = open_roomy(directory);

        for (uint64_t i = 1; i <= 10; i++)
            CHECK_STATUS(ALLOCDB_OK, create(db, i));
        listen_to_stderr();
        CHECK(plant(places[p].name));
        CHECK_STATUS(ALLOCDB_E_PANIC, create(db, 11));
        CHECK_EQUAL(ALLOCDB_CATEGORY_INDEFINITE, allocdb_status_category(ALLOCDB_E_PANIC));
        CHECK_EQUAL(ALLOCDB_E_PANIC, error.status);
        CHECK_SAYS(error, places[p].text);
        plant(NULL);
        check_halted(db, places[p].text);
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
        check_nothing_was_printed();

        db = open_roomy(directory);
        for (uint64_t i = 1; i <= 10; i++)
            CHECK(is_there(db, i));
        CHECK_EQUAL(places[p].is_written, is_there(db, 11));
        CHECK_STATUS(ALLOCDB_OK, create(db, 11));
        CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
        CHECK_EQUAL(places[p].is_written, outcome.from_retry_cache);
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    }
}

struct elsewhere {
    const char *name, *text;
    allocdb_status (*run)(allocdb *db, allocdb_error *error);
};

static void a_panic_anywhere_else_ends_at_the_boundary(void)
{
    static const struct elsewhere wheres[] = {
        {"panic in read", "planted: PanicInRead", call_get_resource},
        {"panic in read", "planted: PanicInRead", call_list_resources},
        {"panic in checkpoint", "planted: PanicInCheckpoint", call_checkpoint},
        {"panic in backup", "planted: PanicInBackup", call_backup},
    };

    for (size_t w = 0; w < sizeof wheres / sizeof wheres[0]; w++) {
        const char *directory = new_directory();
        allocdb *db = open_roomy(directory);

        for (uint64_t i = 1; i <= 10; i++)
            CHECK_STATUS(ALLOCDB_OK, create(db, i));
        listen_to_stderr();
        CHECK(plant(wheres[w].name));
        CHECK_STATUS(ALLOCDB_E_PANIC, wheres[w].run(db, &error));
        CHECK_SAYS(error, wheres[w].text);
        plant(NULL);
        check_halted(db, wheres[w].text);
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
        check_nothing_was_printed();
        db = open_roomy(directory);
        for (uint64_t i = 1; i <= 10; i++)
            CHECK(is_there(db, i));
        CHECK(!is_there(db, 11));
        CHECK_STATUS(ALLOCDB_OK, create(db, 11));
        CHECK_EQUAL(11, outcome.lsn);
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    }
}

static void a_panic_while_opening_leaves_no_lock(void)
{
    const char *directory = new_directory();
    allocdb_options options = roomy_options();
    allocdb *db = open_roomy(directory);

    CHECK_STATUS(ALLOCDB_OK, create(db, 1));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    listen_to_stderr();
    CHECK(plant("panic in open"));
    for (int i = 0; i < 3; i++) {
        db = (allocdb *)(void *)&error;
        CHECK_STATUS(ALLOCDB_E_PANIC, allocdb_open(directory, &options, &db, &error));
        CHECK(db == NULL);
        CHECK_SAYS(error, "planted: PanicInOpen");
    }
    plant(NULL);
    check_nothing_was_printed();
    db = open_roomy(directory);
    CHECK(is_there(db, 1));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

static void a_panic_while_closing_closes_all_the_same(void)
{
    const char *directory = new_directory();
    allocdb *db = open_roomy(directory), *copy = db;

    CHECK_STATUS(ALLOCDB_OK, create(db, 1));
    listen_to_stderr();
    CHECK(plant("panic in close"));
    CHECK_STATUS(ALLOCDB_E_PANIC, allocdb_close(&db));
    CHECK(db == NULL);
    plant(NULL);
    check_every_call(copy, ALLOCDB_E_CLOSED);
    check_nothing_was_printed();
    db = open_roomy(directory);
    CHECK(is_there(db, 1));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

/* ---- many threads ---- */

enum { THREADS = 8, PER_THREAD = 4000 };

static allocdb *shared;
static bool acknowledged[THREADS + 1][PER_THREAD], asked[THREADS + 1][PER_THREAD];
static allocdb_status last[THREADS + 1];
static const char *planted_in_first;

static uint64_t number_of(uint64_t thread, uint64_t i)
{
    return 1 + thread * PER_THREAD + i;
}

static void *commits_until_told_otherwise(void *argument)
{
    const uint64_t thread = (uint64_t)(uintptr_t)argument;

    for (uint64_t i = 0; i < PER_THREAD; i++) {
        allocdb_outcome answer;
        const uint64_t number = number_of(thread, i);

        /* The others are under way by then. */
        if (thread == 0 && i == 20)
            CHECK(plant(planted_in_first));
        asked[thread][i] = true;
        last[thread] = allocdb_create_resource(shared, 1, operation_of(number), id_of(number),
                                               &answer, NULL);
        if (last[thread] != ALLOCDB_OK)
            break;
        acknowledged[thread][i] = true;
    }
    if (thread == 0)
        plant(NULL);
    return NULL;
}

static void *reads_until_told_otherwise(void *argument)
{
    (void)argument;
    while (is_sound(last[THREADS] = call_get_resource(shared, NULL)))
        ;
    return NULL;
}

static void check_what_is_left(const char *directory)
{
    uint64_t told = 0, unknown = 0, found = 0;
    allocdb_health health = {.struct_size = sizeof health};
    allocdb *db = open_roomy(directory);

    for (uint64_t thread = 0; thread < THREADS; thread++)
        for (uint64_t i = 0; i < PER_THREAD && asked[thread][i]; i++) {
            const bool there = is_there(db, number_of(thread, i));

            CHECK(there || !acknowledged[thread][i]);
            told += acknowledged[thread][i];
            unknown += !acknowledged[thread][i];
            found += there;
        }
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 1, &health, NULL));
    CHECK_EQUAL(found, health.resources.used_count);
    CHECK_EQUAL(found, health.last_lsn);
    CHECK(told >= 20 && unknown >= 1);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

static void whoever_waits_behind_a_panic_is_told(void)
{
    for (int round = rounds(2); round > 0; round--)
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            const char *directory = new_directory();
            pthread_t threads[THREADS + 1];
            int panics = 0;

            shared = open_roomy(directory);
            planted_in_first = places[p].name;
            memset(acknowledged, 0, sizeof acknowledged);
            memset(asked, 0, sizeof asked);
            for (uintptr_t i = 0; i < THREADS; i++)
                pthread_create(&threads[i], NULL, commits_until_told_otherwise, (void *)i);
            pthread_create(&threads[THREADS], NULL, reads_until_told_otherwise, NULL);
            for (int i = 0; i <= THREADS; i++)
                pthread_join(threads[i], NULL);
            for (int i = 0; i < THREADS; i++) {
                CHECK(last[i] == ALLOCDB_E_PANIC || last[i] == ALLOCDB_E_HALTED);
                panics += last[i] == ALLOCDB_E_PANIC;
            }
            CHECK(last[0] == ALLOCDB_E_PANIC && panics >= 1);
            CHECK_STATUS(ALLOCDB_E_HALTED, last[THREADS]);
            check_halted(shared, places[p].text);
            CHECK_STATUS(ALLOCDB_OK, allocdb_close(&shared));
            check_what_is_left(directory);
        }
}

/* ---- behind the last log position ---- */

static allocdb *open_near_the_end(const char *directory)
{
    const char *copy = path_in(directory, "copy");
    allocdb *db = open_roomy(path_in(directory, "db"));
    allocdb_options options = roomy_options();

    CHECK_STATUS(ALLOCDB_OK, create(db, 1));
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, 1, operation_of(100), id_of(1), id_of(7), 5,
                                             &outcome, &error));
    CHECK(plant("last position is near"));
    CHECK_STATUS(ALLOCDB_OK, allocdb_backup(db, copy, &error));
    plant(NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    options.flags = ALLOCDB_OPEN_EXISTING;
    return open_database(copy, &options);
}

static void check_exhausted(allocdb *db)
{
    allocdb_tick_result tick;

    CHECK_STATUS(ALLOCDB_E_LSN_EXHAUSTED, create(db, 5));
    CHECK_SAYS(error, "last log position");
    CHECK(!is_there(db, 5));
    CHECK_STATUS(ALLOCDB_OK, create(db, 4));
    CHECK(outcome.status == ALLOCDB_OK && outcome.from_retry_cache == 1);
    CHECK_EQUAL(UINT64_MAX - 1, outcome.lsn);
    CHECK_STATUS(ALLOCDB_E_LSN_EXHAUSTED, allocdb_tick(db, 100, 0, &tick, &error));
    CHECK_STATUS(ALLOCDB_E_LSN_EXHAUSTED, call_backup(db, &error));
    CHECK(is_there(db, 1) && is_there(db, 4));
}

static void behind_the_last_position_nothing_is_given_away(void)
{
    const char *directory = new_directory(), *copy = path_in(directory, "copy");
    allocdb *db = open_near_the_end(directory);

    for (uint64_t i = 2; i <= 4; i++) {
        CHECK_STATUS(ALLOCDB_OK, create(db, i));
        CHECK_STATUS(ALLOCDB_OK, outcome.status);
        CHECK_EQUAL(UINT64_MAX - 1 - (4 - i), outcome.lsn);
    }
    check_exhausted(db);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    db = open_roomy(copy);
    check_exhausted(db);
    CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(db, &error));
    check_exhausted(db);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    db = open_roomy(copy);
    check_exhausted(db);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_panic_in_a_commit_ends_at_the_boundary),
        TEST(a_panic_anywhere_else_ends_at_the_boundary),
        TEST(a_panic_while_opening_leaves_no_lock),
        TEST(a_panic_while_closing_closes_all_the_same),
        TEST(whoever_waits_behind_a_panic_is_told),
        TEST(behind_the_last_position_nothing_is_given_away),
    };

    if (!plant("panic in open")) {
        skip("the library was not built with the feature torture");
        return 0;
    }
    plant(NULL);
    return RUN_TESTS(tests);
}
