//! The engine's laws, over a disk in memory that fails, blocks or panics where a test says so.

mod checkpoints;
mod close;
pub(crate) mod disk;
mod expiry;
mod group;
mod growth;
mod halt;
mod observers;
mod reading;
mod reads;
mod refusals;

use allocdb_core::{
    Action, Command, HolderId, Lsn, OperationId, Outcome, Rejection, ReservationId, ResourceId,
    ResourceIds, ResultCode, Slot,
};

use super::Engine;
use crate::batch::{CommandResult, Many, Single};
use crate::diagnostics::{Diagnostics, Level};
use crate::error::SubmitError;
use crate::options::{Clock, Options};
use disk::Disk;

/// Small tables, and slots that the test drives.
pub(crate) fn small() -> Options {
    Options {
        clock: Clock::Host,
        max_resources: 64,
        max_reservations: 64,
        max_operations: 1024,
        max_bundle_len: 8,
        max_ttl_slots: 1000,
        operation_window_slots: 10,
        history_window_slots: 10,
        max_expirations_per_tick: 4,
        wal_prealloc_bytes: 64 << 10,
        ..Options::default()
    }
}

pub(crate) fn open(disk: &Disk, options: &Options) -> Engine<Disk> {
    let diagnostics = Diagnostics::new(Level::Info, 4096, None);
    Engine::open(disk.clone(), options, diagnostics).expect("the disk does as it is told")
}

fn operation(id: u128, action: Action<'_>) -> Command<'_> {
    Command {
        operation_id: OperationId(id),
        valid_until_slot: Slot(0),
        action,
    }
}

pub(crate) fn create(id: u128, resource: u128) -> Command<'static> {
    let resource_id = ResourceId(resource);
    operation(id, Action::CreateResource { resource_id })
}

pub(crate) fn reserve(
    id: u128,
    resources: &[[u8; 16]],
    holder: u128,
    ttl_slots: u64,
) -> Command<'_> {
    operation(
        id,
        Action::Reserve {
            resource_ids: ResourceIds::new(resources),
            holder_id: HolderId(holder),
            ttl_slots,
        },
    )
}

fn confirm(id: u128, reservation_id: ReservationId, holder: u128) -> Command<'static> {
    let holder_id = HolderId(holder);
    operation(
        id,
        Action::Confirm {
            reservation_id,
            holder_id,
        },
    )
}

/// Submits one command; a rejection of it alone is an `Ok(Err(..))`.
fn submit_one(
    engine: &Engine<Disk>,
    slot: u64,
    command: Command<'_>,
) -> Result<CommandResult, SubmitError> {
    let mut batch = Single::new(command);
    engine.submit(Some(Slot(slot)), &mut batch)?;
    Ok(*batch
        .result()
        .expect("a submission that is not refused is settled"))
}

pub(crate) fn submit_many(
    engine: &Engine<Disk>,
    slot: u64,
    commands: &[Command<'_>],
) -> Result<Vec<CommandResult>, SubmitError> {
    let mut results = vec![None; commands.len()];
    engine.submit(Some(Slot(slot)), &mut Many::new(commands, &mut results))?;
    Ok(results
        .into_iter()
        .map(|result| result.expect("settled"))
        .collect())
}

fn outcome(result: Result<CommandResult, SubmitError>) -> Outcome {
    result.expect("submitted").expect("logged")
}
