//! Several callers' submissions as one schedule: a seam for harnesses, and no part of the product.
//!
//! Who shares a commit with whom is decided by threads that come at the same time, which no seed
//! repeats. Here one thread puts the submissions of many callers into the real queue, and only then
//! leads; the grouping, the bounds of a group, the one frame and the answers are the engine's own.
//! Rejected: real threads held back by barriers, which makes a schedule of what the barriers allow.

use allocdb_core::Slot;

use super::Engine;
use crate::batch::Batch;
use crate::cancellation::CancellationOff;
use crate::error::SubmitError;
use crate::storage::Storage;
use crate::submission::Submission;

impl<S: Storage> Engine<S> {
    /// [`Engine::submit`] for several callers, who come before anybody leads.
    pub fn submit_together(
        &self,
        callers: &mut [(Option<Slot>, &mut dyn Batch)],
    ) -> Vec<Result<(), SubmitError>> {
        let mut answers = vec![Ok(()); callers.len()];
        let Some(_call) = self.gate.enter() else {
            answers.fill(Err(SubmitError::Closed));
            return answers;
        };
        if self.reading.is_some() {
            answers.fill(Err(SubmitError::ReadOnly));
            return answers;
        }
        if let Some(reason) = self.shared.queue.halt_reason() {
            answers.fill(Err(SubmitError::Halted { reason }));
            return answers;
        }
        let mut submissions = Vec::with_capacity(callers.len());
        let mut places = Vec::with_capacity(callers.len());
        for (place, (slot, batch)) in callers.iter_mut().enumerate() {
            match self.measure(&**batch) {
                Ok((0, _)) => {}
                Ok((command_count, record_bytes)) => {
                    let slot = slot.unwrap_or_else(|| self.slot_default());
                    let batch = &mut **batch;
                    let submission = Submission::batch(batch, command_count, record_bytes, slot);
                    submissions.push(submission);
                    places.push(place);
                }
                Err(error) => answers[place] = Err(error),
            }
        }
        let _cancellation_off = CancellationOff::new();
        let queue = &self.shared.queue;
        let entered = queue.run_together(&mut submissions, |group| self.lead(group));
        if queue.halt_reason().is_some() {
            self.show_halt();
        }
        for ((place, entered), submission) in places.into_iter().zip(entered).zip(submissions) {
            let entered = entered.map_err(|refusal| self.refused(refusal));
            answers[place] = entered.and(submission.verdict);
        }
        answers
    }
}
