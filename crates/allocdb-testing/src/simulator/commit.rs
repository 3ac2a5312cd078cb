//! Submissions of many callers, and the answers that each must get.

use allocdb_core::{Command as CoreCommand, Slot};
use allocdb_node::batch::{Batch, Many};
use allocdb_node::{CommandResult, Engine, SubmitError};

use super::judge::{Answer, Caller, Fate, Frame, Plan};
use super::life::Life;
use super::session::Works;
use crate::bridge::{self, BundleBytes};
use crate::disk::Disk;
use crate::model::{Rejection, Verdict};

/// What a caller got: the answer as a whole, and those of its commands.
struct Got {
    whole: Result<(), SubmitError>,
    each: Vec<Option<CommandResult>>,
}

impl Life<'_> {
    /// Submits, and judges what comes back.
    pub(super) fn commit(
        &mut self,
        engine: &Engine<&Disk>,
        callers: &[Caller],
        is_together: bool,
    ) -> Result<Works, String> {
        let before = engine.health(None).checkpoints;
        let got = send(engine, callers, is_together);
        let settings = engine.settings();
        let places = if is_together {
            settings.max_queue as usize
        } else {
            callers.len()
        };
        let bound = settings.max_batch_commands as usize;
        let auto_expire = settings.auto_expire;
        for (index, got) in got.iter().enumerate().skip(places) {
            let is_halted = matches!(got.whole, Err(SubmitError::Halted { .. }));
            if !matches!(got.whole, Err(SubmitError::Overloaded { .. })) && !is_halted {
                return Err(format!("caller {index} of a full queue: {:?}", got.whole));
            }
            self.tally.overloads += 1;
        }
        let mut works = Works::Yes;
        let mut start = 0;
        let entered = callers.len().min(places);
        while start < entered {
            let end = group_end(&callers[start..entered], bound) + start;
            self.tally.groups_split += u64::from(end < entered);
            let group = (&callers[start..end], &got[start..end]);
            works = self.judge_group(group, auto_expire, works)?;
            start = end;
        }
        let made = engine.health(None).checkpoints - before;
        self.tally.checkpoints_automatic += made;
        if works == Works::Yes {
            self.committed(engine)?;
        }
        Ok(works)
    }

    fn judge_group(
        &mut self,
        (callers, got): (&[Caller], &[Got]),
        auto_expire: bool,
        works: Works,
    ) -> Result<Works, String> {
        let commands: usize = callers.iter().map(|caller| caller.commands.len()).sum();
        self.tally.commands += commands as u64;
        let is_halted = |got: &Got| matches!(got.whole, Err(SubmitError::Halted { .. }));
        if works == Works::Halted || got.iter().all(is_halted) {
            if !self.is_faulty || !got.iter().all(is_halted) {
                return Err(format!("behind a halt: {:?}", got[0].whole));
            }
            let unheard = callers.iter().flat_map(|caller| caller.commands.clone());
            self.repeats.extend(unheard.take(8));
            return Ok(Works::Halted);
        }
        let plan = self.judge.plan(callers, auto_expire);
        let Plan { frame, fates } = plan;
        let mut verdicts = Vec::new();
        let mut failure = None;
        if !frame.commands.is_empty() {
            let dependent = fates.iter().zip(got).filter(|(fate, _)| fate.depends());
            let whole: Vec<_> = dependent.map(|(_, got)| got.whole).collect();
            failure = whole[0].err();
            if whole.iter().any(|other| *other != whole[0]) {
                return Err(format!("one commit, several answers: {whole:?}"));
            }
            if failure.is_none() {
                self.tally.commits += 1;
                self.tally.commands_logged += frame.commands.len() as u64;
                self.tally.commits_shared += u64::from(whole.len() > 1);
                self.judge.apply(frame.clone(), &mut verdicts);
            }
        }
        for ((caller, fate), got) in callers.iter().zip(&fates).zip(got) {
            if failure.is_some() && fate.depends() {
                continue;
            }
            self.judge_caller(caller, fate, got, &verdicts)?;
        }
        if let Some(error) = failure {
            return self.failed(frame, error);
        }
        if !verdicts.is_empty() {
            self.learn(&frame, &verdicts);
        }
        Ok(Works::Yes)
    }

    fn learn(&mut self, frame: &Frame, verdicts: &[Verdict]) {
        let first = self.judge.model.last_lsn() + 1 - verdicts.len() as u64;
        for (lsn, (command, &verdict)) in (first..).zip(frame.commands.iter().zip(verdicts)) {
            if let Verdict::Expired { count } = verdict {
                self.tally.expirations += u64::from(count);
            }
            let applied = crate::model::Applied { lsn, verdict };
            self.workload.observe(command, &applied);
            self.say(|| format!("LSN {lsn} at {}: {command:?} -> {verdict:?}", frame.slot));
        }
    }

    /// After commits that were acknowledged.
    pub(super) fn committed(&mut self, engine: &Engine<&Disk>) -> Result<(), String> {
        let (lsn, wanted) = (engine.last_lsn().0, self.judge.model.last_lsn());
        if lsn != wanted {
            return Err(format!("a commit ends at LSN {lsn}, not {wanted}"));
        }
        // An automatic checkpoint may have halted it since.
        if let Ok(digest) = engine.digest() {
            self.judge.note_digest(digest);
            self.mix(digest.lanes[0]);
        }
        Ok(())
    }

    /// A commit that was not acknowledged.
    pub(super) fn failed(&mut self, frame: Frame, error: SubmitError) -> Result<Works, String> {
        self.say(|| format!("{} commands: {error}", frame.commands.len()));
        if !self.is_faulty {
            return Err(format!("{error}, though nothing fails"));
        }
        match error {
            SubmitError::StorageFull { .. } => {
                self.tally.storage_full += 1;
                Ok(Works::Yes)
            }
            SubmitError::StorageFailure { .. } => {
                self.tally.commits_undecided += 1;
                self.judge.undecided = Some(frame);
                Ok(Works::Halted)
            }
            SubmitError::Halted { .. } => Ok(Works::Halted),
            _ => Err(format!("a commit is answered {error:?}")),
        }
    }

    fn judge_caller(
        &mut self,
        caller: &Caller,
        fate: &Fate,
        got: &Got,
        verdicts: &[Verdict],
    ) -> Result<(), String> {
        let wrong = |wanted: &dyn core::fmt::Debug| {
            let Got { whole, each } = got;
            Err(format!(
                "{caller:?} is answered {whole:?} {each:?}, not {wanted:?}"
            ))
        };
        match (fate, got.whole) {
            (
                Fate::Refused(index, rejection),
                Err(SubmitError::Refused {
                    index: at,
                    rejection: said,
                }),
            ) => {
                self.tally.rejections += 1;
                if *index != at as usize || *rejection != bridge::rejection(&said) {
                    return wrong(fate);
                }
            }
            (Fate::Overflows, Err(SubmitError::SlotOverflow { .. })) => {
                self.tally.slot_overflows += 1;
            }
            (Fate::Leaps, Err(SubmitError::SlotLeap { .. })) => self.tally.slot_leaps += 1,
            (Fate::Judged(answers), Ok(())) => {
                for (answer, got) in answers.iter().zip(&got.each) {
                    let wanted = self.expected(answer, verdicts);
                    let said = got.map(|said| {
                        let outcome = said.map(|outcome| bridge::outcome(&outcome));
                        outcome.map_err(|rejection| bridge::rejection(&rejection))
                    });
                    if said != Some(wanted) {
                        return wrong(&wanted);
                    }
                    self.count(answer, wanted.is_err_and(is_conflict));
                }
            }
            _ => return wrong(fate),
        }
        Ok(())
    }

    fn expected(
        &self,
        answer: &Answer,
        verdicts: &[Verdict],
    ) -> Result<crate::model::Outcome, Rejection> {
        match *answer {
            Answer::Known(known) => known,
            Answer::New(index) => match verdicts[index] {
                Verdict::Outcome(outcome) => Ok(outcome),
                Verdict::Rejected(rejection) => Err(rejection),
                Verdict::Expired { .. } => unreachable!("a client command"),
            },
            Answer::Repeat(id) => Ok(self.judge.model.operation(id).expect("just applied")),
        }
    }

    fn count(&mut self, answer: &Answer, is_conflict: bool) {
        match answer {
            Answer::Known(Ok(_)) => self.tally.retries_remembered += 1,
            Answer::Known(Err(rejection)) => {
                self.tally.conflicts += u64::from(is_conflict);
                self.tally.rejections += 1;
                self.workload.observe_refusal(rejection);
            }
            Answer::New(_) => {}
            Answer::Repeat(_) => self.tally.retries_in_commit += 1,
        }
    }
}

fn is_conflict(rejection: Rejection) -> bool {
    matches!(rejection, Rejection::OperationConflict { .. })
}

/// How many of these callers share the first commit. R36
fn group_end(callers: &[Caller], bound: usize) -> usize {
    let mut commands = 0;
    let fits = |caller: &&Caller| {
        commands += caller.commands.len();
        commands <= bound
    };
    callers.iter().take_while(fits).count()
}

fn send(engine: &Engine<&Disk>, callers: &[Caller], is_together: bool) -> Vec<Got> {
    let mut bundles: Vec<Vec<BundleBytes>> = callers
        .iter()
        .map(|caller| vec![BundleBytes::new(); caller.commands.len()])
        .collect();
    let commands: Vec<Vec<CoreCommand<'_>>> = callers
        .iter()
        .zip(&mut bundles)
        .map(|(caller, bundles)| {
            let pairs = caller.commands.iter().zip(bundles);
            pairs
                .map(|(command, bundle)| bridge::command(command, bundle))
                .collect()
        })
        .collect();
    let mut results: Vec<Vec<Option<CommandResult>>> = commands
        .iter()
        .map(|commands| vec![None; commands.len()])
        .collect();
    let mut batches: Vec<Many<'_>> = commands
        .iter()
        .zip(&mut results)
        .map(|(commands, results)| Many::new(commands, results))
        .collect();
    let slots = callers.iter().map(|caller| caller.slot.map(Slot));
    let whole: Vec<_> = if is_together {
        let mut together: Vec<(Option<Slot>, &mut dyn Batch)> = slots
            .zip(batches.iter_mut().map(|batch| batch as &mut dyn Batch))
            .collect();
        engine.submit_together(&mut together)
    } else {
        let alone = slots.zip(&mut batches);
        alone
            .map(|(slot, batch)| engine.submit(slot, batch))
            .collect()
    };
    drop(batches);
    let pairs = whole.into_iter().zip(results);
    pairs.map(|(whole, each)| Got { whole, each }).collect()
}
