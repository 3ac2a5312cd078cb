// Every command, every result code, retries, bundles, batches, slots.

package allocdb

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

var none = Operation{}

// hostOptions: the test counts slots, so nothing depends on the time it takes.
func hostOptions() Options {
	return Options{Clock: ClockHost, SlotDuration: time.Second, MaxTTLSlots: 1000,
		OperationWindowSlots: 50, HistoryWindowSlots: 50, MaxResources: 16, MaxReservations: 16,
		MaxOperations: 1024, MaxBundleLen: 4}
}

func TestReservationLivesThroughAllItsStates(t *testing.T) {
	db := openTest(t, hostOptions()).At(100)
	if o := done(t)(db.Create(background, none, seat)); o.LSN != 1 || o.Operation.IsZero() {
		t.Errorf("the first outcome is %+v", o)
	}
	got := done(t)(db.Reserve(background, none, seat, alice, 10*time.Second))
	if hi, lo := got.Reservation.Halves(); hi != 0 || lo != got.LSN {
		t.Errorf("R2: the reservation is %s at LSN %d", got.Reservation, got.LSN)
	}
	if got.DeadlineSlot != 111 || got.FailedIndex != -1 {
		t.Errorf("10 s of slots of 1 s from slot 100 on end at %d, must be 111", got.DeadlineSlot)
	}
	later := done(t)(db.Extend(background, none, got.Reservation, alice, 20*time.Second))
	if later.DeadlineSlot != 121 {
		t.Errorf("the extended deadline is %d, must be 121", later.DeadlineSlot)
	}
	done(t)(db.Confirm(background, none, got.Reservation, alice))
	wantStates(t, db, got.Reservation, ResourceConfirmed, ReservationConfirmed)
	done(t)(db.Revoke(background, none, got.Reservation))
	wantStates(t, db, got.Reservation, ResourceRevoking, ReservationRevoking)
	done(t)(db.Reclaim(background, none, got.Reservation))
	wantStates(t, db, got.Reservation, ResourceAvailable, ReservationRevoked)
	again := done(t)(db.Reserve(background, none, seat, bob, time.Second))
	if again.Reservation.Compare(got.Reservation) <= 0 {
		t.Error("R2: a later reservation's id is not greater")
	}
	done(t)(db.Release(background, none, again.Reservation, bob))
	wantStates(t, db, again.Reservation, ResourceAvailable, ReservationReleased)
	done(t)(db.Delete(background, none, seat))
	_, err := db.GetResource(background, seat, 0)
	wantError(t, err, ErrNotFound, "nothing with this id")
}

func wantStates(t *testing.T, db *DB, id ID, resource ResourceState, reservation ReservationState) {
	t.Helper()
	r, err := db.GetResource(background, seat, 0)
	if err != nil || r.State != resource {
		t.Errorf("the resource is %s (%v), must be %s", r.State, err, resource)
	}
	v, err := db.GetReservation(background, id, 0)
	if err != nil || v.State != reservation || v.Live() != (len(v.Resources) == 1) {
		t.Errorf("the reservation is %+v (%v), must be %s", v, err, reservation)
	}
}

func TestEveryResultCodeIsAnswered(t *testing.T) {
	options := hostOptions()
	options.MaxResources, options.MaxReservations = 3, 2
	options.MaxExpirationBucketLen = 1
	whole := openTest(t, options)
	db := whole.At(100)
	seats := []ID{NewID(0, 1), NewID(0, 2), NewID(0, 3)}
	for _, id := range seats {
		done(t)(db.Create(background, none, id))
	}
	want := func(code Code, o Outcome, err error) {
		t.Helper()
		if err != nil || o.Code != code || o.LSN == 0 {
			t.Errorf("the answer is %s (%v), must be %s", o.Code, err, code)
		}
		if o.OK() != (code == Done) || (code != Done) != errors.Is(o.Err(), code) {
			t.Errorf("OK is %v and Err is %v for %s", o.OK(), o.Err(), code)
		}
	}
	submit := func(code Code, c Command) Outcome {
		t.Helper()
		o, err := db.Submit(background, &c)
		want(code, o, err)
		return o
	}
	submit(ResourceExists, Command{Kind: KindCreate, Resource: seats[0]})
	submit(ResourceTableFull, Command{Kind: KindCreate, Resource: NewID(0, 9)})
	submit(ResourceNotFound, Command{Kind: KindDelete, Resource: NewID(0, 9)})
	reserve := Command{Kind: KindReserve, Resource: seats[0], Holder: alice, TTLSlots: 5}
	first := submit(Done, reserve).Reservation
	submit(ResourceBusy, reserve)
	submit(ResourceBusy, Command{Kind: KindDelete, Resource: seats[0]})
	reserve.Resource = seats[1]
	submit(ExpirationIndexFull, reserve)
	reserve.TTLSlots = 6
	second := submit(Done, reserve).Reservation
	submit(ExpirationIndexFull, Command{Kind: KindExtend, Reservation: first, Holder: alice,
		TTLSlots: 6})
	reserve.Resource = seats[2]
	submit(ReservationTableFull, reserve)
	submit(ReservationNotFound, Command{Kind: KindConfirm, Reservation: NewID(0, 999),
		Holder: alice})
	submit(HolderMismatch, Command{Kind: KindConfirm, Reservation: second, Holder: bob})
	submit(InvalidState, Command{Kind: KindRevoke, Reservation: second})
	submit(Done, Command{Kind: KindRelease, Reservation: second, Holder: alice})
	submit(InvalidState, Command{Kind: KindConfirm, Reservation: second, Holder: alice})
	// R15: past the history window, what ended is forgotten.
	db = whole.At(100 + options.HistoryWindowSlots + 10)
	submit(ReservationRetired, Command{Kind: KindRelease, Reservation: second, Holder: alice})
	_, err := db.GetReservation(background, second, 0)
	wantError(t, err, ErrRetired, "no longer remembered")
}

func TestRetryOfTheSameOperationGetsTheFirstAnswer(t *testing.T) {
	db := openTest(t, hostOptions()).At(100)
	done(t)(db.Create(background, none, seat))
	op := db.NewOperation()
	first := done(t)(db.Reserve(background, op, seat, alice, time.Second))
	again := done(t)(db.Reserve(background, op, seat, alice, time.Second))
	if first.FromRetryCache || !again.FromRetryCache || first.LSN != again.LSN ||
		first.Reservation != again.Reservation {
		t.Errorf("R60: the retry got %+v, must be %+v", again, first)
	}
	_, err := db.Reserve(background, op, seat, bob, time.Second)
	wantError(t, err, ErrOperationConflict, "was used for another command at LSN 2")
	found, err := db.GetOperation(background, op.ID, again.LSN)
	if err != nil || found.LSN != first.LSN || found.Reservation != first.Reservation {
		t.Errorf("R75: the operation is %+v (%v), must be %+v", found, err, first)
	}
	_, err = db.GetOperation(background, RandomID(), 0)
	wantError(t, err, ErrNotFound, "nothing with this id")
}

func TestOperationsThatAreMadeAreDifferentAndValidForTheWindow(t *testing.T) {
	whole := openTest(t, hostOptions())
	seen := map[ID]bool{}
	for range 1000 {
		op := whole.At(100).NewOperation()
		if op.ID.IsZero() || seen[op.ID] || op.ID[6]>>4 != 4 || op.ValidUntilSlot != 150 {
			t.Fatalf("the operation is %+v", op)
		}
		seen[op.ID] = true
	}
	// R30, R5: with a host's clock, now is the last applied slot, and slots never go back.
	done(t)(whole.At(500).Create(background, none, seat))
	if op := whole.NewOperation(); op.ValidUntilSlot != 550 {
		t.Errorf("valid until slot %d, must be 550", op.ValidUntilSlot)
	}
	done(t)(whole.Create(background, none, alice))
	done(t)(whole.At(100).Create(background, none, bob))
}

func TestQuickCheckPassesExactlyWhatTheWholeCheckPasses(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	passed := 0
	for range 200_000 {
		c := Command{Kind: Kind(random.IntN(10))}
		for i, field := range []func(){
			func() { c.Resource = seat }, func() { c.Reservation = bob }, func() { c.Holder = alice },
			func() { c.TTL = time.Duration(random.IntN(3) - 1) }, func() { c.TTLSlots = 7 },
			func() { c.Resources = countedIDs(random.IntN(3)) },
		} {
			if random.IntN(3+i/5*20) == 0 {
				field()
			}
		}
		whole := c.check() == nil
		if c.wellFormed() != (whole && len(c.Resources) == 0) {
			t.Fatalf("%+v: %v by the quick check, %v", c, c.wellFormed(), c.check())
		}
		if whole {
			passed++
		}
	}
	if passed < 1000 {
		t.Errorf("only %d commands were right", passed)
	}
}

func TestBundleIsReservedWholeOrNotAtAll(t *testing.T) {
	db := openTest(t, hostOptions()).At(100)
	var seats []ID
	for i := range uint64(4) {
		seats = append(seats, NewID(0, i+1))
		done(t)(db.Create(background, none, seats[i]))
	}
	taken := done(t)(db.Reserve(background, none, seats[2], bob, time.Second))
	o := must(t)(db.ReserveBundle(background, none, seats, alice, time.Second))
	if o.Code != ResourceBusy || o.FailedIndex != 2 || o.OK() {
		t.Errorf("R44: the answer is %s at %d, must be resource_busy at 2", o.Code, o.FailedIndex)
	}
	if err := o.Err(); err.Error() != "allocdb: resource_busy: resource 2 of the bundle" {
		t.Errorf("the error says %q", err)
	}
	done(t)(db.Release(background, none, taken.Reservation, bob))
	whole := done(t)(db.ReserveBundle(background, none, seats, alice, time.Second))
	v, err := db.GetReservation(background, whole.Reservation, whole.LSN)
	if err != nil || len(v.Resources) != 4 || v.Resources[3] != seats[3] || v.ResourceCount != 4 {
		t.Errorf("R42: the bundle is %+v (%v)", v, err)
	}
}

func TestBatchIsAnsweredInOrderAndIsOneCommit(t *testing.T) {
	db := openTest(t, hostOptions()).At(100)
	commands := []Command{
		{Kind: KindCreate, Resource: seat},
		{Kind: KindReserve, Resource: seat, Holder: alice, TTL: time.Minute},
		{Kind: KindReserve, Resource: seat, Holder: bob, TTL: time.Minute},
		{Kind: KindReserve, Resource: bob, Holder: bob, TTLSlots: 3},
	}
	kept := Outcome{LSN: 77}
	outcomes, err := db.DoInto(background, []Outcome{kept}, commands)
	if err != nil || len(outcomes) != 5 || outcomes[0] != kept {
		t.Fatalf("%d outcomes (%v)", len(outcomes), err)
	}
	codes := []Code{Done, Done, ResourceBusy, ResourceNotFound}
	for i, o := range outcomes[1:] {
		if o.Code != codes[i] || o.LSN != uint64(i)+1 || o.Operation.IsZero() {
			t.Errorf("command %d is answered %+v, must be %s", i, o, codes[i])
		}
		if !commands[i].Operation.IsZero() {
			t.Errorf("command %d was changed", i)
		}
	}
	if h, err := db.Health(background); err != nil || h.Commits != 1 || h.Records != 4 {
		t.Errorf("%d commits of %d records (%v), must be 1 of 4", h.Commits, h.Records, err)
	}
	if outcomes, err := db.Do(background, nil); err != nil || len(outcomes) != 0 {
		t.Errorf("an empty batch is answered %v (%v)", outcomes, err)
	}
}

func TestBatchTellsOfTheCommandThatWasRejected(t *testing.T) {
	db := openTest(t, hostOptions()).At(100)
	op := db.NewOperation()
	done(t)(db.Create(background, op, seat))
	outcomes, err := db.Do(background, []Command{
		{Kind: KindCreate, Resource: alice},
		{Kind: KindCreate, Resource: bob, Operation: op},
		{Kind: KindCreate, Resource: NewID(7, 7)},
	})
	if e := wantError(t, err, ErrOperationConflict, "create: command 1: the operation"); e.Index != 1 {
		t.Errorf("the index is %d, must be 1", e.Index)
	}
	if len(outcomes) != 3 || !outcomes[0].OK() || outcomes[1].OK() || !outcomes[2].OK() {
		t.Fatalf("the outcomes are %+v", outcomes)
	}
	wantError(t, outcomes[1].Err(), ErrOperationConflict, "at LSN 1")
	// A batch that its form rules out is refused whole, by this package or by the library.
	for _, bad := range []Command{
		{Kind: KindCreate},
		{Kind: KindReserve, Resource: seat, Holder: alice, TTLSlots: 1001},
	} {
		batch := []Command{{Kind: KindCreate, Resource: NewID(8, 8)}, bad}
		outcomes, err = db.Do(background, batch)
		var e *Error
		if !errors.As(err, &e) || e.Index != 1 || len(outcomes) != 0 {
			t.Errorf("the batch is answered %v (%v)", outcomes, err)
		}
	}
	_, err = db.GetResource(background, NewID(8, 8), 0)
	wantError(t, err, ErrNotFound, "")
}

func TestLargeBatchIsSeveralCommitsInOrder(t *testing.T) {
	options := hostOptions()
	options.MaxBatchCommands = 10
	db := openTest(t, options).At(1)
	commands := make([]Command, 95)
	for i := range commands {
		commands[i] = Command{Kind: KindReserve, Resource: seat, Holder: alice, TTLSlots: 1}
	}
	outcomes, err := db.Do(background, commands)
	if err != nil || len(outcomes) != 95 || outcomes[94].LSN != 95 {
		t.Fatalf("%d outcomes (%v)", len(outcomes), err)
	}
	if h, err := db.Health(background); err != nil || h.Commits != 10 {
		t.Errorf("%d commits (%v), must be 10", h.Commits, err)
	}
}

func TestDeadlineFreesBySlotNeverEarly(t *testing.T) {
	options := hostOptions()
	options.AutoExpireOff = true
	whole := openTest(t, options)
	done(t)(whole.At(100).Create(background, none, seat))
	o := done(t)(whole.At(100).Submit(background,
		&Command{Kind: KindReserve, Resource: seat, Holder: alice, TTLSlots: 7}))
	if o.DeadlineSlot != 107 {
		t.Fatalf("R41: the deadline is %d, must be 107", o.DeadlineSlot)
	}
	// AutoExpireOff: at the deadline a commit frees nothing, only a tick does.
	if busy := must(t)(whole.At(107).Reserve(background, none, seat, bob, time.Second)); busy.Code !=
		ResourceBusy {
		t.Errorf("a commit freed what was due: %s", busy.Code)
	}
	o = must(t)(whole.At(107).Extend(background, none, o.Reservation, alice, 9*time.Second))
	if o.DeadlineSlot != 117 {
		t.Fatalf("R56: the deadline is %d, must be 117", o.DeadlineSlot)
	}
	// R55, R59: nothing is due before; nothing is written.
	if r, err := whole.At(116).Tick(background, 0); err != nil || r.ExpiredCount != 0 || r.LSN != 0 {
		t.Errorf("the early tick did %+v (%v)", r, err)
	}
	if r, err := whole.At(117).Tick(background, 0); err != nil || r.ExpiredCount != 1 ||
		r.Slot != 117 || r.DueCount != 0 {
		t.Errorf("the tick did %+v (%v)", r, err)
	}
	v, err := whole.GetReservation(background, o.Reservation, 0)
	if err != nil || v.State != ReservationExpired {
		t.Errorf("the reservation is %s (%v)", v.State, err)
	}
}

func TestTTLIsNeverShorterThanAsked(t *testing.T) {
	for _, slot := range []time.Duration{time.Millisecond, 7 * time.Millisecond, time.Second} {
		db := &DB{shared: &shared{slotMS: uint64(slot / time.Millisecond)}}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		for i := range 10_000 {
			ttl := time.Duration(random.Int64N(int64(1) << (1 + random.IntN(62))))
			if i == 0 {
				ttl = durationMax
			}
			slots := db.Slots(ttl)
			if ttl <= 0 {
				if slots != 0 {
					t.Fatalf("%s is %d slots, must be 0", ttl, slots)
				}
				continue
			}
			// The first slot is under way: what is certain are the others.
			whole := (slots - 1) * uint64(slot)
			if whole < uint64(ttl) || whole-uint64(ttl) >= uint64(slot) {
				t.Fatalf("%s is %d slots of %s", ttl, slots, slot)
			}
		}
	}
}

func TestSlotsAndTimesAgree(t *testing.T) {
	db := openTest(t, Options{SlotDuration: 250 * time.Millisecond})
	if db.SlotDuration() != 250*time.Millisecond {
		t.Errorf("a slot is %s", db.SlotDuration())
	}
	before := time.Now()
	begin := db.SlotTime(db.SlotNow())
	if age := before.Sub(begin); age > 250*time.Millisecond {
		t.Errorf("the current slot began %s before it was asked for", age)
	}
	if db.At(99).SlotNow() != 99 || !db.At(0).SlotTime(4).Equal(time.UnixMilli(1000)) {
		t.Error("a view's slot is its own, and slot 4 of 250 ms begins after one second")
	}
	if far := db.SlotTime(^uint64(0)); far.Before(before) {
		t.Errorf("the last slot is at %s", far)
	}
}

func TestContextThatIsDoneSendsNothing(t *testing.T) {
	db := openTest(t, hostOptions()).At(100)
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := db.Create(ctx, none, seat)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if _, err := db.Do(ctx, []Command{{Kind: KindCreate, Resource: seat}}); !errors.Is(err,
		context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	for _, err := range db.Resources(ctx, Filter{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	}
	if h, err := db.Health(background); err != nil || h.Records != 0 {
		t.Errorf("%d commands were sent (%v)", h.Records, err)
	}
}
