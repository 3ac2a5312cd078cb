"""Workers that share a few GPUs under leases: ``python gpu_lease.py [DIRECTORY]``.

Each worker takes a GPU under ``db.hold``: the lease is kept alive while the job runs and given back
at its end. Every job shows its lease's token to the GPU, which refuses one that is
older than the newest it has seen: so a worker that slept through its lease cannot disturb the next
one. One worker of this program does just that, and is told.

The last line counts: every job ran once, and no GPU ever took orders from two holders.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import allocdb

GPUS = ("gpu_0", "gpu_1")
WORKERS = 6
JOBS_EACH = 5


class Gpu:
    """A device that takes orders: the fencing token decides whose."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.token_newest = 0
        self.jobs_done = 0
        self.orders_refused = 0

    def run(self, token: int) -> bool:
        """One job; ``False`` for the orders of a holder whose lease has gone to another."""
        with self.lock:
            if token < self.token_newest:
                self.orders_refused += 1
                return False
            self.token_newest = token
            self.jobs_done += 1
            return True


def work(db: allocdb.Database, gpus: dict[str, Gpu], worker: str) -> None:
    """So many jobs, each on the GPU that this worker's number falls on."""
    for job in range(JOBS_EACH):
        name = GPUS[(job + sum(worker.encode())) % len(GPUS)]
        with db.hold(name, holder=worker, ttl=10, wait=60) as lease:
            assert gpus[name].run(lease.token)


def oversleep(db: allocdb.Database, gpu: Gpu) -> str:
    """A worker that loses its lease, and is told twice: by the GPU and at the end of the block."""
    try:
        with db.hold("gpu_0", holder="sleeper", ttl=10, wait=60) as lease:
            # An operator decides that it hangs, and gives the GPU to somebody else.
            db.release(lease.token, "sleeper")
            with db.hold("gpu_0", holder="successor", ttl=10) as newer:
                assert gpu.run(newer.token)
            assert not gpu.run(lease.token), "an older token is refused"
    except allocdb.LeaseLostError as error:
        return str(error)
    raise AssertionError("the loss was not told")


def main(directory: Path) -> None:
    """Opens the database, lets the workers run, counts."""
    gpus = {name: Gpu() for name in GPUS}
    with allocdb.open(directory / "gpus") as db:
        for name in GPUS:
            db.create(name)
        workers = [
            threading.Thread(target=work, args=(db, gpus, f"worker_{number}"))
            for number in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print("told:", oversleep(db, gpus["gpu_0"]))
        assert all(row.holder_id is None for row in db.list_resources())
    done = sum(gpu.jobs_done for gpu in gpus.values())
    refused = sum(gpu.orders_refused for gpu in gpus.values())
    assert (done, refused) == (WORKERS * JOBS_EACH + 1, 1)
    print(f"{done} jobs done, {refused} late order refused, nothing left held")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
