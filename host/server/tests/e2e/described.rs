//! `docs/openapi.yaml` against the running server: schemathesis (<https://schemathesis.readthedocs.io>) makes requests
//! of it, good and bad ones, and checks every answer against what the description promises.

use std::process::Command;

use sha2::{Digest, Sha256};
use tofu_state_testing::process::Process;
use tofu_state_testing::server::{Server, TOKEN};

use crate::common::{PATIENCE, server};
use crate::wire::{Client, state};

/// What is not looked at. `ignored_auth` has its own tests, in which every caller has other rights; unsupported methods
/// are the CLIs' own on the same port. And what no schema can say: one of two parameters of a release must be there.
const EXCEPTIONS: &str = r#"
[checks]
unsupported_method.enabled = false
ignored_auth.enabled = false

[[operations]]
include-operation-id = "releaseLock"
checks.positive_data_acceptance.enabled = false
"#;

/// The digest that the description gives as an example.
const EXAMPLE_DIGEST: &str = "56908cd916e388d9b2db8314418a329ae2bad3dc18c4782f3f66c3e2ecf5bbe5";

/// The folder of the tools' Python environment.
async fn environment() -> String {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/python-env"));
    command.env_clear().envs(std::env::vars_os());
    let mut process = Process::start(command);
    let status = process.exited(PATIENCE).await;
    assert!(status.success(), "tools/python-env: {}", process.log());
    process.log().lines().last().unwrap().to_owned()
}

/// Something to find: versions, a deletion, a refused state, and one locked.
async fn fill(server: &Server) -> String {
    let network = Client::new(server, "platform/network");
    for serial in 1..=4 {
        let entries: Vec<String> = (0..serial).map(|n| format!("entry-{n}")).collect();
        network.post(&state(serial, &entries), None).await.unwrap().expect(200);
    }
    let mut refused = state(9, &[]);
    refused["lineage"] = "another".into();
    network.post(&refused, None).await.unwrap().expect(422);
    let gone = Client::new(server, "platform/gone");
    gone.post(&state(1, &[]), None).await.unwrap().expect(200);
    gone.send("DELETE", "", "").await.unwrap().expect(200);
    Client::new(server, "platform/locked").lock("held-by-a-run").await.unwrap().expect(200);
    hex::encode(Sha256::digest(refused.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_does_what_its_description_says() {
    let environment = environment().await;
    let mut server = server().start().await;
    let sha256 = fill(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let description = include_str!("../../../../docs/openapi.yaml");
    assert!(description.contains(EXAMPLE_DIGEST), "the test and the description have parted");
    let file = folder.path().join("openapi.yaml");
    std::fs::write(&file, description.replace(EXAMPLE_DIGEST, &sha256)).unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), EXCEPTIONS).unwrap();
    let mut command = Command::new(format!("{environment}/bin/schemathesis"));
    command.arg("run").arg(&file).current_dir(folder.path());
    command.args([
        "--url",
        server.url("").trim_end_matches('/'),
        "--header",
        &format!("Authorization: Bearer {TOKEN}"),
    ]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "30", "--seed", "7"]);
    command.args(["--continue-on-failure", "--generation-database", "none", "--suppress-health-check", "all"]);
    let mut fuzzing = Process::start(command);
    let status = fuzzing.exited(PATIENCE).await;
    assert!(status.success(), "{}", fuzzing.log());
    assert!(server.terminate().await.success(), "{}", server.log());
    let log = server.log();
    assert!(!log.contains("\"ERROR\"") && !log.contains("panicked"), "{log}");
}
