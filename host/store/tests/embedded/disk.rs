//! A disk that is full or fails: nothing is lost, nothing is half-written, and it goes on by itself.

use std::io::ErrorKind;

use tofu_state_store::testing::disk::Disk;

use super::*;

fn on_disk() -> (tempfile::TempDir, Embedded, Disk) {
    let folder = tempfile::tempdir().unwrap();
    let (store, disk) = Disk::open(Settings::new(folder.path())).unwrap();
    (folder, store, disk)
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let (_folder, store, disk) = on_disk();
    put(&store, "g/p", "old", 0).await;
    disk.fill();
    for _ in 0..3 {
        let refused = store.put_cas(&key("g/p"), write(&"new".repeat(100_000), 1)).await;
        assert!(matches!(refused, Err(Error::OutOfSpace(_))), "{refused:?}");
    }
    let health = store.health().await;
    assert!(!health.available, "{health:?}");
    assert!(health.detail.contains("no space"), "{health:?}");

    disk.repair();
    assert!(store.health().await.available, "the trial write passes again");
    assert_eq!(entry(&store, "g/p").await.content.as_deref(), Some(&b"old"[..]));
    assert_eq!(put(&store, "g/p", "new", 1).await, 2);
    assert_eq!(entry(&store, "g/p").await.content.as_deref(), Some(&b"new"[..]));
}

/// `kill -9` leaves what the system has in memory; a power loss leaves what was synced.
#[tokio::test]
async fn an_acknowledged_write_survives_a_power_loss() {
    let (_folder, store, disk) = on_disk();
    let mut revision = 0;
    for turn in 0..15 {
        let content = turn.to_string().repeat(turn * 1000);
        revision = put(&store, "g/p", &content, revision).await;
        let after = tempfile::tempdir().unwrap();
        std::fs::write(after.path().join("states.redb"), disk.synced()).unwrap();
        let found = entry(&open(&after), "g/p").await;
        assert_eq!((found.revision, found.content), (revision, Some(Bytes::from(content))));
    }
    store.delete(&key("g/p")).await.unwrap();
    let after = tempfile::tempdir().unwrap();
    std::fs::write(after.path().join("states.redb"), disk.synced()).unwrap();
    assert_eq!(open(&after).get(&key("g/p")).await, Ok(Slot::Absent));
}

/// Fails each single change that a write makes to the file, in turn: the disk stays broken until
/// the write was answered, and the document is then the old or the new one, whole.
#[tokio::test]
async fn wherever_the_disk_fails_the_document_stays_whole() {
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        let (folder, store, disk) = on_disk();
        let mut revision = put(&store, "g/p", "start", 0).await;
        put(&store, "g/bystander", "bystander", 0).await;
        let mut failures = 0;
        for at in 0.. {
            let content = format!("{at} ").repeat(5000);
            disk.repair();
            disk.fail(at, kind, usize::MAX);
            let ended = store.put_cas(&key("g/p"), write(&content, revision)).await;
            let changes = disk.changes();
            disk.repair();
            let found = entry(&store, "g/p").await;
            assert_eq!(entry(&store, "g/bystander").await.content.as_deref(), Some(&b"bystander"[..]));
            let is_new = found.content.as_deref() == Some(content.as_bytes());
            match ended {
                Ok(Outcome::Written(written)) => {
                    assert!(is_new && found.revision == written, "acknowledged, but not there: {found:?}");
                    revision = written;
                    if changes <= at {
                        break;
                    }
                }
                Ok(Outcome::Conflict) => assert!(is_new, "a conflict with nobody"),
                Err(error) => {
                    failures += 1;
                    let old = found.revision == revision;
                    assert!(old != is_new, "neither the old nor the new document after {error}");
                    let expected_kind = if kind == ErrorKind::StorageFull {
                        matches!(error, Error::OutOfSpace(_))
                    } else {
                        matches!(error, Error::Unavailable(_))
                    };
                    assert!(expected_kind, "{kind}: {error:?}");
                }
            }
            revision = found.revision;
        }
        assert!(failures > 3, "the disk failed under {failures} writes only");
        drop(store);
        let again = open(&folder);
        assert_eq!(entry(&again, "g/p").await.revision, revision);
    }
}

#[tokio::test]
async fn a_failure_that_passes_at_once_is_not_noticed() {
    let (_folder, store, disk) = on_disk();
    let mut revision = put(&store, "g/p", "start", 0).await;
    for at in 0..12 {
        disk.fail(at, ErrorKind::Other, 1);
        let ended = store.put_cas(&key("g/p"), write(&at.to_string(), revision)).await;
        disk.repair();
        let found = entry(&store, "g/p").await;
        assert_eq!(found.content, Some(Bytes::from(at.to_string())), "{ended:?}");
        // A commit whose last sync failed can have been done: then trying again is a conflict.
        assert!(matches!(ended, Ok(Outcome::Written(_) | Outcome::Conflict)), "{ended:?}");
        revision = found.revision;
    }
}

#[tokio::test]
async fn one_write_that_does_not_fit_takes_no_other_with_it() {
    let (_folder, store, disk) = on_disk();
    let store = Arc::new(store);
    disk.fill();
    // With the disk full all of them fail, each on its own, and each is answered.
    let names: Vec<Key> = (0..40).map(|n| key(&format!("g/{n}"))).collect();
    let writes = names.iter().map(|name| store.put_cas(name, write("x", 0)));
    for ended in futures_util::future::join_all(writes).await {
        assert!(matches!(ended, Err(Error::OutOfSpace(_))), "{ended:?}");
    }
    disk.repair();
    disk.fail(0, ErrorKind::StorageFull, 1);
    let writes = names.iter().map(|name| store.put_cas(name, write("x", 0)));
    for ended in futures_util::future::join_all(writes).await {
        assert_eq!(ended, Ok(Outcome::Written(1)), "a commit that failed once is made again, write by write");
    }
}

#[tokio::test]
async fn writes_at_the_same_time_share_a_commit() {
    let (_folder, store, disk) = on_disk();
    put(&store, "g/first", "first", 0).await;
    let before = disk.syncs();
    put(&store, "g/second", "second", 0).await;
    let of_one = disk.syncs() - before;
    let names: Vec<Key> = (0..64).map(|n| key(&format!("g/{n}"))).collect();
    let before = disk.syncs();
    let writes = names.iter().map(|name| store.put_cas(name, write("x", 0)));
    for ended in futures_util::future::join_all(writes).await {
        assert_eq!(ended, Ok(Outcome::Written(1)));
    }
    let syncs = disk.syncs() - before;
    assert!(syncs < names.len() * of_one / 2, "{syncs} syncs for {} writes, {of_one} for one", names.len());
}
