//! Replaying a recording: the component gets the recorded request, and of each call the recorded answer.
//!
//! The texts in a recording are replaced, so its contents have other digests than those that are told. Where a
//! digest is told, the component is given that of the content in its place; and what it says is translated back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::FutureExt;
use tofu_state_component::{
    Caller, CallerKind, ForceUnlock, Granted, Reply, ReplyBody, Request, Rights, Settings, Surroundings, TraceContext,
};
use tofu_state_store::{Blob, Entry, Error, Health, Key, Outcome, Remembered, Retention, Slot, Store, Write};

use super::format::{Answer, Call, FORMAT, Made, Meta, Recording};
use super::telling;
use crate::Sandbox;

/// A file that is no recording of this release's.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecording {
    /// It is not the JSON of one.
    #[error("it is no recording: {0}")]
    Form(#[from] serde_json::Error),
    /// It is another release's.
    #[error("its format is {0}, this release knows {FORMAT}")]
    Format(u32),
    /// It names a content that it does not have, or its time is none.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl Recording {
    /// Whether a file says that it is a recording, of whichever format.
    #[must_use]
    pub fn is_one(file: &[u8]) -> bool {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Format {
            tofu_state_recording: Option<serde::de::IgnoredAny>,
        }
        serde_json::from_slice::<Format>(file).is_ok_and(|format| format.tofu_state_recording.is_some())
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// See [`UnreadableRecording`].
    pub fn read(file: &[u8]) -> Result<Self, UnreadableRecording> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Format {
            tofu_state_recording: u32,
        }
        match serde_json::from_slice::<Format>(file)?.tofu_state_recording {
            FORMAT => Ok(serde_json::from_slice(file)?),
            other => Err(UnreadableRecording::Format(other)),
        }
    }
}

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
        let tape = Arc::new(Tape {
            recording: recording.clone(),
            translation: translation.clone(),
            at: Mutex::new(Position::default()),
        });
        let store = Arc::clone(&tape) as Arc<dyn Store>;
        let answered = self.serving().and_then(|serving| {
            let policies = Arc::clone(&serving.policies);
            serving
                .protocol
                .answer(request, Surroundings { store, store_wait: None, policies, rights: Granted::default() })
                .now_or_never()
        });
        let mut position = std::mem::take(&mut *tape.at.lock().unwrap_or_else(PoisonError::into_inner));
        let mut differences = std::mem::take(&mut position.differences);
        if let Some(left) = recording.calls.get(position.next..).filter(|left| !left.is_empty())
            && differences.is_empty()
        {
            differences.push(format!("{} calls more were recorded, of which the first is {}", left.len(), line(left)));
        }
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
        Ok(Replayed { calls: position.lines, reply, differences })
    }
}

fn line(made: &[Made]) -> String {
    made.first().map(|made| name(&made.call)).unwrap_or_default()
}

fn name(call: &Call) -> String {
    match call {
        Call::Get(key) => format!("get {key}"),
        Call::GetMany(keys) => format!("get-many {}", keys.join(" ")),
        Call::Recall(key) => format!("recall {key}"),
        Call::PutCas { key, expected, .. } => format!("put-cas {key} expecting revision {expected}"),
        Call::Delete(key) => format!("delete {key}"),
    }
}

fn told(answer: Option<&Answer>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Answer::Absent) => "absent".to_owned(),
        Some(Answer::Entry { revision, .. }) => format!("revision {revision}"),
        Some(Answer::Removed(revision)) => format!("removed, revision {revision}"),
        Some(Answer::Many(answers)) => answers.iter().map(|answer| told(Some(answer))).collect::<Vec<_>>().join(", "),
        Some(Answer::Written(revision)) => format!("written, revision {revision}"),
        Some(Answer::Conflict) => "conflict".to_owned(),
        Some(Answer::Deleted) => "deleted".to_owned(),
        Some(Answer::Error(name)) => format!("error: {name}"),
    }
}

/// The digests that are told, and those of the contents that stand in their place.
#[derive(Clone)]
struct Translation(Vec<(String, String)>);

impl Translation {
    fn of(recording: &Recording) -> Self {
        let pairs = recording.contents.iter().flat_map(|content| {
            let digests = Blob::new(Bytes::from(content.text.clone())).digests();
            [
                (content.sha256.clone(), hex::encode(digests.sha256)),
                (content.md5.clone(), BASE64_STANDARD.encode(digests.md5)),
            ]
        });
        Self(pairs.collect())
    }

    /// For the component.
    fn to(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (told, made)| text.replace(told, made))
    }

    /// From the component.
    fn back(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (told, made)| text.replace(made, told))
    }

    fn meta(&self, meta: &Meta) -> Bytes {
        match meta {
            Meta::String(text) => self.to(text).into(),
            other => self.to(&other.to_string()).into(),
        }
    }

    fn meta_back(&self, meta: &[u8]) -> Meta {
        let text = self.back(&String::from_utf8_lossy(meta));
        serde_json::from_str(&text).unwrap_or(Meta::String(text))
    }
}

fn content(recording: &Recording, place: usize) -> Option<Bytes> {
    recording.contents.get(place).map(|content| Bytes::from(content.text.clone()))
}

fn request(recording: &Recording, translation: &Translation) -> Result<Request, UnreadableRecording> {
    let asked = &recording.request;
    let body = match asked.body {
        None => None,
        Some(place) => Some(content(recording, place).ok_or(UnreadableRecording::Damaged("its body is not in it"))?),
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
        query: asked.query.clone(),
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
    recorded: &super::format::Replied,
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
    let state = recorded.state.and_then(|place| content(recording, place));
    let is_same = match (&reply.body, state, &recorded.body) {
        (ReplyBody::None, None, None) => true,
        (ReplyBody::State(now), Some(then), None) => *now == then,
        (ReplyBody::Bytes(now), None, Some(then)) => match telling::code(then.as_bytes()) {
            Some(code) => telling::code(now) == Some(code),
            None => is_lock_info_like(now, then.as_bytes()),
        },
        _ => false,
    };
    if !is_same {
        differ("body", &reply.body, &recorded.body.as_deref().map_or(0, str::len));
    }
}

/// Two replies that say who holds a lock say the same if they name the same one. (Texts that the component makes
/// itself of texts that were replaced cannot be compared.)
fn is_lock_info_like(now: &[u8], then: &[u8]) -> bool {
    let id = |bytes: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(bytes).ok().and_then(|value| value.get("ID").cloned())
    };
    now == then || id(now).is_some() && id(now) == id(then)
}

#[derive(Default)]
struct Position {
    next: usize,
    lines: Vec<String>,
    differences: Vec<String>,
}

/// A store that answers what was recorded, in that order. Whatever is asked otherwise is never answered.
struct Tape {
    recording: Recording,
    translation: Translation,
    at: Mutex<Position>,
}

impl Tape {
    /// The recorded answer, if this is the recorded call.
    fn take(&self, call: &Call) -> Option<Answer> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(made) = self.recording.calls.get(at.next) else {
            at.lines.push(format!("{} -> nothing was recorded", name(call)));
            return None;
        };
        if !is_same_call(&made.call, call) {
            let difference = match (&made.call, call) {
                (one, other) if name(one) != name(other) => format!("{}; recorded: {}", name(call), name(one)),
                _ => format!("{} writes something else than was recorded", name(call)),
            };
            at.lines.push(format!("{} -> differs from the recording", name(call)));
            at.differences.push(difference);
            return None;
        }
        // The server made it again while the store failed over, and the component saw the last answer only.
        let rest = self.recording.calls.get(at.next..).unwrap_or_default();
        let again = rest.windows(2).take_while(|pair| is_retried(pair)).count();
        let last = rest.get(again)?;
        at.next += again + 1;
        at.lines.push(format!("{} -> {}", name(call), told(last.answer.as_ref())));
        last.answer.clone()
    }

    async fn answer<T>(&self, call: Call, make: impl FnOnce(&Self, Answer) -> Option<T>) -> T {
        match self.take(&call).and_then(|answer| make(self, answer)) {
            Some(made) => made,
            None => std::future::pending().await,
        }
    }

    fn slot(&self, answer: Answer) -> Option<Result<Slot, Error>> {
        Some(match answer {
            Answer::Absent => Ok(Slot::Absent),
            Answer::Removed(revision) => Ok(Slot::Removed(revision)),
            Answer::Entry { revision, meta, content: place } => {
                let content = match place {
                    None => None,
                    Some(place) => Some(content(&self.recording, place)?),
                };
                Ok(Slot::Entry(Entry { revision, meta: self.translation.meta(&meta), content }))
            }
            Answer::Error(name) => Err(telling::error(&name)),
            _ => return None,
        })
    }

    fn place(&self, bytes: &Bytes) -> Option<usize> {
        self.recording.contents.iter().position(|content| content.text.as_bytes() == bytes)
    }
}

fn is_same_call(recorded: &Call, now: &Call) -> bool {
    let (Call::PutCas { meta: then, .. }, Call::PutCas { meta, .. }) = (recorded, now) else { return recorded == now };
    let mut now = now.clone();
    let is_same = is_same(then, meta);
    if let Call::PutCas { meta, .. } = &mut now {
        meta.clone_from(then);
    }
    is_same && *recorded == now
}

/// Whether documents say the same. Of two hashes of one text, the shorter one begins the longer (`secrecy.rs`).
fn is_same(one: &Meta, other: &Meta) -> bool {
    match (one, other) {
        (Meta::String(one), Meta::String(other)) => {
            one.len().min(other.len()) > 0 && (one.starts_with(other.as_str()) || other.starts_with(one.as_str()))
                || one == other
        }
        (Meta::Array(one), Meta::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Meta::Object(one), Meta::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| is_same(value, other)))
        }
        (one, other) => one == other,
    }
}

fn is_retried(pair: &[Made]) -> bool {
    let [first, second] = pair else { return false };
    let is_passing = |name: &str| telling::error(name).is_passing();
    first.call == second.call && matches!(&first.answer, Some(Answer::Error(name)) if is_passing(name))
}

#[async_trait]
impl Store for Tape {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        self.answer(Call::Get(key.to_string()), Self::slot).await
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let call = Call::PutCas {
            key: key.to_string(),
            meta: self.translation.meta_back(&write.meta),
            content: write.content.as_ref().map(|bytes| self.place(bytes).unwrap_or(usize::MAX)),
            expected: write.expected,
            keeps_history: write.retention == Retention::History,
        };
        self.answer(call, |_, answer| match answer {
            Answer::Written(revision) => Some(Ok(Outcome::Written(revision))),
            Answer::Conflict => Some(Ok(Outcome::Conflict)),
            Answer::Error(name) => Some(Err(telling::error(&name))),
            _ => None,
        })
        .await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.answer(Call::Delete(key.to_string()), |_, answer| match answer {
            Answer::Deleted => Some(Ok(())),
            Answer::Error(name) => Some(Err(telling::error(&name))),
            _ => None,
        })
        .await
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        match self.take(&Call::Recall(key.to_string()))? {
            Answer::Entry { revision, meta, .. } => Some(Remembered { revision, meta: self.translation.meta(&meta) }),
            _ => None,
        }
    }

    async fn health(&self) -> Health {
        Health { available: true, detail: "a recording".to_owned() }
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let call = Call::GetMany(keys.iter().map(ToString::to_string).collect());
        self.answer(call, |tape, answer| match answer {
            Answer::Many(answers) => answers.into_iter().map(|answer| tape.slot(answer)).collect(),
            _ => None,
        })
        .await
    }
}
