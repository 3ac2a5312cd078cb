"""A crash between submitting and answering: the same operation gets the first answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import allocdb
from allocdb import Id, Operation, ResultCode

# Tells its operations beforehand, is killed when the answers are there, and never tells them.
VICTIM = """if True:
    import os, signal, sys
    import allocdb
    from allocdb import Operation, Id
    db = allocdb.open(sys.argv[1], max_resources=100, sync=sys.argv[2])
    for name in ("seat_1", "seat_2"):
        db.create(name)
    batch = db.batch()
    operations = [db.operation() for _ in range(3)]
    print(*(f"{op.id:d} {op.valid_until_slot}" for op in operations), flush=True)
    db.reserve("seat_1", "alice", ttl=600, operation=operations[0])
    batch.reserve("seat_1", "bob", ttl=600, operation=operations[1])
    batch.reserve("seat_2", "bob", ttl=600, operation=operations[2])
    batch.submit()
    os.kill(os.getpid(), signal.SIGKILL)
    """


def crash(path: Path, sync: str) -> list[Operation]:
    """Runs the victim to its death; returns the operations that it had made."""
    done = subprocess.run(
        [sys.executable, "-c", VICTIM, str(path), sync], stdout=subprocess.PIPE, text=True,
        env=os.environ, timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    words = [int(word) for word in done.stdout.split()]
    pairs = zip(words[::2], words[1::2])
    return [Operation(int.__new__(Id, number), limit) for number, limit in pairs]


def test_after_a_crash_the_same_operation_gets_the_first_answer(tmp_path: Path) -> None:
    for sync in ("full", "os"):
        path = tmp_path / sync
        operations = crash(path, sync)
        with allocdb.open(path, existing=True) as db:
            assert db.recovery_report().records_replayed >= 5
            found = [db.get_operation(operation) for operation in operations]
            retried = [
                db.reserve("seat_1", "alice", ttl=600, operation=operations[0]),
                db.reserve("seat_1", "bob", ttl=600, operation=operations[1]),
                db.reserve("seat_2", "bob", ttl=600, operation=operations[2]),
            ]
            for first, again in zip(found, retried, strict=True):
                assert first is not None and again.from_retry_cache
                assert (first.lsn, first.code, first.token) == (again.lsn, again.code, again.token)
            codes = [again.code for again in retried]
            assert codes == [ResultCode.DONE, ResultCode.RESOURCE_BUSY, ResultCode.DONE]
            assert [again.lsn for again in retried] == [3, 4, 5]
            assert retried[0].confirm().ok, "and the answer can be gone on with"
            assert db.health().reservations_used == 2


def test_what_was_acknowledged_is_there_after_each_of_many_kills(tmp_path: Path) -> None:
    program = """if True:
        import sys, allocdb
        db = allocdb.open(sys.argv[1], max_resources=10, sync="os", clock="host",
                          max_operations=1 << 16)
        while True:
            sys.stdout.write(f"{db.create('x').lsn}\\n")
            sys.stdout.flush()
        """
    path, lsn = tmp_path / "db", 0
    for _ in range(5):
        victim = subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout is not None
        for _ in range(200):
            lsn = int(victim.stdout.readline())
        victim.kill()
        for line in victim.stdout:
            if line.endswith("\n"):
                lsn = int(line)
        victim.stdout.close()
        victim.wait()
        with allocdb.open(path, existing=True, clock="host") as db:
            assert db.health().last_lsn >= lsn
