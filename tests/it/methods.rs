//! What the program says of its methods is one thing, wherever it says it: at `/v1/methods`, on the command line and
//! in `docs/methods.md`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Map, Value, json};

use crate::support::schema::misfit;
use crate::support::server::TestServer;

/// Few words, so that methods with a limit take them, too.
const TEXT: &str = "a fine film";

fn methods() -> Vec<Value> {
    TestServer::shared().get("/v1/methods").json()["methods"].as_array().unwrap().clone()
}

fn id(method: &Value) -> &str {
    method["id"].as_str().unwrap()
}

/// The options of a method with their schemas.
fn options(method: &Value) -> Map<String, Value> {
    method["options_schema"]["properties"].as_object().cloned().unwrap_or_default()
}

/// A dry run with these options: everything is checked and nothing computed.
fn status(method: &Value, options: Value) -> u16 {
    let body =
        json!({"text": TEXT, "methods": [id(method)], "options": {id(method): options}, "dry_run": true});
    TestServer::shared().post("/explain", &body).status
}

#[test]
fn every_method_says_what_it_answers_what_it_takes_and_when_not_to_use_it() {
    for method in methods() {
        for said in ["summary", "formula", "effort", "caution", "source"] {
            assert!(method[said].as_str().is_some_and(|text| text.len() > 5), "{said} of {method}");
        }
    }
}

#[test]
fn the_defaults_of_every_method_fit_its_schema_and_the_server_takes_them() {
    for method in methods() {
        let (defaults, schema) = (&method["options"], &method["options_schema"]);
        assert_eq!(misfit(schema, defaults), None, "{}", id(&method));
        assert_eq!(misfit(schema, &json!({})), None, "{}: every option may be left out", id(&method));
        assert_eq!(status(&method, defaults.clone()), 200, "{}", id(&method));
        let described: Vec<String> = options(&method).into_iter().map(|(name, _)| name).collect();
        let named: Vec<&String> = defaults.as_object().unwrap().keys().collect();
        assert_eq!(described.iter().collect::<Vec<_>>(), named, "{}", id(&method));
    }
}

#[test]
fn every_option_says_what_it_is_with_its_default_and_an_example() {
    for method in methods() {
        for (name, schema) in options(&method) {
            let place = format!("{name} of {}", id(&method));
            assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{place}");
            // Null stands for a default that hangs on the rest of the request.
            let default = schema.get("default").unwrap_or_else(|| panic!("{place} tells no default"));
            assert!(default.is_null() || *default == method["options"][&name], "{place}: {default}");
            let examples = schema["examples"].as_array().unwrap_or_else(|| panic!("{place} has no example"));
            for value in examples.iter().chain([default]) {
                assert_eq!(misfit(&schema, value), None, "{place}");
            }
        }
    }
}

#[test]
fn options_that_do_not_fit_the_schema_are_refused_by_schema_and_server_alike() {
    let mut beyond_bounds = 0;
    for method in methods() {
        let schema = &method["options_schema"];
        let mut wrong = vec![json!({"no_such_option": 1})];
        for (name, of_option) in options(&method) {
            wrong.push(json!({&name: [[]]}));
            let beyond = [
                of_option["minimum"].as_f64().map(|least| least - 1.0),
                of_option["maximum"].as_f64().map(|most| most + 1.0),
                of_option["exclusiveMinimum"].as_f64(),
                of_option["exclusiveMaximum"].as_f64(),
            ];
            for number in beyond.into_iter().flatten() {
                beyond_bounds += 1;
                // A whole number is sent as one: 1025.0 would be refused for its form.
                let whole = number.fract() == 0.0 && of_option["type"] != "number";
                wrong.push(json!({&name: if whole { json!(number as i64) } else { json!(number) }}));
            }
        }
        for options in wrong {
            assert!(misfit(schema, &options).is_some(), "{options} fits the schema of {}", id(&method));
            assert_eq!(status(&method, options.clone()), 422, "{options} for {}", id(&method));
        }
    }
    assert!(beyond_bounds >= 4, "bounds are in the schemas");
}

fn explaind(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_explaind"));
    command.arg("methods").args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = explaind(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_command_line_lists_every_method_and_tells_everything_about_one() {
    let list = printed(&[]);
    for method in methods() {
        assert!(list.contains(id(&method)), "{list}");
        // Lines break where a terminal ends.
        let told = printed(&[id(&method)]).split_whitespace().collect::<Vec<_>>().join(" ");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in ["summary", "formula", "effort", "caution", "source"] {
            assert!(told.contains(&words(method[said].as_str().unwrap())), "{said} in {told}");
        }
        for (option, _) in options(&method) {
            let default = &method["options"][&option];
            assert!(told.contains(&format!(" {option} {default} ")), "{option} in {told}");
        }
    }
}

#[test]
fn a_method_that_does_not_exist_is_a_fault_that_names_those_that_do() {
    let refused = explaind(&["magic"]);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(message.contains("magic") && message.contains("saliency"), "{message}");
}

/// With `EXPLAIND_UPDATE=1` in the environment the file is written anew.
#[test]
fn the_page_about_the_methods_is_what_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/methods.md");
    let printed = printed(&["--markdown"]);
    if std::env::var_os("EXPLAIND_UPDATE").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == printed,
        "docs/methods.md is not what the program says; run `cargo run -- methods --markdown > docs/methods.md`"
    );
}
