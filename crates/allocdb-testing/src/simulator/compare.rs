//! Everything that can be read of an engine, against the model.

use allocdb_core::state::Filter;
use allocdb_core::{Lsn, OperationId, ReservationId, ResourceId, Slot};
use allocdb_node::storage::Storage;
use allocdb_node::{Engine, ReadError};

use crate::bridge;
use crate::model::{Lookup, Model, Reservation, Resource};
use crate::random::Rng;

/// Compares the whole state; a checksum over the listings in their own order. The operations with
/// these ids are asked for too.
pub(super) fn whole<S: Storage>(
    engine: &Engine<S>,
    model: &Model,
    operations: impl Iterator<Item = u128>,
) -> Result<u64, String> {
    let sum = whole_rows(engine, model)?;
    for id in operations {
        operation(engine, model, id)?;
    }
    figures(engine, model)?;
    Ok(sum)
}

/// The same without what only the owner of a database shows.
pub(super) fn whole_rows<S: Storage>(engine: &Engine<S>, model: &Model) -> Result<u64, String> {
    let mut sum = 0;
    let mut resources = list_resources(engine, &Filter::default(), 7)?;
    for row in &resources {
        mix(&mut sum, row.resource_id);
    }
    resources.sort_unstable_by_key(|row| row.resource_id);
    same_rows(&resources, model.resources())?;
    let mut reservations = list_reservations(engine, &Filter::default(), 5)?;
    for row in &reservations {
        mix(&mut sum, row.reservation_id);
    }
    reservations.sort_unstable_by_key(|row| row.reservation_id);
    same_rows(&reservations, model.reservations())?;
    for row in &reservations {
        reservation(engine, model, row.reservation_id)?;
    }
    Ok(sum)
}

/// Tells the first row in which two listings by id differ.
fn same_rows<T: PartialEq + core::fmt::Debug>(
    found: &[T],
    wanted: impl Iterator<Item = T>,
) -> Result<(), String> {
    let mut found = found.iter();
    for wanted in wanted {
        let row = found.next();
        if row != Some(&wanted) {
            return Err(format!("a row is {row:?}, not {wanted:?}"));
        }
    }
    match found.next() {
        Some(row) => Err(format!("a row too many: {row:?}")),
        None => Ok(()),
    }
}

fn mix(sum: &mut u64, id: u128) {
    let folded = (id ^ (id >> 64)) & u128::from(u64::MAX);
    let word = u64::try_from(folded).expect("masked");
    *sum = (sum.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
}

fn figures<S: Storage>(engine: &Engine<S>, model: &Model) -> Result<(), String> {
    let slot = model.last_slot();
    let health = engine.health(Some(Slot(slot)));
    let shown = (
        health.last_lsn.0,
        health.last_slot.0,
        health.expiration_backlog,
    );
    let wanted = (model.last_lsn(), slot, model.backlog(slot) as u64);
    if shown != wanted {
        return Err(format!("health shows {shown:?}, not {wanted:?}"));
    }
    Ok(())
}

fn list_resources<S: Storage>(
    engine: &Engine<S>,
    filter: &Filter,
    page: usize,
) -> Result<Vec<Resource>, String> {
    let (mut rows, mut cursor) = (Vec::new(), 0);
    loop {
        let visit = |row| rows.push(bridge::resource(&row));
        let listed = engine.list_resources(Lsn(0), filter, cursor, page, visit);
        cursor = listed.map_err(|error| format!("listing resources: {error}"))?;
        if cursor == 0 {
            return Ok(rows);
        }
    }
}

fn list_reservations<S: Storage>(
    engine: &Engine<S>,
    filter: &Filter,
    page: usize,
) -> Result<Vec<Reservation>, String> {
    let (mut rows, mut cursor) = (Vec::new(), 0);
    loop {
        let visit = |row| rows.push(bridge::reservation(&row));
        let listed = engine.list_reservations(Lsn(0), filter, cursor, page, visit);
        cursor = listed.map_err(|error| format!("listing reservations: {error}"))?;
        if cursor == 0 {
            return Ok(rows);
        }
    }
}

fn reservation<S: Storage>(engine: &Engine<S>, model: &Model, id: u128) -> Result<(), String> {
    let mut resources = Vec::new();
    let visit = |id: ResourceId| resources.push(id.0);
    let found = match engine.reservation(Lsn(0), ReservationId(id), visit) {
        Ok(row) => Lookup::Found(bridge::reservation(&row)),
        Err(ReadError::NotFound) => Lookup::NotFound,
        Err(ReadError::Retired) => Lookup::Retired,
        Err(error) => return Err(format!("reading reservation {id:#x}: {error}")),
    };
    let wanted = (model.reservation(id), model.reservation_resources(id));
    if (found, &resources[..]) != wanted {
        let text = format!("reservation {id:#x} is {found:?} with {resources:?}");
        return Err(format!("{text}, not {wanted:?}"));
    }
    Ok(())
}

fn operation<S: Storage>(engine: &Engine<S>, model: &Model, id: u128) -> Result<(), String> {
    let found = match engine.operation(Lsn(0), OperationId(id)) {
        Ok(outcome) => Some(bridge::outcome(&outcome)),
        Err(ReadError::NotFound) => None,
        Err(error) => return Err(format!("reading operation {id:#x}: {error}")),
    };
    let wanted = model.operation(id);
    if found != wanted {
        return Err(format!("operation {id:#x} is {found:?}, not {wanted:?}"));
    }
    Ok(())
}

/// A few reads of every kind.
pub(super) fn some<S: Storage>(
    engine: &Engine<S>,
    model: &Model,
    rng: &mut Rng,
    operation_id: u128,
    resource_id: u128,
) -> Result<(), String> {
    let last = Lsn(model.last_lsn());
    let found = match engine.resource(last, ResourceId(resource_id)) {
        Ok(row) => Some(bridge::resource(&row)),
        Err(ReadError::NotFound) => None,
        Err(error) => return Err(format!("reading resource {resource_id:#x}: {error}")),
    };
    let wanted = model.resource(resource_id);
    if found != wanted {
        return Err(format!(
            "resource {resource_id:#x} is {found:?}, not {wanted:?}"
        ));
    }
    let shard_id = model.bounds().shard_id ^ u64::from(rng.chance(5));
    let lsn = rng.between(0, last.0 + 2);
    reservation(
        engine,
        model,
        (u128::from(shard_id) << 64) | u128::from(lsn),
    )?;
    operation(engine, model, operation_id)?;
    // R73.
    let required = Lsn(last.0 + 1);
    let fenced = engine.resource(required, ResourceId(resource_id));
    let applied = last;
    if fenced != Err(ReadError::FenceNotApplied { required, applied }) {
        return Err(format!("behind a fence at {required:?}: {fenced:?}"));
    }
    let states = u32::try_from(rng.below(128)).expect("small") & !1;
    let holder_id = rng.below(5);
    let filter = Filter {
        states,
        holder_id: allocdb_core::HolderId(holder_id.into()),
    };
    let passes = |state: u32, holder: u128| {
        (states == 0 || states & (1 << state) != 0) && [0, holder].contains(&holder_id.into())
    };
    let mut rows = list_resources(engine, &filter, 3)?;
    rows.sort_unstable_by_key(|row| row.resource_id);
    let wanted = model
        .resources()
        .filter(|row| passes(row.state as u32 + 1, row.holder_id));
    same_rows(&rows, wanted).map_err(|text| format!("{filter:?}: {text}"))
}
