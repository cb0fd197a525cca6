//! Chunks and documents that somebody has changed by hand: an error that names them, never a part.

use super::*;
use tofu_state_store::Error;
use tofu_state_store::testing::held::{Call, Held, Operation};

/// A state of twelve chunks.
async fn twelve() -> (Arc<Memory>, Time, Vec<Key>) {
    let (raw, time) = (Arc::new(Memory::keeping(3)), Time::new());
    put(&time.layout(Arc::<Memory>::clone(&raw)), &noise(1, 11 * ENTRY + 7), 0).await;
    let set = sets(&*raw).await.pop_first().unwrap();
    let chunks = chunks(&*raw, &set).await;
    assert_eq!(chunks.len(), 12);
    (raw, time, chunks)
}

fn replace(raw: &Memory, key: &Key, change: impl FnOnce(&mut Entry)) {
    let Slot::Entry(mut entry) = raw.get_now(key) else { panic!("{key}") };
    change(&mut entry);
    let Entry { revision: expected, meta, content } = entry;
    let write = Write { meta, content, expected, retention: Retention::Latest };
    assert!(matches!(raw.put_cas_now(key, write), Outcome::Written(_)));
}

async fn refused(raw: &Arc<Memory>, time: &Time) -> String {
    match time.layout(Arc::<Memory>::clone(raw)).get(&state()).await {
        Err(Error::Corrupt(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_chunk() {
    for number in [0, 2, 10, 11] {
        let (raw, time, chunks) = twelve().await;
        raw.delete(&chunks[number]).await.unwrap();
        let text = refused(&raw, &time).await;
        assert!(
            text.contains(&format!("chunk {number} ")) && text.contains("`g/p`") && text.contains("missing"),
            "{text}"
        );
    }
    let (raw, time, chunks) = twelve().await;
    raw.remove_in_store(&chunks[4]);
    assert!(refused(&raw, &time).await.contains("chunk 4 "), "marked as deleted in the store");
}

#[tokio::test]
async fn a_changed_chunk() {
    type Change = fn(&mut Entry);
    let changes: [Change; 7] = [
        |entry| entry.content = Some(entry.content.as_ref().unwrap().slice(..ENTRY - 1)),
        |entry| entry.content = Some([&entry.content.as_ref().unwrap()[..], b"x"].concat().into()),
        |entry| entry.content = Some(entry.content.as_ref().unwrap().iter().rev().copied().collect()),
        |entry| entry.content = Some(Bytes::new()),
        |entry| entry.content = None,
        |entry| entry.meta = Bytes::from_static(b"{}"),
        |entry| entry.meta = Bytes::from_static(b"{\"format\":2,\"layout\":\"chunk\"}\n"),
    ];
    for change in changes {
        let (raw, time, chunks) = twelve().await;
        replace(&raw, &chunks[10], change);
        let text = refused(&raw, &time).await;
        assert!(text.contains("chunk 10 ") && text.contains("`g/p`") && text.contains("not what"), "{text}");
    }
}

#[tokio::test]
async fn chunks_in_each_others_place() {
    let (raw, time, chunks) = twelve().await;
    let Slot::Entry(two) = raw.get_now(&chunks[2]) else { panic!() };
    replace(&raw, &chunks[10], |ten| ten.content = two.content);
    assert!(refused(&raw, &time).await.contains("chunk 10 "));
}

#[tokio::test]
async fn a_document_that_is_foreign_or_of_a_later_release() {
    for (meta, says) in [
        ("{}", "did not lay out"),
        ("{}\n{}", "did not lay out"),
        ("{\"format\":2,\"layout\":\"stripes\"}\n{}", "format 2"),
        ("{\"format\":1,\"layout\":\"stripes\"}\n{}", "wrong fields"),
        ("{\"format\":1,\"layout\":\"chunks\"}\n{}", "did not lay out"),
        ("{\"format\":1,\"layout\":\"chunk\"}\n{}", "part of another"),
        ("{\"format\":1,\"layout\":\"zstd\",\"size\":1073741824}\n{}", "decompressed"),
        ("{\"format\":1,\"layout\":\"zstd\",\"size\":9}\n{}", "decompressed"),
    ] {
        let (raw, time) = (Arc::new(Memory::new()), Time::new());
        let content = Some(Bytes::from_static(b"{\"hunter2\":1}"));
        let write = Write { meta: meta.into(), content, expected: 0, retention: Retention::History };
        raw.put_cas_now(&state(), write);
        let text = refused(&raw, &time).await;
        assert!(text.contains("`g/p`") && text.contains(says) && !text.contains("hunter2"), "{meta}: {text}");
        let many = time.layout(Arc::<Memory>::clone(&raw)).get_many(&[state()]).await;
        assert_eq!(many, [Err(Error::Corrupt(text))]);
    }
}

#[tokio::test]
async fn a_chunk_that_is_refused_ends_the_write_and_is_cleared_away() {
    let (raw, time) = (Arc::new(Memory::keeping(3)), Time::new());
    for error in [
        Error::TooLarge("an entry takes 524288 bytes; raise `max_entry_size`".to_owned()),
        Error::OutOfSpace("full".to_owned()),
        Error::Denied("no".to_owned()),
        Error::Unavailable("electing".to_owned()),
    ] {
        let held = Arc::new(Held::with_history(Arc::<Memory>::clone(&raw)));
        let layout = time.layout(Arc::<Held>::clone(&held));
        held.faults().fail(Call::any(Operation::Put).nth(5), error.clone());
        assert_eq!(layout.put_cas(&state(), write(&noise(1, 12 * ENTRY), 0)).await, Err(error));
        layout.settled().await;
        assert_eq!(raw.get_now(&state()), Slot::Absent);
        assert_eq!(sets(&*raw).await.len(), 0, "at once, so that a full disk has room again");
        assert!(held.faults().log().iter().all(|made| made.to_string() != "put g/p"), "no manifest without its chunks");
    }
}

#[tokio::test]
async fn a_store_that_answers_no_chunk_is_no_missing_chunk() {
    let (raw, time, chunks) = twelve().await;
    let held = Arc::new(Held::with_history(Arc::<Memory>::clone(&raw)));
    let layout = time.layout(Arc::<Held>::clone(&held));
    held.faults().fail(Call::get(chunks[7].as_str()), Error::Sealed);
    assert_eq!(layout.get(&state()).await, Err(Error::Sealed));
    assert!(layout.get(&state()).await.is_ok());
}
