//! What comes is hashed, and kept with its hashes.

use std::io;
use std::sync::atomic::Ordering;

use super::upload::ORIGIN;
use super::{Mirror, MirrorError};
use crate::cache::Known;
use crate::fetch::Fetched;
use crate::hashing::{self, Sha256Sum, ZipHashes};

impl Mirror {
    /// Does what blocks where it may.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, MirrorError> {
        let (mirror, span) = (self.clone(), tracing::Span::current());
        let done = tokio::task::spawn_blocking(move || span.in_scope(|| work(&mirror)));
        done.await.map_err(io::Error::from)?
    }

    /// Hashes a package that has the sum it should have, and keeps both. Blocks.
    pub(super) fn keep(&self, fetched: Fetched, origin: &str, named: &str) -> Result<(), MirrorError> {
        let hashes = hashes(&fetched, named)?;
        self.shelve(fetched, &hashes, origin)
    }

    /// Keeps a package and what it hashes to. Blocks.
    pub(super) fn shelve(&self, fetched: Fetched, hashes: &ZipHashes, origin: &str) -> Result<(), MirrorError> {
        let inner = &self.inner;
        let Fetched { file, sha256, bytes } = fetched;
        // What was uploaded stays, also when a registry has the same zip.
        if !self.must_stay(&sha256) {
            inner.cache.keep_package(&Known::now(sha256, bytes, hashes, origin))?;
        }
        let gone = inner.archives.put(&sha256, file, |sum| self.must_stay(sum))?;
        inner.counters.evicted.fetch_add(gone as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Uploaded packages come from nowhere else.
    fn must_stay(&self, sha256: &Sha256Sum) -> bool {
        self.inner.cache.package(sha256).is_some_and(|known| known.origin.starts_with(ORIGIN))
    }
}

/// What a package hashes to. Blocks.
pub(super) fn hashes(fetched: &Fetched, named: &str) -> Result<ZipHashes, MirrorError> {
    let _entered = tracing::info_span!("hash", tofu_state.zip.bytes = fetched.bytes).entered();
    hashing::of_zip(fetched.file.path()).map_err(|error| MirrorError::Unsound(format!("{named}: its zip {error}")))
}
