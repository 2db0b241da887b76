//! Text on lines: broken at spaces and beside ideographs, and inside a word that no line could hold.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::direction::{Direction, visual_order};
use super::measure::cluster_width;
use crate::render::units::{Piece, Role};

/// Pixels that a unit's tint reaches past its letters, on either side.
const PADDING: f32 = 1.0;

/// Marks that begin no line.
const NEVER_FIRST: &str = "、。，．！？；：」』）】》〉…ー・!?;:,.)]}%";

/// Marks that end no line.
const NEVER_LAST: &str = "「『（【《〈([{";

/// Something on a line: a word or part of one, or space.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its left edge, in pixels from the left edge of the text.
    pub x: f32,
    /// Pixels.
    pub width: f32,
    /// Its characters; one space where it is space.
    pub text: String,
    /// The piece it is of, by place.
    pub piece: usize,
    /// Which way it runs.
    pub direction: Direction,
}

/// The lines of a text, each from its left to its right.
pub fn lines(pieces: &[Piece<'_>], size: f32, width: f32) -> Vec<Vec<Item>> {
    let text: String = pieces.iter().map(|piece| piece.text).collect();
    let base = Direction::of_most(&text);
    let atoms = atoms(pieces, size);
    broken(&atoms, width).into_iter().map(|line| placed(&line, base, width)).collect()
}

/// A plain text on lines.
pub fn wrapped(text: &str, size: f32, width: f32) -> Vec<String> {
    let lines = broken(&atoms(&[Piece { text, role: Role::Between }], size), width);
    lines.iter().map(|line| line.iter().map(|atom| atom.text).collect()).collect()
}

/// A grapheme cluster of a piece.
#[derive(Debug, Clone, Copy)]
struct Atom<'a> {
    text: &'a str,
    piece: usize,
    width: f32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ink,
    Space,
    Newline,
}

fn atoms<'a>(pieces: &[Piece<'a>], size: f32) -> Vec<Atom<'a>> {
    let mut atoms = Vec::new();
    for (piece, content) in pieces.iter().enumerate() {
        let first = atoms.len();
        atoms.extend(content.text.graphemes(true).map(|text| match kind(text) {
            Kind::Space => Atom { text: " ", piece, width: cluster_width(" ", size), kind: Kind::Space },
            kind => Atom { text, piece, width: cluster_width(text, size), kind },
        }));
        if let Role::Scored(_) = content.role
            && first < atoms.len()
        {
            let last = atoms.len() - 1;
            atoms[first].width += PADDING;
            atoms[last].width += PADDING;
        }
    }
    atoms
}

fn kind(cluster: &str) -> Kind {
    // Spaces that forbid a break are part of their word.
    let space = cluster.chars().all(|c| c.is_whitespace() && !['\u{a0}', '\u{202f}'].contains(&c));
    match cluster.contains(['\n', '\r', '\u{2028}', '\u{2029}']) {
        true if space => Kind::Newline,
        _ if space => Kind::Space,
        _ => Kind::Ink,
    }
}

/// Fills lines from the front.
fn broken<'a>(atoms: &[Atom<'a>], width: f32) -> Vec<Vec<Atom<'a>>> {
    let mut page = Page { lines: Vec::new(), line: Vec::new(), used: 0.0, width };
    for chunk in atoms.chunk_by(|before, after| !may_break(before, after)) {
        match chunk[0].kind {
            Kind::Newline => page.newline(),
            Kind::Space => page.space(chunk[0]),
            Kind::Ink => page.ink(chunk),
        }
    }
    page.finish()
}

/// Lines under way.
struct Page<'a> {
    lines: Vec<Vec<Atom<'a>>>,
    line: Vec<Atom<'a>>,
    used: f32,
    width: f32,
}

impl<'a> Page<'a> {
    /// Several empty lines in a row become one.
    fn newline(&mut self) {
        let second_empty = self.line.is_empty() && self.lines.last().is_none_or(Vec::is_empty);
        if !second_empty {
            self.end_line();
        }
    }

    /// No space begins a line, and several in a row become one.
    fn space(&mut self, space: Atom<'a>) {
        if self.line.last().is_some_and(|last| last.kind != Kind::Space) {
            self.put(space);
        }
    }

    /// What breaks only where no line could hold it.
    fn ink(&mut self, chunk: &[Atom<'a>]) {
        self.make_room(chunk.iter().map(|atom| atom.width).sum());
        for atom in chunk {
            self.make_room(atom.width);
            self.put(*atom);
        }
    }

    fn make_room(&mut self, needed: f32) {
        if self.used + needed > self.width && !self.line.is_empty() {
            self.end_line();
        }
    }

    fn put(&mut self, atom: Atom<'a>) {
        self.used += atom.width;
        self.line.push(atom);
    }

    fn end_line(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
        self.used = 0.0;
    }

    fn finish(mut self) -> Vec<Vec<Atom<'a>>> {
        self.end_line();
        for line in &mut self.lines {
            line.pop_if(|last| last.kind == Kind::Space);
        }
        while self.lines.pop_if(|last| last.is_empty()).is_some() {}
        self.lines
    }
}

/// Whether a line may end between two clusters.
fn may_break(before: &Atom<'_>, after: &Atom<'_>) -> bool {
    if before.kind != Kind::Ink || after.kind != Kind::Ink {
        return true;
    }
    let beside_ideograph = before.text.width() == 2 || after.text.width() == 2;
    beside_ideograph && !after.text.starts_with(is(NEVER_FIRST)) && !before.text.starts_with(is(NEVER_LAST))
}

/// Matches any of these marks.
fn is(marks: &str) -> impl Fn(char) -> bool {
    move |character| marks.contains(character)
}

/// Joins the clusters of a line to items and gives each its place.
fn placed(line: &[Atom<'_>], base: Direction, width: f32) -> Vec<Item> {
    let groups: Vec<&[Atom<'_>]> = line.chunk_by(|a, b| (a.piece, a.kind) == (b.piece, b.kind)).collect();
    let texts: Vec<String> =
        groups.iter().map(|group| group.iter().map(|atom| atom.text).collect()).collect();
    let directions: Vec<Option<Direction>> = texts.iter().map(|text| Direction::of(text)).collect();
    let mut from_start = 0.0;
    let mut items: Vec<Item> = Vec::with_capacity(groups.len());
    for index in visual_order(&directions, base) {
        let item_width: f32 = groups[index].iter().map(|atom| atom.width).sum();
        let x = match base {
            Direction::Ltr => from_start,
            Direction::Rtl => width - from_start - item_width,
        };
        from_start += item_width;
        let direction = directions[index].unwrap_or(base);
        items.push(Item {
            x,
            width: item_width,
            text: texts[index].clone(),
            piece: groups[index][0].piece,
            direction,
        });
    }
    if base == Direction::Rtl {
        items.reverse();
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(text: &str) -> [Piece<'_>; 1] {
        [Piece { text, role: Role::Between }]
    }

    #[test]
    fn lines_break_at_spaces_and_no_item_leaves_the_line() {
        let text = "the quick brown fox jumps over the lazy dog ".repeat(8);
        for line in lines(&between(&text), 18.0, 200.0) {
            assert!(line.iter().all(|item| item.x >= 0.0 && item.x + item.width <= 200.001));
            assert_ne!(line.first().map(|item| item.text.as_str()), Some(" "));
        }
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken_between_clusters_and_loses_nothing() {
        let word = "👩‍👩‍👧".repeat(9) + &"e\u{301}".repeat(40);
        let wrapped = wrapped(&word, 18.0, 100.0);
        assert!(wrapped.len() > 3);
        assert_eq!(wrapped.concat(), word);
        assert!(wrapped.iter().all(|line| !line.starts_with(['\u{301}', '\u{200d}'])));
    }

    #[test]
    fn ideographs_break_anywhere_but_before_a_full_stop() {
        assert_eq!(wrapped("世界世界。", 10.0, 40.0), ["世界世", "界。"]);
    }

    #[test]
    fn newlines_end_lines_and_tabs_are_spaces() {
        assert_eq!(wrapped("a\tb\r\nc\n\n\n\nd\n", 10.0, 100.0), ["a b", "c", "", "d"]);
    }

    #[test]
    fn right_to_left_text_begins_at_the_right() {
        let lines = lines(&between("שלום עולם"), 10.0, 100.0);
        let first = lines[0].iter().find(|item| item.text == "שלום").unwrap();
        assert!((first.x + first.width - 100.0).abs() < 1e-3);
        assert_eq!(lines[0].last().unwrap().text, "שלום");
    }

    #[test]
    fn a_foreign_phrase_in_right_to_left_text_keeps_its_own_order() {
        let lines = lines(&between("ראיתי את Star Wars אתמול בערב"), 10.0, 300.0);
        let words: Vec<&str> =
            lines[0].iter().map(|item| item.text.trim()).filter(|text| !text.is_empty()).collect();
        assert_eq!(words, ["בערב", "אתמול", "Star", "Wars", "את", "ראיתי"]);
    }
}
