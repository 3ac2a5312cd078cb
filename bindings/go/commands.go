// Commands, singly and many in one commit, and the codec's own door.
//
// A single command and a batch go the same way: encode into a borrowed buffer, one crossing,
// decode. What a command's own state rejects stands in its outcome; the error of a batch is the
// first of those, so that nobody who looks at the error alone misses one.

//go:build cgo

package allocdb

import (
	"context"
	"slices"
	"time"
)

// Create makes a resource known, available (R37).
//
// A zero op is made for the caller; the outcome shows it, also when the call failed, for a retry.
// Codes: [Done], [ResourceExists], [ResourceTableFull].
//
// Errors of this and of all commands, each an [*Error]. Nothing happened, for certain:
// [ErrMalformed] (a zero id), [ErrSlotOverflow], [ErrSlotLeap], [ErrOperationExpired],
// [ErrValidUntilOutOfRange], [ErrOperationConflict], [ErrOperationTableFull], [ErrOverloaded],
// [ErrLSNExhausted], [ErrStorageFull], [ErrReadOnly]; and misuse: [ErrClosed], [ErrForked],
// [ErrInvalid]. Nobody knows yet, [ErrIndefinite]: [ErrStorageFailure], [ErrHalted], [ErrPanic];
// close, open again and repeat with the outcome's Operation, or ask [DB.GetOperation]. A ctx that
// is done before the call gives its error, and nothing was sent; ctx never interrupts a call.
func (db *DB) Create(ctx context.Context, op Operation, resource ID) (Outcome, error) {
	return db.Submit(ctx, &Command{Kind: KindCreate, Operation: op, Resource: resource})
}

// Delete forgets an available resource (R39). Otherwise as [DB.Create].
// Codes: [Done], [ResourceNotFound], [ResourceBusy].
func (db *DB) Delete(ctx context.Context, op Operation, resource ID) (Outcome, error) {
	return db.Submit(ctx, &Command{Kind: KindDelete, Operation: op, Resource: resource})
}

// Reserve gives a resource to a holder for at least ttl: one of all that ask gets it (R41). On
// [Done], the outcome's Reservation names it for all that follows, and is its fencing token. From
// DeadlineSlot on, unless confirmed or extended, it may be freed by time; never earlier.
//
// ttl is rounded up to whole slots, and one more ([DB.Slots]); for exact slots see
// Command.TTLSlots. Otherwise as [DB.Create], and [ErrTTLOutOfRange].
// Codes: [Done], [ResourceNotFound], [ResourceBusy], [ReservationTableFull],
// [ExpirationIndexFull].
func (db *DB) Reserve(
	ctx context.Context, op Operation, resource, holder ID, ttl time.Duration,
) (Outcome, error) {
	return db.Submit(ctx, &Command{
		Kind: KindReserve, Operation: op, Resource: resource, Holder: holder, TTL: ttl,
	})
}

// ReserveBundle gives several resources to a holder as one reservation: all or none (R42). The
// outcome's FailedIndex says which one failed. resources is read during the call only. Otherwise
// as [DB.Reserve], and [ErrBundleTooLarge], [ErrDuplicateResource].
func (db *DB) ReserveBundle(
	ctx context.Context, op Operation, resources []ID, holder ID, ttl time.Duration,
) (Outcome, error) {
	return db.Submit(ctx, &Command{
		Kind: KindReserve, Operation: op, Resources: resources, Holder: holder, TTL: ttl,
	})
}

// Confirm makes a reservation permanent: it has no deadline any more (R46). A confirm that is
// committed before the expiry wins, also after the deadline (R56). Otherwise as [DB.Create].
// Codes: [Done], [ReservationNotFound], [ReservationRetired], [HolderMismatch], [InvalidState].
func (db *DB) Confirm(ctx context.Context, op Operation, reservation, holder ID) (Outcome, error) {
	return db.Submit(ctx, &Command{
		Kind: KindConfirm, Operation: op, Reservation: reservation, Holder: holder,
	})
}

// Extend moves a reservation's deadline to ttl from now, if that is later (R48). ttl is as in
// [DB.Reserve]. Otherwise as [DB.Create], and [ErrTTLOutOfRange].
// Codes: as [DB.Confirm], and [ExpirationIndexFull].
func (db *DB) Extend(
	ctx context.Context, op Operation, reservation, holder ID, ttl time.Duration,
) (Outcome, error) {
	return db.Submit(ctx, &Command{
		Kind: KindExtend, Operation: op, Reservation: reservation, Holder: holder, TTL: ttl,
	})
}

// Release ends a reservation: its resources become available (R50). Otherwise as [DB.Create].
// Codes: as [DB.Confirm].
func (db *DB) Release(ctx context.Context, op Operation, reservation, holder ID) (Outcome, error) {
	return db.Submit(ctx, &Command{
		Kind: KindRelease, Operation: op, Reservation: reservation, Holder: holder,
	})
}

// Revoke takes a confirmed reservation from its holder: an operator's command. Nobody has its
// resources before the reclaim (R51). Otherwise as [DB.Create].
// Codes: [Done], [ReservationNotFound], [ReservationRetired], [InvalidState].
func (db *DB) Revoke(ctx context.Context, op Operation, reservation ID) (Outcome, error) {
	return db.Submit(ctx, &Command{Kind: KindRevoke, Operation: op, Reservation: reservation})
}

// Reclaim ends a revoked reservation: its resources become available (R52). Call it when the former
// holder can no longer do harm. Otherwise as [DB.Create]. Codes: as [DB.Revoke].
func (db *DB) Reclaim(ctx context.Context, op Operation, reservation ID) (Outcome, error) {
	return db.Submit(ctx, &Command{Kind: KindReclaim, Operation: op, Reservation: reservation})
}

// Submit carries out one command of any kind. command is read during the call only and not changed.
// Errors and codes are those of the function named like its kind.
func (db *DB) Submit(ctx context.Context, command *Command) (Outcome, error) {
	name := command.Kind.String()
	outcome := Outcome{Operation: command.Operation, FailedIndex: -1}
	if err := db.ready(ctx, name); err != nil {
		return outcome, err
	}
	if !command.wellFormed() {
		if err := command.check(); err != nil {
			outcome.Failure = err
			return outcome, err
		}
	}
	if outcome.Operation.IsZero() {
		outcome.Operation = db.NewOperation()
	}
	x := takeExchange()
	defer x.give()
	x.request = appendCommand(x.request, 0, db.slot, command, outcome.Operation,
		db.ttlSlots(command))
	bytes, err := db.lib.call(name, x, outcomeBytes)
	if err == nil {
		var r response
		if r, err = soleResponse(name, bytes, uint8(command.Kind)); err == nil {
			outcomeAt(r.message, &outcome)
			return outcome, nil
		}
	}
	outcome.Failure = err
	return outcome, err
}

// Do carries out many commands in one commit: one write and one sync. It is no transaction: each
// command has its own outcome, decided in order, and they become durable together. What must happen
// all or none is a bundle. Where the batch exceeds MaxBatchCommands or MaxBatchBytes, it is several
// commits in order.
//
// The outcomes are in the commands' order. The error is nil if every command was committed.
// Otherwise it is an [*Error] whose Index says which command: the first indefinite failure, else
// the first. If outcomes come with it, each has its own Failure or none, and what was committed
// stays. If none come, the batch was refused whole, and nothing happened (or, if the error is
// [ErrIndefinite], nobody knows).
//
// commands are read during the call only and not changed: a zero Operation is made, and stands in
// the outcome.
func (db *DB) Do(ctx context.Context, commands []Command) ([]Outcome, error) {
	return db.DoInto(ctx, make([]Outcome, 0, len(commands)), commands)
}

// DoInto is [DB.Do] that appends the outcomes to dst. With room in dst it does not allocate.
// If the batch was refused whole, dst is returned as it was.
func (db *DB) DoInto(ctx context.Context, dst []Outcome, commands []Command) ([]Outcome, error) {
	if err := db.ready(ctx, "do"); err != nil {
		return dst, err
	}
	if len(commands) == 0 {
		return dst, nil
	}
	x := takeExchange()
	defer x.give()
	if err := db.encodeBatch(x, commands); err != nil {
		return dst, err
	}
	bytes, err := db.lib.call("do", x, outcomeBytes*len(commands))
	if err != nil {
		err.Index = refusedIndex(err, len(commands))
		return dst, err
	}
	from := len(dst)
	dst = slices.Grow(dst, len(commands))[:from+len(commands)]
	if err = settle(dst[from:], x.request, bytes); err != nil {
		return dst, err
	}
	return dst, nil
}

// Exec carries out requests of the codec (docs/codec.md), back to back, and appends the responses
// to dst: for what already speaks bytes. request is read during the call only. With room in dst it
// does not allocate; a dst that is too small grows, and nothing is executed twice.
//
// Each response has a status of its own. The error is of the whole call, and then nothing happened:
// [ErrMalformed] and what else refuses a request (Detail: index, offset), [ErrClosed],
// [ErrForked]; or the indefinite [ErrPanic].
func (db *DB) Exec(dst, request []byte) ([]byte, error) {
	if db == nil || db.shared == nil {
		return dst, refused(ErrClosed, "exec", "the database was never opened")
	}
	dst, err := db.lib.exec(dst, request)
	if err != nil {
		return dst, err
	}
	return dst, nil
}

// ttlSlots is a checked command's TTL in slots.
func (db *DB) ttlSlots(command *Command) uint64 {
	if command.TTL > 0 {
		return db.Slots(command.TTL)
	}
	return command.TTLSlots
}

// encodeBatch checks the commands and writes them into the exchange, each with its operation.
func (db *DB) encodeBatch(x *exchange, commands []Command) *Error {
	// Enough ids for all: those of commands that bring their own are never used.
	first := db.made.Add(uint64(len(commands))) - uint64(len(commands)) + 1
	var validUntil uint64
	var asked bool
	for i := range commands {
		c := &commands[i]
		if !c.wellFormed() {
			if err := c.check(); err != nil {
				err.Index = i
				return err
			}
		}
		op := c.Operation
		if op.IsZero() {
			if !asked {
				validUntil, asked = db.validUntilSlot(), true
			}
			op = Operation{ID: db.operationID(first + uint64(i)), ValidUntilSlot: validUntil}
		}
		x.request = appendCommand(x.request, uint64(i), db.slot, c, op, db.ttlSlots(c))
	}
	return nil
}

// refusedIndex is which command a refusal is about: the first detail word, where there is one.
func refusedIndex(err *Error, count int) int {
	switch err.Status {
	case ErrMalformed, ErrBundleTooLarge, ErrDuplicateResource, ErrTTLOutOfRange, ErrSlotOverflow:
		if err.Detail[0] < uint64(count) {
			return int(err.Detail[0])
		}
	}
	return -1
}

// settle reads a batch's responses into the outcomes, whose operations stand in the requests, and
// gives the error to tell of, if any.
func settle(outcomes []Outcome, requests, bytes []byte) *Error {
	var first, indefinite *Error
	for i := range outcomes {
		o, kind := &outcomes[i], requests[5]
		*o = Outcome{FailedIndex: -1}
		o.Operation = Operation{ID: idAt(requests[24:]), ValidUntilSlot: little.Uint64(requests[40:])}
		requests = requests[little.Uint32(requests):]
		// The common case at a glance: the response that the request asks for, and no failure.
		if len(bytes) >= outcomeBytes &&
			little.Uint64(bytes) == header(kind|responseBit, outcomeBytes) &&
			little.Uint64(bytes[8:]) == uint64(i) && little.Uint32(bytes[16:]) == 0 {
			outcomeAt(bytes, o)
			bytes = bytes[outcomeBytes:]
			continue
		}
		failed, rest := settleSlowly(o, kind, uint64(i), bytes)
		bytes = rest
		if failed == nil {
			continue
		}
		failed.Index = i
		o.Failure = failed
		if first == nil {
			first = failed
		}
		if indefinite == nil && failed.Status.Category() == ErrIndefinite {
			indefinite = failed
		}
	}
	if indefinite != nil {
		return indefinite
	}
	return first
}

// settleSlowly reads a response of any form. What follows one that is none cannot be read either,
// and gets the same answer.
func settleSlowly(o *Outcome, kind uint8, tag uint64, bytes []byte) (failed *Error, rest []byte) {
	name := Kind(kind).String()
	r, rest, err := nextResponse(name, bytes, kind)
	switch {
	case err != nil:
		return err, nil
	case r.tag != tag:
		return errResponse(name, "another tag than the request's"), nil
	case r.failure.status != StatusOK:
		return responseError(name, r.failure), rest
	}
	outcomeAt(r.message, o)
	return nil, rest
}
