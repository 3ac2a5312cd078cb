//! Random numbers that stay the same for ever, and a skewed choice made of them.
//!
//! A seed's counts and digests are quoted in documents and compared between versions, so nothing
//! under them may change: SplitMix64, a published generator of three lines, and weights in whole
//! numbers. Rejected: a library of generators, whose values may change with its version, and
//! powers in floating point, which differ between machines.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream with this number of a seed's many.
    #[must_use]
    pub fn of(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed);
        let start = random.draw() ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03);
        Self(start)
    }

    /// The next number, any of 2^64.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        let wide = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("below the bound")
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// A choice among resources of which the first are wanted most: the weight of number i is
/// 1 / (i + 1) to the power of the exponent. 0: all alike; 1: Zipf's law; 2: steeper.
#[derive(Clone, Debug)]
pub struct Skew {
    /// The sum of the weights up to each.
    sums: Vec<u64>,
}

/// The weight of the first; large enough for that of number 2^20 with exponent 2 not to be 0.
const WEIGHT_FIRST: u64 = 1 << 40;

impl Skew {
    /// A choice among `count` resources, at most 2^20, which keeps the sum below 2^60.
    #[must_use]
    pub fn new(count: u32, exponent: u32) -> Self {
        assert!((1..=1 << 20).contains(&count), "the knobs are checked");
        let mut sum = 0;
        let sums = (1..=u64::from(count)).map(|place| {
            sum += WEIGHT_FIRST / place.pow(exponent);
            sum
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// One of them, from 0.
    #[must_use]
    pub fn pick(&self, random: &mut Random) -> usize {
        let total = self.sums.last().expect("at least one");
        let point = random.below(*total);
        self.sums.partition_point(|&sum| sum <= point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // SplitMix64 from 1234567, as its authors print it.
        let mut random = Random(1_234_567);
        let first = [random.draw(), random.draw(), random.draw()];
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(first, published);
    }

    #[test]
    fn streams_of_a_seed_and_seeds_of_a_stream_differ() {
        let mut starts: Vec<u64> = (0..100)
            .flat_map(|seed| (0..100).map(move |stream| Random::of(seed, stream).draw()))
            .collect();
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(starts.len(), 10_000);
    }

    #[test]
    fn the_first_is_wanted_as_often_as_its_weight_says() {
        let share = |exponent| {
            let (skew, mut random) = (Skew::new(10, exponent), Random::of(7, 0));
            let picks = (0..100_000).map(|_| skew.pick(&mut random));
            let (mut first, mut last) = (0, 0);
            for pick in picks {
                assert!(pick < 10);
                first += u32::from(pick == 0);
                last += u32::from(pick == 9);
            }
            (first / 1_000, last / 100)
        };
        // Alike: 10 % each. Zipf: 1 / 2.929 and a tenth of that. Steeper: 1 / 1.5498.
        assert_eq!(share(0).0, 10);
        assert_eq!(share(1).0, 34);
        assert_eq!(share(2).0, 64);
        assert_eq!(share(2).1, 6);
    }

    #[test]
    fn the_last_of_the_most_resources_is_still_wanted() {
        let skew = Skew::new(1 << 20, 2);
        let sums = &skew.sums[skew.sums.len() - 2..];
        assert!(sums[1] > sums[0] && sums[1] < 1 << 60);
    }
}
