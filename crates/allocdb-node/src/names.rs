//! Names as ids: how a text becomes a 128-bit id, and how an id is shown.
//!
//! The same rule in every language, so that a seat that Python calls `seat_21A` is the seat that Go
//! calls `seat_21A`, and shown under that name in a C program's listing.
//!
//! **Packed**, at most 15 bytes: padded with zeros to 15, written as 30 hexadecimal digits, with an
//! `8` inserted as digit 13 (the version) and as digit 17 (variant 10, two spare bits of zero). It
//! is a UUIDv8, and nothing is lost:
//!
//! | bits of the id, from the greatest | 48 | 4 | 12 | 4 | 60 |
//! |---|---|---|---|---|---|
//! | hold | n0 to n5 | 8 | n6, high half of n7 | 8 | low half of n7, n8 to n14 |
//!
//! **Hashed**, 16 to 1024 bytes: the UUIDv5 in [`NAMESPACE`]: SHA-1, cut to 122 bits. The name is
//! not kept anywhere; such an id is shown as a UUID.
//!
//! [`format`](fn@format) shows a packed name as its text if the id is the one that this text has
//! (both digits `8`, zeros only at the end, UTF-8) and no control character is in it: an id that a
//! stranger chose must not move a terminal's cursor. Everything else is 36 characters of UUID.
//! A packed name is never 36 characters long, so [`parse`] can tell the two apart by length alone,
//! and `parse(format(x)) == x` for every x, zero included.
//!
//! The surprising choice: [`parse`] refuses a text of more than 15 bytes that is not a UUID instead
//! of hashing it. Otherwise a UUID with one digit missing would be a name, and a fresh, empty seat.

use core::fmt;
use core::str;

use sha1_smol::Sha1;

/// The longest name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 1024;
/// The longest name that is packed, not hashed, in bytes of UTF-8.
pub const NAME_PACKED_BYTES_MAX: usize = 15;
/// Characters of a UUID's text, 8-4-4-4-12.
pub const UUID_CHARS: usize = 36;
/// The namespace of hashed names: 1f4c56be-461b-5a1d-8b20-399c537dce72.
pub const NAMESPACE: u128 = 0x1f4c_56be_461b_5a1d_8b20_399c_537d_ce72;

/// The id of a name: packed up to 15 bytes, hashed beyond.
///
/// # Errors
/// The name is not 1 to 1024 bytes of UTF-8 without NUL.
pub fn from_name(name: &[u8]) -> Result<u128, NameError> {
    // R103
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
        let len = name.len();
        return Err(NameError::new("name", Fault::Length { len }));
    }
    check_characters("name", name)?;
    // R104, R105
    Ok(packed(name).unwrap_or_else(|| hashed_in(NAMESPACE, name)))
}

/// The id that a text shows: a UUID of 36 characters, in either case, or a name of 1 to 15 bytes.
/// The inverse of [`format`](fn@format).
///
/// # Errors
/// The text is neither; it is not hashed.
pub fn parse(text: &[u8]) -> Result<u128, NameError> {
    // R107
    if text.len() == UUID_CHARS {
        return from_uuid(text).map_err(|fault| NameError::new("text", fault));
    }
    if !(1..=NAME_PACKED_BYTES_MAX).contains(&text.len()) {
        let len = text.len();
        return Err(NameError::new("text", Fault::TextLength { len }));
    }
    check_characters("text", text)?;
    Ok(packed(text).expect("at most 15 bytes"))
}

/// An id as people read it: its packed name, or its UUID in lower case.
#[must_use]
pub fn format(id: u128) -> IdText {
    unpacked(id).unwrap_or_else(|| uuid_text(id))
}

/// An id's text, on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdText {
    bytes: [u8; UUID_CHARS],
    len: usize,
}

impl IdText {
    /// The text: 1 to 36 bytes of UTF-8 without a control character.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).expect("made of UTF-8")
    }
}

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Why a text is no id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameError {
    /// What it was handed in as: `name` or `text`.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a name or a text: the first fault. Offsets count bytes from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A name that is empty or longer than 1024 bytes.
    Length {
        /// Its bytes.
        len: usize,
    },
    /// A text that is as long as neither a packed name nor a UUID.
    TextLength {
        /// Its bytes.
        len: usize,
    },
    /// A NUL, which padding could not be told from.
    Nul {
        /// Where.
        offset: usize,
    },
    /// A byte that does not continue what is UTF-8 up to there.
    NotUtf8 {
        /// Where.
        offset: usize,
        /// The byte.
        byte: u8,
    },
    /// A byte of a UUID that is not a hexadecimal digit.
    NotDigit {
        /// Where.
        offset: usize,
        /// The byte.
        byte: u8,
    },
    /// A byte of a UUID where a hyphen has its place.
    NotHyphen {
        /// Where.
        offset: usize,
        /// The byte.
        byte: u8,
    },
}

impl Fault {
    /// Its name in the vectors.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Length { .. } | Self::TextLength { .. } => "length",
            Self::Nul { .. } => "nul",
            Self::NotUtf8 { .. } => "utf8",
            Self::NotDigit { .. } => "digit",
            Self::NotHyphen { .. } => "hyphen",
        }
    }

    /// Value, least and greatest for the C error: of a length that is out of its bounds, the
    /// greatest being that of a name. Else where the fault is, and the byte.
    #[must_use]
    pub const fn detail(&self) -> [u64; 3] {
        match *self {
            Self::Length { len } => [len as u64, 1, NAME_BYTES_MAX as u64],
            Self::TextLength { len } => [len as u64, 1, NAME_PACKED_BYTES_MAX as u64],
            Self::Nul { offset } => [offset as u64, 0, 0],
            Self::NotUtf8 { offset, byte }
            | Self::NotDigit { offset, byte }
            | Self::NotHyphen { offset, byte } => [offset as u64, byte as u64, 0],
        }
    }
}

impl NameError {
    const fn new(field: &'static str, fault: Fault) -> Self {
        Self { field, fault }
    }

    /// The same, of a text of `whole` bytes of which only the first were looked at.
    #[must_use]
    pub const fn of_len(mut self, whole: usize) -> Self {
        match &mut self.fault {
            Fault::Length { len } | Fault::TextLength { len } => *len = whole,
            _ => {}
        }
        self
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.fault {
            Fault::Length { len } => {
                write!(f, "{field} is {len} bytes, must be 1 to {NAME_BYTES_MAX}")
            }
            Fault::TextLength { len } => write!(
                f,
                "{field} is {len} bytes, must be 1 to {NAME_PACKED_BYTES_MAX} (a name) or \
                 {UUID_CHARS} (a UUID)"
            ),
            Fault::Nul { offset } => {
                write!(f, "{field} has a NUL at byte {offset}, must have none")
            }
            Fault::NotUtf8 { offset, byte } => {
                write!(f, "{field} has {byte:#04x} at byte {offset}, must be UTF-8")
            }
            Fault::NotDigit { offset, byte } => write!(
                f,
                "{field} has {byte:#04x} at byte {offset}, where a UUID has a hexadecimal digit"
            ),
            Fault::NotHyphen { offset, byte } => write!(
                f,
                "{field} has {byte:#04x} at byte {offset}, where a UUID has a hyphen"
            ),
        }
    }
}

impl core::error::Error for NameError {}

fn check_characters(field: &'static str, bytes: &[u8]) -> Result<(), NameError> {
    if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
        return Err(NameError::new(field, Fault::Nul { offset }));
    }
    let utf8 = str::from_utf8(bytes);
    utf8.map(drop).map_err(|error| {
        let offset = error.valid_up_to();
        let byte = bytes[offset];
        NameError::new(field, Fault::NotUtf8 { offset, byte })
    })
}

/// The low 60 bits of a packed name lie below the variant's digit.
const LOW: u128 = (1 << 60) - 1;
/// The next 12 between the two digits.
const MIDDLE: u128 = (1 << 12) - 1;
/// The digits 13 and 17: version 8, variant 10 with two spare bits of zero.
const EIGHTS: u128 = (8 << 76) | (8 << 60);
const EIGHTS_MASK: u128 = (0xF << 76) | (0xF << 60);

fn packed(name: &[u8]) -> Option<u128> {
    let mut bytes = [0; 16];
    // 120 bits: the first byte of the 128 stays free.
    bytes[1..].get_mut(..name.len())?.copy_from_slice(name);
    let name = u128::from_be_bytes(bytes);
    let high = name >> 72 << 80;
    let middle = (name >> 60 & MIDDLE) << 64;
    Some(high | middle | name & LOW | EIGHTS)
}

fn unpacked(id: u128) -> Option<IdText> {
    if id & EIGHTS_MASK != EIGHTS {
        return None;
    }
    let name = (id >> 80 << 72) | (id >> 64 & MIDDLE) << 60 | id & LOW;
    let padded = name.to_be_bytes();
    let padded = &padded[1..];
    let len = padded.iter().rposition(|&byte| byte != 0)? + 1;
    let text = str::from_utf8(&padded[..len]).ok()?;
    // R106; a NUL within is a control character like the others.
    if text.chars().any(char::is_control) {
        return None;
    }
    let mut bytes = [0; UUID_CHARS];
    bytes[..len].copy_from_slice(text.as_bytes());
    Some(IdText { bytes, len })
}

/// UUIDv5, RFC 9562: the namespace's 16 bytes, then the name's.
fn hashed_in(namespace: u128, name: &[u8]) -> u128 {
    let mut sha = Sha1::new();
    sha.update(&namespace.to_be_bytes());
    sha.update(name);
    let digest = sha.digest().bytes();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let id = u128::from_be_bytes(bytes);
    id & !(0xF << 76) & !(0b11 << 62) | 5 << 76 | 0b10 << 62
}

/// Where a UUID's text has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn from_uuid(text: &[u8]) -> Result<u128, Fault> {
    let mut id = 0;
    for (offset, &byte) in text.iter().enumerate() {
        if HYPHENS.contains(&offset) {
            if byte != b'-' {
                return Err(Fault::NotHyphen { offset, byte });
            }
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return Err(Fault::NotDigit { offset, byte }),
        };
        id = id << 4 | u128::from(digit);
    }
    Ok(id)
}

fn uuid_text(id: u128) -> IdText {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [b'-'; UUID_CHARS];
    let mut digits = (0..32).rev().map(|place| (id >> (4 * place)) & 0xF);
    for (offset, byte) in bytes.iter_mut().enumerate() {
        if !HYPHENS.contains(&offset) {
            let digit = digits.next().expect("32 digits");
            *byte = DIGITS[usize::try_from(digit).expect("one digit")];
        }
    }
    let len = UUID_CHARS;
    IdText { bytes, len }
}

#[cfg(test)]
mod tests;
