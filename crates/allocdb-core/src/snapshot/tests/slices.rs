//! Snapshots in slices: of the beginning, in pieces of every size, in bounded memory.

use super::*;

/// How much may still change is told beforehand, and any number once all is written.
#[test]
fn the_room_for_changes_shrinks_by_what_changes_and_comes_back() {
    let mut state = state();
    apply(&mut state, 1, 1, create(1));
    let unbounded = state.before_image_room();
    let mut slices = Slices::begin(&mut state);
    let room = state.before_image_room();
    assert!(room < unbounded);
    let ids = [1u128.to_le_bytes()];
    apply(&mut state, 1, 2, reserve(&ids, 5));
    assert_eq!(state.before_image_room(), room - 1, "the resource");
    let mut piece = [0; PIECE_BYTES_MIN];
    while slices.next_piece(&state, &mut piece).is_some() {
        slices.release(&mut state);
    }
    assert_eq!(state.before_image_room(), unbounded);
    slices.end(&mut state);
    assert!(!state.has_lost_before_images());
}

/// More of everything than any of the smallest pieces holds: records in use, free ones, and both
/// queues.
fn crowded() -> State {
    let config = Config {
        max_resources: 300,
        max_reservations: 200,
        max_operations: 1000,
        max_expiration_bucket_len: 200,
        ..crate::config::tests::sample()
    };
    let mut state = State::new(config).expect("a valid configuration");
    let mut operation_id = 0;
    let mut apply = |state: &mut State, action: Action<'_>| {
        operation_id += 1;
        apply(state, 1, operation_id, action)
    };
    for id in 1..=200 {
        apply(&mut state, create(id));
    }
    let mut held = Vec::new();
    for id in 1..=150_u128 {
        let ids = [id.to_le_bytes()];
        held.push(apply(&mut state, reserve(&ids, 5)).reservation_id);
    }
    for reservation_id in held.into_iter().take(100) {
        apply(&mut state, release(reservation_id));
    }
    for id in (1..=100).chain(151..=200) {
        let resource_id = ResourceId(id);
        apply(&mut state, Action::DeleteResource { resource_id });
    }
    state
}

/// Whatever a piece holds, and wherever in it a section ends, the pieces make up the snapshot of
/// the moment at which it began, though everything changes between any two.
#[test]
fn pieces_of_every_size_make_up_the_snapshot_of_the_beginning() {
    let golden = || read(GOLDEN).expect("the golden file");
    for len in PIECE_BYTES_MIN..PIECE_BYTES_MIN + 512 {
        write_in_pieces(golden(), len);
    }
    let image = written(&crowded());
    for len in (PIECE_BYTES_MIN..PIECE_BYTES_MIN + 64).chain([1000, 8192]) {
        write_in_pieces(read(&image).expect("whole"), len);
    }
}

fn write_in_pieces(mut state: State, len: usize) {
    let expected = written(&state);
    let slot = state.last_slot().0;
    let mut found = vec![0; expected.len()];
    let mut slices = Slices::begin(&mut state);
    let mut buffer = vec![0xEE; len];
    let mut written_len = 0;
    for id in 1u128.. {
        let Some(piece) = slices.next_piece(&state, &mut buffer) else {
            break;
        };
        let begin = usize::try_from(piece.offset).expect("small");
        found[begin..begin + piece.len].copy_from_slice(&buffer[..piece.len]);
        written_len += piece.len;
        slices.release(&mut state);
        // Another slot takes records back, and each command takes one of them.
        let slot = Slot(slot + u64::try_from(id).expect("small"));
        let _ = state.apply(slot, &command(1 << 90 | id, create(1 << 80 | id)));
    }
    assert_eq!(slices.info().bytes, expected.len() as u64, "{len}");
    slices.end(&mut state);
    assert_eq!(written_len, expected.len(), "{len}");
    assert_eq!(found, expected, "{len}");
}

/// What is written of a table makes room for changes at once, not when all of the table is.
#[test]
fn what_is_passed_makes_room_while_the_rest_is_still_to_be_written() {
    let mut state = crowded();
    let mut slices = Slices::begin(&mut state);
    let room = state.before_image_room();
    let (first, last) = (Handle(0), Handle(state.reservations.fresh_count() - 1));
    // To be able to write is enough for a record to be kept.
    let _ = &mut state.reservations[first];
    assert_eq!(state.before_image_room(), room - 1);
    let mut buffer = [0; PIECE_BYTES_MIN];
    while state.before_image_room() < room {
        let piece = slices.next_piece(&state, &mut buffer);
        assert!(piece.is_some(), "room comes before the end");
        slices.release(&mut state);
    }
    let _ = &mut state.reservations[first];
    assert_eq!(state.before_image_room(), room, "it is written");
    let _ = &mut state.reservations[last];
    assert_eq!(state.before_image_room(), room - 1, "it is not");
    slices.end(&mut state);
}

/// A snapshot that is given up half-way leaves nothing behind: the next one may begin.
#[test]
fn a_snapshot_that_is_given_up_is_forgotten() {
    let mut state = read(GOLDEN).expect("the golden file");
    let unbounded = state.before_image_room();
    let mut buffer = [0; PIECE_BYTES_MIN];
    let piece_count = GOLDEN.len() / PIECE_BYTES_MIN;
    for given_up_after in 0..piece_count {
        let mut slices = Slices::begin(&mut state);
        assert!(state.before_image_room() < unbounded);
        for _ in 0..given_up_after {
            let piece = slices.next_piece(&state, &mut buffer);
            assert!(piece.is_some(), "more than {given_up_after} pieces");
            slices.release(&mut state);
        }
        slices.end(&mut state);
        assert_eq!(state.before_image_room(), unbounded);
    }
    assert_eq!(written(&state), GOLDEN, "looking changes nothing");
}
