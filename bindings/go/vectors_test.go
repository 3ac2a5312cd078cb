// The golden vectors that the Rust codec generated: every message both ways, byte for byte, every
// refusal with its index and offset, and a transcript that is replayed against the library.

package allocdb

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strconv"
	"testing"
)

const vectorsPath = "../../crates/allocdb-node/vectors/"

type vectors struct {
	Constants         map[string]uint64
	Kinds             map[string]uint8
	Statuses          map[string]int32
	ResultCodes       map[string]uint32 `json:"result_codes"`
	ResourceStates    map[string]uint32 `json:"resource_states"`
	ReservationStates map[string]uint32 `json:"reservation_states"`
	HealthWords       map[string]int    `json:"health_words"`
	Configuration     fields
	Requests          []vector
	Responses         []vector
	Malformed         []struct {
		Name          string
		Index, Offset uint64
		Hex           string
	}
	Refused []struct {
		Name   string
		Status int32
		Detail []string
		Hex    string
	}
	Transcript struct {
		Options fields
		Calls   []struct{ Name, Request, Response string }
	}
}

type vector struct {
	Name             string
	Kind             uint8
	Fields           fields
	ResponseBytesMax int `json:"response_bytes_max"`
	Hex              string
}

// fields are a message's values by name: numbers as text, lists, rows.
type fields map[string]any

func (f fields) number(name string) uint64 {
	n, err := strconv.ParseUint(f[name].(string), 10, 64)
	if err != nil {
		panic(name + ": " + err.Error())
	}
	return n
}

func (f fields) id(name string) ID { return decimalID(f[name].(string)) }

func (f fields) ids(name string) (ids []ID) {
	for _, text := range f[name].([]any) {
		ids = append(ids, decimalID(text.(string)))
	}
	return ids
}

func (f fields) list(name string) (rows []fields) {
	for _, row := range f[name].([]any) {
		rows = append(rows, fields(row.(map[string]any)))
	}
	return rows
}

func decimalID(text string) (id ID) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic("not a number: " + text)
	}
	n.FillBytes(id[:])
	return id
}

func loadVectors(t testing.TB) *vectors {
	t.Helper()
	text, err := os.ReadFile(vectorsPath + "codec.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Requests) == 0 || len(v.Responses) == 0 || len(v.Malformed) == 0 ||
		len(v.Refused) == 0 || len(v.Transcript.Calls) == 0 {
		t.Fatal("the vectors lack a chapter")
	}
	return &v
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	decoded, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestNumbersAreThoseOfTheLibrary(t *testing.T) {
	v := loadVectors(t)
	for name, number := range v.Statuses {
		if got := Status(number).String(); got != name {
			t.Errorf("status %d is %s, must be %s", number, got, name)
		}
	}
	if len(statusRows) != len(v.Statuses) {
		t.Errorf("%d statuses are named, there are %d", len(statusRows), len(v.Statuses))
	}
	for name, number := range v.ResultCodes {
		if got := Code(number).String(); got != name {
			t.Errorf("code %d is %s, must be %s", number, got, name)
		}
	}
	if len(codeNames) != len(v.ResultCodes) {
		t.Errorf("%d codes are named, there are %d", len(codeNames), len(v.ResultCodes))
	}
	for name, number := range v.ResourceStates {
		if got := ResourceState(number).String(); got != name {
			t.Errorf("resource state %d is %s, must be %s", number, got, name)
		}
	}
	for name, number := range v.ReservationStates {
		if got := ReservationState(number).String(); got != name {
			t.Errorf("reservation state %d is %s, must be %s", number, got, name)
		}
	}
	for name, want := range map[string]uint64{"version": codecVersion, "header_bytes": headerBytes,
		"list_rows_max": listRowsMax, "id_count_max": bundleLenMax, "outcome_bytes": outcomeBytes} {
		if got := v.Constants[name]; got != want {
			t.Errorf("%s is %d here, %d there", name, want, got)
		}
	}
}

func TestRequestsAreByteForByteThoseOfTheRustCodec(t *testing.T) {
	for _, request := range loadVectors(t).Requests {
		want := unhex(t, request.Hex)
		got, bound := encodeVector(request)
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", request.Name, got, want)
		}
		if bound != request.ResponseBytesMax {
			t.Errorf("%s: the response may take %d bytes, not %d", request.Name,
				request.ResponseBytesMax, bound)
		}
	}
}

// encodeVector encodes a request from its fields, behind other bytes that must stay.
func encodeVector(v vector) (encoded []byte, bound int) {
	f, before := v.Fields, []byte{1, 2, 3}
	tag := f.number("tag")
	bound = bodyBytesMin(v.Kind)
	// A buffer that was used before: what is not written shows.
	dst := bytes.Repeat([]byte{0xff}, 1<<17)
	dst = append(dst[:0], before...)
	switch v.Kind {
	case kindTick:
		dst = appendTick(dst, tag, f.number("slot"), uint32(f.number("limit")))
	case kindGetResource:
		dst = appendGet(dst, v.Kind, tag, f.number("required_lsn"), f.id("resource_id"))
	case kindGetOperation:
		dst = appendGet(dst, v.Kind, tag, f.number("required_lsn"), f.id("operation_id"))
	case kindGetReservation:
		capacity := uint32(f.number("capacity"))
		dst = appendGetReservation(dst, tag, f.number("required_lsn"), f.id("reservation_id"),
			capacity)
		bound += 16 * int(capacity)
	case kindListResources, kindListReservations:
		rows := uint32(f.number("row_count_max"))
		dst = appendList(dst, v.Kind, tag, &listing{requiredLSN: f.number("required_lsn"),
			cursor: f.number("cursor"), holder: f.id("holder_id"),
			states: uint32(f.number("state_mask")), rowCountMax: rows})
		bound += int(rows) * map[uint8]int{kindListResources: resourceRowBytes,
			kindListReservations: reservationRowBytes}[v.Kind]
	case kindHealth:
		dst = appendHealth(dst, tag, f.number("slot"))
	case kindConfiguration, kindRecoveryReport, kindCheckpoint:
		dst = appendBare(dst, v.Kind, tag)
	default:
		c, ttl := vectorCommand(v)
		dst = appendCommand(dst, tag, f.number("slot"), &c, c.Operation, ttl)
	}
	return bytes.TrimPrefix(dst, before), bound
}

func vectorCommand(v vector) (c Command, ttl uint64) {
	f := v.Fields
	c = Command{Kind: Kind(v.Kind)}
	c.Operation = Operation{ID: f.id("operation_id"), ValidUntilSlot: f.number("valid_until_slot")}
	if _, ok := f["resource_id"]; ok {
		c.Resource = f.id("resource_id")
	}
	if _, ok := f["resource_ids"]; ok {
		c.Resources = f.ids("resource_ids")
	}
	if _, ok := f["reservation_id"]; ok {
		c.Reservation = f.id("reservation_id")
	}
	if _, ok := f["holder_id"]; ok {
		c.Holder = f.id("holder_id")
	}
	if _, ok := f["ttl_slots"]; ok {
		ttl = f.number("ttl_slots")
	}
	return c, ttl
}

func TestResponsesAreReadAsTheRustCodecWroteThem(t *testing.T) {
	for _, v := range loadVectors(t).Responses {
		message := unhex(t, v.Hex)
		r, rest, err := nextResponse("test", append(bytes.Clone(message), 7), v.Kind&^responseBit)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if len(rest) != 1 || rest[0] != 7 {
			t.Errorf("%s: %d bytes are left, must be 1", v.Name, len(rest))
		}
		// What was read is written again by the test: equal bytes mean that every field was read.
		if got := encodeResponse(t, v, &r); !bytes.Equal(got, message) {
			t.Errorf("%s:\n got %x\nwant %x", v.Name, got, message)
		}
		checkResponseFields(t, v, &r)
	}
}

// encodeResponse writes what was decoded, in the codec's layout.
func encodeResponse(t *testing.T, v vector, r *response) []byte {
	t.Helper()
	w := responseWriter{}
	w.u32(uint32(len(r.message)))
	w.bytes(codecVersion, v.Kind, 0, 0)
	w.u64(r.tag)
	w.u32(uint32(r.failure.status))
	w.u32(uint32(r.failure.errno))
	if r.failure.status != StatusOK {
		for _, word := range r.failure.detail {
			w.u64(word)
		}
		return w.padded(len(r.message))
	}
	switch v.Kind &^ responseBit {
	case kindTick:
		tick := r.tick()
		w.u64(tick.LSN, tick.Slot, tick.DueCount)
		w.u32(tick.ExpiredCount)
	case kindGetResource:
		w.resource(resourceAt(r.message[24:]))
	case kindGetReservation:
		row, err := r.reservation("test")
		if err != nil {
			t.Fatal(err)
		}
		w.reservation(row)
		w.u32(uint32(len(row.Resources)), 0)
		w.ids(row.Resources...)
	case kindListResources, kindListReservations:
		w.page(t, v, r)
	case kindHealth:
		// Its words have names: TestHealthFiguresAreTheWordsOfTheirNames.
		return r.message
	case kindConfiguration:
		w.configuration(r.configuration())
	case kindRecoveryReport:
		report := r.recoveryReport()
		w.u32(uint32(report.Start), 0)
		w.u64(report.SnapshotLSN, report.FramesReplayed, report.RecordsReplayed, report.LastLSN,
			report.LastSlot, report.TornBytes, report.RewrittenBytes)
		w.nanoseconds(r.message[88:], report.Duration)
	case kindCheckpoint:
		c := r.checkpoint()
		w.u64(c.AnchorLSN, c.SnapshotBytes, c.LogBytesBefore, c.LogBytesAfter)
		w.nanoseconds(r.message[56:], c.Duration)
		w.nanoseconds(r.message[64:], c.Stall)
		w.bool32(c.Written)
	default:
		var o Outcome
		outcomeAt(r.message, &o)
		w.u64(o.LSN)
		w.ids(o.Reservation)
		w.u64(o.DeadlineSlot)
		w.u32(uint32(o.Code), uint32(int32(o.FailedIndex)))
		w.bool32(o.FromRetryCache)
	}
	return w.padded(len(r.message))
}

// checkResponseFields compares what has one name in the vectors and another in Go: a decoder and a
// test's encoder that swapped the same two fields would agree.
func checkResponseFields(t *testing.T, v vector, r *response) {
	t.Helper()
	f := v.Fields
	equal := func(name string, got uint64) {
		t.Helper()
		if f.number(name) != got {
			t.Errorf("%s: %s is %d, must be %d", v.Name, name, got, f.number(name))
		}
	}
	equal("tag", r.tag)
	if r.failure.status != StatusOK {
		equal("status", uint64(r.failure.status))
		return
	}
	switch kind := v.Kind &^ responseBit; {
	case kind <= uint8(KindReclaim) || kind == kindGetOperation:
		var o Outcome
		outcomeAt(r.message, &o)
		equal("lsn", o.LSN)
		equal("deadline_slot", o.DeadlineSlot)
		equal("code", uint64(o.Code))
		equal("failed_index", uint64(uint32(int32(o.FailedIndex))))
		if o.Reservation != f.id("reservation_id") {
			t.Errorf("%s: reservation_id is %s", v.Name, o.Reservation)
		}
	case kind == kindGetReservation:
		row := reservationAt(r.message[24:])
		equal("created_lsn", row.CreatedLSN)
		equal("deadline_slot", row.DeadlineSlot)
		equal("ended_lsn", row.EndedLSN)
		equal("retire_after_slot", row.RetireAfterSlot)
		equal("state", uint64(row.State))
		equal("resource_count", uint64(row.ResourceCount))
		if row.Holder != f.id("holder_id") || row.FirstResource != f.id("first_resource_id") {
			t.Errorf("%s: holder or first resource differ", v.Name)
		}
	case kind == kindListResources || kind == kindListReservations:
		equal("next_cursor", little.Uint64(r.message[24:]))
		if got := uint64(len(f.list("rows"))); got != uint64(little.Uint32(r.message[40:])) {
			t.Errorf("%s: there are %d rows", v.Name, got)
		}
	}
}

func TestHealthFiguresAreTheWordsOfTheirNames(t *testing.T) {
	v := loadVectors(t)
	// Every word has its own value, so two that are mixed up differ.
	var words [healthWords]uint64
	for i := range words {
		words[i] = 1001 + uint64(i)
	}
	h := healthOf(&words)
	figures := healthFigures(&h)
	for name, word := range v.HealthWords {
		got, ok := figures[name]
		if !ok {
			t.Errorf("no figure for the word %s", name)
		} else if name != "accepting_writes" && got != words[word] {
			t.Errorf("%s is %d, must be %d", name, got, words[word])
		}
	}
	for i := range h.CommandsByKind {
		if h.CommandsByKind[i] != words[48+i] {
			t.Errorf("commands of kind %d are mixed up", i)
		}
	}
	for i := range h.OutcomesByCode {
		if h.OutcomesByCode[i] != words[64+i] || h.SyncHistogram[i] != words[96+i] {
			t.Errorf("outcomes of code %d, or syncs of time %d, are mixed up", i, i)
		}
	}
}

// healthFigures are a health's figures under the names of the codec's words.
func healthFigures(h *Health) map[string]uint64 {
	figures := map[string]uint64{
		"accepting_writes": 1, "halt_reason": uint64(h.HaltReason), "halt_os_errno": h.HaltErrno,
		"queue_len": h.QueueLen, "queue_capacity": h.QueueCapacity, "last_lsn": h.LastLSN,
		"last_slot": h.LastSlot, "logical_slot_lag": h.LogicalSlotLag,
		"expiration_backlog": h.ExpirationBacklog, "log_bytes": h.LogBytes,
		"log_bytes_since_checkpoint": h.LogBytesSinceCheckpoint, "snapshot_lsn": h.SnapshotLSN,
		"checkpoints": h.Checkpoints, "checkpoint_failures": h.CheckpointFailures,
		"checkpoint_ns_last":       uint64(h.CheckpointDuration),
		"checkpoint_stall_ns_last": uint64(h.CheckpointStall),
		"checkpoint_stall_ns_max":  uint64(h.CheckpointStallMax),
		"retries":                  h.Retries, "rejections": h.Rejections, "overloads": h.Overloads,
		"expirations": h.Expirations, "commits": h.Commits, "records": h.Records,
		"records_per_commit_max": h.RecordsPerCommitMax, "syncs": h.Syncs,
		"sync_ns_sum": uint64(h.SyncTotal), "sync_ns_max": uint64(h.SyncMax),
		"commands_by_kind": h.CommandsByKind[0], "outcomes_by_code": h.OutcomesByCode[0],
		"sync_histogram": h.SyncHistogram[0],
	}
	for name, table := range map[string]TableUsage{
		"resources": h.Resources, "reservations": h.Reservations, "operations": h.Operations,
	} {
		figures[name+"_used"], figures[name+"_capacity"] = table.Used, table.Capacity
		figures[name+"_retired"] = table.Retired
		figures[name+"_probe_len_max"] = table.ProbeLenMax
	}
	return figures
}

func TestMalformedRequestsAreRefusedWithTheirIndexAndOffset(t *testing.T) {
	v := loadVectors(t)
	db := openVectors(t, v)
	for _, m := range v.Malformed {
		_, err := db.Exec(nil, unhex(t, m.Hex))
		var e *Error
		if !errors.As(err, &e) || e.Status != ErrMalformed {
			t.Errorf("%s: %v, must be malformed", m.Name, err)
			continue
		}
		if e.Detail[0] != m.Index || e.Detail[1] != m.Offset {
			t.Errorf("%s: index %d, offset %d; must be %d, %d", m.Name, e.Detail[0], e.Detail[1],
				m.Index, m.Offset)
		}
	}
	for _, m := range v.Refused {
		_, err := db.Exec(nil, unhex(t, m.Hex))
		var e *Error
		if !errors.As(err, &e) || e.Status != Status(m.Status) {
			t.Errorf("%s: %v, must be %s", m.Name, err, Status(m.Status))
			continue
		}
		for i, want := range m.Detail {
			if got := strconv.FormatUint(e.Detail[i], 10); got != want {
				t.Errorf("%s: detail %d is %s, must be %s", m.Name, i, got, want)
			}
		}
	}
}

func TestTranscriptIsAnsweredByteForByte(t *testing.T) {
	v := loadVectors(t)
	db := openVectors(t, v)
	for _, call := range v.Transcript.Calls {
		// A buffer that is too small at first: nothing may be executed twice.
		before := []byte("kept")
		got, err := db.Exec(bytes.Clone(before), unhex(t, call.Request))
		if err != nil {
			t.Fatalf("%s: %v", call.Name, err)
		}
		if !bytes.HasPrefix(got, before) {
			t.Fatalf("%s: what was in the buffer is gone", call.Name)
		}
		if want := unhex(t, call.Response); !bytes.Equal(got[len(before):], want) {
			t.Errorf("%s:\n got %x\nwant %x", call.Name, got[len(before):], want)
		}
	}
}

// openVectors opens a database with the transcript's options.
func openVectors(t *testing.T, v *vectors) *DB {
	t.Helper()
	f := v.Transcript.Options
	db, err := Open(t.TempDir()+"/db", Options{
		Clock:                  ClockHost,
		DatabaseID:             f.id("database_id"),
		ShardID:                f.number("shard_id"),
		SlotDuration:           milliseconds(f.number("slot_duration_ms")),
		MaxTTLSlots:            f.number("max_ttl_slots"),
		OperationWindowSlots:   f.number("operation_window_slots"),
		HistoryWindowSlots:     f.number("history_window_slots"),
		MaxResources:           uint32(f.number("max_resources")),
		MaxReservations:        uint32(f.number("max_reservations")),
		MaxOperations:          uint32(f.number("max_operations")),
		MaxBundleLen:           uint32(f.number("max_bundle_len")),
		MaxExpirationBucketLen: uint32(f.number("max_expiration_bucket_len")),
		MaxExpirationsPerTick:  uint32(f.number("max_expirations_per_tick")),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
