//! A snapshot as bytes: written, read back, and sealed again after a change.
//!
//! A snapshot that was changed is refused for its checksums, and what lies behind them is never
//! tried. So whoever changes one notes the [`places`] of its parts beforehand and makes every
//! checksum right afterwards ([`seal`]). Rejected: asking the core for its checksums, which would
//! follow it in a mistake.

use allocdb_core::State;
use allocdb_core::snapshot;

/// The first section begins behind them.
pub const HEADER_BYTES: usize = 512;
const SECTIONS: usize = 6;
/// A section's kind and length, in front of its contents.
pub const SECTION_HEADER_BYTES: usize = 16;
/// A section's checksum, behind its contents.
pub const SECTION_CRC_BYTES: usize = 8;
/// Which holds the checksum of the whole.
pub const TRAILER_BYTES: usize = 24;

/// The snapshot of a state.
#[must_use]
pub fn written(state: &State) -> Vec<u8> {
    let mut image = Vec::new();
    let info = snapshot::encode(state, &mut image);
    let info = info.unwrap_or_else(|never| match never {});
    assert_eq!(info.bytes, image.len() as u64, "the length is told");
    assert_eq!(info.last_lsn, state.last_lsn(), "the position is told");
    image
}

/// The state that one of our own snapshots holds.
#[must_use]
pub fn restored(image: &[u8]) -> State {
    let (state, _) = snapshot::decode(&mut &image[..]).expect("our own snapshot");
    state
}

/// Where each section of a sound snapshot begins, then the trailer, then the end.
#[must_use]
pub fn places(image: &[u8]) -> [usize; SECTIONS + 2] {
    let mut places = [HEADER_BYTES; SECTIONS + 2];
    for section in 0..SECTIONS {
        let at = places[section];
        let len = image[at + 8..at + SECTION_HEADER_BYTES].try_into();
        let len = u64::from_le_bytes(len.expect("eight bytes"));
        let len = usize::try_from(len).expect("our own snapshot");
        places[section + 1] = at + SECTION_HEADER_BYTES + len + SECTION_CRC_BYTES;
    }
    places[SECTIONS + 1] = places[SECTIONS] + TRAILER_BYTES;
    assert_eq!(places[SECTIONS + 1], image.len(), "nothing is behind it");
    places
}

/// Makes every checksum of a snapshot right, whose parts are at `places`.
pub fn seal(image: &mut [u8], places: &[usize; SECTIONS + 2]) {
    let crc = crc32c::crc32c(&image[..HEADER_BYTES - 4]);
    image[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    let mut whole = crc32c::crc32c(&image[HEADER_BYTES - 4..HEADER_BYTES]);
    for section in places.windows(2).take(SECTIONS) {
        let (start, crc_at) = (section[0], section[1] - SECTION_CRC_BYTES);
        let crc = crc32c::crc32c(&image[start..crc_at]).to_le_bytes();
        image[crc_at..crc_at + 4].copy_from_slice(&crc);
        whole = crc32c::crc32c_append(whole, &crc);
    }
    let (start, end) = (places[SECTIONS], places[SECTIONS + 1]);
    whole = crc32c::crc32c_append(whole, &image[start..end - 4]);
    image[end - 4..].copy_from_slice(&whole.to_le_bytes());
}
