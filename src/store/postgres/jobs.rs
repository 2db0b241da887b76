//! Jobs in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, Postgres, QueryBuilder, Row};

use super::rows::bytes;
use super::{PostgresStore, TO_ANSWER, answers, in_time};
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
impl JobStore for PostgresStore {
    async fn reserve_key(
        &self,
        key: &str,
        now: Milliseconds,
        not_before: Milliseconds,
    ) -> Result<Reservation, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let reservation = reserve(&mut transaction, key, now, not_before).await?;
            transaction.commit().await?;
            Ok(reservation)
        })
        .await
    }

    async fn free_key(&self, key: &str, reserved_at: Milliseconds) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM bulk_keys WHERE key = $1 AND reserved_at = $2 AND job IS NULL");
        in_time(TO_ANSWER, delete.bind(key).bind(reserved_at).execute(&self.pool())).await?;
        Ok(())
    }

    async fn order_job(
        &self,
        order: &JobOrder,
        key: Option<&KeyedBody>,
        is_bundled: bool,
    ) -> Result<Ordered, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let ordered = take_on(&mut transaction, order, key, is_bundled).await?;
            transaction.commit().await?;
            Ok(ordered)
        })
        .await
    }

    async fn jobs(&self, after: Option<JobId>, most: u32) -> Result<Vec<StoredJob>, StoreError> {
        let mut query = select();
        if let Some(after) = after {
            query.push(" AND id < ").push_bind(after.0);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(most));
        let rows = in_time(TO_ANSWER, query.build().fetch_all(&self.pool())).await?;
        Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
    }

    async fn job(&self, id: JobId) -> Result<Option<StoredJob>, StoreError> {
        in_time(TO_ANSWER, find(&self.pool(), id)).await
    }

    async fn accepted_jobs(&self, most: u32) -> Result<Vec<StoredJob>, StoreError> {
        let mut query = select();
        query.push(" AND state = 'accepted' ORDER BY id LIMIT ").push_bind(i64::from(most));
        let rows = in_time(TO_ANSWER, query.build().fetch_all(&self.pool())).await?;
        Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
    }

    async fn job_is_queued(&self, id: JobId) -> Result<(), StoreError> {
        let update =
            sqlx::query("UPDATE bulk_jobs SET state = 'queued' WHERE id = $1 AND state = 'accepted'");
        in_time(TO_ANSWER, update.bind(id.0).execute(&self.pool())).await?;
        Ok(())
    }

    async fn lacking(
        &self,
        id: JobId,
        first: u64,
        count: u64,
        now: Milliseconds,
    ) -> Result<Option<Lacking>, StoreError> {
        let start = sqlx::query(
            "UPDATE bulk_jobs SET started_at = $2
             WHERE id = $1 AND started_at IS NULL AND state IN ('accepted', 'queued')",
        );
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut connection = pool.acquire().await?;
            start.bind(id.0).bind(now).execute(&mut *connection).await?;
            let Some(job) = find(&mut *connection, id).await? else { return Ok(None) };
            let rows = job.range(first, count);
            let answered = answers::answered(&mut connection, id, &rows).await?;
            Ok(Some(Lacking::of(job, rows, &answered)))
        })
        .await
    }

    async fn add_answers(
        &self,
        id: JobId,
        answers: &[RowAnswer],
        now: Milliseconds,
    ) -> Result<bool, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let is_kept = answers::add(&mut transaction, id, answers, now).await?;
            transaction.commit().await?;
            Ok(is_kept)
        })
        .await
    }

    async fn answers(
        &self,
        id: JobId,
        first: u64,
        portion: Portion,
    ) -> Result<Option<Vec<FoundAnswer>>, StoreError> {
        let answers = in_time(TO_ANSWER, answers::read(&self.pool(), id, first, portion)).await?;
        if answers.is_empty() && self.job(id).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(answers))
    }

    async fn replace_answer(&self, id: JobId, answer: &RowAnswer) -> Result<(), StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            answers::replace(&mut transaction, id, answer).await?;
            transaction.commit().await
        })
        .await
    }

    async fn cancel_job(&self, id: JobId, now: Milliseconds) -> Result<Option<StoredJob>, StoreError> {
        let cancel = sqlx::query(
            "UPDATE bulk_jobs SET state = 'cancelled', ended_at = $2
             WHERE id = $1 AND state IN ('accepted', 'queued')",
        );
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            cancel.bind(id.0).bind(now).execute(&mut *transaction).await?;
            let job = find(&mut *transaction, id).await?;
            transaction.commit().await?;
            Ok(job)
        })
        .await
    }

    async fn delete_job(&self, id: JobId) -> Result<bool, StoreError> {
        // One statement: the job and its key go, and its answers are left to be swept away.
        let delete = sqlx::query_scalar(
            "WITH gone AS (
                 UPDATE bulk_jobs SET removed = true
                 WHERE id = $1 AND NOT removed AND state IN ('finished', 'cancelled') RETURNING id
             ), freed AS (DELETE FROM bulk_keys USING gone WHERE job = gone.id)
             SELECT EXISTS (SELECT 1 FROM gone)",
        );
        in_time(TO_ANSWER, delete.bind(id.0).fetch_one(&self.pool())).await
    }

    async fn sweep_answers(&self) -> Result<bool, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let swept = answers::sweep(&mut transaction).await?;
            transaction.commit().await?;
            Ok(swept)
        })
        .await
    }
}

/// A key that is not reserved stays locked until the transaction ends, so that what is then found of it is still so.
async fn reserve(
    connection: &mut PgConnection,
    key: &str,
    now: Milliseconds,
    not_before: Milliseconds,
) -> Result<Reservation, sqlx::Error> {
    let reserve = sqlx::query(
        "INSERT INTO bulk_keys (key, reserved_at) VALUES ($1, $2)
         ON CONFLICT (key) DO UPDATE SET reserved_at = excluded.reserved_at
         WHERE bulk_keys.job IS NULL AND bulk_keys.reserved_at < $3",
    );
    let reserve = reserve.bind(key).bind(now).bind(not_before).execute(&mut *connection).await?;
    if reserve.rows_affected() > 0 {
        return Ok(Reservation::Free);
    }
    let find = sqlx::query("SELECT job, body_hash FROM bulk_keys WHERE key = $1 AND job IS NOT NULL");
    let Some(row) = find.bind(key).fetch_optional(connection).await? else {
        return Ok(Reservation::InFlight);
    };
    Ok(Reservation::Job(JobId(row.try_get("job")?), bytes(&row, "body_hash")?))
}

/// The dataset is held until the job about it is there, so that nobody deletes it meanwhile.
async fn take_on(
    connection: &mut PgConnection,
    order: &JobOrder,
    key: Option<&KeyedBody>,
    is_bundled: bool,
) -> Result<Ordered, sqlx::Error> {
    let hold = sqlx::query("SELECT FROM datasets WHERE id = $1 FOR KEY SHARE").bind(&order.dataset.0[..]);
    if !is_bundled && hold.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(Ordered::NoDataset);
    }
    if let Some(KeyedBody { key, reserved_at, body_hash }) = key {
        let keep = sqlx::query(
            "UPDATE bulk_keys SET job = $1, body_hash = $2 WHERE key = $3 AND reserved_at = $4 AND job IS NULL",
        );
        let keep = keep.bind(order.id.0).bind(&body_hash[..]).bind(key).bind(reserved_at);
        if keep.execute(&mut *connection).await?.rows_affected() == 0 {
            return Ok(Ordered::KeyLost);
        }
    }
    let insert = sqlx::query_scalar(
        "INSERT INTO bulk_jobs (id, created_at, endpoint, model, fingerprint, dataset, rows, chunk_rows,
             estimated_seconds, state, head_start, done, failed, removed, request)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'accepted',
             (SELECT coalesce(min(head_start + done / chunk_rows), 0) FROM bulk_jobs
              WHERE state IN ('accepted', 'queued')), 0, 0, false, $10)
         RETURNING head_start",
    );
    let head_start = insert
        .bind(order.id.0)
        .bind(order.created_at)
        .bind(&order.endpoint)
        .bind(&order.model)
        .bind(&order.fingerprint)
        .bind(&order.dataset.0[..])
        .bind(signed(order.rows))
        .bind(signed(order.chunk_rows))
        .bind(order.estimated_seconds)
        .bind(&order.request)
        .fetch_one(&mut *connection)
        .await?;
    Ok(Ordered::Job(Box::new(StoredJob::accepted(order, unsigned(head_start)))))
}

/// Jobs that are not deleted; further conditions begin with AND.
fn select() -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM bulk_jobs WHERE NOT removed");
    query
}

async fn find(executor: impl PgExecutor<'_>, id: JobId) -> Result<Option<StoredJob>, sqlx::Error> {
    let mut query = select();
    query.push(" AND id = ").push_bind(id.0);
    query.build().fetch_optional(executor).await?.as_ref().map(job).transpose()
}

fn job(row: &PgRow) -> Result<StoredJob, sqlx::Error> {
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
