//! What lies in the raw store: a small sorted list, copied with every state.

use std::collections::BTreeSet;

use tofu_state_store::{Key, Revision};

use super::tables::Tables;
use super::{Answer, BodyId, Call, KeyId, Older, Seen};

/// What was written under one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Document {
    pub(crate) newest: Seen,
    /// The revisions before it that are kept, oldest first.
    pub(crate) older: Vec<(Revision, BodyId)>,
}

/// All documents, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Contents(Vec<(KeyId, u32)>);

impl Contents {
    fn document<'a>(&self, tables: &'a Tables, key: KeyId) -> Option<&'a Document> {
        let at = self.0.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        let (_, document) = self.0.get(at)?;
        tables.documents.get(*document).map(|document| &**document)
    }

    /// What lies under `key`.
    pub(crate) fn slot(&self, tables: &Tables, key: KeyId) -> Seen {
        self.document(tables, key).map_or(Seen::Absent, |document| document.newest)
    }

    /// All documents.
    pub(crate) fn documents<'a>(&'a self, tables: &'a Tables) -> impl Iterator<Item = (KeyId, &'a Document)> {
        self.0.iter().filter_map(|(key, number)| Some((*key, &**tables.documents.get(*number)?)))
    }

    fn set(&mut self, key: KeyId, document: u32) {
        match self.0.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => {
                if let Some(place) = self.0.get_mut(at) {
                    place.1 = document;
                }
            }
            Err(at) => self.0.insert(at, (key, document)),
        }
    }

    /// Makes a call: the answer, and what lies there afterwards if that has changed.
    pub(crate) fn answer(&self, tables: &mut Tables, call: &Call, keep: usize) -> (Answer, Option<Self>) {
        match call {
            Call::Get(key) => (Answer::Slot(self.slot(tables, *key)), None),
            Call::Put { key, body, expected, older } => self.put(tables, *key, *body, *expected, (*older, keep)),
            Call::Delete(key) => {
                let mut after = self.clone();
                after.0.retain(|(other, _)| other != key);
                let changed = after.0.len() != self.0.len();
                (Answer::Done, changed.then_some(after))
            }
            Call::List(folder) => {
                let below = format!("{}/", tables.key(*folder));
                (self.children(tables, &below), None)
            }
            Call::Top => (self.children(tables, ""), None),
            Call::Revisions(key) => {
                let document = self.document(tables, *key);
                let revisions = document.map_or_else(Vec::new, |document| {
                    document.older.iter().map(|(revision, _)| *revision).chain([document.newest.revision()]).collect()
                });
                (Answer::Revisions(revisions.into()), None)
            }
            Call::Revision(key, revision) => {
                let found = self.document(tables, *key).and_then(|document| {
                    if document.newest.revision() == *revision {
                        return Some(document.newest);
                    }
                    let older = document.older.iter().find(|(older, _)| older == revision)?;
                    Some(Seen::Entry(older.0, older.1))
                });
                (Answer::Slot(found.unwrap_or(Seen::Absent)), None)
            }
        }
    }

    fn put(
        &self,
        tables: &mut Tables,
        key: KeyId,
        body: BodyId,
        expected: Revision,
        (retained, keep): (Older, usize),
    ) -> (Answer, Option<Self>) {
        let before = self.document(tables, key);
        let revision = before.map_or(0, |document| document.newest.revision());
        if revision != expected {
            return (Answer::Conflict, None);
        }
        let revision = revision.saturating_add(1);
        let mut older = before.map(|document| document.older.clone()).unwrap_or_default();
        match (retained, before.map(|document| document.newest)) {
            (Older::Kept, Some(Seen::Entry(revision, body))) => {
                older.push((revision, body));
                let dropped = older.len().saturating_sub(keep.saturating_sub(1));
                older.drain(..dropped);
            }
            (Older::Erased, _) => older.clear(),
            (Older::Kept | Older::Unneeded, _) => {}
        }
        let document = tables.documents.number(Document { newest: Seen::Entry(revision, body), older });
        let mut after = self.clone();
        after.set(key, document);
        (Answer::Written(revision), Some(after))
    }

    /// Marks the newest revision as deleted in the store itself, as somebody with the store's own tools can.
    pub(crate) fn remove_in_store(&self, tables: &mut Tables, key: KeyId) -> Self {
        let mut after = self.clone();
        if let Some(Document { newest: Seen::Entry(revision, _), older }) = self.document(tables, key) {
            let document = Document { newest: Seen::Removed(*revision), older: older.clone() };
            let number = tables.documents.number(document);
            after.set(key, number);
        }
        after
    }

    fn children(&self, tables: &Tables, below: &str) -> Answer {
        let names = self.0.iter().filter_map(|(key, _)| tables.key(*key).strip_prefix(below));
        let children: BTreeSet<(bool, String)> = names
            .map(|name| match name.split_once('/') {
                Some((folder, _)) => (true, folder.to_owned()),
                None => (false, name.to_owned()),
            })
            .collect();
        Answer::Children(children.into_iter().collect::<Vec<_>>().into())
    }
}

/// A key of a text that is one.
pub(crate) fn key(text: &str) -> Option<Key> {
    Key::parse(text).ok()
}
