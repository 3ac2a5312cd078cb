//! A schedule: what one life of a database is to meet, as plain data.
//!
//! A step is its kind and a seed, nothing else. What it does in detail (which commands, which
//! fault, which sectors survive) follows from its own seed and from the database as it is then, so
//! a step still means something after others were left out: that is what lets a failing schedule
//! be shrunk. Rejected: recorded commands, which would name reservations that a shortened life
//! never made.

use crate::random::Rng;
use crate::workload::Shape;

/// What a step does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One caller or several submit commands, and share commits.
    Submit,
    /// Slots go by, one at a time, and in each the host ticks.
    Wait,
    /// Slots go by and nobody ticks.
    Sleep,
    /// A tick with a limit, at times at an old slot.
    Tick,
    /// A checkpoint on demand.
    Checkpoint,
    /// A backup, opened and compared; at times its target fails.
    Backup,
    /// Reads of every kind, behind fences.
    Read,
    /// A read-only handle is opened, refreshed or dropped beside the writer.
    Reader,
    /// Some operation on storage from here on will fail, or be the last before a power cut.
    Fault,
    /// The disk is full for a while, or descriptors run out.
    Full,
    /// A clean close, the death of the process, or a power cut; then the next opening.
    Restart,
    /// Everything that can be read is compared with the model.
    Compare,
    /// Slots go by as in `Wait`, until a year has passed since the life began.
    Year,
}

/// How often each kind comes, of [`WEIGHT_SUM`].
const WEIGHTS: [(Kind, u64); 12] = [
    (Kind::Submit, 660),
    (Kind::Wait, 110),
    (Kind::Sleep, 20),
    (Kind::Tick, 30),
    (Kind::Checkpoint, 25),
    (Kind::Backup, 6),
    (Kind::Read, 40),
    (Kind::Reader, 45),
    (Kind::Fault, 22),
    (Kind::Full, 8),
    (Kind::Restart, 22),
    (Kind::Compare, 12),
];
const WEIGHT_SUM: u64 = 1_000;

/// Steps of a life.
const STEP_COUNT: usize = 500;
/// Of so many lives, one is a whole year long.
pub const YEAR_EVERY: u64 = 200;
/// One slot is a second.
pub const YEAR_SLOTS: u64 = 31_536_000;

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What it does.
    pub kind: Kind,
    /// Everything it draws.
    pub seed: u64,
}

/// A life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// What the database and its workload are like.
    pub shape: Shape,
    /// The most slots of one wait.
    pub wait_slots_max: u64,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Schedule {
    /// The life that this seed stands for. One in [`YEAR_EVERY`] lasts a year.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let is_year = seed.is_multiple_of(YEAR_EVERY);
        let mut rng = Rng::new(seed ^ 0x5C4E_D01E);
        let mut shape = Shape::draw(rng.draw(), 0);
        // Beyond some tens of operations a slot, tiny tables refuse nearly everything.
        while shape.bounds.max_operations < 16 && rng.chance(80) {
            shape = Shape::draw(rng.draw(), 0);
        }
        shape.is_late &= !is_year;
        let mut steps: Vec<_> = (0..STEP_COUNT).map(|_| draw_step(&mut rng)).collect();
        let waits = steps.iter().filter(|step| step.kind == Kind::Wait).count() as u64;
        let mut wait_slots_max = 1 + rng.below(60);
        if is_year {
            wait_slots_max = YEAR_SLOTS / waits.max(1);
            let seed = rng.draw();
            steps.push(Step {
                kind: Kind::Year,
                seed,
            });
            steps.push(Step {
                kind: Kind::Restart,
                seed,
            });
            steps.push(Step {
                kind: Kind::Compare,
                seed,
            });
        }
        Self {
            shape,
            wait_slots_max,
            steps,
        }
    }
}

fn draw_step(rng: &mut Rng) -> Step {
    let mut left = rng.below(WEIGHT_SUM);
    let seed = rng.draw();
    for (kind, weight) in WEIGHTS {
        if left < weight {
            return Step { kind, seed };
        }
        left -= weight;
    }
    unreachable!("the weights have this sum")
}
