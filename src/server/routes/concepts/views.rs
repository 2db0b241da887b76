//! The shapes of what is told of concepts.

use serde::Serialize;
use utoipa::ToSchema;

use crate::concept::{Concept, ConceptPage, Counts, Origin, Similar, ValidationView};
use crate::engine::answer::{ModelName, Warning};
use crate::explain::concept::Pooling;
use crate::explain::concept::learner::Learner;
use crate::server::timestamp::rfc_3339;
use crate::store::concepts::ConceptPlace;

/// Some concepts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConceptList {
    /// The concepts: those of the program first, then the newest.
    #[schema(example = json!([]))]
    concepts: Vec<ConceptView>,
    /// The `after` of the next page; null if this is the last one.
    #[schema(required, example = json!(null))]
    next: Option<String>,
}

/// What is told of a concept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConceptView {
    /// Its name.
    #[schema(example = "acting", pattern = "^[a-z0-9][a-z0-9._-]*$", max_length = 100)]
    name: String,
    /// Tells those of one name apart. `name@version` names this very one.
    #[schema(example = 1, minimum = 1)]
    version: u32,
    /// A hash of its definition: the same examples and settings have the same id under the same name.
    #[schema(
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    id: String,
    /// What it is about; null if nobody said.
    #[schema(required, example = "How well a film is acted")]
    description: Option<String>,
    /// The model whose states it is a direction of.
    model: ModelName,
    /// When it was first kept.
    #[schema(format = "date-time", example = "2026-11-25T00:00:00Z")]
    created_at: String,
    /// Whether it comes with the program; if so, it can be neither replaced nor deleted.
    #[schema(example = false)]
    bundled: bool,
    /// How it came about.
    origin: Origin,
    /// The hidden state that it is found at: 0 is the embeddings' output.
    #[schema(example = 4)]
    layer: usize,
    /// Which rows of it.
    pooling: Pooling,
    /// What it was learnt by; null for one that was discovered.
    #[schema(required)]
    learner: Option<Learner>,
    /// The learner's inverse strength of regularisation; null for one that was discovered.
    #[schema(required, example = 1.0)]
    regularisation: Option<f64>,
    /// What was drawn by.
    #[schema(example = 0, format = "uint64")]
    seed: u64,
    /// How many examples there are.
    examples: Counts,
    /// How far it is there at all; null for one that was discovered.
    #[schema(required)]
    validation: Option<ValidationView>,
    /// The other concepts of the same model, the most similar first; absent from lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([{"name": "humour", "version": 1, "cosine": 0.12}]))]
    similar: Option<Vec<SimilarView>>,
    /// What to know before relying on it.
    #[schema(example = json!([]))]
    warnings: Vec<Warning>,
}

/// Another concept, and how nearly its direction is the same.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SimilarView {
    /// Its name.
    #[schema(example = "humour")]
    name: String,
    /// Its version: the newest.
    #[schema(example = 1)]
    version: u32,
    /// The cosine of the two directions at the layer of the first one, −1 to 1.
    #[schema(example = 0.12)]
    cosine: f64,
}

impl ConceptView {
    /// What is told of a concept, perhaps with those that it was compared with.
    pub fn new(concept: Concept, similar: Option<Vec<Similar>>) -> Self {
        let summary = concept.summary;
        let of_another =
            |other: Similar| SimilarView { name: other.name, version: other.version, cosine: other.cosine };
        ConceptView {
            name: concept.name,
            version: concept.version,
            id: concept.id.to_string(),
            description: summary.description,
            model: ModelName { id: concept.model, fingerprint: concept.fingerprint },
            created_at: rfc_3339(concept.created_at),
            bundled: concept.is_bundled,
            origin: summary.origin,
            layer: summary.layer,
            pooling: summary.pooling,
            learner: summary.learner,
            regularisation: summary.regularisation,
            seed: summary.seed,
            examples: summary.examples,
            validation: summary.validation,
            similar: similar.map(|similar| similar.into_iter().map(of_another).collect()),
            warnings: summary.warnings,
        }
    }
}

impl From<ConceptPage> for ConceptList {
    fn from(page: ConceptPage) -> Self {
        let concepts = page.concepts.into_iter().map(|concept| ConceptView::new(concept, None)).collect();
        ConceptList { concepts, next: page.next.map(cursor) }
    }
}

/// A place in the list, as clients send it back.
pub fn cursor(place: ConceptPlace) -> String {
    format!("{}-{}", place.created_at, place.id)
}
