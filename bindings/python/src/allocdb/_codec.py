"""Requests and responses as bytes: ``docs/codec.md`` in Python.

Encoders write a whole message into a buffer with one ``struct.pack_into`` and return its length;
decoders read a response and return plain tuples. All are pure functions of bytes, so that they are
tried against the golden vectors and against garbage without a database. Rejected: a class for each
message, which would cost more than the call.

An id is two u64, low half first. A response's first 24 bytes are the header, status and errno.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Union

Buffer = Union[bytes, bytearray, memoryview]

VERSION = 1
HEADER_BYTES = 16
OUTCOME_BYTES = 72
NO_INDEX = 0xFFFFFFFF
BUNDLE_LEN_MAX = 1024
LIST_ROWS_MAX = 8192
LIST_HEAD_BYTES = 56
RESOURCE_ROW_BYTES = 64
RESERVATION_ROW_BYTES = 96
HEALTH_WORDS = 128
MASK = 2**64 - 1

CREATE_RESOURCE, DELETE_RESOURCE, RESERVE, CONFIRM = 1, 2, 3, 4
EXTEND, RELEASE, REVOKE, RECLAIM = 5, 6, 7, 8
TICK = 0x10
GET_RESOURCE, GET_RESERVATION, GET_OPERATION = 0x20, 0x21, 0x22
LIST_RESOURCES, LIST_RESERVATIONS = 0x23, 0x24
HEALTH, CONFIGURATION, RECOVERY_REPORT, CHECKPOINT = 0x30, 0x31, 0x32, 0x33
RESPONSE_BIT = 0x80

# len, version, kind, flags, tag
_HEADER = struct.Struct("<IBBHQ")
# ... slot, operation lo hi, valid_until_slot, target lo hi
TARGET = struct.Struct("<IBBHQQQQQQQ")
# ... holder lo hi
HELD = struct.Struct("<IBBHQQQQQQQQQ")
# ... ttl_slots
EXTENDED = struct.Struct("<IBBHQQQQQQQQQQ")
# slot, operation lo hi, valid_until_slot, holder lo hi, ttl_slots, count, 0, resource lo hi
RESERVE_ONE = struct.Struct("<IBBHQQQQQQQQIIQQ")
_RESERVE_HEAD = struct.Struct("<IBBHQQQQQQQQII")
_TICK = struct.Struct("<IBBHQQII")
_GET = struct.Struct("<IBBHQQQQ")
_GET_RESERVATION = struct.Struct("<IBBHQQQQII")
_LIST = struct.Struct("<IBBHQQQQQII")
_HEALTH = struct.Struct("<IBBHQQ")

TARGET_BYTES, HELD_BYTES, EXTENDED_BYTES, RESERVE_ONE_BYTES = 64, 80, 88, 96
RESERVE_HEAD_BYTES = 80

# Everything of a command's response from offset 16 on.
OUTCOME = struct.Struct("<iiQQQQIIII")
_FAILURE = struct.Struct("<iiQQQQ")
# The same from offset 16 on, of a resource and of the kinds of response whose length is fixed.
_RESOURCE_ANSWER = struct.Struct("<iiQQQQQQQI")
_TICK_RESULT = struct.Struct("<QQQII")
_RESOURCE = struct.Struct("<QQQQQQQII")
_RESERVATION = struct.Struct("<QQQQQQQQQQIIQ")
_COUNT = struct.Struct("<II")
_LIST_HEAD = struct.Struct("<QQI")
_CONFIGURATION = struct.Struct("<QQQQQQQIIIIIIIIQ")
_RECOVERY_REPORT = struct.Struct("<IIQQQQQQQQ")
_CHECKPOINT = struct.Struct("<QQQQQQII")
_WORDS = struct.Struct(f"<{HEALTH_WORDS}Q")

Failure = tuple[int, int, tuple[int, int, int, int]]
"""Status, errno, detail words."""


class DecodeError(ValueError):
    """A response that is none of the codec's: not a database's answer, or a bug."""


# ---- requests ----


def put_target(
    buffer: bytearray, at: int, kind: int, tag: int, slot: int, operation: int, valid: int,
    target: int,
) -> int:
    """CREATE_RESOURCE, DELETE_RESOURCE, REVOKE, RECLAIM."""
    TARGET.pack_into(
        buffer, at, TARGET_BYTES, VERSION, kind, 0, tag, slot, operation & MASK, operation >> 64,
        valid, target & MASK, target >> 64,
    )
    return TARGET_BYTES


def put_held(
    buffer: bytearray, at: int, kind: int, tag: int, slot: int, operation: int, valid: int,
    reservation: int, holder: int,
) -> int:
    """CONFIRM, RELEASE."""
    HELD.pack_into(
        buffer, at, HELD_BYTES, VERSION, kind, 0, tag, slot, operation & MASK, operation >> 64,
        valid, reservation & MASK, reservation >> 64, holder & MASK, holder >> 64,
    )
    return HELD_BYTES


def put_extend(
    buffer: bytearray, at: int, tag: int, slot: int, operation: int, valid: int,
    reservation: int, holder: int, ttl_slots: int,
) -> int:
    """EXTEND."""
    EXTENDED.pack_into(
        buffer, at, EXTENDED_BYTES, VERSION, EXTEND, 0, tag, slot, operation & MASK,
        operation >> 64, valid, reservation & MASK, reservation >> 64, holder & MASK, holder >> 64,
        ttl_slots,
    )
    return EXTENDED_BYTES


def put_reserve(
    buffer: bytearray, at: int, tag: int, slot: int, operation: int, valid: int,
    resources: Sequence[int], holder: int, ttl_slots: int,
) -> int:
    """RESERVE of at most BUNDLE_LEN_MAX resources."""
    count = len(resources)
    if count == 1:
        resource = resources[0]
        RESERVE_ONE.pack_into(
            buffer, at, RESERVE_ONE_BYTES, VERSION, RESERVE, 0, tag, slot, operation & MASK,
            operation >> 64, valid, holder & MASK, holder >> 64, ttl_slots, 1, 0, resource & MASK,
            resource >> 64,
        )
        return RESERVE_ONE_BYTES
    size = RESERVE_HEAD_BYTES + 16 * count
    _RESERVE_HEAD.pack_into(
        buffer, at, size, VERSION, RESERVE, 0, tag, slot, operation & MASK, operation >> 64, valid,
        holder & MASK, holder >> 64, ttl_slots, count, 0,
    )
    ids = b"".join([resource.to_bytes(16, "little") for resource in resources])
    buffer[at + RESERVE_HEAD_BYTES : at + size] = ids
    return size


def put_tick(buffer: bytearray, at: int, tag: int, slot: int, limit: int) -> int:
    """TICK."""
    _TICK.pack_into(buffer, at, 32, VERSION, TICK, 0, tag, slot, limit, 0)
    return 32


def put_get(buffer: bytearray, at: int, kind: int, tag: int, required_lsn: int, id: int) -> int:
    """GET_RESOURCE, GET_OPERATION."""
    _GET.pack_into(
        buffer, at, 40, VERSION, kind, 0, tag, required_lsn, id & MASK, id >> 64
    )
    return 40


def put_get_reservation(
    buffer: bytearray, at: int, tag: int, required_lsn: int, id: int, capacity: int
) -> int:
    """GET_RESERVATION, with room for `capacity` ids."""
    _GET_RESERVATION.pack_into(
        buffer, at, 48, VERSION, GET_RESERVATION, 0, tag, required_lsn, id & MASK, id >> 64,
        capacity, 0,
    )
    return 48


def put_list(
    buffer: bytearray, at: int, kind: int, tag: int, required_lsn: int, cursor: int, holder: int,
    state_mask: int, row_count_max: int,
) -> int:
    """LIST_RESOURCES, LIST_RESERVATIONS."""
    _LIST.pack_into(
        buffer, at, 56, VERSION, kind, 0, tag, required_lsn, cursor, holder & MASK, holder >> 64,
        state_mask, row_count_max,
    )
    return 56


def put_health(buffer: bytearray, at: int, tag: int, slot: int) -> int:
    """HEALTH."""
    _HEALTH.pack_into(buffer, at, 24, VERSION, HEALTH, 0, tag, slot)
    return 24


def put_plain(buffer: bytearray, at: int, kind: int, tag: int) -> int:
    """CONFIGURATION, RECOVERY_REPORT, CHECKPOINT."""
    _HEADER.pack_into(buffer, at, HEADER_BYTES, VERSION, kind, 0, tag)
    return HEADER_BYTES


# ---- responses ----


def header(response: Buffer, at: int, end: int) -> tuple[int, int, int]:
    """Length, kind without its top bit, and tag of the response at `at`, which lies whole before
    `end`. Raises :class:`DecodeError`.
    """
    if at < 0 or end > len(response) or end - at < HEADER_BYTES + 8:
        raise DecodeError(f"a response of {end - at} bytes at {at} is too short")
    size, version, kind, flags, tag = _HEADER.unpack_from(response, at)
    if version != VERSION or not kind & RESPONSE_BIT or flags != 0:
        raise DecodeError(f"version {version}, kind {kind:#x}, flags {flags:#x} at {at}")
    if not HEADER_BYTES + 8 <= size <= end - at:
        raise DecodeError(f"len is {size} at {at}, must be 24 to {end - at}")
    return size, kind & ~RESPONSE_BIT, tag


def failure(response: Buffer, at: int, end: int, kind: int) -> Failure | None:
    """Why the response at `at` has no body; ``None`` where it has one. It must be the only one up
    to `end`, and answer a request of `kind`.
    """
    size, answered, _ = header(response, at, end)
    if answered != kind or size != end - at:
        raise DecodeError(f"kind {answered:#x} of {size} bytes, expected {kind:#x} of {end - at}")
    if size < 56:
        raise DecodeError(f"a response of {size} bytes has no room for its details")
    status, os_errno, *detail = _FAILURE.unpack_from(response, at + 16)
    if status == 0:
        return None
    return status, os_errno, (detail[0], detail[1], detail[2], detail[3])


def _expect(at: int, end: int, size: int) -> None:
    if end - at < size:
        raise DecodeError(f"a body of {end - at - 24} bytes, expected {size - 24}")


def outcome(response: Buffer, at: int, end: int) -> tuple[int, ...]:
    """The body of a command's answer and of GET_OPERATION, in the order of :data:`OUTCOME`."""
    _expect(at, end, OUTCOME_BYTES)
    return OUTCOME.unpack_from(response, at + 16)


def tick_result(response: Buffer, at: int, end: int) -> tuple[int, int, int, int]:
    """lsn, slot, due_count, expired_count."""
    _expect(at, end, 56)
    lsn, slot, due_count, expired_count, _ = _TICK_RESULT.unpack_from(response, at + 24)
    return lsn, slot, due_count, expired_count


ResourceFields = tuple[int, int, int, int, int]
ReservationFields = tuple[int, int, int, int, int, int, int, int, int]


def resource_row(response: Buffer, at: int) -> ResourceFields:
    """resource_id, reservation_id, holder_id, version, state of a row that lies whole in it."""
    r0, r1, v0, v1, h0, h1, version, state, _ = _RESOURCE.unpack_from(response, at)
    return r1 << 64 | r0, v1 << 64 | v0, h1 << 64 | h0, version, state


def reservation_row(response: Buffer, at: int) -> ReservationFields:
    """reservation_id, holder_id, first_resource_id, created_lsn, deadline_slot, ended_lsn,
    retire_after_slot, state, resource_count of a row that lies whole in it.
    """
    fields = _RESERVATION.unpack_from(response, at)
    v0, v1, h0, h1, f0, f1, created, deadline, ended, retire, state, count, _ = fields
    ids = v1 << 64 | v0, h1 << 64 | h0, f1 << 64 | f0
    return *ids, created, deadline, ended, retire, state, count


def resource_or_none(response: Buffer, end: int) -> ResourceFields | None:
    """The body of the one GET_RESOURCE response; ``None`` where it is not just that: then
    :func:`failure` tells why.
    """
    if end != 88 or response[5] != GET_RESOURCE | RESPONSE_BIT:
        return None
    status, _, r0, r1, v0, v1, h0, h1, version, state = _RESOURCE_ANSWER.unpack_from(response, 16)
    return None if status else (r1 << 64 | r0, v1 << 64 | v0, h1 << 64 | h0, version, state)


def resource(response: Buffer, at: int, end: int) -> ResourceFields:
    """The body of GET_RESOURCE."""
    _expect(at, end, 24 + RESOURCE_ROW_BYTES)
    return resource_row(response, at + 24)


def reservation(response: Buffer, at: int, end: int) -> tuple[ReservationFields, list[int]]:
    """The body of GET_RESERVATION: its row, and the ids that there was room for."""
    _expect(at, end, 128)
    row = reservation_row(response, at + 24)
    count, _ = _COUNT.unpack_from(response, at + 120)
    if count > BUNDLE_LEN_MAX or end - at < 128 + 16 * count:
        raise DecodeError(f"id_count is {count} in a response of {end - at} bytes")
    halves = struct.unpack_from(f"<{2 * count}Q", response, at + 128)
    return row, [hi << 64 | lo for lo, hi in zip(halves[::2], halves[1::2])]


def list_page(response: Buffer, at: int, end: int, row_bytes: int) -> tuple[int, int, list[int]]:
    """The body of a listing: next_cursor, applied_lsn, and where each row begins."""
    _expect(at, end, LIST_HEAD_BYTES)
    next_cursor, applied_lsn, count = _LIST_HEAD.unpack_from(response, at + 24)
    if count > LIST_ROWS_MAX or end - at < LIST_HEAD_BYTES + row_bytes * count:
        raise DecodeError(f"row_count is {count} in a response of {end - at} bytes")
    begin = at + LIST_HEAD_BYTES
    return next_cursor, applied_lsn, [begin + row_bytes * index for index in range(count)]


def configuration(response: Buffer, at: int, end: int) -> tuple[int, ...]:
    """database_id, then the fields of CONFIGURATION in the order of the message."""
    _expect(at, end, 160)
    lo, hi, *fields = _CONFIGURATION.unpack_from(response, at + 24)
    return hi << 64 | lo, *fields


def recovery_report(response: Buffer, at: int, end: int) -> tuple[int, ...]:
    """kind, then the figures of RECOVERY_REPORT in the order of the message."""
    _expect(at, end, 96)
    kind, _, *figures = _RECOVERY_REPORT.unpack_from(response, at + 24)
    return kind, *figures


def checkpoint(response: Buffer, at: int, end: int) -> tuple[int, ...]:
    """anchor_lsn, snapshot_bytes, log_bytes_before, log_bytes_after, duration_ns, stall_ns,
    written.
    """
    _expect(at, end, 80)
    *figures, written, _ = _CHECKPOINT.unpack_from(response, at + 24)
    return *figures, written


def health_words(response: Buffer, at: int, end: int) -> tuple[int, ...]:
    """The 128 words of HEALTH."""
    _expect(at, end, 24 + 8 * HEALTH_WORDS)
    return _WORDS.unpack_from(response, at + 24)
