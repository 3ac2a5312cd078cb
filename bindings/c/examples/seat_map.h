/* Draws a sold-out (or nearly sold-out) arena as an SVG picture. */
#ifndef SEAT_MAP_H
#define SEAT_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "venue.h"

#define MAP_NOTES_MAX 12u
#define MAP_LEGENDS_MAX 8u

/* A sold seat has the colour of a legend, counted from 1; 0 is a seat that is free. Two legends
 * that follow each other, the first with an odd number, share a hue: the second is the lighter. */
struct map_text {
    char title[96];
    char subtitle[160];
    char notes[MAP_NOTES_MAX][96]; /* the corner box, line by line */
    unsigned note_count;
    char legends[MAP_LEGENDS_MAX + 1][48]; /* an empty one is not shown */
};

/* `colours[i]` is the legend of seat i. */
bool map_write(const char *path, const struct venue *venue, const uint8_t *colours,
               const struct map_text *text);

/* A number with commas between its thousands, as a person reads it. */
const char *grouped(uint64_t value, char text[32]);

#endif
