//! Chance from a seed: the same seed gives the same draws on every machine.
//!
//! Each concern draws from a stream of its own, so that one more draw of one doesn't shift those of another: a schedule that
//! is made shorter stays the same schedule in all else.

use std::ops::RangeInclusive;

/// A stream of draws: `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of a seed for one concern, by name: `["pod", task, attempt]`.
    pub fn stream(seed: u64, concern: &[&str]) -> Self {
        // FNV-1a; a byte that no UTF-8 has keeps the parts apart.
        let bytes = concern.iter().flat_map(|part| part.bytes().chain([0xff]));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mix(seed) ^ hash)
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number under `bound`, which is at least 1. The bias of the remainder is under 2⁻³² for bounds under 2³².
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// A number of a range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of some, which are at least one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let place = self.below(u64::try_from(of.len()).expect("a length fits"));
        &of[usize::try_from(place).expect("a place fits")]
    }
}

/// The finalizer of `SplitMix64`: a bijection that spreads every bit.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draws_are_those_of_the_published_generator() {
        // The first outputs of the reference implementation (splitmix64.c by Vigna) for the seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(
            [rng.draw(), rng.draw(), rng.draw()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn a_stream_depends_on_its_name_alone() {
        let first = |name: &[&str]| Rng::stream(7, name).draw();
        assert_eq!(first(&["pod", "a", "1"]), first(&["pod", "a", "1"]));
        assert_ne!(first(&["pod", "a", "1"]), first(&["pod", "a", "2"]));
        assert_ne!(first(&["pod", "a", "1"]), first(&["pod", "a1"]), "the border between parts counts");
        assert_ne!(Rng::stream(7, &["pod"]).draw(), Rng::stream(8, &["pod"]).draw());
    }

    #[test]
    fn draws_stay_in_their_range_and_reach_all_of_it() {
        let mut rng = Rng::new(1);
        let mut seen = [0_u32; 3];
        for _ in 0..300 {
            let number = rng.within(5..=7);
            seen[usize::try_from(number - 5).expect("in range")] += 1;
        }
        assert!(seen.iter().all(|times| *times > 50), "{seen:?}");
        assert!((0..100).all(|_| !rng.chance(0)) && (0..100).all(|_| rng.chance(100)));
        assert_eq!(rng.pick(&["only"]), &"only");
    }
}
