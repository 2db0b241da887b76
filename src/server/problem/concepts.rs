//! How it is told what is wrong with concepts.

use super::Problem;
use super::kinds::{BUNDLED_CONCEPT, CONCEPT_OF_ANOTHER_MODEL, NO_SUCH_CONCEPT};
use crate::concept::Fault;
use crate::engine::Failure;
use crate::server::input::Pointers;

impl Problem {
    pub(in crate::server) fn no_such_concept(reference: &str) -> Self {
        let shown: String = reference.chars().take(120).collect();
        Problem::new(&NO_SUCH_CONCEPT, format!("there is no concept `{}`", shown.escape_debug()))
            .with_remedy("GET /v1/concepts lists the concepts there are; POST /v1/concepts learns one")
    }

    /// A concept that a field names is not there.
    pub(in crate::server) fn unknown_concept(pointer: &str, reference: &str) -> Self {
        let shown: String = reference.chars().take(120).collect();
        Problem::invalid(
            pointer,
            format!("there is no concept `{}`", shown.escape_debug()),
            "name one of GET /v1/concepts: its `name`, or `name@version`",
        )
    }

    /// What is wrong with a concept that stands at a place of the body.
    pub(in crate::server) fn of_concept_at(fault: Fault, pointer: &str) -> Self {
        match fault {
            Fault::Unknown(reference) => Problem::unknown_concept(pointer, &reference),
            other => {
                let problem = Problem::from(other);
                let is_of_a_name = [&CONCEPT_OF_ANOTHER_MODEL, &BUNDLED_CONCEPT].map(|kind| kind.name);
                if is_of_a_name.contains(&problem.name()) && problem.0.pointer.is_none() {
                    return problem.at(pointer);
                }
                problem
            }
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let detail = fault.to_string();
        match fault {
            Fault::Field(invalid) => invalid.into(),
            Fault::Unknown(reference) => Problem::no_such_concept(&reference),
            Fault::OfAnotherModel { .. } => Problem::new(&CONCEPT_OF_ANOTHER_MODEL, detail).with_remedy(
                "learn it again from the same examples: POST /v1/concepts with this model; or ask the model that it is of",
            ),
            Fault::Bundled(_) => Problem::new(&BUNDLED_CONCEPT, detail)
                .with_remedy("choose another name; what comes with the program can be neither replaced nor deleted"),
            Fault::NoDataset { pointer } => {
                Problem::invalid(pointer, detail, "GET /v1/datasets lists the datasets there are")
            }
            Fault::Text { pointer, failure } => {
                let pointers = Pointers { text: pointer.clone(), text_pair: pointer };
                Problem::of_failure(failure, &pointers)
            }
            Fault::NoDatabase => Problem::no_database(detail),
            Fault::Unavailable => Problem::of_fault(&Failure::Unavailable),
            Fault::Damaged(_) => {
                tracing::error!(error = detail, "a concept cannot be given");
                Problem::internal()
            }
            Fault::Failed(failure) => Problem::of_failure(failure, &Pointers::alone()),
        }
    }
}
