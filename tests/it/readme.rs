//! The README's request gives the README's answer.

use serde_json::Value;

use crate::support::alike::alike;
use crate::support::server::TestServer;

const README: &str = include_str!("../../README.md");

/// What stands between two marks, the first time they do.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start:?}")) + start.len();
    let length = text[from..].find(end).unwrap_or_else(|| panic!("no {end:?}"));
    &text[from..from + length]
}

#[test]
fn the_curl_in_the_readme_gives_the_answer_in_the_readme() {
    let body: Value = serde_json::from_str(between(README, "-d '", "'\n")).unwrap();
    let shown: Value = serde_json::from_str(between(README, "```json\n", "```")).unwrap();
    let real = TestServer::shared().ok("/explain", body);
    assert!(alike(&shown, &real), "the README shows {shown}\nbut the server answers {real}");
}
