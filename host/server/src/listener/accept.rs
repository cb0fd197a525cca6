//! Accepts connections, and lets them end when the server stops.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Limits;
use super::connection::Connection;
use super::outgoing::Outgoing;
use super::places::Places;
use crate::config::Bind;
use crate::tls::Tls;

/// How long to wait after the operating system refused a connection: most likely all file descriptors
/// are in use, and trying again at once would only burn time.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// Something that answers requests.
pub trait Answer: Send + Sync + 'static {
    /// Answers one request.
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Response<Outgoing>> + Send;
}

/// Opens a listening socket. For all addresses that is one socket for IPv6 and IPv4 where the machine
/// has IPv6, else one for IPv4.
///
/// # Errors
/// A sentence that names the setting and the address.
pub async fn bind(address: &Bind, setting: &str) -> Result<TcpListener, String> {
    let bound = match &address.host {
        Some(host) => TcpListener::bind((host.as_str(), address.port)).await,
        None => match TcpListener::bind(("::", address.port)).await {
            Ok(listener) => Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            Err(_) => TcpListener::bind(("0.0.0.0", address.port)).await,
        },
    };
    bound.map_err(|error| format!("cannot listen on {setting} {address}: {error}"))
}

/// Serves connections until `stop`, over TLS if there is any, then lets the requests in flight end. What is
/// still open when `abort` comes is cut off.
pub async fn serve<A: Answer>(
    listener: TcpListener,
    tls: Option<Tls>,
    answer: Arc<A>,
    limits: Limits,
    stop: CancellationToken,
    abort: CancellationToken,
) {
    let mut places = Places::new(limits.connections);
    let multiplexed = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    loop {
        if places.ran_out() {
            let connections = limits.connections;
            tracing::warn!(connections, "all places for connections are taken: new connections wait for one");
        }
        let next = async { (places.take().await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(AFTER_ACCEPT_ERROR) => continue,
                }
            }
        };
        let begun = CancellationToken::new();
        let connection = Connection {
            answer: Arc::clone(&answer),
            peer,
            limits,
            begun: begun.clone(),
            stop: stop.clone(),
            multiplexed: Arc::clone(&multiplexed),
            tasks: connections.clone(),
        };
        let (tls, abort) = (tls.clone(), abort.clone());
        connections.spawn(async move {
            tokio::select! {
                ended = connection.serve(stream, tls.as_ref()) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                () = never_begun(&begun, limits) => tracing::debug!("a connection was closed: it asked nothing"),
                () = abort.cancelled() => {}
            }
            drop(place);
        });
    }
    // The socket is closed first: a balancer sees at once that nobody listens here any more.
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Ends once the time for a first request head is over; never if there was one.
async fn never_begun(begun: &CancellationToken, limits: Limits) {
    if tokio::time::timeout(limits.first_head_time, begun.cancelled()).await.is_ok() {
        std::future::pending().await
    }
}
