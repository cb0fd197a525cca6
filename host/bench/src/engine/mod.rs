//! Layer (a): a fresh instance and the smallest call, on one thread and on two.
//!
//! Twice: with nothing but wasmtime, to compare its settings (the call is the component's `routes`), and as
//! the server does it (a request for a path that the component refuses without asking the store).

mod bare;
mod hosted;

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::options::Plan;
use crate::report::Report;
use crate::statistics::{median, micros, number, ratio};
use crate::table::{Cell, Table};

/// Something that can be called again and again on a thread of its own.
pub(crate) trait Callee: Send + Sync {
    /// Calls on the current thread until `length` has passed; how many times it did.
    fn call_for(&self, length: Duration) -> anyhow::Result<u64>;
}

/// What is compared, and its rounds: calls a second, on one thread and on two.
struct Side {
    name: &'static str,
    callee: Box<dyn Callee>,
    one: Vec<f64>,
    two: Vec<f64>,
}

/// Measures the layer.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    report.progress("engine");
    let mut sides = Vec::new();
    let mut side = |name, callee| sides.push(Side { name, callee, one: Vec::new(), two: Vec::new() });
    for setting in bare::Setting::ALL {
        side(setting.name(), Box::new(bare::Bare::new(setting)?) as Box<dyn Callee>);
    }
    for (name, allocation) in hosted::KINDS {
        side(name, Box::new(hosted::Hosted::new(allocation)?));
    }
    for _ in 0..plan.rounds() {
        for side in &mut sides {
            side.one.push(rate(side.callee.as_ref(), 1, plan.turn())?);
            side.two.push(rate(side.callee.as_ref(), 2, plan.turn())?);
        }
    }
    let mut table = Table::new(
        "engine",
        "(a) engine: a fresh instance and the smallest call",
        &["settings", "µs a call, 1 thread", "calls/s, 1 thread", "2 threads", "2 against 1", "against on-demand"],
    );
    for group in sides.chunks(bare::Setting::ALL.len()) {
        let on_demand = group.first().and_then(|side| median(side.one.iter().copied()));
        for side in group {
            let (one, two) = (median(side.one.iter().copied()), median(side.two.iter().copied()));
            table.row([
                Cell::from(side.name),
                Cell::number(one.map(|rate| 1e6 / rate), 1),
                Cell::number(one, 0),
                Cell::number(two, 0),
                Cell::ratio(ratio(two, one)),
                Cell::ratio(ratio(one, on_demand)),
            ]);
        }
    }
    table.note("bare: wasmtime alone, the call is `routes`; host: the server's own way, a path that is refused.");
    report.add(table);
    Ok(())
}

/// Calls a second by so many threads.
fn rate(callee: &dyn Callee, threads: usize, length: Duration) -> anyhow::Result<f64> {
    let start = Instant::now();
    let calls = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| callee.call_for(length))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().ok().context("a calling thread panicked")?)
            .sum::<anyhow::Result<u64>>()
    })?;
    Ok(number(calls) * 1e6 / micros(start.elapsed()))
}
