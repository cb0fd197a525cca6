//! `tofu-state providers lock` as a process, on a machine that has nothing but what it is given.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::server::process::Usage;

/// How often a process whose memory counts is looked at. Its peak never falls, so only what it adds in its last
/// moment is missed.
const LOOK: Duration = Duration::from_millis(1);

/// A user's home: a CLI configuration, and a cache that is empty at first.
pub(super) struct Home {
    program: PathBuf,
    folder: TempDir,
    authority: Option<PathBuf>,
}

/// What a run did.
#[derive(Debug)]
pub(super) struct Run {
    /// From its start to its end.
    pub(super) took: Duration,
    /// The highest resident memory in MiB, if it was looked at.
    pub(super) peak: f64,
    /// How many lock files it wrote.
    pub(super) written: usize,
    /// How many zips it says that it downloaded.
    pub(super) zips: usize,
}

impl Home {
    /// One with this CLI configuration.
    pub(super) fn new(program: &Path, config: &str) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("cli.config"), config)?;
        Ok(Self { program: program.to_owned(), folder, authority: None })
    }

    /// Where certificates are to be by the authority in this file.
    pub(super) fn trusting(mut self, authority: PathBuf) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Locks all root modules below a folder for these platforms, in the way of `style`.
    pub(super) async fn lock(&self, folder: &Path, style: &str, platforms: &[&str]) -> anyhow::Result<Run> {
        let (output, took) = timed(self.command(folder, style, platforms)).await?;
        Run::read(&output, took, 0.0)
    }

    /// The same, and what memory it takes, which costs a little time.
    pub(super) async fn lock_watched(&self, folder: &Path, style: &str, platforms: &[&str]) -> anyhow::Result<Run> {
        let mut command = self.command(folder, style, platforms);
        let began = Instant::now();
        let child = command.spawn().context("tofu-state providers lock")?;
        let id = child.id().context("it has no number")?;
        let mut ended = pin!(child.wait_with_output());
        let mut peak = 0.0;
        let output = loop {
            tokio::select! {
                output = &mut ended => break output?,
                // One that is gone has no memory.
                () = tokio::time::sleep(LOOK) => peak = f64::max(peak, Usage::of(id).map_or(0.0, |usage| usage.peak)),
            }
        };
        Run::read(&output, began.elapsed(), peak)
    }

    fn command(&self, folder: &Path, style: &str, platforms: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["providers", "lock", "--json", "--style", style]).arg(folder).env_clear();
        for platform in platforms {
            command.args(["--platform", platform]);
        }
        command.env("HOME", self.folder.path()).env("TF_CLI_CONFIG_FILE", self.folder.path().join("cli.config"));
        command.env("TOFU_STATE_CACHE", self.folder.path().join("cache"));
        command.envs(self.authority.iter().map(|file| ("SSL_CERT_FILE", file)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

impl Run {
    fn read(output: &Output, took: Duration, peak: f64) -> anyhow::Result<Self> {
        let told = || String::from_utf8_lossy(&output.stderr).chars().take(500).collect::<String>();
        anyhow::ensure!(output.status.success(), "providers lock: {}: {}", output.status, told());
        let document: Value = serde_json::from_slice(&output.stdout)?;
        let roots = document.get("roots").and_then(Value::as_array).context("no `roots` in what it printed")?;
        let written = roots.iter().filter(|root| root.get("outcome").is_some_and(|outcome| outcome == "written"));
        let zips = document.get("zips_downloaded").and_then(Value::as_u64).context("no `zips_downloaded`")?;
        Ok(Self { took, peak, written: written.count(), zips: usize::try_from(zips)? })
    }
}

/// Runs a command to its end, and how long that took.
pub(super) async fn timed(mut command: Command) -> anyhow::Result<(Output, Duration)> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let began = Instant::now();
    let output = command.output().await.context(program)?;
    Ok((output, began.elapsed()))
}
