//! Random numbers: portable streams that follow from a seed and from what they are for.

use rand::SeedableRng;

/// The generator of everything in Gedanken: ChaCha8, the same numbers on every machine.
pub type Rng = rand_chacha::ChaCha8Rng;

/// A seed of its own for each purpose: the same `(seed, path)` always, and another path another stream.
///
/// Mixes with the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
pub fn derive_seed(seed: u64, path: &[u64]) -> u64 {
    path.iter().fold(mix(seed ^ 0x9e37_79b9_7f4a_7c15), |state, &part| {
        mix(state ^ mix(part.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    })
}

/// The generator for `(seed, path)`.
pub fn rng(seed: u64, path: &[u64]) -> Rng {
    Rng::seed_from_u64(derive_seed(seed, path))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
