//! What would have to change, and what inside the network did it: the answers about causes, each in a form of its own.

mod counterfactuals;
mod grid;
mod mediation;
mod what_if;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use counterfactuals::{ChangeView, CounterfactualView, CounterfactualsView, Strategy};
pub use grid::{CellView, GridAction, GridView};
pub use mediation::{
    Effect, Effects, GroupEffects, HeadEffects, LayerEffects, MediationView, OutcomeView, PatchingView,
};
pub use what_if::{EffectView, InteractionView, WhatIfView};

use super::{PredictionView, TokenView, WordView};
use crate::engine::OwnedText;
use crate::explain::Subject;
use crate::model::{EncodedText, Model, Prediction};

/// A text as it is, before anything is changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginalView {
    /// The text as sent.
    #[schema(example = "A gripping film.")]
    pub text: String,
    /// The second text of a pair, as sent; null for a single text.
    #[schema(required, example = json!(null))]
    pub text_pair: Option<String>,
    /// What the model says.
    pub prediction: PredictionView,
    /// The network's rows, special tokens included, in order.
    #[schema(example = json!([
        {"index": 0, "text": "[CLS]", "start": 0, "end": 0, "word": null, "special": true, "segment": 0},
        {"index": 1, "text": "a", "start": 0, "end": 1, "word": 0, "special": false, "segment": 0}
    ]))]
    pub tokens: Vec<TokenView>,
    /// The words in order, those of the second text after those of the first.
    #[schema(example = json!([{"index": 0, "text": "A", "start": 0, "end": 1, "tokens": [1], "segment": 0}]))]
    pub words: Vec<WordView>,
}

impl OriginalView {
    /// A text with what the model says of it.
    pub fn new(sent: &OwnedText, subject: &Subject) -> Self {
        OriginalView::of(sent, subject.text(), subject.model(), subject.prediction())
    }

    /// The same of a text that was run in some other way.
    pub fn of(sent: &OwnedText, text: &EncodedText, model: &Model, prediction: &Prediction) -> Self {
        OriginalView {
            text: sent.text.clone(),
            text_pair: sent.text_pair.clone(),
            prediction: PredictionView::new(&model.config().labels, prediction),
            tokens: text.tokens.iter().enumerate().map(TokenView::from).collect(),
            words: text.words.iter().enumerate().map(WordView::from).collect(),
        }
    }
}
