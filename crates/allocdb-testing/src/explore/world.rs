//! A path lived: the pair that its acts lead to, and what was seen at the last of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use allocdb_core::state::Filter;

use super::act::{Act, Made, UNLIMITED, Whose};
use crate::model::{
    Action, Applied, Bounds, Bundle, Code, Command, Lookup, Rejection, ReservationState as R,
    ResourceState, Verdict,
};
use crate::pair::{Pair, Terms};

/// A law that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// Every answer and every read is the model's, and no resource has two owners.
    Answers,
    /// R79 to R83, R86: every invariant, every count, and the witness's account.
    Invariants,
    /// R85: the last snapshot and the records since give what was lived, to the byte.
    Replay,
    /// R68: whatever comes is answered; no assertion fails.
    Total,
}

/// What went wrong at a path's end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// What does not hold.
    pub law: Law,
    /// How that shows.
    pub text: String,
}

/// What an exploration must come across.
pub const SIGHTS: [&str; 40] = [
    "done",
    "resource_exists",
    "resource_table_full",
    "resource_not_found",
    "resource_busy",
    "reservation_table_full",
    "expiration_index_full",
    "reservation_not_found",
    "reservation_retired",
    "holder_mismatch",
    "invalid_state",
    "a resource available",
    "a resource reserved",
    "a resource confirmed",
    "a resource revoking",
    "a reservation reserved",
    "a reservation confirmed",
    "a reservation revoking",
    "a reservation released",
    "a reservation expired",
    "a reservation revoked",
    "a reservation retired",
    "a retry",
    "operation_conflict",
    "operation_expired",
    "operation_table_full",
    "an id used again after its window",
    "a bundle",
    "a bundle refused by its second",
    "a deadline moved",
    "a deadline kept",
    "one expires of two that are due",
    "two expire",
    "an expiry of nothing",
    "confirmed after its deadline",
    "a crash behind a snapshot",
    "a crash with a hold",
    "a crash in front of an expiry",
    "a commit admitted in part",
    "an owner after an expiry",
];

/// A set of [`SIGHTS`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Sighting(pub u64);

impl Sighting {
    fn note(&mut self, name: &str) {
        let bit = SIGHTS.iter().position(|sight| *sight == name);
        self.0 |= 1 << bit.expect("a sight of the list");
    }

    fn note_number(&mut self, number: usize) {
        self.0 |= 1 << number;
    }
}

/// The pair at a path's end.
pub(super) struct World {
    pair: Pair,
    slot: u64,
    /// Ids and holders of the reservations made.
    made: Vec<(u128, u128)>,
    /// The last command that was done.
    last_done: Option<Command>,
    /// All ids sent.
    sent: Vec<u128>,
    has_snapshot: bool,
    has_crashed: bool,
    has_expired: bool,
    pub(super) seen: Sighting,
}

const CROWD_LEN: u32 = 6;
/// What no act does.
const OTHER: Action = Action::DeleteResource { resource_id: 4 };
const RESOURCES: u128 = 2;
/// No shard is called so.
const NEVER_MADE: u128 = 0x99 << 64 | 0x99;

impl World {
    /// Two resources that are there already.
    fn new(bounds: &Bounds) -> Result<Self, String> {
        let terms = Terms {
            bounds: *bounds,
            hash_seed: 7,
            flaw: None,
            is_replayed: true,
            commit_len_max: CROWD_LEN,
        };
        let mut world = Self {
            pair: Pair::new(&terms),
            slot: 0,
            made: Vec::new(),
            last_done: None,
            sent: Vec::new(),
            has_snapshot: false,
            has_crashed: false,
            has_expired: false,
            seen: Sighting::default(),
        };
        for resource_id in 1..=RESOURCES {
            let command = Command::new(1000 + resource_id, Action::CreateResource { resource_id });
            world.pair.apply(0, &command)?;
        }
        world.slot = bounds.operation_window_slots + 1;
        Ok(world)
    }

    /// Lives a path; the world at its end, or what went wrong. `None` if its last act names what
    /// is not there.
    pub(super) fn lived(bounds: &Bounds, path: &[Act]) -> Option<Result<Self, Fault>> {
        let run = || {
            let answers = |text| Fault {
                law: Law::Answers,
                text,
            };
            let mut world = Self::new(bounds).map_err(answers)?;
            for act in path {
                world.seen = Sighting::default();
                if !world.act(*act)? {
                    return Ok(None);
                }
            }
            world.judge()?;
            Ok(Some(world))
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(lived) => lived.transpose(),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                let text = text.unwrap_or_else(|| "a panic".into());
                let law = Law::Total;
                Some(Err(Fault { law, text }))
            }
        }
    }

    /// Whether the act could be done.
    fn act(&mut self, act: Act) -> Result<bool, Fault> {
        let answers = |text| Fault {
            law: Law::Answers,
            text,
        };
        let replay = |text| Fault {
            law: Law::Replay,
            text,
        };
        match act {
            Act::Wait(slots) => self.slot += u64::from(slots),
            Act::Checkpoint => {
                self.pair.checkpoint();
                self.has_snapshot = true;
            }
            Act::Crash => {
                self.pair.crash().map_err(replay)?;
                self.note_crash();
            }
            Act::Crowd => self.crowd().map_err(answers)?,
            Act::Expire(limit) => {
                let most = self.pair.model().bounds().max_expirations_per_tick;
                let limit = u32::from(limit);
                if limit > most {
                    return Ok(false);
                }
                self.apply(&Command::expire(limit)).map_err(answers)?;
            }
            _ => {
                let Some(command) = self.command(act) else {
                    return Ok(false);
                };
                self.apply(&command).map_err(answers)?;
                self.probe(&command).map_err(answers)?;
            }
        }
        Ok(true)
    }

    fn command(&self, act: Act) -> Option<Command> {
        let id = self.sent.len() as u128 + 1;
        let made = |made: Made| {
            let ago = 1 + usize::from(made == Made::Before);
            self.made.get(self.made.len().checked_sub(ago)?).copied()
        };
        let whose = |holder: u128, whose: Whose| match whose {
            Whose::Own => holder,
            Whose::Foreign => 3 - holder,
        };
        let action = match act {
            Act::Create(number) => Action::CreateResource {
                resource_id: number.into(),
            },
            Act::Delete(number) => Action::DeleteResource {
                resource_id: number.into(),
            },
            Act::Reserve { .. } => return Some(self.reserve(id, act)),
            Act::Confirm(which, who) => {
                let (reservation_id, holder) = made(which)?;
                Action::Confirm {
                    reservation_id,
                    holder_id: whose(holder, who),
                }
            }
            Act::Extend(which, ttl) => {
                let (reservation_id, holder_id) = made(which)?;
                Action::Extend {
                    reservation_id,
                    holder_id,
                    ttl_slots: ttl.into(),
                }
            }
            Act::Release(which, who) => {
                let (reservation_id, holder) = made(which)?;
                Action::Release {
                    reservation_id,
                    holder_id: whose(holder, who),
                }
            }
            Act::Revoke(which) => Action::Revoke {
                reservation_id: made(which)?.0,
            },
            // Where nothing was made yet, somebody asks for what was never there.
            Act::Reclaim(Made::Last) => Action::Reclaim {
                reservation_id: made(Made::Last).map_or(NEVER_MADE, |made| made.0),
            },
            Act::Reclaim(which) => Action::Reclaim {
                reservation_id: made(which)?.0,
            },
            Act::Retry => return self.last_done.clone(),
            Act::Conflict => {
                let operation_id = self.last_done.as_ref()?.operation_id;
                return Some(Command::new(operation_id, OTHER));
            }
            _ => return None,
        };
        Some(Command::new(id, action))
    }

    fn reserve(&self, operation_id: u128, act: Act) -> Command {
        let Act::Reserve {
            first,
            second,
            holder,
            ttl,
            limit,
        } = act
        else {
            unreachable!("asked for reserves only");
        };
        let ids = [u128::from(first), u128::from(second)];
        let action = Action::Reserve {
            resource_ids: Bundle::from(&ids[..=usize::from(second != 0)]),
            holder_id: holder.into(),
            ttl_slots: ttl.into(),
        };
        let command = Command::new(operation_id, action);
        match limit {
            UNLIMITED => command,
            slots => command.until(self.slot + u64::from(slots)),
        }
    }

    /// Asks for one place more than there is, where there are few; else takes more than one command
    /// takes back. R31, R66
    fn crowd(&mut self) -> Result<(), String> {
        let first = 500 + u128::from(self.pair.model().last_lsn()) * 10;
        let places = self.pair.model().bounds().max_operations;
        let count = u128::from(places.min(CROWD_LEN - 1) + 1);
        let crowd = |index| Command::new(first + index, Action::CreateResource { resource_id: 9 });
        let commands: Vec<Command> = (0..count).map(crowd).collect();
        let (mut applied, mut refused) = (0, 0);
        let learn = |_: &Command, said: &Applied| match said.verdict {
            Verdict::Rejected(_) => refused += 1,
            _ => applied += 1,
        };
        self.pair.commit(self.slot, None, &commands, learn)?;
        if applied > 0 && refused > 0 {
            self.seen.note("a commit admitted in part");
        }
        Ok(())
    }

    fn apply(&mut self, command: &Command) -> Result<(), String> {
        let deadline = self.deadline_of(command);
        let is_again = self.sent.contains(&command.operation_id);
        if command.operation_id != 0 {
            self.sent.push(command.operation_id);
        }
        let backlog = self.pair.model().backlog(self.slot);
        let applied = self.pair.apply(self.slot, command)?;
        match applied.verdict {
            Verdict::Rejected(rejection) => match rejection {
                Rejection::OperationConflict { .. } => self.seen.note("operation_conflict"),
                Rejection::OperationExpired { .. } => self.seen.note("operation_expired"),
                Rejection::OperationTableFull { .. } => self.seen.note("operation_table_full"),
                _ => {}
            },
            Verdict::Expired { count } => {
                self.has_expired |= count > 0;
                match count {
                    0 => self.seen.note("an expiry of nothing"),
                    1 if backlog > 1 => self.seen.note("one expires of two that are due"),
                    2 => self.seen.note("two expire"),
                    _ => {}
                }
                if count > 0 && self.has_crashed {
                    self.seen.note("a crash in front of an expiry");
                }
            }
            Verdict::Outcome(outcome) if outcome.from_retry_cache => self.seen.note("a retry"),
            Verdict::Outcome(outcome) => {
                self.seen.note_number(outcome.code as usize);
                if is_again {
                    self.seen.note("an id used again after its window");
                }
                self.note_outcome(command, outcome.code, outcome.failed_index, deadline);
                if outcome.code == Code::Done {
                    self.last_done = Some(command.clone());
                }
                if let Action::Reserve { holder_id, .. } = command.action
                    && outcome.code == Code::Done
                {
                    self.made.push((outcome.reservation_id, holder_id));
                }
            }
        }
        Ok(())
    }

    /// Whatever the answer was, the same again and another under its id are judged as they must
    /// be: now, at the window's end, and behind it. A pure read, so nothing follows from it.
    fn probe(&mut self, command: &Command) -> Result<(), String> {
        let window = self.pair.model().bounds().operation_window_slots;
        let other = Command::new(command.operation_id, OTHER);
        for slot in [self.slot, self.slot + window, self.slot + window + 1] {
            self.pair.judge(slot, command)?;
            self.pair.judge(slot, &other)?;
        }
        Ok(())
    }

    fn deadline_of(&self, command: &Command) -> u64 {
        let mut action = command.action.clone();
        let id = action.reservation_id_mut().map_or(0, |id| *id);
        match self.pair.model().reservation(id) {
            Lookup::Found(row) => row.deadline_slot,
            _ => 0,
        }
    }

    fn note_outcome(&mut self, command: &Command, code: Code, index: Option<u32>, deadline: u64) {
        if index == Some(1) {
            self.seen.note("a bundle refused by its second");
        }
        if code != Code::Done {
            return;
        }
        match &command.action {
            Action::Reserve { resource_ids, .. } => {
                if resource_ids.len() > 1 {
                    self.seen.note("a bundle");
                }
                if self.has_expired {
                    self.seen.note("an owner after an expiry");
                }
            }
            Action::Confirm { .. } if deadline <= self.slot => {
                self.seen.note("confirmed after its deadline");
            }
            Action::Extend { .. } if self.deadline_of(command) > deadline => {
                self.seen.note("a deadline moved");
            }
            Action::Extend { .. } => self.seen.note("a deadline kept"),
            _ => {}
        }
    }

    fn note_crash(&mut self) {
        self.has_crashed = true;
        if self.has_snapshot {
            self.seen.note("a crash behind a snapshot");
        }
        if self.pair.model().expiring() > 0 {
            self.seen.note("a crash with a hold");
        }
    }

    /// Everything at once. R79 to R86
    fn judge(&mut self) -> Result<(), Fault> {
        self.pair.check_whole().map_err(|text| Fault {
            law: Law::Invariants,
            text,
        })?;
        self.pair.replayed().map_err(|text| Fault {
            law: Law::Replay,
            text,
        })?;
        for row in self.pair.model().resources() {
            self.seen.note(match row.state {
                ResourceState::Available => "a resource available",
                ResourceState::Reserved => "a resource reserved",
                ResourceState::Confirmed => "a resource confirmed",
                ResourceState::Revoking => "a resource revoking",
            });
        }
        for (id, _) in &self.made {
            self.seen.note(match self.pair.model().reservation(*id) {
                Lookup::Found(row) => match row.state {
                    R::Reserved => "a reservation reserved",
                    R::Confirmed => "a reservation confirmed",
                    R::Revoking => "a reservation revoking",
                    R::Released => "a reservation released",
                    R::Expired => "a reservation expired",
                    R::Revoked => "a reservation revoked",
                },
                _ => "a reservation retired",
            });
        }
        Ok(())
    }

    /// What makes it the same as another: what it answers, what its acts name, how the core's
    /// memory lies.
    pub(super) fn identity(&self) -> u128 {
        let model = self.pair.model();
        let last = self.last_done.as_ref();
        let mut shape = model.shape(last.map_or(0, |command| command.operation_id));
        shape.push(self.slot - model.last_slot());
        shape.push(u64::from(self.has_crashed) << 1 | u64::from(self.has_snapshot));
        // By rank, what the acts name: reservations, and operations with their limits.
        let rank = |id: u128| {
            model
                .reservations()
                .filter(|r| r.reservation_id <= id)
                .count()
        };
        for (id, holder) in self.made.iter().rev().take(2) {
            let is_retired = model.reservation_state(*id).is_none();
            shape.extend([
                rank(*id) as u64,
                u64::from(is_retired),
                u64::from(*holder == 1),
            ]);
        }
        if let Some(command) = last {
            let mut action = command.action.clone();
            if let Some(named) = action.reservation_id_mut() {
                *named = rank(*named) as u128;
            }
            let mut hasher = DefaultHasher::new();
            action.hash(&mut hasher);
            let limit = command.valid_until_slot;
            let ahead = if limit == 0 {
                99
            } else {
                (limit + 9).saturating_sub(self.slot)
            };
            let is_kept = model.operation(command.operation_id).is_some();
            shape.extend([hasher.finish(), ahead, u64::from(is_kept)]);
        }
        let state = self.pair.state();
        let everything = Filter::default();
        let mut layout = Vec::new();
        state.list_resources(&everything, 0, usize::MAX, |row| {
            layout.push(row.resource_id.0);
        });
        state.list_reservations(&everything, 0, usize::MAX, |row| {
            layout.push(rank(row.reservation_id.0) as u128);
        });
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            (salt, &shape, &layout).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(1) << 64 | half(2)
    }

    pub(super) fn commands(&self) -> u64 {
        self.pair.tally.commands
    }
}
