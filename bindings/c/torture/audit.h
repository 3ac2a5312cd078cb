/*
 * audit.h - holds a copy of a database against what its hosts were told.
 *
 * After each life of a host the auditor takes the life's records and a copy of the files as the
 * death left them. It opens the copy, so that the original is next recovered by a host, dirty as it
 * is, and any retry or clock that the auditor tries out leaves no trace. The laws:
 *
 *  - acknowledged: there exactly once, at the log position and with the outcome that was told;
 *  - not acknowledged: there as if it had been, or not at all; all of a commit, or nothing of it;
 *  - refused with a definite status: not there; and nothing is there that nobody asked for;
 *  - every outcome and the whole state are what the ledger works out (ledger.h): so no resource has
 *    two owners, tokens grow, and no hold ends early;
 *  - the same operation again gets the same answer, or is expired, and never runs twice;
 *  - a hold cannot be had by another one slot before its deadline, and can at it.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "ledger.h"

enum figure {
    FIGURE_ACKNOWLEDGED, /* answers whose command was new */
    FIGURE_CACHED,       /* answers that repeated an earlier one */
    FIGURE_REJECTED,     /* definite refusals */
    FIGURE_WHOLE,        /* never acknowledged, found whole */
    FIGURE_ABSENT,       /* never acknowledged, found absent */
    FIGURE_RETRIED,      /* retries tried on a copy */
    FIGURE_NEVER_EARLY,  /* holds tried one slot before their deadline, and at it */
    FIGURE_TORN,         /* copies whose torn tail was cut */
    FIGURE_REPLAYED,     /* records that recovery replayed */
    FIGURE_SNAPSHOTS,    /* copies that were recovered from a snapshot */
    FIGURE_COUNT
};

struct audit {
    struct ledger ledger;
    /* Intents that are not there and may still be sent again. */
    struct record *open_intents;
    size_t open_count, open_capacity;
    uint64_t figures[FIGURE_COUNT];
    uint64_t found_count;
    uint64_t random;
    uint32_t life;
    /* Where an unsynced database is tried: acknowledged commands that are not there are counted,
     * and the ledger goes on without them, once. */
    bool may_lose;
    /* Where faults are injected: indefinite answers are expected. */
    bool may_fail;
    uint64_t lost_count;
};

extern const char *const figure_names[FIGURE_COUNT];

/* Prints "found ..." and counts it. */
void audit_found(struct audit *audit, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Audits one life; the directory is a copy, and is changed. */
void audit_life(struct audit *audit, const struct record *records, size_t count,
                const char *directory);
void audit_free(struct audit *audit);
void audit_print_figures(const struct audit *audit);

#endif
