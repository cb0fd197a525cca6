//! Layer (d): the real release binary as a process, over loopback, on both stores, against each store's floor.

mod cells;
mod clients;
mod commits;
mod connection;
mod embedded;
mod footprint;
mod kv;
pub(crate) mod memory;
mod process;
mod turn;

use crate::options::Plan;
use crate::report::Report;
use crate::runtime;

/// Measures the layer.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    anyhow::ensure!(plan.server.is_file(), "{}: build it first (`make bench` does)", plan.server.display());
    runtime::run(async {
        cells::measure(plan, report).await?;
        if plan.cell.is_some() {
            return Ok(());
        }
        embedded::measure(plan, report).await?;
        footprint::measure(plan, report).await
    })
}
