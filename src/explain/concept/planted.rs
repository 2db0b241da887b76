//! Examples by chance, for tests, with a concept planted in them or none.

use super::Examples;
use crate::explain::chance::Chance;
use crate::model::Matrix;

/// What examples are drawn like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Texts of each side.
    pub texts: usize,
    /// Rows of each text.
    pub rows: usize,
    /// Hidden units.
    pub hidden: usize,
    /// How far apart the sides are, along the first unit, in standard deviations.
    pub apart: f64,
    /// What they are drawn from.
    pub seed: u64,
}

impl Plan {
    /// Texts in turn of and against the concept; normal numbers around 3 with variance 1.
    pub fn examples(self) -> Examples {
        let mut chance = Chance::new("planted concept", self.seed, &[]);
        let texts: Vec<usize> = (0..2 * self.texts).flat_map(|text| vec![text; self.rows]).collect();
        let mut values = Vec::new();
        for text in &texts {
            let side = if text % 2 == 0 { 0.5 } else { -0.5 };
            let shift = |unit: usize| if unit == 0 { side * self.apart } else { 0.0 };
            values.extend((0..self.hidden).map(|unit| (3.0 + shift(unit) + chance.normal()) as f32));
        }
        let is_concept = (0..2 * self.texts).map(|text| text % 2 == 0).collect();
        Examples { rows: Matrix { values, width: self.hidden }, texts, is_concept }
    }
}
