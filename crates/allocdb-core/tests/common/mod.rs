//! What the property tests share: seeded randomness, the shapes of histories, and a generator that
//! keeps most commands meaningful.
//!
//! Every random test takes its seed from `ALLOCDB_SEED`, or a fixed one, and prints it: the seed
//! alone repeats the run. `ALLOCDB_SCALE=n` makes every run n times as long. The generator looks
//! at the state through its public reads only, picks what is likely to work, and now and then what
//! is sure to fail. Rejected: drawing commands blindly, since with 128-bit ids nearly all of them
//! would end in `not_found`, and histories as proptest vectors, since a shrunk vector of commands
//! no longer names reservations that exist. What proptest shapes is the configuration, the mix of
//! operations and the length; the seed gives the rest.

#![allow(dead_code, reason = "each test binary uses its share")]

pub(crate) mod generator;

use allocdb_core::bytes::Writer;
use allocdb_core::{
    Action, Command, Config, HolderId, Lsn, OperationId, ReservationId, ResourceId, ResourceIds,
    Slot, State,
};
use proptest::test_runner::{Config as RunnerConfig, RngAlgorithm, TestRng, TestRunner};

/// The seed when none is given.
const SEED_DEFAULT: u64 = 0x5EED_0F5E_A751_7E11;

/// The seed of this run, printed so that a failure can be repeated.
pub(crate) fn seed(test: &str) -> u64 {
    let seed = match std::env::var("ALLOCDB_SEED") {
        Ok(text) => text.parse().expect("ALLOCDB_SEED is a decimal number"),
        Err(_) => SEED_DEFAULT,
    };
    println!("{test}: ALLOCDB_SEED={seed} repeats this run");
    seed
}

/// How many times longer than in CI the runs are to be.
pub(crate) fn scale() -> u64 {
    match std::env::var("ALLOCDB_SCALE") {
        Ok(text) => text.parse().expect("ALLOCDB_SCALE is a decimal number"),
        Err(_) => 1,
    }
}

/// A proptest runner whose cases follow from `seed` alone.
pub(crate) fn runner(seed: u64, case_count: u32) -> TestRunner {
    let config = RunnerConfig {
        cases: case_count,
        failure_persistence: None,
        max_shrink_iters: 64,
        ..RunnerConfig::default()
    };
    let mut rng = Rng::new(seed);
    let mut bytes = [0; 32];
    let mut writer = Writer::new(&mut bytes);
    (0..4).for_each(|_| writer.u64(rng.next()));
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// A small generator of random numbers, ours so that no library update changes a history.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A counter stepped by an odd constant, then mixed by multiplications and shifts.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// From `least` through `greatest`.
    pub(crate) fn between(&mut self, least: u64, greatest: u64) -> u64 {
        let width = (greatest - least).wrapping_add(1);
        least
            + if width == 0 {
                self.next()
            } else {
                self.below(width)
            }
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.index(items.len())])
    }
}

/// A command that owns its bundle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OwnedCommand {
    pub(crate) operation_id: OperationId,
    pub(crate) valid_until_slot: Slot,
    pub(crate) action: OwnedAction,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum OwnedAction {
    Create(ResourceId),
    Delete(ResourceId),
    Reserve(Vec<[u8; 16]>, HolderId, u64),
    Confirm(ReservationId, HolderId),
    Extend(ReservationId, HolderId, u64),
    Release(ReservationId, HolderId),
    Revoke(ReservationId),
    Reclaim(ReservationId),
    Expire(u32),
}

impl OwnedCommand {
    pub(crate) fn new(operation_id: u128, action: OwnedAction) -> Self {
        Self {
            operation_id: OperationId(operation_id),
            valid_until_slot: Slot(0),
            action,
        }
    }

    pub(crate) fn expire(limit: u32) -> Self {
        Self::new(0, OwnedAction::Expire(limit))
    }

    pub(crate) fn until(mut self, slot: u64) -> Self {
        self.valid_until_slot = Slot(slot);
        self
    }

    pub(crate) fn borrow(&self) -> Command<'_> {
        let action = match self.action {
            OwnedAction::Create(resource_id) => Action::CreateResource { resource_id },
            OwnedAction::Delete(resource_id) => Action::DeleteResource { resource_id },
            OwnedAction::Reserve(ref ids, holder_id, ttl_slots) => Action::Reserve {
                resource_ids: ResourceIds::new(ids),
                holder_id,
                ttl_slots,
            },
            OwnedAction::Confirm(reservation_id, holder_id) => Action::Confirm {
                reservation_id,
                holder_id,
            },
            OwnedAction::Extend(reservation_id, holder_id, ttl_slots) => Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots,
            },
            OwnedAction::Release(reservation_id, holder_id) => Action::Release {
                reservation_id,
                holder_id,
            },
            OwnedAction::Revoke(reservation_id) => Action::Revoke { reservation_id },
            OwnedAction::Reclaim(reservation_id) => Action::Reclaim { reservation_id },
            OwnedAction::Expire(limit) => Action::ExpireDue { limit },
        };
        Command {
            operation_id: self.operation_id,
            valid_until_slot: self.valid_until_slot,
            action,
        }
    }
}

/// Ids as a reserve wants them.
pub(crate) fn bundle(ids: &[u128]) -> Vec<[u8; 16]> {
    ids.iter().map(|id| id.to_le_bytes()).collect()
}

/// A roomy small configuration, for tests that change what they are about.
pub(crate) fn config() -> Config {
    Config {
        database_id: 0xA110_CDB0,
        shard_id: 7,
        hash_seed: 0x0123_4567_89AB_CDEF,
        slot_duration_ms: 1000,
        max_ttl_slots: 30,
        operation_window_slots: 20,
        history_window_slots: 10,
        max_resources: 16,
        max_reservations: 16,
        max_operations: 64,
        max_bundle_len: 4,
        max_expiration_bucket_len: 16,
        max_expirations_per_tick: 8,
    }
}

/// The snapshot's bytes.
pub(crate) fn image(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    let info = allocdb_core::snapshot::encode(state, &mut bytes);
    let info = info.unwrap_or_else(|never| match never {});
    assert_eq!(info.bytes, bytes.len() as u64, "the length is told");
    assert_eq!(info.last_lsn, state.last_lsn(), "the position is told");
    bytes
}

/// The state that a snapshot holds.
pub(crate) fn restored(bytes: &[u8]) -> State {
    let (state, _) = allocdb_core::snapshot::decode(&mut &bytes[..]).expect("our own snapshot");
    state
}

/// The LSN after the last.
pub(crate) fn next_lsn(state: &State) -> Lsn {
    Lsn(state.last_lsn().0 + 1)
}

/// Where each section of a snapshot begins, and at the end the trailer.
pub(crate) fn section_offsets(bytes: &[u8]) -> Vec<usize> {
    let mut offsets = vec![512];
    for _ in 0..6 {
        let at = offsets[offsets.len() - 1];
        let len = bytes[at + 8..at + 16].try_into().expect("eight bytes");
        let len = usize::try_from(u64::from_le_bytes(len)).expect("our own snapshot");
        offsets.push(at + 16 + len + 8);
    }
    offsets
}

/// Makes every checksum of a changed snapshot hold again. `offsets` are those of the original.
pub(crate) fn reseal(bytes: &mut [u8], offsets: &[usize]) {
    let header_crc = crc32c::crc32c(&bytes[..508]).to_le_bytes();
    bytes[508..512].copy_from_slice(&header_crc);
    let mut whole = crc32c::crc32c(&header_crc);
    for pair in offsets.windows(2) {
        let end = pair[1] - 8;
        let crc = crc32c::crc32c(&bytes[pair[0]..end]).to_le_bytes();
        bytes[end..end + 4].copy_from_slice(&crc);
        whole = crc32c::crc32c_append(whole, &crc);
    }
    let trailer = offsets[6];
    whole = crc32c::crc32c_append(whole, &bytes[trailer..trailer + 20]);
    bytes[trailer + 20..trailer + 24].copy_from_slice(&whole.to_le_bytes());
}
