//! Whether a direction depends on which examples it was learnt from.

use super::learner::{Fitting, Part, Plane, Span, fit};
use super::{ConceptError, Examples};
use crate::explain::chance::Chance;

/// Cosines between a direction and those of resampled examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stability {
    /// Their mean, −1 to 1: near 1 where the direction is that of the concept and not of single examples.
    pub mean_cosine: f64,
    /// The least of them.
    pub least_cosine: f64,
    /// Resamples behind both.
    pub repeats: usize,
}

/// Learns the direction again from `repeats` bootstrap resamples, 10 by default: each has as many texts of each side,
/// drawn with replacement. A resample whose sides do not differ has cosine 0.
///
/// # Errors
/// As [`fit`]; no repeats at all.
pub fn stability(
    examples: &Examples,
    fitting: &Fitting,
    repeats: usize,
    seed: u64,
) -> Result<Stability, ConceptError> {
    if repeats == 0 {
        return Err(ConceptError::Setting { setting: "repeats", fault: "must be at least 1" });
    }
    let whole = fit(fitting, examples)?;
    let span = Span::new(examples)?;
    let mut chance = Chance::new("explaind concept stability v1", seed, &[]);
    let cosines = (0..repeats).map(|_| {
        let part = Part::new(&span, &resample(&mut chance, &examples.is_concept), &examples.is_concept)?;
        match Plane::fit(fitting, &part) {
            Ok(plane) => Ok(cosine(&whole.vector, &plane.weights)),
            Err(ConceptError::NoDifference) => Ok(0.0),
            Err(error) => Err(error),
        }
    });
    let cosines = cosines.collect::<Result<Vec<f64>, _>>()?;
    Ok(Stability {
        mean_cosine: cosines.iter().sum::<f64>() / repeats as f64,
        least_cosine: cosines.iter().copied().fold(f64::INFINITY, f64::min),
        repeats,
    })
}

/// As many texts of each side as there are, with replacement: first those against the concept.
fn resample(chance: &mut Chance, is_concept: &[bool]) -> Vec<usize> {
    let mut drawn = Vec::with_capacity(is_concept.len());
    for side in [false, true] {
        let texts: Vec<usize> = (0..is_concept.len()).filter(|text| is_concept[*text] == side).collect();
        drawn.extend(texts.iter().map(|_| texts[chance.below(texts.len())]));
    }
    drawn
}

/// The cosine of the angle between two vectors of the same length, −1 to 1; 0 where either is 0.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let inner = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(x, y)| x * y).sum::<f64>();
    let lengths = (inner(a, a) * inner(b, b)).sqrt();
    match lengths > 0.0 {
        // Rounding may carry it past the ends.
        true => (inner(a, b) / lengths).clamp(-1.0, 1.0),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::concept::learner::Learner;
    use crate::explain::concept::planted::Plan;

    const PLAN: Plan = Plan { texts: 15, rows: 1, hidden: 20, apart: 0.0, seed: 7 };

    #[test]
    fn a_direction_that_is_there_is_more_stable_than_one_that_is_not() {
        for learner in [Learner::Logistic, Learner::Ridge, Learner::DifferenceOfMeans] {
            let fitting = Fitting { learner, ..Fitting::default() };
            let of = |apart| stability(&Plan { apart, ..PLAN }.examples(), &fitting, 10, 0).unwrap();
            let (there, absent) = (of(12.0), of(0.0));
            assert!(
                there.mean_cosine > 0.8 && there.mean_cosine > absent.mean_cosine,
                "{there:?} {absent:?}"
            );
            assert!(there.least_cosine <= there.mean_cosine && there.repeats == 10);
        }
    }

    #[test]
    fn the_seed_fixes_the_resamples() {
        let examples = PLAN.examples();
        let of = |seed| stability(&examples, &Fitting::default(), 5, seed).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn no_repeats_say_nothing() {
        let error = stability(&PLAN.examples(), &Fitting::default(), 0, 0).unwrap_err();
        assert_eq!(error.to_string(), "`repeats` must be at least 1");
    }

    #[test]
    fn cosines_stay_within_their_range_and_nothing_has_none() {
        assert_eq!(cosine(&[1.0, 0.0], &[2.0, 0.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 3.0]), 0.0);
        assert_eq!(cosine(&[1.0, 2.0], &[-2.0, -4.0]), -1.0);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
    }
}
