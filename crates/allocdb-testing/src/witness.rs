//! A witness of ownership that knows nothing but answers.
//!
//! It watches over the one promise: a resource never has two owners, and no owner loses it before
//! its time. It has no tables and no rules besides. What it cannot know from answers is whom an
//! `expire_due` ended, so it asks about those reservations that were due by then, and these alone:
//! the count must come out even. That nobody else lost anything is seen when the whole is audited.
//! Rejected: leaving this to the model, which is right about everything only if the rules it was
//! written from are read rightly; this one sentence has to hold by any reading.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Action, Applied, Bundle, Code, Command, Outcome, ReservationState, ResourceState, Verdict,
};
use crate::workload::View;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Owned {
    resources: Bundle,
    /// 0 once confirmed: time does not end it any more.
    deadline: u64,
}

/// What has been seen of who has what.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Witness {
    /// Who has each resource.
    owners: BTreeMap<u128, u128>,
    /// What each owner has.
    owned: BTreeMap<u128, Owned>,
    /// Deadline and id of those that have a deadline.
    ahead: BTreeSet<(u64, u128)>,
    newest: u128,
    /// Resources given to an owner, so that silence is not taken for order.
    transfers: u64,
}

impl Witness {
    /// Resources given to an owner.
    #[must_use]
    pub const fn transfers(&self) -> u64 {
        self.transfers
    }

    /// How many resources have an owner.
    #[must_use]
    pub fn owner_count(&self) -> usize {
        self.owners.len()
    }

    /// Takes note of the answer to a command at the last applied slot; `view` is asked whom time
    /// has freed.
    pub fn see(
        &mut self,
        view: &impl View,
        slot: u64,
        command: &Command,
        applied: &Applied,
    ) -> Result<(), String> {
        match applied.verdict {
            Verdict::Outcome(outcome)
                if !outcome.from_retry_cache && outcome.code == Code::Done =>
            {
                self.see_done(command, &outcome)
            }
            Verdict::Expired { count } => self.see_expiry(view, slot, count),
            _ => Ok(()),
        }
    }

    fn see_done(&mut self, command: &Command, outcome: &Outcome) -> Result<(), String> {
        match command.action {
            Action::Reserve {
                ref resource_ids, ..
            } => self.take(resource_ids, outcome),
            Action::Confirm { reservation_id, .. } => self.move_deadline(reservation_id, 0),
            Action::Extend { reservation_id, .. } => {
                self.move_deadline(reservation_id, outcome.deadline_slot)
            }
            Action::Release { reservation_id, .. } | Action::Reclaim { reservation_id } => {
                self.free(reservation_id)
            }
            Action::DeleteResource { resource_id } if self.owners.contains_key(&resource_id) => {
                Err(format!("{resource_id:#x} was deleted under its owner"))
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, ids: &Bundle, outcome: &Outcome) -> Result<(), String> {
        let id = outcome.reservation_id;
        // R2, R83: ids only grow, so none is given twice.
        if id <= self.newest {
            return Err(format!("reservation {id:#x} is not new"));
        }
        self.newest = id;
        for resource in ids.iter() {
            // R79: at most one active owner.
            if let Some(owner) = self.owners.insert(*resource, id) {
                return Err(format!(
                    "two owners: {resource:#x} belongs to {owner:#x} and is given to {id:#x}"
                ));
            }
        }
        self.transfers += ids.len() as u64;
        let owned = Owned {
            resources: ids.clone(),
            deadline: outcome.deadline_slot,
        };
        self.ahead.insert((owned.deadline, id));
        self.owned.insert(id, owned);
        Ok(())
    }

    fn move_deadline(&mut self, id: u128, deadline: u64) -> Result<(), String> {
        let owned = self.owned.get_mut(&id);
        let owned = owned.ok_or_else(|| format!("{id:#x} had ended"))?;
        if deadline != 0 && deadline < owned.deadline {
            return Err(format!("early: the deadline of {id:#x} moved back"));
        }
        self.ahead.remove(&(owned.deadline, id));
        owned.deadline = deadline;
        if deadline != 0 {
            self.ahead.insert((deadline, id));
        }
        Ok(())
    }

    /// R55, R82: whoever time has freed was due; the others live on.
    fn see_expiry(&mut self, view: &impl View, slot: u64, count: u32) -> Result<(), String> {
        let has_ended = |id: u128| {
            let state = view.reservation_state(id);
            state.is_none_or(|state| state == ReservationState::Expired)
        };
        let due = self.ahead.range(..=(slot, u128::MAX));
        let ended: Vec<u128> = due.map(|due| due.1).filter(|id| has_ended(*id)).collect();
        if ended.len() != count as usize {
            return Err(format!(
                "early or lost: {count} expired at slot {slot}, of those due {} have ended",
                ended.len()
            ));
        }
        ended.into_iter().try_for_each(|id| self.free(id))
    }

    fn free(&mut self, id: u128) -> Result<(), String> {
        let owned = self.owned.remove(&id);
        let owned = owned.ok_or_else(|| format!("{id:#x} ended twice"))?;
        self.ahead.remove(&(owned.deadline, id));
        for resource in owned.resources.iter() {
            if self.owners.remove(resource) != Some(id) {
                return Err(format!("{resource:#x} was freed by another than its owner"));
            }
        }
        Ok(())
    }

    /// What the database says of every owner must be what was seen: the resource taken, the
    /// reservation alive.
    pub fn audit(&self, view: &impl View) -> Result<(), String> {
        for (resource, owner) in &self.owners {
            let state = view.resource_state(*resource);
            if state.is_none_or(|state| state == ResourceState::Available) {
                return Err(format!(
                    "early or lost: {resource:#x} belongs to {owner:#x}, and is {state:?}"
                ));
            }
        }
        for owner in self.owned.keys() {
            let state = view.reservation_state(*owner);
            if !state.is_some_and(ReservationState::is_live) {
                return Err(format!(
                    "early or lost: {owner:#x} has not ended, and is {state:?}"
                ));
            }
        }
        Ok(())
    }
}
