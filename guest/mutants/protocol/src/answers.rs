//! Mutants that take the store's errors, or their own client, not seriously.

use tofu_state_protocol::exchange::{Body, Operation, Response};
use tofu_state_protocol::outside::{Outcome, Slot, Store, StoreError};

use crate::Mutant;
use crate::mutated::{Answer, Lies, Put, Real, is_state};

pub(crate) struct UnknownIsDone;

impl<S: Store> Lies<S> for UnknownIsDone {
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        match real.put(key, put) {
            Err(StoreError::Timeout | StoreError::Unavailable(_)) => Ok(Outcome::Written),
            known => known,
        }
    }
}

pub(crate) struct UnavailableIsEmpty;

impl<S: Store> Lies<S> for UnavailableIsEmpty {
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        match real.store.get(key) {
            Err(StoreError::Timeout | StoreError::Unavailable(_)) if is_state(key) => Ok(Slot::Absent),
            known => known,
        }
    }
}

/// No lie to the protocol.
pub(crate) struct Nothing;

impl<S: Store> Lies<S> for Nothing {}

/// What the client is told.
pub(crate) fn changed<B>(mutant: Mutant, mut response: Response<B>) -> Response<B> {
    let is_unlock = matches!(response.event.operation, Operation::Unlock | Operation::ForceUnlock);
    if mutant == Mutant::UnlockReplayRefused && is_unlock && response.event.outcome == "replayed" {
        response.reply.status = 409;
        response.reply.body = Body::Bytes(br#"{"error":{"code":"not-locked","message":"nothing is locked"}}"#.to_vec());
    }
    response
}
