//! What is repeated for every fold and under every shuffle of the labels.

use super::folds::{OUTER, apart, deal, labels, right};
use super::statistics::{balanced, first_best};
use super::{LayerChoice, Validating};
use crate::explain::chance::Chance;
use crate::explain::concept::ConceptError;
use crate::explain::concept::learner::{Part, Plane, Span};

/// All states, and what is asked of them.
pub struct Procedure {
    /// The texts at each hidden state.
    pub spans: Vec<Span>,
    /// On which side each text is.
    pub is_concept: Vec<bool>,
    /// The layers that can be chosen, ascending.
    pub choice: Vec<usize>,
    /// What is asked.
    pub asked: Validating,
}

/// A fold's texts, told by a direction that they had no part in.
pub struct Held {
    /// The layer that the other texts have chosen.
    pub layer: usize,
    /// Each text, and how right it is told: 0, ½ or 1.
    pub right: Vec<(usize, f64)>,
}

impl Held {
    /// The side of each text under these labels, and how right it is told.
    pub fn right_by_side(&self, labels: &[bool]) -> impl Iterator<Item = (bool, f64)> {
        self.right.iter().map(|(text, right)| (labels[*text], *right))
    }
}

impl Procedure {
    /// The side of each text in a run: the true one in run 0, shuffled in all others.
    pub fn labels(&self, run: usize) -> Vec<bool> {
        labels(&self.is_concept, self.asked.seed, run)
    }

    /// One fold of one run: the layer is chosen, and a direction learnt there, without the texts that it then tells.
    pub fn held_out(&self, run: usize, fold: usize) -> Result<Held, ConceptError> {
        let labels = self.labels(run);
        let all: Vec<usize> = (0..labels.len()).collect();
        let folds = self.deal(OUTER, &[run as u32], &all, &labels, self.asked.folds);
        let (held, training) = apart(&all, &folds, fold);
        let layer = match self.asked.layer {
            LayerChoice::Fixed(layer) => layer,
            LayerChoice::Auto => {
                let ids = [run as u32, fold as u32];
                let inner = self.deal(INNER, &ids, &training, &labels, self.asked.inner_folds);
                self.best(|layer| self.cross_validated(layer, &labels, &training, &inner))?
            }
        };
        let right = self.right(layer, &labels, &training, &held)?;
        Ok(Held { layer, right: held.into_iter().zip(right).collect() })
    }

    /// The layer of largest accuracy among those that can be chosen; the first of several.
    pub fn best(&self, accuracy: impl Fn(usize) -> Result<f64, ConceptError>) -> Result<usize, ConceptError> {
        let accuracies = self.choice.iter().map(|layer| accuracy(*layer)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.choice[first_best(&accuracies)])
    }

    /// The cross-validated accuracy at a layer over all texts.
    pub fn accuracy_at(&self, layer: usize) -> Result<f64, ConceptError> {
        let all: Vec<usize> = (0..self.is_concept.len()).collect();
        let folds = self.deal(INNER, &[], &all, &self.is_concept, self.asked.inner_folds);
        self.cross_validated(layer, &self.is_concept, &all, &folds)
    }

    fn cross_validated(
        &self,
        layer: usize,
        labels: &[bool],
        texts: &[usize],
        folds: &[usize],
    ) -> Result<f64, ConceptError> {
        let mut told = Vec::with_capacity(texts.len());
        for fold in 0..self.asked.inner_folds {
            let (held, training) = apart(texts, folds, fold);
            let right = self.right(layer, labels, &training, &held)?;
            told.extend(held.into_iter().map(|text| labels[text]).zip(right));
        }
        Ok(balanced(told))
    }

    /// How right each held-out text is told by a direction that others have taught.
    fn right(
        &self,
        layer: usize,
        labels: &[bool],
        training: &[usize],
        held: &[usize],
    ) -> Result<Vec<f64>, ConceptError> {
        let span = &self.spans[layer];
        let part = Part::new(span, training, labels)?;
        let votes = match Plane::fit(&self.asked.fitting, &part) {
            Ok(plane) => span.votes(&plane, held),
            Err(ConceptError::NoDifference) => vec![0.0; held.len()],
            Err(error) => return Err(error),
        };
        Ok(votes.into_iter().zip(held).map(|(vote, text)| right(vote, labels[*text])).collect())
    }

    fn deal(&self, purpose: &str, ids: &[u32], texts: &[usize], labels: &[bool], folds: usize) -> Vec<usize> {
        deal(Chance::new(purpose, self.asked.seed, ids), texts, labels, folds)
    }
}

const INNER: &str = "explaind concept inner folds v1";
