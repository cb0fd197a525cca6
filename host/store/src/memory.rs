//! Documents in memory: for tests, exploration and benchmarks. Nothing survives the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::history::{self, Child, History};
use crate::{Entry, Error, Health, Key, Outcome, Retention, Revision, Slot, Store, Write};

/// A store in memory.
pub struct Memory {
    documents: Mutex<HashMap<Key, Document>>,
    keep_versions: usize,
}

/// What was written under one key.
struct Document {
    newest: Slot,
    /// The revisions before it that are kept, oldest first.
    older: Vec<Entry>,
}

impl Document {
    /// Keeps what was the newest until now, and no more revisions than are to be kept.
    fn keep(&mut self, before: Slot, keep_versions: usize) {
        if let Slot::Entry(entry) = before {
            self.older.push(entry);
        }
        let dropped = self.older.len().saturating_sub(keep_versions.saturating_sub(1));
        self.older.drain(..dropped);
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::keeping(1)
    }
}

impl Memory {
    /// An empty store that keeps the newest revision only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that keeps `versions` revisions of what is written with [`Retention::History`], the
    /// newest included. 0 counts as 1.
    #[must_use]
    pub fn keeping(versions: usize) -> Self {
        Self { documents: Mutex::default(), keep_versions: versions.max(1) }
    }

    /// What [`Store::get`] answers, without a future: for native callers such as benchmarks.
    pub fn get_now(&self, key: &Key) -> Slot {
        self.documents().get(key).map_or(Slot::Absent, |document| document.newest.clone())
    }

    /// What [`Store::put_cas`] does, without a future.
    pub fn put_cas_now(&self, key: &Key, write: Write) -> Outcome {
        let mut documents = self.documents();
        let revision = documents.get(key).map_or(0, |document| document.newest.revision());
        if revision != write.expected {
            return Outcome::Conflict;
        }
        let revision = revision.saturating_add(1);
        let entry = Slot::Entry(Entry { revision, meta: write.meta, content: write.content });
        match documents.get_mut(key) {
            None => {
                documents.insert(key.clone(), Document { newest: entry, older: Vec::new() });
            }
            Some(document) => {
                let before = std::mem::replace(&mut document.newest, entry);
                match write.retention {
                    Retention::History => document.keep(before, self.keep_versions),
                    Retention::Passing { beside, gone } => {
                        document.older.retain(|entry| Some(entry.revision) != gone);
                        let beside = usize::try_from(beside).unwrap_or(usize::MAX);
                        document.keep(before, self.keep_versions.saturating_add(beside));
                    }
                    Retention::Thinned { first, last } => {
                        document.older.retain(|entry| !(first..=last).contains(&entry.revision));
                        document.keep(before, self.keep_versions);
                    }
                    Retention::Latest => {}
                    Retention::Erased => document.older.clear(),
                }
            }
        }
        Outcome::Written(revision)
    }

    /// Marks the newest revision as deleted in the store itself, as somebody with the store's own
    /// tools can.
    pub fn remove_in_store(&self, key: &Key) {
        if let Some(document) = self.documents().get_mut(key)
            && let Slot::Entry(entry) = &document.newest
        {
            document.newest = Slot::Removed(entry.revision);
        }
    }

    /// A panic in another thread cannot leave the map half-changed: nothing in between can panic.
    fn documents(&self) -> MutexGuard<'_, HashMap<Key, Document>> {
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

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    async fn health(&self) -> Health {
        Health { available: true, detail: "in memory".to_owned() }
    }
}

impl Memory {
    /// What lies directly below, by the beginning that its keys share.
    fn below(&self, below: &str) -> Vec<Child> {
        history::below(self.documents().keys(), below)
    }
}

#[async_trait]
impl History for Memory {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        Ok(self.below(&format!("{folder}/")))
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        Ok(self.below(""))
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        Ok(self.documents().get(key).map_or_else(Vec::new, |document| {
            document.older.iter().map(|entry| entry.revision).chain([document.newest.revision()]).collect()
        }))
    }

    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        let documents = self.documents();
        let Some(document) = documents.get(key) else { return Ok(Slot::Absent) };
        if document.newest.revision() == revision {
            return Ok(document.newest.clone());
        }
        let older = document.older.iter().find(|entry| entry.revision == revision);
        Ok(older.cloned().map_or(Slot::Absent, Slot::Entry))
    }
}
