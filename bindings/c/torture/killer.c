/*
 * killer.c - kill -9 in a loop, over hosts in several languages in turn on one database.
 *
 *     killer work=DIR copy=DIR goal=KILLS [seconds=N] [seed=N] [plant=NAME] [base=N]
 *            c=PROGRAM [python=PROGRAM every_python=N] [go=PROGRAM every_go=N]
 *
 * Each cycle starts a host (host.c, or its like in Python or Go), waits until its witness file
 * shows a moment drawn beforehand (birth, the n-th intent, the n-th answer, a checkpoint, the
 * closing), waits a few hundred microseconds more, and kills it. Then it audits a copy of the files
 * (audit.h): the files themselves go as they are to the next host, which has to recover them, and
 * may be killed at that. Now and then it tries to open the database beside the living host, and
 * must be told its pid.
 *
 * The `lost` plant puts an older copy of the files back in front of the audit, as a disk would that
 * took a sync for done and forgot it. The other plants are the host's. Rejected: a fixed life span,
 * which with a host that starts in a millisecond or in a hundred nearly always hits the same phase.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audit.h"
#include "files.h"

extern char **environ;

enum { LANGUAGE_C, LANGUAGE_PYTHON, LANGUAGE_GO, LANGUAGE_COUNT };
enum { PATIENCE_S = 300, POLL_US = 40, SUBMISSIONS_MAX = 60 };
enum { BACKUP_RARITY = 4, RIVAL_RARITY = 6, CLEAN_RARITY = 12 };

static const char *const language_names[] = {"c", "python", "go"};

struct killer {
    struct audit audit;
    const char *work, *copy, *plant, *programs[LANGUAGE_COUNT];
    uint64_t every[LANGUAGE_COUNT];
    uint64_t seed, random, life, started_ns;
    char db[1024], witness[1024], pending[1024], backup[1024], older[1024];
    uint64_t kills[LANGUAGE_COUNT], killed_at[RECORD_BACKUP + 1];
    /* Of the life under way. */
    uint64_t heard_bytes;
    uint32_t heard_counts[RECORD_BACKUP + 1];
    uint64_t kill_count, killed_opening, clean_ends, refused_rivals, backup_count;
};

/* When to kill: so long after the n-th record of a type; n = 0 is never. */
struct moment {
    uint32_t type, nth;
    uint64_t delay_us;
};

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void pause_us(uint64_t us)
{
    struct timespec span = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

    nanosleep(&span, NULL);
}

static void stop(const char *what)
{
    perror(what);
    exit(2);
}

/* ---- a life ---- */

static int choose_language(struct killer *killer)
{
    for (int i = LANGUAGE_PYTHON; i <= LANGUAGE_GO; i++)
        if (killer->programs[i][0] != 0 && killer->every[i] != 0 &&
            killer->life % killer->every[i] == (uint64_t)i)
            return i;
    return LANGUAGE_C;
}

static struct moment choose_moment(struct killer *killer, int language)
{
    uint64_t *random = &killer->random;
    /* Python's and Go's calls take longer to begin with. */
    uint64_t slowness = language == LANGUAGE_C ? 1 : 3;

    if (random_below(random, CLEAN_RARITY) == 0)
        return (struct moment){0};
    switch (random_below(random, 8)) {
    case 0:
    case 1: return (struct moment){RECORD_BORN, 1, random_below(random, 3000 * slowness)};
    case 2: return (struct moment){RECORD_CHECKPOINT, 1, random_below(random, 500)};
    case 3: return (struct moment){RECORD_CLOSING, 1, random_below(random, 150)};
    case 4:
    case 5:
        return (struct moment){RECORD_INTENT, 1 + (uint32_t)random_below(random, 30),
                               random_below(random, 400)};
    default:
        return (struct moment){RECORD_ANSWER, 1 + (uint32_t)random_below(random, 30),
                               random_below(random, 600)};
    }
}

static pid_t start(const struct killer *killer, int language, struct moment moment,
                   bool with_backup)
{
    static char words[12][1100];
    char *arguments[13];
    int count = 0;
    pid_t pid;
    uint64_t draw = killer->seed * 1000003 + killer->life;
    /* Enough that it is still at work when its moment comes. */
    uint64_t submissions = moment.type == RECORD_CLOSING || moment.nth == 0
                               ? 1 + draw % SUBMISSIONS_MAX
                               : SUBMISSIONS_MAX * (killer->life % 3 == 0 ? 2 : 10);

    snprintf(words[count++], sizeof words[0], "%s", killer->programs[language]);
    snprintf(words[count++], sizeof words[0], "directory=%s", killer->db);
    snprintf(words[count++], sizeof words[0], "witness=%s", killer->witness);
    snprintf(words[count++], sizeof words[0], "pending=%s", killer->pending);
    snprintf(words[count++], sizeof words[0], "life=%" PRIu64, killer->life);
    snprintf(words[count++], sizeof words[0], "seed=%" PRIu64, draw * 7919 + 1);
    snprintf(words[count++], sizeof words[0], "submissions=%" PRIu64, submissions);
    snprintf(words[count++], sizeof words[0], "threads=%d", killer->life % 3 == 0 ? 3 : 1);
    snprintf(words[count++], sizeof words[0], "sync=%s", killer->life % 16 == 5 ? "os" : "full");
    snprintf(words[count++], sizeof words[0], "backup=%s", with_backup ? killer->backup : "");
    snprintf(words[count++], sizeof words[0], "plant=%s", killer->plant);
    for (int i = 0; i < count; i++)
        arguments[i] = words[i];
    arguments[count] = NULL;
    int status = posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ);

    if (status != 0) {
        errno = status;
        stop(arguments[0]);
    }
    return pid;
}

/* How many records of a type the witness has by now. */
static uint32_t heard(struct killer *killer, uint32_t type)
{
    static struct record records[256];
    int fd = open(killer->witness, O_RDONLY | O_CLOEXEC);
    ssize_t len;

    if (fd < 0)
        return 0;
    while ((len = pread(fd, records, sizeof records, (off_t)killer->heard_bytes)) >=
           (ssize_t)sizeof records[0]) {
        size_t count = (size_t)len / sizeof records[0];

        for (size_t i = 0; i < count; i++)
            killer->heard_counts[records[i].type <= RECORD_BACKUP ? records[i].type : 0] += 1;
        killer->heard_bytes += count * sizeof records[0];
    }
    close(fd);
    return killer->heard_counts[type];
}

static bool has_ended(pid_t pid)
{
    siginfo_t about = {0};

    return waitid(P_PID, (id_t)pid, &about, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           about.si_pid == pid;
}

/* Beside a living owner the database must be refused, with the owner's pid. */
static void try_rival(struct killer *killer, pid_t pid)
{
    allocdb_options options = torture_options(ALLOCDB_SYNC_FULL);
    allocdb_error error;
    allocdb *db;

    options.flags = ALLOCDB_OPEN_EXISTING;
    if (heard(killer, RECORD_OPENED) == 0)
        return;
    allocdb_status status = allocdb_open(killer->db, &options, &db, &error);

    if (heard(killer, RECORD_CLOSING) == 0 && !has_ended(pid) &&
        (status != ALLOCDB_E_LOCKED || error.detail[0] != (uint64_t)pid))
        audit_found(&killer->audit, "beside process %d: %s, owner %" PRIu64, (int)pid,
                    allocdb_status_name(status), error.detail[0]);
    killer->refused_rivals += status == ALLOCDB_E_LOCKED;
    allocdb_close(&db);
}

/* Waits for the moment, kills, and reaps; true if it was killed. */
static bool live_and_die(struct killer *killer, pid_t pid, struct moment moment, bool has_rival)
{
    uint64_t patience = clock_ns() + UINT64_C(1000000000) * PATIENCE_S;
    bool is_late = false;
    int state;

    while (!has_ended(pid) && !(is_late = clock_ns() > patience)) {
        if (has_rival && heard(killer, RECORD_OPENED) > 0) {
            try_rival(killer, pid);
            has_rival = false;
        }
        if (moment.nth != 0 && heard(killer, moment.type) >= moment.nth) {
            pause_us(moment.delay_us);
            break;
        }
        pause_us(POLL_US);
    }
    if (is_late)
        audit_found(&killer->audit, "process %d hangs", (int)pid);
    if (moment.nth != 0 || is_late)
        kill(pid, SIGKILL);
    if (waitpid(pid, &state, 0) != pid)
        stop("waitpid");
    if (WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL)
        return true;
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0)
        audit_found(&killer->audit, "process %d ended by itself with %s %d", (int)pid,
                    WIFEXITED(state) ? "status" : "signal",
                    WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state));
    return false;
}

/* ---- after it ---- */

static void write_pending(struct killer *killer)
{
    int fd = open(killer->pending, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t count = killer->audit.open_count;
    struct witness witness = {.fd = fd};

    /* Sometimes what was answered comes again too: a client that lost the answer. */
    if (fd < 0 || !witness_tell(&witness, killer->audit.open_intents, count))
        stop(killer->pending);
    for (size_t i = 0; i < 3 && i < killer->audit.ledger.applied_count; i++) {
        struct record again =
            killer->audit.ledger.applied[killer->audit.ledger.applied_count - 1 - i];

        if (random_below(&killer->random, 4) == 0 && !witness_tell(&witness, &again, 1))
            stop(killer->pending);
    }
    close(fd);
}

/* A backup that was finished opens, and is a database. */
static void check_backup(struct killer *killer, const struct record *records, size_t count)
{
    allocdb_options options = torture_options(ALLOCDB_SYNC_OS);
    allocdb_error error;
    allocdb *db;

    for (size_t i = 0; i < count; i++) {
        if (records[i].type != RECORD_BACKUP || records[i].status != ALLOCDB_OK)
            continue;
        options.flags = ALLOCDB_OPEN_EXISTING;
        if (allocdb_open(killer->backup, &options, &db, &error) != ALLOCDB_OK)
            audit_found(&killer->audit, "the backup: %s", error.message);
        killer->backup_count += 1;
        allocdb_close(&db);
        return;
    }
}

static void count_death(struct killer *killer, const struct record *records, size_t count,
                        int language)
{
    uint32_t last = RECORD_BORN;

    killer->kills[language] += 1;
    killer->kill_count += 1;
    /* Of two records about one thing, the first says that it is under way. */
    if (count > 0 &&
        (records[count - 1].status == STATUS_NONE || records[count - 1].type == RECORD_ANSWER))
        last = records[count - 1].type;
    else if (count > 0)
        last = RECORD_OPENED;
    killer->killed_at[last] += 1;
    killer->killed_opening += last == RECORD_BORN;
}

static void cycle(struct killer *killer)
{
    uint64_t offset = 0;
    size_t count = 0;
    bool is_lost = strcmp(killer->plant, "lost") == 0 && killer->life > 2;

    killer->life += 1;
    int language = choose_language(killer);
    bool with_backup = random_below(&killer->random, BACKUP_RARITY) == 0;
    struct moment moment = choose_moment(killer, language);

    unlink(killer->witness);
    killer->heard_bytes = 0;
    memset(killer->heard_counts, 0, sizeof killer->heard_counts);
    if (is_lost)
        directory_copy(killer->db, killer->older);
    pid_t pid = start(killer, language, moment, with_backup);
    bool was_killed =
        live_and_die(killer, pid, moment, random_below(&killer->random, RIVAL_RARITY) == 0);
    struct record none = {0}, *records = NULL;

    if (access(killer->witness, F_OK) == 0)
        records = witness_read(killer->witness, false, &offset, &count);
    if (was_killed)
        count_death(killer, records, count, language);
    else
        killer->clean_ends += 1;
    /* A host that was killed before it made the directory leaves nothing to look at. */
    if (access(killer->db, F_OK) == 0) {
        directory_copy(is_lost ? killer->older : killer->db, killer->copy);
        audit_life(&killer->audit, records == NULL ? &none : records, count, killer->copy);
    }
    if (with_backup) {
        check_backup(killer, records, count);
        if (access(killer->backup, F_OK) == 0) {
            directory_empty(killer->backup);
            rmdir(killer->backup);
        }
    }
    write_pending(killer);
    free(records);
}

/* ---- the loop ---- */

static void print_figures(const struct killer *killer)
{
    double seconds = (double)(clock_ns() - killer->started_ns) / 1e9;

    for (int i = 0; i < LANGUAGE_COUNT; i++)
        printf("figure kills_%s %" PRIu64 "\n", language_names[i], killer->kills[i]);
    printf("figure kills_a_second %.1f\n", (double)killer->kill_count / seconds);
    printf("figure killed_opening %" PRIu64 "\n", killer->killed_opening);
    printf("figure killed_submitting %" PRIu64 "\n", killer->killed_at[RECORD_INTENT]);
    printf("figure killed_at_checkpoint %" PRIu64 "\n", killer->killed_at[RECORD_CHECKPOINT]);
    printf("figure killed_at_backup %" PRIu64 "\n", killer->killed_at[RECORD_BACKUP]);
    printf("figure killed_closing %" PRIu64 "\n", killer->killed_at[RECORD_CLOSING]);
    printf("figure clean_ends %" PRIu64 "\n", killer->clean_ends);
    printf("figure backups %" PRIu64 "\n", killer->backup_count);
    printf("figure rivals_refused %" PRIu64 "\n", killer->refused_rivals);
    audit_print_figures(&killer->audit);
}

/* A long run in which something worth trying never happened has not tried it. */
static void check_variety(struct killer *killer)
{
    const uint64_t *figures = killer->audit.figures;
    const struct {
        const char *name;
        uint64_t count;
    } wanted[] = {{"a kill while opening", killer->killed_opening},
                  {"a kill while submitting", killer->killed_at[RECORD_INTENT]},
                  {"a kill at a checkpoint", killer->killed_at[RECORD_CHECKPOINT]},
                  {"a kill while closing", killer->killed_at[RECORD_CLOSING]},
                  {"a clean end", killer->clean_ends},
                  {"a rival", killer->refused_rivals},
                  {"an answer from the cache", figures[FIGURE_CACHED]},
                  {"a whole one without answer", figures[FIGURE_WHOLE]},
                  {"an absent one without answer", figures[FIGURE_ABSENT]},
                  {"an expiry", killer->audit.ledger.expired_count},
                  {"a bundle", killer->audit.ledger.bundle_count},
                  {"a snapshot", figures[FIGURE_SNAPSHOTS]},
                  {"a hold tried before its deadline", figures[FIGURE_NEVER_EARLY]}};

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (wanted[i].count == 0)
            audit_found(&killer->audit, "%s never happened", wanted[i].name);
    for (int i = 0; i < LANGUAGE_COUNT; i++)
        if (killer->programs[i][0] != 0 && killer->kills[i] == 0)
            audit_found(&killer->audit, "no host in %s was killed", language_names[i]);
}

static void set_up(struct killer *killer, int argc, char **argv)
{
    killer->work = text_argument(argc, argv, "work", "work");
    killer->copy = text_argument(argc, argv, "copy", "copy");
    killer->plant = text_argument(argc, argv, "plant", "");
    killer->seed = number_argument(argc, argv, "seed", "1");
    killer->random = killer->seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    killer->audit.random = killer->random ^ 0x55;
    killer->every[LANGUAGE_PYTHON] = number_argument(argc, argv, "every_python", "25");
    killer->every[LANGUAGE_GO] = number_argument(argc, argv, "every_go", "10");
    for (int i = 0; i < LANGUAGE_COUNT; i++)
        killer->programs[i] = text_argument(argc, argv, language_names[i], "");
    mkdir(killer->work, 0755);
    snprintf(killer->db, sizeof killer->db, "%s/db", killer->work);
    snprintf(killer->witness, sizeof killer->witness, "%s/witness", killer->work);
    snprintf(killer->pending, sizeof killer->pending, "%s/pending", killer->work);
    snprintf(killer->backup, sizeof killer->backup, "%s/backup", killer->work);
    snprintf(killer->older, sizeof killer->older, "%s/older", killer->work);
    killer->started_ns = clock_ns();
    write_pending(killer);
}

int main(int argc, char **argv)
{
    static struct killer killer;
    uint64_t goal = number_argument(argc, argv, "goal", "100");
    uint64_t seconds = number_argument(argc, argv, "seconds", "0");
    /* Kills of a run before this one, for the progress. */
    uint64_t base = number_argument(argc, argv, "base", "0");
    uint64_t shown_ns = 0;

    set_up(&killer, argc, argv);
    while (killer.kill_count < goal && killer.audit.found_count == 0) {
        uint64_t now_ns = clock_ns();

        if (seconds != 0 && now_ns - killer.started_ns > seconds * 1000000000)
            break;
        if (now_ns - shown_ns > 500000000) {
            printf("progress %" PRIu64 "\n", base + killer.kill_count);
            fflush(stdout);
            shown_ns = now_ns;
        }
        cycle(&killer);
    }
    printf("progress %" PRIu64 "\n", base + killer.kill_count);
    if (killer.kill_count >= 300 && killer.audit.found_count == 0)
        check_variety(&killer);
    print_figures(&killer);
    bool is_sound = killer.audit.found_count == 0;

    audit_free(&killer.audit);
    return is_sound ? 0 : 1;
}
