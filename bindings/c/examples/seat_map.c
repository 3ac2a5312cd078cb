/* The arena as a picture: a floor of six blocks before the stage, and two rings of sections around
 * it.
 *
 * The venue's file knows no coordinates, so the drawing makes them from the names: sections F1 to
 * F6 are floor blocks, three abreast; 1xx are the lower ring and 2xx the upper one, clockwise from
 * the right of the stage; any other name is not drawn. A row is centred in its section with one
 * seat's width between neighbours, so sections look as they were counted: rows grow with their
 * radius, stairs and the camera platform are gaps.
 *
 * Every language of a seller has its own hue, and what it sold after it was killed is lighter. A
 * picture in which all of them cover the arena is the demo's result at one glance: nothing that was
 * sold before a kill or by another program was lost or sold again.
 */
#include "seat_map.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1540
#define HEIGHT 1440
#define CENTRE_X 770.0
#define CENTRE_Y 650.0
#define SEAT_PITCH 8.8
#define ROW_PITCH 9.6
#define RADIANS (3.14159265358979323846 / 180.0)
#define RING_DEGREES 260.0
#define RING_BEGIN_DEGREES (-40.0)

static const char *const COLOURS[MAP_LEGENDS_MAX] = {"#3f8fd9", "#9fd0f5", "#d98b1f", "#f7d07a",
                                                     "#1fa283", "#8fe3c8", "#c45a95", "#f0a8cf"};

struct ring {
    char first_digit;
    uint32_t section_count;
    double radius;
};

static const struct ring RINGS[2] = {{'1', 13, 350.0}, {'2', 17, 524.0}};

struct point {
    double x, y;
};

/* One section while it is drawn. */
struct section {
    const char *name;
    uint32_t first, end; /* its seats in the venue */
    uint32_t row_count;
    uint32_t sold_count;
    uint64_t revenue;
};

const char *grouped(uint64_t value, char text[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    int used = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

static const struct ring *ring_of(const char *name)
{
    for (unsigned i = 0; i < 2; i++)
        if (name[0] == RINGS[i].first_digit)
            return &RINGS[i];
    return NULL;
}

static double ring_middle(const struct ring *ring, const char *name)
{
    double index = (double)(strtoul(name + 1, NULL, 10) - 1);
    return RING_BEGIN_DEGREES + (index + 0.5) * RING_DEGREES / ring->section_count;
}

/* Seat `place` (from 0) of `row_len` in row `row` (from 0) of the section called `name`. */
static struct point seat_point(const char *name, uint32_t row, uint32_t place, uint32_t row_len)
{
    double across = ((double)place - ((double)row_len - 1.0) / 2.0) * SEAT_PITCH;
    const struct ring *ring = ring_of(name);
    if (ring == NULL) {
        unsigned block = (unsigned)(name[1] - '1') % 6;
        double column = (double)(block % 3) - 1.0;
        double back = block / 3 == 0 ? 0.0 : 14 * ROW_PITCH + 22.0;
        struct point floor = {CENTRE_X + column * 208.0 + across,
                              CENTRE_Y - 130.0 + back + row * ROW_PITCH};
        return floor;
    }
    double radius = ring->radius + row * ROW_PITCH;
    double angle = ring_middle(ring, name) * RADIANS + across / radius;
    struct point bowl = {CENTRE_X + radius * cos(angle), CENTRE_Y + radius * sin(angle)};
    return bowl;
}

/* Finds the section that begins at seat `first`. */
static struct section section_at(const struct venue *venue, const uint8_t *colours, uint32_t first)
{
    struct section section = {.name = venue->seats[first].section, .first = first};
    const char *row = "";
    uint32_t i = first;
    for (; i < venue->seat_count && strcmp(venue->seats[i].section, section.name) == 0; i++) {
        if (strcmp(venue->seats[i].row, row) != 0)
            section.row_count += 1;
        row = venue->seats[i].row;
        if (colours[i] != 0) {
            section.sold_count += 1;
            section.revenue += venue->seats[i].price;
        }
    }
    section.end = i;
    return section;
}

static void seats_draw(FILE *file, const struct venue *venue, const uint8_t *colours,
                       const struct section *section)
{
    uint32_t row = 0;
    for (uint32_t first = section->first, end; first < section->end; first = end, row++) {
        for (end = first + 1; end < section->end; end++)
            if (strcmp(venue->seats[end].row, venue->seats[first].row) != 0)
                break;
        for (uint32_t i = first; i < end; i++) {
            struct point at = seat_point(section->name, row, i - first, end - first);
            fprintf(file, "<circle class=\"c%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>\n", colours[i],
                    at.x, at.y, colours[i] == 0 ? "2.6" : "3.6");
        }
    }
}

/* The label runs along the section's outer edge, the right way up. */
static void label_draw(FILE *file, const struct section *section)
{
    const struct ring *ring = ring_of(section->name);
    struct point at = seat_point(section->name, 0, 0, 1);
    double turn = 0.0;
    if (ring == NULL) {
        at.y -= 9.0;
    } else {
        double degrees = ring_middle(ring, section->name);
        double radius = ring->radius + section->row_count * ROW_PITCH + 7.0;
        at.x = CENTRE_X + radius * cos(degrees * RADIANS);
        at.y = CENTRE_Y + radius * sin(degrees * RADIANS);
        turn = degrees < 0.0 || degrees > 180.0 ? degrees + 90.0 : degrees - 90.0;
    }
    uint32_t seat_count = section->end - section->first;
    fprintf(file,
            "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" transform=\"rotate(%.1f %.1f %.1f)\">"
            "<tspan class=\"name\">%s</tspan> %u/%u</text>\n",
            at.x, at.y, turn, at.x, at.y, section->name, section->sold_count, seat_count);
}

static void head_draw(FILE *file, const struct map_text *text)
{
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"Inter, 'Segoe UI', Helvetica, Arial, sans-serif\">\n"
            "<title>%s</title>\n<style>\n"
            ".c0{fill:#232b3a;stroke:#46536b;stroke-width:.8}\n",
            WIDTH, HEIGHT, text->title);
    for (unsigned i = 0; i < MAP_LEGENDS_MAX; i++)
        fprintf(file, ".c%u{fill:%s}\n", i + 1, COLOURS[i]);
    fprintf(file,
            ".title{font-size:34px;font-weight:700;fill:#f4f6fb}\n"
            ".text{font-size:16px;fill:#aab4c8}\n"
            ".strong{font-size:16px;fill:#e8ecf5}\n"
            ".label{font-size:10px;fill:#8b97ad;text-anchor:middle;dominant-baseline:middle}\n"
            ".name{font-weight:700;fill:#e8ecf5}\n"
            ".stage{font-size:24px;font-weight:700;letter-spacing:12px;fill:#cfd7e6;"
            "text-anchor:middle}\n</style>\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#10151f\"/>\n"
            "<text class=\"title\" x=\"40\" y=\"62\">%s</text>\n"
            "<text class=\"text\" x=\"40\" y=\"92\">%s</text>\n",
            WIDTH, HEIGHT, text->title, text->subtitle);
    fprintf(file,
            "<path d=\"M %.0f %.0f h 420 v 70 q -210 50 -420 0 z\" fill=\"#2a3346\" "
            "stroke=\"#55627c\"/>\n<text class=\"stage\" x=\"%.0f\" y=\"%.0f\">STAGE</text>\n",
            CENTRE_X - 210.0, CENTRE_Y - 268.0, CENTRE_X + 6.0, CENTRE_Y - 217.0);
}

/* The legend counts what it explains, so that the picture can be checked against the table. */
static void legend_draw(FILE *file, const struct venue *venue, const uint8_t *colours,
                        const struct map_text *text)
{
    uint32_t counts[MAP_LEGENDS_MAX + 1] = {0};
    char number[32];
    unsigned shown = 0;
    for (uint32_t i = 0; i < venue->seat_count; i++)
        counts[colours[i]] += 1;
    for (unsigned i = 1; i <= MAP_LEGENDS_MAX; i++)
        shown += text->legends[i][0] != '\0';
    int y = 1426 - 24 * (int)(shown + 1);
    for (unsigned i = 1; i <= MAP_LEGENDS_MAX + 1; i++) {
        unsigned legend = i % (MAP_LEGENDS_MAX + 1); /* the free seats last */
        if (legend != 0 && text->legends[legend][0] == '\0')
            continue;
        fprintf(
            file,
            "<circle class=\"c%u\" cx=\"48\" cy=\"%d\" r=\"7\"/><text class=\"strong\" x=\"64\" "
            "y=\"%d\">%s</text><text class=\"text\" x=\"290\" text-anchor=\"end\" "
            "y=\"%d\">%s</text>\n",
            legend, y - 5, y, legend == 0 ? "free" : text->legends[legend], y,
            grouped(counts[legend], number));
        y += 24;
    }
}

static void notes_draw(FILE *file, const struct map_text *text)
{
    int y = 1426 - 24 * (int)text->note_count;
    for (unsigned i = 0; i < text->note_count; i++, y += 24)
        fprintf(file, "<text class=\"%s\" x=\"1500\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
                i == 0 ? "strong" : "text", y, text->notes[i]);
}

bool map_write(const char *path, const struct venue *venue, const uint8_t *colours,
               const struct map_text *text)
{
    FILE *file = fopen(path, "w");
    char number[32];
    if (file == NULL)
        return false;
    head_draw(file, text);
    for (uint32_t first = 0; first < venue->seat_count;) {
        struct section section = section_at(venue, colours, first);
        first = section.end;
        if (ring_of(section.name) == NULL && section.name[0] != 'F')
            continue;
        fprintf(file, "<g><title>section %s: %u of %u sold, revenue %s</title>\n", section.name,
                section.sold_count, section.end - section.first, grouped(section.revenue, number));
        seats_draw(file, venue, colours, &section);
        label_draw(file, &section);
        fprintf(file, "</g>\n");
    }
    legend_draw(file, venue, colours, text);
    notes_draw(file, text);
    fprintf(file, "</svg>\n");
    return fclose(file) == 0;
}
