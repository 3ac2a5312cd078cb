//! Commands: bytes as a history, answered by the core and by the plain model of the rules.
//!
//! The first bytes choose small tables and windows; then come slots and commands, each in a few
//! bytes. The laws: acceptance and `apply` answer as the model does, field by field; what was
//! admitted is not refused; in the end every resource and reservation reads as in the model, every
//! invariant holds, and the state comes back from its own snapshot with the same digest.
//!
//! Layer `model` draws histories by weights that somebody thought of; here coverage draws them, and
//! reaches what nobody thought of.

use allocdb_core::canary::Canary;
use allocdb_core::config::Config;
use allocdb_core::ids::{ReservationId, ResourceId, Slot};
use allocdb_core::snapshot;
use allocdb_core::state::{Acceptance, State};

use super::Target;
use super::material::{BUNDLE_LEN_MAX, Material};
use crate::bridge;
use crate::model::{Admission, Model, Verdict};

/// The target.
pub const TARGET: Target = Target {
    name: "commands",
    len_max: 512,
    allocation_bytes_max: 64 << 10,
    run,
    seeds,
    canary: Canary::TwoWinners,
};

/// Tries one history.
pub fn run(data: &[u8]) {
    let mut material = Material::new(data);
    let config = config(&mut material);
    let mut state = State::new(config).expect("small tables");
    let mut model = Model::new(bridge::bounds(&config));
    let mut acceptance = Acceptance::new(1).expect("memory");
    let mut ids = [[0; 16]; BUNDLE_LEN_MAX];
    let mut slot = 0;
    while !material.is_over() {
        let leap = material.u8();
        slot += u64::from(leap % 4);
        let position = (config.shard_id, state.last_lsn().0, state.last_slot().0);
        let command = material.command(position, &mut ids);
        let words = bridge::command_of(&command);
        let at = slot.max(state.last_slot().0);
        acceptance.begin(&state, Slot(at), false);
        let admission = bridge::admission(&acceptance.admit(&state, &command, 0));
        let mut commit = model.begin(at, false);
        assert_eq!(admission, model.admit(&mut commit, &words, 0), "{words:?}");
        // What was refused is applied all the same in three of four: other logs may hold it.
        if matches!(admission, Admission::Rejected(_)) && leap & 0xC0 == 0xC0 {
            continue;
        }
        let applied = bridge::applied(&state.apply(Slot(slot), &command));
        assert_eq!(applied, model.apply(slot, &words), "{words:?} at {slot}");
        let is_new = matches!(admission, Admission::New { .. });
        assert!(
            !is_new || !matches!(applied.verdict, Verdict::Rejected(_)),
            "what was admitted is refused: {words:?}"
        );
    }
    compare(&state, &model);
}

fn config(material: &mut Material<'_>) -> Config {
    let [windows, tables, more] = material.array();
    let operations = [2, 4, 12, 40];
    Config {
        database_id: 0xDB,
        shard_id: 3,
        hash_seed: u64::from(more) + 1,
        slot_duration_ms: 100,
        max_ttl_slots: u64::from(windows & 7) + 1,
        operation_window_slots: u64::from((windows >> 3) & 3) * 4 + 1,
        history_window_slots: u64::from(windows >> 5) * 2 + 1,
        max_resources: u32::from(tables & 7) + 1,
        max_reservations: u32::from((tables >> 3) & 7) + 1,
        max_operations: operations[usize::from(tables >> 6)],
        max_bundle_len: u32::from(more & 7) + 1,
        max_expiration_bucket_len: (u32::from((more >> 3) & 3) + 1)
            .min(u32::from((tables >> 3) & 7) + 1),
        max_expirations_per_tick: u32::from(more >> 6) + 1,
    }
}

/// Everything that can be read, there and here.
fn compare(state: &State, model: &Model) {
    assert_eq!(state.check_invariants(), Ok(()));
    for id in 1..8 {
        let row = state
            .resource(ResourceId(id))
            .map(|row| bridge::resource(&row));
        assert_eq!(row, model.resource(id), "resource {id}");
    }
    for lsn in 1..=state.last_lsn().0 {
        let id = ReservationId(u128::from(state.config().shard_id) << 64 | u128::from(lsn));
        let found = bridge::lookup(&state.reservation(id));
        assert_eq!(found, model.reservation(id.0), "reservation {lsn}");
    }
    let mut image = Vec::with_capacity(16 << 10);
    let written = snapshot::encode(state, &mut image).expect("memory");
    let (restored, info) = snapshot::decode(&mut image.as_slice()).expect("our own snapshot");
    assert_eq!(written, info);
    assert_eq!(restored.digest(), state.digest());
}

/// A life of a resource by every way; two holders in turn; nothing.
fn seeds() -> Vec<Vec<u8>> {
    let config = [0x4B, 0x7F, 0x07];
    let create = [0, 0, 1, 1];
    let reserve = [0, 2, 2, 1, 0x09];
    let again = [0, 2, 3, 1, 0x0A];
    let about = |kind: u8, operation: u8, behind: u8| [0, kind, operation, behind, 0x09];
    let expire = [3, 14, 0, 0, 8];
    vec![
        vec![],
        [
            &config[..],
            &create,
            &reserve,
            &again,
            &about(5, 4, 1),
            &about(12, 5, 2),
        ]
        .concat(),
        [
            &config[..],
            &create,
            &reserve,
            &about(10, 4, 0),
            &again,
            &[0, 1, 9, 1],
        ]
        .concat(),
        [
            &config[..],
            &create,
            &reserve,
            &about(8, 4, 0),
            &expire,
            &expire,
            &expire,
        ]
        .concat(),
        [
            &config[..],
            &create,
            &[0, 0, 7, 2],
            &[0, 3, 8, 0x41, 0x29],
            &again,
            &expire,
        ]
        .concat(),
    ]
}
