// The examples of the package's documentation; their output is checked.

package allocdb_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/allocdb/allocdb-go"
)

// scratch opens a database in a directory that is removed when the example ends.
func scratch() (db *allocdb.DB, remove func()) {
	dir, err := os.MkdirTemp("", "allocdb-example-")
	if err != nil {
		log.Fatal(err)
	}
	db, err = allocdb.Open(dir, allocdb.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return db, func() {
		if err := errors.Join(db.Close(), os.RemoveAll(dir)); err != nil {
			log.Print(err)
		}
	}
}

func Example() {
	db, remove := scratch()
	defer remove()
	ctx := context.Background()
	seat := allocdb.MustNameID("seat_21A")
	alice, bob := allocdb.MustNameID("alice"), allocdb.MustNameID("bob")

	if _, err := db.Create(ctx, allocdb.Operation{}, seat); err != nil {
		log.Fatal(err)
	}
	hers, err := db.Reserve(ctx, allocdb.Operation{}, seat, alice, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	his, err := db.Reserve(ctx, allocdb.Operation{}, seat, bob, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("alice:", hers.Code)
	fmt.Println("bob:", his.Code)

	sold, err := db.Confirm(ctx, allocdb.Operation{}, hers.Reservation, alice)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("confirmed:", sold.OK())
	// Output:
	// alice: done
	// bob: resource_busy
	// confirmed: true
}

func ExampleDB_Reserve_retry() {
	db, remove := scratch()
	defer remove()
	ctx := context.Background()
	seat, alice := allocdb.MustNameID("seat_21A"), allocdb.MustNameID("alice")
	if _, err := db.Create(ctx, allocdb.Operation{}, seat); err != nil {
		log.Fatal(err)
	}

	// Make the operation first, and keep it (in the order's row, say) until there is an answer.
	op := db.NewOperation()
	first, err := db.Reserve(ctx, op, seat, alice, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	// The answer got lost, so the same is sent again: it is not executed twice.
	again, err := db.Reserve(ctx, op, seat, alice, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.OK(), again.FromRetryCache, again.Reservation == first.Reservation)
	// Output: true true true
}

func ExampleDB_ReserveBundle() {
	db, remove := scratch()
	defer remove()
	ctx := context.Background()
	row := []allocdb.ID{allocdb.MustNameID("seat_1"), allocdb.MustNameID("seat_2")}
	family := allocdb.MustNameID("family")
	for _, seat := range row[:1] {
		if _, err := db.Create(ctx, allocdb.Operation{}, seat); err != nil {
			log.Fatal(err)
		}
	}
	// seat_2 is not there: none of the two is taken.
	both, err := db.ReserveBundle(ctx, allocdb.Operation{}, row, family, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(both.Code, "for", row[both.FailedIndex])
	// Output: resource_not_found for seat_2
}

func ExampleDB_Do() {
	db, remove := scratch()
	defer remove()
	ctx := context.Background()
	seat, bob := allocdb.MustNameID("seat_21A"), allocdb.MustNameID("bob")

	// One commit: one write, one sync.
	outcomes, err := db.Do(ctx, []allocdb.Command{
		{Kind: allocdb.KindCreate, Resource: seat},
		{Kind: allocdb.KindReserve, Resource: seat, Holder: bob, TTL: time.Minute},
		{Kind: allocdb.KindDelete, Resource: seat},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, outcome := range outcomes {
		fmt.Println(outcome.Code)
	}
	// Output:
	// done
	// done
	// resource_busy
}

func ExampleDB_Hold() {
	db, remove := scratch()
	defer remove()
	ctx := context.Background()
	gpu, job := allocdb.MustNameID("gpu_3"), allocdb.MustNameID("job_77")
	if _, err := db.Create(ctx, allocdb.Operation{}, gpu); err != nil {
		log.Fatal(err)
	}

	lease, err := db.Hold(ctx, gpu, job, 30*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	// The work: it ends when lease.Context() does, and shows lease.Token() to outside systems.
	_, err = db.TryHold(ctx, gpu, allocdb.MustNameID("job_78"), 30*time.Second)
	fmt.Println("another job:", errors.Is(err, allocdb.ResourceBusy))
	fmt.Println("released:", lease.Release())
	// Output:
	// another job: true
	// released: <nil>
}

func ExampleDB_Resources() {
	db, remove := scratch()
	defer remove()
	ctx := context.Background()
	for _, name := range []string{"seat_1", "seat_2", "seat_3"} {
		if _, err := db.Create(ctx, allocdb.Operation{}, allocdb.MustNameID(name)); err != nil {
			log.Fatal(err)
		}
	}
	free := 0
	for resource, err := range db.Resources(ctx, allocdb.Filter{}, allocdb.ResourceAvailable) {
		if err != nil {
			log.Fatal(err)
		}
		if resource.State == allocdb.ResourceAvailable {
			free++
		}
	}
	fmt.Println(free, "seats are free")
	// Output: 3 seats are free
}

func ExampleOpen_errors() {
	db, remove := scratch()
	defer remove()
	dir, err := os.MkdirTemp("", "allocdb-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	first, err := allocdb.Open(dir, allocdb.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer first.Close()
	_, err = allocdb.Open(dir, allocdb.Options{})
	var e *allocdb.Error
	if errors.Is(err, allocdb.ErrLocked) && errors.As(err, &e) {
		fmt.Println("open in this process:", e.PID() == os.Getpid())
	}
	_, err = db.GetResource(context.Background(), allocdb.MustNameID("nowhere"), 0)
	fmt.Println(errors.Is(err, allocdb.ErrNotFound), err)
	// Output:
	// open in this process: true
	// true allocdb: get resource: nothing with this id
}

func ExampleNameID() {
	short, err := allocdb.NameID("seat_21A")
	if err != nil {
		log.Fatal(err)
	}
	long, err := allocdb.NameID("the seat beside the window")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(short, short.UUID())
	fmt.Println(long)
	// Output:
	// seat_21A 73656174-5f32-8314-8100-000000000000
	// be86d0bf-00da-5222-bca5-4a88e2dd2e2a
}
