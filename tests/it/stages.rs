//! A server that starts, serves, and stops: what it says at each stage.

use serde_json::json;

use crate::support::server::{Answer, Settings};

const TEXT: &str = "the film is good";

#[test]
fn while_models_are_loaded_the_server_is_alive_and_asks_for_patience() {
    let settings = Settings { models: vec!["three-labels"], ..Settings::default() };
    let server = settings.start_closed();
    assert_eq!(server.get("/livez").status, 200);
    for path in ["/metrics", "/v1/methods", "/openapi.json"] {
        assert_eq!(server.get(path).status, 200, "{path} needs no model");
    }
    let unknown = format!("/v1/explanations/{}", "0".repeat(64));
    let asked: Vec<Answer> = ["/readyz", "/v1/models", &unknown]
        .into_iter()
        .map(|path| server.get(path))
        .chain(
            ["/explain", "/v1/predict", "/v1/attention"]
                .map(|path| server.post(path, &json!({"text": TEXT}))),
        )
        .collect();
    for answer in asked {
        assert_eq!(answer.problem(503)["type"], "urn:explaind:problem:starting");
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    server.state.open(server.runtime.block_on(settings.engine(server.metrics.clone())));
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.post("/explain", &json!({"text": TEXT})).status, 200);
}

#[test]
fn a_server_that_drains_begins_nothing_new_and_still_gives_what_it_gave() {
    let server = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
    let answer = server.post("/explain", &json!({"text": TEXT}));
    let location = answer.headers["content-location"].to_str().unwrap();
    server.state.close();
    for refused in [server.get("/readyz"), server.post("/explain", &json!({"text": "another film"}))] {
        assert_eq!(refused.problem(503)["type"], "urn:explaind:problem:draining");
        assert_eq!(refused.headers["retry-after"], "1");
    }
    assert_eq!(server.get("/livez").status, 200);
    assert_eq!(server.get(location).text(), answer.text());
}
