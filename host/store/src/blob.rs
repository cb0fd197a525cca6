//! Bytes with their digests, made while they come in.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use md5::{Digest, Md5};
use quick_cache::sync::Cache;
use sha2::Sha256;

/// The digests of a blob's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// MD5, as `Content-MD5` carries it (RFC 1864).
    pub md5: [u8; 16],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// How many MD5 digests are known by the SHA-256 of the same bytes, and from which size on it is worth it.
const KNOWN: usize = 4096;
const WORTH_KNOWING: usize = 1024;

/// A state is written once and read often, and MD5 takes three times as long as SHA-256 does on processors with
/// instructions for that. Bytes with the same SHA-256 are the same bytes.
static KNOWN_MD5: LazyLock<Cache<[u8; 32], [u8; 16]>> = LazyLock::new(|| Cache::new(KNOWN));

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
        let sha256 = Sha256::digest(&bytes).into();
        let known = if bytes.len() < WORTH_KNOWING { None } else { KNOWN_MD5.get(&sha256) };
        let md5 = known.unwrap_or_else(|| {
            let md5 = Md5::digest(&bytes).into();
            remember(bytes.len(), sha256, md5);
            md5
        });
        Self { digests: Digests { md5, sha256 }, bytes, guard: None }
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

fn remember(len: usize, sha256: [u8; 32], md5: [u8; 16]) {
    if len >= WORTH_KNOWING {
        KNOWN_MD5.insert(sha256, md5);
    }
}

/// Makes [`Digests`] of bytes that come in pieces.
#[derive(Default)]
pub struct Hasher {
    md5: Md5,
    sha256: Sha256,
    len: usize,
}

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.md5.update(piece);
        self.sha256.update(piece);
        self.len = self.len.saturating_add(piece.len());
    }

    /// The digests of all pieces.
    #[must_use]
    pub fn finish(self) -> Digests {
        let digests = Digests { md5: self.md5.finalize().into(), sha256: self.sha256.finalize().into() };
        remember(self.len, digests.sha256, digests.md5);
        digests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_bytes_whether_known_or_not() {
        for len in [0, 1, WORTH_KNOWING - 1, WORTH_KNOWING, 5 * WORTH_KNOWING] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let expected = Digests { md5: Md5::digest(&bytes).into(), sha256: Sha256::digest(&bytes).into() };
            let mut hasher = Hasher::default();
            bytes.chunks(100).for_each(|piece| hasher.update(piece));
            let first = Blob::new(Bytes::from(bytes.clone())).digests();
            assert_eq!((first, hasher.finish()), (expected, expected));
            assert_eq!(KNOWN_MD5.get(&expected.sha256).is_some(), len >= WORTH_KNOWING);
            assert_eq!(Blob::new(Bytes::from(bytes)).digests(), expected, "now that it is known");
        }
    }
}
