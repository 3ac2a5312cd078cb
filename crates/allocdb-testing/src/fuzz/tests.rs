//! The committed corpora and the first inputs of every target, without a fuzzer: nothing is found,
//! and with its bug planted each target finds it among them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::{env, fs};

use allocdb_core::canary;

use super::{TARGETS, Target};

/// All corpora together; they are for reading code paths again, not for keeping.
const CORPUS_BYTES_MAX: usize = 200 << 10;

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../allocdb-fuzz/corpus")
        .join(target.name);
    let mut paths: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("a readable directory").path())
        .collect();
    paths.sort();
    let inputs = paths.iter().map(|path| fs::read(path).expect("readable"));
    inputs.chain((target.seeds)()).collect()
}

/// The first input that the target panics at.
fn first_found(target: &Target, inputs: &[Vec<u8>]) -> Option<usize> {
    inputs
        .iter()
        .position(|input| catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err())
}

#[test]
fn the_committed_corpora_find_nothing() {
    let mut bytes = 0;
    for target in TARGETS {
        let inputs = corpus(target);
        let own = (target.seeds)().len();
        assert!(inputs.len() > own + 10, "{}: {}", target.name, inputs.len());
        let longest = inputs.iter().map(Vec::len).max().unwrap_or(0);
        assert!(longest <= target.len_max, "{}: {longest}", target.name);
        bytes += inputs.iter().map(Vec::len).sum::<usize>();
        let found = first_found(target, &inputs);
        assert_eq!(
            found,
            None,
            "{}: {:02x?}",
            target.name,
            inputs[found.unwrap_or(0)]
        );
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes of corpora");
}

#[test]
fn canaries_of_the_fuzz_targets_are_caught() {
    for target in TARGETS {
        let inputs = corpus(target);
        let planted = canary::plant(target.canary);
        let found = first_found(target, &inputs);
        drop(planted);
        assert!(found.is_some(), "{}: {:?}", target.name, target.canary);
    }
}
