//! Times as they are told: RFC 3339, in UTC.

use crate::store::Milliseconds;

/// A time as text.
pub fn rfc_3339(time: Milliseconds) -> String {
    // Beyond the year 9999 there is no such text, and no clock.
    jiff::Timestamp::from_millisecond(time).unwrap_or_default().to_string()
}
