//! The layer `failing-operations`: storage operation number 1, 2, 3 … of a database's life fails,
//! until the life ends before the number is reached.
//!
//! It fails for many reasons (a bad sector, no room, half a write, a sync after which the pages are
//! gone, no descriptor), once and for good, among those that change something or among all, reads
//! included; in the database's own directory or in that of a backup. And the disk becomes full
//! before each step, but for a few sectors. The laws:
//!
//! - the answer is the documented one: an open says 200 or 113; a commit 113, and nothing changed,
//!   or one of the 300s; a checkpoint gives up on temporary files alone; nothing else is ever
//!   said, damage least of all;
//! - the engine has halted exactly if an answer was indefinite or fatal; then reads are refused as
//!   well, and a full disk alone never halts it;
//! - after it, with a power cut at once or with none, or with the cache dropped, the database
//!   opens; it has what was acknowledged, whole, and no more than was asked for; and what it then
//!   shows survives the next power cut;
//! - the host that opens again and repeats the step ends where the sound run did, byte for byte.

use std::panic::{AssertUnwindSafe, catch_unwind};

use allocdb_core::{Config, Lsn};
use allocdb_node::{
    BackupError, CheckpointError, FileName, IoError, Options, SubmitError, recovery, status,
};

use crate::disk::{Among, Disk, Fault};
use crate::layer::Run;
use crate::random::Rng;
use crate::script::{self, History, Host, Script, Step, Told, Trouble};

const FINDINGS_MAX: usize = 5;
/// Images that are tried of the power cut behind a failure.
const IMAGES_MAX: u64 = 12;
/// A life in which more steps fail than this does not get better.
const TROUBLES_MAX: usize = 6;
/// Bytes that a disk has left when it becomes full.
const ROOMS: [usize; 4] = [0, 512, 2_048, 5_000];

const FAULTS: [(Among, Fault); 13] = [
    (Among::Changes, Fault::Errno(libc::EIO)),
    (Among::Changes, Fault::ErrnoForGood(libc::EIO)),
    (Among::Changes, Fault::Errno(libc::ENOSPC)),
    (Among::Changes, Fault::ErrnoForGood(libc::ENOSPC)),
    (Among::Writes, Fault::Short(0, libc::ENOSPC)),
    (Among::Writes, Fault::Short(1, libc::ENOSPC)),
    (Among::Writes, Fault::Short(1, libc::EIO)),
    (Among::Syncs, Fault::Errno(libc::EIO)),
    (Among::Syncs, Fault::ErrnoForGood(libc::EIO)),
    (Among::Opens, Fault::Errno(libc::EMFILE)),
    (Among::Opens, Fault::ErrnoForGood(libc::EMFILE)),
    (Among::Calls, Fault::Errno(libc::EIO)),
    (Among::Calls, Fault::ErrnoForGood(libc::EIO)),
];

/// Runs the layer: every number of every fault, life after life.
pub fn run(run: &mut Run) {
    let mut seeds = Rng::new(run.seed());
    while !run.is_over() && run.findings().len() < FINDINGS_MAX {
        let script = Script::new(seeds.draw());
        let disk = Disk::new();
        let history = match script::live(&script, &disk) {
            Ok(history) => history,
            Err(finding) => return run.find(finding),
        };
        run.count("lives", 1);
        let mut life = Life {
            ruler: script.ruler(),
            script: &script,
            history,
            run,
        };
        for (among, fault) in FAULTS {
            for number in 0..disk.operations_among(among) {
                life.attempt(Plan::Fails(among, fault, number));
            }
        }
        for step in 0..script.steps.len() {
            for room in ROOMS {
                life.attempt(Plan::Full(step, room));
            }
        }
    }
    for name in MUST_HAPPEN {
        if run.done() >= 2_000 && run.figure_of(name) == 0 {
            run.find(format!("seed {}: never: {name}", run.seed()));
        }
    }
}

const MUST_HAPPEN: [&str; 8] = [
    "opens that failed",
    "commits definite",
    "commits indefinite",
    "checkpoints given up",
    "checkpoints fatal",
    "backups that failed",
    "closes without a seal",
    "power cuts",
];

/// What goes wrong in a life.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Fails(Among, Fault, u64),
    /// From a step on there is so much room left and no more.
    Full(usize, usize),
}

struct Life<'s, 'r> {
    script: &'s Script,
    ruler: Config,
    history: History,
    run: &'r mut Run,
}

impl Life<'_, '_> {
    fn attempt(&mut self, plan: Plan) {
        if self.run.findings().len() >= FINDINGS_MAX {
            return;
        }
        self.run.advance(1);
        let tried = catch_unwind(AssertUnwindSafe(|| self.live(plan)));
        let finding = match tried {
            Ok(Ok(())) => return,
            Ok(Err(finding)) => finding,
            Err(_) => "a panic".to_owned(),
        };
        let (seed, script) = (self.run.seed(), self.script.seed);
        self.run.find(format!(
            "seed {seed}, script {script:#x}, {plan:?}: {finding}"
        ));
    }

    /// The whole life with this plan; each step is repeated until it is done.
    fn live(&mut self, plan: Plan) -> Result<(), String> {
        let disk = Disk::new();
        if let Plan::Fails(among, fault, number) = plan {
            disk.plan_among(among, number, fault);
        }
        let mut host = Host::new(&disk, self.script);
        let mut troubles = 0;
        let mut step = 0;
        while step < self.script.steps.len() {
            if let Plan::Full(at, room) = plan
                && at == step
                && troubles == 0
            {
                disk.bound_room(Some(disk.bytes() + room));
            }
            if self.script.steps[step] == Step::Backup {
                let plan = Some(plan).filter(|_| troubles == 0);
                host.target = Some(target_of(plan, step));
            }
            let before = host.engine.as_ref().map(allocdb_node::Engine::last_lsn);
            let done = host.step(step);
            let is_halted = host
                .engine
                .as_ref()
                .is_some_and(|engine| engine.health(None).halt.is_some());
            let Err(trouble) = done else {
                // An automatic checkpoint fails behind a commit that was answered.
                if is_halted && !self.script.is_automatic {
                    return Err(format!("step {step} was done and the engine has halted"));
                }
                step += 1;
                if is_halted {
                    self.resume(&mut host, &disk, step - 1, plan)?;
                }
                continue;
            };
            troubles += 1;
            let context = |what: &str| format!("step {step}, {trouble:?}: {what}");
            if troubles > TROUBLES_MAX {
                return Err(context("it does not get better"));
            }
            self.judge(&trouble, is_halted, plan)
                .map_err(|what| context(&what))?;
            self.judge_copy(&mut host).map_err(|what| context(&what))?;
            if let Some(engine) = host.engine.as_ref().filter(|_| !is_halted)
                && before != Some(engine.last_lsn())
            {
                return Err(context("refused, and something changed"));
            }
            if is_halted || host.engine.is_none() {
                self.resume(&mut host, &disk, step, plan)
                    .map_err(|what| context(&what))?;
            } else if matches!(plan, Plan::Fails(..)) {
                disk.mend();
            } else {
                // A database on a full disk can be opened, and goes on once there is room.
                self.resume(&mut host, &disk, step, plan)
                    .map_err(|what| context(&what))?;
            }
            if self.is_carried_out(&mut host, step, before) {
                step += 1;
            }
        }
        self.conclude(&disk, &host)
    }

    /// Whether a step that failed needs no repeating, now that the database is open again: its
    /// commit is there after all; or it was an open; or a close, which becomes a kill.
    fn is_carried_out(&self, host: &mut Host<'_>, step: usize, before: Option<Lsn>) -> bool {
        let Some(reached) = host.engine.as_ref().map(allocdb_node::Engine::last_lsn) else {
            return false;
        };
        match self.script.steps[step] {
            Step::Commit | Step::Tick => {
                reached == self.history.after[step] && before != Some(reached)
            }
            Step::Open(_) => true,
            Step::Close => {
                host.kill();
                true
            }
            _ => false,
        }
    }

    /// In the end it has all that the sound run had.
    fn conclude(&mut self, disk: &Disk, host: &Host<'_>) -> Result<(), String> {
        let end = *self.history.after.last().expect("a script has steps");
        disk.mend();
        disk.bound_room(None);
        let shown = self.reopen(disk, host.told.is_opened)?;
        if shown == end {
            Ok(())
        } else {
            Err(format!("ends at {shown:?}, the sound run at {end:?}"))
        }
    }

    /// Whether the answer is the documented one.
    fn judge(&mut self, trouble: &Trouble, is_halted: bool, plan: Plan) -> Result<(), String> {
        let is_full_plan = matches!(plan, Plan::Full(..));
        if is_full_plan && is_halted {
            return Err("a full disk has halted the engine".to_owned());
        }
        let (is_documented, halts, name) = match trouble {
            Trouble::Open(error) => (is_open_status(error.status()), false, "opens that failed"),
            Trouble::Read(status) => (is_open_status(*status), false, "reads that failed"),
            Trouble::Submit(error @ SubmitError::StorageFull { error: cause }) => {
                let is_definite = error.is_definite() && cause.is_full();
                (is_definite, false, "commits definite")
            }
            Trouble::Submit(error) => {
                let statuses = [status::E_STORAGE_FAILURE, status::E_HALTED];
                let is_known = statuses.contains(&error.status()) && error.is_indefinite();
                (is_known, true, "commits indefinite")
            }
            Trouble::Checkpoint(CheckpointError::Temporary { error }) => {
                (is_of_temporary(error), false, "checkpoints given up")
            }
            Trouble::Checkpoint(CheckpointError::Fatal { error }) => {
                (!is_of_temporary(error), true, "checkpoints fatal")
            }
            Trouble::Checkpoint(CheckpointError::Halted { .. }) => {
                (true, true, "checkpoints fatal")
            }
            Trouble::Checkpoint(_) => (false, false, "checkpoints fatal"),
            Trouble::Backup(BackupError::Target { .. }) => (true, false, "backups that failed"),
            Trouble::Backup(_) => (false, false, "backups that failed"),
            Trouble::Close(_) => (true, false, "closes without a seal"),
        };
        self.run.count(name, 1);
        if !is_documented {
            return Err("not an answer that is documented".to_owned());
        }
        if halts != is_halted {
            return Err(format!("halted: {is_halted}"));
        }
        Ok(())
    }

    /// What a backup that failed has left is no database (R102); but where the last sync of its
    /// directory failed and nothing can be removed any more, it is the whole.
    fn judge_copy(&mut self, host: &mut Host<'_>) -> Result<(), String> {
        let Some(copied) = host.copied.take().filter(|copied| copied.report.is_none()) else {
            return Ok(());
        };
        copied.target.mend();
        let options = self.script.options_existing();
        let settings = options.settings().expect("within bounds");
        match recovery::open(&copied.target, &options, &settings) {
            Ok(recovered) => {
                self.run.count("copies that could not be removed", 1);
                let digest = recovered.state.digest();
                let is_whole = Ok(digest) == host.engine().digest();
                is_whole
                    .then_some(())
                    .ok_or_else(|| format!("half a copy at {:?}", recovered.state.last_lsn()))
            }
            Err(error) => {
                let statuses = [status::E_CORRUPT, status::E_NOT_A_DATABASE];
                let is_none = statuses.contains(&error.status());
                self.run.count("copies that do not open", 1);
                is_none
                    .then_some(())
                    .ok_or_else(|| format!("a copy: {error}"))
            }
        }
    }

    /// The process ends, with and without a power cut; the host opens again.
    fn resume(
        &mut self,
        host: &mut Host<'_>,
        disk: &Disk,
        step: usize,
        plan: Plan,
    ) -> Result<(), String> {
        if let Some(engine) = &host.engine
            && engine.health(None).halt.is_some()
        {
            // R78: whatever is asked is refused.
            let read = engine.digest().map_err(|error| error.status());
            if read != Err(status::E_HALTED) {
                return Err(format!("a halted engine reads {read:?}"));
            }
        }
        host.kill();
        let told = Told { step, ..host.told };
        self.cut(disk, &told)?;
        let dropped = disk.clone();
        dropped.mend();
        dropped.bound_room(None);
        dropped.evict();
        self.try_open(&dropped, &told, told.durable)?;
        if matches!(plan, Plan::Full(..)) && told.is_opened {
            // Still full. What grew before the disk was full needs no room to open.
            self.try_open(disk, &told, told.acknowledged)?;
        }
        disk.bound_room(None);
        let growths = self.growths_at(step);
        let mut opened = host.reopen(growths);
        if let Err(trouble) = &opened {
            // Once more the fault; then it is gone.
            self.judge(trouble, false, plan)?;
            disk.mend();
            opened = host.reopen(growths);
        }
        opened.map_err(|trouble| format!("reopened: {trouble:?}"))?;
        let engine = host.engine();
        let shown = engine.look(|state| (state.last_lsn(), script::hash(state, &self.ruler)));
        self.compare(shown, told.acknowledged, step)?;
        let shown = Told {
            durable: shown.0,
            is_opened: true,
            ..told
        };
        self.cut(disk, &shown)
    }

    fn growths_at(&self, step: usize) -> u32 {
        let steps = &self.script.steps[..=step];
        let growths = steps.iter().rev().find_map(|step| match step {
            Step::Open(growths) => Some(*growths),
            _ => None,
        });
        growths.expect("a script opens first")
    }

    /// The power goes now: whatever of this is left opens with what was durable.
    fn cut(&mut self, disk: &Disk, told: &Told) -> Result<(), String> {
        for image in disk.cuts().images(IMAGES_MAX, told.durable.0) {
            self.run.count("power cuts", 1);
            self.try_open(&image, told, told.durable)
                .map_err(|what| format!("behind a power cut: {what}"))?;
        }
        Ok(())
    }

    fn reopen(&mut self, disk: &Disk, is_opened: bool) -> Result<Lsn, String> {
        let told = Told {
            step: self.script.steps.len() - 1,
            is_opened,
            ..Told::default()
        };
        self.try_open(disk, &told, Lsn(0))
    }

    fn try_open(&mut self, disk: &Disk, told: &Told, least: Lsn) -> Result<Lsn, String> {
        let options: Options = if told.is_opened {
            self.script.options_existing()
        } else {
            self.script.options(0)
        };
        let settings = options.settings().expect("within bounds");
        let recovered = recovery::open(disk, &options, &settings);
        let recovered = recovered.map_err(|error| format!("does not open: {error}"))?;
        let shown = (
            recovered.state.last_lsn(),
            script::hash(&recovered.state, &self.ruler),
        );
        self.compare(shown, least, told.step)?;
        Ok(shown.0)
    }

    fn compare(&self, shown: (Lsn, u64), least: Lsn, step: usize) -> Result<(), String> {
        let (lsn, hash) = shown;
        if lsn < least {
            Err(format!("{lsn:?} is there, {least:?} was acknowledged"))
        } else if lsn > self.history.after[step] {
            Err(format!("{lsn:?} is there, nobody asked for it"))
        } else if self.history.hash_at(lsn) != Some(hash) {
            Err(format!("another state at {lsn:?}"))
        } else {
            Ok(())
        }
    }
}

/// Where a backup goes; its disk fails in the same way, at a place that varies with the step.
fn target_of(plan: Option<Plan>, step: usize) -> Disk {
    let target = Disk::new();
    if let Some(Plan::Fails(among, fault, number)) = plan {
        target.plan_among(among, (number + step as u64) % 40, fault);
    }
    target
}

/// What failed concerned a temporary file, and nothing else.
fn is_of_temporary(error: &IoError) -> bool {
    let is_temporary = matches!(
        error.file,
        FileName::WalTemporary | FileName::SnapshotTemporary(_)
    );
    is_temporary && error.operation != "rename"
}

fn is_open_status(status: u16) -> bool {
    [status::E_IO, status::E_STORAGE_FULL].contains(&status)
}

#[cfg(test)]
mod tests;
