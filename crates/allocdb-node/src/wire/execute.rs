//! A call over the engine: check all, then take the messages in order.
//!
//! 1. Every message is decoded and checked against the configuration; the sizes of the responses
//!    are added up. Any fault, or too small a buffer, refuses the call: nothing was sequenced.
//! 2. Consecutive commands are one submission, hence one commit, or several where they exceed
//!    what one may hold. Its slot is the greatest of its messages' (R63). Commands are decoded from
//!    the request's bytes when the engine asks for them, and each outcome is written into its
//!    response when the engine settles it: [`Group`] is the engine's [`Batch`].
//! 3. Whatever else stands between is answered at its place, so a read sees the commands before.
//!
//! A response is begun as *unsettled* before its commit; when a submission fails as a whole, those
//! still unsettled get its status. Nothing stops at a failure: a halted engine says so to every
//! message that follows, by itself. A slot that leaps (R35) concerns its own submission alone, so
//! where messages of several slots were put together, they are submitted again one by one.
//!
//! Rejected: a submission for each slot, which would give a caller that steps its own clock
//! between messages one sync each; and an index of offsets built beforehand, which has no bound.

use std::cell::Cell;

use allocdb_core::Command;
use allocdb_core::codec::record_len;
use allocdb_core::config::Config;
use allocdb_core::ids::{Lsn, Slot};
use allocdb_core::outcome::Rejection;
use allocdb_core::state::{Filter, Lookup, Reservation, Resource, State};

use super::failure::{CallError, Failure};
use super::figures::Figures;
use super::message::{Fault, Kind, Reason};
use super::request::{self, Body, Listing, Request, field_offset};
use super::response::{
    self, Body as Answer, Bounds, ListWriter, OUTCOME_BYTES, ReservationRow, ResourceRow,
};
use crate::batch::{Batch, CommandResult};
use crate::error::{CheckpointError, ReadError, SubmitError};
use crate::health::Health;
use crate::report::{CheckpointReport, RecoveryReport, TickResult};
use crate::status;

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
    let mut offset = 0;
    let mut index = 0;
    let mut needed: usize = 0;
    while let Some(rest) = request.get(offset..).filter(|rest| !rest.is_empty()) {
        let (message, len) = request::decode(rest).map_err(|fault| CallError::Malformed {
            index,
            fault: fault.shifted(offset),
        })?;
        check(config, &message.body).map_err(|(field_offset, rejection)| {
            CallError::refused(index, offset, field_offset, rejection)
        })?;
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
    let needed = response_bound(&bounds.config, request)?;
    if needed > response.len() {
        return Err(CallError::BufferTooSmall {
            needed,
            given: response.len(),
        });
    }
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
        let (message, len) = request::decode(rest).map_err(|fault| changed(index, fault))?;
        let room = response.get_mut(written..).ok_or(no_room(written))?;
        if message.body.kind().is_command() {
            let mut group = Group::gather(&bounds, rest, room)
                .ok_or_else(|| changed(index, Fault::new(0, Reason::Value, "message")))?;
            group.commit(target);
            rest = rest.get(group.messages.len()..).unwrap_or_default();
            written += group.responses.len();
            index += group.count as u64;
        } else {
            let len_max = response::len_max(&message.body);
            let room = room.get_mut(..len_max).ok_or(no_room(written))?;
            written += answer(target, &bounds, &message, room);
            rest = rest.get(len..).unwrap_or_default();
            index += 1;
        }
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
            let ticked = target.tick(given(slot), limit);
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
        Body::Health { slot } => Ok(Answer::Health(Figures::from(&target.health(given(slot))))),
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

/// A message's slot, where 0 stands for now.
fn given(slot: Slot) -> Option<Slot> {
    (slot.0 != 0).then_some(slot)
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

/// The status of a response whose command is not settled yet; no status table has it.
const UNSETTLED: u16 = u16::MAX;

/// Consecutive command messages and the room for their responses: one submission.
struct Group<'a> {
    messages: &'a [u8],
    responses: &'a mut [u8],
    count: usize,
    record_bytes: usize,
    slot_greatest: Slot,
    /// Whether a message means now.
    names_now: bool,
    /// Whether its messages' slots differ.
    slots_differ: bool,
    /// The next message that the engine will ask for, and its offset.
    cursor: Cell<(usize, usize)>,
}

impl<'a> Group<'a> {
    /// Takes as many commands from the front of `rest` as one commit may hold, at least one, and
    /// begins their responses; `None` when a message is none or the room is too small.
    fn gather(bounds: &Bounds, rest: &'a [u8], room: &'a mut [u8]) -> Option<Self> {
        let count_max = usize::try_from(bounds.max_batch_commands).unwrap_or(usize::MAX);
        let bytes_max = usize::try_from(bounds.max_batch_bytes).unwrap_or(usize::MAX);
        let (mut count, mut record_bytes, mut end) = (0, 0, 0);
        let (mut slot_first, mut slot_greatest) = (None, Slot(0));
        let (mut names_now, mut slots_differ) = (false, false);
        while count == 0 || count < count_max {
            let Ok((message, len)) = request::decode(rest.get(end..)?) else {
                break;
            };
            let Body::Command { slot, command } = message.body else {
                break;
            };
            let bytes = record_bytes + record_len(&command);
            if count > 0 && bytes > bytes_max {
                break;
            }
            let out = room
                .get_mut(count * OUTCOME_BYTES..)?
                .get_mut(..OUTCOME_BYTES)?;
            response::begin(out, message.body.kind(), message.tag, UNSETTLED);
            names_now |= slot.0 == 0;
            slots_differ |= *slot_first.get_or_insert(slot) != slot;
            slot_greatest = slot_greatest.max(slot);
            record_bytes = bytes;
            count += 1;
            end += len;
        }
        let messages = rest.get(..end).filter(|_| count > 0)?;
        let responses = room.get_mut(..count * OUTCOME_BYTES)?;
        let cursor = Cell::new((0, 0));
        Some(Self {
            messages,
            responses,
            count,
            record_bytes,
            slot_greatest,
            names_now,
            slots_differ,
            cursor,
        })
    }

    /// Submits the group; afterwards every response is settled.
    fn commit<T: Target>(&mut self, target: &T) {
        let slot = self.slot(target);
        let Err(error) = target.submit(slot, self) else {
            let is_settled = (0..self.count).all(|index| !self.is_unsettled(index));
            assert!(
                is_settled,
                "a submission that is carried out is settled whole"
            );
            return;
        };
        if self.slots_differ && matches!(error, SubmitError::SlotLeap { .. }) {
            self.commit_singly(target);
        } else {
            self.fail(&Failure::from(&error));
        }
    }

    /// R63: the greatest slot of its messages; `None` when all mean now.
    fn slot<T: Target>(&self, target: &T) -> Option<Slot> {
        if self.names_now && self.slot_greatest.0 != 0 {
            return Some(self.slot_greatest.max(target.slot_now()));
        }
        given(self.slot_greatest)
    }

    /// Submits each message by itself: R35 refuses a leaping slot alone.
    fn commit_singly<T: Target>(&mut self, target: &T) {
        let single = |bounds: Bounds| Bounds {
            max_batch_commands: 1,
            ..bounds
        };
        let bounds = single(target.bounds());
        let mut rest = self.messages;
        for out in self.responses.chunks_exact_mut(OUTCOME_BYTES) {
            let Some(mut one) = Group::gather(&bounds, rest, out) else {
                break;
            };
            rest = rest.get(one.messages.len()..).unwrap_or_default();
            one.commit(target);
        }
        // Left over only where a host changes the request meanwhile.
        self.fail(&Failure {
            status: status::E_MALFORMED,
            os_errno: 0,
            detail: [0; 4],
        });
    }

    /// Gives `failure` to every response that is not settled.
    fn fail(&mut self, failure: &Failure) {
        for index in 0..self.count {
            if self.is_unsettled(index) {
                response::settle_failure(self.response(index), failure);
            }
        }
    }

    fn is_unsettled(&self, index: usize) -> bool {
        let status = index * OUTCOME_BYTES + response::STATUS;
        self.responses[status..status + 4] == u32::from(UNSETTLED).to_le_bytes()
    }

    fn response(&mut self, index: usize) -> &mut [u8] {
        &mut self.responses[index * OUTCOME_BYTES..][..OUTCOME_BYTES]
    }

    /// The offset of the message at `index`: the cursor's, or found from the start again.
    fn offset_of(&self, index: usize) -> Option<usize> {
        let (mut at, mut offset) = self.cursor.get();
        if at > index {
            (at, offset) = (0, 0);
        }
        while at < index {
            let (_, len) = request::decode(self.messages.get(offset..)?).ok()?;
            offset += len;
            at += 1;
        }
        Some(offset)
    }
}

impl Batch for Group<'_> {
    fn len(&self) -> usize {
        self.count
    }

    fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    fn command(&self, index: usize) -> Result<Command<'_>, Rejection> {
        let changed = Rejection::Malformed { field: "message" };
        let offset = self.offset_of(index).ok_or(changed)?;
        let rest = self.messages.get(offset..).ok_or(changed)?;
        let (message, len) = request::decode(rest).map_err(|_| changed)?;
        self.cursor.set((index + 1, offset + len));
        match message.body {
            Body::Command { command, .. } => Ok(command),
            _ => Err(changed),
        }
    }

    fn settle(&mut self, index: usize, result: CommandResult) {
        let out = self.response(index);
        match result {
            Ok(outcome) => response::settle_outcome(out, &outcome),
            Err(rejection) => response::settle_failure(out, &Failure::from(&rejection)),
        }
    }
}

/// Shows a test the batch that the front of `request` makes.
#[cfg(test)]
pub(crate) fn with_group(
    bounds: &Bounds,
    request: &[u8],
    room: &mut [u8],
    look: impl FnOnce(&mut dyn Batch),
) {
    let mut group = Group::gather(bounds, request, room).expect("commands and room");
    look(&mut group);
}
