//! A problem of every kind as the server tells it, for the API's description.

use std::time::Duration;

use super::{Kind, Problem};
use crate::concept::Fault;
use crate::dataset::DatasetError;
use crate::engine::{Failure, Overload};
use crate::identity::Shape;
use crate::job::JobError;
use crate::model::EncodeError;
use crate::server::input::Pointers;
use crate::server::representation::{Representation, names};
use crate::server::request_id::RequestId;

impl Problem {
    /// A problem of this kind, told by the code that tells it to users.
    pub(in crate::server) fn example(kind: &'static Kind) -> Self {
        let examples = [
            malformed_json(),
            Problem::unreadable_body("the body ended before its length"),
            Problem::query(),
            Problem::invalid_query("limit", "is `0`", "send a whole number from 1 to 1000, or leave it out"),
            Problem::timeout_header(Duration::from_secs(300)),
            Problem::not_found("/v2/explain"),
            Problem::not_kept(),
            Problem::no_such_dataset(),
            Problem::no_such_job(),
            Problem::no_such_concept("refunds"),
            Problem::wrong_method("PUT"),
            Problem::not_acceptable(&names(Representation::of(Shape::Explain))),
            Problem::body_too_slow(),
            Problem::from(DatasetError::NoDatabase),
            Problem::from(DatasetError::Bundled),
            Problem::from(DatasetError::InUse),
            Problem::from(Fault::Bundled("acting".into())),
            Problem::from(Fault::OfAnotherModel {
                concept: "refunds@2".into(),
                model: "movie-reviews".into(),
                learnt_from: "567806b0f6fe7606f73d7a5888a241c3fb147ce75ced0a40337943fd786d3900".into(),
            }),
            Problem::of_fault(&Failure::ModelChanged { model: "movie-reviews".into() }),
            Problem::job_not_finished("/job", "running"),
            Problem::from(JobError::KeyInFlight),
            Problem::body_too_large(),
            Problem::media_type(Some("text/plain"), "`Content-Type: application/json`"),
            Problem::invalid(
                "/options/integrated_gradients/steps",
                "is 0; expected 1 to 1000",
                "the options of integrated_gradients and their defaults are {\"baseline\":\"pad\",\
                 \"max_gradients\":129,\"output\":\"logit\",\"steps\":null}",
            ),
            Problem::from(JobError::KeyOfAnother),
            of_text(EncodeError::TooLong { tokens: 802, limit: 512 }),
            Problem::of_failure(
                Failure::UnequalLengths {
                    pointer: "/counterfactual".into(),
                    tokens: ["[CLS]", "good", "[SEP]"].map(String::from).into(),
                    others: ["[CLS]", "un", "##good", "[SEP]"].map(String::from).into(),
                },
                &Pointers::alone(),
            ),
            Problem::of_fault(&Failure::TooLarge { amount: 18_874_368, limit: 5_000_000, unit: "weights" }),
            Problem::of_failure(Failure::NotFinite, &Pointers::alone()),
            Problem::of_fault(&Failure::Overloaded {
                overload: Overload::Requests { most: 256 },
                retry_after: Duration::from_secs(3),
            }),
            Problem::internal(),
            Problem::starting(),
            Problem::draining(),
            Problem::of_fault(&Failure::Unavailable),
            Problem::of_fault(&Failure::Deadline(Duration::from_millis(2500))),
        ];
        let fitting = examples.into_iter().find(|problem| problem.name() == kind.name);
        fitting.unwrap_or_else(|| Problem::new(kind, kind.title)).named(&RequestId::example())
    }
}

fn malformed_json() -> Problem {
    let error = serde_json::from_str::<serde_json::Value>("{\"text\": \"a gripping film\",}");
    error.map_or_else(|error| Problem::malformed_json(&error), |_| Problem::internal())
}

fn of_text(error: EncodeError) -> Problem {
    Problem::of_failure(Failure::Text(error), &Pointers::alone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_problem_has_an_example_of_its_own() {
        for kind in Kind::all() {
            let example = Problem::example(kind);
            assert_eq!((example.name(), example.status()), (kind.name, kind.status));
            assert!(example.0.remedy.as_deref().is_some_and(|remedy| !remedy.is_empty()), "{}", kind.name);
            assert_eq!(example.0.retry_after.is_some(), kind.may_be_tried_again(), "{}", kind.name);
        }
    }
}
