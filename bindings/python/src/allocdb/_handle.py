"""The native handle: opening, calling, closing; errors, operation ids, log lines.

Everything that the rest of the package does with a database goes through here. The pointer is kept
as a plain integer and never cleared: the library answers E_CLOSED through the pointer of a closed
handle and E_FORKED through that of a parent's, so a call that races a close needs no lock and no
check in Python.

Operation ids are a random 128-bit base, counted up; made here because a ctypes call costs more than
the addition. A base is a version 4 UUID: its variant bits leave 2**62 of room above, so counting up
never carries into the high half and never gives 0. A handle has two: single commands take the next
of an ``itertools.count``, a step that no other thread comes between; batches take many at once,
under a lock.

In a forked child the locks of this module may be held by threads that do not exist there; a hook
replaces them. Everything else about a fork is the library's to tell.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import logging
import os
import re
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from typing import Any

from . import _codec, _library
from ._library import RESPONSE_ARGUMENT, Scratch, address_argument, prepared_call, size_arguments
from .constants import Status
from .errors import AllocDBError, UsageError, response_error, status_error
from .ids import Id, IdLike, id_number
from .results import Operation
from .ttl import SLOT_MAX

logger = logging.getLogger("allocdb")
logger.addHandler(logging.NullHandler())

_time_ns = time.time_ns
_stack_of = _library.thread
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}
# What the library puts in front of a message where a call may hold many.
_MESSAGE_PREFIX = re.compile(r"^message (\d+)(?:, offset \d+)?: ")


def take_scratch() -> Scratch:
    """A scratch that nobody else has; give it back with :func:`give_scratch`."""
    stack = _stack_of.stack
    return stack.pop() if stack else Scratch()


def give_scratch(scratch: Scratch) -> None:
    """Puts a scratch back on its thread's stack."""
    _stack_of.stack.append(scratch)


class Handle:
    """An open database as the library sees it. Safe in any number of threads."""

    def __init__(self, path: bytes, native: _library.NativeOptions) -> None:
        self.pointer = 0
        self.path = path
        pointer, error = ctypes.c_void_p(), _library.NativeError()
        status = _library.library.allocdb_open(
            path, ctypes.addressof(native), ctypes.addressof(pointer), ctypes.addressof(error)
        )
        if status:
            raise _native_error(status, error)
        self.pointer = pointer.value or 0
        self.argument = address_argument(self.pointer)
        self.pid = os.getpid()
        self.is_host_clock = native.clock == 1
        self._operations = itertools.count(uuid.uuid4().int)
        self._block_base = uuid.uuid4().int
        self._block_count = 0
        self.fork_hooks: list[Callable[[], None]] = []
        self.renew_locks()
        with _registry_lock:
            _registry.add(self)
        # What every call needs, in Python's own reach.
        self.configuration = self._configuration()
        self.slot_duration_ms: int = self.configuration[2]
        self.window_slots: int = self.configuration[4]
        self.max_batch_commands: int = self.configuration[12]
        self._slot_duration_ns = self.slot_duration_ms * 1_000_000
        self._slot_seen = self._recovered_slot()
        self.pull_logs()

    def renew_locks(self) -> None:
        """Fresh locks: at the start, and in a forked child."""
        self._count_lock = threading.Lock()
        self._close_lock = threading.RLock()

    def _configuration(self) -> tuple[int, ...]:
        scratch = take_scratch()
        try:
            size = _codec.put_plain(scratch.request, 0, _codec.CONFIGURATION, 0)
            end = self.exchange_one(scratch, size, _codec.CONFIGURATION)
            return _codec.configuration(scratch.response, 0, end)
        finally:
            give_scratch(scratch)

    def _recovered_slot(self) -> int:
        scratch = take_scratch()
        try:
            size = _codec.put_plain(scratch.request, 0, _codec.RECOVERY_REPORT, 0)
            end = self.exchange_one(scratch, size, _codec.RECOVERY_REPORT)
            return _codec.recovery_report(scratch.response, 0, end)[5]
        finally:
            give_scratch(scratch)

    # ---- calls ----

    def exchange(self, scratch: Scratch, size: int) -> int:
        """Sends the first ``size`` bytes of the request; returns the bytes of the response."""
        status: int = prepared_call(
            self.argument,
            scratch.request_argument,
            size_arguments[size],
            scratch.response_argument,
            RESPONSE_ARGUMENT,
            scratch.len_argument,
            scratch.error_argument,
        )
        if status:
            raise self.failure(status, scratch.error)
        size = scratch.len.value
        return size

    def exchange_one(self, scratch: Scratch, size: int, kind: int) -> int:
        """As :meth:`exchange`, of one message of ``kind`` whose response must have a body."""
        end = self.exchange(scratch, size)
        failed = _codec.failure(scratch.response, 0, end, kind)
        if failed is not None:
            raise self.refusal(failed)
        return end

    def failure(self, status: int, error: _library.NativeError) -> AllocDBError:
        """The exception for a call that failed."""
        if status >= Status.E_STORAGE_FAILURE:
            self.pull_logs()
        return _native_error(status, error)

    def refusal(
        self, failed: _codec.Failure, operation: Operation | None = None
    ) -> AllocDBError:
        """The exception for a response that failed."""
        status, os_errno, detail = failed
        if status // 100 == 3:
            self.pull_logs()
        return response_error(status, os_errno, detail, operation)

    def function(self, name: str) -> Any:
        """A function that not every library has."""
        function = getattr(_library.library, name, None)
        if function is None or function.argtypes is None:
            place, version = _library.library_place, _library.version
            raise UsageError(f"{place} is libAllocDB {version}, which has no {name}")
        return function

    # ---- time and operations ----

    def slot_now(self) -> int:
        """The system's clock in slots; with a host's clock the last slot that was seen."""
        if self.is_host_clock:
            return self._slot_seen
        return time.time_ns() // self._slot_duration_ns

    def note_slot(self, slot: int) -> None:
        """Remembers a slot that was applied."""
        if slot > self._slot_seen:
            with self._count_lock:
                self._slot_seen = max(slot, self._slot_seen)

    def take_operations(self, count: int) -> int:
        """The first of ``count`` operation ids that nobody else gets."""
        with self._count_lock:
            first = self._block_count
            self._block_count = first + count
        return self._block_base + first

    def valid_until(self, slot: int) -> int:
        """The end of the dedupe window of a command at ``slot``, 0 for now."""
        if slot:
            base = slot
        elif self.is_host_clock:
            base = self._slot_seen
        else:
            base = _time_ns() // self._slot_duration_ns
        if base < self._slot_seen:
            base = self._slot_seen
        until = base + self.window_slots
        return until if until <= SLOT_MAX else SLOT_MAX

    def operation(
        self, given: Operation | IdLike | None, slot: int
    ) -> tuple[int, int]:
        """Id and limit of a command's operation: the caller's, or a new one."""
        if given is None:
            return next(self._operations), self.valid_until(slot)
        if isinstance(given, Operation):
            number, limit = given
            if type(number) is Id and type(limit) is int and 0 <= limit <= SLOT_MAX and number:
                return number, limit
            valid_until_slot = checked("operation.valid_until_slot", given.valid_until_slot)
            return id_number(given.id, "operation.id"), valid_until_slot
        return id_number(given, "operation"), 0

    # ---- logs ----

    def pull_logs(self) -> list[str]:
        """Takes the library's log lines to ``logging``; returns them. Never raises."""
        lines: list[str] = []
        try:
            text = ctypes.create_string_buffer(_library.LOG_BYTES)
            size, dropped = ctypes.c_size_t(), ctypes.c_uint64()
            while True:
                status = _library.library.allocdb_log_read(
                    self.pointer, ctypes.addressof(text), len(text), ctypes.addressof(size),
                    ctypes.addressof(dropped), None,
                )
                if status or size.value == 0:
                    break
                taken = text.raw[: size.value].decode("utf-8", "replace").splitlines()
                if dropped.value:
                    taken.insert(0, f"warning: {dropped.value} log lines were lost: ring full")
                lines.extend(taken)
        except Exception:  # a log line is not worth a caller's command
            logger.exception("log lines could not be read")
        for line in lines:
            level, _, words = line.partition(": ")
            logger.log(_LEVELS.get(level, logging.INFO), "%s", words)
        return lines

    # ---- the end ----

    def close(self) -> None:
        """Waits for calls under way, then closes; again: nothing."""
        if not self.pointer:
            return
        with self._close_lock:
            self.pull_logs()
            pointer = ctypes.c_void_p(self.pointer)
            status = _library.library.allocdb_close(ctypes.addressof(pointer))
        with _registry_lock:
            _registry.discard(self)
        if status:
            raise response_error(status, 0, (0, 0, 0, 0))

    def __del__(self) -> None:
        try:
            self.close()
        except BaseException:  # noqa: B036 - the interpreter may be half gone
            pass


def checked(field: str, value: object, bits: int = 64) -> int:
    """``value`` where it is an unsigned integer of so many bits; else :class:`UsageError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{field} is {value!r}, must be an int")
    if not 0 <= value < 2**bits:
        raise UsageError(f"{field} is {value}, must be 0 to 2**{bits} - 1")
    return value


def _native_error(status: int, error: _library.NativeError) -> AllocDBError:
    message = error.message.decode("utf-8", "replace")
    found = _MESSAGE_PREFIX.match(message)
    if found:
        index = "" if found[1] == "0" else f"command {found[1]}: "
        message = index + message[found.end() :]
    return status_error(status, error.os_errno, tuple(error.detail), message)


_registry: weakref.WeakSet[Handle] = weakref.WeakSet()
# Reentrant: a finalizer may close a handle while its own thread is adding one.
_registry_lock = threading.RLock()


def _close_all() -> None:
    """At the interpreter's exit: proves each log's end durable, so that opening is quick."""
    for handle in list(_registry):
        try:
            handle.close()
        except AllocDBError as error:
            logger.warning("%s: closing failed: %s", os.fsdecode(handle.path), error)


def _after_fork_in_child() -> None:
    global _registry_lock
    _registry_lock = threading.RLock()
    for handle in list(_registry):
        handle.renew_locks()
        for hook in handle.fork_hooks:
            hook()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork_in_child)
