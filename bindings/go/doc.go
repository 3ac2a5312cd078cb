// Package allocdb is the Go face of libAllocDB, an embeddable database that allocates scarce
// resources: seats, rooms, stock units, GPUs, IP addresses, job slots, locks. One resource, one
// winner.
//
//	db, err := allocdb.Open("venue", allocdb.Options{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer db.Close()
//
//	seat, alice := allocdb.MustNameID("seat_21A"), allocdb.MustNameID("alice")
//	db.Create(ctx, allocdb.Operation{}, seat)
//	got, err := db.Reserve(ctx, allocdb.Operation{}, seat, alice, time.Minute)
//	switch {
//	case err != nil: // it was not committed, or nobody knows
//	case got.OK(): // hers for at least a minute; got.Reservation is the fencing token
//	case got.Code == allocdb.ResourceBusy: // somebody else has it
//	}
//
// # What is answered
//
// Two questions, two answers. Was the command committed? That is the error. How was it decided?
// That is [Outcome].Code, and it is no error: a reserve of a taken seat is committed, durable, and
// busy. What a call acknowledged is on the disk ([Options].Sync).
//
// Errors are an [*Error], and errors.Is tells its status and, more important, its category:
//
//   - [ErrMisuse]: a mistake in the calling program. Nothing happened.
//   - [ErrDefinite]: nothing happened, for certain, and nothing will.
//   - [ErrOpen]: opening and files.
//   - [ErrIndefinite]: nobody can know yet whether it took effect. Close, open again, and repeat
//     the same operation, or ask [DB.GetOperation].
//   - [ErrRead]: a read's answer, such as [ErrNotFound].
//
// # Retries
//
// Every command has an [Operation], the name by which a retry is known: the same operation with the
// same command, within the operation window, is answered with the first outcome (R60). Where a
// caller gives none, one is made and stands in the outcome, also of a call that failed. To be safe
// against a crash of the program itself, make it with [DB.NewOperation] and write it down first.
//
// # Time
//
// The database counts slots of [Options].SlotDuration (100 ms). A TTL is a time.Duration, rounded
// up to whole slots and one more, so that nothing is held for less than asked ([DB.Slots]). A
// deadline that passes frees nothing by itself: the next commit or [DB.Tick] does (R56). So a
// resource may become free late, but never early. A program that counts slots itself uses
// [ClockHost] and [DB.At].
//
// # Goroutines, memory, processes
//
// A [DB] may be used by any number of goroutines. What they submit at once shares one write and one
// sync, so many goroutines are faster than one; a batch ([DB.Do]) is faster still. A context is
// looked at before the library is entered, and never interrupts it: what was sent is carried out.
// A call holds an operating system thread while it waits for the disk.
//
// Slices that are given are read during the call only; what is returned is the caller's. Reads and
// commands do not allocate, but for GetReservation's list of ids, listings, and [DB.Do]'s result.
//
// One process at a time has a database open for writing ([ErrLocked]). The lock is not inherited by
// child processes.
//
// # Building
//
// The package needs cgo, a C compiler, and libAllocDB where pkg-config finds it. The build tag
// allocdb_static links the static archive in the place of the shared library. Linux, 64 bits.
//
// Rules in parentheses, such as (R60), are those of docs/semantics.md.
package allocdb
