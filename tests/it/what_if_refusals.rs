//! What cannot be asked of changes to text and network, through a server that listens.

use serde_json::{Value, json};

use crate::concepts::learnt;
use crate::datasets::on_file;
use crate::support::server::TestServer;

const PATH: &str = "/v1/interventions";
const TINY: &str = "three-labels";

/// Words: A 0, funny 1, film 2.
const TEXT: &str = "A funny film";

fn problem(server: &TestServer, edits: Value) -> Value {
    let problem = server.problem(PATH, json!({"model": TINY, "text": TEXT, "edits": edits}), 422);
    let has_remedy = problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty());
    assert!(has_remedy, "{edits}: {problem}");
    problem
}

#[test]
fn an_edit_that_is_none_is_refused_by_its_place() {
    let server = TestServer::shared();
    let fine = json!({"action": "delete", "words": [0]});
    let head = |layer: usize, head: usize| json!({"layer": layer, "head": head});
    for (edit, field) in [
        (json!("delete"), ""),
        (json!({}), "/action"),
        (json!({"action": null}), "/action"),
        (json!({"action": "drop"}), "/action"),
        (json!({"action": {"delete": null}}), "/action"),
        (json!({"action": "delete"}), "/words"),
        (json!({"action": "delete", "words": []}), "/words"),
        (json!({"action": "delete", "words": [1, 1]}), "/words/1"),
        (json!({"action": "delete", "words": [3]}), "/words/0"),
        (json!({"action": "delete", "words": [-1]}), "/words/0"),
        (json!({"action": "delete", "words": [1.5]}), "/words/0"),
        (json!({"action": "delete", "word": 1, "words": [1]}), "/word"),
        (json!({"action": "delete", "words": [1], "all": true}), "/all"),
        (json!({"action": "mask", "words": [1, 9]}), "/words/1"),
        (json!({"action": "mask", "words": [1], "factor": 0}), "/factor"),
        (json!({"action": "hide"}), "/words"),
        (json!({"action": "hide", "words": [2, 3]}), "/words/1"),
        (json!({"action": "replace", "with": "dull"}), "/word"),
        (json!({"action": "replace", "word": 1}), "/with"),
        (json!({"action": "replace", "word": 1, "with": " \t"}), "/with"),
        (json!({"action": "replace", "word": 1, "with": "very\ndull"}), "/with"),
        (json!({"action": "replace", "word": 1, "with": "é".repeat(201)}), "/with"),
        (json!({"action": "replace", "word": 3, "with": "dull"}), "/word"),
        (json!({"action": "replace", "words": [1], "word": 1, "with": "dull"}), "/words"),
        (json!({"action": "scale_heads"}), "/heads"),
        (json!({"action": "scale_heads", "heads": []}), "/heads"),
        (json!({"action": "scale_heads", "heads": [[0, 1]]}), "/heads/0"),
        (json!({"action": "scale_heads", "heads": [{"layer": 0}]}), "/heads/0"),
        (json!({"action": "scale_heads", "heads": [{"layer": 0, "head": 0, "x": 1}]}), "/heads/0/x"),
        (json!({"action": "scale_heads", "heads": [head(3, 0)]}), "/heads/0/layer"),
        (json!({"action": "scale_heads", "heads": [head(0, 0), head(0, 3)]}), "/heads/1/head"),
        (json!({"action": "scale_heads", "heads": [head(0, 0), head(0, 0)]}), "/heads/1"),
        (json!({"action": "scale_heads", "heads": [head(0, 0)], "factor": 10.5}), "/factor"),
        (json!({"action": "scale_heads", "heads": [head(0, 0)], "factor": "0"}), "/factor"),
        (json!({"action": "scale_heads", "heads": [head(0, 0)], "layer": 0}), "/layer"),
        (json!({"action": "scale_neurons", "neurons": [0]}), "/layer"),
        (json!({"action": "scale_neurons", "layer": 3, "neurons": [0]}), "/layer"),
        (json!({"action": "scale_neurons", "layer": 0}), "/neurons"),
        (json!({"action": "scale_neurons", "layer": 0, "neurons": []}), "/neurons"),
        (json!({"action": "scale_neurons", "layer": 0, "neurons": [0, 40]}), "/neurons/1"),
        (json!({"action": "scale_neurons", "layer": 0, "neurons": [2, 3, 2]}), "/neurons/2"),
        (json!({"action": "scale_neurons", "layer": 0, "neurons": [0], "factor": -11}), "/factor"),
        (json!({"action": "patch", "from": TEXT}), "/layer"),
        (json!({"action": "patch", "layer": 4, "from": TEXT}), "/layer"),
        (json!({"action": "patch", "layer": 0}), "/from"),
        (json!({"action": "patch", "layer": 0, "from": 7}), "/from"),
        (json!({"action": "patch", "layer": 0, "from": {"texts": []}}), "/from/texts"),
        (json!({"action": "patch", "layer": 0, "from": " "}), "/from"),
        (json!({"action": "patch", "layer": 0, "from": {"text": "a", "text_pair": " "}}), "/from/text_pair"),
        (json!({"action": "patch", "layer": 0, "from": TEXT, "words": [4]}), "/words/0"),
        (json!({"action": "patch", "layer": 0, "from": TEXT, "words": []}), "/words"),
        (json!({"action": "erase"}), "/concept"),
        (json!({"action": "erase", "concept": "joke", "strength": 1}), "/strength"),
        (json!({"action": "push", "concept": "joke", "method": "leace"}), "/method"),
    ] {
        let problem = problem(&server, json!([fine, edit]));
        let pointer = format!("/edits/1{field}");
        assert!(problem["pointer"] == pointer.as_str(), "{edit}: {problem}");
    }
}

#[test]
fn a_question_that_makes_no_sense_as_a_whole_is_refused() {
    let server = TestServer::shared();
    let fine = json!([{"action": "delete", "words": [0]}]);
    for (field, value, pointer) in [
        ("edits", Value::Null, "/edits"),
        ("edits", json!([]), "/edits"),
        ("edits", json!(vec![fine[0].clone(); 17]), "/edits"),
        ("edits", json!({"action": "delete"}), "/edits"),
        ("target", json!("all"), "/target"),
        ("target", json!("angry"), "/target"),
        ("target", json!(3), "/target"),
        ("output", json!("score"), "/output"),
        ("truncate", json!(true), "/truncate"),
        ("model", json!("bert"), "/model"),
        ("text", Value::Null, "/text"),
        ("text", json!(" "), "/text"),
        ("text", json!("film ".repeat(60)), "/text"),
        ("text_pair", json!(" "), "/text_pair"),
    ] {
        let mut body = json!({"model": TINY, "text": TEXT, "edits": fine});
        body[field] = value.clone();
        let problem = server.problem(PATH, body, 422);
        assert_eq!(problem["pointer"], pointer, "{field} {value}: {problem}");
    }
    let body = json!({"model": "regression", "text": TEXT, "edits": fine, "output": "probability"});
    assert_eq!(server.problem(PATH, body, 422)["pointer"], "/output");
}

#[test]
fn two_edits_of_one_word_are_refused_and_both_are_named() {
    let server = TestServer::shared();
    let replace = json!({"action": "replace", "word": 1, "with": "dull"});
    let words = |action: &str| json!({"action": action, "words": [2, 1]});
    let patched = |layer: usize, words: Value| json!({"action": "patch", "layer": layer, "from": "A grim film", "words": words});
    let patch = patched(0, json!([1]));
    for (first, second, field) in [
        (&words("delete"), &replace, "/word"),
        (&replace, &replace, "/word"),
        (&replace, &words("delete"), "/words/1"),
        (&words("delete"), &words("mask"), "/words/0"),
        (&words("hide"), &replace, "/word"),
        (&replace, &words("mask"), "/words/1"),
        (&words("delete"), &patch, "/words/0"),
        (&patched(0, json!([2, 1])), &patch, "/words/0"),
        (&patched(0, Value::Null), &patch, "/layer"),
        (&patch, &patched(0, Value::Null), "/layer"),
        (&patched(0, Value::Null), &patched(0, Value::Null), "/layer"),
    ] {
        let problem = problem(&server, json!([first, {"action": "mask", "words": [0]}, second]));
        assert_eq!(problem["pointer"], format!("/edits/2{field}"), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("edit 0") && detail.contains("edit 2"), "{detail}");
    }
    for (first, second) in [
        (words("mask"), words("hide")),
        (replace.clone(), patch.clone()),
        (patch.clone(), patched(0, json!([0, 2]))),
        (patch, patched(1, Value::Null)),
    ] {
        server.ok(PATH, json!({"model": TINY, "text": TEXT, "edits": [first, second]}));
    }
}

#[test]
fn what_an_edit_leaves_must_be_a_text_for_the_model() {
    let server = TestServer::shared();
    let delete = |word: usize| json!({"action": "delete", "words": [word]});
    let alone = problem(&server, json!([{"action": "delete", "words": [0, 1, 2]}]));
    assert_eq!(alone["pointer"], "/edits/0");
    let together = problem(&server, json!([delete(0), delete(1), delete(2)]));
    assert_eq!(together["pointer"], "/edits");
    assert!(together["detail"].as_str().unwrap().contains("edits 0, 1, 2"), "{together}");
    let long = problem(&server, json!([{"action": "replace", "word": 1, "with": "very ".repeat(40)}]));
    assert_eq!(long["pointer"], "/edits/0");
    assert!(long["detail"].as_str().unwrap().contains("the model takes 40"), "{long}");
}

#[test]
fn a_patch_needs_a_text_of_as_many_tokens() {
    let server = TestServer::shared();
    let edits = json!([{"action": "delete", "words": [0]}, {"action": "patch", "layer": 1, "from": "An unfunny film"}]);
    let problem = problem(&server, edits);
    assert_eq!(problem["type"], "urn:explaind:problem:unequal-lengths");
    assert_eq!(problem["pointer"], "/edits/1/from");
    assert_eq!(problem["tokenisations"][0], json!(["[CLS]", "a", "funny", "film", "[SEP]"]));
    let other = problem["tokenisations"][1].as_array().unwrap();
    assert!(other.len() > 5, "{problem}");
}

#[test]
fn a_concept_is_refused_where_it_cannot_be_erased_or_pushed() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    for (edit, field) in [
        (json!({"action": "erase", "concept": "fun", "method": "leace", "layer": 1}), "/layer"),
        (json!({"action": "erase", "concept": "fun", "layer": 4}), "/layer"),
        (json!({"action": "erase", "concept": "fun", "method": "magic"}), "/method"),
        (json!({"action": "push", "concept": "fun"}), "/strength"),
        (json!({"action": "push", "concept": "fun", "strength": 101}), "/strength"),
        (json!({"action": "push", "strength": 1}), "/concept"),
        (json!({"action": "erase", "concept": "joke"}), "/concept"),
        (json!({"action": "push", "concept": "fun@2", "strength": 1}), "/concept"),
    ] {
        let problem = problem(&server, json!([{"action": "delete", "words": [0]}, edit]));
        assert_eq!(problem["pointer"], format!("/edits/1{field}"), "{problem}");
    }
}
