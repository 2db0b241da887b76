//! The formats that rows come in.

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// Comma-separated values (RFC 4180) with a header.
    Csv,
}

impl Format {
    /// The format of a media type, if it is one of rows.
    pub fn of_media_type(essence: &str) -> Option<Self> {
        match essence {
            "application/x-ndjson" | "application/jsonl" | "application/json-lines" => {
                Some(Format::JsonLines)
            }
            "text/csv" => Some(Format::Csv),
            _ => None,
        }
    }
}
