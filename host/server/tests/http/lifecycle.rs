//! Callers that go away, stores that fail, and the drain.

use std::sync::Arc;

use tofu_state_store::memory::Memory;
use tofu_state_store::testing::held::{Call, Held, When};
use tofu_state_store::{Error, Key, Slot};

use crate::support::{Options, PATIENCE, Server, TOKEN, state};

fn post(body: &str) -> String {
    let length = body.len();
    format!("POST /a/b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn what_has_begun_is_finished_without_its_caller_and_recorded() {
    let memory = Arc::new(Memory::new());
    let held = Arc::new(Held::new(Arc::<Memory>::clone(&memory)));
    let faults = held.faults();
    let server = Server::start(Options { store: held, ..Options::default() }).await;
    let hold = faults.hold(Call::put("a/b"), When::Before);
    let mut connection = server.connect().await;
    connection.send(post(&state(1, 0))).await;
    hold.arrived().await;
    drop(connection);
    // The connection's own task ends before the write goes on.
    server.stop.cancel();
    tokio::time::timeout(PATIENCE, server.serving).await.unwrap().unwrap();
    hold.release();
    server.calls.close();
    tokio::time::timeout(PATIENCE, server.calls.wait()).await.unwrap();
    assert!(matches!(memory.get_now(&Key::parse("a/b").unwrap()), Slot::Entry(_)), "the write was made");
    let text = String::from_utf8(server.metrics.encode().unwrap().1).unwrap();
    assert!(text.contains("tofu_state_requests_total{method=\"POST\",status=\"200\"} 1"), "{text}");
    assert!(text.contains("tofu_state_requests_in_flight 0"), "{text}");
    assert_eq!(server.budget.taken(), 0);
}

#[tokio::test]
async fn the_drain_answers_what_is_in_flight_and_accepts_nothing_new() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let server = Server::start(Options { store: held, ..Options::default() }).await;
    let mut idle = server.connect().await;
    idle.send(format!("GET /a/c HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n")).await;
    assert_eq!(idle.answer().await.unwrap().status, 404);
    let hold = faults.hold(Call::put("a/b"), When::Before);
    let mut busy = server.connect().await;
    busy.send(post(&state(1, 0))).await;
    hold.arrived().await;
    server.stop.cancel();
    idle.closed().await;
    let refused = async { while tokio::net::TcpStream::connect(server.address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("new connections are refused");
    assert!(!server.serving.is_finished());
    hold.release();
    assert_eq!(busy.answer().await.unwrap().status, 200);
    tokio::time::timeout(PATIENCE, server.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_off() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let server = Server::start(Options { store: held, ..Options::default() }).await;
    let hold = faults.hold(Call::put("a/b"), When::Before);
    let mut busy = server.connect().await;
    busy.send(post(&state(1, 0))).await;
    hold.arrived().await;
    server.stop.cancel();
    server.abort.cancel();
    tokio::time::timeout(PATIENCE, server.serving).await.unwrap().unwrap();
    busy.closed().await;
    hold.release();
}

#[tokio::test]
async fn a_failing_store_is_an_error_and_never_no_state() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let server = Server::start(Options { store: held, ..Options::default() }).await;
    for (error, status) in [
        (Error::Sealed, 503),
        (Error::Unavailable("electing".to_owned()), 503),
        (Error::Timeout, 503),
        (Error::Denied("no".to_owned()), 502),
        (Error::Corrupt("what".to_owned()), 502),
    ] {
        faults.fail(Call::get("a/b"), error.clone());
        let answer = server.ask("GET", "/a/b", "").await;
        assert_eq!(answer.status, status, "{error:?}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503, "{error:?}");
        faults.clear();
    }
    assert_eq!(server.ask("GET", "/a/b", "").await.status, 404);
}
