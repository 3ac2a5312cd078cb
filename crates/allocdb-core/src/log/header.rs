//! The block at the front of the log file: whose log it is and where it begins.
//!
//! | offset | field |
//! |---|---|
//! | 0 | magic, the eight letters `ALLOCWAL` |
//! | 8 | format version u16 |
//! | 10 | 6 bytes, zero |
//! | 16 | the configuration, 128 bytes (see [`crate::config`]; `database_id` comes first) |
//! | 144 | `begins_after` u64: the LSN after which this log begins, 0 for all of it |
//! | 152 | `synced_bytes` u64: the end of the last frame copied in before the file got its name |
//! | 160 | `chain_start` u32: what the first frame chains to |
//! | 164 | zero |
//! | 4092 | CRC32C u32 over bytes 0..4092 |
//!
//! The block is written once, into a file that has no name yet, so it has no torn state: a block
//! that does not check is damage. A block is valid if and only if magic, version and checksum
//! hold, the configuration is within its bounds, `synced_bytes` is whole sectors from 4096 up, and
//! every reserved byte is zero.
//!
//! The surprising choice: the checksum is tried with the *expected* magic and version in place of
//! the stored ones. If it holds then, a stored magic or version that differs is a damaged one of
//! ours, not another program's file or a later format. Rejected: trusting the magic first, which
//! reports one flipped bit as "this is not a database", an answer that makes people delete files.

use super::{LOG_HEADER_BYTES, LOG_VERSION, SECTOR, offset_of};
use crate::bytes::{Reader, Writer};
use crate::canary::{Canary, is_planted};
use crate::config::{CONFIG_BYTES, Config};
use crate::ids::Lsn;

const MAGIC: [u8; 8] = *b"ALLOCWAL";
const CONFIG_AT: usize = 16;
const CRC_AT: usize = LOG_HEADER_BYTES - 4;

const _: () = assert!(CONFIG_AT + CONFIG_BYTES == 144);

/// The decoded block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogHeader {
    /// The database's configuration.
    pub config: Config,
    /// The first record of this log has the LSN after this one.
    pub begins_after: Lsn,
    /// Every frame that ends at or below this offset was durable before the file got its name.
    pub synced_bytes: u64,
    /// What the first frame chains to.
    pub chain_start: u32,
}

/// Why a block was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogHeaderError {
    /// Another kind of file, or none: too short, or another magic.
    NotALog,
    /// A log of a format that this version does not know.
    Version {
        /// The version it says.
        found: u16,
    },
    /// A log of ours whose header was changed after it was written.
    Damaged,
}

impl core::fmt::Display for LogHeaderError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotALog => f.write_str("the file is not an AllocDB log"),
            Self::Version { found } => {
                write!(
                    f,
                    "log format {found}, this version reads {LOG_VERSION} only"
                )
            }
            Self::Damaged => f.write_str("the log's file header is damaged"),
        }
    }
}

impl core::error::Error for LogHeaderError {}

impl LogHeader {
    /// The header of a new database's log.
    #[must_use]
    pub const fn fresh(config: Config) -> Self {
        Self {
            config,
            begins_after: Lsn(0),
            synced_bytes: offset_of(LOG_HEADER_BYTES),
            chain_start: 0,
        }
    }

    /// The block's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LOG_HEADER_BYTES] {
        assert!(self.is_sound(), "a log's header is one that can be read");
        assert!(
            self.config.validate().is_ok(),
            "only a checked configuration is stored"
        );
        let mut block = [0; LOG_HEADER_BYTES];
        let mut writer = Writer::new(&mut block);
        writer.bytes(&MAGIC);
        writer.u16(LOG_VERSION);
        writer.bytes(&[0; 6]);
        assert!(
            writer.position() == CONFIG_AT,
            "the header's layout is fixed"
        );
        writer.bytes(&self.config.encode());
        writer.u64(self.begins_after.0);
        writer.u64(self.synced_bytes);
        writer.u32(self.chain_start);
        let crc = checksum(&block[..10], &block[10..CRC_AT]);
        block[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// Reads the front of a log file: all of its first [`LOG_HEADER_BYTES`], or what there is.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogHeaderError> {
        let mut magic_and_version = Reader::new(bytes);
        let magic = magic_and_version.array().ok_or(LogHeaderError::NotALog)?;
        let is_ours = *magic == MAGIC;
        let Some(block) = bytes.first_chunk::<LOG_HEADER_BYTES>() else {
            // A file with our magic that ends inside its header was cut.
            return Err(if is_ours {
                LogHeaderError::Damaged
            } else {
                LogHeaderError::NotALog
            });
        };
        let version = magic_and_version.u16().ok_or(LogHeaderError::NotALog)?;
        let mut front = [0; 10];
        front[..8].copy_from_slice(&MAGIC);
        front[8..].copy_from_slice(&LOG_VERSION.to_le_bytes());
        let crc = checksum(&front, &block[10..CRC_AT]);
        if block[CRC_AT..] != crc.to_le_bytes() {
            return Err(match (is_ours, version == LOG_VERSION) {
                (false, _) => LogHeaderError::NotALog,
                (true, false) => LogHeaderError::Version { found: version },
                (true, true) => LogHeaderError::Damaged,
            });
        }
        if !is_ours || version != LOG_VERSION {
            return Err(LogHeaderError::Damaged);
        }
        Self::decode_fields(block).ok_or(LogHeaderError::Damaged)
    }

    fn decode_fields(block: &[u8; LOG_HEADER_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(&block[10..CRC_AT]);
        let reserved = reader.array::<6>()?;
        let header = Self {
            config: Config::decode(reader.array()?)?,
            begins_after: Lsn(reader.u64()?),
            synced_bytes: reader.u64()?,
            chain_start: reader.u32()?,
        };
        let is_zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
        (is_zero(reserved) && is_zero(reader.rest()) && header.is_sound()).then_some(header)
    }

    fn is_sound(&self) -> bool {
        self.begins_after <= Lsn::MAX
            && self.synced_bytes >= offset_of(LOG_HEADER_BYTES)
            && self.synced_bytes.is_multiple_of(SECTOR)
    }
}

/// The block's checksum, over magic and version and over the rest.
fn checksum(front: &[u8], rest: &[u8]) -> u32 {
    let crc = crc32c::crc32c(front);
    if is_planted(Canary::ConfigUncovered) {
        return crc32c::crc32c_append(crc32c::crc32c_append(crc, &rest[..22]), &rest[30..]);
    }
    crc32c::crc32c_append(crc, rest)
}

#[cfg(test)]
mod tests;
