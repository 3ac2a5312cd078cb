//! Telling whether a database would open, and if not exactly why, without changing a byte.
//!
//! Where nobody has it open, the judgement is opening's own: the same header, the same choice of a
//! snapshot, the same scan and replay, the same rule for the end of the log; what opening would
//! then write is told, not written. And it goes further than opening needs to:
//!
//! - *every* snapshot is read, every checksum and every invariant of it, also those that no opening
//!   would look at because a newer one is whole;
//! - each snapshot that the log can continue is replayed to the log's end, as is the log from its
//!   beginning where it still has that, and all must arrive at one digest (R70). Opening trusts one
//!   way; here they are held against each other.
//!
//! Beside an owner the end of the log is moving, and no rule for it can be applied from outside.
//! Then what is proved durable is checked, as a read-only handle does (R97), and every snapshot.
//!
//! The caller says which of the two it is, since only a real directory has a lock to ask
//! ([`crate::storage::FileStorage::owner_now`]). Rejected: holding the lock meanwhile. It would
//! make the verdict final, and keep a host from starting for as long as somebody looks at its
//! files.

use core::fmt;

use allocdb_core::hash::Digest;
use allocdb_core::log::LogHeader;
use allocdb_core::snapshot::{self, SnapshotError, SnapshotInfo};
use allocdb_core::state::State;
use allocdb_core::{Config, Lsn};

use super::{
    Directory, FileSource, HEADER, Log, Owner, corrupt_log, frame_buffer, read_header, reader,
    replay, snapshot_misfit, state_error,
};
use crate::error::{FileName, IoError, OpenError};
use crate::options::{OpenMode, Options};
use crate::report::RecoveryReport;
use crate::storage::{FileMode, Storage};

/// What a database's files hold, judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verification {
    /// Somebody has it open: of the log only what is proved durable was judged.
    pub is_beside_owner: bool,
    /// What opening would find, or why it would refuse.
    pub opening: Result<Opening, OpenError>,
    /// Every snapshot by its name, newest first.
    pub snapshots: Vec<SnapshotVerdict>,
    /// How many ways lead to the log's end, and were followed to it: snapshots that it continues,
    /// and its own beginning.
    pub ways: u32,
    /// The lock file is damaged; opening writes it anew.
    pub lock_is_damaged: bool,
    /// Files that a rewrite has left behind, which opening removes.
    pub temporaries: Vec<FileName>,
}

impl Verification {
    /// Whether it would open, and nothing in its files is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_whole = |verdict: &SnapshotVerdict| verdict.fault.is_none();
        self.opening.is_ok() && self.snapshots.iter().all(is_whole) && !self.lock_is_damaged
    }
}

/// What opening would find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// The configuration.
    pub config: Config,
    /// What recovery would report; it takes no time yet.
    pub recovery: RecoveryReport,
    /// The LSN that the log's first record follows.
    pub begins_after: Lsn,
    /// Where the log's last frame ends: there a torn tail is cut.
    pub log_end: u64,
    /// The newest LSN that something proves durable.
    pub durable_lsn: Lsn,
}

/// What one snapshot is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotVerdict {
    /// The LSN in its name.
    pub lsn: Lsn,
    /// Its length, where it could be read.
    pub bytes: u64,
    /// Why it cannot be used.
    pub fault: Option<SnapshotFault>,
}

/// Why a snapshot cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotFault {
    /// It is not whole.
    Damaged(SnapshotError<IoError>),
    /// It is whole, and does not belong here.
    Misplaced(&'static str),
    /// It is whole, and the log cannot be replayed on it.
    Refused(OpenError),
}

impl SnapshotVerdict {
    /// Whether there is no such file any more.
    fn is_gone(&self) -> bool {
        matches!(self.fault, Some(SnapshotFault::Damaged(SnapshotError::Source(error)))
            if error.os_errno == libc::ENOENT)
    }
}

impl SnapshotFault {
    /// Where in the file; 0 where it is about the whole.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        match self {
            Self::Damaged(SnapshotError::Damaged { offset, .. }) => *offset,
            Self::Damaged(SnapshotError::Source(error)) => error.offset,
            _ => 0,
        }
    }
}

impl fmt::Display for SnapshotFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(SnapshotError::Damaged { what, offset }) => {
                write!(f, "the {what} does not hold at offset {offset}")
            }
            Self::Damaged(error) => error.fmt(f),
            Self::Misplaced(reason) => f.write_str(reason),
            Self::Refused(error) => write!(f, "the log cannot be replayed on it: {error}"),
        }
    }
}

const LEADS_ELSEWHERE: SnapshotFault =
    SnapshotFault::Misplaced("from it the log leads to another state than from elsewhere");
const NOT_OF_LOG: SnapshotFault =
    SnapshotFault::Misplaced("the log's marker or frames are not those that it belongs to");

/// Judges the database in `storage`, which somebody has open for writing, or nobody. An error is
/// one of looking at the directory; what is wrong with the files stands in the answer.
pub fn verify<S: Storage>(storage: &S, is_beside_owner: bool) -> Result<Verification, OpenError> {
    let directory = Directory::survey(storage)?;
    let (header, opening) = if is_beside_owner {
        let built = reader::build(storage, &mut frame_buffer()?, None, |_| Ok(()));
        let header = built.as_ref().ok().map(|built| built.header);
        (header, built.map(|built| beside_owner(&built)))
    } else {
        match judge(storage, &directory) {
            Ok((header, opening)) => (Some(header), Ok(opening)),
            Err(error) => (None, Err(error)),
        }
    };
    let mut verification = Verification {
        is_beside_owner,
        opening,
        snapshots: Vec::new(),
        ways: u32::from(is_beside_owner && opening.is_ok()),
        lock_is_damaged: reader::last_owner(storage) == Owner::Damaged,
        temporaries: directory.temporaries.clone(),
    };
    let last_lsn = opening.ok().map(|opening| opening.recovery.last_lsn);
    let mut digest = None;
    for &lsn in &directory.snapshots {
        let (mut verdict, whole) = check_snapshot(storage, lsn, header.as_ref());
        if is_beside_owner && verdict.is_gone() {
            // The owner's checkpoint has removed it since it was listed.
            continue;
        }
        if let (Some(header), Some(last_lsn), Some((state, info)), false) =
            (&header, last_lsn, whole, is_beside_owner)
            && (header.begins_after..=last_lsn).contains(&lsn)
        {
            let start = (state, Some(info.crc));
            let arrived = arrive(storage, header, &directory, start);
            verdict.fault = arrived.map_or_else(
                |error| Some(SnapshotFault::Refused(error)),
                |arrived| fault_of(arrived, *digest.get_or_insert(arrived)),
            );
            verification.ways += u32::from(verdict.fault.is_none());
        }
        verification.snapshots.push(verdict);
    }
    if let (Some(header), Ok(_), false) = (&header, &opening, is_beside_owner)
        && header.begins_after == Lsn(0)
    {
        let state = State::new(header.config).map_err(state_error)?;
        let arrived = arrive(storage, header, &directory, (state, None))?;
        let fault = fault_of(arrived, digest.unwrap_or(arrived));
        verification.ways += u32::from(fault.is_none());
        let newest = verification.snapshots.iter_mut();
        if let Some(verdict) = newest.into_iter().find(|verdict| verdict.fault.is_none()) {
            // The log from its beginning is what every snapshot was made from.
            verdict.fault = fault;
        }
    }
    Ok(verification)
}

/// Replays the log on a state, from a snapshot of this checksum or from nothing, to its end. `None`
/// where the log shows that the snapshot is not the one that belongs here.
fn arrive<S: Storage>(
    storage: &S,
    header: &LogHeader,
    directory: &Directory,
    (state, crc): (State, Option<u32>),
) -> Result<Option<Digest>, OpenError> {
    let file = &storage.open(FileName::Wal, FileMode::Read)?;
    let mut log = Log {
        source: FileSource { storage, file },
        header,
        snapshot_lsn_max: directory.snapshots.first().copied(),
        buffer: &mut frame_buffer()?,
    };
    let found = log.replay(state, crc)?;
    Ok(found.map(|found| found.state.digest()))
}

/// R70: every way leads to one digest; the first one is opening's own, and sets the measure.
fn fault_of(arrived: Option<Digest>, wanted: Option<Digest>) -> Option<SnapshotFault> {
    match arrived {
        None => Some(NOT_OF_LOG),
        Some(_) if arrived != wanted => Some(LEADS_ELSEWHERE),
        Some(_) => None,
    }
}

/// What a read-only handle sees.
fn beside_owner(built: &reader::Built) -> Opening {
    Opening {
        config: *built.state.config(),
        recovery: built.report,
        begins_after: built.header.begins_after,
        log_end: built.walk.offset,
        durable_lsn: built.walk.last_lsn,
    }
}

/// Opening's judgement.
fn judge<S: Storage>(
    storage: &S,
    directory: &Directory,
) -> Result<(LogHeader, Opening), OpenError> {
    let mode = OpenMode::Existing;
    directory.check_before_lock(&Options::default(), mode)?;
    if !directory.has_log {
        return Err(reader::missing(storage)?);
    }
    let owner = if directory.has_lock {
        let lock = storage.open(FileName::Lock, FileMode::Read)?;
        Owner::read(storage, &lock)?
    } else {
        Owner::Unwritten
    };
    let file = storage.open(FileName::Wal, FileMode::Read)?;
    let header = read_header(storage, &file, directory, owner)?;
    let mut buffer = frame_buffer()?;
    let found = replay(storage, &file, &header, &directory.snapshots, &mut buffer)?;
    if found.state.check_invariants().is_err() {
        return Err(corrupt_log(
            found.end.end_offset,
            found.end.last_lsn,
            "what it replays to breaks an invariant",
        ));
    }
    let rewrite = found.end.repair().rewrite;
    let opening = Opening {
        config: *found.state.config(),
        recovery: found.report(rewrite.end - rewrite.start),
        begins_after: header.begins_after,
        log_end: found.end.end_offset,
        durable_lsn: found.end.durable_lsn,
    };
    assert!(opening.log_end >= HEADER, "a log begins with its header");
    Ok((header, opening))
}

/// Reads all of a snapshot. It is given where it is whole and fits the log's header.
fn check_snapshot<S: Storage>(
    storage: &S,
    lsn: Lsn,
    header: Option<&LogHeader>,
) -> (SnapshotVerdict, Option<(State, SnapshotInfo)>) {
    let mut verdict = SnapshotVerdict {
        lsn,
        bytes: 0,
        fault: None,
    };
    let damaged = |error| Some(SnapshotFault::Damaged(error));
    let file = match storage.open(FileName::Snapshot(lsn), FileMode::Read) {
        Ok(file) => file,
        Err(error) => {
            verdict.fault = damaged(SnapshotError::Source(error));
            return (verdict, None);
        }
    };
    verdict.bytes = storage.len(&file).unwrap_or(0);
    let file = &file;
    match snapshot::decode(&mut FileSource { storage, file }) {
        Ok((state, info)) => {
            let misfit = header.and_then(|header| snapshot_misfit(&info, lsn, header));
            verdict.fault = misfit.map(SnapshotFault::Misplaced);
            let is_usable = verdict.fault.is_none();
            (verdict, is_usable.then_some((state, info)))
        }
        Err(error) => {
            verdict.fault = damaged(error);
            (verdict, None)
        }
    }
}
