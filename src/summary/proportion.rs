//! A share of a number of rows, and how far it can be trusted.

use serde::Serialize;
use utoipa::ToSchema;

use super::Interval;

/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959963984540054;

/// So many of so many rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
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
    ///
    /// The interval is (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with p the share, n rows in all and
    /// z = 1.96.
    pub fn new(count: u64, of: u64) -> Option<Self> {
        if of == 0 {
            return None;
        }
        let count = count.min(of);
        let n = of as f64;
        let share = count as f64 / n;
        let scale = 1.0 + Z * Z / n;
        let centre = (share + Z * Z / (2.0 * n)) / scale;
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        // At 0 and 1 rounding may lead past the share itself.
        let interval =
            Interval { low: (centre - half).clamp(0.0, share), high: (centre + half).clamp(share, 1.0) };
        Some(Share { count, of, share, interval })
    }
}
