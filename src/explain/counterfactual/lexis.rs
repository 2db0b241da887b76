//! Words as embeddings of the model that is asked.

use std::ops::Range;
use std::sync::Arc;

use super::units::{is_grammatical, says_something};
use crate::explain::{ExplainError, Passes, Subject};
use crate::model::{Model, Text};

/// A word of a vocabulary.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub id: u32,
    pub text: Arc<str>,
    /// Whether it says something by itself.
    pub is_content: bool,
}

/// The whole words of a vocabulary that can stand in a text, by rising id.
///
/// # Errors
/// As [`Subject::map`].
pub(super) fn vocabulary(subject: &Subject, model: &Arc<Model>) -> Result<Arc<Vec<Entry>>, ExplainError> {
    let read = |model: Arc<Model>| {
        let words = model.whole_words().iter().filter(|(_, text)| says_something(text));
        let entry = |(id, text): (u32, &str)| Entry {
            id,
            text: text.into(),
            is_content: !is_grammatical(&text.to_lowercase()),
        };
        Ok(Arc::new(words.map(entry).collect::<Vec<_>>()))
    };
    let mut vocabularies = subject.map(vec![model.clone()], |_| Passes::NONE, read)?;
    vocabularies.pop().ok_or(ExplainError::Cancelled)
}

/// The mean word embedding of a word's tokens; none where the tokenizer makes none of it.
pub(super) fn embedding(model: &Model, word: &str) -> Option<Vec<f32>> {
    let ids = match model.whole_words().id(word) {
        Some(id) => vec![id],
        None => {
            let encoded = model.encode(Text { first: word, second: None }, false).ok()?;
            let own = encoded.tokens.iter().zip(&encoded.ids).filter(|(token, _)| !token.special);
            own.map(|(_, id)| *id).collect()
        }
    };
    let rows = model.encoder().word_embeddings(&ids).ok()?;
    Some(mean(&rows, model.config().hidden_size, 0..ids.len()))
}

/// The mean of some rows `[rows, width]`.
pub(super) fn mean(values: &[f32], width: usize, rows: Range<usize>) -> Vec<f32> {
    let count = rows.len().max(1) as f64;
    let of_unit = |unit: usize| {
        let sum: f64 = rows.clone().map(|row| f64::from(values[row * width + unit])).sum();
        (sum / count) as f32
    };
    (0..width).map(of_unit).collect()
}

/// The scalar product.
pub(super) fn dot(first: &[f32], second: &[f32]) -> f64 {
    first.iter().zip(second).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The cosine of the angle between two vectors; 0 where either has no length.
pub(super) fn cosine(first: &[f32], second: &[f32]) -> f64 {
    let lengths = (dot(first, first) * dot(second, second)).sqrt();
    if lengths > 0.0 { dot(first, second) / lengths } else { 0.0 }
}

/// The words of a vocabulary whose embeddings have the largest products with a slope, the best first; of those that suit.
///
/// # Errors
/// Ids outside of the vocabulary.
pub(super) fn most_gaining(
    model: &Model,
    vocabulary: &[Entry],
    slope: &[f32],
    most: usize,
    suits: impl Fn(&[f32]) -> bool,
) -> Result<Vec<(Arc<str>, f64)>, ExplainError> {
    let ids: Vec<u32> = vocabulary.iter().map(|entry| entry.id).collect();
    let mut gains: Vec<(f64, usize)> = Vec::new();
    for (start, some) in ids.chunks(ROWS_AT_A_TIME).enumerate() {
        let rows = model.encoder().word_embeddings(some)?;
        let rows = rows.chunks_exact(slope.len().max(1)).enumerate().filter(|(_, row)| suits(row));
        gains.extend(rows.map(|(row, values)| (dot(values, slope), start * ROWS_AT_A_TIME + row)));
    }
    gains.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let best = gains.into_iter().take(most);
    Ok(best.map(|(gain, index)| (vocabulary[index].text.clone(), gain)).collect())
}

/// Embeddings that are copied at a time.
const ROWS_AT_A_TIME: usize = 1024;
