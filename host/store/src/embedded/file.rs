//! The file `states.redb`: made whole or not at all, and opened only if it is one of ours.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, DatabaseError, StorageError};

use super::database::Opener;
use super::tables::{self, FORMAT, Failure};
use crate::Error;

/// The file's name in the store's folder.
pub(super) const FILE_NAME: &str = "states.redb";

/// Why a store in a folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another tofu-state serves this folder: {path} is locked", path = .0.display())]
    InUse(PathBuf),
    /// It was written by a later release.
    #[error(
        "{path} has format {found}, this release knows formats up to {FORMAT}: start the release that wrote it",
        path = .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format that it says it has.
        found: u64,
    },
    /// It is not a store of tofu-state; it was left as it is.
    #[error("{path} is not a store of tofu-state ({reason}); move it away, or choose another folder", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        reason: String,
    },
    /// Its content is damaged; it was left as it is.
    #[error("{path} is damaged ({reason}); restore it from a backup", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What redb found.
        reason: String,
    },
    /// The file or its folder could not be read or written.
    #[error("cannot open the store {path}: {error}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The writing thread could not be started.
    #[error("cannot start the store's writing thread: {0}")]
    Thread(#[source] io::Error),
}

impl OpenError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Io { path, error }
    }

    fn foreign(path: &Path, reason: impl ToString) -> Self {
        Self::Foreign { path: path.to_owned(), reason: reason.to_string() }
    }

    fn redb(path: &Path, error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::InUse(path.to_owned()),
            DatabaseError::UpgradeRequired(_) => Self::foreign(path, error),
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Self::foreign(path, error)
            }
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Damaged { path: path.to_owned(), reason: "it is cut short".to_owned() }
            }
            DatabaseError::Storage(StorageError::Io(error)) => Self::Io { path: path.to_owned(), error },
            other => Self::Damaged { path: path.to_owned(), reason: other.to_string() },
        }
    }

    fn failure(path: &Path, failure: Failure) -> Self {
        match failure {
            Failure::Redb(redb::Error::Io(error)) => Self::Io { path: path.to_owned(), error },
            other => Self::Damaged { path: path.to_owned(), reason: other.to_string() },
        }
    }

    /// The same as the failure of a call, for a store that is opened again while it serves.
    pub(super) fn as_call(&self) -> Error {
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull => {
                Error::OutOfSpace(error.to_string())
            }
            Self::Foreign { .. } | Self::Damaged { .. } | Self::Newer { .. } => Error::Corrupt(self.to_string()),
            Self::InUse(_) | Self::Io { .. } | Self::Thread(_) => Error::Unavailable(self.to_string()),
        }
    }
}

/// Makes the folder and an empty store in it where there is none; gives the file's path.
pub(super) fn prepare(folder: &Path) -> Result<PathBuf, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(OpenError::io(folder))?;
    let path = folder.join(FILE_NAME);
    if !path.try_exists().map_err(OpenError::io(&path))? {
        create(folder)?;
    }
    Ok(path)
}

/// Makes an empty store.
fn create(folder: &Path) -> Result<(), OpenError> {
    // If another process was faster: whether it is still there shows when the file is opened.
    make::<OpenError>(folder, |_| Ok(())).map(drop)
}

/// Makes a store beside its place, has `fill` fill it, and moves it there when it is on the disk: a file that is in
/// its place is always whole, so one that is not can only be damaged, never new. Whether it was moved there: not if
/// there is one by now.
pub(super) fn make<E: From<OpenError>>(
    folder: &Path,
    fill: impl FnOnce(&redb::Database) -> Result<(), E>,
) -> Result<bool, E> {
    let path = folder.join(FILE_NAME);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(OpenError::io(folder))?;
    let new =
        tempfile::Builder::new().prefix(FILE_NAME).suffix(".new").tempfile_in(folder).map_err(OpenError::io(folder))?;
    let backend = new.reopen().map_err(OpenError::io(&path))?;
    let database = open_plainly(&Builder::new(), backend).map_err(|error| OpenError::redb(&path, error))?;
    tables::initialise(&database).map_err(|failure| OpenError::failure(&path, failure))?;
    fill(&database)?;
    database.close().map_err(|error| OpenError::redb(&path, error))?;
    match new.persist_noclobber(&path) {
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(OpenError::Io { path, error: refused.error }.into()),
        Ok(_) => {
            // The name must be on the disk too before the first write is acknowledged.
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(OpenError::io(folder))?;
            Ok(true)
        }
    }
}

/// redb on the file itself.
pub(super) fn open_plainly(builder: &Builder, file: File) -> Result<redb::Database, DatabaseError> {
    builder.create_with_backend(FileBackend::new(file)?)
}

/// Opens an existing store. One that is not ours is refused before anything is written to it.
pub(super) fn open(path: &Path, cache_bytes: usize, opener: &Opener) -> Result<redb::Database, OpenError> {
    let length = path.metadata().map_err(OpenError::io(path))?.len();
    if length == 0 {
        // redb would make a new store of it, and every state would be "absent".
        return Err(OpenError::foreign(path, "the file is empty"));
    }
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    let opened = catch_unwind(AssertUnwindSafe(|| {
        // Opening for writing marks the file as in use; so look first.
        match builder.open_read_only(path) {
            Ok(database) => check(path, &database)?,
            // A crash left it to be repaired, which only an opening for writing does.
            Err(DatabaseError::RepairAborted) => {}
            Err(error) => return Err(OpenError::redb(path, error)),
        }
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(OpenError::io(path))?;
        let database = opener(&builder, file).map_err(|error| OpenError::redb(path, error))?;
        check(path, &database)?;
        Ok(database)
    }));
    // redb may panic on a damaged file.
    opened.unwrap_or_else(|_| Err(OpenError::Damaged { path: path.to_owned(), reason: "it cannot be read".to_owned() }))
}

/// Refuses what is not a store of a format that this release knows.
fn check(path: &Path, database: &impl redb::ReadableDatabase) -> Result<(), OpenError> {
    match tables::format(database).map_err(|failure| OpenError::failure(path, failure))? {
        None => Err(OpenError::foreign(path, "it is a redb file of something else")),
        Some(found) if found > FORMAT => Err(OpenError::Newer { path: path.to_owned(), found }),
        Some(_) => Ok(()),
    }
}
