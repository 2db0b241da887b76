//! Why something cannot be done with concepts.

use crate::cache::durable::Unavailable;
use crate::dataset::DatasetError;
use crate::engine::{Failure, Invalid};
use crate::explain::concept::ConceptError;

/// Why there is no concept, or no answer about one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// A field of the request is not valid.
    #[error("{}", .0.detail)]
    Field(Invalid),
    /// There is no such concept.
    #[error("there is no concept `{0}`")]
    Unknown(String),
    /// The concept is one of another model, or of this one before it was changed.
    #[error(
        "concept `{concept}` was learnt from the states of model `{learnt_from}`, which is not the model that is served as `{model}`"
    )]
    OfAnotherModel {
        /// The concept.
        concept: String,
        /// The model that is asked, by its id.
        model: String,
        /// The fingerprint that the concept was learnt from.
        learnt_from: String,
    },
    /// It comes with the program.
    #[error("concept `{0}` comes with the program")]
    Bundled(String),
    /// There is no such dataset.
    #[error("no dataset has this id")]
    NoDataset {
        /// Where it is named.
        pointer: String,
    },
    /// A text cannot be worked on.
    #[error("{failure}")]
    Text {
        /// Where it stands.
        pointer: String,
        /// What is wrong with it.
        failure: Failure,
    },
    /// No database is configured.
    #[error("concepts are kept in a database, and this server has none")]
    NoDatabase,
    /// The database does not answer.
    #[error("the database that keeps concepts does not answer")]
    Unavailable,
    /// What is kept is not what was once written.
    #[error("what is stored of concept `{0}` is damaged")]
    Damaged(String),
    /// Something failed that is not the request's fault, or nobody waits any more.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Fault {
    /// A field that is not valid.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Fault::Field(Invalid::new(pointer, detail, remedy))
    }

    /// What the arithmetic has to say of the examples that stand at `pointer`.
    pub fn of_examples(pointer: &str, error: ConceptError) -> Self {
        let detail = error.to_string();
        match error {
            ConceptError::TooFew { .. } => {
                Fault::field(pointer, detail, "send more examples, or ask for fewer `folds`")
            }
            ConceptError::NoDifference => {
                Fault::field(pointer, detail, "send counter-examples that say something else")
            }
            ConceptError::NotFinite => Fault::Failed(Failure::NotFinite),
            ConceptError::Singular => Fault::field(
                pointer,
                detail,
                "send more and more different examples, or a smaller `regularisation`",
            ),
            ConceptError::Setting { .. } => Fault::field("/regularisation", detail, "send a number above 0"),
            ConceptError::CalledOff => Fault::Failed(Failure::Cancelled),
        }
    }

    /// What the arithmetic cannot do with what is kept of a concept, which is not the request's fault.
    pub fn of_arithmetic(error: ConceptError) -> Self {
        Fault::Failed(match error {
            ConceptError::NotFinite => Failure::NotFinite,
            ConceptError::CalledOff => Failure::Cancelled,
            other => Failure::Internal(other.to_string()),
        })
    }
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Fault::Field(invalid)
    }
}

impl From<Unavailable> for Fault {
    fn from(_: Unavailable) -> Self {
        Fault::Unavailable
    }
}

impl From<DatasetError> for Fault {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::NoDatabase => Fault::NoDatabase,
            DatasetError::Unavailable | DatasetError::Bundled | DatasetError::InUse => Fault::Unavailable,
            DatasetError::Damaged => Fault::Failed(Failure::Internal(error.to_string())),
        }
    }
}

/// What an answer that is made of many fails with, for everyone who waits for it.
impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let detail = fault.to_string();
        match fault {
            Fault::Failed(failure) => failure,
            Fault::Field(invalid) => Failure::Field(invalid),
            Fault::Text { pointer, failure } => Failure::At { pointer, failure: Box::new(failure) },
            Fault::NoDataset { pointer } => {
                let remedy = "GET /v1/datasets lists the datasets there are";
                Failure::Field(Invalid::new(pointer, detail, remedy))
            }
            Fault::NoDatabase | Fault::Unavailable => Failure::Unavailable,
            Fault::Unknown(_) | Fault::OfAnotherModel { .. } | Fault::Bundled(_) | Fault::Damaged(_) => {
                Failure::Internal(detail)
            }
        }
    }
}
