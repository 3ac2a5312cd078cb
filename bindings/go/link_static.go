// How the package is linked with the build tag allocdb_static: with libAllocDB.a, so that the
// program needs no shared library of AllocDB where it runs.
//
// pkg-config names the archive's directory and the system libraries that it needs. It also names
// -lAllocDB, which the linker would take for the shared library; but the archive comes first and
// leaves nothing undefined, so --as-needed drops that one.

//go:build cgo && allocdb_static

package allocdb

// #cgo LDFLAGS: -l:libAllocDB.a -Wl,--as-needed
// #cgo pkg-config: --static allocdb
import "C"
