//! A share of a number of rows, and how far it can be trusted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Interval;
use crate::explain::concept::significance::wilson;

/// So many of so many rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Rows of which it is true.
    #[schema(example = 640)]
    pub count: u64,
    /// Rows in all, at least one.
    #[schema(example = 691, minimum = 1)]
    pub of: u64,
    /// Their quotient, 0 to 1.
    #[schema(example = 0.9261939218523878, minimum = 0, maximum = 1)]
    pub share: f64,
    /// The 95 % interval of Wilson (1927), without correction for continuity.
    pub interval: Interval,
}

impl Share {
    /// `count` of `of`; none of none. A count beyond `of` is taken for all of them.
    pub fn new(count: u64, of: u64) -> Option<Self> {
        if of == 0 {
            return None;
        }
        let count = count.min(of);
        let (low, high) = wilson(count as f64, of as usize);
        let (share, interval) = (count as f64 / of as f64, Interval { low, high });
        Some(Share { count, of, share, interval })
    }
}
