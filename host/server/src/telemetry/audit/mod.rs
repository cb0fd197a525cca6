//! The audit: one record for every change that was asked for, and for every denial.
//!
//! A request's record is written before the request is answered, in a thread of its own, so an answer that
//! was sent has its record even if the server is killed next (a power cut can take what the file system has
//! not written yet). Where a record cannot be written (a full disk, a pipe that nobody reads), a request
//! waits no longer than [`PATIENCE`], is answered all the same, because its change has been made already,
//! and its record waits in memory, for as many as [`WAITING`]. What does not fit there is lost, but not
//! silently: it is counted, `/readyz` and a metric tell that the audit fails, and the first record that is
//! written afterwards says how many are missing.

mod file;
mod record;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Finished, Metrics};
pub use file::Rotation;

/// How long a request waits for its record to be written.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How many records wait in memory at most.
pub const WAITING: usize = 10_000;

/// How long the end of the server waits for the last records.
const ENDING: Duration = Duration::from_secs(5);

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To standard output, for a collector that reads it.
    Stdout,
    /// Appended to a file.
    File(PathBuf, Rotation),
}

/// Writes audit records.
pub struct Audit {
    queue: mpsc::Sender<Message>,
    lost: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

/// The thread that writes.
pub struct Writing {
    queue: mpsc::Sender<Message>,
    /// The server ends: what cannot be written now will not be.
    ending: Arc<AtomicBool>,
    thread: JoinHandle<bool>,
}

/// What the writer is told.
enum Message {
    Record(Line),
    /// There are no more records.
    End,
}

/// One record on its way.
struct Line {
    text: String,
    /// Told once it is written.
    written: oneshot::Sender<()>,
}

/// A request's record on its way.
#[must_use = "the answer is to wait for it"]
pub struct Pending(Option<(oneshot::Receiver<()>, Arc<Metrics>)>);

impl Pending {
    /// Nothing is on its way.
    pub(super) const NONE: Self = Self(None);

    /// Waits until it is written, but no longer than [`PATIENCE`].
    pub async fn settled(self) {
        let Some((written, metrics)) = self.0 else { return };
        if tokio::time::timeout(PATIENCE, written).await.is_err() {
            // The writer hangs, and cannot say so itself.
            metrics.audit.failed("the audit's target takes no more: its records wait in memory");
        }
    }
}

impl Audit {
    /// Begins to write to `target`.
    ///
    /// # Errors
    /// A sentence: what is wrong with the file.
    pub fn start(target: Target, metrics: Arc<Metrics>) -> Result<(Self, Writing), String> {
        let sink = writer::Sink::open(target)?;
        let (queue, lines) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let ending = Arc::new(AtomicBool::new(false));
        metrics.audit.begin();
        let writer = writer::Writer {
            sink,
            lines,
            lost: Arc::clone(&lost),
            ending: Arc::clone(&ending),
            metrics: Arc::clone(&metrics),
        };
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| format!("no thread for the audit: {error}"))?;
        Ok((Self { queue: queue.clone(), lost, metrics }, Writing { queue, ending, thread }))
    }

    /// Hands a request's record to the writer, if it is to have one.
    pub(super) fn ended(&self, finished: &Finished) -> Pending {
        let Some(text) = record::line(finished) else { return Pending::NONE };
        let (written, pending) = oneshot::channel();
        if self.queue.try_send(Message::Record(Line { text, written })).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.metrics.audit.lost();
            return Pending::NONE;
        }
        // While nothing can be written, waiting would only be time lost.
        if !self.metrics.audit.works() {
            return Pending::NONE;
        }
        Pending(Some((pending, Arc::clone(&self.metrics))))
    }
}

impl Writing {
    /// Waits until the last record is written; no request may end any more.
    ///
    /// # Errors
    /// A sentence, if that takes too long.
    pub async fn ended(self) -> Result<(), String> {
        let Self { queue, ending, thread } = self;
        ending.store(true, Ordering::Relaxed);
        let ended = async move {
            // A writer that has ended already takes nothing more.
            let _ = queue.send(Message::End).await;
            tokio::task::spawn_blocking(move || thread.join()).await
        };
        match tokio::time::timeout(ENDING, ended).await {
            Ok(Ok(Ok(true))) => Ok(()),
            Ok(Ok(Ok(false))) => Err("ended although audit records could not be written: they are lost".to_owned()),
            Ok(_) => Err("the audit's writer has failed".to_owned()),
            Err(_) => Err("ended although not all audit records are written: they cannot be".to_owned()),
        }
    }
}
