// Copies of a database: backups, and readers beside a writer.

package allocdb

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestBackupIsADatabaseOfItsOwn(t *testing.T) { // R100, R101
	dir := t.TempDir()
	db := openTest(t, hostOptions()).At(100)
	done(t)(db.Create(background, none, seat))
	o := done(t)(db.Reserve(background, none, seat, alice, time.Minute))
	if err := db.Backup(background, filepath.Join(dir, "copy")); err != nil {
		t.Fatal(err)
	}
	wantError(t, db.Backup(background, filepath.Join(dir, "copy")), ErrExists, "")
	wantError(t, db.Backup(background, filepath.Join(dir, "no", "parent")), ErrDirectoryNotFound, "")
	wantError(t, db.Backup(background, "a\x00b"), ErrInvalid, "dir has a NUL")
	twin := openAt(t, filepath.Join(dir, "copy"), Options{Clock: ClockHost}).At(100)
	before, err := db.Configuration(background)
	if err != nil {
		t.Fatal(err)
	}
	after, err := twin.Configuration(background)
	if err != nil || after.DatabaseID == before.DatabaseID {
		t.Errorf("the copy is %s (%v)", after.DatabaseID, err)
	}
	if after.DatabaseID = before.DatabaseID; after != before {
		t.Errorf("the copy's configuration is %+v, must be %+v", after, before)
	}
	r, err := twin.GetResource(background, seat, 0)
	if err != nil || r.Reservation != o.Reservation || r.Holder != alice {
		t.Errorf("the seat is %+v in the copy (%v)", r, err)
	}
	done(t)(twin.Create(background, none, bob))
	token := done(t)(twin.Reserve(background, none, bob, bob, time.Minute)).Reservation
	if _, lsn := token.Halves(); lsn <= 1<<40 {
		t.Errorf("the copy's first token is %s, must lie 2^40 above the original's", token)
	}
}

func TestReaderFollowsItsWriterWhenItRefreshes(t *testing.T) { // R97, R98, R99
	dir := filepath.Join(t.TempDir(), "db")
	options := hostOptions()
	writer := openAt(t, dir, options).At(100)
	first := done(t)(writer.Create(background, none, seat))
	if lsn, err := writer.Refresh(background); err != nil || lsn != first.LSN {
		t.Errorf("the writer refreshes to %d (%v), must be %d", lsn, err, first.LSN)
	}
	reader := openAt(t, dir, Options{OpenReadOnly: true, Clock: ClockHost})
	if lsn, err := reader.Refresh(background); err != nil || lsn != first.LSN {
		t.Errorf("the reader refreshes to %d (%v), must be %d", lsn, err, first.LSN)
	}
	second := done(t)(writer.Reserve(background, none, seat, alice, time.Minute))
	_, err := reader.GetResource(background, seat, second.LSN)
	wantError(t, err, ErrFence, "the last applied is 1")
	if lsn, err := reader.Refresh(background); err != nil || lsn != second.LSN {
		t.Errorf("the reader refreshes to %d (%v), must be %d", lsn, err, second.LSN)
	}
	r, err := reader.GetResource(background, seat, second.LSN)
	if err != nil || r.Holder != alice {
		t.Errorf("the reader sees %+v (%v)", r, err)
	}
	_, err = reader.Create(background, none, bob)
	wantError(t, err, ErrReadOnly, "read")
	outcomes, err := reader.Do(background, []Command{{Kind: KindCreate, Resource: bob}})
	wantError(t, err, ErrReadOnly, "read")
	if len(outcomes) > 0 && outcomes[0].OK() {
		t.Error("a reader wrote")
	}
	_, err = reader.Tick(background, 0)
	wantError(t, err, ErrReadOnly, "read")
	_, err = reader.Checkpoint(background)
	wantError(t, err, ErrReadOnly, "read")
	_, err = reader.TryHold(background, seat, bob, time.Second)
	wantError(t, err, ErrReadOnly, "read")
	if !errors.Is(err, ErrDefinite) {
		t.Error("a reader's refusal is not definite")
	}
	if err := reader.Backup(background, filepath.Join(t.TempDir(), "copy")); err != nil {
		t.Errorf("a reader's backup: %v", err)
	}
	if h, err := reader.Health(background); err != nil || h.LastLSN != second.LSN {
		t.Errorf("the reader's health is at LSN %d (%v)", h.LastLSN, err)
	}
}
