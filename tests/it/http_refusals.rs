//! What the server says to bad requests: the right status, a problem that points at the fault, and
//! never a 5xx.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::server::{Answer, BODY_LIMIT, TestServer};

fn raw(path: &str, content_type: Option<&str>, body: Vec<u8>) -> Answer {
    let mut request = TestServer::shared().request("POST", path).body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.send().unwrap().into()
}

/// Bodies that are no request: path, body, status, pointer. The table grows with every surprise.
#[test]
fn hostile_bodies_are_refused_at_the_field_that_is_wrong() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_options = format!(r#"{{"text":"x","options":{{"saliency":{deep}}}}}"#);
    let many = json!({"texts": vec!["x"; 257]}).to_string();
    let table: Vec<(&str, &str, u16, Option<&str>)> = vec![
        ("/explain", "", 400, None),
        ("/explain", "{", 400, None),
        ("/explain", "nonsense", 400, None),
        ("/explain", r#"{"text":"x"} trailing"#, 400, None),
        ("/explain", r#"{"text":"x",}"#, 400, None),
        ("/explain", r#"{"text":"\ud800"}"#, 400, None),
        ("/explain", &deep, 422, Some("")),
        ("/explain", &deep_options, 400, None),
        ("/explain", "null", 422, Some("")),
        ("/explain", "[]", 422, Some("")),
        ("/explain", "7", 422, Some("")),
        ("/explain", r#"["a fine film"]"#, 422, Some("")),
        ("/explain", r#"["a fine film""#, 400, None),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":[50]}}"#,
            422,
            Some("/options/integrated_gradients"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"baseline":["x"]}}}"#,
            422,
            Some("/options/integrated_gradients/baseline"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"baseline":{"text":"x","b":1}}}}"#,
            422,
            Some("/options/integrated_gradients/baseline"),
        ),
        ("/explain", "{}", 422, Some("/text")),
        ("/explain", r#"{"text":null}"#, 422, Some("/text")),
        ("/explain", r#"{"text":""}"#, 422, Some("/text")),
        ("/explain", r#"{"text":" \t\n\u3000"}"#, 422, Some("/text")),
        ("/explain", r#"{"text":"\u200b"}"#, 422, Some("/text")),
        ("/explain", r#"{"text":["x"]}"#, 422, Some("/text")),
        ("/explain", r#"{"text":"x","text":"y"}"#, 422, Some("")),
        ("/explain", r#"{"text":"x","colour":1}"#, 422, Some("/colour")),
        ("/explain", r#"{"text":"x","a/b~c":1}"#, 422, Some("/a~1b~0c")),
        ("/explain", r#"{"text":"x","texts":["y"]}"#, 422, Some("/texts")),
        ("/explain", r#"{"texts":[]}"#, 422, Some("/texts")),
        ("/explain", r#"{"texts":"x"}"#, 422, Some("/texts")),
        ("/explain", &many, 422, Some("/texts")),
        ("/explain", r#"{"texts":["x"],"text_pair":"y"}"#, 422, Some("/text_pair")),
        ("/explain", r#"{"text":"x","text_pair":" "}"#, 422, Some("/text_pair")),
        ("/explain", r#"{"text":"x","text_pair":"y","model":"one-type-id"}"#, 422, Some("/text_pair")),
        ("/explain", r#"{"text":"x","model":"nobody"}"#, 422, Some("/model")),
        ("/explain", r#"{"text":"x","model":7}"#, 422, Some("/model")),
        ("/explain", r#"{"text":"x","target":"neutral"}"#, 422, Some("/target")),
        ("/explain", r#"{"text":"x","target":2}"#, 422, Some("/target")),
        ("/explain", r#"{"text":"x","target":-1}"#, 422, Some("/target")),
        ("/explain", r#"{"text":"x","target":1.5}"#, 422, Some("/target")),
        ("/explain", r#"{"text":"x","target":{}}"#, 422, Some("/target")),
        ("/explain", r#"{"text":"x","methods":[]}"#, 422, Some("/methods")),
        ("/explain", r#"{"text":"x","methods":"saliency"}"#, 422, Some("/methods")),
        ("/explain", r#"{"text":"x","methods":["saliency","magic"]}"#, 422, Some("/methods/1")),
        ("/explain", r#"{"text":"x","methods":["saliency","saliency"]}"#, 422, Some("/methods/1")),
        ("/explain", r#"{"text":"x","methods":["saliency",3]}"#, 422, Some("/methods/1")),
        ("/explain", r#"{"text":"x","options":[]}"#, 422, Some("/options")),
        ("/explain", r#"{"text":"x","options":{"saliency":{}}}"#, 422, Some("/options/saliency")),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":null}}"#,
            422,
            Some("/options/integrated_gradients"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"steps":0}}}"#,
            422,
            Some("/options/integrated_gradients/steps"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"steps":1001}}}"#,
            422,
            Some("/options/integrated_gradients/steps"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"steps":"50"}}}"#,
            422,
            Some("/options/integrated_gradients/steps"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"step":50}}}"#,
            422,
            Some("/options/integrated_gradients/step"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"max_gradients":8}}}"#,
            422,
            Some("/options/integrated_gradients/max_gradients"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"steps":9,"max_gradients":9}}}"#,
            422,
            Some("/options/integrated_gradients/max_gradients"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"baseline":"black"}}}"#,
            422,
            Some("/options/integrated_gradients/baseline"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"baseline":{"text":" "}}}}"#,
            422,
            Some("/options/integrated_gradients/baseline"),
        ),
        (
            "/explain",
            r#"{"text":"x","model":"regression","options":{"integrated_gradients":{"output":"probability"}}}"#,
            422,
            Some("/options/integrated_gradients/output"),
        ),
        (
            "/explain",
            r#"{"text":"x","model":"multi-label","options":{"integrated_gradients":{"output":"margin"}}}"#,
            422,
            Some("/options/integrated_gradients/output"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"steps":5,"steps":6}}}"#,
            422,
            Some("/options/integrated_gradients"),
        ),
        ("/explain", r#"{"texts":[{"text":"a","text":"b"}]}"#, 422, Some("/texts/0")),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"a.b/c":5}}}"#,
            422,
            Some("/options/integrated_gradients/a.b~1c"),
        ),
        ("/explain", r#"{"text":"x","granularity":{"word":null}}"#, 422, Some("/granularity")),
        ("/explain", r#"{"text":"x","quality":{"none":null}}"#, 422, Some("/quality")),
        (
            "/explain",
            r#"{"text":"x","methods":["saliency"],"options":{"saliency":{"norm":{"l1":null}}}}"#,
            422,
            Some("/options/saliency/norm"),
        ),
        (
            "/explain",
            r#"{"text":"x","options":{"integrated_gradients":{"output":{"logit":null}}}}"#,
            422,
            Some("/options/integrated_gradients/output"),
        ),
        ("/explain", r#"{"text":"x","granularity":"letter"}"#, 422, Some("/granularity")),
        ("/explain", r#"{"text":"x","quality":"best"}"#, 422, Some("/quality")),
        ("/explain", r#"{"text":"x","truncate":"yes"}"#, 422, Some("/truncate")),
        ("/explain", r#"{"text":"x","seed":-1}"#, 422, Some("/seed")),
        ("/explain", r#"{"text":"x","seed":1e3}"#, 422, Some("/seed")),
        ("/explain", r#"{"text":"x","seed":1e999}"#, 400, None),
        ("/v1/predict", r#"{"text":"x","methods":["saliency"]}"#, 422, Some("/methods")),
        ("/v1/attention", r#"{"text":"x","layers":[]}"#, 422, Some("/layers")),
        ("/v1/attention", r#"{"text":"x","layers":[0,6]}"#, 422, Some("/layers/1")),
        ("/v1/attention", r#"{"text":"x","heads":[3,3]}"#, 422, Some("/heads/1")),
        ("/v1/attention", r#"{"text":"x","heads":[-3]}"#, 422, Some("/heads/0")),
    ];
    for (path, body, status, pointer) in table {
        let shown: String = body.chars().take(120).collect();
        let answer = raw(path, Some("application/json"), body.as_bytes().to_vec());
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        let problem = answer.problem(status);
        assert_eq!(problem["pointer"].as_str(), pointer, "{shown}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{shown}: {problem}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_malformed_json() {
    let answer = raw("/explain", Some("application/json"), b"{\"text\":\"caf\xe9\"}".to_vec());
    assert_eq!(answer.problem(400)["type"], "urn:explaind:problem:malformed-json");
}

#[test]
fn only_json_is_taken() {
    let body = br#"{"text":"x","methods":["random"]}"#;
    for accepted in
        ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.a+json"]
    {
        assert_eq!(raw("/explain", Some(accepted), body.to_vec()).status, 200, "{accepted}");
    }
    for refused in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonish"),
        Some("application/json; charset=utf-16"),
        Some(""),
    ] {
        let problem = raw("/explain", refused, body.to_vec()).problem(415);
        assert!(problem["remedy"].as_str().unwrap().contains("application/json"), "{refused:?}");
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let send = |headers: &[(&str, &str)]| -> Answer {
        let request = TestServer::shared().request("POST", "/explain");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(r#"{"text":"x","methods":["random"]}"#).send().unwrap().into()
    };
    let json = ("content-type", "application/json");
    send(&[json, ("content-type", "text/plain")]).problem(415);
    send(&[json, ("content-encoding", "gzip")]).problem(415);
    send(&[json, ("x-request-timeout", "1"), ("x-request-timeout", "2")]).problem(400);
    assert_eq!(send(&[json, ("content-encoding", "identity")]).status, 200);
}

#[test]
fn a_body_beyond_the_limit_is_refused_with_or_without_a_length() {
    for size in [BODY_LIMIT + 1, 20 << 20] {
        let problem = raw_large(size);
        assert_eq!(problem["type"], "urn:explaind:problem:body-too-large");
    }
    let head = "POST /explain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = TcpStream::connect(TestServer::shared().address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = vec![b' '; 64 << 10];
    for _ in 0..(BODY_LIMIT / chunk.len() + 2) {
        // The server may hang up as soon as it has seen too much.
        let sent = write!(stream, "{:x}\r\n", chunk.len())
            .and_then(|()| stream.write_all(&chunk))
            .and_then(|()| stream.write_all(b"\r\n"));
        if sent.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

/// A body with a length: the answer must come though the body is never read to its end.
fn raw_large(size: usize) -> Value {
    let mut stream = TcpStream::connect(TestServer::shared().address()).unwrap();
    write!(stream, "POST /explain HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    serde_json::from_str(body).unwrap()
}

#[test]
fn one_bad_item_never_spoils_the_others() {
    let texts = json!(["fine film", 5, {"text": "x", "colour": 1}, "", {"text": "ok", "text_pair": " "}, null,
        "word ".repeat(600), {"text": "fine film"}]);
    let answer = TestServer::shared().ok("/v1/predict", json!({"texts": texts}));
    let results = answer["results"].as_array().unwrap();
    let pointers: Vec<Option<&str>> =
        results.iter().map(|result| result["error"]["pointer"].as_str()).collect();
    assert_eq!(
        pointers,
        [
            None,
            Some("/texts/1"),
            Some("/texts/2/colour"),
            Some("/texts/3"),
            Some("/texts/4/text_pair"),
            Some("/texts/5"),
            Some("/texts/6"),
            None
        ]
    );
    assert!(
        results
            .iter()
            .filter_map(|r| r.get("error"))
            .all(|error| error["status"] == 422 && error["request_id"].is_string())
    );
    assert_eq!(results[0], results[7]);
}

#[test]
fn unknown_paths_and_wrong_methods_are_problems_too() {
    let server = TestServer::shared();
    for path in ["/", "/explain/", "/v1", "/v1/explain/x", "/../etc/passwd", "/%00", "/v2/explain"] {
        server.get(path).problem(404);
    }
    assert_eq!(server.get("/v1/explanations/%ff").problem(404)["type"], "urn:explaind:problem:not-kept");
    for (method, path) in
        [("GET", "/explain"), ("PUT", "/v1/explain"), ("DELETE", "/v1/models"), ("POST", "/livez")]
    {
        let answer: Answer = server.request(method, path).send().unwrap().into();
        answer.problem(405);
        assert!(answer.headers.contains_key("allow"), "{method} {path}");
    }
}

#[test]
fn a_query_is_refused_where_none_is_taken() {
    let server = TestServer::shared();
    for path in ["/v1/models?page=2", "/explain?text=x", "/nowhere?a", "/livez?x=1"] {
        let problem = server.get(path).problem(400);
        assert_eq!(problem["type"], "urn:explaind:problem:unexpected-query", "{path}");
    }
    assert_eq!(server.get("/livez?").status, 200, "an empty query says nothing");
}

#[test]
fn a_form_that_an_answer_does_not_have_is_refused_rather_than_replaced() {
    let ask = |accept: &str, body: Value| -> Answer {
        let request = TestServer::shared().request("POST", "/explain").header("accept", accept);
        request.json(&body).send().unwrap().into()
    };
    let one = json!({"text": "x", "methods": ["random"]});
    let many = json!({"texts": ["x"], "methods": ["random"]});
    for accept in ["application/pdf", "application/json;q=0", "nonsense", "text/html;q=0, image/png"] {
        let problem = ask(accept, one.clone()).problem(406);
        assert!(problem["remedy"].as_str().unwrap().contains("image/svg+xml"), "{accept}");
    }
    for accept in ["text/html", "image/svg+xml"] {
        assert_eq!(ask(accept, one.clone()).content_type.split(';').next(), Some(accept));
        let problem = ask(accept, many.clone()).problem(406);
        assert!(problem["remedy"].as_str().unwrap().contains("/v1/explanations/{id}"), "{accept}");
    }
    assert_eq!(
        ask("text/html, application/json;q=0.1", json!({"text": ""})).problem(422)["pointer"],
        "/text"
    );
}
