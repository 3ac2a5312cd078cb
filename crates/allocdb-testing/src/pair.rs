//! The core's state and the model side by side, every answer compared.
//!
//! Each command goes to both; answers must be equal to the last field, and so must what can be
//! read afterwards of the ids that the command touched. Now and then everything is compared:
//! listings page by page under a filter, counts, every invariant, and the witness's account. A
//! restart writes the state as a snapshot and goes on from what is read back; in some histories
//! the commands since the last one are also replayed from their records, onto the snapshot before,
//! and must give the same bytes (R85). Now and then a snapshot is written in slices while commands
//! go on, and must be of the moment at which it began. Rejected: comparing all reads after every
//! command, as a first version did, which is twenty times slower and has not found anything that
//! this misses.

use allocdb_core::codec::{decode_record, encode_record, record_len};
use allocdb_core::snapshot::{self, Overrides};
use allocdb_core::state::{Acceptance, Filter};
use allocdb_core::{HolderId, Lsn, OperationId, ReservationId, ResourceId, Slot, State};

use crate::bridge::{self, BundleBytes};
use crate::model::{
    Action, Admission, Applied, Bounds, Command, Commit, Flaw, Model, Reservation, Resource,
    Verdict,
};
use crate::random::Rng;
use crate::sliced::Sliced;
use crate::tally::Tally;
use crate::witness::Witness;

const LISTINGS_EVERY: u64 = 256;
const INVARIANTS_EVERY: u64 = 512;
const SLICED_EVERY: u64 = 192;
const RECENT_LEN: usize = 16;

/// What a pair is made for.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The database's bounds.
    pub bounds: Bounds,
    /// Its hashes' seed.
    pub hash_seed: u64,
    /// A wrong rule for the model.
    pub flaw: Option<Flaw>,
    /// Whether the records are kept and replayed at each restart.
    pub is_replayed: bool,
    /// The most commands in a commit.
    pub commit_len_max: u32,
}

/// The records since a snapshot.
#[derive(Debug, Default)]
struct Log {
    image: Vec<u8>,
    records: Vec<u8>,
    steps: Vec<(Slot, allocdb_core::Applied)>,
}

/// The state and the model.
#[derive(Debug)]
pub struct Pair {
    state: State,
    model: Model,
    witness: Witness,
    /// What was done so far.
    pub tally: Tally,
    acceptance: Acceptance,
    commit: Commit,
    admitted: Vec<bool>,
    bundle: BundleBytes,
    log: Option<Log>,
    image: Vec<u8>,
    /// A snapshot that is being written in slices.
    sliced: Option<Sliced>,
    recent: [u128; RECENT_LEN],
    recent_at: usize,
    applied_count: u64,
    rng: Rng,
}

fn differ<T: core::fmt::Debug>(what: &str, found: &T, expected: &T) -> String {
    format!("{what}: {found:?}, the model says {expected:?}")
}

fn compare<T>(what: &str, found: &T, expected: &T) -> Result<(), String>
where
    T: PartialEq + core::fmt::Debug,
{
    if found == expected {
        Ok(())
    } else {
        Err(differ(what, found, expected))
    }
}

impl Pair {
    /// Two empty databases.
    #[must_use]
    pub fn new(terms: &Terms) -> Self {
        let config = bridge::config(&terms.bounds, 1, terms.hash_seed);
        let state = State::new(config).expect("a valid configuration");
        let mut pair = Self {
            state,
            model: Model::flawed(terms.bounds, terms.flaw),
            witness: Witness::default(),
            tally: Tally::default(),
            acceptance: Acceptance::new(terms.commit_len_max).expect("memory"),
            commit: Commit::default(),
            admitted: Vec::new(),
            bundle: BundleBytes::new(),
            log: terms.is_replayed.then(Log::default),
            image: Vec::new(),
            sliced: None,
            recent: [0; RECENT_LEN],
            recent_at: 0,
            applied_count: 0,
            rng: Rng::new(terms.hash_seed),
        };
        if let Some(log) = &mut pair.log {
            write_image(&pair.state, &Overrides::none(&pair.state), &mut log.image);
        }
        pair
    }

    /// The model, which a workload looks at.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The core's state.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The witness's account.
    #[must_use]
    pub const fn witness(&self) -> &Witness {
        &self.witness
    }

    /// One commit: each judgement is compared before anything is applied, then what is new is
    /// applied, behind an `expire_due` of at most `limit` if something is due. `learn` is told
    /// every answer.
    pub fn commit(
        &mut self,
        slot: u64,
        limit: Option<u32>,
        commands: &[Command],
        mut learn: impl FnMut(&Command, &Applied),
    ) -> Result<(), String> {
        let slot = slot.max(self.model.last_slot());
        let is_due = self.state.is_due(Slot(slot));
        compare("is_due", &is_due, &self.model.is_due(slot))?;
        let limit = limit.filter(|_| is_due);
        self.acceptance
            .begin(&self.state, Slot(slot), limit.is_some());
        self.model
            .begin_again(&mut self.commit, slot, limit.is_some());
        self.admitted.clear();
        for (tag, command) in (0..).zip(commands) {
            let asked = bridge::command(command, &mut self.bundle);
            let said = self.acceptance.admit(&self.state, &asked, tag);
            let said = bridge::admission(&said);
            let expected = self.model.admit(&mut self.commit, command, tag);
            if said != expected {
                return Err(differ(&format!("judging {command:?}"), &said, &expected));
            }
            self.tally.count_admission(&said);
            if let Admission::Rejected(rejection) = said {
                let verdict = Verdict::Rejected(rejection);
                learn(command, &Applied { lsn: 0, verdict });
            }
            self.admitted.push(matches!(said, Admission::New { .. }));
        }
        if !self.admitted.contains(&true) {
            return Ok(());
        }
        if let Some(limit) = limit {
            self.apply(slot, &Command::expire(limit))?;
        }
        for (index, command) in commands.iter().enumerate() {
            if self.admitted[index] {
                let applied = self.apply(slot, command)?;
                if !matches!(applied.verdict, Verdict::Outcome(said) if !said.from_retry_cache) {
                    return Err(format!("{command:?} was admitted, and got {applied:?}"));
                }
                learn(command, &applied);
            }
        }
        Ok(())
    }

    /// What acceptance says of one command, as the model does; nothing is changed. R66
    pub fn judge(&mut self, slot: u64, command: &Command) -> Result<Admission, String> {
        let slot = slot.max(self.model.last_slot());
        self.acceptance.begin(&self.state, Slot(slot), false);
        self.model.begin_again(&mut self.commit, slot, false);
        let asked = bridge::command(command, &mut self.bundle);
        let said = bridge::admission(&self.acceptance.admit(&self.state, &asked, 0));
        let expected = self.model.admit(&mut self.commit, command, 0);
        self.tally.count_admission(&said);
        if said == expected {
            Ok(said)
        } else {
            Err(differ(&format!("judging {command:?}"), &said, &expected))
        }
    }

    /// One command, whatever it is, at whatever slot. R5, R68
    pub fn apply(&mut self, slot: u64, command: &Command) -> Result<Applied, String> {
        let asked = bridge::command(command, &mut self.bundle);
        let found = self.state.apply(Slot(slot), &asked);
        if let Some(log) = &mut self.log {
            let start = log.records.len();
            log.records.resize(start + record_len(&asked), 0);
            // What no record can hold was refused for its form: it is not logged either.
            match encode_record(&asked, &mut log.records[start..]) {
                Some(_) => log.steps.push((Slot(slot), found)),
                None => return Err(format!("{command:?} has no record")),
            }
        }
        self.tally.slots_back += u64::from(slot < self.model.last_slot());
        let applied = bridge::applied(&found);
        let expected = self.model.apply(slot, command);
        if applied != expected {
            let what = format!("{command:?} at slot {slot}");
            return Err(differ(&what, &applied, &expected));
        }
        self.tally.count_applied(command, &applied);
        self.applied_count += 1;
        self.slice()?;
        let slot = self.model.last_slot();
        self.witness.see(&self.state, slot, command, &applied)?;
        self.compare_touched(command, &applied)?;
        if self.applied_count.is_multiple_of(LISTINGS_EVERY) {
            self.compare_listings()?;
        }
        if self.applied_count.is_multiple_of(INVARIANTS_EVERY) {
            self.check_whole()?;
        }
        Ok(applied)
    }

    /// Goes on with a snapshot in slices, or begins one.
    fn slice(&mut self) -> Result<(), String> {
        let Some(sliced) = &mut self.sliced else {
            if self.applied_count.is_multiple_of(SLICED_EVERY) {
                self.sliced = Some(Sliced::begin(&mut self.state));
            }
            return Ok(());
        };
        if self.rng.chance(50) && sliced.step(&mut self.state)? {
            self.sliced = None;
            self.tally.sliced += 1;
        }
        Ok(())
    }

    /// What can be read of the ids that a command named, of what it made, and of something else.
    fn compare_touched(&mut self, command: &Command, applied: &Applied) -> Result<(), String> {
        compare("last_lsn", &self.state.last_lsn().0, &self.model.last_lsn())?;
        let slot = self.state.last_slot().0;
        compare("last_slot", &slot, &self.model.last_slot())?;
        self.compare_operation(command.operation_id)?;
        match command.action {
            Action::CreateResource { resource_id } | Action::DeleteResource { resource_id } => {
                self.compare_resource(resource_id)?;
            }
            Action::Reserve {
                ref resource_ids, ..
            } => {
                for id in resource_ids.iter() {
                    self.compare_resource(*id)?;
                }
                if let Verdict::Outcome(outcome) = applied.verdict
                    && outcome.reservation_id != 0
                {
                    self.compare_reservation(outcome.reservation_id)?;
                    self.recent_at = (self.recent_at + 1) % RECENT_LEN;
                    self.recent[self.recent_at] = outcome.reservation_id;
                }
            }
            Action::Confirm { reservation_id, .. }
            | Action::Extend { reservation_id, .. }
            | Action::Release { reservation_id, .. }
            | Action::Revoke { reservation_id }
            | Action::Reclaim { reservation_id } => self.compare_reservation(reservation_id)?,
            Action::ExpireDue { .. } => {}
        }
        let id = if self.rng.below(4) == 0 {
            let lsn = self.model.last_lsn().saturating_add(2);
            self.model.bounds().reservation_id(self.rng.between(1, lsn))
        } else {
            self.recent[self.rng.index(RECENT_LEN)]
        };
        self.compare_reservation(id)
    }

    fn compare_operation(&self, id: u128) -> Result<(), String> {
        let found = self.state.operation(OperationId(id));
        let found = found.map(|said| bridge::outcome(&said));
        compare("operation", &found, &self.model.operation(id))
    }

    fn compare_resource(&self, id: u128) -> Result<(), String> {
        let found = self.state.resource(ResourceId(id));
        let found = found.map(|row| bridge::resource(&row));
        compare("resource", &found, &self.model.resource(id))
    }

    /// A reservation, its bundle in order, and each resource of it. R10, R79
    fn compare_reservation(&self, id: u128) -> Result<(), String> {
        let found = bridge::lookup(&self.state.reservation(ReservationId(id)));
        compare("reservation", &found, &self.model.reservation(id))?;
        let expected = self.model.reservation_resources(id);
        let found = self.state.reservation_resources(ReservationId(id));
        if !found.map(|id| id.0).eq(expected.iter().copied()) {
            let found = self.state.reservation_resources(ReservationId(id));
            let found: Vec<u128> = found.map(|id| id.0).collect();
            return Err(differ("bundle", &found, &expected.to_vec()));
        }
        expected
            .iter()
            .try_for_each(|id| self.compare_resource(*id))
    }

    /// R76: by state, by holder, page by page; every row once. R77
    fn compare_listings(&mut self) -> Result<(), String> {
        let holder = u128::from(self.rng.below(5));
        let states = u32::try_from(self.rng.below(128)).expect("small") & !1;
        let filter = Filter {
            states,
            holder_id: HolderId(holder),
        };
        let passes = |number: u8, row_holder: u128| {
            (states == 0 || states >> number & 1 == 1) && (holder == 0 || row_holder == holder)
        };
        let page = self.rng.index(5) + 1;
        let (mut rows, mut cursor): (Vec<Resource>, u64) = (Vec::new(), 0);
        loop {
            let push = |row| rows.push(bridge::resource(&row));
            cursor = self.state.list_resources(&filter, cursor, page, push);
            if cursor == 0 {
                break;
            }
        }
        rows.sort_by_key(|row| row.resource_id);
        let expected = self.model.resources();
        let expected: Vec<Resource> = expected
            .filter(|row| passes(row.state as u8 + 1, row.holder_id))
            .collect();
        compare("resources listed", &rows, &expected)?;
        let (mut rows, mut cursor): (Vec<Reservation>, u64) = (Vec::new(), 0);
        loop {
            let push = |row| rows.push(bridge::reservation(&row));
            cursor = self.state.list_reservations(&filter, cursor, page, push);
            if cursor == 0 {
                break;
            }
        }
        rows.sort_by_key(|row| row.reservation_id);
        let expected = self.model.reservations();
        let expected: Vec<Reservation> = expected
            .filter(|row| passes(row.state as u8 + 1, row.holder_id))
            .collect();
        compare("reservations listed", &rows, &expected)
    }

    /// Every count, every invariant, and the witness's account.
    pub fn check_whole(&mut self) -> Result<(), String> {
        let ahead = self.rng.below(40);
        let slot = self.model.last_slot().saturating_add(ahead);
        let usage = self.state.usage(Slot(slot));
        let kept = u64::from(usage.operations.used - usage.operations.past);
        compare("operations kept", &kept, &self.model.operations_not_gone())?;
        let found = [
            usage.reservations.used as usize,
            usage.reservations.past as usize,
            usage.expiring as usize,
            usage.expiration_backlog as usize,
        ];
        let expected = [
            self.model.reservations_in_memory(),
            self.model.reservations_gone(),
            self.model.expiring(),
            self.model.backlog(slot),
        ];
        compare("reservations kept, gone, expiring, due", &found, &expected)?;
        self.state
            .check_invariants()
            .map_err(|broken| broken.to_string())?;
        self.witness.audit(&self.state)?;
        let owners = self.witness.owner_count();
        let taken = self.model.resources().filter(|row| row.holder_id != 0);
        compare("resources that have an owner", &owners, &taken.count())
    }

    /// Stops and starts: goes on from the snapshot of what there is, as it is or grown (R95), or
    /// moved to a later position (R101).
    pub fn restart(&mut self, bounds: Option<Bounds>, lsn_by: u64) -> Result<(), String> {
        self.replayed()?;
        let mut overrides = Overrides::none(&self.state);
        if let Some(bounds) = bounds {
            let config = self.state.config();
            overrides.config = bridge::config(&bounds, config.database_id, config.hash_seed);
            self.model.grow(bounds);
            self.tally.growths += 1;
        }
        if lsn_by > 0 {
            overrides.last_lsn = Lsn(self.state.last_lsn().0 + lsn_by);
            self.model.raise_lsn(lsn_by);
            self.tally.last_positions += 1;
        }
        write_image(&self.state, &overrides, &mut self.image);
        let (state, _) = snapshot::decode(&mut &self.image[..])
            .map_err(|error| format!("our own snapshot is refused: {error}"))?;
        let mut again = Vec::new();
        write_image(&state, &Overrides::none(&state), &mut again);
        if again != self.image {
            return Err("a restored state writes another snapshot".into());
        }
        self.state = state;
        self.sliced = None;
        self.tally.snapshots += 1;
        if let Some(log) = &mut self.log {
            log.records.clear();
            log.steps.clear();
            log.image.clone_from(&self.image);
        }
        self.check_whole()
    }

    /// Writes a snapshot and goes on in memory. Only where records are kept.
    pub fn checkpoint(&mut self) {
        let log = self.log.as_mut().expect("records are kept");
        write_image(&self.state, &Overrides::none(&self.state), &mut log.image);
        log.records.clear();
        log.steps.clear();
    }

    /// Goes on from the last snapshot and the records since. Only where records are kept.
    pub fn crash(&mut self) -> Result<(), String> {
        self.state = self.replayed()?.expect("records are kept");
        self.sliced = None;
        Ok(())
    }

    /// R85, R70: the records since the last snapshot give the same answers and the same bytes.
    /// The state that they give, where records are kept.
    pub fn replayed(&mut self) -> Result<Option<State>, String> {
        let Some(log) = &self.log else {
            return Ok(None);
        };
        let (mut state, _) = snapshot::decode(&mut &log.image[..])
            .map_err(|error| format!("our own snapshot is refused: {error}"))?;
        let mut rest = &log.records[..];
        for (slot, lived) in &log.steps {
            let (command, len) = decode_record(rest).ok_or("a record does not decode")?;
            let applied = state.apply(*slot, &command);
            if applied != *lived {
                return Err(format!(
                    "{command:?} at {slot:?}: replayed {applied:?}, lived {lived:?}"
                ));
            }
            rest = &rest[len..];
        }
        self.tally.replayed += log.steps.len() as u64;
        if state.digest() != self.state.digest() {
            return Err("replay has another digest".into());
        }
        let (mut one, mut other) = (Vec::new(), Vec::new());
        write_image(&state, &Overrides::none(&state), &mut one);
        write_image(&self.state, &Overrides::none(&self.state), &mut other);
        if one != other {
            return Err("snapshot and replay write other bytes than what was lived".into());
        }
        Ok(Some(state))
    }
}

pub(crate) fn write_image(state: &State, overrides: &Overrides, image: &mut Vec<u8>) {
    image.clear();
    let written = snapshot::encode_as(state, overrides, &[], image);
    let info = written.unwrap_or_else(|never| match never {});
    assert_eq!(info.bytes, image.len() as u64, "the length is told");
}
