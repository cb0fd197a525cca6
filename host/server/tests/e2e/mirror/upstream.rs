//! Registries that hang, are never at an end, or change their mind, behind a server that serves on.

use reqwest::StatusCode;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::{Fault, Release};
use tofu_state_testing::process::eventually;

use super::{HOSTS, Site, lock, needs};
use crate::common::PATIENCE;

fn providers() -> [String; 2] {
    HOSTS.map(|host| format!("{host}/hashicorp/null"))
}

/// The CLIs wait for ten seconds, and see to it themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_clis_install_what_was_seen_while_the_registry_hangs() {
    let site = Site::with(true, false).await;
    for host in HOSTS {
        site.complete(host).await;
        site.get(&format!("/-/mirror/{host}/hashicorp/null/index.json")).await;
    }
    for provider in providers() {
        site.origin.misbehave(&provider, Fault::AllHangs);
    }
    for mut cli in Cli::both() {
        let text = site.through_the_mirror();
        site.configure(&mut cli, &text);
        needs(&cli, "hashicorp/null");
        cli.ok(&["init"]).await;
        assert!(lock(&cli).contains("h1:"), "{}", lock(&cli));
    }
    let (status, late) = site.get("/-/mirror/registry.terraform.io/hashicorp/null/9.9.9.json").await;
    assert_eq!(
        (status, late["error"]["code"].as_str()),
        (StatusCode::GATEWAY_TIMEOUT, Some("upstream-late")),
        "{late}"
    );
    assert!(late["error"]["message"].as_str().unwrap().contains("try again"), "{late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_is_given_up() {
    let site = Site::with(true, false).await;
    let [provider, _] = providers();
    site.origin.misbehave(&provider, Fault::Endless);
    let path = format!("/-/mirror/{provider}/index.json");
    let refused = eventually("the end of it", PATIENCE, async || {
        let (status, refused) = site.get(&path).await;
        // As long as it comes, whoever asks is told so.
        (status != StatusCode::GATEWAY_TIMEOUT).then_some((status, refused))
    })
    .await;
    assert_eq!(refused.0, StatusCode::BAD_GATEWAY, "{}", refused.1);
    assert!(refused.1.to_string().contains("sends more than 16777216 bytes"), "{}", refused.1);
    site.origin.behave();
    let other = site.get("/-/mirror/registry.terraform.io/hashicorp/null/index.json").await;
    assert_eq!(other.0, StatusCode::OK, "{}", other.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_release_is_told_in_metrics_and_log_and_not_served() {
    let site = Site::with(true, false).await;
    let [provider, _] = providers();
    site.origin.publish(&Release::new(&provider, "4.0.0").platforms(&["windows_amd64", "linux_amd64"]));
    let path = format!("/-/mirror/{provider}/4.0.0.json");
    let (_, document) = site.get(&path).await;
    let link = document["archives"]["windows_amd64"]["url"].as_str().unwrap().to_owned();
    site.origin.publish(&Release::new(&provider, "4.0.0").platforms(&["windows_amd64", "linux_amd64"]).rebuilt());
    // Nobody has asked for this package before, and its platform is none of those that are hashed beforehand.
    let refused = site.client.get(site.url(&link)).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_GATEWAY);
    assert!(refused.text().await.unwrap().contains("upstream-changed"));
    assert_eq!(site.get(&path).await.1["archives"]["windows_amd64"], document["archives"]["windows_amd64"]);
    eventually("the metric", PATIENCE, async || {
        let metrics = site.metrics().await;
        let line = metrics.lines().find(|line| line.starts_with("tofu_state_mirror_upstream_changes_total")).unwrap();
        (!line.ends_with(" 0")).then_some(())
    })
    .await;
    assert!(site.server.log().contains("a release has changed upstream"), "{}", site.server.log());
}
