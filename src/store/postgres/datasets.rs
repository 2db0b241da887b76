//! Datasets in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::rows::bytes;
use super::{PostgresStore, TO_ANSWER, in_time};
use crate::identity::DatasetId;
use crate::store::datasets::{
    Completed, DatasetStore, Deletion, Place, Portion, StoredDataset, StoredRow, UploadId, signed, unsigned,
};
use crate::store::integrity::{judged_row, row_digest};
use crate::store::{Milliseconds, StoreError};

/// Rows removed in one transaction.
const SWEPT_AT_ONCE: u64 = 500;

#[async_trait]
impl DatasetStore for PostgresStore {
    async fn begin_upload(&self, now: Milliseconds) -> Result<UploadId, StoreError> {
        let upload = UploadId::unique();
        let insert =
            sqlx::query("INSERT INTO dataset_uploads (id, touched_at, abandoned) VALUES ($1, $2, false)");
        in_time(TO_ANSWER, insert.bind(upload.0).bind(now).execute(&self.pool())).await?;
        Ok(upload)
    }

    async fn add_rows(
        &self,
        upload: UploadId,
        first: u64,
        rows: &[Vec<u8>],
        now: Milliseconds,
    ) -> Result<bool, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let is_there = add_rows(&mut transaction, upload, first, rows, now).await?;
            transaction.commit().await?;
            Ok(is_there)
        })
        .await
    }

    async fn complete(
        &self,
        upload: UploadId,
        dataset: &StoredDataset,
    ) -> Result<Option<Completed>, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let completed = complete(&mut transaction, upload, dataset).await?;
            transaction.commit().await?;
            Ok(completed)
        })
        .await
    }

    async fn give_up(&self, upload: UploadId) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE dataset_uploads SET abandoned = true WHERE id = $1").bind(upload.0);
        in_time(TO_ANSWER, update.execute(&self.pool())).await?;
        Ok(())
    }

    async fn datasets(&self, after: Option<Place>, most: u32) -> Result<Vec<StoredDataset>, StoreError> {
        let query = sqlx::query(
            "SELECT id, name, created_at, rows, bytes, summary FROM datasets
             WHERE $1::bigint IS NULL OR (created_at, id) < ($1, $2)
             ORDER BY created_at DESC, id DESC LIMIT $3",
        );
        let query = query.bind(after.map(|place| place.created_at));
        let query = query.bind(after.map(|place| place.id.0.to_vec())).bind(i64::from(most));
        let rows = in_time(TO_ANSWER, query.fetch_all(&self.pool())).await?;
        Ok(rows.iter().map(dataset).collect::<Result<_, _>>()?)
    }

    async fn dataset(&self, id: DatasetId) -> Result<Option<StoredDataset>, StoreError> {
        let query =
            sqlx::query("SELECT id, name, created_at, rows, bytes, summary FROM datasets WHERE id = $1");
        let row = in_time(TO_ANSWER, query.bind(&id.0[..]).fetch_optional(&self.pool())).await?;
        Ok(row.as_ref().map(dataset).transpose()?)
    }

    async fn dataset_rows(
        &self,
        id: DatasetId,
        first: u64,
        portion: Portion,
    ) -> Result<Option<Vec<StoredRow>>, StoreError> {
        // Lengths are looked at before any row is sent: a few may be as large as all others.
        let query = sqlx::query(
            "WITH wanted AS (
                 SELECT dataset_rows.upload, number, length(body) AS bytes
                 FROM datasets JOIN dataset_rows USING (upload)
                 WHERE datasets.id = $1 AND number >= $2 ORDER BY number LIMIT $3
             ), sums AS (
                 SELECT upload, number, sum(bytes) OVER (ORDER BY number) - bytes AS before FROM wanted
             )
             SELECT number, digest, body FROM sums JOIN dataset_rows USING (upload, number)
             WHERE before < $4 ORDER BY number",
        );
        let query = query.bind(&id.0[..]).bind(signed(first)).bind(i64::from(portion.rows));
        let rows = query.bind(signed(portion.bytes));
        let rows = in_time(TO_ANSWER, rows.fetch_all(&self.pool())).await?;
        if rows.is_empty() && self.dataset(id).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(rows.iter().map(row).collect::<Result<_, _>>()?))
    }

    async fn delete_dataset(&self, id: DatasetId) -> Result<Deletion, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let deletion = delete(&mut transaction, id).await?;
            transaction.commit().await?;
            Ok(deletion)
        })
        .await
    }

    async fn sweep(&self, not_touched_since: Milliseconds) -> Result<bool, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let swept = sweep(&mut transaction, not_touched_since).await?;
            transaction.commit().await?;
            Ok(swept)
        })
        .await
    }
}

async fn add_rows(
    connection: &mut PgConnection,
    upload: UploadId,
    first: u64,
    rows: &[Vec<u8>],
    now: Milliseconds,
) -> Result<bool, sqlx::Error> {
    let touch = sqlx::query("UPDATE dataset_uploads SET touched_at = $1 WHERE id = $2 AND NOT abandoned");
    let touched = touch.bind(now).bind(upload.0).execute(&mut *connection).await?;
    if touched.rows_affected() == 0 {
        return Ok(false);
    }
    let insert = sqlx::query(
        "INSERT INTO dataset_rows (upload, number, digest, body)
         SELECT $1, number, digest, body
         FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS new (number, digest, body)",
    );
    let numbers: Vec<i64> = (signed(first)..).take(rows.len()).collect();
    let digests: Vec<_> =
        (first..).zip(rows).map(|(number, body)| row_digest(number, body).to_vec()).collect();
    insert.bind(upload.0).bind(numbers).bind(digests).bind(rows).execute(connection).await?;
    Ok(true)
}

async fn complete(
    connection: &mut PgConnection,
    upload: UploadId,
    new: &StoredDataset,
) -> Result<Option<Completed>, sqlx::Error> {
    let ended = sqlx::query("DELETE FROM dataset_uploads WHERE id = $1 AND NOT abandoned").bind(upload.0);
    if ended.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(None);
    }
    let insert = sqlx::query(
        "INSERT INTO datasets (id, created_at, upload, name, rows, bytes, summary)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET name = coalesce(excluded.name, datasets.name)
         RETURNING id, name, created_at, rows, bytes, summary, upload",
    );
    let now = insert
        .bind(&new.id.0[..])
        .bind(new.created_at)
        .bind(upload.0)
        .bind(&new.name)
        .bind(signed(new.rows))
        .bind(signed(new.bytes))
        .bind(&new.summary)
        .fetch_one(&mut *connection)
        .await?;
    let is_new = now.try_get::<Uuid, _>("upload")? == upload.0;
    if !is_new {
        leave(connection, upload).await?;
    }
    Ok(Some(Completed { dataset: dataset(&now)?, is_new }))
}

/// Waits for whoever orders a job about the dataset at this moment, and only then looks whether there is one: that takes
/// a statement of its own, which sees what was committed meanwhile.
async fn delete(connection: &mut PgConnection, id: DatasetId) -> Result<Deletion, sqlx::Error> {
    let find = sqlx::query_scalar("SELECT upload FROM datasets WHERE id = $1 FOR UPDATE").bind(&id.0[..]);
    let Some(upload) = find.fetch_optional(&mut *connection).await? else { return Ok(Deletion::Missing) };
    let look = "SELECT EXISTS
        (SELECT 1 FROM bulk_jobs WHERE dataset = $1 AND state IN ('accepted', 'queued'))";
    if sqlx::query_scalar(look).bind(&id.0[..]).fetch_one(&mut *connection).await? {
        return Ok(Deletion::InUse);
    }
    let delete = sqlx::query("DELETE FROM datasets WHERE id = $1").bind(&id.0[..]);
    delete.execute(&mut *connection).await?;
    leave(connection, UploadId(upload)).await?;
    Ok(Deletion::Deleted)
}

/// Leaves rows to be swept away.
async fn leave(connection: &mut PgConnection, upload: UploadId) -> Result<(), sqlx::Error> {
    let leave = "INSERT INTO dataset_uploads (id, touched_at, abandoned) VALUES ($1, 0, true)";
    sqlx::query(leave).bind(upload.0).execute(connection).await?;
    Ok(())
}

/// Servers that sweep at one time take different uploads.
async fn sweep(connection: &mut PgConnection, not_touched_since: Milliseconds) -> Result<bool, sqlx::Error> {
    let find = "UPDATE dataset_uploads SET abandoned = true WHERE id =
        (SELECT id FROM dataset_uploads WHERE abandoned OR touched_at < $1 LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id";
    let found = sqlx::query_scalar(find).bind(not_touched_since).fetch_optional(&mut *connection).await?;
    let Some(upload): Option<Uuid> = found else { return Ok(false) };
    let delete = "DELETE FROM dataset_rows WHERE upload = $1 AND number IN
        (SELECT number FROM dataset_rows WHERE upload = $1 ORDER BY number LIMIT $2)";
    let delete = sqlx::query(delete).bind(upload).bind(signed(SWEPT_AT_ONCE));
    if delete.execute(&mut *connection).await?.rows_affected() < SWEPT_AT_ONCE {
        let end = sqlx::query("DELETE FROM dataset_uploads WHERE id = $1").bind(upload);
        end.execute(connection).await?;
    }
    Ok(true)
}

fn dataset(row: &PgRow) -> Result<StoredDataset, sqlx::Error> {
    Ok(StoredDataset {
        id: DatasetId(bytes(row, "id")?),
        name: row.try_get("name")?,
        created_at: row.try_get("created_at")?,
        rows: unsigned(row.try_get("rows")?),
        bytes: unsigned(row.try_get("bytes")?),
        summary: row.try_get("summary")?,
    })
}

fn row(row: &PgRow) -> Result<StoredRow, sqlx::Error> {
    Ok(judged_row(unsigned(row.try_get("number")?), row.try_get("body")?, row.try_get("digest")?))
}
