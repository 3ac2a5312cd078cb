// Upkeep: metrics, and logs handed to slog.

package allocdb

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMetricsAreTheFiguresOfHealth(t *testing.T) {
	db := openTest(t, hostOptions()).At(100)
	done(t)(db.Create(background, none, seat))
	must(t)(db.Create(background, none, seat))
	text, err := db.MetricsText(background, []byte("# mine\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(text, []byte("# mine\n# HELP allocdb_")) || bytes.IndexByte(text, 0) >= 0 {
		t.Errorf("the text begins %.60q", text)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || strings.HasPrefix(line, "# ") {
			continue
		}
		if !strings.HasPrefix(name, "allocdb_") {
			t.Errorf("a metric is called %s", name)
		}
		values[name] = value
	}
	for name, want := range map[string]string{"allocdb_accepting_writes": "1",
		"allocdb_last_lsn": "2", "allocdb_last_slot": "100"} {
		if values[name] != want {
			t.Errorf("%s is %q, must be %s", name, values[name], want)
		}
	}
}

// record keeps what is logged.
type record struct {
	slog.Handler
	mutex sync.Mutex
	lines []string
	told  chan struct{}
}

func (r *record) Enabled(context.Context, slog.Level) bool { return true }

func (r *record) Handle(_ context.Context, line slog.Record) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.lines = append(r.lines, line.Level.String()+" "+line.Message)
	select {
	case r.told <- struct{}{}:
	default:
	}
	return nil
}

func TestLogIsFollowedUntilTheContextOrTheDatabaseEnds(t *testing.T) {
	for _, end := range []string{"context", "database"} {
		options := hostOptions()
		options.LogLevel = LogInfo
		db := openTest(t, options)
		handler := &record{told: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(background)
		followed := make(chan error)
		go func() { followed <- db.FollowLog(ctx, slog.New(handler), time.Millisecond) }()
		<-handler.told // The line of the opening.
		if end == "context" {
			cancel()
		} else if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-followed; err != nil {
			t.Errorf("the end of the %s: %v", end, err)
		}
		cancel()
		if len(handler.lines) == 0 || !strings.HasPrefix(handler.lines[0], "INFO ") {
			t.Errorf("the lines are %q", handler.lines)
		}
	}
	db := openTest(t, Options{})
	wantError(t, db.FollowLog(background, slog.Default(), 0), ErrInvalid, "interval is 0s")
}

func TestLostLogLinesAreTold(t *testing.T) {
	options := hostOptions()
	options.LogLevel, options.LogRingBytes = LogInfo, 1024
	db := openTest(t, options)
	// Each checkpoint logs a line or more, and the ring holds only some of them.
	for i := range uint64(50) {
		must(t)(db.At(100+i).Delete(background, none, seat))
		if _, err := db.Checkpoint(background); err != nil {
			t.Fatal(err)
		}
	}
	handler := &record{told: make(chan struct{}, 1)}
	if err := db.handLog(background, slog.New(handler)); err != nil {
		t.Fatal(err)
	}
	if len(handler.lines) < 2 || handler.lines[0] != "WARN log lines were lost" {
		t.Errorf("the lines are %q", handler.lines)
	}
}

func TestLevelsOfLinesAreThoseOfTheLibrary(t *testing.T) {
	for text, want := range map[string]struct {
		line  LogLine
		level slog.Level
	}{
		"error: halted: x": {LogLine{LogError, "halted: x"}, slog.LevelError},
		"warning: slow":    {LogLine{LogWarning, "slow"}, slog.LevelWarn},
		"info: opened":     {LogLine{LogInfo, "opened"}, slog.LevelInfo},
		"of a later one":   {LogLine{LogInfo, "of a later one"}, slog.LevelInfo},
	} {
		line := logLine(text)
		if line != want.line || line.Level.SlogLevel() != want.level {
			t.Errorf("%q is %+v at %s", text, line, line.Level.SlogLevel())
		}
	}
}
