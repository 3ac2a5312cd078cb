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

use crate::bytes::{Reader, Writer};
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
#[must_use]
pub fn encode_record(command: &Command<'_>, out: &mut [u8]) -> Option<usize> {
    let len = record_len(command);
    if len > out.len() || len > RECORD_BYTES_MAX {
        return None;
    }
    let mut writer = Writer::new(&mut out[..len]);
    writer.u32(u32::try_from(len - 4).ok()?);
    writer.u8(command.action.kind() as u8);
    if let Action::ExpireDue { limit } = command.action {
        writer.u32(limit);
    } else {
        writer.u128(command.operation_id.0);
        writer.u64(command.valid_until_slot.0);
        encode_arguments(&mut writer, &command.action);
    }
    assert!(
        writer.position() == len,
        "the length in front of a record is its length"
    );
    Some(len)
}

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
        Action::ExpireDue { .. } => unreachable!("an expire_due has no client arguments"),
    }
}

/// Reads the record at the front of `bytes`: the command and the record's length; `None` when the
/// bytes are not a valid record.
#[must_use]
pub fn decode_record(bytes: &[u8]) -> Option<(Command<'_>, usize)> {
    let mut reader = Reader::new(bytes);
    let body_len = usize::try_from(reader.u32()?).ok()?;
    let mut body = Reader::new(reader.slice(body_len)?);
    let kind = CommandKind::from_number(body.u8()?)?;
    let command = if kind == CommandKind::ExpireDue {
        let action = Action::ExpireDue { limit: body.u32()? };
        Command {
            operation_id: OperationId(0),
            valid_until_slot: Slot(0),
            action,
        }
    } else {
        let operation_id = OperationId(body.u128()?);
        let valid_until_slot = Slot(body.u64()?);
        let action = decode_arguments(kind, &mut body)?;
        Command {
            operation_id,
            valid_until_slot,
            action,
        }
    };
    body.rest().is_empty().then_some((command, 4 + body_len))
}

fn decode_arguments<'a>(kind: CommandKind, body: &mut Reader<'a>) -> Option<Action<'a>> {
    Some(match kind {
        CommandKind::CreateResource => Action::CreateResource {
            resource_id: ResourceId(body.u128()?),
        },
        CommandKind::DeleteResource => Action::DeleteResource {
            resource_id: ResourceId(body.u128()?),
        },
        CommandKind::Reserve => {
            let holder_id = HolderId(body.u128()?);
            let ttl_slots = body.u64()?;
            let count = usize::from(body.u16()?);
            let resource_ids = ResourceIds::from_bytes(body.slice(count * 16)?)?;
            Action::Reserve {
                resource_ids,
                holder_id,
                ttl_slots,
            }
        }
        CommandKind::Confirm => Action::Confirm {
            reservation_id: ReservationId(body.u128()?),
            holder_id: HolderId(body.u128()?),
        },
        CommandKind::Extend => Action::Extend {
            reservation_id: ReservationId(body.u128()?),
            holder_id: HolderId(body.u128()?),
            ttl_slots: body.u64()?,
        },
        CommandKind::Release => Action::Release {
            reservation_id: ReservationId(body.u128()?),
            holder_id: HolderId(body.u128()?),
        },
        CommandKind::Revoke => Action::Revoke {
            reservation_id: ReservationId(body.u128()?),
        },
        CommandKind::Reclaim => Action::Reclaim {
            reservation_id: ReservationId(body.u128()?),
        },
        CommandKind::ExpireDue => return None,
    })
}

#[cfg(test)]
mod tests;
