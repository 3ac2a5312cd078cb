//! Messages in words: what stands beside the bytes of a golden vector.
//!
//! A field's name is the one in the byte tables; its value is a decimal string.

use std::fmt::Write as _;

use super::super::*;
use crate::wire::response::{Body as Answer, ReservationRow, ResourceRow, Response};

/// As much of JSON as the vectors need; the order of an object's names is kept.
pub(super) enum Json {
    Text(String),
    Number(u64),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn text<T: ToString>(value: T) -> Self {
        Self::Text(value.to_string())
    }

    pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
        )
    }

    /// Writes the value: containers down to `depth` with a line for each member.
    pub(super) fn write(&self, out: &mut String, depth: usize, indent: usize) {
        let (open, close, members): (_, _, Vec<(Option<&String>, &Json)>) = match self {
            Self::Text(text) => return write!(out, "\"{text}\"").unwrap(),
            Self::Number(number) => return write!(out, "{number}").unwrap(),
            Self::List(members) => (
                '[',
                ']',
                members.iter().map(|value| (None, value)).collect(),
            ),
            Self::Object(members) => (
                '{',
                '}',
                members
                    .iter()
                    .map(|(name, value)| (Some(name), value))
                    .collect(),
            ),
        };
        out.push(open);
        for (index, (name, value)) in members.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            if depth > 0 {
                out.push('\n');
                out.push_str(&" ".repeat(indent + 1));
            } else if index > 0 {
                out.push(' ');
            }
            if let Some(name) = name {
                write!(out, "\"{name}\": ").unwrap();
            }
            value.write(out, depth.saturating_sub(1), indent + 1);
        }
        if depth > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
        }
        out.push(close);
    }
}

pub(super) fn hex(bytes: &[u8]) -> Json {
    Json::Text(bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    }))
}

fn id_list(ids: &ResourceIds<'_>) -> Json {
    Json::List(ids.iter().map(|id| Json::text(id.0)).collect())
}

/// A request's values in words.
pub(super) fn request_fields(request: &Request<'_>) -> Json {
    let mut fields = vec![("tag", Json::text(request.tag))];
    match request.body {
        Body::Command { slot, command } => {
            fields.push(("slot", Json::text(slot.0)));
            fields.push(("operation_id", Json::text(command.operation_id.0)));
            fields.push(("valid_until_slot", Json::text(command.valid_until_slot.0)));
            fields.extend(argument_fields(&command.action));
        }
        Body::Tick { slot, limit } => {
            fields.extend([("slot", Json::text(slot.0)), ("limit", Json::text(limit))]);
        }
        Body::GetResource {
            required_lsn,
            resource_id,
        } => {
            fields.push(("required_lsn", Json::text(required_lsn.0)));
            fields.push(("resource_id", Json::text(resource_id.0)));
        }
        Body::GetReservation {
            required_lsn,
            reservation_id,
            capacity,
        } => {
            fields.push(("required_lsn", Json::text(required_lsn.0)));
            fields.push(("reservation_id", Json::text(reservation_id.0)));
            fields.push(("capacity", Json::text(capacity)));
        }
        Body::GetOperation {
            required_lsn,
            operation_id,
        } => {
            fields.push(("required_lsn", Json::text(required_lsn.0)));
            fields.push(("operation_id", Json::text(operation_id.0)));
        }
        Body::ListResources(listing) | Body::ListReservations(listing) => {
            fields.push(("required_lsn", Json::text(listing.required_lsn.0)));
            fields.push(("cursor", Json::text(listing.cursor)));
            fields.push(("holder_id", Json::text(listing.holder_id.0)));
            fields.push(("state_mask", Json::text(listing.state_mask)));
            fields.push(("row_count_max", Json::text(listing.row_count_max)));
        }
        Body::Health { slot } => fields.push(("slot", Json::text(slot.0))),
        Body::Configuration | Body::RecoveryReport | Body::Checkpoint => {}
    }
    Json::object(fields)
}

fn argument_fields(action: &Action<'_>) -> Vec<(&'static str, Json)> {
    let resource = |id: ResourceId| ("resource_id", Json::text(id.0));
    let reservation = |id: ReservationId| ("reservation_id", Json::text(id.0));
    let holder = |id: HolderId| ("holder_id", Json::text(id.0));
    match *action {
        Action::CreateResource { resource_id } | Action::DeleteResource { resource_id } => {
            vec![resource(resource_id)]
        }
        Action::Reserve {
            resource_ids,
            holder_id,
            ttl_slots,
        } => vec![
            holder(holder_id),
            ("ttl_slots", Json::text(ttl_slots)),
            ("resource_ids", id_list(&resource_ids)),
        ],
        Action::Confirm {
            reservation_id,
            holder_id,
        }
        | Action::Release {
            reservation_id,
            holder_id,
        } => {
            vec![reservation(reservation_id), holder(holder_id)]
        }
        Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots,
        } => vec![
            reservation(reservation_id),
            holder(holder_id),
            ("ttl_slots", Json::text(ttl_slots)),
        ],
        Action::Revoke { reservation_id } | Action::Reclaim { reservation_id } => {
            vec![reservation(reservation_id)]
        }
        Action::ExpireDue { .. } => unreachable!("no message holds one"),
    }
}

/// A response's values in words.
pub(super) fn response_fields(response: &Response<'_>) -> Json {
    let mut fields = vec![("tag", Json::text(response.tag))];
    if let Answer::Failed(failure) = response.body {
        fields.push(("status", Json::text(failure.status)));
        fields.push(("os_errno", Json::text(failure.os_errno)));
        let words = failure.detail.iter().map(Json::text);
        fields.push(("detail", Json::List(words.collect())));
        return Json::object(fields);
    }
    fields.push(("status", Json::text(0)));
    match response.body {
        Answer::Failed(_) => {}
        Answer::Outcome(outcome) => {
            fields.push(("lsn", Json::text(outcome.lsn.0)));
            fields.push(("reservation_id", Json::text(outcome.reservation_id.0)));
            fields.push(("deadline_slot", Json::text(outcome.deadline_slot.0)));
            fields.push(("code", Json::text(outcome.code as u8)));
            fields.push(("failed_index", Json::text(outcome.failed_index)));
            let from_retry_cache = u32::from(outcome.from_retry_cache);
            fields.push(("from_retry_cache", Json::text(from_retry_cache)));
        }
        Answer::Tick(tick) => {
            fields.push(("lsn", Json::text(tick.lsn.0)));
            fields.push(("slot", Json::text(tick.slot.0)));
            fields.push(("due_count", Json::text(tick.due_count)));
            fields.push(("expired_count", Json::text(tick.expired_count)));
        }
        Answer::Resource(row) => fields.extend(resource_fields(&row)),
        Answer::Reservation { row, resource_ids } => {
            fields.extend(reservation_fields(&row));
            fields.push(("resource_ids", id_list(&resource_ids)));
        }
        Answer::Resources {
            next_cursor,
            applied_lsn,
            rows,
        } => {
            let rows = rows
                .resources()
                .map(|row| Json::object(resource_fields(&row)));
            fields.extend(list_fields(next_cursor, applied_lsn, rows.collect()));
        }
        Answer::Reservations {
            next_cursor,
            applied_lsn,
            rows,
        } => {
            let rows = rows
                .reservations()
                .map(|row| Json::object(reservation_fields(&row)));
            fields.extend(list_fields(next_cursor, applied_lsn, rows.collect()));
        }
        Answer::Health(figures) => {
            fields.push((
                "words",
                Json::List(figures.0.iter().map(Json::text).collect()),
            ));
        }
        Answer::Configuration(bounds) => fields.extend(bounds_fields(&bounds)),
        Answer::RecoveryReport(report) => fields.extend(recovery_fields(&report)),
        Answer::Checkpoint(report) => fields.extend(checkpoint_fields(&report)),
    }
    Json::object(fields)
}

fn recovery_fields(report: &RecoveryReport) -> Vec<(&'static str, Json)> {
    vec![
        ("kind", Json::text(report.kind as u32)),
        ("snapshot_lsn", Json::text(report.snapshot_lsn.0)),
        ("frames_replayed", Json::text(report.frames_replayed)),
        ("records_replayed", Json::text(report.records_replayed)),
        ("last_lsn", Json::text(report.last_lsn.0)),
        ("last_slot", Json::text(report.last_slot.0)),
        ("torn_bytes", Json::text(report.torn_bytes)),
        ("rewritten_bytes", Json::text(report.rewritten_bytes)),
        ("duration_ns", Json::text(report.duration_ns)),
    ]
}

fn checkpoint_fields(report: &CheckpointReport) -> Vec<(&'static str, Json)> {
    vec![
        ("anchor_lsn", Json::text(report.anchor_lsn.0)),
        ("snapshot_bytes", Json::text(report.snapshot_bytes)),
        ("log_bytes_before", Json::text(report.log_bytes_before)),
        ("log_bytes_after", Json::text(report.log_bytes_after)),
        ("duration_ns", Json::text(report.duration_ns)),
        ("stall_ns", Json::text(report.stall_ns)),
        ("written", Json::text(u32::from(report.written))),
    ]
}

fn list_fields(next_cursor: u64, applied_lsn: Lsn, rows: Vec<Json>) -> Vec<(&'static str, Json)> {
    vec![
        ("next_cursor", Json::text(next_cursor)),
        ("applied_lsn", Json::text(applied_lsn.0)),
        ("rows", Json::List(rows)),
    ]
}

fn resource_fields(row: &ResourceRow) -> Vec<(&'static str, Json)> {
    vec![
        ("resource_id", Json::text(row.resource_id.0)),
        ("reservation_id", Json::text(row.reservation_id.0)),
        ("holder_id", Json::text(row.holder_id.0)),
        ("version", Json::text(row.version)),
        ("state", Json::text(row.state)),
    ]
}

fn reservation_fields(row: &ReservationRow) -> Vec<(&'static str, Json)> {
    vec![
        ("reservation_id", Json::text(row.reservation_id.0)),
        ("holder_id", Json::text(row.holder_id.0)),
        ("first_resource_id", Json::text(row.first_resource_id.0)),
        ("created_lsn", Json::text(row.created_lsn.0)),
        ("deadline_slot", Json::text(row.deadline_slot.0)),
        ("ended_lsn", Json::text(row.ended_lsn.0)),
        ("retire_after_slot", Json::text(row.retire_after_slot.0)),
        ("state", Json::text(row.state)),
        ("resource_count", Json::text(row.resource_count)),
    ]
}

pub(super) fn config_fields(config: &Config) -> Vec<(&'static str, Json)> {
    vec![
        ("database_id", Json::text(config.database_id)),
        ("shard_id", Json::text(config.shard_id)),
        ("slot_duration_ms", Json::text(config.slot_duration_ms)),
        ("max_ttl_slots", Json::text(config.max_ttl_slots)),
        (
            "operation_window_slots",
            Json::text(config.operation_window_slots),
        ),
        (
            "history_window_slots",
            Json::text(config.history_window_slots),
        ),
        ("max_resources", Json::text(config.max_resources)),
        ("max_reservations", Json::text(config.max_reservations)),
        ("max_operations", Json::text(config.max_operations)),
        ("max_bundle_len", Json::text(config.max_bundle_len)),
        (
            "max_expiration_bucket_len",
            Json::text(config.max_expiration_bucket_len),
        ),
        (
            "max_expirations_per_tick",
            Json::text(config.max_expirations_per_tick),
        ),
    ]
}

fn bounds_fields(bounds: &Bounds) -> Vec<(&'static str, Json)> {
    let mut fields = config_fields(&bounds.config);
    fields.push(("max_batch_commands", Json::text(bounds.max_batch_commands)));
    fields.push(("max_queue", Json::text(bounds.max_queue)));
    fields.push(("max_batch_bytes", Json::text(bounds.max_batch_bytes)));
    fields
}
