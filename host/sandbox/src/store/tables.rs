//! Tables of everything that states name by a number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use tofu_state_store::{Entry, Key, Slot};

use super::contents::Document;
use super::{BodyId, KeyId, Seen};

/// Numbers for values: the same value gets the same number.
pub(crate) struct Table<T> {
    numbers: HashMap<Arc<T>, u32>,
    values: Vec<Arc<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Eq + Hash> Table<T> {
    /// The number of `value`.
    pub(crate) fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let value = Arc::new(value);
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    /// The number of `value`, if it has one.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        self.numbers.get(value).copied()
    }

    /// The value with that number.
    pub(crate) fn get(&self, number: u32) -> Option<&Arc<T>> {
        self.values.get(number as usize)
    }
}

/// What a document holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Body {
    pub(crate) meta: Bytes,
    pub(crate) content: Option<Bytes>,
}

/// The tables of a run.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) keys: Table<Key>,
    pub(crate) bodies: Table<Body>,
    pub(crate) documents: Table<Document>,
}

impl Tables {
    /// A key's text, for people.
    pub(crate) fn key(&self, key: KeyId) -> &str {
        self.keys.get(key).map_or("?", |key| key.as_str())
    }

    /// A slot as the store tells it.
    pub(crate) fn slot(&self, seen: Seen) -> Slot {
        match seen {
            Seen::Absent => Slot::Absent,
            Seen::Removed(revision) => Slot::Removed(revision),
            Seen::Entry(revision, body) => {
                let Body { meta, content } = self.body(body);
                Slot::Entry(Entry { revision, meta, content })
            }
        }
    }

    /// A body; an empty one for a number that no table gave.
    pub(crate) fn body(&self, body: BodyId) -> Body {
        self.bodies.get(body).map_or_else(|| Body { meta: Bytes::new(), content: None }, |body| (**body).clone())
    }
}
