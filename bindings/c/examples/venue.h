/* The venue of the seat seller's demo: 10,000 seats read from a CSV file.
 *
 * File: a header line `section,row,number,price`, then one seat a line. A section is at most 7
 * characters, a row at most 3; a row's seats stand next to each other in the file and are numbered
 * from 1, so seat i + 1 is the neighbour of seat i exactly when `venue_are_neighbours` says so.
 *
 * The id of a seat is its line: ids are the caller's to choose, and a line number is the simplest
 * id that a person can look up again. Its high half is a constant tag, so that the seats of this
 * program never meet ids that another program keeps in the same database.
 */
#ifndef VENUE_H
#define VENUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocdb.h"

#define VENUE_SEATS_MAX 60000u
#define VENUE_ID_TAG UINT64_C(0x5345415453000000) /* "SEATS" */

struct seat {
    char section[8];
    char row[4];
    uint32_t number;
    uint32_t price;
};

struct venue {
    struct seat *seats;
    uint32_t seat_count;
    uint32_t *best; /* the seats that cost at least 7/8 of the dearest: everybody wants them */
    uint32_t best_count;
};

/* Reads the file; false with the reason in `why`, and nothing to free. */
bool venue_load(struct venue *venue, const char *path, char *why, size_t why_size);
void venue_free(struct venue *venue);

/* Whether seats `first` and `first + 1` stand side by side in one row. */
bool venue_are_neighbours(const struct venue *venue, uint32_t first);

allocdb_id venue_seat_id(uint32_t seat_index);
/* The seat of an id; `seat_count` for an id that is no seat of this venue. */
uint32_t venue_seat_index(const struct venue *venue, allocdb_id resource_id);

#endif
