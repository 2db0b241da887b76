//! What goes to keep within the limits of age and size.

use sqlx::{Row, SqliteConnection};

use super::rows::{response_ids, result_key};
use crate::identity::ResponseId;
use crate::store::{Milliseconds, Removed};

/// Results removed in one transaction, so that writers get in between.
pub const EVICTED_AT_ONCE: i64 = 256;

/// Removes some of what is older than `not_before`.
///
/// # Errors
/// The database fails.
pub async fn remove_old(
    connection: &mut SqliteConnection,
    not_before: Milliseconds,
) -> Result<Removed, sqlx::Error> {
    let responses = "DELETE FROM responses WHERE id IN
        (SELECT id FROM responses WHERE created_at < ? LIMIT ?) RETURNING id";
    let responses = sqlx::query(responses).bind(not_before).bind(EVICTED_AT_ONCE);
    let responses = response_ids(&responses.fetch_all(&mut *connection).await?)?;
    let results = "DELETE FROM results WHERE id IN
        (SELECT id FROM results WHERE created_at < ? LIMIT ?) RETURNING key";
    let results = sqlx::query(results).bind(not_before).bind(EVICTED_AT_ONCE);
    let rows = results.fetch_all(&mut *connection).await?;
    Ok(Removed { results: rows.iter().map(result_key).collect::<Result<_, _>>()?, responses })
}

/// Removes the results not used for longest, `excess` bytes of them at least or as many as go at once, and
/// every response that was last used no later: those may need what is gone.
///
/// # Errors
/// The database fails.
pub async fn remove_least_used(
    connection: &mut SqliteConnection,
    excess: u64,
) -> Result<Removed, sqlx::Error> {
    let rows = sqlx::query("SELECT id, key, used_at, bytes FROM results ORDER BY used_at, id LIMIT ?")
        .bind(EVICTED_AT_ONCE)
        .fetch_all(&mut *connection)
        .await?;
    let (mut removed, mut freed, mut last_use) = (Vec::new(), 0, Milliseconds::MIN);
    for row in &rows {
        if freed >= excess {
            break;
        }
        let id: i64 = row.try_get("id")?;
        sqlx::query("DELETE FROM results WHERE id = ?").bind(id).execute(&mut *connection).await?;
        freed += row.try_get::<i64, _>("bytes")?.max(0) as u64;
        last_use = row.try_get("used_at")?;
        removed.push(result_key(row)?);
    }
    let responses = sqlx::query("DELETE FROM responses WHERE used_at <= ? RETURNING id").bind(last_use);
    let responses = response_ids(&responses.fetch_all(&mut *connection).await?)?;
    Ok(Removed { results: removed, responses })
}

/// Removes a response with its results, and every other response that needs one of them.
///
/// # Errors
/// The database fails.
pub async fn delete(
    connection: &mut SqliteConnection,
    id: ResponseId,
) -> Result<Option<Removed>, sqlx::Error> {
    let found = sqlx::query("SELECT keys FROM responses WHERE id = ?").bind(id.0.to_vec());
    let Some(row) = found.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let keys: Vec<u8> = row.try_get("keys")?;
    let mut removed = Removed::default();
    for key in keys.as_chunks::<32>().0 {
        let result = sqlx::query("DELETE FROM results WHERE key = ? RETURNING key").bind(key.to_vec());
        for row in &result.fetch_all(&mut *connection).await? {
            removed.results.push(result_key(row)?);
        }
        // A key may also be found across two others; what then goes without need is computed again.
        let responses = sqlx::query("DELETE FROM responses WHERE instr(keys, ?) > 0 RETURNING id");
        let rows = responses.bind(key.to_vec()).fetch_all(&mut *connection).await?;
        removed.responses.extend(response_ids(&rows)?);
    }
    Ok(Some(removed))
}
