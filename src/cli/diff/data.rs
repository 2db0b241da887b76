//! The rows of a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::cli::CommandError;
use crate::dataset::{Fault, Format, Numbered, Reader, Row};
use crate::job::MOST_ROWS;

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// Reads all rows of a file, by the reader of uploads.
///
/// # Errors
/// Its name has no known ending, it cannot be read, or the first fault of any row.
pub(super) fn rows(path: &Path) -> Result<Vec<Row>, CommandError> {
    let refused = |what: String| CommandError::usage(format!("--data: {}: {what}", path.display()));
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    let format = match ending.as_deref() {
        Some("csv") => Format::Csv,
        Some("jsonl") => Format::JsonLines,
        _ => {
            return Err(refused(
                "the name must end in .csv or .jsonl, which say how rows are written".into(),
            ));
        }
    };
    let fault = |fault: Fault| refused(format!("{fault}; {}", fault.remedy));
    let unreadable = |error: std::io::Error| refused(format!("it cannot be read: {error}"));
    let mut file = File::open(path).map_err(unreadable)?;
    let mut reader = Reader::new(format);
    let (mut piece, mut numbered) = (vec![0; PIECE], Vec::new());
    loop {
        let length = file.read(&mut piece).map_err(unreadable)?;
        if length == 0 {
            break;
        }
        reader.push(&piece[..length], &mut numbered).map_err(fault)?;
        if numbered.len() as u64 > MOST_ROWS {
            return Err(refused(format!(
                "there are more than {MOST_ROWS} rows; compare by a sample of them"
            )));
        }
    }
    reader.end(&mut numbered).map_err(fault)?;
    match numbered.is_empty() {
        true => Err(refused("there are no rows".into())),
        false => Ok(numbered.into_iter().map(|Numbered { row, .. }| row).collect()),
    }
}
