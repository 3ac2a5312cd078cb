//! Crashes: bytes as a database's life on a disk that loses, tears and fails, and what recovery
//! makes of it.
//!
//! Orders commit commands, take checkpoints, end cleanly, and plan that some operation from here on
//! is the last before a power cut, or fails. After a cut the bytes choose which unsynced sectors
//! and names survive. The laws, at every opening: the database opens; its state is, by position and
//! digest, that of the sound run at the end of some commit; that commit is not older than the
//! newest that was acknowledged as durable (as acknowledged at all, where only the process died),
//! and not newer than the newest that was tried. What comes after an operation that failed is an
//! opening, with or without a power cut, and the page cache may have forgotten what never reached
//! the disk.
//!
//! The files are driven through `recovery`, `wal` and `checkpoint`, which is the engine without
//! its queue: thousands of lives a second.

use allocdb_core::canary::Canary;
use allocdb_core::hash::Digest;
use allocdb_core::ids::{Lsn, Slot};
use allocdb_core::log::{FRAME_HEADER_BYTES, FrameBuilder, commands};
use allocdb_core::state::{Acceptance, Admission, State};
use allocdb_node::options::{Options, Settings, SyncMode};
use allocdb_node::recovery::{self, Recovered};
use allocdb_node::wal::{ReserveError, Wal};
use allocdb_node::{OpenError, checkpoint};

use super::Target;
use super::material::{BUNDLE_LEN_MAX, Material};
use crate::disk::{Disk, Fault, Keep};

/// The target.
pub const TARGET: Target = Target {
    name: "crash-recover",
    len_max: 512,
    // The scan's buffer, for the greatest frame there may be.
    allocation_bytes_max: (16 << 20) + (64 << 10),
    run,
    seeds,
    canary: Canary::PageCacheTrusted,
};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const FRAME_BYTES: usize = 4096;

fn options(sync: SyncMode) -> Options {
    Options {
        max_resources: 8,
        max_reservations: 16,
        max_operations: 24,
        max_bundle_len: 8,
        max_ttl_slots: 7,
        operation_window_slots: 5,
        history_window_slots: 5,
        shard_id: 3,
        hash_seed: 0x5EED,
        database_id: 0xDA7A,
        wal_prealloc_bytes: 4096,
        sync,
        ..Options::default()
    }
}

/// Tries one life.
pub fn run(data: &[u8]) {
    let mut material = Material::new(data);
    let mut life = Life::new();
    while !material.is_over() {
        let disk = life.disk.clone();
        let sync = if material.u8().is_multiple_of(4) {
            SyncMode::Os
        } else {
            SyncMode::Full
        };
        life.plan(&disk, &mut material);
        let ending = life.session(&disk, sync, &mut material);
        life.end(&disk, ending, &mut material);
    }
    // In the end nothing goes wrong any more, and it opens: at once, or when it has noticed which
    // pages are gone.
    let disk = life.disk.clone();
    let options = options(SyncMode::Full);
    let settings = options.settings().expect("fixed options");
    if life.evicts {
        life.told = life.durable;
        let _ = recovery::open(&disk, &options, &settings);
    }
    let opened = recovery::open(&disk, &options, &settings);
    let recovered = opened.expect("a legal disk opens");
    life.check(&recovered.state);
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// By a seal.
    Clean,
    /// The process died: nothing is lost that was written.
    Killed,
    /// An operation failed, or the power.
    Failed,
}

/// A database's history, as whoever has heard the answers knows it.
struct Life {
    disk: Disk,
    /// The state at the end of each commit that was tried, in the order of their positions.
    tried: Vec<(Lsn, Digest)>,
    /// The newest position that must survive a power cut.
    durable: Lsn,
    /// The newest position that must survive the process.
    told: Lsn,
    /// The last session ended with a failure and without a cut: a sync may have failed.
    has_failed: bool,
    /// This session has an operation that fails.
    is_faulty: bool,
    /// Some opening finds pages gone that never reached the disk.
    evicts: bool,
    acceptance: Acceptance,
}

impl Life {
    fn new() -> Self {
        Self {
            disk: Disk::new(),
            tried: vec![(Lsn(0), Digest::default())],
            durable: Lsn(0),
            told: Lsn(0),
            has_failed: false,
            is_faulty: false,
            evicts: false,
            acceptance: Acceptance::new(8).expect("memory"),
        }
    }

    /// Plans what goes wrong, if anything.
    fn plan(&mut self, disk: &Disk, material: &mut Material<'_>) {
        let plan = material.u8();
        let skipped = u64::from(material.u8());
        self.is_faulty = (3..=5).contains(&(plan % 8));
        self.evicts |= plan & 0x40 != 0;
        match plan % 8 {
            0..=2 => disk.plan(skipped, Fault::Crash),
            3 => disk.plan(skipped, Fault::Errno(EIO)),
            4 => disk.plan(skipped, Fault::ErrnoForGood(EIO)),
            5 => disk.plan(skipped, Fault::Errno(ENOSPC)),
            _ => {}
        }
        if plan & 0x40 != 0 {
            disk.evict_at_next_write_open();
        }
        if self.evicts && self.has_failed {
            // What a sync gave up goes without a power cut.
            self.told = self.durable;
        }
    }

    /// Opens, and obeys orders until one ends the session.
    fn session(&mut self, disk: &Disk, sync: SyncMode, material: &mut Material<'_>) -> Ending {
        let options = options(sync);
        let settings: Settings = options.settings().expect("fixed options");
        let recovered = match recovery::open(disk, &options, &settings) {
            Ok(recovered) => recovered,
            Err(error) => {
                let is_legal = match error {
                    OpenError::Io(_) | OpenError::StorageFull { .. } => self.is_faulty,
                    // A page was dropped between the replay and the rewrite, and that is noticed.
                    OpenError::Corrupt { reason, .. } => {
                        self.evicts && reason.ends_with("when it is read again")
                    }
                    _ => false,
                };
                assert!(
                    disk.has_crashed() || is_legal,
                    "a legal disk is refused: {error}"
                );
                return Ending::Failed;
            }
        };
        self.check(&recovered.state);
        // An opening makes durable what it shows.
        self.told = recovered.state.last_lsn();
        self.durable = self.told;
        let Recovered {
            mut state, mut wal, ..
        } = recovered;
        while !material.is_over() {
            let order = material.u8();
            let done = match order % 16 {
                0..=9 => self.commit(&mut state, &mut wal, sync, order, material),
                10 | 11 => self.checkpoint(&mut state, &mut wal),
                12 => wal.flush().ok().map(|()| self.durable = self.told),
                13 | 14 => {
                    let sealed = wal.seal().is_ok();
                    if sealed {
                        self.durable = self.told;
                    }
                    return if sealed {
                        Ending::Clean
                    } else {
                        Ending::Failed
                    };
                }
                _ => return Ending::Killed,
            };
            if done.is_none() {
                return Ending::Failed;
            }
        }
        Ending::Killed
    }

    fn checkpoint(&mut self, state: &mut State, wal: &mut Wal<&Disk>) -> Option<()> {
        match checkpoint::run(wal, state) {
            Ok(_) => {
                self.durable = self.told;
                Some(())
            }
            // A full disk fails a checkpoint and halts nothing.
            Err(_) => wal.failure().is_none().then_some(()),
        }
    }

    /// Commits up to four commands; `None` where the log has failed.
    fn commit(
        &mut self,
        state: &mut State,
        wal: &mut Wal<&Disk>,
        sync: SyncMode,
        order: u8,
        material: &mut Material<'_>,
    ) -> Option<()> {
        let slot = Slot(state.last_slot().0 + u64::from(order >> 6));
        let mut buffer = [0; FRAME_BYTES];
        let mut builder = FrameBuilder::new(&mut buffer);
        let position = (3, state.last_lsn().0, state.last_slot().0);
        let mut ids = [[0; 16]; BUNDLE_LEN_MAX];
        self.acceptance.begin(state, slot, false);
        for tag in 0..=(u32::from(order) >> 4) % 4 {
            let command = material.command(position, &mut ids);
            let admission = self.acceptance.admit(state, &command, tag);
            if matches!(admission, Admission::New { .. }) {
                assert!(builder.push(&command), "a frame has room for four");
            }
        }
        if builder.record_count() == 0 {
            return Some(());
        }
        match wal.reserve(builder.frame_len()) {
            Ok(()) => {}
            Err(ReserveError::Full(_)) => return Some(()),
            Err(ReserveError::Failed(_)) => return None,
        }
        let payload_len = builder.payload_len();
        let meta = wal.meta(slot, sync == SyncMode::Full);
        let encoded = builder.finish(wal.key(), &meta);
        let payload = &buffer[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + payload_len];
        for (_, command) in commands(payload, meta.first_lsn) {
            state.apply(slot, &command);
        }
        self.tried.push((state.last_lsn(), state.digest()));
        wal.append(&buffer[..encoded.len], &encoded, &meta).ok()?;
        self.told = state.last_lsn();
        if sync == SyncMode::Full {
            self.durable = self.told;
        }
        Some(())
    }

    /// What the next session finds.
    fn end(&mut self, disk: &Disk, ending: Ending, material: &mut Material<'_>) {
        let choice = material.u8();
        let is_cut = disk.has_crashed() || choice & 1 != 0;
        if is_cut {
            let keep = match (choice >> 1) % 4 {
                0 => Keep::Nothing,
                1 => Keep::Only(usize::from(choice >> 3)),
                2 => Keep::AllBut(usize::from(choice >> 3)),
                _ => Keep::Some(material.u8().into()),
            };
            self.disk = disk.after_crash(keep);
            self.told = self.durable;
        } else {
            self.disk = disk.clone();
            assert!(ending != Ending::Clean || self.durable == self.told);
        }
        self.has_failed = ending == Ending::Failed && !is_cut;
        self.disk.mend();
    }

    /// Whether a state that was opened is one that may be.
    fn check(&mut self, state: &State) {
        let found = (state.last_lsn(), state.digest());
        assert!(
            found.0 >= self.told,
            "lost: {:?} was told, {:?} is there",
            self.told,
            found.0
        );
        let known = self.tried.iter().rposition(|tried| *tried == found);
        let known = known.expect("the state of some commit that was tried");
        // From here on there is another future.
        self.tried.truncate(known + 1);
    }
}

/// Lives with a cut, a failed sync, a checkpoint, a clean end, both kinds of sync; nothing.
fn seeds() -> Vec<Vec<u8>> {
    let none = [1, 7, 0];
    let create = |id: u8| [0x00, 0, id, id];
    let reserve = [0x40, 2, 9, 1, 0x09];
    let sessions: [&[u8]; 4] = [&[15, 0], &[15, 7, 77], &[13, 1], &[10, 15, 3]];
    let mut seeds = vec![vec![]];
    for ending in sessions {
        for plan in [
            none,
            [0, 7, 0],
            [1, 0, 9],
            [1, 3, 12],
            [1, 0x43, 14],
            [0, 1, 20],
        ] {
            let life = [&plan[..], &create(1), &create(2), &reserve, ending];
            let next = [
                &none[..],
                &create(3),
                &[0x30],
                &create(4)[1..],
                &create(5)[1..],
            ];
            seeds.push([life.concat(), next.concat(), vec![15, 3]].concat());
        }
    }
    seeds
}
