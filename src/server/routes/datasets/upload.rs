//! `POST /v1/datasets`: rows as they come, however many.

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use super::views::DatasetView;
use crate::dataset::{Dataset, Format, MOST_NAME_CHARACTERS};
use crate::engine::{Engine, Visit};
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{UploadProblems, parsed};
use crate::server::incoming::{Incoming, Limit};
use crate::server::media_type;
use crate::server::problem::Problem;
use crate::server::query::Parameters;
use crate::server::state::{AppState, Open};

const MEDIA_TYPES: &str = "`Content-Type: application/x-ndjson` for JSON lines, or `Content-Type: text/csv`";

/// What the dataset is to be called, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct NameParameter {
    /// What people call the dataset; it has no other meaning. Sent with rows that are there already, it replaces
    /// the name they had.
    #[param(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        example = "holdout 2026"
    )]
    name: String,
}

/// The name in the query, if there is one.
pub struct Name(Option<String>);

impl FromRequestParts<AppState> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let expected = format!("1 to {MOST_NAME_CHARACTERS} characters, none of them a control character");
        let read = |name: &str| {
            let fits = (1..=MOST_NAME_CHARACTERS).contains(&name.chars().count());
            (fits && !name.chars().any(char::is_control)).then(|| name.to_owned())
        };
        Ok(Name(Parameters::of(&parts.uri, &["name"])?.get("name", &expected, read)?))
    }
}

/// Takes in a dataset.
///
/// JSON lines, each `{"text", "text_pair", "label", "metadata"}`, or CSV with a header: the columns `text`, `text_pair`
/// and `label`, and any others as metadata. Only `text` is required. Rows are read as they arrive; the first fault
/// ends it, and then nothing is kept. Rows that are there already are found again: 200 instead of 201.
#[utoipa::path(
    post,
    path = "/v1/datasets",
    operation_id = "upload_dataset",
    tag = "datasets",
    params(NameParameter, TimeoutHeader),
    request_body(description = "The rows, in UTF-8", content(
        (String = "application/x-ndjson", example = json!("{\"text\": \"A gripping film.\", \"label\": \"positive\", \"metadata\": {\"year\": 2005}}\n{\"text\": \"It drags.\", \"label\": \"negative\"}\n")),
        (String = "text/csv", example = json!("text,label,year\nA gripping film.,positive,2005\nIt drags.,negative,\n"))
    )),
    responses(
        (status = 200, description = "The rows were there already; they have the new name, if one was sent", body = DatasetView,
            example = json!(parsed(include_str!("../../../../openapi/examples/dataset-upload.json")))),
        (status = 201, description = "The dataset is there", body = DatasetView,
            headers(("Location" = String, description = "Where the dataset is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/dataset-upload.json")))),
        UploadProblems
    )
)]
pub async fn upload(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    Name(name): Name,
    request: Request,
) -> Result<Response, Problem> {
    let format = media_type::of_body(request.headers(), Format::of_media_type, MEDIA_TYPES)?;
    let limit = Limit { bytes: state.limits.dataset_bytes, problem: Problem::dataset_too_large };
    let mut body = Incoming::new(request.into_body(), limit, visit.deadline())?;
    match take_in(&engine, format, name, &mut body).await {
        Ok((dataset, is_new)) => Ok(answer(dataset, is_new)),
        Err(problem) => {
            body.discard().await;
            Err(problem)
        }
    }
}

async fn take_in(
    engine: &Engine,
    format: Format,
    name: Option<String>,
    body: &mut Incoming,
) -> Result<(Dataset, bool), Problem> {
    let mut upload = engine.datasets().upload(format).await?;
    while let Some(bytes) = body.next().await? {
        upload.push(&bytes).await?;
    }
    Ok(upload.finish(name).await?)
}

fn answer(dataset: Dataset, is_new: bool) -> Response {
    let location = format!("/v1/datasets/{}", dataset.id);
    let view = Json(DatasetView::from(dataset));
    match HeaderValue::from_str(&location) {
        Ok(location) if is_new => (StatusCode::CREATED, [(header::LOCATION, location)], view).into_response(),
        _ => view.into_response(),
    }
}
