/* Draws a sold-out (or nearly sold-out) arena as an SVG picture. */
#ifndef SEAT_MAP_H
#define SEAT_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "venue.h"

#define MAP_NOTES_MAX 12u

struct map_text {
    char title[96];
    char subtitle[160];
    char notes[MAP_NOTES_MAX][96]; /* the corner box, line by line */
    unsigned note_count;
    unsigned life_count; /* how many colours the legend explains */
};

/* `sold_life[i]` is the life of the seller in which seat i was sold, from 1; 0 means: not sold. */
bool map_write(const char *path, const struct venue *venue, const uint8_t *sold_life,
               const struct map_text *text);

/* A number with commas between its thousands, as a person reads it. */
const char *grouped(uint64_t value, char text[32]);

#endif
