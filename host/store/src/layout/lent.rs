//! Contents that were read and may be written back: the fence re-writes a state as it is.
//!
//! A content that comes back need not be compressed and cut again: as long as the document is still the
//! one it was read from, the new revision may name the same chunks. That it is the same content shows by
//! where it lies in memory. That is certain, because a place is forgotten before its memory is given back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::envelope::Envelope;
use super::sets::SetName;
use crate::{Key, Revision};

/// How a content lies in the store.
#[derive(Clone)]
pub(super) struct Laid {
    pub(super) envelope: Envelope,
    /// The raw content: compressed, or a manifest.
    pub(super) raw: Bytes,
    /// The set that the manifest names.
    pub(super) set: Option<SetName>,
}

/// Where a content lies in memory: address and length.
type Place = (usize, usize);

/// What lies there.
struct Read {
    key: Key,
    revision: Revision,
    laid: Laid,
}

type Places = Mutex<HashMap<Place, Read>>;

/// The contents that somebody still holds.
#[derive(Default)]
pub(super) struct Lending {
    places: Arc<Places>,
}

impl Lending {
    /// Hands out a content that was read from this revision of `key`.
    pub(super) fn lend(&self, key: &Key, revision: Revision, content: Vec<u8>, laid: Laid) -> Bytes {
        if content.is_empty() {
            // Nothing has no place of its own.
            return Bytes::new();
        }
        let place = (content.as_ptr().addr(), content.len());
        lock(&self.places).insert(place, Read { key: key.clone(), revision, laid });
        Bytes::from_owner(Lent { content, place, places: Arc::clone(&self.places) })
    }

    /// Forgets where contents of `key` lie: it was deleted, its chunks go, and its revisions may begin again.
    pub(super) fn forget(&self, key: &Key) {
        lock(&self.places).retain(|_, read| read.key != *key);
    }

    /// How `content` lies in the store, if it is all of what was read from this revision of `key`.
    pub(super) fn find(&self, key: &Key, revision: Revision, content: &Bytes) -> Option<Laid> {
        let places = lock(&self.places);
        let read = places.get(&(content.as_ptr().addr(), content.len()))?;
        (read.key == *key && read.revision == revision).then(|| read.laid.clone())
    }
}

/// A content that is forgotten when its last holder lets go of it.
struct Lent {
    content: Vec<u8>,
    place: Place,
    places: Arc<Places>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

impl Drop for Lent {
    /// Runs before the memory is given back.
    fn drop(&mut self) {
        lock(&self.places).remove(&self.place);
    }
}

/// A panic elsewhere cannot leave the map half-changed.
fn lock(places: &Places) -> MutexGuard<'_, HashMap<Place, Read>> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    fn laid() -> Laid {
        Laid { envelope: Envelope::Zstd { size: 5 }, raw: Bytes::from_static(b"raw"), set: None }
    }

    #[test]
    fn knows_what_it_lent_and_nothing_else() {
        let lending = Lending::default();
        let content = lending.lend(&key("a/b"), 7, b"state".to_vec(), laid());
        assert_eq!(content, "state");
        assert_eq!(lending.find(&key("a/b"), 7, &content.clone()).unwrap().raw, "raw");
        assert!(lending.find(&key("a/b"), 8, &content).is_none(), "another revision");
        assert!(lending.find(&key("a/c"), 7, &content).is_none(), "another key");
        assert!(lending.find(&key("a/b"), 7, &content.slice(1..)).is_none(), "a part");
        assert!(lending.find(&key("a/b"), 7, &content.slice(..4)).is_none(), "a part");
        assert!(lending.find(&key("a/b"), 7, &Bytes::from_static(b"state")).is_none(), "other memory");
        let other = lending.lend(&key("a/c"), 7, b"state".to_vec(), laid());
        lending.forget(&key("a/b"));
        assert!(lending.find(&key("a/b"), 7, &content).is_none(), "it was deleted");
        assert!(lending.find(&key("a/c"), 7, &other).is_some());
    }

    #[test]
    fn forgets_what_nobody_holds() {
        let lending = Lending::default();
        let content = lending.lend(&key("a/b"), 7, b"state".to_vec(), laid());
        let part = content.slice(2..);
        drop(content);
        assert_eq!(lock(&lending.places).len(), 1, "a part holds all of it");
        drop(part);
        assert_eq!(lock(&lending.places).len(), 0);
        let outliving = lending.lend(&key("a/b"), 7, b"state".to_vec(), laid());
        drop(lending);
        assert_eq!(outliving, "state");
    }
}
