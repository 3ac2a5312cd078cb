"""Leases: kept while the block runs, released at its end, and told when they are lost.

Where time matters the test counts the slots: nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from conftest import Opener

import allocdb
from allocdb import Database, Id, LeaseLostError, ResourceState, Slots


def state_of(db: Database, resource: str) -> ResourceState:
    row = db.get_resource(resource)
    assert row is not None
    return row.state


def until(condition: Callable[[], bool]) -> None:
    """Waits for what must come; a test that waits for ever is stopped by whoever runs it."""
    tick = threading.Event()
    while not condition():
        tick.wait(0.001)


def test_a_lease_holds_and_lets_go(db: Database) -> None:
    with db.hold("seat_1", holder="job", ttl=30) as lease:
        assert state_of(db, "seat_1") is ResourceState.RESERVED
        assert lease.token == lease.reservation_id and lease.holder == Id("job")
        assert lease.resources == (Id("seat_1"),) and not lease.lost and lease.reason is None
        lease.check()
        assert repr(lease) == f"<Lease of seat_1, token={lease.token}, held>"
    assert state_of(db, "seat_1") is ResourceState.AVAILABLE
    assert repr(lease).endswith("ended>") and not lease.lost


def test_a_lease_of_several_resources_is_all_or_nothing(db: Database) -> None:
    with db.hold(["seat_1", "seat_2"], "job", 30) as lease:
        assert lease.resources == (Id("seat_1"), Id("seat_2"))
        with pytest.raises(allocdb.BusyError):
            db.hold(["seat_3", "seat_2"], "other", 30).__enter__()
        assert state_of(db, "seat_3") is ResourceState.AVAILABLE


def test_tokens_grow_with_every_lease(db: Database) -> None:
    hold, tokens = db.hold("seat_1", "job", 30), []
    for _ in range(5):
        with hold as lease:
            tokens.append(lease.token)
    assert tokens == sorted(set(tokens))


def test_what_cannot_be_held_is_told_at_once(db: Database) -> None:
    with db.hold("seat_1", "job", 30):
        with pytest.raises(allocdb.BusyError, match="reserve: resource_busy"):
            with db.hold("seat_1", "other", 30):
                raise AssertionError
        with pytest.raises(allocdb.BusyError), db.hold("seat_1", "other", 30, wait=0.01):
            raise AssertionError
    with pytest.raises(allocdb.ResultError, match="resource_not_found"):
        with db.hold("nowhere", "job", 30, wait=60):
            raise AssertionError
    with pytest.raises(allocdb.UsageError, match="wait is -1, must be at least 0"):
        db.hold("seat_1", "job", 30, wait=-1)
    with pytest.raises(allocdb.UsageError, match="a lease needs at least Slots"):
        db.hold("seat_1", "job", Slots(1))
    hold = db.hold("seat_1", "job", 30)
    with hold, pytest.raises(allocdb.UsageError, match="entered already"):
        hold.__enter__()


def test_waiting_gets_what_is_let_go(db: Database) -> None:
    first = db.hold("seat_1", "first", 30)
    first.__enter__()
    tokens: list[int] = []

    def wait() -> None:
        with db.hold("seat_1", "second", 30, wait=600) as lease:
            tokens.append(lease.token)

    thread = threading.Thread(target=wait)
    thread.start()
    first.__exit__(None, None, None)
    thread.join()
    assert len(tokens) == 1 and state_of(db, "seat_1") is ResourceState.AVAILABLE


def test_waiting_gets_what_has_expired(db: Database) -> None:
    db.reserve("seat_1", "gone", Slots(5))
    db.create("later", slot=4)
    got = threading.Event()

    def wait() -> None:
        with db.hold("seat_1", "second", 30, wait=600):
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    db.delete("nothing", slot=6)
    thread.join()
    assert got.is_set()


def test_a_lease_is_kept_for_a_hundred_times_its_ttl_under_load(opened: Opener) -> None:
    """The host's clock goes on by a third of the TTL whenever the last renewal has been seen, while
    other threads commit all the time: each of those commits would expire what is due.
    """
    db = opened(slot_duration_ms=1, max_operations=1 << 18, operation_window_slots=100)
    for resource in ("gpu", "x0", "x1", "x2"):
        db.create(resource, slot=1)
    is_over = threading.Event()

    ttl_slots, step, steps = 30, 10, [0]

    def load(resource: str) -> None:
        while not is_over.is_set():
            now = steps[0]
            # So many in each step that the window's operations fit, however long a step takes.
            for _ in range(500):
                try:
                    r = db.reserve(resource, "load", Slots(3))
                    if r.ok:
                        r.release()
                except allocdb.OperationExpiredError:
                    pass
            until(lambda: steps[0] != now or is_over.is_set())

    threads = [threading.Thread(target=load, args=(f"x{n}",)) for n in range(3)]
    with db.hold("gpu", "job", Slots(ttl_slots)) as lease:
        for thread in threads:
            thread.start()
        token, slot = lease.token, 1
        while slot < 100 * ttl_slots:
            slot += step
            db.create("tick of the clock", slot=slot)
            steps[0] += 1
            until(lambda: lease.deadline_slot >= slot + ttl_slots or lease.lost)
            assert not lease.lost, lease.reason
            row = db.get_resource("gpu")
            assert row is not None and row.reservation_id == token
        is_over.set()
        for thread in threads:
            thread.join()
    assert db.health().last_slot >= 100 * ttl_slots
    assert state_of(db, "gpu") is ResourceState.AVAILABLE


def test_under_the_system_clock_a_lease_is_kept_or_told(opened: Opener) -> None:
    """Whatever the machine does to the threads: as long as the lease does not say that it was lost,
    the reservation is the holder's.
    """
    db = opened(clock="system", slot_duration_ms=10, max_operations=1 << 18)
    db.create("gpu")
    for _ in range(5):
        try:
            with db.hold("gpu", "job", ttl=0.03) as lease:
                for _ in range(20):
                    row, lost = db.get_resource("gpu"), lease.lost
                    assert row is not None
                    assert row.reservation_id == lease.token or lease.lost or lost
                    db.create("gpu")
        except LeaseLostError:
            assert lease.lost and lease.reason is not None


def test_a_lease_that_somebody_released_is_lost_and_told_at_the_end(db: Database) -> None:
    with pytest.raises(LeaseLostError, match="the lease of seat_1 .token 10. was lost: invalid_s"):
        with db.hold("seat_1", "job", 30) as lease:
            assert db.release(lease.token, "job").ok
            assert not lease.renew().ok
            assert lease.lost and lease.reason == "invalid_state"
            with pytest.raises(LeaseLostError):
                lease.check()
    assert repr(lease) == "<Lease of seat_1, token=10, lost>"


def test_a_loss_that_no_renewal_saw_is_told_at_the_end_too(db: Database) -> None:
    with pytest.raises(LeaseLostError, match="was lost: invalid_state") as caught:
        with db.hold("seat_1", "job", 30) as lease:
            db.release(lease.token, "job")
    assert caught.value.result is not None
    assert caught.value.code is allocdb.ResultCode.INVALID_STATE


def test_an_expired_lease_is_lost_and_its_successor_is_left_alone(db: Database) -> None:
    with pytest.raises(LeaseLostError, match="was lost: invalid_state"):
        with db.hold("seat_1", "job", Slots(900)) as lease:
            other = db.reserve("seat_1", "other", Slots(900), slot=2000)
            assert other.ok and other.token > lease.token
            assert not lease.renew().ok and lease.lost
    row = db.get_resource("seat_1")
    assert row is not None and row.reservation_id == other.token


def test_the_thread_finds_a_loss_by_itself(opened: Opener) -> None:
    db = opened(slot_duration_ms=1)
    db.create("gpu")
    with pytest.raises(LeaseLostError):
        with db.hold("gpu", "job", Slots(30)) as lease:
            db.release(lease.token, "job")
            until(lambda: lease.lost)


def test_a_lease_of_a_closed_database_is_lost(opened: Opener) -> None:
    db = opened(slot_duration_ms=1)
    db.create("gpu")
    with pytest.raises(allocdb.AllocDBError) as caught:
        with db.hold("gpu", "job", Slots(30)) as lease:
            db.close()
            with pytest.raises(allocdb.ClosedError):
                lease.renew()
    assert isinstance(caught.value, (allocdb.ClosedError, LeaseLostError))


def test_what_the_block_raises_is_not_hidden(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.hold("seat_1", "job", 30) as lease:
        db.release(lease.token, "job")
        lease.renew()
        raise ZeroDivisionError


def test_many_leases_share_one_thread(opened: Opener) -> None:
    db = opened(max_resources=300, max_reservations=600, slot_duration_ms=1)
    with db.batch() as batch:
        for number in range(1, 201):
            batch.create(number)
    before = threading.active_count()
    holds = [db.hold(number, "job", Slots(30)) for number in range(1, 201)]
    leases = [hold.__enter__() for hold in holds]
    assert threading.active_count() <= before + 1
    slot = 1
    for _ in range(6):
        slot += 10
        db.create("clock", slot=slot)
        until(lambda: all(lease.deadline_slot >= slot + 30 or lease.lost for lease in leases))
    assert not any(lease.lost for lease in leases)
    for hold in reversed(holds):
        hold.__exit__(None, None, None)
    until(lambda: threading.active_count() == before)


def test_a_definite_failure_is_tried_again_until_the_deadline(opened: Opener) -> None:
    db = opened()
    db.create("gpu")
    with db.hold("gpu", "job", 30) as lease:
        real = db.extend
        failures: list[int] = []

        def extend(*args: object, **options: object) -> allocdb.Result:
            if len(failures) < 3:
                failures.append(1)
                raise allocdb.OverloadedError("the queue is full: max_queue is 1; retry later")
            return real(lease.token, "job", Slots(30))

        db.extend = extend  # type: ignore[method-assign]
        assert [lease._renew_in_background() for _ in range(3)] == [lease._ttl_s / 10] * 3
        assert not lease.lost
        assert lease._renew_in_background() == lease._ttl_s / 3
        failures.clear()
        lease._deadline = 0
        assert lease._renew_in_background() is None and lease.lost
        assert lease.reason == "the queue is full: max_queue is 1; retry later"
        lease._reason = None
