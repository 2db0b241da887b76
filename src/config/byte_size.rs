//! Sizes with units: `64 MiB`, `500 MB`, or a plain number of bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes, shown with the largest unit that divides it, so that nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// Units as they are written, and how many bytes each has.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

impl ByteSize {
    /// A size of so many bytes.
    pub const fn new(bytes: u64) -> Self {
        ByteSize(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; more than fits is as good as no limit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dividing = UNITS.iter().filter(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        let (unit, factor) = dividing.max_by_key(|(_, factor)| *factor).unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / factor)
    }
}

/// A text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSize;

impl fmt::Display for NoSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a number of bytes, or one with a unit such as 64 MiB or 500 MB")
    }
}

impl std::error::Error for NoSize {}

impl FromStr for ByteSize {
    type Err = NoSize;

    fn from_str(text: &str) -> Result<Self, NoSize> {
        let text = text.trim();
        let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| NoSize)?;
        let unit = match unit.trim_start() {
            "" => "B",
            unit => unit,
        };
        let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(NoSize)?;
        number.checked_mul(*factor).map(ByteSize).ok_or(NoSize)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes, or one with a unit such as 64 MiB or 500 MB")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        let refused = || E::invalid_value(de::Unexpected::Signed(bytes), &self);
        u64::try_from(bytes).map(ByteSize).map_err(|_| refused())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_and_decimal_units_are_told_apart() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("64 MiB", 64 << 20),
            ("1GiB", 1 << 30),
            ("500 MB", 500_000_000),
            ("3 kb", 3_000),
            (" 7 B ", 7),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn half_sizes_unknown_units_and_what_overflows_are_refused() {
        for text in ["", "MiB", "1.5 GiB", "-1", "64 M", "64 MiBs", "1_000", "18446744073709551615 KiB"] {
            assert_eq!(text.parse::<ByteSize>(), Err(NoSize), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_size() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1, "1 B"),
            (1_000_001, "1000001 B"),
            (1 << 20, "1 MiB"),
            (1536, "1536 B"),
            (500_000_000, "500 MB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), shown);
            assert_eq!(shown.parse(), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn a_file_may_hold_a_number_or_a_text() {
        let read = |json| serde_json::from_str::<ByteSize>(json).map_err(|error| error.to_string());
        assert_eq!(read("4096"), Ok(ByteSize(4096)));
        assert_eq!(read("\"4 KiB\""), Ok(ByteSize(4096)));
        assert!(read("-1").unwrap_err().contains("64 MiB"));
        assert!(read("true").unwrap_err().contains("64 MiB"));
    }
}
