//! What goes, to keep within the limits or at someone's wish, and how the other servers hear of it.

use sqlx::{PgConnection, Row};

use super::rows::{bytes, listed, response_id, result_key};
use crate::identity::{ResponseId, ResultKey};
use crate::store::integrity::RESPONSE_BYTES;
use crate::store::{Milliseconds, News, Removed};

/// Results removed in one transaction, so that writers get in between.
pub const REMOVED_AT_ONCE: i64 = 256;

/// Told at one time.
const TOLD_AT_ONCE: i64 = 10_000;

/// The advisory lock of whoever removes: "explaind" in ASCII.
const LOCK: i64 = 0x6578_706c_6169_6e64;

/// How long removals are told of.
const REMEMBERED: Milliseconds = 60 * 60 * 1000;

/// Bytes of all results and responses with what their rows take.
///
/// # Errors
/// The database fails.
pub async fn bytes_kept(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let query = sqlx::query_scalar(
        "SELECT (SELECT coalesce(sum(bytes), 0) FROM results)::bigint + $1 * (SELECT count(*) FROM responses)",
    );
    let sum: i64 = query.bind(RESPONSE_BYTES).fetch_one(connection).await?;
    Ok(sum.max(0) as u64)
}

/// Lets nobody else remove anything until the transaction ends.
///
/// # Errors
/// The database fails.
pub async fn begin(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(connection).await?;
    Ok(())
}

/// Removes some of what is older than `not_before`.
///
/// # Errors
/// The database fails.
pub async fn remove_old(
    connection: &mut PgConnection,
    not_before: Milliseconds,
) -> Result<Removed, sqlx::Error> {
    let responses = "DELETE FROM responses WHERE created_at < $1 AND id IN
        (SELECT id FROM responses WHERE created_at < $1 ORDER BY id LIMIT $2) RETURNING id";
    let responses = sqlx::query(responses).bind(not_before).bind(REMOVED_AT_ONCE);
    let responses = responses.fetch_all(&mut *connection).await?;
    let results = "DELETE FROM results WHERE created_at < $1 AND key IN
        (SELECT key FROM results WHERE created_at < $1 ORDER BY key LIMIT $2) RETURNING key";
    let results = sqlx::query(results).bind(not_before).bind(REMOVED_AT_ONCE);
    let results = results.fetch_all(&mut *connection).await?;
    removed(&results, &responses)
}

/// Removes the results not used for longest, until no more than `most_bytes` are kept or as many as go at once, and
/// every response that was last used no later: those may need what is gone. Nothing, if no more is kept.
///
/// # Errors
/// The database fails.
pub async fn remove_least_used(
    connection: &mut PgConnection,
    most_bytes: u64,
) -> Result<Removed, sqlx::Error> {
    // Under the lock: another server may have made room just now.
    let excess = bytes_kept(connection).await?.saturating_sub(most_bytes);
    if excess == 0 {
        return Ok(Removed::default());
    }
    // One that is used between the look and the deletion stays: PostgreSQL looks at `used_at` again.
    let results = sqlx::query(
        "WITH oldest AS MATERIALIZED (
             SELECT key, used_at, sum(bytes) OVER (ORDER BY used_at, key) - bytes AS before
             FROM (SELECT key, used_at, bytes FROM results ORDER BY used_at, key LIMIT $1) AS candidates
         )
         DELETE FROM results USING oldest
         WHERE results.key = oldest.key AND results.used_at = oldest.used_at AND oldest.before < $2
         RETURNING results.key, results.used_at",
    );
    let results = results
        .bind(REMOVED_AT_ONCE)
        .bind(i64::try_from(excess).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
    let mut last_use = Milliseconds::MIN;
    for row in &results {
        last_use = last_use.max(row.try_get("used_at")?);
    }
    let responses = sqlx::query("DELETE FROM responses WHERE used_at <= $1 RETURNING id").bind(last_use);
    removed(&results, &responses.fetch_all(&mut *connection).await?)
}

/// Removes a response with its results, and every other response that needs one of them.
///
/// # Errors
/// The database fails.
pub async fn delete(connection: &mut PgConnection, id: ResponseId) -> Result<Option<Removed>, sqlx::Error> {
    let found = sqlx::query("SELECT keys FROM responses WHERE id = $1").bind(&id.0[..]);
    let Some(row) = found.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let keys: &[u8] = row.try_get("keys")?;
    let keys: Vec<ResultKey> = keys.as_chunks::<32>().0.iter().map(|key| ResultKey(*key)).collect();
    let results = sqlx::query("DELETE FROM results WHERE key = ANY($1) RETURNING key").bind(listed(&keys));
    let results = results.fetch_all(&mut *connection).await?;
    // A key may also be found across two others; what then goes without need is computed again.
    let responses = sqlx::query(
        "DELETE FROM responses
         WHERE EXISTS (SELECT 1 FROM unnest($1::bytea[]) AS gone (key) WHERE position(gone.key IN keys) > 0)
         RETURNING id",
    );
    let responses = responses.bind(listed(&keys)).fetch_all(&mut *connection).await?;
    removed(&results, &responses).map(Some)
}

/// Tells the other servers, once the transaction is committed; and forgets what they were told long ago.
///
/// # Errors
/// The database fails.
pub async fn tell(
    connection: &mut PgConnection,
    removed: &Removed,
    deleted: bool,
    now: Milliseconds,
) -> Result<(), sqlx::Error> {
    if removed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO removals (removed_at, deleted, result, response)
         SELECT $1, $2, key, NULL FROM unnest($3::bytea[]) AS results (key)
         UNION ALL SELECT $1, $2, NULL, id FROM unnest($4::bytea[]) AS responses (id)",
    )
    .bind(now)
    .bind(deleted)
    .bind(listed(&removed.results))
    .bind(removed.responses.iter().map(|id| &id.0[..]).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    let old = sqlx::query("DELETE FROM removals WHERE removed_at < $1").bind(now - REMEMBERED);
    old.execute(connection).await?;
    Ok(())
}

/// How much of the removals a server has heard of.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    number: i64,
    at: Milliseconds,
}

/// What was removed since `heard`, and how much has been heard now.
///
/// # Errors
/// The database fails.
pub async fn news(
    connection: &mut PgConnection,
    heard: Option<Heard>,
    now: Milliseconds,
) -> Result<(News, Heard), sqlx::Error> {
    // Who has not listened for long may have missed what was forgotten since.
    let Some(heard) = heard.filter(|heard| now - heard.at < REMEMBERED / 2) else {
        let number = sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM removals");
        return Ok((News::Unknown, Heard { number: number.fetch_one(connection).await?, at: now }));
    };
    let rows = sqlx::query(
        "SELECT number, deleted, result, response FROM removals WHERE number > $1 ORDER BY number LIMIT $2",
    );
    let rows = rows.bind(heard.number).bind(TOLD_AT_ONCE).fetch_all(connection).await?;
    let (mut evicted, mut deleted, mut number) = (Removed::default(), Removed::default(), heard.number);
    for row in &rows {
        number = row.try_get("number")?;
        let of_its_kind = if row.try_get("deleted")? { &mut deleted } else { &mut evicted };
        match row.try_get::<Option<&[u8]>, _>("result")? {
            Some(_) => of_its_kind.results.push(ResultKey(bytes(row, "result")?)),
            None => of_its_kind.responses.push(ResponseId(bytes(row, "response")?)),
        }
    }
    Ok((News::Removed { evicted, deleted }, Heard { number, at: now }))
}

fn removed(
    results: &[sqlx::postgres::PgRow],
    responses: &[sqlx::postgres::PgRow],
) -> Result<Removed, sqlx::Error> {
    Ok(Removed {
        results: results.iter().map(result_key).collect::<Result<_, _>>()?,
        responses: responses.iter().map(response_id).collect::<Result<_, _>>()?,
    })
}
