//! The layer `crash-images`: a power cut at every storage operation of a database's life, and every
//! image of the disk that it may leave, each opened by the real recovery.
//!
//! A script runs once over a disk that keeps what it was before each operation. From each such
//! moment come all feasible images, or, where they are more than a bound, the corners and others
//! from the seed. An image that was seen before in the same life is not opened again, but its
//! answer is held against what had been told by then. The laws:
//!
//! - it opens: no legal state is refused, and a database that was opened once is never fresh again;
//! - what was acknowledged as durable is there, exactly once, and what was not is whole or absent:
//!   the state is byte for byte that of the sound run at the end of some commit, no earlier than
//!   the last durable one, no later than the one under way;
//! - opening it again gives the same state and cuts nothing.
//!
//! A share is opened by the whole engine over a disk that keeps its moments in turn, commits once
//! more, and is cut again at every operation of that, recovery included; and so on, three deep. A
//! backup's directory is cut likewise: it opens whole or says that it is none. What has been
//! written on is also damaged where only another history shows the difference: sectors as they
//! were before, which the chain must refuse, and a log that is gone, which must not be taken for a
//! fresh start.
//!
//! The bulk goes through `recovery::open`, which is all of opening but the engine's own buffers.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use allocdb_core::log::SECTOR_BYTES;
use allocdb_core::snapshot::Overrides;
use allocdb_core::{Config, Lsn, Slot};
use allocdb_node::{
    Engine, FileName, OpenError, Options, Settings, StartKind, SyncMode, recovery, status,
};

use crate::disk::{Disk, Moment};
use crate::layer::Run;
use crate::random::Rng;
use crate::script::{self, Copied, History, Host, Script, Step, Told};

/// Images of one moment at most.
const IMAGES_MAX: u64 = 1 << 10;
/// Images of one moment inside or behind a recovery at most.
const IMAGES_DEEP_MAX: u64 = 48;
/// One image in so many is recovered under a trace.
const DEEP_SHARE: u64 = 384;
const DEPTH_MAX: u32 = 3;
/// One image in so many is opened twice.
const TWICE_SHARE: u64 = 8;
const FINDINGS_MAX: usize = 5;
/// From so many images on, everything worth trying must have happened.
const IMAGES_TELLING: u64 = 50_000;

/// Runs the layer.
pub fn run(run: &mut Run) {
    let mut seeds = Rng::new(run.seed());
    while !run.is_over() && run.findings().len() < FINDINGS_MAX {
        let script = Script::new(seeds.draw());
        Trial::new(&script, run).run();
    }
    if run.done() >= IMAGES_TELLING {
        for name in MUST_HAPPEN {
            if run.figure_of(name) == 0 {
                run.find(format!("seed {}: no {name} in all images", run.seed()));
            }
        }
    }
}

const MUST_HAPPEN: [&str; 11] = [
    "torn tails",
    "frames written again",
    "fresh",
    "interrupted growths",
    "inside a recovery",
    "behind a recovery",
    "opened twice",
    "of backups",
    "moments listed whole",
    "stale sectors",
    "logs taken away",
];

/// What an image was found to hold.
#[derive(Clone, Copy, Debug)]
struct Shown {
    lsn: Lsn,
    hash: u64,
    is_fresh: bool,
    max_operations: u32,
}

/// What an image may hold.
#[derive(Clone, Debug)]
struct Claim {
    told: Told,
    /// The history of the script counts up to here.
    limit: Lsn,
    /// What was committed instead of the rest of it.
    others: Vec<(Lsn, u64)>,
}

struct Trial<'s, 'r> {
    script: &'s Script,
    run: &'r mut Run,
    ruler: Config,
    history: History,
    seen: HashMap<u64, Shown>,
    /// Images opened so far.
    opened: u64,
    creation: (Options, Settings),
    existing: (Options, Settings),
}

/// The backups of a run, each with the moments of its making.
type Copies = Vec<(Copied, Vec<Moment>)>;

impl<'s, 'r> Trial<'s, 'r> {
    fn new(script: &'s Script, run: &'r mut Run) -> Self {
        let with_settings = |options: Options| {
            let settings = options.settings().expect("within bounds");
            (options, settings)
        };
        Self {
            script,
            run,
            ruler: script.ruler(),
            history: History::default(),
            seen: HashMap::new(),
            opened: 0,
            creation: with_settings(script.options(0)),
            existing: with_settings(script.options_existing()),
        }
    }

    fn run(&mut self) {
        let disk = Disk::new();
        let Some((claims, copies)) = self.live(&disk) else {
            return;
        };
        self.run.count("lives", 1);
        for (place, moment) in disk.end_trace().into_iter().enumerate() {
            if self.run.is_over() || self.run.findings().len() >= FINDINGS_MAX {
                return;
            }
            let claim = &claims[usize::try_from(moment.mark).expect("few")];
            self.try_moment(&moment, claim, (IMAGES_MAX, place as u64), 0);
        }
        for (copied, moments) in copies {
            self.try_copy(&copied, &moments);
        }
    }

    /// The sound run, with a moment kept before each operation.
    fn live(&mut self, disk: &Disk) -> Option<(Vec<Claim>, Copies)> {
        let mut host = Host::new(disk, self.script);
        let mut claims = Vec::new();
        let mut copies = Vec::new();
        self.history = History::fresh(&self.ruler);
        disk.begin_trace();
        for step in 0..self.script.steps.len() {
            claims.push(host.told);
            host.told.step = step;
            claims.last_mut().expect("just pushed").step = step;
            disk.note(claims.len() as u64 - 1);
            if self.script.steps[step] == Step::Backup {
                let target = Disk::new();
                target.begin_trace();
                host.target = Some(target);
            }
            if let Err(trouble) = host.step(step) {
                self.find(&format!("step {step} on a sound disk: {trouble:?}"));
                return None;
            }
            self.history.note(&host, &self.ruler);
            if let Some(copied) = host.copied.take() {
                let moments = copied.target.end_trace();
                copies.push((copied, moments));
            }
        }
        claims.push(host.told);
        disk.note(claims.len() as u64 - 1);
        let claims = claims.into_iter().map(|told| Claim {
            told,
            limit: self.history.after[told.step],
            others: Vec::new(),
        });
        Some((claims.collect(), copies))
    }

    fn try_moment(
        &mut self,
        moment: &Moment,
        claim: &Claim,
        (bound, seed): (u64, u64),
        depth: u32,
    ) {
        let cuts = moment.disk.cuts();
        if depth == 0 {
            self.run.count("moments", 1);
            if cuts.count() <= bound {
                self.run.count("moments listed whole", 1);
            }
        }
        let (mut images, mut opened) = (0, 0);
        for image in cuts.images(bound, self.script.seed ^ seed) {
            images += 1;
            opened += u64::from(self.try_image(&image, claim, depth));
            if self.run.findings().len() >= FINDINGS_MAX {
                return;
            }
        }
        self.run.count("cuts", images);
        self.run.advance(opened);
        if depth > 0 {
            let name = if moment.mark == 0 {
                "inside a recovery"
            } else {
                "behind a recovery"
            };
            self.run.count(name, opened);
        }
    }

    /// Whether the image was one that had to be opened.
    fn try_image(&mut self, image: &Disk, claim: &Claim, depth: u32) -> bool {
        let print = image.fingerprint();
        if let Some(shown) = self.seen.get(&print) {
            let shown = *shown;
            self.judge(shown, claim, print);
            return false;
        }
        // Not by the fingerprint, which has the process's number in it.
        self.opened += 1;
        let draw = Rng::new(self.script.seed ^ self.opened).draw();
        let is_deep = depth < DEPTH_MAX && draw.is_multiple_of(DEEP_SHARE);
        let copy = is_deep.then(|| image.clone());
        let tried = catch_unwind(AssertUnwindSafe(|| self.open(image, claim, draw)));
        let shown = match tried {
            Ok(Ok(shown)) => shown,
            Ok(Err(error)) => {
                self.find(&format!("image {print:x}, {claim:?}: refused: {error}"));
                return true;
            }
            Err(_) => {
                self.find(&format!("image {print:x}, {claim:?}: a panic"));
                return true;
            }
        };
        self.seen.insert(print, shown);
        self.judge(shown, claim, print);
        if let Some(copy) = copy {
            let tried = catch_unwind(AssertUnwindSafe(|| self.go_on(&copy, claim, draw, depth)));
            if tried.is_err() {
                self.find(&format!("image {print:x}, {claim:?}: a panic behind it"));
            }
        }
        true
    }

    fn open(&mut self, image: &Disk, claim: &Claim, draw: u64) -> Result<Shown, OpenError> {
        let (shown, torn_bytes, rewritten) = self.recover(image, claim)?;
        self.run.count("torn tails", u64::from(torn_bytes > 0));
        self.run
            .count("frames written again", u64::from(rewritten > 0));
        self.run.count("fresh", u64::from(shown.is_fresh));
        let base = self.creation.0.max_operations + 8 * claim.told.growths;
        self.run.count(
            "interrupted growths",
            u64::from(shown.max_operations > base),
        );
        if draw % TWICE_SHARE == 1 {
            self.run.count("opened twice", 1);
            let (again, torn_bytes, _) = self.recover(image, claim)?;
            if (again.lsn, again.hash, torn_bytes) != (shown.lsn, shown.hash, 0) {
                self.find(&format!("image {draw:x}: {shown:?}, then {again:?}"));
            }
        }
        Ok(shown)
    }

    fn recover(&self, image: &Disk, claim: &Claim) -> Result<(Shown, u64, u64), OpenError> {
        let (options, settings) = if claim.told.is_opened {
            &self.existing
        } else {
            &self.creation
        };
        let recovered = recovery::open(image, options, settings)?;
        let shown = Shown {
            lsn: recovered.state.last_lsn(),
            hash: script::hash(&recovered.state, &self.ruler),
            is_fresh: recovered.report.kind == StartKind::Fresh,
            max_operations: recovered.state.config().max_operations,
        };
        let report = recovered.report;
        Ok((shown, report.torn_bytes, report.rewritten_bytes))
    }

    fn judge(&mut self, shown: Shown, claim: &Claim, print: u64) {
        let told = &claim.told;
        let other = claim.others.iter().find(|&&(lsn, _)| lsn == shown.lsn);
        let expected = match other {
            Some(&(_, hash)) => Some(hash),
            None if shown.lsn <= claim.limit => self.history.hash_at(shown.lsn),
            None => None,
        };
        let wrong = if shown.lsn < told.durable {
            "acknowledged, and lost"
        } else if told.is_opened && shown.is_fresh {
            "a database vanished"
        } else if shown.max_operations < self.creation.0.max_operations + 8 * told.growths {
            "a growth was undone"
        } else if expected.is_none() {
            "neither whole nor absent"
        } else if expected != Some(shown.hash) {
            "not the state that was there"
        } else {
            return;
        };
        self.find(&format!("image {print:x}: {wrong}: {shown:?}, {claim:?}"));
    }

    /// Opens the image with the whole engine, commits, maybe takes a checkpoint; then cuts the
    /// power at every operation of that.
    fn go_on(&mut self, copy: &Disk, claim: &Claim, print: u64, depth: u32) {
        let image = copy.clone();
        copy.begin_trace();
        copy.note(0);
        let (options, _) = if claim.told.is_opened {
            &self.existing
        } else {
            &self.creation
        };
        let engine = match Engine::open(copy, options, script::quiet()) {
            Ok(engine) => engine,
            Err(error) => return self.find(&format!("image {print:x}: refused: {error}")),
        };
        let mut told = Told {
            durable: engine.last_lsn(),
            is_opened: true,
            ..claim.told
        };
        let mut tolds = vec![claim.told, told];
        copy.note(1);
        let mut others = claim.others.clone();
        others.retain(|&(lsn, _)| lsn <= told.durable);
        let limit = claim.limit.min(told.durable);
        let slot = engine.look(|state| Slot(state.last_slot().0 + print % 5));
        if let Err(error) = script::commit(&engine, slot, print) {
            return self.find(&format!("image {print:x}: no commit behind it: {error}"));
        }
        let ruler = &self.ruler;
        others.push(engine.look(|state| (state.last_lsn(), script::hash(state, ruler))));
        if self.script.sync == SyncMode::Full {
            told.durable = engine.last_lsn();
        }
        tolds.push(told);
        copy.note(2);
        if print >> 20 & 1 == 1 {
            let taken = engine.checkpoint();
            if let Err(error) = taken {
                return self.find(&format!("image {print:x}: no checkpoint: {error}"));
            }
            told.durable = engine.last_lsn();
            tolds.push(told);
            copy.note(3);
        }
        engine.abandon();
        self.run.count("opened by the whole engine", 1);
        self.damage(copy, &image, print);
        for (place, moment) in copy.end_trace().into_iter().enumerate() {
            let told = tolds[usize::try_from(moment.mark).expect("few")];
            let claim = if moment.mark == 0 {
                claim.clone()
            } else {
                Claim {
                    told,
                    limit,
                    others: others.clone(),
                }
            };
            let bound = (IMAGES_DEEP_MAX, print ^ place as u64);
            self.try_moment(&moment, &claim, bound, depth + 1);
        }
    }

    /// Two damages that need another history to be seen: sectors as they were before the image was
    /// opened and written on, under a seal that proves what they had since; and no log at all.
    fn damage(&mut self, disk: &Disk, image: &Disk, print: u64) {
        let disk = disk.clone();
        let options = self.existing.0;
        let sealed = Engine::open(&disk, &options, script::quiet());
        let closed = sealed.map(|engine| {
            let hash = engine.look(|state| script::hash(state, &self.ruler));
            (hash, engine.close())
        });
        let Ok((hash, Ok(()))) = closed else {
            return self.find(&format!("image {print:x}: not closed: {closed:?}"));
        };
        let (Some(old), Some(new)) = (image.read(FileName::Wal), disk.read(FileName::Wal)) else {
            return;
        };
        let (options, settings) = &self.existing;
        let written = new
            .chunks(SECTOR_BYTES)
            .rposition(|held| held.iter().any(|&byte| byte > 0));
        let seal = written.unwrap_or(0);
        let behind = disk.clone();
        let pairs = old.chunks(SECTOR_BYTES).zip(new.chunks(SECTOR_BYTES));
        let changed = pairs.enumerate().filter(|(_, (old, new))| old != new);
        for (sector, (stale, _)) in changed.take_while(|&(sector, _)| sector < seal) {
            // By itself, and with all that changed before it: an older copy up to here.
            let alone = disk.clone();
            behind.put_sector(FileName::Wal, sector, stale);
            alone.put_sector(FileName::Wal, sector, stale);
            for (damaged, how) in [(alone, "alone"), (behind.clone(), "and all before")] {
                self.run.count("stale sectors", 1);
                let Ok(recovered) = recovery::open(&damaged, options, settings) else {
                    continue;
                };
                let is_other = script::hash(&recovered.state, &self.ruler) != hash;
                if is_other {
                    return self.find(&format!(
                        "image {print:x}: stale sector {sector} ({how}) of {seal}: {:?}",
                        recovered.report
                    ));
                }
            }
        }
        self.run.count("logs taken away", 1);
        let (options, settings) = &self.creation;
        disk.take(FileName::Wal);
        match recovery::open(&disk, options, settings) {
            Err(error) if error.status() == status::E_CORRUPT => {}
            _ => self.find(&format!("image {print:x}: without its log it opens")),
        }
    }

    /// R102: what a power cut leaves of a copy is whole, or says that it is no database.
    fn try_copy(&mut self, copied: &Copied, moments: &[Moment]) {
        let Some(report) = copied.report else {
            return self.find("a backup on a sound disk failed");
        };
        let (options, settings) = self.existing;
        for (place, moment) in moments.iter().enumerate() {
            let is_made = place + 1 == moments.len();
            let cuts = moment.disk.cuts();
            for image in cuts.images(IMAGES_DEEP_MAX, place as u64) {
                self.run.count("of backups", 1);
                match recovery::open(&image, &options, &settings) {
                    Ok(recovered) if recovered.report.kind == StartKind::Fresh => {
                        self.find(&format!("moment {place} of a backup: a fresh database"));
                    }
                    Ok(recovered) => {
                        let of_copy = Overrides {
                            config: Config {
                                database_id: report.database_id,
                                ..self.ruler
                            },
                            last_lsn: recovered.state.last_lsn(),
                        };
                        let hash = script::hash_as(&recovered.state, &of_copy);
                        if (of_copy.last_lsn, hash) != (report.lsn, copied.hash) {
                            self.find(&format!("moment {place} of a backup: another state"));
                        }
                    }
                    Err(error) if !is_made && is_none(&error) => {}
                    Err(error) => self.find(&format!("moment {place} of a backup: {error}")),
                }
            }
        }
    }

    fn find(&mut self, what: &str) {
        let seed = self.run.seed();
        let script = self.script.seed;
        self.run
            .find(format!("seed {seed}, script {script:#x}: {what}"));
    }
}

/// Whether an error says that there is no whole database.
fn is_none(error: &OpenError) -> bool {
    [status::E_CORRUPT, status::E_NOT_A_DATABASE].contains(&error.status())
}

#[cfg(test)]
mod tests;
