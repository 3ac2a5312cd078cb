// The planted bugs of the fuzz layer: a decoder that trusts a count, which the fuzzer must find.
//
// FuzzResponse (reads_test.go) sends any bytes through every decoder of this package; this is the
// same with a wrong one, so that a run that finds nothing is known to look. The golden vectors
// alone, which ordinary tests run, do not trip it.

package allocdb

import (
	"bytes"
	"hash/fnv"
	"testing"
)

// neighbourCount is how many messages are tried for each that the fuzzer draws: itself and what
// lies a change away. The fuzzer looks for the way into new code, at a cost for each input that
// it hands over; around each the decoders are tried closely. scripts/torture/fuzz_go.sh knows
// the number.
const neighbourCount = 64

// withNeighbours tries a message and its neighbours. They follow from the message alone, so an
// input that was found repeats.
func withNeighbours(message []byte, try func([]byte)) {
	try(message)
	hash := fnv.New64a()
	hash.Write(message)
	random := hash.Sum64() | 1
	draw := func(bound int) int {
		random ^= random << 13
		random ^= random >> 7
		random ^= random << 17
		return int(random>>33) % max(bound, 1)
	}
	neighbour := make([]byte, 0, len(message)+16)
	for range neighbourCount - 1 {
		neighbour = append(neighbour[:0], message...)
		for range 1 + draw(3) {
			neighbour = changed(neighbour, draw)
		}
		try(neighbour)
	}
}

// changed makes one change to a message: a bit, a byte or a number at a bound, another length, a
// part that stands twice.
func changed(message []byte, draw func(int) int) []byte {
	if len(message) == 0 {
		return append(message, byte(draw(256)))
	}
	at := draw(len(message))
	switch draw(6) {
	case 0:
		message[at] ^= 1 << draw(8)
	case 1:
		message[at] = []byte{0, 1, 0x7f, 0x80, 0xff}[draw(5)]
	case 2:
		if at&^3+4 <= len(message) {
			bounds := []uint32{0, 1, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1}
			little.PutUint32(message[at&^3:], bounds[draw(len(bounds))])
		}
	case 3:
		message = message[:at]
	case 4:
		message = append(message, make([]byte, 1+draw(16))...)
	default:
		copy(message[at:], bytes.Clone(message[draw(len(message)):]))
	}
	return message
}

// trustingIDs reads a reservation's ids without asking whether they are there.
func trustingIDs(message []byte) (ids []ID) {
	r, _, err := nextResponse("test", message, kindGetReservation)
	if err != nil || r.failure.status != StatusOK {
		return nil
	}
	for i := range min(little.Uint32(r.message[120:]), 1024) {
		ids = append(ids, idAt(r.message[reservationBytes+16*i:]))
	}
	return ids
}

func FuzzCanary(f *testing.F) {
	for _, v := range loadVectors(f).Responses {
		f.Add(unhex(f, v.Hex))
	}
	f.Fuzz(func(_ *testing.T, message []byte) { trustingIDs(message) })
}
