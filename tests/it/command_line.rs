//! The binary as a person or a script runs it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::golden::model_directory;

fn explaind() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_explaind"));
    // A directory without a configuration file, so that nobody's own settings change the tests.
    command.current_dir(model_directory("three-labels")).env("RUST_BACKTRACE", "0");
    // Nor a database among the fixtures.
    command.env("EXPLAIND_DATABASE_URL", "memory");
    command
}

fn with_model(name: &str) -> Command {
    let mut command = explaind();
    command.arg("--model").arg(format!("tiny={}", model_directory(name).display()));
    command
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn explain_prints_plain_text_into_a_pipe() {
    let output = output(with_model("three-labels").args(["explain", "the film is good"]));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(!text.contains('\u{1b}'), "no colour codes in a pipe: {text:?}");
    assert!(text.contains("integrated_gradients") && text.contains("the film is good"), "{text}");
}

#[test]
fn explain_colours_words_where_colours_are_wanted() {
    let output =
        output(with_model("three-labels").env("CLICOLOR_FORCE", "1").args(["explain", "the film is good"]));
    assert!(stdout(&output).contains("\u{1b}["), "{}", stdout(&output));
}

#[test]
fn explain_as_json_has_every_method_asked_for_and_reads_standard_input() {
    let mut child = with_model("three-labels")
        .args(["explain", "-", "--json", "--method", "saliency", "--method", "integrated_gradients"])
        .args([
            "--options",
            r#"integrated_gradients={"steps": 5}"#,
            "--target",
            "all",
            "--granularity",
            "token",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all("the film\nis good".as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["text"], "the film\nis good");
    let explanations = answer["explanations"].as_array().unwrap();
    assert_eq!(explanations.len(), 6);
    assert_eq!(explanations[3]["convergence"]["steps"], 5);
}

#[test]
fn explain_tells_what_it_would_take_and_does_not_do_it() {
    let output_of = |arguments: &[&str]| {
        let output = output(with_model("three-labels").args(arguments));
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let text = output_of(&["explain", "the film is good", "--dry-run"]);
    assert!(text.contains("forward passes   about 18, at most 130") && !text.contains("film"), "{text}");
    let json = output_of(&["explain", "the film is good", "--dry-run", "--json", "--method", "saliency"]);
    let told: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&told["forwards"]["most"], &told["backwards"]["most"]), (&Value::from(1), &Value::from(1)));
}

#[test]
fn explain_judges_its_scores_and_tells_where_the_model_predicts_another_label_than_expected() {
    let answer = |arguments: &[&str]| -> Value {
        let output = output(
            with_model("three-labels").args(["explain", "the film is good", "--json"]).args(arguments),
        );
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert!(answer(&[])["explanations"][0]["quality"].is_null());
    let full = answer(&["--quality", "full", "--method", "saliency", "--method", "random"]);
    assert_eq!(full["explanations"][0]["quality"]["level"], "full");
    assert!(full["explanations"][0]["quality"]["better_than_random_by"].is_number());
    assert_eq!(full["agreement"].as_array().unwrap().len(), 1);
    assert_eq!(answer(&["--quality", "fast"])["explanations"][0]["quality"]["level"], "fast");

    let predicted = full["prediction"]["index"].as_u64().unwrap();
    let warned = |index: u64| {
        let answer = answer(&["--expected-label", &index.to_string()]);
        assert_eq!(answer["explanations"][0]["target"]["index"], index);
        let warnings = answer["warnings"].as_array().unwrap();
        warnings.iter().any(|warning| warning["code"] == "prediction_differs")
    };
    assert!(!warned(predicted) && warned((predicted + 1) % 3));
}

#[test]
fn the_figures_of_quality_stand_below_the_scores_in_a_terminal() {
    let output = output(with_model("three-labels").args([
        "explain",
        "the film is good",
        "--quality",
        "full",
        "--method",
        "integrated_gradients",
        "--method",
        "saliency",
    ]));
    let text = stdout(&output);
    for said in ["comprehensiveness", "better than random by", "τ with leaving one out", "agreement"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_bad_argument_or_text_ends_with_a_message_and_a_code() {
    for (arguments, code, named) in [
        (vec!["explain", ""], 1, "blank"),
        (vec!["explain", "x", "--method", "magic"], 2, "magic"),
        (vec!["explain", "x", "--target", "nobody"], 2, "nobody"),
        (vec!["explain", "x", "--expected-label", "nobody"], 2, "nobody"),
        (vec!["explain", "x", "--expected-label", "0", "--target", "1"], 2, "--target"),
        (vec!["explain", "x", "--quality", "slow"], 2, "fast"),
        (vec!["explain", "x", "--model-id", "other"], 2, "other"),
        (vec!["explain", "x", "--options", "saliency={"], 2, "saliency"),
        (vec!["explain", "x", "--options", "saliency={}", "--options", "saliency={}"], 2, "twice"),
        (vec!["--threads", "1000000"], 2, "threads"),
        (vec!["explain"], 2, "TEXT"),
        (vec!["--listen", "everywhere"], 2, "everywhere"),
        (vec!["--listen", "0.0.0.0:0"], 2, "--insecure"),
        (vec!["--config", "nowhere.toml"], 2, "nowhere.toml"),
        (vec!["--log", "a=b=c"], 2, "a=b=c"),
    ] {
        let output = output(with_model("three-labels").args(&arguments));
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(message.contains(named) && !message.contains("panicked"), "{arguments:?}: {message}");
    }
}

#[test]
fn a_model_that_does_not_load_stops_the_server_with_its_file_named() {
    let directory = tempfile::tempdir().unwrap();
    let model = |path: &Path| format!("m={}", path.display());
    let refused = output(explaind().args(["--listen", "127.0.0.1:0", "--model", &model(directory.path())]));
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("config.json"), "{}", stderr(&refused));
    let nothing =
        output(explaind().current_dir(directory.path()).env_remove("CARGO_MANIFEST_DIR").arg("models"));
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("--model id=path"), "{}", stderr(&nothing));
}

#[test]
fn models_lists_what_is_configured_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("explaind.toml");
    let entry = |id: &str| format!("[[models]]\nid = \"{id}\"\npath = {:?}\n", model_directory(id));
    std::fs::write(&path, format!("{}{}", entry("pairs"), entry("regression"))).unwrap();
    let output = output(explaind().current_dir(directory.path()).arg("models"));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.contains("pairs") && text.contains("not_entailment") && text.contains("regression"),
        "{text}"
    );
}

#[test]
fn json_on_the_command_line_keeps_control_characters_of_the_text() {
    let output = output(with_model("three-labels").args([
        "explain",
        "good\u{7f}film \u{1b}[1m",
        "--json",
        "--target",
        "1",
    ]));
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert_eq!(answer["text"], "good\u{7f}film \u{1b}[1m");
    assert_eq!(answer["explanations"][0]["target"]["index"], 1);
}

#[cfg(unix)]
#[test]
fn the_server_says_where_it_listens_and_stops_when_told_to() {
    let mut server =
        with_model("three-labels").args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line =
        lines.find(|line| line.contains("listens on")).expect("the server should say where it listens");
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let ready = reqwest::blocking::get(format!("{url}/readyz")).unwrap();
    assert_eq!(ready.status(), 200);
    drop(ready);
    // A client in the middle of a request cannot keep the server from stopping.
    let mut open = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    open.write_all(b"POST /explain HTTP/1.1\r\n").unwrap();
    for _ in 0..2 {
        let told = Command::new("kill").arg(server.id().to_string()).status().unwrap();
        assert!(told.success());
        lines.find(|line| line.contains("stopp")).expect("the server should say that it stops");
    }
    assert!(server.wait().unwrap().success());
}
