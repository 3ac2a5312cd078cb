/*
 * witness.h - what a host under torture says before and after each submission, and the small
 * database that all of them share.
 *
 * A host is a program, in C, Python or Go, that will be killed at any instruction. What it was told
 * must outlive it, so each line of its life is a record of 128 bytes, appended to a file by one
 * write(2): the kernel keeps it whatever happens to the process, and a record that is aligned to
 * its own size never crosses a page, so that a kill leaves it whole or absent. Over a serial line
 * the same bytes go as hexadecimal text, and the sum tells a line that was cut.
 *
 *     intent   before a submission: this command may be in the database from now on
 *     answer   after it: this is what the host, and so the world, was told
 *
 * All is little-endian; an id is its low half, its high half is a constant of its kind. Rejected: a
 * shared page with counters, which cannot say what was asked, only how often.
 */
#ifndef WITNESS_H
#define WITNESS_H

#include <allocdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_type {
    RECORD_BORN = 1,       /* the host is about to open */
    RECORD_OPENED = 2,     /* lsn, slot: what it found */
    RECORD_INTENT = 3,     /* a command */
    RECORD_ANSWER = 4,     /* the command again, and its outcome */
    RECORD_CHECKPOINT = 5, /* about to make one; a status where it has failed */
    RECORD_TICK = 6,       /* about to tick at slot; with status 0 and lsn: what it did */
    RECORD_CLOSING = 7,    /* about to close */
    RECORD_REFUSED = 8,    /* the opening failed with status */
    RECORD_BACKUP = 9      /* about to back up; a status where it has failed */
};

/* What a status field holds where nothing was answered yet. */
#define STATUS_NONE (-1)

struct record {
    uint32_t type;
    uint32_t kind;  /* ALLOCDB_COMMAND_* */
    uint32_t life;  /* which host of the run */
    uint32_t batch; /* which submission of its life; commands of one share one commit */
    uint64_t slot;
    uint64_t operation;
    uint64_t valid_until_slot;
    uint64_t target; /* a resource or a reservation */
    uint64_t holder;
    uint64_t ttl_slots;
    uint32_t count; /* reserve: target, target + 1, ... */
    uint32_t batch_len;
    int32_t status;
    uint32_t code;
    uint64_t lsn;
    uint64_t reservation;
    uint64_t deadline_slot;
    uint32_t failed_index;
    uint32_t from_retry_cache;
    uint64_t reserved;
    uint64_t sum; /* of the fifteen words before */
};

enum {
    RESOURCE_COUNT = 24,
    BUNDLE_LEN_MAX = 3,
    BATCH_LEN_MAX = 4,
    TTL_MAX = 40,
    WINDOW_SLOTS = 64,
    HISTORY_SLOTS = 24,
    /* The high half of an operation's id. */
    OPERATION_TAG = 0x0B
};

/* Small tables, quick to open; a clock that the hosts drive; checkpoints every few dozen commits.
 */
allocdb_options torture_options(uint32_t sync);

struct witness {
    int fd;
    bool as_text;
};

/* Appends records in one write; false if the witness cannot hear any more. */
bool witness_tell(const struct witness *witness, struct record *records, size_t count);
/* Whether the record is one, and whole. */
bool record_is_whole(const struct record *record);
/* Reads all whole records of a file from a byte offset on, text or binary, into memory to be freed;
 * the offset moves behind them. */
struct record *witness_read(const char *path, bool as_text, uint64_t *offset, size_t *count);

allocdb_id resource_id(uint64_t number);
allocdb_id operation_id(uint64_t number);
/* The command of an intent; `ids` has room for BUNDLE_LEN_MAX and must live as long. */
allocdb_command record_command(const struct record *record, allocdb_id *ids);
/* An answer: the intent with an outcome. */
struct record record_answer(const struct record *intent, const allocdb_outcome *outcome);

/* xorshift64, as every language here draws it. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t bound);

/* The value of "name=value" among a program's arguments. */
const char *text_argument(int argc, char **argv, const char *name, const char *otherwise);
uint64_t number_argument(int argc, char **argv, const char *name, const char *otherwise);

#endif
