//! The state: how it is read, and GET.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::Call;
use crate::document::{self, StateDocument, to_hex};
use crate::exchange::{Operation, Reply};
use crate::lock;
use crate::outside::{Blob, Revision, Slot, Store};
use crate::reply::{self, Refusal};

/// What lies where a state belongs, and the revision it was read at.
pub(crate) struct Found<B> {
    pub(crate) revision: Revision,
    /// None: nothing was ever written there, or (`removed`) it was deleted in the store itself.
    pub(crate) document: Option<StateDocument>,
    pub(crate) removed: bool,
    pub(crate) content: Option<B>,
}

/// Reads the state's document.
pub(crate) fn load<S: Store>(call: &Call<'_, S>) -> Result<Found<S::Blob>, Refusal> {
    let key = call.path.state_key();
    found(key, call.store.get(key)?)
}

/// Reads the state's document and, at the same time, which run holds the lock. It carries no lock ID, so
/// whoever reads meanwhile is taken for a part of that run. Nothing depends on it: a lock that cannot be
/// read fails no read of the state.
fn load_in_run<S: Store>(call: &mut Call<'_, S>) -> Result<Found<S::Blob>, Refusal> {
    let (key, lock_key) = (call.path.state_key(), call.path.lock_key());
    let [state, lock] = call.store.get_many([key, &lock_key]);
    call.event.run_trace = lock::run_of(&lock_key, lock);
    found(key, state?)
}

fn found<B>(key: &str, slot: Slot<B>) -> Result<Found<B>, Refusal> {
    Ok(match slot {
        Slot::Absent => Found { revision: 0, document: None, removed: false, content: None },
        Slot::Removed(revision) => Found { revision, document: None, removed: true, content: None },
        Slot::Entry(entry) => Found {
            revision: entry.revision,
            document: Some(document::decode(key, &entry.meta)?),
            removed: false,
            content: entry.content,
        },
    })
}

/// The state's document as it was last seen, without its content. It may be out of date.
pub(crate) fn recall<S: Store>(call: &Call<'_, S>) -> Option<Found<S::Blob>> {
    let key = call.path.state_key();
    let seen = call.store.recall(key)?;
    let document = Some(document::decode(key, &seen.meta).ok()?);
    Some(Found { revision: seen.revision, document, removed: false, content: None })
}

/// Answers with the state.
pub(crate) fn get<S: Store>(call: &mut Call<'_, S>) -> Result<Reply<S::Blob>, Refusal> {
    call.event.operation = Operation::Get;
    let found = if call.request.settings.join_runs { load_in_run(call)? } else { load(call)? };
    let key = call.path.state_key();
    if found.removed {
        return Err(Refusal::RemovedInStore { key: key.to_owned(), revision: found.revision });
    }
    let Some(StateDocument::State(state)) = found.document else { return Err(Refusal::NoState) };
    call.event.before = Some(state.summary());
    let damaged = || Refusal::Damaged { key: key.to_owned() };
    let content = found.content.ok_or_else(damaged)?;
    let digests = content.digests();
    if to_hex(&digests.sha256) != state.sha256 {
        return Err(damaged());
    }
    Ok(reply::state(content, BASE64_STANDARD.encode(digests.md5)))
}
