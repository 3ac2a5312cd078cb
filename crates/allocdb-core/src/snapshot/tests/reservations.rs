//! A reservation's record, in every state.

use super::super::decode::decode_reservation;
use super::super::encode::encode_reservation;
use super::*;
use crate::state::record::Standing;

/// What only a hold has, and what only an end has: a record of another state in which it stands is
/// refused, for it could not be kept.
#[test]
fn a_reservation_has_what_its_state_has_a_place_for() {
    let golden = read(GOLDEN).expect("the golden file");
    let mut seen = std::collections::BTreeSet::new();
    for handle in (0..golden.reservations.fresh_count()).map(Handle) {
        let Some(record) = golden.reservations.used(handle) else {
            continue;
        };
        let mut revoking = *record;
        revoking.stand(Standing::Revoking);
        for record in [*record, revoking] {
            let bytes = encode_reservation(handle, &record);
            assert_eq!(decode_reservation(&bytes), Some((handle, record)));
            let is_taken = |at: usize| {
                let mut changed = bytes;
                changed[at] ^= 1;
                decode_reservation(&changed).is_some()
            };
            let is_hold = record.state() == ReservationState::Reserved;
            // Its neighbours, its deadline, its end and when it is gone, where the format has them.
            let (links, deadline, end) = (4..12, 64..72, 72..88);
            for at in links.chain(deadline) {
                assert_eq!(is_taken(at), is_hold, "byte {at} of {record:?}");
            }
            for at in end {
                assert_eq!(
                    is_taken(at),
                    !record.state().is_live(),
                    "byte {at} of {record:?}"
                );
            }
            seen.insert(record.state());
        }
    }
    assert_eq!(seen.len(), ReservationState::ALL.len(), "{seen:?}");
}
