// Reads: one record by its id, listings, and the question whether an operation happened.
//
// Reads are answered from applied state, which is durable state, and never wait for a sync (R72).
// A fence asks for a state that has seen a log position: the LSN of an outcome, of any goroutine or
// process of the same database (R73). 0 is no fence.

//go:build cgo

package allocdb

import (
	"context"
	"iter"
)

// pageRows is how many rows a listing asks for at once.
const pageRows = 256

// GetResource looks a resource up.
// Errors: [ErrNotFound], [ErrFence], [ErrMalformed] (a zero id), [ErrClosed], [ErrForked],
// [ErrHalted] (R78), [ErrPanic], or ctx's own.
func (db *DB) GetResource(
	ctx context.Context, resource ID, requiredLSN uint64,
) (Resource, error) {
	const op = "get resource"
	if err := db.readyToGet(ctx, op, "resource", resource); err != nil {
		return Resource{}, err
	}
	x := takeExchange()
	defer x.give()
	x.request = appendGet(x.request, kindGetResource, 0, requiredLSN, resource)
	r, err := db.ask(op, x, kindGetResource, resourceBytes)
	if err != nil {
		return Resource{}, err
	}
	return resourceAt(r.message[24:]), nil
}

// GetReservation looks a reservation up, with the resources that it holds. While it lives all of
// them can be read, in the order of the reserve; afterwards their count and the first one (R10).
// Errors: as [DB.GetResource], and [ErrRetired] (it ended and is forgotten).
func (db *DB) GetReservation(
	ctx context.Context, reservation ID, requiredLSN uint64,
) (Reservation, error) {
	const op = "get reservation"
	if err := db.readyToGet(ctx, op, "reservation", reservation); err != nil {
		return Reservation{}, err
	}
	x := takeExchange()
	defer x.give()
	capacity := min(db.bundleLenMax, bundleLenMax)
	x.request = appendGetReservation(x.request, 0, requiredLSN, reservation, capacity)
	r, err := db.ask(op, x, kindGetReservation, reservationBytes+16*int(capacity))
	if err != nil {
		return Reservation{}, err
	}
	row, err := r.reservation(op)
	if err != nil {
		return Reservation{}, err
	}
	return row, nil
}

// GetOperation answers "did it happen?": it looks up an operation that may have been committed,
// after an indefinite failure, a crash, a lost answer (R75).
// Errors: as [DB.GetResource]; [ErrNotFound] says that it was never committed, or longer ago than
// the operation window.
func (db *DB) GetOperation(
	ctx context.Context, operation ID, requiredLSN uint64,
) (Outcome, error) {
	const op = "get operation"
	outcome := Outcome{Operation: Operation{ID: operation}, FailedIndex: -1}
	if err := db.readyToGet(ctx, op, "operation", operation); err != nil {
		return outcome, err
	}
	x := takeExchange()
	defer x.give()
	x.request = appendGet(x.request, kindGetOperation, 0, requiredLSN, operation)
	r, err := db.ask(op, x, kindGetOperation, outcomeBytes)
	if err != nil {
		outcome.Failure = err
		return outcome, err
	}
	outcomeAt(r.message, &outcome)
	return outcome, nil
}

// Filter says which rows a listing shows. The zero value: all of them.
type Filter struct {
	// Holder is the holder wanted; zero: any.
	Holder ID
	// RequiredLSN is the fence; 0: none.
	RequiredLSN uint64
}

// Resources lists resources, those of the given states alone if any are given. A row that does not
// change while the listing runs appears exactly once (R77); the order is the same on every run.
// Commands are carried out meanwhile, so rows may be of different moments.
//
//	for resource, err := range db.Resources(ctx, allocdb.Filter{}, allocdb.ResourceAvailable) {
//		if err != nil { return err }
//		...
//	}
//
// An error is the last thing that a listing gives: those of [DB.GetResource], or ctx's own.
func (db *DB) Resources(
	ctx context.Context, filter Filter, states ...ResourceState,
) iter.Seq2[Resource, error] {
	return rows(ctx, db, "list resources", kindListResources, resourceRowBytes, filter,
		mask(states), resourceAt)
}

// Reservations lists reservations, live and remembered; otherwise as [DB.Resources].
func (db *DB) Reservations(
	ctx context.Context, filter Filter, states ...ReservationState,
) iter.Seq2[Reservation, error] {
	return rows(ctx, db, "list reservations", kindListReservations, reservationRowBytes, filter,
		mask(states), reservationAt)
}

// mask is the codec's set of states; a state that there is not becomes a bit that there is not,
// which the library refuses.
func mask[S ~uint32](states []S) uint32 {
	var bits uint32
	for _, state := range states {
		bits |= 1 << (min(state, 31))
	}
	return bits
}

// rows runs a listing page by page. The buffer is given back between the pages' decoding and the
// caller's own work, so that a slow loop keeps none.
func rows[Row any](
	ctx context.Context, db *DB, op string, kind uint8, rowBytes int, filter Filter, states uint32,
	decode func([]byte) Row,
) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var none Row
		decoded := make([]Row, 0, pageRows)
		request := listing{requiredLSN: filter.RequiredLSN, holder: filter.Holder, states: states,
			rowCountMax: pageRows}
		for {
			if err := db.ready(ctx, op); err != nil {
				yield(none, err)
				return
			}
			decoded = decoded[:0]
			next, err := onePage(db, op, kind, rowBytes, &request, func(row []byte) {
				decoded = append(decoded, decode(row))
			})
			if err != nil {
				yield(none, err)
				return
			}
			for i := range decoded {
				if !yield(decoded[i], nil) {
					return
				}
			}
			if next == 0 {
				return
			}
			request.cursor = next
		}
	}
}

// onePage asks for a page, and says where the next begins.
func onePage(
	db *DB, op string, kind uint8, rowBytes int, request *listing, take func(row []byte),
) (next uint64, err *Error) {
	x := takeExchange()
	defer x.give()
	x.request = appendList(x.request, kind, 0, request)
	r, err := db.ask(op, x, kind, listBytes+rowBytes*int(request.rowCountMax))
	if err != nil {
		return 0, err
	}
	p, err := r.page(op, rowBytes)
	if err != nil {
		return 0, err
	}
	for i := range p.rowCount {
		take(p.rows[i*rowBytes:])
	}
	return p.nextCursor, nil
}

// ask sends the exchange's one message and gives its response, which lies in the exchange.
func (s *shared) ask(op string, x *exchange, kind uint8, bound int) (response, *Error) {
	bytes, err := s.lib.call(op, x, bound)
	if err != nil {
		return response{}, err
	}
	return soleResponse(op, bytes, kind)
}

// readyToGet is ready, and refuses a zero id (R1).
func (db *DB) readyToGet(ctx context.Context, op, field string, id ID) error {
	if err := db.ready(ctx, op); err != nil {
		return err
	}
	if id.IsZero() {
		return refused(ErrMalformed, op, "%s is zero, which is never an id (R1)", field)
	}
	return nil
}
