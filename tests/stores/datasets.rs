//! What a database must do for datasets, whichever it is.

use std::sync::Arc;

use explaind::identity::DatasetId;
use explaind::store::Store;
use explaind::store::datasets::{Completed, Deletion, Portion, StoredDataset, StoredRow, UploadId};

use super::contract::Database;

/// Whatever there is.
pub const ALL: Portion = Portion { rows: 10_000, bytes: u64::MAX };

pub fn dataset(number: u8, name: Option<&str>, created_at: i64, rows: u64) -> StoredDataset {
    StoredDataset {
        id: DatasetId([number; 32]),
        name: name.map(str::to_owned),
        created_at,
        rows,
        bytes: 7 * rows,
        summary: b"{\"zeros\":\"\\u0000\"}".to_vec(),
    }
}

fn body(number: u64) -> Vec<u8> {
    format!("{{\"text\":\"row {number}\"}}").into_bytes()
}

async fn upload(store: &dyn Store, rows: u64, now: i64) -> UploadId {
    let upload = store.begin_upload(now).await.unwrap();
    let bodies: Vec<_> = (0..rows).map(body).collect();
    for (portion, first) in bodies.chunks(400).zip((0..).step_by(400)) {
        assert!(store.add_rows(upload, first, portion, now).await.unwrap());
    }
    upload
}

pub async fn completed(store: &dyn Store, dataset: &StoredDataset, now: i64) -> Completed {
    let upload = upload(store, dataset.rows, now).await;
    store.complete(upload, dataset).await.unwrap().unwrap()
}

/// How often there is something to sweep.
async fn sweep_all(store: &dyn Store, not_touched_since: i64) -> usize {
    let mut portions = 0;
    while store.sweep(not_touched_since).await.unwrap() {
        portions += 1;
    }
    portions
}

async fn numbers(store: &dyn Store, id: u8, first: u64, portion: Portion) -> Option<Vec<u64>> {
    let rows = store.dataset_rows(DatasetId([id; 32]), first, portion).await.unwrap()?;
    let of_its_number = |row: &StoredRow| row.body == Some(body(row.number));
    assert!(rows.iter().all(of_its_number), "{rows:?}");
    Some(rows.iter().map(|row| row.number).collect())
}

pub async fn rows_are_seen_when_the_dataset_is_complete(database: Database) {
    let store = database.open().await;
    let new = dataset(1, Some("naïve"), 1000, 1300);
    let upload = upload(&*store, new.rows, 500).await;
    assert_eq!(store.dataset(new.id).await.unwrap(), None);
    assert_eq!(numbers(&*store, 1, 0, ALL).await, None);
    let completed = store.complete(upload, &new).await.unwrap();
    assert_eq!(completed, Some(Completed { dataset: new.clone(), is_new: true }));
    for store in [store.clone(), database.open().await] {
        assert_eq!(store.dataset(new.id).await.unwrap(), Some(new.clone()));
        assert_eq!(numbers(&*store, 1, 0, ALL).await.unwrap().len(), 1300);
    }
    assert_eq!(sweep_all(&*store, i64::MAX).await, 0, "nothing of a dataset is swept");
    assert_eq!(store.bytes().await.unwrap(), 0, "datasets are no results");
}

pub async fn rows_are_read_in_portions(database: Database) {
    let store = database.open().await;
    completed(&*store, &dataset(1, None, 1, 30), 1).await;
    let rows = |rows| Portion { rows, ..ALL };
    assert_eq!(numbers(&*store, 1, 0, rows(2)).await.unwrap(), [0, 1]);
    assert_eq!(numbers(&*store, 1, 28, rows(9)).await.unwrap(), [28, 29]);
    assert_eq!(numbers(&*store, 1, 30, rows(9)).await.unwrap(), Vec::<u64>::new());
    assert_eq!(numbers(&*store, 1, u64::MAX, rows(9)).await.unwrap(), Vec::<u64>::new());
    let bytes = body(3).len() as u64;
    let bytes = |rows| Portion { bytes: rows * bytes, ..ALL };
    assert_eq!(numbers(&*store, 1, 3, bytes(2)).await.unwrap(), [3, 4]);
    let one = Portion { bytes: 1, ..ALL };
    assert_eq!(numbers(&*store, 1, 3, one).await.unwrap(), [3], "one row at least");
    assert_eq!(numbers(&*store, 2, 0, ALL).await, None);
}

pub async fn the_same_rows_again_take_a_name_and_no_room(database: Database) {
    let store = database.open().await;
    let first = dataset(1, Some("first"), 1000, 3);
    completed(&*store, &first, 1).await;
    for (name, expected) in [(None, "first"), (Some("second"), "second"), (None, "second")] {
        let again = completed(&*store, &dataset(1, name, 2000, 3), 1).await;
        let expected = StoredDataset { name: Some(expected.into()), ..first.clone() };
        assert_eq!(again, Completed { dataset: expected, is_new: false });
    }
    assert_eq!(sweep_all(&*store, 0).await, 3);
    assert_eq!(numbers(&*store, 1, 0, ALL).await.unwrap(), [0, 1, 2]);
}

pub async fn the_list_begins_with_the_newest_and_can_be_read_in_pages(database: Database) {
    let store = database.open().await;
    for (number, created_at) in [(1, 10), (2, 30), (3, 20), (4, 20), (5, 40)] {
        completed(&*store, &dataset(number, None, created_at, 1), 1).await;
    }
    let ids = |datasets: &[StoredDataset]| datasets.iter().map(|one| one.id.0[0]).collect::<Vec<_>>();
    assert_eq!(ids(&store.datasets(None, 100).await.unwrap()), [5, 2, 4, 3, 1]);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.datasets(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        seen.extend(ids(&page));
        // What comes later is none of the pages that follow.
        let newest = dataset(100 + seen.len() as u8, None, 50, 1);
        completed(&*store, &newest, 1).await;
    }
    assert_eq!(seen, [5, 2, 4, 3, 1]);
}

pub async fn a_deleted_dataset_is_gone_and_its_rows_are_swept_away(database: Database) {
    let store = database.open().await;
    for number in [1, 2] {
        completed(&*store, &dataset(number, None, 1, 1100), 1).await;
    }
    let id = DatasetId([1; 32]);
    assert_eq!(store.delete_dataset(id).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.delete_dataset(id).await.unwrap(), Deletion::Missing);
    assert_eq!(store.dataset(id).await.unwrap(), None);
    assert_eq!(numbers(&*store, 1, 0, ALL).await, None);
    assert_eq!(sweep_all(&*store, 0).await, 3);
    assert_eq!(numbers(&*store, 2, 0, ALL).await.unwrap().len(), 1100);
    assert!(completed(&*store, &dataset(1, None, 1, 1100), 1).await.is_new);
}

pub async fn what_was_given_up_or_silent_is_swept_away_and_takes_nothing_more(database: Database) {
    let store = database.open().await;
    let given_up = upload(&*store, 700, 5000).await;
    let silent = upload(&*store, 700, 1000).await;
    let under_way = upload(&*store, 700, 1000).await;
    assert!(store.add_rows(under_way, 700, &[body(700)], 5000).await.unwrap());
    store.give_up(given_up).await.unwrap();
    assert_eq!(sweep_all(&*store, 2000).await, 4);
    for upload in [given_up, silent] {
        assert!(!store.add_rows(upload, 0, &[body(0)], 6000).await.unwrap());
        assert_eq!(store.complete(upload, &dataset(1, None, 1, 700)).await.unwrap(), None);
    }
    let completed = store.complete(under_way, &dataset(1, None, 1, 701)).await.unwrap();
    assert!(completed.unwrap().is_new);
    assert_eq!(numbers(&*store, 1, 0, ALL).await.unwrap().len(), 701);
    assert_eq!(sweep_all(&*store, i64::MAX).await, 0);
}

pub async fn of_two_that_complete_the_same_at_once_one_is_new(database: Database) {
    let store = database.open().await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let store: Arc<dyn Store> = store.clone();
        tasks
            .push(tokio::spawn(async move { completed(&*store, &dataset(1, None, 1, 900), 1).await.is_new }));
    }
    let mut new = 0;
    for task in tasks {
        new += usize::from(task.await.unwrap());
    }
    assert_eq!(new, 1);
    sweep_all(&*store, 0).await;
    assert_eq!(numbers(&*store, 1, 0, ALL).await.unwrap().len(), 900);
}

pub async fn a_damaged_row_is_known(database: Database) {
    let store = database.open().await;
    completed(&*store, &dataset(1, None, 1, 3), 1).await;
    let damage = match database {
        Database::Sqlite(_) => "UPDATE dataset_rows SET body = x'7b7d' WHERE number = 1",
        Database::Postgres(_) => "UPDATE dataset_rows SET body = '{}' WHERE number = 1",
    };
    database.execute(damage).await;
    let row = |number, body| StoredRow { number, body };
    let expected = [row(0, Some(body(0))), row(1, None), row(2, Some(body(2)))];
    assert_eq!(store.dataset_rows(DatasetId([1; 32]), 0, ALL).await.unwrap().unwrap(), expected);
}
