//! Commands as log records.
//!
//! | offset | field |
//! |---|---|
//! | 0 | len u32: bytes that follow, tag included |
//! | 4 | tag u8: the [`CommandKind`] |
//! | 5 | operation_id u128, valid_until_slot u64 (client commands only) |
//! | 29 | create, delete: resource_id u128 |
//! | | reserve: holder_id u128, ttl_slots u64, count u16, then count × resource_id u128 |
//! | | confirm, release: reservation_id u128, holder_id u128 |
//! | | extend: reservation_id u128, holder_id u128, ttl_slots u64 |
//! | | revoke, reclaim: reservation_id u128 |
//! | 5 | expire_due: limit u32 |
//!
//! A record is valid if and only if its length is exactly what its tag and count need. Ids stand
//! close enough together that no 512 bytes of consecutive records are all zero, which the log's
//! torn rule relies on. Whether a decoded command is *allowed* is [`Command::check`]'s to say.
//! Rejected: variable-length integers, which save bytes in the log and cost branches in replay.

use crate::bytes::Writer;
use crate::command::{Action, Command, CommandKind, ResourceIds};
use crate::config::BUNDLE_LEN_MAX;
use crate::ids::{HolderId, OperationId, ReservationId, ResourceId, Slot};

/// Bytes before a client command's own arguments: len, tag, operation_id, valid_until_slot.
const CLIENT_BYTES: usize = 4 + 1 + 16 + 8;
/// Bytes of an `expire_due` record.
pub const EXPIRE_DUE_BYTES: usize = 4 + 1 + 4;
/// Bytes of the largest record: a reserve of [`BUNDLE_LEN_MAX`] resources.
pub const RECORD_BYTES_MAX: usize = CLIENT_BYTES + 16 + 8 + 2 + 16 * BUNDLE_LEN_MAX as usize;

const _: () = assert!(BUNDLE_LEN_MAX <= u16::MAX as u32);
// The record of a single-resource reserve: the log's cost of one hold.
const _: () = assert!(CLIENT_BYTES + 16 + 8 + 2 + 16 == 71);

/// Bytes that the record of `command` takes.
#[inline]
#[must_use]
pub fn record_len(command: &Command<'_>) -> usize {
    let id_count = match command.action {
        Action::Reserve { resource_ids, .. } => resource_ids.len(),
        _ => 0,
    };
    record_len_of(command.action.kind(), id_count)
}

/// Bytes that the record of a command of this kind takes; `id_count` counts the resources of a
/// reserve.
#[inline]
#[must_use]
pub const fn record_len_of(kind: CommandKind, id_count: usize) -> usize {
    match kind {
        CommandKind::CreateResource
        | CommandKind::DeleteResource
        | CommandKind::Revoke
        | CommandKind::Reclaim => CLIENT_BYTES + 16,
        CommandKind::Reserve => CLIENT_BYTES + 16 + 8 + 2 + 16 * id_count,
        CommandKind::Confirm | CommandKind::Release => CLIENT_BYTES + 32,
        CommandKind::Extend => CLIENT_BYTES + 40,
        CommandKind::ExpireDue => EXPIRE_DUE_BYTES,
    }
}

/// Writes the record of `command` to the front of `out` and returns its length; `None` when `out`
/// is too short or the bundle is longer than any configuration allows.
#[inline]
#[must_use]
pub fn encode_record(command: &Command<'_>, out: &mut [u8]) -> Option<usize> {
    let len = record_len(command);
    if len > out.len() || len > RECORD_BYTES_MAX {
        return None;
    }
    let (front, rest) = out[..len].split_first_chunk_mut()?;
    *front = u32::try_from(len - 4).ok()?.to_le_bytes();
    let (tag, rest) = rest.split_first_mut()?;
    *tag = command.action.kind() as u8;
    let mut writer = if let Action::ExpireDue { limit } = command.action {
        let mut writer = Writer::new(rest);
        writer.u32(limit);
        writer
    } else {
        let (client, arguments) = rest.split_first_chunk_mut::<{ 16 + 8 }>()?;
        let (operation_id, valid_until_slot) = client.split_at_mut(16);
        operation_id.copy_from_slice(&command.operation_id.0.to_le_bytes());
        valid_until_slot.copy_from_slice(&command.valid_until_slot.0.to_le_bytes());
        Writer::new(arguments)
    };
    encode_arguments(&mut writer, &command.action);
    assert!(
        writer.room() == 0,
        "the length in front of a record is its length"
    );
    Some(len)
}

#[inline]
fn encode_arguments(writer: &mut Writer<'_>, action: &Action<'_>) {
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
            let count = u16::try_from(resource_ids.len());
            writer.u16(count.expect("record_len bounds the bundle"));
            for id in resource_ids.iter() {
                writer.u128(id.0);
            }
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
        Action::ExpireDue { .. } => {}
    }
}

/// What stands at the front of a client command's record, whatever its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHead {
    /// The kind.
    pub kind: CommandKind,
    /// The [`Command::operation_id`].
    pub operation_id: OperationId,
    /// The [`Command::valid_until_slot`].
    pub valid_until_slot: Slot,
}

/// Reads the front of the client command's record at the front of `bytes`, and the record's length:
/// all that is needed of a record that was decoded before. `None` when it is no client command's.
#[inline]
#[must_use]
pub fn decode_head(bytes: &[u8]) -> Option<(RecordHead, usize)> {
    let (kind, body) = split_record(bytes)?;
    let (client, _) = body.split_first_chunk()?;
    let (operation_id, valid_until_slot) = decode_client(client)?;
    let head = RecordHead {
        kind,
        operation_id,
        valid_until_slot,
    };
    (kind != CommandKind::ExpireDue).then_some((head, 4 + 1 + body.len()))
}

/// Reads the record at the front of `bytes`: the command and the record's length; `None` when the
/// bytes are not a valid record.
#[inline]
#[must_use]
pub fn decode_record(bytes: &[u8]) -> Option<(Command<'_>, usize)> {
    let (kind, body) = split_record(bytes)?;
    let len = 4 + 1 + body.len();
    if kind == CommandKind::ExpireDue {
        let limit = u32::from_le_bytes(body.try_into().ok()?);
        let command = Command {
            operation_id: OperationId(0),
            valid_until_slot: Slot(0),
            action: Action::ExpireDue { limit },
        };
        return Some((command, len));
    }
    let (client, arguments) = body.split_first_chunk()?;
    let (operation_id, valid_until_slot) = decode_client(client)?;
    let command = Command {
        operation_id,
        valid_until_slot,
        action: decode_arguments(kind, arguments)?,
    };
    Some((command, len))
}

/// A record's kind, and what follows its tag.
#[inline]
fn split_record(bytes: &[u8]) -> Option<(CommandKind, &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let body = rest.get(..usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    let (tag, body) = body.split_first()?;
    Some((CommandKind::from_number(*tag)?, body))
}

#[inline]
fn decode_client(client: &[u8; 16 + 8]) -> Option<(OperationId, Slot)> {
    let (operation_id, valid_until_slot) = client.split_first_chunk()?;
    Some((
        OperationId(u128::from_le_bytes(*operation_id)),
        Slot(u64::from_le_bytes(valid_until_slot.try_into().ok()?)),
    ))
}

/// Arguments take exactly the bytes that their kind says.
#[inline]
fn decode_arguments(kind: CommandKind, bytes: &[u8]) -> Option<Action<'_>> {
    Some(match kind {
        CommandKind::CreateResource => Action::CreateResource {
            resource_id: ResourceId(decode_id(bytes)?),
        },
        CommandKind::DeleteResource => Action::DeleteResource {
            resource_id: ResourceId(decode_id(bytes)?),
        },
        CommandKind::Reserve => {
            let (holder_id, rest) = bytes.split_first_chunk()?;
            let (ttl_slots, rest) = rest.split_first_chunk()?;
            let (count, ids) = rest.split_first_chunk()?;
            let resource_ids = ResourceIds::from_bytes(ids)?;
            if resource_ids.len() != usize::from(u16::from_le_bytes(*count)) {
                return None;
            }
            Action::Reserve {
                resource_ids,
                holder_id: HolderId(u128::from_le_bytes(*holder_id)),
                ttl_slots: u64::from_le_bytes(*ttl_slots),
            }
        }
        CommandKind::Confirm => {
            let (reservation_id, holder_id) = decode_holding(bytes)?;
            Action::Confirm {
                reservation_id,
                holder_id,
            }
        }
        CommandKind::Extend => {
            let (rest, ttl_slots) = bytes.split_last_chunk()?;
            let (reservation_id, holder_id) = decode_holding(rest)?;
            Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots: u64::from_le_bytes(*ttl_slots),
            }
        }
        CommandKind::Release => {
            let (reservation_id, holder_id) = decode_holding(bytes)?;
            Action::Release {
                reservation_id,
                holder_id,
            }
        }
        CommandKind::Revoke => Action::Revoke {
            reservation_id: ReservationId(decode_id(bytes)?),
        },
        CommandKind::Reclaim => Action::Reclaim {
            reservation_id: ReservationId(decode_id(bytes)?),
        },
        CommandKind::ExpireDue => return None,
    })
}

#[inline]
fn decode_id(bytes: &[u8]) -> Option<u128> {
    Some(u128::from_le_bytes(bytes.try_into().ok()?))
}

#[inline]
fn decode_holding(bytes: &[u8]) -> Option<(ReservationId, HolderId)> {
    let (reservation_id, holder_id) = bytes.split_at_checked(16)?;
    let reservation_id = ReservationId(decode_id(reservation_id)?);
    Some((reservation_id, HolderId(decode_id(holder_id)?)))
}

#[cfg(test)]
mod tests;
