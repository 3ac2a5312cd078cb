//! The handle: a shell of 64 bytes that outlives the database behind it.
//!
//! | | |
//! |---|---|
//! | `magic` | tells a handle from another pointer |
//! | `generation` | the fork generation of its opening: another one means a child |
//! | `calls` | calls under way, and the bit that says closed |
//! | `idle` | where the closer waits for them |
//! | `database` | what is behind it; NULL once closed |
//! | `next` | the list of all shells, never shortened |
//!
//! A call counts itself in, then looks at the closed bit; closing sets the bit, then waits for the
//! count to be 0, then frees the database. The shell stays, so a call through a copied pointer
//! finds the bit and answers `E_CLOSED` for as long as the process lives. Rejected: freeing the
//! shell, which turns that mistake into a crash; and reusing it for the next open, which turns it
//! into commands to another database. It costs 64 bytes an open.
//!
//! In a forked child nothing is waited for and no file is touched: the threads that were inside
//! calls do not exist there. For the same reason the lock that a closer waits with is the handle's
//! own: one for all handles, held by any thread at the moment of a fork, would be held for ever in
//! the child, whose own handles could then not be closed.

use core::ptr;
use std::alloc::{Layout, alloc, dealloc};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use allocdb_core::canary::{Canary, is_planted};
use allocdb_node::{fork, status};

use crate::database::Database;
use crate::failure::Failure;
use crate::thread;
use crate::types::allocdb;

/// "AllocDB" and a version of this layout.
const MAGIC: u64 = u64::from_le_bytes(*b"AllocDB\x01");
const CLOSED: u64 = 1 << 63;

pub(crate) struct Shell {
    magic: u64,
    generation: u32,
    idle: (Mutex<()>, Condvar),
    calls: AtomicU64,
    database: AtomicPtr<Database>,
    next: *mut Shell,
}

const _: () = assert!(size_of::<Shell>() <= 64);

/// Every shell there ever was.
static SHELLS: AtomicPtr<Shell> = AtomicPtr::new(ptr::null_mut());

/// A call under way on an open handle.
struct Call<'a>(&'a Shell);

/// Makes a handle; `None` when there is no memory for it, and the database is then dropped.
pub(crate) fn make(database: Database) -> Option<*mut allocdb> {
    let database = allocate(database)?;
    let shell = allocate(Shell {
        magic: MAGIC,
        generation: fork::generation(),
        idle: (Mutex::new(()), Condvar::new()),
        calls: AtomicU64::new(0),
        database: AtomicPtr::new(database),
        next: ptr::null_mut(),
    });
    let Some(shell) = shell else {
        // SAFETY: just made by `allocate`, and nobody else has it.
        unsafe { free(database) };
        return None;
    };
    let mut first = SHELLS.load(Ordering::Relaxed);
    loop {
        // SAFETY: the shell was just made, and is published only below.
        unsafe { (*shell).next = first };
        match SHELLS.compare_exchange_weak(first, shell, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Some(shell.cast()),
            Err(now) => first = now,
        }
    }
}

/// Runs `body` on the database behind a handle, with panics caught and the handle kept open.
///
/// # Safety
/// `db` is NULL or points to readable memory, as for every use of a pointer.
pub(crate) unsafe fn with<R>(
    db: *const allocdb,
    body: impl FnOnce(&Database) -> Result<R, Failure>,
) -> Result<R, Failure> {
    if thread::is_in_callback() {
        return Err(Failure::plain(status::E_REENTRANT));
    }
    // SAFETY: the caller of this function says so.
    let shell = unsafe { shell_of(db) }?;
    let call = enter(shell)?;
    // SAFETY: not closed when the call was counted in, so it is there until the call leaves.
    let database = unsafe { &*call.0.database.load(Ordering::Acquire) };
    match thread::catch(|| body(database)) {
        Ok(result) => result,
        Err(note) => {
            database.panicked(note.text());
            Err(panic_failure(note.text()))
        }
    }
}

/// What a caught panic is answered with.
pub(crate) fn panic_failure(text: &str) -> Failure {
    let message = format_args!("{}: {text}", status::message(status::E_PANIC));
    Failure::new(status::E_PANIC, [0; 4], message)
}

/// Closes a handle: the first to do so gets the answer, all others `Ok`.
///
/// # Safety
/// As [`with`]; `db` is not NULL.
pub(crate) unsafe fn close(db: *mut allocdb) -> Result<(), Failure> {
    // SAFETY: the caller of this function says so.
    let shell = unsafe { shell_of(db) }?;
    let before = shell.calls.fetch_or(CLOSED, Ordering::AcqRel);
    if before & CLOSED != 0 {
        return Ok(());
    }
    let is_forked = shell.generation != fork::generation();
    if !is_forked && !is_planted(Canary::CloseDoesNotWait) {
        wait_until_idle(shell);
    }
    let database = shell.database.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: made by `allocate` in `make`; the closed bit was ours to set, and no call is inside.
    let database = unsafe { take(database) };
    let closed = thread::catch(move || {
        if is_forked {
            database.abandon();
            Ok(())
        } else {
            database.close()
        }
    });
    closed.unwrap_or_else(|note| Err(panic_failure(note.text())))
}

fn wait_until_idle(shell: &Shell) {
    let (idle, is_idle) = &shell.idle;
    let mut guard = idle.lock().unwrap_or_else(PoisonError::into_inner);
    while shell.calls.load(Ordering::Acquire) != CLOSED {
        guard = is_idle.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
}

unsafe fn shell_of<'a>(db: *const allocdb) -> Result<&'a Shell, Failure> {
    let shell = db.cast::<Shell>();
    if shell.is_null() {
        return Err(Failure::argument(1, format_args!("db is NULL")));
    }
    // SAFETY: aligned, and the caller says that it is readable.
    if !shell.is_aligned() || unsafe { (*shell).magic } != MAGIC {
        return Err(Failure::argument(1, format_args!("db is not a handle")));
    }
    // SAFETY: the magic number says that it is one of ours, and those are never freed.
    Ok(unsafe { &*shell })
}

fn enter(shell: &Shell) -> Result<Call<'_>, Failure> {
    if shell.generation != fork::generation() {
        // Not counted in: the count was inherited in the middle of other threads' calls.
        let is_closed = shell.calls.load(Ordering::Relaxed) & CLOSED != 0;
        let status = if is_closed {
            status::E_CLOSED
        } else {
            status::E_FORKED
        };
        return Err(Failure::plain(status));
    }
    let before = shell.calls.fetch_add(1, Ordering::AcqRel);
    let call = Call(shell);
    if before & CLOSED != 0 {
        return Err(Failure::plain(status::E_CLOSED));
    }
    Ok(call)
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let before = self.0.calls.fetch_sub(1, Ordering::AcqRel);
        assert!(before & !CLOSED > 0, "a call leaves once");
        if before == CLOSED + 1 {
            // The lock makes sure that a closer which saw the count is asleep by now.
            let (idle, is_idle) = &self.0.idle;
            drop(idle.lock().unwrap_or_else(PoisonError::into_inner));
            is_idle.notify_all();
        }
    }
}

/// A value on the heap, or nothing where there is no memory: `Box` would end the process.
fn allocate<T>(value: T) -> Option<*mut T> {
    let layout = Layout::new::<T>();
    assert!(layout.size() > 0, "nothing empty is kept on the heap");
    // SAFETY: the layout is not empty.
    let place = unsafe { alloc(layout) }.cast::<T>();
    if place.is_null() {
        return None;
    }
    // SAFETY: fresh memory of the value's layout.
    unsafe { place.write(value) };
    Some(place)
}

/// Moves a value that `allocate` made out of its place, and frees the place.
unsafe fn take<T>(place: *mut T) -> T {
    // SAFETY: the caller gives up the only pointer to it.
    unsafe {
        let value = place.read();
        dealloc(place.cast(), Layout::new::<T>());
        value
    }
}

unsafe fn free<T>(place: *mut T) {
    // SAFETY: as the caller of this function says.
    drop(unsafe { take(place) });
}

#[cfg(test)]
mod tests;
