//! Ways back through recorded passes, window by window.

use std::sync::Arc;

use crate::explain::method::ExplainError;
use crate::explain::{Passes, Subject};

/// Records windows of a text by their indices, and hands back from each record for each class: `[class][window]`.
/// `passes` says what a record takes, and what a way back. No more records are in memory than are made at one time.
///
/// # Errors
/// Those of `record` and `back`; [`ExplainError::Cancelled`].
pub fn handed_back<R, T>(
    subject: &Subject,
    windows: &[usize],
    classes: &[usize],
    passes: (Passes, Passes),
    record: impl Fn(usize) -> Result<R, ExplainError> + Clone + Send + Sync + 'static,
    back: impl Fn(usize, &R, usize) -> Result<T, ExplainError> + Clone + Send + Sync + 'static,
) -> Result<Vec<Vec<(usize, T)>>, ExplainError>
where
    R: Send + Sync + 'static,
    T: Send + 'static,
{
    let (forward, backward) = passes;
    let mut by_class: Vec<Vec<(usize, T)>> = classes.iter().map(|_| Vec::new()).collect();
    for some in windows.chunks(subject.crew_members().max(1)) {
        let records = subject.map(some.to_vec(), |_| forward, record.clone())?;
        let items = some.iter().zip(records.into_iter().map(Arc::new));
        let items: Vec<(usize, Arc<R>, usize)> = items
            .flat_map(|(window, record)| classes.iter().map(move |class| (*window, record.clone(), *class)))
            .collect();
        let back = back.clone();
        let handed =
            subject.map(items, |_| backward, move |(window, record, class)| back(window, &record, class))?;
        for (index, of_class) in handed.into_iter().enumerate() {
            by_class[index % classes.len()].push((some[index / classes.len()], of_class));
        }
    }
    Ok(by_class)
}
