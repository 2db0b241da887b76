//! The parts that answers are made of, each a result with a key of its own: as they are written.

use serde::Serialize;

use super::Failure;
use super::answer::{
    AgreementView, AttentionView, BandView, ConvergenceView, Explanation, InterventionView, LabelScore,
    ModelName, PredictionView, QualityView, SentenceView, TargetView, TokenView, TopOverlap, TruncationNote,
    Warning, WarningCode, WindowView, WindowsView, WordView,
};
use super::question::OwnedText;
use crate::explain::faithfulness::agreement::Pair;
use crate::explain::faithfulness::band::Band;
use crate::explain::faithfulness::{Depth, Quality};
use crate::explain::granularity::Granularity;
use crate::explain::windows::Window;
use crate::explain::{Attribution, Convergence, Family, Method, Subject, Windows};
use crate::model::text::{Sentence, Token, Truncation, Word};
use crate::model::{Decision, EncodedText, Prediction};

/// Raised when a reading is written otherwise, its warnings included.
pub const READING_VERSION: u32 = 2;

/// Raised when explanations are written otherwise, their warnings included. Stands in keys as its sum with the method's
/// version: as both only grow, no sum comes twice.
pub const EXPLANATION_VERSION: u32 = 1;

/// Raised when agreement is written otherwise.
pub const AGREEMENT_VERSION: u32 = 1;

/// A result in the two pieces that are kept: its JSON, and the JSON array of its warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The part itself.
    pub body: Vec<u8>,
    /// What to know before trusting it.
    pub warnings: Vec<u8>,
}

impl Made {
    /// A part with its warnings.
    ///
    /// # Errors
    /// None that is known; see [`Failure::Internal`].
    pub fn new(part: &impl Serialize, warnings: &[Warning]) -> Result<Self, Failure> {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    interventions: Option<&'a [InterventionView]>,
    prediction: PredictionView,
    #[serde(skip_serializing_if = "Option::is_none")]
    prediction_without: Option<PredictionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<WindowsView>,
    tokens: Vec<TokenView>,
    words: Vec<WordView>,
}

/// The model's reading of a text: prediction, tokens and words. `told` says how the network is altered, if there is
/// anything to say of that; then the text is run through the network as it is, too.
///
/// # Errors
/// Those of that pass; otherwise none that is known, see [`Failure::Internal`].
pub fn reading(sent: &OwnedText, subject: &Subject, told: &[InterventionView]) -> Result<Made, Failure> {
    let (model, text, prediction) = (subject.model(), subject.text(), subject.prediction());
    let labels = &model.config().labels;
    let without = if told.is_empty() { None } else { Some(subject.prediction_unaltered()?) };
    let reading = Reading {
        model: ModelName { id: model.id().into(), fingerprint: model.fingerprint().into() },
        text: &sent.text,
        text_pair: sent.text_pair.as_deref(),
        truncated: text.truncated.map(TruncationNote::from),
        interventions: (!told.is_empty()).then_some(told),
        prediction: PredictionView::new(labels, prediction),
        prediction_without: without.map(|without| PredictionView::new(labels, &without)),
        windows: subject.layout().asked().map(|windows| WindowsView::new(windows, subject)),
        tokens: text.tokens.iter().enumerate().map(TokenView::from).collect(),
        words: text.words.iter().enumerate().map(WordView::from).collect(),
    };
    let margin = Warning::small_margin(model.config(), prediction);
    let warnings: Vec<Warning> = text.truncated.iter().map(Warning::truncated).chain(margin).collect();
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

/// What one method says of a text: one explanation a class, each with its quality where that was asked for, and what
/// else there is to know.
///
/// # Errors
/// None that is known; see [`Failure::Internal`].
pub fn explanations(
    method: &dyn Method,
    subject: &Subject,
    granularity: Granularity,
    attributions: &[Attribution],
    qualities: Option<(Depth, &[Quality])>,
    mut others: Vec<Warning>,
) -> Result<Made, Failure> {
    let (text, labels) = (subject.text(), &subject.model().config().labels);
    let mut explanations: Vec<Explanation> =
        attributions.iter().map(|a| Explanation::new(method.id(), labels, granularity, text, a)).collect();
    let mut warnings: Vec<Warning> = explanations.iter().filter_map(Warning::not_converged).collect();
    // Chance knows no tokens.
    if method.family() != Family::Control {
        let special: Vec<bool> = text.tokens.iter().map(|token| token.special).collect();
        let dominated = |explanation| Warning::special_tokens_dominate(explanation, &special);
        warnings.extend(explanations.iter().filter_map(dominated));
    }
    if let Some((depth, qualities)) = qualities {
        for (explanation, quality) in explanations.iter_mut().zip(qualities) {
            warnings.extend(Warning::of_quality(explanation, quality));
            explanation.quality = Some(QualityView::new(depth, quality));
        }
    }
    warnings.append(&mut others);
    Made::new(&explanations, &warnings)
}

/// How far methods agree: `methods` by their ids, `labels` of the model.
///
/// # Errors
/// None that is known; see [`Failure::Internal`].
pub fn agreement(methods: &[&str], labels: &[String], pairs: &[Pair]) -> Result<Made, Failure> {
    let view = |pair: &Pair| AgreementView {
        methods: pair.methods.map(|method| methods[method].into()),
        target: pair.class.map(|index| TargetView { label: labels[index].clone(), index }),
        spearman: pair.agreement.spearman.map(|spearman| spearman as f32),
        top_k: TopOverlap { k: pair.agreement.k, overlap: pair.agreement.overlap as f32 },
        sign_agreement: pair.agreement.sign_agreement.map(|share| share as f32),
    };
    let warning = |pair: &Pair| {
        let label = pair.class.map(|class| labels[class].as_str());
        Warning::methods_disagree(pair.methods.map(|method| methods[method]), label, pair)
    };
    let views: Vec<AgreementView> = pairs.iter().map(view).collect();
    Made::new(&views, &pairs.iter().filter_map(warning).collect::<Vec<_>>())
}

/// The attention maps of a text.
///
/// # Errors
/// None that is known; see [`Failure::Internal`].
pub fn attention(view: &AttentionView) -> Result<Made, Failure> {
    Made::new(view, &[])
}

impl PredictionView {
    pub(super) fn new(labels: &[String], prediction: &Prediction) -> Self {
        let mut view = PredictionView {
            label: None,
            index: None,
            labels: None,
            value: None,
            logits: prediction.logits.clone(),
            scores: scores_by_label(labels, prediction),
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

fn scores_by_label(labels: &[String], prediction: &Prediction) -> Vec<LabelScore> {
    let scores = labels.iter().cloned().zip(&prediction.scores);
    scores.map(|(label, score)| LabelScore { label, score: *score }).collect()
}

impl WindowsView {
    fn new(asked: &Windows, subject: &Subject) -> Self {
        let windows = subject.layout().windows().iter().zip(subject.window_logits());
        WindowsView {
            size: asked.size,
            overlap: asked.overlap,
            combine: asked.combine,
            windows: windows.map(|(window, logits)| WindowView::new(window, logits, subject)).collect(),
        }
    }
}

impl WindowView {
    fn new(window: &Window, logits: &[f32], subject: &Subject) -> Self {
        let config = subject.model().config();
        let prediction = Prediction::new(config, logits.to_vec());
        let content = window.content();
        // A tokenizer may split a character into tokens that all have its place, so ends need not be in order.
        let ends = subject.text().tokens[content.clone()].iter().map(|token| token.end);
        WindowView {
            first_token: content.start,
            last_token: content.end - 1,
            start: subject.text().tokens[content.start].start,
            end: ends.max().unwrap_or_default(),
            scores: scores_by_label(&config.labels, &prediction),
            logits: prediction.logits,
        }
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
            output: attribution.output,
            granularity,
            scores: single(&scores),
            special_scores: special_scores.as_deref().map(single),
            standard_errors: attribution.standard_errors.as_ref().map(|of_tokens| {
                // Errors of tokens of one word may hang together: their sum is the most it can be.
                single(&granularity.gather(text, of_tokens).0)
            }),
            residue: attribution.residue.map(|residue| residue as f32),
            convergence: attribution.convergence.map(ConvergenceView::from),
            quality: None,
        }
    }
}

impl QualityView {
    fn new(level: Depth, quality: &Quality) -> Self {
        let full = quality.full.as_ref();
        QualityView {
            level,
            comprehensiveness: quality.comprehensiveness as f32,
            sufficiency: quality.sufficiency as f32,
            log_odds_drop: full.map(|full| full.log_odds_drop as f32),
            leave_one_out_correlation: full
                .map(|full| full.leave_one_out_correlation.map(|figure| figure as f32)),
            random_comprehensiveness: full.map(|full| full.random_comprehensiveness as f32),
            better_than_random_by: full.map(|full| full.better_than_random_by.map(|figure| figure as f32)),
            infidelity: full.map(|full| full.infidelity.map(|figure| figure as f32)),
            max_sensitivity: full.map(|full| full.max_sensitivity.map(|figure| figure as f32)),
            baseline_band: full.map(|full| full.baseline_band.as_ref().map(BandView::from)),
        }
    }
}

impl From<&Band> for BandView {
    fn from(band: &Band) -> Self {
        BandView {
            baselines: band.baselines.iter().map(|name| (*name).to_owned()).collect(),
            low: single(&band.low),
            high: single(&band.high),
        }
    }
}

/// Scores are worked out in double precision and told in single: more digits would be noise of the
/// network's own single precision. Zero has no sign: a token that is the same in text and baseline moves the output
/// neither way.
fn single(scores: &[f64]) -> Vec<f32> {
    scores.iter().map(|score| *score as f32 + 0.0).collect()
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

    pub(super) fn not_converged(explanation: &Explanation) -> Option<Self> {
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

    pub(super) fn no_label() -> Self {
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
            forwards: convergence.forwards,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_of_nothing_is_told_without_a_sign() {
        let told = single(&[-0.0, 0.0, -1.5, -1e-60]);
        assert_eq!(serde_json::to_string(&told).unwrap(), "[0.0,0.0,-1.5,0.0]");
    }
}
