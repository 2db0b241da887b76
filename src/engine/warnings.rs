//! What a reader should know before trusting a prediction or an explanation, with the thresholds that decide it.

use super::answer::{Explanation, Warning, WarningCode};
use crate::explain::faithfulness::Quality;
use crate::explain::faithfulness::agreement::Pair;
use crate::model::prediction::MULTI_LABEL_THRESHOLD;
use crate::model::{Decision, ModelConfig, Prediction};

/// Special tokens dominate from more than this share of Σ|score| on.
const DOMINANT_SHARE: f64 = 0.5;

/// A label that is less than this more likely than the next one is hardly the prediction.
const SMALL_MARGIN: f64 = 0.1;

/// In a multi-label model, a label this close to the threshold is hardly decided.
const CLOSE_TO_THRESHOLD: f64 = 0.05;

impl Warning {
    /// The model is hardly sure of what it says.
    pub(super) fn small_margin(config: &ModelConfig, prediction: &Prediction) -> Option<Self> {
        let scores: Vec<f64> = prediction.scores.iter().map(|score| f64::from(*score)).collect();
        let labels = &config.labels;
        let message = match &prediction.decision {
            Decision::Label(index) => {
                let others = (0..scores.len()).filter(|other| other != index);
                let next = others.reduce(|a, b| if scores[b] > scores[a] { b } else { a })?;
                let margin = scores[*index] - scores[next];
                (margin < SMALL_MARGIN).then(|| {
                    format!(
                        "`{}` is only {margin:.3} more likely than `{}`: a small change of the text may change the \
                         prediction",
                        labels[*index], labels[next]
                    )
                })
            }
            Decision::Labels(_) => {
                let threshold = f64::from(MULTI_LABEL_THRESHOLD);
                let is_close = |index: &usize| (scores[*index] - threshold).abs() <= CLOSE_TO_THRESHOLD;
                let close: Vec<String> = (0..scores.len())
                    .filter(is_close)
                    .map(|index| format!("`{}` ({:.3})", labels[index], scores[index]))
                    .collect();
                (!close.is_empty()).then(|| {
                    format!(
                        "hardly decided, within {CLOSE_TO_THRESHOLD} of the threshold of {threshold}: {}",
                        close.join(", ")
                    )
                })
            }
            Decision::Value(_) => None,
        };
        message.map(|message| Warning { code: WarningCode::SmallMargin, message })
    }

    /// Scores lie on what the tokenizer added rather than on the text.
    pub(super) fn special_tokens_dominate(explanation: &Explanation, special: &[bool]) -> Option<Self> {
        let size =
            |scores: &mut dyn Iterator<Item = &f32>| scores.map(|score| f64::from(score.abs())).sum::<f64>();
        let all = size(&mut explanation.scores.iter().chain(explanation.special_scores.iter().flatten()));
        let of_special = match &explanation.special_scores {
            Some(scores) => size(&mut scores.iter()),
            None => {
                let scored = explanation.scores.iter().zip(special);
                size(&mut scored.filter(|(_, special)| **special).map(|(score, _)| score))
            }
        };
        (of_special > DOMINANT_SHARE * all).then(|| Warning {
            code: WarningCode::SpecialTokensDominate,
            message: format!(
                "{}: special tokens hold {:.0} % of the sum of all |scores|, more than the text itself",
                named(explanation),
                100.0 * of_special / all
            ),
        })
    }

    /// What the figures of quality give cause for.
    pub(super) fn of_quality(explanation: &Explanation, quality: &Quality) -> Vec<Self> {
        let Some(full) = &quality.full else { return Vec::new() };
        let mut warnings = Vec::new();
        if full.better_than_random_by.is_some_and(|gain| gain <= 0.0) {
            warnings.push(Warning {
                code: WarningCode::NoBetterThanRandom,
                message: format!(
                    "{}: taking out what it calls strongest moves the prediction no further than taking out parts at \
                     random (comprehensiveness {:.3}, at random {:.3})",
                    named(explanation),
                    quality.comprehensiveness,
                    full.random_comprehensiveness
                ),
            });
        }
        if let Some(band) = full.baseline_band.as_ref().filter(|band| band.is_sensitive()) {
            let (unit, others) = (explanation.granularity.name(), band.baselines.join(", "));
            let what = match band.strongest_turns {
                true => format!("the {unit} with the largest score would have the other sign"),
                false => format!("the {unit}s would be in another order"),
            };
            warnings.push(Warning {
                code: WarningCode::BaselineSensitive,
                message: format!("{}: with another baseline ({others}) {what}", named(explanation)),
            });
        }
        warnings
    }

    /// Two methods say different things.
    pub(super) fn methods_disagree(methods: [&str; 2], label: Option<&str>, pair: &Pair) -> Option<Self> {
        let [first, second] = methods;
        let target = label.map(|label| format!(" for `{label}`")).unwrap_or_default();
        let agreement = &pair.agreement;
        let correlation = agreement.spearman.map_or("not defined".into(), |value| format!("{value:.3}"));
        agreement.is_disagreement().then(|| Warning {
            code: WarningCode::MethodsDisagree,
            message: format!(
                "{first} and {second} disagree{target}: rank correlation {correlation}, and {:.0} % of the {} strongest in \
                 common",
                100.0 * agreement.overlap,
                agreement.k
            ),
        })
    }

    /// The model does not say what was expected of it.
    pub(super) fn prediction_differs(
        config: &ModelConfig,
        prediction: &Prediction,
        expected: usize,
    ) -> Option<Self> {
        let labels = &config.labels;
        let said = match &prediction.decision {
            Decision::Label(index) if *index != expected => format!("`{}`", labels[*index]),
            Decision::Labels(indices) if indices.is_empty() => "no label".to_owned(),
            Decision::Labels(indices) if !indices.contains(&expected) => {
                let said: Vec<String> = indices.iter().map(|index| format!("`{}`", labels[*index])).collect();
                said.join(", ")
            }
            Decision::Label(_) | Decision::Labels(_) | Decision::Value(_) => return None,
        };
        let label = &labels[expected];
        Some(Warning {
            code: WarningCode::PredictionDiffers,
            message: format!(
                "the model predicts {said}, not `{label}` as expected; explained is what speaks for and against `{label}`"
            ),
        })
    }
}

/// The method, and the class it speaks of.
fn named(explanation: &Explanation) -> String {
    let target = explanation.target.as_ref().map(|target| format!(" for `{}`", target.label));
    format!("{}{}", explanation.method, target.unwrap_or_default())
}
