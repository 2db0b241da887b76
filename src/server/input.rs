//! The texts of a request: one, a pair, or a batch.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::json_body::shape_fault;
use super::problem::Problem;
use super::strict_value::StrictValue;
use crate::engine::OwnedText;

/// Most texts in one request.
pub const MOST_TEXTS: usize = 256;

/// The texts of a request, each with its place in the body.
pub enum Input {
    /// `text`, perhaps with `text_pair`.
    Single(OwnedText, Pointers),
    /// `texts`; an item that is not a text has its problem instead.
    Batch(Vec<Item>),
}

/// An item of a batch with its place in the body.
pub type Item = (Result<OwnedText, Problem>, Pointers);

/// Where a text stands in the body, as JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointers {
    /// The text, or the first of a pair.
    pub text: String,
    /// The second text of a pair.
    pub text_pair: String,
}

/// A text with a second one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextPair {
    /// The text, or the first of a pair; not blank.
    #[schema(example = "A gripping film.")]
    text: String,
    /// The second text of a pair, for models that take pairs.
    #[schema(example = json!(null))]
    text_pair: Option<String>,
}

impl From<TextPair> for OwnedText {
    fn from(TextPair { text, text_pair }: TextPair) -> Self {
        OwnedText { text, text_pair }
    }
}

impl Pointers {
    /// Those of a text that is asked about alone.
    pub fn alone() -> Self {
        Pointers { text: "/text".into(), text_pair: "/text_pair".into() }
    }
}

impl Input {
    /// Sorts out the three fields that every request about texts has.
    ///
    /// # Errors
    /// No text at all, two ways of giving texts at once, an empty or too long list.
    pub fn new(
        text: Option<String>,
        text_pair: Option<String>,
        texts: Option<Vec<StrictValue>>,
    ) -> Result<Self, Problem> {
        match (text, texts) {
            (Some(text), None) => Ok(Input::Single(OwnedText { text, text_pair }, Pointers::alone())),
            (None, None) => {
                Err(Problem::invalid("/text", "there is no text", "send `text`, or `texts` for a batch"))
            }
            (Some(_), Some(_)) => Err(Problem::invalid(
                "/texts",
                "`text` and `texts` exclude each other",
                "send one of the two",
            )),
            (None, Some(_)) if text_pair.is_some() => Err(Problem::invalid(
                "/text_pair",
                "`text_pair` belongs to `text`",
                "in a batch, send pairs as {\"text\": …, \"text_pair\": …} in `texts`",
            )),
            (None, Some(texts)) => Input::batch(texts),
        }
    }

    fn batch(texts: Vec<StrictValue>) -> Result<Self, Problem> {
        let count = texts.len();
        if count == 0 || count > MOST_TEXTS {
            let detail = format!("`texts` has {count} items");
            return Err(Problem::invalid("/texts", detail, format!("send 1 to {MOST_TEXTS} texts")));
        }
        Ok(Input::Batch(texts.into_iter().enumerate().map(item).collect()))
    }
}

fn item((index, StrictValue(value)): (usize, StrictValue)) -> Item {
    let base = format!("/texts/{index}");
    match value {
        Value::String(text) => {
            (Ok(OwnedText { text, text_pair: None }), Pointers { text: base.clone(), text_pair: base })
        }
        object @ Value::Object(_) => {
            let pointers = Pointers { text: format!("{base}/text"), text_pair: format!("{base}/text_pair") };
            let parsed = serde_path_to_error::deserialize::<_, TextPair>(object);
            let text = parsed.map(OwnedText::from);
            (text.map_err(|error| shape_fault(&base, error)), pointers)
        }
        _ => {
            let remedy = "send a string, or {\"text\": …, \"text_pair\": …}";
            let problem = Problem::invalid(&base, "this item is neither a text nor a pair", remedy);
            (Err(problem), Pointers { text: base.clone(), text_pair: base })
        }
    }
}
