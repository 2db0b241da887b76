//! What there is to see of causes: counterfactuals, what-if, mediation.

mod bars;
pub mod counterfactuals;
mod edits;
pub mod grid;
mod map;
pub mod mediation;
mod passage;
pub mod what_if;

use super::canvas::{Canvas, MARGIN};
use super::style::{NOTE, WARNING};
use crate::engine::answer::{OriginalView, TargetView, Warning};
use crate::explain::Output;
use crate::render::units::are_many;
use crate::render::wording::{TEXT_NAMES, isolated};
use passage::Stretch;

/// Pixels of a picture.
const WIDTH: f32 = 760.0;

/// What a reader should know first: the warnings, and that there could have been more.
fn reservations(canvas: &mut Canvas, warnings: &[Warning], complete: bool) {
    super::warnings(canvas, warnings);
    if !complete {
        canvas.skip(6.0);
        canvas.heading(
            &WARNING,
            "Not complete.",
            " The time was over first: this is what there was by then.",
        );
    }
}

/// The texts one below the other, each with what is marked in it; `stretches` of a text by its segment.
fn texts(
    canvas: &mut Canvas,
    original: &OriginalView,
    largest: f32,
    stretches: impl Fn(usize, &str) -> Vec<Stretch>,
) {
    let style = passage::style(are_many(original.words.len()));
    let texts = [Some(&original.text), original.text_pair.as_ref()].into_iter().flatten();
    for (segment, text) in texts.enumerate() {
        if original.text_pair.is_some() {
            canvas.line(&NOTE, (MARGIN, canvas.y() + NOTE.size), "start", TEXT_NAMES[segment.min(1)]);
            canvas.skip(NOTE.line);
        }
        passage::draw(canvas, style, &stretches(segment, text), largest);
        canvas.skip(4.0);
    }
}

/// `logit of positive`: what is followed of the prediction.
fn followed(original: &OriginalView, output: Output, target: &TargetView) -> String {
    let what = match output {
        Output::Logit if original.prediction.value.is_some() => return "value".to_owned(),
        Output::Logit => "logit",
        Output::Probability => "probability",
        Output::LogOdds => "log-odds",
        Output::Margin => "margin",
    };
    format!("{what} of {}", isolated(&target.label))
}

/// `1 forward pass`, `12 forward passes`: what was computed.
fn passes(forwards: usize) -> String {
    if forwards == 1 { "1 forward pass".to_owned() } else { format!("{forwards} forward passes") }
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
