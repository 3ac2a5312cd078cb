// The loops in C (loops.c), as Go calls them: on a database of their own, which C opened.

package main

// #cgo pkg-config: allocdb
// #cgo CFLAGS: -O2 -Wall -Wextra
// #include <stdlib.h>
// #include "loops.h"
import "C"

import (
	"fmt"
	"time"
	"unsafe"
)

// native is a database that C opened.
type native struct {
	db   *C.allocdb
	slot C.uint64_t
}

func openNative(dir string, sync uint32, hostClock bool, window uint64) (*native, error) {
	path := C.CString(dir)
	defer C.free(unsafe.Pointer(path))
	clock := C.uint32_t(C.ALLOCDB_CLOCK_SYSTEM)
	if hostClock {
		clock = C.ALLOCDB_CLOCK_HOST
	}
	n := &native{slot: 1000}
	var story C.allocdb_error
	status := C.bench_open(path, C.uint32_t(sync), clock, C.uint64_t(window), &n.db, &story)
	return n, failed(status, &story)
}

func (n *native) create(slot, first, count uint64) error {
	var story C.allocdb_error
	status := C.bench_create(n.db, C.uint64_t(slot), C.uint64_t(first), C.uint64_t(count), &story)
	return failed(status, &story)
}

func (n *native) read(count int) (time.Duration, error) {
	var ns C.uint64_t
	var story C.allocdb_error
	status := C.bench_read(n.db, C.uint64_t(count), &ns, &story)
	return time.Duration(ns), failed(status, &story)
}

func (n *native) reserve(count int) (time.Duration, error) {
	var ns C.uint64_t
	var story C.allocdb_error
	status := C.bench_reserve(n.db, C.uint64_t(count), &ns, &story)
	return time.Duration(ns), failed(status, &story)
}

func (n *native) batches(count int) (time.Duration, error) {
	var ns C.uint64_t
	var story C.allocdb_error
	status := C.bench_batches(n.db, C.uint64_t(count), &n.slot, &ns, &story)
	return time.Duration(ns), failed(status, &story)
}

func (n *native) close() { C.allocdb_close(&n.db) }

func failed(status C.allocdb_status, story *C.allocdb_error) error {
	if status == C.ALLOCDB_OK {
		return nil
	}
	return fmt.Errorf("C: status %d: %s", status, C.GoString(&story.message[0]))
}
