// What one buyer does, a goroutine, again and again until the shop closes:
//
//	choose -> reserve -> think -> confirm          most of the time
//	             |          |---> release          sometimes
//	             |          '---> nothing at all   sometimes: the hold runs out by itself
//	             '-> a seat is taken: choose others
//
// The one rule that makes it safe: write down the operation, then send it, and send that same
// operation again until there is an answer. After kill -9, and after another program in another
// language has had the database, a buyer goes on from its page: a page whose step is a command
// sends it again. If it had been committed, the database gives its first answer again; if not, it
// is executed now.

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	allocdb "github.com/allocdb/allocdb-go"
)

const (
	// 5 s at 100 ms a slot, and exactly that in every language: a retry repeats its command.
	holdTTLSlots  = 50
	holdTTL       = 5 * time.Second
	fanClicks     = 40
	looksMax      = 50
	leaveDuration = time.Second
)

var partySizes = [8]int{1, 2, 2, 2, 2, 3, 4, 4}

type buyer struct {
	*page
	shop    *shop
	number  int
	resumed bool      // the command in the page was under way when the last seller ended
	goneBy  time.Time // when it has to have left for the next seller
}

// run goes on from the page until the shop closes.
func (b *buyer) run(ctx context.Context) error {
	now := b.step.Load()
	b.resumed = now != stepChoose && now != stepThink
	for !b.shop.failed.Load() {
		now = b.step.Load()
		closed := !time.Now().Before(b.shop.closing)
		if closed && b.shop.handsOver && (now == stepChoose || now == stepThink) {
			if left, err := b.leave(ctx, now); left || err != nil {
				return err
			}
			continue
		}
		if closed && now == stepChoose {
			return nil
		}
		if err := b.do(ctx, now); err != nil {
			return err
		}
	}
	return nil
}

func (b *buyer) do(ctx context.Context, now step) error {
	switch now {
	case stepReserve:
		return b.reserve(ctx)
	case stepThink:
		b.think()
		return nil
	case stepConfirm:
		return b.confirm(ctx)
	case stepRelease:
		return b.release(ctx)
	default:
		return b.choose(ctx)
	}
}

// choose: fans click on the best seats without looking, the others look at the map first. What they
// saw may be out of date when their click arrives: the database decides, not the map.
func (b *buyer) choose(ctx context.Context) error {
	v := b.shop.venue
	b.setParty(b.partyAt(v.best[b.below(len(v.best))]))
	if b.clicksLeft > 0 {
		b.clicksLeft--
		b.begin(stepReserve)
		return nil
	}
	b.customers++
	b.holder = id128{b.customers, uint64(b.number) + 1}
	if b.below(2) == 0 {
		b.clicksLeft = fanClicks
		b.begin(stepReserve)
		return nil
	}
	for range looksMax {
		free, err := b.partyLooksFree(ctx)
		if err != nil {
			return err
		}
		if free {
			break
		}
		b.setParty(b.partyAt(uint32(b.below(len(v.seats)))))
	}
	b.begin(stepReserve)
	return nil
}

func (b *buyer) partyAt(first uint32) []uint32 {
	return b.shop.venue.party(first, partySizes[b.below(len(partySizes))])
}

func (b *buyer) partyLooksFree(ctx context.Context) (bool, error) {
	for _, seat := range b.resources() {
		row, err := b.shop.db.GetResource(ctx, seat, 0)
		b.shop.count(looked, 1)
		if err != nil || row.State != allocdb.ResourceAvailable {
			return false, err
		}
	}
	return true, nil
}

// begin writes a new operation down, before it is sent.
func (b *buyer) begin(command step) {
	op := b.shop.db.NewOperation()
	b.operation, b.validUntil = halvesOf(op.ID), op.ValidUntilSlot
	b.step.Store(command)
}

func (b *buyer) reserve(ctx context.Context) error {
	outcome, err := b.ask(ctx)
	if err != nil {
		return err
	}
	b.shop.count(tries, 1)
	if !outcome.OK() {
		b.shop.count(contended, 1)
		b.step.Store(stepChoose)
		time.Sleep(time.Duration(1+b.below(2)) * time.Millisecond) // no finger is quicker
		return nil
	}
	b.shop.count(held, 1)
	b.clicksLeft = 0
	b.reservation = halvesOf(outcome.Reservation)
	tell("hold %s %d %d %d %s", b.who(), outcome.DeadlineSlot, holdTTLSlots, cached(outcome),
		b.seatsText())
	switch dice := b.below(100); {
	case dice < 12:
		b.plan = planWalkAway
	case dice < 18:
		b.plan = planCancel
	case dice < 26:
		b.plan = planDither
	default:
		b.plan = planBuy
	}
	b.step.Store(stepThink)
	return nil
}

func (b *buyer) think() {
	between := func(from, to time.Duration) time.Duration {
		return from + time.Duration(b.below(int((to-from)/time.Millisecond)))*time.Millisecond
	}
	next, pause := stepConfirm, between(50*time.Millisecond, 450*time.Millisecond)
	switch b.plan {
	case planWalkAway: // says nothing to anybody: the hold runs out
		b.shop.count(walkedAway, 1)
		time.Sleep(between(0, 100*time.Millisecond))
		b.step.Store(stepChoose)
		return
	case planCancel:
		next, pause = stepRelease, between(100*time.Millisecond, 500*time.Millisecond)
	case planDither: // around the deadline: some are in time, some are late
		pause = between(holdTTL-200*time.Millisecond, holdTTL+200*time.Millisecond)
	}
	select {
	case <-b.shop.takenOver:
	case <-time.After(pause):
		b.begin(next)
	}
}

func (b *buyer) confirm(ctx context.Context) error {
	outcome, err := b.ask(ctx)
	if err != nil {
		return err
	}
	if outcome.OK() {
		b.shop.count(sold, 1)
		b.shop.count(seatsSold, uint64(b.seatCount))
		tell("sale %s %d %d %s", b.who(), outcome.LSN, cached(outcome), b.seatsText())
	} else {
		b.shop.count(late, 1)
		tell("late %s", b.who())
	}
	b.step.Store(stepChoose)
	return nil
}

func (b *buyer) release(ctx context.Context) error {
	outcome, err := b.ask(ctx)
	if err != nil {
		return err
	}
	if outcome.OK() {
		b.shop.count(released, 1)
		tell("free %s %d %d", b.who(), outcome.LSN, cached(outcome))
	}
	b.step.Store(stepChoose)
	return nil
}

// leave takes the last steps before another seller takes over, and says whether it has left. One in
// three leaves holding seats; one has paid, and one has clicked, and neither has heard the answer:
// the connection broke just then.
func (b *buyer) leave(ctx context.Context, now step) (left bool, err error) {
	const (
		holds = iota
		paid
		clicked
	)
	way := b.number % 3
	if b.goneBy.IsZero() {
		b.goneBy = time.Now().Add(leaveDuration)
	}
	if now == stepChoose {
		if time.Now().After(b.goneBy) {
			return true, nil // in a house that is nearly full there may be nothing left to hold
		}
		b.clicksLeft = 0
		if err := b.choose(ctx); err != nil {
			return true, err
		}
		if way == clicked {
			_, err = b.send(ctx)
			return true, err
		}
		return false, b.reserve(ctx)
	}
	if fresh, err := b.holdIsFresh(ctx); err != nil || !fresh {
		b.shop.count(walkedAway, 1) // the next seller would find it run out
		b.step.Store(stepChoose)
		return false, err
	}
	b.plan = planBuy
	if way == paid {
		b.begin(stepConfirm)
		_, err = b.send(ctx)
	}
	return true, err
}

// holdIsFresh says whether the hold has more than half of its time left.
func (b *buyer) holdIsFresh(ctx context.Context) (bool, error) {
	row, err := b.shop.db.GetReservation(ctx, b.reservation.id(), 0)
	if errors.Is(err, allocdb.ErrNotFound) || errors.Is(err, allocdb.ErrRetired) {
		return false, nil
	}
	return row.State == allocdb.ReservationReserved &&
		row.DeadlineSlot > b.shop.db.SlotNow()+holdTTLSlots/2, err
}

// ask sends the page's command, now and then twice: impatient people click twice, and the second
// click must get the first one's answer, word for word.
func (b *buyer) ask(ctx context.Context) (allocdb.Outcome, error) {
	outcome, err := b.send(ctx)
	if err != nil {
		return outcome, err
	}
	if b.resumed {
		b.shop.count(map[bool]figure{true: resumedKnown, false: resumedNew}[outcome.FromRetryCache], 1)
		b.resumed = false
	}
	if b.below(16) != 0 {
		return outcome, nil
	}
	again, err := b.send(ctx)
	b.shop.count(duplicates, 1)
	want := outcome
	want.FromRetryCache = true
	if err == nil && again != want {
		b.shop.count(wrong, 1)
		err = fmt.Errorf("a retry got another answer: %+v, first %+v", again, outcome)
	}
	return outcome, err
}

// send sends the page's operation until it is answered.
func (b *buyer) send(ctx context.Context) (allocdb.Outcome, error) {
	command := allocdb.Command{
		Operation: allocdb.Operation{ID: b.operation.id(), ValidUntilSlot: b.validUntil},
		Holder:    b.holder.id(),
	}
	switch b.step.Load() {
	case stepReserve:
		command.Kind = allocdb.KindReserve
		command.Resources, command.TTLSlots = b.resources(), holdTTLSlots
	case stepConfirm:
		command.Kind, command.Reservation = allocdb.KindConfirm, b.reservation.id()
	default:
		command.Kind, command.Reservation = allocdb.KindRelease, b.reservation.id()
	}
	for {
		outcome, err := b.shop.db.Submit(ctx, &command)
		switch {
		case err == nil:
			return outcome, nil
		case errors.Is(err, allocdb.ErrOperationExpired):
			return b.answerFromState(ctx)
		case !errors.Is(err, allocdb.ErrOverloaded):
			return outcome, err
		}
		b.shop.count(refused, 1) // definite: nothing happened. The same again, later.
		time.Sleep(5 * time.Millisecond)
	}
}

// answerFromState is for a buyer that was away for longer than the dedupe window, and gets no
// answer to its operation any more: it certainly does not happen now, and whether it happened is
// read off the state. A hold that was granted unheard runs out, one that was given back is gone.
func (b *buyer) answerFromState(ctx context.Context) (allocdb.Outcome, error) {
	outcome := allocdb.Outcome{Code: allocdb.InvalidState}
	if b.step.Load() != stepConfirm {
		return outcome, nil
	}
	row, err := b.shop.db.GetReservation(ctx, b.reservation.id(), 0)
	switch {
	case errors.Is(err, allocdb.ErrNotFound) || errors.Is(err, allocdb.ErrRetired):
		return outcome, nil
	case err == nil && row.State == allocdb.ReservationConfirmed:
		outcome.Code, outcome.LSN = allocdb.Done, row.CreatedLSN // the confirm's own is forgotten
	}
	return outcome, err
}

func cached(outcome allocdb.Outcome) int {
	if outcome.FromRetryCache {
		return 1
	}
	return 0
}
