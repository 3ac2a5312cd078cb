#!/usr/bin/env python3
"""The host in Python: opens the shared database, works on it, and is killed.

It does what bindings/c/torture/host.c does, with the same arguments (``name=value``), on the same
database, and says the same records to the same witness (bindings/c/torture/witness.h has their
layout): an intent before each submission, an answer after it. It has one thread, and no plants:
what is tried here is the road through Python, not the auditor.
"""

from __future__ import annotations

import os
import random
import struct
import sys
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import allocdb
from allocdb import CommandKind, Operation, ResourceState, Slots

WORDS = struct.Struct("<15Q")
RECORD = struct.Struct("<IIIIQQQQQQIIiIQQQIIQQ")
RESOURCE_COUNT, BUNDLE_LEN_MAX, BATCH_LEN_MAX = 24, 3, 4
TTL_MAX, WINDOW_SLOTS, HISTORY_SLOTS = 40, 64, 24
OPERATION_TAG = 0x0B << 64
STATUS_NONE = -1
NO_INDEX = 2**32 - 1
MASK = 2**64 - 1


class Said(IntEnum):
    """What a record is about."""

    BORN, OPENED, INTENT, ANSWER, CHECKPOINT, TICK, CLOSING, REFUSED, BACKUP = range(1, 10)


@dataclass
class Record:
    """One line of the witness, in the order of its bytes."""

    type: int = 0
    kind: int = 0
    life: int = 0
    batch: int = 0
    slot: int = 0
    operation: int = 0
    valid_until_slot: int = 0
    target: int = 0
    holder: int = 0
    ttl_slots: int = 0
    count: int = 0
    batch_len: int = 0
    status: int = STATUS_NONE
    code: int = 0
    lsn: int = 0
    reservation: int = 0
    deadline_slot: int = 0
    failed_index: int = 0
    from_retry_cache: int = 0
    reserved: int = 0

    def packed(self) -> bytes:
        """The 128 bytes, their sum last."""
        text = RECORD.pack(*self.__dict__.values(), 0)
        return text[:120] + struct.pack("<Q", sum(WORDS.unpack_from(text)) & MASK)


class Host:
    """One life."""

    def __init__(self, arguments: dict[str, str]) -> None:
        self.arguments = arguments
        self.life = int(arguments.get("life", "1"))
        self.random = random.Random(int(arguments.get("seed", "1")))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self.witness = os.open(arguments["witness"], flags, 0o644)
        self.slot = self.batches = self.operations = 0
        self.stale: list[int] = []
        self.db: allocdb.Database

    def tell(self, *records: Record) -> None:
        """Says it before anything else happens; whole, or the host ends."""
        text = b"".join([record.packed() for record in records])
        if os.write(self.witness, text) != len(text):
            os._exit(4)

    def event(self, said: Said, lsn: int = 0, status: int = STATUS_NONE) -> None:
        """A record without a command."""
        self.tell(Record(said, life=self.life, slot=self.slot, lsn=lsn, status=status))

    def open(self) -> None:
        """The same options as every other host's: see torture_options."""
        self.event(Said.BORN)
        self.db = allocdb.open(
            self.arguments["directory"], max_resources=RESOURCE_COUNT, max_reservations=2048,
            max_operations=4096, max_bundle_len=BUNDLE_LEN_MAX, max_ttl_slots=TTL_MAX,
            operation_window_slots=WINDOW_SLOTS, history_window_slots=HISTORY_SLOTS,
            wal_prealloc_bytes=64 << 10, checkpoint_wal_bytes=32 << 10, clock="host",
            sync="os" if self.arguments.get("sync") == "os" else "full",
        )
        health = self.db.health()
        self.slot = health.last_slot
        self.event(Said.OPENED, health.last_lsn, 0)
        self.slot += 1 + self.life % 4

    # ---- choosing

    def change(self, intent: Record) -> None:
        """A command about a reservation that is there, or was."""
        draw = self.random
        row = self.db.get_resource(draw.randint(1, RESOURCE_COUNT))
        held = row is not None and row.reservation_id is not None and draw.randrange(8) != 0
        if held:
            assert row is not None and row.reservation_id is not None and row.holder_id is not None
            intent.target, intent.holder = int(row.reservation_id) & MASK, int(row.holder_id) & MASK
            intent.holder += draw.randrange(16) == 0
            self.stale = [intent.target, *self.stale[:7]]
        elif self.stale:
            intent.target, intent.holder = draw.choice(self.stale), draw.randint(1, 7)
        else:
            return
        kinds = (CommandKind.CONFIRM, CommandKind.EXTEND, CommandKind.RELEASE)
        intent.kind = draw.choice(kinds)
        if held and row is not None:
            if row.state is ResourceState.CONFIRMED and draw.randrange(2) == 0:
                intent.kind = CommandKind.REVOKE
            if row.state is ResourceState.REVOKING:
                intent.kind = CommandKind.RECLAIM
        if intent.kind in (CommandKind.REVOKE, CommandKind.RECLAIM):
            intent.holder = 0
        if intent.kind == CommandKind.EXTEND:
            intent.ttl_slots = draw.randint(1, TTL_MAX)

    def choose(self) -> Record:
        """A command of the host's own choice."""
        draw = self.random
        self.operations += 1
        intent = Record(operation=self.life << 20 | self.operations)
        intent.valid_until_slot = self.slot + WINDOW_SLOTS
        roll = draw.randrange(100)
        if roll < 50:
            self.change(intent)
        elif roll < 59:
            intent.kind = CommandKind.CREATE_RESOURCE
        elif roll < 62:
            intent.kind = CommandKind.DELETE_RESOURCE
        if intent.kind == 0:
            intent.kind, intent.count = CommandKind.RESERVE, draw.randint(1, BUNDLE_LEN_MAX)
            intent.holder, intent.ttl_slots = draw.randint(1, 7), draw.randint(1, TTL_MAX)
        if intent.target == 0:
            intent.target = draw.randint(1, RESOURCE_COUNT + 1 - BUNDLE_LEN_MAX)
        return intent

    # ---- submitting

    def put(self, commands: Any, intent: Record) -> Any:
        """The command, to a batch or at once: the same names in both."""
        slot = {} if isinstance(commands, allocdb.Batch) else {"slot": intent.slot}
        id = allocdb.Id(OPERATION_TAG | intent.operation)
        operation = Operation(id, intent.valid_until_slot)
        target, holder, ttl = intent.target, intent.holder, Slots(max(1, intent.ttl_slots))
        same = {"operation": operation, **slot}
        make: dict[int, tuple[Any, ...]] = {
            CommandKind.CREATE_RESOURCE: (commands.create, target),
            CommandKind.DELETE_RESOURCE: (commands.delete, target),
            CommandKind.RESERVE: (
                commands.reserve, list(range(target, target + intent.count)), holder, ttl),
            CommandKind.CONFIRM: (commands.confirm, target, holder),
            CommandKind.EXTEND: (commands.extend, target, holder, ttl),
            CommandKind.RELEASE: (commands.release, target, holder),
            CommandKind.REVOKE: (commands.revoke, target),
            CommandKind.RECLAIM: (commands.reclaim, target),
        }
        function, *rest = make[intent.kind]
        return function(*rest, **same)

    def answer(
        self, intent: Record, result: allocdb.Result | None, error: allocdb.AllocDBError | None
    ) -> Record:
        """The intent with what the library said."""
        if error is not None:
            status = int(error.status or allocdb.Status.E_INVALID)
            return replace(intent, type=Said.ANSWER, status=status)
        assert result is not None
        index = result.failed_index
        return replace(
            intent, type=Said.ANSWER, status=0, code=int(result.code), lsn=result.lsn,
            reservation=result.token & MASK, deadline_slot=result.deadline_slot,
            failed_index=NO_INDEX if index is None else index,
            from_retry_cache=int(result.from_retry_cache),
        )

    def submit(self, intents: list[Record]) -> None:
        """One commit, by the typed function or as a batch."""
        if len(intents) == 1:
            result, error = None, None
            try:
                result = self.put(self.db, intents[0])
            except allocdb.AllocDBError as caught:
                error = caught
            self.tell(self.answer(intents[0], result, error))
            return
        batch = self.db.batch(slot=intents[0].slot)
        for intent in intents:
            self.put(batch, intent)
        try:
            results = batch.submit()
        except allocdb.AllocDBError:
            results = batch.results
        errors = [results.error(i) for i in range(len(intents))]
        self.tell(*(
            self.answer(intent, None if errors[i] else results[i], errors[i])
            for i, intent in enumerate(intents)
        ))

    def begin(self, intents: list[Record]) -> None:
        """Says what will be submitted next."""
        self.batches += 1
        for intent in intents:
            intent.type, intent.life, intent.batch = Said.INTENT, self.life, self.batches
            intent.batch_len, intent.slot, intent.status = len(intents), self.slot, STATUS_NONE
        self.tell(*intents)

    def submit_pending(self) -> None:
        """What nobody answered to the lives before."""
        path = self.arguments.get("pending", "")
        if not path:
            return
        with open(path, "rb") as file:
            text = file.read()
        for at in range(0, len(text), RECORD.size):
            intent = Record(*RECORD.unpack_from(text, at)[:-1])
            self.slot = max(self.slot, intent.valid_until_slot - WINDOW_SLOTS)
            self.begin([intent])
            self.submit([intent])

    def upkeep(self) -> None:
        """Checkpoints, ticks, and time that goes on."""
        roll = self.random.randrange(200)
        if roll < 8:
            self.event(Said.CHECKPOINT)
            self.db.checkpoint()
            self.event(Said.CHECKPOINT, status=0)
        elif roll == 8 and self.arguments.get("backup"):
            self.event(Said.BACKUP)
            try:
                self.db.backup(self.arguments["backup"])
                self.event(Said.BACKUP, status=0)
            except allocdb.ExistsError:  # the second of this life
                pass
        self.slot += self.random.randrange(5) < 2
        if roll >= 170:
            tick = Record(Said.TICK, CommandKind.EXPIRE_DUE, self.life, slot=self.slot)
            self.tell(tick)
            done = self.db.tick(slot=self.slot)
            self.tell(replace(tick, status=0, lsn=done.lsn, count=done.expired_count))

    def work(self) -> None:
        """All of a life."""
        for _ in range(int(self.arguments.get("submissions", "100"))):
            count = self.random.randint(2, BATCH_LEN_MAX) if self.random.randrange(3) == 0 else 1
            intents = [self.choose() for _ in range(count)]
            self.begin(intents)
            self.submit(intents)
            if self.random.randrange(10) == 0:
                self.submit(intents)
            self.upkeep()
        self.event(Said.CLOSING)
        self.db.close()


def main() -> None:
    """Reads the arguments and lives."""
    host = Host(dict(word.split("=", 1) for word in sys.argv[1:]))
    host.open()
    host.submit_pending()
    host.work()


if __name__ == "__main__":
    main()
