// How the package is linked by default: with the shared library that pkg-config names. For the
// static archive, see link_static.go.

//go:build cgo && !allocdb_static

package allocdb

// #cgo pkg-config: allocdb
import "C"
