//! What figures of quality and agreement say, in words.

use super::number::{plain, signed};
use super::wording::{isolated, method_name, unit_names};
use crate::engine::Answer;
use crate::engine::answer::{AgreementView, Explanation, QualityView};

/// Says that a figure is null.
const UNDEFINED: &str = "undefined";

/// A figure of an explanation's quality.
pub struct Figure {
    /// What it is called.
    pub name: &'static str,
    /// Its value, or that there is none.
    pub value: String,
    /// What it says, and which way is better.
    pub meaning: String,
    /// Whether a short line has it.
    pub in_short: bool,
}

/// The figures of an explanation, in the order of the answer.
pub fn figures(answer: &Answer, explanation: &Explanation, quality: &QualityView) -> Vec<Figure> {
    let units = unit_names(explanation.granularity).1;
    let is_regression = answer.prediction.value.is_some();
    let (what, finer) = if is_regression { ("value", "the value") } else { ("probability", "log-odds") };
    let any_sign = |value: Option<f32>| value.map_or_else(undefined, |value| signed(value.into()));
    let from_zero = |value: Option<f32>| value.map_or_else(undefined, |value| plain(value.into()));
    let long = |name, value, meaning: String| Figure { name, value, meaning, in_short: false };
    let short = |name, value, meaning: String| Figure { name, value, meaning, in_short: true };
    let all = [
        Some(short(
            "comprehensiveness",
            any_sign(Some(quality.comprehensiveness)),
            format!("how far the {what} falls without the strongest {units}; higher is better"),
        )),
        Some(short(
            "sufficiency",
            any_sign(Some(quality.sufficiency)),
            format!("how far the {what} falls with the strongest {units} alone; lower is better"),
        )),
        quality.log_odds_drop.map(|value| {
            let meaning = format!("as comprehensiveness, in {finer}; higher is better");
            long("log-odds drop", any_sign(Some(value)), meaning)
        }),
        quality.leave_one_out_correlation.map(|value| {
            let meaning = format!(
                "rank correlation of the scores with what the output falls without each of the {units}; higher is better"
            );
            short("τ with leaving one out", any_sign(value), meaning)
        }),
        quality.random_comprehensiveness.map(|value| {
            long("at random", any_sign(Some(value)), "comprehensiveness of random rankings".to_owned())
        }),
        quality.better_than_random_by.map(|value| {
            let meaning = "comprehensiveness less that of random rankings; higher is better";
            short("better than random by", any_sign(value), meaning.to_owned())
        }),
        quality.infidelity.map(|value| {
            let meaning = format!(
                "mean square of what the scores of random {units} miss of the change without them; lower is better"
            );
            long("infidelity", from_zero(value), meaning)
        }),
        quality.max_sensitivity.map(|value| {
            let meaning = "the most that small moves of the word embeddings change, as a share; lower is better";
            long("max sensitivity", from_zero(value), meaning.to_owned())
        }),
    ];
    all.into_iter().flatten().collect()
}

/// `Quality (full): comprehensiveness +0.414, …`: the most telling figures on a line.
pub fn line(answer: &Answer, explanation: &Explanation, quality: &QualityView) -> String {
    let figures = figures(answer, explanation, quality).into_iter().filter(|figure| figure.in_short);
    let said: Vec<String> = figures.map(|figure| format!("{} {}", figure.name, figure.value)).collect();
    format!("Quality ({}): {}", quality.level.name(), said.join(", "))
}

/// The other baselines of an explanation, by name; `None` where none were tried.
pub fn baselines(explanation: &Explanation) -> Option<String> {
    let band = explanation.quality.as_ref()?.baseline_band.as_ref()?.as_ref()?;
    Some(band.baselines.join(", "))
}

/// What the frames behind bars are; `None` where there are none.
pub fn frames(explanation: &Explanation) -> Option<String> {
    let baselines = baselines(explanation)?;
    Some(format!("Frames reach from the least to the greatest score with other baselines: {baselines}."))
}

/// `Integrated Gradients and saliency for positive`.
pub fn pair(agreement: &AgreementView) -> String {
    let [first, second] = &agreement.methods;
    let target = agreement.target.as_ref().map(|target| format!(" for {}", isolated(&target.label)));
    format!("{} and {}{}", method_name(first), second.replace('_', " "), target.unwrap_or_default())
}

/// Rank correlation, the share of the strongest in common, and that of equal signs.
pub fn agreement(agreement: &AgreementView) -> [String; 3] {
    let share = |share: f32| format!("{:.0}\u{a0}%", 100.0 * share);
    [
        agreement.spearman.map_or_else(undefined, |value| signed(value.into())),
        format!("{} of {}", share(agreement.top_k.overlap), agreement.top_k.k),
        agreement.sign_agreement.map_or_else(undefined, share),
    ]
}

/// Two methods on a line.
pub fn agreement_line(view: &AgreementView) -> String {
    let [correlation, overlap, signs] = agreement(view);
    format!(
        "{}: rank correlation {correlation}, strongest in common {overlap}, equal signs {signs}",
        pair(view)
    )
}

fn undefined() -> String {
    UNDEFINED.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn the_most_telling_figures_stand_on_a_line_and_what_is_null_is_undefined() {
        let mut answer = sample::judged();
        let said = |answer: &Answer| {
            let explanation = &answer.explanations.as_ref().unwrap()[0];
            line(answer, explanation, explanation.quality.as_ref().unwrap())
        };
        assert_eq!(
            said(&answer),
            "Quality (full): comprehensiveness +0.414, sufficiency +0.021, τ with leaving one out +0.644, \
             better than random by +0.326"
        );
        let quality = answer.explanations.as_mut().unwrap()[0].quality.as_mut().unwrap();
        (quality.leave_one_out_correlation, quality.better_than_random_by) = (Some(None), None);
        assert!(said(&answer).ends_with("sufficiency +0.021, τ with leaving one out undefined"));
    }

    #[test]
    fn two_methods_are_compared_in_words() {
        let answer = sample::judged();
        assert_eq!(
            agreement_line(&answer.agreement.as_ref().unwrap()[0]),
            "Integrated Gradients and saliency for positive: rank correlation +0.782, strongest in common \
             80\u{a0}% of 5, equal signs undefined"
        );
    }
}
