//! Mutants of the fence, which follows a broken lock.

use tofu_state_protocol::document::{self, LockDocument, LockStatus, StateDocument};
use tofu_state_protocol::exchange::Operation;
use tofu_state_protocol::outside::{Entry, Outcome, Retention, Slot, Store};

use crate::mutated::{Answer, Lies, Put, Real, is_state};

/// Whether a write is the fence of a LOCK or UNLOCK: those write no state otherwise.
fn is_fence<S: Store>(real: &Real<'_, S>, key: &str) -> bool {
    is_state(key) && matches!(real.operation, Operation::Lock | Operation::Unlock)
}

pub(crate) struct BreakWithoutFence;

impl<S: Store> Lies<S> for BreakWithoutFence {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        if is_fence(real, key) { Ok(Outcome::Written) } else { real.put(key, put) }
    }
}

pub(crate) struct FenceBeforeBreak;

impl<S: Store> Lies<S> for FenceBeforeBreak {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        if is_fence(real, key) {
            return Ok(Outcome::Written);
        }
        if let Some(LockDocument { status: LockStatus::Broken, .. }) = put.lock(key)
            && let Some(state_key) = key.strip_suffix(tofu_state_protocol::path::LOCK_SUFFIX)
        {
            fence(real, state_key)?;
        }
        real.put(key, put)
    }
}

fn fence<S: Store>(real: &Real<'_, S>, key: &str) -> Answer<Outcome> {
    let none = document::encode(&StateDocument::NoState);
    let (meta, content, expected) = match real.store.get(key)? {
        Slot::Absent => (none, None, 0),
        Slot::Entry(Entry { revision, meta, content }) => (meta, content, revision),
        Slot::Removed(_) => return Ok(Outcome::Conflict),
    };
    real.put(key, Put { meta: &meta, content: content.as_ref(), expected, retention: Retention::History })
}

pub(crate) struct NoFenceWithoutState;

impl<S: Store> Lies<S> for NoFenceWithoutState {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        if is_fence(real, key) && put.expected == 0 { Ok(Outcome::Written) } else { real.put(key, put) }
    }
}

pub(crate) struct BrokenLockTakenUnfenced;

impl<S: Store> Lies<S> for BrokenLockTakenUnfenced {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        if is_fence(real, key) && real.operation == Operation::Lock { Ok(Outcome::Written) } else { real.put(key, put) }
    }
}
