//! What stays of long applies, on both stores: the end of every run, whatever the runs after it pass through.

use std::collections::BTreeMap;

use serde_json::Value;
use tofu_state_testing::bao::Bao;
use tofu_state_testing::server::{Server, http};

use crate::common::server;
use crate::wire::{Client, state};

/// `KEEP_VERSIONS`.
const KEPT: &str = "8";

/// How many states each run writes under its lock, some of them more than are kept.
const RUNS: [u64; 6] = [1, 1, 50, 1, 30, 7];

/// The revisions that can be had, with the serials of their states.
async fn versions(server: &Server) -> BTreeMap<u64, u64> {
    let ask = Client::with(http(), server.url("-/v1/versions/team/app?limit=500"));
    let page: Value = ask.get().await.unwrap().expect(200).json();
    assert!(page["next"].is_null(), "{page}");
    let told = page["versions"].as_array().unwrap().iter();
    // The first lock of all makes a version in which there is no state.
    let states = told.filter(|version| version["kind"] == "state");
    states.map(|version| (version["revision"].as_u64().unwrap(), version["serial"].as_u64().unwrap())).collect()
}

/// Writes the runs' states and returns the serial with which each run ended.
async fn run_all(server: &Server) -> Vec<u64> {
    let app = Client::new(server, "team/app");
    let (mut serial, mut ends) = (0, Vec::new());
    for (number, writes) in RUNS.into_iter().enumerate() {
        let id = format!("run-{number}");
        app.lock(&id).await.unwrap().expect(200);
        for _ in 0..writes {
            serial += 1;
            app.post(&state(serial, &[format!("serial {serial}")]), Some(&id)).await.unwrap().expect(200);
        }
        app.unlock(&id).await.unwrap().expect(200);
        ends.push(serial);
    }
    ends
}

/// The state of each of these serials can be had, byte for byte.
async fn can_be_had(server: &Server, versions: &BTreeMap<u64, u64>, serials: &[u64]) {
    for serial in serials {
        let (revision, _) = versions.iter().find(|(_, found)| *found == serial).unwrap();
        let content = Client::with(http(), server.url(&format!("-/v1/content/team/app?revision={revision}")));
        assert_eq!(
            content.get().await.unwrap().expect(200).body,
            state(*serial, &[format!("serial {serial}")]).to_string()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_keeps_the_end_of_every_run() {
    let server = server().set("KEEP_VERSIONS", KEPT).start().await;
    let ends = run_all(&server).await;
    let versions = versions(&server).await;
    // The last run may go on: what it has passed through is there as well.
    let serials: Vec<u64> = versions.values().copied().collect();
    assert_eq!(serials, [ends[..5].to_vec(), (ends[5] - 6..=ends[5]).collect()].concat());
    can_be_had(&server, &versions, &serials).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_keeps_the_end_of_every_run() {
    let bao = Bao::dev().await;
    let server = server().set("KEEP_VERSIONS", KEPT).openbao(&bao.address(), bao.token()).start().await;
    let ends = run_all(&server).await;
    let versions = versions(&server).await;
    can_be_had(&server, &versions, &ends).await;
}
