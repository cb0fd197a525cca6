//! One side's turn: many clients at once, for a while.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::clients::{Client, Cycle};
use crate::statistics::{count, number};

/// The longest that a turn may take, whatever its clients do.
const LONGEST: Duration = Duration::from_secs(30);

/// What a turn gave.
pub(super) struct Turn {
    /// Every cycle of every client.
    pub(super) cycles: Vec<Cycle>,
    /// From its beginning to the end of its last cycle.
    pub(super) elapsed: Duration,
}

impl Turn {
    /// Cycles a second.
    pub(super) fn rate(&self) -> f64 {
        count(self.cycles.len()) / self.elapsed.as_secs_f64()
    }

    /// How many requests had to be made again.
    pub(super) fn again(&self) -> u64 {
        self.cycles.iter().map(|cycle| cycle.again).sum()
    }
}

/// What several turns of one side gave together.
#[derive(Default)]
pub(super) struct Turns {
    rates: Vec<f64>,
    cycles: Vec<Cycle>,
    again: u64,
}

impl Turns {
    pub(super) fn add(&mut self, turn: Turn) {
        self.rates.push(turn.rate());
        self.again += turn.again();
        self.cycles.extend(turn.cycles);
    }

    /// Cycles a second: the median over turns.
    pub(super) fn rate(&self) -> Option<f64> {
        crate::statistics::median(self.rates.iter().copied())
    }

    /// How many cycles there were.
    pub(super) fn cycles(&self) -> f64 {
        count(self.cycles.len())
    }

    /// A cycle's time in milliseconds that `percent` of the cycles do not exceed.
    pub(super) fn percentile(&self, percent: usize) -> Option<f64> {
        let times: Vec<Duration> = self.cycles.iter().map(Cycle::whole).collect();
        crate::statistics::percentile_ms(&times, percent)
    }

    /// The same for one of the operations.
    pub(super) fn operation_percentile(&self, operation: usize, percent: usize) -> Option<f64> {
        let times: Vec<Duration> =
            self.cycles.iter().filter_map(|cycle| cycle.operations.get(operation).copied()).collect();
        crate::statistics::percentile_ms(&times, percent)
    }

    /// How many requests had to be made again.
    pub(super) fn again(&self) -> f64 {
        number(self.again)
    }
}

/// Clients that keep their connections from turn to turn.
pub(super) struct Clients {
    clients: Vec<Client>,
}

impl Clients {
    pub(super) fn new(clients: impl IntoIterator<Item = anyhow::Result<Client>>) -> anyhow::Result<Self> {
        Ok(Self { clients: clients.into_iter().collect::<anyhow::Result<_>>()? })
    }

    /// All of them at once, each one cycle at least, and another as long as `length` has not passed.
    pub(super) async fn turn(&mut self, length: Duration) -> anyhow::Result<Turn> {
        let start = Instant::now();
        let running: Vec<_> = std::mem::take(&mut self.clients)
            .into_iter()
            .map(|mut client| {
                tokio::spawn(async move {
                    let mut cycles = Vec::new();
                    while cycles.is_empty() || start.elapsed() < length {
                        cycles.push(client.cycle().await?);
                    }
                    anyhow::Ok((client, cycles))
                })
            })
            .collect();
        // A client that failed ends the others too: what they would measure is no longer asked for.
        let stop: Vec<_> = running.iter().map(tokio::task::JoinHandle::abort_handle).collect();
        let all = async {
            let mut cycles = Vec::new();
            for client in running {
                let (client, its) = client.await??;
                self.clients.push(client);
                cycles.extend(its);
            }
            anyhow::Ok(cycles)
        };
        let ended = tokio::time::timeout(LONGEST, all).await.context("not done in the longest time a turn may take");
        stop.iter().for_each(tokio::task::AbortHandle::abort);
        Ok(Turn { cycles: ended??, elapsed: start.elapsed() })
    }
}
