//! Which words push the model where: counted in a first pass, listed with intervals and examples after a second one.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use super::resampling::{Contribution, ResampledMean, Resampler, resample};
use super::{Answers, Class, Interval, Observation, Pushes};
use crate::engine::answer::TargetView;
use crate::explain::Output;

/// Examples of a word, at most.
const EXAMPLES: usize = 3;

/// The words that push towards one class.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassWords {
    /// The class; null for methods that look at no class.
    #[schema(required)]
    pub target: Option<TargetView>,
    /// What the pushes are measured in; null where they are no share of an output.
    #[schema(required)]
    pub output: Option<Output>,
    /// Different words, in lower case.
    #[schema(example = 3120)]
    pub different: usize,
    /// Those of them that are in enough texts to be listed.
    #[schema(example = 845)]
    pub in_enough_texts: usize,
    /// The words with the largest |mean|, the largest first.
    #[schema(example = json!([]))]
    pub words: Vec<Word>,
}

/// A word with what it does, in all texts together.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WordSummary)]
pub struct Word {
    /// The word in lower case.
    #[schema(example = "gripping")]
    pub word: String,
    /// How often it occurs.
    #[schema(example = 7, minimum = 1)]
    pub count: u64,
    /// In how many texts.
    #[schema(example = 6, minimum = 1)]
    pub texts: u64,
    /// The mean of its scores, over occurrences.
    #[schema(example = 0.72)]
    pub mean: f64,
    /// The standard deviation of its scores over occurrences, with count − 1; null for one occurrence.
    #[schema(required, example = 0.21, minimum = 0)]
    pub standard_deviation: Option<f64>,
    /// The 95 % bootstrap interval of the mean, texts being resampled; null for one text.
    #[schema(required)]
    pub interval: Option<Interval>,
    /// The texts in which its score is largest in size, up to three, one score each.
    #[schema(example = json!([{"row": 12, "score": 1.04}]))]
    pub examples: Vec<Example>,
}

/// A score of a word in a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WordExample)]
pub struct Example {
    /// The number of the row, from 0.
    #[schema(example = 12)]
    pub row: u64,
    /// The score.
    #[schema(example = 1.04)]
    pub score: f64,
}

/// What is counted of a word in the first pass.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct WordTotals {
    pub count: u64,
    pub texts: u64,
    pub mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
}

impl WordTotals {
    /// Adds the scores of a text, one after the other (Welford 1962): nothing is lost where they are nearly equal.
    fn add(&mut self, scores: &[f64]) {
        self.texts += 1;
        for score in scores {
            self.count += 1;
            let before = score - self.mean;
            self.mean += before / self.count as f64;
            self.squares += before * (score - self.mean);
        }
    }

    fn standard_deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares.max(0.0) / (self.count - 1) as f64).sqrt())
    }
}

/// The words that push towards one class, as they are counted.
#[derive(Default)]
pub(super) struct ClassTally {
    output: Option<Output>,
    words: HashMap<String, WordTotals>,
}

/// The words of every class; a method that looks at none has one entry without.
pub(super) type WordTally = BTreeMap<Option<Class>, ClassTally>;

impl ClassTally {
    /// Adds a text, and says how many words are new.
    pub fn add(&mut self, pushes: &Pushes) -> usize {
        self.output = self.output.or(pushes.output);
        let before = self.words.len();
        for (word, scores) in &pushes.words {
            match self.words.get_mut(word) {
                Some(totals) => totals.add(scores),
                None => self.words.entry(word.clone()).or_default().add(scores),
            }
        }
        self.words.len() - before
    }

    /// Those in enough texts, sorted.
    pub fn in_enough_texts(&self, minimum_texts: u64) -> BTreeMap<&str, &WordTotals> {
        let enough = self.words.iter().filter(|(_, totals)| totals.texts >= minimum_texts);
        enough.map(|(word, totals)| (word.as_str(), totals)).collect()
    }

    /// What is told of them, but for what only a second pass shows.
    pub fn listed(&self, target: Option<&Class>, top: usize, minimum_texts: u64) -> ClassWords {
        let enough = self.in_enough_texts(minimum_texts);
        let in_enough_texts = enough.len();
        let mut ranked: Vec<(&str, &WordTotals)> = enough.into_iter().collect();
        // They are sorted, so equal means stay in the order of the words.
        ranked.sort_by(|(_, a), (_, b)| b.mean.abs().total_cmp(&a.mean.abs()));
        let word = |(word, totals): (&str, &WordTotals)| Word {
            word: word.to_owned(),
            count: totals.count,
            texts: totals.texts,
            mean: totals.mean,
            standard_deviation: totals.standard_deviation(),
            interval: None,
            examples: Vec::new(),
        };
        ClassWords {
            target: target.cloned().map(TargetView::from),
            output: self.output,
            different: self.words.len(),
            in_enough_texts,
            words: ranked.into_iter().take(top).map(word).collect(),
        }
    }
}

/// A word that is listed: of which set (see [`Sets`](super::tally::Sets)), for which class, by its label.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub set: usize,
    pub label: Option<String>,
    pub word: String,
}

/// What a second pass shows of a word.
pub(super) struct Found {
    pub mean: ResampledMean,
    pub examples: Vec<Example>,
}

/// Looks for some words once more, in one pass: no more of them than the resampler takes at once. `sets` says in which
/// sets a row is.
pub(super) fn find<A: Answers + ?Sized>(
    answers: &A,
    listed: &[Listed],
    resampler: &Resampler,
    sets: impl Fn(&Observation) -> [Option<usize>; 2],
) -> Result<Vec<Found>, A::Error> {
    let mut places: HashMap<Option<&str>, HashMap<&str, Vec<usize>>> = HashMap::new();
    for (place, Listed { label, word, .. }) in listed.iter().enumerate() {
        places.entry(label.as_deref()).or_default().entry(word).or_default().push(place);
    }
    let mut examples = vec![Vec::new(); listed.len()];
    let means = resample(answers, listed.len(), resampler, &mut |observation, contributions| {
        let sets = sets(observation);
        for pushes in observation.reading.iter().flat_map(|reading| &reading.pushes) {
            let label = pushes.class.as_ref().map(|class| class.label.as_str());
            let Some(places) = places.get(&label) else { continue };
            for (word, scores) in &pushes.words {
                let places = places.get(word.as_str()).into_iter().flatten();
                for place in places.filter(|place| sets.contains(&Some(listed[**place].set))) {
                    let (sum, count) = (scores.iter().sum(), scores.len() as f64);
                    contributions.push(Contribution { mean: *place, sum, count });
                    exemplify(&mut examples[*place], observation.row, scores);
                }
            }
        }
    })?;
    Ok(means.into_iter().zip(examples).map(|(mean, examples)| Found { mean, examples }).collect())
}

/// Keeps the examples of the largest |score|; of equal ones, the earlier rows.
fn exemplify(examples: &mut Vec<Example>, row: u64, scores: &[f64]) {
    let Some(score) = scores.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())) else { return };
    let place = examples.partition_point(|example| example.score.abs() >= score.abs());
    examples.insert(place, Example { row, score });
    examples.truncate(EXAMPLES);
}
