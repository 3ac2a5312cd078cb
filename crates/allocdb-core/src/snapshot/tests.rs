//! Snapshots: whole or refused.
//!
//! The golden file, a state with a bit of everything, stands for all: `tests/golden.rs` says what
//! is in it, `hostile_snapshot.rs` of `allocdb-testing` changes it under right checksums.

mod reservations;
mod slices;

use super::*;
use crate::command::{Action, Command, ResourceIds};
use crate::ids::{HolderId, OperationId, ReservationId, ResourceId};
use crate::outcome::{Outcome, ResultCode, Verdict};
use crate::slab::Handle;
use crate::state::{Lookup, ReservationState, State};
use crate::stream::ByteSource;

const GOLDEN: &[u8] = include_bytes!("../../tests/golden/snapshot-v1.bin");

fn written(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(state, &mut bytes).unwrap_or_else(|never| match never {});
    bytes
}

fn read(mut bytes: &[u8]) -> Result<State, SnapshotError<core::convert::Infallible>> {
    decode(&mut bytes).map(|(state, _)| state)
}

fn state() -> State {
    State::new(crate::config::tests::sample()).expect("a valid configuration")
}

fn command(operation_id: u128, action: Action<'_>) -> Command<'_> {
    Command {
        operation_id: OperationId(operation_id),
        valid_until_slot: Slot(0),
        action,
    }
}

fn apply(state: &mut State, slot: u64, operation_id: u128, action: Action<'_>) -> Outcome {
    let command = command(operation_id, action);
    match state.apply(Slot(slot), &command).verdict {
        Verdict::Outcome(outcome) => outcome,
        other => panic!("{command:?} got {other:?}"),
    }
}

fn create(id: u128) -> Action<'static> {
    Action::CreateResource {
        resource_id: ResourceId(id),
    }
}

fn reserve(ids: &[[u8; 16]], ttl_slots: u64) -> Action<'_> {
    Action::Reserve {
        resource_ids: ResourceIds::new(ids),
        holder_id: HolderId(7),
        ttl_slots,
    }
}

/// By the holder that [`reserve`] names.
fn release(reservation_id: ReservationId) -> Action<'static> {
    let holder_id = HolderId(7);
    Action::Release {
        reservation_id,
        holder_id,
    }
}

/// R85: what was written is read, and written again the same.
#[test]
fn a_snapshot_holds_the_whole_state() {
    let (state, info) = decode(&mut &*GOLDEN).expect("the golden file");
    assert_eq!(written(&state), GOLDEN);
    assert_eq!(info.bytes, GOLDEN.len() as u64);
    assert_eq!(verify(&mut &*GOLDEN), Ok(info));
    assert_eq!(info.last_lsn, state.last_lsn());
    let empty = self::state();
    let bytes = written(&empty);
    assert_eq!(written(&read(&bytes).expect("an empty state")), bytes);
}

/// R71: nothing is silent. Every single bit of a snapshot is under a checksum.
#[test]
fn every_flipped_bit_is_refused() {
    let mut bytes = GOLDEN.to_vec();
    for bit in 0..GOLDEN.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bytes).is_err(), "bit {bit} was flipped");
        assert!(verify(&mut &*bytes).is_err(), "bit {bit} was flipped");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(bytes, GOLDEN);
}

/// R71: a length is part of what is checked, both ways.
#[test]
fn every_truncation_and_extension_is_refused() {
    for len in 0..GOLDEN.len() {
        assert!(read(&GOLDEN[..len]).is_err(), "cut to {len} bytes");
        assert!(verify(&mut &GOLDEN[..len]).is_err(), "cut to {len} bytes");
    }
    for more in [1, 4, 24, 512, 4096] {
        for byte in [0, 0xFF] {
            let mut bytes = GOLDEN.to_vec();
            bytes.resize(GOLDEN.len() + more, byte);
            assert!(read(&bytes).is_err(), "{more} bytes of {byte} more");
        }
    }
    let doubled = [GOLDEN, GOLDEN].concat();
    assert!(read(&doubled).is_err());
}

/// R71: swapped, stale and zeroed sectors.
#[test]
fn every_misplaced_sector_is_refused() {
    let sectors = GOLDEN.len() / 512;
    for sector in 0..sectors {
        let range = sector * 512..(sector + 1) * 512;
        let mut bytes = GOLDEN.to_vec();
        bytes[range.clone()].fill(0);
        assert!(read(&bytes).is_err(), "sector {sector} is zero");
        for other in (0..sectors).filter(|&other| other != sector) {
            let mut bytes = GOLDEN.to_vec();
            bytes.copy_within(other * 512..(other + 1) * 512, range.start);
            assert!(read(&bytes).is_err(), "sector {sector} is sector {other}");
        }
    }
}

/// What cannot be read, and how often it was asked.
struct Unreadable {
    len: u64,
    reads_left: u32,
}

impl ByteSource for Unreadable {
    type Error = &'static str;

    fn len(&mut self) -> Result<u64, Self::Error> {
        Ok(self.len)
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        assert!(offset + out.len() as u64 <= self.len, "reads stay within");
        if self.reads_left == 0 {
            return Err("the disk is gone");
        }
        self.reads_left -= 1;
        let start = usize::try_from(offset).expect("short");
        out.copy_from_slice(&GOLDEN[start..start + out.len()]);
        Ok(())
    }
}

#[test]
fn a_source_that_fails_is_reported_as_such() {
    let len = GOLDEN.len() as u64;
    for reads_left in 0..3 {
        let mut source = Unreadable { len, reads_left };
        let error = decode(&mut source).expect_err("it cannot be read");
        assert_eq!(error, SnapshotError::Source("the disk is gone"));
    }
    let reads_left = 3;
    assert!(decode(&mut Unreadable { len, reads_left }).is_ok());
}

fn with_header(change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::decode::<()>(GOLDEN.first_chunk().expect("a header")).expect("valid");
    change(&mut header);
    let mut bytes = GOLDEN.to_vec();
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    bytes
}

/// R87, R91: counts are believed only when they fit, so no memory follows a damaged one.
#[test]
fn a_count_beyond_its_capacity_reserves_nothing() {
    let counts = |bytes: &[u8]| match read(bytes) {
        Err(SnapshotError::Damaged { what, .. }) => what,
        other => panic!("{:?}", other.err()),
    };
    for table in 0..3 {
        let bytes = with_header(|header| header.fresh[table] = u32::MAX);
        assert_eq!(counts(&bytes), "header counts");
        let bytes = with_header(|header| header.used[table] = header.fresh[table] + 1);
        assert_eq!(counts(&bytes), "header counts");
    }
    let bytes = with_header(|header| header.reservation_queue_len = header.used[1] + 1);
    assert_eq!(counts(&bytes), "header counts");
    let bytes = with_header(|header| header.host_position_len = HOST_POSITION_BYTES_MAX + 1);
    assert_eq!(counts(&bytes), "header counts");
    // One that fits its capacity has to fit the file as well. Memory for the largest tables is
    // asked for after that only: this test would feel it.
    let bytes = with_header(|header| {
        header.config.max_resources = crate::config::CAPACITY_MAX;
        header.fresh[0] = crate::config::CAPACITY_MAX;
    });
    assert_eq!(counts(&bytes), "length");
}

/// R92: what is no snapshot, and what a later version wrote, are told from damage.
#[test]
fn another_file_and_another_version_are_named() {
    let mut bytes = GOLDEN.to_vec();
    bytes[..8].copy_from_slice(b"ALLOCWAL");
    assert_eq!(read(&bytes).err(), Some(SnapshotError::NotASnapshot));
    let mut bytes = GOLDEN.to_vec();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..HEADER_CRC_OFFSET]);
    bytes[HEADER_CRC_OFFSET..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    let error = read(&bytes).err();
    assert_eq!(error, Some(SnapshotError::Version { version: 2 }));
}

/// R20, R85: an operation id that came again after its window leaves its old record behind until
/// its memory is taken back. A database once restored such a snapshot into two records of one id,
/// or refused it: a healthy database that could not be opened any more.
#[test]
fn an_operation_id_in_its_second_life_is_restored() {
    let mut state = state();
    let window = state.config().operation_window_slots;
    for operation in 1..=9 {
        apply(&mut state, 0, operation, create(operation));
    }
    let later = window + 1;
    let again = apply(&mut state, later, 9, create(9));
    assert_eq!(again.code, ResultCode::ResourceExists);
    assert!(!again.from_retry_cache, "the first life is over");
    let nameless = (0..state.operations.fresh_count())
        .filter_map(|handle| state.operations.used(Handle(handle)))
        .filter(|record| record.operation_id == 0);
    assert_eq!(nameless.count(), 1, "the old record waits, without a name");
    let bytes = written(&state);
    let mut restored = read(&bytes).expect("a healthy state");
    assert_eq!(written(&restored), bytes);
    assert_eq!(
        restored.operation(OperationId(9)),
        state.operation(OperationId(9))
    );
    // And both go on alike, through the take-back of the nameless one.
    for operation in 20..30 {
        let slot = later + 1;
        let lived = apply(&mut state, slot, operation, create(operation));
        assert_eq!(
            apply(&mut restored, slot, operation, create(operation)),
            lived
        );
    }
    assert_eq!(written(&restored), written(&state));
}

/// R57: among equal deadlines, who got it first goes first, and a restart keeps that. An extend,
/// then a later reserve with the same deadline: by handle or by id the order would be the other.
#[test]
fn expiry_order_survives_a_restart() {
    let mut state = state();
    let ids: Vec<[u8; 16]> = (1..=3_u128).map(u128::to_le_bytes).collect();
    for id in 1..=3 {
        apply(&mut state, 0, id, create(id));
    }
    let first = apply(&mut state, 0, 4, reserve(&ids[..1], 5)).reservation_id;
    let second = apply(&mut state, 2, 5, reserve(&ids[1..2], 8)).reservation_id;
    let extend = Action::Extend {
        reservation_id: first,
        holder_id: HolderId(7),
        ttl_slots: 8,
    };
    apply(&mut state, 2, 6, extend);
    let third = apply(&mut state, 3, 7, reserve(&ids[2..], 7)).reservation_id;
    let restored = read(&written(&state)).expect("a healthy state");
    for mut state in [state, restored] {
        let mut order = Vec::new();
        for _ in 0..3 {
            let limit = 1;
            let command = Command {
                operation_id: OperationId(0),
                valid_until_slot: Slot(0),
                action: Action::ExpireDue { limit },
            };
            // Once more through a snapshot, with the hold on the due list.
            let applied = state.apply(Slot(10), &command);
            assert_eq!(applied.verdict, Verdict::Expired { count: 1 });
            let ended = |id: &ReservationId| {
                let lookup = state.reservation(*id);
                matches!(lookup, Lookup::Found(row) if row.state == ReservationState::Expired)
            };
            let ended: Vec<_> = [first, second, third].into_iter().filter(ended).collect();
            order.extend(
                ended
                    .into_iter()
                    .filter(|id| !order.contains(id))
                    .collect::<Vec<_>>(),
            );
            state = read(&written(&state)).expect("a healthy state");
        }
        assert_eq!(order, [second, first, third]);
    }
}

/// R85: a forged version at the end of its range was once restored, and the next reserve of that
/// resource stopped the process. A version counts logged changes, so it lies below the LSN.
#[test]
fn a_version_that_no_history_counts_is_refused() {
    let mut state = read(GOLDEN).expect("the golden file");
    let handle = Handle(0);
    state.resources[handle].version = u64::MAX;
    let Err(SnapshotError::Broken(broken)) = read(&written(&state)) else {
        panic!("no history leads there");
    };
    assert_eq!(broken.law, "a version counts logged changes");
    state.resources[handle].version = state.last_lsn.0 - 1;
    assert!(read(&written(&state)).is_ok());
}

/// R4: nor a position beyond the last.
#[test]
fn a_position_beyond_the_last_is_refused() {
    let mut state = read(GOLDEN).expect("the golden file");
    state.last_lsn = Lsn::MAX;
    assert!(read(&written(&state)).is_ok());
    state.last_lsn = Lsn(u64::MAX);
    assert!(matches!(
        read(&written(&state)),
        Err(SnapshotError::Broken(_))
    ));
    state.last_lsn = Lsn(42);
    state.last_slot = Slot(state.config.slot_max().0 + 1);
    assert!(matches!(
        read(&written(&state)),
        Err(SnapshotError::Broken(_))
    ));
}

/// A host that orders the log elsewhere finds its position again, and the state beside it.
#[test]
fn a_hosts_position_comes_back_byte_for_byte() {
    let state = state();
    let longest = vec![0xA7; HOST_POSITION_BYTES_MAX as usize];
    for position in [&[][..], &[1, 2, 3], &longest] {
        let mut image = Vec::new();
        let Ok(info) = encode_with_host_position(&state, position, &mut image);
        assert_eq!(info.host_position_len as usize, position.len());
        let mut out = [0; HOST_POSITION_BYTES_MAX as usize];
        let len = host_position(&mut image.as_slice(), &mut out).expect("whole");
        assert_eq!(&out[..len], position);
        let (restored, again) = decode(&mut image.as_slice()).expect("whole");
        assert_eq!((restored.digest(), again), (state.digest(), info));
        let last = image.len() - 1;
        image[last] ^= 1;
        assert!(
            host_position(&mut image.as_slice(), &mut out).is_err(),
            "checked first"
        );
    }
}

/// R95, R100: what a snapshot may say in place of the state's own, and no more.
#[test]
fn a_snapshot_may_say_only_what_its_state_bears() {
    let mut state = state();
    apply(&mut state, 1, 1, create(1));
    let own = Overrides::none(&state);
    assert!(own.suit(&state));
    let last = state.last_lsn();
    let at = |last_lsn| Overrides { last_lsn, ..own };
    assert!(at(Lsn(last.0 + 1)).suit(&state) && at(Lsn::MAX).suit(&state));
    assert!(!at(Lsn(last.0 - 1)).suit(&state), "a position goes back");
    assert!(!at(Lsn(u64::MAX)).suit(&state), "there is no such position");
    let under = |config| Overrides { config, ..own };
    let renamed = Config {
        database_id: own.config.database_id + 1,
        ..own.config
    };
    let grown = Config {
        max_resources: own.config.max_resources + 1,
        ..renamed
    };
    assert!(under(renamed).suit(&state) && under(grown).suit(&state));
    let shrunk = Config {
        max_resources: own.config.max_resources - 1,
        ..own.config
    };
    let reseeded = Config {
        hash_seed: own.config.hash_seed + 1,
        ..own.config
    };
    let invalid = Config {
        max_resources: u32::MAX,
        ..own.config
    };
    assert!(!under(shrunk).suit(&state) && !under(reseeded).suit(&state));
    assert!(!under(invalid).suit(&state), "beyond every bound");
}

#[test]
fn damage_is_told_with_what_it_is_and_where() {
    let told = |at: usize| {
        let mut bytes = GOLDEN.to_vec();
        bytes[at] ^= 1;
        match read(&bytes) {
            Err(SnapshotError::Damaged { what, offset }) => (what, offset),
            other => panic!("byte {at}: {other:?}"),
        }
    };
    // The first section's kind, reserved word and length, then its body.
    let section = HEADER_BYTES;
    for at in [0, 4, 8] {
        assert_eq!(
            told(section + at),
            ("section header", section as u64),
            "{at}"
        );
    }
    // The trailer's magic, length and reserved word, then its checksum.
    let trailer = GOLDEN.len() - TRAILER_BYTES;
    for at in [0, 8, 16] {
        assert_eq!(told(trailer + at), ("trailer", trailer as u64), "{at}");
    }
    assert_eq!(told(trailer + 20), ("trailer checksum", trailer as u64));
}

/// Records, queues and bodies that lie across the ends of the blocks that are read and written.
#[test]
fn a_snapshot_longer_than_any_block_is_read_back() {
    let config = Config {
        max_resources: 3000,
        max_reservations: 3000,
        max_operations: 7000,
        max_expiration_bucket_len: 3000,
        ..crate::config::tests::sample()
    };
    let mut state = State::new(config).expect("a valid configuration");
    for id in 1..=2500 {
        apply(&mut state, 1, id, create(id));
    }
    let mut held = Vec::new();
    for id in 1..=2000_u128 {
        let ids = [id.to_le_bytes()];
        let slot = 2 + u64::try_from(id / 300).expect("small");
        let reserved = apply(&mut state, slot, 10_000 + id, reserve(&ids, 900));
        held.push(reserved.reservation_id);
    }
    for (id, reservation_id) in (20_001..).zip(held.into_iter().step_by(3)) {
        apply(&mut state, 9, id, release(reservation_id));
    }
    let bytes = written(&state);
    assert!(bytes.len() > 20 * 16 * 1024, "{} bytes", bytes.len());
    let again = read(&bytes).expect("whole");
    assert_eq!(written(&again), bytes);
    assert_eq!(again.digest(), state.digest());
    // One wrong byte in any block is found, and told with the section that it lies in.
    for at in (HEADER_BYTES..bytes.len()).step_by(4099) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let told = read(&damaged);
        assert!(
            matches!(told, Err(SnapshotError::Damaged { .. })),
            "{at}: {told:?}"
        );
    }
    for len in (0..bytes.len()).step_by(4093) {
        assert!(read(&bytes[..len]).is_err(), "{len} bytes of it");
    }
}
