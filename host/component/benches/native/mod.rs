//! The protocol called natively, over the same store in memory.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tofu_state_protocol::exchange::{Caller, CallerKind, Request, Settings};
use tofu_state_protocol::outside::{self, Digests, Outcome, Retention, Revision, Slot, StoreError};
use tofu_state_store::memory::Memory;
use tofu_state_store::{Blob, Key};

/// The store in memory, as the protocol's own trait wants it.
pub(crate) struct Native {
    memory: Arc<Memory>,
}

/// A body with its digests, or a state whose digests are made when asked for: as on the host.
pub(crate) enum Content {
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
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        bytes.slice(from..(from + len as usize).min(bytes.len())).to_vec()
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
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { memory }
    }
}

impl outside::Store for Native {
    type Blob = Content;

    fn get(&self, key: &str) -> Result<Slot<Content>, StoreError> {
        Ok(match self.memory.get_now(&Key::parse(key).unwrap()) {
            tofu_state_store::Slot::Absent => Slot::Absent,
            tofu_state_store::Slot::Removed(revision) => Slot::Removed(revision),
            tofu_state_store::Slot::Entry(entry) => Slot::Entry(outside::Entry {
                revision: entry.revision,
                meta: entry.meta.to_vec(),
                content: entry.content.map(Content::Stored),
            }),
        })
    }

    fn recall(&self, _: &str) -> Option<outside::Remembered> {
        None
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
                Retention::Latest => tofu_state_store::Retention::Latest,
            },
        };
        Ok(match self.memory.put_cas_now(&Key::parse(key).unwrap(), write) {
            tofu_state_store::Outcome::Written(_) => Outcome::Written,
            tofu_state_store::Outcome::Conflict => Outcome::Conflict,
        })
    }
}

/// One request; its status.
pub(crate) fn handle(store: &Native, path: &[String], method: &str, query: Option<String>, body: Option<Blob>) -> u16 {
    let request = Request {
        method: method.to_owned(),
        path: path.to_vec(),
        query,
        headers: Vec::new(),
        body: body.map(Content::Body),
        caller: Caller { name: "shared".to_owned(), kind: CallerKind::SharedToken, may_break_locks: true },
        received: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap(),
        settings: Settings::default(),
        trace: None,
        request_id: "bench".to_owned(),
    };
    tofu_state_protocol::handle(&request, store).reply.status
}
