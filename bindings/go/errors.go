// Why something was not done: the error that every function returns, and its story.
//
// Two questions, two types. Was the command committed? If not, *Error says why. How was it decided?
// That is Outcome.Code, a value; *ResultError is made of it only where a caller asks for an error.
//
// A call that the library refuses whole comes with a message. A single response has only numbers
// (the detail words of the codec), and its message is written here from them, with the same words.

package allocdb

import (
	"context"
	"fmt"
	"strings"
	"syscall"
)

// Error is the error of every function of this package that can fail, but for a context's own
// error, and for [ResultError]. Compare with errors.Is, against a [Status] (errors.Is(err,
// ErrOverloaded)), against a [Category] (errors.Is(err, ErrIndefinite)), or against the errno
// (errors.Is(err, syscall.ENOSPC)); take it apart with errors.As.
type Error struct {
	// Status says what went wrong; never StatusOK.
	Status Status
	// Op is what was attempted, such as "reserve".
	Op string
	// Message is one line for people: which field, which value, which bound, which file.
	Message string
	// Errno is the number of the system call that failed; 0 if none did.
	Errno syscall.Errno
	// Detail holds numbers for programs; which ones is tabled per status in allocdb.h.
	Detail [4]uint64
	// Index is the position in a batch of the command that is at fault; -1 where there is none.
	Index int
}

// Error gives operation and message.
func (e *Error) Error() string {
	if e.Index >= 0 {
		return fmt.Sprintf("allocdb: %s: command %d: %s", e.Op, e.Index, e.Message)
	}
	return fmt.Sprintf("allocdb: %s: %s", e.Op, e.Message)
}

// Is makes errors.Is work with a [Status] and with a [Category].
func (e *Error) Is(target error) bool {
	switch target := target.(type) {
	case Status:
		return target == e.Status
	case Category:
		return target == e.Status.Category()
	}
	return false
}

// Unwrap gives the errno, or nil if no system call failed.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// PID is, of [ErrLocked], the process that has the database open; 0 if that is not known, and for
// every other status.
func (e *Error) PID() int {
	if e.Status != ErrLocked {
		return 0
	}
	return int(e.Detail[0])
}

// ResultError is a committed command's outcome as an error: made by [Outcome.Err], where the code
// is not [Done]. errors.Is compares it with a [Code]: errors.Is(err, allocdb.ResourceBusy).
type ResultError struct {
	// Outcome is the whole answer.
	Outcome Outcome
}

// Error names the code.
func (e *ResultError) Error() string {
	if e.Outcome.FailedIndex > 0 {
		return fmt.Sprintf("allocdb: %s: resource %d of the bundle", e.Outcome.Code,
			e.Outcome.FailedIndex)
	}
	return "allocdb: " + e.Outcome.Code.String()
}

// Is makes errors.Is work with a [Code].
func (e *ResultError) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Outcome.Code
}

// invalid is a refusal by this package, in the words of field, value and bound.
func invalid(op, format string, values ...any) *Error {
	return refused(ErrInvalid, op, format, values...)
}

func refused(status Status, op, format string, values ...any) *Error {
	return &Error{Status: status, Op: op, Message: fmt.Sprintf(format, values...), Index: -1}
}

// ready says that ctx allows the call. The context is looked at before the library is entered and
// never again: what was sent is carried out, and its outcome is told.
func ready(ctx context.Context, op string) error {
	if ctx == nil {
		return invalid(op, "ctx is nil, must be a context")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("allocdb: %s: nothing was sent: %w", op, err)
	}
	return nil
}

// callError is a call that the library refused whole. Its message speaks of messages and offsets,
// which is the codec's business; what is told is the field.
func callError(op string, status Status, errno int32, detail [4]uint64, message string) *Error {
	e := &Error{Status: status, Op: op, Errno: errnoOf(errno), Detail: detail, Message: message}
	e.Index = -1
	if rest, ok := strings.CutPrefix(message, "message "); ok {
		if _, story, ok := strings.Cut(rest, ": "); ok {
			e.Message = story
		}
	}
	return e
}

// responseError is a response without a body.
func responseError(op string, failure failure) *Error {
	return &Error{
		Status:  failure.status,
		Op:      op,
		Errno:   errnoOf(failure.errno),
		Detail:  failure.detail,
		Message: failure.story(),
		Index:   -1,
	}
}

func errnoOf(number int32) syscall.Errno {
	if number <= 0 {
		return 0
	}
	return syscall.Errno(number)
}

// failure is what a response carries in the place of a body.
type failure struct {
	status Status
	errno  int32
	detail [4]uint64
}

// story is the message of a response's failure.
func (f failure) story() string {
	a, b := f.detail[0], f.detail[1]
	switch f.status {
	case ErrCommandTooLarge:
		return fmt.Sprintf("the submission has %d, the bound of one commit is %d", a, b)
	case ErrSlotOverflow:
		return fmt.Sprintf("slot is %d, must be at most %d", a, b)
	case ErrSlotLeap:
		return fmt.Sprintf("slot is %d, max_slot_leap allows at most %d now", a, b)
	case ErrOperationExpired:
		return fmt.Sprintf("valid_until_slot is %d, the commit's slot is %d: this submission did "+
			"nothing and never will", a, b)
	case ErrValidUntilOutOfRange:
		return fmt.Sprintf("valid_until_slot is %d, must be at most %d (the commit's slot + "+
			"operation_window_slots)", a, b)
	case ErrOperationConflict:
		return fmt.Sprintf("the operation id was used for another command at LSN %d; a new command "+
			"needs a new operation id", a)
	case ErrOperationTableFull:
		return fmt.Sprintf("all %d places for operations are remembered: max_operations sustains "+
			"%d a slot over operation_window_slots = %d; raise max_operations", a, sustained(a, b), b)
	case ErrOverloaded:
		return f.overload()
	case ErrStorageFull:
		return "the log cannot grow, nothing was accepted" + f.because()
	case ErrIO:
		return "given up, nothing changed" + f.because()
	case ErrStorageFailure:
		return "a write or sync failed" + f.because() + "; the engine has halted and nobody knows " +
			"whether the commit took effect: reopen, then retry with the same operation"
	case ErrHalted:
		return "the engine has halted" + f.because() + "; reopen, then retry with the same operation"
	case ErrPanic:
		return "an internal error was caught and the engine has halted: reopen, then retry with " +
			"the same operation"
	case ErrFence:
		return fmt.Sprintf("the required LSN is %d, the last applied is %d", a, b)
	}
	return f.status.row().message
}

func (f failure) overload() string {
	tables := [...]string{"", "resource", "reservation", "operation"}
	if f.detail[0] == 0 && f.detail[1] > 0 && f.detail[1] < uint64(len(tables)) {
		return fmt.Sprintf("a new id would lie beyond the placement bound of the %s table; retry "+
			"later", tables[f.detail[1]])
	}
	return fmt.Sprintf("the queue is full: max_queue is %d; retry later", f.detail[0])
}

func (f failure) because() string {
	if f.errno <= 0 {
		return ""
	}
	return fmt.Sprintf(": errno %d (%s)", f.errno, syscall.Errno(f.errno).Error())
}

// sustained is how many operations a slot fit where each is remembered for window + 1 slots (R14).
func sustained(operations, window uint64) uint64 {
	if window == ^uint64(0) {
		return 0
	}
	return operations / (window + 1)
}
