"""Every command and every result code, retries, bundles, reads and listings."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta

import pytest
from conftest import Opener

import allocdb
from allocdb import (
    BusyError,
    CommandKind,
    Database,
    Id,
    Operation,
    ReservationState,
    ResourceState,
    ResultCode,
    ResultError,
    Slots,
    UsageError,
)


def test_a_seat_is_reserved_confirmed_and_released(db: Database) -> None:
    r = db.reserve("seat_1", holder="alice", ttl=Slots(10))
    assert r.ok and r.code is ResultCode.DONE and r.kind is CommandKind.RESERVE
    assert r.holder == Id("alice") and r.token == r.reservation_id
    assert r.deadline_slot == 11 and r.failed_index is None and not r.from_retry_cache
    confirmed = r.confirm()
    assert confirmed.ok and confirmed.kind is CommandKind.CONFIRM
    assert confirmed.reservation_id == r.reservation_id
    row = db.get_resource("seat_1")
    assert row is not None
    assert (row.state, row.holder_id) == (ResourceState.CONFIRMED, Id("alice"))
    assert r.release().ok
    row = db.get_resource("seat_1")
    assert row is not None and row.state is ResourceState.AVAILABLE
    assert row.holder_id is None and row.reservation_id is None and row.version == 3


def test_create_and_delete_answer_with_their_codes(opened: Opener) -> None:
    db = opened(max_resources=2)
    assert db.create("seat_1").code is ResultCode.DONE
    assert db.create("seat_1").code is ResultCode.RESOURCE_EXISTS
    assert db.create("seat_2").code is ResultCode.DONE
    assert db.create("seat_3").code is ResultCode.RESOURCE_TABLE_FULL
    assert db.delete("seat_3").code is ResultCode.RESOURCE_NOT_FOUND
    assert db.reserve("seat_2", "alice", ttl=9).ok
    assert db.delete("seat_2").code is ResultCode.RESOURCE_BUSY
    assert db.delete("seat_1").code is ResultCode.DONE
    assert db.create("seat_3").code is ResultCode.DONE


def test_reserve_answers_with_its_codes(opened: Opener) -> None:
    db = opened(max_reservations=3, max_expiration_bucket_len=2)
    for number in range(1, 7):
        db.create(number)
    assert db.reserve(99, "alice", ttl=9).code is ResultCode.RESOURCE_NOT_FOUND
    assert db.reserve(1, "alice", Slots(9)).code is ResultCode.DONE
    assert db.reserve(1, "bob", Slots(9)).code is ResultCode.RESOURCE_BUSY
    assert db.reserve(2, "bob", Slots(9)).code is ResultCode.DONE
    assert db.reserve(3, "bob", Slots(9)).code is ResultCode.EXPIRATION_INDEX_FULL
    assert db.reserve(3, "bob", Slots(8)).code is ResultCode.DONE
    assert db.reserve(4, "bob", Slots(7)).code is ResultCode.RESERVATION_TABLE_FULL


def test_a_reservation_that_is_not_right_is_answered_with_its_codes(db: Database) -> None:
    assert db.confirm(5, "alice").code is ResultCode.RESERVATION_NOT_FOUND
    r = db.reserve("seat_1", "alice", Slots(10))
    for command in (db.confirm, db.release):
        assert command(r.token, "bob").code is ResultCode.HOLDER_MISMATCH
    assert db.extend(r.token, "bob", Slots(5)).code is ResultCode.HOLDER_MISMATCH
    assert db.revoke(r.token).code is ResultCode.INVALID_STATE
    assert db.reclaim(r.token).code is ResultCode.INVALID_STATE
    assert r.confirm().ok and r.confirm().code is ResultCode.INVALID_STATE
    assert r.extend(Slots(50)).code is ResultCode.INVALID_STATE
    assert r.release().ok and r.release().code is ResultCode.INVALID_STATE
    # Past the history window it is forgotten.
    assert db.create("later", slot=60).ok
    for _ in range(40):
        db.create("later", slot=60)
    assert db.confirm(r.token, "alice").code is ResultCode.RESERVATION_RETIRED
    with pytest.raises(allocdb.RetiredError, match="ended and is no longer remembered"):
        db.get_reservation(r.token)


def test_extend_moves_a_deadline_later_and_never_earlier(opened: Opener) -> None:
    db = opened(max_expiration_bucket_len=1)
    db.create(1, slot=1), db.create(2, slot=1)
    r = db.reserve(1, "alice", Slots(10))
    assert r.deadline_slot == 11
    assert r.extend(Slots(20)).deadline_slot == 21
    assert r.extend(Slots(5)).deadline_slot == 21
    other = db.reserve(2, "bob", Slots(5))
    assert other.extend(Slots(20)).code is ResultCode.EXPIRATION_INDEX_FULL
    assert r.extend(timedelta(seconds=30)).deadline_slot == 1 + 31


def test_an_operator_revokes_and_reclaims(db: Database) -> None:
    r = db.reserve("seat_1", "alice", Slots(10))
    assert r.confirm().ok
    assert db.revoke(r.token).kind is CommandKind.REVOKE
    assert db.reserve("seat_1", "bob", Slots(10)).code is ResultCode.RESOURCE_BUSY
    row = db.get_reservation(r.token)
    assert row is not None and row.state is ReservationState.REVOKING
    assert db.reclaim(r.token).ok
    row = db.get_reservation(r.token)
    assert row is not None and row.state is ReservationState.REVOKED and row.resource_ids is None
    assert db.reserve("seat_1", "bob", Slots(10)).token > r.token


def test_a_bundle_is_reserved_whole_or_not_at_all(db: Database) -> None:
    taken = db.reserve("seat_3", "bob", Slots(10))
    r = db.reserve(["seat_1", "seat_2", "seat_3"], "alice", Slots(10))
    assert r.code is ResultCode.RESOURCE_BUSY and r.failed_index == 2
    assert db.reserve(("seat_1", "nowhere"), "alice", Slots(10)).failed_index == 1
    assert taken.release().ok
    r = db.reserve(["seat_3", "seat_1", "seat_2"], "alice", Slots(10))
    row = db.get_reservation(r.token)
    assert row is not None and row.resource_count == 3 and row.token == r.token
    assert row.resource_ids == (Id("seat_3"), Id("seat_1"), Id("seat_2"))
    assert r.release().ok
    assert all(row.state is ResourceState.AVAILABLE for row in db.list_resources())


def test_the_same_operation_gets_the_first_answer(db: Database) -> None:
    first = db.reserve("seat_1", "alice", Slots(10))
    again = db.reserve("seat_1", "alice", Slots(10), operation=first.operation)
    assert again.from_retry_cache and not first.from_retry_cache
    assert (again.token, again.lsn) == (first.token, first.lsn)
    assert db.get_operation(first.operation) is not None
    named = db.create("seat_77", operation="order-17")
    assert named.operation == Operation(Id("order-17"), 0)
    assert db.create("seat_77", operation="order-17").from_retry_cache


def test_every_command_takes_an_operation(db: Database) -> None:
    r = db.reserve("seat_1", "alice", Slots(10), operation=1)
    commands: list[Callable[[Operation], allocdb.Result]] = [
        lambda op: db.create("x", operation=op),
        lambda op: db.delete("x", operation=op),
        lambda op: db.extend(r.token, "alice", Slots(20), operation=op),
        lambda op: db.confirm(r.token, "alice", operation=op),
        lambda op: db.revoke(r.token, operation=op),
        lambda op: db.reclaim(r.token, operation=op),
        lambda op: db.release(r.token, "alice", operation=op),
    ]
    for command in commands:
        operation = db.operation()
        first, again = command(operation), command(operation)
        assert first.operation == again.operation == operation
        assert again.lsn == first.lsn and again.code == first.code and again.from_retry_cache
        found = db.get_operation(operation)
        assert found is not None and (found.lsn, found.code) == (first.lsn, first.code)
        assert found.kind is CommandKind.OPERATION


def test_operations_of_a_handle_are_all_different_and_valid_for_the_window(db: Database) -> None:
    found = {db.operation().id for _ in range(1000)}
    found |= {db.create("x").operation.id for _ in range(100)}
    assert len(found) == 1100
    assert db.operation().valid_until_slot == 1 + 100
    assert db.operation(slot=500).valid_until_slot == 600
    db.tick(slot=1)
    db.create("y", slot=40)
    assert db.operation().valid_until_slot == 140


def test_a_deadline_that_passes_frees_at_the_next_commit_and_never_early(db: Database) -> None:
    r = db.reserve("seat_1", "alice", Slots(10))
    assert db.reserve("seat_1", "bob", Slots(10), slot=10).code is ResultCode.RESOURCE_BUSY
    assert db.reserve("seat_1", "bob", Slots(10), slot=11).ok
    row = db.get_reservation(r.token)
    assert row is not None and row.state is ReservationState.EXPIRED and row.ended_lsn > 0


def test_tick_expires_what_is_due_by_its_limit(db: Database) -> None:
    for number in range(1, 7):
        assert db.reserve(f"seat_{number}", "alice", Slots(5)).ok
    assert db.tick(slot=5) == allocdb.TickResult(0, 1, 0, 0)
    first = db.tick(2, slot=6)
    assert (first.expired_count, first.due_count, first.slot) == (2, 4, 6) and first.lsn > 0
    assert db.tick(slot=6).expired_count == 4
    assert db.tick(slot=6).expired_count == 0


def test_auto_expire_can_be_left_to_ticks(opened: Opener) -> None:
    db = opened(auto_expire=False)
    db.create(1, slot=1)
    assert db.reserve(1, "alice", Slots(5)).ok
    assert db.reserve(1, "bob", Slots(5), slot=50).code is ResultCode.RESOURCE_BUSY
    assert db.tick().expired_count == 1
    assert db.reserve(1, "bob", Slots(5)).ok


def test_results_that_are_not_done_can_be_raised(db: Database) -> None:
    db.reserve("seat_1", "alice", Slots(10)).raise_for_code()
    busy = db.reserve("seat_1", "bob", Slots(10))
    with pytest.raises(BusyError, match="reserve: resource_busy .resource 0 of the reserve.") as e:
        busy.raise_for_code()
    assert e.value.result is busy and e.value.code is ResultCode.RESOURCE_BUSY
    assert e.value.operation == busy.operation and not e.value.is_indefinite
    with pytest.raises(ResultError, match="create_resource: resource_exists") as caught:
        db.create("seat_1").raise_for_code()
    assert not isinstance(caught.value, BusyError)


def test_a_reservation_that_was_not_granted_cannot_be_used(db: Database) -> None:
    db.reserve("seat_1", "alice", Slots(10))
    busy = db.reserve("seat_1", "bob", Slots(10))
    with pytest.raises(BusyError, match="confirm: the reserve was not granted: resource_busy"):
        busy.confirm()
    with pytest.raises(BusyError, match="extend: the reserve was not granted"):
        busy.extend(5)
    missing = db.reserve("nowhere", "bob", Slots(10))
    with pytest.raises(ResultError, match="release: the reserve was not granted: resource_not_f"):
        missing.release()


def test_results_can_be_sent_to_another_process(db: Database) -> None:
    r = db.reserve("seat_1", "alice", Slots(10))
    twin = pickle.loads(pickle.dumps(r))
    assert twin == r and hash(twin) == hash(r) and twin.operation == r.operation
    assert twin != db.reserve("seat_2", "alice", Slots(10)) and twin != 5
    with pytest.raises(UsageError, match="confirm: this result was pickled"):
        twin.confirm()
    with pytest.raises(BusyError) as caught:
        db.reserve("seat_1", "bob", Slots(10)).raise_for_code()
    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is BusyError and error.result == caught.value.result
    with pytest.raises(UsageError, match="cannot be sent to another process: open it there"):
        pickle.dumps(db)


def test_a_result_shows_what_matters(db: Database) -> None:
    r = db.reserve("seat_1", "alice", Slots(10))
    assert repr(r).startswith("<ReserveResult reserve: DONE, lsn=10, reservation_id=Id(10)")
    assert "failed_index=0" in repr(db.reserve("seat_1", "bob", Slots(10)))
    again = db.reserve("seat_1", "alice", Slots(10), operation=r.operation)
    assert "from_retry_cache=True" in repr(again)
    assert repr(db.create("seat_1")) == "<Result create_resource: RESOURCE_EXISTS, lsn=12>"


def test_reads_see_what_their_fence_asks_for(db: Database) -> None:
    lsn = db.create("fenced").lsn
    assert db.get_resource("fenced", required_lsn=lsn) is not None
    for read in (
        lambda: db.get_resource("fenced", required_lsn=lsn + 5),
        lambda: db.get_reservation(7, required_lsn=lsn + 5),
        lambda: db.get_operation(7, required_lsn=lsn + 5),
        lambda: list(db.list_resources(required_lsn=lsn + 5)),
        lambda: list(db.list_reservations(required_lsn=lsn + 5)),
    ):
        with pytest.raises(allocdb.FenceError, match=f"required_lsn is {lsn + 5}, the last") as e:
            read()
        assert (e.value.required_lsn, e.value.applied_lsn) == (lsn + 5, lsn)


def test_what_is_not_there_is_none(db: Database) -> None:
    assert db.get_resource("nowhere") is None
    assert db.get_reservation(2**64 - 1) is None
    assert db.get_operation(12345) is None


def test_listings_show_each_row_once_and_filter(db: Database) -> None:
    db.reserve(["seat_1", "seat_2"], "alice", Slots(10)).confirm()
    db.reserve("seat_3", "bob", Slots(10))
    rows = list(db.list_resources())
    assert sorted(str(row.resource_id) for row in rows) == [f"seat_{n}" for n in range(1, 10)]
    held = db.list_resources(states=[ResourceState.RESERVED, ResourceState.CONFIRMED])
    assert {str(row.resource_id) for row in held} == {"seat_1", "seat_2", "seat_3"}
    assert {str(r.resource_id) for r in db.list_resources(holder="alice")} == {"seat_1", "seat_2"}
    [row] = db.list_reservations(states=[ReservationState.CONFIRMED])
    assert row.holder_id == Id("alice") and row.resource_count == 2 and row.resource_ids is None
    assert len(list(db.list_reservations())) == 2
    with pytest.raises(UsageError, match="state is 32, must be 0 to 2..5 - 1"):
        list(db.list_resources(states=[32]))  # type: ignore[list-item]


def test_listings_go_over_many_pages(opened: Opener) -> None:
    db = opened(max_resources=5000)
    with db.batch() as batch:
        for number in range(1, 3001):
            batch.create(number)
    assert {row.resource_id for row in db.list_resources()} == set(range(1, 3001))
    iterator = db.list_resources()
    first = next(iterator)
    db.create(4000)
    rest = {row.resource_id for row in iterator}
    assert {first.resource_id} | rest >= set(range(1, 3001))


def test_enumerations_take_numbers_of_later_versions() -> None:
    later = ResultCode(99)
    assert later == 99 and later.name == "UNKNOWN_99" and isinstance(later, ResultCode)
    with pytest.raises(ValueError):
        ResultCode("done")  # type: ignore[arg-type]


@pytest.mark.parametrize("slot", [-1, 2**64, 1.5, True, None])
def test_a_slot_is_an_unsigned_number(db: Database, slot: object) -> None:
    for command in (
        lambda: db.create(1, slot=slot),  # type: ignore[arg-type]
        lambda: db.release(1, 2, slot=slot),  # type: ignore[arg-type]
        lambda: db.extend(1, 2, 3, slot=slot),  # type: ignore[arg-type]
        lambda: db.reserve(1, 2, 3, slot=slot),  # type: ignore[arg-type]
        lambda: db.tick(slot=slot),  # type: ignore[arg-type]
        lambda: db.health(slot=slot),  # type: ignore[arg-type]
        lambda: db.batch(slot=slot),  # type: ignore[arg-type]
        lambda: db.operation(slot=slot),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError, match="slot is .*, must be"):
            command()


def test_arguments_are_named_with_their_values(db: Database) -> None:
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: db.create(0), r"resource is 0, must be 1 to 2\*\*128 - 1"),
        (lambda: db.delete(-3), "resource is -3"),
        (lambda: db.reserve(1, 0, 5), "holder is 0"),
        (lambda: db.reserve([1, 0], 1, 5), r"resources\[1\] is 0"),
        (lambda: db.reserve([], 1, 5), "resources has 0 ids, must be 1 to 1024"),
        (lambda: db.reserve([1] * 1025, 1, 5), "resources has 1025 ids, must be 1 to 1024"),
        (lambda: db.confirm(2**128, 1), "reservation is 3402"),
        (lambda: db.release(1, ""), "holder is a name of 0 bytes"),
        (lambda: db.create(1, operation=0), "operation is 0"),
        (lambda: db.create(1, operation=Operation(Id(1), -1)), "operation.valid_until_slot is -1"),
        (lambda: db.tick(2**32), r"limit is 4294967296, must be 0 to 2\*\*32 - 1"),
        (lambda: db.get_resource(1, required_lsn=-1), "required_lsn is -1"),
        (lambda: db.get_resource(0), "resource is 0"),
        (lambda: db.get_reservation(0), "reservation is 0"),
        (lambda: db.get_operation(0), "operation is 0"),
    ]
    lsn = db.health().last_lsn
    for command, message in cases:
        with pytest.raises(UsageError, match=message):
            command()
    assert db.health().last_lsn == lsn
