//! What the model would say with more or less of some concepts: a line over strengths, and the words before and behind
//! the edit.

use std::fmt::Write;

use crate::engine::Answer;
use crate::engine::answer::{EditedWords, EditsView, FlipView, SweepPoint};
use crate::explain::granularity::Granularity;
use crate::render::number::{length, plain, signed};
use crate::render::palette;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::style::{LABEL, NOTE, SMALL, TITLE};
use crate::render::svg::texts::{self, Said};
use crate::render::units::units;
use crate::render::wording::{self, isolated};

/// Pixels of the part where the sweep is drawn: its height, and what stands to its left.
const HEIGHT: f32 = 180.0;
const LEFT: f32 = 60.0;

/// Strengths that are written below the axis.
const TICKS: usize = 9;

/// Draws what there is to see of the edits.
pub fn draw(canvas: &mut Canvas, answer: &Answer, view: &EditsView) {
    canvas.rule();
    let target = isolated(&view.target.label);
    let what = if answer.prediction.value.is_some() { "Value" } else { "Logit" };
    canvas.heading(&TITLE, "Sweep", &format!(" {what} of {target} by strength"));
    canvas.paragraph(&NOTE, &edited(view));
    canvas.skip(10.0);
    sweep(canvas, view);
    let flips = [&view.flips.above, &view.flips.below];
    for flip in flips.into_iter().flatten() {
        canvas.paragraph(&NOTE, &said(flip));
    }
    if view.flips.above.is_none() && view.flips.below.is_none() && answer.prediction.value.is_none() {
        canvas.paragraph(&NOTE, "The prediction is the same at all of these strengths.");
    }
    if let Some(edited) = &view.words {
        words(canvas, answer, edited);
    }
}

fn edited(view: &EditsView) -> String {
    let one = |edit: &crate::engine::answer::EditView| {
        let name = &edit.concept;
        format!("{} · {}@{} at layer {}", plain(edit.weight), name.name, name.version, edit.layer)
    };
    let all: Vec<String> = view.concepts.iter().map(one).collect();
    format!("Strength, in standard deviations of usual texts, times {}.", all.join(", "))
}

fn said(flip: &FlipView) -> String {
    format!("From {} on: {}.", signed(flip.strength), wording::said(&flip.prediction))
}

/// Where strengths and outputs stand.
struct Frame {
    strengths: (f64, f64),
    outputs: (f64, f64),
    /// Pixels from the left edge, from the top, and across.
    left: f32,
    top: f32,
    room: f32,
}

impl Frame {
    fn x(&self, strength: f64) -> f32 {
        self.left + self.room * share(strength, self.strengths)
    }

    fn y(&self, output: f64) -> f32 {
        self.top + HEIGHT * (1.0 - share(output, self.outputs))
    }
}

/// How far a number is from one end of a range to the other; the middle of a range that is none.
fn share(number: f64, (low, high): (f64, f64)) -> f32 {
    if high > low { ((number - low) / (high - low)) as f32 } else { 0.5 }
}

fn ends(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    numbers
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)))
}

fn sweep(canvas: &mut Canvas, view: &EditsView) {
    let (left, top, room) = (MARGIN + LEFT, canvas.y(), canvas.room() - LEFT);
    let frame = Frame {
        strengths: ends(view.sweep.iter().map(|point| point.strength)),
        outputs: ends(view.sweep.iter().map(|point| f64::from(point.output))),
        left,
        top,
        room,
    };
    let (low, high) = frame.outputs;
    for output in if high > low { vec![low, high] } else { vec![low] } {
        let y = frame.y(output);
        canvas.line(&LABEL, (left - 8.0, y + 4.0), "end", &plain(output));
        let (x, y, room) = (length(left), length(y.round() + 0.5), length(room));
        canvas.put(format_args!("<path class=\"rule\" d=\"M{x} {y}h{room}\"/>\n"));
    }
    let zero = (frame.strengths.0..=frame.strengths.1).contains(&0.0);
    if zero {
        let (x, y) = (length(frame.x(0.0).round() + 0.5), length(top));
        canvas.put(format_args!("<path class=\"axis\" d=\"M{x} {y}v{HEIGHT}\"/>\n"));
    }
    for flip in [&view.flips.above, &view.flips.below].into_iter().flatten() {
        let (x, y) = (frame.x(flip.strength), length(top));
        canvas.put(format_args!(
            "<path class=\"whisker\" d=\"M{} {y}v{HEIGHT}\" stroke-dasharray=\"3 3\"/>\n",
            length(x)
        ));
        canvas.line(&SMALL, (x, top - 4.0), "middle", &signed(flip.strength));
    }
    line(canvas, &frame, &view.sweep);
    let every = view.sweep.len().div_ceil(TICKS);
    for point in view.sweep.iter().step_by(every) {
        canvas.line(&LABEL, (frame.x(point.strength), top + HEIGHT + 18.0), "middle", &short(point.strength));
    }
    canvas.skip(HEIGHT + 30.0);
}

fn line(canvas: &mut Canvas, frame: &Frame, points: &[SweepPoint]) {
    let mut path = String::new();
    for (place, point) in points.iter().enumerate() {
        let (x, y) = (length(frame.x(point.strength)), length(frame.y(point.output.into())));
        let _ = write!(path, "{}{x} {y}", if place == 0 { "M" } else { "L" });
    }
    canvas.put(format_args!("<path class=\"route\" d=\"{path}\" stroke-width=\"2\"/>\n"));
    for point in points {
        let (x, y) = (length(frame.x(point.strength)), length(frame.y(point.output.into())));
        let said = format!("{}: {}", short(point.strength), plain(point.output.into()));
        canvas.put(format_args!(
            "<circle class=\"mass\" cx=\"{x}\" cy=\"{y}\" r=\"3\"><title>{said}</title></circle>\n"
        ));
    }
}

/// A strength without decimals that say nothing.
fn short(strength: f64) -> String {
    let digits = plain(strength);
    if !digits.contains('.') {
        return digits;
    }
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn words(canvas: &mut Canvas, answer: &Answer, edited: &EditedWords) {
    let units = units(answer, Granularity::Word);
    let both = edited.before.scores.iter().chain(&edited.after.scores).copied().collect::<Vec<f32>>();
    let largest = palette::largest(&both);
    let method = wording::method(&edited.before);
    let rest = format!("{}: as it is", wording::subject(&edited.before));
    let titles = [
        (rest, &edited.before.scores, largest),
        (format!(" at strength {}", signed(edited.strength)), &edited.after.scores, largest),
        (" behind the edit less before it".to_owned(), &edited.change, palette::largest(&edited.change)),
    ];
    for (title, scores, largest) in titles {
        canvas.rule();
        canvas.heading(&TITLE, method, &title);
        canvas.skip(10.0);
        texts::draw(canvas, answer, &Said { units: &units, scores, granularity: Granularity::Word, largest });
        canvas.skip(8.0);
    }
}
