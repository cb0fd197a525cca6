//! The embedded store under 64 clients: how many syncs a write costs, and how it compares with a store that
//! has no disk.

use super::cells::clients;
use super::process::Launch;
use super::turn::Turns;
use crate::options::Plan;
use crate::report::Report;
use crate::states::States;
use crate::statistics::{number, ratio};
use crate::table::{Cell, Table};

const CLIENTS: usize = 64;
const STATE_BYTES: usize = 20_000;

/// The writes that each cycle makes and has acknowledged: LOCK, POST, UNLOCK.
const WRITES: f64 = 3.0;

/// Measures both.
pub(super) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut table = Table::new(
        "embedded_64",
        "(d) embedded store, 64 clients, 20 KB states",
        &["what", "cycles/s", "p50 ms", "p99 ms", "CPU ms/cycle", "syncs/write", "against memory"],
    );
    report.progress("server: 64 clients, embedded and memory");
    let states = States::new(STATE_BYTES, 6);
    let disk = Launch::embedded(plan.server.clone()).start().await?;
    let memory = Launch::memory()?.start().await?;
    let mut sides = Vec::new();
    for server in [&disk, &memory] {
        let mut clients = clients(server.listen, CLIENTS, &states)?;
        clients.turn(std::time::Duration::ZERO).await?;
        sides.push((server, clients, Turns::default(), 0.0));
    }
    for _ in 0..plan.server_rounds().max(2) {
        for (server, clients, turns, seconds) in &mut sides {
            let before = server.usage()?.seconds;
            turns.add(clients.turn(plan.server_turn()).await?);
            *seconds += server.usage()?.seconds - before;
        }
    }
    let in_memory = sides.last().and_then(|(_, _, turns, _)| turns.rate());
    let mut against = None;
    for ((_, _, turns, seconds), name) in sides.iter().zip(["embedded", "memory"]) {
        let compared = ratio(turns.rate(), in_memory).filter(|_| name == "embedded");
        against = against.or(compared);
        table.row([
            Cell::from(name),
            Cell::number(turns.rate(), 0),
            Cell::number(turns.percentile(50), 1),
            Cell::number(turns.percentile(99), 1),
            Cell::Number(seconds * 1e3 / turns.cycles(), 2),
            Cell::Nothing,
            Cell::ratio(compared),
        ]);
    }
    report.figure("embedded_64_against_memory", against);
    drop((disk, memory));

    match syncs(plan, &states).await {
        Ok((turns, each)) => {
            table.row([
                Cell::from("embedded, syncs counted"),
                Cell::number(turns.rate(), 0),
                Cell::number(turns.percentile(50), 1),
                Cell::number(turns.percentile(99), 1),
                Cell::Nothing,
                Cell::Number(each, 3),
                Cell::Nothing,
            ]);
            report.figure("embedded_64_syncs", Some(each));
            table
                .note("syncs: fsync, fdatasync and msync calls as strace sees them, by writes that were acknowledged.");
        }
        Err(error) => table.note(format!("syncs were not counted: {error:#}")),
    }
    report.add(table);
    Ok(())
}

/// Syncs for each acknowledged write.
async fn syncs(plan: &Plan, states: &States) -> anyhow::Result<(Turns, f64)> {
    let server = Launch::embedded(plan.server.clone()).counting_syncs()?.start().await?;
    let mut clients = clients(server.listen, CLIENTS, states)?;
    clients.turn(std::time::Duration::ZERO).await?;
    let before = server.syncs()?;
    let mut turns = Turns::default();
    turns.add(clients.turn(2 * plan.server_turn()).await?);
    let syncs = server.syncs()?.saturating_sub(before);
    anyhow::ensure!(syncs > 0, "strace saw none");
    let each = number(syncs) / (turns.cycles() * WRITES);
    Ok((turns, each))
}
