// The crossing to libAllocDB: the only file that calls C.
//
// Everything goes through allocdb_call, as bytes, but for opening, closing and the few functions
// that the codec has no message for. Go memory is lent for the length of a call and never kept: so
// every function is declared noescape, and none calls back (logs are pulled), so all are declared
// nocallback. Both save the preparations that a crossing would make for a callback.
//
// The handle's shell lives as long as the process, and answers E_CLOSED for ever. So a call that
// races with Close needs no lock here: the library counts calls in and lets Close wait for them.
// Rejected: a read lock around each call, which would do the same a second time.

//go:build cgo

package allocdb

/*
#include <stdlib.h>
#include <allocdb.h>

#cgo noescape allocdb_call
#cgo nocallback allocdb_call
#cgo noescape allocdb_open
#cgo nocallback allocdb_open
#cgo noescape allocdb_close
#cgo nocallback allocdb_close
#cgo noescape allocdb_memory_bound
#cgo nocallback allocdb_memory_bound
#cgo noescape allocdb_operation_new
#cgo nocallback allocdb_operation_new
#cgo noescape allocdb_refresh
#cgo nocallback allocdb_refresh
#cgo noescape allocdb_backup
#cgo nocallback allocdb_backup
#cgo noescape allocdb_metrics_text
#cgo nocallback allocdb_metrics_text
#cgo noescape allocdb_log_read
#cgo nocallback allocdb_log_read
*/
import "C"

import (
	"strings"
	"sync"
	"unsafe"
)

// handle is an open database of the library, or a closed one.
type handle struct{ db *C.allocdb }

// exchange is one call's buffers, reused by the calls that follow.
type exchange struct {
	request  []byte
	response []byte
	len      C.size_t
	story    C.allocdb_error
}

// exchangeBytesMax: larger buffers are left to the collector, so that one large batch does not
// keep its memory for ever.
const exchangeBytesMax = 4 << 20

var exchanges = sync.Pool{New: func() any {
	return &exchange{request: make([]byte, 0, 512), response: make([]byte, 512)}
}}

func takeExchange() *exchange {
	x := exchanges.Get().(*exchange)
	x.request = x.request[:0]
	return x
}

func (x *exchange) give() {
	if cap(x.request)+cap(x.response) <= exchangeBytesMax {
		exchanges.Put(x)
	}
}

// call carries out the request; the answer lies in the exchange until the next call. bound is what
// the response may take: the caller knows it from the request.
func (h handle) call(op string, x *exchange, bound int) ([]byte, *Error) {
	if len(x.response) < bound {
		x.response = make([]byte, max(bound, 2*len(x.response)))
	}
	status := C.allocdb_call(h.db,
		(*C.uint8_t)(unsafe.SliceData(x.request)), C.size_t(len(x.request)),
		(*C.uint8_t)(unsafe.SliceData(x.response)), C.size_t(len(x.response)), &x.len, &x.story)
	if status != C.ALLOCDB_OK {
		return nil, storyError(op, status, &x.story)
	}
	return x.response[:x.len], nil
}

// exec appends the response to dst, which grows where the library asks for more room; too small a
// buffer executes nothing.
func (h handle) exec(dst, request []byte) ([]byte, *Error) {
	x := takeExchange()
	defer x.give()
	for {
		room := dst[len(dst):cap(dst)]
		status := C.allocdb_call(h.db,
			(*C.uint8_t)(unsafe.SliceData(request)), C.size_t(len(request)),
			(*C.uint8_t)(unsafe.SliceData(room)), C.size_t(len(room)), &x.len, &x.story)
		switch status {
		case C.ALLOCDB_OK:
			return dst[:len(dst)+int(x.len)], nil
		case C.ALLOCDB_E_BUFFER_TOO_SMALL:
			grown := make([]byte, len(dst), len(dst)+int(x.len))
			copy(grown, dst)
			dst = grown
		default:
			e := storyError("exec", status, &x.story)
			e.Message = C.GoString(&x.story.message[0])
			return dst, e
		}
	}
}

// openHandle opens a database.
func openHandle(directory string, o *Options) (handle, *Error) {
	options, err := nativeOptions(o)
	if err != nil {
		return handle{}, err
	}
	path, err := nativePath("open", "dir", directory)
	if err != nil {
		return handle{}, err
	}
	defer C.free(unsafe.Pointer(path))
	var h handle
	var story C.allocdb_error
	if status := C.allocdb_open(path, &options, &h.db, &story); status != C.ALLOCDB_OK {
		return handle{}, storyError("open", status, &story)
	}
	return h, nil
}

// close closes the handle; calls that come later answer E_CLOSED.
func (h handle) close() Status {
	db := h.db
	return Status(C.allocdb_close(&db))
}

// operation makes an operation that is valid for the dedupe window from the last applied slot or,
// with the system clock, from now.
func (h handle) operation() Operation {
	made := C.allocdb_operation_new(h.db)
	return Operation{
		ID:             NewID(uint64(made.id.hi), uint64(made.id.lo)),
		ValidUntilSlot: uint64(made.valid_until_slot),
	}
}

func (h handle) refresh() (uint64, *Error) {
	var lsn C.uint64_t
	var story C.allocdb_error
	if status := C.allocdb_refresh(h.db, &lsn, &story); status != C.ALLOCDB_OK {
		return 0, storyError("refresh", status, &story)
	}
	return uint64(lsn), nil
}

func (h handle) backup(directory string) *Error {
	path, err := nativePath("backup", "dir", directory)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(path))
	var story C.allocdb_error
	if status := C.allocdb_backup(h.db, path, &story); status != C.ALLOCDB_OK {
		return storyError("backup", status, &story)
	}
	return nil
}

// metricsText appends the text, which may grow between the asking for its length and the reading.
func (h handle) metricsText(dst []byte, slot uint64) ([]byte, *Error) {
	for capacity := 16 << 10; ; {
		var n C.size_t
		var story C.allocdb_error
		text := make([]byte, len(dst)+capacity)
		room := text[copy(text, dst):]
		status := C.allocdb_metrics_text(h.db, C.uint64_t(slot),
			(*C.char)(unsafe.Pointer(unsafe.SliceData(room))), C.size_t(len(room)), &n, &story)
		switch status {
		case C.ALLOCDB_OK:
			return text[:len(dst)+int(n)], nil
		case C.ALLOCDB_E_BUFFER_TOO_SMALL:
			// One byte more for the NUL, and some for counters that grow meanwhile.
			capacity = int(n) + 1024
		default:
			return dst, storyError("metrics text", status, &story)
		}
	}
}

// readLog gives the lines that are there, oldest first, and how many were lost.
func (h handle) readLog() (text string, dropped uint64, err *Error) {
	buffer := make([]byte, 16<<10)
	var n C.size_t
	var lost C.uint64_t
	var story C.allocdb_error
	status := C.allocdb_log_read(h.db, (*C.char)(unsafe.Pointer(unsafe.SliceData(buffer))),
		C.size_t(len(buffer)), &n, &lost, &story)
	if status != C.ALLOCDB_OK {
		return "", 0, storyError("read log", status, &story)
	}
	return string(buffer[:n]), uint64(lost), nil
}

// memoryBound asks what a database with these options takes.
func memoryBound(o *Options) (uint64, *Error) {
	options, err := nativeOptions(o)
	if err != nil {
		return 0, err
	}
	var bytes C.uint64_t
	var story C.allocdb_error
	if status := C.allocdb_memory_bound(&options, &bytes, &story); status != C.ALLOCDB_OK {
		return 0, storyError("memory bound", status, &story)
	}
	return uint64(bytes), nil
}

// nativeVersion is the version of the library that the program runs with.
func nativeVersion() string { return C.GoString(C.allocdb_version_string()) }

// nativePath copies a path for C, which is the caller's to free.
func nativePath(op, field, path string) (*C.char, *Error) {
	if at := strings.IndexByte(path, 0); at >= 0 {
		return nil, invalid(op, "%s has a NUL at byte %d, must have none", field, at)
	}
	return C.CString(path), nil
}

func nativeOptions(o *Options) (C.allocdb_options, *Error) {
	var n C.allocdb_options
	slotMS, err := o.slotMilliseconds()
	if err != nil {
		return n, err
	}
	n.struct_size = C.uint32_t(unsafe.Sizeof(n))
	n.flags = nativeFlags(o)
	hi, lo := o.DatabaseID.Halves()
	n.database_id = C.struct_allocdb_id{lo: C.uint64_t(lo), hi: C.uint64_t(hi)}
	n.shard_id = C.uint64_t(o.ShardID)
	n.hash_seed = C.uint64_t(o.HashSeed)
	n.slot_duration_ms = C.uint64_t(slotMS)
	n.max_ttl_slots = C.uint64_t(o.MaxTTLSlots)
	n.operation_window_slots = C.uint64_t(o.OperationWindowSlots)
	n.history_window_slots = C.uint64_t(o.HistoryWindowSlots)
	n.max_resources = C.uint32_t(o.MaxResources)
	n.max_reservations = C.uint32_t(o.MaxReservations)
	n.max_operations = C.uint32_t(o.MaxOperations)
	n.max_bundle_len = C.uint32_t(o.MaxBundleLen)
	n.max_expiration_bucket_len = C.uint32_t(o.MaxExpirationBucketLen)
	n.max_expirations_per_tick = C.uint32_t(o.MaxExpirationsPerTick)
	n.sync = C.uint32_t(o.Sync)
	n.clock = C.uint32_t(o.Clock)
	n.max_queue = C.uint32_t(o.MaxQueue)
	n.max_batch_commands = C.uint32_t(o.MaxBatchCommands)
	n.max_batch_bytes = C.uint64_t(o.MaxBatchBytes)
	n.wal_prealloc_bytes = C.uint64_t(o.WALPreallocBytes)
	n.checkpoint_wal_bytes = C.uint64_t(o.CheckpointWALBytes)
	n.max_slot_leap = C.uint64_t(o.MaxSlotLeap)
	n.log_level = C.uint32_t(o.LogLevel)
	n.log_ring_bytes = C.uint64_t(o.LogRingBytes)
	return n, nil
}

func nativeFlags(o *Options) C.uint32_t {
	var flags C.uint32_t
	for _, flag := range [...]struct {
		given bool
		bit   C.uint32_t
	}{
		{o.OpenExisting, C.ALLOCDB_OPEN_EXISTING},
		{o.OpenNew, C.ALLOCDB_OPEN_NEW},
		{o.OpenReadOnly, C.ALLOCDB_OPEN_READ_ONLY},
		{o.AllowNetworkFS, C.ALLOCDB_ALLOW_NETWORK_FS},
		{o.AutoExpireOff, C.ALLOCDB_AUTO_EXPIRE_OFF},
	} {
		if flag.given {
			flags |= flag.bit
		}
	}
	return flags
}

// storyError is what the library says of a failed call.
func storyError(op string, status C.allocdb_status, story *C.allocdb_error) *Error {
	var detail [4]uint64
	for i := range detail {
		detail[i] = uint64(story.detail[i])
	}
	message := C.GoString(&story.message[0])
	return callError(op, Status(status), int32(story.os_errno), detail, message)
}
