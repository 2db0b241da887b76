//! How a job is cut into chunks, and whose turn they are.
//!
//! Every chunk takes about the same time. A chunk's turn is the number of chunks that its job has had before, and a
//! job that comes later begins where the least served of those under way stands: so jobs share the servers equally
//! from then on, whatever their sizes, and none waits for another's end.

use crate::store::jobs::StoredJob;
use crate::store::queue::{Chunk, Queued};
use crate::store::{Store, StoreError};

/// How long a chunk takes on an idle server, about: what is lost when one is killed is less than this, and other
/// servers find enough to take.
const CHUNK_SECONDS: f64 = 2.0;

/// Most rows of a chunk.
const MOST_CHUNK_ROWS: u64 = 256;

/// Most chunks of a job.
const MOST_CHUNKS: u64 = 10_000;

/// How many rows go together, of `rows` that take so many seconds in all.
pub(super) fn chunk_rows(rows: u64, seconds: f64) -> u64 {
    let in_time = CHUNK_SECONDS * rows as f64 / seconds.max(f64::MIN_POSITIVE);
    // A number that is too large for the type becomes its largest.
    (in_time as u64).clamp(1, MOST_CHUNK_ROWS).max(rows.div_ceil(MOST_CHUNKS))
}

/// Puts the chunks of a job into the queue, unless they are there.
pub(super) async fn enqueue(store: &dyn Store, job: &StoredJob) -> Result<(), StoreError> {
    store.enqueue(job.order.id, chunks(job)).await?;
    store.job_is_queued(job.order.id).await
}

fn chunks(job: &StoredJob) -> Vec<Queued> {
    let (all, at_once) = (job.order.rows, job.order.chunk_rows.max(1));
    let chunk = |index: u64| {
        let first = index * at_once;
        let chunk = Chunk { job: job.order.id.0, first, rows: at_once.min(all - first) };
        Queued { chunk, turn: job.head_start + index }
    };
    (0..all.div_ceil(at_once)).map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::DatasetId;
    use crate::store::jobs::{JobId, JobOrder, JobState};

    fn job(rows: u64, chunk_rows: u64) -> StoredJob {
        StoredJob {
            order: JobOrder {
                id: JobId::unique(),
                created_at: 0,
                endpoint: "predict".into(),
                request: b"{}".to_vec(),
                model: "m".into(),
                fingerprint: "f".into(),
                dataset: DatasetId([0; 32]),
                rows,
                chunk_rows,
                estimated_seconds: 1.0,
            },
            state: JobState::Accepted,
            head_start: 7,
            done: 0,
            failed: 0,
            started_at: None,
            progressed_at: None,
            ended_at: None,
        }
    }

    #[test]
    fn every_row_is_in_one_chunk_and_turns_go_up_from_the_head_start() {
        for (rows, at_once) in [(1, 1), (10, 3), (12, 4), (5, 9)] {
            let chunks = chunks(&job(rows, at_once));
            let covered: Vec<u64> = chunks
                .iter()
                .flat_map(|Queued { chunk, .. }| chunk.first..chunk.first + chunk.rows)
                .collect();
            assert_eq!(covered, (0..rows).collect::<Vec<_>>());
            let turns: Vec<u64> = chunks.iter().map(|queued| queued.turn).collect();
            assert_eq!(turns, (7..7 + chunks.len() as u64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_chunk_takes_two_seconds_within_bounds() {
        assert_eq!(chunk_rows(1000, 100.0), 20);
        assert_eq!(chunk_rows(10, 1e6), 1, "one long text is a chunk");
        assert_eq!(chunk_rows(1000, 0.0), MOST_CHUNK_ROWS);
        assert_eq!(chunk_rows(100_000, 1e6), 10, "however long it takes, there are not too many");
    }
}
