//! Where results are kept for good.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::ConfigError;

/// Where results outlive the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// Nowhere: what memory holds is gone with the process.
    Memory,
    /// In a SQLite file.
    Sqlite(PathBuf),
}

const FORMS: &str = "use sqlite:PATH, or memory to keep nothing for good";

impl FromStr for Database {
    type Err = ConfigError;

    /// Messages never repeat the value: a password may stand in it.
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        if url == "memory" {
            return Ok(Database::Memory);
        }
        if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            return sqlite(path);
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Err(ConfigError::new(format!("this version stores in SQLite only; {FORMS}")));
        }
        Err(ConfigError::new(format!("this is no database known here; {FORMS}")))
    }
}

fn sqlite(path: &str) -> Result<Database, ConfigError> {
    if path.is_empty() {
        return Err(ConfigError::new(format!("the path of the SQLite file is missing; {FORMS}")));
    }
    if path.starts_with(":memory:") {
        return Err(ConfigError::new(format!("SQLite's `:memory:` is not taken; {FORMS}")));
    }
    if path.contains('?') {
        return Err(ConfigError::new("options after `?` are not taken; give the path of the file alone"));
    }
    Ok(Database::Sqlite(path.into()))
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Memory => f.write_str("memory"),
            Database::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_both_forms_of_a_sqlite_file_are_taken() {
        assert_eq!("memory".parse(), Ok(Database::Memory));
        for (url, path) in [
            ("sqlite:results.db", "results.db"),
            ("sqlite://results.db", "results.db"),
            ("sqlite:///var/lib/results.db", "/var/lib/results.db"),
            ("sqlite:/var/lib/results.db", "/var/lib/results.db"),
        ] {
            assert_eq!(url.parse(), Ok(Database::Sqlite(path.into())), "{url}");
        }
    }

    #[test]
    fn other_databases_are_refused_without_repeating_a_password() {
        for (url, named) in [
            ("postgres://user:hunter2@host/db", "SQLite only"),
            ("postgresql://user:hunter2@host/db", "SQLite only"),
            ("mysql://user:hunter2@host/db", "sqlite:PATH"),
            ("user:hunter2@host/db", "sqlite:PATH"),
            ("results.db", "sqlite:PATH"),
            ("", "sqlite:PATH"),
            ("sqlite:", "missing"),
            ("sqlite::memory:", "memory"),
            ("sqlite://hunter2.db?mode=rwc", "`?`"),
        ] {
            let message = url.parse::<Database>().unwrap_err().to_string();
            assert!(message.contains(named) && !message.contains("hunter2"), "{url}: {message}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for database in [Database::Memory, Database::Sqlite("a b/c.db".into())] {
            assert_eq!(database.to_string().parse(), Ok(database));
        }
    }
}
