//! Every rule of the lock algorithm, each with an interleaving that goes wrong without it.

use super::server::{Answer, LOCK, STATE, Server, state};
use super::simulated::{Operation, Simulated};
use std::cell::RefCell;
use std::rc::Rc;

rules! {
    a_late_write_after_a_broken_lock_loses_when_the_state_is_there,
    a_late_write_after_a_broken_lock_loses_when_there_is_no_state_yet,
    a_late_write_after_a_broken_lock_loses_before_anybody_else_wrote,
    a_late_deletion_after_a_broken_lock_loses,
    the_revision_is_read_before_the_lock,
    breaking_a_lock_makes_every_earlier_revision_stale,
    the_next_lock_does_the_fence_of_a_breaker_that_died,
    a_repeated_unlock_does_the_fence_that_its_first_attempt_did_not,
    a_released_or_broken_id_cannot_write,
    a_holder_goes_on_after_a_late_fence,
    a_write_that_lost_to_another_content_is_refused,
    a_write_without_any_lock_that_lost_is_refused,
    a_late_copy_of_an_older_write_under_the_same_lock_is_refused,
    a_late_copy_of_a_write_before_a_deletion_under_the_same_lock_is_refused,
    a_lower_serial_under_another_lock_is_not_the_locks_business,
    a_late_duplicate_of_a_lock_is_refused,
    replays_are_answered_as_the_first_time,
    of_two_locks_at_one_moment_one_wins,
    a_late_unlock_releases_nothing_of_the_next_holder,
    a_silent_lock_is_taken_over_and_its_late_write_loses,
}

pub(super) fn statuses<const N: usize>(answers: [Answer; N]) -> [u16; N] {
    answers.map(|answer| answer.status)
}

/// Runs `step` before the next compare-and-set of the state, as another client.
pub(super) fn before_state_put(server: &Server, step: impl FnOnce(&Server) + 'static) {
    server.store.before(Operation::Put, STATE, 0, move |store| step(&Server::over(store)));
}

pub(super) fn locked_with(id: &str, content: Option<&str>) -> Server {
    let server = Server::new();
    assert_eq!(server.lock(id).status, 200);
    if let Some(content) = content {
        assert_eq!(server.post(Some(id), content).status, 200);
    }
    server
}

/// A write checks the lock, then sleeps; the lock is broken; the write wakes up. Rules: order, fence.
fn a_late_write_after_a_broken_lock_loses_when_the_state_is_there() {
    let server = locked_with("A", Some(&state(1, "one")));
    before_state_put(&server, |other| assert_eq!(other.force_unlock().status, 200));
    let late = server.post(Some("A"), &state(2, "late"));
    server.store.assert_all_steps_ran();
    assert_eq!((late.status, late.code().as_str()), (409, "lock-not-held"));
    assert_eq!(server.content(), Some(state(1, "one")));
}

fn a_late_write_after_a_broken_lock_loses_when_there_is_no_state_yet() {
    let server = locked_with("A", None);
    before_state_put(&server, |other| {
        assert_eq!(other.force_unlock_by_id("A").status, 200);
        assert_eq!(statuses([other.lock("B"), other.post(Some("B"), &state(1, "new")), other.unlock("B")]), [200; 3]);
    });
    assert_eq!(server.post(Some("A"), &state(1, "late")).status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(1, "new")));
}

fn a_late_write_after_a_broken_lock_loses_before_anybody_else_wrote() {
    for deleted in [false, true] {
        let server = locked_with("A", None);
        if deleted {
            assert_eq!(
                statuses([server.post(Some("A"), &state(1, "one")), server.delete(Some("A")), server.unlock("A")]),
                [200; 3]
            );
            assert_eq!(server.lock("A2").status, 200);
        }
        let id = if deleted { "A2" } else { "A" };
        before_state_put(&server, |other| assert_eq!(other.force_unlock().status, 200));
        assert_eq!(server.post(Some(id), &state(9, "late")).status, 409, "deleted: {deleted}");
        server.store.assert_all_steps_ran();
        assert_eq!(server.content(), None, "deleted: {deleted}");
    }
}

/// The same for DELETE, which follows the same rules.
fn a_late_deletion_after_a_broken_lock_loses() {
    let server = locked_with("A", Some(&state(1, "one")));
    before_state_put(&server, |other| assert_eq!(other.force_unlock().status, 200));
    assert_eq!(server.delete(Some("A")).status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(1, "one")));
}

/// Rule: the state's revision is read before the lock. Were it the other way round, the break and the
/// next holder's write would fit between both reads, and the late write would win.
fn the_revision_is_read_before_the_lock() {
    let server = locked_with("A", Some(&state(1, "one")));
    // As a server does that has not seen the state yet.
    let fresh = Server::over(&server.store);
    let before = server.store.calls().len();
    assert_eq!(fresh.post(Some("A"), &state(2, "two")).status, 200);
    let calls = server.store.calls()[before..].to_vec();
    let expected = [(Operation::Get, STATE), (Operation::Get, LOCK), (Operation::Put, STATE)];
    assert_eq!(calls, expected.map(|(operation, key)| (operation, key.to_owned())));
    // And what it is for: between the two reads everything happens.
    let late = Rc::new(RefCell::new(false));
    let done = Rc::clone(&late);
    server.store.before(Operation::Get, LOCK, 0, move |store| {
        let other = Server::over(store);
        assert_eq!(other.force_unlock().status, 200);
        assert_eq!(statuses([other.lock("B"), other.post(Some("B"), &state(500, "B")), other.unlock("B")]), [200; 3]);
        *done.borrow_mut() = true;
    });
    assert_eq!(server.post(Some("A"), &state(501, "late")).status, 409);
    assert!(*late.borrow());
    assert_eq!(server.content(), Some(state(500, "B")));
}

/// The fence stands before the break is answered: right after it, the revision is another one.
fn breaking_a_lock_makes_every_earlier_revision_stale() {
    for content in [None, Some(state(1, "one"))] {
        for by_id in [false, true] {
            let server = locked_with("A", content.as_deref());
            let before = server.store.revision(STATE);
            let broken = if by_id { server.force_unlock_by_id("A") } else { server.force_unlock() };
            assert_eq!(broken.status, 200);
            assert!(broken.event.forced);
            assert_eq!(server.store.revision(STATE), before + 1);
            assert_eq!(server.content(), content);
        }
    }
}

/// Rule: the next LOCK fences, when the breaker died between its record and its fence.
fn the_next_lock_does_the_fence_of_a_breaker_that_died() {
    let server = locked_with("A", Some(&state(1, "one")));
    let crash = crate::outside::StoreError::Unavailable("crash".to_owned());
    // The writer is past its lock check when the breaker writes its record and dies before the fence's read.
    before_state_put(&server, move |other| {
        other.store.fail(Operation::Get, STATE, 0, super::simulated::Fault::Instead(crash));
        assert_eq!(other.force_unlock().status, 503);
        assert_eq!(other.lock("B").status, 200);
    });
    let late = server.post(Some("A"), &state(2, "late"));
    server.store.assert_all_steps_ran();
    assert_eq!(late.status, 409);
    assert_eq!(server.content(), Some(state(1, "one")));
}

/// The same, when the breaker's own request is repeated instead.
fn a_repeated_unlock_does_the_fence_that_its_first_attempt_did_not() {
    let server = locked_with("A", Some(&state(1, "one")));
    let crash = crate::outside::StoreError::Timeout;
    before_state_put(&server, move |other| {
        other.store.fail(Operation::Get, STATE, 0, super::simulated::Fault::Instead(crash));
        assert_eq!(other.force_unlock().status, 503);
        assert_eq!(other.force_unlock().status, 200);
    });
    assert_eq!(server.post(Some("A"), &state(2, "late")).status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(1, "one")));
}

/// Rule: an ID that is no longer the holder's is refused even when nothing is held.
fn a_released_or_broken_id_cannot_write() {
    for broken in [false, true] {
        let server = locked_with("A", Some(&state(1, "one")));
        let gone = if broken { server.force_unlock() } else { server.unlock("A") };
        assert_eq!(gone.status, 200);
        let late = server.post(Some("A"), &state(2, "late"));
        assert_eq!((late.status, late.code().as_str()), (409, "lock-not-held"));
        assert_eq!(server.delete(Some("A")).status, 409);
        assert_eq!(server.content(), Some(state(1, "one")));
    }
}

/// Rule: a holder's write that lost its compare-and-set to a fence tries again.
fn a_holder_goes_on_after_a_late_fence() {
    let server = Server::new();
    assert_eq!(statuses([server.lock("X"), server.post(Some("X"), &state(1, "one"))]), [200; 2]);
    // C finds X's broken record and is held back before its fence; meanwhile A fences, locks, and writes.
    let crash = crate::outside::StoreError::Timeout;
    server.store.fail(Operation::Get, STATE, 0, super::simulated::Fault::Instead(crash));
    assert_eq!(server.force_unlock().status, 503);
    server.store.before(Operation::Get, STATE, 0, |store| {
        let other = Server::over(store);
        assert_eq!(other.lock("A").status, 200);
        // C's fence lands between A's reads and A's write.
        store.before(Operation::Put, STATE, 0, |store| {
            let slot = store.peek(STATE);
            let crate::outside::Slot::Entry(entry) = slot else { panic!("{slot:?}") };
            let revision = entry.revision + 1;
            store.plant(STATE, crate::outside::Slot::Entry(crate::outside::Entry { revision, ..entry }));
        });
        let written = Server::over(store).post(Some("A"), &state(2, "two"));
        assert_eq!((written.status, written.event.conflicts), (200, 1));
    });
    assert_eq!(server.lock("C").status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(2, "two")));
}

/// But what lost to another write is a 409: somebody has written under a lock that we hold.
fn a_write_that_lost_to_another_content_is_refused() {
    let server = locked_with("A", Some(&state(1, "one")));
    before_state_put(&server, |other| assert_eq!(other.post(Some("A"), &state(3, "three")).status, 200));
    let lost = Server::over(&server.store).post(Some("A"), &state(4, "four"));
    assert_eq!((lost.status, lost.code().as_str()), (409, "lost-race"));
    assert_eq!(server.content(), Some(state(3, "three")));
}

fn a_write_without_any_lock_that_lost_is_refused() {
    let server = Server::new();
    assert_eq!(server.post(None, &state(1, "one")).status, 200);
    before_state_put(&server, |other| assert_eq!(other.post(None, &state(2, "two")).status, 200));
    let lost = server.post(None, &state(3, "three"));
    assert_eq!((lost.status, lost.code().as_str()), (409, "lost-race"));
    // Also to a fence: without a lock nobody knows what happened in between.
    before_state_put(&server, |other| {
        assert_eq!(statuses([other.lock("B"), other.force_unlock()]), [200; 2]);
    });
    assert_eq!(server.post(None, &state(4, "four")).status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(2, "two")));
}

/// Rule: under one lock serials only grow. The first attempt of a write hangs; its retry and the next
/// write are acknowledged; then the first attempt arrives.
fn a_late_copy_of_an_older_write_under_the_same_lock_is_refused() {
    let server = locked_with("A", Some(&state(1, "one")));
    assert_eq!(
        statuses([server.post(Some("A"), &state(2, "two")), server.post(Some("A"), &state(3, "three"))]),
        [200; 2]
    );
    let late = server.post(Some("A"), &state(2, "two"));
    assert_eq!((late.status, late.code().as_str()), (409, "older-serial"));
    let twin = server.post(Some("A"), &state(3, "other bytes"));
    assert_eq!((twin.status, twin.code().as_str()), (409, "older-serial"));
    assert_eq!(server.content(), Some(state(3, "three")));
    // It hangs after its reads: then its compare-and-set is what refuses it.
    before_state_put(&server, |other| {
        assert_eq!(
            statuses([other.post(Some("A"), &state(4, "four")), other.post(Some("A"), &state(5, "five"))]),
            [200; 2]
        );
    });
    assert_eq!(server.post(Some("A"), &state(4, "four")).status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(5, "five")));
}

fn a_late_copy_of_a_write_before_a_deletion_under_the_same_lock_is_refused() {
    let server = locked_with("A", Some(&state(5, "five")));
    assert_eq!(server.delete(Some("A")).status, 200);
    assert_eq!(server.post(Some("A"), &state(5, "five")).code(), "older-serial");
    assert_eq!(server.content(), None);
    assert_eq!(server.post(Some("A"), &state(6, "six")).status, 200);
}

/// Another lock may write any serial here: guarding lineages is a policy's business.
fn a_lower_serial_under_another_lock_is_not_the_locks_business() {
    let server = locked_with("A", Some(&state(9, "nine")));
    assert_eq!(statuses([server.unlock("A"), server.lock("B"), server.post(Some("B"), &state(3, "three"))]), [200; 3]);
}

/// Rule: a late duplicate of a LOCK whose lock was released or broken since is refused.
fn a_late_duplicate_of_a_lock_is_refused() {
    for broken in [false, true] {
        let server = locked_with("A", None);
        let gone = if broken { server.force_unlock() } else { server.unlock("A") };
        assert_eq!(gone.status, 200);
        let late = server.lock("A");
        assert_eq!((late.status, late.code().as_str()), (409, "lock-released"));
        assert_eq!(statuses([server.lock("B"), server.unlock("B")]), [200; 2]);
        assert_eq!(server.lock("A").status, 409, "remembered beyond the next lock");
    }
}

fn replays_are_answered_as_the_first_time() {
    let server = Server::new();
    assert_eq!(server.lock("A").status, 200);
    let revision = server.store.revision(LOCK);
    let again = server.lock("A");
    assert_eq!((again.status, again.event.outcome), (200, "replayed"));
    assert_eq!(server.store.revision(LOCK), revision);
    assert_eq!(server.post(Some("A"), &state(1, "one")).status, 200);
    let revision = server.store.revision(STATE);
    assert_eq!(server.post(Some("A"), &state(1, "one")).status, 200);
    assert_eq!(server.store.revision(STATE), revision, "the same bytes make no new revision");
    assert_eq!(statuses([server.delete(Some("A")), server.delete(Some("A"))]), [200; 2]);
    assert_eq!(
        statuses([server.unlock("A"), server.unlock("A"), server.force_unlock(), server.force_unlock_by_id("A")]),
        [200; 4]
    );
}

/// The lock between two writers of one moment: the loser learns who won.
fn of_two_locks_at_one_moment_one_wins() {
    for had_one_before in [false, true] {
        let server = Server::new();
        if had_one_before {
            assert_eq!(statuses([server.lock("0"), server.unlock("0")]), [200; 2]);
        }
        server.store.before(Operation::Put, LOCK, 0, |store| assert_eq!(Server::over(store).lock("B").status, 200));
        let lost = Server::over(&server.store).lock("A");
        assert_eq!((lost.status, lost.json()["ID"].as_str()), (409, Some("B")));
        assert_eq!(lost.event.conflicts, 1);
    }
}

/// An UNLOCK that was checked before somebody else took over releases nothing of his.
fn a_late_unlock_releases_nothing_of_the_next_holder() {
    let server = locked_with("A", None);
    server.store.before(Operation::Put, LOCK, 0, |store| {
        let other = Server::over(store);
        assert_eq!(statuses([other.unlock("A"), other.lock("B")]), [200; 2]);
    });
    let late = server.unlock("A");
    assert_eq!((late.status, late.event.outcome), (200, "replayed"));
    assert_eq!(server.lock("C").json()["ID"], "B");
}

/// LOCK_TTL: a silent holder is taken over from, with a fence; a live one is not.
fn a_silent_lock_is_taken_over_and_its_late_write_loses() {
    let minute = 60_000;
    let mut server = locked_with("A", Some(&state(1, "one")));
    let start = server.now;
    server.settings.lock_ttl = Some(10 * minute);
    server.now = start + 10 * minute;
    assert_eq!(server.lock("B").status, 409, "not older than the time-out");
    assert_eq!(server.post(Some("A"), &state(2, "two")).status, 200, "a sign of life");
    server.now = start + 20 * minute;
    assert_eq!(server.lock("B").status, 409, "its last write is ten minutes old");
    server.now = start + 20 * minute + 1;
    let settings = server.settings;
    let now = server.now;
    server.store.before(Operation::Put, STATE, 0, move |store: &Simulated| {
        let mut other = Server::over(store);
        other.settings = settings;
        other.now = now;
        let taken = other.lock("B");
        assert_eq!((taken.status, taken.event.forced), (200, true));
    });
    assert_eq!(server.post(Some("A"), &state(3, "late")).status, 409);
    server.store.assert_all_steps_ran();
    assert_eq!(server.content(), Some(state(2, "two")));
    assert_eq!(server.unlock("A").json()["ID"], "B");
}
