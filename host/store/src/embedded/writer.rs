//! The one thread that writes.
//!
//! It takes all writes that wait, makes them in one transaction, each compare-and-set judged in turn,
//! and answers after the commit. Before it begins it waits a moment for those who are about to write: see
//! [`Gathering`]. If a commit fails, each write is tried once more on its own, so that
//! one that does not fit on the disk does not take the others with it. Trying again is safe: if the
//! commit was done after all, a compare-and-set ends as a conflict, which the trait allows for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::changes;
use super::database::Database;
use super::recent::Recent;
use crate::{Error, Key, Outcome, Write};

/// At most so many writes go into one commit.
const BATCH: usize = 256;
/// A commit takes no more writes once it has so many bytes.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// The longest that a write waits for others to join it; a sync of most disks takes as long.
const LONGEST_GATHERING: Duration = Duration::from_millis(2);
/// How often it is looked meanwhile whether there still are others.
const LOOK: Duration = Duration::from_micros(100);

/// Something to be written.
pub(super) enum Change {
    /// See [`Store::put_cas`](crate::Store::put_cas).
    Put { key: Key, write: Write },
    /// See [`Store::delete`](crate::Store::delete).
    Delete { key: Key },
    /// Writes nothing of note, to see whether it can be written.
    Trial,
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Put { write, .. } => write.meta.len() + write.content.as_ref().map_or(0, |content| content.len()),
            Self::Delete { .. } | Self::Trial => 0,
        }
    }
}

/// What became of a [`Change`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Done {
    /// A compare-and-set ended.
    Put(Outcome),
    /// Anything else was done.
    Other,
}

/// A change and whoever waits for it.
struct Waiting {
    change: Change,
    answer: oneshot::Sender<Result<Done, Error>>,
}

/// The writing thread, as its callers see it.
pub(super) struct Writer {
    /// None once the writer was stopped.
    running: Mutex<Option<Running>>,
    last_failed: Arc<AtomicBool>,
}

struct Running {
    /// Without a bound of its own: each caller waits for its answer, and what nobody waits for any more is
    /// not begun, so it holds no more writes than there are callers for longer than one commit takes.
    queue: mpsc::Sender<Waiting>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts the thread. `calls` are those that may come to write.
    pub(super) fn start(
        database: Arc<Database>,
        recent: Arc<Recent>,
        keep_versions: u32,
        calls: TaskTracker,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel();
        let last_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&last_failed);
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            run(&database, &recent, Gathering { queue: waiting, calls, last: 0 }, keep_versions, &failed)
        })?;
        Ok(Self { running: Mutex::new(Some(Running { queue, thread })), last_failed })
    }

    /// Makes a change, and returns when it is on the disk. If the caller stops waiting, it is made or not.
    pub(super) async fn make(&self, change: Change) -> Result<Done, Error> {
        let closed = || Error::Unavailable("the store is closed".to_owned());
        let (answer, answered) = oneshot::channel();
        self.running().as_ref().ok_or_else(closed)?.queue.send(Waiting { change, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| Error::Unavailable("the writing thread ended early".to_owned()))?
    }

    /// Whether the last write that was tried could not be made.
    pub(super) fn last_failed(&self) -> bool {
        self.last_failed.load(Ordering::Relaxed)
    }

    /// Takes no more changes, and waits until those that wait are done.
    pub(super) fn stop(&self) {
        let Some(Running { queue, thread }) = self.running().take() else { return };
        drop(queue);
        if thread.join().is_err() {
            tracing::error!("the store's writing thread had panicked");
        }
    }

    /// The value is replaced as a whole, so a panic elsewhere cannot leave it half-changed.
    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until nobody can send any more.
fn run(database: &Database, recent: &Recent, mut gathering: Gathering, keep_versions: u32, last_failed: &AtomicBool) {
    while let Some(mut batch) = gathering.next() {
        batch.retain(|waiting| !waiting.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        let answers = write(database, &batch, keep_versions);
        last_failed.store(answers.iter().any(Result::is_err), Ordering::Relaxed);
        for (waiting, answer) in batch.iter().zip(&answers) {
            recent.note(&waiting.change, answer);
        }
        for (waiting, answer) in batch.into_iter().zip(answers) {
            // Whoever no longer waits does not need the answer.
            let _ = waiting.answer.send(answer);
        }
    }
}

/// Where the writes of each commit come from.
///
/// Where many write at once, all of them together cost one commit instead of one each. So a commit waits until
/// every call that is in progress has come to write, or has ended, and as many writes are there as were in the
/// commit before: where requests come faster than they are answered, most of those who are about to write have
/// not been heard yet. It waits [`LONGEST_GATHERING`] at most, and not at all for the only call that there is.
struct Gathering {
    queue: mpsc::Receiver<Waiting>,
    calls: TaskTracker,
    /// How many writes were in the last commit.
    last: usize,
}

impl Gathering {
    /// The writes of one commit; none once nobody can send any more.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let first = self.queue.recv().ok()?;
        let end = Instant::now() + LONGEST_GATHERING;
        let mut bytes = first.change.bytes();
        let mut batch = vec![first];
        loop {
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let Ok(next) = self.queue.try_recv() else { break };
                bytes = bytes.saturating_add(next.change.bytes());
                batch.push(next);
            }
            let left = end.saturating_duration_since(Instant::now());
            let others = self.calls.len().max(self.last) > batch.len();
            if !others || left.is_zero() || batch.len() >= BATCH || bytes >= BATCH_BYTES {
                break;
            }
            match self.queue.recv_timeout(left.min(LOOK)) {
                Ok(next) => {
                    bytes = bytes.saturating_add(next.change.bytes());
                    batch.push(next);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.last = batch.len();
        Some(batch)
    }
}

/// Makes the changes together, or each on its own if that fails.
fn write(database: &Database, batch: &[Waiting], keep_versions: u32) -> Vec<Result<Done, Error>> {
    let together = database.attempt(|redb| changes::apply(redb, batch.iter().map(|one| &one.change), keep_versions));
    match together {
        Ok(done) => done.into_iter().map(Ok).collect(),
        Err(_) => batch.iter().map(|one| write_alone(database, &one.change, keep_versions)).collect(),
    }
}

fn write_alone(database: &Database, change: &Change, keep_versions: u32) -> Result<Done, Error> {
    let done = database.attempt(|redb| changes::apply(redb, std::iter::once(change), keep_versions))?;
    done.first().copied().ok_or_else(|| Error::Corrupt("a write without an outcome".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gathering, and how to put trial writes into its queue.
    fn gathering(calls: &TaskTracker, last: usize) -> (Gathering, impl Fn(usize) + use<>) {
        let (sender, queue) = mpsc::channel();
        let send = move |count: usize| {
            for _ in 0..count {
                let (answer, _) = oneshot::channel();
                sender.send(Waiting { change: Change::Trial, answer }).unwrap();
            }
        };
        (Gathering { queue, calls: calls.clone(), last }, send)
    }

    #[test]
    fn takes_what_waits_and_ends_with_the_last_sender() {
        let (mut gathering, send) = gathering(&TaskTracker::new(), 0);
        send(3);
        assert_eq!(gathering.next().unwrap().len(), 3);
        send(BATCH + 1);
        assert_eq!(gathering.next().unwrap().len(), BATCH);
        assert_eq!(gathering.last, BATCH);
        drop(send);
        assert_eq!(gathering.next().unwrap().len(), 1, "it waits for nobody where nobody can come");
        assert!(gathering.next().is_none());
    }

    #[test]
    fn waits_for_others_but_not_for_ever() {
        let calls = TaskTracker::new();
        let both = (calls.token(), calls.token());
        let (mut gathering, send) = gathering(&calls, 0);
        send(1);
        assert_eq!(gathering.next().unwrap().len(), 1, "the other call does not come to write");
        send(2);
        assert_eq!(gathering.next().unwrap().len(), 2);
        drop(both);
        send(1);
        assert_eq!(gathering.next().unwrap().len(), 1, "nor does the one that was there before");
        assert_eq!(gathering.last, 1);
    }
}
