//! The workload: commands and slots drawn one after the other, most of them meaningful.
//!
//! A [`Shape`] says what kind of database and what mix of commands; a [`Workload`] draws them from
//! its seed. It looks at the database through a [`View`], which is the model's state: so the same
//! seed gives the same history whether a bare state, a simulated engine or a C library is driven,
//! and one that errs is not followed in its error. It picks what is likely to work, and now and
//! then what is sure to fail. Rejected: drawing commands blindly, since with 128-bit ids nearly
//! all of them would end in `not_found`, and lists of commands made beforehand, since a shrunk
//! list no longer names reservations that exist.

mod shape;

pub use shape::{Mix, Shape};

use crate::model::{
    Action, Applied, Bundle, Code, Command, Model, Outcome, Rejection, ReservationState,
    ResourceState, Verdict,
};
use crate::random::Rng;
use ReservationState as R;

/// What a workload sees of the database that it is drawn for.
pub trait View {
    /// The position of the last applied command.
    fn last_lsn(&self) -> u64;
    /// The state of a resource, if there is one with this id.
    fn resource_state(&self, id: u128) -> Option<ResourceState>;
    /// The state of a reservation, if it can be read.
    fn reservation_state(&self, id: u128) -> Option<ReservationState>;
}

impl View for Model {
    fn last_lsn(&self) -> u64 {
        Model::last_lsn(self)
    }

    fn resource_state(&self, id: u128) -> Option<ResourceState> {
        Model::resource_state(self, id)
    }

    fn reservation_state(&self, id: u128) -> Option<ReservationState> {
        Model::reservation_state(self, id)
    }
}

/// Draws a history's commands and slots.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What it draws from; who drives it may draw more.
    pub rng: Rng,
    /// The host's slot.
    slot: u64,
    shape: Shape,
    next_operation: u128,
    /// Reservations given out lately, with their holders.
    recent: Vec<(u128, u128)>,
    /// Commands drawn lately, for retries, conflicts and reuse.
    sent: Vec<Command>,
    /// The operation table was full: only time helps.
    is_starved: bool,
    /// The ids of a bundle while it is drawn.
    bundle: Vec<u128>,
}

/// How many reservations are remembered, or taken over from another history.
pub const RECENT_LEN: usize = 48;
const SENT_LEN: usize = 96;

impl Workload {
    /// The workload of this shape, from its seed.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let slot = if shape.is_late {
            shape.bounds.slot_max() - 300
        } else {
            0
        };
        Self {
            rng: Rng::new(shape.seed),
            slot,
            shape: shape.clone(),
            next_operation: 1,
            recent: Vec::with_capacity(RECENT_LEN),
            sent: Vec::with_capacity(SENT_LEN),
            is_starved: false,
            bundle: Vec::new(),
        }
    }

    /// Goes on from a database that another history left: its last slot, reservations with their
    /// holders.
    pub fn adopt(&mut self, slot: u64, reservations: impl Iterator<Item = (u128, u128)>) {
        self.slot = slot;
        self.recent.extend(reservations.take(RECENT_LEN));
    }

    /// The shape that it is drawn for.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// R95: the bounds as they are from here on.
    pub fn grow(&mut self, bounds: crate::model::Bounds) {
        self.shape.bounds = bounds;
    }

    /// The host's slot.
    #[must_use]
    pub const fn slot(&self) -> u64 {
        self.slot
    }

    /// The slot of the next commit as some host would give it: mostly a little later, at times
    /// far beyond a turn of the wheel, at times back.
    pub fn next_slot(&mut self) -> u64 {
        let bounds = self.shape.bounds;
        let slot_max = bounds.slot_max();
        let is_starved = std::mem::take(&mut self.is_starved) && self.rng.chance(80);
        if is_starved {
            let window = bounds.operation_window_slots;
            let step = if self.rng.chance(50) {
                window + 1
            } else {
                self.rng.between(1, window)
            };
            self.slot = self.slot.saturating_add(step).min(slot_max);
            return self.slot;
        }
        if !self.rng.chance(self.shape.mix.slot_moves) {
            return self.slot;
        }
        let turn = (bounds.max_ttl_slots + 1).next_power_of_two();
        let window = bounds
            .operation_window_slots
            .max(bounds.history_window_slots);
        let step = match self.rng.below(40) {
            0 => turn * self.rng.between(1, 3) + self.rng.below(3),
            1 => window + self.rng.below(3),
            2 => return self.slot.saturating_sub(self.rng.between(1, 5)),
            3..8 => self.rng.between(1, bounds.max_ttl_slots),
            _ => self.rng.between(1, 2),
        };
        // Just beyond the bound now and then, where that is near.
        let slot = self.slot.saturating_add(step);
        let is_beyond = slot > slot_max && self.rng.below(8) == 0;
        self.slot = slot.min(slot_max);
        if is_beyond { slot } else { self.slot }
    }

    /// How many commands the next commit gets.
    pub fn commit_len(&mut self) -> u32 {
        self.rng.between_u32(1, self.shape.commit_len_max)
    }

    /// The limit of an `expire_due`.
    pub fn expire_limit(&mut self) -> u32 {
        let most = self.shape.bounds.max_expirations_per_tick;
        self.rng.between_u32(1, most)
    }

    /// Learns that a command was refused.
    pub fn observe_refusal(&mut self, rejection: &Rejection) {
        self.is_starved |= matches!(rejection, Rejection::OperationTableFull { .. });
    }

    /// Learns what a command was answered.
    pub fn observe(&mut self, command: &Command, applied: &Applied) {
        match applied.verdict {
            Verdict::Rejected(rejection) => self.observe_refusal(&rejection),
            Verdict::Outcome(outcome) => self.observe_outcome(command, &outcome),
            Verdict::Expired { .. } => {}
        }
    }

    fn observe_outcome(&mut self, command: &Command, outcome: &Outcome) {
        let Action::Reserve { holder_id, .. } = command.action else {
            return;
        };
        if outcome.code != Code::Done {
            return;
        }
        if self.recent.len() == RECENT_LEN {
            let index = self.rng.index(RECENT_LEN);
            self.recent.swap_remove(index);
        }
        self.recent.push((outcome.reservation_id, holder_id));
    }

    /// The next client command.
    pub fn next_command(&mut self, view: &impl View) -> Command {
        let mix = &self.shape.mix;
        let weights = [
            mix.create,
            mix.delete,
            mix.reserve,
            mix.confirm,
            mix.extend,
            mix.release,
            mix.revoke,
            mix.reclaim,
            mix.retry,
            mix.conflict,
            mix.reuse,
            mix.malformed,
        ];
        let kind = self.weighted(&weights);
        let command = match kind {
            8 => match self.rng.pick(&self.sent) {
                Some(sent) => return sent.clone(),
                None => self.fresh_of_kind(view, 0),
            },
            9 | 10 => self.reuse_id(view),
            11 => self.malformed(view),
            kind => self.fresh_of_kind(view, kind),
        };
        if self.sent.len() == SENT_LEN {
            let index = self.rng.index(SENT_LEN);
            self.sent[index] = command.clone();
        } else {
            self.sent.push(command.clone());
        }
        command
    }

    fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut left = self.rng.below(u64::from(total));
        for (index, &weight) in weights.iter().enumerate() {
            if left < u64::from(weight) {
                return index;
            }
            left -= u64::from(weight);
        }
        unreachable!("the draw lies below the sum")
    }

    fn fresh_of_kind(&mut self, view: &impl View, kind: usize) -> Command {
        let action = self.action(view, kind);
        self.fresh(action)
    }

    fn fresh(&mut self, action: Action) -> Command {
        let operation_id = self.next_operation;
        self.next_operation += 1;
        self.with_limit(Command::new(operation_id, action))
    }

    /// Gives one command in four a limit, rarely one that has passed or lies too far ahead.
    fn with_limit(&mut self, command: Command) -> Command {
        if !self.rng.chance(25) {
            return command;
        }
        let window = self.shape.bounds.operation_window_slots;
        let slot = self.slot;
        let until = match self.rng.below(20) {
            0 => slot.saturating_sub(1),
            1 => slot.saturating_add(window + 1),
            2 => slot.saturating_add(window),
            _ => slot.saturating_add(self.rng.between(0, window)),
        };
        command.until(until)
    }

    /// An id that was used, with whatever comes: a conflict while it is remembered, else a new
    /// life of the id.
    fn reuse_id(&mut self, view: &impl View) -> Command {
        let kind = self.rng.index(8);
        let action = self.action(view, kind);
        let sent = self.rng.pick(&self.sent);
        let operation_id = sent.map_or(1, |sent| sent.operation_id.max(1));
        self.with_limit(Command::new(operation_id, action))
    }

    fn action(&mut self, view: &impl View, kind: usize) -> Action {
        let wanted: &[R] = match kind {
            0 => {
                let resource_id = self.resource(|id| view.resource_state(id).is_none()).0;
                return Action::CreateResource { resource_id };
            }
            1 => {
                let resource_id = self.resource(|id| is_available(view, id)).0;
                return Action::DeleteResource { resource_id };
            }
            2 => return self.reserve(view),
            3 | 4 => &[R::Reserved],
            5 => &[R::Reserved, R::Confirmed],
            6 => &[R::Confirmed],
            _ => &[R::Revoking],
        };
        let (reservation_id, holder_id, suits) = self.reservation(view, wanted);
        if !suits && self.rng.chance(85) {
            return self.reserve(view);
        }
        match kind {
            3 => Action::Confirm {
                reservation_id,
                holder_id,
            },
            4 => Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots: self.ttl(),
            },
            5 => Action::Release {
                reservation_id,
                holder_id,
            },
            6 => Action::Revoke { reservation_id },
            _ => Action::Reclaim { reservation_id },
        }
    }

    /// A reserve of what is free; where nothing seems to be, more often something that frees or
    /// makes a resource.
    fn reserve(&mut self, view: &impl View) -> Action {
        let (first, suits) = self.resource(|id| is_available(view, id));
        if !suits && self.rng.chance(75) {
            let (resource_id, is_missing) = self.resource(|id| view.resource_state(id).is_none());
            if is_missing && self.rng.chance(60) {
                return Action::CreateResource { resource_id };
            }
            return self.end_something(view);
        }
        let most = u64::from(self.shape.bounds.max_bundle_len).min(self.shape.resource_ids);
        let len = if self.rng.chance(50) {
            1
        } else {
            self.rng.between(1, most)
        };
        let mut ids = std::mem::take(&mut self.bundle);
        ids.clear();
        ids.push(first);
        for _ in 1..len {
            let (id, suits) = self.resource(|id| !ids.contains(&id) && is_available(view, id));
            if !ids.contains(&id) && (suits || self.rng.chance(15)) {
                ids.push(id);
            }
        }
        let resource_ids = Bundle::from(&ids[..]);
        self.bundle = ids;
        Action::Reserve {
            resource_ids,
            holder_id: self.holder(),
            ttl_slots: self.ttl(),
        }
    }

    /// Whatever leads some live reservation towards its end.
    fn end_something(&mut self, view: &impl View) -> Action {
        let wanted = [R::Reserved, R::Confirmed, R::Revoking];
        let (reservation_id, holder_id, _) = self.reservation(view, &wanted);
        match view.reservation_state(reservation_id) {
            Some(R::Revoking) => Action::Reclaim { reservation_id },
            Some(R::Confirmed) if self.rng.chance(30) => Action::Revoke { reservation_id },
            _ => Action::Release {
                reservation_id,
                holder_id,
            },
        }
    }

    fn holder(&mut self) -> u128 {
        u128::from(self.rng.between(1, self.shape.holders))
    }

    fn ttl(&mut self) -> u64 {
        let most = self.shape.bounds.max_ttl_slots;
        // Equal deadlines are what the expiry order is about.
        if self.rng.chance(40) {
            most
        } else {
            self.rng.between(1, most)
        }
    }

    /// A resource id, after up to six tries one that suits, and whether it does.
    fn resource(&mut self, suits: impl Fn(u128) -> bool) -> (u128, bool) {
        let mut id = 0;
        for _ in 0..6 {
            id = resource_id(self.rng.between(1, self.shape.resource_ids));
            if suits(id) {
                return (id, true);
            }
        }
        (id, false)
    }

    /// A reservation, mostly in one of these states and with its holder, and whether it suits.
    fn reservation(&mut self, view: &impl View, wanted: &[R]) -> (u128, u128, bool) {
        let shard_id = self.shape.bounds.shard_id;
        if self.rng.chance(2) {
            // Any position of the log, or beyond it, or another shard's.
            let lsn = self.rng.between(1, view.last_lsn().saturating_add(3));
            let shard_id = shard_id ^ u64::from(self.rng.chance(20));
            return ((u128::from(shard_id) << 64) | u128::from(lsn), 1, true);
        }
        let mut choice = ((u128::from(shard_id) << 64) | 1, 1, false);
        for _ in 0..8 {
            let index = match self.recent.len() {
                0 => break,
                len => self.rng.index(len),
            };
            let (id, holder) = self.recent[index];
            choice = (id, holder, false);
            match view.reservation_state(id) {
                Some(state) if wanted.contains(&state) => {
                    choice.2 = true;
                    break;
                }
                // What is gone stays for a while, to be asked for in vain.
                None if self.rng.chance(50) => {
                    self.recent.swap_remove(index);
                }
                _ => {}
            }
        }
        if self.rng.chance(4) {
            choice.1 = choice.1.wrapping_add(1).max(1);
        }
        choice
    }

    /// What is refused for its form alone.
    fn malformed(&mut self, view: &impl View) -> Command {
        let bounds = self.shape.bounds;
        let first = self.resource(|id| is_available(view, id)).0;
        let (holder, ttl, ttl_max) = (self.holder(), self.ttl(), bounds.max_ttl_slots);
        let reserve = |ids: &[u128], holder_id, ttl_slots| Action::Reserve {
            resource_ids: Bundle::from(ids),
            holder_id,
            ttl_slots,
        };
        let action = match self.rng.below(12) {
            0 => Action::CreateResource { resource_id: 0 },
            1 => reserve(&[], holder, ttl),
            2 => {
                let many = u128::from(bounds.max_bundle_len) + 1;
                let ids: Vec<u128> = (1..=many).collect();
                reserve(&ids, holder, 0)
            }
            3 if bounds.max_bundle_len > 1 => reserve(&[first, first], holder, ttl_max + 1),
            4 => reserve(&[first], holder, 0),
            5 => reserve(&[first], holder, ttl_max + 1),
            6 => reserve(&[first], 0, ttl),
            7 => Action::Extend {
                reservation_id: 9,
                holder_id: holder,
                ttl_slots: ttl_max + 1,
            },
            8 => Action::Release {
                reservation_id: 9,
                holder_id: 0,
            },
            9 => Action::Reclaim { reservation_id: 0 },
            10 => reserve(&[0], holder, ttl),
            _ => return Command::new(0, reserve(&[first], holder, ttl)),
        };
        self.fresh(action)
    }
}

fn is_available(view: &impl View, id: u128) -> bool {
    view.resource_state(id) == Some(ResourceState::Available)
}

/// The id of the resource with this number: spread over both halves, as a UUID is.
#[must_use]
pub fn resource_id(number: u64) -> u128 {
    let number = u128::from(number);
    (number << 64) | ((number * 0x9E37_79B9) & 0xFFFF_FFFF)
}
