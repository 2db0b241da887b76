//! The one error of loading a model: it names the file, the tensor where there is one, and what is wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a model directory could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file (or directory) at fault.
    pub file: PathBuf,
    /// The tensor at fault, by its name in the file.
    pub tensor: Option<String>,
    /// What is wrong and, where it helps, what would be right.
    pub problem: String,
}

impl LoadError {
    /// A fault of a whole file.
    pub fn file(file: &Path, problem: impl fmt::Display) -> Self {
        LoadError { file: file.to_owned(), tensor: None, problem: problem.to_string() }
    }

    /// A fault of one tensor in a file.
    pub fn tensor(file: &Path, tensor: &str, problem: impl fmt::Display) -> Self {
        LoadError { file: file.to_owned(), tensor: Some(tensor.to_owned()), problem: problem.to_string() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        if let Some(tensor) = &self.tensor {
            write!(f, "tensor `{tensor}`: ")?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for LoadError {}

/// Reads a whole file, naming it where that fails.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|error| LoadError::file(path, format!("cannot be read: {error}")))
}

/// Reads a JSON file into `T`, naming the file and the position where that fails.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, LoadError> {
    serde_json::from_slice(&read_file(path)?)
        .map_err(|error| LoadError::file(path, format!("is not what it should be: {error}")))
}
