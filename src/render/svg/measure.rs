//! How wide text will be, without a font: Helvetica's own widths for ASCII (Arial and Liberation Sans
//! share them), columns for the rest.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Widths of U+0020 to U+007E, in thousandths of the font size.
#[rustfmt::skip]
const ASCII: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// Of the font size, for a character one column wide.
const NARROW: f32 = 0.58;
/// The same for letters of Arabic and Hebrew that are little more than a stroke.
const SLENDER: f32 = 0.33;
const SLENDER_LETTERS: &str = "اأإآءدذرزولبنيتئ،וזיןג";
/// The same for quotation marks.
const QUOTE: f32 = 0.3;
const QUOTES: &str = "‘’“”‚„‹›";
/// The same for other Arabic letters, which join.
const ARABIC: f32 = 0.5;
/// The same for ideographs, which are square.
const SQUARE: f32 = 1.0;
/// The same for emoji, which most fonts draw a little wider.
const EMOJI: f32 = 1.25;

/// How much wider than Helvetica the fonts are that stand in for it, at most.
pub const FALLBACK_FONTS: f32 = 1.12;

/// The width of a text in pixels, at a font size in pixels.
pub fn width(text: &str, size: f32) -> f32 {
    text.graphemes(true).map(|cluster| cluster_width(cluster, size)).sum()
}

/// The width of a text in whatever font stands in for Helvetica.
pub fn generous_width(text: &str, size: f32) -> f32 {
    FALLBACK_FONTS * width(text, size)
}

/// The width of one grapheme cluster in pixels.
pub fn cluster_width(cluster: &str, size: f32) -> f32 {
    let Some(first) = cluster.chars().next() else { return 0.0 };
    if let Some(width) = (first as usize).checked_sub(0x20).and_then(|index| ASCII.get(index)) {
        return f32::from(*width) / 1000.0 * size;
    }
    let share = match cluster.width() {
        0 => 0.0,
        1 if SLENDER_LETTERS.contains(first) => SLENDER,
        1 if QUOTES.contains(first) => QUOTE,
        1 if "—…".contains(first) => SQUARE,
        1 if is_arabic(first) => ARABIC,
        1 => NARROW,
        _ if is_emoji(cluster) => EMOJI,
        _ => SQUARE,
    };
    share * size
}

/// Whether there are ideographs or emoji, which every font draws square and none should stretch.
pub fn has_square(text: &str) -> bool {
    text.graphemes(true).any(|cluster| cluster.width() > 1)
}

/// As much of a text as fits, with an ellipsis where that is not all.
pub fn fitted(text: &str, size: f32, room: f32) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut left = room - size;
    let fits = |cluster: &&str| {
        left -= cluster_width(cluster, size);
        left >= 0.0
    };
    text.graphemes(true).take_while(fits).chain(["…"]).collect()
}

fn is_arabic(character: char) -> bool {
    matches!(character as u32, 0x0600..=0x06FF | 0x0750..=0x077F | 0x08A0..=0x08FF)
}

fn is_emoji(cluster: &str) -> bool {
    cluster
        .chars()
        .any(|character| character == '\u{FE0F}' || ('\u{1F000}'..'\u{20000}').contains(&character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_take_no_room_and_a_family_is_one_character_wide() {
        assert_eq!(width("e\u{301}", 10.0), width("e", 10.0));
        assert_eq!(width("👩‍👩‍👧", 10.0), width("🎬", 10.0));
        assert_eq!(width("世", 10.0), 10.0);
        assert!(width("W", 10.0) > width("i", 10.0));
    }

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis_between_clusters() {
        assert_eq!(fitted("short", 10.0, 100.0), "short");
        assert_eq!(fitted("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 10.0, 30.0), "👩‍👩‍👧…");
    }
}
