//! The protocol called natively, over the same store in memory.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tofu_state_protocol::exchange::{Caller, CallerKind, Request, Settings};
use tofu_state_protocol::outside::{self, Digests, Outcome, Remembered, Retention, Revision, Slot, StoreError};
use tofu_state_protocol::policies::NoPolicies;
use tofu_state_store::memory::Memory;
use tofu_state_store::{Blob, Key, Store as _};

/// The store in memory, as the protocol's own trait wants it.
pub(super) struct Native {
    memory: Arc<Memory>,
}

/// A body with its digests, or a state whose digests are made when asked for: as on the host.
pub(super) enum Content {
    Body(Blob),
    Stored(Bytes),
}

impl Content {
    fn bytes(&self) -> &Bytes {
        match self {
            Self::Body(blob) => blob.bytes(),
            Self::Stored(bytes) => bytes,
        }
    }
}

impl outside::Blob for Content {
    fn len(&self) -> u64 {
        self.bytes().len() as u64
    }

    fn read(&self, offset: u64, len: u32) -> Vec<u8> {
        let bytes = self.bytes();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let to = from.saturating_add(len as usize).min(bytes.len());
        bytes.get(from..to).unwrap_or_default().to_vec()
    }

    fn digests(&self) -> Digests {
        let digests = match self {
            Self::Body(blob) => blob.digests(),
            Self::Stored(bytes) => Blob::new(bytes.clone()).digests(),
        };
        Digests { md5: digests.md5, sha256: digests.sha256 }
    }
}

impl Native {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self { memory }
    }
}

fn parse(key: &str) -> Result<Key, StoreError> {
    Key::parse(key).map_err(|_| StoreError::Corrupt("no key".to_owned()))
}

impl outside::Store for Native {
    type Blob = Content;

    fn get(&self, key: &str) -> Result<Slot<Content>, StoreError> {
        Ok(match self.memory.get_now(&parse(key)?) {
            tofu_state_store::Slot::Absent => Slot::Absent,
            tofu_state_store::Slot::Removed(revision) => Slot::Removed(revision),
            tofu_state_store::Slot::Entry(entry) => Slot::Entry(outside::Entry {
                revision: entry.revision,
                meta: entry.meta.to_vec(),
                content: entry.content.map(Content::Stored),
            }),
        })
    }

    fn get_many<const N: usize>(&self, keys: [&str; N]) -> [Result<Slot<Content>, StoreError>; N] {
        keys.map(|key| self.get(key))
    }

    fn recall(&self, key: &str) -> Option<Remembered> {
        let seen = self.memory.recall(&parse(key).ok()?)?;
        Some(Remembered { revision: seen.revision, meta: seen.meta.to_vec() })
    }

    fn put_cas(
        &self,
        key: &str,
        meta: &[u8],
        content: Option<&Content>,
        expected: Revision,
        retention: Retention,
    ) -> Result<Outcome, StoreError> {
        let write = tofu_state_store::Write {
            meta: Bytes::copy_from_slice(meta),
            content: content.map(|content| content.bytes().clone()),
            expected,
            retention: match retention {
                Retention::History => tofu_state_store::Retention::History,
                Retention::Passing { beside, gone } => tofu_state_store::Retention::Passing { beside, gone },
                Retention::Thinned { first, last } => tofu_state_store::Retention::Thinned { first, last },
                Retention::Latest => tofu_state_store::Retention::Latest,
                Retention::Erased => tofu_state_store::Retention::Erased,
            },
        };
        Ok(match self.memory.put_cas_now(&parse(key)?, write) {
            tofu_state_store::Outcome::Written(_) => Outcome::Written,
            tofu_state_store::Outcome::Conflict => Outcome::Conflict,
        })
    }
}

/// One request; its status.
pub(super) fn handle(store: &Native, path: &[String], method: &str, query: Option<String>, body: Option<Blob>) -> u16 {
    let received = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let request = Request {
        method: method.to_owned(),
        path: path.to_vec(),
        query,
        headers: Vec::new(),
        body: body.map(Content::Body),
        caller: Caller { name: "shared".to_owned(), kind: CallerKind::SharedToken, may_break_locks: true },
        received: u64::try_from(received).unwrap_or_default(),
        settings: Settings::default(),
        trace: None,
        request_id: "bench".to_owned(),
    };
    tofu_state_protocol::handle(&request, store, &NoPolicies).reply.status
}
