//! The scores of concepts, random ones and resampled ones.

use std::ops::Range;
use std::sync::Arc;

use super::view::{NullScores, ResampledScores, TcavTest, TestedTexts, WelchView};
use crate::concept::{Ends, RowStates, States};
use crate::engine::Failure;
use crate::engine::answer::{ConceptName, PredictionView, TargetView};
use crate::explain::concept::known::KnownConcept;
use crate::explain::concept::learner::{self, Fitting, Learner};
use crate::explain::concept::significance::{Verdict, share, verdicts, welch, wilson};
use crate::explain::concept::validation::quantile;
use crate::explain::concept::{ConceptError, Examples};
use crate::explain::{Crew, Passes, crew};
use crate::model::Matrix;

/// Newton steps that a logistic regression usually takes.
const STEPS: f64 = 10.0;

/// What is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The second logit less the first.
    Margin,
    /// The value of a regression.
    Value,
    /// The logit of a class.
    Class(usize),
}

/// Everything that is tested together.
pub struct Lab {
    /// The concepts.
    pub benches: Vec<Bench>,
    /// What is derived, each over some of the texts, of which there are some.
    pub aims: Vec<(Aim, Vec<usize>)>,
    /// The model's labels.
    pub labels: Vec<String>,
    /// Classes that are not tested, as there are no texts of them.
    pub without_texts: Vec<usize>,
}

/// A concept with all that its scores are made of.
pub struct Bench {
    /// What it is called.
    pub name: ConceptName,
    /// Its directions.
    pub known: Arc<KnownConcept>,
    /// The hidden states where it is tested.
    pub layers: Vec<usize>,
    /// What it was learnt by; none for one without examples.
    pub fitting: Option<Fitting>,
    /// How many of its examples speak for it: they stand first.
    pub positives: usize,
    /// The states of examples and counter-examples.
    pub examples: Option<States>,
    /// The texts that are explained, with slopes.
    pub explained: Arc<RowStates>,
    /// The texts that random sets are made of.
    pub random: Arc<RowStates>,
    /// Texts of a random set.
    pub size: usize,
    /// The random sets, by places among the random texts.
    pub sets: Vec<Vec<usize>>,
    /// Resamples of examples and counter-examples, by places among the examples.
    pub resamples: Vec<[Vec<usize>; 2]>,
}

/// A direction that is to be learnt: of which concept, at which of its layers, and from what.
#[derive(Clone, Copy)]
struct Errand {
    bench: usize,
    layer: usize,
    from: Drawn,
}

/// What a direction is learnt from.
#[derive(Clone, Copy)]
enum Drawn {
    Set(usize),
    Resample(usize),
}

/// Of each aim, a score for every direction that was learnt.
type Scores = Vec<Vec<f64>>;

/// The texts that something is tested over.
pub fn texts_of(aim: Aim, over: TestedTexts, found: &RowStates, labels: &[String]) -> Vec<usize> {
    let all = 0..found.states.count();
    let Aim::Class(class) = aim else { return all.collect() };
    let is_meant = |text: &usize| match over {
        TestedTexts::All => true,
        TestedTexts::Predicted => is_predicted(&found.states.predictions[*text], class, labels),
        TestedTexts::Labelled => {
            found.rows[*text].label.as_deref().is_some_and(|label| meant(label, labels) == Some(class))
        }
    };
    all.filter(is_meant).collect()
}

fn is_predicted(prediction: &PredictionView, class: usize, labels: &[String]) -> bool {
    match &prediction.labels {
        Some(held) => held.contains(&labels[class]),
        None => prediction.index == Some(class),
    }
}

/// The class that a dataset means: by its label, or else by its index, as datasets of numbers have it.
fn meant(label: &str, labels: &[String]) -> Option<usize> {
    let by_index = || label.parse().ok().filter(|index: &usize| *index < labels.len());
    labels.iter().position(|known| known == label).or_else(by_index)
}

impl Lab {
    /// Floating-point operations of [`tested`], roughly: a function of sizes alone.
    pub fn operations(&self, hidden: usize) -> f64 {
        let texts: usize = self.aims.iter().map(|(_, texts)| texts.len()).sum();
        let score = 4.0 * (texts * hidden) as f64;
        let of_bench = |bench: &Bench| {
            let learnt = (bench.sets.len() + bench.resamples.len()) * bench.layers.len();
            learnt as f64 * (bench.operations(hidden) + score)
        };
        self.benches.iter().map(of_bench).sum()
    }

    fn errands(&self) -> Vec<Errand> {
        let mut errands = Vec::new();
        for (bench, at) in self.benches.iter().enumerate() {
            for layer in 0..at.layers.len() {
                let random = (0..at.sets.len()).map(Drawn::Set);
                let all = random.chain((0..at.resamples.len()).map(Drawn::Resample));
                errands.extend(all.map(|from| Errand { bench, layer, from }));
            }
        }
        errands
    }

    /// The derivatives of the texts of every aim along a vector.
    fn derivatives(&self, bench: &Bench, layer: usize, vector: &[f32]) -> Vec<Vec<f64>> {
        let states = &bench.explained.states;
        let place = place_of(states, layer);
        let of_text = |aim: Aim, text: usize| {
            let along = |label: usize| inner(states.slope(text, label, place), vector);
            match aim {
                Aim::Margin => along(1) - along(0),
                Aim::Value => along(0),
                Aim::Class(class) => along(class),
            }
        };
        let of_aim = |(aim, texts): &(Aim, Vec<usize>)| {
            texts.iter().map(|text| of_text(*aim, *text)).collect::<Vec<f64>>()
        };
        self.aims.iter().map(of_aim).collect()
    }

    /// The scores of a direction that is learnt for comparison.
    fn scores(&self, errand: Errand) -> Result<Vec<f64>, ConceptError> {
        let bench = &self.benches[errand.bench];
        let layer = bench.layers[errand.layer];
        match bench.learnt(layer, errand.from) {
            Ok(vector) => {
                let derivatives = self.derivatives(bench, layer, &vector);
                Ok(derivatives.iter().map(|derivatives| share(derivatives)).collect())
            }
            // Nothing sets the two sides apart, so no text rises or falls.
            Err(ConceptError::NoDifference) => Ok(vec![0.5; self.aims.len()]),
            Err(error) => Err(error),
        }
    }
}

impl Bench {
    fn operations(&self, hidden: usize) -> f64 {
        let counter = self.examples.as_ref().map_or(0, |examples| examples.count() - self.positives);
        let texts = self.size + counter;
        // Random texts have about as many rows as the examples.
        let a_text = self
            .examples
            .as_ref()
            .map_or(1, |examples| examples.texts.len().div_ceil(examples.count().max(1)));
        let rows = texts * a_text;
        let [rows, hidden] = [rows, hidden].map(|count| count as f64);
        match self.fitting.map(|fitting| fitting.learner) {
            None | Some(Learner::DifferenceOfMeans) => 8.0 * rows * hidden + 8.0 * rows.powi(2),
            Some(_) => {
                let (few, many) = (rows.min(hidden), rows.max(hidden));
                2.0 * few.powi(2) * many + STEPS * (few.powi(3) / 3.0 + 4.0 * few * many)
            }
        }
    }

    /// A unit vector for comparison, learnt as the concept's own was.
    fn learnt(&self, layer: usize, from: Drawn) -> Result<Vec<f32>, ConceptError> {
        let random = &self.random.states;
        let (fitting, examples) = match (&self.examples, self.fitting, from) {
            (Some(examples), Some(fitting), Drawn::Set(set)) => {
                let counter: Vec<usize> = (self.positives..examples.count()).collect();
                let sides = [(random, &self.sets[set][..]), (examples, &counter[..])];
                (fitting, against(sides, layer))
            }
            (Some(examples), Some(fitting), Drawn::Resample(resample)) => {
                let [positives, negatives] = &self.resamples[resample];
                (fitting, against([(examples, &positives[..]), (examples, &negatives[..])], layer))
            }
            // A concept without examples: two halves of a set.
            (_, _, Drawn::Set(set) | Drawn::Resample(set)) => {
                let (one, other) = self.sets[set].split_at(self.size / 2);
                let fitting = Fitting { learner: Learner::DifferenceOfMeans, ..Fitting::default() };
                (fitting, against([(random, one), (random, other)], layer))
            }
        };
        let fitted = learner::fit(&fitting, &examples)?;
        Ok(fitted.vector.iter().map(|value| *value as f32).collect())
    }
}

/// Texts on the concept's side against others, at a hidden state.
fn against(sides: [(&States, &[usize]); 2], layer: usize) -> Examples {
    let mut examples =
        Examples { rows: Matrix { values: Vec::new(), width: 0 }, texts: Vec::new(), is_concept: Vec::new() };
    for (is_concept, (states, texts)) in [true, false].into_iter().zip(sides) {
        let rows = &states.rows[place_of(states, layer)];
        examples.rows.width = rows.width;
        for text in texts {
            let own = rows_of(states, *text);
            examples.texts.extend(own.clone().map(|_| examples.is_concept.len()));
            examples
                .rows
                .values
                .extend_from_slice(&rows.values[own.start * rows.width..own.end * rows.width]);
            examples.is_concept.push(is_concept);
        }
    }
    examples
}

/// The rows of a text, which stand together.
fn rows_of(states: &States, text: usize) -> Range<usize> {
    states.texts.partition_point(|of| *of < text)..states.texts.partition_point(|of| *of <= text)
}

/// Where a hidden state stands that was asked for.
fn place_of(states: &States, layer: usize) -> usize {
    states.layers.iter().position(|known| *known == layer).unwrap_or_default()
}

fn inner(slope: &[f32], vector: &[f32]) -> f64 {
    slope.iter().zip(vector).map(|(slope, entry)| f64::from(*slope) * f64::from(*entry)).sum()
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// Tests every concept at each of its layers for every aim, in this order.
///
/// # Errors
/// Inside: the place of a concept that no random direction can be learnt for, and why. Outside: that of the engine.
pub fn tested(
    lab: &Arc<Lab>,
    alpha: f64,
    crew: &dyn Crew,
) -> Result<Result<Vec<TcavTest>, (usize, ConceptError)>, Failure> {
    let errands = lab.errands();
    let at_work = lab.clone();
    let scores = crew::map(
        crew,
        0,
        errands.clone(),
        |_| Passes::NONE,
        move |errand| Ok(at_work.scores(errand).map_err(|error| (errand.bench, error))),
    )?;
    let scores: Scores = match scores.into_iter().collect::<Result<_, _>>() {
        Ok(scores) => scores,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut found = Vec::new();
    for (bench, at) in lab.benches.iter().enumerate() {
        for (layer, number) in at.layers.iter().enumerate() {
            let Some(direction) = at.known.directions.get(number) else { continue };
            let derivatives = lab.derivatives(at, *number, &direction.vector);
            let of_pair = errands.iter().zip(&scores);
            let of_pair: Vec<_> =
                of_pair.filter(|(errand, _)| errand.bench == bench && errand.layer == layer).collect();
            for (aim, derivatives) in derivatives.into_iter().enumerate() {
                if !derivatives.iter().all(|derivative| derivative.is_finite()) {
                    return Ok(Err((bench, ConceptError::NotFinite)));
                }
                let of = |is_meant: fn(&Drawn) -> bool| -> Vec<f64> {
                    let meant = of_pair.iter().filter(|(errand, _)| is_meant(&errand.from));
                    meant.map(|(_, scores)| scores[aim]).collect()
                };
                let null = of(|from| matches!(from, Drawn::Set(_)));
                let resampled = of(|from| matches!(from, Drawn::Resample(_)));
                found.push(Found { bench, layer: *number, aim, derivatives, null, resampled });
            }
        }
    }
    let seen: Vec<f64> = found.iter().map(|found| share(&found.derivatives)).collect();
    let nulls: Vec<Vec<f64>> = found.iter().map(|found| found.null.clone()).collect();
    let verdicts = verdicts(&seen, &nulls, alpha);
    let tests = found.into_iter().zip(seen).zip(&verdicts);
    Ok(Ok(tests.map(|((found, score), verdict)| found.view(lab, score, verdict)).collect()))
}

/// What a test is made of.
struct Found {
    bench: usize,
    layer: usize,
    aim: usize,
    derivatives: Vec<f64>,
    null: Vec<f64>,
    resampled: Vec<f64>,
}

impl Found {
    fn view(self, lab: &Lab, score: f64, verdict: &Verdict) -> TcavTest {
        let bench = &lab.benches[self.bench];
        let texts = self.derivatives.len();
        let (low, high) = wilson(score * texts as f64, texts);
        let resampled = (!self.resampled.is_empty()).then(|| ResampledScores {
            mean: mean(&self.resampled),
            welch: welch(&self.resampled, &self.null).map(|welch| WelchView {
                t: welch.t,
                degrees_of_freedom: welch.degrees_of_freedom,
                p_value: welch.p_value,
            }),
            scores: self.resampled,
        });
        let target = match lab.aims[self.aim].0 {
            Aim::Class(index) => Some(TargetView { label: lab.labels[index].clone(), index }),
            Aim::Margin | Aim::Value => None,
        };
        TcavTest {
            concept: bench.name.clone(),
            pooling: bench.known.pooling,
            layer: self.layer,
            target,
            texts,
            score,
            interval: Ends { low, high },
            mean_derivative: mean(&self.derivatives),
            null: NullScores {
                sets: self.null.len(),
                size: bench.size,
                mean: mean(&self.null),
                low: quantile(&self.null, 0.025),
                high: quantile(&self.null, 0.975),
                scores: self.null,
            },
            p_value: verdict.p_value,
            adjusted_p_value: verdict.adjusted,
            significant: verdict.significant,
            random_sets_needed: verdict.sets_needed,
            resampled,
        }
    }
}
