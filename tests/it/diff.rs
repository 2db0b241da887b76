//! `explaind diff` as a build runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::golden::model_directory;

const ROWS: &str = "text,label\n\
                    the film is good,positive\n\
                    the film is bad,negative\n\
                    a good plot and a good film,2\n\
                    bad bad film,0\n\
                    is the film good or bad,neutral\n";

/// A directory with the rows in a file of this name.
fn data(name: &str, rows: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, rows).unwrap();
    (directory, path)
}

fn diff(before: &str, after: &str, data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_explaind"));
    // A directory without a configuration file, so that nobody's own settings change the tests.
    command.current_dir(model_directory("three-labels")).env("RUST_BACKTRACE", "0");
    command.env("EXPLAIND_DATABASE_URL", "memory").args(["--threads", "2", "diff"]);
    command.arg("--before").arg(model_directory(before)).arg("--after").arg(model_directory(after));
    command.arg("--data").arg(data).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_model_does_not_differ_from_itself() {
    let (_directory, path) = data("rows.csv", ROWS);
    let bounds = ["--fail-over", "flips=0", "--fail-over", "spearman=0.99", "--fail-over", "accuracy-drop=0"];
    let same = |more: &[&str]| diff("three-labels", "three-labels", &path, &[&bounds[..], more].concat());
    let output = same(&["--minimum-texts", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(!text.contains('\u{1b}'), "no colour codes in a pipe: {text:?}");
    for told in ["flips", "0 of 5", "input_x_gradient for positive", "film", "flips is 0.0000, within 0"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(stderr(&output).contains("after: 5 of 5 rows"), "{}", stderr(&output));
    let output = same(&["--minimum-texts", "2", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["method"], "input_x_gradient");
    assert_eq!(report["comparison"]["flips"]["share"]["count"], 0);
    assert_eq!(report["comparison"]["words"].as_array().unwrap().len(), 3, "every class of the model");
    let bound = json!({"figure": "accuracy-drop", "bound": 0.0, "found": 0.0, "holds": true});
    assert_eq!(report["bounds"][2], bound);
}

#[test]
fn another_model_exceeds_its_bounds_and_that_is_told() {
    let (_directory, path) = data("rows.csv", ROWS);
    let output =
        diff("three-labels", "one-type-id", &path, &["--fail-over", "flips=0.25", "--minimum-texts", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("flips is 1.0000, over 0.25 by 0.7500"), "{told}");
    let text = stdout(&output);
    assert!(text.contains("5 of 5") && text.contains("the film is good"), "{text}");
    // Without bounds nothing is exceeded.
    assert_eq!(diff("three-labels", "one-type-id", &path, &[]).status.code(), Some(0));
    // As JSON, what is exceeded is told all the same.
    let output = diff("three-labels", "one-type-id", &path, &["--fail-over", "spearman=0.5", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["bounds"][0]["found"], &report["bounds"][0]["holds"]), (&Value::Null, &json!(false)));
    assert!(stderr(&output).contains("spearman cannot be told"), "{}", stderr(&output));
}

#[test]
fn rows_that_a_model_cannot_read_are_counted() {
    let long = format!("{{\"text\": \"{}\"}}\n{{\"text\": \"the film is good\"}}\n", "good ".repeat(2000));
    let (_directory, path) = data("rows.jsonl", &long);
    let report = |arguments: &[&str]| -> Value {
        let output = diff("three-labels", "three-labels", &path, &[&["--json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
    };
    let told = report(&[]);
    assert_eq!(
        (&told["comparison"]["a"]["rows"], &told["comparison"]["a"]["failed"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(told["comparison"]["flips"]["share"]["of"], 1);
    assert_eq!(told["comparison"]["accuracy_drop"], Value::Null);
    assert_eq!(report(&["--truncate"])["comparison"]["a"]["failed"], 0);
}

#[test]
fn a_bad_argument_or_file_ends_with_a_message_and_a_code() {
    let (_directory, path) = data("rows.csv", ROWS);
    for (arguments, named) in [
        (vec!["--fail-over", "flips"], "FIGURE=NUMBER"),
        (vec!["--fail-over", "flip=0.1"], "flips"),
        (vec!["--fail-over", "flips=2"], "0 to 1"),
        (vec!["--fail-over", "flips=0.1", "--fail-over", "flips=0.2"], "twice"),
        (vec!["--method", "magic"], "magic"),
        (vec!["--target", "nobody"], "nobody"),
        (vec!["--resamples", "99"], "99"),
        (vec!["--top", "0"], "0"),
    ] {
        let output = diff("three-labels", "three-labels", &path, &arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(named) && !message.contains("panicked"), "{arguments:?}: {message}");
    }
    for (name, rows, named) in [
        ("rows.txt", ROWS, ".jsonl"),
        ("rows.csv", "text\n", "rows"),
        ("rows.csv", "words\na\n", "text"),
        ("rows.jsonl", "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n", "line 2"),
    ] {
        let (_directory, path) = data(name, rows);
        let output = diff("three-labels", "three-labels", &path, &[]);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{name}: {}", stderr(&output));
    }
    let missing = diff("three-labels", "three-labels", Path::new("nowhere.csv"), &[]);
    assert_eq!(missing.status.code(), Some(2));
    let unloadable = diff("three-labels", "nothing-there", &path, &[]);
    assert_eq!(unloadable.status.code(), Some(1), "{}", stderr(&unloadable));
}
