//! Every unit with its score, the strongest first.

use std::fmt::Write;

use crate::engine::answer::Explanation;
use crate::render::escape::escape;
use crate::render::number::{length, signed};
use crate::render::palette::{largest, sign};
use crate::render::units::{Unit, ranked};
use crate::render::wording::{method, unit_names};

/// Rows that are always in sight; the others open on demand.
const IN_SIGHT: usize = 12;

/// The table, and a second one, closed at first, for what goes past the first rows.
pub fn draw(out: &mut String, units: &[Unit<'_>], explanation: &Explanation) {
    let ranked = ranked(units, &explanation.scores);
    let bars = Bars::new(&explanation.scores);
    let (in_sight, rest) = ranked.split_at(ranked.len().min(IN_SIGHT));
    if in_sight.is_empty() {
        return;
    }
    let names = unit_names(explanation.granularity);
    let caption = format!("Scores by {}, the strongest first", method(explanation));
    table(out, &caption, names.0, in_sight, &bars);
    if rest.is_empty() {
        return;
    }
    let _ = writeln!(out, "<details>\n<summary>{} more {}</summary>", rest.len(), names.1);
    table(out, &format!("{caption}, continued"), names.0, rest, &bars);
    out.push_str("</details>\n");
}

fn table(out: &mut String, caption: &str, unit: &str, rows: &[(&Unit<'_>, f32)], bars: &Bars) {
    let _ = writeln!(
        out,
        "<table>\n<caption>{}</caption>\n<thead><tr><th scope=\"col\">{unit}</th><th scope=\"col\">Score</th>\
         <td></td></tr></thead>\n<tbody>",
        escape(caption)
    );
    for (unit, score) in rows {
        let (text, number, bar) = (escape(unit.text), signed((*score).into()), bars.of(*score));
        let _ =
            writeln!(out, "<tr><th scope=\"row\"><bdi>{text}</bdi></th><td>{number}</td><td>{bar}</td></tr>");
    }
    out.push_str("</tbody>\n</table>\n");
}

/// Bars on one scale; where there are scores of both signs, from an axis in the middle.
struct Bars {
    largest: f32,
    signs: bool,
}

impl Bars {
    fn new(scores: &[f32]) -> Self {
        Bars { largest: largest(scores), signs: scores.iter().any(|score| *score < 0.0) }
    }

    fn of(&self, score: f32) -> String {
        let (axis, longest) = if self.signs { (50.0, 50.0) } else { (0.0, 100.0) };
        let reach = if self.largest > 0.0 { score.abs() / self.largest * longest } else { 0.0 };
        let x = if score < 0.0 { axis - reach } else { axis };
        format!(
            "<svg class=\"bars\" aria-hidden=\"true\"><rect class=\"bar {}\" x=\"{}%\" y=\"3\" width=\"{}%\" \
             height=\"10\"/><line class=\"axis\" x1=\"{axis}%\" x2=\"{axis}%\" y2=\"100%\"/></svg>",
            sign(score),
            length(x),
            length(reach)
        )
    }
}
