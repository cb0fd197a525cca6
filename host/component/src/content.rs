//! The host's side of `blobs`: bytes that a component handles without holding them.

use bytes::Bytes;
use tofu_state_store::Blob;
use tofu_state_store::blob::Digests;
use wasmtime::component::Resource;

use crate::bindings::tofu_state::backend::{blobs, types};
use crate::guest::Guest;

/// The most that one `read` answers, so that a component needs no large buffer and no hashing or
/// copying holds a thread for long.
const MAX_READ: usize = 1 << 20;

/// Hashing more than this is done off the threads that serve.
const MAX_HASHED_IN_PLACE: usize = 256 << 10;

/// What a component's `blob` stands for.
#[allow(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub enum Content {
    /// With digests: a request's body, or a stored content that was asked for its digests.
    Digested(Blob),
    /// From the store; its digests are made when somebody asks.
    Plain(Bytes),
}

impl Content {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Digested(blob) => blob.bytes(),
            Self::Plain(bytes) => bytes,
        }
    }
}

impl types::Host for Guest {}

impl blobs::Host for Guest {}

impl blobs::HostBlob for Guest {
    fn len(&mut self, blob: Resource<Content>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&blob)?.bytes().len() as u64)
    }

    fn read(&mut self, blob: Resource<Content>, offset: u64, len: u32) -> wasmtime::Result<Vec<u8>> {
        Ok(piece(self.table.get(&blob)?.bytes(), offset, len))
    }

    async fn digests(&mut self, blob: Resource<Content>) -> wasmtime::Result<blobs::Digests> {
        let content = self.table.get_mut(&blob)?;
        let digests = match content {
            Content::Digested(blob) => blob.digests(),
            Content::Plain(bytes) => {
                let digested = self.meter.waive(digested(bytes.clone())).await?;
                let digests = digested.digests();
                *content = Content::Digested(digested);
                digests
            }
        };
        let Digests { md5, sha256 } = digests;
        Ok(blobs::Digests { md5: md5.to_vec(), sha256: sha256.to_vec() })
    }

    fn drop(&mut self, blob: Resource<Content>) -> wasmtime::Result<()> {
        self.take_back(blob).map(drop)
    }
}

/// What one `read` answers.
pub(crate) fn piece(bytes: &Bytes, offset: u64, len: u32) -> Vec<u8> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(MAX_READ);
    let end = start.saturating_add(len).min(bytes.len());
    bytes.get(start..end).unwrap_or_default().to_vec()
}

async fn digested(bytes: Bytes) -> wasmtime::Result<Blob> {
    // Without a runtime, as in the sandbox, nobody else waits for this thread.
    if bytes.len() <= MAX_HASHED_IN_PLACE || tokio::runtime::Handle::try_current().is_err() {
        return Ok(Blob::new(bytes));
    }
    Ok(tokio::task::spawn_blocking(move || Blob::new(bytes)).await?)
}
