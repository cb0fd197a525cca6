//! What stands in one version of a state, and how two differ.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::listing::fetch;
use super::query::Query;
use super::refusal::Refused;
use super::views::VersionView;
use super::{Call, json};
use crate::archive::{Archive, Place, Version};
use crate::document::{self, StateDocument, StateRecord, to_hex};
use crate::exchange::Reply;
use crate::outside::{Blob, Entry, Revision, Slot};
use crate::path::StatePath;
use crate::reply::{self, Refusal};

/// Which header names the revision.
const REVISION_HEADER: &str = "x-state-revision";

/// `GET /-/v1/content/…`.
pub(super) fn content<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    let revision = call.query(&["revision"])?.revision("revision")?;
    let key = path.state_key();
    let slot = match revision {
        Some(revision) => call.archive.revision(key, revision)?,
        None => call.archive.get(key)?,
    };
    let Entry { revision, meta, content } = entry(slot, revision)?;
    let StateDocument::State(record) = document::decode(key, &meta)? else { return Err(Refused::NotAState(revision)) };
    call.event.before = Some(record.summary());
    let damaged = || Refusal::Damaged { key: key.to_owned() };
    let content = content.ok_or_else(damaged)?;
    let digests = content.digests();
    if to_hex(&digests.sha256) != record.sha256 {
        return Err(damaged().into());
    }
    let mut reply = reply::state(content, BASE64_STANDARD.encode(digests.md5));
    reply.headers.push((REVISION_HEADER, revision.to_string()));
    Ok(reply)
}

#[derive(Serialize)]
struct OutputsView<'a> {
    path: &'a str,
    revision: Revision,
    serial: u64,
    outputs: &'a RawValue,
}

/// `GET /-/v1/outputs/…`.
pub(super) fn outputs<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    let query = call.query(&["revision", "sensitive"])?;
    let (asked, sensitive) = (query.revision("revision")?, query.flag("sensitive")?);
    let key = path.state_key();
    let Entry { revision, meta, .. } = entry(outline(call.archive, key, asked)?, asked)?;
    let StateDocument::State(record) = document::decode(key, &meta)? else { return Err(Refused::NotAState(revision)) };
    call.event.before = Some(record.summary());
    let version = readable(revision, &record)?;
    let inspected = call.archive.outputs(key, version, sensitive);
    let outputs = raw(inspected.map_err(|trouble| Refused::inspecting(key, trouble))?)?;
    Ok(json(&OutputsView { path: key, revision, serial: record.serial, outputs: &outputs }))
}

#[derive(Serialize)]
struct ComparisonView<'a> {
    path: &'a str,
    from: VersionView,
    to: VersionView,
    difference: &'a RawValue,
}

/// `GET /-/v1/difference/…`.
pub(super) fn difference<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    let query: Query = call.query(&["from", "to", "sensitive"])?;
    let (from, to, sensitive) = (query.revision("from")?, query.revision("to")?, query.flag("sensitive")?);
    let key = path.state_key();
    let newer = entry(outline(call.archive, key, to)?, to)?;
    let from = match from {
        Some(from) => Some(from),
        None => call.archive.revisions(key)?.into_iter().rfind(|revision| *revision < newer.revision),
    };
    let older = match from {
        Some(from) => Some(entry(outline(call.archive, key, Some(from))?, Some(from))?),
        None => None,
    };
    let (to, after) = compared(key, Some(newer))?;
    let (from, before) = compared(key, older)?;
    let inspected = call.archive.difference(key, before, after, sensitive);
    let difference = raw(inspected.map_err(|trouble| Refused::inspecting(key, trouble))?)?;
    Ok(json(&ComparisonView { path: key, from, to, difference: &difference }))
}

/// A version as it is told, and as it is to be compared: none where there was no state.
fn compared<B>(key: &str, entry: Option<Entry<B>>) -> Result<(VersionView, Option<Version>), Refused> {
    let Some(entry) = entry else { return Ok((VersionView::nothing(), None)) };
    let version = match document::decode(key, &entry.meta)? {
        StateDocument::State(record) => Some(readable(entry.revision, &record)?),
        StateDocument::Deleted(_) | StateDocument::NoState => None,
    };
    Ok((VersionView::of(key, Slot::Entry(entry)), version))
}

fn readable(revision: Revision, record: &StateRecord) -> Result<Version, Refused> {
    if record.encrypted {
        return Err(Refused::Encrypted(revision));
    }
    Ok(Version { revision, sha256: record.summary().sha256 })
}

/// One document without its content.
fn outline<A: Archive>(archive: &A, key: &str, revision: Option<Revision>) -> Result<Slot<A::Blob>, Refused> {
    let slots = fetch(archive, vec![Place { key: key.to_owned(), revision }])?;
    Ok(slots.into_iter().next().unwrap_or(Ok(Slot::Absent))?)
}

/// What lies there, where `asked` for a revision or the present one.
fn entry<B>(slot: Slot<B>, asked: Option<Revision>) -> Result<Entry<B>, Refused> {
    match (slot, asked) {
        (Slot::Entry(entry), _) => Ok(entry),
        (Slot::Absent, Some(asked)) => Err(Refused::NoVersion(asked)),
        (Slot::Absent, None) => Err(Refusal::NoState.into()),
        (Slot::Removed(revision), _) => Err(Refused::Removed(revision)),
    }
}

/// JSON that the host has made.
fn raw(bytes: Vec<u8>) -> Result<Box<RawValue>, Refused> {
    let text = String::from_utf8(bytes).ok();
    let raw = text.and_then(|text| RawValue::from_string(text).ok());
    raw.ok_or_else(|| Refused::Unreadable("what was made of it is no JSON".to_owned()))
}
