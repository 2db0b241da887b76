//! `POST /v1/attention`: what did the model look at?

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use crate::engine::AttentionPlan;
use crate::server::AppState;
use crate::server::batch::answer;
use crate::server::input::Input;
use crate::server::json_body::JsonBody;
use crate::server::problem::Problem;
use crate::server::request_id::RequestId;
use crate::server::strict_value::StrictValue;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionBody {
    text: Option<String>,
    text_pair: Option<String>,
    texts: Option<Vec<StrictValue>>,
    model: Option<String>,
    layers: Option<Vec<usize>>,
    heads: Option<Vec<usize>>,
    truncate: Option<bool>,
}

/// Gives the attention maps of one text, a pair, or a batch.
pub async fn attention(
    State(state): State<AppState>,
    Extension(id): Extension<RequestId>,
    JsonBody(body): JsonBody<AttentionBody>,
) -> Result<Response, Problem> {
    let model = state.engine.model(body.model.as_deref())?;
    let input = Input::new(body.text, body.text_pair, body.texts)?;
    let truncate = body.truncate.unwrap_or_default();
    let plan = Arc::new(AttentionPlan::new(model, body.layers, body.heads, truncate, input.texts())?);
    answer(input, &id, |text| state.engine.attention(plan.clone(), text)).await
}
