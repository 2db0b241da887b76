//! How it is told what is wrong with datasets.

use super::Problem;
use super::kinds::{BUNDLED_DATASET, DATASET_IN_USE, NO_DATABASE, NO_SUCH_DATASET, TOO_LARGE};
use crate::dataset::{DatasetError, Fault, UploadError};
use crate::engine::Failure;

impl Problem {
    pub(in crate::server) fn no_such_dataset() -> Self {
        Problem::new(&NO_SUCH_DATASET, "no dataset has this id").with_remedy(
            "GET /v1/datasets lists the datasets there are; POST the rows again: they give the same id",
        )
    }

    pub(in crate::server) fn dataset_too_large(limit: u64) -> Self {
        Problem::new(&TOO_LARGE, format!("the rows have more than {limit} bytes")).with_remedy(
            "send them as several datasets, or raise `max_dataset_bytes` in the server's configuration",
        )
    }

    /// Something was asked for that only a database can keep.
    pub(super) fn no_database(detail: String) -> Self {
        Problem::new(&NO_DATABASE, detail).with_remedy(
            "start the server with a database: without `database_url` it is a SQLite file in `data_dir`, and \
             `database_url = \"postgres://…\"` names a shared one",
        )
    }
}

impl From<DatasetError> for Problem {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::NoDatabase => Problem::no_database(error.to_string()),
            DatasetError::Bundled => Problem::new(&BUNDLED_DATASET, error.to_string()).with_remedy(
                "leave it: it takes no room in the database; datasets that were uploaded can be deleted",
            ),
            DatasetError::InUse => Problem::new(&DATASET_IN_USE, error.to_string())
                .with_remedy("wait for the jobs about it, or cancel them with DELETE /v1/jobs/{id}"),
            DatasetError::Unavailable => Problem::of_fault(&Failure::Unavailable),
            DatasetError::Damaged => {
                tracing::error!(%error, "a dataset cannot be given");
                Problem::internal()
            }
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Problem::invalid(fault.pointer(), fault.to_string(), fault.remedy)
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Fault(fault) => fault.into(),
            UploadError::Dataset(error) => error.into(),
            UploadError::GivenUp => Problem::body_too_slow(),
        }
    }
}
