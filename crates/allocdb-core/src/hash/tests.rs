//! The hashes are format: their values are pinned, and they spread.

use super::*;

#[test]
fn values_are_pinned_because_they_are_stored() {
    let mut fingerprint = Fingerprint::new(1);
    fingerprint.id(2);
    let mut digest = Digest::default();
    digest.word(1);
    digest.word(2);
    let seen = (HashKey::new(1).id(2), fingerprint.finish(), digest.lanes);
    assert_eq!(seen, PINNED);
}

const PINNED: (u32, u64, [u64; 2]) = (
    844_172_046,
    3_461_260_550_306_069_613,
    [2_687_375_652_807_228_639, 10_719_706_132_203_422_199],
);

#[test]
fn sequential_ids_spread_over_the_whole_range() {
    let key = HashKey::new(42);
    let mut buckets = [0u32; 64];
    for id in 1..=64_000u128 {
        buckets[(key.id(id) >> 26) as usize] += 1;
        buckets[(key.id(id << 64) >> 26) as usize] += 1;
    }
    for count in buckets {
        assert!(
            (1_700..2_300).contains(&count),
            "{count} of an expected 2,000"
        );
    }
}

#[test]
fn another_seed_gives_other_hashes() {
    let same = (1..=1_000u128).filter(|&id| HashKey::new(1).id(id) == HashKey::new(2).id(id));
    assert!(same.count() <= 1);
}

#[test]
fn fingerprints_depend_on_every_word_and_its_place() {
    let finish = |words: &[u64]| {
        let mut fingerprint = Fingerprint::new(9);
        for &word in words {
            fingerprint.word(word);
        }
        fingerprint.finish()
    };
    let seen = [
        finish(&[]),
        finish(&[0]),
        finish(&[0, 0]),
        finish(&[1, 2]),
        finish(&[2, 1]),
    ];
    for (index, one) in seen.iter().enumerate() {
        assert!(!seen[..index].contains(one));
    }
}

#[test]
fn both_halves_of_an_id_are_taken_in() {
    let of = |id: u128| {
        let mut hash = Fingerprint::new(9);
        hash.id(id);
        hash.finish()
    };
    let halves = [1, 2, 1 << 64, 2 << 64, 1 << 64 | 1].map(of);
    for (index, one) in halves.iter().enumerate() {
        assert!(!halves[..index].contains(one), "{index}");
    }
    let mut words = Fingerprint::new(9);
    words.word(7);
    words.word(5);
    assert_eq!(of(5 << 64 | 7), words.finish());
}
