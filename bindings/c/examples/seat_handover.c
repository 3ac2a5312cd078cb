/* What passes between two sellers: one process owns the database at a time, and what it leaves
 * behind binds the next one.
 *
 * Two things are shown here. A program that opens a database which somebody has open is refused,
 * and told by whom. And a hold outlives the process that granted it: before its own buyers come in,
 * a seller lets a rival try for the seats of every hold that it finds in the notebook. While a hold
 * lasts the rival is refused, whichever language had granted it; after that it may have the seats,
 * and walks away from them.
 *
 * The witness is told of a refusal with a slot that was read afterwards: where that lies before the
 * hold's deadline, the hold was alive when the rival was refused.
 */
#include "seat_seller.h"

#include <stdio.h>
#include <unistd.h>

#define RIVAL_ID_TAG UINT64_C(0x524956414c000000) /* "RIVAL" */

bool knock(const char *directory)
{
    allocdb *db = NULL;
    allocdb_options options;
    allocdb_error error;
    allocdb_options_init(&options, sizeof options);
    options.flags = ALLOCDB_OPEN_EXISTING;
    allocdb_status status = allocdb_open(directory, &options, &db, &error);
    if (status == ALLOCDB_OK) {
        fprintf(stderr, "seat_seller: nobody has %s open\n", directory);
        allocdb_close(&db);
        return false;
    }
    if (status != ALLOCDB_E_LOCKED) {
        fprintf(stderr, "seat_seller: %s: %s\n", allocdb_status_name(status), error.message);
        return false;
    }
    witness_tell("lock C %" PRIu64 "\n", error.detail[0]);
    char word;
    return read(STDIN_FILENO, &word, 1) == 1;
}

static bool rival_try(struct shop *shop, const struct buyer_page *page, allocdb_id rival)
{
    allocdb_id ids[PARTY_LEN_MAX];
    allocdb_outcome outcome;
    allocdb_error error;
    char seats[64];
    for (uint32_t i = 0; i < page->seat_count; i++)
        ids[i] = venue_seat_id(page->seats[i]);
    if (allocdb_reserve_bundle(shop->db, ALLOCDB_SLOT_NOW, allocdb_operation_new(shop->db), ids,
                               page->seat_count, rival, HOLD_TTL_SLOTS, &outcome,
                               &error) != ALLOCDB_OK) {
        fprintf(stderr, "seat_seller: a rival: %s\n", error.message);
        return false;
    }
    if (outcome.code == ALLOCDB_DONE) {
        witness_tell("hold %016" PRIx64 "%016" PRIx64 " %016" PRIx64 "%016" PRIx64 " %" PRIu64
                     " %u 0%s\n",
                     outcome.reservation_id.hi, outcome.reservation_id.lo, rival.hi, rival.lo,
                     outcome.deadline_slot, HOLD_TTL_SLOTS, seats_text(page, seats, sizeof seats));
        return true;
    }
    witness_tell("busy %016" PRIx64 "%016" PRIx64 " %016" PRIx64 "%016" PRIx64 " %" PRIu64 "\n",
                 page->reservation_id.hi, page->reservation_id.lo, page->holder_id.hi,
                 page->holder_id.lo, allocdb_slot_now(shop->db));
    return true;
}

bool rivals_try(struct shop *shop, const struct buyer_page *pages, uint64_t life)
{
    for (uint32_t i = 0; i < BUYERS_MAX; i++) {
        allocdb_id rival = {.lo = life << 32 | (i + 1), .hi = RIVAL_ID_TAG};
        bool holds = atomic_load(&pages[i].step) == STEP_THINK;
        if (holds && !rival_try(shop, &pages[i], rival))
            return false;
    }
    return true;
}
