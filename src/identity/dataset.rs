//! The id of a dataset: a hash of its rows, whoever uploads them and in whichever format.

use std::fmt;

use super::hexadecimal;
use super::key::Fields;

/// The identity of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetId(pub [u8; 32]);

impl DatasetId {
    /// The id of 64 lower-case hexadecimal digits; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hexadecimal::read(text).map(DatasetId)
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal::written(self.0))
    }
}

/// Takes rows in their order, one at a time, and gives the id of them all.
pub struct DatasetHasher(Fields);

impl DatasetHasher {
    /// Of no rows so far.
    pub fn new() -> Self {
        DatasetHasher(Fields::new("explaind dataset"))
    }

    /// Adds a row in its canonical form.
    pub fn add(&mut self, row: &[u8]) {
        self.0.bytes(row);
    }

    /// The id of the rows so far.
    pub fn finish(&self) -> DatasetId {
        DatasetId(self.0.finish())
    }
}

impl Default for DatasetHasher {
    fn default() -> Self {
        DatasetHasher::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(rows: &[&str]) -> DatasetId {
        let mut hasher = DatasetHasher::new();
        rows.iter().for_each(|row| hasher.add(row.as_bytes()));
        hasher.finish()
    }

    #[test]
    fn rows_their_order_and_where_each_ends_make_the_id() {
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
        for other in [vec!["b", "a"], vec!["ab"], vec!["a", "b", ""], vec!["a"], vec![]] {
            assert_ne!(id(&["a", "b"]), id(&other), "{other:?}");
        }
        assert_eq!(DatasetId::parse(&id(&["a"]).to_string()), Some(id(&["a"])));
    }
}
