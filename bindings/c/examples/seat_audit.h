/* What the two parts of the audit share: seat_audit.c holds the database against the witness's
 * journal, seat_report.c prints what was counted on the way and has the map drawn.
 */
#ifndef SEAT_AUDIT_H
#define SEAT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "allocdb.h"
#include "seat_journal.h"
#include "seat_map.h"
#include "venue.h"

#define LANGUAGES_MAX (MAP_LEGENDS_MAX / 2)

/* What the witness heard from the sellers of one language. */
struct share {
    const char *language;
    uint64_t held, sales, seats_sold, expired, released;
};

struct audit {
    allocdb *db;
    struct venue venue;
    struct journal journal;
    allocdb_resource *rows; /* by seat, as listed; resource_id 0 where the seat was not there */
    uint8_t *sold_life;     /* by seat: the life in which it was sold, 0 = it was not */
    uint64_t sales, seats_sold, revenue, expired, released;
    struct share shares[LANGUAGES_MAX];
    unsigned share_count;
    unsigned failure_count;
};

/* The share of the language in which a life's seller was written. */
struct share *share_of(struct audit *audit, uint32_t life);

void table_print(struct audit *audit);
bool map_draw(struct audit *audit, const char *path);

#endif
