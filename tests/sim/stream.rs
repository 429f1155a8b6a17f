//! Chance by index.
//!
//! What the world itself leaves to chance, such as the time that the n-th message takes, is drawn by number and not in turn: a
//! fault that is left out then shifts no other's draws, and a failing schedule can be made smaller.

/// A stream of draws, each had by its index.
#[derive(Clone, Copy, Debug)]
pub struct Stream(u64);

impl Stream {
    /// The stream of a seed for one concern.
    pub fn new(seed: u64, concern: &str) -> Self {
        Self(mix(seed ^ hash(concern.as_bytes())))
    }

    /// The draw at this index.
    pub const fn at(self, index: u64) -> u64 {
        mix(self.0 ^ mix(index))
    }

    /// The draw at this index, below a bound; 0 where the bound is 0.
    pub fn below(self, index: u64, bound: u64) -> u64 {
        self.at(index).checked_rem(bound).unwrap_or(0)
    }
}

/// The finalizer of `SplitMix64`: every bit of the result depends on every bit of the number.
pub const fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A number for some bytes (FNV-1a).
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
