/*
 * files_test.c - what can be wrong with a directory, its files and the machine when a database is
 * opened, and what a disk that fills up or fails does to one that is open. Each has a status of its
 * own and a message that names what is wrong; what can be mended is mended, and nothing is lost.
 */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static allocdb_outcome outcome;
static allocdb_error error;

/* Opens, expecting a failure that leaves nothing to clean up. */
static allocdb_status open_fails(const char *directory, const allocdb_options *options)
{
    allocdb *db = (allocdb *)(void *)&error;
    allocdb_status status = allocdb_open(directory, options, &db, &error);

    CHECK(db == NULL);
    CHECK_EQUAL(status, error.status);
    return status;
}

static void create(allocdb *db, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++)
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_create_resource(db, 1, next_operation(), id_of(i), &outcome, &error));
}

static void options_out_of_bounds_are_named(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();

    options.max_bundle_len = 1025;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    CHECK_SAYS(error, "max_bundle_len is 1025, must be 1 to 1024");
    CHECK(error.detail[0] == 1025 && error.detail[1] == 1 && error.detail[2] == 1024);
    options = small_options();
    options.max_batch_bytes = 17 << 20;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    CHECK_SAYS(error, "max_batch_bytes");
    options = small_options();
    options.max_expiration_bucket_len = 65;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    CHECK_SAYS(error, "max_expiration_bucket_len is 65, must be 1 to 64");
    options = small_options();
    options.flags = 1u << 20;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    CHECK_SAYS(error, "flags");
    options.flags = ALLOCDB_OPEN_NEW | ALLOCDB_OPEN_EXISTING;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    options.flags = ALLOCDB_OPEN_READ_ONLY | ALLOCDB_OPEN_NEW;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    CHECK_SAYS(error, "ALLOCDB_OPEN_READ_ONLY");
    options = small_options();
    options.sync = 2;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    CHECK_SAYS(error, "sync is 2");
    options = small_options();
    options.clock = 9;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    options = small_options();
    options.log_level = 7;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    CHECK_SAYS(error, "log_level is 7");
    options = small_options();
    options.reserved0 = 1;
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, &options));
    /* Nothing was made on the way. */
    CHECK(access(path_in(directory, "wal.adb"), F_OK) != 0);
}

static void a_directory_that_is_none_is_told_apart(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    static char long_path[5000];
    FILE *file;

    CHECK_STATUS(ALLOCDB_E_DIRECTORY_NOT_FOUND, open_fails(path_in(directory, "a/b"), &options));
    CHECK_EQUAL(ENOENT, error.os_errno);
    options.flags = ALLOCDB_OPEN_EXISTING;
    CHECK_STATUS(ALLOCDB_E_DIRECTORY_NOT_FOUND, open_fails(path_in(directory, "a"), &options));
    CHECK_STATUS(ALLOCDB_E_NOT_A_DATABASE, open_fails(directory, &options));
    CHECK(access(path_in(directory, "wal.adb"), F_OK) != 0);
    options.flags = 0;
    file = fopen(path_in(directory, "file"), "w");
    fclose(file);
    CHECK_STATUS(ALLOCDB_E_NOT_A_DATABASE, open_fails(path_in(directory, "file"), &options));
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails("", &options));
    CHECK_SAYS(error, "directory has 0 bytes");
    memset(long_path, 'a', sizeof long_path - 1);
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(long_path, &options));
    CHECK_SAYS(error, "4000");
}

static void a_foreign_directory_is_left_alone(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    FILE *file = fopen(path_in(directory, "wal.adb"), "w");

    for (int i = 0; i < 10000; i++)
        fputs("not a log at all\n", file);
    fclose(file);
    CHECK_STATUS(ALLOCDB_E_NOT_A_DATABASE, open_fails(directory, &options));
    CHECK_SAYS(error, "wal.adb");
    file = fopen(path_in(directory, "wal.adb"), "r");
    CHECK(fgetc(file) == 'n');
    fclose(file);
}

static void what_is_expected_to_be_there_or_not_is_checked(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();

    options.flags = ALLOCDB_OPEN_NEW;
    allocdb *db = open_database(directory, &options);
    create(db, 1, 3);
    allocdb_close(&db);
    CHECK_STATUS(ALLOCDB_E_EXISTS, open_fails(directory, &options));
    options.flags = ALLOCDB_OPEN_EXISTING;
    db = open_database(directory, &options);
    allocdb_close(&db);
}

static void another_configuration_is_refused_by_name(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options);

    allocdb_close(&db);
    options.max_ttl_slots = 999;
    CHECK_STATUS(ALLOCDB_E_CONFIG_MISMATCH, open_fails(directory, &options));
    CHECK_SAYS(error, "max_ttl_slots");
    CHECK_EQUAL(999, error.detail[0]);
    CHECK_EQUAL(1000, error.detail[1]);
    options.max_ttl_slots = 0;
    options.shard_id = 4;
    CHECK_STATUS(ALLOCDB_E_CONFIG_MISMATCH, open_fails(directory, &options));
    CHECK_SAYS(error, "shard_id");
    options.shard_id = 0;
    options.database_id = id_of(99);
    CHECK_STATUS(ALLOCDB_E_CONFIG_MISMATCH, open_fails(directory, &options));
    CHECK_SAYS(error, "database_id");
    db = open_database(directory, NULL);
    allocdb_close(&db);
}

static void opens_locked(void *argument)
{
    CHECK_STATUS(ALLOCDB_E_LOCKED, open_fails(argument, NULL));
    CHECK_EQUAL((uint64_t)getppid(), error.detail[0]);
}

static void one_at_a_time_has_it_open(void)
{
    const char *directory = new_directory();
    allocdb *db = open_database(directory, NULL);
    char pid[32];

    CHECK_STATUS(ALLOCDB_E_LOCKED, open_fails(directory, NULL));
    CHECK_EQUAL((uint64_t)getpid(), error.detail[0]);
    snprintf(pid, sizeof pid, "%d", getpid());
    CHECK_SAYS(error, pid);
    in_child(opens_locked, (void *)directory);
    allocdb_close(&db);
    db = open_database(directory, NULL);
    allocdb_close(&db);
}

static void damage_is_reported_and_left_as_it_is(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options);
    char wal[1024];

    snprintf(wal, sizeof wal, "%s", path_in(directory, "wal.adb"));
    create(db, 1, 20);
    allocdb_close(&db);
    flip_byte(wal, 4096 + 512 * 5 + 70);
    CHECK_STATUS(ALLOCDB_E_CORRUPT, open_fails(directory, NULL));
    CHECK_EQUAL(4096 + 512 * 5, error.detail[0]);
    CHECK_EQUAL(6, error.detail[1]);
    CHECK_SAYS(error, "wal.adb");
    CHECK_SAYS(error, "6656");
    CHECK_STATUS(ALLOCDB_E_CORRUPT, open_fails(directory, NULL));
    flip_byte(wal, 4096 + 512 * 5 + 70);
    db = open_database(directory, NULL);
    allocdb_close(&db);
    /* The header is damaged; then it is of another version. */
    flip_byte(wal, 100);
    CHECK_STATUS(ALLOCDB_E_CORRUPT, open_fails(directory, NULL));
    flip_byte(wal, 100);
    flip_byte(wal, 8);
    flip_byte(wal, 4095);
    CHECK_STATUS(ALLOCDB_E_VERSION, open_fails(directory, NULL));
    CHECK_EQUAL(17, error.detail[0]);
    CHECK_EQUAL(1, error.detail[1]);
    flip_byte(wal, 8);
    flip_byte(wal, 4095);
    /* A missing log is not a new database. */
    const char *elsewhere = path_in(new_directory(), "wal.adb");
    CHECK(rename(wal, elsewhere) == 0);
    CHECK_STATUS(ALLOCDB_E_CORRUPT, open_fails(directory, NULL));
    CHECK_SAYS(error, "missing");
    CHECK(rename(elsewhere, wal) == 0);
    db = open_database(directory, NULL);
    allocdb_resource row;
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 20, id_of(20), &row, NULL));
    allocdb_close(&db);
}

static void opens_unreadable(void *argument)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        skip("cannot become another user");
        return;
    }
    CHECK_STATUS(ALLOCDB_E_IO, open_fails(argument, NULL));
    CHECK_EQUAL(EACCES, error.os_errno);
    CHECK_SAYS(error, "errno 13");
}

static void a_directory_without_permission_is_refused(void)
{
    const char *directory = new_directory();
    allocdb *db = open_database(directory, NULL);

    allocdb_close(&db);
    chmod(directory, 0);
    in_child(opens_unreadable, (void *)directory);
    chmod(directory, 0755);
}

/* ---- what the machine does not give ---- */

static void opens_without_descriptors(void *argument)
{
    struct rlimit limit = {0, 0};
    int lowest = dup(0);

    close(lowest);
    /* Every count of free descriptors is tried, until the opening needs no more. */
    allocdb_status status = ALLOCDB_E_IO;
    for (int free_count = 0; free_count < 12 && status != ALLOCDB_OK; free_count++) {
        allocdb *db;

        limit.rlim_cur = (rlim_t)(lowest + free_count);
        limit.rlim_max = 1024;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        status = allocdb_open(argument, NULL, &db, &error);
        if (status != ALLOCDB_OK) {
            CHECK_STATUS(ALLOCDB_E_IO, status);
            CHECK_EQUAL(EMFILE, error.os_errno);
            CHECK_SAYS(error, "errno 24");
        } else {
            CHECK(free_count > 0);
            allocdb_close(&db);
        }
    }
    CHECK_STATUS(ALLOCDB_OK, status);
}

static void too_many_open_files_is_an_error(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options);

    create(db, 1, 2);
    allocdb_checkpoint(db, NULL);
    allocdb_close(&db);
    in_child(opens_without_descriptors, (void *)directory);
    db = open_database(directory, NULL);
    allocdb_close(&db);
}

static void opens_without_memory(void *argument)
{
    struct rlimit limit = {UINT64_C(300) << 20, UINT64_C(300) << 20};
    allocdb_options options = small_options();
    uint64_t bound;

    options.max_resources = options.max_reservations = options.max_operations = 1 << 24;
    CHECK_STATUS(ALLOCDB_OK, allocdb_memory_bound(&options, &bound, NULL));
    CHECK(bound > UINT64_C(1) << 30);
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK_STATUS(ALLOCDB_E_NO_MEMORY, open_fails(argument, &options));
    CHECK(error.detail[0] > 1 << 20);
    CHECK_SAYS(error, "memory");
    /* Not enough for the largest thing there is either. */
    options.max_resources = options.max_reservations = options.max_operations = 1 << 28;
    CHECK_STATUS(ALLOCDB_E_NO_MEMORY, open_fails(argument, &options));
    /* The process goes on, and a smaller database opens. */
    allocdb *db = open_small();
    create(db, 1, 2);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

static void too_little_memory_is_an_error(void)
{
    in_child(opens_without_memory, (void *)new_directory());
}

/* ---- a disk that is full ---- */

/* Commits until the log cannot grow; then reads go on, and everything acknowledged is there. */
static void fills_up(const char *directory)
{
    allocdb_options options = small_options();
    allocdb_resource row;
    allocdb_status status = ALLOCDB_OK;
    uint64_t slot = 1, acknowledged = 0;
    allocdb_health health = {.struct_size = sizeof health};

    options.checkpoint_wal_bytes = 1 << 30;
    options.sync = ALLOCDB_SYNC_OS;
    allocdb *db = open_database(directory, &options);
    create(db, 1, 5);
    while (status == ALLOCDB_OK && slot < 100000) {
        status = allocdb_create_resource(db, ++slot, next_operation(), id_of(1), &outcome, &error);
        if (status == ALLOCDB_OK)
            acknowledged = outcome.lsn;
    }
    CHECK_STATUS(ALLOCDB_E_STORAGE_FULL, status);
    CHECK(error.os_errno == ENOSPC || error.os_errno == EFBIG);
    CHECK_SAYS(error, "wal.adb");
    CHECK_SAYS(error, "nothing was accepted");
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &health, NULL));
    CHECK_EQUAL(1, health.is_accepting_writes);
    CHECK_EQUAL(acknowledged, health.last_lsn);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, acknowledged, id_of(5), &row, NULL));
    allocdb_close(&db);
}

static void fills_up_and_comes_back(void *argument)
{
    const char *directory = argument;
    struct rlimit limit = {4 << 20, 4 << 20};
    allocdb_resource row;

    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    fills_up(directory);
    allocdb *db = open_database(directory, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(5), &row, NULL));
    allocdb_close(&db);
}

static void a_file_size_limit_is_a_full_disk(void)
{
    in_child(fills_up_and_comes_back, (void *)new_directory());
}

static void a_full_disk_loses_nothing(void)
{
    const char *directory = new_directory();
    allocdb_resource row;

    if (mount("none", directory, "tmpfs", 0, "size=2m") != 0) {
        skip("cannot mount a small file system");
        return;
    }
    fills_up(directory);
    allocdb *db = open_database(directory, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(5), &row, NULL));
    allocdb_close(&db);
    CHECK(umount(directory) == 0);
    /* Not even room for an empty database. */
    CHECK(mount("none", directory, "tmpfs", 0, "size=16k") == 0);
    CHECK_STATUS(ALLOCDB_E_STORAGE_FULL, open_fails(directory, NULL));
    CHECK_EQUAL(ENOSPC, error.os_errno);
    CHECK(umount(directory) == 0);
}

/* ---- a disk that fails ---- */

static void a_failed_write_halts_and_reopening_tells(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options);
    allocdb_health health = {.struct_size = sizeof health};
    allocdb_resource row;
    allocdb_operation lost;
    char text[2048];
    size_t len;

    create(db, 1, 3);
    /* The log has one descriptor or two: all are replaced by one that cannot be written. */
    int log, unwritable = open("/dev/null", O_RDONLY), replaced = 0;
    for (; (log = descriptor_of(path_in(directory, "wal.adb"))) >= 0; replaced++)
        CHECK(dup2(unwritable, log) == log);
    CHECK(replaced > 0);
    close(unwritable);
    lost = next_operation();
    CHECK_STATUS(ALLOCDB_E_STORAGE_FAILURE,
                 allocdb_create_resource(db, 1, lost, id_of(4), &outcome, &error));
    CHECK_EQUAL(ALLOCDB_CATEGORY_INDEFINITE, allocdb_status_category(error.status));
    CHECK_EQUAL(EBADF, error.os_errno);
    CHECK_SAYS(error, "write of wal.adb");
    CHECK_SAYS(error, "reopen");
    CHECK_ZERO(outcome);
    CHECK_STATUS(ALLOCDB_E_HALTED,
                 allocdb_create_resource(db, 1, next_operation(), id_of(4), &outcome, &error));
    CHECK_SAYS(error, "wal.adb");
    CHECK_EQUAL(EBADF, error.os_errno);
    CHECK_STATUS(ALLOCDB_E_HALTED, allocdb_get_resource(db, 0, id_of(1), &row, &error));
    CHECK_STATUS(ALLOCDB_E_HALTED, allocdb_checkpoint(db, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 0, &health, NULL));
    CHECK_EQUAL(0, health.is_accepting_writes);
    CHECK_EQUAL(ALLOCDB_HALT_STORAGE, health.halt_reason);
    CHECK_STATUS(ALLOCDB_OK, allocdb_log_read(db, text, sizeof text, &len, NULL, NULL));
    CHECK(strstr(text, "error: ") != NULL && strstr(text, "wal.adb") != NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));

    db = open_database(directory, NULL);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id_of(3), &row, NULL));
    allocdb_status told = allocdb_get_operation(db, 0, lost.id, &outcome, NULL);
    CHECK(told == ALLOCDB_OK || told == ALLOCDB_ID_NOT_FOUND);
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 1, lost, id_of(4), &outcome, NULL));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    allocdb_close(&db);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(options_out_of_bounds_are_named),
        TEST(a_directory_that_is_none_is_told_apart),
        TEST(a_foreign_directory_is_left_alone),
        TEST(what_is_expected_to_be_there_or_not_is_checked),
        TEST(another_configuration_is_refused_by_name),
        TEST(one_at_a_time_has_it_open),
        TEST(damage_is_reported_and_left_as_it_is),
        TEST(a_directory_without_permission_is_refused),
        TEST(too_many_open_files_is_an_error),
        TEST(too_little_memory_is_an_error),
        TEST(a_file_size_limit_is_a_full_disk),
        TEST(a_full_disk_loses_nothing),
        TEST(a_failed_write_halts_and_reopening_tells),
    };

    return RUN_TESTS(tests);
}
