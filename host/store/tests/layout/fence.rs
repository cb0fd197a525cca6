//! A content that is written back as it was read is not moved again.

use super::*;
use tofu_state_store::testing::held::Held;

fn rewrite(found: &Entry) -> Write {
    Write {
        meta: found.meta.clone(),
        content: found.content.clone(),
        expected: found.revision,
        retention: Retention::History,
    }
}

#[tokio::test]
async fn a_fence_is_one_write_and_names_the_same_chunks() {
    for content in [noise(1, 20 * ENTRY), Bytes::from("{\"schema_version\":0},".repeat(300))] {
        let (raw, time) = (Arc::new(Memory::keeping(5)), Time::new());
        put(&time.layout(Arc::<Memory>::clone(&raw)), &content, 0).await;
        let held = Arc::new(Held::with_history(Arc::<Memory>::clone(&raw)));
        let layout = time.layout(Arc::<Held>::clone(&held));
        for revision in 1..4 {
            let found = entry(&layout).await;
            assert_eq!(found.revision, revision);
            held.faults().forget();
            assert_eq!(layout.put_cas(&state(), rewrite(&found)).await, Ok(Outcome::Written(revision + 1)));
            assert_eq!(held.faults().log().iter().map(ToString::to_string).collect::<Vec<_>>(), ["put g/p"]);
            let (now, before) = (raw.revision(&state(), revision + 1).await, raw.revision(&state(), revision).await);
            let (Ok(Slot::Entry(now)), Ok(Slot::Entry(before))) = (now, before) else { panic!() };
            assert!(now.meta == before.meta && now.content == before.content, "the same envelope and manifest");
            assert_same(entry(&layout).await.content.as_ref(), &content);
        }
        // It still is a compare-and-set.
        let found = entry(&layout).await;
        put(&layout, &noise(2, 5), found.revision).await;
        assert_eq!(layout.put_cas(&state(), rewrite(&found)).await, Ok(Outcome::Conflict));
    }
}

#[tokio::test]
async fn a_lost_fence_takes_no_chunks_with_it() {
    let (raw, time) = (Arc::new(Memory::keeping(5)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    let content = noise(1, 20 * ENTRY);
    put(&layout, &content, 0).await;
    let found = entry(&layout).await;
    assert_eq!(layout.put_cas(&state(), rewrite(&found)).await, Ok(Outcome::Written(2)));
    assert_eq!(layout.put_cas(&state(), rewrite(&found)).await, Ok(Outcome::Conflict), "as a repeated call does");
    layout.settled().await;
    assert_same(entry(&layout).await.content.as_ref(), &content);
}

#[tokio::test]
async fn an_older_revision_that_is_written_back_gets_chunks_of_its_own() {
    let (raw, time) = (Arc::new(Memory::keeping(2)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    let content = noise(1, 5 * ENTRY);
    put(&layout, &content, 0).await;
    put(&layout, &noise(2, 5 * ENTRY), 1).await;
    let Ok(Slot::Entry(first)) = layout.revision(&state(), 1).await else { panic!() };
    assert_same(first.content.as_ref(), &content);
    assert_eq!(layout.put_cas(&state(), Write { expected: 2, ..rewrite(&first) }).await, Ok(Outcome::Written(3)));
    assert_eq!(sets(&*raw).await.len(), 3);
    time.pass(60);
    put(&layout, &noise(4, 4), 3).await;
    layout.settled().await;
    let Ok(Slot::Entry(third)) = layout.revision(&state(), 3).await else { panic!() };
    assert_same(third.content.as_ref(), &content);
    assert_eq!(layout.revision(&state(), 1).await, Ok(Slot::Absent));
}

#[tokio::test]
async fn the_content_of_another_document_is_written_anew() {
    let (raw, time) = (Arc::new(Memory::new()), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    put(&layout, &noise(1, 5 * ENTRY), 0).await;
    let found = entry(&layout).await;
    let other = key("g/other");
    layout.put_cas(&other, Write { expected: 0, ..rewrite(&found) }).await.unwrap();
    layout.put_cas(&other, Write { expected: 1, ..rewrite(&found) }).await.unwrap();
    layout.delete(&state()).await.unwrap();
    let Ok(Slot::Entry(copy)) = layout.get(&other).await else { panic!() };
    assert_same(copy.content.as_ref(), &noise(1, 5 * ENTRY));
}
