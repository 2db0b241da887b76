//! Chance that is the same for ever: numbers drawn from a hash, not from a generator whose stream might
//! change with its next version.

use std::f64::consts::TAU;

/// A stream of random numbers, fixed by what it is for, a seed, and the tokens of a text.
pub struct Chance(blake3::OutputReader);

impl Chance {
    /// The stream of a purpose: BLAKE3 in its key-derivation mode with `purpose` as the context, over the
    /// seed (8 bytes) and the ids (4 bytes each), little-endian. Different purposes give unrelated streams.
    pub fn new(purpose: &str, seed: u64, ids: &[u32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(&seed.to_le_bytes());
        ids.iter().for_each(|id| {
            hasher.update(&id.to_le_bytes());
        });
        Chance(hasher.finalize_xof())
    }

    /// The next 64 bits, little-endian.
    fn bits(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Uniform in [0, 1): the upper 53 bits, which fill a double's mantissa exactly.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform among 0, …, `count` − 1: the upper half of 64 random bits times `count`.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// Standard normal, by Box and Muller: √(−2 ln(1 − u)) cos(2πv) of two uniform numbers u, v.
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.unit(), self.unit());
        (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
    }

    /// Goes on as if so many normal numbers had been drawn.
    pub fn skip_normals(&mut self, count: usize) {
        // Two numbers of eight bytes each.
        self.0.set_position(self.0.position() + 16 * count as u64);
    }

    /// 0, …, `count` − 1 in random order, by Fisher and Yates: from the last place down, each is exchanged
    /// with one at or below it.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for place in (1..count).rev() {
            order.swap(place, self.below(place + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_fixed_by_purpose_seed_and_text() {
        let first = |purpose: &str, seed: u64, ids: &[u32]| Chance::new(purpose, seed, ids).bits();
        assert_eq!(first("a", 1, &[2, 3]), first("a", 1, &[2, 3]));
        let others = [first("b", 1, &[2, 3]), first("a", 2, &[2, 3]), first("a", 1, &[2, 4])];
        assert!(!others.contains(&first("a", 1, &[2, 3])));
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut chance = Chance::new("test", 0, &[]);
        let numbers: Vec<f64> = (0..20_000).map(|_| chance.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / numbers.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn skipping_is_drawing_and_throwing_away() {
        let (mut drawn, mut skipped) = (Chance::new("test", 3, &[]), Chance::new("test", 3, &[]));
        (0..17).for_each(|_| {
            drawn.normal();
        });
        skipped.skip_normals(17);
        assert_eq!(drawn.normal(), skipped.normal());
    }

    #[test]
    fn every_order_of_three_comes_up_alike() {
        let mut chance = Chance::new("test", 0, &[]);
        let mut counts = std::collections::BTreeMap::<Vec<usize>, usize>::new();
        (0..6_000).for_each(|_| *counts.entry(chance.permutation(3)).or_default() += 1);
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
