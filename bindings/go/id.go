// What has a name: 128-bit ids, and how they are written.
//
// An ID is kept in the order of a UUID's bytes, which is big-endian: so it compares, sorts and
// prints as it reads, and a UUID of any other package converts without a loop. The codec's order is
// the other way round; only the encoder and the decoder know it.
//
// The rules R103 to R107 of the semantics are written here in Go, and checked against the vectors
// of the Rust code. Rejected: calling the C functions, at the price of a crossing for each name.

package allocdb

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// NameBytesMax is the length in bytes of the longest name (R103).
const NameBytesMax = 1024

// PackedNameBytesMax is the length in bytes of the longest name that an id holds as it is (R104).
const PackedNameBytesMax = 15

// ID names a resource, a holder, an operation or a reservation: 16 bytes in the order of a UUID's.
// The zero ID is never one (R1). IDs are comparable values; == and map keys work.
type ID [16]byte

// nameSpace is the namespace of names that are too long to be packed (R105).
var nameSpace = ID{
	0x1f, 0x4c, 0x56, 0xbe, 0x46, 0x1b, 0x5a, 0x1d, 0x8b, 0x20, 0x39, 0x9c, 0x53, 0x7d, 0xce, 0x72,
}

// NewID gives the id of two 64-bit halves, such as NewID(0, 21). NewID(0, 0) is never valid.
func NewID(hi, lo uint64) ID {
	var id ID
	binary.BigEndian.PutUint64(id[:8], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id
}

// RandomID draws a random id, a version 4 UUID, from the kernel.
func RandomID() ID {
	var id ID
	// Reading random bytes never fails: the Go runtime ends a program that has none.
	_, _ = rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// NameID gives the id of a name: 1 to 1024 bytes of UTF-8 without NUL (R103). The same name gives
// the same id in every language and in every process.
//
// A name of at most 15 bytes is packed into the id and can be read back by [ID.String] (R104); a
// longer one is hashed and cannot (R105). Anything else is [ErrInvalid].
func NameID(name string) (ID, error) {
	if err := checkName(name); err != nil {
		return ID{}, err
	}
	if len(name) <= PackedNameBytesMax {
		return packName(name), nil
	}
	return hashName(name), nil
}

// MustNameID is [NameID] for names that stand in the source. It panics where NameID would fail.
func MustNameID(name string) ID {
	id, err := NameID(name)
	if err != nil {
		panic(err)
	}
	return id
}

// ParseID reads what [ID.String] writes (R107): the 36 characters of a UUID in either case, or a
// name of 1 to 15 bytes. A longer text is [ErrInvalid]: hashing what may be a mistyped UUID would
// make a new id of it. Hash a long name with [NameID].
func ParseID(text string) (ID, error) {
	if len(text) == uuidBytes {
		return parseUUID(text)
	}
	if len(text) == 0 || len(text) > PackedNameBytesMax {
		return ID{}, invalid("id", "text is %d bytes, must be 1 to %d (a name) or %d (a UUID)",
			len(text), PackedNameBytesMax, uuidBytes)
	}
	if err := checkText("text", text); err != nil {
		return ID{}, err
	}
	return packName(text), nil
}

// String gives the name where the id is a packed one without control characters, else the UUID in
// lower case (R106). [ParseID] gives the id back, for every id.
func (id ID) String() string {
	if name, ok := id.packedName(); ok {
		return name
	}
	return id.UUID()
}

// UUID gives the id as a UUID in lower case: 8-4-4-4-12 hexadecimal digits.
func (id ID) UUID() string {
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// IsZero says whether the id is the zero ID, which names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Halves gives the id as two 64-bit numbers. Of a reservation's, hi is the database's shard_id and
// lo the log position of the reserve (R2).
func (id ID) Halves() (hi, lo uint64) {
	return binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
}

// Compare is -1, 0 or +1 as id is less than, equal to or greater than other. Reservation ids grow,
// so of two fencing tokens of one database the greater one is the younger (R2).
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText gives [ID.String]'s text, for JSON, flags and the like. It never fails.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads as [ParseID] does; a failure leaves the id as it was.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// checkName refuses what is no name (R103), in the words of the library.
func checkName(name string) error {
	if len(name) == 0 || len(name) > NameBytesMax {
		return invalid("id", "name is %d bytes, must be 1 to %d", len(name), NameBytesMax)
	}
	if err := checkText("name", name); err != nil {
		return err
	}
	return nil
}

// checkText refuses what no name may hold.
func checkText(field, text string) *Error {
	if at := strings.IndexByte(text, 0); at >= 0 {
		return invalid("id", "%s has a NUL at byte %d, must have none", field, at)
	}
	for at := 0; at < len(text); {
		_, size := utf8.DecodeRuneInString(text[at:])
		if size == 1 && text[at] >= utf8.RuneSelf {
			return invalid("id", "%s has 0x%02x at byte %d, must be UTF-8", field, text[at], at)
		}
		at += size
	}
	return nil
}

// packName writes the name's bytes, padded with zeros to 15, around the digit of a version 8 and
// the digit of a variant, both an 8 (R104).
func packName(name string) ID {
	var n [PackedNameBytesMax]byte
	copy(n[:], name)
	return ID{
		n[0], n[1], n[2], n[3], n[4], n[5],
		0x80 | n[6]>>4, n[6]<<4 | n[7]>>4,
		0x80 | n[7]&0x0f, n[8], n[9], n[10], n[11], n[12], n[13], n[14],
	}
}

// packedName is packName's inverse for what is shown as a name (R106).
func (id ID) packedName() (string, bool) {
	if id[6]>>4 != 8 || id[8]>>4 != 8 {
		return "", false
	}
	n := [PackedNameBytesMax]byte{
		id[0], id[1], id[2], id[3], id[4], id[5],
		id[6]<<4 | id[7]>>4, id[7]<<4 | id[8]&0x0f,
		id[9], id[10], id[11], id[12], id[13], id[14], id[15],
	}
	name := bytes.TrimRight(n[:], "\x00")
	if len(name) == 0 || !utf8.Valid(name) {
		return "", false
	}
	for _, r := range string(name) {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return "", false
		}
	}
	return string(name), true
}

// hashName makes a version 5 UUID of a name that is too long to be packed (R105).
func hashName(name string) ID {
	hash := sha1.New()
	hash.Write(nameSpace[:])
	hash.Write([]byte(name))
	var id ID
	copy(id[:], hash.Sum(nil))
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

// uuidBytes is the length of a UUID as text.
const uuidBytes = 36

// parseUUID reads 8-4-4-4-12 hexadecimal digits of either case.
func parseUUID(text string) (id ID, err error) {
	digits := 0
	for at := range len(text) {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			if text[at] != '-' {
				return ID{}, invalid("id", "text has 0x%02x at byte %d, where a UUID has a hyphen",
					text[at], at)
			}
			continue
		}
		value, ok := hexadecimal(text[at])
		if !ok {
			return ID{}, invalid("id", "text has 0x%02x at byte %d, where a UUID has a "+
				"hexadecimal digit", text[at], at)
		}
		id[digits/2] = id[digits/2]<<4 | value
		digits++
	}
	return id, nil
}

func hexadecimal(digit byte) (value byte, ok bool) {
	switch {
	case digit >= '0' && digit <= '9':
		return digit - '0', true
	case digit >= 'a' && digit <= 'f':
		return digit - 'a' + 10, true
	case digit >= 'A' && digit <= 'F':
		return digit - 'A' + 10, true
	}
	return 0, false
}
