//! Messages in words: what stands beside the bytes of a golden vector.
//!
//! A field's name is the one in the byte tables; its value is a decimal string.

use std::fmt::Write as _;

use super::super::*;
use crate::wire::response::{Body as Answer, ReservationRow, ResourceRow, Response};

pub(super) use serde_json::Value as Json;

pub(super) fn text(value: &impl ToString) -> Json {
    Json::String(value.to_string())
}

pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    Json::Object(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_string(), value))
            .collect(),
    )
}

pub(super) fn hex(bytes: &[u8]) -> Json {
    Json::String(bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    }))
}

fn id_list(ids: &ResourceIds<'_>) -> Json {
    Json::Array(ids.iter().map(|id| text(&id.0)).collect())
}

/// A request's values in words.
pub(super) fn request_fields(request: &Request<'_>) -> Json {
    let mut fields = vec![("tag", text(&request.tag))];
    match request.body {
        Body::Command { slot, command } => {
            fields.push(("slot", text(&slot.0)));
            fields.push(("operation_id", text(&command.operation_id.0)));
            fields.push(("valid_until_slot", text(&command.valid_until_slot.0)));
            fields.extend(argument_fields(&command.action));
        }
        Body::Tick { slot, limit } => {
            fields.extend([("slot", text(&slot.0)), ("limit", text(&limit))]);
        }
        Body::GetResource {
            required_lsn,
            resource_id,
        } => {
            fields.push(("required_lsn", text(&required_lsn.0)));
            fields.push(("resource_id", text(&resource_id.0)));
        }
        Body::GetReservation {
            required_lsn,
            reservation_id,
            capacity,
        } => {
            fields.push(("required_lsn", text(&required_lsn.0)));
            fields.push(("reservation_id", text(&reservation_id.0)));
            fields.push(("capacity", text(&capacity)));
        }
        Body::GetOperation {
            required_lsn,
            operation_id,
        } => {
            fields.push(("required_lsn", text(&required_lsn.0)));
            fields.push(("operation_id", text(&operation_id.0)));
        }
        Body::ListResources(listing) | Body::ListReservations(listing) => {
            fields.push(("required_lsn", text(&listing.required_lsn.0)));
            fields.push(("cursor", text(&listing.cursor)));
            fields.push(("holder_id", text(&listing.holder_id.0)));
            fields.push(("state_mask", text(&listing.state_mask)));
            fields.push(("row_count_max", text(&listing.row_count_max)));
        }
        Body::Health { slot } => fields.push(("slot", text(&slot.0))),
        Body::Configuration | Body::RecoveryReport | Body::Checkpoint => {}
    }
    object(fields)
}

fn argument_fields(action: &Action<'_>) -> Vec<(&'static str, Json)> {
    let resource = |id: ResourceId| ("resource_id", text(&id.0));
    let reservation = |id: ReservationId| ("reservation_id", text(&id.0));
    let holder = |id: HolderId| ("holder_id", text(&id.0));
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
            ("ttl_slots", text(&ttl_slots)),
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
            ("ttl_slots", text(&ttl_slots)),
        ],
        Action::Revoke { reservation_id } | Action::Reclaim { reservation_id } => {
            vec![reservation(reservation_id)]
        }
        Action::ExpireDue { .. } => unreachable!("no message holds one"),
    }
}

/// A response's values in words.
pub(super) fn response_fields(response: &Response<'_>) -> Json {
    let mut fields = vec![("tag", text(&response.tag))];
    if let Answer::Failed(failure) = response.body {
        fields.push(("status", text(&failure.status)));
        fields.push(("os_errno", text(&failure.os_errno)));
        let words = failure.detail.iter().map(text);
        fields.push(("detail", Json::Array(words.collect())));
        return object(fields);
    }
    fields.push(("status", text(&0)));
    match response.body {
        Answer::Failed(_) => {}
        Answer::Outcome(outcome) => {
            fields.push(("lsn", text(&outcome.lsn.0)));
            fields.push(("reservation_id", text(&outcome.reservation_id.0)));
            fields.push(("deadline_slot", text(&outcome.deadline_slot.0)));
            fields.push(("code", text(&(outcome.code as u8))));
            fields.push(("failed_index", text(&outcome.failed_index)));
            let from_retry_cache = u32::from(outcome.from_retry_cache);
            fields.push(("from_retry_cache", text(&from_retry_cache)));
        }
        Answer::Tick(tick) => {
            fields.push(("lsn", text(&tick.lsn.0)));
            fields.push(("slot", text(&tick.slot.0)));
            fields.push(("due_count", text(&tick.due_count)));
            fields.push(("expired_count", text(&tick.expired_count)));
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
            let rows = rows.resources().map(|row| object(resource_fields(&row)));
            fields.extend(list_fields(next_cursor, applied_lsn, rows.collect()));
        }
        Answer::Reservations {
            next_cursor,
            applied_lsn,
            rows,
        } => {
            let rows = rows
                .reservations()
                .map(|row| object(reservation_fields(&row)));
            fields.extend(list_fields(next_cursor, applied_lsn, rows.collect()));
        }
        Answer::Health(figures) => {
            fields.push(("words", Json::Array(figures.0.iter().map(text).collect())));
        }
        Answer::Configuration(bounds) => fields.extend(bounds_fields(&bounds)),
        Answer::RecoveryReport(report) => fields.extend(recovery_fields(&report)),
        Answer::Checkpoint(report) => fields.extend(checkpoint_fields(&report)),
    }
    object(fields)
}

fn recovery_fields(report: &RecoveryReport) -> Vec<(&'static str, Json)> {
    vec![
        ("kind", text(&(report.kind as u32))),
        ("snapshot_lsn", text(&report.snapshot_lsn.0)),
        ("frames_replayed", text(&report.frames_replayed)),
        ("records_replayed", text(&report.records_replayed)),
        ("last_lsn", text(&report.last_lsn.0)),
        ("last_slot", text(&report.last_slot.0)),
        ("torn_bytes", text(&report.torn_bytes)),
        ("rewritten_bytes", text(&report.rewritten_bytes)),
        ("duration_ns", text(&report.duration_ns)),
    ]
}

fn checkpoint_fields(report: &CheckpointReport) -> Vec<(&'static str, Json)> {
    vec![
        ("anchor_lsn", text(&report.anchor_lsn.0)),
        ("snapshot_bytes", text(&report.snapshot_bytes)),
        ("log_bytes_before", text(&report.log_bytes_before)),
        ("log_bytes_after", text(&report.log_bytes_after)),
        ("duration_ns", text(&report.duration_ns)),
        ("stall_ns", text(&report.stall_ns)),
        ("written", text(&u32::from(report.written))),
    ]
}

fn list_fields(next_cursor: u64, applied_lsn: Lsn, rows: Vec<Json>) -> Vec<(&'static str, Json)> {
    vec![
        ("next_cursor", text(&next_cursor)),
        ("applied_lsn", text(&applied_lsn.0)),
        ("rows", Json::Array(rows)),
    ]
}

fn resource_fields(row: &ResourceRow) -> Vec<(&'static str, Json)> {
    vec![
        ("resource_id", text(&row.resource_id.0)),
        ("reservation_id", text(&row.reservation_id.0)),
        ("holder_id", text(&row.holder_id.0)),
        ("version", text(&row.version)),
        ("state", text(&row.state)),
    ]
}

fn reservation_fields(row: &ReservationRow) -> Vec<(&'static str, Json)> {
    vec![
        ("reservation_id", text(&row.reservation_id.0)),
        ("holder_id", text(&row.holder_id.0)),
        ("first_resource_id", text(&row.first_resource_id.0)),
        ("created_lsn", text(&row.created_lsn.0)),
        ("deadline_slot", text(&row.deadline_slot.0)),
        ("ended_lsn", text(&row.ended_lsn.0)),
        ("retire_after_slot", text(&row.retire_after_slot.0)),
        ("state", text(&row.state)),
        ("resource_count", text(&row.resource_count)),
    ]
}

pub(super) fn config_fields(config: &Config) -> Vec<(&'static str, Json)> {
    vec![
        ("database_id", text(&config.database_id)),
        ("shard_id", text(&config.shard_id)),
        ("slot_duration_ms", text(&config.slot_duration_ms)),
        ("max_ttl_slots", text(&config.max_ttl_slots)),
        (
            "operation_window_slots",
            text(&config.operation_window_slots),
        ),
        ("history_window_slots", text(&config.history_window_slots)),
        ("max_resources", text(&config.max_resources)),
        ("max_reservations", text(&config.max_reservations)),
        ("max_operations", text(&config.max_operations)),
        ("max_bundle_len", text(&config.max_bundle_len)),
        (
            "max_expiration_bucket_len",
            text(&config.max_expiration_bucket_len),
        ),
        (
            "max_expirations_per_tick",
            text(&config.max_expirations_per_tick),
        ),
    ]
}

fn bounds_fields(bounds: &Bounds) -> Vec<(&'static str, Json)> {
    let mut fields = config_fields(&bounds.config);
    fields.push(("max_batch_commands", text(&bounds.max_batch_commands)));
    fields.push(("max_queue", text(&bounds.max_queue)));
    fields.push(("max_batch_bytes", text(&bounds.max_batch_bytes)));
    fields
}
