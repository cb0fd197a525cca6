//! The thread that writes records, and goes on trying where they cannot be written.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::file::Appended;
use super::{Line, Message, Target, record};
use crate::telemetry::Metrics;

/// How many records are written at once at most.
const AT_ONCE: usize = 256;

/// How long to wait before what could not be written is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// How often it is tried again once the server ends.
const LAST_TRIES: u32 = 4;

/// Where lines go.
pub(super) enum Sink {
    Stdout,
    File(Appended),
}

impl Sink {
    pub(super) fn open(target: Target) -> Result<Self, String> {
        match target {
            Target::Stdout => Ok(Self::Stdout),
            Target::File(path, rotation) => Appended::open(path.clone(), rotation)
                .map(Self::File)
                .map_err(|error| format!("AUDIT_LOG {} cannot be written: {error}", path.display())),
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines).and_then(|()| stdout.flush())
            }
            Self::File(file) => file.append(lines),
        }
    }
}

/// The thread's work.
pub(super) struct Writer {
    pub(super) sink: Sink,
    pub(super) lines: mpsc::Receiver<Message>,
    pub(super) lost: Arc<AtomicU64>,
    pub(super) ending: Arc<AtomicBool>,
    pub(super) metrics: Arc<Metrics>,
}

impl Writer {
    /// Writes until the end is told. Whether all was written.
    pub(super) fn run(mut self) -> bool {
        let mut messages = Vec::with_capacity(AT_ONCE);
        while self.lines.blocking_recv_many(&mut messages, AT_ONCE) > 0 {
            let mut ends = false;
            let mut batch = Vec::with_capacity(messages.len());
            for message in messages.drain(..) {
                match message {
                    Message::Record(line) => batch.push(line),
                    Message::End => ends = true,
                }
            }
            if !self.write(&batch) {
                let records = batch.len() + self.lines.len();
                tracing::error!(records, "audit records are lost: they cannot be written, and the server ends");
                return false;
            }
            for line in batch {
                // Whoever waited may have lost patience.
                let _ = line.written.send(());
            }
            if ends {
                return true;
            }
        }
        true
    }

    /// Writes a batch, however often it takes; false if the server ends before it could be.
    fn write(&mut self, batch: &[Line]) -> bool {
        let mut tries = 0;
        loop {
            let gap = self.lost.load(Ordering::Relaxed);
            let missing = if gap > 0 { record::missing(gap) } else { None };
            let lines = missing.iter().map(String::as_str).chain(batch.iter().map(|line| line.text.as_str()));
            let lines: String = lines.collect();
            if lines.is_empty() {
                return true;
            }
            match self.sink.write(lines.as_bytes()) {
                Ok(()) => {
                    self.lost.fetch_sub(gap, Ordering::Relaxed);
                    self.metrics.audit.written(batch.len());
                    return true;
                }
                Err(error) => {
                    self.metrics
                        .audit
                        .failed(&format!("audit records cannot be written, they wait in memory: {error}"));
                }
            }
            if self.ending.load(Ordering::Relaxed) {
                tries += 1;
                if tries == LAST_TRIES {
                    return false;
                }
            }
            std::thread::sleep(PAUSE);
        }
    }
}
