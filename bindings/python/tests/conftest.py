"""Fixtures: small databases that a test can fill up, and the files of the tree that tests read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import allocdb

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "crates/allocdb-node/vectors"

SMALL: dict[str, Any] = {
    "slot_duration_ms": 1000,
    "max_ttl_slots": 1000,
    "operation_window_slots": 100,
    "history_window_slots": 50,
    "max_resources": 64,
    "max_reservations": 16,
    "max_operations": 4096,
    "max_bundle_len": 8,
    "max_expirations_per_tick": 4,
    "sync": "os",
    "clock": "host",
    "wal_prealloc_bytes": 1 << 20,
}
"""A database whose slots the test counts, so that nothing depends on the time of day."""

Opener = Callable[..., allocdb.Database]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens a new small database with other options; closes it at the end of the test."""
    numbers = itertools.count()
    databases: list[allocdb.Database] = []

    def open_one(path: Path | None = None, **options: Any) -> allocdb.Database:
        place = path or tmp_path / f"database-{next(numbers)}"
        databases.append(allocdb.open(place, **{**SMALL, **options}))
        return databases[-1]

    yield open_one
    for database in databases:
        database.close()


@pytest.fixture
def db(opened: Opener) -> allocdb.Database:
    """A new small database with the resources seat_1 to seat_9."""
    database = opened()
    with database.batch(slot=1) as batch:
        for number in range(1, 10):
            batch.create(f"seat_{number}")
    return database


@pytest.fixture(scope="session")
def codec_vectors() -> dict[str, Any]:
    """The golden vectors of the codec."""
    return load_vectors("codec.json")


def load_vectors(name: str) -> dict[str, Any]:
    """A file of golden vectors."""
    with open(VECTORS / name, encoding="utf-8") as file:
        vectors: dict[str, Any] = json.load(file)
    return vectors
