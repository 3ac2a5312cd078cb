//! A database without an engine, for tests of files: commits straight to log and state, with a
//! workload that is a function of the LSN alone, so that any prefix of it can be known again.

use allocdb_core::command::{Action, Command, ResourceIds};
use allocdb_core::hash::Digest;
use allocdb_core::log::{FrameBuilder, commands};
use allocdb_core::snapshot;
use allocdb_core::state::{Filter, ReservationState, State};
use allocdb_core::{HolderId, Lsn, OperationId, ReservationId, ResourceId, Slot};

use super::Recovered;
use crate::checkpoint;
use crate::error::{CheckpointError, IoError, OpenError};
use crate::options::{Options, Settings, SyncMode};
use crate::report::{CheckpointReport, RecoveryReport};
use crate::storage::Storage;
use crate::wal::{ReserveError, Wal};

/// Options of a database small enough to be damaged bit by bit.
pub(crate) fn options() -> Options {
    Options {
        max_resources: 16,
        max_reservations: 32,
        max_operations: 64,
        max_bundle_len: 8,
        max_ttl_slots: 15,
        operation_window_slots: 8,
        history_window_slots: 8,
        hash_seed: 0x5EED,
        database_id: 0xDA7A,
        wal_prealloc_bytes: 4_096,
        ..Options::default()
    }
}

/// An open database.
pub(crate) struct Database<S: Storage> {
    pub(crate) state: State,
    pub(crate) wal: Wal<S>,
    pub(crate) report: RecoveryReport,
    pub(crate) sync: SyncMode,
}

/// Why a commit came to nothing.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// Nothing was written.
    Full,
    /// Nobody knows.
    Failed(IoError),
}

impl<S: Storage> Database<S> {
    pub(crate) fn open(storage: S, options: &Options) -> Result<Self, OpenError> {
        let settings: Settings = options.settings()?;
        let Recovered {
            state, wal, report, ..
        } = super::open(storage, options, &settings)?;
        Ok(Self {
            state,
            wal,
            report,
            sync: settings.sync,
        })
    }

    /// Commits the next `count` commands of the workload in one frame.
    pub(crate) fn commit(&mut self, count: u64) -> Result<Lsn, CommitError> {
        let first = self.state.last_lsn().0 + 1;
        self.commit_at(Slot(1 + 5 * ((first - 1) / 18)), count)
    }

    /// The same at a slot, or at the last where that is later.
    pub(crate) fn commit_at(&mut self, slot: Slot, count: u64) -> Result<Lsn, CommitError> {
        let first = self.state.last_lsn().0 + 1;
        let slot = self.state.last_slot().max(slot);
        let mut buffer = vec![0; 64 << 10];
        let mut builder = FrameBuilder::new(&mut buffer);
        for lsn in first..first + count {
            with_command(lsn, |command| assert!(builder.push(command), "it fits"));
        }
        let len = builder.frame_len();
        self.wal.reserve(len).map_err(|error| match error {
            ReserveError::Full(_) => CommitError::Full,
            ReserveError::Failed(error) => CommitError::Failed(error),
        })?;
        let meta = self.wal.meta(slot, self.sync == SyncMode::Full);
        let payload_len = builder.payload_len();
        let encoded = builder.finish(self.wal.key(), &meta);
        self.wal
            .append(&buffer[..encoded.len], &encoded, &meta)
            .map_err(CommitError::Failed)?;
        let payload = &buffer[64..64 + payload_len];
        for (lsn, command) in commands(payload, Lsn(first)) {
            assert_eq!(self.state.apply(slot, &command).lsn, lsn);
        }
        Ok(self.state.last_lsn())
    }

    /// Commits a frame that no engine would: its second command repeats its first one's operation.
    /// The state here is left behind.
    pub(crate) fn commit_repeated(&mut self) -> Result<(), CommitError> {
        let lsn = self.state.last_lsn().0 + 1;
        let mut buffer = vec![0; 64 << 10];
        let mut builder = FrameBuilder::new(&mut buffer);
        let resource_id = ResourceId(0xFACE);
        let command = Command {
            operation_id: OperationId(u128::from(lsn) + 1_000),
            valid_until_slot: Slot(0),
            action: Action::CreateResource { resource_id },
        };
        assert!(builder.push(&command) && builder.push(&command), "it fits");
        let meta = self.wal.meta(self.state.last_slot(), true);
        let encoded = builder.finish(self.wal.key(), &meta);
        let frame = &buffer[..encoded.len];
        assert!(self.wal.reserve(frame.len()).is_ok(), "a sound disk");
        let appended = self.wal.append(frame, &encoded, &meta);
        appended.map_err(CommitError::Failed)
    }

    pub(crate) fn checkpoint(&mut self) -> Result<CheckpointReport, CheckpointError> {
        checkpoint::run(&mut self.wal, &mut self.state)
    }

    pub(crate) fn mark(&self) -> (Lsn, Digest) {
        (self.state.last_lsn(), self.state.digest())
    }
}

/// The workload's command at `lsn`: holds that expire, are extended, confirmed, and released.
fn with_command<T>(lsn: u64, use_it: impl FnOnce(&Command<'_>) -> T) -> T {
    let (a, b) = (1 + lsn % 7, 1 + (lsn + 1) % 7);
    let ids = [u128::from(a).to_le_bytes(), u128::from(b).to_le_bytes()];
    let holder_id = HolderId(u128::from(lsn % 3) + 1);
    let reservation_id = ReservationId(u128::from(lsn.saturating_sub(1).max(1)));
    let resource_id = ResourceId(u128::from(a));
    let earlier = HolderId(u128::from(lsn.saturating_sub(1) % 3) + 1);
    let action = match lsn % 8 {
        _ if lsn <= 7 => Action::CreateResource { resource_id },
        0 | 2 => Action::Reserve {
            resource_ids: ResourceIds::new(&ids),
            holder_id,
            ttl_slots: 1 + lsn % 5,
        },
        1 => Action::Confirm {
            reservation_id,
            holder_id: earlier,
        },
        3 => Action::Extend {
            reservation_id,
            holder_id: earlier,
            ttl_slots: 6,
        },
        4 => Action::ExpireDue { limit: 3 },
        5 => Action::Release {
            reservation_id: ReservationId(u128::from(lsn.saturating_sub(5).max(1))),
            holder_id: HolderId(u128::from(lsn.saturating_sub(5) % 3) + 1),
        },
        6 => Action::DeleteResource { resource_id },
        _ => Action::CreateResource { resource_id },
    };
    let is_internal = matches!(action, Action::ExpireDue { .. });
    use_it(&Command {
        operation_id: OperationId(if is_internal {
            0
        } else {
            u128::from(lsn) + 1_000
        }),
        valid_until_slot: Slot(0),
        action,
    })
}

/// The digest that the workload has after each LSN.
pub(crate) fn digests(lsn_max: u64) -> Vec<Digest> {
    let storage = crate::storage::faulty::Disk::new();
    let mut database = Database::open(&storage, &options()).expect("a sound disk");
    let mut digests = vec![database.state.digest()];
    for _ in 0..lsn_max {
        database.commit(1).expect("a sound disk");
        digests.push(database.state.digest());
    }
    digests
}

/// Everything that anybody can read, in its order, and the order in which what is held expires.
pub(crate) fn history(state: &State) -> Vec<String> {
    let (all, mut rows) = (Filter::default(), Vec::new());
    rows.push(format!("{:?} {:?}", state.digest(), state.last_slot()));
    state.list_resources(&all, 0, usize::MAX, |row| rows.push(format!("{row:?}")));
    let mut ids = Vec::new();
    state.list_reservations(&all, 0, usize::MAX, |row| {
        ids.push(row.reservation_id);
        rows.push(format!("{row:?}"));
    });
    for id in ids {
        let resources: Vec<_> = state.reservation_resources(id).collect();
        rows.push(format!("{id:?} has {resources:?}"));
    }
    for lsn in 1..=100u64 {
        let id = OperationId(u128::from(lsn) + 1_000);
        rows.push(format!("{:?}", state.operation(id)));
    }
    rows.push(format!("{:?}", expiry_order(copy(state))));
    rows
}

/// A state of its own, by way of the bytes.
fn copy(state: &State) -> State {
    let image = image(state);
    snapshot::decode(&mut &*image).expect("our own").0
}

/// The snapshot of a state.
pub(crate) fn image(state: &State) -> Vec<u8> {
    let mut image = Vec::new();
    let written = snapshot::encode(state, &mut image);
    written.unwrap_or_else(|never| match never {});
    image
}

fn expiry_order(mut state: State) -> Vec<Vec<u128>> {
    let slot = Slot(state.last_slot().0 + 7);
    let expired = |state: &State| {
        let (states, mut ids) = (1 << ReservationState::Expired as u32, Vec::new());
        let filter = Filter {
            states,
            ..Filter::default()
        };
        state.list_reservations(&filter, 0, usize::MAX, |row| ids.push(row.reservation_id.0));
        ids
    };
    let one = Command {
        operation_id: OperationId(0),
        valid_until_slot: Slot(0),
        action: Action::ExpireDue { limit: 1 },
    };
    let step = |_| {
        state.apply(slot, &one);
        expired(&state)
    };
    (0..8).map(step).collect()
}
