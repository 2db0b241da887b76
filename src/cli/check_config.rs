//! `explaind check-config`: checks the settings without loading a model, and prints them with where each
//! came from.

use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::path::Path;

use super::CommandError;
use crate::config::keys::{DATA_DIR, DATABASE_URL, KEYS, MODELS};
use crate::config::{ConfigError, Database, Loaded, ModelEntry, Origin};
use crate::engine::ModelSource;

pub fn check_config(mut loaded: Loaded) -> Result<(), CommandError> {
    let mut problems = std::mem::take(&mut loaded.problems);
    problems.extend(told(loaded.config.check_exposure()));
    match loaded.config.model_sources() {
        Ok(sources) => {
            let origin = loaded.origins.of(&MODELS);
            problems.extend(sources.iter().filter_map(|source| model_problem(source, origin)));
            // The bundled model is shown by its name rather than as no model.
            loaded.config.models = sources.into_iter().map(entry).collect();
        }
        Err(error) => problems.extend_from_slice(error.problems()),
    }
    problems.extend(database_problem(&loaded));
    ConfigError::unless_none(problems).map_err(CommandError::usage)?;
    anstream::print!("{}", settings(&loaded));
    Ok(())
}

fn told(outcome: Result<(), ConfigError>) -> Vec<String> {
    outcome.map_or_else(|error| error.problems().to_vec(), |()| Vec::new())
}

fn entry(source: ModelSource) -> ModelEntry {
    ModelEntry { id: source.id, path: source.path }
}

fn model_problem(source: &ModelSource, origin: &Origin) -> Option<String> {
    let path = source.path.display();
    let problem = if !source.path.is_dir() {
        format!("{path} is no directory; name the one that holds the model")
    } else if !source.path.join("config.json").is_file() {
        format!("{path} holds no config.json; name a Hugging Face model directory")
    } else {
        return None;
    };
    Some(format!("models ({origin}): {}: {problem}", source.id))
}

fn database_problem(loaded: &Loaded) -> Option<String> {
    // An unfit URL was told by the loading.
    let Ok(Database::Sqlite(path)) = loaded.config.database() else {
        return None;
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    let problem = check_directory(directory).and_then(|()| check_file(&path)).err()?;
    let key = if loaded.config.database_url.is_some() { &DATABASE_URL } else { &DATA_DIR };
    let origin = loaded.origins.of(key);
    Some(format!("{} ({origin}): {problem}; name a place that this user may write to", key.name))
}

fn check_file(path: &Path) -> Result<(), String> {
    if !path.exists() {
        return Ok(());
    }
    let opened = OpenOptions::new().write(true).open(path);
    opened.map(drop).map_err(|error| format!("{} cannot be written to: {error}", path.display()))
}

/// Whether a directory that may not be there yet can be made and written to. Leaves nothing behind.
fn check_directory(directory: &Path) -> Result<(), String> {
    let here = directory.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    let probe = here.join(format!(".explaind-check-config-{}", std::process::id()));
    fs::create_dir(&probe)
        .and_then(|()| fs::remove_dir(&probe))
        .map_err(|error| format!("{} cannot be written to: {error}", here.display()))
}

/// The settings as a file would hold them, each line with where it came from.
fn settings(loaded: &Loaded) -> String {
    let mut text = String::new();
    for key in KEYS {
        let line = format!("{} = {}", key.name, (key.value)(&loaded.config));
        let _ = writeln!(text, "{line:<44}  # {}", loaded.origins.of(key));
    }
    text
}
