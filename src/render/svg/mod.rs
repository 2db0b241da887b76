//! An answer as one picture: a standalone SVG without scripts or references, for light and dark.

mod attention;
mod bars;
mod canvas;
mod causes;
mod concepts;
mod direction;
mod layout;
mod legend;
mod measure;
mod style;
mod text;
mod texts;

use canvas::Canvas;
pub use concepts::concept::draw as concept;
use style::{HEADLINE, NOTE, TITLE, WARNING};
use texts::Said;

use super::units::{special, units};
use super::{palette, quality, wording};
use crate::engine::Answer;
use crate::engine::answer::{AgreementView, Explanation, PredictionView, Warning};
use crate::identity::Shape;

/// Pixels of a picture of a text.
const WIDTH: f32 = 760.0;

/// An answer as a whole SVG document: its attention maps, or else its explanations, or else its text.
pub fn answer(answer: &Answer) -> String {
    let mut canvas = Canvas::new(attention_width(answer).max(WIDTH));
    header(&mut canvas, answer);
    warnings(&mut canvas, &answer.warnings);
    match (&answer.attention, answer.explanations.as_deref()) {
        (Some(view), _) => attention::draw(&mut canvas, view, &answer.tokens),
        (None, None) if answer.concepts.is_some() => concepts::scores::draw(&mut canvas, answer),
        (None, None) if answer.edits.is_some() => {
            answer.edits.iter().for_each(|view| concepts::edits::draw(&mut canvas, answer, view));
        }
        (None, Some(explanations)) => {
            explanations.iter().for_each(|entry| explanation(&mut canvas, answer, entry));
            agreement(&mut canvas, answer.agreement.as_deref().unwrap_or_default());
        }
        (None, None) => plain_texts(&mut canvas, answer),
    }
    canvas.finish(&label(answer))
}

/// What has a form of its own (counterfactuals, what was made of many answers) as a whole SVG document; none of answers
/// about one text, which [`answer`] draws.
///
/// # Errors
/// The body is none of the shape.
pub fn composed(shape: Shape, body: &[u8]) -> serde_json::Result<Option<String>> {
    match shape {
        Shape::Predict
        | Shape::Explain
        | Shape::ExplainSentences
        | Shape::ExplainAgreement
        | Shape::ExplainSentencesAgreement
        | Shape::Attention
        | Shape::States
        | Shape::ConceptScores
        | Shape::ConceptEdits
        | Shape::Concept => Ok(None),
        Shape::Tcav => Ok(Some(concepts::tcav::draw(&serde_json::from_slice(body)?))),
        Shape::Decomposition => Ok(Some(concepts::decomposition::draw(&serde_json::from_slice(body)?))),
        Shape::Erasure => Ok(Some(concepts::erasure::draw(&serde_json::from_slice(body)?))),
        Shape::Discovery => Ok(Some(concepts::discovery::draw(&serde_json::from_slice(body)?))),
        Shape::Counterfactuals => Ok(Some(causes::counterfactuals::draw(&serde_json::from_slice(body)?))),
        Shape::WhatIf => Ok(Some(causes::what_if::draw(&serde_json::from_slice(body)?))),
        Shape::Grid => Ok(Some(causes::grid::draw(&serde_json::from_slice(body)?))),
        Shape::Mediation => Ok(Some(causes::mediation::draw(&serde_json::from_slice(body)?))),
    }
}

/// The attention maps of an answer alone, to stand inside a page; `None` where there are none.
pub fn attention(answer: &Answer) -> Option<String> {
    let view = answer.attention.as_ref()?;
    let mut canvas = Canvas::new(attention_width(answer));
    attention::draw(&mut canvas, view, &answer.tokens);
    Some(canvas.finish("Attention"))
}

/// The edits of an answer alone, to stand inside a page; `None` where there are none.
pub fn edits(answer: &Answer) -> Option<String> {
    let view = answer.edits.as_ref()?;
    let mut canvas = Canvas::new(WIDTH);
    concepts::edits::draw(&mut canvas, answer, view);
    Some(canvas.finish("Edits"))
}

/// Pixels that an answer's attention takes; 0 where there is none.
fn attention_width(answer: &Answer) -> f32 {
    answer.attention.as_ref().map_or(0.0, |view| attention::width(view, &answer.tokens))
}

/// The picture in one line, for who cannot see it.
fn label(answer: &Answer) -> String {
    format!("{}: {}", wording::said(&answer.prediction), wording::shortened(&answer.text, 100))
}

fn header(canvas: &mut Canvas, answer: &Answer) {
    headline(canvas, &answer.prediction);
    canvas.paragraph(&NOTE, &wording::model(answer));
    if let Some(altered) = wording::altered(answer) {
        canvas.paragraph(&NOTE, &altered);
    }
    if answer.prediction.scores.len() > 1 {
        canvas.paragraph(&NOTE, &wording::labels(&answer.prediction));
    }
}

fn headline(canvas: &mut Canvas, prediction: &PredictionView) {
    for verdict in wording::verdicts(prediction) {
        let probability = verdict.probability.map(|probability| format!(" {probability}"));
        canvas.heading(&HEADLINE, &verdict.what, &probability.unwrap_or_default());
    }
    canvas.skip(2.0);
}

fn explanation(canvas: &mut Canvas, answer: &Answer, explanation: &Explanation) {
    canvas.rule();
    canvas.heading(&TITLE, wording::method(explanation), &wording::subject(explanation));
    let units = units(answer, explanation.granularity);
    let largest = palette::largest(&explanation.scores);
    canvas.skip(10.0);
    let (scores, granularity) = (&explanation.scores, explanation.granularity);
    texts::draw(canvas, answer, &Said { units: &units, scores, granularity, largest });
    text::chips(canvas, &special(&units, &explanation.scores), largest);
    canvas.skip(16.0);
    legend::draw(canvas, explanation, largest);
    canvas.skip(18.0);
    bars::draw(canvas, &units, explanation);
    canvas.skip(12.0);
    canvas.paragraph(&NOTE, &wording::sums(explanation));
    if let Some(figures) = &explanation.quality {
        canvas.paragraph(&NOTE, &quality::line(answer, explanation, figures));
    }
}

/// How far methods agree.
fn agreement(canvas: &mut Canvas, pairs: &[AgreementView]) {
    if pairs.is_empty() {
        return;
    }
    canvas.rule();
    canvas.heading(&TITLE, "Agreement", "");
    for pair in pairs {
        canvas.paragraph(&NOTE, &quality::agreement_line(pair));
    }
}

fn plain_texts(canvas: &mut Canvas, answer: &Answer) {
    canvas.rule();
    texts::draw(canvas, answer, &Said::NOTHING);
    canvas.skip(10.0);
}

fn warnings(canvas: &mut Canvas, warnings: &[Warning]) {
    if !warnings.is_empty() {
        canvas.skip(10.0);
    }
    for warning in warnings {
        canvas.heading(&WARNING, "Warning.", &format!(" {}", warning.message));
    }
}

#[cfg(test)]
mod tests;
