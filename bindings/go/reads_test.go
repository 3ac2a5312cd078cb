// Listings and figures.

package allocdb

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestListingShowsEveryRowOnce(t *testing.T) { // R76, R77
	options := hostOptions()
	options.MaxResources, options.MaxReservations, options.MaxOperations = 1000, 1000, 4096
	db := openTest(t, options).At(100)
	ids := countedIDs(1000)
	commands := make([]Command, len(ids))
	for i, id := range ids {
		commands[i] = Command{Kind: KindCreate, Resource: id}
	}
	if _, err := db.Do(background, commands); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		commands[i] = Command{Kind: KindReserve, Resource: id, Holder: alice, TTLSlots: 100}
		if i%3 == 0 {
			commands[i].Holder = bob
		}
	}
	if _, err := db.Do(background, commands[:600]); err != nil {
		t.Fatal(err)
	}
	seen := map[ID]int{}
	for row, err := range db.Resources(background, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[row.ID]++
	}
	for _, id := range ids {
		if seen[id] != 1 {
			t.Errorf("%s is listed %d times", id, seen[id])
		}
	}
	if n := count(t, db, Filter{}, ResourceAvailable); n != 400 {
		t.Errorf("%d are available, must be 400", n)
	}
	if n := count(t, db, Filter{Holder: bob}, ResourceReserved, ResourceConfirmed); n != 200 {
		t.Errorf("%d are reserved for bob, must be 200", n)
	}
	reserved := 0
	for row, err := range db.Reservations(background, Filter{Holder: alice}) {
		if err != nil || row.Holder != alice || row.DeadlineSlot != 200 || !row.Live() {
			t.Fatalf("the row is %+v (%v)", row, err)
		}
		if reserved++; reserved == 5 {
			break // A listing may be left at any time.
		}
	}
	if n := count(t, db, Filter{Holder: NewID(9, 9)}); n != 0 {
		t.Errorf("%d rows for a holder of nothing", n)
	}
}

func count(t *testing.T, db *DB, filter Filter, states ...ResourceState) (n int) {
	t.Helper()
	for _, err := range db.Resources(background, filter, states...) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestListingGoesOnWhileItsLoopCallsTheDatabase(t *testing.T) {
	options := hostOptions()
	options.MaxResources = 600
	db := openTest(t, options).At(100)
	for _, id := range countedIDs(600) {
		done(t)(db.Create(background, none, id))
	}
	listed := 0
	for row, err := range db.Resources(background, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		same, err := db.GetResource(background, row.ID, 0)
		if err != nil || same != row {
			t.Fatalf("%+v is %+v (%v)", row, same, err)
		}
		listed++
	}
	if listed != 600 {
		t.Errorf("%d rows, must be 600", listed)
	}
}

func TestFiguresAreThoseOfTheDatabase(t *testing.T) {
	options := hostOptions()
	options.DatabaseID, options.ShardID, options.LogLevel = NewID(5, 6), 7, LogInfo
	whole := openTest(t, options)
	db := whole.At(100)
	c, err := db.Configuration(background)
	want := Configuration{DatabaseID: NewID(5, 6), ShardID: 7, SlotDuration: time.Second,
		MaxTTLSlots: 1000, OperationWindowSlots: 50, HistoryWindowSlots: 50, MaxResources: 16,
		MaxReservations: 16, MaxOperations: 1024, MaxBundleLen: 4, MaxExpirationBucketLen: 16,
		MaxExpirationsPerTick: 1024, MaxBatchCommands: 8192, MaxQueue: 8192, MaxBatchBytes: 1 << 20}
	if err != nil || c != want {
		t.Errorf("the configuration is %+v (%v)", c, err)
	}
	done(t)(db.Create(background, none, seat))
	o := done(t)(db.Reserve(background, none, seat, alice, time.Second))
	if hi, _ := o.Reservation.Halves(); hi != 7 {
		t.Errorf("R2: the reservation is %s in shard 7", o.Reservation)
	}
	must(t)(db.Reserve(background, none, seat, alice, time.Second))
	h, err := whole.At(130).Health(background)
	if err != nil || !h.AcceptingWrites || h.HaltReason != HaltNone || h.LastLSN != 3 ||
		h.LastSlot != 100 || h.LogicalSlotLag != 30 || h.ExpirationBacklog != 1 ||
		h.Resources.Used != 1 || h.Resources.Capacity != 16 || h.Operations.Used != 3 ||
		h.CommandsByKind[KindReserve] != 2 || h.OutcomesByCode[ResourceBusy] != 1 ||
		h.OutcomesByCode[Done] != 2 {
		t.Errorf("the health is %+v (%v)", h, err)
	}
	checkpoint, err := db.Checkpoint(background)
	if err != nil || !checkpoint.Written || checkpoint.AnchorLSN != 3 ||
		checkpoint.SnapshotBytes == 0 {
		t.Errorf("the checkpoint is %+v (%v)", checkpoint, err)
	}
	if again, err := db.Checkpoint(background); err != nil || again.Written {
		t.Errorf("the second checkpoint is %+v (%v)", again, err)
	}
}

func TestRecoveryIsReportedAndLogged(t *testing.T) {
	dir := t.TempDir() + "/db"
	options := hostOptions()
	db := openAt(t, dir, options)
	if r, err := db.RecoveryReport(background); err != nil || r.Start != StartFresh || r.LastLSN != 0 {
		t.Errorf("the report is %+v (%v)", r, err)
	}
	done(t)(db.At(100).Create(background, none, seat))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	options.LogLevel = LogInfo
	db = openAt(t, dir, options)
	r, err := db.RecoveryReport(background)
	if err != nil || r.Start != StartWALOnly || r.RecordsReplayed != 1 || r.LastLSN != 1 ||
		r.LastSlot != 100 || r.Start.String() != "wal_only" {
		t.Errorf("the report is %+v (%v)", r, err)
	}
	lines, dropped, err := db.ReadLog()
	if err != nil || len(lines) == 0 || dropped != 0 {
		t.Fatalf("%d lines, %d lost (%v)", len(lines), dropped, err)
	}
	for _, line := range lines {
		if line.Level != LogInfo || line.Text == "" || strings.HasPrefix(line.Text, "info") {
			t.Errorf("the line is %+v", line)
		}
	}
	if lines, _, err := db.ReadLog(); err != nil || len(lines) != 0 {
		t.Errorf("%d lines are handed out twice (%v)", len(lines), err)
	}
}

func TestMemoryBoundGrowsWithTheCapacities(t *testing.T) {
	small, err := MemoryBound(Options{MaxResources: 10})
	if err != nil {
		t.Fatal(err)
	}
	large, err := MemoryBound(Options{MaxResources: 1 << 20})
	if err != nil || large <= small {
		t.Errorf("%d and %d bytes (%v)", small, large, err)
	}
	_, err = MemoryBound(Options{MaxResources: 1<<28 + 1})
	wantError(t, err, ErrInvalid, "max_resources is 268435457, must be 1 to 268435456")
	if Version() == "" {
		t.Error("the library has no version")
	}
}

func TestDecoderNeverPanicsOnRandomBytes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	valid := loadVectors(t).Responses
	for range 300_000 {
		message := unhex(t, valid[random.IntN(len(valid))].Hex)
		for range 1 + random.IntN(4) {
			message[random.IntN(len(message))] = byte(random.Uint32())
		}
		if random.IntN(4) == 0 {
			message = message[:random.IntN(len(message)+1)]
		}
		decodeAll(message)
	}
}

// decodeAll reads bytes as a response to every kind of request, in every way there is.
func decodeAll(message []byte) {
	for _, kind := range []uint8{uint8(KindCreate), uint8(KindReclaim), kindTick, kindGetResource,
		kindGetReservation, kindGetOperation, kindListResources, kindListReservations, kindHealth,
		kindConfiguration, kindRecoveryReport, kindCheckpoint} {
		r, err := soleResponse("test", message, kind)
		if err != nil {
			_ = err.Error()
			continue
		}
		switch kind {
		case kindTick:
			r.tick()
		case kindGetResource:
			resourceAt(r.message[24:])
		case kindGetReservation:
			_, _ = r.reservation("test")
		case kindListResources:
			decodePage(&r, resourceRowBytes, func(row []byte) { resourceAt(row) })
		case kindListReservations:
			decodePage(&r, reservationRowBytes, func(row []byte) { reservationAt(row) })
		case kindHealth:
			r.health()
		case kindConfiguration:
			r.configuration()
		case kindRecoveryReport:
			r.recoveryReport()
		case kindCheckpoint:
			r.checkpoint()
		default:
			var o Outcome
			outcomeAt(r.message, &o)
			_ = o.Err()
		}
	}
	asked := requests(Command{Kind: KindCreate}, Command{Kind: KindConfirm},
		Command{Kind: KindCreate})
	if err := settle(make([]Outcome, 3), asked, message); err != nil {
		_ = err.Error()
	}
}

// requests are commands as DoInto sends them.
func requests(commands ...Command) (bytes []byte) {
	for i := range commands {
		bytes = appendCommand(bytes, uint64(i), 0, &commands[i], Operation{ID: seat}, 0)
	}
	return bytes
}

func creates(count int) []byte {
	commands := make([]Command, count)
	for i := range commands {
		commands[i].Kind = KindCreate
	}
	return requests(commands...)
}

func decodePage(r *response, rowBytes int, decode func([]byte)) {
	p, err := r.page("test", rowBytes)
	if err != nil {
		return
	}
	for i := range p.rowCount {
		decode(p.rows[i*rowBytes:])
	}
}

func FuzzResponse(f *testing.F) {
	for _, v := range loadVectors(f).Responses {
		f.Add(unhex(f, v.Hex))
	}
	f.Fuzz(func(_ *testing.T, message []byte) { withNeighbours(message, decodeAll) })
}

func TestAnswerThatIsNoneIsIndefinite(t *testing.T) {
	outcomes := make([]Outcome, 2)
	err := settle(outcomes, creates(2), []byte("garbage, but of some length, at least"))
	if err == nil {
		t.Fatal("garbage was taken for outcomes")
	}
	wantError(t, err, ErrPanic, "not one that this package knows")
	for _, o := range outcomes {
		if o.Failure == nil || o.Failure.Status.Category() != ErrIndefinite {
			t.Errorf("the outcome is %+v", o)
		}
	}
}

func TestAnswerOfAnotherCommandIsNotTaken(t *testing.T) {
	for _, tags := range [][2]uint64{{0, 1}, {1, 0}, {0, 0}} {
		w := responseWriter{}
		for i, tag := range tags {
			w.u32(outcomeBytes)
			w.bytes(codecVersion, uint8(KindCreate)|responseBit, 0, 0)
			w.u64(tag, 0, uint64(i)+1)
			w.out = w.padded(outcomeBytes * (i + 1))
		}
		outcomes := make([]Outcome, 2)
		err := settle(outcomes, creates(2), w.out)
		if right := tags == [2]uint64{0, 1}; right != (err == nil) || right != outcomes[1].OK() {
			t.Errorf("tags %v are answered %v, %+v", tags, err, outcomes)
		}
	}
}

func TestIndefiniteFailureIsToldBeforeAnyOther(t *testing.T) {
	w := responseWriter{}
	for i, status := range []Status{ErrOverloaded, ErrStorageFailure, ErrHalted} {
		w.u32(outcomeBytes)
		w.bytes(codecVersion, uint8(KindCreate)|responseBit, 0, 0)
		w.u64(uint64(i))
		w.u32(uint32(status))
		w.out = w.padded(outcomeBytes * (i + 1))
	}
	outcomes := make([]Outcome, 3)
	err := settle(outcomes, creates(3), w.out)
	if err == nil || err.Status != ErrStorageFailure || err.Index != 1 {
		t.Errorf("the batch is answered %v", err)
	}
	for i, status := range []Status{ErrOverloaded, ErrStorageFailure, ErrHalted} {
		if outcomes[i].Failure == nil || outcomes[i].Failure.Status != status {
			t.Errorf("outcome %d is %+v", i, outcomes[i])
		}
	}
}

func TestCountsAreCheckedToTheLastByte(t *testing.T) {
	for count, fits := range map[uint32]bool{2: true, 3: false, ^uint32(0): false} {
		ids := responseWriter{out: make([]byte, reservationBytes+2*16)}
		little.PutUint32(ids.out[120:], count)
		rows := responseWriter{out: make([]byte, listBytes+2*resourceRowBytes)}
		little.PutUint32(rows.out[40:], count)
		_, idsErr := (&response{message: ids.out}).reservation("test")
		_, rowsErr := (&response{message: rows.out}).page("test", resourceRowBytes)
		if (idsErr == nil) != fits || (rowsErr == nil) != fits {
			t.Errorf("%d ids and rows where two fit: %v, %v", count, idsErr, rowsErr)
		}
	}
}
