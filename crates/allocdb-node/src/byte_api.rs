//! The engine's byte API: requests in, responses out, for languages that speak bytes.
//!
//! The codec and the order of things are [`crate::wire`]'s; this is the engine as it sees it.

use allocdb_core::state::State;
use allocdb_core::{Lsn, Slot};

use crate::batch::Batch;
use crate::engine::Engine;
use crate::error::{CheckpointError, ReadError, SubmitError};
use crate::health::Health;
use crate::report::{CheckpointReport, RecoveryReport, TickResult};
use crate::storage::Storage;
use crate::wire::{self, Bounds, CallError, Target};

impl<S: Storage> Engine<S> {
    /// Carries out the messages of `request` in order and writes as many responses to the front of
    /// `response`; returns their length. Refused whole, before anything is sequenced, when a
    /// message is malformed or ruled out by the configuration, or `response` is too small.
    pub fn call(&self, request: &[u8], response: &mut [u8]) -> Result<usize, CallError> {
        wire::call(self, request, response)
    }

    /// Bytes that the responses to `request` take at most; refuses what [`Engine::call`] would.
    pub fn response_bound(&self, request: &[u8]) -> Result<usize, CallError> {
        wire::response_bound(&self.configuration(), request)
    }
}

impl<S: Storage> Target for Engine<S> {
    fn bounds(&self) -> Bounds {
        let settings = self.settings();
        Bounds {
            config: self.configuration(),
            max_batch_commands: settings.max_batch_commands,
            max_queue: settings.max_queue,
            max_batch_bytes: settings.max_batch_bytes.into(),
        }
    }

    fn slot_now(&self) -> Slot {
        self.slot_default()
    }

    fn submit(&self, slot: Option<Slot>, batch: &mut dyn Batch) -> Result<(), SubmitError> {
        Engine::submit(self, slot, batch)
    }

    fn tick(&self, slot: Option<Slot>, limit: u32) -> Result<TickResult, SubmitError> {
        Engine::tick(self, slot, limit)
    }

    fn read<R>(&self, required_lsn: Lsn, look: impl FnOnce(&State) -> R) -> Result<R, ReadError> {
        Engine::read(self, required_lsn, |state| Ok(look(state)))
    }

    fn health(&self, slot: Option<Slot>) -> Health {
        Engine::health(self, slot)
    }

    fn recovery_report(&self) -> RecoveryReport {
        *Engine::recovery_report(self)
    }

    fn checkpoint(&self) -> Result<CheckpointReport, CheckpointError> {
        Engine::checkpoint(self)
    }
}
