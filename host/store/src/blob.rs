//! Bytes with their digests, made while they come in.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};
use sha2::Sha256;

/// The digests of a blob's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// MD5, as `Content-MD5` carries it (RFC 1864).
    pub md5: [u8; 16],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Bytes with their digests. Cheap to clone.
#[derive(Clone)]
pub struct Blob {
    bytes: Bytes,
    digests: Digests,
    guard: Option<Arc<dyn Any + Send + Sync>>,
}

impl Blob {
    /// Takes `bytes` as they are and makes their digests.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(&bytes);
        Self { digests: hasher.finish(), bytes, guard: None }
    }

    /// Takes `bytes` whose digests a [`Hasher`] has made on the way.
    #[must_use]
    pub fn with_digests(bytes: Bytes, digests: Digests) -> Self {
        Self { bytes, digests, guard: None }
    }

    /// Keeps `guard` alive as long as any clone of this blob: a share of the memory set apart for bodies.
    #[must_use]
    pub fn guarded(mut self, guard: Arc<dyn Any + Send + Sync>) -> Self {
        self.guard = Some(guard);
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The digests of the bytes.
    #[must_use]
    pub fn digests(&self) -> Digests {
        self.digests
    }
}

impl fmt::Debug for Blob {
    /// The size only: a state may not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Makes [`Digests`] of bytes that come in pieces.
#[derive(Default)]
pub struct Hasher {
    md5: Md5,
    sha256: Sha256,
}

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.md5.update(piece);
        self.sha256.update(piece);
    }

    /// The digests of all pieces.
    #[must_use]
    pub fn finish(self) -> Digests {
        Digests { md5: self.md5.finalize().into(), sha256: self.sha256.finalize().into() }
    }
}
