"""Many commands, one commit: one write and one sync for all of them.

Each command is packed into one preallocated buffer when it is added, so that submitting is a single
native call, and the results are decoded only when they are looked at::

    request   | message 0 | message 1 | ...        the codec's messages, back to back
    response  | 72 bytes  | 72 bytes  | ...        result i begins at 72 * i

A batch is not a transaction: each command has its own result, and later ones see what earlier ones
did. What must happen together or not at all is one reserve of several resources. Rejected: a list
of command objects, which costs five times as much as the commands themselves.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from . import _codec
from ._handle import checked
from ._library import NativeError, call
from .constants import ResultCode, Status
from .errors import AllocDBError, UsageError, response_error
from .ids import ID_MAX, Id, IdLike, id_number
from .results import Operation, ReserveResult, Result
from .ttl import TTL, slots_of

if TYPE_CHECKING:
    from .database import Database

_FIRST_BYTES = 96 * 1024
_OPERATION_BLOCK = 256
_MASK = _codec.MASK
_pack_reserve_one = _codec.RESERVE_ONE.pack_into
_pack_target = _codec.TARGET.pack_into
_pack_held = _codec.HELD.pack_into
_ONE_WORD = struct.Struct("<Q")
_outcome_at = _codec.OUTCOME.unpack_from
# Definite statuses that a commit gets as a whole, before any of its commands is looked at.
_WHOLE = frozenset(
    (Status.E_CLOSED, Status.E_COMMAND_TOO_LARGE, Status.E_SLOT_OVERFLOW, Status.E_SLOT_LEAP,
     Status.E_OVERLOADED, Status.E_STORAGE_FULL, Status.E_READ_ONLY)
)


class Batch:
    """Collects commands, then submits them as one commit.

    ::

        batch = db.batch()
        for seat in seats:
            batch.reserve(seat, holder, ttl=60)
        for result in batch.submit():
            print(result.code)

    As a context manager it submits at the end, unless the block raised; the results are then in
    ``batch.results``. When ``submit`` has returned it is empty and can be filled again. When it has
    raised, it still holds its commands with their operations: ``submit`` again repeats them, on
    another handle if one is given, and what had taken effect is answered from the retry cache.

    Of one thread at a time; any number of batches of one database may be used at once.
    """

    def __init__(self, database: Database, slot: int = 0) -> None:
        self._database = database
        self._handle = database._handle
        self._slot = checked("slot", slot)
        self._len_max = self._handle.max_batch_commands
        self._buffer = bytearray(_FIRST_BYTES)
        self._end = 0
        self._offsets: list[int] = []
        # The operation ids at hand: the low halves from _operation_lo on, and how many may still be
        # taken without a look at the bounds.
        self._operation_lo = 0
        self._operation_hi = 0
        self._left = 0
        self._valid_until = 0
        self._valid_oldest = 0
        self._is_sent = False
        self._given: set[int] = set()
        self._ttl: TTL | None = None
        self._ttl_slots = 0
        self._results: BatchResults | None = None

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def results(self) -> BatchResults:
        """The results of the last submit that got as far as having some. Raises
        :class:`UsageError` where there was none.
        """
        if self._results is None:
            raise UsageError("the batch has no results: it was not submitted")
        return self._results

    def clear(self) -> None:
        """Forgets the commands that were added."""
        self._end = 0
        self._offsets.clear()
        self._left = 0
        self._given.clear()
        self._is_sent = False

    # ---- commands ----

    def create(
        self, resource: IdLike, *, operation: Operation | IdLike | None = None
    ) -> None:
        """Adds a create; otherwise as ``Database.create``."""
        self._add_target(_codec.CREATE_RESOURCE, id_number(resource, "resource"), operation)

    def delete(
        self, resource: IdLike, *, operation: Operation | IdLike | None = None
    ) -> None:
        """Adds a delete; otherwise as ``Database.delete``."""
        self._add_target(_codec.DELETE_RESOURCE, id_number(resource, "resource"), operation)

    def reserve(
        self,
        resources: IdLike | Sequence[IdLike],
        holder: IdLike,
        ttl: TTL,
        *,
        operation: Operation | IdLike | None = None,
    ) -> None:
        """Adds a reserve of one resource or of a bundle; otherwise as ``Database.reserve``."""
        if type(holder) is not int or not 0 < holder <= ID_MAX:
            holder = id_number(holder, "holder")
        # The same object again and again is the rule, and what a TTL may be never changes.
        if ttl is not self._ttl:
            self._ttl_slots = slots_of(ttl, self._handle.slot_duration_ms)
            self._ttl = ttl
        ttl_slots = self._ttl_slots
        if type(resources) is not int or not 0 < resources <= ID_MAX:
            ids = bundle(resources)
            if len(ids) != 1:
                self._add_bundle(ids, holder, ttl_slots, operation)
                return
            resources = ids[0]
        at, buffer = self._end, self._buffer
        if operation is None and self._left and at + 96 <= len(buffer):
            lo, hi, valid = self._operation_lo, self._operation_hi, self._valid_until
            self._operation_lo = lo + 1
            self._left -= 1
        else:
            lo, hi, valid = self._begin(96, operation)
        _pack_reserve_one(
            buffer, at, 96, 1, 3, 0, at, self._slot, lo, hi, valid, holder & _MASK, holder >> 64,
            ttl_slots, 1, 0, resources & _MASK, resources >> 64,
        )
        self._offsets.append(at)
        self._end = at + 96

    def confirm(
        self,
        reservation: IdLike,
        holder: IdLike,
        *,
        operation: Operation | IdLike | None = None,
    ) -> None:
        """Adds a confirm; otherwise as ``Database.confirm``."""
        self._add_held(_codec.CONFIRM, reservation, holder, operation)

    def extend(
        self,
        reservation: IdLike,
        holder: IdLike,
        ttl: TTL,
        *,
        operation: Operation | IdLike | None = None,
    ) -> None:
        """Adds an extend; otherwise as ``Database.extend``."""
        reservation = id_number(reservation, "reservation")
        holder = id_number(holder, "holder")
        ttl_slots = slots_of(ttl, self._handle.slot_duration_ms)
        lo, hi, valid = self._begin(_codec.EXTENDED_BYTES, operation)
        at = self._end
        size = _codec.put_extend(
            self._buffer, at, at, self._slot, hi << 64 | lo, valid, reservation, holder, ttl_slots
        )
        self._offsets.append(at)
        self._end = at + size

    def release(
        self,
        reservation: IdLike,
        holder: IdLike,
        *,
        operation: Operation | IdLike | None = None,
    ) -> None:
        """Adds a release; otherwise as ``Database.release``."""
        self._add_held(_codec.RELEASE, reservation, holder, operation)

    def revoke(
        self, reservation: IdLike, *, operation: Operation | IdLike | None = None
    ) -> None:
        """Adds a revoke; otherwise as ``Database.revoke``."""
        self._add_target(_codec.REVOKE, id_number(reservation, "reservation"), operation)

    def reclaim(
        self, reservation: IdLike, *, operation: Operation | IdLike | None = None
    ) -> None:
        """Adds a reclaim; otherwise as ``Database.reclaim``."""
        self._add_target(_codec.RECLAIM, id_number(reservation, "reservation"), operation)

    # ---- submitting ----

    def submit(self, database: Database | None = None) -> BatchResults:
        """Submits the commands as one commit; ``database`` is another handle of the same database,
        for repeating after an indefinite failure. (More than ``max_batch_bytes`` are several.)

        Returns the results, in the order of the commands. A command that state rejects (a conflict,
        a full table) raises its error when its result is looked at; the others are not touched.

        Raises :class:`UsageError`, :class:`ClosedError`, :class:`ForkedError`, or
        :class:`RejectedError` (:class:`OverloadedError`, ...) when nothing was done: a command that
        its form or the configuration rules out refuses all of them, and the message has its index.
        Raises :class:`IndefiniteError` when nobody can know. ``results`` then has what there is.
        """
        if database is not None:
            self._database, self._handle = database, database._handle
        if not self._is_sent:
            self._renew_operations()
        count = len(self._offsets)
        response = bytearray(max(8, _codec.OUTCOME_BYTES * count))
        size = self._call(response)
        if size != _codec.OUTCOME_BYTES * count:
            raise _codec.DecodeError(f"{size} bytes answer {count} commands")
        request = bytes(memoryview(self._buffer)[: self._end])
        results = BatchResults(self._database, request, tuple(self._offsets), response)
        self._results = results
        failure = results._failure_of_all()
        if failure is not None:
            if failure.is_indefinite:
                self._handle.pull_logs()
            raise failure
        if self._slot:
            self._handle.note_slot(self._slot)
        self.clear()
        return results

    def _call(self, response: bytearray) -> int:
        """Sends the buffer; returns the bytes of the response."""
        self._is_sent = True
        size, error = ctypes.c_size_t(), NativeError()
        # Exported buffers cannot be resized; both exports end with this function.
        sent = (ctypes.c_char * len(self._buffer)).from_buffer(self._buffer)
        received = (ctypes.c_char * len(response)).from_buffer(response)
        status = call(
            self._handle.pointer, ctypes.addressof(sent), self._end, ctypes.addressof(received),
            len(response), ctypes.addressof(size), ctypes.addressof(error),
        )
        if status:
            raise self._handle.failure(status, error)
        return size.value

    def _renew_operations(self) -> None:
        """Gives commands that were added long ago the whole dedupe window from now: they have not
        been submitted yet. The caller's own operations are left as they are.
        """
        valid_until = self._handle.valid_until(self._slot)
        if not self._offsets or valid_until == self._valid_oldest:
            return
        for at in self._offsets:
            if at not in self._given:
                _ONE_WORD.pack_into(self._buffer, at + 40, valid_until)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.submit()

    # ---- packing ----

    def _begin(
        self, size: int, operation: Operation | IdLike | None
    ) -> tuple[int, int, int]:
        """Room for a message of ``size``: the halves of its operation id, low first, and its limit.

        The callers that fill batches by the thousand take an id from those at hand by themselves.
        """
        count = len(self._offsets)
        if count >= self._len_max:
            raise UsageError(
                f"the batch holds {self._len_max} commands, max_batch_commands is {self._len_max}"
            )
        if self._end + size > len(self._buffer):
            self._buffer.extend(bytes(max(len(self._buffer), size)))
        if operation is not None:
            number, valid = self._handle.operation(operation, self._slot)
            self._given.add(self._end)
            self._left = min(self._left, self._len_max - count - 1)
            return number & _MASK, number >> 64, valid
        if self._left == 0:
            self._left = min(_OPERATION_BLOCK, self._len_max - count)
            first = self._handle.take_operations(self._left)
            self._operation_lo, self._operation_hi = first & _MASK, first >> 64
            self._valid_until = self._handle.valid_until(self._slot)
            if count == 0:
                self._valid_oldest = self._valid_until
        self._left -= 1
        lo = self._operation_lo
        self._operation_lo = lo + 1
        return lo, self._operation_hi, self._valid_until

    def _add_target(
        self, kind: int, target: int, operation: Operation | IdLike | None
    ) -> None:
        at, buffer = self._end, self._buffer
        if operation is None and self._left and at + 64 <= len(buffer):
            lo, hi, valid = self._operation_lo, self._operation_hi, self._valid_until
            self._operation_lo = lo + 1
            self._left -= 1
        else:
            lo, hi, valid = self._begin(64, operation)
        _pack_target(
            buffer, at, 64, 1, kind, 0, at, self._slot, lo, hi, valid, target & _MASK, target >> 64
        )
        self._offsets.append(at)
        self._end = at + 64

    def _add_held(
        self,
        kind: int,
        reservation: IdLike,
        holder: IdLike,
        operation: Operation | IdLike | None,
    ) -> None:
        if type(reservation) is not int or not 0 < reservation <= ID_MAX:
            reservation = id_number(reservation, "reservation")
        if type(holder) is not int or not 0 < holder <= ID_MAX:
            holder = id_number(holder, "holder")
        at, buffer = self._end, self._buffer
        if operation is None and self._left and at + 80 <= len(buffer):
            lo, hi, valid = self._operation_lo, self._operation_hi, self._valid_until
            self._operation_lo = lo + 1
            self._left -= 1
        else:
            lo, hi, valid = self._begin(80, operation)
        _pack_held(
            buffer, at, 80, 1, kind, 0, at, self._slot, lo, hi, valid, reservation & _MASK,
            reservation >> 64, holder & _MASK, holder >> 64,
        )
        self._offsets.append(at)
        self._end = at + 80

    def _add_bundle(
        self,
        resources: list[int],
        holder: int,
        ttl_slots: int,
        operation: Operation | IdLike | None,
    ) -> None:
        size = _codec.RESERVE_HEAD_BYTES + 16 * len(resources)
        lo, hi, valid = self._begin(size, operation)
        at = self._end
        _codec.put_reserve(
            self._buffer, at, at, self._slot, hi << 64 | lo, valid, resources, holder, ttl_slots
        )
        self._offsets.append(at)
        self._end = at + size


class BatchResults(Sequence[Result]):
    """The results of a batch, in the order of its commands; each is decoded when it is looked at.

    Looking at the result of a command that was rejected, or of one whose commit failed, raises its
    error. ``codes`` and ``tokens`` read all at once without making a result of each. Immutable,
    safe in any thread.
    """

    __slots__ = ("_database", "_request", "_offsets", "_response")

    def __init__(
        self, database: Database, request: bytes, offsets: tuple[int, ...], response: bytearray
    ) -> None:
        self._database = database
        self._request = request
        self._offsets = offsets
        self._response = response

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> list[Result]: ...

    def __getitem__(self, index: int | slice) -> Result | list[Result]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        count = len(self._offsets)
        if not -count <= index < count:
            raise IndexError(f"index is {index}, the batch had {count} commands")
        index %= count
        outcome = _outcome_at(self._response, index * _codec.OUTCOME_BYTES + 16)
        if outcome[0] != 0:
            raise self._error(index)
        kind, operation, valid, holder = self._command(index)
        result = ReserveResult if kind == _codec.RESERVE else Result
        return result(self._database, kind, operation, valid, holder, outcome)

    def __iter__(self) -> Iterator[Result]:
        return (self[index] for index in range(len(self)))

    @property
    def all_ok(self) -> bool:
        """``True`` where every command was committed with ``DONE``."""
        statuses, codes = self._columns()
        return not any(statuses) and not any(codes)

    @property
    def codes(self) -> list[ResultCode]:
        """The result codes of all commands. Raises the first error there is among them."""
        self._raise_first()
        known = {code: ResultCode(code) for code in set(self._columns()[1])}
        return [known[code] for code in self._columns()[1]]

    @property
    def tokens(self) -> list[int]:
        """The reservation ids of all commands, as numbers; 0 where there is none. Raises the first
        error there is among them.
        """
        self._raise_first()
        words = memoryview(self._response).cast("Q").tolist()
        return [hi << 64 | lo for lo, hi in zip(words[4::9], words[5::9])]

    def error(self, index: int) -> AllocDBError | None:
        """Why command ``index`` has no result; ``None`` where it has one."""
        count = len(self._offsets)
        if not -count <= index < count:
            raise IndexError(f"index is {index}, the batch had {count} commands")
        at = index % count * _codec.OUTCOME_BYTES + 16
        return None if _outcome_at(self._response, at)[0] == 0 else self._error(index % count)

    @property
    def operations(self) -> list[Operation]:
        """The operations of all commands: what repeats them."""
        found = []
        for index in range(len(self)):
            _, operation, valid, _ = self._command(index)
            found.append(Operation(int.__new__(Id, operation), valid))
        return found

    def __repr__(self) -> str:
        return f"<BatchResults of {len(self)} commands>"

    def _columns(self) -> tuple[Any, Any]:
        """The statuses and the codes, as views of every 72nd byte's word."""
        if not self._offsets:
            return (), ()
        words = memoryview(self._response).cast("I")
        return words[4::18].tolist(), words[14::18].tolist()

    def _failure_of_all(self) -> AllocDBError | None:
        """Why the commit failed as a whole; ``None`` where single commands may have."""
        statuses, _ = self._columns()
        if not any(statuses):
            return None
        for index, status in enumerate(statuses):
            if status // 100 == 3:
                return self._error(index)
        is_whole = statuses[0] in _WHOLE and all(status == statuses[0] for status in statuses)
        return self._error(0) if is_whole else None

    def _first_failure(self) -> int | None:
        statuses, _ = self._columns()
        if not any(statuses):
            return None
        return next(index for index, status in enumerate(statuses) if status)

    def _raise_first(self) -> None:
        index = self._first_failure()
        if index is not None:
            raise self._error(index)

    def _error(self, index: int) -> AllocDBError:
        begin = index * _codec.OUTCOME_BYTES
        kind, operation, valid, _ = self._command(index)
        failed = _codec.failure(self._response, begin, begin + _codec.OUTCOME_BYTES, kind)
        assert failed is not None, "asked for only where the status says so"
        status, os_errno, detail = failed
        named = Operation(int.__new__(Id, operation), valid)
        return response_error(status, os_errno, detail, named)

    def _command(self, index: int) -> tuple[int, int, int, int]:
        """Kind, operation id, its limit and holder (0: none) of the command, from the request."""
        at = self._offsets[index]
        if self._request[at + 5] == _codec.RESERVE:
            fields = _codec.TARGET.unpack_from(self._request, at)
        elif _codec.CONFIRM <= self._request[at + 5] <= _codec.RELEASE:
            fields = _codec.HELD.unpack_from(self._request, at)
        else:
            fields = (*_codec.TARGET.unpack_from(self._request, at)[:9], 0, 0)
        operation = fields[7] << 64 | fields[6]
        return fields[2], operation, fields[8], fields[-1] << 64 | fields[-2]


def bundle(resources: IdLike | Sequence[IdLike]) -> list[int]:
    """The numbers of one id or of several."""
    if isinstance(resources, (list, tuple)):
        ids = [id_number(resource, f"resources[{at}]") for at, resource in enumerate(resources)]
        if not 1 <= len(ids) <= _codec.BUNDLE_LEN_MAX:
            raise UsageError(
                f"resources has {len(ids)} ids, must be 1 to {_codec.BUNDLE_LEN_MAX}"
            )
        return ids
    return [id_number(resources, "resource")]  # type: ignore[arg-type]

