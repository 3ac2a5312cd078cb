// Logs: pulled out of the library's ring, and handed to slog if wanted.
//
// The library never calls into Go: a callback would come from inside a commit, on a thread that
// holds it up, at a moment when this package is least prepared. So lines are kept in a ring, and
// read.

//go:build cgo

package allocdb

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// LogLine is one line of the library's log.
type LogLine struct {
	// Level says how important it is.
	Level LogLevel
	// Text is the line, without its level and line feed.
	Text string
}

// SlogLevel is the level as slog counts: Error, Warn, and Info for all else.
func (l LogLevel) SlogLevel() slog.Level {
	switch l {
	case LogError:
		return slog.LevelError
	case LogWarning, LogDefault:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// ReadLog takes the lines out of the ring that are there, oldest first, each handed out once; and
// says how many were lost since the last reading, because the ring was full. The lines of recovery
// are there after [Open]. Answered also by a halted engine: the reason is there.
// Errors: [ErrClosed], [ErrForked], [ErrPanic].
func (db *DB) ReadLog() (lines []LogLine, dropped uint64, err error) {
	if db == nil || db.shared == nil {
		return nil, 0, refused(ErrClosed, "read log", "the database was never opened")
	}
	for {
		text, lost, err := db.lib.readLog()
		if err != nil {
			if len(lines) != 0 {
				return lines, dropped, err
			}
			return nil, 0, err
		}
		dropped += lost
		if text == "" {
			return lines, dropped, nil
		}
		for line := range strings.Lines(text) {
			lines = append(lines, logLine(strings.TrimSuffix(line, "\n")))
		}
	}
}

// FollowLog hands the log to logger, now and every interval, until ctx is done or the database is
// closed; it then returns nil. Run it in a goroutine of its own:
//
//	go db.FollowLog(ctx, slog.Default(), time.Second)
//
// Lines that were lost are told as a warning. What is logged between the last reading and Close is
// not seen. Errors: [ErrInvalid] (interval is not above 0), [ErrForked], [ErrPanic].
func (db *DB) FollowLog(ctx context.Context, logger *slog.Logger, interval time.Duration) error {
	if interval <= 0 {
		return invalid("follow log", "interval is %s, must be greater than 0", interval)
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		err := db.handLog(context.WithoutCancel(ctx), logger)
		if errors.Is(err, ErrClosed) {
			return nil
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// handLog hands over the lines that are there.
func (db *DB) handLog(ctx context.Context, logger *slog.Logger) error {
	lines, dropped, err := db.ReadLog()
	if dropped > 0 {
		logger.LogAttrs(ctx, slog.LevelWarn, "log lines were lost",
			slog.String("component", "allocdb"), slog.Uint64("count", dropped))
	}
	for _, line := range lines {
		logger.LogAttrs(ctx, line.Level.SlogLevel(), line.Text,
			slog.String("component", "allocdb"))
	}
	return err
}

// logLine takes the level off a line: "warning: ...".
func logLine(text string) LogLine {
	for _, level := range [...]struct {
		prefix string
		level  LogLevel
	}{{"error: ", LogError}, {"warning: ", LogWarning}, {"info: ", LogInfo}} {
		if rest, ok := strings.CutPrefix(text, level.prefix); ok {
			return LogLine{Level: level.level, Text: rest}
		}
	}
	return LogLine{Level: LogInfo, Text: text}
}
