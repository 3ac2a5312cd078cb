//! Live execution, replay of the records, and a snapshot with replay of the rest are one and the
//! same: equal answers, equal digests, byte-identical snapshots.
//!
//! A history is drawn against a live state; each command that it applies is also written down as a
//! record of the codec. Then the records alone are applied to an empty state, and to each of the
//! snapshots that were taken on the way. Half of the histories go through acceptance, as an engine
//! does it; the other half apply whatever comes, as a log ordered elsewhere may hold it, with
//! slots that go back and commands that are refused. The first half is also written as a log file,
//! a frame for each commit, and recovered from it by the scan. What the histories did is counted
//! and must include everything that the equality is worth showing for.

use std::collections::BTreeSet;

use allocdb_core::canary::Canary;
use allocdb_core::codec::{decode_record, encode_record, record_len};
use allocdb_core::log::{
    CorruptReason, FRAME_BYTES_MAX, FrameBuilder, FrameMeta, LogHeader, LogKey, SECTOR_BYTES, scan,
};
use allocdb_core::state::{Acceptance, Admission, Filter};
use allocdb_core::{Applied, Config, Lsn, ResultCode, Slot, State, Verdict};
use allocdb_testing::bridge::{self, BundleBytes};
use allocdb_testing::image::{restored, written};
use allocdb_testing::model::{Action, Command};
use allocdb_testing::random::Rng;
use allocdb_testing::trial::{each_shape, is_caught, scale, seed};
use allocdb_testing::workload::{Shape, Workload};

const HISTORY_LEN: u64 = 6_000;
const HISTORIES: u64 = 500;
const COMMANDS_LEAST: u64 = 2_000_000;
const SNAPSHOTS: u64 = 4;
/// Room for the largest commit that is drawn here.
const FRAME_ROOM: usize = 4096;
const INVARIANTS_EVERY: usize = 500;

/// What all histories did together.
#[derive(Debug, Default)]
struct Tally {
    commands: u64,
    replayed: u64,
    snapshots: u64,
    frames: u64,
    codes: [u64; 11],
    expired: u64,
    retries: u64,
    refused: u64,
    bundles: u64,
    /// An id that was remembered once, in a new life.
    reuses: u64,
    slots_back: u64,
    /// Slots that passed more than a turn of the wheel.
    turns: u64,
}

impl Tally {
    fn count(&mut self, command: &Command, applied: &Applied) {
        self.commands += 1;
        match applied.verdict {
            Verdict::Outcome(outcome) if outcome.from_retry_cache => self.retries += 1,
            Verdict::Outcome(outcome) => {
                self.codes[outcome.code as usize] += 1;
                let is_bundle = matches!(&command.action, Action::Reserve { resource_ids, .. }
                    if resource_ids.len() > 1);
                self.bundles += u64::from(is_bundle && outcome.code == ResultCode::Done);
            }
            Verdict::Expired { count } => self.expired += u64::from(count),
            Verdict::Rejected(_) => self.refused += 1,
        }
    }

    fn assert_rich(&self) {
        println!("{self:?}");
        assert!(self.commands >= COMMANDS_LEAST, "the promised commands");
        for (number, &count) in self.codes.iter().enumerate() {
            assert!(count > 100, "result {number} came {count} times only");
        }
        let rest = [
            self.expired,
            self.retries,
            self.refused,
            self.bundles,
            self.reuses,
            self.slots_back,
            self.turns,
            self.frames,
        ];
        assert!(rest.iter().all(|&count| count > 1000), "{self:?}");
    }
}

/// A history as it was lived.
struct History {
    config: Config,
    log: Vec<u8>,
    /// For each record, the slot it was applied at and its answer.
    steps: Vec<(Slot, Applied)>,
    /// How many records precede, where in the log the next begins, and the state then.
    images: Vec<(usize, usize, Vec<u8>)>,
    last: State,
    /// The same as a log file, where every record was admitted: a frame a commit.
    file: Vec<u8>,
    file_chain: u32,
    frames: u64,
}

struct Live<'a> {
    shape: &'a Shape,
    state: State,
    workload: Workload,
    history: History,
    tally: &'a mut Tally,
    used: BTreeSet<u128>,
    bundle: BundleBytes,
}

fn config(shape: &Shape) -> Config {
    bridge::config(&shape.bounds, 1, shape.hash_seed())
}

impl<'a> Live<'a> {
    fn new(shape: &'a Shape, tally: &'a mut Tally) -> Self {
        let config = config(shape);
        let history = History {
            config,
            log: Vec::new(),
            steps: Vec::new(),
            images: Vec::new(),
            last: State::new(config).expect("a valid configuration"),
            file: LogHeader::fresh(config).encode().to_vec(),
            file_chain: 0,
            frames: 0,
        };
        Self {
            shape,
            state: State::new(config).expect("a valid configuration"),
            workload: Workload::new(shape),
            history,
            tally,
            used: BTreeSet::new(),
            bundle: BundleBytes::new(),
        }
    }

    fn apply(&mut self, slot: Slot, command: &Command) -> Result<Applied, String> {
        let borrowed = bridge::command(command, &mut self.bundle);
        let start = self.history.log.len();
        self.history.log.resize(start + record_len(&borrowed), 0);
        encode_record(&borrowed, &mut self.history.log[start..]).ok_or("a record is encoded")?;
        let turn = (self.shape.bounds.max_ttl_slots + 1).next_power_of_two();
        self.tally.turns += u64::from(slot.0 > self.state.last_slot().0.saturating_add(turn));
        self.tally.slots_back += u64::from(slot < self.state.last_slot());
        let applied = self.state.apply(slot, &borrowed);
        let is_first = matches!(applied.verdict, Verdict::Outcome(o) if !o.from_retry_cache);
        if is_first && !self.used.insert(command.operation_id) {
            self.tally.reuses += 1;
        }
        self.tally.count(command, &applied);
        self.workload.observe(command, &bridge::applied(&applied));
        self.history.steps.push((slot, applied));
        if self.history.steps.len().is_multiple_of(INVARIANTS_EVERY) {
            self.state
                .check_invariants()
                .map_err(|broken| broken.to_string())?;
        }
        let chance = (self.shape.commands / SNAPSHOTS).max(1);
        if self.workload.rng.below(chance) == 0 {
            let taken = written(&self.state);
            same_listings(&self.state, &restored(&taken))?;
            let images = &mut self.history.images;
            images.push((self.history.steps.len(), self.history.log.len(), taken));
        }
        Ok(applied)
    }

    /// One commit as an engine makes it. R59, R63, R65
    fn commit(&mut self, acceptance: &mut Acceptance) -> Result<(), String> {
        let given = Slot(self.workload.next_slot());
        // The engine takes the later of what is given and what was applied.
        let slot = given.max(self.state.last_slot());
        let expires = self.state.is_due(slot) && self.workload.rng.chance(80);
        acceptance.begin(&self.state, slot, expires);
        let mut commands = Vec::new();
        for tag in 0..self.workload.commit_len() {
            let command = self.workload.next_command(&self.state);
            let asked = bridge::command(&command, &mut self.bundle);
            match acceptance.admit(&self.state, &asked, tag) {
                Admission::New { lsn } => commands.push((lsn, command)),
                Admission::Rejected(rejection) => {
                    self.tally.refused += 1;
                    let refused = bridge::rejection(&rejection);
                    self.workload.observe_refusal(&refused);
                }
                Admission::Retry(_) | Admission::RetryOf { .. } => self.tally.retries += 1,
            }
        }
        if commands.is_empty() {
            return Ok(());
        }
        let limit = self.workload.expire_limit();
        let expiry = expires.then(|| Command::expire(limit));
        let all: Vec<_> = expiry
            .iter()
            .chain(commands.iter().map(|(_, command)| command))
            .collect();
        self.write_frame(slot, &all);
        if let Some(expiry) = expiry {
            self.apply(slot, &expiry)?;
        }
        for (lsn, command) in commands {
            let applied = self.apply(slot, &command)?;
            if applied.lsn != lsn || !matches!(applied.verdict, Verdict::Outcome(_)) {
                return Err(format!(
                    "{command:?} was admitted at {lsn:?}, got {applied:?}"
                ));
            }
        }
        Ok(())
    }

    /// The commit as a frame of the log, before it is applied. R64
    fn write_frame(&mut self, slot: Slot, commands: &[&Command]) {
        let file = &mut self.history.file;
        let start = file.len();
        file.resize(start + FRAME_ROOM, 0);
        let mut builder = FrameBuilder::new(&mut file[start..]);
        for command in commands {
            let command = bridge::command(command, &mut self.bundle);
            assert!(builder.push(&command), "commits are short");
        }
        let meta = FrameMeta {
            is_synced: self.shape.seed.is_multiple_of(4),
            first_lsn: Lsn(self.state.last_lsn().0 + 1),
            request_slot: slot,
            durable_lsn: self.state.last_lsn(),
            chain: self.history.file_chain,
        };
        let key = LogKey::new(&self.history.config);
        let frame = builder.finish(&key, &meta);
        file.truncate(start + frame.len);
        self.history.file_chain = frame.chain;
        self.history.frames += 1;
    }

    /// Whatever comes, applied at whatever slot. R5, R68
    fn apply_anything(&mut self) -> Result<(), String> {
        let slot = Slot(self.workload.next_slot());
        for _ in 0..self.workload.commit_len() {
            let command = if self.workload.rng.chance(8) {
                Command::expire(self.workload.expire_limit())
            } else {
                self.workload.next_command(&self.state)
            };
            self.apply(slot, &command)?;
        }
        Ok(())
    }

    fn finish(mut self) -> History {
        // A file never ends at a frame's end.
        let file_len = self.history.file.len();
        self.history.file.resize(file_len + SECTOR_BYTES, 0);
        self.history.last = self.state;
        self.history
    }
}

fn live(shape: &Shape, tally: &mut Tally) -> Result<History, String> {
    let is_judged = shape.seed.is_multiple_of(2);
    let mut live = Live::new(shape, tally);
    let mut acceptance = Acceptance::new(shape.commit_len_max).expect("memory");
    let mut idle = 0;
    while (live.history.steps.len() as u64) < shape.commands && idle < 10_000 {
        let before = live.history.steps.len();
        if is_judged {
            live.commit(&mut acceptance)?;
        } else {
            live.apply_anything()?;
        }
        // A full table at the end of time frees no place any more.
        idle = if live.history.steps.len() == before {
            idle + 1
        } else {
            0
        };
    }
    Ok(live.finish())
}

/// Applies the records from a point on, comparing each answer with the one that was lived.
fn replay(
    history: &History,
    mut state: State,
    from: usize,
    log_at: usize,
) -> Result<State, String> {
    let mut rest = &history.log[log_at..];
    for (index, (slot, lived)) in history.steps.iter().enumerate().skip(from) {
        let (command, len) = decode_record(rest).ok_or("a record decodes")?;
        let applied = state.apply(*slot, &command);
        if applied != *lived {
            return Err(format!(
                "record {index}: lived {lived:?}, replayed {applied:?}"
            ));
        }
        rest = &rest[len..];
    }
    if rest.is_empty() {
        Ok(state)
    } else {
        Err("records are left over".into())
    }
}

/// Replays the log file by the scan, over a state that holds its beginning already, comparing
/// each answer with the one that was lived.
fn recover(history: &History, mut state: State, buffer: &mut [u8]) -> Result<State, String> {
    let header = LogHeader::decode(&history.file).map_err(|error| format!("{error:?}"))?;
    let mut differs = None;
    let anchor = state.last_lsn();
    let visit = |frame: &allocdb_core::log::Frame<'_>| {
        for (lsn, command) in frame.commands().filter(|(lsn, _)| *lsn > anchor) {
            let applied = state.apply(frame.header.request_slot, &command);
            let lived = usize::try_from(lsn.0 - 1)
                .ok()
                .and_then(|at| history.steps.get(at));
            if lived.map(|(_, lived)| *lived) != Some(applied) {
                differs = differs.or(Some(lsn));
            }
        }
        Ok::<(), CorruptReason>(())
    };
    let end = scan(&mut &*history.file, &header, None, buffer, visit);
    let end = end.map_err(|error| format!("our own log: {error:?}"))?;
    let expected = (history.frames, history.steps.len() as u64, 0);
    if (end.frames, end.records, end.torn_bytes) != expected {
        return Err(format!("{expected:?} were written, found {end:?}"));
    }
    match differs {
        None => Ok(state),
        Some(Lsn(lsn)) => Err(format!("recovery answers otherwise at LSN {lsn}")),
    }
}

fn same(what: &str, left: &State, right: &State) -> Result<(), String> {
    if left.digest() != right.digest() {
        return Err(format!("{what}: the digests differ"));
    }
    if written(left) != written(right) {
        return Err(format!("{what}: the snapshots differ"));
    }
    right
        .check_invariants()
        .map_err(|broken| format!("{what}: {broken}"))
}

/// Listings run in the same order before and after a restart, page for page. R76
fn same_listings(left: &State, right: &State) -> Result<(), String> {
    let pages = |state: &State| {
        let (mut rows, mut cursors, mut cursor) = (Vec::new(), Vec::new(), 0);
        loop {
            let visit = |row| rows.push(format!("{row:?}"));
            cursor = state.list_resources(&Filter::default(), cursor, 3, visit);
            cursors.push(cursor);
            if cursor == 0 {
                break;
            }
        }
        loop {
            let visit = |row| rows.push(format!("{row:?}"));
            cursor = state.list_reservations(&Filter::default(), cursor, 5, visit);
            cursors.push(cursor);
            if cursor == 0 {
                break;
            }
        }
        (rows, cursors)
    };
    if pages(left) == pages(right) {
        Ok(())
    } else {
        Err("a listing changed its order".into())
    }
}

fn check(shape: &Shape, tally: &mut Tally, buffer: &mut [u8]) -> Result<(), String> {
    let history = live(shape, tally)?;
    let empty = State::new(history.config).expect("a valid configuration");
    let replayed = replay(&history, empty, 0, 0)?;
    tally.replayed += history.steps.len() as u64;
    same("replay from the beginning", &history.last, &replayed)?;
    same_listings(&history.last, &replayed)?;
    if history.frames > 0 {
        let images = history.images.iter().map(|(_, _, taken)| restored(taken));
        let empty = State::new(history.config).expect("a valid configuration");
        for start in images.take(1).chain([empty]) {
            tally.replayed += history.steps.len() as u64 - start.last_lsn().0;
            let recovered = recover(&history, start, buffer)?;
            same("recovery from the log file", &history.last, &recovered)?;
            tally.frames += history.frames;
        }
    }
    for (from, log_at, taken) in &history.images {
        let state = restored(taken);
        if written(&state) != *taken {
            return Err("a restored state writes another snapshot".into());
        }
        let state = replay(&history, state, *from, *log_at)?;
        same("snapshot and replay", &history.last, &state)?;
        tally.replayed += (history.steps.len() - from) as u64;
        tally.snapshots += 1;
    }
    Ok(())
}

// R85, R71, R70, R57: equal answers, digests and bytes, by whatever way the state was reached.
#[test]
fn live_replay_and_snapshot_with_replay_are_one() {
    let seed = seed("equivalence");
    let mut tally = Tally::default();
    let mut buffer = vec![0; FRAME_BYTES_MAX];
    each_shape(seed, HISTORIES * scale(), HISTORY_LEN, |shape| {
        check(shape, &mut tally, &mut buffer)
    });
    tally.assert_rich();
}

// The harness can fail: a history whose records lost one command is told from the one lived.
#[test]
fn canary_a_lost_record_is_noticed() {
    let seed = seed("equivalence canary");
    let mut caught = 0;
    let mut rng = Rng::new(seed);
    for case in 0..8 {
        let shape = Shape::draw(rng.draw(), 400);
        let mut history = live(&shape, &mut Tally::default()).expect("a history");
        let lost = history.steps.len() / 2 + case;
        let (_, first_len) = decode_record(&history.log).expect("a record");
        let mut log_at = 0;
        for _ in 0..lost {
            log_at += decode_record(&history.log[log_at..]).expect("a record").1;
        }
        let (_, len) = decode_record(&history.log[log_at..]).expect("a record");
        assert!(first_len > 0 && len > 0, "records have a length");
        history.log.drain(log_at..log_at + len);
        history.steps.remove(lost);
        let empty = State::new(history.config).expect("a valid configuration");
        let replayed = replay(&history, empty, 0, 0);
        let is_same = replayed.and_then(|state| same("replay", &history.last, &state));
        caught += u32::from(is_same.is_err());
    }
    assert_eq!(caught, 8, "every lost record changes what is compared");
}

fn assert_caught(canary: Canary) {
    let mut buffer = vec![0; FRAME_BYTES_MAX];
    let check = |shape: &Shape| check(shape, &mut Tally::default(), &mut buffer);
    let run = (seed("equivalence canary"), 50, 2_000);
    assert!(is_caught(canary, run, check), "nobody noticed {canary:?}");
}

// R57, R85
#[test]
fn canary_expiry_order_forgotten_is_caught() {
    assert_caught(Canary::ExpiryOrderForgotten);
}

// R20, R85
#[test]
fn canary_reused_id_stays_is_caught() {
    assert_caught(Canary::ReusedIdStays);
}
