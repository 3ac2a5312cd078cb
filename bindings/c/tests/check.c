/*
 * check.c - see check.h.
 */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Failed checks that are shown; a check in a loop must not fill the screen. */
enum { SHOWN_MAX = 40 };

static int failures;
static uint64_t operations;
static pid_t main_process;

static void fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    if (__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED) > SHOWN_MAX)
        return;
    printf("    %s:%d: ", file, line);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
}

bool check_that(bool condition, const char *what, const char *file, int line)
{
    if (!condition)
        fail(file, line, "not so: %s", what);
    return condition;
}

bool check_equal(uint64_t expected, uint64_t actual, const char *what, const char *file, int line)
{
    if (expected != actual)
        fail(file, line, "%s is %llu, expected %llu", what, (unsigned long long)actual,
             (unsigned long long)expected);
    return expected == actual;
}

bool check_status(allocdb_status expected, allocdb_status actual, const char *what,
                  const char *file, int line)
{
    if (expected != actual)
        fail(file, line, "%s is %s, expected %s", what, allocdb_status_name(actual),
             allocdb_status_name(expected));
    return expected == actual;
}

bool check_says(const allocdb_error *error, const char *text, const char *file, int line)
{
    bool says = strstr(error->message, text) != NULL;

    if (!says)
        fail(file, line, "\"%s\" does not name \"%s\"", error->message, text);
    return says;
}

bool is_zero(const void *object, size_t size)
{
    const unsigned char *bytes = object;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

void skip(const char *why)
{
    printf("    skipped: %s\n", why);
}

/* There in a library built with the feature `torture` alone. */
extern bool allocdb_torture_plant(const char *name) __attribute__((weak));

bool plant(const char *name)
{
    return allocdb_torture_plant != NULL && allocdb_torture_plant(name);
}

bool plant_here(void)
{
    const char *name = getenv("ALLOCDB_CANARY");

    return name != NULL && plant(name);
}

int rounds(int fewest)
{
    const char *text = getenv("ALLOCDB_ROUNDS");

    return fewest * (text != NULL ? atoi(text) : 1);
}

int failed_checks(void)
{
    return failures;
}

int run_tests(const struct test *tests, size_t count)
{
    const char *only = getenv("ALLOCDB_TEST");
    int failed = 0, passed = 0;

    main_process = getpid();
    if (getenv("ALLOCDB_CANARY") != NULL && *getenv("ALLOCDB_CANARY") != 0 && !plant_here())
        printf("    no such bug can be planted here\n");
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < count; i++) {
        int before = failures;

        if (only != NULL && strcmp(only, tests[i].name) != 0)
            continue;
        tests[i].run();
        *(failures == before ? &passed : &failed) += 1;
        printf("%s %s\n", failures == before ? "ok    " : "FAILED", tests[i].name);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}

/* ---- directories and files ---- */

static void remove_tree(const char *path)
{
    struct dirent *entry;
    DIR *directory = opendir(path);

    if (directory == NULL) {
        unlink(path);
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        char inner[4096];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (unlink(inner) != 0)
            remove_tree(inner);
    }
    closedir(directory);
    rmdir(path);
}

static char base_directory[512];

static void remove_base(void)
{
    if (getpid() == main_process)
        remove_tree(base_directory);
}

const char *new_directory(void)
{
    static char paths[256][600];
    static int count;

    if (base_directory[0] == 0) {
        const char *where = getenv("ALLOCDB_TEST_DIRECTORY");

        snprintf(base_directory, sizeof base_directory, "%s/allocdb-c-XXXXXX",
                 where != NULL ? where : "/tmp");
        if (mkdtemp(base_directory) == NULL) {
            perror(base_directory);
            exit(2);
        }
        main_process = getpid();
        atexit(remove_base);
    }
    int index = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) % 256;
    snprintf(paths[index], sizeof paths[index], "%s/%d", base_directory, index);
    remove_tree(paths[index]);
    mkdir(paths[index], 0755);
    return paths[index];
}

const char *path_in(const char *directory, const char *name)
{
    static _Thread_local char paths[8][1024];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

int descriptor_of(const char *path)
{
    struct stat wanted, found;

    if (stat(path, &wanted) != 0)
        return -1;
    for (int fd = 3; fd < 256; fd++)
        if (fstat(fd, &found) == 0 && found.st_dev == wanted.st_dev &&
            found.st_ino == wanted.st_ino)
            return fd;
    return -1;
}

void flip_byte(const char *path, long offset)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);

    if (offset < 0)
        offset += lseek(fd, 0, SEEK_END);
    bool done = pread(fd, &byte, 1, offset) == 1;
    byte ^= 0x10;
    done = done && pwrite(fd, &byte, 1, offset) == 1;
    close(fd);
    CHECK(done);
}

/* ---- databases ---- */

allocdb_options small_options(void)
{
    allocdb_options options;

    allocdb_options_init(&options, sizeof options);
    options.max_resources = 64;
    options.max_reservations = 64;
    options.max_operations = 1024;
    options.max_bundle_len = 8;
    options.max_ttl_slots = 1000;
    options.operation_window_slots = 100;
    options.history_window_slots = 50;
    options.wal_prealloc_bytes = 64 << 10;
    options.clock = ALLOCDB_CLOCK_HOST;
    return options;
}

allocdb *open_database(const char *directory, const allocdb_options *options)
{
    allocdb *db;
    allocdb_error error;

    if (allocdb_open(directory, options, &db, &error) != ALLOCDB_OK) {
        printf("cannot open %s: %s: %s\n", directory, allocdb_status_name(error.status),
               error.message);
        exit(2);
    }
    return db;
}

allocdb *open_small(void)
{
    allocdb_options options = small_options();

    return open_database(new_directory(), &options);
}

allocdb_id id_of(uint64_t number)
{
    allocdb_id id = {number, 0};

    return id;
}

allocdb_operation operation_of(uint64_t number)
{
    allocdb_operation operation = {{number, 0x0B}, 0};

    return operation;
}

allocdb_operation next_operation(void)
{
    return operation_of(__atomic_add_fetch(&operations, 1, __ATOMIC_RELAXED));
}

/* ---- processes and time ---- */

void in_child(void (*function)(void *), void *argument)
{
    int state = 0;
    fflush(stdout);
    pid_t child = fork();

    if (child == 0) {
        failures = 0;
        function(argument);
        fflush(stdout);
        _exit(failures > 100 ? 100 : failures);
    }
    CHECK(child > 0);
    CHECK(waitpid(child, &state, 0) == child);
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0)
        fail(__FILE__, __LINE__, "the child ended with %s %d",
             WIFEXITED(state) ? "failed checks:" : "signal",
             WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state));
}

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
