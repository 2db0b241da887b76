//! What inside the network brings it about that the model says one thing of a text and another of its counterfactual.

mod search;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::json;

use super::followed::single;
use super::outcome::{Against, OutcomeChoice};
use crate::engine::answer::{MediationView, ModelName, OriginalView, OutcomeView, TargetView};
use crate::engine::draft::Draft;
use crate::engine::inquiry::Inquiry;
use crate::engine::parts::Made;
use crate::engine::plan::{Invalid, Target};
use crate::engine::{Failure, OwnedText};
use crate::explain::causal::mediation::{Mediator, heads, neuron_groups, sublayers, value_bytes};
use crate::explain::causal::patching::{expected_passes, most_passes};
use crate::explain::causal::{Contrast, Mediators, Outcome, Side, mediation};
use crate::explain::portions::sequences_together;
use crate::explain::{Cost, Passes, Subject};
use crate::identity::Shape;
use crate::model::{EncodedText, Keep, Model, Prediction, Text};
use search::Search;

/// Groups that the neurons of a layer are in, where nobody says how many a group has.
const USUAL_GROUPS: usize = 24;

/// Passes that one answer may take.
const MOST_PASSES: usize = 20_000;

/// Bytes of a number as it is written.
const BYTES_A_NUMBER: usize = 14;

/// The fields of a question about mediation, as yet unchecked.
#[derive(Debug, Clone)]
pub struct MediationRequest {
    /// The counterfactual.
    pub counterfactual: OwnedText,
    /// The class that is followed: one of them, or the predicted one.
    pub target: Target,
    /// The class that it is held against.
    pub against: Against,
    /// What the effect may go through, each kind once.
    pub mediators: Vec<Mediators>,
    /// Neurons in a group; none means the usual number.
    pub neuron_group: Option<usize>,
}

/// Everything about a question about mediation but the text.
pub struct MediationPlan {
    model: Arc<Model>,
    counterfactual: OwnedText,
    outcome: OutcomeChoice,
    /// In the order of work.
    mediators: Vec<Mediators>,
    group: usize,
}

impl MediationPlan {
    /// Checks a request against a model.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn new(model: Arc<Model>, request: MediationRequest) -> Result<Self, Invalid> {
        let outcome = OutcomeChoice::new(&model, &request.target, &request.against)?;
        let mut mediators = request.mediators;
        mediators.sort_unstable();
        let group = group(&model, request.neuron_group, &mediators)?;
        Ok(MediationPlan { counterfactual: request.counterfactual, outcome, mediators, group, model })
    }

    /// The counterfactual as the network gets it.
    fn encoded(&self) -> Result<EncodedText, Failure> {
        let OwnedText { text, text_pair } = &self.counterfactual;
        let encoded = self.model.encode(Text { first: text, second: text_pair.as_deref() }, false);
        encoded.map_err(|error| {
            let field = if error.segment() == 0 { "/counterfactual" } else { "/counterfactual_pair" };
            Failure::At { pointer: field.into(), failure: Box::new(Failure::Text(error)) }
        })
    }

    fn mediators_of(&self, kind: Mediators) -> Vec<Mediator> {
        let config = self.model.config();
        match kind {
            Mediators::Layers => sublayers(config),
            Mediators::Heads => heads(config),
            Mediators::Neurons => neuron_groups(config, self.group),
            Mediators::Positions => Vec::new(),
        }
    }

    /// Passes beyond the text's own: usually, and at most.
    fn passes(&self, tokens: usize) -> (usize, usize) {
        let layers = self.model.config().layers;
        let of_kind = |kind: &Mediators| match kind {
            Mediators::Positions => (expected_passes(layers, tokens), most_passes(layers, tokens)),
            kind => {
                let passes = mediation::passes(self.mediators_of(*kind).len());
                (passes, passes)
            }
        };
        let all = self.mediators.iter().map(of_kind);
        all.fold((Contrast::PASSES, Contrast::PASSES), |sum, passes| (sum.0 + passes.0, sum.1 + passes.1))
    }

    fn found(&self, sent: &OwnedText, subject: &Subject, draft: &Draft) -> Result<Made, Failure> {
        let encoded = self.encoded()?;
        let contrast = Contrast::new(subject, &encoded)?;
        let said = Prediction::new(self.model.config(), contrast.logits(Side::Counterfactual).to_vec());
        let outcome = self.outcome.of(&self.model, subject.prediction(), &said).map_err(Failure::Field)?;
        let counterfactual = OriginalView::of(&self.counterfactual, &encoded, &self.model, &said);
        let view = self.nothing_yet(OriginalView::new(sent, subject), counterfactual, &contrast, outcome);
        Search::begun(self, contrast, outcome, view, draft).made()
    }

    /// The answer before any mediator is looked at.
    fn nothing_yet(
        &self,
        original: OriginalView,
        counterfactual: OriginalView,
        contrast: &Contrast<'_>,
        outcome: Outcome,
    ) -> MediationView {
        let model = &self.model;
        let named = |index: usize| TargetView { label: model.config().labels[index].clone(), index };
        let [before, after] =
            [Side::Text, Side::Counterfactual].map(|side| outcome.value(contrast.logits(side)));
        MediationView {
            id: None,
            model: ModelName { id: model.id().into(), fingerprint: model.fingerprint().into() },
            original,
            counterfactual,
            outcome: OutcomeView { target: named(outcome.target), against: outcome.against.map(named) },
            before: single(before),
            after: single(after),
            total_effect: single(after - before),
            layers: None,
            heads: None,
            neurons: None,
            patching: None,
            forwards: 1 + Contrast::PASSES,
            complete: false,
            warnings: Vec::new(),
        }
    }
}

/// Neurons in a group.
fn group(model: &Model, asked: Option<usize>, mediators: &[Mediators]) -> Result<usize, Invalid> {
    const FIELD: &str = "/neuron_group";
    let width = model.config().intermediate_size;
    let Some(group) = asked else { return Ok(width.div_ceil(USUAL_GROUPS)) };
    if !mediators.contains(&Mediators::Neurons) {
        let remedy = "add \"neurons\" to `mediators`, or leave the field out";
        return Err(Invalid::new(FIELD, "is given, and no neurons are asked about", remedy));
    }
    match (1..=width).contains(&group) {
        true => Ok(group),
        false => {
            let remedy = format!("send a whole number from 1 to {width}, the neurons of a layer");
            Err(Invalid::new(FIELD, format!("is {group}"), remedy))
        }
    }
}

impl Inquiry for MediationPlan {
    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn truncate(&self) -> bool {
        false
    }

    fn shape(&self) -> Shape {
        Shape::Mediation
    }

    fn version(&self) -> u32 {
        1
    }

    fn canonical_options(&self) -> String {
        let group = self.mediators.contains(&Mediators::Neurons).then_some(self.group);
        json!({
            "counterfactual": [self.counterfactual.text, self.counterfactual.text_pair],
            "outcome": self.outcome.canonical(),
            "mediators": self.mediators,
            "neuron_group": group
        })
        .to_string()
    }

    fn keep(&self) -> Keep {
        Keep::Outputs
    }

    fn cost(&self, tokens: usize) -> Cost {
        let (expected, most) = self.passes(tokens);
        Cost {
            expected: Passes::new(expected, 0),
            most: Passes::new(most, 0),
            together: sequences_together(tokens),
        }
    }

    fn bytes(&self, tokens: usize) -> usize {
        // What both passes are inside stays to the end, and so does the room that they took.
        let (config, encoder) = (self.model.config(), self.model.encoder());
        let wide = (2 * config.layers + 1) * config.hidden_size;
        let inside = size_of::<f32>() * tokens * (wide + config.layers * config.intermediate_size);
        let both = 2 * (inside + encoder.pass_bytes(&[tokens], Keep::Trace));
        let values = |kind: &Mediators| value_bytes(&self.mediators_of(*kind), config, tokens);
        let values = self.mediators.iter().map(values).max().unwrap_or(0);
        let (_, passes) = self.passes(tokens);
        both + values + 2 * BYTES_A_NUMBER * passes
    }

    fn check_text(&self, text: &EncodedText) -> Result<(), Failure> {
        const FIELD: &str = "/counterfactual";
        let other = self.encoded()?;
        if other.ids.len() != text.ids.len() {
            let tokens = |text: &EncodedText| text.tokens.iter().map(|token| token.text.clone()).collect();
            let (tokens, others) = (tokens(text), tokens(&other));
            return Err(Failure::UnequalLengths { pointer: FIELD.into(), tokens, others });
        }
        if (&other.ids, &other.type_ids) == (&text.ids, &text.type_ids) {
            let detail = "is the same text to the model, token by token";
            return Err(Failure::Field(Invalid::new(FIELD, detail, "change a word of it")));
        }
        let (_, passes) = self.passes(text.ids.len());
        if passes > MOST_PASSES {
            let field = match self.mediators.contains(&Mediators::Neurons) {
                true => "/neuron_group",
                false => "/mediators",
            };
            let detail =
                format!("the answer would take {passes} passes of the network; it may take {MOST_PASSES}");
            let remedy = "put more neurons into a group, name fewer `mediators`, or send a shorter text";
            return Err(Failure::Field(Invalid::new(field, detail, remedy)));
        }
        Ok(())
    }

    fn find(&self, sent: &OwnedText, subject: &Subject, draft: &Draft) -> Result<Made, Failure> {
        self.found(sent, subject, draft)
    }
}
