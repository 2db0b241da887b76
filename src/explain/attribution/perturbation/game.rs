//! A text as a game: its parts are the players, and a coalition is worth what the model says of the text with
//! the other parts taken out.

use super::replacement::Replacement;
use super::worths::Worths;
use crate::explain::granularity::Granularity;
use crate::explain::method::{ExplainError, OptionFault};
use crate::explain::subject::check_finite;
use crate::explain::windows::Window;
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Batch, Sequence};

/// The parts of a text that can be taken out: its tokens, words or sentences, without the special tokens and
/// without words that the tokenizer made nothing of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Players {
    /// The tokens of each, ascending.
    tokens: Vec<Vec<usize>>,
    /// Which text each is of: 0 for the first, 1 for the second of a pair.
    segments: Vec<usize>,
}

impl Players {
    /// The parts of a text, in its order.
    pub fn new(subject: &Subject, unit: Granularity) -> Self {
        let text = subject.text();
        let tokens: Vec<Vec<usize>> = match unit {
            Granularity::Token => {
                let own = text.tokens.iter().enumerate().filter(|(_, token)| !token.special);
                own.map(|(index, _)| vec![index]).collect()
            }
            Granularity::Word => text.words.iter().map(|word| word.tokens.clone()).collect(),
            Granularity::Sentence => {
                let of_words = |words: &Vec<usize>| {
                    words.iter().flat_map(|word| text.words[*word].tokens.clone()).collect()
                };
                text.sentences.iter().map(|sentence| of_words(&sentence.words)).collect()
            }
        };
        let tokens: Vec<Vec<usize>> = tokens.into_iter().filter(|tokens| !tokens.is_empty()).collect();
        let segments = tokens.iter().map(|tokens| text.tokens[tokens[0]].segment).collect();
        Players { tokens, segments }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The tokens of a player, ascending.
    pub fn tokens(&self, player: usize) -> &[usize] {
        &self.tokens[player]
    }

    /// Which text of a pair a player is of: 0 or 1.
    pub fn segment(&self, player: usize) -> usize {
        self.segments[player]
    }

    /// One value for each token of the text from one for each player: a player's first token carries its
    /// value, all others carry 0. Sums over players and larger units are exact.
    pub fn to_tokens(&self, values: &[f64], tokens: usize) -> Vec<f64> {
        let mut scores = vec![0.0; tokens];
        for (own, value) in self.tokens.iter().zip(values) {
            scores[own[0]] = *value;
        }
        scores
    }
}

/// Which players are there, by player: the parts of the others are taken out.
pub type Coalition = Vec<bool>;

/// A text, its parts, and what takes the place of those that are taken out.
#[derive(Clone)]
pub struct Game {
    subject: Subject,
    players: Players,
    replacement: Replacement,
    /// The embedding of what stands in place of a token; empty where nothing does.
    substitute: Vec<f32>,
}

/// Bytes of altered texts that are submitted together.
const TOGETHER: usize = 16 << 20;

impl Game {
    /// The game of a text.
    ///
    /// # Errors
    /// [`ExplainError::Compute`].
    pub fn new(subject: &Subject, unit: Granularity, replacement: Replacement) -> Result<Self, ExplainError> {
        let model = subject.model();
        let ids: Vec<u32> = replacement.id(model).into_iter().collect();
        Ok(Game {
            subject: subject.clone(),
            players: Players::new(subject, unit),
            replacement,
            substitute: model.encoder().word_embeddings(&ids)?,
        })
    }

    /// The parts.
    pub fn players(&self) -> &Players {
        &self.players
    }

    /// The text.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The coalition of all players: the text as it is.
    pub fn everyone(&self) -> Coalition {
        vec![true; self.players.len()]
    }

    /// The coalition of no player: the special tokens alone, or among substitutes.
    pub fn nobody(&self) -> Coalition {
        vec![false; self.players.len()]
    }

    /// The logits for each coalition, in order. That of all players is known and costs nothing; every other
    /// is one forward pass, or one for each window that lacks a player.
    ///
    /// # Errors
    /// [`ExplainError::Cancelled`], [`ExplainError::NotFinite`], [`ExplainError::Compute`].
    pub fn logits(&self, coalitions: &[Coalition]) -> Result<Vec<Vec<f32>>, ExplainError> {
        let layout = self.subject.layout();
        let rows: usize = layout.windows().iter().map(Window::tokens).sum();
        let own = rows * self.subject.model().config().hidden_size * size_of::<f32>();
        let mut logits = Vec::with_capacity(coalitions.len());
        for some in coalitions.chunks((TOGETHER / own.max(1)).max(1)) {
            let altered: Vec<Vec<Option<Batch>>> = some.iter().map(|c| self.altered(c)).collect();
            let is_known: Vec<Vec<bool>> =
                altered.iter().map(|windows| windows.iter().map(Option::is_none).collect()).collect();
            let batches = altered.into_iter().flatten().flatten().collect();
            let mut found = self.subject.logits(batches)?.into_iter();
            for is_known in is_known {
                let of_window = |(is_known, known): (bool, &Vec<f32>)| match is_known {
                    true => Ok(known.clone()),
                    false => found.next().ok_or(ExplainError::Cancelled),
                };
                let windows = is_known.into_iter().zip(self.subject.window_logits()).map(of_window);
                let windows = windows.collect::<Result<Vec<_>, _>>()?;
                check_finite(&windows)?;
                logits.push(layout.combination().combined(&windows));
            }
        }
        Ok(logits)
    }

    /// An output of each class for each coalition, `[coalition][class]`, in the order of `classes`.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn values(
        &self,
        coalitions: &[Coalition],
        output: Output,
        classes: &[usize],
    ) -> Result<Vec<Vec<f64>>, ExplainError> {
        let problem = self.subject.model().config().problem;
        let of_classes =
            |logits: Vec<f32>| classes.iter().map(|class| output.value(problem, &logits, *class)).collect();
        Ok(self.logits(coalitions)?.into_iter().map(of_classes).collect())
    }

    /// What coalitions are worth to each class, in the order of `classes`.
    pub fn worths<'a>(&'a self, output: Output, classes: &'a [usize]) -> Worths<'a> {
        Worths::new(move |coalitions| self.values(coalitions, output, classes))
    }

    /// The text with the parts of absent players taken out, as the network gets it: window by window, none for a
    /// window that is as it was. Windows keep their places in the text, whatever is taken out.
    fn altered(&self, coalition: &Coalition) -> Vec<Option<Batch>> {
        let mut absent = vec![false; self.subject.tokens()];
        for player in (0..coalition.len()).filter(|player| !coalition[*player]) {
            self.players.tokens(player).iter().for_each(|token| absent[*token] = true);
        }
        let of_window =
            |window: &Window| window.rows().any(|row| absent[row]).then(|| self.without(window, &absent));
        self.subject.layout().windows().iter().map(of_window).collect()
    }

    /// A window with absent tokens taken out.
    fn without(&self, window: &Window, absent: &[bool]) -> Batch {
        let text = self.subject.text();
        let width = self.subject.model().config().hidden_size;
        let mut batch = Batch::default();
        let mut type_ids = Vec::with_capacity(window.tokens());
        for row in window.rows() {
            match (absent[row], self.replacement) {
                (true, Replacement::Delete) => continue,
                (true, Replacement::Mask | Replacement::Pad) => {
                    batch.word_embeddings.extend_from_slice(&self.substitute);
                }
                (false, _) => {
                    let embedding = &self.subject.embeddings()[row * width..][..width];
                    batch.word_embeddings.extend_from_slice(embedding);
                }
            }
            type_ids.push(text.type_ids[row]);
        }
        batch.sequences.push(Sequence { type_ids, interventions: self.subject.interventions().clone() });
        batch
    }
}

/// The coalitions of so many players, 2ⁿ; the largest number there is where they are more.
pub fn coalitions_of(players: usize) -> usize {
    u32::try_from(players).ok().and_then(|players| 1usize.checked_shl(players)).unwrap_or(usize::MAX)
}

/// What a method costs that runs so many altered texts for so many players. A text of T tokens has at most T − 2
/// of them, as two tokens are special; usually five tokens make four words, and twenty a sentence.
pub fn cost(unit: Granularity, tokens: usize, forwards: impl Fn(usize) -> usize) -> Cost {
    let most = tokens.saturating_sub(2).max(1);
    let usual = match unit {
        Granularity::Token => most,
        Granularity::Word => (4 * most).div_ceil(5),
        Granularity::Sentence => most.div_ceil(20),
    };
    let passes = |players: usize| Passes::new(forwards(players), 0);
    Cost { expected: passes(usual), most: passes(most), together: 1 }
}

/// The unit whose parts are taken out, where none was asked for: that of the scores.
pub fn unit_or(unit: Option<Granularity>, granularity: Granularity) -> Granularity {
    unit.unwrap_or(granularity)
}

/// Refuses parts that are larger than what scores are asked for: there is no telling a part's score apart.
///
/// # Errors
/// A fault of the option `unit`.
pub fn check_unit(unit: Option<Granularity>, granularity: Granularity) -> Result<(), OptionFault> {
    let size = |unit: Granularity| match unit {
        Granularity::Token => 0,
        Granularity::Word => 1,
        Granularity::Sentence => 2,
    };
    match unit {
        Some(unit) if size(unit) > size(granularity) => {
            let (unit, asked) = (unit.name(), granularity.name());
            let detail = format!(
                "is `{unit}`, but a score is asked for each {asked}; leave it out, or ask for a coarser `granularity`"
            );
            Err(OptionFault::new("unit", detail))
        }
        _ => Ok(()),
    }
}
