//! `POST /explain`: why did the model say that?

use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::de::{Deserialize, Deserializer, Visitor};

use crate::engine::plan::ExplainRequest;
use crate::engine::{ExplainPlan, Target};
use crate::explain::granularity::Granularity;
use crate::server::AppState;
use crate::server::batch::answer;
use crate::server::input::Input;
use crate::server::json_body::JsonBody;
use crate::server::problem::Problem;
use crate::server::request_id::RequestId;
use crate::server::strict_value::{StrictMap, StrictValue};

/// The body: `{"text": "…"}` is a whole one.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainBody {
    text: Option<String>,
    text_pair: Option<String>,
    texts: Option<Vec<StrictValue>>,
    model: Option<String>,
    target: Option<TargetField>,
    methods: Option<Vec<String>>,
    options: Option<StrictMap>,
    granularity: Option<Granularity>,
    quality: Option<Quality>,
    truncate: Option<bool>,
    seed: Option<u64>,
}

/// Figures of how far to trust an explanation; only `none` is served so far.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Quality {
    None,
}

/// Explains one text, a pair, or a batch.
pub async fn explain(
    State(state): State<AppState>,
    Extension(id): Extension<RequestId>,
    JsonBody(body): JsonBody<ExplainBody>,
) -> Result<Response, Problem> {
    let model = state.engine.model(body.model.as_deref())?;
    let (Some(Quality::None) | None) = body.quality;
    let request = ExplainRequest {
        target: body.target.map(|TargetField(target)| target).unwrap_or_default(),
        methods: body.methods,
        options: body.options.map(|StrictMap(options)| options).unwrap_or_default(),
        granularity: body.granularity.unwrap_or_default(),
        truncate: body.truncate.unwrap_or_default(),
        seed: body.seed.unwrap_or_default(),
    };
    let plan = Arc::new(ExplainPlan::new(model, request)?);
    let input = Input::new(body.text, body.text_pair, body.texts)?;
    answer(input, &id, |text| state.engine.explain(plan.clone(), text)).await
}

/// A [`Target`] as JSON has it: a label, an index, `"predicted"` or `"all"`.
#[derive(Debug)]
struct TargetField(Target);

impl<'de> Deserialize<'de> for TargetField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor).map(TargetField)
    }
}

struct TargetVisitor;

impl Visitor<'_> for TargetVisitor {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label, an index, \"predicted\" or \"all\"")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Target, E> {
        Ok(Target::named(name))
    }

    fn visit_u64<E: serde::de::Error>(self, index: u64) -> Result<Target, E> {
        usize::try_from(index).map(Target::Index).map_err(E::custom)
    }
}
