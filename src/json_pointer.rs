//! JSON pointers (RFC 6901) to the fields that errors speak of.

use serde_path_to_error::{Path, Segment};

/// The pointer to where deserialisation failed; empty for the whole document.
pub fn of_path(path: &Path) -> String {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => Some(format!("/{}", escaped(key))),
            Segment::Unknown => None,
        })
        .collect()
}

/// A key as it stands in a pointer.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
