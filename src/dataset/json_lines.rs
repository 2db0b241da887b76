//! JSON lines: an object on each line.

use serde_json::error::Category;

use super::reader::Numbered;
use super::{Fault, MOST_ROW_BYTES, Row};
use crate::json_pointer;

const REMEDY: &str = "put one object on each line: {\"text\": \"…\", \"text_pair\": \"…\", \"label\": \"…\", \"metadata\": {}}, \
                      all but `text` optional";

/// What has been read of the lines.
#[derive(Default)]
pub(super) struct JsonLines {
    /// The line under way.
    line: Vec<u8>,
    /// Lines that have ended.
    ended: u64,
}

impl JsonLines {
    /// Takes the next bytes, and adds the rows whose lines end within them.
    pub(super) fn push(&mut self, mut bytes: &[u8], rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (last, rest) = bytes.split_at(end);
            self.extend(last)?;
            self.end_line(rows)?;
            bytes = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        self.extend(bytes)
    }

    /// Adds the row of a last line that has no end.
    pub(super) fn end(&mut self, rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        self.end_line(rows)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.line.len() + bytes.len() > MOST_ROW_BYTES {
            let detail = format!("the line has more than {MOST_ROW_BYTES} bytes");
            return Err(Fault::of_line(self.ended + 1, detail, "shorten the text, or split the row"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        self.ended += 1;
        let line = self.ended;
        let content = self.line.trim_ascii();
        if !content.is_empty() {
            rows.push(Numbered { line, row: parsed(content, line)? });
        }
        self.line.clear();
        Ok(())
    }
}

fn parsed(bytes: &[u8], line: u64) -> Result<Row, Fault> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Fault::of_line(line, "the line is not UTF-8", "send UTF-8"));
    };
    // serde reads an array as a struct's fields in order; here `["good"]` is no row.
    if !text.starts_with('{') {
        return Err(Fault::of_line(line, "the line is no JSON object", REMEDY));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let row: Row = serde_path_to_error::deserialize(&mut json).map_err(|error| fault(error, line))?;
    json.end().map_err(|error| malformed(&error, line))?;
    row.check(line)?;
    Ok(row)
}

fn fault(error: serde_path_to_error::Error<serde_json::Error>, line: u64) -> Fault {
    let field = json_pointer::of_path(error.path());
    let error = error.into_inner();
    match error.classify() {
        Category::Data => Fault { field, ..Fault::of_line(line, message(&error), REMEDY) },
        Category::Syntax | Category::Eof | Category::Io => malformed(&error, line),
    }
}

fn malformed(error: &serde_json::Error, line: u64) -> Fault {
    let detail = format!("the line is not JSON: {} at column {}", message(error), error.column());
    Fault::of_line(line, detail, REMEDY)
}

/// serde_json ends its messages with the place in what it read, which is one line.
fn message(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(end) => message[..end].to_owned(),
        None => message,
    }
}
