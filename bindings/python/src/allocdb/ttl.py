"""How long a hold lasts: seconds, a ``timedelta``, or slots.

A database counts time in slots of ``slot_duration_ms``. A command may come at the very end of its
slot, so a TTL in seconds becomes ``ceil(ttl / slot) + 1`` slots: never shorter than asked. The
division is done in whole numbers (a float is an exact fraction), because a rounded one could give a
slot too few. :class:`Slots` is taken as it is.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Union

from .errors import UsageError

SLOT_MAX = 2**64 - 1


@dataclass(frozen=True)
class Slots:
    """A number of slots, where a TTL is asked for: taken as it is.

    Not a number itself: ``Slots(3) * 2`` would otherwise be six seconds.

    >>> Slots(300)
    Slots(count=300)

    Raises :class:`UsageError` unless ``count`` is an ``int`` of 0 to 2**64 - 1. The database takes
    1 to its ``max_ttl_slots``.
    """

    count: int

    def __post_init__(self) -> None:
        if type(self.count) is not int or not 0 <= self.count <= SLOT_MAX:
            raise UsageError(f"count is {self.count!r}, must be an int of 0 to 2**64 - 1")


TTL = Union[int, float, datetime.timedelta, Slots]
"""Seconds (``int`` or ``float``), a ``timedelta``, or :class:`Slots`."""


def slots_of(ttl: TTL, slot_duration_ms: int) -> int:
    """``ttl`` in slots, rounded up, and one more for the slot that has begun.

    >>> slots_of(60, 100)
    601
    >>> slots_of(0.25, 100)
    4
    >>> slots_of(datetime.timedelta(minutes=1), 100)
    601
    >>> slots_of(Slots(5), 100)
    5

    Raises :class:`UsageError` unless ``ttl`` is above 0 and finite.
    """
    if type(ttl) is int and 0 < ttl < 2**32:
        return -(-ttl * 1000 // slot_duration_ms) + 1
    if isinstance(ttl, Slots):
        return ttl.count
    numerator, denominator = _seconds(ttl)
    if numerator <= 0:
        raise UsageError(f"ttl is {ttl!r}, must be above 0")
    slots = -(-numerator * 1000 // (denominator * slot_duration_ms)) + 1
    if slots > SLOT_MAX:
        raise UsageError(f"ttl is {ttl!r}, must be less than 2**64 slots")
    return slots


def _seconds(ttl: object) -> tuple[int, int]:
    """Seconds as an exact fraction."""
    if isinstance(ttl, int) and not isinstance(ttl, bool):
        return ttl, 1
    if isinstance(ttl, float):
        if not math.isfinite(ttl):
            raise UsageError(f"ttl is {ttl!r}, must be finite")
        return ttl.as_integer_ratio()
    if isinstance(ttl, datetime.timedelta):
        return ttl // datetime.timedelta(microseconds=1), 1_000_000
    raise UsageError(
        f"ttl is {ttl!r}, must be seconds (int or float), a timedelta, or allocdb.Slots"
    )


def seconds_of(value: object, field: str) -> float:
    """A span that may be 0, in seconds: for waiting."""
    if isinstance(value, datetime.timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise UsageError(f"{field} is {value!r}, must be seconds or a timedelta")
    if not seconds >= 0:
        raise UsageError(f"{field} is {value!r}, must be at least 0")
    return seconds
