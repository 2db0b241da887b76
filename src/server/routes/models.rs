//! `GET /v1/models`: what is served?

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{self, Model};
use crate::server::document::responses::{EngineProblems, parsed};
use crate::server::state::Open;

/// All models, the default one first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelList {
    /// The models, the default one first.
    #[schema(min_items = 1, example = json!([{
        "id": "movie-reviews", "default": true,
        "fingerprint": "567806b0f6fe7606f73d7a5888a241c3fb147ce75ced0a40337943fd786d3900",
        "problem_type": "single_label_classification", "labels": ["negative", "positive"],
        "layers": 6, "heads": 12, "hidden_size": 384, "intermediate_size": 1536, "max_tokens": 512,
        "pairs": true, "masked_lm": true
    }]))]
    models: Vec<ModelView>,
}

/// One model.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ModelView {
    /// Its id, for the field `model` of a request.
    #[schema(example = "movie-reviews")]
    id: String,
    /// Whether it answers requests that name no model.
    #[schema(example = true)]
    default: bool,
    /// Digest of configuration, labels, tokenizer and weights, 64 hexadecimal digits.
    #[schema(
        example = "567806b0f6fe7606f73d7a5888a241c3fb147ce75ced0a40337943fd786d3900",
        pattern = "^[0-9a-f]{64}$"
    )]
    fingerprint: String,
    /// What its logits mean.
    problem_type: ProblemType,
    /// Its labels, in the order of the logits.
    #[schema(example = json!(["negative", "positive"]))]
    labels: Vec<String>,
    /// Layers of its encoder.
    #[schema(example = 6)]
    layers: usize,
    /// Attention heads in each layer.
    #[schema(example = 12)]
    heads: usize,
    /// Numbers in a token's hidden state.
    #[schema(example = 384)]
    hidden_size: usize,
    /// Numbers in the middle of each feed-forward block.
    #[schema(example = 1536)]
    intermediate_size: usize,
    /// The most tokens it takes, special ones included.
    #[schema(example = 512)]
    max_tokens: usize,
    /// Whether it takes a `text_pair`.
    #[schema(example = true)]
    pairs: bool,
    /// Whether it has a head that guesses masked tokens.
    #[schema(example = true)]
    masked_lm: bool,
}

/// Lists the models.
///
/// The first answers requests that name none.
#[utoipa::path(
    get,
    path = "/v1/models",
    operation_id = "list_models",
    tag = "catalogue",
    responses(
        (status = 200, description = "All models that are served", body = ModelList,
            example = json!(parsed(include_str!("../../../openapi/examples/models.json")))),
        EngineProblems
    )
)]
pub async fn list(Open(engine): Open) -> Json<ModelList> {
    let models = engine.models().iter().enumerate().map(|(index, model)| view(model, index == 0)).collect();
    Json(ModelList { models })
}

fn view(model: &Model, default: bool) -> ModelView {
    let config = model.config();
    ModelView {
        id: model.id().to_owned(),
        default,
        fingerprint: model.fingerprint().to_owned(),
        problem_type: config.problem.into(),
        labels: config.labels.clone(),
        layers: config.layers,
        heads: config.heads,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        max_tokens: model.tokenizer().limit(),
        pairs: config.type_vocabulary_size > 1,
        masked_lm: model.encoder().has_masked_lm_head(),
    }
}

/// What logits mean: `single_label_classification` (exactly one label holds: softmax),
/// `multi_label_classification` (any number of labels hold: a sigmoid each) or `regression` (one logit,
/// which is the value itself).
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "single_label_classification")]
enum ProblemType {
    /// Exactly one label holds: softmax over the logits.
    SingleLabelClassification,
    /// Any number of labels hold: a sigmoid for each logit.
    MultiLabelClassification,
    /// One logit, which is the value itself.
    Regression,
}

impl From<model::Problem> for ProblemType {
    fn from(problem: model::Problem) -> Self {
        match problem {
            model::Problem::SingleLabel => ProblemType::SingleLabelClassification,
            model::Problem::MultiLabel => ProblemType::MultiLabelClassification,
            model::Problem::Regression => ProblemType::Regression,
        }
    }
}
