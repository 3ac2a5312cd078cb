//! Hashing: keyed, deterministic, written out here so that no library update can move a key.
//!
//! Every hash is keyed with the database's `hash_seed`, which whoever chooses ids does not know
//! (R93), so collisions cannot be aimed at the probe bound. The building block multiplies two words
//! to 128 bits and folds the halves together. It is no cryptographic hash: it needs to spread, not
//! to withstand someone who knows the key. Rejected: SipHash (four times the work for a property
//! that the hidden seed gives already) and `std`'s hashers (their output may change).
//!
//! These functions are part of the format: the hash bits decide table positions, which bound
//! probes and order nothing else; fingerprints and digests are stored in snapshots.

const FOLD_A: u64 = 0x9E37_79B9_7F4A_7C15;
const FOLD_B: u64 = 0xD1B5_4A32_D192_ED03;
const FOLD_C: u64 = 0x8CB9_2BA7_2F3D_8DD7;

/// 128-bit product, halves folded together.
#[inline]
#[allow(
    clippy::cast_possible_truncation,
    reason = "both halves of the product are used"
)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product as u64) ^ ((product >> 64) as u64)
}

/// The key that all of one database's table hashes share.
#[derive(Clone, Copy, Debug)]
pub struct HashKey {
    low: u64,
    high: u64,
}

impl HashKey {
    /// Spreads the stored seed over both halves of the key.
    #[must_use]
    pub const fn new(hash_seed: u64) -> Self {
        let low = fold(hash_seed ^ FOLD_A, FOLD_B);
        Self {
            low,
            high: fold(low ^ hash_seed, FOLD_C) | 1,
        }
    }

    /// 32 hash bits of a 128-bit id: what a table entry keeps.
    #[inline]
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a hash keeps the bits it needs"
    )]
    pub const fn id(&self, id: u128) -> u32 {
        let low = (id as u64) ^ self.low;
        let high = ((id >> 64) as u64) ^ self.high;
        let product = low as u128 * high as u128;
        let mixed = fold(
            (product as u64) ^ self.low,
            ((product >> 64) as u64) ^ self.high,
        );
        (mixed >> 32) as u32 ^ mixed as u32
    }
}

/// A running 64-bit hash over words: command fingerprints.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Starts from the database's seed.
    #[must_use]
    pub const fn new(hash_seed: u64) -> Self {
        Self(fold(hash_seed ^ FOLD_C, FOLD_A))
    }

    /// Takes one word in.
    #[inline]
    pub const fn word(&mut self, word: u64) {
        // Adding the constant after the fold keeps a zero product from absorbing what follows.
        self.0 = fold(self.0 ^ word, FOLD_B)
            .wrapping_add(FOLD_A)
            .rotate_left(23);
    }

    /// Takes one id in.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "both halves are taken in")]
    pub const fn id(&mut self, id: u128) {
        self.word(id as u64);
        self.word((id >> 64) as u64);
    }

    /// The hash of everything taken in.
    #[must_use]
    pub const fn finish(self) -> u64 {
        fold(self.0 ^ FOLD_A, FOLD_C)
    }
}

/// The running 128-bit digest over every (LSN, result): two copies that applied the same commands
/// with the same answers show the same digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digest {
    /// Two lanes that take the same words in with different constants.
    pub lanes: [u64; 2],
}

impl Digest {
    /// Takes one word in.
    #[inline]
    pub const fn word(&mut self, word: u64) {
        let [first, second] = self.lanes;
        self.lanes[0] = fold(first ^ word, FOLD_A)
            .wrapping_add(second)
            .rotate_left(29);
        self.lanes[1] = fold(second ^ word ^ FOLD_C, FOLD_B).wrapping_add(word);
    }
}

#[cfg(test)]
mod tests;
