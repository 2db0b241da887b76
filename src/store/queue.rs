//! The queue of jobs' chunks, which all servers of a database take from: apalis, on the database that there is.
//!
//! It delivers a chunk at least once. A server that takes one says every second that it is alive; when it has not
//! done so for [`DEAD_AFTER`], its chunks are given to others. What must not happen twice is the answers' matter
//! ([`super::jobs`]), so a chunk that comes twice does no harm, and the queue need not be asked whether one is
//! done.
//!
//! After any failure a worker ends; whoever runs it begins anew under another name, so that what the old one had
//! taken, even without knowing it, is given to others too.

use std::sync::Arc;
use std::time::Duration;

use apalis_core::backend::{BackendConfig, TaskSink, finalize::Durable};
use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::data::Data;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::StoreError;
use super::jobs::JobId;

/// The queue's name in the database.
pub(super) const QUEUE: &str = "explaind";

/// How often a worker says that it is alive, and looks for something to do.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// A worker that has been silent for so long is dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(6);

/// What no number of chunks comes near to: the first is to be the most urgent.
const FIRST: u64 = 1 << 30;

/// Some rows of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The job.
    pub job: Uuid,
    /// The number of its first row.
    pub first: u64,
    /// How many rows.
    pub rows: u64,
}

/// A chunk with its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// The chunk.
    pub chunk: Chunk,
    /// Chunks of a lower turn are taken first.
    pub turn: u64,
}

/// A chunk was not done, and is for others to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("given back")]
pub struct GivenBack;

/// Does chunks.
pub trait DoChunk: Send + Sync {
    /// Does one.
    fn do_chunk(self: Arc<Self>, chunk: Chunk) -> BoxFuture<'static, Result<(), GivenBack>>;
}

/// Who does chunks.
#[derive(Clone)]
pub struct ChunkHandler(pub Arc<dyn DoChunk>);

/// A queue in a database.
#[async_trait]
pub trait ChunkQueue: Send + Sync {
    /// Puts all chunks of a job into the queue; does nothing if they are there.
    ///
    /// # Errors
    /// None is in the queue.
    async fn enqueue(&self, job: JobId, chunks: Vec<Queued>) -> Result<(), StoreError>;

    /// Takes chunks and has them done, so many at a time, until it is told to stop. Then those under way are waited
    /// for: whoever does them should see to it that they end.
    ///
    /// # Errors
    /// Anything; what was under way is dropped, and others will do it.
    async fn work(
        &self,
        at_a_time: usize,
        handler: ChunkHandler,
        stop: watch::Receiver<bool>,
    ) -> Result<(), StoreError>;

    /// Removes what is over from the queue.
    ///
    /// # Errors
    /// The database does not answer.
    async fn sweep_queue(&self) -> Result<(), StoreError>;
}

/// How apalis calls a handler.
pub(super) async fn call(chunk: Chunk, handler: Data<ChunkHandler>) -> Result<(), BoxDynError> {
    let ChunkHandler(handler) = (*handler).clone();
    Ok(handler.do_chunk(chunk).await?)
}

/// Puts chunks into a backend of apalis, all of them or none.
pub(super) async fn push<B>(
    backend: &mut B,
    job: JobId,
    chunks: Vec<Queued>,
) -> Result<(), PushError<B::Error>>
where
    B: TaskSink<Chunk, Durable> + BackendConfig<Args = Chunk> + Send,
{
    let tasks = chunks.into_iter().map(|queued| task(job, queued));
    backend.push_all(stream::iter(tasks)).await
}

/// Why chunks could not be put into the queue.
pub(super) type PushError<E> = apalis_core::backend::TaskSinkError<E>;

fn task(job: JobId, Queued { chunk, turn }: Queued) -> Task<Chunk> {
    // To apalis the greater number is the more urgent, and a task that was once given has been tried once.
    let priority = usize::try_from(FIRST.saturating_sub(turn)).unwrap_or_default();
    TaskBuilder::new(chunk)
        .priority(priority)
        .max_attempts(i32::MAX as usize)
        .idempotency_key(format!("{job}/{}", chunk.first))
        .build()
}

/// Completes when it is time to stop.
pub(super) async fn told_to_stop(mut stop: watch::Receiver<bool>) -> Result<(), std::io::Error> {
    // Nobody left who could tell is as good as being told.
    let _ = stop.wait_for(|stop| *stop).await;
    Ok(())
}

/// A name that no worker had before.
pub(super) fn worker_name() -> String {
    format!("explaind-{}", Uuid::now_v7())
}
