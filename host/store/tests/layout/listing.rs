//! What a store tells of its folders and revisions, which collection rests on.

use super::*;

async fn lists(raw: &dyn History) {
    for name in ["f/a", "f/a-b", "f/a.b", "f/a/0", "f/a/b/c", "f/a0", "f/b/c", "f/b/d", "f0", "f-/x", "f"] {
        raw.put_cas(&key(name), write(&Bytes::new(), 0)).await.unwrap();
    }
    let document = |name: &str| Child::Document(name.to_owned());
    let folder = |name: &str| Child::Folder(name.to_owned());
    let listed = async |name: &str| {
        let mut children = raw.list(&key(name)).await.unwrap();
        children.sort();
        children
    };
    let all = ["a", "a-b", "a.b", "a0"].map(document).into_iter().chain(["a", "b"].map(folder));
    assert_eq!(listed("f").await, all.collect::<Vec<_>>());
    assert_eq!(listed("f/a").await, [document("0"), folder("b")]);
    assert_eq!(listed("f/b").await, [document("c"), document("d")]);
    assert_eq!(listed("f/b/c").await, []);
    assert_eq!(listed("absent").await, []);
    let top = raw.top().await.unwrap();
    for child in [document("f"), document("f0"), folder("f"), folder("f-")] {
        assert!(top.contains(&child), "{child:?} is missing in {top:?}");
    }
    assert!(!top.contains(&document("a")) && !top.contains(&folder("a")), "{top:?}");
}

async fn keeps_two(raw: &dyn History) {
    assert_eq!(raw.revisions(&state()).await, Ok(vec![]));
    for revision in 0..4 {
        put(raw, &noise(revision, 9), revision).await;
    }
    assert_eq!(raw.revisions(&state()).await, Ok(vec![3, 4]));
    for (revision, is_kept) in [(0, false), (2, false), (3, true), (4, true), (5, false)] {
        let found = raw.revision(&state(), revision).await;
        match found {
            Ok(Slot::Entry(entry)) if is_kept => assert_same(entry.content.as_ref(), &noise(revision - 1, 9)),
            other => assert_eq!((other, is_kept), (Ok(Slot::Absent), false)),
        }
    }
    // What is written so leaves the older ones as they are, and takes the place of the newest.
    let latest = Write { retention: Retention::Latest, ..write(&noise(9, 9), 4) };
    assert_eq!(raw.put_cas(&state(), latest).await, Ok(Outcome::Written(5)));
    assert_eq!(raw.revisions(&state()).await, Ok(vec![3, 5]));
}

#[tokio::test]
async fn folders_and_revisions_in_memory() {
    let raw = Memory::keeping(2);
    lists(&raw).await;
    keeps_two(&raw).await;
    raw.remove_in_store(&state());
    assert_eq!(raw.revision(&state(), 5).await, Ok(Slot::Removed(5)));
    assert_eq!(raw.revisions(&state()).await, Ok(vec![3, 5]), "it could be restored");
}

#[tokio::test]
async fn folders_and_revisions_in_the_embedded_store() {
    let (_folder, raw) = embedded(2);
    lists(&*raw).await;
    keeps_two(&*raw).await;
}

/// An outline tells of a document without reading its chunks, of any revision, and as every other read what there is
/// not; and it is the same on every store.
#[tokio::test]
async fn outlines_tell_all_but_the_content() {
    let (_folder, store) = embedded(100);
    let stores: [Arc<dyn History>; 2] = [Arc::new(Memory::keeping(100)), store];
    for raw in stores {
        let layout = Time::new().layout(Arc::clone(&raw));
        assert_eq!(layout.outline(&state(), None).await, Ok(Slot::Absent));
        put(&layout, &noise(1, 4 * ENTRY), 0).await;
        put(&layout, &noise(2, 4), 1).await;
        let bare = Write { content: None, meta: Bytes::from_static(b"{\"bare\":1}"), ..write(&Bytes::new(), 2) };
        assert_eq!(layout.put_cas(&state(), bare).await, Ok(Outcome::Written(3)));
        for set in sets(&*raw).await {
            for chunk in chunks(&*raw, &set).await {
                raw.delete(&chunk).await.unwrap();
            }
        }
        let outline = async |revision| layout.outline(&state(), revision).await.unwrap();
        let told = |revision, meta: &'static [u8], content| {
            Slot::Entry(Entry { revision, meta: Bytes::from_static(meta), content })
        };
        assert_eq!(outline(Some(1)).await, told(1, b"{\"n\": 1}\n", Some(Bytes::new())));
        assert_eq!(outline(Some(2)).await, told(2, b"{\"n\": 1}\n", Some(Bytes::new())));
        assert_eq!(outline(Some(3)).await, told(3, b"{\"bare\":1}", None));
        assert_eq!(outline(None).await, outline(Some(3)).await);
        assert_eq!(outline(Some(4)).await, Slot::Absent);
    }
}
