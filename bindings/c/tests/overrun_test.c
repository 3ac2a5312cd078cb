/*
 * overrun_test.c - a caller whose buffer is shorter than it says: what no library can notice, and
 * what an instrumented one must report, or it has looked at nothing.
 *
 * The canary of the sanitizer runs. `overrun_test N` makes the mistake N (1 to MISTAKES) inside
 * of the library and is to be ended by the tool; without an argument everything is as long as it
 * says, and the tool is to stay silent. The bytes that are one too far are touched by the library
 * alone.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MISTAKES = 5 };

static allocdb *db;
/* Which mistake to make; 0 for none. */
static int mistake;

/* Memory of this length, or a quarter less where the mistake is this one. */
static void *memory(int number, size_t bytes)
{
    void *place = malloc(number == mistake ? bytes - bytes / 4 : bytes);

    if (place == NULL)
        exit(2);
    return place;
}

static void rows_are_written(void)
{
    uint64_t cursor = 0;
    size_t count;
    allocdb_resource *rows = memory(1, 4 * sizeof *rows);

    CHECK_STATUS(ALLOCDB_OK, allocdb_list_resources(db, NULL, &cursor, rows, 4, &count, NULL));
    CHECK_EQUAL(4, count);
    free(rows);
}

static void outcomes_are_written(void)
{
    allocdb_command commands[4];
    allocdb_outcome *outcomes = memory(2, 4 * sizeof *outcomes);

    memset(commands, 0, sizeof commands);
    for (uint64_t i = 0; i < 4; i++) {
        commands[i].kind = ALLOCDB_COMMAND_CREATE_RESOURCE;
        commands[i].operation_id = next_operation().id;
        commands[i].target_id = id_of(i + 1);
    }
    CHECK_STATUS(ALLOCDB_OK, allocdb_submit(db, 1, commands, 4, outcomes, NULL));
    free(outcomes);
}

static void text_is_written(void)
{
    const size_t capacity = 64 << 10;
    size_t len;
    char *text = memory(3, 64), *large = malloc(capacity);

    /* Zeroed on failure, as long as it says. */
    CHECK_STATUS(ALLOCDB_E_BUFFER_TOO_SMALL, allocdb_metrics_text(db, 1, text, 64, &len, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_metrics_text(db, 1, large, capacity, &len, NULL));
    free(text);
    free(large);
}

static void bytes_are_read(void)
{
    const size_t len = 8 * 64;
    uint8_t *request = memory(4, len);
    size_t bound;

    memset(request, 0, 6 * 64);
    for (size_t at = 0; at < 6 * 64; at += 64) {
        const allocdb_operation operation = next_operation();

        request[at] = 64;
        request[at + 4] = 1;
        request[at + 5] = ALLOCDB_COMMAND_CREATE_RESOURCE;
        memcpy(request + at + 16, &operation.id.lo, 8);
        request[at + 32] = 1;
        request[at + 48] = 1;
    }
    CHECK_STATUS(ALLOCDB_OK, allocdb_response_bound(db, request, 6 * 64, &bound, NULL));
    if (mistake == 4)
        (void)!allocdb_response_bound(db, request, len, &bound, NULL);
    free(request);
}

static void a_struct_is_as_long_as_it_says(void)
{
    allocdb_health *health = memory(5, sizeof *health);

    memset(health, 0, 64);
    health->struct_size = sizeof *health;
    CHECK_STATUS(ALLOCDB_OK, allocdb_health_get(db, 1, health, NULL));
    free(health);
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        TEST(outcomes_are_written), TEST(rows_are_written),
        TEST(text_is_written),      TEST(bytes_are_read),
        TEST(a_struct_is_as_long_as_it_says),
    };

    mistake = argc > 1 ? atoi(argv[1]) : 0;
    if (mistake < 0 || mistake > MISTAKES)
        return 2;
    db = open_small();
    int failed = RUN_TESTS(tests);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    return failed;
}
