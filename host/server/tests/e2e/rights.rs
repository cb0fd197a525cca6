//! An OpenBao as `chart/openbao/setup` prepares it: the server needs no more than that, however it logs in.

use std::process::Command;

use tofu_state_testing::bao::Bao;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::kubernetes::Kubernetes;
use tofu_state_testing::process::{Process, eventually};
use tofu_state_testing::programs;
use tofu_state_testing::server::{Builder, http};

use crate::common::{PATIENCE, server, set_up};
use crate::wire::{Client, state};

/// Runs `chart/openbao/setup`: its status and what it printed on both streams.
pub(crate) async fn setup(bao: &Bao, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("sh");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../chart/openbao/setup")).args(arguments);
    let path = format!("{}:/usr/bin:/bin", programs::bao().parent().unwrap().display());
    command.env_clear().env("PATH", path).env("HOME", "/nonexistent");
    command.env("BAO_ADDR", bao.address()).env("BAO_TOKEN", bao.token());
    let mut process = Process::start(command);
    let status = process.exited(PATIENCE).await;
    (status.code(), process.log())
}

/// The value that `setup` printed for `name`.
fn printed<'a>(said: &'a str, name: &str) -> &'a str {
    let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {name} in {said}"))
}

fn on(bao: &Bao) -> Builder {
    server().set("STORE", "openbao").set("BAO_ADDR", bao.address())
}

/// A run of the real tofu, a state that is larger than an entry, and nothing to complain of.
async fn serves(builder: Builder) {
    let mut server = builder.start().await;
    let mut cli = Cli::tofu();
    set_up(&mut cli, &server, "team/app").await;
    cli.ok(&["apply", "-auto-approve"]).await;
    cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
    cli.ok(&["destroy", "-auto-approve"]).await;
    let client = Client::new(&server, "team/large");
    let large = state(1, &(0..40_000).map(|n| format!("{:x}", n * 7_919_317_u64)).collect::<Vec<_>>());
    client.post(&large, None).await.unwrap().expect(200);
    assert_eq!(client.get().await.unwrap().expect(200).body, large.to_string());
    client.send("DELETE", "", "").await.unwrap().expect(200);
    client.get().await.unwrap().expect(404);
    let metrics = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("tofu_state_store_token_expiry_timestamp_seconds 1"), "{metrics}");
    assert!(server.terminate().await.success(), "{}", server.log());
    let log = server.log();
    assert!(!log.contains("\"WARN\"") && !log.contains("\"ERROR\""), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_by_setup() {
    let bao = Bao::raft().await;
    let (status, token) = setup(&bao, &["token"]).await;
    assert_eq!(status, Some(0), "{token}");
    let token = token.lines().find(|line| line.starts_with("s.")).unwrap().to_owned();
    serves(on(&bao).set("BAO_TOKEN", token)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn app_role_by_setup() {
    let bao = Bao::raft().await;
    // A mount of its own; and a second run changes nothing but the secret ID.
    let arguments = ["--mount", "team/states", "--auth-mount", "machines", "--policy", "states", "approle"];
    let (status, first) = setup(&bao, &arguments).await;
    assert_eq!(status, Some(0), "{first}");
    let (status, said) = setup(&bao, &arguments).await;
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(printed(&first, "BAO_ROLE_ID"), printed(&said, "BAO_ROLE_ID"));
    let login = |builder: Builder| {
        let builder = builder.set("BAO_ROLE_ID", printed(&said, "BAO_ROLE_ID")).set("BAO_MOUNT", "team/states");
        builder.set("BAO_AUTH_MOUNT", "machines")
    };
    serves(login(on(&bao)).set("BAO_SECRET_ID", printed(&said, "BAO_SECRET_ID"))).await;

    let (status, log) = login(on(&bao)).set("BAO_SECRET_ID", "not-the-secret").fails().await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("refused the login at `auth/machines/`") && !log.contains("not-the-secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_by_setup() {
    let (bao, kubernetes) = (Bao::raft().await, Kubernetes::start().await);
    kubernetes.enable_in(&bao).await;
    let (status, said) = setup(&bao, &["kubernetes"]).await;
    assert_eq!(status, Some(0), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, kubernetes.token()).unwrap();
    let role = printed(&said, "BAO_KUBERNETES_ROLE");
    serves(on(&bao).set("BAO_KUBERNETES_ROLE", role).set("BAO_KUBERNETES_TOKEN_FILE", &token)).await;
}

#[tokio::test]
async fn setup_says_what_is_wrong() {
    let bao = Bao::dev().await;
    let kind = serde_json::json!({"type": "kv", "options": {"version": "1"}});
    bao.ok(reqwest::Method::POST, "sys/mounts/old", kind).await;
    let table: [(&[&str], i32, &str); 5] = [
        (&[], 2, "usage"),
        (&["token", "approle"], 2, "usage"),
        (&["--mount"], 2, "usage"),
        (&["--mount", "old", "token"], 1, "not KV version 2"),
        (&["--mount", "a|b", "token"], 1, "--mount a|b"),
    ];
    for (arguments, status, told) in table {
        let (code, said) = setup(&bao, arguments).await;
        assert_eq!(code, Some(status), "{said}");
        assert!(said.contains(told), "{said}");
    }
}

/// Logins while the server runs: the token is revoked under it, again and again, and the callers hardly notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_login_is_made_again() {
    let bao = Bao::dev().await;
    let (_, said) = setup(&bao, &["approle"]).await;
    let login = [printed(&said, "BAO_ROLE_ID"), printed(&said, "BAO_SECRET_ID")];
    let server = on(&bao).set("BAO_ROLE_ID", login[0]).set("BAO_SECRET_ID", login[1]).start().await;
    let client = Client::new(&server, "team/app");
    for serial in 1..4 {
        client.post(&state(serial, &[]), None).await.unwrap().expect(200);
        bao.revoke_logins("approle").await;
        eventually("the login", PATIENCE, async || {
            let answer = client.get().await.unwrap();
            assert!([200, 502].contains(&answer.status), "{answer:?}");
            (answer.status == 200).then_some(())
        })
        .await;
    }
    assert_eq!(bao.leases("approle").await.len(), 1, "{}", server.log());
}
