//! Retries are answered once and for all; conflicts are told; limits hold.

use super::*;

fn command(operation: u128, valid_until: u64, action: Action<'_>) -> Command<'_> {
    Command {
        operation_id: OperationId(operation),
        valid_until_slot: Slot(valid_until),
        action,
    }
}

fn create(id: u128) -> Action<'static> {
    Action::CreateResource {
        resource_id: ResourceId(id),
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Outcome(outcome) => outcome,
        other => panic!("answered {other:?}"),
    }
}

/// R12, R60, R68.
#[test]
fn a_retry_gets_the_first_answer_failures_too() {
    let mut fixture = Fixture::with_resources(config(), 2);
    let bytes = [1u128.to_le_bytes()];
    let reserve = Action::Reserve {
        resource_ids: ResourceIds::new(&bytes),
        holder_id: ALICE,
        ttl_slots: 10,
    };
    let won = outcome(fixture.apply_command(command(901, 0, reserve)));
    let lost = outcome(fixture.apply_command(command(902, 0, reserve)));
    assert_eq!(
        (won.code, lost.code),
        (ResultCode::Done, ResultCode::ResourceBusy)
    );
    fixture.release(won.reservation_id);
    fixture.slot += config().operation_window_slots;
    let before = fixture.visible().0;
    for (operation, first) in [(901, won), (902, lost)] {
        let again = outcome(fixture.apply_command(command(operation, 0, reserve)));
        assert_eq!(
            again,
            Outcome {
                from_retry_cache: true,
                ..first
            }
        );
        assert_eq!(
            fixture.state.operation(OperationId(operation)),
            Some(again),
            "R75"
        );
    }
    assert_eq!(fixture.visible().0, before, "a retry does nothing");
}

/// R13, R61.
#[test]
fn retry_with_another_payload_conflicts() {
    let mut fixture = Fixture::new(config());
    let first = outcome(fixture.apply_command(command(7, 0, create(1))));
    let other = fixture.apply_command(command(7, 0, create(2)));
    let conflict = Rejection::OperationConflict { lsn: first.lsn };
    assert_eq!(other, Verdict::Rejected(conflict));
    assert_eq!(
        fixture.state.resource(ResourceId(2)),
        None,
        "R21: nothing happened"
    );
    // Another limit is no other command.
    let again = outcome(fixture.apply_command(command(7, fixture.slot + 3, create(1))));
    assert!(again.from_retry_cache);
}

/// R29, R30.
#[test]
fn a_limit_lies_between_now_and_the_window() {
    let mut fixture = Fixture::new(config());
    let (slot, window) = (fixture.slot, config().operation_window_slots);
    let expired = Rejection::OperationExpired {
        slot: Slot(slot),
        valid_until_slot: Slot(slot - 1),
    };
    let verdict = fixture.apply_command(command(1, slot - 1, create(1)));
    assert_eq!(verdict, Verdict::Rejected(expired));
    let far = Rejection::ValidUntilOutOfRange {
        valid_until_slot: Slot(slot + window + 1),
        bound: Slot(slot + window),
    };
    let verdict = fixture.apply_command(command(2, slot + window + 1, create(1)));
    assert_eq!(verdict, Verdict::Rejected(far));
    for (operation, valid_until) in [(3, slot), (4, slot + window)] {
        let verdict = fixture.apply_command(command(operation, valid_until, create(operation)));
        assert_eq!(outcome(verdict).code, ResultCode::Done);
    }
    // R28: a remembered one is answered whatever its limit says by now.
    fixture.slot += 1;
    assert!(outcome(fixture.apply_command(command(3, slot, create(3)))).from_retry_cache);
}

/// R14, R34. The planted bug: with a record that is gone one slot earlier, the duplicate that
/// arrives at exactly its limit finds neither record nor expiry, and reserves a second time.
#[test]
fn a_duplicate_is_never_executed_after_the_window_in_spite_of_its_limit() {
    let window = config().operation_window_slots;
    for delay in 0..3 * window {
        let mut fixture = Fixture::with_resources(config(), 1);
        let bytes = [1u128.to_le_bytes()];
        let reserve = Action::Reserve {
            resource_ids: ResourceIds::new(&bytes),
            holder_id: ALICE,
            ttl_slots: 1,
        };
        let once = command(77, fixture.slot + window, reserve);
        let first = outcome(fixture.apply_command(once));
        fixture.release(first.reservation_id);
        fixture.slot += delay;
        match fixture.apply_command(once) {
            Verdict::Outcome(again) => {
                assert!(again.from_retry_cache, "executed twice after {delay} slots");
                assert!(delay <= window);
            }
            Verdict::Rejected(rejection) => {
                assert!(matches!(rejection, Rejection::OperationExpired { .. }));
                assert!(delay > window);
            }
            Verdict::Expired { .. } => unreachable!("not what was asked"),
        }
    }
}

/// R20. An operation id reused after its window, whose old record still waits in the queue: the
/// image must restore, and the old record must not take the new one's index entry along.
#[test]
fn a_reused_operation_id_leaves_its_old_record_nameless() {
    let mut fixture = Fixture::new(config());
    // More than are taken back by one command, so that the last ones stay in memory.
    for operation in 501..=520 {
        fixture.apply_command(command(operation, 0, create(1)));
    }
    fixture.slot += config().operation_window_slots + 1;
    let again = outcome(fixture.apply_command(command(520, 0, create(2))));
    assert_eq!(
        (again.code, again.from_retry_cache),
        (ResultCode::Done, false)
    );
    let image = fixture.image();
    let (restored, _) = snapshot::decode(&mut image.as_slice()).expect("it restores");
    assert_eq!(
        restored.operation(OperationId(520)).map(|o| o.lsn),
        Some(again.lsn)
    );
    // As the old record's memory is taken back, the new one stays known.
    for operation in 601..=610 {
        fixture.apply_command(command(operation, 0, create(3)));
    }
    let known = fixture
        .state
        .operation(OperationId(520))
        .expect("the new record stays");
    assert_eq!(known.lsn, again.lsn);
}

/// R15, R75.
#[test]
fn an_operation_is_remembered_through_its_window_and_no_longer() {
    let mut fixture = Fixture::new(config());
    fixture.apply_command(command(5, 0, create(1)));
    for (delay, remembered) in [(config().operation_window_slots, true), (1, false)] {
        fixture.slot += delay;
        fixture.delete(99);
        assert_eq!(
            fixture.state.operation(OperationId(5)).is_some(),
            remembered
        );
    }
    assert_eq!(fixture.state.operation(OperationId(0)), None);
}

/// R6, R21, R68: what the form or the slot rules out is answered and changes nothing else.
#[test]
fn a_rejected_command_takes_a_position_and_nothing_else() {
    let mut fixture = Fixture::with_resources(config(), 1);
    let before = (fixture.visible(), fixture.state.last_slot());
    let bound = config().slot_max();
    fixture.slot = bound.0 + 1;
    let overflow = Rejection::SlotOverflow {
        slot: Slot(bound.0 + 1),
        bound,
    };
    assert_eq!(fixture.apply(create(5)), Verdict::Rejected(overflow));
    assert_eq!((fixture.visible(), fixture.state.last_slot()), before);
    // The greatest slot allowed works, and no deadline beyond it wraps.
    fixture.slot = bound.0;
    let id = fixture.hold(&[1], config().max_ttl_slots);
    assert_eq!(fixture.found(id).deadline_slot, Slot(u64::MAX));
    fixture.release(id);
    assert_eq!(fixture.found(id).retire_after_slot.0, bound.0 + 21);
}

/// R4.
#[test]
fn the_last_log_position_is_given_once() {
    let mut fixture = Fixture::new(config());
    fixture.state.last_lsn = Lsn(Lsn::MAX.0 - 1);
    assert_eq!(fixture.create(1).lsn, Lsn::MAX);
    let image = fixture.image();
    let once = command(9, 0, create(2));
    let applied = fixture.state.apply(Slot(fixture.slot), &once);
    assert_eq!(applied.verdict, Verdict::Rejected(Rejection::LsnExhausted));
    assert_eq!(fixture.image(), image);
    let mut acceptance = Acceptance::new(4).expect("memory");
    acceptance.begin(&fixture.state, Slot(fixture.slot), false);
    let said = acceptance.admit(&fixture.state, &once, 0);
    assert_eq!(said, Admission::Rejected(Rejection::LsnExhausted));
}

/// R70: the digest is a function of the answers alone, and every field of them has its bits.
#[test]
fn the_digest_takes_in_every_field_of_every_answer() {
    let mut state = State::new(config()).expect("a valid configuration");
    let mut expected = Digest::default();
    let outcome = Outcome {
        lsn: Lsn(5),
        code: ResultCode::InvalidState,
        reservation_id: ReservationId::new(3, Lsn(4)),
        deadline_slot: Slot(77),
        failed_index: 0x0102_0304,
        from_retry_cache: true,
    };
    let first_time = Outcome {
        failed_index: NO_INDEX,
        from_retry_cache: false,
        ..outcome
    };
    for (lsn, outcome) in [(6, outcome), (7, first_time)] {
        let verdict = Verdict::Outcome(outcome);
        state.absorb(&Applied {
            lsn: Lsn(lsn),
            verdict,
        });
        let code = outcome.code as u64 * 2 + u64::from(outcome.from_retry_cache);
        let flags = (1 << 56) + code * (1 << 32) + u64::from(outcome.failed_index);
        for word in [lsn, flags, 5, 4, 77] {
            expected.word(word);
        }
        assert_eq!(state.digest(), expected, "{outcome:?}");
    }
    let count = 0x0A0B_0C0D;
    let verdict = Verdict::Expired { count };
    state.absorb(&Applied {
        lsn: Lsn(8),
        verdict,
    });
    expected.word(8);
    expected.word((2 << 56) + u64::from(count));
    assert_eq!(state.digest(), expected);
    let rejection = Rejection::LsnExhausted;
    let verdict = Verdict::Rejected(rejection);
    state.absorb(&Applied {
        lsn: Lsn(9),
        verdict,
    });
    expected.word(9);
    expected.word((3 << 56) + u64::from(rejection.status()));
    assert_eq!(state.digest(), expected);
}

/// R70, R71.
#[test]
fn the_digest_tells_apart_what_was_answered() {
    let run = |ids: [u128; 2]| {
        let mut fixture = Fixture::new(config());
        for id in ids {
            fixture.create(id);
        }
        fixture.state.digest()
    };
    assert_eq!(run([1, 2]), run([1, 2]));
    assert_ne!(run([1, 2]), run([1, 1]), "an answer differs");
}
