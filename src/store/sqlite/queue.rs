//! The queue in SQLite: the tables of `apalis-sqlite`, in the same file, over connections of its own.

use apalis_core::backend::{TaskSinkError, WorkerFilter};
use apalis_core::error::WorkerError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_sqlite::queries::reenqueue_orphaned;
use apalis_sqlite::{Config, SqliteStorage};
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqlitePool;
use tokio::sync::watch;
use tower::limit::ConcurrencyLimitLayer;

use super::SqliteStore;
use super::transaction::Transaction;
use crate::store::StoreError;
use crate::store::jobs::JobId;
use crate::store::queue::{
    Chunk, ChunkHandler, ChunkQueue, DEAD_AFTER, HEARTBEAT, QUEUE, Queued, call, push, told_to_stop,
    worker_name,
};

/// Where it is noted which of the queue's tables are there, beside where ours are.
const MIGRATIONS_TABLE: &str = "queue_migrations";

const REMOVE_TASKS: &str = "DELETE FROM Jobs WHERE id IN (
    SELECT id FROM Jobs
    WHERE job_type = ? AND status IN ('Done', 'Killed') AND done_at < strftime('%s', 'now') - 600 LIMIT 500
)";

const REMOVE_WORKERS: &str = "DELETE FROM Workers WHERE worker_type = ?
    AND last_seen < strftime('%s', 'now') - 600
    AND NOT EXISTS (SELECT 1 FROM Jobs WHERE lock_by = Workers.id)";

/// Makes the queue's tables.
pub async fn prepare(writer: &SqlitePool) -> Result<(), MigrateError> {
    let mut migrations: Migrator = SqliteStorage::migrations();
    migrations.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrations.run(writer).await
}

#[async_trait]
impl ChunkQueue for SqliteStore {
    async fn enqueue(&self, job: JobId, chunks: Vec<Queued>) -> Result<(), StoreError> {
        let pool = self.queue_pool();
        let outcome = push(&mut backend(&pool), job, chunks).await;
        pool.close().await;
        match outcome {
            Ok(()) => Ok(()),
            Err(TaskSinkError::PushError(apalis_sqlite::Error::Database(error))) => Err(error.into()),
            Err(error) => Err(StoreError::Queue(error.to_string())),
        }
    }

    async fn work(
        &self,
        at_a_time: usize,
        handler: ChunkHandler,
        stop: watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let pool = self.queue_pool();
        // The file is this server's own: whoever had taken something before is gone.
        let outcome = reenqueue_orphaned(&pool, 0, QUEUE, &WorkerFilter::None).await;
        let outcome = match outcome {
            Err(error) => Err(error.into()),
            Ok(_) => {
                let outcome = working(backend(&pool), at_a_time, handler, stop).await;
                outcome.map_err(|error| StoreError::Queue(error.to_string()))
            }
        };
        pool.close().await;
        outcome
    }

    async fn sweep_queue(&self) -> Result<(), StoreError> {
        for statement in [REMOVE_TASKS, REMOVE_WORKERS] {
            let mut transaction = Transaction::begin(&self.writer).await?;
            let outcome = sqlx::query(statement).bind(QUEUE).execute(&mut *transaction.connection).await;
            transaction.end(outcome).await?;
        }
        Ok(())
    }
}

/// apalis' worker, its type forgotten: it is more than the compiler can see through.
fn working(
    backend: SqliteStorage<Chunk>,
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

fn backend(pool: &SqlitePool) -> SqliteStorage<Chunk> {
    let missed = DEAD_AFTER.as_secs() / HEARTBEAT.as_secs();
    // One at a time: what is taken in advance keeps a worker from saying that it is alive.
    let config = Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .lock_tasks(false)
        .heartbeat_interval(HEARTBEAT)
        .missed_heartbeats(missed as usize);
    SqliteStorage::new(pool).with_config(config)
}
