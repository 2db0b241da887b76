//! A direction that was found gets a name.

use super::{Discovering, DiscoveryView, VERSION};
use crate::concept::exchange::{Exported, FORMAT};
use crate::concept::{Body, Counts, Fault, LayerDirection, NamedEraser, Origin, Summary};
use crate::engine::answer::WarningCode;
use crate::engine::answer::states::decoded;
use crate::engine::{Failure, Told};
use crate::explain::concept::Direction;
use crate::explain::concept::erasure::{self, Erasure};
use crate::identity::ConceptId;

/// What a direction will be called.
#[derive(Debug, Clone)]
pub struct Naming {
    /// Which one, by its place.
    pub component: usize,
    /// Its name.
    pub name: String,
    /// What it is about, in words.
    pub description: Option<String>,
}

impl Discovering {
    /// One of the directions that were found as a concept: with its identity, a hash of all that it depends on and of its
    /// name.
    ///
    /// # Errors
    /// There are fewer directions.
    pub fn named(&self, told: &Told, naming: &Naming) -> Result<(Exported, ConceptId), Fault> {
        let unreadable = || Failure::Internal("what was discovered cannot be read".into());
        let view: DiscoveryView = serde_json::from_slice(&told.body).map_err(|_| unreadable())?;
        let component = view.components.get(naming.component).ok_or_else(|| {
            let (place, last) = (naming.component, view.components.len().saturating_sub(1));
            let detail = format!("is {place}; the directions that were found are 0 to {last}");
            Fault::field("/keep/component", detail, "name the `index` of one of them")
        })?;
        let vector = decoded(&component.vector).ok_or_else(unreadable)?;
        let centre = decoded(&view.centre).ok_or_else(unreadable)?;
        let along = centre.iter().zip(&vector).map(|(centre, v)| f64::from(*centre) * f64::from(*v));
        // A state has some of it where it has more than usual.
        let intercept = -along.sum::<f64>();
        let eraser = erasure::nullspace(&vector);
        let direction = Direction { vector, intercept, centre, spread: component.spread };
        let id = self.concept_id(naming, &view.dataset);
        let unsettled = |code: WarningCode| code == WarningCode::NotConverged;
        let exported = Exported {
            format: FORMAT,
            name: naming.name.clone(),
            model: view.model,
            summary: Summary {
                description: naming.description.clone(),
                origin: Origin::Discovered,
                layer: self.layer,
                pooling: self.pooling,
                learner: None,
                regularisation: None,
                seed: self.seeking.seed,
                examples: Counts { positives: 0, negatives: 0, drawn_from: Some(view.dataset) },
                validation: None,
                warnings: view.warnings.into_iter().filter(|warning| unsettled(warning.code)).collect(),
            },
            body: Body {
                positives: Vec::new(),
                negatives: Vec::new(),
                directions: vec![LayerDirection { layer: self.layer, direction }],
                erasers: vec![NamedEraser { method: Erasure::Nullspace, eraser }],
            },
        };
        Ok((exported, id))
    }

    fn concept_id(&self, naming: &Naming, dataset: &str) -> ConceptId {
        let description = naming.description.as_deref().unwrap_or_default();
        let (inputs, component) = (self.inputs(dataset), naming.component.to_string());
        let (model, fingerprint) = (self.model.id(), self.model.fingerprint());
        let version = VERSION.to_string();
        let parts =
            ["discovered", &version, &naming.name, description, model, fingerprint, &inputs, &component];
        ConceptId::of(&parts.map(str::as_bytes))
    }
}
