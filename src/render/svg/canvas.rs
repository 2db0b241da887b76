//! A picture that grows downwards.

use std::fmt::{Arguments, Write};

use super::layout::wrapped;
use super::measure::FALLBACK_FONTS;
use super::style::{TextStyle, rules};
use crate::render::escape::escape;
use crate::render::number::length;

/// Pixels around everything.
pub const MARGIN: f32 = 28.0;

/// A picture under way: what is drawn, and how far down it reaches.
pub struct Canvas {
    width: f32,
    y: f32,
    markup: String,
}

impl Canvas {
    /// An empty picture of this width in pixels.
    pub fn new(width: f32) -> Self {
        Canvas { width, y: MARGIN, markup: String::new() }
    }

    /// Pixels between the margins.
    pub fn room(&self) -> f32 {
        self.width - 2.0 * MARGIN
    }

    /// Where the next thing goes, in pixels from the top.
    pub fn y(&self) -> f32 {
        self.y
    }

    /// Leaves pixels free.
    pub fn skip(&mut self, pixels: f32) {
        self.y += pixels;
    }

    /// Adds markup: whoever calls has escaped what is not their own.
    pub fn put(&mut self, markup: Arguments<'_>) {
        let _ = self.markup.write_fmt(markup);
    }

    /// One line of text with its baseline at `y`; `anchor` says what `x` is: start, middle or end.
    pub fn line(&mut self, style: &TextStyle, (x, y): (f32, f32), anchor: &str, text: &str) {
        let (class, x, y, text) = (style.class, length(x), length(y), escape(text));
        let anchor = if anchor == "start" { String::new() } else { format!(" text-anchor=\"{anchor}\"") };
        self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>\n"));
    }

    /// Text between the margins, on as many lines as it takes.
    pub fn paragraph(&mut self, style: &TextStyle, text: &str) {
        for line in wrapped(text, style.size, self.room() / FALLBACK_FONTS) {
            self.line(style, (MARGIN, self.y + style.size), "start", &line);
            self.y += style.line;
        }
    }

    /// A paragraph that begins in bold.
    pub fn heading(&mut self, style: &TextStyle, bold: &str, rest: &str) {
        let text = format!("{bold}{rest}");
        for (place, line) in wrapped(&text, style.size, self.room() / FALLBACK_FONTS).iter().enumerate() {
            let (bold, rest) = match line.strip_prefix(bold) {
                Some(rest) if place == 0 => (bold, rest),
                _ => ("", line.as_str()),
            };
            let (class, x, y) = (style.class, length(MARGIN), length(self.y + style.size));
            let (bold, rest) = (escape(bold), escape(rest));
            self.put(format_args!(
                "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"><tspan class=\"bold\">{bold}</tspan>{rest}</text>\n"
            ));
            self.y += style.line;
        }
    }

    /// A hairline between the margins.
    pub fn rule(&mut self) {
        self.y += 14.0;
        let (x, y, room) = (length(MARGIN), length(self.y.round() + 0.5), length(self.room()));
        self.put(format_args!("<path class=\"rule\" d=\"M{x} {y}h{room}\"/>\n"));
        self.y += 20.0;
    }

    /// The whole document; `label` says what it shows, to who cannot see it.
    pub fn finish(self, label: &str) -> String {
        let (width, height) = (length(self.width), length((self.y + MARGIN - 8.0).ceil()));
        let (label, rules, markup) = (escape(label), rules(), self.markup);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n\
             <style>\n{rules}</style>\n\
             <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n{markup}</svg>\n"
        )
    }
}
