"""Batches: one commit, results in order, lazily decoded; refusals, failures and retries."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from conftest import Opener

import allocdb
from allocdb import Batch, CommandKind, Database, Id, ReserveResult, ResultCode, Slots, UsageError
from allocdb._codec import DecodeError


def fill(batch: Batch) -> None:
    """One command of each kind, and a bundle."""
    batch.create("new")
    batch.reserve("new", "alice", Slots(5))
    batch.reserve(["seat_1", "seat_2"], "bob", Slots(5))
    batch.delete("seat_3")
    batch.confirm(11, "alice")
    batch.extend(12, "bob", Slots(9))
    batch.release(12, "bob")
    batch.revoke(11)
    batch.reclaim(11)


KINDS = [1, 3, 3, 2, 4, 5, 6, 7, 8]


def test_a_batch_is_one_commit_with_a_result_for_each_command(db: Database) -> None:
    commits = db.health().commits
    batch = db.batch()
    fill(batch)
    assert len(batch) == 9
    results = batch.submit()
    assert db.health().commits == commits + 1
    assert results.all_ok and results.codes == [ResultCode.DONE] * 9
    assert [result.kind for result in results] == KINDS
    assert [result.lsn for result in results] == list(range(10, 19))
    assert len(results) == 9 and len(batch) == 0
    assert results.tokens[:3] == [0, 11, 12]
    assert results[-1].kind is CommandKind.RECLAIM
    assert [result.lsn for result in results[1:3]] == [11, 12]
    with pytest.raises(IndexError, match="index is 9, the batch had 9 commands"):
        results[9]
    assert repr(results) == "<BatchResults of 9 commands>"


def test_results_go_on_with_their_reservations(db: Database) -> None:
    with db.batch() as batch:
        for number in range(1, 6):
            batch.reserve(f"seat_{number}", f"holder_{number}", Slots(5))
    for number, result in enumerate(batch.results, 1):
        assert isinstance(result, ReserveResult)
        assert result.holder == Id(f"holder_{number}")
        assert result.confirm().ok and result.release().ok


def test_single_commands_and_batches_answer_alike(opened: Opener) -> None:
    one, many = opened(database_id=5), opened(database_id=5)
    for database in (one, many):
        for seat in ("seat_1", "seat_2", "seat_3"):
            database.create(seat, slot=1)
    batch = many.batch()
    batch.create("seat_1")
    batch.reserve("seat_1", "a", Slots(5))
    batch.reserve("seat_1", "b", Slots(5))
    batch.reserve(["seat_2", "x"], "b", Slots(5))
    batch.confirm(5, "a")
    batch.release(5, "b")
    batch.delete("seat_1")
    batch.revoke(5)
    singly = [
        one.create("seat_1"), one.reserve("seat_1", "a", Slots(5)),
        one.reserve("seat_1", "b", Slots(5)), one.reserve(["seat_2", "x"], "b", Slots(5)),
        one.confirm(5, "a"), one.release(5, "b"), one.delete("seat_1"), one.revoke(5),
    ]
    together = list(batch.submit())
    assert [r._outcome for r in singly] == [r._outcome for r in together]
    assert [type(r) for r in singly] == [type(r) for r in together]


def test_results_that_are_not_done_are_values(db: Database) -> None:
    batch = db.batch()
    batch.reserve("seat_1", "alice", Slots(5))
    batch.reserve("seat_1", "bob", Slots(5))
    results = batch.submit()
    assert not results.all_ok and results.codes == [ResultCode.DONE, ResultCode.RESOURCE_BUSY]
    assert results[1].failed_index == 0 and results.error(1) is None
    with pytest.raises(allocdb.BusyError):
        results[1].raise_for_code()


def test_a_command_that_state_rejects_touches_no_other(db: Database) -> None:
    operation = db.create("x").operation
    batch = db.batch()
    batch.create("y")
    batch.create("z", operation=operation)
    batch.create("w")
    results = batch.submit()
    assert results[0].ok and results[2].ok and not results.all_ok
    with pytest.raises(allocdb.OperationConflictError) as caught:
        results[1]
    assert caught.value.operation == operation == results.operations[1]
    assert isinstance(results.error(1), allocdb.OperationConflictError)
    assert results.error(0) is None
    with pytest.raises(IndexError):
        results.error(3)
    for read in (lambda: results.codes, lambda: results.tokens, lambda: list(results)):
        with pytest.raises(allocdb.OperationConflictError):
            read()


def test_a_command_that_the_configuration_rules_out_refuses_all_and_is_named(db: Database) -> None:
    lsn = db.health().last_lsn
    batch = db.batch()
    batch.create("y")
    batch.reserve("seat_1", "alice", Slots(5000))
    with pytest.raises(allocdb.RejectedError, match="command 1: ttl_slots is 5000, must be 1 to"):
        batch.submit()
    assert db.health().last_lsn == lsn and len(batch) == 2
    batch.clear()
    assert len(batch.submit()) == 0


def test_submitting_again_is_answered_from_the_retry_cache(db: Database) -> None:
    operations = [db.operation() for _ in range(9)]
    first = db.batch()
    for operation in operations:
        first.create(operation.id, operation=operation)
    second = db.batch()
    for operation in operations:
        second.create(operation.id, operation=operation)
    assert [r.lsn for r in first.submit()] == [r.lsn for r in second.submit()]
    assert all(r.from_retry_cache for r in second.results)


def test_commands_added_long_ago_still_have_the_whole_window(db: Database) -> None:
    batch = db.batch()
    kept = db.operation()
    batch.create("x")
    batch.create("y", operation=kept)
    db.create("elsewhere", slot=500)
    results = batch.submit()
    assert results[0].ok and results[0].operation.valid_until_slot == 600
    assert isinstance(results.error(1), allocdb.OperationExpiredError)


def test_a_batch_has_its_bound(opened: Opener) -> None:
    db = opened(max_batch_commands=3)
    batch = db.batch()
    for number in range(1, 4):
        batch.create(number)
    with pytest.raises(UsageError, match="holds 3 commands, max_batch_commands is 3"):
        batch.create(4)
    assert batch.submit().all_ok


def test_a_large_batch_grows_its_buffer(opened: Opener) -> None:
    db = opened(max_resources=8192, max_operations=1 << 15, max_batch_bytes=4 << 20)
    with db.batch() as batch:
        for number in range(1, 8001):
            batch.create(number)
    assert batch.results.all_ok
    for _ in range(3):
        for number in range(1, 1001):
            batch.reserve(list(range(number, number + 8)), "alice", Slots(9))
        assert len(batch.submit()) == 1000
    assert len({operation.id for operation in batch.results.operations}) == 1000


def test_a_block_that_raises_submits_nothing(db: Database) -> None:
    lsn = db.health().last_lsn
    with pytest.raises(RuntimeError), db.batch() as batch:
        batch.create("x")
        raise RuntimeError
    with pytest.raises(UsageError, match="the batch has no results: it was not submitted"):
        batch.results
    assert db.health().last_lsn == lsn


def test_a_batch_has_one_slot(db: Database) -> None:
    batch = db.batch(slot=40)
    batch.reserve("seat_1", "alice", Slots(5))
    assert batch.submit()[0].deadline_slot == 45
    assert db.health().last_slot == 40


def test_arguments_of_a_batch_are_named_and_leave_it_as_it_was(db: Database) -> None:
    batch = db.batch()
    batch.create("x")
    cases: list[tuple[Callable[[], None], str]] = [
        (lambda: batch.create(0), "resource is 0"),
        (lambda: batch.delete(-1), "resource is -1"),
        (lambda: batch.reserve("x", 0, 5), "holder is 0"),
        (lambda: batch.reserve([0], "a", 5), r"resources\[0\] is 0"),
        (lambda: batch.reserve([], "a", 5), "resources has 0 ids"),
        (lambda: batch.reserve("x", "a", 0), "ttl is 0, must be above 0"),
        (lambda: batch.confirm(0, "a"), "reservation is 0"),
        (lambda: batch.extend(1, "", 5), "holder is a name of 0 bytes"),
        (lambda: batch.revoke(2**128), "reservation is 3402"),
        (lambda: batch.create("y", operation=0), "operation is 0"),
    ]
    for add, message in cases:
        with pytest.raises(UsageError, match=message):
            add()
    assert len(batch) == 1 and batch.submit().all_ok


def test_an_empty_batch_does_nothing(db: Database) -> None:
    lsn = db.health().last_lsn
    results = db.batch().submit()
    assert len(results) == 0 and results.all_ok and list(results) == []
    assert results.codes == [] and results.tokens == [] and db.health().last_lsn == lsn


def test_a_submission_that_is_refused_whole_keeps_its_commands(opened: Opener) -> None:
    db = opened(max_slot_leap=100)
    db.create("x", slot=5)
    batch = db.batch(slot=90_000)
    batch.create("y")
    batch.create("z")
    with pytest.raises(allocdb.RejectedError, match="slot is 90000, max_slot_leap allows at most"):
        batch.submit()
    assert len(batch) == 2


def test_garbage_for_an_answer_raises_or_is_decoded_and_never_crashes(db: Database) -> None:
    batch = db.batch()
    fill(batch)
    results = batch.submit()
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    looks: list[Callable[[], object]] = [
        lambda: list(results), lambda: results.codes, lambda: results.tokens,
        lambda: results.all_ok, lambda: results.error(draw.randrange(9)), lambda: repr(results[0]),
    ]
    for _ in range(2000):
        results._response[:] = draw.randbytes(len(results._response))
        for look in looks:
            try:
                look()
            except (allocdb.AllocDBError, DecodeError):
                pass
