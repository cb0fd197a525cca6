//! Remembers what was last seen of each document, so that a compare-and-set can be tried without
//! reading first.
//!
//! What is remembered is a hint: another server may have written since. A compare-and-set with the
//! remembered revision succeeds only if it still holds, and whoever loses reads again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::{Error, Health, History, Key, Outcome, Remembered, Revision, Slot, Store, Write};

/// How many documents are remembered at most, and how many bytes of them.
const DOCUMENTS: usize = 10_000;
const BYTES: u64 = 8 << 20;

/// How long. Revisions begin again when somebody deletes a key with the store's own tools, and then an
/// old one may come to stand for another document; a hint that is minutes old is worth little anyway.
const AGE: Duration = Duration::from_secs(5 * 60);

/// A store that remembers what was last seen of each document.
pub struct Remembering {
    inner: Arc<dyn Store>,
    seen: Cache<Key, Seen, Bytewise>,
}

#[derive(Clone)]
struct Seen {
    document: Remembered,
    at: Instant,
}

#[derive(Clone)]
struct Bytewise;

impl Weighter<Key, Seen> for Bytewise {
    fn weight(&self, key: &Key, seen: &Seen) -> u64 {
        (key.as_str().len() + seen.document.meta.len() + 128) as u64
    }
}

impl Remembering {
    /// Remembers what passes through to `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, seen: Cache::with_weighter(DOCUMENTS, BYTES, Bytewise) }
    }

    fn remember(&self, key: &Key, revision: Revision, meta: Bytes) {
        self.seen.insert(key.clone(), Seen { document: Remembered { revision, meta }, at: Instant::now() });
    }

    fn note(&self, key: &Key, slot: &Result<Slot, Error>) {
        match slot {
            Ok(Slot::Entry(entry)) => {
                self.doubt(key, entry.revision);
                self.remember(key, entry.revision, entry.meta.clone());
            }
            Ok(Slot::Absent) => {
                self.doubt(key, 0);
                self.forget(key);
            }
            Ok(Slot::Removed(_)) | Err(_) => self.forget(key),
        }
    }

    /// A revision that went back means that somebody worked on the store with its own tools, or restored
    /// it: then nothing that was seen before is worth anything. (An answer that was overtaken by a write
    /// looks the same, and costs a few reads.)
    fn doubt(&self, key: &Key, revision: Revision) {
        if self.seen.get(key).is_some_and(|seen| seen.document.revision > revision) {
            self.seen.clear();
        }
    }

    fn forget(&self, key: &Key) {
        self.seen.remove(key);
    }
}

#[async_trait]
impl Store for Remembering {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        let slot = self.inner.get(key).await;
        self.note(key, &slot);
        slot
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let meta = write.meta.clone();
        let outcome = self.inner.put_cas(key, write).await;
        match &outcome {
            Ok(Outcome::Written(revision)) => self.remember(key, *revision, meta),
            Ok(Outcome::Conflict) | Err(_) => self.forget(key),
        }
        outcome
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.forget(key);
        self.inner.delete(key).await
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        self.seen.get(key).filter(|seen| seen.at.elapsed() < AGE).map(|seen| seen.document)
    }

    fn history(&self) -> Option<&dyn History> {
        self.inner.history()
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let slots = self.inner.get_many(keys).await;
        keys.iter().zip(&slots).for_each(|(key, slot)| self.note(key, slot));
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retention;
    use crate::memory::Memory;

    fn write(meta: &str, expected: Revision) -> Write {
        Write { meta: Bytes::copy_from_slice(meta.as_bytes()), content: None, expected, retention: Retention::Latest }
    }

    #[tokio::test]
    async fn remembers_what_was_seen_and_forgets_what_may_not_hold() {
        let memory = Arc::new(Memory::new());
        let store = Remembering::new(memory.clone());
        let key = Key::parse("a/b").unwrap();
        let recalled = |store: &Remembering| store.recall(&key).map(|seen| (seen.revision, seen.meta));
        assert_eq!(recalled(&store), None);
        store.put_cas(&key, write("{\"n\":1}", 0)).await.unwrap();
        assert_eq!(recalled(&store), Some((1, Bytes::from_static(b"{\"n\":1}"))));
        // Another server writes: what is remembered is out of date, and losing by it makes it forgotten.
        memory.put_cas(&key, write("{\"n\":2}", 1)).await.unwrap();
        assert_eq!(recalled(&store).map(|(revision, _)| revision), Some(1));
        assert_eq!(store.put_cas(&key, write("{}", 1)).await, Ok(Outcome::Conflict));
        assert_eq!(recalled(&store), None);
        store.get(&key).await.unwrap();
        assert_eq!(recalled(&store).map(|(revision, _)| revision), Some(2));
        memory.remove_in_store(&key);
        store.get_many(std::slice::from_ref(&key)).await;
        assert_eq!(recalled(&store), None);
        store.delete(&key).await.unwrap();
        assert_eq!(recalled(&store), None);
    }
}
