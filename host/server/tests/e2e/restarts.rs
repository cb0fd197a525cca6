//! A rolling restart of two servers behind a balancer, and an end that is bounded, while clients go on.
//!
//! The clients repeat as the CLIs do: a request that gets no answer, or a 5xx, up to twice more. A lock, a write
//! or a release that is repeated must be answered as the first one was, or the restart would show.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tofu_state_testing::bao::Bao;
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::cluster::RoundRobin;
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::{Server, http};

use crate::common::{PATIENCE, server, set_up};
use crate::wire::{Answer, Client, serial, state};

/// How many clients cycle.
const CLIENTS: usize = 8;
/// How often each server is restarted.
const RESTARTS: usize = 2;
/// How often the CLIs' client repeats a request, and its shortest and longest pause (go-retryablehttp, as the
/// http backend sets it: retry_max 2, retry_wait_min 1 s).
const REPEATS: usize = 2;
/// See [`REPEATS`].
const PAUSE: Duration = Duration::from_secs(1);

/// What the clients have lived through.
#[derive(Default)]
struct Seen {
    cycles: AtomicUsize,
    repeated: AtomicUsize,
    done: AtomicBool,
}

/// Makes a request as the CLIs do.
async fn patiently(seen: &Seen, mut ask: impl AsyncFnMut() -> Result<Answer, reqwest::Error>) -> Answer {
    let mut last = None;
    for attempt in 0..=REPEATS {
        if attempt > 0 {
            seen.repeated.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
        match ask().await {
            Ok(answer) if answer.status < 500 => return answer,
            other => last = Some(other),
        }
    }
    panic!("no retry helped: {last:?}");
}

async fn cycles(client: Client, number: usize, seen: &Seen) -> u64 {
    let mut written = 0;
    while !seen.done.load(Ordering::Relaxed) {
        let id = format!("client-{number}-{written}");
        patiently(seen, async || client.lock(&id).await).await.expect(200);
        let found = patiently(seen, async || client.get().await).await;
        // Nothing that was acknowledged is lost.
        let before = if found.status == 404 { 0 } else { serial(&found.expect(200).json()) };
        assert_eq!(before, written);
        written += 1;
        patiently(seen, async || client.post(&state(written, &[]), Some(&id)).await).await.expect(200);
        patiently(seen, async || client.unlock(&id).await).await.expect(200);
        seen.cycles.fetch_add(1, Ordering::Relaxed);
    }
    written
}

/// Restarts both servers in turn while the clients cycle through the balancer.
async fn rolling_restart(servers: &mut [Server; 2], client: impl Fn(usize) -> Client) {
    let seen = Seen::default();
    let more_cycles = async || {
        let enough = seen.cycles.load(Ordering::Relaxed) + CLIENTS;
        eventually("cycles", PATIENCE, async || (seen.cycles.load(Ordering::Relaxed) >= enough).then_some(())).await;
    };
    let restarts = async {
        for _ in 0..RESTARTS {
            for server in servers.iter_mut() {
                more_cycles().await;
                assert!(server.terminate().await.success(), "{}", server.log());
                more_cycles().await;
                server.restart().await;
            }
        }
        more_cycles().await;
        seen.done.store(true, Ordering::Relaxed);
    };
    let clients = join_all((0..CLIENTS).map(|number| cycles(client(number), number, &seen)));
    let (written, ()) = tokio::join!(clients, restarts);
    for (number, written) in written.into_iter().enumerate() {
        let last = client(number).get().await.unwrap().expect(200).json();
        assert_eq!(serial(&last), written, "{} requests were repeated", seen.repeated.load(Ordering::Relaxed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_behind_a_balancer_is_hidden_by_retries() {
    let bao = Bao::raft().await;
    let start = async || server().openbao(&bao.address(), bao.token()).start().await;
    let mut servers = [start().await, start().await];
    let balancer = RoundRobin::start(&servers.each_ref().map(Server::host_and_port)).await;
    let url = balancer.address();
    rolling_restart(&mut servers, |number| Client::with(http(), format!("{url}/team/client-{number}"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_over_http_2() {
    let (bao, authority, folder) = (Bao::raft().await, Authority::new(), tempfile::tempdir().unwrap());
    let files = authority.issue().write(folder.path());
    let start = async || server().openbao(&bao.address(), bao.token()).tls(files.clone()).start().await;
    let mut servers = [start().await, start().await];
    let balancer = RoundRobin::start(&servers.each_ref().map(Server::host_and_port)).await;
    let url = balancer.address().replace("http:", "https:");
    // One connection for all of them, as a proxy would have it.
    let shared = authority.http();
    rolling_restart(&mut servers, |number| Client::with(shared.clone(), format!("{url}/team/client-{number}"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applies_go_on_through_a_rolling_restart() {
    let bao = Bao::raft().await;
    let start = async || server().openbao(&bao.address(), bao.token()).start().await;
    let mut servers = [start().await, start().await];
    let balancer = RoundRobin::start(&servers.each_ref().map(Server::host_and_port)).await;
    let mut clis = Cli::both();
    for cli in &mut clis {
        let path = format!("team/{}", cli.name());
        set_up(cli, &servers[0], &path).await;
        cli.backend(&tofu_state_testing::cli::Backend::new(&format!("{}/{path}", balancer.address())));
        cli.ok(&["init", "-reconfigure"]).await;
    }
    let restarts = async {
        for server in &mut servers {
            assert!(server.terminate().await.success(), "{}", server.log());
            server.restart().await;
        }
    };
    let applies = async {
        for round in 0..3 {
            for cli in &clis {
                cli.resources(2, &format!("round {round}"));
                cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete!");
            }
        }
    };
    tokio::join!(restarts, applies);
    for cli in &clis {
        cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_what_is_in_flight_and_ends_in_time() {
    let mut bao = Bao::raft().await;
    let mut server = server().openbao(&bao.address(), bao.token()).set("STORE_WAIT", "20s").start().await;
    let client = Client::new(&server, "team/app");
    client.post(&state(1, &[]), None).await.unwrap().expect(200);
    // OpenBao hangs: a write waits for it.
    bao.process().pause();
    let writing = tokio::spawn(async move { client.post(&state(2, &[]), None).await });
    eventually("the write in flight", PATIENCE, async || {
        let metrics = http().get(server.admin_url("metrics")).send().await.ok()?.text().await.ok()?;
        metrics.contains("tofu_state_requests_in_flight 1").then_some(())
    })
    .await;
    let begun = Instant::now();
    server.process().terminate();
    eventually("the drain", PATIENCE, async || server.log().contains("requests in flight are finished").then_some(()))
        .await;
    bao.process().resume();
    // What was in flight gets its answer, whatever that is, and then the server ends in good order.
    let answer = writing.await.unwrap().unwrap();
    assert!([200, 503].contains(&answer.status), "{answer:?}");
    assert!(server.process().exited(PATIENCE).await.success(), "{}", server.log());
    assert!(begun.elapsed() < Duration::from_secs(70), "its deadline with these settings");
}
