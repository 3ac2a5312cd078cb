//! Slots and the system's clock.
//!
//! The core knows slots alone. Here the system's clock is mapped to slots, and a leap of whoever
//! drives them is caught. A clock that steps back is harmless, because slots never do; one that
//! leaps forward would expire holds early in wall time and cannot be taken back. So
//! `max_slot_leap` measures a slot against the clock that cannot leap: a base taken at open, plus
//! what the monotonic clock has gone on since. Rejected: measuring against the last applied slot
//! alone, which an idle night would turn into a leap.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use allocdb_core::Slot;

use crate::options::Clock;
use crate::sync::{Mutex, PoisonError};

/// The system's clock in slots of `slot_duration_ms`; 0 before 1970.
#[must_use]
pub fn slot_now(slot_duration_ms: u64) -> Slot {
    assert!(slot_duration_ms > 0, "the configuration is validated");
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = since.map_or(0, |duration| duration.as_millis());
    let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
    Slot(milliseconds / slot_duration_ms)
}

/// Refuses slots that leap.
#[derive(Debug)]
pub(crate) struct LeapGuard {
    max_slot_leap: u64,
    slot_duration_ms: u64,
    last_slot_at_open: Slot,
    base: Mutex<Option<(Slot, Instant)>>,
}

impl LeapGuard {
    /// A guard for a database just opened; `max_slot_leap` 0 refuses nothing.
    pub(crate) fn new(
        max_slot_leap: u64,
        clock: Clock,
        slot_duration_ms: u64,
        last_slot: Slot,
    ) -> Self {
        let base = match clock {
            Clock::System => {
                let slot = slot_now(slot_duration_ms).max(last_slot);
                Some((slot, Instant::now()))
            }
            Clock::Host => None,
        };
        Self {
            max_slot_leap,
            slot_duration_ms,
            last_slot_at_open: last_slot,
            base: Mutex::new(base),
        }
    }

    /// R35: `Err` with the greatest slot allowed now, when `slot` is beyond it.
    pub(crate) fn check(&self, slot: Slot) -> Result<(), Slot> {
        if self.max_slot_leap == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        let (base_slot, since) = *base.get_or_insert((slot.max(self.last_slot_at_open), now));
        let elapsed_ms = now.saturating_duration_since(since).as_millis();
        let elapsed_ms = u64::try_from(elapsed_ms).unwrap_or(u64::MAX);
        let progress = elapsed_ms / self.slot_duration_ms;
        let bound = base_slot
            .0
            .saturating_add(progress)
            .saturating_add(self.max_slot_leap);
        if slot.0 > bound {
            Err(Slot(bound))
        } else {
            Ok(())
        }
    }
}
