//! Secrets and states are looked for in everything that a whole run leaves behind: logs, metrics, audit, errors.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use tofu_state_testing::bao::Bao;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::server::{TOKEN, http};

use crate::common::{server, set_up};
use crate::wire::Client;

/// Stands in the states.
const IN_A_STATE: &str = "marker-in-a-state-7d1f";
/// A token that somebody else's server may know.
const WRONG_TOKEN: &str = "wrong-token-0123456789abcdef";

#[tokio::test]
async fn no_secret_and_no_state_is_left_behind_by_a_run() {
    let bao = Bao::dev().await;
    let rules = "path \"states/*\" { capabilities = [\"create\", \"read\", \"update\", \"list\", \"delete\"] }";
    let bao_token = bao.limited_token(rules, true).await;
    let mut server = server()
        .openbao(&bao.address(), &bao_token)
        .set("AUDIT_LOG", "audit.log")
        .set("METRICS_GROUPS", "true")
        .set("RUST_LOG", "debug")
        .start()
        .await;
    let mut left: Vec<(String, String)> = Vec::new();

    // A run, whose state holds the marker, and one that is refused.
    let mut cli = Cli::tofu();
    set_up(&mut cli, &server, "team/app").await;
    cli.write("marker.tf", &format!("resource \"terraform_data\" \"marker\" {{\n  input = \"{IN_A_STATE}\"\n}}\n"));
    cli.ok(&["apply", "-auto-approve"]).await;
    let state = Client::new(&server, "team/app").get().await.unwrap().expect(200).body;
    assert!(String::from_utf8_lossy(&state).contains(IN_A_STATE), "the marker is where it belongs");

    // Whatever can be answered with an error.
    let broken = format!("{{\"version\":4,\"{IN_A_STATE}\":");
    let foreign = format!("{{\"ID\":\"i\",\"{IN_A_STATE}\":{IN_A_STATE}}}");
    let unlocked = String::from_utf8(state.to_vec()).unwrap();
    for (method, path, body, token) in [
        ("POST", "team/app", broken.as_str(), TOKEN),
        ("POST", "team/app?ID=not-held", unlocked.as_str(), TOKEN),
        ("POST", "team/deep/er", unlocked.as_str(), TOKEN),
        ("LOCK", "team/app", foreign.as_str(), TOKEN),
        ("UNLOCK", "team/app", foreign.as_str(), TOKEN),
        ("PATCH", "team/app", unlocked.as_str(), TOKEN),
        ("GET", "team/app", "", WRONG_TOKEN),
        ("POST", "team/app", unlocked.as_str(), WRONG_TOKEN),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = http().request(method, server.url(path)).basic_auth("ci", Some(token)).body(body.to_owned());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        left.push((format!("an answer about {path}"), answer.text().await.unwrap()));
    }
    // The store goes away: its errors are logged and answered.
    let mut bao = bao;
    bao.kill9();
    for _ in 0..2 {
        let answer = Client::new(&server, "team/app").lock("late").await.unwrap();
        assert_eq!(answer.status, 503);
        left.push(("an answer without a store".to_owned(), String::from_utf8_lossy(&answer.body).into_owned()));
    }
    for page in ["metrics", "readyz"] {
        left.push((page.to_owned(), http().get(server.admin_url(page)).send().await.unwrap().text().await.unwrap()));
    }
    server.terminate().await;
    left.push(("the audit".to_owned(), std::fs::read_to_string(server.folder().join("audit.log")).unwrap()));
    left.push(("the log".to_owned(), server.log()));

    let secrets = [
        TOKEN.to_owned(),
        WRONG_TOKEN.to_owned(),
        bao_token,
        IN_A_STATE.to_owned(),
        BASE64_STANDARD.encode(format!("ci:{TOKEN}")),
        BASE64_STANDARD.encode(format!("ci:{WRONG_TOKEN}")),
    ];
    for (place, text) in &left {
        assert!(!text.is_empty(), "{place} is empty: nothing was looked at");
        for secret in &secrets {
            let found = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(found.is_none(), "{secret} in {place}: {found:?}");
        }
    }
}
