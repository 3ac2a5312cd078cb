// Each error class with its message: provoked where a test can, else decoded from the response that
// the library would give.

package allocdb

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOpenSaysWhichFileOrOptionIsWrong(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := openAt(t, there, Options{MaxResources: 10}).Close(); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "file")
	if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, dir string
		options   Options
		status    Status
		words     string
	}{
		{"an option out of its bounds", "new", Options{MaxBundleLen: 1025}, ErrInvalid,
			"max_bundle_len is 1025, must be 1 to 1024"},
		{"a slot of half a millisecond", "new", Options{SlotDuration: 500 * time.Microsecond},
			ErrInvalid, "SlotDuration is 500µs, must be whole milliseconds, 1ms to 24h"},
		{"a negative slot", "new", Options{SlotDuration: -time.Second}, ErrInvalid, "-1s"},
		{"an unknown sync", "new", Options{Sync: 9}, ErrInvalid, "sync is 9"},
		{"a path with a NUL", "a\x00b", Options{}, ErrInvalid, "dir has a NUL at byte"},
		{"a path that is too long", strings.Repeat("x", 5000), Options{}, ErrInvalid, "4000"},
		{"no parent", "no/such/parent", Options{}, ErrDirectoryNotFound, "errno 2"},
		{"nothing there", "absent", Options{OpenExisting: true}, ErrDirectoryNotFound, ""},
		{"a database there", "there", Options{OpenNew: true}, ErrExists, "is there already"},
		{"another option", "there", Options{ShardID: 8}, ErrConfigMismatch, "shard_id"},
		{"a file in its place", "file", Options{}, ErrNotADatabase, ""},
		{"another capacity, smaller", "there", Options{MaxResources: 9}, ErrConfigMismatch,
			"max_resources"},
	}
	for _, c := range cases {
		path := filepath.Join(dir, c.dir)
		if strings.ContainsRune(c.dir, 0) {
			path = dir + "/" + c.dir
		}
		db, err := Open(path, c.options)
		if err == nil {
			db.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		t.Logf("%s: %v", c.name, err)
		var e *Error
		if !errors.As(err, &e) || e.Op != "open" || e.Index != -1 {
			t.Errorf("%s: the error is %#v", c.name, err)
			continue
		}
		if e.Status != c.status || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %s, %v; must be %s, %q", c.name, e.Status, err, c.status, c.words)
		}
	}
}

func TestEveryOptionReachesTheLibrary(t *testing.T) {
	// Each option with a value that is refused: the message names it, so it went where it belongs.
	const far = ^uint32(0)
	for name, options := range map[string]Options{
		"slot_duration_ms":          {SlotDuration: 25 * time.Hour},
		"max_ttl_slots":             {MaxTTLSlots: 1 << 28},
		"operation_window_slots":    {OperationWindowSlots: 1<<40 + 1},
		"history_window_slots":      {HistoryWindowSlots: 1<<40 + 1},
		"max_resources":             {MaxResources: far},
		"max_reservations":          {MaxReservations: far},
		"max_operations":            {MaxOperations: far},
		"max_bundle_len":            {MaxBundleLen: far},
		"max_expiration_bucket_len": {MaxExpirationBucketLen: far},
		"max_expirations_per_tick":  {MaxExpirationsPerTick: far},
		"sync":                      {Sync: 2},
		"clock":                     {Clock: 2},
		"max_queue":                 {MaxQueue: far},
		"max_batch_commands":        {MaxBatchCommands: far},
		"max_batch_bytes":           {MaxBatchBytes: 1 << 40},
		"wal_prealloc_bytes":        {WALPreallocBytes: 1 << 50},
		"checkpoint_wal_bytes":      {CheckpointWALBytes: 1 << 50},
		"log_level":                 {LogLevel: 9},
		"log_ring_bytes":            {LogRingBytes: 1 << 50},
	} {
		_, err := Open(filepath.Join(t.TempDir(), "db"), options)
		wantError(t, err, ErrInvalid, name+" is ")
	}
	dir := filepath.Join(t.TempDir(), "db")
	made := Options{DatabaseID: NewID(1, 2), HashSeed: 3, ShardID: 4}
	if err := openAt(t, dir, made).Close(); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]Options{
		"database_id": {DatabaseID: NewID(2, 1)}, "hash_seed": {HashSeed: 9}, "shard_id": {ShardID: 9},
	} {
		_, err := Open(dir, options)
		wantError(t, err, ErrConfigMismatch, name)
	}
	// With the flag, any file system will do; this one would do without.
	made.AllowNetworkFS, made.OpenExisting = true, true
	openAt(t, dir, made)
}

func TestErrnoOfAFailureIsReachable(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "no/such"), Options{})
	if !errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.EIO) || !errors.Is(err, ErrOpen) {
		t.Errorf("the error is %v", err)
	}
}

func TestDamagedFileIsToldAndLeftAsItIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db := openAt(t, dir, Options{SlotDuration: time.Second})
	for i := range uint64(40) {
		done(t)(db.Create(background, none, NewID(0, i+1)))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wal := filepath.Join(dir, "wal.adb")
	content, err := os.ReadFile(wal)
	if err != nil {
		t.Fatal(err)
	}
	// A byte in the middle of what was written: not the torn end of a crash.
	end := len(strings.TrimRight(string(content), "\x00"))
	content[end/2] ^= 0xff
	if err := os.WriteFile(wal, content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	wantError(t, err, ErrCorrupt, "wal.adb is damaged")
	after, err := os.ReadFile(wal)
	if err != nil || string(after) != string(content) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestSecondOpeningIsToldTheOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	openAt(t, dir, Options{})
	_, err := Open(dir, Options{})
	if e := wantError(t, err, ErrLocked, "open in process"); e.PID() != os.Getpid() {
		t.Errorf("the owner is %d, must be %d", e.PID(), os.Getpid())
	}
}

func TestCommandsAreRejectedInTheirWords(t *testing.T) {
	options := hostOptions()
	options.MaxSlotLeap, options.MaxOperations = 1000, 4
	whole := openTest(t, options)
	db := whole.At(100)
	done(t)(db.Create(background, none, seat))
	reserve := func(change func(*Command)) Command {
		c := Command{Kind: KindReserve, Resource: seat, Holder: alice, TTLSlots: 1}
		change(&c)
		return c
	}
	cases := []struct {
		db      *DB
		command Command
		status  Status
		words   string
	}{
		{db, Command{}, ErrInvalid, "Kind is 0, must be 1 to 8"},
		{db, Command{Kind: 9}, ErrInvalid, "Kind is 9"},
		{db, Command{Kind: KindCreate}, ErrMalformed, "create: Resource is zero, which is never an id"},
		{db, reserve(func(c *Command) { c.Holder = ID{} }), ErrMalformed, "Holder is zero"},
		{db, reserve(func(c *Command) { c.Reservation = bob }), ErrInvalid, "Reservation is bob"},
		{db, reserve(func(c *Command) { c.TTLSlots = 0 }), ErrTTLOutOfRange, "TTL is 0s"},
		{db, reserve(func(c *Command) { c.TTL = -time.Second }), ErrInvalid, "TTL is -1s"},
		{db, reserve(func(c *Command) { c.TTL = time.Second }), ErrInvalid, "must be one of them"},
		{db, reserve(func(c *Command) { c.TTLSlots = 1001 }), ErrTTLOutOfRange,
			"ttl_slots is 1001, must be 1 to max_ttl_slots = 1000"},
		{db, reserve(func(c *Command) { c.Resources = []ID{bob} }), ErrInvalid, "both given"},
		{db, reserve(func(c *Command) { c.Resource, c.Resources = ID{}, []ID{seat, {}} }),
			ErrMalformed, "Resources[1] is zero"},
		{db, reserve(func(c *Command) { c.Resource, c.Resources = ID{}, []ID{seat, bob, seat} }),
			ErrDuplicateResource, "is named twice in one reserve"},
		{db, reserve(func(c *Command) { c.Resource, c.Resources = ID{}, countedIDs(5) }),
			ErrBundleTooLarge, "5 resources in one reserve, max_bundle_len is 4"},
		{db, reserve(func(c *Command) { c.Resource, c.Resources = ID{}, countedIDs(2000) }),
			ErrBundleTooLarge, "2000 resources in one reserve, must be at most 1024"},
		{db, Command{Kind: KindConfirm, Reservation: bob, Holder: bob, Resources: countedIDs(1)},
			ErrInvalid, "Resources has 1 ids"},
		{db, Command{Kind: KindRelease, Reservation: bob, Holder: bob, TTL: 1}, ErrInvalid, "TTL is 1ns"},
		{db, Command{Kind: KindRelease, Reservation: bob, Holder: bob, TTLSlots: 1}, ErrInvalid,
			"TTLSlots is 1"},
		{db, Command{Kind: KindRevoke, Reservation: bob, Holder: bob}, ErrInvalid, "Holder is bob"},
		{whole.At(^uint64(0)), reserve(func(*Command) {}), ErrSlotOverflow, "must be at most"},
		{whole.At(1 << 40), reserve(func(*Command) {}), ErrSlotLeap, "max_slot_leap allows at most"},
		{db, reserve(func(c *Command) { c.Operation = Operation{bob, 99} }), ErrOperationExpired,
			"valid_until_slot is 99, the commit's slot is 100"},
		{db, reserve(func(c *Command) { c.Operation = Operation{bob, 151} }),
			ErrValidUntilOutOfRange, "valid_until_slot is 151, must be at most 150"},
	}
	for _, c := range cases {
		o, err := c.db.Submit(background, &c.command)
		e := wantError(t, err, c.status, c.words)
		if o.OK() || o.Failure != e || o.Err() != error(e) {
			t.Errorf("the outcome of %q is %+v", c.words, o)
		}
	}
	// R31: one of four places is taken by the create.
	for range 3 {
		must(t)(db.Submit(background, &Command{Kind: KindDelete, Resource: bob}))
	}
	_, err := db.Create(background, none, alice)
	wantError(t, err, ErrOperationTableFull, "all 4 places for operations are remembered: "+
		"max_operations sustains 0 a slot over operation_window_slots = 50; raise max_operations")
}

func countedIDs(count int) []ID {
	ids := make([]ID, count)
	for i := range ids {
		ids[i] = NewID(1, uint64(i)+1)
	}
	return ids
}

func TestCommitAlwaysHasRoomForTheLargestCommand(t *testing.T) {
	options := hostOptions()
	options.MaxBundleLen, options.MaxBatchBytes = 1024, 4096
	options.MaxResources, options.MaxReservations = 2048, 2048
	_, err := Open(filepath.Join(t.TempDir(), "db"), options)
	wantError(t, err, ErrInvalid, "max_batch_bytes is 4096, must be 32768 to 16777216")
	options.MaxBatchBytes = 32768
	db := openTest(t, options).At(100)
	o := must(t)(db.ReserveBundle(background, none, countedIDs(1024), alice, time.Second))
	if o.Code != ResourceNotFound || o.FailedIndex != 0 {
		t.Errorf("the largest command is answered %+v", o)
	}
}

func TestMisuseIsAnsweredAndNeverPanics(t *testing.T) {
	db := openTest(t, hostOptions())
	//lint:ignore SA1012 a nil context is the mistake in question
	_, err := db.Create(nil, none, seat) //nolint:staticcheck
	wantError(t, err, ErrInvalid, "ctx is nil")
	var never *DB
	for _, never := range []*DB{never, {}} {
		_, err = never.Create(background, none, seat)
		wantError(t, err, ErrClosed, "never opened")
		_, err = never.Do(background, make([]Command, 1))
		wantError(t, err, ErrClosed, "never opened")
		_, err = never.Exec(nil, nil)
		wantError(t, err, ErrClosed, "never opened")
		_, _, err = never.ReadLog()
		wantError(t, err, ErrClosed, "never opened")
		if err := never.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err = db.GetResource(background, ID{}, 0)
	wantError(t, err, ErrMalformed, "resource is zero")
	_, err = db.GetReservation(background, ID{}, 0)
	wantError(t, err, ErrMalformed, "reservation is zero")
	_, err = db.GetOperation(background, ID{}, 0)
	wantError(t, err, ErrMalformed, "operation is zero")
	for _, err := range db.Resources(background, Filter{}, 77) {
		wantError(t, err, ErrMalformed, "state_mask")
	}
	if err := new(Outcome).Err(); err == nil || new(Outcome).OK() {
		t.Error("an empty outcome passes for a committed one")
	}
}

func TestFenceTellsBothPositions(t *testing.T) { // R73
	db := openTest(t, hostOptions()).At(100)
	o := done(t)(db.Create(background, none, seat))
	if r, err := db.GetResource(background, seat, o.LSN); err != nil || r.ID != seat {
		t.Errorf("the resource is %+v (%v)", r, err)
	}
	_, err := db.GetResource(background, seat, o.LSN+1)
	e := wantError(t, err, ErrFence, "the required LSN is 2, the last applied is 1")
	if e.Detail != [4]uint64{2, 1, 0, 0} {
		t.Errorf("the detail is %v", e.Detail)
	}
	for _, err := range db.Reservations(background, Filter{RequiredLSN: 9}) {
		wantError(t, err, ErrFence, "the required LSN is 9")
	}
}

func TestResponsesThatNoTestCanProvokeHaveTheirWords(t *testing.T) {
	cases := []struct {
		status Status
		errno  int32
		detail [4]uint64
		words  string
	}{
		{ErrOverloaded, 0, [4]uint64{8192}, "the queue is full: max_queue is 8192; retry later"},
		{ErrOverloaded, 0, [4]uint64{0, 3}, "placement bound of the operation table"},
		{ErrOverloaded, 0, [4]uint64{0, 99}, "retry later"},
		{ErrCommandTooLarge, 0, [4]uint64{9, 8}, "the submission has 9"},
		{ErrLSNExhausted, 0, [4]uint64{}, "the last log position has been given away"},
		{ErrStorageFull, 28, [4]uint64{}, "nothing was accepted: errno 28 (no space left"},
		{ErrIO, 24, [4]uint64{}, "given up, nothing changed: errno 24 (too many open files)"},
		{ErrReadOnly, 0, [4]uint64{}, "open for reading only"},
		{ErrStorageFailure, 5, [4]uint64{}, "errno 5 (input/output error); the engine has halted"},
		{ErrHalted, 5, [4]uint64{}, "the engine has halted: errno 5"},
		{ErrPanic, 0, [4]uint64{}, "retry with the same operation"},
		{ErrForked, 0, [4]uint64{}, "by a parent process"},
		{ErrOperationTableFull, 0, [4]uint64{10, ^uint64(0)}, "sustains 0 a slot"},
		{Status(399), -1, [4]uint64{}, "not a status of this version"},
	}
	for _, c := range cases {
		w := responseWriter{}
		w.u32(outcomeBytes)
		w.bytes(codecVersion, uint8(KindConfirm)|responseBit, 0, 0)
		w.u64(0)
		w.u32(uint32(c.status), uint32(c.errno))
		w.u64(c.detail[:]...)
		_, err := soleResponse("confirm", w.padded(outcomeBytes), uint8(KindConfirm))
		if err == nil {
			t.Fatalf("%s: no error", c.status)
		}
		wantError(t, err, c.status, "allocdb: confirm: ")
		wantError(t, err, c.status, c.words)
		if errors.Is(err, ErrIndefinite) != (c.status >= 300 && c.status < 400) {
			t.Errorf("%s: indefinite is %v", c.status, errors.Is(err, ErrIndefinite))
		}
	}
}

func TestCategoriesAreTheBandsOfTheStatuses(t *testing.T) {
	for status, want := range map[Status]Category{0: CategoryOK, 1: ErrMisuse, 99: ErrMisuse,
		100: ErrDefinite, 199: ErrDefinite, 200: ErrOpen, 299: ErrOpen, 300: ErrIndefinite,
		399: ErrIndefinite, 400: ErrRead, 499: ErrRead, 500: CategoryUnknown,
		-1: CategoryUnknown} {
		if got := status.Category(); got != want {
			t.Errorf("the category of %d is %v, must be %v", status, got, want)
		}
		if !errors.Is(status, want) || want.Error() == "" || status.Error() == "" {
			t.Errorf("status %d is not of its category, or has no words", status)
		}
	}
	if Status(12345).String() != "UNKNOWN" || Code(99).Error() != "result code 99" {
		t.Error("numbers of later versions have no names")
	}
}
