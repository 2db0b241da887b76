//! The description at `/openapi.json` leaves nothing unsaid.

use serde_json::{Value, json};

use crate::support::alike::alike;
use crate::support::golden::BUNDLED;
use crate::support::server::{Answer, Settings, TestServer};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Everything a reader of the document would miss, each with its place as a JSON pointer.
pub fn gaps(document: &Value) -> Vec<String> {
    let mut search = Search { document, gaps: Vec::new() };
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let place = format!("/components/schemas/{name}");
        search.words(&place, schema, "description");
        // An object's examples are those of its properties.
        if schema["properties"].is_null() && !search.has_example(schema, 0) {
            search.miss(&place, "an example");
        }
        search.schema(&place, schema);
    }
    let mut seen = Vec::new();
    for (path, item) in entries(&document["paths"]) {
        for (method, operation) in entries(item).filter(|(key, _)| METHODS.contains(key)) {
            let place = format!("/paths/{}/{method}", path.replace('~', "~0").replace('/', "~1"));
            search.operation(&place, operation);
            let id = operation["operationId"].as_str().unwrap_or_default();
            if seen.contains(&id) {
                search.miss(&place, format_args!("an operationId of its own: `{id}` is taken"));
            }
            seen.push(id);
        }
    }
    search.gaps
}

/// Fails with all gaps of the document, one a line.
pub fn assert_complete(document: &Value) {
    let gaps = gaps(document);
    assert!(gaps.is_empty(), "{} gaps:\n{}", gaps.len(), gaps.join("\n"));
    let sizes = ["/components/schemas", "/paths"]
        .map(|part| document.pointer(part).and_then(Value::as_object).map_or(0, |part| part.len()));
    assert!(sizes.iter().all(|size| *size > 0), "nothing is described: {sizes:?} schemas and paths");
}

struct Search<'a> {
    document: &'a Value,
    gaps: Vec<String>,
}

impl<'a> Search<'a> {
    fn miss(&mut self, place: &str, what: impl std::fmt::Display) {
        self.gaps.push(format!("{place} lacks {what}"));
    }

    fn words(&mut self, place: &str, within: &Value, name: &str) {
        if !has_words(&within[name]) {
            self.miss(place, name);
        }
    }

    /// The properties of a schema, however deep.
    fn schema(&mut self, place: &str, schema: &'a Value) {
        for (name, property) in entries(&schema["properties"]) {
            let place = format!("{place}/properties/{name}");
            if !Self::has_description(property) {
                self.miss(&place, "a description");
            }
            if !self.has_example(property, 0) {
                self.miss(&place, "an example");
            }
            self.schema(&place, property);
        }
        for list in ["oneOf", "anyOf", "allOf", "prefixItems"] {
            for (index, branch) in items(&schema[list]).enumerate() {
                self.schema(&format!("{place}/{list}/{index}"), branch);
            }
        }
        for part in ["items", "additionalProperties"] {
            if schema[part].is_object() {
                self.schema(&format!("{place}/{part}"), &schema[part]);
            }
        }
    }

    fn operation(&mut self, place: &str, operation: &'a Value) {
        for name in ["summary", "description", "operationId"] {
            self.words(place, operation, name);
        }
        if items(&operation["tags"]).next().is_none() {
            self.miss(place, "tags");
        }
        for (index, parameter) in items(&operation["parameters"]).enumerate() {
            let place = format!("{place}/parameters/{index}");
            let parameter = self.resolved(parameter);
            self.words(&place, parameter, "description");
            if !shows(parameter) && !self.has_example(&parameter["schema"], 0) {
                self.miss(&place, "an example");
            }
        }
        let body = &operation["requestBody"];
        if !body.is_null() {
            let body = self.resolved(body);
            self.words(&format!("{place}/requestBody"), body, "description");
            self.contents(&format!("{place}/requestBody"), body);
        }
        if entries(&operation["responses"]).next().is_none() {
            self.miss(place, "responses");
        }
        for (status, response) in entries(&operation["responses"]) {
            let response = self.resolved(response);
            let place = format!("{place}/responses/{status}");
            self.words(&place, response, "description");
            self.contents(&place, response);
            for (name, header) in entries(&response["headers"]) {
                self.words(&format!("{place}/headers/{name}"), self.resolved(header), "description");
            }
            let failure = status == "default" || status.starts_with(['4', '5']);
            let kinds: Vec<&str> = entries(&response["content"]).map(|(kind, _)| kind).collect();
            if failure && kinds != ["application/problem+json"] {
                self.miss(&place, format_args!("application/problem+json alone: it has {kinds:?}"));
            }
        }
    }

    fn contents(&mut self, place: &str, holder: &Value) {
        for (kind, content) in entries(&holder["content"]) {
            if !shows(content) {
                let kind = kind.replace('~', "~0").replace('/', "~1");
                self.miss(&format!("{place}/content/{kind}"), "an example");
            }
        }
    }

    /// Where a reference leads; the value itself where it is none. A broken one leads to null.
    fn resolved(&self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().map(|reference| reference.trim_start_matches('#')) {
            Some(pointer) => self.document.pointer(pointer).unwrap_or(&Value::Null),
            None => value,
        }
    }

    /// Its own words, or those beside the reference of `oneOf: [reference, null]`.
    fn has_description(schema: &Value) -> bool {
        has_words(&schema["description"]) || branches(schema).any(|branch| has_words(&branch["description"]))
    }

    /// Its own, or that of the schema it refers to, where every property of an object has one.
    fn has_example(&self, schema: &'a Value, depth: usize) -> bool {
        let target = self.resolved(schema);
        let mut properties = entries(&target["properties"]).peekable();
        shows(schema)
            || shows(target)
            || depth < 16
                && (branches(target).any(|branch| self.has_example(branch, depth + 1))
                    || properties.peek().is_some()
                        && properties.all(|(_, property)| self.has_example(property, depth + 1)))
    }
}

fn has_words(value: &Value) -> bool {
    value.as_str().is_some_and(|words| !words.trim().is_empty())
}

/// An example of `null` is one, too: the key counts.
fn shows(value: &Value) -> bool {
    let several = |examples: &Value| items(examples).next().is_some() || entries(examples).next().is_some();
    value.get("example").is_some() || value.get("examples").is_some_and(several)
}

fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf", "allOf"].into_iter().flat_map(|list| items(&schema[list]))
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[test]
fn nothing_is_left_unsaid() {
    assert_complete(&TestServer::shared().get("/openapi.json").json());
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        found.extend(value["$ref"].as_str());
        entries(value).for_each(|(_, member)| references(member, found));
        items(value).for_each(|item| references(item, found));
    }
    let document = TestServer::shared().get("/openapi.json").json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn every_gap_is_named() {
    let document = json!({
        "paths": {"/a": {"post": {
            "summary": "Asks.",
            "operationId": "ask",
            "requestBody": {"description": "A question.", "content": {"application/json": {}}},
            "responses": {
                "200": {"description": "", "content": {"text/html": {"example": "<p>"}}},
                "404": {"description": "Gone.", "content": {"application/json": {"example": {}}}}
            }
        }}},
        "components": {"schemas": {
            "Whole": {"description": "Whole.", "properties": {"a": {"description": "One.", "example": null}}},
            "Broken": {"properties": {
                "whole": {"oneOf": [
                    {"$ref": "#/components/schemas/Whole", "description": "Another."},
                    {"type": "null"}
                ]},
                "bare": {"type": "string"},
                "nowhere": {"$ref": "#/components/schemas/Nowhere", "description": "Lost."}
            }}
        }}
    });
    assert_eq!(
        gaps(&document),
        [
            "/components/schemas/Broken lacks description",
            "/components/schemas/Broken/properties/bare lacks a description",
            "/components/schemas/Broken/properties/bare lacks an example",
            "/components/schemas/Broken/properties/nowhere lacks an example",
            "/paths/~1a/post lacks description",
            "/paths/~1a/post lacks tags",
            "/paths/~1a/post/requestBody/content/application~1json lacks an example",
            "/paths/~1a/post/responses/200 lacks description",
            "/paths/~1a/post/responses/404 lacks application/problem+json alone: it has \
             [\"application/json\"]",
        ]
    );
}

/// The committed description, which clients are generated from, is that of the program. With
/// `EXPLAIND_UPDATE=1` in the environment the file is written anew.
#[test]
fn the_committed_description_is_that_of_the_program() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    let described = explaind::server::document::openapi_json();
    if std::env::var_os("EXPLAIND_UPDATE").is_some() {
        std::fs::write(&path, described).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == described,
        "openapi/openapi.json is not what the program says; run `cargo run -- openapi > openapi/openapi.json`"
    );
    assert_eq!(TestServer::shared().get("/openapi.json").text(), described);
}

/// The examples of the description are answers of the server.
#[test]
fn the_examples_are_what_the_server_answers() {
    let server = TestServer::shared();
    let review = "A gripping film, though it drags a little.";
    let asked = [
        ("explain", "/v1/explain", json!({"text": review})),
        ("explain-batch", "/v1/explain", json!({"texts": ["A gripping film.", ""], "methods": ["saliency"]})),
        ("predict", "/v1/predict", json!({"text": "A gripping film."})),
        ("predict-batch", "/v1/predict", json!({"texts": ["A gripping film.", ""]})),
        ("attention", "/v1/attention", json!({"text": "A gripping film.", "layers": [5], "heads": [0]})),
        ("attention-batch", "/v1/attention", json!({"texts": ["Good.", ""], "layers": [5], "heads": [0]})),
    ];
    for (name, path, body) in asked {
        let real: Answer = server
            .request("POST", path)
            .header("x-request-id", "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64")
            .json(&body)
            .send()
            .unwrap()
            .into();
        assert_shown(name, &real.json());
    }
    // What is cached already is told: a server that knows nothing yet.
    let fresh = Settings { models: vec![BUNDLED], ..Settings::default() }.start();
    for (name, path, body) in [
        ("explain-dry-run", "/v1/explain", json!({"text": review, "dry_run": true})),
        ("predict-dry-run", "/v1/predict", json!({"texts": ["A gripping film.", ""], "dry_run": true})),
        ("attention-dry-run", "/v1/attention", json!({"text": "A gripping film.", "dry_run": true})),
    ] {
        let real: Answer = fresh
            .request("POST", path)
            .header("x-request-id", "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64")
            .json(&body)
            .send()
            .unwrap()
            .into();
        assert_shown(name, &real.json());
    }
    let models = server.get("/v1/models").json();
    assert_shown("models", &json!({"models": [models["models"][0]]}));
}

/// So are those of datasets; the bodies that are shown for an upload are sent.
#[test]
fn the_examples_of_datasets_are_what_the_server_answers() {
    let directory = tempfile::tempdir().unwrap();
    let server = Settings::tiny(&directory.path().join("x.db")).start();
    let document = server.get("/openapi.json").json();
    let body = document.pointer("/paths/~1v1~1datasets/post/requestBody/content").unwrap();
    let send = |content_type: &str, body: &str| -> Answer {
        let request = server.request("POST", "/v1/datasets?name=two%20sentences");
        request.header("content-type", content_type).body(body.to_owned()).send().unwrap().into()
    };
    let mut ids = Vec::new();
    for (content_type, content) in entries(body) {
        let answer = send(content_type, content["example"].as_str().unwrap());
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
        if content_type == "application/x-ndjson" {
            assert_shown("dataset-upload", &answer.json());
            let rows = format!("/v1/datasets/{}/rows?limit=1", answer.json()["id"].as_str().unwrap());
            assert_shown("dataset-rows", &server.get(&rows).json());
        }
    }
    assert_eq!(ids.len(), 2);
    // Nobody has uploaded anything there.
    let listed = TestServer::shared().get("/v1/datasets").json();
    assert_shown("dataset", &listed["datasets"][0]);
    assert_shown("datasets", &listed);
}

pub fn assert_shown(name: &str, real: &Value) {
    let path = format!("{}/openapi/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let shown: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let same = alike(&without_seconds(&shown), &without_seconds(real));
    if !same && std::env::var_os("EXPLAIND_UPDATE").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(real).unwrap() + "\n").unwrap();
    }
    assert!(same, "{path} shows {shown}\nbut the server answers {real}");
}

/// When something was done, and how long it takes, is every machine's own.
fn without_seconds(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let timeless = |(key, member): (&String, &Value)| match key.as_str() {
                "seconds" if member.as_f64().is_some_and(|seconds| seconds >= 0.0) => (key.clone(), json!(0)),
                "created_at" => (key.clone(), json!(member.is_string())),
                _ => (key.clone(), without_seconds(member)),
            };
            Value::Object(members.iter().map(timeless).collect())
        }
        Value::Array(items) => items.iter().map(without_seconds).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_documentation_page_needs_nothing_from_elsewhere() {
    let server = TestServer::shared();
    let page = server.get("/docs/");
    assert_eq!((page.status, page.content_type.as_str()), (200, "text/html"));
    let html = page.text();
    let links = html.split('"').filter(|part| part.ends_with(".js") || part.ends_with(".css"));
    let links: Vec<&str> = links.collect();
    assert!(links.len() >= 3, "{html}");
    for link in links {
        assert!(!link.contains("//"), "{link} is fetched from elsewhere");
        assert_eq!(server.get(&format!("/docs/{}", link.trim_start_matches("./"))).status, 200, "{link}");
    }
    let settings = server.get("/docs/swagger-initializer.js").text();
    assert!(
        settings.contains("/openapi.json") && settings.contains("\"validatorUrl\": \"none\""),
        "{settings}"
    );
}
