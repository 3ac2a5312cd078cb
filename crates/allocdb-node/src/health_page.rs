//! `health.adb`: the owner's figures and its durable LSN, for observers in other processes.
//!
//! One page of 4096 bytes with room for two copies, at 0 and at 2048, little-endian:
//!
//! | offset | field |
//! |---|---|
//! | 0 | magic, the eight letters `ALLOCHLT` |
//! | 8 | format version u16, then 6 zero bytes |
//! | 16 | `database_id` u128 |
//! | 32 | the owner's process id u32, zero u32 |
//! | 40 | sequence u64: counts updates; an odd one is at 2048, an even one at 0 |
//! | 48 | durable LSN u64: the newest that a returned sync covers |
//! | 56 | last applied slot u64 |
//! | 64 | the 128 words of the codec's health response |
//! | 1088 | the sequence again |
//! | 1096 | zero u32 |
//! | 1100 | CRC32C u32 over bytes 0..1100 |
//!
//! - The owner writes the copies in turn and never waits. So one of them is whole at every moment,
//!   also after `kill -9` in the middle of the other, and a reader takes the whole one with the
//!   greater sequence. A copy that it reads while it is being written fails its checksum.
//! - The owner updates the page after a commit is applied and before its callers are answered, so a
//!   reader that hears of a commit can refresh to it; and at a checkpoint, a halt and a close.
//! - The page is never synced, and recovery never looks at it. An old page is harmless: what it
//!   calls durable is durable. So an owner that cannot have the page removes what lies there, says
//!   so in the log, and goes on without one; its readers then go by what the log proves.
//!
//! Rejected: mapping the page, which would save some 0.2 µs of a commit's 100. Where the file
//! system cannot give the block that a store needs (a full disk under copy-on-write, a copy that
//! shares the extent, a file that somebody cut) the answer is a signal in the host's process;
//! `write` answers with a number. Also rejected: one copy with a lock bit, which a killed owner
//! leaves locked.

use allocdb_core::bytes::{Reader, Writer};
use allocdb_core::{Lsn, Slot};

use crate::error::{FileName, IoError};
use crate::storage::{FileMode, Storage};
use crate::wire::figures::{Figures, WORD_COUNT};

/// Bytes of the file.
pub const PAGE_BYTES: usize = 4096;
/// Bytes of one copy.
pub const COPY_BYTES: usize = CHECKED_BYTES + 4;
/// Where the copies begin, by the parity of their sequence.
pub const COPY_OFFSETS: [usize; 2] = [0, PAGE_BYTES / 2];

const MAGIC: [u8; 8] = *b"ALLOCHLT";
const VERSION: u64 = 1;
const FIGURES_OFFSET: usize = 64;
const TRAILER_OFFSET: usize = FIGURES_OFFSET + 8 * WORD_COUNT;
const CHECKED_BYTES: usize = TRAILER_OFFSET + 12;

const _: () = assert!(COPY_OFFSETS[0] + COPY_BYTES <= COPY_OFFSETS[1]);
const _: () = assert!(COPY_OFFSETS[1] + COPY_BYTES <= PAGE_BYTES);
const _: () = assert!(COPY_BYTES == 1104);

/// What a page says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// Whose page it is.
    pub database_id: u128,
    /// The process that wrote it, which may be gone.
    pub pid: u32,
    /// Counts the owner's updates.
    pub sequence: u64,
    /// The newest LSN that was durable.
    pub durable_lsn: Lsn,
    /// The last applied slot.
    pub last_slot: Slot,
    /// The figures of health; those that depend on a caller's slot, as of the last applied one.
    pub figures: Figures,
}

impl Sighting {
    /// The bytes of a copy.
    #[must_use]
    pub fn encode(&self) -> [u8; COPY_BYTES] {
        let mut bytes = [0; COPY_BYTES];
        self.write(&mut bytes);
        bytes
    }

    /// Writes the bytes of a copy over those of any other.
    fn write(&self, bytes: &mut [u8; COPY_BYTES]) {
        let mut writer = Writer::new(&mut bytes[..]);
        writer.bytes(&MAGIC);
        writer.u64(VERSION);
        writer.u128(self.database_id);
        writer.u64(self.pid.into());
        writer.u64(self.sequence);
        writer.u64(self.durable_lsn.0);
        writer.u64(self.last_slot.0);
        assert!(writer.position() == FIGURES_OFFSET, "as tabled above");
        let places = bytes[FIGURES_OFFSET..].chunks_exact_mut(8);
        for (place, word) in places.zip(&self.figures.0) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let mut writer = Writer::new(&mut bytes[TRAILER_OFFSET..]);
        writer.u64(self.sequence);
        writer.u32(0);
        assert!(writer.room() == 4, "as tabled above");
        let crc = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a copy; `None` when it is not whole, or of another format.
    #[must_use]
    pub fn decode(bytes: &[u8; COPY_BYTES]) -> Option<Self> {
        let (checked, crc) = bytes.split_at(CHECKED_BYTES);
        if crc != crc32c::crc32c(checked).to_le_bytes() {
            return None;
        }
        let mut reader = Reader::new(checked);
        if *reader.array()? != MAGIC || reader.u64()? != VERSION {
            return None;
        }
        let database_id = reader.u128()?;
        let pid = u32::try_from(reader.u64()?).ok()?;
        let sequence = reader.u64()?;
        let durable_lsn = Lsn(reader.u64()?);
        let last_slot = Slot(reader.u64()?);
        let mut words = [0; WORD_COUNT];
        for word in &mut words {
            *word = reader.u64()?;
        }
        let is_one = reader.u64()? == sequence && reader.u32()? == 0;
        is_one.then_some(Self {
            database_id,
            pid,
            sequence,
            durable_lsn,
            last_slot,
            figures: Figures(words),
        })
    }

    /// The newest whole copy in the directory, of whatever database; `None` where there is none.
    /// Beside an owner in full flight it may be the one before the newest, or, rarely, none.
    pub fn read<S: Storage>(storage: &S) -> Option<Self> {
        let file = storage.open(FileName::Health, FileMode::Read).ok()?;
        let mut page = [0; PAGE_BYTES];
        storage.read_at(&file, 0, &mut page).ok()?;
        let copy = |offset: usize| {
            let bytes = page[offset..].first_chunk();
            Self::decode(bytes.expect("a page has room for its copies"))
        };
        let [even, odd] = COPY_OFFSETS.map(copy);
        match (even, odd) {
            (Some(even), Some(odd)) if even.sequence > odd.sequence => Some(even),
            (even, odd) => odd.or(even),
        }
    }
}

/// The page as its owner has it.
#[derive(Debug)]
pub(crate) struct HealthPage<S: Storage> {
    file: S::File,
    newest: Sighting,
    /// The bytes of the newest copy; every one of them is written again for the next.
    bytes: [u8; COPY_BYTES],
}

impl<S: Storage> HealthPage<S> {
    /// Makes the page, or takes over a dead owner's. Its block is there afterwards.
    pub(crate) fn open(storage: &S, database_id: u128) -> Result<Self, IoError> {
        let name = FileName::Health;
        let file = match storage.open(name, FileMode::ReadWrite) {
            Err(error) if error.os_errno == libc::ENOENT => storage.open(name, FileMode::Create),
            opened => opened,
        }?;
        // The whole page at once: no copy of an earlier owner is left to look newer than ours.
        storage.write_at(&file, 0, &[0; PAGE_BYTES])?;
        let newest = Sighting {
            database_id,
            pid: std::process::id(),
            sequence: 0,
            durable_lsn: Lsn(0),
            last_slot: Slot(0),
            figures: Figures::ZERO,
        };
        let bytes = [0; COPY_BYTES];
        Ok(Self {
            file,
            newest,
            bytes,
        })
    }

    /// Shows the figures as `update` leaves them; it is given those that were shown last.
    pub(crate) fn publish(
        &mut self,
        storage: &S,
        (durable_lsn, last_slot): (Lsn, Slot),
        update: impl FnOnce(&mut Figures),
    ) -> Result<(), IoError> {
        let newest = &mut self.newest;
        newest.sequence += 1;
        newest.durable_lsn = durable_lsn;
        newest.last_slot = last_slot;
        update(&mut newest.figures);
        newest.write(&mut self.bytes);
        let offset = COPY_OFFSETS[usize::from(newest.sequence % 2 == 1)];
        storage.write_at(&self.file, offset as u64, &self.bytes)
    }
}

#[cfg(test)]
mod tests;
