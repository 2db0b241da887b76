//! A PostgreSQL server for the tests alone, in a directory of its own.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::support::database::wait;

/// A server that is started when it is first asked for a database.
pub struct Cluster {
    programs: Option<PathBuf>,
    running: Mutex<Option<Running>>,
    databases: AtomicUsize,
}

struct Running {
    server: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

/// A database of one test's own.
#[derive(Clone)]
pub struct TestDatabase {
    /// Port of the server on this machine.
    pub port: u16,
    /// Its name.
    pub name: String,
}

/// The directory of `initdb` and `postgres`.
pub fn programs() -> Option<PathBuf> {
    let named = std::env::var_os("EXPLAIND_TEST_POSTGRES").map(PathBuf::from);
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    let places = named.into_iter().chain(on_path.into_iter().flatten()).chain(debian.into_iter().rev());
    places.into_iter().find(|place| ["initdb", "postgres"].iter().all(|name| place.join(name).is_file()))
}

impl Cluster {
    /// A server to be.
    pub fn to_be(programs: Option<PathBuf>) -> Self {
        Cluster { programs, running: Mutex::default(), databases: AtomicUsize::new(0) }
    }

    /// A new, empty database.
    pub fn database(&self) -> TestDatabase {
        let port = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.get_or_insert_with(|| self.start()).port
        };
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        wait(async {
            let mut connection = PgConnection::connect_with(&options(port, "postgres")).await.unwrap();
            connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        });
        TestDatabase { port, name }
    }

    /// Stops it, if it runs.
    pub fn stop(&self) {
        if let Some(mut running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = Command::new("kill").args(["-QUIT", &running.server.id().to_string()]).status();
            let _ = running.server.wait();
        }
    }

    fn start(&self) -> Running {
        let programs = self.programs.as_deref().expect("tests that need PostgreSQL are ignored without it");
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            for place in [directory.path(), &data] {
                chown(place, Some(uid), Some(gid)).unwrap();
            }
        }
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.args(["--auth=trust", "--username=explaind", "--no-sync", "--encoding=UTF8", "--pgdata"]);
        let made = as_user(initdb.arg(&data), user).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut postgres = Command::new(programs.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-p").arg(port.to_string()).arg("-k").arg(directory.path());
        // The machine does not lose power in the middle of a test.
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]);
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let server = as_user(&mut postgres, user).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let running = Running { server, port, _directory: directory };
        running.wait_until_ready();
        running
    }
}

impl Running {
    fn wait_until_ready(&self) {
        let patience = Instant::now() + Duration::from_secs(60);
        let attempt = || wait(PgConnection::connect_with(&options(self.port, "postgres")));
        while let Err(error) = attempt() {
            assert!(Instant::now() < patience, "PostgreSQL does not start: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl TestDatabase {
    /// Its URL.
    pub fn url(&self) -> String {
        self.url_by(self.port)
    }

    /// Its URL by another port of this machine.
    pub fn url_by(&self, port: u16) -> String {
        format!("postgres://explaind@127.0.0.1:{port}/{}", self.name)
    }

    /// As a setting.
    pub fn setting(&self) -> explaind::config::Database {
        self.url().parse().unwrap()
    }

    /// Runs one statement.
    pub fn execute(&self, statement: &'static str) -> u64 {
        wait(async {
            let mut connection = PgConnection::connect_with(&options(self.port, &self.name)).await.unwrap();
            sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected()
        })
    }

    /// Reads one number.
    pub fn number(&self, query: &'static str) -> i64 {
        wait(async {
            let mut connection = PgConnection::connect_with(&options(self.port, &self.name)).await.unwrap();
            sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
        })
    }
}

fn options(port: u16, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("explaind")
        .database(database)
}

/// PostgreSQL does not run as root: a user for it, where the tests do.
fn unprivileged() -> Option<(u32, u32)> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    is_root.then(|| user_named("postgres").or_else(|| user_named("nobody")).unwrap_or((65_534, 65_534)))
}

fn user_named(name: &str) -> Option<(u32, u32)> {
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    // A place that the user may be in.
    command.current_dir("/")
}
