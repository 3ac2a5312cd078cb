//! Histories: a [`Shape`] says what kind of database and what mix of commands, a [`Generator`]
//! draws commands and slots for it.

use super::{OwnedAction, OwnedCommand, Rng};
use allocdb_core::state::{Filter, Lookup, ReservationState, ResourceState};
use allocdb_core::{
    Applied, Config, HolderId, Outcome, Rejection, ReservationId, ResourceId, ResultCode, Slot,
    State, Verdict,
};
use proptest::prelude::*;

/// What a history is like; the seed decides the rest.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) config: Config,
    pub(crate) mix: Mix,
    /// How many resource ids there are, more than the table holds at times.
    pub(crate) resource_ids: u64,
    pub(crate) holders: u64,
    /// Whether the history begins just below the greatest slot.
    pub(crate) is_late: bool,
    pub(crate) commit_len_max: u64,
    pub(crate) commands: usize,
    pub(crate) seed: u64,
}

/// Weights of what is drawn next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) create: u32,
    pub(crate) delete: u32,
    pub(crate) reserve: u32,
    pub(crate) confirm: u32,
    pub(crate) extend: u32,
    pub(crate) release: u32,
    pub(crate) revoke: u32,
    pub(crate) reclaim: u32,
    /// The same command again.
    pub(crate) retry: u32,
    /// A remembered id with another command.
    pub(crate) conflict: u32,
    /// An id whose window has passed.
    pub(crate) reuse: u32,
    /// A form that no database accepts.
    pub(crate) malformed: u32,
    /// How often, in percent, the slot moves between commits.
    pub(crate) slot_moves: u64,
}

fn configs() -> impl Strategy<Value = Config> {
    let roomy = (4u32..=32, 4u32..=48, 32u32..=256);
    let tight = (1u32..=24, 1u32..=24, 1u32..=48);
    let tiny = (1u32..=4, 1u32..=4, 1u32..=4);
    let tables = prop_oneof![3 => roomy, 2 => tight, 2 => tiny];
    let windows = prop_oneof![
        (1u64..=4, 1u64..=3, 1u64..=3),
        (1u64..=40, 1u64..=12, 1u64..=12),
        (60u64..=200, 1u64..=90, 1u64..=90),
    ];
    let bounds = (1u32..=5, 1u32..=3, 1u32..=4, any::<bool>());
    (tables, windows, bounds, any::<u64>()).prop_map(|(tables, windows, bounds, seed)| {
        let (max_resources, max_reservations, max_operations) = tables;
        let (max_ttl_slots, operation_window_slots, history_window_slots) = windows;
        let (bundle_len, bucket_len, expirations, bucket_is_wide) = bounds;
        let bucket_len = if bucket_is_wide {
            max_reservations
        } else {
            bucket_len
        };
        Config {
            database_id: 1,
            shard_id: seed >> 32,
            hash_seed: seed,
            slot_duration_ms: 1000,
            max_ttl_slots,
            operation_window_slots,
            history_window_slots,
            max_resources,
            max_reservations,
            max_operations,
            max_bundle_len: bundle_len,
            max_expiration_bucket_len: bucket_len.min(max_reservations),
            max_expirations_per_tick: expirations,
        }
    })
}

fn mixes() -> impl Strategy<Value = Mix> {
    let lives = (1u32..=6, 1u32..=8, 6u32..=30, 1u32..=12, 0u32..=12);
    let ends = (1u32..=12, 0u32..=6, 0u32..=8);
    let again = (0u32..=6, 0u32..=3, 0u32..=5, 0u32..=2, 5u64..=70);
    (lives, ends, again).prop_map(|(lives, ends, again)| Mix {
        create: lives.0 + 2,
        delete: lives.1.min(3),
        reserve: lives.2,
        confirm: lives.3,
        extend: lives.4,
        release: ends.0,
        revoke: ends.1,
        reclaim: ends.2,
        retry: again.0,
        conflict: again.1,
        reuse: again.2,
        malformed: again.3,
        slot_moves: again.4,
    })
}

/// Shapes whose histories have up to `commands` commands.
pub(crate) fn shapes(commands: usize) -> impl Strategy<Value = Shape> {
    let people = (1u64..=30, 1u64..=4, 1u64..=12, 0u32..10);
    let length = commands / 2..=commands;
    let seed = any::<u64>().no_shrink();
    (configs(), mixes(), people, length, seed).prop_map(|(config, mix, people, commands, seed)| {
        Shape {
            config,
            mix,
            resource_ids: people.0,
            holders: people.1,
            is_late: people.3 == 0,
            commit_len_max: people.2,
            commands,
            seed,
        }
    })
}

/// Draws a history's commands and slots.
#[derive(Debug)]
pub(crate) struct Generator {
    pub(crate) rng: Rng,
    pub(crate) slot: u64,
    shape: Shape,
    next_operation: u128,
    /// Reservations given out lately, with their holders.
    recent: Vec<(ReservationId, HolderId)>,
    /// Commands drawn lately, for retries, conflicts and reuse.
    sent: Vec<OwnedCommand>,
    /// The operation table was full: only time helps.
    is_starved: bool,
}

const RECENT_LEN: usize = 48;
const SENT_LEN: usize = 96;

impl Generator {
    pub(crate) fn new(shape: &Shape) -> Self {
        let slot = if shape.is_late {
            shape.config.slot_max().0 - 300
        } else {
            0
        };
        Self {
            rng: Rng::new(shape.seed),
            slot,
            shape: shape.clone(),
            next_operation: 1,
            recent: Vec::new(),
            sent: Vec::new(),
            is_starved: false,
        }
    }

    /// Goes on from a state that another history left.
    pub(crate) fn adopt(&mut self, state: &State) {
        self.slot = state.last_slot().0;
        let recent = &mut self.recent;
        state.list_reservations(&Filter::default(), 0, RECENT_LEN, |row| {
            recent.push((row.reservation_id, row.holder_id));
        });
    }

    /// The slot of the next commit as some host would give it: mostly a little later, at times
    /// far beyond a turn of the wheel, at times back.
    pub(crate) fn next_slot(&mut self) -> u64 {
        let config = &self.shape.config;
        let turn = (config.max_ttl_slots + 1).next_power_of_two();
        let is_starved = std::mem::take(&mut self.is_starved) && self.rng.chance(80);
        if is_starved {
            let step = self.rng.between(1, config.operation_window_slots);
            self.slot = self.slot.saturating_add(step).min(config.slot_max().0);
            return self.slot;
        }
        if !self.rng.chance(self.shape.mix.slot_moves) {
            return self.slot;
        }
        let step = match self.rng.below(40) {
            0 => turn * self.rng.between(1, 3) + self.rng.below(3),
            1 => {
                config
                    .operation_window_slots
                    .max(config.history_window_slots)
                    + self.rng.below(3)
            }
            2 => return self.slot.saturating_sub(self.rng.between(1, 5)),
            3..8 => self.rng.between(1, config.max_ttl_slots),
            _ => self.rng.between(1, 2),
        };
        self.slot = match self.rng.below(8) {
            // Just beyond the bound, where that is near.
            0 => self.slot.saturating_add(step),
            _ => self.slot.saturating_add(step).min(config.slot_max().0),
        };
        let slot = self.slot;
        self.slot = slot.min(config.slot_max().0);
        slot
    }

    /// How many commands the next commit gets.
    pub(crate) fn commit_len(&mut self) -> u64 {
        self.rng.between(1, self.shape.commit_len_max)
    }

    /// The limit of an `expire_due`.
    pub(crate) fn expire_limit(&mut self) -> u32 {
        let most = self.shape.config.max_expirations_per_tick;
        u32::try_from(self.rng.between(1, most.into())).expect("at most a u32")
    }

    /// Learns that a command was refused.
    pub(crate) fn observe_refusal(&mut self, rejection: &Rejection) {
        self.is_starved |= matches!(rejection, Rejection::OperationTableFull { .. });
    }

    /// Learns what a command was answered.
    pub(crate) fn observe(&mut self, command: &OwnedCommand, applied: &Applied) {
        if let Verdict::Rejected(rejection) = applied.verdict {
            self.observe_refusal(&rejection);
        }
        let OwnedAction::Reserve(_, holder_id, _) = command.action else {
            return;
        };
        if let Verdict::Outcome(Outcome {
            code: ResultCode::Done,
            reservation_id,
            ..
        }) = applied.verdict
        {
            if self.recent.len() == RECENT_LEN {
                let index = self.rng.index(RECENT_LEN);
                self.recent.swap_remove(index);
            }
            self.recent.push((reservation_id, holder_id));
        }
    }

    /// The next client command.
    pub(crate) fn next_command(&mut self, state: &State) -> OwnedCommand {
        let mix = self.shape.mix;
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
            8 => self.again(state),
            9 | 10 => self.reuse_id(state),
            11 => self.malformed(state),
            kind => {
                let action = self.action(state, kind);
                self.fresh(action)
            }
        };
        if self.sent.len() == SENT_LEN {
            let index = self.rng.index(SENT_LEN);
            self.sent.swap_remove(index);
        }
        self.sent.push(command.clone());
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

    fn fresh(&mut self, action: OwnedAction) -> OwnedCommand {
        let operation_id = self.next_operation;
        self.next_operation += 1;
        let command = OwnedCommand::new(operation_id, action);
        self.with_limit(command)
    }

    /// Gives one command in four a limit, rarely one that has passed or lies too far ahead.
    fn with_limit(&mut self, command: OwnedCommand) -> OwnedCommand {
        if !self.rng.chance(25) {
            return command;
        }
        let window = self.shape.config.operation_window_slots;
        let slot = self.slot;
        let until = match self.rng.below(20) {
            0 => slot.saturating_sub(1),
            1 => slot.saturating_add(window + 1),
            2 => slot.saturating_add(window),
            _ => slot.saturating_add(self.rng.between(0, window)),
        };
        command.until(until)
    }

    fn again(&mut self, state: &State) -> OwnedCommand {
        match self.rng.pick(&self.sent) {
            Some(sent) => sent.clone(),
            None => self.create(state),
        }
    }

    /// An id that was used, with whatever comes: a conflict while it is remembered, else a new
    /// life of the id.
    fn reuse_id(&mut self, state: &State) -> OwnedCommand {
        let kind = self.rng.index(8);
        let action = self.action(state, kind);
        let operation_id = self
            .rng
            .pick(&self.sent)
            .map_or(1, |sent| sent.operation_id.0);
        let command = OwnedCommand::new(operation_id.max(1), action);
        self.with_limit(command)
    }

    fn create(&mut self, state: &State) -> OwnedCommand {
        let action = self.action(state, 0);
        self.fresh(action)
    }

    fn action(&mut self, state: &State, kind: usize) -> OwnedAction {
        use ReservationState as R;
        let wanted: &[R] = match kind {
            0 => return OwnedAction::Create(self.resource(|r| state.resource(r).is_none()).0),
            1 => return OwnedAction::Delete(self.resource(|r| is_available(state, r)).0),
            2 => return self.reserve(state),
            3 | 4 => &[R::Reserved],
            5 => &[R::Reserved, R::Confirmed],
            6 => &[R::Confirmed],
            _ => &[R::Revoking],
        };
        let (id, holder, suits) = self.reservation(state, wanted);
        if !suits && self.rng.chance(85) {
            return self.reserve(state);
        }
        match kind {
            3 => OwnedAction::Confirm(id, holder),
            4 => OwnedAction::Extend(id, holder, self.ttl()),
            5 => OwnedAction::Release(id, holder),
            6 => OwnedAction::Revoke(id),
            _ => OwnedAction::Reclaim(id),
        }
    }

    /// A reserve of what is free; where nothing seems to be, more often something that frees or
    /// makes a resource.
    fn reserve(&mut self, state: &State) -> OwnedAction {
        let (first, suits) = self.resource(|r| is_available(state, r));
        if !suits && self.rng.chance(75) {
            let (missing, is_missing) = self.resource(|r| state.resource(r).is_none());
            if is_missing && self.rng.chance(60) {
                return OwnedAction::Create(missing);
            }
            return self.end_something(state);
        }
        let most = u64::from(self.shape.config.max_bundle_len).min(self.shape.resource_ids);
        let len = if self.rng.chance(50) {
            1
        } else {
            self.rng.between(1, most)
        };
        let mut ids = vec![first.0];
        for _ in 1..len {
            let suits = |r: ResourceId| is_available(state, r) && !ids.contains(&r.0);
            let (id, suits) = self.resource(suits);
            if !ids.contains(&id.0) && (suits || self.rng.chance(15)) {
                ids.push(id.0);
            }
        }
        OwnedAction::Reserve(super::bundle(&ids), self.holder(), self.ttl())
    }

    /// Whatever leads some live reservation towards its end.
    fn end_something(&mut self, state: &State) -> OwnedAction {
        use ReservationState as R;
        let (id, holder, _) = self.reservation(state, &[R::Reserved, R::Confirmed, R::Revoking]);
        match state.reservation(id) {
            Lookup::Found(row) if row.state == R::Revoking => OwnedAction::Reclaim(id),
            Lookup::Found(row) if row.state == R::Confirmed && self.rng.chance(30) => {
                OwnedAction::Revoke(id)
            }
            _ => OwnedAction::Release(id, holder),
        }
    }

    fn holder(&mut self) -> HolderId {
        HolderId(u128::from(self.rng.between(1, self.shape.holders)))
    }

    fn ttl(&mut self) -> u64 {
        let most = self.shape.config.max_ttl_slots;
        // Equal deadlines are what the expiry order is about.
        if self.rng.chance(40) {
            most
        } else {
            self.rng.between(1, most)
        }
    }

    /// A resource id, after up to six tries one that suits, and whether it does.
    fn resource(&mut self, suits: impl Fn(ResourceId) -> bool) -> (ResourceId, bool) {
        let mut id = ResourceId(0);
        for _ in 0..6 {
            id = resource_id(self.rng.between(1, self.shape.resource_ids));
            if suits(id) {
                return (id, true);
            }
        }
        (id, false)
    }

    /// A reservation, mostly in one of these states and with its holder, and whether it suits.
    fn reservation(
        &mut self,
        state: &State,
        wanted: &[ReservationState],
    ) -> (ReservationId, HolderId, bool) {
        let shard_id = self.shape.config.shard_id;
        if self.rng.chance(2) {
            // Any position of the log, or beyond it, or another shard's.
            let lsn = self.rng.between(1, state.last_lsn().0.saturating_add(3));
            let shard_id = shard_id ^ u64::from(self.rng.chance(20));
            let id = (u128::from(shard_id) << 64) | u128::from(lsn);
            return (ReservationId(id), HolderId(1), true);
        }
        let mut choice = (
            ReservationId((u128::from(shard_id) << 64) | 1),
            HolderId(1),
            false,
        );
        for _ in 0..8 {
            let index = match self.recent.len() {
                0 => break,
                len => self.rng.index(len),
            };
            let (id, holder) = self.recent[index];
            choice = (id, holder, false);
            match state.reservation(id) {
                Lookup::Found(row) if wanted.contains(&row.state) => {
                    choice.2 = true;
                    break;
                }
                // What is gone stays for a while, to be asked for in vain.
                Lookup::Retired if self.rng.chance(50) => {
                    self.recent.swap_remove(index);
                }
                _ => {}
            }
        }
        if self.rng.chance(4) {
            choice.1 = HolderId(choice.1.0.wrapping_add(1).max(1));
        }
        choice
    }

    /// What is refused for its form alone.
    fn malformed(&mut self, state: &State) -> OwnedCommand {
        let config = self.shape.config;
        let first = self.resource(|r| is_available(state, r)).0.0.to_le_bytes();
        let (ids, holder, ttl) = (vec![first], self.holder(), self.ttl());
        let many = u128::from(config.max_bundle_len) + 1;
        let (any, ttl_max) = (ReservationId(9), config.max_ttl_slots);
        let action = match self.rng.below(12) {
            0 => OwnedAction::Create(ResourceId(0)),
            1 => OwnedAction::Reserve(vec![], holder, ttl),
            2 => {
                let ids: Vec<u128> = (1..=many).collect();
                OwnedAction::Reserve(super::bundle(&ids), holder, 0)
            }
            3 if config.max_bundle_len > 1 => {
                OwnedAction::Reserve(vec![first, first], holder, ttl_max + 1)
            }
            4 => OwnedAction::Reserve(ids, holder, 0),
            5 => OwnedAction::Reserve(ids, holder, ttl_max + 1),
            6 => OwnedAction::Reserve(ids, HolderId(0), ttl),
            7 => OwnedAction::Extend(any, holder, ttl_max + 1),
            8 => OwnedAction::Release(any, HolderId(0)),
            9 => OwnedAction::Reclaim(ReservationId(0)),
            10 => OwnedAction::Reserve(super::bundle(&[0]), holder, ttl),
            _ => return OwnedCommand::new(0, OwnedAction::Reserve(ids, holder, ttl)),
        };
        self.fresh(action)
    }
}

fn is_available(state: &State, resource_id: ResourceId) -> bool {
    let row = state.resource(resource_id);
    row.is_some_and(|row| row.state == ResourceState::Available)
}

/// A commit's slot: the engine takes the later of what was given and what was applied.
pub(crate) fn commit_slot(state: &State, slot: u64) -> Slot {
    state.last_slot().max(Slot(slot))
}

/// The id of the resource with this number: spread over both halves, as a UUID is.
pub(crate) fn resource_id(number: u64) -> ResourceId {
    let number = u128::from(number);
    ResourceId((number << 64) | ((number * 0x9E37_79B9) & 0xFFFF_FFFF))
}
