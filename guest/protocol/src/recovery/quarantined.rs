//! One refused state: read, accepted, discarded.
//!
//! Its key is made of its digest, so under one key there are only ever the same bytes. An accepted one is deleted
//! without naming a revision: its bytes are the present state. A discarded one is replaced, by compare-and-set, by a
//! record without content: a deletion could take with it what a retry has kept anew.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::refusal::Refused;
use super::{Call, json};
use crate::archive::Archive;
use crate::change;
use crate::document::{self, QuarantineDocument, QuarantineRecord, StateDocument, StateRecord, Written, to_hex};
use crate::exchange::{Body, Operation, Reply, Request};
use crate::outside::{Blob, Outcome, Retention, Revision, Slot, Store};
use crate::path::StatePath;
use crate::policies::{self, Change, Denial, Needs, Policies};
use crate::quarantine::key_of;
use crate::reply::{self, Refusal};

#[derive(Serialize)]
struct AcceptedView<'a> {
    path: &'a str,
    sha256: &'a str,
}

/// `GET /-/v1/quarantined/…`.
pub(super) fn get<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    let query = call.query(&["sha256"])?;
    let content = kept(call, &key_of(path, query.sha256()?), query.sha256()?)?.ok_or(Refused::NotQuarantined)?;
    let md5 = BASE64_STANDARD.encode(content.digests().md5);
    Ok(reply::state(content, md5))
}

/// `POST /-/v1/quarantined/…`.
pub(super) fn accept<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    let query = call.query(&["sha256", "id", "overrule"])?;
    let (sha256, id, overrule) = (query.sha256()?, query.lock_id()?, query.flag("overrule")?);
    if overrule && !call.request.caller.may_break_locks {
        return Err(Refused::MayNotOverrule);
    }
    call.event.lock_id.clone_from(&id);
    let key = key_of(path, sha256);
    let view = AcceptedView { path: path.state_key(), sha256 };
    let Some(content) = kept(call, &key, sha256)? else {
        // An earlier copy of this request may have done it.
        let Slot::Entry(entry) = call.archive.get(path.state_key())? else { return Err(Refused::NotQuarantined) };
        let is_present = matches!(
            document::decode(path.state_key(), &entry.meta)?,
            StateDocument::State(record) if record.sha256 == sha256
        );
        if !is_present {
            return Err(Refused::NotQuarantined);
        }
        call.event.outcome = "replayed";
        return Ok(json(&view));
    };
    let request = call.request;
    let write = Request {
        method: "POST".to_owned(),
        path: Vec::new(),
        query: id.map(|id| form_urlencoded::Serializer::new(String::new()).append_pair("ID", &id).finish()),
        headers: Vec::new(),
        body: Some(content),
        caller: request.caller.clone(),
        received: request.received,
        settings: request.settings,
        trace: request.trace.clone(),
        request_id: request.request_id.clone(),
    };
    let overruled = Overruled(call.policies);
    let policies: &dyn Policies<A::Blob> = if overrule { &overruled } else { call.policies };
    let mut ruled = crate::Call { policies, ..call.under_rules(&write, path) };
    let written = change::write(&mut ruled);
    call.event = ruled.event;
    call.event.operation = Operation::Accept;
    written?;
    call.event.quarantined = Some(key.clone());
    call.archive.delete(&key)?;
    Ok(json(&view))
}

/// `DELETE /-/v1/quarantined/…`.
pub(super) fn discard<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    let query = call.query(&["sha256"])?;
    let sha256 = query.sha256()?;
    let key = key_of(path, sha256);
    let (revision, record) = standing(call, &key, sha256)?.ok_or(Refused::NotQuarantined)?;
    if record.discarded {
        // Perhaps not to its end: the store may have failed to remove what it held.
        call.event.outcome = "replayed";
    } else {
        call.event.before = (!record.policy.is_empty()).then(|| record.state.summary());
        call.event.denied_by = Some(record.policy.clone()).filter(|policy| !policy.is_empty());
    }
    let meta = document::encode(&QuarantineDocument::Quarantined(QuarantineRecord { discarded: true, ..record }));
    let erase = |revision| call.archive.put_cas(&key, &meta, None, revision, Retention::Erased);
    let mut outcome = erase(revision)?;
    if outcome == Outcome::Conflict
        && let Some((revision, QuarantineRecord { discarded: true, .. })) = standing(call, &key, sha256)?
    {
        // An earlier attempt of this call whose answer was lost, or somebody else who wants the same.
        outcome = erase(revision)?;
    }
    if outcome == Outcome::Conflict {
        return Err(Refusal::LostRace.into());
    }
    call.event.quarantined = Some(key);
    Ok(Reply { status: 204, headers: Vec::new(), body: Body::None })
}

/// What is known of the refused state under `key`, discarded or not, and its revision.
fn standing<A: Archive>(
    call: &Call<'_, A>,
    key: &str,
    sha256: &str,
) -> Result<Option<(Revision, QuarantineRecord)>, Refused> {
    Ok(match call.archive.get(key)? {
        Slot::Absent => None,
        // What was written down about it is out of reach, and so is the state, until somebody undeletes it.
        Slot::Removed(revision) => Some((revision, unknown(call, sha256))),
        Slot::Entry(entry) => {
            let QuarantineDocument::Quarantined(record) = document::decode(key, &entry.meta)?;
            Some((entry.revision, record))
        }
    })
}

/// A record of a state of which nothing is known but its digest.
fn unknown<A: Archive>(call: &Call<'_, A>, sha256: &str) -> QuarantineRecord {
    let request = call.request;
    let written = Written { written: request.received, by: request.caller.name.clone(), lock_id: None };
    QuarantineRecord {
        policy: String::new(),
        reason: String::new(),
        discarded: false,
        state: StateRecord {
            size: 0,
            sha256: sha256.to_owned(),
            serial: 0,
            lineage: String::new(),
            tool_version: None,
            encrypted: false,
            empty: None,
            step: 0,
            written,
        },
    }
}

/// The refused state under `key`, if it is there, and whole.
fn kept<A: Archive>(call: &mut Call<'_, A>, key: &str, sha256: &str) -> Result<Option<A::Blob>, Refused> {
    let entry = match Store::get(call.archive, key)? {
        Slot::Absent => return Ok(None),
        Slot::Removed(revision) => return Err(Refused::Removed(revision)),
        Slot::Entry(entry) => entry,
    };
    let QuarantineDocument::Quarantined(record) = document::decode(key, &entry.meta)?;
    if record.discarded {
        return Ok(None);
    }
    call.event.before = Some(record.state.summary());
    let damaged = || Refusal::Damaged { key: key.to_owned() };
    let content = entry.content.ok_or_else(damaged)?;
    if to_hex(&content.digests().sha256) != sha256 {
        return Err(damaged().into());
    }
    Ok(Some(content))
}

/// Policies that are asked, and whose denial a person with the right to do so has overruled.
struct Overruled<'a, B>(&'a dyn Policies<B>);

impl<B> Policies<B> for Overruled<'_, B> {
    fn needed(&self, operation: policies::Operation, path: &str) -> Needs {
        self.0.needed(operation, path)
    }

    fn review(&self, change: &Change, current: Option<&B>, proposed: Option<&B>) -> Option<Denial> {
        // What they say is recorded by the host.
        let _ = self.0.review(change, current, proposed);
        None
    }
}
