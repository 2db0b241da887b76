//! SQLite: one file, one writer, many readers, in write-ahead mode.
//!
//! What is committed survives the end of the process, however it ends. `synchronous = NORMAL` does not
//! wait for the disk at every commit: when the machine itself loses power, the last moments may be
//! missing, and never a part of a transaction.

mod answers;
mod concepts;
mod datasets;
mod eviction;
mod jobs;
mod queue;
mod rows;
mod transaction;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use eviction::{EVICTED_AT_ONCE, delete, remove_least_used, remove_old};
use rows::{found, write_all};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Executor, QueryBuilder, Row, Sqlite};
use transaction::Transaction;

use super::integrity::{RESPONSE_BYTES, recipe};
use super::{Found, Kept, Milliseconds, News, OpenError, Removed, Store, StoreError, StoredResponse, Writes};
use crate::identity::{ResponseId, ResultKey};

/// The schema, one file a version.
pub static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a statement waits for another process that holds the file. A request waits no longer for
/// its cache than this.
const BUSY: Duration = Duration::from_secs(1);

/// How long the queue waits for it: nobody waits for the queue.
const QUEUE_BUSY: Duration = Duration::from_secs(10);

const READERS: u32 = 4;

/// Free pages given back to the file system after something was removed (of 4 KiB each).
const PAGES_GIVEN_BACK: u32 = 4096;

const REMEDY: &str = "move it away, name another with --database-url sqlite:PATH, or go without one with --database-url memory";

/// An open database.
pub struct SqliteStore {
    path: PathBuf,
    options: SqliteConnectOptions,
    identity: (u64, u64),
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens a database file, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// A directory that cannot be made, a file that is no database, is damaged, comes from a later
    /// version of the program or cannot be written to.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let fault =
            |problem: String| OpenError { place: path.display().to_string(), problem, remedy: REMEDY };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory)
                .map_err(|error| fault(format!("needs the directory {}: {error}", directory.display())))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .busy_timeout(BUSY)
            .pragma("journal_size_limit", "67108864");
        let pool =
            |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(2 * BUSY);
        let opened = |error: sqlx::Error| fault(format!("cannot be opened: {}", told(&error)));
        let writer = pool(1).connect_with(options.clone().create_if_missing(true)).await.map_err(opened)?;
        check_whole(&writer).await.map_err(fault)?;
        MIGRATIONS.run(&writer).await.map_err(|error| fault(format!("has another schema: {error}")))?;
        queue::prepare(&writer).await.map_err(|error| fault(format!("has another queue: {error}")))?;
        // `read_only` would keep the readers from making the shared-memory file that write-ahead mode needs.
        let options = options.create_if_missing(false);
        let readers =
            pool(READERS).connect_with(options.clone().pragma("query_only", "ON")).await.map_err(opened)?;
        let identity = identity(path).unwrap_or_default();
        let store = SqliteStore { path: path.to_owned(), options, identity, writer, readers };
        store.probe(0).await.map_err(|error| fault(format!("cannot be written to: {error}")))?;
        Ok(store)
    }

    /// A connection for the queue, which begins and ends transactions of its own.
    fn queue_pool(&self) -> SqlitePool {
        let options = self.options.clone().busy_timeout(QUEUE_BUSY);
        SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options)
    }

    /// Gives free pages back to the file system.
    async fn give_back_pages(&self) -> Result<(), StoreError> {
        let give_back = format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})");
        self.writer.execute(sqlx::AssertSqlSafe(give_back)).await?;
        Ok(())
    }

    /// Removes some of what is older than `not_before`.
    async fn remove_old(&self, not_before: Milliseconds) -> Result<Removed, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = remove_old(&mut transaction.connection, not_before).await;
        transaction.end(outcome).await
    }

    /// Removes the results not used for longest, `excess` bytes of them at least or as many as go at
    /// once, and every response that was last used no later: those may need what is gone.
    async fn remove_least_used(&self, excess: u64) -> Result<Removed, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = remove_least_used(&mut transaction.connection, excess).await;
        transaction.end(outcome).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// Another server may have the file open, but nobody waits for the other's work.
    fn is_shared(&self) -> bool {
        false
    }

    async fn results(&self, keys: &[ResultKey], not_before: Milliseconds) -> Result<Vec<Found>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT key, created_at, digest, warnings, body FROM results WHERE created_at >= ",
        );
        query.push_bind(not_before).push(" AND key IN (");
        let mut list = query.separated(", ");
        keys.iter().for_each(|key| {
            list.push_bind(key.0.to_vec());
        });
        query.push(")");
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(found).collect::<Result<_, _>>()?)
    }

    async fn response(
        &self,
        id: ResponseId,
        not_before: Milliseconds,
    ) -> Result<Option<StoredResponse>, StoreError> {
        let row =
            sqlx::query("SELECT created_at, shape, keys FROM responses WHERE id = ? AND created_at >= ?")
                .bind(id.0.to_vec())
                .bind(not_before)
                .fetch_optional(&self.readers)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let created_at = row.try_get("created_at")?;
        let recipe = recipe(id, row.try_get("shape")?, row.try_get("keys")?);
        Ok(recipe.map(|recipe| StoredResponse { id, created_at, recipe }))
    }

    async fn write(&self, writes: &Writes, now: Milliseconds) -> Result<Vec<ResponseId>, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = write_all(&mut transaction.connection, writes, now).await;
        transaction.end(outcome).await
    }

    async fn evict(
        &self,
        most_bytes: u64,
        not_before: Milliseconds,
        _now: Milliseconds,
    ) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        loop {
            let removed = self.remove_old(not_before).await?;
            let most = removed.results.len().max(removed.responses.len());
            let all = most < EVICTED_AT_ONCE as usize;
            kept.removed.extend(removed);
            if all {
                break;
            }
        }
        loop {
            kept.bytes = self.bytes().await?;
            if kept.bytes <= most_bytes {
                break;
            }
            let removed = self.remove_least_used(kept.bytes - most_bytes).await?;
            if removed.is_empty() {
                break;
            }
            kept.removed.extend(removed);
        }
        if !kept.removed.results.is_empty() {
            self.give_back_pages().await?;
        }
        Ok(kept)
    }

    async fn bytes(&self) -> Result<u64, StoreError> {
        let query =
            "SELECT (SELECT coalesce(sum(bytes), 0) FROM results) + ? * (SELECT count(*) FROM responses)";
        let sum: i64 = sqlx::query_scalar(query).bind(RESPONSE_BYTES).fetch_one(&self.writer).await?;
        Ok(sum.max(0) as u64)
    }

    async fn probe(&self, now: Milliseconds) -> Result<(), StoreError> {
        self.check_identity()?;
        let mut transaction = Transaction::begin(&self.writer).await?;
        let write = sqlx::query(
            "INSERT INTO probe (id, written_at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at",
        );
        let outcome = write.bind(now).execute(&mut *transaction.connection).await;
        transaction.end(outcome).await?;
        Ok(())
    }

    fn check_identity(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Some(identity) if identity == self.identity => Ok(()),
            _ => Err(StoreError::Replaced),
        }
    }

    async fn close(&self) {
        self.readers.close().await;
        if let Err(error) = self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").await {
            tracing::warn!(%error, "the database's log stays beside it; the next start takes it up");
        }
        self.writer.close().await;
    }

    async fn delete(&self, id: ResponseId, _now: Milliseconds) -> Result<Option<Removed>, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = delete(&mut transaction.connection, id).await;
        transaction.end(outcome).await
    }

    async fn claim(&self, keys: &[ResultKey], _lease: Duration) -> Result<Vec<ResultKey>, StoreError> {
        Ok(keys.to_vec())
    }

    async fn let_go(&self, _keys: &[ResultKey]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn news(&self, _now: Milliseconds) -> Result<News, StoreError> {
        Ok(News::none())
    }
}

/// Device and number of a file; none if there is no file.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Elsewhere a file that is open cannot be replaced.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|_| (0, 0))
}

/// Reads the whole file: damage is better known before the first request than at the thousandth.
async fn check_whole(writer: &SqlitePool) -> Result<(), String> {
    let verdict: Result<String, sqlx::Error> =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(writer).await;
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(format!("is damaged: {}", verdict.replace('\n', " "))),
        Err(error) => Err(format!("is damaged: {}", told(&error))),
    }
}

/// SQLite's own words, without sqlx's frame around them.
fn told(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    }
}
