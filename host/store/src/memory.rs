//! Documents in memory: for tests, exploration and benchmarks. Nothing survives the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::{Entry, Error, Health, Key, Outcome, Slot, Store, Write};

/// A store in memory. Keeps the newest revision only.
#[derive(Default)]
pub struct Memory {
    documents: Mutex<HashMap<Key, Slot>>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What [`Store::get`] answers, without a future: for native callers such as benchmarks.
    pub fn get_now(&self, key: &Key) -> Slot {
        self.documents().get(key).cloned().unwrap_or(Slot::Absent)
    }

    /// What [`Store::put_cas`] does, without a future.
    pub fn put_cas_now(&self, key: &Key, write: Write) -> Outcome {
        let mut documents = self.documents();
        let revision = match documents.get(key) {
            None | Some(Slot::Absent) => 0,
            Some(Slot::Entry(entry)) => entry.revision,
            Some(Slot::Removed(revision)) => *revision,
        };
        if revision != write.expected {
            return Outcome::Conflict;
        }
        let revision = revision.saturating_add(1);
        documents.insert(key.clone(), Slot::Entry(Entry { revision, meta: write.meta, content: write.content }));
        Outcome::Written(revision)
    }

    /// Marks the newest revision as deleted in the store itself, as somebody with the store's own
    /// tools can.
    pub fn remove_in_store(&self, key: &Key) {
        if let Some(slot) = self.documents().get_mut(key)
            && let Slot::Entry(entry) = slot
        {
            *slot = Slot::Removed(entry.revision);
        }
    }

    /// A panic in another thread cannot leave the map half-changed: every change is one insertion.
    fn documents(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        Ok(self.get_now(key))
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        Ok(self.put_cas_now(key, write))
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.documents().remove(key);
        Ok(())
    }

    async fn health(&self) -> Health {
        Health { available: true, detail: "in memory".to_owned() }
    }
}
