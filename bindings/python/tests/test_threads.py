"""Threads, signals and interpreters that end: one winner, right answers, no crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from conftest import Opener

import allocdb
from allocdb import Database, ResultCode, Slots


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_all_threads_that_race_for_a_resource_one_wins(opened: Opener) -> None:
    db = opened(max_resources=200, max_reservations=400, max_operations=1 << 15)
    for number in range(1, 101):
        db.create(number)
    barrier = threading.Barrier(8)
    won: list[list[tuple[int, int]]] = [[] for _ in range(8)]

    def race(who: int) -> None:
        for number in range(1, 101):
            barrier.wait()
            result = db.reserve(number, who + 1, Slots(500))
            if result.ok:
                won[who].append((number, result.token))
            else:
                assert result.code is ResultCode.RESOURCE_BUSY

    run_all([threading.Thread(target=race, args=(who,)) for who in range(8)])
    winners = [entry for entries in won for entry in entries]
    assert sorted(number for number, _ in winners) == list(range(1, 101))
    assert len({token for _, token in winners}) == 100
    for who, entries in enumerate(won):
        for number, token in entries:
            row = db.get_resource(number)
            assert row is not None and (row.holder_id, row.reservation_id) == (who + 1, token)


def test_threads_share_commits_and_each_gets_its_own_answer(opened: Opener) -> None:
    db = opened(max_resources=4000, max_operations=1 << 15)

    def create(who: int) -> None:
        batch = db.batch()
        for number in range(100):
            resource = 1 + who * 1000 + number
            assert db.create(resource).ok
            row = db.get_resource(resource)
            assert row is not None and row.resource_id == resource
            batch.create(resource + 500)
        assert batch.submit().all_ok
        assert db.create(1 + who * 1000).code is ResultCode.RESOURCE_EXISTS

    errors: list[BaseException] = []

    def guarded(who: int) -> None:
        try:
            create(who)
        except BaseException as error:
            errors.append(error)

    run_all([threading.Thread(target=guarded, args=(who,)) for who in range(4)])
    assert not errors
    health = db.health()
    assert health.resources_used == 800 and health.records == 804


def test_operations_made_by_many_threads_are_all_different(db: Database) -> None:
    found: list[list[int]] = [[] for _ in range(8)]

    def make(who: int) -> None:
        found[who] = [int(db.operation().id) for _ in range(2000)]

    run_all([threading.Thread(target=make, args=(who,)) for who in range(8)])
    assert len({number for numbers in found for number in numbers}) == 16_000


def test_closing_waits_for_calls_under_way_and_later_ones_are_told(opened: Opener) -> None:
    for _ in range(20):
        db = opened(max_operations=1 << 15)
        db.create("x")
        others: list[BaseException] = []
        begun = threading.Barrier(5)

        def work(db: Database = db, others: list[BaseException] = others,
                 begun: threading.Barrier = begun) -> None:
            begun.wait()
            try:
                while True:
                    db.create("x")
                    db.get_resource("x")
            except allocdb.ClosedError:
                pass
            except BaseException as error:
                others.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait()
        closers = [threading.Thread(target=db.close) for _ in range(3)]
        run_all(closers)
        with pytest.raises(allocdb.ClosedError):
            db.create("x")
        for thread in threads:
            thread.join()
        assert not others
        again = allocdb.open(db.path, existing=True)
        assert again.get_resource("x") is not None
        again.close()


def test_a_signal_handler_that_calls_does_not_disturb_a_call(opened: Opener) -> None:
    db = opened(max_resources=5000, max_operations=1 << 16)
    db.create("marker")
    calls = [0]

    def handler(*_: object) -> None:
        row = db.get_resource("marker")
        assert row is not None and str(row.resource_id) == "marker"
        calls[0] += 1

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        number = 0
        while calls[0] < 200:
            number += 1
            assert db.create(number % 4000 + 1).operation is not None
            row = db.get_resource(number % 4000 + 1)
            assert row is not None and row.resource_id == number % 4000 + 1
            if number % 4000 == 0:
                db.tick()
            if number >= 60_000:
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls[0] > 0


def run_program(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        capture_output=True, text=True, env=os.environ, timeout=120,
    )


def test_an_interpreter_that_ends_closes_what_is_open(tmp_path: Path) -> None:
    program = """
        import atexit, sys, threading
        # What is registered first runs last.
        atexit.register(lambda: print(is_closed()))
        import allocdb
        def is_closed():
            try:
                db.health()
            except allocdb.ClosedError:
                return "closed"
        db = allocdb.open(sys.argv[1], sync="os", max_resources=10)
        db.create("x")
        kept = db.hold("x", "job", ttl=60)
        lease = kept.__enter__()
        def work():
            try:
                while True:
                    db.get_resource("x")
            except allocdb.ClosedError:
                pass
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        cycle = [db]; cycle.append(cycle)
        """
    for number in range(5):
        path = tmp_path / f"database-{number}"
        done = run_program(program, str(path))
        assert (done.returncode, done.stderr, done.stdout) == (0, "", "closed\n")
        with allocdb.open(path) as db:
            assert db.get_resource("x") is not None


def test_a_database_that_nobody_holds_is_closed_and_deleting_never_raises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = allocdb.open(tmp_path / "db", max_resources=10)
    db.create("x")
    del db
    with allocdb.open(tmp_path / "db") as again:
        assert again.get_resource("x") is not None
    half_made = Database.__new__(Database)
    del half_made
    with pytest.raises(allocdb.UsageError):
        allocdb.open(tmp_path / "other", max_resources=-1)
    assert capsys.readouterr().err == ""
