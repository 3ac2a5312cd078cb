"""The numbers that AllocDB speaks: statuses, result codes, states, and the choices of options.

They are those of ``include/allocdb.h`` and never change; later versions add to them. A number that
this version does not know becomes a member named ``UNKNOWN_<number>`` of its enumeration, equal to
the number, so that an older package beside a newer library neither fails nor lies. Rejected: to
raise ``ValueError``, which would turn an answer that is already durable into a crash.
"""

from __future__ import annotations

import enum
from typing import TypeVar

_Self = TypeVar("_Self", bound="_Number")


class _Number(enum.IntEnum):
    """An integer enumeration that takes numbers of later versions as they are."""

    @classmethod
    def _missing_(cls: type[_Self], value: object) -> _Self | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{int(value)}"
        member._value_ = int(value)
        return member


class Status(_Number):
    """What a call answers. The bands say what follows from it:

    ======== =====================================================================
    0        done; for a command: committed, and its result code says how it was decided
    1-99     misuse: a mistake in the calling program, nothing happened
    100-199  definite: nothing happened, for certain, and nothing will
    200-299  opening and files
    300-399  **indefinite**: nobody can know yet whether it took effect
    400-499  a read's answer
    ======== =====================================================================
    """

    OK = 0
    E_INVALID = 1
    E_STRUCT_SIZE = 2
    E_BUFFER_TOO_SMALL = 3
    E_OVERLAP = 4
    E_CLOSED = 5
    E_FORKED = 6
    E_REENTRANT = 7
    E_MALFORMED = 100
    E_COMMAND_TOO_LARGE = 101
    E_BUNDLE_TOO_LARGE = 102
    E_DUPLICATE_RESOURCE = 103
    E_TTL_OUT_OF_RANGE = 104
    E_SLOT_OVERFLOW = 105
    E_SLOT_LEAP = 106
    E_OPERATION_EXPIRED = 107
    E_VALID_UNTIL_OUT_OF_RANGE = 108
    E_OPERATION_CONFLICT = 109
    E_OPERATION_TABLE_FULL = 110
    E_OVERLOADED = 111
    E_LSN_EXHAUSTED = 112
    E_STORAGE_FULL = 113
    E_READ_ONLY = 114
    E_IO = 200
    E_LOCKED = 201
    E_DIRECTORY_NOT_FOUND = 202
    E_NOT_A_DATABASE = 203
    E_CORRUPT = 204
    E_CONFIG_MISMATCH = 205
    E_VERSION = 206
    E_NO_MEMORY = 207
    E_UNSUPPORTED_FS = 208
    E_EXISTS = 209
    E_STORAGE_FAILURE = 300
    E_HALTED = 301
    E_PANIC = 302
    ID_NOT_FOUND = 400
    RETIRED = 401
    FENCE_NOT_APPLIED = 402


class ResultCode(_Number):
    """How a committed command was decided. A code other than ``DONE`` is an answer, not an error:
    it is durable, and a retry gets it again.
    """

    DONE = 0
    RESOURCE_EXISTS = 1
    RESOURCE_TABLE_FULL = 2
    RESOURCE_NOT_FOUND = 3
    RESOURCE_BUSY = 4
    RESERVATION_TABLE_FULL = 5
    EXPIRATION_INDEX_FULL = 6
    RESERVATION_NOT_FOUND = 7
    RESERVATION_RETIRED = 8
    HOLDER_MISMATCH = 9
    INVALID_STATE = 10


class ResourceState(_Number):
    """What a resource is at the moment."""

    AVAILABLE = 1
    """Nobody has it."""
    RESERVED = 2
    """Held until a deadline."""
    CONFIRMED = 3
    """Held until released or revoked."""
    REVOKING = 4
    """Its holder lost it, and it is not reusable before the reclaim."""


class ReservationState(_Number):
    """What a reservation is at the moment; the last three have ended."""

    RESERVED = 1
    """Held until a deadline."""
    CONFIRMED = 2
    """Held until released or revoked."""
    REVOKING = 3
    """Revoked by an operator, not yet reclaimed."""
    RELEASED = 4
    """Ended by its holder."""
    EXPIRED = 5
    """Ended by its deadline."""
    REVOKED = 6
    """Ended by an operator."""


class CommandKind(_Number):
    """Which command a result answers, or a health figure counts."""

    OPERATION = 0
    """Of a looked-up operation: its kind is not remembered."""
    CREATE_RESOURCE = 1
    DELETE_RESOURCE = 2
    RESERVE = 3
    CONFIRM = 4
    EXTEND = 5
    RELEASE = 6
    REVOKE = 7
    RECLAIM = 8
    EXPIRE_DUE = 9
    """The database's own expiry: counted, never submitted."""


class StartKind(_Number):
    """From what the database was recovered when it was opened."""

    FRESH = 0
    WAL_ONLY = 1
    SNAPSHOT_ONLY = 2
    SNAPSHOT_AND_WAL = 3
    PREVIOUS_SNAPSHOT_AND_WAL = 4
    """The newest snapshot was damaged: nothing was lost, but look at the disk."""


class HaltReason(_Number):
    """Why the engine no longer accepts or answers."""

    NONE = 0
    STORAGE = 1
    PANIC = 2
    REQUESTED = 3


class Sync(_Number):
    """The option ``sync``."""

    FULL = 0
    """Every commit is on the disk before it is acknowledged."""
    OS = 1
    """The kernel writes when it likes: a power cut may lose the newest commits."""


class Clock(_Number):
    """The option ``clock``."""

    SYSTEM = 0
    """Slot 0 is the system clock divided by ``slot_duration_ms``."""
    HOST = 1
    """The caller counts slots; slot 0 is the last applied one."""


class LogLevel(_Number):
    """The option ``log_level``: the least important lines that are kept."""

    ERROR = 1
    WARNING = 2
    INFO = 3
