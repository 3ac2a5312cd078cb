// The planted bugs of the fuzz layer: a decoder that trusts a count, which the fuzzer must find.
//
// FuzzResponse (reads_test.go) sends any bytes through every decoder of this package; this is the
// same with a wrong one, so that a run that finds nothing is known to look. The golden vectors
// alone, which ordinary tests run, do not trip it.

package allocdb

import "testing"

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
