//! Revisions, conflicts, deletion.

use super::{assert_absent, entry, key, lose, put, write};
use crate::{Outcome, Retention, Slot, Store, Write};

/// A store that runs says so, in words.
pub async fn is_available(store: &dyn Store) {
    let health = store.health().await;
    assert!(health.available, "a running store calls itself unavailable: {}", health.detail);
    assert!(!health.detail.is_empty(), "health has no words for a person");
}

/// A key that was never written is absent, whichever way it is asked for.
pub async fn nothing_written_is_absent(store: &dyn Store, prefix: &str) {
    assert_absent(store, &key(prefix, "never"), "a key never written").await;
    assert_absent(store, &key(prefix, "never/written.lock"), "a nested key never written").await;
    assert_absent(store, &key(prefix, "never"), "a key that was only read").await;
}

/// Expected revision 0 creates, and only once.
pub async fn creates_once(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "basics/create");
    let revision = put(store, &key, write(r#"{"n":1}"#, Some(b"one"), 0)).await;
    lose(store, &key, write(r#"{"n":2}"#, Some(b"two"), 0), "a second creation").await;
    lose(store, &key, write(r#"{"n":1}"#, Some(b"one"), 0), "a repeated creation").await;
    let found = entry(store, &key).await;
    assert_eq!(found.revision, revision, "{key}: another revision than the write was told");
    assert_eq!(found.meta, r#"{"n":1}"#, "{key}: a lost creation changed meta");
    assert_eq!(found.content.as_deref(), Some(&b"one"[..]), "{key}: a lost creation changed content");
}

/// Only the newest revision may be written on, and revisions grow strictly.
pub async fn writes_only_on_the_newest_revision(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "basics/cas");
    let first = put(store, &key, write(r#"{"n":1}"#, Some(b"one"), 0)).await;
    let second = put(store, &key, write(r#"{"n":2}"#, Some(b"two"), first)).await;
    let third = put(store, &key, write(r#"{"n":3}"#, None, second)).await;
    assert!(first < second && second < third, "{key}: revisions {first}, {second}, {third} do not grow");

    let late = |expected| write(r#"{"n":9}"#, Some(b"late"), expected);
    lose(store, &key, late(0), "a creation of what exists").await;
    lose(store, &key, late(first), "a write on an old revision").await;
    lose(store, &key, late(second), "a write on the revision before").await;
    lose(store, &key, late(third + 1), "a write on the next revision").await;
    lose(store, &key, late(third + 1000), "a write on a revision far ahead").await;

    let found = entry(store, &key).await;
    assert_eq!(
        (found.revision, &found.meta[..], found.content),
        (third, &br#"{"n":3}"#[..], None),
        "{key}: a lost write left traces"
    );
}

/// A write that expects a revision of a key that was never written loses, and leaves it absent.
pub async fn a_conflict_on_an_absent_key_creates_nothing(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "basics/absent");
    lose(store, &key, write("{}", Some(b"x"), 1), "a write on revision 1 of nothing").await;
    lose(store, &key, write("{}", Some(b"x"), 77), "a write on revision 77 of nothing").await;
    assert_absent(store, &key, "a key on which only lost writes were tried").await;
    put(store, &key, write("{}", Some(b"x"), 0)).await;
}

/// The fence rests on this: re-writing the same bytes is a new revision, so an older write loses.
pub async fn the_same_content_again_is_a_new_revision(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "basics/fence");
    let seen = put(store, &key, write(r#"{"n":1}"#, Some(b"state"), 0)).await;
    let fence = put(store, &key, write(r#"{"n":1}"#, Some(b"state"), seen)).await;
    assert!(fence > seen, "{key}: the same bytes were not a new revision");
    lose(store, &key, write(r#"{"n":2}"#, Some(b"late"), seen), "a write that saw the revision before the fence").await;
    assert_eq!(entry(store, &key).await.content.as_deref(), Some(&b"state"[..]));
}

/// Both retentions can be asked for, on one key too, and neither changes what is read.
pub async fn takes_both_retentions(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "basics/retention");
    let mut revision = 0;
    let turns = [Retention::Latest, Retention::Latest, Retention::History, Retention::History, Retention::Latest];
    for (turn, retention) in turns.into_iter().enumerate() {
        let content = format!("turn {turn}");
        revision =
            put(store, &key, Write { retention, ..write(r#"{"n":1}"#, Some(content.as_bytes()), revision) }).await;
        let found = entry(store, &key).await;
        assert_eq!(found.revision, revision, "{key}: {retention:?} gives another revision");
        assert_eq!(found.content.as_deref(), Some(content.as_bytes()), "{key}: {retention:?} gives other bytes");
    }
}

/// What was there before is gone where none of it may be left, whatever was to be kept until then.
pub async fn erases_what_was_before(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "basics/erased");
    let mut revision = 0;
    for retention in [Retention::Latest, Retention::Latest, Retention::History, Retention::History] {
        revision = put(store, &key, Write { retention, ..write(r#"{"n":1}"#, Some(b"unwanted"), revision) }).await;
    }
    let late = Write { retention: Retention::Erased, ..write(r#"{"n":2}"#, None, revision - 1) };
    lose(store, &key, late, "an erasure that has seen an older revision").await;
    assert_eq!(entry(store, &key).await.content.as_deref(), Some(&b"unwanted"[..]), "{key}: a lost erasure erased");
    for content in [None, Some(&b"other"[..]), None] {
        let before = revision;
        let erasing = Write { retention: Retention::Erased, ..write(r#"{"n":2}"#, content, revision) };
        revision = put(store, &key, erasing).await;
        let found = entry(store, &key).await;
        assert_eq!((found.revision, found.content.as_deref()), (revision, content), "{key}: after an erasure");
        let Some(history) = store.history() else { continue };
        assert_eq!(history.revisions(&key).await, Ok(vec![revision]), "{key}: older revisions are kept");
        for older in 1..=before {
            let found = history.revision(&key, older).await;
            assert_eq!(found, Ok(Slot::Absent), "{key}: revision {older} was to be erased");
        }
    }
    revision = put(store, &key, write(r#"{"n":3}"#, Some(b"again"), revision)).await;
    assert_eq!(entry(store, &key).await.revision, revision);
    let first = self::key(prefix, "basics/erased-first");
    let created = put(store, &first, Write { retention: Retention::Erased, ..write("{}", Some(b"x"), 0) }).await;
    assert_eq!(entry(store, &first).await.revision, created);
}

/// A deleted key is absent and can be created again; deleting nothing is no error.
pub async fn deletes_and_creates_again(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "basics/deleted");
    assert_eq!(store.delete(&key).await, Ok(()), "{key}: deleting what never was is no error");
    assert_absent(store, &key, "a key deleted before it was written").await;

    let first = put(store, &key, write(r#"{"n":1}"#, Some(b"one"), 0)).await;
    let second = put(store, &key, write(r#"{"n":2}"#, Some(b"two"), first)).await;
    assert_eq!(store.delete(&key).await, Ok(()), "{key}: deletion");
    assert_absent(store, &key, "a deleted key").await;
    assert_eq!(store.delete(&key).await, Ok(()), "{key}: deleting twice is no error");
    lose(store, &key, write("{}", None, second), "a write on a deleted revision").await;
    assert_absent(store, &key, "a deleted key after a lost write").await;

    let again = put(store, &key, write(r#"{"n":3}"#, Some(b"three"), 0)).await;
    let found = entry(store, &key).await;
    assert_eq!((found.revision, found.content.as_deref()), (again, Some(&b"three"[..])), "{key}: created again");
    let next = store.put_cas(&key, write("{}", None, again)).await;
    assert!(matches!(next, Ok(Outcome::Written(n)) if n > again), "{key}: a write after the re-creation: {next:?}");
}
