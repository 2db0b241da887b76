//! From a text's forward pass to what is told of its attention.

use super::plan::AttentionPlan;
use super::rows::{Rows, shown};
use crate::engine::answer::{AttentionView, HeadPlace, RouteView};
use crate::explain::attention::groups::{Head, clusters};
use crate::explain::attention::rollout::{multiplied_up, with_residual};
use crate::explain::attention::routes::strongest;
use crate::explain::attention::statistics::HeadStatistics;
use crate::explain::attention::{LayerAttention, layers};
use crate::explain::{ExplainError, Passes, Subject};

/// The maps that the plan names, with what is counted of them and what else is asked for. The subject must have
/// been traced, and kept for gradients where norms are asked for.
///
/// # Errors
/// It was not.
pub fn view(plan: &AttentionPlan, subject: &Subject) -> Result<AttentionView, ExplainError> {
    let statistics = statistics(plan, subject)?;
    let of_heads = |layer: &usize| plan.heads.iter().map(|head| statistics[*layer][*head]).collect();
    let mean = |layer: &usize| HeadStatistics::mean(&statistics[*layer]);
    let mut view = AttentionView {
        layers: plan.layers.clone(),
        heads: plan.heads.clone(),
        tokens: shown(plan.special_tokens, subject.text()),
        statistics: plan.layers.iter().map(of_heads).collect(),
        layer_means: plan.layers.iter().map(mean).collect(),
        model_mean: Some(HeadStatistics::mean(&statistics.concat())),
        ..AttentionView::default()
    };
    match plan.top_k {
        None => view.weights = Some(of_layers(plan, subject, |rows, map| rows.shares(map))?),
        Some(count) => view.top = Some(of_layers(plan, subject, move |rows, map| rows.top(map, count))?),
    }
    let (rollout, routes) = across_layers(plan, subject)?;
    view.rollout = rollout;
    view.routes = routes;
    view.norms = plan.norms.then(|| norms(plan, subject)).transpose()?;
    view.groups = plan.groups.map(|groups| grouped(plan, subject, groups.threshold)).transpose()?;
    Ok(view)
}

/// One layer of the text.
fn layer(subject: &Subject, layer: usize) -> Result<LayerAttention, ExplainError> {
    Ok(LayerAttention::new(&subject.trace()?.attention(layer, 0)?))
}

/// Of all layers and all heads, whichever are shown.
fn statistics(plan: &AttentionPlan, subject: &Subject) -> Result<Vec<Vec<HeadStatistics>>, ExplainError> {
    let traced = subject.clone();
    let counted = move |index| {
        let special: Vec<bool> = traced.text().tokens.iter().map(|token| token.special).collect();
        let heads = layer(&traced, index)?.heads;
        Ok(heads.iter().map(|head| HeadStatistics::new(head, &special)).collect())
    };
    subject.map((0..plan.model.config().layers).collect(), |_| Passes::NONE, counted)
}

/// Something of every map that is shown: `[layer][head]`.
fn of_layers<T: Send + 'static>(
    plan: &AttentionPlan,
    subject: &Subject,
    of_map: impl Fn(&Rows<'_>, &[Vec<f32>]) -> T + Send + Sync + 'static,
) -> Result<Vec<Vec<T>>, ExplainError> {
    let (asked, traced) = (plan.clone(), subject.clone());
    let of_layer = move |index| {
        let tokens = shown(asked.special_tokens, traced.text());
        let rows = Rows { tokens: &tokens, plan: &asked };
        let heads = layer(&traced, index)?.heads;
        Ok(asked.heads.iter().map(|head| of_map(&rows, &heads[*head])).collect())
    };
    subject.map(plan.layers.clone(), |_| Passes::NONE, of_layer)
}

type AcrossLayers = (Vec<Vec<f32>>, Option<Vec<RouteView>>);

/// Rollout and routes: over all layers and heads, whichever are shown.
fn across_layers(plan: &AttentionPlan, subject: &Subject) -> Result<AcrossLayers, ExplainError> {
    let (asked, traced) = (plan.clone(), subject.clone());
    let found = move |()| {
        let mixing: Vec<_> = layers(traced.trace()?, 0)?.iter().map(with_residual).collect();
        let tokens = shown(asked.special_tokens, traced.text());
        let rollout = Rows { tokens: &tokens, plan: &asked }.shares(&multiplied_up(&mixing));
        let routes = asked.routes.map(|wanted| strongest(&mixing, wanted.k, wanted.token));
        Ok((rollout, routes.map(|routes| routes.into_iter().map(RouteView::from).collect())))
    };
    let mut found = subject.map(vec![()], |()| Passes::NONE, found)?;
    found.pop().ok_or(ExplainError::Cancelled)
}

/// Value-weighted norms of the layers shown: together about a pass of the network.
fn norms(plan: &AttentionPlan, subject: &Subject) -> Result<Vec<Vec<Vec<f32>>>, ExplainError> {
    let (asked, traced) = (plan.clone(), subject.clone());
    let of_layers = move |()| {
        let tokens = shown(asked.special_tokens, traced.text());
        let rows = Rows { tokens: &tokens, plan: &asked };
        let of_layer = |layer: &usize| {
            let norms = traced.model().encoder().value_norms(traced.trace()?, *layer)?;
            Ok(rows.lengths(|query| norms.row(query)))
        };
        asked.layers.iter().map(of_layer).collect::<Result<Vec<_>, ExplainError>>()
    };
    let mut norms = subject.map(vec![()], |()| Passes::FORWARD, of_layers)?;
    norms.pop().ok_or(ExplainError::Cancelled)
}

/// The heads shown, those that look alike together.
fn grouped(
    plan: &AttentionPlan,
    subject: &Subject,
    threshold: f64,
) -> Result<Vec<Vec<HeadPlace>>, ExplainError> {
    let (chosen, traced) = (plan.heads.clone(), subject.clone());
    let of_layer = move |index| {
        let heads = layer(&traced, index)?.heads;
        Ok(chosen.iter().map(|head| Head::new(&heads[*head])).collect::<Vec<_>>())
    };
    let heads = subject.map(plan.layers.clone(), |_| Passes::NONE, of_layer)?.into_iter().flatten();
    let heads: std::sync::Arc<[Head]> = heads.collect();
    let count = heads.len();
    let before =
        move |head: usize| Ok(heads[..head].iter().map(|other| heads[head].divergence(other)).collect());
    let divergences = subject.map((0..count).collect(), |_| Passes::NONE, before)?;
    let places: Vec<HeadPlace> = (plan.layers.iter())
        .flat_map(|layer| plan.heads.iter().map(|head| HeadPlace { layer: *layer, head: *head }))
        .collect();
    let found = move |divergences: Vec<Vec<f64>>| Ok(clusters(&divergences, threshold));
    let found = subject.map(vec![divergences], |_| Passes::NONE, found)?.into_iter().flatten();
    Ok(found.map(|group| group.into_iter().map(|place| places[place]).collect()).collect())
}
