"""Many commands, one commit: one write and one sync for all of them.

The commands are packed into one buffer, so that submitting is a single native call, and the results
are decoded only when they are looked at::

    request   | message 0 | message 1 | ...        the codec's messages, back to back
    response  | 72 bytes  | 72 bytes  | ...        result i begins at 72 * i

A command is checked when it is added, and packed then; but of a kind that came twice, all that
follow with the same TTL and without an operation of the caller's are kept as their ids, and such a
run is packed a field at a time, when something else comes or the batch is submitted.

A batch is not a transaction: each command has its own result, and later ones see what earlier ones
did. What must happen together or not at all is one reserve of several resources. Rejected: a list
of command objects, which costs five times as much as the commands themselves.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from . import _codec
from ._codec import CONFIRM, CREATE_RESOURCE, RELEASE, RESERVE
from ._handle import checked
from ._library import NativeError, call
from ._runs import MESSAGE_BYTES, put_run
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
# Where status and code stand in a response, in words of 4 bytes.
_STATUS_WORD, _CODE_WORD = 4, 14
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
        # The operation ids at hand for commands that are packed by themselves: the low halves from
        # _operation_lo on, and how many may still be taken without a look at the bounds.
        self._operation_lo = 0
        self._operation_hi = 0
        self._left = 0
        self._valid_until = 0
        self._valid_oldest = 0
        self._is_sent = False
        self._given: set[int] = set()
        self._ttl: TTL | None = None
        self._ttl_slots = 0
        # The kind of the last command that was packed by itself, 0 for one that begins no run.
        self._last = 0
        # The run: its kind (0: none), what its commands have in common, and those that are not
        # packed yet. Where holders differ, _run_holder is None, which is nobody, and _holders has
        # that of each.
        self._kind = 0
        self._run_ttl: TTL | None = None
        self._run_ttl_slots = 0
        self._run_holder: IdLike | None = None
        self._run_holder_id = 0
        self._targets: list[int] = []
        self._holders: list[int] | None = None
        self._targets_max = 0
        self._results: BatchResults | None = None

    def __len__(self) -> int:
        return len(self._offsets) + len(self._targets)

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
        self._targets.clear()
        self._holders = None
        self._kind = self._last = 0
        self._left = 0
        self._given.clear()
        self._is_sent = False

    # ---- commands ----

    def create(
        self, resource: IdLike, *, operation: Operation | IdLike | None = None
    ) -> None:
        """Adds a create; otherwise as ``Database.create``."""
        if (
            self._kind == CREATE_RESOURCE
            and operation is None
            and type(resource) is int
            and 0 < resource <= ID_MAX
            and len(self._targets) < self._targets_max
        ):
            self._targets.append(resource)
            return
        self._add_target(CREATE_RESOURCE, id_number(resource, "resource"), operation)

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
        # What goes on with the run costs a look at its ids and no more.
        if (
            self._kind == RESERVE
            and ttl is self._run_ttl
            and operation is None
            and type(resources) is int
            and 0 < resources <= ID_MAX
            and len(self._targets) < self._targets_max
        ):
            if holder is self._run_holder:
                self._targets.append(resources)
                return
            if self._holders is not None and type(holder) is int and 0 < holder <= ID_MAX:
                self._holders.append(holder)
                self._targets.append(resources)
                return
        if type(holder) is int and 0 < holder <= ID_MAX:
            holder_id = holder
        else:
            holder_id = id_number(holder, "holder")
        # The same object again and again is the rule, and what a TTL may be never changes.
        if ttl is not self._ttl:
            self._ttl_slots = slots_of(ttl, self._handle.slot_duration_ms)
            self._ttl = ttl
        ttl_slots = self._ttl_slots
        if type(resources) is not int or not 0 < resources <= ID_MAX:
            ids = bundle(resources)
            if len(ids) != 1:
                self._add_bundle(ids, holder_id, ttl_slots, operation)
                return
            resources = ids[0]
        is_same = self._kind == RESERVE and ttl_slots == self._run_ttl_slots
        if is_same and operation is None and self._goes_on(resources, holder_id):
            return
        buffer = self._buffer
        if (
            self._left and operation is None and not self._targets
            and self._end + 96 <= len(buffer)
        ):
            lo, hi, valid = self._operation_lo, self._operation_hi, self._valid_until
            self._operation_lo = lo + 1
            self._left -= 1
            self._kind = 0
        else:
            lo, hi, valid = self._begin(96, operation)
        at = self._end
        _pack_reserve_one(
            buffer, at, 96, 1, 3, 0, 0, self._slot, lo, hi, valid, holder_id & _MASK,
            holder_id >> 64, ttl_slots, 1, 0, resources & _MASK, resources >> 64,
        )
        self._offsets.append(at)
        self._end = at + 96
        if operation is not None:
            self._last = 0
        elif self._last == RESERVE:
            self._begin_run(RESERVE, holder, holder_id, ttl, ttl_slots)
        else:
            self._last = RESERVE

    def confirm(
        self,
        reservation: IdLike,
        holder: IdLike,
        *,
        operation: Operation | IdLike | None = None,
    ) -> None:
        """Adds a confirm; otherwise as ``Database.confirm``."""
        # The short way of a run stands here and in release: one more call would cost what it saves.
        if (
            self._kind == CONFIRM
            and holder is self._run_holder
            and operation is None
            and type(reservation) is int
            and 0 < reservation <= ID_MAX
            and len(self._targets) < self._targets_max
        ):
            self._targets.append(reservation)
            return
        self._add_held(CONFIRM, reservation, holder, operation)

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
            self._buffer, at, 0, self._slot, hi << 64 | lo, valid, reservation, holder, ttl_slots
        )
        self._last = 0
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
        if (
            self._kind == RELEASE
            and holder is self._run_holder
            and operation is None
            and type(reservation) is int
            and 0 < reservation <= ID_MAX
            and len(self._targets) < self._targets_max
        ):
            self._targets.append(reservation)
            return
        self._add_held(RELEASE, reservation, holder, operation)

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
        self._pack_run()
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

    def _add_target(
        self, kind: int, target: int, operation: Operation | IdLike | None
    ) -> None:
        if self._kind == kind and operation is None and self._goes_on(target, 0):
            return
        buffer = self._buffer
        if (
            self._left and operation is None and not self._targets
            and self._end + 64 <= len(buffer)
        ):
            lo, hi, valid = self._operation_lo, self._operation_hi, self._valid_until
            self._operation_lo = lo + 1
            self._left -= 1
            self._kind = 0
        else:
            lo, hi, valid = self._begin(64, operation)
        at = self._end
        _pack_target(
            buffer, at, 64, 1, kind, 0, 0, self._slot, lo, hi, valid, target & _MASK, target >> 64
        )
        self._offsets.append(at)
        self._end = at + 64
        if operation is not None:
            self._last = 0
        elif self._last == kind:
            self._begin_run(kind, None, 0, None, 0)
        else:
            self._last = kind

    def _add_held(
        self,
        kind: int,
        reservation: IdLike,
        holder: IdLike,
        operation: Operation | IdLike | None,
    ) -> None:
        if type(reservation) is not int or not 0 < reservation <= ID_MAX:
            reservation = id_number(reservation, "reservation")
        if type(holder) is int and 0 < holder <= ID_MAX:
            holder_id = holder
        else:
            holder_id = id_number(holder, "holder")
        if self._kind == kind and operation is None and self._goes_on(reservation, holder_id):
            return
        buffer = self._buffer
        if (
            self._left and operation is None and not self._targets
            and self._end + 80 <= len(buffer)
        ):
            lo, hi, valid = self._operation_lo, self._operation_hi, self._valid_until
            self._operation_lo = lo + 1
            self._left -= 1
            self._kind = 0
        else:
            lo, hi, valid = self._begin(80, operation)
        at = self._end
        _pack_held(
            buffer, at, 80, 1, kind, 0, 0, self._slot, lo, hi, valid, reservation & _MASK,
            reservation >> 64, holder_id & _MASK, holder_id >> 64,
        )
        self._offsets.append(at)
        self._end = at + 80
        if operation is not None:
            self._last = 0
        elif self._last == kind:
            self._begin_run(kind, holder, holder_id, None, 0)
        else:
            self._last = kind

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
            self._buffer, at, 0, self._slot, hi << 64 | lo, valid, resources, holder, ttl_slots
        )
        self._last = 0
        self._offsets.append(at)
        self._end = at + size

    def _begin(
        self, size: int, operation: Operation | IdLike | None
    ) -> tuple[int, int, int]:
        """Ends the run. Room for a message of ``size``: the halves of its operation id, low first,
        and its limit.

        The callers that fill batches by the thousand take an id from those at hand by themselves.
        """
        self._pack_run()
        self._kind = 0
        count = len(self._offsets)
        if count >= self._len_max:
            raise UsageError(
                f"the batch holds {self._len_max} commands, max_batch_commands is {self._len_max}"
            )
        if self._end + size > len(self._buffer):
            self._make_room(size)
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

    # ---- runs ----

    def _begin_run(
        self, kind: int, holder: IdLike | None, holder_id: int, ttl: TTL | None, ttl_slots: int
    ) -> None:
        """Two commands of a kind came one after the other: expects more of the same."""
        self._kind = kind
        self._run_ttl, self._run_ttl_slots = ttl, ttl_slots
        self._run_holder, self._run_holder_id = holder, holder_id
        self._holders = None
        self._targets_max = self._len_max - len(self._offsets)

    def _goes_on(self, target: int, holder_id: int) -> bool:
        """Adds a command to the run, if there is room in the batch."""
        if len(self._targets) >= self._targets_max:
            return False
        if self._holders is None and holder_id != self._run_holder_id:
            self._holders = [self._run_holder_id] * len(self._targets)
            self._run_holder = None
        if self._holders is not None:
            self._holders.append(holder_id)
        self._targets.append(target)
        return True

    def _pack_run(self) -> None:
        """Packs the commands of the run; it may go on."""
        count = len(self._targets)
        if count == 0:
            return
        at, size = self._end, MESSAGE_BYTES[self._kind]
        self._make_room(size * count)
        put_run(
            self._buffer, at, self._kind, self._slot, self._handle.take_operations(count),
            self._handle.valid_until(self._slot), self._targets, self._run_holder_id,
            self._holders, self._run_ttl_slots,
        )
        self._end = at + size * count
        self._offsets.extend(range(at, self._end, size))
        self._targets_max -= count
        # Those at hand may not reach beyond the bound.
        self._left = min(self._left, self._len_max - len(self._offsets))
        self._targets.clear()
        if self._holders is not None:
            self._holders.clear()

    def _make_room(self, size: int) -> None:
        missing = self._end + size - len(self._buffer)
        if missing > 0:
            self._buffer.extend(bytes(max(len(self._buffer), missing)))


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
        return self._are_zero(_STATUS_WORD) and self._are_zero(_CODE_WORD)

    @property
    def codes(self) -> list[ResultCode]:
        """The result codes of all commands. Raises the first error there is among them."""
        self._raise_first()
        codes = self._column(_CODE_WORD)
        known = {code: ResultCode(code) for code in set(codes)}
        return [known[code] for code in codes]

    @property
    def tokens(self) -> list[int]:
        """The reservation ids of all commands, as numbers; 0 where there is none. Raises the first
        error there is among them.
        """
        self._raise_first()
        if not self._offsets:
            return []
        words = memoryview(self._response).cast("Q")
        low, high = words[4::9].tolist(), words[5::9]
        if high.tobytes() == bytes(8 * len(low)):
            return low
        return [hi << 64 | lo for lo, hi in zip(low, high.tolist())]

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

    def _words(self, first: int) -> memoryview:
        """A word of each response: every 72nd byte's."""
        return memoryview(self._response).cast("I")[first : 18 * len(self._offsets) : 18]

    def _column(self, first: int) -> list[int]:
        return self._words(first).tolist() if self._offsets else []

    def _are_zero(self, first: int) -> bool:
        """Whether a word is 0 in all of them: the rule, and told at once."""
        count = len(self._offsets)
        return count == 0 or self._words(first).tobytes() == bytes(4 * count)

    def _failure_of_all(self) -> AllocDBError | None:
        """Why the commit failed as a whole; ``None`` where single commands may have."""
        if self._are_zero(_STATUS_WORD):
            return None
        statuses = self._column(_STATUS_WORD)
        for index, status in enumerate(statuses):
            if status // 100 == 3:
                return self._error(index)
        is_whole = statuses[0] in _WHOLE and all(status == statuses[0] for status in statuses)
        return self._error(0) if is_whole else None

    def _first_failure(self) -> int | None:
        if self._are_zero(_STATUS_WORD):
            return None
        statuses = self._column(_STATUS_WORD)
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

