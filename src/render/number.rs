//! Numbers as they are printed: a proper minus, and three decimals.

/// A score with its sign; what rounds to zero has none.
pub fn signed(value: f64) -> String {
    let digits = format!("{:.3}", value.abs());
    match value {
        _ if digits == "0.000" => digits,
        _ if value < 0.0 => format!("−{digits}"),
        _ => format!("+{digits}"),
    }
}

/// A number whose sign is worth no mention unless it is a minus.
pub fn plain(value: f64) -> String {
    signed(value).trim_start_matches('+').to_owned()
}

/// A probability as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

/// A length in a picture: at most two decimals.
pub fn length(value: f32) -> String {
    let digits = format!("{value:.2}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    if digits == "-0" { "0".to_owned() } else { digits.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_carry_a_proper_sign_and_three_decimals() {
        assert_eq!(signed(0.9135737), "+0.914");
        assert_eq!(signed(-0.526), "−0.526");
        assert_eq!([signed(0.0), signed(-0.0001), signed(0.0004)], ["0.000"; 3]);
        assert_eq!([plain(1.3566), plain(-0.0056)], ["1.357", "−0.006"]);
    }

    #[test]
    fn lengths_are_short() {
        assert_eq!([length(12.0), length(0.5), length(1.004), length(-0.001)], ["12", "0.5", "1", "0"]);
        assert_eq!(length(100.0), "100");
    }
}
