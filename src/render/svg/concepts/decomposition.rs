//! A concept taken apart: its strongest examples, how few of them do, and the texts that lie along it.

use std::fmt::Write;

use super::signed_bars;
use crate::concept::decomposing::{CoefficientsBy, DecompositionView, ExampleView, NearView, Side, TermView};
use crate::render::number::length;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::style::{HEADLINE, LABEL, NOTE, TITLE, WARNING};

/// Pixels of the picture.
const WIDTH: f32 = 760.0;

/// Examples and texts that are drawn of each list.
const LISTED: usize = 12;

/// Pixels of the part where the curve is drawn: its height, and what stands to its left.
const HEIGHT: f32 = 140.0;
const LEFT: f32 = 44.0;

/// The whole document.
pub fn draw(view: &DecompositionView) -> String {
    let mut canvas = Canvas::new(WIDTH);
    canvas.heading(&HEADLINE, &view.concept.name, &format!(" version {}", view.concept.version));
    canvas.skip(2.0);
    let shortened: String = view.model.fingerprint.chars().take(12).collect();
    canvas.paragraph(&NOTE, &format!("Model {} ({shortened}), layer {}.", view.model.id, view.layer));
    for warning in &view.warnings {
        canvas.heading(&WARNING, "Warning.", &format!(" {}", warning.message));
    }
    coefficients(&mut canvas, view);
    curve(&mut canvas, &view.curve);
    texts(&mut canvas, "Texts along it", &view.nearest);
    texts(&mut canvas, "Texts against it", &view.farthest);
    if view.rows > 0 {
        canvas.skip(4.0);
        canvas.paragraph(&NOTE, &format!("Of {} texts, in standard deviations from usual ones.", view.rows));
    }
    canvas.finish(&format!("Concept {}, taken apart", view.concept.name))
}

/// The examples with the largest coefficients.
fn coefficients(canvas: &mut Canvas, view: &DecompositionView) {
    let Some(residual) = view.residual else { return };
    canvas.rule();
    canvas.heading(&TITLE, "Made of its examples", "");
    canvas.skip(6.0);
    let mut strongest: Vec<(String, f64)> =
        view.coefficients.iter().map(|of| (named(&of.example), of.coefficient)).collect();
    // The sort is stable.
    strongest.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    strongest.truncate(LISTED);
    let decimals = decimals(strongest.first().map_or(0.0, |(_, coefficient)| coefficient.abs()));
    signed_bars(canvas, &strongest, |coefficient| format!("{coefficient:+.decimals$}"));
    let by = match view.coefficients_by {
        Some(CoefficientsBy::LeastSquares) => "Least squares",
        _ => "The learner's own coefficients",
    };
    canvas.skip(4.0);
    let note = format!(
        "{by}: the {} strongest of {}. All of them leave {residual:.1e} of the direction over.",
        strongest.len(),
        view.coefficients.len()
    );
    canvas.paragraph(&NOTE, &note);
}

/// The cosine with the direction that is left when only so many examples make it.
fn curve(canvas: &mut Canvas, terms: &[TermView]) {
    let Some(last) = terms.last() else { return };
    canvas.rule();
    canvas.heading(&TITLE, "How few of them do", "");
    canvas.skip(8.0);
    let top = canvas.y();
    let room = canvas.room() - LEFT;
    let height = |cosine: f64| top + HEIGHT * (1.0 - cosine as f32);
    for tick in [0.0, 0.5, 1.0] {
        let y = height(tick);
        canvas.line(&LABEL, (MARGIN + LEFT - 8.0, y + 4.0), "end", &format!("{tick:.1}"));
        let (x, y, room) = (length(MARGIN + LEFT), length(y.round() + 0.5), length(room));
        canvas.put(format_args!("<path class=\"rule\" d=\"M{x} {y}h{room}\"/>\n"));
    }
    let step = room / terms.len() as f32;
    let place = |index: usize| MARGIN + LEFT + step * (index as f32 + 0.5);
    let mut line = String::new();
    // Every number where there is room for it.
    let every = terms.len().div_ceil(25);
    for (index, term) in terms.iter().enumerate() {
        let (x, y) = (place(index), height(term.cosine));
        let _ = write!(line, "{}{} {}", if index == 0 { "M" } else { "L" }, length(x), length(y));
        let (x, y) = (length(x), length(y));
        canvas.put(format_args!("<circle class=\"bar for\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>\n"));
        if (index + 1) % every == 0 {
            canvas.line(&LABEL, (place(index), top + HEIGHT + 18.0), "middle", &term.terms.to_string());
        }
    }
    canvas.put(format_args!("<path class=\"whisker\" d=\"{line}\"/>\n"));
    canvas.skip(HEIGHT + 28.0);
    canvas.paragraph(
        &NOTE,
        &format!(
            "The cosine between the direction and what so many examples can make of it, the best one added each time: \
             {:.2} with {}.",
            last.cosine, last.terms
        ),
    );
}

fn texts(canvas: &mut Canvas, title: &str, near: &[NearView]) {
    if near.is_empty() {
        return;
    }
    canvas.rule();
    canvas.heading(&TITLE, title, "");
    canvas.skip(6.0);
    let rows: Vec<(String, f64)> = near
        .iter()
        .take(LISTED)
        .map(|at| (format!("{}  {}", at.row, both(&at.text, at.text_pair.as_deref())), at.standardised))
        .collect();
    signed_bars(canvas, &rows, |standardised| format!("{standardised:+.2}"));
}

/// Decimals with which a number of this size has three digits.
fn decimals(largest: f64) -> usize {
    // Not a number and infinite where it is 0.
    let digits = 2.0 - largest.log10().floor();
    if digits.is_finite() { digits.clamp(1.0, 12.0) as usize } else { 1 }
}

fn named(example: &ExampleView) -> String {
    let side = match example.side {
        Side::Positive => "for",
        Side::Negative => "against",
    };
    format!("{side} {}  {}", example.index, both(&example.text, example.text_pair.as_deref()))
}

fn both(text: &str, text_pair: Option<&str>) -> String {
    text_pair.map_or_else(|| text.to_owned(), |second| format!("{text} / {second}"))
}
