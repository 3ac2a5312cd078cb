//! Threads that submit: a step's orders are cut into one run for each, and each submits its run in
//! batches, one after the other.
//!
//! A step is over when all are answered, so steps are ordered and what is within one is not. One
//! thread means no thread: the caller submits by itself, in the order of the plan, and everything
//! the engine does follows from the plan. With more, the engine decides who came first.
//!
//! A submission's time is that of the one call. The rate is that of whole steps, with the handing
//! over between threads in it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::Instant;

use allocdb_core::Slot;
use allocdb_node::storage::FileStorage;
use allocdb_node::{CommandResult, Engine};

use crate::order::{Order, Submission};

/// The threads, and what they took.
#[derive(Debug)]
pub struct Crew<'scope> {
    engine: &'scope Engine<FileStorage>,
    batch: usize,
    workers: Vec<Worker>,
    submit_ns: Vec<u64>,
    step_ns: u64,
    command_count: u64,
}

/// A thread that waits for work.
#[derive(Debug)]
struct Worker {
    work: Sender<(Slot, Vec<Order>)>,
    done: Receiver<Result<Done, String>>,
}

#[derive(Debug, Default)]
struct Done {
    answers: Vec<CommandResult>,
    submit_ns: Vec<u64>,
}

/// What a whole run took.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Each submission's time.
    pub submit_ns: Vec<u64>,
    /// All steps together.
    pub step_ns: u64,
    /// Commands submitted.
    pub command_count: u64,
}

impl<'scope> Crew<'scope> {
    /// A crew of `threads`, which end when the crew is dropped.
    pub fn new<'env>(
        scope: &'scope Scope<'scope, 'env>,
        engine: &'scope Engine<FileStorage>,
        threads: usize,
        batch: usize,
    ) -> Self {
        assert!(threads > 0 && batch > 0, "the knobs are checked");
        let count = if threads == 1 { 0 } else { threads };
        let workers = (0..count).map(|_| {
            let (work, to_do) = channel::<(Slot, Vec<Order>)>();
            let (said, done) = channel();
            scope.spawn(move || {
                while let Ok((slot, orders)) = to_do.recv() {
                    if said.send(submit_all(engine, batch, slot, &orders)).is_err() {
                        return;
                    }
                }
            });
            Worker { work, done }
        });
        Self {
            engine,
            batch,
            workers: workers.collect(),
            submit_ns: Vec::new(),
            step_ns: 0,
            command_count: 0,
        }
    }

    /// The engine that is driven.
    #[must_use]
    pub const fn engine(&self) -> &'scope Engine<FileStorage> {
        self.engine
    }

    /// Submits all orders at one slot; their answers, in the order of the orders.
    pub fn step(&mut self, slot: u64, orders: &[Order]) -> Result<Vec<CommandResult>, String> {
        let (slot, begun) = (Slot(slot), Instant::now());
        let done = if self.workers.is_empty() {
            submit_all(self.engine, self.batch, slot, orders)?
        } else {
            self.share(slot, orders)?
        };
        self.step_ns += nanoseconds(begun);
        self.command_count += orders.len() as u64;
        self.submit_ns.extend(done.submit_ns);
        assert!(
            done.answers.len() == orders.len(),
            "an answer for each order"
        );
        Ok(done.answers)
    }

    fn share(&self, slot: Slot, orders: &[Order]) -> Result<Done, String> {
        let part = orders.len().div_ceil(self.workers.len()).max(1);
        let parts = orders.chunks(part);
        let part_count = parts.len();
        for (worker, orders) in self.workers.iter().zip(parts) {
            let sent = worker.work.send((slot, orders.to_vec()));
            sent.map_err(|_| "a thread of the crew is gone")?;
        }
        let mut all = Done::default();
        for worker in &self.workers[..part_count] {
            let done = worker.done.recv();
            let done = done.map_err(|_| "a thread of the crew is gone")??;
            all.answers.extend(done.answers);
            all.submit_ns.extend(done.submit_ns);
        }
        Ok(all)
    }

    /// Ends the crew.
    #[must_use]
    pub fn finish(self) -> Taken {
        Taken {
            submit_ns: self.submit_ns,
            step_ns: self.step_ns,
            command_count: self.command_count,
        }
    }
}

fn submit_all(
    engine: &Engine<FileStorage>,
    batch: usize,
    slot: Slot,
    orders: &[Order],
) -> Result<Done, String> {
    let mut answers = vec![None; orders.len()];
    let mut submit_ns = Vec::with_capacity(orders.len().div_ceil(batch));
    for (orders, answers) in orders.chunks(batch).zip(answers.chunks_mut(batch)) {
        let begun = Instant::now();
        let submitted = engine.submit(Some(slot), &mut Submission { orders, answers });
        submit_ns.push(nanoseconds(begun));
        submitted.map_err(|error| format!("slot {}: {error}", slot.0))?;
    }
    let answers = answers.into_iter().map(|answer| answer.expect("settled"));
    Ok(Done {
        answers: answers.collect(),
        submit_ns,
    })
}

fn nanoseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).expect("less than 584 years")
}
