/*
 * ledger.c - see ledger.h. The numbers in brackets are rules of docs/semantics.md.
 */
#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grown(void *items, size_t *capacity, size_t item_size)
{
    *capacity = *capacity == 0 ? 1024 : *capacity * 2;
    items = realloc(items, *capacity * item_size);
    if (items == NULL)
        exit(2);
    return items;
}

void ledger_free(struct ledger *ledger)
{
    free(ledger->claims);
    free(ledger->applied);
    free(ledger->by_operation);
    memset(ledger, 0, sizeof *ledger);
}

/* ---- operations ---- */

static size_t cell_of(const struct ledger *ledger, uint64_t operation)
{
    size_t mask = ledger->by_operation_size - 1;
    size_t cell = (size_t)((operation * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;

    while (ledger->by_operation[cell] != 0 &&
           ledger->applied[ledger->by_operation[cell] - 1].operation != operation)
        cell = (cell + 1) & mask;
    return cell;
}

const struct record *ledger_find(const struct ledger *ledger, uint64_t operation)
{
    if (ledger->by_operation_size == 0)
        return NULL;
    size_t index = ledger->by_operation[cell_of(ledger, operation)];

    return index == 0 ? NULL : &ledger->applied[index - 1];
}

static void remember(struct ledger *ledger, const struct record *answer)
{
    if (ledger->applied_count == ledger->applied_capacity) {
        ledger->applied =
            grown(ledger->applied, &ledger->applied_capacity, sizeof *ledger->applied);
        free(ledger->by_operation);
        ledger->by_operation_size = ledger->applied_capacity * 2;
        ledger->by_operation = calloc(ledger->by_operation_size, sizeof *ledger->by_operation);
        if (ledger->by_operation == NULL)
            exit(2);
        for (size_t i = 0; i < ledger->applied_count; i++)
            ledger->by_operation[cell_of(ledger, ledger->applied[i].operation)] = i + 1;
    }
    size_t cell = cell_of(ledger, answer->operation);

    ledger->applied[ledger->applied_count++] = *answer;
    ledger->by_operation[cell] = ledger->applied_count;
}

/* ---- reservations ---- */

bool claim_is_live(const struct claim *claim)
{
    return claim->state <= ALLOCDB_RESERVATION_STATE_REVOKING;
}

struct claim *ledger_claim(const struct ledger *ledger, uint64_t reservation)
{
    size_t low = 0, high = ledger->claim_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (ledger->claims[middle].reservation < reservation)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ledger->claim_count && ledger->claims[low].reservation == reservation
               ? &ledger->claims[low]
               : NULL;
}

/* All resources of a reservation change together; each change counts one version (R8). */
static void claim_move(struct ledger *ledger, struct claim *claim, uint32_t state,
                       uint32_t place_state)
{
    claim->state = state;
    if (state != ALLOCDB_RESERVATION_STATE_RESERVED)
        claim->deadline_slot = 0;
    if (!claim_is_live(claim)) {
        claim->ended_lsn = ledger->lsn;
        claim->retire_after_slot = ledger->slot + HISTORY_SLOTS + 1;
    }
    for (uint32_t i = 0; i < claim->count; i++) {
        struct place *place = &ledger->places[claim->first + i];

        place->state = place_state;
        place->version += 1;
        place->reservation = claim_is_live(claim) ? claim->reservation : 0;
    }
}

uint32_t ledger_expire(struct ledger *ledger, uint64_t slot)
{
    uint32_t ended = 0;

    for (int i = 1; i <= RESOURCE_COUNT; i++) {
        const struct place *place = &ledger->places[i];

        if (!place->exists || place->state != ALLOCDB_RESOURCE_STATE_RESERVED)
            continue;
        struct claim *claim = ledger_claim(ledger, place->reservation);

        if (claim->deadline_slot > slot)
            continue;
        /* One position for all that is due (R54), and it moves the slot. */
        if (ended == 0) {
            ledger->lsn += 1;
            ledger->slot = slot;
        }
        claim_move(ledger, claim, ALLOCDB_RESERVATION_STATE_EXPIRED,
                   ALLOCDB_RESOURCE_STATE_AVAILABLE);
        ended += 1;
    }
    ledger->expired_count += ended;
    return ended;
}

/* ---- commands ---- */

static uint32_t create(struct place *place)
{
    if (place->exists)
        return ALLOCDB_RESOURCE_EXISTS;
    *place = (struct place){.exists = true, .state = ALLOCDB_RESOURCE_STATE_AVAILABLE};
    return ALLOCDB_DONE;
}

static uint32_t delete (struct place *place)
{
    if (!place->exists)
        return ALLOCDB_RESOURCE_NOT_FOUND;
    if (place->state != ALLOCDB_RESOURCE_STATE_AVAILABLE)
        return ALLOCDB_RESOURCE_BUSY;
    place->exists = false;
    return ALLOCDB_DONE;
}

static uint32_t reserve(struct ledger *ledger, struct record *wanted)
{
    for (uint32_t i = 0; i < wanted->count; i++) {
        const struct place *place = &ledger->places[wanted->target + i];

        wanted->failed_index = i;
        if (!place->exists)
            return ALLOCDB_RESOURCE_NOT_FOUND;
        if (place->state != ALLOCDB_RESOURCE_STATE_AVAILABLE)
            return ALLOCDB_RESOURCE_BUSY;
    }
    wanted->failed_index = ALLOCDB_NO_INDEX;
    if (ledger->claim_count == ledger->claim_capacity)
        ledger->claims = grown(ledger->claims, &ledger->claim_capacity, sizeof *ledger->claims);
    struct claim *claim = &ledger->claims[ledger->claim_count++];

    *claim = (struct claim){.reservation = ledger->lsn,
                            .holder = wanted->holder,
                            .first = (uint32_t)wanted->target,
                            .count = wanted->count};
    claim_move(ledger, claim, ALLOCDB_RESERVATION_STATE_RESERVED, ALLOCDB_RESOURCE_STATE_RESERVED);
    claim->deadline_slot = wanted->deadline_slot = ledger->slot + wanted->ttl_slots;
    wanted->reservation = claim->reservation;
    ledger->bundle_count += wanted->count > 1;
    return ALLOCDB_DONE;
}

static bool is_holders(uint32_t kind)
{
    return kind == ALLOCDB_COMMAND_CONFIRM || kind == ALLOCDB_COMMAND_EXTEND ||
           kind == ALLOCDB_COMMAND_RELEASE;
}

/* confirm, extend, release, revoke, reclaim: the same checks in the same order (R47, R53). */
static uint32_t change(struct ledger *ledger, struct record *wanted)
{
    static const struct {
        uint32_t from[2], claim_state, place_state;
    } moves[] = {
        [ALLOCDB_COMMAND_CONFIRM] = {{1, 1}, 2, 3}, [ALLOCDB_COMMAND_EXTEND] = {{1, 1}, 1, 2},
        [ALLOCDB_COMMAND_RELEASE] = {{1, 2}, 4, 1}, [ALLOCDB_COMMAND_REVOKE] = {{2, 2}, 3, 4},
        [ALLOCDB_COMMAND_RECLAIM] = {{3, 3}, 6, 1},
    };
    struct claim *claim = ledger_claim(ledger, wanted->target);

    if (claim == NULL)
        return ALLOCDB_RESERVATION_NOT_FOUND;
    if (!claim_is_live(claim) && ledger->slot >= claim->retire_after_slot)
        return ALLOCDB_RESERVATION_RETIRED;
    if (is_holders(wanted->kind) && claim->holder != wanted->holder)
        return ALLOCDB_HOLDER_MISMATCH;
    if (claim->state != moves[wanted->kind].from[0] && claim->state != moves[wanted->kind].from[1])
        return ALLOCDB_INVALID_STATE;
    wanted->reservation = claim->reservation;
    if (wanted->kind == ALLOCDB_COMMAND_EXTEND) {
        uint64_t deadline_slot = ledger->slot + wanted->ttl_slots;

        if (deadline_slot > claim->deadline_slot)
            claim->deadline_slot = deadline_slot;
        wanted->deadline_slot = claim->deadline_slot;
    } else {
        claim_move(ledger, claim, moves[wanted->kind].claim_state, moves[wanted->kind].place_state);
    }
    return ALLOCDB_DONE;
}

static uint32_t execute(struct ledger *ledger, struct record *wanted)
{
    switch (wanted->kind) {
    case ALLOCDB_COMMAND_CREATE_RESOURCE: return create(&ledger->places[wanted->target]);
    case ALLOCDB_COMMAND_DELETE_RESOURCE: return delete (&ledger->places[wanted->target]);
    case ALLOCDB_COMMAND_RESERVE: return reserve(ledger, wanted);
    default: return change(ledger, wanted);
    }
}

bool ledger_apply(struct ledger *ledger, const struct record *answer, char *why, size_t why_size)
{
    struct record wanted = *answer;

    if (answer->kind == ALLOCDB_COMMAND_EXPIRE_DUE) {
        if (ledger_expire(ledger, answer->slot) == answer->count && ledger->lsn == answer->lsn)
            return true;
        snprintf(why, why_size,
                 "a tick at slot %" PRIu64 " ended %u at lsn %" PRIu64
                 "; the ledger is at %" PRIu64,
                 answer->slot, answer->count, answer->lsn, ledger->lsn);
        return false;
    }
    /* The expiry comes first, in the same commit (R59); a commit's slot never goes back (R63). */
    if (answer->slot > ledger->slot) {
        ledger_expire(ledger, answer->slot);
        ledger->slot = answer->slot;
    }
    ledger->lsn += 1;
    wanted.lsn = ledger->lsn;
    wanted.reservation = wanted.deadline_slot = 0;
    wanted.failed_index = ALLOCDB_NO_INDEX;
    wanted.code = execute(ledger, &wanted);
    remember(ledger, &wanted);
    if (wanted.lsn == answer->lsn && wanted.code == answer->code &&
        wanted.reservation == answer->reservation &&
        wanted.deadline_slot == answer->deadline_slot &&
        (wanted.failed_index == answer->failed_index || wanted.count == 1))
        return true;
    snprintf(why, why_size,
             "operation %" PRIx64 " (kind %u, target %" PRIu64 ", slot %" PRIu64
             ") was answered %s at lsn %" PRIu64 ", reservation %" PRIu64 ", deadline %" PRIu64
             "; it must be %s at %" PRIu64 ", %" PRIu64 ", %" PRIu64,
             answer->operation, answer->kind, answer->target, answer->slot,
             allocdb_result_name(answer->code), answer->lsn, answer->reservation,
             answer->deadline_slot, allocdb_result_name(wanted.code), wanted.lsn,
             wanted.reservation, wanted.deadline_slot);
    return false;
}
