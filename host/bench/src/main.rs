//! Measures tofu-state layer by layer, each against its floor: what the layer below can do by itself.
//!
//! - `engine`: a fresh instance and the smallest call;
//! - `dispatch`: a whole request through the component, against the same protocol called natively;
//! - `drivers`: each driver's calls, against the raw store;
//! - `server`: whole cycles over loopback against the release binary, against the store's own calls;
//! - `sandbox`: instances and steps of exploration, which has no floor but itself;
//! - `providers`: lock files of many root modules, against both real CLIs on the same origin.
//!
//! The rounds of the two sides of a comparison alternate, so that a noisy machine disturbs both alike:
//! compare ratios, and only within one run. Nothing here asserts a time; a wrong answer ends the cell that
//! it came in. Run it with `make bench`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people, not a part of the server")]

mod chart;
mod dispatch;
mod drivers;
mod engine;
mod options;
mod providers;
mod report;
mod runtime;
mod sandbox;
mod server;
mod states;
mod statistics;
mod table;
mod targets;

use std::process::ExitCode;

use crate::options::{Command, Layer, Plan};
use crate::report::Report;

fn main() -> ExitCode {
    let done = match options::parse() {
        Command::Measure(plan) => measure(&plan),
        Command::ServeFromMemory => server::memory::serve(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tofu-state-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: &Plan) -> anyhow::Result<()> {
    let mut report = Report::begin(plan);
    let mut failed = Vec::new();
    for layer in &plan.layers {
        let measured = match layer {
            Layer::Engine => engine::measure(plan, &mut report),
            Layer::Dispatch => dispatch::measure(plan, &mut report),
            Layer::Drivers => drivers::measure(plan, &mut report),
            Layer::Server => server::measure(plan, &mut report),
            Layer::Sandbox => sandbox::measure(plan, &mut report),
            Layer::Providers => providers::measure(plan, &mut report),
        };
        if let Err(error) = measured {
            // What the other layers found is worth having; what was told to end is not to go on.
            let interrupted = error.is::<runtime::Interrupted>();
            failed.push(format!("{layer:?}: {error:#}"));
            if interrupted {
                break;
            }
        }
    }
    report.add(targets::table(report.figures()));
    if plan.is_whole() {
        report.write(plan, &failed)?;
    }
    anyhow::ensure!(failed.is_empty(), "not all was measured: {}", failed.join("; "));
    Ok(())
}
