//! The systems that are compared, each behind the same two traits.
//!
//! Each opens a database of its own in a directory of its own, on the disk in question, with all
//! resources in it and available. What was tuned, and why, stands at the top of each file.

use std::os::unix::process::CommandExt;
use std::process::Command;

pub(crate) mod allocdb;
pub(crate) mod grouped;
#[cfg(feature = "postgres")]
mod libpq;
pub(crate) mod lmdb;
pub(crate) mod map;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod redis;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

/// A server that is told to end when this program does, however that comes about.
fn ends_with_us(server: &mut Command, signal: libc::c_int) -> &mut Command {
    let ask = move || {
        // SAFETY: a call that is allowed between fork and exec; its arguments are numbers.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) } == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    // SAFETY: what runs in the child is one system call.
    unsafe { server.pre_exec(ask) }
}
