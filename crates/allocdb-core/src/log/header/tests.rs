//! The file header reads back, and every change of it is told for what it is.

use super::*;
use crate::config::tests::sample;

fn header() -> LogHeader {
    LogHeader {
        config: sample(),
        begins_after: Lsn(41),
        synced_bytes: 4096 + 7 * 512,
        chain_start: 0xABCD_EF01,
    }
}

fn with_crc(mut block: [u8; LOG_HEADER_BYTES]) -> [u8; LOG_HEADER_BYTES] {
    let crc = crc32c::crc32c(&block[..CRC_AT]);
    block[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    block
}

#[test]
fn header_reads_back() {
    for header in [header(), LogHeader::fresh(sample())] {
        assert_eq!(LogHeader::decode(&header.encode()), Ok(header));
    }
}

#[test]
fn every_flipped_bit_is_damage_and_never_another_file() {
    let block = header().encode();
    for bit in 0..LOG_HEADER_BYTES * 8 {
        let mut flipped = block;
        flipped[bit / 8] ^= 1 << (bit % 8);
        let answer = LogHeader::decode(&flipped);
        assert_eq!(answer, Err(LogHeaderError::Damaged), "bit {bit}");
    }
}

#[test]
fn a_block_that_was_cut_is_damaged_while_its_magic_is_there() {
    let block = header().encode();
    for len in 0..LOG_HEADER_BYTES {
        let expected = if len < MAGIC.len() {
            LogHeaderError::NotALog
        } else {
            LogHeaderError::Damaged
        };
        assert_eq!(LogHeader::decode(&block[..len]), Err(expected), "{len}");
    }
}

#[test]
fn another_programs_file_is_not_a_log() {
    let answer = LogHeader::decode(&[0x55; 2 * LOG_HEADER_BYTES]);
    assert_eq!(answer, Err(LogHeaderError::NotALog));
    let answer = LogHeader::decode(&[0; LOG_HEADER_BYTES]);
    assert_eq!(answer, Err(LogHeaderError::NotALog));
}

#[test]
fn a_later_version_is_named() {
    let mut block = header().encode();
    block[8] = 2;
    // A later version need not even keep its checksum where this one does.
    for block in [with_crc(block), block] {
        let answer = LogHeader::decode(&block);
        let expected = if block[CRC_AT..] == header().encode()[CRC_AT..] {
            LogHeaderError::Damaged
        } else {
            LogHeaderError::Version { found: 2 }
        };
        assert_eq!(answer, Err(expected));
    }
}

#[test]
fn values_that_no_writer_stores_are_damage_under_a_right_checksum() {
    let block = header().encode();
    let cases: [(usize, u8); 5] = [
        (10, 1),    // reserved
        (164, 1),   // reserved
        (128, 1),   // reserved bytes of the configuration
        (153, 0),   // synced_bytes inside the header
        (152, 255), // synced_bytes that is no whole sector
    ];
    for (at, value) in cases {
        let mut changed = block;
        changed[at] = value;
        if at == 153 {
            changed[152..160].fill(0);
        }
        let answer = LogHeader::decode(&with_crc(changed));
        assert_eq!(answer, Err(LogHeaderError::Damaged), "byte {at}");
    }
    let mut changed = block;
    changed[144..152].fill(0xFF); // begins_after beyond the last LSN
    let answer = LogHeader::decode(&with_crc(changed));
    assert_eq!(answer, Err(LogHeaderError::Damaged));
}

#[test]
fn every_error_says_itself() {
    let texts = [
        LogHeaderError::NotALog,
        LogHeaderError::Version { found: 9 },
        LogHeaderError::Damaged,
    ]
    .map(|error| error.to_string());
    assert!(texts[1].contains("format 9"));
    assert!(texts[0] != texts[2]);
}
