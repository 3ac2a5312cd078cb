//! What must come out of the retry window: counted from the plan alone.
//!
//! The rules once more, as plainly as they can be said: a resource is free again when its hold's
//! deadline is reached; an operation is known for its window and then not; a table of M places
//! takes M operations, and as many again as are gone. Nothing here has seen an answer.

use std::collections::BTreeMap;

use crate::counts::Counts;
use crate::knobs::Knobs;
use crate::retry_window::NAMES;
use crate::retry_window::plan::{ANCHOR_OPERATIONS, Deed, Plan, Round};

/// Holds of all resources, and the log.
struct Model {
    ttl: u64,
    /// When each resource is free again.
    free_slots: Vec<u64>,
    /// Live holds by deadline.
    deadlines: BTreeMap<u64, u64>,
    lsn: u64,
}

impl Model {
    /// New commands at a slot: first of all, time ends what is due.
    fn touch(&mut self, slot: u64, counts: &mut Counts) {
        let later = self.deadlines.split_off(&(slot + 1));
        let due: u64 = self.deadlines.values().sum();
        self.deadlines = later;
        self.lsn += u64::from(due > 0);
        counts.add("expired", due);
    }

    /// One new command for a resource: whether it wins.
    fn reserve(&mut self, slot: u64, resource: usize, counts: &mut Counts) {
        self.lsn += 1;
        if self.free_slots[resource] > slot {
            counts.add("busy", 1);
            return;
        }
        let deadline = slot + self.ttl;
        self.free_slots[resource] = deadline;
        *self.deadlines.entry(deadline).or_default() += 1;
        counts.add("done", 1);
    }

    /// A command that changes no hold of the first part.
    fn other(&mut self, name: &'static str, count: u64, counts: &mut Counts) {
        self.lsn += count;
        counts.add(name, count);
    }
}

/// What must come out.
#[must_use]
pub fn tally(knobs: &Knobs, max_operations: u64) -> Counts {
    let (plan, mut counts) = (Plan::new(knobs, max_operations), Counts::new(NAMES));
    let resources = usize::try_from(knobs.resources).expect("bounded");
    let mut model = Model {
        ttl: knobs.ttl,
        free_slots: vec![0; resources],
        deadlines: BTreeMap::new(),
        lsn: knobs.resources + 1,
    };
    counts.add("resources created", knobs.resources + 1);
    for number in 0..knobs.rounds {
        let round = plan.round(number);
        first_part(&round, plan.base_slot(number), &mut model, &mut counts);
        detail(number, &round, &mut counts);
        second_part(&plan, number, max_operations, &mut model, &mut counts);
    }
    model.touch(u64::MAX - 1, &mut counts);
    sums(&mut counts);
    counts.add("resources free at the end", knobs.resources + 1);
    counts.add("last LSN", model.lsn);
    counts
}

fn first_part(round: &Round, base: u64, model: &mut Model, counts: &mut Counts) {
    for step in round.steps() {
        let slot = base + step[0].slot;
        let is_new = |deed: Deed, index: usize| match deed {
            Deed::Birth => true,
            Deed::Late => !round.operations[index].is_limited,
            _ => false,
        };
        if step.iter().any(|event| is_new(event.deed, event.index)) {
            model.touch(slot, counts);
        }
        for event in step {
            if is_new(event.deed, event.index) {
                let resource = round.operations[event.index].resource;
                model.reserve(slot, resource, counts);
            }
            match event.deed {
                Deed::Birth => counts.add("new operations", 1),
                Deed::Twin => counts.add("retried in the same step", 1),
                Deed::Retry => counts.add("retried within the window", 1),
                Deed::LastRetry => counts.add("retried at its last slot", 1),
                Deed::Conflict => counts.add("conflicts", 1),
                Deed::Late if round.operations[event.index].is_limited => {
                    counts.add("too late, refused", 1);
                }
                Deed::Late => counts.add("too late, executed again", 1),
            }
        }
    }
}

/// Each operation's executions, cached answers, conflicts and refusals.
fn detail(number: u64, round: &Round, counts: &mut Counts) {
    let mut all = vec![[0; 4]; round.operations.len()];
    for event in &round.events {
        let place = match event.deed {
            Deed::Twin | Deed::Retry | Deed::LastRetry => 1,
            Deed::Conflict => 2,
            Deed::Late if round.operations[event.index].is_limited => 3,
            Deed::Birth | Deed::Late => 0,
        };
        all[event.index][place] += 1;
    }
    for (index, words) in all.iter().enumerate() {
        counts.detail(&[number, index as u64]);
        counts.detail(words);
    }
}

fn second_part(
    plan: &Plan<'_>,
    number: u64,
    max_operations: u64,
    model: &mut Model,
    counts: &mut Counts,
) {
    let flood = plan.flood();
    for (slot, _) in plan.flood_slots(number) {
        model.touch(slot, counts);
    }
    model.other(
        "flood resource reserved and confirmed",
        ANCHOR_OPERATIONS,
        counts,
    );
    model.other(
        "flood: accepted",
        max_operations - ANCHOR_OPERATIONS,
        counts,
    );
    counts.add("flood: operations remembered", max_operations);
    counts.add("flood: refused, table full", flood.excess);
    counts.add("flood: retries answered", flood.retries);
    counts.add("flood: conflicts told", flood.retries);
    // Each slot's share is gone a window and a slot later.
    for (slot, _) in plan.drain_slots(number) {
        model.touch(slot, counts);
    }
    let gone: u64 = flood.shares.iter().sum();
    model.other("drained: accepted", gone, counts);
    let steps = flood.shares.len() as u64;
    counts.add("drained: refused, table full", flood.excess * steps);
    model.touch(plan.end_slot(number), counts);
    model.other("flood resource released", 1, counts);
}

/// What the engine counts under other names.
fn sums(counts: &mut Counts) {
    let sum = |counts: &Counts, names: &[&str]| names.iter().map(|name| counts.count(name)).sum();
    let done: u64 = sum(
        counts,
        &[
            "resources created",
            "done",
            "flood resource reserved and confirmed",
            "flood resource released",
        ],
    );
    let busy: u64 = sum(counts, &["busy", "flood: accepted", "drained: accepted"]);
    let retries: u64 = sum(
        counts,
        &[
            "retried in the same step",
            "retried within the window",
            "retried at its last slot",
            "flood: retries answered",
        ],
    );
    let rejections: u64 = sum(
        counts,
        &[
            "conflicts",
            "too late, refused",
            "flood: refused, table full",
            "flood: conflicts told",
            "drained: refused, table full",
        ],
    );
    counts.add("engine: done", done);
    counts.add("engine: busy", busy);
    counts.add("engine: retries", retries);
    counts.add("engine: rejections", rejections);
}
