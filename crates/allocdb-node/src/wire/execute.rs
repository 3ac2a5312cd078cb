//! A call over the engine: check all, then take the messages in order.
//!
//! 1. Every message is decoded and checked against the configuration; the sizes of the responses
//!    are added up. Any fault, or too small a buffer, refuses the call: nothing was sequenced.
//! 2. Consecutive commands are one submission, hence one commit, or several where they exceed
//!    what one may hold ([`super::group`]). Its slot is the greatest of its messages' (R63).
//! 3. Whatever else stands between is answered at its place, so a read sees the commands before.
//!
//! A response is begun as *unsettled* before its commit; when a submission fails as a whole, those
//! still unsettled get its status. Nothing stops at a failure: a halted engine says so to every
//! message that follows, by itself. A slot that leaps (R35) concerns its own submission alone, so
//! where messages of several slots were put together, they are submitted again one by one.
//!
//! Rejected: a submission for each slot, which would give a caller that steps its own clock
//! between messages one sync each; and leaving the check to the engine, which sees one submission
//! at a time: what is wrong with the last message would be told after the first was committed.

use allocdb_core::config::Config;
use allocdb_core::ids::{Lsn, Slot};
use allocdb_core::outcome::Rejection;
use allocdb_core::state::{Filter, Lookup, Reservation, Resource, State};

use super::failure::{CallError, Failure};
use super::figures::Figures;
use super::group::{Group, Run};
use super::message::{Fault, Kind, Reason};
use super::request::{self, Body, Listing, Request, field_offset};
use super::response::{
    self, Body as Answer, Bounds, ListWriter, OUTCOME_BYTES, ReservationRow, ResourceRow,
};
use crate::batch::Batch;
use crate::error::{CheckpointError, ReadError, SubmitError};
use crate::health::Health;
use crate::report::{CheckpointReport, RecoveryReport, TickResult};

/// What a call needs of an engine; the engine has it all, and a test scripts failures into it.
pub(crate) trait Target {
    /// The configuration and the bounds of one submission.
    fn bounds(&self) -> Bounds;
    /// The slot that "now" stands for.
    fn slot_now(&self) -> Slot;
    /// Commits a submission; `None` for now.
    fn submit(&self, slot: Option<Slot>, batch: &mut dyn Batch) -> Result<(), SubmitError>;
    /// Expires what is due; a limit of 0 or too high is the configured one.
    fn tick(&self, slot: Option<Slot>, limit: u32) -> Result<TickResult, SubmitError>;
    /// Looks at the applied state, behind a fence.
    fn read<R>(&self, required_lsn: Lsn, look: impl FnOnce(&State) -> R) -> Result<R, ReadError>;
    /// The figures, with the lag behind the given slot.
    fn health(&self, slot: Option<Slot>) -> Health;
    /// What recovery found.
    fn recovery_report(&self) -> RecoveryReport;
    /// Writes a snapshot.
    fn checkpoint(&self) -> Result<CheckpointReport, CheckpointError>;
}

/// Bytes that the responses to a call take at most; refuses what [`call`] would refuse.
pub(crate) fn response_bound(config: &Config, request: &[u8]) -> Result<usize, CallError> {
    check_all(config, request, |_, _| ())
}

/// Checks every message, and shows those that stand, in order, with their lengths.
fn check_all(
    config: &Config,
    request: &[u8],
    mut seen: impl FnMut(&Body<'_>, usize),
) -> Result<usize, CallError> {
    let mut offset = 0;
    let mut index = 0;
    let mut needed: usize = 0;
    while let Some(rest) = request.get(offset..).filter(|rest| !rest.is_empty()) {
        // Looked at where it was decoded: moving it costs more than all that is looked at.
        let decoded = request::decode(rest);
        let (message, len) = decoded.as_ref().map_err(|fault| CallError::Malformed {
            index,
            fault: fault.shifted(offset),
        })?;
        check(config, &message.body).map_err(|(field_offset, rejection)| {
            CallError::refused(index, offset, field_offset, rejection)
        })?;
        seen(&message.body, *len);
        needed = needed.saturating_add(response::len_max(&message.body));
        offset += len;
        index += 1;
    }
    Ok(needed)
}

/// What the configuration rules out, and where in the message.
fn check(config: &Config, body: &Body<'_>) -> Result<(), (usize, Rejection)> {
    let slot = match *body {
        Body::Command { slot, ref command } => {
            let ruled_out = |rejection| (field_offset(command, &rejection), rejection);
            command.check(config).map_err(ruled_out)?;
            slot
        }
        Body::Tick { slot, .. } => slot,
        _ => return Ok(()),
    };
    // R6: a slot from which a window could not be counted.
    let bound = config.slot_max();
    if slot > bound {
        return Err((request::SLOT, Rejection::SlotOverflow { slot, bound }));
    }
    Ok(())
}

/// Carries out a call; returns the length of the responses.
pub(crate) fn call<T: Target>(
    target: &T,
    request: &[u8],
    response: &mut [u8],
) -> Result<usize, CallError> {
    let bounds = target.bounds();
    let mut run = Run::default();
    let mut is_run = true;
    // Most calls are one run of commands, which is counted on the way.
    let needed = check_all(&bounds.config, request, |body, len| {
        is_run = is_run && run.add(body, len, &bounds);
    })?;
    // No more than was counted: a host that changes the request meanwhile gets no more room.
    let given = response.len();
    let response = response
        .get_mut(..needed)
        .ok_or(CallError::BufferTooSmall { needed, given })?;
    let mut rest = request;
    let mut written = 0;
    let mut index = 0;
    // Both were checked above. They fail here only where a host changes the request meanwhile.
    let changed = |index, fault| CallError::Malformed { index, fault };
    let no_room = |written| CallError::BufferTooSmall {
        needed,
        given: written,
    };
    while !rest.is_empty() {
        let room = response.get_mut(written..).ok_or(no_room(written))?;
        if run.count > 0 {
            let mut group = Group::begin(run, rest, room)
                .ok_or_else(|| changed(index, Fault::new(0, Reason::Value, "message")))?;
            group.commit(target);
            rest = rest.get(run.message_bytes..).unwrap_or_default();
            written += run.count * OUTCOME_BYTES;
            index += run.count as u64;
        } else {
            let (message, len) = request::decode(rest).map_err(|fault| changed(index, fault))?;
            let len_max = response::len_max(&message.body);
            let room = room.get_mut(..len_max).ok_or(no_room(written))?;
            written += answer(target, &bounds, &message, room);
            rest = rest.get(len..).unwrap_or_default();
            index += 1;
        }
        run = Run::at_front_of(rest, &bounds);
    }
    assert!(written <= needed, "the responses' bound is one");
    Ok(written)
}

/// Answers one message that is no command.
fn answer<T: Target>(target: &T, bounds: &Bounds, message: &Request<'_>, out: &mut [u8]) -> usize {
    let kind = message.body.kind();
    let tag = message.tag;
    let answered = match message.body {
        Body::Tick { slot, limit } => {
            let ticked = target.tick(request::given(slot), limit);
            ticked.map(Answer::Tick).map_err(|e| Failure::from(&e))
        }
        Body::GetResource {
            required_lsn,
            resource_id,
        } => {
            let found = target.read(required_lsn, |state| state.resource(resource_id));
            let found = found.and_then(|found| found.ok_or(ReadError::NotFound));
            found
                .map(|row| Answer::Resource(row.into()))
                .map_err(|e| Failure::from(&e))
        }
        Body::GetOperation {
            required_lsn,
            operation_id,
        } => {
            let found = target.read(required_lsn, |state| state.operation(operation_id));
            let found = found.and_then(|found| found.ok_or(ReadError::NotFound));
            found.map(Answer::Outcome).map_err(|e| Failure::from(&e))
        }
        Body::Health { slot } => Ok(Answer::Health(Figures::from(
            &target.health(request::given(slot)),
        ))),
        Body::Configuration => Ok(Answer::Configuration(*bounds)),
        Body::RecoveryReport => Ok(Answer::RecoveryReport(target.recovery_report())),
        Body::Checkpoint => target
            .checkpoint()
            .map(Answer::Checkpoint)
            .map_err(|e| Failure::from(&e)),
        Body::GetReservation { .. } | Body::ListResources(_) | Body::ListReservations(_) => {
            return answer_rows(target, message, out).unwrap_or_else(|error| {
                response::write_failure(out, kind, tag, &Failure::from(&error))
            });
        }
        Body::Command { .. } => unreachable!("commands are answered by their commit"),
    };
    match answered {
        Ok(body) => response::write_fixed(out, kind, tag, &body),
        Err(failure) => response::write_failure(out, kind, tag, &failure),
    }
}

/// Answers the messages whose responses vary in length, row by row into the response.
fn answer_rows<T: Target>(
    target: &T,
    message: &Request<'_>,
    out: &mut [u8],
) -> Result<usize, ReadError> {
    let tag = message.tag;
    match message.body {
        Body::GetReservation {
            required_lsn,
            reservation_id,
            capacity,
        } => target.read(required_lsn, |state| {
            match state.reservation(reservation_id) {
                Lookup::Found(row) => {
                    let ids = state.reservation_resources(reservation_id);
                    Ok(response::write_reservation(
                        out,
                        tag,
                        &row.into(),
                        ids,
                        capacity,
                    ))
                }
                Lookup::NotFound => Err(ReadError::NotFound),
                Lookup::Retired => Err(ReadError::Retired),
            }
        })?,
        Body::ListResources(listing) => target.read(listing.required_lsn, |state| {
            let (filter, row_count_max) = wanted(&listing);
            let mut rows = ListWriter::new(out, Kind::ListResources, listing.row_count_max);
            let next = state.list_resources(&filter, listing.cursor, row_count_max, |row| {
                assert!(
                    rows.push_resource(&row.into()),
                    "no more rows than asked for"
                );
            });
            rows.finish(tag, next, state.last_lsn())
        }),
        Body::ListReservations(listing) => target.read(listing.required_lsn, |state| {
            let (filter, row_count_max) = wanted(&listing);
            let mut rows = ListWriter::new(out, Kind::ListReservations, listing.row_count_max);
            let next = state.list_reservations(&filter, listing.cursor, row_count_max, |row| {
                assert!(
                    rows.push_reservation(&row.into()),
                    "no more rows than asked for"
                );
            });
            rows.finish(tag, next, state.last_lsn())
        }),
        _ => unreachable!("only rows are answered here"),
    }
}

fn wanted(listing: &Listing) -> (Filter, usize) {
    let filter = Filter {
        states: listing.state_mask,
        holder_id: listing.holder_id,
    };
    (
        filter,
        usize::try_from(listing.row_count_max).unwrap_or(usize::MAX),
    )
}

impl From<Resource> for ResourceRow {
    fn from(row: Resource) -> Self {
        Self {
            resource_id: row.resource_id,
            reservation_id: row.reservation_id,
            holder_id: row.holder_id,
            version: row.version,
            state: (row.state as u8).into(),
        }
    }
}

impl From<Reservation> for ReservationRow {
    fn from(row: Reservation) -> Self {
        Self {
            reservation_id: row.reservation_id,
            holder_id: row.holder_id,
            first_resource_id: row.first_resource_id,
            created_lsn: row.created_lsn,
            deadline_slot: row.deadline_slot,
            ended_lsn: row.ended_lsn,
            retire_after_slot: row.retire_after_slot,
            state: (row.state as u8).into(),
            resource_count: row.resource_count,
        }
    }
}
