//! R95 as a caller sees it: an answer that a full table gave stays that answer, and a new operation
//! finds the room.

use super::*;
use crate::storage::faulty::Disk;

/// Every table full with a resource or two.
fn tight() -> Options {
    Options {
        max_resources: 3,
        max_reservations: 2,
        max_operations: 8,
        max_expiration_bucket_len: 1,
        ..small()
    }
}

/// Room in one of them, beyond what is stored.
fn roomier(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options {
        clock: Clock::Host,
        ..Options::default()
    };
    change(&mut options);
    options
}

fn open<'a>(disk: &'a Disk, options: &Options) -> Engine<&'a Disk> {
    let diagnostics = Diagnostics::new(Level::Info, 4096, None);
    Engine::open(disk, options, diagnostics).expect("the disk does as it is told")
}

fn submit(engine: &Engine<&Disk>, slot: u64, command: Command<'_>) -> CommandResult {
    let mut batch = Single::new(command);
    engine
        .submit(Some(Slot(slot)), &mut batch)
        .expect("no halt");
    *batch.result().expect("settled")
}

fn code(result: CommandResult) -> ResultCode {
    result.expect("logged").code
}

const A: [[u8; 16]; 1] = [1u128.to_le_bytes()];
const B: [[u8; 16]; 1] = [2u128.to_le_bytes()];
const C: [[u8; 16]; 1] = [3u128.to_le_bytes()];

/// Three resources, two of them held: the third reserve found the reservation table full.
fn with_a_refused_reserve(disk: &Disk) -> (Engine<&Disk>, Outcome) {
    let engine = open(disk, &tight());
    for id in 1..=3 {
        assert_eq!(code(submit(&engine, 1, create(id, id))), ResultCode::Done);
    }
    for (id, ids, ttl_slots) in [(11, &A, 100), (12, &B, 101)] {
        let result = submit(&engine, 1, reserve(id, ids, 7, ttl_slots));
        assert_eq!(code(result), ResultCode::Done);
    }
    let refused = submit(&engine, 1, reserve(13, &C, 7, 102)).expect("logged");
    assert_eq!(refused.code, ResultCode::ReservationTableFull);
    (engine, refused)
}

/// How the process before the growth ended.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    Killed,
    Closed,
    Checkpointed,
}

const ENDS: [End; 3] = [End::Killed, End::Closed, End::Checkpointed];

fn end(engine: Engine<&Disk>, end: End) {
    if end == End::Checkpointed {
        assert!(engine.checkpoint().expect("sound").written);
    }
    match end {
        End::Killed => engine.abandon(),
        End::Closed | End::Checkpointed => engine.close().expect("sound"),
    }
}

/// The scenario for which growth must not replay: the reserve that the full table refused would
/// succeed on a larger one, and whoever was told "full" would hold a seat.
#[test]
fn a_refused_reserve_stays_refused_after_growth_and_a_new_one_succeeds() {
    for how in ENDS {
        let disk = Disk::new();
        let (engine, refused) = with_a_refused_reserve(&disk);
        end(engine, how);

        let engine = open(&disk, &roomier(|options| options.max_reservations = 4));
        let again = submit(&engine, 2, reserve(13, &C, 7, 102)).expect("remembered");
        let remembered = Outcome {
            from_retry_cache: true,
            ..refused
        };
        assert_eq!(again, remembered, "{how:?}");
        assert_eq!(engine.operation(Lsn(0), OperationId(13)), Ok(remembered));
        let resource = engine.resource(Lsn(0), ResourceId(3)).expect("there");
        assert_eq!(resource.version, 0, "nobody has ever held it");
        let new = submit(&engine, 2, reserve(14, &C, 8, 103)).expect("logged");
        assert_eq!(new.code, ResultCode::Done, "{how:?}");
        assert_eq!(
            new.reservation_id.lsn(),
            Lsn(refused.lsn.0 + 1),
            "no id is passed over"
        );
        engine.close().expect("sound");
        // And so it is after the next opening, of either size of options.
        let engine = open(&disk, &roomier(|_| ()));
        assert_eq!(submit(&engine, 2, reserve(13, &C, 7, 102)), Ok(remembered));
        assert_eq!(engine.configuration().max_reservations, 4);
    }
}

#[test]
fn each_full_table_has_room_once_it_has_grown() {
    for how in ENDS {
        let disk = Disk::new();
        let (engine, _) = with_a_refused_reserve(&disk);
        let full = submit(&engine, 1, create(14, 4));
        assert_eq!(code(full), ResultCode::ResourceTableFull);
        // Deadline 101 has its one reservation.
        let late = engine.reservation(Lsn(0), ReservationId::new(0, Lsn(4)), |_| ());
        assert_eq!(late.expect("held").deadline_slot, Slot(101));
        let extend = |id, reservation: u64| {
            operation(
                id,
                Action::Extend {
                    reservation_id: ReservationId::new(0, Lsn(reservation)),
                    holder_id: HolderId(7),
                    ttl_slots: 101,
                },
            )
        };
        let full = submit(&engine, 1, extend(15, 4));
        assert_eq!(code(full), ResultCode::ExpirationIndexFull);
        let refused = submit(&engine, 1, create(16, 5));
        assert!(
            matches!(
                refused,
                Err(Rejection::OperationTableFull { capacity: 8, .. })
            ),
            "{refused:?}"
        );
        end(engine, how);

        let grow = |change: fn(&mut Options)| open(&disk, &roomier(change));
        let engine = grow(|options| options.max_operations = 40);
        assert_eq!(
            code(submit(&engine, 1, create(16, 5))),
            ResultCode::ResourceTableFull,
            "what was never logged is a new command"
        );
        engine.close().expect("sound");
        let engine = grow(|options| options.max_resources = 4);
        assert_eq!(code(submit(&engine, 1, create(17, 5))), ResultCode::Done);
        assert_eq!(
            code(submit(&engine, 1, create(14, 4))),
            ResultCode::ResourceTableFull
        );
        engine.close().expect("sound");
        let engine = grow(|options| options.max_expiration_bucket_len = 2);
        assert_eq!(code(submit(&engine, 1, extend(18, 4))), ResultCode::Done);
        assert_eq!(
            code(submit(&engine, 1, extend(15, 4))),
            ResultCode::ExpirationIndexFull
        );
    }
}

#[test]
fn a_growth_is_told_in_the_log() {
    let disk = Disk::new();
    open(&disk, &tight()).close().expect("sound");
    let engine = open(&disk, &roomier(|options| options.max_operations = 9));
    let mut text = [0; 1024];
    let (len, _) = engine.diagnostics().read(&mut text);
    let text = String::from_utf8_lossy(&text[..len]);
    assert!(text.contains("grown: max_operations from 8 to 9"), "{text}");
    engine.close().expect("sound");
    let engine = open(&disk, &roomier(|_| ()));
    let mut text = [0; 1024];
    let (len, _) = engine.diagnostics().read(&mut text);
    let text = String::from_utf8_lossy(&text[..len]);
    assert!(text.contains("opened") && !text.contains("grown"), "{text}");
}
