// A database handle: opening, closing, the clock, and the names of operations.
//
// A DB is a pair: what all views of one handle share, and the slot that this view speaks at. DB.At
// makes such a view, so that a program that counts slots itself has every function at every slot,
// and one that does not never sees a slot parameter. Rejected: a slot in every signature, which is
// 0 in nearly every program.
//
// Operation ids are made without a system call or a crossing: a random base is drawn at open and
// counted up. They are version 4 UUIDs to look at, so that none is taken for a packed name.

//go:build cgo

package allocdb

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// DB is an open database. All its methods may be called by any number of goroutines at once; what
// they submit at once is committed together, with one write and one sync.
//
// A DB that is not closed keeps its lock and memory until the process ends; nothing that was
// acknowledged is lost by that. The collector does not close it.
type DB struct {
	*shared
	// slot is the caller's logical time; 0 is now.
	slot uint64
}

// shared is what all views of a handle have in common.
type shared struct {
	lib     handle
	closing struct {
		once   sync.Once
		status Status
	}
	slotMS        uint64
	windowSlots   uint64
	bundleLenMax  uint32
	hostClock     bool
	autoExpireOff bool
	// timer is realTimer, but in tests.
	timer func(time.Duration) (elapsed <-chan time.Time, stop func())
	// The last operation id that was made is base + made.
	baseHi, baseLo uint64
	made           atomic.Uint64
}

// Open opens the database in directory dir, creating it if nothing is there, and recovers it. The
// last component of the path is created if it is missing, its parents are not; the path has at
// most 4,000 bytes. One process at a time has a database open for writing.
//
// Errors: [ErrInvalid] (an option: the message names field, value and bounds), [ErrLocked] (open in
// this or another process, [Error.PID]), [ErrDirectoryNotFound], [ErrNotADatabase], [ErrCorrupt],
// [ErrConfigMismatch], [ErrVersion], [ErrNoMemory], [ErrUnsupportedFS], [ErrExists],
// [ErrStorageFull], [ErrIO], and the indefinite [ErrStorageFailure] and [ErrPanic]. On failure an
// existing database is as it was, and there is nothing to close.
func Open(dir string, options Options) (*DB, error) {
	h, err := openHandle(dir, &options)
	if err != nil {
		return nil, err
	}
	db := &DB{shared: &shared{lib: h, hostClock: options.Clock == ClockHost,
		autoExpireOff: options.AutoExpireOff, timer: realTimer}}
	c, err := db.configuration("open")
	if err != nil {
		h.close()
		return nil, err
	}
	db.slotMS = uint64(c.SlotDuration / time.Millisecond)
	db.windowSlots = c.OperationWindowSlots
	db.bundleLenMax = c.MaxBundleLen
	db.baseHi, db.baseLo = RandomID().Halves()
	return db, nil
}

// Close waits for the calls under way, proves the log's end durable, and releases lock and memory.
// Later calls, on every view of the handle, answer [ErrClosed]. Closing again, also at the same
// time, waits for the first and answers what it did.
//
// Errors: [ErrStorageFailure] (the last write failed: closed all the same, and what was
// acknowledged stays), [ErrPanic] (closed all the same).
func (db *DB) Close() error {
	if db == nil || db.shared == nil {
		return nil
	}
	db.closing.once.Do(func() { db.closing.status = db.lib.close() })
	if status := db.closing.status; status != StatusOK {
		return refused(status, "close", "%s", status.row().message)
	}
	return nil
}

// At gives a view of the database that speaks at a slot: for programs that count slots themselves
// ([ClockHost]). Every function of the view takes the slot for now. The view is the same database;
// closing one closes all. Slot 0 is now. Slots never go back: a commit's slot is the greatest of
// the last one and of the slots of all that take part in it (R5, R63).
func (db *DB) At(slot uint64) *DB { return &DB{shared: db.shared, slot: slot} }

// SlotDuration is how long a slot is.
func (db *DB) SlotDuration() time.Duration { return milliseconds(db.slotMS) }

// SlotNow is the slot of this moment: the slot of the view where it has one ([DB.At]), else the
// system clock in this database's slots, whatever Options.Clock says.
func (db *DB) SlotNow() uint64 {
	if db.slot != 0 {
		return db.slot
	}
	return uint64(max(time.Now().UnixMilli(), 0)) / db.slotMS
}

// SlotTime is when a slot begins by the system clock: of an outcome's DeadlineSlot, from when on
// the reservation may be freed by time.
func (db *DB) SlotTime(slot uint64) time.Time {
	hi, ms := bits.Mul64(slot, db.slotMS)
	if hi != 0 || ms > 1<<62 {
		ms = 1 << 62
	}
	return time.UnixMilli(int64(ms))
}

// Slots is a TTL in slots: rounded up, and one more, because the current slot is under way. So a
// reservation is never held for less than ttl. 0 for a ttl that is not above 0.
func (db *DB) Slots(ttl time.Duration) uint64 {
	if ttl <= 0 {
		return 0
	}
	slot := db.slotMS * uint64(time.Millisecond)
	return (uint64(ttl)-1)/slot + 2
}

// NewOperation names a new operation: an id that no other call returns, valid for the dedupe window
// from now. Keep it and repeat it in every retry of the same command.
func (db *DB) NewOperation() Operation {
	return Operation{ID: db.operationID(db.made.Add(1)), ValidUntilSlot: db.validUntilSlot()}
}

// operationID is the base plus n, mod 2^128. It is never zero: the base is a version 4 UUID, whose
// high half is not.
func (s *shared) operationID(n uint64) ID {
	lo, carry := bits.Add64(s.baseLo, n, 0)
	return NewID(s.baseHi+carry, lo)
}

// ready says that the call may be tried at all.
func (db *DB) ready(ctx context.Context, op string) error {
	if db == nil || db.shared == nil {
		return refused(ErrClosed, op, "the database was never opened")
	}
	return ready(ctx, op)
}

// validUntilSlot is the end of the dedupe window that begins now (R30). A program that counts slots
// itself may be at any slot: the library knows the last applied one.
func (db *DB) validUntilSlot() uint64 {
	if db.slot == 0 && db.hostClock {
		return db.lib.operation().ValidUntilSlot
	}
	valid, carry := bits.Add64(db.SlotNow(), db.windowSlots, 0)
	if db.hostClock {
		valid = max(valid, db.lib.operation().ValidUntilSlot)
	}
	if carry != 0 {
		return ^uint64(0)
	}
	return valid
}

// MemoryBound says how much memory a database made with these options uses at most, in bytes,
// before anything is allocated (R91). A pure function; nothing is opened. Errors: [ErrInvalid].
func MemoryBound(options Options) (uint64, error) {
	bytes, err := memoryBound(&options)
	if err != nil {
		return 0, err
	}
	return bytes, nil
}

// Version is the version of libAllocDB that the program runs with, such as "0.3.0".
func Version() string { return nativeVersion() }
