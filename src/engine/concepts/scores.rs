//! How much of some concepts there is in a text: concept activation of each token (CAP, the mean of ⟨h − centre, v⟩), and
//! the derivative of each logit along them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::engine::answer::{ConceptScoreView, DerivativeView, LayerScore, TargetView};
use crate::engine::draft::Draft;
use crate::engine::inquiry::Inquiry;
use crate::engine::parts::Made;
use crate::engine::states::slope;
use crate::engine::{Failure, OwnedText};
use crate::explain::concept::known::KnownConcept;
use crate::explain::concept::{Direction, Pooling};
use crate::explain::{Cost, ExplainError, Output, Passes, Subject};
use crate::identity::Shape;
use crate::model::{Gradients, Keep, Matrix, Model, Wanted};

/// Bytes of a score as it is written.
const BYTES_A_SCORE: usize = 24;

/// Everything about a question for scores but the text.
pub struct ScoresPlan {
    model: Arc<Model>,
    concepts: Vec<Arc<KnownConcept>>,
    truncate: bool,
}

impl ScoresPlan {
    /// Some concepts of this model, at least one.
    pub fn new(model: Arc<Model>, concepts: Vec<Arc<KnownConcept>>, truncate: bool) -> Self {
        ScoresPlan { model, concepts, truncate }
    }

    fn views(&self, subject: &Subject) -> Result<Vec<ConceptScoreView>, ExplainError> {
        let gradients = self.gradients(subject)?;
        self.concepts.iter().map(|concept| self.view(concept, subject, &gradients)).collect()
    }

    /// Of each label's logit, at the layers of all concepts.
    fn gradients(&self, subject: &Subject) -> Result<Vec<Gradients>, ExplainError> {
        let layers: BTreeSet<usize> = self.concepts.iter().map(|concept| concept.layer).collect();
        let wanted = Wanted { hidden: layers.into_iter().collect(), ..Wanted::default() };
        let asked = subject.clone();
        let labels = (0..self.model.config().labels.len()).collect();
        let of_label = move |label| asked.gradients_at(Output::Logit, label, &wanted);
        subject.map(labels, |_| Passes::new(0, 1), of_label)
    }

    fn view(
        &self,
        concept: &KnownConcept,
        subject: &Subject,
        gradients: &[Gradients],
    ) -> Result<ConceptScoreView, ExplainError> {
        let lacking = || candle_core::Error::Msg("a concept has no direction at its own layer".into());
        let direction = concept.direction().ok_or_else(lacking)?;
        let tokens = scores(&subject.trace()?.hidden(concept.layer)?, direction);
        let mut layers = Vec::new();
        for (layer, direction) in &concept.directions {
            let score = pooled(&scores(&subject.trace()?.hidden(*layer)?, direction), concept.pooling);
            let standardised = (score / direction.spread) as f32;
            layers.push(LayerScore { layer: *layer, score: score as f32, standardised });
        }
        let score = pooled(&tokens, concept.pooling);
        let labels = self.model.config().labels.iter().enumerate().zip(gradients);
        let derivatives = labels.map(|((index, label), gradients)| {
            let slope = gradients.hidden.get(&concept.layer).map(|rows| slope(rows, concept.pooling));
            let value = along(&slope.unwrap_or_default(), direction) as f32 + 0.0;
            DerivativeView { target: TargetView { label: label.clone(), index }, value }
        });
        Ok(ConceptScoreView {
            concept: concept.into(),
            pooling: concept.pooling,
            layer: concept.layer,
            score: score as f32,
            standardised: (score / direction.spread) as f32,
            words: subject.text().words.iter().map(|word| mean(&tokens, &word.tokens)).collect(),
            tokens: tokens.iter().map(|score| *score as f32).collect(),
            layers,
            derivatives: derivatives.collect(),
        })
    }
}

/// ⟨h − centre, v⟩ of every row.
fn scores(state: &Matrix, direction: &Direction) -> Vec<f64> {
    let score = |row: &[f32]| {
        let terms = row.iter().zip(&direction.centre).zip(&direction.vector);
        terms.map(|((h, centre), v)| (f64::from(*h) - f64::from(*centre)) * f64::from(*v)).sum()
    };
    state.iter().map(score).collect()
}

fn along(slope: &[f32], direction: &Direction) -> f64 {
    slope.iter().zip(&direction.vector).map(|(slope, v)| f64::from(*slope) * f64::from(*v)).sum()
}

fn pooled(scores: &[f64], pooling: Pooling) -> f64 {
    match pooling {
        Pooling::Cls => scores.first().copied().unwrap_or_default(),
        Pooling::Mean | Pooling::Tokens => scores.iter().sum::<f64>() / scores.len().max(1) as f64,
    }
}

fn mean(scores: &[f64], tokens: &[usize]) -> f32 {
    (tokens.iter().map(|token| scores[*token]).sum::<f64>() / tokens.len().max(1) as f64) as f32
}

impl Inquiry for ScoresPlan {
    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn truncate(&self) -> bool {
        self.truncate
    }

    fn shape(&self) -> Shape {
        Shape::ConceptScores
    }

    fn version(&self) -> u32 {
        1
    }

    fn canonical_options(&self) -> String {
        let ids: Vec<(&str, u32)> =
            self.concepts.iter().map(|concept| (concept.id.as_str(), concept.version)).collect();
        json!({"concepts": ids}).to_string()
    }

    fn keep(&self) -> Keep {
        Keep::Gradients
    }

    fn cost(&self, _tokens: usize) -> Cost {
        Cost::exactly(Passes::new(0, self.model.config().labels.len()), 0)
    }

    fn bytes(&self, tokens: usize) -> usize {
        2 * BYTES_A_SCORE * tokens * self.concepts.len()
    }

    fn find(&self, _sent: &OwnedText, subject: &Subject, _draft: &Draft) -> Result<Made, Failure> {
        Made::new(&self.views(subject)?, &[])
    }
}
