//! What lives met, counted: a run that never tried something worth trying says so.

use crate::layer::Run;

macro_rules! tally {
    ($($name:ident),+ $(,)?) => {
        /// Counts of what happened.
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        #[allow(missing_docs, reason = "each is a figure's name")]
        pub struct Tally {
            $(pub $name: u64,)+
        }

        impl Tally {
            /// Adds another life's counts.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }

            /// Every count by name.
            #[must_use]
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

tally! {
    lives,
    commands,
    commands_logged,
    commits,
    commits_shared,
    groups_split,
    slots,
    ticks_due,
    expirations,
    retries_remembered,
    retries_in_commit,
    conflicts,
    rejections,
    overloads,
    slot_leaps,
    slot_overflows,
    crashes,
    crashes_while_opening,
    deaths,
    closes,
    restarts,
    failed_operations,
    halts,
    evictions,
    reopenings_refused_once,
    commits_undecided,
    undecided_found,
    undecided_absent,
    repeats_after_crash,
    suffixes_lost_under_os,
    torn_tails_cut,
    frames_rewritten,
    snapshots_damaged,
    fallbacks,
    checkpoints,
    checkpoints_automatic,
    checkpoints_given_up,
    storage_full,
    growths,
    growths_interrupted,
    backups,
    backups_failed,
    readers,
    refreshes,
    proofs_tried,
    reads,
    comparisons,
}

/// What may stay at zero in a run of CI size: none of these needs more than luck.
const RARE: [&str; 1] = ["reopenings_refused_once"];

impl Tally {
    /// Tells the figures.
    pub fn tell(&self, run: &mut Run) {
        for (name, value) in self.rows() {
            run.figure(name, value);
        }
    }

    /// What was never tried.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let rows = self.rows().into_iter();
        rows.filter(|(name, value)| *value == 0 && !RARE.contains(name))
            .map(|(name, _)| name)
            .collect()
    }
}
