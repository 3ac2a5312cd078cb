// What upkeep shows: health, configuration, and the reports of recovery, checkpoint and tick.

package allocdb

import (
	"fmt"
	"time"
)

// Configuration is what a database was made with, and the bounds of this opening.
// It leaves out hash_seed: whoever chooses ids must not know it (R93).
type Configuration struct {
	// DatabaseID names the database and its lineage.
	DatabaseID ID
	// ShardID is the high half of every reservation id (R2).
	ShardID uint64
	// SlotDuration is how long a slot is.
	SlotDuration time.Duration
	// MaxTTLSlots is the greatest TTL in slots.
	MaxTTLSlots uint64
	// OperationWindowSlots is how long an operation is remembered, in slots.
	OperationWindowSlots uint64
	// HistoryWindowSlots is how long an ended reservation stays readable, in slots.
	HistoryWindowSlots uint64
	// MaxResources is the capacity of the resource table.
	MaxResources uint32
	// MaxReservations is the capacity for reservations, live and remembered.
	MaxReservations uint32
	// MaxOperations is the capacity for remembered operations.
	MaxOperations uint32
	// MaxBundleLen is the most resources in one reservation.
	MaxBundleLen uint32
	// MaxExpirationBucketLen is the most reservations with one deadline.
	MaxExpirationBucketLen uint32
	// MaxExpirationsPerTick is the most reservations that one expiry ends.
	MaxExpirationsPerTick uint32
	// MaxBatchCommands is the most commands in one commit.
	MaxBatchCommands uint32
	// MaxQueue is the most submissions that wait at once.
	MaxQueue uint32
	// MaxBatchBytes is the most bytes of commands in one commit.
	MaxBatchBytes uint64
}

// StartKind says what recovery started from. Its numbers are those of the C header.
type StartKind uint32

// What recovery started from.
const (
	// StartFresh: a new database was created.
	StartFresh StartKind = 0
	// StartWALOnly: from the log alone.
	StartWALOnly StartKind = 1
	// StartSnapshotOnly: from the newest snapshot; no record followed it.
	StartSnapshotOnly StartKind = 2
	// StartSnapshotAndWAL: from the newest snapshot and the records after it.
	StartSnapshotAndWAL StartKind = 3
	// StartPreviousSnapshotAndWAL: the newest snapshot was damaged; from the one before it.
	StartPreviousSnapshotAndWAL StartKind = 4
)

// String gives the kind's name, such as "fresh".
func (k StartKind) String() string {
	names := [...]string{"fresh", "wal_only", "snapshot_only", "snapshot_and_wal",
		"previous_snapshot_and_wal"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("start kind %d", uint32(k))
}

// RecoveryReport is what recovery found when the database was opened.
type RecoveryReport struct {
	// Start is what it started from.
	Start StartKind
	// SnapshotLSN is the log position of the snapshot that was used; 0 for none.
	SnapshotLSN uint64
	// FramesReplayed counts the commits that were replayed.
	FramesReplayed uint64
	// RecordsReplayed counts the commands in them.
	RecordsReplayed uint64
	// LastLSN is the last applied log position.
	LastLSN uint64
	// LastSlot is the last applied slot.
	LastSlot uint64
	// TornBytes of a torn tail were cut: a commit that no caller was ever told of.
	TornBytes uint64
	// RewrittenBytes of the log were written again because nothing proved them durable.
	RewrittenBytes uint64
	// Duration is how long the opening took.
	Duration time.Duration
}

// CheckpointReport is what [DB.Checkpoint] did.
type CheckpointReport struct {
	// AnchorLSN is the log position of the snapshot.
	AnchorLSN uint64
	// SnapshotBytes is the snapshot's length.
	SnapshotBytes uint64
	// LogBytesBefore and LogBytesAfter are the log's length.
	LogBytesBefore, LogBytesAfter uint64
	// Duration is how long it took; Stall, the longest that it held commits at a time.
	Duration, Stall time.Duration
	// Written is false where nothing had changed since the last checkpoint.
	Written bool
}

// TickResult is what [DB.Tick] did.
type TickResult struct {
	// LSN is the log position of the expiry; 0 if nothing was due, and then nothing was written.
	LSN uint64
	// Slot is when it was applied; the last applied slot if nothing was written.
	Slot uint64
	// DueCount reservations are still due at that slot: tick again.
	DueCount uint64
	// ExpiredCount reservations were ended.
	ExpiredCount uint32
}

// TableUsage says how full a table is.
type TableUsage struct {
	// Used counts the records in memory, those of Retired included; Capacity, how many fit.
	Used, Capacity uint64
	// Retired counts records that are forgotten already, whose memory is taken back when needed.
	Retired uint64
	// ProbeLenMax is the longest search for a free place so far, in cells.
	ProbeLenMax uint64
}

// HaltReason says why an engine no longer accepts or answers. Its numbers are the C header's.
type HaltReason uint32

// Why an engine halts.
const (
	// HaltNone: it has not halted.
	HaltNone HaltReason = 0
	// HaltStorage: a write or sync failed.
	HaltStorage HaltReason = 1
	// HaltPanic: an internal error was caught.
	HaltPanic HaltReason = 2
	// HaltRequested: it was asked for.
	HaltRequested HaltReason = 3
)

// Health is a snapshot of the engine's figures. Counters count since the database was opened.
type Health struct {
	// AcceptingWrites is false when the engine has halted.
	AcceptingWrites bool
	// HaltReason says why, and HaltErrno with which errno.
	HaltReason HaltReason
	HaltErrno  uint64
	// QueueLen submissions wait or are being committed; QueueCapacity is max_queue.
	QueueLen, QueueCapacity uint64
	// LastLSN and LastSlot are the last applied log position and slot.
	LastLSN, LastSlot uint64
	// LogicalSlotLag is how far the caller's slot is ahead of LastSlot.
	LogicalSlotLag uint64
	// ExpirationBacklog counts reservations that are due and not ended yet.
	ExpirationBacklog uint64
	// Resources, Reservations and Operations say how full the tables are.
	Resources, Reservations, Operations TableUsage
	// LogBytes is the log's length; LogBytesSinceCheckpoint, what came since the last checkpoint.
	LogBytes, LogBytesSinceCheckpoint uint64
	// SnapshotLSN is the newest snapshot's log position; 0 for none.
	SnapshotLSN uint64
	// Checkpoints were made; CheckpointFailures of them failed and left everything as it was.
	Checkpoints, CheckpointFailures uint64
	// CheckpointDuration and CheckpointStall are the last one's; CheckpointStallMax the longest.
	CheckpointDuration, CheckpointStall, CheckpointStallMax time.Duration
	// Retries were answered from the dedupe table, Rejections refused, Overloads refused because
	// the queue was full; Expirations are reservations ended by time.
	Retries, Rejections, Overloads, Expirations uint64
	// Commits hold Records commands, expiries included; RecordsPerCommitMax the most in one.
	Commits, Records, RecordsPerCommitMax uint64
	// Syncs of the log took SyncTotal together, the longest SyncMax.
	Syncs     uint64
	SyncTotal time.Duration
	SyncMax   time.Duration
	// CommandsByKind counts applied commands by the number of their [Kind] (9: expiries).
	CommandsByKind [16]uint64
	// OutcomesByCode counts their results by the number of their [Code].
	OutcomesByCode [32]uint64
	// SyncHistogram counts commits by sync time: [i] those below 2^i microseconds that no earlier
	// one counts.
	SyncHistogram [32]uint64
}

// healthOf names the words of the codec's health message.
func healthOf(w *[healthWords]uint64) Health {
	h := Health{
		AcceptingWrites: w[0] != 0,
		HaltReason:      HaltReason(w[1]), HaltErrno: w[2],
		QueueLen: w[3], QueueCapacity: w[4],
		LastLSN: w[5], LastSlot: w[6], LogicalSlotLag: w[7], ExpirationBacklog: w[8],
		Resources:    tableUsage(w[9:13]),
		Reservations: tableUsage(w[13:17]),
		Operations:   tableUsage(w[17:21]),
		LogBytes:     w[21], LogBytesSinceCheckpoint: w[22], SnapshotLSN: w[23],
		Checkpoints: w[24], CheckpointFailures: w[25],
		CheckpointDuration: nanoseconds(w[26]),
		CheckpointStall:    nanoseconds(w[27]),
		CheckpointStallMax: nanoseconds(w[28]),
		Retries:            w[29], Rejections: w[30], Overloads: w[31], Expirations: w[32],
		Commits: w[33], Records: w[34], RecordsPerCommitMax: w[35],
		Syncs: w[36], SyncTotal: nanoseconds(w[37]), SyncMax: nanoseconds(w[38]),
	}
	copy(h.CommandsByKind[:], w[48:64])
	copy(h.OutcomesByCode[:], w[64:96])
	copy(h.SyncHistogram[:], w[96:128])
	return h
}

func tableUsage(w []uint64) TableUsage {
	return TableUsage{Used: w[0], Capacity: w[1], Retired: w[2], ProbeLenMax: w[3]}
}
