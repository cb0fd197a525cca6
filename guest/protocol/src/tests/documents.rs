//! Documents in the store that are not as we wrote them: never "no state", never written over.

use super::server::{LOCK, STATE, Server, state};
use super::simulated::Bytes;
use crate::outside::{Entry, Slot};

fn planted(key: &str, meta: &str, content: Option<&str>) -> Server {
    let server = Server::new();
    if key == STATE {
        // A path that has been in use: the first LOCK of all would fence, and stop there.
        assert_eq!([server.lock("0").status, server.unlock("0").status], [200; 2]);
    }
    let content = content.map(|content| Bytes::new(content.as_bytes()));
    server.store.plant(key, Slot::Entry(Entry { revision: 3, meta: meta.as_bytes().to_vec(), content }));
    server
}

#[test]
fn a_foreign_state_document_is_an_error_and_stays() {
    for meta in [
        "",
        "garbage",
        "{}",
        r#"{"state":"of another tool"}"#,
        r#"{"format":2,"kind":"state","size":1}"#,
        r#"{"format":1,"kind":"archived"}"#,
    ] {
        let server = planted(STATE, meta, Some("x"));
        for answer in [server.get(), server.post(None, &state(1, "x")), server.delete(None)] {
            assert_eq!((answer.status, answer.code().as_str()), (502, "foreign-document"), "{meta}");
            assert!(answer.json()["error"]["message"].as_str().unwrap().contains(STATE));
        }
        assert_eq!(server.store.revision(STATE), 3);
        // A fence would write it over, too.
        assert_eq!(server.lock("A").status, 200);
        assert_eq!(server.force_unlock().status, 502);
        assert_eq!(server.lock("B").status, 502, "the lock stays broken until somebody has settled it");
        assert_eq!(server.store.revision(STATE), 3);
    }
}

#[test]
fn a_foreign_lock_document_is_an_error_and_stays() {
    let server = planted(LOCK, r#"{"format":7}"#, None);
    for answer in [
        server.lock("A"),
        server.unlock("A"),
        server.force_unlock(),
        server.post(None, &state(1, "x")),
        server.delete(None),
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (502, "foreign-document"));
    }
    assert_eq!((server.store.revision(LOCK), server.store.revision(STATE)), (3, 0));
}

#[test]
fn a_state_whose_bytes_changed_in_the_store_is_not_served() {
    let server = Server::new();
    assert_eq!(server.post(None, &state(1, "one")).status, 200);
    let Slot::Entry(entry) = server.store.peek(STATE) else { panic!("no state") };
    for content in
        [None, Some(Bytes::new(b"")), Some(Bytes::new(state(1, "two").as_bytes())), Some(Bytes::new(b"short"))]
    {
        server.store.plant(STATE, Slot::Entry(Entry { content, ..entry.clone() }));
        let answer = server.get();
        assert_eq!((answer.status, answer.code().as_str()), (502, "damaged"));
    }
}

#[test]
fn a_state_that_was_deleted_in_the_store_is_not_no_state() {
    let server = Server::new();
    assert_eq!(server.post(None, &state(1, "one")).status, 200);
    assert_eq!([server.lock("0").status, server.unlock("0").status], [200; 2]);
    server.store.remove_in_store(STATE);
    let read = server.get();
    assert_eq!((read.status, read.code().as_str()), (502, "removed-in-store"));
    assert!(read.json()["error"]["message"].as_str().unwrap().contains("Revision 2 of group/project"));
    // Breaking a lock needs a fence, for which there is nothing to write again.
    assert_eq!(server.lock("A").status, 200);
    assert_eq!(server.force_unlock().code(), "removed-in-store");
    assert_eq!(server.get().status, 502);
    // A person decides: there is none.
    assert_eq!(server.delete(None).status, 200);
    assert_eq!(server.get().status, 404);
    assert_eq!(server.lock("B").status, 200);
}

/// The infrastructure has changed already: a holder's state is taken.
#[test]
fn a_holder_writes_over_a_state_that_was_deleted_in_the_store() {
    let server = Server::new();
    assert_eq!(server.lock("A").status, 200);
    assert_eq!(server.post(Some("A"), &state(1, "one")).status, 200);
    server.store.remove_in_store(STATE);
    assert_eq!(server.post(Some("A"), &state(2, "two")).status, 200);
    assert_eq!(server.content(), Some(state(2, "two")));
}
