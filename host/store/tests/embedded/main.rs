//! The embedded store: the suite, its file, its history, a failing disk, and crashes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is test code; a panic fails the test")]

mod backup;
mod crash;
mod disk;
mod file;
mod history;

use std::sync::Arc;

use bytes::Bytes;
use tofu_state_store::embedded::{Embedded, Settings};
use tofu_state_store::testing::suite;
use tofu_state_store::{Entry, Error, Key, Outcome, Retention, Revision, Slot, Store, Write};

/// A folder of its own, and an empty store in it.
fn fresh() -> (tempfile::TempDir, Embedded) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    (folder, store)
}

fn open(folder: &tempfile::TempDir) -> Embedded {
    Embedded::open(Settings::new(folder.path())).unwrap()
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn write(content: &str, expected: Revision) -> Write {
    Write {
        meta: Bytes::from_static(b"{}"),
        content: Some(Bytes::copy_from_slice(content.as_bytes())),
        expected,
        retention: Retention::History,
    }
}

async fn put(store: &Embedded, name: &str, content: &str, expected: Revision) -> Revision {
    match store.put_cas(&key(name), write(content, expected)).await {
        Ok(Outcome::Written(revision)) => revision,
        other => panic!("{name}: {other:?}"),
    }
}

async fn entry(store: &Embedded, name: &str) -> Entry {
    match store.get(&key(name)).await {
        Ok(Slot::Entry(entry)) => entry,
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite() {
    let (_folder, store) = fresh();
    suite::run_all(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite_keeping_one_version_and_hardly_any_cache() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { keep_versions: 0, cache_bytes: 64 * 1024, ..Settings::new(folder.path()) };
    suite::run_all(Arc::new(Embedded::open(settings).unwrap())).await;
}

#[tokio::test]
async fn a_closed_store_says_so_and_closing_twice_is_no_error() {
    let (folder, store) = fresh();
    put(&store, "g/p", "one", 0).await;
    store.close();
    store.close();
    let closed = Error::Unavailable("the store is closed".to_owned());
    assert_eq!(store.get(&key("g/p")).await, Err(closed.clone()));
    assert_eq!(store.put_cas(&key("g/p"), write("two", 1)).await, Err(closed.clone()));
    assert_eq!(store.delete(&key("g/p")).await, Err(closed.clone()));
    assert_eq!(store.get_many(&[key("a"), key("b")]).await, [Err(closed.clone()), Err(closed)]);
    assert!(!store.health().await.available);
    let again = open(&folder);
    assert_eq!(entry(&again, "g/p").await.content.as_deref(), Some(&b"one"[..]), "closed, the file is free");
}

#[tokio::test]
async fn writes_whose_callers_went_away_do_not_pile_up() {
    let (_folder, store) = fresh();
    let store = Arc::new(store);
    // Polled once, a write is with the writing thread; then nobody waits for it any more. The first ones may
    // have begun; those behind them are passed over, or the content of all of them would be held for nobody.
    for number in 0..200 {
        let (writer, name) = (Arc::clone(&store), key(&format!("g/{number}")));
        futures_util::future::poll_immediate(Box::pin(async move { writer.put_cas(&name, write("x", 0)).await })).await;
    }
    put(&store, "g/other", "two", 0).await;
    let mut made = 0;
    for number in 0..200 {
        made += u32::from(store.get(&key(&format!("g/{number}"))).await.unwrap() != Slot::Absent);
    }
    assert!(made < 200, "all of them were made");
    assert_eq!(entry(&store, "g/other").await.content.as_deref(), Some(&b"two"[..]));
}
