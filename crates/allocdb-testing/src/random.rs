//! Random numbers of our own: no library's update changes a history that a seed names.
//!
//! A counter is stepped by an odd constant and then mixed by multiplications and shifts. That is
//! enough for choosing among cases, a few nanoseconds a number, and its whole state is one word,
//! so that a stream can be forked from any number drawn. Rejected: a cryptographic generator,
//! which would cost more than the commands it chooses.

/// A stream of numbers that follows from its seed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, any.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a product: no division, and a bias nobody can see at these bounds.
        let product = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(product >> 64).expect("a product's high half")
    }

    /// An index into `len` items.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// From `least` through `greatest`.
    pub fn between(&mut self, least: u64, greatest: u64) -> u64 {
        let width = (greatest - least).wrapping_add(1);
        let offset = if width == 0 {
            self.draw()
        } else {
            self.below(width)
        };
        least + offset
    }

    /// As [`Rng::between`], for the small.
    pub fn between_u32(&mut self, least: u32, greatest: u32) -> u32 {
        u32::try_from(self.between(least.into(), greatest.into())).expect("between two of them")
    }

    /// True in this many cases of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these, if there is any.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.index(items.len())])
    }

    /// Another stream.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.draw())
    }
}
