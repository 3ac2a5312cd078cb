/*
 * check.h - assertions of the C tests, and what the tests share: a directory of their own, an open
 * database with a clock that the test drives, ids, files.
 *
 * A test is a function without arguments; a failed check is printed and the test goes on, so that
 * one run shows all that is wrong. main calls run_tests, which prints "N passed, N failed".
 */
#ifndef CHECK_H
#define CHECK_H

#include <allocdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(expected, actual)                                                              \
    check_equal((uint64_t)(expected), (uint64_t)(actual), #actual, __FILE__, __LINE__)
/* The status of a call, shown by name. */
#define CHECK_STATUS(expected, call) check_status((expected), (call), #call, __FILE__, __LINE__)
/* An error's message names something. */
#define CHECK_SAYS(error, text) check_says(&(error), (text), __FILE__, __LINE__)
/* Nothing but zeros. */
#define CHECK_ZERO(object)                                                                         \
    check_that(is_zero(&(object), sizeof(object)), #object " is zero", __FILE__, __LINE__)

struct test {
    const char *name;
    void (*run)(void);
};
#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }
#define RUN_TESTS(tests) run_tests(tests, sizeof(tests) / sizeof((tests)[0]))

/* All of them, or the one that ALLOCDB_TEST names. */
int run_tests(const struct test *tests, size_t count);
bool check_that(bool condition, const char *what, const char *file, int line);
bool check_equal(uint64_t expected, uint64_t actual, const char *what, const char *file, int line);
bool check_status(allocdb_status expected, allocdb_status actual, const char *what,
                  const char *file, int line);
bool check_says(const allocdb_error *error, const char *text, const char *file, int line);
bool is_zero(const void *object, size_t size);
/* Says why a test could not try something here; it counts as passed. */
void skip(const char *why);
/*
 * Plants the bug named by ALLOCDB_CANARY in this thread, in a library that has been built for it:
 * whether there is one. run_tests does it for the thread that runs the tests.
 */
bool plant_here(void);
/* The same with a name; NULL takes it out. False where the library knows no bugs. */
bool plant(const char *name);
/* ALLOCDB_ROUNDS times as often: for what has to be met by chance. */
int rounds(int fewest);
/* Failed checks so far: a child process exits with it. */
int failed_checks(void);

/* A new empty directory, removed when the program ends; the text lives as long. */
const char *new_directory(void);
/* "directory/name" in one of a few static buffers. */
const char *path_in(const char *directory, const char *name);

/* Small options with a clock that the test drives: quick to open, every bound within reach. */
allocdb_options small_options(void);
/* Opens, or ends the program with the story. */
allocdb *open_database(const char *directory, const allocdb_options *options);
/* A small database in a new directory. */
allocdb *open_small(void);

allocdb_id id_of(uint64_t number);
/* An operation with this number and no limit. */
allocdb_operation operation_of(uint64_t number);
/* The next of a program-wide count. */
allocdb_operation next_operation(void);

/* Runs a function in a forked child; its failed checks count here. */
void in_child(void (*function)(void *), void *argument);
/* The descriptor by which this process has the file open; -1 if it has not. */
int descriptor_of(const char *path);
/* Changes the byte at an offset (negative: from the end) of a file. */
void flip_byte(const char *path, long offset);
uint64_t now_ns(void);

#endif
