//! The audit: one record for every change that was asked for, and for every denial of somebody who is known.
//! Denials of strangers have a bound, see [`strangers`]; how many were left out has a record, too.
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
pub mod strangers;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::strangers::Strangers;
use super::{Finished, Metrics};
pub use file::Rotation;

/// How long a request waits for its record to be written.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How many records wait in memory at most.
pub const WAITING: usize = 10_000;

/// How often it is told how many denials were left out, if any were.
const TELLING: Duration = Duration::from_secs(60);

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
    strangers: Arc<Strangers>,
    metrics: Arc<Metrics>,
}

/// The thread that writes.
pub struct Writing {
    queue: mpsc::Sender<Message>,
    strangers: Arc<Strangers>,
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

impl Line {
    /// A record that nobody waits for.
    fn unawaited(text: String) -> Self {
        Self { text, written: oneshot::channel().0 }
    }
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
    /// Begins to write to `target`. Must be called inside a tokio runtime.
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
        let strangers = Arc::new(Strangers::default());
        tokio::spawn(tell(queue.downgrade(), Arc::clone(&strangers)));
        let audit = Self { queue: queue.clone(), lost, strangers: Arc::clone(&strangers), metrics };
        Ok((audit, Writing { queue, strangers, ending, thread }))
    }

    /// Hands a request's record to the writer, if it is to have one.
    pub(super) fn ended(&self, finished: &Finished) -> Pending {
        match record::kind(finished) {
            None => return Pending::NONE,
            Some(record::Kind::Stranger) if !self.strangers.admit(Instant::now(), finished.received.into()) => {
                self.metrics.audit.left_out();
                return Pending::NONE;
            }
            Some(_) => {}
        }
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
        let Self { queue, strangers, ending, thread } = self;
        ending.store(true, Ordering::Relaxed);
        let ended = async move {
            // A writer that has ended already takes nothing more.
            if let Some(text) = strangers.take().and_then(record::left_out) {
                let _ = queue.send(Message::Record(Line::unawaited(text))).await;
            }
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

/// Tells now and then how many denials were left out, until there is nobody left who could be denied.
async fn tell(queue: mpsc::WeakSender<Message>, strangers: Arc<Strangers>) {
    let mut ticks = tokio::time::interval(TELLING);
    loop {
        ticks.tick().await;
        let Some(queue) = queue.upgrade() else { return };
        let Some(left_out) = strangers.take() else { continue };
        let line = record::left_out(left_out).map(Line::unawaited);
        if line.is_none_or(|line| queue.try_send(Message::Record(line)).is_err()) {
            strangers.put_back(left_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    #[tokio::test(start_paused = true)]
    async fn what_was_left_out_is_told_each_minute_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        let target = Target::File(file.clone(), Rotation { max_bytes: 1 << 20, keep: 1 });
        let (audit, writing) = Audit::start(target, Arc::new(Metrics::new().unwrap())).unwrap();
        let deny = |times: u32| {
            for _ in 0..times {
                let _ = audit.strangers.admit(Instant::now(), OffsetDateTime::UNIX_EPOCH);
            }
        };
        deny(strangers::AT_ONCE + 5);
        // The thread that writes has a clock of its own.
        let told = async || loop {
            tokio::time::advance(TELLING).await;
            let text = std::fs::read_to_string(&file).unwrap();
            if !text.is_empty() {
                return text;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = told().await;
        assert!(
            text.contains(r#""operation":"denials-suppressed","suppressed":5,"since":"1970-01-01T00:00:00Z""#),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "it is told once");
        deny(strangers::AT_ONCE + 200);
        writing.ended().await.unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.lines().count() == 2 && text.ends_with("}\n"), "{text}");
    }
}
