//! What comes out of the network, as plain numbers.

/// A matrix `[rows, width]`, row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matrix {
    /// All rows, one after the other.
    pub values: Vec<f32>,
    /// Values of a row.
    pub width: usize,
}

impl Matrix {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// One row.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..][..self.width]
    }

    /// Row after row.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width.max(1))
    }
}

/// One value for each head, query and key of a sequence: attention probabilities, or their gradient.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeadMaps {
    /// Row by row, query by query, head by head.
    pub values: Vec<f32>,
    /// Number of heads.
    pub heads: usize,
    /// Rows of each map.
    pub queries: usize,
    /// Columns of each map.
    pub keys: usize,
}

impl HeadMaps {
    /// The row of a query in the map of a head.
    pub fn row(&self, head: usize, query: usize) -> &[f32] {
        &self.values[(head * self.queries + query) * self.keys..][..self.keys]
    }
}
