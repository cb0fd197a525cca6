//! HTTP/2: requests that share a connection. HTTP/1.1's bounds hold for them too: how long a connection may
//! lie idle, how long an answer may wait to be taken, how many requests there are at once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::accept::Answer;
use super::connection::Connection;
use super::outgoing::{Outgoing, Part};
use crate::telemetry::record::Peer;

/// How many requests a connection may have at once.
const STREAMS: u32 = 32;

/// How many bytes of bodies that nobody has read yet a connection may have sent.
const WINDOW: u32 = 256 * 1024;

/// How much of an answer is given away at once; that much must be taken within `Limits::write_time`.
const PIECE: usize = 16 * 1024;

/// How long a client may take to hear that the connection ends, once it has its answers.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves a connection to its end.
pub(super) async fn serve<A: Answer>(
    connection: Connection<A>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Connection { answer, peer, limits, begun, stop, multiplexed, tasks } = connection;
    let activity = Activity::new();
    let streams = activity.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        begun.cancel();
        request.extensions_mut().insert(Peer(peer));
        let is_head = request.method() == Method::HEAD;
        // From its head on, so that one which waits for a permit is not taken for none.
        let open = streams.open();
        let (answer, multiplexed) = (Arc::clone(&answer), Arc::clone(&multiplexed));
        async move {
            let _permit = multiplexed.acquire().await;
            let response = answer.answer(request).await;
            Ok::<_, Infallible>(in_pieces(response, is_head, open).await)
        }
    });
    let serving = http2::Builder::new(Tasks(tasks))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    tokio::select! {
        ended = serving.as_mut() => return Ok(ended?),
        () = stop.cancelled() => {}
        () = activity.over(limits.head_time, limits.write_time) => {}
    }
    // No new requests from here on; a client that has heard so closes the connection.
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        ended = serving => Ok(ended?),
        () = activity.over(GOODBYE, limits.write_time) => {
            tracing::debug!("an HTTP/2 connection was cut off: an answer was not taken, or the end not heard");
            Ok(())
        }
    }
}

/// Runs a connection's tasks where they are waited for.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// What goes on in a connection. Clones share it.
#[derive(Clone)]
struct Activity(Arc<Mutex<Streams>>);

struct Streams {
    /// The requests that are open, and since when each answer waits to be taken; none: it is being made.
    open: BTreeMap<u64, Option<Instant>>,
    next: u64,
    /// Since when none is open.
    idle: Instant,
}

impl Activity {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Streams { open: BTreeMap::new(), next: 0, idle: Instant::now() })))
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Open {
        let mut streams = self.streams();
        let number = streams.next;
        streams.next = number.wrapping_add(1);
        streams.open.insert(number, None);
        Open { activity: self.clone(), number }
    }

    /// Ends once the connection has been idle for longer than `idle`, or an answer has not been taken for longer
    /// than `wait`, both from now on at the earliest. A request that is being answered has bounds of its own.
    async fn over(&self, idle: Duration, wait: Duration) {
        let begun = Instant::now();
        loop {
            let deadline = {
                let streams = self.streams();
                let waits = streams.open.values().flatten().min().map(|&since| since.max(begun) + wait);
                if streams.open.is_empty() { Some(streams.idle.max(begun) + idle) } else { waits }
            };
            let now = Instant::now();
            // What begins while this sleeps is over no sooner than after that.
            let next = now + idle.min(wait);
            match deadline {
                Some(deadline) if deadline <= now => return,
                Some(deadline) => tokio::time::sleep_until(deadline.min(next)).await,
                None => tokio::time::sleep_until(next).await,
            }
        }
    }
}

/// A request that is open until this is dropped.
struct Open {
    activity: Activity,
    number: u64,
}

impl Open {
    /// The answer waits to be taken from now on.
    fn waits(&self) {
        if let Some(since) = self.activity.streams().open.get_mut(&self.number) {
            *since = Some(Instant::now());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut streams = self.activity.streams();
        streams.open.remove(&self.number);
        streams.idle = Instant::now();
    }
}

/// An answer given away piece by piece, so that it shows whether it is taken.
async fn in_pieces(response: Response<Outgoing>, is_head: bool, open: Open) -> Response<Pieces> {
    let (mut parts, body) = response.into_parts();
    let mut rest = match body {
        // It lies in memory: nothing is waited for, and nothing copied.
        Outgoing::Whole(whole) => {
            Rest::Bytes(whole.collect().await.map(|collected| collected.to_bytes()).unwrap_or_default())
        }
        Outgoing::Part(part) => Rest::File(part),
    };
    if is_head {
        // For HTTP/1.1 hyper does this itself.
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(rest.len()));
        rest = Rest::Bytes(Bytes::new());
    }
    open.waits();
    Response::from_parts(parts, Pieces { rest, open })
}

/// What is still to be given away.
enum Rest {
    Bytes(Bytes),
    File(Part),
}

impl Rest {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File(part) => part.left(),
        }
    }
}

struct Pieces {
    rest: Rest,
    open: Open,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.rest.len() == 0 {
            return Poll::Ready(None);
        }
        self.open.waits();
        match &mut self.rest {
            Rest::Bytes(bytes) => {
                let piece = bytes.len().min(PIECE);
                Poll::Ready(Some(Ok(Frame::data(bytes.split_to(piece)))))
            }
            Rest::File(part) => part.poll_piece(context, PIECE).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len())
    }
}
