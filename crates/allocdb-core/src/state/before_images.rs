//! The state as it was at one moment, while commands go on: for a snapshot in slices.
//!
//! Every record lies in a slab and every queue is a ring, and both keep what they were. What else a
//! snapshot holds is a handful of numbers, which whoever writes it takes with him at the beginning;
//! tables, the wheel's buckets and free counts follow from the records when it is read back.

use super::State;

impl State {
    /// From now on keeps what changes as it was, in bounded memory.
    pub(crate) fn begin_before_images(&mut self) {
        self.resources.begin_before_images();
        self.reservations.begin_before_images();
        self.operations.begin_before_images();
        self.reservation_queue.begin_before_images();
        self.operation_queue.begin_before_images();
    }

    /// Forgets what was.
    pub(crate) fn end_before_images(&mut self) {
        self.resources.end_before_images();
        self.reservations.end_before_images();
        self.operations.end_before_images();
        self.reservation_queue.end_before_images();
        self.operation_queue.end_before_images();
    }

    /// Whether more changed than there was room to keep: the snapshot under way cannot be finished.
    #[must_use]
    pub const fn has_lost_before_images(&self) -> bool {
        self.resources.has_lost_before_images()
            || self.reservations.has_lost_before_images()
            || self.operations.has_lost_before_images()
            || self.reservation_queue.has_lost_before_images()
            || self.operation_queue.has_lost_before_images()
    }

    /// How many records of any one kind may still change before that. Any number where no snapshot
    /// is under way.
    #[must_use]
    pub fn before_image_room(&self) -> usize {
        let slabs = [
            self.resources.before_image_room(),
            self.reservations.before_image_room(),
            self.operations.before_image_room(),
        ];
        let queues = [
            self.reservation_queue.before_image_room(),
            self.operation_queue.before_image_room(),
        ];
        let rooms = slabs.map(|room| room as usize).into_iter().chain(queues);
        rooms.min().unwrap_or(0)
    }
}
