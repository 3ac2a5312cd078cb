// Whether the tests run under the race detector: it does.

//go:build race

package allocdb

const raceEnabled = true
