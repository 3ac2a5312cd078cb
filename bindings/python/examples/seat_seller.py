#!/usr/bin/env python3
"""The seat seller in Python: sells a venue's seats to many buyers at once, out of AllocDB.

It does what bindings/c/examples/seat_seller.c does, on the same database, in turn with it: it keeps
the same notebook (seat_seller.h has its layout) and says the same lines to the witness
(seat_journal.h lists them). Each buyer is a thread and does, again and again until closing::

    choose -> reserve -> think -> confirm          most of the time
                 |          |---> release          sometimes
                 |          '---> nothing at all   sometimes: the hold runs out by itself
                 '-> a seat is taken: choose others

The one rule that makes it safe: write down the operation, then send it, and send that same
operation again until there is an answer. After ``kill -9``, and after another program in another
language has had the database, a buyer goes on from its page: a page whose step is a command sends
it again. If it had been committed, the database gives its first answer again; if not, it is
executed now.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import mmap
import os
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import allocdb

SEAT_ID_TAG = 0x5345415453000000 << 64
RIVAL_ID_TAG = 0x524956414C000000 << 64
TTL = allocdb.Slots(50)  # 5 s at 100 ms a slot; the same in every language: retries repeat it
TTL_SECONDS = 5.0
BUYERS_MAX = 256
FAN_CLICKS = 40
LOOKS_MAX = 50
PARTY_SIZES = (1, 2, 2, 2, 2, 3, 4, 4)
LEAVE_SECONDS = 1.0
DRAIN_SECONDS = 30.0
COUNTED = (
    "looked", "tries", "contended", "held", "sold", "seats_sold", "late", "released",
    "walked_away", "duplicates", "wrong", "resumed_known", "resumed_new", "refused",
)


class Step(IntEnum):
    """Where a buyer is. A step that names a command means: this command may have been sent."""

    CHOOSE, RESERVE, THINK, CONFIRM, RELEASE = range(5)


class Plan(IntEnum):
    """What a buyer that holds seats has in mind."""

    BUY, DITHER, WALK_AWAY, CANCEL = range(4)


class Answer(NamedTuple):
    """What a result says, whichever way it was found."""

    code: allocdb.ResultCode
    lsn: int
    reservation: int = 0
    deadline_slot: int = 0
    failed_index: int | None = None
    cached: bool = False

    @property
    def ok(self) -> bool:
        """The command took effect."""
        return self.code is allocdb.ResultCode.DONE


class Venue:
    """The seats, as the file lists them."""

    def __init__(self, path: str) -> None:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        self.rows = [(row["section"], row["row"], int(row["number"])) for row in rows]
        prices = [int(row["price"]) for row in rows]
        dear = max(prices) * 7 // 8
        self.best = [seat for seat, price in enumerate(prices) if price >= dear]  # all want these

    def party(self, first: int, wanted: int) -> list[int]:
        """Up to ``wanted`` neighbours, beginning at ``first``."""
        section, row, number = self.rows[first]
        end = first + 1
        while end < min(first + wanted, len(self.rows)):
            if self.rows[end] != (section, row, number + end - first):
                break
            end += 1
        return list(range(first, end))


def seat_id(seat: int) -> int:
    """The id of a seat is its line in the file."""
    return SEAT_ID_TAG | (seat + 1)


class Page:
    """A buyer's page in the notebook: a file in memory, which outlives the process.

    The step's number is written last, and no step reads a field that is written on the way to the
    step behind it: so a page is whole at whatever instruction the process is killed.
    """

    LAYOUT = struct.Struct("<8I16sQ16s16sQQ")

    def __init__(self, notebook: mmap.mmap, number: int) -> None:
        self.notebook, self.at = notebook, number * self.LAYOUT.size
        self.customers: int
        self.random: int
        step, self.plan, seat_count, *rest = self.LAYOUT.unpack_from(notebook, self.at)
        self.step = Step(step)
        self.seats: list[int] = rest[:seat_count]
        self.clicks_left: int = rest[4]
        operation, valid_until, holder, reservation, self.customers, self.random = rest[5:]
        self.operation_id = int.from_bytes(operation, "little")
        self.valid_until_slot: int = valid_until
        self.holder = int.from_bytes(holder, "little")
        self.reservation = int.from_bytes(reservation, "little")

    def go(self, step: Step) -> None:
        """Writes the page down, and then that the buyer is at ``step``."""
        self.step = step
        ids = (self.operation_id, self.holder, self.reservation)
        operation, holder, reservation = (number.to_bytes(16, "little") for number in ids)
        seats = self.seats + [0] * (4 - len(self.seats))
        page = self.LAYOUT.pack(
            step, self.plan, len(self.seats), *seats, self.clicks_left, operation,
            self.valid_until_slot, holder, reservation, self.customers, self.random,
        )
        self.notebook[self.at + 4 : self.at + len(page)] = page[4:]
        self.notebook[self.at : self.at + 4] = page[:4]

    def below(self, bound: int) -> int:
        """A random number below ``bound``: xorshift64, as every language here draws it."""
        self.random ^= self.random << 13 & 0xFFFFFFFFFFFFFFFF
        self.random ^= self.random >> 7
        self.random ^= self.random << 17 & 0xFFFFFFFFFFFFFFFF
        return (self.random >> 16) % bound

    def operation(self) -> allocdb.Operation:
        """The operation of the command that the step names."""
        return allocdb.Operation(allocdb.Id(self.operation_id), self.valid_until_slot)

    def names(self) -> str:
        """Who has what, for the witness."""
        return f"{self.reservation:032x} {self.holder:032x}"

    def seats_text(self) -> str:
        """The seats, for the witness."""
        return " ".join(map(str, self.seats))


def tell(line: str) -> None:
    """One line to the witness, in one write: a pipe takes up to 4096 bytes whole or not at all."""
    try:
        os.write(1, line.encode() + b"\n")
    except OSError:
        # What nobody can be told must not be done: without a witness there is no sale.
        os._exit(4)


@dataclass
class Shop:
    """What the buyers share."""

    db: allocdb.Database
    venue: Venue
    closing: float
    hands_over: bool
    taken_over: threading.Event  # at closing, where another seller goes on
    failed: threading.Event


class Buyer(threading.Thread):
    """One buyer, from one customer to the next."""

    def __init__(self, shop: Shop, page: Page, number: int) -> None:
        super().__init__(daemon=True)
        self.shop, self.page, self.number = shop, page, number
        self.counts: Counter[str] = Counter()
        self.resumed = page.step not in (Step.CHOOSE, Step.THINK)
        self.gone_by: float | None = None

    def run(self) -> None:
        """Goes on from the page until the shop closes."""
        steps = {
            Step.CHOOSE: self.choose,
            Step.RESERVE: self.reserve,
            Step.THINK: self.think,
            Step.CONFIRM: self.confirm,
            Step.RELEASE: self.release,
        }
        try:
            while not self.shop.failed.is_set():
                if time.time() >= self.shop.closing and self.page.step in (Step.CHOOSE, Step.THINK):
                    if self.shop.hands_over:
                        if not self.leave():
                            return
                        continue
                    if self.page.step is Step.CHOOSE:
                        return
                steps[self.page.step]()
        except allocdb.AllocDBError as error:
            print(f"seat_seller.py: buyer {self.number}: {error!r}", file=sys.stderr)
            self.shop.failed.set()

    def choose(self) -> None:
        """Fans click on the best seats without looking, the others look at the map first. What they
        saw may be out of date when their click arrives: the database decides, not the map.
        """
        page, venue = self.page, self.shop.venue
        page.seats = self.party(venue.best[page.below(len(venue.best))])
        if page.clicks_left > 0:
            page.clicks_left -= 1
        else:
            page.customers += 1
            page.holder = self.number + 1 << 64 | page.customers
            page.clicks_left = FAN_CLICKS if page.below(2) == 0 else 0
            for _ in range(0 if page.clicks_left else LOOKS_MAX):
                if self.party_looks_free():
                    break
                page.seats = self.party(page.below(len(venue.rows)))
        self.begin(Step.RESERVE)

    def party(self, first: int) -> list[int]:
        return self.shop.venue.party(first, PARTY_SIZES[self.page.below(8)])

    def party_looks_free(self) -> bool:
        for seat in self.page.seats:
            row = self.shop.db.get_resource(seat_id(seat))
            self.counts["looked"] += 1
            if row is None or row.state is not allocdb.ResourceState.AVAILABLE:
                return False
        return True

    def begin(self, step: Step) -> None:
        """A new operation, written down before it is sent."""
        operation = self.shop.db.operation()
        self.page.operation_id = int(operation.id)
        self.page.valid_until_slot = operation.valid_until_slot
        self.page.go(step)

    def reserve(self) -> None:
        """The seats are this customer's for a while, or somebody else's."""
        page = self.page
        answer = self.ask()
        self.counts["tries"] += 1
        if not answer.ok:
            self.counts["contended"] += 1
            page.go(Step.CHOOSE)
            time.sleep((1 + page.below(2)) / 1000)  # no finger is quicker
            return
        self.counts["held"] += 1
        page.clicks_left = 0
        page.reservation = answer.reservation
        tell(
            f"hold {page.names()} {answer.deadline_slot} {TTL.count} {int(answer.cached)} "
            f"{page.seats_text()}"
        )
        dice = page.below(100)
        page.plan = (
            Plan.WALK_AWAY if dice < 12
            else Plan.CANCEL if dice < 18
            else Plan.DITHER if dice < 26
            else Plan.BUY
        )
        page.go(Step.THINK)

    def think(self) -> None:
        """Holds the seats and makes up its mind."""
        page = self.page
        if page.plan == Plan.WALK_AWAY:  # says nothing to anybody: the hold runs out
            self.counts["walked_away"] += 1
            time.sleep(page.below(100) / 1000)
            page.go(Step.CHOOSE)
            return
        if page.plan == Plan.DITHER:  # around the deadline: some are in time, some are late
            seconds = TTL_SECONDS - 0.2 + page.below(400) / 1000
        elif page.plan == Plan.CANCEL:
            seconds = 0.1 + page.below(400) / 1000
        else:
            seconds = 0.05 + page.below(400) / 1000
        if not self.shop.taken_over.wait(seconds):
            self.begin(Step.RELEASE if page.plan == Plan.CANCEL else Step.CONFIRM)

    def confirm(self) -> None:
        """The seats are sold, unless the hold had run out."""
        page = self.page
        answer = self.ask()
        if answer.ok:
            self.counts.update(sold=1, seats_sold=len(page.seats))
            tell(f"sale {page.names()} {answer.lsn} {int(answer.cached)} {page.seats_text()}")
        else:
            self.counts["late"] += 1
            tell(f"late {page.names()}")
        page.go(Step.CHOOSE)

    def release(self) -> None:
        """The seats go back."""
        answer = self.ask()
        if answer.ok:
            self.counts["released"] += 1
            tell(f"free {self.page.names()} {answer.lsn} {int(answer.cached)}")
        self.page.go(Step.CHOOSE)

    def leave(self) -> bool:
        """The last steps before another seller takes over. One in three leaves holding seats; one
        has paid, and one has clicked, and neither has heard the answer: the connection broke just
        then. False when it has left.
        """
        page, way = self.page, ("holds", "paid", "clicked")[self.number % 3]
        self.gone_by = self.gone_by or time.time() + LEAVE_SECONDS
        if page.step is Step.CHOOSE:
            if time.time() >= self.gone_by:
                return False  # in a house that is nearly full there may be nothing left to hold
            page.clicks_left = 0
            self.choose()
            if way != "clicked":
                self.reserve()
                return True
            self.send()
            return False
        if not self.hold_is_fresh():
            self.counts["walked_away"] += 1  # the next seller would find it run out
            page.go(Step.CHOOSE)
            return True
        page.plan = Plan.BUY
        page.go(Step.THINK)
        if way == "paid":
            self.begin(Step.CONFIRM)
            self.send()
        return False

    def hold_is_fresh(self) -> bool:
        """Whether the hold has more than half of its time left."""
        try:
            row = self.shop.db.get_reservation(self.page.reservation)
        except allocdb.RetiredError:
            return False
        return (
            row is not None
            and row.state is allocdb.ReservationState.RESERVED
            and row.deadline_slot > self.shop.db.slot_now() + TTL.count // 2
        )

    def ask(self) -> Answer:
        """Sends the page's command, now and then twice: impatient people click twice, and the
        second click must get the first one's answer, word for word.
        """
        answer = self.send()
        if self.resumed:
            self.counts["resumed_known" if answer.cached else "resumed_new"] += 1
            self.resumed = False
        if self.page.below(16) == 0:
            self.counts["duplicates"] += 1
            if self.send() != answer._replace(cached=True):
                self.counts["wrong"] += 1
                print("seat_seller.py: a retry got another answer", file=sys.stderr)
                self.shop.failed.set()
        return answer

    def send(self) -> Answer:
        """Sends the page's operation until it is answered."""
        page, db = self.page, self.shop.db
        result: allocdb.Result
        while True:
            try:
                if page.step is Step.RESERVE:
                    seats = [seat_id(seat) for seat in page.seats]
                    result = db.reserve(seats, page.holder, TTL, operation=page.operation())
                elif page.step is Step.CONFIRM:
                    result = db.confirm(page.reservation, page.holder, operation=page.operation())
                else:
                    result = db.release(page.reservation, page.holder, operation=page.operation())
                return Answer(
                    result.code, result.lsn, result.token, result.deadline_slot,
                    result.failed_index, result.from_retry_cache,
                )
            except allocdb.OperationExpiredError:
                return self.answer_from_state()
            except allocdb.OverloadedError:
                self.counts["refused"] += 1  # definite: nothing happened. The same again, later.
                time.sleep(0.005)

    def answer_from_state(self) -> Answer:
        """A buyer that was away for longer than the dedupe window gets no answer to its operation
        any more: it certainly does not happen now, and whether it happened is read off the state.
        """
        if self.page.step is Step.RESERVE:
            return Answer(allocdb.ResultCode.RESOURCE_BUSY, 0)
        if self.page.step is Step.CONFIRM:
            try:
                row = self.shop.db.get_reservation(self.page.reservation)
            except allocdb.RetiredError:
                row = None
            if row is not None and row.state is allocdb.ReservationState.CONFIRMED:
                return Answer(allocdb.ResultCode.DONE, row.created_lsn)
        return Answer(allocdb.ResultCode.INVALID_STATE, 0)


def load(db: allocdb.Database, venue: Venue) -> None:
    """Makes every seat a resource, a thousand in a commit. The last seat is created last: where it
    is, the venue is loaded; and creating what is there already does no harm.
    """
    seats = range(len(venue.rows))
    if db.get_resource(seat_id(seats[-1])) is not None:
        return
    for first in seats[::1000]:
        with db.batch() as batch:
            for seat in seats[first : first + 1000]:
                batch.create(seat_id(seat))
    tell(f"note {len(seats)} seats loaded")


def rivals_try(db: allocdb.Database, pages: list[Page], life: int) -> None:
    """A hold outlives the process that granted it: while it lasts, others are refused its seats,
    whichever language had granted it. After that a rival may have them, and walks away from them.
    """
    for number, page in enumerate(pages):
        if page.step is not Step.THINK:
            continue
        rival = RIVAL_ID_TAG | life << 32 | (number + 1)
        result = db.reserve([seat_id(seat) for seat in page.seats], rival, TTL)
        if result.ok:
            tell(
                f"hold {result.token:032x} {rival:032x} {result.deadline_slot} {TTL.count} 0 "
                f"{page.seats_text()}"
            )
        else:
            tell(f"busy {page.names()} {db.slot_now()}")


def tell_figures(db: allocdb.Database, buyers: list[Buyer], opened: float) -> None:
    """The counters of the buyers and the engine's own, as one line for the witness."""
    counts = sum((buyer.counts.copy() for buyer in buyers), Counter())
    health = db.health()
    figures = {
        "elapsed_ms": int((time.time() - opened) * 1000),
        **{name: counts[name] for name in COUNTED},
        "commands": health.records,
        "commits": health.commits,
        "syncs": health.syncs,
        "sync_ns_sum": health.sync_ns_sum,
        "sync_ns_max": health.sync_ns_max,
        "checkpoints": health.checkpoints,
    }
    tell("stat " + " ".join(f"{name}={value}" for name, value in figures.items()))


def watch(shop: Shop, buyers: list[Buyer], opened: float) -> bool:
    """Time passes by commands. Where none come, ``tick`` is what lets holds run out. Ends when
    every buyer has left and, unless somebody else goes on, the last hold has ended.
    """
    drained = None
    while not shop.failed.is_set():
        time.sleep(0.1)
        if shop.hands_over and time.time() >= shop.closing:
            shop.taken_over.set()
        shop.db.tick()
        is_open = any(buyer.is_alive() for buyer in buyers)
        tell_figures(shop.db, buyers, opened)
        if is_open:
            continue
        live = shop.db.list_reservations(states=[allocdb.ReservationState.RESERVED])
        if shop.hands_over or not any(True for _ in itertools.islice(live, 1)):
            return True
        drained = drained or time.time()
        if time.time() - drained > DRAIN_SECONDS:
            print("seat_seller.py: holds do not run out", file=sys.stderr)
            return False
    return False


def knock(directory: str) -> None:
    """Tries to open a database that another process has, tells the witness whose it is, and waits
    for a word on standard input that it is free.
    """
    try:
        allocdb.open(directory, existing=True).close()
        sys.exit(f"seat_seller.py: nobody has {directory} open")
    except allocdb.LockedError as error:
        tell(f"lock Python {error.pid}")
    os.read(0, 1)


def arguments_read() -> argparse.Namespace:
    """The same options in every language."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("-d", dest="directory", default="seats.db")
    parser.add_argument("-v", dest="venue", default="bindings/c/examples/venue.csv")
    parser.add_argument("-n", dest="notebook", default="seats.notebook")
    parser.add_argument("-b", dest="buyers", type=int, default=64, help=f"1 to {BUYERS_MAX}")
    parser.add_argument("-s", dest="seed", type=int, default=1)
    parser.add_argument("-l", dest="life", type=int, default=1)
    parser.add_argument("-t", dest="turn", type=int, default=1)
    parser.add_argument("-u", dest="closing_ms", type=int, default=0, help="Unix time of closing")
    parser.add_argument("-c", dest="open_ms", type=int, default=10000, help="or so long, if later")
    parser.add_argument("-o", dest="hands_over", action="store_true", help="hand over at closing")
    parser.add_argument("-k", dest="knocks", action="store_true", help="wait for one's turn")
    arguments = parser.parse_args()
    if not 1 <= arguments.buyers <= BUYERS_MAX:
        parser.error(f"-b is {arguments.buyers}, must be 1 to {BUYERS_MAX}")
    return arguments


def notebook_open(path: str) -> mmap.mmap:
    """The buyers' pages. Stores to a mapped file survive ``kill -9``: they are the kernel's."""
    size = BUYERS_MAX * Page.LAYOUT.size
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
        file.truncate(size)
        return mmap.mmap(file.fileno(), size)


def main() -> int:
    arguments = arguments_read()
    venue = Venue(arguments.venue)
    if arguments.knocks:
        knock(arguments.directory)
    notebook = notebook_open(arguments.notebook)
    pages = [Page(notebook, number) for number in range(BUYERS_MAX)]
    # Stored with the database where this seller makes it: the same as in C. See there for why.
    db = allocdb.open(
        arguments.directory,
        history_window_slots=6000,
        operation_window_slots=100,
        checkpoint_wal_bytes=8 << 20,
    )
    with db:
        report = db.recovery_report()
        opened = time.time()
        tell(
            f"open {arguments.life} {arguments.turn} Python {os.getpid()} "
            f"{report.kind.name.lower()} {report.duration_ns / 1e9:.6f} {report.snapshot_lsn} "
            f"{report.frames_replayed} {report.records_replayed} {report.torn_bytes} "
            f"{report.last_lsn}"
        )
        load(db, venue)
        rivals_try(db, pages, arguments.life)
        closing = max(arguments.closing_ms, opened * 1000 + arguments.open_ms) / 1000
        shop = Shop(
            db, venue, closing, arguments.hands_over, threading.Event(), threading.Event()
        )
        buyers = [Buyer(shop, page, i) for i, page in enumerate(pages[: arguments.buyers])]
        for buyer in buyers:
            if buyer.page.random == 0:
                seed = (arguments.seed + buyer.number + 1) * 0x9E3779B97F4A7C15
                buyer.page.random = seed & 0xFFFFFFFFFFFFFFFF
            buyer.start()
        sold = watch(shop, buyers, opened)
        if not sold:
            shop.failed.set()
        for buyer in buyers:
            buyer.join()
    return 0 if sold else 1


if __name__ == "__main__":
    sys.exit(main())
