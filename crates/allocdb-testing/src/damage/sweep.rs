//! Damage to the bytes of one file: everything that is tried on logs, snapshots and the small files
//! alike, each with the name of its kind.
//!
//! What can be tried whole is: every bit, every length, every sector and 4 KiB page zeroed, set,
//! stale, another database's, doubled and swapped. The rest is drawn.

use super::{between, byte};
use crate::random::Rng;

const SECTOR: usize = 512;
const PAGE: usize = 4096;
/// Bytes that a file is extended by, each number up to here.
const EXTENSION_MAX: usize = 2 * SECTOR + 1;

/// Whatever a damaged image is shown to: its kind, its bytes.
pub type Each<'a> = &'a mut dyn FnMut(&'static str, &[u8]);

/// One file, and what its sectors may be mistaken for.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Its sound bytes.
    pub sound: &'a [u8],
    /// What it was at earlier times.
    pub older: Vec<&'a [u8]>,
    /// What it is in another database.
    pub foreign: Vec<&'a [u8]>,
}

impl Subject<'_> {
    /// Every single-bit flip.
    pub fn each_bit(&self, each: Each<'_>) {
        let mut bytes = self.sound.to_vec();
        for bit in 0..bytes.len() * 8 {
            let mask = 1 << (bit % 8);
            bytes[bit / 8] ^= mask;
            each("bit_flips", &bytes);
            bytes[bit / 8] ^= mask;
        }
    }

    /// Every shorter length, and longer ones.
    pub fn each_length(&self, dice: &mut Rng, each: Each<'_>) {
        for len in 0..self.sound.len() {
            each("truncations", &self.sound[..len]);
        }
        let mut bytes = self.sound.to_vec();
        for _ in 0..EXTENSION_MAX {
            bytes.push(0);
            each("extensions", &bytes);
        }
        bytes.truncate(self.sound.len());
        for _ in 0..EXTENSION_MAX {
            bytes.push(byte(dice));
            each("extensions", &bytes);
        }
        // Its own beginning once more, and another database's.
        for front in self.foreign.iter().chain([&self.sound]) {
            bytes.truncate(self.sound.len());
            bytes.extend_from_slice(&front[..front.len().min(PAGE)]);
            each("extensions", &bytes);
        }
    }

    /// Sectors and pages: zeroed, set, rubbish, stale, foreign, doubled, swapped.
    pub fn each_sector(&self, dice: &mut Rng, each: Each<'_>) {
        for unit in [SECTOR, PAGE] {
            let count = self.sound.len().div_ceil(unit);
            for first in 0..count {
                for len in 1..=(count - first).min(8) {
                    let range = first * unit..((first + len) * unit).min(self.sound.len());
                    self.fill(range.clone(), |_| 0, "zeroed_sectors", each);
                    self.fill(range.clone(), |_| 0xFF, "set_sectors", each);
                    self.fill(range.clone(), |_| byte(dice), "rubbish_sectors", each);
                    for older in &self.older {
                        self.fill(
                            range.clone(),
                            |at| at_or_zero(older, at),
                            "stale_sectors",
                            each,
                        );
                    }
                    for foreign in &self.foreign {
                        let new = |at| at_or_zero(foreign, at);
                        self.fill(range.clone(), new, "foreign_sectors", each);
                    }
                }
            }
            self.each_pair(unit, each);
        }
    }

    fn fill(
        &self,
        range: core::ops::Range<usize>,
        mut new: impl FnMut(usize) -> u8,
        kind: &'static str,
        each: Each<'_>,
    ) {
        let mut bytes = self.sound.to_vec();
        for at in range {
            bytes[at] = new(at);
        }
        if bytes != self.sound {
            each(kind, &bytes);
        }
    }

    fn each_pair(&self, unit: usize, each: Each<'_>) {
        let whole = self.sound.len() / unit;
        let at = |index: usize| index * unit..(index + 1) * unit;
        for first in 0..whole {
            for second in (0..whole).filter(|&second| second != first) {
                if self.sound[at(first)] == self.sound[at(second)] {
                    continue;
                }
                let mut bytes = self.sound.to_vec();
                bytes.copy_within(at(first), second * unit);
                each("doubled_sectors", &bytes);
                if first < second {
                    bytes[at(first)].copy_from_slice(&self.sound[at(second)]);
                    each("swapped_sectors", &bytes);
                }
            }
        }
    }

    /// Drawn damage, `count` times: bursts of bits, rubbish, small shifts, several places at once.
    pub fn each_drawn(&self, count: usize, dice: &mut Rng, each: Each<'_>) {
        if self.sound.is_empty() {
            return;
        }
        let mut bytes = self.sound.to_vec();
        for _ in 0..count {
            let kind = draw(&mut bytes, dice);
            if bytes != self.sound {
                each(kind, &bytes);
            }
            bytes.clear();
            bytes.extend_from_slice(self.sound);
        }
    }
}

fn at_or_zero(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// One drawn damage.
pub fn draw(bytes: &mut Vec<u8>, dice: &mut Rng) -> &'static str {
    let len = bytes.len();
    match dice.index(5) {
        0 => {
            // 2 to 64 bits within a few bytes: a burst.
            let start = dice.index(len);
            let reach = (len - start).min(between(dice, 1, 64));
            for _ in 0..between(dice, 2, 64) {
                bytes[start + dice.index(reach)] ^= 1 << dice.index(8);
            }
            "bit_bursts"
        }
        1 => {
            for _ in 0..between(dice, 2, 64) {
                bytes[dice.index(len)] ^= 1 << dice.index(8);
            }
            "scattered_bits"
        }
        2 => {
            let start = dice.index(len);
            let end = (start + between(dice, 1, 64)).min(len);
            bytes[start..end].fill_with(|| byte(dice));
            "rubbish_bytes"
        }
        3 => {
            let start = dice.index(len);
            let end = (start + between(dice, 1, 1024)).min(len);
            let fill = dice.pick(&[0, 0, 0xFF, 0xA5]).copied().unwrap_or(0);
            bytes[start..end].fill(fill);
            "filled_ranges"
        }
        _ => {
            // A few bytes lost or doubled in the middle: what follows has moved.
            let at = dice.index(len);
            let count = between(dice, 1, 512).min(len - at);
            if dice.index(2) == 0 {
                bytes.drain(at..at + count);
            } else {
                let moved = bytes[at..at + count].to_vec();
                bytes.splice(at..at, moved);
            }
            "shifted_bytes"
        }
    }
}
