//! The tokenizer of a model directory: `tokenizer.json`, or `vocab.txt` with `tokenizer_config.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Encoding, Tokenizer, TruncationParams};

use super::config::ModelConfig;
use super::load_error::{LoadError, read_file, read_json};

/// Turns text into the token ids a model was trained on.
pub struct TextTokenizer {
    whole: Tokenizer,
    truncating: Tokenizer,
    limit: usize,
    special: SpecialTokens,
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// The ids of the tokens that stand for nothing and for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Padding: the default baseline.
    pub padding: u32,
    /// The mask, where the vocabulary has one.
    pub mask: Option<u32>,
}

/// What `tokenizer_config.json` says that matters here.
#[derive(Deserialize, Default)]
struct TokenizerConfig {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    /// A float, since transformers writes 1e30 for "no limit".
    model_max_length: Option<f64>,
    unk_token: Option<SpecialToken>,
    sep_token: Option<SpecialToken>,
    pad_token: Option<SpecialToken>,
    cls_token: Option<SpecialToken>,
    mask_token: Option<SpecialToken>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialToken {
    Plain(String),
    Described { content: String },
}

fn content<'a>(token: &'a Option<SpecialToken>, default: &'a str) -> &'a str {
    match token {
        None => default,
        Some(SpecialToken::Plain(content) | SpecialToken::Described { content }) => content,
    }
}

/// `[CLS] a [SEP] b [SEP]`: no limit below this could hold a pair.
const SMALLEST_LIMIT: usize = 5;

impl TextTokenizer {
    /// Reads the tokenizer of a directory and checks that it fits the model's vocabulary.
    ///
    /// # Errors
    /// No tokenizer, a damaged one, or one with ids that the word-embedding table lacks.
    pub fn open(directory: &Path, config: &ModelConfig) -> Result<Self, LoadError> {
        let json = directory.join("tokenizer.json");
        let vocabulary = directory.join("vocab.txt");
        let settings = directory.join("tokenizer_config.json");
        let mut files = Vec::new();

        let settings_given = if settings.exists() {
            files.push((settings.clone(), read_file(&settings)?));
            read_json(&settings)?
        } else {
            TokenizerConfig::default()
        };
        let (path, mut whole) = if json.exists() {
            let bytes = read_file(&json)?;
            let tokenizer = Tokenizer::from_bytes(&bytes)
                .map_err(|error| LoadError::file(&json, format!("is not a tokenizer: {error}")))?;
            files.push((json.clone(), bytes));
            (json, tokenizer)
        } else if vocabulary.exists() {
            let bytes = read_file(&vocabulary)?;
            let tokenizer = bert_tokenizer(&vocabulary, &bytes, &settings_given)?;
            files.push((vocabulary.clone(), bytes));
            (vocabulary, tokenizer)
        } else {
            return Err(LoadError::file(directory, "has neither tokenizer.json nor vocab.txt"));
        };
        check_vocabulary(&path, &whole, config)?;

        let limit = limit(&settings_given, config);
        if limit < SMALLEST_LIMIT {
            let problem = format!("the model's {limit} positions leave no room for text");
            return Err(LoadError::file(&path, problem));
        }
        // A file may carry settings of its training run; text must never be cut or padded silently.
        let fault = |error: tokenizers::Error| LoadError::file(&path, error);
        whole.with_padding(None);
        whole.with_truncation(None).map_err(fault)?;
        let mut truncating = whole.clone();
        truncating
            .with_truncation(Some(TruncationParams { max_length: limit, ..Default::default() }))
            .map_err(fault)?;

        let special = SpecialTokens {
            padding: whole
                .token_to_id(content(&settings_given.pad_token, "[PAD]"))
                .unwrap_or(config.padding_id),
            mask: whole.token_to_id(content(&settings_given.mask_token, "[MASK]")),
        };
        Ok(TextTokenizer { whole, truncating, limit, special, files })
    }

    /// Most tokens the model takes, special ones included.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The ids that baselines are made of.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// Tokenises a text or a pair whole, whatever its length; offsets count code points.
    ///
    /// # Errors
    /// What the tokenizer itself refuses.
    pub fn encode(&self, text: &str, pair: Option<&str>) -> Result<Encoding, tokenizers::Error> {
        encode(&self.whole, text, pair)
    }

    /// Tokenises a text or a pair, cut to [`Self::limit`] tokens (the longer of a pair first).
    ///
    /// # Errors
    /// What the tokenizer itself refuses.
    pub fn encode_truncated(&self, text: &str, pair: Option<&str>) -> Result<Encoding, tokenizers::Error> {
        encode(&self.truncating, text, pair)
    }

    /// The files the tokenizer was made of, for the fingerprint.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice()))
    }
}

fn encode(tokenizer: &Tokenizer, text: &str, pair: Option<&str>) -> Result<Encoding, tokenizers::Error> {
    match pair {
        None => tokenizer.encode_char_offsets(text, true),
        Some(pair) => tokenizer.encode_char_offsets((text, pair), true),
    }
}

/// The tokenizer's own limit, where it has a sane one, within the model's positions.
fn limit(settings: &TokenizerConfig, config: &ModelConfig) -> usize {
    match settings.model_max_length {
        Some(length) if length >= 1.0 && length < config.positions as f64 => length as usize,
        _ => config.positions,
    }
}

fn check_vocabulary(path: &Path, tokenizer: &Tokenizer, config: &ModelConfig) -> Result<(), LoadError> {
    let largest = tokenizer.get_vocab(true).into_iter().max_by_key(|(_, id)| *id);
    match largest {
        Some((token, id)) if id as usize >= config.vocabulary_size => {
            let problem = format!(
                "does not fit the model: token `{token}` has id {id}, but config.json says vocab_size {}",
                config.vocabulary_size
            );
            Err(LoadError::file(path, problem))
        }
        Some(_) => Ok(()),
        None => Err(LoadError::file(path, "has an empty vocabulary")),
    }
}

/// BERT's own tokenizer around a `vocab.txt`, as transformers builds it.
fn bert_tokenizer(path: &Path, bytes: &[u8], settings: &TokenizerConfig) -> Result<Tokenizer, LoadError> {
    let fault = |error: tokenizers::Error| LoadError::file(path, error);
    let unknown = content(&settings.unk_token, "[UNK]");
    let separator = content(&settings.sep_token, "[SEP]");
    let start = content(&settings.cls_token, "[CLS]");
    let padding = content(&settings.pad_token, "[PAD]");
    let mask = content(&settings.mask_token, "[MASK]");

    let vocabulary = WordPiece::read_bytes(bytes).map_err(fault)?;
    let id = |token: &str| {
        vocabulary
            .get(token)
            .copied()
            .ok_or_else(|| LoadError::file(path, format!("lacks the special token `{token}`")))
    };
    let post_processor =
        BertProcessing::new((separator.to_owned(), id(separator)?), (start.to_owned(), id(start)?));
    id(unknown)?;
    // Added as special only where the vocabulary has them: an added token would get a new id.
    let special: Vec<AddedToken> = [unknown, separator, padding, start, mask]
        .into_iter()
        .filter(|token| vocabulary.contains_key(*token))
        .map(|token| AddedToken::from(token, true))
        .collect();
    let model =
        WordPiece::builder().vocab(vocabulary).unk_token(unknown.to_owned()).build().map_err(fault)?;

    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_normalizer(Some(BertNormalizer::new(
            true,
            settings.tokenize_chinese_chars.unwrap_or(true),
            settings.strip_accents,
            settings.do_lower_case.unwrap_or(true),
        )))
        .map_err(fault)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(post_processor));
    tokenizer.add_special_tokens(special).map_err(fault)?;
    Ok(tokenizer)
}
