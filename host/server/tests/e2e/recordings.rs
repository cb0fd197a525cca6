//! A real run is recorded, replayed with the same replies, and nothing secret is in what was recorded.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use tofu_state_sandbox::Sandbox;
use tofu_state_sandbox::recording::{Call, Recording};
use tofu_state_testing::bao::Bao;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::server::TOKEN;

use crate::common::{server, set_up};
use crate::policy_command::{fails, succeeds, tofu_state};
use crate::wire::{Client, lock_info};

/// Stand in the states, in a LockInfo, in a query.
const IN_A_STATE: &str = "marker-in-a-state-7d1f";
const IN_A_LOCK: &str = "marker-in-a-lock-93ab";
const IN_A_QUERY: &str = "marker-in-a-query-55e0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_run_is_recorded_and_replayed() {
    let bao = Bao::dev().await;
    let mut server = server().openbao(&bao.address(), bao.token()).argument("--record=recordings").start().await;
    let mut cli = Cli::tofu();
    set_up(&mut cli, &server, "team/app").await;
    cli.write("marker.tf", &format!("resource \"terraform_data\" \"marker\" {{\n  input = \"{IN_A_STATE}\"\n}}\n"));
    cli.ok(&["apply", "-auto-approve"]).await;
    let client = Client::new(&server, "team/app");
    let state = client.get().await.unwrap().expect(200).body;
    assert!(String::from_utf8_lossy(&state).contains(IN_A_STATE), "the marker is where it belongs");
    let info = lock_info("by-hand").replace("\"Info\":\"\"", &format!("\"Info\":\"{IN_A_LOCK}\""));
    assert!(info.contains(IN_A_LOCK));
    client.send("LOCK", "", info).await.unwrap().expect(200);
    client.lock("another").await.unwrap().expect(409);
    client.send("POST", &format!("?ID=another&x={IN_A_QUERY}"), state.clone()).await.unwrap().expect(409);
    client.send("POST", "?ID=by-hand", format!("{IN_A_STATE}: no state")).await.unwrap().expect(400);
    client.send("UNLOCK", "", "").await.unwrap().expect(200);
    // A refused state, and what the recovery API does with it; and what a lock is answered there.
    let refused = String::from_utf8(state.to_vec()).unwrap().replace("\"lineage\":\"", "\"lineage\":\"another-");
    let sha256 = hex::encode(Sha256::digest(&refused));
    client.send("POST", "", refused).await.unwrap().expect(422);
    Client::new(&server, "-/v1/lock/team/app").get().await.unwrap().expect(200);
    let quarantined = Client::new(&server, "-/v1/quarantined/team/app");
    client.lock("accepting").await.unwrap().expect(200);
    quarantined.send("POST", &format!("?sha256={sha256}&id=accepting"), "").await.unwrap().expect(422);
    Client::new(&server, "-/v1/lock/team/app").get().await.unwrap().expect(200);
    let overruling = format!("?sha256={sha256}&id=accepting&overrule=true");
    quarantined.send("POST", &overruling, "").await.unwrap().expect(200);
    assert!(server.terminate().await.success(), "{}", server.log());

    let folder = server.folder().join("recordings");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let recordings: Vec<Recording> = files
        .iter()
        .map(|file| {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
            let text = fs::read_to_string(file).unwrap();
            for secret in [IN_A_STATE, IN_A_LOCK, IN_A_QUERY, TOKEN, "by-hand@test", "terraform_data"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
            assert!(!text.to_lowercase().contains("authorization"), "{text}");
            Recording::read(text.as_bytes()).unwrap()
        })
        .collect();
    let count = |method: &str| recordings.iter().filter(|one| one.request.method == method).count();
    assert!(count("LOCK") >= 3 && count("POST") >= 3 && count("UNLOCK") >= 2 && count("GET") >= 2, "{files:?}");
    let writes = recordings.iter().flat_map(|one| &one.calls).filter(|made| matches!(made.call, Call::PutCas { .. }));
    assert!(writes.count() >= 5);

    // Without policies; what one refused is replayed by the command, which has those of the server.
    let sandbox = Sandbox::built_in().unwrap();
    let is_refused = |one: &Recording| one.reply.as_ref().is_some_and(|reply| reply.status == 422);
    let refused: Vec<_> = recordings.iter().zip(&files).filter(|(one, _)| is_refused(one)).collect();
    assert_eq!(refused.len(), 2, "{files:?}");
    for (_, file) in refused {
        let told = succeeds(tofu_state(server.folder(), &["sandbox", "replay", &file.display().to_string()]));
        assert!(told.contains("reply: 422 (denied)\nthe same as was recorded"), "{told}");
    }
    for recording in recordings.iter().filter(|one| !is_refused(one)) {
        let replayed = sandbox.replay_recording(recording).unwrap();
        let told = serde_json::to_string_pretty(recording).unwrap();
        assert!(replayed.differences.is_empty(), "{:#?} of {told}", replayed.differences);
    }

    // On the command line, as it is and as it is not.
    let written = recordings
        .iter()
        .position(|one| one.request.method == "POST" && one.reply.as_ref().is_some_and(|reply| reply.status == 200));
    let file = files[written.unwrap()].display().to_string();
    let told = succeeds(tofu_state(server.folder(), &["sandbox", "replay", &file]));
    assert!(told.contains("POST /team/app") && told.contains("the same as was recorded"), "{told}");
    let changed = fs::read_to_string(&file).unwrap().replace("\"status\": 200", "\"status\": 409");
    let other = server.folder().join("changed.json");
    fs::write(&other, changed).unwrap();
    let told = fails(tofu_state(server.folder(), &["sandbox", "replay", &other.display().to_string()]));
    assert!(told.contains("different: the reply's status: 200; recorded: 409"), "{told}");
}
