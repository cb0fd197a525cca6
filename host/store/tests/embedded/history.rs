//! Older revisions: which are kept, and that no revision comes back.

use super::*;

async fn write_with(store: &Embedded, name: &str, retention: Retention, times: u64) -> Revision {
    let mut newest = match store.get(&key(name)).await.unwrap() {
        Slot::Entry(entry) => entry.revision,
        _ => 0,
    };
    for _ in 0..times {
        let content = format!("{}", newest + 1);
        let outcome = store.put_cas(&key(name), Write { retention, ..write(&content, newest) }).await.unwrap();
        let Outcome::Written(revision) = outcome else { panic!("{name}: {outcome:?}") };
        newest = revision;
    }
    newest
}

#[tokio::test]
async fn keeps_as_many_revisions_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |keep_versions| Settings { keep_versions, ..Settings::new(folder.path()) };
    let store = Embedded::open(settings(5)).unwrap();
    write_with(&store, "g/p", Retention::History, 3).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [1, 2, 3]);
    write_with(&store, "g/p", Retention::History, 9).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [8, 9, 10, 11, 12]);
    for revision in 8..=12 {
        let entry = store.revision(&key("g/p"), revision).await.unwrap().unwrap();
        assert_eq!((entry.revision, entry.content), (revision, Some(Bytes::from(revision.to_string()))));
    }
    assert_eq!(store.revision(&key("g/p"), 7).await, Ok(None));
    assert_eq!(store.revision(&key("g/p"), 13).await, Ok(None));
    assert_eq!(store.revisions(&key("g/absent")).await.unwrap(), [0; 0]);

    drop(store);
    let fewer = Embedded::open(settings(2)).unwrap();
    assert_eq!(fewer.revisions(&key("g/p")).await.unwrap().len(), 5, "opening alone drops nothing");
    write_with(&fewer, "g/p", Retention::History, 1).await;
    assert_eq!(fewer.revisions(&key("g/p")).await.unwrap(), [12, 13]);
}

#[tokio::test]
async fn keeps_the_newest_only_where_none_else_is_needed() {
    let (_folder, store) = fresh();
    write_with(&store, "g/p.lock", Retention::Latest, 20).await;
    assert_eq!(store.revisions(&key("g/p.lock")).await.unwrap(), [20]);
    write_with(&store, "g/p.lock", Retention::History, 2).await;
    assert_eq!(store.revisions(&key("g/p.lock")).await.unwrap(), [20, 21, 22]);
    write_with(&store, "g/p.lock", Retention::Latest, 1).await;
    assert_eq!(store.revisions(&key("g/p.lock")).await.unwrap(), [20, 21, 23], "what was kept stays");
}

#[tokio::test]
async fn a_revision_never_comes_back() {
    let (folder, store) = fresh();
    write_with(&store, "g/p", Retention::History, 7).await;
    store.delete(&key("g/p")).await.unwrap();
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [0; 0]);
    drop(store);

    let store = open(&folder);
    assert_eq!(store.get(&key("g/p")).await, Ok(Slot::Absent));
    let again = put(&store, "g/p", "again", 0).await;
    assert!(again > 7, "revision {again} after 7 was deleted");
    for old in 1..=7 {
        assert_eq!(store.put_cas(&key("g/p"), write("late", old)).await, Ok(Outcome::Conflict));
    }
    store.delete(&key("g/p")).await.unwrap();
    store.delete(&key("g/p")).await.unwrap();
    assert!(put(&store, "g/p", "once more", 0).await > again);
}

async fn thin(store: &Embedded, name: &str, first: Revision, last: Revision) -> Revision {
    write_with(store, name, Retention::Thinned { first, last }, 1).await
}

#[tokio::test]
async fn thinned_revisions_leave_their_places_to_older_ones() {
    let (folder, store) = fresh_keeping(5);
    write_with(&store, "g/p", Retention::History, 4).await;
    assert_eq!(thin(&store, "g/p", 3, 3).await, 5);
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [1, 2, 4, 5]);
    write_with(&store, "g/p", Retention::History, 1).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [1, 2, 4, 5, 6], "five, though 1 is five behind 6");
    write_with(&store, "g/p", Retention::History, 1).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [2, 4, 5, 6, 7]);
    // The oldest one of all, and one that is gone already.
    thin(&store, "g/p", 2, 3).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [4, 5, 6, 7, 8]);
    thin(&store, "g/p", 5, 7).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [4, 8, 9]);
    // Neither the newest nor what is to come can be meant, nor a span without end.
    thin(&store, "g/p", 9, Revision::MAX).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [4, 8, 9, 10]);
    thin(&store, "g/p", 8, 4).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [4, 8, 9, 10, 11]);
    drop(store);

    let store = Embedded::open(Settings { keep_versions: 2, ..Settings::new(folder.path()) }).unwrap();
    write_with(&store, "g/p", Retention::History, 1).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [11, 12]);
    store.delete(&key("g/p")).await.unwrap();
    let first = write_with(&store, "g/p", Retention::History, 1).await;
    write_with(&store, "g/p", Retention::History, 1).await;
    assert_eq!(store.revisions(&key("g/p")).await.unwrap(), [first, first + 1], "a new beginning has no gaps");
}

fn fresh_keeping(keep_versions: u32) -> (tempfile::TempDir, Embedded) {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(Settings { keep_versions, ..Settings::new(folder.path()) }).unwrap();
    (folder, store)
}

/// Against a list of revisions, whatever is thinned in whatever order.
#[tokio::test]
async fn as_many_are_kept_as_are_to_be_whatever_is_thinned() {
    let (_folder, store) = fresh_keeping(6);
    let (mut expected, mut newest): (Vec<Revision>, Revision) = (Vec::new(), 0);
    let mut word = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..300 {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        let last = newest.saturating_sub(1 + word % 4);
        let first = last.saturating_sub((word >> 8) & 3).max(1);
        let mut most = 6;
        newest = match word & 192 {
            0 => {
                expected.retain(|revision| !(first..=last).contains(revision));
                thin(&store, "g/p", first, last).await
            }
            64 => {
                let (beside, gone) = ((word >> 16) & 3, (last > 0).then_some(last));
                expected.retain(|revision| Some(*revision) != gone);
                most += beside as usize;
                write_with(&store, "g/p", Retention::Passing { beside, gone }, 1).await
            }
            _ => write_with(&store, "g/p", Retention::History, 1).await,
        };
        expected.push(newest);
        let surplus = expected.len().saturating_sub(most);
        expected.drain(..surplus);
        assert_eq!(store.revisions(&key("g/p")).await.unwrap(), expected);
    }
}
