//! The state as bytes: one file, written whole, believed only whole.
//!
//! R85: equal histories give equal bytes, by whatever way the state was reached, so two snapshots
//! can be compared with `cmp`. Handles, the order of the free handles, list links and queues are
//! part of the image; the contents of unused records, the positions of keys in the tables and worst
//! probe lengths are not, since history does not determine them or nothing depends on them.
//!
//! Header, 512 bytes, little-endian:
//!
//! | offset | field |
//! |---|---|
//! | 0 | magic `ALLOCSNP` |
//! | 8 | format version u16, 6 bytes zero |
//! | 16 | configuration, 128 bytes |
//! | 144 | last_lsn u64, last_slot u64, retired_watermark u64 |
//! | 168 | digest, two u64 |
//! | 184 | used records: resources u32, reservations u32, operations u32 |
//! | 196 | handles ever used: resources u32, reservations u32, operations u32 |
//! | 208 | length of the reservation queue u32, bytes of host_position u32 |
//! | 216 | zero |
//! | 508 | CRC32C of bytes 0..508 |
//!
//! Then six sections in this order, each `kind u32, zero u32, body_len u64, body, CRC32C u32 (of
//! all before it in the section), zero u32`:
//!
//! | kind | body |
//! |---|---|
//! | 1 | host_position: opaque bytes of a host that orders the log elsewhere; else empty |
//! | 2 | resources by handle, 40 bytes each |
//! | 3 | reservations by handle, 88 bytes each |
//! | 4 | operations by handle, 64 bytes each |
//! | 5 | free handles u32, next to be given out first: resources, reservations, operations |
//! | 6 | retirement queues, u32 handles from the front: reservations, operations |
//!
//! Then a trailer of 24 bytes: magic `ALLOCEND`, length of the whole file u64, zero u32, CRC32C u32
//! of the seven checksums before it (header, sections, in order) and of these 20 bytes. It must not
//! run over the bytes that the checksums stand for *and* over the checksums: a CRC that runs over
//! its own value is constant, and a marker that repeats it would tell nothing.
//!
//! A snapshot is valid if and only if all magics, lengths and checksums
//! hold, every length follows from the header's counts, every count from its capacity, and the
//! state it describes keeps every invariant. Lengths and checksums are checked before any memory
//! is reserved. Rejected: compressing (a checksum failure would then depend on a decompressor) and
//! mapping the file as the live tables (its bytes would depend on the table's history).

mod decode;
mod encode;
mod rebuild;

use crate::bytes::{Reader, Writer};
use crate::canary::{Canary, is_planted};
use crate::config::{CONFIG_BYTES, Config};
use crate::ids::{Lsn, Slot};
use crate::state::{Broken, State, StateError};

pub use decode::{decode, host_position, verify};
pub use encode::{PIECE_BYTES_MIN, Piece, Slices, encode, encode_as, encode_with_host_position};

/// The version this code writes and reads.
pub const SNAPSHOT_VERSION: u16 = 1;
/// The most that a host may keep in a snapshot.
pub const HOST_POSITION_BYTES_MAX: u32 = 4096;

const HEADER_BYTES: usize = 512;
const HEADER_CRC_OFFSET: usize = HEADER_BYTES - 4;
const SECTION_HEADER_BYTES: u64 = 16;
const SECTION_TRAILER_BYTES: u64 = 8;
const TRAILER_BYTES: usize = 24;
const RESOURCE_BYTES: usize = 40;
const RESERVATION_BYTES: usize = 88;
const OPERATION_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"ALLOCSNP";
const TRAILER_MAGIC: [u8; 8] = *b"ALLOCEND";
const SECTION_KINDS: [u32; 6] = [1, 2, 3, 4, 5, 6];

const _: () = assert!(16 + CONFIG_BYTES == 144);
const _: () = assert!(HEADER_BYTES.is_multiple_of(512));

/// What a snapshot is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotInfo {
    /// The configuration it was taken under.
    pub config: Config,
    /// The last command in it.
    pub last_lsn: Lsn,
    /// That command's slot.
    pub last_slot: Slot,
    /// Bytes of the whole.
    pub bytes: u64,
    /// Bytes of the host's own position in it; 0 where the log is the single-node engine's.
    pub host_position_len: u32,
    /// The checksum over the whole, which markers in the log repeat.
    pub crc: u32,
}

/// What a snapshot says in place of the state's own: how a state moves to larger tables, or into a
/// database of its own. A snapshot holds handles, free lists and queues, none of which depends on a
/// capacity, so reading it back *is* the rebuilding of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overrides {
    /// The state's configuration, grown ([`Config::growth_obstacle`]) or under another
    /// `database_id`.
    pub config: Config,
    /// The position it stands at: the state's, or a later one.
    pub last_lsn: Lsn,
}

impl Overrides {
    /// The state's own.
    #[must_use]
    pub const fn none(state: &State) -> Self {
        Self {
            config: state.config,
            last_lsn: state.last_lsn,
        }
    }

    /// Whether nothing that the state remembers speaks against them.
    fn suit(&self, state: &State) -> bool {
        let renamed = Config {
            database_id: self.config.database_id,
            ..state.config
        };
        let is_raised = state.last_lsn < self.last_lsn && self.last_lsn <= Lsn::MAX;
        self.config.validate().is_ok()
            && renamed.growth_obstacle(&self.config).is_none()
            && (is_raised || self.last_lsn == state.last_lsn)
    }
}

/// Why a snapshot was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SnapshotError<E> {
    /// It could not be read.
    Source(E),
    /// It does not begin as a snapshot does.
    NotASnapshot,
    /// It was written by a version that this one does not know.
    Version {
        /// The version found.
        version: u16,
    },
    /// A length or checksum does not hold.
    Damaged {
        /// What does not hold.
        what: &'static str,
        /// Where, in bytes from the start.
        offset: u64,
    },
    /// The state that it needs cannot be made.
    State(StateError),
    /// Every checksum holds, but what it says breaks an invariant.
    Broken(Broken),
}

impl<E: core::fmt::Display> core::fmt::Display for SnapshotError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::NotASnapshot => write!(f, "not an AllocDB snapshot"),
            Self::Version { version } => {
                write!(
                    f,
                    "snapshot version is {version}, this is version {SNAPSHOT_VERSION}"
                )
            }
            Self::Damaged { what, offset } => write!(f, "{what} at offset {offset}"),
            Self::State(error) => error.fmt(f),
            Self::Broken(broken) => write!(f, "broken invariant: {broken}"),
        }
    }
}

/// The counts of one snapshot, from which every length follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header {
    config: Config,
    last_lsn: Lsn,
    last_slot: Slot,
    retired_watermark: Lsn,
    digest: [u64; 2],
    used: [u32; 3],
    fresh: [u32; 3],
    reservation_queue_len: u32,
    host_position_len: u32,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut writer = Writer::new(&mut out[..HEADER_CRC_OFFSET]);
        writer.bytes(&MAGIC);
        writer.u16(SNAPSHOT_VERSION);
        writer.bytes(&[0; 6]);
        writer.bytes(&self.config.encode());
        writer.u64(self.last_lsn.0);
        writer.u64(self.last_slot.0);
        writer.u64(self.retired_watermark.0);
        self.digest.iter().for_each(|&lane| writer.u64(lane));
        self.used.iter().for_each(|&count| writer.u32(count));
        self.fresh.iter().for_each(|&count| writer.u32(count));
        writer.u32(self.reservation_queue_len);
        writer.u32(self.host_position_len);
        assert!(writer.position() == 216, "the header's layout is fixed");
        let crc = crc32c::crc32c(&out[..HEADER_CRC_OFFSET]);
        out[HEADER_CRC_OFFSET..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header. That its counts fit its capacities is checked here, so that no length that
    /// follows from them can surprise anyone.
    fn decode<E>(bytes: &[u8; HEADER_BYTES]) -> Result<Self, SnapshotError<E>> {
        let damaged = |what| SnapshotError::Damaged { what, offset: 0 };
        let (covered, crc) = bytes.split_at(HEADER_CRC_OFFSET);
        let mut reader = Reader::new(covered);
        let magic = reader.array::<8>();
        if magic != Some(&MAGIC) {
            return Err(SnapshotError::NotASnapshot);
        }
        let is_whole = crc32c::crc32c(covered).to_le_bytes() == crc;
        if !is_whole && !is_planted(Canary::CountsTrusted) {
            return Err(damaged("header checksum"));
        }
        let version = reader.u16().unwrap_or(0);
        if version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version { version });
        }
        let header = Self::decode_fields(&mut reader).ok_or(damaged("header fields"))?;
        let capacities = header.capacities();
        let fits = header.host_position_len <= HOST_POSITION_BYTES_MAX
            && header.reservation_queue_len <= header.used[1]
            && (0..3)
                .all(|i| header.used[i] <= header.fresh[i] && header.fresh[i] <= capacities[i]);
        if fits {
            Ok(header)
        } else {
            Err(damaged("header counts"))
        }
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Option<Self> {
        let is_zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
        if !is_zero(reader.slice(6)?) {
            return None;
        }
        let config = Config::decode(reader.array::<CONFIG_BYTES>()?)?;
        let header = Self {
            config,
            last_lsn: Lsn(reader.u64()?),
            last_slot: Slot(reader.u64()?),
            retired_watermark: Lsn(reader.u64()?),
            digest: [reader.u64()?, reader.u64()?],
            used: [reader.u32()?, reader.u32()?, reader.u32()?],
            fresh: [reader.u32()?, reader.u32()?, reader.u32()?],
            reservation_queue_len: reader.u32()?,
            host_position_len: reader.u32()?,
        };
        is_zero(reader.rest()).then_some(header)
    }

    fn capacities(&self) -> [u32; 3] {
        [
            self.config.max_resources,
            self.config.max_reservations,
            self.config.max_operations,
        ]
    }

    /// The length of each section's body.
    fn body_lens(&self) -> [u64; 6] {
        let of = |count: u32, bytes: usize| u64::from(count) * bytes as u64;
        let free: u64 = (0..3)
            .map(|i| u64::from(self.fresh[i] - self.used[i]))
            .sum();
        [
            self.host_position_len.into(),
            of(self.used[0], RESOURCE_BYTES),
            of(self.used[1], RESERVATION_BYTES),
            of(self.used[2], OPERATION_BYTES),
            free * 4,
            of(self.reservation_queue_len, 4) + of(self.used[2], 4),
        ]
    }

    /// Where a section begins, by its place in the file, and the length of its body.
    fn section(&self, index: usize) -> (u64, u64) {
        let frame = SECTION_HEADER_BYTES + SECTION_TRAILER_BYTES;
        let body_lens = self.body_lens();
        let before = body_lens[..index].iter().map(|body_len| frame + body_len);
        let begin = HEADER_BYTES as u64 + before.sum::<u64>();
        (begin, body_lens[index])
    }

    /// The length of the whole.
    fn file_len(&self) -> u64 {
        let (last_begin, last_len) = self.section(SECTION_KINDS.len() - 1);
        let frame = SECTION_HEADER_BYTES + SECTION_TRAILER_BYTES;
        last_begin + last_len + frame + TRAILER_BYTES as u64
    }

    fn info(&self, crc: u32) -> SnapshotInfo {
        SnapshotInfo {
            config: self.config,
            last_lsn: self.last_lsn,
            last_slot: self.last_slot,
            bytes: self.file_len(),
            host_position_len: self.host_position_len,
            crc,
        }
    }
}

/// The checksum of a section's bytes, where the section says `stored`.
fn section_crc(computed: u32, stored: Option<u32>) -> u32 {
    if is_planted(Canary::SectionUnchecked) {
        return stored.unwrap_or(computed);
    }
    computed
}

#[cfg(test)]
mod tests;
