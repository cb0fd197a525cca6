//! Where a layer's asynchronous part runs: bounded in time, and ended in good order by a signal, so that the
//! programs that were started are killed in any case.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// The longest that one layer may take.
const LONGEST: Duration = Duration::from_secs(12 * 60);

/// Somebody has ended the program.
#[derive(Debug, thiserror::Error)]
#[error("told to end")]
pub(crate) struct Interrupted;

/// Runs `work` on two threads to its end, unless time is up or somebody ends the program before.
pub(crate) fn run<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            done = work => done,
            _ = interrupt.recv() => anyhow::bail!(Interrupted),
            _ = terminate.recv() => anyhow::bail!(Interrupted),
            () = tokio::time::sleep(LONGEST) => anyhow::bail!("a layer took longer than {} s", LONGEST.as_secs()),
        }
    })
}
