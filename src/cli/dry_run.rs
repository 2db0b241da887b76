//! What `explaind explain --dry-run` prints.

use super::CommandError;
use crate::engine::{Foreseen, Range};

/// Prints what an answer would take: for people, or as JSON.
pub fn print(foreseen: &Foreseen, json: bool) -> Result<(), CommandError> {
    if json {
        anstream::println!("{}", serde_json::to_string(foreseen).map_err(CommandError::failure)?);
    } else {
        anstream::print!("{}", described(foreseen));
    }
    Ok(())
}

fn described(foreseen: &Foreseen) -> String {
    let range = |range: Range| match range.expected == range.most {
        true => range.most.to_string(),
        false => format!("about {}, at most {}", range.expected, range.most),
    };
    format!(
        "tokens           {}\nforward passes   {}\nbackward passes  {}\nseconds          about {:.2}\nmegabytes        {}\n",
        foreseen.tokens,
        range(foreseen.forwards),
        range(foreseen.backwards),
        foreseen.seconds,
        foreseen.bytes.div_ceil(1_000_000),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_usual_and_what_is_the_most() {
        let foreseen = Foreseen {
            tokens: 12,
            forwards: Range { expected: 18, most: 130 },
            backwards: Range { expected: 3, most: 3 },
            seconds: 0.118,
            bytes: 12_345_678,
            parts: Vec::new(),
        };
        assert_eq!(
            described(&foreseen).lines().collect::<Vec<_>>(),
            [
                "tokens           12",
                "forward passes   about 18, at most 130",
                "backward passes  3",
                "seconds          about 0.12",
                "megabytes        13",
            ]
        );
    }
}
