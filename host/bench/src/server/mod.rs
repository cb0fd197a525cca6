//! Layer (d): the real release binary as a process, over loopback, on both stores, against each store's floor.

mod cells;
mod clients;
mod commits;
mod connection;
mod difference;
mod embedded;
mod footprint;
mod kv;
pub(crate) mod memory;
pub(crate) mod process;
mod turn;

use self::cells::Matrix;
use crate::options::Plan;
use crate::report::Report;
use crate::runtime;

/// Measures the layer.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    anyhow::ensure!(plan.server.is_file(), "{}: build it first (`make bench` does)", plan.server.display());
    runtime::run(async {
        let mut matrix = Matrix::new();
        let measured = async {
            matrix.measure(plan, report, false).await?;
            if plan.cell.is_none() {
                embedded::measure(plan, report).await?;
                footprint::measure(plan, report).await?;
                difference::measure(plan, report).await?;
            }
            // The largest come last: they take longest, and no target is set for them.
            matrix.measure(plan, report, true).await
        };
        let measured = measured.await;
        matrix.report(report);
        measured
    })
}
