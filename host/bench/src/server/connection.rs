//! One HTTP connection that its client keeps, with bodies that are sent without being joined.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A body in pieces, sent one after the other with the length of all.
#[derive(Clone, Default)]
pub(super) struct Pieces(VecDeque<Bytes>);

impl Pieces {
    /// These pieces, in this order.
    pub(super) fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self(pieces.into_iter().collect())
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    frames: Vec<Bytes>,
}

impl Answer {
    /// Whether the body is exactly these pieces, one after the other.
    pub(super) fn is(&self, pieces: &[Bytes]) -> bool {
        let mut found = self.frames.iter().map(AsRef::<[u8]>::as_ref).filter(|frame| !frame.is_empty());
        let mut wanted = pieces.iter().map(AsRef::<[u8]>::as_ref).filter(|piece| !piece.is_empty());
        let (mut left, mut right): (&[u8], &[u8]) = (&[], &[]);
        loop {
            if left.is_empty() {
                left = found.next().unwrap_or_default();
            }
            if right.is_empty() {
                right = wanted.next().unwrap_or_default();
            }
            let common = left.len().min(right.len());
            if common == 0 {
                return left.is_empty() && right.is_empty();
            }
            let ((same, left_rest), (as_this, right_rest)) = (left.split_at(common), right.split_at(common));
            if same != as_this {
                return false;
            }
            (left, right) = (left_rest, right_rest);
        }
    }

    /// The body in one piece.
    pub(super) fn body(&self) -> Bytes {
        match self.frames.as_slice() {
            [one] => one.clone(),
            many => Bytes::from(many.concat()),
        }
    }

    /// The body's beginning, for an error's text.
    pub(super) fn excerpt(&self) -> String {
        let body = self.body();
        String::from_utf8_lossy(body.get(..200.min(body.len())).unwrap_or_default()).into_owned()
    }
}

/// A connection to one address, opened again when the other side has closed it.
pub(super) struct Connection {
    address: SocketAddr,
    headers: HeaderMap,
    sender: Option<http1::SendRequest<Pieces>>,
}

impl Connection {
    /// A connection that sends `credentials` with each request. It is opened by the first.
    pub(super) fn new(address: SocketAddr, credentials: (header::HeaderName, &str)) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(&address.to_string())?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(credentials.0, HeaderValue::from_str(credentials.1)?);
        Ok(Self { address, headers, sender: None })
    }

    /// One request and its whole answer.
    pub(super) async fn ask(&mut self, method: &str, target: &str, body: Pieces) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(target).body(body)?;
        request.headers_mut().clone_from(&self.headers);
        let answered = self.exchange(request).await;
        if answered.is_err() {
            self.sender = None;
        }
        answered
    }

    async fn exchange(&mut self, request: Request<Pieces>) -> anyhow::Result<Answer> {
        let response = self.sender().await?.send_request(request).await?;
        let (parts, mut body) = response.into_parts();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.extend(frame?.into_data());
        }
        Ok(Answer { status: parts.status, frames })
    }

    async fn sender(&mut self) -> anyhow::Result<&mut http1::SendRequest<Pieces>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // Ends with the sender, or when the other side closes.
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut().context("no connection")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_compared_across_pieces() {
        let bytes = |parts: &[&'static str]| parts.iter().map(|part| Bytes::from_static(part.as_bytes())).collect();
        let answer = |parts| Answer { status: StatusCode::OK, frames: bytes(parts) };
        let wanted: Vec<Bytes> = bytes(&["ab", "", "cde"]);
        assert!(answer(&["abcde"]).is(&wanted));
        assert!(answer(&["a", "", "bcd", "e"]).is(&wanted));
        for wrong in [&["abcd"] as &[_], &["abcdef"], &["abXde"], &[], &["ab"]] {
            assert!(!answer(wrong).is(&wanted), "{wrong:?}");
        }
        assert!(answer(&[]).is(&[]));
    }
}
