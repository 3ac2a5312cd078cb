//! Consecutive commands of a call as one submission to the engine.
//!
//! A [`Run`] says how many messages go together: it is counted while they are checked, or, behind a
//! read or a full commit, by looking at them once more. A [`Group`] is a run with the room for its
//! responses: the engine's [`Batch`]. A command is decoded from the request's bytes when the engine
//! asks for it, and its outcome is written into its response when the engine settles it.
//!
//! A host may change the request meanwhile, which harms only itself: every message is bounded again
//! where it is read, and the engine checks its own copy of the command. Rejected: an index of the
//! messages made while they are checked, which would need memory for the longest call, and would
//! save the walk from one length to the next alone.

use std::cell::Cell;

use allocdb_core::Command;
use allocdb_core::codec::record_len;
use allocdb_core::ids::Slot;
use allocdb_core::outcome::Rejection;

use super::execute::Target;
use super::failure::Failure;
use super::message::{Header, Kind};
use super::request::{self, Body};
use super::response::{self, Bounds, OUTCOME_BYTES};
use crate::batch::{Batch, CommandResult};
use crate::error::SubmitError;
use crate::status;

/// The status of a response whose command is not settled yet; no status table has it.
const UNSETTLED: u16 = u16::MAX;

/// Consecutive command messages that one commit may hold.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Run {
    /// How many.
    pub(super) count: usize,
    /// Bytes of the messages.
    pub(super) message_bytes: usize,
    /// Bytes of their log records.
    record_bytes: usize,
    slot_first: Slot,
    slot_greatest: Slot,
    /// Whether a message means now.
    names_now: bool,
    /// Whether its messages' slots differ.
    slots_differ: bool,
}

impl Run {
    /// The run at the front of `bytes`; empty where no command stands there.
    pub(super) fn at_front_of(bytes: &[u8], bounds: &Bounds) -> Self {
        let mut run = Self::default();
        // A message that is none has been refused before, or was changed since: the run ends here.
        while let Some(rest) = bytes.get(run.message_bytes..)
            && let Ok((message, len)) = request::decode(rest)
            && run.add(&message.body, len, bounds)
        {}
        run
    }

    /// Takes the next message, of `len` bytes, in; `false` where it is no command, or one too many
    /// for a commit. The first command always fits: the engine has its own answer for it.
    #[inline]
    pub(super) fn add(&mut self, body: &Body<'_>, len: usize, bounds: &Bounds) -> bool {
        let Body::Command { slot, command } = body else {
            return false;
        };
        let record_bytes = self.record_bytes + record_len(command);
        if self.count == 0 {
            self.slot_first = *slot;
        } else if self.count as u64 >= bounds.max_batch_commands.into()
            || record_bytes as u64 > bounds.max_batch_bytes
        {
            return false;
        }
        self.names_now |= slot.0 == 0;
        self.slots_differ |= self.slot_first != *slot;
        self.slot_greatest = self.slot_greatest.max(*slot);
        self.record_bytes = record_bytes;
        self.count += 1;
        self.message_bytes += len;
        true
    }
}

/// A run and the room for its responses: one submission.
pub(super) struct Group<'a> {
    run: Run,
    messages: &'a [u8],
    responses: &'a mut [[u8; OUTCOME_BYTES]],
    /// The next message that the engine will ask for, and its offset.
    cursor: Cell<(usize, usize)>,
}

impl<'a> Group<'a> {
    /// Begins the responses to the run at the front of `rest`; `None` when a message is no command
    /// any more, or the room is too small.
    pub(super) fn begin(run: Run, rest: &'a [u8], room: &'a mut [u8]) -> Option<Self> {
        let messages = rest.get(..run.message_bytes)?;
        let responses = room.as_chunks_mut().0.get_mut(..run.count)?;
        let mut unread = messages;
        for response in &mut *responses {
            let header = Header::decode(unread).ok()?;
            let kind = Kind::from_number(header.kind).filter(|kind| kind.is_command())?;
            response::begin(response, kind, header.tag, UNSETTLED);
            unread = unread.get(header.len..)?;
        }
        Some(Self {
            run,
            messages,
            responses,
            cursor: Cell::new((0, 0)),
        })
    }

    /// Submits the group; afterwards every response is settled.
    pub(super) fn commit<T: Target>(&mut self, target: &T) {
        let slot = self.slot(target);
        let Err(error) = target.submit(slot, self) else {
            let is_settled = self
                .responses
                .iter()
                .all(|response| !is_unsettled(response));
            assert!(
                is_settled,
                "a submission that is carried out is settled whole"
            );
            return;
        };
        if self.run.slots_differ && matches!(error, SubmitError::SlotLeap { .. }) {
            self.commit_singly(target);
        } else {
            self.fail(&Failure::from(&error));
        }
    }

    /// R63: the greatest slot of its messages; `None` when all mean now.
    fn slot<T: Target>(&self, target: &T) -> Option<Slot> {
        let greatest = self.run.slot_greatest;
        if self.run.names_now && greatest.0 != 0 {
            return Some(greatest.max(target.slot_now()));
        }
        request::given(greatest)
    }

    /// Submits each message by itself: R35 refuses a leaping slot alone.
    fn commit_singly<T: Target>(&mut self, target: &T) {
        let bounds = Bounds {
            max_batch_commands: 1,
            ..target.bounds()
        };
        let mut rest = self.messages;
        for response in &mut *self.responses {
            let run = Run::at_front_of(rest, &bounds);
            let Some(mut one) = Group::begin(run, rest, response).filter(|one| !one.is_empty())
            else {
                break;
            };
            rest = rest.get(run.message_bytes..).unwrap_or_default();
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
        for response in &mut *self.responses {
            if is_unsettled(response) {
                response::settle_failure(response, failure);
            }
        }
    }

    /// The offset of the message at `index`: the cursor's, or found from the start again.
    fn offset_of(&self, index: usize) -> Option<usize> {
        let (mut at, mut offset) = self.cursor.get();
        if at > index {
            (at, offset) = (0, 0);
        }
        while at < index {
            offset += Header::decode(self.messages.get(offset..)?).ok()?.len;
            at += 1;
        }
        Some(offset)
    }
}

fn is_unsettled(response: &[u8; OUTCOME_BYTES]) -> bool {
    let status = &response[response::STATUS..response::STATUS + 4];
    status == u32::from(UNSETTLED).to_le_bytes()
}

impl Batch for Group<'_> {
    fn len(&self) -> usize {
        self.run.count
    }

    fn record_bytes(&self) -> usize {
        self.run.record_bytes
    }

    fn command(&self, index: usize) -> Result<Command<'_>, Rejection> {
        let changed = Rejection::Malformed { field: "message" };
        let offset = self.offset_of(index).ok_or(changed)?;
        let rest = self.messages.get(offset..).ok_or(changed)?;
        match &request::decode(rest) {
            Ok((message, len)) => {
                self.cursor.set((index + 1, offset + len));
                match &message.body {
                    Body::Command { command, .. } => Ok(*command),
                    _ => Err(changed),
                }
            }
            Err(_) => Err(changed),
        }
    }

    fn settle(&mut self, index: usize, result: CommandResult) {
        let response = &mut self.responses[index];
        match result {
            Ok(outcome) => response::settle_outcome(response, &outcome),
            Err(rejection) => response::settle_failure(response, &Failure::from(&rejection)),
        }
    }
}

/// Shows a test the batch that the front of `request` makes.
#[cfg(test)]
pub(super) fn with_group(
    bounds: &Bounds,
    request: &[u8],
    room: &mut [u8],
    look: impl FnOnce(&mut dyn Batch),
) {
    let run = Run::at_front_of(request, bounds);
    let mut group = Group::begin(run, request, room).expect("commands and room");
    look(&mut group);
}
