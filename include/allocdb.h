/*
 * allocdb.h - AllocDB: a database that allocates scarce resources. One resource, one winner.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Generated from crates/allocdb-ffi by its test "header". Do not edit.
 *
 * Seats, rooms, stock units, GPUs, IP addresses, job slots, locks: a program embeds libAllocDB, and
 * reserve -> confirm -> release, with holds that expire and retries that are safe, are calls:
 *
 *     #include <allocdb.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         allocdb *db;
 *         allocdb_error error;
 *         allocdb_outcome outcome;
 *         allocdb_id seat = {.lo = 21}, alice = {.lo = 1};
 *
 *         if (allocdb_open("venue", NULL, &db, &error) != ALLOCDB_OK) {
 *             fprintf(stderr, "%s\n", error.message);
 *             return 1;
 *         }
 *         if (allocdb_create_resource(db, ALLOCDB_SLOT_NOW, allocdb_operation_new(db), seat,
 *                                     &outcome, &error) == ALLOCDB_OK
 *             && allocdb_reserve(db, ALLOCDB_SLOT_NOW, allocdb_operation_new(db), seat, alice,
 *                                600, &outcome, &error) == ALLOCDB_OK) {
 *             puts(outcome.code == ALLOCDB_DONE ? "yours for a minute" : "taken");
 *         }
 *         allocdb_close(&db);
 *     }
 *
 *     cc venue.c $(pkg-config --cflags --libs allocdb)
 *
 *
 * PRINCIPLES
 *
 * allocdb * is the only object. Every output goes into memory that the caller owns. After
 * allocdb_open no call allocates memory, and there are no strings or errors to free. The library
 * starts no thread, prints nothing, and ends no process.
 *
 * A resource is AVAILABLE, RESERVED (until a deadline), CONFIRMED (until released or revoked) or
 * REVOKING (its holder lost it, nobody has it yet). A reservation holds one resource or a bundle of
 * them, all or none. Ids are 128 bits wide and chosen by the caller, but for the reservation's:
 * that one the database makes, it grows with every reservation, and is the fencing token to show to
 * outside systems. An id of all zeros is never one.
 *
 * What a call acknowledged is on the disk (options.sync), and survives the crash of the process, of
 * the kernel, and of the power.
 *
 *
 * SLOTS
 *
 * Time is counted in slots of slot_duration_ms (100). A TTL is a number of slots. Pass
 * ALLOCDB_SLOT_NOW to use the system clock, or count slots yourself (options.clock). Slots never go
 * back: a commit's slot is the greatest of the last one and of the slots of all that take part in
 * it. A deadline that passes frees nothing by itself: the next commit or allocdb_tick does. So a
 * resource may become free late, but never early.
 *
 *
 * THREADS, FORKS, CALLBACKS
 *
 * Any number of threads may use one handle at once, with every function. What they submit at once
 * is committed together, with one write and one sync. allocdb_close waits for the calls under way.
 * No wait is unbounded but the disk's: a full queue is ALLOCDB_E_OVERLOADED.
 *
 * A forked child must not use its parent's handles (ALLOCDB_E_FORKED); closing one there frees its
 * memory and touches no file. It may open databases of its own.
 *
 * The log callback must not call AllocDB (ALLOCDB_E_REENTRANT), on no handle, but for the functions
 * that say "callable from anywhere".
 *
 * Thread cancellation is deferred while a call is under way, but not where its type is
 * asynchronous, which no library can be written for. Signals are the host's; a call that a handler
 * interrupts goes on, so no handler may jump out of one. No function may be called from a signal
 * handler, but for those that only name things (allocdb_status_name and the like).
 *
 * A call fits a thread with 64 KiB of stack, opening one with 128 KiB.
 *
 *
 * ERRORS
 *
 * Two questions, two answers. Was the command committed? That is the status. How was it decided?
 * That is outcome.code, and it is not an error: a reserve of a taken seat returns ALLOCDB_OK with
 * outcome.code ALLOCDB_RESOURCE_BUSY, committed and definite.
 *
 * The bands of the statuses say what to do (allocdb_status_category):
 *
 *       0        ok
 *       1 ..  99 misuse: a mistake in the calling program. Nothing happened.
 *     100 .. 199 definite: nothing happened, for certain, and nothing will.
 *     200 .. 299 opening and files.
 *     300 .. 399 INDEFINITE: nobody can know yet whether it took effect. Close, open again, and
 *                repeat the same operation, or ask allocdb_get_operation.
 *     400 .. 499 a read's answer.
 *     500 .. 599 kept for a served or replicated database.
 *
 * Statuses, codes, states and flags are #defines whose numbers never change; new ones are added.
 * Treat one that you do not know by its category.
 *
 * The last parameter of every fallible call is an allocdb_error: which field, which value, which
 * bound, which file. It may be NULL. On failure all other outputs are zero, but for sizes that are
 * needed (ALLOCDB_E_BUFFER_TOO_SMALL), and but for what is said where a function is declared.
 *
 *
 * RETRIES
 *
 * Every command carries an allocdb_operation: the name by which a retry is known. The same
 * operation with the same command, within operation_window_slots, is answered with the first
 * outcome, its lsn, and from_retry_cache = 1; with another command it is
 * ALLOCDB_E_OPERATION_CONFLICT. Make it once (allocdb_operation_new), keep it until the outcome is
 * known, and repeat it as it is.
 *
 * valid_until_slot makes that hold for ever: past it the command is not executed any more, but
 * ALLOCDB_E_OPERATION_EXPIRED, unless it is still remembered. allocdb_operation_new always sets it.
 * With valid_until_slot = 0, a retry after an outage longer than the window is a new command.
 *
 *
 * STRUCTS AND MEMORY
 *
 * allocdb_options, allocdb_health and allocdb_recovery_report may grow in later versions: set their
 * struct_size to their sizeof before the call. A shorter one than the library's has the default in
 * its missing tail; of a longer one the unknown tail must be zero, and is zeroed on output. All
 * other structs are fixed for ever. Reserved fields are zero.
 *
 * Pointers must be aligned as their type is, and an output may overlap nothing else in the call
 * (ALLOCDB_E_OVERLAP). Inputs must not change during a call.
 *
 *
 * DETAIL WORDS: allocdb_error.detail[0..3] by status; what is not named is 0
 *
 *     E_INVALID                   an argument: its position, counted from 1
 *                                 an option: value, least, greatest
 *     E_STRUCT_SIZE               position, struct_size, the library's size
 *     E_BUFFER_TOO_SMALL          position, capacity, needed
 *     E_OVERLAP                   the two positions
 *     E_MALFORMED                 index of the command; allocdb_call: index, offset
 *     E_COMMAND_TOO_LARGE         value, bound
 *     E_BUNDLE_TOO_LARGE          index, ids, max_bundle_len
 *     E_DUPLICATE_RESOURCE        index, lo and hi of the resource
 *     E_TTL_OUT_OF_RANGE          index, ttl_slots, max_ttl_slots
 *     E_SLOT_OVERFLOW, _LEAP      slot, greatest slot allowed
 *     E_OPERATION_EXPIRED         index, valid_until_slot, the commit's slot
 *     E_VALID_UNTIL_OUT_OF_RANGE  index, valid_until_slot, greatest allowed
 *     E_OPERATION_CONFLICT        index, lsn of the first command
 *     E_OPERATION_TABLE_FULL      index, max_operations, operation_window_slots
 *     E_OVERLOADED                max_queue where the queue was full, 0 where a table was
 *     E_LOCKED                    the owner's process id, 0 if it is not known
 *     E_CORRUPT                   offset, the log position expected there
 *     E_CONFIG_MISMATCH           value given, value stored (their low 64 bits)
 *     E_VERSION                   found, supported
 *     E_NO_MEMORY                 bytes asked for
 *     E_UNSUPPORTED_FS            the file system's magic number (statfs)
 *     FENCE_NOT_APPLIED           required_lsn, last applied
 *
 *     In allocdb_call, for a message that is refused: index, offset, then the words behind the
 *     index.
 *
 *     os_errno is set with E_IO, E_DIRECTORY_NOT_FOUND, E_STORAGE_FULL, E_STORAGE_FAILURE,
 *     E_HALTED.
 */


#ifndef ALLOCDB_H
#define ALLOCDB_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__linux__) || !defined(__LP64__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "AllocDB supports 64-bit little-endian Linux"
#endif

/* The answer of a function that carries it must be looked at. */
#if defined(__GNUC__)
#define ALLOCDB_MUST_USE __attribute__((warn_unused_result))
#else
#define ALLOCDB_MUST_USE
#endif

/**
 * The header's version, as allocdb_version_number gives the library's.
 */
#define ALLOCDB_VERSION_NUMBER 3000

/**
 * The call did what was asked. For a command: it was committed, and `outcome.code` says how it
 * was decided.
 */
#define ALLOCDB_OK 0

/**
 * An argument or option has a value that is not allowed: NULL, not aligned, out of bounds.
 */
#define ALLOCDB_E_INVALID 1

/**
 * The struct_size of a struct that may grow is not one that this library can work with.
 */
#define ALLOCDB_E_STRUCT_SIZE 2

/**
 * An output buffer is too small. Nothing was done; the size that is needed is given.
 */
#define ALLOCDB_E_BUFFER_TOO_SMALL 3

/**
 * Two memory ranges of the call overlap, and one of them is an output.
 */
#define ALLOCDB_E_OVERLAP 4

/**
 * The handle was closed.
 */
#define ALLOCDB_E_CLOSED 5

/**
 * The handle was opened by a parent process: a forked child opens its own.
 */
#define ALLOCDB_E_FORKED 6

/**
 * The call came from inside the log callback.
 */
#define ALLOCDB_E_REENTRANT 7

/**
 * A command or message has a form that is never valid: a zero id, an unknown kind.
 */
#define ALLOCDB_E_MALFORMED 100

/**
 * More commands or bytes than one commit may hold.
 */
#define ALLOCDB_E_COMMAND_TOO_LARGE 101

/**
 * More resources in one reserve than max_bundle_len.
 */
#define ALLOCDB_E_BUNDLE_TOO_LARGE 102

/**
 * One resource twice in one reserve.
 */
#define ALLOCDB_E_DUPLICATE_RESOURCE 103

/**
 * ttl_slots is 0 or above max_ttl_slots.
 */
#define ALLOCDB_E_TTL_OUT_OF_RANGE 104

/**
 * The slot is so late that a window beyond it could not be counted.
 */
#define ALLOCDB_E_SLOT_OVERFLOW 105

/**
 * The slot is further ahead than max_slot_leap allows.
 */
#define ALLOCDB_E_SLOT_LEAP 106

/**
 * valid_until_slot has passed: this submission did nothing and never will.
 */
#define ALLOCDB_E_OPERATION_EXPIRED 107

/**
 * valid_until_slot lies further ahead than operations are remembered.
 */
#define ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE 108

/**
 * The operation id is remembered with another command.
 */
#define ALLOCDB_E_OPERATION_CONFLICT 109

/**
 * Every place for an operation is taken by one that is still remembered.
 */
#define ALLOCDB_E_OPERATION_TABLE_FULL 110

/**
 * The queue or a table has no room right now. Nothing happened: try again later.
 */
#define ALLOCDB_E_OVERLOADED 111

/**
 * The last log position has been given away.
 */
#define ALLOCDB_E_LSN_EXHAUSTED 112

/**
 * No space for the log. Nothing was accepted; reads go on.
 */
#define ALLOCDB_E_STORAGE_FULL 113

/**
 * The handle is open for reading only.
 */
#define ALLOCDB_E_READ_ONLY 114

/**
 * A file operation failed; error.os_errno says how.
 */
#define ALLOCDB_E_IO 200

/**
 * The database is open elsewhere; error.detail[0] is the owner's process id where known.
 */
#define ALLOCDB_E_LOCKED 201

/**
 * The directory is not there (and was not to be created, or its parent is not there either).
 */
#define ALLOCDB_E_DIRECTORY_NOT_FOUND 202

/**
 * The path holds something else than a database.
 */
#define ALLOCDB_E_NOT_A_DATABASE 203

/**
 * The files are damaged. Nothing was changed.
 */
#define ALLOCDB_E_CORRUPT 204

/**
 * An option differs from what is stored with the data; the message names it.
 */
#define ALLOCDB_E_CONFIG_MISMATCH 205

/**
 * The files are of a format version that this library does not know.
 */
#define ALLOCDB_E_VERSION 206

/**
 * Not enough memory for this configuration.
 */
#define ALLOCDB_E_NO_MEMORY 207

/**
 * The directory is on a network file system, and ALLOCDB_ALLOW_NETWORK_FS was not given.
 */
#define ALLOCDB_E_UNSUPPORTED_FS 208

/**
 * ALLOCDB_OPEN_NEW was given, and a database is there already.
 */
#define ALLOCDB_E_EXISTS 209

/**
 * INDEFINITE: a write or sync failed. Whether the commands took effect is known after reopening.
 */
#define ALLOCDB_E_STORAGE_FAILURE 300

/**
 * INDEFINITE: the engine had halted, or halted during the call. Reopen the database.
 */
#define ALLOCDB_E_HALTED 301

/**
 * INDEFINITE: an internal error was caught and has halted the engine. Reopen the database.
 */
#define ALLOCDB_E_PANIC 302

/**
 * A read's answer: nothing with this id.
 */
#define ALLOCDB_ID_NOT_FOUND 400

/**
 * A read's answer: the reservation ended and is no longer remembered.
 */
#define ALLOCDB_RETIRED 401

/**
 * A read's answer: the state has not reached required_lsn.
 */
#define ALLOCDB_FENCE_NOT_APPLIED 402

/**
 * Category of ALLOCDB_OK.
 */
#define ALLOCDB_CATEGORY_OK 0

/**
 * Category of 1 to 99: the call was misused; nothing happened.
 */
#define ALLOCDB_CATEGORY_MISUSE 1

/**
 * Category of 100 to 199: nothing happened, for certain, and nothing will.
 */
#define ALLOCDB_CATEGORY_DEFINITE 2

/**
 * Category of 200 to 299: opening and files.
 */
#define ALLOCDB_CATEGORY_OPEN 3

/**
 * Category of 300 to 399: whether it took effect is not known yet.
 */
#define ALLOCDB_CATEGORY_INDEFINITE 4

/**
 * Category of 400 to 499: a read's answer.
 */
#define ALLOCDB_CATEGORY_READ 5

/**
 * Category of a number that is no status of this version.
 */
#define ALLOCDB_CATEGORY_UNKNOWN 6

/**
 * Result code: the command took effect.
 */
#define ALLOCDB_DONE 0

/**
 * Result code: a resource with this id is there already.
 */
#define ALLOCDB_RESOURCE_EXISTS 1

/**
 * Result code: all max_resources places are taken.
 */
#define ALLOCDB_RESOURCE_TABLE_FULL 2

/**
 * Result code: no resource with this id.
 */
#define ALLOCDB_RESOURCE_NOT_FOUND 3

/**
 * Result code: the resource is reserved, confirmed or being revoked.
 */
#define ALLOCDB_RESOURCE_BUSY 4

/**
 * Result code: all max_reservations places are taken by live or still remembered ones.
 */
#define ALLOCDB_RESERVATION_TABLE_FULL 5

/**
 * Result code: max_expiration_bucket_len reservations already have this deadline.
 */
#define ALLOCDB_EXPIRATION_INDEX_FULL 6

/**
 * Result code: no reservation with this id.
 */
#define ALLOCDB_RESERVATION_NOT_FOUND 7

/**
 * Result code: the reservation ended and is no longer remembered.
 */
#define ALLOCDB_RESERVATION_RETIRED 8

/**
 * Result code: the reservation belongs to another holder.
 */
#define ALLOCDB_HOLDER_MISMATCH 9

/**
 * Result code: the reservation is not in a state that allows this.
 */
#define ALLOCDB_INVALID_STATE 10

/**
 * outcome.failed_index where no id of a bundle failed.
 */
#define ALLOCDB_NO_INDEX 4294967295

/**
 * As `slot`: the system clock in the database's slots; with ALLOCDB_CLOCK_HOST the last applied
 * slot.
 */
#define ALLOCDB_SLOT_NOW 0

/**
 * Command kind: allocdb_create_resource.
 */
#define ALLOCDB_COMMAND_CREATE_RESOURCE 1

/**
 * Command kind: allocdb_delete_resource.
 */
#define ALLOCDB_COMMAND_DELETE_RESOURCE 2

/**
 * Command kind: allocdb_reserve and allocdb_reserve_bundle.
 */
#define ALLOCDB_COMMAND_RESERVE 3

/**
 * Command kind: allocdb_confirm.
 */
#define ALLOCDB_COMMAND_CONFIRM 4

/**
 * Command kind: allocdb_extend.
 */
#define ALLOCDB_COMMAND_EXTEND 5

/**
 * Command kind: allocdb_release.
 */
#define ALLOCDB_COMMAND_RELEASE 6

/**
 * Command kind: allocdb_revoke.
 */
#define ALLOCDB_COMMAND_REVOKE 7

/**
 * Command kind: allocdb_reclaim.
 */
#define ALLOCDB_COMMAND_RECLAIM 8

/**
 * Command kind of the database's own expiry: counted in allocdb_health, never submitted.
 */
#define ALLOCDB_COMMAND_EXPIRE_DUE 9

/**
 * Resource state: nobody has it.
 */
#define ALLOCDB_RESOURCE_STATE_AVAILABLE 1

/**
 * Resource state: held until a deadline.
 */
#define ALLOCDB_RESOURCE_STATE_RESERVED 2

/**
 * Resource state: held until released or revoked.
 */
#define ALLOCDB_RESOURCE_STATE_CONFIRMED 3

/**
 * Resource state: its holder lost it, and it is not reusable before the reclaim.
 */
#define ALLOCDB_RESOURCE_STATE_REVOKING 4

/**
 * Reservation state: held until a deadline.
 */
#define ALLOCDB_RESERVATION_STATE_RESERVED 1

/**
 * Reservation state: held until released or revoked.
 */
#define ALLOCDB_RESERVATION_STATE_CONFIRMED 2

/**
 * Reservation state: revoked by an operator, not yet reclaimed.
 */
#define ALLOCDB_RESERVATION_STATE_REVOKING 3

/**
 * Reservation state: ended by its holder.
 */
#define ALLOCDB_RESERVATION_STATE_RELEASED 4

/**
 * Reservation state: ended by its deadline.
 */
#define ALLOCDB_RESERVATION_STATE_EXPIRED 5

/**
 * Reservation state: ended by an operator.
 */
#define ALLOCDB_RESERVATION_STATE_REVOKED 6

/**
 * Open flag: the database must be there; nothing is created.
 */
#define ALLOCDB_OPEN_EXISTING 1

/**
 * Open flag: the database must not be there; it is created.
 */
#define ALLOCDB_OPEN_NEW 2

/**
 * Open flag: for reading only. The database must be there; nothing is locked, and nothing on the
 * disk is changed, so a process with the right to read suffices, and whoever writes is not
 * disturbed. Shows what was durable at the opening, and at each allocdb_refresh; commands, ticks
 * and checkpoints answer ALLOCDB_E_READ_ONLY. Not with ALLOCDB_OPEN_NEW.
 */
#define ALLOCDB_OPEN_READ_ONLY 4

/**
 * Open flag: the directory may be on a network file system, whose syncs and locks the caller
 * vouches for.
 */
#define ALLOCDB_ALLOW_NETWORK_FS 8

/**
 * Open flag: commits do not expire what is due; only allocdb_tick does.
 */
#define ALLOCDB_AUTO_EXPIRE_OFF 16

/**
 * options.sync: every commit is on the disk before it is acknowledged.
 */
#define ALLOCDB_SYNC_FULL 0

/**
 * options.sync: the kernel writes when it likes. A crash of the process loses nothing, a power
 * cut may lose the newest commits.
 */
#define ALLOCDB_SYNC_OS 1

/**
 * options.clock: ALLOCDB_SLOT_NOW is the system clock divided by slot_duration_ms.
 */
#define ALLOCDB_CLOCK_SYSTEM 0

/**
 * options.clock: the host counts slots; ALLOCDB_SLOT_NOW is the last applied slot.
 */
#define ALLOCDB_CLOCK_HOST 1

/**
 * options.log_level: the default, which is ALLOCDB_LOG_WARNING.
 */
#define ALLOCDB_LOG_DEFAULT 0

/**
 * Log level: the engine cannot go on.
 */
#define ALLOCDB_LOG_ERROR 1

/**
 * Log level: something an operator should look at.
 */
#define ALLOCDB_LOG_WARNING 2

/**
 * Log level: recovery, checkpoints, clean close.
 */
#define ALLOCDB_LOG_INFO 3

/**
 * The least capacity of allocdb_log_read: the longest line, its line feed and a NUL.
 */
#define ALLOCDB_LOG_TEXT_MIN 514

/**
 * health.halt_reason: the engine has not halted.
 */
#define ALLOCDB_HALT_NONE 0

/**
 * health.halt_reason: a write or sync failed.
 */
#define ALLOCDB_HALT_STORAGE 1

/**
 * health.halt_reason: an internal error was caught.
 */
#define ALLOCDB_HALT_PANIC 2

/**
 * health.halt_reason: it was asked for.
 */
#define ALLOCDB_HALT_REQUESTED 3

/**
 * Start kind: a new database was created.
 */
#define ALLOCDB_START_FRESH 0

/**
 * Start kind: from the log alone.
 */
#define ALLOCDB_START_WAL_ONLY 1

/**
 * Start kind: from the newest snapshot; no record followed it.
 */
#define ALLOCDB_START_SNAPSHOT_ONLY 2

/**
 * Start kind: from the newest snapshot and the records after it.
 */
#define ALLOCDB_START_SNAPSHOT_AND_WAL 3

/**
 * Start kind: the newest snapshot was damaged; from the one before it and the log's overlap.
 */
#define ALLOCDB_START_PREVIOUS_SNAPSHOT_AND_WAL 4

/**
 * An open database. Opaque: only pointers to it are passed around. All its functions may be called
 * by any number of threads at once.
 */
typedef struct allocdb allocdb;

/**
 * What a call answers: ALLOCDB_OK, or a number from one of the bands under "Errors" above.
 */
typedef int32_t allocdb_status;

/**
 * A 128-bit id: of a resource, a holder, an operation or a reservation. {0, 0} is never one.
 *
 * As the 16 bytes of a UUID it is big-endian, hi before lo: see allocdb_id_to_bytes.
 */
typedef struct allocdb_id {
    /**
     * The low 64 bits.
     */
    uint64_t lo;
    /**
     * The high 64 bits.
     */
    uint64_t hi;
} allocdb_id;

/**
 * A log callback: see allocdb_options.log_function. It returns: no jump and no exception may leave
 * it, since it is called from the middle of a call.
 *
 * @param context  options.log_context, untouched.
 * @param level    ALLOCDB_LOG_ERROR to ALLOCDB_LOG_INFO.
 * @param text     One line without a line break, NUL-terminated, valid during the callback only.
 * @param text_len Bytes of text without the NUL.
 */
typedef void (*allocdb_log_function)(void *context,
                                     uint32_t level,
                                     const char *text,
                                     size_t text_len);

/**
 * How to open a database. Zero is the default of every field: initialize with
 * allocdb_options_init, or with `allocdb_options options = {.struct_size = sizeof options};`.
 *
 * The first group is stored with the data when the database is created. When one is reopened, 0
 * means "as stored", and another value than the stored one is ALLOCDB_E_CONFIG_MISMATCH; but what
 * is marked "may grow" may be greater, and is then stored: the tables grow before allocdb_open
 * returns, and every id, result and order stays as it was. A read-only handle grows nothing. The
 * second group is of this opening alone.
 */
typedef struct allocdb_options {
    /**
     * sizeof(allocdb_options) as the caller was compiled.
     */
    uint32_t struct_size;
    /**
     * ALLOCDB_OPEN_* and other flags, or-ed. 0: open, create if nothing is there.
     */
    uint32_t flags;
    /**
     * STORED. Names the database and its lineage. Default: drawn at random.
     */
    struct allocdb_id database_id;
    /**
     * STORED. High half of every reservation id. Default 0.
     */
    uint64_t shard_id;
    /**
     * STORED. Keys every hash, so that nobody who chooses ids can aim at a table. Default: drawn.
     */
    uint64_t hash_seed;
    /**
     * STORED. Milliseconds a slot; 1 to 86,400,000. Default 100.
     */
    uint64_t slot_duration_ms;
    /**
     * STORED. Greatest TTL in slots; 1 to 2^28 - 1. Default 262,143 (7 h 16 min at 100 ms).
     */
    uint64_t max_ttl_slots;
    /**
     * STORED. How long an operation is remembered, in slots; 1 to 2^40. Default 300 (30 s).
     */
    uint64_t operation_window_slots;
    /**
     * STORED. How long an ended reservation stays readable, in slots; 1 to 2^40. Default 300.
     */
    uint64_t history_window_slots;
    /**
     * STORED, may grow. Capacity of the resource table; 1 to 2^28. Default 65,536.
     */
    uint32_t max_resources;
    /**
     * STORED, may grow. Capacity for reservations, live and remembered; 1 to 2^28. Default
     * 262,144.
     */
    uint32_t max_reservations;
    /**
     * STORED, may grow. Capacity for remembered operations; 1 to 2^28. Default 524,288: 10,000
     * commands a second over a window of 30 seconds, and then some.
     */
    uint32_t max_operations;
    /**
     * STORED. Most resources in one reservation; 1 to 1,024. Default 64.
     */
    uint32_t max_bundle_len;
    /**
     * STORED, may grow. Most reservations with one deadline; 1 to max_reservations. Default
     * max_reservations; when that grows, this one stays as stored unless it is given too.
     */
    uint32_t max_expiration_bucket_len;
    /**
     * STORED. Most reservations that one expiry ends; 1 to 2^28. Default 1,024.
     */
    uint32_t max_expirations_per_tick;
    /**
     * ALLOCDB_SYNC_FULL (default) or ALLOCDB_SYNC_OS.
     */
    uint32_t sync;
    /**
     * ALLOCDB_CLOCK_SYSTEM (default) or ALLOCDB_CLOCK_HOST.
     */
    uint32_t clock;
    /**
     * Most submissions that wait at once; one more is ALLOCDB_E_OVERLOADED. Default 8,192.
     */
    uint32_t max_queue;
    /**
     * Most commands in one commit. Default 8,192.
     */
    uint32_t max_batch_commands;
    /**
     * Most bytes of commands in one commit, at most 16 MiB. Default 1 MiB.
     */
    uint64_t max_batch_bytes;
    /**
     * How far the log file is written ahead with zeros. Default 16 MiB.
     */
    uint64_t wal_prealloc_bytes;
    /**
     * A checkpoint is made when the log has grown by this. Default 64 MiB.
     */
    uint64_t checkpoint_wal_bytes;
    /**
     * A slot further ahead than this of what the clock explains is refused. Default 0: no check.
     */
    uint64_t max_slot_leap;
    /**
     * Called with each log line of log_level and above, from inside calls, by whichever thread is
     * in one, recovery included. It must return, must not call AllocDB on any handle
     * (ALLOCDB_E_REENTRANT), must not throw or longjmp. Default NULL: read the lines with
     * allocdb_log_read.
     */
    allocdb_log_function log_function;
    /**
     * Handed to log_function as it is; not touched otherwise. It must live as long as the handle.
     */
    void *log_context;
    /**
     * The least important level that is logged. Default ALLOCDB_LOG_WARNING.
     */
    uint32_t log_level;
    /**
     * Zero.
     */
    uint32_t reserved0;
    /**
     * Bytes kept for allocdb_log_read; the oldest lines give way. Default 64 KiB.
     */
    uint64_t log_ring_bytes;
} allocdb_options;

/**
 * The story of a failed call. Output only, needs no initialization, holds nothing to free. Every
 * fallible call takes a pointer to one as its last parameter, which may be NULL. On success all of
 * it is zero.
 */
typedef struct allocdb_error {
    /**
     * The status that the call returned.
     */
    allocdb_status status;
    /**
     * The errno of the system call that failed; 0 if none did.
     */
    int32_t os_errno;
    /**
     * Numbers for programs, per status: see "Detail words" above.
     */
    uint64_t detail[4];
    /**
     * One line for people, English, NUL-terminated: which field, which value, which bound, which
     * file.
     */
    char message[216];
} allocdb_error;

/**
 * What recovery found when the database was opened. May grow.
 */
typedef struct allocdb_recovery_report {
    /**
     * sizeof(allocdb_recovery_report) as the caller was compiled; set before the call.
     */
    uint32_t struct_size;
    /**
     * ALLOCDB_START_*.
     */
    uint32_t start_kind;
    /**
     * The snapshot that was used; 0 for none.
     */
    uint64_t snapshot_lsn;
    /**
     * Frames of commands that were replayed.
     */
    uint64_t frames_replayed;
    /**
     * Records that were replayed.
     */
    uint64_t records_replayed;
    /**
     * The last applied log position.
     */
    uint64_t last_lsn;
    /**
     * The last applied slot.
     */
    uint64_t last_slot;
    /**
     * Bytes of a torn tail that were cut: a commit that no caller was ever told of.
     */
    uint64_t torn_bytes;
    /**
     * Bytes of frames written again because nothing proved them durable.
     */
    uint64_t rewritten_bytes;
    /**
     * How long the opening took.
     */
    uint64_t duration_ns;
} allocdb_recovery_report;

/**
 * Names one logical operation, so that a retry can repeat it. Made by allocdb_operation_new, or by
 * the caller from its own ids. Keep it until the outcome is known.
 */
typedef struct allocdb_operation {
    /**
     * Unique among all operations of the dedupe window; not {0, 0}. A random id is right.
     */
    struct allocdb_id id;
    /**
     * The last slot at which the command may be executed; 0 for no limit. With a limit, the
     * operation is executed at most once for ever; without one, at most once in each window.
     */
    uint64_t valid_until_slot;
} allocdb_operation;

/**
 * The answer to one command.
 */
typedef struct allocdb_outcome {
    /**
     * ALLOCDB_OK: committed, and the rest says how it was decided. Otherwise this command was
     * rejected, nothing happened, and the rest is zero.
     */
    allocdb_status status;
    /**
     * ALLOCDB_DONE, ALLOCDB_RESOURCE_BUSY, ...
     */
    uint32_t code;
    /**
     * The log position at which the command was first applied.
     */
    uint64_t lsn;
    /**
     * The reservation that was made or changed; {0, 0} if none. Grows with every new
     * reservation: show it to outside systems as a fencing token.
     */
    struct allocdb_id reservation_id;
    /**
     * The deadline that a reserve or extend set; 0 otherwise.
     */
    uint64_t deadline_slot;
    /**
     * Which resource of a reserve failed, counted from 0; ALLOCDB_NO_INDEX otherwise.
     */
    uint32_t failed_index;
    /**
     * 1: this repeats the answer of an earlier submission of the same operation.
     */
    uint32_t from_retry_cache;
    /**
     * Zero.
     */
    uint64_t reserved[2];
} allocdb_outcome;

/**
 * One command of allocdb_submit: what the typed functions pass as parameters. What its kind does
 * not use must be zero.
 */
typedef struct allocdb_command {
    /**
     * ALLOCDB_COMMAND_CREATE_RESOURCE to ALLOCDB_COMMAND_RECLAIM.
     */
    uint32_t kind;
    /**
     * RESERVE: ids in `ids`; 0 to reserve the one resource target_id. Other kinds: 0.
     */
    uint32_t id_count;
    /**
     * allocdb_operation.id; not {0, 0}.
     */
    struct allocdb_id operation_id;
    /**
     * The resource (CREATE_RESOURCE, DELETE_RESOURCE, RESERVE of one) or the reservation (all
     * others). {0, 0} for a RESERVE with ids.
     */
    struct allocdb_id target_id;
    /**
     * RESERVE, CONFIRM, EXTEND, RELEASE.
     */
    struct allocdb_id holder_id;
    /**
     * RESERVE, EXTEND.
     */
    uint64_t ttl_slots;
    /**
     * allocdb_operation.valid_until_slot; 0 for no limit.
     */
    uint64_t valid_until_slot;
    /**
     * RESERVE: id_count ids, the caller's, read during the call only. NULL if id_count is 0.
     */
    const struct allocdb_id *ids;
    /**
     * Zero.
     */
    uint64_t reserved[6];
} allocdb_command;

/**
 * What allocdb_tick did.
 */
typedef struct allocdb_tick_result {
    /**
     * The log position of the expiry; 0 if nothing was due, and then nothing was written.
     */
    uint64_t lsn;
    /**
     * The slot that it was applied at; the last applied slot if nothing was written.
     */
    uint64_t slot;
    /**
     * Reservations still due at that slot: tick again.
     */
    uint64_t due_count;
    /**
     * Reservations that it ended.
     */
    uint32_t expired_count;
    /**
     * Zero.
     */
    uint32_t reserved0;
    /**
     * Zero.
     */
    uint64_t reserved[4];
} allocdb_tick_result;

/**
 * A resource, as allocdb_get_resource and allocdb_list_resources show it.
 */
typedef struct allocdb_resource {
    /**
     * The resource.
     */
    struct allocdb_id resource_id;
    /**
     * Its live reservation; {0, 0} if it is available.
     */
    struct allocdb_id reservation_id;
    /**
     * Who holds that; {0, 0} if it is available.
     */
    struct allocdb_id holder_id;
    /**
     * Grows by one with each change of state. An observation, not a guard.
     */
    uint64_t version;
    /**
     * ALLOCDB_RESOURCE_STATE_*.
     */
    uint32_t state;
    /**
     * Zero.
     */
    uint32_t reserved0;
    /**
     * Zero.
     */
    uint64_t reserved[4];
} allocdb_resource;

/**
 * A reservation, as allocdb_get_reservation and allocdb_list_reservations show it.
 */
typedef struct allocdb_reservation {
    /**
     * The reservation.
     */
    struct allocdb_id reservation_id;
    /**
     * Who holds or held it.
     */
    struct allocdb_id holder_id;
    /**
     * Its first resource.
     */
    struct allocdb_id first_resource_id;
    /**
     * The log position of its reserve.
     */
    uint64_t created_lsn;
    /**
     * From this slot on a RESERVED one may be freed by time.
     */
    uint64_t deadline_slot;
    /**
     * The log position at which it ended; 0 while it lives.
     */
    uint64_t ended_lsn;
    /**
     * From this slot on an ended one is forgotten; 0 while it lives.
     */
    uint64_t retire_after_slot;
    /**
     * ALLOCDB_RESERVATION_STATE_*.
     */
    uint32_t state;
    /**
     * How many resources it holds or held.
     */
    uint32_t resource_count;
    /**
     * Zero.
     */
    uint64_t reserved[5];
} allocdb_reservation;

/**
 * Which rows a listing shows. All zero: all of them.
 */
typedef struct allocdb_filter {
    /**
     * The states wanted, as bits: 1u << ALLOCDB_RESOURCE_STATE_... (or ..RESERVATION_STATE..),
     * or-ed. 0: all.
     */
    uint32_t states;
    /**
     * Zero.
     */
    uint32_t reserved0;
    /**
     * The holder wanted; {0, 0}: any.
     */
    struct allocdb_id holder_id;
    /**
     * Zero.
     */
    uint64_t reserved[5];
} allocdb_filter;

/**
 * How full one table is.
 */
typedef struct allocdb_table_usage {
    /**
     * Records in memory, those of `retired_count` included.
     */
    uint64_t used_count;
    /**
     * How many fit.
     */
    uint64_t capacity;
    /**
     * Records that are forgotten already and whose memory is taken back when it is needed.
     */
    uint64_t retired_count;
    /**
     * The longest search for a free place so far, in cells.
     */
    uint32_t probe_len_max;
    /**
     * Zero.
     */
    uint32_t reserved0;
} allocdb_table_usage;

/**
 * A snapshot of the engine's figures. May grow. Counters count since the opening.
 */
typedef struct allocdb_health {
    /**
     * sizeof(allocdb_health) as the caller was compiled; set before the call.
     */
    uint32_t struct_size;
    /**
     * 1: commands are accepted. 0: halted.
     */
    uint32_t is_accepting_writes;
    /**
     * ALLOCDB_HALT_*: why the engine no longer accepts or answers.
     */
    uint32_t halt_reason;
    /**
     * ALLOCDB_START_*, as in the recovery report.
     */
    uint32_t start_kind;
    /**
     * Submissions that wait or are being committed.
     */
    uint32_t queue_len;
    /**
     * max_queue.
     */
    uint32_t queue_capacity;
    /**
     * The last applied log position; 0 in a new database.
     */
    uint64_t last_lsn;
    /**
     * The last applied slot.
     */
    uint64_t last_slot;
    /**
     * How far the slot given to allocdb_health_get is ahead of last_slot.
     */
    uint64_t logical_slot_lag;
    /**
     * Reservations due at the slot given, or at last_slot where that is later, and not ended yet.
     */
    uint64_t expiration_backlog;
    /**
     * The resource table.
     */
    struct allocdb_table_usage resources;
    /**
     * The reservation table.
     */
    struct allocdb_table_usage reservations;
    /**
     * The operation table. Its fill is the pressure on the dedupe window.
     */
    struct allocdb_table_usage operations;
    /**
     * Bytes of the log, without what is preallocated.
     */
    uint64_t log_bytes;
    /**
     * Of these, since the last checkpoint.
     */
    uint64_t log_bytes_since_checkpoint;
    /**
     * The newest snapshot's log position; 0 for none.
     */
    uint64_t snapshot_lsn;
    /**
     * Checkpoints made.
     */
    uint64_t checkpoint_count;
    /**
     * Checkpoints that failed and left everything as it was.
     */
    uint64_t checkpoint_failure_count;
    /**
     * How long the last checkpoint took.
     */
    uint64_t checkpoint_duration_ns;
    /**
     * The longest that it held commits at a time.
     */
    uint64_t checkpoint_stall_ns;
    /**
     * The longest that any of them did.
     */
    uint64_t checkpoint_stall_ns_max;
    /**
     * Commits: frames of commands written. record_count / commit_count is the group size.
     */
    uint64_t commit_count;
    /**
     * Commands logged in them, expiries included.
     */
    uint64_t record_count;
    /**
     * The most in one commit.
     */
    uint64_t records_per_commit_max;
    /**
     * Syncs of the log.
     */
    uint64_t sync_count;
    /**
     * Time spent in writing and syncing.
     */
    uint64_t sync_ns_sum;
    /**
     * The longest.
     */
    uint64_t sync_ns_max;
    /**
     * Write and sync by time: [i] counts those below 2^i microseconds that no earlier one
     * counts, [23] all longer ones too.
     */
    uint64_t sync_histogram[24];
    /**
     * Logged commands by kind: [ALLOCDB_COMMAND_RESERVE], ...
     */
    uint64_t command_counts[16];
    /**
     * Logged client commands by result code: [ALLOCDB_RESOURCE_BUSY], ...
     */
    uint64_t result_counts[32];
    /**
     * Commands answered from the dedupe table.
     */
    uint64_t retry_count;
    /**
     * Commands rejected, definitely.
     */
    uint64_t rejection_count;
    /**
     * Submissions refused because the queue was full.
     */
    uint64_t overload_count;
    /**
     * Reservations ended by time.
     */
    uint64_t expired_count;
} allocdb_health;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version as major * 1,000,000 + minor * 1,000 + patch; compare with
 * ALLOCDB_VERSION_NUMBER, the header's.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
uint32_t allocdb_version_number(void);

/**
 * The library's version as text, such as "0.3.0". Never NULL; static, not to be freed.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
const char *allocdb_version_string(void);

/**
 * The name of a status, such as "ALLOCDB_E_OVERLOADED".
 *
 * @param status Any number.
 * @return The name; "ALLOCDB_UNKNOWN" for a number that is no status of this version. Never NULL;
 *         static, not to be freed.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
const char *allocdb_status_name(allocdb_status status);

/**
 * What a status means, in one English sentence. The story of a certain failure is in
 * allocdb_error.message.
 *
 * @param status Any number.
 * @return The sentence; "not a status of this version" for any other number. Never NULL; static,
 *         not to be freed.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
const char *allocdb_status_message(allocdb_status status);

/**
 * The band that a status lies in, by which a program decides what to do about it; right also for
 * statuses of later versions.
 *
 * @param status Any number.
 * @return ALLOCDB_CATEGORY_*.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
uint32_t allocdb_status_category(allocdb_status status);

/**
 * The name of a result code, such as "resource_busy".
 *
 * @param code Any number: an outcome's code.
 * @return The name; "unknown" for a number that is no result code of this version. Never NULL;
 *         static, not to be freed.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
const char *allocdb_result_name(uint32_t code);

/**
 * Fills options with the default of every field, which is zero, and struct_size with `size`.
 *
 * @param options Output; NULL does nothing. The caller's.
 * @param size    sizeof *options, as the caller was compiled.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
void allocdb_options_init(struct allocdb_options *options,
                          size_t size);

/**
 * Says how much memory a database made with these options uses at most, before anything is
 * allocated: tables, buffers, everything that grows after allocdb_open is called.
 *
 * A pure function of the options; nothing is opened. For a database that is there, pass its own
 * capacities (allocdb_configuration shows them); for one that is to grow, the greater ones: the
 * old tables are freed before the new ones are made, so the growth itself needs no more than that.
 * With ALLOCDB_OPEN_READ_ONLY tables count twice, since a refresh may build the state again beside
 * the one that is read.
 *
 * @param options Input; NULL: all defaults.
 * @param bytes   Output; not NULL. 0 on failure.
 * @param error   Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID (bytes is NULL, or an option is out of its bounds: the
 *         message names it); ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP; ALLOCDB_E_PANIC.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
allocdb_status allocdb_memory_bound(const struct allocdb_options *options,
                                    uint64_t *bytes,
                                    struct allocdb_error *error);

/**
 * Opens the database in a directory, creating it if nothing is there (see the flags), recovers it,
 * and hands out a handle. All memory is allocated here. One process at a time has a database open
 * for writing; any number may read it, see ALLOCDB_OPEN_READ_ONLY.
 *
 * Recovery replays the log and fails closed: files that are damaged are reported and left as they
 * are. How long it takes is in the recovery report.
 *
 * @param directory Input; not NULL: a path, NUL-terminated, at most 4,000 bytes. The last
 *                  component is created if it is missing, its parents are not.
 * @param options   Input; NULL: all defaults. Read during the call only; log_context must live as
 *                  long as the handle.
 * @param out       Output; not NULL: the handle, to be closed with allocdb_close. NULL on failure,
 *                  and then there is nothing to clean up.
 * @param error     Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID (an argument, or an option: the message names field, value
 *         and bounds); ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_IO (permission, too many open files, ...: see os_errno); ALLOCDB_E_LOCKED
 *         (open in this or another process: detail[0] is its pid); ALLOCDB_E_DIRECTORY_NOT_FOUND;
 *         ALLOCDB_E_NOT_A_DATABASE (a file, or foreign content); ALLOCDB_E_CORRUPT;
 *         ALLOCDB_E_CONFIG_MISMATCH; ALLOCDB_E_VERSION; ALLOCDB_E_NO_MEMORY;
 *         ALLOCDB_E_UNSUPPORTED_FS; ALLOCDB_E_EXISTS; ALLOCDB_E_STORAGE_FULL;
 *         ALLOCDB_E_STORAGE_FAILURE; ALLOCDB_E_PANIC.
 *
 * Greater capacities than the stored ones grow the tables: after the recovery, a snapshot and a
 * new log are written, for which the disk must have room beside the old ones
 * (ALLOCDB_E_STORAGE_FULL).
 *
 * On failure an existing database is as it was; or, where a growth failed at the very end, as it
 * was to become.
 *
 * Threads: any number may open at once. Forks: a child opens its own handles. Callbacks: not from
 * the log callback, which may itself be called during this call. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_open(const char *directory,
                            const struct allocdb_options *options,
                            struct allocdb **out,
                            struct allocdb_error *error);

/**
 * Closes a handle: waits for the calls under way in other threads, proves the log's end durable,
 * releases the lock and the memory, and sets the caller's variable to NULL.
 *
 * Calls that come later through a copy of the pointer answer ALLOCDB_E_CLOSED. A handle that was
 * not closed when the process ends loses nothing.
 *
 * @param db In and output: the address of the caller's variable. NULL, or a variable that holds
 *           NULL, or a handle that is closed already: nothing to do, ALLOCDB_OK.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID (not a handle); ALLOCDB_E_REENTRANT (the variable is left
 *         as it is); ALLOCDB_E_STORAGE_FAILURE (the last write failed: closed all the same, what
 *         was acknowledged stays); ALLOCDB_E_PANIC (closed all the same).
 *
 * Threads: any; of several that close at once through one variable, one does it. Forks: in a child
 * it frees the memory and touches no file. Callbacks: not from the log callback. Since 0.1.0.
 */
allocdb_status allocdb_close(struct allocdb **db);

/**
 * Shows all options of an open database with the defaults filled in: what is stored with the data,
 * and the settings of this opening. On a read-only handle, a refresh may show greater capacities.
 *
 * @param db        Input; not NULL.
 * @param effective In and output; not NULL. Its struct_size says how much fits, and is set before
 *                  the call. Zero but for struct_size on failure.
 * @param error     Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP;
 *         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
allocdb_status allocdb_configuration(struct allocdb *db,
                                     struct allocdb_options *effective,
                                     struct allocdb_error *error);

/**
 * Shows what recovery found and did when this handle was opened.
 *
 * @param db     Input; not NULL.
 * @param report In and output; not NULL. Its struct_size says how much fits, and is set before the
 *               call. Zero but for struct_size on failure.
 * @param error  Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP;
 *         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
allocdb_status allocdb_recovery_report_get(struct allocdb *db,
                                           struct allocdb_recovery_report *report,
                                           struct allocdb_error *error);

/**
 * Makes the name of a new operation: a random id that no other call returns, valid for the dedupe
 * window from now (allocdb_slot_now + operation_window_slots). Keep it and repeat it in every
 * retry of the same command.
 *
 * No system call: a random base is drawn at open, and counted up.
 *
 * @param db Input; may be NULL.
 * @return The operation. All zero, which every command refuses as malformed, for NULL, a closed
 *         handle, a forked child, or from the log callback.
 *
 * Threads: any. Forks, callbacks: see above. Since 0.1.0.
 */
struct allocdb_operation allocdb_operation_new(const struct allocdb *db);

/**
 * Makes a resource known, available.
 *
 * @param db          Input; not NULL.
 * @param slot        Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation   Input: names this command for retries; id not {0, 0}.
 * @param resource_id Input: the resource; not {0, 0}.
 * @param outcome     Output; not NULL. Zero on failure, but for its status where it was this
 *                     command that state rejected.
 * @param error       Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
 *         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
 *         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: ALLOCDB_DONE, ALLOCDB_RESOURCE_EXISTS, ALLOCDB_RESOURCE_TABLE_FULL.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_create_resource(struct allocdb *db,
                                       uint64_t slot,
                                       struct allocdb_operation operation,
                                       struct allocdb_id resource_id,
                                       struct allocdb_outcome *outcome,
                                       struct allocdb_error *error);

/**
 * Forgets an available resource.
 *
 * @param db          Input; not NULL.
 * @param slot        Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation   Input: names this command for retries; id not {0, 0}.
 * @param resource_id Input: the resource; not {0, 0}.
 * @param outcome     Output; not NULL. Zero on failure, but for its status where it was this
 *                     command that state rejected.
 * @param error       Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
 *         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
 *         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: ALLOCDB_DONE, ALLOCDB_RESOURCE_NOT_FOUND, ALLOCDB_RESOURCE_BUSY.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_delete_resource(struct allocdb *db,
                                       uint64_t slot,
                                       struct allocdb_operation operation,
                                       struct allocdb_id resource_id,
                                       struct allocdb_outcome *outcome,
                                       struct allocdb_error *error);

/**
 * Reserves one resource for a holder, until a deadline: one of all that ask gets it. On
 * ALLOCDB_DONE outcome->reservation_id names the reservation for all that follows, and is its
 * fencing token.
 *
 * From outcome->deadline_slot on, unless confirmed or extended, it may be freed by time; never
 * earlier. It is freed by the next commit or allocdb_tick.
 *
 * @param db          Input; not NULL.
 * @param slot        Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation   Input: names this command for retries; id not {0, 0}.
 * @param resource_id Input: the resource; not {0, 0}.
 * @param holder_id   Input: who will hold it; not {0, 0}.
 * @param ttl_slots   Input: slots from the commit on; 1 to max_ttl_slots.
 * @param outcome     Output; not NULL. Zero on failure, but for its status where it was this
 *                     command that state rejected.
 * @param error       Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_TTL_OUT_OF_RANGE; ALLOCDB_E_SLOT_OVERFLOW;
 *         ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
 *         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: ALLOCDB_DONE, ALLOCDB_RESOURCE_NOT_FOUND, ALLOCDB_RESOURCE_BUSY,
 * ALLOCDB_RESERVATION_TABLE_FULL, ALLOCDB_EXPIRATION_INDEX_FULL.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_reserve(struct allocdb *db,
                               uint64_t slot,
                               struct allocdb_operation operation,
                               struct allocdb_id resource_id,
                               struct allocdb_id holder_id,
                               uint64_t ttl_slots,
                               struct allocdb_outcome *outcome,
                               struct allocdb_error *error);

/**
 * Reserves several resources as one reservation: all of them or none. outcome->failed_index says
 * which one failed. Otherwise as allocdb_reserve.
 *
 * @param db           Input; not NULL.
 * @param slot         Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation    Input: names this command for retries; id not {0, 0}.
 * @param resource_ids Input; not NULL: count ids, all different, none {0, 0}. The caller's; read
 *                      during the call only.
 * @param count        Input: how many; 1 to max_bundle_len.
 * @param holder_id    Input: who will hold them; not {0, 0}.
 * @param ttl_slots    Input: slots from the commit on; 1 to max_ttl_slots.
 * @param outcome      Output; not NULL. Zero on failure, but for its status where it was this
 *                      command that state rejected.
 * @param error        Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_COMMAND_TOO_LARGE;
 *         ALLOCDB_E_BUNDLE_TOO_LARGE; ALLOCDB_E_DUPLICATE_RESOURCE; ALLOCDB_E_TTL_OUT_OF_RANGE;
 *         ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OPERATION_EXPIRED;
 *         ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE; ALLOCDB_E_OPERATION_CONFLICT;
 *         ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED; ALLOCDB_E_LSN_EXHAUSTED;
 *         ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE: ALLOCDB_E_STORAGE_FAILURE,
 *         ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: as allocdb_reserve.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_reserve_bundle(struct allocdb *db,
                                      uint64_t slot,
                                      struct allocdb_operation operation,
                                      const struct allocdb_id *resource_ids,
                                      size_t count,
                                      struct allocdb_id holder_id,
                                      uint64_t ttl_slots,
                                      struct allocdb_outcome *outcome,
                                      struct allocdb_error *error);

/**
 * Makes a reservation permanent: it has no deadline any more. A confirm that is committed before
 * the expiry wins, also after the deadline.
 *
 * @param db             Input; not NULL.
 * @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation      Input: names this command for retries; id not {0, 0}.
 * @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
 * @param holder_id      Input: its holder, as in the reserve; not {0, 0}.
 * @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
 *                        command that state rejected.
 * @param error          Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
 *         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
 *         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
 * ALLOCDB_HOLDER_MISMATCH, ALLOCDB_INVALID_STATE.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_confirm(struct allocdb *db,
                               uint64_t slot,
                               struct allocdb_operation operation,
                               struct allocdb_id reservation_id,
                               struct allocdb_id holder_id,
                               struct allocdb_outcome *outcome,
                               struct allocdb_error *error);

/**
 * Moves the deadline of a reservation that is not confirmed to the commit's slot + ttl_slots where
 * that is later; never earlier. outcome->deadline_slot is the deadline that holds now.
 *
 * @param db             Input; not NULL.
 * @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation      Input: names this command for retries; id not {0, 0}.
 * @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
 * @param holder_id      Input: its holder, as in the reserve; not {0, 0}.
 * @param ttl_slots      Input: slots from the commit on; 1 to max_ttl_slots.
 * @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
 *                        command that state rejected.
 * @param error          Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_TTL_OUT_OF_RANGE; ALLOCDB_E_SLOT_OVERFLOW;
 *         ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
 *         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
 * ALLOCDB_HOLDER_MISMATCH, ALLOCDB_INVALID_STATE, ALLOCDB_EXPIRATION_INDEX_FULL.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_extend(struct allocdb *db,
                              uint64_t slot,
                              struct allocdb_operation operation,
                              struct allocdb_id reservation_id,
                              struct allocdb_id holder_id,
                              uint64_t ttl_slots,
                              struct allocdb_outcome *outcome,
                              struct allocdb_error *error);

/**
 * Gives all resources of a reservation back, confirmed or not.
 *
 * @param db             Input; not NULL.
 * @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation      Input: names this command for retries; id not {0, 0}.
 * @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
 * @param holder_id      Input: its holder, as in the reserve; not {0, 0}.
 * @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
 *                        command that state rejected.
 * @param error          Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
 *         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
 *         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
 * ALLOCDB_HOLDER_MISMATCH, ALLOCDB_INVALID_STATE.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_release(struct allocdb *db,
                               uint64_t slot,
                               struct allocdb_operation operation,
                               struct allocdb_id reservation_id,
                               struct allocdb_id holder_id,
                               struct allocdb_outcome *outcome,
                               struct allocdb_error *error);

/**
 * An operator takes the authority from the holder of a confirmed reservation. Its resources are
 * not reusable before allocdb_reclaim: in between, make sure that the old holder has stopped.
 *
 * @param db             Input; not NULL.
 * @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation      Input: names this command for retries; id not {0, 0}.
 * @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
 * @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
 *                        command that state rejected.
 * @param error          Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
 *         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
 *         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
 * ALLOCDB_INVALID_STATE.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_revoke(struct allocdb *db,
                              uint64_t slot,
                              struct allocdb_operation operation,
                              struct allocdb_id reservation_id,
                              struct allocdb_outcome *outcome,
                              struct allocdb_error *error);

/**
 * An operator frees the resources of a revoked reservation.
 *
 * @param db             Input; not NULL.
 * @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param operation      Input: names this command for retries; id not {0, 0}.
 * @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
 * @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
 *                        command that state rejected.
 * @param error          Output; NULL or the caller's.
 * @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
 *         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
 *         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
 * ALLOCDB_INVALID_STATE.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operation, or ask allocdb_get_operation.
 *
 * Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
 * a child. Callbacks: not from the log callback. Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_reclaim(struct allocdb *db,
                               uint64_t slot,
                               struct allocdb_operation operation,
                               struct allocdb_id reservation_id,
                               struct allocdb_outcome *outcome,
                               struct allocdb_error *error);

/**
 * Submits many commands as one commit: one write and one sync for all. It is not a transaction:
 * each command has its own outcome, and later ones see what earlier ones did. What must happen
 * together or not at all is a bundle.
 *
 * A command that its form or the configuration rules out refuses the whole submission before
 * anything happens, and error->detail\[0\] is its index. What depends on state (a conflict, a full
 * table, an expired operation) is in the status of that command's outcome, and the call returns
 * ALLOCDB_OK: look at each outcome's status, then at its code.
 *
 * @param db       Input; not NULL.
 * @param slot     Input: ALLOCDB_SLOT_NOW, or the caller's logical time; of all commands.
 * @param commands Input; not NULL unless count is 0: count commands. The caller's; read during the
 *                 call only.
 * @param count    Input: how many; at most max_batch_commands. 0 does nothing.
 * @param outcomes Output; not NULL unless count is 0: count outcomes, in the order of the
 *                 commands. Zero on failure: look at what the call returned first.
 * @param error    Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
 *         ALLOCDB_E_REENTRANT; ALLOCDB_E_MALFORMED (a zero id, an unknown kind, a field that the
 *         kind does not use is not zero); ALLOCDB_E_COMMAND_TOO_LARGE (more than
 *         max_batch_commands or max_batch_bytes); ALLOCDB_E_BUNDLE_TOO_LARGE;
 *         ALLOCDB_E_DUPLICATE_RESOURCE; ALLOCDB_E_TTL_OUT_OF_RANGE; ALLOCDB_E_SLOT_OVERFLOW;
 *         ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OVERLOADED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY;
 *         INDEFINITE: ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *         In outcome.status: ALLOCDB_OK; ALLOCDB_E_OPERATION_EXPIRED;
 *         ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE; ALLOCDB_E_OPERATION_CONFLICT;
 *         ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED; ALLOCDB_E_LSN_EXHAUSTED.
 *
 * On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
 * repeat the same operations, or ask allocdb_get_operation.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_submit(struct allocdb *db,
                              uint64_t slot,
                              const struct allocdb_command *commands,
                              size_t count,
                              struct allocdb_outcome *outcomes,
                              struct allocdb_error *error);

/**
 * Ends reservations whose deadline has passed, where no traffic does: commits with a new command
 * expire what is due by themselves, unless ALLOCDB_AUTO_EXPIRE_OFF. With nothing due nothing is
 * written, and no slot moves.
 *
 * @param db     Input; not NULL.
 * @param slot   Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
 * @param limit  Input: how many at most; 0 for max_expirations_per_tick, which is also the most.
 * @param result Output; not NULL. result->due_count says how many are left: tick again. Zero on
 *               failure.
 * @param error  Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
 *         ALLOCDB_E_REENTRANT; ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OVERLOADED;
 *         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
 *         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
 *
 * On a definite failure nothing has happened. Expiry needs no operation id: ticking twice is
 * harmless.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_tick(struct allocdb *db,
                            uint64_t slot,
                            uint32_t limit,
                            struct allocdb_tick_result *result,
                            struct allocdb_error *error);

/**
 * Carries out any number of request messages, back to back, and writes as many responses, in
 * order. The messages' layout is in docs/codec.md; the packages for other languages speak it.
 *
 * Consecutive commands are one commit, or several where they exceed the bounds of one; a read sees
 * the commands before it. Each response has its own status: a later commit's failure never hides
 * earlier outcomes, and the call then returns ALLOCDB_OK. All messages are checked before the
 * first is carried out; one that is malformed, or that the configuration rules out, refuses the
 * call whole: error->detail[0] is its index, detail[1] its offset.
 *
 * @param db           Input; not NULL.
 * @param request      Input; not NULL unless request_len is 0. Read during the call only; must not
 *                     change meanwhile.
 * @param request_len  Bytes of request.
 * @param response     Output; not NULL unless response_cap is 0.
 * @param response_cap Bytes of response. With less than allocdb_response_bound says nothing is
 *                     carried out.
 * @param response_len Output; not NULL: bytes written; on ALLOCDB_E_BUFFER_TOO_SMALL bytes needed;
 *                     0 on every other failure.
 * @param error        Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_BUFFER_TOO_SMALL; ALLOCDB_E_OVERLAP;
 *         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_MALFORMED;
 *         ALLOCDB_E_COMMAND_TOO_LARGE; ALLOCDB_E_BUNDLE_TOO_LARGE; ALLOCDB_E_DUPLICATE_RESOURCE;
 *         ALLOCDB_E_TTL_OUT_OF_RANGE; INDEFINITE: ALLOCDB_E_PANIC. Everything else is the status
 *         of a response.
 *
 * On failure nothing has happened, but for an indefinite one.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_call(struct allocdb *db,
                            const uint8_t *request,
                            size_t request_len,
                            uint8_t *response,
                            size_t response_cap,
                            size_t *response_len,
                            struct allocdb_error *error);

/**
 * Says how many bytes of response allocdb_call needs for a request, without carrying it out.
 *
 * @param db          Input; not NULL.
 * @param request     Input; not NULL unless request_len is 0. Read during the call only.
 * @param request_len Bytes of request.
 * @param bytes       Output; not NULL. 0 on failure.
 * @param error       Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
 *         ALLOCDB_E_REENTRANT; ALLOCDB_E_MALFORMED; ALLOCDB_E_COMMAND_TOO_LARGE;
 *         ALLOCDB_E_BUNDLE_TOO_LARGE; ALLOCDB_E_DUPLICATE_RESOURCE; ALLOCDB_E_TTL_OUT_OF_RANGE;
 *         ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_response_bound(struct allocdb *db,
                                      const uint8_t *request,
                                      size_t request_len,
                                      size_t *bytes,
                                      struct allocdb_error *error);

/**
 * Looks a resource up.
 *
 * @param db           Input; not NULL.
 * @param required_lsn Input: the answer must have seen this log position (the lsn of an outcome,
 *                     from any thread or process of the same database); 0 for any.
 * @param resource_id  Input: the resource.
 * @param resource     Output; not NULL. Zero on failure.
 * @param error        Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_ID_NOT_FOUND; ALLOCDB_FENCE_NOT_APPLIED; ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_get_resource(struct allocdb *db,
                                    uint64_t required_lsn,
                                    struct allocdb_id resource_id,
                                    struct allocdb_resource *resource,
                                    struct allocdb_error *error);

/**
 * Looks a reservation up, with the resources that it holds.
 *
 * While it lives all its resources can be read, in the order of the reserve; afterwards their
 * count and the first one.
 *
 * @param db             Input; not NULL.
 * @param required_lsn   Input: as in allocdb_get_resource; 0 for any.
 * @param reservation_id Input: the reservation.
 * @param reservation    Output; not NULL. Zero on failure.
 * @param resource_ids   Output; NULL if capacity is 0: room for capacity ids. Zero on failure.
 * @param capacity       How many ids fit. 0: the ids are not wanted.
 * @param count          Output; NULL only if capacity is 0: how many ids there are; of them
 *                       written. On ALLOCDB_E_BUFFER_TOO_SMALL how many are needed; 0 on every
 *                       other failure.
 * @param error          Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_ID_NOT_FOUND (none with this id, or not yet); ALLOCDB_RETIRED (it
 *         ended and is forgotten); ALLOCDB_FENCE_NOT_APPLIED; ALLOCDB_E_INVALID;
 *         ALLOCDB_E_BUFFER_TOO_SMALL (capacity is neither 0 nor enough); ALLOCDB_E_OVERLAP;
 *         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_MALFORMED (a zero
 *         id); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_get_reservation(struct allocdb *db,
                                       uint64_t required_lsn,
                                       struct allocdb_id reservation_id,
                                       struct allocdb_reservation *reservation,
                                       struct allocdb_id *resource_ids,
                                       size_t capacity,
                                       size_t *count,
                                       struct allocdb_error *error);

/**
 * Did it happen? Looks an operation up that may have been committed: after an indefinite failure,
 * a crash, a lost answer.
 *
 * @param db           Input; not NULL.
 * @param required_lsn Input: as in allocdb_get_resource; 0 for any.
 * @param operation_id Input: allocdb_operation.id of the command.
 * @param outcome      Output; not NULL: the outcome that the command got. Zero on failure.
 * @param error        Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_ID_NOT_FOUND (never committed, or longer ago than
 *         operation_window_slots); ALLOCDB_FENCE_NOT_APPLIED; ALLOCDB_E_INVALID;
 *         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_get_operation(struct allocdb *db,
                                     uint64_t required_lsn,
                                     struct allocdb_id operation_id,
                                     struct allocdb_outcome *outcome,
                                     struct allocdb_error *error);

/**
 * Shows a page of the resources. Begin with *cursor = 0 and call until it is 0 again. A row that
 * does not change meanwhile appears exactly once; the order is the same on every run.
 *
 * A call looks at a bounded number of records: a page may be short, or empty, with a cursor that
 * says there is more.
 *
 * @param db       Input; not NULL.
 * @param filter   Input; NULL for all.
 * @param cursor   In and output; not NULL: 0 to begin; where the next page begins, 0 when done.
 *                 Left as it is on failure.
 * @param rows     Output; not NULL: room for capacity rows. Zero on failure.
 * @param capacity How many rows fit; at least 1.
 * @param count    Output; not NULL: how many were written. 0 on failure.
 * @param error    Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
 *         ALLOCDB_E_REENTRANT; ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_list_resources(struct allocdb *db,
                                      const struct allocdb_filter *filter,
                                      uint64_t *cursor,
                                      struct allocdb_resource *rows,
                                      size_t capacity,
                                      size_t *count,
                                      struct allocdb_error *error);

/**
 * Shows a page of the reservations, live and remembered; otherwise as allocdb_list_resources.
 *
 * @param db       Input; not NULL.
 * @param filter   Input; NULL for all.
 * @param cursor   In and output; not NULL: 0 to begin; where the next page begins, 0 when done.
 *                 Left as it is on failure.
 * @param rows     Output; not NULL: room for capacity rows. Zero on failure.
 * @param capacity How many rows fit; at least 1.
 * @param count    Output; not NULL: how many were written. 0 on failure.
 * @param error    Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
 *         ALLOCDB_E_REENTRANT; ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_list_reservations(struct allocdb *db,
                                         const struct allocdb_filter *filter,
                                         uint64_t *cursor,
                                         struct allocdb_reservation *rows,
                                         size_t capacity,
                                         size_t *count,
                                         struct allocdb_error *error);

/**
 * Lets a read-only handle catch up with the process that writes: what was durable when the call
 * began can be read when it returns. On a handle that writes there is nothing to do. A commit that
 * its writer was told is done is durable, under ALLOCDB_SYNC_OS at the next checkpoint or close.
 *
 * Usually this reads what is new in the log, and allocates nothing. Where the files do not lead on
 * from the handle's state, it is built again beside the one that is read meanwhile, for which as
 * much memory is needed a second time: after more than one checkpoint since the last refresh, or
 * when the writer has grown the tables. allocdb_configuration then shows the new capacities.
 *
 * @param db    Input; not NULL.
 * @param lsn   Output; may be NULL: the last log position that reads now see. Zero on failure.
 * @param error Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
 *         ALLOCDB_E_REENTRANT; ALLOCDB_E_IO, ALLOCDB_E_CORRUPT, ALLOCDB_E_VERSION or
 *         ALLOCDB_E_NO_MEMORY (the handle stays as it was, and may be refreshed again;
 *         ALLOCDB_E_IO with os_errno EAGAIN: the log was replaced 8 times while it was being
 *         read); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
 *
 * Threads: any; reads go on meanwhile, but for the moment in which what is new is applied. Forks:
 * ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback. Since 0.2.0.
 */
allocdb_status allocdb_refresh(struct allocdb *db,
                               uint64_t *lsn,
                               struct allocdb_error *error);

/**
 * Writes a snapshot and drops the part of the log that it and the snapshot before it make
 * superfluous. Made by itself after every checkpoint_wal_bytes; by hand before a planned stop, so
 * that the next opening is quick. If nothing has changed since the last one, nothing is done.
 *
 * @param db    Input; not NULL.
 * @param error Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
 *         ALLOCDB_E_OVERLOADED; ALLOCDB_E_STORAGE_FULL or ALLOCDB_E_IO (given up, the database
 *         goes on as if it had not been tried); ALLOCDB_E_READ_ONLY; ALLOCDB_E_STORAGE_FAILURE
 *         (the engine has halted); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
 *
 * It is written in slices of some milliseconds, between which other threads' commits go on; reads
 * never wait. See allocdb_health.checkpoint_stall_ns. One that the log's growth has begun is
 * finished first.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
allocdb_status allocdb_checkpoint(struct allocdb *db,
                                  struct allocdb_error *error);

/**
 * Shows the engine's figures at one moment. Answered also by a halted engine, and while a sync is
 * under way. A read-only handle shows its writer's figures, as that one last wrote them down,
 * after a commit, a checkpoint, a halt or its close; they do not tell whether it still runs. Its
 * own are start_kind and, where nothing was written down, all: is_accepting_writes is 0 then.
 *
 * @param db     Input; not NULL.
 * @param slot   Input: ALLOCDB_SLOT_NOW, or the caller's logical time, for logical_slot_lag.
 * @param health In and output; not NULL. Its struct_size says how much fits, and is set before the
 *               call. Zero but for struct_size on failure.
 * @param error  Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP;
 *         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.1.0.
 */
allocdb_status allocdb_health_get(struct allocdb *db,
                                  uint64_t slot,
                                  struct allocdb_health *health,
                                  struct allocdb_error *error);

/**
 * Copies the database, as it is between two commits, into a directory of its own: a snapshot and
 * an empty log, every file synced. The copy opens like any database. It has a database_id of its
 * own, and its LSN is raised by 2^40, so that a database restored from it never repeats a fencing
 * token of this one. Works on a read-only handle too, and then stops no writer.
 *
 * @param db        Input; not NULL.
 * @param directory Input; not NULL: a path, NUL-terminated, at most 4,000 bytes. It must be empty,
 *                  or not exist: then its last component is created. Not kept.
 * @param error     Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
 *         ALLOCDB_E_REENTRANT; ALLOCDB_E_OVERLOADED; ALLOCDB_E_EXISTS (something is in the
 *         directory, or the path is a file); ALLOCDB_E_DIRECTORY_NOT_FOUND (its parent is not
 *         there); ALLOCDB_E_UNSUPPORTED_FS; ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL or
 *         ALLOCDB_E_IO (given up: the directory is empty again, and this database goes on);
 *         ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
 *
 * Commits wait while the snapshot is written, but not while it is synced; reads do not wait.
 * A process that ends in the middle leaves a directory that opens as ALLOCDB_E_CORRUPT: remove it.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.2.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_backup(struct allocdb *db,
                              const char *directory,
                              struct allocdb_error *error);

/**
 * Writes the figures of allocdb_health_get as text, in the exposition format of Prometheus
 * (version 0.0.4). The metrics' names begin with allocdb_ and do not change.
 *
 * @param db       Input; not NULL.
 * @param slot     Input: ALLOCDB_SLOT_NOW, or the caller's logical time, for the slot lag.
 * @param text     Output; not NULL unless capacity is 0: the text, and a NUL. Empty on failure.
 * @param capacity Bytes of text.
 * @param len      Output; not NULL: bytes written without the NUL. On ALLOCDB_E_BUFFER_TOO_SMALL
 *                 the capacity needed; 0 on every other failure.
 * @param error    Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_BUFFER_TOO_SMALL; ALLOCDB_E_OVERLAP;
 *         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
 *
 * Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
 * Since 0.2.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_metrics_text(struct allocdb *db,
                                    uint64_t slot,
                                    char *text,
                                    size_t capacity,
                                    size_t *len,
                                    struct allocdb_error *error);

/**
 * Takes log lines out of the ring, oldest first, each with a line feed and with its level in front
 * ("warning: ..."). Answered also by a halted engine: the reason is there.
 *
 * @param db       Input; not NULL.
 * @param text     Output; not NULL: as many whole lines as fit, and a NUL. Empty on failure.
 * @param capacity Bytes of text; at least ALLOCDB_LOG_TEXT_MIN, so that every line fits.
 * @param len      Output; not NULL: bytes written without the NUL; 0: there was no line. On
 *                 ALLOCDB_E_BUFFER_TOO_SMALL the capacity needed; 0 on every other failure.
 * @param dropped  Output; may be NULL: lines lost since the last read, because the ring was full.
 * @param error    Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_BUFFER_TOO_SMALL; ALLOCDB_E_OVERLAP;
 *         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
 *
 * Threads: any; each line goes to one of them. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not
 * from the log callback. Since 0.1.0.
 */
allocdb_status allocdb_log_read(struct allocdb *db,
                                char *text,
                                size_t capacity,
                                size_t *len,
                                uint64_t *dropped,
                                struct allocdb_error *error);

/**
 * The slot of this moment: the system clock in this database's slots, whatever options.clock says.
 *
 * @param db Input; may be NULL.
 * @return Unix milliseconds / slot_duration_ms; 0 for NULL, a closed handle, a forked child, or
 *         from the log callback.
 *
 * Threads: any. Forks, callbacks: see above. Since 0.1.0.
 */
uint64_t allocdb_slot_now(const struct allocdb *db);

/**
 * Draws a random id (a version 4 UUID) from the kernel.
 *
 * @return The id; {0, 0} if the kernel has no random numbers to give, which no command accepts.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
struct allocdb_id allocdb_id_random(void);

/**
 * The id with these 16 bytes, in the order of a UUID's: big-endian, hi before lo.
 *
 * @param bytes Input; NULL gives {0, 0}. The caller's: 16 bytes, any alignment.
 * @return The id.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
struct allocdb_id allocdb_id_from_bytes(const uint8_t *bytes);

/**
 * The 16 bytes of an id, in the order of a UUID's: big-endian, hi before lo.
 *
 * @param id    Input.
 * @param bytes Output; NULL does nothing. The caller's: room for 16 bytes, any alignment.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
 */
void allocdb_id_to_bytes(struct allocdb_id id,
                         uint8_t *bytes);

/**
 * Turns a name into an id, the same in every language: a name of at most 15 bytes is packed into
 * a version 8 UUID, from which allocdb_id_format reads it back; a longer one becomes a version 5
 * UUID in this library's namespace, which cannot be turned back.
 *
 * @param name  Input; not NULL: len bytes of UTF-8 without NUL. Not kept.
 * @param len   Bytes of name: 1 to 1024.
 * @param id    Output; not NULL: the id. {0, 0} on failure.
 * @param error Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID (an argument's position in detail[0], then a length with
 *         its least and greatest, or the offset and the value of the byte that is wrong; the
 *         message says it in words); ALLOCDB_E_OVERLAP; ALLOCDB_E_PANIC.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.2.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_id_from_name(const char *name,
                                    size_t len,
                                    struct allocdb_id *id,
                                    struct allocdb_error *error);

/**
 * Reads an id from the text that allocdb_id_format writes: a UUID in its 36 characters, in either
 * case of letters, or a name of at most 15 bytes. A longer name is refused, since a mistyped UUID
 * would become a new id: use allocdb_id_from_name for those.
 *
 * @param text  Input; not NULL: len bytes. Not kept.
 * @param len   Bytes of text, without a NUL: 1 to 15, or 36.
 * @param id    Output; not NULL: the id. {0, 0} on failure.
 * @param error Output; NULL or the caller's.
 * @return ALLOCDB_OK; ALLOCDB_E_INVALID (an argument's position in detail[0], then a length with
 *         its least and greatest, or the offset and the value of the byte that is wrong; the
 *         message says it in words); ALLOCDB_E_OVERLAP; ALLOCDB_E_PANIC.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.2.0.
 */
ALLOCDB_MUST_USE
allocdb_status allocdb_id_parse(const char *text,
                                size_t len,
                                struct allocdb_id *id,
                                struct allocdb_error *error);

/**
 * Writes an id as text: the name that is packed in it, where there is one without control
 * characters, else a UUID in lower case.
 *
 * @param id   Input; {0, 0} is written as a UUID of zeros.
 * @param text Output; NULL does nothing. The caller's: room for 37 bytes, any alignment. What is
 *             written ends with a NUL.
 *
 * Threads, forks, callbacks: callable from anywhere. Since 0.2.0.
 */
void allocdb_id_format(struct allocdb_id id,
                       char *text);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ALLOCDB_H */
