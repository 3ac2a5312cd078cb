"""Leases: a reservation that is kept alive while a block runs, and released at its end.

One thread of each database renews all its leases: it sleeps until the earliest is due, extends it,
and puts it back a third of its TTL later, so that two renewals may fail before the deadline. It
starts with the first lease and ends with the last. Rejected: a thread for each lease (a program may
hold thousands), and a timer in native code, which would have to call back into Python.

The database decides whether a lease lives: an extend that is committed before the expiry wins, also
after the deadline (R56). So ``lost`` is set when the database says so, or when nobody can renew it
any more; and it reads true while the last acknowledged deadline has passed on this machine's
monotonic clock, because then another holder is possible.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .batch import bundle
from .constants import ResourceState, ResultCode
from .errors import (
    AllocDBError,
    LeaseLostError,
    OverloadedError,
    RetiredError,
    StorageFullError,
    UsageError,
)
from .ids import Id, IdLike, id_number
from .results import ReserveResult, Result
from .ttl import TTL, Slots, slots_of

if TYPE_CHECKING:
    from .database import Database

logger = logging.getLogger("allocdb")

_POLL_S_MIN, _POLL_S_MAX = 0.001, 0.05
_DEAD_ENTRIES_MAX = 64


class Lease:
    """A reservation that is being kept alive: what ``with db.hold(...) as lease`` gives. Safe in
    any thread.
    """

    def __init__(
        self, database: Database, result: ReserveResult, resources: list[int], ttl_slots: int,
        begin: float,
    ) -> None:
        self._database = database
        self._result = result
        self._resources = resources
        self._ttl = Slots(ttl_slots)
        handle = database._handle
        self._ttl_s = (ttl_slots - 1) * handle.slot_duration_ms / 1000
        self._is_host_clock = handle.is_host_clock
        self._deadline = begin + self._ttl_s
        self._deadline_slot = result.deadline_slot
        self._reason: str | None = None
        self._cause: Exception | None = None
        self._lost_result: Result | None = None
        self._is_ended = False

    @property
    def token(self) -> int:
        """The fencing token: it grows with every reservation of the database. Show it to what the
        lease protects.
        """
        return self._result.token

    @property
    def reservation_id(self) -> Id:
        """The reservation behind the lease."""
        return int.__new__(Id, self._result.token)

    @property
    def holder(self) -> Id:
        """Who holds it."""
        return self._result.holder

    @property
    def resources(self) -> tuple[Id, ...]:
        """What is held."""
        return tuple(int.__new__(Id, resource) for resource in self._resources)

    @property
    def deadline_slot(self) -> int:
        """The deadline that was last acknowledged, in slots."""
        return self._deadline_slot

    @property
    def lost(self) -> bool:
        """``True``: another holder is possible now; stop what the lease protects."""
        if self._reason is not None:
            return True
        return not self._is_host_clock and not self._is_ended and self._is_past_deadline()

    @property
    def reason(self) -> str | None:
        """Why it was lost; ``None`` where it was not."""
        return self._reason

    def check(self) -> None:
        """Raises :class:`LeaseLostError` where the lease was lost: for loops between two steps."""
        if self.lost:
            raise self._lost_error()

    def renew(self) -> Result:
        """Extends the lease now, without waiting for the thread that does.

        Returns the result of the extend; one that is not ``DONE`` means that the lease was lost.
        Raises as ``Database.extend``.
        """
        begin = time.monotonic()
        result = self._database.extend(self.token, self.holder, self._ttl)
        if result.ok:
            self._deadline = begin + self._ttl_s
            self._deadline_slot = result.deadline_slot
        elif not self._is_ended:
            self._lost_result = result
            self._lose(result.code.name.lower())
        return result

    def __repr__(self) -> str:
        names = ", ".join(str(resource) for resource in self.resources)
        state = "lost" if self.lost else "ended" if self._is_ended else "held"
        return f"<Lease of {names}, token={self.token}, {state}>"

    def _renew_in_background(self) -> float | None:
        """One renewal by the thread; returns the seconds to the next, ``None`` for no more."""
        try:
            result = self.renew()
        except (OverloadedError, StorageFullError) as error:
            # Definite, and it may pass: go on trying for as long as the lease can still live.
            if not self._is_past_deadline():
                return self._ttl_s / 10
            self._lose(str(error), error)
        except Exception as error:
            # Whatever it is: the thread has other leases to renew.
            self._lose(str(error), error)
        else:
            return self._ttl_s / 3 if result.ok else None
        return None

    def _is_past_deadline(self) -> bool:
        return time.monotonic() >= self._deadline

    def _lose(self, reason: str, cause: Exception | None = None) -> None:
        if self._is_ended or self._reason is not None:
            return
        self._cause = cause
        self._reason = reason
        logger.warning("%r was lost: %s", self, reason)

    def _lost_error(self) -> LeaseLostError:
        names = ", ".join(str(resource) for resource in self.resources)
        reason = self._reason or "its deadline has passed without a renewal"
        error = LeaseLostError(
            f"the lease of {names} (token {self.token}) was lost: {reason}", self._lost_result
        )
        error.__cause__ = self._cause
        return error

    def _end(self) -> LeaseLostError | None:
        """Releases; returns what to raise where it was lost."""
        if self._reason is not None:
            return self._lost_error()
        self._is_ended = True
        result = self._database.release(self.token, self.holder)
        if result.ok:
            return None
        self._lost_result = result
        self._reason = result.code.name.lower()
        return self._lost_error()


class Hold:
    """The context manager that ``db.hold`` gives: entering gives a :class:`Lease`. Of one thread at
    a time; it may be entered again after it was left.
    """

    def __init__(
        self,
        database: Database,
        resources: IdLike | Sequence[IdLike],
        holder: IdLike,
        ttl: TTL,
        wait_s: float,
    ) -> None:
        self._database = database
        self._resources = bundle(resources)
        self._holder = id_number(holder, "holder")
        self._ttl_slots = slots_of(ttl, database._handle.slot_duration_ms)
        if self._ttl_slots < 2:
            raise UsageError(f"ttl is {ttl!r}, a lease needs at least Slots(2) to be renewed in")
        self._wait_s = wait_s
        self._lease: Lease | None = None

    def __enter__(self) -> Lease:
        if self._lease is not None:
            raise UsageError("this hold is entered already")
        self._lease = self._acquire()
        self._database._renewals.add(self._lease)
        return self._lease

    def __exit__(self, kind: object, *_: object) -> None:
        lease, self._lease = self._lease, None
        assert lease is not None, "entered before it is left"
        self._database._renewals.remove(lease)
        try:
            lost = lease._end()
        except AllocDBError as error:
            if kind is None:
                raise
            logger.warning("%r could not be released: %s", lease, error)
            return
        if lost is not None:
            if kind is None:
                raise lost
            logger.warning("%s", lost)

    def _acquire(self) -> Lease:
        end = time.monotonic() + self._wait_s
        pause_s = _POLL_S_MIN
        while True:
            begin = time.monotonic()
            result = self._database.reserve(self._resources, self._holder, Slots(self._ttl_slots))
            if result.ok:
                return Lease(self._database, result, self._resources, self._ttl_slots, begin)
            if result.code is not ResultCode.RESOURCE_BUSY:
                result.raise_for_code()
            while True:
                left_s = end - time.monotonic()
                if left_s <= 0:
                    result.raise_for_code()
                time.sleep(min(pause_s, left_s))
                pause_s = min(pause_s * 2, _POLL_S_MAX)
                # Reads cost no write and no operation: only a try that may succeed is a command.
                if all(self._looks_free(resource) for resource in self._resources):
                    break

    def _looks_free(self, resource: int) -> bool:
        row = self._database.get_resource(resource)
        if row is None or row.state is ResourceState.AVAILABLE:
            return True
        assert row.reservation_id is not None, "only an available resource has none"
        try:
            reservation = self._database.get_reservation(row.reservation_id)
        except RetiredError:
            # It ended, and was forgotten, between the two reads.
            return True
        now = self._database._handle.slot_now()
        if reservation is not None and 0 < reservation.deadline_slot <= now:
            self._database.tick()
        return False


class _Entry:
    """A lease in the queue of renewals; a dead one is passed over."""

    __slots__ = ("due", "number", "lease")

    def __init__(self, due: float, number: int, lease: Lease) -> None:
        self.due = due
        self.number = number
        self.lease: Lease | None = lease

    def __lt__(self, other: _Entry) -> bool:
        return (self.due, self.number) < (other.due, other.number)


class Renewals:
    """The leases of one database, by when they are due, and the thread that renews them."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """As new: in a forked child neither the thread nor the lock's owner exists."""
        self._changed = threading.Condition()
        self._queue: list[_Entry] = []
        self._entries: dict[int, _Entry] = {}
        self._count = 0
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    def add(self, lease: Lease) -> None:
        """Renews ``lease`` from now on."""
        with self._changed:
            self._put(lease, time.monotonic() + lease._ttl_s / 3)
            if self._thread is None and not self._is_stopped:
                # Daemonic: a program that is left inside a hold must be able to end.
                self._thread = threading.Thread(
                    target=self._run, name="allocdb-renewals", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def remove(self, lease: Lease) -> None:
        """Renews ``lease`` no more. One renewal may be under way."""
        with self._changed:
            entry = self._entries.pop(id(lease), None)
            if entry is not None:
                entry.lease = None
            dead = len(self._queue) - len(self._entries)
            if dead > max(_DEAD_ENTRIES_MAX, len(self._entries)):
                self._queue = list(self._entries.values())
                heapq.heapify(self._queue)
            self._changed.notify()

    def stop(self) -> None:
        """Ends the thread; the leases are then lost by themselves."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()

    def _put(self, lease: Lease, due: float) -> None:
        self._count += 1
        entry = _Entry(due, self._count, lease)
        self._entries[id(lease)] = entry
        heapq.heappush(self._queue, entry)

    def _run(self) -> None:
        while True:
            lease = self._next()
            if lease is None:
                return
            pause_s = lease._renew_in_background()
            with self._changed:
                # Removed meanwhile: its block has ended.
                if pause_s is None:
                    self._entries.pop(id(lease), None)
                elif id(lease) in self._entries:
                    self._put(lease, time.monotonic() + pause_s)

    def _next(self) -> Lease | None:
        """Waits until a lease is due; ``None`` when there are no more, and the thread ends."""
        with self._changed:
            while self._entries and not self._is_stopped:
                entry = self._queue[0] if self._queue else None
                if entry is not None and entry.lease is None:
                    heapq.heappop(self._queue)
                    continue
                left_s = None if entry is None else entry.due - time.monotonic()
                if entry is not None and left_s is not None and left_s <= 0:
                    heapq.heappop(self._queue)
                    return entry.lease
                self._changed.wait(left_s)
            self._thread = None
            return None
