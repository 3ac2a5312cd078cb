// The example, run twice in one directory: slots that are there already are used again.

package main

import "testing"

func TestJobsNeverExceedTheirSlots(t *testing.T) {
	dir := t.TempDir() + "/db"
	for range 2 {
		if err := run(dir, 3, 12, 6, false); err != nil {
			t.Fatal(err)
		}
	}
}
