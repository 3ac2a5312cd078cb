//! Opening a database: from the files to a state that may be answered from.
//!
//! Lock → the log's header → the newest usable snapshot → scan and replay through the same `apply`
//! as live execution → make it durable → grow the tables where that is asked for → remove
//! temporary files → report. Until the last judgement has fallen, nothing but the lock file's text
//! is written, so a refusal leaves the evidence as it was.
//!
//! - A fresh database is made only where nothing says that there was one: no log, no snapshot, no
//!   id in the lock file; nor any file that is not ours.
//! - A snapshot is used if it is whole, of this database and configuration, at a frame's end
//!   between `begins_after` and the log's end, and the log's marker for it, if there is one, has
//!   its checksum. Damaged ones count by their *names*: no log ends before a snapshot's name.
//! - A snapshot of greater capacities than the log's header is a growth that was interrupted. It
//!   is used if no command follows it, whatever the marker says, and the growth is finished.
//! - **Make it durable** (R88). What was read may be pages that never reached the disk: after a
//!   failed sync the kernel calls them clean. So every frame that nothing proves durable is written
//!   again, with the same bytes, zeros go over everything behind, and both are synced before the
//!   first answer. Else a retry would be answered from a frame that the next power cut takes away.
//!
//! The scan and the replay are one pass; where a snapshot turns out unusable on the way, the next
//! older one gets its own pass. Rejected: loading the snapshot after a first pass that only finds
//! the log's end; it reads everything twice in the usual case to save it in the rare one.

mod create;
#[cfg(test)]
pub(crate) mod fixture;
mod growth;
pub(crate) mod reader;
pub mod verify;

use std::time::Instant;

use allocdb_core::canary::{Canary, is_planted};
use allocdb_core::log::{
    CorruptReason, FRAME_BYTES_MAX, Frame, FrameKind, LOG_HEADER_BYTES, LOG_VERSION, LogEnd,
    LogHeader, LogHeaderError, SECTOR_BYTES, ScanError, encode_seal, scan,
};
use allocdb_core::outcome::{Applied, Rejection, Verdict};
use allocdb_core::snapshot::{self, SNAPSHOT_VERSION, SnapshotError, SnapshotInfo};
use allocdb_core::state::{STRIDE, State, StateError};
use allocdb_core::{Config, Lsn};

use crate::error::{FileName, OpenError};
use crate::options::{OpenMode, Options, Settings};
use crate::report::{RecoveryReport, StartKind};
use crate::scratch::Scratch;
use crate::storage::{Entry, FileMode, LOCK_BYTES, LockRecord, Storage};
use crate::wal::{Anchor, FileSource, Tail, Wal, write_zeros};

const HEADER: u64 = LOG_HEADER_BYTES as u64;
const SECTOR: u64 = SECTOR_BYTES as u64;

/// A database that is open.
pub struct Recovered<S: Storage> {
    /// All that was durable, applied.
    pub state: State,
    /// The log, ready for the next frame.
    pub wal: Wal<S>,
    /// What was found and done.
    pub report: RecoveryReport,
    /// The configuration before, where the tables grew.
    pub grown_from: Option<Config>,
}

/// Opens the database in `storage`, or makes one, as `options` and `settings` (which come from
/// them) say.
pub fn open<S: Storage>(
    storage: S,
    options: &Options,
    settings: &Settings,
) -> Result<Recovered<S>, OpenError> {
    let started = Instant::now();
    Directory::survey(&storage)?.check_before_lock(options, settings.mode)?;
    let lock = storage.lock()?;
    // Only now does the directory stand still.
    let directory = Directory::survey(&storage)?;
    let owner = Owner::read(&storage, &lock)?;
    let mut recovered = if directory.has_log {
        if settings.mode == OpenMode::New {
            return Err(OpenError::Exists);
        }
        recover(storage, lock, &directory, owner, (options, settings))?
    } else {
        directory.check_fresh(owner, settings.mode)?;
        create::create(storage, lock, (options, settings))?
    };
    for name in directory.temporaries {
        match recovered.wal.storage.remove(name) {
            // Creating a log under its temporary name used up what lay there.
            Err(error) if error.os_errno == libc::ENOENT => {}
            removed => removed?,
        }
    }
    let duration_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    recovered.report.duration_ns = duration_ns;
    Ok(recovered)
}

/// Opens for reading, as an engine does that only reads, for harnesses that look at the state.
#[cfg(feature = "torture")]
pub fn open_reading<S: Storage>(
    storage: &S,
    options: &Options,
) -> Result<(State, RecoveryReport), OpenError> {
    reader::open(storage, options).map(|(_, state, report)| (state, report))
}

/// What lies in the directory.
#[derive(Debug, Default)]
struct Directory {
    has_lock: bool,
    has_log: bool,
    has_foreign: bool,
    /// The LSNs in the names of snapshots, newest first.
    snapshots: Vec<Lsn>,
    temporaries: Vec<FileName>,
}

impl Directory {
    fn survey<S: Storage>(storage: &S) -> Result<Self, OpenError> {
        let mut directory = Self::default();
        storage.list(|name| match Entry::of(name) {
            Entry::Ours(FileName::Lock) => directory.has_lock = true,
            Entry::Ours(FileName::Wal) => directory.has_log = true,
            Entry::Ours(FileName::Snapshot(lsn)) => directory.snapshots.push(lsn),
            Entry::Ours(name) => directory.temporaries.push(name),
            Entry::Beside => {}
            Entry::Foreign => directory.has_foreign = true,
        })?;
        directory.snapshots.sort_unstable_by(|a, b| b.cmp(a));
        Ok(directory)
    }

    /// Refuses a directory that is none of ours, and options that no database can be made with,
    /// before so much as a lock file is made in it.
    fn check_before_lock(&self, options: &Options, mode: OpenMode) -> Result<(), OpenError> {
        if self.has_log || !self.snapshots.is_empty() {
            return Ok(());
        }
        if self.has_foreign {
            return Err(not_a_database("the directory holds other files"));
        }
        if mode == OpenMode::Existing && !self.has_lock {
            return Err(not_a_database("the directory is empty"));
        }
        // What is drawn at creation is never out of its bounds.
        options.config_for_creation(1, 1)?;
        Ok(())
    }

    /// Makes sure that no database was here, before a fresh one is made.
    fn check_fresh(&self, owner: Owner, mode: OpenMode) -> Result<(), OpenError> {
        if is_planted(Canary::MissingLogIsFresh) {
            return Ok(());
        }
        if let Some(&lsn) = self.snapshots.first() {
            return Err(log_is_missing(lsn, "the log is missing beside a snapshot"));
        }
        match owner {
            Owner::Damaged => Err(log_is_missing(
                Lsn(0),
                "the log is missing, and the lock file is damaged",
            )),
            Owner::Named(record) if record.database_id != 0 => Err(log_is_missing(
                Lsn(0),
                "the log is missing, and the lock file names a database",
            )),
            _ if self.has_foreign => Err(not_a_database("the directory holds other files")),
            _ if mode == OpenMode::Existing => Err(not_a_database("the directory is empty")),
            _ => Ok(()),
        }
    }
}

fn not_a_database(reason: &'static str) -> OpenError {
    let file = FileName::Directory;
    OpenError::NotADatabase { file, reason }
}

fn log_is_missing(expected_lsn: Lsn, reason: &'static str) -> OpenError {
    OpenError::Corrupt {
        file: FileName::Wal,
        offset: 0,
        expected_lsn,
        reason,
    }
}

/// What the lock file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    /// Nothing: it was just made, or its maker came to nothing.
    Unwritten,
    Named(LockRecord),
    Damaged,
}

impl Owner {
    fn read<S: Storage>(storage: &S, lock: &S::File) -> Result<Self, OpenError> {
        let mut text = [0; LOCK_BYTES];
        let len = storage.len(lock)?;
        if len > LOCK_BYTES as u64 {
            return Ok(Self::Damaged);
        }
        let text = &mut text[..usize::try_from(len).unwrap_or(0)];
        storage.read_at(lock, 0, text)?;
        // A file that was being grown shows zeros at worst.
        if text.iter().all(|&byte| byte == 0) {
            return Ok(Self::Unwritten);
        }
        Ok(LockRecord::decode(text).map_or(Self::Damaged, Self::Named))
    }

    fn database_id(self) -> u128 {
        match self {
            Self::Named(record) => record.database_id,
            Self::Unwritten | Self::Damaged => 0,
        }
    }
}

/// Writes this process into the lock file.
fn write_owner<S: Storage>(
    storage: &S,
    lock: &S::File,
    database_id: u128,
) -> Result<(), OpenError> {
    let pid = std::process::id();
    let text = LockRecord { pid, database_id }.encode();
    storage.write_at(lock, 0, &text)?;
    if storage.len(lock)? > LOCK_BYTES as u64 {
        storage.set_len(lock, LOCK_BYTES as u64)?;
    }
    Ok(())
}

fn recover<S: Storage>(
    storage: S,
    lock: S::File,
    directory: &Directory,
    owner: Owner,
    (options, settings): (&Options, &Settings),
) -> Result<Recovered<S>, OpenError> {
    if owner != Owner::Damaged {
        write_owner(&storage, &lock, owner.database_id())?;
    }
    let file = storage.open(FileName::Wal, FileMode::Read)?;
    let header = read_header(&storage, &file, directory, owner)?;
    if let Some((field, given, stored)) = options.mismatch(&header.config) {
        // R92.
        return Err(OpenError::ConfigMismatch {
            field,
            given,
            stored,
        });
    }
    let header = if is_planted(Canary::GrowthReplaysOldCommands) {
        LogHeader {
            config: options.config_for_opening(&header.config)?,
            ..header
        }
    } else {
        header
    };
    let mut buffer = frame_buffer()?;
    let mut found = replay(&storage, &file, &header, &directory.snapshots, &mut buffer)?;
    if found.state.check_invariants().is_err() {
        return Err(corrupt_log(
            found.end.end_offset,
            found.end.last_lsn,
            "what it replays to breaks an invariant",
        ));
    }
    drop(file);
    // Not the header's where a growth was interrupted: the snapshot's.
    let config = options.config_for_opening(found.state.config())?;

    // From here on the disk is written.
    let file = storage.open(FileName::Wal, FileMode::ReadWrite)?;
    rewrite(&storage, &file, &found.end, &mut buffer)?;
    drop(buffer);
    let rewritten_bytes = make_durable(&storage, &file, &header, &mut found.end, settings)?;
    if owner.database_id() == 0 {
        write_owner(&storage, &lock, header.config.database_id)?;
        storage.sync_all(&lock)?;
    }
    let report = found.report(rewritten_bytes);
    let Found {
        state, end, anchor, ..
    } = found;
    let tail = tail(&header, &end, anchor);
    let files = (storage, lock, file);
    let step = settings.wal_prealloc_bytes;
    let recovered = Recovered {
        state,
        wal: Wal::new(files, header.config, tail, anchor, step),
        report,
        grown_from: None,
    };
    if config == header.config {
        Ok(recovered)
    } else {
        growth::run(recovered, config)
    }
}

/// The log as it lies, for whoever writes on.
fn tail(header: &LogHeader, end: &LogEnd, anchor: Option<Anchor>) -> Tail {
    Tail {
        begins_after: header.begins_after,
        chain_start: header.chain_start,
        end_offset: end.end_offset,
        file_bytes: end.file_bytes,
        last_lsn: end.last_lsn,
        last_slot: end.last_slot,
        durable_lsn: end.durable_lsn,
        chain: end.chain,
        is_sealed: end.is_sealed,
        checkpoint_offset: anchor.map_or(HEADER, |anchor| anchor.offset),
    }
}

fn read_header<S: Storage>(
    storage: &S,
    file: &S::File,
    directory: &Directory,
    owner: Owner,
) -> Result<LogHeader, OpenError> {
    let mut block = [0; LOG_HEADER_BYTES];
    let len = storage.len(file)?.min(HEADER);
    let block = &mut block[..usize::try_from(len).unwrap_or(0)];
    storage.read_at(file, 0, block)?;
    let was_ours = owner.database_id() != 0 || !directory.snapshots.is_empty();
    let header = LogHeader::decode(block).map_err(|error| match error {
        LogHeaderError::Version { found } => OpenError::Version {
            file: FileName::Wal,
            found: found.into(),
            supported: LOG_VERSION.into(),
        },
        LogHeaderError::NotALog if !was_ours => OpenError::NotADatabase {
            file: FileName::Wal,
            reason: "the file is not a log",
        },
        _ => corrupt_log(0, Lsn(0), "the file header is damaged"),
    })?;
    let is_its = [0, header.config.database_id].contains(&owner.database_id());
    if was_ours && !is_its && !is_planted(Canary::LockIdIgnored) {
        return Err(OpenError::Corrupt {
            file: FileName::Lock,
            offset: 0,
            expected_lsn: Lsn(0),
            reason: "it names another database than the log",
        });
    }
    Ok(header)
}

/// What the files hold.
#[derive(Debug)]
struct Found {
    state: State,
    end: LogEnd,
    /// The snapshot that the state was restored from.
    anchor: Option<Anchor>,
    /// A newer snapshot was passed over.
    is_fallback: bool,
    frames_replayed: u64,
    records_replayed: u64,
}

/// What a state was rebuilt from.
fn start_kind(anchor: Option<Anchor>, is_fallback: bool, records_replayed: u64) -> StartKind {
    match (anchor, is_fallback, records_replayed) {
        (Some(_), true, _) => StartKind::PreviousSnapshotAndWal,
        (Some(_), false, 0) => StartKind::SnapshotOnly,
        (Some(_), false, _) => StartKind::SnapshotAndWal,
        (None, _, _) => StartKind::WalOnly,
    }
}

impl Found {
    fn report(&self, rewritten_bytes: u64) -> RecoveryReport {
        RecoveryReport {
            kind: start_kind(self.anchor, self.is_fallback, self.records_replayed),
            snapshot_lsn: self.anchor.map_or(Lsn(0), |anchor| anchor.lsn),
            frames_replayed: self.frames_replayed,
            records_replayed: self.records_replayed,
            last_lsn: self.state.last_lsn(),
            last_slot: self.state.last_slot(),
            torn_bytes: self.end.torn_bytes,
            rewritten_bytes,
            duration_ns: 0,
        }
    }
}

/// Finds the newest snapshot that can be used, and replays what follows it.
fn replay<S: Storage>(
    storage: &S,
    file: &S::File,
    header: &LogHeader,
    snapshots: &[Lsn],
    buffer: &mut [u8],
) -> Result<Found, OpenError> {
    let mut log = Log {
        source: FileSource { storage, file },
        header,
        snapshot_lsn_max: snapshots.first().copied(),
        buffer,
    };
    let mut is_fallback = false;
    for &lsn in snapshots.iter().filter(|&&lsn| lsn >= header.begins_after) {
        if let Some((state, crc)) = load_snapshot(storage, lsn, header)?
            && let Some(found) = log.replay(state, Some(crc))?
        {
            return Ok(Found {
                is_fallback,
                ..found
            });
        }
        is_fallback = true;
    }
    if header.begins_after == Lsn(0) {
        let state = State::new(header.config).map_err(state_error)?;
        if let Some(found) = log.replay(state, None)? {
            return Ok(found);
        }
    }
    // The log does not go back to the beginning, and nothing stands in for what it lacks. If the
    // log is damaged too, that is the better story to tell.
    log.scan(|_| Ok(()))?;
    let file = snapshots
        .first()
        .map_or(FileName::Wal, |&lsn| FileName::Snapshot(lsn));
    Err(OpenError::Corrupt {
        file,
        offset: 0,
        expected_lsn: header.begins_after,
        reason: "no whole snapshot is left for the log to continue",
    })
}

/// Restores a snapshot; `None` when it is damaged or not this database's.
fn load_snapshot<S: Storage>(
    storage: &S,
    lsn: Lsn,
    header: &LogHeader,
) -> Result<Option<(State, u32)>, OpenError> {
    let name = FileName::Snapshot(lsn);
    let file = storage.open(name, FileMode::Read)?;
    let mut source = FileSource {
        storage,
        file: &file,
    };
    match snapshot::decode(&mut source) {
        Ok((state, info)) => {
            let fits = snapshot_misfit(&info, lsn, header).is_none();
            Ok(fits.then_some((state, info.crc)))
        }
        Err(SnapshotError::Source(error)) => Err(error.into()),
        Err(SnapshotError::Version { version }) => Err(OpenError::Version {
            file: name,
            found: version.into(),
            supported: SNAPSHOT_VERSION.into(),
        }),
        Err(SnapshotError::State(error @ StateError::NoMemory { .. })) => Err(state_error(error)),
        Err(_) => Ok(None),
    }
}

/// Why a whole snapshot of this name does not belong to the log.
fn snapshot_misfit(info: &SnapshotInfo, lsn: Lsn, header: &LogHeader) -> Option<&'static str> {
    if info.last_lsn != lsn {
        Some("it stands at another LSN than its name says")
    } else if info.config.database_id != header.config.database_id {
        Some("it is of another database than the log")
    } else if header.config.growth_obstacle(&info.config).is_some() {
        // R96: only a growth that was interrupted leaves a snapshot of other, greater tables.
        Some("its configuration is not the log's, nor one that the log's can grow to")
    } else if info.host_position_len != 0 {
        Some("it holds a position of another engine")
    } else {
        None
    }
}

/// The log to scan, once for each snapshot that is tried.
struct Log<'a, S: Storage> {
    source: FileSource<'a, S>,
    header: &'a LogHeader,
    snapshot_lsn_max: Option<Lsn>,
    buffer: &'a mut [u8],
}

impl<S: Storage> Log<'_, S> {
    fn scan(
        &mut self,
        visit: impl FnMut(&Frame<'_>) -> Result<(), CorruptReason>,
    ) -> Result<LogEnd, OpenError> {
        let (source, buffer) = (&mut self.source, &mut *self.buffer);
        scan(source, self.header, self.snapshot_lsn_max, buffer, visit).map_err(|error| match error
        {
            ScanError::Source(error) => error.into(),
            ScanError::Corrupt(corruption) => OpenError::CorruptLog(corruption),
        })
    }

    /// Applies what follows `state` to it; `None` when the log shows that the snapshot which it was
    /// restored from (with this checksum) is not the one that belongs here.
    fn replay(&mut self, state: State, crc: Option<u32>) -> Result<Option<Found>, OpenError> {
        let mut replay = Replay::new(state, crc, self.header);
        let end = self.scan(|frame| replay.take(frame));
        if replay.is_refused {
            return Ok(None);
        }
        let end = end?;
        assert!(
            replay.state.last_lsn() == end.last_lsn,
            "all that the log has is applied"
        );
        Ok(Some(Found {
            state: replay.state,
            end,
            anchor: replay.anchor,
            is_fallback: false,
            frames_replayed: replay.frames_replayed,
            records_replayed: replay.records_replayed,
        }))
    }
}

/// A replay under way.
struct Replay {
    state: State,
    snapshot_lsn: Lsn,
    /// The snapshot's checksum; without a snapshot there is none.
    crc: Option<u32>,
    anchor: Option<Anchor>,
    /// The snapshot is of greater tables than the log: no command of the log may be run on it.
    is_grown: bool,
    /// The snapshot does not belong to this log.
    is_refused: bool,
    frames_replayed: u64,
    records_replayed: u64,
}

impl Replay {
    fn new(state: State, crc: Option<u32>, header: &LogHeader) -> Self {
        let mut replay = Self {
            is_grown: *state.config() != header.config,
            snapshot_lsn: state.last_lsn(),
            state,
            crc,
            anchor: None,
            is_refused: false,
            frames_replayed: 0,
            records_replayed: 0,
        };
        if replay.snapshot_lsn == header.begins_after {
            replay.take_anchor(HEADER, header.chain_start);
        }
        replay
    }

    fn take_anchor(&mut self, offset: u64, chain: u32) {
        self.anchor = self.crc.map(|_| Anchor {
            lsn: self.snapshot_lsn,
            offset,
            chain,
            is_complete: false,
        });
    }

    fn take(&mut self, frame: &Frame<'_>) -> Result<(), CorruptReason> {
        if let Some(marker) = frame.marker()
            && self.crc.is_some()
            && marker.anchor_lsn == self.snapshot_lsn
        {
            // A growth puts its snapshot in the place of one that the marker was about.
            self.is_refused |= self.crc != Some(marker.snapshot_crc) && !self.is_grown;
            if let Some(anchor) = &mut self.anchor {
                anchor.is_complete = true;
            }
        }
        if frame.header.kind == FrameKind::Commands && !self.is_refused {
            let last_lsn = frame.header.last_lsn();
            if frame.header.first_lsn > self.snapshot_lsn && self.is_grown {
                // R95.
                self.is_refused = true;
            } else if frame.header.first_lsn > self.snapshot_lsn {
                apply(&mut self.state, frame)?;
                self.frames_replayed += 1;
                self.records_replayed += u64::from(frame.header.record_count);
            } else if last_lsn == self.snapshot_lsn {
                self.take_anchor(frame.end_offset(), frame.header.chain_to_next());
            } else if last_lsn > self.snapshot_lsn {
                // A snapshot is taken between two frames, never inside of one.
                self.is_refused = true;
            }
        }
        Ok(())
    }
}

/// Applies a frame of commands. After an error half of it may be applied.
fn apply(state: &mut State, frame: &Frame<'_>) -> Result<(), CorruptReason> {
    let slot = frame.header.request_slot;
    let last_slot = state.last_slot();
    if slot < last_slot {
        return Err(CorruptReason::SlotWentBack {
            found: slot,
            last_slot,
        });
    }
    let (mut ahead, mut records) = (frame.commands(), frame.commands());
    let mut glances = [None; STRIDE];
    loop {
        let mut count = 0;
        for (glance, (_, command)) in glances.iter_mut().zip(&mut ahead) {
            *glance = Some(state.glance(&command));
            count += 1;
        }
        let stride = glances[..count].iter().flatten().copied();
        state.look_ahead_to_apply(slot, stride.clone());
        for (glance, (expected_lsn, command)) in stride.zip(&mut records) {
            // R85: the same function as for live commits.
            let applied = state.apply_hashed(slot, &command, &glance.hashes);
            assert!(applied.lsn == expected_lsn, "the log has no gaps");
            check_replayed(&applied)?;
        }
        if count < STRIDE {
            return Ok(());
        }
    }
}

/// R69: an engine with acceptance logs no operation twice, and nothing that would be refused.
fn check_replayed(applied: &Applied) -> Result<(), CorruptReason> {
    let lsn = applied.lsn;
    match applied.verdict {
        Verdict::Outcome(outcome) if outcome.from_retry_cache => {
            Err(CorruptReason::OperationRepeated { lsn })
        }
        Verdict::Rejected(Rejection::OperationConflict { .. }) => {
            Err(CorruptReason::OperationRepeated { lsn })
        }
        Verdict::Rejected(_) => Err(CorruptReason::CommandNotAcceptable { lsn }),
        Verdict::Outcome(_) | Verdict::Expired { .. } => Ok(()),
    }
}

/// Room for any frame there may be.
fn frame_buffer() -> Result<Scratch, OpenError> {
    let bytes = FRAME_BYTES_MAX as u64;
    Scratch::new(FRAME_BYTES_MAX).ok_or(OpenError::NoMemory { bytes })
}

/// Writes every frame again that nothing proves durable, each from bytes that were checked in this
/// very read. What was replayed may have been a page that never reached the disk and that the
/// kernel has dropped since: copied blindly, the old bytes would be sealed in the frame's place.
fn rewrite<S: Storage>(
    storage: &S,
    file: &S::File,
    end: &LogEnd,
    buffer: &mut [u8],
) -> Result<(), OpenError> {
    if is_planted(Canary::PageCacheTrusted) {
        return Ok(());
    }
    let mut source = FileSource { storage, file };
    let mut walk = end.unproven;
    while walk.offset < end.end_offset {
        match walk.next(&mut source, end.file_bytes, buffer) {
            Ok(Some(frame)) => storage.write_at(file, frame.offset, frame.bytes)?,
            Ok(None) => break,
            Err(ScanError::Source(error)) => return Err(error.into()),
            Err(ScanError::Corrupt(corruption)) => return Err(OpenError::CorruptLog(corruption)),
        }
    }
    if end.is_end_of(&walk) {
        return Ok(());
    }
    Err(corrupt_log(
        walk.offset,
        walk.expected_lsn(),
        "the frame that was replayed is no longer there when it is read again",
    ))
}

/// R88: clears what is behind the last frame, syncs it with what was written again, and seals it.
/// Answers how many bytes of frames were written again.
fn make_durable<S: Storage>(
    storage: &S,
    file: &S::File,
    header: &LogHeader,
    end: &mut LogEnd,
    settings: &Settings,
) -> Result<u64, OpenError> {
    let mut repair = end.repair();
    if is_planted(Canary::PageCacheTrusted) {
        repair.seal_offset = None;
    }
    write_zeros(storage, file, repair.zero.start, repair.zero.end)?;
    if let Some(offset) = repair.seal_offset {
        // The seal leaves a sector behind it, like every frame.
        let needed = offset + 2 * SECTOR;
        if needed > end.file_bytes {
            let grown = needed.next_multiple_of(settings.wal_prealloc_bytes.max(SECTOR));
            write_zeros(storage, file, end.file_bytes, grown)?;
            end.file_bytes = grown;
        }
    }
    storage.sync_all(file)?;
    storage.sync_directory()?;
    end.durable_lsn = end.last_lsn;
    if let Some(offset) = repair.seal_offset {
        let meta = end.seal_meta();
        let mut sector = [0; SECTOR_BYTES];
        let key = allocdb_core::log::LogKey::new(&header.config);
        let encoded = encode_seal(&mut sector, &key, &meta);
        storage.write_at(file, offset, &sector)?;
        storage.sync_data(file)?;
        end.end_offset = offset + SECTOR;
        end.chain = encoded.chain;
        end.is_sealed = true;
    }
    Ok(repair.rewrite.end - repair.rewrite.start)
}

fn state_error(error: StateError) -> OpenError {
    match error {
        StateError::Config(error) => OpenError::Option(error),
        StateError::NoMemory { bytes } => OpenError::NoMemory { bytes },
    }
}

fn corrupt_log(offset: u64, expected_lsn: Lsn, reason: &'static str) -> OpenError {
    OpenError::Corrupt {
        file: FileName::Wal,
        offset,
        expected_lsn,
        reason,
    }
}

#[cfg(test)]
mod tests;
