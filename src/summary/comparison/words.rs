//! Words that push more, less or the other way.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::summary::resampling::Resampler;
use crate::summary::tally::Sets;
use crate::summary::words::{ClassTally, Found, Listed, WordTally, WordTotals, find};
use crate::summary::{Answers, Interval, Options, kendall, spearman};

/// The words of one class in both sets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassComparison {
    /// The class, by its label; null for methods that look at no class.
    #[schema(required, example = "positive")]
    pub label: Option<String>,
    /// Words that are in enough texts of both sets. All that follows is about these.
    #[schema(example = 412)]
    pub words_in_both: usize,
    /// Spearman's rank correlation of the words' means; null for fewer than two words, or where all means of either
    /// set are equal.
    #[schema(required, example = 0.93, minimum = -1, maximum = 1)]
    pub spearman: Option<f64>,
    /// Kendall's τ_b of the same.
    #[schema(required, example = 0.78, minimum = -1, maximum = 1)]
    pub kendall: Option<f64>,
    /// The words whose mean has changed most, the most first.
    #[schema(example = json!([]))]
    pub changed: Vec<ChangedWord>,
}

/// A word in both sets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedWord {
    /// The word in lower case.
    #[schema(example = "gripping")]
    pub word: String,
    /// The mean of its scores in the first set.
    #[schema(example = 0.72)]
    pub a: f64,
    /// The mean of its scores in the second set.
    #[schema(example = 0.31)]
    pub b: f64,
    /// Texts of the first set that it is in.
    #[schema(example = 6, minimum = 1)]
    pub texts_a: u64,
    /// Texts of the second set that it is in.
    #[schema(example = 6, minimum = 1)]
    pub texts_b: u64,
    /// The second mean less the first.
    #[schema(example = -0.41)]
    pub difference: f64,
    /// The 95 % bootstrap interval of the difference. If both sets are about the same texts these are resampled
    /// together, otherwise each by itself. Null where either mean is of one text.
    #[schema(required)]
    pub interval: Option<Interval>,
}

/// Compares the words of every class that both of a pair of sets have, pair by pair: the place of the first of them among
/// all sets of `a`, and of the second among those of `b`.
pub(super) fn compare<A, B>(
    a: &A,
    b: &B,
    sets: [&Sets; 2],
    pairs: &[[usize; 2]],
    resamplers: &[Resampler; 2],
    options: &Options,
) -> Result<Vec<Vec<ClassComparison>>, A::Error>
where
    A: Answers + ?Sized,
    B: Answers<Error = A::Error> + ?Sized,
{
    let of_pair = |pair: &[usize; 2]| {
        let [first, second] = [0, 1].map(|side| by_label(&sets[side].tallies[pair[side]].words));
        let common = first.iter().filter_map(|(label, words)| Some((*label, [*words, *second.get(label)?])));
        common.map(|(label, words)| compared(label, words, options)).collect()
    };
    let mut told: Vec<Vec<ClassComparison>> = pairs.iter().map(of_pair).collect();
    let mut wanted = Vec::new();
    for (classes, pair) in told.iter_mut().zip(pairs) {
        for class in classes {
            for word in &mut class.changed {
                let listed = |set| Listed { set, label: class.label.clone(), word: word.word.clone() };
                wanted.push((pair.map(listed), word));
            }
        }
    }
    // Both sides of a portion are held at a time.
    for portion in wanted.chunks_mut(resamplers[0].at_once(2)) {
        let [of_first, of_second] = [0, 1]
            .map(|side| portion.iter().map(|(listed, _)| listed[side].clone()).collect::<Vec<Listed>>());
        let first = find(a, &of_first, &resamplers[0], |observation| sets[0].of(observation))?;
        let second = find(b, &of_second, &resamplers[1], |observation| sets[1].of(observation))?;
        for ((_, word), (first, second)) in portion.iter_mut().zip(first.iter().zip(&second)) {
            word.interval = interval(word, first, second);
        }
    }
    Ok(told)
}

/// The words of each class by its label: the same one may have another index in another model.
fn by_label(tally: &WordTally) -> BTreeMap<Option<&str>, &ClassTally> {
    tally.iter().map(|(class, words)| (class.as_ref().map(|class| class.label.as_str()), words)).collect()
}

/// A class but for its intervals.
fn compared(label: Option<&str>, tallies: [&ClassTally; 2], options: &Options) -> ClassComparison {
    let [first, second] = tallies.map(|words| words.in_enough_texts(options.minimum_texts));
    let common = first.iter().filter_map(|(word, a)| Some((*word, *a, *second.get(word)?)));
    let common: Vec<(&str, &WordTotals, &WordTotals)> = common.collect();
    let pairs: Vec<(f64, f64)> = common.iter().map(|(_, a, b)| (a.mean, b.mean)).collect();
    let changed = |(word, a, b): &(&str, &WordTotals, &WordTotals)| ChangedWord {
        word: (*word).to_owned(),
        a: a.mean,
        b: b.mean,
        texts_a: a.texts,
        texts_b: b.texts,
        difference: b.mean - a.mean,
        interval: None,
    };
    let mut changed: Vec<ChangedWord> = common.iter().map(changed).collect();
    // They are in the order of the words, in which equal differences stay.
    changed.sort_by(|one, other| other.difference.abs().total_cmp(&one.difference.abs()));
    changed.truncate(options.top);
    ClassComparison {
        label: label.map(str::to_owned),
        words_in_both: pairs.len(),
        spearman: spearman(&pairs),
        kendall: kendall(&pairs),
        changed,
    }
}

/// Of the differences in all resamples in which both sets have the word.
fn interval(word: &ChangedWord, first: &Found, second: &Found) -> Option<Interval> {
    if word.texts_a < 2 || word.texts_b < 2 {
        return None;
    }
    let both = first.mean.each().zip(second.mean.each());
    let differences = both.filter_map(|(a, b)| Some(b? - a?)).collect();
    Interval::of(word.difference, differences)
}
