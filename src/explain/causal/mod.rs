//! What inside the network makes it say one thing of a text and another of its counterfactual: parts of the one's pass are
//! put into the other's (Pearl 2001; Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262).

pub mod mediation;
pub mod patching;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::portions::sequences_together;
use super::subject::check_finite;
use super::{ExplainError, Passes, Subject};
use crate::model::{Activations, EncodedText, Interventions, Model, Sequence};

/// Passes after which it is told how far things are.
const CHUNK: usize = 64;

/// Parts of the network that an effect may go through: `layers` (the two sublayers of each layer), `heads`, `positions` (one
/// hidden state of one token), `neurons` (groups of a layer's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "heads")]
pub enum Mediators {
    /// The two sublayers of each layer.
    Layers,
    /// Attention heads.
    Heads,
    /// One hidden state of one token.
    Positions,
    /// Groups of a layer's neurons.
    Neurons,
}

impl Mediators {
    /// All kinds, those first that take the fewest passes as a rule.
    pub const ALL: [Mediators; 4] =
        [Mediators::Layers, Mediators::Heads, Mediators::Positions, Mediators::Neurons];

    /// Its name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Mediators::Layers => "layers",
            Mediators::Heads => "heads",
            Mediators::Positions => "positions",
            Mediators::Neurons => "neurons",
        }
    }
}

/// The scalar y that is followed: the logit of a class, less that of another where it is held against one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The class.
    pub target: usize,
    /// The class that it is held against.
    pub against: Option<usize>,
}

impl Outcome {
    /// Its value at these logits.
    pub fn value(&self, logits: &[f32]) -> f64 {
        let against = self.against.map_or(0.0, |class| f64::from(logits[class]));
        f64::from(logits[self.target]) - against
    }
}

/// One of the two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The text itself, x.
    Text,
    /// Its counterfactual, x′.
    Counterfactual,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Text => Side::Counterfactual,
            Side::Counterfactual => Side::Text,
        }
    }
}

/// A text beside its counterfactual, of as many tokens, with what the pass of each is inside.
pub struct Contrast<'a> {
    subject: &'a Subject,
    halves: Arc<Halves>,
}

struct Halves {
    text: Half,
    counterfactual: Half,
}

struct Half {
    type_ids: Vec<u32>,
    activations: Activations,
}

/// A pass of one text with something of the other's put into it.
#[derive(Clone)]
struct Patch {
    into: Side,
    /// The hidden state that it begins with: before it, nothing is changed.
    point: usize,
    /// The token whose row of that hidden state is the other text's.
    token: Option<usize>,
    /// What else is changed, from there on.
    changes: Interventions,
}

impl<'a> Contrast<'a> {
    /// Passes that it takes.
    pub const PASSES: usize = 2;

    /// Runs a text, which is read whole, and its counterfactual.
    ///
    /// # Errors
    /// [`ExplainError::NotFinite`] where the logits are not; a counterfactual of another length; those of
    /// [`Subject::map`].
    pub fn new(subject: &'a Subject, counterfactual: &EncodedText) -> Result<Self, ExplainError> {
        let (model, text) = (subject.model(), subject.text());
        if text.ids.len() != counterfactual.ids.len() {
            let message = "a counterfactual of another number of tokens";
            return Err(candle_core::Error::Msg(message.into()).into());
        }
        let texts = [text, counterfactual].map(|text| (text.ids.clone(), text.type_ids.clone()));
        let network = model.clone();
        let look = move |(ids, type_ids): (Vec<u32>, Vec<u32>)| {
            let encoder = network.encoder();
            let activations = encoder.activations(&encoder.batch(&ids, &type_ids)?)?;
            Ok(Half { type_ids, activations })
        };
        let mut halves = subject.map(texts.into(), |_| Passes::FORWARD, look)?.into_iter();
        let lost = || candle_core::Error::Msg("a text was not looked into".into());
        let text = halves.next().ok_or_else(lost)?;
        let counterfactual = halves.next().ok_or_else(lost)?;
        check_finite(&[text.activations.logits.clone(), counterfactual.activations.logits.clone()])?;
        Ok(Contrast { subject, halves: Arc::new(Halves { text, counterfactual }) })
    }

    /// The logits of one of the texts as it is.
    pub fn logits(&self, side: Side) -> &[f32] {
        &self.halves.of(side).activations.logits
    }

    fn model(&self) -> &Arc<Model> {
        self.subject.model()
    }

    /// The logits of patched passes, in order. How many have been run is `told` some at a time.
    fn run(
        &self,
        mut patches: impl Iterator<Item = Patch>,
        told: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<f32>>, ExplainError> {
        let mut logits = Vec::new();
        loop {
            let some: Vec<Patch> = patches.by_ref().take(CHUNK).collect();
            if some.is_empty() {
                return Ok(logits);
            }
            let outcomes = self.run_some(&some)?;
            check_finite(&outcomes)?;
            logits.extend(outcomes);
            told(some.len());
        }
    }

    fn run_some(&self, patches: &[Patch]) -> Result<Vec<Vec<f32>>, ExplainError> {
        let layers = self.model().config().layers;
        let together = sequences_together(self.subject.tokens());
        let alike = patches.chunk_by(|one, next| one.point == next.point);
        let batches: Vec<Vec<Patch>> =
            alike.flat_map(|alike| alike.chunks(together)).map(<[Patch]>::to_vec).collect();
        // A pass from the middle on is half a pass.
        let passes = |batch: &Vec<Patch>| {
            let run: usize = batch.iter().map(|patch| layers - patch.point).sum();
            Passes::new(run.div_ceil(layers), 0)
        };
        let (halves, model) = (self.halves.clone(), self.model().clone());
        Ok(self.subject.map(batches, passes, move |batch| halves.run(&model, &batch))?.concat())
    }
}

impl Halves {
    fn of(&self, side: Side) -> &Half {
        match side {
            Side::Text => &self.text,
            Side::Counterfactual => &self.counterfactual,
        }
    }

    /// The logits of patches that begin with the same hidden state.
    fn run(&self, model: &Model, patches: &[Patch]) -> Result<Vec<Vec<f32>>, ExplainError> {
        let Some(point) = patches.first().map(|patch| patch.point) else { return Ok(Vec::new()) };
        let (mut states, mut sequences) = (Vec::new(), Vec::with_capacity(patches.len()));
        for patch in patches {
            let half = self.of(patch.into);
            let begin = states.len();
            states.extend_from_slice(&half.activations.hidden[point].values);
            if let Some(token) = patch.token {
                let row = self.of(patch.into.other()).activations.hidden[point].row(token);
                states[begin + token * row.len()..][..row.len()].copy_from_slice(row);
            }
            sequences
                .push(Sequence { type_ids: half.type_ids.clone(), interventions: patch.changes.clone() });
        }
        Ok(model.encoder().logits_from(point, &states, sequences)?)
    }
}
