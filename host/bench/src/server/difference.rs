//! What differs between two versions of a large state: the time of the call, and the server's memory.

use std::time::Duration;

use anyhow::Context;
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

/// Every how many resources of a kind one has changed.
const STEP: usize = 97;

/// Measures it.
pub(super) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    report.progress("server: difference of two states of 50 MB");
    let folder = TempDir::new()?;
    let launch = Launch::embedded(plan.server.clone()).with("DATA_DIR", folder.path().display().to_string());
    let states = States::new(LEAST + MARGIN, 10);
    let (others, changed) = states.changed(STEP);
    let server = launch.clone().start().await?;
    let mut connection = connect(&server)?;
    for (serial, states) in [(1, &states), (2, &others)] {
        let state = states.with_serial(serial);
        let bytes: usize = state.iter().map(bytes::Bytes::len).sum();
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
        let mut took = Duration::ZERO;
        let mut connection = connect(&server)?;
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
    let (seconds, idle, peak) = (median(seconds), median(idle), median(peaks));
    report.figure("difference_s", seconds);
    report.figure("difference_added_mib", added);
    report.figure("difference_peak_mib", peak);
    let mut table = Table::new(
        "difference",
        "(d) server: what differs between two states of 50 MB, embedded store",
        &["resources changed", "s", "idle MiB", "peak MiB", "added MiB"],
    );
    table.row([
        Cell::Number(count(changed), 0),
        Cell::number(seconds, 2),
        Cell::number(idle, 1),
        Cell::number(peak, 1),
        Cell::number(added, 1),
    ]);
    table.note("one call of a server that was just started, to its whole answer; medians over rounds.");
    report.add(table);
    Ok(())
}

fn connect(server: &Server) -> anyhow::Result<Connection> {
    Connection::new(server.listen, (header::AUTHORIZATION, &format!("Bearer {TOKEN}")))
}
