"""The native library: where it is found, its prototypes, and the memory of calls.

Looked for in this order: ``libAllocDB.so`` in this package's own directory (a wheel has it there);
the file named by ``ALLOCDB_LIBRARY``; the system's paths, by its soname. The first place that has
one is taken, and a library that does not fit (another soname, an older version) is an error and not
skipped: a program must not run with another library than its owner believes.

All prototypes are set once, here, at import: ctypes then converts without looking types up, and a
wrong argument is a ``TypeError`` and not a wild pointer. ``CDLL`` releases the GIL in every call.
Handles and addresses are passed as plain integers. Single calls are the exception, because the
conversion of seven arguments takes half of such a call: their arguments are converted, and so
checked, when they are made, once for each handle, scratch and length, and ``prepared_call``, which
has no prototype, takes nothing else.

A call needs a request, a response, a length and an error: a :class:`Scratch`. Each thread keeps a
stack of them, and a call takes one off and puts it back. One alone would not do: a signal handler
or a finalizer may run in the same thread between the filling of a request and the call, and would
overwrite it.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Any

SONAME = "libAllocDB.so.0"
LIBRARY_VARIABLE = "ALLOCDB_LIBRARY"
VERSION_LEAST = 1000
"""major * 1,000,000 + minor * 1,000 + patch of the oldest library that this package works with."""

REQUEST_BYTES = 80 + 16 * 1024
"""The longest single request: a reserve of 1,024 resources."""
RESPONSE_BYTES = 128 + 16 * 1024
"""The longest single response that is read into a scratch: a reservation with 1,024 ids."""
LOG_BYTES = 64 * 1024


class LibraryError(ImportError):
    """``libAllocDB`` was not found, or is not one that this package works with."""


class NativeId(ctypes.Structure):
    """``allocdb_id``."""

    _fields_ = [("lo", ctypes.c_uint64), ("hi", ctypes.c_uint64)]


class NativeError(ctypes.Structure):
    """``allocdb_error``."""

    _fields_ = [
        ("status", ctypes.c_int32),
        ("os_errno", ctypes.c_int32),
        ("detail", ctypes.c_uint64 * 4),
        ("message", ctypes.c_char * 216),
    ]


class NativeOptions(ctypes.Structure):
    """``allocdb_options``. It may grow: ``struct_size`` says which one this is."""

    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("database_id", NativeId),
        ("shard_id", ctypes.c_uint64),
        ("hash_seed", ctypes.c_uint64),
        ("slot_duration_ms", ctypes.c_uint64),
        ("max_ttl_slots", ctypes.c_uint64),
        ("operation_window_slots", ctypes.c_uint64),
        ("history_window_slots", ctypes.c_uint64),
        ("max_resources", ctypes.c_uint32),
        ("max_reservations", ctypes.c_uint32),
        ("max_operations", ctypes.c_uint32),
        ("max_bundle_len", ctypes.c_uint32),
        ("max_expiration_bucket_len", ctypes.c_uint32),
        ("max_expirations_per_tick", ctypes.c_uint32),
        ("sync", ctypes.c_uint32),
        ("clock", ctypes.c_uint32),
        ("max_queue", ctypes.c_uint32),
        ("max_batch_commands", ctypes.c_uint32),
        ("max_batch_bytes", ctypes.c_uint64),
        ("wal_prealloc_bytes", ctypes.c_uint64),
        ("checkpoint_wal_bytes", ctypes.c_uint64),
        ("max_slot_leap", ctypes.c_uint64),
        ("log_function", ctypes.c_void_p),
        ("log_context", ctypes.c_void_p),
        ("log_level", ctypes.c_uint32),
        ("reserved0", ctypes.c_uint32),
        ("log_ring_bytes", ctypes.c_uint64),
    ]


_STATUS = ctypes.c_int32
_POINTER = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_U64 = ctypes.c_uint64
_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "allocdb_version_number": (ctypes.c_uint32, []),
    "allocdb_version_string": (ctypes.c_char_p, []),
    "allocdb_memory_bound": (_STATUS, [_POINTER, _POINTER, _POINTER]),
    "allocdb_open": (_STATUS, [ctypes.c_char_p, _POINTER, _POINTER, _POINTER]),
    "allocdb_close": (_STATUS, [_POINTER]),
    "allocdb_call": (_STATUS, [_POINTER, _POINTER, _SIZE, _POINTER, _SIZE, _POINTER, _POINTER]),
    "allocdb_slot_now": (_U64, [_POINTER]),
    "allocdb_log_read": (_STATUS, [_POINTER, _POINTER, _SIZE, _POINTER, _POINTER, _POINTER]),
}
# Functions that came later than the least version: bound where the library has them.
_PROTOTYPES_LATER: dict[str, tuple[Any, list[Any]]] = {
    "allocdb_refresh": (_STATUS, [_POINTER, _POINTER, _POINTER]),
    "allocdb_backup": (_STATUS, [_POINTER, ctypes.c_char_p, _POINTER]),
    "allocdb_metrics_text": (_STATUS, [_POINTER, _U64, _POINTER, _SIZE, _POINTER, _POINTER]),
}


def load() -> tuple[ctypes.CDLL, str]:
    """The library with its prototypes, and where it was found. Raises :class:`LibraryError`."""
    library, place = _find()
    for name, (restype, argtypes) in _PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise LibraryError(f"{place} has no function {name}: not a libAllocDB") from None
        function.restype, function.argtypes = restype, argtypes
    for name, (restype, argtypes) in _PROTOTYPES_LATER.items():
        function = getattr(library, name, None)
        if function is not None:
            function.restype, function.argtypes = restype, argtypes
    _check_version(int(library.allocdb_version_number()), place)
    return library, place


def _find() -> tuple[ctypes.CDLL, str]:
    own = Path(__file__).with_name("libAllocDB.so")
    if own.exists():
        return _open(str(own)), str(own)
    named = os.environ.get(LIBRARY_VARIABLE)
    if named:
        return _open(named), named
    try:
        return ctypes.CDLL(SONAME), SONAME
    except OSError:
        raise LibraryError(
            f"libAllocDB was not found: not at {own}; {LIBRARY_VARIABLE} is not set; and the "
            f"system's library paths have no {SONAME}. Install the package with its library (pip "
            f"install ./bindings/python), or set {LIBRARY_VARIABLE} to the file libAllocDB.so"
        ) from None


def _open(path: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise LibraryError(f"{path} cannot be loaded: {error}") from None


def _check_version(number: int, place: str) -> None:
    major = VERSION_LEAST // 1_000_000
    if number // 1_000_000 != major or number < VERSION_LEAST:
        raise LibraryError(
            f"{place} is libAllocDB {_version_text(number)}; this package works with "
            f"{_version_text(VERSION_LEAST)} and later ones of major version {major}"
        )


def _version_text(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


# Converts an address, or a handle, for prepared_call.
address_argument: Any = ctypes.c_void_p.from_param


class _SizeArguments(dict[int, Any]):
    """Lengths, converted for prepared_call when first asked for: as many as messages have."""

    def __missing__(self, size: int) -> Any:
        made = self[size] = ctypes.c_size_t.from_param(size)
        return made


size_arguments = _SizeArguments()
RESPONSE_ARGUMENT = size_arguments[RESPONSE_BYTES]


class Scratch:
    """The memory of one call, with its addresses."""

    __slots__ = (
        "request",
        "request_address",
        "response",
        "response_address",
        "len",
        "len_address",
        "error",
        "error_address",
        "request_argument",
        "response_argument",
        "len_argument",
        "error_argument",
        "_exports",
    )

    def __init__(self) -> None:
        self.request = bytearray(REQUEST_BYTES)
        self.response = bytearray(RESPONSE_BYTES)
        self.len = ctypes.c_size_t()
        self.error = NativeError()
        # An exported bytearray cannot be resized, so that its address holds as long as this lives.
        request = (ctypes.c_char * REQUEST_BYTES).from_buffer(self.request)
        response = (ctypes.c_char * RESPONSE_BYTES).from_buffer(self.response)
        self._exports = (request, response)
        self.request_address = ctypes.addressof(request)
        self.response_address = ctypes.addressof(response)
        self.len_address = ctypes.addressof(self.len)
        self.error_address = ctypes.addressof(self.error)
        # The same addresses as prepared_call takes them.
        self.request_argument = address_argument(self.request_address)
        self.response_argument = address_argument(self.response_address)
        self.len_argument = address_argument(self.len_address)
        self.error_argument = address_argument(self.error_address)


class _ThreadScratch(threading.local):
    """A stack of scratches for each thread; its ``__init__`` runs in each thread that comes."""

    def __init__(self) -> None:
        self.stack: list[Scratch] = []


thread = _ThreadScratch()

library, library_place = load()
call = library.allocdb_call
# Another function object of the same function: without a prototype, see above.
prepared_call: Any = library["allocdb_call"]
prepared_call.restype = _STATUS
version = (library.allocdb_version_string() or b"").decode("ascii")
