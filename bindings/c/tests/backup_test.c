/*
 * backup_test.c - a copy of a database that is in use: whole, a database of its own, and of another
 * lineage; or refused, with nothing left behind.
 */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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

/* A path in a new directory at which there is nothing yet. */
static const char *new_path(void)
{
    static char paths[64][700];
    static int next;
    char *path = paths[next++ % 64];

    snprintf(path, sizeof paths[0], "%s/copy", new_directory());
    return path;
}

static allocdb *open_copy(const char *directory)
{
    allocdb_options options;

    allocdb_options_init(&options, sizeof options);
    options.clock = ALLOCDB_CLOCK_HOST;
    options.flags = ALLOCDB_OPEN_EXISTING;
    return open_database(directory, &options);
}

static int names_in(const char *directory)
{
    int count = 0;
    DIR *listing = opendir(directory);

    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (listing != NULL)
        closedir(listing);
    return count;
}

static void reserve(allocdb *db, uint64_t operation, uint64_t resource)
{
    CHECK_STATUS(ALLOCDB_OK, allocdb_reserve(db, 1, operation_of(operation), id_of(resource),
                                             id_of(7), 100 + resource, &outcome, &error));
}

/* Twenty resources, ten of them held. */
static allocdb *open_filled(void)
{
    allocdb *db = open_small();

    for (uint64_t i = 1; i <= 20; i++)
        CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 1, operation_of(100 + i), id_of(i),
                                                         &outcome, &error));
    for (uint64_t i = 1; i <= 10; i++)
        reserve(db, 200 + i, i);
    return db;
}

static void check_same(allocdb *db, allocdb *copy)
{
    allocdb_reservation rows[2][32];
    allocdb_resource seats[2][32];
    uint64_t cursors[2] = {0, 0};
    size_t counts[2];
    allocdb_outcome outcomes[2];

    memset(rows, 0, sizeof rows);
    memset(seats, 0, sizeof seats);
    for (int i = 0; i < 2; i++)
        CHECK_STATUS(ALLOCDB_OK, allocdb_list_reservations(i ? copy : db, NULL, &cursors[i],
                                                           rows[i], 32, &counts[i], &error));
    CHECK(counts[0] == counts[1] && memcmp(rows[0], rows[1], sizeof rows[0]) == 0);
    cursors[0] = cursors[1] = 0;
    for (int i = 0; i < 2; i++)
        CHECK_STATUS(ALLOCDB_OK, allocdb_list_resources(i ? copy : db, NULL, &cursors[i], seats[i],
                                                        32, &counts[i], &error));
    CHECK(counts[0] == counts[1] && memcmp(seats[0], seats[1], sizeof seats[0]) == 0);
    for (uint64_t i = 201; i <= 210; i++) {
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_get_operation(db, 0, operation_of(i).id, &outcomes[0], &error));
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_get_operation(copy, 0, operation_of(i).id, &outcomes[1], &error));
        CHECK(memcmp(&outcomes[0], &outcomes[1], sizeof outcomes[0]) == 0);
    }
}

static void a_backup_reads_like_its_original_and_repeats_no_token(void)
{
    const char *path = new_path();
    allocdb *db = open_filled();

    CHECK_STATUS(ALLOCDB_OK, allocdb_backup(db, path, &error));
    CHECK_ZERO(error);
    CHECK_EQUAL(3, names_in(path));
    allocdb *copy = open_copy(path);
    check_same(db, copy);
    allocdb_options options[2];
    for (int i = 0; i < 2; i++) {
        allocdb_options_init(&options[i], sizeof options[i]);
        CHECK_STATUS(ALLOCDB_OK, allocdb_configuration(i ? copy : db, &options[i], NULL));
    }
    CHECK(options[0].database_id.lo != options[1].database_id.lo);
    CHECK_EQUAL(options[0].max_reservations, options[1].max_reservations);
    CHECK_EQUAL(options[0].hash_seed, options[1].hash_seed);
    /* A retry is one in both; what is new has a token of its own in each. */
    reserve(copy, 203, 3);
    CHECK(outcome.from_retry_cache == 1 && outcome.reservation_id.lo == 23);
    reserve(copy, 300, 11);
    CHECK_EQUAL((UINT64_C(1) << 40) + 31, outcome.reservation_id.lo);
    reserve(db, 300, 11);
    CHECK_EQUAL(31, outcome.reservation_id.lo);
    allocdb_close(&copy);
    allocdb_close(&db);
    copy = open_copy(path);
    reserve(copy, 300, 11);
    CHECK_EQUAL(1, outcome.from_retry_cache);
    allocdb_close(&copy);
}

static void only_an_empty_directory_is_taken(void)
{
    allocdb *db = open_filled();
    const char *directory = new_directory();
    static char long_path[5000];

    CHECK_STATUS(ALLOCDB_OK, allocdb_backup(db, directory, &error));
    CHECK_STATUS(ALLOCDB_E_EXISTS, allocdb_backup(db, directory, &error));
    CHECK_SAYS(error, "not empty");
    CHECK_EQUAL(3, names_in(directory));
    directory = new_directory();
    FILE *file = fopen(path_in(directory, "file"), "w");
    fclose(file);
    CHECK_STATUS(ALLOCDB_E_EXISTS, allocdb_backup(db, directory, &error));
    CHECK_STATUS(ALLOCDB_E_EXISTS, allocdb_backup(db, path_in(directory, "file"), &error));
    CHECK_EQUAL(1, names_in(directory));
    CHECK_STATUS(ALLOCDB_E_DIRECTORY_NOT_FOUND,
                 allocdb_backup(db, path_in(directory, "a/b"), &error));
    CHECK_EQUAL(ENOENT, error.os_errno);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_backup(db, "", &error));
    CHECK_SAYS(error, "directory has 0 bytes");
    memset(long_path, 'a', sizeof long_path - 1);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_backup(db, long_path, &error));
    CHECK_SAYS(error, "4000");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_backup(db, NULL, &error));
    CHECK_SAYS(error, "directory");
    CHECK_EQUAL(2, error.detail[0]);
    allocdb *closed = db;
    allocdb_close(&db);
    CHECK_STATUS(ALLOCDB_E_CLOSED, allocdb_backup(closed, new_path(), &error));
}

static void a_databases_own_directory_is_refused(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options);

    CHECK_STATUS(ALLOCDB_E_EXISTS, allocdb_backup(db, directory, &error));
    CHECK_STATUS(ALLOCDB_E_EXISTS, allocdb_backup(db, path_in(directory, "../."), &error));
    allocdb_close(&db);
    db = open_database(directory, &options);
    allocdb_close(&db);
}

struct load {
    allocdb *db;
    uint64_t thread;
    atomic_bool *stop;
    uint64_t done;
};

static void *create_resources(void *argument)
{
    struct load *load = argument;
    allocdb_outcome mine;

    for (uint64_t i = 1; !*load->stop && i < 5000; i++) {
        uint64_t number = i * 4 + load->thread;
        if (allocdb_create_resource(load->db, 1, operation_of(number), id_of(number), &mine,
                                    NULL) != ALLOCDB_OK)
            break;
        load->done = i;
    }
    return NULL;
}

static void backups_under_load_open_and_hold_whole_histories(void)
{
    allocdb_options options = small_options();
    const char *paths[3] = {new_path(), new_path(), new_path()};
    struct load loads[4];
    pthread_t threads[4];
    atomic_bool stop = false;
    uint64_t before[3];
    allocdb_health health = {.struct_size = sizeof health};

    options.max_resources = options.max_operations = 30000;
    options.sync = ALLOCDB_SYNC_OS;
    allocdb *db = open_database(new_directory(), &options);
    for (uint64_t i = 0; i < 4; i++) {
        loads[i] = (struct load){db, i, &stop, 0};
        pthread_create(&threads[i], NULL, create_resources, &loads[i]);
    }
    for (int i = 0; i < 3; i++) {
        usleep(5000);
        allocdb_health_get(db, 0, &health, NULL);
        before[i] = health.last_lsn;
        CHECK_STATUS(ALLOCDB_OK, allocdb_backup(db, paths[i], &error));
    }
    stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    allocdb_close(&db);
    for (int i = 0; i < 3; i++) {
        allocdb_resource row;
        uint64_t found = 0;

        db = open_copy(paths[i]);
        allocdb_health_get(db, 0, &health, NULL);
        /* Each thread's commands are there in order, and as many as the position says. */
        for (uint64_t thread = 0; thread < 4; thread++) {
            uint64_t number = 1;

            while (allocdb_get_resource(db, 0, id_of(number * 4 + thread), &row, NULL) ==
                   ALLOCDB_OK)
                number++;
            CHECK(number - 1 <= loads[thread].done + 1);
            found += number - 1;
        }
        CHECK_EQUAL(health.last_lsn, (UINT64_C(1) << 40) + found);
        CHECK(found >= before[i]);
        CHECK_EQUAL(found, health.resources.used_count);
        allocdb_close(&db);
    }
}

static void a_full_disk_gives_a_backup_up(void)
{
    const char *small = new_directory();
    allocdb *db = open_filled();

    if (mount("none", small, "tmpfs", 0, "size=16k") != 0) {
        skip("cannot mount a small file system");
        return;
    }
    FILE *file = fopen(path_in(small, "lost+found"), "w");
    fprintf(file, "%08192d", 0);
    fclose(file);
    CHECK_STATUS(ALLOCDB_E_STORAGE_FULL, allocdb_backup(db, small, &error));
    CHECK_EQUAL(ENOSPC, error.os_errno);
    CHECK_SAYS(error, "the backup was given up");
    CHECK_EQUAL(1, names_in(small));
    CHECK(umount(small) == 0);
    reserve(db, 300, 11);
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
    CHECK_STATUS(ALLOCDB_OK, allocdb_backup(db, new_path(), &error));
    allocdb_close(&db);
}

/* A process killed in the middle of a backup: what it left is whole, or does not open. */
static void a_backup_that_was_killed_is_whole_or_does_not_open(void)
{
    int whole = 0, refused = 0;

    for (unsigned round = 0; round < 60; round++) {
        const char *path = new_path();
        allocdb_options options;
        pid_t child = fork();

        if (child == 0) {
            allocdb *db = open_filled();

            if (allocdb_backup(db, path, NULL) != ALLOCDB_OK)
                abort();
            pause();
        }
        /* From the moment at which the copy's lock file appears. */
        for (int i = 0; i < 20000 && access(path_in(path, "LOCK"), F_OK) != 0; i++)
            usleep(100);
        usleep(round * 20);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        allocdb_options_init(&options, sizeof options);
        options.clock = ALLOCDB_CLOCK_HOST;
        options.flags = ALLOCDB_OPEN_EXISTING;
        allocdb *db, *original = open_filled();
        allocdb_status status = allocdb_open(path, &options, &db, &error);
        if (status == ALLOCDB_OK) {
            check_same(original, db);
            whole++;
        } else {
            CHECK(status == ALLOCDB_E_CORRUPT || status == ALLOCDB_E_NOT_A_DATABASE);
            refused++;
        }
        allocdb_close(&db);
        allocdb_close(&original);
    }
    CHECK(whole + refused == 60);
}

/* Beside the process that writes, which is not held up. */
static void a_reader_backs_up_what_it_shows(void)
{
    const char *directory = new_directory(), *path = new_path();
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options), *reader, *copy;
    allocdb_resource row;

    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 1, operation_of(1), id_of(1), &outcome, &error));
    allocdb_options_init(&options, sizeof options);
    options.flags = ALLOCDB_OPEN_READ_ONLY;
    reader = open_database(directory, &options);
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 1, operation_of(2), id_of(2), &outcome, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_backup(reader, path, &error));
    CHECK_STATUS(ALLOCDB_E_EXISTS, allocdb_backup(reader, directory, &error));
    allocdb_close(&reader);
    copy = open_copy(path);
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(copy, 0, id_of(1), &row, &error));
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, allocdb_get_resource(copy, 0, id_of(2), &row, &error));
    allocdb_close(&copy);
    allocdb_close(&db);
}

static void backs_up_in_a_child(void *argument)
{
    CHECK_STATUS(ALLOCDB_E_FORKED, allocdb_backup(argument, new_path(), &error));
}

static void a_forked_child_makes_no_backup(void)
{
    allocdb *db = open_filled();

    in_child(backs_up_in_a_child, db);
    allocdb_close(&db);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_backup_reads_like_its_original_and_repeats_no_token),
        TEST(only_an_empty_directory_is_taken),
        TEST(a_databases_own_directory_is_refused),
        TEST(backups_under_load_open_and_hold_whole_histories),
        TEST(a_full_disk_gives_a_backup_up),
        TEST(a_backup_that_was_killed_is_whole_or_does_not_open),
        TEST(a_reader_backs_up_what_it_shows),
        TEST(a_forked_child_makes_no_backup),
    };

    return RUN_TESTS(tests);
}
