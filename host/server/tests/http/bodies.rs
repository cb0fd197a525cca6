//! Bodies: too large, too slow, too many, cut short. None of them reaches the component half.

use std::sync::Arc;
use std::time::Duration;

use tofu_state_server::listener::Limits;
use tofu_state_store::memory::Memory;
use tofu_state_store::testing::held::{Call, Held, When};

use tofu_state_testing::process::eventually;

use crate::support::{Options, PATIENCE, Server, TOKEN, state};

const STATE_LIMIT: usize = 1 << 20;

fn post(more: &str) -> String {
    format!("POST /a/b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n{more}\r\n")
}

/// A caller may have the whole answer before the server has let go of it.
async fn all_given_back(server: &Server) {
    eventually("the memory for bodies", PATIENCE, async || (server.budget.taken() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_state_up_to_the_limit_comes_back_as_it_was() {
    let server = Server::plain().await;
    let whole = state(1, STATE_LIMIT - state(1, 0).len());
    assert_eq!(whole.len(), STATE_LIMIT);
    assert_eq!(server.ask("POST", "/a/b", &whole).await.status, 200);
    assert_eq!(server.ask("GET", "/a/b", "").await.body, whole.as_bytes());
    all_given_back(&server).await;
    assert_eq!(server.ask("POST", "/a/b", &state(2, STATE_LIMIT)).await.status, 413);
    assert_eq!(server.ask("GET", "/a/b", "").await.body, whole.as_bytes());
}

#[tokio::test]
async fn over_the_limit_is_413_announced_or_not() {
    let server = Server::plain().await;
    let mut connection = server.connect().await;
    connection.send(post(&format!("expect: 100-continue\r\ncontent-length: {}\r\n", STATE_LIMIT + 1))).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (413, "body-too-large"), "before any of it was sent");

    let mut connection = server.connect().await;
    connection.send(post("transfer-encoding: chunked\r\n")).await;
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..=STATE_LIMIT / piece.len() {
        connection.try_send(format!("{:x}\r\n", piece.len())).await;
        connection.try_send(&piece).await;
        connection.try_send("\r\n").await;
    }
    connection.try_send("0\r\n\r\n").await;
    assert_eq!(connection.answer().await.unwrap().status, 413);
    assert_eq!(server.budget.taken(), 0);
    assert_eq!(server.ask("GET", "/a/b", "").await.status, 404);
}

#[tokio::test]
async fn a_lock_has_a_small_body() {
    let server = Server::plain().await;
    let lock = |filling: usize| format!("{{\"ID\":\"one\",\"Info\":\"{}\"}}", "x".repeat(filling));
    assert_eq!(server.ask("LOCK", "/a/b", &lock(64 * 1024)).await.status, 413);
    assert_eq!(server.ask("LOCK", "/a/b", &lock(60 * 1024)).await.status, 200);
}

#[tokio::test]
async fn chunks_are_a_body_like_any_other() {
    let server = Server::plain().await;
    let whole = state(1, 100);
    let (one, two) = whole.split_at(17);
    let mut connection = server.connect().await;
    let chunks = format!("{:x}\r\n{one}\r\n{:x};extension=1\r\n{two}\r\n0\r\ntrailer: x\r\n\r\n", one.len(), two.len());
    connection.send(post("transfer-encoding: chunked\r\n") + &chunks).await;
    assert_eq!(connection.answer().await.unwrap().status, 200);
    assert_eq!(server.ask("GET", "/a/b", "").await.body, whole.as_bytes());
}

#[tokio::test]
async fn a_body_cut_short_is_given_to_nobody() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let server = Server::start(Options { store: held, ..Options::default() }).await;
    let whole = state(1, 0);
    for head in [
        post(&format!("content-length: {}\r\n", whole.len() + 1)),
        post("transfer-encoding: chunked\r\n") + &format!("{:x}\r\n", whole.len() + 1),
    ] {
        let mut connection = server.connect().await;
        connection.send(head + &whole).await;
        connection.finish_sending().await;
        if let Some(answer) = connection.answer().await {
            assert_eq!(answer.status, 400);
        }
    }
    let mut connection = server.connect().await;
    connection.send(post("transfer-encoding: chunked\r\n") + "nonsense\r\n").await;
    assert_eq!(connection.answer().await.unwrap().status, 400);
    assert_eq!(server.budget.taken(), 0);
    assert_eq!(faults.calls().total(), 0, "the store was asked");
}

#[tokio::test]
async fn hundreds_of_slow_senders_exhaust_nothing() {
    let limits = Limits { body_span: Duration::from_secs(1), body_progress: 64, ..Limits::default() };
    let options = Options { limits, max_state_bytes: STATE_LIMIT, max_body_memory: STATE_LIMIT, ..Options::default() };
    let server = Server::start(options).await;
    let mut slow = Vec::new();
    for number in 0..300 {
        let mut connection = server.connect().await;
        let head = post(&format!("content-length: {STATE_LIMIT}\r\n")).replace("/a/b", &format!("/slow/n{number}"));
        connection.send(head + "{").await;
        slow.push(connection);
    }
    // Announced is 300 times what there is; taken is what came.
    let whole = state(1, 100_000);
    assert_eq!(server.ask("POST", "/a/b", &whole).await.status, 200);
    for connection in &mut slow {
        let answer = connection.answer().await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (408, "body-too-slow"));
        connection.closed().await;
    }
    assert_eq!(server.budget.taken(), 0);
    assert_eq!(server.ask("GET", "/a/b", "").await.body, whole.as_bytes());
}

#[tokio::test]
async fn more_bodies_than_memory_are_503_until_some_have_gone() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let options = Options { max_state_bytes: 1000, max_body_memory: 1500, store: held, ..Options::default() };
    let server = Server::start(options).await;
    let hold = faults.hold(Call::put("a/b"), When::Before);
    let first = tokio::spawn({
        let address = server.address;
        async move {
            let authorization = format!("Bearer {TOKEN}");
            let headers = [("authorization", &*authorization)];
            crate::support::ask(address, "POST", "/a/b", &headers, state(1, 800).as_bytes()).await
        }
    });
    hold.arrived().await;
    assert!(server.budget.taken() >= 800, "a body counts until its request has ended");
    let second = server.ask("POST", "/a/c", &state(1, 800)).await;
    assert_eq!((second.status, second.code().as_str()), (503, "overloaded"));
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(server.ask("GET", "/a/c", "").await.status, 404, "what has no body is served");
    hold.release();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(server.ask("POST", "/a/c", &state(1, 800)).await.status, 200);
}

#[tokio::test]
async fn an_answer_with_a_state_takes_memory_too() {
    let server = Server::plain().await;
    let whole = state(1, 100_000);
    assert_eq!(server.ask("POST", "/a/b", &whole).await.status, 200);
    all_given_back(&server).await;
    let mut others = server.budget.share();
    others.grow((8 << 20) - whole.len() + 1).unwrap();
    let refused = server.ask("GET", "/a/b", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(server.ask("GET", "/a/c", "").await.status, 404, "what has no state is served");
    drop(others);
    assert_eq!(server.ask("GET", "/a/b", "").await.body, whole.as_bytes());
    all_given_back(&server).await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_keeps_its_memory() {
    // More than a socket's buffers hold.
    const LARGE: usize = 48 << 20;
    let options = Options { max_state_bytes: LARGE, max_body_memory: 2 * LARGE, ..Options::default() };
    let server = Server::start(options).await;
    let whole = state(1, LARGE - state(1, 0).len());
    assert_eq!(server.ask("POST", "/a/b", &whole).await.status, 200);
    all_given_back(&server).await;
    let mut connection = server.connect().await;
    connection.send(format!("GET /a/b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n")).await;
    eventually("the answer's share", PATIENCE, async || (server.budget.taken() == LARGE).then_some(())).await;
    drop(connection);
    all_given_back(&server).await;
}
