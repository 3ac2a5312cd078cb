// A lease: a reservation that is kept alive for as long as its holder works, and told about when it
// is lost.
//
// A goroutine extends the reservation at a third of its TTL: two extensions may fail or be late
// before the deadline. Whether the lease is held is the database's to say, not a clock's: an extend
// that comes late and is still done found the reservation there, so nobody had it in between (R56).
// Told as lost is what the database says is over, what cannot be known any more (an indefinite
// failure, a closed database), and what could not be extended until its deadline.
//
// The holder's work must not rely on being told in time: a process may sleep between the check and
// the act. What protects an outside system is the token, which grows with every reservation: it
// refuses a token that is less than one it has seen (R2).
//
// Waiting for a resource polls by reading, and tries to reserve only where that may succeed: every
// reserve is a commit, and is remembered for the dedupe window, and a read is neither. Rejected: a
// queue of waiters inside the process, which other writers of the same database would not know.

//go:build cgo

package allocdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrLeaseLost: the lease ended otherwise than by its Release.
const ErrLeaseLost leaseError = "allocdb: the lease was lost"

type leaseError string

// Error gives the sentence.
func (e leaseError) Error() string { return string(e) }

// Lease is a resource held for as long as the program works with it: made by [DB.Hold] and ended by
// [Lease.Release]. All its methods may be called by any number of goroutines at once.
type Lease struct {
	db          *DB
	resource    ID
	reservation ID
	holder      ID
	ttl         time.Duration
	ttlSlots    uint64
	ctx         context.Context
	cancel      context.CancelCauseFunc
	lost        chan struct{}
	stop        chan struct{}
	stopped     chan struct{}
	stopOnce    sync.Once
	// releasing makes one Release at a time.
	releasing sync.Mutex
	released  bool
	// mutex guards what the renewal changes.
	mutex        sync.Mutex
	deadlineSlot uint64
	err          error
}

// Hold reserves a resource for a holder, and keeps it until [Lease.Release]: a goroutine extends
// the reservation at a third of ttl. If the program ends or stalls, the resource is free again
// after ttl. Where the resource is busy, Hold waits until it has it, or until ctx is done: the
// error is then ctx's and [ResourceBusy]. ctx bounds the waiting alone; the lease outlives it.
//
// ttl is as in [DB.Reserve], at least 1 ms. With [ClockHost] the renewal counts wall time and
// extends at the last applied slot.
//
// Errors: those of [DB.Reserve], but [ErrOverloaded], for which it waits too; a [*ResultError],
// such as [ResourceNotFound].
func (db *DB) Hold(
	ctx context.Context, resource, holder ID, ttl time.Duration,
) (*Lease, error) {
	for {
		lease, err := db.TryHold(ctx, resource, holder, ttl)
		if err == nil {
			return lease, nil
		}
		if !errors.Is(err, ResourceBusy) && !errors.Is(err, ErrOverloaded) {
			return nil, err
		}
		if err := db.awaitFree(ctx, resource); err != nil {
			return nil, err
		}
	}
}

// TryHold is [DB.Hold] without the waiting: a busy resource is a [*ResultError] with
// [ResourceBusy].
func (db *DB) TryHold(
	ctx context.Context, resource, holder ID, ttl time.Duration,
) (*Lease, error) {
	if err := db.ready(ctx, "hold"); err != nil {
		return nil, err
	}
	if ttl < time.Millisecond {
		return nil, refused(ErrTTLOutOfRange, "hold", "ttl is %s, must be at least 1ms", ttl)
	}
	outcome, err := db.Reserve(ctx, Operation{}, resource, holder, ttl)
	if err == nil {
		err = outcome.Err()
	}
	if err != nil {
		return nil, err
	}
	l := &Lease{
		db: db.At(0), resource: resource, reservation: outcome.Reservation, holder: holder,
		ttl: ttl, ttlSlots: db.Slots(ttl), deadlineSlot: outcome.DeadlineSlot,
		lost: make(chan struct{}), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	go l.renew()
	return l, nil
}

// Token is the fencing token: the reservation's id, greater than that of every earlier holder (R2).
// Hand it to every outside system that the work touches; one that refuses tokens less than the
// greatest it has seen is safe from a holder that lost its lease and does not know yet.
func (l *Lease) Token() ID { return l.reservation }

// Resource is what is held.
func (l *Lease) Resource() ID { return l.resource }

// DeadlineSlot is until when the reservation was last extended; see [DB.SlotTime].
func (l *Lease) DeadlineSlot() uint64 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.deadlineSlot
}

// Lost is closed when the lease is lost; never by Release.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Context is done when the lease is lost or released, with the reason as its cause. It has the
// values of the ctx given to Hold. For the work that the lease is for:
//
//	err := render(lease.Context(), frame)
func (l *Lease) Context() context.Context { return l.ctx }

// Err is nil while the lease is held and after it was released, and says why it was lost, as an
// error that is [ErrLeaseLost] and the reason.
func (l *Lease) Err() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.err
}

// Release ends the lease: the resource is free for others at once. On a lease that was lost it
// answers why ([ErrLeaseLost]). Released is released: again, it answers nil. No renewal follows in
// any case: where Release fails otherwise, the resource becomes free when its TTL has passed, and
// Release may be tried again. It takes no context, so that a deferred one works also where the work
// was cancelled.
func (l *Lease) Release() error {
	l.releasing.Lock()
	defer l.releasing.Unlock()
	if l.released {
		return nil
	}
	// No renewal may follow the release, or be under way beside it.
	l.stopOnce.Do(func() { close(l.stop) })
	<-l.stopped
	if err := l.Err(); err != nil {
		return err
	}
	outcome, err := l.db.Release(context.Background(), Operation{}, l.reservation, l.holder)
	if err != nil {
		return err
	}
	if !outcome.OK() {
		return l.lose(outcome.Err())
	}
	l.released = true
	l.cancel(context.Canceled)
	return nil
}

// renew extends the reservation until it is told to stop, or the lease is lost.
func (l *Lease) renew() {
	defer close(l.stopped)
	wait := l.ttl / 3
	for {
		elapsed, stopTimer := l.db.timer(wait)
		select {
		case <-l.stop:
			stopTimer()
			return
		case <-elapsed:
		}
		extended, err := l.extend()
		if err != nil {
			// Whoever waits for the loss learns the reason with it.
			_ = l.lose(err)
			return
		}
		wait = l.ttl / 3
		if !extended {
			wait = max(l.ttl/12, time.Millisecond)
		}
	}
}

// extend tries once. false: not now, but the lease may still be held; an error: it is lost.
func (l *Lease) extend() (bool, error) {
	outcome, err := l.db.Submit(context.Background(), &Command{Kind: KindExtend,
		Reservation: l.reservation, Holder: l.holder, TTLSlots: l.ttlSlots})
	if err == nil {
		if !outcome.OK() {
			return false, outcome.Err()
		}
		l.mutex.Lock()
		defer l.mutex.Unlock()
		l.deadlineSlot = outcome.DeadlineSlot
		return true, nil
	}
	if !errors.Is(err, ErrDefinite) {
		return false, err
	}
	// With a host's clock only the database knows the slot, and the next extend asks it.
	if !l.db.hostClock && l.db.SlotNow() >= l.DeadlineSlot() {
		return false, err
	}
	return false, nil
}

// lose tells everybody that the lease is lost, and why.
func (l *Lease) lose(cause error) error {
	err := fmt.Errorf("%w: %w", ErrLeaseLost, cause)
	l.mutex.Lock()
	l.err = err
	l.mutex.Unlock()
	l.cancel(err)
	close(l.lost)
	return err
}

// awaitFree waits until a reserve of the resource may succeed.
func (db *DB) awaitFree(ctx context.Context, resource ID) error {
	poll := time.Millisecond
	pollMax := min(max(db.SlotDuration()/2, time.Millisecond), 50*time.Millisecond)
	for {
		elapsed, stopTimer := db.timer(poll)
		select {
		case <-ctx.Done():
			stopTimer()
			return fmt.Errorf("allocdb: hold: %w: %w", ResourceBusy, ctx.Err())
		case <-elapsed:
		}
		free, err := db.mayReserve(ctx, resource)
		if free || err != nil {
			return err
		}
		poll = min(2*poll, pollMax)
	}
}

// mayReserve says whether the resource is free, or is freed by the next commit (R59).
func (db *DB) mayReserve(ctx context.Context, resource ID) (bool, error) {
	r, err := db.GetResource(ctx, resource, 0)
	if err != nil || r.State == ResourceAvailable {
		// What is not there any more is for the reserve to say.
		return true, ignore(err, ErrNotFound)
	}
	if r.State != ResourceReserved || db.autoExpireOff {
		return false, nil
	}
	held, err := db.GetReservation(ctx, r.Reservation, 0)
	if err != nil {
		// It ended between the two reads.
		return true, ignore(err, ErrRetired)
	}
	// With a host's clock only the view's own slot is known here.
	if db.hostClock && db.slot == 0 {
		return false, nil
	}
	return !held.Live() || db.SlotNow() >= held.DeadlineSlot && held.DeadlineSlot != 0, nil
}

func ignore(err error, status Status) error {
	if errors.Is(err, status) {
		return nil
	}
	return err
}

// realTimer is the clock that leases wait by; tests put another one in its place.
func realTimer(d time.Duration) (elapsed <-chan time.Time, stop func()) {
	timer := time.NewTimer(d)
	return timer.C, func() { timer.Stop() }
}
