//! Request heads that are too large, too slow, ambiguous, or carry what belongs to somebody else.

use std::time::Duration;

use crate::support::{Connection, Options, Server, TOKEN};
use tofu_state_server::listener::Limits;

fn head(more: &str) -> String {
    format!("GET /a/b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n{more}\r\n")
}

async fn answered(connection: &mut Connection, request: &str) -> u16 {
    connection.send(request).await;
    connection.answer().await.unwrap().status
}

#[tokio::test]
async fn a_giant_header_is_431_and_hurts_nobody_else() {
    let server = Server::plain().await;
    let mut other = server.connect().await;
    assert_eq!(answered(&mut other, &head("")).await, 404);
    let mut connection = server.connect().await;
    connection.try_send(head(&format!("x-giant: {}\r\n", "a".repeat(200_000)))).await;
    assert_eq!(connection.answer().await.unwrap().status, 431);
    let mut connection = server.connect().await;
    connection.try_send(head(&"x-many: 1\r\n".repeat(2_000))).await;
    assert_eq!(connection.answer().await.unwrap().status, 431);
    assert_eq!(answered(&mut other, &head("")).await, 404);
}

#[tokio::test]
async fn two_lengths_are_400() {
    let server = Server::plain().await;
    let mut connection = server.connect().await;
    assert_eq!(answered(&mut connection, &head("content-length: 1\r\ncontent-length: 2\r\n")).await, 400);
    for bad in ["-1", "+1", "1,2", "x", "99999999999999999999999"] {
        let mut connection = server.connect().await;
        assert_eq!(answered(&mut connection, &head(&format!("content-length: {bad}\r\n"))).await, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_no_second_request() {
    let server = Server::plain().await;
    let mut connection = server.connect().await;
    let smuggled = "DELETE /a/b HTTP/1.1\r\nhost: x\r\n\r\n";
    let request = head(&format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", 5 + smuggled.len()));
    connection.send(format!("{request}0\r\n\r\n{smuggled}")).await;
    // Either it is refused, or the chunks alone say where the body ends.
    let first = connection.answer().await.unwrap().status;
    assert!([400, 404].contains(&first), "{first}");
    if let Some(second) = connection.answer().await {
        assert!([400, 401].contains(&second.status), "{}", second.status);
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let limits = Limits { head_time: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(Options { limits, ..Options::default() }).await;
    let mut slow: Vec<Connection> = Vec::new();
    for _ in 0..200 {
        let mut connection = server.connect().await;
        connection.send("GET /a/b HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
        slow.push(connection);
    }
    for connection in &mut slow {
        connection.closed().await;
    }
    assert_eq!(server.ask("GET", "/a/b", "").await.status, 404);
}

#[tokio::test]
async fn a_new_connection_must_ask_sooner_than_a_known_one() {
    let limits = Limits { first_head_time: Duration::from_secs(2), ..Limits::default() };
    let server = Server::start(Options { limits, ..Options::default() }).await;
    let mut known = server.connect().await;
    assert_eq!(answered(&mut known, &head("")).await, 404);
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.send("GET /a/b HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    silent.closed().await;
    slow.closed().await;
    assert_eq!(answered(&mut known, &head("")).await, 404);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let limits = Limits { head_time: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(Options { limits, ..Options::default() }).await;
    let mut connection = server.connect().await;
    assert_eq!(answered(&mut connection, &head("")).await, 404);
    connection.closed().await;
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait_for_one() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let server = Server::start(Options { limits, ..Options::default() }).await;
    let (mut one, two) = (server.connect().await, server.connect().await);
    assert_eq!(answered(&mut one, &head("")).await, 404);
    let mut three = server.connect().await;
    three.send(head("")).await;
    drop(two);
    assert_eq!(three.answer().await.unwrap().status, 404);
    assert_eq!(answered(&mut one, &head("")).await, 404);
}
