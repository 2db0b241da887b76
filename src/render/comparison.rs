//! A comparison in a terminal. Colours come as ANSI codes; printing through `anstream` takes them out where nobody
//! would see them.

use std::fmt::Write;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::number::{percent, plain, signed};
use super::wording::shortened;
use crate::summary::comparison::{ClassComparison, Comparison, Flip, Flips, Side, Verdict};
use crate::summary::{Interval, Share};

/// Words of a class and rows that are listed; the rest is in the JSON.
const LISTED: usize = 12;

/// Columns of a word, of labels, and of a text, at most.
const WIDTHS: (usize, usize, usize) = (24, 24, 60);

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// What has changed between two models about the same rows, before and after; `text` knows the text of a row.
pub fn comparison<'a>(
    comparison: &Comparison,
    method: &str,
    text: &dyn Fn(u64) -> Option<&'a str>,
) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{BOLD}rows{BOLD:#}      {}", rows(&comparison.a, &comparison.b));
    if let Some(flips) = &comparison.flips {
        let _ = writeln!(out, "{BOLD}flips{BOLD:#}     {}", flips.share.as_ref().map_or_else(none, share));
    }
    let accuracy = |side: &Side| side.predictions.agreement.and_then(|agreement| agreement.accuracy);
    if let (Some(before), Some(after)) = (accuracy(&comparison.a), accuracy(&comparison.b)) {
        let _ = writeln!(out, "{BOLD}accuracy{BOLD:#}  before {}", share(&before));
        let _ = writeln!(out, "          after  {}", share(&after));
    }
    for class in &comparison.words {
        let _ = write!(out, "\n{}", words(class, method));
    }
    if let Some(flips) = comparison.flips.as_ref().filter(|flips| !flips.rows.is_empty()) {
        let _ = write!(out, "\n{}", flipped(flips, text));
    }
    out
}

fn none() -> String {
    "no rows that both have answered".into()
}

fn rows(before: &Side, after: &Side) -> String {
    match (before.failed, after.failed) {
        (0, 0) => before.rows.to_string(),
        (first, second) => format!("{}, of which {first} failed before and {second} after", before.rows),
    }
}

fn share(share: &Share) -> String {
    let Interval { low, high } = share.interval;
    let interval = format!("{} to {}", percent(low), percent(high));
    format!("{} of {}, {} {DIM}({interval}){DIM:#}", share.count, share.of, percent(share.share))
}

fn words(class: &ClassComparison, method: &str) -> String {
    let mut out = String::new();
    let target =
        class.label.as_ref().map(|label| format!(" for {BOLD}{}{BOLD:#}", shortened(label, WIDTHS.1)));
    let correlation = |value: Option<f64>| value.map_or_else(|| "unknown".into(), plain);
    let (spearman, kendall) = (correlation(class.spearman), correlation(class.kendall));
    let _ = writeln!(
        out,
        "{BOLD}{method}{BOLD:#}{}{DIM}: Spearman {spearman}, Kendall {kendall} over {} words{DIM:#}\n",
        target.unwrap_or_default(),
        class.words_in_both
    );
    let shown = &class.changed[..class.changed.len().min(LISTED)];
    if shown.is_empty() {
        return out;
    }
    let label = |word: &str| shortened(word, WIDTHS.0);
    let width = shown.iter().map(|word| label(&word.word).width()).max().unwrap_or(0).max("word".len());
    let heading =
        format!("{}  {:>8}  {:>8}  {:>8}  95 %", padded("word", width), "before", "after", "change");
    let _ = writeln!(out, "  {DIM}{heading}{DIM:#}");
    for word in shown {
        let numbers = [word.a, word.b, word.difference].map(|number| format!("{:>8}", signed(number)));
        let interval =
            word.interval.map(|Interval { low, high }| format!("{} to {}", signed(low), signed(high)));
        let interval = interval.unwrap_or_default();
        let _ = writeln!(out, "  {}  {}  {interval}", padded(&label(&word.word), width), numbers.join("  "));
    }
    if class.words_in_both > shown.len() {
        let rest = class.words_in_both - shown.len();
        let _ = writeln!(out, "  {DIM}… and {rest} more; --json with --top gives them{DIM:#}");
    }
    out
}

fn flipped<'a>(flips: &Flips, text: &dyn Fn(u64) -> Option<&'a str>) -> String {
    let mut out = format!("{BOLD}rows with another label{BOLD:#}{DIM}, with margins in logits{DIM:#}\n\n");
    let shown = &flips.rows[..flips.rows.len().min(LISTED)];
    let widest =
        |side: fn(&Flip) -> &Verdict| shown.iter().map(|flip| verdict(side(flip)).width()).max().unwrap_or(0);
    let (before, after) = (widest(|flip| &flip.a), widest(|flip| &flip.b));
    for flip in shown {
        let said = [(&flip.a, before), (&flip.b, after)];
        let [first, second] = said.map(|(said, width)| padded(&verdict(said), width));
        let text = text(flip.row).map(|text| shortened(text, WIDTHS.2)).unwrap_or_default();
        let _ = writeln!(out, "  {:>6}  {first} → {second}  {DIM}{text}{DIM:#}", flip.row);
    }
    let all = flips.share.map_or(0, |share| share.count);
    if all > shown.len() as u64 {
        let _ = writeln!(
            out,
            "  {DIM}… and {} more; --json with --top gives them{DIM:#}",
            all - shown.len() as u64
        );
    }
    out
}

fn verdict(verdict: &Verdict) -> String {
    let labels = match verdict.labels.is_empty() {
        true => "no label".into(),
        false => shortened(&verdict.labels.join(", "), WIDTHS.1),
    };
    let margin = verdict.margin.map(|margin| format!(" {margin:.2}"));
    format!("{labels}{}", margin.unwrap_or_default())
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}
