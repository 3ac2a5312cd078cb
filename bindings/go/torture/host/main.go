// The host in Go: opens the shared database, works on it, and is killed.
//
// It does what bindings/c/torture/host.c does, with the same arguments (name=value), on the same
// database, and says the same records to the same witness (bindings/c/torture/witness.h has their
// layout): an intent before each submission, an answer after it. With several goroutines the slot
// stands still, as there. It has no plants: what is tried here is the road through Go, not the
// auditor. record.go holds the records, choice.go what the host wants next.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	allocdb "github.com/allocdb/allocdb-go"
)

const (
	resourceCount = 24
	bundleLenMax  = 3
	batchLenMax   = 4
	ttlMax        = 40
	windowSlots   = 64
	historySlots  = 24
)

// host is one life.
type host struct {
	arguments  map[string]string
	life       uint64
	threads    uint64
	witness    *os.File
	db         *allocdb.DB
	slot       uint64
	batches    atomic.Uint32
	operations atomic.Uint64
}

func (h *host) number(name string, otherwise uint64) uint64 {
	value, err := strconv.ParseUint(h.arguments[name], 10, 64)
	if err != nil {
		return otherwise
	}
	return value
}

func (h *host) tell(records ...record) {
	text := make([]byte, 0, len(records)*recordBytes)
	for i := range records {
		text = records[i].append(text)
	}
	// What nobody can be told must not be done.
	if _, err := h.witness.Write(text); err != nil {
		os.Exit(4)
	}
}

func (h *host) event(said uint32, lsn uint64, status int32) {
	h.tell(record{Type: said, Life: uint32(h.life), Slot: h.slot, LSN: lsn, Status: status})
}

func (h *host) open(ctx context.Context) error {
	options := allocdb.Options{
		MaxResources: resourceCount, MaxReservations: 2048, MaxOperations: 4096,
		MaxBundleLen: bundleLenMax, MaxTTLSlots: ttlMax, OperationWindowSlots: windowSlots,
		HistoryWindowSlots: historySlots, WALPreallocBytes: 64 << 10,
		CheckpointWALBytes: 32 << 10, Clock: allocdb.ClockHost,
	}
	if h.arguments["sync"] == "os" {
		options.Sync = allocdb.SyncOS
	}
	h.event(saidBorn, 0, statusNone)
	db, err := allocdb.Open(h.arguments["directory"], options)
	if err != nil {
		h.event(saidRefused, 0, statusOf(err))
		return err
	}
	health, err := db.Health(ctx)
	if err != nil {
		return err
	}
	h.db, h.slot = db, health.LastSlot
	h.event(saidOpened, health.LastLSN, 0)
	h.slot += 1 + h.life%4
	return nil
}

// statusOf is the status of an error of the library.
func statusOf(err error) int32 {
	var failure *allocdb.Error
	if errors.As(err, &failure) {
		return int32(failure.Status)
	}
	return int32(allocdb.ErrInvalid)
}

// begin says what will be submitted next.
func (h *host) begin(intents []record) {
	batch := h.batches.Add(1)
	for i := range intents {
		intent := &intents[i]
		intent.Type, intent.Life, intent.Batch = saidIntent, uint32(h.life), batch
		intent.BatchLen, intent.Slot = uint32(len(intents)), h.slot
		intent.Status = statusNone
	}
	h.tell(intents...)
}

// submit is one commit: by Submit or as a batch.
func (h *host) submit(ctx context.Context, intents []record) {
	commands := make([]allocdb.Command, len(intents))
	for i := range intents {
		commands[i] = intents[i].command()
	}
	var outcomes []allocdb.Outcome
	var err error
	if db := h.db.At(intents[0].Slot); len(intents) == 1 {
		var outcome allocdb.Outcome
		outcome, err = db.Submit(ctx, &commands[0])
		outcomes = []allocdb.Outcome{outcome}
	} else {
		outcomes, err = db.Do(ctx, commands)
	}
	answers := make([]record, len(intents))
	for i := range intents {
		answers[i] = intents[i]
		answers[i].Type = saidAnswer
		if i < len(outcomes) {
			answers[i].answer(&outcomes[i])
		} else {
			answers[i].Status = statusOf(err)
		}
	}
	h.tell(answers...)
}

// submitPending sends again what nobody answered to the lives before.
func (h *host) submitPending(ctx context.Context) error {
	path := h.arguments["pending"]
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for ; len(text) >= recordBytes; text = text[recordBytes:] {
		intents := []record{recordOf(text)}
		// The clock of whoever made the operation was here already.
		if h.slot+windowSlots < intents[0].ValidUntilSlot {
			h.slot = intents[0].ValidUntilSlot - windowSlots
		}
		h.begin(intents)
		h.submit(ctx, intents)
	}
	return nil
}

// upkeep: checkpoints, backups, ticks, and time that goes on.
func (h *host) upkeep(ctx context.Context, draw *rand.Rand) error {
	roll := draw.IntN(200)
	if roll < 8 {
		h.event(saidCheckpoint, 0, statusNone)
		if _, err := h.db.Checkpoint(ctx); err != nil {
			return err
		}
		h.event(saidCheckpoint, 0, 0)
	} else if roll == 8 && h.arguments["backup"] != "" {
		h.event(saidBackup, 0, statusNone)
		err := h.db.Backup(ctx, h.arguments["backup"])
		if err != nil && !errors.Is(err, allocdb.ErrExists) {
			return err
		}
		h.event(saidBackup, 0, statusOf0(err))
	}
	if h.threads > 1 {
		return nil
	}
	if draw.IntN(5) < 2 {
		h.slot++
	}
	if roll < 170 {
		return nil
	}
	tick := record{
		Type: saidTick, Kind: kindExpireDue, Life: uint32(h.life), Slot: h.slot, Status: statusNone,
	}
	h.tell(tick)
	result, err := h.db.At(h.slot).Tick(ctx, 0)
	if err != nil {
		return err
	}
	tick.Status, tick.LSN, tick.Count = 0, result.LSN, result.ExpiredCount
	h.tell(tick)
	return nil
}

// statusOf0 is statusOf where there may be no error.
func statusOf0(err error) int32 {
	if err == nil {
		return 0
	}
	return statusOf(err)
}

func (h *host) work(ctx context.Context, draw *rand.Rand) error {
	var stale []uint64
	for range h.number("submissions", 100) {
		count := 1
		if draw.IntN(3) == 0 {
			count = 2 + draw.IntN(batchLenMax-1)
		}
		intents := make([]record, count)
		for i := range intents {
			intents[i] = h.choose(ctx, draw, &stale)
		}
		h.begin(intents)
		h.submit(ctx, intents)
		if draw.IntN(10) == 0 {
			h.submit(ctx, intents)
		}
		if err := h.upkeep(ctx, draw); err != nil {
			return err
		}
	}
	return nil
}

func (h *host) live(ctx context.Context) error {
	if err := h.open(ctx); err != nil {
		return err
	}
	if err := h.submitPending(ctx); err != nil {
		return err
	}
	var workers sync.WaitGroup
	failures := make([]error, h.threads)
	for i := range failures {
		workers.Add(1)
		go func() {
			defer workers.Done()
			failures[i] = h.work(ctx, rand.New(rand.NewPCG(h.number("seed", 1), uint64(i))))
		}()
	}
	workers.Wait()
	h.event(saidClosing, 0, statusNone)
	return errors.Join(append(failures, h.db.Close())...)
}

func main() {
	h := &host{arguments: map[string]string{}}
	for _, word := range os.Args[1:] {
		name, value, _ := strings.Cut(word, "=")
		h.arguments[name] = value
	}
	h.life, h.threads = h.number("life", 1), h.number("threads", 1)
	var err error
	flags := os.O_WRONLY | os.O_APPEND | os.O_CREATE
	if h.witness, err = os.OpenFile(h.arguments["witness"], flags, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "host:", err)
		os.Exit(4)
	}
	if err := h.live(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "host:", err)
		os.Exit(1)
	}
}
