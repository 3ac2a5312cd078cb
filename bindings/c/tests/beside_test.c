/*
 * beside_test.c - libAllocDB.a in one program with another Rust library (beside.rs).
 *
 * Laws: the two link in any order, statically and not, with sections collected and without; while
 * the other one panics and starts threads, this one commits; each keeps its own panic hook; a
 * forked child has both.
 */
#include "every_call.h"

#include <pthread.h>

/* 42 if the other library works. */
extern unsigned other_answer(void);

static allocdb *db;

static void *calls_both(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20; i++) {
        CHECK_EQUAL(42, other_answer());
        CHECK(is_sound(call_create_resource(db, NULL)));
    }
    return NULL;
}

static void calls_both_in_a_child(void *argument)
{
    CHECK_EQUAL(42, other_answer());
    check_every_call(argument, ALLOCDB_E_FORKED);
    CHECK(is_sound(call_get_resource((db = open_small()), NULL)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

static void both_libraries_work(void)
{
    pthread_t threads[4];

    db = open_small();
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, calls_both, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    in_child(calls_both_in_a_child, db);
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(both_libraries_work),
    };

    return RUN_TESTS(tests);
}
