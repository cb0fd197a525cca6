//! `state quarantine`: states that a policy refused, seen, pulled, accepted and discarded.

use super::run;
use crate::common::server;
use crate::wire::{Client, state};

const PATH: &str = "team/app";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_states_are_in_a_persons_hands() {
    let server = server().start().await;
    let client = Client::new(&server, PATH);
    client.post(&state(5, &[]), None).await.unwrap().expect(200);
    let (mut foreign, older) = (state(7, &["of another project".to_owned()]), state(4, &[]));
    foreign["lineage"] = "another".into();
    for refused in [&foreign, &older] {
        client.post(refused, None).await.unwrap().expect(422);
    }

    let listed = run(&server, &["state", "quarantine", "list", "team", "--json"]).await.success().json();
    let digest = |serial: u64| {
        let found = listed.as_array().unwrap().iter().find(|refused| refused["serial"] == serial).unwrap();
        found["sha256"].as_str().unwrap().to_owned()
    };
    let (foreign_digest, older_digest) = (digest(7), digest(4));
    let table = run(&server, &["state", "quarantine", "list"]).await.success().text();
    assert!(table.contains(&foreign_digest[..12]) && table.contains("lineage-guard"), "{table}");
    assert!(table.ends_with("2 refused states\n"), "{table}");

    let pulled = run(&server, &["state", "quarantine", "pull", PATH, &foreign_digest[..12]]).await.success();
    assert_eq!(pulled.stdout, foreign.to_string().into_bytes());
    run(&server, &["state", "quarantine", "pull", PATH, "00000000"]).await.failure("no refused state begins with");
    run(&server, &["state", "quarantine", "pull", PATH, "00"]).await.failure("6 digits or more");

    // Nobody said yes; the policy still says no; and somebody overrules it.
    let accept = ["state", "quarantine", "accept", PATH, &foreign_digest[..12]];
    run(&server, &accept).await.failure("in place of revision").failure("say --yes");
    run(&server, &[&accept[..], &["--yes"]].concat()).await.failure("lineage-guard denies").failure("say --overrule");
    assert_eq!(client.get().await.unwrap().expect(200).json(), state(5, &[]));
    run(&server, &[&accept[..], &["--yes", "--overrule"]].concat()).await.success();
    assert_eq!(client.get().await.unwrap().expect(200).json(), foreign);

    let discard = ["state", "quarantine", "discard", PATH, &older_digest[..12]];
    run(&server, &discard).await.failure("for good").failure("say --yes");
    run(&server, &[&discard[..], &["--yes"]].concat()).await.success();
    let left = run(&server, &["state", "quarantine", "list", "--json"]).await.success().json();
    assert_eq!(left, serde_json::json!([]));
    client.lock("probe").await.unwrap().expect(200);
}
