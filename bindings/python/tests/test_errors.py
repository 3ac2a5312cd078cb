"""Each class of error, reached through the package where a test can reach it, with its message."""

from __future__ import annotations

import errno
import os
import pickle
import re
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL, Opener

import allocdb
from allocdb import Database, Operation, Slots, Status, errors
from allocdb.errors import error_class, response_error, status_error


def descriptors_of(path: Path) -> list[int]:
    """This process's descriptors of an open file."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.path.samefile(f"/proc/self/fd/{name}", path):
                found.append(int(name))
        except OSError:
            continue
    assert found, f"{path} is not open"
    return found


def test_rejections_by_configuration_name_value_and_bound(db: Database) -> None:
    cases: list[tuple[Any, Status, str]] = [
        (lambda: db.reserve("seat_1", "a", Slots(0)), Status.E_TTL_OUT_OF_RANGE,
         "ttl_slots is 0, must be 1 to max_ttl_slots = 1000"),
        (lambda: db.reserve("seat_1", "a", ttl=5000), Status.E_TTL_OUT_OF_RANGE,
         "ttl_slots is 5001, must be 1 to max_ttl_slots = 1000"),
        (lambda: db.extend(5, "a", Slots(1001)), Status.E_TTL_OUT_OF_RANGE, "ttl_slots is 1001"),
        (lambda: db.reserve(list(range(1, 10)), "a", 5), Status.E_BUNDLE_TOO_LARGE,
         "max_bundle_len is 8"),
        (lambda: db.reserve([1, 2, 1], "a", 5), Status.E_DUPLICATE_RESOURCE, "twice"),
        (lambda: db.create(1, slot=2**64 - 1), Status.E_SLOT_OVERFLOW,
         "slot is 18446744073709551615, must be at most 18446744073709550615"),
        (lambda: db.tick(slot=2**64 - 1), Status.E_SLOT_OVERFLOW, "slot is 18446744073709551615"),
        (lambda: db.create(1, operation=Operation(allocdb.Id(5), 500)),
         Status.E_VALID_UNTIL_OUT_OF_RANGE, "valid_until_slot is 500, must be at most 101"),
    ]
    lsn = db.health().last_lsn
    for command, status, message in cases:
        with pytest.raises(allocdb.RejectedError, match=re.escape(message)) as caught:
            command()
        error = caught.value
        assert error.status is status and not error.is_indefinite
        assert not str(error).startswith("message"), "a single command has no index"
        assert error.message == str(error)
    assert db.health().last_lsn == lsn


def test_an_error_of_a_command_has_its_operation(db: Database) -> None:
    with pytest.raises(allocdb.RejectedError) as caught:
        db.reserve("seat_1", "a", Slots(0))
    operation = caught.value.operation
    assert operation is not None
    assert db.reserve("seat_1", "a", Slots(5), operation=operation).operation == operation


def test_conflict_and_expiry_of_operations(db: Database) -> None:
    operation = Operation(allocdb.Id(77), 50)
    lsn = db.create("x", operation=operation, slot=10).lsn
    with pytest.raises(allocdb.OperationConflictError, match=f"another command.*{lsn}") as caught:
        db.create("y", operation=operation)
    assert caught.value.status is Status.E_OPERATION_CONFLICT
    with pytest.raises(
        allocdb.OperationExpiredError, match="valid_until_slot is 50, the slot is 200"
    ):
        db.create("x", operation=operation, slot=200)


def test_a_full_operation_table_is_told_with_its_figures(opened: Opener) -> None:
    db = opened(max_operations=4)
    for number in range(1, 5):
        db.create(number)
    with pytest.raises(
        allocdb.OperationTableFullError, match="max_operations is 4, remembered for 100 slots"
    ) as caught:
        db.create(9)
    assert isinstance(caught.value, allocdb.OverloadedError)


def test_a_slot_that_leaps_is_refused(opened: Opener) -> None:
    db = opened(max_slot_leap=1000)
    db.create(1, slot=5)
    with pytest.raises(allocdb.RejectedError, match="slot is 90000, max_slot_leap allows at mo"):
        db.create(2, slot=90000)


def test_a_full_queue_is_told_at_once(opened: Opener) -> None:
    db = opened(max_queue=1, max_operations=1 << 20)
    seen: list[allocdb.OverloadedError] = []
    others: list[BaseException] = []

    def push() -> None:
        while not seen and not others:
            try:
                db.create(1)
            except allocdb.OperationTableFullError as error:
                others.append(error)
            except allocdb.OverloadedError as error:
                seen.append(error)
            except BaseException as error:
                others.append(error)

    threads = [threading.Thread(target=push) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not others
    assert str(seen[0]) == "the queue is full: max_queue is 1; retry later"
    assert seen[0].status is Status.E_OVERLOADED


def test_a_full_disk_is_definite_and_loses_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
        options = {**SMALL, "max_operations": 1 << 20, "checkpoint_wal_bytes": 1 << 30}
        with allocdb.open(tmp_path / "db", **options) as db:
            lsn = 0
            with pytest.raises(allocdb.StorageFullError, match="nothing was accepted") as caught:
                for number in range(1, 100_000):
                    lsn = db.create(number % 1000 + 1, slot=number).lsn
            assert caught.value.os_errno in (errno.EFBIG, errno.ENOSPC)
            assert db.health().last_lsn == lsn and db.health().accepting_writes
            assert db.get_resource(2, required_lsn=lsn) is not None
        os._exit(0)

    in_child(fill)


def in_child(body: Any) -> None:
    """Runs ``body`` in a forked process, which must exit with 0 by itself."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_failed_write_is_indefinite_and_reopening_tells(
    tmp_path: Path, opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "db"
    db = opened(path)
    db.create("before")
    unwritable = os.open("/dev/null", os.O_RDONLY)
    for log in descriptors_of(path / "wal.adb"):
        os.dup2(unwritable, log)
    os.close(unwritable)
    with pytest.raises(allocdb.StorageError, match="reopen") as caught:
        db.create("lost")
    lost = caught.value.operation
    assert caught.value.is_indefinite and caught.value.os_errno == errno.EBADF
    assert lost is not None
    for call in (
        lambda: db.create("x"),
        lambda: db.get_resource("before"),
        lambda: db.checkpoint(),
        lambda: list(db.list_resources()),
    ):
        with pytest.raises(allocdb.HaltedError, match="the engine has halted") as halted:
            call()
        assert halted.value.is_indefinite
    batch = db.batch()
    batch.create("in_batch")
    with pytest.raises(allocdb.HaltedError):
        batch.submit()
    health = db.health()
    assert not health.accepting_writes and health.halt_reason is allocdb.HaltReason.STORAGE
    assert any("wal.adb" in record.message for record in caplog.records), "logs were pulled"
    db.close()
    again = opened(path)
    assert again.get_resource("before") is not None
    assert again.create("lost", operation=lost).ok
    results = batch.submit(again)
    assert results.all_ok and len(batch) == 0
    assert again.get_resource("in_batch") is not None


def test_a_database_that_is_open_names_its_owner(db: Database) -> None:
    with pytest.raises(allocdb.LockedError, match=f"open in process {os.getpid()}") as caught:
        allocdb.open(db.path)
    assert caught.value.pid == os.getpid() and isinstance(caught.value, allocdb.OpenError)


def test_a_damaged_log_is_corrupt_and_is_left_as_it_is(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "db"
    db = opened(path)
    for number in range(1, 50):
        db.create(number)
    db.close()
    log = path / "wal.adb"
    data = bytearray(log.read_bytes())
    at = data.rindex((20).to_bytes(16, "little"))
    data[at] ^= 1
    log.write_bytes(data)
    with pytest.raises(allocdb.CorruptError, match="wal.adb is damaged .*nothing was changed"):
        allocdb.open(path)
    assert log.read_bytes() == data


def test_opening_what_cannot_be_opened(opened: Opener, tmp_path: Path) -> None:
    db = opened(tmp_path / "db")
    db.close()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear reader")
    cases: list[tuple[Any, dict[str, Any], type[Exception], Status, str]] = [
        (tmp_path / "db", {"max_bundle_len": 9}, allocdb.ConfigMismatchError,
         Status.E_CONFIG_MISMATCH, "max_bundle_len is given as 9, the database was made with 8"),
        (tmp_path / "db", {"new": True}, allocdb.ExistsError, Status.E_EXISTS, "there already"),
        (tmp_path / "no" / "where", {}, allocdb.OpenError, Status.E_DIRECTORY_NOT_FOUND,
         "cannot be opened: errno 2"),
        (tmp_path / "missing", {"existing": True}, allocdb.OpenError,
         Status.E_DIRECTORY_NOT_FOUND, "errno 2"),
        (foreign, {}, allocdb.OpenError, Status.E_NOT_A_DATABASE, "other"),
        (foreign / "letter.txt", {}, allocdb.OpenError, Status.E_NOT_A_DATABASE, "director"),
    ]
    for path, options, kind, status, message in cases:
        with pytest.raises(kind, match=re.escape(message)) as caught:
            allocdb.open(path, **options)
        error = caught.value
        assert isinstance(error, allocdb.AllocDBError) and error.status is status
        assert isinstance(error, allocdb.OpenError) and not error.is_indefinite


def test_a_closed_database_says_so(db: Database) -> None:
    r = db.reserve("seat_1", "alice", Slots(5))
    batch = db.batch()
    batch.create("x")
    db.close()
    db.close()
    calls: list[Callable[[], object]] = [
        lambda: db.create("x"), lambda: db.delete("x"), lambda: db.reserve("x", "y", 1),
        lambda: r.confirm(), lambda: r.extend(1), lambda: r.release(), lambda: db.revoke(1),
        lambda: db.reclaim(1), lambda: db.tick(), lambda: db.get_resource("x"),
        lambda: db.get_reservation(1), lambda: db.get_operation(1),
        lambda: list(db.list_resources()), lambda: list(db.list_reservations()),
        lambda: db.health(), lambda: db.recovery_report(), lambda: db.checkpoint(),
        lambda: batch.submit(), lambda: db.hold("x", "y", 1).__enter__(),
    ]
    for call in calls:
        with pytest.raises(allocdb.ClosedError, match="the database handle is closed") as caught:
            call()
        assert caught.value.status is Status.E_CLOSED
    assert db.slot_now() == 0 and db.logs() == []
    assert db.configuration.max_resources == 64


def test_every_status_has_its_class_and_bands_decide_about_unknown_ones() -> None:
    bands = {0: errors.UsageError, 1: errors.RejectedError, 2: errors.OpenError,
             3: errors.IndefiniteError}
    for status in Status:
        if status is not Status.OK and status < 400:
            assert issubclass(error_class(status), bands[status // 100]), status
    for band, kind in bands.items():
        assert error_class(band * 100 + 99) is kind
    assert error_class(599) is errors.AllocDBError
    assert error_class(-5) is errors.AllocDBError
    panic = status_error(302, 0, (0, 0, 0, 0), "an internal error was caught")
    assert type(panic) is errors.PanicError and panic.is_indefinite


def test_responses_that_failed_get_words_for_their_numbers() -> None:
    cases: list[tuple[Status, tuple[int, ...], str]] = [
        (Status.E_COMMAND_TOO_LARGE, (9000, 8192, 0, 0), "has 9000, one commit holds 8192"),
        (Status.E_BUNDLE_TOO_LARGE, (9, 8, 0, 0), "9 resources, max_bundle_len is 8"),
        (Status.E_DUPLICATE_RESOURCE, (5, 1, 0, 0), "resource 0x10000000000000005 is in the"),
        (Status.E_OVERLOADED, (0, 2, 0, 0), "the reservation table has no place"),
        (Status.E_OVERLOADED, (8192, 0, 0, 0), "the queue is full: max_queue is 8192"),
        (Status.E_LSN_EXHAUSTED, (0, 0, 0, 0), "the last log position"),
        (Status.E_READ_ONLY, (0, 0, 0, 0), "open for reading only"),
        (Status.E_PANIC, (0, 0, 0, 0), "retry with the same operation"),
    ]
    for status, detail, message in cases:
        error = response_error(status, 5, detail)
        assert message in str(error) and str(error).endswith("(errno 5)")
        assert error.status is status and error.detail == detail
    assert "status 777" in str(response_error(777, 0, (0, 0, 0, 0)))


def test_errors_can_be_sent_to_another_process(db: Database) -> None:
    with pytest.raises(allocdb.RejectedError) as caught:
        db.reserve("seat_1", "a", Slots(0))
    twin = pickle.loads(pickle.dumps(caught.value))
    assert type(twin) is allocdb.RejectedError and str(twin) == str(caught.value)
    assert (twin.status, twin.detail, twin.operation) == (
        caught.value.status, caught.value.detail, caught.value.operation,
    )
