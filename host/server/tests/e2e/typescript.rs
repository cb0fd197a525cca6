//! A policy module that is not written in Rust: its WIT is enough. It is built of npm's packages, has an interpreter
//! and three memories, and is used as any other.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tofu_state_component::policies::contract::{Caller, Change, Context, Operation, Verdict};
use tofu_state_component::policies::{Limits as PolicyLimits, Needs, Unproven};
use tofu_state_component::{Allocation, Engine, Failure, Limits};
use tofu_state_testing::cli::Cli;
use tofu_state_testing::example::typescript_module;

use crate::common::{server, set_up};
use crate::policy_command::{fails, succeeds, tofu_state};
use crate::wire::Client;

const OWNERS: &str = r#"{ "platform/": ["release"] }"#;

/// Limits that nothing meets that is not endless: in a build without optimisation all of it is slow.
fn wide() -> PolicyLimits {
    PolicyLimits { computing: Duration::from_secs(60), ..PolicyLimits::default() }
}

fn apply_by(name: &str) -> Change {
    Change {
        operation: Operation::Lock,
        path: "platform/network".to_owned(),
        caller: Caller { name: name.to_owned(), named: true },
        lock: None,
        current: None,
        proposed: None,
        overwrite: None,
        received: 1_700_000_000_000,
    }
}

/// Reviews at once are more than there are memories for: each has its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_memories_count_together_and_are_waited_for() {
    const REVIEWS: usize = 80;
    let bytes = std::fs::read(typescript_module()).unwrap();
    // Without the pool: `policy check` and `policy test`, below.
    let engine = Engine::new(Limits { allocation: Some(Allocation::Pooling), ..Limits::default() }).unwrap();
    let module = tokio::task::block_in_place(|| {
        let module = engine.load_policy(&bytes).unwrap();
        assert_eq!(module.prove(OWNERS, Needs::default(), &wide()).unwrap(), 3);
        let starved = PolicyLimits { memory_bytes: 512 << 10, ..wide() };
        match module.prove(OWNERS, Needs::default(), &starved) {
            Err(Unproven::Failed(_, Failure::Trapped(_) | Failure::OutOfMemory(_))) => {}
            other => panic!("{other:?}"),
        }
        module
    });
    let context = Context { configuration: OWNERS.to_owned(), resources: None };
    let began = Instant::now();
    let reviews = (0..REVIEWS).map(|number| {
        let (module, context) = (module.clone(), context.clone());
        tokio::spawn(async move {
            let by = if number % 2 == 0 { "release" } else { "ci" };
            (by, module.review(&apply_by(by), &context, &wide(), None, None).await.unwrap())
        })
    });
    for review in join_all(reviews).await {
        let (by, verdict) = review.unwrap();
        assert_eq!(matches!(verdict, Verdict::Allow(_)), by == "release", "{by}: {verdict:?}");
    }
    eprintln!("{REVIEWS} reviews by the module in TypeScript, all at once: {:?}", began.elapsed());
}

#[tokio::test]
async fn it_is_checked_tested_and_judges_real_runs() {
    let module = typescript_module();
    let folder = TempDir::new().unwrap();
    std::fs::copy(module, folder.path().join("owners.wasm")).unwrap();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/policies/examples/typescript/cases.toml");
    let tested = succeeds(tofu_state(folder.path(), &["policy", "test", cases.to_str().unwrap()]));
    assert!(tested.contains("7 cases, 0 wrong"), "{tested}");

    let entry = succeeds(tofu_state(folder.path(), &["policy", "check", "owners.wasm"]));
    let policies = folder.path().join("policies.toml");
    std::fs::write(&policies, &entry).unwrap();
    let refused = fails(tofu_state(folder.path(), &["policy", "check", "policies.toml"]));
    assert!(refused.contains("the configuration is not JSON"), "{refused}");
    let entry = entry.replace("\"\"\"\n\"\"\"", &format!("'{OWNERS}'"));
    std::fs::write(&policies, entry + "\ntime = \"5s\"\n").unwrap();
    let listed = succeeds(tofu_state(folder.path(), &["policy", "check", "policies.toml"]));
    assert!(listed.contains("owners") && listed.contains("policy-module"), "{listed}");

    let tokens = ["release", "ci"].map(|name| {
        let sha256 = hex::encode(Sha256::digest(token(name)));
        format!(
            "[[token]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\npaths = [\"**\"]\nrights = [\"read\", \"write\"]\n"
        )
    });
    let tokens_file = folder.path().join("tokens.toml");
    std::fs::write(&tokens_file, tokens.concat()).unwrap();
    let server = server().set("POLICY_FILE", policies).set("TOKENS_FILE", tokens_file).start().await;
    for mut cli in Cli::both() {
        set_up(&mut cli, &server, "platform/network").await;
        cli.set("TF_HTTP_PASSWORD", &token("ci"));
        cli.ok(&["plan"]).await.says("1 to add");
        let refused = cli.run(&["apply", "-auto-approve"]).await.failure();
        refused.says("policy/owners");
        if cli.is_tofu() {
            refused.says("platform/ is applied by release");
        }
        Client::new(&server, "platform/network").get().await.unwrap().expect(404);
        cli.set("TF_HTTP_PASSWORD", &token("release"));
        cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete!");
        cli.ok(&["destroy", "-auto-approve"]).await;
        Client::new(&server, "platform/network").send("DELETE", "", "").await.unwrap().expect(200);
    }
}

fn token(name: &str) -> String {
    format!("the-token-of-{name}-0123456789")
}
