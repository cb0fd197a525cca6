//! Which locks are told to be held.

use super::server::{LOCK, STATE, Server};
use super::simulated::{Fault, Operation};
use crate::held::{HeldLock, held_locks};
use crate::outside::StoreError;

fn held(server: &Server) -> Result<Vec<HeldLock>, StoreError> {
    held_locks(&[STATE, LOCK, "never/locked.lock"].map(str::to_owned), &server.store)
}

#[test]
fn a_lock_is_held_from_lock_to_unlock_and_since_it_was_taken() {
    let server = Server::new();
    assert_eq!(held(&server), Ok(vec![]));
    server.lock("A");
    let expected = HeldLock {
        key: LOCK.to_owned(),
        path: STATE.to_owned(),
        id: "A".to_owned(),
        who: Some("A@host".to_owned()),
        since: server.now,
    };
    assert_eq!(held(&server), Ok(vec![expected]));
    server.unlock("A");
    assert_eq!(held(&server), Ok(vec![]));
    server.lock("B");
    server.force_unlock();
    assert_eq!(held(&server), Ok(vec![]));
}

#[test]
fn a_store_that_fails_is_no_free_lock() {
    let server = Server::new();
    server.store.fail(Operation::Get, LOCK, 0, Fault::Instead(StoreError::Sealed));
    assert_eq!(held(&server), Err(StoreError::Sealed));
}
