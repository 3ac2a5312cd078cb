"""What a database says about itself: its configuration, its recovery, checkpoints, health."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from .constants import CommandKind, HaltReason, ResultCode, StartKind
from .ids import Id


@dataclass(frozen=True)
class Configuration:
    """What is stored with the data, and the bounds of this opening. The hash seed is left out:
    whoever chooses ids must not know it (R93).
    """

    database_id: Id
    """Names the database and its lineage."""
    shard_id: int
    """The high half of every reservation id."""
    slot_duration_ms: int
    """Milliseconds a slot."""
    max_ttl_slots: int
    """The greatest TTL."""
    operation_window_slots: int
    """How long an operation is remembered."""
    history_window_slots: int
    """How long an ended reservation stays readable."""
    max_resources: int
    """Capacity of the resource table."""
    max_reservations: int
    """Capacity for reservations, live and remembered."""
    max_operations: int
    """Capacity for remembered operations."""
    max_bundle_len: int
    """Most resources in one reservation."""
    max_expiration_bucket_len: int
    """Most reservations with one deadline."""
    max_expirations_per_tick: int
    """Most reservations that one expiry ends."""
    max_batch_commands: int
    """Most commands in one commit."""
    max_queue: int
    """Most submissions that wait at once."""
    max_batch_bytes: int
    """Most bytes of commands in one commit."""


@dataclass(frozen=True)
class RecoveryReport:
    """What recovery found when the database was opened."""

    kind: StartKind
    """From what it was recovered."""
    snapshot_lsn: int
    """The snapshot that was used; 0 for none."""
    frames_replayed: int
    """Frames of commands that were replayed."""
    records_replayed: int
    """Records that were replayed."""
    last_lsn: int
    """The last applied log position."""
    last_slot: int
    """The last applied slot."""
    torn_bytes: int
    """Bytes of a torn tail that were cut: a commit that no caller was ever told of."""
    rewritten_bytes: int
    """Bytes of frames written again because nothing proved them durable."""
    duration_ns: int
    """How long the opening took."""


@dataclass(frozen=True)
class CheckpointReport:
    """What a checkpoint did."""

    anchor_lsn: int
    """The log position of its snapshot."""
    snapshot_bytes: int
    """Bytes of the snapshot."""
    log_bytes_before: int
    """Bytes of the log before."""
    log_bytes_after: int
    """Bytes of the log after."""
    duration_ns: int
    """How long it took."""
    stall_ns: int
    """The longest that it held commits at a time."""
    written: bool
    """``False``: nothing had changed since the last one, and nothing was done."""


@dataclass(frozen=True)
class Health:
    """The engine's figures at one moment. Counters count since the database was opened."""

    accepting_writes: bool
    """``False``: the engine has halted, or is closing."""
    halt_reason: HaltReason
    """Why it has halted."""
    halt_os_errno: int
    """The system's number of the failure; 0 if none."""
    queue_len: int
    """Submissions that wait or are being committed."""
    queue_capacity: int
    """``max_queue``."""
    last_lsn: int
    """The last applied log position; 0 in a new database."""
    last_slot: int
    """The last applied slot."""
    logical_slot_lag: int
    """How far the slot given is ahead of the last applied one."""
    expiration_backlog: int
    """Reservations that are due and not ended yet."""
    resources_used: int
    """Records in the resource table, retired ones included."""
    resources_capacity: int
    """``max_resources``."""
    resources_retired: int
    """Records that are forgotten already and whose memory is taken back when needed."""
    resources_probe_len_max: int
    """The longest search for a place so far, in cells."""
    reservations_used: int
    """As above, of reservations."""
    reservations_capacity: int
    """``max_reservations``."""
    reservations_retired: int
    """As above, of reservations."""
    reservations_probe_len_max: int
    """As above, of reservations."""
    operations_used: int
    """As above, of operations: the pressure on the dedupe window."""
    operations_capacity: int
    """``max_operations``."""
    operations_retired: int
    """As above, of operations."""
    operations_probe_len_max: int
    """As above, of operations."""
    log_bytes: int
    """Bytes of the log, without what is preallocated."""
    log_bytes_since_checkpoint: int
    """Of these, since the last checkpoint."""
    snapshot_lsn: int
    """The newest snapshot's log position; 0 for none."""
    checkpoints: int
    """Checkpoints made."""
    checkpoint_failures: int
    """Checkpoints that failed and left everything as it was."""
    checkpoint_ns_last: int
    """How long the last one took."""
    checkpoint_stall_ns_last: int
    """The longest that the last one held commits at a time."""
    checkpoint_stall_ns_max: int
    """The longest that one held commits."""
    retries: int
    """Commands answered from the dedupe table."""
    rejections: int
    """Commands rejected, definitely."""
    overloads: int
    """Submissions refused because the queue was full."""
    expirations: int
    """Reservations ended by time."""
    commits: int
    """Commits written. ``records / commits`` is the group size."""
    records: int
    """Commands logged in them, expiries included."""
    records_per_commit_max: int
    """The most in one commit."""
    syncs: int
    """Syncs of the log."""
    sync_ns_sum: int
    """Time spent in writing and syncing."""
    sync_ns_max: int
    """The longest."""
    commands_by_kind: dict[CommandKind, int]
    """Commands applied; kinds without any are left out."""
    outcomes_by_code: dict[ResultCode, int]
    """Their results; codes without any are left out."""
    sync_histogram: tuple[int, ...]
    """Commits by sync time: ``[i]`` counts those below 2**i microseconds that no earlier one
    counts.
    """


_HEALTH_WORDS = len(fields(Health)) - 3
_COMMANDS, _OUTCOMES, _HISTOGRAM = slice(48, 64), slice(64, 96), slice(96, 128)


def health_of(words: tuple[int, ...]) -> Health:
    """The figures of a response's 128 words: the named ones stand first, in the order above."""
    figures: list[Any] = list(words[:_HEALTH_WORDS])
    figures[0] = bool(figures[0])
    figures[1] = HaltReason(figures[1])
    figures.append({CommandKind(n): v for n, v in enumerate(words[_COMMANDS]) if v})
    figures.append({ResultCode(n): v for n, v in enumerate(words[_OUTCOMES]) if v})
    figures.append(words[_HISTOGRAM])
    return Health(*figures)


def configuration_of(numbers: tuple[int, ...]) -> Configuration:
    """The configuration of a response's numbers."""
    database_id, *rest = numbers
    return Configuration(int.__new__(Id, database_id), *rest)


def recovery_report_of(numbers: tuple[int, ...]) -> RecoveryReport:
    """The report of a response's numbers."""
    kind, *figures = numbers
    return RecoveryReport(StartKind(kind), *figures)


def checkpoint_report_of(numbers: tuple[int, ...]) -> CheckpointReport:
    """The report of a response's numbers."""
    anchor_lsn, snapshot_bytes, before, after, duration_ns, stall_ns, written = numbers
    return CheckpointReport(
        anchor_lsn, snapshot_bytes, before, after, duration_ns, stall_ns, bool(written)
    )
