//! Answers of jobs. Whoever changes those of a job has its row locked: servers that bring the same answers at one time
//! come one after the other, and each answer is counted once.

use std::collections::BTreeSet;
use std::ops::Range;

use sqlx::postgres::{PgPool, PgRow};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::store::Milliseconds;
use crate::store::datasets::{Portion, signed, unsigned};
use crate::store::integrity::{answer_digest, judged_answer};
use crate::store::jobs::{FoundAnswer, JobId, RowAnswer};

/// Answers removed in one transaction.
const SWEPT_AT_ONCE: u64 = 500;

/// Keeps the answers that are not there yet, and counts these. False if the job is not there or is over.
///
/// # Errors
/// The database fails.
pub async fn add(
    connection: &mut PgConnection,
    job: JobId,
    answers: &[RowAnswer],
    now: Milliseconds,
) -> Result<bool, sqlx::Error> {
    let lock = "SELECT rows FROM bulk_jobs WHERE id = $1 AND state IN ('accepted', 'queued') FOR UPDATE";
    let rows: Option<i64> = sqlx::query_scalar(lock).bind(job.0).fetch_optional(&mut *connection).await?;
    let Some(rows) = rows else { return Ok(false) };
    let each = || answers.iter().filter(|answer| answer.row < unsigned(rows));
    let insert = sqlx::query_scalar(
        "INSERT INTO bulk_answers (job, row, failed, digest, body)
         SELECT $1, row, failed, digest, body
         FROM unnest($2::bigint[], $3::boolean[], $4::bytea[], $5::bytea[]) AS new (row, failed, digest, body)
         ON CONFLICT (job, row) DO NOTHING
         RETURNING failed",
    );
    let new: Vec<bool> = insert
        .bind(job.0)
        .bind(each().map(|answer| signed(answer.row)).collect::<Vec<_>>())
        .bind(each().map(|answer| answer.failed).collect::<Vec<_>>())
        .bind(each().map(|answer| answer_digest(job, answer).to_vec()).collect::<Vec<_>>())
        .bind(each().map(|answer| answer.body.as_slice()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
    if new.is_empty() {
        return Ok(true);
    }
    let count = sqlx::query(
        "UPDATE bulk_jobs SET done = done + $2, failed = failed + $3, progressed_at = $4,
             state = CASE WHEN done + $2 = rows THEN 'finished' ELSE state END,
             ended_at = CASE WHEN done + $2 = rows THEN $4::bigint END
         WHERE id = $1",
    );
    let failed = new.iter().filter(|failed| **failed).count();
    let count = count.bind(job.0).bind(signed(new.len() as u64)).bind(signed(failed as u64)).bind(now);
    count.execute(connection).await?;
    Ok(true)
}

/// Answers of a job that is not deleted, from a row on.
///
/// # Errors
/// The database fails.
pub async fn read(
    pool: &PgPool,
    job: JobId,
    first: u64,
    portion: Portion,
) -> Result<Vec<FoundAnswer>, sqlx::Error> {
    // Lengths are looked at before any answer is sent: a few may be as large as all others.
    let query = sqlx::query(
        "WITH wanted AS (
             SELECT job, row, length(body) AS bytes
             FROM bulk_jobs JOIN bulk_answers ON job = id
             WHERE id = $1 AND NOT removed AND row >= $2 ORDER BY row LIMIT $3
         ), sums AS (
             SELECT job, row, sum(bytes) OVER (ORDER BY row) - bytes AS before FROM wanted
         )
         SELECT row, failed, digest, body FROM sums JOIN bulk_answers USING (job, row)
         WHERE before < $4 ORDER BY row",
    );
    let query = query.bind(job.0).bind(signed(first)).bind(i64::from(portion.rows));
    let rows = query.bind(signed(portion.bytes)).fetch_all(pool).await?;
    rows.iter().map(|row| found(job, row)).collect()
}

/// Which of some rows have an answer.
///
/// # Errors
/// The database fails.
pub async fn answered(
    connection: &mut PgConnection,
    job: JobId,
    rows: &Range<u64>,
) -> Result<BTreeSet<u64>, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT row FROM bulk_answers WHERE job = $1 AND row >= $2 AND row < $3");
    let query = query.bind(job.0).bind(signed(rows.start)).bind(signed(rows.end));
    Ok(query.fetch_all(connection).await?.into_iter().map(unsigned).collect())
}

/// Puts an answer in the place of a damaged one. What was an error is counted anew, since that of the damaged one may be
/// what was damaged.
///
/// # Errors
/// The database fails.
pub async fn replace(
    connection: &mut PgConnection,
    job: JobId,
    answer: &RowAnswer,
) -> Result<(), sqlx::Error> {
    let lock = sqlx::query("SELECT FROM bulk_jobs WHERE id = $1 AND NOT removed FOR UPDATE").bind(job.0);
    if lock.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(());
    }
    let find = sqlx::query("SELECT row, failed, digest, body FROM bulk_answers WHERE job = $1 AND row = $2");
    let find = find.bind(job.0).bind(signed(answer.row));
    let Some(row) = find.fetch_optional(&mut *connection).await? else { return Ok(()) };
    if matches!(found(job, &row)?, FoundAnswer::Whole(_)) {
        return Ok(());
    }
    let update = "UPDATE bulk_answers SET failed = $3, digest = $4, body = $5 WHERE job = $1 AND row = $2";
    let update = sqlx::query(update).bind(job.0).bind(signed(answer.row)).bind(answer.failed);
    let update = update.bind(answer_digest(job, answer).to_vec()).bind(&answer.body);
    update.execute(&mut *connection).await?;
    let count = "UPDATE bulk_jobs SET failed =
        (SELECT count(*) FROM bulk_answers WHERE job = $1 AND bulk_answers.failed) WHERE id = $1";
    sqlx::query(count).bind(job.0).execute(connection).await?;
    Ok(())
}

/// Removes some answers of a deleted job, and the job with the last of them. False if there is none. Servers that sweep
/// at one time take different jobs.
///
/// # Errors
/// The database fails.
pub async fn sweep(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let find = "SELECT id FROM bulk_jobs WHERE removed LIMIT 1 FOR UPDATE SKIP LOCKED";
    let found: Option<Uuid> = sqlx::query_scalar(find).fetch_optional(&mut *connection).await?;
    let Some(job) = found else { return Ok(false) };
    let delete = "DELETE FROM bulk_answers WHERE job = $1 AND row IN
        (SELECT row FROM bulk_answers WHERE job = $1 ORDER BY row LIMIT $2)";
    let delete = sqlx::query(delete).bind(job).bind(signed(SWEPT_AT_ONCE));
    if delete.execute(&mut *connection).await?.rows_affected() < SWEPT_AT_ONCE {
        sqlx::query("DELETE FROM bulk_jobs WHERE id = $1").bind(job).execute(connection).await?;
    }
    Ok(true)
}

fn found(job: JobId, row: &PgRow) -> Result<FoundAnswer, sqlx::Error> {
    let answer = RowAnswer {
        row: unsigned(row.try_get("row")?),
        failed: row.try_get("failed")?,
        body: row.try_get("body")?,
    };
    Ok(judged_answer(job, answer, row.try_get("digest")?))
}
