// Responses as bytes: the decoder of the codec.
//
// A response is a header of 16 bytes, a status, an errno, and then either a body of a fixed layout
// per kind (docs/codec.md) or four detail words. Lengths are checked once, at the front of each
// message; a response that is not what its request asked for is an error and never a panic, because
// the bytes come from a library that may be newer than this package. Reserved bytes are not looked
// at: a later version may fill them.

package allocdb

import (
	"encoding/binary"
	"time"
)

const (
	outcomeBytes        = 72
	tickBytes           = 56
	resourceBytes       = 88
	reservationBytes    = 128
	listBytes           = 56
	resourceRowBytes    = 64
	reservationRowBytes = 96
	configurationBytes  = 160
	recoveryBytes       = 96
	checkpointBytes     = 80
	healthBytes         = 1048
	healthWords         = 128
)

// response is one message of an answer, cut out of it.
type response struct {
	tag     uint64
	failure failure
	// message is the whole message; as long as its kind's least where the status is 0.
	message []byte
}

// errResponse is the library's answer being none: nobody knows what happened.
func errResponse(op, what string) *Error {
	return refused(ErrPanic, op, "the library's response is not one that this package knows: %s",
		what)
}

// bodyBytesMin is the least length of a response to a request of this kind.
func bodyBytesMin(kind uint8) int {
	switch kind {
	case kindTick:
		return tickBytes
	case kindGetResource:
		return resourceBytes
	case kindGetReservation:
		return reservationBytes
	case kindListResources, kindListReservations:
		return listBytes
	case kindHealth:
		return healthBytes
	case kindConfiguration:
		return configurationBytes
	case kindRecoveryReport:
		return recoveryBytes
	case kindCheckpoint:
		return checkpointBytes
	}
	return outcomeBytes
}

// nextResponse cuts the first message off bytes; it must answer a request of this kind.
func nextResponse(op string, bytes []byte, kind uint8) (r response, rest []byte, err *Error) {
	if len(bytes) < headerBytes {
		return r, nil, errResponse(op, "a message is cut short")
	}
	size := uint64(little.Uint32(bytes))
	switch {
	case bytes[4] != codecVersion:
		return r, nil, errResponse(op, "another version")
	case bytes[5] != kind|responseBit:
		return r, nil, errResponse(op, "another kind than the request's")
	case size > uint64(len(bytes)) || size < uint64(bodyBytesMin(kind)):
		return r, nil, errResponse(op, "a length that does not fit")
	}
	r.message = bytes[:size:size]
	r.tag = little.Uint64(r.message[8:])
	if status := Status(int32(little.Uint32(r.message[16:]))); status != StatusOK {
		r.failure = failure{status: status, errno: int32(little.Uint32(r.message[20:]))}
		for i := range r.failure.detail {
			r.failure.detail[i] = little.Uint64(r.message[24+8*i:])
		}
	}
	return r, bytes[size:], nil
}

// soleResponse is nextResponse for an answer of one message.
func soleResponse(op string, bytes []byte, kind uint8) (response, *Error) {
	r, rest, err := nextResponse(op, bytes, kind)
	if err != nil {
		return r, err
	}
	if len(rest) != 0 {
		return r, errResponse(op, "more than was asked for")
	}
	if r.failure.status != StatusOK {
		return r, responseError(op, r.failure)
	}
	return r, nil
}

// idAt reads an id, a little-endian number of 128 bits.
func idAt(bytes []byte) (id ID) {
	_ = bytes[15]
	binary.BigEndian.PutUint64(id[:8], little.Uint64(bytes[8:]))
	binary.BigEndian.PutUint64(id[8:], little.Uint64(bytes))
	return id
}

// outcomeAt fills what a successful response says; operation and failure are the caller's to fill.
func outcomeAt(message []byte, o *Outcome) {
	m := message[:outcomeBytes]
	o.LSN = little.Uint64(m[24:])
	o.Reservation = idAt(m[32:])
	o.DeadlineSlot = little.Uint64(m[48:])
	o.Code = Code(little.Uint32(m[56:]))
	o.FailedIndex = int(int32(little.Uint32(m[60:])))
	o.FromRetryCache = little.Uint32(m[64:]) != 0
}

func (r *response) tick() TickResult {
	m := r.message[:tickBytes]
	return TickResult{
		LSN:          little.Uint64(m[24:]),
		Slot:         little.Uint64(m[32:]),
		DueCount:     little.Uint64(m[40:]),
		ExpiredCount: little.Uint32(m[48:]),
	}
}

func resourceAt(row []byte) Resource {
	row = row[:resourceRowBytes]
	return Resource{
		ID:          idAt(row),
		Reservation: idAt(row[16:]),
		Holder:      idAt(row[32:]),
		Version:     little.Uint64(row[48:]),
		State:       ResourceState(little.Uint32(row[56:])),
	}
}

func reservationAt(row []byte) Reservation {
	row = row[:reservationRowBytes]
	return Reservation{
		ID:              idAt(row),
		Holder:          idAt(row[16:]),
		FirstResource:   idAt(row[32:]),
		CreatedLSN:      little.Uint64(row[48:]),
		DeadlineSlot:    little.Uint64(row[56:]),
		EndedLSN:        little.Uint64(row[64:]),
		RetireAfterSlot: little.Uint64(row[72:]),
		State:           ReservationState(little.Uint32(row[80:])),
		ResourceCount:   little.Uint32(row[84:]),
	}
}

// reservation reads a reservation with the ids of its resources.
func (r *response) reservation(op string) (Reservation, *Error) {
	row := reservationAt(r.message[24:])
	count := uint64(little.Uint32(r.message[120:]))
	ids := r.message[reservationBytes:]
	if count*16 > uint64(len(ids)) {
		return Reservation{}, errResponse(op, "fewer ids than it says")
	}
	if count > 0 {
		row.Resources = make([]ID, count)
		for i := range row.Resources {
			row.Resources[i] = idAt(ids[16*i:])
		}
	}
	return row, nil
}

// page is where a listing goes on, and its rows, not yet decoded.
type page struct {
	nextCursor, appliedLSN uint64
	rowCount               int
	rows                   []byte
}

func (r *response) page(op string, rowBytes int) (page, *Error) {
	count := uint64(little.Uint32(r.message[40:]))
	rows := r.message[listBytes:]
	if count*uint64(rowBytes) > uint64(len(rows)) {
		return page{}, errResponse(op, "fewer rows than it says")
	}
	return page{
		nextCursor: little.Uint64(r.message[24:]),
		appliedLSN: little.Uint64(r.message[32:]),
		rowCount:   int(count),
		rows:       rows,
	}, nil
}

func (r *response) configuration() Configuration {
	m := r.message[:configurationBytes]
	return Configuration{
		DatabaseID:             idAt(m[24:]),
		ShardID:                little.Uint64(m[40:]),
		SlotDuration:           milliseconds(little.Uint64(m[48:])),
		MaxTTLSlots:            little.Uint64(m[56:]),
		OperationWindowSlots:   little.Uint64(m[64:]),
		HistoryWindowSlots:     little.Uint64(m[72:]),
		MaxResources:           little.Uint32(m[80:]),
		MaxReservations:        little.Uint32(m[84:]),
		MaxOperations:          little.Uint32(m[88:]),
		MaxBundleLen:           little.Uint32(m[92:]),
		MaxExpirationBucketLen: little.Uint32(m[96:]),
		MaxExpirationsPerTick:  little.Uint32(m[100:]),
		MaxBatchCommands:       little.Uint32(m[104:]),
		MaxQueue:               little.Uint32(m[108:]),
		MaxBatchBytes:          little.Uint64(m[112:]),
	}
}

func (r *response) recoveryReport() RecoveryReport {
	m := r.message[:recoveryBytes]
	return RecoveryReport{
		Start:           StartKind(little.Uint32(m[24:])),
		SnapshotLSN:     little.Uint64(m[32:]),
		FramesReplayed:  little.Uint64(m[40:]),
		RecordsReplayed: little.Uint64(m[48:]),
		LastLSN:         little.Uint64(m[56:]),
		LastSlot:        little.Uint64(m[64:]),
		TornBytes:       little.Uint64(m[72:]),
		RewrittenBytes:  little.Uint64(m[80:]),
		Duration:        nanoseconds(little.Uint64(m[88:])),
	}
}

func (r *response) checkpoint() CheckpointReport {
	m := r.message[:checkpointBytes]
	return CheckpointReport{
		AnchorLSN:      little.Uint64(m[24:]),
		SnapshotBytes:  little.Uint64(m[32:]),
		LogBytesBefore: little.Uint64(m[40:]),
		LogBytesAfter:  little.Uint64(m[48:]),
		Duration:       nanoseconds(little.Uint64(m[56:])),
		Stall:          nanoseconds(little.Uint64(m[64:])),
		Written:        little.Uint32(m[72:]) != 0,
	}
}

func (r *response) health() Health {
	var words [healthWords]uint64
	for i := range words {
		words[i] = little.Uint64(r.message[24+8*i:])
	}
	return healthOf(&words)
}

// milliseconds and nanoseconds convert what a time.Duration holds, and give the longest otherwise.
func milliseconds(n uint64) time.Duration {
	if n > uint64(durationMax/time.Millisecond) {
		return durationMax
	}
	return time.Duration(n) * time.Millisecond
}

func nanoseconds(n uint64) time.Duration {
	return time.Duration(min(n, uint64(durationMax)))
}

const durationMax = time.Duration(1<<63 - 1)
