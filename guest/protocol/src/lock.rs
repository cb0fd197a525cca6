//! The lock: LOCK, UNLOCK and both forced unlocks.
//!
//! A lock is a document beside the state. It is taken, released and broken by compare-and-set only;
//! a release writes "free", because a deletion could hit somebody's newer lock. Which rule keeps what
//! from going wrong is shown by the model that `design.md` names; `tests/rules.rs` holds us to it.

use crate::Call;
use crate::document::{self, Held, LockDocument, LockStatus, StateDocument};
use crate::exchange::{ForceUnlock, Operation, Reply, TraceContext};
use crate::fence::fence;
use crate::lock_info::{LockInfo, checked_id};
use crate::outside::{Outcome, Retention, Revision, Slot, Store, StoreError};
use crate::reply::{self, Refusal};
use crate::{review, state};

/// How often a lost race is run again. Whoever loses finds the winner at its next look, so a
/// second attempt nearly always decides.
pub(crate) const ATTEMPTS: usize = 16;

/// The lock document and the revision it was read at.
pub(crate) struct Found {
    pub(crate) revision: Revision,
    pub(crate) document: LockDocument,
    /// There is no document: never was, or somebody removed it with all its revisions.
    absent: bool,
}

/// Reads the lock.
pub(crate) fn load<S: Store>(call: &Call<'_, S>) -> Result<Found, Refusal> {
    let key = call.path.lock_key();
    Ok(match call.store.get(&key)? {
        Slot::Absent => Found { revision: 0, document: LockDocument::new(LockStatus::Free), absent: true },
        Slot::Entry(entry) => {
            Found { revision: entry.revision, document: document::decode(&key, &entry.meta)?, absent: false }
        }
        // Somebody deleted the lock with the store's own tools to get rid of it. Nobody holds it, but a
        // write that checked it before may still be on its way: just what "broken" means.
        Slot::Removed(revision) => Found { revision, document: LockDocument::new(LockStatus::Broken), absent: false },
    })
}

/// The run that holds the lock which was found under `key`; none where nobody does, or where nobody knows.
pub(crate) fn run_of<B>(key: &str, found: Result<Slot<B>, StoreError>) -> Option<TraceContext> {
    let Ok(Slot::Entry(entry)) = found else { return None };
    match document::decode::<LockDocument>(key, &entry.meta).ok()?.status {
        LockStatus::Held(held) => held.trace,
        LockStatus::Free | LockStatus::Broken => None,
    }
}

/// The lock as it was last seen, if nobody held it then.
///
/// That it still holds shows only when a compare-and-set with its revision succeeds, so it serves to skip
/// a read and never to answer. A lock that was held is not recalled: revisions begin again when somebody
/// removes the document with the store's own tools, and a release with an old one could hit another's lock.
fn recall_free<S: Store>(call: &Call<'_, S>) -> Option<Found> {
    let key = call.path.lock_key();
    let seen = call.store.recall(&key)?;
    let document: LockDocument = document::decode(&key, &seen.meta).ok()?;
    (document.status == LockStatus::Free).then_some(Found { revision: seen.revision, document, absent: false })
}

/// Writes `document` in the place of what was found.
fn replace<S: Store>(call: &Call<'_, S>, found: &Found, document: &LockDocument) -> Result<Outcome, Refusal> {
    let meta = document::encode(document);
    Ok(call.store.put_cas(&call.path.lock_key(), &meta, None, found.revision, Retention::Latest)?)
}

/// Takes the lock for the LockInfo in the body.
pub(crate) fn lock<S: Store>(call: &mut Call<'_, S>) -> Result<Reply<S::Blob>, Refusal> {
    call.event.operation = Operation::Lock;
    let info = LockInfo::parse(&call.request.small_body()).map_err(Refusal::InvalidRequest)?;
    acquire(call, &info).map(|held| reply::lock_info(200, &held.info))
}

/// Takes the lock for `info`, or finds that it is held for it already; the lock as it is held now.
pub(crate) fn acquire<S: Store>(call: &mut Call<'_, S>, info: &LockInfo) -> Result<Held, Refusal> {
    call.event.lock_id = Some(info.id.clone());
    call.event.lock_who.clone_from(&info.who);
    if let Some(found) = recall_free(call)
        && !found.document.is_gone(&info.id)
        && review::lock(call, info)?.is_none()
        && let Some(held) = take(call, &found, info)?
    {
        return Ok(held);
    }
    for _ in 0..ATTEMPTS {
        let found = load(call)?;
        match &found.document.status {
            LockStatus::Held(held) if held.id == info.id && held.by == call.request.caller.name => {
                call.event.run_trace.clone_from(&held.trace);
                call.event.outcome = "replayed";
                return Ok(held.clone());
            }
            LockStatus::Held(held) if has_expired(call, held)? => {}
            LockStatus::Held(held) => return Err(locked(call, held)),
            LockStatus::Free | LockStatus::Broken if found.document.is_gone(&info.id) => {
                return Err(Refusal::LockReleased(info.id.clone()));
            }
            LockStatus::Free | LockStatus::Broken => {}
        }
        // Who may not have the lock breaks none for it, and fences nothing.
        if let Some(denial) = review::lock(call, info)? {
            return Err(review::lock_denied(call, denial, info));
        }
        match &found.document.status {
            LockStatus::Held(held) => {
                // The next look finds the broken record, and fences.
                if mark_broken(call, &found, held)? == Outcome::Written {
                    call.event.forced = true;
                }
                continue;
            }
            LockStatus::Free if !found.absent => {}
            // The breaker may have died before its fence; and where there is no lock document, somebody may
            // have removed a held one, as one that is broken.
            LockStatus::Free | LockStatus::Broken => fence(call)?,
        }
        if let Some(held) = take(call, &found, info)? {
            return Ok(held);
        }
        call.event.conflicts += 1;
    }
    Err(Refusal::Contended)
}

/// Writes the LockInfo as the holder; none: the race was lost.
fn take<S: Store>(call: &mut Call<'_, S>, found: &Found, info: &LockInfo) -> Result<Option<Held>, Refusal> {
    let held = Held {
        id: info.id.clone(),
        who: info.who.clone(),
        info: info.text.clone(),
        since: call.request.received,
        by: call.request.caller.name.clone(),
        trace: call.request.trace.clone(),
    };
    let document = LockDocument { status: LockStatus::Held(held.clone()), ..found.document.clone() };
    if replace(call, found, &document)? == Outcome::Conflict {
        return Ok(None);
    }
    call.event.run_trace.clone_from(&call.request.trace);
    Ok(Some(held))
}

/// Releases the lock, or breaks it.
pub(crate) fn unlock<S: Store>(call: &mut Call<'_, S>) -> Result<Reply<S::Blob>, Refusal> {
    let claim = Claim::of(call)?;
    let_go(call, &claim)
}

/// Releases the lock that is claimed, or breaks it.
pub(crate) fn let_go<S: Store>(call: &mut Call<'_, S>, claim: &Claim) -> Result<Reply<S::Blob>, Refusal> {
    call.event.operation = if claim.forced { Operation::ForceUnlock } else { Operation::Unlock };
    call.event.lock_id.clone_from(&claim.id);
    call.event.lock_who.clone_from(&claim.who);
    if claim.forced {
        claim.check_force(call)?;
    }
    let mut first_holder = None;
    for _ in 0..ATTEMPTS {
        let found = load(call)?;
        let held = match &found.document.status {
            LockStatus::Held(held) => held,
            LockStatus::Free => return Ok(call.replayed(reply::empty(200))),
            // The breaker may have died before its fence, and this may be its replay.
            LockStatus::Broken => {
                fence(call)?;
                call.event.forced = claim.forced && first_holder.is_some();
                return Ok(call.replayed(reply::empty(200)));
            }
        };
        // What this request is to release was released before its answer was lost, or by somebody else
        // meanwhile: the next holder's lock is not its business.
        let done = match (&claim.id, &first_holder) {
            (Some(id), _) => *id != held.id && found.document.released.contains(id),
            (None, Some(first)) => *first != held.id,
            (None, None) => false,
        };
        if done {
            return Ok(call.replayed(reply::empty(200)));
        }
        if claim.id.as_ref().is_some_and(|id| *id != held.id) {
            return Err(locked(call, held));
        }
        first_holder = Some(held.id.clone());
        // Everybody is told a lock's ID, so the ID alone does not make a caller its holder.
        let outcome = if claim.forced || held.by != call.request.caller.name {
            call.event.operation = Operation::ForceUnlock;
            claim.check_force(call)?;
            review::force_unlock(call, held)?;
            break_lock(call, &found, held)?
        } else {
            release(call, &found, held)?
        };
        if outcome == Outcome::Written {
            return Ok(reply::empty(200));
        }
        call.event.conflicts += 1;
    }
    Err(Refusal::Contended)
}

/// Writes "free", for the holder.
fn release<S: Store>(call: &mut Call<'_, S>, found: &Found, held: &Held) -> Result<Outcome, Refusal> {
    name_lock(call, held);
    replace(call, found, &found.document.released(&held.id))
}

/// Lets the event name a lock that is released or broken, and the run that holds it.
fn name_lock<S: Store>(call: &mut Call<'_, S>, held: &Held) {
    call.event.lock_id = Some(held.id.clone());
    call.event.run_trace.clone_from(&held.trace);
}

/// The refusal that names the holder, which the event then names too. Who is kept out is no part of the
/// holder's run.
pub(crate) fn locked<S: Store>(call: &mut Call<'_, S>, held: &Held) -> Refusal {
    call.event.lock_id = Some(held.id.clone());
    call.event.lock_who.clone_from(&held.who);
    Refusal::Locked(Box::new(held.clone()))
}

/// Breaks a lock: the record first, then the fence, before anybody is answered.
fn break_lock<S: Store>(call: &mut Call<'_, S>, found: &Found, held: &Held) -> Result<Outcome, Refusal> {
    let outcome = mark_broken(call, found, held)?;
    if outcome == Outcome::Written {
        call.event.forced = true;
        fence(call)?;
    }
    Ok(outcome)
}

/// Writes "broken", which a fence is to follow.
fn mark_broken<S: Store>(call: &mut Call<'_, S>, found: &Found, held: &Held) -> Result<Outcome, Refusal> {
    name_lock(call, held);
    replace(call, found, &found.document.broken(&held.id))
}

/// Whether a lock's holder has given no sign of life, by LOCK or POST, for `LOCK_TTL`.
fn has_expired<S: Store>(call: &Call<'_, S>, held: &Held) -> Result<bool, Refusal> {
    let Some(ttl) = call.request.settings.lock_ttl else { return Ok(false) };
    let silent_since = |moment: u64| call.request.received.saturating_sub(moment) > ttl;
    if !silent_since(held.since) {
        return Ok(false);
    }
    let state = state::load(call)?;
    if state.removed {
        // It could not be fenced, and until somebody has settled it, nobody is better off with the lock.
        return Err(Refusal::RemovedInStore { key: call.path.state_key().to_owned(), revision: state.revision });
    }
    let written = state.document.as_ref().and_then(StateDocument::written);
    let last_write =
        written.filter(|written| written.lock_id.as_ref() == Some(&held.id)).map(|written| written.written);
    Ok(last_write.is_none_or(silent_since))
}

/// Who an UNLOCK says it is.
pub(crate) struct Claim {
    pub(crate) id: Option<String>,
    pub(crate) who: Option<String>,
    pub(crate) forced: bool,
}

impl Claim {
    fn of<S: Store>(call: &Call<'_, S>) -> Result<Self, Refusal> {
        let asked = lock_id_of(call)?;
        let body = call.request.small_body();
        if body.is_empty() {
            let forced = asked.is_none();
            return Ok(Self { id: asked, who: None, forced });
        }
        let info = LockInfo::parse(&body).map_err(Refusal::InvalidRequest)?;
        if asked.is_some_and(|asked| asked != info.id) {
            return Err(Refusal::InvalidRequest("`?ID=` and the LockInfo name different locks".to_owned()));
        }
        Ok(Self { id: Some(info.id), who: info.who, forced: info.only_id })
    }

    /// Whether this request may break a lock.
    fn check_force<S: Store>(&self, call: &Call<'_, S>) -> Result<(), Refusal> {
        match call.request.settings.force_unlock {
            ForceUnlock::Off => {
                return Err(Refusal::ForceUnlockOff("This server allows no forced unlock (FORCE_UNLOCK=off)."));
            }
            ForceUnlock::Id if self.id.is_none() => {
                return Err(Refusal::ForceUnlockOff(
                    "This server breaks a lock only if the request names its ID (FORCE_UNLOCK=id): \
                     OpenTofu's force-unlock does, Terraform's does not. With curl: -X UNLOCK -d '{\"ID\":\"…\"}'.",
                ));
            }
            ForceUnlock::Id | ForceUnlock::Any => {}
        }
        if call.request.caller.may_break_locks { Ok(()) } else { Err(Refusal::MayNotBreakLocks) }
    }
}

/// The lock ID in the query (`?ID=`), which the CLIs add to a POST when they hold the lock.
pub(crate) fn lock_id_of<S: Store>(call: &Call<'_, S>) -> Result<Option<String>, Refusal> {
    let query = call.request.query.as_deref().unwrap_or_default();
    let mut ids = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "ID").map(|(_, id)| id);
    let Some(id) = ids.next() else { return Ok(None) };
    if ids.next().is_some() {
        return Err(Refusal::InvalidRequest("the query names more than one lock ID".to_owned()));
    }
    checked_id(&id).map(Some).map_err(Refusal::InvalidRequest)
}
