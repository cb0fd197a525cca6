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
    left: u64,
}

impl Part {
    /// `length` bytes from where `file` stands.
    #[must_use]
    pub fn new(file: File, length: u64) -> Self {
        Self { file, left: length }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece, of at most `most` bytes.
    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>, most: usize) -> Poll<Option<io::Result<Bytes>>> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        if want == 0 {
            return Poll::Ready(None);
        }
        let mut bytes = BytesMut::zeroed(want);
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer));
        let length = buffer.filled().len();
        Poll::Ready(Some(match read {
            Ok(()) if length == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(()) => {
                bytes.truncate(length);
                self.left = self.left.saturating_sub(length as u64);
                Ok(bytes.freeze())
            }
            Err(error) => Err(error),
        }))
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
