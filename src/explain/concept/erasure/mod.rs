//! States without a concept: what a text would be to the model if it did not say that.
//!
//! [`nullspace()`] takes out one direction, and a learner may find the concept again in others; [`inlp()`] goes on taking out
//! what the learner finds; [`leace()`] takes out all that any linear learner could find on the examples, and moves the
//! states as little as that allows. What each leaves to be found in texts that it was not fitted to is told by [`probe`].

mod inlp;
mod leace;
mod nullspace;
pub mod probe;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use inlp::inlp;
pub use leace::leace;
pub use nullspace::nullspace;

use super::{ConceptError, Examples};
use crate::model::Matrix;

/// Directions that iterative nullspace projection takes out of a concept's examples, at most.
pub const INLP_ROUNDS: usize = 8;

/// A difference between two means, as a share of the length of a typical state, that is only rounding: states are single
/// precision.
const ROUNDING: f64 = 1e-6;

/// How a concept is taken out of a state: `nullspace`, without its direction; `inlp`, without the directions that a
/// learner finds one after the other; `leace`, with the least change after which no linear learner finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "leace")]
pub enum Erasure {
    /// Projection along the concept's direction.
    Nullspace,
    /// Iterative nullspace projection.
    Inlp,
    /// Least-squares concept erasure.
    Leace,
}

impl Erasure {
    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Erasure::Nullspace => "nullspace",
            Erasure::Inlp => "inlp",
            Erasure::Leace => "leace",
        }
    }
}

/// h′ = h − Σ_k write_k ⟨read_k, h − centre⟩: a state without a concept. Erasing twice is erasing once, but for rounding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eraser {
    /// What tells how much there is to take out, `[rank, hidden]`.
    pub read: Vec<Vec<f32>>,
    /// What is taken out, `[rank, hidden]`.
    pub write: Vec<Vec<f32>>,
    /// The states that stay as they are: this one and those that nothing is read from, `[hidden]`.
    pub centre: Vec<f32>,
}

impl Eraser {
    /// The projection onto all that is orthogonal to these orthonormal vectors, each `[hidden]`.
    fn orthogonal(basis: Vec<Vec<f32>>, hidden: usize) -> Self {
        Eraser { read: basis.clone(), write: basis, centre: vec![0.0; hidden] }
    }

    /// Dimensions that it takes out.
    pub fn rank(&self) -> usize {
        self.read.len()
    }

    /// Takes the concept out of each row; rows are as wide as the eraser's vectors.
    pub fn apply(&self, rows: &mut Matrix) {
        let width = rows.width.max(1);
        let mut moved = vec![0.0; width];
        for row in rows.values.chunks_exact_mut(width) {
            moved.iter_mut().zip(&*row).for_each(|(moved, value)| *moved = f64::from(*value));
            // All are read from the state as it came.
            for (read, write) in self.read.iter().zip(&self.write) {
                let distances = row.iter().zip(&self.centre).map(|(h, c)| f64::from(*h) - f64::from(*c));
                let much: f64 =
                    read.iter().zip(distances).map(|(r, distance)| f64::from(*r) * distance).sum();
                moved.iter_mut().zip(write).for_each(|(moved, w)| *moved -= much * f64::from(*w));
            }
            row.iter_mut().zip(&moved).for_each(|(value, moved)| *value = *moved as f32);
        }
    }
}

/// What examples are apart, and from where.
struct Means {
    /// The mean of all rows, a text counting as one.
    overall: Vec<f64>,
    /// The mean of the concept's rows less that of the others.
    difference: Vec<f64>,
}

impl Means {
    /// # Errors
    /// Examples of one side only, states that are not finite, and means that are the same but for rounding.
    fn of(examples: &Examples) -> Result<Self, ConceptError> {
        let weights = weights(examples);
        let hidden = examples.rows.width;
        let (mut concept, mut others) = (vec![0.0; hidden], vec![0.0; hidden]);
        let (mut of_concept, mut of_others, mut squares) = (0.0, 0.0, 0.0);
        for ((row, text), weight) in examples.rows.iter().zip(&examples.texts).zip(&weights) {
            let (sums, total) = match examples.is_concept[*text] {
                true => (&mut concept, &mut of_concept),
                false => (&mut others, &mut of_others),
            };
            *total += weight;
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * f64::from(*value));
            squares += weight * row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        }
        for (side, total) in [("there are only", of_concept), ("the counter-examples are only", of_others)] {
            if total == 0.0 {
                return Err(ConceptError::TooFew { side, count: 0, needed: 1 });
            }
        }
        let apart = concept.iter().zip(&others).map(|(a, b)| a / of_concept - b / of_others);
        let means = Means {
            difference: apart.collect(),
            overall: concept.iter().zip(&others).map(|(a, b)| a + b).collect(),
        };
        let length = means.difference.iter().map(|value| value * value).sum::<f64>().sqrt();
        if !squares.is_finite() {
            return Err(ConceptError::NotFinite);
        }
        match length > ROUNDING * squares.sqrt() {
            true => Ok(means),
            false => Err(ConceptError::NoDifference),
        }
    }
}

/// The weight of each row: all of a text's together weigh what those of any other do, and all of them 1.
fn weights(examples: &Examples) -> Vec<f64> {
    let mut rows = vec![0_usize; examples.is_concept.len()];
    examples.texts.iter().for_each(|text| rows[*text] += 1);
    let texts = rows.len() as f64;
    examples.texts.iter().map(|text| 1.0 / (rows[*text] as f64 * texts)).collect()
}
