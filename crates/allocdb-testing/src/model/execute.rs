//! What each command does to the maps: its checks in the order given, then its change.

use super::types::{Action, Code, Outcome, ReservationState as R};
use super::{Bundle, Flaw, Model, ReservationRecord, ResourceRecord};

impl Model {
    pub(super) fn execute(&mut self, action: &Action) -> Outcome {
        let said = match *action {
            Action::CreateResource { resource_id } => self.create(resource_id),
            Action::DeleteResource { resource_id } => self.delete(resource_id),
            Action::Reserve {
                ref resource_ids,
                holder_id,
                ttl_slots,
            } => self.reserve(resource_ids, holder_id, ttl_slots),
            Action::Confirm {
                reservation_id,
                holder_id,
            } => self.confirm(reservation_id, holder_id),
            Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots,
            } => self.extend(reservation_id, holder_id, ttl_slots),
            Action::Release {
                reservation_id,
                holder_id,
            } => self.release(reservation_id, holder_id),
            Action::Revoke { reservation_id } => self.revoke(reservation_id),
            Action::Reclaim { reservation_id } => self.reclaim(reservation_id),
            Action::ExpireDue { .. } => unreachable!("applied apart"),
        };
        said.unwrap_or_else(|code| self.outcome(code, 0, 0))
    }

    fn outcome(&self, code: Code, reservation: u64, deadline_slot: u64) -> Outcome {
        Outcome {
            lsn: self.lsn,
            code,
            reservation_id: self.id_or_zero(reservation),
            deadline_slot,
            failed_index: None,
            from_retry_cache: false,
        }
    }

    fn done(&self, reservation: u64, deadline: u64) -> Outcome {
        self.outcome(Code::Done, reservation, deadline)
    }

    /// R37, R38.
    fn create(&mut self, id: u128) -> Result<Outcome, Code> {
        if self.resources.contains_key(&id) {
            return Err(Code::ResourceExists);
        }
        if self.resources.len() as u64 >= u64::from(self.bounds.max_resources) {
            return Err(Code::ResourceTableFull);
        }
        let record = ResourceRecord {
            version: 0,
            held_by: None,
        };
        self.resources.insert(id, record);
        Ok(self.done(0, 0))
    }

    /// R39, R40.
    fn delete(&mut self, id: u128) -> Result<Outcome, Code> {
        match self.resources.get(&id) {
            None => Err(Code::ResourceNotFound),
            Some(resource) if resource.held_by.is_some() => Err(Code::ResourceBusy),
            Some(_) => {
                self.resources.remove(&id);
                Ok(self.done(0, 0))
            }
        }
    }

    /// R41 to R45.
    fn reserve(&mut self, ids: &Bundle, holder: u128, ttl: u64) -> Result<Outcome, Code> {
        if let Some((code, index)) = self.unavailable(ids) {
            return Ok(Outcome {
                failed_index: Some(index),
                ..self.outcome(code, 0, 0)
            });
        }
        let capacity = u64::from(self.bounds.max_reservations);
        if self.reservations_kept() >= capacity {
            return Err(Code::ReservationTableFull);
        }
        let deadline = self.slot + ttl;
        if self.is_bucket_full(deadline) {
            return Err(Code::ExpirationIndexFull);
        }
        if self.reservations.len() as u64 >= capacity {
            self.take_back();
        }
        for id in ids.iter() {
            let resource = self.resources.get_mut(id).expect("found before");
            resource.held_by = Some(self.lsn);
            resource.version += 1;
        }
        let reservation = ReservationRecord {
            holder,
            resources: ids.clone(),
            state: R::Reserved,
            deadline,
            turn: 0,
            ended_lsn: 0,
            retire_after: 0,
        };
        self.reservations.insert(self.lsn, reservation);
        self.schedule(self.lsn, deadline);
        Ok(self.done(self.lsn, deadline))
    }

    /// R44: the first id in the order given that cannot be had, and why.
    fn unavailable(&self, ids: &[u128]) -> Option<(Code, u32)> {
        let fault = |id: &u128| match self.resources.get(id) {
            None => Some(Code::ResourceNotFound),
            Some(resource) => resource.held_by.map(|_| Code::ResourceBusy),
        };
        let is_busy = |id: &u128| fault(id) == Some(Code::ResourceBusy);
        let mut index = ids.iter().position(|id| fault(id).is_some())?;
        if self.has(Flaw::BusyFirst) {
            index = ids.iter().position(is_busy).unwrap_or(index);
        }
        let code = fault(&ids[index])?;
        let from = usize::from(self.has(Flaw::FailedIndexFromOne));
        Some((
            code,
            u32::try_from(index + from).expect("bundles are short"),
        ))
    }

    /// Live ones and those that ended and are not gone. R45
    fn reservations_kept(&self) -> u64 {
        (self.reservations.len() - self.reservations_gone()) as u64
    }

    /// R58: counts the reservations of one deadline that still lies ahead.
    fn is_bucket_full(&self, deadline: u64) -> bool {
        let same = self
            .index
            .range((deadline, 0, 0)..=(deadline, u64::MAX, u64::MAX));
        let mut len = same.count();
        if self.has(Flaw::BucketCountsDue) {
            let turn = (self.bounds.max_ttl_slots + 1).next_power_of_two();
            let same_bucket = |at: u64| at <= self.slot && at % turn == deadline % turn;
            let due = self.index.iter().filter(|entry| same_bucket(entry.0));
            len += due.count();
        }
        len as u64 >= u64::from(self.bounds.max_expiration_bucket_len)
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
    pub(super) fn find(&self, id: u128) -> Result<(u64, &ReservationRecord), Code> {
        let lsn = u64::try_from(id & u128::from(u64::MAX)).expect("masked");
        if id >> 64 != u128::from(self.bounds.shard_id) || lsn == 0 {
            return Err(Code::ReservationNotFound);
        }
        match self.reservations.get(&lsn) {
            Some(record) if self.is_gone(record) => Err(Code::ReservationRetired),
            Some(record) => Ok((lsn, record)),
            None if lsn <= self.watermark && !self.has(Flaw::NoWatermark) => {
                Err(Code::ReservationRetired)
            }
            None => Err(Code::ReservationNotFound),
        }
    }

    pub(super) fn is_gone(&self, record: &ReservationRecord) -> bool {
        !record.state.is_live() && self.slot >= record.retire_after
    }

    /// R47, R53: found, of this holder if one is asked for, in one of these states; its LSN and
    /// deadline.
    fn find_in(&self, id: u128, holder: Option<u128>, states: &[R]) -> Result<(u64, u64), Code> {
        let (lsn, record) = self.find(id)?;
        let is_mismatch = holder.is_some_and(|holder| holder != record.holder);
        let is_invalid = !states.contains(&record.state);
        if is_invalid && self.has(Flaw::StateBeforeHolder) {
            return Err(Code::InvalidState);
        }
        if is_mismatch {
            return Err(Code::HolderMismatch);
        }
        if is_invalid {
            return Err(Code::InvalidState);
        }
        Ok((lsn, record.deadline))
    }

    /// R46.
    fn confirm(&mut self, id: u128, holder: u128) -> Result<Outcome, Code> {
        let (lsn, deadline) = self.find_in(id, Some(holder), &[R::Reserved])?;
        if deadline <= self.slot && self.has(Flaw::ConfirmNeedsTime) {
            return Err(Code::InvalidState);
        }
        self.unschedule(lsn);
        self.change(lsn, R::Confirmed);
        Ok(self.done(lsn, 0))
    }

    /// R48, R49.
    fn extend(&mut self, id: u128, holder: u128, ttl: u64) -> Result<Outcome, Code> {
        let (lsn, old) = self.find_in(id, Some(holder), &[R::Reserved])?;
        let deadline = self.slot + ttl;
        if deadline <= old {
            if self.has(Flaw::ExtendLosesPlace) {
                self.unschedule(lsn);
                self.schedule(lsn, old);
            }
            return Ok(self.done(lsn, old));
        }
        if self.is_bucket_full(deadline) {
            return Err(Code::ExpirationIndexFull);
        }
        self.unschedule(lsn);
        self.schedule(lsn, deadline);
        Ok(self.done(lsn, deadline))
    }

    /// R50.
    fn release(&mut self, id: u128, holder: u128) -> Result<Outcome, Code> {
        let (lsn, _) = self.find_in(id, Some(holder), &[R::Reserved, R::Confirmed])?;
        self.end(lsn, R::Released);
        Ok(self.done(lsn, 0))
    }

    /// R51.
    fn revoke(&mut self, id: u128) -> Result<Outcome, Code> {
        let (lsn, _) = self.find_in(id, None, &[R::Confirmed])?;
        self.change(lsn, R::Revoking);
        Ok(self.done(lsn, 0))
    }

    /// R52.
    fn reclaim(&mut self, id: u128) -> Result<Outcome, Code> {
        let (lsn, _) = self.find_in(id, None, &[R::Revoking])?;
        self.end(lsn, R::Revoked);
        Ok(self.done(lsn, 0))
    }

    /// R54, R55, R57.
    pub(super) fn expire(&mut self, limit: u32) -> u32 {
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

    pub(super) fn is_past(&self, deadline: u64, slot: u64) -> bool {
        deadline <= slot.saturating_sub(u64::from(self.has(Flaw::DueLate)))
    }

    /// R8: each change of a live reservation's state is one of its resources' as well.
    fn change(&mut self, lsn: u64, state: R) {
        let reservation = self.reservations.get_mut(&lsn).expect("in memory");
        reservation.state = state;
        if state == R::Revoking && self.flaw == Some(Flaw::RevokeKeepsVersion) {
            return;
        }
        for id in reservation.resources.iter() {
            let resource = self.resources.get_mut(id);
            resource.expect("a taken resource is there").version += 1;
        }
    }

    /// R10, R14, R80.
    fn end(&mut self, lsn: u64, state: R) {
        if self.reservations[&lsn].state == R::Reserved {
            self.unschedule(lsn);
        }
        self.change(lsn, state);
        let after = u64::from(!self.has(Flaw::HistoryEndsEarly));
        let window = self.bounds.history_window_slots + after;
        let retire_after = self.slot.saturating_add(window);
        let reservation = self.reservations.get_mut(&lsn).expect("in memory");
        reservation.ended_lsn = self.lsn;
        reservation.retire_after = retire_after;
        for id in reservation.resources.iter() {
            let resource = self.resources.get_mut(id);
            resource.expect("a taken resource is there").held_by = None;
        }
        self.ended.push_back((retire_after, lsn));
    }

    pub(super) fn id_or_zero(&self, lsn: u64) -> u128 {
        if lsn == 0 {
            return 0;
        }
        self.bounds.reservation_id(lsn)
    }
}
