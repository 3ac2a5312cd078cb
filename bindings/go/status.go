// What a call answers: the numbers of allocdb.h, as typed constants that are errors themselves.
//
// A constant as an error cannot be assigned to by another package, needs no table of variables, and
// errors.Is compares it with ==. Rejected: a variable for each, as errors.New gives.

package allocdb

// Status is what a call answered: StatusOK, or why it did not do what was asked. Its number is that
// of the C header, and never changes. It is an error, for errors.Is:
//
//	if errors.Is(err, allocdb.ErrOverloaded) { ... }
type Status int32

// StatusOK: the call did what was asked. A command was committed; its [Code] says how it was
// decided.
const StatusOK Status = 0

// Misuse: a mistake in the calling program; nothing happened.
const (
	// ErrInvalid: an argument or option has a value that is not allowed.
	ErrInvalid Status = 1
	// ErrStructSize: this package and the library do not fit together.
	ErrStructSize Status = 2
	// ErrBufferTooSmall: an output buffer is too small. This package never passes one.
	ErrBufferTooSmall Status = 3
	// ErrOverlap: two memory ranges of the call overlap. This package never passes such.
	ErrOverlap Status = 4
	// ErrClosed: the database was closed.
	ErrClosed Status = 5
	// ErrForked: the database was opened by a parent process.
	ErrForked Status = 6
	// ErrReentrant: the call came from inside a log callback. This package has none.
	ErrReentrant Status = 7
)

// Definite: nothing happened, for certain, and nothing will.
const (
	// ErrMalformed: a command has a form that is never valid, such as a zero id (R24).
	ErrMalformed Status = 100
	// ErrCommandTooLarge: more commands or bytes than one commit may hold (R36).
	ErrCommandTooLarge Status = 101
	// ErrBundleTooLarge: more resources in one reserve than max_bundle_len (R25).
	ErrBundleTooLarge Status = 102
	// ErrDuplicateResource: one resource twice in one reserve (R26).
	ErrDuplicateResource Status = 103
	// ErrTTLOutOfRange: the TTL is 0 or above max_ttl_slots (R27).
	ErrTTLOutOfRange Status = 104
	// ErrSlotOverflow: the slot is so late that a window beyond it could not be counted (R6).
	ErrSlotOverflow Status = 105
	// ErrSlotLeap: the slot is further ahead than max_slot_leap allows (R35).
	ErrSlotLeap Status = 106
	// ErrOperationExpired: valid_until_slot has passed; this submission never takes effect (R29).
	ErrOperationExpired Status = 107
	// ErrValidUntilOutOfRange: valid_until_slot is beyond the operation window (R30).
	ErrValidUntilOutOfRange Status = 108
	// ErrOperationConflict: the operation id is remembered with another command (R61).
	ErrOperationConflict Status = 109
	// ErrOperationTableFull: every place for an operation is remembered (R31).
	ErrOperationTableFull Status = 110
	// ErrOverloaded: the queue or a table has no room right now; try again later (R32, R36).
	ErrOverloaded Status = 111
	// ErrLSNExhausted: the last log position has been given away (R4).
	ErrLSNExhausted Status = 112
	// ErrStorageFull: no space for the log; nothing was accepted, reads go on.
	ErrStorageFull Status = 113
	// ErrReadOnly: the database is open for reading only (R97).
	ErrReadOnly Status = 114
)

// Opening and files.
const (
	// ErrIO: a file operation failed; [Error.Errno] says how.
	ErrIO Status = 200
	// ErrLocked: the database is open elsewhere; [Error.PID] says in which process.
	ErrLocked Status = 201
	// ErrDirectoryNotFound: the directory, or its parent, is not there.
	ErrDirectoryNotFound Status = 202
	// ErrNotADatabase: the path holds something else than a database.
	ErrNotADatabase Status = 203
	// ErrCorrupt: the files are damaged. Nothing was changed.
	ErrCorrupt Status = 204
	// ErrConfigMismatch: an option differs from what is stored with the data (R92).
	ErrConfigMismatch Status = 205
	// ErrVersion: the files are of a format version that this library does not know.
	ErrVersion Status = 206
	// ErrNoMemory: not enough memory for this configuration.
	ErrNoMemory Status = 207
	// ErrUnsupportedFS: a network file system, and Options.AllowNetworkFS was not given.
	ErrUnsupportedFS Status = 208
	// ErrExists: a new database (or backup) was asked for where there is something already.
	ErrExists Status = 209
)

// Indefinite: nobody can know yet whether it took effect. Close, open again, and repeat the same
// operation, or ask [DB.GetOperation].
const (
	// ErrStorageFailure: a write or sync failed, and the engine has halted (R89).
	ErrStorageFailure Status = 300
	// ErrHalted: the engine had halted, or halted during the call.
	ErrHalted Status = 301
	// ErrPanic: an internal error was caught and has halted the engine.
	ErrPanic Status = 302
)

// A read's answer.
const (
	// ErrNotFound: nothing with this id.
	ErrNotFound Status = 400
	// ErrRetired: the reservation ended and is no longer remembered (R15).
	ErrRetired Status = 401
	// ErrFence: the state has not reached the log position asked for (R73).
	ErrFence Status = 402
)

// Category is the band that a status lies in. It says what can be concluded, also of statuses that
// a later version of the library may add. It is an error, for errors.Is:
//
//	if errors.Is(err, allocdb.ErrIndefinite) { ... }
type Category uint32

const (
	// CategoryOK: done.
	CategoryOK Category = 0
	// ErrMisuse: statuses 1 to 99: a mistake in the calling program; nothing happened.
	ErrMisuse Category = 1
	// ErrDefinite: statuses 100 to 199: nothing happened, for certain, and nothing will.
	ErrDefinite Category = 2
	// ErrOpen: statuses 200 to 299: opening and files.
	ErrOpen Category = 3
	// ErrIndefinite: statuses 300 to 399: nobody knows yet whether it took effect. Close, open
	// again, and repeat the same operation, or ask for it.
	ErrIndefinite Category = 4
	// ErrRead: statuses 400 to 499: a read's answer.
	ErrRead Category = 5
	// CategoryUnknown: no status of this version.
	CategoryUnknown Category = 6
)

// Category gives the band of the status.
func (s Status) Category() Category {
	switch {
	case s == 0:
		return CategoryOK
	case s >= 1 && s < 100:
		return ErrMisuse
	case s >= 100 && s < 200:
		return ErrDefinite
	case s >= 200 && s < 300:
		return ErrOpen
	case s >= 300 && s < 400:
		return ErrIndefinite
	case s >= 400 && s < 500:
		return ErrRead
	}
	return CategoryUnknown
}

// String gives the status's name in the C header without its prefix, such as "E_OVERLOADED";
// "UNKNOWN" for a number that is no status of this version.
func (s Status) String() string { return s.row().name }

// Error gives what the status means, in one sentence.
func (s Status) Error() string { return "allocdb: " + s.row().message }

// Is makes errors.Is(status, category) work.
func (s Status) Is(target error) bool {
	category, ok := target.(Category)
	return ok && category == s.Category()
}

// Error gives what the category means, in one sentence.
func (c Category) Error() string {
	switch c {
	case CategoryOK:
		return "allocdb: done"
	case ErrMisuse:
		return "allocdb: the call was misused; nothing happened"
	case ErrDefinite:
		return "allocdb: nothing happened, for certain, and nothing will"
	case ErrOpen:
		return "allocdb: opening or files"
	case ErrIndefinite:
		return "allocdb: nobody knows yet whether it took effect"
	case ErrRead:
		return "allocdb: a read's answer"
	}
	return "allocdb: a status that this version does not know"
}

type statusRow struct{ name, message string }

func (s Status) row() statusRow {
	if row, ok := statusRows[s]; ok {
		return row
	}
	return statusRow{"UNKNOWN", "not a status of this version"}
}

var statusRows = map[Status]statusRow{
	StatusOK:                {"OK", "done"},
	ErrInvalid:              {"E_INVALID", "an argument or option is not allowed"},
	ErrStructSize:           {"E_STRUCT_SIZE", "a struct's size is not one that the library knows"},
	ErrBufferTooSmall:       {"E_BUFFER_TOO_SMALL", "the output buffer is too small"},
	ErrOverlap:              {"E_OVERLAP", "two buffers of the call overlap"},
	ErrClosed:               {"E_CLOSED", "the database is closed"},
	ErrForked:               {"E_FORKED", "the database was opened by a parent process"},
	ErrReentrant:            {"E_REENTRANT", "called from within the log callback"},
	ErrMalformed:            {"E_MALFORMED", "a command has a form that is never valid"},
	ErrCommandTooLarge:      {"E_COMMAND_TOO_LARGE", "more than one commit may hold"},
	ErrBundleTooLarge:       {"E_BUNDLE_TOO_LARGE", "more resources than max_bundle_len"},
	ErrDuplicateResource:    {"E_DUPLICATE_RESOURCE", "one resource twice in one reserve"},
	ErrTTLOutOfRange:        {"E_TTL_OUT_OF_RANGE", "the TTL is 0 or above max_ttl_slots"},
	ErrSlotOverflow:         {"E_SLOT_OVERFLOW", "the slot is too late for its windows"},
	ErrSlotLeap:             {"E_SLOT_LEAP", "the slot is further ahead than max_slot_leap allows"},
	ErrOperationExpired:     {"E_OPERATION_EXPIRED", "the operation's valid_until_slot has passed"},
	ErrValidUntilOutOfRange: {"E_VALID_UNTIL_OUT_OF_RANGE", "valid_until_slot is too far ahead"},
	ErrOperationConflict:    {"E_OPERATION_CONFLICT", "the operation id has another command"},
	ErrOperationTableFull:   {"E_OPERATION_TABLE_FULL", "every place for an operation is taken"},
	ErrOverloaded:           {"E_OVERLOADED", "the queue or a table has no room right now"},
	ErrLSNExhausted:         {"E_LSN_EXHAUSTED", "the last log position has been given away"},
	ErrStorageFull:          {"E_STORAGE_FULL", "no space for the log; nothing was accepted"},
	ErrReadOnly:             {"E_READ_ONLY", "the database is open for reading only"},
	ErrIO:                   {"E_IO", "a file operation failed"},
	ErrLocked:               {"E_LOCKED", "the database is open elsewhere"},
	ErrDirectoryNotFound:    {"E_DIRECTORY_NOT_FOUND", "the directory is not there"},
	ErrNotADatabase:         {"E_NOT_A_DATABASE", "the path holds something else than a database"},
	ErrCorrupt:              {"E_CORRUPT", "the files are damaged"},
	ErrConfigMismatch:       {"E_CONFIG_MISMATCH", "an option differs from what is stored"},
	ErrVersion:              {"E_VERSION", "the files are of an unknown version"},
	ErrNoMemory:             {"E_NO_MEMORY", "not enough memory for this configuration"},
	ErrUnsupportedFS:        {"E_UNSUPPORTED_FS", "a file system whose syncs cannot be trusted"},
	ErrExists:               {"E_EXISTS", "there is something already"},
	ErrStorageFailure:       {"E_STORAGE_FAILURE", "a write or sync failed: nobody knows the effect"},
	ErrHalted:               {"E_HALTED", "the engine has halted; reopen the database"},
	ErrPanic:                {"E_PANIC", "an internal error was caught; reopen the database"},
	ErrNotFound:             {"ID_NOT_FOUND", "nothing with this id"},
	ErrRetired:              {"RETIRED", "the reservation ended and is no longer remembered"},
	ErrFence:                {"FENCE_NOT_APPLIED", "the state has not reached the required LSN"},
}
