//! A summary or an evaluation of a dataset: the job that it is made of is ordered with the first wish, and found with every
//! other.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::engine::Engine;
use crate::identity::DatasetId;
use crate::job::{Job, JobError, Jobs, Order};
use crate::server::desk::HttpDesk;
use crate::server::problem::Problem;
use crate::server::routes::jobs::order::Asked;

/// What the idempotency keys of such jobs begin with.
const PREFIX: &str = "summary-";

/// How often it is looked whether another request has ordered the same job, and how long is waited in between.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The job that asks this about a dataset: there is one for every endpoint, request, model and dataset.
///
/// # Errors
/// It is no id of a dataset, or what an order of a job is refused with.
pub(in crate::server::routes) async fn job(
    engine: &Arc<Engine>,
    dataset: &str,
    asked: Asked,
) -> Result<Job, Problem> {
    let remedy = "send the `id` of a dataset, 64 lower-case hexadecimal digits";
    let dataset = DatasetId::parse(dataset)
        .ok_or_else(|| Problem::invalid("/dataset", "this is no id of a dataset", remedy))?;
    let order = asked.about(dataset);
    let hash = hash(&order);
    let key = format!("{PREFIX}{}", hash.to_hex());
    let jobs = Jobs::of(engine, &HttpDesk);
    for _ in 0..LOOKS {
        match jobs.reserve(key.clone()).await {
            Ok(Ok(reserved)) => return Ok(jobs.order(order, Some((reserved, *hash.as_bytes()))).await?),
            Ok(Err((job, of_job))) if of_job == *hash.as_bytes() => return Ok(job),
            // Somebody has given this key to a job of another kind.
            Ok(Err(_)) => return Err(JobError::KeyOfAnother.into()),
            // The same was asked a moment ago, and is being ordered.
            Err(JobError::KeyInFlight) => sleep(BETWEEN_LOOKS).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(JobError::KeyInFlight.into())
}

/// Of all that is asked. Lengths come before what they are of: no two wishes make the same bytes.
fn hash(order: &Order) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("explaind summary wish v1");
    let fingerprint = order.question.model().fingerprint();
    let fields =
        [order.endpoint.as_bytes(), order.request.as_slice(), fingerprint.as_bytes(), &order.dataset.0];
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes()).update(field);
    }
    hasher.finalize()
}
