//! The layer of a TOML file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::ModelEntry;
use super::keys::{KEYS, Key, MODELS};
use super::near::nearest;

/// A configuration file, read.
pub(super) struct SettingsFile {
    /// Where it is.
    pub(super) path: PathBuf,
    values: Table,
}

impl SettingsFile {
    /// Reads a file that must be there.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        Self::open_if_there(path)?.ok_or_else(|| {
            format!("the configuration file {} does not exist; make it, or name another", path.display())
        })
    }

    /// Reads a file that need not be there.
    pub(super) fn open_if_there(path: &Path) -> Result<Option<Self>, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(format!("the configuration file {} cannot be read: {error}", path.display()));
            }
        };
        // Of the parser's error only the place and the message: its display shows the line itself.
        let values = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line_number(&text, span.start));
            format!("{} line {line} is no TOML: {}; mend it", path.display(), error.message())
        })?;
        Ok(Some(SettingsFile { path: path.to_owned(), values }))
    }

    /// What is set for a key.
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.values.get(key.name)
    }

    /// A path in this file is relative to it.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    /// Keys that there are not.
    pub(super) fn unknown_keys(&self) -> Vec<String> {
        let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        let remedy = |name: &str| match nearest(name, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("remove it, or use one of {}", names.join(", ")),
        };
        let unknown = self.values.keys().filter(|name| !is_key(name));
        unknown
            .map(|name| format!("`{name}` is no key (file {}); {}", self.path.display(), remedy(name)))
            .collect()
    }

    /// The models that the file names, if it names any, and what is wrong with the others.
    pub(super) fn models(&self) -> Option<(Vec<ModelEntry>, Vec<String>)> {
        let Value::Array(entries) = self.get(&MODELS)? else {
            return Some((Vec::new(), vec![format!("expected {}", MODELS.takes)]));
        };
        let mut models = Vec::new();
        let mut problems = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match model(entry) {
                Ok(model) => models.push(ModelEntry { path: self.beside(&model.path), ..model }),
                Err(problem) => problems.push(format!("entry {}: {problem}", index + 1)),
            }
        }
        Some((models, problems))
    }
}

fn model(entry: &Value) -> Result<ModelEntry, String> {
    // serde would read a list as the fields of a struct in order.
    let Value::Table(fields) = entry else {
        return Err("expected a table of `id` and `path`".into());
    };
    ModelEntry::deserialize(entry.clone()).map_err(|error| match fields.keys().any(|name| is_key(name)) {
        // TOML counts every key after `[[models]]` to that model, which surprises.
        true => format!("{}; keys that are not a model's stand above the first [[models]]", error.message()),
        false => error.message().into(),
    })
}

fn is_key(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name)
}

fn line_number(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
