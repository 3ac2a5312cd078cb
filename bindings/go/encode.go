// Requests as bytes: the encoder of the codec.
//
// The layout is docs/codec.md's: a header of 16 bytes {len u32, version u8, kind u8, flags u16,
// tag u64}, then a fixed body per kind, little-endian. A buffer grows once for each message, and
// its bytes are then written at fixed offsets, which the compiler turns into plain stores. A u32
// that is followed by a reserved one is written as a u64, so that every byte is written and none
// has to be cleared. The golden vectors of the Rust codec check every message byte for byte, in a
// buffer that is full of ones.

package allocdb

import (
	"encoding/binary"
	"slices"
)

const (
	headerBytes    = 16
	codecVersion   = 1
	responseBit    = 0x80
	bundleLenMax   = 1024
	listRowsMax    = 8192
	reserveIDsFrom = 80
)

// Kinds of messages that are no commands.
const (
	kindTick             = 0x10
	kindGetResource      = 0x20
	kindGetReservation   = 0x21
	kindGetOperation     = 0x22
	kindListResources    = 0x23
	kindListReservations = 0x24
	kindHealth           = 0x30
	kindConfiguration    = 0x31
	kindRecoveryReport   = 0x32
	kindCheckpoint       = 0x33
)

var little = binary.LittleEndian

// appendMessage appends a message of size bytes with its header, and gives those bytes too. The
// body is the caller's to write, every byte of it: the buffer has been used before.
func appendMessage(dst []byte, kind uint8, tag uint64, size int) (all, message []byte) {
	at := len(dst)
	dst = slices.Grow(dst, size)[:at+size]
	message = dst[at : at+size : at+size]
	little.PutUint64(message, header(kind, size))
	little.PutUint64(message[8:], tag)
	return dst, message
}

// header is the first half of a message's header: length, version, kind, and no flags.
func header(kind uint8, size int) uint64 {
	return uint64(size) | codecVersion<<32 | uint64(kind)<<40
}

// putID writes an id as a little-endian number of 128 bits.
func putID(dst []byte, id *ID) {
	_ = dst[15]
	little.PutUint64(dst, binary.BigEndian.Uint64(id[8:]))
	little.PutUint64(dst[8:], binary.BigEndian.Uint64(id[:8]))
}

// appendCommand appends a checked command. slot 0 is now.
func appendCommand(dst []byte, tag, slot uint64, c *Command, op Operation, ttlSlots uint64) []byte {
	dst, m := appendMessage(dst, uint8(c.Kind), tag, commandBytes(c))
	little.PutUint64(m[16:], slot)
	putID(m[24:], &op.ID)
	little.PutUint64(m[40:], op.ValidUntilSlot)
	switch c.Kind {
	case KindCreate, KindDelete:
		putID(m[48:], &c.Resource)
	case KindReserve:
		putID(m[48:], &c.Holder)
		little.PutUint64(m[64:], ttlSlots)
		if len(c.Resources) == 0 {
			little.PutUint64(m[72:], 1)
			putID(m[reserveIDsFrom:], &c.Resource)
			break
		}
		little.PutUint64(m[72:], uint64(len(c.Resources)))
		for i := range c.Resources {
			putID(m[reserveIDsFrom+16*i:], &c.Resources[i])
		}
	case KindConfirm, KindRelease:
		putID(m[48:], &c.Reservation)
		putID(m[64:], &c.Holder)
	case KindExtend:
		putID(m[48:], &c.Reservation)
		putID(m[64:], &c.Holder)
		little.PutUint64(m[80:], ttlSlots)
	case KindRevoke, KindReclaim:
		putID(m[48:], &c.Reservation)
	}
	return dst
}

// commandBytes is the length of a command's message.
func commandBytes(c *Command) int {
	switch c.Kind {
	case KindReserve:
		return reserveIDsFrom + 16*max(1, len(c.Resources))
	case KindConfirm, KindRelease:
		return 80
	case KindExtend:
		return 88
	}
	return 64
}

func appendTick(dst []byte, tag, slot uint64, limit uint32) []byte {
	dst, m := appendMessage(dst, kindTick, tag, 32)
	little.PutUint64(m[16:], slot)
	little.PutUint64(m[24:], uint64(limit))
	return dst
}

// appendGet appends a read of one resource or operation.
func appendGet(dst []byte, kind uint8, tag, requiredLSN uint64, id ID) []byte {
	dst, m := appendMessage(dst, kind, tag, 40)
	little.PutUint64(m[16:], requiredLSN)
	putID(m[24:], &id)
	return dst
}

func appendGetReservation(dst []byte, tag, requiredLSN uint64, id ID, capacity uint32) []byte {
	dst, m := appendMessage(dst, kindGetReservation, tag, 48)
	little.PutUint64(m[16:], requiredLSN)
	putID(m[24:], &id)
	little.PutUint64(m[40:], uint64(capacity))
	return dst
}

// listing is the request for a page of rows.
type listing struct {
	requiredLSN, cursor uint64
	holder              ID
	states              uint32
	rowCountMax         uint32
}

func appendList(dst []byte, kind uint8, tag uint64, l *listing) []byte {
	dst, m := appendMessage(dst, kind, tag, 56)
	little.PutUint64(m[16:], l.requiredLSN)
	little.PutUint64(m[24:], l.cursor)
	putID(m[32:], &l.holder)
	little.PutUint32(m[48:], l.states)
	little.PutUint32(m[52:], l.rowCountMax)
	return dst
}

func appendHealth(dst []byte, tag, slot uint64) []byte {
	dst, m := appendMessage(dst, kindHealth, tag, 24)
	little.PutUint64(m[16:], slot)
	return dst
}

// appendBare appends a request without a body.
func appendBare(dst []byte, kind uint8, tag uint64) []byte {
	dst, _ = appendMessage(dst, kind, tag, headerBytes)
	return dst
}
