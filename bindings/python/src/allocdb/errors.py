"""What can go wrong, as exceptions: the class says what a program may conclude.

::

    AllocDBError
      UsageError            a mistake in the calling program; nothing happened
        ClosedError         the database was closed
        ForkedError         the database was opened by a parent process
      RejectedError         DEFINITE: nothing happened, and nothing will
        OverloadedError     no room right now: try again later
          OperationTableFullError
        OperationConflictError, OperationExpiredError, StorageFullError, ReadOnlyError
      IndefiniteError       INDEFINITE: nobody can know yet whether it took effect
        StorageError, HaltedError, PanicError
      OpenError             opening and files
        LockedError (.pid), CorruptError, ConfigMismatchError, ExistsError
      FenceError            a read that asks for a later state than there is
      RetiredError          a reservation that ended and is forgotten
      ResultError           a result that is not "done", raised on request (.result)
        BusyError           somebody else has it
        LeaseLostError      a lease that ended before its holder let it go

After an :class:`IndefiniteError` close the database, open it again, and repeat the same operation
(``operation=error.operation``), or ask ``db.get_operation``. Every other error is definite: what
was asked for did not happen.

Messages name the field, its value and the bound. The library writes most of them; a response of a
batch carries numbers alone, and :func:`response_error` writes the message from these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .constants import ResultCode, Status

if TYPE_CHECKING:
    from .results import Operation, Result


class AllocDBError(Exception):
    """The root of all errors of this package.

    ``status`` is the library's answer (``None`` where the mistake was found in Python),
    ``os_errno`` the system's number (0: none), ``detail`` four numbers that the header tables per
    status, ``operation`` the operation of the command that failed, for repeating it (``None`` where
    there is none).
    """

    status: Status | None
    os_errno: int
    detail: tuple[int, ...]
    operation: Operation | None

    def __init__(
        self,
        message: str,
        *,
        status: Status | None = None,
        os_errno: int = 0,
        detail: tuple[int, ...] = (0, 0, 0, 0),
        operation: Operation | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.os_errno = os_errno
        self.detail = detail
        self.operation = operation

    @property
    def message(self) -> str:
        """What happened, in one line."""
        return str(self)

    @property
    def is_indefinite(self) -> bool:
        """``True``: nobody can know yet whether it took effect. ``False``: it did not."""
        return isinstance(self, IndefiniteError)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[AllocDBError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(AllocDBError):
    """Definite. An argument or option is not allowed, or the library is used as it must not be."""


class ClosedError(UsageError):
    """Definite. The database was closed."""


class ForkedError(UsageError):
    """Definite. The database was opened by a parent process: a forked child opens its own."""


class RejectedError(AllocDBError):
    """Definite. The command was refused: nothing happened, and nothing will. The same operation may
    be sent again.
    """


class OverloadedError(RejectedError):
    """Definite. The queue or a table has no room right now: try again later."""


class OperationTableFullError(OverloadedError):
    """Definite. More commands within the dedupe window than ``max_operations``: slow down."""


class OperationConflictError(RejectedError):
    """Definite. The operation id is remembered with another command."""


class OperationExpiredError(RejectedError):
    """Definite for this submission: ``valid_until_slot`` has passed. Whether an earlier submission
    of the same operation took effect is to be read from the state.
    """


class StorageFullError(RejectedError):
    """Definite. No space for the log: nothing was accepted, reads go on."""


class ReadOnlyError(RejectedError):
    """Definite. The database is open for reading only."""


class IndefiniteError(AllocDBError):
    """INDEFINITE. Nobody can know yet whether the command took effect. Close the database, open it
    again, and repeat the same operation, or ask ``db.get_operation``.
    """


class StorageError(IndefiniteError):
    """INDEFINITE. A write or sync failed, and the engine has halted."""


class HaltedError(IndefiniteError):
    """INDEFINITE. The engine had halted, or halted during the call."""


class PanicError(IndefiniteError):
    """INDEFINITE. An internal error was caught and has halted the engine: a bug in AllocDB."""


class OpenError(AllocDBError):
    """Definite. The database could not be opened, or a file operation failed; ``status`` says
    which: not found, not a database, another version, no memory, an I/O error, ...
    """


class LockedError(OpenError):
    """Definite. The database is open elsewhere; ``pid`` is the owner's process, 0 if not known."""

    @property
    def pid(self) -> int:
        """The process that has the database open; 0 if it is not known."""
        return self.detail[0]


class CorruptError(OpenError):
    """Definite. The files are damaged. Nothing was changed: copy the directory before anything."""


class ConfigMismatchError(OpenError):
    """Definite. An option differs from what is stored with the data; the message names it."""


class ExistsError(OpenError):
    """Definite. Something is there already where a new database or backup was to be made."""


class FenceError(AllocDBError):
    """The state has not reached ``required_lsn``."""

    @property
    def required_lsn(self) -> int:
        """What was asked for."""
        return self.detail[0]

    @property
    def applied_lsn(self) -> int:
        """What the state has reached."""
        return self.detail[1]


class RetiredError(AllocDBError):
    """The reservation ended, and is no longer remembered."""


class ResultError(AllocDBError):
    """Definite. A result that is not ``DONE``, raised on request: ``result`` is the answer itself,
    which is durable.
    """

    result: Result | None

    def __init__(self, message: str, result: Result | None = None) -> None:
        super().__init__(
            message,
            status=None if result is None else Status.OK,
            operation=None if result is None else result.operation,
        )
        self.result = result

    @property
    def code(self) -> ResultCode | None:
        """The result's code; ``None`` where there is no result."""
        return None if self.result is None else self.result.code


class BusyError(ResultError):
    """Definite. The resource is reserved, confirmed or being revoked: somebody has it."""


class LeaseLostError(ResultError):
    """The lease ended before its holder let it go: what was done under it lately may have been done
    beside another holder.
    """


_CLASSES: dict[int, type[AllocDBError]] = {
    Status.E_CLOSED: ClosedError,
    Status.E_FORKED: ForkedError,
    Status.E_OPERATION_EXPIRED: OperationExpiredError,
    Status.E_OPERATION_CONFLICT: OperationConflictError,
    Status.E_OPERATION_TABLE_FULL: OperationTableFullError,
    Status.E_OVERLOADED: OverloadedError,
    Status.E_STORAGE_FULL: StorageFullError,
    Status.E_READ_ONLY: ReadOnlyError,
    Status.E_LOCKED: LockedError,
    Status.E_CORRUPT: CorruptError,
    Status.E_CONFIG_MISMATCH: ConfigMismatchError,
    Status.E_EXISTS: ExistsError,
    Status.E_STORAGE_FAILURE: StorageError,
    Status.E_HALTED: HaltedError,
    Status.E_PANIC: PanicError,
    Status.RETIRED: RetiredError,
    Status.FENCE_NOT_APPLIED: FenceError,
}
_BANDS: tuple[type[AllocDBError], ...] = (
    UsageError,
    RejectedError,
    OpenError,
    IndefiniteError,
    AllocDBError,
)


def error_class(status: int) -> type[AllocDBError]:
    """The class of a status; of one that this version does not know, that of its band."""
    band = status // 100
    general = _BANDS[band] if 0 <= band < len(_BANDS) else AllocDBError
    return _CLASSES.get(status, general)


def status_error(
    status: int,
    os_errno: int,
    detail: tuple[int, ...],
    message: str,
    operation: Operation | None = None,
) -> AllocDBError:
    """The exception for a call that failed with this story."""
    return error_class(status)(
        message, status=Status(status), os_errno=os_errno, detail=detail, operation=operation
    )


def response_error(
    status: int, os_errno: int, detail: tuple[int, ...], operation: Operation | None = None
) -> AllocDBError:
    """The exception for a response that failed: it has numbers, the words are written here."""
    message = _response_message(status, detail)
    if os_errno:
        message = f"{message} (errno {os_errno})"
    return status_error(status, os_errno, detail, message, operation)


_REOPEN = "reopen, then retry with the same operation"
_TEMPLATES: dict[int, str] = {
    Status.E_COMMAND_TOO_LARGE: "the submission has {0}, one commit holds {1}",
    Status.E_BUNDLE_TOO_LARGE: "the bundle has {0} resources, max_bundle_len is {1}",
    Status.E_TTL_OUT_OF_RANGE: "ttl_slots is {0}, must be 1 to max_ttl_slots = {1}",
    Status.E_SLOT_OVERFLOW: "slot is {0}, must be at most {1}",
    Status.E_SLOT_LEAP: "slot is {0}, max_slot_leap allows at most {1} now",
    Status.E_OPERATION_EXPIRED: (
        "valid_until_slot is {0}, the slot is {1}: this submission does nothing and never will"
    ),
    Status.E_VALID_UNTIL_OUT_OF_RANGE: "valid_until_slot is {0}, must be at most {1}",
    Status.E_OPERATION_CONFLICT: (
        "the operation id is remembered with another command, of LSN {0}: use a new operation"
    ),
    Status.E_OPERATION_TABLE_FULL: (
        "the operation table is full: max_operations is {0}, remembered for {1} slots; slow down"
    ),
    Status.E_LSN_EXHAUSTED: "the last log position has been given away",
    Status.E_STORAGE_FULL: "no space for the log: nothing was accepted",
    Status.E_READ_ONLY: "the database is open for reading only",
    Status.E_CLOSED: "the database is closed",
    Status.E_STORAGE_FAILURE: f"a write or sync failed and the engine has halted: {_REOPEN}",
    Status.E_HALTED: f"the engine has halted: {_REOPEN}",
    Status.E_PANIC: f"an internal error was caught and the engine has halted: {_REOPEN}",
    Status.ID_NOT_FOUND: "nothing with this id",
    Status.RETIRED: "the reservation ended and is no longer remembered",
    Status.FENCE_NOT_APPLIED: "required_lsn is {0}, the last applied is {1}",
}
_TABLES = {1: "resource", 2: "reservation", 3: "operation"}


def _response_message(status: int, detail: tuple[int, ...]) -> str:
    if status == Status.E_DUPLICATE_RESOURCE:
        return f"resource {detail[1] << 64 | detail[0]:#x} is in the bundle twice"
    if status == Status.E_OVERLOADED:
        if detail[1] in _TABLES:
            return f"the {_TABLES[detail[1]]} table has no place near this key; retry later"
        return f"the queue is full: max_queue is {detail[0]}; retry later"
    template = _TEMPLATES.get(status)
    return f"status {status}" if template is None else template.format(*detail)
