"""AllocDB in Python: reserve, confirm, release. One resource, one winner.

AllocDB gives out what is scarce: seats, rooms, stock units, GPUs, addresses, job slots, locks. It
is a durable database in the process that uses it, in one directory, without a server.

>>> db = allocdb.open(scratch_directory())
>>> db.create("seat_21A").ok
True
>>> r = db.reserve("seat_21A", holder="alice", ttl=60)
>>> r.ok
True
>>> db.reserve("seat_21A", holder="bob", ttl=60).code
<ResultCode.RESOURCE_BUSY: 4>
>>> r.confirm().ok
True
>>> print(db.get_resource("seat_21A").holder_id)
alice
>>> db.close()

What an answer says is on the disk before it is given. A retry is safe: every command carries an
operation, made for the caller unless given, and a repeated one gets the first answer. A resource
may become free late, but never early.

Start with :func:`open` and :class:`Database`; the errors are in :class:`AllocDBError`'s tree. All
of it may be used from any number of threads, on free-threaded builds too.
"""

from ._library import LibraryError, version as _native_version
from .batch import Batch, BatchResults
from .constants import (
    Clock,
    CommandKind,
    HaltReason,
    LogLevel,
    ReservationState,
    ResourceState,
    ResultCode,
    StartKind,
    Status,
    Sync,
)
from .database import Database, open
from .errors import (
    AllocDBError,
    BusyError,
    ClosedError,
    ConfigMismatchError,
    CorruptError,
    ExistsError,
    FenceError,
    ForkedError,
    HaltedError,
    IndefiniteError,
    LeaseLostError,
    LockedError,
    OpenError,
    OperationConflictError,
    OperationExpiredError,
    OperationTableFullError,
    OverloadedError,
    PanicError,
    ReadOnlyError,
    RejectedError,
    ResultError,
    RetiredError,
    StorageError,
    StorageFullError,
    UsageError,
)
from .figures import CheckpointReport, Configuration, Health, RecoveryReport
from .ids import Id, IdLike
from .lease import Hold, Lease
from .options import Options, memory_bound
from .results import Operation, ReserveResult, Reservation, Resource, Result, TickResult
from .ttl import TTL, Slots

__version__ = "0.3.0"
library_version = _native_version
"""The version of the native library."""

__all__ = [
    "AllocDBError",
    "Batch",
    "BatchResults",
    "BusyError",
    "CheckpointReport",
    "Clock",
    "ClosedError",
    "CommandKind",
    "ConfigMismatchError",
    "Configuration",
    "CorruptError",
    "Database",
    "ExistsError",
    "FenceError",
    "ForkedError",
    "HaltReason",
    "HaltedError",
    "Health",
    "Hold",
    "Id",
    "IdLike",
    "IndefiniteError",
    "Lease",
    "LeaseLostError",
    "LibraryError",
    "LockedError",
    "LogLevel",
    "OpenError",
    "Operation",
    "OperationConflictError",
    "OperationExpiredError",
    "OperationTableFullError",
    "Options",
    "OverloadedError",
    "PanicError",
    "ReadOnlyError",
    "RecoveryReport",
    "RejectedError",
    "Reservation",
    "ReservationState",
    "ReserveResult",
    "Resource",
    "ResourceState",
    "Result",
    "ResultCode",
    "ResultError",
    "RetiredError",
    "Slots",
    "StartKind",
    "Status",
    "StorageError",
    "StorageFullError",
    "Sync",
    "TTL",
    "TickResult",
    "UsageError",
    "library_version",
    "memory_bound",
    "open",
]
