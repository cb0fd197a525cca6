//! Replaying a recording: the component gets the recorded request, and of each call the recorded answer.
//!
//! The texts in a recording are replaced, so its contents have other digests than those that are told. Where a
//! digest is told, the component is given that of the content in its place; and what it says is translated back.

mod tape;
mod translation;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::FutureExt;
use tofu_state_component::{
    Caller, CallerKind, ForceUnlock, Granted, Reply, ReplyBody, Request, Rights, Settings, Surroundings, TraceContext,
};
use tofu_state_store::{Blob, Store};

use super::format::{Recording, Replied, UnreadableRecording};
use super::telling;
use crate::Sandbox;
use tape::Tape;
use translation::Translation;

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The calls that the component made, a line for each.
    pub calls: Vec<String>,
    /// The reply's status and the component's word for it; none: there was no reply.
    pub reply: Option<(u16, String)>,
    /// In what it differs from the recording; empty: it is the same.
    pub differences: Vec<String>,
}

impl Sandbox {
    /// Replays a recording on this component, which need not be the one that was recorded, with this sandbox's
    /// policies.
    ///
    /// # Errors
    /// The recording contradicts itself.
    pub fn replay_recording(&self, recording: &Recording) -> Result<Replayed, UnreadableRecording> {
        let translation = Translation::of(recording);
        let request = request(recording, &translation)?;
        let tape = Arc::new(Tape::new(recording.clone(), translation.clone()));
        let store = Arc::clone(&tape) as Arc<dyn Store>;
        let answered = self.serving().and_then(|serving| {
            let policies = Arc::clone(&serving.policies);
            serving
                .protocol
                .answer(request, Surroundings { store, store_wait: None, policies, rights: Granted::default() })
                .now_or_never()
        });
        let (calls, mut differences) = tape.played();
        let reply = match (answered, &recording.reply) {
            (Some(Ok(reply)), Some(recorded)) => {
                compare(&reply, recorded, recording, &translation, &mut differences);
                Some((reply.status, reply.event.outcome))
            }
            (Some(Ok(reply)), None) => {
                let failure = recording.failure.as_deref().unwrap_or_default();
                differences.push(format!("it replied with {}; recorded is that it failed: {failure}", reply.status));
                Some((reply.status, reply.event.outcome))
            }
            (Some(Err(failure)), recorded) => {
                if recorded.is_some() {
                    differences.push(format!("it failed: {failure}"));
                }
                None
            }
            // It waits for an answer that is not there: as the recorded one did, or for another call's.
            (None, recorded) => {
                if recorded.is_some() && differences.is_empty() {
                    differences.push("it asks for more than was recorded".to_owned());
                }
                None
            }
        };
        Ok(Replayed { calls, reply, differences })
    }
}

fn request(recording: &Recording, translation: &Translation) -> Result<Request, UnreadableRecording> {
    let asked = &recording.request;
    let body = match asked.body {
        None => None,
        Some(place) => Some(recording.content(place).ok_or(UnreadableRecording::Damaged("its body is not in it"))?),
    };
    let mut rights = Rights::empty();
    for right in &asked.rights {
        rights |= match right.as_str() {
            "read" => Rights::READ,
            "outputs" => Rights::OUTPUTS,
            "write" => Rights::WRITE,
            "unlock" => Rights::UNLOCK,
            "delete" => Rights::DELETE,
            _ => return Err(UnreadableRecording::Damaged("it names a right that there is not")),
        };
    }
    let received = UNIX_EPOCH.checked_add(Duration::from_millis(asked.received));
    let (name, has_own_token) = asked.caller.clone();
    Ok(Request {
        method: asked.method.clone(),
        path: asked.path.clone(),
        query: asked.query.as_ref().map(|query| translation.to(query)),
        headers: asked.headers.iter().map(|(name, value)| (name.clone(), translation.to(value))).collect(),
        body: body.map(Blob::new),
        caller: Caller {
            name,
            kind: if has_own_token { CallerKind::NamedToken } else { CallerKind::SharedToken },
            rights,
        },
        received: received.ok_or(UnreadableRecording::Damaged("its time is none"))?,
        settings: Settings {
            lock_ttl: asked.lock_ttl,
            force_unlock: match asked.force_unlock {
                crate::ForceUnlock::Any => ForceUnlock::Any,
                crate::ForceUnlock::Id => ForceUnlock::Id,
                crate::ForceUnlock::Off => ForceUnlock::Off,
            },
            path_segments: asked.path_segments,
            join_runs: asked.join_runs,
        },
        trace: asked.trace.clone().map(|(traceparent, tracestate)| TraceContext { traceparent, tracestate }),
        request_id: asked.id.clone(),
    })
}

fn compare(
    reply: &Reply,
    recorded: &Replied,
    recording: &Recording,
    translation: &Translation,
    differences: &mut Vec<String>,
) {
    let mut differ = |what: &str, now: &dyn std::fmt::Debug, then: &dyn std::fmt::Debug| {
        differences.push(format!("the reply's {what}: {now:?}; recorded: {then:?}"));
    };
    if reply.status != recorded.status {
        differ("status", &reply.status, &recorded.status);
    }
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (name.clone(), translation.back(value))).collect();
    if headers != recorded.headers {
        differ("headers", &headers, &recorded.headers);
    }
    if reply.event.outcome != recorded.outcome {
        differ("outcome", &reply.event.outcome, &recorded.outcome);
    }
    if reply.event.conflicts != recorded.conflicts {
        differ("lost compare-and-sets", &reply.event.conflicts, &recorded.conflicts);
    }
    let state = recorded.state.and_then(|place| recording.content(place));
    let is_same = match (&reply.body, state, &recorded.body) {
        (ReplyBody::None, None, None) => true,
        (ReplyBody::State(now), Some(then), None) => *now == then,
        (ReplyBody::Bytes(now), None, Some(then)) => match telling::code(then.as_bytes()) {
            Some(code) => telling::code(now) == Some(code),
            None => is_alike(now, then.as_bytes()),
        },
        _ => false,
    };
    if !is_same {
        differ("body", &reply.body, &recorded.body.as_deref().map_or(0, str::len));
    }
}

/// Two replies that say who holds a lock say the same if they name the same one, others if they have the same outline.
/// (Texts that the component makes itself of texts that were replaced cannot be compared.)
fn is_alike(now: &[u8], then: &[u8]) -> bool {
    let id = |bytes: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(bytes).ok().and_then(|value| value.get("ID").cloned())
    };
    match (id(now), id(then)) {
        (None, None) => outline(now) == outline(then),
        (now, then) => now == then,
    }
}

/// JSON without what stands in its strings and numbers.
fn outline(json: &[u8]) -> Vec<u8> {
    let mut outline = Vec::new();
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => {
                in_string = !in_string;
                outline.push(*byte);
            }
            b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9' => {}
            _ if in_string => {}
            _ => outline.push(*byte),
        }
    }
    outline
}
