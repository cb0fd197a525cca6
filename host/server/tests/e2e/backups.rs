//! Backups of both stores: `tofu-state backup` and OpenBao's own snapshots bring states and locks back as they were.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use reqwest::Method;
use tempfile::TempDir;
use tofu_state_testing::bao::Bao;
use tofu_state_testing::process::eventually;
use tofu_state_testing::programs;
use tofu_state_testing::server::Server;

use crate::common::{PATIENCE, server};
use crate::large::large;
use crate::wire::{Client, state};

/// What the paths of a site hold: a small state under a lock, and a large one.
async fn fill(server: &Server) -> (Bytes, Bytes) {
    let small = Client::new(server, "team/small");
    small.lock("held").await.unwrap().expect(200);
    small.post(&state(1, &["secret".to_owned()]), Some("held")).await.unwrap().expect(200);
    let (large_client, content) = (Client::new(server, "team/large"), large(1, 12));
    large_client.send("POST", "", content.clone()).await.unwrap().expect(200);
    (small.get().await.unwrap().expect(200).body, content)
}

/// That the site holds what [`fill`] has put there.
async fn is_as_it_was(server: &Server, (small, large): &(Bytes, Bytes)) {
    let client = Client::new(server, "team/small");
    assert!(client.get().await.unwrap().expect(200).body == small, "the small state is another");
    assert!(
        Client::new(server, "team/large").get().await.unwrap().expect(200).body == large,
        "the large state is another"
    );
    client.lock("another").await.unwrap().expect(409);
    client.unlock("held").await.unwrap().expect(200);
    client.lock("another").await.unwrap().expect(200);
}

/// `tofu-state backup`: whether it went well, and what it said.
fn backup(data: &Path, arguments: &[&str], file: &Path) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tofu-state"));
    command.env_clear().env("DATA_DIR", data).arg("backup").args(arguments).arg(file);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_comes_back_with_its_states_and_locks() {
    let mut server = server().start().await;
    let before = fill(&server).await;
    let (data, elsewhere) = (server.folder().join("data"), TempDir::new().unwrap());
    let archive = elsewhere.path().join("states.tar");

    let (done, said) = backup(&data, &["create", "--to"], &archive);
    assert!(!done && said.contains("another tofu-state serves this folder"), "{said}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "a refused backup leaves nothing");

    assert!(server.terminate().await.success(), "{}", server.log());
    let (done, said) = backup(&data, &["create", "--to"], &archive);
    assert!(done && said.contains("documents"), "{said}");
    let (done, said) = backup(&data, &["restore", "--from"], &archive);
    assert!(!done && said.contains("already"), "{said}");

    std::fs::remove_dir_all(&data).unwrap();
    killed_in_the_middle(&data, &archive, elsewhere.path());
    let (done, said) = backup(&data, &["restore", "--from"], &archive);
    assert!(done && said.contains("restored"), "{said}");
    server.restart().await;
    is_as_it_was(&server, &before).await;
}

/// A restore that is killed when it has read half of the archive leaves no store.
fn killed_in_the_middle(data: &Path, archive: &Path, folder: &Path) {
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tofu-state"));
    command.env_clear().env("DATA_DIR", data).args(["backup", "restore", "--from"]).arg(&pipe);
    let mut restore = command.spawn().unwrap();
    let bytes = std::fs::read(archive).unwrap();
    // Blocks until the restore reads it, and again whenever the pipe is full.
    let mut into = OpenOptions::new().write(true).open(&pipe).unwrap();
    into.write_all(&bytes[..bytes.len() / 2]).unwrap();
    assert!(restore.try_wait().unwrap().is_none(), "it waits for the rest");
    restore.kill().unwrap();
    restore.wait().unwrap();
    assert!(data.exists() && !data.join("states.redb").exists());
}

fn snapshot(bao: &Bao, arguments: &[&str], file: &Path) {
    let mut command = Command::new(programs::bao());
    command.env_clear().env("HOME", file.parent().unwrap());
    command.env("BAO_ADDR", bao.address()).env("BAO_TOKEN", bao.token());
    let output = command.args(["operator", "raft", "snapshot"]).args(arguments).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raft_snapshot_of_openbao_brings_states_and_locks_back() {
    let bao = Bao::raft().await;
    let server = server().openbao(&bao.address(), bao.token()).start().await;
    let before = fill(&server).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("states.snap");
    snapshot(&bao, &["save"], &file);

    let small = Client::new(&server, "team/small");
    small.post(&state(2, &["after".to_owned()]), Some("held")).await.unwrap().expect(200);
    small.unlock("held").await.unwrap().expect(200);
    Client::new(&server, "team/large").send("DELETE", "", "").await.unwrap().expect(200);
    let (status, answer) = bao.api(Method::DELETE, "sys/mounts/states", None).await;
    assert!(status.is_success(), "{answer}");
    assert!(small.get().await.unwrap().status != 200, "the states are lost");

    snapshot(&bao, &["restore", "-force"], &file);
    bao.until_health(&[200]).await;
    // The server was not restarted. OpenBao mounts what it has restored a moment after it has answered.
    eventually("the restored store", PATIENCE, async || (small.get().await.ok()?.status == 200).then_some(())).await;
    is_as_it_was(&server, &before).await;
}
