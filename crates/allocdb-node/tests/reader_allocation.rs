//! R87, for a handle that only reads: a refresh that goes on from where it is allocates nothing,
//! not even across a checkpoint; nor do its reads, its figures, and a commit that writes figures
//! down.
//!
//! One test in a file of its own, since the counting allocator is the whole program's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use allocdb_core::state::Filter;
use allocdb_core::{Action, Command, Lsn, OperationId, ResourceId, Slot};
use allocdb_node::batch::Single;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{Clock, Diagnostics, Engine, Level, Options};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static IS_COUNTED: AtomicBool = AtomicBool::new(false);

fn count() {
    if IS_COUNTED.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: passes everything on to the system's allocator; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations within `calls`.
fn counted(calls: impl FnOnce()) -> u64 {
    ALLOCATIONS.store(0, Ordering::Relaxed);
    IS_COUNTED.store(true, Ordering::Relaxed);
    calls();
    IS_COUNTED.store(false, Ordering::Relaxed);
    ALLOCATIONS.load(Ordering::Relaxed)
}

fn open(path: &std::path::Path, options: &Options) -> Engine<FileStorage> {
    let storage = FileStorage::open(path, DirectoryOptions::default()).expect("there");
    let diagnostics = Diagnostics::new(Level::Info, 64 << 10, None);
    Engine::open(storage, options, diagnostics).expect("opened")
}

/// Commits a resource; its LSN.
fn commit(writer: &Engine<FileStorage>, number: u128) -> Lsn {
    let mut batch = Single::new(Command {
        operation_id: OperationId(number),
        valid_until_slot: Slot(0),
        action: Action::CreateResource {
            resource_id: ResourceId(number),
        },
    });
    writer.submit(Some(Slot(1)), &mut batch).expect("committed");
    let result = batch.result().copied().expect("settled");
    result.expect("not rejected").lsn
}

#[test]
fn a_refresh_that_goes_on_from_where_it_is_allocates_nothing() {
    // A counter that cannot count proves nothing.
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(0u64)))), 2);
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options {
        clock: Clock::Host,
        max_resources: 5_000,
        ..Options::default()
    };
    let writer = open(directory.path(), &options);
    commit(&writer, 1);
    writer.checkpoint().expect("taken");
    let reading = Options {
        read_only: true,
        clock: Clock::Host,
        ..Options::default()
    };
    let reader = open(directory.path(), &reading);
    let mut text = vec![0; 64 << 10];
    let allocations = counted(|| {
        for number in 2..=600 {
            let lsn = commit(&writer, number);
            if number % 50 == 0 {
                writer.checkpoint().expect("taken");
            }
            assert_eq!(reader.refresh(), Ok(lsn));
            assert!(reader.resource(lsn, ResourceId(number)).is_ok());
            let filter = Filter::default();
            let listed = reader.list_resources(lsn, &filter, 0, 9, |_| ());
            assert!(listed.is_ok());
            assert_eq!(reader.health(None).last_lsn, lsn);
            assert!(reader.metrics_text(None, &mut text).is_ok());
            assert!(writer.metrics_text(None, &mut text).is_ok());
        }
    });
    assert_eq!(allocations, 0);
    assert_eq!(writer.health(None).checkpoints, 13);
    // Building the state again is what needs memory.
    for number in 601..=610 {
        commit(&writer, number);
        writer.checkpoint().expect("taken");
    }
    let allocations = counted(|| assert_eq!(reader.refresh(), Ok(Lsn(610))));
    assert!(allocations > 0, "it has slept through checkpoints");
}
