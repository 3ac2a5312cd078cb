"""TTLs: never shorter than asked, whatever they are given in."""

from __future__ import annotations

import datetime
import math
import random
from fractions import Fraction

import pytest

from allocdb import Slots, UsageError
from allocdb.ttl import TTL, seconds_of, slots_of


@pytest.mark.parametrize(
    ("ttl", "slot_duration_ms", "slots"),
    [
        (60, 100, 601),
        (1, 1000, 2),
        (1, 86_400_000, 2),
        (0.25, 100, 4),
        (0.3, 100, 4),
        (1e-9, 100, 2),
        (datetime.timedelta(seconds=60), 100, 601),
        (datetime.timedelta(microseconds=1), 100, 2),
        (datetime.timedelta(days=30), 1, 2_592_000_001),
        (Slots(5), 100, 5),
        (Slots(0), 100, 0),
        (2**40, 1000, 2**40 + 1),
    ],
)
def test_a_ttl_is_rounded_up_and_one_slot_more(
    ttl: TTL, slot_duration_ms: int, slots: int
) -> None:
    assert slots_of(ttl, slot_duration_ms) == slots


def test_random_ttls_are_never_shorter_than_asked_and_at_most_two_slots_longer() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(5000):
        slot_duration_ms = draw.choice([1, 3, 7, 10, 100, 1000, 86_400_000])
        seconds = draw.choice(
            [draw.randint(1, 10**6), draw.uniform(1e-6, 1e5), draw.randint(1, 10**4) / 1000]
        )
        slots = slots_of(seconds, slot_duration_ms)
        slot = Fraction(slot_duration_ms, 1000)
        # A command comes as late as at the end of its slot: one slot may be gone already.
        assert (slots - 1) * slot >= Fraction(seconds)
        assert (slots - 2) * slot < Fraction(seconds)


@pytest.mark.parametrize(
    ("ttl", "message"),
    [
        (0, "ttl is 0, must be above 0"),
        (-1, "ttl is -1, must be above 0"),
        (-0.5, "ttl is -0.5, must be above 0"),
        (datetime.timedelta(0), "must be above 0"),
        (math.inf, "ttl is inf, must be finite"),
        (math.nan, "ttl is nan, must be finite"),
        (2**70, "must be less than 2.*64 slots"),
        (True, "ttl is True, must be seconds"),
        ("60", "ttl is '60', must be seconds .*, a timedelta, or allocdb.Slots"),
        (None, "ttl is None, must be seconds"),
    ],
)
def test_what_is_no_ttl_is_named(ttl: TTL, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        slots_of(ttl, 100)


@pytest.mark.parametrize("count", [-1, 2**64, 1.0, True, None])
def test_slots_are_whole_and_bounded(count: object) -> None:
    with pytest.raises(UsageError, match="count is .*, must be an int of 0 to"):
        Slots(count)  # type: ignore[arg-type]


def test_slots_are_no_number() -> None:
    with pytest.raises(TypeError):
        Slots(3) * 2  # type: ignore[operator]


def test_a_span_to_wait_may_be_zero_but_not_below() -> None:
    assert seconds_of(0, "wait") == 0
    assert seconds_of(datetime.timedelta(minutes=1), "wait") == 60
    for value in (-1, math.nan, "1", True):
        with pytest.raises(UsageError, match="wait is"):
            seconds_of(value, "wait")
