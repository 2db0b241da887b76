//! Explanations in a terminal: words coloured by score, and the strongest ones as bars. Colours come
//! as ANSI codes; printing through `anstream` takes them out where nobody would see them.

use std::fmt::Write;

use anstyle::{AnsiColor, Color, RgbColor, Style};
use unicode_width::UnicodeWidthStr;

use super::number::plain;
use super::palette::{self, AGAINST, Colour, FOR};
use super::quality;
use super::units::{Piece, Ranked, Role, Unit, pieces, ranked, texts, units};
use super::wording::{self, shortened, taken};
use crate::engine::Answer;
use crate::engine::answer::{AgreementView, ConvergenceView, Explanation, PredictionView};
use crate::explain::granularity::Granularity;
use crate::model::Model;

/// Units listed below the text; the rest is in the JSON.
const LISTED: usize = 12;

/// Characters of the longest bar.
const BAR: usize = 24;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// `error`, as it begins a message.
pub fn error_label() -> String {
    let style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));
    format!("{style}error{style:#}")
}

/// A whole answer.
pub fn answer(answer: &Answer) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}  {DIM}{}{DIM:#}", prediction(&answer.prediction), answer.model.id);
    if let Some(altered) = wording::altered(answer) {
        let _ = writeln!(out, "{DIM}{altered}{DIM:#}");
    }
    for explanation in answer.explanations.iter().flatten() {
        let _ = write!(out, "\n{}", heading(explanation));
        let units = units(answer, explanation.granularity);
        for segment in 0..texts(answer).count() {
            let pieces = pieces(answer, segment, &units, &explanation.scores);
            let largest = palette::largest(&explanation.scores);
            let drawn = match explanation.granularity {
                Granularity::Sentence => sentences(&pieces, largest),
                Granularity::Word | Granularity::Token => format!("  {}\n", coloured(&pieces, largest)),
            };
            let _ = write!(out, "\n{drawn}");
        }
        let _ = write!(out, "\n{}", bars(&units, explanation));
        if let Some(figures) = &explanation.quality {
            let _ = writeln!(out, "\n  {}", quality::line(answer, explanation, figures));
        }
    }
    agreement(&mut out, answer.agreement.as_deref().unwrap_or_default());
    for warning in &answer.warnings {
        let _ = writeln!(out, "\n{BOLD}warning{BOLD:#} {}: {}", warning.code.name(), warning.message);
    }
    out
}

/// How far methods agree.
fn agreement(out: &mut String, pairs: &[AgreementView]) {
    if pairs.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{BOLD}agreement{BOLD:#}\n");
    for pair in pairs {
        let _ = writeln!(out, "  {}", quality::agreement_line(pair));
    }
}

/// What a loaded model is.
pub fn model(model: &Model) -> String {
    let config = model.config();
    let mut out = String::new();
    let _ = writeln!(out, "{BOLD}{}{BOLD:#}  {DIM}{}{DIM:#}", model.id(), model.directory().display());
    let masked_lm = if model.encoder().has_masked_lm_head() { ", with a masked-LM head" } else { "" };
    let facts = [
        ("labels", config.labels.join(", ")),
        ("problem", config.problem.name().to_owned()),
        (
            "shape",
            format!(
                "{} layers, {} heads, hidden {}, feed-forward {}{masked_lm}",
                config.layers, config.heads, config.hidden_size, config.intermediate_size
            ),
        ),
        ("tokens", format!("at most {}", model.tokenizer().limit())),
        ("fingerprint", model.fingerprint().to_owned()),
    ];
    for (name, value) in facts {
        let _ = writeln!(out, "  {name:<12} {value}");
    }
    out
}

fn prediction(prediction: &PredictionView) -> String {
    if let Some(value) = prediction.value {
        return format!("{BOLD}{value:.4}{BOLD:#}");
    }
    let percent = |label: &str| {
        let score = prediction.scores.iter().find(|entry| entry.label == label);
        score.map_or(String::new(), |entry| format!(" {:.1} %", 100.0 * entry.score))
    };
    match (&prediction.label, &prediction.labels) {
        (Some(label), _) => format!("{BOLD}{label}{BOLD:#}{}", percent(label)),
        (None, Some(labels)) if !labels.is_empty() => {
            let each = labels.iter().map(|label| format!("{BOLD}{label}{BOLD:#}{}", percent(label)));
            each.collect::<Vec<_>>().join(", ")
        }
        _ => format!("{BOLD}no label{BOLD:#}"),
    }
}

fn heading(explanation: &Explanation) -> String {
    let target = explanation.target.as_ref().map(|target| format!(" for {BOLD}{}{BOLD:#}", target.label));
    let output = explanation.output.map(|output| format!(", in {} units", output.name())).unwrap_or_default();
    let sums = explanation.convergence.as_ref().map(sums_up).unwrap_or_default();
    format!("{BOLD}{}{BOLD:#}{}{DIM}{output}{sums}{DIM:#}\n", explanation.method, target.unwrap_or_default())
}

fn sums_up(convergence: &ConvergenceView) -> String {
    let change = convergence.target_output - convergence.baseline_output;
    let verdict = if convergence.converged { "converged" } else { "not converged" };
    format!(
        "; sums to {:.3} of {change:.3}, {verdict} after {}",
        change + convergence.delta,
        taken(convergence)
    )
}

/// The text as it was sent, each unit on its colour.
fn coloured(pieces: &[Piece<'_>], largest: f32) -> String {
    let mut out = String::new();
    for piece in pieces {
        let style = match piece.role {
            Role::Scored(score) => shade(score, largest),
            Role::Between | Role::Unseen => Style::new(),
        };
        // Controls would move the cursor.
        let text: String = piece.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = write!(out, "{style}{text}{style:#}");
    }
    out
}

/// Each sentence on a line of its own, with its score before it.
fn sentences(pieces: &[Piece<'_>], largest: f32) -> String {
    let mut out = String::new();
    for piece in pieces.iter().filter(|piece| !piece.text.trim().is_empty()) {
        let score = match piece.role {
            Role::Scored(score) => format!("{score:>+8.3}"),
            Role::Between | Role::Unseen => " ".repeat(8),
        };
        let _ = writeln!(out, "  {score}  {}", coloured(std::slice::from_ref(piece), largest));
    }
    out
}

/// The strongest units as bars, the strongest first.
fn bars(units: &[Unit<'_>], explanation: &Explanation) -> String {
    let largest = palette::largest(&explanation.scores);
    let ranked = ranked(units, explanation);
    let shown = &ranked[..ranked.len().min(LISTED)];
    let label = |unit: &Unit<'_>| shortened(unit.text, 32);
    let width = shown.iter().map(|row| label(row.unit).width()).max().unwrap_or(0);
    let mut out = String::new();
    for Ranked { unit, score, error, band } in shown {
        let label = label(unit);
        let error = error.map(|error| format!(" ± {}", plain(error.into()))).unwrap_or_default();
        let band = band.map(|(low, high)| format!("  {low:>+8.3} to {high:>+8.3}")).unwrap_or_default();
        let gap = " ".repeat(width - label.width());
        let length = if largest > 0.0 { (score.abs() / largest * BAR as f32).round() as usize } else { 0 };
        let style = foreground(*score);
        let _ = writeln!(
            out,
            "  {label}{gap}  {score:>+8.3}{error}{band}  {style}{}{style:#}",
            "█".repeat(length)
        );
    }
    if let Some(baselines) = quality::baselines(explanation) {
        let _ = writeln!(out, "  {DIM}with the range over other baselines: {baselines}{DIM:#}");
    }
    if ranked.len() > LISTED {
        let _ = writeln!(out, "  {DIM}… and {} more; --json gives all{DIM:#}", ranked.len() - LISTED);
    }
    out
}

/// Black on a tint that deepens with the score, legible on dark and light terminals alike.
fn shade(score: f32, largest: f32) -> Style {
    let Some(strength) = palette::strength(score, largest) else { return Style::new() };
    let background = colour(hue(score).on_white(strength));
    Style::new().fg_color(Some(RgbColor(0, 0, 0).into())).bg_color(Some(background))
}

fn foreground(score: f32) -> Style {
    Style::new().fg_color(Some(colour(hue(score))))
}

fn hue(score: f32) -> Colour {
    if score > 0.0 { FOR } else { AGAINST }
}

fn colour(colour: Colour) -> Color {
    let [red, green, blue] = colour.bytes();
    RgbColor(red, green, blue).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    fn plain_text(sample: &Answer) -> String {
        anstream::adapter::strip_str(&answer(sample)).to_string()
    }

    #[test]
    fn each_sentence_stands_on_a_line_with_its_score() {
        let text = plain_text(&sample::sentences(&[("It grips.", 0.8), ("It drags.", -0.3)]));
        assert!(text.contains("\n    +0.800  It grips.\n    -0.300  It drags.\n"), "{text}");
    }

    #[test]
    fn a_score_of_a_method_that_samples_has_its_standard_error() {
        let text = plain_text(&sample::sampled("a fine film", &[0.1, 0.9, -0.4], &[0.2, 0.05, 0.1]));
        assert!(text.contains("fine    +0.900 ± 0.050  █"), "{text}");
        assert!(text.contains("after 288 altered texts"), "{text}");
    }

    #[test]
    fn figures_of_quality_and_agreement_stand_below_the_scores_they_speak_of() {
        let text = plain_text(&sample::judged());
        let place = |said: &str| text.find(said).unwrap_or_else(|| panic!("no {said:?} in {text}"));
        assert!(text.contains("gripping    +0.914    +0.814 to   +1.014  █"), "{text}");
        assert!(place("other baselines: mask, zero") < place("Quality (full): comprehensiveness +0.414"));
        assert!(place("better than random by") < place("\nagreement\n\n  Integrated Gradients and saliency"));
    }
}
