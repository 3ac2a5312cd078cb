// The witness's records: bindings/c/torture/witness.h says what they mean.

package main

import (
	"bytes"
	"encoding/binary"

	allocdb "github.com/allocdb/allocdb-go"
)

const (
	saidBorn uint32 = 1 + iota
	saidOpened
	saidIntent
	saidAnswer
	saidCheckpoint
	saidTick
	saidClosing
	saidRefused
	saidBackup
)

const (
	recordBytes   = 128
	statusNone    = -1
	noIndex       = 1<<32 - 1
	kindExpireDue = 9
	operationTag  = 0x0B
)

// record is 128 bytes, little-endian, its sum last.
type record struct {
	Type, Kind, Life, Batch                                   uint32
	Slot, Operation, ValidUntilSlot, Target, Holder, TTLSlots uint64
	Count, BatchLen                                           uint32
	Status                                                    int32
	Code                                                      uint32
	LSN, Reservation, DeadlineSlot                            uint64
	FailedIndex, FromRetryCache                               uint32
	Reserved, Sum                                             uint64
}

func (r *record) append(text []byte) []byte {
	begin := len(text)
	// Neither can fail: the struct has a fixed size.
	text, _ = binary.Append(text, binary.LittleEndian, r)
	sum := uint64(0)
	for at := begin; at < begin+recordBytes-8; at += 8 {
		sum += binary.LittleEndian.Uint64(text[at:])
	}
	binary.LittleEndian.PutUint64(text[begin+recordBytes-8:], sum)
	return text
}

func recordOf(text []byte) (r record) {
	_ = binary.Read(bytes.NewReader(text[:recordBytes]), binary.LittleEndian, &r)
	r.Sum = 0
	return r
}

// command is what an intent asks for.
func (r *record) command() allocdb.Command {
	c := allocdb.Command{
		Kind: allocdb.Kind(r.Kind),
		Operation: allocdb.Operation{
			ID: allocdb.NewID(operationTag, r.Operation), ValidUntilSlot: r.ValidUntilSlot,
		},
		Holder: allocdb.NewID(0, r.Holder), TTLSlots: r.TTLSlots,
	}
	target := allocdb.NewID(0, r.Target)
	switch {
	case c.Kind == allocdb.KindReserve && r.Count > 1:
		for i := range uint64(r.Count) {
			c.Resources = append(c.Resources, allocdb.NewID(0, r.Target+i))
		}
	case c.Kind <= allocdb.KindReserve:
		c.Resource = target
	default:
		c.Reservation = target
	}
	return c
}

// answer takes an outcome down.
func (r *record) answer(outcome *allocdb.Outcome) {
	if outcome.Failure != nil {
		r.Status = int32(outcome.Failure.Status)
		return
	}
	r.Status, r.Code, r.LSN = 0, uint32(outcome.Code), outcome.LSN
	_, r.Reservation = outcome.Reservation.Halves()
	r.DeadlineSlot, r.FailedIndex = outcome.DeadlineSlot, noIndex
	if outcome.FailedIndex >= 0 {
		r.FailedIndex = uint32(outcome.FailedIndex)
	}
	if outcome.FromRetryCache {
		r.FromRetryCache = 1
	}
}
