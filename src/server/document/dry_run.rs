//! The shape of what a dry run tells.

use serde::Serialize;
use utoipa::ToSchema;

use super::Failed;
use crate::engine::answer::ModelName;
use crate::engine::{Foreseen, Total};

/// What answers would take. Nothing was computed, and nothing is kept of it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// Always true: this is no answer.
    #[schema(example = true)]
    pub dry_run: bool,
    /// The model that would be asked.
    pub model: ModelName,
    /// One for each text, in the order they were sent: what its answer would take, or what is wrong with it.
    #[schema(example = json!([]))]
    pub results: Vec<DryRunItem>,
    /// What the answers would take together, those left out that are none.
    pub total: Total,
}

/// What the answer to a text would take, or what is wrong with the text.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum DryRunItem {
    /// What it would take.
    Foreseen(Foreseen),
    /// What is wrong with the text.
    Failed(Failed),
}
