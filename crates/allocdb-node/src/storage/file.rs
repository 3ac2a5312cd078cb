//! The real database directory on Linux.
//!
//! The directory is opened once, its path copied to the stack with a bound; everything in it is
//! reached relative to that descriptor, so no path is built, nothing allocates, and a directory
//! that is renamed while open stays the same database. All descriptors are close-on-exec. Reads
//! and writes go on after interruptions and short counts.
//!
//! Each call that is a cancellation point disables thread cancellation for its duration (see
//! [`crate::cancellation`]).
//!
//! A write beyond the process's file size limit would raise SIGXFSZ, whose default is the death of
//! the host; the limit is looked at before the file grows, and answers `EFBIG` instead.
//!
//! Network file systems are refused unless allowed: their locks and syncs promise less than
//! recovery assumes. FUSE is not on the list: what stands behind it is unknown, and it is often a
//! local disk.

use core::ffi::{CStr, c_int, c_long};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU64, Ordering};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use allocdb_core::ConfigError;

use super::direct::{DirectFile, DirectWrite};
use super::lock::LockRecord;
use super::{FileMode, LOCK_BYTES, LockError, NameText, Storage};
use crate::cancellation::CancellationOff;
use crate::error::{FileName, IoError, OpenError};
use crate::fork::LockDescriptor;

/// The longest path to a directory, the system's own bound with its terminating zero.
const PATH_BYTES_MAX: usize = 4096;
/// Group and others get nothing unless the host opens the directory to them.
const DIRECTORY_PERMISSIONS: libc::mode_t = 0o700;
const FILE_PERMISSIONS: libc::mode_t = 0o600;

/// NFS, SMB, CIFS, SMB2, AFS, AFS of the kernel, Coda, NCP, 9P, Ceph, GFS2, OCFS2, Lustre, GPFS.
const NETWORK_FILE_SYSTEMS: [u32; 14] = [
    0x6969,
    0x517B,
    0xFF53_4D42,
    0xFE53_4D42,
    0x5346_414F,
    0x6B41_4653,
    0x7375_7245,
    0x564C,
    0x0102_1997,
    0x00C3_6400,
    0x0116_1970,
    0x7461_636F,
    0x0BD0_0BD0,
    0x4750_4653,
];

/// How a directory is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DirectoryOptions {
    /// Make the directory where it is missing; the one above it must exist.
    pub create: bool,
    /// Accept a network file system.
    pub allow_network_file_system: bool,
}

/// A database directory on a real file system.
#[derive(Debug)]
pub struct FileStorage {
    directory: OwnedFd,
}

/// An open file of a [`FileStorage`].
#[derive(Debug)]
pub struct OpenFile {
    name: FileName,
    descriptor: Descriptor,
    /// Of a log that is written.
    direct: Option<DirectFile>,
    /// Writes that end below need no look at the file size limit.
    limit_checked: AtomicU64,
}

#[derive(Debug)]
enum Descriptor {
    Plain(OwnedFd),
    Lock(LockDescriptor),
}

impl OpenFile {
    fn new(name: FileName, descriptor: Descriptor) -> Self {
        Self {
            name,
            descriptor,
            direct: None,
            limit_checked: AtomicU64::new(0),
        }
    }

    fn raw(&self) -> c_int {
        match &self.descriptor {
            Descriptor::Plain(descriptor) => descriptor.as_raw_fd(),
            Descriptor::Lock(descriptor) => descriptor.raw(),
        }
    }

    fn error(&self, operation: &'static str, offset: u64, errno: i32) -> IoError {
        IoError {
            operation,
            file: self.name,
            offset,
            os_errno: errno,
        }
    }
}

impl FileStorage {
    /// Opens the directory, making it where that is asked for.
    pub fn open(path: &Path, options: DirectoryOptions) -> Result<Self, OpenError> {
        let bytes = path.as_os_str().as_bytes();
        let mut buffer = [0; PATH_BYTES_MAX];
        let fits = !bytes.is_empty() && bytes.len() < PATH_BYTES_MAX && !bytes.contains(&0);
        let Some(place) = buffer.get_mut(..bytes.len()).filter(|_| fits) else {
            return Err(path_invalid(bytes.len()));
        };
        place.copy_from_slice(bytes);
        let path = CStr::from_bytes_until_nul(&buffer).map_err(|_| path_invalid(bytes.len()))?;
        let _quiet = CancellationOff::new();
        let storage = match open_directory(path) {
            Err(libc::ENOENT) if options.create => {
                // SAFETY: `path` is a C string that lives through the call.
                let made = unsafe { libc::mkdir(path.as_ptr(), DIRECTORY_PERMISSIONS) };
                match errno_of(made.into()) {
                    Ok(_) | Err(libc::EEXIST) => open_directory(path),
                    Err(errno) => Err(errno),
                }
            }
            opened => opened,
        };
        let storage = Self {
            directory: storage.map_err(directory_error)?,
        };
        if !options.allow_network_file_system {
            storage.refuse_network_file_system()?;
        }
        Ok(storage)
    }

    fn refuse_network_file_system(&self) -> Result<(), OpenError> {
        let mut status = MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: the descriptor is open and `status` has room for what is asked.
        let result = unsafe { libc::fstatfs(self.directory.as_raw_fd(), status.as_mut_ptr()) };
        errno_of(result.into()).map_err(directory_error)?;
        // SAFETY: zeroed memory is a valid `statfs`, and the call has filled it.
        let status = unsafe { status.assume_init() };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the numbers are 32 bits wide, whatever the field's type is"
        )]
        let magic = status.f_type as u32;
        if is_network_file_system(magic) {
            return Err(OpenError::UnsupportedFileSystem { kind: magic.into() });
        }
        Ok(())
    }

    fn open_raw(&self, name: FileName, flags: c_int) -> Result<c_int, i32> {
        let (flags, permissions) = (flags | libc::O_CLOEXEC | libc::O_NOFOLLOW, FILE_PERMISSIONS);
        retry(|| {
            // SAFETY: the directory is open and the name is a C string that lives through the call.
            unsafe {
                libc::openat(
                    self.directory.as_raw_fd(),
                    NameText::new(name).as_c_str().as_ptr(),
                    flags,
                    permissions,
                )
            }
            .into()
        })
        .and_then(|descriptor| c_int::try_from(descriptor).map_err(|_| libc::EBADF))
    }

    fn sync_raw(&self, descriptor: c_int, operation: &'static str) -> Result<(), IoError> {
        // A sync is never tried twice, not even after an interruption: after a failure the kernel
        // may count the pages as clean.
        // SAFETY: the descriptor is open.
        let result = unsafe { libc::fsync(descriptor) };
        errno_of(result.into())
            .map(|_| ())
            .map_err(|errno| self.error(operation, errno))
    }

    #[allow(clippy::unused_self, reason = "the error is this directory's")]
    fn error(&self, operation: &'static str, errno: i32) -> IoError {
        IoError {
            operation,
            file: FileName::Directory,
            offset: 0,
            os_errno: errno,
        }
    }
}

/// Whether a file system of this number belongs to a network.
pub(super) fn is_network_file_system(magic: u32) -> bool {
    NETWORK_FILE_SYSTEMS.contains(&magic)
}

impl Storage for FileStorage {
    type File = OpenFile;

    fn lock(&self) -> Result<OpenFile, LockError> {
        let _quiet = CancellationOff::new();
        let name = FileName::Lock;
        let failed = |errno| {
            LockError::Io(IoError {
                operation: "lock",
                file: name,
                offset: 0,
                os_errno: errno,
            })
        };
        let flags = libc::O_RDWR | libc::O_CREAT;
        let descriptor = LockDescriptor::open(|| self.open_raw(name, flags)).map_err(failed)?;
        let file = OpenFile::new(name, Descriptor::Lock(descriptor));
        let locked = retry(|| {
            // SAFETY: the descriptor is open.
            unsafe { libc::flock(file.raw(), libc::LOCK_EX | libc::LOCK_NB) }.into()
        });
        match locked {
            Ok(_) => Ok(file),
            Err(libc::EWOULDBLOCK) => Err(LockError::Locked {
                pid: self.owner(&file),
            }),
            Err(errno) => Err(failed(errno)),
        }
    }

    fn open(&self, name: FileName, mode: FileMode) -> Result<OpenFile, IoError> {
        let _quiet = CancellationOff::new();
        let flags = match mode {
            FileMode::Read => libc::O_RDONLY,
            FileMode::ReadWrite => libc::O_RDWR,
            FileMode::Create => libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC,
        };
        let descriptor = self.open_raw(name, flags).map_err(|errno| IoError {
            operation: "open",
            file: name,
            offset: 0,
            os_errno: errno,
        })?;
        // SAFETY: the descriptor was just opened and belongs to nobody else.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let is_log = matches!(name, FileName::Wal | FileName::WalTemporary);
        let direct = (is_log && mode != FileMode::Read)
            .then(|| DirectFile::open(|flags| self.open_raw(name, flags)));
        Ok(OpenFile {
            direct: direct.flatten(),
            ..OpenFile::new(name, Descriptor::Plain(descriptor))
        })
    }

    fn len(&self, file: &OpenFile) -> Result<u64, IoError> {
        let mut status = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the descriptor is open and `status` has room for what is asked.
        let result = unsafe { libc::fstat(file.raw(), status.as_mut_ptr()) };
        errno_of(result.into()).map_err(|errno| file.error("length", 0, errno))?;
        // SAFETY: zeroed memory is a valid `stat`, and the call has filled it.
        let status = unsafe { status.assume_init() };
        u64::try_from(status.st_size).map_err(|_| file.error("length", 0, libc::EIO))
    }

    fn read_at(&self, file: &OpenFile, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        let mut done = 0;
        while done < out.len() {
            let rest = &mut out[done..];
            let at = offset.saturating_add(done as u64);
            let position = position(file, "read", at)?;
            let count = retry(|| {
                // SAFETY: the descriptor is open and the bytes are ours to fill.
                let count = unsafe {
                    libc::pread(file.raw(), rest.as_mut_ptr().cast(), rest.len(), position)
                };
                count as c_long
            });
            match count.map(usize::try_from) {
                Ok(Ok(0)) => return Err(file.error("read", at, 0)),
                Ok(Ok(count)) => done += count,
                Ok(Err(_)) => return Err(file.error("read", at, libc::EIO)),
                Err(errno) => return Err(file.error("read", at, errno)),
            }
        }
        Ok(())
    }

    fn write_at(&self, file: &OpenFile, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        check_size_limit(file, offset, bytes.len())?;
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let at = offset.saturating_add(done as u64);
            let position = position(file, "write", at)?;
            let count = retry(|| {
                // SAFETY: the descriptor is open and the bytes live through the call.
                let count =
                    unsafe { libc::pwrite(file.raw(), rest.as_ptr().cast(), rest.len(), position) };
                count as c_long
            });
            match count.map(usize::try_from) {
                Ok(Ok(0)) => return Err(file.error("write", at, libc::ENOSPC)),
                Ok(Ok(count)) => done += count,
                Ok(Err(_)) => return Err(file.error("write", at, libc::EIO)),
                Err(errno) => return Err(file.error("write", at, errno)),
            }
        }
        Ok(())
    }

    fn write_durable_at(&self, file: &OpenFile, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        check_size_limit(file, offset, bytes.len())?;
        let position = position(file, "write", offset)?;
        let done = match &file.direct {
            None => 0,
            Some(direct) => match direct.write_at(position, bytes) {
                DirectWrite::Done => return Ok(()),
                DirectWrite::Refused(done) => done,
                DirectWrite::Failed(done, errno) => {
                    return Err(file.error("write", offset.saturating_add(done as u64), errno));
                }
            },
        };
        self.write_at(file, offset.saturating_add(done as u64), &bytes[done..])?;
        self.sync_data(file)
    }

    fn set_len(&self, file: &OpenFile, len: u64) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        let position = position(file, "truncate", len)?;
        retry(|| {
            // SAFETY: the descriptor is open.
            unsafe { libc::ftruncate(file.raw(), position) }.into()
        })
        .map(|_| ())
        .map_err(|errno| file.error("truncate", len, errno))
    }

    fn sync_data(&self, file: &OpenFile) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        // SAFETY: the descriptor is open.
        let result = unsafe { libc::fdatasync(file.raw()) };
        errno_of(result.into())
            .map(|_| ())
            .map_err(|errno| file.error("sync", 0, errno))
    }

    fn sync_all(&self, file: &OpenFile) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        self.sync_raw(file.raw(), "sync")
            .map_err(|error| file.error("sync", 0, error.os_errno))
    }

    fn sync_directory(&self) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        self.sync_raw(self.directory.as_raw_fd(), "sync")
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        let failed = |errno| self.error("sync", errno);
        let parent = open_at(self.directory.as_raw_fd(), c"..");
        match parent {
            Ok(parent) => self.sync_raw(parent.as_raw_fd(), "sync"),
            // A host may own a directory below one that it cannot read; then somebody else made
            // the name, and made it durable.
            Err(libc::EACCES | libc::EPERM) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), IoError> {
        let directory = self.directory.as_raw_fd();
        let (from_text, to_text) = (NameText::new(from), NameText::new(to));
        let (old, new) = (from_text.as_c_str().as_ptr(), to_text.as_c_str().as_ptr());
        // SAFETY: the directory is open and both names are C strings that live through the call.
        let result = unsafe { libc::renameat(directory, old, directory, new) };
        errno_of(result.into())
            .map(|_| ())
            .map_err(|errno| IoError {
                operation: "rename",
                file: from,
                offset: 0,
                os_errno: errno,
            })
    }

    fn remove(&self, name: FileName) -> Result<(), IoError> {
        let directory = self.directory.as_raw_fd();
        // SAFETY: the directory is open and the name is a C string that lives through the call.
        let result =
            unsafe { libc::unlinkat(directory, NameText::new(name).as_c_str().as_ptr(), 0) };
        errno_of(result.into())
            .map(|_| ())
            .map_err(|errno| IoError {
                operation: "remove",
                file: name,
                offset: 0,
                os_errno: errno,
            })
    }

    fn list(&self, mut visit: impl FnMut(&[u8])) -> Result<(), IoError> {
        let _quiet = CancellationOff::new();
        let failed = |errno| self.error("list", errno);
        // A descriptor of its own, since the position in a directory belongs to the descriptor.
        let directory = open_at(self.directory.as_raw_fd(), c".").map_err(failed)?;
        // `readdir` would allocate its buffer; the system call fills ours.
        let mut buffer = [0u8; 4096];
        loop {
            let count = retry(|| {
                // SAFETY: the descriptor is open, and the kernel writes at most the buffer's
                // length into it.
                unsafe {
                    libc::syscall(
                        libc::SYS_getdents64,
                        directory.as_raw_fd(),
                        buffer.as_mut_ptr(),
                        buffer.len(),
                    )
                }
            })
            .map_err(failed)?;
            let filled = usize::try_from(count)
                .ok()
                .and_then(|count| buffer.get(..count))
                .ok_or_else(|| failed(libc::EIO))?;
            if filled.is_empty() {
                return Ok(());
            }
            directory_entries(filled, &mut visit).ok_or_else(|| failed(libc::EIO))?;
        }
    }
}

impl FileStorage {
    /// Whether somebody has the database open for writing right now: their process id, 0 where it
    /// cannot be read. Writes nothing. The answer is old when it is there, and where nobody has it
    /// open, a shared lock is held for an instant: who opens in that very instant is told `locked`.
    pub fn owner_now(&self) -> Result<Option<u32>, IoError> {
        let file = match self.open(FileName::Lock, FileMode::Read) {
            Err(error) if error.os_errno == libc::ENOENT => return Ok(None),
            opened => opened?,
        };
        let locked = retry(|| {
            // SAFETY: the descriptor is open.
            unsafe { libc::flock(file.raw(), libc::LOCK_SH | libc::LOCK_NB) }.into()
        });
        match locked {
            // Dropping the file gives the lock back.
            Ok(_) => Ok(None),
            Err(libc::EWOULDBLOCK) => Ok(Some(self.owner(&file))),
            Err(errno) => Err(file.error("lock", 0, errno)),
        }
    }

    /// The process id in a lock file that somebody else holds.
    fn owner(&self, file: &OpenFile) -> u32 {
        let mut text = [0; LOCK_BYTES];
        let read = self.read_at(file, 0, &mut text);
        let record = read.ok().and_then(|()| LockRecord::decode(&text));
        record.map_or(0, |record| record.pid)
    }
}

/// Walks what `getdents64` filled in: inode u64, offset u64, length u16, type u8, name, zero.
fn directory_entries(mut bytes: &[u8], visit: &mut impl FnMut(&[u8])) -> Option<()> {
    const LENGTH_OFFSET: usize = 16;
    const NAME_OFFSET: usize = 19;
    while !bytes.is_empty() {
        let length = bytes.get(LENGTH_OFFSET..)?.first_chunk()?;
        let (entry, rest) = bytes.split_at_checked(u16::from_ne_bytes(*length).into())?;
        let name = CStr::from_bytes_until_nul(entry.get(NAME_OFFSET..)?).ok()?;
        match name.to_bytes() {
            b"." | b".." => {}
            name => visit(name),
        }
        bytes = rest;
    }
    Some(())
}

fn open_directory(path: &CStr) -> Result<OwnedFd, i32> {
    open_at(libc::AT_FDCWD, path)
}

fn open_at(directory: c_int, path: &CStr) -> Result<OwnedFd, i32> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string that lives through the call.
    let result = retry(|| unsafe { libc::openat(directory, path.as_ptr(), flags) }.into())?;
    let descriptor = c_int::try_from(result).map_err(|_| libc::EBADF)?;
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// A path that is empty, has a zero byte, or is longer than the system allows.
fn path_invalid(len: usize) -> OpenError {
    OpenError::Option(ConfigError {
        field: "directory",
        value: len as u128,
        least: 1,
        greatest: PATH_BYTES_MAX as u64 - 1,
    })
}

fn directory_error(os_errno: i32) -> OpenError {
    match os_errno {
        libc::ENOENT => OpenError::DirectoryNotFound { os_errno },
        libc::ENOTDIR => OpenError::NotADatabase {
            file: FileName::Directory,
            reason: "the path is not a directory",
        },
        os_errno => OpenError::Io(IoError {
            operation: "open",
            file: FileName::Directory,
            offset: 0,
            os_errno,
        }),
    }
}

/// Refuses a write that would end beyond the process's limit, where the system would send a signal.
fn check_size_limit(file: &OpenFile, offset: u64, len: usize) -> Result<(), IoError> {
    let end = offset.saturating_add(len as u64);
    if end <= file.limit_checked.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` has room for what is asked.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) };
    errno_of(result.into()).map_err(|errno| file.error("write", offset, errno))?;
    if limit.rlim_cur != libc::RLIM_INFINITY && end > limit.rlim_cur {
        return Err(file.error("write", offset, libc::EFBIG));
    }
    file.limit_checked.store(end, Ordering::Relaxed);
    Ok(())
}

fn position(file: &OpenFile, operation: &'static str, offset: u64) -> Result<libc::off_t, IoError> {
    libc::off_t::try_from(offset).map_err(|_| file.error(operation, offset, libc::EFBIG))
}

/// Makes a call until no signal interrupts it.
pub(super) fn retry(mut call: impl FnMut() -> c_long) -> Result<c_long, i32> {
    loop {
        match errno_of(call()) {
            Err(libc::EINTR) => {}
            result => return result,
        }
    }
}

fn errno_of(result: c_long) -> Result<c_long, i32> {
    if result >= 0 {
        return Ok(result);
    }
    // Reading the number out of an `io::Error` allocates nothing; formatting one does.
    Err(std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO))
}
