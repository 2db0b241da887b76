//! What jobs need of the HTTP surface: requests without texts that become questions, and failures that become
//! problems.

use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::json_body;
use super::problem::Problem;
use super::routes::attention::AttentionBody;
use super::routes::explain::ExplainBody;
use super::routes::predict::PredictBody;
use super::routes::states::StatesBody;
use super::strict_value::StrictMap;
use crate::engine::{Engine, Failure, Question};
use crate::job::{Desk, NoQuestion};

/// The fields of a request that a job gives by itself, and why nobody else may.
const NOT_OF_JOBS: [(&str, &str); 4] = [
    ("text", "leave it out: the texts of a job are the rows of its dataset"),
    ("text_pair", "leave it out: the texts of a job are the rows of its dataset"),
    ("texts", "leave it out: the texts of a job are the rows of its dataset"),
    ("dry_run", "leave it out: a job tells what it takes in `estimated_seconds`"),
];

/// The kinds of question that can be asked about the rows of a dataset, by the paths that answer them for one text:
/// `explain` and its other name `attributions`, `predict`, `attention`, `states`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "explain")]
pub enum Endpoint {
    /// Prediction and explanations, as of `/v1/explain`.
    Explain,
    /// The same, as of `/v1/attributions`.
    Attributions,
    /// The prediction alone, as of `/v1/predict`.
    Predict,
    /// Attention maps, as of `/v1/attention`.
    Attention,
    /// Hidden states, as of `/v1/states`.
    States,
}

impl Endpoint {
    const ALL: [Endpoint; 5] =
        [Endpoint::Explain, Endpoint::Attributions, Endpoint::Predict, Endpoint::Attention, Endpoint::States];

    /// Its name, which is the end of its path.
    pub fn name(self) -> &'static str {
        match self {
            Endpoint::Explain => "explain",
            Endpoint::Attributions => "attributions",
            Endpoint::Predict => "predict",
            Endpoint::Attention => "attention",
            Endpoint::States => "states",
        }
    }

    /// The one of a name.
    pub fn named(name: &str) -> Option<Self> {
        Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }

    /// Whether its answers explain anything.
    pub fn explains(self) -> bool {
        matches!(self, Endpoint::Explain | Endpoint::Attributions)
    }
}

/// The question of a request without texts, by the code that reads requests with them.
///
/// # Errors
/// The first field that is not valid, or that a request of a job does not have; its place is below `/request`.
pub async fn question(
    engine: &Engine,
    endpoint: Endpoint,
    request: Map<String, Value>,
) -> Result<Question, Problem> {
    plain_question(engine, endpoint, request).await.map_err(|problem| problem.within("/request"))
}

/// The same, where the fields of the request stand in the body itself.
///
/// # Errors
/// As [`question`], with the place in the request.
pub async fn plain_question(
    engine: &Engine,
    endpoint: Endpoint,
    request: Map<String, Value>,
) -> Result<Question, Problem> {
    let stray = NOT_OF_JOBS.into_iter().find(|(field, _)| request.contains_key(*field));
    if let Some((field, remedy)) = stray {
        let detail = format!("`{field}` has no place in the request of a job");
        return Err(Problem::invalid(format!("/{field}"), detail, remedy));
    }
    match endpoint {
        Endpoint::Explain | Endpoint::Attributions => body::<ExplainBody>(request)?.question(engine).await,
        Endpoint::Predict => body::<PredictBody>(request)?.question(engine).await,
        Endpoint::Attention => body::<AttentionBody>(request)?.question(engine).await,
        Endpoint::States => body::<StatesBody>(request)?.question(engine),
    }
}

fn body<T: DeserializeOwned>(request: Map<String, Value>) -> Result<T, Problem> {
    json_body::of_value(Value::Object(request))
}

/// The desk of the HTTP surface.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpDesk;

#[async_trait]
impl Desk for HttpDesk {
    async fn question(
        &self,
        engine: &Engine,
        endpoint: &str,
        request: &[u8],
    ) -> Result<Question, NoQuestion> {
        asked_again(engine, endpoint, request).await.map_err(|problem| match problem.status() {
            StatusCode::SERVICE_UNAVAILABLE => NoQuestion::Unavailable,
            _ => NoQuestion::Invalid(written(&problem)),
        })
    }

    fn failure(&self, failure: &Failure) -> Vec<u8> {
        written(&Problem::of_row(failure))
    }
}

/// What was checked when the job was ordered. A server of another version may know other endpoints, and a concept may have
/// been deleted since.
async fn asked_again(engine: &Engine, endpoint: &str, request: &[u8]) -> Result<Question, Problem> {
    let endpoint = Endpoint::named(endpoint).ok_or_else(|| unknown(endpoint))?;
    let StrictMap(request) =
        json_body::parsed(request, "{}").map_err(|problem| problem.within("/request"))?;
    question(engine, endpoint, request).await
}

fn unknown(endpoint: &str) -> Problem {
    let detail = format!("this server knows no endpoint `{endpoint}`");
    Problem::invalid("/endpoint", detail, "run servers of one version on one database")
}

fn written(problem: &Problem) -> Vec<u8> {
    serde_json::to_vec(problem).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EncodeError;

    #[test]
    fn every_endpoint_is_found_by_its_own_name_and_read_by_it() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::named(endpoint.name()), Some(endpoint));
            assert_eq!(json_body::of_value::<Endpoint>(endpoint.name().into()).ok(), Some(endpoint));
        }
        assert_eq!(Endpoint::named("Explain"), None);
    }

    #[test]
    fn a_failure_is_told_as_of_a_text_that_was_sent_alone_and_names_no_request() {
        let failure = Failure::Text(EncodeError::TooLong { tokens: 802, limit: 512 });
        let told: Value = serde_json::from_slice(&HttpDesk.failure(&failure)).unwrap();
        assert_eq!((&told["pointer"], &told["tokens"]), (&"/text".into(), &802.into()));
        assert_eq!(told.get("request_id"), None);
    }
}
