//! What a model says when a direction is projected out of its states.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;

use super::{ChangedPredictions, Discovering, ProjectedOut};
use crate::concept::{Ends, Fault, UNHURRIED};
use crate::engine::answer::PredictionView;
use crate::engine::{Altered, Engine, Failure, OwnedText, PredictPlan, Question, Visit};
use crate::explain::concept::significance::wilson;
use crate::model::{HiddenEdit, Intervention};

/// What is read of an answer.
#[derive(Deserialize)]
struct Answered {
    prediction: PredictionView,
}

impl Discovering {
    /// For each direction, what the model says without it of texts of which it is known what it says.
    ///
    /// # Errors
    /// What keeps the engine from answering.
    pub(super) async fn erased(
        &self,
        engine: &Arc<Engine>,
        vectors: Vec<Vec<f32>>,
        texts: &[(OwnedText, PredictionView)],
    ) -> Result<Vec<ProjectedOut>, Fault> {
        let mut asking = Vec::new();
        let mut first = None;
        for vector in vectors {
            let question = Arc::new(self.without(vector)?);
            asking.extend(texts.iter().map(|(text, _)| (question.clone(), text.clone())));
            first.get_or_insert(question);
        }
        let Some(question) = first else { return Ok(Vec::new()) };
        // Questions are alike in what they take.
        let visit = Visit::of(UNHURRIED).with_texts(engine, &question, asking.iter().map(|(_, text)| text));
        let visit = &visit;
        let pending = asking
            .into_iter()
            .map(|(question, text)| async move { engine.ask_patiently(visit, &question, text).await });
        let mut answers = stream::iter(pending).buffered(engine.texts_at_a_time());
        let mut said = Vec::new();
        while let Some(told) = answers.next().await {
            let answered: Answered = serde_json::from_slice(&told?.body)
                .map_err(|_| Failure::Internal("a prediction cannot be read".into()))?;
            said.push(answered.prediction);
        }
        let usual: Vec<&PredictionView> = texts.iter().map(|(_, prediction)| prediction).collect();
        Ok(said.chunks(texts.len()).map(|said| compared(&usual, said)).collect())
    }

    /// What the model says without a direction.
    fn without(&self, vector: Vec<f32>) -> Result<Question, Fault> {
        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let edit = Intervention::Hidden { point: self.layer, edit: HiddenEdit::Project(vector) };
        let altered = Altered {
            interventions: vec![edit].into(),
            canonical: json!([{"project": hash, "layer": self.layer}]).to_string(),
            told: Vec::new(),
        };
        let plan = PredictPlan::new(self.model.clone(), self.truncate, None, Some(altered))?;
        Ok(Question::Predict(plan))
    }
}

/// What is said otherwise of the same texts.
fn compared(usual: &[&PredictionView], said: &[PredictionView]) -> ProjectedOut {
    let rows = said.len();
    let pairs = || usual.iter().zip(said);
    let has_labels = usual.iter().all(|prediction| prediction.value.is_none());
    let changed = has_labels.then(|| {
        let differs = |(usual, said): &(&&PredictionView, &PredictionView)| {
            (usual.index, &usual.labels) != (said.index, &said.labels)
        };
        let count = pairs().filter(differs).count();
        let (low, high) = wilson(count as f64, rows);
        ChangedPredictions { count, share: count as f64 / rows.max(1) as f64, interval: Ends { low, high } }
    });
    let changes = pairs().map(|(usual, said)| change(usual, said));
    ProjectedOut { rows, changed, mean_change: changes.sum::<f64>() / rows.max(1) as f64 }
}

/// How far the score of the usually likeliest label moves; for regression the value.
fn change(usual: &PredictionView, said: &PredictionView) -> f64 {
    if let (Some(usual), Some(said)) = (usual.value, said.value) {
        return (f64::from(said) - f64::from(usual)).abs();
    }
    let likeliest = usual
        .scores
        .iter()
        .zip(&said.scores)
        .reduce(|best, other| if other.0.score > best.0.score { other } else { best });
    likeliest.map_or(0.0, |(usual, said)| (f64::from(said.score) - f64::from(usual.score)).abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::answer::LabelScore;

    fn said(scores: [f32; 2]) -> PredictionView {
        let index = usize::from(scores[1] > scores[0]);
        let names = ["no", "yes"];
        let scores = names.iter().zip(scores);
        PredictionView {
            label: Some(names[index].into()),
            index: Some(index),
            labels: None,
            value: None,
            logits: Vec::new(),
            scores: scores.map(|(label, score)| LabelScore { label: (*label).into(), score }).collect(),
        }
    }

    #[test]
    fn changes_are_those_of_the_label_that_was_predicted() {
        let (one, other) = (said([0.25, 0.75]), said([0.5, 0.25]));
        let told = compared(&[&one, &other], &[said([0.75, 0.5]), said([0.5, 0.125])]);
        let changed = told.changed.unwrap();
        assert_eq!((told.rows, changed.count, changed.share), (2, 1, 0.5));
        assert_eq!(told.mean_change, 0.125);
    }

    #[test]
    fn a_value_is_no_label_that_could_change() {
        let value =
            |value: f32| PredictionView { value: Some(value), label: None, index: None, ..said([0.0; 2]) };
        let told = compared(&[&value(1.0)], &[value(3.5)]);
        assert_eq!((told.changed, told.mean_change), (None, 2.5));
    }
}
