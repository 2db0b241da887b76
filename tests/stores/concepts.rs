//! What a database must do for concepts, whichever it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use explaind::identity::ConceptId;
use explaind::store::Store;
use explaind::store::concepts::{ConceptHead, FoundConcept, KeptConcept, NewConcept, StoredConcept};

use super::contract::Database;

/// The concept of a name that is defined by a number.
fn concept(name: &str, number: u64, created_at: i64) -> NewConcept {
    NewConcept {
        id: ConceptId::of(&[name.as_bytes(), &number.to_le_bytes()]),
        name: name.to_owned(),
        model: "reviews".to_owned(),
        fingerprint: "f0".to_owned(),
        created_at,
        summary: format!("{{\"number\":{number},\"zero\":\"\\u0000\"}}").into_bytes(),
        body: format!("{{\"vector\":[{number}],\"long\":\"{}\"}}", "x".repeat(40_000)).into_bytes(),
    }
}

/// What is there once it was kept.
fn stored(new: &NewConcept, version: u32) -> StoredConcept {
    let NewConcept { id, name, model, fingerprint, created_at, summary, body } = new.clone();
    StoredConcept { id, name, version, model, fingerprint, created_at, summary, body }
}

fn head(new: &NewConcept, version: u32) -> ConceptHead {
    stored(new, version).head()
}

/// Keeps a concept that was not there, and gives its version.
async fn kept(store: &dyn Store, new: &NewConcept) -> u32 {
    let KeptConcept { head: kept, is_new } = store.keep_concept(new).await.unwrap();
    assert!(is_new, "{kept:?}");
    assert_eq!(kept, head(new, kept.version));
    kept.version
}

/// The version that is found.
async fn found(store: &dyn Store, name: &str, version: Option<u32>) -> Option<u32> {
    match store.concept(name, version).await.unwrap()? {
        FoundConcept::Whole(concept) => Some(concept.version),
        FoundConcept::Damaged => panic!("{name} {version:?} is damaged"),
    }
}

pub async fn a_concept_is_found_by_its_name_as_it_was_kept(database: Database) {
    let store = database.open().await;
    let new = concept("naïve praise", 1, 1000);
    assert_eq!(store.concept(&new.name, None).await.unwrap(), None);
    assert_eq!(kept(&*store, &new).await, 1);
    for store in [store.clone(), database.open().await] {
        for version in [None, Some(1)] {
            let expected = Some(FoundConcept::Whole(stored(&new, 1)));
            assert_eq!(store.concept(&new.name, version).await.unwrap(), expected);
        }
        assert_eq!(store.concepts(None, 10).await.unwrap(), [head(&new, 1)]);
        for other in ["naïve", "Naïve praise", "naïve prais_", "naïve praise ", ""] {
            assert_eq!(found(&*store, other, None).await, None, "{other:?}");
        }
        assert_eq!(store.bytes().await.unwrap(), 0, "concepts are no results");
    }
}

pub async fn the_same_definition_again_is_the_same_version(database: Database) {
    let store = database.open().await;
    let (first, second) = (concept("praise", 1, 1000), concept("praise", 2, 2000));
    kept(&*store, &first).await;
    kept(&*store, &second).await;
    for store in [store.clone(), database.open().await] {
        let again = store.keep_concept(&concept("praise", 1, 3000)).await.unwrap();
        assert_eq!(again, KeptConcept { head: head(&first, 1), is_new: false });
    }
    assert_eq!(found(&*store, "praise", None).await, Some(2), "it does not become the newest");
    assert_eq!(kept(&*store, &concept("praise", 3, 4000)).await, 3, "and takes no number");
}

pub async fn versions_of_a_name_count_up_and_the_newest_is_the_one_without_a_number(database: Database) {
    let store = database.open().await;
    for number in 1..=12 {
        // Clocks may go back: the number says which is the newest.
        let created_at = 1000 - i64::from(number);
        assert_eq!(kept(&*store, &concept("praise", number.into(), created_at)).await, number);
    }
    assert_eq!(kept(&*store, &concept("Praise", 1, 1)).await, 1, "of another name");
    assert_eq!(found(&*store, "praise", None).await, Some(12));
    for number in [1, 9, 12] {
        let Some(FoundConcept::Whole(there)) = store.concept("praise", Some(number)).await.unwrap() else {
            panic!("{number}")
        };
        assert_eq!(there.id, concept("praise", number.into(), 0).id);
    }
    for number in [0, 13, u32::MAX] {
        assert_eq!(found(&*store, "praise", Some(number)).await, None, "{number}");
    }
}

pub async fn the_list_of_concepts_begins_with_the_newest_and_can_be_read_in_pages(database: Database) {
    let store = database.open().await;
    let mut all = Vec::new();
    for (number, created_at) in [(1, 10), (2, 30), (3, 20), (4, 20), (5, 40)] {
        let new = concept("praise", number, created_at);
        let version = kept(&*store, &new).await;
        all.push(head(&new, version));
    }
    all.sort_by_key(|head| std::cmp::Reverse(head.place()));
    assert_eq!(store.concepts(None, 100).await.unwrap(), all);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.concepts(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        // What comes later is none of the pages that follow, and what was shown may go.
        assert!(store.delete_concept("praise", Some(last.version)).await.unwrap());
        kept(&*store, &concept("later", seen.len() as u64, 50)).await;
        seen.extend(page);
    }
    assert_eq!(seen, all);
}

pub async fn a_version_is_deleted_alone_and_its_number_does_not_come_back(database: Database) {
    let store = database.open().await;
    for number in 1..=3 {
        kept(&*store, &concept("praise", number, 1)).await;
    }
    kept(&*store, &concept("blame", 1, 1)).await;
    assert!(store.delete_concept("praise", Some(3)).await.unwrap());
    for (name, version) in [("praise", Some(3)), ("praise", Some(0)), ("nobody", Some(1)), ("nobody", None)] {
        assert!(!store.delete_concept(name, version).await.unwrap(), "{name} {version:?}");
    }
    assert_eq!(found(&*store, "praise", Some(3)).await, None);
    assert_eq!(found(&*store, "praise", None).await, Some(2));
    assert_eq!(kept(&*store, &concept("praise", 4, 1)).await, 4, "3 stood for something else");
    assert_eq!(kept(&*store, &concept("praise", 3, 1)).await, 5, "also for what it stood for");
    assert_eq!(store.concepts(None, 10).await.unwrap().len(), 5);
    assert_eq!(found(&*store, "blame", None).await, Some(1));
}

pub async fn a_name_whose_versions_are_all_deleted_begins_anew(database: Database) {
    let store = database.open().await;
    for name in ["praise", "blame"] {
        for number in 1..=3 {
            kept(&*store, &concept(name, number, 1)).await;
        }
    }
    assert!(store.delete_concept("praise", None).await.unwrap());
    assert!(!store.delete_concept("praise", None).await.unwrap());
    assert_eq!(found(&*store, "praise", None).await, None);
    for number in 1..=3 {
        assert_eq!(found(&*store, "praise", Some(number)).await, None);
        assert!(store.delete_concept("blame", Some(number)).await.unwrap(), "one by one");
    }
    assert_eq!(store.concepts(None, 10).await.unwrap(), []);
    for name in ["praise", "blame"] {
        assert_eq!(kept(&*store, &concept(name, 2, 1)).await, 1);
    }
}

pub async fn a_damaged_concept_is_known_and_is_put_right_when_it_is_kept_again(database: Database) {
    let store = database.open().await;
    let new = concept("praise", 1, 1000);
    kept(&*store, &new).await;
    kept(&*store, &concept("praise", 2, 1000)).await;
    let damages = match database {
        Database::Sqlite(_) => [
            "UPDATE concepts SET body = x'7b7d' WHERE version = 1",
            "UPDATE concepts SET summary = x'7b7d' WHERE version = 1",
            "UPDATE concepts SET fingerprint = 'f1' WHERE version = 1",
            "UPDATE concepts SET model = 'others' WHERE version = 1",
        ],
        Database::Postgres(_) => [
            "UPDATE concepts SET body = '{}' WHERE version = 1",
            "UPDATE concepts SET summary = '{}' WHERE version = 1",
            "UPDATE concepts SET fingerprint = 'f1' WHERE version = 1",
            "UPDATE concepts SET model = 'others' WHERE version = 1",
        ],
    };
    for damage in damages {
        database.execute(damage).await;
        let there = store.concept("praise", Some(1)).await.unwrap();
        assert_eq!(there, Some(FoundConcept::Damaged), "{damage}");
        assert_eq!(found(&*store, "praise", None).await, Some(2), "the other is whole");
        let again = store.keep_concept(&concept("praise", 1, 2000)).await.unwrap();
        assert_eq!(again, KeptConcept { head: head(&new, 1), is_new: false });
        let there = store.concept("praise", Some(1)).await.unwrap();
        assert_eq!(there, Some(FoundConcept::Whole(stored(&new, 1))));
    }
    database.execute("UPDATE concepts SET version = 7 WHERE version = 1").await;
    assert_eq!(store.concept("praise", None).await.unwrap(), Some(FoundConcept::Damaged));
    assert!(store.delete_concept("praise", Some(7)).await.unwrap(), "it can go");
    assert_eq!(found(&*store, "praise", None).await, Some(2));
}

pub async fn of_many_that_are_kept_at_once_each_definition_has_one_version_of_its_own(database: Database) {
    let servers = [database.open().await, database.open().await];
    let mut tasks = Vec::new();
    for number in 0..6 {
        // Each definition comes to both servers.
        for server in &servers {
            let server: Arc<dyn Store> = server.clone();
            tasks.push(tokio::spawn(async move {
                server.keep_concept(&concept("praise", number, 1)).await.unwrap()
            }));
        }
    }
    let (mut versions, mut definitions, mut new) = (BTreeSet::new(), BTreeSet::new(), 0);
    for task in tasks {
        let KeptConcept { head, is_new } = task.await.unwrap();
        versions.insert(head.version);
        definitions.insert((head.id, head.version));
        new += usize::from(is_new);
    }
    assert_eq!((new, definitions.len()), (6, 6));
    assert_eq!(versions, (1..=6).collect());
}

pub async fn what_is_kept_while_all_of_its_name_is_deleted_is_there_or_was_deleted(database: Database) {
    let servers = [database.open().await, database.open().await];
    for round in 0..10 {
        let [first, second, third] = [0, 1, 2].map(|number| concept("praise", 3 * round + number, 1));
        servers[0].keep_concept(&first).await.unwrap();
        let (kept_then, deleted) =
            tokio::join!(servers[0].keep_concept(&second), servers[1].delete_concept("praise", None));
        assert!(deleted.unwrap(), "there was something to delete");
        let version = kept_then.unwrap().head.version;
        let there = found(&*servers[1], "praise", None).await;
        assert!(there.is_none_or(|there| there == version), "{there:?} of {version}");
        let next = kept(&*servers[1], &third).await;
        assert_eq!(next, there.unwrap_or_default() + 1, "the count is that of what is there");
        assert!(servers[0].delete_concept("praise", None).await.unwrap());
    }
}

pub async fn what_a_killed_server_had_kept_is_there(database: Database) {
    let killed = database.open().await;
    for number in 1..=3 {
        kept(&*killed, &concept("praise", number, 1)).await;
    }
    assert!(killed.delete_concept("praise", Some(3)).await.unwrap());
    let left_behind = match &database {
        // The files as they lie, without any end that the server could have put to them.
        Database::Sqlite(directory) => {
            let copy = tempfile::tempdir().unwrap();
            for file in std::fs::read_dir(directory.path()).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
            Database::Sqlite(copy)
        }
        Database::Postgres(_) => {
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            database.execute(kill).await;
            database
        }
    };
    let next = left_behind.open().await;
    for number in [1, 2] {
        let expected = Some(FoundConcept::Whole(stored(&concept("praise", number.into(), 1), number)));
        assert_eq!(next.concept("praise", Some(number)).await.unwrap(), expected);
    }
    assert_eq!(kept(&*next, &concept("praise", 4, 1)).await, 4);
}
