//! The floor of cost: a vector of resources and a hash map of operations in this process, behind
//! one mutex. Nothing is durable; whatever a system takes beyond this, it takes for more than the
//! rules. A batch takes the mutex once. Operations are remembered in two maps, the older of
//! which is emptied when the newer is full: the cheapest way to forget, so that the floor is not
//! that of memory touched for the first time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::job::{Census, Command, Failure, Outcome, Peer, Row, Session};

/// The map.
pub(crate) struct Map(Mutex<State>);

struct State {
    rows: Vec<Row>,
    newer: Operations,
    older: Operations,
    /// Ever.
    recorded: u64,
}

type Operations = HashMap<u128, Outcome, BuildHasherDefault<LowWord>>;

/// As many as AllocDB remembers in its run.
const REMEMBERED: usize = 200_000;

/// The low word of an id as its hash: ids are drawn at random already, so that nothing is cheaper.
#[derive(Default)]
struct LowWord(u64);

impl Hasher for LowWord {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let start: [u8; 8] = bytes[..8].try_into().expect("an id has 16 bytes");
        self.0 = u64::from_le_bytes(start);
    }
}

impl Map {
    /// All resources, available.
    pub(crate) fn open(resources: u32) -> Self {
        // Growing on the way is no part of the floor.
        let operations =
            || HashMap::with_capacity_and_hasher(REMEMBERED, BuildHasherDefault::default());
        Self(Mutex::new(State {
            rows: vec![Row::default(); resources as usize + 1],
            newer: operations(),
            older: operations(),
            recorded: 0,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn perform(&mut self, command: &Command) -> Outcome {
        if let Some(&known) = self.older.get(&command.operation) {
            return known;
        }
        match self.newer.entry(command.operation) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let outcome = self.rows[command.resource as usize].apply(command);
                place.insert(outcome);
                self.recorded += 1;
                if self.newer.len() == REMEMBERED {
                    std::mem::swap(&mut self.newer, &mut self.older);
                    self.newer.clear();
                }
                outcome
            }
        }
    }
}

impl Peer for Map {
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure> {
        Ok(Box::new(self))
    }
}

impl Session for &Map {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        let mut state = self.state();
        for command in commands {
            outcomes.push(state.perform(command));
        }
        Ok(())
    }

    fn census(&mut self) -> Result<Census, Failure> {
        let state = self.state();
        let available = state.rows.iter().skip(1).filter(|row| row.state == 0);
        Ok(Census {
            available: available.count() as u64,
            operations: state.recorded,
        })
    }
}
