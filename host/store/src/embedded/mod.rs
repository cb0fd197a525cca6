//! Documents in one file on this machine's disk, for one server.
//!
//! The file is a [redb] database: every commit is synced to the disk before it is acknowledged, and a
//! process that dies half-way leaves the commit before. All writes go through one thread, which puts
//! those that wait at the same time into one commit: a sync costs the same for one as for many.
//! Reads see the newest commit and wait for nobody; what was written last is read from memory.
//!
//! [redb]: https://docs.rs/redb/4

pub mod backup;
mod changes;
mod database;
mod file;
mod recent;
mod tables;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::task::TaskTracker;

use self::database::{Database, Opener};
use self::recent::Recent;
use self::writer::{Change, Done, Writer};
use crate::history::{Child, History};
use crate::{Entry, Error, Health, Key, Outcome, Revision, Slot, Store, Write};

pub use self::file::OpenError;

/// Larger documents are refused. redb itself takes 3 GiB.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024 * 1024;
/// How long [`Store::health`] waits for a trial write.
const TRIAL_TIME: Duration = Duration::from_secs(3);

/// Where and how an embedded store keeps its documents.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of the file `states.redb` (`DATA_DIR`). Made with mode 0700 if it is not there.
    pub folder: PathBuf,
    /// How many revisions of a document written with [`Retention::History`](crate::Retention::History)
    /// are kept, the newest included (`KEEP_VERSIONS`). 0 counts as 1.
    pub keep_versions: u32,
    /// How much memory redb may use as a cache, in bytes.
    pub cache_bytes: usize,
    /// The calls in progress that may come to write: a commit waits for them, for two milliseconds at most, so that
    /// all share one sync.
    pub calls: TaskTracker,
}

impl Settings {
    /// The design's values: 100 revisions, a cache of 32 MiB; nothing is known of calls.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), keep_versions: 100, cache_bytes: 32 * 1024 * 1024, calls: TaskTracker::new() }
    }
}

/// A store in a file. Dropping it finishes the writes that wait, and closes the file.
pub struct Embedded {
    database: Arc<Database>,
    recent: Arc<Recent>,
    writer: Writer,
}

impl Embedded {
    /// Opens the store in `settings.folder`, or makes an empty one if the folder has none. Blocks for as
    /// long as the disk takes: milliseconds, also after a crash.
    ///
    /// # Errors
    /// See [`OpenError`]. A file that is not opened is not changed.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::open_with(settings, Box::new(file::open_plainly))
    }

    /// As [`Embedded::open`], on a disk that a test has between redb and the file.
    pub(crate) fn open_with(settings: Settings, opener: Box<Opener>) -> Result<Self, OpenError> {
        let (keep_versions, calls) = (settings.keep_versions.max(1), settings.calls.clone());
        let database = Arc::new(Database::open(settings, opener)?);
        let recent = Arc::new(Recent::new());
        let writer = Writer::start(Arc::clone(&database), Arc::clone(&recent), keep_versions, calls);
        Ok(Self { database, recent, writer: writer.map_err(OpenError::Thread)? })
    }

    /// Finishes the writes that wait and closes the file; every call after this is
    /// [`Error::Unavailable`]. Blocks while it does so.
    pub fn close(&self) {
        self.writer.stop();
        self.recent.clear();
        self.database.close();
    }

    /// The revisions of `key` that can still be read, oldest first; the newest is among them.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        let key = key.clone();
        self.read(move |database| tables::revisions(database, &key)).await
    }

    /// One revision of `key`, if it is kept.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn revision(&self, key: &Key, revision: Revision) -> Result<Option<Entry>, Error> {
        let key = key.clone();
        self.read(move |database| tables::revision(database, &key, revision)).await
    }

    /// Reads on a thread that may block; once more on a newly opened file if the disk failed.
    async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&redb::Database) -> Result<T, tables::Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let database = Arc::clone(&self.database);
        let reading = tokio::task::spawn_blocking(move || database.attempt(&read).or_else(|_| database.attempt(&read)));
        reading.await.map_err(|_| Error::Unavailable("the reading thread ended early".to_owned()))?
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        if let Some(entry) = self.recent.get(key) {
            return Ok(Slot::Entry(entry));
        }
        let key = key.clone();
        self.read(move |database| tables::get(database, &key)).await
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let bytes = write.meta.len().saturating_add(write.content.as_ref().map_or(0, |content| content.len()));
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(Error::TooLarge(format!("a document of {bytes} bytes, the limit is {MAX_DOCUMENT_BYTES}")));
        }
        match self.writer.make(Change::Put { key: key.clone(), write }).await? {
            Done::Put(outcome) => Ok(outcome),
            Done::Other => Err(Error::Corrupt("a write without an outcome".to_owned())),
        }
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.writer.make(Change::Delete { key: key.clone() }).await.map(|_| ())
    }

    /// Writes (nothing of note) only if the last write failed, to see whether that has passed.
    async fn health(&self) -> Health {
        let looked = async {
            let documents = self.read(tables::count).await?;
            if self.writer.last_failed() {
                self.writer.make(Change::Trial).await?;
            }
            Ok(documents)
        };
        match tokio::time::timeout(TRIAL_TIME, looked).await.unwrap_or(Err(Error::Timeout)) {
            Ok(documents) => Health { available: true, detail: format!("embedded, {documents} documents") },
            Err(error) => Health { available: false, detail: error.to_string() },
        }
    }

    /// All of them as one commit left them.
    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let wanted = keys.to_vec();
        match self.read(move |database| tables::get_many(database, &wanted)).await {
            Ok(slots) => slots.into_iter().map(Ok).collect(),
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

#[async_trait]
impl History for Embedded {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        let folder = folder.clone();
        self.read(move |database| tables::children(database, Some(&folder))).await
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        self.read(|database| tables::children(database, None)).await
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        Self::revisions(self, key).await
    }

    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        Ok(Self::revision(self, key, revision).await?.map_or(Slot::Absent, Slot::Entry))
    }

    async fn outline(&self, key: &Key, revision: Option<Revision>) -> Result<Slot, Error> {
        let key = key.clone();
        self.read(move |database| tables::outline(database, &key, revision)).await
    }
}
