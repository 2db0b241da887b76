//! Explanations in a terminal: words coloured by score, and the strongest ones as bars. Colours come
//! as ANSI codes; printing through `anstream` takes them out where nobody would see them.

use std::fmt::Write;

use anstyle::{AnsiColor, Color, RgbColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::engine::Answer;
use crate::engine::answer::{ConvergenceView, Explanation, PredictionView};
use crate::explain::granularity::Granularity;
use crate::model::Model;

/// Units listed below the text; the rest is in the JSON.
const LISTED: usize = 12;

/// Characters of the longest bar.
const BAR: usize = 24;

/// Scores below this share of the largest stay without colour.
const FAINTEST: f32 = 0.05;

/// Blue and orange differ for every kind of colour vision.
const FOR: (f32, f32, f32) = (40.0, 110.0, 220.0);
const AGAINST: (f32, f32, f32) = (225.0, 120.0, 0.0);

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
        for (segment, text) in
            [Some(&answer.text), answer.text_pair.as_ref()].into_iter().flatten().enumerate()
        {
            let _ = write!(out, "\n{}", coloured(text, segment, &units, &explanation.scores));
        }
        let _ = write!(out, "\n{}", bars(&units, &explanation.scores));
    }
    for warning in &answer.warnings {
        let _ = writeln!(out, "\n{BOLD}warning{BOLD:#} {}: {}", warning.code, warning.message);
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
    let output = explanation.output.map(|output| format!(", in {output} units")).unwrap_or_default();
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

/// Something that has one score: where it stands, and what it says.
struct Unit<'a> {
    segment: usize,
    start: usize,
    end: usize,
    text: &'a str,
}

fn units(answer: &Answer, granularity: Granularity) -> Vec<Unit<'_>> {
    let unit = |segment, start, end, text| Unit { segment, start, end, text };
    match granularity {
        Granularity::Token => {
            answer.tokens.iter().map(|t| unit(t.segment, t.start, t.end, &t.text)).collect()
        }
        Granularity::Word => answer.words.iter().map(|w| unit(w.segment, w.start, w.end, &w.text)).collect(),
        Granularity::Sentence => {
            answer.sentences.iter().flatten().map(|s| unit(s.segment, s.start, s.end, &s.text)).collect()
        }
    }
}

/// The text as it was sent, each unit on its colour.
fn coloured(text: &str, segment: usize, units: &[Unit<'_>], scores: &[f32]) -> String {
    let characters: Vec<char> = text.chars().collect();
    let largest = largest(scores);
    let mut out = String::from("  ");
    let mut position = 0;
    let put = |out: &mut String, from: usize, to: usize| {
        characters[from..to].iter().for_each(|character| {
            let controls_would_move_the_cursor = character.is_control();
            out.push(if controls_would_move_the_cursor { ' ' } else { *character });
        });
    };
    for (unit, score) in units.iter().zip(scores).filter(|(unit, _)| unit.segment == segment) {
        if unit.start < position || unit.start >= unit.end {
            continue;
        }
        put(&mut out, position, unit.start);
        let style = shade(*score, largest);
        let _ = write!(out, "{style}");
        put(&mut out, unit.start, unit.end);
        let _ = write!(out, "{style:#}");
        position = unit.end;
    }
    put(&mut out, position, characters.len());
    out.push('\n');
    out
}

/// The strongest units as bars, the strongest first.
fn bars(units: &[Unit<'_>], scores: &[f32]) -> String {
    let largest = largest(scores);
    let mut ranked: Vec<(&Unit<'_>, f32)> = units.iter().zip(scores.iter().copied()).collect();
    ranked.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
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

fn shortened(text: &str, longest: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.chars().count() > longest {
        true => clean.chars().take(longest - 1).chain(['…']).collect(),
        false => clean,
    }
}

fn largest(scores: &[f32]) -> f32 {
    scores.iter().fold(0.0, |largest, score| largest.max(score.abs()))
}

/// Black on a tint that deepens with the score, legible on dark and light terminals alike.
fn shade(score: f32, largest: f32) -> Style {
    let strength = if largest > 0.0 { score.abs() / largest } else { 0.0 };
    if strength < FAINTEST {
        return Style::new();
    }
    let (red, green, blue) = if score > 0.0 { FOR } else { AGAINST };
    let lightest = 0.85 - 0.6 * strength;
    let tint = |channel: f32| (channel + (255.0 - channel) * lightest) as u8;
    let background = RgbColor(tint(red), tint(green), tint(blue));
    Style::new().fg_color(Some(RgbColor(0, 0, 0).into())).bg_color(Some(background.into()))
}

fn foreground(score: f32) -> Style {
    let (red, green, blue) = if score > 0.0 { FOR } else { AGAINST };
    Style::new().fg_color(Some(RgbColor(red as u8, green as u8, blue as u8).into()))
}
