//! What comes is hashed, and kept with its hashes; what lies there is looked at before it is served.

use std::fs::File;
use std::sync::atomic::Ordering;

use super::archives::Checked;
use super::packages::{Opened, Wanted};
use super::upload::ORIGIN;
use super::{Mirror, MirrorError, count};
use crate::cache::Known;
use crate::fetch::Fetched;
use crate::hashing::{self, Sha256Sum, ZipHashes};

impl Mirror {
    /// The package, if it lies there and is whole; with its hashes. Blocks.
    pub(super) fn sound(&self, wanted: &Wanted) -> Result<Option<Opened>, MirrorError> {
        let (inner, sha256) = (&self.inner, &wanted.sha256);
        let Some((file, length)) = self.whole(sha256, &wanted.to_string())? else { return Ok(None) };
        // Its hashes may have been lost, or never have reached the disk.
        if inner.cache.package(sha256).is_none()
            && let Some(path) = inner.archives.path_of(sha256)
        {
            let unsound = |error| MirrorError::Unsound(format!("{wanted}: its zip {error}"));
            let hashes = hashing::of_zip(&path).map_err(unsound)?;
            inner.cache.keep_package(&Known::now(*sha256, length, &hashes, &wanted.origin))?;
        }
        Ok(Some(Opened { file, length, fetched: false }))
    }

    /// The zip with that sum, if it lies there and is whole. One that is damaged goes, or is put aside if it comes
    /// from nowhere else. Blocks.
    pub(super) fn whole(&self, sha256: &Sha256Sum, named: &str) -> Result<Option<(File, u64)>, MirrorError> {
        let inner = &self.inner;
        match inner.archives.check(sha256)? {
            Checked::Missing => Ok(None),
            Checked::Sound(file, length) => Ok(Some((file, length))),
            Checked::Damaged(what) => {
                count(&inner.counters.damaged);
                let aside = inner.archives.discard(sha256, self.must_stay(sha256))?;
                let aside = aside.map(|path| path.display().to_string());
                tracing::error!(package = named, %sha256, what, aside, "a package is damaged on the disk: it goes");
                Ok(None)
            }
        }
    }

    /// Hashes a package that has the sum it should have, and keeps both. Blocks.
    pub(super) fn keep(&self, fetched: Fetched, origin: &str, named: &str) -> Result<Opened, MirrorError> {
        let hashes = hashes(&fetched, named)?;
        self.shelve(fetched, &hashes, origin)
    }

    /// Keeps a package and what it hashes to. Blocks.
    pub(super) fn shelve(&self, fetched: Fetched, hashes: &ZipHashes, origin: &str) -> Result<Opened, MirrorError> {
        let inner = &self.inner;
        let Fetched { file, sha256, bytes } = fetched;
        // What was uploaded stays, also when a registry has the same zip.
        if !inner.cache.package(&sha256).is_some_and(|known| known.origin.starts_with(ORIGIN)) {
            inner.cache.keep_package(&Known::now(sha256, bytes, hashes, origin))?;
        }
        let (file, gone) = inner.archives.put(&sha256, file, |sum| self.must_stay(sum))?;
        inner.counters.evicted.fetch_add(gone as u64, Ordering::Relaxed);
        Ok(Opened { file, length: bytes, fetched: true })
    }

    /// Uploaded packages come from nowhere else. One of which nothing is known may be such a one.
    fn must_stay(&self, sha256: &Sha256Sum) -> bool {
        self.inner.cache.package(sha256).is_none_or(|known| known.origin.starts_with(ORIGIN))
    }
}

/// What a package hashes to. Blocks.
pub(super) fn hashes(fetched: &Fetched, named: &str) -> Result<ZipHashes, MirrorError> {
    let _entered = tracing::info_span!("hash", tofu_state.zip.bytes = fetched.bytes).entered();
    hashing::of_zip(fetched.file.path()).map_err(|error| MirrorError::Unsound(format!("{named}: its zip {error}")))
}
