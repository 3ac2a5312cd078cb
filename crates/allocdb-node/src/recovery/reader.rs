//! Reading a database that somebody else may be writing (R97 to R99): from the files to a state,
//! and from there on with the writer.
//!
//! Nothing is locked and nothing is written. What is durable is known from three sources: the
//! owner's page, the snapshots' names (no snapshot is ahead of its synced log), and the log itself
//! ([`allocdb_core::log::follow`]). The order matters:
//!
//! 1. read the page: what it calls durable *was* durable;
//! 2. open the log: the file that has its name now holds all of that, and a checkpoint later gives
//!    the name to another file without touching this one;
//! 3. list and open snapshots: as long as the log has its name, those that it needs are there, and
//!    none is ahead of it.
//!
//! So whatever looks wrong (a snapshot is gone or too new, a frame is not whole) is either damage,
//! or the log has lost its name meanwhile; then it is all read again, at most [`ATTEMPTS_MAX`]
//! times.
//!
//! **Refreshing** goes on from the last command frame that was applied. Where a checkpoint has put
//! another log in the place of ours, the overlap that it keeps usually holds our place; frames are
//! copied byte for byte, so it is known by its chain. Only where it does not, or the tables have
//! grown, the state is built again beside the one in use, and then takes its place: that allocates,
//! and needs memory for two states. Everything up to the durable LSN is read through once before
//! the first frame of it is applied, so that damage leaves the state where it was (R99).
//!
//! Recovery by a new owner goes on beside a reader: it writes again the bytes that are there, and
//! zeros behind them, where a reader takes nothing yet.
//!
//! Rejected: keeping the log open between two refreshes, which would save two system calls and tell
//! nothing about its name; and asking the lock whether somebody writes, an answer that is old
//! before it is used.

use std::time::Instant;

use allocdb_core::Lsn;
use allocdb_core::log::{CorruptReason, Follow, Frame, FrameKind, LogHeader, ScanError, Walk};
use allocdb_core::state::State;

use super::{
    Directory, Owner, Replay, apply, corrupt_log, frame_buffer, load_snapshot, read_header,
    start_kind, state_error,
};
use crate::error::{FileName, IoError, OpenError, RefreshError};
use crate::halt::HaltReason;
use crate::health_page::Sighting;
use crate::options::{OpenMode, Options};
use crate::report::RecoveryReport;
use crate::scratch::Scratch;
use crate::storage::{FileMode, Storage};
use crate::sync::RwLock;
use crate::wal::FileSource;

/// How often a log that is replaced while it is read is read again.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// A reader's place in the log.
#[derive(Debug)]
pub(crate) struct Reader {
    header: LogHeader,
    /// Behind the last command frame that is applied.
    walk: Walk,
    buffer: Scratch,
}

/// What a refresh did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refreshed {
    /// The LSN reached.
    pub(crate) lsn: Lsn,
    /// Whether the state was built again from the files.
    pub(crate) is_rebuilt: bool,
}

/// A state built from the files, and its place in their log.
pub(super) struct Built {
    pub(super) state: State,
    pub(super) header: LogHeader,
    pub(super) walk: Walk,
    pub(super) report: RecoveryReport,
}

/// Opens the database in `storage` for reading, as `options` say.
pub(crate) fn open<S: Storage>(
    storage: &S,
    options: &Options,
) -> Result<(Reader, State, RecoveryReport), OpenError> {
    let started = Instant::now();
    let mut buffer = frame_buffer()?;
    let accept = |header: &LogHeader| options.config_for_opening(&header.config).map(|_| ());
    let built = build(storage, &mut buffer, None, accept)?;
    if built.state.check_invariants().is_err() {
        return Err(corrupt_log(
            built.walk.offset,
            built.walk.last_lsn,
            "what it replays to breaks an invariant",
        ));
    }
    let reader = Reader {
        header: built.header,
        walk: built.walk,
        buffer,
    };
    let duration_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let report = RecoveryReport {
        duration_ns,
        ..built.report
    };
    Ok((reader, built.state, report))
}

impl Reader {
    /// Bytes of the log up to the reader's place.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.walk.offset
    }

    /// R98, R99: moves `state`, which is this reader's, to what is durable by now. `halt` is called
    /// while nobody can read it, where there is nothing left to read.
    pub(crate) fn refresh<S: Storage>(
        &mut self,
        storage: &S,
        state: &RwLock<State>,
        halt: &dyn Fn(HaltReason),
    ) -> Result<Refreshed, RefreshError> {
        let is_rebuilt = !self.catch_up(storage, state, halt)?;
        if is_rebuilt {
            self.start_over(storage, state)?;
        }
        Ok(Refreshed {
            lsn: self.walk.last_lsn,
            is_rebuilt,
        })
    }

    /// Goes on from where the state is. False, with nothing changed, where the files do not lead on
    /// from there.
    fn catch_up<S: Storage>(
        &mut self,
        storage: &S,
        state: &RwLock<State>,
        halt: &dyn Fn(HaltReason),
    ) -> Result<bool, RefreshError> {
        let page = Sighting::read(storage);
        let file = storage.open(FileName::Wal, FileMode::Read)?;
        let header = read_header(storage, &file, &Directory::default(), Owner::Unwritten)?;
        self.check_database(&header)?;
        if header.config != *state.read().map_err(|_| PANICKED)?.config() {
            return Ok(false);
        }
        let mut source = FileSource {
            storage,
            file: &file,
        };
        let durable_lsn = durable_lsn(page.as_ref(), &[], &header);
        let mut follow = Follow::new(&mut source, &header, durable_lsn, &mut self.buffer);
        let found = if header == self.header {
            Some(self.walk)
        } else {
            follow.find(&self.walk).map_err(open_error)?
        };
        let Some(mut walk) = found else {
            return Ok(false);
        };
        match follow.measure(&walk) {
            Ok(_) => {}
            // Damage, or a frame that has taken the place of one which was never durable.
            Err(ScanError::Corrupt(_)) => return Ok(false),
            Err(error) => return Err(open_error(error).into()),
        }
        let mut lost = None;
        let advanced = follow.advance(&mut walk, |frame| {
            if frame.header.kind != FrameKind::Commands {
                return Ok(());
            }
            apply_shared(storage, state, frame, |reason| {
                lost = Some(reason);
                halt(reason);
            })
        });
        self.header = header;
        self.walk = walk;
        if let Some(reason) = lost {
            return Err(RefreshError::Halted { reason });
        }
        advanced.map_err(open_error)?;
        Ok(true)
    }

    /// Builds the state again beside the one in use, and puts it in its place.
    fn start_over<S: Storage>(
        &mut self,
        storage: &S,
        state: &RwLock<State>,
    ) -> Result<(), RefreshError> {
        let accept = |header: &LogHeader| self.check_database(header);
        let built = build(storage, &mut frame_buffer()?, None, accept)?;
        // R99: never back.
        if built.walk.last_lsn < self.walk.last_lsn {
            return Err(RefreshError::Failed(corrupt_log(
                built.walk.offset,
                self.walk.last_lsn,
                "the log ends before what was read from it earlier",
            )));
        }
        let old = {
            let mut state = state.write().map_err(|_| PANICKED)?;
            core::mem::replace(&mut *state, built.state)
        };
        self.header = built.header;
        self.walk = built.walk;
        // Freed when readers can go on already.
        drop(old);
        Ok(())
    }

    fn check_database(&self, header: &LogHeader) -> Result<(), OpenError> {
        if header.config.database_id == self.header.config.database_id {
            return Ok(());
        }
        let reason = "the log is of another database than the one that was opened";
        Err(corrupt_log(0, self.walk.last_lsn, reason))
    }
}

const PANICKED: RefreshError = RefreshError::Halted {
    reason: HaltReason::Panic,
};

/// Applies a frame to the state that others read. A frame that checks and whose commands cannot
/// have been accepted is damage that shows only when half of it is applied; the state before is
/// then built again, before anybody sees the half. Where that cannot be done either, `halt` is told
/// so.
fn apply_shared<S: Storage>(
    storage: &S,
    state: &RwLock<State>,
    frame: &Frame<'_>,
    halt: impl FnOnce(HaltReason),
) -> Result<(), CorruptReason> {
    let mut state = state.write().expect("it was sound when this began");
    let before = state.last_lsn();
    let config = *state.config();
    let applied = apply(&mut state, frame);
    if applied.is_err() {
        let rebuilt = frame_buffer().and_then(|mut buffer| {
            let accept = |header: &LogHeader| {
                let is_same = header.config == config;
                is_same.then_some(()).ok_or(OpenError::Exists)
            };
            build(storage, &mut buffer, Some(before), accept)
        });
        match rebuilt {
            Ok(built) if built.state.last_lsn() == before => *state = built.state,
            _ => halt(HaltReason::Storage(IoError {
                operation: "replay",
                file: FileName::Wal,
                offset: frame.offset,
                os_errno: libc::EBADMSG,
            })),
        }
    }
    applied
}

/// Builds a state from the files: up to what is durable, or up to `lsn_max`. `accept` looks at the
/// log's header first.
pub(super) fn build<S: Storage>(
    storage: &S,
    buffer: &mut [u8],
    lsn_max: Option<Lsn>,
    accept: impl Fn(&LogHeader) -> Result<(), OpenError>,
) -> Result<Built, OpenError> {
    for _ in 0..ATTEMPTS_MAX {
        let page = Sighting::read(storage);
        let file = match storage.open(FileName::Wal, FileMode::Read) {
            Err(error) if error.os_errno == libc::ENOENT => return Err(missing(storage)?),
            opened => opened?,
        };
        let directory = Directory::survey(storage)?;
        let owner = last_owner(storage);
        let header = read_header(storage, &file, &directory, owner)?;
        accept(&header)?;
        let known = durable_lsn(page.as_ref(), &directory.snapshots, &header);
        let mut attempt = Attempt {
            storage,
            file: &file,
            header: &header,
            snapshots: &directory.snapshots,
            durable_lsn: lsn_max.unwrap_or(known),
            is_bounded: lsn_max.is_some(),
        };
        match attempt.run(buffer) {
            Ok(built) => return Ok(built),
            Err(error @ OpenError::NoMemory { .. }) => return Err(error),
            Err(error) if has_its_name(storage, &header) => return Err(error),
            // The log was replaced, and what it needed may be gone.
            Err(_) => {}
        }
    }
    Err(OpenError::Unsettled {
        attempts: ATTEMPTS_MAX,
    })
}

/// What a directory without a log is.
pub(super) fn missing<S: Storage>(storage: &S) -> Result<OpenError, OpenError> {
    let directory = Directory::survey(storage)?;
    let checked = directory.check_fresh(last_owner(storage), OpenMode::Existing);
    Ok(checked.expect_err("there is no log, and an existing database was asked for"))
}

/// One reading of a log and its snapshots.
struct Attempt<'a, S: Storage> {
    storage: &'a S,
    file: &'a S::File,
    header: &'a LogHeader,
    snapshots: &'a [Lsn],
    durable_lsn: Lsn,
    /// Whether nothing beyond `durable_lsn` is wanted.
    is_bounded: bool,
}

impl<S: Storage> Attempt<'_, S> {
    fn run(&mut self, buffer: &mut [u8]) -> Result<Built, OpenError> {
        let mut source = FileSource {
            storage: self.storage,
            file: self.file,
        };
        let mut follow = Follow::new(&mut source, self.header, self.durable_lsn, buffer);
        if !self.is_bounded {
            let stop = follow.measure(&Walk::new(self.header));
            let surveyed = stop.and_then(|stop| follow.survey(&stop));
            surveyed.map_err(open_error)?;
        }
        let (begins_after, newest) = (self.header.begins_after, follow.durable_lsn());
        let mut is_fallback = false;
        let usable = |lsn: &&Lsn| (begins_after..=newest).contains(lsn);
        for &lsn in self.snapshots.iter().filter(usable) {
            if let Some((state, crc)) = load_snapshot(self.storage, lsn, self.header)?
                && let Some(built) = self.replay(&mut follow, state, Some(crc), is_fallback)?
            {
                return Ok(built);
            }
            is_fallback = true;
        }
        if begins_after == Lsn(0) {
            let state = State::new(self.header.config).map_err(state_error)?;
            if let Some(built) = self.replay(&mut follow, state, None, is_fallback)? {
                return Ok(built);
            }
        }
        let newest = self.snapshots.first();
        Err(OpenError::Corrupt {
            file: newest.map_or(FileName::Wal, |&lsn| FileName::Snapshot(lsn)),
            offset: 0,
            expected_lsn: begins_after,
            reason: "no whole snapshot is left for the log to continue",
        })
    }

    /// Applies the durable frames after `state`; `None` when the log shows that the snapshot which
    /// it was restored from is not the one that belongs here.
    fn replay(
        &self,
        follow: &mut Follow<'_, FileSource<'_, S>>,
        state: State,
        crc: Option<u32>,
        is_fallback: bool,
    ) -> Result<Option<Built>, OpenError> {
        let mut replay = Replay::new(state, crc, self.header);
        let mut walk = Walk::new(self.header);
        let advanced = follow.advance(&mut walk, |frame| replay.take(frame));
        if replay.is_refused {
            return Ok(None);
        }
        advanced.map_err(open_error)?;
        assert!(
            replay.state.last_lsn() == walk.last_lsn,
            "all that is durable is applied"
        );
        let (state, anchor) = (replay.state, replay.anchor);
        let report = RecoveryReport {
            kind: start_kind(anchor, is_fallback, replay.records_replayed),
            snapshot_lsn: anchor.map_or(Lsn(0), |anchor| anchor.lsn),
            frames_replayed: replay.frames_replayed,
            records_replayed: replay.records_replayed,
            last_lsn: state.last_lsn(),
            last_slot: state.last_slot(),
            ..RecoveryReport::default()
        };
        Ok(Some(Built {
            state,
            header: *self.header,
            walk,
            report,
        }))
    }
}

/// What is known to be durable before the log is opened, or is by its header.
fn durable_lsn(page: Option<&Sighting>, snapshots: &[Lsn], header: &LogHeader) -> Lsn {
    let is_its = |page: &&Sighting| page.database_id == header.config.database_id;
    let shown = page.filter(is_its).map(|page| page.durable_lsn);
    let named = snapshots.first().copied();
    shown
        .max(named)
        .max(Some(header.begins_after))
        .unwrap_or_default()
}

/// What the lock file says, as far as it can be read: a reader does without.
pub(super) fn last_owner<S: Storage>(storage: &S) -> Owner {
    let lock = storage.open(FileName::Lock, FileMode::Read);
    let owner = lock.map_err(OpenError::from);
    let owner = owner.and_then(|lock| Owner::read(storage, &lock));
    owner.unwrap_or(Owner::Unwritten)
}

/// Whether the log with this header still has its name: no two logs of a database have one header.
fn has_its_name<S: Storage>(storage: &S, header: &LogHeader) -> bool {
    let Ok(file) = storage.open(FileName::Wal, FileMode::Read) else {
        return true;
    };
    let now = read_header(storage, &file, &Directory::default(), Owner::Unwritten);
    now.map_or(true, |now| now == *header)
}

fn open_error(error: ScanError<IoError>) -> OpenError {
    match error {
        ScanError::Source(error) => error.into(),
        ScanError::Corrupt(corruption) => OpenError::CorruptLog(corruption),
    }
}

#[cfg(test)]
mod tests;
