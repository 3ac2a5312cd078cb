/*
 * host.c - the host in C: opens the shared database, works on it, and is killed.
 *
 *     host directory=DIR witness=FILE [life=N] [seed=N] [submissions=N] [threads=N] [pending=FILE]
 *          [sync=full|os] [text=1] [backup=DIR] [plant=NAME] [slot_step=N] [finale=1] [leave=1]
 *          [limit=nofile:N|as:N|fsize:N [late=1]] [ballast=FILE] [log_bytes=N]
 *
 * It sends again the commands in `pending` (intents of the lives before that nobody answered), then
 * `submissions` submissions of its own choice: reserve, confirm, extend, release, revoke, reclaim,
 * create, delete, one to four in a commit, some of them twice, ticks and checkpoints between, and
 * closes. With several threads the slot stands still, so that the ledger knows every commit's slot
 * whichever way the threads' submissions were grouped.
 *
 * With `finale` a checkpoint, two submissions and a backup come last, whatever the seed; with
 * `leave` it ends without closing, as a crash at rest.
 *
 * A limit is set right before the opening, or late, after it: descriptors in all, bytes of memory
 * beyond what is used, bytes a file. With a ballast, the host removes that file after it was told
 * three times that the storage is full: from then on commands must be accepted again, without
 * reopening. With `log_bytes` the log grows to that before a checkpoint is made, and the host makes
 * none of its own.
 *
 * A planted bug (`twice`, `early`, `winner`) makes this host lie or cheat: the audit must see it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "witness.h"

enum {
    EXIT_FAILED_OPEN = 3,
    EXIT_NOT_RELIEVED = 6,
    EXIT_NO_WITNESS = 4,
    EXIT_HALTED = 5,
    STALE_COUNT = 8,
    THREADS_MAX = 8
};

struct arguments {
    const char *directory, *witness, *pending, *sync, *backup, *plant, *limit, *ballast;
    uint64_t life, seed, submissions, threads, text, slot_step, finale, leave, late, log_bytes;
};

struct host {
    struct arguments arguments;
    struct witness witness;
    allocdb *db;
    uint64_t slot;
    uint32_t next_operation, next_batch;
    int halted;
    uint64_t full_count; /* answers E_STORAGE_FULL */
};

/* One of the threads that submit. */
struct worker {
    struct host *host;
    uint64_t random;
    uint64_t stale[STALE_COUNT]; /* reservations seen before */
};

static void tell(struct host *host, struct record *records, size_t count)
{
    /* What nobody can be told must not be done. */
    if (!witness_tell(&host->witness, records, count))
        _exit(EXIT_NO_WITNESS);
}

static void tell_event(struct host *host, enum record_type type, uint64_t lsn, int32_t status)
{
    struct record record = {.type = type,
                            .life = (uint32_t)host->arguments.life,
                            .slot = host->slot,
                            .lsn = lsn,
                            .status = status};

    tell(host, &record, 1);
}

static bool is_planted(const struct host *host, const char *name)
{
    return strcmp(host->arguments.plant, name) == 0;
}

/* ---- choosing ---- */

static void choose_change(struct worker *worker, struct record *intent)
{
    allocdb_resource row;
    uint64_t *random = &worker->random;
    uint64_t resource = 1 + random_below(random, RESOURCE_COUNT);
    uint64_t *stale = &worker->stale[random_below(random, STALE_COUNT)];
    bool is_held = allocdb_get_resource(worker->host->db, 0, resource_id(resource), &row, NULL) ==
                       ALLOCDB_OK &&
                   row.reservation_id.lo != 0;

    if (is_held && random_below(random, 8) != 0) {
        intent->target = *stale = row.reservation_id.lo;
        intent->holder = row.holder_id.lo + (random_below(random, 16) == 0);
    } else if (*stale != 0) {
        intent->target = *stale;
        intent->holder = intent->operation % 7 + 1;
        is_held = false;
    } else {
        return;
    }
    static const uint32_t kinds[] = {ALLOCDB_COMMAND_CONFIRM, ALLOCDB_COMMAND_CONFIRM,
                                     ALLOCDB_COMMAND_EXTEND,  ALLOCDB_COMMAND_EXTEND,
                                     ALLOCDB_COMMAND_RELEASE, ALLOCDB_COMMAND_RELEASE};

    intent->kind = kinds[random_below(random, 6)];
    if (is_held && row.state == ALLOCDB_RESOURCE_STATE_CONFIRMED && random_below(random, 2) == 0)
        intent->kind = ALLOCDB_COMMAND_REVOKE;
    if (is_held && row.state == ALLOCDB_RESOURCE_STATE_REVOKING)
        intent->kind = ALLOCDB_COMMAND_RECLAIM;
    if (intent->kind >= ALLOCDB_COMMAND_REVOKE)
        intent->holder = 0;
    if (intent->kind == ALLOCDB_COMMAND_EXTEND)
        intent->ttl_slots = 1 + random_below(random, TTL_MAX);
}

/* A command of the host's own choice; a reserve unless something else can be done. */
static void choose(struct worker *worker, struct record *intent)
{
    uint64_t *random = &worker->random, roll = random_below(random, 100);

    if (roll < 50)
        choose_change(worker, intent);
    else if (roll < 62)
        intent->kind =
            roll < 59 ? ALLOCDB_COMMAND_CREATE_RESOURCE : ALLOCDB_COMMAND_DELETE_RESOURCE;
    if (intent->kind == 0) {
        intent->kind = ALLOCDB_COMMAND_RESERVE;
        intent->count = 1 + (uint32_t)random_below(random, BUNDLE_LEN_MAX);
        intent->holder = 1 + random_below(random, 7);
        intent->ttl_slots = 1 + random_below(random, TTL_MAX);
    }
    if (intent->target == 0)
        intent->target = 1 + random_below(random, RESOURCE_COUNT + 1 - BUNDLE_LEN_MAX);
}

/* ---- submitting ---- */

/* A full disk refuses commands, and nothing else; with room again it takes them. */
static void bear_full_storage(struct host *host)
{
    enum { PATIENCE = 3 };
    allocdb_health health = {.struct_size = sizeof health};
    allocdb_resource row;
    allocdb_status status = allocdb_get_resource(host->db, 0, resource_id(1), &row, NULL);

    host->full_count += 1;
    if ((status != ALLOCDB_OK && status != ALLOCDB_ID_NOT_FOUND) ||
        allocdb_health_get(host->db, 0, &health, NULL) != ALLOCDB_OK ||
        health.halt_reason != ALLOCDB_HALT_NONE)
        _exit(EXIT_NOT_RELIEVED);
    if (host->arguments.ballast[0] == 0)
        return;
    if (host->full_count > PATIENCE)
        _exit(EXIT_NOT_RELIEVED);
    if (host->full_count == PATIENCE && unlink(host->arguments.ballast) != 0)
        _exit(EXIT_NO_WITNESS);
}

/* Carries the intents out as one submission, and tells the answers. */
static void submit(struct host *host, struct record *intents, size_t count)
{
    allocdb_command commands[BATCH_LEN_MAX] = {0};
    allocdb_outcome outcomes[BATCH_LEN_MAX];
    allocdb_id ids[BATCH_LEN_MAX][BUNDLE_LEN_MAX];
    struct record answers[BATCH_LEN_MAX];
    allocdb_error error;

    for (size_t i = 0; i < count; i++)
        commands[i] = record_command(&intents[i], ids[i]);
    memset(outcomes, 0, sizeof outcomes);
    allocdb_status status =
        allocdb_submit(host->db, intents[0].slot, commands, count, outcomes, &error);

    if (is_planted(host, "twice") && commands[0].kind == ALLOCDB_COMMAND_RESERVE) {
        allocdb_outcome again;

        commands[0].operation_id.lo += 500000;
        status = allocdb_submit(host->db, intents[0].slot, commands, 1, &again, &error);
    }
    for (size_t i = 0; i < count; i++) {
        answers[i] = record_answer(&intents[i], &outcomes[i]);
        if (status != ALLOCDB_OK)
            answers[i].status = status;
        if (is_planted(host, "winner") && answers[i].code == ALLOCDB_RESOURCE_BUSY) {
            answers[i].code = ALLOCDB_DONE;
            answers[i].reservation = answers[i].lsn;
            answers[i].deadline_slot = answers[i].slot + answers[i].ttl_slots;
        }
    }
    tell(host, answers, count);
    if (status == ALLOCDB_E_STORAGE_FULL)
        bear_full_storage(host);
    if (allocdb_status_category(status) == ALLOCDB_CATEGORY_INDEFINITE)
        __atomic_store_n(&host->halted, 1, __ATOMIC_RELAXED);
}

static void begin_batch(struct host *host, struct record *intents, size_t count)
{
    uint32_t batch = __atomic_add_fetch(&host->next_batch, 1, __ATOMIC_RELAXED);

    for (size_t i = 0; i < count; i++) {
        intents[i].type = RECORD_INTENT;
        intents[i].life = (uint32_t)host->arguments.life;
        intents[i].batch = batch;
        intents[i].batch_len = (uint32_t)count;
        intents[i].slot = host->slot;
        intents[i].status = STATUS_NONE;
    }
    tell(host, intents, count);
}

static void submit_own(struct worker *worker)
{
    struct host *host = worker->host;
    struct record intents[BATCH_LEN_MAX] = {0};
    size_t count = random_below(&worker->random, 3) == 0
                       ? 2 + random_below(&worker->random, BATCH_LEN_MAX - 1)
                       : 1;

    for (size_t i = 0; i < count; i++) {
        intents[i].operation = host->arguments.life << 20 |
                               __atomic_add_fetch(&host->next_operation, 1, __ATOMIC_RELAXED);
        intents[i].valid_until_slot = host->slot + WINDOW_SLOTS;
        choose(worker, &intents[i]);
    }
    begin_batch(host, intents, count);
    submit(host, intents, count);
    if (random_below(&worker->random, 10) == 0 && !host->halted)
        submit(host, intents, count);
}

static void submit_pending(struct host *host)
{
    uint64_t offset = 0;
    size_t count;

    if (host->arguments.pending[0] == 0)
        return;
    struct record *intents = witness_read(host->arguments.pending, false, &offset, &count);

    for (size_t i = 0; i < count && !host->halted; i++) {
        /* The clock of whoever made the operation was here already. */
        if (host->slot + WINDOW_SLOTS < intents[i].valid_until_slot)
            host->slot = intents[i].valid_until_slot - WINDOW_SLOTS;
        begin_batch(host, &intents[i], 1);
        submit(host, &intents[i], 1);
    }
    free(intents);
}

/* ---- the rest of a host's work ---- */

static void tick(struct host *host)
{
    allocdb_tick_result result;
    struct record record = {.type = RECORD_TICK,
                            .kind = ALLOCDB_COMMAND_EXPIRE_DUE,
                            .life = (uint32_t)host->arguments.life,
                            .slot = host->slot,
                            .status = STATUS_NONE};

    tell(host, &record, 1);
    record.status =
        allocdb_tick(host->db, host->slot + 3 * is_planted(host, "early"), 0, &result, NULL);
    record.lsn = result.lsn;
    record.count = result.expired_count;
    tell(host, &record, 1);
}

static void checkpoint(struct host *host)
{
    tell_event(host, RECORD_CHECKPOINT, 0, STATUS_NONE);
    tell_event(host, RECORD_CHECKPOINT, 0, allocdb_checkpoint(host->db, NULL));
}

static void back_up(struct host *host)
{
    tell_event(host, RECORD_BACKUP, 0, STATUS_NONE);
    tell_event(host, RECORD_BACKUP, 0, allocdb_backup(host->db, host->arguments.backup, NULL));
}

static void upkeep(struct worker *worker)
{
    struct host *host = worker->host;
    uint64_t roll = random_below(&worker->random, 200);

    if (roll < 8 && host->arguments.log_bytes == 0)
        checkpoint(host);
    else if (roll == 8 && host->arguments.backup[0] != 0)
        back_up(host);
    if (host->arguments.threads > 1)
        return;
    host->slot += random_below(&worker->random, 5) < 2 ? host->arguments.slot_step : 0;
    if (roll >= 170)
        tick(host);
}

/* What each run does, whatever its seed. */
static void finale(struct host *host)
{
    struct worker worker = {.host = host, .random = host->arguments.seed * 17 + 3};

    checkpoint(host);
    for (int i = 0; i < 2 && !host->halted; i++)
        submit_own(&worker);
    if (host->arguments.backup[0] != 0)
        back_up(host);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct host *host = worker->host;

    for (uint64_t i = 0; i < host->arguments.submissions && !host->halted; i++) {
        submit_own(worker);
        upkeep(worker);
    }
    return NULL;
}

static void work_in_threads(struct host *host)
{
    static struct worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    uint64_t count = host->arguments.threads;

    for (uint64_t i = 0; i < count; i++) {
        workers[i] = (struct worker){.host = host, .random = host->arguments.seed * 31 + i + 1};
        if (i > 0 && pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            _exit(1);
    }
    work(&workers[0]);
    for (uint64_t i = 1; i < count; i++)
        pthread_join(threads[i], NULL);
}

static struct arguments read_arguments(int argc, char **argv)
{
    return (struct arguments){
        .directory = text_argument(argc, argv, "directory", "db"),
        .witness = text_argument(argc, argv, "witness", "witness"),
        .pending = text_argument(argc, argv, "pending", ""),
        .sync = text_argument(argc, argv, "sync", "full"),
        .limit = text_argument(argc, argv, "limit", ""),
        .ballast = text_argument(argc, argv, "ballast", ""),
        .backup = text_argument(argc, argv, "backup", ""),
        .plant = text_argument(argc, argv, "plant", ""),
        .life = number_argument(argc, argv, "life", "1"),
        .seed = number_argument(argc, argv, "seed", "1"),
        .submissions = number_argument(argc, argv, "submissions", "100"),
        .threads = number_argument(argc, argv, "threads", "1"),
        .text = number_argument(argc, argv, "text", "0"),
        .slot_step = number_argument(argc, argv, "slot_step", "1"),
        .finale = number_argument(argc, argv, "finale", "0"),
        .leave = number_argument(argc, argv, "leave", "0"),
        .late = number_argument(argc, argv, "late", "0"),
        .log_bytes = number_argument(argc, argv, "log_bytes", "0"),
    };
}

/* "kind:number"; false if it cannot be set. */
static bool set_limit(const char *limit)
{
    const char *colon = strchr(limit, ':');
    uint64_t number = colon == NULL ? 0 : strtoull(colon + 1, NULL, 10);
    int resource = RLIMIT_NOFILE;

    if (colon == NULL)
        return limit[0] == 0;
    if (strncmp(limit, "fsize", 5) == 0) {
        resource = RLIMIT_FSIZE;
        signal(SIGXFSZ, SIG_IGN);
    } else if (strncmp(limit, "as", 2) == 0) {
        unsigned long pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");

        resource = RLIMIT_AS;
        if (file == NULL || fscanf(file, "%lu", &pages) != 1)
            return false;
        fclose(file);
        number += (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    }
    return setrlimit(resource, &(struct rlimit){number, number}) == 0;
}

int main(int argc, char **argv)
{
    static struct host host;
    allocdb_health health = {.struct_size = sizeof health};
    allocdb_error error;

    host.arguments = read_arguments(argc, argv);
    host.witness.as_text = host.arguments.text != 0;
    host.witness.fd = open(host.arguments.witness, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (host.witness.fd < 0 || host.arguments.threads > THREADS_MAX)
        return EXIT_NO_WITNESS;
    allocdb_options options = torture_options(
        strcmp(host.arguments.sync, "os") == 0 ? ALLOCDB_SYNC_OS : ALLOCDB_SYNC_FULL);

    if (host.arguments.log_bytes != 0)
        options.checkpoint_wal_bytes = host.arguments.log_bytes;
    tell_event(&host, RECORD_BORN, 0, STATUS_NONE);
    if (host.arguments.late == 0 && !set_limit(host.arguments.limit))
        return EXIT_NO_WITNESS;
    if (allocdb_open(host.arguments.directory, &options, &host.db, &error) != ALLOCDB_OK) {
        fprintf(stderr, "host: %s: %s\n", allocdb_status_name(error.status), error.message);
        tell_event(&host, RECORD_REFUSED, 0, error.status);
        return EXIT_FAILED_OPEN;
    }
    if (allocdb_health_get(host.db, 0, &health, NULL) != ALLOCDB_OK)
        return EXIT_HALTED;
    host.slot = health.last_slot;
    tell_event(&host, RECORD_OPENED, health.last_lsn, ALLOCDB_OK);
    host.slot += 1 + host.arguments.seed % 4;
    if (host.arguments.late != 0 && !set_limit(host.arguments.limit))
        return EXIT_NO_WITNESS;
    submit_pending(&host);
    work_in_threads(&host);
    if (host.arguments.finale != 0 && !host.halted)
        finale(&host);
    if (host.arguments.leave != 0)
        _exit(0);
    tell_event(&host, RECORD_CLOSING, 0, STATUS_NONE);
    return allocdb_close(&host.db) == ALLOCDB_OK ? (host.halted ? EXIT_HALTED : 0) : 1;
}
