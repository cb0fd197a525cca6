//! States far beyond what one entry of OpenBao takes, through the real server.

use bytes::Bytes;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::secrets::IN_A_STATE;

use crate::common::{Site, set_up};
use crate::wire::Client;

/// A state of at least `megabytes`, as a CLI would write it: many small resources, no two alike.
pub(crate) fn large(serial: u64, megabytes: usize) -> Bytes {
    use std::fmt::Write;
    let mut text = format!(
        r#"{{"version":4,"terraform_version":"1.12.6","serial":{serial},"lineage":"large","outputs":{{"sensitive":{{"value":"{IN_A_STATE}","type":"string","sensitive":true}}}},"resources":["#
    );
    let mut seed = serial;
    let mut number = 0u64;
    while text.len() < megabytes << 20 {
        // Knuth's multiplicative generator: enough to keep the IDs from compressing away.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let comma = if number == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"mode":"managed","type":"terraform_data","name":"r{number}","instances":[{{"attributes":{{"id":"{seed:016x}"}}}}]}}"#
        )
        .unwrap();
        number += 1;
    }
    text.push_str("]}");
    text.into()
}

async fn comes_back(mut site: Site) {
    let client = Client::new(&site.server, "large/state");
    client.lock("run").await.unwrap().expect(200);
    let mut last = Bytes::new();
    for (serial, megabytes) in [(1, 2), (2, 50), (3, 5)] {
        let state = large(serial, megabytes);
        client.send("POST", "?ID=run", state.clone()).await.unwrap().expect(200);
        assert!(client.get().await.unwrap().expect(200).body == state, "{megabytes} MB came back as something else");
        // A retry of the CLI's, and a fence, do not disturb it.
        client.send("POST", "?ID=run", state.clone()).await.unwrap().expect(200);
        last = state;
    }
    client.send("UNLOCK", "", "").await.unwrap().expect(200);
    assert!(client.get().await.unwrap().expect(200).body == last, "after the lock was broken");
    site.server.restart().await;
    let client = Client::new(&site.server, "large/state");
    assert!(client.get().await.unwrap().expect(200).body == last, "after a restart");
    let too_large = large(4, 65);
    client.send("POST", "", too_large).await.unwrap().expect(413);
    assert!(client.get().await.unwrap().expect(200).body == last, "after a refusal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_megabytes_on_the_embedded_store() {
    comes_back(Site::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_megabytes_on_openbao_with_raft() {
    comes_back(Site::raft().await).await;
}

/// So many hexadecimal digits, none to be told from those before it.
pub(crate) fn digits(count: usize) -> String {
    use sha2::{Digest, Sha256};
    let blocks = (0u64..).flat_map(|number| Sha256::digest(number.to_be_bytes()));
    hex::encode(blocks.take(count / 2).collect::<Vec<u8>>())
}

/// What OpenBao's one entry would not take, written and read by a CLI.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_whose_state_is_larger_than_an_entry() {
    let site = Site::raft().await;
    let mut cli = Cli::tofu();
    set_up(&mut cli, &site.server, "large/applied").await;
    // Digits without a pattern, twice in the state (input and output): they compress to half at best. From a file,
    // because a list of as many keeps the CLI itself busy for minutes.
    cli.write("digits", &digits(1_900_000));
    cli.write("large.tf", r#"resource "terraform_data" "large" { input = file("${path.module}/digits") }"#);
    cli.ok(&["apply", "-auto-approve"]).await;
    cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
    let state = Client::new(&site.server, "large/applied").get().await.unwrap().expect(200).body;
    assert!(state.len() > 2 << 20, "{}", state.len());
    cli.ok(&["destroy", "-auto-approve"]).await;
}
