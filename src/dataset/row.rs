//! One row, and its canonical form.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::Number;

use super::{Fault, MOST_NAME_CHARACTERS};

/// One row. What is null or left out says nothing, in any field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The text, or the first of a pair; not blank.
    #[serde(default)]
    pub text: String,
    /// The second text of a pair; not blank.
    #[serde(default)]
    pub text_pair: Option<String>,
    /// What is known of the text. A whole number is taken by its digits.
    #[serde(default, deserialize_with = "label")]
    pub label: Option<String>,
    /// Whatever else belongs to the row, by name.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: BTreeMap<String, Scalar>,
}

/// A value of metadata.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A number.
    Number(Number),
    /// True or false.
    Boolean(bool),
}

impl Row {
    /// The row as it is hashed and kept: JSON without spaces, every field in the order above, keys of metadata
    /// sorted. Rows that say the same have the same form.
    pub fn canonical(&self) -> Vec<u8> {
        // Strings and finite numbers can always be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Checks what its types leave open.
    pub(super) fn check(&self, line: u64) -> Result<(), Fault> {
        if is_blank(&self.text) {
            let remedy = "send a text, or leave the row out";
            return Err(Fault::of_field(line, "text", "the text is missing or blank", remedy));
        }
        if self.text_pair.as_deref().is_some_and(is_blank) {
            let remedy = "send a second text, or leave the field empty";
            return Err(Fault::of_field(line, "text_pair", "the second text is blank", remedy));
        }
        if let Some(problem) = self.label.as_deref().and_then(name_problem) {
            let remedy = format!("send a label of 1 to {MOST_NAME_CHARACTERS} characters, or none");
            return Err(Fault::of_field(line, "label", format!("the label {problem}"), remedy));
        }
        if let Some(problem) = self.metadata.keys().find_map(|key| name_problem(key)) {
            let remedy = format!("name what is told with 1 to {MOST_NAME_CHARACTERS} characters");
            return Err(Fault::of_field(line, "metadata", format!("a key {problem}"), remedy));
        }
        Ok(())
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// What is wrong with a name, if anything is.
pub(super) fn name_problem(name: &str) -> Option<String> {
    match name.chars().count() {
        0 => Some("is empty".into()),
        1..=MOST_NAME_CHARACTERS => None,
        length => Some(format!("has {length} characters")),
    }
}

fn label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(LabelVisitor)
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Scalar>, D::Error> {
    deserializer.deserialize_any(MetadataVisitor)
}

struct LabelVisitor;

impl Visitor<'_> for LabelVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a whole number or null")
    }

    fn visit_str<E>(self, label: &str) -> Result<Option<String>, E> {
        Ok(Some(label.to_owned()))
    }

    fn visit_u64<E>(self, label: u64) -> Result<Option<String>, E> {
        Ok(Some(label.to_string()))
    }

    fn visit_i64<E>(self, label: i64) -> Result<Option<String>, E> {
        Ok(Some(label.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = BTreeMap<String, Scalar>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut seen = std::collections::BTreeSet::new();
        let mut metadata = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            let ScalarOrNull(value) = entries.next_value()?;
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format!("duplicate field `{key}`")));
            }
            if let Some(value) = value {
                metadata.insert(key, value);
            }
        }
        Ok(metadata)
    }
}

struct ScalarOrNull(Option<Scalar>);

impl<'de> Deserialize<'de> for ScalarOrNull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor).map(ScalarOrNull)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Option<Scalar>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, true, false or null")
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(value.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Boolean(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Number(value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map(Scalar::Number))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
