//! The table against a plain list, and the two facts that acceptance builds upon.

use super::*;
use crate::hash::HashKey;

/// Keys whose hashes crowd into few homes, so that runs are long and wrap round the end.
fn crowded_hash(key: u64) -> u32 {
    let homes = [0u64, 1, 30, 31, 31, 31];
    let home = homes[usize::try_from(key).expect("small") % homes.len()];
    u32::try_from((home << 32) / 32 + key % 7 + 1).expect("below 2^32")
}

fn occupied(table: &Table) -> Vec<bool> {
    table.cells.iter().map(|&cell| cell != EMPTY).collect()
}

#[test]
fn every_history_of_inserts_and_removals_keeps_every_key_findable() {
    let mut random = 0x1234_5678_u64;
    let mut draw = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % bound
    };
    for _ in 0..300 {
        let mut table = Table::new(16).expect("memory");
        let mut keys: Vec<u32> = Vec::new();
        for _ in 0..200 {
            let key = u32::try_from(draw(40)).expect("small");
            match keys.iter().position(|&known| known == key) {
                Some(place) => {
                    keys.swap_remove(place);
                    table.remove(crowded_hash(key.into()), Handle(key));
                }
                None if keys.len() < 16 => {
                    keys.push(key);
                    table.insert(crowded_hash(key.into()), Handle(key));
                }
                None => {}
            }
            assert_eq!(table.count() as usize, keys.len());
            for key in 0..40 {
                let found = table.find(crowded_hash(key.into()), |handle| handle == Handle(key));
                assert_eq!(found.is_some(), keys.contains(&key));
            }
        }
    }
}

#[test]
fn which_cells_are_occupied_depends_on_the_keys_alone() {
    let build = |keys: &[u64]| {
        let mut table = Table::new(16).expect("memory");
        for &key in keys {
            let handle = Handle(u32::try_from(key).expect("small"));
            table.insert(crowded_hash(key), handle);
        }
        table
    };
    let keys = [1, 2, 3, 4, 5, 9, 10, 11, 17, 23];
    let mut reversed = keys;
    reversed.reverse();
    assert_eq!(occupied(&build(&keys)), occupied(&build(&reversed)));
    // Removing leaves what building without the key gives.
    let mut table = build(&keys);
    table.remove(crowded_hash(4), Handle(4));
    let without: Vec<_> = keys.into_iter().filter(|&key| key != 4).collect();
    assert_eq!(occupied(&table), occupied(&build(&without)));
}

#[test]
fn placement_passes_over_claimed_cells_and_ends_at_the_bound() {
    let mut table = Table::new(64).expect("memory");
    let hash = 1;
    let place = table
        .placement_within(hash, 10, |_| false)
        .expect("an empty table");
    assert_eq!(
        place,
        Placement {
            cell: 0,
            distance: 0
        }
    );
    table.insert(hash, Handle(1));
    let place = table
        .placement_within(hash, 10, |cell| cell == 1)
        .expect("within");
    assert_eq!(
        place,
        Placement {
            cell: 2,
            distance: 2
        }
    );
    assert_eq!(table.placement_within(hash, 1, |cell| cell == 1), None);
    assert_eq!(
        table
            .placement_within(hash, 2, |cell| cell == 1)
            .map(|p| p.distance),
        Some(2)
    );
}

/// The load and the keyed hash keep probes short at the size of the defaults.
#[test]
fn a_full_table_of_sequential_ids_stays_far_below_the_bound() {
    let capacity = 1 << 18;
    let key = HashKey::new(0xFEED);
    let mut table = Table::new(capacity).expect("memory");
    for id in 0..capacity {
        table.insert(key.id(u128::from(id) + 1), Handle(id));
    }
    assert_eq!(table.count(), capacity);
    assert!(
        table.probe_len_max() <= PLACEMENT_BOUND / 2,
        "{}",
        table.probe_len_max()
    );
}

#[test]
#[should_panic(expected = "a key that is removed is there")]
fn removing_an_unknown_key_is_our_bug() {
    let mut table = Table::new(4).expect("memory");
    table.insert(5, Handle(1));
    table.remove(5, Handle(2));
}

#[test]
fn the_smallest_tables_have_room_for_runs_to_end() {
    for (capacity, cells) in [(1, 16), (7, 16), (8, 16), (9, 18), (1000, 2000)] {
        assert_eq!(Table::memory_bytes(capacity), cells * 8, "{capacity}");
    }
    let is_within_reach = |capacity| Table::new(capacity).expect("memory").is_within_reach();
    assert!(is_within_reach(1) && is_within_reach(64));
    assert!(!is_within_reach(65) && !is_within_reach(1000));
}
