//! A text with marks in it: what is taken out, what is put in, what each word does.

use crate::render::escape::escape;
use crate::render::number::length;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::layout::{Item, lines};
use crate::render::svg::style::{BODY, DENSE, TextStyle};
use crate::render::svg::text::Pen;
use crate::render::units::{Piece, Role};

/// What there is to see of a stretch of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mark {
    /// Nothing.
    Plain,
    /// It is taken out.
    Deleted,
    /// It is put in.
    Inserted,
    /// It changes the output; `flips` says whether the prediction, too.
    Changes {
        /// The change.
        by: f32,
        /// Whether the prediction becomes another.
        flips: bool,
    },
}

/// A stretch of a text as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Its characters.
    pub text: String,
    /// What there is to see of it.
    pub mark: Mark,
    /// What is said under the pointer; empty for nothing.
    pub title: String,
}

/// A marked stretch by its place.
pub struct Marked {
    /// First code point.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// What there is to see of it.
    pub mark: Mark,
    /// What is put in behind it; empty for nothing.
    pub inserted: String,
    /// What is said under the pointer.
    pub title: String,
}

/// A text cut at its marked stretches, which are in order and do not overlap.
pub fn stretches(text: &str, marked: impl IntoIterator<Item = Marked>) -> Vec<Stretch> {
    let characters: Vec<char> = text.chars().collect();
    let mut out: Vec<Stretch> = Vec::new();
    let mut put = |text: String, mark: Mark, title: &str| {
        if !text.is_empty() {
            out.push(Stretch { text, mark, title: title.to_owned() });
        }
    };
    let mut position = 0;
    for Marked { start, end, mark, inserted, title } in marked {
        let end = end.min(characters.len());
        if start < position || start > end {
            continue;
        }
        put(characters[position..start].iter().collect(), Mark::Plain, "");
        put(characters[start..end].iter().collect(), mark, &title);
        if start < end && !inserted.is_empty() {
            put(" ".to_owned(), Mark::Plain, "");
        }
        put(inserted, Mark::Inserted, &title);
        position = end;
    }
    put(characters[position..].iter().collect(), Mark::Plain, "");
    out
}

/// How a text is set; long ones smaller.
pub fn style(long: bool) -> &'static TextStyle {
    if long { &DENSE } else { &BODY }
}

/// Draws a text between the margins, on as many lines as it takes; `largest` is the largest |change|.
pub fn draw(canvas: &mut Canvas, style: &TextStyle, stretches: &[Stretch], largest: f32) {
    let pieces: Vec<Piece<'_>> = stretches.iter().map(piece).collect();
    let mut pen = Pen { style, left: MARGIN, top: canvas.y(), largest };
    canvas.put(format_args!("<g class=\"{}\" text-anchor=\"middle\">\n", style.class));
    for line in lines(&pieces, style.size, canvas.room()) {
        for run in line.chunk_by(|a, b| a.piece == b.piece) {
            marked(canvas, &pen, run, &stretches[run[0].piece]);
        }
        pen.top += style.line;
    }
    canvas.put(format_args!("</g>\n"));
    canvas.skip(pen.top - canvas.y());
}

fn piece(stretch: &Stretch) -> Piece<'_> {
    let role = match stretch.mark {
        Mark::Changes { by, .. } => Role::Scored(by),
        Mark::Plain | Mark::Deleted | Mark::Inserted => Role::Between,
    };
    Piece { text: &stretch.text, role }
}

/// A stretch, or what of it stands on one line.
fn marked(canvas: &mut Canvas, pen: &Pen<'_>, run: &[Item], stretch: &Stretch) {
    if stretch.mark == Mark::Plain {
        return run.iter().for_each(|item| pen.word(canvas, item, ""));
    }
    canvas.put(format_args!("<g>"));
    if !stretch.title.is_empty() {
        canvas.put(format_args!("<title>{}</title>", escape(&stretch.title)));
    }
    match stretch.mark {
        Mark::Changes { by, flips } => {
            pen.tinted(canvas, run, by);
            if flips {
                outline(canvas, pen.ground(run));
            }
        }
        // Lines of their own, as not every reader of SVG draws those of text where they belong.
        Mark::Deleted => {
            run.iter().for_each(|item| pen.word(canvas, item, " class=\"deleted\""));
            across(canvas, pen, run, "strike", -0.3);
        }
        Mark::Inserted | Mark::Plain => {
            run.iter().for_each(|item| pen.word(canvas, item, " class=\"inserted\""));
            across(canvas, pen, run, "underline for", 0.22);
        }
    }
    canvas.put(format_args!("</g>\n"));
}

/// A line along what stands on one line, so much of the font size below where the letters stand.
fn across(canvas: &mut Canvas, pen: &Pen<'_>, run: &[Item], class: &str, below: f32) {
    let [left, _, reach, _] = pen.ground(run);
    let (left, y, reach) = (length(left), length(pen.baseline() + below * pen.style.size), length(reach));
    canvas.put(format_args!("<path class=\"{class}\" d=\"M{left} {y}h{reach}\"/>"));
}

fn outline(canvas: &mut Canvas, [left, top, width, height]: [f32; 4]) {
    let [left, top, width, height] = [left - 1.0, top - 1.0, width + 2.0, height + 3.0].map(length);
    canvas.put(format_args!(
        "<rect class=\"member\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"3\"/>"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(start: usize, end: usize, inserted: &str) -> Marked {
        Marked { start, end, mark: Mark::Deleted, inserted: inserted.to_owned(), title: String::new() }
    }

    fn said(stretches: &[Stretch]) -> Vec<(&str, Mark)> {
        stretches.iter().map(|stretch| (stretch.text.as_str(), stretch.mark)).collect()
    }

    #[test]
    fn what_is_taken_out_and_what_is_put_in_stand_side_by_side_in_the_text() {
        let stretches = stretches("né 🎬 là", [replaced(3, 4, "film"), replaced(5, 7, "")]);
        let wanted = [
            ("né ", Mark::Plain),
            ("🎬", Mark::Deleted),
            (" ", Mark::Plain),
            ("film", Mark::Inserted),
            (" ", Mark::Plain),
            ("là", Mark::Deleted),
        ];
        assert_eq!(said(&stretches), wanted);
    }

    #[test]
    fn an_insertion_takes_nothing_out_and_places_past_the_text_are_its_end_at_most() {
        let inserted = stretches("a film", [replaced(2, 2, "dull ")]);
        let wanted = [("a ", Mark::Plain), ("dull ", Mark::Inserted), ("film", Mark::Plain)];
        assert_eq!(said(&inserted), wanted);
        assert_eq!(
            said(&stretches("a", [replaced(0, 9, ""), replaced(0, 1, "twice")])),
            [("a", Mark::Deleted)]
        );
    }
}
