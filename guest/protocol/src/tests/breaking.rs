//! Rules about who may break a lock, about what was done in the store by hand, and about damage.

use super::rules::{before_state_put, locked_with, statuses};
use super::server::{LOCK, STATE, Server, state};
use super::simulated::{Fault, Operation};
use crate::exchange::ForceUnlock;
use crate::outside::{Entry, Slot, StoreError};

rules! {
    a_forced_unlock_does_not_reach_the_next_holder,
    another_caller_with_the_id_breaks_the_lock,
    an_unlocked_write_on_a_broken_lock_fences_first,
    a_lock_that_was_removed_in_the_store_counts_as_broken,
    a_lock_that_was_deleted_in_the_store_counts_as_broken,
    the_same_state_mends_damaged_bytes,
}

/// One forced unlock breaks one lock: if the first holder is gone before it is done, the next one's is
/// not its business.
fn a_forced_unlock_does_not_reach_the_next_holder() {
    for broken_by_itself in [false, true] {
        let server = locked_with("A", None);
        server.store.before(Operation::Put, LOCK, 0, move |store| {
            let other = Server::over(store);
            let gone = if broken_by_itself { other.force_unlock() } else { other.unlock("A") };
            assert_eq!(statuses([gone, other.lock("B")]), [200; 2]);
        });
        assert_eq!(server.force_unlock().event.outcome, "replayed");
        server.store.assert_all_steps_ran();
        assert_eq!(server.lock("C").json()["ID"], "B");
        assert_eq!(server.post(Some("B"), &state(1, "one")).status, 200);
    }
}

/// Everybody is told a lock's ID, so another caller with it is no holder: that is breaking the lock.
fn another_caller_with_the_id_breaks_the_lock() {
    let server = locked_with("A", Some(&state(1, "one")));
    let mut other = Server::over(&server.store);
    other.caller = "somebody-else";
    let refused = other.lock("A");
    assert_eq!((refused.status, refused.json()["ID"].as_str()), (409, Some("A")));
    other.may_break_locks = false;
    assert_eq!(other.unlock("A").status, 403);
    other.may_break_locks = true;
    other.settings.force_unlock = ForceUnlock::Off;
    assert_eq!(other.unlock("A").status, 422);
    other.settings.force_unlock = ForceUnlock::Id;
    let before = server.store.revision(STATE);
    let broken = other.unlock("A");
    assert_eq!((broken.status, broken.event.forced), (200, true));
    assert_eq!(server.store.revision(STATE), before + 1, "with its fence");
    assert_eq!(server.post(Some("A"), &state(2, "late")).status, 409);
}

/// A write without a lock comes between a broken record and its fence: what it acknowledges stays.
fn an_unlocked_write_on_a_broken_lock_fences_first() {
    let server = locked_with("A", Some(&state(1, "one")));
    let crash = StoreError::Timeout;
    before_state_put(&server, move |other| {
        other.store.fail(Operation::Get, STATE, 0, Fault::Instead(crash));
        assert_eq!(other.force_unlock().status, 503);
        assert_eq!(other.post(None, &state(1, "one")).status, 200);
    });
    assert_eq!(server.post(Some("A"), &state(2, "late")).status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(1, "one")));
}

/// Removing a lock with all its revisions in the store is breaking it, too.
fn a_lock_that_was_removed_in_the_store_counts_as_broken() {
    for content in [None, Some(state(1, "one"))] {
        let server = locked_with("A", content.as_deref());
        before_state_put(&server, |other| {
            other.store.plant(LOCK, Slot::Absent);
            assert_eq!(other.lock("B").status, 200);
        });
        assert_eq!(server.post(Some("A"), &state(2, "late")).status, 409);
        server.store.assert_all_steps_ran();
        assert_eq!(server.content(), content);
    }
}

/// Deleting a lock with the store's own tools is breaking it.
fn a_lock_that_was_deleted_in_the_store_counts_as_broken() {
    let server = locked_with("A", Some(&state(1, "one")));
    before_state_put(&server, |other| {
        other.store.remove_in_store(LOCK);
        assert_eq!(other.lock("B").status, 200);
    });
    assert_eq!(server.post(Some("A"), &state(2, "late")).status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(1, "one")));
    assert_eq!(server.unlock("B").status, 200);
}

/// A state whose stored bytes are damaged is mended by writing it once more, not taken for a replay.
fn the_same_state_mends_damaged_bytes() {
    let server = locked_with("A", Some(&state(1, "one")));
    let Slot::Entry(entry) = server.store.peek(STATE) else { panic!("no state") };
    server.store.plant(STATE, Slot::Entry(Entry { content: None, ..entry }));
    assert_eq!(server.get().status, 502);
    assert_eq!(server.post(Some("A"), &state(1, "one")).status, 200);
    assert_eq!(server.content(), Some(state(1, "one")));
}
