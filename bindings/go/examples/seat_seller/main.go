// The seat seller in Go: sells a venue's seats to many buyers at once, out of AllocDB.
//
// It does what bindings/c/examples/seat_seller.c does, on the same database, in turn with it: it
// keeps the same notebook and says the same lines to the witness (seat_journal.h lists them). Here
// stands how a program opens a database, loads resources in batches, keeps time going with Tick and
// reads the health figures; buyer.go shows how to buy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	allocdb "github.com/allocdb/allocdb-go"
)

const (
	rivalIDTag    = 0x524956414c000000
	loadBatchLen  = 1000
	watchEvery    = 100 * time.Millisecond
	drainDuration = 30 * time.Second
)

type figure int

const (
	looked figure = iota
	tries
	contended
	held
	sold
	seatsSold
	late
	released
	walkedAway
	duplicates
	wrong
	resumedKnown
	resumedNew
	refused
	figureCount
)

var figureNames = [figureCount]string{
	"looked", "tries", "contended", "held", "sold", "seats_sold", "late", "released", "walked_away",
	"duplicates", "wrong", "resumed_known", "resumed_new", "refused",
}

// shop is what the buyers share.
type shop struct {
	db        *allocdb.DB
	venue     *venue
	opened    time.Time
	closing   time.Time
	handsOver bool          // at closing it leaves all as it is to the next seller
	takenOver chan struct{} // closed at closing, where another seller goes on
	inside    atomic.Int32
	failed    atomic.Bool
	counts    [figureCount]atomic.Uint64
}

func (s *shop) count(f figure, n uint64) { s.counts[f].Add(n) }

// tell says one line to the witness, in one write: a pipe takes up to 4096 bytes whole or not at
// all. What nobody can be told must not be done: without a witness there is no sale.
func tell(format string, values ...any) {
	if _, err := fmt.Fprintf(os.Stdout, format+"\n", values...); err != nil {
		os.Exit(4)
	}
}

type arguments struct {
	directory, venue, notebook string
	buyers                     int
	seed                       uint64
	life, turn                 int
	closingMS, openMS          int64
	handsOver, knocks          bool
}

func readArguments() arguments {
	var a arguments
	flag.StringVar(&a.directory, "d", "seats.db", "directory of the database")
	flag.StringVar(&a.venue, "v", "bindings/c/examples/venue.csv", "the seats")
	flag.StringVar(&a.notebook, "n", "seats.notebook", "the buyers' memory")
	flag.IntVar(&a.buyers, "b", 64, "how many buyers, 1 to 256")
	flag.Uint64Var(&a.seed, "s", 1, "seed of the buyers' choices")
	flag.IntVar(&a.life, "l", 1, "how many sellers there were, with this one")
	flag.IntVar(&a.turn, "t", 1, "whose turn it is")
	flag.Int64Var(&a.closingMS, "u", 0, "Unix time of closing in ms")
	flag.Int64Var(&a.openMS, "c", 10000, "or so many ms after opening, if later")
	flag.BoolVar(&a.handsOver, "o", false, "hand over at closing")
	flag.BoolVar(&a.knocks, "k", false, "wait for one's turn")
	flag.Parse()
	return a
}

func main() {
	a := readArguments()
	if a.buyers < 1 || a.buyers > buyersMax {
		fmt.Fprintf(os.Stderr, "seat_seller: -b is %d, must be 1 to %d\n", a.buyers, buyersMax)
		os.Exit(2)
	}
	if err := run(context.Background(), a); err != nil {
		fmt.Fprintln(os.Stderr, "seat_seller:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, a arguments) (err error) {
	s := &shop{handsOver: a.handsOver, takenOver: make(chan struct{})}
	if s.venue, err = loadVenue(a.venue); err != nil {
		return err
	}
	if a.knocks {
		if err := knock(a.directory); err != nil {
			return err
		}
	}
	pages, err := openNotebook(a.notebook)
	if err != nil {
		return err
	}
	if err := s.open(ctx, a); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }()
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.letRivalsTry(ctx, pages, a.life); err != nil {
		return err
	}
	return s.sell(ctx, pages[:a.buyers], a.seed)
}

// knock tries to open a database that another process has, tells the witness whose it is, and waits
// for a word on standard input that it is free.
func knock(directory string) error {
	db, err := allocdb.Open(directory, allocdb.Options{OpenExisting: true})
	if err == nil {
		return errors.Join(fmt.Errorf("nobody has %s open", directory), db.Close())
	}
	var locked *allocdb.Error
	if !errors.As(err, &locked) || !errors.Is(err, allocdb.ErrLocked) {
		return err
	}
	tell("lock Go %d", locked.PID())
	_, err = os.Stdin.Read(make([]byte, 1))
	return err
}

func (s *shop) open(ctx context.Context, a arguments) (err error) {
	// Stored with the database where this seller makes it: the same as in C. See there for why.
	s.db, err = allocdb.Open(a.directory, allocdb.Options{
		HistoryWindowSlots:   6000,
		OperationWindowSlots: 100,
		CheckpointWALBytes:   8 << 20,
	})
	if err != nil {
		return err
	}
	s.opened = time.Now()
	s.closing = s.opened.Add(time.Duration(a.openMS) * time.Millisecond)
	if closing := time.UnixMilli(a.closingMS); closing.After(s.closing) {
		s.closing = closing
	}
	report, err := s.db.RecoveryReport(ctx)
	if err != nil {
		return err
	}
	tell("open %d %d Go %d %s %.6f %d %d %d %d %d", a.life, a.turn, os.Getpid(), report.Start,
		report.Duration.Seconds(), report.SnapshotLSN, report.FramesReplayed, report.RecordsReplayed,
		report.TornBytes, report.LastLSN)
	return nil
}

// load makes every seat a resource, a thousand in a commit. The last seat is created last: where it
// is, the venue is loaded; and creating what is there already does no harm.
func (s *shop) load(ctx context.Context) error {
	count := uint32(len(s.venue.seats))
	_, err := s.db.GetResource(ctx, seatID(count-1), 0)
	if !errors.Is(err, allocdb.ErrNotFound) {
		return err
	}
	var outcomes []allocdb.Outcome
	for first := uint32(0); first < count; first += loadBatchLen {
		var commands []allocdb.Command
		for seat := first; seat < min(first+loadBatchLen, count); seat++ {
			commands = append(commands,
				allocdb.Command{Kind: allocdb.KindCreate, Resource: seatID(seat)})
		}
		if outcomes, err = s.db.DoInto(ctx, outcomes[:0], commands); err != nil {
			return err
		}
		for _, outcome := range outcomes {
			if outcome.Code != allocdb.Done && outcome.Code != allocdb.ResourceExists {
				return outcome.Err()
			}
		}
	}
	tell("note %d seats loaded", count)
	return nil
}

// letRivalsTry shows that a hold outlives the process that granted it: while it lasts, others are
// refused its seats, whichever language had granted it. After that a rival may have them, and walks
// away from them.
func (s *shop) letRivalsTry(ctx context.Context, pages []page, life int) error {
	for i := range pages {
		p := &pages[i]
		if p.step.Load() != stepThink {
			continue
		}
		rival := allocdb.NewID(rivalIDTag, uint64(life)<<32|uint64(i+1))
		outcome, err := s.db.Submit(ctx, &allocdb.Command{
			Kind: allocdb.KindReserve, Resources: p.resources(), Holder: rival, TTLSlots: holdTTLSlots,
		})
		switch {
		case err != nil:
			return err
		case outcome.OK():
			tell("hold %s %s %d %d 0 %s", digits(outcome.Reservation), digits(rival),
				outcome.DeadlineSlot, holdTTLSlots, p.seatsText())
		default:
			tell("busy %s %d", p.who(), s.db.SlotNow())
		}
	}
	return nil
}

func (s *shop) sell(ctx context.Context, pages []page, seed uint64) error {
	var buyers sync.WaitGroup
	for i := range pages {
		if pages[i].random == 0 {
			pages[i].random = (seed + uint64(i) + 1) * 0x9e3779b97f4a7c15
		}
		b := &buyer{page: &pages[i], shop: s, number: i}
		s.inside.Add(1)
		buyers.Add(1)
		go func() {
			defer buyers.Done()
			defer s.inside.Add(-1)
			if err := b.run(ctx); err != nil {
				fmt.Fprintf(os.Stderr, "seat_seller: buyer %d: %v\n", b.number, err)
				s.failed.Store(true)
			}
		}()
	}
	err := s.watch(ctx)
	if err != nil {
		s.failed.Store(true)
	}
	buyers.Wait()
	return err
}

// watch lets time pass. It does so by commands; where none come, Tick is what lets holds run out.
// It ends when every buyer has left and, unless somebody else goes on, the last hold has ended.
func (s *shop) watch(ctx context.Context) error {
	if s.handsOver {
		time.AfterFunc(time.Until(s.closing), func() { close(s.takenOver) })
	}
	var drained time.Time
	for !s.failed.Load() {
		time.Sleep(watchEvery)
		if _, err := s.db.Tick(ctx, 0); err != nil {
			return err
		}
		open := s.inside.Load() > 0
		if err := s.tellFigures(ctx); err != nil {
			return err
		}
		if open {
			continue
		}
		live, err := s.holdsLive(ctx)
		if err != nil || !live || s.handsOver {
			return err
		}
		if drained.IsZero() {
			drained = time.Now()
		}
		if time.Since(drained) > drainDuration {
			return errors.New("holds do not run out")
		}
	}
	return errors.New("a buyer failed")
}

func (s *shop) holdsLive(ctx context.Context) (bool, error) {
	for _, err := range s.db.Reservations(ctx, allocdb.Filter{}, allocdb.ReservationReserved) {
		return err == nil, err
	}
	return false, nil
}

// tellFigures says the counters of the buyers and the engine's own, as one line for the witness.
func (s *shop) tellFigures(ctx context.Context) error {
	health, err := s.db.Health(ctx)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("stat elapsed_ms=%d", time.Since(s.opened).Milliseconds())
	for f, name := range figureNames {
		line += fmt.Sprintf(" %s=%d", name, s.counts[f].Load())
	}
	tell("%s commands=%d commits=%d syncs=%d sync_ns_sum=%d sync_ns_max=%d checkpoints=%d", line,
		health.Records, health.Commits, health.Syncs, health.SyncTotal.Nanoseconds(),
		health.SyncMax.Nanoseconds(), health.Checkpoints)
	return nil
}
