//! After start-up the core allocates nothing: a counting allocator under every call.
//!
//! The allocator counts for each thread apart, so that the test runner's own threads do not
//! matter, and the tests look at the difference around the one call they measure. What a state
//! allocates when it is made is counted in bytes, and must be exactly what the configuration said.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;

use allocdb_core::codec::{RECORD_BYTES_MAX, decode_record, encode_record};
use allocdb_core::state::{Acceptance, Filter};
use allocdb_core::stream::ByteSink;
use allocdb_core::{ReservationId, Slot, State, snapshot};
use common::generator::{Generator, commit_slot, shapes};
use common::{OwnedCommand, runner, seed};
use proptest::strategy::{Strategy, ValueTree};

struct Counting;

thread_local! {
    /// Calls and bytes asked for by this thread. Constant and without a destructor: reading them
    /// allocates nothing itself.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    CALLS.set(CALLS.get() + 1);
    BYTES.set(BYTES.get() + bytes as u64);
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches two cells of the
// calling thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `call` answers, and how often it allocated.
fn counted<T>(call: impl FnOnce() -> T) -> (T, u64) {
    let before = CALLS.get();
    let answer = call();
    (answer, CALLS.get() - before)
}

/// The answer of a call that must not allocate.
fn steady<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let (answer, calls) = counted(call);
    assert_eq!(calls, 0, "{what} allocated");
    answer
}

/// A sink with room for all.
struct Fixed {
    bytes: Box<[u8]>,
    len: usize,
}

impl ByteSink for Fixed {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }
}

fn read_everything(state: &State, slot: Slot, command: &OwnedCommand, id: ReservationId) {
    steady("a read of an operation", || {
        state.operation(command.operation_id)
    });
    steady("a read of a reservation", || state.reservation(id));
    steady("a read of a bundle", || {
        state.reservation_resources(id).count()
    });
    let resource = common::generator::resource_id(3);
    steady("a read of a resource", || state.resource(resource));
    steady("the figures", || state.usage(slot));
    let mut rows = 0;
    steady("a listing", || {
        state.list_resources(&Filter::default(), 0, 100, |_| rows += 1);
        state.list_reservations(&Filter::default(), 0, 100, |_| rows += 1);
    });
    steady("the digest", || state.digest());
}

// R87: apply, acceptance, reads, records and snapshots.
#[test]
fn nothing_allocates_after_start() {
    let mut runner = runner(seed("no allocation"), 1);
    let mut sink = Fixed {
        bytes: vec![0; 1 << 20].into_boxed_slice(),
        len: 0,
    };
    let mut record = vec![0; RECORD_BYTES_MAX];
    let mut commands = 0;
    for _ in 0..40 {
        let shape = shapes(600)
            .new_tree(&mut runner)
            .expect("a shape")
            .current();
        let mut state = State::new(shape.config).expect("a valid configuration");
        let mut acceptance = Acceptance::new(16).expect("memory");
        let mut generator = Generator::new(&shape);
        for round in 0..shape.commands {
            let slot = commit_slot(&state, generator.next_slot());
            let command = if generator.rng.chance(8) {
                OwnedCommand::expire(generator.expire_limit())
            } else {
                generator.next_command(&state)
            };
            let due = steady("is_due", || state.is_due(slot));
            steady("begin", || acceptance.begin(&state, slot, due));
            steady("admit", || acceptance.admit(&state, &command.borrow(), 0));
            let len = steady("encode_record", || {
                encode_record(&command.borrow(), &mut record)
            });
            let len = len.expect("a record's room");
            let decoded = steady("decode_record", || decode_record(&record[..len]));
            let (decoded, _) = decoded.expect("our own record");
            let applied = steady("apply", || state.apply(slot, &decoded));
            generator.observe(&command, &applied);
            let high = u128::from(shape.config.shard_id) << 64;
            let id = ReservationId(high | u128::from(applied.lsn.0 / 2 + 1));
            read_everything(&state, slot, &command, id);
            if round % 50 == 0 {
                sink.len = 0;
                steady("a snapshot", || {
                    snapshot::encode(&state, &mut sink).expect("room")
                });
                let mut written = &sink.bytes[..sink.len];
                steady("a snapshot's check", || {
                    snapshot::verify(&mut written).expect("ours")
                });
            }
            commands += 1;
        }
    }
    assert!(commands > 10_000, "{commands} commands");
}

// R91: what a state takes is what its configuration said.
#[test]
fn a_state_takes_the_memory_that_its_configuration_says() {
    let mut runner = runner(seed("memory"), 1);
    for _ in 0..200 {
        let config = shapes(1)
            .new_tree(&mut runner)
            .expect("a shape")
            .current()
            .config;
        let before = BYTES.get();
        let state = State::new(config).expect("a valid configuration");
        assert_eq!(
            BYTES.get() - before,
            State::memory_bytes(&config),
            "{config:?}"
        );
        drop(state);
        let before = BYTES.get();
        let acceptance = Acceptance::new(config.max_operations).expect("memory");
        let told = Acceptance::memory_bytes(config.max_operations);
        assert_eq!(BYTES.get() - before, told, "{config:?}");
        drop(acceptance);
    }
}

// The harness can fail: the allocator counts what does allocate.
#[test]
fn canary_an_allocation_is_counted() {
    let (boxed, calls) = counted(|| Box::new(common::config()));
    assert_eq!(calls, 1, "{boxed:?}");
    let (text, calls) = counted(|| format!("{boxed:?}"));
    assert!(calls > 0, "{text}");
}
