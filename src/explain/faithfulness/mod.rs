//! How far to trust an explanation: figures that hold its scores against what the model does when the parts that
//! they speak of are taken out, when the text is moved a little, and when what stands for nothing is another.
//!
//! Formulas, ranges and sources are in `docs/quality.md`.

pub mod agreement;
pub mod band;
pub mod control;
pub mod erasure;
pub mod infidelity;
pub mod leave_one_out;
pub mod rank;
pub mod sensitivity;
#[cfg(test)]
mod tests;
mod worths;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::attribution::perturbation::game::{Game, Players};
use super::attribution::perturbation::replacement::Replacement;
use super::cost::{Cost, Passes};
use super::granularity::Granularity;
use super::method::{Attribution, Configured, ExplainError};
use super::output::Output;
use super::subject::Subject;
use crate::model::Model;
use band::Band;
use erasure::{comprehensiveness, ranking};
use worths::Worths;

/// How much is asked of the model to judge an explanation: `fast` (what the ten texts do in which the strongest parts
/// are taken out, or left alone) or `full` (also every part by itself, chance, small moves, and other baselines).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QualityLevel, example = "fast")]
pub enum Depth {
    /// Erasure of the strongest parts: at most ten forward passes.
    Fast,
    /// All figures.
    Full,
}

/// How far to trust the scores of one attribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// How far the class's probability falls without the strongest parts, on average over [`erasure::SHARES`]; for
    /// regression, how far the value does. −1 to 1, for regression any number; higher is better.
    pub comprehensiveness: f64,
    /// How far it falls with the strongest parts alone. −1 to 1, for regression any number; lower is better.
    pub sufficiency: f64,
    /// What [`Depth::Full`] adds.
    pub full: Option<FullQuality>,
}

/// What [`Depth::Full`] adds.
#[derive(Debug, Clone, PartialEq)]
pub struct FullQuality {
    /// As comprehensiveness, in log-odds; for regression, the same number.
    pub log_odds_drop: f64,
    /// Kendall's τ_b of the scores with what the output loses without each part, −1 to 1; none for one part, or where
    /// all of either are equal.
    pub leave_one_out_correlation: Option<f64>,
    /// The mean comprehensiveness of rankings by chance.
    pub random_comprehensiveness: f64,
    /// Comprehensiveness less that; none for a text of one part, which has one ranking.
    pub better_than_random_by: Option<f64>,
    /// The mean square of what the scores of random parts miss of the output's change without them, from 0; none
    /// where scores are not measured in an output.
    pub infidelity: Option<f64>,
    /// The most that the scores changed, as a share of their own length, when the text was moved a little, from 0;
    /// none where all scores are 0.
    pub max_sensitivity: Option<f64>,
    /// The scores' range over baselines; none for methods that choose none.
    pub baseline_band: Option<Band>,
}

impl Depth {
    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Depth::Fast => "fast",
            Depth::Full => "full",
        }
    }
}

/// The class whose output an attribution is held against.
fn class_of(attribution: &Attribution, subject: &Subject) -> usize {
    attribution.class.unwrap_or_else(|| subject.prediction().predicted_classes()[0])
}

/// The classes of attributions, as a method is asked for them.
fn classes(subject: &Subject, attributions: &[Attribution]) -> Vec<usize> {
    attributions.iter().map(|attribution| class_of(attribution, subject)).collect()
}

/// What stands in place of parts that are taken out: the mask token, or the first of the others that the model has.
fn replacement(model: &Model) -> Replacement {
    let had = Replacement::ALL.into_iter().find(|replacement| replacement.check(model).is_ok());
    had.unwrap_or(Replacement::Delete)
}

/// Probability and log-odds, or twice the logit where a model has no probabilities.
fn outputs(model: &Model) -> (Output, Output) {
    match Output::LogOdds.check(model) {
        Ok(()) => (Output::Probability, Output::LogOdds),
        Err(_) => (Output::Logit, Output::Logit),
    }
}

/// The sum of the scores of each part's tokens.
fn of_players(players: &Players, token_scores: &[f64]) -> Vec<f64> {
    let of = |player: usize| players.tokens(player).iter().map(|token| token_scores[*token]).sum();
    (0..players.len()).map(of).collect()
}

/// An attribution as it is judged.
struct Judged {
    class: usize,
    output: Option<Output>,
    /// Of each player.
    scores: Vec<f64>,
    ranking: Vec<usize>,
}

/// The quality of each attribution that `configured` has given for a text, in order. The parts of the text are its
/// units of `granularity` that have tokens; special tokens are none and always stay. `seed` is that of the
/// explanation: it also draws what is drawn here.
///
/// # Errors
/// As [`Configured::attribute`]; [`ExplainError::NotFinite`] where a figure would be no finite number.
pub fn qualities(
    depth: Depth,
    configured: &dyn Configured,
    subject: &Subject,
    granularity: Granularity,
    attributions: &[Attribution],
    seed: u64,
) -> Result<Vec<Quality>, ExplainError> {
    let game = Game::new(subject, granularity, replacement(subject.model()))?;
    let judged: Vec<Judged> = attributions
        .iter()
        .map(|attribution| {
            let scores = of_players(game.players(), &attribution.scores);
            let ranking = ranking(&scores);
            Judged { class: class_of(attribution, subject), output: attribution.output, scores, ranking }
        })
        .collect();
    let mut worths = Worths::of(game);
    worths.learn(judged.iter().flat_map(|judged| erasure::coalitions(&judged.ranking)))?;
    let (likelihood, _) = outputs(subject.model());
    let mut qualities = Vec::with_capacity(judged.len());
    for Judged { class, ranking, .. } in &judged {
        let mut value = |coalitions| worths.values(coalitions, likelihood, *class);
        let whole = subject.output(likelihood, *class);
        let comprehensiveness = comprehensiveness(whole, &value(erasure::without_strongest(ranking))?);
        let sufficiency = erasure::sufficiency(whole, &value(erasure::only_strongest(ranking))?);
        qualities.push(Quality { comprehensiveness, sufficiency, full: None });
    }
    if depth == Depth::Full {
        let draws = Draws::new(subject, worths.players(), seed);
        let needed = leave_one_out::coalitions(worths.players()).into_iter().chain(draws.coalitions());
        worths.learn(needed)?;
        let sensitivities = sensitivity::of(configured, subject, granularity, attributions, seed)?;
        let bands = band::of(configured, subject, granularity, attributions, seed)?;
        let rest = judged.iter().zip(sensitivities).zip(bands);
        for (quality, ((judged, sensitivity), band)) in qualities.iter_mut().zip(rest) {
            let figures = full(judged, quality.comprehensiveness, &draws, &mut worths)?;
            quality.full = Some(FullQuality { max_sensitivity: sensitivity, baseline_band: band, ..figures });
        }
    }
    match qualities.iter().all(Quality::is_finite) {
        true => Ok(qualities),
        false => Err(ExplainError::NotFinite),
    }
}

/// What is drawn for a text, the same for each of its attributions.
struct Draws {
    rankings: Vec<Vec<usize>>,
    subsets: Vec<Vec<usize>>,
}

impl Draws {
    fn new(subject: &Subject, players: usize, seed: u64) -> Self {
        let ids = &subject.text().ids;
        Draws {
            rankings: control::rankings(players, seed, ids),
            subsets: infidelity::subsets(players, seed, ids),
        }
    }

    fn coalitions(&self) -> impl Iterator<Item = Vec<bool>> {
        let players = self.rankings[0].len();
        let erased = self.rankings.iter().flat_map(|ranking| erasure::without_strongest(ranking));
        erased.chain(self.subsets.iter().map(move |subset| erasure::without(players, subset)))
    }
}

/// The figures of [`Depth::Full`] that are read off altered texts.
fn full(
    judged: &Judged,
    comprehensiveness_of_scores: f64,
    draws: &Draws,
    worths: &mut Worths,
) -> Result<FullQuality, ExplainError> {
    let Judged { class, output, scores, ranking } = judged;
    let (players, subject) = (scores.len(), worths.subject().clone());
    let (likelihood, log_odds) = outputs(subject.model());
    let erased = worths.values(erasure::without_strongest(ranking), log_odds, *class)?;
    let log_odds_drop = comprehensiveness(subject.output(log_odds, *class), &erased);

    let of_output = output.unwrap_or_default();
    let whole = subject.output(of_output, *class);
    let alone = worths.values(leave_one_out::coalitions(players), of_output, *class)?;

    let mut by_chance = Vec::with_capacity(draws.rankings.len());
    for ranking in &draws.rankings {
        let erased = worths.values(erasure::without_strongest(ranking), likelihood, *class)?;
        by_chance.push(comprehensiveness(subject.output(likelihood, *class), &erased));
    }
    let random_comprehensiveness = by_chance.iter().sum::<f64>() / by_chance.len() as f64;

    let infidelity = match output {
        None => None,
        Some(output) => {
            let without = draws.subsets.iter().map(|subset| erasure::without(players, subset)).collect();
            let values = worths.values(without, *output, *class)?;
            let changes: Vec<f64> = values.iter().map(|value| whole - value).collect();
            Some(infidelity::infidelity(scores, &draws.subsets, &changes))
        }
    };
    Ok(FullQuality {
        log_odds_drop,
        leave_one_out_correlation: leave_one_out::correlation(scores, whole, &alone),
        random_comprehensiveness,
        better_than_random_by: (players > 1)
            .then_some(comprehensiveness_of_scores - random_comprehensiveness),
        infidelity,
        max_sensitivity: None,
        baseline_band: None,
    })
}

impl Quality {
    /// Whether every figure is a finite number in the single precision in which it is told.
    fn is_finite(&self) -> bool {
        let mut figures = vec![self.comprehensiveness, self.sufficiency];
        if let Some(full) = &self.full {
            figures.extend([full.log_odds_drop, full.random_comprehensiveness]);
            let perhaps = [full.better_than_random_by, full.infidelity, full.max_sensitivity];
            figures.extend(perhaps.into_iter().flatten());
            figures.extend(full.baseline_band.iter().flat_map(|band| band.low.iter().chain(&band.high)));
        }
        figures.into_iter().all(|figure| (figure as f32).is_finite())
    }
}

/// What the figures take for a text of so many tokens and so many classes, beyond the explanation and the text's own
/// forward pass. Each token is taken for a part of the text: larger parts are fewer.
pub fn cost(depth: Depth, configured: &dyn Configured, model: &Model, tokens: usize, classes: usize) -> Cost {
    let classes = if configured.method().uses_target() { classes } else { 1 };
    let players = tokens.saturating_sub(2).max(1);
    let erased = |counts: usize| Passes::new(2 * counts * classes, 0);
    let mut shares = erasure::counts(players).to_vec();
    shares.dedup();
    let (expected, most) = (erased(shares.len()), erased(erasure::SHARES.len()));
    if depth == Depth::Fast {
        return Cost { expected, most, together: 1 };
    }
    let drawn = control::RANKINGS * erasure::SHARES.len() + infidelity::SUBSETS;
    let altered = Passes::new(players + drawn, 0);
    let again = configured.cost(tokens, classes);
    let others: Vec<Cost> =
        configured.with_other_baselines(model).iter().map(|(_, other)| other.cost(tokens, classes)).collect();
    let moved = |pick: fn(&Cost) -> Passes| {
        let elsewhere = others.iter().map(pick).fold(Passes::NONE, |sum, passes| sum + passes);
        (pick(&again) + Passes::FORWARD) * sensitivity::DRAWS as u64 + elsewhere
    };
    Cost {
        expected: expected + altered + moved(|cost| cost.expected),
        most: most + altered + moved(|cost| cost.most),
        together: again.together.max(1),
    }
}
