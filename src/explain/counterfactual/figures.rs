//! How far texts are from each other.

use std::collections::HashMap;

/// Longest n-grams of BLEU.
const LONGEST: usize = 4;

/// Counted in place of no match at all (method 1 of Chen & Cherry 2014): what `nltk` calls `SmoothingFunction.method1`.
const NO_MATCH: f64 = 0.1;

/// Words that have to be inserted, deleted or replaced (Levenshtein), by the number of words of the original: 0 for equal
/// texts, above 1 where the new one is much longer.
pub fn edit_distance(original: &[&str], new: &[&str]) -> f64 {
    words_apart(original, new) as f64 / original.len().max(1) as f64
}

fn words_apart(first: &[&str], second: &[&str]) -> usize {
    // What both begin and end with is as far apart as nothing is, and most of two texts that few words part.
    let same = |words: (&&str, &&str)| words.0 == words.1;
    let begin = first.iter().zip(second).take_while(|words| same(*words)).count();
    let (first, second) = (&first[begin..], &second[begin..]);
    let end = first.iter().rev().zip(second.iter().rev()).take_while(|words| same(*words)).count();
    let (first, second) = (&first[..first.len() - end], &second[..second.len() - end]);
    strsim::generic_levenshtein(&first.to_vec(), &second.to_vec())
}

/// The cosine of the mean word embeddings of two texts, −1 to 1; each has a row a token. 0 where either has no length.
pub fn closeness<'a>(
    original: impl IntoIterator<Item = &'a [f32]>,
    new: impl IntoIterator<Item = &'a [f32]>,
) -> f64 {
    // A mean and a sum have the same direction.
    let (original, new) = (sum(original), sum(new));
    let dot = |first: &[f64], second: &[f64]| first.iter().zip(second).map(|(a, b)| a * b).sum::<f64>();
    let lengths = dot(&original, &original).sqrt() * dot(&new, &new).sqrt();
    match lengths > 0.0 {
        true => (dot(&original, &new) / lengths).clamp(-1.0, 1.0),
        false => 0.0,
    }
}

fn sum<'a>(rows: impl IntoIterator<Item = &'a [f32]>) -> Vec<f64> {
    let mut sum: Vec<f64> = Vec::new();
    for row in rows {
        sum.resize(row.len(), 0.0);
        for (total, value) in sum.iter_mut().zip(row) {
            *total += f64::from(*value);
        }
    }
    sum
}

/// 1 − self-BLEU (Zhu et al. 2018) of several texts, each as its words: 0 where all are alike, 1 where none has a word of
/// another; none for fewer than two texts.
pub fn diversity(texts: &[Vec<&str>]) -> Option<f64> {
    if texts.len() < 2 {
        return None;
    }
    let of_one = |index: usize| {
        let others: Vec<&[&str]> = texts
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, text)| text.as_slice())
            .collect();
        bleu(&texts[index], &others)
    };
    let self_bleu = (0..texts.len()).map(of_one).sum::<f64>() / texts.len() as f64;
    Some((1.0 - self_bleu).clamp(0.0, 1.0))
}

/// BLEU (Papineni et al. 2002) of a text against others, with n-grams up to four words or the length of the text. 0 where
/// they share no word.
fn bleu(text: &[&str], references: &[&[&str]]) -> f64 {
    let longest = LONGEST.min(text.len());
    let mut logarithms = 0.0;
    for n in 1..=longest {
        let matches = clipped_matches(text, references, n);
        if n == 1 && matches == 0 {
            return 0.0;
        }
        let counted = if matches == 0 { NO_MATCH } else { matches as f64 };
        logarithms += (counted / (text.len() - n + 1) as f64).ln();
    }
    if longest == 0 {
        return 0.0;
    }
    brevity_penalty(text.len(), references) * (logarithms / longest as f64).exp()
}

/// N-grams of a text that are in a reference too, each at most as often as in the reference that has it most often.
fn clipped_matches(text: &[&str], references: &[&[&str]], n: usize) -> usize {
    let references: Vec<HashMap<&[&str], usize>> =
        references.iter().map(|reference| counts(reference, n)).collect();
    let most = |gram: &[&str]| references.iter().filter_map(|counts| counts.get(gram)).max().copied();
    counts(text, n).into_iter().map(|(gram, count)| count.min(most(gram).unwrap_or(0))).sum()
}

fn counts<'a, 'b>(text: &'a [&'b str], n: usize) -> HashMap<&'a [&'b str], usize> {
    let mut counts = HashMap::new();
    for gram in text.windows(n) {
        *counts.entry(gram).or_insert(0) += 1;
    }
    counts
}

/// Against texts that are shorter than the reference nearest in length; of two as near, the shorter counts.
fn brevity_penalty(length: usize, references: &[&[&str]]) -> f64 {
    let lengths = references.iter().map(|reference| reference.len());
    let nearest = lengths.min_by_key(|reference| (reference.abs_diff(length), *reference)).unwrap_or(0);
    match length > nearest {
        true => 1.0,
        false => (1.0 - nearest as f64 / length as f64).exp(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        texts: Vec<Vec<String>>,
        bleu: Vec<f64>,
        diversity: f64,
    }

    #[test]
    fn self_bleu_is_that_of_the_golden_file() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/self-bleu.json");
        let cases: Vec<Golden> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(cases.len() > 9);
        for case in cases {
            let texts: Vec<Vec<&str>> =
                case.texts.iter().map(|text| text.iter().map(String::as_str).collect()).collect();
            for (index, expected) in case.bleu.iter().enumerate() {
                let others: Vec<&[&str]> = (0..texts.len())
                    .filter(|other| *other != index)
                    .map(|other| texts[other].as_slice())
                    .collect();
                assert!((bleu(&texts[index], &others) - expected).abs() < 1e-12, "{:?}", texts[index]);
            }
            assert!((diversity(&texts).unwrap() - case.diversity).abs() < 1e-12, "{texts:?}");
        }
    }

    #[test]
    fn one_text_has_no_diversity() {
        assert_eq!(diversity(&[]), None);
        assert_eq!(diversity(&[vec!["a", "film"]]), None);
    }

    #[test]
    fn distance_is_counted_in_words_of_the_original() {
        let original = ["a", "good", "film", "."];
        assert_eq!(edit_distance(&original, &["a", "bad", "film", "."]), 0.25);
        assert_eq!(edit_distance(&original, &["a", "film", "."]), 0.25);
        assert_eq!(edit_distance(&original, &["a", "not", "so", "good", "film", "."]), 0.5);
        assert_eq!(edit_distance(&original, &[]), 1.0);
    }

    #[test]
    fn closeness_is_the_cosine_of_means() {
        let rows: [&[f32]; 4] = [&[1.0, 0.0], &[0.0, 1.0], &[3.0, 3.0], &[-2.0, -2.0]];
        let of = |original: &[usize], new: &[usize]| {
            closeness(original.iter().map(|row| rows[*row]), new.iter().map(|row| rows[*row]))
        };
        assert!((of(&[0, 1], &[2]) - 1.0).abs() < 1e-12);
        assert!((of(&[0], &[2]) - 0.5f64.sqrt()).abs() < 1e-12);
        assert!((of(&[0, 1], &[3]) + 1.0).abs() < 1e-12);
        assert_eq!(of(&[0], &[1]), 0.0);
        assert_eq!(of(&[0], &[]), 0.0);
    }

    fn text() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(vec!["a", "good", "bad", "film", "play", "."]), 1..9)
    }

    proptest! {
        #[test]
        fn words_apart_are_a_metric(first in text(), second in text(), third in text()) {
            prop_assert_eq!(words_apart(&first, &second), words_apart(&second, &first));
            prop_assert_eq!(words_apart(&first, &second) == 0, first == second);
            prop_assert!(words_apart(&first, &third) <= words_apart(&first, &second) + words_apart(&second, &third));
            prop_assert_eq!(edit_distance(&first, &first), 0.0);
        }

        #[test]
        fn diversity_is_a_share_and_the_same_in_any_order(mut texts in prop::collection::vec(text(), 2..5)) {
            let share = diversity(&texts).unwrap();
            prop_assert!((0.0..=1.0).contains(&share));
            texts.reverse();
            prop_assert!((diversity(&texts).unwrap() - share).abs() < 1e-12);
        }

        #[test]
        fn texts_that_are_all_alike_have_no_diversity(text in text(), copies in 2usize..5) {
            prop_assert!(diversity(&vec![text; copies]).unwrap() < 1e-12);
        }

        #[test]
        fn closeness_is_a_cosine(values in prop::collection::vec(-9f32..9.0, 12)) {
            let rows: Vec<&[f32]> = values.chunks(3).collect();
            let of = |a: &[&[f32]], b: &[&[f32]]| closeness(a.iter().copied(), b.iter().copied());
            let (first, second) = rows.split_at(2);
            prop_assert!((-1.0..=1.0).contains(&of(first, second)));
            prop_assert_eq!(of(first, second).to_bits(), of(second, first).to_bits());
        }
    }
}
