//! What is wrong with rows as they were sent.

use crate::json_pointer;

/// The first thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {detail}")]
pub struct Fault {
    /// The line on which it is, or on which the row begins, from 1.
    pub line: u64,
    /// Where in the row, as a JSON pointer; empty for the row as a whole.
    pub field: String,
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// Something is wrong with a row as a whole.
    pub(super) fn of_line(line: u64, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Fault { line, field: String::new(), detail: detail.into(), remedy: remedy.into() }
    }

    /// Something is wrong with a field of a row.
    pub(super) fn of_field(
        line: u64,
        field: &str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let field = format!("/{}", json_pointer::escaped(field));
        Fault { field, ..Fault::of_line(line, detail, remedy) }
    }

    /// Where it is: a JSON pointer that begins with the line.
    pub fn pointer(&self) -> String {
        format!("/{}{}", self.line, self.field)
    }
}
