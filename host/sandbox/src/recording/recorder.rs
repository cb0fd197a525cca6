//! Taking down a request that is served: its calls while they are made, and all of it without secrets afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tofu_state_component::{Failure, Reply, Request};
use tofu_state_store::{Error, Health, History, Key, Outcome, Remembered, Slot, Store, Write};

use super::Recording;
use super::notes::{Kept, NotRecorded, Notes, RawAnswer, RawCall};
use super::secrecy::Secrecy;
use super::telling::{self, RawReply};

/// Makes recordings. All of one recorder replace the same text by the same letters, and what they keep in memory has
/// one bound.
#[derive(Clone)]
pub struct Recorder {
    secrecy: Arc<Secrecy>,
    kept: Arc<Kept>,
}

impl Recorder {
    /// A recorder with a key of chance, which is kept nowhere. The requests in progress and those that wait to be told
    /// keep `most_bytes` together at the most.
    #[must_use]
    pub fn new(key: &[u8; 64], most_bytes: usize) -> Self {
        Self { secrecy: Arc::new(Secrecy::new(key)), kept: Arc::new(Kept::new(most_bytes)) }
    }

    /// Begins with a request for the component with this digest.
    #[must_use]
    pub fn begin(&self, request: &Request, component: &str) -> Taking {
        let notes = Noting::new(Notes::of(request, Arc::clone(&self.kept)));
        Taking { secrecy: Arc::clone(&self.secrecy), component: component.to_owned(), notes }
    }
}

/// A request that is being recorded.
pub struct Taking {
    secrecy: Arc<Secrecy>,
    component: String,
    notes: Noting,
}

impl Taking {
    /// The store whose calls are recorded.
    #[must_use]
    pub fn noting(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(NotingStore { inner: store, notes: self.notes.clone() })
    }

    /// The request has ended.
    ///
    /// # Errors
    /// See [`NotRecorded`].
    pub fn ended(self, answered: Result<&Reply, &Failure>) -> Result<Taken, NotRecorded> {
        let Self { secrecy, component, notes } = self;
        if let Ok(reply) = answered {
            notes.note(|notes| notes.replied(reply));
        }
        let (notes, reply) = (notes.end()?, answered.map(RawReply::of).map_err(ToString::to_string));
        Ok(Taken { secrecy, component, notes, reply })
    }
}

/// A request that was recorded, and still has its secrets.
pub struct Taken {
    secrecy: Arc<Secrecy>,
    component: String,
    notes: Notes,
    reply: Result<RawReply, String>,
}

impl Taken {
    /// The recording, without its secrets. It takes computing time, as much as the states are large.
    #[must_use]
    pub fn told(&self) -> Recording {
        telling::told(&self.secrecy, &self.notes.request, &self.component, &self.notes.calls, &self.reply)
    }
}

/// What has been taken down so far; once it is known that the request is not recorded, only why.
#[derive(Clone)]
struct Noting(Arc<Mutex<Result<Notes, NotRecorded>>>);

impl Noting {
    fn new(notes: Result<Notes, NotRecorded>) -> Self {
        Self(Arc::new(Mutex::new(notes)))
    }

    fn lock(&self) -> MutexGuard<'_, Result<Notes, NotRecorded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes something down, if the request is still being recorded.
    fn note<T>(&self, work: impl FnOnce(&mut Notes) -> Result<T, NotRecorded>) -> Option<T> {
        let mut noted = self.lock();
        match work(noted.as_mut().ok()?) {
            Ok(done) => Some(done),
            Err(why) => {
                *noted = Err(why);
                None
            }
        }
    }

    /// What was taken down. A call that has not ended is one more that is not recorded.
    fn end(&self) -> Result<Notes, NotRecorded> {
        std::mem::replace(&mut *self.lock(), Err(NotRecorded::Calls))
    }

    fn asked(&self, call: impl FnOnce() -> RawCall) -> Option<usize> {
        self.note(|notes| notes.asked(call()))
    }

    fn answered(&self, place: Option<usize>, answer: impl FnOnce() -> RawAnswer) {
        if let Some(place) = place {
            self.note(|notes| notes.answered(place, answer()));
        }
    }
}

/// A store whose calls are taken down.
struct NotingStore {
    inner: Arc<dyn Store>,
    notes: Noting,
}

#[async_trait]
impl Store for NotingStore {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        let place = self.notes.asked(|| RawCall::Get(key.clone()));
        let slot = self.inner.get(key).await;
        self.notes.answered(place, || RawAnswer::Slots(vec![slot.clone()]));
        slot
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let place = self.notes.asked(|| RawCall::Put(key.clone(), write.clone()));
        let outcome = self.inner.put_cas(key, write).await;
        self.notes.answered(place, || RawAnswer::Put(outcome.clone()));
        outcome
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        let place = self.notes.asked(|| RawCall::Delete(key.clone()));
        let done = self.inner.delete(key).await;
        self.notes.answered(place, || RawAnswer::Deleted(done.clone()));
        done
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        let place = self.notes.asked(|| RawCall::Recall(key.clone()));
        let seen = self.inner.recall(key);
        self.notes.answered(place, || RawAnswer::Recalled(seen.clone()));
        seen
    }

    fn history(&self) -> Option<&dyn History> {
        self.notes.note(|_| Err::<(), _>(NotRecorded::History));
        self.inner.history()
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let place = self.notes.asked(|| RawCall::GetMany(keys.to_vec()));
        let slots = self.inner.get_many(keys).await;
        self.notes.answered(place, || RawAnswer::Slots(slots.clone()));
        slots
    }
}
