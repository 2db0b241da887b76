//! Several servers on one PostgreSQL behave as one.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use explaind::identity::ResultKey;
use explaind::store::postgres::PostgresStore;
use explaind::store::{News, Store};
use serde_json::json;

use super::Test;
use super::postgres::Cluster;
use super::support::eventually;
use super::support::golden::BUNDLED;
use super::support::process::Process;
use super::support::server::{Answer, Settings, TestServer};

/// Every test.
pub const TESTS: &[Test] = &[
    ("what_one_has_computed_the_others_give", what_one_has_computed_the_others_give),
    (
        "the_same_question_to_three_at_once_is_computed_once",
        the_same_question_to_three_at_once_is_computed_once,
    ),
    ("different_methods_asked_of_three_at_once_share_their_parts", different_methods_share_their_parts),
    ("what_a_killed_server_was_computing_is_taken_on_by_another", what_a_killed_server_computed_is_taken_on),
    ("of_what_two_claim_each_is_granted_once_until_it_is_over", a_claim_is_granted_once),
    ("what_is_removed_is_heard_of_by_the_others_in_order", what_is_removed_is_heard_of),
    ("servers_that_start_at_once_make_the_schema_once", servers_that_start_at_once_make_the_schema_once),
    ("ten_kills_lose_no_answer_that_was_given", ten_kills_lose_no_answer_that_was_given),
];

fn three(cluster: &Cluster) -> Vec<TestServer> {
    let database = cluster.database();
    (0..3).map(|_| Settings::tiny_on(database.setting()).start()).collect()
}

fn status(answer: &Answer) -> &str {
    answer.headers["cache-status"].to_str().unwrap()
}

/// How many results of a method were computed by all servers.
fn computed(servers: &[TestServer], method: &str) -> f64 {
    let line = format!("explaind_compute_seconds_count{{method=\"{method}\"}}");
    servers.iter().map(|server| server.figure(&line)).sum()
}

fn what_one_has_computed_the_others_give(cluster: &Cluster) {
    let servers = three(cluster);
    let body = json!({"text": "the film is good", "methods": ["saliency"]});
    let first = servers[0].post("/explain", &body);
    assert_eq!(status(&first), "explaind; fwd=miss; stored");
    for server in &servers[1..] {
        let answer = server.post("/explain", &body);
        assert_eq!(status(&answer), "explaind; hit; detail=durable");
        assert_eq!(answer.text(), first.text());
        let location = first.headers["content-location"].to_str().unwrap();
        assert_eq!(server.get(location).text(), first.text());
    }
    assert_eq!(computed(&servers, "saliency"), 1.0);
}

fn the_same_question_to_three_at_once_is_computed_once(cluster: &Cluster) {
    let database = cluster.database();
    let start = || Settings { models: vec![BUNDLED], ..Settings::tiny_on(database.setting()) }.start();
    let servers: Vec<TestServer> = (0..3).map(|_| start()).collect();
    let rounds = 6;
    for round in 0..rounds {
        let barrier = Arc::new(Barrier::new(servers.len()));
        // Long enough that nobody is done before the others begin.
        let body = json!({
            "text": format!("the film number {round} is good and then {}", "not bad at all ".repeat(8)),
            "options": {"integrated_gradients": {"steps": 50}}
        });
        let asking: Vec<_> = servers
            .iter()
            .map(|server| {
                let (server, barrier, body) = (server.clone(), barrier.clone(), body.clone());
                thread::spawn(move || {
                    barrier.wait();
                    server.post("/explain", &body)
                })
            })
            .collect();
        let answers: Vec<Answer> = asking.into_iter().map(|asked| asked.join().unwrap()).collect();
        for answer in &answers {
            assert_eq!((answer.status, answer.text()), (200, answers[0].text()));
        }
    }
    assert_eq!(computed(&servers, "integrated_gradients"), f64::from(rounds));
}

fn different_methods_share_their_parts(cluster: &Cluster) {
    let servers = three(cluster);
    let methods = [vec!["integrated_gradients", "saliency"], vec!["saliency"], vec!["random", "saliency"]];
    let asking: Vec<_> = servers
        .iter()
        .cloned()
        .zip(methods)
        .map(|(server, methods)| {
            thread::spawn(move || {
                server.ok("/explain", json!({"text": "the film is rather good", "methods": methods}))
            })
        })
        .collect();
    let answers: Vec<_> = asking.into_iter().map(|asked| asked.join().unwrap()).collect();
    let saliency = |answer: &serde_json::Value| {
        let all = answer["explanations"].as_array().unwrap();
        all.iter().find(|explanation| explanation["method"] == "saliency").unwrap().clone()
    };
    assert!(answers.iter().all(|answer| saliency(answer) == saliency(&answers[0])));
    assert_eq!(computed(&servers, "saliency"), 1.0);
}

fn what_a_killed_server_computed_is_taken_on(cluster: &Cluster) {
    let database = cluster.database();
    let killed = Process::start_on(BUNDLED, &database.url(), &[]);
    let other = Settings { models: vec![BUNDLED], ..Settings::tiny_on(database.setting()) }.start();
    let body = json!({
        "text": "a film that is good ".repeat(60),
        "options": {"integrated_gradients": {"steps": 100}}
    });
    let asked = {
        let (url, body) = (killed.url("/explain"), body.clone());
        thread::spawn(move || super::support::process::client().post(url).json(&body).send().is_ok())
    };
    eventually("the first server computes", || database.number("SELECT count(*) FROM computing") > 0);
    killed.kill();
    assert!(!asked.join().unwrap());
    assert!(database.number("SELECT count(*) FROM computing") > 0, "it had no time to let go");
    let answer = other.post("/explain", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(status(&answer).ends_with("; stored"), "{}", status(&answer));
    eventually("no claim is left", || database.number("SELECT count(*) FROM computing") == 0);
}

fn a_claim_is_granted_once(cluster: &Cluster) {
    let database = cluster.database();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let open =
            async || PostgresStore::open(&database.url()).await.map_err(|error| error.to_string()).unwrap().0;
        let (one, other) = (open().await, open().await);
        let keys: Vec<ResultKey> = (0..4).map(|number| ResultKey([number; 32])).collect();
        let long = Duration::from_secs(60);
        let mut granted = one.claim(&keys[..3], long).await.unwrap();
        granted.sort_unstable();
        assert_eq!(granted, keys[..3]);
        assert_eq!(other.claim(&keys, long).await.unwrap(), keys[3..], "the rest");
        assert_eq!(one.claim(&keys[..1], long).await.unwrap(), keys[..1], "one's own is renewed");
        other.let_go(&keys[..1]).await.unwrap();
        assert!(other.claim(&keys[..1], long).await.unwrap().is_empty(), "nobody lets go for another");
        one.let_go(&keys[..1]).await.unwrap();
        assert_eq!(other.claim(&keys[..1], long).await.unwrap(), keys[..1]);
        one.claim(&keys[1..2], Duration::from_millis(50)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(other.claim(&keys[1..2], long).await.unwrap(), keys[1..2], "its time was over");
        one.close().await;
        assert_eq!(other.claim(&keys[2..3], long).await.unwrap(), keys[2..3], "whoever leaves lets go");
    });
}

fn what_is_removed_is_heard_of(cluster: &Cluster) {
    let servers = three(cluster);
    let body = json!({"text": "the film is bad", "methods": ["saliency"]});
    let answers: Vec<Answer> = servers.iter().map(|server| server.post("/explain", &body)).collect();
    let location = answers[0].headers["content-location"].to_str().unwrap().to_owned();
    for server in &servers {
        // Who has just begun to listen forgets what it knows, once.
        let is_remembered = || status(&server.post("/explain", &body)) == "explaind; hit; detail=memory";
        eventually("each has it in memory", is_remembered);
    }
    let deleted = servers[0].request("DELETE", &location).send().unwrap();
    assert_eq!(deleted.status(), 204);
    let began = Instant::now();
    for server in &servers {
        eventually("the others forget it", || server.get(&location).status == 404);
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(servers[1].request("DELETE", &location).send().unwrap().status(), 404);
    assert!(!status(&servers[2].post("/explain", &body)).contains("hit"), "it is computed anew");

    let database = cluster.database();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let open =
            async || PostgresStore::open(&database.url()).await.map_err(|error| error.to_string()).unwrap().0;
        let (one, other) = (open().await, open().await);
        assert_eq!(one.news(0).await.unwrap(), News::Unknown, "who has just come knows nothing");
        assert_eq!(one.news(1).await.unwrap(), News::none());
        let hour = 60 * 60 * 1000;
        assert_eq!(one.news(hour).await.unwrap(), News::Unknown, "who has not listened for long neither");
        other.close().await;
    });
}

fn servers_that_start_at_once_make_the_schema_once(cluster: &Cluster) {
    let database = cluster.database();
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let url = database.url();
            thread::spawn(move || {
                tokio::runtime::Runtime::new().unwrap().block_on(async {
                    PostgresStore::open(&url).await.map(|(_, trouble)| trouble.is_none()).unwrap_or(false)
                })
            })
        })
        .collect();
    assert!(opening.into_iter().all(|opened| opened.join().unwrap()));
    let versions = explaind::store::postgres::MIGRATIONS.iter().count() as i64;
    assert_eq!(database.number("SELECT count(*) FROM _sqlx_migrations"), versions);
}

fn ten_kills_lose_no_answer_that_was_given(cluster: &Cluster) {
    let database = cluster.database();
    let mut given: Vec<(String, String)> = Vec::new();
    for round in 0..10 {
        let server = Process::start_on("three-labels", &database.url(), &[]);
        for (location, text) in &given {
            let again = server.get(location);
            assert_eq!(
                (again.status().as_u16(), again.text().unwrap()),
                (200, text.clone()),
                "round {round}"
            );
        }
        for number in 0..5 {
            let body = json!({"text": format!("the film {round} is good {number}"), "methods": ["saliency"]});
            let answer = server.post("/explain", &body);
            let location = answer.headers()["content-location"].to_str().unwrap().to_owned();
            given.push((location, answer.text().unwrap()));
        }
        server.kill();
    }
    let dead = "SELECT count(*) FROM responses, generate_series(0, 7) AS place
        WHERE length(keys) >= 32 * (place + 1)
        AND NOT EXISTS (SELECT 1 FROM results WHERE results.key = substring(keys FROM 32 * place + 1 FOR 32))";
    assert_eq!(database.number(dead), 0, "a response lacks a result");
    assert_eq!(given.len(), 50);
}
