//! The texts of an answer: one, or a pair, side by side where that takes hardly more height.

use super::canvas::{Canvas, MARGIN};
use super::style::{BODY, DENSE, NOTE};
use super::text::{Passage, Setting};
use crate::engine::Answer;
use crate::explain::granularity::Granularity;
use crate::render::units::{Unit, is_long, pieces, texts};
use crate::render::wording::TEXT_NAMES;

/// Pixels between the columns of a pair.
const GUTTER: f32 = 36.0;

/// What is said of the units of the texts.
pub struct Said<'a> {
    /// The units.
    pub units: &'a [Unit<'a>],
    /// One score each.
    pub scores: &'a [f32],
    /// What a unit is.
    pub granularity: Granularity,
    /// The largest |score|.
    pub largest: f32,
}

impl Said<'_> {
    /// Texts of which nothing is said.
    pub const NOTHING: Said<'static> =
        Said { units: &[], scores: &[], granularity: Granularity::Word, largest: 0.0 };
}

/// Draws them.
pub fn draw(canvas: &mut Canvas, answer: &Answer, said: &Said<'_>) {
    let style = if is_long(answer) { &DENSE } else { &BODY };
    let unit_a_line = said.granularity == Granularity::Sentence;
    let set = |width: f32| -> Vec<Passage<'_>> {
        let of_segment = |segment| {
            let pieces = pieces(answer, segment, said.units, said.scores);
            Passage::new(pieces, Setting { style, width, unit_a_line })
        };
        (0..texts(answer).count()).map(of_segment).collect()
    };
    let whole = set(canvas.room());
    if whole.len() < 2 {
        for passage in whole {
            passage.draw(canvas, (MARGIN, canvas.y()), said.largest);
            canvas.skip(passage.lines() as f32 * style.line);
        }
        return;
    }
    let column = (canvas.room() - GUTTER) / 2.0;
    let halves = set(column);
    match fit_side_by_side(&lines(&halves), &lines(&whole)) {
        true => {
            let (top, tallest) = (canvas.y(), lines(&halves).into_iter().max().unwrap_or(0));
            let height = NOTE.line + tallest as f32 * style.line;
            for (place, passage) in halves.iter().enumerate() {
                let left = MARGIN + place as f32 * (column + GUTTER);
                named(canvas, place, (left, top));
                passage.draw(canvas, (left, top + NOTE.line), said.largest);
            }
            canvas.skip(height);
        }
        false => {
            for (place, passage) in whole.iter().enumerate() {
                named(canvas, place, (MARGIN, canvas.y()));
                canvas.skip(NOTE.line);
                passage.draw(canvas, (MARGIN, canvas.y()), said.largest);
                canvas.skip(passage.lines() as f32 * style.line + 6.0);
            }
        }
    }
}

fn lines(passages: &[Passage<'_>]) -> Vec<usize> {
    passages.iter().map(Passage::lines).collect()
}

/// Whether two columns are little taller than the two texts below each other: not where one of them is much longer.
fn fit_side_by_side(halves: &[usize], whole: &[usize]) -> bool {
    let tallest = halves.iter().copied().max().unwrap_or(0);
    4 * tallest <= 5 * whole.iter().sum::<usize>() + 4
}

/// Which text of the request it is.
fn named(canvas: &mut Canvas, place: usize, (left, top): (f32, f32)) {
    canvas.line(&NOTE, (left, top + NOTE.size), "start", TEXT_NAMES[place.min(1)]);
}
