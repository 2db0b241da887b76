//! Changes as bars around zero, each with what the model says then.

use crate::render::escape::escape;
use crate::render::number::{length, signed};
use crate::render::palette::sign;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::layout::wrapped;
use crate::render::svg::measure::{FALLBACK_FONTS, fitted, generous_width};
use crate::render::svg::style::LABEL;

/// The most pixels of the column of labels, and of that of what is said.
const LABELS: f32 = 290.0;
const SAID: f32 = 170.0;

/// Pixels of the column of numbers, and between columns.
const NUMBERS: f32 = 68.0;
const GAP: f32 = 14.0;

/// Pixels of a bar, from top to bottom.
const BAR: f32 = 11.0;

/// A change.
pub struct Bar {
    /// What is changed.
    pub label: String,
    /// How far the output changes.
    pub change: f32,
    /// What else there is to say.
    pub said: String,
    /// Whether the prediction becomes another.
    pub flips: bool,
}

/// The columns that all bars of a picture stand in.
pub struct Bars {
    labels: f32,
    said: f32,
    /// The least and the greatest change, 0 among them.
    ends: (f64, f64),
}

impl Bars {
    /// Columns that hold all of these.
    pub fn new<'a>(bars: impl Iterator<Item = &'a Bar>) -> Self {
        let mut columns = Bars { labels: 0.0, said: 0.0, ends: (0.0, 0.0) };
        for bar in bars {
            let widths = [&bar.label, &bar.said].map(|text| generous_width(text, LABEL.size));
            columns.labels = columns.labels.max(widths[0]).min(LABELS);
            columns.said = columns.said.max(widths[1]).min(SAID);
            let change = f64::from(bar.change);
            columns.ends = (columns.ends.0.min(change), columns.ends.1.max(change));
        }
        columns
    }

    /// Draws some of them below each other, with an axis at zero.
    pub fn draw(&self, canvas: &mut Canvas, bars: &[Bar]) {
        let top = canvas.y();
        for bar in bars {
            self.row(canvas, bar);
        }
        let axis = self.x(canvas, 0.0).round() + 0.5;
        let (axis, height) = (length(axis), length(canvas.y() - top));
        canvas.put(format_args!("<path class=\"axis\" d=\"M{axis} {}v{height}\"/>\n", length(top)));
    }

    /// Where a change stands, in pixels from the left.
    fn x(&self, canvas: &Canvas, change: f32) -> f32 {
        let left = MARGIN + self.labels + NUMBERS + GAP;
        let room = MARGIN + canvas.room() - left - if self.said > 0.0 { self.said + GAP } else { 0.0 };
        let (low, high) = self.ends;
        let share = if high > low { (f64::from(change) - low) / (high - low) } else { 0.0 };
        left + room * share as f32
    }

    fn row(&self, canvas: &mut Canvas, bar: &Bar) {
        let (top, baseline) = (canvas.y(), canvas.y() + 14.0);
        canvas.put(format_args!("<g><title>{}</title>\n", escape(&title(bar))));
        let lines = wrapped(&bar.label, LABEL.size, LABELS / FALLBACK_FONTS);
        for (place, line) in lines.iter().enumerate() {
            canvas.line(&LABEL, (MARGIN, baseline + place as f32 * (LABEL.size + 4.0)), "start", line);
        }
        canvas.line(&LABEL, (MARGIN + self.labels + NUMBERS, baseline), "end", &signed(bar.change.into()));
        let (zero, end) = (self.x(canvas, 0.0), self.x(canvas, bar.change));
        let (left, reach) = (zero.min(end), (end - zero).abs());
        let (sign, y) = (sign(bar.change), top + 4.0);
        let [x, y_top, across] = [left, y, reach].map(length);
        canvas.put(format_args!(
            "<rect class=\"bar {sign}\" x=\"{x}\" y=\"{y_top}\" width=\"{across}\" height=\"{BAR}\"/>\n"
        ));
        if bar.flips {
            let [x, y, across, down] = [left - 2.0, y - 2.0, reach + 4.0, BAR + 4.0].map(length);
            canvas.put(format_args!(
                "<rect class=\"member\" x=\"{x}\" y=\"{y}\" width=\"{across}\" height=\"{down}\" rx=\"2\"/>\n"
            ));
        }
        self.said(canvas, bar, baseline);
        canvas.put(format_args!("</g>\n"));
        canvas.skip(LABEL.line + lines.len().saturating_sub(1) as f32 * (LABEL.size + 4.0));
    }

    /// In bold where the prediction becomes another.
    fn said(&self, canvas: &mut Canvas, bar: &Bar, baseline: f32) {
        if bar.said.is_empty() {
            return;
        }
        let (class, bold) = (LABEL.class, if bar.flips { " class=\"bold\"" } else { "" });
        let (x, y) = (length(MARGIN + canvas.room() - self.said), length(baseline));
        let text = escape(&fitted(&bar.said, LABEL.size, SAID / FALLBACK_FONTS));
        canvas.put(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"><tspan{bold}>{text}</tspan></text>\n"
        ));
    }
}

fn title(bar: &Bar) -> String {
    let said = if bar.said.is_empty() { String::new() } else { format!(", {}", bar.said) };
    let flips = if bar.flips { ": another prediction" } else { "" };
    format!("{} {}{said}{flips}", bar.label, signed(bar.change.into()))
}
