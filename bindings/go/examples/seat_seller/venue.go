// The venue: 10,000 seats read from a CSV file, the same for all languages.

package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"strconv"

	allocdb "github.com/allocdb/allocdb-go"
)

const seatIDTag = 0x5345415453000000

// seatID is the line of a seat in the file, behind a tag.
func seatID(seat uint32) allocdb.ID { return allocdb.NewID(seatIDTag, uint64(seat)+1) }

type seat struct {
	section, row string
	number       int
	price        int
}

type venue struct {
	seats []seat
	best  []uint32 // within an eighth of the highest price: everybody wants these
}

func loadVenue(path string) (*venue, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	v, dear := &venue{}, 0
	for i, line := range lines[min(1, len(lines)):] {
		number, err1 := strconv.Atoi(line[2])
		price, err2 := strconv.Atoi(line[3])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%s: line %d is no seat", path, i+2)
		}
		v.seats = append(v.seats, seat{line[0], line[1], number, price})
		dear = max(dear, price)
	}
	if len(v.seats) == 0 {
		return nil, fmt.Errorf("%s: no seat could be read", path)
	}
	for i, seat := range v.seats {
		if seat.price*8 >= dear*7 {
			v.best = append(v.best, uint32(i))
		}
	}
	return v, nil
}

// party gives up to wanted neighbours, beginning at first.
func (v *venue) party(first uint32, wanted int) []uint32 {
	party := []uint32{first}
	for next := int(first) + 1; len(party) < wanted && next < len(v.seats); next++ {
		left, right := v.seats[next-1], v.seats[next]
		if left.section != right.section || left.row != right.row || left.number+1 != right.number {
			break
		}
		party = append(party, uint32(next))
	}
	return party
}
