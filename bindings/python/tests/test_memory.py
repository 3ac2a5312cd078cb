"""No growth: a million calls leave no bytes of the process behind, and no Python objects.

The bounds are far above the noise and far below a leak: one byte a call would be a megabyte.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path

from conftest import Opener

import allocdb
from allocdb import Database, Slots

CALLS = 1_000_000
PYTHON_BYTES_MAX = 100_000
PROCESS_BYTES_MAX = 8 << 20


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def work(db: Database, calls: int) -> None:
    """So many calls of every sort: single commands, batches, reads, listings, failures."""
    batch, seat, round_len = db.batch(), "seat_1", 250
    for _ in range(calls // round_len):
        for _ in range(50):
            r = db.reserve(seat, "alice", Slots(5))
            r.release()
        for _ in range(45):
            row = db.get_resource(seat)
            assert row is not None and row.reservation_id is None
        for _ in range(45):
            batch.create("other")
            batch.delete("other")
        assert len(list(batch.submit())) == 90
        for _ in range(5):
            try:
                db.reserve(seat, "alice", Slots(0))
            except allocdb.RejectedError:
                pass
        assert len(list(db.list_resources())) == 1
        with db.hold(seat, "job", 60):
            db.health(), db.logs(), db.configuration, db.operation(), db.recovery_report()
        db.tick()


def warmed_up(opened: Opener) -> Database:
    # Operations are remembered for one slot, and the table has room for all of the test's.
    db = opened(operation_window_slots=1, max_operations=1 << 20, history_window_slots=1,
                max_reservations=1 << 19, checkpoint_wal_bytes=16 << 20)
    db.create("seat_1", slot=1)
    for slot in range(2, 6):
        work(db, CALLS // 50)
        db.create("seat_1", slot=slot * 10)
    return db


def test_calls_leave_no_python_objects_behind(opened: Opener) -> None:
    db = warmed_up(opened)
    tracemalloc.start()
    try:
        work(db, CALLS // 50)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for slot in range(10, 13):
            work(db, CALLS // 50)
            db.create("seat_1", slot=slot * 10)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < PYTHON_BYTES_MAX, f"{grown} bytes"


def test_a_million_calls_leave_no_bytes_of_the_process_behind(opened: Opener) -> None:
    db = warmed_up(opened)
    work(db, CALLS // 10)
    gc.collect()
    before, objects = resident_bytes(), len(gc.get_objects())
    for slot in range(10, 20):
        work(db, CALLS // 10)
        db.create("seat_1", slot=slot * 10)
    gc.collect()
    grown = resident_bytes() - before
    assert grown < PROCESS_BYTES_MAX, f"{grown} bytes"
    assert len(gc.get_objects()) - objects < 1000


def test_opening_and_closing_leaves_next_to_nothing_behind(tmp_path: Path) -> None:
    def cycles(count: int) -> None:
        for _ in range(count):
            with allocdb.open(
                tmp_path / "db", sync="os", wal_prealloc_bytes=4096, max_resources=10,
                max_reservations=10, max_operations=1000,
            ) as db:
                db.create(1)

    cycles(20)
    gc.collect()
    before = resident_bytes()
    cycles(200)
    gc.collect()
    # The library keeps a shell of 64 bytes of each handle for ever.
    assert resident_bytes() - before < PROCESS_BYTES_MAX
