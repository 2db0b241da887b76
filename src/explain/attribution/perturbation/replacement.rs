//! What stands in place of a part of the text that is taken out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::method::OptionFault;
use crate::model::Model;

/// What stands in place of a part that is taken out: the mask token (`mask`) or the padding token (`pad`) for
/// each of its tokens, or nothing (`delete`: what follows moves up). Special tokens (`[CLS]`, `[SEP]`) always
/// stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "mask")]
pub enum Replacement {
    /// The mask token for each token.
    #[default]
    Mask,
    /// The padding token for each token.
    Pad,
    /// Nothing: what follows moves up.
    Delete,
}

impl Replacement {
    /// All of them.
    pub const ALL: [Replacement; 3] = [Replacement::Mask, Replacement::Pad, Replacement::Delete];

    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Replacement::Mask => "mask",
            Replacement::Pad => "pad",
            Replacement::Delete => "delete",
        }
    }

    /// Refuses a token that the model's vocabulary lacks, as a fault of the option `replacement`.
    ///
    /// # Errors
    /// `mask` or `pad` where there is no such token.
    pub fn check(self, model: &Model) -> Result<(), OptionFault> {
        let special = model.tokenizer().special();
        let (token, others) = match self {
            Replacement::Mask if special.mask.is_none() => ("mask", "`pad` or `delete`"),
            Replacement::Pad if special.padding.is_none() => ("padding", "`mask` or `delete`"),
            _ => return Ok(()),
        };
        let detail = format!("the vocabulary of model `{}` has no {token} token; use {others}", model.id());
        Err(OptionFault::new("replacement", detail))
    }

    /// The others that the model's vocabulary has, by name.
    pub fn others(self, model: &Model) -> Vec<(&'static str, Replacement)> {
        let others = Self::ALL.into_iter().filter(|other| *other != self && other.check(model).is_ok());
        others.map(|other| (other.name(), other)).collect()
    }

    /// The id that stands for a token that is taken out; none where nothing does.
    pub(super) fn id(self, model: &Model) -> Option<u32> {
        let special = model.tokenizer().special();
        match self {
            Replacement::Mask => special.mask,
            Replacement::Pad => special.padding,
            Replacement::Delete => None,
        }
    }
}
