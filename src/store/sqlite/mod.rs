//! SQLite: one file, one writer, many readers, in write-ahead mode.
//!
//! What is committed survives the end of the process, however it ends. `synchronous = NORMAL` does not
//! wait for the disk at every commit: when the machine itself loses power, the last moments may be
//! missing, and never a part of a transaction.

mod eviction;
mod rows;
mod transaction;

use std::path::{Path, PathBuf};
use std::time::Duration;

use eviction::{EVICTED_AT_ONCE, Removed, remove_least_used, remove_old};
use rows::{found, write_all};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Executor, QueryBuilder, Row, Sqlite};
use transaction::Transaction;

use super::{Found, Kept, Milliseconds, OpenError, StoreError, StoredResponse, Writes};
use crate::identity::{Recipe, ResponseId, ResultKey, Shape};

/// The schema, one file a version.
pub static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a statement waits for another process that holds the file. A request waits no longer for
/// its cache than this.
const BUSY: Duration = Duration::from_secs(1);

const READERS: u32 = 4;

/// Free pages given back to the file system after an eviction (of 4 KiB each).
const PAGES_GIVEN_BACK: u32 = 4096;

/// What a response takes, about.
const RESPONSE_BYTES: i64 = 400;

const REMEDY: &str = "move it away, name another with --database-url sqlite:PATH, or go without one with --database-url memory";

/// An open database.
pub struct SqliteStore {
    path: PathBuf,
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
        let fault = |problem: String| OpenError { path: path.display().to_string(), problem, remedy: REMEDY };
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
        // `read_only` would keep the readers from making the shared-memory file that write-ahead mode needs.
        let readers = pool(READERS)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await
            .map_err(opened)?;
        let identity = identity(path).unwrap_or_default();
        let store = SqliteStore { path: path.to_owned(), identity, writer, readers };
        store.probe(0).await.map_err(|error| fault(format!("cannot be written to: {error}")))?;
        Ok(store)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The results that are there of these, none older than `not_before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn results(
        &self,
        keys: &[ResultKey],
        not_before: Milliseconds,
    ) -> Result<Vec<Found>, StoreError> {
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

    /// How a response is put together, if it was given before and no longer ago than `not_before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn response(
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
        let keys: &[u8] = row.try_get("keys")?;
        let keys = keys.as_chunks::<32>().0.iter().map(|key| ResultKey(*key)).collect();
        let shape = Shape::named(row.try_get("shape")?);
        let recipe = shape.map(|shape| Recipe { shape, keys });
        // A recipe that does not give its own id is damaged: as good as none.
        let Some(recipe) = recipe.filter(|recipe| recipe.id() == id) else { return Ok(None) };
        Ok(Some(StoredResponse { id, created_at: row.try_get("created_at")?, recipe }))
    }

    /// Writes in one transaction; once this returns, what was written survives the process. Gives the
    /// responses that were left out because one of their results is not here (any more).
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn write(&self, writes: &Writes, now: Milliseconds) -> Result<Vec<ResponseId>, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = write_all(&mut transaction.connection, writes, now).await;
        transaction.end(outcome).await
    }

    /// Removes what is older than `not_before`, then what was not used for longest until at most
    /// `most_bytes` of results are left.
    ///
    /// # Errors
    /// The database does not answer; what was removed before stays removed.
    pub async fn evict(&self, most_bytes: u64, not_before: Milliseconds) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        loop {
            let removed = self.remove_old(not_before).await?;
            let all =
                removed.0.len() < EVICTED_AT_ONCE as usize && removed.1.len() < EVICTED_AT_ONCE as usize;
            kept.results.extend(removed.0);
            kept.responses.extend(removed.1);
            if all {
                break;
            }
        }
        loop {
            kept.bytes = self.bytes().await?;
            if kept.bytes <= most_bytes {
                break;
            }
            let (results, responses) = self.remove_least_used(kept.bytes - most_bytes).await?;
            if results.is_empty() && responses.is_empty() {
                break;
            }
            kept.results.extend(results);
            kept.responses.extend(responses);
        }
        if !kept.results.is_empty() {
            let give_back = format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})");
            self.writer.execute(sqlx::AssertSqlSafe(give_back)).await?;
        }
        Ok(kept)
    }

    /// Bytes of all results and responses with what their rows take.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn bytes(&self) -> Result<u64, StoreError> {
        let query =
            "SELECT (SELECT coalesce(sum(bytes), 0) FROM results) + ? * (SELECT count(*) FROM responses)";
        let sum: i64 = sqlx::query_scalar(query).bind(RESPONSE_BYTES).fetch_one(&self.writer).await?;
        Ok(sum.max(0) as u64)
    }

    /// Writes something small, in the way that everything is written, to see whether it can be done.
    ///
    /// # Errors
    /// It cannot, or the file is no longer the one that was opened.
    pub async fn probe(&self, now: Milliseconds) -> Result<(), StoreError> {
        self.check_identity()?;
        let mut transaction = Transaction::begin(&self.writer).await?;
        let write = sqlx::query(
            "INSERT INTO probe (id, written_at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at",
        );
        let outcome = write.bind(now).execute(&mut *transaction.connection).await;
        transaction.end(outcome).await?;
        Ok(())
    }

    /// Whether the file is still the one that was opened: what is written to a file that was removed or
    /// replaced is lost.
    ///
    /// # Errors
    /// It is another one, or none.
    pub fn check_identity(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Some(identity) if identity == self.identity => Ok(()),
            _ => Err(StoreError::Replaced),
        }
    }

    /// Brings everything into the main file and lets go of it.
    pub async fn close(&self) {
        self.readers.close().await;
        if let Err(error) = self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").await {
            tracing::warn!(%error, "the database's log stays beside it; the next start takes it up");
        }
        self.writer.close().await;
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
