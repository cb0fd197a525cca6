//! Asking the policies, and what a denial becomes.
//!
//! A denial may rest on a fresh read only: what was judged by something recalled is judged again.

use crate::Call;
use crate::document::{Held, StateDocument, StateRecord};
use crate::exchange::Request;
use crate::header::read_header;
use crate::lock_info::LockInfo;
use crate::outside::{Blob, Store};
use crate::policies::{Change, Denial, Needs, Operation, StateHeader};
use crate::quarantine;
use crate::reply::{Kept, Refusal};
use crate::state::{self, Found};

/// Judges the lock that is about to be taken.
pub(crate) fn lock<S: Store>(call: &Call<'_, S>, info: &LockInfo) -> Result<Option<Denial>, Refusal> {
    of_lock(call, Operation::Lock, info)
}

/// The answer to a LOCK that a policy denies: a LockInfo, which both CLIs print.
pub(crate) fn lock_denied<S: Store>(call: &mut Call<'_, S>, denial: Denial, info: &LockInfo) -> Refusal {
    call.event.denied_by = Some(denial.policy.clone());
    Refusal::LockDenied {
        denial: Box::new(denial),
        operation: info.operation.clone(),
        path: call.path.state_key().to_owned(),
        received: call.request.received,
    }
}

/// Judges the break of a lock, and refuses it.
pub(crate) fn force_unlock<S: Store>(call: &mut Call<'_, S>, held: &Held) -> Result<(), Refusal> {
    match of_lock(call, Operation::ForceUnlock, &info_of(held))? {
        None => Ok(()),
        Some(denial) => Err(denied(call, denial, Kept::Nothing)),
    }
}

fn of_lock<S: Store>(call: &Call<'_, S>, operation: Operation, info: &LockInfo) -> Result<Option<Denial>, Refusal> {
    let needs = call.policies.needed(operation, call.path.state_key());
    if !needs.review {
        return Ok(None);
    }
    let mut change = change(call, operation, Some(info.clone()), overwrite(call.request)?);
    if !needs.current {
        return Ok(call.policies.review(&change, None, None));
    }
    let found = state::load(call)?;
    if found.removed {
        // Nobody knows whether there is a state, so nobody can judge it.
        return Err(Refusal::RemovedInStore { key: call.path.state_key().to_owned(), revision: found.revision });
    }
    change.current = current(&found);
    let content = found.content.as_ref().filter(|_| needs.content && change.current.is_some());
    Ok(call.policies.review(&change, content, None))
}

/// A write or a deletion that is about to be made.
pub(crate) struct Changing<'a, B> {
    pub(crate) wanted: &'a StateDocument,
    pub(crate) found: &'a Found<B>,
    /// The writer's own lock.
    pub(crate) held: Option<&'a Held>,
    pub(crate) needs: Needs,
    pub(crate) overwrite: Option<u64>,
}

/// Judges a write or a deletion.
pub(crate) fn state<S: Store>(call: &Call<'_, S>, changing: &Changing<'_, S::Blob>) -> Option<Denial> {
    let Changing { wanted, found, held, needs, overwrite } = changing;
    if !needs.review {
        return None;
    }
    let (operation, proposed) = match wanted {
        StateDocument::State(record) => (Operation::Write, Some(header(record, || false))),
        StateDocument::Deleted(_) | StateDocument::NoState => (Operation::Delete, None),
    };
    let mut change = change(call, operation, held.map(info_of), *overwrite);
    change.current = current(found);
    change.proposed = proposed;
    let current = found.content.as_ref().filter(|_| needs.content && change.current.is_some());
    let sent = call.request.body.as_ref().filter(|_| needs.content && change.proposed.is_some());
    call.policies.review(&change, current, sent)
}

/// The answer to a write or a deletion that a policy denies. What was sent is kept aside first: its
/// infrastructure has changed already.
pub(crate) fn state_denied<S: Store>(call: &mut Call<'_, S>, denial: Denial, wanted: &StateDocument) -> Refusal {
    let (StateDocument::State(record), Some(body)) = (wanted, &call.request.body) else {
        return denied(call, denial, Kept::Nothing);
    };
    if !denial.keep {
        return denied(call, denial, Kept::Unwanted);
    }
    let key = quarantine::key(call.path, record);
    match quarantine::keep(call.store, &key, body, record, &denial) {
        Ok(()) => {
            call.event.quarantined = Some(key.clone());
            denied(call, denial, Kept::At(key))
        }
        Err(why) => {
            call.event.denied_by = Some(denial.policy.clone());
            Refusal::NotKept { denial: Box::new(denial), why: Box::new(why) }
        }
    }
}

fn denied<S: Store>(call: &mut Call<'_, S>, denial: Denial, kept: Kept) -> Refusal {
    call.event.denied_by = Some(denial.policy.clone());
    Refusal::Denied { denial: Box::new(denial), kept }
}

/// `?overwrite=<serial>`: the present serial that the sender means to overwrite.
pub(crate) fn overwrite<B>(request: &Request<B>) -> Result<Option<u64>, Refusal> {
    let query = request.query.as_deref().unwrap_or_default();
    let mut serials = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "overwrite");
    let Some((_, serial)) = serials.next() else { return Ok(None) };
    let digits = !serial.is_empty() && serial.bytes().all(|b| b.is_ascii_digit());
    match serial.parse() {
        Ok(serial) if digits && serials.next().is_none() => Ok(Some(serial)),
        _ => Err(Refusal::InvalidRequest("`?overwrite=` is not one serial, a whole number".to_owned())),
    }
}

fn change<S: Store>(
    call: &Call<'_, S>,
    operation: Operation,
    lock: Option<LockInfo>,
    overwrite: Option<u64>,
) -> Change {
    Change {
        operation,
        path: call.path.state_key().to_owned(),
        caller: call.request.caller.clone(),
        lock,
        current: None,
        proposed: None,
        overwrite,
        received: call.request.received,
    }
}

/// The LockInfo of a lock that is held.
fn info_of(held: &Held) -> LockInfo {
    LockInfo::parse(held.info.as_bytes()).unwrap_or_else(|_| LockInfo::with_id(&held.id))
}

/// The header of what was found; none: there is no state.
fn current<B: Blob>(found: &Found<B>) -> Option<StateHeader> {
    let Some(StateDocument::State(record)) = &found.document else { return None };
    // Documents of earlier releases do not say whether the state is empty. Where the content was not read
    // with the document, it counts as not empty, and a denial is judged again with it.
    let look = || found.content.as_ref().and_then(|content| read_header(content).ok()).is_some_and(|read| read.empty);
    Some(header(record, look))
}

fn header(record: &StateRecord, unknown: impl FnOnce() -> bool) -> StateHeader {
    let summary = record.summary();
    StateHeader {
        serial: summary.serial,
        lineage: summary.lineage,
        size: summary.size,
        tool_version: summary.tool_version,
        encrypted: summary.encrypted,
        empty: record.empty.unwrap_or_else(unknown),
        sha256: summary.sha256,
    }
}
