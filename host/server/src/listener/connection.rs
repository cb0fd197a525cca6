//! One connection: the TLS handshake if there is one, HTTP/1.1 or HTTP/2 as it says, and a good end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::Answer;
use super::{Limits, http2};
use crate::telemetry::record::Peer;
use crate::tls::{HTTP2, Tls};

/// The first byte of every TLS handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// What somebody is told who speaks HTTP where TLS is spoken.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 48\r\n\
                           connection: close\r\n\r\nThis address speaks TLS: begin it with https://\n";

/// What it takes to serve a connection.
pub(super) struct Connection<A> {
    pub(super) answer: Arc<A>,
    /// Who is on the other side.
    pub(super) peer: SocketAddr,
    pub(super) limits: Limits,
    /// Cancelled at the first request.
    pub(super) begun: CancellationToken,
    /// No requests are taken any more once this is cancelled; those in flight are finished.
    pub(super) stop: CancellationToken,
    /// Permits for requests that share their connection with others.
    pub(super) multiplexed: Arc<Semaphore>,
    /// Where its own tasks run.
    pub(super) tasks: TaskTracker,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl<A: Answer> Connection<A> {
    /// Serves it to its end.
    pub(super) async fn serve(self, stream: TcpStream, tls: Option<&Tls>) -> Result<(), Failure> {
        // Answers are written whole; waiting for more to send would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let Some(tls) = tls else {
            let stream = self.timed(stream);
            return self.http1(stream).await;
        };
        if speaks_otherwise(&stream).await? {
            let mut stream = self.timed(stream);
            stream.write_all(SPEAK_TLS).await?;
            return Ok(stream.shutdown().await?);
        }
        let stream = tls.acceptor().accept(self.timed(stream)).await.inspect_err(tell_failed_handshake)?;
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
            http2::serve(self, stream).await
        } else {
            self.http1(stream).await
        }
    }

    /// A stream whose writes may not wait for ever.
    fn timed(&self, stream: TcpStream) -> Pin<Box<TimeoutStream<TcpStream>>> {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write_time));
        Box::pin(stream)
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<(), Failure> {
        let Self { answer, peer, limits, begun, stop, .. } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            begun.cancel();
            request.extensions_mut().insert(Peer(peer));
            let answer = Arc::clone(&answer);
            async move { Ok::<_, Infallible>(answer.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time)
            .max_header_size(limits.head_bytes)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = stop.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    }
}

/// Whether the first byte is not that of a handshake: most likely somebody wrote `http://`.
async fn speaks_otherwise(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let seen = stream.peek(&mut first).await?;
    Ok(seen == 1 && first != [HANDSHAKE])
}

/// Probes that only connect are nobody's business; a client that does not trust the certificate is.
fn tell_failed_handshake(error: &io::Error) {
    match error.kind() {
        io::ErrorKind::InvalidData => tracing::info!(%error, "a TLS handshake failed"),
        _ => tracing::debug!(%error, "a TLS handshake was not finished"),
    }
}
