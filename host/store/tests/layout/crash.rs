//! A server that dies in the middle of a write leaves the old state or the new one, whole.

use tofu_state_store::testing::dying::Dying;

use super::*;

/// Dies at each call in turn: among the chunks, at the manifest, and while it tidies up.
async fn dies_everywhere(make: impl Fn() -> Arc<dyn History>, old: &Bytes, new: &Bytes) {
    for last_is_done in [false, true] {
        let mut deaths = 0;
        for answered in 0.. {
            let (raw, time) = (make(), Time::new());
            let before = put(&time.layout(Arc::clone(&raw)), old, 0).await;
            time.pass(60);
            let dying = Arc::new(Dying::new(Arc::clone(&raw), answered, last_is_done));
            let server = time.layout(Arc::<Dying>::clone(&dying));
            let ended = server.put_cas(&state(), write(new, before)).await;
            server.settled().await;

            let next = time.layout(Arc::clone(&raw));
            let found = entry(&next).await;
            let is_new = found.revision > before;
            assert_same(found.content.as_ref(), if is_new { new } else { old });
            assert!(is_new || ended.is_err(), "acknowledged, but not there");

            time.pass(60);
            let third = noise(3, 2 * ENTRY);
            let last = put(&next, &third, found.revision).await;
            next.settled().await;
            let found = entry(&next).await;
            assert_eq!(found.revision, last);
            assert_same(found.content.as_ref(), &third);
            assert_eq!(sets(&*raw).await, named_sets(&*raw).await, "death at call {answered}");
            for revision in raw.revisions(&state()).await.unwrap() {
                let kept = next.revision(&state(), revision).await;
                assert!(matches!(kept, Ok(Slot::Entry(_))), "revision {revision}: {kept:?}");
            }
            if !dying.is_dead() {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 12, "only {deaths} deaths");
    }
}

#[tokio::test]
async fn wherever_a_server_dies_on_memory() {
    let (old, new) = (noise(1, 3 * ENTRY + 1), noise(2, 11 * ENTRY));
    for keep in [1, 2] {
        dies_everywhere(|| Arc::new(Memory::keeping(keep)), &old, &new).await;
    }
}

#[tokio::test]
async fn wherever_a_server_dies_when_a_state_becomes_large() {
    dies_everywhere(|| Arc::new(Memory::keeping(1)), &noise(1, 10), &noise(2, 11 * ENTRY)).await;
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_state_whole() {
    use tofu_state_store::testing::disk::Disk;
    let folder = tempfile::tempdir().unwrap();
    let (raw, disk) = Disk::open(embedded::Settings::new(folder.path())).unwrap();
    let (raw, time) = (Arc::new(raw), Time::new());
    let layout = time.layout(Arc::<Embedded>::clone(&raw));
    let (old, new) = (noise(1, 5 * ENTRY), noise(2, 400 * ENTRY));
    let mut revision = put(&layout, &old, 0).await;
    for changes in [0, 1, 5, 20, 60] {
        disk.fail(changes, std::io::ErrorKind::StorageFull, usize::MAX);
        let ended = layout.put_cas(&state(), write(&new, revision)).await;
        assert!(matches!(ended, Err(tofu_state_store::Error::OutOfSpace(_))), "{ended:?}");
        layout.settled().await;
        disk.repair();
        assert_same(entry(&layout).await.content.as_ref(), &old);
    }
    revision = put(&layout, &new, revision).await;
    let found = entry(&layout).await;
    assert_eq!(found.revision, revision);
    assert_same(found.content.as_ref(), &new);
    time.pass(60);
    put(&layout, &old, revision).await;
    layout.settled().await;
    assert_eq!(sets(&*raw).await, named_sets(&*raw).await, "what the full disk left over is gone");
}
