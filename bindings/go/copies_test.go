// Copies of a database: backups.

package allocdb

import (
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
