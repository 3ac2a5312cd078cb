//! A call over bytes allocates nothing once the database is open: R87.
//!
//! A program of its own, since the counting allocator is the whole program's.

mod counting;

use allocdb_core::command::{Action, Command, ResourceIds};
use allocdb_core::ids::{HolderId, Lsn, OperationId, ResourceId, Slot};
use allocdb_node::diagnostics::{Diagnostics, Level};
use allocdb_node::engine::Engine;
use allocdb_node::options::{Clock, Options};
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::wire::request::{self, Body, Listing, Request};
use allocdb_node::wire::response;
use counting::counted;

/// Writes the call of one round: commands, reads between them, a bundle, a retry, every figure.
fn write_call(round: u64, out: &mut [u8]) -> usize {
    let command = |number: u64, action| {
        let operation_id = OperationId(u128::from(round * 100 + number));
        let command = Command {
            operation_id,
            valid_until_slot: Slot(0),
            action,
        };
        Request {
            tag: number,
            body: Body::Command {
                slot: Slot(round),
                command,
            },
        }
    };
    let read = |body| Request { tag: 0, body };
    let id = u128::from(round + 1);
    let ids = [id.to_le_bytes()];
    let reserve = Action::Reserve {
        resource_ids: ResourceIds::new(&ids),
        holder_id: HolderId(9),
        ttl_slots: 5,
    };
    let listing = Listing {
        required_lsn: Lsn(0),
        cursor: 0,
        holder_id: HolderId(0),
        state_mask: 0,
        row_count_max: 20,
    };
    let create = Action::CreateResource {
        resource_id: ResourceId(id),
    };
    let requests = [
        command(1, create),
        command(1, create),
        command(2, reserve),
        read(Body::GetResource {
            required_lsn: Lsn(0),
            resource_id: ResourceId(id),
        }),
        command(3, reserve),
        read(Body::ListResources(listing)),
        read(Body::ListReservations(listing)),
        read(Body::Tick {
            slot: Slot(round),
            limit: 0,
        }),
        read(Body::Health { slot: Slot(round) }),
        read(Body::Configuration),
        read(Body::RecoveryReport),
    ];
    requests.iter().fold(0, |len, request| {
        len + request::encode(request, &mut out[len..]).expect("room")
    })
}

#[test]
fn a_call_allocates_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let create = DirectoryOptions {
        create: true,
        allow_network_file_system: true,
    };
    let storage = FileStorage::open(directory.path(), create).expect("a directory");
    let options = Options {
        clock: Clock::Host,
        ..Options::default()
    };
    let diagnostics = Diagnostics::new(Level::Warning, 4096, None);
    let engine = Engine::open(storage, &options, diagnostics).expect("a new database");
    let (mut request, mut answer) = ([0; 2048], vec![0; 32 << 10]);
    let mut one_round = |round| {
        let len = write_call(round, &mut request);
        let needed = engine
            .response_bound(&request[..len])
            .expect("a valid call");
        let answer_len = engine
            .call(&request[..len], &mut answer[..needed])
            .expect("room");
        let (first, _) = response::decode(&answer[..answer_len]).expect("a response");
        assert!(matches!(first.body, response::Body::Outcome(_)));
    };
    one_round(1);
    let ((), allocations) = counted(|| (2..=300).for_each(&mut one_round));
    assert_eq!(allocations, 0);
}
