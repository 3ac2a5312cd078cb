/* What the audit shows: the table of the run, language by language, and the map.
 *
 * Two sources meet here. Sales, holds and what became of them are counted by the audit from what
 * the witness heard. The rest are the sellers' own counters, the last that the witness heard of
 * each life: what a seller counted in the last tenth of a second before a kill died with it.
 */
#include "seat_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The share of the language in which a life's seller was written. */
struct share *share_of(struct audit *audit, uint32_t life)
{
    const char *language = journal_language(&audit->journal, life);
    for (unsigned i = 0; i < audit->share_count; i++)
        if (strcmp(audit->shares[i].language, language) == 0)
            return &audit->shares[i];
    if (audit->share_count == LANGUAGES_MAX) {
        fprintf(stderr, "seat_audit: more than %u languages\n", LANGUAGES_MAX);
        exit(2);
    }
    audit->shares[audit->share_count].language = language;
    return &audit->shares[audit->share_count++];
}

/* What a row of the table shows: a figure of the sellers, or one that the audit has counted. */
struct row {
    const char *name;
    enum figure stat;
    size_t counted; /* where in a share; 0: the figure is the sellers' */
    const char *remark;
};

static uint64_t cell(const struct audit *audit, const struct row *row, unsigned share)
{
    uint64_t value;
    if (row->counted != 0) {
        memcpy(&value, (const char *)&audit->shares[share] + row->counted, sizeof value);
        return value;
    }
    return journal_sum_of(&audit->journal, audit->shares[share].language, row->stat);
}

static void row_print(const struct audit *audit, const struct row *row)
{
    char number[32];
    uint64_t sum = 0;
    printf("  %-16s", row->name);
    for (unsigned share = 0; share < audit->share_count; share++) {
        sum += cell(audit, row, share);
        printf(" %11s", grouped(cell(audit, row, share), number));
    }
    if (audit->share_count > 1)
        printf(" %11s", grouped(sum, number));
    printf("  %s\n", row->remark);
}

/* One figure over another, language by language and over all. */
static void ratio_print(const struct audit *audit, const char *name, enum figure above,
                        enum figure below, double scale, const char *remark)
{
    printf("  %-16s", name);
    for (unsigned share = 0; share <= audit->share_count; share++) {
        bool all = share == audit->share_count;
        const char *language = all ? NULL : audit->shares[share].language;
        uint64_t divisor = journal_sum_of(&audit->journal, language, below);
        if (!all || audit->share_count > 1)
            printf(" %11.2f", divisor == 0
                                  ? 0.0
                                  : (double)journal_sum_of(&audit->journal, language, above) *
                                        scale / (double)divisor);
    }
    printf("  %s\n", remark);
}

static void print_languages(struct audit *audit)
{
    for (size_t i = 0; i < audit->journal.claim_count; i++)
        share_of(audit, audit->journal.claims[i].granted_life)->held += 1;
    const struct row rows[] = {
        {"sales", 0, offsetof(struct share, sales), "acknowledged"},
        {"seats sold", 0, offsetof(struct share, seats_sold), ""},
        {"looked", STAT_LOOKED, 0, "reads: is this seat free?"},
        {"tried", STAT_TRIES, 0, "reserves, of one to four seats together"},
        {"collided", STAT_CONTENDED, 0, "of them found a seat taken"},
        {"held", 0, offsetof(struct share, held), "of them were granted"},
        {"expired", 0, offsetof(struct share, expired), "holds that ran out"},
        {"given back", 0, offsetof(struct share, released), "holds"},
        {"too late", STAT_LATE, 0, "confirms after the hold had run out"},
        {"retried", STAT_DUPLICATES, 0, "commands sent twice on purpose"},
        {"found done", STAT_RESUMED_KNOWN, 0, "unanswered at a kill or hand-over: it had been"},
        {"done now", STAT_RESUMED_NEW, 0, "... and it had not"},
        {"commands", STAT_COMMANDS, 0, "in the log"},
        {"syncs", STAT_SYNCS, 0, "of the disk"},
        {"checkpoints", STAT_CHECKPOINTS, 0, "while it sold"},
    };
    printf("\n  %-16s", "");
    for (unsigned share = 0; share < audit->share_count; share++)
        printf(" %11s", audit->shares[share].language);
    printf(audit->share_count > 1 ? " %11s\n" : "\n", "in all");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        row_print(audit, &rows[i]);
    ratio_print(audit, "throughput", STAT_COMMANDS, STAT_ELAPSED_MS, 1e3, "commands a second");
    ratio_print(audit, "together", STAT_COMMANDS, STAT_COMMITS, 1.0, "commands a commit");
    ratio_print(audit, "a sync", STAT_SYNC_NS_SUM, STAT_SYNCS, 1e-6, "ms");
}

static void print_openings(const struct audit *audit)
{
    const struct journal *journal = &audit->journal;
    printf("\n");
    for (uint32_t i = 1; i < journal->life_count; i++) {
        const struct life *life = &journal->lives[i];
        char why[48], records[32];
        bool killed = life->turn == journal->lives[i - 1].turn;
        snprintf(why, sizeof why, killed ? "%s, after kill -9" : "%s, after %s", life->language,
                 journal->lives[i - 1].language);
        printf("  opened by %-22s %8.3f ms  %s, %s records replayed, %" PRIu64 " torn bytes cut\n",
               why, life->recovery_seconds * 1e3, life->kind, grouped(life->records, records),
               life->torn_bytes);
    }
    for (uint32_t i = 1; i < journal->life_count; i++) {
        const struct life *life = &journal->lives[i];
        const struct handover *handover = &journal->handovers[life->turn];
        if (life->turn != journal->lives[i - 1].turn)
            printf("  %s took over from %s: %" PRIu64 " holds were confirmed, %" PRIu64
                   " refused to others, %" PRIu64 " retries answered\n",
                   life->language, journal->lives[i - 1].language, handover->sold_count,
                   handover->refused_count, handover->answered_count);
    }
}

void table_print(struct audit *audit)
{
    char seats[32], sold[32], money[32];
    print_languages(audit);
    print_openings(audit);
    printf("\n  %s of the venue's %s seats are sold, for %s\n", grouped(audit->seats_sold, sold),
           grouped(audit->venue.seat_count, seats), grouped(audit->revenue, money));
    printf(
        "  (what a seller counted in the last tenth of a second before a kill died with it)\n\n");
}

static void note(struct map_text *text, const char *what, uint64_t value)
{
    char number[32];
    if (text->note_count < MAP_NOTES_MAX)
        snprintf(text->notes[text->note_count++], sizeof text->notes[0], "%s %s",
                 grouped(value, number), what);
}

static uint32_t kill_count(const struct journal *journal)
{
    return journal->life_count - journal->turn_count;
}

/* The hue of a seat is the language that sold it, the tone tells before a kill from after one. */
static void colour_seats(struct audit *audit, struct map_text *text, uint8_t *colours)
{
    for (uint32_t i = 0; i < audit->venue.seat_count; i++) {
        uint32_t life = audit->sold_life[i];
        if (life == 0)
            continue;
        const struct share *share = share_of(audit, life);
        const struct life *lives = audit->journal.lives;
        bool again = life > 1 && lives[life - 1].turn == lives[life - 2].turn;
        unsigned legend = 2 * (unsigned)(share - audit->shares) + 1 + again;
        colours[i] = (uint8_t)legend;
        snprintf(text->legends[legend], sizeof text->legends[0], "%s%s", share->language,
                 again ? ", after kill -9" : "");
    }
}

static void subtitle_write(const struct audit *audit, struct map_text *text)
{
    char programs[64] = "";
    for (unsigned i = 0; i < audit->share_count; i++) {
        size_t used = strlen(programs);
        const char *joint = i == 0 ? "" : i + 1 == audit->share_count ? " and a " : ", a ";
        snprintf(programs + used, sizeof programs - used, "%s%s", joint, audit->shares[i].language);
    }
    snprintf(text->subtitle, sizeof text->subtitle,
             "by a %s program in turn on one database, killed %u times with kill -9: %s", programs,
             kill_count(&audit->journal),
             audit->failure_count == 0 ? "nothing lost, nothing sold twice" : "THE AUDIT FAILED");
}

bool map_draw(struct audit *audit, const char *path)
{
    struct map_text text;
    char sold[32], seats[32], money[32];
    uint8_t *colours = calloc(audit->venue.seat_count, 1);
    if (colours == NULL)
        return false;
    memset(&text, 0, sizeof text);
    colour_seats(audit, &text, colours);
    snprintf(text.title, sizeof text.title, "%s of %s seats sold", grouped(audit->seats_sold, sold),
             grouped(audit->venue.seat_count, seats));
    subtitle_write(audit, &text);
    snprintf(text.notes[text.note_count++], sizeof text.notes[0], "revenue %s",
             grouped(audit->revenue, money));
    note(&text, "sales acknowledged", audit->sales);
    note(&text, "tries found a seat taken", journal_sum(&audit->journal, STAT_CONTENDED));
    note(&text, "holds ran out", audit->expired);
    note(&text, "retries got the same answer",
         journal_sum(&audit->journal, STAT_DUPLICATES) +
             journal_sum(&audit->journal, STAT_RESUMED_KNOWN));
    bool drawn = map_write(path, &audit->venue, colours, &text);
    free(colours);
    return drawn;
}
