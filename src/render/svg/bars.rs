//! The strongest units with their numbers: what speaks against reaches to the left.

use super::canvas::{Canvas, MARGIN};
use super::measure::{FALLBACK_FONTS, fitted, generous_width};
use super::style::{LABEL, NOTE};
use crate::engine::answer::Explanation;
use crate::render::number::{length, plain, signed};
use crate::render::palette::{largest, sign};
use crate::render::quality;
use crate::render::scale::Scale;
use crate::render::units::{Ranked, Unit, ranked};
use crate::render::wording::{WHISKERS, unit_names};

/// Units listed; a page lists them all.
const LISTED: usize = 12;

/// The most pixels of the column of labels.
const LABELS: f32 = 200.0;

/// Pixels of the column of numbers, and of that of standard errors.
const NUMBERS: f32 = 64.0;
const ERRORS: f32 = 60.0;

/// Pixels of a bar, of the frame behind it and of the ends of a whisker, from top to bottom.
const BAR: f32 = 11.0;
const FRAME: f32 = 15.0;
const CAP: f32 = 7.0;

/// Draws the strongest units, the strongest first.
pub fn draw(canvas: &mut Canvas, units: &[Unit<'_>], explanation: &Explanation) {
    let ranked = ranked(units, explanation);
    if largest(&explanation.scores) == 0.0 || ranked.len() < 2 {
        return;
    }
    let rows = &ranked[..ranked.len().min(LISTED)];
    let labels: Vec<String> = rows.iter().map(|row| label(row.unit.text)).collect();
    let widest = labels.iter().map(|label| generous_width(label, LABEL.size)).fold(0.0, f32::max);
    let numbers = MARGIN + widest.min(LABELS) + NUMBERS;
    let errors = if explanation.standard_errors.is_some() { ERRORS } else { 0.0 };
    let left = numbers + errors + 16.0;
    let bars = Bars { scale: Scale::new(explanation), left, room: MARGIN + canvas.room() - left };
    let top = canvas.y();
    for (row, label) in rows.iter().zip(&labels) {
        let baseline = canvas.y() + 14.0;
        canvas.line(&LABEL, (MARGIN, baseline), "start", label);
        canvas.line(&LABEL, (numbers, baseline), "end", &signed(row.score.into()));
        if let Some(error) = row.error {
            canvas.line(
                &NOTE,
                (numbers + errors, baseline),
                "end",
                &format!("±\u{a0}{}", plain(error.into())),
            );
        }
        bars.draw(canvas, row);
        canvas.skip(LABEL.line);
    }
    let (axis, height) = (length(bars.x(0.0).round() + 0.5), length(canvas.y() - top));
    canvas.put(format_args!("<path class=\"axis\" d=\"M{axis} {}v{height}\"/>\n", length(top)));
    let notes = [
        (ranked.len() > LISTED).then(|| {
            let (all, names) = (ranked.len(), unit_names(explanation.granularity).1);
            format!("The {LISTED} strongest of {all} {names}; {} more have no bar here.", all - LISTED)
        }),
        explanation.standard_errors.as_ref().map(|_| WHISKERS.to_owned()),
        quality::frames(explanation),
    ];
    for note in notes.into_iter().flatten() {
        canvas.skip(4.0);
        canvas.paragraph(&NOTE, &note);
    }
}

/// Where bars stand.
struct Bars {
    scale: Scale,
    /// Pixels from the left edge of the picture.
    left: f32,
    /// Pixels across.
    room: f32,
}

impl Bars {
    fn x(&self, number: f32) -> f32 {
        self.left + self.scale.place(number) * self.room
    }

    fn draw(&self, canvas: &mut Canvas, row: &Ranked<'_, '_>) {
        if let Some(band) = row.band {
            self.frame(canvas, band);
        }
        let (begin, reach) = self.scale.bar(row.score);
        let (sign, x, reach) = (sign(row.score), self.left + begin * self.room, reach * self.room);
        let (x, top, reach) = (length(x), length(canvas.y() + 4.0), length(reach));
        canvas.put(format_args!(
            "<rect class=\"bar {sign}\" x=\"{x}\" y=\"{top}\" width=\"{reach}\" height=\"{BAR}\"/>\n"
        ));
        if let Some(error) = row.error {
            let (low, high) = self.scale.whisker(row.score, error);
            let [low, high] = [low, high].map(|end| length(self.left + end * self.room));
            let middle = canvas.y() + 4.0 + BAR / 2.0;
            let (middle, top) = (length(middle), length(middle - CAP / 2.0));
            canvas.put(format_args!(
                "<path class=\"whisker\" d=\"M{low} {top}v{CAP}M{low} {middle}H{high}M{high} {top}v{CAP}\"/>\n"
            ));
        }
    }

    fn frame(&self, canvas: &mut Canvas, band: (f32, f32)) {
        let (begin, reach) = self.scale.frame(band);
        let (x, top) = (self.left + begin * self.room, canvas.y() + 4.0 - (FRAME - BAR) / 2.0);
        // One of no width could not be seen.
        let (x, top, reach) = (length(x), length(top), length((reach * self.room).max(1.0)));
        canvas.put(format_args!(
            "<rect class=\"band\" x=\"{x}\" y=\"{top}\" width=\"{reach}\" height=\"{FRAME}\"/>\n"
        ));
    }
}

/// A unit on one line.
fn label(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    fitted(&words.join(" "), LABEL.size, LABELS / FALLBACK_FONTS)
}
