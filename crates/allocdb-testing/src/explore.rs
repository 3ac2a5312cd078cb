//! Layer `explore`: every state that a few commands lead to, over the real `apply`.
//!
//! Most crash bugs need three operations or fewer, so all short histories are worth more than many
//! long ones. Two resources, two holders, TTLs of one and two slots, tables of two or three places:
//! each act that makes sense is tried in each state, breadth first, by the `stateright` checker. A
//! state is the path that leads to it, lived anew on a [`Pair`]: so the core's memory is that of a
//! real history, with its checkpoints and crashes where the path has them, and every answer and
//! read is compared with the model on the way. At its end the whole is judged: invariants, the
//! witness's account, the snapshot and the replay of the records since, to the byte.
//!
//! Two paths are one state when the model's [`crate::model::Model::shape`] is the same and the core
//! lists its rows in the same order. Rejected: the snapshot's bytes as identity, since they hold
//! positions, slots and a digest of all answers, and no two paths of any interest would ever meet.
//!
//! `sometimes` properties guard against an exploration that sees nothing: every result, every state
//! and every way to be refused has to come.

mod act;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allocdb_core::canary::{self, Canary};
use stateright::{Checker as _, HasDiscoveries, Property};

use crate::layer::Run;
use crate::model::Bounds;

pub use act::Act;
use world::World;
pub use world::{Fault, Law, SIGHTS, Sighting};

/// One exploration: a configuration and how far to go.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// The database's bounds.
    pub bounds: Bounds,
    /// Acts on a path.
    pub depth: usize,
    /// A bug to be planted in the thread that explores.
    pub canary: Option<Canary>,
    seen: Arc<AtomicU64>,
    applied: Arc<AtomicU64>,
}

/// One state: the path to it, and what makes it the same as another.
#[derive(Clone, Debug)]
pub struct Node {
    path: Vec<Act>,
    identity: u128,
    fault: Option<Fault>,
    /// What no state before it had come across.
    first: Sighting,
}

impl Node {
    /// What makes it another state: a fault, and a first sight of something, always do.
    fn key(&self) -> (u128, &Option<Fault>, Sighting) {
        (self.identity, &self.fault, self.first)
    }
}

impl std::hash::Hash for Node {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

/// What an exploration came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// Transitions tried.
    pub states: u64,
    /// States that differ.
    pub unique: u64,
    /// Commands applied.
    pub applied: u64,
    /// What does not hold, with the path to it.
    pub faults: Vec<String>,
    /// What came.
    pub seen: Sighting,
}

impl Exploration {
    /// From two available resources, every path of up to `depth` acts.
    #[must_use]
    pub fn new(bounds: Bounds, depth: usize, canary: Option<Canary>) -> Self {
        Self {
            bounds,
            depth,
            canary,
            seen: Arc::default(),
            applied: Arc::default(),
        }
    }

    /// Explores it all. One thread: with more the checker may reach a state by a longer path
    /// first, and then not go on from it as far as was asked.
    #[must_use]
    pub fn explore(&self) -> Findings {
        let builder = stateright::Model::checker(self.clone());
        let faults = [ANSWERS, INVARIANTS, REPLAY, TOTAL].into_iter().collect();
        let builder = builder
            .threads(1)
            .finish_when(HasDiscoveries::AnyOf(faults));
        let checker = builder.spawn_bfs().join();
        let found = checker.discoveries();
        let faults = found.into_values().filter_map(|path| {
            let last = path.into_states().pop()?;
            let fault = last.fault?;
            Some(format!(
                "{:?}: {} after {:?}",
                fault.law, fault.text, last.path
            ))
        });
        Findings {
            states: checker.state_count() as u64,
            unique: checker.unique_state_count() as u64,
            applied: self.applied.load(Ordering::Relaxed),
            faults: faults.collect(),
            seen: Sighting(self.seen.load(Ordering::Relaxed)),
        }
    }

    fn node(&self, path: Vec<Act>) -> Option<Node> {
        let _planted = self.canary.map(canary::plant);
        let (identity, fault, seen) = match World::lived(&self.bounds, &path)? {
            Ok(world) => {
                self.applied.fetch_add(world.commands(), Ordering::Relaxed);
                (world.identity(), None, world.seen.0)
            }
            Err(fault) => (0, Some(fault), 0),
        };
        let first = seen & !self.seen.fetch_or(seen, Ordering::Relaxed);
        Some(Node {
            path,
            identity,
            fault,
            first: Sighting(first),
        })
    }
}

const ANSWERS: &str = "answers and reads are the model's";
const INVARIANTS: &str = "every invariant holds, and every owner has what is its own";
const REPLAY: &str = "snapshot and replay give what was lived";
const TOTAL: &str = "whatever comes is answered";

fn holds(node: &Node, law: Law) -> bool {
    node.fault.as_ref().is_none_or(|fault| fault.law != law)
}

fn came<const NUMBER: usize>(_: &Exploration, node: &Node) -> bool {
    node.first.0 >> NUMBER & 1 == 1
}

macro_rules! sometimes {
    ($($number:literal)*) => {
        [$(Property::sometimes(SIGHTS[$number], came::<$number>)),*]
    };
}

impl stateright::Model for Exploration {
    type State = Node;
    type Action = Act;

    fn init_states(&self) -> Vec<Node> {
        self.node(Vec::new()).into_iter().collect()
    }

    fn actions(&self, node: &Node, acts: &mut Vec<Act>) {
        if node.path.len() < self.depth && node.fault.is_none() {
            act::following(&node.path, acts);
        }
    }

    fn next_state(&self, node: &Node, act: Act) -> Option<Node> {
        let mut path = Vec::with_capacity(node.path.len() + 1);
        path.extend_from_slice(&node.path);
        path.push(act);
        self.node(path)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ANSWERS, |_, node| holds(node, Law::Answers)),
            Property::always(INVARIANTS, |_, node| holds(node, Law::Invariants)),
            Property::always(REPLAY, |_, node| holds(node, Law::Replay)),
            Property::always(TOTAL, |_, node| holds(node, Law::Total)),
        ];
        let sights: [Property<Self>; SIGHTS.len()] = sometimes!(
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19
            20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39
        );
        properties.extend(sights);
        properties
    }
}

/// Two places for everything, and one more for operations; windows of one slot.
pub const TIGHT: Bounds = Bounds {
    shard_id: 5,
    max_ttl_slots: 2,
    operation_window_slots: 1,
    history_window_slots: 1,
    max_resources: 2,
    max_reservations: 2,
    max_operations: 3,
    max_bundle_len: 2,
    max_expiration_bucket_len: 2,
    max_expirations_per_tick: 2,
};

/// Room for reservations, none for a second deadline; operations outlive what they did.
pub const LONG: Bounds = Bounds {
    operation_window_slots: 2,
    max_reservations: 3,
    max_operations: 2,
    max_expiration_bucket_len: 1,
    max_expirations_per_tick: 1,
    ..TIGHT
};

/// Room for more operations than one command takes back: what is gone stays in memory for a while.
pub const ROOMY: Bounds = Bounds {
    max_operations: 9,
    ..TIGHT
};

/// Runs the layer; its unit is an act on a path: the goal is how deep to go.
pub fn run(run: &mut Run) {
    let mut seen = 0;
    let mut depth = 1;
    while !run.is_over() && run.findings().is_empty() {
        let (mut states, mut unique, mut applied) = (0, 0, 0);
        for bounds in [TIGHT, LONG] {
            let found = Exploration::new(bounds, depth, None).explore();
            states += found.states;
            unique += found.unique;
            applied += found.applied;
            seen |= found.seen.0;
            found.faults.into_iter().for_each(|fault| run.find(fault));
        }
        run.figure("states", states);
        run.figure("unique_states", unique);
        run.figure("commands", applied);
        run.figure("depth", depth as u64);
        run.figure("sights", u64::from(seen.count_ones()));
        run.advance(1);
        depth += 1;
    }
    if depth > DEPTH_LEAST && run.findings().is_empty() {
        for name in missing(Sighting(seen)) {
            run.find(format!("never came: {name}"));
        }
    }
}

/// Every sight comes within as many acts.
const DEPTH_LEAST: usize = 5;

/// What of all sights did not come.
pub fn missing(seen: Sighting) -> impl Iterator<Item = &'static str> {
    let sights = SIGHTS.iter().enumerate();
    sights.filter_map(move |(bit, name)| (seen.0 >> bit & 1 == 0).then_some(*name))
}
