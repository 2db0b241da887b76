//! What is asked about windows over a text, checked against the model before any text is looked at.

use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::plan::Invalid;
use crate::explain::windows::{Combine, SMALLEST_WINDOW, Windows};
use crate::model::Model;

/// Windows over a text of any length, single texts alone: runs of its tokens that overlap, each with special tokens of
/// its own, as the model takes them. At most 64 for a text, and 4,096 tokens of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"size": 512, "overlap": 128, "combine": "mean_logits"}))]
pub struct WindowsRequest {
    /// Tokens of a window, special ones included; what the model takes by default, which is also the most.
    #[schema(example = 512, minimum = 8)]
    pub size: Option<usize>,
    /// Tokens that neighbouring windows share, fewer than a window has beside special ones; a quarter of `size`,
    /// rounded down, by default.
    #[schema(example = 128, minimum = 0)]
    pub overlap: Option<usize>,
    /// How the logits of windows become those of the text; `mean_logits` by default.
    #[serde(deserialize_with = "name")]
    pub combine: Option<Combine>,
}

/// serde reads `{"max": null}` as the name `"max"`; here a name is a string.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Combine>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    name.map(|name| Combine::deserialize(name.into_deserializer())).transpose()
}

impl WindowsRequest {
    /// Checks what is asked against a model.
    ///
    /// # Errors
    /// The first field that does not fit; windows together with `truncate`.
    pub fn checked(self, model: &Model, truncate: bool) -> Result<Windows, Invalid> {
        if truncate {
            return Err(Invalid::new(
                "/windows",
                "are asked for together with `truncate`, and windows leave nothing out",
                "leave one of the two out",
            ));
        }
        let (limit, special) = (model.tokenizer().limit(), model.tokenizer().special_tokens());
        let least = SMALLEST_WINDOW.max(special + 1);
        if least > limit {
            let detail =
                format!("a window has at least {least} tokens, and model `{}` takes {limit}", model.id());
            return Err(Invalid::new("/windows", detail, "leave the field out"));
        }
        let size = self.size.unwrap_or(limit);
        if !(least..=limit).contains(&size) {
            let detail = format!("is {size}; expected {least} to {limit}, which is what the model takes");
            let remedy = format!("send a number from {least} to {limit}, or leave it out for {limit}");
            return Err(Invalid::new("/windows/size", detail, remedy));
        }
        let most = size - special - 1;
        let usual = (size / 4).min(most);
        let overlap = self.overlap.unwrap_or(usual);
        if overlap > most {
            let detail = format!(
                "is {overlap}; expected 0 to {most}: of the {size} tokens of a window {special} are special, and each \
                 window has at least one that the one before lacks"
            );
            let remedy = format!("send a number from 0 to {most}, or leave it out for {usual}");
            return Err(Invalid::new("/windows/overlap", detail, remedy));
        }
        Ok(Windows { size, overlap, combine: self.combine.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn checked(request: WindowsRequest) -> Result<(usize, usize), Invalid> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/movie-reviews");
        let model = Model::load("movie-reviews", &path).unwrap();
        request.checked(&model, false).map(|windows| (windows.size, windows.overlap))
    }

    #[test]
    fn windows_are_as_large_as_the_model_takes_and_share_a_quarter_unless_told_otherwise() {
        let none = WindowsRequest::default();
        assert_eq!(checked(none), Ok((512, 128)));
        assert_eq!(checked(WindowsRequest { size: Some(30), ..none }), Ok((30, 7)));
        assert_eq!(checked(WindowsRequest { size: Some(8), overlap: Some(5), ..none }), Ok((8, 5)));
    }

    #[test]
    fn windows_out_of_bounds_are_refused_by_field() {
        let pointer =
            |size, overlap| checked(WindowsRequest { size, overlap, combine: None }).unwrap_err().pointer;
        assert_eq!(pointer(Some(7), None), "/windows/size");
        assert_eq!(pointer(Some(513), None), "/windows/size");
        assert_eq!(pointer(Some(8), Some(6)), "/windows/overlap");
        assert_eq!(pointer(None, Some(510)), "/windows/overlap");
    }
}
