//! A write that is durable when it returns, in one step.
//!
//! A commit under `sync = full` is one write into space that was preallocated and synced before,
//! and one sync. Done as two calls, the bytes pass through the page cache, the sync writes them
//! out, and then the drive is told to empty its cache. A descriptor that is opened with `O_DIRECT`
//! and `O_DSYNC` does all of it in one call from our buffer, and where the drive can make a single
//! write durable, without emptying the whole of its cache. What that brings is in
//! `docs/performance.md`.
//!
//! It is a second descriptor of the same file; everything but commits goes on through the first.
//! The kernel keeps the two coherent: a direct write drops the cached pages that it passes by.
//!
//! Not every file system has it, and each has its own demands on addresses and lengths. So it is an
//! attempt: where the descriptor cannot be had, or the very first write is refused as invalid, the
//! two steps do. Rejected: asking beforehand what is demanded (`statx` knows only since Linux 6.1),
//! and `RWF_DSYNC` without `O_DIRECT`, which saves a system call and none of the copying.

use core::ffi::{c_int, c_long};
use core::sync::atomic::{AtomicBool, Ordering};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::file::retry;

/// The second descriptor of a file.
#[derive(Debug)]
pub(super) struct DirectFile {
    descriptor: OwnedFd,
    /// Whether the system has found a write invalid that is not.
    is_refused: AtomicBool,
}

/// How far a direct write came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DirectWrite {
    /// All of it is durable.
    Done,
    /// From here on, in bytes, it has to go the ordinary way. What came before is durable.
    Refused(usize),
    /// It failed at so many bytes.
    Failed(usize, i32),
}

impl DirectFile {
    /// What `open` opens with these flags, if it can.
    pub(super) fn open(open: impl FnOnce(c_int) -> Result<c_int, i32>) -> Option<Self> {
        let descriptor = open(libc::O_WRONLY | libc::O_DIRECT | libc::O_DSYNC).ok()?;
        Some(Self {
            // SAFETY: the descriptor was just opened and belongs to nobody else.
            descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) },
            is_refused: AtomicBool::new(false),
        })
    }

    /// Writes all of `bytes` from `position` on, durably.
    pub(super) fn write_at(&self, position: libc::off_t, bytes: &[u8]) -> DirectWrite {
        let mut done = 0;
        while done < bytes.len() {
            if self.is_refused.load(Ordering::Relaxed) {
                return DirectWrite::Refused(done);
            }
            let rest = &bytes[done..];
            let Ok(advance) = libc::off_t::try_from(done) else {
                return DirectWrite::Failed(done, libc::EFBIG);
            };
            let count = retry(|| {
                // SAFETY: the descriptor is open and the bytes live through the call.
                let count = unsafe {
                    libc::pwrite(
                        self.descriptor.as_raw_fd(),
                        rest.as_ptr().cast(),
                        rest.len(),
                        position + advance,
                    )
                };
                count as c_long
            });
            match count.map(usize::try_from) {
                Ok(Ok(0)) => return DirectWrite::Failed(done, libc::ENOSPC),
                Ok(Ok(count)) => done += count,
                Ok(Err(_)) => return DirectWrite::Failed(done, libc::EIO),
                // Addresses, lengths or this file system: nothing was written.
                Err(libc::EINVAL) => self.is_refused.store(true, Ordering::Relaxed),
                Err(errno) => return DirectWrite::Failed(done, errno),
            }
        }
        DirectWrite::Done
    }
}
