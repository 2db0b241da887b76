//! How much of each concept there is in the words of a text.

use crate::engine::Answer;
use crate::engine::answer::ConceptScoreView;
use crate::explain::granularity::Granularity;
use crate::render::palette;
use crate::render::svg::canvas::Canvas;
use crate::render::svg::style::{NOTE, TITLE};
use crate::render::svg::texts::{self, Said};
use crate::render::units::units;

/// Draws all concepts of an answer.
pub fn draw(canvas: &mut Canvas, answer: &Answer) {
    for view in answer.concepts.as_deref().unwrap_or_default() {
        concept(canvas, answer, view);
    }
}

fn concept(canvas: &mut Canvas, answer: &Answer, view: &ConceptScoreView) {
    canvas.rule();
    let standing =
        format!(" {:+.2} ({:+.1} standard deviations from usual texts)", view.score, view.standardised);
    canvas.heading(&TITLE, &view.concept.name, &standing);
    canvas.skip(10.0);
    let units = units(answer, Granularity::Word);
    let largest = palette::largest(&view.words);
    let said = Said { units: &units, scores: &view.words, granularity: Granularity::Word, largest };
    texts::draw(canvas, answer, &said);
    canvas.skip(12.0);
    let derivatives: Vec<String> = view
        .derivatives
        .iter()
        .map(|derivative| format!("{} {:+.3}", derivative.target.label, derivative.value))
        .collect();
    canvas.paragraph(
        &NOTE,
        &format!("More of it moves the logits by {} per unit of length.", derivatives.join(", ")),
    );
    let layers: Vec<String> =
        view.layers.iter().map(|at| format!("{}: {:+.1}", at.layer, at.standardised)).collect();
    canvas.paragraph(
        &NOTE,
        &format!(
            "Version {} at layer {}. In standard deviations, by layer: {}.",
            view.concept.version,
            view.layer,
            layers.join(", ")
        ),
    );
}
