//! What may be logged: the definite checks in the order of docs/semantics.md, R24 to R33.
//!
//! `apply` asks the same functions, because the rules give both one list.

use std::collections::BTreeMap;

use super::types::{Action, Admission, Bounds, Command, Outcome, Rejection};
use super::{Flaw, LSN_MAX, Model};

/// A commit under judgement.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    slot: u64,
    /// None when no position is left. R4
    next_lsn: Option<u64>,
    pending: BTreeMap<u128, (Command, u64, u32)>,
}

fn after(lsn: u64, count: u64) -> Option<u64> {
    lsn.checked_add(count).filter(|&lsn| lsn <= LSN_MAX)
}

impl Model {
    /// Begins a commit at `slot`; with `with_expire_due` its first position is taken.
    #[must_use]
    pub fn begin(&self, slot: u64, with_expire_due: bool) -> Commit {
        let mut commit = Commit::default();
        self.begin_again(&mut commit, slot, with_expire_due);
        commit
    }

    /// The same in a commit's memory.
    pub fn begin_again(&self, commit: &mut Commit, slot: u64, with_expire_due: bool) {
        commit.slot = slot;
        commit.next_lsn = after(self.lsn, 1 + u64::from(with_expire_due));
        commit.pending.clear();
    }

    /// Judges the next command of a commit; `tag` names it for later retries.
    pub fn admit(&self, commit: &mut Commit, command: &Command, tag: u32) -> Admission {
        match self.judge(commit, command, tag) {
            Ok(admission) => admission,
            Err(rejection) => Admission::Rejected(rejection),
        }
    }

    fn judge(
        &self,
        commit: &mut Commit,
        command: &Command,
        tag: u32,
    ) -> Result<Admission, Rejection> {
        if matches!(command.action, Action::ExpireDue { .. }) {
            return Err(Rejection::Malformed { field: "kind" });
        }
        let slot = commit.slot;
        self.check_form(slot, command)?;
        if let Some(said) = self.remembered(slot, command) {
            return said.map(Admission::Retry);
        }
        // R62: and against the commands accepted earlier in the same commit.
        if let Some((earlier, lsn, tag)) = commit.pending.get(&command.operation_id) {
            if earlier.action == command.action {
                return Ok(Admission::RetryOf { tag: *tag });
            }
            return Err(Rejection::OperationConflict { lsn: *lsn });
        }
        self.check_limit(slot, command)?;
        let mut accepted = commit.pending.len() as u64;
        if self.has(Flaw::RoomIgnoresCommit) {
            accepted = 0;
        }
        if self.operations_kept(slot) + accepted >= u64::from(self.bounds.max_operations) {
            return Err(self.table_full());
        }
        // R33
        let lsn = commit.next_lsn.ok_or(Rejection::LsnExhausted)?;
        commit.next_lsn = after(lsn, 1);
        let entry = (command.clone(), lsn, tag);
        commit.pending.insert(command.operation_id, entry);
        Ok(Admission::New { lsn })
    }

    /// R24 to R27: what rules a command out whatever the state, and a batch with it.
    pub fn check(&self, command: &Command) -> Result<(), Rejection> {
        check_command(&self.bounds, command)
    }

    /// R24 to R27, R6.
    pub(super) fn check_form(&self, slot: u64, command: &Command) -> Result<(), Rejection> {
        check_command(&self.bounds, command)?;
        let bound = self.bounds.slot_max();
        if slot > bound {
            return Err(Rejection::SlotOverflow { slot, bound });
        }
        Ok(())
    }

    /// R28, R60, R61.
    pub(super) fn remembered(
        &self,
        slot: u64,
        command: &Command,
    ) -> Option<Result<Outcome, Rejection>> {
        let record = self.operations.get(&command.operation_id)?;
        if slot >= record.retire_after {
            return None;
        }
        let is_same = if self.has(Flaw::RetryComparesLimit) {
            record.command == *command
        } else {
            record.command.action == command.action
        };
        if is_same {
            return Some(Ok(Outcome {
                from_retry_cache: true,
                ..record.outcome
            }));
        }
        let lsn = record.outcome.lsn;
        Some(Err(Rejection::OperationConflict { lsn }))
    }

    /// R29, R30.
    pub(super) fn check_limit(&self, slot: u64, command: &Command) -> Result<(), Rejection> {
        let valid_until_slot = command.valid_until_slot;
        if valid_until_slot == 0 {
            return Ok(());
        }
        if valid_until_slot < slot {
            return Err(Rejection::OperationExpired {
                slot,
                valid_until_slot,
            });
        }
        let bound = slot + self.bounds.operation_window_slots;
        if valid_until_slot > bound {
            return Err(Rejection::ValidUntilOutOfRange {
                valid_until_slot,
                bound,
            });
        }
        Ok(())
    }
}

/// R24 to R27: what the command and the configuration alone decide.
fn check_command(bounds: &Bounds, command: &Command) -> Result<(), Rejection> {
    let is_internal = matches!(command.action, Action::ExpireDue { .. });
    if (command.operation_id == 0) != is_internal {
        let field = "operation_id";
        return Err(Rejection::Malformed { field });
    }
    match command.action {
        Action::CreateResource { resource_id } | Action::DeleteResource { resource_id } => {
            not_zero("resource_id", resource_id)
        }
        Action::Reserve {
            ref resource_ids,
            holder_id,
            ttl_slots,
        } => {
            not_zero("holder_id", holder_id)?;
            check_bundle(bounds, resource_ids)?;
            check_ttl(bounds, ttl_slots)
        }
        Action::Confirm {
            reservation_id,
            holder_id,
        }
        | Action::Release {
            reservation_id,
            holder_id,
        } => {
            not_zero("reservation_id", reservation_id)?;
            not_zero("holder_id", holder_id)
        }
        Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots,
        } => {
            not_zero("reservation_id", reservation_id)?;
            not_zero("holder_id", holder_id)?;
            check_ttl(bounds, ttl_slots)
        }
        Action::Revoke { reservation_id } | Action::Reclaim { reservation_id } => {
            not_zero("reservation_id", reservation_id)
        }
        Action::ExpireDue { limit } if limit == 0 || limit > bounds.max_expirations_per_tick => {
            Err(Rejection::Malformed { field: "limit" })
        }
        Action::ExpireDue { .. } => Ok(()),
    }
}

fn not_zero(field: &'static str, id: u128) -> Result<(), Rejection> {
    match id {
        0 => Err(Rejection::Malformed { field }),
        _ => Ok(()),
    }
}

fn check_bundle(bounds: &Bounds, ids: &[u128]) -> Result<(), Rejection> {
    if ids.is_empty() {
        let field = "resource_ids";
        return Err(Rejection::Malformed { field });
    }
    let (len, bound) = (ids.len() as u64, bounds.max_bundle_len);
    if len > u64::from(bound) {
        return Err(Rejection::BundleTooLarge { len, bound });
    }
    if ids.contains(&0) {
        let field = "resource_id";
        return Err(Rejection::Malformed { field });
    }
    for (index, &resource_id) in ids.iter().enumerate() {
        if ids[..index].contains(&resource_id) {
            return Err(Rejection::DuplicateResource { resource_id });
        }
    }
    Ok(())
}

fn check_ttl(bounds: &Bounds, ttl_slots: u64) -> Result<(), Rejection> {
    let bound = bounds.max_ttl_slots;
    if ttl_slots == 0 || ttl_slots > bound {
        return Err(Rejection::TtlOutOfRange { ttl_slots, bound });
    }
    Ok(())
}
