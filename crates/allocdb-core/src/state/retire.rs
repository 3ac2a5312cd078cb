//! Retirement: when records are gone, and when their memory comes back.
//!
//! R15: a record is gone for every command and read at `slot >= retire_after_slot`, whatever its
//! memory does (R17). R16: memory is taken back by applied commands only, [`TAKE_BACK_COUNT`]
//! records of each kind at most. So memory never depends on when anyone looked, and no command pays
//! for a thousand others. A command takes back before it does anything else: where it then finds a
//! table full, nothing in there is past.

use super::State;
use crate::ids::{Lsn, ReservationId};
use crate::slab::Handle;

/// R94: records of each kind that an applied command takes back at most; a format constant, because
/// handles come from the records taken back. Above one, so that the queues drain under load.
pub(crate) const TAKE_BACK_COUNT: u32 = 4;

impl State {
    /// Takes a bounded number of past records back.
    #[inline]
    pub(super) fn take_back_some(&mut self) {
        for _ in 0..TAKE_BACK_COUNT {
            if !self.take_back_operation() {
                break;
            }
        }
        for _ in 0..TAKE_BACK_COUNT {
            if !self.take_back_reservation() {
                break;
            }
        }
    }

    /// Takes the oldest operation's memory back, if it is past its window. Mostly it is not, so the
    /// look at it is apart from the work.
    #[inline]
    fn take_back_operation(&mut self) -> bool {
        let front = self.operation_queue.front();
        let is_past = front.is_some_and(|front| self.is_operation_past(front));
        if is_past {
            self.forget_first_operation();
        }
        is_past
    }

    /// Takes the memory of the reservation that ended first back, if it is past its window, and
    /// raises the watermark (R18).
    #[inline]
    fn take_back_reservation(&mut self) -> bool {
        let front = self.reservation_queue.front();
        let is_past = front.is_some_and(|front| self.is_retired(front));
        if is_past {
            self.forget_first_reservation();
        }
        is_past
    }

    fn forget_first_operation(&mut self) {
        let front = self.operation_queue.pop().expect("the front was looked at");
        let record = &self.operations[front];
        // Zero where the same id came again after the window: another record has the key then.
        if record.operation_id != 0 {
            self.operation_index.remove(record.hash, front);
        }
        self.operations.remove(front);
    }

    fn forget_first_reservation(&mut self) {
        let front = self.reservation_queue.pop();
        let front = front.expect("the front was looked at");
        let record = &self.reservations[front];
        assert!(!record.state().is_live(), "only ended reservations retire");
        let lsn = record.lsn;
        self.reservation_index.remove(self.lsn_hash(lsn), front);
        self.reservations.remove(front);
        self.retired_watermark = self.retired_watermark.max(lsn);
    }

    /// Whether an operation is gone at the last slot.
    #[inline]
    pub(super) fn is_operation_past(&self, handle: Handle) -> bool {
        self.last_slot >= self.operations[handle].retire_after_slot
    }

    /// Whether a reservation has ended and is gone at the last slot.
    #[inline]
    pub(super) fn is_retired(&self, handle: Handle) -> bool {
        self.reservations[handle].is_past(self.last_slot)
    }

    /// Whether an id that is not there once was, as far as the watermark tells.
    pub(super) fn is_below_watermark(&self, reservation_id: ReservationId) -> bool {
        let lsn = reservation_id.lsn();
        reservation_id.shard_id() == self.config.shard_id
            && lsn != Lsn(0)
            && lsn <= self.retired_watermark
    }
}
