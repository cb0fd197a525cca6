//! What a component writes to its standard error: a panic's text, mostly.
//!
//! It may hold secrets and states, so it is never logged. Only the place of a panic is taken from it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamResult};

/// A panic's place stands in the last lines.
const KEPT_BYTES: usize = 4096;

/// The longest place that is believed to be one.
const MAX_PLACE_BYTES: usize = 160;

/// The last 4 KiB of the messages of one instance.
#[derive(Clone, Default)]
pub(crate) struct Messages(Arc<Mutex<Vec<u8>>>);

impl Messages {
    /// Where the component panicked: a source file, line and column.
    ///
    /// std writes `thread '…' panicked at FILE:LINE:COLUMN:` and the message on the next line. Only
    /// what has the form of a place is taken, so that no part of a message can pass for one.
    pub(crate) fn panic_place(&self) -> Option<String> {
        let kept = self.kept();
        let text = String::from_utf8_lossy(&kept);
        let line = text.lines().find(|line| line.starts_with("thread '"))?;
        let (_, place) = line.split_once("' ")?;
        let (_, place) = place.split_once("panicked at ")?;
        let place = place.strip_suffix(':')?;
        let mut parts = place.rsplitn(3, ':');
        let (column, row, file) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-');
        let believable = place.len() <= MAX_PLACE_BYTES
            && number(column)
            && number(row)
            && file.ends_with(".rs")
            && file.bytes().all(named);
        believable.then(|| place.to_owned())
    }

    fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl OutputStream for Messages {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut kept = self.kept();
        kept.extend_from_slice(&bytes);
        let excess = kept.len().saturating_sub(KEPT_BYTES);
        kept.drain(..excess);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    /// Always ready: what is too much is forgotten, and a talkative component is no error.
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(KEPT_BYTES)
    }
}

#[async_trait::async_trait]
impl Pollable for Messages {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<String> {
        let mut messages = Messages::default();
        messages.write(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        messages.panic_place()
    }

    #[test]
    fn finds_the_place_and_nothing_of_the_message() {
        let text = "\nthread '<unnamed>' (1) panicked at guest/protocol/src/lock.rs:12:5:\nthe secret";
        assert_eq!(place(text).as_deref(), Some("guest/protocol/src/lock.rs:12:5"));
        assert_eq!(place("thread 'main' panicked at secret:\nx"), None);
        assert_eq!(place("thread 'main' panicked at my secret.rs:1:2:\n"), None);
        assert_eq!(place("thread 'main' panicked at s.rs:1:secret:\n"), None);
        assert_eq!(place("panicked at s.rs:1:1:\n"), None);
        assert_eq!(place("thread"), None);
        assert_eq!(place(""), None);
    }

    #[test]
    fn keeps_the_end_only() {
        let mut messages = Messages::default();
        for _ in 0..100 {
            messages.write(Bytes::from(vec![b'x'; 1000])).unwrap();
        }
        messages.write(Bytes::from_static(b"\nthread 'main' panicked at a.rs:1:2:\n")).unwrap();
        assert_eq!(messages.kept().len(), KEPT_BYTES);
        assert_eq!(messages.panic_place().as_deref(), Some("a.rs:1:2"));
    }
}
