//! Which chunk sets are removed, and which are not.

use super::*;
use tofu_state_store::testing::held::{Call, Held, Operation, When};

#[tokio::test]
async fn sets_go_when_their_revisions_go() {
    let (raw, time) = (Arc::new(Memory::keeping(3)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    for revision in 0..6 {
        put(&layout, &noise(revision, 4 * ENTRY), revision).await;
        layout.settled().await;
    }
    assert_eq!(sets(&*raw).await.len(), 6, "all are younger than the longest request");
    time.pass(60);
    put(&layout, &noise(6, 4 * ENTRY), 6).await;
    layout.settled().await;
    assert_eq!(sets(&*raw).await, named_sets(&*raw).await);
    assert_eq!(sets(&*raw).await.len(), 3);
    for revision in 5..8 {
        let Ok(Slot::Entry(kept)) = layout.revision(&state(), revision).await else { panic!("{revision}") };
        assert_same(kept.content.as_ref(), &noise(revision - 1, 4 * ENTRY));
    }
}

#[tokio::test]
async fn sets_go_after_the_state_has_become_small_or_was_deleted() {
    for content in [Some(Bytes::from_static(b"small")), None] {
        let (raw, time) = (Arc::new(Memory::keeping(2)), Time::new());
        let mut revision = put(&time.layout(Arc::<Memory>::clone(&raw)), &noise(1, 4 * ENTRY), 0).await;
        // Another server, which has not written these sets but has read the state, as every writer does.
        let layout = time.layout(Arc::<Memory>::clone(&raw));
        entry(&layout).await;
        for _ in 0..3 {
            time.pass(60);
            let write = Write { content: content.clone(), ..write(&Bytes::new(), revision) };
            let Ok(Outcome::Written(next)) = layout.put_cas(&state(), write).await else { panic!() };
            revision = next;
            layout.settled().await;
        }
        assert_eq!(sets(&*raw).await.len(), 0);
    }
}

#[tokio::test]
async fn a_server_that_knows_nothing_looks_once() {
    let (raw, time) = (Arc::new(Memory::keeping(1)), Time::new());
    let first = time.layout(Arc::<Memory>::clone(&raw));
    put(&first, &noise(1, 4 * ENTRY), 0).await;
    put(&first, &noise(2, 4), 1).await;
    first.settled().await;
    assert_eq!(sets(&*raw).await.len(), 1, "too young");
    time.pass(60);
    let second = time.layout(Arc::<Memory>::clone(&raw));
    put(&second, &noise(3, 4), 2).await;
    second.settled().await;
    assert_eq!(sets(&*raw).await.len(), 0);
}

#[tokio::test]
async fn a_lost_race_takes_its_set_with_it() {
    let (raw, time) = (Arc::new(Memory::keeping(9)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    put(&layout, &noise(1, 4 * ENTRY), 0).await;
    put(&layout, &noise(2, 4 * ENTRY), 1).await;
    put(&layout, &noise(3, 4 * ENTRY), 2).await;
    for expected in [0, 1, 2, 7] {
        let lost = layout.put_cas(&state(), write(&noise(9, 4 * ENTRY), expected)).await;
        assert_eq!(lost, Ok(Outcome::Conflict));
        let nothing = layout.put_cas(&key("g/absent"), write(&noise(9, 4 * ENTRY), expected + 1)).await;
        assert_eq!(nothing, Ok(Outcome::Conflict));
    }
    layout.settled().await;
    assert_eq!(sets(&*raw).await, named_sets(&*raw).await);
    assert_eq!(raw.list(&key(".chunks/g/absent")).await.unwrap(), []);
}

#[tokio::test]
async fn a_write_that_succeeded_behind_a_lost_answer_keeps_its_set() {
    use tofu_state_store::Error;
    for error in [Error::Timeout, Error::Corrupt("nonsense".to_owned()), Error::OutOfSpace("?".to_owned())] {
        for follow_up in [false, true] {
            let (raw, time) = (Arc::new(Memory::keeping(9)), Time::new());
            let held = Arc::new(Held::with_history(Arc::<Memory>::clone(&raw)));
            let layout = time.layout(Arc::<Held>::clone(&held));
            held.faults().fail_after(Call::put("g/p"), error.clone());
            let content = noise(1, 4 * ENTRY);
            let tidying = held.faults().hold(Call::get("g/p"), When::Before);
            assert_eq!(layout.put_cas(&state(), write(&content, 0)).await, Err(error.clone()));
            if follow_up {
                put(&time.layout(Arc::<Memory>::clone(&raw)), &noise(2, 4 * ENTRY), 1).await;
            }
            tidying.release();
            // As a waiting caller repeats it: a new set, a conflict, and only the new set goes.
            assert_eq!(layout.put_cas(&state(), write(&content, 0)).await, Ok(Outcome::Conflict));
            layout.settled().await;
            let Ok(Slot::Entry(first)) = layout.revision(&state(), 1).await else { panic!() };
            assert_same(first.content.as_ref(), &content);
            assert_eq!(sets(&*raw).await, named_sets(&*raw).await);
        }
    }
}

#[tokio::test]
async fn a_revision_that_could_be_restored_keeps_its_set() {
    let (raw, time) = (Arc::new(Memory::keeping(1)), Time::new());
    let held = Arc::new(Held::with_history(Arc::<Memory>::clone(&raw)));
    let layout = time.layout(Arc::<Held>::clone(&held));
    // A write that succeeded behind an error, and somebody deletes its revision before it is looked at.
    held.faults().fail_after(Call::put("g/p"), tofu_state_store::Error::OutOfSpace("?".to_owned()));
    let tidying = held.faults().hold(Call::get("g/p"), When::Before);
    assert!(layout.put_cas(&state(), write(&noise(1, 4 * ENTRY), 0)).await.is_err());
    tidying.arrived().await;
    raw.remove_in_store(&state());
    tidying.release();
    layout.settled().await;
    assert_eq!(sets(&*raw).await.len(), 1, "somebody may undelete it");
}

#[tokio::test]
async fn a_revision_that_cannot_be_read_stops_the_collection() {
    let (raw, time) = (Arc::new(Memory::keeping(3)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    put(&layout, &noise(1, 4 * ENTRY), 0).await;
    let later = Write { meta: Bytes::from_static(b"{\"format\":2}\n{}"), ..write(&noise(2, 9), 1) };
    raw.put_cas_now(&state(), later);
    // A crashed attempt on revision 1, which that foreign revision 2 may or may not name.
    let orphan = sets(&*raw).await.pop_first().unwrap().replacen("0-", "1-", 1);
    raw.put_cas_now(&key(&format!(".chunks/g/p/{orphan}/0")), write(&noise(3, 9), 0));
    time.pass(60);
    put(&layout, &noise(4, 4 * ENTRY), 2).await;
    layout.settled().await;
    assert!(sets(&*raw).await.contains(&orphan));
}

#[tokio::test]
async fn a_deleted_document_takes_its_sets_with_it() {
    let (raw, time) = (Arc::new(Memory::keeping(3)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    put(&layout, &noise(1, 4 * ENTRY), 0).await;
    put(&layout, &noise(2, 4 * ENTRY), 1).await;
    time.pass(60);
    put(&layout, &noise(3, 4 * ENTRY), 2).await;
    layout.delete(&state()).await.unwrap();
    assert_eq!(sets(&*raw).await.len(), 0);
    assert_eq!(layout.get(&state()).await, Ok(Slot::Absent));
}

#[tokio::test]
async fn what_was_read_before_a_deletion_is_written_back_with_chunks_of_its_own() {
    let (raw, time) = (Arc::new(Memory::keeping(3)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    let (first, second) = (noise(1, 4 * ENTRY), noise(2, 4 * ENTRY));
    put(&layout, &first, 0).await;
    let read = entry(&layout).await.content.unwrap();
    layout.delete(&state()).await.unwrap();
    // Its revisions begin again.
    assert_eq!(put(&layout, &second, 0).await, 1);
    assert_eq!(put(&layout, &read, 1).await, 2);
    assert_same(entry(&layout).await.content.as_ref(), &first);
}

#[tokio::test]
async fn names_like_those_of_sets_are_left_alone() {
    let (raw, time) = (Arc::new(Memory::keeping(1)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    put(&layout, &noise(1, 4 * ENTRY), 0).await;
    // A state below this one whose name is a set's, and one below that whose name is a number.
    let like_a_set = "0-0199f3a2c1d47c0e9f86d081884c7d65";
    let mut others = vec![key(&format!("g/p/{like_a_set}")), key(&format!("g/p/{like_a_set}/0"))];
    // And more of them than are removed in one turn.
    others.extend((10..50).map(|n| key(&format!("g/p/0-0199f3a2c1d47c0e9f86d081884c7d{n}"))));
    for other in &others {
        layout.put_cas(other, write(&noise(7, 4 * ENTRY), 0)).await.unwrap();
    }
    for revision in 1..4 {
        time.pass(60);
        put(&layout, &noise(revision, 4 * ENTRY), revision).await;
        layout.settled().await;
    }
    for other in &others {
        let Ok(Slot::Entry(found)) = layout.get(other).await else { panic!("{other}") };
        assert_same(found.content.as_ref(), &noise(7, 4 * ENTRY));
    }
}

#[tokio::test]
async fn a_reader_whose_chunks_go_reads_what_came_after() {
    let (raw, time) = (Arc::new(Memory::keeping(1)), Time::new());
    let held = Arc::new(Held::with_history(Arc::<Memory>::clone(&raw)));
    let (reading, writing) = (time.layout(Arc::<Held>::clone(&held)), time.layout(Arc::<Memory>::clone(&raw)));
    put(&writing, &noise(1, 4 * ENTRY), 0).await;
    let first_chunk = held.faults().hold(Call::any(Operation::Get).nth(2), When::Before);
    let reader = tokio::spawn(async move { entry(&reading).await });
    first_chunk.arrived().await;
    time.pass(60);
    put(&writing, &noise(2, 4 * ENTRY), 1).await;
    writing.settled().await;
    assert_eq!(sets(&*raw).await.len(), 1, "the chunks being read are gone");
    first_chunk.release();
    let found = reader.await.unwrap();
    assert_eq!(found.revision, 2);
    assert_same(found.content.as_ref(), &noise(2, 4 * ENTRY));
}

/// On memory, and on the embedded store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_leaves_no_chunks() {
    let (_folder, embedded) = embedded(9);
    for raw in [Arc::new(Memory::keeping(9)) as Arc<dyn History>, embedded] {
        let time = Time::new();
        let layout = time.layout(Arc::clone(&raw));
        put(&layout, &noise(1, 4 * ENTRY), 0).await;
        put(&layout, &noise(2, 4 * ENTRY), 1).await;
        // A write under way, which has seen the revision that is to be erased.
        let held = Arc::new(Held::with_history(Arc::clone(&raw)));
        let other = Arc::new(time.layout(Arc::<Held>::clone(&held)));
        let under_way = held.faults().hold(Call::put("g/p"), When::Before);
        let late = tokio::spawn(async move { other.put_cas(&state(), write(&noise(3, 4 * ENTRY), 2)).await });
        under_way.arrived().await;
        assert_eq!(sets(&*raw).await.len(), 3);
        let erasing = Write { content: None, retention: Retention::Erased, ..write(&Bytes::new(), 2) };
        assert_eq!(layout.put_cas(&state(), erasing.clone()).await, Ok(Outcome::Written(3)));
        assert_eq!(sets(&*raw).await.len(), 1, "both are gone when it returns");
        under_way.release();
        assert_eq!(late.await.unwrap(), Ok(Outcome::Conflict));
        put(&layout, &noise(4, 4 * ENTRY), 3).await;
        // The present content may come back as it was read.
        let content = entry(&layout).await.content;
        let again = Write { content, ..Write { expected: 4, ..erasing.clone() } };
        assert_eq!(layout.put_cas(&state(), again).await, Ok(Outcome::Written(5)));
        assert_same(entry(&layout).await.content.as_ref(), &noise(4, 4 * ENTRY));
        layout.settled().await;
        assert_eq!(named_sets(&*raw).await.len(), 1);
        // What a crash between the two has left goes once it is old.
        raw.put_cas(&state(), Write { expected: 5, ..erasing.clone() }).await.unwrap();
        time.pass(60);
        let anew = time.layout(Arc::clone(&raw));
        assert_eq!(anew.put_cas(&state(), Write { expected: 6, ..erasing }).await, Ok(Outcome::Written(7)));
        anew.settled().await;
        assert!(sets(&*raw).await.is_empty());
    }
}
