//! The recovery API of the real program on both stores, on OpenBao with no more rights than `chart/openbao/setup` gives:
//! versions of small and large states, and refused ones accepted and discarded; with what the audit says of it.

use serde_json::Value;
use sha2::{Digest, Sha256};
use tofu_state_testing::bao::Bao;
use tofu_state_testing::server::{Builder, Server, http};

use crate::common::server;
use crate::rights::setup;
use crate::wire::{Answer, Client, state};

/// One request below `/-/v1/`.
async fn ask(server: &Server, method: &str, target: &str, body: String) -> Answer {
    Client::with(http(), server.url(&format!("-/v1/{target}"))).send(method, "", body).await.unwrap()
}

async fn get(server: &Server, target: &str) -> Value {
    ask(server, "GET", target, String::new()).await.expect(200).json()
}

fn digest(state: &Value) -> String {
    hex::encode(Sha256::digest(state.to_string()))
}

/// Entries that no compression makes small, others for each seed: together more than OpenBao takes in one.
fn large(seed: u64) -> Vec<String> {
    (0..40_000_u64).map(|n| hex::encode(&Sha256::digest(((seed << 32) | n).to_le_bytes())[..20])).collect()
}

async fn recovers(builder: Builder) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let mut server = builder.set("AUDIT_LOG", &log).start().await;
    let network = Client::new(&server, "platform/network");
    let versions = [state(1, &["a".to_owned()]), state(2, &large(1)), state(3, &large(2)), state(4, &["b".to_owned()])];
    for version in &versions {
        network.post(version, None).await.unwrap().expect(200);
    }

    // Every version comes back, and what is told of it is true.
    let page = get(&server, "versions/platform/network").await;
    let told = page["versions"].as_array().unwrap();
    assert_eq!(told.len(), 4);
    for (told, version) in told.iter().rev().zip(&versions) {
        assert_eq!((&told["serial"], told["sha256"].as_str()), (&version["serial"], Some(&*digest(version))));
        let target = format!("content/platform/network?revision={}", told["revision"]);
        let content = ask(&server, "GET", &target, String::new());
        assert!(content.await.expect(200).body == version.to_string(), "{told}");
    }
    let oldest = &told[3]["revision"];
    let difference = get(&server, &format!("difference/platform/network?from={oldest}")).await;
    assert_eq!(difference["difference"]["outputs"][0]["from"], serde_json::json!(["a"]));
    assert_eq!(difference["difference"]["outputs"][0]["to"], serde_json::json!(["b"]));
    let listed = get(&server, "states?prefix=platform").await;
    assert_eq!(listed["states"][0]["path"], "platform/network");
    assert_eq!(listed["states"][0]["current"]["serial"], 4);

    // What the lineage guard refuses is kept, also where it is large.
    let mut refused = [state(9, &["c".to_owned()]), state(10, &large(3))];
    for refused in &mut refused {
        refused["lineage"] = "another".into();
        network.post(refused, None).await.unwrap().expect(422);
    }
    let [accepted, discarded] = refused;
    assert_eq!(get(&server, "quarantine").await["states"].as_array().unwrap().len(), 2);
    let at = |state: &Value, more: &str| format!("quarantined/platform/network?sha256={}{more}", digest(state));
    let read = ask(&server, "GET", &at(&discarded, ""), String::new()).await.expect(200);
    assert!(read.body == discarded.to_string());
    // Sent again, it is still one; discarded, it is none, also for who has not heard that it is done.
    network.post(&discarded, None).await.unwrap().expect(422);
    assert_eq!(get(&server, "quarantine").await["states"].as_array().unwrap().len(), 2);
    for _ in 0..2 {
        ask(&server, "DELETE", &at(&discarded, ""), String::new()).await.expect(204);
        ask(&server, "GET", &at(&discarded, ""), String::new()).await.expect(404);
        ask(&server, "POST", &at(&discarded, "&overrule=true"), String::new()).await.expect(404);
        assert_eq!(get(&server, "quarantine").await["states"].as_array().unwrap().len(), 1);
    }
    // And once more it may be refused, kept and discarded.
    network.post(&discarded, None).await.unwrap().expect(422);
    assert!(ask(&server, "GET", &at(&discarded, ""), String::new()).await.expect(200).body == discarded.to_string());
    ask(&server, "DELETE", &at(&discarded, ""), String::new()).await.expect(204);
    let lock = r#"{"reason":"accepting","id":"M"}"#;
    ask(&server, "POST", "lock/platform/network", lock.to_owned()).await.expect(200);
    ask(&server, "POST", &at(&accepted, ""), String::new()).await.expect(409);
    ask(&server, "POST", &at(&accepted, "&id=M"), String::new()).await.expect(422);
    ask(&server, "POST", &at(&accepted, "&id=M&overrule=true"), String::new()).await.expect(200);
    ask(&server, "DELETE", "lock/platform/network?id=M", String::new()).await.expect(200);
    assert_eq!(network.get().await.unwrap().expect(200).body, accepted.to_string());
    assert_eq!(get(&server, "quarantine").await["states"], serde_json::json!([]));

    let metrics = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("tofu_state_states_quarantined_total 4\n"), "as often as it was kept: {metrics}");

    assert!(server.terminate().await.success(), "{}", server.log());
    let text = std::fs::read_to_string(&log).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |operation: &str| {
        let records = records.iter().filter(|record| record["operation"] == operation);
        records.map(|record| record["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("accept"), ["no-state", "no-state", "locked", "denied", "done"], "{text}");
    assert_eq!(of("discard"), ["done", "replayed", "done"], "{text}");
    for operation in ["lock", "unlock"] {
        assert_eq!(of(operation), ["done"], "{operation}: {text}");
    }
    for reading in ["get", "list", "outputs", "difference"] {
        assert!(of(reading).is_empty(), "{reading}: {text}");
    }
    let done = records.iter().rfind(|record| record["operation"] == "accept").unwrap();
    assert_eq!(done["after"]["sha256"], digest(&accepted));
    assert_eq!(done["quarantined"], format!(".quarantine/platform/network/{}", digest(&accepted)));
    assert_eq!(done["policies"][0]["name"], "lineage-guard");
    assert_eq!(done["policies"][0]["verdict"], "deny");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_embedded_store() {
    recovers(server()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_openbao_with_the_rights_of_its_set_up() {
    let bao = Bao::raft().await;
    let (status, said) = setup(&bao, &["token"]).await;
    assert_eq!(status, Some(0), "{said}");
    let token = said.lines().find(|line| line.starts_with("s.")).unwrap();
    recovers(server().openbao(&bao.address(), token)).await;
}
