//! Keys of results and ids of responses: BLAKE3 over everything an answer depends on, and nothing else.

use std::fmt;

use super::hexadecimal;

/// Raised when the meaning of the fields below changes.
const SCHEMA: u32 = 1;

/// Raised when the same inputs may give other bits: operators, their order, a library beneath them.
const NUMERICS: u32 = 2;

/// Weights and arithmetic.
const PRECISION: &str = "f32";

/// Everything one result depends on.
#[derive(Debug, Clone, Copy)]
pub struct ResultInputs<'a> {
    /// The model's id.
    pub model: &'a str,
    /// Digest of its configuration, labels, tokenizer and weights.
    pub fingerprint: &'a str,
    /// The kind of device.
    pub device: &'a str,
    /// The method's id, or the name of another part of an answer (`prediction`, `attention`).
    pub method: &'a str,
    /// The method's version.
    pub version: u32,
    /// Its options with every default filled in.
    pub options: &'a str,
    /// The target as it was asked for.
    pub target: &'a str,
    /// The unit of the scores.
    pub granularity: &'a str,
    /// Whether a long text may be cut.
    pub truncate: bool,
    /// The quality figures asked for.
    pub quality: &'a str,
    /// The seed, for methods that sample.
    pub seed: Option<u64>,
    /// The text as sent.
    pub text: &'a str,
    /// The second text of a pair.
    pub text_pair: Option<&'a str>,
    /// The windows over the text, where it is not read whole.
    pub windows: Option<&'a str>,
    /// How the network is altered, where it is not as it is.
    pub altered: Option<&'a str>,
}

/// The identity of one result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResultKey(pub [u8; 32]);

impl ResultKey {
    /// The key of a result.
    pub fn new(inputs: &ResultInputs<'_>) -> Self {
        let mut fields = Fields::new("explaind result key");
        fields.number(SCHEMA.into()).number(NUMERICS.into());
        fields.text(inputs.model).text(inputs.fingerprint).text(PRECISION).text(inputs.device);
        fields.text(inputs.method).number(inputs.version.into()).text(inputs.options);
        fields
            .text(inputs.target)
            .text(inputs.granularity)
            .number(inputs.truncate.into())
            .text(inputs.quality);
        fields.optional(inputs.seed, |fields, seed| fields.number(seed));
        fields.text(inputs.text);
        fields.optional(inputs.text_pair, |fields, pair| fields.text(pair));
        // A field more, and only where it is asked for: other keys are as they were before there were windows.
        if let Some(windows) = inputs.windows {
            fields.text(windows);
        }
        // Two more, so that they are told from the one above by their number.
        if let Some(altered) = inputs.altered {
            fields.text("altered").text(altered);
        }
        ResultKey(fields.finish())
    }
}

/// The identity of a whole response: its ordered results and how they are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseId(pub [u8; 32]);

impl ResponseId {
    /// The id of a response of the named shape over these results.
    pub fn new(shape: &str, keys: &[ResultKey]) -> Self {
        let mut fields = Fields::new("explaind response id");
        fields.text(shape).number(keys.len() as u64);
        for key in keys {
            fields.bytes(&key.0);
        }
        ResponseId(fields.finish())
    }

    /// The id of 64 lower-case hexadecimal digits; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hexadecimal::read(text).map(ResponseId)
    }
}

impl fmt::Display for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal::written(self.0))
    }
}

/// Length-prefixed fields: no two lists of fields make the same bytes.
pub(super) struct Fields(blake3::Hasher);

impl Fields {
    pub(super) fn new(purpose: &str) -> Self {
        Fields(blake3::Hasher::new_derive_key(purpose))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    fn optional<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T) -> &mut Self) -> &mut Self {
        match value {
            None => self.number(0),
            Some(value) => {
                self.number(1);
                add(self, value)
            }
        }
    }

    pub(super) fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn inputs() -> ResultInputs<'static> {
        ResultInputs {
            model: "reviews",
            fingerprint: "f0",
            device: "cpu",
            method: "saliency",
            version: 1,
            options: "{}",
            target: "predicted",
            granularity: "word",
            truncate: false,
            quality: "none",
            seed: None,
            text: "good",
            text_pair: None,
            windows: None,
            altered: None,
        }
    }

    #[test]
    fn every_field_changes_the_key() {
        let base = inputs();
        let variants = [
            base,
            ResultInputs { model: "other", ..base },
            ResultInputs { fingerprint: "f1", ..base },
            ResultInputs { device: "cuda", ..base },
            ResultInputs { method: "random", ..base },
            ResultInputs { version: 2, ..base },
            ResultInputs { options: r#"{"norm":"l1"}"#, ..base },
            ResultInputs { target: "all", ..base },
            ResultInputs { granularity: "token", ..base },
            ResultInputs { truncate: true, ..base },
            ResultInputs { quality: "fast", ..base },
            ResultInputs { seed: Some(0), ..base },
            ResultInputs { text: "goo", ..base },
            ResultInputs { text_pair: Some(""), ..base },
            ResultInputs { text: "goo", text_pair: Some("d"), ..base },
            ResultInputs { windows: Some("{}"), ..base },
            ResultInputs { altered: Some("{}"), ..base },
            ResultInputs { altered: Some(""), ..base },
            ResultInputs { windows: Some("altered"), ..base },
            ResultInputs { windows: Some("altered"), altered: Some("{}"), ..base },
            ResultInputs { windows: Some("{}"), altered: Some("{}"), ..base },
            ResultInputs { windows: Some("{}"), altered: Some("altered"), ..base },
            ResultInputs { text_pair: Some("altered"), windows: Some("{}"), ..base },
            ResultInputs { text_pair: Some("{}"), ..base },
        ];
        let keys: HashSet<ResultKey> = variants.iter().map(ResultKey::new).collect();
        assert_eq!(keys.len(), variants.len());
        assert_eq!(ResultKey::new(&base), ResultKey::new(&inputs()));
    }

    #[test]
    fn the_order_of_results_is_part_of_a_response() {
        let [a, b] = ["a", "b"].map(|text| ResultKey::new(&ResultInputs { text, ..inputs() }));
        assert_ne!(ResponseId::new("explain", &[a, b]), ResponseId::new("explain", &[b, a]));
        assert_ne!(ResponseId::new("explain", &[a]), ResponseId::new("predict", &[a]));
    }

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let id = ResponseId::new("explain", &[ResultKey::new(&inputs())]);
        let text = id.to_string();
        assert_eq!(ResponseId::parse(&text), Some(id));
        let padded = format!(" {text}");
        for other in [&text.to_uppercase(), &text[1..], padded.as_str(), "", "g"] {
            assert_eq!(ResponseId::parse(other), None, "{other}");
        }
    }
}
