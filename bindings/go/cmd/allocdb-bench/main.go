// Command allocdb-bench measures what the Go package costs above the C library, and how many
// commands a second it carries.
//
//	go run ./cmd/allocdb-bench [-runs 5] [-json] [-quick] [DIR]
//
// DIR is on the disk in question (default: the current directory); databases are made below it and
// removed.
//
// Single calls: the same read and the same command, once in a loop in C that is entered once, once
// in a loop in Go that crosses into C for each call. Between the two lies everything that Go adds:
// the context's check, the name of the operation, encoding, the crossing, decoding. The command is
// a reserve of a resource that is taken: committed and answered, and it never fills a table. With
// sync = os, so that no disk hides the difference.
//
// Batches: 1,000 commands in one commit, reserves and releases in turn, from one goroutine; each
// command with an operation of its own and an outcome that is looked at; with sync = os and with
// sync = full.
//
// C and Go take turns, so that both see the same machine; the medians are printed, or with -json a
// line for each run, for scripts/bench.sh. The tables have their default sizes. With -quick a
// hundredth of the work is done, and the figures are worth nothing.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/allocdb/allocdb-go"
)

const (
	readsPerRun    = 500_000
	reservesPerRun = 50_000
	batchesPerRun  = 500
	batchCommands  = 1_000
	batchResources = 1_000 // The first of their ids; there are as many as commands in a batch.
	callsWindow    = 2     // Slots of 100 ms.
	batchesWindow  = 20    // Slots of 10,000 commands.
)

// Of the command line; set once, before anything runs.
var (
	asJSON = flag.Bool("json", false, "print a line of JSON for each run's figure")
	quick  = flag.Bool("quick", false, "do a hundredth of the work: no figures")
)

func main() {
	runs := flag.Int("runs", 5, "how often each figure is measured; the median is printed")
	flag.Parse()
	dir := "."
	if flag.NArg() > 0 {
		dir = flag.Arg(0)
	}
	if err := run(dir, max(*runs, 1)); err != nil {
		fmt.Fprintln(os.Stderr, "allocdb-bench:", err)
		os.Exit(1)
	}
}

func run(parent string, runs int) error {
	dir, err := os.MkdirTemp(parent, "allocdb-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	say("libAllocDB %s, medians of %d runs\n\n", allocdb.Version(), runs)
	if err := calls(dir, runs); err != nil {
		return err
	}
	say("\n%-34s %14s %14s %9s\n", "batches of 1,000, commands/s", "C", "Go", "Go/C")
	for _, sync := range []allocdb.Sync{allocdb.SyncOS, allocdb.SyncFull} {
		if err := batches(dir, runs, sync); err != nil {
			return err
		}
	}
	return nil
}

// open opens a database with the options that the loops in C have.
func open(dir string, sync allocdb.Sync, clock allocdb.Clock, window uint64) (*allocdb.DB, error) {
	return allocdb.Open(dir, allocdb.Options{
		Sync: sync, Clock: clock,
		MaxTTLSlots: 1000, OperationWindowSlots: window, HistoryWindowSlots: window,
		CheckpointWALBytes: 1 << 30, WALPreallocBytes: 64 << 20,
	})
}

// calls measures single calls.
func calls(dir string, runs int) error {
	c, err := openNative(filepath.Join(dir, "calls-c"), uint32(allocdb.SyncOS), false, callsWindow)
	if err != nil {
		return err
	}
	defer c.close()
	db, err := open(filepath.Join(dir, "calls-go"), allocdb.SyncOS, allocdb.ClockSystem, callsWindow)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, resource := context.Background(), allocdb.NewID(0, 1)
	if err := c.create(0, 1, 1); err != nil {
		return err
	}
	if _, err := db.Create(ctx, allocdb.Operation{}, resource); err != nil {
		return err
	}
	read := func(count int) (time.Duration, error) {
		begin := time.Now()
		for range count {
			if _, err := db.GetResource(ctx, resource, 0); err != nil {
				return 0, err
			}
		}
		return time.Since(begin), nil
	}
	reserve := func(count int) (time.Duration, error) {
		begin := time.Now()
		for range count {
			_, err := db.Reserve(ctx, allocdb.Operation{}, resource, resource, 10*time.Second)
			if err != nil {
				return 0, err
			}
		}
		return time.Since(begin), nil
	}
	say("%-34s %14s %14s %9s\n", "single call, sync=os", "C", "Go", "above C")
	if err := compare("get_resource", runs, readsPerRun, c.read, read); err != nil {
		return err
	}
	return compare("reserve of a taken resource", runs, reservesPerRun, c.reserve, reserve)
}

// compare lets C and Go take turns, and prints the medians in nanoseconds a call.
func compare(name string, runs, count int, inC, inGo func(int) (time.Duration, error)) error {
	var c, g []float64
	count = scaled(count)
	for range runs {
		for _, side := range []struct {
			loop    func(int) (time.Duration, error)
			figures *[]float64
		}{{inC, &c}, {inGo, &g}} {
			took, err := side.loop(count)
			if err != nil {
				return err
			}
			*side.figures = append(*side.figures, float64(took.Nanoseconds())/float64(count))
		}
	}
	row := "one call, in real time: " + name
	tell(row, "ns", c, g)
	say("%-34s %11.0f ns %11.0f ns %6.0f ns\n", name, median(c), median(g),
		median(g)-median(c))
	return nil
}

// batches measures commits of many commands.
func batches(dir string, runs int, sync allocdb.Sync) error {
	name := map[allocdb.Sync]string{allocdb.SyncOS: "sync=os", allocdb.SyncFull: "sync=full"}[sync]
	c, err := openNative(filepath.Join(dir, name+"-c"), uint32(sync), true, batchesWindow)
	if err != nil {
		return err
	}
	defer c.close()
	db, err := open(filepath.Join(dir, name+"-go"), sync, allocdb.ClockHost, batchesWindow)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := c.create(1000, batchResources, batchCommands); err != nil {
		return err
	}
	b := newBatch(db)
	if err := b.create(); err != nil {
		return err
	}
	var inC, inGo []float64
	count := scaled(batchesPerRun)
	for range runs {
		took, err := c.batches(count)
		if err != nil {
			return err
		}
		inC = append(inC, float64(count*batchCommands)/took.Seconds())
		if took, err = b.run(count); err != nil {
			return err
		}
		inGo = append(inGo, float64(count*batchCommands)/took.Seconds())
	}
	tell("batches of 1,000 by language, "+name, "commands/s", inC, inGo)
	say("%-34s %14.0f %14.0f %9.2f\n", name, median(inC), median(inGo),
		median(inGo)/median(inC))
	return nil
}

// batch is a goroutine's commands and outcomes, used again and again.
type batch struct {
	db       *allocdb.DB
	slot     uint64
	commands []allocdb.Command
	outcomes []allocdb.Outcome
}

func newBatch(db *allocdb.DB) *batch {
	return &batch{db: db, slot: 1000, commands: make([]allocdb.Command, batchCommands),
		outcomes: make([]allocdb.Outcome, 0, batchCommands)}
}

func (b *batch) create() error {
	for i := range b.commands {
		b.commands[i] = allocdb.Command{Kind: allocdb.KindCreate,
			Resource: allocdb.NewID(0, batchResources+uint64(i))}
	}
	return b.submit()
}

// run submits batches: reserves of all resources and their releases, in turn.
func (b *batch) run(count int) (time.Duration, error) {
	holder := allocdb.NewID(0, 1)
	begin := time.Now()
	for n := range count {
		for i := range b.commands {
			if n%2 == 0 {
				b.commands[i] = allocdb.Command{Kind: allocdb.KindReserve, Holder: holder,
					Resource: allocdb.NewID(0, batchResources+uint64(i)), TTLSlots: 1000}
			} else {
				b.commands[i] = allocdb.Command{Kind: allocdb.KindRelease, Holder: holder,
					Reservation: b.outcomes[i].Reservation}
			}
		}
		if n%10 == 0 {
			b.slot++
		}
		if err := b.submit(); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

func (b *batch) submit() error {
	var err error
	b.outcomes, err = b.db.At(b.slot).DoInto(context.Background(), b.outcomes[:0], b.commands)
	if err != nil {
		return err
	}
	for i := range b.outcomes {
		if !b.outcomes[i].OK() {
			return b.outcomes[i].Err()
		}
	}
	return nil
}

// scaled is the work of a run; even, since batches go in pairs.
func scaled(count int) int {
	if *quick {
		return max(count/100/2*2, 2)
	}
	return count
}

// say prints for people.
func say(format string, values ...any) {
	if !*asJSON {
		fmt.Printf(format, values...)
	}
}

// tell prints for programs: a line for each run.
func tell(row, unit string, c, g []float64) {
	if !*asJSON {
		return
	}
	encoder := json.NewEncoder(os.Stdout)
	for i := range c {
		for side, value := range []float64{c[i], g[i]} {
			line := map[string]any{"row": row, "system": []string{"AllocDB in a loop of C",
				"AllocDB in Go"}[side], "value": value, "unit": unit,
				"command": "go run ./cmd/allocdb-bench -json DIR"}
			if err := encoder.Encode(line); err != nil {
				fmt.Fprintln(os.Stderr, "allocdb-bench:", err)
				os.Exit(1)
			}
		}
	}
}

func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[len(sorted)/2]
}
