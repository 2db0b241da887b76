//! What a fresh learner finds of a concept in texts that neither it nor the eraser was fitted to.
//!
//! In each fold the eraser is fitted to the training texts alone, as the learner is. One that knows the held-out texts has
//! made both sides' means the same over all of them, so that the training texts' lean to one side is the held-out ones'
//! lean to the other: they would be told wrong more often than by chance.

use std::sync::Arc;

use super::{Eraser, Erasure, INLP_ROUNDS, Means, inlp, leace, nullspace};
use crate::explain::Crew;
use crate::explain::chance::Chance;
use crate::explain::concept::learner::{Fitted, Fitting, Learner, fit};
use crate::explain::concept::validation::{
    Null, OUTER, apart, balanced, deal, interval, labels, of_fit, of_span, right, spread,
};
use crate::explain::concept::{ConceptError, Examples};
use crate::model::Matrix;

/// How a concept is taken out of texts by what others have taught.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refit {
    /// The way.
    pub erasure: Erasure,
    /// How the concept's own directions are learnt, for `nullspace` and `inlp`.
    pub fitting: Fitting,
}

impl Refit {
    /// # Errors
    /// As those of the three ways.
    fn eraser(&self, training: &Examples) -> Result<Eraser, ConceptError> {
        let direction = |examples: &Examples| fit(&self.fitting, examples).map(|fitted| fitted.vector);
        match self.erasure {
            Erasure::Nullspace => {
                let vector: Vec<f32> = direction(training)?.iter().map(|value| *value as f32).collect();
                Ok(nullspace(&vector))
            }
            Erasure::Inlp => inlp(training, INLP_ROUNDS, direction),
            Erasure::Leace => leace(training),
        }
    }
}

/// How thoroughly it is looked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probing {
    /// Parts of the texts that are held out in turn, from 2.
    pub folds: usize,
    /// Shuffles of the labels behind the null distribution, from 1.
    pub permutations: usize,
    /// Resamples behind the interval, from 1.
    pub resamples: usize,
    /// What all chance comes from.
    pub seed: u64,
}

impl Default for Probing {
    fn default() -> Self {
        Probing { folds: 5, permutations: 19, resamples: 1000, seed: 0 }
    }
}

/// How well held-out texts are told apart. Every accuracy is balanced, the mean of the shares of examples and of
/// counter-examples that are told right: 0.5 is chance. A text of several rows votes by the mean of their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// Of all texts. 0 to 1.
    pub accuracy: f64,
    /// The 95 % bootstrap interval of `accuracy`, the texts of each side being resampled.
    pub interval: (f64, f64),
    /// The accuracy in each fold.
    pub fold_accuracies: Vec<f64>,
    /// The same where labels were shuffled before anything was fitted, the eraser included.
    pub null: Null,
}

/// Probes for a concept in its examples' states without it, or as they are where there is no `refit`.
///
/// In each fold the eraser is fitted to the training texts, and so is a fresh logistic regression (C = 1) to what it leaves
/// of them; both then meet the held-out texts. Where the erased training texts' means are the same but for rounding, the
/// best plane tells nothing apart and each held-out text counts half: so it is after [`leace()`]. Each fold under each shuffle
/// is a task of the crew. What comes out does not depend on how many run at a time.
///
/// # Errors
/// Settings that cannot be met; fewer texts on a side than folds; states that are not finite; numbers so large that no
/// direction comes out; [`ConceptError::CalledOff`].
pub fn probe(
    examples: Arc<Examples>,
    refit: Option<Refit>,
    asked: &Probing,
    crew: &dyn Crew,
) -> Result<Probed, ConceptError> {
    check(&examples, refit.as_ref(), asked)?;
    let (folds, probing) = (asked.folds, *asked);
    let runs = (0..=asked.permutations).flat_map(|run| (0..folds).map(move |fold| (run, fold))).collect();
    let held = spread(crew, runs, move |(run, fold)| {
        let labels = labels(&examples.is_concept, probing.seed, run);
        let all: Vec<usize> = (0..labels.len()).collect();
        let chance = Chance::new(OUTER, probing.seed, &[run as u32]);
        let (held, training) = apart(&all, &deal(chance, &all, &labels, folds), fold);
        told(some(&examples, &training, &labels), some(&examples, &held, &labels), refit.as_ref())
    })?;
    let accuracies: Vec<f64> =
        held.chunks(folds).map(|run| balanced(run.iter().flatten().copied())).collect();
    let (seen, null) = (accuracies[0], &accuracies[1..]);
    let right: Vec<(bool, f64)> = held[..folds].iter().flatten().copied().collect();
    Ok(Probed {
        accuracy: seen,
        interval: interval(&right, asked.resamples, asked.seed),
        fold_accuracies: held[..folds].iter().map(|fold| balanced(fold.iter().copied())).collect(),
        null: Null::of(seen, null),
    })
}

/// Floating-point operations of [`probe`], roughly: for `texts` texts with `rows` rows in all, of so many hidden units.
pub fn work(texts: usize, rows: usize, hidden: usize, refit: Option<&Refit>, asked: &Probing) -> f64 {
    let [texts, rows, width, folds] = [texts, rows, hidden, asked.folds].map(|count| count as f64);
    let training = rows * (1.0 - 1.0 / folds);
    let by_products = training <= width;
    let learning =
        |learner| of_span(training, width, by_products) + of_fit(training, width, learner, by_products);
    let moving = 4.0 * rows * width;
    let erasing = refit.map_or(0.0, |refit| match refit.erasure {
        Erasure::Nullspace => learning(refit.fitting.learner) + moving,
        Erasure::Inlp => {
            let rounds = INLP_ROUNDS as f64;
            // All directions so far are taken out again in every round.
            rounds * learning(refit.fitting.learner) + rounds * (rounds + 1.0) / 2.0 * moving
        }
        Erasure::Leace => {
            let (short, long) = (training.min(width), training.max(width));
            2.0 * short.powi(2) * long + short.powi(3) / 3.0 + moving
        }
    });
    let runs = (asked.permutations + 1) as f64;
    runs * folds * (erasing + learning(Learner::Logistic)) + asked.resamples as f64 * texts
}

/// # Errors
/// What cannot be probed.
fn check(examples: &Examples, refit: Option<&Refit>, asked: &Probing) -> Result<(), ConceptError> {
    refit.map_or(Ok(()), |refit| refit.fitting.check())?;
    let settings = [
        ("folds", asked.folds, 2, "must be at least 2"),
        ("permutations", asked.permutations, 1, "must be at least 1"),
        ("resamples", asked.resamples, 1, "must be at least 1"),
    ];
    for (setting, value, least, fault) in settings {
        if value < least {
            return Err(ConceptError::Setting { setting, fault });
        }
    }
    let of_concept = examples.is_concept.iter().filter(|is_concept| **is_concept).count();
    let sides = [
        ("of the concept there are only", of_concept),
        ("against the concept there are only", examples.is_concept.len() - of_concept),
    ];
    match sides.into_iter().find(|(_, count)| *count < asked.folds) {
        Some((side, count)) => Err(ConceptError::TooFew { side, count, needed: asked.folds }),
        None => Ok(()),
    }
}

/// These texts of the examples, with these labels.
fn some(examples: &Examples, texts: &[usize], labels: &[bool]) -> Examples {
    let mut places = vec![None; labels.len()];
    texts.iter().enumerate().for_each(|(place, text)| places[*text] = Some(place));
    let mut chosen = Examples {
        rows: Matrix { values: Vec::new(), width: examples.rows.width },
        texts: Vec::new(),
        is_concept: texts.iter().map(|text| labels[*text]).collect(),
    };
    for (row, text) in examples.rows.iter().zip(&examples.texts) {
        if let Some(place) = places[*text] {
            chosen.rows.values.extend_from_slice(row);
            chosen.texts.push(place);
        }
    }
    chosen
}

/// The side of each held-out text, and how right it is told by what the training texts have taught.
fn told(
    mut training: Examples,
    mut held: Examples,
    refit: Option<&Refit>,
) -> Result<Vec<(bool, f64)>, ConceptError> {
    let votes = match learnt(&mut training, &mut held, refit) {
        Ok(fitted) => votes(&held, &fitted),
        Err(ConceptError::NoDifference) => vec![0.0; held.is_concept.len()],
        Err(error) => return Err(error),
    };
    Ok(held.is_concept.iter().zip(votes).map(|(side, vote)| (*side, right(vote, *side))).collect())
}

/// Takes the concept out of both, and learns what is left of it in the first.
fn learnt(
    training: &mut Examples,
    held: &mut Examples,
    refit: Option<&Refit>,
) -> Result<Fitted, ConceptError> {
    if let Some(refit) = refit {
        let eraser = refit.eraser(training)?;
        eraser.apply(&mut training.rows);
        eraser.apply(&mut held.rows);
    }
    // Where the means are the same the best plane is none, and what a learner finds is the rounding of single precision.
    Means::of(training)?;
    fit(&Fitting::default(), training)
}

/// On which side of the plane each text is, and how far: the mean over its rows.
fn votes(examples: &Examples, fitted: &Fitted) -> Vec<f64> {
    let mut sums = vec![(0.0, 0usize); examples.is_concept.len()];
    for (row, text) in examples.rows.iter().zip(&examples.texts) {
        let along: f64 = row.iter().zip(&fitted.vector).map(|(value, v)| f64::from(*value) * v).sum();
        let (sum, count) = &mut sums[*text];
        *sum += along;
        *count += 1;
    }
    sums.into_iter().map(|(sum, count)| sum / count as f64 + fitted.intercept).collect()
}

#[cfg(test)]
mod tests;
