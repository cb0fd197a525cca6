//! The program itself: its mistakes, its exit codes, its admin address, its signals.

use std::process::{Command, Stdio};

use tofu_state_testing::bao::Bao;
use tofu_state_testing::process::{Process, eventually};
use tofu_state_testing::server::{Server, TOKEN, http};

use crate::support::PATIENCE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tofu-state");

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn mistakes_are_all_told_and_the_status_is_2() {
    let (status, out, errors) = run(&["serve", "--path-segments", "9"], &[("LISTEN_ADDR", "x"), ("LOCK_TTL", "1s")]);
    assert_eq!((status, out.as_str()), (Some(2), ""));
    for told in ["--path-segments=\"9\"", "LISTEN_ADDR=\"x\"", "LOCK_TTL=\"1s\"", "API_TOKEN", "STORE"] {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert_eq!(run(&["serve", "--no-such-flag"], &[]).0, Some(2));
    assert_eq!(run(&[], &[]).0, Some(2));
}

#[test]
fn help_and_version() {
    let (status, out, _) = run(&["--version"], &[]);
    assert_eq!((status, out.trim()), (Some(0), concat!("tofu-state ", env!("CARGO_PKG_VERSION"))));
    let (status, out, _) = run(&["serve", "--help"], &[]);
    assert_eq!(status, Some(0));
    assert!(out.contains("[env: LOCK_TTL] [default: off]") && out.contains("BAO_TOKEN_FILE"), "{out}");
}

#[tokio::test]
async fn serves_tells_how_it_is_and_ends_with_0() {
    let mut server = Server::builder(PROGRAM).start().await;
    let ready = http().get(server.admin_url("readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let ready: serde_json::Value = ready.json().await.unwrap();
    assert_eq!((&ready["ready"], &ready["draining"]), (&true.into(), &false.into()), "{ready}");
    assert_eq!(http().get(server.admin_url("livez")).send().await.unwrap().status(), 200);
    assert_eq!(http().get(server.admin_url("a/b")).send().await.unwrap().status(), 404);
    assert_eq!(http().post(server.admin_url("readyz")).send().await.unwrap().status(), 405);
    let state = http().get(server.url("a/b")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(state.status(), 404);
    let metrics = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("tofu_state_requests_total{method=\"GET\",status=\"404\"} 1"), "{metrics}");

    let admin = server.admin_url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let (status, out, _) = run(&["healthcheck"], &[("ADMIN_ADDR", &admin)]);
    assert_eq!(status, Some(0));
    assert!(out.contains("\"ready\":true"), "{out}");

    let log = server.log();
    assert!(log.contains("\"path\":\"/a/b\"") && log.contains("\"caller\":\"shared\""), "{log}");
    assert!(!log.contains(TOKEN));
    let status = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert_eq!(run(&["healthcheck", "--admin-addr", &admin], &[]).0, Some(1));
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let server = Server::builder(PROGRAM).start().await;
    let taken = server.admin_url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let (status, log) = Server::builder(PROGRAM).set("ADMIN_ADDR", &taken).fails().await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("cannot listen on ADMIN_ADDR"), "{log}");
}

#[tokio::test]
async fn an_openbao_that_cannot_be_reached_is_503_and_not_no_state() {
    let nobody = format!("http://127.0.0.1:{}", tofu_state_testing::process::free_port());
    let server = Server::builder(PROGRAM).openbao(&nobody, "token").start().await;
    let state = http().get(server.url("a/b")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(state.status(), 503, "{}", server.log());
    assert!(state.headers().contains_key("retry-after"));
    let ready = http().get(server.admin_url("readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200, "the server's own faults only");
    let ready: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(ready["store"]["available"], false, "{ready}");
}

#[test]
fn a_component_that_is_not_the_pinned_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("component.wasm");
    std::fs::write(&file, "not a component").unwrap();
    let pinned = format!("{}@sha256:{}", file.display(), "0".repeat(64));
    let data = folder.path().join("data");
    let (status, _, errors) = run(
        &["serve", "--store", "embedded", "--data-dir", data.to_str().unwrap(), "--protocol-component", &pinned],
        &[("API_TOKEN", TOKEN), ("LISTEN_ADDR", "127.0.0.1:0"), ("ADMIN_ADDR", "127.0.0.1:0")],
    );
    assert_eq!(status, Some(1), "{errors}");
    assert!(errors.contains("PROTOCOL_COMPONENT") && errors.contains("SHA-256"), "{errors}");
}

#[tokio::test]
async fn an_openbao_that_cannot_serve_ends_the_start_with_the_reason() {
    let bao = Bao::dev().await;
    let denied = Server::builder(PROGRAM).openbao(&bao.address(), "not-a-token").fails().await;
    assert_eq!(denied.0, Some(1), "{}", denied.1);
    assert!(!denied.1.contains("not-a-token"));
    let missing =
        Server::builder(PROGRAM).openbao(&bao.address(), bao.token()).set("BAO_MOUNT", "nowhere").fails().await;
    assert_eq!(missing.0, Some(1), "{}", missing.1);
    assert!(missing.1.contains("nowhere"), "{}", missing.1);
}

#[tokio::test]
async fn tokens_are_read_again_from_their_files() {
    let bao = Bao::dev().await;
    let folder = tempfile::tempdir().unwrap();
    let (own, callers) = (folder.path().join("bao-token"), folder.path().join("api-token"));
    let short_lived =
        bao.limited_token("path \"*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\"] }", true).await;
    std::fs::write(&own, format!("{short_lived}\n")).unwrap();
    std::fs::write(&callers, "the-first-api-token\n").unwrap();
    let server = Server::builder(PROGRAM)
        .set("API_TOKEN", "")
        .set("STORE", "openbao")
        .set("BAO_ADDR", bao.address())
        .set("BAO_TOKEN_FILE", &own)
        .set("API_TOKEN_FILE", &callers)
        .start()
        .await;
    let status =
        async |token: &str| http().get(server.url("a/b")).bearer_auth(token).send().await.unwrap().status().as_u16();
    assert_eq!(status("the-first-api-token").await, 404, "{}", server.log());

    std::fs::write(&callers, "the-second-api-token\n").unwrap();
    eventually("the callers' new token", PATIENCE, async || {
        (status("the-second-api-token").await == 404).then_some(())
    })
    .await;
    assert_eq!(status("the-first-api-token").await, 403);

    let revoke = serde_json::json!({"token": short_lived});
    assert!(bao.api(reqwest::Method::POST, "auth/token/revoke", Some(revoke)).await.0.is_success());
    assert_eq!(status("the-second-api-token").await, 502, "our own token is denied");
    std::fs::write(&own, bao.token()).unwrap();
    eventually("the server's new token", PATIENCE, async || {
        (status("the-second-api-token").await == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tokens_file_that_goes_wrong_is_told_and_the_old_tokens_stay_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let sha256 = hex::encode(tofu_state_server::access::tokens::digest(&"the-token-of-ci".into()));
    let entry = |more: &str| {
        let rest = "paths = [\"**\"]\nrights = [\"read\"]";
        format!("[[token]]\nname = \"ci\"\nsha256 = \"{sha256}\"\n{rest}\n{more}\n")
    };
    let good = format!("{}{}", entry(""), entry("expires = 2001-01-01T00:00:00Z"));
    std::fs::write(&file, &good).unwrap();
    let server = Server::builder(PROGRAM).set("TOKENS_FILE", &file).start().await;
    assert!(server.log().contains("expired entries, which let nobody in: ci"), "{}", server.log());
    let until_current = async |current: bool| {
        eventually("what the server says of its tokens", PATIENCE, async || {
            let ready = http().get(server.admin_url("readyz")).send().await.unwrap();
            // All replicas have the same file: were they not ready, nobody would be served any more.
            assert_eq!(ready.status(), 200);
            let body: serde_json::Value = ready.json().await.unwrap();
            (body["tokens"]["current"] == current).then_some(body)
        })
        .await
    };
    until_current(true).await;

    std::fs::write(&file, "broken").unwrap();
    let body = until_current(false).await;
    assert_eq!(body["ready"], true, "{body}");
    assert!(server.log().contains("the callers' tokens have changed but are wrong"), "{}", server.log());
    let metrics = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("tofu_state_tokens_current 0"), "{metrics}");
    let state = http().get(server.url("a/b")).bearer_auth("the-token-of-ci").send().await.unwrap();
    assert_eq!(state.status(), 404, "the old tokens stay");

    std::fs::write(&file, &good).unwrap();
    until_current(true).await;
}

#[tokio::test]
async fn told_to_end_while_it_starts_it_ends_at_once() {
    // Takes connections and answers nothing, so the start waits for it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("serve").current_dir(folder.path()).env_clear().env("API_TOKEN", TOKEN).env("BAO_TOKEN", "token");
    command.env("BAO_ADDR", format!("http://{}", listener.local_addr().unwrap()));
    command.env("LISTEN_ADDR", "127.0.0.1:0").env("ADMIN_ADDR", "127.0.0.1:0");
    let mut process = Process::start(command);
    let _asked = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    process.terminate();
    let status = process.exited(PATIENCE).await;
    assert_eq!(status.code(), Some(1), "{}", process.log());
    assert!(process.log().contains("told to end before the server had started"), "{}", process.log());
    assert!(!process.log().contains("starting without it"), "{}", process.log());
}

#[tokio::test]
async fn why_it_did_not_start_is_told_whatever_the_log_shows() {
    let server = Server::builder(PROGRAM).start().await;
    let taken = server.admin_url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let (status, log) = Server::builder(PROGRAM).set("ADMIN_ADDR", &taken).set("RUST_LOG", "off").fails().await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.starts_with("tofu-state: cannot listen on ADMIN_ADDR"), "{log}");
}
