//! A small database's life as a script: opened, used, checkpointed, grown, copied, closed, killed.
//!
//! Each step's commands follow from the script's seed, the step's number and the log position, so
//! any run that carries out the first steps has the same history as any other: what a database has
//! after a crash can be compared, byte for byte, with what the sound run had at that position. The
//! engine is the real one, over the faulty disk.
//!
//! Snapshots are compared by a hash of their bytes, written as of the largest tables that the
//! script grows to: a snapshot holds nothing else that depends on a capacity. Rejected: comparing
//! digests alone, which cover what was applied and not how it is held.

use core::convert::Infallible;

use allocdb_core::command::{Action, Command, ResourceIds};
use allocdb_core::snapshot::{self, Overrides};
use allocdb_core::state::State;
use allocdb_core::stream::ByteSink;
use allocdb_core::{Config, HolderId, Lsn, OperationId, ReservationId, ResourceId, Slot};
use allocdb_node::batch::Many;
use allocdb_node::{
    BackupError, BackupReport, CheckpointError, Diagnostics, Engine, IoError, Level, OpenError,
    OpenMode, Options, SubmitError, SyncMode,
};

use crate::disk::Disk;
use crate::random::Rng;

/// Growths of a script at most.
const GROWTHS_MAX: u32 = 2;
/// Commands of one commit at most: a frame of three sectors.
const COMMANDS_MAX: u64 = 16;
const OPERATIONS: u32 = 96;

/// One step of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Opens the database, with so many growths behind it.
    Open(u32),
    /// Commits one to some commands.
    Commit,
    /// Expires what is due.
    Tick,
    /// Takes a checkpoint.
    Checkpoint,
    /// Copies the database to another disk.
    Backup,
    /// Opens it for reading beside its owner, reads, catches up.
    Read,
    /// Closes it.
    Close,
    /// The process dies: nothing is sealed.
    Kill,
}

/// What a database goes through.
#[derive(Clone, Debug)]
pub struct Script {
    /// All of it follows from this.
    pub seed: u64,
    /// When its commits are durable.
    pub sync: SyncMode,
    /// Whether checkpoints come by themselves.
    pub is_automatic: bool,
    /// The steps in order.
    pub steps: Vec<Step>,
}

impl Script {
    /// The script of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let sync = if rng.chance(50) {
            SyncMode::Full
        } else {
            SyncMode::Os
        };
        let is_automatic = rng.chance(25);
        let mut steps = Vec::new();
        let mut growths = 0;
        for life in 0..rng.between(2, 4) {
            if life > 0 && growths < GROWTHS_MAX && rng.chance(35) {
                growths += 1;
            }
            steps.push(Step::Open(growths));
            for _ in 0..rng.between(3, 8) {
                steps.push(match rng.below(20) {
                    0..=12 => Step::Commit,
                    13 => Step::Tick,
                    14..=16 => Step::Checkpoint,
                    17 => Step::Backup,
                    _ => Step::Read,
                });
            }
            steps.push(if rng.chance(50) {
                Step::Close
            } else {
                Step::Kill
            });
        }
        Self {
            seed,
            sync,
            is_automatic,
            steps,
        }
    }

    /// The least of everything, so that an image is small and quick to open.
    #[must_use]
    pub fn options(&self, growths: u32) -> Options {
        Options {
            max_resources: 12,
            max_reservations: 24,
            max_operations: OPERATIONS + 8 * growths,
            max_bundle_len: 4,
            max_ttl_slots: 7,
            max_expirations_per_tick: 4,
            operation_window_slots: 6,
            history_window_slots: 6,
            hash_seed: 0x5EED,
            database_id: u128::from(self.seed) << 32 | 0xDA7A,
            ..self.options_stored()
        }
    }

    /// Those of a database that is there, as it is stored.
    #[must_use]
    pub fn options_existing(&self) -> Options {
        Options {
            mode: OpenMode::Existing,
            ..self.options_stored()
        }
    }

    fn options_stored(&self) -> Options {
        Options {
            sync: self.sync,
            max_queue: 2,
            max_batch_commands: 32,
            max_batch_bytes: 32 << 10,
            log_ring_bytes: 512,
            log_level: Some(Level::Error),
            wal_prealloc_bytes: 4_096,
            checkpoint_wal_bytes: if self.is_automatic { 4_096 } else { 1 << 30 },
            ..Options::default()
        }
    }

    /// The configuration by which states are compared.
    #[must_use]
    pub fn ruler(&self) -> Config {
        let options = self.options(GROWTHS_MAX);
        options.config_for_creation(1, 1).expect("within bounds")
    }
}

/// Three slots pass in four steps.
const fn slot_of(step: usize) -> Slot {
    Slot(1 + step as u64 * 3 / 4)
}

/// What the host has been told, and what it has asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// The newest position that survives a power cut.
    pub durable: Lsn,
    /// The newest position that was acknowledged: it survives the process.
    pub acknowledged: Lsn,
    /// The step under way.
    pub step: usize,
    /// A database was opened: there is one from now on.
    pub is_opened: bool,
    /// Growths that were reported.
    pub growths: u32,
}

/// Why a step came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// The database could not be opened.
    Open(OpenError),
    /// A commit or a tick was not carried out.
    Submit(SubmitError),
    /// No checkpoint was taken.
    Checkpoint(CheckpointError),
    /// No copy was made.
    Backup(BackupError),
    /// It could not be read beside its owner.
    Read(u16),
    /// The log was not sealed.
    Close(IoError),
}

/// A copy that was made, and what it holds.
#[derive(Debug)]
pub struct Copied {
    /// Where it is.
    pub target: Disk,
    /// What the engine said, if it said that it was made.
    pub report: Option<BackupReport>,
    /// The state's hash as of the copy's id and position.
    pub hash: u64,
}

/// A host that carries out a script.
pub struct Host<'d> {
    disk: &'d Disk,
    script: &'d Script,
    /// The database, while it is open.
    pub engine: Option<Engine<&'d Disk>>,
    /// What it knows.
    pub told: Told,
    /// What the last backup left.
    pub copied: Option<Copied>,
    /// Where the next backup goes.
    pub target: Option<Disk>,
}

impl<'d> Host<'d> {
    /// A host that has not opened anything yet.
    #[must_use]
    pub fn new(disk: &'d Disk, script: &'d Script) -> Self {
        Self {
            disk,
            script,
            engine: None,
            told: Told::default(),
            copied: None,
            target: None,
        }
    }

    /// The open database.
    ///
    /// # Panics
    ///
    /// Where none is open.
    #[must_use]
    pub fn engine(&self) -> &Engine<&'d Disk> {
        self.engine.as_ref().expect("a script opens first")
    }

    /// Carries out step number `step`.
    pub fn step(&mut self, step: usize) -> Result<(), Trouble> {
        self.told.step = step;
        match self.script.steps[step] {
            Step::Open(growths) => self.open(growths),
            Step::Commit => {
                let slot = slot_of(step);
                let submitted = commit(self.engine(), slot, self.script.seed ^ step as u64);
                submitted.map_err(Trouble::Submit)?;
                self.acknowledge(self.script.sync == SyncMode::Full);
                Ok(())
            }
            Step::Tick => {
                let ticked = self.engine().tick(Some(slot_of(step)), 0);
                ticked.map_err(Trouble::Submit)?;
                self.acknowledge(self.script.sync == SyncMode::Full);
                Ok(())
            }
            Step::Checkpoint => {
                self.engine().checkpoint().map_err(Trouble::Checkpoint)?;
                self.acknowledge(true);
                Ok(())
            }
            Step::Backup => self.back_up(),
            Step::Read => self.read(),
            Step::Close => {
                let closed = self.engine().close();
                let reached = self.engine().last_lsn();
                self.engine = None;
                closed.map_err(Trouble::Close)?;
                self.told.durable = reached;
                Ok(())
            }
            Step::Kill => {
                self.kill();
                Ok(())
            }
        }
    }

    fn acknowledge(&mut self, is_durable: bool) {
        let lsn = self.engine().last_lsn();
        self.told.acknowledged = lsn;
        if is_durable {
            self.told.durable = lsn;
        }
    }

    fn open(&mut self, growths: u32) -> Result<(), Trouble> {
        let options = self.script.options(growths);
        let opened = Engine::open(self.disk, &options, quiet());
        self.engine = Some(opened.map_err(Trouble::Open)?);
        // What recovery shows it has made durable.
        self.acknowledge(true);
        self.told.is_opened = true;
        self.told.growths = growths;
        Ok(())
    }

    /// Opens the database again, after the process has ended.
    pub fn reopen(&mut self, growths: u32) -> Result<(), Trouble> {
        self.open(growths)
    }

    /// Nothing more is written, as when the process dies.
    pub fn kill(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.abandon();
        }
    }

    fn back_up(&mut self) -> Result<(), Trouble> {
        let target = self.target.take().unwrap_or_default();
        let made = self.engine().backup(&&target);
        let hash = made.as_ref().map_or(0, |report| {
            let of_copy = Overrides {
                config: Config {
                    database_id: report.database_id,
                    ..self.script.ruler()
                },
                last_lsn: report.lsn,
            };
            self.engine().look(|state| hash_as(state, &of_copy))
        });
        self.copied = Some(Copied {
            target,
            report: made.as_ref().ok().copied(),
            hash,
        });
        made.map_err(Trouble::Backup).map(|_| ())
    }

    /// A second handle that only reads sees what the owner has made durable, and nothing else.
    fn read(&mut self) -> Result<(), Trouble> {
        let options = Options {
            read_only: true,
            ..self.script.options_existing()
        };
        let reader = Engine::open(self.disk, &options, quiet());
        let reader = reader.map_err(|error| Trouble::Read(error.status()))?;
        let lsn = reader
            .refresh()
            .map_err(|error| Trouble::Read(error.status()))?;
        assert!(
            lsn <= self.engine().last_lsn(),
            "a reader is never ahead of the owner"
        );
        Ok(())
    }
}

/// Log lines that nobody reads.
#[must_use]
pub fn quiet() -> Diagnostics {
    Diagnostics::new(Level::Error, 512, None)
}

/// Commits one to some commands that follow from `seed` and the log position.
pub fn commit(engine: &Engine<&Disk>, slot: Slot, seed: u64) -> Result<(), SubmitError> {
    let lsn = engine.last_lsn().0;
    let mut rng = Rng::new(seed ^ lsn << 40);
    let count = match rng.below(4) {
        0 | 1 => rng.between(1, 3),
        _ => rng.between(4, COMMANDS_MAX),
    };
    let drawn: Vec<_> = (0..count).map(|_| Drawn::new(&mut rng, lsn)).collect();
    let commands: Vec<_> = drawn.iter().map(Drawn::command).collect();
    let mut results = vec![None; commands.len()];
    engine.submit(Some(slot), &mut Many::new(&commands, &mut results))
}

/// One command in numbers.
struct Drawn {
    kind: u64,
    operation_id: u128,
    ids: Vec<[u8; 16]>,
    holder_id: HolderId,
    ttl_slots: u64,
    reservation_id: ReservationId,
}

impl Drawn {
    fn new(rng: &mut Rng, lsn: u64) -> Self {
        let first = rng.below(8);
        let ids =
            (0..rng.between(1, 3)).map(|step| u128::from(1 + (first + step) % 8).to_le_bytes());
        Self {
            kind: if lsn < 8 { 0 } else { rng.below(10) },
            operation_id: u128::from(rng.draw()) << 1 | 1,
            ids: ids.collect(),
            holder_id: HolderId(1),
            ttl_slots: rng.between(1, 6),
            reservation_id: ReservationId(u128::from(lsn.saturating_sub(rng.below(20)).max(1))),
        }
    }

    fn command(&self) -> Command<'_> {
        let (reservation_id, holder_id) = (self.reservation_id, self.holder_id);
        let ttl_slots = self.ttl_slots;
        let resource_id = ResourceId(u128::from_le_bytes(self.ids[0]));
        let action = match self.kind {
            0 | 1 => Action::CreateResource { resource_id },
            2..=5 => Action::Reserve {
                resource_ids: ResourceIds::new(&self.ids),
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
            _ => Action::Revoke { reservation_id },
        };
        Command {
            operation_id: OperationId(self.operation_id),
            valid_until_slot: Slot(0),
            action,
        }
    }
}

/// What the sound run had: the state's hash at each position where a commit ends.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Positions in order, each with its hash; the empty database first.
    pub marks: Vec<(Lsn, u64)>,
    /// The position after each step.
    pub after: Vec<Lsn>,
}

impl History {
    /// That of a database that nothing has happened to.
    #[must_use]
    pub fn fresh(ruler: &Config) -> Self {
        let state = State::new(*ruler).expect("small tables");
        Self {
            marks: vec![(Lsn(0), hash(&state, ruler))],
            after: Vec::new(),
        }
    }

    /// Notes where the host has got to with `step`.
    pub fn note(&mut self, host: &Host<'_>, ruler: &Config) {
        let Some(engine) = &host.engine else {
            self.after
                .push(self.after.last().copied().unwrap_or_default());
            return;
        };
        let mark = engine.look(|state| (state.last_lsn(), hash(state, ruler)));
        if self.marks.last().is_none_or(|&(lsn, _)| lsn < mark.0) {
            self.marks.push(mark);
        }
        self.after.push(mark.0);
    }

    /// The hash at `lsn`, where a commit ends there.
    #[must_use]
    pub fn hash_at(&self, lsn: Lsn) -> Option<u64> {
        let place = self.marks.binary_search_by_key(&lsn, |&(known, _)| known);
        place.ok().map(|place| self.marks[place].1)
    }
}

/// Carries out a script on a sound disk. An error says what went wrong, which is a finding.
pub fn live(script: &Script, disk: &Disk) -> Result<History, String> {
    let ruler = script.ruler();
    let mut host = Host::new(disk, script);
    let mut history = History::fresh(&ruler);
    for step in 0..script.steps.len() {
        let done = host.step(step);
        done.map_err(|trouble| {
            let seed = script.seed;
            format!("script {seed:#x}, step {step} on a sound disk: {trouble:?}")
        })?;
        history.note(&host, &ruler);
    }
    Ok(history)
}

/// The hash of the state's snapshot, written as of `ruler`.
#[must_use]
pub fn hash(state: &State, ruler: &Config) -> u64 {
    let overrides = Overrides {
        config: *ruler,
        last_lsn: state.last_lsn(),
    };
    hash_as(state, &overrides)
}

/// The hash of the state's snapshot, written as of others.
#[must_use]
pub fn hash_as(state: &State, overrides: &Overrides) -> u64 {
    let mut sink = HashSink(0);
    let written = snapshot::encode_as(state, overrides, &[], &mut sink);
    written.unwrap_or_else(|never| match never {});
    sink.0
}

/// Equal bytes in equal pieces give equal hashes; the encoder's pieces follow from the state.
struct HashSink(u64);

impl ByteSink for HashSink {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            let mixed = (self.0 ^ u64::from_le_bytes(padded)).wrapping_mul(FACTOR);
            self.0 = mixed ^ (mixed >> 29);
        }
        Ok(())
    }
}
