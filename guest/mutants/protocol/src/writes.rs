//! Mutants of the rules for POST and DELETE.

use std::cell::RefCell;

use tofu_state_protocol::document::{LockStatus, StateDocument};
use tofu_state_protocol::exchange::Operation;
use tofu_state_protocol::outside::{Entry, Outcome, Remembered, Slot, Store};
use tofu_state_protocol::path::LOCK_SUFFIX;

use crate::mutated::{Answer, Lies, Put, Real, is_lock, is_state, pretend_held_by, written};

/// Holds the lock that was read too early.
#[derive(Default)]
pub(crate) struct LockReadFirst(RefCell<Option<Early>>);

/// A lock's document, which has no content.
type Early = Slot<std::convert::Infallible>;

impl<S: Store> Lies<S> for LockReadFirst {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        if !real.writes() {
            return real.store.get(key);
        }
        if is_lock(key) {
            return match self.0.borrow_mut().take() {
                None => real.store.get(key),
                Some(Early::Absent) => Ok(Slot::Absent),
                Some(Early::Removed(revision)) => Ok(Slot::Removed(revision)),
                Some(Early::Entry(Entry { revision, meta, .. })) => {
                    Ok(Slot::Entry(Entry { revision, meta, content: None }))
                }
            };
        }
        *self.0.borrow_mut() = Some(match real.store.get(&format!("{key}{LOCK_SUFFIX}"))? {
            Slot::Absent => Early::Absent,
            Slot::Removed(revision) => Early::Removed(revision),
            Slot::Entry(Entry { revision, meta, .. }) => Early::Entry(Entry { revision, meta, content: None }),
        });
        real.store.get(key)
    }

    /// A revision that is recalled would be older than any look at the lock.
    fn recall(&self, _: &Real<'_, S>, _: &str) -> Option<Remembered> {
        None
    }
}

pub(crate) struct LockFromMemory;

impl<S: Store> Lies<S> for LockFromMemory {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        match real.store.recall(key) {
            Some(Remembered { revision, meta }) if is_lock(key) && real.writes() => {
                Ok(Slot::Entry(Entry { revision, meta, content: None }))
            }
            _ => real.store.get(key),
        }
    }
}

/// Of requests of this operation.
pub(crate) struct WithoutHolderCheck(pub(crate) Operation);

impl<S: Store> Lies<S> for WithoutHolderCheck {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.get_lock(key, |lock| {
            if real.operation == self.0 && matches!(lock.status, LockStatus::Held(_)) {
                pretend_held_by(lock, real.lock_id.as_deref());
            }
        })
    }
}

pub(crate) struct GoneLockAccepted;

impl<S: Store> Lies<S> for GoneLockAccepted {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.get_lock(key, |lock| {
            if real.writes() && !matches!(lock.status, LockStatus::Held(_)) && real.lock_id.is_some() {
                pretend_held_by(lock, real.lock_id.as_deref());
            }
        })
    }
}

pub(crate) struct ExpectedRevisionIgnored;

impl<S: Store> Lies<S> for ExpectedRevisionIgnored {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        if real.writes() && is_state(key) { real.put_over(key, put) } else { real.put(key, put) }
    }
}

pub(crate) struct LostRaceRetriedUnchecked;

impl<S: Store> Lies<S> for LostRaceRetriedUnchecked {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        let Put { meta, content, expected, retention } = put;
        let outcome = real.put(key, Put { meta, content, expected, retention })?;
        if outcome == Outcome::Conflict && real.writes() && real.lock_id.is_some() && is_state(key) {
            return real.put_over(key, Put { meta, content, expected, retention });
        }
        Ok(outcome)
    }
}

pub(crate) struct LowerSerialAccepted;

impl<S: Store> Lies<S> for LowerSerialAccepted {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.get_state(key, |state| {
            if let Some(written) = written(state)
                && real.writes()
            {
                written.lock_id = None;
            }
        })
    }
}

pub(crate) struct PostReplayRefused;

impl<S: Store> Lies<S> for PostReplayRefused {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.get_state(key, |state| {
            if let StateDocument::State(state) = state
                && real.operation == Operation::Write
            {
                state.sha256.clear();
            }
        })
    }
}

pub(crate) struct DeleteInStore;

impl<S: Store> Lies<S> for DeleteInStore {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        match put.state(key) {
            Some(StateDocument::Deleted(_)) => real.delete(key),
            _ => real.put(key, put),
        }
    }
}
