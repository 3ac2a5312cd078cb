/* The witness: a process apart that keeps what the seller says.
 *
 *     seat_witness JOURNAL SEATS < lines
 *
 * It reads lines (seat_journal.h names them) from its standard input and appends them to JOURNAL,
 * and shows on its standard error how the sale goes: one line that is drawn over and over on a
 * terminal, a line every five seconds elsewhere. SEATS is only for that picture.
 *
 * An opening and the answer to a second opener are shown as lines of their own.
 *
 * It knows nothing of the database and links nothing of it: a witness that shares code with the
 * accused proves little. It ends when the last writer of its input has closed it, so it outlives
 * any number of sellers that are killed.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_LEN 30u
#define SYNC_EVERY_MS 1000u

/* What the seller's `stat` lines say. */
struct figures {
    uint64_t contended, walked_away;
};

struct witness {
    int journal;
    bool terminal;
    uint64_t seats;
    uint64_t seats_sold;
    uint64_t begun_ms, shown_ms, synced_ms;
    unsigned life;
    char language[16];
    struct figures before; /* of the lives that ended */
    struct figures now;    /* of the present one */
    char text[65536];      /* lines that are not whole yet stand at its beginning */
    size_t text_len;
};

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void show(struct witness *witness, uint64_t now_ms)
{
    uint64_t sold = witness->seats_sold;
    uint64_t passed_ms = now_ms - witness->begun_ms;
    char bar[BAR_LEN + 1];
    for (unsigned i = 0; i < BAR_LEN; i++)
        bar[i] = i * witness->seats < sold * BAR_LEN ? '#' : '.';
    bar[BAR_LEN] = '\0';
    fprintf(stderr,
            "%s  %4.1f s  %-6s [%s] %5" PRIu64 " of %" PRIu64 " seats sold  %" PRIu64
            " contended  %" PRIu64 " walked away%s",
            witness->terminal ? "\r" : "", (double)passed_ms / 1000.0, witness->language, bar, sold,
            witness->seats, witness->before.contended + witness->now.contended,
            witness->before.walked_away + witness->now.walked_away,
            witness->terminal ? "\033[K" : "\n");
    witness->shown_ms = now_ms;
}

static void figure_take(uint64_t *figure, const char *line, const char *name)
{
    const char *found = strstr(line, name);
    if (found != NULL)
        *figure = strtoull(found + strlen(name), NULL, 10);
}

static void say(const struct witness *witness, const char *text)
{
    fprintf(stderr, "%s  %4.1f s  %s\n", witness->terminal ? "\r\033[K" : "",
            (double)(clock_ms() - witness->begun_ms) / 1000.0, text);
}

/* open LIFE TURN LANGUAGE PID ...; lock LANGUAGE PID */
static void owner_take(struct witness *witness, const char *line)
{
    char language[16] = "?", text[160];
    uint64_t pid = 0;
    if (line[0] == 'l') {
        sscanf(line, "lock %15s %" SCNu64, language, &pid);
        snprintf(text, sizeof text, "%s tries to open it too: refused, process %" PRIu64 " has it",
                 language, pid);
    } else {
        witness->life += 1;
        sscanf(line, "open %*u %*u %15s %" SCNu64, witness->language, &pid);
        snprintf(text, sizeof text, "%s has the database: life %u, process %" PRIu64,
                 witness->language, witness->life, pid);
    }
    say(witness, text);
}

static void line_take(struct witness *witness, const char *line)
{
    if (strncmp(line, "lock ", 5) == 0) {
        owner_take(witness, line);
    } else if (strncmp(line, "open ", 5) == 0) {
        owner_take(witness, line);
        witness->before.contended += witness->now.contended;
        witness->before.walked_away += witness->now.walked_away;
        memset(&witness->now, 0, sizeof witness->now);
    } else if (strncmp(line, "stat ", 5) == 0) {
        figure_take(&witness->now.contended, line, " contended=");
        figure_take(&witness->now.walked_away, line, " walked_away=");
    } else if (strncmp(line, "sale ", 5) == 0) {
        /* sale RESERVATION HOLDER LSN FROM_CACHE SEAT...: the seats begin after the fifth space. */
        unsigned spaces = 0;
        for (const char *at = line; (at = strchr(at, ' ')) != NULL; at++)
            spaces += 1;
        witness->seats_sold += spaces > 4 ? spaces - 4 : 0;
    } else if (strncmp(line, "note ", 5) == 0) {
        say(witness, line + 5);
    }
}

static bool journal_append(struct witness *witness, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(witness->journal, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

/* Keeps first, looks afterwards. */
static bool input_take(struct witness *witness, size_t fresh_len)
{
    if (!journal_append(witness, witness->text + witness->text_len, fresh_len))
        return false;
    witness->text_len += fresh_len;
    char *line = witness->text;
    char *end = witness->text + witness->text_len;
    for (char *stop; (stop = memchr(line, '\n', (size_t)(end - line))) != NULL; line = stop + 1) {
        *stop = '\0';
        line_take(witness, line);
    }
    witness->text_len = (size_t)(end - line);
    memmove(witness->text, line, witness->text_len);
    return witness->text_len < sizeof witness->text;
}

static bool watch(struct witness *witness)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        int ready = poll(&input, 1, 200);
        uint64_t now_ms = clock_ms();
        if (ready > 0) {
            ssize_t got = read(STDIN_FILENO, witness->text + witness->text_len,
                               sizeof witness->text - witness->text_len);
            if (got == 0)
                return true;
            if (got < 0 && errno != EINTR)
                return false;
            if (got > 0 && !input_take(witness, (size_t)got))
                return false;
        }
        if (now_ms - witness->synced_ms >= SYNC_EVERY_MS) {
            if (fdatasync(witness->journal) != 0)
                return false;
            witness->synced_ms = now_ms;
        }
        if (now_ms - witness->shown_ms >= (witness->terminal ? 200u : 5000u))
            show(witness, now_ms);
    }
}

int main(int argc, char **argv)
{
    static struct witness witness;
    if (argc != 3) {
        fprintf(stderr, "usage: seat_witness JOURNAL SEATS < lines\n");
        return 2;
    }
    witness.journal = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    witness.seats = strtoull(argv[2], NULL, 10);
    witness.terminal = isatty(STDERR_FILENO) == 1;
    witness.begun_ms = witness.shown_ms = witness.synced_ms = clock_ms();
    if (witness.journal < 0 || witness.seats == 0) {
        fprintf(stderr, "seat_witness: cannot write %s\n", argv[1]);
        return 2;
    }
    bool kept = watch(&witness) && fsync(witness.journal) == 0;
    show(&witness, clock_ms());
    if (witness.terminal)
        fprintf(stderr, "\n");
    if (!kept)
        fprintf(stderr, "seat_witness: what the seller said could not be kept\n");
    return kept ? 0 : 1;
}
