//! One image, opened and judged: by the whole recovery over a disk, or by the core alone over
//! bytes.
//!
//! Both ways meet every image with the same promises: no panic, no allocation beyond the largest
//! of a sound opening, no reading without end, and an answer that [`super::judge`] allows. Over a
//! disk it is opened for reading first, which must change nothing, then for writing; a refusal must
//! have changed nothing but the lock file. The core alone is many times faster, since nothing is
//! copied for it; what it cannot see is how files stand in for one another.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use allocdb_core::Lsn;
use allocdb_core::log::{FRAME_BYTES_MAX, LOG_HEADER_BYTES, LogHeader, ScanError, scan};
use allocdb_core::snapshot;
use allocdb_node::{OpenError, Options, Settings, recovery};

use super::image::Image;
use super::judge::{Judge, Opened, Verdict, is_log, is_older_log, judge_place, judge_scan};
use super::meter::Metered;
use super::specimen::{Specimen, bytes_of, reopening};
use crate::disk::Disk;
use crate::heap;

/// One refusal in so many is compared file by file; the others by what the meter saw.
const COMPARE_EVERY: u64 = 64;
/// How often all files together, and a buffer more, may be read by one opening.
const READINGS_MAX: u64 = 64;
const STEP_BYTES: u64 = 64 << 10;

/// What was tried and what came of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// Images by kind of damage.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Answers by verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Images over a disk.
    pub directories: u64,
    /// Images over bytes.
    pub bare: u64,
    /// Logs of which every bit was flipped.
    pub logs: u64,
    /// Snapshots of which every bit was flipped.
    pub snapshots: u64,
    /// Panics.
    pub panics: u64,
    /// Answers that no rule allows.
    pub found: u64,
    /// The largest allocation of any opening.
    pub largest_bytes: usize,
    /// How often each kind of finding came up: one damage, one way to open, one wrong answer but
    /// for its numbers.
    pub found_by_kind: BTreeMap<String, u64>,
    /// What to tell: the first of each kind.
    pub findings: Vec<String>,
}

impl Tally {
    /// Counts an answer to `kind` of damage, opened `how`.
    fn take(
        &mut self,
        verdict: Verdict,
        (kind, how): (&str, &str),
        story: impl FnOnce() -> String,
    ) {
        let name = match verdict {
            Verdict::Refused => "refused",
            Verdict::Harmless => "harmless",
            Verdict::Named(name) => name,
            Verdict::Found(what) => {
                self.found += 1;
                let what_kind = without_numbers(&what);
                let count = self
                    .found_by_kind
                    .entry(format!("{kind}, {how}: {what_kind}"))
                    .or_default();
                *count += 1;
                if *count == 1 {
                    self.findings.push(format!("{}: {what}", story()));
                }
                "found"
            }
        };
        *self.verdicts.entry(name).or_default() += 1;
    }
}

/// Opens images of one specimen.
pub struct Trial<'a> {
    specimen: &'a Specimen,
    options: Options,
    settings: Settings,
    sound: Disk,
    disk: Disk,
    /// The file that `disk` has damaged, if it is not as it was made.
    changed: Option<Vec<u8>>,
    image: Image,
    buffer: Vec<u8>,
    largest_max: usize,
    /// What is told beside a finding, so that it can be seen again.
    seed: u64,
    /// What came of it.
    pub tally: &'a mut Tally,
}

impl<'a> Trial<'a> {
    /// Trials of a specimen that was made from `seed`.
    #[must_use]
    pub fn new(specimen: &'a Specimen, seed: u64, tally: &'a mut Tally) -> Self {
        let options = reopening();
        let sound = specimen.image.disk();
        Self {
            specimen,
            settings: options.settings().expect("within bounds"),
            options,
            disk: sound.clone(),
            sound,
            changed: None,
            image: specimen.image.clone(),
            buffer: vec![0; FRAME_BYTES_MAX],
            largest_max: specimen.largest_bytes,
            seed,
            tally,
        }
    }

    /// Tries the directory with these bytes in one file.
    pub fn file(&mut self, name: &[u8], kind: &'static str, bytes: &[u8]) {
        if self.changed.as_deref() != Some(name) {
            self.disk = self.sound.clone();
            self.image = self.specimen.image.clone();
            self.changed = Some(name.to_vec());
        }
        let place = self.image.edit(name);
        place.clear();
        place.extend_from_slice(bytes);
        self.disk.put_named(name, bytes.to_vec());
        let image = core::mem::take(&mut self.image);
        let was_changed = self.open(&image, kind);
        self.image = image;
        // Every damaged file stays on the disk without a name; it is not to pile up.
        if was_changed || self.tally.directories.is_multiple_of(COMPARE_EVERY) {
            self.changed = None;
        }
    }

    /// Tries a directory.
    pub fn directory(&mut self, kind: &'static str, image: &Image) {
        self.disk = image.disk();
        self.changed = None;
        self.open(image, kind);
    }

    /// Opens `self.disk`, which is `image`, for reading and for writing. Whether the disk is
    /// another now.
    fn open(&mut self, image: &Image, kind: &'static str) -> bool {
        *self.tally.kinds.entry(kind).or_default() += 1;
        self.tally.directories += 1;
        let judge = Judge::new(self.specimen, image);
        let disk = core::mem::take(&mut self.disk);
        let bytes_max = READINGS_MAX * (image.bytes() + STEP_BYTES);
        let meter = Metered::new(&disk, bytes_max);
        let answer = self.answer(|trial| {
            let (state, report) = recovery::open_reading(&&meter, &trial.options)?;
            Ok(Opened::new(&state, report.kind))
        });
        let mut verdict = answer.map_or_else(Verdict::Found, |answer| judge.reading(&answer));
        if meter.changes() + meter.lock_changes() > 0 {
            verdict = Verdict::Found("a handle that only reads has changed the disk".into());
        }
        self.note(verdict, kind, image, "reading");

        let meter = Metered::new(&disk, bytes_max);
        let mut is_refused = false;
        let answer = self.answer(|trial| {
            let opened = recovery::open(&meter, &trial.options, &trial.settings);
            is_refused = opened.is_err();
            let opened = opened?;
            Ok(Opened::new(&opened.state, opened.report.kind))
        });
        let mut verdict = answer.map_or_else(Verdict::Found, |answer| judge.writing(&answer));
        if is_refused && !self.is_untouched(&disk, image, meter.changes()) {
            verdict = Verdict::Found("a refusal has changed the disk".into());
        }
        let was_changed = meter.changes() + meter.lock_changes() > 0;
        self.note(verdict, kind, image, "writing");
        self.disk = disk;
        was_changed
    }

    /// Whether all but the lock file is as it was.
    fn is_untouched(&self, disk: &Disk, image: &Image, changes: u64) -> bool {
        if changes > 0 {
            return false;
        }
        if !self.tally.directories.is_multiple_of(COMPARE_EVERY) {
            return true;
        }
        let mut now = Image::of(disk);
        now.copy_from(image, b"LOCK");
        now == *image
    }

    /// Runs an opening; what it panicked with, or allocated too much, is an error.
    fn answer(
        &mut self,
        open: impl FnOnce(&Self) -> Result<Opened, OpenError>,
    ) -> Result<Result<Opened, OpenError>, String> {
        heap::forget();
        let answer = catch_unwind(AssertUnwindSafe(|| open(self)));
        // A new database has the tables that the options ask for.
        let is_fresh = matches!(&answer, Ok(Ok(opened)) if opened.is_fresh);
        let largest_bytes = if is_fresh { 0 } else { heap::largest_bytes() };
        self.guard(answer.is_err(), largest_bytes)?;
        Ok(answer.expect("a panic has been told"))
    }

    fn guard(&mut self, is_panic: bool, largest_bytes: usize) -> Result<(), String> {
        if is_panic {
            self.tally.panics += 1;
            return Err("panicked".into());
        }
        self.tally.largest_bytes = self.tally.largest_bytes.max(largest_bytes);
        if largest_bytes > self.largest_max {
            return Err(format!(
                "allocated {largest_bytes} bytes at once, sound openings {}",
                self.largest_max
            ));
        }
        Ok(())
    }

    fn note(&mut self, verdict: Verdict, kind: &'static str, image: &Image, how: &str) {
        let (specimen, seed) = (self.specimen, self.seed);
        self.tally.take(verdict, (kind, how), || {
            let shape = specimen.shape;
            let differences = differences(&specimen.image, image);
            format!("seed {seed}, {shape:?}, {kind}, {how}: {differences}")
        });
    }

    /// Tries the core's scan on these bytes in the place of the log.
    pub fn bare_log(&mut self, kind: &'static str, log: &[u8]) {
        *self.tally.kinds.entry(kind).or_default() += 1;
        self.tally.bare += 1;
        heap::forget();
        let (specimen, buffer) = (self.specimen, &mut self.buffer);
        let scanned = catch_unwind(AssertUnwindSafe(|| scan_log(specimen, log, buffer)));
        let verdict = match self.guard(scanned.is_err(), heap::largest_bytes()) {
            Err(what) => Verdict::Found(what),
            Ok(()) => scanned.expect("a panic has been told"),
        };
        let seed = self.seed;
        self.tally.take(verdict, (kind, "the log alone"), || {
            let sound = specimen.image.log().unwrap_or(&[]);
            let (shape, ranges) = (specimen.shape, ranges(sound, log));
            format!("seed {seed}, {shape:?}, {kind}, the log alone: {ranges}")
        });
    }

    /// Tries the core's restoring on these bytes in the place of a snapshot.
    pub fn bare_snapshot(&mut self, lsn: Lsn, kind: &'static str, bytes: &[u8]) {
        *self.tally.kinds.entry(kind).or_default() += 1;
        self.tally.bare += 1;
        heap::forget();
        let restored = catch_unwind(AssertUnwindSafe(|| {
            let mut source = bytes;
            snapshot::decode(&mut source).map(|(state, _)| state)
        }));
        let name = super::image::text(allocdb_node::FileName::Snapshot(lsn));
        let sound = self.specimen.image.get(&name).unwrap_or(&[]);
        let verdict = match self.guard(restored.is_err(), heap::largest_bytes()) {
            Err(what) => Verdict::Found(what),
            Ok(()) => match restored.expect("a panic has been told") {
                Err(_) => Verdict::Refused,
                Ok(state) if bytes == sound && bytes_of(&state) == sound => Verdict::Harmless,
                Ok(_) => Verdict::Found("a damaged snapshot is restored".into()),
            },
        };
        let (seed, shape) = (self.seed, self.specimen.shape);
        self.tally.take(verdict, (kind, "a snapshot alone"), || {
            let ranges = ranges(sound, bytes);
            format!("seed {seed}, {shape:?}, {kind}, the snapshot alone: {ranges}")
        });
    }
}

/// What the core makes of a log.
fn scan_log(specimen: &Specimen, log: &[u8], buffer: &mut [u8]) -> Verdict {
    let sound = specimen.image.log().expect("a database has a log");
    let block = &log[..log.len().min(LOG_HEADER_BYTES)];
    let header = match LogHeader::decode(block) {
        Ok(header) if specimen.is_header(block) => header,
        Ok(_) => return Verdict::Found("a damaged file header is believed".into()),
        Err(_) if *block == sound[..block.len()] && block.len() == LOG_HEADER_BYTES => {
            return Verdict::Found("a sound file header is refused".into());
        }
        Err(_) => return Verdict::Refused,
    };
    let named_lsn = specimen.image.snapshots().first().copied();
    let named = named_lsn.map(|lsn| lsn.0);
    let mut source = log;
    let mut is_sound = true;
    let scanned = scan(&mut source, &header, named_lsn, buffer, |frame| {
        let start = usize::try_from(frame.offset).expect("small");
        is_sound &= sound.get(start..start + frame.bytes.len()) == Some(frame.bytes);
        Ok(())
    });
    match scanned {
        Err(ScanError::Corrupt(corruption)) => judge_place(specimen, log, &corruption),
        Err(ScanError::Source(never)) => match never {},
        // With all its frames, and the scan refuses what a snapshot's name is ahead of.
        Ok(end) if is_older_log(specimen, log, named, end.last_lsn.0) => {
            Verdict::Named("undecidable_older_log")
        }
        Ok(end) if is_log(&specimen.foreign_log, log, named, end.last_lsn.0) => {
            Verdict::Named("undecidable_foreign_log")
        }
        Ok(_) if !is_sound => Verdict::Found("a changed frame is believed".into()),
        Ok(end) => judge_scan(specimen, log, end.last_lsn.0),
    }
}

/// What is not as it was, in a few words.
fn differences(sound: &Image, image: &Image) -> String {
    let mut texts = Vec::new();
    for (name, bytes) in sound.files() {
        let name_text = String::from_utf8_lossy(name);
        match image.get(name) {
            None => texts.push(format!("{name_text} missing")),
            Some(now) if now != bytes.as_slice() => {
                texts.push(format!("{name_text} {}", ranges(bytes, now)));
            }
            Some(_) => {}
        }
    }
    for (name, bytes) in image.files() {
        if sound.get(name).is_none() {
            let (name, len) = (String::from_utf8_lossy(name), bytes.len());
            texts.push(format!("{name} added, {len} bytes"));
        }
    }
    texts.join("; ")
}

/// A text with every number in it taken for one.
fn without_numbers(text: &str) -> String {
    let mut kept = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if kept.ends_with('#') => {}
            '0'..='9' => kept.push('#'),
            _ => kept.push(character),
        }
    }
    kept
}

/// Where two contents differ.
fn ranges(sound: &[u8], now: &[u8]) -> String {
    let common = sound.len().min(now.len());
    let differs = |&at: &usize| sound[at] != now[at];
    let first = (0..common).find(differs);
    let last = (0..common).rfind(differs);
    let count = (0..common).filter(differs).count();
    let lens = (sound.len(), now.len());
    format!("{count} bytes from {first:?} to {last:?}, lengths {lens:?}")
}
