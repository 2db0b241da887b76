//! A text as it was sent, each unit on its colour.

use super::canvas::{Canvas, MARGIN};
use super::direction::Direction;
use super::layout::{Item, lines};
use super::measure::{fitted, has_square, width};
use super::style::{LABEL, TextStyle};
use crate::render::escape::escape;
use crate::render::number::{length, signed};
use crate::render::palette;
use crate::render::units::{Piece, Role};
use crate::render::wording::isolated;

/// From the top of a line to its tint, in pixels.
const ABOVE_TINT: f32 = 2.0;

/// Characters drawn of what was cut off; it can be a thousand times what the model saw.
const UNSEEN: usize = 300;

/// Pixels of a chip, from top to bottom.
const CHIP: f32 = 22.0;

/// Pixels of the scores beside sentences, and to the sentences.
const SCORES: f32 = 58.0;

/// How a text is set.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// How its letters look.
    pub style: &'a TextStyle,
    /// Pixels across.
    pub width: f32,
    /// Whether each unit begins a line, with its score beside it.
    pub unit_a_line: bool,
}

/// A text on lines.
pub struct Passage<'a> {
    pieces: Vec<Piece<'a>>,
    lines: Vec<Line>,
    setting: Setting<'a>,
}

struct Line {
    items: Vec<Item>,
    /// The score that stands beside it.
    score: Option<f32>,
}

impl<'a> Passage<'a> {
    /// Breaks a text into lines.
    pub fn new(pieces: Vec<Piece<'a>>, setting: Setting<'a>) -> Self {
        let pieces: Vec<Piece<'a>> = pieces.into_iter().map(shown).collect();
        let lines = match setting.unit_a_line {
            true => pieces
                .iter()
                .enumerate()
                .flat_map(|(index, piece)| unit_lines(piece, index, setting))
                .collect(),
            false => {
                let lines = lines(&pieces, setting.style.size, setting.width).into_iter();
                lines.map(|items| Line { items, score: None }).collect()
            }
        };
        Passage { pieces, lines, setting }
    }

    /// How many lines it takes.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    /// Draws it from its left top corner.
    pub fn draw(&self, canvas: &mut Canvas, (left, top): (f32, f32), largest: f32) {
        let Setting { style, unit_a_line, .. } = self.setting;
        canvas.put(format_args!("<g class=\"{}\" text-anchor=\"middle\">\n", style.class));
        let indent = if unit_a_line { SCORES } else { 0.0 };
        let mut pen = Pen { style, left: left + indent, top, largest };
        for line in &self.lines {
            if let Some(score) = line.score {
                let place = (left + indent - 10.0, pen.baseline());
                canvas.line(&LABEL, place, "end", &signed(score.into()));
            }
            for run in line.items.chunk_by(|a, b| a.piece == b.piece) {
                match self.pieces[run[0].piece].role {
                    Role::Scored(score) => pen.scored(canvas, run, score),
                    Role::Between => run.iter().for_each(|item| pen.word(canvas, item, "")),
                    Role::Unseen => run.iter().for_each(|item| pen.word(canvas, item, " class=\"unseen\"")),
                }
            }
            pen.top += style.line;
        }
        canvas.put(format_args!("</g>\n"));
    }
}

/// A piece that begins a line, on as many as it takes.
fn unit_lines(piece: &Piece<'_>, index: usize, setting: Setting<'_>) -> Vec<Line> {
    if piece.text.chars().all(char::is_whitespace) {
        return Vec::new();
    }
    let mut score = match piece.role {
        Role::Scored(score) => Some(score),
        Role::Between | Role::Unseen => None,
    };
    let alone = [Piece { text: piece.text, role: piece.role }];
    let mut lines = lines(&alone, setting.style.size, setting.width - SCORES);
    lines.iter_mut().flatten().for_each(|item| item.piece = index);
    lines.into_iter().map(|items| Line { items, score: score.take() }).collect()
}

/// A piece as far as it is drawn: of what the model did not see, the beginning.
fn shown(piece: Piece<'_>) -> Piece<'_> {
    let end = match piece.role {
        Role::Unseen => piece.text.char_indices().nth(UNSEEN).map_or(piece.text.len(), |(byte, _)| byte),
        Role::Scored(_) | Role::Between => piece.text.len(),
    };
    Piece { text: &piece.text[..end], role: piece.role }
}

/// Special tokens with their scores: they stand nowhere in the text.
pub fn chips(canvas: &mut Canvas, special: &[(&str, f32)], largest: f32) {
    if special.is_empty() {
        return;
    }
    canvas.skip(6.0);
    let mut x = MARGIN;
    for (token, score) in special {
        let content = format!("{} {}", fitted(token, LABEL.size, 160.0), signed((*score).into()));
        let chip = width(&content, LABEL.size) + 16.0;
        if x + chip > MARGIN + canvas.room() {
            x = MARGIN;
            canvas.skip(CHIP + 6.0);
        }
        let y = canvas.y();
        let (left, top) = (length(x), length(y));
        let tint = palette::class(*score, largest).unwrap_or_else(|| "frame".to_owned());
        canvas.put(format_args!(
            "<rect class=\"{tint}\" x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{CHIP}\" rx=\"11\"/>\n",
            length(chip)
        ));
        canvas.line(&LABEL, (x + chip / 2.0, y + 15.5), "middle", &content);
        x += chip + 8.0;
    }
    canvas.skip(CHIP);
}

/// What draws the lines of a text.
pub struct Pen<'a> {
    /// How its letters look.
    pub style: &'a TextStyle,
    /// The left edge of the text.
    pub left: f32,
    /// The top of the line.
    pub top: f32,
    /// The largest |score|, which has the deepest colour.
    pub largest: f32,
}

impl Pen<'_> {
    /// Pixels of a tint, from top to bottom.
    fn tint(&self) -> f32 {
        (1.4 * self.style.size).round()
    }

    /// Where the letters of the line stand.
    pub fn baseline(&self) -> f32 {
        self.top + ABOVE_TINT + 0.76 * self.tint()
    }

    /// One unit, or what of it stands on one line.
    fn scored(&self, canvas: &mut Canvas, run: &[Item], score: f32) {
        let content: String = run.iter().map(|item| item.text.as_str()).collect();
        canvas.put(format_args!(
            "<g><title>{} {}</title>",
            escape(&isolated(&content)),
            signed(score.into())
        ));
        self.tinted(canvas, run, score);
        canvas.put(format_args!("</g>\n"));
    }

    /// Left, top, width and height in pixels of the ground under what stands on one line.
    pub fn ground(&self, run: &[Item]) -> [f32; 4] {
        let left = run.first().map_or(0.0, |first| first.x);
        let right = run.last().map_or(left, |last| last.x + last.width);
        // A hair of the ground shows between two units that touch.
        [self.left + left + 0.5, self.top + ABOVE_TINT, (right - left - 1.0).max(1.0), self.tint()]
    }

    /// Words on the colour of a score.
    pub fn tinted(&self, canvas: &mut Canvas, run: &[Item], score: f32) {
        let class = palette::class(score, self.largest);
        let [left, top, tinted, height] = self.ground(run);
        let (left, tinted) = (length(left), length(tinted));
        if let Some(class) = &class {
            canvas.put(format_args!(
                "<rect class=\"{class}\" x=\"{left}\" y=\"{}\" width=\"{tinted}\" height=\"{height}\" rx=\"2\"/>",
                length(top)
            ));
        }
        run.iter().for_each(|item| self.word(canvas, item, ""));
        if class.is_some() {
            let (sign, y) = (palette::sign(score), length(top + height));
            canvas.put(format_args!("<path class=\"underline {sign}\" d=\"M{left} {y}h{tinted}\"/>"));
        }
    }

    /// What stands between spaces; `class` is markup.
    pub fn word(&self, canvas: &mut Canvas, item: &Item, class: &str) {
        if item.text == " " {
            return;
        }
        let (x, y) = (length(self.left + item.x + item.width / 2.0), length(self.baseline()));
        // Fonts differ: the word takes the room that was measured, or tints and gaps would not fit it.
        let exact = match item.text.chars().count() > 1 && !has_square(&item.text) {
            true => format!(
                " textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"",
                length(width(&item.text, self.style.size))
            ),
            false => String::new(),
        };
        let direction = if item.direction == Direction::Rtl { " direction=\"rtl\"" } else { "" };
        let text = escape(&item.text);
        canvas.put(format_args!("<text{class} x=\"{x}\" y=\"{y}\"{direction}{exact}>{text}</text>"));
    }
}
