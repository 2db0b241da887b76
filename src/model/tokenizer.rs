//! The tokenizer of a model directory: `tokenizer.json`, or `vocab.txt` with `tokenizer_config.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Encoding, PostProcessor, Tokenizer, TruncationParams};

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
    pub padding: Option<u32>,
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
    do_basic_tokenize: Option<bool>,
    never_split: Option<Vec<String>>,
    added_tokens_decoder: Option<BTreeMap<String, SpecialToken>>,
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
            let tokenizer = with_settings(tokenizer, &settings_given)
                .map_err(|error| LoadError::file(&settings, error))?;
            (json, tokenizer)
        } else if vocabulary.exists() {
            check_plain(directory, &settings, &settings_given)?;
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
            let problem = format!(
                "a limit of {limit} tokens (max_position_embeddings, or the tokenizer's model_max_length) leaves no room for text"
            );
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
            padding: whole.token_to_id(content(&settings_given.pad_token, "[PAD]")).or(config.padding_id),
            mask: whole.token_to_id(content(&settings_given.mask_token, "[MASK]")),
        };
        Ok(TextTokenizer { whole, truncating, limit, special, files })
    }

    /// Most tokens the model takes, special ones included.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many special tokens it adds to a single text.
    pub fn special_tokens(&self) -> usize {
        self.whole.get_post_processor().map_or(0, |processor| processor.added_tokens(false))
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

    /// The tokens of a piece of text, without special ones around them.
    ///
    /// # Errors
    /// What the tokenizer itself refuses.
    pub(super) fn bare_ids(&self, text: &str) -> Result<Vec<u32>, tokenizers::Error> {
        Ok(self.whole.encode_fast(text, false)?.get_ids().to_vec())
    }

    /// The tokens that the model for subwords has by itself: neither special ones nor any that were added.
    pub(super) fn own_vocabulary(&self) -> impl Iterator<Item = (u32, String)> {
        let added = self.whole.get_added_tokens_decoder();
        let own = self.whole.get_vocab(false).into_iter().map(|(text, id)| (id, text));
        own.filter(move |(id, _)| !added.contains_key(id))
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

/// Where `tokenizer_config.json` contradicts the normaliser in `tokenizer.json`, it wins, as it does in
/// transformers; what it leaves unsaid stays.
fn with_settings(
    mut tokenizer: Tokenizer,
    settings: &TokenizerConfig,
) -> Result<Tokenizer, tokenizers::Error> {
    if let Some(NormalizerWrapper::BertNormalizer(normalizer)) = tokenizer.get_normalizer() {
        let mut normalizer = *normalizer;
        normalizer.lowercase = settings.do_lower_case.unwrap_or(normalizer.lowercase);
        normalizer.strip_accents = settings.strip_accents.or(normalizer.strip_accents);
        normalizer.handle_chinese_chars =
            settings.tokenize_chinese_chars.unwrap_or(normalizer.handle_chinese_chars);
        tokenizer.with_normalizer(Some(normalizer))?;
    }
    Ok(tokenizer)
}

/// Refuses settings of a `vocab.txt` that only its old Python tokenizer knows what to do with.
fn check_plain(directory: &Path, path: &Path, settings: &TokenizerConfig) -> Result<(), LoadError> {
    const REMEDY: &str = "save the tokenizer as tokenizer.json (save_pretrained of a fast tokenizer)";
    let specials = [
        content(&settings.unk_token, "[UNK]"),
        content(&settings.sep_token, "[SEP]"),
        content(&settings.pad_token, "[PAD]"),
        content(&settings.cls_token, "[CLS]"),
        content(&settings.mask_token, "[MASK]"),
    ];
    let added = settings.added_tokens_decoder.iter().flat_map(BTreeMap::values);
    let mut added = added.map(|token| match token {
        SpecialToken::Plain(content) | SpecialToken::Described { content } => content.as_str(),
    });
    let fault = |what: String| {
        Err(LoadError::file(path, format!("{what}, which vocab.txt alone cannot follow; {REMEDY}")))
    };
    if let Some(token) = added.find(|token| !specials.contains(token)) {
        return fault(format!("adds the token `{token}` (added_tokens_decoder)"));
    }
    if settings.do_basic_tokenize == Some(false) {
        return fault("says do_basic_tokenize false".into());
    }
    if settings.never_split.as_ref().is_some_and(|words| !words.is_empty()) {
        return fault("names words in never_split".into());
    }
    let added_tokens = directory.join("added_tokens.json");
    if added_tokens.exists() {
        return Err(LoadError::file(
            &added_tokens,
            format!("adds tokens, which vocab.txt alone cannot follow; {REMEDY}"),
        ));
    }
    Ok(())
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
