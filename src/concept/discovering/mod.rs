//! Concepts that nobody has named: directions found in the states of a dataset's texts, with what they stand for and what
//! hangs on them.

mod erased;
mod explored;
mod keeping;
mod view;

use std::sync::Arc;

use serde_json::json;

pub use keeping::Naming;
pub use view::{
    ActiveText, ActiveWord, ChangedPredictions, ComponentView, DiscoveryOptions, DiscoveryView,
    ImportanceView, ProjectedOut, RisingShare,
};

use super::{Fault, Gathering, RowStates, Rows};
use crate::engine::answer::states::encoded;
use crate::engine::answer::{ModelName, Warning, WarningCode};
use crate::engine::parts::Made;
use crate::engine::{Composition, Engine, Failure, OwnedText, StatesRequest, Told, Visit};
use crate::explain::concept::discovery::{Seeking, work};
use crate::explain::concept::{ConceptError, Pooling};
use crate::explain::crew::Crew;
use crate::identity::Shape;
use crate::model::Model;
use explored::{Explored, Material};

/// Raised whenever something else is found in the same.
const VERSION: u32 = 1;

/// Texts that are asked about again without each direction, at most.
const MOST_ERASED: usize = 200;

/// Floating-point operations that a search may take at worst: a few minutes of a thread. Most searches settle in a
/// fraction.
const MOST_OPERATIONS: f64 = 4e12;

/// Operations that a thread does in a second, about: nearly all are those of matrix products.
const OPERATIONS_A_SECOND: f64 = 1e10;

/// What is looked for in the states of a dataset's texts.
#[derive(Clone)]
pub struct Discovering {
    /// The model whose states are looked at.
    pub model: Arc<Model>,
    /// The hidden state.
    pub layer: usize,
    /// Which rows of it.
    pub pooling: Pooling,
    /// How many directions, and how they are found.
    pub seeking: Seeking,
    /// Texts and words that are listed for each, at most.
    pub top: usize,
    /// Whether long texts may be cut.
    pub truncate: bool,
}

impl Discovering {
    /// The states that it takes: with the slopes of the logits, along which importance is measured.
    pub fn states(&self) -> StatesRequest {
        StatesRequest {
            layers: Some(vec![self.layer]),
            pooling: self.pooling,
            gradients: true,
            truncate: self.truncate,
        }
    }

    /// All that the answer depends on but the model, in one form.
    fn inputs(&self, dataset: &str) -> String {
        let Seeking { method, components, seed, iterations, tolerance } = self.seeking;
        json!({
            "dataset": dataset,
            "layer": self.layer,
            "pooling": self.pooling,
            "method": method,
            "components": components,
            "seed": seed,
            "iterations": iterations,
            "tolerance": tolerance,
            "top": self.top,
            "truncate": self.truncate,
        })
        .to_string()
    }

    /// Looks for directions in the states of these rows, unless that was done before.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn find(&self, engine: &Arc<Engine>, visit: &Visit, rows: Rows) -> Result<Told, Fault> {
        let composition = Composition {
            shape: Shape::Discovery,
            version: VERSION,
            model: self.model.clone(),
            inputs: self.inputs(&rows.dataset.to_string()),
        };
        let (discovering, asked) = (self.clone(), engine.clone());
        let make = async move { Ok(discovering.find_now(&asked, &rows).await?) };
        Ok(engine.composed(visit, &composition, make).await?)
    }

    async fn find_now(&self, engine: &Arc<Engine>, of: &Rows) -> Result<Made, Fault> {
        let gathering =
            Gathering { engine: engine.clone(), model: self.model.clone(), request: self.states() };
        let found = gathering.of_rows(of).await?;
        let failed = found.failed;
        let texts = found.rows.iter().zip(&found.states.predictions).take(MOST_ERASED);
        let asked_again: Vec<_> = texts
            .map(|(row, prediction)| {
                let text = OwnedText { text: row.text.clone(), text_pair: row.text_pair.clone() };
                (text, prediction.clone())
            })
            .collect();
        let (material, explored) = self.explored(engine, found, &of.pointer).await?;
        let vectors = explored.components.iter().map(|component| component.vector.clone()).collect();
        let erased = self.erased(engine, vectors, &asked_again).await?;
        let warnings = self.warnings(&explored);
        Ok(Made::new(&self.view(of, &material, explored, erased, failed), &warnings)?)
    }

    /// What there is to find in the states themselves.
    async fn explored(
        &self,
        engine: &Arc<Engine>,
        found: RowStates,
        pointer: &str,
    ) -> Result<(Arc<Material>, Explored), Fault> {
        let empty = || {
            let remedy = "name a dataset whose texts the model can read";
            Fault::field(pointer, "no row of the dataset has a state", remedy)
        };
        let material = Arc::new(Material::new(found, self.model.config()).ok_or_else(empty)?);
        let operations = work(material.rows.rows(), material.rows.width, &self.seeking);
        if operations > MOST_OPERATIONS {
            let minutes = operations / OPERATIONS_A_SECOND / 60.0;
            let (states, asked) = (material.rows.rows(), self.seeking.components);
            let detail = format!(
                "looking for {asked} directions among {states} states takes up to {minutes:.0} minutes of a thread"
            );
            let remedy = "look for fewer, pool by `mean` or `cls`, or name a smaller dataset";
            return Err(Fault::field("/components", detail, remedy));
        }
        let (seeking, top, looked_at) = (self.seeking, self.top, material.clone());
        let explored = engine
            .work(operations / OPERATIONS_A_SECOND, move |job| {
                let crew: &dyn Crew = job.as_ref();
                Ok(looked_at.explore(&seeking, top, crew))
            })
            .await?;
        Ok((material, explored.map_err(|error| of_states(pointer, error))?))
    }

    fn view(
        &self,
        of: &Rows,
        material: &Material,
        explored: Explored,
        erased: Vec<ProjectedOut>,
        failed: u64,
    ) -> DiscoveryView {
        let states = material.rows.rows();
        let components = explored.components.into_iter().zip(erased).enumerate();
        DiscoveryView {
            id: String::new(),
            model: ModelName { id: self.model.id().into(), fingerprint: self.model.fingerprint().into() },
            dataset: of.dataset.to_string(),
            method: self.seeking.method,
            layer: self.layer,
            pooling: self.pooling,
            options: DiscoveryOptions {
                components: self.seeking.components,
                top: self.top,
                seed: self.seeking.seed,
                truncate: self.truncate,
            },
            rows: material.count(),
            failed,
            states,
            explained: explored.explained,
            loss: explored.loss,
            iterations: explored.iterations,
            converged: explored.converged,
            centre: encoded(&explored.centre),
            components: components
                .map(|(index, (component, erasure))| ComponentView {
                    index,
                    size: component.size,
                    share: component.size as f64 / states as f64,
                    spread: component.spread,
                    vector: encoded(&component.vector),
                    top_texts: component.top_texts,
                    top_words: component.top_words,
                    importance: ImportanceView { tcav: component.tcav, erasure },
                })
                .collect(),
            warnings: Vec::new(),
        }
    }

    fn warnings(&self, explored: &Explored) -> Vec<Warning> {
        let unsettled = (!explored.converged).then(|| Warning {
            code: WarningCode::NotConverged,
            message: format!(
                "the directions had not settled after {} iterations: more of them might lead elsewhere",
                explored.iterations
            ),
        });
        let (found, asked) = (explored.components.len(), self.seeking.components);
        let fewer = (found < asked).then(|| Warning {
            code: WarningCode::FewerComponents,
            message: format!(
                "only {found} of {asked} directions are there: the states have no more parts or groups that differ"
            ),
        });
        unsettled.into_iter().chain(fewer).collect()
    }
}

/// What the arithmetic has to say of the states of the dataset that stands at `pointer`.
fn of_states(pointer: &str, error: ConceptError) -> Fault {
    let detail = error.to_string();
    match error {
        ConceptError::TooFew { count, needed, .. } => Fault::field(
            "/components",
            format!("there are only {count} states to find {needed} directions in"),
            "look for fewer, or name a dataset with more rows",
        ),
        ConceptError::Singular | ConceptError::NoDifference => Fault::field(
            pointer,
            "all states of its texts are the same",
            "name a dataset whose texts differ, or another `layer`",
        ),
        ConceptError::NotFinite => Fault::Failed(Failure::NotFinite),
        ConceptError::CalledOff => Fault::Failed(Failure::Cancelled),
        ConceptError::Setting { setting, .. } => {
            Fault::field(format!("/{setting}"), detail, "leave it out for its default")
        }
    }
}
