//! Rows out of bytes that come in pieces.

use super::json_lines::JsonLines;
use super::table::Table;
use super::{Fault, Format, Row};

/// How some programs begin a file in UTF-8; it says nothing.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A row, and the line on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// The line, from 1.
    pub line: u64,
    /// The row.
    pub row: Row,
}

/// Makes rows of bytes, wherever these are cut.
pub struct Reader {
    /// The first bytes, until it is known whether they are a byte order mark.
    beginning: Option<Vec<u8>>,
    lines: Lines,
}

enum Lines {
    Json(JsonLines),
    Csv(Box<Table>),
}

impl Reader {
    /// A reader of a format.
    pub fn new(format: Format) -> Self {
        let lines = match format {
            Format::JsonLines => Lines::Json(JsonLines::default()),
            Format::Csv => Lines::Csv(Box::default()),
        };
        Reader { beginning: Some(Vec::new()), lines }
    }

    /// Takes the next bytes, and adds the rows that are complete with them.
    ///
    /// # Errors
    /// The first fault; the reader is of no more use then.
    pub fn push(&mut self, bytes: &[u8], rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        let Some(mut beginning) = self.beginning.take() else { return self.lines.push(bytes, rows) };
        beginning.extend_from_slice(bytes);
        if beginning.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&beginning) {
            self.beginning = Some(beginning);
            return Ok(());
        }
        self.lines.push(beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&beginning), rows)
    }

    /// There are no more bytes: adds the row that ends with them.
    ///
    /// # Errors
    /// The first fault.
    pub fn end(&mut self, rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        if let Some(beginning) = self.beginning.take() {
            self.lines.push(&beginning, rows)?;
        }
        match &mut self.lines {
            Lines::Json(lines) => lines.end(rows),
            Lines::Csv(table) => table.end(rows),
        }
    }
}

impl Lines {
    fn push(&mut self, bytes: &[u8], rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        match self {
            Lines::Json(lines) => lines.push(bytes, rows),
            Lines::Csv(table) => table.push(bytes, rows),
        }
    }
}
