//! Messages: the frame that every request and every response of the byte API stands in.
//!
//! All integers are little-endian. A message begins with 16 bytes:
//!
//! | offset | field |
//! |---|---|
//! | 0 | len u32: bytes of the whole message, these 16 included |
//! | 4 | version u8: [`VERSION`] |
//! | 5 | kind u8 |
//! | 6 | flags u16: zero |
//! | 8 | tag u64: the caller's, returned unchanged |
//!
//! | request kind | number | response kind |
//! |---|---|---|
//! | create_resource, delete_resource, reserve, confirm | 1, 2, 3, 4 | number + 0x80 |
//! | extend, release, revoke, reclaim | 5, 6, 7, 8 | |
//! | tick | 0x10 | |
//! | get_resource, get_reservation, get_operation | 0x20, 0x21, 0x22 | |
//! | list_resources, list_reservations | 0x23, 0x24 | |
//! | health, configuration, recovery_report, checkpoint | 0x30, 0x31, 0x32, 0x33 | |
//!
//! Kinds from [`KIND_CONNECTION_LEAST`] belong to connections (hello, redirect), so a request kind
//! never reaches 0x70. The numbers 1 to 8 are those of the log and of the C ABI.
//!
//! A message is valid if and only if its version and kind are known, its flags and reserved bytes
//! are zero, its counts are within their bounds and its length is exactly what kind and count
//! need. Bytes are the caller's: whatever they hold, the answer is a [`Fault`] with the offset of
//! the first field at fault, never a panic. Rejected: skipping unknown kinds by their length; a
//! command that a caller believes sent must not vanish in silence.

use allocdb_core::bytes::Reader;

/// Version of the messages; others are refused.
pub const VERSION: u8 = 1;
/// Bytes before a message's body.
pub const HEADER_BYTES: usize = 16;
/// Where a response's body begins, behind its status.
pub const BODY: usize = HEADER_BYTES + 8;
/// What a response's kind adds to its request's.
pub const KIND_RESPONSE: u8 = 0x80;
/// The first kind kept for connections.
pub const KIND_CONNECTION_LEAST: u8 = 0xF0;

/// What a request asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "each is documented at the request body of the same name"
)]
pub enum Kind {
    CreateResource = 1,
    DeleteResource = 2,
    Reserve = 3,
    Confirm = 4,
    Extend = 5,
    Release = 6,
    Revoke = 7,
    Reclaim = 8,
    Tick = 0x10,
    GetResource = 0x20,
    GetReservation = 0x21,
    GetOperation = 0x22,
    ListResources = 0x23,
    ListReservations = 0x24,
    Health = 0x30,
    Configuration = 0x31,
    RecoveryReport = 0x32,
    Checkpoint = 0x33,
}

impl Kind {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Self; 18] = [
        Self::CreateResource,
        Self::DeleteResource,
        Self::Reserve,
        Self::Confirm,
        Self::Extend,
        Self::Release,
        Self::Revoke,
        Self::Reclaim,
        Self::Tick,
        Self::GetResource,
        Self::GetReservation,
        Self::GetOperation,
        Self::ListResources,
        Self::ListReservations,
        Self::Health,
        Self::Configuration,
        Self::RecoveryReport,
        Self::Checkpoint,
    ];

    /// The kind with this number. The internal `expire_due` has none: clients send `tick`.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::CreateResource,
            2 => Self::DeleteResource,
            3 => Self::Reserve,
            4 => Self::Confirm,
            5 => Self::Extend,
            6 => Self::Release,
            7 => Self::Revoke,
            8 => Self::Reclaim,
            0x10 => Self::Tick,
            0x20 => Self::GetResource,
            0x21 => Self::GetReservation,
            0x22 => Self::GetOperation,
            0x23 => Self::ListResources,
            0x24 => Self::ListReservations,
            0x30 => Self::Health,
            0x31 => Self::Configuration,
            0x32 => Self::RecoveryReport,
            0x33 => Self::Checkpoint,
            _ => return None,
        })
    }

    /// The request's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The number of the response to it.
    #[must_use]
    pub const fn response_number(self) -> u8 {
        self as u8 | KIND_RESPONSE
    }

    /// Whether it is one of the eight client commands, which share commits.
    #[must_use]
    pub const fn is_command(self) -> bool {
        (self as u8) <= Self::Reclaim as u8
    }

    /// The name, as in the documentation and in every language.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateResource => "create_resource",
            Self::DeleteResource => "delete_resource",
            Self::Reserve => "reserve",
            Self::Confirm => "confirm",
            Self::Extend => "extend",
            Self::Release => "release",
            Self::Revoke => "revoke",
            Self::Reclaim => "reclaim",
            Self::Tick => "tick",
            Self::GetResource => "get_resource",
            Self::GetReservation => "get_reservation",
            Self::GetOperation => "get_operation",
            Self::ListResources => "list_resources",
            Self::ListReservations => "list_reservations",
            Self::Health => "health",
            Self::Configuration => "configuration",
            Self::RecoveryReport => "recovery_report",
            Self::Checkpoint => "checkpoint",
        }
    }
}

const _: () = {
    let mut index = 0;
    while index < Kind::ALL.len() {
        let kind = Kind::ALL[index];
        assert!(kind.response_number() < KIND_CONNECTION_LEAST);
        assert!(matches!(Kind::from_number(kind.number()), Some(same) if same as u8 == kind as u8));
        index += 1;
    }
};

/// Why bytes are no message. The numbers are spoken in error details: appended to, never changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Reason {
    /// The bytes end inside the message.
    Short = 1,
    /// `len` is not what the kind and the count need.
    Length = 2,
    /// An unknown version.
    Version = 3,
    /// An unknown kind.
    Kind = 4,
    /// A flag that this version does not know.
    Flags = 5,
    /// Reserved bytes that are not zero.
    Reserved = 6,
    /// A count over its bound.
    Count = 7,
    /// A value that its field may never have, such as a zero id.
    Value = 8,
}

impl Reason {
    /// The name, as in the golden vectors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Length => "length",
            Self::Version => "version",
            Self::Kind => "kind",
            Self::Flags => "flags",
            Self::Reserved => "reserved",
            Self::Count => "count",
            Self::Value => "value",
        }
    }
}

/// Where and why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Of the field at fault, from the first byte of what was decoded.
    pub offset: usize,
    /// The kind of fault.
    pub reason: Reason,
    /// The field at fault.
    pub field: &'static str,
}

impl Fault {
    /// A fault in the field at `offset`.
    pub(crate) const fn new(offset: usize, reason: Reason, field: &'static str) -> Self {
        Self {
            offset,
            reason,
            field,
        }
    }

    /// The same fault, seen from `base` bytes further in front.
    pub(crate) const fn shifted(self, base: usize) -> Self {
        Self {
            offset: self.offset.saturating_add(base),
            ..self
        }
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            offset,
            reason,
            field,
        } = self;
        match reason {
            Reason::Short => write!(f, "the message at offset {offset} is cut short"),
            Reason::Length => write!(f, "len at offset {offset} does not fit kind and count"),
            Reason::Version => write!(f, "unknown message version at offset {offset}"),
            Reason::Kind => write!(f, "unknown message kind at offset {offset}"),
            Reason::Flags => write!(f, "unknown message flags at offset {offset}"),
            Reason::Reserved => write!(f, "reserved bytes at offset {offset} are not zero"),
            Reason::Count => write!(f, "{field} at offset {offset} is over its bound"),
            Reason::Value => write!(f, "{field} at offset {offset} is never valid"),
        }
    }
}

impl core::error::Error for Fault {}

/// A message's first 16 bytes, checked but for the length, which the kind's own rules decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// Bytes of the whole message; at least [`HEADER_BYTES`] and all there.
    pub(crate) len: usize,
    /// The kind's number.
    pub(crate) kind: u8,
    /// The caller's.
    pub(crate) tag: u64,
}

impl Header {
    /// Reads the header at the front of `bytes`. The kind is the caller's to know.
    #[inline]
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        const SHORT: Fault = Fault::new(0, Reason::Short, "len");
        let front: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(SHORT)?;
        let mut reader = Reader::new(front);
        let len = reader.u32().ok_or(SHORT)?;
        let version = reader.u8().ok_or(SHORT)?;
        let kind = reader.u8().ok_or(SHORT)?;
        let flags = reader.u16().ok_or(SHORT)?;
        let tag = reader.u64().ok_or(SHORT)?;
        if version != VERSION {
            return Err(Fault::new(4, Reason::Version, "version"));
        }
        if flags != 0 {
            return Err(Fault::new(6, Reason::Flags, "flags"));
        }
        let len = usize::try_from(len).map_err(|_| SHORT)?;
        if len < HEADER_BYTES {
            return Err(Fault::new(0, Reason::Length, "len"));
        }
        if len > bytes.len() {
            return Err(SHORT);
        }
        Ok(Self { len, kind, tag })
    }
}
