//! The embedded store, against redb by itself.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tempfile::TempDir;
use tofu_state_store::embedded::{Embedded, Settings};

use super::{Driver, Pair, Side};
use crate::statistics::{median, micros};

/// Revision and content under a key.
const TABLE: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("documents");

/// redb as it comes: each write is a transaction with a synced commit.
pub(crate) struct Plain {
    database: Arc<Database>,
}

impl Plain {
    /// A new file in `folder`.
    pub(crate) fn create(folder: &TempDir) -> anyhow::Result<Self> {
        Ok(Self { database: Arc::new(Database::create(folder.path().join("plain.redb"))?) })
    }

    /// Reads a document's revision and content.
    pub(crate) fn get_now(&self, key: &str) -> anyhow::Result<(u64, Vec<u8>)> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(TABLE)?;
        let stored = table.get(key)?.context("no such document")?;
        let (revision, content) = stored.value();
        Ok((revision, content.to_vec()))
    }

    /// Writes a document if its revision is the expected one, and syncs it.
    pub(crate) fn put_now(&self, key: &str, content: &[u8], expected: u64) -> anyhow::Result<()> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            let found = table.get(key)?.map_or(0, |stored| stored.value().0);
            anyhow::ensure!(found == expected, "revision {found}, not {expected}");
            table.insert(key, (expected + 1, content))?;
        }
        // `Durability::Immediate`, redb's own default.
        Ok(transaction.commit()?)
    }
}

#[async_trait]
impl Side for Plain {
    async fn get(&self, key: &str, size: usize) -> anyhow::Result<()> {
        let (_, content) = self.get_now(key)?;
        anyhow::ensure!(content.len() == size, "{} bytes, not {size}", content.len());
        Ok(())
    }

    async fn put(&self, key: &str, content: Bytes, expected: u64) -> anyhow::Result<()> {
        let (plain, key) = (Self { database: Arc::clone(&self.database) }, key.to_owned());
        // A commit blocks; on the runtime's own threads it would hold the other callers up.
        tokio::task::spawn_blocking(move || plain.put_now(&key, &content, expected)).await?
    }
}

/// Both sides, each in a file of its own on one disk.
pub(super) struct Files {
    pub(super) pair: Pair,
    folder: TempDir,
}

/// Makes them.
pub(super) fn start() -> anyhow::Result<Files> {
    let folder = TempDir::new()?;
    let embedded = Embedded::open(Settings { keep_versions: 10, ..Settings::new(folder.path().join("driver")) })?;
    let pair = Pair {
        store: "embedded",
        raw: Arc::new(Plain::create(&folder)?),
        driver: Arc::new(Driver(Arc::new(embedded))),
        sizes: &[("2 KB", 2_000), ("20 KB", 20_000), ("800 KB", 800_000)],
    };
    Ok(Files { pair, folder })
}

impl Files {
    /// What a sync of 4 KB takes on this disk: the least that a durable write can cost.
    pub(super) fn sync_micros(&self) -> anyhow::Result<f64> {
        let mut file = File::create(self.folder.path().join("sync"))?;
        let mut times = Vec::new();
        for _ in 0..50 {
            file.write_all(&[7; 4096])?;
            let start = Instant::now();
            file.sync_data()?;
            times.push(micros(start.elapsed()));
        }
        median(times).context("no syncs")
    }
}
