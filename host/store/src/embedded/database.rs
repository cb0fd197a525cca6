//! The open database, opened again by itself after the disk has failed.
//!
//! After an I/O error redb refuses everything until it is opened anew. It is, by the next call; what
//! it then finds is the last whole commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Settings;
use super::file::{self, OpenError};
use super::tables::Failure;
use crate::Error;

/// Opens redb on a file; tests put a failing disk between the two.
pub(crate) type Opener =
    dyn Fn(&redb::Builder, std::fs::File) -> Result<redb::Database, redb::DatabaseError> + Send + Sync;

/// The database and how to open it again.
pub(super) struct Database {
    path: PathBuf,
    cache_bytes: usize,
    opener: Box<Opener>,
    state: RwLock<State>,
}

enum State {
    /// In use. The number tells one opening from the next.
    Open(redb::Database, u64),
    /// The disk failed; the next call opens it again, as the opening of this number.
    Failed(u64),
    /// Closed for good.
    Closed,
}

impl Database {
    /// Opens the file, or makes it.
    pub(super) fn open(settings: Settings, opener: Box<Opener>) -> Result<Self, OpenError> {
        let path = file::prepare(&settings.folder)?;
        let redb = file::open(&path, settings.cache_bytes, &*opener)?;
        let state = RwLock::new(State::Open(redb, 0));
        Ok(Self { path, cache_bytes: settings.cache_bytes, opener, state })
    }

    /// Uses the database. If that fails, the next attempt finds it newly opened; the error says what
    /// went wrong, and is logged here.
    pub(super) fn attempt<T>(&self, work: impl Fn(&redb::Database) -> Result<T, Failure>) -> Result<T, Error> {
        let (number, failure) = {
            let state = self.opened()?;
            let State::Open(redb, number) = &*state else { return Err(closed()) };
            // redb may panic on a damaged file; that is this call's failure, not the process's end.
            match catch_unwind(AssertUnwindSafe(|| work(redb))) {
                Ok(Ok(done)) => return Ok(done),
                // Another opening would find the same.
                Ok(Err(failure @ Failure::Contradiction(_))) => return Err(Error::from(&failure)),
                Ok(Err(failure)) => (*number, Error::from(&failure)),
                Err(_) => (*number, Error::Corrupt("the store's file cannot be read".to_owned())),
            }
        };
        tracing::warn!(error = %failure, "the embedded store failed and is opened again");
        let mut state = self.state_mut();
        if matches!(&*state, State::Open(_, current) if *current == number) {
            *state = State::Failed(number.wrapping_add(1));
        }
        Err(failure)
    }

    /// Closes the file. Readers that are still at work are waited for.
    pub(super) fn close(&self) {
        if let State::Open(redb, _) = std::mem::replace(&mut *self.state_mut(), State::Closed)
            && let Err(error) = redb.close()
        {
            tracing::warn!(%error, "the embedded store was not closed cleanly; it is repaired when it is opened");
        }
    }

    /// The state, which is [`State::Open`] unless the store was closed meanwhile.
    fn opened(&self) -> Result<RwLockReadGuard<'_, State>, Error> {
        loop {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                State::Open(..) => return Ok(state),
                State::Closed => return Err(closed()),
                State::Failed(_) => drop(state),
            }
            let mut state = self.state_mut();
            if let State::Failed(number) = &*state {
                let redb = file::open(&self.path, self.cache_bytes, &*self.opener).map_err(|error| error.as_call())?;
                tracing::info!("the embedded store is open again");
                *state = State::Open(redb, *number);
            }
        }
    }

    /// The state is replaced as a whole, so a panic elsewhere cannot leave it half-changed.
    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}
