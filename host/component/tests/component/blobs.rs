//! Bytes that stay on the host.

use std::sync::Arc;

use bytes::Bytes;
use tofu_state_component::{Failure, ReplyBody};
use tofu_state_store::Blob;
use tofu_state_store::memory::Memory;

use crate::common::{around, entry, faulty, fill, nothing, request, request_with, text};

#[tokio::test]
async fn a_body_is_read_in_bounded_pieces_with_its_digests() {
    let body = Bytes::from(vec![7; (2 << 20) + 5]);
    let digests = Blob::new(body.clone()).digests();
    let (_, read) = text(faulty().handle(request_with("read", body), nothing()).await);
    let expected = format!(
        "1048576 1048576 5 0 of 2097157, beyond 0, {:02x?} {:02x?}",
        digests.md5.as_slice(),
        digests.sha256.as_slice()
    );
    assert_eq!(read, expected);
}

#[tokio::test]
async fn a_stored_content_is_passed_on_without_being_moved() {
    let store = Arc::new(Memory::new());
    // Larger than an instance's memory.
    let state = Bytes::from(vec![b'x'; 9 << 20]);
    fill(&store, "a/b", Some(state.clone()));
    let reply = faulty().handle(request("get/a/b"), around(store.clone())).await.unwrap();
    let ReplyBody::State(sent) = reply.body else { panic!("{reply:?}") };
    assert_eq!(sent.as_ptr(), state.as_ptr(), "the very bytes of the store");

    let moved = faulty().handle(request("move/a/b+d/e"), around(store.clone())).await;
    assert_eq!(text(moved).1, "written 1");
    assert_eq!(entry(&store, "d/e").content.unwrap().as_ptr(), state.as_ptr());
}

#[tokio::test]
async fn digests_of_a_stored_content_are_made_when_asked_for() {
    for size in [0, 1, 3 << 20] {
        let state = Bytes::from(vec![b'x'; size]);
        let store = Arc::new(Memory::new());
        fill(&store, "a/b", Some(state.clone()));
        let (_, digests) = text(faulty().handle(request("digests/a/b"), around(store)).await);
        let expected = Blob::new(state).digests();
        assert_eq!(digests, format!("{:02x?} {:02x?}", expected.md5.as_slice(), expected.sha256.as_slice()));
    }
}

#[tokio::test]
async fn what_a_component_holds_is_bounded() {
    for content in [Bytes::from_static(b"small"), Bytes::from(vec![0; 8 << 20])] {
        let store = Arc::new(Memory::new());
        fill(&store, "a/b", Some(content));
        let failure = faulty().handle(request("hoard/a/b"), around(store)).await.unwrap_err();
        assert!(matches!(failure, Failure::Trapped(_)), "{failure}");
    }
}
