//! Settings, typed: defaults, then `explaind.toml`, then `EXPLAIND_*` variables, then flags; the later
//! wins.
//!
//! Every problem is found and told at once. Layers are merged here rather than by a library so that a
//! message can name the layer, and so that no message shows a line of the file: a password may stand in it.

mod byte_size;
mod database;
mod environment;
mod error;
mod file;
pub mod keys;
mod loading;
mod models;
mod near;
mod origin;
mod overrides;
#[cfg(test)]
mod reference;
mod setting;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use tracing_subscriber::EnvFilter;

pub use byte_size::{ByteSize, NoSize};
pub use database::{Database, PostgresUrl};
pub use error::ConfigError;
pub use loading::Loaded;
pub use models::{ModelEntry, parse_model};
pub use origin::{Origin, Origins};
pub use overrides::Overrides;

use crate::engine::ModelSource;
use crate::model::Placement;

/// The file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "explaind.toml";

/// The SQLite file in [`Config::data_dir`] where no database is named.
const DATABASE_FILE: &str = "explaind.db";

/// What the queue of jobs says of itself is of interest to its makers; what it means for jobs, we say.
const QUIET: &str = "apalis_core=off";

/// Everything that can be set. [`keys::KEYS`] describes each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Allows listening on an address that other machines can reach. There are no keys yet: whoever
    /// reaches the port may use it.
    pub insecure: bool,
    /// Worker threads, at most 1024; 0 means one for each core.
    pub threads: usize,
    /// Where models run.
    pub device: Placement,
    /// Requests that may wait or be under way at a time, 1 to 100000; more are answered 429.
    pub max_queued: usize,
    /// Memory that the work under way may take at its peak, beside models and cache; a request that would
    /// take it beyond that is answered 429, unless it is alone.
    pub max_work_bytes: ByteSize,
    /// Largest request body.
    pub max_body_bytes: ByteSize,
    /// Largest dataset that is taken in, as it is sent; `max_body_bytes` does not apply to it.
    pub max_dataset_bytes: ByteSize,
    /// Longest time that a request may take, in seconds, 1 to 86400. A request may ask for less with
    /// `X-Request-Timeout`; what takes longer is answered 504.
    pub deadline_seconds: u64,
    /// How long requests under way may take once the server was told to stop, in seconds, 0 to 3600.
    pub drain_seconds: u64,
    /// The directory of the embedded database; in a file, relative to that file.
    pub data_dir: PathBuf,
    /// Where results are kept for good, as [`Config::database`] reads it; none means a SQLite file in
    /// `data_dir`.
    pub database_url: Option<String>,
    /// Results kept in memory; 0 keeps none there.
    pub cache_memory_bytes: ByteSize,
    /// Results kept in the database, at least 1 MiB.
    pub cache_disk_bytes: ByteSize,
    /// Results older than this many days are dropped, at most 36500; 0 means that age is no reason.
    pub cache_days: u64,
    /// What to log, as `tracing` filters: `info`, `debug`, `explaind=debug,sqlx=warn`, …
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The models to serve, the default one first; empty means the bundled one.
    pub models: Vec<ModelEntry>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            insecure: false,
            threads: 0,
            device: Placement::Cpu,
            max_queued: 256,
            max_work_bytes: ByteSize::new(2 << 30),
            max_body_bytes: ByteSize::new(1 << 20),
            max_dataset_bytes: ByteSize::new(256 << 20),
            deadline_seconds: 300,
            drain_seconds: 10,
            data_dir: "data".into(),
            database_url: None,
            cache_memory_bytes: ByteSize::new(64 << 20),
            cache_disk_bytes: ByteSize::new(1 << 30),
            cache_days: 0,
            log: "info".into(),
            log_format: LogFormat::Text,
            models: Vec::new(),
        }
    }
}

impl Config {
    /// Refuses an address that other machines can reach, unless that was asked for.
    ///
    /// # Errors
    /// Says how to ask for it.
    pub fn check_exposure(&self) -> Result<(), ConfigError> {
        match self.listen.ip().is_loopback() || self.insecure {
            true => Ok(()),
            false => Err(ConfigError::new(format!(
                "listen: {} can be reached by other machines, and anyone who reaches it may use it; \
                 keep to 127.0.0.1, or say --insecure if something in front of it guards the door",
                self.listen
            ))),
        }
    }

    /// Where results are kept for good: what `database_url` names, or else a file in `data_dir`.
    ///
    /// # Errors
    /// The URL is of no form known here. Messages never repeat it: a password may stand in it.
    pub fn database(&self) -> Result<Database, ConfigError> {
        match &self.database_url {
            Some(url) => url.parse(),
            None => Ok(Database::Sqlite(self.data_dir.join(DATABASE_FILE))),
        }
    }

    /// The filter that `log` describes. What the queue of jobs says of itself is left out, unless it is named there.
    ///
    /// # Errors
    /// It describes none.
    pub fn log_filter(&self) -> Result<EnvFilter, ConfigError> {
        let filter = format!("{QUIET},{}", self.log);
        EnvFilter::builder().parse(filter).map_err(|error| {
            ConfigError::new(format!("`{}` is no filter: {error}; try info, or explaind=debug", self.log))
        })
    }

    /// The models to load: those configured, or else the bundled one.
    ///
    /// # Errors
    /// No model is configured and the bundled one is nowhere to be found.
    pub fn model_sources(&self) -> Result<Vec<ModelSource>, ConfigError> {
        if self.models.is_empty() {
            return Ok(vec![models::bundled_model()?]);
        }
        let source = |model: &ModelEntry| ModelSource { id: model.id.clone(), path: model.path.clone() };
        Ok(self.models.iter().map(source).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_open_to_others_must_be_asked_for() {
        let open = Config { listen: "0.0.0.0:8080".parse().unwrap(), ..Config::default() };
        assert!(open.check_exposure().unwrap_err().to_string().contains("--insecure"));
        assert!(Config { insecure: true, ..open }.check_exposure().is_ok());
        assert!(
            Config { listen: "[::1]:8080".parse().unwrap(), ..Config::default() }.check_exposure().is_ok()
        );
    }

    #[test]
    fn the_database_is_a_file_in_the_data_directory_unless_one_is_named() {
        let config = Config { data_dir: "/data".into(), ..Config::default() };
        assert_eq!(config.database(), Ok(Database::Sqlite("/data/explaind.db".into())));
        let config = Config { database_url: Some("memory".into()), ..config };
        assert_eq!(config.database(), Ok(Database::Memory));
    }
}
