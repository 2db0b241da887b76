//! Rows, as they are written and read.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::identity::{ResponseId, ResultKey};
use crate::store::integrity::{digest, judged, row_bytes};
use crate::store::{Found, Milliseconds, StoredResponse, StoredResult, Writes};

/// Writes everything; damaged rows go first, so that none takes the place of a good one with it. Gives the
/// responses that lack a result and were left out.
///
/// # Errors
/// The database fails.
pub async fn write_all(
    connection: &mut SqliteConnection,
    writes: &Writes,
    now: Milliseconds,
) -> Result<Vec<ResponseId>, sqlx::Error> {
    let mut left_out = Vec::new();
    for row in &writes.damaged {
        let StoredResult { key, warnings, body, .. } = &row.content;
        sqlx::query("DELETE FROM results WHERE key = ? AND digest = ? AND warnings = ? AND body = ?")
            .bind(key.0.to_vec())
            .bind(&row.digest)
            .bind(warnings)
            .bind(body)
            .execute(&mut *connection)
            .await?;
    }
    for result in &writes.results {
        insert_result(connection, result, now).await?;
    }
    for response in &writes.responses {
        let mut here = 0;
        for key in &response.recipe.keys {
            here += use_result(connection, *key, now).await?;
        }
        match here == response.recipe.keys.len() as u64 {
            true => insert_response(connection, response, now).await?,
            false => left_out.push(response.id),
        }
    }
    for key in &writes.used_results {
        use_result(connection, *key, now).await?;
    }
    for id in &writes.used_responses {
        let used = sqlx::query("UPDATE responses SET used_at = max(used_at, ?) WHERE id = ?");
        used.bind(now).bind(id.0.to_vec()).execute(&mut *connection).await?;
    }
    Ok(left_out)
}

/// Reads a row of `results`.
///
/// # Errors
/// It has another shape.
pub fn found(row: &SqliteRow) -> Result<Found, sqlx::Error> {
    let key = result_key(row)?;
    let digest_in_row: Vec<u8> = row.try_get("digest")?;
    let result = StoredResult {
        key,
        created_at: row.try_get("created_at")?,
        warnings: row.try_get("warnings")?,
        body: row.try_get("body")?,
    };
    Ok(judged(result, digest_in_row))
}

/// The key in a row.
///
/// # Errors
/// It has another shape.
pub fn result_key(row: &SqliteRow) -> Result<ResultKey, sqlx::Error> {
    let key: &[u8] = row.try_get("key")?;
    Ok(ResultKey(key.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?))
}

/// The ids in rows of `responses`.
///
/// # Errors
/// They have another shape.
pub fn response_ids(rows: &[SqliteRow]) -> Result<Vec<ResponseId>, sqlx::Error> {
    let id = |row: &SqliteRow| {
        let id: &[u8] = row.try_get("id")?;
        Ok(ResponseId(id.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?))
    };
    rows.iter().map(id).collect()
}

async fn insert_result(
    connection: &mut SqliteConnection,
    result: &StoredResult,
    now: Milliseconds,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO results (key, created_at, used_at, bytes, digest, warnings, body) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET created_at = excluded.created_at, used_at = max(used_at, excluded.used_at),
             bytes = excluded.bytes, digest = excluded.digest, warnings = excluded.warnings, body = excluded.body",
    )
    .bind(result.key.0.to_vec())
    .bind(result.created_at)
    .bind(now)
    .bind(row_bytes(result))
    .bind(digest(result).to_vec())
    .bind(&result.warnings)
    .bind(&result.body)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a result was used. A response is never used later than its results, so what is evicted
/// by use takes no result from a response that stays. Gives 1 if the result is here, or else 0.
async fn use_result(
    connection: &mut SqliteConnection,
    key: ResultKey,
    now: Milliseconds,
) -> Result<u64, sqlx::Error> {
    let used = sqlx::query("UPDATE results SET used_at = max(used_at, ?) WHERE key = ?");
    Ok(used.bind(now).bind(key.0.to_vec()).execute(connection).await?.rows_affected())
}

async fn insert_response(
    connection: &mut SqliteConnection,
    response: &StoredResponse,
    now: Milliseconds,
) -> Result<(), sqlx::Error> {
    let keys: Vec<u8> = response.recipe.keys.iter().flat_map(|key| key.0).collect();
    sqlx::query(
        "INSERT INTO responses (id, created_at, used_at, shape, keys) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at, used_at = excluded.used_at,
             shape = excluded.shape, keys = excluded.keys",
    )
    .bind(response.id.0.to_vec())
    .bind(response.created_at)
    .bind(now)
    .bind(response.recipe.shape.name())
    .bind(keys)
    .execute(connection)
    .await?;
    Ok(())
}
