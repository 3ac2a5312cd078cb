//! Why a call failed, and how that reaches the caller's `allocdb_error`.
//!
//! A failure is made on the stack: its message is formatted into a fixed buffer, because an error
//! path that allocates fails exactly when memory is what is short. What does not fit is cut at a
//! whole character. Rejected: a pointer to static text per status, which cannot name the value that
//! was wrong.

use core::ffi::c_char;
use core::fmt::{self, Write};

use allocdb_core::Rejection;
use allocdb_node::wire::CallError;
use allocdb_node::{
    BackupError, CheckpointError, OpenError, ReadError, RefreshError, SubmitError, error, status,
};

use crate::types::{allocdb_error, allocdb_status};

/// Bytes of a message with its NUL.
pub(crate) const MESSAGE_BYTES: usize = 216;

/// A failed call's story.
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) os_errno: i32,
    pub(crate) detail: [u64; 4],
    /// What is to be written to a size output, where too small a buffer was the reason.
    pub(crate) needed: Option<usize>,
    message: Message,
}

impl Failure {
    pub(crate) fn new(status: u16, detail: [u64; 4], message: fmt::Arguments<'_>) -> Self {
        let mut text = Message::default();
        // A message that does not fit is cut: the only error there can be.
        let _ = text.write_fmt(message);
        Self {
            status,
            os_errno: 0,
            detail,
            needed: None,
            message: text,
        }
    }

    /// An argument that is not allowed; `position` counts from 1.
    pub(crate) fn argument(position: u32, message: fmt::Arguments<'_>) -> Self {
        Self::new(status::E_INVALID, [position.into(), 0, 0, 0], message)
    }

    /// An option out of its bounds.
    pub(crate) fn option(name: &'static str, value: u64, least: u64, greatest: u64) -> Self {
        Self::new(
            status::E_INVALID,
            [value, least, greatest, 0],
            format_args!("{name} is {value}, must be {least} to {greatest}"),
        )
    }

    /// An output buffer that is too small.
    pub(crate) fn too_small(position: u32, name: &str, capacity: usize, needed: usize) -> Self {
        let detail = [position.into(), capacity as u64, needed as u64, 0];
        let mut failure = Self::new(
            status::E_BUFFER_TOO_SMALL,
            detail,
            format_args!("{name} has room for {capacity}, {needed} are needed"),
        );
        failure.needed = Some(needed);
        failure
    }

    /// A status whose general sentence says it all.
    pub(crate) fn plain(status: u16) -> Self {
        Self::new(status, [0; 4], format_args!("{}", status::message(status)))
    }

    /// A zero id where a read asks for one.
    pub(crate) fn zero_id(name: &str) -> Self {
        Self::new(
            status::E_MALFORMED,
            [0; 4],
            format_args!("{name} is {{0, 0}}, which is never an id"),
        )
    }

    /// Whether nobody knows yet what happened.
    pub(crate) fn is_indefinite(&self) -> bool {
        status::category(self.status) == status::Category::Indefinite
    }

    /// Writes the story to the caller's struct.
    ///
    /// # Safety
    /// `error` is NULL, or aligned and has room.
    pub(crate) unsafe fn write(&self, error: *mut allocdb_error) -> allocdb_status {
        let status = allocdb_status::from(self.status);
        if !error.is_null() {
            let story = allocdb_error {
                status,
                os_errno: self.os_errno,
                detail: self.detail,
                message: self.message.bytes.map(|byte| c_char::from_ne_bytes([byte])),
            };
            // SAFETY: the caller of this function says so.
            unsafe { error.write(story) };
        }
        status
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        let [first, second, ..] = error::rejection_detail(&rejection);
        Self::new(
            rejection.status(),
            [0, first, second, 0],
            format_args!("{rejection}"),
        )
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        let mut failure = Self::new(error.status(), error.detail(), format_args!("{error}"));
        failure.os_errno = error.os_errno();
        failure
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let mut failure = Self::new(error.status(), error.detail(), format_args!("{error}"));
        failure.os_errno = error.os_errno();
        failure
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let mut failure = Self::new(error.status(), error.detail(), format_args!("{error}"));
        failure.os_errno = error.os_errno();
        failure
    }
}

impl From<RefreshError> for Failure {
    fn from(error: RefreshError) -> Self {
        let mut failure = Self::new(error.status(), error.detail(), format_args!("{error}"));
        failure.os_errno = error.os_errno();
        failure
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        let mut failure = Self::new(error.status(), [0; 4], format_args!("{error}"));
        failure.os_errno = error.os_errno();
        failure
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let detail = match error {
            BackupError::Overloaded { capacity } => [capacity.into(), 0, 0, 0],
            _ => [0; 4],
        };
        let mut failure = Self::new(error.status(), detail, format_args!("{error}"));
        failure.os_errno = error.os_errno();
        failure
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::new(error.status(), error.detail(), format_args!("{error}"))
    }
}

/// A NUL-terminated line of bounded length.
struct Message {
    bytes: [u8; MESSAGE_BYTES],
    len: usize,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            bytes: [0; MESSAGE_BYTES],
            len: 0,
        }
    }
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(MESSAGE_BYTES - 1 - self.len);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes[self.len..self.len + end].copy_from_slice(&text.as_bytes()[..end]);
        self.len += end;
        if end == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
