//! A random test's run: its seed, its length, the shapes that it tries.
//!
//! `ALLOCDB_SEED` gives the seed, or it is a fixed one; it is printed, and alone repeats the run.
//! `ALLOCDB_SCALE=n` makes every run n times as long. A shape that fails is halved in length for
//! as long as it still fails, and told with its history's number. Rejected: a library of
//! properties, which shrinks bounds and mix as well: every draw then falls otherwise, and what is
//! left in the end is another history than the one that failed.

use allocdb_core::Config;
use allocdb_core::canary::{Canary, plant};

use crate::history::caught;
use crate::random::Rng;
use crate::workload::Shape;

/// The seed when none is given.
const SEED_DEFAULT: u64 = 0x5EED_0F5E_A751_7E11;

/// The seed of this run, printed so that a failure can be repeated.
#[must_use]
pub fn seed(test: &str) -> u64 {
    let seed = number_of("ALLOCDB_SEED").unwrap_or(SEED_DEFAULT);
    println!("{test}: ALLOCDB_SEED={seed} repeats this run");
    seed
}

/// How many times longer than in CI the runs are to be.
#[must_use]
pub fn scale() -> u64 {
    number_of("ALLOCDB_SCALE").unwrap_or(1)
}

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is a decimal number, not {text:?}")))
}

/// Tries shapes of up to `commands` commands; a panic is a failure like any other.
pub fn each_shape(
    seed: u64,
    histories: u64,
    commands: u64,
    mut check: impl FnMut(&Shape) -> Result<(), String>,
) {
    let mut rng = Rng::new(seed);
    for history in 0..histories {
        let mut shape = Shape::draw(rng.draw(), commands);
        let Err(mut what) = caught(|| check(&shape)) else {
            continue;
        };
        while shape.commands > 1 {
            let mut shorter = shape.clone();
            shorter.commands /= 2;
            let Err(still) = caught(|| check(&shorter)) else {
                break;
            };
            (shape, what) = (shorter, still);
        }
        panic!("ALLOCDB_SEED={seed}, history {history}: {what}\n{shape:#?}");
    }
}

/// Whether a check fails for any shape while this bug is planted: what it is worth.
#[must_use]
pub fn is_caught(
    canary: Canary,
    (seed, histories, commands): (u64, u64, u64),
    mut check: impl FnMut(&Shape) -> Result<(), String>,
) -> bool {
    let _planted = plant(canary);
    let run = || {
        each_shape(seed, histories, commands, &mut check);
        Ok(())
    };
    match caught(run) {
        Ok(()) => false,
        Err(what) => {
            println!("{canary:?}: {what}");
            true
        }
    }
}

/// A roomy small configuration, for tests that change what they are about.
#[must_use]
pub const fn config() -> Config {
    Config {
        database_id: 0xA110_CDB0,
        shard_id: 7,
        hash_seed: 0x0123_4567_89AB_CDEF,
        slot_duration_ms: 1000,
        max_ttl_slots: 30,
        operation_window_slots: 20,
        history_window_slots: 10,
        max_resources: 16,
        max_reservations: 16,
        max_operations: 64,
        max_bundle_len: 4,
        max_expiration_bucket_len: 16,
        max_expirations_per_tick: 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_shape_is_told_at_its_shortest() {
        let mut tried = Vec::new();
        let told = caught(|| {
            each_shape(7, 9, 1_000, |shape| {
                tried.push(shape.commands);
                match (tried.len(), shape.commands) {
                    (1 | 2, _) | (_, 0..100) => Ok(()),
                    (_, 100..200) => panic!("a panic counts"),
                    _ => Err("too long".into()),
                }
            });
            Ok(())
        });
        let told = told.expect_err("the third history fails");
        assert!(told.contains("ALLOCDB_SEED=7, history 2: a panic: a panic counts"));
        assert!(
            tried.len() >= 5,
            "{tried:?}: halved, and halved once too often"
        );
        assert!(tried[2..].windows(2).all(|pair| pair[1] == pair[0] / 2));
    }
}
