//! A text coloured by what the model would say without each word.

use super::bars::{Bar, Bars};
use super::passage::{Mark, Marked, Stretch, stretches};
use super::{WIDTH, followed, map, passes, reservations, texts};
use crate::engine::answer::{CellView, GridView, WordView};
use crate::render::number::{plain, signed};
use crate::render::svg::canvas::Canvas;
use crate::render::svg::headline;
use crate::render::svg::style::{NOTE, TITLE};
use crate::render::wording::{self, isolated};

/// Words that have bars.
const LISTED: usize = 10;

/// A whole SVG document.
pub fn draw(view: &GridView) -> String {
    let mut canvas = Canvas::new(WIDTH);
    let followed = followed(&view.original, view.output, &view.target);
    headline(&mut canvas, &view.original.prediction);
    canvas.paragraph(&NOTE, &wording::named(&view.model));
    let before = plain(view.before.into());
    canvas.paragraph(&NOTE, &format!("As it is: {followed} {before} · {}", passes(view.forwards)));
    reservations(&mut canvas, &view.warnings, view.complete);
    let actions = [("Each word deleted", &view.delete), ("Each word masked", &view.mask)];
    let all = actions.iter().filter_map(|(_, cells)| cells.as_deref()).flatten().flatten();
    let largest = all.map(|cell| cell.change.abs()).fold(0.0, f32::max);
    for (name, cells) in actions {
        let Some(cells) = cells else { continue };
        canvas.rule();
        canvas.heading(&TITLE, name, &format!(" alone: how the {followed} changes"));
        canvas.skip(8.0);
        texts(&mut canvas, &view.original, largest, |segment, text| marked(view, cells, segment, text));
        canvas.skip(8.0);
        map::scale(&mut canvas, largest);
        canvas.skip(8.0);
        strongest(&mut canvas, &view.original.words, cells);
        canvas.skip(4.0);
        if let Some(note) = flips(view, cells) {
            canvas.paragraph(&NOTE, note);
        }
    }
    let text = wording::shortened(&view.original.text, 100);
    canvas.finish(&format!("{}: {text} · Without each word", wording::said(&view.original.prediction)))
}

/// The words of a text on the colours of their cells.
fn marked(view: &GridView, cells: &[Option<CellView>], segment: usize, text: &str) -> Vec<Stretch> {
    let words = view.original.words.iter().zip(cells).filter(|(word, _)| word.segment == segment);
    let marked = words.map(|(word, cell)| {
        let (mark, said) = match cell {
            Some(cell) => (Mark::Changes { by: cell.change, flips: cell.flipped }, said(cell)),
            None => (Mark::Changes { by: 0.0, flips: false }, uncomputed(view).to_owned()),
        };
        let title = format!("{} {said}", isolated(&word.text));
        Marked { start: word.start, end: word.end, mark, inserted: String::new(), title }
    });
    stretches(text, marked)
}

/// Why a cell is none.
fn uncomputed(view: &GridView) -> &'static str {
    if view.complete { "nothing is left without it" } else { "not computed" }
}

fn said(cell: &CellView) -> String {
    let flips = if cell.flipped { ", another prediction" } else { "" };
    format!("{}, to {}{flips}", signed(cell.change.into()), plain(cell.output.into()))
}

/// The words that change most, as bars.
fn strongest(canvas: &mut Canvas, words: &[WordView], cells: &[Option<CellView>]) {
    let mut computed: Vec<(&WordView, &CellView)> =
        words.iter().zip(cells).filter_map(|(word, cell)| Some((word, cell.as_ref()?))).collect();
    // The sort is stable.
    computed.sort_by(|a, b| b.1.change.abs().total_cmp(&a.1.change.abs()));
    let count = computed.len();
    let bars: Vec<Bar> = computed.into_iter().take(LISTED).map(|(word, cell)| bar(word, cell)).collect();
    Bars::new(bars.iter()).draw(canvas, &bars);
    if count > LISTED {
        let more = count - LISTED;
        canvas.skip(4.0);
        canvas.paragraph(
            &NOTE,
            &format!("The {LISTED} strongest of {count} words; {more} more have no bar here."),
        );
    }
}

fn bar(word: &WordView, cell: &CellView) -> Bar {
    Bar {
        label: format!("{} {}", word.index, isolated(&word.text)),
        change: cell.change,
        said: format!("to {}{}", plain(cell.output.into()), if cell.flipped { ", flips" } else { "" }),
        flips: cell.flipped,
    }
}

/// What is said of predictions that become others; nothing of a value, which cannot.
fn flips(view: &GridView, cells: &[Option<CellView>]) -> Option<&'static str> {
    let flipped = cells.iter().flatten().any(|cell| cell.flipped);
    match (view.original.prediction.value, flipped) {
        (Some(_), _) => None,
        (None, true) => Some("Outlined: without that word alone, the prediction is another."),
        (None, false) if view.complete => Some("No single word turns the prediction."),
        (None, false) => None,
    }
}
