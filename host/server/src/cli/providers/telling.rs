//! What the commands tell beside their answer: log lines, spans, and metrics in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches, value_parser};

use crate::cli::Flags;
use crate::config::{self, Mistakes};
use crate::telemetry::metrics::commands::{CommandMetrics, Run};
use crate::telemetry::traces::exporter::{Exporter, FLUSH};
use crate::telemetry::traces::work::WorkSpans;
use crate::telemetry::{Metrics, logging};

/// Sends the spans of a command.
pub(crate) struct Spans(Option<Exporter>);

impl Spans {
    /// Begins, as `OTEL_…` and `RUST_LOG` say. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The mistakes in these.
    pub(crate) fn begin() -> Result<Self, Mistakes> {
        let (log, traces) = Flags::default().with_environment(config::of_commands)?;
        let spans = WorkSpans::default();
        // A program has set up its own log already if it has this one as a part.
        let _ = logging::start(&log, spans.clone());
        let exporter = traces.and_then(|traces| {
            let metrics = Arc::new(Metrics::new().ok()?);
            let (queue, exporter) = Exporter::start(traces.exporter, &metrics);
            spans.begin(traces.sampler, queue);
            Some(exporter)
        });
        Ok(Self(exporter))
    }

    /// Sends what is left.
    pub(crate) async fn end(self) {
        if let Some(exporter) = self.0 {
            exporter.flush(FLUSH).await;
        }
    }
}

/// `--metrics-file`.
pub(super) fn metrics_file() -> Arg {
    Arg::new("metrics-file")
        .long("metrics-file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Write how the run ended into this file, for node_exporter's textfile collector (a name in .prom)")
}

/// The file, if one was named.
pub(super) fn chosen_metrics_file(matches: &ArgMatches) -> Option<PathBuf> {
    matches.get_one("metrics-file").cloned()
}

/// Writes that file.
///
/// # Errors
/// Why it cannot be written, in a sentence.
pub(super) fn write(run: &Run, to: &Path) -> Result<(), String> {
    let metrics = CommandMetrics::new().map_err(|error| error.to_string())?;
    metrics.write(run, to).map_err(|error| format!("--metrics-file {}: {error}", to.display()))
}
