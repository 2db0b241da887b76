//! The parts that answers are made of, each a result with a key of its own: as they are written.

use serde::Serialize;

use super::Failure;
use super::answer::{
    AttentionView, ConvergenceView, Explanation, LabelScore, ModelName, PredictionView, SentenceView,
    TargetView, TokenView, TruncationNote, Warning, WarningCode, WordView,
};
use super::question::OwnedText;
use crate::explain::granularity::Granularity;
use crate::explain::{Attribution, Convergence};
use crate::model::text::{Sentence, Token, Truncation, Word};
use crate::model::{Decision, EncodedText, Model, Prediction};

/// A result in the two pieces that are kept: its JSON, and the JSON array of its warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The part itself.
    pub body: Vec<u8>,
    /// What to know before trusting it.
    pub warnings: Vec<u8>,
}

impl Made {
    fn new(part: &impl Serialize, warnings: &[Warning]) -> Result<Self, Failure> {
        let json = |fault: serde_json::Error| Failure::Internal(fault.to_string());
        Ok(Made {
            body: serde_json::to_vec(part).map_err(json)?,
            warnings: serde_json::to_vec(warnings).map_err(json)?,
        })
    }
}

/// What every answer begins with, after its id.
#[derive(Serialize)]
struct Reading<'a> {
    model: ModelName,
    text: &'a str,
    text_pair: Option<&'a str>,
    truncated: Option<TruncationNote>,
    prediction: PredictionView,
    tokens: Vec<TokenView>,
    words: Vec<WordView>,
}

/// The model's reading of a text: prediction, tokens and words.
///
/// # Errors
/// None that is known; see [`Failure::Internal`].
pub fn reading(
    model: &Model,
    sent: &OwnedText,
    text: &EncodedText,
    prediction: &Prediction,
) -> Result<Made, Failure> {
    let reading = Reading {
        model: ModelName { id: model.id().into(), fingerprint: model.fingerprint().into() },
        text: &sent.text,
        text_pair: sent.text_pair.as_deref(),
        truncated: text.truncated.map(TruncationNote::from),
        prediction: PredictionView::new(&model.config().labels, prediction),
        tokens: text.tokens.iter().enumerate().map(TokenView::from).collect(),
        words: text.words.iter().enumerate().map(WordView::from).collect(),
    };
    let warnings: Vec<Warning> = text.truncated.iter().map(Warning::truncated).collect();
    Made::new(&reading, &warnings)
}

/// The sentences of a text.
///
/// # Errors
/// None that is known; see [`Failure::Internal`].
pub fn sentences(text: &EncodedText) -> Result<Made, Failure> {
    let sentences: Vec<SentenceView> = text.sentences.iter().enumerate().map(SentenceView::from).collect();
    Made::new(&sentences, &[])
}

/// What one method says of a text: one explanation a class. `fallback` tells that no label was over the
/// threshold and the likeliest one is explained.
///
/// # Errors
/// None that is known; see [`Failure::Internal`].
pub fn explanations(
    method: &str,
    model: &Model,
    granularity: Granularity,
    text: &EncodedText,
    attributions: &[Attribution],
    fallback: bool,
) -> Result<Made, Failure> {
    let labels = &model.config().labels;
    let explanations: Vec<Explanation> =
        attributions.iter().map(|a| Explanation::new(method, labels, granularity, text, a)).collect();
    let mut warnings: Vec<Warning> = explanations.iter().filter_map(Warning::not_converged).collect();
    if fallback {
        warnings.push(Warning::no_label());
    }
    Made::new(&explanations, &warnings)
}

/// The attention maps of a text.
///
/// # Errors
/// None that is known; see [`Failure::Internal`].
pub fn attention(view: &AttentionView) -> Result<Made, Failure> {
    Made::new(view, &[])
}

impl PredictionView {
    fn new(labels: &[String], prediction: &Prediction) -> Self {
        let scores = labels.iter().cloned().zip(&prediction.scores);
        let mut view = PredictionView {
            label: None,
            index: None,
            labels: None,
            value: None,
            logits: prediction.logits.clone(),
            scores: scores.map(|(label, score)| LabelScore { label, score: *score }).collect(),
        };
        match &prediction.decision {
            Decision::Label(index) => {
                view.label = Some(labels[*index].clone());
                view.index = Some(*index);
            }
            Decision::Labels(indices) => {
                view.labels = Some(indices.iter().map(|index| labels[*index].clone()).collect());
            }
            Decision::Value(value) => view.value = Some(*value),
        }
        view
    }
}

impl Explanation {
    fn new(
        method: &str,
        labels: &[String],
        granularity: Granularity,
        text: &EncodedText,
        attribution: &Attribution,
    ) -> Self {
        let (scores, special_scores) = granularity.gather(text, &attribution.scores);
        Explanation {
            method: method.into(),
            target: attribution.class.map(|index| TargetView { label: labels[index].clone(), index }),
            output: attribution.output,
            granularity,
            scores: single(&scores),
            special_scores: special_scores.as_deref().map(single),
            convergence: attribution.convergence.map(ConvergenceView::from),
            quality: None,
        }
    }
}

/// Scores are worked out in double precision and told in single: more digits would be noise of the
/// network's own single precision.
fn single(scores: &[f64]) -> Vec<f32> {
    scores.iter().map(|score| *score as f32).collect()
}

impl Warning {
    fn truncated(truncation: &Truncation) -> Self {
        Warning {
            code: WarningCode::Truncated,
            message: format!(
                "the text has {} tokens and the model takes {}: what follows was not seen by the model",
                truncation.tokens, truncation.limit
            ),
        }
    }

    fn not_converged(explanation: &Explanation) -> Option<Self> {
        let convergence = explanation.convergence.as_ref().filter(|convergence| !convergence.converged)?;
        let target = explanation.target.as_ref().map_or("", |target| &target.label);
        Some(Warning {
            code: WarningCode::NotConverged,
            message: format!(
                "{} for `{target}` did not converge: its scores miss the output's change by {} (tolerance {}) after {} \
                 gradients; allow more with `steps` or `max_gradients`",
                explanation.method, convergence.delta, convergence.tolerance, convergence.gradients
            ),
        })
    }

    fn no_label() -> Self {
        Warning {
            code: WarningCode::NoLabelOverThreshold,
            message: "no label reaches the threshold; the likeliest one is explained instead".into(),
        }
    }
}

impl From<Convergence> for ConvergenceView {
    fn from(convergence: Convergence) -> Self {
        ConvergenceView {
            delta: convergence.delta as f32,
            tolerance: convergence.tolerance as f32,
            converged: convergence.converged,
            steps: convergence.steps,
            gradients: convergence.gradients,
            baseline_output: convergence.baseline_output as f32,
            target_output: convergence.target_output as f32,
        }
    }
}

impl From<Truncation> for TruncationNote {
    fn from(truncation: Truncation) -> Self {
        TruncationNote {
            tokens: truncation.tokens,
            limit: truncation.limit,
            kept_to_character: truncation.kept_to_character,
            kept_to_character_pair: truncation.kept_to_character_pair,
        }
    }
}

impl From<(usize, &Token)> for TokenView {
    fn from((index, token): (usize, &Token)) -> Self {
        TokenView {
            index,
            text: token.text.clone(),
            start: token.start,
            end: token.end,
            word: token.word,
            special: token.special,
            segment: token.segment,
        }
    }
}

impl From<(usize, &Word)> for WordView {
    fn from((index, word): (usize, &Word)) -> Self {
        WordView {
            index,
            text: word.span.text.clone(),
            start: word.span.start,
            end: word.span.end,
            tokens: word.tokens.clone(),
            segment: word.segment,
        }
    }
}

impl From<(usize, &Sentence)> for SentenceView {
    fn from((index, sentence): (usize, &Sentence)) -> Self {
        SentenceView {
            index,
            text: sentence.span.text.clone(),
            start: sentence.span.start,
            end: sentence.span.end,
            words: sentence.words.clone(),
            segment: sentence.segment,
        }
    }
}
