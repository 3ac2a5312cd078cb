//! Acceptance and apply never disagree: what was admitted always has its result, at the position
//! that was promised; what was judged left no trace.
//!
//! Random commits over all kinds of databases, then crowds: ids chosen, by hashing many, to share a
//! home cell, so that the placement bound is met on purpose, within one commit and across commits.
//! A judge that forgets what its commit has already taken is tried as well, and must be caught.

use std::collections::{BTreeMap, BTreeSet};

use allocdb_core::canary::Canary;
use allocdb_core::hash::HashKey;
use allocdb_core::outcome::Table;
use allocdb_core::state::{Acceptance, Admission};
use allocdb_core::{
    Applied, Config, Lsn, OperationId, Outcome, Rejection, ResultCode, Slot, State, Verdict,
};
use allocdb_testing::bridge::{self, BundleBytes};
use allocdb_testing::image::{places, restored, seal, written};
use allocdb_testing::model::{Action, Bundle, Command};
use allocdb_testing::random::Rng;
use allocdb_testing::trial::{config, each_shape, is_caught, scale, seed};
use allocdb_testing::workload::{Shape, Workload};

const HISTORIES: u64 = 300;
/// The most in a history, which has half of them at least.
const COMMITS: u64 = 180;
/// A run of keys from one home takes the home and this many cells behind it.
const PLACEMENT_BOUND: usize = 128;

fn create(operation_id: u128, resource_id: u128) -> Command {
    Command::new(operation_id, Action::CreateResource { resource_id })
}

fn delete(operation_id: u128, resource_id: u128) -> Command {
    Command::new(operation_id, Action::DeleteResource { resource_id })
}

fn reserve(operation_id: u128, resource_id: u128, ttl_slots: u64) -> Command {
    let action = Action::Reserve {
        resource_ids: Bundle::from([resource_id]),
        holder_id: 1,
        ttl_slots,
    };
    Command::new(operation_id, action)
}

fn apply(state: &mut State, slot: Slot, command: &Command) -> Applied {
    state.apply(slot, &bridge::command(command, &mut BundleBytes::new()))
}

fn again(outcome: Outcome) -> Outcome {
    Outcome {
        from_retry_cache: true,
        ..outcome
    }
}

/// The LSN after the last.
fn next_lsn(state: &State) -> Lsn {
    Lsn(state.last_lsn().0 + 1)
}

/// What one commit's judgement said, in order.
fn judge(
    acceptance: &mut Acceptance,
    state: &State,
    slot: Slot,
    expires: bool,
    commands: &[Command],
) -> Vec<Admission> {
    acceptance.begin(state, slot, expires);
    let mut bundle = BundleBytes::new();
    let tagged = (0..).zip(commands);
    tagged
        .map(|(tag, command)| acceptance.admit(state, &bridge::command(command, &mut bundle), tag))
        .collect()
}

/// Applies what was admitted and checks every promise.
fn keep(
    state: &mut State,
    slot: Slot,
    commands: &[Command],
    admissions: &[Admission],
) -> Result<BTreeMap<u32, Outcome>, String> {
    let mut outcomes = BTreeMap::new();
    for ((tag, command), admission) in (0..).zip(commands).zip(admissions) {
        let Admission::New { lsn } = *admission else {
            continue;
        };
        let applied = apply(state, slot, command);
        match applied.verdict {
            Verdict::Outcome(outcome)
                if applied.lsn == lsn && outcome.lsn == lsn && !outcome.from_retry_cache =>
            {
                outcomes.insert(tag, outcome);
            }
            _ => return Err(format!("{command:?} was promised {lsn:?}, got {applied:?}")),
        }
    }
    Ok(outcomes)
}

fn one_commit(
    workload: &mut Workload,
    state: &mut State,
    acceptance: &mut Acceptance,
) -> Result<u64, String> {
    let slot = Slot(workload.next_slot()).max(state.last_slot());
    let expires = state.is_due(slot) && workload.rng.chance(70);
    let mut commands = Vec::new();
    for _ in 0..workload.commit_len() {
        let command = workload.next_command(state);
        commands.push(command.clone());
        match workload.rng.below(8) {
            // R62: the same again, or its id with another command, within the commit.
            0 => commands.push(command),
            1 => commands.push(create(command.operation_id, 99)),
            _ => {}
        }
    }
    let before = written(state);
    let admissions = judge(acceptance, state, slot, expires, &commands);
    // R66: a pure read, which says the same when asked again.
    if written(state) != before {
        return Err("judging changed the state".into());
    }
    if judge(acceptance, state, slot, expires, &commands) != admissions {
        return Err("a second judgement differs".into());
    }
    for (command, admission) in commands.iter().zip(&admissions) {
        match admission {
            Admission::Retry(outcome) if Some(*outcome) != remembered(state, slot, command) => {
                return Err(format!("{command:?} is no retry of {outcome:?}"));
            }
            Admission::Rejected(rejection) => {
                workload.observe_refusal(&bridge::rejection(rejection));
            }
            _ => {}
        }
    }
    let new_count = admissions
        .iter()
        .filter(|a| matches!(a, Admission::New { .. }))
        .count();
    if new_count == 0 {
        return Ok(0);
    }
    if expires {
        let limit = workload.expire_limit();
        apply(state, slot, &Command::expire(limit));
    }
    let outcomes = keep(state, slot, &commands, &admissions)?;
    // What was promised as a retry of an earlier one of the commit gets that one's outcome. R60
    for (command, admission) in commands.iter().zip(&admissions) {
        if let Admission::RetryOf { tag } = admission
            && state.operation(OperationId(command.operation_id))
                != outcomes.get(tag).copied().map(again)
        {
            return Err(format!("{command:?} is no retry of its commit's {tag}"));
        }
    }
    for (tag, outcome) in &outcomes {
        let applied = Applied {
            lsn: outcome.lsn,
            verdict: Verdict::Outcome(*outcome),
        };
        workload.observe(&commands[*tag as usize], &bridge::applied(&applied));
    }
    Ok(new_count as u64)
}

fn remembered(state: &State, slot: Slot, command: &Command) -> Option<Outcome> {
    // At the commit's slot, which the state may not have reached: no read sees into the future.
    state
        .operation(OperationId(command.operation_id))
        .filter(|_| slot >= state.last_slot())
}

/// A history of commits, which says how many commands were admitted.
fn one_history(shape: &Shape) -> Result<u64, String> {
    let config = bridge::config(&shape.bounds, 1, shape.hash_seed());
    let mut state = State::new(config).expect("a valid configuration");
    let mut workload = Workload::new(shape);
    let mut acceptance = Acceptance::new(24).expect("memory");
    let mut admitted = 0;
    for _ in 0..shape.commands {
        admitted += one_commit(&mut workload, &mut state, &mut acceptance)?;
    }
    let broken = state.check_invariants().err();
    broken.map_or(Ok(admitted), |broken| Err(broken.to_string()))
}

// R31, R60, R62, R66
#[test]
fn what_acceptance_admits_apply_answers() {
    let seed = seed("acceptance");
    let mut admitted = 0;
    each_shape(seed, HISTORIES * scale(), COMMITS, |shape| {
        admitted += one_history(shape)?;
        Ok(())
    });
    println!("{admitted} commands admitted");
    assert!(admitted > 50_000, "most commits hold something new");
}

// R31, R66
#[test]
fn canary_room_ignores_commit_is_caught() {
    let canary = Canary::RoomIgnoresCommit;
    let run = (seed("acceptance canary"), HISTORIES, COMMITS);
    let is_caught = is_caught(canary, run, |shape| one_history(shape).map(drop));
    assert!(is_caught, "nobody noticed {canary:?}");
}

// R31: free and gone records together, less what the commit has taken, to the last place.
#[test]
fn operation_room_is_exact_at_its_bound() {
    for (max_operations, window) in [(1, 1), (3, 2), (8, 5), (100, 3)] {
        let config = Config {
            max_operations,
            operation_window_slots: window,
            ..config()
        };
        let mut state = State::new(config).expect("a valid configuration");
        let mut acceptance = Acceptance::new(400).expect("memory");
        let mut next_id = 1;
        for round in 0..6_u64 {
            // A part of the places at one slot, the rest at the next.
            let at = round * (window + 2);
            let part = (u64::from(max_operations) * round / 6).min(u64::from(max_operations));
            for (slot, room) in [(at, part), (at + 1, u64::from(max_operations) - part)] {
                let asked = if slot == at { part } else { room + 3 };
                let commands: Vec<_> = (0..asked)
                    .map(|i| create(next_id + u128::from(i), 1))
                    .collect();
                next_id += u128::from(asked);
                let said = judge(&mut acceptance, &state, Slot(slot), false, &commands);
                let is_new = |a: &&Admission| matches!(a, Admission::New { .. });
                let admitted = said.iter().filter(is_new).count() as u64;
                assert_eq!(admitted, room, "{max_operations} places, round {round}");
                let refused = Rejection::OperationTableFull {
                    capacity: max_operations,
                    window_slots: window,
                };
                let rest = &said[usize::try_from(room).expect("small")..];
                assert!(rest.iter().all(|a| *a == Admission::Rejected(refused)));
                keep(&mut state, Slot(slot), &commands, &said).expect("the promise is kept");
            }
            // Full until the first part's window has passed. R14
            let one = [create(next_id, 1)];
            let said = judge(&mut acceptance, &state, Slot(at + window), false, &one);
            assert!(part == 0 || matches!(said[0], Admission::Rejected(_)));
        }
    }
}

/// Ids whose home is `home` in a table of `cell_count` cells.
fn crowd(config: &Config, cell_count: u64, home: u64, count: usize) -> Vec<u128> {
    let key = HashKey::new(config.hash_seed);
    let lives_there = |id: &u128| (u64::from(key.id(*id)) * cell_count) >> 32 == home;
    (1..)
        .map(|number: u128| number << 40 | number)
        .filter(lives_there)
        .take(count)
        .collect()
}

fn crowded_config() -> Config {
    Config {
        max_resources: 256,
        max_reservations: 256,
        max_operations: 1 << 14,
        ..config()
    }
}

/// As many keys from one home as the bound allows, and one more.
const CROWD: usize = PLACEMENT_BOUND + 2;

// R32, R94: the commit's own new keys are counted, for resources and for operations.
#[test]
fn placement_is_judged_with_what_the_commit_takes() {
    let config = crowded_config();
    let resources = crowd(&config, 512, 17, CROWD);
    let operations = crowd(&config, 1 << 15, 30_000, CROWD);
    let by_resource: Vec<_> = (1..)
        .zip(&resources)
        .map(|(op, id)| create(op, *id))
        .collect();
    let by_operation: Vec<_> = operations.iter().map(|op| create(*op, 1)).collect();
    for (commands, table) in [
        (by_resource, Table::Resources),
        (by_operation, Table::Operations),
    ] {
        let overloaded = Rejection::PlacementExceeded { table };
        let mut state = State::new(config).expect("a valid configuration");
        let mut acceptance = Acceptance::new(1000).expect("memory");
        let said = judge(&mut acceptance, &state, Slot(5), false, &commands);
        let (good, bad) = said.split_at(CROWD - 1);
        assert!(
            good.iter().all(|a| matches!(a, Admission::New { .. })),
            "{table:?}"
        );
        assert_eq!(bad, [Admission::Rejected(overloaded)]);
        keep(&mut state, Slot(5), &commands, &said).expect("the promise is kept");
        state.check_invariants().expect("sound");
        // Alone in a later commit it fares no better, and a log that holds it is answered so. R68
        let last = &commands[CROWD - 1..];
        assert_eq!(judge(&mut acceptance, &state, Slot(6), false, last), bad);
        let before = state.usage(Slot(0));
        let applied = apply(&mut state, Slot(6), &last[0]);
        assert_eq!(applied.verdict, Verdict::Rejected(overloaded));
        assert_eq!(state.usage(Slot(0)), before, "R21: nothing changed");
        assert_eq!(state.operation(OperationId(last[0].operation_id)), None);
    }
}

// R93: whoever chose these ids for one seed has chosen nothing for another, which is drawn unseen.
#[test]
fn a_crowd_under_one_seed_is_none_under_another() {
    let known = crowded_config();
    let ids = crowd(&known, 512, 17, CROWD);
    for hash_seed in [0, 1, known.hash_seed ^ 1, u64::MAX] {
        let config = Config { hash_seed, ..known };
        let mut state = State::new(config).expect("a valid configuration");
        for (operation_id, id) in (1..).zip(&ids) {
            apply(&mut state, Slot(0), &create(operation_id, *id));
        }
        let usage = state.usage(Slot(0)).resources;
        assert_eq!(usage.used as usize, CROWD, "all are placed");
        assert!(usage.probe_len_max < 32, "{hash_seed}: {usage:?}");
    }
}

// R32: a reservation's place depends on the LSN that it would get.
#[test]
fn placement_of_reservations_is_judged_by_their_position() {
    let config = crowded_config();
    let mut state = State::new(config).expect("a valid configuration");
    let mut acceptance = Acceptance::new(4).expect("memory");
    let key = HashKey::new(config.hash_seed);
    let lives_here = |lsn: Lsn| (u64::from(key.id(lsn.0.into())) * 512) >> 32 == 200;
    let mut slot = 0;
    let mut next_id = 1;
    let mut reserved = 0;
    let mut overloaded = 0;
    for resource in 1..=256_u128 {
        apply(&mut state, Slot(0), &create(next_id, resource));
        next_id += 1;
    }
    while overloaded < 3 {
        // Operations age, holds are confirmed at once and stay.
        slot += u64::from(next_id % 8 == 0);
        let lsn = next_lsn(&state);
        let command = if lives_here(lsn) {
            reserve(next_id, reserved + 1, 5)
        } else {
            delete(next_id, 999)
        };
        next_id += 1;
        let commands = std::slice::from_ref(&command);
        let said = judge(&mut acceptance, &state, Slot(slot), false, commands);
        if said[0]
            == Admission::Rejected(Rejection::PlacementExceeded {
                table: Table::Reservations,
            })
        {
            // R65: the position goes to another command, under which this one is welcome.
            overloaded += 1;
            let applied = apply(&mut state, Slot(slot), &command);
            assert!(
                matches!(applied.verdict, Verdict::Rejected(_)),
                "apply agrees"
            );
            let said = judge(&mut acceptance, &state, Slot(slot), false, commands);
            assert!(matches!(said[0], Admission::New { .. }), "{said:?}");
            continue;
        }
        let outcomes = keep(&mut state, Slot(slot), commands, &said).expect("the promise is kept");
        let outcome = outcomes[&0];
        if outcome.code == ResultCode::Done {
            reserved += 1;
            let confirm = Action::Confirm {
                reservation_id: outcome.reservation_id.0,
                holder_id: 1,
            };
            apply(&mut state, Slot(slot), &Command::new(next_id, confirm));
            next_id += 1;
        }
    }
    assert_eq!(
        reserved,
        PLACEMENT_BOUND as u128 + 1,
        "the home and the cells behind it"
    );
    state.check_invariants().expect("sound");
}

/// Commits over ids that all want the same few cells. Returns how often `overloaded` was said.
fn crowded_history(seed: u64, is_forgetful: bool) -> Result<u64, String> {
    let mut rng = Rng::new(seed);
    let config = Config {
        hash_seed: rng.draw(),
        max_resources: 200,
        max_operations: 200,
        operation_window_slots: 3,
        ..config()
    };
    let home = rng.below(400);
    let resources = crowd(&config, 400, home, 190);
    let operations = crowd(&config, 400, rng.below(400), 190);
    let mut state = State::new(config).expect("a valid configuration");
    let mut acceptance = Acceptance::new(160).expect("memory");
    let (mut slot, mut overloaded) = (0, 0);
    for _ in 0..60 {
        slot += rng.below(3);
        let commands: Vec<_> = (0..rng.between(1, 150))
            .map(|_| {
                let operation = operations[rng.index(operations.len())];
                let resource = resources[rng.index(resources.len())];
                if rng.chance(60) {
                    create(operation, resource)
                } else {
                    delete(operation, resource)
                }
            })
            .collect();
        let slot = Slot(slot);
        let said = if is_forgetful {
            forgetful(&mut acceptance, &state, slot, &commands)
        } else {
            judge(&mut acceptance, &state, slot, false, &commands)
        };
        let is_overload =
            |a: &&Admission| matches!(a, Admission::Rejected(Rejection::PlacementExceeded { .. }));
        overloaded += said.iter().filter(is_overload).count() as u64;
        keep(&mut state, slot, &commands, &said)?;
        state
            .check_invariants()
            .map_err(|broken| broken.to_string())?;
    }
    // What is left restores, however far from home it lies.
    let taken = written(&state);
    if written(&restored(&taken)) == taken {
        Ok(overloaded)
    } else {
        Err("restored otherwise".into())
    }
}

/// A judge that starts anew for each command, numbering what it admits: the flaw to be caught.
fn forgetful(
    acceptance: &mut Acceptance,
    state: &State,
    slot: Slot,
    commands: &[Command],
) -> Vec<Admission> {
    let mut lsn = state.last_lsn().0;
    let (mut seen, mut bundle) = (BTreeSet::new(), BundleBytes::new());
    let judged = commands.iter().map(|command| {
        acceptance.begin(state, slot, false);
        let asked = bridge::command(command, &mut bundle);
        match acceptance.admit(state, &asked, 0) {
            // Ids within the commit it does remember: places and room it does not.
            Admission::New { .. } if seen.insert(command.operation_id) => {
                lsn += 1;
                Admission::New { lsn: Lsn(lsn) }
            }
            Admission::New { .. } => Admission::RetryOf { tag: 0 },
            other => other,
        }
    });
    judged.collect()
}

// R32, R20: random commits in crowded tables, ids coming again after their window among them.
#[test]
fn crowded_tables_keep_every_promise() {
    let seed = seed("crowds");
    let mut overloaded = 0;
    for case in 0..40 * scale() {
        let history = crowded_history(seed.wrapping_add(case), false);
        overloaded += history.unwrap_or_else(|why| panic!("ALLOCDB_SEED={seed} {case}: {why}"));
    }
    println!("{overloaded} commands were overloaded");
    assert!(overloaded > 1000, "the bound is met");
}

// The harness can fail: without counting the commit's own keys, a promise breaks.
#[test]
fn canary_a_judge_that_forgets_its_commit_is_caught() {
    let seed = seed("crowds canary");
    let caught = (0..10).filter(|case| crowded_history(seed.wrapping_add(*case), true).is_err());
    assert!(caught.count() >= 5, "a forgotten key breaks a promise");
    // Room likewise: two commands for one place.
    let config = Config {
        max_operations: 1,
        ..config()
    };
    let mut state = State::new(config).expect("a valid configuration");
    let mut acceptance = Acceptance::new(4).expect("memory");
    let commands = [create(1, 1), create(2, 2)];
    let said = forgetful(&mut acceptance, &state, Slot(0), &commands);
    assert!(
        keep(&mut state, Slot(0), &commands, &said).is_err(),
        "there was room for one"
    );
}

// R86: a commit with more new keys than a tiny table has cells was once answered `overloaded`,
// though no key of so small a table can lie beyond the bound, and the answer is that it is full.
#[test]
fn a_tiny_table_is_full_never_overloaded() {
    let config = Config {
        max_resources: 1,
        max_operations: 60,
        ..config()
    };
    let mut state = State::new(config).expect("a valid configuration");
    let mut acceptance = Acceptance::new(60).expect("memory");
    let commands: Vec<_> = (1..=60).map(|number| create(number, number)).collect();
    let said = judge(&mut acceptance, &state, Slot(0), false, &commands);
    let outcomes = keep(&mut state, Slot(0), &commands, &said).expect("the promise is kept");
    assert_eq!(outcomes.len(), 60);
    let full = outcomes
        .values()
        .filter(|o| o.code == ResultCode::ResourceTableFull);
    assert_eq!(full.count(), 59);
}

/// A state whose last LSN was moved to `last_lsn`, through its snapshot.
fn moved_to(state: &State, last_lsn: u64) -> State {
    let mut bytes = written(state);
    let places = places(&bytes);
    bytes[144..152].copy_from_slice(&last_lsn.to_le_bytes());
    seal(&mut bytes, &places);
    restored(&bytes)
}

// R4, R33: the last positions are given, then none, and nothing wraps round.
#[test]
fn the_last_positions_are_given_and_then_none() {
    let mut fresh = State::new(config()).expect("a valid configuration");
    apply(&mut fresh, Slot(0), &create(1, 1));
    for (left, expires) in [(0, false), (1, false), (1, true), (2, true), (3, false)] {
        let mut state = moved_to(&fresh, Lsn::MAX.0 - left);
        let mut acceptance = Acceptance::new(8).expect("memory");
        let commands = [
            reserve(2, 1, 1),
            create(3, 3),
            reserve(4, 1, 1),
            create(5, 5),
        ];
        let said = judge(&mut acceptance, &state, Slot(0), expires, &commands);
        let given = usize::try_from(left - u64::from(expires)).expect("small");
        assert!(
            said[..given]
                .iter()
                .all(|a| matches!(a, Admission::New { .. }))
        );
        let exhausted = Admission::Rejected(Rejection::LsnExhausted);
        assert!(said[given..].iter().all(|a| *a == exhausted), "{said:?}");
        if expires && given > 0 {
            apply(&mut state, Slot(0), &Command::expire(1));
        }
        keep(&mut state, Slot(0), &commands, &said).expect("the promise is kept");
        // A log that goes on is answered, and changes nothing any more. R68
        if state.last_lsn() == Lsn::MAX {
            let before = written(&state);
            let applied = apply(&mut state, Slot(9), &create(6, 6));
            assert_eq!(applied.verdict, Verdict::Rejected(Rejection::LsnExhausted));
            assert_eq!(applied.lsn, Lsn::MAX);
            assert_eq!(written(&state), before);
        }
        state.check_invariants().expect("sound");
    }
}
