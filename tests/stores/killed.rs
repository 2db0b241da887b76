//! Jobs while servers are killed: every text has exactly one answer, in order, to the byte what an undisturbed run
//! gives.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use serde_json::Value;

use super::postgres::Cluster;
use super::support::database::{execute, number};
use super::support::process::{Process, arranged, client};
use super::{Test, Tried};

const MODEL: &str = "three-labels";

const TEXTS: usize = 3000;

/// How often each process is killed.
const KILLS: usize = 10;

/// Longer than any of this should ever take.
const TOO_LONG: Duration = Duration::from_secs(600);

pub const ON_POSTGRES: &[Test] = &[(
    "three_servers_killed_thirty_times_lose_nothing_and_do_nothing_twice",
    three_servers_killed_thirty_times_lose_nothing_and_do_nothing_twice,
)];

/// The tests that need no PostgreSQL; one of them needs a program that not every system has.
pub fn on_sqlite() -> Vec<Tried> {
    let trial = |name: &str, test: fn()| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(format!("killed::sqlite::{name}"), run)
    };
    vec![
        (
            trial(
                "one_server_killed_ten_times_loses_nothing_and_does_nothing_twice",
                one_server_killed_ten_times_loses_nothing_and_does_nothing_twice,
            ),
            false,
        ),
        (trial("a_damaged_answer_is_computed_again", a_damaged_answer_is_computed_again), false),
        (
            trial(
                "a_job_waits_for_room_on_the_disk_and_then_goes_on",
                a_job_waits_for_room_on_the_disk_and_then_goes_on,
            )
            .with_ignored_flag(!can_limit()),
            false,
        ),
    ]
}

/// A job about different review sentences, as lines.
fn job(texts: usize) -> String {
    let table = include_str!("../../data/reference/movie-review-sentences.csv");
    let sentences: Vec<&str> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.rsplit_once(',').map(|(text, _)| text.trim_matches('"')))
        .filter(|text| text.len() < 60)
        .collect();
    assert!(sentences.len() > 30, "there are short sentences");
    // A small model that is given much to do: servers start at once, and a text takes about what it does on a real one.
    let head = serde_json::json!({"endpoint": "explain", "request": {
        "methods": ["integrated_gradients"],
        "options": {"integrated_gradients": {"steps": 16}},
        "target": "all",
        "truncate": true,
    }});
    let mut lines = head.to_string();
    for number in 0..texts {
        let text = format!("{} {}", sentences[number % sentences.len()], number / sentences.len());
        lines += &format!("\n{}", serde_json::json!({"text": text}));
    }
    lines
}

/// Orders a job and gives its path.
fn order(server: &Process, lines: String) -> String {
    let request = client().post(server.url("/v1/jobs")).header("content-type", "application/x-ndjson");
    let answer = request.body(lines).send().unwrap();
    assert_eq!(answer.status(), 202, "{}", answer.text().unwrap_or_default());
    answer.headers()["location"].to_str().unwrap().to_owned()
}

fn view(server: &Process, job: &str) -> Value {
    let answer = server.get(job);
    assert_eq!(answer.status(), 200);
    answer.json().unwrap()
}

/// Waits until a job has so many answers, and gives how many it has.
fn until_done(server: &Process, job: &str, rows: u64) -> u64 {
    let late = Instant::now() + TOO_LONG;
    loop {
        let view = view(server, job);
        let done = view["done"].as_u64().unwrap();
        if done >= rows {
            return done;
        }
        assert!(Instant::now() < late, "it comes to no end: {view}");
        sleep(Duration::from_millis(50));
    }
}

/// The lines of a finished job, which are checked to be one for each text, in order.
fn results(server: &Process, job: &str, texts: usize) -> String {
    assert_eq!(view(server, job)["state"], "finished");
    let answer = client().get(server.url(&format!("{job}/results"))).send().unwrap();
    assert_eq!(answer.status(), 200);
    let lines = answer.text().unwrap();
    let rows: Vec<u64> = lines
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["answer"].is_object(), "{line}");
            line["row"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(rows, (0..texts as u64).collect::<Vec<_>>(), "one line for each text, in order");
    lines
}

/// The lines of `TEXTS` texts when nobody disturbs the only server.
static UNDISTURBED: LazyLock<String> = LazyLock::new(|| undisturbed(TEXTS));

fn undisturbed(texts: usize) -> String {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start_with(MODEL, &directory.path().join("explaind.db"), &[]);
    let job = order(&server, job(texts));
    until_done(&server, &job, texts as u64);
    results(&server, &job, texts)
}

/// Numbers that look random and are the same in every run.
struct Chance(blake3::OutputReader);

impl Chance {
    fn new(seed: &str) -> Self {
        Chance(blake3::Hasher::new().update(seed.as_bytes()).finalize_xof())
    }

    fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }
}

/// Kills servers at random, each of them ten times, while a job goes on; gives its lines.
fn killed(start: &dyn Fn() -> Process, processes: usize) -> String {
    let mut chance = Chance::new("kills");
    let mut servers: Vec<Process> = (0..processes).map(|_| start()).collect();
    let job = order(&servers[0], job(TEXTS));
    let mut to_be_killed: Vec<usize> = (0..processes).flat_map(|place| [place; KILLS]).collect();
    let kills = to_be_killed.len() as u64;
    for kill in 0..kills {
        // Spread over three quarters of the job, whatever its pace.
        let done = until_done(&servers[0], &job, kill * (TEXTS as u64 * 3 / 4) / kills);
        assert!(done < TEXTS as u64, "the job goes on while servers are killed");
        sleep(Duration::from_millis(chance.below(100)));
        let which = chance.below(to_be_killed.len() as u64) as usize;
        let place = to_be_killed.swap_remove(which);
        let victim = std::mem::replace(&mut servers[place], start());
        victim.kill();
    }
    until_done(&servers[0], &job, TEXTS as u64);
    let lines = results(&servers[0], &job, TEXTS);
    let all: BTreeSet<String> = servers.iter().map(|server| results(server, &job, TEXTS)).collect();
    assert_eq!(all.len(), 1, "every server gives the same");
    lines
}

fn three_servers_killed_thirty_times_lose_nothing_and_do_nothing_twice(cluster: &Cluster) {
    let database = cluster.database();
    let lines = killed(&|| Process::start_on(MODEL, &database.url(), &[]), 3);
    assert!(lines == *UNDISTURBED, "the bytes of an undisturbed run");
    assert_eq!(database.number("SELECT count(*) FROM bulk_answers"), TEXTS as i64);
}

fn one_server_killed_ten_times_loses_nothing_and_does_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("explaind.db");
    // The new one is there before the old one is killed: for a moment both have the file open.
    let lines = killed(&|| Process::start_with(MODEL, &path, &[]), 1);
    assert!(lines == *UNDISTURBED, "the bytes of an undisturbed run");
    assert_eq!(number(&path, "SELECT count(*) FROM bulk_answers"), TEXTS as i64);
}

fn a_damaged_answer_is_computed_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("explaind.db");
    let server = Process::start_with(MODEL, &path, &[]);
    let job = order(&server, job(40));
    until_done(&server, &job, 40);
    let before = results(&server, &job, 40);
    execute(&path, "CREATE TABLE what_was AS SELECT * FROM bulk_answers");
    let damage =
        "UPDATE bulk_answers SET body = CAST(replace(body, '0.', '1.') AS BLOB) WHERE \"row\" IN (0, 17, 39)";
    assert_eq!(execute(&path, damage), 3);
    assert!(results(&server, &job, 40) == before, "what is damaged is not given");
    let as_before =
        "SELECT count(*) FROM bulk_answers JOIN what_was USING (job, \"row\", failed, digest, body)";
    assert_eq!(number(&path, as_before), 40, "and does not stay");
}

fn a_job_waits_for_room_on_the_disk_and_then_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("explaind.db");
    // What a shell ignores, whatever takes its place ignores too: being refused room for a file.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#, env!("CARGO_BIN_EXE_explaind")]);
    let server = Process::spawn(arranged(shell, MODEL, &format!("sqlite:{}", path.display()), &[]));
    let texts = 600;
    let job = order(&server, job(texts));
    let done = until_done(&server, &job, 20);
    // No file may grow beyond this: to the process, a full disk.
    let limited = |bytes: &str| {
        let pid = server.id().to_string();
        let told = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
        assert!(told.unwrap().success());
    };
    limited("4096");
    sleep(Duration::from_secs(6));
    let stuck = view_or_none(&server, &job).unwrap_or(done);
    let answer = server.post("/v1/predict", &serde_json::json!({"text": "it goes on"}));
    assert_eq!(answer.status(), 200, "nobody else is failed");
    assert!(stuck < texts as u64, "it cannot have been finished");
    limited("unlimited");
    until_done_again(&server, &job, texts as u64);
    assert!(results(&server, &job, texts) == undisturbed(texts), "nothing was lost or done twice");
}

/// How many answers there are, if the database tells.
fn view_or_none(server: &Process, job: &str) -> Option<u64> {
    let answer = server.get(job);
    (answer.status() == 200).then(|| answer.json::<Value>().unwrap()["done"].as_u64().unwrap())
}

/// The same as [`until_done`] while the database comes back.
fn until_done_again(server: &Process, job: &str, rows: u64) {
    let late = Instant::now() + TOO_LONG;
    while view_or_none(server, job).is_none_or(|done| done < rows) {
        assert!(Instant::now() < late, "it comes to no end");
        sleep(Duration::from_millis(200));
    }
}

/// Whether the program is there that takes room away from a process.
fn can_limit() -> bool {
    Command::new("prlimit").arg("--version").output().is_ok_and(|output| output.status.success())
}
