//! How strict the search is, from the strictest level to "any word".

/// What candidates have to be like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    /// 0 for the strictest.
    pub number: usize,
    /// How much less likely than the best a word may be to the masked LM, in nats.
    pub drop: f64,
    /// How many of the likeliest words are looked at.
    pub top: usize,
    /// How much a word has to lean towards the goal by itself, 0 to 1.
    pub leaning: f64,
    /// How near its embedding has to be to that of the word that it stands for.
    pub cosine: f64,
    /// By how much it has to lean more than that word.
    pub contrast: f64,
    /// The most changes of one text; the request's limit holds as well.
    pub changes: usize,
    /// Whether grammatical words are changed too, and anything is deleted.
    pub every_word: bool,
    /// Whether replacements are any words that the gradient points at, whatever the masked LM says.
    pub any_replacement: bool,
}

/// In the order of the search. Found by experiment on film reviews: each level loosens what kept the last from an answer.
pub(super) const LEVELS: [Level; 4] = [
    Level {
        number: 0,
        drop: 4.0,
        top: 100,
        leaning: 0.75,
        cosine: 0.0,
        contrast: 0.3,
        changes: 2,
        every_word: false,
        any_replacement: false,
    },
    Level {
        number: 1,
        drop: 5.5,
        top: 200,
        leaning: 0.55,
        cosine: 0.05,
        contrast: 0.15,
        changes: usize::MAX,
        every_word: false,
        any_replacement: false,
    },
    Level {
        number: 2,
        drop: 9.0,
        top: LIKELIEST,
        leaning: 0.4,
        cosine: -1.0,
        contrast: -1.0,
        changes: usize::MAX,
        every_word: true,
        any_replacement: false,
    },
    Level {
        number: 3,
        drop: f64::INFINITY,
        top: 0,
        leaning: 0.0,
        cosine: -1.0,
        contrast: -1.0,
        changes: usize::MAX,
        every_word: true,
        any_replacement: true,
    },
];

/// The most words that are kept of what the masked LM expects at a place.
pub(super) const LIKELIEST: usize = 500;
