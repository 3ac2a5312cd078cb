"""What comes back: results of commands, rows of reads.

A :class:`Result` keeps the numbers of the response and makes ids and enumerations of them only when
they are looked at: a program that takes a thousand results and reads one code of each pays for
nothing else. Results hold their database for ``confirm()`` and the like; pickled, they come back
without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _codec
from .constants import CommandKind, ReservationState, ResourceState, ResultCode
from .errors import BusyError, ResultError, UsageError
from .ids import Id, shown_id

if TYPE_CHECKING:
    from .database import Database
    from .ttl import TTL


class Operation(NamedTuple):
    """Names one logical operation, so that a retry can repeat it: pass it as ``operation=``.

    Made by ``db.operation()``, or by hand from ids of one's own. With ``valid_until_slot`` it is
    executed at most once for ever; with 0 (no limit) at most once in each dedupe window.
    """

    id: Id
    """Unique among the operations of the dedupe window."""
    valid_until_slot: int = 0
    """The last slot at which the command may be executed; 0 for no limit."""


# status, os_errno, lsn, reservation lo hi, deadline_slot, code, failed_index, from_retry_cache, 0
Outcome = tuple[int, int, int, int, int, int, int, int, int, int]


class Result:
    """The durable answer to one command.

    ``if result.ok: ...`` or ``result.raise_for_code()``: a result that is not ``DONE`` is a value
    and not an error. Immutable, safe in any thread.
    """

    __slots__ = ("_database", "_kind", "_operation_id", "_valid_until_slot", "_holder", "_outcome")

    def __init__(
        self,
        database: Database | None,
        kind: int,
        operation_id: int,
        valid_until_slot: int,
        holder: int,
        outcome: Any,
    ) -> None:
        self._database = database
        self._kind = kind
        self._operation_id = operation_id
        self._valid_until_slot = valid_until_slot
        self._holder = holder
        self._outcome: Outcome = outcome

    @property
    def ok(self) -> bool:
        """``True`` where the code is ``DONE``: the command took effect."""
        return self._outcome[6] == 0

    @property
    def code(self) -> ResultCode:
        """How the command was decided."""
        return ResultCode(self._outcome[6])

    @property
    def kind(self) -> CommandKind:
        """Which command this answers."""
        return CommandKind(self._kind)

    @property
    def lsn(self) -> int:
        """The log position at which the command was first applied: a fence for reads."""
        return self._outcome[2]

    @property
    def reservation_id(self) -> Id | None:
        """The reservation that was made or changed; ``None`` if none."""
        return shown_id(self._outcome[4] << 64 | self._outcome[3])

    @property
    def token(self) -> int:
        """The fencing token: the reservation id as a number, which grows with every reservation.
        Show it to outside systems. 0 if none.
        """
        return self._outcome[4] << 64 | self._outcome[3]

    @property
    def deadline_slot(self) -> int:
        """The deadline that a reserve or extend left, in slots; 0 otherwise."""
        return self._outcome[5]

    @property
    def failed_index(self) -> int | None:
        """Which resource of a reserve failed, counted from 0; ``None`` otherwise."""
        index = self._outcome[7]
        return None if index == _codec.NO_INDEX else index

    @property
    def from_retry_cache(self) -> bool:
        """``True``: this repeats the answer to an earlier submission of the same operation."""
        return self._outcome[8] != 0

    @property
    def operation(self) -> Operation:
        """The operation of the command: pass it as ``operation=`` to repeat it."""
        return Operation(int.__new__(Id, self._operation_id), self._valid_until_slot)

    def raise_for_code(self) -> None:
        """Does nothing where the code is ``DONE``. Raises :class:`BusyError` for ``RESOURCE_BUSY``,
        :class:`ResultError` for every other code; ``error.result`` is this result.
        """
        if self._outcome[6] == 0:
            return
        message = f"{self.kind.name.lower()}: {self.code.name.lower()}"
        if self.failed_index is not None and self._kind == CommandKind.RESERVE:
            message += f" (resource {self.failed_index} of the reserve)"
        kind = BusyError if self.code is ResultCode.RESOURCE_BUSY else ResultError
        raise kind(message, self)

    def __repr__(self) -> str:
        parts = [f"{self.kind.name.lower()}: {self.code.name}", f"lsn={self.lsn}"]
        if self.token:
            parts.append(f"reservation_id={self.reservation_id!r}")
        if self.deadline_slot:
            parts.append(f"deadline_slot={self.deadline_slot}")
        if self.failed_index is not None:
            parts.append(f"failed_index={self.failed_index}")
        if self.from_retry_cache:
            parts.append("from_retry_cache=True")
        return f"<{type(self).__name__} {', '.join(parts)}>"

    def _key(self) -> tuple[Any, ...]:
        operation = self._operation_id, self._valid_until_slot
        return self._kind, *operation, self._holder, self._outcome

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Result) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (None, *self._key())


class ReserveResult(Result):
    """The durable answer to a reserve. On ``DONE`` its methods go on with the reservation."""

    __slots__ = ()

    @property
    def holder(self) -> Id:
        """Whom the reserve was for."""
        return int.__new__(Id, self._holder)

    def confirm(self, *, operation: Operation | None = None, slot: int = 0) -> Result:
        """Makes the reservation permanent: ``db.confirm`` with its id and holder.

        Raises :class:`ResultError` where the reserve was not granted; otherwise as ``db.confirm``.
        """
        database, token = self._granted("confirm")
        return database.confirm(token, self._holder, operation=operation, slot=slot)

    def extend(self, ttl: TTL, *, operation: Operation | None = None, slot: int = 0) -> Result:
        """Moves the deadline to ``ttl`` from now: ``db.extend`` with its id and holder.

        Raises :class:`ResultError` where the reserve was not granted; otherwise as ``db.extend``.
        """
        database, token = self._granted("extend")
        return database.extend(token, self._holder, ttl, operation=operation, slot=slot)

    def release(self, *, operation: Operation | None = None, slot: int = 0) -> Result:
        """Gives all its resources back: ``db.release`` with its id and holder.

        Raises :class:`ResultError` where the reserve was not granted; otherwise as ``db.release``.
        """
        database, token = self._granted("release")
        return database.release(token, self._holder, operation=operation, slot=slot)

    def _granted(self, what: str) -> tuple[Database, int]:
        if not self.ok:
            kind = BusyError if self.code is ResultCode.RESOURCE_BUSY else ResultError
            raise kind(f"{what}: the reserve was not granted: {self.code.name.lower()}", self)
        if self._database is None:
            raise UsageError(f"{what}: this result was pickled and has no database: use the ids")
        return self._database, self.token


@dataclass(frozen=True)
class TickResult:
    """What a tick did."""

    lsn: int
    """The log position of the expiry; 0 if nothing was due, and then nothing was written."""
    slot: int
    """The slot that it was applied at; the last applied one if nothing was written."""
    due_count: int
    """Reservations still due at that slot: tick again."""
    expired_count: int
    """Reservations that it ended."""


class Resource(NamedTuple):
    """A resource, as reads show it."""

    resource_id: Id
    """The resource."""
    reservation_id: Id | None
    """Its live reservation; ``None`` if it is available."""
    holder_id: Id | None
    """Who holds that; ``None`` if it is available."""
    version: int
    """Grows by one with each change of state. An observation, not a guard."""
    state: ResourceState
    """What it is at the moment."""


class Reservation(NamedTuple):
    """A reservation, as reads show it."""

    reservation_id: Id
    """The reservation: as a number its fencing token."""
    holder_id: Id
    """Who holds or held it."""
    first_resource_id: Id
    """Its first resource."""
    created_lsn: int
    """The log position of its reserve."""
    deadline_slot: int
    """From this slot on a ``RESERVED`` one may be freed by time; 0 in any other state."""
    ended_lsn: int
    """The log position at which it ended; 0 while it lives."""
    retire_after_slot: int
    """From this slot on an ended one is forgotten; 0 while it lives."""
    state: ReservationState
    """What it is at the moment."""
    resource_count: int
    """How many resources it holds or held."""
    resource_ids: tuple[Id, ...] | None = None
    """All its resources, in the order of the reserve, from ``get_reservation`` while it lives;
    ``None`` in listings and once it has ended.
    """

    @property
    def token(self) -> int:
        """The fencing token: the reservation id as a number."""
        return int(self.reservation_id)


# What makes an id or a row without the checks and the calls of their own constructors.
_id = int.__new__
_row = tuple.__new__
_RESOURCE_STATES = {int(state): state for state in ResourceState}
_RESERVATION_STATES = {int(state): state for state in ReservationState}


def resource_of(fields: _codec.ResourceFields) -> Resource:
    """The row of these fields."""
    resource, reservation, holder, version, state = fields
    row = (
        _id(Id, resource),
        _id(Id, reservation) if reservation else None,
        _id(Id, holder) if holder else None,
        version,
        _RESOURCE_STATES.get(state) or ResourceState(state),
    )
    return _row(Resource, row)


def reservation_of(
    fields: _codec.ReservationFields, ids: list[int] | None = None
) -> Reservation:
    """The row of these fields, with the ids of its resources where there are any."""
    reservation, holder, first, created, deadline, ended, retire, state, count = fields
    resource_ids = tuple([_id(Id, number) for number in ids]) if ids else None
    known = _RESERVATION_STATES.get(state) or ReservationState(state)
    ids_shown = _id(Id, reservation), _id(Id, holder), _id(Id, first)
    numbers = created, deadline, ended, retire, known, count, resource_ids
    return _row(Reservation, ids_shown + numbers)
