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
    /// In a PostgreSQL database, which other servers may use too.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database. A password may stand in it: it is shown without.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

const FORMS: &str =
    "use sqlite:PATH, postgres://USER:PASSWORD@HOST:PORT/DATABASE, or memory to keep nothing for good";

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
            return Ok(Database::Postgres(PostgresUrl(url.to_owned())));
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

impl PostgresUrl {
    /// The URL with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URL without a password, and without parameters: one of them may be a password, too.
    fn shown(&self) -> String {
        let (url, parameters) = match self.0.split_once('?') {
            Some((url, _)) => (url, "?…"),
            None => (self.0.as_str(), ""),
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", ""));
        // A password that is not percent-encoded may hold an `@`: the last one ends it.
        let shown = match rest.rsplit_once('@') {
            None => rest.to_owned(),
            Some((user, place)) => match user.split_once(':') {
                None => format!("{user}@{place}"),
                Some((user, _)) => format!("{user}:…@{place}"),
            },
        };
        format!("{scheme}://{shown}{parameters}")
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Memory => f.write_str("memory"),
            Database::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Database::Postgres(url) => f.write_str(&url.shown()),
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
            ("postgre://user:hunter2@host/db", "postgres://"),
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
    fn a_postgresql_url_is_taken_as_it_is_and_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://user:hunter2@host:5432/db", "postgres://user:…@host:5432/db"),
            ("postgresql://user:hunter2@host/db", "postgresql://user:…@host/db"),
            ("postgres://user:hunter2@more@host/db", "postgres://user:…@host/db"),
            ("postgres://user@host/db?password=hunter2", "postgres://user@host/db?…"),
            ("postgres:///db?host=/run/postgresql", "postgres:///db?…"),
        ] {
            let database: Database = url.parse().unwrap();
            assert_eq!(database.to_string(), shown);
            assert!(!format!("{database:?}").contains("hunter2"));
            let Database::Postgres(taken) = database else { panic!("{url} is taken as another database") };
            assert_eq!(taken.expose(), url);
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for database in [Database::Memory, Database::Sqlite("a b/c.db".into())] {
            assert_eq!(database.to_string().parse(), Ok(database));
        }
    }
}
