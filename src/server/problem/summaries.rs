//! How it is told that there is no summary.

use super::Problem;
use super::kinds::{ANSWER_TOO_LARGE, JOB_NOT_FINISHED};
use crate::summary::{MOST_GROUPS, SummaryError};

impl Problem {
    /// The job that a field names is not there.
    pub(in crate::server) fn unknown_job(pointer: &str) -> Self {
        let remedy = "GET /v1/jobs lists the jobs there are; one that was deleted is gone for good";
        Problem::invalid(pointer, "no job has this id", remedy)
    }

    /// The job that a field names, in this state, has not answered every row.
    pub(in crate::server) fn job_not_finished(pointer: &str, state: &str) -> Self {
        let remedy = match state {
            "cancelled" => {
                "DELETE the job and order it again: of one that was called off there is no summary"
            }
            _ => "wait until GET /v1/jobs/{id} says `finished`; GET /v1/jobs/{id}/events tells when",
        };
        Problem::new(&JOB_NOT_FINISHED, format!("the job is {state}")).at(pointer).with_remedy(remedy)
    }

    /// Why a set cannot be summarised, where its answers are not to blame.
    pub(in crate::server) fn of_summary(error: SummaryError<Problem>) -> Self {
        let detail = error.to_string();
        match error {
            SummaryError::Answers(problem) => problem,
            SummaryError::TooManyGroups => {
                let remedy = format!("name a column of {MOST_GROUPS} values or fewer, or leave it out");
                Problem::invalid("/group_by", detail, remedy)
            }
            SummaryError::TooManyWords => Problem::new(&ANSWER_TOO_LARGE, detail).with_remedy(
                "leave `group_by` out, explain one class alone, or order a job about fewer rows",
            ),
        }
    }
}
