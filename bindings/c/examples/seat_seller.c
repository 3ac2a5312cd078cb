/* The seat seller: a C program that sells a venue's seats to many buyers at once, out of AllocDB.
 *
 *     seat_seller [-d DIRECTORY] [-v VENUE.csv] [-n NOTEBOOK] [-b BUYERS] [-s SEED] [-l LIFE]
 *                 [-t TURN] [-u CLOSING_UNIX_MS] [-c OPEN_MS] [-o] [-k]
 *
 * It opens (or creates) the database in DIRECTORY, makes every seat of the venue a resource, and
 * lets BUYERS threads loose on them until closing time. It may be killed at any instruction and
 * started again: it then finds everything that was ever acknowledged, and its buyers go on from
 * their notebook. scripts/demo.sh does just that to it.
 *
 * With -o it hands over: at closing its buyers stop where they are, and the next seller, in
 * whatever language it is written, goes on from the database and the notebook. With -k it is that
 * next one: it knocks, tells whose the database is, and waits for a word on its standard input.
 *
 * Read this file for how a program opens a database, loads resources in batches, keeps time going
 * with `allocdb_tick` and reads the health figures; read seat_buyer.c for how to buy.
 */
#define _POSIX_C_SOURCE 200809L

#include "seat_seller.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LOAD_BATCH_LEN 1000u
#define WATCH_EVERY_MS 100u
#define DRAIN_MS_MAX 30000u

struct arguments {
    const char *directory;
    const char *venue;
    const char *notebook;
    uint32_t buyers;
    uint64_t seed;
    uint64_t life;
    uint64_t turn;
    uint64_t closing_ms; /* Unix time; but not before ... */
    uint64_t open_ms;    /* ... so long after the opening */
    bool hands_over;
    bool knocks;
};

void witness_tell(const char *format, ...)
{
    char line[1024]; /* under 4096, see seat_seller.h */
    va_list values;
    va_start(values, format);
    int len = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (len <= 0 || (size_t)len >= sizeof line ||
        write(STDOUT_FILENO, line, (size_t)len) != (ssize_t)len) {
        /* What nobody can be told must not be done: without a witness there is no sale. */
        fprintf(stderr, "seat_seller: the witness is gone\n");
        _exit(4);
    }
}

void count(struct shop *shop, enum figure stat)
{
    atomic_fetch_add_explicit(&shop->counters.values[stat], 1, memory_order_relaxed);
}

uint64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void nap_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&left, NULL);
}

static bool complain(const char *what, const allocdb_error *error)
{
    fprintf(stderr, "seat_seller: %s: %s: %s\n", what, allocdb_status_name(error->status),
            error->message);
    return false;
}

/* Opens the database; what is not set has its default, and at a reopening "as stored". */
static bool shop_open(struct shop *shop, const struct arguments *arguments)
{
    allocdb_options options;
    allocdb_error error;
    allocdb_options_init(&options, sizeof options);
    /* Ended holds stay readable for ten minutes, so that the audit can look at every one. */
    options.history_window_slots = 6000;
    /* A retry is answered for ten seconds. What an operation is remembered for must fit into
     * max_operations at the rate at which it comes: here 52,000 a second for as long as it likes.
     */
    options.operation_window_slots = 100;
    /* Small, so that a run of a minute sees checkpoints, and recoveries that begin at one. */
    options.checkpoint_wal_bytes = 8u << 20;
    if (allocdb_open(arguments->directory, &options, &shop->db, &error) != ALLOCDB_OK)
        return complain("opening the database", &error);
    shop->closing_ms = wall_ms() + arguments->open_ms;
    if (shop->closing_ms < arguments->closing_ms)
        shop->closing_ms = arguments->closing_ms;

    allocdb_recovery_report report = {.struct_size = sizeof report};
    if (allocdb_recovery_report_get(shop->db, &report, &error) != ALLOCDB_OK)
        return complain("reading the recovery report", &error);
    static const char *const KINDS[] = {"fresh", "wal_only", "snapshot_only", "snapshot_and_wal",
                                        "previous_snapshot_and_wal"};
    witness_tell("open %" PRIu64 " %" PRIu64 " C %" PRIu64 " %s %.6f %" PRIu64 " %" PRIu64
                 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                 arguments->life, arguments->turn, (uint64_t)getpid(),
                 report.start_kind < 5 ? KINDS[report.start_kind] : "unknown",
                 (double)report.duration_ns / 1e9, report.snapshot_lsn, report.frames_replayed,
                 report.records_replayed, report.torn_bytes, report.last_lsn);
    return true;
}

/* Creates seats `first` to `first + len - 1` in one commit. */
static bool load_batch(struct shop *shop, uint32_t first, uint32_t len)
{
    static allocdb_command commands[LOAD_BATCH_LEN];
    static allocdb_outcome outcomes[LOAD_BATCH_LEN];
    allocdb_error error;
    memset(commands, 0, sizeof commands);
    for (uint32_t i = 0; i < len; i++) {
        allocdb_operation operation = allocdb_operation_new(shop->db);
        commands[i].kind = ALLOCDB_COMMAND_CREATE_RESOURCE;
        commands[i].operation_id = operation.id;
        commands[i].valid_until_slot = operation.valid_until_slot;
        commands[i].target_id = venue_seat_id(first + i);
    }
    if (allocdb_submit(shop->db, ALLOCDB_SLOT_NOW, commands, len, outcomes, &error) != ALLOCDB_OK)
        return complain("loading the venue", &error);
    for (uint32_t i = 0; i < len; i++) {
        /* After a kill some are there already. Creating is its own retry: a new operation that
         * finds the seat there has found what it wanted. */
        bool there =
            outcomes[i].status == ALLOCDB_OK &&
            (outcomes[i].code == ALLOCDB_DONE || outcomes[i].code == ALLOCDB_RESOURCE_EXISTS);
        if (!there) {
            fprintf(stderr, "seat_seller: seat %u cannot be created: %s %s\n", first + i,
                    allocdb_status_name(outcomes[i].status), allocdb_result_name(outcomes[i].code));
            return false;
        }
    }
    return true;
}

/* The last seat is created last: where it is, the venue is loaded. */
static bool shop_load(struct shop *shop)
{
    allocdb_resource row;
    uint32_t seat_count = shop->venue->seat_count;
    if (allocdb_get_resource(shop->db, 0, venue_seat_id(seat_count - 1), &row, NULL) == ALLOCDB_OK)
        return true;
    for (uint32_t first = 0; first < seat_count; first += LOAD_BATCH_LEN) {
        uint32_t left = seat_count - first;
        if (!load_batch(shop, first, left < LOAD_BATCH_LEN ? left : LOAD_BATCH_LEN))
            return false;
    }
    witness_tell("note %" PRIu32 " seats loaded\n", seat_count);
    return true;
}

/* The buyers' pages: a file in memory, which outlives the process. */
static struct buyer_page *notebook_open(const struct arguments *arguments)
{
    size_t bytes = BUYERS_MAX * sizeof(struct buyer_page);
    int file = open(arguments->notebook, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || ftruncate(file, (off_t)bytes) != 0) {
        fprintf(stderr, "seat_seller: cannot write the notebook %s\n", arguments->notebook);
        return NULL;
    }
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (pages == MAP_FAILED) {
        fprintf(stderr, "seat_seller: cannot map the notebook\n");
        return NULL;
    }
    return pages;
}

static uint32_t buyers_start(struct shop *shop, const struct arguments *arguments,
                             struct buyer_page *pages, struct buyer *buyers, pthread_t *threads)
{
    for (uint32_t i = 0; i < arguments->buyers; i++) {
        if (pages[i].random == 0)
            pages[i].random = (arguments->seed + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        buyers[i].shop = shop;
        buyers[i].page = &pages[i];
        buyers[i].number = i;
        atomic_fetch_add(&shop->buyers_inside, 1);
        if (pthread_create(&threads[i], NULL, buyer_run, &buyers[i]) != 0) {
            atomic_fetch_sub(&shop->buyers_inside, 1);
            atomic_store(&shop->failed, true);
            fprintf(stderr, "seat_seller: cannot start buyer %u\n", i);
            return i;
        }
    }
    return arguments->buyers;
}

/* The counters of the buyers and the engine's own, as one line for the witness. */
static bool stats_tell(struct shop *shop, uint64_t opened_ms)
{
    allocdb_error error;
    allocdb_health health = {.struct_size = sizeof health};
    if (allocdb_health_get(shop->db, ALLOCDB_SLOT_NOW, &health, &error) != ALLOCDB_OK)
        return complain("reading the health figures", &error);
    uint64_t values[STAT_COUNT];
    for (unsigned i = 0; i < STAT_COUNT; i++)
        values[i] = atomic_load_explicit(&shop->counters.values[i], memory_order_relaxed);
    values[STAT_ELAPSED_MS] = wall_ms() - opened_ms;
    values[STAT_COMMANDS] = health.record_count;
    values[STAT_COMMITS] = health.commit_count;
    values[STAT_SYNCS] = health.sync_count;
    values[STAT_SYNC_NS_SUM] = health.sync_ns_sum;
    values[STAT_SYNC_NS_MAX] = health.sync_ns_max;
    values[STAT_CHECKPOINTS] = health.checkpoint_count;
    char line[900];
    size_t used = 0;
    for (unsigned i = 0; i < STAT_COUNT && used < sizeof line; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, " %s=%" PRIu64, STAT_NAMES[i],
                                 values[i]);
    witness_tell("stat%s\n", line);
    return true;
}

/* How many holds are neither sold, given back nor run out; at most 64 are counted. */
static bool holds_live(struct shop *shop, size_t *hold_count)
{
    allocdb_error error;
    allocdb_reservation rows[64];
    allocdb_filter filter;
    uint64_t cursor = 0;
    memset(&filter, 0, sizeof filter);
    filter.states = 1u << ALLOCDB_RESERVATION_STATE_RESERVED;
    size_t total = 0;
    do {
        size_t row_count = 0;
        if (allocdb_list_reservations(shop->db, &filter, &cursor, rows, 64, &row_count, &error) !=
            ALLOCDB_OK)
            return complain("listing the holds", &error);
        total += row_count;
    } while (cursor != 0 && total < 64);
    *hold_count = total;
    return true;
}

/* Time passes by commands. Where none come, `allocdb_tick` is what lets holds run out; with nothing
 * due it writes nothing, so it may be called as often as one likes. Ends when every buyer has left
 * and, unless somebody else goes on, the last hold has ended. */
static bool watch(struct shop *shop, uint64_t opened_ms)
{
    allocdb_error error;
    uint64_t drain_ms = 0;
    size_t hold_count = 1;
    while (!atomic_load(&shop->failed) && hold_count > 0 && drain_ms < DRAIN_MS_MAX) {
        nap_ms(WATCH_EVERY_MS);
        allocdb_tick_result result;
        if (allocdb_tick(shop->db, ALLOCDB_SLOT_NOW, 0, &result, &error) != ALLOCDB_OK)
            return complain("ticking", &error);
        bool open = atomic_load(&shop->buyers_inside) > 0;
        if (!stats_tell(shop, opened_ms))
            return false;
        if (open)
            continue;
        if (shop->hands_over)
            return !atomic_load(&shop->failed);
        drain_ms += WATCH_EVERY_MS;
        if (!holds_live(shop, &hold_count))
            return false;
    }
    if (hold_count > 0 && !atomic_load(&shop->failed))
        fprintf(stderr, "seat_seller: holds do not run out\n");
    return hold_count == 0 && !atomic_load(&shop->failed);
}

static bool arguments_read(struct arguments *arguments, int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "d:v:n:b:s:l:t:u:c:ok")) != -1;) {
        switch (option) {
        case 'd': arguments->directory = optarg; break;
        case 'v': arguments->venue = optarg; break;
        case 'n': arguments->notebook = optarg; break;
        case 'b': arguments->buyers = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': arguments->seed = strtoull(optarg, NULL, 10); break;
        case 'l': arguments->life = strtoull(optarg, NULL, 10); break;
        case 't': arguments->turn = strtoull(optarg, NULL, 10); break;
        case 'c': arguments->open_ms = strtoull(optarg, NULL, 10); break;
        case 'o': arguments->hands_over = true; break;
        case 'k': arguments->knocks = true; break;
        case 'u': arguments->closing_ms = strtoull(optarg, NULL, 10); break;
        default: return false;
        }
    }
    return optind == argc && arguments->buyers > 0 && arguments->buyers <= BUYERS_MAX;
}

static bool sell(struct shop *shop, const struct arguments *arguments, struct buyer_page *pages)
{
    static struct buyer buyers[BUYERS_MAX];
    static pthread_t threads[BUYERS_MAX];
    uint64_t opened_ms = wall_ms();
    uint32_t started = buyers_start(shop, arguments, pages, buyers, threads);
    bool sold = watch(shop, opened_ms);
    if (!sold)
        atomic_store(&shop->failed, true);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return sold;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.directory = "seats.db",
                                  .venue = "bindings/c/examples/venue.csv",
                                  .notebook = "seats.notebook",
                                  .buyers = 64,
                                  .seed = 1,
                                  .life = 1,
                                  .turn = 1,
                                  .open_ms = 10000};
    struct venue venue;
    struct shop shop = {.venue = &venue};
    char why[128];
    if (!arguments_read(&arguments, argc, argv)) {
        fprintf(stderr, "usage: seat_seller [-d DIRECTORY] [-v VENUE.csv] [-n NOTEBOOK] [-b BUYERS]"
                        " [-s SEED] [-l LIFE] [-t TURN] [-u CLOSING_UNIX_MS] [-c OPEN_MS] [-o]"
                        " [-k]\n");
        return 2;
    }
    if (!venue_load(&venue, arguments.venue, why, sizeof why)) {
        fprintf(stderr, "seat_seller: %s: %s\n", arguments.venue, why);
        return 2;
    }
    shop.hands_over = arguments.hands_over;
    struct buyer_page *pages = notebook_open(&arguments);
    bool done = pages != NULL && (!arguments.knocks || knock(arguments.directory)) &&
                shop_open(&shop, &arguments) && shop_load(&shop) &&
                rivals_try(&shop, pages, arguments.life) && sell(&shop, &arguments, pages);
    allocdb_close(&shop.db);
    venue_free(&venue);
    return done ? 0 : 1;
}
