//! A server that dies at a chosen call to its store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::history::{Child, History};
use crate::{Error, Health, Key, Outcome, Revision, Slot, Store, Write};

/// Passes so many calls on; then it is dead, and every call fails.
pub struct Dying {
    inner: Arc<dyn History>,
    /// Calls that are answered.
    answered: usize,
    /// Whether the call after those is still done.
    last_is_done: bool,
    calls: AtomicUsize,
    death: Notify,
}

impl Dying {
    /// Over `inner`: `answered` calls pass, and the one after these is done all the same if `last_is_done`.
    #[must_use]
    pub fn new(inner: Arc<dyn History>, answered: usize, last_is_done: bool) -> Self {
        Self { inner, answered, last_is_done, calls: AtomicUsize::new(0), death: Notify::new() }
    }

    /// Waits for that call.
    pub async fn died(&self) {
        self.death.notified().await;
    }

    /// Whether that call has come.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.answered
    }

    async fn pass<T>(&self, call: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if number < self.answered {
            return call.await;
        }
        if number == self.answered && self.last_is_done {
            let _ = call.await;
        }
        self.death.notify_one();
        Err(Error::Unavailable("dead".to_owned()))
    }
}

#[async_trait]
impl Store for Dying {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        self.pass(self.inner.get(key)).await
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        self.pass(self.inner.put_cas(key, write)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.pass(self.inner.delete(key)).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }
}

#[async_trait]
impl History for Dying {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        self.pass(self.inner.list(folder)).await
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        self.pass(self.inner.top()).await
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        self.pass(self.inner.revisions(key)).await
    }

    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        self.pass(self.inner.revision(key, revision)).await
    }
}
