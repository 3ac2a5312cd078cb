//! The page for observers: up to date before anybody is answered, and never in the way.

use super::*;
use crate::error::FileName;
use crate::halt::HaltReason;
use crate::health::Health;
use crate::health_page::Sighting;
use crate::metrics::tests::assert_shows;
use crate::options::SyncMode;
use crate::wire::figures::Figures;

/// The figures at the last applied slot, as the page has them.
fn figures_now(engine: &Engine<Disk>) -> Figures {
    Figures::from(&engine.health(Some(Slot(0))))
}

fn seen(disk: &Disk) -> Sighting {
    Sighting::read(disk).expect("a whole page")
}

#[test]
fn the_page_shows_every_commit_by_the_time_it_is_answered() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    let first = seen(&disk);
    assert_eq!(first.pid, std::process::id());
    assert_eq!(first.database_id, engine.configuration().database_id);
    assert_eq!((first.durable_lsn, first.last_slot), (Lsn(0), Slot(0)));
    for id in 1..=20 {
        let lsn = outcome(submit_one(&engine, id, create(id.into(), id.into()))).lsn;
        let page = seen(&disk);
        assert_eq!((page.durable_lsn, page.last_slot), (lsn, Slot(id)));
        assert_eq!(page.figures, figures_now(&engine));
        assert_eq!(page.sequence, first.sequence + id);
    }
    engine.checkpoint().expect("taken");
    assert_eq!(seen(&disk).figures.named("checkpoints"), Some(1));
    engine.close().expect("sealed");
    let last = seen(&disk);
    assert_eq!(last.figures.named("accepting_writes"), Some(0));
    assert_eq!(last.figures.named("last_lsn"), Some(20));
}

#[test]
fn what_is_not_synced_is_applied_in_the_page_and_not_called_durable() {
    let disk = Disk::default();
    let options = Options {
        sync: SyncMode::Os,
        ..small()
    };
    let engine = open(&disk, &options);
    outcome(submit_one(&engine, 1, create(1, 1)));
    let page = seen(&disk);
    assert_eq!(page.durable_lsn, Lsn(0));
    assert_eq!(page.figures.named("last_lsn"), Some(1));
    engine.close().expect("sealed");
    assert_eq!(seen(&disk).durable_lsn, Lsn(1));
}

#[test]
fn a_halt_is_shown_whoever_halts() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    disk.script(|script| script.sync_errno = libc::EIO);
    submit_one(&engine, 1, create(2, 2)).expect_err("halted");
    let page = seen(&disk);
    assert_eq!(page.durable_lsn, Lsn(1), "the failed one is not durable");
    assert_eq!(page.figures.named("accepting_writes"), Some(0));
    assert_eq!(page.figures.named("halt_reason"), Some(1));
    let errno = u64::from(libc::EIO.unsigned_abs());
    assert_eq!(page.figures.named("halt_os_errno"), Some(errno));
    drop(engine);

    let disk = Disk::default();
    let engine = open(&disk, &small());
    engine.halt(HaltReason::Requested);
    assert_eq!(seen(&disk).figures.named("halt_reason"), Some(3));
}

#[test]
fn a_halt_in_the_middle_of_a_commit_is_shown_when_the_leader_is_done() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    disk.script(|script| script.sync_blocks = true);
    std::thread::scope(|scope| {
        let engine = &engine;
        let writer = scope.spawn(move || submit_one(engine, 1, create(1, 1)));
        disk.wait_for_blocked_sync();
        engine.halt(HaltReason::Requested);
        disk.script(|script| script.sync_blocks = false);
        let _ = writer.join().expect("told something");
    });
    let page = seen(&disk);
    assert_eq!(page.figures.named("halt_reason"), Some(3));
    assert_eq!(page.figures.named("accepting_writes"), Some(0));
}

#[test]
fn a_page_that_cannot_be_had_is_said_so_and_stops_nobody() {
    let disk = Disk::default();
    disk.script(|script| script.page_errno = libc::ENOSPC);
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    assert!(!disk.has(FileName::Health), "nothing stale is left");
    let mut text = [0; 4096];
    let (len, _) = engine.diagnostics().read(&mut text);
    let text = String::from_utf8_lossy(&text[..len]).into_owned();
    assert!(
        text.contains("warning: observers in other processes see no figures"),
        "{text}"
    );
    assert!(
        text.contains("health.adb") && text.contains("errno 28"),
        "{text}"
    );
}

#[test]
fn a_page_that_fails_later_is_taken_away_and_stops_nobody() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    disk.script(|script| script.page_errno = libc::EIO);
    outcome(submit_one(&engine, 1, create(2, 2)));
    assert!(!disk.has(FileName::Health));
    disk.script(|script| script.page_errno = 0);
    outcome(submit_one(&engine, 1, create(3, 3)));
    assert!(engine.health(None).accepting_writes);
    drop(engine);
    let engine = open(&disk, &small());
    assert_eq!(
        seen(&disk).durable_lsn,
        Lsn(3),
        "the next owner has one again"
    );
    drop(engine);
}

#[test]
fn figures_survive_the_way_through_the_page() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    for id in 1..=30 {
        let _ = submit_one(&engine, id, create(id.into(), u128::from(id % 20) + 1));
    }
    engine.halt(HaltReason::Panic);
    let health = engine.health(Some(Slot(40)));
    let back = Health {
        recovery: health.recovery,
        ..Health::from(&Figures::from(&health))
    };
    assert_eq!(back, health);
    // Every word at a place of its own.
    for word in 0..39 {
        let mut figures = Figures([0; 128]);
        figures.0[word] = 1;
        let again = Figures::from(&Health::from(&figures));
        // An errno belongs to a reason.
        let wanted = if word == 2 { [0; 128] } else { figures.0 };
        assert_eq!(again.0, wanted, "word {word}");
    }
}

#[test]
fn the_metrics_are_those_of_health() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    for id in 1..=30 {
        let _ = submit_one(&engine, id, create(id.into(), u128::from(id % 20) + 1));
    }
    engine.checkpoint().expect("taken");
    let slot = Some(Slot(40));
    let needed = engine.metrics_text(slot, &mut []).expect_err("no room");
    let mut out = vec![0; needed];
    assert_eq!(engine.metrics_text(slot, &mut out), Ok(needed));
    let text = String::from_utf8(out).expect("text");
    assert_shows(&text, &engine.health(slot));
}
