//! What the queue of chunks must do, on every database.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use explaind::store::Store;
use explaind::store::jobs::JobId;
use explaind::store::queue::{Chunk, ChunkHandler, DEAD_AFTER, DoChunk, GivenBack, Queued};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::contract::Database;

/// Notes what it is given, and does with it what it is told to.
struct Noting {
    given: Mutex<Vec<Chunk>>,
    course: fn(usize) -> Course,
}

/// What becomes of the n-th chunk that is given.
enum Course {
    Done,
    GivenBack,
    NeverDone,
}

impl Noting {
    fn new(course: fn(usize) -> Course) -> Arc<Self> {
        Arc::new(Noting { given: Mutex::default(), course })
    }

    fn given(&self) -> Vec<Chunk> {
        self.given.lock().unwrap().clone()
    }

    /// Returns once so many chunks were given.
    async fn until(&self, count: usize) -> Vec<Chunk> {
        let late = Instant::now() + Duration::from_secs(30);
        while self.given().len() < count {
            assert!(Instant::now() < late, "given were {:?}", self.given());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.given()
    }
}

impl DoChunk for Noting {
    fn do_chunk(self: Arc<Self>, chunk: Chunk) -> BoxFuture<'static, Result<(), GivenBack>> {
        let number = {
            let mut given = self.given.lock().unwrap();
            given.push(chunk);
            given.len() - 1
        };
        let course = (self.course)(number);
        async move {
            match course {
                Course::Done => Ok(()),
                Course::GivenBack => Err(GivenBack),
                Course::NeverDone => std::future::pending().await,
            }
        }
        .boxed()
    }
}

/// A worker that is stopped by what is given beside it.
fn worker(store: &Arc<dyn Store>, noting: &Arc<Noting>) -> (JoinHandle<()>, watch::Sender<bool>) {
    let (stop, stopped) = watch::channel(false);
    let (store, handler) = (store.clone(), ChunkHandler(noting.clone()));
    let task = tokio::spawn(async move {
        store.work(1, handler, stopped).await.unwrap_or_else(|error| panic!("{error}"));
    });
    (task, stop)
}

/// Chunks of a new job, with turns from one on.
fn chunks(count: u64, first_turn: u64) -> (JobId, Vec<Queued>) {
    let job = JobId::unique();
    let chunk =
        |index| Queued { chunk: Chunk { job: job.0, first: 10 * index, rows: 10 }, turn: first_turn + index };
    (job, (0..count).map(chunk).collect())
}

pub async fn chunks_are_given_by_their_turn_once_each_however_often_they_are_put_in(database: Database) {
    let store = database.open().await;
    let ((long, all_of_long), (short, all_of_short)) = (chunks(4, 0), chunks(2, 1));
    for _ in 0..2 {
        store.enqueue(long, all_of_long.clone()).await.unwrap();
        store.enqueue(short, all_of_short.clone()).await.unwrap();
    }
    // What runs at a time is told in seconds: a task is given from the next one on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let noting = Noting::new(|_| Course::Done);
    let (task, stop) = worker(&store, &noting);
    let given = noting.until(6).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(noting.given().len(), 6, "none is given twice");
    let turns: Vec<u64> =
        given.iter().map(|chunk| chunk.first / 10 + u64::from(chunk.job == short.0)).collect();
    assert_eq!(turns, [0, 1, 1, 2, 2, 3]);
    stop.send_replace(true);
    task.await.unwrap();
}

pub async fn a_chunk_that_is_given_back_is_given_again(database: Database) {
    let store = database.open().await;
    let (job, all) = chunks(1, 0);
    store.enqueue(job, all).await.unwrap();
    let noting = Noting::new(|number| if number < 3 { Course::GivenBack } else { Course::Done });
    let (task, stop) = worker(&store, &noting);
    noting.until(4).await;
    stop.send_replace(true);
    task.await.unwrap();
}

pub async fn what_a_dead_worker_had_is_given_to_others(database: Database) {
    let store = database.open().await;
    let (job, all) = chunks(1, 0);
    store.enqueue(job, all).await.unwrap();
    let dying = Noting::new(|_| Course::NeverDone);
    let (task, _stop) = worker(&store, &dying);
    dying.until(1).await;
    let other = Noting::new(|_| Course::Done);
    if let Database::Postgres(_) = &database {
        // It lives: nobody else is given what it has, however long that takes.
        let (idle, stop) = worker(&store, &other);
        tokio::time::sleep(DEAD_AFTER + Duration::from_secs(2)).await;
        assert_eq!((dying.given().len(), other.given().len()), (1, 0));
        stop.send_replace(true);
        idle.await.unwrap();
    }
    task.abort();
    let died = Instant::now();
    let (task, stop) = worker(&store, &other);
    other.until(1).await;
    assert!(died.elapsed() < DEAD_AFTER + Duration::from_secs(5));
    stop.send_replace(true);
    task.await.unwrap();
}
