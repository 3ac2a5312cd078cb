/*
 * audit.c - see audit.h.
 */
#define _GNU_SOURCE
#include "audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRIES_NEW = 6, RETRIES_OLD = 2, CLAIMS_LOOKED_AT = 12 };

const char *const figure_names[FIGURE_COUNT] = {"acknowledged",
                                                "answered_from_cache",
                                                "rejected",
                                                "unacknowledged_whole",
                                                "unacknowledged_absent",
                                                "retries",
                                                "never_early_probes",
                                                "torn_tails",
                                                "records_replayed",
                                                "snapshots_used"};

/* What one life said of one operation. */
struct entry {
    struct record intent;
    struct record answer; /* its last OK answer, if `is_acknowledged` */
    bool is_acknowledged, is_rejected, is_there, is_tick;
};

struct life {
    struct entry *entries;
    size_t count;
    struct record tick; /* the last one that was begun and not answered; type 0 for none */
    allocdb *db;
    uint64_t last_lsn, last_slot;
};

void audit_found(struct audit *audit, const char *format, ...)
{
    va_list arguments;

    audit->found_count += 1;
    printf("found life %u: ", audit->life);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
}

void audit_free(struct audit *audit)
{
    ledger_free(&audit->ledger);
    free(audit->open_intents);
}

void audit_print_figures(const struct audit *audit)
{
    for (int i = 0; i < FIGURE_COUNT; i++)
        printf("figure %s %" PRIu64 "\n", figure_names[i], audit->figures[i]);
    printf("figure commands %zu\n", audit->ledger.applied_count);
    printf("figure expired %" PRIu64 "\n", audit->ledger.expired_count);
    printf("figure bundles %" PRIu64 "\n", audit->ledger.bundle_count);
    fflush(stdout);
}

/* ---- what was said ---- */

static struct entry *entry_of(struct life *life, uint64_t operation)
{
    for (size_t i = life->count; i-- > 0;)
        if (life->entries[i].intent.operation == operation)
            return &life->entries[i];
    return NULL;
}

static bool same_answer(const struct record *left, const struct record *right)
{
    return left->lsn == right->lsn && left->code == right->code &&
           left->reservation == right->reservation && left->deadline_slot == right->deadline_slot;
}

static void take_answer(struct audit *audit, struct life *life, const struct record *answer)
{
    struct entry *entry = entry_of(life, answer->operation);

    if (entry == NULL) {
        audit_found(audit, "operation %" PRIx64 " was answered without an intent",
                    answer->operation);
        return;
    }
    if (answer->status == ALLOCDB_OK) {
        const struct record *before = ledger_find(&audit->ledger, answer->operation);

        if (before == NULL && entry->is_acknowledged)
            before = &entry->answer;
        if (before != NULL && (!same_answer(before, answer) || answer->from_retry_cache != 1))
            audit_found(audit,
                        "operation %" PRIx64 " was answered anew: lsn %" PRIu64 ", before %" PRIu64,
                        answer->operation, answer->lsn, before->lsn);
        if (before == NULL && answer->from_retry_cache != 0)
            audit_found(audit, "operation %" PRIx64 " comes from the retry cache at once",
                        answer->operation);
        audit->figures[before == NULL ? FIGURE_ACKNOWLEDGED : FIGURE_CACHED] += 1;
        entry->answer = *answer;
        entry->is_acknowledged = true;
        /* Refused for want of room, sent again, and taken. */
        entry->is_rejected = false;
    } else if (allocdb_status_category(answer->status) != ALLOCDB_CATEGORY_INDEFINITE) {
        entry->is_rejected = !entry->is_acknowledged;
        audit->figures[FIGURE_REJECTED] += 1;
        if (answer->status != ALLOCDB_E_OPERATION_EXPIRED &&
            answer->status != ALLOCDB_E_STORAGE_FULL)
            audit_found(audit, "operation %" PRIx64 " was refused with %s", answer->operation,
                        allocdb_status_name(answer->status));
    } else if (!audit->may_fail) {
        audit_found(audit, "operation %" PRIx64 " was answered %s", answer->operation,
                    allocdb_status_name(answer->status));
    }
}

static void take_tick(struct life *life, const struct record *tick)
{
    if (tick->status == STATUS_NONE) {
        life->tick = *tick;
    } else if (tick->status == ALLOCDB_OK) {
        life->tick.type = 0;
        if (tick->lsn != 0)
            life->entries[life->count++] = (struct entry){
                .intent = *tick, .answer = *tick, .is_acknowledged = true, .is_tick = true};
    }
}

static void take_records(struct audit *audit, struct life *life, const struct record *records,
                         size_t count)
{
    life->entries = calloc(count + 1, sizeof *life->entries);
    if (life->entries == NULL)
        exit(2);
    for (size_t i = 0; i < count; i++) {
        const struct record *record = &records[i];

        if (record->type == RECORD_INTENT)
            life->entries[life->count++].intent = *record;
        else if (record->type == RECORD_ANSWER)
            take_answer(audit, life, record);
        else if (record->type == RECORD_TICK)
            take_tick(life, record);
        else if (record->type == RECORD_OPENED && record->lsn < audit->ledger.lsn)
            audit_found(audit, "opened at lsn %" PRIu64 ", %" PRIu64 " was acknowledged before",
                        record->lsn, audit->ledger.lsn);
    }
}

/* ---- what is there ---- */

static bool open_copy(struct audit *audit, struct life *life, const char *directory)
{
    allocdb_options options = torture_options(ALLOCDB_SYNC_OS);
    allocdb_recovery_report report = {.struct_size = sizeof report};
    allocdb_error error;

    if (allocdb_open(directory, &options, &life->db, &error) != ALLOCDB_OK) {
        audit_found(audit, "cannot be opened: %s: %s", allocdb_status_name(error.status),
                    error.message);
        return false;
    }
    if (allocdb_recovery_report_get(life->db, &report, NULL) != ALLOCDB_OK)
        audit_found(audit, "no recovery report");
    audit->figures[FIGURE_TORN] += report.torn_bytes != 0;
    audit->figures[FIGURE_REPLAYED] += report.records_replayed;
    audit->figures[FIGURE_SNAPSHOTS] += report.snapshot_lsn != 0;
    if (report.start_kind == ALLOCDB_START_PREVIOUS_SNAPSHOT_AND_WAL)
        audit_found(audit, "the newest snapshot is damaged");
    life->last_lsn = report.last_lsn;
    life->last_slot = report.last_slot;
    return true;
}

/* Completes an entry that has no answer with what the database remembers. */
static void look_up(struct audit *audit, struct life *life, struct entry *entry)
{
    allocdb_outcome outcome;
    allocdb_error error;
    allocdb_status status =
        allocdb_get_operation(life->db, 0, operation_id(entry->intent.operation), &outcome, &error);

    entry->is_there = status == ALLOCDB_OK;
    if (status != ALLOCDB_OK && status != ALLOCDB_ID_NOT_FOUND)
        audit_found(audit, "get_operation: %s", error.message);
    if (!entry->is_there)
        return;
    struct record found = record_answer(&entry->intent, &outcome);

    found.status = ALLOCDB_OK;
    if (entry->is_acknowledged && !same_answer(&found, &entry->answer))
        audit_found(audit, "operation %" PRIx64 " is remembered with another outcome",
                    entry->intent.operation);
    if (!entry->is_acknowledged)
        entry->answer = found;
}

static void keep_open(struct audit *audit, const struct record *intent)
{
    for (size_t i = 0; i < audit->open_count; i++)
        if (audit->open_intents[i].operation == intent->operation)
            return;
    if (audit->open_count == audit->open_capacity) {
        audit->open_capacity = audit->open_capacity * 2 + 16;
        audit->open_intents =
            realloc(audit->open_intents, audit->open_capacity * sizeof *audit->open_intents);
        if (audit->open_intents == NULL)
            exit(2);
    }
    audit->open_intents[audit->open_count++] = *intent;
}

/* Sorts the life's commands into those that are there and those that may come again. */
static size_t settle(struct audit *audit, struct life *life, struct record *fresh)
{
    size_t fresh_count = 0;

    for (size_t i = 0; i < life->count; i++) {
        struct entry *entry = &life->entries[i];

        if (entry->is_tick && audit->may_lose && entry->answer.lsn > life->last_lsn) {
            audit->lost_count += 1;
            continue;
        }
        if (entry->is_tick) {
            fresh[fresh_count++] = entry->answer;
            continue;
        }
        if (ledger_find(&audit->ledger, entry->intent.operation) != NULL)
            continue;
        look_up(audit, life, entry);
        /* Forgotten by now, as it may be: the ledger misses its position if it is not in the log.
         */
        if (entry->is_acknowledged && entry->answer.slot + WINDOW_SLOTS < life->last_slot)
            entry->is_there = true;
        if (entry->is_acknowledged && !entry->is_there) {
            audit->lost_count += 1;
            if (!audit->may_lose)
                audit_found(audit,
                            "operation %" PRIx64 ", acknowledged at lsn %" PRIu64 ", is lost",
                            entry->intent.operation, entry->answer.lsn);
        }
        if (entry->is_rejected && entry->is_there)
            audit_found(audit, "operation %" PRIx64 " was refused and is there",
                        entry->intent.operation);
        if (!entry->is_acknowledged && !entry->is_rejected)
            audit->figures[entry->is_there ? FIGURE_WHOLE : FIGURE_ABSENT] += 1;
        if (entry->is_there)
            fresh[fresh_count++] = entry->answer;
        else if (!entry->is_rejected)
            keep_open(audit, &entry->intent);
    }
    return fresh_count;
}

/* One submission is one commit: what of it was new to the database is there whole or not at all. */
static void check_wholeness(struct audit *audit, const struct life *life)
{
    for (size_t i = 1; i < life->count; i++) {
        const struct entry *left = &life->entries[i - 1], *right = &life->entries[i];

        if (left->intent.batch != right->intent.batch || left->is_tick || right->is_tick ||
            left->is_rejected || right->is_rejected ||
            (left->is_there && left->answer.lsn <= audit->ledger.lsn) ||
            (right->is_there && right->answer.lsn <= audit->ledger.lsn))
            continue;
        if (left->is_there != right->is_there &&
            ledger_find(&audit->ledger, left->intent.operation) == NULL &&
            ledger_find(&audit->ledger, right->intent.operation) == NULL)
            audit_found(audit, "submission %u is there in part", left->intent.batch);
    }
}

static int by_lsn(const void *left, const void *right)
{
    const struct record *a = left, *b = right;

    return a->lsn < b->lsn ? -1 : a->lsn > b->lsn;
}

/* ---- the state ---- */

static void check_resources(struct audit *audit, const struct life *life)
{
    for (uint64_t i = 1; i <= RESOURCE_COUNT; i++) {
        const struct place *place = &audit->ledger.places[i];
        allocdb_resource row;
        allocdb_status status = allocdb_get_resource(life->db, 0, resource_id(i), &row, NULL);

        if (status != (place->exists ? ALLOCDB_OK : ALLOCDB_ID_NOT_FOUND))
            audit_found(audit, "resource %" PRIu64 ": %s", i, allocdb_status_name(status));
        else if (place->exists && (row.state != place->state || row.version != place->version ||
                                   row.reservation_id.lo != place->reservation))
            audit_found(audit,
                        "resource %" PRIu64 " is in state %u of %" PRIu64 ", version %" PRIu64
                        "; it must be %u of %" PRIu64 ", %" PRIu64,
                        i, row.state, row.reservation_id.lo, row.version, place->state,
                        place->reservation, place->version);
    }
}

static void check_claim(struct audit *audit, const struct life *life, const struct claim *claim)
{
    allocdb_reservation row;
    allocdb_id ids[BUNDLE_LEN_MAX];
    size_t count = 0;
    bool is_gone = !claim_is_live(claim) && audit->ledger.slot >= claim->retire_after_slot;
    allocdb_status status = allocdb_get_reservation(life->db, 0, resource_id(claim->reservation),
                                                    &row, ids, BUNDLE_LEN_MAX, &count, NULL);

    if (status != (is_gone ? ALLOCDB_RETIRED : ALLOCDB_OK))
        audit_found(audit, "reservation %" PRIu64 ": %s", claim->reservation,
                    allocdb_status_name(status));
    else if (!is_gone && (row.state != claim->state || row.holder_id.lo != claim->holder ||
                          row.deadline_slot != claim->deadline_slot ||
                          row.ended_lsn != claim->ended_lsn || row.resource_count != claim->count ||
                          (claim_is_live(claim) && count != claim->count)))
        audit_found(audit,
                    "reservation %" PRIu64 " of holder %" PRIu64 " is in state %u until %" PRIu64
                    "; it must be %" PRIu64 ", %u, %" PRIu64,
                    claim->reservation, row.holder_id.lo, row.state, row.deadline_slot,
                    claim->holder, claim->state, claim->deadline_slot);
}

static void check_claims(struct audit *audit, const struct life *life)
{
    const struct ledger *ledger = &audit->ledger;
    size_t recent =
        ledger->claim_count > CLAIMS_LOOKED_AT ? ledger->claim_count - CLAIMS_LOOKED_AT : 0;

    for (size_t i = recent; i < ledger->claim_count; i++)
        check_claim(audit, life, &ledger->claims[i]);
    for (int i = 1; i <= RESOURCE_COUNT; i++)
        if (ledger->places[i].exists && ledger->places[i].reservation != 0)
            check_claim(audit, life, ledger_claim(ledger, ledger->places[i].reservation));
}

static void check_state(struct audit *audit, struct life *life)
{
    struct ledger *ledger = &audit->ledger;

    /* The last word of a life may have been a tick that nobody heard of. */
    if (life->tick.type != 0 && life->last_lsn == ledger->lsn + 1 &&
        ledger_expire(ledger, life->tick.slot) == 0)
        audit_found(audit, "a tick at slot %" PRIu64 " ended what was not due", life->tick.slot);
    if (life->last_lsn != ledger->lsn || life->last_slot != ledger->slot)
        audit_found(audit,
                    "the database is at lsn %" PRIu64 ", slot %" PRIu64
                    "; the answers make it %" PRIu64 ", %" PRIu64,
                    life->last_lsn, life->last_slot, ledger->lsn, ledger->slot);
    check_resources(audit, life);
    check_claims(audit, life);
}

/* ---- trying it out, on the copy ---- */

static allocdb_status submit(struct life *life, const struct record *intent,
                             allocdb_outcome *outcome)
{
    allocdb_id ids[BUNDLE_LEN_MAX];
    allocdb_command command = record_command(intent, ids);
    allocdb_status status = allocdb_submit(life->db, intent->slot, &command, 1, outcome, NULL);

    return status == ALLOCDB_OK ? outcome->status : status;
}

/* An operation that was applied: the same answer while it is remembered, never a second run. */
static void retry_applied(struct audit *audit, struct life *life, const struct record *applied)
{
    struct record intent = *applied;
    allocdb_outcome outcome;

    intent.slot = life->last_slot;
    allocdb_status status = submit(life, &intent, &outcome);
    struct record answer = record_answer(&intent, &outcome);
    bool must_be_known = life->last_slot <= applied->slot + WINDOW_SLOTS;

    audit->figures[FIGURE_RETRIED] += 1;
    if (status == ALLOCDB_OK ? !same_answer(&answer, applied) || answer.from_retry_cache != 1
                             : must_be_known || status != ALLOCDB_E_OPERATION_EXPIRED)
        audit_found(audit,
                    "a retry of operation %" PRIx64 " of lsn %" PRIu64
                    " was answered %s, lsn %" PRIu64,
                    applied->operation, applied->lsn, allocdb_status_name(status), outcome.lsn);
}

static void try_retries(struct audit *audit, struct life *life)
{
    const struct ledger *ledger = &audit->ledger;

    for (size_t i = 0; i < RETRIES_NEW && i < ledger->applied_count; i++)
        retry_applied(audit, life, &ledger->applied[ledger->applied_count - 1 - i]);
    for (size_t i = 0; i < RETRIES_OLD && ledger->applied_count > 0; i++)
        retry_applied(audit, life,
                      &ledger->applied[random_below(&audit->random, ledger->applied_count)]);
}

/* The hold with the nearest deadline: another holder gets nothing a slot before, all of it then. */
static void try_early(struct audit *audit, struct life *life)
{
    const struct claim *nearest = NULL;
    struct record wanted = {.kind = ALLOCDB_COMMAND_RESERVE, .holder = 999999, .ttl_slots = 1};
    allocdb_outcome early, late;

    for (int i = 1; i <= RESOURCE_COUNT; i++) {
        const struct place *place = &audit->ledger.places[i];

        if (!place->exists || place->state != ALLOCDB_RESOURCE_STATE_RESERVED)
            continue;
        const struct claim *claim = ledger_claim(&audit->ledger, place->reservation);

        if (nearest == NULL || claim->deadline_slot < nearest->deadline_slot)
            nearest = claim;
    }
    /* An intent that has just run here may have ended the hold. */
    if (nearest == NULL || nearest->deadline_slot <= life->last_slot + 1 || audit->open_count > 0)
        return;
    wanted.target = nearest->first;
    wanted.count = nearest->count;
    wanted.slot = nearest->deadline_slot - 1;
    wanted.operation = (UINT64_C(1) << 62) + 1;
    allocdb_status status = submit(life, &wanted, &early);

    wanted.slot = nearest->deadline_slot;
    wanted.operation += 1;
    if (status == ALLOCDB_OK)
        status = submit(life, &wanted, &late);
    audit->figures[FIGURE_NEVER_EARLY] += 1;
    if (status != ALLOCDB_OK || early.code != ALLOCDB_RESOURCE_BUSY || late.code != ALLOCDB_DONE ||
        late.reservation_id.lo <= nearest->reservation)
        audit_found(audit,
                    "reservation %" PRIu64 " until %" PRIu64
                    ": another holder was answered %s before, %s at it",
                    nearest->reservation, nearest->deadline_slot, allocdb_result_name(early.code),
                    allocdb_result_name(late.code));
}

/* What was never there and is sent again runs now, once, unless it has expired. */
static void try_open_intents(struct audit *audit, struct life *life)
{
    size_t kept = 0;

    for (size_t i = 0; i < audit->open_count; i++)
        if (audit->open_intents[i].valid_until_slot >= audit->ledger.slot &&
            ledger_find(&audit->ledger, audit->open_intents[i].operation) == NULL)
            audit->open_intents[kept++] = audit->open_intents[i];
    audit->open_count = kept;
    for (size_t i = 0; i < kept; i++) {
        struct record intent = audit->open_intents[i];
        allocdb_outcome outcome;

        /* Its maker's clock was there already. */
        intent.slot = intent.valid_until_slot - WINDOW_SLOTS;
        if (intent.slot < life->last_slot)
            intent.slot = life->last_slot;
        audit->figures[FIGURE_RETRIED] += 1;
        allocdb_status status = submit(life, &intent, &outcome);

        if (status != ALLOCDB_OK || outcome.from_retry_cache != 0)
            audit_found(audit, "operation %" PRIx64 " was absent and does not run now: %s%s",
                        intent.operation, allocdb_status_name(status),
                        status == ALLOCDB_OK ? ", from the retry cache" : "");
    }
}

void audit_life(struct audit *audit, const struct record *records, size_t count,
                const char *directory)
{
    struct life life = {0};
    char why[512];
    uint64_t before = audit->found_count;

    audit->life += 1;
    take_records(audit, &life, records, count);
    struct record *fresh = malloc((life.count + 1) * sizeof *fresh);

    if (fresh == NULL)
        exit(2);
    if (open_copy(audit, &life, directory)) {
        size_t fresh_count = settle(audit, &life, fresh);

        check_wholeness(audit, &life);
        qsort(fresh, fresh_count, sizeof *fresh, by_lsn);
        for (size_t i = 0; i < fresh_count && audit->found_count == before; i++)
            if (!ledger_apply(&audit->ledger, &fresh[i], why, sizeof why))
                audit_found(audit, "%s", why);
        if (audit->found_count == before)
            check_state(audit, &life);
        if (audit->found_count == before) {
            try_retries(audit, &life);
            try_open_intents(audit, &life);
            try_early(audit, &life);
        }
        if (allocdb_close(&life.db) != ALLOCDB_OK)
            audit_found(audit, "the copy cannot be closed");
    }
    free(fresh);
    free(life.entries);
}
