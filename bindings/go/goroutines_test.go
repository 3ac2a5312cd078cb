// Goroutines: races for one resource, closing beside running calls, memory over many calls.

package allocdb

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOneOfManyGoroutinesWinsEachSeat(t *testing.T) { // R79
	options := hostOptions()
	options.MaxResources, options.MaxReservations, options.MaxOperations = 64, 64, 65536
	db := openTest(t, options).At(100)
	seats := countedIDs(64)
	for _, id := range seats {
		done(t)(db.Create(background, none, id))
	}
	const racers = 16
	var group sync.WaitGroup
	var winners [64]atomic.Int32
	var failures atomic.Pointer[error]
	for racer := range racers {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range seats {
				seat := (i*7 + racer*5) % len(seats)
				o, err := db.Reserve(background, none, seats[seat], NewID(2, uint64(racer)+1),
					time.Minute)
				if err != nil {
					failures.Store(&err)
					return
				}
				if o.OK() {
					winners[seat].Add(1)
				} else if o.Code != ResourceBusy {
					err := o.Err()
					failures.Store(&err)
				}
			}
		}()
	}
	group.Wait()
	if err := failures.Load(); err != nil {
		t.Fatal(*err)
	}
	for seat := range winners {
		if n := winners[seat].Load(); n != 1 {
			t.Errorf("seat %d has %d winners", seat, n)
		}
	}
}

func TestFullQueueIsOverloadedAndNothingHappened(t *testing.T) { // R36
	options := hostOptions()
	options.MaxQueue, options.MaxOperations = 1, 1<<20
	db := openAt(t, t.TempDir()+"/db", options).At(100)
	var group sync.WaitGroup
	var overloads, results atomic.Int64
	// They go on until one of them has met a full queue.
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for overloads.Load() == 0 {
				_, err := db.Delete(background, none, seat)
				switch {
				case errors.Is(err, ErrOverloaded) && errors.Is(err, ErrDefinite):
					overloads.Add(1)
				case err != nil:
					t.Error(err)
					return
				default:
					results.Add(1)
				}
			}
		}()
	}
	group.Wait()
	h, err := db.Health(background)
	if err != nil || h.Records != uint64(results.Load()) || h.Overloads != uint64(overloads.Load()) {
		t.Errorf("%d records, %d overloads (%v); must be %d and %d", h.Records, h.Overloads, err,
			results.Load(), overloads.Load())
	}
}

func TestEveryFunctionAnswersAfterClose(t *testing.T) {
	db := openTest(t, Options{})
	op := db.NewOperation()
	view := db.At(7)
	for range 3 {
		if err := view.Close(); err != nil {
			t.Fatal(err)
		}
	}
	errs := map[string]error{}
	_, errs["create"] = db.Create(background, op, seat)
	_, errs["do"] = db.Do(background, []Command{{Kind: KindCreate, Resource: seat}})
	_, errs["exec"] = db.Exec(nil, appendBare(nil, kindConfiguration, 0))
	_, errs["tick"] = db.Tick(background, 0)
	_, errs["get resource"] = db.GetResource(background, seat, 0)
	_, errs["get reservation"] = db.GetReservation(background, seat, 0)
	_, errs["get operation"] = db.GetOperation(background, seat, 0)
	_, errs["health"] = db.Health(background)
	_, errs["configuration"] = db.Configuration(background)
	_, errs["recovery report"] = db.RecoveryReport(background)
	_, errs["checkpoint"] = db.Checkpoint(background)
	_, errs["refresh"] = db.Refresh(background)
	errs["backup"] = db.Backup(background, t.TempDir())
	_, errs["metrics text"] = db.MetricsText(background, nil)
	_, _, errs["read log"] = db.ReadLog()
	_, errs["hold"] = db.Hold(background, seat, alice, time.Second)
	for _, err := range db.Resources(background, Filter{}) {
		errs["resources"] = err
	}
	for _, err := range db.Reservations(background, Filter{}) {
		errs["reservations"] = err
	}
	if len(errs) != 18 {
		t.Fatalf("%d functions were tried", len(errs))
	}
	for name, err := range errs {
		t.Run(name, func(t *testing.T) { wantError(t, err, ErrClosed, "closed") })
	}
	if db.NewOperation().ID.IsZero() || db.SlotNow() == 0 {
		t.Error("what needs no library stopped working")
	}
}

func TestCloseWaitsForRunningCallsAndRefusesLaterOnes(t *testing.T) {
	for range 20 {
		dir := t.TempDir() + "/db"
		db, err := Open(dir, Options{Sync: SyncOS})
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var acknowledged atomic.Int64
		begun := make(chan struct{})
		var once sync.Once
		for worker := range uint64(8) {
			group.Add(1)
			go func() {
				defer group.Done()
				for n := uint64(1); ; n++ {
					o, err := db.Create(background, none, NewID(worker+1, n))
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil || !o.OK() {
						t.Error(err, o.Code)
						return
					}
					acknowledged.Add(1)
					once.Do(func() { close(begun) })
				}
			}()
		}
		<-begun
		for range 3 {
			group.Add(1)
			go func() {
				defer group.Done()
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}()
		}
		group.Wait()
		again, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := again.RecoveryReport(background); err != nil ||
			r.LastLSN != uint64(acknowledged.Load()) {
			t.Errorf("%d are there (%v), %d were acknowledged", r.LastLSN, err, acknowledged.Load())
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCallsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	db := openTest(t, Options{MaxOperations: 1 << 20})
	done(t)(db.Create(background, none, seat))
	commands := make([]Command, 100)
	for i := range commands {
		commands[i] = Command{Kind: KindReserve, Resource: seat, Holder: alice, TTL: time.Second}
	}
	outcomes := make([]Outcome, 0, len(commands))
	request := appendGet(nil, kindGetResource, 1, 0, seat)
	response := make([]byte, 0, 4096)
	for name, call := range map[string]func() error{
		"reserve": func() error {
			_, err := db.Reserve(background, none, seat, alice, time.Second)
			return err
		},
		"get resource": func() error {
			_, err := db.GetResource(background, seat, 0)
			return err
		},
		"do into": func() error {
			_, err := db.DoInto(background, outcomes, commands)
			return err
		},
		"exec": func() error {
			_, err := db.Exec(response, request)
			return err
		},
		"health": func() error {
			_, err := db.Health(background)
			return err
		},
	} {
		var failed error
		// A collection may empty the pool on the way: fewer than one a call is none.
		allocations := testing.AllocsPerRun(200, func() {
			if err := call(); err != nil {
				failed = err
			}
		})
		if failed != nil || allocations >= 1 {
			t.Errorf("%s: %v allocations a call (%v)", name, allocations, failed)
		}
	}
}

func TestMemoryStaysWithinABoundOverAMillionCalls(t *testing.T) {
	calls := 1_000_000
	if testing.Short() {
		calls = 100_000
	}
	options := hostOptions()
	options.MaxOperations, options.MaxReservations = 4096, 4096
	options.OperationWindowSlots, options.HistoryWindowSlots = 1, 1
	whole := openTest(t, options)
	done(t)(whole.At(1).Create(background, none, seat))
	run := func(from, to int) {
		for i := from; i < to; i++ {
			// A slot for each 500 calls: the tables are used, and never full.
			db := whole.At(uint64(i)/500 + 1)
			switch i % 4 {
			case 0:
				o := done(t)(db.Reserve(background, none, seat, alice, time.Second))
				done(t)(db.Release(background, none, o.Reservation, alice))
			case 1:
				if _, err := db.GetResource(background, seat, 0); err != nil {
					t.Fatal(err)
				}
			case 2:
				must(t)(db.Delete(background, none, bob))
			case 3:
				if _, err := db.GetResource(background, bob, 0); !errors.Is(err, ErrNotFound) {
					t.Fatal(err)
				}
			}
		}
	}
	run(0, calls/10)
	heapBefore, residentBefore := memory(t)
	run(calls/10, calls)
	heapAfter, residentAfter := memory(t)
	t.Logf("heap %d to %d bytes, resident %d to %d bytes", heapBefore, heapAfter, residentBefore,
		residentAfter)
	if heapAfter > heapBefore+1<<20 || residentAfter > residentBefore+32<<20 {
		t.Errorf("memory grew: heap %d to %d bytes, resident %d to %d bytes", heapBefore, heapAfter,
			residentBefore, residentAfter)
	}
}

// memory gives the live bytes of the Go heap, and the resident bytes of the process.
func memory(t *testing.T) (heap, resident uint64) {
	t.Helper()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return stats.HeapAlloc, pages * uint64(os.Getpagesize())
}
