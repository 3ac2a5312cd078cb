// What is asked and what is answered: commands, their operations, and outcomes.
//
// One struct serves every kind of command, so that a batch is a plain slice and a caller reuses it.
// A field that a kind does not use must be zero: a reservation given where a resource belongs is
// refused here, and not taken for another id. Rejected: a type for each kind behind an interface,
// which puts every command of a batch on the heap.

package allocdb

import (
	"fmt"
	"time"
)

// Kind says what a [Command] does. Its numbers are those of the C header.
type Kind uint8

// The kinds of commands.
const (
	// KindCreate makes Resource known, available (R37).
	KindCreate Kind = 1
	// KindDelete forgets Resource, which must be available (R39).
	KindDelete Kind = 2
	// KindReserve gives Resource, or all of Resources, to Holder for TTL (R41).
	KindReserve Kind = 3
	// KindConfirm makes Reservation permanent: it has no deadline any more (R46).
	KindConfirm Kind = 4
	// KindExtend moves the deadline of Reservation to TTL from now, if that is later (R48).
	KindExtend Kind = 5
	// KindRelease ends Reservation: its resources become available (R50).
	KindRelease Kind = 6
	// KindRevoke takes a confirmed Reservation from its holder; nobody has it yet (R51).
	KindRevoke Kind = 7
	// KindReclaim ends a revoked Reservation: its resources become available (R52).
	KindReclaim Kind = 8
)

var kindNames = [...]string{"kind 0", "create", "delete", "reserve", "confirm", "extend",
	"release", "revoke", "reclaim"}

// String gives the kind's name, such as "reserve".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Operation names one logical command, so that a retry can repeat it. Make it with
// [DB.NewOperation], keep it until the outcome is known, and repeat it with the same command: the
// first outcome comes back, and nothing is executed twice (R60). The zero Operation asks for one to
// be made; the outcome shows it.
type Operation struct {
	// ID is unique among all operations of the dedupe window. A random id is right.
	ID ID
	// ValidUntilSlot is the last slot at which the command may be executed; 0 for no limit. With a
	// limit it is executed at most once for ever (R34), without one at most once in each window.
	ValidUntilSlot uint64
}

// IsZero says whether the operation is to be made.
func (o Operation) IsZero() bool { return o == Operation{} }

// Command is one command of a batch; see [DB.Do]. What its kind does not use must be zero.
type Command struct {
	// Kind says what to do.
	Kind Kind
	// Operation names the command for retries; zero to have one made.
	Operation Operation
	// Resource is what KindCreate, KindDelete and KindReserve are about.
	Resource ID
	// Resources are what KindReserve takes as one bundle, all or none, in the place of Resource:
	// at most max_bundle_len different ones. Read during the call only.
	Resources []ID
	// Reservation is what all other kinds are about.
	Reservation ID
	// Holder is who holds, for KindReserve, KindConfirm, KindExtend and KindRelease.
	Holder ID
	// TTL is for how long KindReserve and KindExtend hold, rounded up to whole slots, and one slot
	// more, because the first one is under way: never shorter than asked.
	TTL time.Duration
	// TTLSlots is the TTL in exact slots, in the place of TTL: 1 to max_ttl_slots. With n of them
	// a reservation holds through the n - 1 slots after its own (R55).
	TTLSlots uint64
}

// Code says how a committed command was decided. Its numbers are those of the C header. It is an
// error, to compare [ResultError] with.
type Code uint32

// The result codes.
const (
	// Done: the command took effect.
	Done Code = 0
	// ResourceExists: a resource with this id is there already.
	ResourceExists Code = 1
	// ResourceTableFull: all max_resources places are taken.
	ResourceTableFull Code = 2
	// ResourceNotFound: no resource with this id.
	ResourceNotFound Code = 3
	// ResourceBusy: the resource is reserved, confirmed or being revoked.
	ResourceBusy Code = 4
	// ReservationTableFull: all max_reservations places are taken.
	ReservationTableFull Code = 5
	// ExpirationIndexFull: max_expiration_bucket_len reservations already have this deadline.
	ExpirationIndexFull Code = 6
	// ReservationNotFound: no reservation with this id.
	ReservationNotFound Code = 7
	// ReservationRetired: the reservation ended and is no longer remembered.
	ReservationRetired Code = 8
	// HolderMismatch: the reservation belongs to another holder.
	HolderMismatch Code = 9
	// InvalidState: the reservation is not in a state that allows this.
	InvalidState Code = 10
)

var codeNames = [...]string{"done", "resource_exists", "resource_table_full", "resource_not_found",
	"resource_busy", "reservation_table_full", "expiration_index_full", "reservation_not_found",
	"reservation_retired", "holder_mismatch", "invalid_state"}

// String gives the code's name, such as "resource_busy".
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("result code %d", uint32(c))
}

// Error is [Code.String]: a Code is an error to compare a [ResultError] with.
func (c Code) Error() string { return c.String() }

// Outcome is the answer to one command.
type Outcome struct {
	// Operation is what the command was known by: the caller's, or the one that was made.
	Operation Operation
	// Code says how the command was decided. Meaningless unless it was committed; see OK.
	Code Code
	// LSN is the log position at which the command was first applied; 0 if it was not committed.
	LSN uint64
	// Reservation is what was made or changed; zero if none. It grows with every new reservation:
	// show it to outside systems as a fencing token (R2).
	Reservation ID
	// DeadlineSlot is the deadline that a reserve or extend left; 0 otherwise.
	DeadlineSlot uint64
	// FailedIndex says which resource of a bundle failed, from 0 (R44); -1 otherwise.
	FailedIndex int
	// FromRetryCache says that this repeats the answer of an earlier submission (R60).
	FromRetryCache bool
	// Failure is why the command was not committed, or why nobody knows; nil if it was.
	Failure *Error
}

// OK says whether the command was committed and took effect.
func (o *Outcome) OK() bool { return o.Failure == nil && o.LSN != 0 && o.Code == Done }

// Err is nil if the command took effect, an [*Error] if it was not committed, and a [*ResultError]
// if it was decided otherwise: a resource that was busy, say.
func (o *Outcome) Err() error {
	switch {
	case o.Failure != nil:
		return o.Failure
	case o.LSN == 0:
		return invalid("outcome", "the outcome is empty: no command was committed")
	case o.Code != Done:
		return &ResultError{Outcome: *o}
	}
	return nil
}

// wellFormed is check for the common case, quick: where it is true, check finds nothing. It leaves
// bundles, and everything that is to be refused, to check.
func (c *Command) wellFormed() bool {
	resource, reservation, holder := c.Resource != ID{}, c.Reservation != ID{}, c.Holder != ID{}
	if len(c.Resources) != 0 {
		return false
	}
	// One of the two, and above 0.
	ttl := c.TTL > 0 && c.TTLSlots == 0 || c.TTL == 0 && c.TTLSlots != 0
	noTTL := c.TTL == 0 && c.TTLSlots == 0
	switch c.Kind {
	case KindCreate, KindDelete:
		return resource && !reservation && !holder && noTTL
	case KindReserve:
		return resource && !reservation && holder && ttl
	case KindConfirm, KindRelease:
		return !resource && reservation && holder && noTTL
	case KindExtend:
		return !resource && reservation && holder && ttl
	case KindRevoke, KindReclaim:
		return !resource && reservation && !holder && noTTL
	}
	return false
}

// check refuses what no configuration could allow; the library checks the rest.
func (c *Command) check() *Error {
	op := c.Kind.String()
	if c.Kind < KindCreate || c.Kind > KindReclaim {
		return invalid(op, "Kind is %d, must be %d to %d", c.Kind, KindCreate, KindReclaim)
	}
	if err := c.checkIDs(op); err != nil {
		return err
	}
	takesTTL := c.Kind == KindReserve || c.Kind == KindExtend
	switch {
	case !takesTTL && c.TTL != 0:
		return invalid(op, "TTL is %s, must be 0 for this kind", c.TTL)
	case !takesTTL && c.TTLSlots != 0:
		return invalid(op, "TTLSlots is %d, must be 0 for this kind", c.TTLSlots)
	case c.TTL != 0 && c.TTLSlots != 0:
		return invalid(op, "TTL is %s and TTLSlots is %d, must be one of them", c.TTL, c.TTLSlots)
	case takesTTL && c.TTL <= 0 && c.TTLSlots == 0:
		// R27
		return refused(ErrTTLOutOfRange, op, "TTL is %s, must be greater than 0", c.TTL)
	}
	return nil
}

func (c *Command) checkIDs(op string) *Error {
	takesResource := c.Kind <= KindReserve
	takesHolder := c.Kind >= KindReserve && c.Kind <= KindRelease
	bundle := len(c.Resources) != 0
	if bundle && c.Kind != KindReserve {
		return invalid(op, "Resources has %d ids, must be empty for this kind", len(c.Resources))
	}
	if bundle && !c.Resource.IsZero() {
		return invalid(op, "Resource and Resources are both given, must be one of them")
	}
	if len(c.Resources) > bundleLenMax {
		return refused(ErrBundleTooLarge, op, "%d resources in one reserve, must be at most %d",
			len(c.Resources), bundleLenMax)
	}
	if err := checkID(op, "Resource", c.Resource, takesResource && !bundle); err != nil && !bundle {
		return err
	}
	for i := range c.Resources {
		if c.Resources[i].IsZero() {
			return refused(ErrMalformed, op, "Resources[%d] is zero, which is never an id (R1)", i)
		}
	}
	if err := checkID(op, "Reservation", c.Reservation, !takesResource); err != nil {
		return err
	}
	return checkID(op, "Holder", c.Holder, takesHolder)
}

// checkID refuses a zero id where one is wanted (R1), and an id where none is.
func checkID(op, field string, id ID, wanted bool) *Error {
	switch {
	case wanted && id.IsZero():
		return refused(ErrMalformed, op, "%s is zero, which is never an id (R1)", field)
	case !wanted && !id.IsZero():
		return invalid(op, "%s is %s, must be zero for this kind", field, id)
	}
	return nil
}
