//! Which method to believe on a model: how the explanations of many texts fare on the whole, method by method.
//!
//! Means over rows of the figures that [`crate::explain::faithfulness`] finds for each, with bootstrap intervals for which
//! rows are resampled: the same rows for all methods, so that what rows have in common cancels out of differences.
//! Definitions are in `docs/quality.md`.

mod judged;
mod tally;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;
use utoipa::ToSchema;

use super::predictions::{PredictionTally, is_right};
use super::resampling::Resampler;
use super::{Answers, Interval, Options, Predictions, Share};
use crate::explain::Passes;
pub use judged::{Agreed, JudgedRow, JudgedText, Judgement, Work};
use tally::{MethodTally, PairTally};

/// What intervals are drawn by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EvaluationOptions)]
pub struct Draws {
    /// Resamples behind every bootstrap interval: 100 to 10,000.
    #[schema(example = 1000, minimum = 100, maximum = 10000)]
    pub resamples: usize,
    /// What the resamples are drawn by.
    #[schema(example = 0, format = "uint64")]
    pub seed: u64,
}

/// The methods that are held against each other.
pub struct Contenders<'a> {
    /// Their ids; rows name them by their places here.
    pub ids: &'a [String],
    /// The passes that a method, by its place, usually takes for a text of so many tokens and so many classes; none
    /// where that is not known.
    pub expected: &'a dyn Fn(usize, usize, usize) -> Option<Passes>,
}

/// How methods fare on a set.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Rows that have an answer or a problem.
    #[schema(example = 691)]
    pub rows: u64,
    /// Those of them that have a problem. Nothing else is counted of them.
    #[schema(example = 0)]
    pub failed: u64,
    /// What the model says, and how often the dataset says the same.
    pub predictions: Predictions,
    /// The methods by their mean comprehensiveness, the highest first; equals in the order asked for.
    #[schema(example = json!([]))]
    pub leaderboard: Vec<MethodEvaluation>,
    /// How far every two methods agree, in the order asked for; empty for a single one.
    #[schema(example = json!([]))]
    pub agreement: Vec<MethodAgreement>,
}

/// How a method fares. Each row counts once; where several classes of it were explained, with their mean.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodEvaluation {
    /// The method's id.
    #[schema(example = "integrated_gradients")]
    pub method: String,
    /// Rows that it has explained.
    #[schema(example = 691)]
    pub rows: u64,
    /// How far the class's probability falls without the strongest parts. Higher is better; the order goes by this.
    pub comprehensiveness: FigureMean,
    /// How far that is behind the first method's; null for the first itself, and where either has none.
    #[schema(required)]
    pub behind_first: Option<Behind>,
    /// How far the probability falls with the strongest parts alone. Lower is better.
    pub sufficiency: FigureMean,
    /// As comprehensiveness, in log-odds. Higher is better.
    pub log_odds_drop: FigureMean,
    /// Kendall's τ_b between the scores and what the output falls without each part. Higher is better.
    pub leave_one_out_correlation: FigureMean,
    /// Comprehensiveness less that of random rankings. Higher is better.
    pub better_than_random_by: FigureMean,
    /// The rows in which that is above 0, of those in which it is defined; null if there are none.
    #[schema(required)]
    pub better_than_random: Option<Share>,
    /// What the scores of random sets of parts miss of the output's change without them. Lower is better.
    pub infidelity: FigureMean,
    /// How far the scores move when the text is moved a little. Lower is better: stable.
    pub max_sensitivity: FigureMean,
    /// Comprehensiveness where the model is right, and where it is wrong; null where the dataset has no labels, and
    /// for regressions.
    #[schema(required)]
    pub comprehensiveness_by_prediction: Option<RightAndWrong>,
    /// What its explanations take.
    pub cost: MethodCost,
}

/// The mean of a figure over rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FigureMean {
    /// The mean over the rows in which it is defined; null if there are none.
    #[schema(required, example = 0.4136)]
    pub mean: Option<f64>,
    /// The 95 % bootstrap interval of the mean, rows being resampled; null for fewer than two rows.
    #[schema(required)]
    pub interval: Option<Interval>,
    /// The rows in which it is defined.
    #[schema(example = 689)]
    pub rows: u64,
    /// The rows in which it is not.
    #[schema(example = 2)]
    pub missing: u64,
}

/// How far a method is behind the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Behind {
    /// The first method's mean comprehensiveness less its own, from 0.
    #[schema(example = 0.0213, minimum = 0)]
    pub mean: f64,
    /// The 95 % bootstrap interval of the difference, the same rows being resampled for both; null for fewer than two
    /// rows. Where it holds 0, the rows do not tell which of the two is better.
    #[schema(required)]
    pub interval: Option<Interval>,
}

/// A figure where the model says what the dataset does, and where it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RightAndWrong {
    /// Over the rows whose label the model predicts.
    pub right: FigureMean,
    /// Over the rows in which it predicts another one.
    pub wrong: FigureMean,
}

/// What the explanations of a method take, a row, all its classes together. No time: that is every machine's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodCost {
    /// What the method usually takes for texts of these lengths, beyond a text's own forward pass and without quality
    /// figures; null where the model is not served any more.
    #[schema(required)]
    pub expected: Option<MeanPasses>,
    /// What the explanations say that they took, in `convergence`; null for methods that do not say so.
    #[schema(required)]
    pub counted: Option<CountedWork>,
}

/// Passes of the network over a text, on average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanPasses {
    /// Forward passes.
    #[schema(example = 18.0, minimum = 0)]
    pub forwards: f64,
    /// Backward passes.
    #[schema(example = 17.0, minimum = 0)]
    pub backwards: f64,
}

/// What explanations say that they took, on average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountedWork {
    /// Rows that say so.
    #[schema(example = 691, minimum = 1)]
    pub rows: u64,
    /// Gradients.
    #[schema(example = 14.2, minimum = 0)]
    pub gradients: f64,
    /// Altered texts that were run forward alone.
    #[schema(example = 0.0, minimum = 0)]
    pub forwards: f64,
}

/// How far two methods agree, on average over rows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodAgreement {
    /// Both ids.
    #[schema(example = json!(["integrated_gradients", "saliency"]))]
    pub methods: [String; 2],
    /// Rows that both have explained.
    #[schema(example = 691)]
    pub rows: u64,
    /// The mean of Spearman's rank correlations, over the rows in which it is defined; null if there are none.
    #[schema(required, example = 0.7818, minimum = -1, maximum = 1)]
    pub spearman: Option<f64>,
    /// The rows in which the correlation is not defined.
    #[schema(example = 0)]
    pub missing: u64,
    /// The mean share of the five strongest parts that both have in common; null if there are no rows.
    #[schema(required, example = 0.8, minimum = 0, maximum = 1)]
    pub overlap: Option<f64>,
}

/// How methods fare on a set, which has a name for its resamples. Answers are gone through once: what is resampled is
/// nine means a method, however many rows there are.
///
/// # Errors
/// The answers cannot be read.
pub fn evaluate<A: Answers<JudgedRow> + ?Sized>(
    answers: &A,
    set: &[u8; 32],
    contenders: &Contenders<'_>,
    draws: &Draws,
) -> Result<Evaluation, A::Error> {
    let Draws { resamples, seed } = *draws;
    let resampler = Resampler::new(set, &Options { resamples, seed, ..Options::default() });
    let mut tally = Tally::of(contenders, resamples);
    let mut weights = Vec::new();
    answers.each(&mut |row| {
        if row.text.is_some() {
            resampler.weights(row.row, &mut weights);
        }
        tally.add(row, contenders, &weights);
        ControlFlow::Continue(())
    })?;
    Ok(tally.told(contenders.ids))
}

/// All that is counted.
struct Tally {
    rows: u64,
    failed: u64,
    predictions: PredictionTally,
    methods: Vec<MethodTally>,
    pairs: BTreeMap<[usize; 2], PairTally>,
}

impl Tally {
    fn of(contenders: &Contenders<'_>, resamples: usize) -> Self {
        let methods = contenders.ids.len();
        let pairs = (0..methods).flat_map(|one| (one + 1..methods).map(move |other| [one, other]));
        Tally {
            rows: 0,
            failed: 0,
            predictions: PredictionTally::default(),
            methods: (0..methods).map(|_| MethodTally::new(resamples)).collect(),
            pairs: pairs.map(|pair| (pair, PairTally::default())).collect(),
        }
    }

    fn add(&mut self, row: &JudgedRow, contenders: &Contenders<'_>, weights: &[u8]) {
        self.rows += 1;
        let Some(text) = &row.text else {
            self.failed += 1;
            return;
        };
        let label = row.label.as_deref();
        self.predictions.add(&text.prediction, label);
        let is_right = label.and_then(|label| is_right(&text.prediction, label));
        for (place, (tally, judgement)) in self.methods.iter_mut().zip(&text.judgements).enumerate() {
            let Some(judgement) = judgement else { continue };
            let expected = (contenders.expected)(place, text.tokens, judgement.classes);
            tally.add(judgement, is_right, expected, weights);
        }
        for agreed in &text.agreements {
            self.pairs.entry(agreed.methods).or_default().add(agreed);
        }
    }

    fn told(&self, ids: &[String]) -> Evaluation {
        let predictions = self.predictions.told();
        let has_labels = predictions.agreement.is_some();
        let mut ranked: Vec<(&String, &MethodTally)> = ids.iter().zip(&self.methods).collect();
        // Equals stay in the order asked for.
        ranked.sort_by(|(_, one), (_, other)| {
            highest_first(one.comprehensiveness().mean(), other.comprehensiveness().mean())
        });
        let first = ranked.first().map(|(_, tally)| *tally);
        let told = ranked
            .iter()
            .enumerate()
            .map(|(place, (id, tally))| tally.told(id, first.filter(|_| place > 0), has_labels));
        let pair = |([one, other], tally): (&[usize; 2], &PairTally)| {
            Some(tally.told([ids.get(*one)?, ids.get(*other)?]))
        };
        Evaluation {
            rows: self.rows,
            failed: self.failed,
            leaderboard: told.collect(),
            agreement: self.pairs.iter().filter_map(pair).collect(),
            predictions,
        }
    }
}

/// What there is none of comes last.
fn highest_first(one: Option<f64>, other: Option<f64>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => other.total_cmp(&one),
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}
