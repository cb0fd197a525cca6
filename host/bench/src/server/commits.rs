//! The floor on the embedded store: what a cycle writes as synced commits of plain redb, one after another on
//! one thread, and its one read.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::clients::{Cycle, lock_document};
use super::turn::Turn;
use crate::drivers::file::Plain;
use crate::states::States;

/// The keys that take turns, as so many clients have states of their own.
const KEYS: u64 = 8;

/// A file of plain redb.
pub(super) struct Commits {
    plain: Plain,
    states: States,
    cycles: u64,
    /// Removed when this is dropped.
    _folder: TempDir,
}

impl Commits {
    pub(super) fn new(states: States) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        Ok(Self { plain: Plain::create(&folder)?, states, cycles: 0, _folder: folder })
    }

    /// Cycles until `length` has passed, one at least.
    pub(super) fn turn(&mut self, length: Duration) -> anyhow::Result<Turn> {
        let start = Instant::now();
        let mut cycles = Vec::new();
        while cycles.is_empty() || start.elapsed() < length {
            cycles.push(self.cycle()?);
        }
        Ok(Turn { cycles, elapsed: start.elapsed() })
    }

    fn cycle(&mut self) -> anyhow::Result<Cycle> {
        let (key, round) = (self.cycles % KEYS, self.cycles / KEYS);
        let (state, lock) = (format!("floor/{key}"), format!("floor/{key}.lock"));
        let mut cycle = Cycle::default();
        let [locking, getting, posting, unlocking] = &mut cycle.operations;
        timed(locking, || self.plain.put_now(&lock, &lock_document(true), 2 * round))?;
        timed(getting, || {
            let read = (round > 0).then(|| self.plain.get_now(&state)).transpose()?;
            anyhow::ensure!(read.is_none_or(|(revision, _)| revision == round), "another revision");
            Ok(())
        })?;
        let content = self.states.whole(round + 1);
        timed(posting, || self.plain.put_now(&state, &content, round))?;
        timed(unlocking, || self.plain.put_now(&lock, &lock_document(false), 2 * round + 1))?;
        self.cycles += 1;
        Ok(cycle)
    }
}

fn timed(sum: &mut Duration, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let start = Instant::now();
    let done = work();
    *sum += start.elapsed();
    done
}
