//! What was written last, in memory: most reads are of what was just written, a lock by its holder, a state by
//! its next plan.
//!
//! A server has its file to itself, so what it wrote last is what is there. Only the writing thread adds to
//! this, after the commit and before it is answered; what a read finds in the file is not added, because a
//! write could come between. Whatever becomes doubtful is forgotten, and read from the file again.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::writer::{Change, Done};
use crate::{Entry, Error, Key, Outcome};

/// How many documents are kept at most, and how many bytes of them.
const DOCUMENTS: usize = 4096;
const BYTES: u64 = 8 << 20;

/// Larger documents are not kept: they would push out many others, and take long to read in any case.
const MAX_DOCUMENT_BYTES: usize = 256 << 10;

/// The newest revisions of documents that were written last.
pub(super) struct Recent(Cache<Key, Entry, Bytewise>);

#[derive(Clone)]
struct Bytewise;

impl Weighter<Key, Entry> for Bytewise {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        (key.as_str().len() + bytes_of(&entry.meta, entry.content.as_ref()) + 256) as u64
    }
}

fn bytes_of(meta: &[u8], content: Option<&Bytes>) -> usize {
    meta.len().saturating_add(content.map_or(0, Bytes::len))
}

impl Recent {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(DOCUMENTS, BYTES, Bytewise))
    }

    /// The newest revision of `key`, if it is known.
    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.0.get(key)
    }

    /// Takes note of what became of a change. Changes are noted in the order in which they were made.
    pub(super) fn note(&self, change: &Change, ended: &Result<Done, Error>) {
        match (change, ended) {
            (Change::Put { key, write }, Ok(Done::Put(Outcome::Written(revision)))) => {
                if bytes_of(&write.meta, write.content.as_ref()) > MAX_DOCUMENT_BYTES {
                    self.0.remove(key);
                    return;
                }
                // Copied: what was written may be a part of something larger, such as a request's body.
                let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
                let content = write.content.as_ref().map(copy);
                self.0.insert(key.clone(), Entry { revision: *revision, meta: copy(&write.meta), content });
            }
            (Change::Put { .. }, Ok(Done::Put(Outcome::Conflict))) | (Change::Trial, _) => {}
            (Change::Put { key, .. } | Change::Delete { key }, _) => {
                self.0.remove(key);
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Retention, Write};

    fn key() -> Key {
        Key::parse("a/b").unwrap()
    }

    fn put(content: &[u8]) -> Change {
        let content = Some(Bytes::copy_from_slice(content));
        let write = Write { meta: Bytes::from_static(b"{}"), content, expected: 0, retention: Retention::History };
        Change::Put { key: key(), write }
    }

    fn revision(recent: &Recent) -> Option<u64> {
        recent.get(&key()).map(|entry| entry.revision)
    }

    #[test]
    fn knows_the_newest_and_nothing_doubtful() {
        let recent = Recent::new();
        let written = |revision| Ok(Done::Put(Outcome::Written(revision)));
        recent.note(&put(b"one"), &written(1));
        recent.note(&put(b"two"), &written(2));
        recent.note(&put(b"late"), &Ok(Done::Put(Outcome::Conflict)));
        assert_eq!(recent.get(&key()).unwrap().content.unwrap(), "two");
        recent.note(&put(b"three"), &Err(Error::Timeout));
        assert_eq!(revision(&recent), None, "nobody knows whether it was written");
        recent.note(&put(b"three"), &written(3));
        recent.note(&put(&vec![0; MAX_DOCUMENT_BYTES + 1]), &written(4));
        assert_eq!(revision(&recent), None, "too large, and the older one is no longer the newest");
        recent.note(&put(b"five"), &written(5));
        recent.note(&Change::Delete { key: key() }, &Ok(Done::Other));
        assert_eq!(revision(&recent), None);
    }

    #[test]
    fn what_is_pushed_out_is_never_an_older_one() {
        let recent = Recent::new();
        let content = vec![7; MAX_DOCUMENT_BYTES];
        for revision in 1..200 {
            recent.note(&put(&content), &Ok(Done::Put(Outcome::Written(revision))));
            let other = Change::Delete { key: Key::parse("c/d").unwrap() };
            recent.note(&other, &Ok(Done::Other));
            assert!(recent.get(&key()).is_none_or(|entry| entry.revision == revision));
        }
    }
}
