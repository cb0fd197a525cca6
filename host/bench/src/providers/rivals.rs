//! What both real CLIs do to lock the same root modules: `providers lock` in each, one after the other.

use std::path::PathBuf;
use std::time::Duration;

use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::{Origin, PLATFORMS};
use tokio::process::Command;

use super::command::timed;
use super::roots;
use crate::statistics::count;

/// A CLI, and what it did so far.
pub(super) struct Rival {
    cli: Cli,
    /// What each lock file must be in the end.
    expected: String,
    /// Without lock files.
    pub(super) fresh: Sum,
    /// With complete ones.
    pub(super) complete: Sum,
}

/// What locking some root modules took.
#[derive(Default)]
pub(super) struct Sum {
    roots: usize,
    time: Duration,
    zips: usize,
}

impl Sum {
    /// How many root modules were locked.
    pub(super) fn roots(&self) -> usize {
        self.roots
    }

    /// The time in milliseconds for so many, at the same pace.
    pub(super) fn ms(&self, roots: usize) -> f64 {
        self.time.as_secs_f64() * 1e3 * self.scale(roots)
    }

    /// The zips that were downloaded, for so many.
    pub(super) fn zips(&self, roots: usize) -> f64 {
        count(self.zips) * self.scale(roots)
    }

    fn scale(&self, roots: usize) -> f64 {
        count(roots) / count(self.roots.max(1))
    }
}

impl Rival {
    /// A CLI that asks `origin`, and must come to what `expected` says.
    pub(super) fn new(mut cli: Cli, origin: &Origin, expected: String) -> anyhow::Result<Self> {
        let config = cli.folder().join("cli.config");
        std::fs::write(&config, origin.cli_config())?;
        cli.set("TF_CLI_CONFIG_FILE", &config.display().to_string());
        Ok(Self { cli, expected, fresh: Sum::default(), complete: Sum::default() })
    }

    /// `tofu` or `terraform`.
    pub(super) fn name(&self) -> &'static str {
        self.cli.name()
    }

    /// Locks these root modules, without lock files and once more with what it wrote.
    pub(super) async fn turn(&mut self, origin: &Origin, roots: &[PathBuf]) -> anyhow::Result<()> {
        for root in roots {
            roots::remove_lock(root)?;
        }
        let fresh = self.lock(origin, roots).await?;
        self.fresh.add(fresh);
        let complete = self.lock(origin, roots).await?;
        self.complete.add(complete);
        Ok(())
    }

    async fn lock(&self, origin: &Origin, roots: &[PathBuf]) -> anyhow::Result<Sum> {
        let platforms = PLATFORMS.map(|platform| format!("-platform={platform}"));
        let arguments: Vec<&str> =
            ["providers", "lock"].into_iter().chain(platforms.iter().map(String::as_str)).collect();
        origin.forget();
        let mut time = Duration::ZERO;
        for root in roots {
            let mut command = Command::from(self.cli.command(&arguments));
            command.current_dir(root).kill_on_drop(true);
            let (output, took) = timed(command).await?;
            let told = || String::from_utf8_lossy(&output.stderr).chars().take(500).collect::<String>();
            anyhow::ensure!(output.status.success(), "{} providers lock: {}", self.name(), told());
            let same = roots::lock(root)? == self.expected;
            anyhow::ensure!(same, "{} locked something else in {} than we do", self.name(), root.display());
            time += took;
        }
        Ok(Sum { roots: roots.len(), time, zips: origin.counts().zips })
    }
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.roots += other.roots;
        self.time += other.time;
        self.zips += other.zips;
    }
}
