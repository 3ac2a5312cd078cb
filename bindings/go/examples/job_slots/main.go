// Command job_slots runs jobs on a fixed number of slots, however many workers and processes ask:
// a lease for each slot, kept alive while its job runs, and freed by time if its worker dies.
//
//	go run ./examples/job_slots [-slots 3] [-jobs 12] [-workers 6] [-crash] [DIR]
//
// Each worker takes a job and holds any free slot while it works. The slot's fencing token goes to
// the "outside system" (here a map), which refuses a token less than one that it has seen: so a
// worker that lost its lease and does not know yet can do no harm.
//
// With -crash, the program ends in the middle without releasing anything, as a crash would: run it
// again, and the slots come back when the leases' TTL has passed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/allocdb/allocdb-go"
)

// ttl is how long a slot stays taken after its worker died.
const ttl = time.Second

func main() {
	slots := flag.Int("slots", 3, "how many jobs may run at once")
	jobs := flag.Int("jobs", 12, "how many jobs there are")
	workers := flag.Int("workers", 6, "how many workers want to run them")
	crash := flag.Bool("crash", false, "end in the middle of the jobs, releasing nothing")
	flag.Parse()
	dir := "job_slots.db"
	if flag.NArg() > 0 {
		dir = flag.Arg(0)
	}
	if err := run(dir, *slots, *jobs, *workers, *crash); err != nil {
		fmt.Fprintln(os.Stderr, "job_slots:", err)
		os.Exit(1)
	}
}

func run(dir string, slots, jobs, workers int, crash bool) error {
	db, err := allocdb.Open(dir, allocdb.Options{SlotDuration: 10 * time.Millisecond})
	if err != nil {
		return err
	}
	defer db.Close()
	pool, err := createSlots(db, slots)
	if err != nil {
		return err
	}
	queue := make(chan int, jobs)
	for job := range jobs {
		queue <- job + 1
	}
	close(queue)
	outside := &outsideSystem{newest: map[allocdb.ID]allocdb.ID{}}
	var group sync.WaitGroup
	for worker := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for job := range queue {
				if err := runJob(db, pool, outside, worker+1, job, crash); err != nil {
					fmt.Fprintf(os.Stderr, "job %d: %v\n", job, err)
				}
			}
		}()
	}
	group.Wait()
	if outside.done != jobs || outside.mostAtOnce > slots {
		return fmt.Errorf("%d of %d jobs done, %d at once on %d slots", outside.done, jobs,
			outside.mostAtOnce, slots)
	}
	fmt.Printf("%d jobs done, never more than %d at once\n", outside.done, slots)
	return nil
}

// createSlots makes the slots known; those of an earlier run are there already.
func createSlots(db *allocdb.DB, count int) ([]allocdb.ID, error) {
	var pool []allocdb.ID
	for i := range count {
		id, err := allocdb.NameID(fmt.Sprintf("job_slot_%d", i+1))
		if err != nil {
			return nil, err
		}
		made, err := db.Create(context.Background(), allocdb.Operation{}, id)
		if err != nil {
			return nil, err
		}
		if !made.OK() && made.Code != allocdb.ResourceExists {
			return nil, made.Err()
		}
		pool = append(pool, id)
	}
	return pool, nil
}

// runJob holds any slot for as long as the job runs.
func runJob(
	db *allocdb.DB, pool []allocdb.ID, outside *outsideSystem, worker, job int, crash bool,
) error {
	lease, err := holdAny(db, pool, allocdb.NewID(0, uint64(worker)))
	if err != nil {
		return err
	}
	fmt.Printf("worker %d runs job %d on %s\n", worker, job, lease.Resource())
	if crash && job > len(pool) {
		fmt.Println("crashing with every slot held")
		os.Exit(2)
	}
	if err := outside.begin(lease); err != nil {
		return errors.Join(err, lease.Release())
	}
	work(lease.Context())
	outside.end()
	return lease.Release()
}

// holdAny takes the first slot that is free, and waits while none is.
func holdAny(db *allocdb.DB, pool []allocdb.ID, holder allocdb.ID) (*allocdb.Lease, error) {
	for {
		for _, slot := range pool {
			lease, err := db.TryHold(context.Background(), slot, holder, ttl)
			if !errors.Is(err, allocdb.ResourceBusy) {
				return lease, err
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// work takes its time, unless the lease is lost.
func work(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
}

// outsideSystem is what the jobs work on: it remembers the newest token of each slot.
type outsideSystem struct {
	mutex      sync.Mutex
	newest     map[allocdb.ID]allocdb.ID
	done       int
	atOnce     int
	mostAtOnce int
}

// begin refuses a token that is older than one it has seen.
func (o *outsideSystem) begin(lease *allocdb.Lease) error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if seen := o.newest[lease.Resource()]; lease.Token().Compare(seen) < 0 {
		return fmt.Errorf("token %s is older than %s", lease.Token(), seen)
	}
	o.newest[lease.Resource()] = lease.Token()
	o.atOnce++
	o.mostAtOnce = max(o.mostAtOnce, o.atOnce)
	return nil
}

func (o *outsideSystem) end() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.atOnce--
	o.done++
}
