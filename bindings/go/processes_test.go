// Other processes: the lock and its dead owner, and crashes between a commit and its answer.
//
// A Go program cannot fork safely, so the other process is this test binary, started again with the
// name of a role in its environment (TestMain). It says on its standard output where it is, and the
// test waits for that line: no step depends on time.

package allocdb

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const roleVariable = "ALLOCDB_GO_TEST_ROLE"

// roles are what a child process may do with a directory.
var roles = map[string]func(dir string) error{
	"own":          own,
	"open":         openOnce,
	"crash":        commitAndWait,
	"full disk":    writeBeyondTheLimit,
	"no memory":    openWithoutMemory,
	"exec a child": execWhileOpen,
}

func TestMain(m *testing.M) {
	role, isChild := roles[os.Getenv(roleVariable)]
	if !isChild {
		os.Exit(m.Run())
	}
	if err := role(os.Args[1]); err != nil {
		fmt.Println("error:", err)
		os.Exit(3)
	}
}

// child is a process with a role.
type child struct {
	*exec.Cmd
	lines *bufio.Scanner
}

func start(t *testing.T, role, dir string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0], dir)}
	c.Env = append(os.Environ(), roleVariable+"="+role)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c
}

// line waits for the child's next line.
func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatalf("the child ended without a word: %v", c.Wait())
	}
	return c.lines.Text()
}

// kill ends the child as a crash would: with no chance to do anything.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
}

// forEver keeps the process until it is killed.
func forEver() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
	return nil
}

func own(dir string) error {
	db, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	fmt.Println("open in", os.Getpid(), db.SlotDuration())
	return forEver()
}

func openOnce(dir string) error {
	db, err := Open(dir, Options{})
	if err != nil {
		fmt.Println(err.(*Error).Status, err.(*Error).PID())
		return nil
	}
	fmt.Println("opened")
	return db.Close()
}

func TestOtherProcessIsToldTheOwnerAndADeadOwnersLockIsFree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	owner := start(t, "own", dir)
	if line := owner.line(t); !strings.HasPrefix(line, "open in ") {
		t.Fatal(line)
	}
	_, err := Open(dir, Options{})
	if e := wantError(t, err, ErrLocked, "is open in process"); e.PID() != owner.Process.Pid {
		t.Errorf("the owner is %d, must be %d", e.PID(), owner.Process.Pid)
	}
	owner.kill(t)
	openAt(t, dir, Options{})
	line := start(t, "open", dir).line(t)
	if want := fmt.Sprint(ErrLocked, " ", os.Getpid()); line != want {
		t.Errorf("the other process was told %q, must be %q", line, want)
	}
}

// execWhileOpen starts a child of its own that outlives its parent's database.
func execWhileOpen(dir string) error {
	db, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	sleeper := exec.Command("sleep", "1000")
	if err := sleeper.Start(); err != nil {
		return err
	}
	defer func() {
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
	}()
	if err := db.Close(); err != nil {
		return err
	}
	again, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	fmt.Println("opened beside a child")
	return again.Close()
}

func TestChildProcessDoesNotInheritTheLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	if line := start(t, "exec a child", dir).line(t); line != "opened beside a child" {
		t.Error(line)
	}
}

// The operation that the crash test sends twice: its name is known to both processes.
var crashOperation = Operation{ID: NewID(0xc0de, 1)}

func commitAndWait(dir string) error {
	db, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	if o, err := db.Create(background, Operation{}, seat); err != nil || !o.OK() {
		return fmt.Errorf("create: %w", o.Err())
	}
	o, err := db.Reserve(background, crashOperation, seat, alice, time.Hour)
	if err != nil {
		return err
	}
	// Committed; the caller of this "server" is never answered.
	fmt.Println(o.LSN, o.Reservation)
	return forEver()
}

func TestRetryAfterACrashGetsTheFirstAnswer(t *testing.T) { // R60, R88
	dir := filepath.Join(t.TempDir(), "db")
	crashed := start(t, "crash", dir)
	told := crashed.line(t)
	crashed.kill(t)

	db := openAt(t, dir, Options{})
	o := done(t)(db.Reserve(background, crashOperation, seat, alice, time.Hour))
	if got := fmt.Sprint(o.LSN, o.Reservation); got != told || !o.FromRetryCache {
		t.Errorf("the retry was told %q (from the retry cache: %v), must be %q", got,
			o.FromRetryCache, told)
	}
	if h, err := db.Health(background); err != nil || h.Reservations.Used != 1 || h.Retries != 1 {
		t.Errorf("%d reservations, %d retries (%v); must be 1 and 1", h.Reservations.Used,
			h.Retries, err)
	}
}

// writeBeyondTheLimit makes the next write of the log fail, with the process's own file size limit.
func writeBeyondTheLimit(dir string) error {
	db, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	if _, err := db.Create(background, Operation{}, seat); err != nil {
		return err
	}
	lease, err := db.TryHold(background, seat, alice, 200*time.Millisecond)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 1, Max: 1}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	// Nothing goes to standard output before this: a pipe has no size limit, but a file has.
	op := db.NewOperation()
	_, failed := db.Reserve(background, op, seat, bob, time.Hour)
	_, halted := db.GetResource(background, seat, 0)
	_, batch := db.Do(background, []Command{{Kind: KindCreate, Resource: bob}})
	<-lease.Lost()
	health, err := db.Health(background)
	if err != nil {
		return err
	}
	fmt.Printf("%s|%s|%s|%s|%v %d\n", failed, halted, batch, lease.Err(), health.AcceptingWrites,
		health.HaltReason)
	fmt.Println(db.Close())
	return nil
}

func TestFailedWriteIsIndefiniteAndHaltsTheEngine(t *testing.T) { // R78, R89
	dir := filepath.Join(t.TempDir(), "db")
	full := start(t, "full disk", dir)
	told := strings.Split(full.line(t), "|")
	if len(told) != 5 {
		t.Fatal(told)
	}
	t.Log(told)
	for i, words := range []string{
		"nobody knows whether the commit took effect", "the engine has halted",
		"command 0: the engine has halted", "the lease was lost: allocdb: extend: the engine has halted",
		"false 1",
	} {
		if !strings.Contains(told[i], words) {
			t.Errorf("the answer is %q, must say %q", told[i], words)
		}
	}
	full.line(t)
	if err := full.Wait(); err != nil {
		t.Error(err)
	}
	// What was acknowledged is there; the reserve that failed had no right to the seat.
	db := openAt(t, dir, Options{})
	if r, err := db.GetResource(background, seat, 0); err != nil || r.Holder == bob {
		t.Errorf("the seat is %+v (%v)", r, err)
	}
}

// openWithoutMemory asks for more memory than the process may have.
func openWithoutMemory(dir string) error {
	limit := syscall.Rlimit{Cur: 8 << 30, Max: 8 << 30}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		return err
	}
	_, err := Open(dir, Options{MaxResources: 1 << 28})
	if err == nil {
		return fmt.Errorf("opened")
	}
	fmt.Println(err.(*Error).Status.String(), err)
	return nil
}

func TestTooLittleMemoryIsAnAnswer(t *testing.T) {
	line := start(t, "no memory", filepath.Join(t.TempDir(), "db")).line(t)
	if !strings.HasPrefix(line, "E_NO_MEMORY ") || !strings.Contains(line, "bytes of memory") {
		t.Error(line)
	}
}
