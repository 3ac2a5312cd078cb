//! What a history is like: bounds, a mix of commands, a length, all drawn from one seed.
//!
//! A third of the databases are roomy, a third tight, a third so tiny that every table is met
//! full; windows and TTLs go from one slot to more than a turn of the wheel. Rejected: one
//! comfortable configuration, under which most rules are never met at their bound.

use crate::model::Bounds;
use crate::random::Rng;

/// What a history is like; the seed decides the rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// The database's bounds.
    pub bounds: Bounds,
    /// What is drawn how often.
    pub mix: Mix,
    /// How many resource ids there are, more than the table holds at times.
    pub resource_ids: u64,
    /// How many holders there are.
    pub holders: u64,
    /// Whether the history begins just below the greatest slot.
    pub is_late: bool,
    /// The most commands in one commit.
    pub commit_len_max: u32,
    /// How many commands the history is to have.
    pub commands: u64,
    /// Everything that is drawn while it runs.
    pub seed: u64,
}

/// Weights of what is drawn next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each bears the name of its command")]
pub struct Mix {
    pub create: u32,
    pub delete: u32,
    pub reserve: u32,
    pub confirm: u32,
    pub extend: u32,
    pub release: u32,
    pub revoke: u32,
    pub reclaim: u32,
    /// The same command again.
    pub retry: u32,
    /// A remembered id with another command.
    pub conflict: u32,
    /// An id whose window has passed.
    pub reuse: u32,
    /// A form that no database accepts.
    pub malformed: u32,
    /// How often, in percent, the slot moves between commits.
    pub slot_moves: u64,
}

impl Shape {
    /// The shape that this seed stands for, with between half of `commands` and all of them.
    #[must_use]
    pub fn draw(seed: u64, commands: u64) -> Self {
        let mut rng = Rng::new(seed);
        let bounds = draw_bounds(&mut rng);
        Self {
            bounds,
            mix: Mix::draw(&mut rng),
            resource_ids: rng.between(1, 30),
            holders: rng.between(1, 4),
            is_late: rng.chance(10),
            // Hardly more than there is room for: the rest would only be refused.
            commit_len_max: rng.between_u32(1, 12).min(bounds.max_operations + 1),
            commands: rng.between(commands.div_ceil(2), commands),
            seed: rng.draw(),
        }
    }

    /// The seed of the database's hashes.
    #[must_use]
    pub const fn hash_seed(&self) -> u64 {
        self.seed.rotate_left(17)
    }
}

fn draw_bounds(rng: &mut Rng) -> Bounds {
    let (max_resources, max_reservations, max_operations) = match rng.below(7) {
        0..3 => (
            rng.between_u32(4, 32),
            rng.between_u32(4, 48),
            rng.between_u32(32, 256),
        ),
        3..5 => (
            rng.between_u32(1, 24),
            rng.between_u32(1, 24),
            rng.between_u32(1, 48),
        ),
        _ => (
            rng.between_u32(1, 4),
            rng.between_u32(1, 4),
            rng.between_u32(1, 4),
        ),
    };
    let (max_ttl_slots, operation_window_slots, history_window_slots) = match rng.below(3) {
        0 => (rng.between(1, 4), rng.between(1, 3), rng.between(1, 3)),
        1 => (rng.between(1, 40), rng.between(1, 12), rng.between(1, 12)),
        _ => (rng.between(60, 200), rng.between(1, 90), rng.between(1, 90)),
    };
    let bucket_len = if rng.chance(50) {
        max_reservations
    } else {
        rng.between_u32(1, 3).min(max_reservations)
    };
    Bounds {
        shard_id: rng.draw() >> 32,
        max_ttl_slots,
        operation_window_slots,
        history_window_slots,
        max_resources,
        max_reservations,
        max_operations,
        max_bundle_len: rng.between_u32(1, 5),
        max_expiration_bucket_len: bucket_len,
        max_expirations_per_tick: rng.between_u32(1, 4),
    }
}

impl Mix {
    /// A mix in which every kind of command comes, though some seldom.
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            create: rng.between_u32(3, 8),
            delete: rng.between_u32(1, 3),
            reserve: rng.between_u32(6, 30),
            confirm: rng.between_u32(1, 12),
            extend: rng.between_u32(0, 12),
            release: rng.between_u32(1, 12),
            revoke: rng.between_u32(0, 6),
            reclaim: rng.between_u32(0, 8),
            retry: rng.between_u32(0, 6),
            conflict: rng.between_u32(0, 3),
            reuse: rng.between_u32(0, 5),
            malformed: rng.between_u32(0, 2),
            slot_moves: rng.between(5, 70),
        }
    }
}
