// Leases: held over a hundred times their TTL, lost and told, waited for.
//
// Time is the test's: the host counts slots, and a fake timer fires when the test says so. So the
// laws are proven whatever the machine is busy with. One test runs in real time, and asserts only
// what holds at any speed.

package allocdb

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// handTimer is a timer that the test moves: each wait is told, and ends when the test fires it.
type handTimer struct {
	waits chan handWait
}

type handWait struct {
	duration time.Duration
	fire     chan time.Time
	stopped  chan struct{}
}

func (h *handTimer) wait(d time.Duration) (<-chan time.Time, func()) {
	w := handWait{duration: d, fire: make(chan time.Time, 1), stopped: make(chan struct{})}
	h.waits <- w
	return w.fire, func() { close(w.stopped) }
}

// openWithTimer opens a database whose slots and timers are the test's.
func openWithTimer(t *testing.T, options Options) (*DB, *handTimer) {
	t.Helper()
	db := openTest(t, options)
	timer := &handTimer{waits: make(chan handWait)}
	db.timer = timer.wait
	return db, timer
}

func TestLeaseIsHeldOverAHundredTimesItsTTLUnderLoad(t *testing.T) {
	options := hostOptions()
	options.SlotDuration, options.MaxOperations = time.Millisecond, 1<<16
	db, timer := openWithTimer(t, options)
	for _, id := range []ID{seat, alice} {
		done(t)(db.At(1000).Create(background, none, id))
	}
	const ttl = 30 * time.Millisecond
	lease, err := db.At(1000).Hold(background, seat, alice, ttl)
	if err != nil {
		t.Fatal(err)
	}
	// The slot moves by a third of the TTL with each renewal; beside it goroutines load the
	// database at that slot, so that everything that is due is expired at once.
	var slot atomic.Uint64
	slot.Store(1000)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for worker := range uint64(3) {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				o, err := db.At(slot.Load()).Reserve(background, none, seat, NewID(3, worker+1), ttl)
				if err != nil && !errors.Is(err, ErrOperationTableFull) &&
					!errors.Is(err, ErrOperationExpired) {
					t.Error(err)
					return
				}
				if err == nil && o.Code != ResourceBusy {
					t.Errorf("a held resource was given away at slot %d: %s", slot.Load(), o.Code)
					return
				}
			}
		}()
	}
	wait := <-timer.waits
	for range 300 {
		if wait.duration != ttl/3 {
			t.Fatalf("the next renewal is in %s, must be in %s", wait.duration, ttl/3)
		}
		slot.Add(uint64(ttl/time.Millisecond) / 3)
		// A commit moves the database to that slot; a tick with nothing due would not (R59).
		must(t)(db.At(slot.Load()).Delete(background, none, bob))
		wait.fire <- time.Time{}
		select {
		case wait = <-timer.waits:
		case <-lease.Lost():
			t.Fatal(lease.Err())
		}
	}
	close(stop)
	group.Wait()
	if deadline := lease.DeadlineSlot(); deadline < 1000+100*30 {
		t.Errorf("the deadline is %d after 100 TTLs from slot 1000", deadline)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	if <-wait.stopped; lease.Err() != nil || lease.Context().Err() == nil {
		t.Errorf("after the release: %v, %v", lease.Err(), lease.Context().Err())
	}
	if r, err := db.GetResource(background, seat, 0); err != nil || r.State != ResourceAvailable {
		t.Errorf("the seat is %s (%v)", r.State, err)
	}
	if err := lease.Release(); err != nil {
		t.Errorf("the second release: %v", err)
	}
}

func TestLostLeaseIsTold(t *testing.T) {
	db, timer := openWithTimer(t, hostOptions())
	done(t)(db.At(100).Create(background, none, seat))
	lease, err := db.At(100).TryHold(background, seat, alice, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	wait := <-timer.waits
	if err := lease.Err(); err != nil || lease.Context().Err() != nil || lease.Resource() != seat {
		t.Fatalf("the lease is lost at once: %v", err)
	}
	// The holder sleeps past its deadline, and another one gets the seat.
	bobs := done(t)(db.At(200).Reserve(background, none, seat, bob, time.Second))
	if bobs.Reservation.Compare(lease.Token()) <= 0 {
		t.Error("R2: the new holder's token is not greater")
	}
	wait.fire <- time.Time{}
	<-lease.Lost()
	<-lease.Context().Done()
	for _, err := range []error{lease.Err(), context.Cause(lease.Context()), lease.Release(),
		lease.Release()} {
		if !errors.Is(err, ErrLeaseLost) || !errors.Is(err, InvalidState) {
			t.Errorf("the loss is told as %v", err)
		}
	}
	if r, err := db.GetResource(background, seat, 0); err != nil || r.Holder != bob {
		t.Errorf("the seat is %+v (%v)", r, err)
	}
}

func TestLossThatNoRenewalSawIsToldByRelease(t *testing.T) {
	db, timer := openWithTimer(t, hostOptions())
	done(t)(db.At(100).Create(background, none, seat))
	lease, err := db.At(100).TryHold(background, seat, alice, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	<-timer.waits
	done(t)(db.At(200).Reserve(background, none, seat, bob, time.Second))
	if err := lease.Release(); !errors.Is(err, ErrLeaseLost) || !errors.Is(err, InvalidState) {
		t.Errorf("the release answers %v", err)
	}
	<-lease.Lost()
}

func TestClosingTheDatabaseEndsItsLeases(t *testing.T) {
	db, timer := openWithTimer(t, hostOptions())
	done(t)(db.At(100).Create(background, none, seat))
	lease, err := db.At(100).TryHold(background, seat, alice, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	wait := <-timer.waits
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wait.fire <- time.Time{}
	<-lease.Lost()
	if err := lease.Err(); !errors.Is(err, ErrLeaseLost) || !errors.Is(err, ErrClosed) {
		t.Errorf("the loss is told as %v", err)
	}
}

func TestRenewalThatIsRejectedIsTriedAgainAtOnce(t *testing.T) {
	options := hostOptions()
	options.MaxOperations = 4
	db, timer := openWithTimer(t, options)
	done(t)(db.At(100).Create(background, none, seat))
	lease, err := db.At(100).TryHold(background, seat, alice, 12*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	wait := <-timer.waits
	for range 2 {
		must(t)(db.At(100).Delete(background, none, bob))
	}
	// The operation table is full: nothing happened, so the lease may still be held.
	wait.fire <- time.Time{}
	if wait = <-timer.waits; wait.duration != time.Second {
		t.Errorf("the next try is in %s, must be in a twelfth of the TTL", wait.duration)
	}
	// One slot past the operation window there is room again, but the lease's time is over.
	if _, err := db.At(160).Tick(background, 0); err != nil {
		t.Fatal(err)
	}
	wait.fire <- time.Time{}
	<-lease.Lost()
	if err := lease.Err(); !errors.Is(err, InvalidState) {
		t.Errorf("the loss is told as %v", err)
	}
}

func TestLeaseThatCannotBeExtendedUntilItsDeadlineIsLost(t *testing.T) {
	// The system's clock, and a deadline that passed before the renewal comes.
	db, timer := openWithTimer(t, Options{SlotDuration: time.Millisecond, MaxOperations: 2,
		OperationWindowSlots: 1 << 40})
	done(t)(db.Create(background, none, seat))
	lease, err := db.TryHold(background, seat, alice, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	wait := <-timer.waits
	for db.SlotNow() < lease.DeadlineSlot() {
		time.Sleep(time.Millisecond)
	}
	wait.fire <- time.Time{}
	<-lease.Lost()
	if err := lease.Err(); !errors.Is(err, ErrLeaseLost) || !errors.Is(err, ErrOperationTableFull) {
		t.Errorf("the loss is told as %v", err)
	}
}

func TestHoldWaitsForTheResource(t *testing.T) {
	db, timer := openWithTimer(t, hostOptions())
	done(t)(db.At(100).Create(background, none, seat))
	bobs := done(t)(db.At(100).Reserve(background, none, seat, bob, time.Minute))
	if _, err := db.At(100).TryHold(background, seat, alice, time.Second); !errors.Is(err,
		ResourceBusy) {
		t.Errorf("a busy resource is told as %v", err)
	}
	held := make(chan *Lease)
	go func() {
		lease, err := db.At(100).Hold(background, seat, alice, time.Second)
		if err != nil {
			t.Error(err)
		}
		held <- lease
	}()
	before, err := db.Health(background)
	if err != nil {
		t.Fatal(err)
	}
	wait := <-timer.waits
	for range 5 {
		wait.fire <- time.Time{}
		wait = <-timer.waits
	}
	// Waiting reads; it commits nothing but the first reserve.
	after, err := db.Health(background)
	if err != nil || after.Records > before.Records+1 {
		t.Errorf("%d records became %d by waiting (%v)", before.Records, after.Records, err)
	}
	done(t)(db.At(100).Release(background, none, bobs.Reservation, bob))
	wait.fire <- time.Time{}
	<-timer.waits // The renewal's: the lease is held.
	lease := <-held
	if lease == nil || lease.Token().Compare(bobs.Reservation) <= 0 {
		t.Fatalf("the lease is %+v", lease)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestHoldTakesWhatIsDue(t *testing.T) { // R59
	db, timer := openWithTimer(t, hostOptions())
	done(t)(db.At(100).Create(background, none, seat))
	o := done(t)(db.At(100).Reserve(background, none, seat, bob, time.Second))
	for slot, want := range map[uint64]bool{o.DeadlineSlot - 1: false, o.DeadlineSlot: true} {
		if free, err := db.At(slot).mayReserve(background, seat); err != nil || free != want {
			t.Errorf("at slot %d the seat may be had: %v (%v), must be %v", slot, free, err, want)
		}
	}
	// Nobody ticks: the reserve itself ends what is due.
	lease, err := db.At(o.DeadlineSlot).Hold(background, seat, alice, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	<-timer.waits
	if err := lease.Release(); err != nil {
		t.Error(err)
	}
}

func TestHoldThatIsCancelledSaysBoth(t *testing.T) {
	db, timer := openWithTimer(t, hostOptions())
	done(t)(db.At(100).Create(background, none, seat))
	done(t)(db.At(100).Reserve(background, none, seat, bob, time.Minute))
	ctx, cancel := context.WithCancel(background)
	result := make(chan error)
	go func() {
		_, err := db.At(100).Hold(ctx, seat, alice, time.Second)
		result <- err
	}()
	<-timer.waits
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || !errors.Is(err, ResourceBusy) {
		t.Errorf("the error is %v", err)
	}
	_, err := db.Hold(background, bob, alice, time.Second)
	if !errors.Is(err, ResourceNotFound) {
		t.Errorf("a resource that is not there is told as %v", err)
	}
	_, err = db.Hold(background, seat, alice, time.Microsecond)
	wantError(t, err, ErrTTLOutOfRange, "ttl is 1µs, must be at least 1ms")
}

func TestLeaseAndContenderNeverBothHaveIt(t *testing.T) {
	if testing.Short() {
		t.Skip("runs in real time")
	}
	// Real time, small slots, and load: the machine may stall for longer than the TTL, so what is
	// asserted is what holds then too: nobody else got the seat, or the loss was told.
	db := openTest(t, Options{SlotDuration: time.Millisecond, MaxOperations: 1 << 22,
		OperationWindowSlots: 1000})
	done(t)(db.Create(background, none, seat))
	const ttl = 50 * time.Millisecond
	lease, err := db.Hold(background, seat, alice, ttl)
	if err != nil {
		t.Fatal(err)
	}
	var stolen ID
	for begin := time.Now(); time.Since(begin) < 100*ttl && stolen.IsZero(); {
		o := must(t)(db.Reserve(background, none, seat, bob, ttl))
		stolen = o.Reservation
		time.Sleep(100 * time.Microsecond)
	}
	if stolen.IsZero() {
		if err := lease.Release(); err != nil && !errors.Is(err, ErrLeaseLost) {
			t.Error(err)
		}
		return
	}
	t.Logf("the machine stalled: the seat went to %s", stolen)
	<-lease.Lost()
	if err := lease.Err(); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the loss is told as %v", err)
	}
}
