//! Real applies that each shipped policy refuses, and those that it lets through.

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tofu_state_testing::cli::{Backend, Cli};
use tofu_state_testing::server::Server;

use crate::common::{Gate, server, set_up};
use crate::wire::Client;

/// A server with one policy, a module that is built in; its folder holds the policy file.
struct Ruled {
    server: Server,
    _folder: TempDir,
}

impl Ruled {
    /// `entry` is what follows in the entry: its configuration, or what it needs.
    async fn by(module: &str, entry: &str) -> Self {
        Self::with_tokens(module, entry, "").await
    }

    async fn with_tokens(module: &str, entry: &str, tokens: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let file = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let policies = format!("[[policy]]\nname = \"{module}\"\nbuiltin = \"{module}\"\n{entry}\n");
        let mut builder = server().set("POLICY_FILE", file("policies.toml", &policies));
        if !tokens.is_empty() {
            builder = builder.set("TOKENS_FILE", file("tokens.toml", tokens));
        }
        Self { server: builder.start().await, _folder: folder }
    }
}

const PATH: &str = "group/project";

/// A lock that is refused shows as one that the policy holds; OpenTofu prints the reason as well.
async fn apply_is_refused_a_lock(cli: &Cli, policy: &str, reason: &str) {
    let refused = cli.run(&["apply", "-auto-approve"]).await.failure();
    refused.says(&format!("policy/{policy}"));
    if cli.is_tofu() {
        refused.says(reason);
    }
}

#[tokio::test]
async fn version_pin() {
    for mut cli in Cli::both() {
        let others = Ruled::by("version-pin", "configuration = 'versions = [\">=0.1, <0.2\"]'").await;
        set_up(&mut cli, &others.server, PATH).await;
        apply_is_refused_a_lock(&cli, "version-pin", "is not allowed here; >=0.1, <0.2 is needed").await;
        Client::new(&others.server, PATH).get().await.unwrap().expect(404);

        let these = Ruled::by("version-pin", "configuration = 'versions = [\">=1.5, <2\"]'").await;
        cli.backend(&Backend::new(&these.server.url(PATH)));
        cli.ok(&["init", "-reconfigure"]).await;
        cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete!");
    }
}

#[tokio::test]
async fn freeze() {
    let tokens = [("release", "the-token-of-the-release"), ("ci", "the-token-of-the-ci-job")].map(|(name, token)| {
        let digest = hex::encode(Sha256::digest(token));
        format!(
            "[[token]]\nname = \"{name}\"\nsha256 = \"{digest}\"\npaths = [\"**\"]\nrights = [\"read\", \"write\"]\n"
        )
    });
    let window = "configuration = '''\ntime-zone = \"Europe/Berlin\"\ncallers = [\"release\"]\n\
                  [[dates]]\nfrom = 2000-01-01\nto = 2999-12-30\nreason = \"the long rest\"\n'''";
    for mut cli in Cli::both() {
        let ruled = Ruled::with_tokens("freeze", window, &tokens.concat()).await;
        set_up(&mut cli, &ruled.server, PATH).await;
        apply_is_refused_a_lock(&cli, "freeze", "frozen until Tue 2999-12-31 00:00 CET: the long rest").await;
        cli.ok(&["plan"]).await.says("1 to add");
        cli.set("TF_HTTP_PASSWORD", "the-token-of-the-ci-job");
        apply_is_refused_a_lock(&cli, "freeze", "the long rest").await;
        cli.set("TF_HTTP_PASSWORD", "the-token-of-the-release");
        cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete!");
    }
}

#[tokio::test]
async fn require_lock() {
    for mut cli in Cli::both() {
        let ruled = Ruled::by("require-lock", "").await;
        set_up(&mut cli, &ruled.server, PATH).await;
        cli.run(&["apply", "-auto-approve", "-lock=false"]).await.failure().says("422");
        Client::new(&ruled.server, PATH).get().await.unwrap().expect(404);
        // What it made is in errored.tfstate, and can be pushed under a lock.
        cli.ok(&["state", "push", "errored.tfstate"]).await;
        cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
    }
}

#[tokio::test]
async fn encrypted_only() {
    for mut cli in Cli::both() {
        let ruled = Ruled::by("encrypted-only", "configuration = \"keep = false\"").await;
        set_up(&mut cli, &ruled.server, PATH).await;
        cli.run(&["apply", "-auto-approve"]).await.failure().says("422");
        Client::new(&ruled.server, PATH).get().await.unwrap().expect(404);
        if cli.is_tofu() {
            cli.write(
                "encryption.tf",
                "terraform {\n  encryption {\n    key_provider \"pbkdf2\" \"key\" {\n      \
                 passphrase = \"correct-horse-battery-staple\"\n    }\n    method \"aes_gcm\" \"method\" {\n      \
                 keys = key_provider.pbkdf2.key\n    }\n    state {\n      method = method.aes_gcm.method\n    }\n  }\n}\n",
            );
            cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete!");
            let stored = Client::new(&ruled.server, PATH).get().await.unwrap().expect(200);
            assert!(String::from_utf8_lossy(&stored.body).contains("encrypted_data"));
        }
    }
}

#[tokio::test]
async fn deletion_guard() {
    for mut cli in Cli::both() {
        let ruled = Ruled::by("deletion-guard", "needs = [\"resources\"]\nconfiguration = \"max-removed = 2\"").await;
        set_up(&mut cli, &ruled.server, PATH).await;
        cli.resources(6, "one");
        cli.ok(&["apply", "-auto-approve"]).await.says("6 added");
        cli.resources(4, "one");
        cli.ok(&["apply", "-auto-approve"]).await.says("2 destroyed");
        cli.resources(1, "one");
        cli.run(&["apply", "-auto-approve"]).await.failure().says("422");
    }
    // Enforced it comes too late; as a warning it lets the state be written.
    let mut cli = Cli::tofu();
    let entry = "mode = \"warn\"\nneeds = [\"resources\"]\nconfiguration = \"max-removed = 2\"";
    let warned = Ruled::by("deletion-guard", entry).await;
    set_up(&mut cli, &warned.server, PATH).await;
    cli.resources(6, "one");
    cli.ok(&["apply", "-auto-approve"]).await;
    cli.resources(1, "one");
    cli.ok(&["apply", "-auto-approve"]).await.says("5 destroyed");
}

/// A run without a lock that has read a state, and writes when others have gone on: its state is older than the one
/// that is there.
#[tokio::test]
async fn lineage_guard() {
    for (mut slow, mut others) in Cli::both().into_iter().zip(Cli::both()) {
        let ruled = Ruled::by("lineage-guard", "").await;
        set_up(&mut others, &ruled.server, PATH).await;
        others.ok(&["apply", "-auto-approve"]).await;

        set_up(&mut slow, &ruled.server, PATH).await;
        let gate = Gate::new();
        gate.build_into(&slow);
        let mut run = slow.start(&["apply", "-auto-approve", "-lock=false"]);
        gate.reached(&mut run).await;
        for input in ["two", "three", "four"] {
            others.resources(2, input);
            others.ok(&["apply", "-auto-approve"]).await;
        }
        let latest = Client::new(&ruled.server, PATH).get().await.unwrap().expect(200);
        gate.open();
        run.finish().await.failure().says("422");
        let kept = Client::new(&ruled.server, PATH).get().await.unwrap().expect(200);
        assert!(kept.body == latest.body, "the older state was written over the later");

        // A state of another lineage is pushed on purpose.
        slow.write("other.tfstate", r#"{"version":4,"serial":1,"lineage":"another","outputs":{},"resources":[]}"#);
        drop(slow.run(&["state", "push", "other.tfstate"]).await.failure());
        slow.ok(&["state", "push", "-force", "other.tfstate"]).await;
    }
}
