//! What every driver must do, as plain async functions against the [`Store`] trait.
//!
//! Each takes a prefix that its keys start with, so that runs in one shared store do not meet. What
//! the trait alone cannot bring about (a revision removed in the store itself, an outage) is tested
//! with the driver that can have it.
//!
//! `meta` is JSON in UTF-8 throughout: that is what the protocol component writes, and a driver may
//! count on it. `content` may be any bytes.

pub mod basics;
pub mod fidelity;
pub mod keys;
pub mod races;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::{Entry, Key, Outcome, Retention, Revision, Slot, Store, Write};

/// Runs the whole suite under a prefix of its own.
///
/// # Panics
/// When the store breaks a rule; the text says which.
pub async fn run_all(store: Arc<dyn Store>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    run_all_under(store, &format!("suite-{}-{}", std::process::id(), now.as_nanos())).await;
}

/// Runs the whole suite under `prefix`, which must be a valid key.
///
/// # Panics
/// When the store breaks a rule; the text says which.
pub async fn run_all_under(store: Arc<dyn Store>, prefix: &str) {
    let plain = &*store;
    basics::is_available(plain).await;
    basics::nothing_written_is_absent(plain, prefix).await;
    basics::creates_once(plain, prefix).await;
    basics::writes_only_on_the_newest_revision(plain, prefix).await;
    basics::a_conflict_on_an_absent_key_creates_nothing(plain, prefix).await;
    basics::the_same_content_again_is_a_new_revision(plain, prefix).await;
    basics::takes_both_retentions(plain, prefix).await;
    basics::erases_what_was_before(plain, prefix).await;
    basics::deletes_and_creates_again(plain, prefix).await;
    keys::takes_every_shape_of_key(plain, prefix).await;
    keys::neighbours_do_not_touch_each_other(plain, prefix).await;
    keys::fetches_many_in_order(plain, prefix).await;
    fidelity::keeps_meta_exactly(plain, prefix).await;
    fidelity::keeps_content_exactly(plain, prefix).await;
    fidelity::tells_no_content_from_empty_content(plain, prefix).await;
    fidelity::replaces_large_by_small_and_back(plain, prefix).await;
    races::one_of_many_creators_wins(&store, prefix).await;
    races::one_of_many_writers_wins_each_round(&store, prefix).await;
    races::no_increment_is_lost(&store, prefix).await;
    races::readers_see_whole_documents(&store, prefix).await;
}

/// A key under `prefix`.
fn key(prefix: &str, rest: &str) -> Key {
    Key::parse(&format!("{prefix}/{rest}")).expect("the suite names valid keys")
}

/// A write with `meta` and `content` that keeps the history.
fn write(meta: &str, content: Option<&[u8]>, expected: Revision) -> Write {
    Write {
        meta: Bytes::copy_from_slice(meta.as_bytes()),
        content: content.map(Bytes::copy_from_slice),
        expected,
        retention: Retention::History,
    }
}

/// Writes what must succeed, and gives its revision.
async fn put(store: &dyn Store, key: &Key, write: Write) -> Revision {
    let expected = write.expected;
    match store.put_cas(key, write).await {
        Ok(Outcome::Written(revision)) => {
            assert!(revision > expected, "{key}: the new revision {revision} is not above {expected}");
            revision
        }
        other => panic!("{key}: a write on the newest revision {expected} ended as {other:?}"),
    }
}

/// Tries what must be a lost race.
async fn lose(store: &dyn Store, key: &Key, write: Write, why: &str) {
    let expected = write.expected;
    let outcome = store.put_cas(key, write).await;
    assert_eq!(outcome, Ok(Outcome::Conflict), "{key}: {why} (expected revision {expected}) must be a conflict");
}

/// Reads what must be a document.
async fn entry(store: &dyn Store, key: &Key) -> Entry {
    match store.get(key).await {
        Ok(Slot::Entry(entry)) => entry,
        other => panic!("{key}: a document that was written reads as {other:?}"),
    }
}

/// Reads what must not be there.
async fn assert_absent(store: &dyn Store, key: &Key, why: &str) {
    assert_eq!(store.get(key).await, Ok(Slot::Absent), "{key}: {why} must be absent");
}

/// Compares without printing the bytes: a failing 300 KB comparison would bury its own message.
fn assert_same(key: &Key, what: &str, found: &[u8], sent: &[u8]) {
    if found == sent {
        return;
    }
    let at = found.iter().zip(sent).position(|(a, b)| a != b).unwrap_or(found.len().min(sent.len()));
    panic!("{key}: {what} of {} bytes came back as {} bytes, different from byte {at} on", sent.len(), found.len());
}
