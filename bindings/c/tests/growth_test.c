/*
 * growth_test.c - capacities that are greater at the next opening: what was answered stays
 * answered, what was refused for lack of room has room, and whatever goes wrong on the way leaves
 * the database as it was, or as it was to become.
 */
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static allocdb_outcome outcome;
static allocdb_error error;

static allocdb_options tight_options(void)
{
    allocdb_options options = small_options();

    options.max_resources = 3;
    options.max_reservations = 2;
    options.max_operations = 16;
    options.max_expiration_bucket_len = 2;
    return options;
}

static allocdb_options as_stored(void)
{
    allocdb_options options;

    allocdb_options_init(&options, sizeof options);
    options.clock = ALLOCDB_CLOCK_HOST;
    options.wal_prealloc_bytes = 64 << 10;
    return options;
}

static allocdb_options stored_options(allocdb *db)
{
    allocdb_options options;

    allocdb_options_init(&options, sizeof options);
    CHECK_STATUS(ALLOCDB_OK, allocdb_configuration(db, &options, NULL));
    return options;
}

static uint32_t create(allocdb *db, uint64_t operation, uint64_t resource)
{
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 1, operation_of(operation),
                                                     id_of(resource), &outcome, &error));
    return outcome.code;
}

static uint32_t reserve(allocdb *db, uint64_t operation, uint64_t resource)
{
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, 1, operation_of(operation), id_of(resource),
                                             id_of(7), 100 + resource, &outcome, &error));
    return outcome.code;
}

/* Three resources, of which two are held; for the third the reservation table was full. */
static allocdb *open_full(const char *directory)
{
    allocdb_options options = tight_options();
    allocdb *db = open_database(directory, &options);

    for (uint64_t i = 1; i <= 3; i++)
        CHECK_EQUAL(ALLOCDB_DONE, create(db, i, i));
    CHECK_EQUAL(ALLOCDB_DONE, reserve(db, 11, 1));
    CHECK_EQUAL(ALLOCDB_DONE, reserve(db, 12, 2));
    CHECK_EQUAL(ALLOCDB_RESERVATION_TABLE_FULL, reserve(db, 13, 3));
    CHECK_EQUAL(ALLOCDB_RESOURCE_TABLE_FULL, create(db, 14, 4));
    return db;
}

/* What open_full left is there, remembered and in its order. */
static void check_history(allocdb *db)
{
    allocdb_reservation rows[4];
    uint64_t cursor = 0;
    size_t count;

    CHECK_STATUS(ALLOCDB_OK, allocdb_list_reservations(db, NULL, &cursor, rows, 4, &count, &error));
    CHECK_EQUAL(2, count);
    for (uint64_t i = 0; i < count; i++) {
        CHECK_EQUAL(4 + i, rows[i].reservation_id.lo);
        CHECK_EQUAL(102 + i, rows[i].deadline_slot);
        CHECK_EQUAL(ALLOCDB_DONE, reserve(db, 11 + i, 1 + i));
        CHECK_EQUAL(1, outcome.from_retry_cache);
        CHECK_EQUAL(4 + i, outcome.lsn);
    }
    CHECK_EQUAL(ALLOCDB_RESERVATION_TABLE_FULL, reserve(db, 13, 3));
    CHECK_EQUAL(1, outcome.from_retry_cache);
    CHECK_EQUAL(6, outcome.lsn);
    CHECK_EQUAL(ALLOCDB_RESOURCE_TABLE_FULL, create(db, 14, 4));
    CHECK_EQUAL(1, outcome.from_retry_cache);
}

static void a_refused_reserve_stays_refused_and_a_new_one_succeeds(void)
{
    for (int ending = 0; ending < 2; ending++) {
        const char *directory = new_directory();
        allocdb *db = open_full(directory);
        allocdb_options options = as_stored();

        if (ending == 1)
            CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(db, &error));
        allocdb_close(&db);
        options.max_reservations = 4;
        db = open_database(directory, &options);
        check_history(db);
        CHECK_EQUAL(ALLOCDB_DONE, reserve(db, 15, 3));
        CHECK_EQUAL(8, outcome.lsn);
        CHECK_EQUAL(8, outcome.reservation_id.lo);
        CHECK_EQUAL(4, stored_options(db).max_reservations);
        CHECK_EQUAL(3, stored_options(db).max_resources);
        CHECK_EQUAL(2, stored_options(db).max_expiration_bucket_len);
        allocdb_close(&db);
        /* And again, in the other table. */
        options = as_stored();
        options.max_resources = 4;
        db = open_database(directory, &options);
        CHECK_EQUAL(ALLOCDB_DONE, create(db, 16, 4));
        CHECK_EQUAL(ALLOCDB_RESOURCE_TABLE_FULL, create(db, 14, 4));
        CHECK_EQUAL(4, stored_options(db).max_reservations);
        allocdb_close(&db);
    }
}

static void capacities_never_shrink_and_keep_their_bounds(void)
{
    const char *directory = new_directory();
    allocdb *db = open_full(directory);
    allocdb_options options = as_stored();

    allocdb_close(&db);
    options.max_operations = 15;
    CHECK_STATUS(ALLOCDB_E_CONFIG_MISMATCH, allocdb_open(directory, &options, &db, &error));
    CHECK_SAYS(error, "max_operations is given as 15");
    CHECK_SAYS(error, "can only grow");
    CHECK_EQUAL(15, error.detail[0]);
    CHECK_EQUAL(16, error.detail[1]);
    options = as_stored();
    options.max_expiration_bucket_len = 3;
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_open(directory, &options, &db, &error));
    CHECK_SAYS(error, "max_expiration_bucket_len is 3, must be 1 to 2");
    options.max_reservations = 3;
    db = open_database(directory, &options);
    check_history(db);
    allocdb_close(&db);
}

static void a_reader_takes_what_is_stored(void)
{
    const char *directory = new_directory();
    allocdb *db = open_full(directory), *reader;
    allocdb_options options = as_stored();
    uint64_t lsn;

    options.flags = ALLOCDB_OPEN_READ_ONLY;
    options.max_reservations = 4;
    reader = open_database(directory, &options);
    CHECK_EQUAL(2, stored_options(reader).max_reservations);
    allocdb_close(&db);
    options.flags = 0;
    db = open_database(directory, &options);
    CHECK_EQUAL(ALLOCDB_DONE, reserve(db, 15, 3));
    CHECK_STATUS(ALLOCDB_OK, allocdb_refresh(reader, &lsn, &error));
    CHECK_EQUAL(8, lsn);
    CHECK_EQUAL(4, stored_options(reader).max_reservations);
    allocdb_close(&reader);
    allocdb_close(&db);
}

static void opens_without_memory(void *argument)
{
    struct rlimit limit = {UINT64_C(300) << 20, UINT64_C(300) << 20};
    allocdb_options options = as_stored();
    allocdb *db;

    options.max_reservations = options.max_operations = 1 << 24;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK_STATUS(ALLOCDB_E_NO_MEMORY, allocdb_open(argument, &options, &db, &error));
    CHECK_SAYS(error, "memory");
    options = tight_options();
    db = open_database(argument, &options);
    check_history(db);
    allocdb_close(&db);
}

static void too_little_memory_leaves_it_as_it_was(void)
{
    const char *directory = new_directory();
    allocdb *db = open_full(directory);

    allocdb_close(&db);
    in_child(opens_without_memory, (void *)directory);
}

static void a_full_disk_leaves_it_as_it_was(void)
{
    const char *directory = new_directory();
    allocdb_options options = as_stored();
    static char zeros[4096];
    allocdb *db;

    if (mount("none", directory, "tmpfs", 0, "size=1m") != 0) {
        skip("cannot mount a small file system");
        return;
    }
    db = open_full(directory);
    allocdb_close(&db);
    FILE *file = fopen(path_in(directory, "lost+found"), "w");
    setvbuf(file, NULL, _IONBF, 0);
    while (fwrite(zeros, sizeof zeros, 1, file) == 1)
        continue;
    fclose(file);
    options.max_reservations = 4;
    CHECK_STATUS(ALLOCDB_E_STORAGE_FULL, allocdb_open(directory, &options, &db, &error));
    CHECK(access(path_in(directory, "wal.adb.tmp"), F_OK) != 0);
    CHECK(access(path_in(directory, "snapshot-7.adb.tmp"), F_OK) != 0);
    options.max_reservations = 2;
    db = open_database(directory, &options);
    check_history(db);
    allocdb_close(&db);
    unlink(path_in(directory, "lost+found"));
    options.max_reservations = 4;
    db = open_database(directory, &options);
    check_history(db);
    CHECK_EQUAL(ALLOCDB_DONE, reserve(db, 15, 3));
    allocdb_close(&db);
    CHECK(umount(directory) == 0);
}

/* kill -9 at some moment of a growth, again and again, each a little greater than the last. */
static void a_process_killed_while_it_grows_loses_nothing(void)
{
    const char *directory = new_directory();
    allocdb *db = open_full(directory);
    allocdb_options options = as_stored();
    uint32_t reached = 2;

    allocdb_close(&db);
    for (uint32_t round = 0; round < 60; round++) {
        pid_t child = fork();

        options.max_reservations = reached + 1;
        if (child == 0) {
            open_database(directory, &options);
            pause();
        }
        usleep(round * 100);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        allocdb_options zero = as_stored();
        db = open_database(directory, &zero);
        check_history(db);
        uint32_t now = stored_options(db).max_reservations;
        CHECK(now == reached || now == reached + 1);
        reached = now;
        allocdb_close(&db);
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_refused_reserve_stays_refused_and_a_new_one_succeeds),
        TEST(capacities_never_shrink_and_keep_their_bounds),
        TEST(a_reader_takes_what_is_stored),
        TEST(too_little_memory_leaves_it_as_it_was),
        TEST(a_full_disk_leaves_it_as_it_was),
        TEST(a_process_killed_while_it_grows_loses_nothing),
    };

    return RUN_TESTS(tests);
}
