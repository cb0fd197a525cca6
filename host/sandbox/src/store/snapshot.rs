//! The raw store at one moment, to be looked at: it answers at once and takes no write.

use std::collections::HashMap;

use async_trait::async_trait;
use tofu_state_store::history::{self, Child, History};
use tofu_state_store::{Entry, Error, Health, Key, Outcome, Revision, Slot, Store, Write};

use super::contents::Contents;
use super::tables::{Body, Tables};

/// See the module.
pub(crate) struct Snapshot {
    documents: HashMap<Key, (Slot, Vec<Entry>)>,
}

impl Snapshot {
    pub(crate) fn of(contents: &Contents, tables: &Tables) -> Self {
        let mut documents = HashMap::new();
        for (key, document) in contents.documents(tables) {
            let Some(key) = tables.keys.get(key) else { continue };
            let older = document.older.iter().map(|(revision, body)| {
                let Body { meta, content } = tables.body(*body);
                Entry { revision: *revision, meta, content }
            });
            documents.insert((**key).clone(), (tables.slot(document.newest), older.collect()));
        }
        Self { documents }
    }

    /// The keys of documents that belong to the component, which those of chunks do not.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<_> = self.documents.keys().filter(|key| !key.as_str().starts_with('.')).cloned().collect();
        keys.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        keys
    }

    fn below(&self, below: &str) -> Vec<Child> {
        history::below(self.documents.keys(), below)
    }
}

fn nothing_is_written<T>() -> Result<T, Error> {
    Err(Error::Denied("this is a look, and nothing is written".to_owned()))
}

#[async_trait]
impl Store for Snapshot {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        Ok(self.documents.get(key).map_or(Slot::Absent, |(newest, _)| newest.clone()))
    }

    async fn put_cas(&self, _key: &Key, _write: Write) -> Result<Outcome, Error> {
        nothing_is_written()
    }

    async fn delete(&self, _key: &Key) -> Result<(), Error> {
        nothing_is_written()
    }

    async fn health(&self) -> Health {
        Health { available: true, detail: "a snapshot".to_owned() }
    }
}

#[async_trait]
impl History for Snapshot {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        Ok(self.below(&format!("{folder}/")))
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        Ok(self.below(""))
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        Ok(self.documents.get(key).map_or_else(Vec::new, |(newest, older)| {
            older.iter().map(|entry| entry.revision).chain([newest.revision()]).collect()
        }))
    }

    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        let Some((newest, older)) = self.documents.get(key) else { return Ok(Slot::Absent) };
        if newest.revision() == revision {
            return Ok(newest.clone());
        }
        Ok(older.iter().find(|entry| entry.revision == revision).cloned().map_or(Slot::Absent, Slot::Entry))
    }
}
