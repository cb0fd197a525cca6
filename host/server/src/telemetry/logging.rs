//! Sets up the log: text for people on a terminal, else one JSON object a line, on standard error.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, fmt, registry};

use super::traces::work::{self, WorkSpans};
use crate::config::{LogFormat, Logging};

/// Starts logging for the whole process, and `spans` beside it, which heed no filter of log lines.
///
/// # Errors
/// If somebody has set up logging before.
pub fn start(logging: &Logging, spans: WorkSpans) -> Result<(), TryInitError> {
    let terminal = std::io::stderr().is_terminal();
    let format = logging.format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    // The configuration has checked the filter.
    let filter = EnvFilter::try_new(&logging.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).with_filter(filter).boxed()
        }
        // https://no-color.org
        LogFormat::Text => {
            let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            lines.with_ansi(colours).with_filter(filter).boxed()
        }
    };
    registry().with(lines).with(only_spans(spans)).try_init()
}

/// The spans alone: nothing that is logged costs anything for their sake.
fn only_spans<S>(spans: WorkSpans) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> registry::LookupSpan<'a>,
{
    spans.with_filter(
        filter_fn(|of| of.is_span() && of.target().starts_with(work::TARGET)).with_max_level_hint(LevelFilter::INFO),
    )
}
