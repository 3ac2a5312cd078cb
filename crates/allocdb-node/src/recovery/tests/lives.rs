//! Whole lives of databases, drawn from a seed: commits, checkpoints, growths, backups, clean ends,
//! power cuts at any operation, and a damaged snapshot where one may be. After every opening:
//! nothing that was acknowledged is lost, the history is the one and only (the workload is a
//! function of the LSN, whatever the capacities), and no capacity that was reported shrinks.

use super::*;
use crate::backup::Backup;
use crate::recovery::fixture::history;

const LIVES: u64 = 150;
const SESSIONS: u64 = 14;
const LSN_MAX: u64 = SESSIONS * 8 * 18;

/// A small generator of random numbers; the seed alone repeats a life.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What all lives did together.
#[derive(Debug, Default)]
struct Tally {
    openings: u64,
    cuts: u64,
    growths: u64,
    openings_cut: u64,
    checkpoints: u64,
    backups: u64,
    backups_cut: u64,
    fallbacks: u64,
}

struct Life<'t> {
    disk: Disk,
    dice: Dice,
    told: Lsn,
    issued: Lsn,
    /// The capacities of the last good opening.
    reported: Option<Config>,
    may_damage: bool,
    digests: &'t [allocdb_core::hash::Digest],
    tally: &'t mut Tally,
}

impl Life<'_> {
    /// What the next opening asks for: as stored, or one capacity more.
    fn options(&mut self) -> Options {
        let Some(reported) = self.reported else {
            return options();
        };
        let mut wanted = Options {
            wal_prealloc_bytes: 4_096,
            ..Options::default()
        };
        if self.dice.chance(40) {
            // An interrupted growth may have left a little more than was reported.
            let more = 1 + u32::try_from(self.dice.below(3)).expect("small") * 8;
            match self.dice.below(4) {
                0 => wanted.max_resources = reported.max_resources + 32 + more,
                1 => wanted.max_reservations = reported.max_reservations + 32 + more,
                2 => wanted.max_operations = reported.max_operations + 32 + more,
                _ => {
                    wanted.max_reservations = reported.max_reservations + 64;
                    wanted.max_expiration_bucket_len = reported.max_expiration_bucket_len + 1;
                }
            }
        }
        wanted
    }

    fn session(&mut self) -> Option<()> {
        let options = self.options();
        if self.dice.chance(60) {
            self.disk.plan(self.dice.below(120), Fault::Crash);
        }
        let opened = Database::open(&self.disk, &options);
        let mut database = match opened {
            Ok(database) => database,
            // A growth that a crash finished left more than is asked for.
            Err(OpenError::ConfigMismatch { given, stored, .. }) if given < stored => return None,
            Err(error) => {
                assert!(self.disk.has_crashed(), "{error}");
                self.tally.openings_cut += 1;
                return None;
            }
        };
        self.tally.openings += 1;
        let (lsn, digest) = database.mark();
        assert!(
            self.told <= lsn && lsn <= self.issued,
            "{:?} {lsn:?}",
            self.told
        );
        assert_eq!(digest, self.digests[usize::try_from(lsn.0).expect("small")]);
        self.told = lsn;
        let fell_back = database.report.kind == StartKind::PreviousSnapshotAndWal;
        self.tally.fallbacks += u64::from(fell_back);
        let config = *database.wal.config();
        if let Some(before) = self.reported.replace(config) {
            assert_eq!(before.growth_obstacle(&config), None, "no capacity shrinks");
            self.tally.growths += u64::from(before != config);
        }
        for _ in 0..self.dice.below(9) {
            match self.dice.below(10) {
                0 | 1 => {
                    let taken = database.checkpoint().ok()?;
                    self.tally.checkpoints += u64::from(taken.written);
                }
                2 => back_up(&mut self.dice, self.tally, &database.state),
                _ => {
                    // A commit's slot follows from its first LSN: none reaches into the next round.
                    let round = 18 - database.mark().0.0 % 18;
                    let count = 1 + self.dice.below(round.min(6));
                    self.issued = self.issued.max(Lsn(database.mark().0.0 + count));
                    self.told = database.commit(count).ok()?;
                }
            }
        }
        if self.dice.chance(50) {
            database.wal.seal().ok()?;
        }
        Some(())
    }

    /// What lies on the disk when the next session begins.
    fn end(&mut self) {
        let is_cut = self.disk.has_crashed() || self.dice.chance(30);
        if is_cut {
            self.tally.cuts += 1;
            self.disk = self.disk.after_crash(Keep::Some(self.dice.below(u64::MAX)));
        }
        self.disk.mend();
        let Some(log) = self.disk.read(FileName::Wal) else {
            return;
        };
        let begins_after = LogHeader::decode(&log).expect("sound").begins_after;
        let found = Directory::survey(&&self.disk).expect("sound").snapshots;
        let usable = found.iter().filter(|&&lsn| lsn >= begins_after).count();
        if usable >= 2 && self.may_damage && self.dice.chance(30) {
            // One damaged snapshot in a life: the one before it stands in.
            self.may_damage = false;
            self.disk.flip(FileName::Snapshot(found[0]), 600, 1);
        }
    }
}

/// Copies the state, maybe with a power cut on the way: the copy is whole or does not open.
fn back_up(dice: &mut Dice, tally: &mut Tally, state: &State) {
    let target = Disk::new();
    if dice.chance(50) {
        target.plan(dice.below(24), Fault::Crash);
    }
    let storage = &target;
    let copy = || {
        let mut backup = Backup::begin(&storage)?;
        backup.take(state)?;
        backup.finish()
    };
    let made = copy().is_ok();
    let image = target.after_crash(Keep::Some(dice.below(u64::MAX)));
    let existing = Options {
        mode: OpenMode::Existing,
        ..Options::default()
    };
    match Database::open(&image, &existing) {
        Ok(copied) => assert_eq!(history(&copied.state), history(state)),
        Err(error) => assert!(!made && !matches!(error, OpenError::Io(_)), "{error}"),
    }
    tally.backups += u64::from(made);
    tally.backups_cut += u64::from(!made);
}

#[test]
fn lives_of_growth_backups_and_power_cuts_lose_nothing() {
    let seed = std::env::var("ALLOCDB_SEED").map_or(0x11FE, |text| text.parse().expect("a number"));
    let scale = std::env::var("ALLOCDB_SCALE").map_or(1, |text| text.parse().expect("a number"));
    println!("lives: ALLOCDB_SEED={seed} repeats this run");
    let digests = digests(LSN_MAX);
    let mut tally = Tally::default();
    for life in 0..LIVES * scale {
        let mut life = Life {
            disk: Disk::new(),
            dice: Dice(seed + life),
            told: Lsn(0),
            issued: Lsn(0),
            reported: None,
            may_damage: true,
            digests: &digests,
            tally: &mut tally,
        };
        for _ in 0..SESSIONS {
            let _ = life.session();
            life.end();
        }
        // In the end it opens, with all that there is.
        let stored = Options {
            wal_prealloc_bytes: 4_096,
            ..if life.reported.is_some() {
                Options::default()
            } else {
                options()
            }
        };
        let database = Database::open(&life.disk, &stored).expect("sound");
        let (lsn, digest) = database.mark();
        assert!(life.told <= lsn && lsn <= life.issued);
        assert_eq!(digest, digests[usize::try_from(lsn.0).expect("small")]);
    }
    println!("{tally:?}");
    let counts = [
        tally.cuts,
        tally.growths,
        tally.openings_cut,
        tally.checkpoints,
        tally.backups,
        tally.backups_cut,
    ];
    assert!(counts.iter().all(|&count| count >= 50), "{tally:?}");
    assert!(tally.fallbacks > 5, "{tally:?}");
}
