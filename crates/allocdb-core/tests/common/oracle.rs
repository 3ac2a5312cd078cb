//! The model: what docs/semantics.md says, word for word, in ordinary maps.
//!
//! Written from the rules alone. It shares ids, outcomes and rows with the core and no logic: no
//! tables, no handles, no wheel, no fingerprints, only maps, sets and whole commands compared. What
//! it knows of memory is what the rules make visible: the watermark (R18), hence when ended
//! reservations are taken back (R16, R94).
//!
//! A [`Flaw`] turns one rule wrong. Each has to be caught by the very comparison that the tests
//! use, or that comparison proves nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{OwnedAction, OwnedCommand};
use allocdb_core::outcome::NO_INDEX;
use allocdb_core::state::{
    Admission, Lookup, Reservation, ReservationState as R, Resource, ResourceState,
};
use allocdb_core::{
    Applied, Config, HolderId, Lsn, OperationId, Outcome, Rejection, ReservationId, ResourceId,
    ResultCode, Slot, Verdict,
};

/// How many reservations an applied command takes back at most. R94
const TAKE_BACK_COUNT: usize = 4;

/// One rule turned wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    /// Operations are gone one slot early: a duplicate may run twice.
    WindowEndsEarly,
    /// Ended reservations are gone one slot early.
    HistoryEndsEarly,
    /// Among equal deadlines, the last one expires first.
    ExpiresLastFirst,
    /// An extend to an earlier deadline loses its place in the order.
    ExtendLosesPlace,
    /// A bucket's bound counts what is due already.
    BucketCountsDue,
    /// The bundle's failed index counts from one.
    FailedIndexFromOne,
    /// Busy comes before not found, whatever the order of ids.
    BusyFirst,
    /// What was taken back is not remembered by a watermark.
    NoWatermark,
    /// Failed results are not remembered.
    ForgetsFailures,
    /// A hold is due one slot late.
    DueLate,
    /// Confirming takes effect only before the deadline.
    ConfirmNeedsTime,
    /// A commit's own operations do not count for room.
    RoomIgnoresCommit,
    /// The holder is checked after the state.
    StateBeforeHolder,
    /// Revoking changes the reservation but no version.
    RevokeKeepsVersion,
    /// A retry must carry the same limit.
    RetryComparesLimit,
}

impl Flaw {
    pub(crate) const ALL: [Self; 15] = [
        Self::WindowEndsEarly,
        Self::HistoryEndsEarly,
        Self::ExpiresLastFirst,
        Self::ExtendLosesPlace,
        Self::BucketCountsDue,
        Self::FailedIndexFromOne,
        Self::BusyFirst,
        Self::NoWatermark,
        Self::ForgetsFailures,
        Self::DueLate,
        Self::ConfirmNeedsTime,
        Self::RoomIgnoresCommit,
        Self::StateBeforeHolder,
        Self::RevokeKeepsVersion,
        Self::RetryComparesLimit,
    ];
}

#[derive(Clone, Debug)]
struct ModelResource {
    version: u64,
    /// The LSN of the live reservation that has it.
    held_by: Option<u64>,
}

#[derive(Clone, Debug)]
struct ModelReservation {
    holder: HolderId,
    resources: Vec<u128>,
    state: R,
    deadline: u64,
    /// When it got its deadline, among all that got one.
    turn: u64,
    ended_lsn: u64,
    retire_after: u64,
}

#[derive(Clone, Debug)]
struct ModelOperation {
    command: OwnedCommand,
    outcome: Outcome,
    retire_after: u64,
}

/// A commit under judgement.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    slot: u64,
    next_lsn: u64,
    pending: BTreeMap<u128, (OwnedCommand, u64, u32)>,
}

/// A database as the rules describe it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    config: Config,
    flaw: Option<Flaw>,
    pub(crate) lsn: u64,
    pub(crate) slot: u64,
    watermark: u64,
    resources: BTreeMap<u128, ModelResource>,
    /// In memory, by LSN.
    reservations: BTreeMap<u64, ModelReservation>,
    /// In the order in which they ended.
    ended: VecDeque<u64>,
    /// (deadline, turn, LSN) of every reserved one.
    index: BTreeSet<(u64, u64, u64)>,
    turns: u64,
    operations: BTreeMap<u128, ModelOperation>,
    /// When each operation that is not gone will be.
    windows: VecDeque<u64>,
}

struct Executed {
    code: ResultCode,
    reservation: u64,
    deadline: u64,
    failed_index: u32,
}

impl Executed {
    fn failed(code: ResultCode) -> Self {
        Self {
            code,
            reservation: 0,
            deadline: 0,
            failed_index: NO_INDEX,
        }
    }

    fn done(reservation: u64, deadline: u64) -> Self {
        Self {
            reservation,
            deadline,
            ..Self::failed(ResultCode::Done)
        }
    }
}

impl Model {
    pub(crate) fn new(config: Config, flaw: Option<Flaw>) -> Self {
        Self {
            config,
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

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    // ---- acceptance -------------------------------------------------------------------------

    pub(crate) fn begin(&self, slot: Slot, with_expire_due: bool) -> Commit {
        Commit {
            slot: slot.0,
            next_lsn: self.lsn + 1 + u64::from(with_expire_due),
            pending: BTreeMap::new(),
        }
    }

    pub(crate) fn admit(&self, commit: &mut Commit, command: &OwnedCommand, tag: u32) -> Admission {
        if matches!(command.action, OwnedAction::Expire(_)) {
            return Admission::Rejected(Rejection::Malformed { field: "kind" });
        }
        let slot = commit.slot;
        if let Err(rejection) = self.check_form(slot, command) {
            return Admission::Rejected(rejection);
        }
        match self.remembered(slot, command) {
            Some(Ok(outcome)) => return Admission::Retry(outcome),
            Some(Err(rejection)) => return Admission::Rejected(rejection),
            None => {}
        }
        // R62: and against the commands accepted earlier in the same commit.
        if let Some((earlier, lsn, tag)) = commit.pending.get(&command.operation_id.0) {
            if earlier.action == command.action {
                return Admission::RetryOf { tag: *tag };
            }
            return Admission::Rejected(Rejection::OperationConflict { lsn: Lsn(*lsn) });
        }
        if let Err(rejection) = self.check_limit(slot, command) {
            return Admission::Rejected(rejection);
        }
        let mut accepted = commit.pending.len() as u64;
        if self.has(Flaw::RoomIgnoresCommit) {
            accepted = 0;
        }
        if self.operations_kept(slot) + accepted >= u64::from(self.config.max_operations) {
            return Admission::Rejected(self.table_full());
        }
        let lsn = commit.next_lsn;
        commit.next_lsn += 1;
        let entry = (command.clone(), lsn, tag);
        commit.pending.insert(command.operation_id.0, entry);
        Admission::New { lsn: Lsn(lsn) }
    }

    /// R24 to R27, R6.
    fn check_form(&self, slot: u64, command: &OwnedCommand) -> Result<(), Rejection> {
        let malformed = |field| Err(Rejection::Malformed { field });
        let is_internal = matches!(command.action, OwnedAction::Expire(_));
        if (command.operation_id.0 == 0) != is_internal {
            return malformed("operation_id");
        }
        let mut ttl = None;
        match &command.action {
            OwnedAction::Create(id) | OwnedAction::Delete(id) if id.0 == 0 => {
                return malformed("resource_id");
            }
            OwnedAction::Reserve(ids, holder, ttl_slots) => {
                if holder.0 == 0 {
                    return malformed("holder_id");
                }
                self.check_bundle(ids)?;
                ttl = Some(*ttl_slots);
            }
            OwnedAction::Confirm(id, _)
            | OwnedAction::Release(id, _)
            | OwnedAction::Extend(id, ..)
            | OwnedAction::Revoke(id)
            | OwnedAction::Reclaim(id)
                if id.0 == 0 =>
            {
                return malformed("reservation_id");
            }
            OwnedAction::Confirm(_, holder)
            | OwnedAction::Release(_, holder)
            | OwnedAction::Extend(_, holder, _)
                if holder.0 == 0 =>
            {
                return malformed("holder_id");
            }
            OwnedAction::Extend(_, _, ttl_slots) => ttl = Some(*ttl_slots),
            OwnedAction::Expire(limit)
                if *limit == 0 || *limit > self.config.max_expirations_per_tick =>
            {
                return malformed("limit");
            }
            _ => {}
        }
        let bound = self.config.max_ttl_slots;
        if let Some(ttl_slots) = ttl.filter(|&ttl_slots| ttl_slots == 0 || ttl_slots > bound) {
            return Err(Rejection::TtlOutOfRange { ttl_slots, bound });
        }
        let Config {
            max_ttl_slots,
            operation_window_slots,
            history_window_slots,
            ..
        } = self.config;
        let windows = [max_ttl_slots, operation_window_slots, history_window_slots];
        let bound = u64::MAX - windows.into_iter().max().unwrap_or(0);
        if slot > bound {
            let (slot, bound) = (Slot(slot), Slot(bound));
            return Err(Rejection::SlotOverflow { slot, bound });
        }
        Ok(())
    }

    fn check_bundle(&self, ids: &[[u8; 16]]) -> Result<(), Rejection> {
        let field = "resource_ids";
        if ids.is_empty() {
            return Err(Rejection::Malformed { field });
        }
        let (len, bound) = (ids.len() as u64, self.config.max_bundle_len);
        if len > u64::from(bound) {
            return Err(Rejection::BundleTooLarge { len, bound });
        }
        if ids.contains(&[0; 16]) {
            let field = "resource_id";
            return Err(Rejection::Malformed { field });
        }
        let mut seen = BTreeSet::new();
        for id in ids {
            if !seen.insert(id) {
                let resource_id = ResourceId(u128::from_le_bytes(*id));
                return Err(Rejection::DuplicateResource { resource_id });
            }
        }
        Ok(())
    }

    /// R28, R60, R61.
    fn remembered(&self, slot: u64, command: &OwnedCommand) -> Option<Result<Outcome, Rejection>> {
        let record = self.operations.get(&command.operation_id.0)?;
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
    fn check_limit(&self, slot: u64, command: &OwnedCommand) -> Result<(), Rejection> {
        let valid_until_slot = command.valid_until_slot;
        if valid_until_slot.0 == 0 {
            return Ok(());
        }
        if valid_until_slot.0 < slot {
            let slot = Slot(slot);
            return Err(Rejection::OperationExpired {
                slot,
                valid_until_slot,
            });
        }
        let bound = Slot(slot + self.config.operation_window_slots);
        if valid_until_slot > bound {
            return Err(Rejection::ValidUntilOutOfRange {
                valid_until_slot,
                bound,
            });
        }
        Ok(())
    }

    /// How many operations are not gone at `slot`. R31
    fn operations_kept(&self, slot: u64) -> u64 {
        let kept = self
            .windows
            .iter()
            .filter(|&&retire_after| slot < retire_after);
        kept.count() as u64
    }

    fn table_full(&self) -> Rejection {
        Rejection::OperationTableFull {
            capacity: self.config.max_operations,
            window_slots: self.config.operation_window_slots,
        }
    }

    // ---- apply ------------------------------------------------------------------------------

    pub(crate) fn apply(&mut self, slot: Slot, command: &OwnedCommand) -> Applied {
        let slot = slot.0.max(self.slot);
        self.lsn += 1;
        let lsn = Lsn(self.lsn);
        let verdict = match self.check_form(slot, command) {
            Err(rejection) => Verdict::Rejected(rejection),
            Ok(()) => self.apply_at(slot, command),
        };
        Applied { lsn, verdict }
    }

    fn apply_at(&mut self, slot: u64, command: &OwnedCommand) -> Verdict {
        self.slot = slot;
        for _ in 0..TAKE_BACK_COUNT {
            self.take_back();
        }
        while self
            .windows
            .front()
            .is_some_and(|&retire_after| slot >= retire_after)
        {
            self.windows.pop_front();
        }
        if let OwnedAction::Expire(limit) = command.action {
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
        if self.operations_kept(slot) >= u64::from(self.config.max_operations) {
            return Verdict::Rejected(self.table_full());
        }
        let executed = self.execute(&command.action);
        let outcome = Outcome {
            lsn: Lsn(self.lsn),
            code: executed.code,
            reservation_id: self.id_or_zero(executed.reservation),
            deadline_slot: Slot(executed.deadline),
            failed_index: executed.failed_index,
            from_retry_cache: false,
        };
        self.remember(command, outcome);
        Verdict::Outcome(outcome)
    }

    fn remember(&mut self, command: &OwnedCommand, outcome: Outcome) {
        let after = u64::from(!self.has(Flaw::WindowEndsEarly));
        let window = self.config.operation_window_slots + after;
        let retire_after = self.slot.saturating_add(window);
        self.windows.push_back(retire_after);
        if self.has(Flaw::ForgetsFailures) && outcome.code != ResultCode::Done {
            return;
        }
        let record = ModelOperation {
            command: command.clone(),
            outcome,
            retire_after,
        };
        self.operations.insert(command.operation_id.0, record);
    }

    fn execute(&mut self, action: &OwnedAction) -> Executed {
        match action {
            OwnedAction::Create(id) => self.create(id.0),
            OwnedAction::Delete(id) => self.delete(id.0),
            OwnedAction::Reserve(ids, holder, ttl) => self.reserve(ids, *holder, *ttl),
            OwnedAction::Confirm(id, holder) => self.confirm(*id, *holder),
            OwnedAction::Extend(id, holder, ttl) => self.extend(*id, *holder, *ttl),
            OwnedAction::Release(id, holder) => self.release(*id, *holder),
            OwnedAction::Revoke(id) => self.revoke(*id),
            OwnedAction::Reclaim(id) => self.reclaim(*id),
            OwnedAction::Expire(_) => unreachable!("applied apart"),
        }
    }

    fn create(&mut self, id: u128) -> Executed {
        if self.resources.contains_key(&id) {
            return Executed::failed(ResultCode::ResourceExists);
        }
        if self.resources.len() as u64 >= u64::from(self.config.max_resources) {
            return Executed::failed(ResultCode::ResourceTableFull);
        }
        let held_by = None;
        self.resources.insert(
            id,
            ModelResource {
                version: 0,
                held_by,
            },
        );
        Executed::done(0, 0)
    }

    fn delete(&mut self, id: u128) -> Executed {
        match self.resources.get(&id) {
            None => Executed::failed(ResultCode::ResourceNotFound),
            Some(resource) if resource.held_by.is_some() => {
                Executed::failed(ResultCode::ResourceBusy)
            }
            Some(_) => {
                self.resources.remove(&id);
                Executed::done(0, 0)
            }
        }
    }

    /// R43.
    fn reserve(&mut self, ids: &[[u8; 16]], holder: HolderId, ttl: u64) -> Executed {
        let ids: Vec<u128> = ids.iter().map(|id| u128::from_le_bytes(*id)).collect();
        if let Some(failure) = self.unavailable(&ids) {
            return failure;
        }
        if self.reservations_kept() >= u64::from(self.config.max_reservations) {
            return Executed::failed(ResultCode::ReservationTableFull);
        }
        let deadline = self.slot + ttl;
        if self.is_bucket_full(deadline) {
            return Executed::failed(ResultCode::ExpirationIndexFull);
        }
        if self.reservations.len() as u64 == u64::from(self.config.max_reservations) {
            self.take_back();
        }
        for id in &ids {
            let resource = self.resources.get_mut(id).expect("found before");
            resource.held_by = Some(self.lsn);
            resource.version += 1;
        }
        let reservation = ModelReservation {
            holder,
            resources: ids,
            state: R::Reserved,
            deadline,
            turn: 0,
            ended_lsn: 0,
            retire_after: 0,
        };
        self.reservations.insert(self.lsn, reservation);
        self.schedule(self.lsn, deadline);
        Executed::done(self.lsn, deadline)
    }

    fn unavailable(&self, ids: &[u128]) -> Option<Executed> {
        let is_busy = |id: &u128| self.resources.get(id).is_some_and(|r| r.held_by.is_some());
        let found = if self.has(Flaw::BusyFirst) {
            let busy = ids.iter().position(is_busy);
            busy.or_else(|| ids.iter().position(|id| !self.resources.contains_key(id)))
        } else {
            ids.iter()
                .position(|id| is_busy(id) || !self.resources.contains_key(id))
        };
        let index = found?;
        let code = if is_busy(&ids[index]) {
            ResultCode::ResourceBusy
        } else {
            ResultCode::ResourceNotFound
        };
        let from = usize::from(self.has(Flaw::FailedIndexFromOne));
        Some(Executed {
            failed_index: u32::try_from(index + from).expect("bundles are short"),
            ..Executed::failed(code)
        })
    }

    /// Live ones and those that ended and are not gone. R45
    fn reservations_kept(&self) -> u64 {
        let kept = self.reservations.values().filter(|r| !self.is_gone(r));
        kept.count() as u64
    }

    fn is_gone(&self, reservation: &ModelReservation) -> bool {
        !is_live(reservation.state) && self.slot >= reservation.retire_after
    }

    /// R58: counts the reservations of one deadline that still lies ahead.
    fn is_bucket_full(&self, deadline: u64) -> bool {
        let mut len = self
            .index
            .range((deadline, 0, 0)..=(deadline, u64::MAX, u64::MAX))
            .count();
        if self.has(Flaw::BucketCountsDue) {
            let turn = (self.config.max_ttl_slots + 1).next_power_of_two();
            let same_bucket = |at: u64| at <= self.slot && at % turn == deadline % turn;
            len += self
                .index
                .iter()
                .filter(|entry| same_bucket(entry.0))
                .count();
        }
        len as u64 >= u64::from(self.config.max_expiration_bucket_len)
    }

    /// Gives a reserved one its place in the expiry order. R57
    fn schedule(&mut self, lsn: u64, deadline: u64) {
        self.turns += 1;
        let is_reversed = self.has(Flaw::ExpiresLastFirst);
        let turn = if is_reversed {
            u64::MAX - self.turns
        } else {
            self.turns
        };
        let reservation = self.reservations.get_mut(&lsn).expect("in memory");
        reservation.deadline = deadline;
        reservation.turn = turn;
        self.index.insert((deadline, turn, lsn));
    }

    /// R11: only a reserved one has a deadline.
    fn unschedule(&mut self, lsn: u64) {
        let reservation = self.reservations.get_mut(&lsn).expect("in memory");
        let entry = (reservation.deadline, reservation.turn, lsn);
        reservation.deadline = 0;
        self.index.remove(&entry);
    }

    /// R19, R47.
    fn find(&self, id: ReservationId) -> Result<u64, ResultCode> {
        if id.shard_id() != self.config.shard_id {
            return Err(ResultCode::ReservationNotFound);
        }
        let lsn = id.lsn().0;
        match self.reservations.get(&lsn) {
            Some(reservation) if self.is_gone(reservation) => Err(ResultCode::ReservationRetired),
            Some(_) => Ok(lsn),
            None if lsn <= self.watermark && !self.has(Flaw::NoWatermark) => {
                Err(ResultCode::ReservationRetired)
            }
            None => Err(ResultCode::ReservationNotFound),
        }
    }

    /// R47, R53: found, of this holder if one is asked for, in one of these states.
    fn find_in(
        &self,
        id: ReservationId,
        holder: Option<HolderId>,
        states: &[R],
    ) -> Result<u64, Executed> {
        let lsn = self.find(id).map_err(Executed::failed)?;
        let reservation = &self.reservations[&lsn];
        let is_mismatch = holder.is_some_and(|holder| holder != reservation.holder);
        let is_invalid = !states.contains(&reservation.state);
        if is_invalid && self.has(Flaw::StateBeforeHolder) {
            return Err(Executed::failed(ResultCode::InvalidState));
        }
        if is_mismatch {
            return Err(Executed::failed(ResultCode::HolderMismatch));
        }
        if is_invalid {
            return Err(Executed::failed(ResultCode::InvalidState));
        }
        Ok(lsn)
    }

    fn confirm(&mut self, id: ReservationId, holder: HolderId) -> Executed {
        let lsn = match self.find_in(id, Some(holder), &[R::Reserved]) {
            Ok(lsn) => lsn,
            Err(failure) => return failure,
        };
        let is_late = self.reservations[&lsn].deadline <= self.slot;
        if is_late && self.has(Flaw::ConfirmNeedsTime) {
            return Executed::failed(ResultCode::InvalidState);
        }
        self.unschedule(lsn);
        self.change(lsn, R::Confirmed);
        Executed::done(lsn, 0)
    }

    /// R48, R49.
    fn extend(&mut self, id: ReservationId, holder: HolderId, ttl: u64) -> Executed {
        let lsn = match self.find_in(id, Some(holder), &[R::Reserved]) {
            Ok(lsn) => lsn,
            Err(failure) => return failure,
        };
        let (deadline, old) = (self.slot + ttl, self.reservations[&lsn].deadline);
        if deadline <= old {
            if self.has(Flaw::ExtendLosesPlace) {
                self.unschedule(lsn);
                self.schedule(lsn, old);
            }
            return Executed::done(lsn, old);
        }
        if self.is_bucket_full(deadline) {
            return Executed::failed(ResultCode::ExpirationIndexFull);
        }
        self.unschedule(lsn);
        self.schedule(lsn, deadline);
        Executed::done(lsn, deadline)
    }

    fn release(&mut self, id: ReservationId, holder: HolderId) -> Executed {
        match self.find_in(id, Some(holder), &[R::Reserved, R::Confirmed]) {
            Ok(lsn) => {
                self.end(lsn, R::Released);
                Executed::done(lsn, 0)
            }
            Err(failure) => failure,
        }
    }

    fn revoke(&mut self, id: ReservationId) -> Executed {
        match self.find_in(id, None, &[R::Confirmed]) {
            Ok(lsn) => {
                self.change(lsn, R::Revoking);
                Executed::done(lsn, 0)
            }
            Err(failure) => failure,
        }
    }

    fn reclaim(&mut self, id: ReservationId) -> Executed {
        match self.find_in(id, None, &[R::Revoking]) {
            Ok(lsn) => {
                self.end(lsn, R::Revoked);
                Executed::done(lsn, 0)
            }
            Err(failure) => failure,
        }
    }

    /// R54, R55, R57.
    fn expire(&mut self, limit: u32) -> u32 {
        let mut count = 0;
        while count < limit {
            let first = self.index.first().copied();
            let Some((_, _, lsn)) = first.filter(|entry| self.is_past(entry.0, self.slot)) else {
                break;
            };
            self.end(lsn, R::Expired);
            count += 1;
        }
        count
    }

    fn is_past(&self, deadline: u64, slot: u64) -> bool {
        deadline <= slot.saturating_sub(u64::from(self.has(Flaw::DueLate)))
    }

    /// R8: each change of a live reservation's state is one of its resources' as well.
    fn change(&mut self, lsn: u64, state: R) {
        let reservation = self.reservations.get_mut(&lsn).expect("in memory");
        reservation.state = state;
        if state == R::Revoking && self.flaw == Some(Flaw::RevokeKeepsVersion) {
            return;
        }
        for id in &reservation.resources {
            let resource = self
                .resources
                .get_mut(id)
                .expect("a taken resource is there");
            resource.version += 1;
        }
    }

    /// R10, R14, R80.
    fn end(&mut self, lsn: u64, state: R) {
        if self.reservations[&lsn].state == R::Reserved {
            self.unschedule(lsn);
        }
        self.change(lsn, state);
        let after = u64::from(!self.has(Flaw::HistoryEndsEarly));
        let window = self.config.history_window_slots + after;
        let reservation = self.reservations.get_mut(&lsn).expect("in memory");
        reservation.ended_lsn = self.lsn;
        reservation.retire_after = self.slot.saturating_add(window);
        for id in &reservation.resources {
            let resource = self
                .resources
                .get_mut(id)
                .expect("a taken resource is there");
            resource.held_by = None;
        }
        self.ended.push_back(lsn);
    }

    /// R16, R18.
    fn take_back(&mut self) {
        let Some(&lsn) = self.ended.front() else {
            return;
        };
        if self.is_gone(&self.reservations[&lsn]) {
            self.ended.pop_front();
            self.reservations.remove(&lsn);
            self.watermark = self.watermark.max(lsn);
        }
    }

    fn id_or_zero(&self, lsn: u64) -> ReservationId {
        let high = u128::from(self.config.shard_id) << 64;
        ReservationId(if lsn == 0 { 0 } else { high | u128::from(lsn) })
    }

    // ---- reads ------------------------------------------------------------------------------

    pub(crate) fn resource(&self, id: ResourceId) -> Option<Resource> {
        let resource = self.resources.get(&id.0)?;
        let holder = resource.held_by.map(|lsn| (lsn, &self.reservations[&lsn]));
        let state = match holder.map(|(_, reservation)| reservation.state) {
            None => ResourceState::Available,
            Some(R::Reserved) => ResourceState::Reserved,
            Some(R::Confirmed) => ResourceState::Confirmed,
            _ => ResourceState::Revoking,
        };
        Some(Resource {
            resource_id: id,
            state,
            reservation_id: self.id_or_zero(resource.held_by.unwrap_or(0)),
            holder_id: holder.map_or(HolderId(0), |(_, reservation)| reservation.holder),
            version: resource.version,
        })
    }

    pub(crate) fn reservation(&self, id: ReservationId) -> Lookup<Reservation> {
        match self.find(id) {
            Ok(lsn) => Lookup::Found(self.row(lsn)),
            Err(ResultCode::ReservationRetired) => Lookup::Retired,
            Err(_) => Lookup::NotFound,
        }
    }

    fn row(&self, lsn: u64) -> Reservation {
        let reservation = &self.reservations[&lsn];
        Reservation {
            reservation_id: self.id_or_zero(lsn),
            holder_id: reservation.holder,
            state: reservation.state,
            resource_count: u32::try_from(reservation.resources.len()).expect("short"),
            first_resource_id: ResourceId(reservation.resources[0]),
            created_lsn: Lsn(lsn),
            deadline_slot: Slot(reservation.deadline),
            ended_lsn: Lsn(reservation.ended_lsn),
            retire_after_slot: Slot(reservation.retire_after),
        }
    }

    /// The resources of a live reservation, in the order named. R10
    pub(crate) fn reservation_resources(&self, id: ReservationId) -> Vec<ResourceId> {
        match self.find(id) {
            Ok(lsn) if is_live(self.reservations[&lsn].state) => {
                let ids = self.reservations[&lsn].resources.iter();
                ids.map(|&id| ResourceId(id)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// R75.
    pub(crate) fn operation(&self, id: OperationId) -> Option<Outcome> {
        let record = self.operations.get(&id.0)?;
        (self.slot < record.retire_after).then_some(Outcome {
            from_retry_cache: true,
            ..record.outcome
        })
    }

    pub(crate) fn is_due(&self, slot: Slot) -> bool {
        self.backlog(slot) > 0
    }

    /// How many are due at `slot`. R55
    pub(crate) fn backlog(&self, slot: Slot) -> usize {
        let slot = slot.0.max(self.slot);
        let due = self
            .index
            .iter()
            .filter(|entry| self.is_past(entry.0, slot));
        due.count()
    }

    pub(crate) fn expiring(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn operations_not_gone(&self) -> u64 {
        self.operations_kept(self.slot)
    }

    pub(crate) fn reservations_in_memory(&self) -> usize {
        self.reservations.len()
    }

    pub(crate) fn reservations_gone(&self) -> usize {
        self.reservations
            .values()
            .filter(|r| self.is_gone(r))
            .count()
    }

    /// Every resource, by id.
    pub(crate) fn all_resources(&self) -> Vec<Resource> {
        let ids = self.resources.keys();
        ids.map(|&id| self.resource(ResourceId(id)).expect("listed"))
            .collect()
    }

    /// Every reservation that can be read, by id.
    pub(crate) fn all_reservations(&self) -> Vec<Reservation> {
        let kept = self.reservations.iter().filter(|(_, r)| !self.is_gone(r));
        kept.map(|(&lsn, _)| self.row(lsn)).collect()
    }
}

fn is_live(state: R) -> bool {
    matches!(state, R::Reserved | R::Confirmed | R::Revoking)
}
