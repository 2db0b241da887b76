//! PostgreSQL: one database for many servers.
//!
//! Nothing here waits for long: a database that is away, slow or half there is told of within seconds, and
//! what asked goes on without it. Connections of before a failure are not used after it: the other end of
//! one may be gone without a word.

mod answers;
mod concepts;
mod datasets;
mod jobs;
mod queue;
mod removal;
mod rows;

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use apalis_postgres::PostgresStorage;
use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Executor, Row};
use tokio::time::timeout;
use uuid::Uuid;

use super::integrity::recipe;
use super::{Found, Kept, Milliseconds, News, OpenError, Removed, Store, StoreError, StoredResponse, Writes};
use crate::identity::{ResponseId, ResultKey};
use removal::{Heard, REMOVED_AT_ONCE};
use rows::{found, listed, result_key, write_all};

/// The schema, one file a version.
pub static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Connections of one server: it writes from one task, and reads are short.
const CONNECTIONS: u32 = 8;

/// How long a request waits for a connection.
const TO_CONNECT: Duration = Duration::from_secs(1);

/// How long anything may take that is not a change of the schema.
const TO_ANSWER: Duration = Duration::from_secs(5);

/// How long the schema may take, with other servers at it before.
const TO_MIGRATE: Duration = Duration::from_secs(120);

/// What every connection begins with. PostgreSQL gives up before we do, and never keeps rows locked for a
/// server that has gone.
const SESSION: &str = "SET statement_timeout = '4s'; SET lock_timeout = '3s'; \
    SET idle_in_transaction_session_timeout = '10s'";

const REMEDY: &str = "mend the URL or the database, or go without one with --database-url memory";

/// A database that may be there.
pub struct PostgresStore {
    options: PgConnectOptions,
    /// Replaced when its connections can no longer be trusted.
    pool: Mutex<PgPool>,
    /// This server, from this start on.
    holder: Uuid,
    /// Whether the schema was brought up to date.
    is_prepared: AtomicBool,
    heard: tokio::sync::Mutex<Option<Heard>>,
}

impl PostgresStore {
    /// Opens a database and brings its schema up to date. If it cannot be reached at present, it is taken up
    /// later, by [`Store::probe`]; what stood in the way is given beside the store. Needs to be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// A URL that is none, a password that is not taken, a database that does not exist, a schema of a later
    /// version of the program: what waiting does not mend.
    pub async fn open(url: &str) -> Result<(Self, Option<StoreError>), OpenError> {
        let options = PgConnectOptions::from_str(url).map_err(|_| OpenError {
            // The error may repeat the URL, and with it a password.
            place: "given by the URL".into(),
            problem: "is not a PostgreSQL database: the URL cannot be read".into(),
            remedy: "use postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters percent-encoded",
        })?;
        let options = options.application_name("explaind");
        let store = PostgresStore {
            pool: Mutex::new(pool(&options)),
            options,
            holder: Uuid::now_v7(),
            is_prepared: AtomicBool::new(false),
            heard: tokio::sync::Mutex::new(None),
        };
        let fault = |problem: String| OpenError { place: place_of(&store.options), problem, remedy: REMEDY };
        let outcome = store.prepare().await;
        match outcome {
            Ok(()) => Ok((store, None)),
            Err(PrepareError::Store(error)) if is_out_of_reach(&error) => Ok((store, Some(error))),
            Err(PrepareError::Store(error)) => Err(fault(format!("cannot be used: {error}"))),
            Err(PrepareError::Schema(error)) => Err(fault(format!("has another schema: {error}"))),
        }
    }

    fn pool(&self) -> PgPool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Brings the schema up to date, once.
    async fn prepare(&self) -> Result<(), PrepareError> {
        if self.is_prepared.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Other servers may be at it, and an index over much takes long: these statements have no end of their own.
        let unhurried = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(TO_CONNECT)
            // That something is there already is no news.
            .connect_lazy_with(self.options.clone().options([("client_min_messages", "warning")]));
        let queue = PostgresStorage::migrations();
        let migrating = async {
            MIGRATIONS.run(&unhurried).await?;
            queue.run(&unhurried).await
        };
        let outcome = timeout(TO_MIGRATE, migrating).await;
        tokio::spawn(async move { timeout(TO_ANSWER, unhurried.close()).await });
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(MigrateError::Execute(error))) => return Err(PrepareError::Store(error.into())),
            Ok(Err(error)) => return Err(PrepareError::Schema(error)),
            Err(_) => return Err(PrepareError::Store(StoreError::Silent(TO_MIGRATE))),
        }
        self.is_prepared.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn write_once(&self, writes: &Writes, now: Milliseconds) -> Result<Vec<ResponseId>, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let left_out = write_all(&mut transaction, writes, now).await?;
            transaction.commit().await?;
            Ok(left_out)
        })
        .await
    }

    /// One transaction that removes something and tells of it.
    async fn remove(&self, what: Removal, now: Milliseconds) -> Result<Option<Removed>, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            removal::begin(&mut transaction).await?;
            let removed = match what {
                Removal::Old { not_before } => Some(removal::remove_old(&mut transaction, not_before).await?),
                Removal::LeastUsed { most_bytes } => {
                    Some(removal::remove_least_used(&mut transaction, most_bytes).await?)
                }
                Removal::Deleted(id) => removal::delete(&mut transaction, id).await?,
            };
            if let Some(removed) = &removed {
                let deleted = matches!(what, Removal::Deleted(_));
                removal::tell(&mut transaction, removed, deleted, now).await?;
            }
            transaction.commit().await?;
            Ok(removed)
        })
        .await
    }
}

#[derive(Debug, Clone, Copy)]
enum Removal {
    Old { not_before: Milliseconds },
    LeastUsed { most_bytes: u64 },
    Deleted(ResponseId),
}

enum PrepareError {
    Store(StoreError),
    Schema(MigrateError),
}

#[async_trait]
impl Store for PostgresStore {
    fn place(&self) -> String {
        place_of(&self.options)
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn results(&self, keys: &[ResultKey], not_before: Milliseconds) -> Result<Vec<Found>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(
            "SELECT key, created_at, digest, warnings, body FROM results WHERE key = ANY($1) AND created_at >= $2",
        );
        let rows = query.bind(listed(keys)).bind(not_before);
        let rows = in_time(TO_ANSWER, rows.fetch_all(&self.pool())).await?;
        Ok(rows.iter().map(found).collect::<Result<_, _>>()?)
    }

    async fn response(
        &self,
        id: ResponseId,
        not_before: Milliseconds,
    ) -> Result<Option<StoredResponse>, StoreError> {
        let query =
            sqlx::query("SELECT created_at, shape, keys FROM responses WHERE id = $1 AND created_at >= $2");
        let row = query.bind(&id.0[..]).bind(not_before);
        let Some(row) = in_time(TO_ANSWER, row.fetch_optional(&self.pool())).await? else { return Ok(None) };
        let created_at = row.try_get("created_at")?;
        let recipe = recipe(id, row.try_get("shape")?, row.try_get("keys")?);
        Ok(recipe.map(|recipe| StoredResponse { id, created_at, recipe }))
    }

    async fn write(&self, writes: &Writes, now: Milliseconds) -> Result<Vec<ResponseId>, StoreError> {
        match self.write_once(writes, now).await {
            Err(StoreError::Database(error)) if is_a_clash(&error) => self.write_once(writes, now).await,
            outcome => outcome,
        }
    }

    async fn evict(
        &self,
        most_bytes: u64,
        not_before: Milliseconds,
        now: Milliseconds,
    ) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        loop {
            let removed = self.remove(Removal::Old { not_before }, now).await?.unwrap_or_default();
            let most = removed.results.len().max(removed.responses.len());
            kept.removed.extend(removed);
            if most < REMOVED_AT_ONCE as usize {
                break;
            }
        }
        loop {
            let removed = self.remove(Removal::LeastUsed { most_bytes }, now).await?.unwrap_or_default();
            if removed.is_empty() {
                kept.bytes = self.bytes().await?;
                return Ok(kept);
            }
            kept.removed.extend(removed);
        }
    }

    async fn delete(&self, id: ResponseId, now: Milliseconds) -> Result<Option<Removed>, StoreError> {
        self.remove(Removal::Deleted(id), now).await
    }

    async fn bytes(&self) -> Result<u64, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async { removal::bytes_kept(&mut *pool.acquire().await?).await }).await
    }

    async fn probe(&self, now: Milliseconds) -> Result<(), StoreError> {
        let fresh = pool(&self.options);
        self.prepare().await.map_err(|error| match error {
            PrepareError::Store(error) => error,
            PrepareError::Schema(error) => StoreError::Database(sqlx::Error::Migrate(Box::new(error))),
        })?;
        let write = sqlx::query(
            "INSERT INTO probe (id, written_at) VALUES (1, $1)
             ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at",
        );
        in_time(TO_ANSWER, write.bind(now).execute(&fresh)).await?;
        let old = std::mem::replace(&mut *self.pool.lock().unwrap_or_else(PoisonError::into_inner), fresh);
        // Connections that nobody answers on cannot be closed in an orderly way.
        tokio::spawn(async move { timeout(TO_ANSWER, old.close()).await });
        Ok(())
    }

    fn check_identity(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn claim(&self, keys: &[ResultKey], lease: Duration) -> Result<Vec<ResultKey>, StoreError> {
        let claim = sqlx::query(
            "INSERT INTO computing (key, holder, until)
             SELECT DISTINCT key, $2, now() + make_interval(secs => $3)
             FROM unnest($1::bytea[]) AS new (key) ORDER BY key
             ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until
             WHERE computing.holder = excluded.holder OR computing.until < now()
             RETURNING key",
        );
        let claim = claim.bind(listed(keys)).bind(self.holder).bind(lease.as_secs_f64());
        let rows = in_time(TO_ANSWER, claim.fetch_all(&self.pool())).await?;
        Ok(rows.iter().map(result_key).collect::<Result<_, _>>()?)
    }

    async fn let_go(&self, keys: &[ResultKey]) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM computing WHERE key = ANY($1) AND holder = $2");
        let delete = delete.bind(listed(keys)).bind(self.holder);
        in_time(TO_ANSWER, delete.execute(&self.pool())).await?;
        Ok(())
    }

    async fn news(&self, now: Milliseconds) -> Result<News, StoreError> {
        let mut heard = self.heard.lock().await;
        let (pool, before) = (self.pool(), *heard);
        let (news, now_heard) = in_time(TO_ANSWER, async {
            let mut connection = pool.acquire().await?;
            // What a server that was killed had claimed and nobody has asked for since.
            connection.execute("DELETE FROM computing WHERE until < now() - interval '10 s'").await?;
            removal::news(&mut connection, before, now).await
        })
        .await?;
        *heard = Some(now_heard);
        Ok(news)
    }

    async fn close(&self) {
        let pool = self.pool();
        // What this server was computing, others may take on at once.
        let delete = sqlx::query("DELETE FROM computing WHERE holder = $1").bind(self.holder);
        if let Err(error) = in_time(TO_ANSWER, delete.execute(&pool)).await {
            tracing::debug!(%error, "what was being computed is left to run out");
        }
        if timeout(TO_ANSWER, pool.close()).await.is_err() {
            tracing::warn!("the database was left without a word");
        }
    }
}

/// Connections to be made when they are needed.
fn pool(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(TO_CONNECT)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SESSION).await.map(|_| ()) }))
        .connect_lazy_with(options.clone())
}

async fn in_time<T>(
    most: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match timeout(most, work).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(StoreError::Silent(most)),
    }
}

/// Whether it may be there a little later, without anyone mending anything here.
fn is_out_of_reach(error: &StoreError) -> bool {
    match error {
        StoreError::Silent(_) => true,
        StoreError::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => true,
        // A balancer in front of it takes the connection and closes it.
        StoreError::Database(sqlx::Error::Protocol(_)) => true,
        // It starts, stops, or has no connection free.
        StoreError::Database(sqlx::Error::Database(error)) => {
            error.code().is_some_and(|code| ["57P01", "57P02", "57P03", "53300"].contains(&&*code))
        }
        _ => false,
    }
}

/// Whether two servers were in each other's way, and one of them was asked to come again.
fn is_a_clash(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["40001", "40P01"].contains(&&*code))
}

/// Host, port and database.
fn place_of(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    format!("postgres://{host}/{}", options.get_database().unwrap_or(options.get_username()))
}
