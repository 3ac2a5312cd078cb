/* The witness's journal: what the sellers said, line by line, in the order in which it was said.
 *
 * | line                                                        | what it says                    |
 * |-------------------------------------------------------------|---------------------------------|
 * | open LIFE TURN LANGUAGE PID KIND SECONDS SNAPSHOT_LSN       | the database is open; how the   |
 * |      FRAMES RECORDS TORN_BYTES LAST_LSN                     | recovery went                   |
 * | lock LANGUAGE PID                                           | a program tried to open it, and |
 * |                                                             | was told that PID has it        |
 * | hold RESERVATION HOLDER DEADLINE_SLOT TTL_SLOTS CACHED SEAT | seats were granted              |
 * | busy RESERVATION HOLDER SLOT                                | the seats of a hold that was    |
 * |                                                             | found at opening were refused   |
 * |                                                             | to somebody else, before SLOT   |
 * | sale RESERVATION HOLDER LSN CACHED SEAT...                  | they are sold                   |
 * | free RESERVATION HOLDER LSN CACHED                          | the buyer gave them back        |
 * | late RESERVATION HOLDER                                     | the hold had ended before the   |
 * |                                                             | confirm                         |
 * | stat NAME=VALUE...                                          | counters since the opening      |
 * | note TEXT                                                   | for whoever watches             |
 *
 * A life is what lies between two openings; a turn is a language's lives in a row: it ends with a
 * hand-over. Ids are 32 hexadecimal digits, seats are indexes into the venue's file, CACHED is 1
 * for an answer from the retry cache. The same answer may be there twice: a seller killed between
 * its answer and its next step asks again, gets the same answer again, and says it again.
 */
#ifndef SEAT_JOURNAL_H
#define SEAT_JOURNAL_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocdb.h"
#include "venue.h"

#define PARTY_LEN_MAX 4u
#define LIVES_MAX 64u
#define LANGUAGE_BYTES 16u

/* clang-format off */
#define STAT_LIST(X)                                                                              \
    X(ELAPSED_MS, elapsed_ms)        /* since the database was opened                          */ \
    X(LOOKED, looked)                /* reads: a buyer looked whether a seat was free          */ \
    X(TRIES, tries)                  /* reserves that were asked for                           */ \
    X(CONTENDED, contended)          /* ... and found a seat taken                             */ \
    X(HELD, held)                    /* ... and were granted                                   */ \
    X(SOLD, sold)                    /* confirms that were granted                             */ \
    X(SEATS_SOLD, seats_sold)        /* their seats                                            */ \
    X(LATE, late)                    /* confirms that came after the hold had ended            */ \
    X(RELEASED, released)            /* holds given back                                       */ \
    X(WALKED_AWAY, walked_away)      /* holds left to expire                                   */ \
    X(DUPLICATES, duplicates)        /* commands sent a second time on purpose                 */ \
    X(WRONG, wrong)                  /* ... with another answer than the first: must stay zero */ \
    X(RESUMED_KNOWN, resumed_known)  /* under way at a kill: had been done, answered from cache */ \
    X(RESUMED_NEW, resumed_new)      /* under way at a kill: had not reached the log, done now */ \
    X(REFUSED, refused)              /* overloaded, asked again a little later                 */ \
    X(COMMANDS, commands)            /* the engine's own figures: commands that it logged      */ \
    X(COMMITS, commits)              /* ... in so many commits                                 */ \
    X(SYNCS, syncs)                  /* ... and so many syncs                                  */ \
    X(SYNC_NS_SUM, sync_ns_sum)      /* ... which took so long                                 */ \
    X(SYNC_NS_MAX, sync_ns_max)      /* ... the longest one                                    */ \
    X(CHECKPOINTS, checkpoints)      /* snapshots written by itself                            */
/* clang-format on */

enum figure {
#define STAT_ENUM(upper, lower) STAT_##upper,
    STAT_LIST(STAT_ENUM)
#undef STAT_ENUM
        STAT_COUNT
};

extern const char *const STAT_NAMES[STAT_COUNT];

/* One opening of the database, and the last counters that the seller wrote before it was killed. */
struct life {
    char language[LANGUAGE_BYTES];
    char kind[32];
    uint64_t pid;
    uint32_t turn;
    double recovery_seconds;
    uint64_t snapshot_lsn, frames, records, torn_bytes, last_lsn;
    uint64_t stats[STAT_COUNT];
};

/* One reservation as the world was told of it. */
struct claim {
    allocdb_id reservation_id;
    allocdb_id holder_id;
    uint64_t created_slot;
    uint64_t deadline_slot;
    uint64_t released_lsn; /* 0: nobody gave it back */
    uint64_t sold_lsn;     /* 0: it was not sold */
    uint32_t granted_life; /* in which the world was told so first */
    uint32_t sold_life;
    uint32_t seat_count;
    uint32_t seats[PARTY_LEN_MAX];
};

/* What one turn found of the one before it, counted by `turn`, which is that of the finder. What
 * had been committed before the turn began is known by its LSN. */
struct handover {
    uint64_t begin_lsn;      /* the last LSN of the turn before */
    uint64_t sold_count;     /* holds of the turn before that were confirmed in this one */
    uint64_t refused_count;  /* ... that were refused to somebody else, while they lasted */
    uint64_t answered_count; /* operations committed before, answered here from the retry cache */
};

struct journal {
    struct claim *claims; /* in the order of their reservation ids: the order of granting */
    size_t claim_count;
    struct life lives[LIVES_MAX];
    uint32_t life_count;
    struct handover handovers[LIVES_MAX + 1]; /* by turn; turns count from 1 */
    uint32_t turn_count;
    uint64_t lock_count;       /* second openers that were told an owner */
    uint64_t lock_wrong_count; /* ... and it was not the owner */
    size_t line_count;
    size_t contradiction_count; /* lines that no honest seller can have said; the first is in
                                   `contradiction` */
    char contradiction[160];
};

bool journal_load(struct journal *journal, const struct venue *venue, const char *path);
void journal_free(struct journal *journal);
uint64_t journal_sum(const struct journal *journal, enum figure stat);
/* The sum over the lives of one language; NULL for all. */
uint64_t journal_sum_of(const struct journal *journal, const char *language, enum figure stat);
/* The language of a life, counted from 1. */
const char *journal_language(const struct journal *journal, uint32_t life);
struct claim *journal_find(const struct journal *journal, allocdb_id reservation_id);

#endif
