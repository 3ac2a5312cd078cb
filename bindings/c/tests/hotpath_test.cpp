/*
 * hotpath_test.cpp - after opening, no call of allocdb.hpp allocates but those that say so: counted
 * by replacing operator new, through which a header of C++ allocates. (That the library itself does
 * not is what allocation_test.c counts, with malloc.)
 */
#include "check.hpp"

#include <new>

using namespace allocdb::literals;
using namespace std::chrono_literals;

static std::atomic<std::uint64_t> allocations{0};

void *operator new(std::size_t size)
{
    allocations++;
    void *memory = std::malloc(size);
    if (memory == nullptr)
        std::abort();
    return memory;
}

void operator delete(void *memory) noexcept
{
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

static void the_counter_counts()
{
    const std::uint64_t before = allocations;

    CHECK(("a name of more than 15 bytes"_id).to_string().size() == 36);
    CHECK(allocations > before);
}

static void calls_allocate_nothing()
{
    auto db = check::open_small();
    auto batch = db.batch(4);
    allocdb::id ids[2] = {"a"_id, "b"_id};
    char text[4096];
    const std::uint64_t before = allocations;
    std::uint64_t rows = 0;

    for (std::uint64_t slot = 1; slot < 200; slot += 2) {
        for (const auto &each : ids)
            (void)db.create(each, {}, slot);
        const auto held = db.reserve_bundle(ids, "alice"_id, 2s, {}, slot);
        CHECK(held->granted());
        CHECK(held->extend(3s)->ok() && held->confirm()->ok() && held->release()->ok());
        CHECK(!db.reserve("nothing"_id, "bob"_id, 1s)->granted());
        CHECK(db.create({}).error().is_definite());
        batch.clear();
        batch.create("c"_id);
        batch.reserve("c"_id, "bob"_id, 2s);
        batch.remove("d"_id);
        CHECK(db.submit(batch).has_value() && batch[2].status == allocdb::status::ok);
        CHECK(db.get_resource("a"_id).has_value());
        CHECK(db.get_reservation(held->reservation_id(), ids).has_value());
        CHECK(db.get_operation(held->outcome().operation.id).has_value());
        for (const auto &row : db.list_resources(allocdb::filter().of("bob"_id)))
            rows += row.resource_id == "c"_id;
        for (const auto &row : db.list_reservations())
            rows += row.reservation_id != allocdb::id();
        CHECK(db.tick(0, slot).has_value() && db.health().has_value());
        CHECK(db.log_read(text).has_value() && db.configuration().has_value());
        CHECK(allocdb::id::from_name("a name of more than 15 bytes").has_value());
        CHECK(db.create("x"_id).has_value() && "x"_id.text().view() == "x");
        allocdb::database moved = std::move(db);
        db = std::move(moved);
    }
    CHECK_EQUAL(before, allocations.load());
    CHECK(rows > 0);
}

int main()
{
    static const check::test tests[] = {
        TEST(the_counter_counts),
        TEST(calls_allocate_nothing),
    };

    return check::run_tests(tests);
}
