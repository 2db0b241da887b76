//! What is wrong with the settings: everything at once.

use std::fmt;

/// Settings that cannot be; one message for each problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// A single problem.
    pub(super) fn new(problem: impl Into<String>) -> Self {
        ConfigError { problems: vec![problem.into()] }
    }

    /// Ok where there is no problem.
    pub(crate) fn unless_none(problems: Vec<String>) -> Result<(), Self> {
        match problems.is_empty() {
            true => Ok(()),
            false => Err(ConfigError { problems }),
        }
    }

    /// Each problem, in words: the setting, where its value came from, and what to do.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.problems.as_slice() {
            return f.write_str(problem);
        }
        write!(f, "{} problems in the configuration:", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_is_a_line_and_several_are_a_list() {
        assert_eq!(ConfigError::new("a").to_string(), "a");
        let several = ConfigError::unless_none(vec!["a".into(), "b".into()]).unwrap_err();
        assert_eq!(several.to_string(), "2 problems in the configuration:\n  a\n  b");
        assert_eq!(ConfigError::unless_none(Vec::new()), Ok(()));
    }
}
