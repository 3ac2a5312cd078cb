// Without cgo there is nothing to link libAllocDB with: the build stops here, and says why.

//go:build !cgo

package allocdb

// The name of what is not defined is the message of the compiler.
var _ = allocdb_needs_cgo__set_CGO_ENABLED_1_and_install_a_C_compiler
