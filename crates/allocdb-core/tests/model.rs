//! The state machine against the model of `common/oracle.rs`, command by command.
//!
//! After every command the answer and a good share of all reads are compared; what nobody can see
//! does not count. Beside the model stands a witness that knows nothing but answers and
//! reservation reads, and watches over the one promise: a resource never has two owners, and no
//! owner loses it before its time. And the harness is tried on models with one wrong rule each:
//! every one must be caught.

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;

use allocdb_core::state::{Acceptance, Admission, Filter, Lookup, ReservationState};
use allocdb_core::{
    Applied, HolderId, OperationId, ReservationId, ResourceId, ResultCode, Slot, State, Verdict,
};
use common::generator::{Generator, Shape, commit_slot, shapes};
use common::oracle::{Flaw, Model};
use common::{OwnedAction, OwnedCommand, runner, scale, seed};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestCaseError;

const HISTORY_LEN: usize = 4_000;
const HISTORIES: u32 = 300;
const COMMANDS_LEAST: u64 = 500_000;
const CANARY_HISTORIES: u32 = 60;
const INVARIANTS_EVERY: u64 = 100;
const LISTINGS_EVERY: u64 = 32;

/// Watches ownership from outside: answers and reads of reservations only.
#[derive(Debug, Default)]
struct Witness {
    /// Who has each resource.
    owners: BTreeMap<u128, ReservationId>,
    /// What each owner has.
    owned: BTreeMap<ReservationId, Vec<u128>>,
    newest: ReservationId,
    /// Transfers seen, so that silence is not taken for order.
    transfers: u64,
}

impl Witness {
    fn see(
        &mut self,
        state: &State,
        command: &OwnedCommand,
        applied: &Applied,
    ) -> Result<(), String> {
        let outcome = match applied.verdict {
            Verdict::Outcome(outcome) if !outcome.from_retry_cache => outcome,
            Verdict::Expired { count } => return self.see_expiry(state, count),
            _ => return Ok(()),
        };
        if outcome.code != ResultCode::Done {
            return Ok(());
        }
        match &command.action {
            OwnedAction::Reserve(ids, ..) => {
                // R2, R83: ids only grow, so none is given twice.
                if outcome.reservation_id <= self.newest {
                    return Err(format!("{:?} is not new", outcome.reservation_id));
                }
                self.newest = outcome.reservation_id;
                let ids: Vec<u128> = ids.iter().map(|id| u128::from_le_bytes(*id)).collect();
                for id in &ids {
                    // R79: at most one active owner.
                    if let Some(owner) = self.owners.insert(*id, outcome.reservation_id) {
                        return Err(format!("resource {id:#x} had an owner already: {owner:?}"));
                    }
                }
                self.owned.insert(outcome.reservation_id, ids);
                self.transfers += 1;
            }
            OwnedAction::Release(id, _) | OwnedAction::Reclaim(id) => self.free(*id)?,
            OwnedAction::Delete(id) if self.owners.contains_key(&id.0) => {
                return Err(format!("{id:?} was deleted under its owner"));
            }
            _ => {}
        }
        Ok(())
    }

    /// R82, R55: whoever time has freed was reserved and is now expired; others live on.
    fn see_expiry(&mut self, state: &State, count: u32) -> Result<(), String> {
        let has_ended = |id: &ReservationId| match state.reservation(*id) {
            Lookup::Found(row) => row.state == ReservationState::Expired,
            Lookup::NotFound | Lookup::Retired => true,
        };
        let ended: Vec<_> = self.owned.keys().copied().filter(has_ended).collect();
        if ended.len() != count as usize {
            return Err(format!("{count} expired, {} have ended", ended.len()));
        }
        ended.into_iter().try_for_each(|id| self.free(id))
    }

    fn free(&mut self, id: ReservationId) -> Result<(), String> {
        let ids = self.owned.remove(&id).ok_or("a reservation ended twice")?;
        for resource in ids {
            if self.owners.remove(&resource) != Some(id) {
                return Err(format!("{resource:#x} was freed by another than its owner"));
            }
        }
        Ok(())
    }

    /// What the database says of every owner must be what was seen.
    fn audit(&self, state: &State) -> Result<(), String> {
        for (id, owner) in &self.owners {
            let row = state.resource(ResourceId(*id));
            if row.map(|row| row.reservation_id) != Some(*owner) {
                return Err(format!("{id:#x} belongs to {owner:?}, but {row:?}"));
            }
        }
        let mut taken = 0;
        let count = |row: allocdb_core::state::Resource| taken += u32::from(row.holder_id.0 != 0);
        state.list_resources(&Filter::default(), 0, usize::MAX, count);
        if taken as usize == self.owners.len() {
            Ok(())
        } else {
            Err(format!(
                "{taken} are taken, {} have owners",
                self.owners.len()
            ))
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    commands: u64,
    judged: u64,
    codes: [u64; 11],
    expired: u64,
    retries: u64,
    /// By status, from 100.
    refused: [u64; 13],
    transfers: u64,
}

impl Tally {
    fn assert_rich(&self) {
        println!("{self:?}");
        assert!(self.commands >= COMMANDS_LEAST, "the promised commands");
        for (number, &count) in self.codes.iter().enumerate() {
            assert!(count > 100, "result {number} came {count} times only");
        }
        for status in [100, 102, 103, 104, 105, 107, 108, 109, 110] {
            let count = self.refused[status - 100];
            assert!(count > 20, "status {status} came {count} times only");
        }
        let rest = [self.expired, self.retries, self.transfers, self.judged];
        assert!(rest.iter().all(|&count| count > 1000), "{self:?}");
    }
}

/// The state and the model side by side.
struct Pair<'a> {
    state: State,
    model: Model,
    witness: Witness,
    generator: Generator,
    shape: Shape,
    tally: &'a mut Tally,
    applied_count: u64,
    recent: Vec<ReservationId>,
    operations: Vec<OperationId>,
}

impl<'a> Pair<'a> {
    fn new(shape: &Shape, flaw: Option<Flaw>, tally: &'a mut Tally) -> Self {
        Self {
            state: State::new(shape.config).expect("a valid configuration"),
            model: Model::new(shape.config, flaw),
            witness: Witness::default(),
            generator: Generator::new(shape),
            shape: shape.clone(),
            tally,
            applied_count: 0,
            recent: Vec::new(),
            operations: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        let is_judged = self.shape.seed.is_multiple_of(2);
        let commit_len_max = u32::try_from(self.shape.commit_len_max).expect("short");
        let mut acceptance = Acceptance::new(commit_len_max).expect("memory");
        let mut idle = 0;
        while self.applied_count < self.shape.commands as u64 && idle < 3_000 {
            let before = self.applied_count;
            if is_judged {
                self.commit(&mut acceptance)?;
            } else {
                self.apply_anything()?;
            }
            idle = if self.applied_count == before {
                idle + 1
            } else {
                0
            };
        }
        self.tally.transfers += self.witness.transfers;
        self.check_whole()
    }

    /// One commit, each judgement compared before anything is applied.
    fn commit(&mut self, acceptance: &mut Acceptance) -> Result<(), String> {
        let given = self.generator.next_slot();
        let slot = commit_slot(&self.state, given);
        compare("is_due", self.state.is_due(slot), self.model.is_due(slot))?;
        let expires = self.state.is_due(slot) && self.generator.rng.chance(80);
        acceptance.begin(&self.state, slot, expires);
        let mut commit = self.model.begin(slot, expires);
        let mut commands = Vec::new();
        for tag in 0..self.generator.commit_len() {
            let command = self.generator.next_command(&self.state);
            let tag = u32::try_from(tag).expect("short");
            let said = acceptance.admit(&self.state, &command.borrow(), tag);
            let expected = self.model.admit(&mut commit, &command, tag);
            compare(&format!("admission of {command:?}"), said, expected)?;
            self.tally.judged += 1;
            match said {
                Admission::New { .. } => commands.push(command),
                Admission::Rejected(rejection) => {
                    self.tally.refused[usize::from(rejection.status() - 100)] += 1;
                    self.generator.observe_refusal(&rejection);
                }
                Admission::Retry(_) | Admission::RetryOf { .. } => self.tally.retries += 1,
            }
        }
        if expires && !commands.is_empty() {
            let limit = self.generator.expire_limit();
            self.apply(slot, &OwnedCommand::expire(limit))?;
        }
        commands
            .iter()
            .try_for_each(|command| self.apply(slot, command))
    }

    fn apply_anything(&mut self) -> Result<(), String> {
        let slot = Slot(self.generator.next_slot());
        for _ in 0..self.generator.commit_len() {
            let command = if self.generator.rng.chance(8) {
                OwnedCommand::expire(self.generator.expire_limit())
            } else {
                self.generator.next_command(&self.state)
            };
            self.apply(slot, &command)?;
        }
        Ok(())
    }

    fn apply(&mut self, slot: Slot, command: &OwnedCommand) -> Result<(), String> {
        let applied = self.state.apply(slot, &command.borrow());
        let expected = self.model.apply(slot, command);
        compare(&format!("{command:?} at {slot:?}"), applied, expected)?;
        self.generator.observe(command, &applied);
        self.count(&applied);
        self.applied_count += 1;
        self.witness.see(&self.state, command, &applied)?;
        self.operations.push(command.operation_id);
        if let Verdict::Outcome(outcome) = applied.verdict
            && !outcome.from_retry_cache
            && outcome.reservation_id.0 != 0
            && matches!(command.action, OwnedAction::Reserve(..))
        {
            self.recent.push(outcome.reservation_id);
        }
        self.compare_reads()?;
        if self.applied_count.is_multiple_of(LISTINGS_EVERY) {
            self.compare_listings()?;
        }
        if self.applied_count.is_multiple_of(INVARIANTS_EVERY) {
            self.check_whole()?;
        }
        Ok(())
    }

    fn count(&mut self, applied: &Applied) {
        self.tally.commands += 1;
        match applied.verdict {
            Verdict::Outcome(outcome) if outcome.from_retry_cache => self.tally.retries += 1,
            Verdict::Outcome(outcome) => self.tally.codes[outcome.code as usize] += 1,
            Verdict::Expired { count } => self.tally.expired += u64::from(count),
            Verdict::Rejected(rejection) => {
                self.tally.refused[usize::from(rejection.status() - 100)] += 1;
            }
        }
    }

    fn compare_reads(&mut self) -> Result<(), String> {
        compare("last_lsn", self.state.last_lsn().0, self.model.lsn)?;
        compare("last_slot", self.state.last_slot().0, self.model.slot)?;
        for number in 1..=self.shape.resource_ids {
            let id = common::generator::resource_id(number);
            let (found, expected) = (self.state.resource(id), self.model.resource(id));
            compare("resource", found, expected)?;
        }
        // Those of late, one of long ago, and an id that may never have been given.
        let len = self.recent.len();
        let mut ids: Vec<ReservationId> = self.recent[len.saturating_sub(10)..].to_vec();
        if len > 0 {
            ids.push(self.recent[self.generator.rng.index(len)]);
        }
        let high = u128::from(self.shape.config.shard_id) << 64;
        let lsn = self.generator.rng.between(1, self.model.lsn + 2);
        ids.push(ReservationId(high | u128::from(lsn)));
        ids.push(ReservationId((high ^ (1 << 64)) | u128::from(lsn)));
        for id in ids {
            let (found, expected) = (self.state.reservation(id), self.model.reservation(id));
            compare("reservation", found, expected)?;
            let found: Vec<_> = self.state.reservation_resources(id).collect();
            compare("bundle", found, self.model.reservation_resources(id))?;
        }
        let len = self.operations.len();
        let mut ids: Vec<OperationId> = self.operations[len.saturating_sub(6)..].to_vec();
        ids.push(self.operations[self.generator.rng.index(len)]);
        for id in ids {
            let (found, expected) = (self.state.operation(id), self.model.operation(id));
            compare("operation", found, expected)?;
        }
        Ok(())
    }

    fn compare_listings(&mut self) -> Result<(), String> {
        // R76: by state, by holder, page by page; every row once. R77
        let holder_id = HolderId(u128::from(self.generator.rng.below(self.shape.holders + 1)));
        let states = u32::try_from(self.generator.rng.below(128)).expect("small") & !1;
        let filter = Filter { states, holder_id };
        let passes = |state: u8, holder: HolderId| {
            (states == 0 || states >> state & 1 == 1) && (holder_id.0 == 0 || holder == holder_id)
        };
        let row_count_max = self.generator.rng.index(5) + 1;
        let (mut rows, mut cursor) = (Vec::new(), 0);
        loop {
            let push = |row| rows.push(row);
            cursor = self
                .state
                .list_resources(&filter, cursor, row_count_max, push);
            if cursor == 0 {
                break;
            }
        }
        rows.sort_by_key(|row| row.resource_id);
        let mut expected = self.model.all_resources();
        expected.retain(|row| passes(row.state as u8, row.holder_id));
        compare("resources listed", rows, expected)?;
        let (mut rows, mut cursor) = (Vec::new(), 0);
        loop {
            let push = |row| rows.push(row);
            cursor = self
                .state
                .list_reservations(&filter, cursor, row_count_max, push);
            if cursor == 0 {
                break;
            }
        }
        rows.sort_by_key(|row| row.reservation_id);
        let mut expected = self.model.all_reservations();
        expected.retain(|row| passes(row.state as u8, row.holder_id));
        compare("reservations listed", rows, expected)?;
        let slot = Slot(self.model.slot.saturating_add(self.generator.rng.below(40)));
        let usage = self.state.usage(slot);
        let kept = u64::from(usage.operations.used - usage.operations.past);
        compare("operations kept", kept, self.model.operations_not_gone())?;
        let found = [
            usage.reservations.used as usize,
            usage.reservations.past as usize,
            usage.expiring as usize,
            usage.expiration_backlog as usize,
        ];
        let expected = [
            self.model.reservations_in_memory(),
            self.model.reservations_gone(),
            self.model.expiring(),
            self.model.backlog(slot),
        ];
        compare("reservations kept, gone, expiring, due", found, expected)
    }

    fn check_whole(&self) -> Result<(), String> {
        self.state
            .check_invariants()
            .map_err(|broken| broken.to_string())?;
        self.witness.audit(&self.state)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "reads answer by value")]
fn compare<T>(what: &str, found: T, expected: T) -> Result<(), String>
where
    T: PartialEq + core::fmt::Debug,
{
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, the model says {expected:?}"))
}

// R3, R5, R7 to R20, R22, R23, R37 to R58, R60, R61, R62, R63, R68, R74, R75, R76, R79, R81
#[test]
fn every_answer_and_every_read_is_what_the_rules_say() {
    let seed = seed("model");
    let tally = RefCell::new(Tally::default());
    let case_count = HISTORIES * u32::try_from(scale()).expect("a small factor");
    let result = runner(seed, case_count).run(&shapes(HISTORY_LEN), |shape| {
        let mut tally = tally.borrow_mut();
        Pair::new(&shape, None, &mut tally)
            .run()
            .map_err(TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("ALLOCDB_SEED={seed}: {failure}");
    }
    tally.borrow().assert_rich();
}

// The harness can fail: a model with one wrong rule does not get through.
#[test]
fn canary_every_wrong_rule_is_caught() {
    let seed = seed("model canaries");
    for flaw in Flaw::ALL {
        let mut runner = runner(seed, CANARY_HISTORIES);
        let is_caught = (0..CANARY_HISTORIES).any(|_| {
            let shape = shapes(HISTORY_LEN)
                .new_tree(&mut runner)
                .expect("a shape")
                .current();
            Pair::new(&shape, Some(flaw), &mut Tally::default())
                .run()
                .is_err()
        });
        assert!(is_caught, "nobody noticed {flaw:?}");
    }
}
