//! The set that comes with the program. Where its sentences are from stands in `data/reference/README.md`.

use std::sync::LazyLock;

use super::collection::Dataset;
use super::{Fault, Format, Reader, Tally};
use crate::store::Milliseconds;

const CSV: &[u8] = include_bytes!("../../data/reference/movie-review-sentences.csv");

const NAME: &str = "movie-review-sentences";

const SOURCE: &str = "Sentences of the Sentence Polarity Dataset v1.0 by Bo Pang and Lillian Lee (2005), \
    https://www.cs.cornell.edu/people/pabo/movie-review-data/, licensed CC BY 4.0";

/// 2026-11-24, 00:00 UTC: when it was put together.
const CREATED_AT: Milliseconds = 1_795_478_400_000;

/// The set with its rows in their canonical form.
pub struct Reference {
    /// What is told of it.
    pub dataset: Dataset,
    /// Its rows, in order.
    pub rows: Vec<Vec<u8>>,
}

/// The set that comes with the program; none if it cannot be read, which a test rules out.
pub fn reference() -> Option<&'static Reference> {
    static REFERENCE: LazyLock<Option<Reference>> = LazyLock::new(|| {
        let read = read();
        if let Err(fault) = &read {
            tracing::error!(%fault, "the set of movie review sentences cannot be read");
        }
        read.ok()
    });
    REFERENCE.as_ref()
}

fn read() -> Result<Reference, Fault> {
    let (mut reader, mut tally, mut numbered) = (Reader::new(Format::Csv), Tally::new(), Vec::new());
    reader.push(CSV, &mut numbered)?;
    reader.end(&mut numbered)?;
    let rows = numbered.iter().map(|row| tally.add(row)).collect::<Result<Vec<_>, _>>()?;
    let (count, bytes) = (tally.rows(), tally.bytes());
    let (id, summary) = tally.finish()?;
    let dataset = Dataset {
        id,
        name: Some(NAME.into()),
        created_at: CREATED_AT,
        rows: count,
        bytes,
        summary,
        source: Some(SOURCE),
        is_bundled: true,
    };
    Ok(Reference { dataset, rows })
}
