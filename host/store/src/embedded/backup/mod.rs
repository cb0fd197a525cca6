//! Copies of a whole store in one file, and stores made of such copies.
//!
//! The file is a tar archive: first what it is (`tofu-state-backup.json`), then each revision of each document
//! (`documents/<key>@<revision>.meta` and `.content`), as one commit left them, then a list of all of them with their
//! digests (`manifest.json`), and last the list's own digest (`manifest.sha256`). So an archive that was cut short, or
//! in which a byte has changed, shows.

mod create;
mod restore;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file::OpenError;
use super::tables::Failure;
use crate::Revision;

pub use create::create;
pub use restore::restore;

/// The format of archives that this release reads and writes.
const FORMAT: u64 = 1;

const HEADER: &str = "tofu-state-backup.json";
const MANIFEST: &str = "manifest.json";
const MANIFEST_DIGEST: &str = "manifest.sha256";
const DOCUMENTS: &str = "documents/";

/// The largest header or manifest that is read, in bytes.
const LARGEST_LIST: u64 = 1024 * 1024 * 1024;

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many documents.
    pub documents: usize,
    /// How many revisions of them all together.
    pub revisions: usize,
}

/// Why a store was not copied, or not restored. Either way nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no store to copy.
    #[error("there is no store in {path}", path = .0.display())]
    NoStore(PathBuf),
    /// There is a store already.
    #[error("there is a store in {path} already: restore into another folder, or move it away", path = .0.display())]
    NotEmpty(PathBuf),
    /// The store could not be read or written.
    #[error("the store: {0}")]
    Store(String),
    /// The archive is not whole, has been changed, or is something else.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// A later release has made the archive.
    #[error(
        "the archive has format {0}, this release knows formats up to {FORMAT}: restore it with the release that made it"
    )]
    Newer(u64),
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl<E: Into<Failure>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// What redb says, on its way to a [`BackupError`].
struct StoreError(Failure);

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.0.to_string())
    }
}

/// Turns redb's errors into ours.
fn stored<T, E: Into<StoreError>>(result: Result<T, E>) -> Result<T, BackupError> {
    result.map_err(|error| error.into().into())
}

/// What stands first in an archive.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u64,
    /// See `tables.rs`: revisions of new keys begin above it.
    floor: Revision,
}

/// One revision in the manifest.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    key: String,
    revision: Revision,
    /// SHA-256, in hexadecimal digits.
    meta: String,
    /// None where there is no content.
    content: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// SHA-256 of the header.
    header: String,
    revisions: Vec<Item>,
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
