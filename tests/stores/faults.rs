//! A database that goes away, falls silent or dawdles never fails a request, is told of, and is taken up again.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Test;
use super::postgres::Cluster;
use super::proxy::{Fault, Proxy};
use super::support::eventually;
use super::support::process::command;
use super::support::server::{Answer, Settings, TestServer};

/// Every test.
pub const TESTS: &[Test] = &[
    ("a_database_that_is_away", |cluster| goes_on(cluster, Fault::Away)),
    ("a_database_that_resets_connections", |cluster| goes_on(cluster, Fault::Reset)),
    ("a_database_that_falls_silent", |cluster| goes_on(cluster, Fault::Silent)),
    ("a_database_that_dawdles", |cluster| goes_on(cluster, Fault::Slow(Duration::from_secs(6)))),
    ("a_server_starts_without_its_database_and_takes_it_up_later", starts_without),
    ("a_database_that_refuses_the_password_or_does_not_exist_is_told_of_at_start", refused),
    ("a_disk_that_is_full_fails_no_request", full),
];

/// Longer than that, nobody waits for a database that has only just begun to fail: two reads and a claim of two
/// seconds each, and as long again for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(12);

/// Less than anyone's patience with a database: who takes no longer has not waited for it.
const AT_ONCE: Duration = Duration::from_millis(1500);

fn behind(cluster: &Cluster) -> (Proxy, TestServer) {
    let database = cluster.database();
    let proxy = Proxy::to(database.port);
    let setting = database.url_by(proxy.port).parse().unwrap();
    (proxy, Settings::tiny_on(setting).start())
}

fn ask(server: &TestServer, text: &str) -> Answer {
    let began = Instant::now();
    let answer = server.post("/explain", &json!({"text": text, "methods": ["saliency"]}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(began.elapsed() < PATIENCE, "it took {:?}", began.elapsed());
    answer
}

fn is_kept(answer: &Answer) -> bool {
    let status = answer.headers["cache-status"].to_str().unwrap();
    status.contains("stored") || status.contains("hit")
}

fn health(server: &TestServer) -> String {
    let answer = server.get("/readyz");
    assert_eq!(answer.status, 200, "a server without its database is ready all the same");
    answer.json()["status"].as_str().unwrap().to_owned()
}

fn goes_on(cluster: &Cluster, fault: Fault) {
    let (proxy, server) = behind(cluster);
    assert!(is_kept(&ask(&server, "the film is good")));
    assert_eq!(health(&server), "ok");
    proxy.set(fault);
    for number in 0..6 {
        ask(&server, &format!("the film {number} is bad"));
    }
    eventually("it is told of", || health(&server) == "degraded");
    assert_eq!(server.figure("explaind_durable_healthy"), 0.0);
    // From then on nobody waits for it at all.
    for number in 0..6 {
        let began = Instant::now();
        assert!(!is_kept(&ask(&server, &format!("another film {number} is bad"))));
        assert!(began.elapsed() < AT_ONCE, "it took {:?}", began.elapsed());
    }
    proxy.set(Fault::None);
    eventually("it is taken up again", || health(&server) == "ok");
    assert_eq!(server.figure("explaind_durable_healthy"), 1.0);
    eventually("answers are kept again", || is_kept(&ask(&server, "the film is good again")));
}

fn starts_without(cluster: &Cluster) {
    let database = cluster.database();
    let proxy = Proxy::to(database.port);
    proxy.set(Fault::Away);
    let url = database.url_by(proxy.port);
    let server = Settings::tiny_on(url.parse().unwrap()).start();
    assert_eq!(health(&server), "degraded");
    ask(&server, "the film is good");
    proxy.set(Fault::None);
    eventually("it is taken up", || health(&server) == "ok");
    eventually("answers are kept", || is_kept(&ask(&server, "the film is good")));
    assert!(database.number("SELECT count(*) FROM results") > 0);
}

fn refused(cluster: &Cluster) {
    let database = cluster.database();
    let nowhere = format!("postgres://explaind:hunter2@127.0.0.1:{}/nowhere", database.port);
    let nobody = format!("postgres://nobody:hunter2@127.0.0.1:{}/{}", database.port, database.name);
    for (url, named) in [
        (nowhere.as_str(), "does not exist"),
        (nobody.as_str(), "does not exist"),
        ("postgres://explaind:hunter2@127.0.0.1:port/x", "URL cannot be read"),
    ] {
        let output = command("three-labels", url, &[]).output().unwrap();
        assert!(!output.status.success());
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(named) && !message.contains("hunter2"), "{message}");
        assert!(message.contains("--database-url") || message.contains("percent-encoded"), "{message}");
    }
}

fn full(cluster: &Cluster) {
    let database = cluster.database();
    let server = Settings::tiny_on(database.setting()).start();
    assert!(is_kept(&ask(&server, "the film is good")));
    database.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
    );
    database.execute(
        "CREATE TRIGGER full_disk BEFORE INSERT ON results FOR EACH ROW EXECUTE FUNCTION full_disk()",
    );
    assert!(!is_kept(&ask(&server, "the film is bad")));
    assert_eq!(health(&server), "degraded");
    database.execute("DROP TRIGGER full_disk ON results");
    eventually("it is taken up again", || health(&server) == "ok");
    eventually("answers are kept again", || is_kept(&ask(&server, "the film is bad")));
}
