//! From what was taken down to what may be told of it.

use std::collections::HashMap;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value;
use tofu_state_component::{CallerKind, ForceUnlock, Reply, ReplyBody, Request, Rights};
use tofu_state_store::{Blob, Entry, Error, Outcome, Remembered, Slot, Write};

use super::format::{Answer, Asked, Call, Content, FORMAT, Made, Meta, Recording, Replied};
use super::notes::{RawAnswer, RawCall, RawMade};
use super::secrecy::Secrecy;

/// Fields of a component's own documents that are told as they are; `info` is a LockInfo. See `design.md`, "Where
/// things lie in the store". The texts of all others are replaced.
const META_TOLD: &[&str] =
    &["kind", "status", "id", "lock_id", "sha256", "lineage", "tool_version", "released", "broken", "policy"];

/// Parts of a query that are told: lock IDs, serials, digests and flags.
const QUERY_TOLD: &[&str] = &["ID", "overwrite", "id", "force", "sha256", "overrule"];

/// A reply with all that belongs to it.
pub(super) struct RawReply {
    status: u16,
    headers: Vec<(String, String)>,
    body: ReplyBody,
    outcome: String,
    conflicts: u32,
}

impl RawReply {
    pub(super) fn of(reply: &Reply) -> Self {
        Self {
            status: reply.status,
            headers: reply.headers.clone(),
            body: reply.body.clone(),
            outcome: reply.event.outcome.clone(),
            conflicts: reply.event.conflicts,
        }
    }
}

/// The recording of all this.
pub(super) fn told(
    secrecy: &Secrecy,
    request: &Request,
    component: &str,
    calls: &[RawMade],
    reply: &Result<RawReply, String>,
) -> Recording {
    let mut teller = Teller { secrecy, contents: Vec::new(), places: HashMap::new(), digested: HashMap::new() };
    let asked = teller.request(request);
    let calls = calls.iter().map(|made| teller.made(made)).collect();
    let (reply, failure) = match reply {
        Ok(reply) => (Some(teller.reply(reply)), None),
        Err(failure) => (None, Some(failure.clone())),
    };
    let (request, component) = (asked, component.to_owned());
    Recording { tofu_state_recording: FORMAT, component, request, calls, reply, failure, contents: teller.contents }
}

struct Teller<'a> {
    secrecy: &'a Secrecy,
    contents: Vec<Content>,
    places: HashMap<[u8; 32], usize>,
    /// Places by where the bytes lie in memory. What is told is kept meanwhile, so no two lie in one place.
    digested: HashMap<(usize, usize), usize>,
}

impl Teller<'_> {
    fn request(&mut self, request: &Request) -> Asked {
        let since = request.received.duration_since(UNIX_EPOCH).unwrap_or_default();
        let rights = [
            ("read", Rights::READ),
            ("outputs", Rights::OUTPUTS),
            ("write", Rights::WRITE),
            ("unlock", Rights::UNLOCK),
            ("delete", Rights::DELETE),
        ];
        let has = |right: &(&str, Rights)| (request.caller.rights & right.1) == right.1;
        Asked {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.as_ref().map(|query| self.query(query)),
            headers: request.headers.clone(),
            body: request.body.as_ref().map(|body| self.content(body)),
            caller: (self.secrecy.text(&request.caller.name), request.caller.kind == CallerKind::NamedToken),
            rights: rights.iter().filter(|right| has(right)).map(|(name, _)| (*name).to_owned()).collect(),
            received: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            lock_ttl: request.settings.lock_ttl,
            force_unlock: match request.settings.force_unlock {
                ForceUnlock::Any => crate::ForceUnlock::Any,
                ForceUnlock::Id => crate::ForceUnlock::Id,
                ForceUnlock::Off => crate::ForceUnlock::Off,
            },
            path_segments: request.settings.path_segments,
            join_runs: request.settings.join_runs,
            trace: request.trace.as_ref().map(|trace| {
                (self.secrecy.text(&trace.traceparent), trace.tracestate.as_ref().map(|state| self.secrecy.text(state)))
            }),
            id: request.request_id.clone(),
        }
    }

    fn query(&self, query: &str) -> String {
        let part = |part: &str| match part.split_once('=') {
            Some((name, value)) if QUERY_TOLD.contains(&name) => format!("{name}={value}"),
            Some((name, value)) => format!("{}={}", self.secrecy.text(name), self.secrecy.text(value)),
            None => self.secrecy.text(part),
        };
        query.split('&').map(part).collect::<Vec<_>>().join("&")
    }

    /// The place of a content.
    fn content(&mut self, blob: &Blob) -> usize {
        let digests = blob.digests();
        if let Some(place) = self.places.get(&digests.sha256) {
            return *place;
        }
        let told = if is_lock_info(blob.bytes()) { Secrecy::lock_info } else { Secrecy::state };
        let text = String::from_utf8_lossy(&told(self.secrecy, blob.bytes())).into_owned();
        let place = self.contents.len();
        let (sha256, md5) = (hex::encode(digests.sha256), BASE64_STANDARD.encode(digests.md5));
        self.contents.push(Content { text, sha256, md5 });
        self.places.insert(digests.sha256, place);
        place
    }

    /// The same for bytes, whose digests have to be made, but not again for the same ones in the next call.
    fn bytes(&mut self, bytes: Option<&Bytes>) -> Option<usize> {
        let bytes = bytes?;
        let address = (bytes.as_ptr().addr(), bytes.len());
        if let Some(place) = self.digested.get(&address) {
            return Some(*place);
        }
        let place = self.content(&Blob::new(bytes.clone()));
        self.digested.insert(address, place);
        Some(place)
    }

    fn made(&mut self, made: &RawMade) -> Made {
        let call = match &made.call {
            RawCall::Get(key) => Call::Get(key.to_string()),
            RawCall::GetMany(keys) => Call::GetMany(keys.iter().map(ToString::to_string).collect()),
            RawCall::Recall(key) => Call::Recall(key.to_string()),
            RawCall::Put(key, Write { meta, content, expected, retention }) => Call::PutCas {
                key: key.to_string(),
                meta: self.meta(meta),
                content: self.bytes(content.as_ref()),
                expected: *expected,
                retained: (*retention).into(),
            },
            RawCall::Delete(key) => Call::Delete(key.to_string()),
        };
        let is_many = matches!(call, Call::GetMany(_));
        let answer = made.answer.as_ref().map(|answer| match answer {
            RawAnswer::Slots(slots) => {
                let mut told: Vec<_> = slots.iter().map(|slot| self.slot(slot)).collect();
                if is_many { Answer::Many(told) } else { told.pop().unwrap_or(Answer::Absent) }
            }
            RawAnswer::Recalled(None) => Answer::Absent,
            RawAnswer::Recalled(Some(Remembered { revision, meta })) => {
                Answer::Entry { revision: *revision, meta: self.meta(meta), content: None }
            }
            RawAnswer::Put(Ok(Outcome::Written(revision))) => Answer::Written(*revision),
            RawAnswer::Put(Ok(Outcome::Conflict)) => Answer::Conflict,
            RawAnswer::Deleted(Ok(())) => Answer::Deleted,
            RawAnswer::Put(Err(error)) | RawAnswer::Deleted(Err(error)) => Answer::Error(error.name().to_owned()),
        });
        Made { call, answer }
    }

    fn slot(&mut self, slot: &Result<Slot, Error>) -> Answer {
        match slot {
            Ok(Slot::Absent) => Answer::Absent,
            Ok(Slot::Removed(revision)) => Answer::Removed(*revision),
            Ok(Slot::Entry(Entry { revision, meta, content })) => {
                Answer::Entry { revision: *revision, meta: self.meta(meta), content: self.bytes(content.as_ref()) }
            }
            Err(error) => Answer::Error(error.name().to_owned()),
        }
    }

    fn meta(&self, meta: &[u8]) -> Meta {
        match serde_json::from_slice(meta) {
            Ok(value) => self.value(value, false),
            Err(_) => Value::String(self.secrecy.text(&String::from_utf8_lossy(meta))),
        }
    }

    fn value(&self, value: Value, is_told: bool) -> Value {
        match value {
            Value::String(text) if !is_told => Value::String(self.secrecy.text(&text)),
            Value::Array(values) => values.into_iter().map(|value| self.value(value, is_told)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(info) if name == "info" => {
                        let info = self.secrecy.lock_info(info.as_bytes());
                        (name, Value::String(String::from_utf8_lossy(&info).into_owned()))
                    }
                    value => {
                        let is_told = META_TOLD.contains(&name.as_str());
                        (name, self.value(value, is_told))
                    }
                })
                .collect(),
            other => other,
        }
    }

    /// Of an error its code, of a LockInfo what is told of one.
    fn body(&self, bytes: &[u8]) -> String {
        match code(bytes) {
            Some(code) => serde_json::json!({"error": {"code": code}}).to_string(),
            None => String::from_utf8_lossy(&self.secrecy.lock_info(bytes)).into_owned(),
        }
    }

    fn reply(&mut self, reply: &RawReply) -> Replied {
        let (state, body) = match &reply.body {
            ReplyBody::None => (None, None),
            ReplyBody::State(bytes) => (self.bytes(Some(bytes)), None),
            ReplyBody::Bytes(bytes) => (None, Some(self.body(bytes))),
        };
        Replied {
            status: reply.status,
            headers: reply.headers.clone(),
            state,
            body,
            outcome: reply.outcome.clone(),
            conflicts: reply.conflicts,
        }
    }
}

/// The code of an error's body.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    Some(value.get("error")?.get("code")?.as_str()?.to_owned())
}

/// Whether bytes say who locks what, and are no state.
fn is_lock_info(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Fields {
        #[serde(rename = "ID")]
        id: Option<serde::de::IgnoredAny>,
        serial: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Fields>(bytes).is_ok_and(|fields| fields.id.is_some() && fields.serial.is_none())
}

/// The error with that [name](Error::name); its text says where it comes from.
pub(super) fn error(name: &str) -> Error {
    let text = || "as recorded".to_owned();
    match name {
        "sealed" => Error::Sealed,
        "denied" => Error::Denied(text()),
        "too-large" => Error::TooLarge(text()),
        "timeout" => Error::Timeout,
        "corrupt" => Error::Corrupt(text()),
        "out-of-space" => Error::OutOfSpace(text()),
        _ => Error::Unavailable(text()),
    }
}
