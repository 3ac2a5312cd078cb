//! What this thread is doing: inside a call, inside the log callback, or neither.
//!
//! Two words of thread-local state without a destructor: a destructor would be registered with the
//! C library, which allocates, and would run in a host's thread after the host believes that it is
//! done with us. They tell re-entry from the log callback, and let the panic hook know that a panic
//! is ours.
//!
//! The hook is one for the process (for this library's copy of the standard library, where the host
//! is no Rust program). It is installed once, at the first open, forwards every panic of other code
//! to the hook before it, and takes the text of ours, which must not go to the host's stderr.
//! Rejected: `panic = "abort"`, which ends the host; and resuming the unwind into C, which is
//! undefined.

use core::cell::Cell;
use core::fmt::{self, Write};
use core::ptr;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use allocdb_core::canary::{Canary, is_planted};

thread_local! {
    static NOTE: Cell<*mut PanicNote> = const { Cell::new(ptr::null_mut()) };
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Bytes of a panic's text that are kept.
const NOTE_BYTES: usize = 384;

/// The text of a panic that was caught.
pub(crate) struct PanicNote {
    bytes: [u8; NOTE_BYTES],
    len: usize,
}

impl PanicNote {
    const EMPTY: Self = Self {
        bytes: [0; NOTE_BYTES],
        len: 0,
    };

    pub(crate) fn text(&self) -> &str {
        // Only whole characters are copied in, so this never falls back.
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for PanicNote {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(NOTE_BYTES - self.len);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes[self.len..self.len + end].copy_from_slice(&text.as_bytes()[..end]);
        self.len += end;
        Ok(())
    }
}

/// Runs a call's body; a panic ends here and becomes its text.
pub(crate) fn catch<R>(body: impl FnOnce() -> R) -> Result<R, PanicNote> {
    let mut note = PanicNote::EMPTY;
    let outer = NOTE.replace(&raw mut note);
    let caught = panic::catch_unwind(AssertUnwindSafe(body));
    NOTE.set(outer);
    caught.map_err(|payload| {
        // A payload is a text, made by our own code; were it anything else, its drop could panic.
        if !payload.is::<&str>() && !payload.is::<String>() {
            core::mem::forget(payload);
        }
        note
    })
}

/// Runs the host's log callback, during which every call answers `E_REENTRANT`, and a panic is the
/// host's own.
pub(crate) fn call_back(callback: impl FnOnce()) {
    let outer = NOTE.replace(ptr::null_mut());
    let before = IN_CALLBACK.replace(true);
    callback();
    IN_CALLBACK.set(before);
    NOTE.set(outer);
}

/// Whether this thread is inside the log callback.
pub(crate) fn is_in_callback() -> bool {
    IN_CALLBACK.get() && !is_planted(Canary::CallbackMayCall)
}

/// Installs the panic hook, once for the process.
pub(crate) fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let note = NOTE.get();
            if note.is_null() {
                before(info);
            } else {
                // SAFETY: not NULL only while the `catch` that owns the note is on this stack.
                take_note(unsafe { &mut *note }, info);
            }
        }));
    });
}

fn take_note(note: &mut PanicNote, info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    note.len = 0;
    // Writing to a note never fails: what does not fit is cut.
    let _ = match info.location() {
        Some(place) => write!(note, "{}:{}: {text}", place.file(), place.line()),
        None => note.write_str(text),
    };
}

#[cfg(test)]
mod tests;
