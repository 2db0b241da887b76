//! Layers put on top of each other, key by key, and everything that is wrong with them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::file::SettingsFile;
use super::keys::{self, Key};
use super::origin::{Origin, Origins};
use super::setting::Setting;
use super::{Config, ConfigError, DEFAULT_FILE, Database, ModelEntry, Overrides, models};

/// Settings as they were found, sound or not. What could not be read has its default.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is wrong with them, in words.
    pub problems: Vec<String>,
    /// Where the settings came from.
    pub origins: Origins,
}

impl Config {
    /// Gathers the settings from everywhere and checks them. `file` is the one that a flag names.
    ///
    /// # Errors
    /// All problems at once: a named file that cannot be read, unknown keys, values of a wrong type or
    /// out of range, models of one id. Messages say where a value came from and what to do.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        Loaded::gather(file, overrides).into_config()
    }
}

impl Loaded {
    /// Gathers the settings from everywhere. `file` is the one that a flag names.
    pub fn gather(file: Option<&Path>, overrides: &Overrides) -> Self {
        gather(file, Environment::of_process(), overrides)
    }

    /// The settings, if they are sound.
    ///
    /// # Errors
    /// All problems at once.
    pub fn into_config(self) -> Result<Config, ConfigError> {
        ConfigError::unless_none(self.problems)?;
        Ok(self.config)
    }
}

/// Gathers the settings from these layers alone.
pub(super) fn gather(file: Option<&Path>, environment: Environment, overrides: &Overrides) -> Loaded {
    let mut problems = environment.slips();
    let file = read_file(file, &environment).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    problems.extend(file.iter().flat_map(SettingsFile::unknown_keys));
    let mut layers = Layers { file, environment, origins: Origins::default(), problems };
    let config = layers.config(overrides);
    Loaded { config, problems: layers.problems, origins: layers.origins }
}

fn read_file(named: Option<&Path>, environment: &Environment) -> Result<Option<SettingsFile>, String> {
    match named.map(Path::to_owned).or_else(|| environment.file()) {
        Some(path) => SettingsFile::open(&path).map(Some),
        None => SettingsFile::open_if_there(Path::new(DEFAULT_FILE)),
    }
}

/// The layers above the defaults and below the flags, and what was learnt while reading them.
struct Layers {
    file: Option<SettingsFile>,
    environment: Environment,
    origins: Origins,
    problems: Vec<String>,
}

impl Layers {
    fn config(&mut self, flags: &Overrides) -> Config {
        let default = Config::default();
        let config = Config {
            listen: self.read(&keys::LISTEN, flags.listen, default.listen),
            insecure: self.read(&keys::INSECURE, flags.insecure, default.insecure),
            threads: self.read(&keys::THREADS, flags.threads, default.threads),
            device: self.read(&keys::DEVICE, None, default.device),
            max_queued: self.read(&keys::MAX_QUEUED, None, default.max_queued),
            max_work_bytes: self.read(&keys::MAX_WORK_BYTES, None, default.max_work_bytes),
            max_body_bytes: self.read(&keys::MAX_BODY_BYTES, None, default.max_body_bytes),
            max_dataset_bytes: self.read(&keys::MAX_DATASET_BYTES, None, default.max_dataset_bytes),
            deadline_seconds: self.read(&keys::DEADLINE_SECONDS, None, default.deadline_seconds),
            drain_seconds: self.read(&keys::DRAIN_SECONDS, None, default.drain_seconds),
            data_dir: self.data_dir(flags, default.data_dir),
            database_url: self.database_url(flags),
            cache_memory_bytes: self.read(&keys::CACHE_MEMORY_BYTES, None, default.cache_memory_bytes),
            cache_disk_bytes: self.read(&keys::CACHE_DISK_BYTES, None, default.cache_disk_bytes),
            cache_days: self.read(&keys::CACHE_DAYS, None, default.cache_days),
            log: self.read(&keys::LOG, flags.log.clone(), default.log),
            log_format: self.read(&keys::LOG_FORMAT, None, default.log_format),
            models: self.models(flags),
        };
        if let Err(problem) = config.device.check() {
            self.refuse(&keys::DEVICE, ConfigError::new(problem));
        }
        if let Err(error) = config.log_filter() {
            self.refuse(&keys::LOG, error);
        }
        config
    }

    fn read<T: Setting>(&mut self, key: &'static Key, flag: Option<T>, default: T) -> T {
        self.given(key, flag).unwrap_or(default)
    }

    /// What the highest layer that speaks of a key says, if it is fit to be used.
    fn given<T: Setting>(&mut self, key: &'static Key, flag: Option<T>) -> Option<T> {
        let (origin, found) = self.find(key, flag)?;
        self.origins.set(key, origin);
        let out_of_range = |value: &T| value.magnitude().filter(|size| !key.takes.allows(*size));
        let shown = match found {
            Ok(value) => match out_of_range(&value) {
                None => return Some(value),
                Some(magnitude) => magnitude.to_string(),
            },
            Err(shown) => shown,
        };
        let origin = self.origins.of(key);
        self.problems.push(format!("{} is {shown} ({origin}); expected {}", key.name, key.takes));
        None
    }

    /// The highest layer that speaks of a key, and its value, or the words for one of a wrong type.
    fn find<T: Setting>(&self, key: &'static Key, flag: Option<T>) -> Option<(Origin, Result<T, String>)> {
        if let Some(value) = flag {
            return Some((Origin::Flag(key.flag.unwrap_or(key.name)), Ok(value)));
        }
        if let Some(value) = self.environment.get(key) {
            let read = match value.to_str() {
                Some(text) => T::from_text(text).ok_or_else(|| format!("{text:?}")),
                None => Err("not UTF-8".into()),
            };
            return Some((Origin::Variable(key.variable()?), read));
        }
        let file = self.file.as_ref()?;
        let value = file.get(key)?;
        Some((Origin::File(file.path.clone()), T::from_value(value).ok_or_else(|| shown(value))))
    }

    fn data_dir(&mut self, flags: &Overrides, default: PathBuf) -> PathBuf {
        let path = self.read(&keys::DATA_DIR, flags.data_dir.clone(), default);
        self.beside_file(&keys::DATA_DIR, &path)
    }

    fn database_url(&mut self, flags: &Overrides) -> Option<String> {
        let url = self.given(&keys::DATABASE_URL, flags.database_url.clone())?;
        match url.parse() {
            Ok(Database::Memory | Database::Postgres(_)) => Some(url),
            Ok(Database::Sqlite(path)) => {
                let path = self.beside_file(&keys::DATABASE_URL, &path);
                Some(Database::Sqlite(path).to_string())
            }
            Err(error) => {
                self.refuse(&keys::DATABASE_URL, error);
                None
            }
        }
    }

    fn models(&mut self, flags: &Overrides) -> Vec<ModelEntry> {
        let (origin, models, problems) = match (&flags.models, &self.file) {
            (Some(models), _) => (Origin::Flag("--model"), models.clone(), Vec::new()),
            (None, Some(file)) => match file.models() {
                Some((models, problems)) => (Origin::File(file.path.clone()), models, problems),
                None => return Vec::new(),
            },
            (None, None) => return Vec::new(),
        };
        self.origins.set(&keys::MODELS, origin);
        for problem in problems.into_iter().chain(models::id_problems(&models)) {
            self.refuse(&keys::MODELS, problem);
        }
        models
    }

    /// A path that a file names is relative to that file.
    fn beside_file(&self, key: &Key, path: &Path) -> PathBuf {
        match (self.origins.of(key), &self.file) {
            (Origin::File(_), Some(file)) => file.beside(path),
            _ => path.to_owned(),
        }
    }

    fn refuse(&mut self, key: &Key, problem: impl fmt::Display) {
        let origin = self.origins.of(key);
        self.problems.push(format!("{} ({origin}): {problem}", key.name));
    }
}

/// A value in a message. Not what stands inside a list or a table: it might be a password.
fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(_) => "a list".into(),
        toml::Value::Table(_) => "a table".into(),
        simple => simple.to_string(),
    }
}

#[cfg(test)]
mod tests;
