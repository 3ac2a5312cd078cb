/* Reading the witness's journal. See seat_journal.h for its lines.
 *
 * All that was said of one reservation is brought together in one claim: the lines are read as
 * events, sorted by reservation id, and folded. On the way every line is held against those before
 * it: a reservation id granted twice for different seats, a sale of what was never held, an answer
 * that changed. None of that needs the database: it is what a buyer could prove with what it was
 * told.
 */
#include "seat_journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 2048u

const char *const STAT_NAMES[STAT_COUNT] = {
#define STAT_NAME(upper, lower) #lower,
    STAT_LIST(STAT_NAME)
#undef STAT_NAME
};

enum event_kind { EVENT_HOLD, EVENT_BUSY, EVENT_SALE, EVENT_FREE, EVENT_LATE, EVENT_KINDS };

struct event {
    enum event_kind kind;
    size_t line;
    uint32_t life;
    unsigned cached;
    uint64_t seen_slot; /* of a refusal: it came before this slot */
    struct claim claim;
};

struct events {
    struct event *rows;
    size_t count;
    size_t capacity;
};

static void contradict(struct journal *journal, size_t line, const char *what)
{
    if (journal->contradiction_count == 0)
        snprintf(journal->contradiction, sizeof journal->contradiction, "line %zu: %s", line, what);
    journal->contradiction_count += 1;
}

static struct event *event_add(struct events *events)
{
    if (events->count == events->capacity) {
        size_t capacity = events->capacity == 0 ? 4096 : events->capacity * 2;
        struct event *rows = realloc(events->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            fprintf(stderr, "seat_audit: out of memory\n");
            exit(2);
        }
        events->rows = rows;
        events->capacity = capacity;
    }
    struct event *event = &events->rows[events->count++];
    memset(event, 0, sizeof *event);
    return event;
}

static bool seats_parse(struct claim *claim, const struct venue *venue, const char *text)
{
    int used = 0;
    unsigned seat = 0;
    for (; sscanf(text, "%u%n", &seat, &used) == 1; text += used) {
        if (claim->seat_count == PARTY_LEN_MAX || seat >= venue->seat_count)
            return false;
        claim->seats[claim->seat_count++] = seat;
    }
    return claim->seat_count > 0;
}

static int kind_parse(const char *line)
{
    static const char *const VERBS[EVENT_KINDS] = {"hold ", "busy ", "sale ", "free ", "late "};
    for (int i = 0; i < EVENT_KINDS; i++)
        if (strncmp(line, VERBS[i], 5) == 0)
            return i;
    return -1;
}

/* A line about a reservation; false where it is none that this program can read. */
static bool event_parse(struct events *events, struct journal *journal, const struct venue *venue,
                        const char *line)
{
    int kind = kind_parse(line);
    int used = 0, more = 0;
    uint64_t ttl = 0;
    if (kind < 0 || journal->life_count == 0)
        return false;
    struct event *event = event_add(events);
    struct claim *claim = &event->claim;
    event->kind = (enum event_kind)kind;
    event->line = journal->line_count;
    event->life = journal->life_count;
    bool read = sscanf(line + 5, "%16" SCNx64 "%16" SCNx64 " %16" SCNx64 "%16" SCNx64 "%n",
                       &claim->reservation_id.hi, &claim->reservation_id.lo, &claim->holder_id.hi,
                       &claim->holder_id.lo, &used) == 4;
    const char *rest = line + 5 + used;
    if (read && event->kind == EVENT_HOLD) {
        read = sscanf(rest, " %" SCNu64 " %" SCNu64 " %u%n", &claim->deadline_slot, &ttl,
                      &event->cached, &more) == 3 &&
               seats_parse(claim, venue, rest + more);
        claim->created_slot = claim->deadline_slot - ttl;
        claim->granted_life = journal->life_count;
    } else if (read && event->kind == EVENT_BUSY) {
        read = sscanf(rest, " %" SCNu64, &event->seen_slot) == 1;
    } else if (read && event->kind == EVENT_SALE) {
        read = sscanf(rest, " %" SCNu64 " %u%n", &claim->sold_lsn, &event->cached, &more) == 2 &&
               seats_parse(claim, venue, rest + more);
        claim->sold_life = journal->life_count;
    } else if (read && event->kind == EVENT_FREE) {
        read = sscanf(rest, " %" SCNu64 " %u", &claim->released_lsn, &event->cached) == 2;
    }
    return read;
}

static bool life_parse(struct journal *journal, const char *line)
{
    if (journal->life_count == LIVES_MAX)
        return false;
    struct life *life = &journal->lives[journal->life_count];
    if (sscanf(line,
               "open %*u %" SCNu32 " %15s %" SCNu64 " %31s %lf %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &life->turn, life->language, &life->pid, life->kind, &life->recovery_seconds,
               &life->snapshot_lsn, &life->frames, &life->records, &life->torn_bytes,
               &life->last_lsn) != 10)
        return false;
    if (life->turn != journal->turn_count) {
        if (life->turn != journal->turn_count + 1)
            return false;
        journal->turn_count = life->turn;
        journal->handovers[life->turn].begin_lsn = life->last_lsn;
    }
    journal->life_count += 1;
    return true;
}

/* The program that tried runs beside the seller: the owner is whoever opened last. */
static bool lock_parse(struct journal *journal, const char *line)
{
    uint64_t pid = 0;
    if (journal->life_count == 0 || sscanf(line, "lock %*15s %" SCNu64, &pid) != 1)
        return false;
    journal->lock_count += 1;
    journal->lock_wrong_count += pid != journal->lives[journal->life_count - 1].pid;
    return true;
}

static bool stats_parse(struct journal *journal, const char *line)
{
    char name[32];
    uint64_t value = 0;
    int used = 0;
    if (journal->life_count == 0)
        return false;
    struct life *life = &journal->lives[journal->life_count - 1];
    for (line += 4; sscanf(line, " %31[a-z_]=%" SCNu64 "%n", name, &value, &used) == 2;
         line += used)
        for (unsigned i = 0; i < STAT_COUNT; i++)
            if (strcmp(name, STAT_NAMES[i]) == 0)
                life->stats[i] = value;
    return true;
}

static bool line_parse(struct events *events, struct journal *journal, const struct venue *venue,
                       const char *line)
{
    if (strchr(line, '\n') == NULL)
        return false;
    if (strncmp(line, "note ", 5) == 0)
        return true;
    if (strncmp(line, "open ", 5) == 0)
        return life_parse(journal, line);
    if (strncmp(line, "lock ", 5) == 0)
        return lock_parse(journal, line);
    if (strncmp(line, "stat ", 5) == 0)
        return stats_parse(journal, line);
    return event_parse(events, journal, venue, line);
}

static int id_compare(allocdb_id left, allocdb_id right)
{
    if (left.hi != right.hi)
        return left.hi < right.hi ? -1 : 1;
    return left.lo < right.lo ? -1 : left.lo > right.lo;
}

/* By reservation; of one reservation the hold first, then in the order of the lines. */
static int event_compare(const void *left, const void *right)
{
    const struct event *a = left, *b = right;
    int order = id_compare(a->claim.reservation_id, b->claim.reservation_id);
    if (order != 0)
        return order;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

static bool seats_equal(const struct claim *left, const struct claim *right)
{
    return left->seat_count == right->seat_count &&
           memcmp(left->seats, right->seats, left->seat_count * sizeof left->seats[0]) == 0;
}

/* What a line says about the turn before its own. A reservation's id holds its reserve's LSN. */
static void handover_count(struct journal *journal, const struct claim *claim,
                           const struct event *event)
{
    struct handover *handover = &journal->handovers[journal->lives[event->life - 1].turn];
    const struct claim *said = &event->claim;
    bool inherited = said->reservation_id.lo <= handover->begin_lsn;
    uint64_t answer_lsn = 0; /* of the command that is answered */
    switch (event->kind) {
    case EVENT_HOLD: answer_lsn = said->reservation_id.lo; break;
    case EVENT_SALE: answer_lsn = said->sold_lsn; break;
    case EVENT_FREE: answer_lsn = said->released_lsn; break;
    case EVENT_BUSY:
        handover->refused_count += inherited && event->seen_slot < claim->deadline_slot;
        return;
    default: return;
    }
    bool before = answer_lsn <= handover->begin_lsn;
    handover->answered_count += event->cached == 1 && before;
    handover->sold_count += event->kind == EVENT_SALE && inherited && !before;
}

static void claim_fold(struct journal *journal, struct claim *claim, const struct event *event)
{
    const struct claim *said = &event->claim;
    if (id_compare(claim->holder_id, said->holder_id) != 0)
        contradict(journal, event->line, "one reservation id for two holders");
    switch (event->kind) {
    case EVENT_HOLD:
        if (!seats_equal(claim, said) || claim->deadline_slot != said->deadline_slot)
            contradict(journal, event->line, "one reservation id for two holds");
        break;
    case EVENT_BUSY: break;
    case EVENT_SALE:
        if (!seats_equal(claim, said))
            contradict(journal, event->line, "other seats were sold than were held");
        if (claim->sold_lsn != 0 && claim->sold_lsn != said->sold_lsn)
            contradict(journal, event->line, "one reservation was sold twice");
        if (claim->sold_lsn == 0)
            claim->sold_life = said->sold_life;
        claim->sold_lsn = said->sold_lsn;
        break;
    case EVENT_FREE:
        if (claim->sold_lsn != 0)
            contradict(journal, event->line, "what was sold was given back");
        claim->released_lsn = said->released_lsn;
        break;
    case EVENT_LATE:
        if (claim->sold_lsn != 0)
            contradict(journal, event->line, "what was sold came too late");
        break;
    case EVENT_KINDS: break;
    }
}

static void events_fold(struct journal *journal, struct events *events)
{
    qsort(events->rows, events->count, sizeof *events->rows, event_compare);
    journal->claims = calloc(events->count + 1, sizeof *journal->claims);
    if (journal->claims == NULL) {
        fprintf(stderr, "seat_audit: out of memory\n");
        exit(2);
    }
    struct claim *claim = NULL;
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->rows[i];
        if (claim == NULL || id_compare(claim->reservation_id, event->claim.reservation_id) != 0) {
            claim = &journal->claims[journal->claim_count++];
            *claim = event->claim;
            if (event->kind != EVENT_HOLD)
                contradict(journal, event->line, "an answer about what was never granted");
        } else {
            claim_fold(journal, claim, event);
        }
        handover_count(journal, claim, event);
    }
}

bool journal_load(struct journal *journal, const struct venue *venue, const char *path)
{
    char line[LINE_BYTES_MAX];
    struct events events = {0};
    memset(journal, 0, sizeof *journal);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        journal->line_count += 1;
        if (!line_parse(&events, journal, venue, line))
            contradict(journal, journal->line_count, "no line of a seller");
    }
    bool read = ferror(file) == 0;
    fclose(file);
    events_fold(journal, &events);
    free(events.rows);
    return read;
}

void journal_free(struct journal *journal)
{
    free(journal->claims);
    memset(journal, 0, sizeof *journal);
}

uint64_t journal_sum_of(const struct journal *journal, const char *language, enum figure stat)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < journal->life_count; i++)
        if (language == NULL || strcmp(journal->lives[i].language, language) == 0)
            sum += journal->lives[i].stats[stat];
    return sum;
}

uint64_t journal_sum(const struct journal *journal, enum figure stat)
{
    return journal_sum_of(journal, NULL, stat);
}

const char *journal_language(const struct journal *journal, uint32_t life)
{
    return life == 0 || life > journal->life_count ? "?" : journal->lives[life - 1].language;
}

struct claim *journal_find(const struct journal *journal, allocdb_id reservation_id)
{
    size_t low = 0, high = journal->claim_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = id_compare(journal->claims[middle].reservation_id, reservation_id);
        if (order == 0)
            return &journal->claims[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
