//! `POST /v1/concepts/discoveries`: which directions are there that nobody has named?

use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ConceptView;
use super::lesson::{description_of, name_of, within};
use super::rows::{Ready, rows};
use crate::concept::{Concepts, Discovering, DiscoveryView, Naming};
use crate::engine::{Engine, Visit};
use crate::explain::concept::Pooling;
use crate::explain::concept::discovery::{COMPONENTS, Discovery, Seeking};
use crate::model::Model;
use crate::server::answers;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, parsed};
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::routes::jobs::JobView;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictMap, optional_name};

const EXAMPLE: &str = "{\"layer\": 3}";

/// Directions that are looked for where nobody says how many.
const USUAL_COMPONENTS: usize = 10;

/// Texts and words that are listed for each where nobody says how many, and at most.
const USUAL_TOP: usize = 10;
const MOST_TOP: usize = 50;

/// Where to look for directions, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryBody {
    /// The model's id; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// The `id` of the dataset whose texts are looked at; the bundled one by default.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: Option<String>,
    /// The hidden state: 0 is the embeddings' output, the number of layers the last one. The middle one by default (half
    /// the number of layers, rounded up).
    #[schema(example = 3, minimum = 0)]
    layer: Option<usize>,
    /// Which rows of it; `tokens` by default.
    #[serde(default, deserialize_with = "optional_name")]
    pooling: Option<Pooling>,
    /// How directions are found; `nmf` by default.
    #[serde(default, deserialize_with = "optional_name")]
    method: Option<Discovery>,
    /// How many directions; 10 by default.
    #[schema(example = 10, minimum = 2, maximum = 50)]
    components: Option<usize>,
    /// Texts and words that are listed for each, at most; 10 by default.
    #[schema(example = 10, minimum = 1, maximum = 50)]
    top: Option<usize>,
    /// What the search starts by; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
    /// Whether to look at the beginning of a text that is longer than the model takes; otherwise such a text is left out,
    /// and counted. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
    /// A direction to keep as a concept. None by default.
    #[schema(value_type = Option<KeepBody>)]
    keep: Option<StrictMap>,
}

/// A direction to keep as a concept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepBody {
    /// The `index` of the direction among those that are found with the same settings.
    #[schema(example = 0, minimum = 0, maximum = 49)]
    component: Option<usize>,
    /// What it will be called: lower-case letters, digits, `.`, `_` and `-`. Under a name that is there already, it is the
    /// next version.
    #[schema(example = "praise", pattern = "^[a-z0-9][a-z0-9._-]*$", max_length = 100)]
    name: Option<String>,
    /// What it is about, in words. Nothing by default.
    #[schema(example = "Words of praise", max_length = 1000)]
    description: Option<String>,
}

/// What is answered: the directions, or the concept that one of them is kept as.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum DiscoveryAnswer {
    /// The directions.
    Found(DiscoveryView),
    /// The concept, where `keep` names a direction that was kept before.
    Kept(ConceptView),
}

/// Discovers directions that nobody has named.
///
/// Parts that the hidden states of a dataset's texts are sums of, or groups that they fall into: each with the texts and
/// words that have most of it, and with what hangs on it (how the outputs move along it, and what the model says otherwise
/// without it). With `keep`, one of them is kept as a concept: 201, or 200 if it was before. About a dataset of more than
/// 1,000 rows a job is ordered, and until it is finished the answer is 202 with the job. Drawn with
/// `Accept: image/svg+xml`.
#[utoipa::path(
    post,
    path = "/v1/concepts/discoveries",
    operation_id = "discover_concepts",
    tag = "concepts",
    params(TimeoutHeader),
    request_body(content = DiscoveryBody, description = "Where to look, and how", examples(
        ("parts" = (summary = "What the tokens of the bundled dataset are made of", value = json!({"components": 10}))),
        ("groups" = (summary = "Groups of whole texts", value = json!({"layer": 4, "pooling": "mean", "method": "kmeans", "components": 4}))),
        ("keep" = (summary = "Keep a direction that was found", value = json!({"components": 10, "keep": {"component": 2, "name": "praise"}})))
    )),
    responses(
        (status = 200, description = "The directions; or the concept, if it was kept before", content(
            (DiscoveryAnswer = "application/json", example = json!(parsed(include_str!("../../../../openapi/examples/discovery.json")))),
            (String = "image/svg+xml", example = json!("<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>"))
        )),
        (status = 201, description = "The direction is kept as a concept", body = ConceptView,
            headers(("Location" = String, description = "Where the concept is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/concept.json")))),
        (status = 202, description = "The job about the dataset is not finished: ask the same again when it is", body = JobView,
            headers(("Location" = String, description = "Where the job is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/job-ordered.json")))),
        ConceptProblems
    )
)]
pub async fn discover(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    request: Request,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let bytes = json_body::received(request, &state).await?;
    let mut body: DiscoveryBody = json_body::parsed(&bytes, EXAMPLE)?;
    let keep = json_body::options::<KeepBody>("/keep", body.keep.take())?;
    let dataset = body.dataset.take();
    let discovering = body.checked(&engine)?;
    let naming = keep.map(|keep| keep.checked(&discovering)).transpose()?;
    let concepts = Concepts::of(&engine);
    if let Some(naming) = &naming {
        concepts.check_can_keep(&naming.name).map_err(|fault| Problem::of_concept_at(fault, "/keep/name"))?;
    }
    let (model, states) = (discovering.model.clone(), discovering.states());
    let rows = match rows(&engine, &model, dataset.as_deref(), "/dataset", &states).await? {
        Ready::Rows(rows) => rows,
        Ready::Later(response) => return Ok(response),
    };
    let told = discovering.find(&engine, &visit, rows).await?;
    let Some(naming) = naming else {
        return answers::composed(told, &accepts, &state.drawings, &visit, started).await;
    };
    let (exported, id) = discovering.named(&told, &naming)?;
    let (concept, is_new) = concepts.keep(exported, id).await?;
    super::kept(&engine, concept, is_new).await
}

impl DiscoveryBody {
    fn checked(self, engine: &Engine) -> Result<Discovering, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let (fewest, most) = COMPONENTS;
        let components = within("components", self.components, fewest, most)?.unwrap_or(USUAL_COMPONENTS);
        let method = self.method.unwrap_or_default();
        Ok(Discovering {
            layer: layer_of(self.layer, &model)?,
            pooling: self.pooling.unwrap_or(Pooling::Tokens),
            seeking: Seeking::new(method, components, self.seed.unwrap_or_default()),
            top: within("top", self.top, 1, MOST_TOP)?.unwrap_or(USUAL_TOP),
            truncate: self.truncate.unwrap_or_default(),
            model,
        })
    }
}

impl KeepBody {
    fn checked(self, discovering: &Discovering) -> Result<Naming, Problem> {
        let asked = discovering.seeking.components;
        let remedy = "send the `index` of a direction, as the same request without `keep` lists it";
        let component = match self.component {
            None => return Err(Problem::invalid("/keep/component", "is missing", remedy)),
            Some(place) if place >= asked => {
                let detail = format!("is {place}; {asked} directions are looked for, 0 to {}", asked - 1);
                return Err(Problem::invalid("/keep/component", detail, remedy));
            }
            Some(place) => place,
        };
        Ok(Naming {
            component,
            name: name_of(self.name, "/keep/name")?,
            description: description_of(self.description, "/keep/description")?,
        })
    }
}

fn layer_of(sent: Option<usize>, model: &Model) -> Result<usize, Problem> {
    let last = model.config().layers;
    match sent {
        None => Ok(last.div_ceil(2)),
        Some(layer) if layer <= last => Ok(layer),
        Some(layer) => {
            let remedy = format!("send a hidden state from 0 (embeddings) to {last}, or leave it out");
            Err(Problem::invalid("/layer", format!("is {layer}"), remedy))
        }
    }
}
