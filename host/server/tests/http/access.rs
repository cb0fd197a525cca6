//! Who is let in, and to what: the whole table, before any body is read.

use tofu_state_server::access::tokens::digest;

use crate::support::{Answer, Options, Server, TOKEN, ask, basic};

fn entry(name: &str, token: &str, paths: &str, rights: &str, more: &str) -> String {
    let sha256 = hex::encode(digest(&token.into()));
    format!("[[token]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\npaths = [{paths}]\nrights = [{rights}]\n{more}\n")
}

async fn server() -> Server {
    let tokens = [
        entry("reader", "reader-token", "\"team/**\"", "\"read\"", ""),
        entry("writer", "writer-token", "\"team/*\"", "\"read\", \"write\"", ""),
        entry("writer", "writer-token-two", "\"team/*\"", "\"read\", \"write\"", ""),
        entry("deleter", "deleter-token", "\"team/*\"", "\"read\", \"write\", \"delete\", \"unlock\"", ""),
        entry("gone", "gone-token", "\"**\"", "\"read\"", "expires = 2001-01-01T00:00:00Z"),
    ];
    Server::start(Options { tokens: tokens.concat(), ..Options::default() }).await
}

async fn with(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    ask(server.address, method, path, &[("authorization", &authorization)], body.as_bytes()).await
}

const LOCK: &str = r#"{"ID":"one","Operation":"OperationTypeApply","Who":"me@here","Version":"1.0"}"#;

#[tokio::test]
async fn none_is_401_with_a_challenge_and_wrong_is_403() {
    let server = server().await;
    let none = ask(server.address, "GET", "/team/a", &[], b"").await;
    assert_eq!((none.status, none.code().as_str()), (401, "no-credentials"));
    assert_eq!(none.header("www-authenticate"), Some("Basic realm=\"tofu-state\""));
    for (authorization, status) in [
        (format!("Bearer {TOKEN}"), 404),
        (basic("anybody", TOKEN), 404),
        (basic("", TOKEN), 404),
        (format!("bearer {TOKEN}"), 404),
        (format!("Bearer {TOKEN}x"), 403),
        (basic(TOKEN, "wrong"), 403),
        (basic("anybody", ""), 403),
        ("Bearer".to_owned(), 403),
        ("Basic !!!".to_owned(), 403),
        ("Digest username=\"x\"".to_owned(), 401),
    ] {
        let answer = ask(server.address, "GET", "/team/a", &[("authorization", &authorization)], b"").await;
        assert_eq!(answer.status, status, "{authorization}");
        assert!(!answer.text().contains(TOKEN));
    }
    let twice = [("authorization", "Bearer x"), ("authorization", &*format!("Bearer {TOKEN}"))];
    assert_eq!(ask(server.address, "GET", "/team/a", &twice, b"").await.status, 403);
}

#[tokio::test]
async fn rights_are_what_each_method_needs() {
    let server = server().await;
    for (token, method, path, status) in [
        ("reader-token", "GET", "/team/a", 404),
        ("reader-token", "POST", "/team/a", 403),
        ("reader-token", "LOCK", "/team/a", 403),
        ("reader-token", "UNLOCK", "/team/a", 403),
        ("reader-token", "DELETE", "/team/a", 403),
        ("reader-token", "POST", "/-/lock/team/a", 403),
        ("reader-token", "GET", "/other/a", 403),
        ("writer-token", "LOCK", "/other/a", 403),
        ("writer-token", "POST", "/-/lock/other/a", 403),
        ("writer-token", "LOCK", "/team/a", 200),
        ("writer-token-two", "UNLOCK", "/team/a", 200),
        ("writer-token", "POST", "/-/lock/team/b", 200),
        ("writer-token", "DELETE", "/team/a", 403),
        ("gone-token", "GET", "/team/a", 403),
    ] {
        let answer = with(&server, token, method, path, LOCK).await;
        assert_eq!(answer.status, status, "{token} {method} {path}: {}", answer.text());
        if status == 403 {
            let code = if token == "gone-token" { "wrong-credentials" } else { "missing-right" };
            assert_eq!(answer.code(), code);
        }
    }
}

#[tokio::test]
async fn breaking_a_lock_needs_its_own_right() {
    let server = server().await;
    assert_eq!(with(&server, "writer-token", "LOCK", "/team/a", LOCK).await.status, 200);
    assert_eq!(with(&server, "writer-token", "UNLOCK", "/team/a", "").await.status, 403);
    assert_eq!(with(&server, "deleter-token", "UNLOCK", "/team/a", "").await.status, 200);
    assert!(server.metrics_text().contains("tofu_state_locks_broken_total 1"));
}

#[tokio::test]
async fn encoded_tricks_open_no_other_path() {
    let server = server().await;
    for path in [
        "/team/..%2fother%2fa",
        "/team%2fa",
        "/team/%2e%2e/other",
        "/team/../other",
        "/team//a",
        "//team/a",
        "/team/a%00",
        "/team/%ff",
        "/%74eam/a/",
        "/-/lock/team/..%2fother",
        "/",
    ] {
        let answer = with(&server, "writer-token", "POST", path, "{}").await;
        assert!([400, 403].contains(&answer.status), "{path}: {}", answer.status);
    }
    // Decoded once, a letter is that letter.
    assert_eq!(with(&server, "writer-token", "GET", "/%74eam/a", "").await.status, 404);
}

#[tokio::test]
async fn authentication_comes_before_the_body() {
    let server = server().await;
    let mut connection = server.connect().await;
    connection.send("POST /team/a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n").await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.status, 401, "no 100-continue before it");
}

#[tokio::test]
async fn other_tokens_hold_from_the_next_request_on() {
    let server = server().await;
    assert_eq!(server.ask("GET", "/team/a", "").await.status, 404);
    server.access.replace(tofu_state_server::access::Tokens::default().with_shared(&"another-token".into()));
    assert_eq!(server.ask("GET", "/team/a", "").await.status, 403);
    assert_eq!(with(&server, "another-token", "GET", "/team/a", "").await.status, 404);
}
