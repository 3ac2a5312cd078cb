"""Forks and other processes: the child is told, the parent goes on, a dead owner's lock is free."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL

import allocdb
from allocdb import Database, Slots


def in_child(body: Callable[[], None]) -> None:
    """Runs ``body`` in a forked process; it must come to its end."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_child_is_told_and_the_parent_goes_on(db: Database) -> None:
    r = db.reserve("seat_1", "alice", Slots(5))
    batch = db.batch()
    batch.create("x")
    hold = db.hold("seat_2", "job", 60)
    lease = hold.__enter__()

    def child() -> None:
        calls: list[Callable[[], object]] = [
            lambda: db.create("x"), lambda: r.confirm(), lambda: batch.submit(),
            lambda: db.get_resource("seat_1"), lambda: list(db.list_resources()),
            lambda: db.health(), lambda: db.checkpoint(), lambda: db.tick(),
            lambda: lease.renew(), lambda: hold.__exit__(None, None, None),
            lambda: db.hold("seat_3", "job", 60).__enter__(),
        ]
        for call in calls:
            with pytest.raises(allocdb.ForkedError, match="opened by a parent process") as caught:
                call()
            assert caught.value.status is allocdb.Status.E_FORKED
        assert db.slot_now() == 0 and db.logs() == []
        db.close()
        db.close()
        with pytest.raises(allocdb.ClosedError):
            db.create("x")

    in_child(child)
    assert r.confirm().ok and not lease.lost
    hold.__exit__(None, None, None)
    assert batch.submit().all_ok


def test_a_child_may_open_databases_of_its_own(db: Database, tmp_path: Path) -> None:
    def child() -> None:
        with pytest.raises(allocdb.LockedError):
            allocdb.open(db.path)
        with allocdb.open(tmp_path / "own", **SMALL) as own:
            assert own.create("x").ok
            with own.hold("x", "child", 60):
                pass

    in_child(child)
    with allocdb.open(tmp_path / "own") as own:
        assert own.get_resource("x") is not None


def test_forks_amid_calls_of_other_threads_never_hang_the_child(db: Database) -> None:
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            db.operation()
            db.get_resource("seat_1")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()

    def child() -> None:
        with pytest.raises(allocdb.ForkedError):
            db.create("x")
        db.close()

    try:
        for _ in range(20):
            in_child(child)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert db.create("x").ok


def test_an_interpreter_that_forks_and_ends_in_both_leaves_the_parent_alone(
    tmp_path: Path,
) -> None:
    program = """if True:
        import os, sys, allocdb
        db = allocdb.open(sys.argv[1], sync="os", max_resources=10)
        pid = os.fork()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
            assert db.create("x").ok
        # The child comes to its end like any program: atexit, finalizers.
        """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, str(tmp_path / "db")],
        capture_output=True, text=True, timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with allocdb.open(tmp_path / "db") as db:
        assert db.get_resource("x") is not None


def own_database(path: str, answer: Any) -> None:
    """A process's whole life: what ``multiprocessing`` runs."""
    with allocdb.open(path, max_resources=10, sync="os") as db:
        result = db.reserve(["x"], "child", 60) if db.create("x").ok else None
        answer.put((os.getpid(), result))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_hands_results_over(method: str, tmp_path: Path, db: Database) -> None:
    context = multiprocessing.get_context(method)
    answers: Any = context.Queue()
    path = str(tmp_path / "own")
    process: Any = context.Process(target=own_database, args=(path, answers))  # type: ignore
    process.start()
    pid, result = answers.get(timeout=120)
    process.join()
    assert process.exitcode == 0 and pid == process.pid
    assert result.ok and result.holder == allocdb.Id("child")
    assert db.create("x").ok, "the parent's own database goes on"
    with allocdb.open(path) as own:
        reservation = own.get_reservation(result.token)
        assert reservation is not None and reservation.holder_id == result.holder
        assert own.get_operation(result.operation) is not None


def test_the_lock_of_a_dead_parent_is_free_though_its_child_lives(tmp_path: Path) -> None:
    path, ready = tmp_path / "db", tmp_path / "ready"
    program = """if True:
        import os, sys, time, allocdb
        db = allocdb.open(sys.argv[1], sync="os", max_resources=10)
        db.create("x")
        its_end, our_end = os.pipe()
        if os.fork() == 0:
            os.write(our_end, b"here")
            time.sleep(600)
        os.read(its_end, 4)
        open(sys.argv[2], "w").close()
        os.kill(os.getpid(), 9)
        """
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, str(path), str(ready)],
        start_new_session=True,
    )
    try:
        assert parent.wait(timeout=120) == -signal.SIGKILL and ready.exists()
        with allocdb.open(path, existing=True) as db:
            assert db.get_resource("x") is not None
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
