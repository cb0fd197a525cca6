//! What concurrent clients of two servers on one OpenBao were answered, while all three are killed and paused, as
//! one server could have answered that does one thing after the other. `tools/historycheck` decides it (by porcupine).
#![allow(clippy::print_stdout, reason = "how much a run was about")]

mod faults;
mod history;
mod workload;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tofu_state_testing::bao::Bao;
use tofu_state_testing::process::eventually;
use tokio::task::JoinSet;

use self::history::{History, Verdict};
use self::workload::{Driver, Worker};
use crate::common::{PATIENCE, server};
use crate::wire::{lock_info, state};

/// States, and how many clients compete for each.
const PATHS: usize = 3;
const RIVALS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_two_servers_under_faults_are_linearizable() {
    let bao = Bao::raft().await;
    let one = || server().openbao(&bao.address(), bao.token()).set("STORE_WAIT", "1s").start();
    let servers = [one().await, one().await];
    let history = Arc::new(History::new());
    let mut workers = JoinSet::new();
    for number in 0..PATHS * RIVALS {
        let path = format!("team/path-{}", number % PATHS);
        let urls = [servers[0].url(&path), servers[1].url(&path)];
        workers.spawn(Worker::new(number, path, urls, Arc::clone(&history)).work());
    }
    faults::all(servers, bao, &history).await;
    history.is_over.store(true, Ordering::Relaxed);
    workers.join_all().await;

    let counted = history.counted();
    println!("{counted:?}");
    assert!(counted.breaks > 0 && counted.unknown > 0 && counted.writes > 100, "{counted:?}");
    history.judged_to_be(&Verdict::Linearizable);
}

/// A mutant that serves: what the check is for shows in what clients see of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_protocol_shows_in_its_history() {
    use tofu_state_mutants::Mutant;
    let folder = tempfile::TempDir::new().unwrap();
    let component =
        tofu_state_mutants::component(tofu_state_component::testing::MUTANTS, Mutant::DeleteWithoutHolderCheck)
            .unwrap();
    let file = folder.path().join("mutant.wasm");
    std::fs::write(&file, &component).unwrap();
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&component));
    let server = server().set("PROTOCOL_COMPONENT", format!("{}@sha256:{digest}", file.display())).start().await;

    let history = Arc::new(History::new());
    let url = server.url("team/app");
    let clients: Vec<_> = (0..2)
        .map(|number| Driver::new(number, "team/app".to_owned(), [url.clone(), url.clone()], Arc::clone(&history)))
        .collect();
    let first = state(1, &["first".to_owned()]);
    clients[0].ask("LOCK", "holder", "", "LOCK", "", lock_info("holder")).await.known(200);
    clients[0].ask("POST", "holder", "first", "POST", "?ID=holder", first.to_string()).await.known(200);
    clients[0].ask("GET", "", "", "GET", "", String::new()).await.known(200);
    history.judged_to_be(&Verdict::Linearizable);
    clients[1].ask("DELETE", "other", "", "DELETE", "?ID=other", String::new()).await.known(200);
    clients[0].ask("GET", "", "", "GET", "", String::new()).await.known(404);
    history.judged_to_be(&Verdict::Wrong("not linearizable"));
}

/// Waits until `count` has grown by `more`.
async fn until_more(what: &str, count: &std::sync::atomic::AtomicUsize, more: usize) {
    let enough = count.load(Ordering::Relaxed) + more;
    eventually(what, PATIENCE, async || (count.load(Ordering::Relaxed) >= enough).then_some(())).await;
}
