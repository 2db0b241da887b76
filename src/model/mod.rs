//! The network: configuration, weights, tokenizer, words and offsets, the encoder with its forward
//! and backward passes, and the operators it is written over.
//!
//! Read [`Model`] first, then [`Encoder`], [`trace`] and [`backward`].

pub mod activations;
pub mod arrays;
mod attn_lrp;
pub mod backward;
pub mod candle_ops;
mod changes;
pub mod config;
pub mod encoder;
mod footprint;
mod forward;
mod hidden_edit;
pub mod interventions;
#[cfg(test)]
mod interventions_tests;
pub mod kernel_ops;
pub mod load_error;
mod masked_lm;
mod network;
mod nonlinear;
pub mod ops;
#[cfg(test)]
mod ops_tests;
#[cfg(test)]
mod patching_tests;
pub mod placement;
pub mod prediction;
pub mod record;
mod rescale;
mod resumed;
pub mod text;
pub mod tokenizer;
pub mod trace;
mod values;
pub mod weights;
pub mod whole_words;
pub mod words;
pub mod workspace;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use activations::Activations;
pub use arrays::{HeadMaps, Matrix};
pub use backward::{Cotangent, Gradients, Wanted};
pub use config::{Activation, ModelConfig, Problem};
pub use encoder::{Batch, Encoder, Operators, Sequence};
pub use interventions::{HiddenEdit, Intervention, Interventions};
pub use load_error::LoadError;
pub use placement::Placement;
pub use prediction::{Decision, Prediction};
pub use record::Record;
pub use text::{EncodeError, EncodedText, Longer, Text};
pub use tokenizer::{SpecialTokens, TextTokenizer};
pub use trace::{Keep, Trace};
pub use whole_words::WholeWords;

use kernel_ops::KernelOps;
use weights::Weights;

/// A text classifier, loaded and ready.
pub struct Model {
    id: String,
    directory: PathBuf,
    fingerprint: String,
    tokenizer: TextTokenizer,
    encoder: Encoder,
    operators: Operators,
    whole_words: OnceLock<WholeWords>,
}

impl Model {
    /// Loads a Hugging Face directory onto the processor, in `f32`, and runs it once.
    ///
    /// # Errors
    /// Anything that is missing, damaged or does not fit together, by file and tensor.
    pub fn load(id: &str, directory: &Path) -> Result<Self, LoadError> {
        Self::load_on(id, directory, &Operators::Kernels(KernelOps::best()))
    }

    /// The same, to run by certain operators.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_on(id: &str, directory: &Path, operators: &Operators) -> Result<Self, LoadError> {
        if !directory.is_dir() {
            return Err(LoadError::file(directory, "is not a directory"));
        }
        let config_path = directory.join("config.json");
        let config = ModelConfig::read(&config_path)?;
        let weights = Weights::open(directory)?;
        check_label_count(&config_path, &config, &weights)?;
        let tokenizer = TextTokenizer::open(directory, &config)?;
        let fingerprint = fingerprint(&config_path, &tokenizer, &weights)?;
        let encoder = Encoder::load(config, &weights, operators)?;
        let model = Model {
            id: id.to_owned(),
            directory: directory.to_owned(),
            fingerprint,
            tokenizer,
            encoder,
            operators: operators.clone(),
            whole_words: OnceLock::new(),
        };
        model.warm()?;
        Ok(model)
    }

    /// The name it is asked for by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it was loaded from.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// BLAKE3 over configuration, labels, tokenizer and weights, in hexadecimal: two models with one
    /// fingerprint give the same answers.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its shape, labels and problem.
    pub fn config(&self) -> &ModelConfig {
        self.encoder.config()
    }

    /// The network.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// The tokens of its vocabulary that are words on their own; looked for at first use, which takes as long as
    /// tokenising each of them once.
    pub fn whole_words(&self) -> &WholeWords {
        self.whole_words.get_or_init(|| WholeWords::of(&self.tokenizer))
    }

    /// Bytes that its weights take in memory: linear layers are there twice, laid out for the way through the
    /// network and for the way back.
    pub fn weight_bytes(&self) -> usize {
        self.encoder.weight_bytes()
    }

    /// What runs it.
    pub fn operators(&self) -> &Operators {
        &self.operators
    }

    /// Tokenises a text for this model.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self, text: Text<'_>, truncate: bool) -> Result<EncodedText, EncodeError> {
        self.encode_longer(text, if truncate { Longer::Cut } else { Longer::Refused })
    }

    /// Tokenises a text whole, even if it is longer than this model takes in one pass.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode_whole(&self, text: Text<'_>) -> Result<EncodedText, EncodeError> {
        self.encode_longer(text, Longer::Kept)
    }

    fn encode_longer(&self, text: Text<'_>, longer: Longer) -> Result<EncodedText, EncodeError> {
        EncodedText::encode(&self.tokenizer, self.config().type_vocabulary_size, text, longer)
    }

    /// One real forward: touches every weight, and shows at start what would fail on the first request.
    fn warm(&self) -> Result<(), LoadError> {
        let fault = |problem: String| LoadError::file(&self.directory, format!("does not run: {problem}"));
        let text = Text { first: "a first text to warm up with", second: None };
        let encoded = self.encode(text, true).map_err(|error| fault(format!("the warm-up text {error}")))?;
        if !encoded.tokens[0].special {
            return Err(fault(
                "its tokenizer adds no special token in front, where the classifier reads".into(),
            ));
        }
        let run = || {
            let batch = self.encoder.batch(&encoded.ids, &encoded.type_ids)?;
            Ok::<_, candle_core::Error>(self.encoder.forward(&batch, Keep::Outputs)?.all_logits().to_vec())
        };
        let logits = run().map_err(|error| fault(error.to_string()))?;
        match logits.iter().all(|logit| logit.is_finite()) {
            true => Ok(()),
            false => Err(fault(format!("its logits are {logits:?}"))),
        }
    }
}

/// Labels and classifier are two files' word on one number; the commonest mistake deserves its own
/// message.
fn check_label_count(config_path: &Path, config: &ModelConfig, weights: &Weights) -> Result<(), LoadError> {
    let shape = weights.shape("classifier.weight")?;
    match shape.first() {
        Some(rows) if *rows == config.labels.len() => Ok(()),
        _ => {
            let problem = format!(
                "has {} labels (id2label), but tensor `classifier.weight` has shape {shape:?}: one row is needed for each label",
                config.labels.len()
            );
            Err(LoadError::file(config_path, problem))
        }
    }
}

fn fingerprint(
    config_path: &Path,
    tokenizer: &TextTokenizer,
    weights: &Weights,
) -> Result<String, LoadError> {
    let config = load_error::read_file(config_path)?;
    let mut hasher = blake3::Hasher::new();
    let files =
        std::iter::once((config_path, config.as_slice())).chain(tokenizer.files()).chain(weights.files());
    for (path, bytes) in files {
        // The name, not the path: a model that moves house stays the same model.
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        for part in [name, bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}
