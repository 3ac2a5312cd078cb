// What reads show: resources and reservations.

package allocdb

import "fmt"

// ResourceState is what a resource is. Its numbers are those of the C header.
type ResourceState uint32

// The states of a resource (R7).
const (
	// ResourceAvailable: nobody has it.
	ResourceAvailable ResourceState = 1
	// ResourceReserved: held until a deadline.
	ResourceReserved ResourceState = 2
	// ResourceConfirmed: held until released or revoked.
	ResourceConfirmed ResourceState = 3
	// ResourceRevoking: its holder lost it, and it is not reusable before the reclaim.
	ResourceRevoking ResourceState = 4
)

// String gives the state's name, such as "available".
func (s ResourceState) String() string {
	names := [...]string{"", "available", "reserved", "confirmed", "revoking"}
	if s > 0 && int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("resource state %d", uint32(s))
}

// ReservationState is what a reservation is. Its numbers are those of the C header.
type ReservationState uint32

// The states of a reservation (R9): the first three are live, the others terminal.
const (
	// ReservationReserved: held until a deadline.
	ReservationReserved ReservationState = 1
	// ReservationConfirmed: held until released or revoked.
	ReservationConfirmed ReservationState = 2
	// ReservationRevoking: revoked by an operator, not yet reclaimed.
	ReservationRevoking ReservationState = 3
	// ReservationReleased: ended by its holder.
	ReservationReleased ReservationState = 4
	// ReservationExpired: ended by its deadline.
	ReservationExpired ReservationState = 5
	// ReservationRevoked: ended by an operator.
	ReservationRevoked ReservationState = 6
)

// String gives the state's name, such as "confirmed".
func (s ReservationState) String() string {
	names := [...]string{"", "reserved", "confirmed", "revoking", "released", "expired", "revoked"}
	if s > 0 && int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("reservation state %d", uint32(s))
}

// Resource is a resource, as [DB.GetResource] and [DB.Resources] show it.
type Resource struct {
	// ID is the resource.
	ID ID
	// Reservation is its live reservation; zero if it is available.
	Reservation ID
	// Holder is who holds that; zero if it is available.
	Holder ID
	// Version grows by one with each change of state (R8). An observation, not a guard.
	Version uint64
	// State is what it is.
	State ResourceState
}

// Reservation is a reservation, as [DB.GetReservation] and [DB.Reservations] show it.
type Reservation struct {
	// ID is the reservation.
	ID ID
	// Holder is who holds or held it.
	Holder ID
	// FirstResource is the first of its resources, also when it has ended (R10).
	FirstResource ID
	// Resources are all of them, in the order of the reserve: from GetReservation alone, and only
	// while it lives. A copy that is the caller's.
	Resources []ID
	// CreatedLSN is the log position of its reserve.
	CreatedLSN uint64
	// DeadlineSlot is when a reserved one may be freed by time; 0 in other states (R11).
	DeadlineSlot uint64
	// EndedLSN is the log position at which it ended; 0 while it lives.
	EndedLSN uint64
	// RetireAfterSlot is from when on an ended one is forgotten; 0 while it lives.
	RetireAfterSlot uint64
	// State is what it is.
	State ReservationState
	// ResourceCount is how many resources it holds or held.
	ResourceCount uint32
}

// Live says whether the reservation still holds its resources.
func (r *Reservation) Live() bool { return r.State <= ReservationRevoking && r.State != 0 }
