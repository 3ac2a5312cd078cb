//! What is behind a handle: the engine, and what the C API adds to it.

use core::ffi::{CStr, c_char, c_void};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use allocdb_node::cancellation::CancellationOff;
use allocdb_node::diagnostics::LINE_BYTES_MAX;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{
    BackupError, Diagnostics, Engine, HaltReason, Level, LogSink, OpenError, OpenMode, status,
};

use crate::failure::Failure;
use crate::options::Wanted;
use crate::thread;
use crate::types::{allocdb_id, allocdb_log_function, allocdb_operation};

/// An open database.
pub(crate) struct Database {
    pub(crate) engine: Engine<FileStorage>,
    pub(crate) wanted: Wanted,
    operations: OperationIds,
}

impl Database {
    /// Opens the database in `directory`.
    pub(crate) fn open(directory: &CStr, wanted: &Wanted) -> Result<Self, Failure> {
        thread::install_panic_hook();
        let settings = wanted.options.settings().map_err(Failure::from_config)?;
        let operations = OperationIds::draw()?;
        let directory_options = DirectoryOptions {
            create: wanted.options.mode != OpenMode::Existing && !wanted.options.read_only,
            allow_network_file_system: wanted.options.allow_network_fs,
        };
        let path = Path::new(OsStr::from_bytes(directory.to_bytes()));
        let storage = FileStorage::open(path, directory_options)?;
        let sink = wanted.log_function.map(|function| {
            let context = wanted.log_context;
            Box::new(Callback { function, context }) as Box<dyn LogSink>
        });
        let ring_bytes = settings.log_ring_bytes as usize;
        let diagnostics = Diagnostics::new(settings.log_level, ring_bytes, sink);
        let engine = Engine::open(storage, &wanted.options, diagnostics)?;
        Ok(Self {
            engine,
            wanted: *wanted,
            operations,
        })
    }

    /// Copies the database into `directory`.
    pub(crate) fn backup(&self, directory: &CStr) -> Result<(), Failure> {
        // Its files are closed on every way out, and close is a cancellation point.
        let _cancellation_off = CancellationOff::new();
        let options = DirectoryOptions {
            create: true,
            allow_network_file_system: self.wanted.options.allow_network_fs,
        };
        let path = Path::new(OsStr::from_bytes(directory.to_bytes()));
        let target = FileStorage::open(path, options).map_err(|error| match error {
            // A file by that name is no empty directory either.
            OpenError::NotADatabase { .. } => BackupError::Exists.into(),
            error => Failure::from(error),
        })?;
        self.engine.backup(&target)?;
        Ok(())
    }

    /// Halts after a panic that was caught at the boundary; its text goes to the log.
    pub(crate) fn panicked(&self, text: &str) {
        let halted = thread::catch(|| {
            self.engine.halt(HaltReason::Panic);
            let diagnostics = self.engine.diagnostics();
            diagnostics.log(Level::Error, format_args!("internal error: {text}"));
        });
        // A second panic on the way out has nobody left to tell.
        drop(halted);
    }

    /// Closes with all that belongs to it: no call is under way.
    pub(crate) fn close(self) -> Result<(), Failure> {
        self.engine.close().map_err(|error| {
            let detail = [0; 4];
            let mut failure =
                Failure::new(status::E_STORAGE_FAILURE, detail, format_args!("{error}"));
            failure.os_errno = error.os_errno;
            failure
        })
    }

    /// Frees the memory in a forked child, where the files are the parent's.
    pub(crate) fn abandon(self) {
        self.engine.abandon();
    }

    /// R51: a new operation, valid for the dedupe window from now.
    pub(crate) fn operation_new(&self) -> allocdb_operation {
        let window = self.engine.configuration().operation_window_slots;
        let slot = self.engine.slot_default().0;
        allocdb_operation {
            id: self.operations.next(),
            valid_until_slot: slot.saturating_add(window),
        }
    }
}

/// Random operation ids without a system call each: a random base, counted up.
///
/// They are version 4 UUIDs to look at, so that none is taken for a packed name (version 8).
/// Rejected: a draw for each id, at the price of a system call in front of every command.
struct OperationIds {
    base: allocdb_id,
    count: AtomicU64,
}

impl OperationIds {
    fn draw() -> Result<Self, Failure> {
        let base = random_id().ok_or_else(|| {
            let message = format_args!("the kernel gives no random numbers");
            Failure::new(status::E_IO, [0; 4], message)
        })?;
        Ok(Self {
            base,
            count: AtomicU64::new(0),
        })
    }

    fn next(&self) -> allocdb_id {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        allocdb_id {
            lo: with_variant(self.base.lo.wrapping_add(count)),
            hi: self.base.hi,
        }
    }
}

/// A version 4 UUID; `None` where the kernel gives no random numbers.
pub(crate) fn random_id() -> Option<allocdb_id> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let number = u128::from_le_bytes(bytes);
    let [lo, hi] = [number, number >> 64].map(|half| {
        let half = half & u128::from(u64::MAX);
        u64::try_from(half).expect("masked to 64 bits")
    });
    Some(allocdb_id {
        lo: with_variant(lo),
        hi: (hi & !0xF000) | 0x4000,
    })
}

/// The two highest bits of a UUID's second half say which kind of UUID it is.
const fn with_variant(lo: u64) -> u64 {
    (lo & !(0b11 << 62)) | (0b10 << 62)
}

/// The host's log callback.
struct Callback {
    function: unsafe extern "C" fn(*mut c_void, u32, *const c_char, usize),
    context: *mut c_void,
}

const _: () = assert!(size_of::<allocdb_log_function>() == size_of::<usize>());

// SAFETY: the header says that the callback is called from any thread that is in a call, with the
// context untouched.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

impl LogSink for Callback {
    fn line(&self, level: Level, text: &str) {
        let mut line = [0u8; LINE_BYTES_MAX + 1];
        let len = text.len().min(LINE_BYTES_MAX);
        line[..len].copy_from_slice(&text.as_bytes()[..len]);
        let text = line.as_ptr().cast::<c_char>();
        // SAFETY: the host gave this function for this purpose; the text ends with a NUL.
        thread::call_back(|| unsafe {
            (self.function)(self.context, level as u32, text, len);
        });
    }
}

// SAFETY: the pointers in `wanted` are the host's own, handed back to it and never followed.
unsafe impl Send for Database {}
// SAFETY: as above.
unsafe impl Sync for Database {}
