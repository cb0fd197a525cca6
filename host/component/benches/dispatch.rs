//! What a fresh instance for every request costs: whole requests through the component, against the
//! same protocol called natively, on the same store in memory, in one run.
//!
//! Rounds of both kinds alternate, so that a noisy machine disturbs both alike; compare the ratios.
//! Run: `make bench`.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a program for people, not a part of the server"
)]

mod native;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tofu_state_component::{
    BUILT_IN, Caller, CallerKind, Engine, ForceUnlock, Limits, Protocol, Request, Rights, Settings, Surroundings,
};
use tofu_state_store::Blob;
use tofu_state_store::memory::Memory;

/// Rounds of each kind, and cycles in each.
const ROUNDS: usize = 40;
const CYCLES: usize = 250;
/// What one cycle sends.
const OPERATIONS: [&str; 4] = ["LOCK", "GET", "POST", "UNLOCK"];

/// A request without the sides' own types.
struct Plain {
    method: &'static str,
    query: Option<String>,
    body: Option<Blob>,
}

/// The requests of one cycle: a new run with a new lock ID and the next serial.
fn cycle(number: usize, padding: &str) -> [Plain; 4] {
    let id = format!("0b7c8f5e-0000-4000-8000-{number:012}");
    let info = format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"bench@host","Version":"1.12.6","Created":"2026-01-02T03:04:05Z","Path":""}}"#
    );
    let state = format!(
        r#"{{"version":4,"terraform_version":"1.12.6","serial":{number},"lineage":"bench","outputs":{{}},"resources":[{padding}]}}"#
    );
    let blob = |text: &str| Some(Blob::new(Bytes::copy_from_slice(text.as_bytes())));
    let plain = |method, query: Option<String>, body| Plain { method, query, body };
    [
        plain("LOCK", None, blob(&info)),
        plain("GET", None, None),
        plain("POST", Some(format!("ID={id}")), blob(&state)),
        plain("UNLOCK", None, blob(&info)),
    ]
}

/// Through the component: a fresh instance for each request.
async fn by_component(protocol: &Protocol, around: &Surroundings, path: &[String], plain: Plain) -> u16 {
    let request = Request {
        method: plain.method.to_owned(),
        path: path.to_vec(),
        query: plain.query,
        headers: Vec::new(),
        body: plain.body,
        caller: Caller {
            name: "shared".to_owned(),
            kind: CallerKind::SharedToken,
            rights: Rights::READ | Rights::WRITE | Rights::UNLOCK | Rights::DELETE,
        },
        received: SystemTime::now(),
        settings: Settings { lock_ttl: None, force_unlock: ForceUnlock::Any, path_segments: 2 },
        trace: None,
        request_id: "bench".to_owned(),
    };
    protocol.handle(request, around.clone()).await.expect("a reply").status
}

/// Time per operation, in the order of [`OPERATIONS`], summed over cycles.
type Sums = [Duration; 4];

async fn component_round(
    protocol: &Protocol,
    around: &Surroundings,
    path: &[String],
    first: usize,
    padding: &str,
) -> Sums {
    let mut sums = Sums::default();
    for number in first..first + CYCLES {
        for (sum, plain) in sums.iter_mut().zip(cycle(number, padding)) {
            let start = Instant::now();
            let status = by_component(protocol, around, path, plain).await;
            *sum += start.elapsed();
            assert!(status == 200 || (status == 404 && number == 1), "status {status}");
        }
    }
    sums
}

fn native_round(store: &native::Native, path: &[String], first: usize, padding: &str) -> Sums {
    let mut sums = Sums::default();
    for number in first..first + CYCLES {
        for (sum, plain) in sums.iter_mut().zip(cycle(number, padding)) {
            let start = Instant::now();
            let status = native::handle(store, path, plain.method, plain.query, plain.body);
            *sum += start.elapsed();
            assert!(status == 200 || (status == 404 && number == 1), "status {status}");
        }
    }
    sums
}

/// The median of a kind's rounds, in microseconds per request.
fn median(rounds: &[Sums], operation: usize) -> f64 {
    let mut means: Vec<f64> =
        rounds.iter().map(|sums| sums.get(operation).unwrap().as_secs_f64() * 1e6 / CYCLES as f64).collect();
    means.sort_by(f64::total_cmp);
    *means.get(means.len() / 2).unwrap()
}

/// Requests a second by `tasks` clients at once, each on a state of its own.
async fn throughput(protocol: &Protocol, around: &Surroundings, tasks: usize) -> f64 {
    let start = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (protocol, around) = (protocol.clone(), around.clone());
            let path = vec!["throughput".to_owned(), format!("{tasks}-{task}")];
            tokio::spawn(async move {
                for round in 0..8 {
                    component_round(&protocol, &around, &path, 1 + round * CYCLES, "").await;
                }
            })
        })
        .collect();
    for task in running {
        task.await.unwrap();
    }
    (tasks * 8 * CYCLES * OPERATIONS.len()) as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let start = Instant::now();
    let engine = Engine::new(Limits::default()).unwrap();
    let protocol = engine.load(BUILT_IN).unwrap();
    println!(
        "component: {} KB, compiled and linked in {:.0} ms, {:?} allocation",
        BUILT_IN.len() / 1024,
        start.elapsed().as_secs_f64() * 1e3,
        engine.allocation()
    );
    for (size, padding) in [("200 B", String::new()), ("20 KB", resources(20_000)), ("800 KB", resources(800_000))] {
        let memory = Arc::new(Memory::new());
        let around = Surroundings { store: memory.clone(), store_wait: None };
        let native = native::Native::new(memory);
        let path = |side: &str| vec!["bench".to_owned(), side.to_owned()];
        let (mut by_component, mut natively) = (Vec::new(), Vec::new());
        let rounds = if padding.len() > 100_000 { 2 } else { ROUNDS };
        for round in 0..rounds {
            let first = 1 + round * CYCLES;
            natively.push(native_round(&native, &path("native"), first, &padding));
            by_component.push(runtime.block_on(async {
                let (protocol, around, path, padding) =
                    (protocol.clone(), around.clone(), path("component"), padding.clone());
                tokio::spawn(async move { component_round(&protocol, &around, &path, first, &padding).await })
                    .await
                    .unwrap()
            }));
        }
        println!("\nstate of {size}: µs a request, median of {rounds} rounds of {CYCLES} cycles, one client");
        println!("{:<8} {:>10} {:>10} {:>12} {:>8}", "", "native", "component", "difference", "ratio");
        for (position, operation) in OPERATIONS.iter().enumerate() {
            let (native, component) = (median(&natively, position), median(&by_component, position));
            println!(
                "{operation:<8} {native:>10.1} {component:>10.1} {:>12.1} {:>7.2}x",
                component - native,
                component / native
            );
        }
    }
    let around = Surroundings { store: Arc::new(Memory::new()), store_wait: None };
    let one = runtime.block_on(throughput(&protocol, &around, 1));
    let two = runtime.block_on(throughput(&protocol, &around, 2));
    println!("\nthroughput, state of 200 B: {one:.0} requests/s by one client, {two:.0} by two: {:.2}x", two / one);
}

/// Resources of about `size` bytes of JSON.
fn resources(size: usize) -> String {
    let one = |number: usize| {
        format!(
            r#"{{"mode":"managed","type":"terraform_data","name":"r{number}","provider":"provider[\"terraform.io/builtin/terraform\"]","instances":[{{"schema_version":0,"attributes":{{"id":"5f2a-{number}","input":null,"output":null,"triggers_replace":null}},"sensitive_attributes":[]}}]}}"#
        )
    };
    let count = size / one(10_000).len();
    (0..count).map(one).collect::<Vec<_>>().join(",")
}
