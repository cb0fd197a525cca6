//! A store that fails: nothing is claimed that it does not hold, and no failure is an empty state.

use super::server::{LOCK, STATE, Server, state};
use super::simulated::{Fault, Operation};
use crate::outside::{Entry, Slot, StoreError};

fn errors() -> [(StoreError, u16, &'static str); 7] {
    [
        (StoreError::Unavailable("electing".into()), 503, "store-unavailable"),
        (StoreError::Sealed, 503, "store-sealed"),
        (StoreError::Timeout, 503, "store-timeout"),
        (StoreError::OutOfSpace("disk".into()), 503, "store-full"),
        (StoreError::Denied("403".into()), 502, "store-denied"),
        (StoreError::Corrupt("html".into()), 502, "store-corrupt"),
        (StoreError::TooLarge("1 MiB".into()), 413, "too-large"),
    ]
}

#[test]
fn every_store_error_at_every_call_is_told_and_changes_nothing() {
    for (error, status, code) in errors() {
        for (operation, key) in
            [(Operation::Get, STATE), (Operation::Get, LOCK), (Operation::Put, STATE), (Operation::Put, LOCK)]
        {
            let server = Server::new();
            assert_eq!([server.lock("A").status, server.post(Some("A"), &state(1, "one")).status], [200; 2]);
            let requests: [fn(&Server) -> super::server::Answer; 5] = [
                Server::get,
                |server| server.post(Some("A"), &state(2, "two")),
                |server| server.delete(Some("A")),
                |server| server.unlock("A"),
                |server| server.lock("B"),
            ];
            for request in requests {
                server.store.fail(operation, key, 0, Fault::Instead(error.clone()));
                let calls = server.store.calls().len();
                let answer = request(&server);
                let reached = server.store.calls()[calls..].contains(&(operation, key.to_owned()));
                if reached {
                    assert_eq!((answer.status, answer.code().as_str()), (status, code));
                    assert_eq!(answer.header("retry-after").is_some(), status == 503);
                    assert_eq!(answer.event.outcome, "failed");
                }
                server.store.forget_steps();
            }
        }
    }
}

/// An answer is lost after the write was done, and the host repeats the call: the second attempt
/// finds another revision. Each request then recognises its own work.
#[test]
fn a_lost_acknowledgement_is_recognised() {
    let server = Server::new();
    server.store.fail(Operation::Put, LOCK, 0, Fault::Repeated);
    assert_eq!(server.lock("A").status, 200);
    server.store.fail(Operation::Put, STATE, 0, Fault::Repeated);
    let written = server.post(Some("A"), &state(1, "one"));
    assert_eq!((written.status, server.store.revision(STATE)), (200, 2));
    server.store.fail(Operation::Put, STATE, 0, Fault::Repeated);
    assert_eq!(server.delete(Some("A")).status, 200);
    server.store.fail(Operation::Put, LOCK, 0, Fault::Repeated);
    assert_eq!(server.unlock("A").status, 200);
    assert_eq!(server.lock("B").status, 200);
    server.store.fail(Operation::Put, LOCK, 0, Fault::Repeated);
    server.store.fail(Operation::Put, STATE, 0, Fault::Repeated);
    assert_eq!(server.force_unlock().status, 200);
    server.store.fail(Operation::Put, STATE, 0, Fault::Repeated);
    assert_eq!(server.post(None, &state(7, "without a lock")).status, 200);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(7, "without a lock")));
}

/// A lock that changes hands at every look ends in an answer, not in an endless loop.
#[test]
fn endless_contention_ends() {
    let server = Server::new();
    for _ in 0..40 {
        server.store.before(Operation::Put, LOCK, 0, |store| {
            let meta = br#"{"format":1,"status":"free","released":[]}"#.to_vec();
            let revision = store.revision(LOCK) + 1;
            store.plant(LOCK, Slot::Entry(Entry { revision, meta, content: None }));
        });
    }
    let answer = server.lock("A");
    assert_eq!((answer.status, answer.code().as_str()), (503, "contended"));
}
