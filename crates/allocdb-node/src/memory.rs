//! How much memory an open database takes: known before any is asked for.

use allocdb_core::log::FRAME_BYTES_MAX;
use allocdb_core::state::State;
use allocdb_core::{Config, ConfigError};

use crate::commit;
use crate::options::{Options, Settings};
use crate::queue::Queue;

impl Options {
    /// R91: bytes that opening a database with these options reserves, at most: a pure function.
    pub fn memory_bound(&self) -> Result<u64, ConfigError> {
        // What is drawn has no part in it.
        let config = self.config_for_creation(1, 1)?;
        let settings = self.settings()?;
        Ok(if self.read_only {
            memory_bytes_reading(&config, &settings)
        } else {
            memory_bytes(&config, &settings)
        })
    }
}

/// Bytes for what has no bound of its own: the handle, file names, the allocator's own books.
const SUNDRIES_BYTES: u64 = 1 << 20;

/// Bytes that a database of this configuration reserves under these settings. While it is opened
/// there is room for the longest frame; that is given back before the queue and the committer take
/// theirs, so the greater of the two counts.
pub(crate) fn memory_bytes(config: &Config, settings: &Settings) -> u64 {
    let opening = FRAME_BYTES_MAX as u64;
    let open = Queue::memory_bytes(settings.queue_bounds()) + commit::memory_bytes(settings);
    State::memory_bytes(config)
        + opening.max(open)
        + u64::from(settings.log_ring_bytes)
        + SUNDRIES_BYTES
}

/// The same for a handle that only reads: a second state, while a refresh builds one, and room for
/// the longest frame each.
pub(crate) fn memory_bytes_reading(config: &Config, settings: &Settings) -> u64 {
    2 * State::memory_bytes(config)
        + 2 * FRAME_BYTES_MAX as u64
        + u64::from(settings.log_ring_bytes)
        + SUNDRIES_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound once left out the room for the longest frame that recovery maps. A host that was
    /// limited to the bound (`RLIMIT_AS`) made a database of small tables, worked with it, crashed,
    /// and could not open it again. R91
    #[test]
    fn the_bound_has_room_for_what_recovery_maps() {
        let options = Options {
            max_resources: 16,
            max_reservations: 16,
            max_operations: 16,
            max_batch_bytes: 32_768,
            max_queue: 1,
            ..Options::default()
        };
        let config = options.config_for_creation(1, 1).expect("valid");
        let bound = options.memory_bound().expect("valid");
        assert!(
            bound >= State::memory_bytes(&config) + FRAME_BYTES_MAX as u64,
            "{bound}"
        );
    }
}
