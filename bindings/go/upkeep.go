// Upkeep: expiry by hand, health, configuration, checkpoints, readers, backups, metrics.

//go:build cgo

package allocdb

import "context"

// Tick ends reservations that are due, at most limit of them (0, or above max_expirations_per_tick:
// that many), oldest deadline first (R54, R57, R59). Commits do the same before their commands
// unless Options.AutoExpireOff is set; Tick is for a database that is otherwise at rest. With
// nothing due nothing is written.
//
// Errors: [ErrOverloaded], [ErrLSNExhausted], [ErrStorageFull], [ErrSlotOverflow], [ErrSlotLeap],
// [ErrReadOnly]: nothing happened; [ErrClosed], [ErrForked]; or [ErrIndefinite].
func (db *DB) Tick(ctx context.Context, limit uint32) (TickResult, error) {
	const op = "tick"
	if err := db.ready(ctx, op); err != nil {
		return TickResult{}, err
	}
	x := takeExchange()
	defer x.give()
	x.request = appendTick(x.request, 0, db.slot, limit)
	r, err := db.ask(op, x, kindTick, tickBytes)
	if err != nil {
		return TickResult{}, err
	}
	return r.tick(), nil
}

// Health shows the engine's figures at one moment, with LogicalSlotLag as of now or of the view's
// slot. Answered also by a halted engine, and while a sync is under way. Of a handle that is open
// for reading, they are the writer's.
// Errors: [ErrClosed], [ErrForked], [ErrPanic], or ctx's own.
func (db *DB) Health(ctx context.Context) (Health, error) {
	const op = "health"
	if err := db.ready(ctx, op); err != nil {
		return Health{}, err
	}
	x := takeExchange()
	defer x.give()
	x.request = appendHealth(x.request, 0, db.slot)
	r, err := db.ask(op, x, kindHealth, healthBytes)
	if err != nil {
		return Health{}, err
	}
	return r.health(), nil
}

// Configuration shows what the database was made with, defaults filled in, and the bounds of this
// opening. Errors: as [DB.Health].
func (db *DB) Configuration(ctx context.Context) (Configuration, error) {
	const op = "configuration"
	if err := db.ready(ctx, op); err != nil {
		return Configuration{}, err
	}
	c, err := db.configuration(op)
	if err != nil {
		return Configuration{}, err
	}
	return c, nil
}

func (db *DB) configuration(op string) (Configuration, *Error) {
	x := takeExchange()
	defer x.give()
	x.request = appendBare(x.request, kindConfiguration, 0)
	r, err := db.ask(op, x, kindConfiguration, configurationBytes)
	if err != nil {
		return Configuration{}, err
	}
	return r.configuration(), nil
}

// RecoveryReport shows what recovery found and did when this handle was opened.
// Errors: as [DB.Health].
func (db *DB) RecoveryReport(ctx context.Context) (RecoveryReport, error) {
	const op = "recovery report"
	if err := db.ready(ctx, op); err != nil {
		return RecoveryReport{}, err
	}
	x := takeExchange()
	defer x.give()
	x.request = appendBare(x.request, kindRecoveryReport, 0)
	r, err := db.ask(op, x, kindRecoveryReport, recoveryBytes)
	if err != nil {
		return RecoveryReport{}, err
	}
	return r.recoveryReport(), nil
}

// Checkpoint writes a snapshot and drops the part of the log that it makes superfluous. Made by
// itself after every Options.CheckpointWALBytes; by hand before a planned stop, so that the next
// opening is quick. It is written in slices of some milliseconds, between which others' commits go
// on; reads never wait. If nothing has changed since the last one, nothing is written.
//
// Errors: [ErrOverloaded]; [ErrStorageFull] or [ErrIO] (given up, the database goes on as if it had
// not been tried); [ErrReadOnly]; [ErrStorageFailure] (the engine has halted); [ErrHalted],
// [ErrPanic]; [ErrClosed], [ErrForked].
func (db *DB) Checkpoint(ctx context.Context) (CheckpointReport, error) {
	const op = "checkpoint"
	if err := db.ready(ctx, op); err != nil {
		return CheckpointReport{}, err
	}
	x := takeExchange()
	defer x.give()
	x.request = appendBare(x.request, kindCheckpoint, 0)
	r, err := db.ask(op, x, kindCheckpoint, checkpointBytes)
	if err != nil {
		return CheckpointReport{}, err
	}
	return r.checkpoint(), nil
}

// Refresh moves a handle that is open for reading ([Options].OpenReadOnly) forward to what its
// writer has made durable by now, and gives the LSN reached (R99). Between two refreshes its state
// stands still. On a handle that writes it gives the last applied LSN and does nothing. Where it
// fails, the state stays where it was.
// Errors: [ErrIO], [ErrCorrupt], [ErrClosed], [ErrForked], [ErrHalted], [ErrPanic], or ctx's own.
func (db *DB) Refresh(ctx context.Context) (lsn uint64, err error) {
	if err := db.ready(ctx, "refresh"); err != nil {
		return 0, err
	}
	lsn, failed := db.lib.refresh()
	if failed != nil {
		return 0, failed
	}
	return lsn, nil
}

// Backup copies the database, as it is between two commits, into directory dir, which must be
// empty, or not exist: then its last component is created (R100). The copy opens like any database;
// it has a database id of its own, and its LSN is raised by 2^40, so that a database restored from
// it never repeats a fencing token of this one (R101). Works on a handle that is open for reading
// too, and then stops no writer; otherwise commits wait for as long as it takes, reads do not.
//
// Errors: [ErrExists] (dir is not empty), [ErrDirectoryNotFound], [ErrUnsupportedFS],
// [ErrOverloaded], [ErrLSNExhausted], [ErrNoMemory]; [ErrStorageFull] or [ErrIO] (given up: what
// was copied does not open, R102, and this database goes on); [ErrHalted], [ErrPanic];
// [ErrClosed], [ErrForked], [ErrInvalid].
func (db *DB) Backup(ctx context.Context, dir string) error {
	if err := db.ready(ctx, "backup"); err != nil {
		return err
	}
	if err := db.lib.backup(dir); err != nil {
		return err
	}
	return nil
}

// MetricsText appends the figures of [DB.Health] to dst as text, in the exposition format of
// Prometheus (version 0.0.4). The metrics' names begin with allocdb_ and do not change.
// Errors: as [DB.Health].
func (db *DB) MetricsText(ctx context.Context, dst []byte) ([]byte, error) {
	if err := db.ready(ctx, "metrics text"); err != nil {
		return dst, err
	}
	dst, err := db.lib.metricsText(dst, db.slot)
	if err != nil {
		return dst, err
	}
	return dst, nil
}
