//! What can be asked over `ADMIN_SOCKET`: HTTP with JSON. Whoever can connect to it may do all of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::socket::Socket;
use crate::generations::control::Control;

/// How the server and its generations are.
pub const STATUS: &str = "/v1/status";
/// Reads the files again.
pub const RELOAD: &str = "/v1/reload";
/// Returns to the generation before.
pub const ROLL_BACK: &str = "/v1/roll-back";

/// Connections at once. Few ask, and they must not use up the open files.
const CONNECTIONS: usize = 16;

/// How long a connection may take until a whole request head.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long to wait after the operating system refused a connection.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// A body of any kind, also one that is made while it is sent.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What it takes to do as one is told.
pub struct Commands {
    /// The generations.
    pub generations: Control,
}

/// Serves connections until `stop`; what is being answered then is cut off.
pub async fn serve(socket: Socket, commands: Arc<Commands>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let next = async { (Arc::clone(&places).acquire_owned().await, socket.listener().accept().await) };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection on ADMIN_SOCKET could not be accepted");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
                continue;
            }
        };
        let commands = Arc::clone(&commands);
        let service = service_fn(move |request| {
            let commands = Arc::clone(&commands);
            async move { Ok::<_, Infallible>(commands.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .serve_connection(TokioIo::new(stream), service);
        let stop = stop.clone();
        connections.spawn(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection on ADMIN_SOCKET ended early");
                    }
                }
                () = stop.cancelled() => {}
            }
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}

impl Commands {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        match (request.uri().path(), request.method()) {
            (STATUS, &Method::GET) => json_response(StatusCode::OK, &self.status()),
            (RELOAD, &Method::POST) => match self.generations.reload().await {
                Ok(outcome) => json_response(StatusCode::OK, &json!(outcome)),
                Err(what) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &what),
            },
            (ROLL_BACK, &Method::POST) => match self.generations.roll_back() {
                Ok(generation) => json_response(StatusCode::OK, &json!({"generation": generation})),
                Err(nothing) => refusal(StatusCode::CONFLICT, &nothing.to_string()),
            },
            (STATUS, _) => not_allowed("GET"),
            (RELOAD | ROLL_BACK, _) => not_allowed("POST"),
            _ => refusal(StatusCode::NOT_FOUND, &format!("there are {STATUS}, {RELOAD} and {ROLL_BACK}")),
        }
    }

    fn status(&self) -> Value {
        json!({"version": env!("CARGO_PKG_VERSION"), "generations": self.generations.listing()})
    }
}

fn not_allowed(method: &'static str) -> Response<Body> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {method}"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    response
}

fn refusal(status: StatusCode, what: &str) -> Response<Body> {
    json_response(status, &json!({"error": what}))
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let whole = Full::new(Bytes::from(format!("{body}\n")));
    let mut response = Response::new(whole.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
