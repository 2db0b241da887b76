//! Bounds of options.

use std::fmt::Display;

use crate::explain::granularity::Granularity;
use crate::explain::method::{ExplainError, OptionFault};

/// Refuses a value that is less than `least` or more than `most`.
///
/// # Errors
/// A fault of the option, with both bounds.
pub fn within<T: PartialOrd + Display>(option: &str, value: T, least: T, most: T) -> Result<(), OptionFault> {
    match least <= value && value <= most {
        true => Ok(()),
        false => Err(OptionFault::new(option, format!("is {value}; expected {least} to {most}"))),
    }
}

/// Refuses odd numbers, where draws come in pairs.
///
/// # Errors
/// A fault of the option, with the even number that is next.
pub fn even(option: &str, value: usize) -> Result<(), OptionFault> {
    match value.is_multiple_of(2) {
        true => Ok(()),
        false => {
            let detail =
                format!("is {value}; expected an even number, as draws come in pairs: {}", value + 1);
            Err(OptionFault::new(option, detail))
        }
    }
}

/// The most parts of a text that a regression tells apart: it takes their square in memory, and their cube in time.
const MOST_PARTS: usize = 2048;

/// Refuses a text of more parts than a regression takes, as a fault of the option `unit` of a method.
///
/// # Errors
/// [`ExplainError::Option`], with both numbers and the way out.
pub fn few_enough(method: &'static str, unit: Granularity, parts: usize) -> Result<(), ExplainError> {
    if parts <= MOST_PARTS {
        return Ok(());
    }
    let detail = format!(
        "is `{}`, by which this text has {parts} parts; at most {MOST_PARTS} are told apart: use a coarser \
         `granularity`, or `partition_shap`",
        unit.name()
    );
    Err(ExplainError::Option { method, fault: OptionFault::new("unit", detail) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_option_the_value_and_the_bounds() {
        let fault = within("samples", 8, 16, 64).unwrap_err();
        assert_eq!(fault.option.as_deref(), Some("samples"));
        assert_eq!(fault.detail, "is 8; expected 16 to 64");
        assert!(within("samples", 16, 16, 64).is_ok() && within("samples", 64, 16, 64).is_ok());
        assert!(even("permutations", 7).unwrap_err().detail.ends_with("in pairs: 8"));
        assert!(even("permutations", 8).is_ok());
    }

    #[test]
    fn a_regression_over_too_many_parts_is_refused_with_the_way_out() {
        assert!(few_enough("lime", Granularity::Token, 2048).is_ok());
        let fault = few_enough("lime", Granularity::Token, 2049).unwrap_err().to_string();
        assert!(fault.contains("2049 parts") && fault.contains("granularity"), "{fault}");
    }

    #[test]
    fn what_is_no_number_is_within_no_bounds() {
        assert!(within("kernel_width", f64::NAN, 1.0, 2.0).is_err());
    }
}
