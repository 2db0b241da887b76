//! Datasets in SQLite. The connection that writes is shared with results: every transaction here is short.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::SqliteStore;
use super::transaction::Transaction;
use crate::identity::DatasetId;
use crate::store::datasets::{
    Completed, DatasetStore, Deletion, Place, Portion, StoredDataset, StoredRow, UploadId, signed, unsigned,
};
use crate::store::integrity::{judged_row, row_digest};
use crate::store::{Milliseconds, StoreError};

/// Rows removed in one transaction, so that writers get in between.
const SWEPT_AT_ONCE: u64 = 500;

const COLUMNS: &str = "id, name, created_at, rows, bytes, summary";

#[async_trait]
impl DatasetStore for SqliteStore {
    async fn begin_upload(&self, now: Milliseconds) -> Result<UploadId, StoreError> {
        let upload = UploadId::unique();
        let mut transaction = Transaction::begin(&self.writer).await?;
        let insert = sqlx::query("INSERT INTO dataset_uploads (id, touched_at, abandoned) VALUES (?, ?, 0)");
        let outcome = insert.bind(upload.0).bind(now).execute(&mut *transaction.connection).await;
        transaction.end(outcome).await?;
        Ok(upload)
    }

    async fn add_rows(
        &self,
        upload: UploadId,
        first: u64,
        rows: &[Vec<u8>],
        now: Milliseconds,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = add_rows(&mut transaction.connection, upload, first, rows, now).await;
        transaction.end(outcome).await
    }

    async fn complete(
        &self,
        upload: UploadId,
        dataset: &StoredDataset,
    ) -> Result<Option<Completed>, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = complete(&mut transaction.connection, upload, dataset).await;
        transaction.end(outcome).await
    }

    async fn give_up(&self, upload: UploadId) -> Result<(), StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let update = sqlx::query("UPDATE dataset_uploads SET abandoned = 1 WHERE id = ?").bind(upload.0);
        let outcome = update.execute(&mut *transaction.connection).await;
        transaction.end(outcome).await?;
        Ok(())
    }

    async fn datasets(&self, after: Option<Place>, most: u32) -> Result<Vec<StoredDataset>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(COLUMNS).push(" FROM datasets");
        if let Some(Place { created_at, id }) = after {
            query.push(" WHERE (created_at, id) < (").push_bind(created_at).push(", ");
            query.push_bind(id.0.to_vec()).push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(dataset).collect::<Result<_, _>>()?)
    }

    async fn dataset(&self, id: DatasetId) -> Result<Option<StoredDataset>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(COLUMNS).push(" FROM datasets WHERE id = ").push_bind(id.0.to_vec());
        let row = query.build().fetch_optional(&self.readers).await?;
        Ok(row.as_ref().map(dataset).transpose()?)
    }

    async fn dataset_rows(
        &self,
        id: DatasetId,
        first: u64,
        portion: Portion,
    ) -> Result<Option<Vec<StoredRow>>, StoreError> {
        // Lengths are looked at before any row is read: a few may be as large as all others.
        let query = sqlx::query(
            "WITH wanted AS (
                 SELECT dataset_rows.upload, number, length(body) AS bytes
                 FROM datasets JOIN dataset_rows USING (upload)
                 WHERE datasets.id = ?1 AND number >= ?2 ORDER BY number LIMIT ?3
             ), sums AS (
                 SELECT upload, number, sum(bytes) OVER (ORDER BY number) - bytes AS before FROM wanted
             )
             SELECT number, digest, body FROM sums JOIN dataset_rows USING (upload, number)
             WHERE before < ?4 ORDER BY number",
        );
        let query = query.bind(id.0.to_vec()).bind(signed(first)).bind(portion.rows);
        let rows = query.bind(signed(portion.bytes)).fetch_all(&self.readers).await?;
        if rows.is_empty() && self.dataset(id).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(rows.iter().map(row).collect::<Result<_, _>>()?))
    }

    async fn delete_dataset(&self, id: DatasetId) -> Result<Deletion, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = delete(&mut transaction.connection, id).await;
        transaction.end(outcome).await
    }

    async fn sweep(&self, not_touched_since: Milliseconds) -> Result<bool, StoreError> {
        // As a rule there is nothing, and nobody is kept from writing to find that out.
        let look = "SELECT EXISTS (SELECT 1 FROM dataset_uploads WHERE abandoned = 1 OR touched_at < ?)";
        let look = sqlx::query_scalar(look).bind(not_touched_since);
        if !look.fetch_one(&self.readers).await? {
            return Ok(false);
        }
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = sweep(&mut transaction.connection, not_touched_since).await;
        let swept = transaction.end(outcome).await?;
        if swept {
            self.give_back_pages().await?;
        }
        Ok(swept)
    }
}

async fn add_rows(
    connection: &mut SqliteConnection,
    upload: UploadId,
    first: u64,
    rows: &[Vec<u8>],
    now: Milliseconds,
) -> Result<bool, sqlx::Error> {
    let touch = sqlx::query("UPDATE dataset_uploads SET touched_at = ? WHERE id = ? AND abandoned = 0");
    let touched = touch.bind(now).bind(upload.0).execute(&mut *connection).await?;
    if touched.rows_affected() == 0 {
        return Ok(false);
    }
    for (number, body) in (first..).zip(rows) {
        let insert = "INSERT INTO dataset_rows (upload, number, digest, body) VALUES (?, ?, ?, ?)";
        let insert = sqlx::query(insert).bind(upload.0).bind(signed(number));
        insert.bind(row_digest(number, body).to_vec()).bind(body).execute(&mut *connection).await?;
    }
    Ok(true)
}

async fn complete(
    connection: &mut SqliteConnection,
    upload: UploadId,
    new: &StoredDataset,
) -> Result<Option<Completed>, sqlx::Error> {
    let ended = sqlx::query("DELETE FROM dataset_uploads WHERE id = ? AND abandoned = 0").bind(upload.0);
    if ended.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(None);
    }
    let insert = sqlx::query(
        "INSERT INTO datasets (id, created_at, upload, name, rows, bytes, summary) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = coalesce(excluded.name, name)
         RETURNING id, name, created_at, rows, bytes, summary, upload",
    );
    let now = insert
        .bind(new.id.0.to_vec())
        .bind(new.created_at)
        .bind(upload.0)
        .bind(&new.name)
        .bind(signed(new.rows))
        .bind(signed(new.bytes))
        .bind(&new.summary)
        .fetch_one(&mut *connection)
        .await?;
    let is_new = now.try_get::<uuid::Uuid, _>("upload")? == upload.0;
    if !is_new {
        leave(connection, upload).await?;
    }
    Ok(Some(Completed { dataset: dataset(&now)?, is_new }))
}

async fn delete(connection: &mut SqliteConnection, id: DatasetId) -> Result<Deletion, sqlx::Error> {
    let find = sqlx::query_scalar("SELECT upload FROM datasets WHERE id = ?").bind(id.0.to_vec());
    let Some(upload) = find.fetch_optional(&mut *connection).await? else { return Ok(Deletion::Missing) };
    let look = "SELECT EXISTS
        (SELECT 1 FROM bulk_jobs WHERE dataset = ? AND state IN ('accepted', 'queued'))";
    if sqlx::query_scalar(look).bind(id.0.to_vec()).fetch_one(&mut *connection).await? {
        return Ok(Deletion::InUse);
    }
    let delete = sqlx::query("DELETE FROM datasets WHERE id = ?").bind(id.0.to_vec());
    delete.execute(&mut *connection).await?;
    leave(connection, UploadId(upload)).await?;
    Ok(Deletion::Deleted)
}

/// Leaves rows to be swept away.
async fn leave(connection: &mut SqliteConnection, upload: UploadId) -> Result<(), sqlx::Error> {
    let leave = sqlx::query("INSERT INTO dataset_uploads (id, touched_at, abandoned) VALUES (?, 0, 1)");
    leave.bind(upload.0).execute(connection).await?;
    Ok(())
}

async fn sweep(
    connection: &mut SqliteConnection,
    not_touched_since: Milliseconds,
) -> Result<bool, sqlx::Error> {
    let find = "UPDATE dataset_uploads SET abandoned = 1 WHERE id =
        (SELECT id FROM dataset_uploads WHERE abandoned = 1 OR touched_at < ? LIMIT 1) RETURNING id";
    let found = sqlx::query_scalar(find).bind(not_touched_since).fetch_optional(&mut *connection).await?;
    let Some(upload): Option<uuid::Uuid> = found else { return Ok(false) };
    let delete = "DELETE FROM dataset_rows WHERE upload = ?1 AND number IN
        (SELECT number FROM dataset_rows WHERE upload = ?1 ORDER BY number LIMIT ?2)";
    let delete = sqlx::query(delete).bind(upload).bind(signed(SWEPT_AT_ONCE));
    if delete.execute(&mut *connection).await?.rows_affected() < SWEPT_AT_ONCE {
        let end = sqlx::query("DELETE FROM dataset_uploads WHERE id = ?").bind(upload);
        end.execute(connection).await?;
    }
    Ok(true)
}

fn dataset(row: &SqliteRow) -> Result<StoredDataset, sqlx::Error> {
    let id: &[u8] = row.try_get("id")?;
    Ok(StoredDataset {
        id: DatasetId(id.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?),
        name: row.try_get("name")?,
        created_at: row.try_get("created_at")?,
        rows: unsigned(row.try_get("rows")?),
        bytes: unsigned(row.try_get("bytes")?),
        summary: row.try_get("summary")?,
    })
}

fn row(row: &SqliteRow) -> Result<StoredRow, sqlx::Error> {
    Ok(judged_row(unsigned(row.try_get("number")?), row.try_get("body")?, row.try_get("digest")?))
}
