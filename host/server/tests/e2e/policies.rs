//! Policies as people at the CLIs meet them: a LOCK denied, with the reason in the CLI's words; a write refused,
//! whose state is not lost; and what has to be done then.

use std::path::PathBuf;

use reqwest::Method;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tofu_state_component::testing::FAULTY_POLICY;
use tofu_state_testing::bao::Bao;
use tofu_state_testing::cli::{Backend, Cli};
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::Server;

use crate::common::{PATIENCE, server, set_up};
use crate::wire::{Client, serial, state};

/// A policy file with the module that does what its configuration says.
struct Policies {
    folder: TempDir,
}

impl Policies {
    fn new(configuration: &str, more: &str) -> Self {
        let policies = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(policies.folder.path().join("scripted.wasm"), FAULTY_POLICY).unwrap();
        policies.say(configuration, more);
        policies
    }

    fn say(&self, configuration: &str, more: &str) {
        let sha256 = hex::encode(Sha256::digest(FAULTY_POLICY));
        let text = format!(
            "[[policy]]\nname = \"freeze\"\npath = \"scripted.wasm\"\nsha256 = \"{sha256}\"\n\
             configuration = \"{configuration}\"\n{more}\n"
        );
        std::fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("policies.toml")
    }
}

async fn judged(policies: &Policies) -> Server {
    server().set("POLICY_FILE", policies.file()).start().await
}

/// Both CLIs say why, and a run that waits begins when the denial ends.
async fn a_denied_lock_is_explained_and_waited_for(mut cli: Cli) {
    let policies = Policies::new("freeze-below-serial 5", "needs = [\"current\"]");
    let server = judged(&policies).await;
    set_up(&mut cli, &server, "team/app").await;
    cli.ok(&["plan"]).await;
    let denied = cli.run(&["apply", "-auto-approve"]).await.failure();
    denied
        .says("Error acquiring the state lock")
        .says("policy/freeze")
        .says("changes are frozen; ask the platform team");

    let mut waiting = cli.start(&["apply", "-auto-approve", "-lock-timeout=180s"]);
    eventually("the run waiting", PATIENCE, async || {
        assert!(waiting.is_running(), "it did not wait:\n{}{}", waiting.stdout(), waiting.stderr());
        (waiting.stdout() + &waiting.stderr()).contains("Acquiring state lock").then_some(())
    })
    .await;
    Client::new(&server, "team/app").post(&state(5, &[]), None).await.unwrap().expect(200);
    waiting.finish().await.success().says("Apply complete! Resources: 1 added");
    assert!(server.log().contains("denied"), "{}", server.log());
}

#[tokio::test]
async fn tofu_shows_why_a_lock_is_denied_and_waits() {
    a_denied_lock_is_explained_and_waited_for(Cli::tofu()).await;
}

#[tokio::test]
async fn terraform_shows_why_a_lock_is_denied_and_waits() {
    a_denied_lock_is_explained_and_waited_for(Cli::terraform()).await;
}

/// The CLI keeps the state in errored.tfstate, the server in the quarantine; what is pushed later is neither lost.
async fn a_refused_write_is_kept_and_recovered(mut cli: Cli) {
    let bao = Bao::dev().await;
    let policies = Policies::new("deny-operation write", "");
    let mut server =
        self::server().openbao(&bao.address(), bao.token()).set("POLICY_FILE", policies.file()).start().await;
    set_up(&mut cli, &server, "team/app").await;
    let refused = cli.run(&["apply", "-auto-approve"]).await.failure();
    refused.says("422").says("errored.tfstate");
    let errored = std::fs::read(cli.folder().join("errored.tfstate")).unwrap();
    Client::new(&server, "team/app").get().await.unwrap().expect(404);

    let list = Method::from_bytes(b"LIST").unwrap();
    let (status, listed) = bao.api(list, "states/metadata/.quarantine/team/app", None).await;
    assert_eq!(status.as_u16(), 200, "{listed}");
    let keys: Vec<&str> = listed["data"]["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert!(!keys.is_empty());
    let direct = Client::new(&server, "team/app").send("POST", "", errored.clone()).await.unwrap().expect(422).json();
    let told = direct["error"]["quarantined"].as_str().unwrap().to_owned();
    assert_eq!(told, format!(".quarantine/team/app/{}", hex::encode(Sha256::digest(&errored))));
    assert_eq!(
        (direct["error"]["policy"].as_str(), direct["error"]["code"].as_str()),
        (Some("freeze"), Some("denied"))
    );
    let (status, record) = bao.api(Method::GET, &format!("states/data/{told}"), None).await;
    assert_eq!(status.as_u16(), 200, "{record}");
    assert!(record["data"]["data"].to_string().contains("not that"), "why it was refused stands beside it");

    policies.say("allow", "");
    server.restart().await;
    cli.backend(&Backend::new(&server.url("team/app")));
    cli.ok(&["init", "-reconfigure"]).await;
    cli.ok(&["state", "push", "errored.tfstate"]).await;
    cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes");
}

#[tokio::test]
async fn tofu_loses_no_state_to_a_policy() {
    a_refused_write_is_kept_and_recovered(Cli::tofu()).await;
}

#[tokio::test]
async fn terraform_loses_no_state_to_a_policy() {
    a_refused_write_is_kept_and_recovered(Cli::terraform()).await;
}

#[tokio::test]
async fn a_server_with_a_wrong_policy_does_not_start() {
    let policies = Policies::new("unknown", "");
    let (_, log) = server().set("POLICY_FILE", policies.file()).fails().await;
    assert!(log.contains("does not take its configuration") && log.contains(r#"\"freeze\""#), "{log}");
    std::fs::write(policies.file(), "[[policy]]\nname = \"p\"\nmode = \"maybe\"\n").unwrap();
    let (_, log) = server().set("POLICY_FILE", policies.file()).fails().await;
    assert!(log.contains("mode is") && log.contains("one of path, builtin and oci"), "{log}");
}

/// Without POLICY_FILE the guard judges every write: what does not continue the stored state is refused, unless a
/// person says that it is meant.
async fn the_guard_lets_only_what_is_meant_go_back(mut cli: Cli) {
    let server = server().start().await;
    set_up(&mut cli, &server, "team/app").await;
    cli.ok(&["apply", "-auto-approve"]).await;
    let old = Client::new(&server, "team/app").get().await.unwrap().expect(200).json();
    cli.resources(2, "two");
    cli.ok(&["apply", "-auto-approve"]).await;
    let client = Client::new(&server, "team/app");
    let stored = client.get().await.unwrap().expect(200);

    let refused = client.post(&old, None).await.unwrap().expect(422).json();
    assert_eq!(refused["error"]["policy"], "lineage-guard", "{refused}");
    assert!(refused["error"]["reason"].as_str().unwrap().contains("older"), "{refused}");
    let mut foreign = stored.json();
    foreign["lineage"] = "another".into();
    foreign["serial"] = 1000.into();
    client.post(&foreign, None).await.unwrap().expect(422);
    assert!(client.get().await.unwrap().expect(200).body == stored.body);

    // The CLI asks for -force by itself, and then says in its lock that it is a push.
    cli.write("old.json", &old.to_string());
    let _ = cli.run(&["state", "push", "old.json"]).await.failure();
    cli.ok(&["state", "push", "-force", "old.json"]).await;
    let pushed = client.get().await.unwrap().expect(200).json();
    assert_eq!(pushed["resources"], old["resources"]);

    let present = serial(&pushed);
    let overwrite = |serial: u64| format!("?overwrite={serial}");
    client.send("POST", &overwrite(present + 1), foreign.to_string()).await.unwrap().expect(422);
    client.send("POST", &overwrite(present), foreign.to_string()).await.unwrap().expect(200);
}

#[tokio::test]
async fn the_guard_under_tofu() {
    the_guard_lets_only_what_is_meant_go_back(Cli::tofu()).await;
}

#[tokio::test]
async fn the_guard_under_terraform() {
    the_guard_lets_only_what_is_meant_go_back(Cli::terraform()).await;
}
