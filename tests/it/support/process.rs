//! The server as a process of its own, for what cannot be seen from inside one: signals, logs, kills.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::golden::model_directory;

/// A running server; it is killed when the test lets go of it.
pub struct Process {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Process {
    /// Starts the binary with a tiny model, and waits until it answers.
    pub fn start(database: &Path, arguments: &[&str]) -> Self {
        Process::start_with("three-labels", database, arguments)
    }

    /// The same with any model of the fixtures, or the bundled one.
    pub fn start_with(model: &str, database: &Path, arguments: &[&str]) -> Self {
        Process::start_on(model, &format!("sqlite:{}", database.display()), arguments)
    }

    /// The same with any database.
    pub fn start_on(model: &str, database_url: &str, arguments: &[&str]) -> Self {
        Process::spawn(command(model, database_url, arguments))
    }

    /// Starts a command that is [`arranged`].
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let add = {
            let log = log.clone();
            move |line: &str| {
                let mut log = log.lock().unwrap();
                log.push_str(line);
                log.push('\n');
            }
        };
        let url = loop {
            let line = lines.next().expect("the server should say where it listens").unwrap();
            add(&line);
            if let Some((_, rest)) = line.split_once("listens on ") {
                break rest.split('"').next().unwrap().to_owned();
            }
        };
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| add(&line)));
        Process { child, url, log, reader: Some(reader) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn get(&self, path: &str) -> reqwest::blocking::Response {
        client().get(self.url(path)).send().unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> reqwest::blocking::Response {
        client().post(self.url(path)).json(body).send().unwrap()
    }

    /// Kills it as an operating system does that is out of memory.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and waits until it has; gives its log.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.tell_to_stop();
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        (status, log)
    }

    pub fn tell_to_stop(&self) {
        let told = Command::new("kill").arg(self.id().to_string()).status().unwrap();
        assert!(told.success());
    }
}

/// The binary with a model and a database.
pub fn command(model: &str, database_url: &str, arguments: &[&str]) -> Command {
    arranged(Command::new(env!("CARGO_BIN_EXE_explaind")), model, database_url, arguments)
}

/// A command that becomes the binary, with a model and a database.
pub fn arranged(mut command: Command, model: &str, database_url: &str, arguments: &[&str]) -> Command {
    command
        // A directory without a configuration file, so that nobody's own settings change the tests.
        .current_dir(model_directory("three-labels"))
        .env("EXPLAIND_LOG_FORMAT", "json")
        .args(["--listen", "127.0.0.1:0", "--threads", "2"])
        .arg("--model")
        .arg(format!("{model}={}", model_directory(model).display()))
        .arg(format!("--database-url={database_url}"))
        .args(arguments)
        .stderr(Stdio::piped());
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn client() -> reqwest::blocking::Client {
    reqwest::blocking::Client::builder().timeout(Duration::from_secs(120)).build().unwrap()
}
