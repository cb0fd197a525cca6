//! What differs between two versions of a large state: the time of the call, and the server's memory.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::Value;
use tempfile::TempDir;
use tofu_state_testing::server::TOKEN;

use super::clients::{expect, timed};
use super::connection::{Connection, Pieces};
use super::process::{Launch, Server};
use crate::options::Plan;
use crate::report::Report;
use crate::states::States;
use crate::statistics::{count, median};
use crate::table::{Cell, Table};

/// No state may be smaller.
const LEAST: usize = 50_000_000;

/// What a state may be larger, so that it is not smaller.
const MARGIN: usize = 10_000;

/// Every how many resources of a kind one has changed: a few, and all.
const STEPS: [usize; 2] = [97, 1];

/// What one comparison took: medians over rounds.
struct Measured {
    seconds: Option<f64>,
    idle: Option<f64>,
    peak: Option<f64>,
    added: Option<f64>,
}

/// Measures it.
pub(super) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    report.progress("server: difference of two states of 50 MB");
    let mut table = Table::new(
        "difference",
        "(d) server: what differs between two states of 50 MB, embedded store",
        &["resources changed", "s", "idle MiB", "peak MiB", "added MiB"],
    );
    let states = States::new(LEAST + MARGIN, 10);
    let mut all = Vec::new();
    for step in STEPS {
        let (others, changed) = states.changed(step);
        let measured = compare(plan, [&states, &others], changed).await?;
        table.row([
            Cell::Number(count(changed), 0),
            Cell::number(measured.seconds, 2),
            Cell::number(measured.idle, 1),
            Cell::number(measured.peak, 1),
            Cell::number(measured.added, 1),
        ]);
        all.push(measured);
    }
    let most = |of: fn(&Measured) -> Option<f64>| all.iter().filter_map(of).reduce(f64::max);
    report.figure("difference_s", most(|one| one.seconds));
    report.figure("difference_added_mib", most(|one| one.added));
    report.figure("difference_peak_mib", most(|one| one.peak));
    table.note("one call of a server that was just started, to its whole answer; medians over rounds.");
    report.add(table);
    Ok(())
}

/// Writes both states, and asks what differs.
async fn compare(plan: &Plan, both: [&States; 2], changed: usize) -> anyhow::Result<Measured> {
    let folder = TempDir::new()?;
    let launch = Launch::embedded(plan.server.clone()).with("DATA_DIR", folder.path().display().to_string());
    let server = launch.clone().start().await?;
    let mut connection = connect(&server)?;
    for (serial, states) in (1..).zip(both) {
        let state = states.with_serial(serial);
        let bytes: usize = state.iter().map(Bytes::len).sum();
        anyhow::ensure!(bytes >= LEAST, "a state of {bytes} bytes");
        let answer = connection.ask("POST", "/bench/large", Pieces::new(state)).await?;
        expect("POST", &answer, StatusCode::OK)?;
    }
    drop((connection, server));

    let (mut seconds, mut idle, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.server_rounds() {
        // One that has been started anew: what it took to write the states is no longer in its memory.
        let server = launch.clone().start().await?;
        let before = server.settled().await?;
        let (mut connection, mut took) = (connect(&server)?, Duration::ZERO);
        let asking = connection.ask("GET", "/-/v1/difference/bench/large", Pieces::default());
        let answer = timed(&mut took, asking).await?;
        expect("GET", &answer, StatusCode::OK)?;
        let found: Value = serde_json::from_slice(&answer.body())?;
        let summary = found.pointer("/difference/summary").context("no summary")?;
        let of = |what: &str| summary.get(what).and_then(Value::as_u64);
        let right = (of("added"), of("removed"), of("changed")) == (Some(0), Some(0), Some(changed as u64));
        anyhow::ensure!(right, "{changed} resources have changed, and it says {summary}");
        seconds.push(took.as_secs_f64());
        idle.push(before);
        peaks.push(server.usage()?.peak);
    }
    let added = median(peaks.iter().zip(&idle).map(|(peak, idle)| peak - idle));
    Ok(Measured { seconds: median(seconds), idle: median(idle), peak: median(peaks), added })
}

fn connect(server: &Server) -> anyhow::Result<Connection> {
    Connection::new(server.listen, (header::AUTHORIZATION, &format!("Bearer {TOKEN}")))
}
