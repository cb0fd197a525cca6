//! What hostile policies cost requests that have nothing to do with them: the same clients with and without an
//! attack, in one run. Times are printed (`--nocapture`), and compared by nobody: machines differ.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tofu_state_component::policies::{Chain, Entry, Limits as PolicyLimits, PolicyModule};
use tofu_state_component::testing::{FAULTY_POLICY, REACHING_POLICY, VAST_POLICY};
use tofu_state_component::{BUILT_IN, Engine, Limits as CallLimits};
use tofu_state_server::generations::{Generations, Parts};
use tofu_state_server::telemetry::Metrics;

use crate::support::{Connection, Options, Server, TOKEN, state};

/// What the policies do, each asked by an attacker of its own, without a pause.
const FAULTS: [(&str, &str); 6] = [
    ("endless", "loop"),
    ("trapping", "panic secret"),
    ("greedy", "eat"),
    ("recursive", "recurse"),
    ("giant-reason", "giant-reason 1000000000"),
    ("endless-labels", "labels 50000000"),
];

const CLIENTS: usize = 8;
const CYCLES: u64 = 20;

/// How often it is measured, without and with the attack in turn.
const ROUNDS: usize = 3;

fn chain(module: &PolicyModule) -> Chain {
    let limits = PolicyLimits { computing: Duration::from_millis(100), ..PolicyLimits::default() };
    let entries = FAULTS.map(|(name, configuration)| {
        let prefix = format!("{name}/");
        Entry {
            configuration: configuration.to_owned(),
            paths: Some(Arc::new(move |path: &str| path.starts_with(&prefix))),
            limits,
            ..Entry::new(name, module.clone())
        }
    });
    Chain::new(entries.into()).unwrap()
}

/// One request on a connection that is kept: its status, and how long it took.
async fn ask(connection: &mut Connection, method: &str, target: &str, body: &str) -> (u16, Duration) {
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n");
    let began = Instant::now();
    connection.send(format!("{head}content-length: {length}\r\n\r\n{body}")).await;
    (connection.answer().await.unwrap().status, began.elapsed())
}

/// All requests of one client in a round.
async fn cycles(address: SocketAddr, path: String) -> Vec<Duration> {
    let mut connection = Connection::open(address).await;
    let mut times = Vec::new();
    for serial in 1..=CYCLES {
        let lock = format!(r#"{{"ID":"{serial}"}}"#);
        let write = format!("{path}?ID={serial}");
        let body = state(serial, 2000);
        for (method, target, body) in [
            ("LOCK", &path, lock.as_str()),
            ("GET", &path, ""),
            ("POST", &write, body.as_str()),
            ("UNLOCK", &path, lock.as_str()),
        ] {
            let (status, time) = ask(&mut connection, method, target, body).await;
            let expected = if method == "GET" && serial == 1 { 404 } else { 200 };
            assert_eq!(status, expected, "{method} {target}");
            times.push(time);
        }
    }
    times
}

/// The times of all clients' requests in a round, in order.
async fn round(address: SocketAddr, name: &str) -> Vec<Duration> {
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(cycles(address, format!("/{name}/c{number}")))).collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.unwrap());
    }
    times
}

/// Has a policy fail again and again; how often.
async fn attack(address: SocketAddr, name: &'static str, stop: Arc<AtomicBool>) -> usize {
    let mut connection = Connection::open(address).await;
    let mut failed = 0;
    while !stop.load(Ordering::Relaxed) {
        let (status, _) = ask(&mut connection, "LOCK", &format!("/{name}/app"), r#"{"ID":"i"}"#).await;
        assert_eq!(status, 423, "{name}");
        failed += 1;
    }
    failed
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_requests_are_answered_while_policies_attack() {
    let (engine, protocol) = tokio::task::spawn_blocking(|| {
        let engine = Engine::new(CallLimits::default()).unwrap();
        let protocol = engine.load(BUILT_IN).unwrap();
        (engine, protocol)
    })
    .await
    .unwrap();
    // What asks for files, sockets and clocks, or for 4 GiB, does not even come in.
    assert!(engine.load_policy(REACHING_POLICY).is_err() && engine.load_policy(VAST_POLICY).is_err());
    let policies = Arc::new(chain(&engine.load_policy(FAULTY_POLICY).unwrap()));
    let metrics = Arc::new(Metrics::new().unwrap());
    let parts = Parts { policies, ..Parts::of(protocol, "the test") };
    let generations = Arc::new(Generations::new(parts, Arc::clone(&metrics)));
    let server = Server::start(Options { generations: Some((generations, metrics)), ..Options::default() }).await;
    let address = server.address;

    let (mut quiet, mut attacked, mut failures) = (Vec::new(), Vec::new(), [0; FAULTS.len()]);
    for number in 0..ROUNDS {
        quiet.extend(round(address, &format!("quiet-{number}")).await);
        let stop = Arc::new(AtomicBool::new(false));
        let attackers = FAULTS.map(|(name, _)| tokio::spawn(attack(address, name, Arc::clone(&stop))));
        attacked.extend(round(address, &format!("attacked-{number}")).await);
        stop.store(true, Ordering::Relaxed);
        for (sum, attacker) in failures.iter_mut().zip(attackers) {
            *sum += attacker.await.unwrap();
        }
    }
    assert!(failures.iter().all(|failures| *failures > 0), "{failures:?}");
    for (percent, name) in [(50, "p50"), (99, "p99")] {
        let (without, with) = (percentile(&mut quiet, percent), percentile(&mut attacked, percent));
        let ratio = with.as_secs_f64() / without.as_secs_f64();
        println!("{name} of {} requests: {without:?}, under attack {with:?}: {ratio:.2} times", quiet.len());
    }
    println!("reviews that failed: {:?}", FAULTS.map(|(name, _)| name).iter().zip(failures).collect::<Vec<_>>());
    // Nothing that a policy allocated or said is left anywhere.
    assert!(!server.metrics_text().contains("secret"));
}
