//! What there is to find in the states of many texts: directions, the texts and words with most of them, and how the
//! outputs move along them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{ActiveText, ActiveWord, RisingShare};
use crate::concept::gathering::Wording;
use crate::concept::learning::measured;
use crate::concept::{Ends, RowStates};
use crate::dataset::Row;
use crate::engine::answer::TargetView;
use crate::explain::concept::ConceptError;
use crate::explain::concept::discovery::{Component, Seeking, discover};
use crate::explain::concept::significance::{share, wilson};
use crate::explain::crew::Crew;
use crate::model::config::Problem;
use crate::model::{Matrix, ModelConfig};

/// How often a word must occur to be listed.
const FEWEST_OCCURRENCES: u64 = 3;

/// Texts with their states at one layer.
pub(super) struct Material {
    /// Their states, `[rows, hidden]`.
    pub rows: Arc<Matrix>,
    /// The text of each row, ascending.
    texts: Vec<usize>,
    /// The number of each text in the dataset, and what stands there.
    numbers: Vec<u64>,
    sent: Vec<Row>,
    /// Of each text, the slopes of the logits, `[label][hidden]`.
    slopes: Vec<Vec<f32>>,
    /// Where each word occurs; none unless rows are tokens.
    words: Option<Words>,
    outputs: Vec<Output>,
}

/// What is found in it.
pub(super) struct Explored {
    pub components: Vec<ExploredComponent>,
    pub loss: f64,
    pub explained: f64,
    pub iterations: usize,
    pub converged: bool,
    /// The mean of the states, a text counting as one, `[hidden]`.
    pub centre: Vec<f32>,
}

/// A direction with what it stands for.
pub(super) struct ExploredComponent {
    pub vector: Vec<f32>,
    pub size: usize,
    pub spread: f64,
    pub top_texts: Vec<ActiveText>,
    pub top_words: Option<Vec<ActiveWord>>,
    pub tcav: Vec<RisingShare>,
}

/// The words of all texts, in lower case.
struct Words {
    /// In the order in which they first occur.
    names: Vec<String>,
    /// Each occurrence: the word by its place, and the rows of its tokens.
    occurrences: Vec<(usize, Vec<usize>)>,
}

/// A number that the model puts out, whose derivative is looked at.
struct Output {
    target: TargetView,
    /// The label whose logit is taken off.
    against: Option<TargetView>,
}

impl Material {
    /// The texts with their states, all at one layer; none if there is no text.
    pub fn new(found: RowStates, config: &ModelConfig) -> Option<Self> {
        let RowStates { numbers, rows: sent, mut states, .. } = found;
        let rows = states.rows.pop()?;
        let is_by_token = !states.words.is_empty();
        let words = is_by_token.then(|| Words::of(&states.words, &states.texts));
        let (texts, slopes) = (states.texts, states.slopes);
        let outputs = outputs(config);
        Some(Material { rows: Arc::new(rows), texts, numbers, sent, slopes, words, outputs })
    }

    /// How many texts there are.
    pub fn count(&self) -> usize {
        self.sent.len()
    }

    /// Looks for directions, and tells of each the `top` texts and words.
    ///
    /// # Errors
    /// As [`discover`].
    pub fn explore(&self, seeking: &Seeking, top: usize, crew: &dyn Crew) -> Result<Explored, ConceptError> {
        let found = discover(&self.rows, seeking, crew)?;
        let mut centre = Vec::new();
        let mut components = Vec::new();
        for component in found.components {
            let measures = measured(&self.rows, &self.texts, self.count(), &component.vector);
            centre = measures.0;
            components.push(ExploredComponent {
                size: component.size,
                spread: measures.1,
                top_texts: self.top_texts(&component, top),
                top_words: self.words.as_ref().map(|words| words.top(&component.activations, top)),
                tcav: self.outputs.iter().map(|output| self.rising(output, &component.vector)).collect(),
                vector: component.vector,
            });
        }
        Ok(Explored {
            components,
            loss: found.loss,
            explained: found.explained,
            iterations: found.iterations,
            converged: found.converged,
            centre,
        })
    }

    /// The texts with most of a direction: by the mean over their rows, the first of equals first.
    fn top_texts(&self, component: &Component, top: usize) -> Vec<ActiveText> {
        let mut means = vec![(0.0, 0usize); self.count()];
        for (text, activation) in self.texts.iter().zip(&component.activations) {
            means[*text].0 += f64::from(*activation);
            means[*text].1 += 1;
        }
        let means: Vec<f64> = means.into_iter().map(|(sum, rows)| sum / rows.max(1) as f64).collect();
        let text = |place: usize| ActiveText {
            row: self.numbers[place],
            text: self.sent[place].text.clone(),
            text_pair: self.sent[place].text_pair.clone(),
            label: self.sent[place].label.clone(),
            activation: means[place],
        };
        strongest(&means, top).into_iter().map(text).collect()
    }

    /// How an output moves along a direction, over all texts.
    fn rising(&self, output: &Output, vector: &[f32]) -> RisingShare {
        let along = |slopes: &[f32], label: usize| -> f64 {
            let slope = slopes[label * vector.len()..].iter();
            slope.zip(vector).map(|(slope, v)| f64::from(*slope) * f64::from(*v)).sum()
        };
        let derivative = |slopes: &Vec<f32>| {
            let against = output.against.as_ref().map_or(0.0, |against| along(slopes, against.index));
            along(slopes, output.target.index) - against
        };
        let derivatives: Vec<f64> = self.slopes.iter().map(derivative).collect();
        let count = derivatives.len();
        let share = share(&derivatives);
        let (low, high) = wilson(share * count as f64, count);
        RisingShare {
            target: output.target.clone(),
            against: output.against.clone(),
            share,
            interval: Ends { low, high },
            mean_derivative: derivatives.iter().sum::<f64>() / count.max(1) as f64 + 0.0,
        }
    }
}

impl Words {
    /// Those of texts whose rows are their tokens, in their order.
    fn of(wordings: &[Wording], texts: &[usize]) -> Self {
        let mut words = Words { names: Vec::new(), occurrences: Vec::new() };
        let mut places = HashMap::new();
        for (text, wording) in wordings.iter().enumerate() {
            let rows = rows_of(texts, text);
            let mut tokens = vec![Vec::new(); wording.words.len()];
            for (row, word) in rows.zip(&wording.of_tokens) {
                if let Some(word) = word {
                    tokens[*word].push(row);
                }
            }
            for (word, rows) in wording.words.iter().zip(tokens) {
                if rows.is_empty() {
                    // It was cut off.
                    continue;
                }
                let name = word.to_lowercase();
                let place = *places.entry(name.clone()).or_insert_with(|| {
                    words.names.push(name);
                    words.names.len() - 1
                });
                words.occurrences.push((place, rows));
            }
        }
        words
    }

    /// The words with most of a direction, of those that occur often enough.
    fn top(&self, activations: &[f32], top: usize) -> Vec<ActiveWord> {
        let mut sums = vec![(0.0, 0u64); self.names.len()];
        for (word, rows) in &self.occurrences {
            let sum: f64 = rows.iter().map(|row| f64::from(activations[*row])).sum();
            sums[*word].0 += sum / rows.len() as f64;
            sums[*word].1 += 1;
        }
        // What is too rare has none of it.
        let mean = |(sum, count): &(f64, u64)| match *count >= FEWEST_OCCURRENCES {
            true => sum / *count as f64,
            false => 0.0,
        };
        let means: Vec<f64> = sums.iter().map(mean).collect();
        let word = |place: usize| ActiveWord {
            word: self.names[place].clone(),
            activation: means[place],
            count: sums[place].1,
        };
        strongest(&means, top).into_iter().map(word).collect()
    }
}

/// The rows of a text; `texts` has the text of each row, ascending.
fn rows_of(texts: &[usize], text: usize) -> Range<usize> {
    texts.partition_point(|other| *other < text)..texts.partition_point(|other| *other <= text)
}

/// The places of the largest numbers above 0, the largest first, the first of equals first.
fn strongest(numbers: &[f64], most: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..numbers.len()).filter(|place| numbers[*place] > 0.0).collect();
    places.sort_by(|a, b| numbers[*b].total_cmp(&numbers[*a]));
    places.truncate(most);
    places
}

/// The outputs of a model that a direction may move: of two labels that exclude each other, the margin between them is all
/// that the prediction hangs on.
fn outputs(config: &ModelConfig) -> Vec<Output> {
    let target = |index: usize| TargetView { label: config.labels[index].clone(), index };
    match (config.problem, config.labels.len()) {
        (Problem::SingleLabel, 2) => vec![Output { target: target(1), against: Some(target(0)) }],
        (_, labels) => (0..labels).map(|index| Output { target: target(index), against: None }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_come_first_and_what_has_nothing_is_left_out() {
        assert_eq!(strongest(&[0.0, 2.0, -1.0, 3.0, 2.0], 3), [3, 1, 4]);
        assert_eq!(strongest(&[0.0, -1.0], 3), [0usize; 0]);
    }

    #[test]
    fn a_word_is_what_its_tokens_are_on_average_and_one_that_is_rare_is_not_listed() {
        let words = ["Good", "good", "GOOD", "bad"].map(String::from).to_vec();
        let of_tokens = vec![None, Some(0), Some(1), Some(1), Some(2), Some(3), None];
        let wordings = [Wording { words, of_tokens }];
        let words = Words::of(&wordings, &[0; 7]);
        let top = words.top(&[9.0, 1.0, 2.0, 4.0, 5.0, 9.0, 9.0], 5);
        assert_eq!(top, [ActiveWord { word: "good".into(), activation: 3.0, count: 3 }]);
    }

    #[test]
    fn words_that_were_cut_off_do_not_occur() {
        let words = vec!["good".to_owned(); 5];
        let wordings = [Wording { words, of_tokens: vec![None, Some(0), Some(1), Some(2), None] }];
        let top = Words::of(&wordings, &[0; 5]).top(&[1.0; 5], 5);
        assert_eq!(top[0].count, 3);
    }
}
