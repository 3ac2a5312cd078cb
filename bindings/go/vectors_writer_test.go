// The other direction of the codec, for tests alone: decoded responses as bytes again.

package allocdb

import (
	"encoding/binary"
	"testing"
	"time"
)

type responseWriter struct{ out []byte }

func (w *responseWriter) bytes(values ...byte) { w.out = append(w.out, values...) }

func (w *responseWriter) u32(values ...uint32) {
	for _, value := range values {
		w.out = binary.LittleEndian.AppendUint32(w.out, value)
	}
}

func (w *responseWriter) u64(values ...uint64) {
	for _, value := range values {
		w.out = binary.LittleEndian.AppendUint64(w.out, value)
	}
}

func (w *responseWriter) ids(ids ...ID) {
	for _, id := range ids {
		hi, lo := id.Halves()
		w.u64(lo, hi)
	}
}

func (w *responseWriter) bool32(value bool) {
	if value {
		w.u32(1)
	} else {
		w.u32(0)
	}
}

// nanoseconds writes a duration; what a time.Duration cannot hold is taken from the message, where
// it must have become the longest.
func (w *responseWriter) nanoseconds(message []byte, d time.Duration) {
	if word := binary.LittleEndian.Uint64(message); word > uint64(durationMax) && d == durationMax {
		w.u64(word)
		return
	}
	w.u64(uint64(d))
}

func (w *responseWriter) padded(size int) []byte {
	return append(w.out, make([]byte, max(size-len(w.out), 0))...)
}

func (w *responseWriter) resource(r Resource) {
	w.ids(r.ID, r.Reservation, r.Holder)
	w.u64(r.Version)
	w.u32(uint32(r.State), 0)
}

func (w *responseWriter) reservation(r Reservation) {
	w.ids(r.ID, r.Holder, r.FirstResource)
	w.u64(r.CreatedLSN, r.DeadlineSlot, r.EndedLSN, r.RetireAfterSlot)
	w.u32(uint32(r.State), r.ResourceCount)
	w.u64(0)
}

func (w *responseWriter) page(t *testing.T, v vector, r *response) {
	t.Helper()
	rowBytes := resourceRowBytes
	if v.Kind&^responseBit == kindListReservations {
		rowBytes = reservationRowBytes
	}
	p, err := r.page("test", rowBytes)
	if err != nil {
		t.Fatal(err)
	}
	w.u64(p.nextCursor, p.appliedLSN)
	w.u32(uint32(p.rowCount), 0, 0, 0)
	for i := range p.rowCount {
		if row := p.rows[i*rowBytes:]; rowBytes == resourceRowBytes {
			w.resource(resourceAt(row))
		} else {
			w.reservation(reservationAt(row))
		}
	}
}

func (w *responseWriter) configuration(c Configuration) {
	w.ids(c.DatabaseID)
	w.u64(c.ShardID, uint64(c.SlotDuration/time.Millisecond), c.MaxTTLSlots, c.OperationWindowSlots,
		c.HistoryWindowSlots)
	w.u32(c.MaxResources, c.MaxReservations, c.MaxOperations, c.MaxBundleLen,
		c.MaxExpirationBucketLen, c.MaxExpirationsPerTick, c.MaxBatchCommands, c.MaxQueue)
	w.u64(c.MaxBatchBytes)
}
