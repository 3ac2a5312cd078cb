//! Commands on their way in, outcomes on their way out: the engine reads and writes the caller's
//! memory through these batches, on whichever thread leads the commit.
//!
//! A field that a kind does not use must be zero, so that a program which fills in the wrong one is
//! told, and so that a later version can give it a meaning. The ids of a bundle are passed on where
//! they lie: in memory an id is the log's little-endian u128.

use core::slice;

use allocdb_core::codec::record_len_of;
use allocdb_core::command::CommandKind;
use allocdb_core::config::BUNDLE_LEN_MAX;
use allocdb_core::{Action, Command, HolderId, OperationId, Outcome, Rejection, ReservationId};
use allocdb_core::{ResourceId, ResourceIds, Slot};
use allocdb_node::{Batch, CommandResult, status};

use crate::constants as number;
use crate::entry;
use crate::failure::Failure;
use crate::memory::{self, Memory};
use crate::types::{allocdb, allocdb_command, allocdb_error, allocdb_id, allocdb_operation};
use crate::types::{allocdb_outcome, allocdb_status};

pub(crate) const ZERO_ID: allocdb_id = allocdb_id { lo: 0, hi: 0 };

/// What a typed function adds to its operation.
pub(crate) struct Arguments {
    pub(crate) kind: u32,
    pub(crate) target_id: allocdb_id,
    pub(crate) holder_id: allocdb_id,
    pub(crate) ttl_slots: u64,
}

/// The resources of a bundle, the caller's.
pub(crate) struct Bundle {
    pub(crate) resource_ids: *const allocdb_id,
    pub(crate) count: usize,
}

/// A slot parameter, where 0 stands for now.
pub(crate) fn slot_given(slot: u64) -> Option<Slot> {
    (slot != number::ALLOCDB_SLOT_NOW).then_some(Slot(slot))
}

/// A typed function: a submit of one, whose status it returns.
///
/// # Safety
/// The pointers are the caller's, as the header asks for them.
pub(crate) unsafe fn single(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    arguments: &Arguments,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let command = command_of(operation, arguments);
    // SAFETY: as the caller of this function says.
    unsafe { one(db, slot, &command, outcome, error, None) }
}

/// The bundle's typed function.
///
/// # Safety
/// As [`single`].
#[allow(
    clippy::too_many_arguments,
    reason = "it is what the C function is given"
)]
pub(crate) unsafe fn bundle(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    bundle: &Bundle,
    holder_id: allocdb_id,
    ttl_slots: u64,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_RESERVE,
        target_id: ZERO_ID,
        holder_id,
        ttl_slots,
    };
    let mut command = command_of(operation, &arguments);
    command.ids = bundle.resource_ids;
    // A count beyond 32 bits is beyond every bound; saturating keeps it so.
    command.id_count = u32::try_from(bundle.count).unwrap_or(u32::MAX);
    // What is beyond the bound is refused before it is read.
    let read_count = bundle.count.min(BUNDLE_LEN_MAX as usize);
    let ids = Memory::input(4, "resource_ids", bundle.resource_ids, read_count);
    // SAFETY: as the caller of this function says.
    unsafe { one(db, slot, &command, outcome, error, Some(ids)) }
}

fn command_of(operation: allocdb_operation, arguments: &Arguments) -> allocdb_command {
    allocdb_command {
        kind: arguments.kind,
        id_count: 0,
        operation_id: operation.id,
        target_id: arguments.target_id,
        holder_id: arguments.holder_id,
        ttl_slots: arguments.ttl_slots,
        valid_until_slot: operation.valid_until_slot,
        ids: core::ptr::null(),
        reserved: [0; 6],
    }
}

unsafe fn one(
    db: *mut allocdb,
    slot: u64,
    command: &allocdb_command,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
    ids: Option<Memory>,
) -> allocdb_status {
    let position = if ids.is_some() {
        8
    } else {
        outcome_position(command.kind)
    };
    let ranges = [
        Memory::output(position, "outcome", outcome, 1),
        Memory::output(position + 1, "error", error, 1).or_null(),
        ids.unwrap_or_else(|| Memory::input::<u8>(0, "", core::ptr::null(), 0)),
    ];
    let is_empty_bundle = ids.is_some() && command.id_count == 0;
    let mut rejected = None;
    let body = |database: &crate::database::Database| {
        if is_empty_bundle {
            return Err(Failure::from(Rejection::Malformed {
                field: "resource_ids",
            }));
        }
        let mut batch = One {
            command,
            result: None,
        };
        database.engine.submit(slot_given(slot), &mut batch)?;
        match batch.result {
            Some(Ok(answer)) => {
                // SAFETY: checked, and the caller's.
                unsafe { outcome.write(answer.into()) };
                Ok(())
            }
            Some(Err(rejection)) => {
                rejected = Some(rejection.status());
                Err(Failure::from(rejection))
            }
            None => panic!("a submission that is carried out is settled"),
        }
    };
    // SAFETY: as the caller of this function says.
    let status = unsafe { entry::call(db, &ranges, error, body) };
    if let Some(rejected) = rejected {
        // SAFETY: the submission was carried out, so the outcome was checked.
        unsafe { (*outcome).status = rejected.into() };
    }
    status
}

/// Where the outcome stands among the parameters of a kind's typed function, from 1.
const fn outcome_position(kind: u32) -> u32 {
    match kind {
        number::ALLOCDB_COMMAND_RESERVE | number::ALLOCDB_COMMAND_EXTEND => 7,
        number::ALLOCDB_COMMAND_CONFIRM | number::ALLOCDB_COMMAND_RELEASE => 6,
        _ => 5,
    }
}

/// Many commands, one commit.
///
/// # Safety
/// The pointers are the caller's, as the header asks for them.
pub(crate) unsafe fn submit(
    db: *mut allocdb,
    slot: u64,
    commands: *const allocdb_command,
    count: usize,
    outcomes: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::input(3, "commands", commands, count),
        Memory::output(5, "outcomes", outcomes, count),
        Memory::output(6, "error", error, 1).or_null(),
    ];
    let body = |database: &crate::database::Database| {
        if count == 0 {
            return Ok(());
        }
        let bound = database.engine.settings().max_batch_commands;
        if count > bound as usize {
            // Before the commands are looked at: their memory may be as wrong as their count.
            return Err(Failure::new(
                status::E_COMMAND_TOO_LARGE,
                [count as u64, bound.into(), 0, 0],
                format_args!("count is {count}, max_batch_commands is {bound}"),
            ));
        }
        // SAFETY: checked, and the caller's; inputs do not change during a call.
        let commands = unsafe { slice::from_raw_parts(commands, count) };
        let record_bytes = survey(commands, &ranges)?;
        let mut batch = Many {
            commands,
            record_bytes,
            outcomes,
        };
        database.engine.submit(slot_given(slot), &mut batch)?;
        Ok(())
    };
    // SAFETY: as the caller of this function says.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// Looks at all commands once before any is carried out: checks the bundles' arrays against the
/// call's outputs, and adds up the bytes of the records.
fn survey(commands: &[allocdb_command], ranges: &[Memory; 3]) -> Result<usize, Failure> {
    let mut bytes = 0;
    for command in commands {
        if command.id_count > 0 {
            let read_count = command.id_count.min(BUNDLE_LEN_MAX) as usize;
            let ids = Memory::input(3, "a command's ids", command.ids, read_count);
            memory::check(&[ids, ranges[1], ranges[2]])?;
        }
        bytes += record_bytes(command);
    }
    Ok(bytes)
}

/// A batch of one.
struct One<'a> {
    command: &'a allocdb_command,
    result: Option<CommandResult>,
}

// SAFETY: the pointer in the command is read during the call alone, while the caller waits.
unsafe impl Send for One<'_> {}

impl Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }

    fn record_bytes(&self) -> usize {
        record_bytes(self.command)
    }

    fn command(&self, _index: usize) -> Result<Command<'_>, Rejection> {
        // SAFETY: the caller's memory was checked, and does not change during the call.
        unsafe { decode(self.command) }
    }

    fn settle(&mut self, _index: usize, result: CommandResult) {
        self.result = Some(result);
    }
}

/// A batch of the caller's array, answered in the caller's array.
struct Many<'a> {
    commands: &'a [allocdb_command],
    record_bytes: usize,
    outcomes: *mut allocdb_outcome,
}

// SAFETY: the caller's memory, used during the call alone, while the caller waits.
unsafe impl Send for Many<'_> {}

impl Batch for Many<'_> {
    fn len(&self) -> usize {
        self.commands.len()
    }

    fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    fn command(&self, index: usize) -> Result<Command<'_>, Rejection> {
        // SAFETY: as above.
        unsafe { decode(&self.commands[index]) }
    }

    fn settle(&mut self, index: usize, result: CommandResult) {
        assert!(index < self.commands.len(), "one answer for each command");
        let outcome = match result {
            Ok(outcome) => outcome.into(),
            Err(rejection) => allocdb_outcome {
                status: rejection.status().into(),
                ..allocdb_outcome::default()
            },
        };
        // SAFETY: as many outcomes as commands, checked, and the caller's.
        unsafe { self.outcomes.add(index).write(outcome) };
    }
}

/// Bytes of the command's record; of one that is none, any bound will do: it is refused when read.
fn record_bytes(command: &allocdb_command) -> usize {
    let kind = u8::try_from(command.kind).ok();
    let kind = kind.and_then(CommandKind::from_number);
    let id_count = command.id_count.max(1) as usize;
    kind.map_or(0, |kind| record_len_of(kind, id_count))
}

/// The caller's struct as a command; names the first field that does not fit its kind.
///
/// # Safety
/// `ids` points to `id_count` ids where that is not 0, or is NULL.
unsafe fn decode(given: &allocdb_command) -> Result<Command<'_>, Rejection> {
    let malformed = |field| Err(Rejection::Malformed { field });
    if given.reserved != [0; 6] {
        return malformed("reserved");
    }
    let is_reserve = given.kind == number::ALLOCDB_COMMAND_RESERVE;
    if !is_reserve && given.id_count != 0 {
        return malformed("id_count");
    }
    if (given.id_count == 0) != given.ids.is_null() {
        return malformed("ids");
    }
    let has_ttl = is_reserve || given.kind == number::ALLOCDB_COMMAND_EXTEND;
    if !has_ttl && given.ttl_slots != 0 {
        return malformed("ttl_slots");
    }
    let has_holder = has_ttl
        || given.kind == number::ALLOCDB_COMMAND_CONFIRM
        || given.kind == number::ALLOCDB_COMMAND_RELEASE;
    if !has_holder && !given.holder_id.is_zero() {
        return malformed("holder_id");
    }
    let target = given.target_id.number();
    let resource_id = ResourceId(target);
    let reservation_id = ReservationId(target);
    let holder_id = HolderId(given.holder_id.number());
    let ttl_slots = given.ttl_slots;
    let action = match given.kind {
        number::ALLOCDB_COMMAND_CREATE_RESOURCE => Action::CreateResource { resource_id },
        number::ALLOCDB_COMMAND_DELETE_RESOURCE => Action::DeleteResource { resource_id },
        number::ALLOCDB_COMMAND_RESERVE => {
            if given.id_count != 0 && target != 0 {
                return malformed("target_id");
            }
            Action::Reserve {
                // SAFETY: as the caller of this function says.
                resource_ids: unsafe { resource_ids(given) },
                holder_id,
                ttl_slots,
            }
        }
        number::ALLOCDB_COMMAND_CONFIRM => Action::Confirm {
            reservation_id,
            holder_id,
        },
        number::ALLOCDB_COMMAND_EXTEND => Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots,
        },
        number::ALLOCDB_COMMAND_RELEASE => Action::Release {
            reservation_id,
            holder_id,
        },
        number::ALLOCDB_COMMAND_REVOKE => Action::Revoke { reservation_id },
        number::ALLOCDB_COMMAND_RECLAIM => Action::Reclaim { reservation_id },
        _ => return malformed("kind"),
    };
    Ok(Command {
        operation_id: OperationId(given.operation_id.number()),
        valid_until_slot: Slot(given.valid_until_slot),
        action,
    })
}

/// The ids of a reserve: the bundle's, or the one target.
unsafe fn resource_ids(given: &allocdb_command) -> ResourceIds<'_> {
    const { assert!(size_of::<allocdb_id>() == 16) };
    let (ids, count) = if given.id_count == 0 {
        (&raw const given.target_id, 1)
    } else {
        (given.ids, given.id_count as usize)
    };
    // SAFETY: an id is 16 bytes without gaps, and the caller of this function says that they are
    // there; bytes need no alignment.
    ResourceIds::new(unsafe { slice::from_raw_parts(ids.cast::<[u8; 16]>(), count) })
}

impl From<Outcome> for allocdb_outcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            status: status::OK.into(),
            code: u32::from(outcome.code as u8),
            lsn: outcome.lsn.0,
            reservation_id: allocdb_id::from_number(outcome.reservation_id.0),
            deadline_slot: outcome.deadline_slot.0,
            failed_index: outcome.failed_index,
            from_retry_cache: outcome.from_retry_cache.into(),
            reserved: [0; 2],
        }
    }
}
