//! The attention maps of one text.

use super::answer::{Answer, AttentionView};
use super::explain::key_inputs;
use super::plan::AttentionPlan;
use super::{Failure, OwnedText};
use crate::cache::key::{ResponseId, ResultInputs, ResultKey};
use crate::explain::attention::rollout::rollout;
use crate::explain::attention::statistics::HeadStatistics;
use crate::explain::attention::{LayerAttention, layers};
use crate::explain::{Cancellation, Subject};
use crate::model::Keep;

/// Gives the attention maps of one text, with their statistics and rollout.
///
/// # Errors
/// See [`Failure`]; more weights than one response may hold are [`Failure::TooLarge`].
pub fn attention(
    plan: &AttentionPlan,
    sent: OwnedText,
    cancellation: &Cancellation,
) -> Result<Answer, Failure> {
    let model = plan.model.as_ref();
    let options = serde_json::json!({"layers": plan.layers, "heads": plan.heads}).to_string();
    let key = ResultKey::new(&ResultInputs {
        method: "attention",
        options: &options,
        ..key_inputs(model, &sent, plan.truncate)
    });
    let text = model.encode(sent.as_text(), plan.truncate)?;
    let tokens = text.tokens.len();
    let weights = plan.layers.len() * plan.heads.len() * tokens * tokens;
    if weights > plan.most_weights {
        return Err(Failure::TooLarge { numbers: weights, limit: plan.most_weights });
    }
    let subject = Subject::new(model, &text, Keep::Trace, cancellation.clone())?;
    let maps = layers(&subject.trace().attention, 0)?;
    let special: Vec<bool> = text.tokens.iter().map(|token| token.special).collect();
    let shown = |layer: &LayerAttention| -> Vec<_> {
        plan.heads.iter().map(|head| layer.heads[*head].clone()).collect()
    };
    let counted = |layer: &LayerAttention| -> Vec<_> {
        plan.heads.iter().map(|head| HeadStatistics::new(&layer.heads[*head], &special)).collect()
    };
    let single = |row: &Vec<f64>| row.iter().map(|weight| *weight as f32).collect();
    let view = AttentionView {
        layers: plan.layers.clone(),
        heads: plan.heads.clone(),
        weights: plan.layers.iter().map(|layer| shown(&maps[*layer])).collect(),
        statistics: plan.layers.iter().map(|layer| counted(&maps[*layer])).collect(),
        rollout: rollout(&maps).iter().map(single).collect(),
    };
    let id = ResponseId::new("attention", &[key]);
    let mut answer = Answer::new(id.to_string(), model, sent, &text, subject.prediction());
    answer.attention = Some(view);
    Ok(answer)
}
