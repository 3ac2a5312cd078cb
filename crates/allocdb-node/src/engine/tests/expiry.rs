//! Expiry: by traffic, by tick, and not otherwise.

use super::*;
use crate::error::ReadError;
use allocdb_core::state::ReservationState;

fn engine_with_holds(options: &Options, count: u128) -> (Engine<Disk>, Vec<ReservationId>) {
    let engine = open(&Disk::default(), options);
    let holds = (1..=count).map(|id| {
        outcome(submit_one(&engine, 1, create(id, id)));
        let ids = [id.to_le_bytes()];
        outcome(submit_one(&engine, 1, reserve(100 + id, &ids, 1, 9))).reservation_id
    });
    let holds = holds.collect();
    (engine, holds)
}

fn state_of(engine: &Engine<Disk>, hold: ReservationId) -> Result<ReservationState, ReadError> {
    engine
        .reservation(Lsn(0), hold, |_| ())
        .map(|row| row.state)
}

#[test]
fn a_commit_with_a_new_command_expires_what_is_due_first() {
    let (engine, holds) = engine_with_holds(&small(), 1);
    outcome(submit_one(&engine, 9, create(200, 50)));
    assert_eq!(state_of(&engine, holds[0]), Ok(ReservationState::Reserved));
    // R59: due at 10, so a reserve at 10 finds the resource free, in the same commit.
    let taken = outcome(submit_one(
        &engine,
        10,
        reserve(201, &[1u128.to_le_bytes()], 2, 9),
    ));
    assert_eq!(taken.code, ResultCode::Done);
    assert_eq!(state_of(&engine, holds[0]), Ok(ReservationState::Expired));
    let health = engine.health(None);
    assert_eq!((health.expirations, health.commands_by_kind[9]), (1, 1));
}

#[test]
fn a_retry_alone_expires_nothing() {
    let (engine, holds) = engine_with_holds(&small(), 1);
    let commits = engine.health(None).commits;
    assert!(outcome(submit_one(&engine, 11, create(1, 1))).from_retry_cache);
    assert_eq!(state_of(&engine, holds[0]), Ok(ReservationState::Reserved));
    assert_eq!(engine.health(None).commits, commits);
}

#[test]
fn a_commit_expires_a_bounded_number() {
    let (engine, holds) = engine_with_holds(&small(), 10);
    for (round, expired) in [(0u64, 4), (1, 8), (2, 10)] {
        outcome(submit_one(&engine, 10, create(300 + u128::from(round), 50)));
        let states = holds.iter().map(|&hold| state_of(&engine, hold));
        let count = states
            .filter(|state| *state == Ok(ReservationState::Expired))
            .count();
        assert_eq!(count, expired);
    }
    assert_eq!(engine.health(None).expiration_backlog, 0);
}

#[test]
fn a_tick_expires_up_to_its_limit_and_says_what_is_left() {
    let (engine, _) = engine_with_holds(&small(), 6);
    let before = engine.last_lsn();
    let nothing = engine.tick(Some(Slot(9)), 0).expect("ticked");
    // Nothing due: nothing written, no slot moved.
    assert_eq!((nothing.lsn, nothing.slot), (Lsn(0), Slot(1)));
    assert_eq!(engine.last_lsn(), before);
    let first = engine.tick(Some(Slot(10)), 1).expect("ticked");
    assert_eq!((first.lsn.0, first.slot), (before.0 + 1, Slot(10)));
    assert_eq!((first.expired_count, first.due_count), (1, 5));
    // 0 and anything beyond take the bound.
    let second = engine.tick(Some(Slot(10)), 0).expect("ticked");
    assert_eq!((second.expired_count, second.due_count), (4, 1));
    let third = engine.tick(None, 9999).expect("ticked");
    assert_eq!((third.expired_count, third.due_count), (1, 0));
    assert_eq!(engine.tick(None, 0).expect("ticked").lsn, Lsn(0));
}

/// Once, the backlog was that of the last applied slot: a database without traffic, the one that
/// needs a tick, showed none however long its holds had been over.
#[test]
fn an_idle_database_shows_what_waits_for_a_tick() {
    let (engine, _) = engine_with_holds(&small(), 3);
    for (slot, backlog) in [(1, 0), (9, 0), (10, 3), (1000, 3), (u64::MAX, 3)] {
        assert_eq!(engine.health(Some(Slot(slot))).expiration_backlog, backlog);
    }
    assert_eq!(
        engine.health(None).expiration_backlog,
        0,
        "as of the last applied slot"
    );
}

#[test]
fn with_auto_expire_off_only_a_tick_frees() {
    let (engine, holds) = engine_with_holds(
        &Options {
            auto_expire_off: true,
            ..small()
        },
        1,
    );
    let busy = outcome(submit_one(
        &engine,
        50,
        reserve(201, &[1u128.to_le_bytes()], 2, 9),
    ));
    assert_eq!(busy.code, ResultCode::ResourceBusy);
    assert_eq!(state_of(&engine, holds[0]), Ok(ReservationState::Reserved));
    assert_eq!(engine.health(Some(Slot(53))).expiration_backlog, 1);
    assert_eq!(engine.health(Some(Slot(53))).logical_slot_lag, 3);
    assert_eq!(engine.tick(None, 0).expect("ticked").expired_count, 1);
}

#[test]
fn zeroed_options_hold_ten_thousand_commands_a_second_for_a_minute() {
    let options = Options {
        clock: Clock::Host,
        ..Options::default()
    };
    let engine = open(&Disk::default(), &options);
    let seats: Vec<_> = (1..=1000).map(|id| create(id, id)).collect();
    submit_many(&engine, 1, &seats).expect("committed");
    // 600 slots of 100 ms, 1,000 commands each: reserve, confirm, release; some walk away.
    let mut operation_id = 1_000_000;
    let ids: Vec<[u8; 16]> = (1..=1000u128).map(u128::to_le_bytes).collect();
    let mut next = || {
        operation_id += 1;
        operation_id
    };
    for slot in 1..=600u64 {
        let first = usize::try_from(slot % 3).unwrap() * 333;
        let reserves: Vec<_> = (first..first + 334)
            .map(|seat| reserve(next(), std::slice::from_ref(&ids[seat]), 1, 3))
            .collect();
        let held: Vec<_> = submit_many(&engine, slot, &reserves)
            .expect("committed")
            .into_iter()
            .map(|result| result.expect("no table is full"))
            .collect();
        let confirms: Vec<_> = held
            .iter()
            .filter(|held| held.code == ResultCode::Done)
            .map(|held| confirm(next(), held.reservation_id, 1))
            .take(333)
            .collect();
        let results = submit_many(&engine, slot, &confirms).expect("committed");
        assert!(results.iter().all(Result::is_ok));
        let releases: Vec<_> = held
            .iter()
            .filter(|held| held.code == ResultCode::Done)
            .take(333)
            .map(|held| {
                let (reservation_id, holder_id) = (held.reservation_id, HolderId(1));
                operation(
                    next(),
                    Action::Release {
                        reservation_id,
                        holder_id,
                    },
                )
            })
            .collect();
        let results = submit_many(&engine, slot, &releases).expect("committed");
        assert!(results.iter().all(Result::is_ok));
    }
    let health = engine.health(None);
    assert_eq!(health.rejections, 0);
    assert!(health.records >= 550_000, "{}", health.records);
    for code in [2, 5, 6] {
        assert_eq!(
            health.outcomes_by_code[code], 0,
            "no table and no index was full"
        );
    }
}
