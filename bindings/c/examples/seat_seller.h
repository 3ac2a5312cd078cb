/* What the two halves of the seat seller share: seat_seller.c opens the database, loads the venue
 * and watches; seat_buyer.c is what each of its buyer threads does.
 *
 * The seller answers on its standard output, one line an answer, and a witness in another process
 * keeps those lines; seat_journal.h names them. What the witness got is what the world was told;
 * nothing else counts afterwards.
 *
 * The notebook is the buyers' own memory. A buyer that is killed with the seller would not be a
 * buyer: outside of this demo it is a browser somewhere, which still knows what it asked for. So
 * each buyer has a page in a file that is mapped into memory: stores to it survive kill -9, because
 * the pages belong to the kernel and not to the process. Synced it is never, and need not be: the
 * demo kills processes. A service that must survive a power cut stores the operation id where it
 * stores its order.
 */
#ifndef SEAT_SELLER_H
#define SEAT_SELLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocdb.h"
#include "seat_journal.h"
#include "venue.h"

#define BUYERS_MAX 256u

/* Where a buyer is. A step that names a command means: this command may have been sent. */
enum step {
    STEP_CHOOSE = 0,  /* nothing is under way */
    STEP_RESERVE = 1, /* the page's operation is a reserve of the page's seats */
    STEP_THINK = 2,   /* the seats are held; the buyer makes up its mind */
    STEP_CONFIRM = 3, /* the page's operation is a confirm of the page's reservation */
    STEP_RELEASE = 4  /* the page's operation is a release of it */
};

enum plan { PLAN_BUY = 0, PLAN_DITHER = 1, PLAN_WALK_AWAY = 2, PLAN_CANCEL = 3 };

/* One buyer's page. The next step's fields are written first, its number last; and no step reads a
 * field that is written on the way to the step behind it. So a page is whole at whatever
 * instruction the process is killed. */
struct buyer_page {
    _Atomic uint32_t step;
    uint32_t plan;
    uint32_t seat_count;
    uint32_t seats[PARTY_LEN_MAX];
    uint32_t clicks_left; /* a fan's: how often it still tries for the best seats */
    allocdb_operation operation;
    allocdb_id holder_id;
    allocdb_id reservation_id;
    uint64_t customer_count;
    uint64_t random;
};

/* Counted by the buyers, written to the witness by the watcher; the names are seat_journal.h's. */
struct counters {
    _Atomic uint64_t values[STAT_COUNT];
};

struct shop {
    allocdb *db;
    const struct venue *venue;
    uint64_t closing_ms; /* wall clock: a restarted seller closes when the first one would have */
    struct counters counters;
    atomic_uint buyers_inside;
    atomic_bool failed; /* a wrong or an impossible answer was seen: everybody goes home */
};

struct buyer {
    struct shop *shop;
    struct buyer_page *page;
    uint32_t number;
    bool resumed; /* the command in the page was under way when the seller was killed */
};

void *buyer_run(void *buyer);

/* One line to the witness, in one write: a pipe takes up to 4096 bytes whole or not at all. */
void witness_tell(const char *format, ...);
void count(struct shop *shop, enum figure stat);
uint64_t wall_ms(void);
void nap_ms(uint64_t ms);

#endif
