//! Answers of jobs: on the connection that writes, and from the others.

use std::collections::BTreeSet;
use std::ops::Range;

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use crate::store::Milliseconds;
use crate::store::datasets::{Portion, signed, unsigned};
use crate::store::integrity::{answer_digest, judged_answer};
use crate::store::jobs::{FoundAnswer, JobId, RowAnswer};

/// Answers removed in one transaction, so that writers get in between.
const SWEPT_AT_ONCE: u64 = 500;

/// Keeps the answers that are not there yet, and counts these. False if the job is not there or is over.
///
/// # Errors
/// The database fails.
pub async fn add(
    connection: &mut SqliteConnection,
    job: JobId,
    answers: &[RowAnswer],
    now: Milliseconds,
) -> Result<bool, sqlx::Error> {
    let find = "SELECT rows FROM bulk_jobs WHERE id = ? AND state IN ('accepted', 'queued')";
    let rows: Option<i64> = sqlx::query_scalar(find).bind(job.0).fetch_optional(&mut *connection).await?;
    let Some(rows) = rows else { return Ok(false) };
    let (mut done, mut failed) = (0, 0);
    for answer in answers.iter().filter(|answer| answer.row < unsigned(rows)) {
        let insert = "INSERT INTO bulk_answers (job, row, failed, digest, body) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (job, row) DO NOTHING";
        let insert = sqlx::query(insert).bind(job.0).bind(signed(answer.row)).bind(answer.failed);
        let insert = insert.bind(answer_digest(job, answer).to_vec()).bind(&answer.body);
        if insert.execute(&mut *connection).await?.rows_affected() > 0 {
            done += 1;
            failed += i64::from(answer.failed);
        }
    }
    if done > 0 {
        let count = sqlx::query(
            "UPDATE bulk_jobs SET done = done + ?2, failed = failed + ?3, progressed_at = ?4,
                 state = CASE WHEN done + ?2 = rows THEN 'finished' ELSE state END,
                 ended_at = CASE WHEN done + ?2 = rows THEN ?4 END
             WHERE id = ?1",
        );
        count.bind(job.0).bind(done).bind(failed).bind(now).execute(connection).await?;
    }
    Ok(true)
}

/// Answers of a job that is not deleted, from a row on.
///
/// # Errors
/// The database fails.
pub async fn read(
    readers: &SqlitePool,
    job: JobId,
    first: u64,
    portion: Portion,
) -> Result<Vec<FoundAnswer>, sqlx::Error> {
    // Lengths are looked at before any answer is read: a few may be as large as all others.
    let query = sqlx::query(
        "WITH wanted AS (
             SELECT job, row, length(body) AS bytes
             FROM bulk_jobs JOIN bulk_answers ON job = id
             WHERE id = ?1 AND removed = 0 AND row >= ?2 ORDER BY row LIMIT ?3
         ), sums AS (
             SELECT job, row, sum(bytes) OVER (ORDER BY row) - bytes AS before FROM wanted
         )
         SELECT row, failed, digest, body FROM sums JOIN bulk_answers USING (job, row)
         WHERE before < ?4 ORDER BY row",
    );
    let query = query.bind(job.0).bind(signed(first)).bind(portion.rows).bind(signed(portion.bytes));
    query.fetch_all(readers).await?.iter().map(|row| found(job, row)).collect()
}

/// Which of some rows have an answer.
///
/// # Errors
/// The database fails.
pub async fn answered(
    readers: &SqlitePool,
    job: JobId,
    rows: &Range<u64>,
) -> Result<BTreeSet<u64>, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT row FROM bulk_answers WHERE job = ? AND row >= ? AND row < ?");
    let query = query.bind(job.0).bind(signed(rows.start)).bind(signed(rows.end));
    Ok(query.fetch_all(readers).await?.into_iter().map(unsigned).collect())
}

/// Puts an answer in the place of a damaged one. What was an error is counted anew, since that of the damaged one may be
/// what was damaged.
///
/// # Errors
/// The database fails.
pub async fn replace(
    connection: &mut SqliteConnection,
    job: JobId,
    answer: &RowAnswer,
) -> Result<(), sqlx::Error> {
    let find = "SELECT row, bulk_answers.failed, digest, body FROM bulk_jobs JOIN bulk_answers ON job = id
        WHERE id = ? AND removed = 0 AND row = ?";
    let find = sqlx::query(find).bind(job.0).bind(signed(answer.row));
    let Some(row) = find.fetch_optional(&mut *connection).await? else { return Ok(()) };
    if matches!(found(job, &row)?, FoundAnswer::Whole(_)) {
        return Ok(());
    }
    let update = "UPDATE bulk_answers SET failed = ?, digest = ?, body = ? WHERE job = ? AND row = ?";
    let update = sqlx::query(update).bind(answer.failed).bind(answer_digest(job, answer).to_vec());
    let update = update.bind(&answer.body).bind(job.0).bind(signed(answer.row));
    update.execute(&mut *connection).await?;
    let count = "UPDATE bulk_jobs SET failed =
        (SELECT count(*) FROM bulk_answers WHERE job = ?1 AND failed = 1) WHERE id = ?1";
    sqlx::query(count).bind(job.0).execute(connection).await?;
    Ok(())
}

/// Removes some answers of a deleted job, and the job with the last of them. False if there is none.
///
/// # Errors
/// The database fails.
pub async fn sweep(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let find = sqlx::query_scalar("SELECT id FROM bulk_jobs WHERE removed = 1 LIMIT 1");
    let found: Option<Uuid> = find.fetch_optional(&mut *connection).await?;
    let Some(job) = found else { return Ok(false) };
    let delete = "DELETE FROM bulk_answers WHERE job = ?1 AND row IN
        (SELECT row FROM bulk_answers WHERE job = ?1 ORDER BY row LIMIT ?2)";
    let delete = sqlx::query(delete).bind(job).bind(signed(SWEPT_AT_ONCE));
    if delete.execute(&mut *connection).await?.rows_affected() < SWEPT_AT_ONCE {
        sqlx::query("DELETE FROM bulk_jobs WHERE id = ?").bind(job).execute(connection).await?;
    }
    Ok(true)
}

fn found(job: JobId, row: &SqliteRow) -> Result<FoundAnswer, sqlx::Error> {
    let answer = RowAnswer {
        row: unsigned(row.try_get("row")?),
        failed: row.try_get("failed")?,
        body: row.try_get("body")?,
    };
    Ok(judged_answer(job, answer, row.try_get("digest")?))
}
