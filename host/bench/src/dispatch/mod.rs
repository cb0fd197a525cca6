//! Layer (b): whole requests through the component, against the same protocol called natively, on the same
//! store in memory, in this process.

pub(crate) mod component;
pub(crate) mod cycle;
mod native;
mod policies;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tofu_state_component::{BUILT_IN, Engine, Granted, Limits, Protocol, Surroundings};
use tofu_state_store::memory::Memory;
use tokio::runtime::{Builder, Runtime};

use self::cycle::{OPERATIONS, Sums};
use self::native::Native;
use crate::options::Plan;
use crate::report::Report;
use crate::states::States;
use crate::statistics::{count, median, micros, number, ratio};
use crate::table::{Cell, Table};

/// The states' sizes, and how many cycles a round has.
const SIZES: [(&str, usize, u64); 3] = [("2 KB", 2_000, 250), ("20 KB", 20_000, 100), ("800 KB", 800_000, 8)];

/// How many clients ask at once, on one thread or on two.
const CLIENTS: usize = 4;

/// Measures the layer.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    report.progress("dispatch");
    let start = Instant::now();
    let engine = Engine::new(Limits::default())?;
    let protocol = engine.load(BUILT_IN)?;
    let loaded = start.elapsed();
    let mut table = Table::new(
        "dispatch",
        "(b) dispatch: a request through the component against the protocol called natively, memory store, one client",
        &["state", "request", "native µs", "component µs", "difference µs", "ratio"],
    );
    table.note(format!(
        "component: {} KB, compiled and linked in {:.0} ms; means of a round's requests, medians over rounds",
        BUILT_IN.len() / 1024,
        loaded.as_secs_f64() * 1e3
    ));
    for (name, bytes, cycles) in SIZES {
        let compared = compare(plan, &protocol, bytes, cycles)?;
        for (operation, (native, component)) in OPERATIONS.iter().zip(&compared) {
            table.row([
                Cell::from(name),
                Cell::from(*operation),
                Cell::Number(*native, 1),
                Cell::Number(*component, 1),
                Cell::Number(component - native, 1),
                Cell::ratio(ratio(Some(*component), Some(*native))),
            ]);
        }
        if let Some((native, component)) = compared.first()
            && bytes == SIZES[0].1
        {
            report.figure("lock_over_native_us", Some(component - native));
        }
    }
    let (one, two) = threads(plan, &protocol)?;
    table.note(format!(
        "2 KB, {CLIENTS} clients at once: {one:.0} requests/s on one thread, {two:.0} on two: {:.2}x",
        two / one
    ));
    report.figure("dispatch_two_threads", Some(two / one));
    report.add(table);
    policies::measure(plan, &engine, &protocol, report)
}

/// Microseconds for each of the operations: natively, and through the component.
fn compare(plan: &Plan, protocol: &Protocol, bytes: usize, cycles: u64) -> anyhow::Result<Vec<(f64, f64)>> {
    let runtime = runtime(2)?;
    let states = Arc::new(States::new(bytes, 1));
    let memory = Arc::new(Memory::new());
    let around =
        Surroundings { store: memory.clone(), store_wait: None, policies: Arc::default(), rights: Granted::default() };
    let native = Native::new(memory);
    let path = |side: &str| vec!["bench".to_owned(), side.to_owned()];
    let (mut natively, mut by_component) = (Vec::new(), Vec::new());
    let (native_path, component_path) = (path("native"), path("component"));
    for round in 0..plan.rounds() as u64 {
        let first = 1 + round * cycles;
        natively.push(native_round(&native, &native_path, first..first + cycles, &states)?);
        let (protocol, around, path, states) =
            (protocol.clone(), around.clone(), component_path.clone(), Arc::clone(&states));
        // In a task, as the server's are: what is outside the runtime's threads pays for being woken.
        let round = runtime
            .spawn(async move { component_round(&protocol, &around, &path, first..first + cycles, &states).await });
        by_component.push(runtime.block_on(round)??);
    }
    let of = |rounds: &[Sums], operation: usize| {
        let means = rounds.iter().filter_map(|sums| sums.get(operation)).map(|sum| micros(*sum) / number(cycles));
        median(means).context("no rounds")
    };
    (0..OPERATIONS.len()).map(|operation| Ok((of(&natively, operation)?, of(&by_component, operation)?))).collect()
}

fn native_round(
    native: &Native,
    path: &[String],
    numbers: std::ops::Range<u64>,
    states: &States,
) -> anyhow::Result<Sums> {
    let mut sums = Sums::default();
    for number in numbers {
        for (sum, plain) in sums.iter_mut().zip(cycle::requests(number, states)) {
            let method = plain.method;
            let start = Instant::now();
            let status = native::handle(native, path, method, plain.query, plain.body);
            *sum += start.elapsed();
            cycle::check(status, number, method)?;
        }
    }
    Ok(sums)
}

async fn component_round(
    protocol: &Protocol,
    around: &Surroundings,
    path: &[String],
    numbers: std::ops::Range<u64>,
    states: &States,
) -> anyhow::Result<Sums> {
    let mut sums = Sums::default();
    for number in numbers {
        for (sum, plain) in sums.iter_mut().zip(cycle::requests(number, states)) {
            let method = plain.method;
            let start = Instant::now();
            let status = component::handle(protocol, around, path, method, plain.query, plain.body).await?;
            *sum += start.elapsed();
            cycle::check(status, number, method)?;
        }
    }
    Ok(sums)
}

/// Requests a second by the same clients on a runtime of one thread, and on one of two.
fn threads(plan: &Plan, protocol: &Protocol) -> anyhow::Result<(f64, f64)> {
    let runtimes = [runtime(1)?, runtime(2)?];
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..plan.rounds() {
        for (runtime, rates) in runtimes.iter().zip(&mut rates) {
            rates.push(runtime.block_on(rate(protocol, plan.turn(), round))?);
        }
    }
    let [one, two] = rates.map(|rates| median(rates).context("no rounds"));
    Ok((one?, two?))
}

async fn rate(protocol: &Protocol, length: Duration, round: usize) -> anyhow::Result<f64> {
    let around = Surroundings {
        store: Arc::new(Memory::new()),
        store_wait: None,
        policies: Arc::default(),
        rights: Granted::default(),
    };
    let states = Arc::new(States::new(SIZES[0].1, 2));
    let start = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (protocol, around, states) = (protocol.clone(), around.clone(), Arc::clone(&states));
            let path = vec!["threads".to_owned(), format!("{round}-{client}")];
            tokio::spawn(async move {
                let mut number = 0;
                while start.elapsed() < length {
                    number += 1;
                    component_round(&protocol, &around, &path, number..number + 1, &states).await?;
                }
                anyhow::Ok(number)
            })
        })
        .collect();
    let mut cycles = 0;
    for client in clients {
        cycles += client.await??;
    }
    Ok(number(cycles) * count(OPERATIONS.len()) / start.elapsed().as_secs_f64())
}

fn runtime(threads: usize) -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}
