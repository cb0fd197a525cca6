//! A disk that runs full or breaks, under the embedded store.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use crate::embedded::{Embedded, OpenError, Settings};

/// What the disk is about to do, and what would be left of the file without power.
#[derive(Debug, Default)]
struct Plan {
    /// Changes to the file since the last [`Disk::repair`]: writes, changes of length, syncs.
    changes: usize,
    /// From which change on they fail, with what, and how many of them.
    failure: Option<(usize, io::ErrorKind, usize)>,
    /// The file as it was at the last sync that succeeded.
    synced: Vec<u8>,
    /// How many syncs succeeded.
    syncs: usize,
}

/// Decides which changes to the file fail. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Plan>>);

impl Disk {
    /// Opens an embedded store on a disk that works, until told otherwise.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open(settings: Settings) -> Result<(Embedded, Self), OpenError> {
        let disk = Self::default();
        let under = disk.clone();
        let opener = move |builder: &redb::Builder, file: File| {
            builder.create_with_backend(Failing { file: FileBackend::new(file)?, disk: under.clone() })
        };
        Ok((Embedded::open_with(settings, Box::new(opener))?, disk))
    }

    /// Every change to the file fails from now on, as on a full disk.
    pub fn fill(&self) {
        self.fail(0, io::ErrorKind::StorageFull, usize::MAX);
    }

    /// After `changes` more changes to the file (writes, changes of length, syncs), the next `times`
    /// of them fail with `kind`.
    pub fn fail(&self, changes: usize, kind: io::ErrorKind, times: usize) {
        let mut plan = self.plan();
        plan.failure = Some((plan.changes + changes, kind, times));
    }

    /// Everything works again.
    pub fn repair(&self) {
        let mut plan = self.plan();
        (plan.changes, plan.failure) = (0, None);
    }

    /// How many changes were tried since the store was opened or the disk repaired.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.plan().changes
    }

    /// What a power loss at this moment would leave of the file, at worst: what was synced.
    #[must_use]
    pub fn synced(&self) -> Vec<u8> {
        self.plan().synced.clone()
    }

    /// How many syncs of the file succeeded.
    #[must_use]
    pub fn syncs(&self) -> usize {
        self.plan().syncs
    }

    fn change(&self) -> io::Result<()> {
        let mut plan = self.plan();
        let number = plan.changes;
        plan.changes += 1;
        match plan.failure {
            Some((from, kind, times)) if number >= from && number - from < times => Err(kind.into()),
            _ => Ok(()),
        }
    }

    /// A test that panicked while it held the lock has failed already.
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file whose changes fail as the [`Disk`] says.
#[derive(Debug)]
struct Failing {
    file: FileBackend,
    disk: Disk,
}

impl StorageBackend for Failing {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.change()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.change()?;
        self.file.sync_data()?;
        let length = usize::try_from(self.file.len()?).expect("a test's file fits into memory");
        let mut plan = self.disk.plan();
        plan.syncs += 1;
        plan.synced.resize(length, 0);
        self.file.read(0, &mut plan.synced)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.change()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}
