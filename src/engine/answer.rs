//! The one shape of every answer about a text, as it stands in JSON.

use serde::Serialize;

use crate::explain::Attribution;
use crate::explain::attention::statistics::HeadStatistics;
use crate::explain::granularity::Granularity;
use crate::model::text::{Sentence, Token, Truncation, Word};
use crate::model::{Decision, EncodedText, Model, Prediction};

/// What there is to say about one text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Identity of the answer: equal for equal questions to the same model.
    pub id: String,
    /// The model that was asked.
    pub model: ModelName,
    /// The text as sent.
    pub text: String,
    /// The second text of a pair.
    pub text_pair: Option<String>,
    /// What was cut off, where that was allowed and needed.
    pub truncated: Option<TruncationNote>,
    /// What the model says.
    pub prediction: PredictionView,
    /// The network's rows.
    pub tokens: Vec<TokenView>,
    /// The words, those of the second text after those of the first.
    pub words: Vec<WordView>,
    /// The sentences, where scores are given for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<Vec<SentenceView>>,
    /// One entry per method and target, where an explanation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanations: Option<Vec<Explanation>>,
    /// Attention maps, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionView>,
    /// What a reader should know before trusting the rest.
    pub warnings: Vec<Warning>,
}

/// A model by name and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelName {
    /// Its id.
    pub id: String,
    /// Digest of configuration, labels, tokenizer and weights.
    pub fingerprint: String,
}

/// How far a cut text was kept; characters are Unicode code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TruncationNote {
    /// Tokens the whole text has.
    pub tokens: usize,
    /// Tokens the model takes.
    pub limit: usize,
    /// Characters kept of `text`.
    pub kept_to_character: usize,
    /// Characters kept of `text_pair`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_to_character_pair: Option<usize>,
}

/// What the model says of a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredictionView {
    /// The label; null for multi-label and regression models.
    pub label: Option<String>,
    /// Its index.
    pub index: Option<usize>,
    /// The labels over the threshold, for multi-label models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// The value, for regression models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
    /// One per label.
    pub logits: Vec<f32>,
    /// One per label, 0 to 1; empty for regression models.
    pub scores: Vec<LabelScore>,
}

/// A label with its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// 0 to 1.
    pub score: f32,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenView {
    /// Its place among the tokens.
    pub index: usize,
    /// Its piece in the vocabulary.
    pub text: String,
    /// First character, in Unicode code points of its own text; 0 for special tokens.
    pub start: usize,
    /// One past the last character; 0 for special tokens.
    pub end: usize,
    /// The word that holds its first character; null for special tokens.
    pub word: Option<usize>,
    /// Whether the tokenizer added it.
    pub special: bool,
    /// 0 for `text`, 1 for `text_pair`.
    pub segment: usize,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WordView {
    /// Its place among the words.
    pub index: usize,
    /// Its characters.
    pub text: String,
    /// First character, in Unicode code points of its own text.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// Its tokens.
    pub tokens: Vec<usize>,
    /// 0 for `text`, 1 for `text_pair`.
    pub segment: usize,
}

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentenceView {
    /// Its place among the sentences.
    pub index: usize,
    /// Its characters.
    pub text: String,
    /// First character, in Unicode code points of its own text.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// Its words.
    pub words: Vec<usize>,
    /// 0 for `text`, 1 for `text_pair`.
    pub segment: usize,
}

/// A class by label and index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetView {
    /// The label.
    pub label: String,
    /// Its index among the logits.
    pub index: usize,
}

/// Scores of one method for one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The method's id.
    pub method: String,
    /// The class the scores speak of; null for methods that look at no class.
    pub target: Option<TargetView>,
    /// What the scores are measured in; null where they are no share of an output.
    pub output: Option<&'static str>,
    /// The unit of the scores.
    pub granularity: Granularity,
    /// One per token, word or sentence.
    pub scores: Vec<f32>,
    /// Those of the special tokens, in order; absent where `scores` are per token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub special_scores: Option<Vec<f32>>,
    /// How closely the scores add up, for methods where they should.
    pub convergence: Option<ConvergenceView>,
    /// Figures of how far to trust the scores, where they were asked for.
    pub quality: Option<()>,
}

/// How closely scores add up to the change of the output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvergenceView {
    /// Σ scores − (target_output − baseline_output), signed.
    pub delta: f32,
    /// The largest |delta| that counts as converged.
    pub tolerance: f32,
    /// Whether the delta is within the tolerance and the scores have settled.
    pub converged: bool,
    /// Nodes of the quadrature rule.
    pub steps: usize,
    /// Gradients evaluated, all rounds together.
    pub gradients: usize,
    /// The output at the baseline.
    pub baseline_output: f32,
    /// The output at the text.
    pub target_output: f32,
}

/// Attention maps with what was counted of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttentionView {
    /// The layers shown, from 0, in the order asked for.
    pub layers: Vec<usize>,
    /// The heads shown, from 0, in the order asked for.
    pub heads: Vec<usize>,
    /// `[layer][head][query][key]`; each row of keys sums to 1.
    pub weights: Vec<Vec<Vec<Vec<f32>>>>,
    /// `[layer][head]`.
    pub statistics: Vec<Vec<HeadStatistics>>,
    /// Attention rollout over all layers and heads, whichever are shown: `[query][key]`.
    pub rollout: Vec<Vec<f32>>,
}

/// Something a reader should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable, for programs.
    pub code: &'static str,
    /// Plain words, for people.
    pub message: String,
}

impl Answer {
    /// An answer that says what the model says, for explanations to be added to.
    pub(super) fn new(
        id: String,
        model: &Model,
        sent: super::OwnedText,
        text: &EncodedText,
        prediction: &Prediction,
    ) -> Self {
        Answer {
            id,
            model: ModelName { id: model.id().into(), fingerprint: model.fingerprint().into() },
            text: sent.text,
            text_pair: sent.text_pair,
            truncated: text.truncated.map(TruncationNote::from),
            prediction: PredictionView::new(&model.config().labels, prediction),
            tokens: text.tokens.iter().enumerate().map(TokenView::from).collect(),
            words: text.words.iter().enumerate().map(WordView::from).collect(),
            sentences: None,
            explanations: None,
            attention: None,
            warnings: text.truncated.iter().map(Warning::truncated).collect(),
        }
    }
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
    pub(super) fn new(
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
            output: attribution.output.map(|output| output.name()),
            granularity,
            scores: single(&scores),
            special_scores: special_scores.as_deref().map(single),
            convergence: attribution.convergence.map(|convergence| ConvergenceView {
                delta: convergence.delta as f32,
                tolerance: convergence.tolerance as f32,
                converged: convergence.converged,
                steps: convergence.steps,
                gradients: convergence.gradients,
                baseline_output: convergence.baseline_output as f32,
                target_output: convergence.target_output as f32,
            }),
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
            code: "truncated",
            message: format!(
                "the text has {} tokens and the model takes {}: what follows was not seen by the model",
                truncation.tokens, truncation.limit
            ),
        }
    }

    pub(super) fn not_converged(explanation: &Explanation) -> Option<Self> {
        let convergence = explanation.convergence.as_ref().filter(|convergence| !convergence.converged)?;
        let target = explanation.target.as_ref().map_or("", |target| &target.label);
        Some(Warning {
            code: "not_converged",
            message: format!(
                "{} for `{target}` did not converge: its scores miss the output's change by {} (tolerance {}) after {} \
                 gradients; allow more with `steps` or `max_gradients`",
                explanation.method, convergence.delta, convergence.tolerance, convergence.gradients
            ),
        })
    }

    pub(super) fn no_label() -> Self {
        Warning {
            code: "no_label_over_threshold",
            message: "no label reaches the threshold; the likeliest one is explained instead".into(),
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
