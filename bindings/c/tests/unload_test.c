/*
 * unload_test.c - the library loaded by hand, several times over, and let go of.
 *
 * Laws: dlclose does not unload it (thread-local state and fork handlers would be left behind),
 * so whatever was going on goes on; two copies of the file are two libraries, which share nothing
 * but the files, where one finds the other's database locked; however it is loaded, it calls
 * itself and nobody else's functions of the same names. A handle belongs to the copy that opened
 * it: handing it to another is out of contract.
 *
 * ALLOCDB_ROUNDS repeats what has to be met by chance.
 */
#define _GNU_SOURCE
#include "every_call.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

static allocdb_error error;

/* The functions of one copy. */
struct library {
    void *handle;
    allocdb_status (*open)(const char *, const allocdb_options *, allocdb **, allocdb_error *);
    allocdb_status (*close)(allocdb **);
    allocdb_status (*create)(allocdb *, uint64_t, allocdb_operation, allocdb_id, allocdb_outcome *,
                             allocdb_error *);
    allocdb_status (*get)(allocdb *, uint64_t, allocdb_id, allocdb_resource *, allocdb_error *);
};

static const char *path_of_the_library(void)
{
    Dl_info info;

    CHECK(dladdr(dlsym(RTLD_DEFAULT, "allocdb_open"), &info) != 0);
    return info.dli_fname;
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char bytes[1 << 16];
    size_t len;

    if (!CHECK(in != NULL && out != NULL))
        exit(2);
    while ((len = fread(bytes, 1, sizeof bytes, in)) > 0)
        CHECK(fwrite(bytes, 1, len, out) == len);
    fclose(in);
    fclose(out);
}

/* A function's address out of an object's: C has no cast for it. */
static void look_up(void *handle, const char *name, void *function)
{
    void *address = dlsym(handle, name);

    CHECK(address != NULL);
    memcpy(function, &address, sizeof address);
}

static struct library load(const char *path, int flags)
{
    struct library library = {.handle = dlopen(path, flags)};

    if (!CHECK(library.handle != NULL)) {
        printf("    %s\n", dlerror());
        exit(2);
    }
    look_up(library.handle, "allocdb_open", &library.open);
    look_up(library.handle, "allocdb_close", &library.close);
    look_up(library.handle, "allocdb_create_resource", &library.create);
    look_up(library.handle, "allocdb_get_resource", &library.get);
    return library;
}

static struct library load_a_copy(int flags)
{
    const char *path = path_in(new_directory(), "copy.so");

    copy_file(path_of_the_library(), path);
    return load(path, flags);
}

static allocdb *open_with(const struct library *library, const char *directory)
{
    allocdb_options options = small_options();
    allocdb *db = NULL;

    CHECK_STATUS(ALLOCDB_OK, library->open(directory, &options, &db, &error));
    return db;
}

static void create_with(const struct library *library, allocdb *db, uint64_t number)
{
    allocdb_outcome outcome;

    CHECK_STATUS(ALLOCDB_OK, library->create(db, 1, operation_of(number), id_of(number), &outcome,
                                             &error));
    CHECK_EQUAL(ALLOCDB_DONE, outcome.code);
}

/* ---- copies ---- */

static void two_copies_share_nothing_but_the_files(void)
{
    static const int ways[] = {RTLD_NOW | RTLD_LOCAL, RTLD_LAZY | RTLD_LOCAL,
                               RTLD_NOW | RTLD_GLOBAL, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND};
    const int count = IS_SANITIZED ? 3 : 4;

    for (int w = 0; w < count; w++) {
        struct library copy = load_a_copy(ways[w]);
        const char *directory = new_directory();
        allocdb *mine = open_small(), *theirs = open_with(&copy, directory), *none;

        CHECK(copy.open != allocdb_open);
        create_with(&copy, theirs, 1);
        CHECK(is_sound(call_create_resource(mine, &error)));
        CHECK_STATUS(ALLOCDB_E_LOCKED, allocdb_open(directory, NULL, &none, &error));
        CHECK_EQUAL(getpid(), error.detail[0]);
        CHECK_STATUS(ALLOCDB_OK, copy.close(&theirs));
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&mine));
        mine = open_database(directory, NULL);
        CHECK_STATUS(ALLOCDB_E_LOCKED, copy.open(directory, NULL, &theirs, &error));
        CHECK(is_sound(call_get_resource(mine, &error)));
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&mine));
        CHECK(dlclose(copy.handle) == 0);
    }
}

struct pair {
    struct library copy;
    allocdb *mine, *theirs;
};

static void both_are_forked(void *argument)
{
    struct pair *pair = argument;
    allocdb_outcome outcome;
    allocdb_resource row;

    CHECK_STATUS(ALLOCDB_E_FORKED, call_create_resource(pair->mine, &error));
    CHECK_STATUS(ALLOCDB_E_FORKED, pair->copy.create(pair->theirs, 1, operation_of(9), id_of(9),
                                                     &outcome, &error));
    CHECK_STATUS(ALLOCDB_E_FORKED, pair->copy.get(pair->theirs, 0, id_of(1), &row, &error));
    allocdb *own = open_with(&pair->copy, new_directory());
    CHECK_STATUS(ALLOCDB_OK, pair->copy.close(&pair->theirs));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&pair->mine));
    create_with(&pair->copy, own, 1);
    CHECK_STATUS(ALLOCDB_OK, pair->copy.close(&own));
}

static void each_copy_knows_of_a_fork(void)
{
    struct pair pair = {.copy = load_a_copy(RTLD_NOW | RTLD_LOCAL)};

    pair.mine = open_small();
    pair.theirs = open_with(&pair.copy, new_directory());
    /* Let go of, and still there: so are its fork handlers. */
    CHECK(dlclose(pair.copy.handle) == 0);
    in_child(both_are_forked, &pair);
    create_with(&pair.copy, pair.theirs, 5);
    CHECK(is_sound(call_create_resource(pair.mine, &error)));
    CHECK_STATUS(ALLOCDB_OK, pair.copy.close(&pair.theirs));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&pair.mine));
}

/* ---- unloading ---- */

struct worker {
    struct library library;
    allocdb *db;
    bool has_begun, stop;
    uint64_t first, count;
};

static void *works(void *argument)
{
    struct worker *worker = argument;

    while (!__atomic_load_n(&worker->stop, __ATOMIC_RELAXED)) {
        allocdb_outcome outcome;
        const uint64_t number = worker->first + worker->count;

        if (!CHECK_STATUS(ALLOCDB_OK,
                          worker->library.create(worker->db, 1, operation_of(number),
                                                 id_of(1 + number % 60), &outcome, NULL)))
            break;
        worker->count++;
        __atomic_store_n(&worker->has_begun, true, __ATOMIC_RELAXED);
    }
    /* The thread ends after the library was let go of: its thread-locals go with it. */
    return NULL;
}

static void what_is_let_go_of_stays(void)
{
    for (int round = rounds(3); round > 0; round--) {
        struct worker workers[4];
        pthread_t threads[4];
        allocdb_options options = small_options();
        struct library copy = load_a_copy(RTLD_NOW | RTLD_LOCAL);
        const char *directory = new_directory();
        Dl_info info;
        allocdb *db = NULL;

        options.max_operations = 1 << 17;
        CHECK_STATUS(ALLOCDB_OK, copy.open(directory, &options, &db, &error));
        for (uint64_t i = 0; i < 4; i++) {
            workers[i] = (struct worker){.library = copy, .db = db, .first = (i + 1) << 32};
            pthread_create(&threads[i], NULL, works, &workers[i]);
        }
        for (int i = 0; i < 4; i++)
            while (!__atomic_load_n(&workers[i].has_begun, __ATOMIC_RELAXED))
                usleep(100);
        /* With threads inside, and once more than it was loaded. */
        CHECK(dlclose(copy.handle) == 0);
        void *address;
        memcpy(&address, &copy.open, sizeof address);
        CHECK(dladdr(address, &info) != 0);
        for (int i = 0; i < 4; i++) {
            const uint64_t before = __atomic_load_n(&workers[i].count, __ATOMIC_RELAXED);

            while (__atomic_load_n(&workers[i].count, __ATOMIC_RELAXED) <= before)
                usleep(100);
            __atomic_store_n(&workers[i].stop, true, __ATOMIC_RELAXED);
        }
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        CHECK_STATUS(ALLOCDB_OK, copy.close(&db));
        /* Loaded again it is the same one. */
        struct library again = load(info.dli_fname, RTLD_NOW | RTLD_LOCAL);
        CHECK(again.open == copy.open);
        db = open_with(&again, new_directory());
        create_with(&again, db, 1);
        CHECK_STATUS(ALLOCDB_OK, again.close(&db));
        CHECK(dlclose(again.handle) == 0);
    }
}

static void *loads_and_lets_go(void *argument)
{
    for (int i = 0; i < 20; i++) {
        struct library copy = load(argument, i % 2 ? RTLD_NOW : RTLD_LAZY);
        allocdb *db = open_with(&copy, new_directory());

        create_with(&copy, db, 1);
        CHECK_STATUS(ALLOCDB_OK, copy.close(&db));
        CHECK(dlclose(copy.handle) == 0);
    }
    return NULL;
}

/* The first opening anywhere registers fork handlers and a panic hook: in whichever thread. */
static void threads_may_load_and_let_go_at_once(void)
{
    const char *path = path_in(new_directory(), "copy.so");
    pthread_t threads[4];

    copy_file(path_of_the_library(), path);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, loads_and_lets_go, (void *)path);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(two_copies_share_nothing_but_the_files),
        TEST(each_copy_knows_of_a_fork),
        TEST(what_is_let_go_of_stays),
        TEST(threads_may_load_and_let_go_at_once),
    };

    return RUN_TESTS(tests);
}
