//! States without what a learner finds, nor what it finds then, and so on.

use super::{Eraser, Means};
use crate::explain::concept::{ConceptError, Examples};

/// What is left of a unit vector, beyond those before it, that is only rounding.
const NOTHING_NEW: f64 = 1e-4;

/// Iterative nullspace projection: `fit` learns a direction (a unit vector, `[hidden]`) from the examples, it is projected
/// out of them, and so on for at most so many rounds. The eraser projects out all that was found.
///
/// It stops early once the examples' means are the same but for rounding, or `fit` finds no difference or nothing new. No
/// rounds erase nothing.
///
/// Source: Ravfogel et al. 2020, "Null it out", arXiv:2004.07667, algorithm 1.
///
/// # Errors
/// Examples that do not differ to begin with; what else `fit` refuses.
pub fn inlp(
    examples: &Examples,
    rounds: usize,
    mut fit: impl FnMut(&Examples) -> Result<Vec<f64>, ConceptError>,
) -> Result<Eraser, ConceptError> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut eraser = Eraser::orthogonal(Vec::new(), examples.rows.width);
    let mut left = examples.clone();
    for _ in 0..rounds {
        let direction = match Means::of(&left).and_then(|_| fit(&left)) {
            Err(ConceptError::NoDifference) if !basis.is_empty() => break,
            found => found?,
        };
        let Some(new) = beyond(&basis, direction) else { break };
        basis.push(new);
        let single = |vector: &Vec<f64>| vector.iter().map(|value| *value as f32).collect();
        eraser = Eraser::orthogonal(basis.iter().map(single).collect(), examples.rows.width);
        // From the states as they came, so that rounding does not add up.
        left.rows.clone_from(&examples.rows);
        eraser.apply(&mut left.rows);
    }
    Ok(eraser)
}

/// The unit vector along what a direction adds to an orthonormal basis; none where it adds nothing.
fn beyond(basis: &[Vec<f64>], mut direction: Vec<f64>) -> Option<Vec<f64>> {
    // Twice is enough (Kahan; Parlett, The Symmetric Eigenvalue Problem, section 6.9).
    for _ in 0..2 {
        for known in basis {
            let much = product(known, &direction);
            direction.iter_mut().zip(known).for_each(|(value, known)| *value -= much * known);
        }
    }
    let length = product(&direction, &direction).sqrt();
    (length > NOTHING_NEW).then(|| direction.iter().map(|value| value / length).collect())
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
