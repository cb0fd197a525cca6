//! Layer (c): each driver's get and compare-and-set, against the raw store doing the same.

mod bao;
pub(crate) mod file;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tofu_state_store::{Key, Outcome, Retention, Slot, Store, Write};

use crate::options::Plan;
use crate::report::Report;
use crate::runtime;
use crate::states::States;
use crate::statistics::{count, median, micros, number, ratio};
use crate::table::{Cell, Table};

/// How many callers there are at once.
const CALLERS: [usize; 2] = [1, 8];

/// One side of a comparison. Each caller has a key of its own.
#[async_trait]
trait Side: Send + Sync + 'static {
    /// Reads the document of `key` and checks that it has `size` bytes.
    async fn get(&self, key: &str, size: usize) -> anyhow::Result<()>;

    /// Writes `content` over revision `expected`; the new revision is one more.
    async fn put(&self, key: &str, content: Bytes, expected: u64) -> anyhow::Result<()>;
}

/// A driver of ours.
struct Driver(Arc<dyn Store>);

#[async_trait]
impl Side for Driver {
    async fn get(&self, key: &str, size: usize) -> anyhow::Result<()> {
        match self.0.get(&Key::parse(key)?).await? {
            Slot::Entry(entry) if entry.content.as_ref().map(Bytes::len) == Some(size) => Ok(()),
            _ => anyhow::bail!("the driver did not give the document back"),
        }
    }

    async fn put(&self, key: &str, content: Bytes, expected: u64) -> anyhow::Result<()> {
        let meta = Bytes::from_static(META.as_bytes());
        let write = Write { meta, content: Some(content), expected, retention: Retention::History };
        let outcome = self.0.put_cas(&Key::parse(key)?, write).await?;
        anyhow::ensure!(outcome == Outcome::Written(expected + 1), "the driver ended with {outcome:?}");
        Ok(())
    }
}

/// As long as the protocol's own document about a state is.
const META: &str = r#"{"format":1,"kind":"state","size":20000,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","serial":12,"lineage":"3f1c0c52-0b6e-4f6e-a5b1-2a8d3f8f6c11","tool_version":"1.12.6","lock_id":"0b7c8f5e-0000-4000-8000-000000000000","at":1767323045000,"by":"shared"}"#;

/// A store and its driver, side by side.
struct Pair {
    store: &'static str,
    raw: Arc<dyn Side>,
    driver: Arc<dyn Side>,
    sizes: &'static [(&'static str, usize)],
}

/// Measures the layer.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    runtime::run(async {
        let mut table = Table::new(
            "drivers",
            "(c) drivers: a call, against the raw store doing the same",
            &["store", "call", "bytes", "callers", "raw µs", "driver µs", "ratio"],
        );
        report.progress("drivers: embedded");
        let file = file::start()?;
        compare(plan, &file.pair, &mut table).await?;
        table.note(format!(
            "embedded: raw is redb with a synced commit for each write; fdatasync of 4 KB: {:.0} µs",
            file.sync_micros()?
        ));
        report.progress("drivers: openbao");
        let bao = bao::start().await?;
        compare(plan, &bao.pair, &mut table).await?;
        table.note("openbao: on raft storage; raw is a bare reqwest client. µs: time of a round by its calls.");
        report.add(table);
        anyhow::Ok(())
    })
}

async fn compare(plan: &Plan, pair: &Pair, table: &mut Table) -> anyhow::Result<()> {
    for (name, bytes) in pair.sizes {
        let content = States::new(*bytes, 3).whole(1);
        for callers in CALLERS {
            let mut gets = [Vec::new(), Vec::new()];
            let mut puts = [Vec::new(), Vec::new()];
            let mut revisions = [0, 0];
            for _ in 0..plan.rounds() {
                for (at, side) in [&pair.raw, &pair.driver].into_iter().enumerate() {
                    let turn = Turn { side, key: format!("{bytes}-{callers}"), callers, length: plan.turn() };
                    let (Some(gets), Some(puts), Some(revision)) =
                        (gets.get_mut(at), puts.get_mut(at), revisions.get_mut(at))
                    else {
                        continue;
                    };
                    puts.push(turn.puts(&content, revision).await?);
                    gets.push(turn.gets(content.len()).await?);
                }
            }
            for (call, [raw, driver]) in [("get", gets), ("put-cas", puts)] {
                let (raw, driver) = (median(raw), median(driver));
                table.row([
                    Cell::from(pair.store),
                    Cell::from(call),
                    Cell::from(*name),
                    Cell::Number(count(callers), 0),
                    Cell::number(raw, 0),
                    Cell::number(driver, 0),
                    Cell::ratio(ratio(driver, raw)),
                ]);
            }
        }
    }
    Ok(())
}

/// One side's turn.
struct Turn<'a> {
    side: &'a Arc<dyn Side>,
    key: String,
    callers: usize,
    length: Duration,
}

impl Turn<'_> {
    /// Microseconds a read.
    async fn gets(&self, size: usize) -> anyhow::Result<f64> {
        let calls = |caller: usize| {
            let (side, key, length) = (Arc::clone(self.side), self.key(caller), self.length);
            async move {
                let start = Instant::now();
                let mut calls = 0;
                while start.elapsed() < length {
                    side.get(&key, size).await?;
                    calls += 1;
                }
                Ok(calls)
            }
        };
        self.run(calls).await.map(|(micros, _)| micros)
    }

    /// Microseconds a write. All callers' keys are brought to the same revision, which goes on from round to
    /// round.
    async fn puts(&self, content: &Bytes, revision: &mut u64) -> anyhow::Result<f64> {
        let first = *revision;
        // As many writes for each caller, so that all their keys end at one revision: those that fit into the
        // time by the first caller's measure of one write.
        let start = Instant::now();
        self.write_all(content, first, 1).await?;
        let one = start.elapsed().max(Duration::from_micros(1));
        let more = (self.length.as_secs_f64() / one.as_secs_f64()).clamp(2.0, 500.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 2 and 500")]
        let more = more as u64;
        let start = Instant::now();
        self.write_all(content, first + 1, more).await?;
        let elapsed = start.elapsed();
        *revision = first + 1 + more;
        Ok(micros(elapsed) / (count(self.callers) * number(more)))
    }

    async fn write_all(&self, content: &Bytes, first: u64, writes: u64) -> anyhow::Result<()> {
        let calls = |caller: usize| {
            let (side, key, content) = (Arc::clone(self.side), self.key(caller), content.clone());
            async move {
                for revision in first..first + writes {
                    side.put(&key, content.clone(), revision).await?;
                }
                Ok(writes)
            }
        };
        self.run(calls).await.map(|_| ())
    }

    /// Runs all callers; microseconds a call, and how many calls there were.
    async fn run<F>(&self, calls: impl Fn(usize) -> F) -> anyhow::Result<(f64, u64)>
    where
        F: Future<Output = anyhow::Result<u64>> + Send + 'static,
    {
        let start = Instant::now();
        let running: Vec<_> = (0..self.callers).map(|caller| tokio::spawn(calls(caller))).collect();
        let mut all = 0;
        for caller in running {
            all += caller.await??;
        }
        let each = micros(start.elapsed()) / number(all.max(1));
        Ok((each, all))
    }

    fn key(&self, caller: usize) -> String {
        format!("drivers/{}-{caller}", self.key)
    }
}
