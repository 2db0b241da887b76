//! Every request in `docs/http.md` gives the answer that stands under it, and its tables name what there is; and so does every
//! request in `docs/counterfactuals.md` that has an answer under it.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::support::alike::alike;
use crate::support::golden::BUNDLED;
use crate::support::server::{Answer, Settings, TestServer};

const DOCUMENT: &str = include_str!("../../docs/http.md");
const CAUSES: &str = include_str!("../../docs/counterfactuals.md");
const OPENAPI: &str = include_str!("../../openapi/openapi.json");

/// Stands for more of the same kind: the last item of an array, or a member of an object.
const MORE: &str = "…";

/// What a command line asks for.
#[derive(Debug, Default, PartialEq)]
struct Curl {
    method: Option<String>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    data: Option<String>,
    /// Whether status and headers are shown (`-i`, `-D -`).
    shows_head: bool,
    /// Whether the body goes into a file (`-o`).
    keeps_body: bool,
}

impl Curl {
    fn parse(command: &str) -> Self {
        let joined = command.replace("\\\n", " ");
        let words = shlex::split(&joined).unwrap_or_else(|| panic!("no command line: {command}"));
        let mut words = words.into_iter();
        assert_eq!(words.next().as_deref(), Some("curl"), "{command}");
        let mut curl = Curl::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} without a value: {command}"));
            match word.as_str() {
                "-s" => {}
                "-i" => curl.shows_head = true,
                "-D" => {
                    assert_eq!(value(), "-", "{command}");
                    curl.shows_head = true;
                }
                "-o" => {
                    value();
                    curl.keeps_body = true;
                }
                "-X" => curl.method = Some(value()),
                "-d" | "--data" => assert_eq!(curl.data.replace(value()), None, "{command}"),
                "-H" => {
                    let header = value();
                    let (name, value) = header.split_once(": ").unwrap_or_else(|| panic!("{header}"));
                    curl.headers.push((name.to_owned(), value.to_owned()));
                }
                option if option.starts_with('-') => panic!("{option} is not understood here: {command}"),
                url => assert_eq!(curl.url.replace(url.to_owned()), None, "{command}"),
            }
        }
        curl
    }

    fn path(&self) -> &str {
        let url = self.url.as_deref().expect("a curl has a URL");
        url.strip_prefix("http://127.0.0.1:8080").unwrap_or_else(|| panic!("{url} is another server's"))
    }

    /// Sends what curl would send.
    fn send(&self, server: &TestServer) -> Answer {
        let usual = if self.data.is_some() { "POST" } else { "GET" };
        let mut request = server.request(self.method.as_deref().unwrap_or(usual), self.path());
        let typed = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if self.data.is_some() && !typed {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(data) = &self.data {
            // As curl reads it: the ends of lines are left out only in files.
            request = request.body(data.clone());
        }
        request.send().unwrap().into()
    }
}

/// What a document says that is answered.
#[derive(Debug)]
struct Shown {
    status: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Shown {
    fn parse(block: &str) -> Self {
        let (head, body) = block.split_once("\n\n").map_or((block, None), |(head, body)| (head, Some(body)));
        let mut lines = head.lines();
        let status = lines.next().expect("an answer begins with its status line").to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line}"));
            (name.to_owned(), value.to_owned())
        };
        Shown { status, headers: lines.map(header).collect(), body: body.map(str::to_owned) }
    }

    fn check(&self, curl: &Curl, answer: &Answer) {
        let place = format!("{} {}", curl.path(), curl.data.as_deref().unwrap_or_default());
        assert!(curl.shows_head, "{place}: the answer shows a head, the curl does not");
        let status = reqwest::StatusCode::from_u16(answer.status).unwrap();
        let reason = status.canonical_reason().unwrap_or_default();
        let text = answer.text();
        assert_eq!(self.status, format!("HTTP/1.1 {} {reason}", answer.status), "{place}: {text}");
        for (name, shown) in &self.headers {
            assert_eq!(Some(shown.as_str()), value(&answer.headers, name), "{place}: {name}");
        }
        match &self.body {
            None if curl.keeps_body => assert!(text.starts_with("<svg "), "{place}: {text}"),
            None => assert_eq!(text, "", "{place}: there is a body"),
            Some(shown) => {
                assert!(!curl.keeps_body, "{place}: the body goes into a file");
                check_body(shown, &answer.json(), &place);
            }
        }
    }
}

/// Checks what a document shows of a body, which may be cut.
fn check_body(shown: &str, real: &Value, place: &str) {
    let shown: Value =
        serde_json::from_str(shown).unwrap_or_else(|error| panic!("{place}: {error}: {shown}"));
    if let Err(where_) = alike_but_cut(&shown, real, "") {
        panic!("{place}: at {where_}\nthe document shows {shown}\nbut the server answers {real}");
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// As [`alike`], with "…" for what is left out; says where they differ. Where "…" stands, something must
/// have been left out.
fn alike_but_cut(shown: &Value, real: &Value, at: &str) -> Result<(), String> {
    let agree = |agreed: bool| if agreed { Ok(()) } else { Err(format!("{at}/")) };
    match (shown, real) {
        (Value::Array(shown), Value::Array(real)) => {
            let (shown, cut) = match shown.split_last() {
                Some((Value::String(last), rest)) if last == MORE => (rest, true),
                _ => (&shown[..], false),
            };
            agree(if cut { shown.len() < real.len() } else { shown.len() == real.len() })?;
            let mut pairs = shown.iter().zip(real).enumerate();
            pairs.try_for_each(|(index, (shown, real))| alike_but_cut(shown, real, &format!("{at}/{index}")))
        }
        (Value::Object(shown), Value::Object(real)) => {
            let cut = shown.get(MORE).is_some_and(|more| more == MORE);
            let members = shown.len() - usize::from(cut);
            agree(if cut { members < real.len() } else { members == real.len() })?;
            shown.iter().filter(|(key, _)| !(cut && *key == MORE)).try_for_each(|(key, shown)| {
                let at = format!("{at}/{key}");
                alike_but_cut(shown, real.get(key).ok_or(&at)?, &at)
            })
        }
        (shown, real) => agree(alike(shown, real)),
    }
}

/// Fenced blocks of a document in order, as language and content; nothing else in it begins with a fence.
fn blocks(document: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = document;
    while let Some((_, from)) = rest.split_once("\n```") {
        let (language, from) = from.split_once('\n').expect("a fence ends its line");
        let (content, after) = from.split_once("\n```\n").expect("a block ends");
        blocks.push((language, content));
        // The end of the line may be the beginning of the next fence.
        rest = &document[document.len() - after.len() - 1..];
    }
    blocks
}

/// The first cells of the rows of the table that begins with this line, each with its whole row.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let from = DOCUMENT.find(head).unwrap_or_else(|| panic!("no table {head}"));
    let rows = DOCUMENT[from..].lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

#[test]
fn every_curl_in_the_guide_gives_the_answer_under_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("guide.db");
    let server = Settings {
        models: vec![BUNDLED],
        database: Some(explaind::config::Database::Sqlite(database)),
        ..Settings::default()
    }
    .start();
    let blocks = blocks(DOCUMENT);
    let mut run = 0;
    for (place, (language, command)) in blocks.iter().enumerate() {
        if *language != "sh" || !command.contains("curl") {
            continue;
        }
        let Some(("http", shown)) = blocks.get(place + 1) else { panic!("no answer under {command}") };
        let curl = Curl::parse(command);
        Shown::parse(shown).check(&curl, &curl.send(&server));
        run += 1;
    }
    assert_eq!(run, 22, "the guide has twenty-two examples");
    let answers = blocks.iter().filter(|(language, _)| *language == "http").count();
    assert_eq!(answers, run, "an answer stands under no request");
    metrics_are_those_of(&server);
}

#[test]
fn every_curl_in_the_guide_to_causes_gives_what_is_shown_of_its_answer() {
    let server = TestServer::shared();
    let blocks = blocks(CAUSES);
    let (mut run, mut shown_of) = (0, 0);
    for (place, (language, command)) in blocks.iter().enumerate() {
        if *language != "sh" {
            continue;
        }
        let curl = Curl::parse(command);
        let answer = curl.send(&server);
        run += 1;
        let name = format!("{} {}", curl.path(), curl.data.as_deref().unwrap_or_default());
        match blocks.get(place + 1) {
            Some(("http", shown)) => Shown::parse(shown).check(&curl, &answer),
            Some(("json", shown)) => check_body(shown, &answer.json(), &name),
            _ => {
                assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                continue;
            }
        }
        shown_of += 1;
    }
    assert_eq!((run, shown_of), (8, 5), "the guide has eight examples, five of them with an answer");
}

/// The table of metrics names every figure that the server has; two of them are born when they first count.
fn metrics_are_those_of(server: &TestServer) {
    let page = server.get("/metrics").text();
    let name = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let end = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        Some(format!("{name}{end}"))
    };
    let real: BTreeSet<String> = page.lines().filter_map(name).collect();
    let shown: BTreeSet<String> =
        table("| metric | labels | |").iter().map(|row| row[0].to_owned()).collect();
    let missing: Vec<_> = real.difference(&shown).collect();
    assert!(missing.is_empty(), "the guide does not name {missing:?}");
    let born_late = ["explaind_cache_evictions_total", "explaind_called_off_total"];
    let gone: Vec<_> = shown.difference(&real).filter(|name| !born_late.contains(&name.as_str())).collect();
    assert!(gone.is_empty(), "the server has no {gone:?}");
}

#[test]
fn every_problem_of_the_api_is_in_the_table_of_the_guide() {
    let rows = table("| status | problem | what to do |");
    let shown: BTreeSet<(String, String)> =
        rows.iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    assert_eq!(shown.len(), rows.len(), "a problem stands there twice");
    let mut real = BTreeSet::new();
    collect_problems(&serde_json::from_str(OPENAPI).unwrap(), &mut real);
    assert!(real.len() > 10, "the description has an example of each problem: {real:?}");
    let missing: Vec<_> = real.difference(&shown).collect();
    assert!(missing.is_empty(), "the guide does not name {missing:?}");
    // What any path answers is not described at each; what has a type must have a name that is known.
    let everywhere = ["method-not-allowed", ""];
    let gone: Vec<_> =
        shown.difference(&real).filter(|(_, name)| !everywhere.contains(&name.as_str())).collect();
    assert!(gone.is_empty(), "the description has no {gone:?}");
}

fn collect_problems(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_problems(item, found)),
        Value::Object(members) => {
            let name = members.get("type").and_then(Value::as_str);
            let name = name.and_then(|name| name.strip_prefix("urn:explaind:problem:"));
            if let (Some(name), Some(status)) = (name, members.get("status").and_then(Value::as_u64)) {
                found.insert((status.to_string(), name.to_owned()));
            }
            members.values().for_each(|member| collect_problems(member, found));
        }
        _ => {}
    }
}

#[test]
fn what_is_cut_must_be_marked_and_what_is_marked_must_be_cut() {
    let real = serde_json::json!({"a": [1, 2, 3], "b": {"c": 1, "d": 2}});
    let fits = |shown: Value| alike_but_cut(&shown, &real, "").is_ok();
    assert!(fits(serde_json::json!({"a": [1, "…"], "b": {"c": 1, "…": "…"}})));
    assert!(fits(serde_json::json!({"a": [1, 2, 3], "…": "…"})));
    assert!(!fits(serde_json::json!({"a": [1, 2], "…": "…"})));
    assert!(!fits(serde_json::json!({"a": [1, 2, 3, "…"], "…": "…"})));
    assert!(!fits(serde_json::json!({"a": [2, "…"], "…": "…"})));
    assert!(!fits(serde_json::json!({"a": [1, 2, 3], "b": {"c": 1}})));
    assert!(!fits(serde_json::json!({"a": [1, 2, 3], "b": {"c": 1, "d": 2}, "…": "…"})));
    assert!(!fits(serde_json::json!({"e": 1, "…": "…"})));
}
