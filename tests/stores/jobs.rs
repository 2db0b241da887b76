//! What a database must do for jobs, whichever it is.

use std::sync::Arc;

use explaind::identity::DatasetId;
use explaind::store::Store;
use explaind::store::datasets::{Deletion, Portion};
use explaind::store::jobs::{
    FoundAnswer, JobId, JobOrder, JobState, KeyedBody, Ordered, Reservation, RowAnswer, StoredJob,
};

use super::contract::Database;
use super::datasets::{ALL, completed, dataset};

fn order(rows: u64, chunk_rows: u64) -> JobOrder {
    JobOrder {
        id: JobId::unique(),
        created_at: 1000,
        endpoint: "explain".into(),
        request: b"{\"zero\":\"\\u0000\"}".to_vec(),
        model: "naïve".into(),
        fingerprint: "f".repeat(64),
        dataset: DatasetId([1; 32]),
        rows,
        chunk_rows,
        estimated_seconds: 0.1,
    }
}

/// A job about a dataset that comes with the program.
async fn ordered(store: &dyn Store, order: &JobOrder) -> StoredJob {
    match store.order_job(order, None, true).await.unwrap() {
        Ordered::Job(job) => *job,
        Ordered::NoDataset | Ordered::KeyLost => panic!("no dataset is needed"),
    }
}

async fn found(store: &dyn Store, id: JobId) -> StoredJob {
    store.job(id).await.unwrap().unwrap()
}

/// Every third answer is an error.
fn answer(row: u64) -> RowAnswer {
    RowAnswer { row, failed: row % 3 == 1, body: format!("{{\"row\":{row:04}}}").into_bytes() }
}

fn answers(rows: impl IntoIterator<Item = u64>) -> Vec<RowAnswer> {
    rows.into_iter().map(answer).collect()
}

/// The rows of what is read, every answer whole.
async fn rows(store: &dyn Store, id: JobId, first: u64, portion: Portion) -> Option<Vec<u64>> {
    let found = store.answers(id, first, portion).await.unwrap()?;
    let row = |found| match found {
        FoundAnswer::Whole(whole) if whole == answer(whole.row) => whole.row,
        other => panic!("{other:?}"),
    };
    Some(found.into_iter().map(row).collect())
}

/// Rows that have an answer, and those whose answer is an error.
async fn counts(store: &dyn Store, id: JobId) -> (u64, u64) {
    let job = found(store, id).await;
    (job.done, job.failed)
}

async fn lacking(store: &dyn Store, id: JobId, first: u64, count: u64) -> Vec<u64> {
    store.lacking(id, first, count, 9000).await.unwrap().unwrap().rows
}

pub async fn a_job_is_kept_as_it_was_ordered_if_its_dataset_is_there(database: Database) {
    let store = database.open().await;
    let order = order(100_000, 7);
    assert_eq!(store.order_job(&order, None, false).await.unwrap(), Ordered::NoDataset);
    assert_eq!(store.job(order.id).await.unwrap(), None);
    completed(&*store, &dataset(1, None, 1, 3), 1).await;
    let Ordered::Job(job) = store.order_job(&order, None, false).await.unwrap() else { panic!("no job") };
    let expected = StoredJob {
        order: order.clone(),
        state: JobState::Accepted,
        head_start: 0,
        done: 0,
        failed: 0,
        started_at: None,
        progressed_at: None,
        ended_at: None,
    };
    assert_eq!(*job, expected);
    for store in [store.clone(), database.open().await] {
        assert_eq!(found(&*store, order.id).await, expected);
    }
    assert_eq!(store.bytes().await.unwrap(), 0, "jobs are no results");
}

pub async fn jobs_are_listed_from_the_newest_on_and_queued_from_the_oldest_on(database: Database) {
    let store = database.open().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(ordered(&*store, &order(3, 1)).await.order.id);
    }
    let of = |jobs: Vec<StoredJob>| jobs.into_iter().map(|job| job.order.id).collect::<Vec<_>>();
    let newest_first: Vec<JobId> = ids.iter().rev().copied().collect();
    assert_eq!(of(store.jobs(None, 100).await.unwrap()), newest_first);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = of(store.jobs(after, 2).await.unwrap());
        let Some(last) = page.last() else { break };
        after = Some(*last);
        seen.extend(page);
        // What comes later is on none of the pages that follow.
        ordered(&*store, &order(3, 1)).await;
    }
    assert_eq!(seen, newest_first);
    assert_eq!(of(store.accepted_jobs(3).await.unwrap()), ids[..3]);
    store.job_is_queued(ids[0]).await.unwrap();
    store.cancel_job(ids[1], 5).await.unwrap();
    store.job_is_queued(ids[1]).await.unwrap();
    store.job_is_queued(JobId::unique()).await.unwrap();
    assert_eq!(found(&*store, ids[0]).await.state, JobState::Queued);
    assert_eq!(found(&*store, ids[1]).await.state, JobState::Cancelled);
    assert_eq!(of(store.accepted_jobs(2).await.unwrap()), ids[2..4]);
}

pub async fn a_job_begins_where_the_one_stands_that_is_furthest_behind(database: Database) {
    let store = database.open().await;
    let first = ordered(&*store, &order(10, 2)).await;
    assert!(store.add_answers(first.order.id, &answers(0..5), 1).await.unwrap());
    let second = ordered(&*store, &order(10, 2)).await;
    assert_eq!((first.head_start, second.head_start), (0, 2), "two whole chunks are done");
    assert!(store.add_answers(second.order.id, &answers(0..6), 1).await.unwrap());
    assert_eq!(ordered(&*store, &order(10, 3)).await.head_start, 2, "the first is behind");
    assert!(store.add_answers(first.order.id, &answers(0..10), 1).await.unwrap());
    assert_eq!(ordered(&*store, &order(10, 3)).await.head_start, 2, "the third has the head start alone");
    for job in store.jobs(None, 10).await.unwrap() {
        store.cancel_job(job.order.id, 2).await.unwrap();
    }
    assert_eq!(ordered(&*store, &order(10, 3)).await.head_start, 0, "nobody is there any more");
}

pub async fn every_answer_counts_once_and_the_last_one_finishes_the_job(database: Database) {
    let store = database.open().await;
    let id = ordered(&*store, &order(5, 2)).await.order.id;
    let first = store.lacking(id, 1, 3, 100).await.unwrap().unwrap();
    assert_eq!((first.rows, first.job.started_at), (vec![1, 2, 3], Some(100)));
    assert_eq!(store.lacking(id, 0, 1, 110).await.unwrap().unwrap().job.started_at, Some(100));

    assert!(store.add_answers(id, &answers([0, 1]), 120).await.unwrap());
    assert!(store.add_answers(id, &answers([1, 2, 2, 0]), 130).await.unwrap());
    assert!(store.add_answers(id, &answers([1, 2]), 140).await.unwrap());
    assert!(store.add_answers(id, &[], 150).await.unwrap());
    let job = found(&*store, id).await;
    assert_eq!((job.done, job.failed, job.progressed_at, job.ended_at), (3, 1, Some(130), None));
    assert_eq!(lacking(&*store, id, 0, u64::MAX).await, [3, 4]);
    assert_eq!(lacking(&*store, id, 2, 2).await, [3]);
    assert!(lacking(&*store, id, 0, 3).await.is_empty() && lacking(&*store, id, 9, 3).await.is_empty());

    // The job has no row 7.
    assert!(store.add_answers(id, &answers([7, 4, 3]), 160).await.unwrap());
    let job = found(&*store, id).await;
    assert_eq!((job.state, job.done, job.failed), (JobState::Finished, 5, 2));
    assert_eq!((job.progressed_at, job.ended_at), (Some(160), Some(160)));
    assert!(!store.add_answers(id, &answers([0]), 170).await.unwrap());
    assert_eq!(store.cancel_job(id, 180).await.unwrap(), Some(job));
    assert_eq!(rows(&*store, id, 0, ALL).await.unwrap(), [0, 1, 2, 3, 4]);

    let nobody = JobId::unique();
    assert!(!store.add_answers(nobody, &answers([0]), 1).await.unwrap());
    assert_eq!(store.lacking(nobody, 0, 1, 1).await.unwrap(), None);
}

pub async fn what_several_bring_at_once_counts_once(database: Database) {
    let store = database.open().await;
    let id = ordered(&*store, &order(300, 20)).await.order.id;
    let mut tasks = Vec::new();
    for store in [store.clone(), database.open().await, store.clone(), database.open().await] {
        tasks.push(tokio::spawn(async move {
            for first in (0..300).step_by(60) {
                store.add_answers(id, &answers(first..first + 60), 10).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(counts(&*store, id).await, (300, 100));
    assert_eq!(found(&*store, id).await.state, JobState::Finished);
}

pub async fn after_a_cancellation_nothing_is_kept(database: Database) {
    let store = database.open().await;
    let id = ordered(&*store, &order(5, 2)).await.order.id;
    assert!(store.add_answers(id, &answers([1, 2]), 10).await.unwrap());
    let job = store.cancel_job(id, 50).await.unwrap().unwrap();
    assert_eq!((job.state, job.ended_at, job.done), (JobState::Cancelled, Some(50), 2));
    assert!(!store.add_answers(id, &answers([3]), 60).await.unwrap());
    assert_eq!(store.lacking(id, 0, 1, 60).await.unwrap().unwrap().job.started_at, None);
    assert_eq!(store.cancel_job(id, 70).await.unwrap(), Some(job));
    assert_eq!(rows(&*store, id, 0, ALL).await.unwrap(), [1, 2]);
    assert_eq!(store.cancel_job(JobId::unique(), 1).await.unwrap(), None);
}

pub async fn answers_are_read_in_portions_and_may_lack(database: Database) {
    let store = database.open().await;
    let id = ordered(&*store, &order(30, 5)).await.order.id;
    assert_eq!(rows(&*store, id, 0, ALL).await.unwrap(), Vec::<u64>::new());
    assert!(store.add_answers(id, &answers([3, 4, 28, 9, 29]), 10).await.unwrap());
    let most = |rows| Portion { rows, ..ALL };
    assert_eq!(rows(&*store, id, 0, most(2)).await.unwrap(), [3, 4]);
    assert_eq!(rows(&*store, id, 4, most(2)).await.unwrap(), [4, 9]);
    assert_eq!(rows(&*store, id, 5, most(9)).await.unwrap(), [9, 28, 29]);
    assert_eq!(rows(&*store, id, u64::MAX, most(9)).await.unwrap(), Vec::<u64>::new());
    let bytes = answer(3).body.len() as u64;
    let bytes = |rows| Portion { bytes: rows * bytes, ..ALL };
    assert_eq!(rows(&*store, id, 4, bytes(2)).await.unwrap(), [4, 9]);
    let one = Portion { bytes: 1, ..ALL };
    assert_eq!(rows(&*store, id, 5, one).await.unwrap(), [9], "one answer at least");
    assert_eq!(rows(&*store, JobId::unique(), 0, ALL).await, None);
}

pub async fn a_damaged_answer_is_known_and_can_be_replaced(database: Database) {
    let store = database.open().await;
    let id = ordered(&*store, &order(3, 3)).await.order.id;
    assert!(store.add_answers(id, &answers(0..3), 10).await.unwrap());
    let (of_body, of_failed) = match database {
        Database::Sqlite(_) => (
            "UPDATE bulk_answers SET body = x'7b7d' WHERE row = 2",
            "UPDATE bulk_answers SET failed = 1 - failed WHERE row = 1",
        ),
        Database::Postgres(_) => (
            "UPDATE bulk_answers SET body = set_byte(body, 1, 0) WHERE row = 2",
            "UPDATE bulk_answers SET failed = NOT failed WHERE row = 1",
        ),
    };
    database.execute(of_body).await;
    database.execute(of_failed).await;
    let read = store.answers(id, 0, ALL).await.unwrap().unwrap();
    let damaged = |row| FoundAnswer::Damaged { row };
    assert_eq!(read, [FoundAnswer::Whole(answer(0)), damaged(1), damaged(2)]);

    // What was an error is an answer now, and the other way round; what is whole stays.
    let other = |row, failed| RowAnswer { row, failed, body: b"{\"other\":true}".to_vec() };
    store.replace_answer(id, &other(0, true)).await.unwrap();
    assert_eq!(counts(&*store, id).await, (3, 1));
    store.replace_answer(id, &other(1, false)).await.unwrap();
    assert_eq!(counts(&*store, id).await, (3, 0));
    store.replace_answer(id, &other(2, true)).await.unwrap();
    assert_eq!(counts(&*store, id).await, (3, 1));
    store.replace_answer(id, &other(7, true)).await.unwrap();
    store.replace_answer(JobId::unique(), &other(0, true)).await.unwrap();
    let whole = [answer(0), other(1, false), other(2, true)].map(FoundAnswer::Whole);
    assert_eq!(store.answers(id, 0, ALL).await.unwrap().unwrap(), whole);
    let job = found(&*store, id).await;
    assert_eq!((job.state, job.done, job.ended_at), (JobState::Finished, 3, Some(10)));
}

pub async fn a_key_is_one_orders_and_then_stands_for_its_job(database: Database) {
    let store = database.open().await;
    let reserve = async |now, not_before| store.reserve_key("a key", now, not_before).await.unwrap();
    assert_eq!(reserve(100, 0).await, Reservation::Free);
    assert_eq!(reserve(150, 100).await, Reservation::InFlight);
    assert_eq!(store.reserve_key("another", 150, 0).await.unwrap(), Reservation::Free);
    assert_eq!(reserve(200, 101).await, Reservation::Free, "whoever had it did not use it for long");
    assert_eq!(reserve(250, 101).await, Reservation::InFlight);
    store.free_key("a key", 100).await.unwrap();
    assert_eq!(reserve(260, 0).await, Reservation::InFlight, "only its holder can let go of it");
    store.free_key("a key", 200).await.unwrap();
    store.free_key("nobody's", 200).await.unwrap();
    assert_eq!(reserve(300, 0).await, Reservation::Free);

    let order = order(3, 1);
    let key = KeyedBody { key: "a key".into(), reserved_at: 300, body_hash: [7; 32] };
    let lost = KeyedBody { reserved_at: 200, ..key.clone() };
    assert_eq!(store.order_job(&order, Some(&lost), true).await.unwrap(), Ordered::KeyLost);
    assert_eq!(store.job(order.id).await.unwrap(), None);
    assert_eq!(store.order_job(&order, Some(&key), false).await.unwrap(), Ordered::NoDataset);
    assert_eq!(reserve(350, 0).await, Reservation::InFlight);
    assert!(matches!(store.order_job(&order, Some(&key), true).await.unwrap(), Ordered::Job(_)));
    let taken = Reservation::Job(order.id, [7; 32]);
    assert_eq!(reserve(400, 0).await, taken);
    store.free_key("a key", 300).await.unwrap();
    assert_eq!(reserve(9000, 8999).await, taken, "a job's key is never too old");
    store.cancel_job(order.id, 1).await.unwrap();
    assert_eq!(reserve(9000, 0).await, taken);
    assert!(store.delete_job(order.id).await.unwrap());
    assert_eq!(reserve(9000, 0).await, Reservation::Free, "it went with the job");
    assert_eq!(store.reserve_key("another", 160, 0).await.unwrap(), Reservation::InFlight);
}

pub async fn of_many_that_want_a_key_one_has_it(database: Database) {
    let store = database.open().await;
    let other = database.open().await;
    // At first nobody has it; then somebody has left it.
    for (now, not_before) in [(100, 0), (200, 150)] {
        let mut tasks = Vec::new();
        for store in [store.clone(), other.clone(), store.clone(), other.clone()] {
            tasks.push(tokio::spawn(
                async move { store.reserve_key("a key", now, not_before).await.unwrap() },
            ));
        }
        let mut free = 0;
        for task in tasks {
            free += usize::from(task.await.unwrap() == Reservation::Free);
        }
        assert_eq!(free, 1);
    }
}

pub async fn a_dataset_stays_until_the_jobs_about_it_are_over(database: Database) {
    let store = database.open().await;
    completed(&*store, &dataset(1, None, 1, 3), 1).await;
    completed(&*store, &dataset(2, None, 1, 3), 1).await;
    let order = order(3, 1);
    assert!(matches!(store.order_job(&order, None, false).await.unwrap(), Ordered::Job(_)));
    let delete = async |number| store.delete_dataset(DatasetId([number; 32])).await.unwrap();
    assert_eq!(delete(1).await, Deletion::InUse);
    store.job_is_queued(order.id).await.unwrap();
    assert_eq!(delete(1).await, Deletion::InUse);
    assert!(store.dataset(order.dataset).await.unwrap().is_some());
    assert_eq!(delete(2).await, Deletion::Deleted, "nobody is at this one");
    store.cancel_job(order.id, 5).await.unwrap();
    assert_eq!(delete(1).await, Deletion::Deleted);
    assert_eq!(delete(1).await, Deletion::Missing);
}

pub async fn a_dataset_is_not_deleted_and_worked_on_at_once(database: Database) {
    let store = database.open().await;
    let other = database.open().await;
    for number in 1..=20 {
        completed(&*store, &dataset(number, None, 1, 1), 1).await;
        let order = JobOrder { dataset: DatasetId([number; 32]), ..order(1, 1) };
        let (ordering, deleting): (Arc<dyn Store>, Arc<dyn Store>) = (store.clone(), other.clone());
        let id = order.dataset;
        let ordered = tokio::spawn(async move { ordering.order_job(&order, None, false).await.unwrap() });
        let deleted = tokio::spawn(async move { deleting.delete_dataset(id).await.unwrap() });
        match (ordered.await.unwrap(), deleted.await.unwrap()) {
            (Ordered::Job(_), Deletion::InUse) | (Ordered::NoDataset, Deletion::Deleted) => {}
            both => panic!("{both:?}"),
        }
    }
}

pub async fn a_deleted_job_is_gone_and_its_answers_are_swept_away(database: Database) {
    let store = database.open().await;
    let gone = ordered(&*store, &order(1100, 100)).await.order.id;
    let stays = ordered(&*store, &order(1101, 100)).await.order.id;
    for id in [gone, stays] {
        for first in [0, 400, 800] {
            assert!(!store.delete_job(id).await.unwrap(), "it is not over");
            let portion = answers(first..1100.min(first + 400));
            assert!(store.add_answers(id, &portion, 10).await.unwrap());
        }
    }
    assert!(!store.sweep_answers().await.unwrap());
    assert!(store.delete_job(gone).await.unwrap());
    assert!(!store.delete_job(gone).await.unwrap());
    assert_eq!(store.job(gone).await.unwrap(), None);
    assert_eq!(store.cancel_job(gone, 1).await.unwrap(), None);
    assert_eq!(store.lacking(gone, 0, 1, 1).await.unwrap(), None);
    assert_eq!(rows(&*store, gone, 0, ALL).await, None);
    assert!(!store.add_answers(gone, &answers([0]), 1).await.unwrap());
    assert_eq!(store.jobs(None, 10).await.unwrap().len(), 1);
    let mut portions = 0;
    while store.sweep_answers().await.unwrap() {
        portions += 1;
    }
    assert_eq!(portions, 3);
    assert_eq!(rows(&*store, stays, 0, ALL).await.unwrap().len(), 1100);
    // Whatever had stayed of it would be found by a job of the same name.
    let again = JobOrder { id: gone, ..order(1100, 100) };
    assert_eq!(lacking(&*store, ordered(&*store, &again).await.order.id, 0, 1100).await.len(), 1100);
}
