//! Growth of capacities, and the move into another database, by way of a snapshot that says so.
//!
//! A history is drawn against a state of small tables. Somewhere in it the state is written as
//! that of larger ones, and read back. What it then holds is the same, byte for byte, but for the
//! header; from there on it answers as the small one would have, until a bound of the small one is
//! met; and its own history is one by whatever way it is reached (R85). The canary grows the way
//! that is forbidden: it runs the old commands again on larger tables.

use allocdb_core::snapshot::{Overrides, decode, encode_as};
use allocdb_core::{Applied, Config, Lsn, Rejection, ResultCode, Slot, State, Verdict};
use allocdb_testing::bridge::{self, BundleBytes};
use allocdb_testing::history::larger;
use allocdb_testing::image::{HEADER_BYTES, TRAILER_BYTES, restored, written};
use allocdb_testing::model::Command;
use allocdb_testing::trial::{config, each_shape, scale, seed};
use allocdb_testing::workload::{Shape, Workload};

const HISTORIES: u64 = 400;
const HISTORY_LEN: u64 = 1_500;

/// What all histories did together.
#[derive(Debug, Default)]
struct Tally {
    growths: u64,
    commands_after: u64,
    /// Where the small tables answered otherwise, and so ended the comparison.
    bounds: u64,
    /// Histories in which a bound was met before the growth; each is a canary.
    canaries: u64,
}

/// A state with its workload, and what was done to it.
struct Lived {
    state: State,
    workload: Workload,
    steps: Vec<(Slot, Command, Applied)>,
    bundle: BundleBytes,
}

impl Lived {
    fn new(shape: &Shape) -> Self {
        Self {
            state: State::new(config_of(shape)).expect("a valid configuration"),
            workload: Workload::new(shape),
            steps: Vec::new(),
            bundle: BundleBytes::new(),
        }
    }

    /// Applies one drawn command.
    fn step(&mut self) -> (Slot, Command, Applied) {
        let slot = Slot(self.workload.next_slot());
        let command = if self.workload.rng.chance(8) {
            Command::expire(self.workload.expire_limit())
        } else {
            self.workload.next_command(&self.state)
        };
        let asked = bridge::command(&command, &mut self.bundle);
        let applied = self.state.apply(slot, &asked);
        self.workload.observe(&command, &bridge::applied(&applied));
        self.steps.push((slot, command.clone(), applied));
        (slot, command, applied)
    }
}

fn config_of(shape: &Shape) -> Config {
    bridge::config(&shape.bounds, 1, shape.hash_seed())
}

fn written_as(state: &State, overrides: &Overrides) -> Vec<u8> {
    let mut bytes = Vec::new();
    let info = encode_as(state, overrides, &[], &mut bytes);
    let info = info.unwrap_or_else(|never| match never {});
    assert_eq!(
        (info.config, info.last_lsn),
        (overrides.config, overrides.last_lsn)
    );
    bytes
}

/// What the header does not say is the same, byte for byte.
fn body(image: &[u8]) -> &[u8] {
    &image[HEADER_BYTES..image.len() - TRAILER_BYTES]
}

/// Whether an answer is one that larger tables may not give.
fn is_bound(applied: &Applied) -> bool {
    match applied.verdict {
        Verdict::Outcome(outcome) => matches!(
            outcome.code,
            ResultCode::ResourceTableFull
                | ResultCode::ReservationTableFull
                | ResultCode::ExpirationIndexFull
        ),
        Verdict::Rejected(rejection) => {
            matches!(
                rejection,
                Rejection::OperationTableFull { .. } | Rejection::PlacementExceeded { .. }
            )
        }
        Verdict::Expired { .. } => false,
    }
}

fn check(shape: &Shape, tally: &mut Tally) -> Result<(), String> {
    let mut lived = Lived::new(shape);
    let growth_at = lived.workload.rng.below(shape.commands);
    for _ in 0..growth_at {
        lived.step();
    }
    let small = lived.state;
    let bounds = larger(&shape.bounds, &mut lived.workload.rng);
    let config = bridge::config(&bounds, 1, shape.hash_seed());
    let last_lsn = small.last_lsn();
    let grown_image = written_as(&small, &Overrides { config, last_lsn });
    if body(&grown_image) != body(&written(&small)) {
        return Err("growth changed what is remembered".into());
    }
    let (grown, info) = decode(&mut &*grown_image).map_err(|error| error.to_string())?;
    if info.config != config || grown.digest() != small.digest() || written(&grown) != grown_image {
        return Err("what is read back is not what grew".into());
    }
    tally.growths += 1;
    lived.state = grown;
    lived.workload.grow(bounds);
    follow(&mut lived, small, shape.commands - growth_at, tally)?;

    // R85: the grown snapshot and the rest of the records give what was lived.
    let mut replayed = restored(&grown_image);
    let growth_at = usize::try_from(growth_at).expect("a short history");
    for (slot, command, applied) in &lived.steps[growth_at..] {
        let asked = bridge::command(command, &mut lived.bundle);
        if replayed.apply(*slot, &asked) != *applied {
            return Err(format!("{command:?} is answered otherwise in replay"));
        }
    }
    if written(&replayed) != written(&lived.state) {
        return Err("snapshot and replay after a growth differ from live".into());
    }
    canary(&lived.steps[..growth_at], config, last_lsn, tally)
}

/// Lives on with the larger tables, beside the small ones for as long as these meet no bound.
fn follow(
    lived: &mut Lived,
    mut small: State,
    commands: u64,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut is_compared = true;
    for _ in 0..commands {
        let (slot, command, applied) = lived.step();
        tally.commands_after += 1;
        if !is_compared {
            continue;
        }
        let without = small.apply(slot, &bridge::command(&command, &mut lived.bundle));
        if without != applied {
            is_compared = false;
            if !is_bound(&without) {
                return Err(format!("{command:?}: {without:?} became {applied:?}"));
            }
            tally.bounds += 1;
        }
    }
    lived
        .state
        .check_invariants()
        .map_err(|broken| broken.to_string())
}

/// The old commands run again on tables that are larger in everything: where a bound was met, the
/// history is another one, and its digest says so.
fn canary(
    old: &[(Slot, Command, Applied)],
    config: Config,
    last_lsn: Lsn,
    tally: &mut Tally,
) -> Result<(), String> {
    if !old.iter().any(|(_, _, applied)| is_bound(applied)) {
        return Ok(());
    }
    let roomy = Config {
        max_resources: config.max_resources * 2,
        max_reservations: config.max_reservations * 2,
        max_operations: config.max_operations * 2,
        max_expiration_bucket_len: config.max_expiration_bucket_len * 2,
        ..config
    };
    let mut replayed = State::new(roomy).expect("a valid configuration");
    let (mut is_same, mut bundle) = (true, BundleBytes::new());
    for (slot, command, applied) in old {
        is_same &= replayed.apply(*slot, &bridge::command(command, &mut bundle)) == *applied;
    }
    assert_eq!(replayed.last_lsn(), last_lsn, "as many commands");
    tally.canaries += 1;
    if is_same {
        return Err("a growth that replays old commands is not told from a sound one".into());
    }
    Ok(())
}

// R95, R85: nothing but the answers at the bounds depends on a capacity.
#[test]
fn growth_never_changes_history() {
    let seed = seed("growth");
    let mut tally = Tally::default();
    let histories = HISTORIES * scale();
    each_shape(seed, histories, HISTORY_LEN, |shape| {
        check(shape, &mut tally)
    });
    println!("{tally:?}");
    assert!(tally.growths >= histories);
    assert!(
        tally.commands_after > 50_000,
        "the comparison is no formality"
    );
    assert!(tally.bounds > 20 && tally.canaries > 50, "bounds are met");
}

// R100, R101: in another database, at a later position, everything is still there.
#[test]
fn a_state_moves_into_another_database_at_a_later_position() {
    let seed = seed("another database");
    each_shape(seed, 50, HISTORY_LEN, |shape| {
        let mut lived = Lived::new(shape);
        for _ in 0..shape.commands {
            lived.step();
        }
        let before = lived.state.last_lsn();
        let overrides = Overrides {
            config: Config {
                database_id: 2,
                ..config_of(shape)
            },
            last_lsn: Lsn(before.0 + (1 << 40)),
        };
        let bytes = written_as(&lived.state, &overrides);
        assert_eq!(body(&bytes), body(&written(&lived.state)));
        lived.state = restored(&bytes);
        assert_eq!(written(&lived.state), bytes);
        for _ in 0..100 {
            let (_, _, applied) = lived.step();
            assert!(applied.lsn > overrides.last_lsn, "no position comes again");
        }
        lived.state.check_invariants().expect("sound");
        Ok(())
    });
}

#[test]
fn what_would_lose_something_is_not_written() {
    let config = config();
    let state = State::new(config).expect("a valid configuration");
    let wrong = [
        Config {
            max_resources: 15,
            ..config
        },
        Config {
            shard_id: 8,
            ..config
        },
        Config {
            max_ttl_slots: 31,
            ..config
        },
        Config {
            database_id: 0,
            ..config
        },
    ];
    for config in wrong {
        let overrides = Overrides {
            config,
            last_lsn: Lsn(0),
        };
        let written = std::panic::catch_unwind(|| written_as(&state, &overrides));
        assert!(written.is_err(), "{config:?}");
    }
}
