//! R87, for a handle that only reads: a refresh that goes on from where it is allocates nothing,
//! not even across a checkpoint; nor do its reads, its figures, and a commit that writes figures
//! down.
//!
//! One test in a file of its own, since the counting allocator is the whole program's.

mod counting;

use allocdb_core::state::Filter;
use allocdb_core::{Action, Command, Lsn, OperationId, ResourceId, Slot};
use allocdb_node::batch::Single;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{Clock, Diagnostics, Engine, Level, Options};
use counting::counted;

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
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(0u64)))).1, 2);
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
    let ((), allocations) = counted(|| {
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
    let ((), allocations) = counted(|| assert_eq!(reader.refresh(), Ok(Lsn(610))));
    assert!(allocations > 0, "it has slept through checkpoints");
}
