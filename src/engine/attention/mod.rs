//! The attention maps of one text: what is asked of them, and what is told.

pub mod plan;
mod rows;
mod view;

pub use view::view;

use self::plan::AttentionPlan;
use super::Failure;
use super::plan::Invalid;
use crate::model::EncodedText;

/// Attention weights that fit one answer: about 60 MB of JSON.
const MOST_WEIGHTS: usize = 5_000_000;

/// Bytes that a weight of an answer takes: as a number, and written out.
const BYTES_A_WEIGHT: usize = 16;

/// Bytes that the maps of an answer take.
pub fn bytes(plan: &AttentionPlan, tokens: usize) -> usize {
    BYTES_A_WEIGHT * weights(plan, tokens)
}

/// Refuses what does not suit a text before anything is computed: an answer that would be too large, and more keys
/// or another token than there are.
///
/// # Errors
/// [`Failure::TooLarge`], [`Failure::Field`].
pub fn check_text(plan: &AttentionPlan, text: &EncodedText) -> Result<(), Failure> {
    let weights = weights(plan, text.tokens.len());
    if weights > MOST_WEIGHTS {
        return Err(Failure::TooLarge { amount: weights, limit: MOST_WEIGHTS, unit: "weights" });
    }
    let shown = rows::shown(plan.special_tokens, text).len();
    if let Some(top_k) = plan.top_k.filter(|top_k| *top_k > shown) {
        let detail = format!("is {top_k}, and a row of this text has {shown} weights");
        let remedy = format!("send a number from 1 to {shown}, or leave `top_k` out for all weights");
        return Err(Failure::Field(Invalid::new("/top_k", detail, remedy)));
    }
    let tokens = text.tokens.len();
    if let Some(token) = plan.routes.and_then(|routes| routes.token).filter(|token| *token >= tokens) {
        let detail = format!("is {token}, and this text has {tokens} tokens, special ones included");
        let remedy =
            format!("send an index from 0 to {}, or leave it out for routes from any token", tokens - 1);
        return Err(Failure::Field(Invalid::new("/routes/token", detail, remedy)));
    }
    Ok(())
}

/// Numbers in the maps of an answer. Heads are compared by all of their weights, however few are shown.
fn weights(plan: &AttentionPlan, tokens: usize) -> usize {
    let of_a_row = match (plan.top_k, plan.groups) {
        (Some(top_k), None) => 2 * top_k.min(tokens),
        _ => tokens,
    };
    let norms = if plan.norms { tokens } else { 0 };
    plan.layers.len() * tokens * (plan.heads.len() * of_a_row + norms)
}
