//! Paths and methods that name no state: each has its status, none reaches the store, and none stops the server.

use std::sync::Arc;

use tofu_state_store::memory::Memory;
use tofu_state_store::testing::held::Held;

use crate::support::{Options, Server, TOKEN, state};

#[tokio::test]
async fn bad_paths_are_400_and_reach_no_store() {
    let held = Arc::new(Held::new(Arc::new(Memory::new())));
    let faults = held.faults();
    let server = Server::start(Options { store: held, ..Options::default() }).await;
    let long = format!("/a/{}", "b".repeat(1000));
    for path in [
        "/",
        "//",
        "/a/b/c",
        "/a//b",
        "/a/b/",
        "/./a",
        "/../a",
        "/a/..",
        "/%2e%2e/a",
        "/a/%2e%2E",
        "/%252e%252e/a",
        "/a%2Fb",
        "/a%2fb/c",
        "/a%5Cb",
        "/a/b%00",
        "/a/%00",
        "/a/b%20c",
        "/a/%ff%fe",
        "/a/%C3%A4",
        "/a/b.lock",
        "/a.lock/b",
        "/.chunks/a",
        "/-/",
        "/-/x/y",
        "/-x/a",
        "/a/b;c",
        "/a/b%",
        "/a/b%zz",
        "*",
        &long,
    ] {
        for method in ["GET", "POST", "LOCK"] {
            let answer = server.ask(method, path, &state(1, 0)).await;
            assert!([400, 404, 405].contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
            let code = answer.code();
            assert!(["invalid-path", "method-not-allowed", "not-found"].contains(&&*code), "{method} {path}: {code}");
        }
    }
    assert_eq!(faults.calls().total(), 0, "the store was asked");
    assert_eq!(server.ask("GET", "/a/b", "").await.status, 404);
}

#[tokio::test]
async fn a_request_line_that_is_none_is_400() {
    let server = Server::plain().await;
    for line in ["GET /a\0b HTTP/1.1", "GET /a b HTTP/1.1", "GET", "\u{16}\u{3}\u{1}", "GET /a HTTP/9.9"] {
        let mut connection = server.connect().await;
        connection.send(format!("{line}\r\nhost: x\r\n\r\n")).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status, 400, "{line:?}");
    }
    let mut connection = server.connect().await;
    connection.send(format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a/".repeat(40_000))).await;
    let answer = connection.answer().await.unwrap();
    assert!([414, 431].contains(&answer.status), "{}", answer.status);
    assert_eq!(server.ask("GET", "/a/b", "").await.status, 404);
}

#[tokio::test]
async fn other_methods_are_405_with_what_is_allowed() {
    let server = Server::plain().await;
    for method in ["PATCH", "OPTIONS", "TRACE", "PROPFIND", "LIST", "get", "M-SEARCH"] {
        let answer = server.ask(method, "/a/b", "").await;
        assert_eq!(answer.status, 405, "{method}: {}", answer.text());
        assert!(answer.header("allow").is_some_and(|allowed| allowed.contains("UNLOCK")), "{method}");
    }
    let answer = server.ask("HEAD", "/a/b", "").await;
    assert!([404, 405].contains(&answer.status) && answer.body.is_empty());
    assert!(!server.metrics_text().contains("PROPFIND"), "a made-up method is no label");
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_kept_by_nobody() {
    let server = Server::plain().await;
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*authorization), ("x-request-id", "run-7")];
    let answer = crate::support::ask(server.address, "GET", "/a/b", &headers, b"").await;
    assert_eq!(answer.header("x-request-id"), Some("run-7"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.code(), "no-state");
    let headers = [("authorization", &*authorization), ("x-request-id", "bad id\u{7f}")];
    let answer = crate::support::ask(server.address, "GET", "/a/b", &headers[..1], b"").await;
    assert_eq!(answer.header("x-request-id").map(str::len), Some(32));
}
