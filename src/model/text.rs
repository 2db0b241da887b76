//! A text the way everyone needs it: token ids for the network, tokens and words with offsets for people.

use super::tokenizer::TextTokenizer;
use super::words::{self, Span};

/// A text, or a pair of texts, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// The text, or the first of a pair.
    pub first: &'a str,
    /// The second text of a pair.
    pub second: Option<&'a str>,
}

/// A tokenised text.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedText {
    /// Token ids, special ones included.
    pub ids: Vec<u32>,
    /// Token-type (segment) id of each token.
    pub type_ids: Vec<u32>,
    /// Each token as a person wants to see it.
    pub tokens: Vec<Token>,
    /// The words, those of the first text before those of the second.
    pub words: Vec<Word>,
    /// The sentences, those of the first text before those of the second.
    pub sentences: Vec<Sentence>,
    /// What was cut off, if anything was.
    pub truncated: Option<Truncation>,
}

/// One token: a row of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its piece in the vocabulary.
    pub text: String,
    /// First code point in its own text; 0 for special tokens.
    pub start: usize,
    /// One past the last code point; 0 for special tokens.
    pub end: usize,
    /// Index of the word that holds its first character; none for special tokens.
    pub word: Option<usize>,
    /// Whether the tokenizer added it.
    pub special: bool,
    /// 0 for the first text, 1 for the second.
    pub segment: usize,
}

/// One word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Where it stands in its own text.
    pub span: Span,
    /// Indices of its tokens; empty where the tokenizer made none of it.
    pub tokens: Vec<usize>,
    /// 0 for the first text, 1 for the second.
    pub segment: usize,
}

/// One sentence of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Where it stands in its own text.
    pub span: Span,
    /// Indices of its words.
    pub words: Vec<usize>,
    /// 0 for the first text, 1 for the second.
    pub segment: usize,
}

/// What cutting a long text left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Tokens the whole text has.
    pub tokens: usize,
    /// Tokens the model takes.
    pub limit: usize,
    /// Code points kept of the first text.
    pub kept_to_character: usize,
    /// Code points kept of the second text, where there is one.
    pub kept_to_character_pair: Option<usize>,
}

/// What becomes of a text that is longer than the model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Longer {
    /// It is an error.
    Refused,
    /// It is cut to what the model takes.
    Cut,
    /// It stays whole: it is not meant for one pass.
    Kept,
}

/// Why a text could not be encoded for a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Nothing but white space.
    #[error("is blank: there is nothing to explain")]
    Blank {
        /// 0 for the first text, 1 for the second.
        segment: usize,
    },
    /// Characters, but none that the tokenizer keeps.
    #[error("holds no character that the model's tokenizer keeps")]
    NoTokens {
        /// 0 for the first text, 1 for the second.
        segment: usize,
    },
    /// More tokens than the model has positions, and truncation was not asked for.
    #[error("has {tokens} tokens, but the model takes {limit}")]
    TooLong {
        /// Tokens the text has.
        tokens: usize,
        /// Tokens the model takes.
        limit: usize,
    },
    /// A pair for a model with one token type.
    #[error(
        "is the second text of a pair, but the model knows single texts only (its type_vocab_size is {0})"
    )]
    PairNotSupported(usize),
    /// A pair, and windows were asked for.
    #[error("is the second text of a pair, and windows are for single texts")]
    PairInWindows,
    /// More windows than one answer may have.
    #[error("has {windows} windows, and at most {most} are taken")]
    TooManyWindows {
        /// Windows that the text has.
        windows: usize,
        /// The most that are taken.
        most: usize,
    },
    /// More tokens than one answer may have, in however many windows.
    #[error("has {tokens} tokens, and in windows at most {most} are taken")]
    TooLongInWindows {
        /// Tokens the text has.
        tokens: usize,
        /// The most that are taken.
        most: usize,
    },
    /// The tokenizer itself failed.
    #[error("could not be tokenised: {0}")]
    Tokenizer(String),
}

impl EncodeError {
    /// Which text of the pair is at fault: 0 or 1.
    pub fn segment(&self) -> usize {
        match self {
            EncodeError::Blank { segment } | EncodeError::NoTokens { segment } => *segment,
            EncodeError::PairNotSupported(_) | EncodeError::PairInWindows => 1,
            EncodeError::TooLong { .. }
            | EncodeError::TooManyWindows { .. }
            | EncodeError::TooLongInWindows { .. }
            | EncodeError::Tokenizer(_) => 0,
        }
    }
}

impl EncodedText {
    /// Tokenises `text` for a model with `type_vocabulary_size` token types.
    ///
    /// # Errors
    /// See [`EncodeError`]; longer text is an error only if it is to be [`Longer::Refused`].
    pub fn encode(
        tokenizer: &TextTokenizer,
        type_vocabulary_size: usize,
        text: Text<'_>,
        longer: Longer,
    ) -> Result<Self, EncodeError> {
        let parts: Vec<&str> = std::iter::once(text.first).chain(text.second).collect();
        if let Some(segment) = parts.iter().position(|part| part.trim().is_empty()) {
            return Err(EncodeError::Blank { segment });
        }
        let tokenizer_fault = |error: tokenizers::Error| EncodeError::Tokenizer(error.to_string());
        let mut encoding = tokenizer.encode(text.first, text.second).map_err(tokenizer_fault)?;
        let (tokens, limit) = (encoding.len(), tokenizer.limit());
        let too_long = tokens > limit && longer != Longer::Kept;
        if too_long && longer == Longer::Refused {
            return Err(EncodeError::TooLong { tokens, limit });
        }
        if encoding.get_type_ids().iter().any(|id| *id as usize >= type_vocabulary_size) {
            return Err(EncodeError::PairNotSupported(type_vocabulary_size));
        }
        if too_long {
            encoding = tokenizer.encode_truncated(text.first, text.second).map_err(tokenizer_fault)?;
        }

        let mut tokens_made = tokens_of(&encoding);
        for segment in 0..parts.len() {
            if !tokens_made.iter().any(|token| !token.special && token.segment == segment) {
                return Err(EncodeError::NoTokens { segment });
            }
        }
        let kept = |segment: usize| {
            let ends = tokens_made
                .iter()
                .filter(|token| !token.special && token.segment == segment)
                .map(|token| token.end);
            ends.max().unwrap_or(0)
        };
        let truncated = too_long.then(|| Truncation {
            tokens,
            limit,
            kept_to_character: kept(0),
            kept_to_character_pair: text.second.map(|_| kept(1)),
        });
        let kept: Vec<usize> =
            (0..parts.len()).map(|s| if too_long { kept(s) } else { usize::MAX }).collect();

        let mut words = Vec::new();
        let mut sentences = Vec::new();
        for (segment, part) in parts.iter().enumerate() {
            let first_word = words.len();
            words.extend(words_of(part, segment, kept[segment], &mut tokens_made, first_word));
            sentences.extend(sentences_of(part, segment, kept[segment], &words[first_word..], first_word));
        }
        Ok(EncodedText {
            ids: encoding.get_ids().to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            tokens: tokens_made,
            words,
            sentences,
            truncated,
        })
    }
}

fn tokens_of(encoding: &tokenizers::Encoding) -> Vec<Token> {
    let sequences = encoding.get_sequence_ids();
    (0..encoding.len())
        .map(|index| {
            let special = encoding.get_special_tokens_mask()[index] == 1;
            let (start, end) = if special { (0, 0) } else { encoding.get_offsets()[index] };
            Token {
                text: encoding.get_tokens()[index].clone(),
                start,
                end,
                word: None,
                special,
                segment: sequences[index].unwrap_or(encoding.get_type_ids()[index] as usize),
            }
        })
        .collect()
}

/// The words of one text, each with its tokens; tells each token its word.
///
/// Invisible segments are words only where a token begins in them, so that every token that is not
/// special has a word and no word is a blank to the eye without need. What lies beyond `kept` was not
/// seen by the model: later words are left out, and a word it cuts through ends there.
fn words_of(part: &str, segment: usize, kept: usize, tokens: &mut [Token], first_word: usize) -> Vec<Word> {
    let characters: Vec<char> = part.chars().collect();
    let spans = words::words(part);
    let mut held: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for (index, token) in tokens.iter().enumerate() {
        if token.special || token.segment != segment {
            continue;
        }
        // Byte-level tokenizers count the space before a word into its token.
        let first = (token.start..token.end).find(|p| !characters[*p].is_whitespace()).unwrap_or(token.start);
        // A token of white space alone belongs to the word before it, or else to the first.
        let word = words::span_at(&spans, first)
            .unwrap_or_else(|| spans.partition_point(|span| span.end <= first).saturating_sub(1));
        held[word].push(index);
    }
    let mut words = Vec::new();
    for (span, held) in spans.into_iter().zip(held) {
        if held.is_empty() && (!span.is_visible() || span.start >= kept) {
            continue;
        }
        for token in &held {
            tokens[*token].word = Some(first_word + words.len());
        }
        words.push(Word { span: span.cut_at(kept), tokens: held, segment });
    }
    words
}

fn sentences_of(part: &str, segment: usize, kept: usize, words: &[Word], first_word: usize) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = words::sentences(part)
        .into_iter()
        .map(|span| Sentence { span, words: Vec::new(), segment })
        .collect();
    for (index, word) in words.iter().enumerate() {
        let first = word.span.start;
        // Only an invisible first character can lie outside every sentence: the next one takes it.
        let sentence = sentences.partition_point(|s| s.span.end <= first).min(sentences.len() - 1);
        sentences[sentence].words.push(first_word + index);
    }
    sentences.retain(|sentence| !sentence.words.is_empty());
    sentences.iter_mut().for_each(|sentence| sentence.span = sentence.span.clone().cut_at(kept));
    sentences
}
