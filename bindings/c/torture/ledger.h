/*
 * ledger.h - what the database must hold, worked out from the answers alone.
 *
 * A small second implementation of docs/semantics.md, for the commands that the hosts send. It is
 * given every command that is known to have been applied, in the order of their log positions, and
 * predicts each position and each outcome: a position that nothing explains, an answer that
 * differs, two winners, a hold that ended early, and a command that ran twice all show as a
 * difference. The one entry that no client sent, the expiry in front of a commit, is predicted too
 * (R59).
 *
 * Rejected: checks for each law apart (no resource twice, tokens grow, deadlines hold), which see
 * what somebody thought of, and not an outcome that is merely wrong.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "witness.h"

struct place {
    bool exists;
    uint32_t state; /* ALLOCDB_RESOURCE_STATE_* */
    uint64_t version;
    uint64_t reservation;
};

struct claim {
    uint64_t reservation; /* the log position of its reserve */
    uint64_t holder;
    uint64_t deadline_slot;
    uint64_t ended_lsn;
    uint64_t retire_after_slot;
    uint32_t state; /* ALLOCDB_RESERVATION_STATE_* */
    uint32_t first, count;
};

struct ledger {
    uint64_t lsn, slot;
    struct place places[RESOURCE_COUNT + 1];
    struct claim *claims; /* in the order of their reservation ids */
    size_t claim_count, claim_capacity;
    struct record *applied; /* in the order of their log positions */
    size_t applied_count, applied_capacity;
    size_t *by_operation; /* open addressing; 0 is free, else index + 1 into applied */
    size_t by_operation_size;
    uint64_t expired_count, bundle_count;
};

/* Applies one answered command; on a difference writes what is wrong, and returns false. */
bool ledger_apply(struct ledger *ledger, const struct record *answer, char *why, size_t why_size);
/* What a tick at a slot does: how many ended. */
uint32_t ledger_expire(struct ledger *ledger, uint64_t slot);
/* The command as it was applied; NULL if it was not. */
const struct record *ledger_find(const struct ledger *ledger, uint64_t operation);
struct claim *ledger_claim(const struct ledger *ledger, uint64_t reservation);
bool claim_is_live(const struct claim *claim);
void ledger_free(struct ledger *ledger);

#endif
