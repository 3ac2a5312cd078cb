"""The options of ``allocdb.open``: their names, types and ranges, and the C struct they fill.

Python checks names, types and what fits the C field; the bounds themselves are the library's, which
names field, value and bound in its message. Rejected: to repeat the bounds here, where they would
go stale. The C options ``log_function`` and ``log_context`` have no counterpart: native code never
calls back into Python, whose interpreter may be going away; lines are pulled.
"""

from __future__ import annotations

import ctypes
import enum
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

from . import _library
from .constants import Clock, LogLevel, Sync
from .errors import UsageError
from .ids import IdLike, id_number

if TYPE_CHECKING:
    SyncLike = Union[Sync, Literal["full", "os"]]
    ClockLike = Union[Clock, Literal["system", "host"]]
    LogLevelLike = Union[LogLevel, Literal["error", "warning", "info"]]


class Options(TypedDict, total=False):
    """All keywords of ``allocdb.open``. What is left out, ``None`` or 0 has the library's default.

    Stored with the data when the database is created; at reopening a value that differs from the
    stored one is :class:`ConfigMismatchError`, but that ``max_resources``, ``max_reservations``,
    ``max_operations`` and ``max_expiration_bucket_len`` may grow:

    ========================= ==================================================== =============
    option                    meaning, and bounds                                  default
    ========================= ==================================================== =============
    database_id               names the database and its lineage (an id)           drawn
    shard_id                  high half of every reservation id; u64               0
    hash_seed                 keys every hash; u64                                 drawn
    slot_duration_ms          milliseconds a slot; 1 to 86,400,000                 100
    max_ttl_slots             greatest TTL; 1 to 2**28 - 1                         262,143
    operation_window_slots    how long an operation is remembered; 1 to 2**40      300
    history_window_slots      how long an ended reservation is readable; 1 to 2**40 300
    max_resources             1 to 2**28                                           65,536
    max_reservations          live and remembered; 1 to 2**28                      262,144
    max_operations            remembered; 1 to 2**28                               524,288
    max_bundle_len            resources in one reservation; 1 to 1,024             64
    max_expiration_bucket_len reservations with one deadline; 1 to max_reservations all
    max_expirations_per_tick  1 to 2**28                                           1,024
    ========================= ==================================================== =============

    Of this opening alone:

    ========================= ==================================================== =============
    sync                      ``"full"``: a commit is on the disk before it is      full
                              acknowledged; ``"os"``: the kernel writes when it
                              likes
    clock                     ``"system"``, or ``"host"``: the caller counts slots system
    max_queue                 submissions that wait at once                        8,192
    max_batch_commands        commands in one commit                               8,192
    max_batch_bytes           bytes of commands in one commit; up to 16 MiB        1 MiB
    wal_prealloc_bytes        how far the log is written ahead                     16 MiB
    checkpoint_wal_bytes      a checkpoint is made after so much log               64 MiB
    max_slot_leap             a slot further ahead than the clock explains is      0: no check
                              refused
    log_level                 ``"error"``, ``"warning"`` or ``"info"``             warning
    log_ring_bytes            bytes kept of log lines not yet pulled               64 KiB
    existing                  the database must be there                           False
    new                       the database must not be there                       False
    read_only                 for reading only, beside a writer in another process False
    allow_network_fs          the caller vouches for a network file system         False
    auto_expire               commits expire what is due                           True
    ========================= ==================================================== =============
    """

    database_id: IdLike | None
    shard_id: int | None
    hash_seed: int | None
    slot_duration_ms: int | None
    max_ttl_slots: int | None
    operation_window_slots: int | None
    history_window_slots: int | None
    max_resources: int | None
    max_reservations: int | None
    max_operations: int | None
    max_bundle_len: int | None
    max_expiration_bucket_len: int | None
    max_expirations_per_tick: int | None
    sync: SyncLike | None
    clock: ClockLike | None
    max_queue: int | None
    max_batch_commands: int | None
    max_batch_bytes: int | None
    wal_prealloc_bytes: int | None
    checkpoint_wal_bytes: int | None
    max_slot_leap: int | None
    log_level: LogLevelLike | None
    log_ring_bytes: int | None
    existing: bool | None
    new: bool | None
    read_only: bool | None
    allow_network_fs: bool | None
    auto_expire: bool | None


_FLAGS = {"existing": 1, "new": 2, "read_only": 4, "allow_network_fs": 8, "auto_expire": 16}
_CHOICES: dict[str, type[enum.IntEnum]] = {"sync": Sync, "clock": Clock, "log_level": LogLevel}
_NUMBERS: dict[str, int] = {
    name: 8 * ctypes.sizeof(kind)
    for name, kind, *_ in _library.NativeOptions._fields_
    if kind in (ctypes.c_uint32, ctypes.c_uint64)
    and name not in ("struct_size", "flags", "reserved0", *_CHOICES)
}
OPTION_NAMES = ("database_id", *_NUMBERS, *_CHOICES, *_FLAGS)


def native_options(options: dict[str, Any]) -> _library.NativeOptions:
    """The C struct of these keywords. Raises :class:`UsageError` naming option, value and bound."""
    native = _library.NativeOptions()
    native.struct_size = ctypes.sizeof(native)
    for name, value in options.items():
        if name not in OPTION_NAMES:
            raise UsageError(f"{name} is no option; there are: {', '.join(sorted(OPTION_NAMES))}")
        if value is None:
            continue
        if name in _FLAGS:
            native.flags |= _flag(name, value)
        elif name in _CHOICES:
            setattr(native, name, _choice(name, value))
        elif name == "database_id":
            number = id_number(value, name)
            native.database_id = _library.NativeId(number & (2**64 - 1), number >> 64)
        else:
            setattr(native, name, _number(name, value, _NUMBERS[name]))
    return native


def _flag(name: str, value: object) -> int:
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}, must be True or False")
    # The C flag says when commits do *not* expire.
    is_set = not value if name == "auto_expire" else value
    return _FLAGS[name] if is_set else 0


def _choice(name: str, value: object) -> int:
    kind = _CHOICES[name]
    if isinstance(value, kind) and value in list(kind):
        return int(value)
    if isinstance(value, str) and value.upper() in kind.__members__ and value == value.lower():
        return int(kind[value.upper()])
    allowed = ", ".join(repr(member.name.lower()) for member in kind)
    raise UsageError(f"{name} is {value!r}, must be one of {allowed}")


def _number(name: str, value: object, bits: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} is {value!r}, must be an int")
    if not 0 <= value < 2**bits:
        raise UsageError(f"{name} is {value}, must be 0 to 2**{bits} - 1")
    return value


def memory_bound(**options: Any) -> int:
    """Bytes of memory that a database made with these options uses at most, before anything is
    opened: tables, buffers, all that grows.

    >>> memory_bound(max_resources=1000, max_reservations=1000, max_operations=1000) < 100_000_000
    True

    Raises :class:`UsageError` for an option that is unknown or out of its bounds. Safe in any
    thread.
    """
    native = native_options(options)
    size, error = ctypes.c_uint64(), _library.NativeError()
    status = _library.library.allocdb_memory_bound(
        ctypes.addressof(native), ctypes.addressof(size), ctypes.addressof(error)
    )
    if status:
        raise UsageError(error.message.decode("utf-8", "replace"))
    return size.value
