//! `POST /v1/predict`: what does the model say?

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use crate::engine::PredictPlan;
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
pub struct PredictBody {
    text: Option<String>,
    text_pair: Option<String>,
    texts: Option<Vec<StrictValue>>,
    model: Option<String>,
    truncate: Option<bool>,
}

/// Classifies one text, a pair, or a batch.
pub async fn predict(
    State(state): State<AppState>,
    Extension(id): Extension<RequestId>,
    JsonBody(body): JsonBody<PredictBody>,
) -> Result<Response, Problem> {
    let model = state.engine.model(body.model.as_deref())?;
    let plan = Arc::new(PredictPlan { model, truncate: body.truncate.unwrap_or_default() });
    let input = Input::new(body.text, body.text_pair, body.texts)?;
    answer(input, &id, |text| state.engine.predict(plan.clone(), text)).await
}
