/* Reading the venue's CSV file. See venue.h for the format.
 *
 * The whole file is checked before a seat of it is believed: a price list with a damaged line
 * should stop the sale before it begins, with the line's number, and not sell a seat that does not
 * exist.
 */
#include "venue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool seat_parse(const char *line, struct seat *seat)
{
    int used = 0;
    memset(seat, 0, sizeof *seat);
    int fields = sscanf(line, "%7[^,],%3[^,],%u,%u%n", seat->section, seat->row, &seat->number,
                        &seat->price, &used);
    if (fields != 4 || seat->number == 0)
        return false;
    return line[used] == '\n' || line[used] == '\r' || line[used] == '\0';
}

static bool venue_read_lines(struct venue *venue, FILE *file, char *why, size_t why_size)
{
    char line[128];
    unsigned line_number = 1;
    if (fgets(line, sizeof line, file) == NULL ||
        strncmp(line, "section,row,number,price", 24) != 0) {
        snprintf(why, why_size, "line 1 is not 'section,row,number,price'");
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        line_number += 1;
        if (venue->seat_count == VENUE_SEATS_MAX) {
            snprintf(why, why_size, "more than %u seats", VENUE_SEATS_MAX);
            return false;
        }
        if (!seat_parse(line, &venue->seats[venue->seat_count])) {
            snprintf(why, why_size, "line %u is not 'section,row,number,price'", line_number);
            return false;
        }
        venue->seat_count += 1;
    }
    if (ferror(file) != 0 || venue->seat_count == 0) {
        snprintf(why, why_size, "no seat could be read");
        return false;
    }
    return true;
}

static void venue_find_best(struct venue *venue)
{
    uint32_t price_max = 0;
    for (uint32_t i = 0; i < venue->seat_count; i++)
        if (venue->seats[i].price > price_max)
            price_max = venue->seats[i].price;
    for (uint32_t i = 0; i < venue->seat_count; i++)
        if ((uint64_t)venue->seats[i].price * 8 >= (uint64_t)price_max * 7)
            venue->best[venue->best_count++] = i;
}

bool venue_load(struct venue *venue, const char *path, char *why, size_t why_size)
{
    venue->seat_count = 0;
    venue->best_count = 0;
    venue->best = calloc(VENUE_SEATS_MAX, sizeof *venue->best);
    venue->seats = calloc(VENUE_SEATS_MAX, sizeof *venue->seats);
    FILE *file = fopen(path, "r");
    bool read = false;
    if (venue->seats == NULL || venue->best == NULL || file == NULL)
        snprintf(why, why_size, "it cannot be opened");
    else
        read = venue_read_lines(venue, file, why, why_size);
    if (file != NULL)
        fclose(file);
    if (read)
        venue_find_best(venue);
    else
        venue_free(venue);
    return read;
}

void venue_free(struct venue *venue)
{
    free(venue->seats);
    free(venue->best);
    venue->seats = NULL;
    venue->best = NULL;
    venue->seat_count = 0;
}

bool venue_are_neighbours(const struct venue *venue, uint32_t first)
{
    if (first + 1 >= venue->seat_count)
        return false;
    const struct seat *left = &venue->seats[first];
    const struct seat *right = &venue->seats[first + 1];
    return strcmp(left->section, right->section) == 0 && strcmp(left->row, right->row) == 0 &&
           left->number + 1 == right->number;
}

allocdb_id venue_seat_id(uint32_t seat_index)
{
    allocdb_id id = {.lo = (uint64_t)seat_index + 1, .hi = VENUE_ID_TAG};
    return id;
}

uint32_t venue_seat_index(const struct venue *venue, allocdb_id resource_id)
{
    if (resource_id.hi != VENUE_ID_TAG || resource_id.lo == 0 || resource_id.lo > venue->seat_count)
        return venue->seat_count;
    return (uint32_t)(resource_id.lo - 1);
}
