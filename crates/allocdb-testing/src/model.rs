//! The model: what docs/semantics.md says, word for word, in ordinary maps.
//!
//! Written from the rules alone. It shares nothing with the core, not even a type: no tables, no
//! handles, no wheel, no fingerprints, only maps, sets and whole commands compared. What it knows
//! of memory is what the rules make visible: the watermark (R18), hence when ended reservations
//! are taken back (R16, R94). Two things it leaves out: cells, so it never says `overloaded`
//! (R32), and the log.
//!
//! It is asked about by the million a second, so what the rules count ("not gone", "kept") is
//! found by searching queues whose ends come in order, never by counting a whole map; and it
//! forgets what is gone, so a run of any length takes a bounded memory. Rejected: drawing these
//! counts from the core's own figures, which would make the model agree with any of its mistakes.
//!
//! A [`Flaw`] turns one rule wrong. Each has to be caught by the very comparison that the tests
//! use, or that comparison proves nothing.

mod acceptance;
mod execute;
mod flaw;
mod read;
mod types;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use acceptance::Commit;
pub use flaw::Flaw;
pub use types::{
    Action, Admission, Applied, Bounds, Bundle, CODE_COUNT, Code, Command, Lookup, Outcome,
    REJECTION_COUNT, Rejection, Reservation, ReservationState, Resource, ResourceState, Verdict,
};

/// How many reservations an applied command takes back at most. R94
const TAKE_BACK_COUNT: usize = 4;
/// The last position that is ever given. R4
const LSN_MAX: u64 = u64::MAX - 1;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct ResourceRecord {
    version: u64,
    /// The LSN of the live reservation that has it.
    held_by: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct ReservationRecord {
    holder: u128,
    resources: Bundle,
    state: ReservationState,
    deadline: u64,
    /// When it got its deadline, among all that got one.
    turn: u64,
    ended_lsn: u64,
    retire_after: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct OperationRecord {
    command: Command,
    outcome: Outcome,
    retire_after: u64,
}

/// A database as the rules describe it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Model {
    bounds: Bounds,
    flaw: Option<Flaw>,
    lsn: u64,
    slot: u64,
    watermark: u64,
    resources: BTreeMap<u128, ResourceRecord>,
    /// In memory, by LSN.
    reservations: BTreeMap<u64, ReservationRecord>,
    /// From when each is gone and its LSN, in the order in which they ended: slots never go back,
    /// so neither does this.
    ended: VecDeque<(u64, u64)>,
    /// (deadline, turn, LSN) of every reserved one.
    index: BTreeSet<(u64, u64, u64)>,
    turns: u64,
    operations: BTreeMap<u128, OperationRecord>,
    /// From when each operation is gone and its id, in the order in which they came.
    windows: VecDeque<(u64, u128)>,
}

impl Model {
    /// An empty database.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self::flawed(bounds, None)
    }

    /// An empty database with one wrong rule.
    #[must_use]
    pub fn flawed(bounds: Bounds, flaw: Option<Flaw>) -> Self {
        Self {
            bounds,
            flaw,
            lsn: 0,
            slot: 0,
            watermark: 0,
            resources: BTreeMap::new(),
            reservations: BTreeMap::new(),
            ended: VecDeque::new(),
            index: BTreeSet::new(),
            turns: 0,
            operations: BTreeMap::new(),
            windows: VecDeque::new(),
        }
    }

    /// R95: larger tables from here on, and nothing else.
    pub fn grow(&mut self, bounds: Bounds) {
        let before = self.bounds;
        assert!(bounds.max_resources >= before.max_resources, "only growth");
        assert!(
            bounds.max_reservations >= before.max_reservations,
            "only growth"
        );
        assert!(
            bounds.max_operations >= before.max_operations,
            "only growth"
        );
        self.bounds = bounds;
    }

    /// R101: what a backup does to the position.
    pub fn raise_lsn(&mut self, by: u64) {
        self.lsn += by;
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Applies one command at `slot`, or at the last one where that is later.
    pub fn apply(&mut self, slot: u64, command: &Command) -> Applied {
        let slot = slot.max(self.slot);
        if self.lsn == LSN_MAX {
            let verdict = Verdict::Rejected(Rejection::LsnExhausted);
            return Applied {
                lsn: self.lsn,
                verdict,
            };
        }
        self.lsn += 1;
        let verdict = match self.check_form(slot, command) {
            Err(rejection) => Verdict::Rejected(rejection),
            Ok(()) => self.apply_at(slot, command),
        };
        Applied {
            lsn: self.lsn,
            verdict,
        }
    }

    fn apply_at(&mut self, slot: u64, command: &Command) -> Verdict {
        self.slot = slot;
        for _ in 0..TAKE_BACK_COUNT {
            self.take_back();
        }
        self.forget_operations();
        if let Action::ExpireDue { limit } = command.action {
            let count = self.expire(limit);
            return Verdict::Expired { count };
        }
        match self.remembered(slot, command) {
            Some(Ok(outcome)) => return Verdict::Outcome(outcome),
            Some(Err(rejection)) => return Verdict::Rejected(rejection),
            None => {}
        }
        if let Err(rejection) = self.check_limit(slot, command) {
            return Verdict::Rejected(rejection);
        }
        if self.operations_kept(slot) >= u64::from(self.bounds.max_operations) {
            return Verdict::Rejected(self.table_full());
        }
        let outcome = self.execute(&command.action);
        self.remember(command, outcome);
        Verdict::Outcome(outcome)
    }

    /// R12, R14.
    fn remember(&mut self, command: &Command, outcome: Outcome) {
        let after = u64::from(!self.has(Flaw::WindowEndsEarly));
        let window = self.bounds.operation_window_slots + after;
        let retire_after = self.slot.saturating_add(window);
        self.windows.push_back((retire_after, command.operation_id));
        if self.has(Flaw::ForgetsFailures) && outcome.code != Code::Done {
            return;
        }
        let record = OperationRecord {
            command: command.clone(),
            outcome,
            retire_after,
        };
        self.operations.insert(command.operation_id, record);
    }

    /// Drops what is gone, unless its id came again and has a newer record. R15, R20
    fn forget_operations(&mut self) {
        while let Some(&(retire_after, id)) = self.windows.front() {
            if self.slot < retire_after {
                break;
            }
            self.windows.pop_front();
            if let Some(record) = self.operations.get(&id)
                && record.retire_after <= self.slot
            {
                self.operations.remove(&id);
            }
        }
    }

    /// R16, R18.
    fn take_back(&mut self) {
        if let Some(&(retire_after, lsn)) = self.ended.front()
            && self.slot >= retire_after
        {
            self.ended.pop_front();
            self.reservations.remove(&lsn);
            self.watermark = self.watermark.max(lsn);
        }
    }

    /// How many operations are not gone at `slot`. R31
    fn operations_kept(&self, slot: u64) -> u64 {
        let gone = self.windows.partition_point(|entry| entry.0 <= slot);
        (self.windows.len() - gone) as u64
    }

    fn table_full(&self) -> Rejection {
        Rejection::OperationTableFull {
            capacity: self.bounds.max_operations,
            window_slots: self.bounds.operation_window_slots,
        }
    }
}
