//! `check-config` and `health`, as a person or a container runs them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use tempfile::TempDir;

/// A directory of its own with a model and this configuration file.
fn place(settings: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("tickets")).unwrap();
    std::fs::write(directory.path().join("tickets/config.json"), "{}").unwrap();
    std::fs::write(directory.path().join("explaind.toml"), settings).unwrap();
    directory
}

const MODEL: &str = "[[models]]\nid = \"tickets\"\npath = \"tickets\"\n";

fn explaind(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_explaind"));
    command.current_dir(directory).env_remove("CARGO_MANIFEST_DIR").env("RUST_BACKTRACE", "0");
    command
}

fn check(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn check_config_prints_each_setting_with_where_it_came_from() {
    let place = place(&format!("cache_days = 7\n{MODEL}"));
    let (code, stdout, stderr) = check(
        explaind(place.path())
            .args(["check-config", "--threads", "3"])
            .env("EXPLAIND_CACHE_MEMORY_BYTES", "1 GB"),
    );
    assert_eq!(code, Some(0), "{stderr}");
    let line = |key: &str| {
        let line = stdout.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        let (setting, origin) = line.split_once('#').unwrap();
        (setting.trim().to_owned(), origin.trim().to_owned())
    };
    for (key, value, origin) in [
        ("cache_days", "7", "file explaind.toml"),
        ("threads", "3", "--threads"),
        ("cache_memory_bytes", "\"1 GB\"", "EXPLAIND_CACHE_MEMORY_BYTES"),
        ("database_url", "\"sqlite:data/explaind.db\"", "default"),
        ("models", "[{ id = \"tickets\", path = \"tickets\" }]", "file explaind.toml"),
    ] {
        assert_eq!(line(key), (format!("{key} = {value}"), origin.into()));
    }
}

#[test]
fn what_check_config_prints_is_a_file_that_means_the_same() {
    let place = place(&format!("cache_days = 7\nlog = \"explaind=debug\"\n{MODEL}"));
    let (_, first, _) = check(explaind(place.path()).arg("check-config"));
    std::fs::write(place.path().join("printed.toml"), &first).unwrap();
    let (code, second, stderr) =
        check(explaind(place.path()).args(["check-config", "--config", "printed.toml"]));
    assert_eq!(code, Some(0), "{stderr}");
    let settings = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split('#').next().unwrap().trim().to_owned()).collect()
    };
    assert_eq!(settings(&first), settings(&second));
}

#[test]
fn check_config_leaves_nothing_behind() {
    let place = place(MODEL);
    let (code, _, stderr) = check(explaind(place.path()).args(["check-config", "--data-dir", "a/b/c"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn check_config_lists_everything_that_is_wrong() {
    let place = place(
        "thread = 3\ncache_days = -1\n\
         [[models]]\nid = \"gone\"\npath = \"gone\"\n[[models]]\nid = \"empty\"\npath = \".\"\n",
    );
    let (code, stdout, stderr) = check(
        explaind(place.path())
            .args(["check-config", "--listen", "0.0.0.0:80", "--data-dir", "explaind.toml/data"])
            .env("EXPLAIND_LISTN", "x"),
    );
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("7 problems in the configuration"), "{stderr}");
    for named in [
        "`threads`",
        "cache_days is -1",
        "EXPLAIND_LISTEN",
        "--insecure",
        "models (file explaind.toml): gone: gone is no directory",
        "no config.json",
        "data_dir (--data-dir): explaind.toml cannot be written to",
    ] {
        assert!(stderr.contains(named), "{named}: {stderr}");
    }
}

#[test]
fn a_password_in_a_refused_database_url_is_never_printed() {
    let place = place(MODEL);
    let (code, stdout, stderr) = check(explaind(place.path()).args([
        "check-config",
        "--database-url",
        "mysql://user:hunter2@host/db",
    ]));
    assert_eq!(code, Some(2));
    assert!(stderr.contains("postgres://USER") && stderr.contains("--database-url"), "{stderr}");
    assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"), "{stdout}{stderr}");
}

#[test]
fn health_ends_0_for_a_ready_server_and_1_for_none() {
    let place = place("thread = 3\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = connection.read(&mut request).unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    });
    let mut health = explaind(place.path());
    health.arg("health").env("EXPLAIND_LISTEN", &address);
    assert_eq!(check(&mut health).0, Some(0));
    server.join().unwrap();
    let (code, _, stderr) = check(&mut health);
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&address), "{stderr}");
}
