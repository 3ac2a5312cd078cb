// The README, followed by typing: its shell blocks run in one shell, its Go blocks become main.go,
// and what it says that a program prints is what it prints.
//
// Two lines differ from what a reader types: the library is not built again, and where it lies is
// what pkg-config says.

package allocdb

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readmeBlock is a fenced block, and the output that follows a shell block.
type readmeBlock struct{ language, text, output string }

func readmeBlocks(t *testing.T) (blocks []readmeBlock) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split("\n"+string(text), "\n```") {
		if i%2 == 0 {
			continue
		}
		language, body, _ := strings.Cut(part, "\n")
		last := len(blocks) - 1
		if language == "text" && last >= 0 && blocks[last].language == "sh" {
			if blocks[last].output == "" {
				blocks[last].output = body + "\n"
			}
			continue
		}
		blocks = append(blocks, readmeBlock{language: language, text: body})
	}
	return blocks
}

func TestReadmeCanBeFollowedByTyping(t *testing.T) {
	if raceEnabled {
		t.Skip("what the programs do is tested elsewhere")
	}
	prefix, err := exec.Command("pkg-config", "--variable=prefix", "allocdb").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// LD_LIBRARY_PATH gets what the reader typed in front of it, for the program to find the library.
	script := []string{"set -eu", "exec 2>&1"}
	programs, runs := 0, 0
	var wanted strings.Builder
	for _, block := range readmeBlocks(t) {
		switch block.language {
		case "sh":
			text := strings.ReplaceAll(block.text, "scripts/stage.sh", ":")
			text = strings.ReplaceAll(text, "ALLOCDB=$PWD", "ALLOCDB="+root)
			text = strings.ReplaceAll(text, "$ALLOCDB/target/stage", strings.TrimSpace(string(prefix)))
			script = append(script, text)
			if block.output != "" {
				runs++
				wanted.WriteString(block.output)
			}
		case "go":
			programs++
			script = append(script, "cat >main.go <<'END_OF_PROGRAM'", block.text, "END_OF_PROGRAM")
		}
	}
	if programs < 3 || runs < 5 {
		t.Fatalf("%d programs and %d runs: the README is not what this test reads", programs, runs)
	}
	shell := exec.Command("bash", "-c", strings.Join(script, "\n"))
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	got, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	// What the tools say of their own work is not what the README is about.
	var printed strings.Builder
	for line := range strings.Lines(string(got)) {
		if !strings.HasPrefix(line, "go: ") && !strings.HasPrefix(line, "\tgo mod tidy") {
			printed.WriteString(line)
		}
	}
	if printed.String() != wanted.String() {
		t.Errorf("the programs print:\n%s\nthe README says:\n%s", printed.String(), wanted.String())
	}
}
