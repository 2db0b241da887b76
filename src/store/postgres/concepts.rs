//! Concepts in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::bytes;
use super::{PostgresStore, TO_ANSWER, in_time, is_a_clash};
use crate::identity::ConceptId;
use crate::store::StoreError;
use crate::store::concepts::{
    ConceptHead, ConceptPlace, ConceptStore, FoundConcept, KeptConcept, NewConcept, StoredConcept, version,
};
use crate::store::integrity::{concept_digest, judged_concept};

#[async_trait]
impl ConceptStore for PostgresStore {
    async fn keep_concept(&self, new: &NewConcept) -> Result<KeptConcept, StoreError> {
        match self.keep_once(new).await {
            Err(StoreError::Database(error)) if is_a_clash(&error) => self.keep_once(new).await,
            outcome => outcome,
        }
    }

    async fn concept(&self, name: &str, version: Option<u32>) -> Result<Option<FoundConcept>, StoreError> {
        let query = sqlx::query(
            "SELECT id, name, version, model, fingerprint, created_at, digest, summary, body FROM concepts
             WHERE name = $1 AND ($2::bigint IS NULL OR version = $2) ORDER BY version DESC LIMIT 1",
        );
        let query = query.bind(name).bind(version.map(i64::from));
        let row = in_time(TO_ANSWER, query.fetch_optional(&self.pool())).await?;
        Ok(row.as_ref().map(found).transpose()?)
    }

    async fn concepts(&self, after: Option<ConceptPlace>, most: u32) -> Result<Vec<ConceptHead>, StoreError> {
        let query = sqlx::query(
            "SELECT id, name, version, model, fingerprint, created_at, summary FROM concepts
             WHERE $1::bigint IS NULL OR (created_at, id) < ($1, $2)
             ORDER BY created_at DESC, id DESC LIMIT $3",
        );
        let query = query.bind(after.map(|place| place.created_at));
        let query = query.bind(after.map(|place| place.id.0.to_vec())).bind(i64::from(most));
        let rows = in_time(TO_ANSWER, query.fetch_all(&self.pool())).await?;
        Ok(rows.iter().map(head).collect::<Result<_, _>>()?)
    }

    async fn delete_concept(&self, name: &str, version: Option<u32>) -> Result<bool, StoreError> {
        match self.delete_once(name, version).await {
            Err(StoreError::Database(error)) if is_a_clash(&error) => self.delete_once(name, version).await,
            outcome => outcome,
        }
    }
}

impl PostgresStore {
    async fn keep_once(&self, new: &NewConcept) -> Result<KeptConcept, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let kept = keep(&mut transaction, new).await?;
            transaction.commit().await?;
            Ok(kept)
        })
        .await
    }

    async fn delete_once(&self, name: &str, version: Option<u32>) -> Result<bool, StoreError> {
        let pool = self.pool();
        in_time(TO_ANSWER, async {
            let mut transaction = pool.begin().await?;
            let is_deleted = delete(&mut transaction, name, version).await?;
            transaction.commit().await?;
            Ok(is_deleted)
        })
        .await
    }
}

/// Waits for whoever changes something under the name at this moment, and only then looks what is there: that takes a
/// statement of its own, which sees what was committed meanwhile.
async fn keep(connection: &mut PgConnection, new: &NewConcept) -> Result<KeptConcept, sqlx::Error> {
    let hold = sqlx::query_scalar(
        "INSERT INTO concept_names (name, last_version) VALUES ($1, 0)
         ON CONFLICT (name) DO UPDATE SET last_version = concept_names.last_version RETURNING last_version",
    );
    let last_version: i64 = hold.bind(&new.name).fetch_one(&mut *connection).await?;
    let find = sqlx::query(
        "SELECT id, name, version, model, fingerprint, created_at, digest, summary, body FROM concepts WHERE id = $1",
    );
    if let Some(row) = find.bind(&new.id.0[..]).fetch_optional(&mut *connection).await? {
        if let FoundConcept::Whole(there) = found(&row)? {
            return Ok(KeptConcept { head: there.head(), is_new: false });
        }
        let ConceptHead { version, created_at, .. } = head(&row)?;
        let mended = StoredConcept { created_at, ..new.numbered(version) };
        put(connection, &mended).await?;
        return Ok(KeptConcept { head: mended.head(), is_new: false });
    }
    let number = last_version + 1;
    let count = sqlx::query("UPDATE concept_names SET last_version = $2 WHERE name = $1");
    count.bind(&new.name).bind(number).execute(&mut *connection).await?;
    let concept = new.numbered(version(number)?);
    put(connection, &concept).await?;
    Ok(KeptConcept { head: concept.head(), is_new: true })
}

/// Writes a new row, or over a damaged one.
async fn put(connection: &mut PgConnection, concept: &StoredConcept) -> Result<(), sqlx::Error> {
    let insert = sqlx::query(
        "INSERT INTO concepts (id, name, version, model, fingerprint, created_at, digest, summary, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, model = excluded.model,
             fingerprint = excluded.fingerprint, digest = excluded.digest, summary = excluded.summary,
             body = excluded.body",
    );
    insert
        .bind(&concept.id.0[..])
        .bind(&concept.name)
        .bind(i64::from(concept.version))
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

/// Holds the name as [`keep`] does.
async fn delete(
    connection: &mut PgConnection,
    name: &str,
    version: Option<u32>,
) -> Result<bool, sqlx::Error> {
    let hold = sqlx::query("SELECT last_version FROM concept_names WHERE name = $1 FOR UPDATE");
    if hold.bind(name).fetch_optional(&mut *connection).await?.is_none() {
        return Ok(false);
    }
    let delete = sqlx::query("DELETE FROM concepts WHERE name = $1 AND ($2::bigint IS NULL OR version = $2)");
    let deleted = delete.bind(name).bind(version.map(i64::from)).execute(&mut *connection).await?;
    let forget = "DELETE FROM concept_names
        WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM concepts WHERE name = $1)";
    sqlx::query(forget).bind(name).execute(connection).await?;
    Ok(deleted.rows_affected() > 0)
}

fn head(row: &PgRow) -> Result<ConceptHead, sqlx::Error> {
    Ok(ConceptHead {
        id: ConceptId(bytes(row, "id")?),
        name: row.try_get("name")?,
        version: version(row.try_get("version")?)?,
        model: row.try_get("model")?,
        fingerprint: row.try_get("fingerprint")?,
        created_at: row.try_get("created_at")?,
        summary: row.try_get("summary")?,
    })
}

fn found(row: &PgRow) -> Result<FoundConcept, sqlx::Error> {
    Ok(judged_concept(head(row)?.with_body(row.try_get("body")?), row.try_get("digest")?))
}
