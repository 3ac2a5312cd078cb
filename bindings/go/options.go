// How to open a database.

package allocdb

import "time"

// Sync says when a commit is on the disk. Its numbers are those of the C header.
type Sync uint32

const (
	// SyncFull: every commit is on the disk before it is acknowledged.
	SyncFull Sync = 0
	// SyncOS: the kernel writes when it likes. A crash of the process loses nothing, a power cut
	// may lose the newest commits.
	SyncOS Sync = 1
)

// Clock says what "now" is. Its numbers are those of the C header.
type Clock uint32

const (
	// ClockSystem: the system clock divided by the slot duration.
	ClockSystem Clock = 0
	// ClockHost: the program counts slots, with [DB.At]; now is the last applied slot.
	ClockHost Clock = 1
)

// LogLevel says how important a log line is. Its numbers are those of the C header.
type LogLevel uint32

const (
	// LogDefault is LogWarning.
	LogDefault LogLevel = 0
	// LogError: the engine cannot go on.
	LogError LogLevel = 1
	// LogWarning: something an operator should look at.
	LogWarning LogLevel = 2
	// LogInfo: recovery, checkpoints, clean close.
	LogInfo LogLevel = 3
)

// Options says how to open a database. The zero value is right for a start: create the database if
// there is none, with the defaults named below.
//
// What is marked "stored" is fixed when the database is created. At a reopening its zero means "as
// stored", and another value is [ErrConfigMismatch] (R92), but for the four capacities that may
// grow (R95).
type Options struct {
	// OpenExisting: the database must be there; nothing is created.
	OpenExisting bool
	// OpenNew: the database must not be there; it is created. Else [ErrExists].
	OpenNew bool
	// OpenReadOnly: for reading only, beside a writer in another process; see [DB.Refresh] (R97).
	OpenReadOnly bool
	// AllowNetworkFS: the directory may be on a network file system, whose syncs and locks the
	// caller vouches for.
	AllowNetworkFS bool
	// AutoExpireOff: commits do not expire what is due; only [DB.Tick] does (R59).
	AutoExpireOff bool

	// DatabaseID, stored, names the database and its lineage. Default: drawn at random.
	DatabaseID ID
	// ShardID, stored, is the high half of every reservation id (R2). Default 0.
	ShardID uint64
	// HashSeed, stored, keys every hash, so that nobody who chooses ids can aim at a table (R93).
	// Default: drawn.
	HashSeed uint64
	// SlotDuration, stored: whole milliseconds, 1 ms to 24 h. Default 100 ms.
	SlotDuration time.Duration
	// MaxTTLSlots, stored: the greatest TTL, 1 to 2^28 - 1. Default 262,143 (7 h 16 min at 100 ms).
	MaxTTLSlots uint64
	// OperationWindowSlots, stored: how long an operation is remembered, 1 to 2^40. Default 300.
	OperationWindowSlots uint64
	// HistoryWindowSlots, stored: how long an ended reservation stays readable, 1 to 2^40.
	// Default 300.
	HistoryWindowSlots uint64
	// MaxResources, stored, may grow: 1 to 2^28. Default 65,536.
	MaxResources uint32
	// MaxReservations, stored, may grow: live and remembered ones, 1 to 2^28. Default 262,144.
	MaxReservations uint32
	// MaxOperations, stored, may grow: remembered ones, 1 to 2^28. Default 524,288: 10,000 commands
	// a second over a window of 30 seconds, and then some.
	MaxOperations uint32
	// MaxBundleLen, stored: the most resources in one reservation, 1 to 1,024. Default 64.
	MaxBundleLen uint32
	// MaxExpirationBucketLen, stored, may grow: the most reservations with one deadline, 1 to
	// MaxReservations. Default MaxReservations.
	MaxExpirationBucketLen uint32
	// MaxExpirationsPerTick, stored: the most reservations that one expiry ends, 1 to 2^28.
	// Default 1,024.
	MaxExpirationsPerTick uint32

	// Sync says when a commit is on the disk. Default SyncFull.
	Sync Sync
	// Clock says what "now" is. Default ClockSystem.
	Clock Clock
	// MaxQueue: the most submissions that wait at once; one more is [ErrOverloaded]. Default 8,192.
	MaxQueue uint32
	// MaxBatchCommands: the most commands in one commit. Default 8,192.
	MaxBatchCommands uint32
	// MaxBatchBytes: the most bytes of commands in one commit, at most 16 MiB. Default 1 MiB.
	MaxBatchBytes uint64
	// WALPreallocBytes: how far the log file is written ahead with zeros. Default 16 MiB.
	WALPreallocBytes uint64
	// CheckpointWALBytes: a checkpoint is made when the log has grown by this. Default 64 MiB.
	CheckpointWALBytes uint64
	// MaxSlotLeap: a slot further ahead than this of what the clock explains is [ErrSlotLeap]
	// (R35). Default 0: no check.
	MaxSlotLeap uint64
	// LogLevel: the least important level that is kept for [DB.ReadLog]. Default LogWarning.
	LogLevel LogLevel
	// LogRingBytes: kept for [DB.ReadLog]; the oldest lines give way. Default 64 KiB.
	LogRingBytes uint64
}

// slotMilliseconds checks what C cannot be told: a duration that is not whole milliseconds.
func (o *Options) slotMilliseconds() (uint64, *Error) {
	d := o.SlotDuration
	if d < 0 || d%time.Millisecond != 0 {
		return 0, invalid("open", "SlotDuration is %s, must be whole milliseconds, 1ms to 24h", d)
	}
	return uint64(d / time.Millisecond), nil
}
