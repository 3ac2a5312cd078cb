"""Figures, checkpoints, logs, and what later libraries have: backup, refresh, metrics."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Opener

import allocdb
from allocdb import CommandKind, Database, ResultCode, Slots, StartKind, _library


def works(call: Callable[[Database, str], object]) -> bool:
    """Whether the library has what came after its first version."""
    with tempfile.TemporaryDirectory() as directory, allocdb.open(f"{directory}/db") as db:
        try:
            call(db, f"{directory}/copy")
        except allocdb.UsageError:
            return False
    return True


def needs(what: str, call: Callable[[Database, str], object]) -> pytest.MarkDecorator:
    """Skips a test where the library is too old for it."""
    return pytest.mark.skipif(not works(call), reason=f"the library has no {what}")


needs_metrics = needs("metrics", lambda db, _: db.metrics_text())
needs_backup = needs("backup", lambda db, copy: db.backup(copy))
needs_refresh = needs("refresh", lambda db, _: db.refresh())
needs_readers = needs("readers", lambda db, _: allocdb.open(db.path, read_only=True).close())


def test_health_counts_what_was_done(db: Database) -> None:
    db.reserve("seat_1", "alice", Slots(5))
    db.reserve("seat_1", "bob", Slots(5))
    operation = db.create("x").operation
    db.create("x", operation=operation)
    with pytest.raises(allocdb.RejectedError):
        db.create("y", operation=operation)
    health = db.health(slot=11)
    assert health.accepting_writes and health.halt_reason is allocdb.HaltReason.NONE
    assert (health.last_lsn, health.last_slot, health.logical_slot_lag) == (12, 1, 10)
    assert health.expiration_backlog == 1
    assert (health.resources_used, health.resources_capacity) == (10, 64)
    assert (health.reservations_used, health.reservations_capacity) == (1, 16)
    assert (health.operations_used, health.operations_capacity) == (12, 4096)
    assert health.commands_by_kind[CommandKind.CREATE_RESOURCE] == 10
    assert health.commands_by_kind[CommandKind.RESERVE] == 2
    assert health.outcomes_by_code == {ResultCode.DONE: 11, ResultCode.RESOURCE_BUSY: 1}
    assert (health.retries, health.rejections, health.queue_len) == (1, 1, 0)
    assert health.commits == 4 and health.records == 12 and health.syncs == 0


def test_a_checkpoint_is_made_once_and_speeds_up_recovery(opened: Opener, tmp_path: Path) -> None:
    db = opened(tmp_path / "db")
    for number in range(1, 50):
        db.create(number)
    assert db.recovery_report().kind is StartKind.FRESH
    report = db.checkpoint()
    assert report.written and report.anchor_lsn == 49 and report.snapshot_bytes > 0
    assert not db.checkpoint().written and db.health().checkpoints == 1
    db.close()
    again = opened(tmp_path / "db")
    found = again.recovery_report()
    assert found.kind is StartKind.SNAPSHOT_ONLY and found.snapshot_lsn == 49
    assert found.last_lsn == 49 and found.torn_bytes == 0 and found.duration_ns > 0


def test_log_lines_go_to_logging(opened: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="allocdb")
    db = opened(log_level="info")
    db.create("x")
    db.checkpoint()
    levels = {record.levelno for record in caplog.records}
    assert levels == {logging.INFO} and len(caplog.records) >= 2
    assert not any(record.message.startswith("info") for record in caplog.records)
    assert db.logs() == []


def test_the_clock_goes_on(opened: Opener) -> None:
    db = opened(clock="system", slot_duration_ms=1)
    before = db.slot_now()
    assert before > 1_600_000_000_000
    while db.slot_now() == before:
        pass
    assert db.slot_now() > before


def test_a_function_that_the_library_lacks_is_named(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old:
        pass

    monkeypatch.setattr(_library, "library", Old())
    with pytest.raises(allocdb.UsageError, match="libAllocDB 0.* has no allocdb_backup"):
        db.backup("x")
    monkeypatch.undo()


@needs_metrics
def test_metrics_are_prometheus_text(db: Database) -> None:
    text = db.metrics_text()
    names = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert len(names) > 10 and all(name.startswith("allocdb_") for name in names)
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"\w+(\{[^}]*\})? -?[0-9.e+]+", line), line
    assert text.endswith("\n")
    db.close()
    with pytest.raises(allocdb.ClosedError):
        db.metrics_text()


@needs_backup
def test_a_backup_is_the_same_state_under_another_id(db: Database, tmp_path: Path) -> None:
    r = db.reserve("seat_1", "alice", Slots(50))
    db.backup(tmp_path / "copy")
    with pytest.raises(allocdb.ExistsError):
        db.backup(tmp_path / "copy")
    with pytest.raises(allocdb.UsageError, match="holds a NUL"):
        db.backup("a\0b")
    with allocdb.open(tmp_path / "copy", clock="host") as copy:
        assert list(copy.list_resources()) == list(db.list_resources())
        assert copy.get_reservation(r.token) == db.get_reservation(r.token)
        assert copy.configuration.database_id != db.configuration.database_id
        assert copy.reserve("seat_2", "bob", Slots(5)).token >= 2**40
    db.close()
    with pytest.raises(allocdb.ClosedError):
        db.backup(tmp_path / "another")


@needs_refresh
def test_a_writing_handle_has_nothing_to_refresh(db: Database) -> None:
    assert db.refresh() == db.health().last_lsn
    db.close()
    with pytest.raises(allocdb.ClosedError):
        db.refresh()


@needs_readers
def test_a_reader_follows_its_writer_and_changes_nothing(opened: Opener) -> None:
    # A reader shows what is durable: with sync="os" nothing is until the kernel has written it.
    db = opened(sync="full")
    db.create("seat_1")
    with allocdb.open(db.path, read_only=True) as reader:
        lsn = db.create("new").lsn
        assert reader.refresh() >= lsn
        assert reader.get_resource("new", required_lsn=lsn) is not None
        for command in (
            lambda: reader.create("x"), lambda: reader.tick(), lambda: reader.checkpoint(),
            lambda: reader.reserve("seat_1", "a", 5),
        ):
            with pytest.raises(allocdb.ReadOnlyError, match="reading only"):
                command()
        batch = reader.batch()
        batch.create("x")
        with pytest.raises(allocdb.ReadOnlyError):
            batch.submit()
        assert len(list(reader.list_resources())) == 2
        assert reader.health().last_lsn == lsn
