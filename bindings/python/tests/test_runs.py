"""Runs: commands that are packed a column at a time are the bytes and the commands that single ones
would be.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any, Union

import pytest
from conftest import Opener

import allocdb
from allocdb import AllocDBError, Batch, Database, Operation, Result, Slots, UsageError
from allocdb._runs import MESSAGE_BYTES, put_one, put_run
from allocdb.ids import IdLike
from allocdb.ttl import TTL

HIGH = 1 << 64
# What one such number is made of decides whether its column has a high half.
IDS = [1, 7, HIGH - 1, HIGH, HIGH + 1, 2**128 - 1, 3 << 100]
COUNTS = [1, 2, 7, 8, 9, 255, 256, 257, 700]


@pytest.mark.parametrize("kind", MESSAGE_BYTES)
@pytest.mark.parametrize("ids", [IDS[:3], IDS, IDS[::-1]])
def test_a_run_has_the_bytes_of_its_messages(kind: int, ids: list[int]) -> None:
    size = MESSAGE_BYTES[kind]
    operation = (5 << 64) + 2**63 + 2**62 - 500
    for count in COUNTS:
        targets = [ids[index % len(ids)] for index in range(count)]
        for holders in (None, [targets[-1 - index] for index in range(count)]):
            at = 8 * (count % 3)
            together = bytearray(b"\xee" * (at + size * count + 16))
            singly = bytearray(together)
            put_run(together, at, kind, 9, operation, 11, targets, 2**90, holders, 2**40)
            for index, target in enumerate(targets):
                holder = holders[index] if holders else 2**90
                put_one(
                    singly, at + size * index, kind, 9, operation + index, 11, target, holder, 2**40
                )
            assert together == singly, count
            # Nothing holds on to the buffer.
            together.extend(b"more")


NAMES: list[IdLike] = [
    "seat_1", 2, uuid.UUID(int=3), HIGH + 4, "a name of more than fifteen bytes"
]
HOLDERS: list[IdLike] = [7, "alice", uuid.UUID(int=9), HIGH + 1]
TTLS: list[TTL] = [Slots(5), 60, 0.25]
Answer = Union[Result, AllocDBError]


def add_one(
    draw: random.Random, target: Any, sort: int, holder: IdLike, ttl: TTL, slot: dict[str, int]
) -> Any:
    name, number = draw.choice(NAMES), draw.randrange(1, 60)
    if sort == 0:
        return target.create(name, **slot)
    if sort == 1:
        return target.delete(name, **slot)
    if sort in (2, 3):
        return target.reserve(name, holder, ttl, **slot)
    if sort == 4:
        return target.reserve(["seat_1", 2], holder, ttl, **slot)
    if sort == 5:
        return target.confirm(number, holder, **slot)
    if sort == 6:
        return target.release(number, holder, **slot)
    if sort == 7:
        operation = Operation(allocdb.Id(1000 + draw.randrange(50)))
        return target.create(name, operation=operation, **slot)
    return target.extend(number, holder, ttl, **slot)


def add_some(draw: random.Random, target: Batch | Database, slot: int) -> list[Answer]:
    """A few commands of one sort; the answers of a database, nothing of a batch."""
    slots = {} if isinstance(target, Batch) else {"slot": slot}
    sort, count = draw.randrange(9), draw.choice([1, 2, 3, 12])
    is_one_holder, ttl = draw.random() < 0.5, draw.choice(TTLS)
    answers: list[Answer] = []
    for _ in range(count):
        holder = HOLDERS[0] if is_one_holder else draw.choice(HOLDERS)
        try:
            answers.append(add_one(draw, target, sort, holder, ttl, slots))
        except AllocDBError as error:
            answers.append(error)
    return answers


def test_any_commands_of_a_batch_are_those_that_were_added(opened: Opener) -> None:
    one, many = (
        opened(database_id=5, clock="host", auto_expire=False, sync="os") for _ in range(2)
    )
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    for slot in range(1, 60):
        batch, singly = many.batch(slot=slot), list[Answer]()
        draws = random.Random(seed + slot), random.Random(seed + slot)
        for _ in range(8):
            singly += add_some(draws[0], one, slot)
            add_some(draws[1], batch, slot)
            assert len(batch) == len(singly)
        results = batch.submit()
        assert len(results) == len(singly)
        for index, expected in enumerate(singly):
            if isinstance(expected, Result):
                assert type(results[index]) is type(expected)
                assert results[index]._outcome == expected._outcome
                assert results[index]._holder == expected._holder
            else:
                error = results.error(index)
                assert error is not None and error.status == expected.status


def test_operations_of_a_run_are_its_own_and_stay_over_a_retry(db: Database) -> None:
    batch = db.batch()
    for number in range(100, 400):
        batch.create(number)
    first = batch.submit()
    ids = {operation.id for operation in first.operations}
    assert len(ids) == 300 and len({operation[1] for operation in first.operations}) == 1
    for number, operation in zip(range(100, 400), first.operations):
        batch.create(number, operation=operation)
    assert all(result.from_retry_cache for result in batch.submit())


def test_a_run_goes_on_behind_a_submission_that_failed(opened: Opener) -> None:
    database = opened(max_slot_leap=1000, clock="host", sync="os")
    database.create(1, slot=5)
    batch = database.batch(slot=90_000)
    for number in range(2, 30):
        batch.create(number)
    with pytest.raises(allocdb.RejectedError, match="slot is 90000"):
        batch.submit()
    for number in range(30, 40):
        batch.create(number)
    assert len(batch) == 38
    with pytest.raises(allocdb.RejectedError, match="slot is 90000"):
        batch.submit()
    assert len(batch.results) == 38
    assert len({operation.id for operation in batch.results.operations}) == 38


def test_a_run_has_the_bound_of_its_batch(opened: Opener) -> None:
    database = opened(max_batch_commands=20)
    batch = database.batch()
    batch.reserve(1, 2, 60, operation=allocdb.Id(5))
    for number in range(2, 21):
        batch.reserve(number, 2, 60)
    more: list[Callable[[], object]] = [
        lambda: batch.reserve(21, 2, 60), lambda: batch.create("another")
    ]
    for add in more:
        with pytest.raises(UsageError, match="the batch holds 20 commands"):
            add()
    assert len(batch) == 20 and len(batch.submit()) == 20
    batch.reserve(1, 2, 60)
    assert len(batch) == 1


def test_a_refused_argument_changes_nothing_of_the_run(db: Database) -> None:
    batch = db.batch()
    for number in (1, 2, 3):
        batch.reserve(f"seat_{number}", "alice", Slots(5))
    for wrong in (0, -1, 2**128, None, True, 1.5):
        with pytest.raises(UsageError, match="resource"):
            batch.reserve(wrong, "alice", Slots(9))  # type: ignore[arg-type]
    batch.reserve("seat_4", "alice", Slots(5))
    results = batch.submit()
    assert len({result.deadline_slot for result in results}) == 1
