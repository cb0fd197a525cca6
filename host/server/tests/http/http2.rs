//! HTTP/2: the same answers as over HTTP/1.1, and the same bounds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tofu_state_server::listener::Limits;
use tofu_state_server::tls::{Files, Pair, Tls};
use tofu_state_store::memory::Memory;
use tofu_state_store::testing::held::{Call, Held, When};
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::process::eventually;
use tokio::task::JoinHandle;

use crate::support::{Options, PATIENCE, Server, TOKEN, state};

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// A server over TLS, and the authority of its certificate.
pub(crate) async fn over_tls(options: Options) -> (Server, Authority) {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue().write(folder.path());
    let tls = Tls::new(Pair::read(&Files { certificate, key }).unwrap()).unwrap();
    (Server::start(Options { tls: Some(tls), ..options }).await, authority)
}

/// An HTTP/2 connection.
struct Http2 {
    sender: http2::SendRequest<Body>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    async fn connect(server: &Server, authority: &Authority) -> Self {
        Self::with_window(server, authority, 1 << 20).await
    }

    /// One that takes no more than `window` bytes of an answer that nobody reads.
    async fn with_window(server: &Server, authority: &Authority, window: u32) -> Self {
        let stream = authority.connect(&server.address.to_string(), &[b"h2"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .initial_connection_window_size(window)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        Self { sender, connection: tokio::spawn(connection) }
    }

    async fn send(&self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let mut sender = self.sender.clone();
        sender.ready().await?;
        sender.send_request(request).await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (StatusCode, Bytes) {
        let response = self.send(request(method, path, whole(body))).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, body.collect().await.unwrap().to_bytes())
    }

    /// Waits until the server has closed the connection.
    async fn closed(self) {
        drop(self.sender);
        let _ = tokio::time::timeout(PATIENCE, self.connection).await.expect("an end in time").unwrap();
    }
}

fn whole(body: &str) -> Body {
    Full::new(Bytes::from(body.to_owned())).boxed_unsync()
}

/// A body that begins and does not end.
fn endless() -> Body {
    let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from_static(b"{"))) });
    BodyExt::boxed_unsync(StreamBody::new(futures_util::StreamExt::chain(first, futures_util::stream::pending())))
}

fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("https://127.0.0.1{path}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn answers_are_those_of_http_1() {
    let (server, authority) = over_tls(Options::default()).await;
    let client = Http2::connect(&server, &authority).await;
    assert_eq!(client.ask("GET", "/a/b", "").await.0, 404);
    let written = state(1, 300_000);
    assert_eq!(client.ask("POST", "/a/b", &written).await.0, 200);
    let (status, read) = client.ask("GET", "/a/b", "").await;
    assert_eq!((status, &read[..]), (StatusCode::OK, written.as_bytes()));
    let head = client.send(request("HEAD", "/a/b", whole(""))).await.unwrap();
    assert_eq!(head.status(), 405, "as over HTTP/1.1");
    assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());

    let nobody = Request::get("https://127.0.0.1/a/b").body(whole("")).unwrap();
    let refused = client.send(nobody).await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));
    let giant = request("POST", "/a/b", whole(&state(2, 2 << 20)));
    assert_eq!(client.send(giant).await.unwrap().status(), 413);
    let mut headers = request("GET", "/a/b", whole(""));
    headers.headers_mut().insert("x-giant", "a".repeat(60_000).parse().unwrap());
    assert_eq!(client.send(headers).await.unwrap().status(), 431);
    // None of it has hurt the connection.
    assert_eq!(client.ask("GET", "/a/b", "").await.0, 200);
    assert!(server.metrics_text().contains("tofu_state_requests_in_flight 0"));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits { head_time: Duration::from_millis(50), ..Limits::default() };
    let (server, authority) = over_tls(Options { limits, ..Options::default() }).await;
    let client = Http2::connect(&server, &authority).await;
    assert_eq!(client.ask("GET", "/a/b", "").await.0, 404);
    let keeps_its_half = client.sender.clone();
    client.closed().await;
    assert!(keeps_its_half.is_closed());
}

#[tokio::test]
async fn an_answer_that_nobody_takes_gives_its_memory_back() {
    let limits = Limits { write_time: Duration::from_millis(50), ..Limits::default() };
    let (server, authority) = over_tls(Options { limits, ..Options::default() }).await;
    let written = state(1, 900_000);
    assert_eq!(Http2::connect(&server, &authority).await.ask("POST", "/a/b", &written).await.0, 200);
    let client = Http2::with_window(&server, &authority, 65_535).await;
    let answer = client.send(request("GET", "/a/b", whole(""))).await.unwrap();
    assert_eq!(answer.status(), 200);
    eventually("the answer's memory", PATIENCE, async || (server.budget.taken() == 0).then_some(())).await;
    assert!(answer.into_body().collect().await.is_err(), "it was cut");
    client.closed().await;
}

#[tokio::test]
async fn slow_bodies_are_408_and_take_no_more_memory_than_there_is() {
    let limits = Limits { body_span: Duration::from_millis(50), ..Limits::default() };
    let (server, authority) = over_tls(Options { limits, ..Options::default() }).await;
    let client = Http2::connect(&server, &authority).await;
    let slow = (0..20).map(|number| client.send(request("POST", &format!("/a/n{number}"), endless())));
    for answer in join_all(slow).await {
        assert_eq!(answer.unwrap().status(), 408);
    }
    assert_eq!(client.ask("GET", "/a/b", "").await.0, 404);
    assert_eq!(server.budget.taken(), 0);
}

#[tokio::test]
async fn bodies_of_one_connection_share_the_memory_of_all() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let options = Options { store: held, max_body_memory: 1_000_000, ..Options::default() };
    let (server, authority) = over_tls(options).await;
    let client = Http2::connect(&server, &authority).await;
    let hold = faults.hold(Call::put("a/one"), When::Before);
    let (sender, large) = (client.sender.clone(), state(1, 600_000));
    let first = tokio::spawn(async move {
        let mut sender = sender;
        sender.ready().await.unwrap();
        sender.send_request(request("POST", "/a/one", whole(&large))).await.unwrap().status()
    });
    hold.arrived().await;
    assert_eq!(client.ask("POST", "/a/two", &state(1, 600_000)).await.0, 503);
    hold.release();
    assert_eq!(first.await.unwrap(), 200);
    eventually("the memory", PATIENCE, async || (server.budget.taken() == 0).then_some(())).await;
    assert_eq!(client.ask("POST", "/a/two", &state(1, 600_000)).await.0, 200);
}

#[tokio::test]
async fn no_more_requests_at_once_than_there_are_places() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let limits = Limits { connections: 2, ..Limits::default() };
    let (server, authority) = over_tls(Options { store: held, limits, ..Options::default() }).await;
    let client = Http2::connect(&server, &authority).await;
    let holds: Vec<_> = (0..2).map(|number| faults.hold(Call::get(&format!("a/n{number}")), When::Before)).collect();
    let sender = client.sender.clone();
    let all = tokio::spawn(async move {
        join_all((0..10).map(async |number| {
            let mut sender = sender.clone();
            sender.ready().await.unwrap();
            let request = request("GET", &format!("/a/n{number}"), whole(""));
            sender.send_request(request).await.unwrap().status()
        }))
        .await
    });
    for hold in &holds {
        hold.arrived().await;
    }
    assert!(server.metrics_text().contains("tofu_state_requests_in_flight 2\n"), "{}", server.metrics_text());
    holds.into_iter().for_each(|hold| hold.release());
    assert_eq!(all.await.unwrap(), [StatusCode::NOT_FOUND; 10]);
}

#[tokio::test]
async fn the_drain_answers_what_is_in_flight() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let (server, authority) = over_tls(Options { store: held, ..Options::default() }).await;
    let idle = Http2::connect(&server, &authority).await;
    assert_eq!(idle.ask("GET", "/a/c", "").await.0, 404);
    let busy = Http2::connect(&server, &authority).await;
    let hold = faults.hold(Call::put("a/b"), When::Before);
    let sending = tokio::spawn(async move { busy.ask("POST", "/a/b", &state(1, 0)).await.0 });
    hold.arrived().await;
    server.stop.cancel();
    idle.closed().await;
    let refused = async { while tokio::net::TcpStream::connect(server.address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("new connections are refused");
    assert!(!server.serving.is_finished());
    hold.release();
    assert_eq!(sending.await.unwrap(), 200);
    tokio::time::timeout(PATIENCE, server.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_off() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let (server, authority) = over_tls(Options { store: held, ..Options::default() }).await;
    let busy = Http2::connect(&server, &authority).await;
    let hold = faults.hold(Call::put("a/b"), When::Before);
    let sender = busy.sender.clone();
    let sending = tokio::spawn(async move {
        let mut sender = sender;
        sender.ready().await.unwrap();
        sender.send_request(request("POST", "/a/b", whole(&state(1, 0)))).await.map(|answer| answer.status())
    });
    hold.arrived().await;
    server.stop.cancel();
    server.abort.cancel();
    tokio::time::timeout(PATIENCE, server.serving).await.unwrap().unwrap();
    assert!(sending.await.unwrap().is_err());
    hold.release();
}
