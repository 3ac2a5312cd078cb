"""Many commands of one kind as bytes, a column at a time.

Commands that follow each other and differ in a few fields alone are written as copies of the first,
and then each field that differs as one strided copy from an array: no step is done in Python for
each command::

    words of 8 bytes, at   0      1    2     3  4       5      6 ...
    message 0              head   tag  slot  operation  valid  arguments
    message 1              same   same same  +1         same   target, holder
    ...

A field of 128 bits is two columns, the low halves and the high ones; where all ids are below 2**64,
the high ones are those of the first. A hundred and more commands take a fifth of the time that
packing each would take; a handful are packed one by one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from . import _codec

_MASK = _codec.MASK
_FEW = 8
# 64-bit numbers side by side in one large one: adding to it adds to all of them. Lanes of ones, and
# lanes that count up. Making an array of as many ints would cost more than all the rest.
_LANES = 256
_ONES = int.from_bytes(array("Q", [1] * _LANES).tobytes(), "little")
_COUNT = int.from_bytes(array("Q", range(_LANES)).tobytes(), "little")

MESSAGE_BYTES = {
    _codec.CREATE_RESOURCE: _codec.TARGET_BYTES,
    _codec.DELETE_RESOURCE: _codec.TARGET_BYTES,
    _codec.REVOKE: _codec.TARGET_BYTES,
    _codec.RECLAIM: _codec.TARGET_BYTES,
    _codec.CONFIRM: _codec.HELD_BYTES,
    _codec.RELEASE: _codec.HELD_BYTES,
    _codec.RESERVE: _codec.RESERVE_ONE_BYTES,
}
"""Bytes of a message of each kind that comes in runs."""


def put_one(
    buffer: bytearray, at: int, kind: int, slot: int, operation: int, valid: int, target: int,
    holder: int, ttl_slots: int,
) -> None:
    """A message of any kind that comes in runs. A field that the kind has not is not looked at."""
    if kind == _codec.RESERVE:
        resources = (target,)
        _codec.put_reserve(buffer, at, 0, slot, operation, valid, resources, holder, ttl_slots)
    elif kind == _codec.CONFIRM or kind == _codec.RELEASE:
        _codec.put_held(buffer, at, kind, 0, slot, operation, valid, target, holder)
    else:
        _codec.put_target(buffer, at, kind, 0, slot, operation, valid, target)


def put_run(
    buffer: bytearray, at: int, kind: int, slot: int, operation: int, valid: int,
    targets: Sequence[int], holder: int, holders: Sequence[int] | None, ttl_slots: int,
) -> None:
    """A message for each target; their operations count up from `operation`, within its low half.
    The holder is one for all, or of each its own. `at` and the buffer's length divide by 8.
    """
    count, size = len(targets), MESSAGE_BYTES[kind]
    if count < _FEW:
        for index, target in enumerate(targets):
            put_one(
                buffer, at + size * index, kind, slot, operation + index, valid, target,
                holders[index] if holders else holder, ttl_slots,
            )
        return
    put_one(
        buffer, at, kind, slot, operation, valid, targets[0], holders[0] if holders else holder,
        ttl_slots,
    )
    end = at + size * count
    buffer[at:end] = buffer[at : at + size] * count
    target_at = 80 if kind == _codec.RESERVE else 48
    holder_at = 48 if kind == _codec.RESERVE else 64
    # An exported buffer cannot grow: the views end here, whatever happens.
    with memoryview(buffer) as view, view.cast("Q") as words:
        step = size // 8
        words[at // 8 + 3 : end // 8 : step] = _counted(operation & _MASK, count)
        _put_ids(words, (at + target_at) // 8, end // 8, step, targets)
        if holders and size > _codec.TARGET_BYTES:
            _put_ids(words, (at + holder_at) // 8, end // 8, step, holders)


def _put_ids(
    words: memoryview, begin: int, end: int, step: int, ids: Sequence[int]
) -> None:
    try:
        low = array("Q", ids)
    except OverflowError:
        low = array("Q", [number & _MASK for number in ids])
        words[begin + 1 : end : step] = array("Q", [number >> 64 for number in ids])
    words[begin:end:step] = low


def _counted(first: int, count: int) -> array[int]:
    """`count` numbers from `first` on, all of 64 bits."""
    numbers = array("Q")
    while count > len(numbers):
        lanes = _COUNT + _ONES * (first + len(numbers))
        numbers.frombytes(lanes.to_bytes(8 * _LANES, "little"))
    return numbers[:count]
