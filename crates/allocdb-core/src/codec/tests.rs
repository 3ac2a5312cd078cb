//! Every command survives its record; every damaged record is refused or is another command.

use super::*;
use crate::command::ResourceIds;

fn samples(ids: &[[u8; 16]]) -> Vec<Command<'_>> {
    let resource_id = ResourceId(0x11 << 100);
    let holder_id = HolderId(0x22);
    let reservation_id = ReservationId((7 << 64) | 9);
    let actions = [
        Action::CreateResource { resource_id },
        Action::DeleteResource { resource_id },
        Action::Reserve {
            resource_ids: ResourceIds::new(ids),
            holder_id,
            ttl_slots: 5,
        },
        Action::Confirm {
            reservation_id,
            holder_id,
        },
        Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots: u64::MAX,
        },
        Action::Release {
            reservation_id,
            holder_id,
        },
        Action::Revoke { reservation_id },
        Action::Reclaim { reservation_id },
    ];
    let client = actions.map(|action| Command {
        operation_id: OperationId(0x33),
        valid_until_slot: Slot(44),
        action,
    });
    let internal = Command {
        operation_id: OperationId(0),
        valid_until_slot: Slot(0),
        action: Action::ExpireDue { limit: 77 },
    };
    client.into_iter().chain([internal]).collect()
}

#[test]
fn every_command_reads_back_from_its_record() {
    let ids = [[1; 16], [2; 16], [3; 16]];
    for command in samples(&ids) {
        let mut record = [0xEE; 256];
        let len = encode_record(&command, &mut record).expect("fits");
        assert_eq!(len, record_len(&command));
        assert_eq!(record[len], 0xEE, "nothing is written past the record");
        assert_eq!(decode_record(&record), Some((command, len)));
        assert_eq!(
            encode_record(&command, &mut record[..len - 1]),
            None,
            "too short a buffer"
        );
    }
}

/// What was decoded before is read again by its front alone.
#[test]
fn a_records_head_says_what_its_command_does() {
    let ids = [[1; 16], [2; 16], [3; 16]];
    for command in samples(&ids) {
        let mut record = [0xEE; 256];
        let len = encode_record(&command, &mut record).expect("fits");
        let kind = command.action.kind();
        let head = RecordHead {
            kind,
            operation_id: command.operation_id,
            valid_until_slot: command.valid_until_slot,
        };
        let is_client = kind != CommandKind::ExpireDue;
        assert_eq!(decode_head(&record), is_client.then_some((head, len)));
        for end in 0..len {
            assert_eq!(decode_head(&record[..end]), None, "cut at {end}");
        }
    }
}

#[test]
fn the_largest_bundle_fits_and_a_larger_one_is_refused() {
    let ids = vec![[9; 16]; BUNDLE_LEN_MAX as usize + 1];
    let mut record = vec![0; RECORD_BYTES_MAX + 16];
    let reserve = |len: usize| Command {
        operation_id: OperationId(1),
        valid_until_slot: Slot(0),
        action: Action::Reserve {
            resource_ids: ResourceIds::new(&ids[..len]),
            holder_id: HolderId(1),
            ttl_slots: 1,
        },
    };
    let largest = BUNDLE_LEN_MAX as usize;
    assert_eq!(
        encode_record(&reserve(largest), &mut record),
        Some(RECORD_BYTES_MAX)
    );
    assert_eq!(encode_record(&reserve(largest + 1), &mut record), None);
}

#[test]
fn every_truncation_of_a_record_is_refused() {
    for command in samples(&[[1; 16]]) {
        let mut record = [0; 128];
        let len = encode_record(&command, &mut record).expect("fits");
        for cut in 0..len {
            assert_eq!(
                decode_record(&record[..cut]),
                None,
                "{command:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn every_bit_flip_decodes_to_something_else_or_is_refused() {
    for command in samples(&[[1; 16], [2; 16]]) {
        let mut record = [0; 160];
        let len = encode_record(&command, &mut record).expect("fits");
        for bit in 0..len * 8 {
            record[bit / 8] ^= 1 << (bit % 8);
            let decoded = decode_record(&record[..len]);
            assert_ne!(decoded, Some((command, len)), "bit {bit} of {command:?}");
            record[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn the_longest_bundle_fits_the_longest_record_exactly() {
    let ids: Vec<[u8; 16]> = (1..=u128::from(BUNDLE_LEN_MAX) + 1)
        .map(u128::to_le_bytes)
        .collect();
    let reserve = |count: usize| Command {
        operation_id: OperationId(1),
        valid_until_slot: Slot(0),
        action: Action::Reserve {
            resource_ids: ResourceIds::new(&ids[..count]),
            holder_id: HolderId(1),
            ttl_slots: 1,
        },
    };
    let mut out = vec![0; RECORD_BYTES_MAX + 16];
    let longest = BUNDLE_LEN_MAX as usize;
    assert_eq!(
        encode_record(&reserve(longest), &mut out),
        Some(RECORD_BYTES_MAX)
    );
    assert_eq!(encode_record(&reserve(longest + 1), &mut out), None);
}
