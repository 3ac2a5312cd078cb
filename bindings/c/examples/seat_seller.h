/* What the parts of the seat seller share: seat_seller.c opens the database, loads the venue and
 * watches; seat_buyer.c is what each of its buyer threads does; seat_handover.c is what passes
 * between two sellers.
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
 *
 * The Python and the Go seller read and write the same notebook: the layout below is a format.
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
#define HOLD_TTL_SLOTS 50u /* 5 s at 100 ms a slot: buyers in this demo are in a hurry */

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

_Static_assert(sizeof(struct buyer_page) == 104 && offsetof(struct buyer_page, operation) == 32,
               "the notebook is read by three languages");

/* Counted by the buyers, written to the witness by the watcher; the names are seat_journal.h's. */
struct counters {
    _Atomic uint64_t values[STAT_COUNT];
};

struct shop {
    allocdb *db;
    const struct venue *venue;
    uint64_t closing_ms; /* wall clock: a restarted seller closes when the first one would have */
    bool hands_over;     /* at closing it leaves all as it is to the next seller */
    struct counters counters;
    atomic_uint buyers_inside;
    atomic_bool failed; /* a wrong or an impossible answer was seen: everybody goes home */
};

struct buyer {
    struct shop *shop;
    struct buyer_page *page;
    uint32_t number;
    uint64_t gone_by_ms; /* when it has to have left for the next seller; 0: it is not leaving */
    bool resumed;        /* the command in the page was under way when the seller was killed */
};

void *buyer_run(void *buyer);

/* Tries to open a database that another process has, tells the witness whose it is, and waits for a
 * word on standard input that it is free. */
bool knock(const char *directory);
/* Lets others try for the seats of every hold that the notebook knows of. */
bool rivals_try(struct shop *shop, const struct buyer_page *pages, uint64_t life);

/* One line to the witness, in one write: a pipe takes up to 4096 bytes whole or not at all. */
void witness_tell(const char *format, ...);
/* The seats of a page as the end of such a line. */
const char *seats_text(const struct buyer_page *page, char *text, size_t size);
void count(struct shop *shop, enum figure stat);
uint64_t wall_ms(void);
void nap_ms(uint64_t ms);

#endif
