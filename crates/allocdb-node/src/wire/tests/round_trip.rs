//! What is encoded is decoded again, whatever the values.

use proptest::prelude::*;

use super::*;
use crate::wire::figures::{Figures, NAMES, WORD_COUNT};
use crate::wire::response::{Body as Answer, ListWriter, ReservationRow, ResourceRow, Response};
use crate::wire::{Failure, figures};
use allocdb_core::outcome::ResultCode;

fn material() -> impl Strategy<Value = Material> {
    let kind = (0..Kind::ALL.len()).prop_map(|index| Kind::ALL[index]);
    let ids = prop::collection::vec(any::<[u8; 16]>(), 0..6);
    let numbers = (any::<[u64; 4]>(), any::<[u128; 3]>(), any::<[u32; 2]>());
    (kind, numbers, ids).prop_map(|(kind, (words, wide, small), ids)| Material {
        kind,
        words,
        wide: wide.map(|id| id.max(1)),
        small,
        ids,
    })
}

fn row(numbers: ([u64; 4], [u128; 3], [u32; 2])) -> (ResourceRow, ReservationRow) {
    let (words, wide, small) = numbers;
    let resource = ResourceRow {
        resource_id: ResourceId(wide[0]),
        reservation_id: ReservationId(wide[1]),
        holder_id: HolderId(wide[2]),
        version: words[0],
        state: small[0],
    };
    let reservation = ReservationRow {
        reservation_id: ReservationId(wide[1]),
        holder_id: HolderId(wide[2]),
        first_resource_id: ResourceId(wide[0]),
        created_lsn: Lsn(words[0]),
        deadline_slot: Slot(words[1]),
        ended_lsn: Lsn(words[2]),
        retire_after_slot: Slot(words[3]),
        state: small[0],
        resource_count: small[1],
    };
    (resource, reservation)
}

proptest! {
    #[test]
    fn a_request_that_is_encoded_is_decoded_alike(material in material()) {
        let request = material.request();
        let bytes = bytes_of(&request);
        prop_assert_eq!(request::decode(&bytes), Ok((request, bytes.len())));
        let mut longer = bytes.clone();
        longer.extend([0xFF; 7]);
        prop_assert_eq!(request::decode(&longer), Ok((request, bytes.len())));
        prop_assert_eq!(request::encode(&request, &mut longer[..bytes.len() - 1]), None);
    }

    #[test]
    fn rows_that_are_written_are_read_alike(
        numbers in prop::collection::vec(any::<([u64; 4], [u128; 3], [u32; 2])>(), 0..5),
        tag: u64,
        cursor: u64,
    ) {
        let count = u32::try_from(numbers.len()).unwrap();
        let rows: Vec<_> = numbers.into_iter().map(row).collect();
        let mut out = vec![0xEE; 56 + 96 * 5];
        let mut list = ListWriter::new(&mut out, Kind::ListResources, count);
        for (row, _) in &rows {
            assert!(list.push_resource(row));
        }
        prop_assert!(list.is_full());
        let len = list.finish(tag, cursor, Lsn(5));
        let (response, _) = response::decode(&out[..len]).unwrap();
        prop_assert_eq!(response.tag, tag);
        let Answer::Resources { next_cursor, rows: read, .. } = response.body else {
            panic!("{response:?}");
        };
        prop_assert_eq!(next_cursor, cursor);
        prop_assert!(read.resources().eq(rows.iter().map(|row| row.0)));

        let mut list = ListWriter::new(&mut out, Kind::ListReservations, count);
        for (_, row) in &rows {
            assert!(list.push_reservation(row));
        }
        let len = list.finish(tag, cursor, Lsn(5));
        let (response, _) = response::decode(&out[..len]).unwrap();
        let Answer::Reservations { rows: read, .. } = response.body else {
            panic!("{response:?}");
        };
        prop_assert!(read.reservations().eq(rows.iter().map(|row| row.1)));
    }

    #[test]
    fn answers_that_are_written_are_read_alike(
        words: [u64; 4],
        wide: u128,
        code in 0..ResultCode::ALL.len(),
        small: [u32; 2],
        errno: i32,
        status in 1..=u16::MAX - 1,
    ) {
        let outcome = Answer::Outcome(Outcome {
            lsn: Lsn(words[0]),
            code: ResultCode::ALL[code],
            reservation_id: ReservationId(wide),
            deadline_slot: Slot(words[1]),
            failed_index: small[0],
            from_retry_cache: small[1] % 2 == 1,
        });
        let tick = Answer::Tick(TickResult {
            lsn: Lsn(words[0]),
            slot: Slot(words[1]),
            expired_count: small[0],
            due_count: words[2],
        });
        let figures = Answer::Health(Figures([words[3]; WORD_COUNT]));
        for (kind, body) in [
            (Kind::Extend, outcome),
            (Kind::GetOperation, outcome),
            (Kind::Tick, tick),
            (Kind::Health, figures),
        ] {
            let mut out = vec![0xEE; 2000];
            let len = response::write_fixed(&mut out, kind, words[2], &body);
            let expected = Response { tag: words[2], kind, body };
            prop_assert_eq!(response::decode(&out[..len]), Ok((expected, len)));
        }
        let failure = Failure { status, os_errno: errno, detail: words };
        for kind in Kind::ALL {
            let mut out = vec![0xEE; 2000];
            let len = response::write_failure(&mut out, kind, words[2], &failure);
            let body = Answer::Failed(failure);
            let expected = Response { tag: words[2], kind, body };
            prop_assert_eq!(response::decode(&out[..len]), Ok((expected, len)));
        }
    }
}

#[test]
fn health_words_stand_under_their_names() {
    let mut health = Health {
        queue_len: 3,
        sync_ns_max: 77,
        ..Health::default()
    };
    health.operations.probe_len_max = 9;
    health.commands_by_kind[3] = 30;
    health.outcomes_by_code[10] = 40;
    health.sync_histogram[23] = 50;
    let figures = Figures::from(&health);
    assert_eq!(figures.named("queue_len"), Some(3));
    assert_eq!(figures.named("operations_probe_len_max"), Some(9));
    assert_eq!(figures.named("sync_ns_max"), Some(77));
    assert_eq!(figures.named("no_such_name"), None);
    assert_eq!(figures.0[figures::COMMANDS_WORD + 3], 30);
    assert_eq!(figures.0[figures::OUTCOMES_WORD + 10], 40);
    assert_eq!(figures.0[figures::SYNCS_WORD + 23], 50);
    assert_eq!(figures.0.iter().filter(|&&word| word != 0).count(), 6);
    assert_eq!(NAMES[38], "sync_ns_max");
}

#[test]
fn the_internal_command_has_no_message() {
    let action = Action::ExpireDue { limit: 1 };
    let internal = command(1, 1, action);
    assert_eq!(request::encode(&internal, &mut [0; 200]), None);
    let mut bytes = bytes_of(&create(1, 1, 1));
    bytes[5] = 9;
    assert!(request::decode(&bytes).is_err());
}

#[test]
fn a_bundle_longer_than_any_message_is_not_encoded() {
    let ids = vec![[1; 16]; 1025];
    assert_eq!(
        request::encode(&reserve(1, 1, &ids), &mut vec![0; 20_000]),
        None
    );
    let longest = bytes_of(&reserve(1, 1, &ids[..1024]));
    assert_eq!(longest.len(), request::REQUEST_BYTES_MAX);
    assert!(request::decode(&longest).is_ok());
}
