//! Taking down a request that is served: its calls while they are made, and all of it without secrets afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tofu_state_component::{Failure, Reply, Request};
use tofu_state_store::{Error, Health, History, Key, Outcome, Remembered, Slot, Store, Write};

use super::Recording;
use super::secrecy::Secrecy;
use super::telling::{self, RawReply};

/// More calls than a request needs that does not wait for a fail-over.
const MOST_CALLS: usize = 256;

/// The most that a recording's contents take, all together, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// Makes recordings. All of one recorder replace the same text by the same letters.
#[derive(Clone)]
pub struct Recorder(Arc<Secrecy>);

impl Recorder {
    /// A recorder with a key of chance, which is kept nowhere.
    #[must_use]
    pub fn new(key: &[u8; 64]) -> Self {
        Self(Arc::new(Secrecy::new(key)))
    }

    /// Begins with a request for the component with this digest.
    #[must_use]
    pub fn begin(&self, request: &Request, component: &str) -> Taking {
        Taking {
            recorder: self.clone(),
            request: request.clone(),
            component: component.to_owned(),
            calls: Arc::default(),
            has_asked_history: Arc::default(),
        }
    }
}

/// A request that is being recorded.
pub struct Taking {
    recorder: Recorder,
    request: Request,
    component: String,
    calls: Arc<Mutex<Vec<RawMade>>>,
    has_asked_history: Arc<AtomicBool>,
}

impl Taking {
    /// The store whose calls are recorded.
    #[must_use]
    pub fn noting(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        let (calls, has_asked_history) = (Arc::clone(&self.calls), Arc::clone(&self.has_asked_history));
        Arc::new(Noting { inner: store, calls, has_asked_history })
    }

    /// The request has ended.
    #[must_use]
    pub fn ended(self, answered: Result<&Reply, &Failure>) -> Taken {
        let Self { recorder, request, component, calls, has_asked_history } = self;
        let has_asked_history = has_asked_history.load(Ordering::Relaxed);
        let calls = std::mem::take(&mut *lock(&calls));
        let reply = answered.map(RawReply::of).map_err(ToString::to_string);
        Taken { recorder, request, component, calls, reply, has_asked_history }
    }
}

/// A request that was recorded, and still has its secrets.
pub struct Taken {
    recorder: Recorder,
    request: Request,
    component: String,
    calls: Vec<RawMade>,
    reply: Result<RawReply, String>,
    has_asked_history: bool,
}

/// A request is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// It made too many calls.
    #[error("it made {MOST_CALLS} calls of the store or more")]
    Calls,
    /// It looked at older revisions, or at a list.
    #[error("it asked for the history of documents, which is not recorded")]
    History,
    /// Its states are too large.
    #[error("its states have more than {} MiB together", MOST_BYTES >> 20)]
    Bytes,
}

impl Taken {
    /// The recording, without its secrets. It takes computing time, as much as the states are large.
    ///
    /// # Errors
    /// See [`NotRecorded`].
    pub fn told(&self) -> Result<Recording, NotRecorded> {
        if self.has_asked_history {
            return Err(NotRecorded::History);
        }
        if self.calls.len() >= MOST_CALLS {
            return Err(NotRecorded::Calls);
        }
        let contents = self.calls.iter().map(RawMade::bytes).sum::<usize>();
        let body = self.request.body.as_ref().map_or(0, |body| body.bytes().len());
        if contents.saturating_add(body) > MOST_BYTES {
            return Err(NotRecorded::Bytes);
        }
        Ok(telling::told(&self.recorder.0, &self.request, &self.component, &self.calls, &self.reply))
    }
}

/// A call with all that belongs to it.
pub(super) struct RawMade {
    pub(super) call: RawCall,
    /// None: the request ended first.
    pub(super) answer: Option<RawAnswer>,
}

pub(super) enum RawCall {
    Get(Key),
    GetMany(Vec<Key>),
    Recall(Key),
    Put(Key, Write),
    Delete(Key),
}

pub(super) enum RawAnswer {
    Slots(Vec<Result<Slot, Error>>),
    Recalled(Option<Remembered>),
    Put(Result<Outcome, Error>),
    Deleted(Result<(), Error>),
}

impl RawMade {
    /// Bytes of the states in it.
    fn bytes(&self) -> usize {
        let written =
            if let RawCall::Put(_, Write { content: Some(content), .. }) = &self.call { content.len() } else { 0 };
        let read = match &self.answer {
            Some(RawAnswer::Slots(slots)) => slots
                .iter()
                .map(|slot| match slot {
                    Ok(Slot::Entry(entry)) => entry.content.as_ref().map_or(0, bytes::Bytes::len),
                    _ => 0,
                })
                .sum(),
            _ => 0,
        };
        written.saturating_add(read)
    }
}

fn lock(calls: &Mutex<Vec<RawMade>>) -> MutexGuard<'_, Vec<RawMade>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A store whose calls are taken down.
struct Noting {
    inner: Arc<dyn Store>,
    calls: Arc<Mutex<Vec<RawMade>>>,
    has_asked_history: Arc<AtomicBool>,
}

impl Noting {
    /// A call begins: its place in the list.
    fn asked(&self, call: RawCall) -> usize {
        let mut calls = lock(&self.calls);
        if calls.len() < MOST_CALLS {
            calls.push(RawMade { call, answer: None });
            return calls.len().saturating_sub(1);
        }
        usize::MAX
    }

    fn answered(&self, place: usize, answer: RawAnswer) {
        if let Some(made) = lock(&self.calls).get_mut(place) {
            made.answer = Some(answer);
        }
    }
}

#[async_trait]
impl Store for Noting {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        let place = self.asked(RawCall::Get(key.clone()));
        let slot = self.inner.get(key).await;
        self.answered(place, RawAnswer::Slots(vec![slot.clone()]));
        slot
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let place = self.asked(RawCall::Put(key.clone(), write.clone()));
        let outcome = self.inner.put_cas(key, write).await;
        self.answered(place, RawAnswer::Put(outcome.clone()));
        outcome
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        let place = self.asked(RawCall::Delete(key.clone()));
        let done = self.inner.delete(key).await;
        self.answered(place, RawAnswer::Deleted(done.clone()));
        done
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        let place = self.asked(RawCall::Recall(key.clone()));
        let seen = self.inner.recall(key);
        self.answered(place, RawAnswer::Recalled(seen.clone()));
        seen
    }

    fn history(&self) -> Option<&dyn History> {
        self.has_asked_history.store(true, Ordering::Relaxed);
        self.inner.history()
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let place = self.asked(RawCall::GetMany(keys.to_vec()));
        let slots = self.inner.get_many(keys).await;
        self.answered(place, RawAnswer::Slots(slots.clone()));
        slots
    }
}
