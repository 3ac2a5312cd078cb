//! Requests: what a caller asks in bytes, decoded where they lie, and encoded for callers in Rust.
//!
//! Offsets are from the start of the message; the header takes the first 16 bytes.
//!
//! | kind | body |
//! |---|---|
//! | every command | 16 slot u64 (0 = now), 24 operation_id u128, |
//! | | 40 valid_until_slot u64 (0 = no limit) |
//! | create_resource, delete_resource | 48 resource_id u128; 64 bytes |
//! | reserve | 48 holder_id u128, 64 ttl_slots u64, 72 count u32, 76 reserved u32, |
//! | | 80 count × resource_id u128 |
//! | confirm, release | 48 reservation_id u128, 64 holder_id u128; 80 bytes |
//! | extend | 48 reservation_id u128, 64 holder_id u128, 80 ttl_slots u64; 88 bytes |
//! | revoke, reclaim | 48 reservation_id u128; 64 bytes |
//! | tick | 16 slot u64 (0 = now), 24 limit u32 (0 or above = max_expirations_per_tick), |
//! | | 28 reserved u32; 32 bytes |
//! | get_resource | 16 required_lsn u64 (0 = no fence), 24 resource_id u128; 40 bytes |
//! | get_reservation | 16 required_lsn u64, 24 reservation_id u128, |
//! | | 40 capacity u32 (ids wanted), 44 reserved u32; 48 bytes |
//! | get_operation | 16 required_lsn u64, 24 operation_id u128; 40 bytes |
//! | list_resources, list_reservations | 16 required_lsn u64, 24 cursor u64 (0 = start), |
//! | | 32 holder_id u128 (0 = any), 48 state_mask u32 (bit n = state n, 0 = all), |
//! | | 52 row_count_max u32; 56 bytes |
//! | health | 16 slot u64 (the caller's, for the lag; 0 = now); 24 bytes |
//! | configuration, recovery_report, checkpoint | none; 16 bytes |
//!
//! Checked in this order: the header's 16 bytes are there, version, flags, len is there, kind,
//! count, exact length, reserved bytes, values. A zero id is malformed in reads as in commands.
//! What the configuration decides about a command is [`Command::check`]'s; [`field_offset`] finds
//! the field it names. Rejected: optional fields behind presence bits, which save a few bytes and
//! make every offset depend on the ones before.

use allocdb_core::bytes::{Reader, Writer};
use allocdb_core::canary::{Canary, is_planted};
use allocdb_core::command::{Action, Command, ResourceIds};
use allocdb_core::config::BUNDLE_LEN_MAX;
use allocdb_core::ids::{HolderId, Lsn, OperationId, ReservationId, ResourceId, Slot};
use allocdb_core::outcome::Rejection;

use super::message::{Fault, HEADER_BYTES, Header, Kind, Reason, VERSION};

/// The most rows that one list request may ask for.
pub const LIST_ROWS_MAX: u32 = 8192;
/// The most resource ids that one get_reservation may ask for, and one reserve may name.
pub const ID_COUNT_MAX: u32 = BUNDLE_LEN_MAX;
/// Bits that a `state_mask` over resources may have: states 1 to 4.
pub const RESOURCE_STATE_BITS: u32 = 0b1_1110;
/// Bits that a `state_mask` over reservations may have: states 1 to 6.
pub const RESERVATION_STATE_BITS: u32 = 0b111_1110;

pub(crate) const SLOT: usize = HEADER_BYTES;
const OPERATION_ID: usize = 24;
/// Where a command's own arguments begin.
const ARGUMENTS: usize = 48;
const HOLDER_ID: usize = 64;
const RESERVE_TTL: usize = 64;
const EXTEND_TTL: usize = 80;
const RESERVE_COUNT: usize = 72;
const RESERVE_IDS: usize = 80;
const READ_ID: usize = 24;
const CAPACITY: usize = 40;
const LIST_STATE_MASK: usize = 48;
const LIST_ROW_COUNT_MAX: usize = 52;

/// One request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    /// The caller's; the response carries it.
    pub tag: u64,
    /// What is asked.
    pub body: Body<'a>,
}

/// What a request asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// One of the eight client commands.
    Command {
        /// The caller's slot; 0 for now.
        slot: Slot,
        /// Never an `expire_due`.
        command: Command<'a>,
    },
    /// Expire what is due.
    Tick {
        /// The caller's slot; 0 for now.
        slot: Slot,
        /// At most so many reservations; 0 and all above stand for `max_expirations_per_tick`.
        limit: u32,
    },
    /// One resource.
    GetResource {
        /// The read sees this position, or is refused; 0 for no fence.
        required_lsn: Lsn,
        /// Which.
        resource_id: ResourceId,
    },
    /// One reservation and the resources it holds.
    GetReservation {
        /// The read sees this position, or is refused; 0 for no fence.
        required_lsn: Lsn,
        /// Which.
        reservation_id: ReservationId,
        /// How many resource ids the response has room for.
        capacity: u32,
    },
    /// The remembered outcome of an operation.
    GetOperation {
        /// The read sees this position, or is refused; 0 for no fence.
        required_lsn: Lsn,
        /// Which.
        operation_id: OperationId,
    },
    /// A page of resources.
    ListResources(Listing),
    /// A page of reservations.
    ListReservations(Listing),
    /// The health figures.
    Health {
        /// The caller's slot, for the lag; 0 for now.
        slot: Slot,
    },
    /// The bounds of the database and of its batches.
    Configuration,
    /// What recovery found when the database was opened.
    RecoveryReport,
    /// Write a snapshot and shorten the log.
    Checkpoint,
}

/// Which rows a listing wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listing {
    /// The read sees this position, or is refused; 0 for no fence.
    pub required_lsn: Lsn,
    /// Where to go on: 0, then what the last page returned.
    pub cursor: u64,
    /// Only rows of this holder; 0 for any.
    pub holder_id: HolderId,
    /// Bit n set: rows in state n; 0 for all.
    pub state_mask: u32,
    /// The response has room for so many; at most [`LIST_ROWS_MAX`].
    pub row_count_max: u32,
}

impl Body<'_> {
    /// The kind of request.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Command { command, .. } => match command.action {
                Action::CreateResource { .. } => Kind::CreateResource,
                Action::DeleteResource { .. } => Kind::DeleteResource,
                Action::Reserve { .. } => Kind::Reserve,
                Action::Confirm { .. } => Kind::Confirm,
                Action::Extend { .. } => Kind::Extend,
                Action::Release { .. } => Kind::Release,
                Action::Revoke { .. } => Kind::Revoke,
                Action::Reclaim { .. } => Kind::Reclaim,
                // No message holds one: `encode` refuses it, `decode` never makes it.
                Action::ExpireDue { .. } => Kind::Tick,
            },
            Self::Tick { .. } => Kind::Tick,
            Self::GetResource { .. } => Kind::GetResource,
            Self::GetReservation { .. } => Kind::GetReservation,
            Self::GetOperation { .. } => Kind::GetOperation,
            Self::ListResources(_) => Kind::ListResources,
            Self::ListReservations(_) => Kind::ListReservations,
            Self::Health { .. } => Kind::Health,
            Self::Configuration => Kind::Configuration,
            Self::RecoveryReport => Kind::RecoveryReport,
            Self::Checkpoint => Kind::Checkpoint,
        }
    }
}

/// Bytes of a request of this kind that names `id_count` resources.
const fn len_of(kind: Kind, id_count: usize) -> usize {
    match kind {
        Kind::CreateResource | Kind::DeleteResource | Kind::Revoke | Kind::Reclaim => 64,
        Kind::Reserve => RESERVE_IDS + 16 * id_count,
        Kind::Confirm | Kind::Release => 80,
        Kind::Extend => 88,
        Kind::Tick => 32,
        Kind::GetResource | Kind::GetOperation => 40,
        Kind::GetReservation => 48,
        Kind::ListResources | Kind::ListReservations => 56,
        Kind::Health => 24,
        Kind::Configuration | Kind::RecoveryReport | Kind::Checkpoint => HEADER_BYTES,
    }
}

/// Bytes of the largest request: a reserve of [`ID_COUNT_MAX`] resources.
pub const REQUEST_BYTES_MAX: usize = len_of(Kind::Reserve, ID_COUNT_MAX as usize);

/// A message's slot, where 0 stands for now.
pub(super) fn given(slot: Slot) -> Option<Slot> {
    (slot.0 != 0).then_some(slot)
}

/// A message that is not as long as its kind and count need.
const LENGTH: Fault = Fault::new(0, Reason::Length, "len");

/// Reads the request at the front of `bytes`: the request and its length.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<(Request<'_>, usize), Fault> {
    let header = Header::decode(bytes)?;
    let kind = Kind::from_number(header.kind).ok_or(Fault::new(5, Reason::Kind, "kind"))?;
    let message = bytes.get(..header.len).ok_or(LENGTH)?;
    let body = if kind.is_command() {
        decode_command(kind, message)?
    } else {
        decode_other(kind, message)?
    };
    let tag = header.tag;
    Ok((Request { tag, body }, header.len))
}

/// One of the eight commands. Every slice is cut to a length that is known here, so that its
/// fields are plain loads: commands come by the thousand.
#[inline]
fn decode_command(kind: Kind, message: &[u8]) -> Result<Body<'_>, Fault> {
    let (head, arguments) = message.split_first_chunk::<ARGUMENTS>().ok_or(LENGTH)?;
    let action = if kind == Kind::Reserve {
        decode_reserve(message)?
    } else {
        decode_action(kind, arguments).ok_or(LENGTH)?
    };
    let mut head = Reader::new(&head[SLOT..]);
    Ok(Body::Command {
        slot: Slot(head.u64().ok_or(LENGTH)?),
        command: Command {
            operation_id: OperationId(head.u128().ok_or(LENGTH)?),
            valid_until_slot: Slot(head.u64().ok_or(LENGTH)?),
            action,
        },
    })
}

/// The arguments of a reserve.
#[inline]
fn decode_reserve(message: &[u8]) -> Result<Action<'_>, Fault> {
    let Some((head, ids)) = message.split_first_chunk::<RESERVE_IDS>() else {
        reserve_count(message)?;
        return Err(LENGTH);
    };
    let count = reserve_count(head)?;
    let resource_ids = ResourceIds::from_bytes(ids).filter(|ids| ids.len() == count);
    let resource_ids = resource_ids.ok_or(LENGTH)?;
    check_reserved(Kind::Reserve, head)?;
    let mut arguments = Reader::new(&head[ARGUMENTS..]);
    Ok(Action::Reserve {
        resource_ids,
        holder_id: HolderId(arguments.u128().ok_or(LENGTH)?),
        ttl_slots: arguments.u64().ok_or(LENGTH)?,
    })
}

/// The number of ids that a reserve message says it names.
#[inline]
fn reserve_count(message: &[u8]) -> Result<usize, Fault> {
    let count = message
        .get(RESERVE_COUNT..)
        .and_then(|rest| Reader::new(rest).u32());
    let count = count.ok_or(LENGTH)?;
    if count > ID_COUNT_MAX {
        return Err(Fault::new(RESERVE_COUNT, Reason::Count, "count"));
    }
    usize::try_from(count).map_err(|_| LENGTH)
}

/// What all other commands do; `None` where the arguments have not the length of the kind's.
#[inline]
fn decode_action<'a>(kind: Kind, arguments: &[u8]) -> Option<Action<'a>> {
    let (ids, rest) = arguments.as_chunks::<16>();
    Some(match (kind, ids, rest) {
        (Kind::CreateResource, [id], []) => Action::CreateResource {
            resource_id: ResourceId(u128::from_le_bytes(*id)),
        },
        (Kind::DeleteResource, [id], []) => Action::DeleteResource {
            resource_id: ResourceId(u128::from_le_bytes(*id)),
        },
        (Kind::Revoke, [id], []) => Action::Revoke {
            reservation_id: ReservationId(u128::from_le_bytes(*id)),
        },
        (Kind::Reclaim, [id], []) => Action::Reclaim {
            reservation_id: ReservationId(u128::from_le_bytes(*id)),
        },
        (Kind::Confirm, [id, holder], []) => Action::Confirm {
            reservation_id: ReservationId(u128::from_le_bytes(*id)),
            holder_id: HolderId(u128::from_le_bytes(*holder)),
        },
        (Kind::Release, [id, holder], []) => Action::Release {
            reservation_id: ReservationId(u128::from_le_bytes(*id)),
            holder_id: HolderId(u128::from_le_bytes(*holder)),
        },
        (Kind::Extend, [id, holder], ttl_slots) => Action::Extend {
            reservation_id: ReservationId(u128::from_le_bytes(*id)),
            holder_id: HolderId(u128::from_le_bytes(*holder)),
            ttl_slots: u64::from_le_bytes(ttl_slots.try_into().ok()?),
        },
        _ => return None,
    })
}

/// All that is no command.
fn decode_other(kind: Kind, message: &[u8]) -> Result<Body<'static>, Fault> {
    if message.len() != len_of(kind, 0) {
        return Err(LENGTH);
    }
    let mut reader = Reader::new(message.get(HEADER_BYTES..).ok_or(LENGTH)?);
    // The length was checked against the kind, so the reader cannot have run dry.
    let body = decode_read(kind, &mut reader).ok_or(LENGTH)?;
    if !reader.rest().is_empty() {
        return Err(LENGTH);
    }
    check_reserved(kind, message)?;
    check_values(&body)?;
    Ok(body)
}

/// The fields of all that is no command.
fn decode_read(kind: Kind, reader: &mut Reader<'_>) -> Option<Body<'static>> {
    Some(match kind {
        Kind::Tick => {
            let (slot, limit) = (Slot(reader.u64()?), reader.u32()?);
            reader.u32()?;
            Body::Tick { slot, limit }
        }
        Kind::GetResource => Body::GetResource {
            required_lsn: Lsn(reader.u64()?),
            resource_id: ResourceId(reader.u128()?),
        },
        Kind::GetReservation => {
            let required_lsn = Lsn(reader.u64()?);
            let reservation_id = ReservationId(reader.u128()?);
            let capacity = reader.u32()?;
            reader.u32()?;
            Body::GetReservation {
                required_lsn,
                reservation_id,
                capacity,
            }
        }
        Kind::GetOperation => Body::GetOperation {
            required_lsn: Lsn(reader.u64()?),
            operation_id: OperationId(reader.u128()?),
        },
        Kind::ListResources => Body::ListResources(decode_listing(reader)?),
        Kind::ListReservations => Body::ListReservations(decode_listing(reader)?),
        Kind::Health => Body::Health {
            slot: Slot(reader.u64()?),
        },
        Kind::Configuration => Body::Configuration,
        Kind::RecoveryReport => Body::RecoveryReport,
        Kind::Checkpoint => Body::Checkpoint,
        _ => return None,
    })
}

fn decode_listing(reader: &mut Reader<'_>) -> Option<Listing> {
    Some(Listing {
        required_lsn: Lsn(reader.u64()?),
        cursor: reader.u64()?,
        holder_id: HolderId(reader.u128()?),
        state_mask: reader.u32()?,
        row_count_max: reader.u32()?,
    })
}

/// Where a kind's reserved word stands, if it has one.
const fn reserved_offset(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Reserve => Some(76),
        Kind::Tick => Some(28),
        Kind::GetReservation => Some(44),
        _ => None,
    }
}

fn check_reserved(kind: Kind, message: &[u8]) -> Result<(), Fault> {
    let Some(offset) = reserved_offset(kind) else {
        return Ok(());
    };
    let word = message
        .get(offset..)
        .and_then(|rest| Reader::new(rest).u32());
    if word == Some(0) || is_planted(Canary::RequestReservedIgnored) {
        Ok(())
    } else {
        Err(Fault::new(offset, Reason::Reserved, "reserved"))
    }
}

/// Counts and values of reads; a command's are [`Command::check`]'s, in its documented order.
fn check_values(body: &Body<'_>) -> Result<(), Fault> {
    let zero_id = |id: u128, field| {
        if id == 0 {
            Err(Fault::new(READ_ID, Reason::Value, field))
        } else {
            Ok(())
        }
    };
    match *body {
        // R1: no id is zero, in a read as in a command.
        Body::GetResource { resource_id, .. } => zero_id(resource_id.0, "resource_id"),
        Body::GetOperation { operation_id, .. } => zero_id(operation_id.0, "operation_id"),
        Body::GetReservation {
            reservation_id,
            capacity,
            ..
        } => {
            if capacity > ID_COUNT_MAX {
                return Err(Fault::new(CAPACITY, Reason::Count, "capacity"));
            }
            zero_id(reservation_id.0, "reservation_id")
        }
        Body::ListResources(listing) => check_listing(&listing, RESOURCE_STATE_BITS),
        Body::ListReservations(listing) => check_listing(&listing, RESERVATION_STATE_BITS),
        _ => Ok(()),
    }
}

fn check_listing(listing: &Listing, state_bits: u32) -> Result<(), Fault> {
    if listing.row_count_max > LIST_ROWS_MAX {
        return Err(Fault::new(
            LIST_ROW_COUNT_MAX,
            Reason::Count,
            "row_count_max",
        ));
    }
    if listing.state_mask & !state_bits != 0 {
        return Err(Fault::new(LIST_STATE_MASK, Reason::Value, "state_mask"));
    }
    Ok(())
}

/// Where the field stands that `rejection` is about, from the start of the command's message.
#[must_use]
pub fn field_offset(command: &Command<'_>, rejection: &Rejection) -> usize {
    let extends = matches!(command.action, Action::Extend { .. });
    let reserves = matches!(command.action, Action::Reserve { .. });
    match *rejection {
        Rejection::Malformed {
            field: "operation_id",
        } => OPERATION_ID,
        Rejection::Malformed { field: "holder_id" } if reserves => ARGUMENTS,
        Rejection::Malformed { field: "holder_id" } => HOLDER_ID,
        Rejection::Malformed {
            field: "resource_id",
        } if reserves => id_offset(command, 0, 0),
        Rejection::Malformed {
            field: "resource_id" | "reservation_id",
        } => ARGUMENTS,
        Rejection::Malformed {
            field: "resource_ids",
        }
        | Rejection::BundleTooLarge { .. } => RESERVE_COUNT,
        Rejection::DuplicateResource { resource_id } => id_offset(command, resource_id.0, 1),
        Rejection::TtlOutOfRange { .. } if extends => EXTEND_TTL,
        Rejection::TtlOutOfRange { .. } => RESERVE_TTL,
        Rejection::SlotOverflow { .. } => SLOT,
        _ => 0,
    }
}

/// Where in a reserve `id` stands after `skipped` earlier ones.
fn id_offset(command: &Command<'_>, id: u128, skipped: usize) -> usize {
    let Action::Reserve { resource_ids, .. } = command.action else {
        return 0;
    };
    let mut places = resource_ids
        .iter()
        .enumerate()
        .filter(|(_, place)| place.0 == id);
    places
        .nth(skipped)
        .map_or(RESERVE_IDS, |(index, _)| RESERVE_IDS + 16 * index)
}

/// Bytes that the message of `request` takes.
#[must_use]
pub fn encoded_len(request: &Request<'_>) -> usize {
    let id_count = match request.body {
        Body::Command {
            command:
                Command {
                    action: Action::Reserve { resource_ids, .. },
                    ..
                },
            ..
        } => resource_ids.len(),
        _ => 0,
    };
    len_of(request.body.kind(), id_count)
}

/// Writes the message of `request` to the front of `out` and returns its length; `None` when `out`
/// is too short, the bundle is longer than any message holds, or the command is the internal one.
/// Other values are written as they are: the database checks them.
#[must_use]
pub fn encode(request: &Request<'_>, out: &mut [u8]) -> Option<usize> {
    let len = encoded_len(request);
    let body_is_internal = matches!(
        request.body,
        Body::Command {
            command: Command {
                action: Action::ExpireDue { .. },
                ..
            },
            ..
        }
    );
    if len > REQUEST_BYTES_MAX || body_is_internal {
        return None;
    }
    let mut writer = Writer::new(out.get_mut(..len)?);
    writer.u32(u32::try_from(len).ok()?);
    writer.u8(VERSION);
    writer.u8(request.body.kind().number());
    writer.u16(0);
    writer.u64(request.tag);
    match request.body {
        Body::Command { slot, command } => {
            writer.u64(slot.0);
            writer.u128(command.operation_id.0);
            writer.u64(command.valid_until_slot.0);
            encode_arguments(&mut writer, &command.action)?;
        }
        Body::Tick { slot, limit } => {
            writer.u64(slot.0);
            writer.u32(limit);
            writer.u32(0);
        }
        Body::GetResource {
            required_lsn,
            resource_id,
        } => {
            writer.u64(required_lsn.0);
            writer.u128(resource_id.0);
        }
        Body::GetReservation {
            required_lsn,
            reservation_id,
            capacity,
        } => {
            writer.u64(required_lsn.0);
            writer.u128(reservation_id.0);
            writer.u32(capacity);
            writer.u32(0);
        }
        Body::GetOperation {
            required_lsn,
            operation_id,
        } => {
            writer.u64(required_lsn.0);
            writer.u128(operation_id.0);
        }
        Body::ListResources(listing) | Body::ListReservations(listing) => {
            encode_listing(&mut writer, &listing);
        }
        Body::Health { slot } => writer.u64(slot.0),
        Body::Configuration | Body::RecoveryReport | Body::Checkpoint => {}
    }
    assert!(
        writer.position() == len,
        "the length in front of a message is its length"
    );
    Some(len)
}

fn encode_listing(writer: &mut Writer<'_>, listing: &Listing) {
    writer.u64(listing.required_lsn.0);
    writer.u64(listing.cursor);
    writer.u128(listing.holder_id.0);
    writer.u32(listing.state_mask);
    writer.u32(listing.row_count_max);
}

fn encode_arguments(writer: &mut Writer<'_>, action: &Action<'_>) -> Option<()> {
    match *action {
        Action::CreateResource { resource_id } | Action::DeleteResource { resource_id } => {
            writer.u128(resource_id.0);
        }
        Action::Reserve {
            resource_ids,
            holder_id,
            ttl_slots,
        } => {
            writer.u128(holder_id.0);
            writer.u64(ttl_slots);
            writer.u32(u32::try_from(resource_ids.len()).ok()?);
            writer.u32(0);
            writer.bytes(resource_ids.as_bytes());
        }
        Action::Confirm {
            reservation_id,
            holder_id,
        }
        | Action::Release {
            reservation_id,
            holder_id,
        } => {
            writer.u128(reservation_id.0);
            writer.u128(holder_id.0);
        }
        Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots,
        } => {
            writer.u128(reservation_id.0);
            writer.u128(holder_id.0);
            writer.u64(ttl_slots);
        }
        Action::Revoke { reservation_id } | Action::Reclaim { reservation_id } => {
            writer.u128(reservation_id.0);
        }
        Action::ExpireDue { .. } => return None,
    }
    Some(())
}
