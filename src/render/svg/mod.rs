//! An answer as one picture: a standalone SVG without scripts or references, for light and dark.

mod attention;
mod bars;
mod canvas;
mod direction;
mod layout;
mod legend;
mod measure;
mod style;
mod text;

use canvas::Canvas;
use style::{HEADLINE, NOTE, TITLE, WARNING};

use super::palette;
use super::units::{pieces, special, texts, units};
use super::wording;
use crate::engine::Answer;
use crate::engine::answer::Explanation;

/// Pixels of a picture of a text.
const WIDTH: f32 = 760.0;

/// An answer as a whole SVG document: its attention maps, or else its explanations, or else its text.
pub fn answer(answer: &Answer) -> String {
    let mut canvas = Canvas::new(answer.attention.as_ref().map_or(WIDTH, attention::width).max(WIDTH));
    header(&mut canvas, answer);
    warnings(&mut canvas, answer);
    match (&answer.attention, answer.explanations.as_deref()) {
        (Some(view), _) => attention::draw(&mut canvas, view, &answer.tokens),
        (None, Some(explanations)) => {
            explanations.iter().for_each(|entry| explanation(&mut canvas, answer, entry));
        }
        (None, None) => plain_texts(&mut canvas, answer),
    }
    canvas.finish(&label(answer))
}

/// The attention maps of an answer alone, to stand inside a page; `None` where there are none.
pub fn attention(answer: &Answer) -> Option<String> {
    let view = answer.attention.as_ref()?;
    let mut canvas = Canvas::new(attention::width(view));
    attention::draw(&mut canvas, view, &answer.tokens);
    Some(canvas.finish("Attention maps, a row of heads for each layer"))
}

/// The picture in one line, for who cannot see it.
fn label(answer: &Answer) -> String {
    format!("{}: {}", verdict(answer), wording::shortened(&answer.text, 100))
}

fn verdict(answer: &Answer) -> String {
    let verdicts = wording::verdicts(&answer.prediction).into_iter();
    let said = verdicts.map(|verdict| match verdict.probability {
        Some(probability) => format!("{} {probability}", wording::isolated(&verdict.what)),
        None => verdict.what,
    });
    said.collect::<Vec<_>>().join(", ")
}

fn header(canvas: &mut Canvas, answer: &Answer) {
    for verdict in wording::verdicts(&answer.prediction) {
        let probability = verdict.probability.map(|probability| format!(" {probability}"));
        canvas.heading(&HEADLINE, &verdict.what, &probability.unwrap_or_default());
    }
    canvas.skip(2.0);
    canvas.paragraph(&NOTE, &wording::model(answer));
    if answer.prediction.scores.len() > 1 {
        canvas.paragraph(&NOTE, &wording::labels(&answer.prediction));
    }
}

fn explanation(canvas: &mut Canvas, answer: &Answer, explanation: &Explanation) {
    canvas.rule();
    canvas.heading(&TITLE, &wording::method(explanation), &wording::subject(explanation));
    let units = units(answer, explanation.granularity);
    let largest = palette::largest(&explanation.scores);
    for segment in 0..texts(answer).count() {
        canvas.skip(10.0);
        text::draw(canvas, &pieces(answer, segment, &units, &explanation.scores), largest);
    }
    text::chips(canvas, &special(&units, &explanation.scores), largest);
    canvas.skip(16.0);
    legend::draw(canvas, explanation, largest);
    canvas.skip(18.0);
    bars::draw(canvas, &units, explanation);
    canvas.skip(12.0);
    canvas.paragraph(&NOTE, &wording::sums(explanation));
}

fn plain_texts(canvas: &mut Canvas, answer: &Answer) {
    canvas.rule();
    for segment in 0..texts(answer).count() {
        text::draw(canvas, &pieces(answer, segment, &[], &[]), 0.0);
        canvas.skip(10.0);
    }
}

fn warnings(canvas: &mut Canvas, answer: &Answer) {
    if !answer.warnings.is_empty() {
        canvas.skip(10.0);
    }
    for warning in &answer.warnings {
        canvas.heading(&WARNING, "Warning.", &format!(" {}", warning.message));
    }
}

#[cfg(test)]
mod tests;
