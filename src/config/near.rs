//! Slips of the keyboard: which known name was meant.

/// Letters that may be wrong, missing, too many or swapped.
const MOST_SLIPS: usize = 2;

/// The known name that `name` was likely meant to be. Short names must be nearer: two slips turn
/// `log` into any word of three letters.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(slips, candidate)| *slips <= MOST_SLIPS.min(candidate.len() / 3))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["listen", "log", "log_format", "threads"];
        for (name, meant) in [
            ("listn", Some("listen")),
            ("thraeds", Some("threads")),
            ("logs", Some("log")),
            ("logformat", Some("log_format")),
            ("tag", None),
            ("port", None),
            ("service_host", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
    }
}
