//! What a database must do, whichever it is.

use std::sync::Arc;
use std::time::Duration;

use explaind::identity::{Recipe, ResponseId, ResultKey, Shape};
use explaind::store::postgres::PostgresStore;
use explaind::store::sqlite::SqliteStore;
use explaind::store::{DamagedRow, Found, Milliseconds, News, Store, StoredResponse, StoredResult, Writes};
use libtest_mimic::Trial;
use sqlx::Connection;

use super::Tried;
use super::concepts::{
    a_concept_is_found_by_its_name_as_it_was_kept,
    a_damaged_concept_is_known_and_is_put_right_when_it_is_kept_again,
    a_name_whose_versions_are_all_deleted_begins_anew,
    a_version_is_deleted_alone_and_its_number_does_not_come_back,
    of_many_that_are_kept_at_once_each_definition_has_one_version_of_its_own,
    the_list_of_concepts_begins_with_the_newest_and_can_be_read_in_pages,
    the_same_definition_again_is_the_same_version,
    versions_of_a_name_count_up_and_the_newest_is_the_one_without_a_number,
    what_a_killed_server_had_kept_is_there,
    what_is_kept_while_all_of_its_name_is_deleted_is_there_or_was_deleted,
};
use super::datasets::{
    a_damaged_row_is_known, a_deleted_dataset_is_gone_and_its_rows_are_swept_away,
    of_two_that_complete_the_same_at_once_one_is_new, rows_are_read_in_portions,
    rows_are_seen_when_the_dataset_is_complete, the_list_begins_with_the_newest_and_can_be_read_in_pages,
    the_same_rows_again_take_a_name_and_no_room,
    what_was_given_up_or_silent_is_swept_away_and_takes_nothing_more,
};
use super::jobs::{
    a_damaged_answer_is_known_and_can_be_replaced, a_dataset_is_not_deleted_and_worked_on_at_once,
    a_dataset_stays_until_the_jobs_about_it_are_over, a_deleted_job_is_gone_and_its_answers_are_swept_away,
    a_job_begins_where_the_one_stands_that_is_furthest_behind,
    a_job_is_kept_as_it_was_ordered_if_its_dataset_is_there, a_key_is_one_orders_and_then_stands_for_its_job,
    after_a_cancellation_nothing_is_kept, answers_are_read_in_portions_and_may_lack,
    every_answer_counts_once_and_the_last_one_finishes_the_job,
    jobs_are_listed_from_the_newest_on_and_queued_from_the_oldest_on, of_many_that_want_a_key_one_has_it,
    what_several_bring_at_once_counts_once,
};
use super::postgres::{Cluster, TestDatabase};
use super::queue::{
    a_chunk_that_is_given_back_is_given_again,
    chunks_are_given_by_their_turn_once_each_however_often_they_are_put_in,
    what_a_dead_worker_had_is_given_to_others,
};
use super::support::database::connect;

/// A database to be tested.
pub enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(TestDatabase),
}

impl Database {
    /// Opens it; more than once, if need be.
    pub async fn open(&self) -> Arc<dyn Store> {
        match self {
            Database::Sqlite(directory) => {
                let path = directory.path().join("explaind.db");
                Arc::new(SqliteStore::open(&path).await.unwrap_or_else(|error| panic!("{error}")))
            }
            Database::Postgres(database) => {
                let (store, trouble) =
                    PostgresStore::open(&database.url()).await.unwrap_or_else(|error| panic!("{error}"));
                assert!(trouble.is_none(), "{trouble:?}");
                Arc::new(store)
            }
        }
    }

    /// As an administrator does.
    pub async fn execute(&self, statement: &'static str) {
        match self {
            Database::Sqlite(directory) => {
                let mut connection = connect(&directory.path().join("explaind.db")).await;
                sqlx::query(statement).execute(&mut connection).await.unwrap();
            }
            Database::Postgres(database) => {
                let mut connection = sqlx::PgConnection::connect(&database.url()).await.unwrap();
                sqlx::query(statement).execute(&mut connection).await.unwrap();
            }
        }
    }
}

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// Every test, on each kind of database.
        pub fn trials(cluster: &Arc<Cluster>) -> Vec<Tried> {
            let mut trials = Vec::new();
            $(
                let name = stringify!($name);
                trials.push((Trial::test(format!("contract::sqlite::{name}"), || {
                    run($name(Database::Sqlite(tempfile::tempdir().unwrap())));
                    Ok(())
                }), false));
                let cluster_of_test = cluster.clone();
                trials.push((Trial::test(format!("contract::postgres::{name}"), move || {
                    run($name(Database::Postgres(cluster_of_test.database())));
                    Ok(())
                }), true));
            )*
            trials
        }
    };
}

tests!(
    what_was_written_is_read_again_also_after_opening_anew,
    a_response_is_kept_only_with_all_its_results,
    the_same_is_written_twice_in_one_go_and_again,
    what_is_too_old_is_not_found_and_goes,
    what_was_not_used_for_longest_goes_first_and_no_response_loses_a_result,
    a_row_that_is_not_what_was_written_is_known_and_only_that_row_is_removed,
    a_deleted_response_takes_what_it_was_made_of_and_nothing_else,
    a_later_schema_is_refused,
    nothing_is_found_in_an_empty_database,
    rows_are_seen_when_the_dataset_is_complete,
    rows_are_read_in_portions,
    the_same_rows_again_take_a_name_and_no_room,
    the_list_begins_with_the_newest_and_can_be_read_in_pages,
    a_deleted_dataset_is_gone_and_its_rows_are_swept_away,
    what_was_given_up_or_silent_is_swept_away_and_takes_nothing_more,
    of_two_that_complete_the_same_at_once_one_is_new,
    a_damaged_row_is_known,
    a_job_is_kept_as_it_was_ordered_if_its_dataset_is_there,
    jobs_are_listed_from_the_newest_on_and_queued_from_the_oldest_on,
    a_job_begins_where_the_one_stands_that_is_furthest_behind,
    every_answer_counts_once_and_the_last_one_finishes_the_job,
    what_several_bring_at_once_counts_once,
    after_a_cancellation_nothing_is_kept,
    answers_are_read_in_portions_and_may_lack,
    a_damaged_answer_is_known_and_can_be_replaced,
    a_key_is_one_orders_and_then_stands_for_its_job,
    of_many_that_want_a_key_one_has_it,
    a_dataset_stays_until_the_jobs_about_it_are_over,
    a_dataset_is_not_deleted_and_worked_on_at_once,
    a_deleted_job_is_gone_and_its_answers_are_swept_away,
    chunks_are_given_by_their_turn_once_each_however_often_they_are_put_in,
    a_chunk_that_is_given_back_is_given_again,
    what_a_dead_worker_had_is_given_to_others,
    a_concept_is_found_by_its_name_as_it_was_kept,
    the_same_definition_again_is_the_same_version,
    versions_of_a_name_count_up_and_the_newest_is_the_one_without_a_number,
    the_list_of_concepts_begins_with_the_newest_and_can_be_read_in_pages,
    a_version_is_deleted_alone_and_its_number_does_not_come_back,
    a_name_whose_versions_are_all_deleted_begins_anew,
    a_damaged_concept_is_known_and_is_put_right_when_it_is_kept_again,
    of_many_that_are_kept_at_once_each_definition_has_one_version_of_its_own,
    what_is_kept_while_all_of_its_name_is_deleted_is_there_or_was_deleted,
    what_a_killed_server_had_kept_is_there,
);

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test);
}

fn key(number: u8) -> ResultKey {
    ResultKey([number; 32])
}

fn result(number: u8, created_at: Milliseconds) -> StoredResult {
    StoredResult {
        key: key(number),
        created_at,
        warnings: b"[]".to_vec(),
        body: format!("{{\"number\":{number},\"zero\":\"\\u0000\",\"long\":\"{}\"}}", "x".repeat(4000))
            .into_bytes(),
    }
}

fn response(of: &[u8], created_at: Milliseconds) -> StoredResponse {
    let recipe = Recipe { shape: Shape::Explain, keys: of.iter().map(|number| key(*number)).collect() };
    StoredResponse { id: recipe.id(), created_at, recipe }
}

fn writes(results: &[u8], responses: &[&[u8]], at: Milliseconds) -> Writes {
    Writes {
        results: results.iter().map(|number| result(*number, at)).collect(),
        responses: responses.iter().map(|of| response(of, at)).collect(),
        ..Writes::default()
    }
}

/// The numbers of the results that are there of the first forty.
async fn there(store: &dyn Store, not_before: Milliseconds) -> Vec<u8> {
    let keys: Vec<ResultKey> = (0..40).map(key).collect();
    let found = store.results(&keys, not_before).await.unwrap();
    let mut numbers: Vec<u8> = found
        .into_iter()
        .map(|found| match found {
            Found::Whole(result) => result.key.0[0],
            Found::Damaged(row) => panic!("{row:?}"),
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

async fn is_there(store: &dyn Store, of: &[u8]) -> bool {
    store.response(response(of, 0).id, 0).await.unwrap().is_some()
}

async fn what_was_written_is_read_again_also_after_opening_anew(database: Database) {
    let store = database.open().await;
    let left_out = store.write(&writes(&[1, 2, 3], &[&[1, 2], &[1, 3]], 1000), 2000).await.unwrap();
    assert_eq!(left_out, Vec::<ResponseId>::new());
    for store in [store.clone(), database.open().await] {
        let found = store.results(&[key(2), key(9)], 0).await.unwrap();
        assert_eq!(found, [Found::Whole(result(2, 1000))]);
        let expected = response(&[1, 3], 1000);
        assert_eq!(store.response(expected.id, 0).await.unwrap(), Some(expected));
        assert!(store.bytes().await.unwrap() > 0);
        store.probe(3000).await.unwrap();
        store.check_identity().unwrap();
    }
}

async fn a_response_is_kept_only_with_all_its_results(database: Database) {
    let store = database.open().await;
    let left_out = store.write(&writes(&[1], &[&[1, 2], &[1]], 1), 1).await.unwrap();
    assert_eq!(left_out, [response(&[1, 2], 0).id]);
    assert!(!is_there(&*store, &[1, 2]).await && is_there(&*store, &[1]).await);
    // The result that lacked comes with the next transaction; the other is there already.
    assert!(store.write(&writes(&[2], &[&[1, 2]], 2), 2).await.unwrap().is_empty());
    assert!(is_there(&*store, &[1, 2]).await);
}

async fn the_same_is_written_twice_in_one_go_and_again(database: Database) {
    let store = database.open().await;
    for at in [1, 5] {
        let mut twice = writes(&[1, 2], &[&[1, 2]], at);
        twice.merge(writes(&[2, 1], &[&[1, 2], &[2]], at));
        twice.used_results = vec![key(1), key(1), key(7)];
        twice.used_responses = vec![response(&[2], 0).id, response(&[8], 0).id, response(&[2], 0).id];
        assert!(store.write(&twice, at).await.unwrap().is_empty());
    }
    assert_eq!(there(&*store, 5).await, [1, 2], "written anew, they are as young as the last time");
}

async fn what_is_too_old_is_not_found_and_goes(database: Database) {
    let store = database.open().await;
    store.write(&writes(&[1, 2], &[&[1, 2]], 1000), 1000).await.unwrap();
    store.write(&writes(&[3], &[&[3]], 2000), 2000).await.unwrap();
    assert_eq!(there(&*store, 1500).await, [3]);
    let old = response(&[1, 2], 0).id;
    assert_eq!(store.response(old, 1500).await.unwrap(), None);
    let kept = store.evict(u64::MAX, 1500, 3000).await.unwrap();
    assert_eq!((kept.removed.results.len(), kept.removed.responses), (2, vec![old]));
    assert_eq!(there(&*store, 0).await, [3]);
    assert_eq!(kept.bytes, store.bytes().await.unwrap());
}

async fn what_was_not_used_for_longest_goes_first_and_no_response_loses_a_result(database: Database) {
    let store = database.open().await;
    for number in 0..30 {
        let pair: &[u8] = &[number, 30];
        store.write(&writes(&[number, 30], &[pair], 1), 100 + i64::from(number)).await.unwrap();
    }
    // The eldest is used again, by its response.
    let used = Writes {
        used_results: vec![key(0), key(30)],
        used_responses: vec![response(&[0, 30], 0).id],
        ..Writes::default()
    };
    store.write(&used, 1000).await.unwrap();
    let half = store.bytes().await.unwrap() / 2;
    let kept = store.evict(half, 0, 2000).await.unwrap();
    assert!(kept.bytes <= half && kept.bytes > half / 2, "{} of {half}", kept.bytes);
    let left = there(&*store, 0).await;
    assert!(left.contains(&0) && left.contains(&30) && left.contains(&29) && !left.contains(&1), "{left:?}");
    assert_eq!(left.len() + kept.removed.results.len(), 31);
    for number in 0..30 {
        let is_there = is_there(&*store, &[number, 30]).await;
        assert!(!is_there || left.contains(&number), "{number} lacks a result");
        assert_eq!(is_there, left.contains(&number), "{number} went with its result");
    }
}

async fn a_row_that_is_not_what_was_written_is_known_and_only_that_row_is_removed(database: Database) {
    let store = database.open().await;
    store.write(&writes(&[1, 2], &[&[1, 2]], 1), 1).await.unwrap();
    let damage = match database {
        Database::Sqlite(_) => "UPDATE results SET body = x'7b7d' WHERE hex(key) LIKE '01%'",
        Database::Postgres(_) => "UPDATE results SET body = '{}' WHERE encode(key, 'hex') LIKE '01%'",
    };
    database.execute(damage).await;
    let found = store.results(&[key(1)], 0).await.unwrap();
    let [Found::Damaged(row)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(row.content.body, b"{}");
    // Meanwhile somebody has computed it anew: that stays.
    store.write(&writes(&[1], &[], 2), 2).await.unwrap();
    let removal = |row: &DamagedRow| Writes { damaged: vec![row.clone()], ..Writes::default() };
    store.write(&removal(row), 3).await.unwrap();
    assert_eq!(there(&*store, 0).await, [1, 2]);
    database.execute(damage).await;
    let found = store.results(&[key(1)], 0).await.unwrap();
    let [Found::Damaged(row)] = found.as_slice() else { panic!("{found:?}") };
    store.write(&removal(row), 3).await.unwrap();
    assert_eq!(there(&*store, 0).await, [2]);
}

async fn a_deleted_response_takes_what_it_was_made_of_and_nothing_else(database: Database) {
    let store = database.open().await;
    store.write(&writes(&[1, 2, 3, 4], &[&[1, 2], &[1, 3], &[4]], 1), 1).await.unwrap();
    assert_eq!(store.delete(response(&[9], 0).id, 2).await.unwrap(), None);
    let mut removed = store.delete(response(&[1, 2], 0).id, 2).await.unwrap().unwrap();
    removed.results.sort_unstable();
    assert_eq!(removed.results, [key(1), key(2)]);
    assert_eq!(removed.responses.len(), 2, "the other one needs what is gone");
    assert_eq!(there(&*store, 0).await, [3, 4]);
    assert!(is_there(&*store, &[4]).await && !is_there(&*store, &[1, 3]).await);
    assert_eq!(store.delete(response(&[1, 2], 0).id, 2).await.unwrap(), None);
}

async fn a_later_schema_is_refused(database: Database) {
    database.open().await.close().await;
    let later = match &database {
        Database::Sqlite(_) => {
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', 1, x'00', 0)"
        }
        Database::Postgres(_) => {
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', true, '', 0)"
        }
    };
    database.execute(later).await;
    let message = match &database {
        Database::Sqlite(directory) => {
            SqliteStore::open(&directory.path().join("explaind.db")).await.err().unwrap().to_string()
        }
        Database::Postgres(database) => PostgresStore::open(&database.url()).await.err().unwrap().to_string(),
    };
    assert!(message.contains("has another schema") && message.contains("9999"), "{message}");
}

async fn nothing_is_found_in_an_empty_database(database: Database) {
    let store = database.open().await;
    assert!(store.results(&[], 0).await.unwrap().is_empty());
    assert!(there(&*store, 0).await.is_empty() && !is_there(&*store, &[1]).await);
    assert_eq!(store.bytes().await.unwrap(), 0);
    assert!(store.write(&Writes::default(), 0).await.unwrap().is_empty());
    assert!(store.evict(0, 0, 0).await.unwrap().removed.is_empty());
    if !store.is_shared() {
        assert_eq!(store.news(0).await.unwrap(), News::none());
        let all = [key(1), key(2)];
        assert_eq!(store.claim(&all, Duration::from_secs(1)).await.unwrap(), all);
    }
}
