//! R91, R95: growing takes no more memory than the grown database does: the old tables are freed
//! before the new ones are made.
//!
//! One test in a file of its own, since the allocator is the whole program's: it counts the bytes
//! that live and the most that ever lived at a time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use allocdb_core::{Action, Command, Lsn, OperationId, ResourceId, Slot};
use allocdb_node::batch::Single;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{Clock, Diagnostics, Engine, Level, Options};

struct Counting;

static LIVE: AtomicU64 = AtomicU64::new(0);
static MOST: AtomicU64 = AtomicU64::new(0);

fn more(bytes: usize) {
    let live = LIVE.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
    MOST.fetch_max(live, Ordering::Relaxed);
}

fn less(bytes: usize) {
    LIVE.fetch_sub(bytes as u64, Ordering::Relaxed);
}

// SAFETY: passes everything on to the system's allocator; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        less(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        more(size);
        less(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The engine at `path`, and the most bytes that opening it took at a time.
fn open(path: &std::path::Path, options: &Options) -> (Engine<FileStorage>, u64) {
    let before = LIVE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let storage = FileStorage::open(path, DirectoryOptions::default()).expect("opened");
    let diagnostics = Diagnostics::new(Level::Warning, 64 << 10, None);
    let engine = Engine::open(storage, options, diagnostics).expect("opened");
    (engine, MOST.load(Ordering::Relaxed) - before)
}

#[test]
fn growing_takes_no_more_memory_than_the_grown_database() {
    let small = Options {
        clock: Clock::Host,
        max_resources: 300_000,
        max_reservations: 300_000,
        max_operations: 300_000,
        max_ttl_slots: 1_000,
        max_batch_bytes: 64 << 10,
        ..Options::default()
    };
    let large = Options {
        max_resources: 330_000,
        max_reservations: 330_000,
        max_operations: 330_000,
        ..small
    };
    let bound = |options: &Options| options.memory_bound().expect("valid");
    assert!(
        bound(&small) + bound(&small) / 2 > bound(&large),
        "two at a time would be far beyond the bound"
    );
    let directory = tempfile::tempdir().expect("a directory");
    let (engine, most) = open(directory.path(), &small);
    assert!(
        most <= bound(&small) && most >= bound(&small) / 5 * 4,
        "{most}"
    );
    let resource_id = ResourceId(1);
    let mut batch = Single::new(Command {
        operation_id: OperationId(1),
        valid_until_slot: Slot(0),
        action: Action::CreateResource { resource_id },
    });
    engine.submit(Some(Slot(1)), &mut batch).expect("committed");
    engine.close().expect("closed");
    drop(engine);

    let (engine, most) = open(directory.path(), &large);
    println!(
        "memory bound {}, at most {most} while growing",
        bound(&large)
    );
    assert!(most <= bound(&large), "{most} of {}", bound(&large));
    assert_eq!(engine.configuration().max_resources, 330_000);
    assert!(engine.resource(Lsn(0), resource_id).is_ok());
}
