//! Frames read back; headers that are not exactly as written are refused.

use super::*;
use crate::log::build::encode_marker;
use crate::log::fixture::{LogWriter, create, key, long_log, reserve};
use crate::log::{FrameBuilder, FrameMeta, encode_seal, fixture};

fn meta() -> FrameMeta {
    FrameMeta {
        is_synced: false,
        first_lsn: Lsn(8),
        request_slot: Slot(77),
        durable_lsn: Lsn(6),
        chain: 0x1234_5678,
    }
}

fn head_of(buffer: &[u8]) -> [u8; FRAME_HEADER_BYTES] {
    *buffer.first_chunk().expect("a frame has a header")
}

fn commands_frame(buffer: &mut [u8]) -> usize {
    let ids = fixture::ids(40);
    let mut builder = FrameBuilder::new(buffer);
    assert!(builder.push(&create(3)));
    assert!(builder.push(&reserve(4, &ids)));
    builder.finish(&key(), &meta()).len
}

/// Changes a header and gives it a checksum that holds.
fn forged(mut head: [u8; FRAME_HEADER_BYTES], at: usize, bytes: &[u8]) -> [u8; FRAME_HEADER_BYTES] {
    head[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = key().header_crc(&head[..CRC_AT]);
    head[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    head
}

#[test]
fn every_header_field_reads_back() {
    let mut buffer = [0; 2048];
    let len = commands_frame(&mut buffer);
    let header = FrameHeader::decode(&head_of(&buffer), &key()).expect("valid");
    assert_eq!(header.kind, FrameKind::Commands);
    assert!(!header.is_synced);
    assert_eq!((header.first_lsn, header.last_lsn()), (Lsn(8), Lsn(9)));
    assert_eq!(header.request_slot, Slot(77));
    assert_eq!(header.record_count, 2);
    assert_eq!(header.payload_len as usize, 45 + 71 + 39 * 16);
    assert_eq!(header.database_id, 0xD0);
    assert_eq!(header.durable_lsn, Lsn(6));
    assert_eq!(header.chain, 0x1234_5678);
    assert_eq!((header.frame_len(), len), (1024, 1024));
    assert_eq!(header.payload_crc, crc32c::crc32c(&buffer[64..1024]));
}

#[test]
fn commands_read_back_with_their_lsns() {
    let mut buffer = [0; 2048];
    let len = commands_frame(&mut buffer);
    let header = FrameHeader::decode(&head_of(&buffer), &key()).expect("valid");
    let payload_end = 64 + header.payload_len as usize;
    let frame = Frame {
        offset: 4096,
        header,
        bytes: &buffer[..len],
        payload: &buffer[64..payload_end],
    };
    let ids = fixture::ids(40);
    let read: Vec<_> = frame.commands().collect();
    assert_eq!(read, [(Lsn(8), create(3)), (Lsn(9), reserve(4, &ids))]);
    assert_eq!(frame.end_offset(), 4096 + 1024);
    assert_eq!(frame.marker(), None);
}

#[test]
fn marker_and_seal_take_no_lsn() {
    let marker = Marker {
        anchor_lsn: Lsn(7),
        snapshot_crc: 0xFEED,
    };
    let mut buffer = [0; 512];
    let encoded = encode_marker(&mut buffer, &key(), &meta(), marker);
    let header = FrameHeader::decode(&head_of(&buffer), &key()).expect("valid");
    let payload = &buffer[64..64 + header.payload_len as usize];
    let frame = Frame {
        offset: 0,
        header,
        bytes: &buffer,
        payload,
    };
    assert_eq!((encoded.last_lsn, header.last_lsn()), (Lsn(7), Lsn(7)));
    assert_eq!((encoded.len, frame.marker()), (512, Some(marker)));
    assert_eq!(frame.commands().count(), 0);

    let sealed = FrameMeta {
        is_synced: true,
        durable_lsn: Lsn(7),
        ..meta()
    };
    let encoded = encode_seal(&mut buffer, &key(), &sealed);
    let header = FrameHeader::decode(&head_of(&buffer), &key()).expect("valid");
    assert_eq!((header.kind, header.payload_len), (FrameKind::Seal, 0));
    assert_eq!((encoded.last_lsn, header.last_lsn()), (Lsn(7), Lsn(7)));
    assert_eq!(encoded.chain, header.header_crc);
}

#[test]
fn every_flipped_bit_in_a_header_is_refused() {
    let mut buffer = [0; 2048];
    commands_frame(&mut buffer);
    for bit in 0..FRAME_HEADER_BYTES * 8 {
        let mut head = head_of(&buffer);
        head[bit / 8] ^= 1 << (bit % 8);
        let answer = FrameHeader::parse(&head, &key());
        assert_eq!(answer, Err(HeaderFault::Invalid), "bit {bit}");
    }
}

#[test]
fn a_header_cannot_be_spelled_without_the_seed() {
    let mut buffer = [0; 2048];
    commands_frame(&mut buffer);
    let mut other = crate::config::tests::sample();
    other.hash_seed ^= 1;
    let answer = FrameHeader::parse(&head_of(&buffer), &LogKey::new(&other));
    assert_eq!(answer, Err(HeaderFault::Invalid));
}

#[test]
fn headers_that_no_writer_makes_are_unknown_under_a_right_checksum() {
    let mut buffer = [0; 2048];
    commands_frame(&mut buffer);
    let head = head_of(&buffer);
    let cases: [(usize, &[u8]); 11] = [
        (4, &[2, 0]),                        // another version
        (6, &[0]),                           // no kind
        (6, &[4]),                           // a kind to come
        (7, &[2]),                           // a flag to come
        (8, &[0; 8]),                        // LSN 0
        (8, &[0xFF; 8]),                     // an LSN beyond the last
        (24, &[0; 4]),                       // commands without a record
        (28, &0x0100_01F1u32.to_le_bytes()), // longer than any frame
        (56, &[1]),                          // reserved
        (6, &[2]),                           // a marker with records
        (6, &[3]),                           // a seal with records
    ];
    // Each of a marker's and a seal's two numbers by itself.
    let sizes = |record_count: u32, payload_len: u32| {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&record_count.to_le_bytes());
        bytes[4..].copy_from_slice(&payload_len.to_le_bytes());
        bytes
    };
    let marker_bytes = u32::try_from(MARKER_BYTES).expect("fits");
    for (kind, sound_len) in [(2, marker_bytes), (3, 0)] {
        let of_kind = forged(head, 6, &[kind]);
        let sound = forged(of_kind, 24, &sizes(0, sound_len));
        assert!(FrameHeader::parse(&sound, &key()).is_ok(), "kind {kind}");
        for wrong in [sizes(1, sound_len), sizes(0, sound_len + 1)] {
            let answer = FrameHeader::parse(&forged(of_kind, 24, &wrong), &key());
            assert_eq!(
                answer,
                Err(HeaderFault::Unknown),
                "{wrong:?} of kind {kind}"
            );
        }
    }
    for (at, bytes) in cases {
        let answer = FrameHeader::parse(&forged(head, at, bytes), &key());
        assert_eq!(answer, Err(HeaderFault::Unknown), "{bytes:?} at {at}");
    }
    let longest = u32::try_from(FRAME_BYTES_MAX - FRAME_HEADER_BYTES).expect("fits");
    let head = forged(head, 28, &longest.to_le_bytes());
    let header = FrameHeader::decode(&head, &key()).expect("the longest frame is known");
    assert_eq!(header.frame_len(), FRAME_BYTES_MAX);
}

#[test]
fn the_chain_tells_frames_apart() {
    // A checksum over bytes that end in their own checksum is one constant. Were the chain of that
    // kind, all these would be equal.
    let log = long_log(fixture::Ending::Seal);
    let mut chains: Vec<_> = log
        .frames
        .iter()
        .map(|placed| u32::from_le_bytes(*log.bytes[placed.start + 60..].first_chunk().unwrap()))
        .collect();
    let count = chains.len();
    chains.sort_unstable();
    chains.dedup();
    assert_eq!(chains.len(), count);
}

#[test]
fn records_end_where_one_does_not_decode() {
    let mut log = LogWriter::new(true);
    log.commands(1);
    let payload = &log.bytes[4096 + 64..4096 + 64 + 71 + 45];
    assert_eq!(commands(payload, Lsn(1)).count(), 2);
    let mut cut = commands(&payload[..payload.len() - 1], Lsn(1));
    assert_eq!(cut.by_ref().count(), 1);
    assert_eq!((cut.rest().len(), cut.next_lsn()), (44, Lsn(2)));
}
