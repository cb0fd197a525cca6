//! Recordings of requests (`RECORD`), for whoever looks into an incident on another machine: a file for each, without
//! states, secrets or names, see `tofu_state_sandbox::recording`. The oldest are removed when there are too many.

mod folder;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tofu_state_component::{Failure, Reply, Request};
use tofu_state_sandbox::recording::{Recorder, Taken, Taking};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::telemetry::Metrics;
use folder::Folder;

/// What all recordings of a folder may take, in bytes; the oldest are removed.
const MOST_BYTES: u64 = 256 << 20;

/// What the requests in progress, and those that wait to be written, may keep in memory together, in bytes; those
/// beyond are not recorded.
const MOST_KEPT: usize = 64 << 20;

/// How many requests wait to be written; those beyond are not recorded.
const AT_ONCE: usize = 16;

/// Takes requests down and writes them into a folder. Clones share everything.
#[derive(Clone)]
pub struct Recordings {
    recorder: Recorder,
    folder: Arc<Mutex<Folder>>,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    /// Reasons for which requests were left out, and which the log has told.
    told: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Recordings {
    /// Records into this folder, which is made if it is not there. What older servers left there counts too.
    ///
    /// # Errors
    /// The folder cannot be made or read, or the system has no random bytes.
    pub fn open(folder: &Path, metrics: Arc<Metrics>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // The key is forgotten with this process: nobody can try out what a hash stands for.
        let key: Vec<u8> = (0..4).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
        let key: [u8; 64] = key.try_into().map_err(|_| io::Error::other("a key of another length"))?;
        Ok(Self {
            recorder: Recorder::new(&key, MOST_KEPT),
            folder: Arc::new(Mutex::new(Folder::open(folder, MOST_BYTES)?)),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            metrics,
            told: Arc::default(),
        })
    }

    /// Begins with a request for the component with this digest.
    #[must_use]
    pub fn begin(&self, request: &Request, component: &str) -> Taking {
        self.recorder.begin(request, component)
    }

    /// The request has ended: writes what was taken, in the background, in one of `tasks`. Nobody waits for it, and a
    /// request that cannot be recorded is answered all the same.
    pub fn keep(&self, taking: Taking, answered: Result<&Reply, &Failure>, tasks: &TaskTracker) {
        let taken = match taking.ended(answered) {
            Ok(taken) => taken,
            Err(why) => return self.leave_out(why.name(), &why),
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.leave_out("busy", &format_args!("{AT_ONCE} others wait to be written"));
        };
        let recordings = self.clone();
        tasks.spawn_blocking(move || {
            match recordings.write(&taken) {
                Ok(()) => recordings.metrics.recordings.ended("written"),
                Err(error) => recordings.leave_out("failed", &error),
            }
            drop(place);
        });
    }

    fn write(&self, taken: &Taken) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&taken.told())?;
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).add(&text)
    }

    /// Counts a request that is not recorded. The log tells the first one of each reason.
    fn leave_out(&self, reason: &'static str, why: &dyn Display) {
        self.metrics.recordings.ended(reason);
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(reason) {
            tracing::warn!(reason, "a request was not recorded: {why}; said once for this reason");
        }
    }
}

#[cfg(test)]
mod tests;
