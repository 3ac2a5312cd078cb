//! The queue alone: order, groups, bounds, and what a halt leaves behind.

use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

use allocdb_core::{Rejection, Slot};

use super::*;
use crate::batch::{Batch, CommandResult};

const BOUNDS: QueueBounds = QueueBounds {
    ticket_count: 8,
    command_count: 3,
    record_bytes: 300,
};

fn queue() -> Queue {
    Queue::new(BOUNDS).expect("little memory")
}

/// A batch that nobody looks into.
struct Unread;

impl Batch for Unread {
    fn len(&self) -> usize {
        1
    }

    fn record_bytes(&self) -> usize {
        1
    }

    fn command(&self, _index: usize) -> Result<allocdb_core::Command<'_>, Rejection> {
        unreachable!("the queue reads no commands")
    }

    fn settle(&mut self, _index: usize, _result: CommandResult) {}
}

/// Carries out a group, and notes the slots of its submissions.
fn carry_out(group: &mut Group<'_>, slots: &mut Vec<u64>) {
    for index in 0..group.len() {
        let submission = group.submission(index);
        slots.push(submission.slot().0);
        submission.verdict = Ok(());
    }
}

#[test]
fn groups_are_taken_in_order_and_hold_what_fits() {
    let (queue, mut groups) = (queue(), Vec::new());
    // Commands, bytes, and the group: a commit has room for three commands and 300 bytes.
    let batches = [(1, 100), (2, 200), (1, 100), (1, 201), (1, 10)];
    let mut unread: Vec<_> = batches.iter().map(|_| Unread).collect();
    let submissions = unread.iter_mut().zip(batches).zip(1..);
    let mut submissions: Vec<_> = submissions
        .map(|((batch, (commands, bytes)), slot)| {
            Submission::batch(batch, commands, bytes, Slot(slot))
        })
        .collect();
    submissions.insert(2, Submission::tick(Slot(10), 1));
    let entered = queue.run_together(&mut submissions, |group| {
        let mut slots = Vec::new();
        carry_out(group, &mut slots);
        groups.push(slots);
    });
    assert!(entered.iter().all(Result::is_ok));
    assert_eq!(groups, [vec![1, 2], vec![10], vec![3], vec![4, 5]]);
    assert!(
        submissions
            .iter()
            .all(|submission| submission.verdict.is_ok())
    );
    assert_eq!(queue.len_and_overloads(), (0, 0));
}

#[test]
fn whoever_finds_no_place_is_refused_and_counted() {
    let (queue, mut slots) = (queue(), Vec::new());
    let ticks = (1..=10).map(|slot| Submission::tick(Slot(slot), 1));
    let mut ticks: Vec<_> = ticks.collect();
    let entered = queue.run_together(&mut ticks, |group| carry_out(group, &mut slots));
    let refused = entered
        .iter()
        .filter(|&&entered| entered == Err(Refusal::Full));
    assert_eq!(refused.count(), 2);
    assert_eq!(slots, (1..=8).collect::<Vec<_>>());
    // Whether it is an overload, who is told decides: a checkpoint under way tries again.
    assert_eq!(queue.len_and_overloads(), (0, 0));
    queue.count_overload();
    assert_eq!(queue.len_and_overloads(), (0, 1));
}

#[test]
fn a_halt_answers_who_waits_and_shuts_the_queue() {
    let (queue, mut led) = (queue(), 0);
    let mut ticks: Vec<_> = (1..=3)
        .map(|slot| Submission::tick(Slot(slot), 1))
        .collect();
    let entered = queue.run_together(&mut ticks, |group| {
        led += 1;
        carry_out(group, &mut Vec::new());
        queue.halt(HaltReason::Requested);
    });
    assert!(entered.iter().all(Result::is_ok));
    let reason = HaltReason::Requested;
    let verdicts: Vec<_> = ticks.iter().map(|tick| tick.verdict).collect();
    let halted = Err(SubmitError::Halted { reason });
    assert_eq!((led, &verdicts[..]), (1, &[Ok(()), halted, halted][..]));
    let late = queue.run(&mut Submission::tick(Slot(1), 1), |_| {
        unreachable!("nobody leads")
    });
    assert_eq!(late, Err(Refusal::Halted(reason)));
    assert_eq!(queue.len_and_overloads(), (0, 0));
}

#[test]
fn a_leader_that_panics_leaves_nobody_behind() {
    let queue = queue();
    let mut ticks: Vec<_> = (1..=3)
        .map(|slot| Submission::tick(Slot(slot), 1))
        .collect();
    let panicking = std::panic::AssertUnwindSafe(|| {
        queue.run_together(&mut ticks, |_| panic!("planted"));
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    let reason = HaltReason::Panic;
    assert_eq!(ticks[0].verdict, Err(SubmitError::Panicked));
    assert_eq!(ticks[2].verdict, Err(SubmitError::Halted { reason }));
    assert_eq!(queue.halt_reason(), Some(reason));
}

#[test]
fn many_threads_are_each_answered_once() {
    const THREADS: u64 = 32;
    const TURNS: u64 = 500;
    let bounds = QueueBounds {
        ticket_count: 32,
        command_count: 16,
        record_bytes: 300,
    };
    let queue = Queue::new(bounds).expect("little memory");
    let (carried_out, together) = (AtomicU64::new(0), Barrier::new(32));
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (queue, carried_out, together) = (&queue, &carried_out, &together);
            scope.spawn(move || {
                together.wait();
                for turn in 0..TURNS {
                    let slot = Slot(number * TURNS + turn);
                    let mut unread = Unread;
                    let mut submission = Submission::batch(&mut unread, 1, 1, slot);
                    let ran = queue.run(&mut submission, |group| {
                        let mut slots = Vec::new();
                        carry_out(group, &mut slots);
                        carried_out.fetch_add(slots.len() as u64, Ordering::Relaxed);
                    });
                    assert_eq!((ran, submission.verdict), (Ok(()), Ok(())));
                }
            });
        }
    });
    assert_eq!(carried_out.into_inner(), THREADS * TURNS);
    assert_eq!(queue.len_and_overloads(), (0, 0));
}

#[test]
fn nobody_gathers_alone_or_soon_after_it_took_long() {
    let mut gathering = Gathering::default();
    assert!(!gathering.is_worthwhile(1), "alone");
    gathering.closed(2);
    assert!(gathering.is_worthwhile(1), "the others were just woken");
    gathering.took(Duration::from_secs(60));
    assert!(!gathering.is_worthwhile(2), "it rests");
    gathering.took(Duration::from_micros(100));
    assert!(gathering.is_worthwhile(2), "a short turn needs no rest");
}
