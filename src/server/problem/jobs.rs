//! How it is told what is wrong with jobs.

use std::time::Duration;

use axum::http::StatusCode;

use super::Problem;
use super::kinds::{INVALID_HEADER, KEY_IN_FLIGHT, KEY_REUSED, NO_SUCH_JOB};
use crate::engine::Failure;
use crate::job::{JobError, MOST_ROWS};
use crate::server::input::Pointers;

impl Problem {
    pub(in crate::server) fn no_such_job() -> Self {
        Problem::new(&NO_SUCH_JOB, "no job has this id")
            .with_remedy("GET /v1/jobs lists the jobs there are; one that was deleted is gone for good")
    }

    pub(in crate::server) fn idempotency_key(longest: usize) -> Self {
        let detail = "the header Idempotency-Key holds no key, or there are several";
        let remedy = format!(
            "send one key of 1 to {longest} visible ASCII characters, such as a UUID, or leave it out"
        );
        Problem::new(&INVALID_HEADER, detail).with_remedy(remedy)
    }

    pub(in crate::server) fn last_event_id() -> Self {
        Problem::new(
            &INVALID_HEADER,
            "the header Last-Event-ID holds no id of an event, or there are several",
        )
        .with_remedy("send the `id` of the last event, a whole number, or leave it out")
    }

    /// The rows that came with a job, or those of its dataset, are too many.
    pub(in crate::server) fn too_many_rows(pointer: &str, detail: String) -> Self {
        Problem::invalid(pointer, detail, format!("order several jobs of {MOST_ROWS} rows or fewer"))
    }

    /// Why a row got no answer. Nobody's request is named: it may be told to many.
    pub(in crate::server) fn of_row(failure: &Failure) -> Self {
        let mut problem = Problem::of_failure(failure.clone(), &Pointers::alone());
        if problem.status() == StatusCode::INTERNAL_SERVER_ERROR {
            problem.0.detail = "the server failed to answer; the log of the one that tried knows more".into();
            problem.0.remedy = Some("order a job for this row again; if it fails again, report it".into());
        }
        problem
    }

    /// The same problem of a part of the body: its field is looked for below `base`.
    pub(in crate::server) fn within(mut self, base: &str) -> Self {
        if let Some(pointer) = &mut self.0.pointer {
            pointer.insert_str(0, base);
        }
        self
    }

    /// The same problem of a line of the body, as those of rows are told.
    pub(in crate::server) fn of_line(mut self, line: u64) -> Self {
        if self.0.pointer.is_some() {
            self.0.detail.insert_str(0, &format!("line {line}: "));
        }
        self.within(&format!("/{line}"))
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let detail = error.to_string();
        match error {
            JobError::NoDatabase => Problem::no_database(detail),
            JobError::Unavailable => Problem::of_fault(&Failure::Unavailable),
            JobError::NoDataset => Problem::invalid(
                "/dataset",
                detail,
                "GET /v1/datasets lists the datasets there are; or send the rows with the job, as JSON lines",
            ),
            JobError::TooManyRows { .. } => Problem::too_many_rows("/dataset", detail),
            JobError::KeyInFlight => Problem::new(&KEY_IN_FLIGHT, detail)
                .with_remedy(
                    "send the same again, with the same key, when the other request has been answered",
                )
                .retry_after(Duration::from_secs(1)),
            JobError::KeyOfAnother => Problem::new(&KEY_REUSED, detail)
                .with_remedy("send a new key with every new job, and the same one only with the same bytes"),
            JobError::Damaged => {
                tracing::error!(error = detail, "a job cannot be given");
                Problem::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_looked_for_where_the_part_stands() {
        let problem = Problem::invalid("/model", "is wrong", "mend it");
        let problem = problem.within("/request").of_line(1);
        assert_eq!(problem.0.pointer.as_deref(), Some("/1/request/model"));
        assert_eq!(problem.0.detail, "line 1: is wrong");
        let without = Problem::query().of_line(1);
        assert_eq!((&without.0.pointer, &without.0.detail), (&None, &Problem::query().0.detail));
    }

    #[test]
    fn the_same_failure_is_told_of_rows_in_the_same_words() {
        let told = |text: &str| serde_json::to_string(&Problem::of_row(&Failure::Internal(text.into()))).ok();
        assert_eq!(told("a"), told("b"));
        assert!(told("a").is_some_and(|told| !told.contains("request_id")));
    }
}
