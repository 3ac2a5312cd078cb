// What the tests share: databases, ids, and the looking at errors.

package allocdb

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

var (
	background = context.Background()
	seat       = MustNameID("seat_21A")
	alice      = MustNameID("alice")
	bob        = MustNameID("bob")
)

// openTest opens a database that is closed at the end of the test. It does not wait for the disk
// unless the options say so.
func openTest(t testing.TB, options Options) *DB {
	t.Helper()
	if options.Sync == SyncFull {
		options.Sync = SyncOS
	}
	return openAt(t, filepath.Join(t.TempDir(), "db"), options)
}

func openAt(t testing.TB, dir string, options Options) *DB {
	t.Helper()
	db, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// must gives the outcome of a command that has to be committed, however it was decided.
func must(t testing.TB) func(Outcome, error) Outcome {
	return func(o Outcome, err error) Outcome {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
}

// done gives the outcome of a command that has to take effect.
func done(t testing.TB) func(Outcome, error) Outcome {
	return func(o Outcome, err error) Outcome {
		t.Helper()
		if err == nil {
			err = o.Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
}

// wantError checks an error's status, category and words.
func wantError(t testing.TB, err error, status Status, words string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("the error is %v, must be %s", err, status)
	}
	if e.Status != status || !errors.Is(err, status) || !errors.Is(err, status.Category()) {
		t.Errorf("the error is %s (%v), must be %s", e.Status, err, status)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("the error says %q, must say %q", err, words)
	}
	return e
}
