//! The attention maps of one text.

use super::Failure;
use super::answer::AttentionView;
use super::plan::AttentionPlan;
use crate::explain::attention::rollout::rollout;
use crate::explain::attention::statistics::HeadStatistics;
use crate::explain::attention::{LayerAttention, layers};
use crate::explain::{ExplainError, Subject};

/// Attention weights that fit one answer: about 60 MB of JSON.
const MOST_WEIGHTS: usize = 5_000_000;

/// Bytes that a weight of an answer takes: as a number, and written out.
const BYTES_A_WEIGHT: usize = 16;

/// Bytes that the maps of an answer take.
pub fn bytes(plan: &AttentionPlan, tokens: usize) -> usize {
    BYTES_A_WEIGHT * plan.layers.len() * plan.heads.len() * tokens * tokens
}

/// Refuses an answer that would be too large before it is computed.
///
/// # Errors
/// [`Failure::TooLarge`].
pub fn check_size(plan: &AttentionPlan, tokens: usize) -> Result<(), Failure> {
    let weights = plan.layers.len() * plan.heads.len() * tokens * tokens;
    match weights > MOST_WEIGHTS {
        true => Err(Failure::TooLarge { amount: weights, limit: MOST_WEIGHTS, unit: "weights" }),
        false => Ok(()),
    }
}

/// The maps that the plan names, with their statistics, and the rollout over all of them. The subject
/// must have been traced.
///
/// # Errors
/// It was not.
pub fn view(plan: &AttentionPlan, subject: &Subject) -> Result<AttentionView, ExplainError> {
    let maps = layers(subject.trace()?, 0)?;
    let special: Vec<bool> = subject.text().tokens.iter().map(|token| token.special).collect();
    let shown = |layer: &LayerAttention| -> Vec<_> {
        plan.heads.iter().map(|head| layer.heads[*head].clone()).collect()
    };
    let counted = |layer: &LayerAttention| -> Vec<_> {
        plan.heads.iter().map(|head| HeadStatistics::new(&layer.heads[*head], &special)).collect()
    };
    let single = |row: &Vec<f64>| row.iter().map(|weight| *weight as f32).collect();
    Ok(AttentionView {
        layers: plan.layers.clone(),
        heads: plan.heads.clone(),
        weights: plan.layers.iter().map(|layer| shown(&maps[*layer])).collect(),
        statistics: plan.layers.iter().map(|layer| counted(&maps[*layer])).collect(),
        rollout: rollout(&maps).iter().map(single).collect(),
    })
}
