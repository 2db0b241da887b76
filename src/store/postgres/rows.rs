//! Rows, as they are written and read.
//!
//! Rows of many are written by one statement each, in the order of their keys: servers that write the same rows
//! at one time wait for each other and are not locked for good.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::identity::{ResponseId, ResultKey};
use crate::store::integrity::{digest, judged, row_bytes};
use crate::store::{Found, Milliseconds, StoredResponse, StoredResult, Writes};

/// Writes everything; damaged rows go first, so that none takes the place of a good one with it. Gives the
/// responses that lack a result and were left out.
///
/// # Errors
/// The database fails.
pub async fn write_all(
    connection: &mut PgConnection,
    writes: &Writes,
    now: Milliseconds,
) -> Result<Vec<ResponseId>, sqlx::Error> {
    for row in &writes.damaged {
        let StoredResult { key, warnings, body, .. } = &row.content;
        sqlx::query("DELETE FROM results WHERE key = $1 AND digest = $2 AND warnings = $3 AND body = $4")
            .bind(&key.0[..])
            .bind(&row.digest)
            .bind(warnings)
            .bind(body)
            .execute(&mut *connection)
            .await?;
    }
    insert_results(connection, &writes.results, now).await?;
    let of_responses = writes.responses.iter().flat_map(|response| &response.recipe.keys);
    let here = use_results(connection, of_responses.chain(&writes.used_results), now).await?;
    let (whole, lacking): (Vec<_>, Vec<_>) = writes
        .responses
        .iter()
        .partition(|response| response.recipe.keys.iter().all(|key| here.contains(&key.0)));
    insert_responses(connection, &whole, now).await?;
    use_responses(connection, &writes.used_responses, now).await?;
    Ok(lacking.into_iter().map(|response| response.id).collect())
}

/// Reads a row of `results`.
///
/// # Errors
/// It has another shape.
pub fn found(row: &PgRow) -> Result<Found, sqlx::Error> {
    let result = StoredResult {
        key: ResultKey(bytes(row, "key")?),
        created_at: row.try_get("created_at")?,
        warnings: row.try_get("warnings")?,
        body: row.try_get("body")?,
    };
    Ok(judged(result, row.try_get("digest")?))
}

/// The key in a row.
///
/// # Errors
/// It has another shape.
pub fn result_key(row: &PgRow) -> Result<ResultKey, sqlx::Error> {
    Ok(ResultKey(bytes(row, "key")?))
}

/// The id in a row of `responses`.
///
/// # Errors
/// It has another shape.
pub fn response_id(row: &PgRow) -> Result<ResponseId, sqlx::Error> {
    Ok(ResponseId(bytes(row, "id")?))
}

/// Thirty-two bytes of a row.
///
/// # Errors
/// They are not thirty-two.
pub fn bytes(row: &PgRow, column: &str) -> Result<[u8; 32], sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// As a list that a statement takes.
pub fn listed<'a>(keys: impl IntoIterator<Item = &'a ResultKey>) -> Vec<&'a [u8]> {
    keys.into_iter().map(|key| &key.0[..]).collect()
}

async fn insert_results(
    connection: &mut PgConnection,
    results: &[StoredResult],
    now: Milliseconds,
) -> Result<(), sqlx::Error> {
    // One statement may not write a row twice.
    let results: BTreeMap<[u8; 32], &StoredResult> =
        results.iter().map(|result| (result.key.0, result)).collect();
    if results.is_empty() {
        return Ok(());
    }
    let each = || results.values();
    let keys = listed(each().map(|result| &result.key));
    sqlx::query(
        "INSERT INTO results (key, created_at, used_at, bytes, digest, warnings, body)
         SELECT key, created_at, $1, bytes, digest, warnings, body
         FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[])
             AS new (key, created_at, bytes, digest, warnings, body)
         ORDER BY key
         ON CONFLICT (key) DO UPDATE SET created_at = excluded.created_at,
             used_at = greatest(results.used_at, excluded.used_at), bytes = excluded.bytes,
             digest = excluded.digest, warnings = excluded.warnings, body = excluded.body",
    )
    .bind(now)
    .bind(&keys)
    .bind(each().map(|result| result.created_at).collect::<Vec<_>>())
    .bind(each().map(|result| row_bytes(result)).collect::<Vec<_>>())
    .bind(each().map(|result| digest(result).to_vec()).collect::<Vec<_>>())
    .bind(each().map(|result| result.warnings.as_slice()).collect::<Vec<_>>())
    .bind(each().map(|result| result.body.as_slice()).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    // What is written is no longer being computed.
    sqlx::query("DELETE FROM computing WHERE key = ANY($1)").bind(&keys).execute(connection).await?;
    Ok(())
}

/// Notes that results were used. A response is never used later than its results, so what is evicted by use
/// takes no result from a response that stays. Gives those that are here.
async fn use_results<'a>(
    connection: &mut PgConnection,
    keys: impl Iterator<Item = &'a ResultKey>,
    now: Milliseconds,
) -> Result<BTreeSet<[u8; 32]>, sqlx::Error> {
    let keys = listed(keys);
    if keys.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = sqlx::query(
        "WITH here AS MATERIALIZED (SELECT key FROM results WHERE key = ANY($1) ORDER BY key FOR UPDATE)
         UPDATE results SET used_at = greatest(used_at, $2) FROM here WHERE results.key = here.key
         RETURNING results.key",
    )
    .bind(keys)
    .bind(now)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| bytes(row, "key")).collect()
}

async fn insert_responses(
    connection: &mut PgConnection,
    responses: &[&StoredResponse],
    now: Milliseconds,
) -> Result<(), sqlx::Error> {
    let responses: BTreeMap<[u8; 32], &StoredResponse> =
        responses.iter().map(|response| (response.id.0, *response)).collect();
    if responses.is_empty() {
        return Ok(());
    }
    let each = || responses.values();
    let keys = |response: &&StoredResponse| -> Vec<u8> {
        response.recipe.keys.iter().flat_map(|key| key.0).collect()
    };
    sqlx::query(
        "INSERT INTO responses (id, created_at, used_at, shape, keys)
         SELECT id, created_at, $1, shape, keys
         FROM unnest($2::bytea[], $3::bigint[], $4::text[], $5::bytea[]) AS new (id, created_at, shape, keys)
         ORDER BY id
         ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at,
             used_at = greatest(responses.used_at, excluded.used_at), shape = excluded.shape,
             keys = excluded.keys",
    )
    .bind(now)
    .bind(each().map(|response| &response.id.0[..]).collect::<Vec<_>>())
    .bind(each().map(|response| response.created_at).collect::<Vec<_>>())
    .bind(each().map(|response| response.recipe.shape.name()).collect::<Vec<_>>())
    .bind(each().map(keys).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn use_responses(
    connection: &mut PgConnection,
    ids: &[ResponseId],
    now: Milliseconds,
) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "WITH here AS MATERIALIZED (SELECT id FROM responses WHERE id = ANY($1) ORDER BY id FOR UPDATE)
         UPDATE responses SET used_at = greatest(used_at, $2) FROM here WHERE responses.id = here.id",
    )
    .bind(ids.iter().map(|id| &id.0[..]).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
