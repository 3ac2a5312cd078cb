"""A database: opening, commands, reads, upkeep.

:func:`open` gives a :class:`Database`; its commands are in ``commands.py``, its leases in
``lease.py``. Reads see applied, durable state and never wait for a sync.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Union

from . import _codec, _library
from ._handle import Handle, checked, give_scratch, take_scratch
from ._library import RESPONSE_ARGUMENT, Scratch, prepared_call, size_arguments
from ._library import thread as _stack_of
from .batch import Batch
from .commands import Commands
from .constants import ReservationState, ResourceState, Status
from .errors import UsageError
from .figures import (
    CheckpointReport,
    Configuration,
    Health,
    RecoveryReport,
    checkpoint_report_of,
    configuration_of,
    health_of,
    recovery_report_of,
)
from .ids import Id, IdLike, id_number
from .lease import Hold, Renewals
from .options import native_options
from .results import (
    Operation,
    Reservation,
    Resource,
    Result,
    reservation_of,
    resource_of,
)
from .ttl import TTL, seconds_of

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Unpack

    from .options import Options

PathLike = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
_State = TypeVar("_State", ResourceState, ReservationState)
_PAGE_ROWS = 1024


def open(path: PathLike, **options: Unpack[Options]) -> Database:
    """Opens the database in a directory, creating it if nothing is there, and recovers it.

    >>> with allocdb.open(scratch_directory(), sync="os") as db:
    ...     db.create("seat_21A").ok
    True

    ``path`` is a directory, at most 4,000 bytes: the last component is created if it is missing,
    its parents are not. One process at a time has a database open. The options are those of
    :class:`Options`: what is left out, ``None`` or 0 has the library's default.

    Raises :class:`UsageError` for an option that is unknown or not allowed (the message names it,
    its value and its bounds); :class:`LockedError` (``.pid``); :class:`CorruptError`;
    :class:`ConfigMismatchError`; :class:`ExistsError`; :class:`OpenError` for a missing parent,
    foreign files, another format version, too little memory, a network file system, any other
    failure of the system (``.status``, ``.os_errno``); :class:`StorageFullError`. On failure an
    existing database is as it was. Safe in any thread.
    """
    return Database(path, **options)


class Database(Commands):
    """An open database: a context manager that closes it at the end.

    All methods may be called from any number of threads at once. A forked child gets
    :class:`ForkedError` and opens its own; a handle cannot be pickled.
    """

    def __init__(self, path: PathLike, **options: Unpack[Options]) -> None:
        name = os.fsencode(path)
        if b"\0" in name:
            raise UsageError(f"path is {path!r}, which holds a NUL")
        given: dict[str, Any] = dict(options)
        self._handle = Handle(name, native_options(given))
        self._configuration = configuration_of(self._handle.configuration)
        self._renewals = Renewals()
        self._handle.fork_hooks.append(self._renewals.after_fork)

    @property
    def path(self) -> str:
        """The directory."""
        return os.fsdecode(self._handle.path)

    def close(self) -> None:
        """Waits for the calls under way in other threads, proves the log's end durable, releases
        the lock and the memory. Later calls raise :class:`ClosedError`; closing again does nothing.

        In a forked child it frees the memory and touches no file. A database that is not closed
        when the interpreter exits is closed then; one that is killed loses nothing.

        Raises :class:`StorageError` where the last write failed: closed all the same. Safe in any
        thread.
        """
        self._renewals.stop()
        self._handle.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Database {self.path!r}>"

    def __reduce__(self) -> Any:
        raise UsageError("a database cannot be sent to another process: open it there")

    # ---- many commands ----

    def batch(self, *, slot: int = 0) -> Batch:
        """A batch: commands that are submitted as one commit. See :class:`Batch`.

        >>> db = allocdb.open(scratch_directory())
        >>> with db.batch() as batch:
        ...     for seat in ("seat_1", "seat_2", "seat_3"):
        ...         batch.create(seat)
        >>> batch.results.all_ok
        True
        """
        return Batch(self, slot)

    def operation(self, *, slot: int = 0) -> Operation:
        """A new operation, valid for the dedupe window from now (or from ``slot``): keep it until
        the outcome is known, and pass it as ``operation=`` in every retry.

        >>> db = allocdb.open(scratch_directory())
        >>> operation = db.operation()
        >>> db.create("seat_21A", operation=operation).from_retry_cache
        False
        >>> again = db.create("seat_21A", operation=operation)
        >>> again.ok, again.from_retry_cache
        (True, True)

        Safe in any thread.
        """
        operation_id, valid = self._handle.operation(None, checked("slot", slot))
        return Operation(int.__new__(Id, operation_id), valid)

    def hold(
        self,
        resources: IdLike | Sequence[IdLike],
        holder: IdLike,
        ttl: TTL,
        *,
        wait: float | timedelta = 0,
    ) -> Hold:
        """A lease: a context manager that reserves, keeps the reservation alive, and releases it.

        >>> db = allocdb.open(scratch_directory())
        >>> _ = db.create("gpu_3")
        >>> with db.hold("gpu_3", holder="job_1", ttl=30) as lease:
        ...     lease.token > 0
        True
        >>> db.get_resource("gpu_3").state.name
        'AVAILABLE'

        Entering waits up to ``wait`` seconds for the resources and then raises :class:`BusyError`;
        another code raises :class:`ResultError` at once. While it is held, one thread of the
        database extends it at each third of ``ttl``. A lease that was lost all the same (its holder
        was stopped for too long, somebody released it, the database failed) has ``lease.lost`` set,
        and leaving the block raises :class:`LeaseLostError`, unless the block itself raised. Show
        ``lease.token`` to whatever the lease protects, so that it can refuse an older holder.

        Raises :class:`UsageError` for an argument that is not allowed; entering and leaving also
        what :meth:`reserve` and :meth:`release` raise (where the release fails, the reservation
        ends by its deadline). Safe in any thread.
        """
        return Hold(self, resources, holder, ttl, seconds_of(wait, "wait"))

    # ---- reads ----

    def get_resource(self, resource: IdLike, *, required_lsn: int = 0) -> Resource | None:
        """Looks a resource up; ``None`` where there is none with this id.

        ``required_lsn`` is a fence: the answer must have seen this log position (``lsn`` of a
        result); 0 for any.

        >>> db = allocdb.open(scratch_directory())
        >>> lsn = db.create("seat_21A").lsn
        >>> db.get_resource("seat_21A", required_lsn=lsn).state
        <ResourceState.AVAILABLE: 1>

        Raises :class:`FenceError`, :class:`UsageError`, :class:`ClosedError`, :class:`ForkedError`,
        :class:`HaltedError`, :class:`PanicError`. Safe in any thread.
        """
        id = id_number(resource, "resource")
        # The calls that take_scratch, give_scratch and exchange would be are a tenth of a read.
        stack = _stack_of.stack
        scratch = stack.pop() if stack else Scratch()
        try:
            if required_lsn or type(required_lsn) is not int:
                checked("required_lsn", required_lsn)
            size = _codec.put_get(scratch.request, 0, _codec.GET_RESOURCE, 0, required_lsn, id)
            handle = self._handle
            status = prepared_call(
                handle.argument, scratch.request_argument, size_arguments[size],
                scratch.response_argument, RESPONSE_ARGUMENT, scratch.len_argument,
                scratch.error_argument,
            )
            if status:
                raise handle.failure(status, scratch.error)
            end = scratch.len.value
            fields = _codec.resource_or_none(scratch.response, end)
            if fields is not None:
                return resource_of(fields)
            failed = _codec.failure(scratch.response, 0, end, _codec.GET_RESOURCE)
        finally:
            stack.append(scratch)
        if failed is None:
            raise _codec.DecodeError(f"{end} bytes answer the read of a resource")
        if failed[0] == Status.ID_NOT_FOUND:
            return None
        raise self._handle.refusal(failed)

    def get_reservation(
        self, reservation: IdLike, *, required_lsn: int = 0
    ) -> Reservation | None:
        """Looks a reservation up, while it lives with all the resources that it holds; ``None``
        where there is none with this id (or not yet). ``required_lsn`` as in :meth:`get_resource`.

        >>> db = allocdb.open(scratch_directory())
        >>> _ = db.create("seat_1"), db.create("seat_2")
        >>> r = db.reserve(["seat_1", "seat_2"], holder="alice", ttl=60)
        >>> db.get_reservation(r.token).resource_ids
        (Id('seat_1'), Id('seat_2'))

        Raises :class:`RetiredError` where it ended and is forgotten; otherwise as
        :meth:`get_resource`. Safe in any thread.
        """
        id = id_number(reservation, "reservation")
        checked("required_lsn", required_lsn)
        capacity = self._configuration.max_bundle_len
        scratch = take_scratch()
        try:
            size = _codec.put_get_reservation(scratch.request, 0, 0, required_lsn, id, capacity)
            end = self._handle.exchange(scratch, size)
            failed = _codec.failure(scratch.response, 0, end, _codec.GET_RESERVATION)
            if failed is None:
                return reservation_of(*_codec.reservation(scratch.response, 0, end))
        finally:
            give_scratch(scratch)
        if failed[0] == Status.ID_NOT_FOUND:
            return None
        raise self._handle.refusal(failed)

    def get_operation(
        self, operation: Operation | IdLike, *, required_lsn: int = 0
    ) -> Result | None:
        """Did it happen? The result of an operation that may have been committed: after an
        indefinite failure, a crash, a lost answer. ``None``: never committed, or longer ago than
        the dedupe window. ``required_lsn`` as in :meth:`get_resource`.

        >>> db = allocdb.open(scratch_directory())
        >>> r = db.create("seat_21A")
        >>> db.get_operation(r.operation).lsn == r.lsn
        True

        Raises as :meth:`get_resource`. Safe in any thread.
        """
        given = operation.id if isinstance(operation, Operation) else operation
        valid = operation.valid_until_slot if isinstance(operation, Operation) else 0
        id = id_number(given, "operation")
        checked("required_lsn", required_lsn)
        scratch = take_scratch()
        try:
            size = _codec.put_get(scratch.request, 0, _codec.GET_OPERATION, 0, required_lsn, id)
            end = self._handle.exchange(scratch, size)
            failed = _codec.failure(scratch.response, 0, end, _codec.GET_OPERATION)
            if failed is None:
                outcome = _codec.outcome(scratch.response, 0, end)
                return Result(self, 0, id, valid, 0, outcome)
        finally:
            give_scratch(scratch)
        if failed[0] == Status.ID_NOT_FOUND:
            return None
        raise self._handle.refusal(failed)

    def list_resources(
        self,
        *,
        states: Iterable[ResourceState] | None = None,
        holder: IdLike | None = None,
        required_lsn: int = 0,
    ) -> Iterator[Resource]:
        """All resources, or those in some states or of one holder. The order is the same on every
        run; a row that does not change while the listing runs appears in it exactly once.

        >>> db = allocdb.open(scratch_directory())
        >>> for seat in ("seat_1", "seat_2"):
        ...     _ = db.create(seat)
        >>> sorted(str(row.resource_id) for row in db.list_resources())
        ['seat_1', 'seat_2']

        Raises as :meth:`get_resource`, when the first row is asked for. The method is safe in any
        thread, an iterator is of one thread at a time.
        """
        pages = self._pages(
            _codec.LIST_RESOURCES, _codec.RESOURCE_ROW_BYTES, states, holder, required_lsn
        )
        for response, rows in pages:
            for at in rows:
                yield resource_of(_codec.resource_row(response, at))

    def list_reservations(
        self,
        *,
        states: Iterable[ReservationState] | None = None,
        holder: IdLike | None = None,
        required_lsn: int = 0,
    ) -> Iterator[Reservation]:
        """All reservations, live and remembered; otherwise as :meth:`list_resources`.

        >>> db = allocdb.open(scratch_directory())
        >>> _ = db.create("seat_1"), db.reserve("seat_1", "alice", ttl=60)
        >>> [row.holder_id for row in db.list_reservations(holder="alice")]
        [Id('alice')]
        """
        pages = self._pages(
            _codec.LIST_RESERVATIONS, _codec.RESERVATION_ROW_BYTES, states, holder, required_lsn
        )
        for response, rows in pages:
            for at in rows:
                yield reservation_of(_codec.reservation_row(response, at))

    def _pages(
        self,
        kind: int,
        row_bytes: int,
        states: Iterable[_State] | None,
        holder: IdLike | None,
        required_lsn: int,
    ) -> Iterator[tuple[bytearray, list[int]]]:
        """The pages of a listing: a response and where its rows begin. The response is overwritten
        by the next page.
        """
        mask = 0
        for state in states or ():
            mask |= 1 << checked("state", state, 5)
        holder_id = 0 if holder is None else id_number(holder, "holder")
        checked("required_lsn", required_lsn)
        request = bytearray(64)
        response = bytearray(_codec.LIST_HEAD_BYTES + row_bytes * _PAGE_ROWS)
        cursor = 0
        while True:
            size = _codec.put_list(
                request, 0, kind, 0, required_lsn, cursor, holder_id, mask, _PAGE_ROWS
            )
            end = self._exchange_large(request, size, response)
            failed = _codec.failure(response, 0, end, kind)
            if failed is not None:
                raise self._handle.refusal(failed)
            cursor, _, rows = _codec.list_page(response, 0, end, row_bytes)
            yield response, rows
            if cursor == 0:
                return

    def _exchange_large(self, request: bytearray, size: int, response: bytearray) -> int:
        """As ``Handle.exchange``, for a response that no scratch has room for."""
        length, error = ctypes.c_size_t(), _library.NativeError()
        sent = (ctypes.c_char * len(request)).from_buffer(request)
        received = (ctypes.c_char * len(response)).from_buffer(response)
        status = _library.call(
            self._handle.pointer,
            ctypes.addressof(sent),
            size,
            ctypes.addressof(received),
            len(response),
            ctypes.addressof(length),
            ctypes.addressof(error),
        )
        if status:
            raise self._handle.failure(status, error)
        return length.value

    # ---- upkeep ----

    @property
    def configuration(self) -> Configuration:
        """What is stored with the data, and the bounds of this opening."""
        return self._configuration

    def recovery_report(self) -> RecoveryReport:
        """What recovery found when this handle was opened.

        >>> allocdb.open(scratch_directory()).recovery_report().kind
        <StartKind.FRESH: 0>

        Raises :class:`ClosedError`, :class:`ForkedError`, :class:`PanicError`. Safe in any thread.
        """
        return recovery_report_of(self._figures(_codec.RECOVERY_REPORT, _codec.recovery_report))

    def checkpoint(self) -> CheckpointReport:
        """Writes a snapshot and drops the part of the log that became superfluous. Made by itself
        after every ``checkpoint_wal_bytes``; by hand before a planned stop, so that the next
        opening is quick. It is written in slices of some milliseconds, between which other
        threads' commits go on; reads never wait.

        >>> db = allocdb.open(scratch_directory())
        >>> _ = db.create("seat_21A")
        >>> db.checkpoint().written, db.checkpoint().written
        (True, False)

        Raises :class:`OverloadedError`, :class:`ReadOnlyError`; :class:`StorageFullError` or
        :class:`OpenError` (an I/O error) where it was given up and the database goes on as if it
        had not been tried; :class:`IndefiniteError` where the engine has halted;
        :class:`ClosedError`, :class:`ForkedError`. Safe in any thread.
        """
        figures = self._figures(_codec.CHECKPOINT, _codec.checkpoint)
        self._handle.pull_logs()
        return checkpoint_report_of(figures)

    def health(self, *, slot: int = 0) -> Health:
        """The engine's figures at one moment; answered also by a halted engine, and while a sync is
        under way. ``slot`` is the caller's logical time, for ``logical_slot_lag``; 0 is now.

        >>> allocdb.open(scratch_directory()).health().accepting_writes
        True

        Raises :class:`UsageError`, :class:`ClosedError`, :class:`ForkedError`. Safe in any thread.
        """
        checked("slot", slot)
        self._handle.pull_logs()
        scratch = take_scratch()
        try:
            size = _codec.put_health(scratch.request, 0, 0, slot)
            end = self._handle.exchange_one(scratch, size, _codec.HEALTH)
            return health_of(_codec.health_words(scratch.response, 0, end))
        finally:
            give_scratch(scratch)

    def metrics_text(self, *, slot: int = 0) -> str:
        """The figures of :meth:`health` in the text format of Prometheus.

        Raises as :meth:`health`; :class:`UsageError` where the library is too old to have it. Safe
        in any thread.
        """
        function = self._handle.function("allocdb_metrics_text")
        checked("slot", slot)
        capacity = 32 * 1024
        while True:
            text, length = ctypes.create_string_buffer(capacity), ctypes.c_size_t()
            error = _library.NativeError()
            status = function(
                self._handle.pointer, slot, ctypes.addressof(text), capacity,
                ctypes.addressof(length), ctypes.addressof(error),
            )
            if status == Status.E_BUFFER_TOO_SMALL and length.value >= capacity:
                capacity = length.value + 1
                continue
            if status:
                raise self._handle.failure(status, error)
            return text.raw[: length.value].decode("utf-8")

    def refresh(self) -> int:
        """Catches up with the writer, on a handle that was opened ``read_only``, and returns the
        log position reached. On a handle that writes: its last one, and nothing to do. A refresh
        that fails leaves the state where it was.

        Raises :class:`ClosedError`, :class:`ForkedError`, :class:`OpenError`,
        :class:`CorruptError`; :class:`UsageError` where the library is too old to have it. Safe in
        any thread.
        """
        function = self._handle.function("allocdb_refresh")
        lsn, error = ctypes.c_uint64(), _library.NativeError()
        status = function(
            self._handle.pointer, ctypes.addressof(lsn), ctypes.addressof(error)
        )
        if status:
            raise self._handle.failure(status, error)
        return lsn.value

    def backup(self, directory: PathLike) -> None:
        """Writes a copy of the database, as of one moment between two commits, into a directory
        that must be empty or not there. The copy has the same configuration, a new
        ``database_id``, and its log position is raised by 2**40, so that a database restored from
        it never repeats a fencing token of its original.

        Raises :class:`ExistsError` where the directory is not empty; :class:`StorageFullError`,
        :class:`OpenError`; :class:`ClosedError`, :class:`ForkedError`; :class:`UsageError` where
        the library is too old to have it. Safe in any thread.
        """
        function = self._handle.function("allocdb_backup")
        name = os.fsencode(directory)
        if b"\0" in name:
            raise UsageError(f"directory is {directory!r}, which holds a NUL")
        error = _library.NativeError()
        status = function(self._handle.pointer, name, ctypes.addressof(error))
        if status:
            raise self._handle.failure(status, error)

    def logs(self) -> list[str]:
        """Takes the library's log lines, oldest first, each with its level in front, and hands them
        to ``logging`` (the logger ``allocdb``) as well. They are also taken at opening, closing,
        ``health``, ``checkpoint`` and after an indefinite failure: call it where a long-running
        program hears nothing else.

        >>> with allocdb.open(scratch_directory(), log_level="info") as db:
        ...     _ = db.checkpoint()
        ...     isinstance(db.logs(), list)
        True

        Never raises. Safe in any thread; each line goes to one of them.
        """
        return self._handle.pull_logs()

    def slot_now(self) -> int:
        """The slot of this moment: Unix milliseconds / ``slot_duration_ms``, whatever the option
        ``clock`` says; 0 on a closed database or in a forked child. Safe in any thread.
        """
        return int(_library.library.allocdb_slot_now(self._handle.pointer))

    def _figures(self, kind: int, decode: Any) -> tuple[int, ...]:
        scratch = take_scratch()
        try:
            size = _codec.put_plain(scratch.request, 0, kind, 0)
            end = self._handle.exchange_one(scratch, size, kind)
            figures: tuple[int, ...] = decode(scratch.response, 0, end)
            return figures
        finally:
            give_scratch(scratch)
