//! `allocdb-schedules`: tries schedules, in the lines that every harness speaks.
//!
//! usage: `allocdb-schedules [--goal N] [--seconds S] [--seed N] [--scenario NAME --chooser NAME]`
//!
//! With a scenario it tries one chunk of it, as a finding names it. `scripts/torture/shuttle.sh`
//! builds it with `--cfg shuttle`; without that there is nothing to try.

use std::process::ExitCode;

#[cfg(not(shuttle))]
fn main() -> ExitCode {
    eprintln!("allocdb-schedules: built without --cfg shuttle; run scripts/torture/shuttle.sh");
    ExitCode::from(2)
}

#[cfg(shuttle)]
fn main() -> ExitCode {
    match trial::Trial::from_arguments(std::env::args().skip(1)) {
        Ok(trial) if trial.run() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(refusal) => {
            eprintln!("allocdb-schedules: {refusal}");
            ExitCode::from(2)
        }
    }
}

#[cfg(shuttle)]
mod trial {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use allocdb_schedules::run::{Chooser, Chunk, Draw, Tally};
    use allocdb_schedules::scenario::Scenario;

    /// Schedules between two looks at the clock.
    const CHUNK: usize = 200;
    /// Schedules of a small scenario at most, of all that there are.
    const EVERY_MAX: usize = 2_000_000;
    /// Below this many, chance may leave something out.
    const VACUITY_FROM: u64 = 3_000;
    /// The part of the goal that goes to the search through small scenarios.
    const SEARCH_PART: u64 = 4;

    pub(crate) struct Trial {
        goal: u64,
        seconds: u64,
        seed: u64,
        scenario: Option<Scenario>,
        chooser: Chooser,
    }

    impl Trial {
        pub(crate) fn from_arguments(
            mut arguments: impl Iterator<Item = String>,
        ) -> Result<Self, String> {
            let mut trial = Self {
                goal: 10_000,
                seconds: 0,
                seed: 1,
                scenario: None,
                chooser: Chooser::Random,
            };
            while let Some(name) = arguments.next() {
                let value = arguments.next().ok_or(format!("{name}: no value"))?;
                let number = || {
                    value
                        .parse()
                        .map_err(|_| format!("{name} {value}: no number"))
                };
                match name.as_str() {
                    "--goal" => trial.goal = number()?,
                    "--seconds" => trial.seconds = number()?,
                    "--seed" => trial.seed = number()?,
                    "--scenario" => {
                        let mut all = Scenario::DRAWN.into_iter().chain(Scenario::SMALL);
                        let found = all.find(|scenario| scenario.name() == value);
                        trial.scenario = Some(found.ok_or(format!("no scenario {value}"))?);
                    }
                    "--chooser" => {
                        let all = [Chooser::Random, Chooser::Priorities, Chooser::Every];
                        let found = all.into_iter().find(|chooser| chooser.name() == value);
                        trial.chooser = found.ok_or(format!("no chooser {value}"))?;
                    }
                    _ => return Err(format!("unknown option {name}")),
                }
            }
            Ok(trial)
        }

        /// Whether nothing was found.
        pub(crate) fn run(&self) -> bool {
            let tally = Arc::new(Tally::default());
            let found = match self.scenario {
                Some(scenario) => self.one(scenario, &tally),
                None => self.search(&tally).and_then(|()| self.draw(&tally)),
            };
            let figures = tally.figures();
            println!("progress {}", figures[0].1);
            for (name, value) in figures {
                println!("figure {name} {value}");
            }
            if let Err(found) = &found {
                println!("found {found}");
                return false;
            }
            let is_long = self.scenario.is_none() && figures[0].1 >= VACUITY_FROM;
            let missing = figures.iter().find(|(_, value)| is_long && *value == 0);
            if let Some((name, _)) = missing {
                println!("found nothing tried: {name} is 0");
            }
            missing.is_none()
        }

        /// One chunk, as a finding names it.
        fn one(&self, scenario: Scenario, tally: &Arc<Tally>) -> Result<(), String> {
            let chunk = Chunk {
                scenario,
                chooser: self.chooser,
                seed: self.seed,
                count: if self.chooser == Chooser::Every {
                    EVERY_MAX
                } else {
                    CHUNK
                },
            };
            chunk.run(tally).map(|_| ())
        }

        /// Every schedule of the small scenarios, or as many as their part of the goal allows.
        fn search(&self, tally: &Arc<Tally>) -> Result<(), String> {
            let share = self.goal / SEARCH_PART / Scenario::SMALL.len() as u64;
            let count = usize::try_from(share).unwrap_or(EVERY_MAX).min(EVERY_MAX);
            for scenario in Scenario::SMALL {
                let chunk = Chunk {
                    scenario,
                    chooser: Chooser::Every,
                    seed: self.seed,
                    count,
                };
                let tried = chunk.run(tally)?;
                let name = scenario.name();
                println!("figure {name}_schedules {tried}");
                println!("figure {name}_all_tried {}", u8::from(tried < count));
            }
            Ok(())
        }

        fn draw(&self, tally: &Arc<Tally>) -> Result<(), String> {
            let begun = Instant::now();
            let mut seeds = Draw::new(self.seed);
            for turn in 0.. {
                let done = tally.figures()[0].1;
                let is_late =
                    self.seconds > 0 && begun.elapsed() >= Duration::from_secs(self.seconds);
                if done >= self.goal || is_late {
                    break;
                }
                let scenarios = Scenario::DRAWN;
                let choosers = [Chooser::Random, Chooser::Priorities];
                let chunk = Chunk {
                    scenario: scenarios[turn % scenarios.len()],
                    chooser: choosers[turn / scenarios.len() % choosers.len()],
                    seed: seeds.below(u64::MAX),
                    count: CHUNK,
                };
                chunk.run(tally)?;
                println!("progress {done}");
            }
            Ok(())
        }
    }
}
