//! What a durable command costs beside the disk's own price, and what batches reach.
//!
//! Single commands and raw 512-byte writes with `fdatasync` into a preallocated file take turns, so
//! that both see the same disk at the same time; the medians are compared. Then a few threads
//! submit batches of 1,000 commands for some seconds. At last, without syncs, commands of a
//! database that keeps its page for observers take turns with those of one that could not have it:
//! the difference is what the page costs a commit. And a reader refreshes, beside a writer that has
//! nothing new and one that has a commit each time. A directory may be given; the default is the
//! current one, since a temporary directory in memory would measure nothing.
//!
//! `cargo run --release -p allocdb-node --example latency [DIRECTORY]`

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use allocdb_core::{
    Action, Command, HolderId, OperationId, ResourceId, ResourceIds, ResultCode, Slot,
};
use allocdb_node::batch::{Many, Single};
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{CommandResult, Diagnostics, Engine, Level, Options, SyncMode};

const SINGLES: usize = 4_000;
const BATCH: usize = 1_000;
const BATCH_THREADS: u128 = 4;
const BATCH_TIME: Duration = Duration::from_secs(5);
const RAW_BYTES: usize = 512;
/// What a file like the log's grows by.
const PREALLOCATED_BYTES: usize = 16 << 20;
const SEATS: u128 = 50_000;

type Failure = Box<dyn std::error::Error>;

fn operation(id: u128, action: Action<'_>) -> Command<'_> {
    Command {
        operation_id: OperationId(id),
        valid_until_slot: Slot(0),
        action,
    }
}

fn main() -> Result<(), Failure> {
    let parent = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let directory = tempfile::tempdir_in(parent)?;
    // Two million commands a second, remembered for a second: far above the defaults' rate.
    let options = Options {
        max_operations: 1 << 21,
        max_reservations: 1 << 20,
        operation_window_slots: 10,
        history_window_slots: 10,
        checkpoint_wal_bytes: 1 << 40,
        ..Options::default()
    };
    let engine = open(&directory.path().join("database"), &options)?;
    let mut next = 0u128;
    create_seats(&engine, &mut next)?;
    singles(&engine, &mut next, &raw_file(directory.path())?)?;
    batches(&engine, next)?;
    engine.close()?;
    page(directory.path(), &options)?;
    refreshes(directory.path(), &options)
}

fn open(path: &Path, options: &Options) -> Result<Engine<FileStorage>, Failure> {
    let directory_options = DirectoryOptions {
        create: true,
        ..DirectoryOptions::default()
    };
    let storage = FileStorage::open(path, directory_options)?;
    let diagnostics = Diagnostics::new(Level::Warning, 4096, None);
    Ok(Engine::open(storage, options, diagnostics)?)
}

fn create_seats(engine: &Engine<FileStorage>, next: &mut u128) -> Result<(), Failure> {
    let mut results = vec![None; BATCH];
    for first in (1..=SEATS).step_by(BATCH) {
        let commands: Vec<_> = (first..first + BATCH as u128)
            .map(|id| {
                *next += 1;
                let resource_id = ResourceId(id);
                operation(*next, Action::CreateResource { resource_id })
            })
            .collect();
        engine.submit(None, &mut Many::new(&commands, &mut results))?;
    }
    Ok(())
}

/// A file of synced zeros, as the log's tail is.
fn raw_file(directory: &Path) -> Result<File, Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(directory.join("raw"))?;
    file.write_all(&vec![0; PREALLOCATED_BYTES])?;
    file.sync_all()?;
    Ok(file)
}

fn singles(engine: &Engine<FileStorage>, next: &mut u128, raw: &File) -> Result<(), Failure> {
    let (mut raw_ns, mut command_ns) = (Vec::new(), Vec::new());
    let bytes = [0xA5; RAW_BYTES];
    for round in 0..SINGLES {
        let begun = Instant::now();
        raw.write_all_at(&bytes, (round * RAW_BYTES) as u64)?;
        raw.sync_data()?;
        raw_ns.push(begun.elapsed().as_nanos());

        command_ns.push(reserve(engine, next)?);
    }
    let (raw_median, command_median) = (median(&mut raw_ns), median(&mut command_ns));
    println!("raw 512-byte write + fdatasync   median {raw_median:>9} ns");
    println!("single durable command           median {command_median:>9} ns");
    let percent = command_median * 100 / raw_median.max(1);
    println!(
        "command / raw                    {}.{:02}",
        percent / 100,
        percent % 100
    );
    Ok(())
}

/// One that shows its figures and one that cannot, because a directory has the page's name.
fn page(directory: &Path, options: &Options) -> Result<(), Failure> {
    let options = Options {
        sync: SyncMode::Os,
        ..*options
    };
    let with = open(&directory.join("with"), &options)?;
    std::fs::create_dir_all(directory.join("without/health.adb"))?;
    let without = open(&directory.join("without"), &options)?;
    let (mut with_ns, mut without_ns) = (Vec::new(), Vec::new());
    let mut nexts = [0, 0];
    create_seats(&with, &mut nexts[0])?;
    create_seats(&without, &mut nexts[1])?;
    for _ in 0..10 * SINGLES {
        with_ns.push(reserve(&with, &mut nexts[0])?);
        without_ns.push(reserve(&without, &mut nexts[1])?);
    }
    println!(
        "a commit without a sync          median {:>9} ns",
        median(&mut without_ns)
    );
    println!(
        "the same with the page           median {:>9} ns",
        median(&mut with_ns)
    );
    with.close()?;
    without.close()?;
    Ok(())
}

/// What a reader's refresh takes.
fn refreshes(directory: &Path, options: &Options) -> Result<(), Failure> {
    let writer = open(&directory.join("read"), options)?;
    let mut next = 0;
    create_seats(&writer, &mut next)?;
    let reading = Options {
        read_only: true,
        ..Options::default()
    };
    let reader = open(&directory.join("read"), &reading)?;
    let (mut idle_ns, mut busy_ns) = (Vec::new(), Vec::new());
    for _ in 0..SINGLES {
        reserve(&writer, &mut next)?;
        for times in [&mut busy_ns, &mut idle_ns] {
            let begun = Instant::now();
            reader.refresh()?;
            times.push(begun.elapsed().as_nanos());
        }
    }
    println!(
        "a refresh with nothing new       median {:>9} ns",
        median(&mut idle_ns)
    );
    println!(
        "a refresh with one commit        median {:>9} ns",
        median(&mut busy_ns)
    );
    writer.close()?;
    Ok(())
}

/// Reserves the next seat; how many nanoseconds that took.
fn reserve(engine: &Engine<FileStorage>, next: &mut u128) -> Result<u128, Failure> {
    *next += 1;
    let ids = [(*next % SEATS + 1).to_le_bytes()];
    let action = Action::Reserve {
        resource_ids: ResourceIds::new(&ids),
        holder_id: HolderId(1),
        ttl_slots: 1_000,
    };
    let mut batch = Single::new(operation(*next, action));
    let begun = Instant::now();
    engine.submit(None, &mut batch)?;
    Ok(begun.elapsed().as_nanos())
}

/// Several threads, each a batch at a time: while one commit syncs, the next gathers.
fn batches(engine: &Engine<FileStorage>, next: u128) -> Result<(), Failure> {
    let before = engine.health(None);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..BATCH_THREADS)
            .map(|number| scope.spawn(move || one_buyer(engine, next + (number << 64), number)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok::<(), String>(())
    })?;
    let micros = u64::try_from(begun.elapsed().as_micros())?.max(1);
    let health = engine.health(None);
    let (records, commits) = (
        health.records - before.records,
        health.commits - before.commits,
    );
    let syncs = (health.syncs - before.syncs).max(1);
    println!(
        "batches of 1,000, {BATCH_THREADS} threads      {} commands/s",
        records * 1_000_000 / micros
    );
    println!(
        "commits {commits}, records per commit {}, mean write + sync {} ns, checkpoints {}",
        records / commits.max(1),
        (health.sync_ns_sum - before.sync_ns_sum) / syncs,
        health.checkpoints
    );
    Ok(())
}

/// Reserves a thousand seats of its own, then gives them back, over and over.
fn one_buyer(engine: &Engine<FileStorage>, first: u128, number: u128) -> Result<(), String> {
    let mut results: Vec<Option<CommandResult>> = vec![None; BATCH];
    let ids: Vec<_> = (0..BATCH as u128)
        .map(|index| [(number * BATCH as u128 + index + SINGLES as u128 + 2).to_le_bytes()])
        .collect();
    let mut commands = vec![operation(1, Action::ExpireDue { limit: 1 }); BATCH];
    let holder_id = HolderId(number + 2);
    let mut next = first;
    let begun = Instant::now();
    while begun.elapsed() < BATCH_TIME {
        for (command, ids) in commands.iter_mut().zip(&ids) {
            next += 1;
            let action = Action::Reserve {
                resource_ids: ResourceIds::new(ids),
                holder_id,
                ttl_slots: 1_000,
            };
            *command = operation(next, action);
        }
        submit(engine, &commands, &mut results)?;
        for (command, result) in commands.iter_mut().zip(&results) {
            let outcome = result
                .ok_or("unsettled")?
                .map_err(|error| error.to_string())?;
            if outcome.code != ResultCode::Done {
                return Err(outcome.code.name().to_string());
            }
            next += 1;
            let reservation_id = outcome.reservation_id;
            let action = Action::Release {
                reservation_id,
                holder_id,
            };
            *command = operation(next, action);
        }
        submit(engine, &commands, &mut results)?;
    }
    Ok(())
}

fn submit(
    engine: &Engine<FileStorage>,
    commands: &[Command<'_>],
    results: &mut [Option<CommandResult>],
) -> Result<(), String> {
    let submitted = engine.submit(None, &mut Many::new(commands, results));
    submitted.map_err(|error| error.to_string())
}

fn median(values: &mut [u128]) -> u128 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
