//! The host's side of `store`: a component's calls, passed to the store of documents.

use futures_util::future::join_all;
use tofu_state_store as documents;
use tofu_state_store::{Key, patience};
use wasmtime::component::Resource;

use crate::bindings::tofu_state::backend::store;
use crate::content::Content;
use crate::fault::TooMuch;
use crate::guest::{Guest, Reachable};

/// Keys in one `get-many`.
const MAX_KEYS: usize = 64;

impl store::Host for Guest {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<store::Slot, store::Error>> {
        let Reachable { store, wait_until, .. } = self.reached()?;
        let key = match parse(&key) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let slot = self.meter.waive(patience::until(wait_until, || store.get(&key))).await;
        self.slot(slot)
    }

    async fn get_many(&mut self, keys: Vec<String>) -> wasmtime::Result<Vec<Result<store::Slot, store::Error>>> {
        let reached = self.reached()?;
        if keys.len() > MAX_KEYS {
            return Err(TooMuch("keys in one call").into());
        }
        let parsed: Vec<Result<Key, store::Error>> = keys.iter().map(|key| parse(key)).collect();
        let good: Vec<Key> = parsed.iter().flatten().cloned().collect();
        let mut slots = self.meter.waive(get_all(&reached, &good)).await.into_iter();
        let mut answers = Vec::with_capacity(parsed.len());
        for key in parsed {
            answers.push(match key {
                Ok(_) => {
                    let short = || Err(documents::Error::Corrupt("fewer documents than keys".to_owned()));
                    self.slot(slots.next().unwrap_or_else(short))?
                }
                Err(error) => Err(error),
            });
        }
        Ok(answers)
    }

    fn recall(&mut self, key: String) -> wasmtime::Result<Option<store::Remembered>> {
        let Reachable { store, .. } = self.reached()?;
        let seen = Key::parse(&key).ok().and_then(|key| store.recall(&key));
        Ok(seen.map(|seen| store::Remembered { revision: seen.revision, meta: seen.meta.to_vec() }))
    }

    async fn put_cas(
        &mut self,
        key: String,
        meta: Vec<u8>,
        content: Option<Resource<Content>>,
        expected: store::Revision,
        retention: store::Retention,
    ) -> wasmtime::Result<Result<store::Outcome, store::Error>> {
        let Reachable { store, wait_until, .. } = self.reached()?;
        let key = match parse(&key) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let content = match content {
            Some(blob) => Some(self.table.get(&blob)?.bytes().clone()),
            None => None,
        };
        let retention = match retention {
            store::Retention::History => documents::Retention::History,
            store::Retention::Passing(store::Passed { beside, gone }) => documents::Retention::Passing { beside, gone },
            store::Retention::Thinned(store::Span { first, last }) => documents::Retention::Thinned { first, last },
            store::Retention::Latest => documents::Retention::Latest,
            store::Retention::Erased => documents::Retention::Erased,
        };
        let write = documents::Write { meta: meta.into(), content, expected, retention };
        let outcome = self.meter.waive(patience::until(wait_until, || store.put_cas(&key, write.clone()))).await;
        Ok(match outcome {
            Ok(documents::Outcome::Written(revision)) => Ok(store::Outcome::Written(revision)),
            Ok(documents::Outcome::Conflict) => Ok(store::Outcome::Conflict),
            Err(error) => Err(told(error)),
        })
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), store::Error>> {
        let Reachable { store, wait_until, .. } = self.reached()?;
        let key = match parse(&key) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let done = self.meter.waive(patience::until(wait_until, || store.delete(&key))).await;
        Ok(done.map_err(told))
    }
}

impl Guest {
    pub(crate) fn slot(
        &mut self,
        slot: Result<documents::Slot, documents::Error>,
    ) -> wasmtime::Result<Result<store::Slot, store::Error>> {
        Ok(match slot {
            Ok(documents::Slot::Absent) => Ok(store::Slot::Absent),
            Ok(documents::Slot::Removed(revision)) => Ok(store::Slot::Removed(revision)),
            Ok(documents::Slot::Entry(entry)) => {
                let content = match entry.content {
                    Some(bytes) => Some(self.lend(Content::Plain(bytes))?),
                    None => None,
                };
                let meta = entry.meta.to_vec();
                Ok(store::Slot::Entry(store::Entry { revision: entry.revision, meta, content }))
            }
            Err(error) => Err(told(error)),
        })
    }
}

/// All at once; those that a fail-over kept from being read, again until they are.
async fn get_all(reached: &Reachable, keys: &[Key]) -> Vec<Result<documents::Slot, documents::Error>> {
    let Reachable { store, wait_until, .. } = reached;
    let first = store.get_many(keys).await;
    let again = first.into_iter().zip(keys).map(|(slot, key)| async move {
        match slot {
            Err(error) if error.is_passing() && wait_until.is_some() => {
                patience::until(*wait_until, || store.get(key)).await
            }
            slot => slot,
        }
    });
    join_all(again).await
}

pub(crate) fn parse(key: &str) -> Result<Key, store::Error> {
    Key::parse(key).map_err(|invalid| store::Error::Denied(invalid.to_string()))
}

pub(crate) fn told(error: documents::Error) -> store::Error {
    match error {
        documents::Error::Unavailable(text) => store::Error::Unavailable(text),
        documents::Error::Sealed => store::Error::Sealed,
        documents::Error::Denied(text) => store::Error::Denied(text),
        documents::Error::TooLarge(text) => store::Error::TooLarge(text),
        documents::Error::Timeout => store::Error::Timeout,
        documents::Error::Corrupt(text) => store::Error::Corrupt(text),
        documents::Error::OutOfSpace(text) => store::Error::OutOfSpace(text),
    }
}
