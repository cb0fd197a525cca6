//! The layout: the suite on every store, sizes, faults, crashes, races, and what is collected.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails; clippy takes only marked functions for tests"
)]

mod crash;
mod faults;
mod fence;
mod garbage;
mod large;
mod listing;
mod openbao;
mod races;
mod random;
mod rights;
mod sizes;
mod thinned;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tofu_state_store::embedded::{self, Embedded};
use tofu_state_store::history::Child;
use tofu_state_store::layout::{Clock, Settings, Surroundings};
use tofu_state_store::memory::Memory;
use tofu_state_store::testing::suite;
use tofu_state_store::{Entry, History, Key, Layout, Outcome, Retention, Revision, Slot, Store, Write};

/// Entries so small that a few kilobytes make many chunks.
const ENTRY: usize = 1000;

/// A clock that stands still until a test moves it.
#[derive(Clone)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000)))
    }

    fn pass(&self, minutes: u64) {
        self.0.fetch_add(minutes * 60, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Arc::new(move || -> SystemTime { UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst)) })
    }

    /// A layout on `store` with entries of [`ENTRY`] bytes.
    fn layout(&self, store: Arc<dyn History>) -> Layout {
        let around = Surroundings { clock: self.clock(), ..Surroundings::default() };
        Layout::new(store, Settings { entry_bytes: Some(ENTRY), around, ..Settings::undivided() })
    }
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn state() -> Key {
    key("g/p")
}

/// Bytes that cannot be compressed, others for each seed.
fn noise(seed: u64, bytes: usize) -> Bytes {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_le_bytes()
    };
    let mut all: Vec<u8> = std::iter::repeat_with(next).take(bytes.div_ceil(8)).flatten().collect();
    all.truncate(bytes);
    Bytes::from(all)
}

fn write(content: &Bytes, expected: Revision) -> Write {
    let meta = Bytes::from_static(b"{\"n\": 1}\n");
    Write { meta, content: Some(content.clone()), expected, retention: Retention::History }
}

async fn put(store: &dyn Store, content: &Bytes, expected: Revision) -> Revision {
    match store.put_cas(&state(), write(content, expected)).await {
        Ok(Outcome::Written(revision)) => revision,
        other => panic!("{other:?}"),
    }
}

async fn entry(store: &dyn Store) -> Entry {
    match store.get(&state()).await {
        Ok(Slot::Entry(entry)) => entry,
        other => panic!("{other:?}"),
    }
}

/// Compares without printing the bytes.
#[track_caller]
fn assert_same(found: Option<&Bytes>, sent: &Bytes) {
    assert!(found == Some(sent), "{} bytes came back as {:?}", sent.len(), found.map(Bytes::len));
}

/// All chunk sets of the state, and the numbers of their chunks.
async fn sets(raw: &dyn History) -> BTreeSet<String> {
    let mut sets = BTreeSet::new();
    for child in raw.list(&key(".chunks/g/p")).await.unwrap() {
        let Child::Folder(name) = child else { panic!("{child:?} among the sets") };
        sets.insert(name);
    }
    sets
}

async fn chunks(raw: &dyn History, set: &str) -> Vec<Key> {
    let children = raw.list(&key(&format!(".chunks/g/p/{set}"))).await.unwrap();
    let mut chunks: Vec<Key> = children
        .into_iter()
        .map(|child| match child {
            Child::Document(name) => key(&format!(".chunks/g/p/{set}/{name}")),
            Child::Folder(name) => panic!("the folder {name} among the chunks"),
        })
        .collect();
    chunks.sort_by_key(|chunk| chunk.as_str().rsplit('/').next().unwrap().parse::<usize>().unwrap());
    chunks
}

/// The set that a raw document's manifest names. Reads the format as it is documented.
fn named(raw: &Entry) -> Option<String> {
    raw.meta.starts_with(b"{\"format\":1,\"layout\":\"chunks\"}\n").then(|| {
        let manifest: serde_json::Value = serde_json::from_slice(raw.content.as_ref().unwrap()).unwrap();
        manifest["set"].as_str().unwrap().to_owned()
    })
}

/// The sets that the state's kept revisions name.
async fn named_sets(raw: &dyn History) -> BTreeSet<String> {
    let mut sets = BTreeSet::new();
    for revision in raw.revisions(&state()).await.unwrap() {
        if let Slot::Entry(entry) = raw.revision(&state(), revision).await.unwrap() {
            sets.extend(named(&entry));
        }
    }
    sets
}

fn embedded(keep_versions: u32) -> (tempfile::TempDir, Arc<Embedded>) {
    let folder = tempfile::tempdir().unwrap();
    let settings = embedded::Settings { keep_versions, ..embedded::Settings::new(folder.path()) };
    let store = Arc::new(Embedded::open(settings).unwrap());
    (folder, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite_on_memory() {
    suite::run_all(Arc::new(Layout::new(Arc::new(Memory::keeping(3)), Settings::undivided()))).await;
    suite::run_all(Arc::new(Layout::new(Arc::new(Memory::new()), Settings::for_openbao()))).await;
    // Nearly everything in chunks, and all garbage gone at once.
    let small = Settings { entry_bytes: Some(100), garbage_age: Duration::ZERO, ..Settings::undivided() };
    suite::run_all(Arc::new(Layout::new(Arc::new(Memory::keeping(3)), small))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite_on_the_embedded_store() {
    let (_folder, store) = embedded(100);
    suite::run_all(Arc::new(Layout::new(store, Settings::for_embedded()))).await;
    let (_folder, store) = embedded(3);
    let small = Settings { entry_bytes: Some(64 * 1024), garbage_age: Duration::ZERO, ..Settings::undivided() };
    suite::run_all(Arc::new(Layout::new(store, small))).await;
}
