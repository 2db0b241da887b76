//! Explanations in a terminal: words coloured by score, and the strongest ones as bars. Colours come
//! as ANSI codes; printing through `anstream` takes them out where nobody would see them.

use std::fmt::Write;

use anstyle::{AnsiColor, Color, RgbColor, Style};
use unicode_width::UnicodeWidthStr;

use super::palette::{self, AGAINST, Colour, FOR};
use super::units::{Piece, Role, Unit, pieces, ranked, texts, units};
use super::wording::shortened;
use crate::engine::Answer;
use crate::engine::answer::{ConvergenceView, Explanation, PredictionView};
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
    for explanation in answer.explanations.iter().flatten() {
        let _ = write!(out, "\n{}", heading(explanation));
        let units = units(answer, explanation.granularity);
        for segment in 0..texts(answer).count() {
            let pieces = pieces(answer, segment, &units, &explanation.scores);
            let _ = write!(out, "\n{}", coloured(&pieces, palette::largest(&explanation.scores)));
        }
        let _ = write!(out, "\n{}", bars(&units, &explanation.scores));
    }
    for warning in &answer.warnings {
        let _ = writeln!(out, "\n{BOLD}warning{BOLD:#} {}: {}", warning.code.name(), warning.message);
    }
    out
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
        "; sums to {:.3} of {change:.3}, {verdict} after {} gradients",
        change + convergence.delta,
        convergence.gradients
    )
}

/// The text as it was sent, each unit on its colour.
fn coloured(pieces: &[Piece<'_>], largest: f32) -> String {
    let mut out = String::from("  ");
    for piece in pieces {
        let style = match piece.role {
            Role::Scored(score) => shade(score, largest),
            Role::Between | Role::Unseen => Style::new(),
        };
        // Controls would move the cursor.
        let text: String = piece.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = write!(out, "{style}{text}{style:#}");
    }
    out.push('\n');
    out
}

/// The strongest units as bars, the strongest first.
fn bars(units: &[Unit<'_>], scores: &[f32]) -> String {
    let largest = palette::largest(scores);
    let ranked = ranked(units, scores);
    let shown = &ranked[..ranked.len().min(LISTED)];
    let label = |unit: &Unit<'_>| shortened(unit.text, 32);
    let width = shown.iter().map(|(unit, _)| label(unit).width()).max().unwrap_or(0);
    let mut out = String::new();
    for (unit, score) in shown {
        let label = label(unit);
        let gap = " ".repeat(width - label.width());
        let length = if largest > 0.0 { (score.abs() / largest * BAR as f32).round() as usize } else { 0 };
        let style = foreground(*score);
        let _ = writeln!(out, "  {label}{gap}  {score:>+8.3}  {style}{}{style:#}", "█".repeat(length));
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
