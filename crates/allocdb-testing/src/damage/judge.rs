//! What a reading of a damaged database may answer, and nothing else.
//!
//! 1. **Refused**, as damaged, at a place that is not in front of the damage; nothing was changed.
//! 2. **Harmless**: opened with exactly the newest state, byte for byte.
//! 3. **Undecidable**: what is left could have come about without damage. Each has a name here and
//!    its precise condition; whatever does not meet one is a finding.
//!
//! - `undecidable_zeros`: the state before the first damaged frame; a sector of that frame is all
//!   zero; no sound header behind it proves it, no snapshot's name, no `synced_bytes`; the file is
//!   not cut; and not more than zeros behind a frame under `sync = full`.
//! - `undecidable_older_log`: the log has header and frames of an earlier one and a zero sector
//!   behind, no snapshot is named after what it lacks, no frame behind proves that, and the state
//!   is the one it had.
//! - `undecidable_older_directory`: the same, and every file is as it was then, byte for byte.
//! - `undecidable_foreign_log`: the log is another database's, and the lock file does not say ours.
//! - `undecidable_emptied`: no log, no snapshot, and no lock file that names a database.
//! - `reader_unproved`: a handle that only reads shows an earlier state, but none that is before
//!   what the sound remains prove durable (R98).
//!
//! What is refused, though not as damage: `refused_version`, where the version field of the file
//! header *and* more of it are damaged; `refused_not_a_database`, where neither the log's first
//! eight bytes nor any other file says that this was one.
//!
//! Refusing is not free either: where the log is sound, with a sound snapshot or one not needed,
//! and the lock file does not name another database, a refusal is a finding.

use allocdb_core::log::{CorruptReason, Corruption};
use allocdb_node::storage::LockRecord;
use allocdb_node::{FileName, OpenError, StartKind};

use super::image::{Image, text};
use super::specimen::{Mark, Page, Sound, Span, Specimen, bytes_of, number};
use allocdb_core::state::State;

/// What an answer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Refused as damaged.
    Refused,
    /// Opened with what there was.
    Harmless,
    /// One of the named cases.
    Named(&'static str),
    /// Wrong.
    Found(String),
}

/// What opened.
#[derive(Debug)]
pub struct Opened {
    /// The state as a snapshot.
    pub bytes: Vec<u8>,
    /// Its last LSN.
    pub lsn: u64,
    /// Whether a new database was made.
    pub is_fresh: bool,
}

impl Opened {
    /// Of a state.
    #[must_use]
    pub fn new(state: &State, kind: StartKind) -> Self {
        Self {
            bytes: bytes_of(state),
            lsn: state.last_lsn().0,
            is_fresh: kind == StartKind::Fresh,
        }
    }
}

const SECTOR: usize = 512;
const BLOCK: usize = 4096;

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// What a log's header says was synced before the file got its name.
fn synced_bytes(log: &[u8]) -> usize {
    log.get(..BLOCK).map_or(BLOCK, |block| {
        usize::try_from(number(block, 152, 8)).unwrap_or(usize::MAX)
    })
}

fn found(text: String) -> Verdict {
    Verdict::Found(text)
}

/// `undecidable_zeros`: whether a log that was `sound` once may be taken for one that ends with
/// `lsn`, before its first damaged frame, where the newest snapshot is named after `named_lsn`.
#[must_use]
pub fn is_torn_by_zeros(sound: &Sound, log: &[u8], named_lsn: Option<u64>, lsn: u64) -> bool {
    let Some(hit) = sound.first_damaged(log) else {
        return false;
    };
    let span = sound.frames[hit];
    let has_header = |span: &Span| {
        let header = span.start..span.start + 64;
        log.get(header.clone()) == sound.log.get(header)
    };
    let has_own_header = has_header(&span);
    let own_end = if has_own_header { span.end } else { span.start };
    let is_cut = log.len() < own_end + SECTOR || !is_zero(&log[log.len() - log.len() % SECTOR..]);
    if lsn != span.lsn_before || span.end <= synced_bytes(log) || is_cut {
        return false;
    }
    if named_lsn.is_some_and(|named| named > lsn) {
        return false;
    }
    let behind_own = own_end.max(span.start + SECTOR);
    if sound.proves(log, behind_own, lsn) {
        return false;
    }
    let first_is_zero = is_zero(&log[span.start..span.start + SECTOR]);
    let mut own = log[span.start..span.end.min(log.len())].chunks(SECTOR);
    let own_is_zero = has_own_header && own.any(is_zero);
    let behind_is_written = !is_zero(log.get(span.end..).unwrap_or(&[]));
    first_is_zero || (own_is_zero && !(span.is_synced && behind_is_written))
}

/// `undecidable_older_log`: whether a log may be taken for an earlier one that ends with `lsn`: it
/// has that one's header and frames, and behind them what a sound end or zeros leave.
#[must_use]
pub fn is_older_log(specimen: &Specimen, log: &[u8], named_lsn: Option<u64>, lsn: u64) -> bool {
    let mut older = specimen.older_logs.iter();
    older.any(|older| {
        // What came later is there too, behind a hole.
        let is_proved = |own: &Sound| own.proves(log, older.end(), lsn);
        is_log(older, log, named_lsn, lsn)
            && (lsn < older.lsn() || !specimen.own_logs().any(is_proved))
    })
}

/// Whether a log may be taken for `whole`, or for what zeros leave of it, that ends with `lsn`.
#[must_use]
pub fn is_log(whole: &Sound, log: &[u8], named_lsn: Option<u64>, lsn: u64) -> bool {
    let has_header = log.get(..BLOCK) == whole.log.get(..BLOCK);
    let behind = log.get(whole.end()..whole.end() + SECTOR);
    let has_all = whole.first_damaged(log).is_none() && behind.is_some_and(is_zero);
    let is_as_named = named_lsn.is_none_or(|named| named <= lsn);
    let is_whole = has_all && lsn == whole.lsn() && is_as_named;
    has_header && (is_whole || is_torn_by_zeros(whole, log, named_lsn, lsn))
}

/// Judges the scan of a log whose frames, as far as it took them, are the specimen's: `lsn` is the
/// last of them.
#[must_use]
pub fn judge_scan(specimen: &Specimen, log: &[u8], lsn: u64) -> Verdict {
    let named_lsn = specimen.image.snapshots().first().map(|lsn| lsn.0);
    if lsn == specimen.lsn() {
        Verdict::Harmless
    } else if is_torn_by_zeros(&specimen.log, log, named_lsn, lsn) {
        Verdict::Named("undecidable_zeros")
    } else {
        found(format!("the log ends at LSN {lsn} of {}", specimen.lsn()))
    }
}

/// Whether a corruption is told at a place where there may be one.
#[must_use]
pub fn judge_place(specimen: &Specimen, log: &[u8], corruption: &Corruption) -> Verdict {
    let sound = specimen.image.log().expect("a database has a log");
    let has_header = log.get(..BLOCK) == sound.get(..BLOCK);
    // Under another header the first frame already may be one too many.
    let hit = if has_header {
        specimen.log.first_damaged(log)
    } else {
        Some(0)
    };
    let least = hit.map_or(specimen.log.end(), |hit| {
        let span = specimen.log.frames.get(hit);
        span.map_or(BLOCK, |span| span.start)
    });
    let offset = usize::try_from(corruption.offset).unwrap_or(usize::MAX);
    let greatest = specimen.log.end().max(log.len());
    if offset.is_multiple_of(SECTOR) && (least..=greatest).contains(&offset) {
        Verdict::Refused
    } else {
        found(format!(
            "told at {offset}, damaged from {least}: {corruption}"
        ))
    }
}

/// The same of a reader: it tells of a cut at the first frame that nothing proves, which may be
/// whole, if the file is cut indeed.
fn judge_reader_place(specimen: &Specimen, log: &[u8], corruption: &Corruption) -> Verdict {
    let offset = usize::try_from(corruption.offset).unwrap_or(usize::MAX);
    let sound = &specimen.log;
    let mut frame = sound.frames.iter().filter(|span| span.start == offset);
    let is_allowed = match corruption.reason {
        CorruptReason::FileCut { .. } => {
            let is_cut = log.len() < sound.end() + SECTOR
                || !is_zero(&log[log.len() - log.len() % SECTOR..]);
            is_cut && (offset == sound.end() || frame.next().is_some())
        }
        _ => false,
    };
    if is_allowed {
        return Verdict::Refused;
    }
    judge_place(specimen, log, corruption)
}

/// Judges a directory.
#[derive(Debug)]
pub struct Judge<'a> {
    specimen: &'a Specimen,
    image: &'a Image,
    log: &'a [u8],
}

impl<'a> Judge<'a> {
    /// Of a damaged image of the specimen.
    #[must_use]
    pub fn new(specimen: &'a Specimen, image: &'a Image) -> Self {
        let log = image.log().unwrap_or(&[]);
        Self {
            specimen,
            image,
            log,
        }
    }

    fn named_lsn(&self) -> Option<u64> {
        self.image.snapshots().first().map(|lsn| lsn.0)
    }

    /// The position that the newest snapshot's name vouches for: a wrong name may lie inside a
    /// frame, and a frame is there whole or not at all.
    fn vouched_lsn(&self) -> u64 {
        let named = self.named_lsn().unwrap_or(0);
        let mut frames = self.specimen.own_logs().flat_map(|sound| &sound.frames);
        let holds = |span: &&Span| span.lsn_before < named && named <= span.last_lsn;
        frames.find(holds).map_or(named, |span| span.last_lsn)
    }

    /// The database that the lock file names; `None` where it is missing, damaged or says none.
    fn lock_id(&self) -> Option<u128> {
        let record = LockRecord::decode(self.image.get(b"LOCK")?)?;
        Some(record.database_id).filter(|&id| id != 0)
    }

    fn own_id(&self) -> Option<u128> {
        let record = LockRecord::decode(self.specimen.image.get(b"LOCK")?)?;
        Some(record.database_id)
    }

    fn is_lock_damaged(&self) -> bool {
        let lock = self.image.get(b"LOCK").unwrap_or(&[]);
        !is_zero(lock) && LockRecord::decode(lock).is_none()
    }

    /// Judges what a handle that writes answered.
    #[must_use]
    pub fn writing(&self, answer: &Result<Opened, OpenError>) -> Verdict {
        match answer {
            Err(error) => self.refusal(error, true),
            Ok(opened) if opened.is_fresh => self.fresh(),
            Ok(opened) => self.opened(opened),
        }
    }

    fn fresh(&self) -> Verdict {
        let nothing_told = self.image.log().is_none()
            && self.image.snapshots().is_empty()
            && self.lock_id().is_none()
            && !self.is_lock_damaged();
        if nothing_told {
            Verdict::Named("undecidable_emptied")
        } else {
            found("a fresh database in the place of one that was lost".into())
        }
    }

    fn opened(&self, opened: &Opened) -> Verdict {
        let specimen = self.specimen;
        let newest = specimen.marks.last().expect("there are commits");
        if *newest.bytes == opened.bytes {
            return Verdict::Harmless;
        }
        let is_own = specimen
            .marks
            .iter()
            .any(|mark| *mark.bytes == opened.bytes);
        let lsn = opened.lsn;
        if is_own && is_torn_by_zeros(&specimen.log, self.log, self.named_lsn(), lsn) {
            return Verdict::Named("undecidable_zeros");
        }
        if is_own && is_older_log(specimen, self.log, self.named_lsn(), lsn) {
            let is_whole = specimen.older.contains(self.image);
            return Verdict::Named(if is_whole {
                "undecidable_older_directory"
            } else {
                "undecidable_older_log"
            });
        }
        if self.is_foreign(opened) {
            return Verdict::Named("undecidable_foreign_log");
        }
        found(if is_own {
            format!("silently at LSN {lsn} of {}", specimen.lsn())
        } else {
            format!("a state that never was, at LSN {lsn}")
        })
    }

    fn is_foreign(&self, opened: &Opened) -> bool {
        let is_known = |mark: &Mark| *mark.bytes == opened.bytes;
        let whole = &self.specimen.foreign_log;
        is_log(whole, self.log, self.named_lsn(), opened.lsn)
            && self.specimen.foreign_marks.iter().any(is_known)
            && self.lock_id() != self.own_id()
    }

    /// Judges what a handle that reads answered.
    #[must_use]
    pub fn reading(&self, answer: &Result<Opened, OpenError>) -> Verdict {
        let opened = match answer {
            Err(error) => return self.refusal(error, false),
            Ok(opened) => opened,
        };
        let specimen = self.specimen;
        let is_own = specimen
            .marks
            .iter()
            .any(|mark| *mark.bytes == opened.bytes);
        if !is_own {
            // As far as it is proved there.
            let is_known = |mark: &Mark| *mark.bytes == opened.bytes;
            let foreign = &specimen.foreign_log;
            let proved = self.proved_by(foreign).max(self.named_lsn().unwrap_or(0));
            let is_foreign = self.log.get(..BLOCK) == foreign.log.get(..BLOCK)
                && opened.lsn >= proved
                && specimen.foreign_marks.iter().any(is_known)
                && self.lock_id() != self.own_id();
            return if is_foreign {
                Verdict::Named("undecidable_foreign_log")
            } else {
                found(format!(
                    "read: a state that never was, at LSN {}",
                    opened.lsn
                ))
            };
        }
        let proved = self.proved_lsn();
        if opened.lsn == specimen.reader_lsn {
            Verdict::Harmless
        } else if opened.lsn > specimen.reader_lsn {
            if self.vouched_lsn() >= opened.lsn {
                Verdict::Harmless
            } else {
                found(format!("read: LSN {} is not proved", opened.lsn))
            }
        } else if opened.lsn >= proved {
            Verdict::Named("reader_unproved")
        } else {
            let lsn = opened.lsn;
            found(format!("read: silently at LSN {lsn}, {proved} is proved"))
        }
    }

    /// The newest LSN that what is sound of the image proves durable.
    fn proved_lsn(&self) -> u64 {
        let by_logs = self.specimen.own_logs().map(|sound| self.proved_by(sound));
        let by_others = self.named_lsn().unwrap_or(0).max(self.page_lsn());
        by_logs.fold(by_others, u64::max)
    }

    /// The newest LSN that the frames of `sound` which are still in the log prove durable, if the
    /// log has its header.
    fn proved_by(&self, sound: &Sound) -> u64 {
        let log = self.log;
        if log.get(..BLOCK) != sound.log.get(..BLOCK) {
            return 0;
        }
        let mut proved = number(log, 144, 8);
        for span in &sound.frames {
            let header = span.start..span.start + 64;
            if log.get(header.clone()) == sound.log.get(header) {
                proved = proved.max(span.durable_lsn);
                if span.is_synced {
                    proved = proved.max(span.lsn_before);
                }
            }
            if span.end <= synced_bytes(log) {
                proved = proved.max(span.last_lsn);
            }
        }
        proved
    }

    fn page_lsn(&self) -> u64 {
        let Some(page) = self.image.get(&text(FileName::Health)) else {
            return 0;
        };
        let len = allocdb_node::health_page::COPY_BYTES;
        // A shorter page is not read at all.
        let copies = [page.get(..len), page.get(2048..2048 + len)];
        let copies = copies.into_iter().flatten().filter(|_| page.len() >= BLOCK);
        let known = copies.filter_map(|copy| {
            let is_it = |page: &&Page| page.bytes == copy;
            self.specimen.pages.iter().find(is_it)
        });
        let newest = known.max_by_key(|page| page.sequence);
        newest.map_or(0, |page| page.durable_lsn)
    }

    fn refusal(&self, error: &OpenError, is_writing: bool) -> Verdict {
        if self.could_open(is_writing) {
            return found(format!(
                "refused, and nothing that is needed is damaged: {error}"
            ));
        }
        match error {
            OpenError::CorruptLog(corruption) => {
                let moved = [&self.specimen.foreign];
                let older = self.specimen.older.iter();
                let mut whole = older.chain(moved);
                if whole.any(|other| other.log() == Some(self.log)) {
                    Verdict::Refused
                } else if is_writing {
                    judge_place(self.specimen, self.log, corruption)
                } else {
                    judge_reader_place(self.specimen, self.log, corruption)
                }
            }
            OpenError::Corrupt { file, .. } if self.is_damaged(*file) => Verdict::Refused,
            OpenError::Version { file, .. }
                if *file == FileName::Wal && self.has_other_version() =>
            {
                Verdict::Named("refused_version")
            }
            OpenError::NotADatabase { .. } if self.is_unknowable() => {
                Verdict::Named("refused_not_a_database")
            }
            _ => found(format!("refused for a wrong reason: {error}")),
        }
    }

    /// The log is sound, with all it needs.
    fn could_open(&self, is_writing: bool) -> bool {
        let specimen = self.specimen;
        let is_sound = |name: &[u8]| self.image.get(name) == specimen.image.get(name);
        let snapshots = specimen.image.snapshots();
        let mut usable = snapshots
            .iter()
            .filter(|lsn| lsn.0 >= specimen.begins_after);
        let has_snapshot = usable.any(|&lsn| is_sound(&text(FileName::Snapshot(lsn))));
        let is_ours = [None, self.own_id()].contains(&self.lock_id());
        // A page of a later time proves what this directory lacks.
        // A snapshot's name vouches for what is not proved otherwise.
        let named_lsn = self.named_lsn().unwrap_or(0);
        let is_shown =
            is_writing || (self.page_lsn() <= specimen.lsn() && named_lsn <= specimen.reader_lsn);
        is_sound(b"wal.adb")
            && (has_snapshot || specimen.begins_after == 0)
            && self.named_lsn().unwrap_or(0) <= specimen.lsn()
            && is_ours
            && is_shown
    }

    /// Whether the file that a refusal names is not as it was, or does not go with the others.
    fn is_damaged(&self, file: FileName) -> bool {
        let differs = |name: &[u8]| self.image.get(name) != self.specimen.image.get(name);
        let lacks_snapshot = self.image.snapshots() != self.specimen.image.snapshots();
        match file {
            // Under a wrong name, or gone.
            FileName::Snapshot(_) | FileName::Wal if lacks_snapshot => true,
            // It is sound, and the log is another's.
            FileName::Snapshot(_) => differs(&text(file)) || differs(b"wal.adb"),
            // It names ours, and the log is not.
            FileName::Lock => differs(b"LOCK") || differs(b"wal.adb"),
            _ => differs(&text(file)),
        }
    }

    fn has_other_version(&self) -> bool {
        let sound = self.specimen.image.log().expect("a database has a log");
        let differs =
            |range: core::ops::Range<usize>| self.log.get(range.clone()) != sound.get(range);
        differs(8..10) && (differs(0..8) || differs(10..BLOCK))
    }

    fn is_unknowable(&self) -> bool {
        let has_magic = self.log.get(..8) == Some(b"ALLOCWAL");
        !has_magic && self.image.snapshots().is_empty() && self.lock_id().is_none()
    }
}
