"""The commands of a database: one method each, one commit each.

Every method packs its message into the thread's scratch, makes one native call (without the GIL)
and unpacks the answer. Calls from several threads at once share a commit: one write, one sync.

What holds for all of them:

- ``operation`` names the command for retries; ``None`` makes a new one, which the result shows (and
  the error, as ``error.operation``). The same operation with the same command, within the dedupe
  window, gets the first answer, with ``from_retry_cache`` set.
- ``slot`` is the caller's logical time; 0 is now.
- A result that is not ``DONE`` is a value: see ``Result.code``.
- They raise :class:`UsageError` for an argument that is not allowed, :class:`ClosedError`,
  :class:`ForkedError`, and :class:`RejectedError` (:class:`OverloadedError`,
  :class:`OperationConflictError`, :class:`OperationExpiredError`, :class:`StorageFullError`,
  :class:`ReadOnlyError`): definite, nothing happened. And :class:`IndefiniteError`
  (:class:`StorageError`, :class:`HaltedError`, :class:`PanicError`): nobody can know yet; close,
  open again, repeat with ``operation=error.operation``.
- They may be called from any number of threads at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import _codec
from ._handle import Handle, checked, give_scratch, take_scratch
from ._library import RESPONSE_ARGUMENT, Scratch, prepared_call, size_arguments
from ._library import thread as _stack_of
from .batch import bundle
from .errors import AllocDBError
from .ids import Id, IdLike, id_number
from .results import Operation, ReserveResult, Result, TickResult
from .ttl import TTL, slots_of

if TYPE_CHECKING:
    from .database import Database

_OUTCOME_BYTES, _RESPONSE_BIT = _codec.OUTCOME_BYTES, _codec.RESPONSE_BIT
_MASK = _codec.MASK
_outcome_at = _codec.OUTCOME.unpack_from
_pack_reserve_one = _codec.RESERVE_ONE.pack_into


class Commands:
    """The commands; a part of :class:`Database`."""

    _handle: Handle

    def create(
        self, resource: IdLike, *, operation: Operation | IdLike | None = None, slot: int = 0
    ) -> Result:
        """Makes a resource known, available.

        >>> db = allocdb.open(scratch_directory())
        >>> db.create("seat_21A").code
        <ResultCode.DONE: 0>
        >>> db.create("seat_21A").code
        <ResultCode.RESOURCE_EXISTS: 1>

        Codes: ``DONE``, ``RESOURCE_EXISTS``, ``RESOURCE_TABLE_FULL``. Raises what every command
        does (see the module). Safe in any thread.
        """
        target = id_number(resource, "resource")
        return self._submit_target(_codec.CREATE_RESOURCE, target, operation, slot)

    def delete(
        self, resource: IdLike, *, operation: Operation | IdLike | None = None, slot: int = 0
    ) -> Result:
        """Forgets an available resource.

        >>> db = allocdb.open(scratch_directory())
        >>> db.delete("seat_21A").code
        <ResultCode.RESOURCE_NOT_FOUND: 3>

        Codes: ``DONE``, ``RESOURCE_NOT_FOUND``, ``RESOURCE_BUSY``. Raises what every command does
        (see the module). Safe in any thread.
        """
        target = id_number(resource, "resource")
        return self._submit_target(_codec.DELETE_RESOURCE, target, operation, slot)

    def reserve(
        self,
        resources: IdLike | Sequence[IdLike],
        holder: IdLike,
        ttl: TTL,
        *,
        operation: Operation | IdLike | None = None,
        slot: int = 0,
    ) -> ReserveResult:
        """Reserves a resource for a holder until a deadline: one of all that ask gets it. A list or
        tuple is a bundle: all of them or none.

        ``ttl`` is seconds (``int``, ``float``), a ``timedelta``, or ``Slots``; the hold lasts at
        least that long. From its deadline on, unless confirmed or extended, it may be freed by
        time; never earlier.

        >>> db = allocdb.open(scratch_directory())
        >>> _ = db.create("seat_21A")
        >>> r = db.reserve("seat_21A", holder="alice", ttl=60)
        >>> r.ok
        True
        >>> db.reserve("seat_21A", holder="bob", ttl=60).code
        <ResultCode.RESOURCE_BUSY: 4>
        >>> r.confirm().ok
        True

        Codes: ``DONE``, ``RESOURCE_NOT_FOUND`` and ``RESOURCE_BUSY`` (``failed_index`` says which
        of a bundle), ``RESERVATION_TABLE_FULL``, ``EXPIRATION_INDEX_FULL``. Raises what every
        command does; :class:`RejectedError` also for a TTL above ``max_ttl_slots``, a bundle of
        more than ``max_bundle_len`` resources, or one resource twice. Safe in any thread.
        """
        if isinstance(resources, (list, tuple)):
            ids = bundle(resources)
        else:
            ids, resource = None, id_number(resources, "resource")  # type: ignore[arg-type]
        holder = id_number(holder, "holder")
        ttl_slots = slots_of(ttl, self._handle.slot_duration_ms)
        if slot or type(slot) is not int:
            checked("slot", slot)
        operation_id, valid = self._handle.operation(operation, slot)
        stack = _stack_of.stack
        scratch = stack.pop() if stack else Scratch()
        try:
            if ids is None:
                # _codec.put_reserve of one, without the call.
                size = _codec.RESERVE_ONE_BYTES
                _pack_reserve_one(
                    scratch.request, 0, size, _codec.VERSION, _codec.RESERVE, 0, 0, slot,
                    operation_id & _MASK, operation_id >> 64, valid, holder & _MASK, holder >> 64,
                    ttl_slots, 1, 0, resource & _MASK, resource >> 64,
                )
            else:
                size = _codec.put_reserve(
                    scratch.request, 0, 0, slot, operation_id, valid, ids, holder, ttl_slots
                )
            outcome = self._run(scratch, size, _codec.RESERVE, operation_id, valid, slot)
        finally:
            stack.append(scratch)
        database: Database = self  # type: ignore[assignment]
        return ReserveResult(database, _codec.RESERVE, operation_id, valid, holder, outcome)

    def confirm(
        self,
        reservation: IdLike,
        holder: IdLike,
        *,
        operation: Operation | IdLike | None = None,
        slot: int = 0,
    ) -> Result:
        """Makes a reservation permanent: it has no deadline any more. A confirm that is committed
        before the expiry wins, also after the deadline.

        >>> db = allocdb.open(scratch_directory())
        >>> db.confirm(5, holder="alice").code
        <ResultCode.RESERVATION_NOT_FOUND: 7>

        Codes: ``DONE``, ``RESERVATION_NOT_FOUND``, ``RESERVATION_RETIRED``, ``HOLDER_MISMATCH``,
        ``INVALID_STATE``. Raises what every command does (see the module). Safe in any thread.
        """
        return self._submit_held(_codec.CONFIRM, reservation, holder, operation, slot)

    def extend(
        self,
        reservation: IdLike,
        holder: IdLike,
        ttl: TTL,
        *,
        operation: Operation | IdLike | None = None,
        slot: int = 0,
    ) -> Result:
        """Moves the deadline of a reservation that is not confirmed to ``ttl`` from now where that
        is later; never earlier. ``deadline_slot`` of the result is the one that holds now.

        >>> db = allocdb.open(scratch_directory())
        >>> _ = db.create("seat_21A")
        >>> r = db.reserve("seat_21A", holder="alice", ttl=60)
        >>> db.extend(r.token, "alice", ttl=120).deadline_slot > r.deadline_slot
        True

        Codes: ``DONE``, ``RESERVATION_NOT_FOUND``, ``RESERVATION_RETIRED``, ``HOLDER_MISMATCH``,
        ``INVALID_STATE``, ``EXPIRATION_INDEX_FULL``. Raises what every command does;
        :class:`RejectedError` also for a TTL above ``max_ttl_slots``. Safe in any thread.
        """
        reservation = id_number(reservation, "reservation")
        holder = id_number(holder, "holder")
        ttl_slots = slots_of(ttl, self._handle.slot_duration_ms)
        if slot or type(slot) is not int:
            checked("slot", slot)
        operation_id, valid = self._handle.operation(operation, slot)
        stack = _stack_of.stack
        scratch = stack.pop() if stack else Scratch()
        try:
            size = _codec.put_extend(
                scratch.request, 0, 0, slot, operation_id, valid, reservation, holder, ttl_slots
            )
            outcome = self._run(scratch, size, _codec.EXTEND, operation_id, valid, slot)
        finally:
            stack.append(scratch)
        database: Database = self  # type: ignore[assignment]
        return Result(database, _codec.EXTEND, operation_id, valid, holder, outcome)

    def release(
        self,
        reservation: IdLike,
        holder: IdLike,
        *,
        operation: Operation | IdLike | None = None,
        slot: int = 0,
    ) -> Result:
        """Gives all resources of a reservation back, confirmed or not.

        >>> db = allocdb.open(scratch_directory())
        >>> _ = db.create("seat_21A")
        >>> r = db.reserve("seat_21A", holder="alice", ttl=60)
        >>> db.release(r.token, "bob").code
        <ResultCode.HOLDER_MISMATCH: 9>
        >>> db.release(r.token, "alice").ok
        True

        Codes and errors: as :meth:`confirm`. Safe in any thread.
        """
        return self._submit_held(_codec.RELEASE, reservation, holder, operation, slot)

    def revoke(
        self, reservation: IdLike, *, operation: Operation | IdLike | None = None, slot: int = 0
    ) -> Result:
        """An operator takes the authority from the holder of a confirmed reservation. Its resources
        are not reusable before :meth:`reclaim`: in between, make sure that the old holder stopped.

        >>> db = allocdb.open(scratch_directory())
        >>> _ = db.create("gpu_3")
        >>> r = db.reserve("gpu_3", holder="job_1", ttl=60)
        >>> db.revoke(r.token).code
        <ResultCode.INVALID_STATE: 10>
        >>> r.confirm().ok, db.revoke(r.token).ok, db.reclaim(r.token).ok
        (True, True, True)

        Codes: ``DONE``, ``RESERVATION_NOT_FOUND``, ``RESERVATION_RETIRED``, ``INVALID_STATE``.
        Raises what every command does (see the module). Safe in any thread.
        """
        target = id_number(reservation, "reservation")
        return self._submit_target(_codec.REVOKE, target, operation, slot)

    def reclaim(
        self, reservation: IdLike, *, operation: Operation | IdLike | None = None, slot: int = 0
    ) -> Result:
        """An operator frees the resources of a revoked reservation: see :meth:`revoke`.

        >>> db = allocdb.open(scratch_directory())
        >>> db.reclaim(5).code
        <ResultCode.RESERVATION_NOT_FOUND: 7>

        Codes and errors: as :meth:`revoke`. Safe in any thread.
        """
        target = id_number(reservation, "reservation")
        return self._submit_target(_codec.RECLAIM, target, operation, slot)

    def tick(self, limit: int = 0, *, slot: int = 0) -> TickResult:
        """Ends reservations whose deadline has passed, where no traffic does: a commit with a new
        command expires what is due by itself, unless the option ``auto_expire`` is off.

        ``limit`` is how many at most; 0 is ``max_expirations_per_tick``, which is also the most.
        ``due_count`` of the result says how many are left: tick again. With nothing due nothing is
        written. It needs no operation: ticking twice is harmless.

        >>> db = allocdb.open(scratch_directory())
        >>> db.tick().expired_count
        0

        Raises what every command does (see the module). Safe in any thread.
        """
        checked("limit", limit, 32)
        checked("slot", slot)
        scratch = take_scratch()
        try:
            size = _codec.put_tick(scratch.request, 0, 0, slot, limit)
            end = self._handle.exchange_one(scratch, size, _codec.TICK)
            result = TickResult(*_codec.tick_result(scratch.response, 0, end))
        finally:
            give_scratch(scratch)
        self._handle.note_slot(result.slot)
        return result

    # ---- one command ----

    def _submit_target(
        self, kind: int, target: int, operation: Operation | IdLike | None, slot: int
    ) -> Result:
        if slot or type(slot) is not int:
            checked("slot", slot)
        operation_id, valid = self._handle.operation(operation, slot)
        stack = _stack_of.stack
        scratch = stack.pop() if stack else Scratch()
        try:
            size = _codec.put_target(
                scratch.request, 0, kind, 0, slot, operation_id, valid, target
            )
            outcome = self._run(scratch, size, kind, operation_id, valid, slot)
        finally:
            stack.append(scratch)
        database: Database = self  # type: ignore[assignment]
        return Result(database, kind, operation_id, valid, 0, outcome)

    def _submit_held(
        self,
        kind: int,
        reservation: IdLike,
        holder: IdLike,
        operation: Operation | IdLike | None,
        slot: int,
    ) -> Result:
        reservation = id_number(reservation, "reservation")
        holder = id_number(holder, "holder")
        if slot or type(slot) is not int:
            checked("slot", slot)
        operation_id, valid = self._handle.operation(operation, slot)
        stack = _stack_of.stack
        scratch = stack.pop() if stack else Scratch()
        try:
            size = _codec.put_held(
                scratch.request, 0, kind, 0, slot, operation_id, valid, reservation, holder
            )
            outcome = self._run(scratch, size, kind, operation_id, valid, slot)
        finally:
            stack.append(scratch)
        database: Database = self  # type: ignore[assignment]
        return Result(database, kind, operation_id, valid, holder, outcome)

    def _run(
        self, scratch: Scratch, size: int, kind: int, operation_id: int, valid: int, slot: int
    ) -> tuple[int, ...]:
        """Sends the one command; returns its outcome, which is of status 0."""
        try:
            # Handle.exchange and the look at the answer, without the calls that they would cost.
            handle = self._handle
            status = prepared_call(
                handle.argument,
                scratch.request_argument,
                size_arguments[size],
                scratch.response_argument,
                RESPONSE_ARGUMENT,
                scratch.len_argument,
                scratch.error_argument,
            )
            if status:
                raise handle.failure(status, scratch.error)
            end = scratch.len.value
            if end == _OUTCOME_BYTES and scratch.response[5] == kind | _RESPONSE_BIT:
                outcome = _outcome_at(scratch.response, 16)
                if outcome[0] == 0:
                    if slot:
                        self._handle.note_slot(slot)
                    return outcome
            failed = _codec.failure(scratch.response, 0, end, kind)
            if failed is None:
                raise _codec.DecodeError(f"{end} bytes answer a command of kind {kind}")
            raise self._handle.refusal(failed)
        except AllocDBError as error:
            error.operation = Operation(int.__new__(Id, operation_id), valid)
            raise
