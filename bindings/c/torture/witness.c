/*
 * witness.c - see witness.h.
 */
#define _GNU_SOURCE
#include "witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

_Static_assert(sizeof(struct record) == 128, "a record divides a page");

enum { TEXT_LEN = 2 * sizeof(struct record) };

allocdb_options torture_options(uint32_t sync)
{
    allocdb_options options;

    allocdb_options_init(&options, sizeof options);
    options.max_resources = RESOURCE_COUNT;
    options.max_reservations = 2048;
    options.max_operations = 4096;
    options.max_bundle_len = BUNDLE_LEN_MAX;
    options.max_ttl_slots = TTL_MAX;
    options.operation_window_slots = WINDOW_SLOTS;
    options.history_window_slots = HISTORY_SLOTS;
    options.wal_prealloc_bytes = 64 << 10;
    options.checkpoint_wal_bytes = 32 << 10;
    options.clock = ALLOCDB_CLOCK_HOST;
    options.sync = sync;
    return options;
}

/* ---- records ---- */

static uint64_t sum_of(const struct record *record)
{
    uint64_t words[sizeof *record / 8], sum = 0;

    memcpy(words, record, sizeof words);
    for (size_t i = 0; i + 1 < sizeof words / sizeof words[0]; i++)
        sum += words[i];
    return sum;
}

bool record_is_whole(const struct record *record)
{
    return record->type >= RECORD_BORN && record->type <= RECORD_BACKUP &&
           record->sum == sum_of(record);
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

bool witness_tell(const struct witness *witness, struct record *records, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    char text[BATCH_LEN_MAX * (TEXT_LEN + 2)];
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        records[i].sum = sum_of(&records[i]);
    if (!witness->as_text)
        return write_all(witness->fd, (const char *)records, count * sizeof *records);
    for (size_t i = 0; i < count; i++) {
        const unsigned char *bytes = (const unsigned char *)&records[i];

        text[len++] = '=';
        for (size_t k = 0; k < sizeof *records; k++) {
            text[len++] = digits[bytes[k] >> 4];
            text[len++] = digits[bytes[k] & 15];
        }
        text[len++] = '\n';
    }
    /* A line is told when it has left the machine; on a file this does nothing. */
    return write_all(witness->fd, text, len) && (tcdrain(witness->fd) == 0 || errno == ENOTTY);
}

/* One line "=<256 digits>" of a console that also says other things. */
static bool record_parse(const char *line, size_t len, struct record *record)
{
    unsigned char *bytes = (unsigned char *)record;

    if (len < TEXT_LEN + 1 || line[0] != '=')
        return false;
    for (size_t i = 0; i < TEXT_LEN; i++) {
        char c = line[1 + i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (digit < 0)
            return false;
        bytes[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : bytes[i / 2] | digit);
    }
    return record_is_whole(record);
}

static size_t records_parse(const char *text, size_t len, struct record *records)
{
    size_t count = 0;

    for (const char *line = text, *end = text + len; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));

        if (stop == NULL)
            break;
        count += record_parse(line, (size_t)(stop - line), &records[count]);
        line = stop + 1;
    }
    return count;
}

struct record *witness_read(const char *path, bool as_text, uint64_t *offset, size_t *count)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;

    *count = 0;
    if (fd < 0 || fstat(fd, &about) != 0) {
        perror(path);
        exit(2);
    }
    size_t len =
        (uint64_t)about.st_size > *offset ? (size_t)((uint64_t)about.st_size - *offset) : 0;
    char *bytes = malloc(len + sizeof(struct record));
    struct record *records = malloc(len + sizeof(struct record));

    if (bytes == NULL || records == NULL || pread(fd, bytes, len, (off_t)*offset) != (ssize_t)len) {
        perror(path);
        exit(2);
    }
    close(fd);
    if (as_text) {
        *count = records_parse(bytes, len, records);
        *offset += len;
    } else {
        memcpy(records, bytes, len);
        while ((*count + 1) * sizeof *records <= len && record_is_whole(&records[*count]))
            *count += 1;
        *offset += *count * sizeof *records;
    }
    free(bytes);
    return records;
}

/* ---- commands ---- */

allocdb_id resource_id(uint64_t number) { return (allocdb_id){.lo = number}; }

allocdb_id operation_id(uint64_t number) { return (allocdb_id){.lo = number, .hi = OPERATION_TAG}; }

allocdb_command record_command(const struct record *record, allocdb_id *ids)
{
    allocdb_command command = {.kind = record->kind,
                               .operation_id = operation_id(record->operation),
                               .holder_id = {.lo = record->holder},
                               .ttl_slots = record->ttl_slots,
                               .valid_until_slot = record->valid_until_slot};

    if (record->kind != ALLOCDB_COMMAND_RESERVE || record->count == 1) {
        command.target_id = resource_id(record->target);
        return command;
    }
    for (uint32_t i = 0; i < record->count && i < BUNDLE_LEN_MAX; i++)
        ids[i] = resource_id(record->target + i);
    command.ids = ids;
    command.id_count = record->count;
    return command;
}

struct record record_answer(const struct record *intent, const allocdb_outcome *outcome)
{
    struct record answer = *intent;

    answer.type = RECORD_ANSWER;
    answer.status = outcome->status;
    answer.code = outcome->code;
    answer.lsn = outcome->lsn;
    answer.reservation = outcome->reservation_id.lo;
    answer.deadline_slot = outcome->deadline_slot;
    answer.failed_index = outcome->failed_index;
    answer.from_retry_cache = outcome->from_retry_cache;
    return answer;
}

uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return (random_next(state) >> 16) % bound;
}

/* ---- arguments ---- */

const char *text_argument(int argc, char **argv, const char *name, const char *otherwise)
{
    size_t len = strlen(name);

    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=')
            return argv[i] + len + 1;
    return otherwise;
}

uint64_t number_argument(int argc, char **argv, const char *name, const char *otherwise)
{
    return strtoull(text_argument(argc, argv, name, otherwise), NULL, 10);
}
