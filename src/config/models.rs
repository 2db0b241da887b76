//! The models to serve: their ids, where they are, and the bundled one.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, DEFAULT_FILE};
use crate::engine::ModelSource;

/// A model to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// What requests call it: lower-case letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// A Hugging Face model directory; in a file, relative to that file.
    pub path: PathBuf,
}

/// Takes `id=path` apart, as the command line gives models.
///
/// # Errors
/// There is no `=`, or the id is none.
pub fn parse_model(argument: &str) -> Result<ModelEntry, ConfigError> {
    let Some((id, path)) = argument.split_once('=') else {
        return Err(ConfigError::new(format!("`{argument}` is not of the form id=path")));
    };
    check_model_id(id).map_err(ConfigError::new)?;
    Ok(ModelEntry { id: id.into(), path: path.into() })
}

/// What is wrong with the ids of a list of models.
pub(super) fn id_problems(models: &[ModelEntry]) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, model) in models.iter().enumerate() {
        problems.extend(check_model_id(&model.id).err());
        let earlier = models[..index].iter().filter(|other| other.id == model.id).count();
        if earlier == 1 {
            problems.push(format!("several models are called `{}`; give each its own id", model.id));
        }
    }
    problems
}

/// `[a-z0-9][a-z0-9._-]*`
fn check_model_id(id: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits =
        id.bytes().next().is_some_and(plain) && id.bytes().all(|byte| plain(byte) || b"._-".contains(&byte));
    match fits {
        true => Ok(()),
        false => Err(format!(
            "`{id}` is no model id; use lower-case letters, digits, `.`, `_` and `-`, \
             and begin with a letter or digit"
        )),
    }
}

const BUNDLED: &str = "movie-reviews";

/// Looks for `models/movie-reviews` where one would stand: in the current directory, in the package
/// that `cargo run` runs, and beside an installed binary.
///
/// # Errors
/// It is in none of these places.
pub(super) fn bundled_model() -> Result<ModelSource, ConfigError> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let binary = std::env::current_exe().ok().and_then(|binary| Some(binary.parent()?.to_owned()));
    let candidates = [Some(PathBuf::new()), package, binary];
    let directories = candidates.into_iter().flatten().map(|base| base.join("models").join(BUNDLED));
    match directories.into_iter().find(|directory| directory.is_dir()) {
        Some(path) => Ok(ModelSource { id: BUNDLED.into(), path }),
        None => Err(ConfigError::new(format!(
            "no model is configured, and the bundled one (models/{BUNDLED}) is not here; \
             name one with --model id=path or with [[models]] in {DEFAULT_FILE}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_model_on_the_command_line_is_an_id_and_a_path() {
        assert!(parse_model("Reviews=x").unwrap_err().to_string().contains("lower-case"));
        assert!(parse_model("no-path").unwrap_err().to_string().contains("id=path"));
        assert_eq!(parse_model("a.b_c-1=x=y").unwrap().path, Path::new("x=y"));
    }

    #[test]
    fn an_id_that_is_used_often_is_named_once() {
        let entry = |id: &str| ModelEntry { id: id.into(), path: "x".into() };
        let problems = id_problems(&[entry("a"), entry("a"), entry("a"), entry("-b"), entry("c")]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("`a`") && problems[1].contains("`-b`"), "{problems:?}");
    }
}
