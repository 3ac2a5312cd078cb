/*
 * reader_test.c - handles that only read: every refusal, refreshing beside a writer in this process
 * and in others, a writer that is killed and comes back, and the figures as text.
 *
 * The writer of the last test checkpoints all the time and is killed in the middle of it. Its
 * commit number n creates the resource n and nothing else, so the state at LSN n is known: the
 * resources 1 to n are there, and n + 1 is not.
 */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static allocdb_outcome outcome;
static allocdb_error error;

static allocdb *open_reader(const char *directory)
{
    allocdb_options options;

    allocdb_options_init(&options, sizeof options);
    options.flags = ALLOCDB_OPEN_READ_ONLY;
    options.clock = ALLOCDB_CLOCK_HOST;
    return open_database(directory, &options);
}

static uint64_t create(allocdb *db, uint64_t number)
{
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 1, next_operation(), id_of(number),
                                                     &outcome, &error));
    return outcome.lsn;
}

static allocdb_status get(allocdb *db, uint64_t number)
{
    allocdb_resource row;

    return allocdb_get_resource(db, 0, id_of(number), &row, NULL);
}

static uint64_t refresh(allocdb *db)
{
    uint64_t lsn = 0;

    CHECK_STATUS(ALLOCDB_OK, allocdb_refresh(db, &lsn, &error));
    return lsn;
}

/* ---- what is refused ---- */

static void every_command_tick_and_checkpoint_is_read_only(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *writer = open_database(directory, &options);
    allocdb_operation operation = operation_of(900);
    allocdb_id id = id_of(1), ids[2] = {{1, 0}, {2, 0}};
    allocdb_tick_result tick;
    allocdb_command command = {.kind = ALLOCDB_COMMAND_CREATE_RESOURCE};

    create(writer, 1);
    allocdb *db = open_reader(directory);
    allocdb_outcome *out = &outcome;
    const allocdb_status answers[] = {
        allocdb_create_resource(db, 0, operation, id, out, &error),
        allocdb_delete_resource(db, 0, operation, id, out, &error),
        allocdb_reserve(db, 0, operation, id, id, 5, out, &error),
        allocdb_reserve_bundle(db, 0, operation, ids, 2, id, 5, out, &error),
        allocdb_confirm(db, 0, operation, id, id, out, &error),
        allocdb_extend(db, 0, operation, id, id, 5, out, &error),
        allocdb_release(db, 0, operation, id, id, out, &error),
        allocdb_revoke(db, 0, operation, id, out, &error),
        allocdb_reclaim(db, 0, operation, id, out, &error),
        allocdb_tick(db, 0, 0, &tick, &error),
        allocdb_checkpoint(db, &error),
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        CHECK_STATUS(ALLOCDB_E_READ_ONLY, answers[i]);
        CHECK_EQUAL(ALLOCDB_CATEGORY_DEFINITE, allocdb_status_category(answers[i]));
    }
    CHECK_STATUS(ALLOCDB_E_READ_ONLY, error.status);
    CHECK_SAYS(error, "reading only");
    CHECK_ZERO(tick);
    command.operation_id = operation.id;
    command.target_id = id_of(2);
    CHECK_STATUS(ALLOCDB_E_READ_ONLY, allocdb_submit(db, 0, &command, 1, &outcome, &error));
    /* What is wrong with an argument is said first. */
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_checkpoint(NULL, &error));
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, get(writer, 2));
    CHECK_STATUS(ALLOCDB_OK, get(db, 1));
    allocdb_close(&db);
    allocdb_close(&writer);
}

static allocdb_status open_fails(const char *directory, uint32_t flags)
{
    allocdb_options options;
    allocdb *db = NULL;

    allocdb_options_init(&options, sizeof options);
    options.flags = ALLOCDB_OPEN_READ_ONLY | flags;
    allocdb_status status = allocdb_open(directory, &options, &db, &error);
    CHECK(db == NULL);
    return status;
}

static void a_reader_makes_nothing_and_says_what_is_missing(void)
{
    const char *directory = new_directory();

    CHECK_STATUS(ALLOCDB_E_NOT_A_DATABASE, open_fails(directory, 0));
    CHECK_STATUS(ALLOCDB_E_DIRECTORY_NOT_FOUND, open_fails(path_in(directory, "none"), 0));
    CHECK_STATUS(ALLOCDB_E_INVALID, open_fails(directory, ALLOCDB_OPEN_NEW));
    CHECK_SAYS(error, "ALLOCDB_OPEN_READ_ONLY and ALLOCDB_OPEN_NEW");
    CHECK(rmdir(directory) == 0);
}

static void damage_is_reported_by_opening_and_by_refreshing(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *writer = open_database(directory, &options);
    uint64_t lsn;

    for (uint64_t i = 1; i <= 4; i++)
        create(writer, i);
    allocdb *db = open_reader(directory);
    create(writer, 5);
    /* The header of the log takes 4096 bytes, and each of these commits 512. */
    flip_byte(path_in(directory, "wal.adb"), 4096 + 4 * 512 + 80);
    CHECK_STATUS(ALLOCDB_E_CORRUPT, allocdb_refresh(db, &lsn, &error));
    CHECK(lsn == 0 && error.detail[0] == 4096 + 4 * 512 && error.detail[1] == 5);
    CHECK_SAYS(error, "was durable");
    CHECK_STATUS(ALLOCDB_OK, get(db, 4));
    CHECK_STATUS(ALLOCDB_E_CORRUPT, open_fails(directory, 0));
    flip_byte(path_in(directory, "wal.adb"), 4096 + 4 * 512 + 80);
    CHECK_EQUAL(5, refresh(db));
    CHECK_STATUS(ALLOCDB_OK, get(db, 5));
    allocdb_close(&db);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_refresh(NULL, &lsn, &error));
    allocdb_close(&writer);
}

/* ---- without a right to write ---- */

struct image {
    char text[4096];
    size_t len;
};

/* Names, lengths, times and sums of all files. */
static struct image image_of(const char *directory)
{
    struct dirent *entry;
    struct image image = {.len = 0};
    DIR *files = opendir(directory);

    while ((entry = readdir(files)) != NULL) {
        struct stat status;
        uint64_t sum = 0;
        const char *path = path_in(directory, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");

        if (file == NULL)
            continue;
        for (int byte; (byte = fgetc(file)) != EOF;)
            sum = sum * 31 + (uint64_t)byte;
        fstat(fileno(file), &status);
        fclose(file);
        image.len += (size_t)snprintf(image.text + image.len, sizeof image.text - image.len,
                                      "%s %lld %lld.%09ld %llx\n", entry->d_name,
                                      (long long)status.st_size, (long long)status.st_mtim.tv_sec,
                                      status.st_mtim.tv_nsec, (unsigned long long)sum);
    }
    closedir(files);
    return image;
}

static void reads_as_a_stranger(void *argument)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        skip("cannot become another user");
        return;
    }
    CHECK(access(path_in(argument, "wal.adb"), W_OK) != 0);
    allocdb *db = open_reader(argument);
    CHECK_EQUAL(6, refresh(db));
    CHECK_STATUS(ALLOCDB_OK, get(db, 6));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

static void reading_needs_no_right_to_write_and_leaves_every_byte(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *db = open_database(directory, &options);
    const char *names[] = {"LOCK", "wal.adb", "snapshot-3.adb", "health.adb"};

    for (uint64_t i = 1; i <= 6; i++) {
        create(db, i);
        if (i == 3)
            CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(db, &error));
    }
    allocdb_close(&db);
    for (size_t i = 0; i < 4; i++)
        CHECK(chmod(path_in(directory, names[i]), 0444) == 0);
    /* The tests' own directory is nobody else's. */
    CHECK(chmod(path_in(directory, ".."), 0755) == 0 && chmod(directory, 0555) == 0);
    struct image before = image_of(directory);
    in_child(reads_as_a_stranger, (void *)(uintptr_t)directory);
    struct image after = image_of(directory);
    CHECK(before.len > 0 && strcmp(before.text, after.text) == 0);
    CHECK(chmod(directory, 0755) == 0);
}

/* ---- beside a writer ---- */

static void a_refresh_shows_what_was_committed_before_it(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *writer = open_database(directory, &options);
    allocdb_resource row;

    create(writer, 1);
    allocdb *db = open_reader(directory);
    for (uint64_t i = 2; i <= 40; i++) {
        uint64_t lsn = create(writer, i);

        CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, get(db, i));
        CHECK_STATUS(ALLOCDB_FENCE_NOT_APPLIED,
                     allocdb_get_resource(db, lsn, id_of(i), &row, &error));
        CHECK_EQUAL(lsn, refresh(db));
        CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, lsn, id_of(i), &row, &error));
        if (i % 7 == 0)
            CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(writer, &error));
    }
    /* The writer has nothing to catch up with; the LSN may be left out. */
    CHECK_EQUAL(40, refresh(writer));
    CHECK_STATUS(ALLOCDB_OK, allocdb_refresh(db, NULL, NULL));
    allocdb_close(&writer);
    CHECK_EQUAL(40, refresh(db));
    allocdb *copy = db;
    allocdb_close(&db);
    CHECK_STATUS(ALLOCDB_E_CLOSED, allocdb_refresh(copy, NULL, &error));
}

static void refreshes_in_a_child(void *argument)
{
    CHECK_STATUS(ALLOCDB_E_FORKED, allocdb_refresh(argument, NULL, &error));
    allocdb *copy = argument;
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&copy));
}

static void a_forked_child_has_no_part_in_it(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *writer = open_database(directory, &options);
    allocdb *db = open_reader(directory);

    create(writer, 1);
    in_child(refreshes_in_a_child, db);
    CHECK_EQUAL(1, refresh(db));
    allocdb_close(&db);
    allocdb_close(&writer);
}

static void *reads_and_refreshes(void *argument)
{
    allocdb *db = argument;
    uint64_t lsn, before = 0;

    for (int i = 0; i < 300; i++) {
        CHECK_STATUS(ALLOCDB_OK, allocdb_refresh(db, &lsn, NULL));
        CHECK(lsn >= before);
        CHECK_STATUS(ALLOCDB_OK, get(db, lsn));
        before = lsn;
    }
    return NULL;
}

static void many_threads_refresh_one_handle(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    pthread_t threads[4];

    options.max_resources = 5000;
    options.max_operations = 10000;
    options.checkpoint_wal_bytes = 16 << 10;
    allocdb *writer = open_database(directory, &options);
    create(writer, 1);
    allocdb *db = open_reader(directory);
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, reads_and_refreshes, db);
    for (uint64_t i = 2; i <= 600; i++)
        create(writer, i);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(600, refresh(db));
    allocdb_close(&db);
    allocdb_close(&writer);
}

static void grown_tables_show_after_a_refresh(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options(), effective = {.struct_size = sizeof effective};
    allocdb *writer = open_database(directory, &options);

    create(writer, 1);
    allocdb *db = open_reader(directory);
    allocdb_close(&writer);
    options.max_resources = 640;
    writer = open_database(directory, &options);
    for (uint64_t i = 2; i <= 600; i++)
        create(writer, i);
    CHECK_STATUS(ALLOCDB_OK, allocdb_configuration(db, &effective, &error));
    CHECK_EQUAL(64, effective.max_resources);
    CHECK_EQUAL(600, refresh(db));
    CHECK_STATUS(ALLOCDB_OK, allocdb_configuration(db, &effective, &error));
    CHECK_EQUAL(640, effective.max_resources);
    CHECK(effective.flags == ALLOCDB_OPEN_READ_ONLY);
    CHECK_STATUS(ALLOCDB_OK, get(db, 600));
    allocdb_close(&db);
    allocdb_close(&writer);
}

/* ---- figures ---- */

/* The value of a line that begins with the name and a blank; UINT64_MAX where there is none. */
static uint64_t metric(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; line != NULL && *line != 0;) {
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            return strtoull(line + len + 1, NULL, 10);
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return UINT64_MAX;
}

static void metrics_are_those_of_health_and_tell_the_room_they_need(void)
{
    const char *directory = new_directory();
    allocdb_options options = small_options();
    allocdb *writer = open_database(directory, &options);
    allocdb_health health = {.struct_size = sizeof health};
    size_t needed = 0, len = 0;

    for (uint64_t i = 1; i <= 9; i++)
        create(writer, i % 7 + 1);
    CHECK_STATUS(ALLOCDB_OK, allocdb_checkpoint(writer, &error));
    allocdb *reader = open_reader(directory);
    allocdb *handles[] = {writer, reader};
    for (size_t i = 0; i < 2; i++) {
        CHECK_STATUS(ALLOCDB_E_BUFFER_TOO_SMALL,
                     allocdb_metrics_text(handles[i], 12, NULL, 0, &needed, &error));
        CHECK(needed > 2000 && error.detail[2] == needed);
        char *text = malloc(needed);
        memset(text, 'x', needed);
        CHECK_STATUS(ALLOCDB_E_BUFFER_TOO_SMALL,
                     allocdb_metrics_text(handles[i], 12, text, needed - 1, &len, &error));
        CHECK(len == needed && text[0] == 0);
        CHECK_STATUS(ALLOCDB_OK,
                     allocdb_metrics_text(handles[i], 12, text, needed, &len, &error));
        CHECK(len == needed - 1 && strlen(text) == len && text[len - 1] == '\n');
        CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(handles[i], 12, &health, &error));
        CHECK_EQUAL(1, metric(text, "allocdb_accepting_writes"));
        CHECK_EQUAL(health.last_lsn, metric(text, "allocdb_last_lsn"));
        CHECK_EQUAL(11, metric(text, "allocdb_slot_lag"));
        CHECK_EQUAL(health.log_bytes, metric(text, "allocdb_log_bytes"));
        CHECK_EQUAL(1, metric(text, "allocdb_checkpoints_total"));
        CHECK_EQUAL(9, metric(text, "allocdb_commits_total"));
        CHECK_EQUAL(7, metric(text, "allocdb_table_used{table=\"resources\"}"));
        CHECK_EQUAL(9, metric(text, "allocdb_commands_total{kind=\"create_resource\"}"));
        CHECK_EQUAL(2, metric(text, "allocdb_results_total{result=\"resource_exists\"}"));
        CHECK_EQUAL(9, metric(text, "allocdb_sync_seconds_bucket{le=\"+Inf\"}"));
        CHECK_EQUAL(health.sync_count, metric(text, "allocdb_sync_seconds_count"));
        free(text);
    }
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_metrics_text(reader, 12, NULL, 9, &len, &error));
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_metrics_text(reader, 12, NULL, 0, NULL, &error));
    allocdb_close(&writer);
    /* The last that the writer wrote down. */
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(reader, 12, &health, &error));
    CHECK(health.is_accepting_writes == 0 && health.commit_count == 9);
    /* Its own, where nothing is written down. */
    CHECK(unlink(path_in(directory, "health.adb")) == 0);
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(reader, 12, &health, &error));
    CHECK(health.is_accepting_writes == 0 && health.commit_count == 0);
    CHECK(health.last_lsn == 9 && health.resources.used_count == 7);
    allocdb_close(&reader);
}

/* ---- a writer that is killed ---- */

enum { ROUNDS = 25 };

/* What the child has been told, in memory that outlives it. */
static volatile uint64_t *acknowledged;

static void commits_until_killed(const char *directory, uint64_t first)
{
    allocdb_options options = small_options();

    options.max_resources = 200000;
    options.max_operations = 400000;
    /* A checkpoint about every eight commits. */
    options.checkpoint_wal_bytes = 4096;
    allocdb *db = open_database(directory, &options);
    for (uint64_t i = first;; i++) {
        allocdb_status status =
            allocdb_create_resource(db, 1, operation_of(i), id_of(i), &outcome, NULL);

        if (status != ALLOCDB_OK || (outcome.lsn != i && outcome.from_retry_cache == 0))
            _exit(1);
        *acknowledged = i;
    }
}

/* Refreshes, and checks that the state is that after the LSN reached. */
static uint64_t look(allocdb *db, uint64_t before)
{
    uint64_t told = *acknowledged, lsn = refresh(db);

    CHECK(lsn >= told);
    CHECK(lsn >= before);
    if (lsn > 0)
        CHECK_STATUS(ALLOCDB_OK, get(db, lsn));
    CHECK_STATUS(ALLOCDB_ID_NOT_FOUND, get(db, lsn + 1));
    if (lsn > 100)
        CHECK_STATUS(ALLOCDB_OK, get(db, lsn - 100));
    return lsn;
}

static void a_reader_outlives_writers_that_are_killed_in_the_middle(void)
{
    const char *directory = new_directory();
    allocdb *db = NULL;
    uint64_t lsn = 0, looks = 0;

    acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    srand(11);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t first = *acknowledged + 1, enough = first + 20 + (uint64_t)(rand() % 200);
        uint64_t patience = now_ns() + UINT64_C(20000000000);
        pid_t child = fork();
        int state;

        if (child == 0)
            commits_until_killed(directory, first);
        while (*acknowledged < enough && now_ns() < patience) {
            if (db == NULL && *acknowledged > 0)
                db = open_reader(directory);
            else if (db != NULL)
                lsn = look(db, lsn);
            looks++;
            if (round % 3 == 0 && db != NULL) {
                allocdb *other = open_reader(directory);

                CHECK(look(other, lsn) >= lsn);
                allocdb_close(&other);
            }
        }
        kill(child, SIGKILL);
        waitpid(child, &state, 0);
        CHECK(WIFSIGNALED(state));
        CHECK(*acknowledged >= enough);
        /* Nobody writes: what was acknowledged is durable, and is shown. */
        lsn = look(db, lsn);
    }
    printf("    %llu commits, %llu looks\n", (unsigned long long)lsn, (unsigned long long)looks);
    allocdb_close(&db);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(every_command_tick_and_checkpoint_is_read_only),
        TEST(a_reader_makes_nothing_and_says_what_is_missing),
        TEST(damage_is_reported_by_opening_and_by_refreshing),
        TEST(reading_needs_no_right_to_write_and_leaves_every_byte),
        TEST(a_refresh_shows_what_was_committed_before_it),
        TEST(a_forked_child_has_no_part_in_it),
        TEST(many_threads_refresh_one_handle),
        TEST(grown_tables_show_after_a_refresh),
        TEST(metrics_are_those_of_health_and_tell_the_room_they_need),
        TEST(a_reader_outlives_writers_that_are_killed_in_the_middle),
    };

    return RUN_TESTS(tests);
}
