"""What the package costs: ``python -m allocdb.bench DIRECTORY``.

A single call through the package is compared with the same bytes through ``allocdb_call`` in a loop
of C, on the same handle in the same process, compiled on the spot by ``cc`` with the function's
address as a parameter; both in the thread's own processor time, so that what else the machine does
is left out. The difference is what Python adds. Two calls are taken that touch no disk: a read, and
a reserve whose operation is remembered (answered from the retry cache, through the same queue).
Where there is no C compiler, one call of 1,000 messages stands for the loop; that leaves out what
entering the library costs, so the difference comes out a little larger than it is.

Batches of 1,000 commands, reserves and releases by turns, are measured from the first
``batch.reserve`` to the last result looked at: encoding, committing, decoding. One thread;
``sync="os"`` and ``sync="full"``.

Each figure is the median of its runs, with the least and the greatest beside it; ``--json`` prints
a line for each run instead, for ``scripts/bench.sh``. Needs some hundred megabytes in DIRECTORY
while it runs; leaves nothing behind.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import allocdb

from . import _codec, _library
from ._handle import give_scratch, take_scratch
from ._library import RESPONSE_BYTES, Scratch

BATCH_LEN = 1000
RUNS = 7
_LOOP = """
#include <stddef.h>
typedef int (*call_function)(void *, const void *, size_t, void *, size_t, size_t *, void *);
int loop(call_function call, void *db, const void *request, size_t request_len, void *response,
         size_t response_cap, size_t *response_len, void *error, size_t count)
{
    int status = 0;
    while (count-- > 0 && status == 0)
        status = call(db, request, request_len, response, response_cap, response_len, error);
    return status;
}
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m allocdb.bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the databases are made and deleted")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of each figure (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work: no figures")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each run's figure")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error(f"--runs is {arguments.runs}, must be at least 1")
    place = Path(tempfile.mkdtemp(prefix="allocdb-bench-", dir=arguments.directory))
    try:
        scale = 1 if arguments.quick else 100
        measure_calls(place, arguments.runs, 500 * scale, arguments.json)
        measure_batches(place, arguments.runs, scale, "os", arguments.json)
        measure_batches(place, arguments.runs, scale, "full", arguments.json)
    finally:
        shutil.rmtree(place)


# ---- single calls ----


def measure_calls(place: Path, runs: int, count: int, as_json: bool) -> None:
    """A read and a repeated reserve, through the package and through C."""
    loop = compile_loop(place)
    method = "a loop of C" if loop else "one call of 1,000 messages"
    with allocdb.open(place / "calls", sync="os", clock="host") as db:
        db.create("seat_21A", slot=1)
        operation = db.reserve("seat_21A", "alice", ttl=60).operation
        calls: list[tuple[str, Callable[[], object], bytes]] = [
            ("get_resource", lambda: db.get_resource("seat_21A"), read_message()),
            ("reserve (repeated)",
             lambda: db.reserve("seat_21A", "alice", ttl=60, operation=operation),
             reserve_message(operation)),
        ]
        for name, call, message in calls:
            python_ns = [repeat(call, count) for _ in range(runs)]
            native_ns = [native(db, loop, message, count) for _ in range(runs)]
            if as_json:
                row = f"one call, in processor time: {name}"
                tell(row, f"AllocDB in {method}", native_ns, "ns")
                tell(row, "AllocDB in Python", python_ns, "ns")
                continue
            added = statistics.median(python_ns) - statistics.median(native_ns)
            print(f"{name:<20} {shown(python_ns)} ns in Python, {shown(native_ns)} ns in {method}; "
                  f"Python adds {added / 1000:.2f} us")


def repeat(call: Callable[[], object], count: int) -> float:
    """Nanoseconds a call."""
    begin = time.thread_time_ns()
    for _ in itertools.repeat(None, count):
        call()
    return (time.thread_time_ns() - begin) / count


def read_message() -> bytes:
    """The request that ``db.get_resource("seat_21A")`` makes."""
    buffer = bytearray(64)
    size = _codec.put_get(buffer, 0, _codec.GET_RESOURCE, 0, 0, allocdb.Id("seat_21A"))
    return bytes(buffer[:size])


def reserve_message(operation: allocdb.Operation) -> bytes:
    """The request that the repeated reserve makes."""
    buffer = bytearray(128)
    names = [int(allocdb.Id("seat_21A"))], int(allocdb.Id("alice"))
    size = _codec.put_reserve(
        buffer, 0, 0, 0, int(operation.id), operation.valid_until_slot, *names, 601
    )
    return bytes(buffer[:size])


def compile_loop(place: Path) -> Any:
    """The loop of C; ``None`` without a compiler."""
    (place / "loop.c").write_text(_LOOP)
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(place / "loop.so"), str(place / "loop.c")]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    loop = ctypes.CDLL(str(place / "loop.so")).loop
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    loop.argtypes = [pointer, pointer, pointer, size, pointer, size, pointer, pointer, size]
    return loop


def native(db: allocdb.Database, loop: Any, message: bytes, count: int) -> float:
    """Nanoseconds for the message without Python."""
    scratch = take_scratch()
    try:
        if loop is None:
            return native_in_one_call(db, message, count)
        scratch.request[: len(message)] = message
        address = ctypes.cast(_library.call, ctypes.c_void_p)
        begin = time.thread_time_ns()
        status = loop(
            address, db._handle.pointer, scratch.request_address, len(message),
            scratch.response_address, RESPONSE_BYTES, scratch.len_address, scratch.error_address,
            count,
        )
        spent_ns = time.thread_time_ns() - begin
        check_answer(db, scratch, status)
        return spent_ns / count
    finally:
        give_scratch(scratch)


def check_answer(db: allocdb.Database, scratch: Scratch, status: int) -> None:
    """A figure of calls that failed would be none."""
    if status:
        raise db._handle.failure(status, scratch.error)
    kind = scratch.response[5] & ~_codec.RESPONSE_BIT
    failed = _codec.failure(scratch.response, 0, scratch.len.value, kind)
    if failed is not None:
        raise db._handle.refusal(failed)


def native_in_one_call(db: allocdb.Database, message: bytes, count: int) -> float:
    """Nanoseconds a message, where many go in one call."""
    request, response = bytearray(message * BATCH_LEN), bytearray(128 * BATCH_LEN)
    rounds = max(1, count // BATCH_LEN)
    begin = time.thread_time_ns()
    for _ in range(rounds):
        db._exchange_large(request, len(request), response)
    return (time.thread_time_ns() - begin) / (rounds * BATCH_LEN)


# ---- batches ----


def measure_batches(
    place: Path, runs: int, rounds: int, sync: Literal["os", "full"], as_json: bool
) -> None:
    """Reserves and releases, 1,000 a commit."""
    path = place / f"batches-{sync}"
    # The log grows without a checkpoint on the way, and slots go on as at 10,000 commands each.
    with allocdb.open(path, sync=sync, clock="host", wal_prealloc_bytes=64 << 20,
                      operation_window_slots=10, history_window_slots=10,
                      checkpoint_wal_bytes=1 << 40) as db:
        with db.batch(slot=1) as batch:
            for number in range(1, BATCH_LEN + 1):
                batch.create(number)
        slots = itertools.count(2)
        reserve_and_release(db, 2, slots)
        rates = [reserve_and_release(db, rounds, slots) for _ in range(runs)]
    if as_json:
        tell(f"batches of 1,000 by language, sync={sync}", "AllocDB in Python", rates, "commands/s")
        return
    print(f"batches of {BATCH_LEN:,}, sync={sync:<5} {shown(rates)} commands/s")


def reserve_and_release(db: allocdb.Database, rounds: int, slots: itertools.count[int]) -> float:
    """Commands a second."""
    numbers = range(1, BATCH_LEN + 1)
    begin = time.perf_counter()
    for _ in range(rounds):
        batch = db.batch(slot=next(slots))
        reserve = batch.reserve
        for number in numbers:
            reserve(number, 7, 60)
        results = batch.submit()
        release = batch.release
        for token in results.tokens:
            release(token, 7)
        if not batch.submit().all_ok:
            raise AssertionError("a release was not done")
    return 2 * BATCH_LEN * rounds / (time.perf_counter() - begin)


def tell(row: str, system: str, values: list[float], unit: str) -> None:
    """A line of JSON for each run."""
    for value in values:
        print(json.dumps({
            "row": row, "system": system, "value": value, "unit": unit,
            "command": "python -m allocdb.bench DIRECTORY --json", "detail": {},
        }))


def shown(values: list[float]) -> str:
    """Median, least and greatest."""
    middle, least, greatest = statistics.median(values), min(values), max(values)
    return f"{middle:,.0f} ({least:,.0f} to {greatest:,.0f})"


if __name__ == "__main__":
    main()
