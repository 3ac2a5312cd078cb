/* The audit: does the database hold what the world was told?
 *
 *     seat_audit DIRECTORY VENUE.csv JOURNAL [MAP.svg]
 *
 * It reads the witness's journal, opens the database that the last seller closed, and holds the one
 * against the other, through the C API alone:
 *
 *  - every sale that was acknowledged is there exactly once, with its holder and its seats;
 *  - no seat was sold twice; nothing is sold that nobody was told of;
 *  - every hold that was not sold has ended, and none ended early;
 *  - the seats that are not sold can really be bought, and those that are sold cannot;
 *  - whoever tried to open the database beside its owner was told that owner;
 *  - each seller honoured what it found of the one before: it confirmed holds of it, refused their
 *    seats to others, and answered its operations again from the retry cache.
 *
 * Then it prints the run's table and draws the map. It ends with 0 only if every check passed and
 * if the run had something to check: an audit of an idle shop proves nothing.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seat_audit.h"

#define PAGE_LEN 256u
#define PROBE_LEN 1000u

static bool ids_equal(allocdb_id left, allocdb_id right)
{
    return left.lo == right.lo && left.hi == right.hi;
}

/* One line of the verdict. */
static void verdict(struct audit *audit, bool passed, const char *law, uint64_t looked_at)
{
    char number[32];
    printf("  %s  %-70s %10s\n", passed ? "ok  " : "FAIL", law, grouped(looked_at, number));
    if (!passed)
        audit->failure_count += 1;
}

static void stop(const char *what, const allocdb_error *error)
{
    fprintf(stderr, "seat_audit: %s: %s: %s\n", what, allocdb_status_name(error->status),
            error->message);
    exit(2);
}

/* The whole venue as the database lists it. */
static void check_listing(struct audit *audit)
{
    allocdb_error error;
    allocdb_resource page[PAGE_LEN];
    uint64_t cursor = 0, strangers = 0, unsettled = 0;
    uint32_t seen = 0;
    do {
        size_t row_count = 0;
        if (allocdb_list_resources(audit->db, NULL, &cursor, page, PAGE_LEN, &row_count, &error) !=
            ALLOCDB_OK)
            stop("listing the seats", &error);
        for (size_t i = 0; i < row_count; i++) {
            uint32_t seat = venue_seat_index(&audit->venue, page[i].resource_id);
            if (seat == audit->venue.seat_count || audit->rows[seat].resource_id.lo != 0) {
                strangers += 1;
                continue;
            }
            audit->rows[seat] = page[i];
            seen += 1;
            unsettled += page[i].state != ALLOCDB_RESOURCE_STATE_AVAILABLE &&
                         page[i].state != ALLOCDB_RESOURCE_STATE_CONFIRMED;
        }
    } while (cursor != 0);
    verdict(audit, strangers == 0 && seen == audit->venue.seat_count,
            "every seat of the venue is there once, and nothing else", seen);
    verdict(audit, unsettled == 0, "every seat is either sold or free", seen);
}

/* A reservation with its seats; the status tells found, not found and retired apart. */
static allocdb_status reservation_read(const struct audit *audit, allocdb_id reservation_id,
                                       allocdb_reservation *row, allocdb_id *ids, size_t *id_count)
{
    allocdb_error error;
    allocdb_status status = allocdb_get_reservation(audit->db, 0, reservation_id, row, ids,
                                                    PARTY_LEN_MAX, id_count, &error);
    if (status != ALLOCDB_OK && status != ALLOCDB_ID_NOT_FOUND && status != ALLOCDB_RETIRED)
        stop("reading a reservation", &error);
    return status;
}

/* Whether an acknowledged sale is in the database, whole and to the right holder. */
static bool sale_is_there(const struct audit *audit, const struct claim *claim)
{
    allocdb_reservation row;
    allocdb_id ids[PARTY_LEN_MAX];
    size_t id_count = 0;
    if (reservation_read(audit, claim->reservation_id, &row, ids, &id_count) != ALLOCDB_OK)
        return false;
    if (row.state != ALLOCDB_RESERVATION_STATE_CONFIRMED || id_count != claim->seat_count ||
        !ids_equal(row.holder_id, claim->holder_id))
        return false;
    for (uint32_t i = 0; i < claim->seat_count; i++) {
        const allocdb_resource *seat = &audit->rows[claim->seats[i]];
        if (!ids_equal(ids[i], venue_seat_id(claim->seats[i])) ||
            seat->state != ALLOCDB_RESOURCE_STATE_CONFIRMED ||
            !ids_equal(seat->reservation_id, claim->reservation_id))
            return false;
    }
    return true;
}

static void check_sales(struct audit *audit)
{
    uint64_t missing = 0, twice = 0;
    for (size_t i = 0; i < audit->journal.claim_count; i++) {
        const struct claim *claim = &audit->journal.claims[i];
        if (claim->sold_lsn == 0)
            continue;
        struct share *share = share_of(audit, claim->sold_life);
        audit->sales += 1;
        share->sales += 1;
        share->seats_sold += claim->seat_count;
        missing += !sale_is_there(audit, claim);
        for (uint32_t k = 0; k < claim->seat_count; k++) {
            uint32_t seat = claim->seats[k];
            twice += audit->sold_life[seat] != 0;
            audit->sold_life[seat] = (uint8_t)claim->sold_life;
            audit->seats_sold += 1;
            audit->revenue += audit->venue.seats[seat].price;
        }
    }
    verdict(audit, missing == 0, "every acknowledged sale is there once, with its holder and seats",
            audit->sales);
    verdict(audit, twice == 0, "no seat was sold twice", audit->seats_sold);
}

/* The other way round: the database sells nothing behind the witness's back. */
static void check_confirmed(struct audit *audit)
{
    allocdb_error error;
    allocdb_reservation page[PAGE_LEN];
    allocdb_filter filter;
    uint64_t cursor = 0, found = 0, unheard = 0;
    memset(&filter, 0, sizeof filter);
    filter.states = 1u << ALLOCDB_RESERVATION_STATE_CONFIRMED;
    do {
        size_t row_count = 0;
        if (allocdb_list_reservations(audit->db, &filter, &cursor, page, PAGE_LEN, &row_count,
                                      &error) != ALLOCDB_OK)
            stop("listing the sales", &error);
        for (size_t i = 0; i < row_count; i++) {
            const struct claim *claim = journal_find(&audit->journal, page[i].reservation_id);
            unheard += claim == NULL || claim->sold_lsn == 0;
        }
        found += row_count;
    } while (cursor != 0);
    verdict(audit, unheard == 0 && found == audit->sales,
            "every sale in the database was acknowledged", found);
}

/* Holds that were not sold: over, and their seats bound to them no longer. */
static void check_ended_holds(struct audit *audit)
{
    uint64_t alive = 0, ended = 0;
    for (size_t i = 0; i < audit->journal.claim_count; i++) {
        const struct claim *claim = &audit->journal.claims[i];
        allocdb_reservation row;
        allocdb_id ids[PARTY_LEN_MAX];
        size_t id_count = 0;
        if (claim->sold_lsn != 0)
            continue;
        ended += 1;
        uint32_t state = claim->released_lsn != 0 ? ALLOCDB_RESERVATION_STATE_RELEASED
                                                  : ALLOCDB_RESERVATION_STATE_EXPIRED;
        struct share *share = share_of(audit, claim->granted_life);
        audit->released += claim->released_lsn != 0;
        audit->expired += claim->released_lsn == 0;
        share->released += claim->released_lsn != 0;
        share->expired += claim->released_lsn == 0;
        allocdb_status status =
            reservation_read(audit, claim->reservation_id, &row, ids, &id_count);
        bool over = status == ALLOCDB_RETIRED || (status == ALLOCDB_OK && row.state == state);
        for (uint32_t k = 0; k < claim->seat_count; k++)
            over = over &&
                   !ids_equal(audit->rows[claim->seats[k]].reservation_id, claim->reservation_id);
        alive += !over;
    }
    verdict(audit, alive == 0,
            "every hold that was not sold has ended, and its seats are free of it", ended);
}

/* A seat's holds in the order in which they were granted, which is the order of their ids. */
static void check_never_early(struct audit *audit)
{
    size_t seat_count = audit->venue.seat_count;
    const struct claim **last = calloc(seat_count, sizeof(const struct claim *));
    uint64_t early = 0, handovers = 0;
    if (last == NULL)
        exit(2);
    for (size_t i = 0; i < audit->journal.claim_count; i++) {
        const struct claim *next = &audit->journal.claims[i];
        for (uint32_t k = 0; k < next->seat_count; k++) {
            const struct claim *before = last[next->seats[k]];
            last[next->seats[k]] = next;
            if (before == NULL)
                continue;
            handovers += 1;
            bool given_back =
                before->released_lsn != 0 && before->released_lsn < next->reservation_id.lo;
            bool run_out = next->created_slot >= before->deadline_slot;
            early += before->sold_lsn != 0 || !(given_back || run_out);
        }
    }
    free(last);
    verdict(audit, early == 0, "no seat was granted again before its hold was over", handovers);
}

/* Fills in what all commands of the auditor have in common. */
static allocdb_command *command_add(const struct audit *audit, allocdb_command *commands,
                                    size_t *count, uint32_t kind, allocdb_id target_id)
{
    allocdb_operation operation = allocdb_operation_new(audit->db);
    allocdb_command *command = &commands[(*count)++];
    memset(command, 0, sizeof *command);
    command->kind = kind;
    command->operation_id = operation.id;
    command->valid_until_slot = operation.valid_until_slot;
    command->target_id = target_id;
    command->holder_id = (allocdb_id){.lo = 1, .hi = UINT64_MAX};
    return command;
}

static void submit(const struct audit *audit, const allocdb_command *commands, size_t count,
                   allocdb_outcome *outcomes)
{
    allocdb_error error;
    if (count > 0 && allocdb_submit(audit->db, ALLOCDB_SLOT_NOW, commands, count, outcomes,
                                    &error) != ALLOCDB_OK)
        stop("trying to buy", &error);
}

/* The proof of the pudding: tries to buy `len` seats in one commit, and gives back what it got, so
 * that the audit leaves the shop as it found it. */
static void probe(const struct audit *audit, uint32_t first, uint32_t len, uint64_t *wrong)
{
    static allocdb_command commands[PROBE_LEN];
    static allocdb_outcome outcomes[PROBE_LEN];
    size_t count = 0, bought = 0;
    for (uint32_t i = 0; i < len; i++)
        command_add(audit, commands, &count, ALLOCDB_COMMAND_RESERVE, venue_seat_id(first + i))
            ->ttl_slots = 600;
    submit(audit, commands, count, outcomes);
    for (uint32_t i = 0; i < len; i++) {
        bool sold = audit->sold_life[first + i] != 0;
        *wrong += outcomes[i].status != ALLOCDB_OK ||
                  outcomes[i].code != (uint32_t)(sold ? ALLOCDB_RESOURCE_BUSY : ALLOCDB_DONE);
        if (outcomes[i].status == ALLOCDB_OK && outcomes[i].code == ALLOCDB_DONE)
            command_add(audit, commands, &bought, ALLOCDB_COMMAND_RELEASE,
                        outcomes[i].reservation_id);
    }
    submit(audit, commands, bought, outcomes);
    for (size_t i = 0; i < bought; i++)
        *wrong += outcomes[i].status != ALLOCDB_OK || outcomes[i].code != ALLOCDB_DONE;
}

static void check_by_buying(struct audit *audit)
{
    uint64_t wrong = 0;
    uint32_t seat_count = audit->venue.seat_count;
    for (uint32_t first = 0; first < seat_count; first += PROBE_LEN)
        probe(audit, first, seat_count - first < PROBE_LEN ? seat_count - first : PROBE_LEN,
              &wrong);
    verdict(audit, wrong == 0, "tried one by one: free seats can be bought, sold ones cannot",
            seat_count);
}

static void check_journal(struct audit *audit)
{
    const struct journal *journal = &audit->journal;
    verdict(audit, journal->contradiction_count == 0, "no two answers contradict each other",
            journal->line_count);
    if (journal->contradiction_count > 0)
        printf("        %s\n", journal->contradiction);
    verdict(audit, journal_sum(journal, STAT_WRONG) == 0, "every retry got the first answer again",
            journal_sum(journal, STAT_DUPLICATES) + journal_sum(journal, STAT_RESUMED_KNOWN));
    bool busy = audit->sales > 0 && audit->expired > 0 &&
                journal_sum(journal, STAT_CONTENDED) > 0 &&
                journal_sum(journal, STAT_DUPLICATES) > 0;
    verdict(audit, busy, "there was something to check: sales, collisions, expiries, retries",
            audit->sales);
}

/* Only where several sellers took turns: each is held to all three kinds of what it found. */
static void check_handovers(struct audit *audit)
{
    const struct journal *journal = &audit->journal;
    uint64_t kept = 0, answered = 0;
    bool all_kept = true, all_answered = true;
    verdict(audit, journal->lock_wrong_count == 0 && journal->lock_count + 1 >= journal->turn_count,
            "every program that tried to open it as well was told the owner's pid",
            journal->lock_count);
    for (uint32_t turn = 2; turn <= journal->turn_count; turn++) {
        const struct handover *handover = &journal->handovers[turn];
        kept += handover->sold_count + handover->refused_count;
        answered += handover->answered_count;
        all_kept = all_kept && handover->sold_count > 0 && handover->refused_count > 0;
        all_answered = all_answered && handover->answered_count > 0;
    }
    if (journal->turn_count < 2)
        return;
    verdict(audit, all_kept, "every seller kept holds of the one before, against others too", kept);
    verdict(audit, all_answered, "every seller answered retries of what the one before had done",
            answered);
}

static void audit_open(struct audit *audit, char **argv)
{
    char why[128];
    allocdb_options options;
    allocdb_error error;
    if (!venue_load(&audit->venue, argv[2], why, sizeof why)) {
        fprintf(stderr, "seat_audit: %s: %s\n", argv[2], why);
        exit(2);
    }
    if (!journal_load(&audit->journal, &audit->venue, argv[3])) {
        fprintf(stderr, "seat_audit: %s cannot be read\n", argv[3]);
        exit(2);
    }
    for (uint32_t life = 1; life <= audit->journal.life_count; life++)
        share_of(audit, life); /* the table's columns: in the order of the turns */
    audit->rows = calloc(audit->venue.seat_count, sizeof *audit->rows);
    audit->sold_life = calloc(audit->venue.seat_count, 1);
    allocdb_options_init(&options, sizeof options);
    options.flags = ALLOCDB_OPEN_EXISTING; /* an audit must never create what it looks for */
    if (allocdb_open(argv[1], &options, &audit->db, &error) != ALLOCDB_OK)
        stop("opening the database", &error);
    if (audit->rows == NULL || audit->sold_life == NULL)
        exit(2);
}

int main(int argc, char **argv)
{
    struct audit audit;
    memset(&audit, 0, sizeof audit);
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: seat_audit DIRECTORY VENUE.csv JOURNAL [MAP.svg]\n");
        return 2;
    }
    audit_open(&audit, argv);
    printf("\n");
    check_listing(&audit);
    check_sales(&audit);
    check_confirmed(&audit);
    check_ended_holds(&audit);
    check_never_early(&audit);
    check_by_buying(&audit);
    check_journal(&audit);
    check_handovers(&audit);
    table_print(&audit);
    if (argc == 5 && !map_draw(&audit, argv[4])) {
        fprintf(stderr, "seat_audit: %s cannot be written\n", argv[4]);
        audit.failure_count += 1;
    }
    allocdb_close(&audit.db);
    journal_free(&audit.journal);
    free(audit.rows);
    free(audit.sold_life);
    venue_free(&audit.venue);
    return audit.failure_count == 0 ? 0 : 1;
}
