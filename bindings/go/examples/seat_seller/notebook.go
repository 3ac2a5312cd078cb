// The notebook: the buyers' own memory, a page each, in a file that is mapped into memory.
//
// Its layout is that of bindings/c/examples/seat_seller.h, because sellers in three languages take
// turns with it. Stores to a mapped file survive kill -9: the pages are the kernel's and not the
// process's. The next step's fields are written first, its number last, and no step reads a field
// that is written on the way to the step behind it: so a page is whole at whatever instruction the
// process is killed.

package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	allocdb "github.com/allocdb/allocdb-go"
)

const (
	buyersMax   = 256
	partyLenMax = 4
)

// step is where a buyer is. One that names a command means: this command may have been sent.
type step = uint32

const (
	stepChoose step = iota
	stepReserve
	stepThink
	stepConfirm
	stepRelease
)

const (
	planBuy uint32 = iota
	planDither
	planWalkAway
	planCancel
)

// id128 is an id as C keeps it: the lower half first.
type id128 struct{ lo, hi uint64 }

func (id id128) id() allocdb.ID { return allocdb.NewID(id.hi, id.lo) }

func halvesOf(id allocdb.ID) id128 {
	hi, lo := id.Halves()
	return id128{lo, hi}
}

// page is one buyer's.
type page struct {
	step        atomic.Uint32
	plan        uint32
	seatCount   uint32
	seats       [partyLenMax]uint32
	clicksLeft  uint32
	operation   id128
	validUntil  uint64
	holder      id128
	reservation id128
	customers   uint64
	random      uint64
}

const pageBytes = 104

// A page of another size is another notebook: this does not compile then.
var _ = [1]struct{}{}[unsafe.Sizeof(page{})-pageBytes]

func openNotebook(path string) ([]page, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := file.Truncate(buyersMax * pageBytes); err != nil {
		return nil, err
	}
	bytes, err := syscall.Mmap(int(file.Fd()), 0, buyersMax*pageBytes,
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	return unsafe.Slice((*page)(unsafe.Pointer(&bytes[0])), buyersMax), nil
}

// below draws a random number below bound: xorshift64, as every language here does.
func (p *page) below(bound int) int {
	p.random ^= p.random << 13
	p.random ^= p.random >> 7
	p.random ^= p.random << 17
	return int(p.random >> 16 % uint64(bound))
}

func (p *page) party() []uint32 { return p.seats[:p.seatCount] }

func (p *page) setParty(seats []uint32) { p.seatCount = uint32(copy(p.seats[:], seats)) }

// resources are the ids of the page's seats.
func (p *page) resources() []allocdb.ID {
	ids := make([]allocdb.ID, 0, partyLenMax)
	for _, seat := range p.party() {
		ids = append(ids, seatID(seat))
	}
	return ids
}

// who says who has what, for the witness.
func (p *page) who() string { return digits(p.reservation.id()) + " " + digits(p.holder.id()) }

// digits gives an id as 32 hexadecimal digits.
func digits(id allocdb.ID) string { return hex.EncodeToString(id[:]) }

// seatsText says which seats, for the witness.
func (p *page) seatsText() string { return strings.Trim(fmt.Sprint(p.party()), "[]") }
