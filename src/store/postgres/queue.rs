//! The queue in PostgreSQL: the tables of `apalis-postgres`, in a schema of their own.

use apalis_core::backend::TaskSinkError;
use apalis_core::error::WorkerError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_postgres::{Config, PostgresStorage};
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::PgPool;
use tokio::sync::watch;
use tokio::time::timeout;
use tower::limit::ConcurrencyLimitLayer;

use super::{PostgresStore, TO_ANSWER, in_time, pool};
use crate::store::StoreError;
use crate::store::jobs::JobId;
use crate::store::queue::{
    Chunk, ChunkHandler, ChunkQueue, DEAD_AFTER, HEARTBEAT, QUEUE, Queued, call, push, told_to_stop,
    worker_name,
};

/// What is over is removed after a while, so much at a time.
const REMOVE_TASKS: &str = "DELETE FROM apalis.jobs WHERE id IN (
    SELECT id FROM apalis.jobs
    WHERE job_type = $1 AND status IN ('Done', 'Killed') AND done_at < now() - interval '10 minutes' LIMIT 5000
)";

const REMOVE_WORKERS: &str = "DELETE FROM apalis.workers WHERE worker_type = $1
    AND last_seen < now() - interval '10 minutes'
    AND NOT EXISTS (SELECT 1 FROM apalis.jobs WHERE lock_by = workers.id)";

#[async_trait]
impl ChunkQueue for PostgresStore {
    async fn enqueue(&self, job: JobId, chunks: Vec<Queued>) -> Result<(), StoreError> {
        match push(&mut backend(&self.pool()), job, chunks).await {
            Ok(()) => Ok(()),
            // All go in with one statement: if one is there, so are the others.
            Err(TaskSinkError::PushError(apalis_postgres::Error::Database(sqlx::Error::Database(error))))
                if error.is_unique_violation() =>
            {
                Ok(())
            }
            Err(TaskSinkError::PushError(apalis_postgres::Error::Database(error))) => Err(error.into()),
            Err(error) => Err(StoreError::Queue(error.to_string())),
        }
    }

    async fn work(
        &self,
        at_a_time: usize,
        handler: ChunkHandler,
        stop: watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        // Connections of its own, none of which was there before the last failure.
        let pool = pool(&self.options);
        let outcome = working(backend(&pool), at_a_time, handler, stop).await;
        tokio::spawn(async move { timeout(TO_ANSWER, pool.close()).await });
        outcome.map_err(|error| StoreError::Queue(error.to_string()))
    }

    async fn sweep_queue(&self) -> Result<(), StoreError> {
        for statement in [REMOVE_TASKS, REMOVE_WORKERS] {
            in_time(TO_ANSWER, sqlx::query(statement).bind(QUEUE).execute(&self.pool())).await?;
        }
        Ok(())
    }
}

/// apalis' worker, its type forgotten: it is more than the compiler can see through.
fn working(
    backend: PostgresStorage<Chunk>,
    at_a_time: usize,
    handler: ChunkHandler,
    stop: watch::Receiver<bool>,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    let worker = WorkerBuilder::new(worker_name())
        .backend(backend)
        .layer(ConcurrencyLimitLayer::new(at_a_time))
        .data(handler)
        .build(call);
    worker.run_until(told_to_stop(stop)).boxed()
}

fn backend(pool: &PgPool) -> PostgresStorage<Chunk> {
    let missed = DEAD_AFTER.as_secs() / HEARTBEAT.as_secs();
    // One at a time: what is taken in advance keeps a worker from saying that it is alive.
    let config = Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .lock_tasks(false)
        .heartbeat_interval(HEARTBEAT)
        .missed_heartbeats(missed as usize);
    PostgresStorage::new(pool).with_config(config)
}
