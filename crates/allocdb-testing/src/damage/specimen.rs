//! The databases that damage is done to: made by the real engine, remembered at every commit.
//!
//! A specimen knows what it may be taken for: every state it has had, byte for byte as a snapshot;
//! where each frame of its log lies and what that frame proves; what its directory was at earlier
//! times; and another database, whose files may get mixed up with its own. What the log is made of
//! is read here from the documented layout, not with the core's decoder: the judge of a decoder
//! should not be the decoder.
//!
//! The shapes cover what makes recovery decide differently: closed and killed, `sync = os`, no
//! snapshot, one (after a growth, in a backup), two, reopened after a kill, without the observers'
//! page.

use std::sync::Arc;

use allocdb_core::command::{Action, Command, ResourceIds};
use allocdb_core::state::State;
use allocdb_core::{HolderId, Lsn, OperationId, ReservationId, ResourceId, Slot, snapshot};
use allocdb_node::batch::Many;
use allocdb_node::health_page::COPY_BYTES;
use allocdb_node::{Clock, Diagnostics, Engine, FileName, Level, Options, SyncMode, recovery};

use super::between;
use super::image::{Image, text};
use crate::disk::Disk;
use crate::random::Rng;

/// What a specimen's life was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Two checkpoints, commits behind them, closed: sealed.
    Closed,
    /// The same, killed: nothing proves the last frame.
    Killed,
    /// Under `sync = os`, killed: nothing proves the last frames.
    Unsynced,
    /// No checkpoint; closed, opened and closed again.
    LogAlone,
    /// Tables grown, a few commits behind: one snapshot stands for everything before.
    Grown,
    /// Killed and opened again, and without the observers' page.
    Reopened,
    /// A backup: one snapshot and an empty log.
    Backup,
}

impl Shape {
    /// All shapes; the first has everything that there can be.
    pub const ALL: [Self; 7] = [
        Self::Closed,
        Self::Unsynced,
        Self::LogAlone,
        Self::Grown,
        Self::Killed,
        Self::Reopened,
        Self::Backup,
    ];
}

/// A state that the database has had.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Its last LSN.
    pub lsn: u64,
    /// Its snapshot: digest, configuration and every record are in it.
    pub bytes: Arc<Vec<u8>>,
}

/// A frame of the sound log.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The last LSN before it.
    pub lsn_before: u64,
    /// Its last LSN; that before it where it has no records.
    pub last_lsn: u64,
    /// Whether it was written under `sync = full`.
    pub is_synced: bool,
    /// The newest LSN that it calls durable.
    pub durable_lsn: u64,
}

/// A log as its owner left it.
#[derive(Clone, Debug)]
pub struct Sound {
    /// The whole file.
    pub log: Vec<u8>,
    /// Its frames.
    pub frames: Vec<Span>,
}

impl Sound {
    fn new(image: &Image) -> Self {
        let log = image.log().expect("a database has a log").to_vec();
        let frames = frames(&log);
        Self { log, frames }
    }

    /// The index of the first frame that is not in `log` as it was.
    #[must_use]
    pub fn first_damaged(&self, log: &[u8]) -> Option<usize> {
        let differs = |span: &Span| {
            let range = span.start..span.end;
            log.get(range.clone()) != self.log.get(range)
        };
        self.frames.iter().position(differs)
    }

    /// Whether a sector of `log` from `from` on is the head of a frame of this log, wherever that
    /// stood, which proves durable what comes behind `lsn`.
    #[must_use]
    pub fn proves(&self, log: &[u8], from: usize, lsn: u64) -> bool {
        let proving = |span: &&Span| span.is_synced || span.durable_lsn > lsn;
        let mut heads = self.frames.iter().filter(proving);
        heads.any(|span| {
            let head = &self.log[span.start..span.start + 64];
            let mut sectors = log.get(from..).unwrap_or(&[]).chunks_exact(512);
            sectors.any(|sector| sector[..64] == *head)
        })
    }

    /// The end of the last frame.
    #[must_use]
    pub fn end(&self) -> usize {
        self.frames.last().map_or(4096, |frame| frame.end)
    }

    /// The newest LSN.
    #[must_use]
    pub fn lsn(&self) -> u64 {
        let begins_after = number(&self.log, 144, 8);
        self.frames
            .last()
            .map_or(begins_after, |frame| frame.last_lsn)
    }
}

/// A copy of the observers' page that some owner wrote.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its place in the order of updates.
    pub sequence: u64,
    /// What it calls durable.
    pub durable_lsn: u64,
}

/// A sound database, and what it may be taken for.
#[derive(Debug)]
pub struct Specimen {
    /// What its life was.
    pub shape: Shape,
    /// Its directory.
    pub image: Image,
    /// Every state it has had, oldest first; the last is what the directory holds.
    pub marks: Vec<Mark>,
    /// Its log.
    pub log: Sound,
    /// Its log at earlier times.
    pub older_logs: Vec<Sound>,
    /// The log header's `begins_after`.
    pub begins_after: u64,
    /// What a handle that only reads shows.
    pub reader_lsn: u64,
    /// Its directory at earlier times.
    pub older: Vec<Image>,
    /// Copies of the observers' page.
    pub pages: Vec<Page>,
    /// The log of another database.
    pub foreign_log: Sound,
    /// Another database's directory.
    pub foreign: Image,
    /// The states of that database.
    pub foreign_marks: Vec<Mark>,
    /// The largest allocation of an opening of the sound directory.
    pub largest_bytes: usize,
}

impl Specimen {
    /// Makes one; equal seeds make equal ones.
    #[must_use]
    pub fn new(shape: Shape, seed: u64) -> Self {
        let mut life = Life::new(seed, 0xDA7A);
        life.live(shape);
        let mut other = Life::new(seed ^ 0xF0E1, 0xF0E1);
        other.live(shape);
        let image = life.image();
        let log = Sound::new(&image);
        let mut specimen = Self {
            shape,
            older_logs: life.past.iter().map(Sound::new).collect(),
            begins_after: number(&log.log, 144, 8),
            log,
            reader_lsn: 0,
            pages: life.past.iter().chain([&image]).flat_map(pages).collect(),
            older: life.past,
            image,
            marks: life.marks,
            foreign_log: Sound::new(&Image::of(&other.disk)),
            foreign: Image::of(&other.disk),
            foreign_marks: other.marks,
            largest_bytes: 0,
        };
        specimen.measure();
        specimen
    }

    /// What openings of the sound directory show and cost.
    fn measure(&mut self) {
        let disk = self.image.disk();
        crate::heap::forget();
        let (state, _) = recovery::open_reading(&&disk, &reopening()).expect("it is sound");
        self.reader_lsn = state.last_lsn().0;
        let bytes = bytes_of(&state);
        let known = self.marks.iter().any(|mark| *mark.bytes == bytes);
        assert!(known, "a reader shows a state that there was");
        let state = open(&disk);
        self.largest_bytes = crate::heap::largest_bytes();
        let newest = self.marks.last().expect("there are commits");
        assert!(
            bytes_of(&state) == *newest.bytes,
            "the directory holds the newest"
        );
    }

    /// The newest LSN.
    #[must_use]
    pub fn lsn(&self) -> u64 {
        self.marks.last().expect("there are commits").lsn
    }

    /// Its log, now and at earlier times.
    pub fn own_logs(&self) -> impl Iterator<Item = &Sound> {
        self.older_logs.iter().chain([&self.log])
    }

    /// Whether a log's header block is one that there has been, here or in the other database: one
    /// that was put back whole is sound by itself.
    #[must_use]
    pub fn is_header(&self, block: &[u8]) -> bool {
        let known = self.older.iter().chain([&self.image, &self.foreign]);
        known
            .filter_map(Image::log)
            .any(|log| log[..4096] == *block)
    }
}

/// Options that take an existing database as it is.
#[must_use]
pub fn reopening() -> Options {
    Options {
        clock: Clock::Host,
        wal_prealloc_bytes: 4096,
        max_queue: 1,
        max_batch_commands: 16,
        max_batch_bytes: 32 << 10,
        ..Options::default()
    }
}

/// A state as bytes.
#[must_use]
pub fn bytes_of(state: &State) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 << 10);
    let written = snapshot::encode(state, &mut bytes);
    written.unwrap_or_else(|never| match never {});
    bytes
}

/// The state of a sound database.
fn open(disk: &Disk) -> State {
    let options = reopening();
    let settings = options.settings().expect("within bounds");
    let recovered = recovery::open(disk, &options, &settings);
    recovered.expect("it is sound").state
}

/// A little-endian number.
pub(super) fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let digits = bytes[at..at + len].iter().rev();
    digits.fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// The frames of a sound log, by the documented layout.
fn frames(log: &[u8]) -> Vec<Span> {
    let mut frames = Vec::new();
    let (mut start, mut lsn) = (4096, number(log, 144, 8));
    while log.get(start..start + 4) == Some(b"ADBF") {
        let payload_len = usize::try_from(number(log, start + 28, 4)).expect("small");
        let end = start + (64 + payload_len).next_multiple_of(512);
        let last_lsn = number(log, start + 8, 8) + number(log, start + 24, 4) - 1;
        frames.push(Span {
            start,
            end,
            lsn_before: lsn,
            last_lsn,
            is_synced: log[start + 7] & 1 == 0,
            durable_lsn: number(log, start + 40, 8),
        });
        (start, lsn) = (end, last_lsn);
    }
    frames
}

/// The written copies in a directory's page for observers.
fn pages(image: &Image) -> Vec<Page> {
    let Some(page) = image.get(&text(FileName::Health)) else {
        return Vec::new();
    };
    let copies = [&page[..COPY_BYTES], &page[2048..2048 + COPY_BYTES]];
    let written = copies.into_iter().filter(|copy| copy[..8] == *b"ALLOCHLT");
    let page = |copy: &[u8]| Page {
        bytes: copy.to_vec(),
        sequence: number(copy, 40, 8),
        durable_lsn: number(copy, 48, 8),
    };
    written.map(page).collect()
}

/// A database while it lives.
struct Life {
    disk: Disk,
    dice: Rng,
    options: Options,
    operations: u128,
    slot: u64,
    marks: Vec<Mark>,
    past: Vec<Image>,
    has_page: bool,
}

impl Life {
    fn new(seed: u64, database_id: u128) -> Self {
        let mut dice = Rng::new(seed);
        let options = Options {
            max_resources: 12,
            max_reservations: 24,
            max_operations: 64,
            max_bundle_len: 4,
            max_ttl_slots: 7,
            operation_window_slots: 5,
            history_window_slots: 5,
            // The same for both databases: their frames must not be told apart by luck.
            hash_seed: 0x5EED,
            database_id: database_id + (u128::from(dice.draw()) << 64),
            ..reopening()
        };
        Self {
            disk: Disk::new(),
            dice,
            options,
            operations: 0,
            slot: 1,
            marks: Vec::new(),
            past: Vec::new(),
            has_page: true,
        }
    }

    fn image(&self) -> Image {
        let mut image = Image::of(&self.disk);
        if !self.has_page {
            image.remove(&text(FileName::Health));
        }
        image
    }

    fn live(&mut self, shape: Shape) {
        match shape {
            Shape::Closed => {
                self.session(&[3, 0, 3, 0, 4]);
                self.past.push(self.image());
            }
            Shape::Killed => {
                self.session(&[3, 0, 3, 0, 3]);
                self.kill(&[2]);
            }
            Shape::Unsynced => {
                self.options.sync = SyncMode::Os;
                self.session(&[2, 0, 3, 0, 1]);
                self.kill(&[4]);
            }
            Shape::LogAlone => {
                self.session(&[3]);
                self.session(&[3]);
            }
            Shape::Grown => {
                self.session(&[3, 0, 2]);
                self.options.max_operations += 16;
                self.session(&[3]);
            }
            Shape::Reopened => {
                self.has_page = false;
                self.session(&[3, 0]);
                self.kill(&[3]);
                self.session(&[2]);
                self.kill(&[1]);
            }
            Shape::Backup => {
                self.session(&[3]);
                self.back_up();
            }
        }
        // What was before the last change is an older copy; what is there now is not.
        let now = self.image();
        self.past.retain(|past| *past != now);
    }

    fn engine(disk: &Disk, options: Options) -> Engine<&Disk> {
        let diagnostics = Diagnostics::new(Level::Warning, 256, None);
        Engine::open(disk, &options, diagnostics).expect("a sound disk")
    }

    /// Opens, makes so many commits, or a checkpoint for a 0, and closes.
    fn session(&mut self, parts: &[usize]) {
        let disk = std::mem::take(&mut self.disk);
        let engine = Self::engine(&disk, self.options);
        // Of an existing one that is the state it had, or that one in grown tables.
        self.mark(&disk);
        for &count in parts {
            if count == 0 {
                assert!(engine.checkpoint().expect("a sound disk").written);
            }
            for _ in 0..count {
                self.commit(&engine, &disk);
            }
            self.past.push(Image::of(&disk));
        }
        engine.close().expect("a sound disk");
        drop(engine);
        self.disk = Image::of(&disk).disk();
    }

    /// The same without closing: what the page cache has is what is left.
    fn kill(&mut self, parts: &[usize]) {
        let disk = std::mem::take(&mut self.disk);
        let engine = Self::engine(&disk, self.options);
        for &count in parts {
            for _ in 0..count {
                self.commit(&engine, &disk);
            }
        }
        self.disk = Image::of(&disk).disk();
        drop(engine);
    }

    fn back_up(&mut self) {
        let target = Disk::new();
        let engine = Self::engine(&self.disk, self.options);
        engine.backup(&&target).expect("a sound disk");
        drop(engine);
        self.past.clear();
        self.marks.clear();
        let bytes = Arc::new(bytes_of(&open(&target.clone())));
        let lsn = number(&bytes, 144, 8);
        self.marks.push(Mark { lsn, bytes });
        self.disk = Image::of(&target).disk();
    }

    fn commit(&mut self, engine: &Engine<&Disk>, disk: &Disk) {
        let before = engine.last_lsn();
        while engine.last_lsn() == before {
            self.submit(engine);
        }
        let state = self.mark(disk);
        assert!(
            engine.digest() == Ok(state.digest()),
            "what is on the disk is what was answered"
        );
        if self.marks.len().is_multiple_of(3) {
            self.past.push(self.now(disk));
        }
    }

    /// Remembers the state that is on the disk now.
    fn mark(&mut self, disk: &Disk) -> State {
        let state = open(&disk.clone());
        let bytes = bytes_of(&state);
        let is_known = self.marks.last().is_some_and(|last| *last.bytes == bytes);
        if !is_known {
            self.marks.push(Mark {
                lsn: state.last_lsn().0,
                bytes: Arc::new(bytes),
            });
        }
        state
    }

    fn now(&self, disk: &Disk) -> Image {
        let mut image = Image::of(disk);
        if !self.has_page {
            image.remove(&text(FileName::Health));
        }
        image
    }

    /// A few commands, mostly ones that do something.
    fn submit(&mut self, engine: &Engine<&Disk>) {
        self.slot += self.dice.index(3) as u64;
        // Every third frame or so has two sectors or three.
        let (least, greatest) = if self.dice.chance(35) {
            (9, 14)
        } else {
            (1, 4)
        };
        let count = between(&mut self.dice, least, greatest);
        let ids: Vec<[[u8; 16]; 2]> = (0..count)
            .map(|_| {
                let first = self.dice.index(8);
                let second = (first + between(&mut self.dice, 1, 7)) % 8;
                [first, second].map(|id| (id as u128 + 1).to_le_bytes())
            })
            .collect();
        let commands: Vec<Command<'_>> = ids
            .iter()
            .map(|ids| {
                self.operations += 1;
                Command {
                    operation_id: OperationId(self.operations),
                    valid_until_slot: Slot(0),
                    action: action(&mut self.dice, ids, engine.last_lsn()),
                }
            })
            .collect();
        let mut results = vec![None; commands.len()];
        let submitted = engine.submit(
            Some(Slot(self.slot)),
            &mut Many::new(&commands, &mut results),
        );
        submitted.expect("a sound disk");
    }
}

fn action<'a>(dice: &mut Rng, ids: &'a [[u8; 16]; 2], last_lsn: Lsn) -> Action<'a> {
    let resource_id = ResourceId(u128::from_le_bytes(ids[0]));
    let recent = last_lsn.0.saturating_sub(dice.index(6) as u64).max(1);
    let reservation_id = ReservationId(u128::from(recent));
    let holder_id = HolderId(1 + dice.index(2) as u128);
    let ttl_slots = between(dice, 1, 7) as u64;
    match dice.index(10) {
        0..=2 => Action::CreateResource { resource_id },
        3..=5 => Action::Reserve {
            resource_ids: ResourceIds::new(&ids[..between(dice, 1, 2)]),
            holder_id,
            ttl_slots,
        },
        6 => Action::Confirm {
            reservation_id,
            holder_id,
        },
        7 => Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots,
        },
        8 => Action::Release {
            reservation_id,
            holder_id,
        },
        _ => Action::DeleteResource { resource_id },
    }
}
