/*
 * bench.c - two figures of libAllocDB on this machine's disk.
 *
 *     cc -O2 bench.c -o bench $(pkg-config --cflags --libs allocdb) -pthread
 *     ./bench [directory]
 *
 * Latency: what one durable command costs on top of the least that durability can cost, a raw write
 * of 512 bytes and fdatasync into a preallocated file. The two take turns, so that both see the
 * same disk; the medians are compared.
 *
 * Throughput: commands a second in commits of 1,000, every command with an operation of its own,
 * every commit synced, from one thread and from several.
 *
 * The directory must be on the disk in question (the default is the current one). Files are made in
 * a directory of their own and removed.
 */
#define _GNU_SOURCE
#include <allocdb.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS = 4000, BATCH = 1000, THREADS_MAX = 4, RAW_BYTES = 4 << 20 };

static char directory[4096];
static allocdb *db;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what, const allocdb_error *error)
{
    if (error != NULL)
        fprintf(stderr, "%s: %s: %s\n", what, allocdb_status_name(error->status), error->message);
    else
        perror(what);
    exit(1);
}

static int by_size(const void *left, const void *right)
{
    uint64_t one = *(const uint64_t *)left, other = *(const uint64_t *)right;

    return (one > other) - (one < other);
}

static void open_bench(void)
{
    allocdb_options options;
    allocdb_error error;

    allocdb_options_init(&options, sizeof options);
    /* The bench counts slots, one for each 10,000 commands: 20 of them are remembered. */
    options.clock = ALLOCDB_CLOCK_HOST;
    options.max_operations = 500000;
    options.max_reservations = 300000;
    options.max_ttl_slots = 1000;
    options.operation_window_slots = 20;
    options.history_window_slots = 20;
    options.checkpoint_wal_bytes = UINT64_C(1) << 30;
    options.wal_prealloc_bytes = 64 << 20;
    if (allocdb_open(directory, &options, &db, &error) != ALLOCDB_OK)
        die("open", &error);
}

/* ---- latency ---- */

static int open_raw(void)
{
    char path[4200];
    static char block[1 << 20];

    snprintf(path, sizeof path, "%s.raw", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        die(path, NULL);
    memset(block, 0, sizeof block);
    for (long at = 0; at < RAW_BYTES; at += (long)sizeof block)
        if (pwrite(fd, block, sizeof block, at) != (ssize_t)sizeof block)
            die(path, NULL);
    if (fsync(fd) != 0)
        die(path, NULL);
    unlink(path);
    return fd;
}

static uint64_t raw_write(int fd, int index)
{
    char sector[512];
    uint64_t begin = now_ns();

    memset(sector, index, sizeof sector);
    if (pwrite(fd, sector, sizeof sector, (long)index * 512) != 512 || fdatasync(fd) != 0)
        die("raw write", NULL);
    return now_ns() - begin;
}

static uint64_t one_command(uint64_t slot)
{
    allocdb_outcome outcome;
    allocdb_error error;
    allocdb_id seat = {1, 0}, holder = {2, 0};
    static allocdb_id held;
    static bool is_held;
    uint64_t begin = now_ns();
    allocdb_operation operation = allocdb_operation_new(db);
    allocdb_status status =
        is_held ? allocdb_release(db, slot, operation, held, holder, &outcome, &error)
                : allocdb_reserve(db, slot, operation, seat, holder, 1000, &outcome, &error);

    if (status != ALLOCDB_OK)
        die("command", &error);
    held = outcome.reservation_id;
    is_held = !is_held;
    return now_ns() - begin;
}

static void measure_latency(void)
{
    static uint64_t raw[PAIRS], command[PAIRS];
    allocdb_outcome outcome;
    allocdb_error error;
    allocdb_id seat = {1, 0};
    int fd = open_raw();

    if (allocdb_create_resource(db, 1, allocdb_operation_new(db), seat, &outcome, &error))
        die("create", &error);
    for (int i = 0; i < PAIRS; i++) {
        raw[i] = raw_write(fd, i);
        command[i] = one_command(1 + (uint64_t)i / 100);
    }
    close(fd);
    qsort(raw, PAIRS, sizeof raw[0], by_size);
    qsort(command, PAIRS, sizeof command[0], by_size);
    printf("one durable command     median %7.1f us   p99 %7.1f us\n",
           (double)command[PAIRS / 2] / 1e3, (double)command[PAIRS * 99 / 100] / 1e3);
    printf("raw 512 B + fdatasync   median %7.1f us   p99 %7.1f us\n", (double)raw[PAIRS / 2] / 1e3,
           (double)raw[PAIRS * 99 / 100] / 1e3);
    printf("ratio of the medians    %.3f\n", (double)command[PAIRS / 2] / (double)raw[PAIRS / 2]);
}

/* ---- throughput ---- */

static uint64_t slot_shared = 1000, commands_done;
static uint64_t end_ns;

static void fill(allocdb_command *commands, uint32_t kind, uint64_t first,
                 const allocdb_id *targets)
{
    for (uint64_t i = 0; i < BATCH; i++) {
        allocdb_operation operation = allocdb_operation_new(db);

        memset(&commands[i], 0, sizeof commands[i]);
        commands[i].kind = kind;
        commands[i].operation_id = operation.id;
        commands[i].target_id.lo = first + i;
        if (targets != NULL)
            commands[i].target_id = targets[i];
        if (kind != ALLOCDB_COMMAND_CREATE_RESOURCE)
            commands[i].holder_id.lo = first;
        if (kind == ALLOCDB_COMMAND_RESERVE)
            commands[i].ttl_slots = 1000;
    }
}

static void submit(const allocdb_command *commands, allocdb_outcome *outcomes)
{
    allocdb_error error;
    uint64_t done = __atomic_add_fetch(&commands_done, BATCH, __ATOMIC_RELAXED);
    uint64_t slot = slot_shared + done / 10000;

    if (allocdb_submit(db, slot, commands, BATCH, outcomes, &error) != ALLOCDB_OK)
        die("submit", &error);
    for (int i = 0; i < BATCH; i++)
        if (outcomes[i].status != ALLOCDB_OK || outcomes[i].code != ALLOCDB_DONE) {
            fprintf(stderr, "%s %s\n", allocdb_status_name(outcomes[i].status),
                    allocdb_result_name(outcomes[i].code));
            exit(1);
        }
}

static void *batches(void *argument)
{
    uint64_t first = 1000 + (uint64_t)(uintptr_t)argument * BATCH;
    allocdb_command *commands = malloc(sizeof *commands * BATCH);
    allocdb_outcome *outcomes = malloc(sizeof *outcomes * BATCH);
    allocdb_id *held = malloc(sizeof *held * BATCH);

    if (commands == NULL || outcomes == NULL || held == NULL)
        die("malloc", NULL);
    while (now_ns() < end_ns) {
        fill(commands, ALLOCDB_COMMAND_RESERVE, first, NULL);
        submit(commands, outcomes);
        for (int i = 0; i < BATCH; i++)
            held[i] = outcomes[i].reservation_id;
        fill(commands, ALLOCDB_COMMAND_RELEASE, first, held);
        submit(commands, outcomes);
    }
    free(commands);
    free(outcomes);
    free(held);
    return NULL;
}

static void measure_throughput(int threads)
{
    pthread_t running[THREADS_MAX];
    uint64_t begin = now_ns(), before = commands_done;

    end_ns = begin + UINT64_C(3000000000);
    for (int i = 0; i < threads; i++)
        pthread_create(&running[i], NULL, batches, (void *)(uintptr_t)i);
    for (int i = 0; i < threads; i++)
        pthread_join(running[i], NULL);
    double seconds = (double)(now_ns() - begin) / 1e9;
    printf("batches of 1,000        %d thread%s  %9.0f commands/s\n", threads,
           threads == 1 ? " " : "s", (double)(commands_done - before) / seconds);
}

static void clean_up(void)
{
    char command[8500];

    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command) != 0)
        perror(command);
}

int main(int argc, char **argv)
{
    static allocdb_command commands[BATCH];
    static allocdb_outcome outcomes[BATCH];

    snprintf(directory, sizeof directory, "%s/allocdb-bench-%d", argc > 1 ? argv[1] : ".",
             (int)getpid());
    open_bench();
    measure_latency();
    for (uint64_t i = 0; i < THREADS_MAX; i++) {
        fill(commands, ALLOCDB_COMMAND_CREATE_RESOURCE, 1000 + i * BATCH, NULL);
        submit(commands, outcomes);
    }
    for (int threads = 1; threads <= THREADS_MAX; threads *= 2)
        measure_throughput(threads);
    allocdb_close(&db);
    clean_up();
    return 0;
}
