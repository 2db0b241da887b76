//! What "nothing was said" looks like to the network: the start of the path of path methods.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::explain::Subject;
use crate::explain::method::{ExplainError, OptionFault};
use crate::model::{EncodedText, Model, Text};

/// The text that an attribution is measured from: a usual one by name, or a text of one's own. Special
/// tokens (`[CLS]`, `[SEP]`) always stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, try_from = "Value")]
#[schema(example = "pad")]
pub enum Baseline {
    /// One of the usual ones.
    Usual(UsualBaseline),
    /// A text of the same number of tokens, or a pair of such texts.
    Text(BaselineText),
}

impl TryFrom<Value> for Baseline {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        const EXPECTED: &str = "expected \"pad\", \"mask\", \"zero\" or {\"text\": \"…\"}";
        let described = |error: serde_json::Error| format!("{error}; {EXPECTED}");
        match value {
            Value::String(_) => serde_json::from_value(value).map(Baseline::Usual).map_err(described),
            Value::Object(_) => serde_json::from_value(value).map(Baseline::Text).map_err(described),
            _ => Err(EXPECTED.into()),
        }
    }
}

/// The usual baselines: every token becomes the padding token (`pad`) or the mask token (`mask`), or every
/// word embedding becomes the zero vector (`zero`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "pad")]
pub enum UsualBaseline {
    /// Every token becomes the padding token.
    Pad,
    /// Every token becomes the mask token.
    Mask,
    /// Every word embedding becomes the zero vector.
    Zero,
}

/// A text as a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineText {
    /// The text, with as many tokens as the one explained.
    #[schema(example = "A usual film, though it drags a little.")]
    text: String,
    /// The second text of a pair, with as many tokens as that of the one explained; for pairs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(null))]
    text_pair: Option<String>,
}

impl Default for Baseline {
    fn default() -> Self {
        Baseline::Usual(UsualBaseline::Pad)
    }
}

const OPTION: &str = "baseline";

impl Baseline {
    /// Refuses a baseline that the model's vocabulary lacks.
    ///
    /// # Errors
    /// `mask` or `pad` where there is no such token.
    pub fn check(&self, model: &Model) -> Result<(), OptionFault> {
        match self {
            Baseline::Usual(UsualBaseline::Mask) if model.tokenizer().special().mask.is_none() => {
                let detail = format!(
                    "the vocabulary of model `{}` has no mask token; use `pad` or `zero`",
                    model.id()
                );
                Err(OptionFault::new(OPTION, detail))
            }
            Baseline::Usual(UsualBaseline::Pad) if model.tokenizer().special().padding.is_none() => {
                let detail =
                    format!("the vocabulary of model `{}` has no padding token; use `zero`", model.id());
                Err(OptionFault::new(OPTION, detail))
            }
            _ => Ok(()),
        }
    }

    /// The usual baselines beside this one that the model's vocabulary has, by name.
    pub fn others(&self, model: &Model) -> Vec<(&'static str, Baseline)> {
        let usual =
            [("pad", UsualBaseline::Pad), ("mask", UsualBaseline::Mask), ("zero", UsualBaseline::Zero)];
        let usual = usual.map(|(name, usual)| (name, Baseline::Usual(usual))).into_iter();
        usual.filter(|(_, other)| other != self && other.check(model).is_ok()).collect()
    }

    /// The word embeddings `[tokens, hidden]` of this baseline for a text.
    ///
    /// # Errors
    /// A baseline text of another length; [`ExplainError::Compute`].
    pub fn embeddings(&self, method: &'static str, subject: &Subject) -> Result<Vec<f32>, ExplainError> {
        let text = subject.text();
        let special = subject.model().tokenizer().special();
        let encoder = subject.model().encoder();
        // A vocabulary without the token was refused by `check`.
        let filled = |id: Option<u32>| -> Result<Vec<f32>, ExplainError> {
            let substitute = match id {
                Some(id) => encoder.word_embeddings(&[id])?,
                None => return Ok(subject.embeddings().to_vec()),
            };
            let own = subject.embeddings().chunks_exact(substitute.len()).zip(&text.tokens);
            Ok(own.flat_map(|(row, token)| if token.special { row } else { &substitute }).copied().collect())
        };
        let embeddings = match self {
            Baseline::Usual(UsualBaseline::Pad) => filled(special.padding)?,
            Baseline::Usual(UsualBaseline::Mask) => filled(special.mask)?,
            Baseline::Usual(UsualBaseline::Zero) => {
                let mut own = subject.embeddings().to_vec();
                let rows = own.chunks_exact_mut(encoder.config().hidden_size);
                rows.zip(&text.tokens).filter(|(_, token)| !token.special).for_each(|(row, _)| row.fill(0.0));
                own
            }
            Baseline::Text(baseline) => {
                let encoded = baseline.encode(subject).map_err(|detail| ExplainError::Option {
                    method,
                    fault: OptionFault::new(OPTION, detail),
                })?;
                encoder.word_embeddings(&encoded.ids)?
            }
        };
        Ok(embeddings)
    }
}

impl BaselineText {
    fn encode(&self, subject: &Subject) -> Result<EncodedText, String> {
        let (model, text) = (subject.model(), subject.text());
        let baseline = Text { first: &self.text, second: self.text_pair.as_deref() };
        let encoded = match subject.layout().asked() {
            Some(windows) => windows.encode(model, baseline),
            None => model.encode(baseline, false),
        };
        let encoded = encoded.map_err(|error| format!("the baseline text {error}"))?;
        let shape =
            |text: &EncodedText| text.tokens.iter().map(|t| (t.special, t.segment)).collect::<Vec<_>>();
        match shape(&encoded) == shape(text) {
            true => Ok(encoded),
            false => {
                let count = |text: &EncodedText, segment: usize| {
                    text.tokens.iter().filter(|token| !token.special && token.segment == segment).count()
                };
                let counts = |text: &EncodedText| format!("{} and {}", count(text, 0), count(text, 1));
                Err(format!(
                    "the baseline must have as many tokens as the text and as its pair: it has {}, they have {}",
                    counts(&encoded),
                    counts(text)
                ))
            }
        }
    }
}
