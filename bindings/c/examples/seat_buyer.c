/* What one of the seat seller's buyers does, again and again until the shop closes:
 *
 *     choose -> reserve -> think -> confirm          most of the time
 *                  |          |---> release          sometimes
 *                  |          '---> nothing at all   sometimes: the hold runs out by itself
 *                  '-> a seat is taken: choose others
 *
 * The one rule that makes it safe: **write down the operation, then send it, and send that same
 * operation again until there is an answer.** After a kill there is no recovery code: each buyer
 * goes on from its page, and a page whose step is a command sends it again with the same operation
 * id. If the first one had been committed, the database gives its answer again
 * (`from_retry_cache`); if not, it is executed now. Either way it happens once.
 */
#define _POSIX_C_SOURCE 200809L

#include "seat_seller.h"

#include <stdio.h>
#include <string.h>

#define HOLD_TTL_MS (HOLD_TTL_SLOTS * 100u)
#define FAN_CLICKS_MAX 40u
#define LOOKS_MAX 50u
#define NAP_MS_MAX 20u
#define LEAVE_MS_MAX 1000u

static uint64_t random_below(struct buyer_page *page, uint64_t bound)
{
    /* xorshift64: quick, and repeatable from the demo's seed as far as threads are. */
    page->random ^= page->random << 13;
    page->random ^= page->random >> 7;
    page->random ^= page->random << 17;
    return (page->random >> 16) % bound;
}

static void step_set(struct buyer_page *page, enum step step)
{
    atomic_store_explicit(&page->step, (uint32_t)step, memory_order_release);
}

static bool is_over(const struct shop *shop)
{
    return wall_ms() >= shop->closing_ms;
}

/* Takes its time over the seats that it holds; false when it is interrupted, because the next
 * seller takes over. */
static bool ponder(const struct buyer *buyer, uint64_t ms)
{
    uint64_t until_ms = wall_ms() + ms;
    for (uint64_t now_ms; (now_ms = wall_ms()) < until_ms;) {
        if (buyer->shop->hands_over && is_over(buyer->shop))
            return false;
        nap_ms(until_ms - now_ms < NAP_MS_MAX ? until_ms - now_ms : NAP_MS_MAX);
    }
    return true;
}

/* A new operation, written down before it is sent. */
static void step_begin_command(struct buyer *buyer, enum step step)
{
    buyer->page->operation = allocdb_operation_new(buyer->shop->db);
    step_set(buyer->page, step);
}

static bool give_up(struct buyer *buyer, const char *what, const allocdb_error *error)
{
    fprintf(stderr, "seat_seller: buyer %u: %s: %s: %s\n", buyer->number, what,
            allocdb_status_name(error->status), error->message);
    atomic_store(&buyer->shop->failed, true);
    return false;
}

static allocdb_status send_once(struct buyer *buyer, enum step step, allocdb_outcome *outcome,
                                allocdb_error *error)
{
    const struct buyer_page *page = buyer->page;
    allocdb_id ids[PARTY_LEN_MAX];
    switch (step) {
    case STEP_RESERVE:
        for (uint32_t i = 0; i < page->seat_count; i++)
            ids[i] = venue_seat_id(page->seats[i]);
        return allocdb_reserve_bundle(buyer->shop->db, ALLOCDB_SLOT_NOW, page->operation, ids,
                                      page->seat_count, page->holder_id, HOLD_TTL_SLOTS, outcome,
                                      error);
    case STEP_CONFIRM:
        return allocdb_confirm(buyer->shop->db, ALLOCDB_SLOT_NOW, page->operation,
                               page->reservation_id, page->holder_id, outcome, error);
    default:
        return allocdb_release(buyer->shop->db, ALLOCDB_SLOT_NOW, page->operation,
                               page->reservation_id, page->holder_id, outcome, error);
    }
}

/* A buyer that was away for longer than the dedupe window gets no answer to its operation any more:
 * it certainly does not happen now, and whether it happened then is read off the state. */
static bool answer_from_state(struct buyer *buyer, enum step step, allocdb_outcome *outcome)
{
    allocdb_error error;
    allocdb_reservation row;
    allocdb_id seats[PARTY_LEN_MAX];
    size_t seat_count = 0;
    memset(outcome, 0, sizeof *outcome);
    outcome->code = step == STEP_RESERVE ? ALLOCDB_RESOURCE_BUSY : ALLOCDB_INVALID_STATE;
    if (step != STEP_CONFIRM)
        return true; /* a hold that was granted unheard runs out, one that was given back is gone */
    allocdb_status status =
        allocdb_get_reservation(buyer->shop->db, 0, buyer->page->reservation_id, &row, seats,
                                PARTY_LEN_MAX, &seat_count, &error);
    if (status == ALLOCDB_OK && row.state == ALLOCDB_RESERVATION_STATE_CONFIRMED) {
        outcome->code = ALLOCDB_DONE;
        outcome->lsn = row.created_lsn; /* the confirm's own is forgotten */
    }
    if (status == ALLOCDB_OK || status == ALLOCDB_ID_NOT_FOUND || status == ALLOCDB_RETIRED)
        return true;
    return give_up(buyer, "reading a reservation", &error);
}

/* Sends the page's operation until it is answered. */
static bool send(struct buyer *buyer, enum step step, allocdb_outcome *outcome)
{
    allocdb_error error;
    for (;;) {
        allocdb_status status = send_once(buyer, step, outcome, &error);
        if (status == ALLOCDB_OK)
            return true;
        if (status == ALLOCDB_E_OPERATION_EXPIRED)
            return answer_from_state(buyer, step, outcome);
        if (status != ALLOCDB_E_OVERLOADED)
            return give_up(buyer, "a command", &error);
        count(buyer->shop, STAT_REFUSED); /* definite: nothing happened. The same again, later. */
        nap_ms(5);
    }
}

/* Impatient people click twice: the second click must get the first one's answer, word for word. */
static bool send_again(struct buyer *buyer, enum step step, const allocdb_outcome *first)
{
    allocdb_outcome second;
    if (!send(buyer, step, &second))
        return false;
    count(buyer->shop, STAT_DUPLICATES);
    bool same = second.from_retry_cache == 1 && second.lsn == first->lsn &&
                second.code == first->code && second.failed_index == first->failed_index &&
                second.deadline_slot == first->deadline_slot &&
                second.reservation_id.lo == first->reservation_id.lo &&
                second.reservation_id.hi == first->reservation_id.hi;
    if (!same) {
        count(buyer->shop, STAT_WRONG);
        fprintf(stderr, "seat_seller: buyer %u: a retry got another answer\n", buyer->number);
        atomic_store(&buyer->shop->failed, true);
    }
    return same;
}

static bool ask(struct buyer *buyer, enum step step, allocdb_outcome *outcome)
{
    if (!send(buyer, step, outcome))
        return false;
    if (buyer->resumed) {
        count(buyer->shop, outcome->from_retry_cache ? STAT_RESUMED_KNOWN : STAT_RESUMED_NEW);
        buyer->resumed = false;
    }
    if (random_below(buyer->page, 16) == 0)
        return send_again(buyer, step, outcome);
    return true;
}

const char *seats_text(const struct buyer_page *page, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < page->seat_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, " %" PRIu32, page->seats[i]);
    return text;
}

/* A party of neighbours, beginning at `first`. */
static void take_party(struct buyer *buyer, uint32_t first)
{
    static const uint32_t SIZES[8] = {1, 2, 2, 2, 2, 3, 4, 4};
    struct buyer_page *page = buyer->page;
    uint32_t wanted = SIZES[random_below(page, 8)];
    uint32_t party_len = 1;
    while (party_len < wanted && venue_are_neighbours(buyer->shop->venue, first + party_len - 1))
        party_len += 1;
    page->seat_count = party_len;
    for (uint32_t i = 0; i < party_len; i++)
        page->seats[i] = first + i;
}

/* A look at the map: are the seats that the page names all free at this moment? */
static bool party_looks_free(struct buyer *buyer)
{
    const struct buyer_page *page = buyer->page;
    for (uint32_t i = 0; i < page->seat_count; i++) {
        allocdb_resource row;
        allocdb_status status =
            allocdb_get_resource(buyer->shop->db, 0, venue_seat_id(page->seats[i]), &row, NULL);
        count(buyer->shop, STAT_LOOKED);
        if (status != ALLOCDB_OK || row.state != ALLOCDB_RESOURCE_STATE_AVAILABLE)
            return false;
    }
    return true;
}

/* The next customer at this till: half of them are fans, who want the best seats and nothing else,
 * until they have clicked in vain for long enough. */
static void customer_next(struct buyer *buyer)
{
    struct buyer_page *page = buyer->page;
    page->customer_count += 1;
    page->holder_id.lo = page->customer_count;
    page->holder_id.hi = (uint64_t)buyer->number + 1;
    page->clicks_left = random_below(page, 2) == 0 ? FAN_CLICKS_MAX : 0;
}

/* Fans click on the best seats without looking, the others look at the map first. What they saw may
 * be out of date when their click arrives: the database decides, not the map. */
static void choose(struct buyer *buyer)
{
    const struct venue *venue = buyer->shop->venue;
    struct buyer_page *page = buyer->page;
    take_party(buyer, venue->best[random_below(page, venue->best_count)]);
    if (page->clicks_left > 0) {
        page->clicks_left -= 1;
    } else {
        customer_next(buyer);
        for (uint32_t look = 0; look < LOOKS_MAX && page->clicks_left == 0; look++) {
            if (party_looks_free(buyer))
                break;
            take_party(buyer, (uint32_t)random_below(page, venue->seat_count));
        }
    }
    step_begin_command(buyer, STEP_RESERVE);
}

static enum plan plan_choose(struct buyer_page *page)
{
    uint64_t dice = random_below(page, 100);
    if (dice < 12)
        return PLAN_WALK_AWAY;
    if (dice < 18)
        return PLAN_CANCEL;
    return dice < 26 ? PLAN_DITHER : PLAN_BUY;
}

static bool reserve(struct buyer *buyer)
{
    struct buyer_page *page = buyer->page;
    allocdb_outcome outcome;
    char seats[64];
    if (!ask(buyer, STEP_RESERVE, &outcome))
        return false;
    count(buyer->shop, STAT_TRIES);
    if (outcome.code != ALLOCDB_DONE) {
        count(buyer->shop, STAT_CONTENDED);
        step_set(page, STEP_CHOOSE);
        nap_ms(1 + random_below(page, 2)); /* no finger is quicker */
        return true;
    }
    count(buyer->shop, STAT_HELD);
    page->clicks_left = 0;
    witness_tell("hold %016" PRIx64 "%016" PRIx64 " %016" PRIx64 "%016" PRIx64 " %" PRIu64
                 " %u %u%s\n",
                 outcome.reservation_id.hi, outcome.reservation_id.lo, page->holder_id.hi,
                 page->holder_id.lo, outcome.deadline_slot, HOLD_TTL_SLOTS,
                 outcome.from_retry_cache, seats_text(page, seats, sizeof seats));
    page->reservation_id = outcome.reservation_id;
    page->plan = (uint32_t)plan_choose(page);
    step_set(page, STEP_THINK);
    return true;
}

static bool think(struct buyer *buyer)
{
    struct buyer_page *page = buyer->page;
    switch ((enum plan)page->plan) {
    case PLAN_WALK_AWAY: /* says nothing to anybody: the hold runs out */
        count(buyer->shop, STAT_WALKED_AWAY);
        nap_ms(random_below(page, 100));
        step_set(page, STEP_CHOOSE);
        return true;
    case PLAN_CANCEL:
        if (ponder(buyer, 100 + random_below(page, 400)))
            step_begin_command(buyer, STEP_RELEASE);
        return true;
    case PLAN_DITHER: /* around the deadline: some are in time, some are late */
        if (!ponder(buyer, HOLD_TTL_MS - 200 + random_below(page, 400)))
            return true;
        break;
    case PLAN_BUY:
        if (!ponder(buyer, 50 + random_below(page, 400)))
            return true;
        break;
    }
    step_begin_command(buyer, STEP_CONFIRM);
    return true;
}

static bool confirm(struct buyer *buyer)
{
    const struct buyer_page *page = buyer->page;
    allocdb_outcome outcome;
    char seats[64];
    if (!ask(buyer, STEP_CONFIRM, &outcome))
        return false;
    if (outcome.code == ALLOCDB_DONE) {
        count(buyer->shop, STAT_SOLD);
        atomic_fetch_add(&buyer->shop->counters.values[STAT_SEATS_SOLD], page->seat_count);
        witness_tell("sale %016" PRIx64 "%016" PRIx64 " %016" PRIx64 "%016" PRIx64 " %" PRIu64
                     " %u%s\n",
                     page->reservation_id.hi, page->reservation_id.lo, page->holder_id.hi,
                     page->holder_id.lo, outcome.lsn, outcome.from_retry_cache,
                     seats_text(page, seats, sizeof seats));
    } else {
        count(buyer->shop, STAT_LATE);
        witness_tell("late %016" PRIx64 "%016" PRIx64 " %016" PRIx64 "%016" PRIx64 "\n",
                     page->reservation_id.hi, page->reservation_id.lo, page->holder_id.hi,
                     page->holder_id.lo);
    }
    step_set(buyer->page, STEP_CHOOSE);
    return true;
}

static bool release(struct buyer *buyer)
{
    const struct buyer_page *page = buyer->page;
    allocdb_outcome outcome;
    if (!ask(buyer, STEP_RELEASE, &outcome))
        return false;
    if (outcome.code == ALLOCDB_DONE) {
        count(buyer->shop, STAT_RELEASED);
        witness_tell("free %016" PRIx64 "%016" PRIx64 " %016" PRIx64 "%016" PRIx64 " %" PRIu64
                     " %u\n",
                     page->reservation_id.hi, page->reservation_id.lo, page->holder_id.hi,
                     page->holder_id.lo, outcome.lsn, outcome.from_retry_cache);
    }
    step_set(buyer->page, STEP_CHOOSE);
    return true;
}

/* Whether the buyer's hold has more than half of its time left. */
static bool hold_is_fresh(const struct buyer *buyer)
{
    allocdb *db = buyer->shop->db;
    allocdb_reservation row;
    allocdb_id seats[PARTY_LEN_MAX];
    size_t seat_count = 0;
    return allocdb_get_reservation(db, 0, buyer->page->reservation_id, &row, seats, PARTY_LEN_MAX,
                                   &seat_count, NULL) == ALLOCDB_OK &&
           row.state == ALLOCDB_RESERVATION_STATE_RESERVED &&
           row.deadline_slot > allocdb_slot_now(db) + HOLD_TTL_SLOTS / 2;
}

/* The last steps before another seller takes over: false when the buyer has left. What it leaves in
 * its page is for the next one to finish. One in three leaves holding seats; one has paid, and one
 * has clicked, and neither has heard the answer: the connection broke just then. */
static bool leave(struct buyer *buyer, enum step step)
{
    enum { HOLDS, PAID, CLICKED } way = buyer->number % 3;
    struct buyer_page *page = buyer->page;
    allocdb_outcome unheard;
    if (buyer->gone_by_ms == 0)
        buyer->gone_by_ms = wall_ms() + LEAVE_MS_MAX;
    if (step == STEP_CHOOSE && wall_ms() >= buyer->gone_by_ms)
        return false; /* in a house that is nearly full there may be nothing left to hold */
    if (step == STEP_CHOOSE) {
        page->clicks_left = 0;
        choose(buyer);
        if (way != CLICKED)
            return true;
        send(buyer, STEP_RESERVE, &unheard);
        return false;
    }
    if (!hold_is_fresh(buyer)) {
        count(buyer->shop, STAT_WALKED_AWAY); /* the next seller would find it run out */
        step_set(page, STEP_CHOOSE);
        return true;
    }
    page->plan = PLAN_BUY;
    if (way == PAID) {
        step_begin_command(buyer, STEP_CONFIRM);
        send(buyer, STEP_CONFIRM, &unheard);
    }
    return false;
}

/* One step from where the page says that the buyer is; false when it leaves the shop. */
static bool step_do(struct buyer *buyer)
{
    enum step step = (enum step)atomic_load_explicit(&buyer->page->step, memory_order_acquire);
    bool between = step == STEP_CHOOSE || step == STEP_THINK;
    if (between && buyer->shop->hands_over && is_over(buyer->shop))
        return leave(buyer, step);
    switch (step) {
    case STEP_CHOOSE:
        if (is_over(buyer->shop))
            return false;
        choose(buyer);
        return true;
    case STEP_RESERVE: return reserve(buyer);
    case STEP_THINK: return think(buyer);
    case STEP_CONFIRM: return confirm(buyer);
    case STEP_RELEASE: return release(buyer);
    }
    return false;
}

void *buyer_run(void *context)
{
    struct buyer *buyer = context;
    enum step step = (enum step)atomic_load(&buyer->page->step);
    buyer->resumed = step != STEP_CHOOSE && step != STEP_THINK;
    while (!atomic_load(&buyer->shop->failed) && step_do(buyer))
        continue;
    atomic_fetch_sub(&buyer->shop->buyers_inside, 1);
    return NULL;
}
