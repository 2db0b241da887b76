//! Concepts in SQLite. The connection that writes is shared with results: every transaction here is short.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::SqliteStore;
use super::transaction::Transaction;
use crate::identity::ConceptId;
use crate::store::StoreError;
use crate::store::concepts::{
    ConceptHead, ConceptPlace, ConceptStore, FoundConcept, KeptConcept, NewConcept, StoredConcept, version,
};
use crate::store::integrity::{concept_digest, judged_concept};

#[async_trait]
impl ConceptStore for SqliteStore {
    async fn keep_concept(&self, new: &NewConcept) -> Result<KeptConcept, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = keep(&mut transaction.connection, new).await;
        transaction.end(outcome).await
    }

    async fn concept(&self, name: &str, version: Option<u32>) -> Result<Option<FoundConcept>, StoreError> {
        let query = sqlx::query(
            "SELECT id, name, version, model, fingerprint, created_at, digest, summary, body FROM concepts
             WHERE name = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY version DESC LIMIT 1",
        );
        let row = query.bind(name).bind(version.map(i64::from)).fetch_optional(&self.readers).await?;
        Ok(row.as_ref().map(found).transpose()?)
    }

    async fn concepts(&self, after: Option<ConceptPlace>, most: u32) -> Result<Vec<ConceptHead>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT id, name, version, model, fingerprint, created_at, summary FROM concepts",
        );
        if let Some(ConceptPlace { created_at, id }) = after {
            query.push(" WHERE (created_at, id) < (").push_bind(created_at).push(", ");
            query.push_bind(id.0.to_vec()).push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(head).collect::<Result<_, _>>()?)
    }

    async fn delete_concept(&self, name: &str, version: Option<u32>) -> Result<bool, StoreError> {
        let mut transaction = Transaction::begin(&self.writer).await?;
        let outcome = delete(&mut transaction.connection, name, version).await;
        transaction.end(outcome).await
    }
}

async fn keep(connection: &mut SqliteConnection, new: &NewConcept) -> Result<KeptConcept, sqlx::Error> {
    let find = sqlx::query(
        "SELECT id, name, version, model, fingerprint, created_at, digest, summary, body FROM concepts WHERE id = ?",
    );
    if let Some(row) = find.bind(new.id.0.to_vec()).fetch_optional(&mut *connection).await? {
        if let FoundConcept::Whole(there) = found(&row)? {
            return Ok(KeptConcept { head: there.head(), is_new: false });
        }
        let ConceptHead { version, created_at, .. } = head(&row)?;
        let mended = StoredConcept { created_at, ..new.numbered(version) };
        put(connection, &mended).await?;
        return Ok(KeptConcept { head: mended.head(), is_new: false });
    }
    let number = sqlx::query_scalar(
        "INSERT INTO concept_names (name, last_version) VALUES (?, 1)
         ON CONFLICT (name) DO UPDATE SET last_version = last_version + 1 RETURNING last_version",
    );
    let number = number.bind(&new.name).fetch_one(&mut *connection).await?;
    let concept = new.numbered(version(number)?);
    put(connection, &concept).await?;
    Ok(KeptConcept { head: concept.head(), is_new: true })
}

/// Writes a new row, or over a damaged one.
async fn put(connection: &mut SqliteConnection, concept: &StoredConcept) -> Result<(), sqlx::Error> {
    let insert = sqlx::query(
        "INSERT INTO concepts (id, name, version, model, fingerprint, created_at, digest, summary, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, model = excluded.model,
             fingerprint = excluded.fingerprint, digest = excluded.digest, summary = excluded.summary,
             body = excluded.body",
    );
    insert
        .bind(concept.id.0.to_vec())
        .bind(&concept.name)
        .bind(concept.version)
        .bind(&concept.model)
        .bind(&concept.fingerprint)
        .bind(concept.created_at)
        .bind(concept_digest(concept).to_vec())
        .bind(&concept.summary)
        .bind(&concept.body)
        .execute(connection)
        .await?;
    Ok(())
}

async fn delete(
    connection: &mut SqliteConnection,
    name: &str,
    version: Option<u32>,
) -> Result<bool, sqlx::Error> {
    let delete = sqlx::query("DELETE FROM concepts WHERE name = ?1 AND (?2 IS NULL OR version = ?2)");
    let deleted = delete.bind(name).bind(version.map(i64::from)).execute(&mut *connection).await?;
    let forget = "DELETE FROM concept_names
        WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM concepts WHERE name = ?1)";
    sqlx::query(forget).bind(name).execute(connection).await?;
    Ok(deleted.rows_affected() > 0)
}

fn head(row: &SqliteRow) -> Result<ConceptHead, sqlx::Error> {
    let id: &[u8] = row.try_get("id")?;
    Ok(ConceptHead {
        id: ConceptId(id.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?),
        name: row.try_get("name")?,
        version: version(row.try_get("version")?)?,
        model: row.try_get("model")?,
        fingerprint: row.try_get("fingerprint")?,
        created_at: row.try_get("created_at")?,
        summary: row.try_get("summary")?,
    })
}

fn found(row: &SqliteRow) -> Result<FoundConcept, sqlx::Error> {
    Ok(judged_concept(head(row)?.with_body(row.try_get("body")?), row.try_get("digest")?))
}
