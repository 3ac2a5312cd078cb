// What the host wants next: the same weights as in bindings/c/torture/host.c.

package main

import (
	"context"
	"math/rand/v2"

	allocdb "github.com/allocdb/allocdb-go"
)

const staleLenMax = 8

// change is a command about a reservation that is there, or was.
func (h *host) change(ctx context.Context, draw *rand.Rand, stale *[]uint64, intent *record) {
	resource := allocdb.NewID(0, 1+draw.Uint64N(resourceCount))
	row, err := h.db.GetResource(ctx, resource, 0)
	held := err == nil && !row.Reservation.IsZero() && draw.IntN(8) != 0
	switch {
	case held:
		_, intent.Target = row.Reservation.Halves()
		_, intent.Holder = row.Holder.Halves()
		if draw.IntN(16) == 0 {
			intent.Holder++
		}
		if *stale = append(*stale, intent.Target); len(*stale) > staleLenMax {
			*stale = (*stale)[1:]
		}
	case len(*stale) > 0:
		intent.Target, intent.Holder = (*stale)[draw.IntN(len(*stale))], 1+draw.Uint64N(7)
	default:
		return
	}
	kinds := [...]allocdb.Kind{allocdb.KindConfirm, allocdb.KindExtend, allocdb.KindRelease}
	kind := kinds[draw.IntN(len(kinds))]
	if held && row.State == allocdb.ResourceConfirmed && draw.IntN(2) == 0 {
		kind = allocdb.KindRevoke
	}
	if held && row.State == allocdb.ResourceRevoking {
		kind = allocdb.KindReclaim
	}
	if kind == allocdb.KindRevoke || kind == allocdb.KindReclaim {
		intent.Holder = 0
	}
	if kind == allocdb.KindExtend {
		intent.TTLSlots = 1 + draw.Uint64N(ttlMax)
	}
	intent.Kind = uint32(kind)
}

// choose is a command of the host's own; a reserve unless something else can be done.
func (h *host) choose(ctx context.Context, draw *rand.Rand, stale *[]uint64) record {
	intent := record{
		Operation: h.life<<20 | h.operations.Add(1), ValidUntilSlot: h.slot + windowSlots,
	}
	switch roll := draw.IntN(100); {
	case roll < 50:
		h.change(ctx, draw, stale, &intent)
	case roll < 59:
		intent.Kind = uint32(allocdb.KindCreate)
	case roll < 62:
		intent.Kind = uint32(allocdb.KindDelete)
	}
	if intent.Kind == 0 {
		intent.Kind, intent.Count = uint32(allocdb.KindReserve), uint32(1+draw.IntN(bundleLenMax))
		intent.Holder, intent.TTLSlots = 1+draw.Uint64N(7), 1+draw.Uint64N(ttlMax)
	}
	if intent.Target == 0 {
		intent.Target = 1 + draw.Uint64N(resourceCount+1-bundleLenMax)
	}
	return intent
}
