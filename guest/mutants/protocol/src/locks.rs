//! Mutants of the lock's own rules.

use std::cell::Cell;

use tofu_state_protocol::document::{self, LockDocument, LockStatus};
use tofu_state_protocol::exchange::Operation;
use tofu_state_protocol::outside::{Outcome, Remembered, Slot, Store};

use crate::mutated::{Answer, Lies, Put, Real, is_lock, pretend_held_by, written};

pub(crate) struct ReleaseByDelete;

impl<S: Store> Lies<S> for ReleaseByDelete {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        match put.lock(key) {
            Some(LockDocument { status: LockStatus::Free, .. }) => real.delete(key),
            _ => real.put(key, put),
        }
    }
}

pub(crate) struct LockWithoutCas;

impl<S: Store> Lies<S> for LockWithoutCas {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        match put.lock(key) {
            Some(LockDocument { status: LockStatus::Held(_), .. }) => real.put_over(key, put),
            _ => real.put(key, put),
        }
    }
}

pub(crate) struct UnlockOfAnyId;

impl<S: Store> Lies<S> for UnlockOfAnyId {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.get_lock(key, |lock| {
            if real.operation == Operation::Unlock
                && matches!(lock.status, LockStatus::Held(_))
                && real.lock_id.is_some()
            {
                pretend_held_by(lock, real.lock_id.as_deref());
            }
        })
    }
}

pub(crate) struct LateLockAccepted;

fn forget_gone(lock: &mut LockDocument) {
    lock.released.clear();
    lock.broken.clear();
}

impl<S: Store> Lies<S> for LateLockAccepted {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.get_lock(key, forget_gone)
    }

    fn recall(&self, real: &Real<'_, S>, key: &str) -> Option<Remembered> {
        let mut seen = real.store.recall(key)?;
        if is_lock(key) {
            let mut lock = document::decode(key, &seen.meta).ok()?;
            forget_gone(&mut lock);
            seen.meta = document::encode(&lock);
        }
        Some(seen)
    }
}

pub(crate) struct LockReplayRefused;

impl<S: Store> Lies<S> for LockReplayRefused {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.get_lock(key, |lock| {
            if let LockStatus::Held(held) = &mut lock.status
                && real.operation == Operation::Lock
            {
                held.by.push_str(" of the first attempt");
            }
        })
    }
}

/// Holds whether the lock was held when it was last read: only then is the state read for its age.
#[derive(Default)]
pub(crate) struct TakeoverDespiteWrites(Cell<bool>);

impl<S: Store> Lies<S> for TakeoverDespiteWrites {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        if is_lock(key) {
            return real.get_lock(key, |lock| self.0.set(matches!(lock.status, LockStatus::Held(_))));
        }
        real.get_state(key, |state| {
            if let Some(written) = written(state)
                && real.operation == Operation::Lock
                && self.0.get()
            {
                written.lock_id = None;
            }
        })
    }
}

/// Holds whether a lock was found that is to be taken over.
#[derive(Default)]
pub(crate) struct TakeoverInOneStep(Cell<bool>);

impl<S: Store> Lies<S> for TakeoverInOneStep {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.get_lock(key, |lock| {
            if self.0.get() {
                lock.status = LockStatus::Free;
            }
        })
    }

    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        let breaks = matches!(put.lock(key), Some(LockDocument { status: LockStatus::Broken, .. }));
        if breaks && real.operation == Operation::Lock {
            self.0.set(true);
            return Ok(Outcome::Written);
        }
        real.put(key, put)
    }
}
