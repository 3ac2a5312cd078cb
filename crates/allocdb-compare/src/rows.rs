//! The rows: which systems, in which shape, and what is said of each run.
//!
//! Everything takes turns. A round goes once through all rows and, within each, through all
//! systems; single commands take turns within a second. A disk that is slower at noon is so for
//! all, and the probe of the raw disk before each run shows it.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use allocdb_compare::line::{Figure, Line, Point};
use allocdb_compare::median::percentile;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::arguments::{Row, Run};
use crate::job::{Failure, Peer, Session};
use crate::measure::{Shape, Shared, Taken, closed_loop, nanoseconds, race, verify};
use crate::raw::{Raw, WAYS, Way};
use crate::systems::{Place, RESOURCES, System};
use crate::walk::Walk;

/// How many clients the servers are tried with.
const RIVALS_CLIENTS: [u32; 3] = [1, 16, 64];
/// Numbers of resources. More would be measured while what made them is forgotten again.
const TABLES: [u32; 3] = [10_000, 100_000, 1_000_000];
const PROBE_WRITES: usize = 100;
/// One command in so many is slower: the median is at 2, p99 at 100.
const ONE_IN: [f64; 13] = [
    1.25, 1.5, 2.0, 4.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 10_000.0,
];

/// One run: a system in a shape.
struct Entry {
    row: Row,
    system: System,
    clients: u32,
    batch: usize,
    resources: u32,
}

/// Measures all that is asked for.
pub(crate) fn run(run: &Run) -> Result<(), Failure> {
    std::fs::create_dir_all(&run.directory)?;
    let root = tempfile::Builder::new()
        .prefix("allocdb-compare-")
        .tempdir_in(&run.directory)?;
    let (place, notes) = Place::open(&root.path().canonicalize()?, run)?;
    for note in notes {
        eprintln!("{note}");
        say(&Line::Note(note));
    }
    let wanted = |row: Row| run.only.is_none_or(|only| only == row);
    let entries: Vec<Entry> = entries()
        .into_iter()
        .filter(|entry| wanted(entry.row) && place.has(entry.system))
        .collect();
    let rounds = if run.quick { 1 } else { run.rounds };
    let has_latency = wanted(Row::Latency);
    let per_round = entries.len() as u64 + u64::from(has_latency);
    let bar = ProgressBar::new(u64::from(rounds) * per_round);
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len}  {eta} left  {msg}",
    )?);
    let mut bench = Bench {
        run,
        place: &place,
        probe: Raw::open(root.path(), Way::Overwrite)?,
        begun: Instant::now(),
        round: 0,
    };
    for round in 0..rounds {
        bench.round = round;
        if has_latency {
            bar.set_message("single commands");
            bench.probe()?;
            bench.latency()?;
            bar.inc(1);
        }
        for entry in &entries {
            bar.set_message(entry.system.name());
            bench.probe()?;
            bench
                .entry(entry)
                .map_err(|error| format!("{}, {}: {error}", title(entry), entry.system.name()))?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    bench.probe()
}

fn say(line: &Line) {
    // A figure that is lost in silence is worse than none.
    writeln!(std::io::stdout().lock(), "{line}").expect("standard output takes a line");
}

/// One at a time: latency is asked for apart, since all its systems are open at once.
fn latency_systems() -> Vec<System> {
    let mut systems = vec![System::AllocDb];
    #[cfg(feature = "sqlite")]
    for full in [true, false] {
        systems.push(System::Sqlite {
            full,
            monotonic: false,
            grouped: false,
        });
    }
    for write_map in [false, true] {
        systems.push(System::Lmdb {
            monotonic: false,
            write_map,
            grouped: false,
        });
    }
    systems.push(System::Redis {
        script_a_batch: false,
    });
    #[cfg(feature = "postgres")]
    systems.push(System::Postgres {
        monotonic: false,
        skip_locked: false,
        commit_delay_us: 0,
    });
    systems.push(System::Map);
    systems
}

fn batch_systems() -> Vec<System> {
    let mut systems = vec![System::AllocDb];
    for monotonic in [false, true] {
        #[cfg(feature = "sqlite")]
        for full in [true, false] {
            systems.push(System::Sqlite {
                full,
                monotonic,
                grouped: false,
            });
        }
        for write_map in [false, true] {
            systems.push(System::Lmdb {
                monotonic,
                write_map,
                grouped: false,
            });
        }
        #[cfg(feature = "postgres")]
        systems.push(System::Postgres {
            monotonic,
            skip_locked: false,
            commit_delay_us: 0,
        });
    }
    for script_a_batch in [false, true] {
        systems.push(System::Redis { script_a_batch });
    }
    systems.push(System::Map);
    systems
}

/// Systems for many clients; those for a race in PostgreSQL pass over a row that is taken.
fn shared_systems(skip_locked: bool) -> Vec<System> {
    let mut systems = vec![System::AllocDb];
    #[cfg(feature = "sqlite")]
    systems.push(System::Sqlite {
        full: true,
        monotonic: false,
        grouped: true,
    });
    systems.push(System::Lmdb {
        monotonic: false,
        write_map: false,
        grouped: true,
    });
    systems.push(System::Redis {
        script_a_batch: false,
    });
    #[cfg(feature = "postgres")]
    for commit_delay_us in [0, 100] {
        systems.push(System::Postgres {
            monotonic: false,
            skip_locked,
            commit_delay_us,
        });
    }
    #[cfg(not(feature = "postgres"))]
    let _ = skip_locked;
    systems.push(System::Map);
    systems
}

fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |row, system, clients, batch| {
        entries.push(Entry {
            row,
            system,
            clients,
            batch,
            resources: RESOURCES,
        });
    };
    for system in batch_systems() {
        add(Row::Batches, system, 1, 1000);
    }
    for batch in [1, 8, 64, 512, 1000, 4096, 8192] {
        add(Row::Sizes, System::AllocDb, 1, batch);
    }
    for system in shared_systems(false) {
        add(Row::Threads, system, 64, 1);
    }
    for clients in [1, 2, 4, 8, 16, 32] {
        add(Row::Threads, System::AllocDb, clients, 1);
    }
    for clients in RIVALS_CLIENTS.into_iter().filter(|&clients| clients != 64) {
        for system in latency_systems() {
            let is_server = match system {
                System::Redis { .. } => true,
                #[cfg(feature = "postgres")]
                System::Postgres { .. } => true,
                _ => false,
            };
            if is_server {
                add(Row::Threads, system, clients, 1);
            }
        }
    }
    for system in shared_systems(true) {
        add(Row::Race, system, 64, 1);
    }
    entries.extend(TABLES.map(|resources| Entry {
        row: Row::Tables,
        system: System::AllocDb,
        clients: 1,
        batch: 1000,
        resources,
    }));
    entries
}

/// The name in the table: what is compared with itself says with which size.
fn name(entry: &Entry) -> String {
    let name = entry.system.name();
    match entry.row {
        Row::Sizes => format!("{name}, batches of {}", entry.batch),
        Row::Tables => format!("{name}, {} resources", entry.resources),
        Row::Threads if !RIVALS_CLIENTS.contains(&entry.clients) => {
            format!("{name}, {} clients", entry.clients)
        }
        _ => name,
    }
}

fn title(entry: &Entry) -> String {
    match entry.row {
        Row::Latency => "one durable command, one client: median".to_owned(),
        Row::Batches => "batches of 1,000, one client".to_owned(),
        Row::Sizes => "AllocDB by the size of a batch, one client".to_owned(),
        Row::Tables => "AllocDB by the number of resources, batches of 1,000".to_owned(),
        Row::Threads
            if entry.system == System::AllocDb && !RIVALS_CLIENTS.contains(&entry.clients) =>
        {
            "AllocDB by clients, one command at a time".to_owned()
        }
        Row::Threads if entry.clients == 1 => "1 client, one command at a time".to_owned(),
        Row::Threads => format!("{} clients, one command at a time", entry.clients),
        Row::Race => format!("{} clients race for 1 resource", entry.clients),
    }
}

struct Bench<'run> {
    run: &'run Run,
    place: &'run Place,
    probe: Raw,
    begun: Instant,
    round: u32,
}

/// A database of the latency row with the client that measures it.
struct Turn<'peer> {
    system: System,
    session: Box<dyn Session + 'peer>,
    walk: Walk<'peer>,
    shared: &'peer Shared,
    call_ns: Vec<u64>,
}

impl Bench<'_> {
    fn shape(&self, clients: u32, batch: usize, monotonic: bool) -> Shape {
        Shape {
            clients,
            batch,
            monotonic,
            resources: RESOURCES,
            duration: Duration::from_millis(if self.run.quick { 50 } else { 2000 }),
            seed: self.run.seed + u64::from(self.round),
        }
    }

    /// The raw disk between the runs.
    fn probe(&mut self) -> Result<(), Failure> {
        let mut times = Vec::new();
        for _ in 0..PROBE_WRITES {
            times.push(nanoseconds(self.probe.write()?));
        }
        times.sort_unstable();
        let (median_us, p99_us) = (
            micros(percentile(&times, 50.0)),
            micros(percentile(&times, 99.0)),
        );
        say(&Line::Figure(Figure {
            row: "the raw disk, between the runs".to_owned(),
            system: Way::Overwrite.name().to_owned(),
            value: median_us,
            unit: "µs".to_owned(),
            command: String::new(),
            detail: Map::from_iter([("p99_us".to_owned(), json!(p99_us))]),
        }));
        say(&Line::Point(Point {
            plot: "the raw disk, between the runs".to_owned(),
            series: "median of 100 writes".to_owned(),
            x: self.begun.elapsed().as_secs_f64() / 60.0,
            y: median_us,
            x_label: "minutes".to_owned(),
            y_label: "µs".to_owned(),
            ..Point::default()
        }));
        Ok(())
    }

    /// All systems and the raw disk in turn, a few commands each.
    fn latency(&mut self) -> Result<(), Failure> {
        let shape = self.shape(1, 1, false);
        let mut peers: Vec<(System, Box<dyn Peer>, Shared, std::path::PathBuf)> = Vec::new();
        for system in latency_systems()
            .into_iter()
            .filter(|&system| self.place.has(system))
        {
            let directory = self.place.directory();
            peers.push((
                system,
                self.place.make(system, &directory, RESOURCES)?,
                Shared::new(),
                directory,
            ));
        }
        let mut turns = Vec::new();
        for (system, peer, shared, _) in &peers {
            turns.push(Turn {
                system: *system,
                session: peer.session()?,
                walk: Walk::new(shared.ids(&shape, 0), shape.seed, (0, 1), RESOURCES, 1),
                shared,
                call_ns: Vec::new(),
            });
        }
        let directory = self.place.directory();
        std::fs::create_dir(&directory)?;
        let mut raw = Vec::new();
        for way in WAYS {
            raw.push((way, Raw::open(&directory, way)?, Vec::new()));
        }
        let slices = if self.run.quick { 4 } else { 100 };
        for _ in 0..slices {
            for turn in &mut turns {
                turn.slice()?;
            }
            for (_, raw, times) in &mut raw {
                for _ in 0..COMMANDS_PER_SLICE {
                    times.push(nanoseconds(raw.write()?));
                }
            }
        }
        for turn in turns {
            tell_latency(turn, &shape)?;
        }
        for (way, _, mut times) in raw {
            times.sort_unstable();
            latencies(way.name(), &times, json!({"raw": true}));
        }
        for (_, peer, _, directory) in peers {
            drop(peer);
            remove(&directory)?;
        }
        remove(&directory)
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Failure> {
        let shape = Shape {
            resources: entry.resources,
            ..self.shape(entry.clients, entry.batch, entry.system.is_monotonic())
        };
        let directory = self.place.directory();
        let peer = self.place.make(entry.system, &directory, entry.resources)?;
        let taken = if entry.row == Row::Race {
            race(peer.as_ref(), &shape)?
        } else {
            closed_loop(peer.as_ref(), &shape)?
        };
        drop(peer);
        remove(&directory)?;
        tell(entry, &taken);
        Ok(())
    }
}

const COMMANDS_PER_SLICE: usize = 30;

impl Turn<'_> {
    /// Whole turns of the walk, so that the run can end after any slice.
    fn slice(&mut self) -> Result<(), Failure> {
        let mut outcomes = Vec::with_capacity(1);
        for _ in 0..COMMANDS_PER_SLICE {
            outcomes.clear();
            let commands = self.walk.step(&self.shared.slots);
            let begun = Instant::now();
            self.session.perform(commands, &mut outcomes)?;
            self.call_ns.push(nanoseconds(begun.elapsed()));
            self.walk.take(&outcomes)?;
        }
        assert!(self.walk.is_at_rest(), "a slice is a multiple of three");
        Ok(())
    }
}

fn figure(row: Row, title: &str, system: &str, value: f64, unit: &str, detail: Value) {
    let Value::Object(detail) = detail else {
        panic!("details are named")
    };
    say(&Line::Figure(Figure {
        row: title.to_owned(),
        system: system.to_owned(),
        value,
        unit: unit.to_owned(),
        command: format!("scripts/bench.sh --only {}", row.typed()),
        detail,
    }));
}

fn latencies(system: &str, sorted: &[u64], mut detail: Value) {
    detail["p99_us"] = json!(micros(percentile(sorted, 99.0)));
    let median_us = micros(percentile(sorted, 50.0));
    let title = "one durable command, one client: median";
    figure(Row::Latency, title, system, median_us, "µs", detail);
    distribution("latency of one command, one client", system, sorted);
}

fn tell_latency(mut turn: Turn<'_>, shape: &Shape) -> Result<(), Failure> {
    let commands = turn.call_ns.len() as u64;
    let lasts: Vec<_> = turn.walk.last().into_iter().collect();
    let name = turn.system.name();
    verify(turn.session.as_mut(), shape, turn.shared, commands, &lasts)
        .map_err(|error| format!("single commands, {name}: {error}"))?;
    turn.call_ns.sort_unstable();
    latencies(&name, &turn.call_ns, json!({}));
    Ok(())
}

fn tell(entry: &Entry, taken: &Taken) {
    let (title, name) = (title(entry), name(entry));
    let rate = taken.rate(taken.commands);
    let p50_us = micros(percentile(&taken.call_ns, 50.0));
    let p99_us = micros(percentile(&taken.call_ns, 99.0));
    let detail = json!({"p50_us": p50_us, "p99_us": p99_us});
    if entry.row == Row::Race {
        return tell_race(&title, &name, taken, detail);
    }
    figure(entry.row, &title, &name, rate, "commands/s", detail);
    let batch = u32::try_from(entry.batch).unwrap_or(u32::MAX);
    let (plot, x, x_label) = match entry.row {
        Row::Threads => ("commands by clients", entry.clients, "clients"),
        Row::Sizes => ("commands by batch", batch, "commands in a batch"),
        Row::Tables => ("commands by resources", entry.resources, "resources"),
        Row::Batches | Row::Latency | Row::Race => return,
    };
    by(plot, &entry.system.name(), x.into(), rate, x_label);
    if entry.row == Row::Threads && entry.clients == 64 {
        distribution("latency of one command, 64 clients", &name, &taken.call_ns);
    }
}

fn tell_race(title: &str, name: &str, taken: &Taken, detail: Value) {
    let (attempts, winners) = (taken.rate(taken.attempts), taken.rate(taken.winners));
    let (row, of_attempts) = (Row::Race, format!("{title}: attempts"));
    figure(row, &of_attempts, name, attempts, "attempts/s", detail);
    let of_winners = format!("{title}: winners");
    figure(row, &of_winners, name, winners, "winners/s", json!({}));
    let plot = "latency of an attempt, 64 clients race";
    distribution(plot, name, &taken.call_ns);
}

fn by(plot: &str, series: &str, x: f64, rate: f64, x_label: &str) {
    say(&Line::Point(Point {
        plot: plot.to_owned(),
        series: series.to_owned(),
        x,
        y: rate,
        x_label: x_label.to_owned(),
        y_label: "commands/s".to_owned(),
        log_x: true,
        log_y: true,
    }));
}

/// By the share that is slower, so that the tail is not squeezed; all runs have the same x, so that
/// their median can be drawn. No further than there were commands.
fn distribution(plot: &str, series: &str, sorted: &[u64]) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let count = sorted.len() as f64;
    for one_in in ONE_IN.into_iter().filter(|&one_in| one_in <= count) {
        let percent = 100.0 - 100.0 / one_in;
        say(&Line::Point(Point {
            plot: plot.to_owned(),
            series: series.to_owned(),
            x: one_in,
            y: micros(percentile(sorted, percent)),
            x_label: "one command in so many is slower (2: median, 100: p99)".to_owned(),
            y_label: "µs".to_owned(),
            log_x: true,
            log_y: true,
        }));
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

fn remove(directory: &Path) -> Result<(), Failure> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    Ok(())
}
