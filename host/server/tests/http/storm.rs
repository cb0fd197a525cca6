//! Component and policies exchanged 200 times, good and bad mixed, under 64 clients.

mod verdicts;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use tofu_state_component::testing::{FAULTY, FAULTY_POLICY, REACHING, REACHING_POLICY, VAST_POLICY, WRONG_POLICY};
use tofu_state_component::{BUILT_IN, Engine, Limits as CallLimits, digest};
use tofu_state_server::generations::Generations;
use tofu_state_server::generations::control::Outcome;
use tofu_state_server::generations::follow::{self, Follower};
use tofu_state_server::generations::load::Loader;
use tofu_state_server::generations::source::{ProtocolSource, Sources};
use tofu_state_server::oci;
use tofu_state_server::telemetry::audit::{Rotation, Target};
use tofu_state_server::telemetry::traces::exporter::{Batching, Exporter, Settings as ExporterSettings};
use tofu_state_server::telemetry::traces::sampler::Sampler;
use tofu_state_server::telemetry::{Metrics, Traces};
use tofu_state_testing::otlp::Collector;
use tonic::metadata::MetadataMap;
use tonic::transport::Endpoint;

use crate::support::{Answer, Connection, Options, PATIENCE, Server, TOKEN, state, variant};
use verdicts::{History, Published, check_records, check_spans};

const SWAPS: usize = 200;

/// How many clients are served, how many are denied, and how many meet a policy that misbehaves.
const CLIENTS: usize = 64;
const DENIED: usize = 4;
const HOSTILE: usize = 1;

/// How much more memory the process may take at the end than after a quarter, in MiB: what was published and not
/// freed would be 100 generations of some MiB each.
const GROWTH: usize = 100;

/// The part of the traces that is recorded: the collector keeps them in the memory of this process.
const TRACED: f64 = 0.1;

/// The files that the server follows.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let (new, path) = (self.folder.path().join("new"), self.folder.path().join(name));
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, &path).unwrap();
        path
    }

    fn protocol(&self, bytes: &[u8], sha256: &str) {
        self.put("protocol.wasm", bytes);
        self.put("protocol", format!("protocol.wasm@sha256:{sha256}").as_bytes());
    }

    /// Policies that know the round: two that allow and say so, and one that denies. And one that misbehaves.
    fn policies(&self, round: usize, module: &[u8], sha256: &str) {
        const FAULTS: [&str; 5] = ["loop", "panic secret", "eat", "recurse", "giant-reason 1000000000"];
        self.put("policy.wasm", module);
        let entry = |name: &str, group: &str, configuration: &str, time: &str| {
            format!(
                "[[policy]]\nname = \"{name}\"\npath = \"policy.wasm\"\nsha256 = \"{sha256}\"\npaths = [\"{group}/*\"]\n\
                 configuration = \"{configuration}\"\ntime = \"{time}\"\n"
            )
        };
        let entries = [
            entry("first", "team", &format!("label round {round}"), "5s"),
            entry("denied", "denied", &format!("deny round {round}"), "5s"),
            entry("hostile", "hostile", FAULTS[round % FAULTS.len()], "1s"),
            entry("last", "team", &format!("label round {round}"), "5s"),
        ];
        self.put("policies.toml", entries.concat().as_bytes());
    }

    fn sources(&self) -> Sources {
        let at = |name: &str| self.folder.path().join(name);
        Sources {
            protocol: ProtocolSource::NamedIn(at("protocol")),
            policies: Some(at("policies.toml")),
            registries: oci::Settings { cache: at("cache"), credentials: None, ca: None },
            key: None,
        }
    }

    /// Changes the files; whether what they hold then is good.
    fn round(&self, round: usize) -> bool {
        let protocol = |name: u8| variant(BUILT_IN, name);
        let good = |bytes: &[u8]| self.protocol(bytes, &digest(bytes));
        let policies = |module: &[u8]| self.policies(round, module, &digest(module));
        // What was bad before is mended first, so that each round shows one thing.
        let mended = protocol(if round.is_multiple_of(4) { b'a' } else { b'b' });
        good(&mended);
        policies(FAULTY_POLICY);
        match round % 16 {
            1 => good(&BUILT_IN[..BUILT_IN.len() / 2]),
            3 => self.protocol(&mended, &digest(BUILT_IN)),
            // What must be compiled to be refused takes long in builds without optimisation.
            5 if round % 64 == 5 => good(REACHING),
            7 if round % 64 == 7 => good(FAULTY),
            5 | 7 => good(b"\0asm\x01\0\0\0"),
            9 => good(&native()),
            11 => policies(&FAULTY_POLICY[..FAULTY_POLICY.len() / 2]),
            12 => self.policies(round, FAULTY_POLICY, &digest(WRONG_POLICY)),
            13 if round % 64 == 13 => policies(REACHING_POLICY),
            13 if round % 64 == 45 => policies(BUILT_IN),
            14 if round % 64 == 14 => policies(WRONG_POLICY),
            14 if round % 64 == 46 => policies(VAST_POLICY),
            13 | 14 => policies(&native()),
            15 => drop(self.put("policies.toml", b"[[policy]]\nname = 7")),
            _ => return true,
        }
        false
    }
}

/// Native code, as somebody might slip it in.
fn native() -> Vec<u8> {
    wasmtime::Engine::default().precompile_component(b"\0asm\x0d\0\x01\0").unwrap()
}

fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4 / 1024
}

/// What a client has seen.
#[derive(Default)]
struct Seen {
    /// What went wrong.
    wrong: Vec<String>,
    /// How long each request took.
    times: Vec<Duration>,
    /// The rounds that denials named, by the request's ID.
    denials: HashMap<String, usize>,
}

/// One request on a connection that is kept.
async fn ask(connection: &mut Connection, method: &str, target: &str, body: &str) -> Option<Answer> {
    let length = body.len();
    connection
        .send(format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    connection.answer().await
}

/// Locks, reads, writes and unlocks again and again.
async fn cycles(number: usize, address: std::net::SocketAddr, stop: Arc<AtomicBool>) -> Seen {
    let mut connection = Connection::open(address).await;
    let mut seen = Seen::default();
    let mut serial = 0;
    while !stop.load(Ordering::Relaxed) {
        serial += 1;
        let lock = lock_info(&format!("{number}-{serial}"));
        let path = format!("/team/c{number}");
        let write = format!("{path}?ID={number}-{serial}");
        let get: &[u16] = if serial == 1 { &[404] } else { &[200] };
        for (method, target, body, expected) in [
            ("LOCK", &path, lock.clone(), &[200][..]),
            ("GET", &path, String::new(), get),
            ("POST", &write, state(serial, 500), &[200]),
            ("UNLOCK", &path, lock, &[200]),
        ] {
            let began = Instant::now();
            match ask(&mut connection, method, target, &body).await {
                Some(answer) if expected.contains(&answer.status) => seen.times.push(began.elapsed()),
                other => seen.wrong.push(format!("{method} {target}: {:?}", other.map(|answer| answer.status))),
            }
        }
    }
    seen
}

/// Asks for a lock again and again, which a policy denies, or fails to say anything of.
async fn is_denied(path: String, address: std::net::SocketAddr, stop: Arc<AtomicBool>) -> Seen {
    let mut connection = Connection::open(address).await;
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let answer = ask(&mut connection, "LOCK", &path, &lock_info("i")).await.unwrap();
        if answer.status != 423 {
            seen.wrong.push(format!("LOCK {path}: {}", answer.status));
        }
        // "round 17", wherever it stands in the answer.
        let named = answer.text().split_once("round ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let digits = named.find(|c: char| !c.is_ascii_digit()).unwrap_or(named.len());
        if let Ok(round) = named[..digits].parse() {
            seen.denials.insert(answer.header("x-request-id").unwrap().to_owned(), round);
        }
    }
    seen
}

fn lock_info(id: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"c","Version":"1.10.0","Created":"2026-01-01T00:00:00Z","Path":""}}"#
    )
}

async fn follower(files: &Files, metrics: &Arc<Metrics>) -> Follower {
    let limits = CallLimits { computing: Duration::from_secs(2), concurrency: 96, ..CallLimits::default() };
    let engine = tokio::task::spawn_blocking(|| Engine::new(limits).unwrap()).await.unwrap();
    follow::first(files.sources(), Loader::new(engine), Arc::clone(metrics)).await.unwrap()
}

/// Sends some of the traces there.
fn tracing_to(collector: &Collector, metrics: &Arc<Metrics>) -> (Traces, Exporter) {
    let settings = ExporterSettings {
        endpoint: Endpoint::from_shared(collector.address()).unwrap(),
        headers: MetadataMap::new(),
        gzip: false,
        resource: Vec::new(),
        batching: Batching { delay: Duration::from_millis(200), queue: 10_000, batch: 500, time: PATIENCE },
    };
    let (queue, exporter) = Exporter::start(settings, metrics);
    (Traces::new(Sampler::new(true, TRACED), queue, "memory"), exporter)
}

/// Swaps, and keeps what was published: how many were refused, and the memory after a quarter.
async fn swap(files: &Files, follower: &mut Follower, history: &mut History) -> (usize, usize) {
    let generations = Arc::clone(follower.generations());
    let (mut refused, mut memory_before) = (0, 0);
    for round in 1..=SWAPS {
        let serving = generations.current().number;
        let is_good = files.round(round);
        let began = OffsetDateTime::now_utc();
        match follower.look(None).await {
            Ok(Outcome::Published { generation }) => {
                assert!(is_good, "round {round} is bad and serves");
                assert_eq!(generation, serving + 1);
                let between = (began, OffsetDateTime::now_utc());
                let current = Arc::downgrade(&generations.current());
                history.insert(generation, Published { round, between, generation: current });
            }
            Ok(Outcome::Unchanged { .. }) => panic!("round {round} was not seen"),
            Err(what) => {
                assert!(!is_good, "round {round}: {what}");
                assert_eq!(generations.current().number, serving, "round {round}");
                refused += 1;
            }
        }
        if round == SWAPS / 4 {
            memory_before = memory();
        }
    }
    (refused, memory_before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_under_load_disturb_nobody() {
    let files = Files { folder: tempfile::tempdir().unwrap() };
    let began = OffsetDateTime::now_utc();
    assert!(files.round(0));
    let metrics = Arc::new(Metrics::new().unwrap());
    let mut follower = follower(&files, &metrics).await;
    let generations: Arc<Generations> = Arc::clone(follower.generations());
    let first = Arc::downgrade(&generations.current());
    let mut history = History::new();
    history.insert(1, Published { round: 0, between: (began, OffsetDateTime::now_utc()), generation: first });

    let collector = Collector::start().await;
    let (traces, exporter) = tracing_to(&collector, &metrics);
    let audit = files.folder.path().join("audit.log");
    let mut server = Server::start(Options {
        generations: Some((Arc::clone(&generations), metrics)),
        audit: Some(Target::File(audit.clone(), Rotation { max_bytes: u64::MAX, keep: 0 })),
        traces: Some(traces),
        ..Options::default()
    })
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let (address, stopping) = (server.address, || Arc::clone(&stop));
    let cycling = (0..CLIENTS).map(|number| tokio::spawn(cycles(number, address, stopping())));
    let denied = (0..DENIED).map(|number| tokio::spawn(is_denied(format!("/denied/c{number}"), address, stopping())));
    let hostile =
        (0..HOSTILE).map(|number| tokio::spawn(is_denied(format!("/hostile/c{number}"), address, stopping())));
    let clients: Vec<_> = cycling.chain(denied).chain(hostile).collect();

    let (refused, memory_before) = swap(&files, &mut follower, &mut history).await;
    let memory_after = memory();
    stop.store(true, Ordering::Relaxed);
    let (mut seen, published) = (Seen::default(), history.len() - 1);
    for client in clients {
        let its = client.await.unwrap();
        seen.wrong.extend(its.wrong);
        seen.times.extend(its.times);
        seen.denials.extend(its.denials);
    }
    server.auditing.take().unwrap().ended().await.unwrap();
    exporter.flush(PATIENCE).await;
    seen.times.sort_unstable();
    let records = std::fs::read_to_string(&audit).unwrap();
    let records: Vec<Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = check_records(&records, &history, &seen.denials);
    let policy_spans = check_spans(&collector.spans(), &history);
    println!(
        "{published} published, {refused} refused; {} requests, p50 {:?}, p99 {:?}; memory {memory_before} MiB after a quarter, \
         {memory_after} MiB at the end; {told:?} in the audit, {policy_spans} spans of policies",
        seen.times.len(),
        seen.times[seen.times.len() / 2],
        seen.times[seen.times.len() * 99 / 100],
    );
    assert_eq!(seen.wrong, Vec::<String>::new());
    assert!(published >= SWAPS / 4 && refused >= SWAPS / 4 && seen.times.len() > CLIENTS);
    // Each denial that a client was told has its record, and the other way round.
    assert_eq!(told.denied, seen.denials.len());
    assert!(told.allowed > CLIENTS && told.denied > DENIED && told.failed > 0 && policy_spans > 0, "{told:?}");

    assert!(memory_after <= memory_before + GROWTH, "{memory_before} MiB after a quarter, {memory_after} at the end");
    assert_eq!(generations.alive(), 2, "the one that serves, and the one before");
    let kept: Vec<u64> =
        history.iter().filter(|(_, its)| its.generation.upgrade().is_some()).map(|(number, _)| *number).collect();
    let last = generations.current().number;
    assert_eq!(kept, [last - 1, last], "all others are freed");
}
