//! expire_due: ending holds whose deadline has passed, the oldest deadline first.

use super::State;
use super::record::ReservationState;
use crate::ids::{Lsn, Slot};

impl State {
    /// R55, R56: whether an `expire_due` at `slot` would end anything.
    #[must_use]
    pub fn is_due(&self, slot: Slot) -> bool {
        self.wheel.is_due(slot.max(self.last_slot))
    }

    /// R54: ends the first `limit` reservations of the `due` list; returns how many it ended.
    pub(super) fn expire_due(&mut self, lsn: Lsn, limit: u32) -> u32 {
        assert!(
            self.wheel.slot() == self.last_slot,
            "the wheel stands at the last slot"
        );
        let mut count = 0;
        while count < limit && !self.wheel.due().head.is_none() {
            let handle = self.wheel.due().head;
            let record = self.reservations[handle];
            // R82, R84.
            assert!(
                record.state() == ReservationState::Reserved,
                "only holds are freed by time"
            );
            let deadline_slot = record.deadline_slot();
            assert!(deadline_slot <= self.last_slot, "never early");
            self.wheel
                .unlink(&mut self.reservations, handle, deadline_slot);
            self.end_reservation(handle, lsn, ReservationState::Expired);
            count += 1;
        }
        count
    }
}
