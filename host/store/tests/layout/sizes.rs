//! Contents of every size and kind, and how they come to lie.

use super::*;

/// How the state lies: the envelope's layout.
async fn layout_of(raw: &dyn Store) -> String {
    let meta = entry(raw).await.meta;
    let line = meta.split(|&byte| byte == b'\n').next().unwrap();
    let line: serde_json::Value = serde_json::from_slice(line).unwrap();
    assert_eq!(line["format"], 1);
    line["layout"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn sizes_around_every_boundary() {
    let (raw, time) = (Arc::new(Memory::keeping(2)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    let meta = write(&Bytes::new(), 0).meta.len();
    let mut revision = 0;
    // Incompressible: the last that fits beside the meta, one more, and where another chunk begins.
    for (bytes, expected) in [
        (0, None),
        (1, None),
        (ENTRY - meta, None),
        (ENTRY - meta + 1, Some(1)),
        (ENTRY, Some(1)),
        (ENTRY + 1, Some(2)),
        (2 * ENTRY - 1, Some(2)),
        (2 * ENTRY, Some(2)),
        (2 * ENTRY + 1, Some(3)),
        (10 * ENTRY, Some(10)),
        (10 * ENTRY + 1, Some(11)),
        (123 * ENTRY + 456, Some(124)),
    ] {
        let content = noise(bytes as u64, bytes);
        revision = put(&layout, &content, revision).await;
        let (found, below) = (entry(&layout).await, entry(&*raw).await);
        assert_eq!((found.revision, &found.meta[..]), (revision, &b"{\"n\": 1}\n"[..]));
        assert_same(found.content.as_ref(), &content);
        match expected {
            None => assert_eq!(layout_of(&*raw).await, "plain", "{bytes} bytes"),
            Some(count) => {
                let chunks = chunks(&*raw, &named(&below).unwrap()).await;
                assert_eq!(chunks.len(), count, "{bytes} bytes");
                for chunk in chunks {
                    let Slot::Entry(chunk) = raw.get_now(&chunk) else { panic!("{chunk}") };
                    assert!(chunk.content.unwrap().len() <= ENTRY);
                }
            }
        }
    }
    assert_eq!(noise(7, 0).len(), 0);
}

#[tokio::test]
async fn compresses_where_it_pays() {
    let (raw, time) = (Arc::new(Memory::new()), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    let text = |bytes: usize| Bytes::from("{\"schema_version\":0},".repeat(bytes / 21 + 1).split_off(21 - bytes % 21));
    let (mut revision, mut seen) = (0, Vec::new());
    for content in [text(1023), text(1024), text(50_000), noise(1, 900), Bytes::from(hex::encode(noise(1, 5_000)))] {
        revision = put(&layout, &content, revision).await;
        assert_same(entry(&layout).await.content.as_ref(), &content);
        seen.push(layout_of(&*raw).await);
        assert!(entry(&*raw).await.content.unwrap().len() <= ENTRY.max(content.len()));
    }
    assert_eq!(seen, ["chunks", "zstd", "zstd", "plain", "chunks"]);
    let manifest: serde_json::Value = serde_json::from_slice(&entry(&*raw).await.content.unwrap()).unwrap();
    assert_eq!((&manifest["format"], &manifest["zstd"], &manifest["size"]), (&1.into(), &true.into(), &10_000.into()));
}

#[tokio::test]
async fn a_document_without_content_costs_nothing() {
    let (raw, time) = (Arc::new(Memory::keeping(3)), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    for (expected, meta) in ["{}", "{\"format\":1,\"layout\":\"zstd\"}\n", "", "a\nb"].into_iter().enumerate() {
        let meta = Bytes::from_static(meta.as_bytes());
        let write =
            Write { meta: meta.clone(), content: None, expected: expected as u64, retention: Retention::Latest };
        layout.put_cas(&state(), write).await.unwrap();
        assert_eq!((entry(&layout).await.meta, entry(&layout).await.content), (meta.clone(), None));
        assert_eq!(entry(&*raw).await.meta, meta);
    }
}

#[tokio::test]
async fn several_documents_at_once() {
    let (raw, time) = (Arc::new(Memory::new()), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    let names = ["m/1", "m/2", "m/3", "m/absent"].map(key);
    for (number, name) in names.iter().take(3).enumerate() {
        layout.put_cas(name, write(&noise(number as u64, number * 3 * ENTRY), 0)).await.unwrap();
    }
    let answers = layout.get_many(&names).await;
    for (number, answer) in answers.iter().take(3).enumerate() {
        let Ok(Slot::Entry(entry)) = answer else { panic!("{answer:?}") };
        assert_same(entry.content.as_ref(), &noise(number as u64, number * 3 * ENTRY));
    }
    assert_eq!(answers[3], Ok(Slot::Absent));
}

#[tokio::test]
async fn a_key_too_long_for_chunks_is_refused_before_anything_is_written() {
    let (raw, time) = (Arc::new(Memory::new()), Time::new());
    let layout = time.layout(Arc::<Memory>::clone(&raw));
    let long = key(&"x".repeat(2040));
    let ended = layout.put_cas(&long, write(&noise(1, 3 * ENTRY), 0)).await;
    assert!(matches!(ended, Err(tofu_state_store::Error::TooLarge(_))), "{ended:?}");
    assert_eq!(raw.get_now(&long), Slot::Absent);
    layout.put_cas(&long, write(&noise(1, 3), 0)).await.unwrap();
}
