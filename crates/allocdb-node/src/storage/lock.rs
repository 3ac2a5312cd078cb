//! The text of the lock file: who has the database open, and which database it is.
//!
//! ```text
//! AllocDB lock 1
//! pid 0000012345
//! database_id 0123456789abcdef0123456789abcdef
//! check 89abcdef
//! ```
//!
//! 90 bytes, one sector, so that it is old or new after a crash. `check` is the CRC32C of all that
//! stands before its line. The id is zero until the log is durable under its name: a lock file
//! with an id beside no log says that a log was lost. The text says who *last* had the database;
//! whether somebody still has it only the lock itself says. Rejected: a lock by the file's
//! existence, which a killed process leaves behind.

use core::fmt::Write as _;

/// Bytes of a written lock file.
pub const LOCK_BYTES: usize = 90;

const TITLE: &str = "AllocDB lock 1\n";
const PID: &str = "pid ";
const PID_DIGITS: usize = 10;
const DATABASE_ID: &str = "\ndatabase_id ";
const ID_DIGITS: usize = 32;
const CHECK: &str = "\ncheck ";
const CHECK_DIGITS: usize = 8;

const PID_OFFSET: usize = TITLE.len() + PID.len();
const ID_OFFSET: usize = PID_OFFSET + PID_DIGITS + DATABASE_ID.len();
const CHECKED_BYTES: usize = ID_OFFSET + ID_DIGITS + 1;
const CHECK_OFFSET: usize = ID_OFFSET + ID_DIGITS + CHECK.len();

const _: () = assert!(CHECK_OFFSET + CHECK_DIGITS + 1 == LOCK_BYTES);

/// What a lock file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LockRecord {
    /// The process that holds or held the lock.
    pub pid: u32,
    /// The database, once there is one; 0 before.
    pub database_id: u128,
}

impl LockRecord {
    /// The text.
    #[must_use]
    pub fn encode(&self) -> [u8; LOCK_BYTES] {
        let mut text = Text {
            bytes: [0; LOCK_BYTES],
            len: 0,
        };
        let Self { pid, database_id } = self;
        let body = writeln!(text, "{TITLE}{PID}{pid:010}{DATABASE_ID}{database_id:032x}");
        assert!(body.is_ok(), "the text's widths are fixed");
        assert!(text.len == CHECKED_BYTES, "the text's widths are fixed");
        let check = crc32c::crc32c(&text.bytes[..text.len]);
        let tail = writeln!(text, "check {check:08x}");
        assert!(tail.is_ok(), "the text's widths are fixed");
        assert!(text.len == LOCK_BYTES, "the text's widths are fixed");
        text.bytes
    }

    /// Reads a text; `None` when it is not whole.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LOCK_BYTES] = bytes.try_into().ok()?;
        let record = Self {
            pid: number(bytes, PID_OFFSET, PID_DIGITS, 10)?.try_into().ok()?,
            database_id: number(bytes, ID_OFFSET, ID_DIGITS, 16)?,
        };
        // Whatever the numbers say, the text must be the one that they spell, the check included.
        (record.encode() == *bytes).then_some(record)
    }
}

fn number(bytes: &[u8], offset: usize, digits: usize, radix: u32) -> Option<u128> {
    let text = bytes.get(offset..offset + digits)?;
    u128::from_str_radix(core::str::from_utf8(text).ok()?, radix).ok()
}

/// A formatter's target on the stack.
struct Text {
    bytes: [u8; LOCK_BYTES],
    len: usize,
}

impl core::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len + text.len();
        let place = self.bytes.get_mut(self.len..end);
        place
            .ok_or(core::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
