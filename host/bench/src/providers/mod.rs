//! Layer (f): `providers lock` as a process, against both real CLIs in the same run on the same origin; and a
//! provider of 700 MB, locked and sent by our mirror.
//!
//! The origin is a server of this program's on loopback. It counts the zips that it gives, so that what is not
//! downloaded is seen where it would have come from.

mod command;
mod floor;
mod large;
mod locking;
mod mirror;
mod rivals;
mod roots;

use crate::options::Plan;
use crate::report::Report;
use crate::runtime;

/// Measures the layer.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    anyhow::ensure!(plan.server.is_file(), "{}: build it first (`make bench` does)", plan.server.display());
    runtime::run(async {
        locking::measure(plan, report).await?;
        large::measure(plan, report).await
    })
}
