/*
 * lifetime_test.cpp - what outlives what: databases that are moved, closed, used by many threads,
 * inherited by a forked child, and killed between a submit and its answer.
 */
#include "check.hpp"

#include <sys/mman.h>

#include <csignal>
#include <thread>
#include <vector>

using namespace allocdb::literals;
using allocdb::slots;

constexpr allocdb::id alice = "alice"_id;
constexpr allocdb::id seat = "seat_21A"_id;
constexpr allocdb::operation fresh = {};

static_assert(std::is_nothrow_move_constructible_v<allocdb::database> &&
              std::is_nothrow_move_assignable_v<allocdb::database> &&
              !std::is_copy_constructible_v<allocdb::database> &&
              !std::is_copy_assignable_v<allocdb::database>);
static_assert(std::is_nothrow_move_constructible_v<allocdb::result<allocdb::database>>);

/* Every call on a database that is not open answers the same. */
static void every_call_is_closed(const allocdb::database &db)
{
    allocdb::batch batch(100, 1);
    allocdb::id ids[2];
    char text[1024];

    batch.create(seat);
    CHECK(!db.is_open());
    CHECK_EQUAL(0u, db.slot());
    CHECK(!db.operation_new());
    CHECK_STATUS(closed, db.create(seat));
    CHECK(!db.create(seat)->ok());
    CHECK_STATUS(closed, db.remove(seat));
    CHECK_STATUS(closed, db.reserve(seat, alice, slots(5)));
    CHECK(!db.reserve(seat, alice, slots(5))->granted());
    CHECK_STATUS(closed, db.reserve_bundle({seat}, alice, slots(5)));
    CHECK_STATUS(closed, db.confirm(seat, alice));
    CHECK_STATUS(closed, db.extend(seat, alice, slots(5)));
    CHECK_STATUS(closed, db.release(seat, alice));
    CHECK_STATUS(closed, db.revoke(seat));
    CHECK_STATUS(closed, db.reclaim(seat));
    CHECK_STATUS(closed, db.adopt(seat, alice).confirm());
    CHECK_STATUS(closed, db.submit(batch));
    CHECK(!batch[0].ok());
    CHECK_STATUS(closed, db.tick());
    CHECK_STATUS(closed, db.get_resource(seat));
    CHECK_STATUS(closed, db.get_reservation(seat));
    CHECK_STATUS(closed, db.get_reservation(seat, ids));
    CHECK_STATUS(closed, db.get_operation(seat));
    CHECK_STATUS(closed, db.refresh());
    CHECK_STATUS(closed, db.checkpoint());
    CHECK_STATUS(closed, db.backup("nowhere"));
    CHECK_STATUS(closed, db.health());
    CHECK_STATUS(closed, db.metrics_text());
    CHECK_STATUS(closed, db.metrics_text(text));
    CHECK_STATUS(closed, db.configuration());
    CHECK_STATUS(closed, db.recovery_report());
    CHECK_STATUS(closed, db.log_read(text));
    CHECK_STATUS(closed, db.log_text());
    auto resources = db.list_resources();
    for (const auto &row : resources)
        CHECK(!row.resource_id);
    CHECK_STATUS(closed, resources.error());
    auto reservations = db.list_reservations();
    CHECK(!(reservations.begin() != reservations.end()));
    CHECK_STATUS(closed, reservations.error());
}

static void what_was_never_opened_or_moved_from_is_closed()
{
    allocdb::database never;
    allocdb::database from = check::open_small();

    every_call_is_closed(never);
    CHECK(never.close().has_value());
    CHECK_SAYS(never.create(seat), "never opened, or was moved from");
    const allocdb::database to = std::move(from);
    every_call_is_closed(from); // on purpose
    CHECK(to.is_open());
    CHECK_CODE(done, to.create(seat));
}

static void a_closed_database_says_so_for_ever()
{
    auto db = check::open_small();

    CHECK_CODE(done, db.create(seat));
    const auto held = db.reserve(seat, alice, slots(5));
    auto rows = db.list_resources();
    CHECK(db.close().has_value());
    every_call_is_closed(db);
    CHECK_SAYS(db.create(seat), "closed");
    CHECK(db.close().has_value());
    CHECK_STATUS(closed, held->confirm());
    CHECK_STATUS(closed, held->extend(slots(5)));
    CHECK_STATUS(closed, held->release());
    for (const auto &row : rows)
        CHECK(!row.resource_id);
    CHECK_STATUS(closed, rows.error());
}

static void a_move_takes_everything_along()
{
    const auto first = check::new_directory();
    auto db = check::open(first);

    CHECK_CODE(done, db.create(seat));
    const auto held = db.reserve(seat, alice, slots(50));
    std::vector<allocdb::database> several;
    several.push_back(std::move(db));
    several.push_back(check::open_small());
    several.push_back(check::open_small()); // they move when the vector grows
    CHECK_CODE(done, held->extend(slots(60)));
    CHECK_CODE(done, several[0].get_resource(seat)->holder_id == alice ? held->confirm()
                                                                        : held->release());
    // An assignment closes what it replaces, so that it can be opened again.
    several[0] = check::open_small();
    CHECK_STATUS(closed, held->release());
    CHECK_CODE(done, check::open(first).adopt(held->reservation_id(), alice).release());
    auto &self = several[1];
    several[1] = std::move(self);
    CHECK(several[1].is_open());
}

static void one_of_many_threads_gets_it()
{
    constexpr int count = 8;
    const auto db = check::open_small();
    std::atomic<int> winners[32] = {};
    std::vector<std::thread> threads;

    for (std::uint64_t i = 0; i < 32; i++)
        CHECK_CODE(done, db.create(allocdb::id(i + 1)));
    for (std::uint64_t thread = 1; thread <= count; thread++)
        threads.emplace_back([&, thread] {
            for (std::uint64_t i = 0; i < 32; i++) {
                const auto got = db.reserve(allocdb::id(i + 1), allocdb::id(thread), slots(50));
                if (CHECK_STATUS(ok, got) && got->granted())
                    winners[i] += CHECK_CODE(done, got->confirm());
                else
                    CHECK_CODE(resource_busy, got);
            }
        });
    for (auto &thread : threads)
        thread.join();
    for (const auto &each : winners)
        CHECK_EQUAL(1, each.load());
}

static void a_close_waits_for_calls_and_later_ones_are_told()
{
    for (int round = 0; round < 10; round++) {
        auto db = check::open_small();
        std::vector<std::thread> threads;
        std::atomic<int> begun{0};

        for (int i = 0; i < 4; i++)
            threads.emplace_back([&] {
                allocdb::status told = allocdb::status::ok;

                for (std::uint64_t slot = 1; told != allocdb::status::closed; slot++) {
                    // Another thread may have gone past the limit of this one's operation.
                    told = db.create(seat, fresh, slot * 100).error().status();
                    CHECK(told == allocdb::status::ok || told == allocdb::status::closed ||
                          told == allocdb::status::operation_expired);
                    begun += slot == 1;
                }
            });
        while (begun < 4)
            std::this_thread::yield();
        CHECK(db.close().has_value());
        for (auto &thread : threads)
            thread.join();
    }
}

static void a_forked_child_is_refused_and_harms_nothing()
{
    const auto directory = check::new_directory();
    auto db = check::open(directory);

    CHECK_CODE(done, db.create(seat));
    const auto held = db.reserve(seat, alice, slots(5));
    check::in_child([&] {
        CHECK(!db.is_open());
        CHECK_STATUS(forked, db.create("b"_id));
        CHECK_SAYS(db.create("b"_id), "parent");
        CHECK_STATUS(forked, held->confirm());
        CHECK_STATUS(forked, db.get_resource(seat));
        CHECK_STATUS(forked, db.health());
        CHECK_STATUS(locked, allocdb::database::open(directory));
        CHECK_CODE(done, check::open_small().create(seat));
        db = allocdb::database(); // destroys the parent's
        CHECK_STATUS(closed, db.create("b"_id));
    });
    CHECK_CODE(done, held->confirm());
    CHECK(db.close().has_value());
    CHECK_EQUAL(allocdb::resource_state::confirmed,
                check::open(directory).get_resource(seat)->state);
}

static void a_dead_owner_s_lock_is_free()
{
    const auto directory = check::new_directory();
    int state = 0;
    const pid_t child = fork();

    if (child == 0) {
        const auto db = check::open(directory);
        (void)db.create(seat);
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &state, 0) == child && WIFSIGNALED(state));
    CHECK(check::open(directory).get_resource(seat).has_value());
}

/* A child is killed at any moment between the submits and what it would have told of them. Each
   command that it may have sent is then repeated with its operation: those that were committed get
   their first answer, and nothing is there twice. */
static void a_crash_between_submit_and_answer_gets_the_first_answer()
{
    constexpr std::uint64_t seats = 40;
    struct shared {
        std::atomic<std::uint64_t> told;
        std::uint64_t token_lo[seats + 1];
    };
    void *memory = mmap(nullptr, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
    auto *seen = new (memory) shared();
    const auto command = [](const allocdb::database &db, std::uint64_t i) {
        return db.reserve(allocdb::id(i), alice, slots(500), {allocdb::id(i, 0xB), 50}, 1);
    };

    for (std::uint64_t stop = 1; stop < seats; stop += 6) {
        const auto directory = check::new_directory();
        seen->told = 0;
        int state = 0;
        const pid_t child = fork();

        if (child == 0) {
            const auto db = check::open(directory);
            for (std::uint64_t i = 1; i <= seats; i++)
                (void)db.create(allocdb::id(i), fresh, 1);
            for (std::uint64_t i = 1; i <= seats; i++) {
                seen->token_lo[i] = command(db, i)->token().lo;
                seen->told = i;
            }
            for (;;)
                pause();
        }
        while (seen->told < stop && waitpid(child, &state, WNOHANG) == 0)
            std::this_thread::yield();
        kill(child, SIGKILL);
        CHECK(waitpid(child, &state, 0) == child && WIFSIGNALED(state));

        const auto db = check::open(directory);
        const std::uint64_t told = seen->told;
        CHECK(told >= stop);
        std::uint64_t repeated = 0;
        for (std::uint64_t i = 1; i <= seats; i++) {
            const auto again = command(db, i);
            CHECK_CODE(done, again);
            repeated += again->outcome().from_retry_cache;
            if (i <= told)
                CHECK(again->outcome().from_retry_cache && again->token().lo == seen->token_lo[i]);
        }
        // At most the one that was under way is there beyond what was told.
        CHECK(repeated == told || repeated == told + 1);
        CHECK_EQUAL(seats, db.health()->reservations.used_count);
    }
    munmap(memory, sizeof(shared));
}

/* ---- leases ---- */

static allocdb::database open_quick()
{
    auto options = check::small_options();

    options.clock = ALLOCDB_CLOCK_SYSTEM;
    options.slot_duration_ms = 10;
    options.max_operations = 65536;
    return check::open(check::new_directory(), options);
}

/* Waits for something that must come, however slow the machine is. */
template <class Condition>
static bool comes(Condition condition)
{
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);

    while (std::chrono::steady_clock::now() < end) {
        if (condition())
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
}

static void a_lease_is_held_far_beyond_its_ttl_or_told_as_lost()
{
    using namespace std::chrono_literals;
    const auto db = open_quick();

    CHECK_CODE(done, db.create(seat));
    // A machine that stands still for long may lose one: then it must be told.
    bool is_kept = false;
    for (int attempt = 0; attempt < 10 && !is_kept; attempt++) {
        const auto held = db.hold(seat, alice, 150ms, 10s);
        if (!CHECK_STATUS(ok, held) || !CHECK(held->granted()))
            return;
        std::uint64_t extensions = 0;
        std::uint64_t deadline_slot = 0;
        while (extensions < 40 && !held->is_lost()) {
            // Read first: if the lease is still not lost afterwards, it was held at the read.
            const auto row = db.get_reservation(held->token());
            const bool is_ours =
                row.has_value() && row->state == allocdb::reservation_state::reserved;
            if (!held->is_lost())
                CHECK(is_ours);
            extensions += is_ours && row->deadline_slot > deadline_slot;
            deadline_slot = row->deadline_slot;
            CHECK_CODE(resource_busy, db.reserve(seat, "bob"_id, 1s));
            std::this_thread::sleep_for(5ms);
        }
        is_kept = extensions == 40;
    }
    CHECK(is_kept);
    CHECK(comes([&] { return db.reserve(seat, "bob"_id, 1s)->granted(); }));
}

static void a_lost_lease_is_told()
{
    using namespace std::chrono_literals;
    auto db = open_quick();

    CHECK(!allocdb::lease().granted() && allocdb::lease().is_lost());
    CHECK_CODE(done, db.create(seat));
    auto held = db.hold(seat, alice, 300ms);
    CHECK_CODE(done, db.release(held->token(), alice)); // behind its back
    CHECK(comes([&] { return held->is_lost() && held->lost_why().message()[0] != 0; }));
    CHECK_SAYS(held->lost_why(), "invalid_state");
    CHECK_CODE(invalid_state, held->release());
    CHECK(held->is_lost());
    CHECK_STATUS(closed, held->release());
    auto closed_under = db.hold(seat, alice, 300ms, 10s);
    CHECK(closed_under->granted());
    CHECK(db.close().has_value());
    CHECK(comes([&] { return closed_under->is_lost(); }));
    CHECK_STATUS(closed, closed_under->release());
}

static void a_hold_waits_and_gives_up()
{
    using namespace std::chrono_literals;
    const auto db = open_quick();
    const auto missing = db.hold("nothing"_id, alice, 1s, 10s);

    CHECK_STATUS(ok, missing);
    CHECK_EQUAL(allocdb::result_code::resource_not_found, missing->code());
    CHECK_STATUS(ttl_out_of_range, db.hold(seat, alice, 0s));
    CHECK_CODE(done, db.create(seat));
    auto first = db.hold(seat, alice, 1s);
    CHECK_EQUAL(allocdb::result_code::resource_busy, db.hold(seat, "bob"_id, 1s)->code());
    CHECK_EQUAL(allocdb::result_code::resource_busy, db.hold(seat, "bob"_id, 1s, 20ms)->code());
    std::thread waiter([&db, token = first->token()] {
        const auto second = db.hold(seat, "bob"_id, 1s, 60s);
        CHECK(second->granted() && second->token() > token);
    });
    allocdb::lease moved = std::move(*first);
    CHECK(!first->granted() && moved.granted());
    CHECK_CODE(done, moved.release());
    waiter.join();
}

static void a_forked_child_has_lost_the_lease_and_may_destroy_it()
{
    using namespace std::chrono_literals;
    const auto db = open_quick();

    CHECK_CODE(done, db.create(seat));
    auto held = db.hold(seat, alice, 5s);
    check::in_child([&] {
        CHECK(held->is_lost());
        CHECK_STATUS(forked, held->release());
        CHECK(!held->granted());
    });
    CHECK(held->granted());
    CHECK_CODE(done, held->release());
}

int main()
{
    static const check::test tests[] = {
        TEST(what_was_never_opened_or_moved_from_is_closed),
        TEST(a_closed_database_says_so_for_ever),
        TEST(a_move_takes_everything_along),
        TEST(one_of_many_threads_gets_it),
        TEST(a_close_waits_for_calls_and_later_ones_are_told),
        TEST(a_forked_child_is_refused_and_harms_nothing),
        TEST(a_dead_owner_s_lock_is_free),
        TEST(a_crash_between_submit_and_answer_gets_the_first_answer),
        TEST(a_lease_is_held_far_beyond_its_ttl_or_told_as_lost),
        TEST(a_lost_lease_is_told),
        TEST(a_hold_waits_and_gives_up),
        TEST(a_forked_child_has_lost_the_lease_and_may_destroy_it),
    };

    return check::run_tests(tests);
}
