//! A look into a server's database from outside, as an administrator has it.

use std::path::Path;
use std::time::Duration;

use explaind::store::Store;
use explaind::store::sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

/// Runs something asynchronous to its end.
pub fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A connection of one's own.
pub async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10));
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Runs one statement.
pub fn execute(path: &Path, statement: &'static str) -> u64 {
    wait(async {
        let mut connection = connect(path).await;
        sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected()
    })
}

/// Reads one number.
pub fn number(path: &Path, query: &'static str) -> i64 {
    wait(async {
        let mut connection = connect(path).await;
        sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
    })
}

/// Holds the database so that nobody else can write, until the sender is dropped.
pub fn hold(path: &Path) -> std::sync::mpsc::Sender<()> {
    let path = path.to_owned();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (ready, started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        wait(async {
            let mut connection = connect(&path).await;
            sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.unwrap();
            ready.send(()).unwrap();
            let _ = held.recv();
            sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
        });
    });
    started.recv().unwrap();
    release
}

/// Whether a file is a database that opens, is whole, and has every result of every response.
pub fn assert_whole(path: &Path) {
    wait(async {
        let store = SqliteStore::open(path).await.unwrap_or_else(|error| panic!("{error}"));
        store.close().await;
    });
    let dead = "SELECT count(*) FROM responses, json_each('[0,1,2,3,4,5,6,7]') AS place
        WHERE length(keys) >= 32 * (place.value + 1)
        AND NOT EXISTS (SELECT 1 FROM results WHERE results.key = substr(keys, 32 * place.value + 1, 32))";
    assert_eq!(number(path, dead), 0, "a response lacks a result");
}
