//! The recorded answers, as a store.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tofu_state_store::{Entry, Error, Health, Key, Outcome, Remembered, Slot, Store, Write};

use super::super::format::{Answer, Call, Made, Meta, Recording};
use super::super::telling;
use super::translation::Translation;

/// A store that answers what was recorded, in that order. Whatever is asked otherwise is never answered.
pub(super) struct Tape {
    recording: Recording,
    translation: Translation,
    at: Mutex<Position>,
}

#[derive(Default)]
struct Position {
    next: usize,
    lines: Vec<String>,
    differences: Vec<String>,
}

impl Tape {
    pub(super) fn new(recording: Recording, translation: Translation) -> Self {
        Self { recording, translation, at: Mutex::default() }
    }

    /// The calls that were made, a line for each, and in what they differ from the recorded ones.
    pub(super) fn played(&self) -> (Vec<String>, Vec<String>) {
        let Position { next, lines, mut differences } = std::mem::take(&mut *self.at());
        if let Some(left @ [first, ..]) = self.recording.calls.get(next..)
            && differences.is_empty()
        {
            let (left, first) = (left.len(), name(&first.call));
            differences.push(format!("{left} calls more were recorded, of which the first is {first}"));
        }
        (lines, differences)
    }

    fn at(&self) -> MutexGuard<'_, Position> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recorded answer, if this is the recorded call.
    fn take(&self, call: &Call) -> Option<Answer> {
        let mut at = self.at();
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
                    Some(place) => Some(self.recording.content(place)?),
                };
                Ok(Slot::Entry(Entry { revision, meta: self.translation.meta(&meta), content }))
            }
            Answer::Error(name) => Err(telling::error(&name)),
            _ => return None,
        })
    }

    /// A refused state lies under its digest.
    fn key(&self, key: &Key) -> String {
        self.translation.back(key.as_str())
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

/// Whether documents say the same. Of two hashes of one text, the shorter one begins the longer (`secrecy.rs`). A policy's
/// reason is its own text, made of texts that were replaced.
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
                && one.iter().all(|(name, value)| {
                    other.get(name).is_some_and(|other| is_same(value, other) || name == "reason" && other.is_string())
                })
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
        self.answer(Call::Get(self.key(key)), Self::slot).await
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let call = Call::PutCas {
            key: self.key(key),
            meta: self.translation.meta_back(&write.meta),
            content: write.content.as_ref().map(|bytes| self.place(bytes).unwrap_or(usize::MAX)),
            expected: write.expected,
            retained: write.retention.into(),
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
        self.answer(Call::Delete(self.key(key)), |_, answer| match answer {
            Answer::Deleted => Some(Ok(())),
            Answer::Error(name) => Some(Err(telling::error(&name))),
            _ => None,
        })
        .await
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        match self.take(&Call::Recall(self.key(key)))? {
            Answer::Entry { revision, meta, .. } => Some(Remembered { revision, meta: self.translation.meta(&meta) }),
            _ => None,
        }
    }

    async fn health(&self) -> Health {
        Health { available: true, detail: "a recording".to_owned() }
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let call = Call::GetMany(keys.iter().map(|key| self.key(key)).collect());
        self.answer(call, |tape, answer| match answer {
            Answer::Many(answers) => answers.into_iter().map(|answer| tape.slot(answer)).collect(),
            _ => None,
        })
        .await
    }
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
