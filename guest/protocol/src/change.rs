//! Changes of a state: POST and DELETE, which share their rules and the order of their reads.
//!
//! The state's revision is read first, then the lock, then the write is made with that revision. So if
//! the lock is broken after it was checked, the fence has made the revision stale, and the write loses.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::Call;
use crate::document::{self, DeletedRecord, LockStatus, StateDocument, StateRecord, Written, to_hex};
use crate::exchange::{Operation, Reply};
use crate::fence::fence;
use crate::header::read_header;
use crate::lock::{self, ATTEMPTS};
use crate::outside::{Blob, Outcome, Store};
use crate::policies::{self, Needs};
use crate::reply::{self, Refusal};
use crate::retention;
use crate::review::{self, Changing};
use crate::state::{self, Found};

/// Writes the state in the body.
pub(crate) fn write<S: Store>(call: &mut Call<'_, S>) -> Result<Reply<S::Blob>, Refusal> {
    call.event.operation = Operation::Write;
    let missing = || Refusal::InvalidRequest("the body is empty: a state belongs there".to_owned());
    let body = call.request.body.as_ref().ok_or_else(missing)?;
    let digests = body.digests();
    check_content_md5(call.request.header("content-md5"), &digests.md5)?;
    let header = read_header(body).map_err(|why| Refusal::InvalidRequest(format!("the body is no state: {why}")))?;
    let written = written(call)?;
    apply(
        call,
        StateDocument::State(StateRecord {
            size: body.len(),
            sha256: to_hex(&digests.sha256),
            serial: header.serial,
            lineage: header.lineage,
            tool_version: header.tool_version,
            encrypted: header.encrypted,
            empty: Some(header.empty),
            step: 0,
            written,
        }),
    )
}

/// Writes a "deleted" record. The store's own deletion takes no revision and could hit a newer state.
pub(crate) fn delete<S: Store>(call: &mut Call<'_, S>) -> Result<Reply<S::Blob>, Refusal> {
    call.event.operation = Operation::Delete;
    let written = written(call)?;
    apply(call, StateDocument::Deleted(DeletedRecord { serial: None, written }))
}

fn written<S: Store>(call: &Call<'_, S>) -> Result<Written, Refusal> {
    Ok(Written {
        written: call.request.received,
        by: call.request.caller.name.clone(),
        lock_id: lock::lock_id_of(call)?,
    })
}

fn check_content_md5(sent: Option<&str>, md5: &[u8; 16]) -> Result<(), Refusal> {
    let Some(sent) = sent else { return Ok(()) };
    match BASE64_STANDARD.decode(sent) {
        Ok(sent) if sent == md5 => Ok(()),
        Ok(sent) if sent.len() == md5.len() => Err(Refusal::DigestMismatch),
        Ok(_) | Err(_) => {
            Err(Refusal::InvalidRequest("Content-MD5 is not the base64 of 16 bytes (RFC 1864)".to_owned()))
        }
    }
}

/// Makes the change under all rules, and again if a fence came between.
fn apply<S: Store>(call: &mut Call<'_, S>, mut wanted: StateDocument) -> Result<Reply<S::Blob>, Refusal> {
    let lock_id = wanted.written().and_then(|written| written.lock_id.clone());
    call.event.lock_id.clone_from(&lock_id);
    let mut first_seen: Option<Seen> = None;
    let overwrite = review::overwrite(call.request)?;
    let operation = match &wanted {
        StateDocument::State(_) => policies::Operation::Write,
        StateDocument::Deleted(_) | StateDocument::NoState => policies::Operation::Delete,
    };
    let needs = call.policies.needed(operation, call.path.state_key());
    let mut hint = promising_hint(call, &wanted, needs);
    let mut fenced = false;
    for _ in 0..ATTEMPTS {
        let recalled = hint.is_some();
        let state = match hint.take() {
            Some(state) => state,
            None => state::load(call)?,
        };
        let lock = check_lock(call, lock_id.as_deref())?;
        if lock == LockStatus::Broken && !fenced && !state.removed {
            // The broken lock's holder may still be writing, and would write over what is acknowledged here.
            // (What was removed in the store cannot be fenced, and has to be settled by a write.)
            fence(call)?;
            fenced = true;
            continue;
        }
        call.event.before = summary(state.document.as_ref());
        let same = is_done(&wanted, &state);
        if same && is_whole(&state) {
            return Ok(call.replayed(reply::empty(200)));
        }
        let seen = Seen::of(&state);
        if let Some(first_seen) = &first_seen {
            // Only a fence leaves the content as it was, and only a holder's write may go on after one.
            if lock_id.is_none() || *first_seen != seen {
                return Err(Refusal::LostRace);
            }
        }
        if !recalled {
            first_seen = Some(seen);
        }
        // The same state once more, because the stored bytes are damaged, mends it.
        if !same {
            check_serial(&wanted, state.document.as_ref())?;
            let held = if let LockStatus::Held(held) = &lock { Some(held) } else { None };
            let changing = Changing { wanted: &wanted, found: &state, held, needs, overwrite };
            match review::state(call, &changing) {
                None => {}
                // Judged again, by what is there now.
                Some(_) if recalled => continue,
                Some(denial) => return Err(review::state_denied(call, denial, &wanted)),
            }
        }
        if let StateDocument::Deleted(deleted) = &mut wanted {
            deleted.serial = call.event.before.as_ref().map(|before| before.serial);
        }
        let step = retention::step(&wanted, state.document.as_ref());
        if let StateDocument::State(wanted) = &mut wanted {
            wanted.step = step;
        }
        let content = match &wanted {
            StateDocument::State(_) => call.request.body.as_ref(),
            StateDocument::Deleted(_) | StateDocument::NoState => None,
        };
        let meta = document::encode(&wanted);
        let retention = retention::after(step, state.document.as_ref(), state.revision);
        match call.store.put_cas(call.path.state_key(), &meta, content, state.revision, retention)? {
            Outcome::Written => {
                call.event.after = summary(Some(&wanted));
                call.event.unlocked = lock_id.is_none();
                return Ok(reply::empty(200));
            }
            Outcome::Conflict if recalled => {}
            Outcome::Conflict => call.event.conflicts += 1,
        }
    }
    Err(Refusal::Contended)
}

/// The state as it was last seen, where that may save the read before a write.
///
/// It may be out of date, so it refuses nothing and acknowledges nothing; and a holder whose write
/// loses by it begins as if nothing had been tried. Who holds no lock gets none: for him, any loss
/// is final. And no policy gets one that needs the state itself: it is not remembered.
fn promising_hint<S: Store>(call: &Call<'_, S>, wanted: &StateDocument, needs: Needs) -> Option<Found<S::Blob>> {
    wanted.written()?.lock_id.as_ref()?;
    if needs.content {
        return None;
    }
    let state = state::recall(call)?;
    let may_pass = !is_done(wanted, &state) && check_serial(wanted, state.document.as_ref()).is_ok();
    may_pass.then_some(state)
}

/// While a lock is held, only its holder may write. When none is held, nobody may who says that he
/// holds one: it was broken, and somebody else may have written since.
fn check_lock<S: Store>(call: &mut Call<'_, S>, lock_id: Option<&str>) -> Result<LockStatus, Refusal> {
    let status = lock::load(call)?.document.status;
    match (&status, lock_id) {
        (LockStatus::Held(held), Some(id)) if held.id == id => {
            call.event.lock_who.clone_from(&held.who);
            call.event.run_trace.clone_from(&held.trace);
            Ok(status)
        }
        (LockStatus::Held(held), _) => Err(lock::locked(call, held)),
        (LockStatus::Free | LockStatus::Broken, Some(id)) => Err(Refusal::NotHolder(id.to_owned())),
        (LockStatus::Free | LockStatus::Broken, None) => Ok(status),
    }
}

/// Under one lock serials only grow: what is lower, or equal with other bytes, is a late copy of a
/// write whose retry and successor were acknowledged.
fn check_serial(wanted: &StateDocument, stored: Option<&StateDocument>) -> Result<(), Refusal> {
    let StateDocument::State(wanted) = wanted else { return Ok(()) };
    let (stored, by) = match stored {
        Some(StateDocument::State(state)) => (Some(state.serial), &state.written),
        Some(StateDocument::Deleted(deleted)) => (deleted.serial, &deleted.written),
        Some(StateDocument::NoState) | None => return Ok(()),
    };
    match stored {
        Some(stored)
            if wanted.written.lock_id.is_some() && by.lock_id == wanted.written.lock_id && wanted.serial <= stored =>
        {
            Err(Refusal::OlderSerial { sent: wanted.serial, stored })
        }
        _ => Ok(()),
    }
}

/// Whether the state already is what is wanted: a replay, and no reason for a new revision.
fn is_done<B>(wanted: &StateDocument, state: &Found<B>) -> bool {
    match (wanted, &state.document) {
        (StateDocument::State(wanted), Some(StateDocument::State(stored))) => {
            wanted.sha256 == stored.sha256 && wanted.size == stored.size
        }
        (StateDocument::Deleted(_), Some(StateDocument::Deleted(_) | StateDocument::NoState)) => true,
        (StateDocument::Deleted(_), None) => !state.removed,
        _ => false,
    }
}

/// Whether the stored bytes are those that their document tells of. It is asked only before a write is
/// called done without having been made.
fn is_whole<B: Blob>(state: &Found<B>) -> bool {
    match (&state.document, &state.content) {
        (Some(StateDocument::State(stored)), Some(content)) => to_hex(&content.digests().sha256) == stored.sha256,
        (Some(StateDocument::State(_)), None) => false,
        _ => true,
    }
}

fn summary(document: Option<&StateDocument>) -> Option<crate::exchange::StateSummary> {
    match document {
        Some(StateDocument::State(state)) => Some(state.summary()),
        _ => None,
    }
}

/// What a writer has seen of a state: equal before and after a fence, and only then.
#[derive(PartialEq)]
enum Seen {
    Nothing,
    Removed,
    Document(StateDocument),
}

impl Seen {
    fn of<B>(state: &Found<B>) -> Self {
        match &state.document {
            None if state.removed => Self::Removed,
            None | Some(StateDocument::NoState) => Self::Nothing,
            Some(document) => Self::Document(document.clone()),
        }
    }
}
