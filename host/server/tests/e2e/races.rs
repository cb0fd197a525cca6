//! Many clients at once, through several server processes on one OpenBao.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tofu_state_testing::bao::Bao;
use tofu_state_testing::server::Server;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::common::{Site, server};
use crate::wire::{Client, entries, serial, state};

/// How many clients want one lock at the same moment.
const RIVALS: usize = 32;
/// How many clients do cycles, and how many cycles they do together.
const CLIENTS: usize = 8;
const CYCLES: usize = 1000;

/// Lets [`RIVALS`] clients, spread over the servers, LOCK one path at once: one wins, and all others learn who.
pub(crate) async fn lock_race(servers: &[Server], path: &str) {
    static RACES: AtomicUsize = AtomicUsize::new(0);
    let race = RACES.fetch_add(1, Ordering::Relaxed);
    let start = Arc::new(Barrier::new(RIVALS));
    let mut rivals = JoinSet::new();
    for number in 0..RIVALS {
        let client = Client::new(&servers[number % servers.len()], path);
        let start = Arc::clone(&start);
        rivals.spawn(async move {
            // A new ID each time: the one just released is refused, as a late duplicate.
            let id = format!("rival-{number}-of-race-{race}");
            start.wait().await;
            let answer = client.lock(&id).await.unwrap();
            (id, answer)
        });
    }
    let (won, lost): (Vec<_>, Vec<_>) =
        rivals.join_all().await.into_iter().partition(|(_, answer)| answer.status == 200);
    assert_eq!(won.len(), 1, "{won:?}");
    let winner = &won[0].0;
    for (_, answer) in lost {
        let info = answer.expect(409).json();
        assert_eq!(info["ID"], winner.as_str());
        assert_eq!(info["Who"], format!("{winner}@test"));
    }
    Client::new(&servers[0], path).unlock(winner).await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_32_gets_the_lock_through_two_servers() {
    let bao = Bao::dev().await;
    let servers = two_servers(&bao).await;
    // On a path that is new, and again after each release.
    for _ in 0..5 {
        lock_race(&servers, "team/app").await;
    }
}

async fn two_servers(bao: &Bao) -> [Server; 2] {
    let one = || server().openbao(&bao.address(), bao.token()).start();
    [one().await, one().await]
}

/// Lock, read, write what was read and one entry more, unlock.
async fn cycle(client: &Client, entry: &str) {
    loop {
        let answer = client.lock(entry).await.unwrap();
        if answer.status == 200 {
            break;
        }
        answer.expect(409);
        // Somebody else holds it: looked at again, as the CLI does with -lock-timeout.
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let answer = client.get().await.unwrap();
    let (was, mut all) = if answer.status == 404 {
        (0, Vec::new())
    } else {
        let present = answer.expect(200).json();
        (serial(&present), entries(&present))
    };
    assert_eq!(u64::try_from(all.len()).unwrap(), was, "an update is missing before {entry}");
    all.push(entry.to_owned());
    client.post(&state(was + 1, &all), Some(entry)).await.unwrap().expect(200);
    client.unlock(entry).await.unwrap().expect(200);
}

/// Does [`CYCLES`] cycles on this many paths and checks that none was lost.
async fn cycles(servers: &[Server], paths: usize) {
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client::new(&servers[number % servers.len()], &format!("team/path-{}", number % paths));
        tasks.spawn(async move {
            for round in 0..CYCLES / CLIENTS {
                cycle(&client, &format!("{number}.{round}")).await;
            }
        });
    }
    tasks.join_all().await;

    for path in 0..paths {
        let present = Client::new(&servers[0], &format!("team/path-{path}")).get().await.unwrap().expect(200).json();
        let mut found = entries(&present);
        assert_eq!(serial(&present), u64::try_from(CYCLES / paths).unwrap());
        found.sort();
        found.dedup();
        assert_eq!(found.len(), CYCLES / paths);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost_on_one_path_through_two_servers() {
    let bao = Bao::dev().await;
    cycles(&two_servers(&bao).await, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost_on_eight_paths_through_two_servers() {
    let bao = Bao::dev().await;
    cycles(&two_servers(&bao).await, CLIENTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost_on_the_embedded_store() {
    let site = Site::embedded().await;
    let servers = [site.server];
    lock_race(&servers, "team/app").await;
    cycles(&servers, 1).await;
}
