//! Responses: one for each request, in order, written into the caller's buffer and read back by
//! callers in Rust.
//!
//! Offsets are from the start of the message; the header takes the first 16 bytes. Its kind is the
//! request's with the top bit set, its tag is the request's.
//!
//! | offset | field |
//! |---|---|
//! | 16 | status i32: 0, or why there is no body |
//! | 20 | os_errno i32: the system's error behind the status, else 0 |
//! | 24 | status 0: the body; else detail 4 × u64 ([`Failure`] says what they hold), then zeros |
//!
//! | kind | body |
//! |---|---|
//! | every command, get_operation | 24 lsn u64, 32 reservation_id u128, 48 deadline_slot u64, |
//! | | 56 code u32, 60 failed_index u32, 64 from_retry_cache u32, 68 reserved u32; 72 bytes |
//! | tick | 24 lsn u64, 32 slot u64, 40 due_count u64, 48 expired_count u32, |
//! | | 52 reserved u32; 56 bytes |
//! | get_resource | 24 resource row; 88 bytes |
//! | get_reservation | 24 reservation row, 120 id_count u32, 124 reserved u32, |
//! | | 128 id_count × resource_id u128 |
//! | list_resources, list_reservations | 24 next_cursor u64 (0 = end), 32 applied_lsn u64, |
//! | | 40 row_count u32, 44 reserved 12 bytes, 56 rows |
//! | configuration | 24 database_id u128, 40 shard_id u64, 48 slot_duration_ms u64, |
//! | | 56 max_ttl_slots u64, 64 operation_window_slots u64, 72 history_window_slots u64, |
//! | | 80 max_resources u32, 84 max_reservations u32, 88 max_operations u32, |
//! | | 92 max_bundle_len u32, 96 max_expiration_bucket_len u32, |
//! | | 100 max_expirations_per_tick u32, 104 max_batch_commands u32, 108 max_queue u32, |
//! | | 112 max_batch_bytes u64, 120 reserved 40 bytes; 160 bytes |
//! | recovery_report | 24 kind u32, 28 reserved u32, 32 snapshot_lsn u64, |
//! | | 40 frames_replayed u64, 48 records_replayed u64, 56 last_lsn u64, 64 last_slot u64, |
//! | | 72 torn_bytes u64, 80 rewritten_bytes u64, 88 duration_ns u64; 96 bytes |
//! | checkpoint | 24 anchor_lsn u64, 32 snapshot_bytes u64, 40 log_bytes_before u64, |
//! | | 48 log_bytes_after u64, 56 duration_ns u64, 64 stall_ns u64, 72 written u32, |
//! | | 76 reserved u32; 80 bytes |
//! | health | [`super::figures`] |
//!
//! | row | fields from its start |
//! |---|---|
//! | resource, 64 bytes | 0 resource_id u128, 16 reservation_id u128 (0 = none), |
//! | | 32 holder_id u128 (0 = none), 48 version u64, 56 state u32, 60 reserved u32 |
//! | reservation, 96 bytes | 0 reservation_id u128, 16 holder_id u128, |
//! | | 32 first_resource_id u128, 48 created_lsn u64, 56 deadline_slot u64, |
//! | | 64 ended_lsn u64, 72 retire_after_slot u64, 80 state u32, 84 resource_count u32, |
//! | | 88 reserved u64 |
//!
//! A failed response is as long as one without rows or ids. Reserved bytes are written as zeros
//! and not looked at by readers, so that a later version may fill them. The size of a response is
//! known from its request ([`len_max`]); only lists and get_reservation can be shorter. The
//! configuration leaves out `hash_seed`: whoever chooses ids must not know it (R93). Rejected: a
//! common block of details in every response, which made the answer to a command 104 bytes
//! instead of 72.

use allocdb_core::bytes::{Reader, Writer};
use allocdb_core::canary::{Canary, is_planted};
use allocdb_core::command::ResourceIds;
use allocdb_core::config::Config;
use allocdb_core::ids::{HolderId, Lsn, ReservationId, ResourceId, Slot};
use allocdb_core::outcome::{Outcome, ResultCode};

use super::failure::Failure;
use super::figures::{self, Figures};
use super::message::{BODY, Fault, HEADER_BYTES, Header, KIND_RESPONSE, Kind, Reason, VERSION};
use super::request;
use crate::report::{CheckpointReport, RecoveryReport, StartKind, TickResult};

/// Where the status stands.
pub const STATUS: usize = HEADER_BYTES;
/// Bytes of the answer to a command.
pub const OUTCOME_BYTES: usize = 72;
/// Bytes of a resource in a response.
pub const RESOURCE_ROW_BYTES: usize = 64;
/// Bytes of a reservation in a response.
pub const RESERVATION_ROW_BYTES: usize = 96;
/// Bytes in front of the rows of a list.
pub const LIST_HEAD_BYTES: usize = 56;
/// Bytes in front of the ids of a reservation.
pub const RESERVATION_HEAD_BYTES: usize = BODY + RESERVATION_ROW_BYTES + 8;

/// Bytes of a response of this kind without rows or ids: of most kinds, of every one.
#[must_use]
pub const fn len_least(kind: Kind) -> usize {
    match kind {
        Kind::Tick => 56,
        Kind::GetResource => BODY + RESOURCE_ROW_BYTES,
        Kind::GetReservation => RESERVATION_HEAD_BYTES,
        Kind::ListResources | Kind::ListReservations => LIST_HEAD_BYTES,
        Kind::Health => figures::HEALTH_BYTES,
        Kind::Configuration => 160,
        Kind::RecoveryReport => 96,
        Kind::Checkpoint => 80,
        _ => OUTCOME_BYTES,
    }
}

const _: () = {
    let mut index = 0;
    while index < Kind::ALL.len() {
        // Every failed response has room for its details.
        assert!(len_least(Kind::ALL[index]) >= BODY + 32);
        index += 1;
    }
};

/// Bytes that the response to `body` takes at most.
#[must_use]
pub fn len_max(body: &request::Body<'_>) -> usize {
    let (count, each) = match body {
        request::Body::GetReservation { capacity, .. } => (*capacity, 16),
        request::Body::ListResources(listing) => (listing.row_count_max, RESOURCE_ROW_BYTES),
        request::Body::ListReservations(listing) => (listing.row_count_max, RESERVATION_ROW_BYTES),
        _ => (0, 0),
    };
    let rows = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .saturating_mul(each);
    len_least(body.kind()).saturating_add(rows)
}

/// A resource as it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResourceRow {
    /// Which.
    pub resource_id: ResourceId,
    /// Its live reservation; 0 for none.
    pub reservation_id: ReservationId,
    /// Who holds it; 0 for nobody.
    pub holder_id: HolderId,
    /// Changes of state so far.
    pub version: u64,
    /// The state's number.
    pub state: u32,
}

/// A reservation as it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReservationRow {
    /// Which.
    pub reservation_id: ReservationId,
    /// Who made it.
    pub holder_id: HolderId,
    /// The first resource that was named.
    pub first_resource_id: ResourceId,
    /// The position of the reserve.
    pub created_lsn: Lsn,
    /// When it is due; 0 for no deadline.
    pub deadline_slot: Slot,
    /// The position that ended it; 0 while live.
    pub ended_lsn: Lsn,
    /// From when on it is gone; 0 while live.
    pub retire_after_slot: Slot,
    /// The state's number.
    pub state: u32,
    /// How many resources it has or had.
    pub resource_count: u32,
}

/// The bounds that a caller must know to use the database well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The stored configuration; `hash_seed` is not sent and reads 0.
    pub config: Config,
    /// Commands that one commit may hold.
    pub max_batch_commands: u32,
    /// Submissions that may wait.
    pub max_queue: u32,
    /// Bytes of log records that one commit may hold.
    pub max_batch_bytes: u64,
}

/// The front of a response to `kind`: all zero but for the header and the status.
pub(crate) fn begin(out: &mut [u8], kind: Kind, tag: u64, status: u16) {
    let len = u32::try_from(out.len()).expect("a response is bounded by its counts");
    assert!(out.len() >= len_least(kind), "the size was checked before");
    out.fill(0);
    let mut writer = Writer::new(out);
    writer.u32(len);
    writer.u8(VERSION);
    writer.u8(kind.response_number());
    writer.u16(0);
    writer.u64(tag);
    writer.u32(status.into());
}

/// A response that says why there is no body.
pub(crate) fn write_failure(out: &mut [u8], kind: Kind, tag: u64, failure: &Failure) -> usize {
    let len = len_least(kind);
    let out = &mut out[..len];
    begin(out, kind, tag, failure.status);
    settle_failure(out, failure);
    len
}

/// Puts a failure into a response that has been begun.
pub(crate) fn settle_failure(out: &mut [u8], failure: &Failure) {
    let mut writer = Writer::new(&mut out[HEADER_BYTES..]);
    writer.u32(failure.status.into());
    writer.bytes(&failure.os_errno.to_le_bytes());
    failure.detail.iter().for_each(|&word| writer.u64(word));
}

/// Puts an outcome into a response that has been begun.
pub(crate) fn settle_outcome(out: &mut [u8], outcome: &Outcome) {
    let mut writer = Writer::new(&mut out[HEADER_BYTES..OUTCOME_BYTES]);
    writer.u64(0);
    writer.u64(outcome.lsn.0);
    writer.u128(outcome.reservation_id.0);
    writer.u64(outcome.deadline_slot.0);
    writer.u32(outcome.code as u32);
    writer.u32(outcome.failed_index);
    writer.u32(outcome.from_retry_cache.into());
    writer.u32(0);
}

/// Writes a response whose size does not vary; the others have writers of their own.
pub(crate) fn write_fixed(out: &mut [u8], kind: Kind, tag: u64, body: &Body<'_>) -> usize {
    let len = len_least(kind);
    let out = &mut out[..len];
    begin(out, kind, tag, 0);
    let mut writer = Writer::new(&mut out[BODY..]);
    match body {
        Body::Outcome(outcome) => settle_outcome(out, outcome),
        Body::Tick(tick) => {
            writer.u64(tick.lsn.0);
            writer.u64(tick.slot.0);
            writer.u64(tick.due_count);
            writer.u32(tick.expired_count);
        }
        Body::Resource(row) => write_resource_row(&mut writer, row),
        Body::Health(health) => figures::write(&mut writer, health),
        Body::Configuration(bounds) => write_bounds(&mut writer, bounds),
        Body::RecoveryReport(report) => write_recovery_report(&mut writer, report),
        Body::Checkpoint(report) => {
            writer.u64(report.anchor_lsn.0);
            writer.u64(report.snapshot_bytes);
            writer.u64(report.log_bytes_before);
            writer.u64(report.log_bytes_after);
            writer.u64(report.duration_ns);
            writer.u64(report.stall_ns);
            writer.u32(report.written.into());
        }
        Body::Failed(_)
        | Body::Reservation { .. }
        | Body::Resources { .. }
        | Body::Reservations { .. } => unreachable!("written by a writer of its own"),
    }
    len
}

/// Writes a reservation and as many of its ids as fit `capacity`.
pub(crate) fn write_reservation(
    out: &mut [u8],
    tag: u64,
    row: &ReservationRow,
    ids: impl Iterator<Item = ResourceId>,
    capacity: u32,
) -> usize {
    let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
    let (head, rest) = out.split_at_mut(RESERVATION_HEAD_BYTES);
    let mut count = 0;
    for (place, id) in rest
        .as_chunks_mut::<16>()
        .0
        .iter_mut()
        .take(capacity)
        .zip(ids)
    {
        *place = id.0.to_le_bytes();
        count += 1;
    }
    begin(head, Kind::GetReservation, tag, 0);
    let mut writer = Writer::new(&mut head[BODY..]);
    write_reservation_row(&mut writer, row);
    writer.u32(count);
    finish(out, RESERVATION_HEAD_BYTES + 16 * count as usize)
}

/// Writes the rows of a list one after the other, then what stands in front of them.
pub(crate) struct ListWriter<'a> {
    out: &'a mut [u8],
    kind: Kind,
    len: usize,
    row_count: u32,
    row_count_max: u32,
}

impl<'a> ListWriter<'a> {
    /// A list of at most `row_count_max` rows, for which `out` has room.
    pub(crate) fn new(out: &'a mut [u8], kind: Kind, row_count_max: u32) -> Self {
        Self {
            out,
            kind,
            len: LIST_HEAD_BYTES,
            row_count: 0,
            row_count_max,
        }
    }

    /// Adds a resource; `false` when there is no room, and nothing was written.
    pub(crate) fn push_resource(&mut self, row: &ResourceRow) -> bool {
        self.place(RESOURCE_ROW_BYTES).is_some_and(|mut writer| {
            write_resource_row(&mut writer, row);
            true
        })
    }

    /// Adds a reservation; `false` when there is no room, and nothing was written.
    pub(crate) fn push_reservation(&mut self, row: &ReservationRow) -> bool {
        self.place(RESERVATION_ROW_BYTES).is_some_and(|mut writer| {
            write_reservation_row(&mut writer, row);
            true
        })
    }

    /// Whether another row has room.
    pub(crate) const fn is_full(&self) -> bool {
        self.row_count == self.row_count_max
    }

    fn place(&mut self, row_bytes: usize) -> Option<Writer<'_>> {
        if self.is_full() {
            return None;
        }
        let place = self.out.get_mut(self.len..)?.get_mut(..row_bytes)?;
        self.len += row_bytes;
        self.row_count += 1;
        Some(Writer::new(place))
    }

    /// Ends the list and returns its length.
    pub(crate) fn finish(self, tag: u64, next_cursor: u64, applied_lsn: Lsn) -> usize {
        let head = &mut self.out[..LIST_HEAD_BYTES];
        begin(head, self.kind, tag, 0);
        let mut writer = Writer::new(&mut head[BODY..]);
        writer.u64(next_cursor);
        writer.u64(applied_lsn.0);
        writer.u32(self.row_count);
        finish(self.out, self.len)
    }
}

/// Sets the length of a response of varying size.
fn finish(out: &mut [u8], len: usize) -> usize {
    assert!(len <= out.len(), "rows are counted against the room");
    let short = u32::try_from(len).expect("a response is bounded by its counts");
    out[..4].copy_from_slice(&short.to_le_bytes());
    len
}

fn write_resource_row(writer: &mut Writer<'_>, row: &ResourceRow) {
    writer.u128(row.resource_id.0);
    writer.u128(row.reservation_id.0);
    writer.u128(row.holder_id.0);
    writer.u64(row.version);
    writer.u32(row.state);
    writer.u32(0);
}

fn write_reservation_row(writer: &mut Writer<'_>, row: &ReservationRow) {
    writer.u128(row.reservation_id.0);
    writer.u128(row.holder_id.0);
    writer.u128(row.first_resource_id.0);
    writer.u64(row.created_lsn.0);
    writer.u64(row.deadline_slot.0);
    writer.u64(row.ended_lsn.0);
    writer.u64(row.retire_after_slot.0);
    writer.u32(row.state);
    writer.u32(row.resource_count);
    writer.u64(0);
}

fn write_bounds(writer: &mut Writer<'_>, bounds: &Bounds) {
    let config = &bounds.config;
    writer.u128(config.database_id);
    writer.u64(config.shard_id);
    writer.u64(config.slot_duration_ms);
    writer.u64(config.max_ttl_slots);
    writer.u64(config.operation_window_slots);
    writer.u64(config.history_window_slots);
    writer.u32(config.max_resources);
    writer.u32(config.max_reservations);
    writer.u32(config.max_operations);
    writer.u32(config.max_bundle_len);
    writer.u32(config.max_expiration_bucket_len);
    writer.u32(config.max_expirations_per_tick);
    writer.u32(bounds.max_batch_commands);
    writer.u32(bounds.max_queue);
    writer.u64(bounds.max_batch_bytes);
}

fn write_recovery_report(writer: &mut Writer<'_>, report: &RecoveryReport) {
    writer.u32(report.kind as u32);
    writer.u32(0);
    writer.u64(report.snapshot_lsn.0);
    writer.u64(report.frames_replayed);
    writer.u64(report.records_replayed);
    writer.u64(report.last_lsn.0);
    writer.u64(report.last_slot.0);
    writer.u64(report.torn_bytes);
    writer.u64(report.rewritten_bytes);
    writer.u64(report.duration_ns);
}

/// One response, as its reader sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Response<'a> {
    /// The request's.
    pub tag: u64,
    /// The kind of request that it answers.
    pub kind: Kind,
    /// What it says.
    pub body: Body<'a>,
}

/// What a response says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "decoded in place, never kept in numbers"
)]
pub enum Body<'a> {
    /// The request was refused or could not be answered.
    Failed(Failure),
    /// To a command or get_operation.
    Outcome(Outcome),
    /// To a tick.
    Tick(TickResult),
    /// To get_resource.
    Resource(ResourceRow),
    /// To get_reservation.
    Reservation {
        /// The reservation.
        row: ReservationRow,
        /// Its resources, as many as asked for.
        resource_ids: ResourceIds<'a>,
    },
    /// To list_resources.
    Resources {
        /// For the next request; 0 at the end.
        next_cursor: u64,
        /// The position the page was read at.
        applied_lsn: Lsn,
        /// The rows.
        rows: Rows<'a>,
    },
    /// To list_reservations.
    Reservations {
        /// For the next request; 0 at the end.
        next_cursor: u64,
        /// The position the page was read at.
        applied_lsn: Lsn,
        /// The rows.
        rows: Rows<'a>,
    },
    /// To health.
    Health(Figures),
    /// To configuration.
    Configuration(Bounds),
    /// To recovery_report.
    RecoveryReport(RecoveryReport),
    /// To checkpoint.
    Checkpoint(CheckpointReport),
}

/// The rows of a list, still bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rows<'a>(&'a [u8]);

impl Rows<'_> {
    /// The rows as resources: right for the answer to list_resources.
    pub fn resources(&self) -> impl Iterator<Item = ResourceRow> {
        let rows = self.0.as_chunks::<RESOURCE_ROW_BYTES>().0.iter();
        rows.filter_map(|row| read_resource_row(&mut Reader::new(row)))
    }

    /// The rows as reservations: right for the answer to list_reservations.
    pub fn reservations(&self) -> impl Iterator<Item = ReservationRow> {
        let rows = self.0.as_chunks::<RESERVATION_ROW_BYTES>().0.iter();
        rows.filter_map(|row| read_reservation_row(&mut Reader::new(row)))
    }
}

/// Reads the response at the front of `bytes`: the response and its length.
pub fn decode(bytes: &[u8]) -> Result<(Response<'_>, usize), Fault> {
    let header = Header::decode(bytes)?;
    let unknown = Fault::new(5, Reason::Kind, "kind");
    if header.kind & KIND_RESPONSE == 0 {
        return Err(unknown);
    }
    let kind = Kind::from_number(header.kind & !KIND_RESPONSE).ok_or(unknown)?;
    let length = Fault::new(0, Reason::Length, "len");
    let message = bytes.get(..header.len).ok_or(length)?;
    if header.len < len_least(kind) {
        return Err(length);
    }
    let mut reader = Reader::new(message.get(HEADER_BYTES..).ok_or(length)?);
    let status = reader.u32().ok_or(length)?;
    let status =
        u16::try_from(status).map_err(|_| Fault::new(HEADER_BYTES, Reason::Value, "status"))?;
    let os_errno = reader
        .array()
        .map(|bytes| i32::from_le_bytes(*bytes))
        .ok_or(length)?;
    let (body, len) = if status == 0 {
        decode_body(kind, &mut reader)?
    } else {
        let mut detail = [0; 4];
        for word in &mut detail {
            *word = reader.u64().ok_or(length)?;
        }
        (
            Body::Failed(Failure {
                status,
                os_errno,
                detail,
            }),
            len_least(kind),
        )
    };
    if header.len != len && !is_planted(Canary::ResponseLengthUnchecked) {
        return Err(length);
    }
    Ok((
        Response {
            tag: header.tag,
            kind,
            body,
        },
        len,
    ))
}

/// The body and the length of the whole response that it makes.
fn decode_body<'a>(kind: Kind, reader: &mut Reader<'a>) -> Result<(Body<'a>, usize), Fault> {
    let length = Fault::new(0, Reason::Length, "len");
    let body = match kind {
        Kind::GetReservation => return decode_reservation(reader).ok_or(length),
        Kind::ListResources | Kind::ListReservations => {
            return decode_list(kind, reader).ok_or(length);
        }
        Kind::Tick => decode_tick(reader).map(Body::Tick),
        Kind::GetResource => read_resource_row(reader).map(Body::Resource),
        Kind::Health => return Ok((Body::Health(figures::read(reader)?), len_least(kind))),
        Kind::Configuration => read_bounds(reader).map(Body::Configuration),
        Kind::RecoveryReport => {
            return Ok((
                Body::RecoveryReport(read_recovery_report(reader)?),
                len_least(kind),
            ));
        }
        Kind::Checkpoint => read_checkpoint_report(reader).map(Body::Checkpoint),
        _ => return Ok((Body::Outcome(read_outcome(reader)?), len_least(kind))),
    };
    Ok((body.ok_or(length)?, len_least(kind)))
}

fn read_outcome(reader: &mut Reader<'_>) -> Result<Outcome, Fault> {
    let length = Fault::new(0, Reason::Length, "len");
    let lsn = Lsn(reader.u64().ok_or(length)?);
    let reservation_id = ReservationId(reader.u128().ok_or(length)?);
    let deadline_slot = Slot(reader.u64().ok_or(length)?);
    let code = reader.u32().ok_or(length)?;
    let code = u8::try_from(code).ok().and_then(ResultCode::from_number);
    let code = code.ok_or(Fault::new(56, Reason::Value, "code"))?;
    let failed_index = reader.u32().ok_or(length)?;
    let from_retry_cache = reader.u32().ok_or(length)?;
    let from_retry_cache = flag(from_retry_cache, 64, "from_retry_cache")?;
    Ok(Outcome {
        lsn,
        code,
        reservation_id,
        deadline_slot,
        failed_index,
        from_retry_cache,
    })
}

/// A word that is 0 or 1.
pub(crate) fn flag(word: u32, offset: usize, field: &'static str) -> Result<bool, Fault> {
    match word {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Fault::new(offset, Reason::Value, field)),
    }
}

fn decode_tick(reader: &mut Reader<'_>) -> Option<TickResult> {
    let (lsn, slot) = (Lsn(reader.u64()?), Slot(reader.u64()?));
    let (due_count, expired_count) = (reader.u64()?, reader.u32()?);
    Some(TickResult {
        lsn,
        slot,
        expired_count,
        due_count,
    })
}

fn decode_reservation<'a>(reader: &mut Reader<'a>) -> Option<(Body<'a>, usize)> {
    let row = read_reservation_row(reader)?;
    let count = usize::try_from(reader.u32()?).ok()?;
    reader.u32()?;
    let ids = reader.slice(count.checked_mul(16)?)?;
    let resource_ids = ResourceIds::from_bytes(ids)?;
    Some((
        Body::Reservation { row, resource_ids },
        RESERVATION_HEAD_BYTES + ids.len(),
    ))
}

fn decode_list<'a>(kind: Kind, reader: &mut Reader<'a>) -> Option<(Body<'a>, usize)> {
    let next_cursor = reader.u64()?;
    let applied_lsn = Lsn(reader.u64()?);
    let row_count = usize::try_from(reader.u32()?).ok()?;
    reader.slice(12)?;
    let lists_resources = kind == Kind::ListResources;
    let row_bytes = if lists_resources {
        RESOURCE_ROW_BYTES
    } else {
        RESERVATION_ROW_BYTES
    };
    let rows = Rows(reader.slice(row_count.checked_mul(row_bytes)?)?);
    let body = if lists_resources {
        Body::Resources {
            next_cursor,
            applied_lsn,
            rows,
        }
    } else {
        Body::Reservations {
            next_cursor,
            applied_lsn,
            rows,
        }
    };
    Some((body, LIST_HEAD_BYTES + rows.0.len()))
}

fn read_resource_row(reader: &mut Reader<'_>) -> Option<ResourceRow> {
    let row = ResourceRow {
        resource_id: ResourceId(reader.u128()?),
        reservation_id: ReservationId(reader.u128()?),
        holder_id: HolderId(reader.u128()?),
        version: reader.u64()?,
        state: reader.u32()?,
    };
    reader.u32()?;
    Some(row)
}

fn read_reservation_row(reader: &mut Reader<'_>) -> Option<ReservationRow> {
    let row = ReservationRow {
        reservation_id: ReservationId(reader.u128()?),
        holder_id: HolderId(reader.u128()?),
        first_resource_id: ResourceId(reader.u128()?),
        created_lsn: Lsn(reader.u64()?),
        deadline_slot: Slot(reader.u64()?),
        ended_lsn: Lsn(reader.u64()?),
        retire_after_slot: Slot(reader.u64()?),
        state: reader.u32()?,
        resource_count: reader.u32()?,
    };
    reader.u64()?;
    Some(row)
}

fn read_bounds(reader: &mut Reader<'_>) -> Option<Bounds> {
    let config = Config {
        database_id: reader.u128()?,
        shard_id: reader.u64()?,
        hash_seed: 0,
        slot_duration_ms: reader.u64()?,
        max_ttl_slots: reader.u64()?,
        operation_window_slots: reader.u64()?,
        history_window_slots: reader.u64()?,
        max_resources: reader.u32()?,
        max_reservations: reader.u32()?,
        max_operations: reader.u32()?,
        max_bundle_len: reader.u32()?,
        max_expiration_bucket_len: reader.u32()?,
        max_expirations_per_tick: reader.u32()?,
    };
    Some(Bounds {
        config,
        max_batch_commands: reader.u32()?,
        max_queue: reader.u32()?,
        max_batch_bytes: reader.u64()?,
    })
}

fn read_recovery_report(reader: &mut Reader<'_>) -> Result<RecoveryReport, Fault> {
    const KINDS: [StartKind; 5] = [
        StartKind::Fresh,
        StartKind::WalOnly,
        StartKind::SnapshotOnly,
        StartKind::SnapshotAndWal,
        StartKind::PreviousSnapshotAndWal,
    ];
    let number = reader
        .u64()
        .and_then(|word| usize::try_from(word & 0xFFFF_FFFF).ok());
    let kind = number.and_then(|number| KINDS.get(number)).copied();
    let kind = kind.ok_or(Fault::new(BODY, Reason::Value, "kind"))?;
    let mut word = || reader.u64().ok_or(Fault::new(0, Reason::Length, "len"));
    Ok(RecoveryReport {
        kind,
        snapshot_lsn: Lsn(word()?),
        frames_replayed: word()?,
        records_replayed: word()?,
        last_lsn: Lsn(word()?),
        last_slot: Slot(word()?),
        torn_bytes: word()?,
        rewritten_bytes: word()?,
        duration_ns: word()?,
    })
}

fn read_checkpoint_report(reader: &mut Reader<'_>) -> Option<CheckpointReport> {
    Some(CheckpointReport {
        anchor_lsn: Lsn(reader.u64()?),
        snapshot_bytes: reader.u64()?,
        log_bytes_before: reader.u64()?,
        log_bytes_after: reader.u64()?,
        duration_ns: reader.u64()?,
        stall_ns: reader.u64()?,
        written: reader.u32()? != 0,
    })
}
