//! The layer of `EXPLAIND_*` variables.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::keys::{KEYS, Key, MODELS, PREFIX};
use super::near::nearest;

/// Names the configuration file; a setting of the settings.
const FILE_VARIABLE: &str = "EXPLAIND_CONFIG";

/// Variables that begin with `EXPLAIND_` and are not empty: compose files set empty ones for what is not
/// meant to be set.
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The configuration file that is named here.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.0.get(FILE_VARIABLE).map(PathBuf::from)
    }

    /// What is set for a key.
    pub(super) fn get(&self, key: &Key) -> Option<&OsStr> {
        self.0.get(&key.variable()?).map(OsString::as_os_str)
    }

    /// Names that are likely meant as settings and are none. Others are left alone: container
    /// orchestrators set `EXPLAIND_PORT` and the like for a service of that name.
    pub(super) fn slips(&self) -> Vec<String> {
        self.0.keys().filter_map(|name| slip(name)).collect()
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        let named = variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Environment(named.filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()).collect())
    }
}

fn slip(variable: &str) -> Option<String> {
    let known = || KEYS.iter().filter_map(|key| key.variable()).chain([FILE_VARIABLE.into()]);
    if known().any(|name| name == variable) {
        return None;
    }
    let name = variable.strip_prefix(PREFIX)?.to_lowercase();
    if nearest(&name, [MODELS.name]).is_some() {
        return Some(format!(
            "{variable} sets nothing; name models with --model id=path, or with [[models]] in a file"
        ));
    }
    let names: Vec<String> = known().map(|name| name[PREFIX.len()..].to_lowercase()).collect();
    let meant = nearest(&name, names.iter().map(String::as_str))?.to_uppercase();
    Some(format!("{variable} is no setting; did you mean {PREFIX}{meant}? rename or unset it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{LISTEN, LOG};

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn an_empty_variable_sets_nothing() {
        let environment = environment(&[("EXPLAIND_LISTEN", ""), ("EXPLAIND_LOG", "debug"), ("LOG", "x")]);
        assert_eq!(environment.get(&LISTEN), None);
        assert_eq!(environment.get(&LOG), Some(OsStr::new("debug")));
    }

    #[test]
    fn variables_of_container_orchestrators_are_left_alone() {
        let environment = environment(&[
            ("EXPLAIND_PORT", "tcp://10.0.0.1:8080"),
            ("EXPLAIND_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("EXPLAIND_SERVICE_HOST", "10.0.0.1"),
            ("EXPLAIND_SERVICE_PORT", "8080"),
            ("EXPLAIND_CONFIG", "x"),
        ]);
        assert_eq!(environment.slips(), [""; 0]);
    }

    #[test]
    fn a_name_that_is_nearly_a_setting_is_refused_with_the_right_one() {
        for (variable, meant) in [
            ("EXPLAIND_LISTN", "EXPLAIND_LISTEN"),
            ("EXPLAIND_THREAD", "EXPLAIND_THREADS"),
            ("EXPLAIND_CONFG", "EXPLAIND_CONFIG"),
            ("EXPLAIND_log_format", "EXPLAIND_LOG_FORMAT"),
            ("EXPLAIND_MODELS", "--model id=path"),
            ("EXPLAIND_MODEL", "--model id=path"),
        ] {
            let slips = environment(&[(variable, "x")]).slips();
            assert_eq!(slips.len(), 1, "{variable}");
            assert!(slips[0].contains(variable) && slips[0].contains(meant), "{slips:?}");
        }
    }
}
