//! Opening: with which options, what it may find, what it may refuse; and damage before it.

use allocdb_core::log::SECTOR_BYTES;
use allocdb_node::storage::Entry;
use allocdb_node::{
    Clock, Diagnostics, Engine, FileName, Level, OpenError, OpenMode, Options, RecoveryReport,
    StartKind, SyncMode,
};

use super::judge::Left;
use super::life::{Damage, Life};
use crate::bridge;
use crate::disk::{Disk, Fault};
use crate::model::Bounds;
use crate::random::Rng;

/// Openings that a fault may spoil one after the other.
const ATTEMPTS: u64 = 6;

impl Life<'_> {
    /// Opens; `None` when the power was cut meanwhile.
    pub(super) fn open<'d>(&mut self, disk: &'d Disk) -> Result<Option<Engine<&'d Disk>>, String> {
        for attempt in 0..ATTEMPTS {
            let mut dice = self.dice(0x0BE7 + self.openings);
            self.openings += 1;
            if !disk.has_crashed() && attempt == 0 && dice.chance(12) {
                let fault = if dice.chance(70) {
                    Fault::Crash
                } else {
                    Fault::Errno(libc_eio())
                };
                disk.plan(dice.below(24), fault);
                self.is_faulty = true;
            }
            if disk.has_crashed() {
                return Ok(None);
            }
            let options = self.options(&mut dice);
            let wanted = self.bounds.len() > 1;
            match Engine::open(disk, &options, Diagnostics::new(Level::Error, 64, None)) {
                Ok(engine) => {
                    self.check_opened(&engine, &options)?;
                    return Ok(Some(engine));
                }
                Err(error) => {
                    self.tally.growths_interrupted += u64::from(wanted);
                    if wanted && self.damage == Damage::Fresh {
                        // It may have put a whole snapshot in the damaged one's place.
                        self.damage = Damage::Old;
                    }
                    self.check_refused(disk, &error)?;
                    if disk.has_crashed() {
                        self.tally.crashes_while_opening += 1;
                        return Ok(None);
                    }
                    disk.mend();
                }
            }
        }
        Err("it does not open, though nothing fails any more".to_owned())
    }

    fn check_refused(&mut self, disk: &Disk, error: &OpenError) -> Result<(), String> {
        self.say(|| format!("open: {error}"));
        let is_page_gone = matches!(error, OpenError::Corrupt { reason, .. }
            if reason.contains("no longer there"));
        if is_page_gone && self.is_evicted {
            self.is_evicted = false;
            self.tally.reopenings_refused_once += 1;
            return Ok(());
        }
        let is_fault = matches!(error, OpenError::Io(_) | OpenError::StorageFull { .. });
        if (self.is_faulty && is_fault) || disk.has_crashed() {
            self.left = Left::Cut;
            return Ok(());
        }
        Err(format!("refused to open: {error}"))
    }

    /// What the next opening asks for.
    fn options(&mut self, dice: &mut Rng) -> Options {
        let mut options = Options {
            clock: Clock::Host,
            sync: if dice.chance(60) {
                SyncMode::Full
            } else {
                SyncMode::Os
            },
            auto_expire_off: dice.chance(10),
            max_queue: if dice.chance(15) { 3 } else { 64 },
            max_batch_commands: dice.between_u32(12, 48),
            max_batch_bytes: 32 << 10,
            wal_prealloc_bytes: 4096 * dice.between(1, 4),
            checkpoint_wal_bytes: 4096 * dice.between(2, 24),
            // The bound counts from the first slot seen, which a late life leaves far behind.
            max_slot_leap: if dice.chance(25) && !self.schedule.shape.is_late {
                1 << 40
            } else {
                0
            },
            log_ring_bytes: 64,
            ..Options::default()
        };
        if !self.is_created {
            let Bounds { shard_id, .. } = self.schedule.shape.bounds;
            options.shard_id = shard_id;
            options.hash_seed = self.schedule.shape.hash_seed() | 1;
            options.database_id = 0x0A11_0CDB;
            options.slot_duration_ms = 1_000;
            give(&mut options, &self.schedule.shape.bounds);
            return options;
        }
        options.mode = OpenMode::Existing;
        if dice.chance(20) {
            let mut bounds = *self.bounds.last().expect("never empty");
            let more = dice.between_u32(1, 4);
            match dice.below(4) {
                0 => bounds.max_resources += more,
                1 => bounds.max_reservations += more,
                2 => bounds.max_operations += 8 * more,
                _ => {
                    bounds.max_reservations += more;
                    bounds.max_expiration_bucket_len += 1;
                }
            }
            give(&mut options, &bounds);
            self.bounds.push(bounds);
        } else if dice.chance(30) {
            give(&mut options, self.bounds.last().expect("never empty"));
        }
        options
    }

    fn check_opened(&mut self, engine: &Engine<&Disk>, options: &Options) -> Result<(), String> {
        let report = *engine.recovery_report();
        let lsn = engine.last_lsn().0;
        let sync = options.sync;
        self.say(|| format!("opened, {sync:?}: {report:?}"));
        self.tally.restarts += u64::from(self.is_created);
        self.mix(lsn ^ (report.kind as u64) << 48);
        self.check_report(&report, lsn)?;
        self.check_bounds(engine, options)?;
        let resolved = self.judge.resolve(lsn, self.left)?;
        match resolved.undecided {
            Some(true) => self.tally.undecided_found += 1,
            Some(false) => self.tally.undecided_absent += 1,
            None => {}
        }
        self.tally.suffixes_lost_under_os += u64::from(resolved.is_suffix_lost);
        self.repeats.extend(resolved.repeats);
        self.repeats.truncate(24);
        let digest = engine.digest().map_err(|error| error.to_string())?;
        if self
            .judge
            .digest_at(lsn)
            .is_some_and(|known| known != digest)
        {
            return Err(format!("the digest at LSN {lsn} is another than before"));
        }
        self.judge.note_digest(digest);
        let bounds = *self.bounds.last().expect("never empty");
        self.judge.model.grow(bounds);
        self.workload.grow(bounds);
        self.judge.begin(sync == SyncMode::Full);
        self.is_created = true;
        self.left = Left::Whole;
        self.is_evicted = false;
        self.compare(engine)
    }

    fn check_report(&mut self, report: &RecoveryReport, lsn: u64) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {report:?}"));
        self.tally.torn_tails_cut += u64::from(report.torn_bytes > 0);
        self.tally.frames_rewritten += u64::from(report.rewritten_bytes > 0);
        if report.kind == StartKind::Fresh {
            let is_first = !self.is_created;
            return if is_first {
                Ok(())
            } else {
                wrong("fresh, though it was there")
            };
        }
        // R3: every record has one LSN.
        let snapshot_lsn = report.snapshot_lsn.0;
        if report.last_lsn.0 != lsn || snapshot_lsn + report.records_replayed != lsn {
            return wrong("the report does not add up");
        }
        if report.frames_replayed > report.records_replayed {
            return wrong("frames without records");
        }
        let is_from_snapshot = report.kind != StartKind::WalOnly;
        if is_from_snapshot != (snapshot_lsn > 0) {
            return wrong("the kind is not what was used");
        }
        let fell_back = report.kind == StartKind::PreviousSnapshotAndWal;
        let is_legal = match self.damage {
            Damage::None => !fell_back,
            Damage::Fresh => fell_back,
            Damage::Old => true,
        };
        if !is_legal {
            return wrong("a fallback belongs to a damaged snapshot");
        }
        self.tally.fallbacks += u64::from(fell_back);
        if self.damage != Damage::None {
            self.damage = if fell_back { Damage::Old } else { Damage::None };
            self.snapshots = 0;
        }
        // The seal itself is what nothing later proves durable.
        let is_sealed = report.torn_bytes == 0 && report.rewritten_bytes <= SECTOR_BYTES as u64;
        if self.is_closed && !is_sealed {
            return wrong("a clean end left work");
        }
        Ok(())
    }

    /// R95, R96.
    fn check_bounds(&mut self, engine: &Engine<&Disk>, options: &Options) -> Result<(), String> {
        let found = bridge::bounds(&engine.configuration());
        let is_asked = options.max_reservations > 0;
        let last = *self.bounds.last().expect("never empty");
        let is_legal = if is_asked {
            found == last
        } else {
            self.bounds.contains(&found)
        };
        if !is_legal {
            return Err(format!(
                "opened with {found:?}, not one of {:?}",
                self.bounds
            ));
        }
        if found != self.bounds[0] {
            self.tally.growths += 1;
            self.snapshots = 0;
        }
        self.bounds = vec![found];
        Ok(())
    }

    /// Rots a bit of the newest snapshot, once in a life, where an older one must stand in.
    pub(super) fn damage(&mut self, disk: &Disk, dice: &mut Rng) {
        if !self.may_damage || self.snapshots < 2 || disk.has_crashed() || !dice.chance(30) {
            return;
        }
        let names = disk.contents().into_iter();
        let snapshots = names.filter_map(|(name, bytes)| match Entry::of(&name) {
            Entry::Ours(FileName::Snapshot(lsn)) => Some((lsn, bytes.len())),
            _ => None,
        });
        let Some((lsn, len)) = snapshots.max() else {
            return;
        };
        let (byte, bit) = (dice.index(len), dice.below(8));
        disk.flip(FileName::Snapshot(lsn), byte, 1 << bit);
        self.damage = Damage::Fresh;
        self.may_damage = false;
        self.tally.snapshots_damaged += 1;
        self.say(|| format!("bit {bit} of byte {byte} of snapshot {lsn:?} rots"));
    }
}

fn give(options: &mut Options, bounds: &Bounds) {
    options.max_resources = bounds.max_resources;
    options.max_reservations = bounds.max_reservations;
    options.max_operations = bounds.max_operations;
    options.max_bundle_len = bounds.max_bundle_len;
    options.max_ttl_slots = bounds.max_ttl_slots;
    options.operation_window_slots = bounds.operation_window_slots;
    options.history_window_slots = bounds.history_window_slots;
    options.max_expiration_bucket_len = bounds.max_expiration_bucket_len;
    options.max_expirations_per_tick = bounds.max_expirations_per_tick;
}

/// EIO, on every system that the product runs on.
pub(super) const fn libc_eio() -> i32 {
    5
}
