//! Blue speaks for, orange against: a pair that differs for every kind of colour vision. Violet is for
//! what has no sign.

/// A colour by its channels, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour(pub f32, pub f32, pub f32);

/// Scores of this share of the largest or less stay without colour.
pub const FAINTEST: f32 = 0.05;

/// Tints of each sign that a page or a picture tells apart, from 1.
pub const LEVELS: usize = 10;

/// Tints of an attention map, from 1.
pub const HEAT_LEVELS: usize = 16;

/// What speaks for the target.
pub const FOR: Colour = Colour(40.0, 110.0, 220.0);

/// What speaks against it.
pub const AGAINST: Colour = Colour(225.0, 120.0, 0.0);

const WHITE: Colour = Colour(255.0, 255.0, 255.0);

/// The colours of a page or a picture.
pub struct Theme {
    /// The ground.
    pub paper: Colour,
    /// Text.
    pub ink: Colour,
    /// Text that stays back.
    pub quiet: Colour,
    /// Hairlines.
    pub rule: Colour,
    /// What tints are mixed from.
    pub tint_for: Colour,
    /// The same for the other sign.
    pub tint_against: Colour,
    /// Lines and bars.
    pub mark_for: Colour,
    /// The same for the other sign.
    pub mark_against: Colour,
    /// The strongest of an attention map.
    pub heat: Colour,
}

/// Dark on white.
pub const LIGHT: Theme = Theme {
    paper: WHITE,
    ink: Colour(23.0, 25.0, 30.0),
    quiet: Colour(91.0, 97.0, 108.0),
    rule: Colour(221.0, 224.0, 229.0),
    tint_for: FOR,
    tint_against: AGAINST,
    mark_for: FOR,
    mark_against: Colour(180.0, 88.0, 0.0),
    heat: Colour(84.0, 39.0, 143.0),
};

/// Light on nearly black.
pub const DARK: Theme = Theme {
    paper: Colour(20.0, 22.0, 27.0),
    ink: Colour(240.0, 241.0, 244.0),
    quiet: Colour(160.0, 166.0, 177.0),
    rule: Colour(52.0, 56.0, 65.0),
    tint_for: Colour(45.0, 110.0, 215.0),
    tint_against: Colour(205.0, 105.0, 0.0),
    mark_for: Colour(116.0, 169.0, 255.0),
    mark_against: Colour(255.0, 166.0, 77.0),
    heat: Colour(205.0, 178.0, 255.0),
};

impl Theme {
    /// The ground under a unit of this sign and level.
    pub fn tint(&self, speaks_for: bool, level: usize) -> Colour {
        let hue = if speaks_for { self.tint_for } else { self.tint_against };
        hue.on(self.paper, level as f32 / LEVELS as f32)
    }

    /// A cell of an attention map.
    pub fn heat(&self, level: usize) -> Colour {
        self.heat.mixed(self.paper, 1.0 - level as f32 / HEAT_LEVELS as f32)
    }
}

impl Colour {
    /// A tint that deepens with `strength`, 0 to 1, and never so far that text on it gets hard to read.
    pub fn on(self, paper: Colour, strength: f32) -> Colour {
        self.mixed(paper, 0.85 - 0.6 * strength)
    }

    /// The tint on white.
    pub fn on_white(self, strength: f32) -> Colour {
        self.on(WHITE, strength)
    }

    /// Its channels as bytes.
    pub fn bytes(self) -> [u8; 3] {
        [self.0 as u8, self.1 as u8, self.2 as u8]
    }

    /// `#rrggbb`.
    pub fn hex(self) -> String {
        let [red, green, blue] = self.bytes();
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    fn mixed(self, other: Colour, share: f32) -> Colour {
        let mix = |own: f32, other: f32| own + (other - own) * share;
        Colour(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

/// |score| of the largest, 0 to 1; `None` where that is too little to show.
pub fn strength(score: f32, largest: f32) -> Option<f32> {
    let strength = if largest > 0.0 { score.abs() / largest } else { 0.0 };
    (strength >= FAINTEST).then_some(strength)
}

/// The largest |score|; 0 for none.
pub fn largest(scores: &[f32]) -> f32 {
    scores.iter().fold(0.0, |largest, score| largest.max(score.abs()))
}

/// The class names of a score's tint in a page or a picture: its sign and its level.
pub fn class(score: f32, largest: f32) -> Option<String> {
    let level = (strength(score, largest)? * LEVELS as f32).round().clamp(1.0, LEVELS as f32);
    Some(format!("{} s{level}", sign(score)))
}

/// The class name of a score's sign.
pub fn sign(score: f32) -> &'static str {
    if score > 0.0 { "for" } else { "against" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: Colour) -> f64 {
        let linear = |byte: u8| {
            let share = byte as f64 / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = colour.bytes().map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(one: Colour, other: Colour) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_is_legible_on_every_tint_of_both_themes() {
        for (name, theme) in [("light", LIGHT), ("dark", DARK)] {
            assert!(contrast(theme.ink, theme.paper) >= 7.0, "{name}");
            assert!(contrast(theme.quiet, theme.paper) >= 4.5, "{name}");
            for (speaks_for, level) in (1..=LEVELS).flat_map(|level| [(true, level), (false, level)]) {
                let contrast = contrast(theme.ink, theme.tint(speaks_for, level));
                assert!(contrast >= 4.5, "{name}, for: {speaks_for}, level {level}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn lines_bars_and_words_in_their_colours_stand_out_from_the_ground() {
        for theme in [LIGHT, DARK] {
            for mark in [theme.mark_for, theme.mark_against, theme.heat] {
                assert!(contrast(mark, theme.paper) >= 4.5);
            }
        }
    }

    #[test]
    fn a_faint_score_has_no_colour_and_zero_scores_have_none_at_all() {
        assert_eq!(class(0.01, 1.0), None);
        assert_eq!(class(0.0, 0.0), None);
        assert_eq!(class(-1.0, 1.0).as_deref(), Some("against s10"));
        assert_eq!(class(0.05, 1.0).as_deref(), Some("for s1"));
    }
}
