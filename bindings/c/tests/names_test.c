/*
 * names_test.c - names as ids, against the vectors that all languages share.
 *
 * The vectors are JSON with one field a line, and every field that matters here is hexadecimal
 * digits or plain words; so lines are enough to read them, and no JSON library is needed. The file
 * is ALLOCDB_VECTORS/names.json.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ALLOCDB_VECTORS
#define ALLOCDB_VECTORS "crates/allocdb-node/vectors"
#endif

/* One vector: what it has, the rest empty. */
struct vector {
    char list[32];
    char bytes[4096];
    size_t len;
    allocdb_id id;
    char shown[64];
    char message[216];
};

static int digit_of(char digit)
{
    const char *digits = "0123456789abcdef", *at = digit ? strchr(digits, digit) : NULL;

    return at ? (int)(at - digits) : -1;
}

static size_t bytes_of(const char *digits, char *bytes, size_t capacity)
{
    size_t len = 0;

    for (; digit_of(digits[0]) >= 0 && len < capacity; digits += 2)
        bytes[len++] = (char)(digit_of(digits[0]) << 4 | digit_of(digits[1]));
    return len;
}

/* Takes `"key": "value"` or `"key": [` of a line apart, in place; false for any other line. */
static bool split(char *line, char **key, char **value)
{
    char *colon;

    line += strspn(line, " ");
    if (line[0] != '"' || (colon = strstr(line, "\": ")) == NULL)
        return false;
    *key = line + 1;
    *colon = '\0';
    *value = colon + 3;
    (*value)[strcspn(*value, "\n")] = '\0';
    if ((*value)[0] == '"') {
        ++*value;
        *strrchr(*value, '"') = '\0';
    }
    return true;
}

static void take(struct vector *vector, const char *key, const char *value)
{
    if (strcmp(key, "utf8") == 0)
        vector->len = bytes_of(value, vector->bytes, sizeof vector->bytes);
    else if (strcmp(key, "hi") == 0)
        vector->id.hi = strtoull(value, NULL, 16);
    else if (strcmp(key, "lo") == 0)
        vector->id.lo = strtoull(value, NULL, 16);
    else if (strcmp(key, "shown_utf8") == 0)
        vector->shown[bytes_of(value, vector->shown, sizeof vector->shown - 1)] = '\0';
    else if (strcmp(key, "message") == 0)
        snprintf(vector->message, sizeof vector->message, "%s", value);
    else if (strcmp(value, "[") == 0)
        snprintf(vector->list, sizeof vector->list, "%s", key);
}

/* Runs a check on every vector of a list; how many there were. */
static size_t each(const char *list, void (*check)(const struct vector *vector))
{
    FILE *file = fopen(ALLOCDB_VECTORS "/names.json", "r");
    static char line[16384];
    static struct vector vector;
    char *key, *value;
    size_t count = 0;

    CHECK(file != NULL);
    if (file == NULL)
        return 0;
    memset(&vector, 0, sizeof vector);
    while (fgets(line, sizeof line, file) != NULL) {
        if (split(line, &key, &value)) {
            take(&vector, key, value);
        } else if (line[strspn(line, " ")] == '}' && strcmp(vector.list, list) == 0) {
            /* A list's own end comes after its last vector's. */
            if (strncmp(line, "    }", 5) == 0) {
                check(&vector);
                count++;
            }
        }
    }
    fclose(file);
    return count;
}

static bool same(allocdb_id one, allocdb_id other)
{
    return one.lo == other.lo && one.hi == other.hi;
}

/* The id is shown as the vector says, and what is shown gives it back. */
static void shown_and_read_back(const struct vector *vector)
{
    char text[38];
    allocdb_id back;

    memset(text, 0x5A, sizeof text);
    allocdb_id_format(vector->id, text + 1);
    CHECK(strcmp(text + 1, vector->shown) == 0);
    CHECK(text[0] == 0x5A && strlen(text + 1) >= 1 && strlen(text + 1) <= 36);
    CHECK_STATUS(ALLOCDB_OK, allocdb_id_parse(text + 1, strlen(text + 1), &back, NULL));
    CHECK(same(vector->id, back));
}

static void gives_its_id(const struct vector *vector)
{
    allocdb_error error;
    allocdb_id id;

    CHECK_STATUS(ALLOCDB_OK, allocdb_id_from_name(vector->bytes, vector->len, &id, &error));
    CHECK_ZERO(error);
    CHECK(same(vector->id, id));
    shown_and_read_back(vector);
}

static void reads_as_its_id(const struct vector *vector)
{
    allocdb_error error;
    allocdb_id id;

    CHECK_STATUS(ALLOCDB_OK, allocdb_id_parse(vector->bytes, vector->len, &id, &error));
    CHECK_ZERO(error);
    CHECK(same(vector->id, id));
    shown_and_read_back(vector);
}

static void is_refused_as_a_name(const struct vector *vector)
{
    allocdb_id id = {1, 1};
    allocdb_error error;

    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_from_name(vector->bytes, vector->len, &id, &error));
    CHECK(strcmp(error.message, vector->message) == 0);
    CHECK_EQUAL(strstr(error.message, "must be 1 to") ? 2 : 1, error.detail[0]);
    CHECK_ZERO(id);
}

static void is_refused_as_a_text(const struct vector *vector)
{
    allocdb_id id = {1, 1};
    allocdb_error error;

    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_parse(vector->bytes, vector->len, &id, &error));
    CHECK(strcmp(error.message, vector->message) == 0);
    CHECK_EQUAL(strstr(error.message, "must be 1 to") ? 2 : 1, error.detail[0]);
    CHECK_ZERO(id);
}

static void names_give_their_ids(void)
{
    CHECK(each("names", gives_its_id) >= 60); /* R103, R104, R105 */
}

static void texts_give_their_ids(void)
{
    CHECK(each("texts", reads_as_its_id) >= 15); /* R107 */
}

static void ids_are_shown_as_names_or_uuids(void)
{
    CHECK(each("ids", shown_and_read_back) >= 30); /* R106, R107 */
}

static void what_is_no_name_is_refused(void)
{
    CHECK(each("refused_names", is_refused_as_a_name) >= 15);  /* R103 */
    CHECK(each("refused_texts", is_refused_as_a_text) >= 40); /* R107 */
}

static void details_tell_value_and_bounds(void)
{
    allocdb_error error;
    allocdb_id id;

    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_from_name("", 0, &id, &error));
    CHECK_EQUAL(2, error.detail[0]);
    CHECK_EQUAL(0, error.detail[1]);
    CHECK_EQUAL(1, error.detail[2]);
    CHECK_EQUAL(1024, error.detail[3]);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_from_name("caf\xe9", 4, &id, &error));
    CHECK_EQUAL(1, error.detail[0]);
    CHECK_EQUAL(3, error.detail[1]);
    CHECK_EQUAL(0xe9, error.detail[2]);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_parse("a name or no UUID", 17, &id, &error));
    CHECK_EQUAL(17, error.detail[1]);
    CHECK_EQUAL(15, error.detail[3]);
}

static void misuse_is_refused(void)
{
    union {
        allocdb_id id;
        char text[16];
    } shared = {.text = "seat"};
    allocdb_error error;
    allocdb_id id = {1, 1};

    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_from_name(NULL, 4, &id, &error));
    CHECK_SAYS(error, "name is NULL");
    CHECK_ZERO(id);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_from_name(NULL, 0, &id, &error));
    CHECK_SAYS(error, "name is 0 bytes");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_parse(NULL, 36, &id, &error));
    CHECK_SAYS(error, "text is NULL");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_from_name("seat", 4, NULL, &error));
    CHECK_SAYS(error, "id is NULL");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_parse("seat", 4, NULL, NULL));
    CHECK_STATUS(ALLOCDB_E_OVERLAP, allocdb_id_from_name(shared.text, 4, &shared.id, &error));
    CHECK(strcmp(shared.text, "seat") == 0);
    allocdb_id_format(id, NULL);
}

static void a_length_that_is_not_true_is_refused_unread(void)
{
    char *name = malloc(1025);
    allocdb_error error;
    allocdb_id id;

    memset(name, 'x', 1025);
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_from_name(name, SIZE_MAX, &id, &error));
    CHECK_SAYS(error, "name is 18446744073709551615 bytes, must be 1 to 1024");
    CHECK_STATUS(ALLOCDB_E_INVALID, allocdb_id_parse(name, SIZE_MAX / 2 + 1, &id, &error));
    CHECK_SAYS(error, "text is 9223372036854775808 bytes");
    free(name);
}

static void a_name_names_a_resource(void)
{
    allocdb *db = open_small();
    allocdb_outcome outcome;
    allocdb_resource seat;
    allocdb_id id, holder;
    char text[37];

    CHECK_STATUS(ALLOCDB_OK, allocdb_id_from_name("seat_21A", 8, &id, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_id_from_name("alice", 5, &holder, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_create_resource(db, 1, next_operation(), id, &outcome, NULL));
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_reserve(db, 1, next_operation(), id, holder, 5, &outcome, NULL));
    CHECK_STATUS(ALLOCDB_OK, allocdb_get_resource(db, 0, id, &seat, NULL));
    allocdb_id_format(seat.resource_id, text);
    CHECK(strcmp(text, "seat_21A") == 0);
    allocdb_id_format(seat.holder_id, text);
    CHECK(strcmp(text, "alice") == 0);
    allocdb_close(&db);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(names_give_their_ids),
        TEST(texts_give_their_ids),
        TEST(ids_are_shown_as_names_or_uuids),
        TEST(what_is_no_name_is_refused),
        TEST(details_tell_value_and_bounds),
        TEST(misuse_is_refused),
        TEST(a_length_that_is_not_true_is_refused_unread),
        TEST(a_name_names_a_resource),
    };
    return RUN_TESTS(tests);
}
