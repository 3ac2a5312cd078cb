//! What is planted is caught, and nothing else is.

use allocdb_core::canary::{Canary, plant};

use super::*;

fn findings(goal: u64) -> Vec<String> {
    let mut run = Run::silent(goal, 7);
    super::run(&mut run);
    run.findings().to_vec()
}

#[test]
fn no_power_cut_loses_what_was_acknowledged_or_leaves_what_is_refused() {
    assert_eq!(findings(60_000), Vec::<String>::new());
}

fn assert_caught(canary: Canary) {
    let _planted = plant(canary);
    assert!(!findings(60_000).is_empty(), "{canary:?} went unnoticed");
}

#[test]
fn canary_legal_cut_refused_is_caught() {
    assert_caught(Canary::LegalCutRefused);
}

#[test]
fn canary_snapshot_ahead_of_log_is_caught() {
    assert_caught(Canary::SnapshotAheadOfLog);
}

#[test]
fn canary_acknowledged_before_directory_sync_is_caught() {
    assert_caught(Canary::AcknowledgedBeforeDirectorySync);
}

#[test]
fn canary_missing_log_is_fresh_is_caught() {
    assert_caught(Canary::MissingLogIsFresh);
}

/// Two databases that parted at one commit, of as many commands and one sector each: whether the
/// frame of one in the log of the other, under a later frame and a seal, is refused.
fn is_frame_of_another_history_refused() -> bool {
    let script = Script::new(1);
    let first = Disk::new();
    Host::new(&first, &script)
        .step(0)
        .expect("a script opens first");
    let commit_all = |seeds: &[u64]| {
        let disk = first.clone();
        let engine = Engine::open(&disk, &script.options(0), script::quiet()).expect("sound");
        for &seed in seeds {
            script::commit(&engine, Slot(1), seed).expect("sound");
        }
        let reached = engine.look(|state| (state.last_lsn(), script::hash(state, &script.ruler())));
        engine.close().expect("sound");
        drop(engine);
        (disk, reached)
    };
    let shortest = |from: u64| {
        let is_short = |&seed: &u64| commit_all(&[seed]).1.0 == Lsn(1);
        (from..from + 1_000)
            .find(is_short)
            .expect("one command is common")
    };
    let seed = shortest(1);
    let (other, _) = commit_all(&[shortest(seed + 1)]);
    let (disk, (_, hash)) = commit_all(&[seed, 99]);
    let [log, stale] = [&disk, &other].map(|disk| disk.read(FileName::Wal).expect("there"));
    let sectors = log.chunks(SECTOR_BYTES).zip(stale.chunks(SECTOR_BYTES));
    let parted = sectors.enumerate().find(|(_, (new, old))| new != old);
    let (frame, (_, old)) = parted.expect("two histories");
    disk.put_sector(FileName::Wal, frame, old);
    let options = script.options_existing();
    let settings = options.settings().expect("within bounds");
    match recovery::open(&disk, &options, &settings) {
        Ok(recovered) => {
            let found = script::hash(&recovered.state, &script.ruler());
            assert_ne!(found, hash, "another command is in its place");
            false
        }
        Err(error) => error.status() == status::E_CORRUPT,
    }
}

#[test]
fn canary_chain_covers_itself_is_caught() {
    assert!(is_frame_of_another_history_refused());
    let _planted = plant(Canary::ChainCoversItself);
    assert!(!is_frame_of_another_history_refused());
}
