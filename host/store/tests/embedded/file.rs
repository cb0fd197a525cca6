//! The file: kept over a restart, one process at a time, never touched if it is not ours.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use redb::{ReadableDatabase, TableDefinition};
use tofu_state_store::embedded::OpenError;

use super::*;

fn path(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("states.redb")
}

fn refused(folder: &tempfile::TempDir) -> OpenError {
    match Embedded::open(Settings::new(folder.path())) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// What must not be opened must not be changed either.
fn refused_untouched(folder: &tempfile::TempDir) -> OpenError {
    let before = fs::read(path(folder)).unwrap();
    let error = refused(folder);
    assert!(fs::read(path(folder)).unwrap() == before, "the file was changed: {error}");
    error
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (folder, store) = fresh();
    let large = "x".repeat(300_000);
    let first = put(&store, "g/p", &large, 0).await;
    let second = put(&store, "g/p", "small", first).await;
    put(&store, "g/p.lock", "", 0).await;
    put(&store, "g/gone", "gone", 0).await;
    store.delete(&key("g/gone")).await.unwrap();
    drop(store);

    let store = open(&folder);
    let found = entry(&store, "g/p").await;
    assert_eq!((found.revision, found.content.as_deref()), (second, Some(&b"small"[..])));
    let old = store.revision(&key("g/p"), first).await.unwrap().unwrap();
    assert!(old.content.as_deref() == Some(large.as_bytes()), "the older revision changed");
    assert_eq!(entry(&store, "g/p.lock").await.content.as_deref(), Some(&b""[..]));
    assert_eq!(store.get(&key("g/gone")).await, Ok(Slot::Absent));
    assert_eq!(store.health().await.detail, "embedded, 2 documents");
}

#[tokio::test]
async fn folder_and_file_are_for_the_owner_only() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("made/by/us");
    let _store = Embedded::open(Settings::new(&folder)).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("states.redb")), 0o600);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left in the folder");
}

#[tokio::test]
async fn a_second_server_is_told_that_the_folder_is_served() {
    let (folder, store) = fresh();
    put(&store, "g/p", "one", 0).await;
    let error = refused(&folder);
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    assert!(error.to_string().contains("another tofu-state serves this folder"), "{error}");
    put(&store, "g/p", "two", 1).await;
    drop(store);
    assert_eq!(entry(&open(&folder), "g/p").await.content.as_deref(), Some(&b"two"[..]));
}

#[test]
fn of_servers_that_start_at_once_one_gets_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let opened: Vec<Result<Embedded, OpenError>> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| Embedded::open(Settings::new(folder.path())))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    // One that looks into the file just then can keep another from opening it, but never two get it.
    assert!(opened.iter().filter(|opened| opened.is_ok()).count() <= 1);
    for error in opened.iter().filter_map(|opened| opened.as_ref().err()) {
        assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    }
    drop(opened);
    open(&folder);
}

#[test]
fn a_file_of_a_later_release_is_refused_and_left_as_it_is() {
    let (folder, store) = fresh();
    drop(store);
    let numbers: TableDefinition<&str, u64> = TableDefinition::new("numbers");
    let database = redb::Database::open(path(&folder)).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(numbers).unwrap().insert("format", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let error = refused_untouched(&folder);
    assert!(matches!(error, OpenError::Newer { found: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("has format 2, this release knows formats up to 1"), "{error}");
}

#[test]
fn a_redb_file_of_something_else_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let other: TableDefinition<u32, u32> = TableDefinition::new("numbers");
    let database = redb::Database::create(path(&folder)).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(other).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let error = refused_untouched(&folder);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    let database = redb::Database::open(path(&folder)).unwrap();
    assert_eq!(database.begin_read().unwrap().open_table(other).unwrap().get(1).unwrap().unwrap().value(), 2);
}

#[test]
fn what_is_no_redb_file_is_refused_and_left_as_it_is() {
    for content in ["", "x", "{\"version\": 4}\n", &"not a database ".repeat(10_000)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(path(&folder), content).unwrap();
        let error = refused_untouched(&folder);
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert!(error.to_string().contains("is not a store of tofu-state"), "{error}");
    }
}

#[tokio::test]
async fn a_truncated_file_is_refused_and_left_as_it_is() {
    let (folder, store) = fresh();
    put(&store, "g/p", &"x".repeat(300_000), 0).await;
    drop(store);
    let whole = fs::read(path(&folder)).unwrap();
    for length in [100, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(path(&folder), &whole[..length]).unwrap();
        let error = refused_untouched(&folder);
        assert!(!matches!(error, OpenError::InUse(_) | OpenError::Newer { .. }), "{error:?}");
    }
    fs::write(path(&folder), &whole).unwrap();
    assert_eq!(entry(&open(&folder), "g/p").await.content.unwrap().len(), 300_000);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("file");
    fs::write(&folder, "not a folder").unwrap();
    let error = match Embedded::open(Settings::new(&folder)) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    };
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains(folder.to_str().unwrap()), "{error}");
}
