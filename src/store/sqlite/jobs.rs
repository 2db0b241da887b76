//! Jobs in SQLite. The connection that writes is shared with results: every transaction here is short.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqliteExecutor};

use super::transaction::Transaction;
use super::{SqliteStore, answers};
use crate::identity::DatasetId;
use crate::store::datasets::{Portion, signed, unsigned};
use crate::store::jobs::{
    FoundAnswer, JobId, JobOrder, JobState, JobStore, KeyedBody, Lacking, Ordered, Reservation, RowAnswer,
    StoredJob,
};
use crate::store::{Milliseconds, StoreError};

const COLUMNS: &str = "id, created_at, endpoint, model, fingerprint, dataset, rows, chunk_rows, estimated_seconds, \
    state, head_start, done, failed, started_at, progressed_at, ended_at, request";

#[async_trait]
impl JobStore for SqliteStore {
    async fn reserve_key(
        &self,
        key: &str,
        now: Milliseconds,
        not_before: Milliseconds,
    ) -> Result<Reservation, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = reserve(&mut transaction.connection, key, now, not_before).await;
        transaction.end(outcome).await
    }

    async fn free_key(&self, key: &str, reserved_at: Milliseconds) -> Result<(), StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let delete = sqlx::query("DELETE FROM bulk_keys WHERE key = ? AND reserved_at = ? AND job IS NULL");
        let outcome = delete.bind(key).bind(reserved_at).execute(&mut *transaction.connection).await;
        transaction.end(outcome).await?;
        Ok(())
    }

    async fn order_job(
        &self,
        order: &JobOrder,
        key: Option<&KeyedBody>,
        is_bundled: bool,
    ) -> Result<Ordered, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = take_on(&mut transaction.connection, order, key, is_bundled).await;
        transaction.end(outcome).await
    }

    async fn jobs(&self, after: Option<JobId>, most: u32) -> Result<Vec<StoredJob>, StoreError> {
        let mut query = select();
        if let Some(after) = after {
            query.push(" AND id < ").push_bind(after.0);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
    }

    async fn job(&self, id: JobId) -> Result<Option<StoredJob>, StoreError> {
        Ok(find(&self.readers, id).await?)
    }

    async fn accepted_jobs(&self, most: u32) -> Result<Vec<StoredJob>, StoreError> {
        let mut query = select();
        query.push(" AND state = 'accepted' ORDER BY id LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
    }

    async fn job_is_queued(&self, id: JobId) -> Result<(), StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let update = sqlx::query("UPDATE bulk_jobs SET state = 'queued' WHERE id = ? AND state = 'accepted'");
        let outcome = update.bind(id.0).execute(&mut *transaction.connection).await;
        transaction.end(outcome).await?;
        Ok(())
    }

    async fn lacking(
        &self,
        id: JobId,
        first: u64,
        count: u64,
        now: Milliseconds,
    ) -> Result<Option<Lacking>, StoreError> {
        let mut found = self.job(id).await?;
        // Only the first of all rows needs the connection that writes.
        if found.as_ref().is_some_and(|job| job.started_at.is_none() && !job.state.is_over()) {
            let mut transaction = Transaction::begin(&self.writer).await?;
            let outcome = start(&mut transaction.connection, id, now).await;
            found = transaction.end(outcome).await?;
        }
        let Some(job) = found else { return Ok(None) };
        let rows = job.range(first, count);
        let answered = answers::answered(&self.readers, id, &rows).await?;
        Ok(Some(Lacking::of(job, rows, &answered)))
    }

    async fn add_answers(
        &self,
        id: JobId,
        answers: &[RowAnswer],
        now: Milliseconds,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = answers::add(&mut transaction.connection, id, answers, now).await;
        transaction.end(outcome).await
    }

    async fn answers(
        &self,
        id: JobId,
        first: u64,
        portion: Portion,
    ) -> Result<Option<Vec<FoundAnswer>>, StoreError> {
        let answers = answers::read(&self.readers, id, first, portion).await?;
        if answers.is_empty() && self.job(id).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(answers))
    }

    async fn replace_answer(&self, id: JobId, answer: &RowAnswer) -> Result<(), StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = answers::replace(&mut transaction.connection, id, answer).await;
        transaction.end(outcome).await
    }

    async fn cancel_job(&self, id: JobId, now: Milliseconds) -> Result<Option<StoredJob>, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = cancel(&mut transaction.connection, id, now).await;
        transaction.end(outcome).await
    }

    async fn delete_job(&self, id: JobId) -> Result<bool, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = delete(&mut transaction.connection, id).await;
        transaction.end(outcome).await
    }

    async fn sweep_answers(&self) -> Result<bool, StoreError> {
        // As a rule there is nothing, and nobody is kept from writing to find that out.
        let look = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM bulk_jobs WHERE removed = 1)");
        if !look.fetch_one(&self.readers).await? {
            return Ok(false);
        }
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = answers::sweep(&mut transaction.connection).await;
        let swept = transaction.end(outcome).await?;
        if swept {
            self.give_back_pages().await?;
        }
        Ok(swept)
    }
}

async fn reserve(
    connection: &mut SqliteConnection,
    key: &str,
    now: Milliseconds,
    not_before: Milliseconds,
) -> Result<Reservation, sqlx::Error> {
    let reserve = sqlx::query(
        "INSERT INTO bulk_keys (key, reserved_at) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET reserved_at = excluded.reserved_at
         WHERE job IS NULL AND reserved_at < ?3",
    );
    let reserve = reserve.bind(key).bind(now).bind(not_before).execute(&mut *connection).await?;
    if reserve.rows_affected() > 0 {
        return Ok(Reservation::Free);
    }
    let find = sqlx::query("SELECT job, body_hash FROM bulk_keys WHERE key = ? AND job IS NOT NULL");
    let Some(row) = find.bind(key).fetch_optional(connection).await? else {
        return Ok(Reservation::InFlight);
    };
    Ok(Reservation::Job(JobId(row.try_get("job")?), bytes(&row, "body_hash")?))
}

async fn take_on(
    connection: &mut SqliteConnection,
    order: &JobOrder,
    key: Option<&KeyedBody>,
    is_bundled: bool,
) -> Result<Ordered, sqlx::Error> {
    let look = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM datasets WHERE id = ?)");
    let is_there = is_bundled || look.bind(order.dataset.0.to_vec()).fetch_one(&mut *connection).await?;
    if !is_there {
        return Ok(Ordered::NoDataset);
    }
    if let Some(KeyedBody { key, reserved_at, body_hash }) = key {
        let keep = sqlx::query(
            "UPDATE bulk_keys SET job = ?, body_hash = ? WHERE key = ? AND reserved_at = ? AND job IS NULL",
        );
        let keep = keep.bind(order.id.0).bind(body_hash.to_vec()).bind(key).bind(reserved_at);
        if keep.execute(&mut *connection).await?.rows_affected() == 0 {
            return Ok(Ordered::KeyLost);
        }
    }
    let insert = sqlx::query_scalar(
        "INSERT INTO bulk_jobs (id, created_at, endpoint, model, fingerprint, dataset, rows, chunk_rows,
             estimated_seconds, state, head_start, done, failed, removed, request)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'accepted',
             (SELECT coalesce(min(head_start + done / chunk_rows), 0) FROM bulk_jobs
              WHERE state IN ('accepted', 'queued')), 0, 0, 0, ?)
         RETURNING head_start",
    );
    let head_start = insert
        .bind(order.id.0)
        .bind(order.created_at)
        .bind(&order.endpoint)
        .bind(&order.model)
        .bind(&order.fingerprint)
        .bind(order.dataset.0.to_vec())
        .bind(signed(order.rows))
        .bind(signed(order.chunk_rows))
        .bind(order.estimated_seconds)
        .bind(&order.request)
        .fetch_one(&mut *connection)
        .await?;
    Ok(Ordered::Job(Box::new(StoredJob::accepted(order, unsigned(head_start)))))
}

async fn start(
    connection: &mut SqliteConnection,
    id: JobId,
    now: Milliseconds,
) -> Result<Option<StoredJob>, sqlx::Error> {
    let start = "UPDATE bulk_jobs SET started_at = ?
        WHERE id = ? AND started_at IS NULL AND state IN ('accepted', 'queued')";
    sqlx::query(start).bind(now).bind(id.0).execute(&mut *connection).await?;
    find(connection, id).await
}

async fn cancel(
    connection: &mut SqliteConnection,
    id: JobId,
    now: Milliseconds,
) -> Result<Option<StoredJob>, sqlx::Error> {
    let cancel = "UPDATE bulk_jobs SET state = 'cancelled', ended_at = ?
        WHERE id = ? AND state IN ('accepted', 'queued')";
    sqlx::query(cancel).bind(now).bind(id.0).execute(&mut *connection).await?;
    find(connection, id).await
}

async fn delete(connection: &mut SqliteConnection, id: JobId) -> Result<bool, sqlx::Error> {
    let remove = "UPDATE bulk_jobs SET removed = 1
        WHERE id = ? AND removed = 0 AND state IN ('finished', 'cancelled')";
    let removed = sqlx::query(remove).bind(id.0).execute(&mut *connection).await?;
    if removed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM bulk_keys WHERE job = ?").bind(id.0).execute(connection).await?;
    Ok(true)
}

/// Jobs that are not deleted; further conditions begin with AND.
fn select() -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM bulk_jobs WHERE removed = 0");
    query
}

async fn find(executor: impl SqliteExecutor<'_>, id: JobId) -> Result<Option<StoredJob>, sqlx::Error> {
    let mut query = select();
    query.push(" AND id = ").push_bind(id.0);
    query.build().fetch_optional(executor).await?.as_ref().map(job).transpose()
}

fn job(row: &SqliteRow) -> Result<StoredJob, sqlx::Error> {
    let state: &str = row.try_get("state")?;
    Ok(StoredJob {
        order: JobOrder {
            id: JobId(row.try_get("id")?),
            created_at: row.try_get("created_at")?,
            endpoint: row.try_get("endpoint")?,
            request: row.try_get("request")?,
            model: row.try_get("model")?,
            fingerprint: row.try_get("fingerprint")?,
            dataset: DatasetId(bytes(row, "dataset")?),
            rows: unsigned(row.try_get("rows")?),
            chunk_rows: unsigned(row.try_get("chunk_rows")?),
            estimated_seconds: row.try_get("estimated_seconds")?,
        },
        state: JobState::named(state)
            .ok_or_else(|| sqlx::Error::Decode(format!("a job is in no state `{state}`").into()))?,
        head_start: unsigned(row.try_get("head_start")?),
        done: unsigned(row.try_get("done")?),
        failed: unsigned(row.try_get("failed")?),
        started_at: row.try_get("started_at")?,
        progressed_at: row.try_get("progressed_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

fn bytes(row: &SqliteRow, column: &str) -> Result<[u8; 32], sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
