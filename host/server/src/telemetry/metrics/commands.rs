//! Metrics of the commands about providers: how the last run ended, for a file that node_exporter's textfile collector
//! reads (<https://github.com/prometheus/node_exporter#textfile-collector>).

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use prometheus::{Encoder, GaugeVec, IntGaugeVec, Opts, Registry, TextEncoder};
use tempfile::NamedTempFile;

use super::{Described, Make, signed};

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// `lock` or `mirror`.
    pub command: &'static str,
    /// Whether all is as it should be now.
    pub good: bool,
    /// How long it took.
    pub took: Duration,
    /// Root modules, by outcome.
    pub roots: Vec<(&'static str, u64)>,
    /// Packages that were looked at.
    pub packages: u64,
    /// Zips that were downloaded.
    pub zips: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Bytes that doing each root module alone would have taken beyond these.
    pub bytes_saved: u64,
}

/// The metrics. None of them has the name of a folder or of a provider.
pub struct CommandMetrics {
    registry: Registry,
    described: Vec<Described>,
    ended: IntGaugeVec,
    good: IntGaugeVec,
    took: GaugeVec,
    roots: IntGaugeVec,
    packages: IntGaugeVec,
    zips: IntGaugeVec,
    bytes: IntGaugeVec,
    saved: IntGaugeVec,
}

impl CommandMetrics {
    /// All of them, without a value.
    ///
    /// # Errors
    /// If a metric's name were malformed or there twice.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let make = Make::new(&registry);
        let gauge = |name: &str, help: &str| make.gauges(name, help, &["command"]);
        Ok(Self {
            ended: gauge("tofu_state_providers_run_timestamp_seconds", "When the run ended, since 1970.")?,
            good: gauge("tofu_state_providers_run_success", "1 if all was as it should be after it, else 0.")?,
            took: make.keep(
                "gauge",
                GaugeVec::new(
                    Opts::new("tofu_state_providers_run_duration_seconds", "How long the run took."),
                    &["command"],
                )?,
            )?,
            roots: make.gauges(
                "tofu_state_providers_run_root_modules",
                "Root modules of the run, by how they came out.",
                &["command", "outcome"],
            )?,
            packages: gauge("tofu_state_providers_run_packages", "Packages that the run looked at.")?,
            zips: gauge("tofu_state_providers_run_downloads", "Packages that the run downloaded.")?,
            bytes: gauge("tofu_state_providers_run_downloaded_bytes", "Bytes of packages that the run downloaded.")?,
            saved: gauge(
                "tofu_state_providers_run_saved_bytes",
                "Bytes that each root module alone would have downloaded beyond these.",
            )?,
            described: make.described.into_inner(),
            registry,
        })
    }

    /// What there is.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// Writes how a run ended into a file: at once, so that whoever reads it never finds half of it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, run: &Run, to: &Path) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let set = |gauge: &IntGaugeVec, value: u64| gauge.with_label_values(&[run.command]).set(signed(value));
        set(&self.ended, now.as_secs());
        set(&self.good, u64::from(run.good));
        self.took.with_label_values(&[run.command]).set(run.took.as_secs_f64());
        for (outcome, count) in &run.roots {
            self.roots.with_label_values(&[run.command, outcome]).set(signed(*count));
        }
        set(&self.packages, run.packages);
        set(&self.zips, run.zips);
        set(&self.bytes, run.bytes);
        set(&self.saved, run.bytes_saved);

        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).map_err(std::io::Error::other)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&text)?;
        readable(&file)?;
        file.persist(to)?;
        Ok(())
    }
}

/// The collector runs as somebody else.
fn readable(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("providers.prom");
        std::fs::write(&file, "old").unwrap();
        let run = Run { command: "lock", good: true, roots: vec![("written", 2)], zips: 8, ..Run::default() };
        CommandMetrics::new().unwrap().write(&run, &file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        for line in [
            "tofu_state_providers_run_success{command=\"lock\"} 1",
            "tofu_state_providers_run_root_modules{command=\"lock\",outcome=\"written\"} 2",
            "tofu_state_providers_run_downloads{command=\"lock\"} 8",
            "# TYPE tofu_state_providers_run_duration_seconds gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let nowhere = folder.path().join("missing/providers.prom");
        assert!(CommandMetrics::new().unwrap().write(&run, &nowhere).is_err());
    }
}
