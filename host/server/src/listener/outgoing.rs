//! Answers' bodies: whole in memory, as states are, or read from a file while they are sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// The body of an answer.
pub enum Outgoing {
    /// In memory.
    Whole(Full<Bytes>),
    /// A part of a file.
    Part(Part),
}

/// So many bytes of a file, from where it stands.
pub struct Part {
    file: File,
    /// Bytes that were not given away yet.
    left: u64,
    /// Those of them that were read already. Each read waits for another thread, so none is smaller than it need be.
    ahead: Bytes,
}

impl Part {
    /// `length` bytes from where `file` stands.
    #[must_use]
    pub fn new(file: File, length: u64) -> Self {
        Self { file, left: length, ahead: Bytes::new() }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece, of at most `most` bytes.
    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>, most: usize) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.ahead.is_empty() {
            match ready!(self.poll_read(context)) {
                Ok(bytes) if bytes.is_empty() => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                Ok(bytes) => self.ahead = bytes,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let piece = self.ahead.split_to(self.ahead.len().min(most));
        self.left = self.left.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(Ok(piece)))
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut bytes = BytesMut::zeroed(usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE));
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer))?;
        let length = buffer.filled().len();
        bytes.truncate(length);
        Poll::Ready(Ok(bytes.freeze()))
    }
}

impl From<Full<Bytes>> for Outgoing {
    fn from(whole: Full<Bytes>) -> Self {
        Self::Whole(whole)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Self::Part(part) => part.poll_piece(context, PIECE).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Part(part) => part.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Part(part) => SizeHint::with_exact(part.left),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use super::*;

    /// A part of a file, in pieces.
    async fn pieces(content: &[u8], length: u64, most: usize) -> io::Result<Vec<Bytes>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(content)?;
        let (mut part, mut pieces) = (Part::new(File::open(file.path()).await?, length), Vec::new());
        while let Some(piece) = poll_fn(|context| part.poll_piece(context, most)).await {
            pieces.push(piece?);
            let given: usize = pieces.iter().map(Bytes::len).sum();
            assert_eq!(part.left(), length - given as u64);
        }
        Ok(pieces)
    }

    #[tokio::test]
    async fn pieces_are_as_small_as_was_asked_and_make_the_part() {
        let content: Vec<u8> = (0..3 * PIECE + 5).map(|at| (at % 251) as u8).collect();
        for (length, most) in
            [(content.len(), 1_000), (content.len(), PIECE), (2 * PIECE, PIECE / 4), (7, PIECE), (0, 1)]
        {
            let pieces = pieces(&content, length as u64, most).await.unwrap();
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= most));
            assert_eq!(pieces.concat(), content[..length], "{length} in pieces of {most}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error() {
        let error = pieces(b"short", 6, 100).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
