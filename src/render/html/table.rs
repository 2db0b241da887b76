//! Every unit with its score, the strongest first.

use std::fmt::Write;

use crate::engine::answer::Explanation;
use crate::render::escape::escape;
use crate::render::number::{length, plain, signed};
use crate::render::palette::sign;
use crate::render::quality;
use crate::render::scale::Scale;
use crate::render::units::{Ranked, Unit, ranked};
use crate::render::wording::{WHISKERS, method, unit_names};

/// Rows that are always in sight; the others open on demand.
const IN_SIGHT: usize = 12;

/// The table, and a second one, closed at first, for what goes past the first rows.
pub fn draw(out: &mut String, units: &[Unit<'_>], explanation: &Explanation) {
    let ranked = ranked(units, explanation);
    let scale = Scale::new(explanation);
    let (in_sight, rest) = ranked.split_at(ranked.len().min(IN_SIGHT));
    if in_sight.is_empty() {
        return;
    }
    let names = unit_names(explanation.granularity);
    let mut caption = format!("Scores by {}, the strongest first", method(explanation));
    if explanation.standard_errors.is_some() {
        caption.push_str(&format!(". {WHISKERS}"));
    }
    if let Some(frames) = quality::frames(explanation) {
        caption.push_str(&format!(". {frames}"));
    }
    table(out, &caption, names.0, in_sight, &scale);
    if rest.is_empty() {
        return;
    }
    let name = if rest.len() == 1 { names.0.to_lowercase() } else { names.1.to_owned() };
    let _ = writeln!(out, "<details>\n<summary>{} more {name}</summary>", rest.len());
    let caption = format!("Scores by {}, continued", method(explanation));
    table(out, &caption, names.0, rest, &scale);
    out.push_str("</details>\n");
}

fn table(out: &mut String, caption: &str, unit: &str, rows: &[Ranked<'_, '_>], scale: &Scale) {
    let class = if rows.iter().any(|row| row.error.is_some()) { " class=\"errors\"" } else { "" };
    let _ = writeln!(
        out,
        "<table{class}>\n<caption>{}</caption>\n<thead><tr><th scope=\"col\">{unit}</th><th scope=\"col\">Score</th>\
         <td></td></tr></thead>\n<tbody>",
        escape(caption)
    );
    for row in rows {
        let (text, number, bar) = (escape(row.unit.text), signed(row.score.into()), bar(scale, row));
        let error = row.error.map(|error| format!(" <small>±\u{a0}{}</small>", plain(error.into())));
        let error = error.unwrap_or_default();
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\"><bdi>{text}</bdi></th><td>{number}{error}</td><td>{bar}</td></tr>"
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

/// A bar with its whisker, from the axis, and the frame behind it.
fn bar(scale: &Scale, row: &Ranked<'_, '_>) -> String {
    let percent = |share: f32| length(100.0 * share);
    let (axis, (begin, reach)) = (percent(scale.place(0.0)), scale.bar(row.score));
    let whisker = row.error.map(|error| {
        let (low, high) = scale.whisker(row.score, error);
        let (low, high) = (percent(low), percent(high));
        format!(
            "<line class=\"whisker\" x1=\"{low}%\" x2=\"{high}%\" y1=\"8\" y2=\"8\"/>\
             <line class=\"whisker\" x1=\"{low}%\" x2=\"{low}%\" y1=\"5\" y2=\"11\"/>\
             <line class=\"whisker\" x1=\"{high}%\" x2=\"{high}%\" y1=\"5\" y2=\"11\"/>"
        )
    });
    let frame = row.band.map(|band| {
        let (begin, reach) = scale.frame(band);
        // One of no width could not be seen.
        let (begin, reach) = (percent(begin), percent(reach.max(0.002)));
        format!("<rect class=\"band\" x=\"{begin}%\" y=\"1\" width=\"{reach}%\" height=\"14\"/>")
    });
    format!(
        "<svg class=\"bars\" aria-hidden=\"true\">{}<rect class=\"bar {}\" x=\"{}%\" y=\"3\" width=\"{}%\" \
         height=\"10\"/>{}<line class=\"axis\" x1=\"{axis}%\" x2=\"{axis}%\" y2=\"100%\"/></svg>",
        frame.unwrap_or_default(),
        sign(row.score),
        percent(begin),
        percent(reach),
        whisker.unwrap_or_default()
    )
}
