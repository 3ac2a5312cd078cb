// Whether the tests run under the race detector: it does not.

//go:build !race

package allocdb

const raceEnabled = false
