//! What is looked at of one answer.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::engine::answer::{PredictionView, SentenceView, TargetView, TokenView, WordView};
use crate::explain::Output;
use crate::explain::attention::statistics::HeadStatistics;
use crate::explain::granularity::Granularity;

/// One row of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Its number, from 0.
    pub row: u64,
    /// The value of the column that the set is divided by, as JSON text; none where nothing is divided.
    pub group: Option<String>,
    /// What the dataset says of the text.
    pub label: Option<String>,
    /// What the model says of it; none if the answer is a problem.
    pub reading: Option<Reading>,
}

/// What is looked at of an answer: the prediction, the scores of one method, the statistics of heads.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What the model says.
    pub prediction: PredictionView,
    /// The scores of the method, once for each class it was asked about.
    pub pushes: Vec<Pushes>,
    /// The heads, where attention was asked for.
    pub heads: Vec<Head>,
}

/// A class of a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// Its index among the logits.
    pub index: usize,
    /// Its label.
    pub label: String,
}

/// How far the words of one text push towards a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushes {
    /// The class; none for methods that look at no class.
    pub class: Option<Class>,
    /// What the scores are measured in; none where they are no share of an output.
    pub output: Option<Output>,
    /// The scores of each word in the order of the text. Words are in lower case (Unicode); where tokens or sentences
    /// have the scores, they take the place of words, special tokens excepted.
    pub words: BTreeMap<String, Vec<f64>>,
}

/// A head with what was counted of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Its layer, from 0.
    pub layer: usize,
    /// Its place in the layer, from 0.
    pub head: usize,
    /// What was counted.
    pub statistics: HeadStatistics,
}

/// An answer without what is not looked at: maps of attention may be millions of numbers.
#[derive(Deserialize)]
struct Answered {
    prediction: PredictionView,
    tokens: Vec<TokenView>,
    words: Vec<WordView>,
    sentences: Option<Vec<SentenceView>>,
    explanations: Option<Vec<Explained>>,
    attention: Option<Attended>,
}

/// An explanation, its scores by the digits that stand in the answer: whoever reads those gets the same sums.
#[derive(Deserialize)]
struct Explained {
    method: String,
    target: Option<TargetView>,
    output: Option<Output>,
    granularity: Granularity,
    scores: Vec<f64>,
}

#[derive(Deserialize)]
struct Attended {
    layers: Vec<usize>,
    heads: Vec<usize>,
    statistics: Vec<Vec<HeadStatistics>>,
}

impl Reading {
    /// Reads an answer as it stands in JSON, an [`Answer`](crate::engine::Answer), with the scores of one method, or of
    /// none.
    ///
    /// # Errors
    /// It is no answer. The error may quote the text.
    pub fn read(answer: &[u8], method: Option<&str>) -> Result<Self, serde_json::Error> {
        let answered: Answered = serde_json::from_slice(answer)?;
        let explanations = answered.explanations.iter().flatten();
        let asked = explanations.filter(|explanation| Some(explanation.method.as_str()) == method);
        let pushes = asked.map(|explanation| answered.pushes(explanation)).collect();
        let heads = answered.attention.map(Attended::heads).unwrap_or_default();
        Ok(Reading { prediction: answered.prediction, pushes, heads })
    }
}

impl Answered {
    fn pushes(&self, explanation: &Explained) -> Pushes {
        let mut words: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let units = self.units(explanation.granularity);
        for (unit, score) in units.into_iter().zip(&explanation.scores) {
            if let Some(unit) = unit {
                words.entry(unit.to_lowercase()).or_default().push(*score);
            }
        }
        let class = explanation.target.clone().map(Class::from);
        Pushes { class, output: explanation.output, words }
    }

    /// What each score belongs to, in their order; none for special tokens.
    fn units(&self, granularity: Granularity) -> Vec<Option<&str>> {
        match granularity {
            Granularity::Token => {
                self.tokens.iter().map(|token| (!token.special).then_some(token.text.as_str())).collect()
            }
            Granularity::Word => self.words.iter().map(|word| Some(word.text.as_str())).collect(),
            Granularity::Sentence => {
                self.sentences.iter().flatten().map(|sentence| Some(sentence.text.as_str())).collect()
            }
        }
    }
}

impl Attended {
    fn heads(self) -> Vec<Head> {
        let Attended { layers, heads, statistics } = self;
        let of_layer = |(layer, statistics): (usize, Vec<HeadStatistics>)| {
            let numbered = heads.clone().into_iter().zip(statistics);
            numbered.map(move |(head, statistics)| Head { layer, head, statistics })
        };
        layers.into_iter().zip(statistics).flat_map(of_layer).collect()
    }
}

impl From<TargetView> for Class {
    fn from(TargetView { label, index }: TargetView) -> Self {
        Class { index, label }
    }
}

impl From<Class> for TargetView {
    fn from(Class { index, label }: Class) -> Self {
        TargetView { label, index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_an_answer_are_in_lower_case_and_keep_every_score() {
        let answer = include_bytes!("../../openapi/examples/explain.json");
        let reading = Reading::read(answer, Some("integrated_gradients")).unwrap();
        let pushes = &reading.pushes[0];
        assert_eq!(pushes.class, Some(Class { index: 1, label: "positive".into() }));
        assert_eq!(pushes.words["a"].len(), 2, "A and a are one word");
        assert_eq!(pushes.words.values().map(Vec::len).sum::<usize>(), 10);
        assert!(pushes.words.contains_key(","));
        assert!(Reading::read(answer, Some("saliency")).unwrap().pushes.is_empty());
        assert!(Reading::read(answer, None).unwrap().pushes.is_empty());
    }

    #[test]
    fn heads_of_an_answer_have_their_layers() {
        let answer = include_bytes!("../../openapi/examples/attention.json");
        let reading = Reading::read(answer, None).unwrap();
        assert_eq!(reading.heads.iter().map(|head| (head.layer, head.head)).collect::<Vec<_>>(), [(5, 0)]);
    }
}
