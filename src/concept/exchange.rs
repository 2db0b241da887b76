//! Concepts on their way from one server to another.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, Concept, MOST_DESCRIPTION_CHARACTERS, MOST_EXAMPLES, Summary, is_name};
use crate::engine::Invalid;
use crate::engine::answer::ModelName;
use crate::explain::concept::Direction;
use crate::explain::concept::learner::REGULARISATIONS;
use crate::identity::ConceptId;

/// The form of the documents below.
pub const FORMAT: u32 = 1;

/// How far the length of a unit vector may be from 1: what single precision and a few decimal digits leave.
const UNIT: f64 = 1e-3;

/// Most dimensions that an eraser takes out.
const MOST_DIMENSIONS: usize = 64;

/// A concept as a document: everything that another server with the same model needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// The form of this document.
    pub format: u32,
    /// What the concept is called.
    pub name: String,
    /// The model that it is of.
    pub model: ModelName,
    /// What is told of it.
    pub summary: Summary,
    /// What it is made of.
    pub body: Body,
}

/// What stands in the description of the API for such a document.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportedView {
    /// The form of the document.
    #[schema(example = 1, minimum = 1, maximum = 1)]
    format: u32,
    /// What the concept is called.
    #[schema(example = "acting", pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
    /// The model that it is of.
    model: ModelName,
    /// What is told of it: the fields of the concept.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>, example = json!({"layer": 4}))]
    summary: serde_json::Value,
    /// Its examples, directions and erasers.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>, example = json!({"directions": []}))]
    body: serde_json::Value,
}

impl Exported {
    /// A concept as a document; none where its body was not read.
    pub fn of(concept: &Concept) -> Option<Self> {
        Some(Exported {
            format: FORMAT,
            name: concept.name.clone(),
            model: ModelName { id: concept.model.clone(), fingerprint: concept.fingerprint.clone() },
            summary: concept.summary.clone(),
            body: concept.body.clone()?,
        })
    }

    /// The identity of what it says.
    pub fn id(&self) -> ConceptId {
        // Strings and finite numbers can always be written.
        let summary = serde_json::to_vec(&self.summary).unwrap_or_default();
        let body = serde_json::to_vec(&self.body).unwrap_or_default();
        let (name, model) = (self.name.as_bytes(), self.model.fingerprint.as_bytes());
        ConceptId::of(&[b"imported", name, self.model.id.as_bytes(), model, &summary, &body])
    }

    /// Checks what its types leave open, for a model of so many layers whose states have so many numbers.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn check(&self, hidden: usize, layers: usize) -> Result<(), Invalid> {
        let fault =
            |pointer: String, detail: String, remedy: &str| Err(Invalid::new(pointer, detail, remedy));
        let export = "send a document as GET /v1/concepts/{name}/export gives it";
        if self.format != FORMAT {
            return fault(
                "/format".into(),
                format!("is {}; this server reads {FORMAT}", self.format),
                export,
            );
        }
        if !is_name(&self.name) {
            return fault("/name".into(), format!("`{}` is no name of a concept", self.name), NAMES);
        }
        if self
            .summary
            .description
            .as_ref()
            .is_some_and(|text| text.chars().count() > MOST_DESCRIPTION_CHARACTERS)
        {
            return fault("/summary/description".into(), "the description is too long".into(), export);
        }
        if self.summary.regularisation.is_some_and(|strength| !REGULARISATIONS.contains(&strength)) {
            let detail = "is no number from 0.000001 to 10000".to_owned();
            return fault("/summary/regularisation".into(), detail, export);
        }
        let Body { positives, negatives, directions, erasers } = &self.body;
        for (field, examples) in [("positives", positives), ("negatives", negatives)] {
            if examples.len() > MOST_EXAMPLES {
                let detail = format!("has {} examples; expected up to {MOST_EXAMPLES}", examples.len());
                return fault(format!("/body/{field}"), detail, export);
            }
            let is_blank = |text: &str| text.trim().is_empty();
            let blank = examples.iter().position(|example| {
                is_blank(&example.text) || example.text_pair.as_deref().is_some_and(is_blank)
            });
            if let Some(place) = blank {
                return fault(format!("/body/{field}/{place}"), "the text is blank".into(), export);
            }
        }
        for (place, at) in directions.iter().enumerate() {
            if at.layer > layers {
                let detail = format!("is {}; the model has hidden states 0 to {layers}", at.layer);
                return fault(format!("/body/directions/{place}/layer"), detail, export);
            }
            if directions[..place].iter().any(|other| other.layer == at.layer) {
                let detail = format!("there is another direction at layer {}", at.layer);
                return fault(format!("/body/directions/{place}/layer"), detail, export);
            }
            if let Some(problem) = problem(&at.direction, hidden) {
                return fault(format!("/body/directions/{place}/direction"), problem, export);
            }
        }
        if !directions.iter().any(|at| at.layer == self.summary.layer) {
            let detail =
                format!("there is none at layer {}, which is that of the concept", self.summary.layer);
            return fault("/body/directions".into(), detail, export);
        }
        for (place, named) in erasers.iter().enumerate() {
            if erasers[..place].iter().any(|other| other.method == named.method) {
                let detail = format!("there is another `{}`", named.method.name());
                return fault(format!("/body/erasers/{place}/method"), detail, export);
            }
            let eraser = &named.eraser;
            let all = eraser.read.iter().chain(&eraser.write).chain([&eraser.centre]);
            let fits = |vector: &Vec<f32>| vector.len() == hidden && vector.iter().all(|x| x.is_finite());
            let is_whole =
                (1..=MOST_DIMENSIONS).contains(&eraser.rank()) && eraser.write.len() == eraser.rank();
            if !is_whole || !all.into_iter().all(fits) {
                let detail = format!("is no eraser of states of {hidden} numbers");
                return fault(format!("/body/erasers/{place}/eraser"), detail, export);
            }
        }
        Ok(())
    }
}

/// What a name is, for whoever sent something else.
pub const NAMES: &str = "send 1 to 100 lower-case letters, digits, `.`, `_` and `-`, a letter or digit first; not \
                         `discoveries`, `edits`, `import`, `scores` or `tcav`, which are paths";

/// What is wrong with a direction, if anything is.
fn problem(direction: &Direction, hidden: usize) -> Option<String> {
    let Direction { vector, intercept, centre, spread } = direction;
    if vector.len() != hidden || centre.len() != hidden {
        return Some(format!(
            "has {} and {} numbers; the model's states have {hidden}",
            vector.len(),
            centre.len()
        ));
    }
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if (length - 1.0).abs() > UNIT || !length.is_finite() {
        return Some(format!("has a vector of length {length}; expected 1"));
    }
    let is_finite = intercept.is_finite() && spread.is_finite() && centre.iter().all(|x| x.is_finite());
    if !is_finite || *spread <= 0.0 {
        return Some("has numbers that are not finite, or a spread that is not above 0".into());
    }
    None
}
