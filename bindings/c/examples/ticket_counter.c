/* A ticket counter: the smallest program that shows what AllocDB is for.
 *
 * Eight clerks (threads) want the same 100 seats at the same moment. Every clerk asks for every
 * seat; each seat goes to exactly one of them, and it is on the disk before the clerk is told so.
 * Run it a second time in the same directory: all seats are sold, and nobody gets one.
 *
 *     cc ticket_counter.c -o ticket_counter $(pkg-config --cflags --libs allocdb) -pthread
 *     ./ticket_counter tickets.db
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "allocdb.h"

#define SEATS 100
#define CLERKS 8

static allocdb *db;

struct clerk {
    allocdb_id id;
    int sold;
};

/* Prints the story that an error carries, and ends the program. */
static void check(allocdb_status status, const allocdb_error *error)
{
    if (status == ALLOCDB_OK)
        return;
    fprintf(stderr, "%s: %s\n", allocdb_status_name(status), error->message);
    exit(1);
}

static allocdb_id seat(uint64_t number)
{
    allocdb_id id = {.lo = number, .hi = 0};
    return id;
}

static void *work(void *context)
{
    struct clerk *clerk = context;
    allocdb_outcome outcome;
    allocdb_error error;
    for (uint64_t number = 1; number <= SEATS; number++) {
        /* Keep the operation until there is an answer: sent again, it never sells twice. */
        allocdb_operation reserve = allocdb_operation_new(db);
        check(allocdb_reserve(db, ALLOCDB_SLOT_NOW, reserve, seat(number), clerk->id, 100, &outcome,
                              &error),
              &error);
        if (outcome.code != ALLOCDB_DONE)
            continue; /* RESOURCE_BUSY: another clerk was faster. That is a result, not an error. */
        allocdb_operation confirm = allocdb_operation_new(db);
        check(allocdb_confirm(db, ALLOCDB_SLOT_NOW, confirm, outcome.reservation_id, clerk->id,
                              &outcome, &error),
              &error);
        clerk->sold += outcome.code == ALLOCDB_DONE;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct clerk clerks[CLERKS];
    pthread_t threads[CLERKS];
    allocdb_outcome outcome;
    allocdb_error error;
    int sold = 0;

    check(allocdb_open(argc > 1 ? argv[1] : "tickets.db", NULL, &db, &error), &error);
    for (uint64_t number = 1; number <= SEATS; number++)
        check(allocdb_create_resource(db, ALLOCDB_SLOT_NOW, allocdb_operation_new(db), seat(number),
                                      &outcome, &error),
              &error);
    for (uint64_t i = 0; i < CLERKS; i++) {
        clerks[i] = (struct clerk){.id = {.lo = i + 1, .hi = 0}, .sold = 0};
        pthread_create(&threads[i], NULL, work, &clerks[i]);
    }
    for (int i = 0; i < CLERKS; i++) {
        pthread_join(threads[i], NULL);
        printf("clerk %d sold %d\n", i + 1, clerks[i].sold);
        sold += clerks[i].sold;
    }
    printf("%d of %d seats sold\n", sold, SEATS);
    allocdb_close(&db);
    return 0;
}
