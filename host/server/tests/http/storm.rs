//! Component and policies exchanged 200 times, good and bad mixed, under 64 clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tofu_state_component::testing::{FAULTY, FAULTY_POLICY, REACHING, REACHING_POLICY, VAST_POLICY, WRONG_POLICY};
use tofu_state_component::{BUILT_IN, Engine, Limits as CallLimits, digest};
use tofu_state_server::generations::Generations;
use tofu_state_server::generations::control::Outcome;
use tofu_state_server::generations::follow::{self, Follower};
use tofu_state_server::generations::load::Loader;
use tofu_state_server::generations::source::{ProtocolSource, Sources};
use tofu_state_server::oci;
use tofu_state_server::telemetry::Metrics;

use crate::support::{Connection, Options, Server, TOKEN, state, variant};

const SWAPS: usize = 200;
const CLIENTS: usize = 64;

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

    /// Two policies, each for paths of its own: one denies with the round's number, the other misbehaves.
    fn policies(&self, round: usize, module: &[u8], sha256: &str) {
        const HOSTILE: [&str; 5] = ["loop", "panic secret", "eat", "recurse", "giant-reason 1000000000"];
        self.put("policy.wasm", module);
        let entry = |name: &str, configuration: &str| {
            format!(
                "[[policy]]\nname = \"{name}\"\npath = \"policy.wasm\"\nsha256 = \"{sha256}\"\npaths = [\"{name}/*\"]\n\
                 configuration = \"{configuration}\"\ntime = \"50ms\"\n"
            )
        };
        let denied = entry("denied", &format!("deny round {round}"));
        let hostile = entry("hostile", HOSTILE[round % HOSTILE.len()]);
        self.put("policies.toml", format!("{denied}{hostile}").as_bytes());
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

/// A client that locks, reads, writes and unlocks again and again; what went wrong, and how long each request took.
async fn client(number: usize, address: std::net::SocketAddr, stop: Arc<AtomicBool>) -> (Vec<String>, Vec<Duration>) {
    let mut connection = Connection::open(address).await;
    let (mut wrong, mut times) = (Vec::new(), Vec::new());
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
            let length = body.len();
            let request = format!(
                "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            connection.send(request).await;
            match connection.answer().await {
                Some(answer) if expected.contains(&answer.status) => times.push(began.elapsed()),
                other => wrong.push(format!("{method} {target}: {:?}", other.map(|answer| answer.status))),
            }
        }
    }
    (wrong, times)
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_under_load_disturb_nobody() {
    let files = Files { folder: tempfile::tempdir().unwrap() };
    assert!(files.round(0));
    let metrics = Arc::new(Metrics::new().unwrap());
    let mut follower = follower(&files, &metrics).await;
    let generations: Arc<Generations> = Arc::clone(follower.generations());
    let options = Options { generations: Some((Arc::clone(&generations), metrics)), ..Options::default() };
    let server = Server::start(options).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(client(number, server.address, Arc::clone(&stop)))).collect();

    let (mut published, mut refused, mut before) = (0, 0, 0);
    let first = Arc::downgrade(&generations.current());
    for round in 1..=SWAPS {
        let serving = generations.current().number;
        let is_good = files.round(round);
        match follower.look(None).await {
            Ok(Outcome::Published { generation }) => {
                assert!(is_good, "round {round} is bad and serves");
                assert_eq!(generation, serving + 1);
                published += 1;
            }
            Ok(Outcome::Unchanged { .. }) => panic!("round {round} was not seen"),
            Err(what) => {
                assert!(!is_good, "round {round}: {what}");
                assert_eq!(generations.current().number, serving, "round {round}");
                refused += 1;
            }
        }
        if round == SWAPS / 4 {
            before = memory();
        }
    }
    let after = memory();
    stop.store(true, Ordering::Relaxed);
    let (mut wrong, mut times) = (Vec::new(), Vec::new());
    for client in clients {
        let (its_wrong, its_times) = client.await.unwrap();
        wrong.extend(its_wrong);
        times.extend(its_times);
    }
    times.sort_unstable();
    eprintln!(
        "{published} published, {refused} refused; {} requests, p50 {:?}, p99 {:?}; {before} MiB after a quarter, {after} MiB at the end",
        times.len(),
        times[times.len() / 2],
        times[times.len() * 99 / 100],
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert!(published >= SWAPS / 4 && refused >= SWAPS / 4 && times.len() > CLIENTS);
    assert!(first.upgrade().is_none(), "the first generation is freed");
    assert_eq!(generations.alive(), 2, "the one that serves, and the one before");
    assert!(Path::new(files.folder.path()).exists());
}
