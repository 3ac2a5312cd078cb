//! Handles with a real engine behind them.

use core::ptr;
use std::ffi::CString;

use allocdb_node::status;

use super::{close, shell_of, with};
use crate::api::lifecycle::{allocdb_close, allocdb_open};
use crate::api::upkeep::allocdb_log_read;
use crate::failure::Failure;
use crate::types::allocdb;

fn open(directory: &tempfile::TempDir) -> *mut allocdb {
    let path = directory.path().join("db");
    let path = CString::new(path.to_str().expect("a plain path")).expect("no NUL");
    let mut db = ptr::null_mut();
    // SAFETY: all pointers are to locals.
    let status = unsafe { allocdb_open(path.as_ptr(), ptr::null(), &raw mut db, ptr::null_mut()) };
    assert_eq!(status, 0);
    db
}

#[test]
fn a_panic_halts_the_engine_and_its_text_goes_to_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut db = open(&directory);
    // SAFETY: an open handle.
    let answer = unsafe { with(db, |_| -> Result<(), Failure> { panic!("planted") }) };
    assert_eq!(
        answer.err().map(|failure| failure.status),
        Some(status::E_PANIC)
    );
    // SAFETY: as above.
    let after = unsafe {
        with(db, |database| {
            let id = allocdb_core::ResourceId(1);
            database.engine.resource(allocdb_core::Lsn(0), id)?;
            Ok(())
        })
    };
    assert_eq!(
        after.err().map(|failure| failure.status),
        Some(status::E_HALTED)
    );
    let mut text = [0u8; 4096];
    let mut len = 0;
    // SAFETY: all pointers are to locals.
    let read = unsafe {
        let (text, none) = (text.as_mut_ptr().cast(), ptr::null_mut());
        allocdb_log_read(db, text, 4096, &raw mut len, none, ptr::null_mut())
    };
    assert_eq!(read, 0);
    let text = core::str::from_utf8(&text[..len]).expect("text");
    assert!(text.contains("planted"), "{text}");
    // SAFETY: as above.
    assert_eq!(unsafe { allocdb_close(&raw mut db) }, 0);
    assert!(db.is_null());
}

#[test]
fn a_copied_handle_is_closed_for_ever_after() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut db = open(&directory);
    let copy = db;
    // SAFETY: an open handle, then its shell, which stays.
    unsafe {
        assert_eq!(allocdb_close(&raw mut db), 0);
        assert_eq!(allocdb_close(&raw mut db), 0);
        let answer = with(copy, |_| Ok(()));
        assert_eq!(
            answer.err().map(|failure| failure.status),
            Some(status::E_CLOSED)
        );
        assert!(close(copy).is_ok());
    }
}

#[test]
fn what_is_no_handle_is_told_so() {
    let words = [0u64; 8];
    // SAFETY: readable memory.
    let answer = unsafe { with(words.as_ptr().cast(), |_| Ok(())) };
    assert_eq!(
        answer.err().map(|failure| failure.status),
        Some(status::E_INVALID)
    );
}

/// The lock that closers wait with was one for all handles. A thread that held it at a fork, for
/// the few instructions that it is held, held it for ever in the child: nothing could be closed.
#[test]
fn a_child_forked_while_a_handle_is_being_closed_can_close_its_own() {
    let directories = [tempfile::tempdir(), tempfile::tempdir()];
    let [inherited_in, own_in] = directories.map(|made| made.expect("a directory"));
    let mut inherited = open(&inherited_in);
    // SAFETY: an open handle.
    let shell = unsafe { shell_of(inherited) };
    let shell = shell.unwrap_or_else(|_| panic!("a handle"));
    let closer = shell.idle.0.lock().expect("nobody panics with it");
    // SAFETY: the child uses what glibc makes usable after a fork (memory, files), and ends itself.
    let state = unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(20);
            let mut own = open(&own_in);
            let closed = (
                allocdb_close(&raw mut own),
                allocdb_close(&raw mut inherited),
            );
            libc::_exit(i32::from(closed != (0, 0)));
        }
        let mut state = 0;
        assert_eq!(libc::waitpid(child, &raw mut state, 0), child);
        state
    };
    assert_eq!(state, 0, "14 is the alarm: it waited");
    drop(closer);
    // SAFETY: an open handle.
    assert_eq!(unsafe { allocdb_close(&raw mut inherited) }, 0);
}
