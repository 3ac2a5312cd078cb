/*
 * every_call.h - every function that takes a handle, each as one row of a table.
 *
 * What holds for "any call" (closed, forked, re-entered, cancelled, interrupted, on a small
 * stack) is tried on all of them, and a function that is added to allocdb.h is added here once.
 * The arguments are sound, so that a call fails for no reason but the one that is tried: on an
 * open handle each answers OK or what its rows may lack. A backup goes to a new directory each
 * time.
 */
#ifndef EVERY_CALL_H
#define EVERY_CALL_H

#include "check.h"

#include <string.h>

struct call {
    const char *name;
    allocdb_status (*run)(allocdb *db, allocdb_error *error);
};

#define CALL(name, body)                                                                           \
    static allocdb_status call_##name(allocdb *db, allocdb_error *error)                           \
    {                                                                                              \
        body;                                                                                      \
    }

CALL(configuration, allocdb_options out = {.struct_size = sizeof out};
     return allocdb_configuration(db, &out, error))
CALL(recovery_report_get, allocdb_recovery_report out = {.struct_size = sizeof out};
     return allocdb_recovery_report_get(db, &out, error))
CALL(create_resource, allocdb_outcome out;
     return allocdb_create_resource(db, 0, next_operation(), id_of(1), &out, error))
CALL(delete_resource, allocdb_outcome out;
     return allocdb_delete_resource(db, 0, next_operation(), id_of(2), &out, error))
CALL(reserve, allocdb_outcome out;
     return allocdb_reserve(db, 0, next_operation(), id_of(1), id_of(7), 5, &out, error))
CALL(reserve_bundle, allocdb_outcome out; allocdb_id ids[2]; ids[0] = id_of(1); ids[1] = id_of(3);
     return allocdb_reserve_bundle(db, 0, next_operation(), ids, 2, id_of(7), 5, &out, error))
CALL(confirm, allocdb_outcome out;
     return allocdb_confirm(db, 0, next_operation(), id_of(1), id_of(7), &out, error))
CALL(extend, allocdb_outcome out;
     return allocdb_extend(db, 0, next_operation(), id_of(1), id_of(7), 9, &out, error))
CALL(release, allocdb_outcome out;
     return allocdb_release(db, 0, next_operation(), id_of(1), id_of(7), &out, error))
CALL(revoke, allocdb_outcome out;
     return allocdb_revoke(db, 0, next_operation(), id_of(1), &out, error))
CALL(reclaim, allocdb_outcome out;
     return allocdb_reclaim(db, 0, next_operation(), id_of(1), &out, error))
CALL(submit, allocdb_outcome out[2]; allocdb_command two[2]; memset(two, 0, sizeof two);
     for (int i = 0; i < 2; i++) {
         two[i].kind = ALLOCDB_COMMAND_CREATE_RESOURCE;
         two[i].operation_id = next_operation().id;
         two[i].target_id = id_of((uint64_t)i + 1);
     } return allocdb_submit(db, 0, two, 2, out, error))
CALL(tick, allocdb_tick_result out; return allocdb_tick(db, 0, 0, &out, error))
CALL(get_resource, allocdb_resource out;
     return allocdb_get_resource(db, 0, id_of(1), &out, error))
CALL(get_reservation, allocdb_reservation out; allocdb_id ids[8]; size_t count;
     return allocdb_get_reservation(db, 0, id_of(1), &out, ids, 8, &count, error))
CALL(get_operation, allocdb_outcome out;
     return allocdb_get_operation(db, 0, operation_of(1).id, &out, error))
CALL(list_resources, uint64_t cursor = 0; allocdb_resource rows[4]; size_t count;
     return allocdb_list_resources(db, NULL, &cursor, rows, 4, &count, error))
CALL(list_reservations, uint64_t cursor = 0; allocdb_reservation rows[4]; size_t count;
     return allocdb_list_reservations(db, NULL, &cursor, rows, 4, &count, error))
CALL(refresh, uint64_t lsn; return allocdb_refresh(db, &lsn, error))
CALL(checkpoint, return allocdb_checkpoint(db, error))
CALL(backup, return allocdb_backup(db, path_in(new_directory(), "copy"), error))
CALL(health_get, allocdb_health out = {.struct_size = sizeof out};
     return allocdb_health_get(db, 0, &out, error))
CALL(metrics_text, char text[4]; size_t len;
     allocdb_status status = allocdb_metrics_text(db, 0, text, sizeof text, &len, error);
     /* Too short on purpose: what it takes is for the tests of values to try. */
     return status == ALLOCDB_E_BUFFER_TOO_SMALL ? ALLOCDB_OK : status)
CALL(log_read, char text[1024]; size_t len; uint64_t dropped;
     return allocdb_log_read(db, text, sizeof text, &len, &dropped, error))

/* One message: create a resource. */
static void write_request(uint8_t request[64])
{
    const allocdb_operation operation = next_operation();

    memset(request, 0, 64);
    request[0] = 64;
    request[4] = 1;
    request[5] = ALLOCDB_COMMAND_CREATE_RESOURCE;
    memcpy(request + 16, &operation.id.hi, 8);
    memcpy(request + 24, &operation.id.lo, 8);
    request[32] = 1;
    request[48] = 1;
}

CALL(call, uint8_t request[64]; uint8_t response[128]; size_t len; write_request(request);
     return allocdb_call(db, request, 64, response, 128, &len, error))
CALL(response_bound, uint8_t request[64]; size_t bytes; write_request(request);
     return allocdb_response_bound(db, request, 64, &bytes, error))

#define ROW(name) {#name, call_##name}
static const struct call every_call[] = {
    ROW(configuration),  ROW(recovery_report_get), ROW(create_resource), ROW(delete_resource),
    ROW(reserve),        ROW(reserve_bundle),      ROW(confirm),         ROW(extend),
    ROW(release),        ROW(revoke),              ROW(reclaim),         ROW(submit),
    ROW(tick),           ROW(get_resource),        ROW(get_reservation), ROW(get_operation),
    ROW(list_resources), ROW(list_reservations),   ROW(refresh),         ROW(checkpoint),
    ROW(backup),         ROW(health_get),          ROW(metrics_text),    ROW(log_read),
    ROW(call),           ROW(response_bound),
};
enum { CALL_COUNT = sizeof every_call / sizeof every_call[0] };

/* Whether an open handle may answer so: nothing but that the rows are not there. */
static inline bool is_sound(allocdb_status status)
{
    return status == ALLOCDB_OK || status == ALLOCDB_ID_NOT_FOUND || status == ALLOCDB_RETIRED;
}

/* All of them answer the same, and the two that have no status answer nothing. */
static inline void check_every_call(allocdb *db, allocdb_status expected)
{
    for (int i = 0; i < CALL_COUNT; i++) {
        allocdb_error error;

        if (!check_status(expected, every_call[i].run(db, &error), every_call[i].name, __FILE__,
                          __LINE__))
            continue;
        check_equal((uint64_t)expected, (uint64_t)error.status, every_call[i].name, __FILE__,
                    __LINE__);
    }
    CHECK_ZERO((allocdb_operation[1]){allocdb_operation_new(db)});
    CHECK_EQUAL(0, allocdb_slot_now(db));
}

#endif
