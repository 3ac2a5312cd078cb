//! The scenarios: which threads, what goes wrong, and what must be on the disk afterwards.
//!
//! | scenario | what happens beside the submissions |
//! |---|---|
//! | commits | reads; a queue and commits so small that they fill |
//! | halt | a write or sync fails, or the host halts |
//! | panic | a leader panics at the log, or while it applies |
//! | close | the engine is closed, by one or by two at once |
//! | upkeep | checkpoints, automatic ones too, a tick and a backup |
//! | close_read, close_submit | one call against one close, small enough for every schedule |
//!
//! After each, the disk is taken as a power cut leaves it, with nothing unsynced kept or with all
//! of it, and opened again: whatever was acknowledged is there, once, with the same answer. That is
//! what nobody may get wrong at any interleaving, so it is asked at the end of all of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use allocdb_core::{Lsn, OperationId, ResourceId, Slot};
use allocdb_node::storage::faulty::{Disk, Fault, Keep};
use allocdb_node::{Clock, Diagnostics, Engine, HaltReason, Level, Options};
use shuttle::thread;

use crate::calls::{Allowed, Board, PRIZE, Scene, create};
use crate::run::{Draw, Tally};
use crate::watch::{Watch, Watched};

/// What is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    /// Submissions and reads.
    Commits,
    /// A failure of the log, or the host's wish.
    Halt,
    /// A leader that panics.
    Panic,
    /// Closing.
    Close,
    /// Checkpoints, ticks, backups.
    Upkeep,
    /// One read against one close.
    CloseRead,
    /// One submission against one close.
    CloseSubmit,
}

impl Scenario {
    /// Those that are drawn.
    pub const DRAWN: [Self; 5] = [
        Self::Commits,
        Self::Halt,
        Self::Panic,
        Self::Close,
        Self::Upkeep,
    ];
    /// Those that are small.
    pub const SMALL: [Self; 2] = [Self::CloseRead, Self::CloseSubmit];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Halt => "halt",
            Self::Panic => "panic",
            Self::Close => "close",
            Self::Upkeep => "upkeep",
            Self::CloseRead => "close_read",
            Self::CloseSubmit => "close_submit",
        }
    }

    const fn allowed(self) -> Allowed {
        Allowed {
            halt: matches!(self, Self::Halt | Self::Panic),
            panic: matches!(self, Self::Panic),
            close: matches!(self, Self::Close | Self::CloseRead | Self::CloseSubmit),
        }
    }

    /// One schedule of it. What is drawn comes from `draw`, who goes on from the scheduler.
    pub fn play(self, mut draw: Draw, tally: &Tally) {
        let (disk, watch, board) = (Disk::new(), Watch::default(), Board::default());
        let options = self.options(&mut draw);
        let watched = Watched {
            disk: &disk,
            watch: &watch,
        };
        let engine = open(watched, &options);
        let scene = Scene {
            engine: &engine,
            watch: &watch,
            board: &board,
            allowed: self.allowed(),
        };
        scene.submit(create(PRIZE, PRIZE));
        match self {
            Self::CloseRead | Self::CloseSubmit => self.play_small(&scene),
            _ => self.play_drawn(&scene, &disk, &mut draw),
        }
        let health = engine.health(None);
        assert!(health.queue_len == 0, "nobody waits when all are through");
        assert!(health.overloads == board.overloads.load(Ordering::Relaxed));
        board.check();
        if draw.below(2) == 0 {
            close(&scene);
        }
        // A panic planted for the seal comes out of the drop.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(engine)));
        assert!(dropped.is_ok() || self.allowed().panic);
        let keep = [Keep::Nothing, Keep::Everything][draw.index(2)];
        check_disk(&disk.after_crash(keep), &options, &board);
        tally.take(&board, &health);
    }

    fn options(self, draw: &mut Draw) -> Options {
        let is_small = Self::SMALL.contains(&self);
        Options {
            clock: Clock::Host,
            max_resources: 32,
            max_reservations: 16,
            max_operations: 64,
            max_bundle_len: 2,
            max_ttl_slots: 15,
            operation_window_slots: 8,
            history_window_slots: 8,
            hash_seed: 0x5EED,
            database_id: 0xDA7A,
            max_expirations_per_tick: 4,
            wal_prealloc_bytes: 4_096,
            checkpoint_wal_bytes: 4_096,
            max_queue: if is_small {
                4
            } else {
                [1, 2, 8][draw.index(3)]
            },
            max_batch_commands: [1, 2, 16][draw.index(3)],
            max_batch_bytes: 64 << 10,
            log_ring_bytes: 256,
            ..Options::default()
        }
    }

    fn play_small(self, scene: &Scene<'_, '_>) {
        thread::scope(|scope| {
            scope.spawn(move || match self {
                Self::CloseRead => scene.looks(),
                _ => scene.submit(create(1, 1)),
            });
            close(scene);
        });
    }

    fn play_drawn(self, scene: &Scene<'_, '_>, disk: &Disk, draw: &mut Draw) {
        let threads = 2 + draw.below(3);
        match self {
            Self::Halt if draw.below(3) > 0 => disk.plan(draw.below(8), Fault::Errno(EIO)),
            Self::Panic if draw.below(3) > 0 => scene.watch.panic_after(draw.below(6)),
            _ => {}
        }
        let bursts = self == Self::Panic && draw.below(2) == 0;
        let halts = self == Self::Halt && draw.below(3) == 0;
        let closers = if self == Self::Close {
            1 + draw.below(2)
        } else {
            0
        };
        thread::scope(|scope| {
            for thread in 1..=threads {
                let (mut draw, calls) = (draw.fork(), 1 + draw.below(3));
                scope.spawn(move || scene.submits(u128::from(thread), calls, &mut draw));
            }
            if draw.below(2) == 0 {
                scope.spawn(move || scene.reads(3));
            }
            if bursts {
                scope.spawn(move || scene.bursts());
            }
            if halts {
                scope.spawn(move || scene.engine.halt(HaltReason::Requested));
            }
            for _ in 0..closers {
                scope.spawn(move || close(scene));
            }
            if self == Self::Upkeep {
                let is_backup = draw.below(2) == 0;
                scope.spawn(move || upkeep(scene, is_backup));
            }
        });
    }
}

/// `EIO`, as on Linux.
const EIO: i32 = 5;

fn open<S: allocdb_node::storage::Storage>(storage: S, options: &Options) -> Engine<S> {
    let diagnostics = Diagnostics::new(Level::Warning, 256, None);
    Engine::open(storage, options, diagnostics).expect("the disk is sound")
}

/// Closes; when that returns, nobody is at the log any more, now or later.
fn close(scene: &Scene<'_, '_>) {
    let closed = catch_unwind(AssertUnwindSafe(|| scene.engine.close()));
    match closed {
        Ok(Ok(())) => {}
        Ok(Err(_)) => assert!(scene.allowed.halt, "the seal was not written"),
        Err(_) => assert!(scene.allowed.panic, "a panic that nobody planted"),
    }
    scene.watch.is_closed.store(true, Ordering::Relaxed);
    scene.board.is_closed.store(true, Ordering::Relaxed);
}

/// A checkpoint, a tick, and perhaps a backup, which opens and has what had been told before.
fn upkeep(scene: &Scene<'_, '_>, is_backup: bool) {
    let mut overloads = 0;
    match scene.engine.checkpoint() {
        Ok(report) => assert!(report.anchor_lsn.0 <= scene.watch.synced_lsn()),
        Err(error) => overloads += overload(error.status()),
    }
    match scene.engine.tick(Some(Slot(1)), 0) {
        Ok(result) => assert!(result.expired_count == 0, "nothing is due"),
        Err(error) => overloads += overload(error.status()),
    }
    if is_backup {
        let told = scene.board.answers();
        let copy = Disk::new();
        match scene.engine.backup(&&copy) {
            Ok(report) => {
                assert!(report.source_lsn.0 <= scene.watch.synced_lsn());
                let copied = open(&copy, &Options::default());
                for answer in told {
                    let id = OperationId(answer.id);
                    let outcome = copied.operation(Lsn(0), id).expect("told, hence copied");
                    assert!(outcome.lsn == answer.outcome.lsn);
                }
            }
            Err(error) => overloads += overload(error.status()),
        }
    }
    scene
        .board
        .overloads
        .fetch_add(overloads, Ordering::Relaxed);
}

/// The one reason for which upkeep may come to nothing.
fn overload(status: u16) -> u64 {
    assert!(
        status == allocdb_node::status::E_OVERLOADED,
        "status {status}"
    );
    1
}

/// What was acknowledged is on the disk, once, with the same answer; the prize has one owner.
fn check_disk(disk: &Disk, options: &Options, board: &Board) {
    let engine = open(disk, options);
    let mut winner = None;
    for answer in board.answers() {
        let outcome = engine.operation(Lsn(0), OperationId(answer.id));
        let outcome = outcome.expect("acknowledged, hence there");
        assert!(
            (outcome.lsn, outcome.code, outcome.reservation_id)
                == (
                    answer.outcome.lsn,
                    answer.outcome.code,
                    answer.outcome.reservation_id
                ),
            "the answer stands"
        );
        if outcome.reservation_id.0 != 0 {
            assert!(
                winner.is_none_or(|other| other == outcome.reservation_id),
                "two winners"
            );
            winner = Some(outcome.reservation_id);
        }
    }
    let prize = engine.resource(Lsn(0), ResourceId(PRIZE)).expect("created");
    if let Some(winner) = winner {
        assert!(prize.reservation_id == winner, "who won has it");
    }
}
