//! `docs/configuration.md` says what the program does.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use super::keys::{KEYS, Key};
use super::loading::gather;
use super::{Config, Overrides};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    std::fs::read_to_string(path).unwrap()
}

fn table() -> String {
    let mut table =
        String::from("| key | environment variable | flag | default | meaning |\n|---|---|---|---|---|\n");
    for key in KEYS {
        writeln!(table, "{}", row(key)).unwrap();
    }
    table
}

fn row(key: &Key) -> String {
    let code = |text: String| format!("`{text}`");
    let variable = key.variable().map(code).unwrap_or_default();
    let flag = key.flag.map(|flag| code(flag.into())).unwrap_or_default();
    let default = (key.value)(&Config::default());
    format!("| `{}` | {variable} | {flag} | `{default}` | {} ({}) |", key.name, key.meaning, key.takes)
}

/// What stands in the page between a fence of this kind and the next fence.
fn block<'a>(page: &'a str, fence: &str) -> &'a str {
    let (_, rest) = page.split_once(fence).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn every_field_of_the_configuration_is_described_once_and_in_its_order() {
    let json = serde_json::to_string(&Config::default()).unwrap();
    let fields: BTreeSet<String> = match serde_json::from_str(&json).unwrap() {
        Value::Object(fields) => fields.into_iter().map(|(name, _)| name).collect(),
        other => panic!("{other}"),
    };
    let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    // serde writes fields in the order of the struct.
    let place = |name: &str| json.find(&format!("\"{name}\":"));
    assert!(names.is_sorted_by_key(|name| place(name)), "{names:?}");
    names.sort_unstable();
    assert!(fields.iter().eq(names.iter()), "{fields:?} {names:?}");
}

#[test]
fn the_table_in_the_page_is_the_one_made_of_the_keys() {
    let expected = table();
    assert!(page().contains(&expected), "docs/configuration.md should hold this table:\n\n{expected}");
    assert_eq!(page().matches("\n| ").count(), KEYS.len() + 1, "there should be one table alone");
}

#[test]
fn the_example_in_the_page_loads_and_shows_every_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("explaind.toml");
    let example = block(&page(), "```toml\n").to_owned();
    std::fs::write(&path, &example).unwrap();
    let config = gather(Some(&path), [].into_iter().collect(), &Overrides::default()).into_config().unwrap();
    assert_eq!(config.models.len(), 2);
    let values: toml::Table = example.parse().unwrap();
    for key in KEYS {
        assert!(values.contains_key(key.name), "{}", key.name);
    }
}
