//! What the builder writes, takes back and refuses.

use super::*;
use crate::command::{Action, ResourceIds};
use crate::ids::{OperationId, ReservationId};
use crate::log::fixture::{create, ids, key, reserve};

fn meta() -> FrameMeta {
    FrameMeta {
        is_synced: true,
        first_lsn: Lsn(5),
        request_slot: Slot(1),
        durable_lsn: Lsn(4),
        chain: 3,
    }
}

#[test]
fn a_command_taken_back_leaves_no_trace() {
    let long = ids(100);
    let (mut with, mut without) = ([0xEE; 4096], [0x11; 4096]);
    let mut builder = FrameBuilder::new(&mut with);
    assert!(builder.push(&create(1)));
    let position = builder.position();
    assert!(builder.push(&reserve(2, &long)));
    assert!(builder.push(&create(9)));
    assert_eq!(
        (builder.record_count(), builder.count_from(position)),
        (3, 2)
    );
    let added = builder.commands_from(position);
    assert!(added.eq([reserve(2, &long), create(9)]));
    builder.rewind(position);
    assert_eq!(builder.count_from(position), 0);
    assert_eq!(builder.commands_from(position).count(), 0);
    assert_eq!((builder.record_count(), builder.payload_len()), (1, 45));
    assert!(builder.push(&create(3)));
    let encoded = builder.finish(&key(), &meta());

    let mut builder = FrameBuilder::new(&mut without);
    assert!(builder.push(&create(1)));
    assert!(builder.push(&create(3)));
    assert_eq!(builder.finish(&key(), &meta()), encoded);
    assert_eq!(with[..encoded.len], without[..encoded.len]);
    assert!(without[encoded.len..].iter().all(|&byte| byte == 0x11));
}

#[test]
fn a_sifted_frame_is_that_of_what_was_kept() {
    let long = ids(40);
    let commands = [
        create(1),
        reserve(2, &long),
        create(3),
        reserve(4, &long[..1]),
        create(5),
    ];
    for kept in 1u32..1 << commands.len() {
        let is_kept = |index: usize| kept & (1 << index) != 0;
        let (mut sifted, mut plain) = ([0xEE; 4096], [0x11; 4096]);
        let mut builder = FrameBuilder::new(&mut sifted);
        let begin = builder.position();
        assert!(commands.iter().all(|command| builder.push(command)));
        let mut sieve = builder.sift();
        for (index, command) in commands.iter().enumerate() {
            let (head, len) = sieve.current_head().expect("one for each");
            assert_eq!(head.operation_id, command.operation_id, "{kept:b}");
            if is_kept(index) {
                sieve.keep(len);
            } else {
                sieve.leave_out(len);
            }
        }
        assert!(sieve.current_head().is_none());
        let builder = sieve.finish();
        assert_eq!(builder.count_from(begin), kept.count_ones());
        let wanted = (0..).zip(commands).filter(|&(index, _)| is_kept(index));
        let wanted = wanted.map(|(_, command)| command);
        assert!(builder.commands_from(begin).eq(wanted), "{kept:b}");
        let encoded = builder.finish(&key(), &meta());

        let mut builder = FrameBuilder::new(&mut plain);
        for (index, command) in commands.iter().enumerate() {
            assert!(!is_kept(index) || builder.push(command));
        }
        assert_eq!(builder.finish(&key(), &meta()), encoded, "{kept:b}");
        assert_eq!(sifted[..encoded.len], plain[..encoded.len], "{kept:b}");
    }
}

#[test]
#[should_panic(expected = "every record is kept or left out")]
fn a_sieve_is_gone_through_to_its_end() {
    let mut buffer = [0; 1024];
    let mut builder = FrameBuilder::new(&mut buffer);
    assert!(builder.push(&create(1)) && builder.push(&create(2)));
    let mut sieve = builder.sift();
    let (_, len) = sieve.current_head().expect("two are there");
    sieve.keep(len);
    let _ = sieve.finish();
}

#[test]
fn a_record_longer_than_its_caller_allows_is_refused_and_nothing_changes() {
    let long = ids(2);
    let mut buffer = [0; 1024];
    let mut builder = FrameBuilder::new(&mut buffer);
    assert!(!builder.push_within(&reserve(2, &long), 71 + 15));
    assert_eq!((builder.record_count(), builder.payload_len()), (0, 0));
    assert!(builder.push_within(&reserve(2, &long), 71 + 16));
}

#[test]
fn what_is_judged_is_read_from_the_frame_and_not_from_the_host() {
    // R67: the host changes its array after the push; the frame has the ids of the push.
    let mut host = ids(3);
    let before = host.clone();
    let mut buffer = [0; 1024];
    let mut builder = FrameBuilder::new(&mut buffer);
    let position = builder.position();
    assert!(builder.push(&reserve(2, &host)));
    host[1] = [0xFF; 16];
    assert!(builder.commands_from(position).eq([reserve(2, &before)]));
    assert_eq!(crate::log::commands(builder.payload(), Lsn(5)).count(), 1);
}

#[test]
fn a_record_without_room_is_refused_and_nothing_changes() {
    let mut buffer = [0; 1024 + 511];
    let mut builder = FrameBuilder::new(&mut buffer);
    let mut count = 0;
    while builder.push(&create(u128::from(count) + 1)) {
        count += 1;
    }
    assert_eq!(count, (1024 - 64) / 45);
    assert_eq!((builder.record_count(), builder.frame_len()), (count, 1024));
    let expire = Command {
        operation_id: OperationId(0),
        valid_until_slot: Slot(0),
        action: Action::ExpireDue { limit: 1 },
    };
    assert!(builder.push(&expire), "a shorter one still fits");
    assert_eq!(builder.finish(&key(), &meta()).len, 1024);
}

#[test]
fn a_bundle_beyond_every_configuration_is_refused() {
    let ids = ids(crate::config::BUNDLE_LEN_MAX as usize + 1);
    let mut buffer = vec![0; 64 << 10];
    let mut builder = FrameBuilder::new(&mut buffer);
    assert!(!builder.push(&reserve(1, &ids)));
    let command = Command {
        action: Action::Reserve {
            resource_ids: ResourceIds::new(&ids[1..]),
            holder_id: crate::ids::HolderId(1),
            ttl_slots: 1,
        },
        ..create(1)
    };
    assert!(builder.push(&command), "the longest bundle fits");
}

#[test]
fn no_sector_of_any_frame_is_zero() {
    // Ids as sparse as they may be, so that the payload has as many zeros as it can have.
    let one = |count: usize| vec![1u128.to_le_bytes(); count];
    let mut buffer = vec![0; 64 << 10];
    for count in 1..300 {
        let ids = one(count);
        let mut builder = FrameBuilder::new(&mut buffer);
        assert!(builder.push(&reserve(1 << 120, &ids)));
        let revoke = Command {
            operation_id: OperationId(1),
            valid_until_slot: Slot(0),
            action: Action::Revoke {
                reservation_id: ReservationId(1),
            },
        };
        assert!(builder.push(&revoke));
        let len = builder.finish(&key(), &meta()).len;
        assert!(len.is_multiple_of(SECTOR_BYTES));
        for sector in buffer[..len].chunks(SECTOR_BYTES) {
            assert!(sector.iter().any(|&byte| byte != 0), "bundle of {count}");
        }
    }
}

#[test]
#[should_panic(expected = "a sector that was written is not all zero")]
fn a_zero_sector_is_never_written() {
    // A bundle of zero ids is malformed and taken back before it gets here; if it did get here,
    // recovery would take the frame for one that was never fully written.
    let zeros = vec![[0; 16]; 100];
    let mut buffer = [0; 4096];
    let mut builder = FrameBuilder::new(&mut buffer);
    assert!(builder.push(&reserve(1, &zeros)));
    let _ = builder.finish(&key(), &meta());
}

#[test]
#[should_panic(expected = "an empty commit writes no frame")]
fn a_commit_with_nothing_new_writes_no_frame() {
    // R65
    let mut buffer = [0; 512];
    let _ = FrameBuilder::new(&mut buffer).finish(&key(), &meta());
}

#[test]
#[should_panic(expected = "a snapshot is not ahead of its log")]
fn a_marker_is_never_ahead_of_its_log() {
    let marker = Marker {
        anchor_lsn: Lsn(5),
        snapshot_crc: 0,
    };
    let _ = encode_marker(&mut [0; 512], &key(), &meta(), marker);
}

#[test]
#[should_panic(expected = "a seal follows what is durable")]
fn a_seal_is_never_written_over_what_is_not_durable() {
    let meta = FrameMeta {
        durable_lsn: Lsn(3),
        ..meta()
    };
    let _ = encode_seal(&mut [0; 512], &key(), &meta);
}

#[test]
#[should_panic(expected = "acceptance gives no LSN beyond the last")]
fn an_lsn_never_wraps() {
    // R4
    let meta = FrameMeta {
        first_lsn: Lsn(u64::MAX),
        ..meta()
    };
    let mut buffer = [0; 512];
    let mut builder = FrameBuilder::new(&mut buffer);
    assert!(builder.push(&create(1)));
    let _ = builder.finish(&key(), &meta);
}
