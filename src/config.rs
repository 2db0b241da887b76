//! Settings, typed: defaults, then `explaind.toml`, then `EXPLAIND_*` variables, then flags; the later
//! wins.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use crate::engine::ModelSource;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Allows listening on an address that other machines can reach. There are no keys yet: whoever
    /// reaches the port may use it.
    #[serde(deserialize_with = "figment::util::bool_from_str_or_int")]
    pub insecure: bool,
    /// Worker threads; 0 means one for each core.
    pub threads: usize,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// What to log, as `tracing` filters: `info`, `debug`, `explaind=debug,tower_http=warn`, …
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The models to serve, the default one first; empty means the bundled one.
    pub models: Vec<ModelEntry>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// A model to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// What requests call it: lower-case letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// A Hugging Face model directory; in a file, relative to that file.
    pub path: PathBuf,
}

/// What the command line sets; what is none is left to the others.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Overrides {
    /// See [`Config::listen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// See [`Config::insecure`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// See [`Config::threads`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// See [`Config::log`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// See [`Config::models`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelEntry>>,
}

/// The file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "explaind.toml";

/// The variables that are settings. Others with the same prefix are left alone: container
/// orchestrators set `EXPLAIND_PORT` and the like for a service of that name.
const VARIABLES: [&str; 6] = ["listen", "insecure", "threads", "max_body_bytes", "log", "log_format"];

/// More than any machine has cores for; a larger number is a slip.
const MOST_THREADS: usize = 1024;

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            insecure: false,
            threads: 0,
            max_body_bytes: 1 << 20,
            log: "info".into(),
            log_format: LogFormat::Text,
            models: Vec::new(),
        }
    }
}

impl Config {
    /// Gathers the settings from everywhere and checks them.
    ///
    /// # Errors
    /// A named file that cannot be read, an unknown key, a value of the wrong type, two models of one
    /// id, an address open to others without `insecure`. Messages say where the value came from.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let path = match file {
            Some(path) if !path.is_file() => {
                return Err(ConfigError(format!("the configuration file {} does not exist", path.display())));
            }
            Some(path) => path,
            None => Path::new(DEFAULT_FILE),
        };
        let mut layers = Figment::from(Serialized::defaults(Config::default()));
        if path.is_file() {
            layers = layers.merge(Toml::file_exact(path));
        }
        let mut config: Config = layers
            .merge(Env::prefixed("EXPLAIND_").only(&set_variables()))
            .merge(Serialized::defaults(overrides))
            .extract()
            .map_err(|error| ConfigError(error.to_string()))?;
        if overrides.models.is_none()
            && let Some(directory) = path.parent()
        {
            config.models.iter_mut().for_each(|model| model.path = directory.join(&model.path));
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        for (index, model) in self.models.iter().enumerate() {
            check_model_id(&model.id)?;
            if self.models[..index].iter().any(|other| other.id == model.id) {
                return Err(ConfigError(format!(
                    "models: two models are called `{}`; give each its own id",
                    model.id
                )));
            }
        }
        if self.threads > MOST_THREADS {
            return Err(ConfigError(format!(
                "threads is {}; expected 0 (one per core) to {MOST_THREADS}",
                self.threads
            )));
        }
        if self.max_body_bytes == 0 {
            return Err(ConfigError("max_body_bytes is 0; no request would fit".into()));
        }
        Ok(())
    }

    /// Refuses an address that other machines can reach, unless that was asked for.
    ///
    /// # Errors
    /// Says how to ask for it.
    pub fn check_exposure(&self) -> Result<(), ConfigError> {
        match self.listen.ip().is_loopback() || self.insecure {
            true => Ok(()),
            false => Err(ConfigError(format!(
                "listen: {} can be reached by other machines, and anyone who reaches it may use it; \
                 keep to 127.0.0.1, or say --insecure if something in front of it guards the door",
                self.listen
            ))),
        }
    }

    /// The models to load: those configured, or else the bundled one.
    ///
    /// # Errors
    /// No model is configured and the bundled one is nowhere to be found.
    pub fn model_sources(&self) -> Result<Vec<ModelSource>, ConfigError> {
        if self.models.is_empty() {
            return Ok(vec![bundled_model()?]);
        }
        let source = |model: &ModelEntry| ModelSource { id: model.id.clone(), path: model.path.clone() };
        Ok(self.models.iter().map(source).collect())
    }
}

/// An empty variable, as compose files make them, sets nothing.
fn set_variables() -> Vec<&'static str> {
    let is_set = |name: &&str| {
        std::env::var_os(format!("EXPLAIND_{}", name.to_uppercase())).is_some_and(|value| !value.is_empty())
    };
    VARIABLES.into_iter().filter(is_set).collect()
}

/// `[a-z0-9][a-z0-9._-]*`
fn check_model_id(id: &str) -> Result<(), ConfigError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits =
        id.bytes().next().is_some_and(plain) && id.bytes().all(|byte| plain(byte) || b"._-".contains(&byte));
    match fits {
        true => Ok(()),
        false => Err(ConfigError(format!(
            "models: `{id}` is no model id; use lower-case letters, digits, `.`, `_` and `-`, and begin with a letter or digit"
        ))),
    }
}

const BUNDLED: &str = "movie-reviews";

/// Looks for `models/movie-reviews` where one would stand: in the current directory, in the package
/// that `cargo run` runs, and beside an installed binary.
fn bundled_model() -> Result<ModelSource, ConfigError> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let binary = std::env::current_exe().ok().and_then(|binary| Some(binary.parent()?.to_owned()));
    let candidates = [Some(PathBuf::new()), package, binary];
    let directories = candidates.into_iter().flatten().map(|base| base.join("models").join(BUNDLED));
    match directories.into_iter().find(|directory| directory.is_dir()) {
        Some(path) => Ok(ModelSource { id: BUNDLED.into(), path }),
        None => Err(ConfigError(format!(
            "no model is configured, and the bundled one (models/{BUNDLED}) is not here; name one with --model id=path \
             or with [[models]] in {DEFAULT_FILE}"
        ))),
    }
}

/// Takes `id=path` apart, as the command line gives models.
///
/// # Errors
/// There is no `=`, or the id is none.
pub fn parse_model(argument: &str) -> Result<ModelEntry, ConfigError> {
    let Some((id, path)) = argument.split_once('=') else {
        return Err(ConfigError(format!("`{argument}` is not of the form id=path")));
    };
    check_model_id(id)?;
    Ok(ModelEntry { id: id.into(), path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.toml");
        std::fs::write(&path, text).unwrap();
        let config = Config::load(Some(&path), &Overrides::default())?;
        let relative = |model: ModelEntry| ModelEntry {
            path: model.path.strip_prefix(directory.path()).unwrap_or(&model.path).to_owned(),
            ..model
        };
        Ok(Config { models: config.models.into_iter().map(relative).collect(), ..config })
    }

    #[test]
    fn a_file_overrides_defaults_and_its_paths_are_relative_to_it() {
        let config = from_file("threads = 3\n[[models]]\nid = \"a\"\npath = \"m/a\"\n").unwrap();
        assert_eq!((config.threads, config.listen.port()), (3, 8080));
        assert_eq!(config.models, [ModelEntry { id: "a".into(), path: "m/a".into() }]);
    }

    #[test]
    fn flags_override_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.toml");
        std::fs::write(&path, "threads = 3\nlisten = \"127.0.0.1:1\"\n").unwrap();
        let overrides = Overrides { threads: Some(5), ..Overrides::default() };
        let config = Config::load(Some(&path), &overrides).unwrap();
        assert_eq!((config.threads, config.listen.port()), (5, 1));
    }

    #[test]
    fn an_unknown_key_a_wrong_type_and_a_missing_file_are_named() {
        let unknown = from_file("thread = 3\n").unwrap_err().to_string();
        assert!(unknown.contains("thread") && unknown.contains("settings.toml"), "{unknown}");
        let wrong = from_file("threads = \"many\"\n").unwrap_err().to_string();
        assert!(wrong.contains("threads") && wrong.contains("settings.toml"), "{wrong}");
        let missing = Config::load(Some(Path::new("nowhere.toml")), &Overrides::default()).unwrap_err();
        assert!(missing.to_string().contains("nowhere.toml"), "{missing}");
    }

    #[test]
    fn models_need_ids_of_their_own() {
        let twice = "[[models]]\nid = \"a\"\npath = \"x\"\n[[models]]\nid = \"a\"\npath = \"y\"\n";
        assert!(from_file(twice).unwrap_err().to_string().contains("`a`"));
        assert!(parse_model("Reviews=x").unwrap_err().to_string().contains("lower-case"));
        assert!(parse_model("no-path").unwrap_err().to_string().contains("id=path"));
        assert_eq!(parse_model("a.b_c-1=x=y").unwrap().path, Path::new("x=y"));
    }

    #[test]
    fn an_address_open_to_others_must_be_asked_for() {
        let open = Config { listen: "0.0.0.0:8080".parse().unwrap(), ..Config::default() };
        assert!(open.check_exposure().unwrap_err().to_string().contains("--insecure"));
        assert!(Config { insecure: true, ..open }.check_exposure().is_ok());
        assert!(
            Config { listen: "[::1]:8080".parse().unwrap(), ..Config::default() }.check_exposure().is_ok()
        );
    }
}
